/* A login from the receiver's side, decoded: octet 1 chooses the mechanism and what is kept of the
 * user, then each line is a response. In it, { is the challenge that came last without its salt, |
 * is NUL, and } is the proof that the password is known.
 *
 * Holds: who has not given the password or a proof made of it never fits; who has given one, fits;
 * a step gives a challenge only when it asks; no challenge holds a secret; an exchange that ended
 * takes nothing more. */
#include "tests/fuzz/fuzz.h"

#include <openssl/evp.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/saslprep.h"
#include "ssmtp/sasl.h"

static const char password[] = "pencil";

struct play {
    struct sasl *s;
    struct buf nonce; /* r= of the challenge */
    bool proof;       /* a true proof was said */
    bool closed;
};

static struct scram_secret keys(void)
{
    static struct scram_secret pencil = {.iterations = 1, .salt_octets = SCRAM_SALT};

    CHECK(pencil.stored[0] != 0 || scram_derive(span_of(password), &pencil));
    return pencil;
}

static bool secret_of(void *arg, struct span name, struct scram_secret *s)
{
    (void)arg;
    *s = keys();
    return span_eq(name, SPAN("user"));
}

static bool nonce_of(void *arg, char out[SASL_NONCE + 1])
{
    (void)arg;
    return span_copy(SPAN("ours"), out, SASL_NONCE + 1);
}

static const struct sasl_users users = {secret_of, nonce_of, NULL};

/* base64(ClientKey XOR HMAC(StoredKey, AuthMessage)), by RFC 5802 3 and nothing of ours but HMAC.
 */
static void add_proof(const struct play *p, struct span without, struct buf *out)
{
    unsigned char salted[SCRAM_KEY], client[SCRAM_KEY], signature[SCRAM_KEY];
    struct scram_secret s = keys();
    struct buf message = {0};

    buf_addspan(&message, BUF_SPAN(&p->s->exchange));
    buf_addspan(&message, without);
    CHECK(PKCS5_PBKDF2_HMAC(password, sizeof(password) - 1, s.salt, SCRAM_SALT, 1, EVP_sha256(),
                            SCRAM_KEY, salted) == 1);
    CHECK(scram_hmac((struct span){(char *)salted, SCRAM_KEY}, SPAN("Client Key"), client));
    CHECK(scram_hmac((struct span){(char *)s.stored, SCRAM_KEY}, BUF_SPAN(&message), signature));
    for (size_t i = 0; i < SCRAM_KEY; i++)
        client[i] ^= signature[i];
    base64_encode((struct span){(char *)client, SCRAM_KEY}, out);
    buf_free(&message);
}

/* The line with its marks replaced. */
static void make_response(struct play *p, struct span line, struct buf *out)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '|') {
            buf_addc(out, '\0');
        } else if (line.p[i] == '{') {
            buf_addspan(out, BUF_SPAN(&p->nonce));
        } else if (line.p[i] == '}' && out->len >= 3 && p->s->exchange.len > 0) {
            struct span without = {out->data, out->len - 3};
            p->proof |=
                span_eq(span_from(BUF_SPAN(out), out->len - 3), SPAN(",p=")) && i + 1 == line.n;
            add_proof(p, without, out);
        } else {
            buf_addc(out, line.p[i]);
        }
    }
}

static void check_challenge(struct play *p, struct span challenge)
{
    struct span part;

    CHECK(no_controls(challenge, ""));
    buf_clear(&p->nonce);
    if (span_starts_nocase(challenge, SPAN("r=")) && span_cut(&challenge, ',', &part))
        buf_addspan(&p->nonce, part);
}

/* The password was given in clear: PLAIN's last part, LOGIN's second response. */
static bool gave_password(const struct play *p)
{
    return span_eq(BUF_SPAN(&p->s->password), span_of(password));
}

static void check_claim(struct play *p)
{
    struct buf last = {0};
    bool shown = p->s->exchange.len > 0 ? p->proof : gave_password(p);

    sasl_check(p->s);
    CHECK(p->s->checked && p->s->fits == (shown && p->s->known));
    CHECK(!p->s->known || span_eq(BUF_SPAN(&p->s->name), SPAN("user")));
    enum sasl_result r = sasl_proven(p->s, &last);
    CHECK(p->s->fits ? r == SASL_ASK || r == SASL_DONE : r == SASL_MALFORMED && last.len == 0);
    CHECK(r != SASL_ASK || span_starts_nocase(BUF_SPAN(&last), SPAN("v=")));
    p->closed = r != SASL_ASK;
    buf_free(&last);
}

static void take_response(struct play *p, struct span line)
{
    struct buf response = {0}, challenge = {0};

    p->proof = false;
    make_response(p, line, &response);
    enum sasl_result r = sasl_step(p->s, &users, BUF_SPAN(&response), &challenge);
    CHECK(r != SASL_TROUBLE && (r == SASL_ASK || challenge.len == 0));
    CHECK(r != SASL_DONE || (p->s->checked && p->s->fits));
    check_challenge(p, BUF_SPAN(&challenge));
    p->closed = r != SASL_ASK;
    if (r == SASL_CLAIM)
        check_claim(p);
    buf_free(&response);
    buf_free(&challenge);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size}, line;
    bool known = false;
    struct play p = {.closed = false};

    p.s = sasl_new(span_of(sasl_name(take_octet(&in) % 3)), &known);
    CHECK(p.s != NULL && known && sasl_name(3) == NULL);
    for (unsigned steps = 0; !p.closed && span_line(&in, &line); steps++) {
        CHECK(steps < 4);
        take_response(&p, line);
    }
    sasl_free(p.s);
    buf_free(&p.nonce);
    return 0;
}
