/* Is a mail exchanger this host? Then mail for a foreign domain must not go to it, nor to a worse
 * one (RFC 5321 5.1): it would come back.
 *
 * We are where a SERVICE of SSMTP listens: at its port, under the name HOST, and at the addresses
 * of this machine's interfaces, or at the one that its ADDRESS names. A host without SSMTP is not
 * a mail exchanger of ours: another program may well be. */
#ifndef USMTP_SELF_H
#define USMTP_SELF_H

#include <netinet/in.h>

#include "lib/site.h"

union resolve_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

bool self_name(const struct site *site, const char *host, unsigned short port);
bool self_address(const struct site *site, const union resolve_address *a);

#endif
