/* The hosts that a ROUTE names, HOST(first,second|third:587): pure.
 *
 * A comma begins a further choice, taken when nothing before it could be reached; | joins hosts
 * that are equal. A host is a name, a name in brackets, or a literal ([192.0.2.1], [IPv6:...]),
 * with :port behind it where it has its own. */
#ifndef SPOOLMAIL_NEXTHOP_H
#define SPOOLMAIL_NEXTHOP_H

#include "lib/address.h"

enum { NEXTHOP_MAX = 8, NEXTHOP_TEXT_MAX = 512 };

struct nexthop {
    struct span host;     /* of a literal with its brackets, of a bracketed name without */
    unsigned short port;  /* 0: none is given */
    unsigned char choice; /* 0 the first, 1 the second ... */
    bool bracketed;       /* a literal, or a name that stands for its addresses alone */
};

/* How many hosts the list has; 0 when it is not of this form or has more than NEXTHOP_MAX. */
size_t nexthop_parse(struct span list, struct nexthop hop[NEXTHOP_MAX]);
/* A domain name or a literal. */
bool host_valid(struct span s);

#endif
