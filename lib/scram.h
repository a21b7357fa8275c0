/* The keys of SCRAM-SHA-256 (RFC 5802, RFC 7677): what a server keeps of a password, and what it
 * proves with it. Pure. Who steals a secret cannot log in with it, but can try passwords, which the
 * iterations make slow.
 *
 * All compare in constant time. False: OpenSSL has no memory; then nothing fits. */
#ifndef SPOOLMAIL_SCRAM_H
#define SPOOLMAIL_SCRAM_H

#include "lib/buf.h"

enum {
    SCRAM_KEY = 32,
    SCRAM_SALT = 16, /* octets of one that we make */
    SCRAM_SALT_MAX = 64,
    SCRAM_ITERATIONS = 20000, /* of a password that is set here */
    SCRAM_ITERATIONS_MIN = 4096,
    SCRAM_ITERATIONS_MAX = 500000
};

struct scram_secret {
    unsigned iterations;
    size_t salt_octets;
    unsigned char salt[SCRAM_SALT_MAX];
    unsigned char stored[SCRAM_KEY], server[SCRAM_KEY]; /* StoredKey, ServerKey */
};

/* Fills the keys from a prepared password; salt and iterations are there. Takes milliseconds. */
bool scram_derive(struct span password, struct scram_secret *s);
/* Is it the password? As long as scram_derive(). */
bool scram_try_password(const struct scram_secret *s, struct span password, bool *fits);
/* Does a ClientProof of this exchange show that its maker knows the password? */
bool scram_try_proof(const struct scram_secret *s, struct span exchange,
                     const unsigned char proof[SCRAM_KEY], bool *fits);
/* The ServerSignature of an exchange. */
bool scram_sign(const struct scram_secret *s, struct span exchange, unsigned char out[SCRAM_KEY]);
/* HMAC-SHA-256. */
bool scram_hmac(struct span key, struct span text, unsigned char out[SCRAM_KEY]);

#endif
