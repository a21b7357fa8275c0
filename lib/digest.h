/* SHA-256 in pieces: the one home of OpenSSL's digests. Pure; needs no memory of its own, and so
 * cannot fail. */
#ifndef SPOOLMAIL_DIGEST_H
#define SPOOLMAIL_DIGEST_H

#include "lib/buf.h"

enum { DIGEST_OCTETS = 32 };

/* A digest in the making; digest_begin() begins it, nothing needs to end it. */
struct digest {
    uint64_t state[16];
};

void digest_begin(struct digest *d);
void digest_add(struct digest *d, struct span octets);
void digest_end(struct digest *d, unsigned char out[DIGEST_OCTETS]);

#endif
