/* Which destination a recipient's mail goes to: the ROUTE statements, or the domain itself. Pure.
 */
#ifndef USMTP_ROUTE_H
#define USMTP_ROUTE_H

#include "lib/address.h"
#include "lib/site.h"

/* Where to connect. Mail with equal routes shares connections. */
struct route {
    char host[ADDRESS_DOMAIN_MAX + 1]; /* name or literal; lower case */
    unsigned short port;
    unsigned char tls; /* enum tls_level */
    bool relay;        /* named by a ROUTE statement, not the recipient's own domain */
};

/* The exact domain first, then the longest *.suffix, then *. Without a statement: the domain
 * itself, port 25. False: the recipient has no domain. */
bool route_find(const struct site *site, const struct address *to, struct route *out);
bool route_eq(const struct route *a, const struct route *b);

#endif
