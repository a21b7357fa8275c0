/* See digest.h. OpenSSL's own SHA-256 without its EVP layer: that one loads providers at the first
 * use, and does not survive it when memory is short (3.0). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "lib/digest.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct digest), "a digest has room for OpenSSL's");
_Static_assert(DIGEST_OCTETS == SHA256_DIGEST_LENGTH, "SHA-256");

static SHA256_CTX *context(struct digest *d)
{
    return (SHA256_CTX *)(void *)d->state;
}

/* None of the three can fail: they say so for the sake of engines. */
void digest_begin(struct digest *d)
{
    SHA256_Init(context(d));
}

void digest_add(struct digest *d, struct span octets)
{
    if (octets.n > 0)
        SHA256_Update(context(d), octets.p, octets.n);
}

void digest_end(struct digest *d, unsigned char out[DIGEST_OCTETS])
{
    SHA256_Final(out, context(d));
}
