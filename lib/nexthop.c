/* See nexthop.h. */
#include "lib/nexthop.h"

#include <string.h>

bool host_valid(struct span s)
{
    char mailbox[ADDRESS_DOMAIN_MAX + 8] = "x@";
    struct address a;

    if (s.n == 0 || s.p[0] != '[')
        return domain_valid(s, false);
    return span_copy(s, mailbox + 2, sizeof(mailbox) - 2) &&
           address_parse(span_of(mailbox), ADDRESS_BARE_OK, &a, NULL) == ADDRESS_GOOD;
}

/* Takes a :port off the end; a colon within brackets belongs to the literal. */
static bool take_port(struct span *s, unsigned short *port)
{
    size_t end = s->n > 0 && s->p[0] == '[' ? span_find(*s, ']') : 0;
    size_t colon = end + span_find(span_from(*s, end), ':');
    uint64_t n;

    *port = 0;
    if (colon == s->n)
        return true;
    if (!span_number(span_from(*s, colon + 1), 65535, &n) || n == 0)
        return false;
    *port = (unsigned short)n;
    s->n = colon;
    return true;
}

/* [192.0.2] is a literal gone wrong, not a name. */
static bool has_letter(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] | 0x20) >= 'a') /* in a valid domain nothing stands above the letters */
            return true;
    return false;
}

static bool take_hop(struct span text, struct nexthop *hop)
{
    if (!take_port(&text, &hop->port) || text.n == 0)
        return false;
    hop->host = text;
    hop->bracketed = text.p[0] == '[';
    if (host_valid(text))
        return true;
    if (text.n < 3 || !hop->bracketed || text.p[text.n - 1] != ']')
        return false;
    hop->host = (struct span){text.p + 1, text.n - 2};
    return domain_valid(hop->host, false) && has_letter(hop->host);
}

size_t nexthop_parse(struct span list, struct nexthop hop[NEXTHOP_MAX])
{
    struct span choice, one;
    size_t hops = 0;

    for (unsigned char n = 0; span_cut(&list, ',', &choice); n++) {
        while (span_cut(&choice, '|', &one)) {
            if (hops == NEXTHOP_MAX)
                return 0;
            hop[hops].choice = n;
            if (!take_hop(one, &hop[hops++]))
                return 0;
        }
    }
    return hops;
}
