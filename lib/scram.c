/* See scram.h. */
#include "lib/scram.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/digest.h"

_Static_assert((int)SCRAM_KEY == (int)DIGEST_OCTETS, "keys are digests");

static struct span key_span(const unsigned char key[SCRAM_KEY])
{
    return (struct span){(const char *)key, SCRAM_KEY};
}

static void hash(const unsigned char in[SCRAM_KEY], unsigned char out[SCRAM_KEY])
{
    struct digest d;

    digest_begin(&d);
    digest_add(&d, key_span(in));
    digest_end(&d, out);
    OPENSSL_cleanse(&d, sizeof(d));
}

/* What OpenSSL notes of a failure would stay with the thread. */
static bool judge(bool good)
{
    if (!good)
        ERR_clear_error();
    return good;
}

bool scram_hmac(struct span key, struct span text, unsigned char out[SCRAM_KEY])
{
    unsigned length = SCRAM_KEY;

    return key.n <= INT_MAX &&
           judge(HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text.p, text.n, out,
                      &length) != NULL);
}

bool scram_derive(struct span password, struct scram_secret *s)
{
    unsigned char salted[SCRAM_KEY], client[SCRAM_KEY] = {0};

    bool good =
        password.n <= INT_MAX && s->salt_octets <= SCRAM_SALT_MAX &&
        judge(PKCS5_PBKDF2_HMAC(password.p, (int)password.n, s->salt, (int)s->salt_octets,
                                (int)s->iterations, EVP_sha256(), SCRAM_KEY, salted) == 1) &&
        scram_hmac(key_span(salted), SPAN("Client Key"), client) &&
        scram_hmac(key_span(salted), SPAN("Server Key"), s->server);
    hash(client, s->stored);
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(client, sizeof(client));
    return good;
}

bool scram_try_password(const struct scram_secret *s, struct span password, bool *fits)
{
    struct scram_secret other = *s;

    bool good = scram_derive(password, &other);
    *fits = good && CRYPTO_memcmp(other.stored, s->stored, SCRAM_KEY) == 0;
    OPENSSL_cleanse(&other, sizeof(other));
    return good;
}

bool scram_try_proof(const struct scram_secret *s, struct span exchange,
                     const unsigned char proof[SCRAM_KEY], bool *fits)
{
    unsigned char client[SCRAM_KEY], stored[SCRAM_KEY];

    *fits = false;
    if (!scram_hmac(key_span(s->stored), exchange, client))
        return false;
    for (size_t i = 0; i < SCRAM_KEY; i++)
        client[i] ^= proof[i];
    hash(client, stored);
    OPENSSL_cleanse(client, sizeof(client));
    *fits = CRYPTO_memcmp(stored, s->stored, SCRAM_KEY) == 0;
    return true;
}

bool scram_sign(const struct scram_secret *s, struct span exchange, unsigned char out[SCRAM_KEY])
{
    return scram_hmac(key_span(s->server), exchange, out);
}
