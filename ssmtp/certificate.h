/* What TLS needs of the receiver: certificates and keys, and the key of tickets that all workers
 * share, so that a session can be resumed with any of them. */
#ifndef SSMTP_CERTIFICATE_H
#define SSMTP_CERTIFICATE_H

#include "lib/site.h"
#include "lib/tls.h"

struct certificate {
    struct tls_context *context; /* NULL: TLS is not offered */
    unsigned char ticket[TLS_TICKET_KEY];
    bool ticketed;
};

/* Reads what the site names, also again; where there is no CERT, TLS is not offered. False with *d:
 * what there was stays in use. */
bool certificate_load(struct certificate *c, const struct site *site, struct diag *d);
void certificate_free(struct certificate *c);

#endif
