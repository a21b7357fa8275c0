/* See self.h. */
#include "usmtp/self.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <string.h>

static bool is_ours(const struct site_service *s, unsigned short port)
{
    const char *module = s->module != NULL ? s->module : s->name;

    return span_eq_nocase(span_of(module), SPAN("SSMTP")) && s->port == port;
}

bool self_name(const struct site *site, const char *host, unsigned short port)
{
    if (!span_eq_nocase(span_of(host), span_of(site->host)))
        return false;
    for (size_t i = 0; i < site->services; i++)
        if (is_ours(&site->service[i], port))
            return true;
    return false;
}

static bool same_address(const struct sockaddr *a, const union resolve_address *b)
{
    if (a == NULL || a->sa_family != b->any.sa_family)
        return false;
    if (a->sa_family == AF_INET6)
        return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, &b->v6.sin6_addr,
                      16) == 0;
    return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr, &b->v4.sin_addr, 4) ==
           0;
}

/* 0.0.0.0 and all of 127/8 reach this machine without being an interface's address. */
static bool this_machine(const union resolve_address *a)
{
    if (a->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
    unsigned first = ntohl(a->v4.sin_addr.s_addr) >> 24;
    return first == 127 || first == 0;
}

static bool on_interface(const union resolve_address *a)
{
    struct ifaddrs *list = NULL;
    bool found = false;

    if (getifaddrs(&list) < 0)
        return false;
    for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next)
        found = same_address(i->ifa_addr, a);
    freeifaddrs(list);
    return found;
}

/* Does a service that listens at `address` take what comes to *a? */
static bool listens(const char *address, const union resolve_address *a)
{
    static const unsigned char any[16];
    unsigned char octets[16];
    bool v6 = a->any.sa_family == AF_INET6;
    size_t n = v6 ? 16 : 4;

    if (address == NULL)
        return this_machine(a) || on_interface(a);
    if (inet_pton(a->any.sa_family, address, octets) != 1)
        return false;
    if (memcmp(octets, any, n) == 0)
        return this_machine(a) || on_interface(a);
    return memcmp(octets, v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr, n) ==
           0;
}

bool self_address(const struct site *site, const union resolve_address *a)
{
    unsigned short port = ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);

    for (size_t i = 0; i < site->services; i++) {
        const struct site_service *s = &site->service[i];
        if (is_ours(s, port) && listens(s->address, a))
            return true;
    }
    return false;
}
