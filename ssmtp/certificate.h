/* What TLS needs of the receiver: certificates and keys, and the key of tickets that all workers
 * share, so that a session can be resumed with any of them. */
#ifndef SSMTP_CERTIFICATE_H
#define SSMTP_CERTIFICATE_H

#include "lib/site.h"
#include "lib/tls.h"

enum { CERTIFICATE_TICKET_MS = 2 * 3600 * 1000 };

struct certificate {
    struct tls_context *context; /* NULL: TLS is not offered */
    unsigned char ticket[TLS_TICKET_KEY];
    bool ticketed;
    int64_t next_ms; /* steady clock: when the key is to be another one */
};

/* Reads what the site names, also again; where there is no CERT, TLS is not offered. False with *d:
 * what there was stays in use. */
bool certificate_load(struct certificate *c, const struct site *site, struct diag *d);
/* The key of tickets follows the clock: all processes that began with one key have the same at any
 * time. Returns in how many milliseconds it is to be called again. */
int64_t certificate_renew(struct certificate *c, int64_t now_ms);
void certificate_free(struct certificate *c);

#endif
