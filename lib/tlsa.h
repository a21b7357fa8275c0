/* TLSA records (RFC 6698): which certificate a host must show. Pure.
 *
 * Only what RFC 7672 lets mail use: usages 2 (an authority) and 3 (the host itself), by a digest,
 * SHA-256 or SHA-512. Everything else is no record. */
#ifndef SPOOLMAIL_TLSA_H
#define SPOOLMAIL_TLSA_H

#include "lib/buf.h"

struct tlsa {
    unsigned char usage, selector, matching;
    unsigned char data[64];
    size_t length; /* of data: 32 or 64 */
};

/* "3 1 1 HEX", as in a zone, with one blank between. */
bool tlsa_parse(struct span text, struct tlsa *r);
/* A record as the name service gives it. */
bool tlsa_set(unsigned usage, unsigned selector, unsigned matching, struct span data,
              struct tlsa *r);

#endif
