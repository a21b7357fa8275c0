/* See network.h. */
#include "lib/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static bool clear_beyond(const struct network *n)
{
    size_t size = n->v6 ? 16 : 4;

    for (size_t i = 0; i < size * 8; i++)
        if (i >= n->bits && n->octets[i / 8] & 0x80U >> i % 8)
            return false;
    return true;
}

static struct span without_brackets(struct span s)
{
    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return s;
    return (struct span){s.p + 1, s.n - 2};
}

bool network_parse(struct span text, struct network *n)
{
    char address[INET6_ADDRSTRLEN];
    struct span host;
    uint64_t bits;

    *n = (struct network){.bits = 0};
    if (!span_cut(&text, '/', &host) ||
        !span_copy(without_brackets(host), address, sizeof(address)))
        return false;
    n->v6 = strchr(address, ':') != NULL;
    if ((!n->v6 && host.n > 0 && host.p[0] == '[') ||
        inet_pton(n->v6 ? AF_INET6 : AF_INET, address, n->octets) != 1 ||
        (n->v6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)n->octets)))
        return false;
    bits = n->v6 ? 128 : 32;
    if (text.p != NULL && !span_number(text, bits, &bits))
        return false;
    n->bits = (unsigned)bits;
    return bits >= (n->v6 ? NETWORK_V6_LEAST : NETWORK_V4_LEAST) && clear_beyond(n);
}

/* The next part of the list that is not empty. */
static bool next_part(struct span *list, struct span *part)
{
    size_t end = 0;

    while (list->n > 0 && (list->p[0] == ' ' || list->p[0] == ','))
        *list = span_from(*list, 1);
    while (end < list->n && list->p[end] != ' ' && list->p[end] != ',')
        end++;
    *part = (struct span){list->p, end};
    *list = span_from(*list, end);
    return end > 0;
}

bool networks_valid(struct span list)
{
    struct network n;
    struct span part;
    size_t count = 0;

    while (next_part(&list, &part))
        if (!network_parse(part, &n) || ++count > NETWORKS_MAX)
            return false;
    return count > 0;
}

/* The octets of an address; their number, 0 for a family that is neither. */
static size_t octets_of(const struct sockaddr *a, unsigned char out[16])
{
    if (a->sa_family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
        return 4;
    }
    if (a->sa_family != AF_INET6)
        return 0;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        memcpy(out, &v6->s6_addr[12], 4);
        return 4;
    }
    memcpy(out, v6, 16);
    return 16;
}

static bool holds(const struct network *n, const unsigned char octets[16])
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;

    if (memcmp(n->octets, octets, whole) != 0)
        return false;
    return rest == 0 || (n->octets[whole] ^ octets[whole]) >> (8 - rest) == 0;
}

bool networks_hold(const char *list, const struct sockaddr *a)
{
    struct span rest = {list, list == NULL ? 0 : strlen(list)}, part;
    unsigned char octets[16] = {0};
    size_t size = octets_of(a, octets);
    struct network n;

    while (size != 0 && next_part(&rest, &part))
        if (network_parse(part, &n) && n.v6 == (size == 16) && holds(&n, octets))
            return true;
    return false;
}
