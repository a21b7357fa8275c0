/* Networks by address and length, as RELAY names them: 10.0.0.0/8,[2001:db8::]/32. Pure.
 *
 * An IPv4-mapped IPv6 address is IPv4, and no network of IPv6 holds an address of IPv4. A network
 * so large that it is as good as everybody is no network; nor is one with bits beyond its length,
 * which means that something else was meant. */
#ifndef SPOOLMAIL_NETWORK_H
#define SPOOLMAIL_NETWORK_H

#include <sys/socket.h>

#include "lib/buf.h"

enum {
    NETWORKS_MAX = 64, /* in one list */
    NETWORK_V4_LEAST = 8,
    NETWORK_V6_LEAST = 7, /* fc00::/7 */
};

struct network {
    unsigned char octets[16]; /* the first 4, if IPv4 */
    unsigned bits;
    bool v6;
};

/* One: an address, of IPv6 with or without brackets, with or without /bits. */
bool network_parse(struct span text, struct network *n);
/* Is every part between commas and blanks one, and are there 1 to NETWORKS_MAX of them? */
bool networks_valid(struct span list);
/* Does one of them hold the address? A family that is neither is in none. NULL: none. */
bool networks_hold(const char *list, const struct sockaddr *a);

#endif
