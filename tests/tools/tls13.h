/* The client's half of a TLS 1.3 handshake (RFC 8446) for tests/tools/tlsload.c, which must cost as
 * little as it can: X25519, AES-128-GCM with SHA-256, and RSA-PSS or ECDSA P-256 of the server.
 *
 * OpenSSL does the arithmetic. Its own client takes twice the time for it all: it looks for every
 * algorithm by name in every handshake, and for a decoder of the certificate's key among all that
 * it has. Nothing that a client must do is left out: each handshake has a key share of its own, the
 * server must prove with the key of its certificate that it made this one, and both Finished
 * messages are right. Who has signed the certificate is not asked, as by most senders of mail; a
 * certificate that is octet for octet the last one is not read again.
 * For tests only: a server that does anything else ends the program. Each length from it is
 * checked. */
#ifndef SPOOLMAIL_TESTS_TLS13_H
#define SPOOLMAIL_TESTS_TLS13_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/digest.h"
#include "tests/tools/tool.h"

enum {
    TLS_SECRET = DIGEST_OCTETS,
    TLS_KEY = 16,
    TLS_NONCE = 12,
    TLS_TAG = 16,
    TLS_HEADER = 5,
    TLS_RECORD_MAX = 16384 + 256,
    TLS_MESSAGE_MAX = 65536
};

enum { TLS_CHANGE_CIPHER = 20, TLS_ALERT, TLS_HANDSHAKE, TLS_APPLICATION };

/* What the server's next message must be. */
enum tls13_phase {
    TLS_SERVER_HELLO,
    TLS_EXTENSIONS,
    TLS_CERTIFICATE,
    TLS_PROOF,
    TLS_FINISHED,
    TLS_DONE
};

static const unsigned char tls13_message[] = {
    [TLS_SERVER_HELLO] = 2, [TLS_EXTENSIONS] = 8, [TLS_CERTIFICATE] = 11,
    [TLS_PROOF] = 15,       [TLS_FINISHED] = 20,  [TLS_DONE] = 4 /* a new session's ticket */
};

/* What all connections share. */
struct tls13_tools {
    EVP_PKEY_CTX *shares; /* makes key shares */
    EVP_CIPHER *cipher;   /* fetched once */
    EVP_CIPHER_CTX *seal, *unseal;
    struct buf certificate; /* the last one that was read */
    EVP_PKEY_CTX *prover;   /* with its key */
    bool rsa;
    unsigned char plain[TLS_RECORD_MAX];
};

/* A session that can be resumed; valid with a ticket. */
struct tls13_session {
    struct buf ticket;
    unsigned char key[TLS_SECRET];
    uint32_t age_add;
    int64_t since_ms;
};

struct tls13_direction {
    unsigned char secret[TLS_SECRET], key[TLS_KEY], nonce[TLS_NONCE];
    uint64_t records;
};

struct tls13 {
    struct tls13_tools *tools;
    struct tls13_session *session; /* to be resumed, and kept; NULL: neither */
    enum tls13_phase phase;
    bool resumed;
    EVP_PKEY *share;
    struct digest transcript;
    unsigned char secret[TLS_SECRET]; /* of the present stage of the key schedule */
    unsigned char resumption[TLS_SECRET];
    struct tls13_direction read, write;
    struct buf records, messages; /* not whole yet */
};

__attribute__((format(printf, 1, 2))) _Noreturn static inline void tls13_wrong(const char *format,
                                                                               ...)
{
    va_list args;

    fflush(stdout);
    fputs("TLS: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(TOOL_FAILED);
}

static inline void tls13_must(bool good, const char *what)
{
    if (!good)
        tls13_wrong("%s", what);
}

/* Reading: the server's octets, each piece checked. */

static inline struct span tls13_take(struct span *from, size_t n)
{
    struct span taken = {from->p, n};

    tls13_must(from->n >= n, "a message is too short");
    *from = span_from(*from, n);
    return taken;
}

static inline size_t tls13_number(struct span *from, size_t octets)
{
    struct span s = tls13_take(from, octets);
    size_t value = 0;

    for (size_t i = 0; i < s.n; i++)
        value = value << 8 | (unsigned char)s.p[i];
    return value;
}

/* What stands behind its length of so many octets. */
static inline struct span tls13_vector(struct span *from, size_t octets)
{
    return tls13_take(from, tls13_number(from, octets));
}

/* Writing. */

static inline void tls13_add_number(struct buf *out, size_t value, size_t octets)
{
    while (octets-- > 0)
        buf_addc(out, (char)(value >> 8 * octets & 0xff));
}

static inline struct span tls13_span(const unsigned char *octets, size_t n)
{
    return (struct span){(const char *)octets, n};
}

/* The key schedule. */

static inline void tls13_hmac(const unsigned char key[TLS_SECRET], struct span a, struct span b,
                              unsigned char out[TLS_SECRET])
{
    unsigned char pad[64], inner[TLS_SECRET];
    struct digest d;

    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] = (unsigned char)((i < TLS_SECRET ? key[i] : 0) ^ 0x36);
    digest_begin(&d);
    digest_add(&d, tls13_span(pad, sizeof(pad)));
    digest_add(&d, a);
    digest_add(&d, b);
    digest_end(&d, inner);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    digest_begin(&d);
    digest_add(&d, tls13_span(pad, sizeof(pad)));
    digest_add(&d, tls13_span(inner, sizeof(inner)));
    digest_end(&d, out);
}

/* HKDF-Expand-Label; n is at most TLS_SECRET, so that one block is enough. */
static inline void tls13_expand(const unsigned char secret[TLS_SECRET], const char *label,
                                struct span context, unsigned char *out, size_t n)
{
    char room[2 + 1 + 64 + 1 + 255 + 1];
    struct buf info = {.data = room, .cap = sizeof(room)};
    unsigned char block[TLS_SECRET];

    tls13_add_number(&info, n, 2);
    tls13_add_number(&info, strlen("tls13 ") + strlen(label), 1);
    buf_adds(&info, "tls13 ");
    buf_adds(&info, label);
    tls13_add_number(&info, context.n, 1);
    buf_addspan(&info, context);
    buf_addc(&info, 1);
    tls13_hmac(secret, BUF_SPAN(&info), (struct span){0}, block);
    memcpy(out, block, n);
}

/* Derive-Secret, of what the transcript is now. */
static inline void tls13_derive(const unsigned char secret[TLS_SECRET], const char *label,
                                const struct digest *transcript, unsigned char out[TLS_SECRET])
{
    struct digest d = *transcript;
    unsigned char hash[TLS_SECRET];

    digest_end(&d, hash);
    tls13_expand(secret, label, tls13_span(hash, sizeof(hash)), out, TLS_SECRET);
}

/* The next stage; HKDF-Extract with its input. */
static inline void tls13_advance(unsigned char secret[TLS_SECRET],
                                 const unsigned char in[TLS_SECRET])
{
    unsigned char derived[TLS_SECRET];
    struct digest empty;

    digest_begin(&empty);
    tls13_derive(secret, "derived", &empty, derived);
    tls13_hmac(derived, tls13_span(in, TLS_SECRET), (struct span){0}, secret);
}

static inline void tls13_begin_secret(unsigned char secret[TLS_SECRET],
                                      const unsigned char key[TLS_SECRET])
{
    static const unsigned char zero[TLS_SECRET];

    tls13_hmac(zero, tls13_span(key != NULL ? key : zero, TLS_SECRET), (struct span){0}, secret);
}

static inline void tls13_set_keys(struct tls13 *t, struct tls13_direction *d, const char *label)
{
    tls13_derive(t->secret, label, &t->transcript, d->secret);
    tls13_expand(d->secret, "key", (struct span){0}, d->key, TLS_KEY);
    tls13_expand(d->secret, "iv", (struct span){0}, d->nonce, TLS_NONCE);
    d->records = 0;
}

/* What a Finished message holds, and the binder of a ticket, which has the same form. */
static inline void tls13_finished(const unsigned char secret[TLS_SECRET],
                                  const struct digest *transcript, unsigned char out[TLS_SECRET])
{
    unsigned char key[TLS_SECRET], hash[TLS_SECRET];
    struct digest d = *transcript;

    tls13_expand(secret, "finished", (struct span){0}, key, sizeof(key));
    digest_end(&d, hash);
    tls13_hmac(key, tls13_span(hash, sizeof(hash)), (struct span){0}, out);
}

/* Records. */

static inline void tls13_nonce(struct tls13_direction *d, unsigned char nonce[TLS_NONCE])
{
    memcpy(nonce, d->nonce, TLS_NONCE);
    for (size_t i = 0; i < 8; i++)
        nonce[TLS_NONCE - 1 - i] ^= (unsigned char)(d->records >> 8 * i);
    d->records++;
}

static inline void tls13_seal(struct tls13 *t, int kind, struct span text, struct buf *out)
{
    EVP_CIPHER_CTX *c = t->tools->seal;
    unsigned char nonce[TLS_NONCE], type = (unsigned char)kind;
    size_t header = out->len;
    int n = 0;

    tls13_nonce(&t->write, nonce);
    tls13_must(text.n < TLS_MESSAGE_MAX && buf_reserve(out, TLS_HEADER + text.n + 1 + TLS_TAG),
               "memory is short");
    tls13_add_number(out, TLS_APPLICATION, 1);
    tls13_add_number(out, 0x0303, 2);
    tls13_add_number(out, text.n + 1 + TLS_TAG, 2);
    unsigned char *to = (unsigned char *)out->data + out->len;
    tls13_must(EVP_EncryptInit_ex2(c, t->tools->cipher, t->write.key, nonce, NULL) == 1 &&
                   EVP_EncryptUpdate(c, NULL, &n, to - TLS_HEADER, TLS_HEADER) == 1 &&
                   EVP_EncryptUpdate(c, to, &n, (const unsigned char *)text.p, (int)text.n) == 1 &&
                   EVP_EncryptUpdate(c, to + text.n, &n, &type, 1) == 1 &&
                   EVP_EncryptFinal_ex(c, to + text.n + 1, &n) == 1 &&
                   EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TLS_TAG, to + text.n + 1) == 1,
               "a record cannot be sealed");
    out->len = header + TLS_HEADER + text.n + 1 + TLS_TAG;
}

/* Its text, until the next call, and its true kind. */
static inline struct span tls13_unseal(struct tls13 *t, struct span record, int *kind)
{
    EVP_CIPHER_CTX *c = t->tools->unseal;
    unsigned char nonce[TLS_NONCE], *plain = t->tools->plain;
    const unsigned char *in = (const unsigned char *)record.p;
    size_t size = record.n - TLS_HEADER;
    int n = 0;

    tls13_must(size > TLS_TAG && size <= TLS_RECORD_MAX, "a record has a wrong length");
    size -= TLS_TAG;
    tls13_nonce(&t->read, nonce);
    tls13_must(EVP_DecryptInit_ex2(c, t->tools->cipher, t->read.key, nonce, NULL) == 1 &&
                   EVP_DecryptUpdate(c, NULL, &n, in, TLS_HEADER) == 1 &&
                   EVP_DecryptUpdate(c, plain, &n, in + TLS_HEADER, (int)size) == 1 &&
                   EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TLS_TAG,
                                       (void *)(uintptr_t)(in + TLS_HEADER + size)) == 1 &&
                   EVP_DecryptFinal_ex(c, plain + n, &n) == 1,
               "a record was changed on its way");
    while (size > 0 && plain[size - 1] == 0)
        size--;
    tls13_must(size > 0, "a record has no kind");
    *kind = plain[size - 1];
    return tls13_span(plain, size - 1);
}

/* The ClientHello. */

/* The last extension: the ticket, and the proof that its key is known. */
static inline void tls13_add_ticket(struct tls13 *t, size_t hello, int64_t now_ms, struct buf *out)
{
    const struct tls13_session *s = t->session;
    unsigned char secret[TLS_SECRET], binder[TLS_SECRET];
    struct digest d;

    tls13_add_number(out, 41, 2);
    tls13_add_number(out, 2 + 2 + s->ticket.len + 4 + 2 + 1 + TLS_SECRET, 2);
    tls13_add_number(out, 2 + s->ticket.len + 4, 2);
    tls13_add_number(out, s->ticket.len, 2);
    buf_addspan(out, BUF_SPAN(&s->ticket));
    tls13_add_number(out, (uint32_t)(now_ms - s->since_ms) + s->age_add, 4);
    digest_begin(&d);
    tls13_derive(t->secret, "res binder", &d, secret);
    digest_add(&d, span_from(BUF_SPAN(out), hello));
    tls13_finished(secret, &d, binder);
    tls13_add_number(out, 1 + TLS_SECRET, 2);
    tls13_add_number(out, TLS_SECRET, 1);
    buf_add(out, binder, TLS_SECRET);
}

/* All extensions but the ticket. */
static inline void tls13_add_extensions(struct tls13 *t, struct buf *out)
{
    static const unsigned char plain[] = {
        0, 43, 0, 3,          2, 3,      4,     /* supported_versions: TLS 1.3 */
        0, 10, 0, 4,          0, 2,      0, 29, /* supported_groups: x25519 */
        0, 13, 0, 8,          0, 6,      8, 4,  4, 3,
        4, 1,                                         /* signature_algorithms; the last is for
                                                         certificates */
        0, 45, 0, 2,          1, 1,                   /* psk_key_exchange_modes: psk_dhe_ke */
        0, 51, 0, 2 + 4 + 32, 0, 4 + 32, 0, 29, 0, 32 /* key_share: x25519 */
    };
    size_t n = 32;

    buf_add(out, plain, sizeof(plain));
    tls13_must(
        buf_reserve(out, n) && EVP_PKEY_generate(t->tools->shares, &t->share) == 1 &&
            EVP_PKEY_get_raw_public_key(t->share, (unsigned char *)out->data + out->len, &n) == 1 &&
            n == 32,
        "no key share can be made");
    out->len += n;
}

static inline void tls13_set_length(struct buf *out, size_t at, size_t octets)
{
    size_t n = out->len - at - octets;

    for (size_t i = 0; i < octets; i++)
        out->data[at + i] = (char)(n >> 8 * (octets - 1 - i) & 0xff);
}

/* Begins a handshake; adds the ClientHello to *out. */
static inline void tls13_hello(struct tls13 *t, int64_t now_ms, struct buf *out)
{
    bool resume = t->session != NULL && t->session->ticket.len > 0;
    unsigned char random[32];
    size_t record = out->len + 3, hello = record + 2;

    tls13_must(RAND_bytes(random, sizeof(random)) == 1, "no random octets");
    tls13_begin_secret(t->secret, resume ? t->session->key : NULL);
    buf_add(out, "\x16\x03\x01\0\0\x01\0\0\0\x03\x03", 11);
    buf_add(out, random, sizeof(random));
    buf_add(out, "\0\0\x02\x13\x01\x01\0\0\0", 9);
    size_t extensions = out->len - 2;
    tls13_add_extensions(t, out);
    /* The lengths are part of what a binder is made of. */
    size_t behind = resume ? 4 + 2 + 2 + t->session->ticket.len + 4 + 2 + 1 + TLS_SECRET : 0;
    tls13_must(buf_reserve(out, behind) && behind < 16384, "memory is short");
    out->len += behind;
    tls13_set_length(out, record, 2);
    tls13_set_length(out, hello + 1, 3);
    tls13_set_length(out, extensions, 2);
    out->len -= behind;
    if (resume)
        tls13_add_ticket(t, hello, now_ms, out);
    digest_begin(&t->transcript);
    digest_add(&t->transcript, span_from(BUF_SPAN(out), hello));
    t->phase = TLS_SERVER_HELLO;
}

/* The server's messages. */

static inline void tls13_agree(struct tls13 *t, struct span share)
{
    unsigned char agreed[32];
    size_t n = sizeof(agreed);
    EVP_PKEY *theirs =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, (const unsigned char *)share.p, share.n);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, t->share, NULL);

    tls13_must(theirs != NULL && c != NULL && EVP_PKEY_derive_init(c) == 1 &&
                   EVP_PKEY_derive_set_peer_ex(c, theirs, 0) == 1 &&
                   EVP_PKEY_derive(c, agreed, &n) == 1 && n == sizeof(agreed),
               "the key share is wrong");
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(theirs);
    tls13_advance(t->secret, agreed);
    tls13_set_keys(t, &t->write, "c hs traffic");
    tls13_set_keys(t, &t->read, "s hs traffic");
}

static inline void tls13_on_hello(struct tls13 *t, struct span body)
{
    struct span share = {0}, extensions;
    bool version = false, ticket = t->session != NULL && t->session->ticket.len > 0;

    tls13_must(tls13_number(&body, 2) == 0x0303, "no ServerHello");
    tls13_take(&body, 32);
    tls13_must(tls13_vector(&body, 1).n == 0 && tls13_number(&body, 2) == 0x1301 &&
                   tls13_number(&body, 1) == 0,
               "the server chose what was not offered");
    extensions = tls13_vector(&body, 2);
    while (extensions.n > 0) {
        size_t kind = tls13_number(&extensions, 2);
        struct span e = tls13_vector(&extensions, 2);
        if (kind == 43) {
            version = tls13_number(&e, 2) == 0x0304;
        } else if (kind == 51) {
            tls13_must(tls13_number(&e, 2) == 29, "another group than offered");
            share = tls13_vector(&e, 2);
        } else {
            tls13_must(kind == 41 && ticket && tls13_number(&e, 2) == 0,
                       "no such extension is due");
            t->resumed = true;
        }
    }
    tls13_must(version && share.n == 32 && body.n == 0, "the ServerHello is not of TLS 1.3");
    if (ticket && !t->resumed)
        tls13_begin_secret(t->secret, NULL);
    tls13_agree(t, share);
}

/* Its key proves from now on. */
static inline void tls13_read_certificate(struct tls13_tools *k, struct span text)
{
    const unsigned char *at = (const unsigned char *)text.p;
    X509 *x = d2i_X509(NULL, &at, (long)text.n);
    EVP_PKEY *key = x == NULL ? NULL : X509_get0_pubkey(x);

    tls13_must(key != NULL, "the certificate cannot be read");
    EVP_PKEY_CTX_free(k->prover);
    k->prover = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    k->rsa = EVP_PKEY_is_a(key, "RSA") == 1;
    tls13_must(k->prover != NULL && EVP_PKEY_verify_init(k->prover) == 1 &&
                   EVP_PKEY_CTX_set_signature_md(k->prover, EVP_sha256()) == 1,
               "the certificate's key is of no use");
    if (k->rsa)
        tls13_must(EVP_PKEY_CTX_set_rsa_padding(k->prover, RSA_PKCS1_PSS_PADDING) == 1 &&
                       EVP_PKEY_CTX_set_rsa_pss_saltlen(k->prover, RSA_PSS_SALTLEN_DIGEST) == 1,
                   "the certificate's key is of no use");
    X509_free(x);
    buf_clear(&k->certificate);
    tls13_must(buf_addspan(&k->certificate, text), "memory is short");
}

static inline void tls13_on_certificate(struct tls13 *t, struct span body)
{
    tls13_must(tls13_vector(&body, 1).n == 0, "a certificate without a context was due");
    struct span list = tls13_vector(&body, 3), first = tls13_vector(&list, 3);
    if (!span_eq(first, BUF_SPAN(&t->tools->certificate)))
        tls13_read_certificate(t->tools, first);
}

/* The server has the certificate's key, and signs this handshake. */
static inline void tls13_on_proof(struct tls13 *t, struct span body)
{
    static const char context[] = "TLS 1.3, server CertificateVerify"; /* with its NUL */
    const struct tls13_tools *k = t->tools;
    unsigned char hash[TLS_SECRET];
    char blanks[64];
    struct digest d = t->transcript;

    tls13_must(tls13_number(&body, 2) == (k->rsa ? 0x0804 : 0x0403),
               "signed in a way that was not offered");
    struct span signature = tls13_vector(&body, 2);
    digest_end(&d, hash);
    memset(blanks, ' ', sizeof(blanks));
    digest_begin(&d);
    digest_add(&d, (struct span){blanks, sizeof(blanks)});
    digest_add(&d, (struct span){context, sizeof(context)});
    digest_add(&d, tls13_span(hash, sizeof(hash)));
    digest_end(&d, hash);
    tls13_must(EVP_PKEY_verify(k->prover, (const unsigned char *)signature.p, signature.n, hash,
                               sizeof(hash)) == 1,
               "the server does not have the key of its certificate");
}

static inline void tls13_on_finished(struct tls13 *t, struct span body)
{
    unsigned char due[TLS_SECRET];

    tls13_finished(t->read.secret, &t->transcript, due);
    tls13_must(span_eq(body, tls13_span(due, sizeof(due))), "the server's Finished is wrong");
}

/* The server is done: so is the client, with its Finished in *out. */
static inline void tls13_finish(struct tls13 *t, struct buf *out)
{
    static const unsigned char zero[TLS_SECRET];
    unsigned char message[4 + TLS_SECRET] = {20, 0, 0, TLS_SECRET};

    tls13_finished(t->write.secret, &t->transcript, message + 4);
    tls13_seal(t, TLS_HANDSHAKE, tls13_span(message, sizeof(message)), out);
    tls13_advance(t->secret, zero);
    tls13_set_keys(t, &t->write, "c ap traffic");
    tls13_set_keys(t, &t->read, "s ap traffic");
    if (t->session != NULL) {
        digest_add(&t->transcript, tls13_span(message, sizeof(message)));
        tls13_derive(t->secret, "res master", &t->transcript, t->resumption);
    }
    EVP_PKEY_free(t->share);
    t->share = NULL;
}

static inline void tls13_on_ticket(struct tls13 *t, struct span body, int64_t now_ms)
{
    struct tls13_session *s = t->session;

    if (s == NULL)
        return;
    tls13_number(&body, 4); /* how long it is good for */
    s->age_add = (uint32_t)tls13_number(&body, 4);
    tls13_expand(t->resumption, "resumption", tls13_vector(&body, 1), s->key, TLS_SECRET);
    buf_clear(&s->ticket);
    tls13_must(buf_addspan(&s->ticket, tls13_vector(&body, 2)), "memory is short");
    s->since_ms = now_ms;
}

static inline void tls13_on_message(struct tls13 *t, struct span message, int64_t now_ms,
                                    struct buf *out)
{
    struct span body = span_from(message, 4);

    tls13_must((unsigned char)message.p[0] == tls13_message[t->phase], "another message was due");
    if (t->phase == TLS_SERVER_HELLO) {
        digest_add(&t->transcript, message);
        tls13_on_hello(t, body);
    } else if (t->phase == TLS_CERTIFICATE) {
        tls13_on_certificate(t, body);
    } else if (t->phase == TLS_PROOF) {
        tls13_on_proof(t, body);
    } else if (t->phase == TLS_FINISHED) {
        tls13_on_finished(t, body);
    } else if (t->phase == TLS_DONE) {
        tls13_on_ticket(t, body, now_ms);
        return;
    }
    if (t->phase != TLS_SERVER_HELLO)
        digest_add(&t->transcript, message);
    if (t->phase == TLS_FINISHED)
        tls13_finish(t, out);
    t->phase = t->phase == TLS_EXTENSIONS && t->resumed ? TLS_FINISHED : t->phase + 1;
}

static inline void tls13_on_messages(struct tls13 *t, struct span octets, int64_t now_ms,
                                     struct buf *out)
{
    struct span rest, head;

    tls13_must(buf_addspan(&t->messages, octets) && t->messages.len <= TLS_MESSAGE_MAX,
               "a message is too long");
    for (rest = BUF_SPAN(&t->messages); rest.n >= 4;) {
        head = span_from(rest, 1);
        size_t size = 4 + tls13_number(&head, 3);
        if (rest.n < size)
            break;
        tls13_on_message(t, tls13_take(&rest, size), now_ms, out);
    }
    buf_consume(&t->messages, t->messages.len - rest.n);
}

/* One record. Text of the server is added to *text. */
static inline void tls13_on_record(struct tls13 *t, struct span record, int64_t now_ms,
                                   struct buf *out, struct buf *text)
{
    int kind = (unsigned char)record.p[0];
    struct span octets = span_from(record, TLS_HEADER);

    if (kind == TLS_CHANGE_CIPHER && t->phase < TLS_DONE)
        return; /* for the sake of old machines between */
    if (kind == TLS_APPLICATION && t->phase != TLS_SERVER_HELLO)
        octets = tls13_unseal(t, record, &kind);
    else
        tls13_must(kind == TLS_HANDSHAKE && t->phase == TLS_SERVER_HELLO,
                   "what came is no TLS 1.3");
    if (kind == TLS_HANDSHAKE)
        tls13_on_messages(t, octets, now_ms, out);
    else if (kind == TLS_APPLICATION && t->phase == TLS_DONE)
        buf_addspan(text, octets);
    else
        tls13_must(kind == TLS_ALERT && octets.n == 2 && octets.p[1] == 0, "an alert came");
}

/* Takes what came. What the server is to get is added to *out, its text to *text. True: the
 * handshake is done. */
static inline bool tls13_receive(struct tls13 *t, struct span octets, int64_t now_ms,
                                 struct buf *out, struct buf *text)
{
    struct span rest, head;

    if (t->records.len > 0) {
        tls13_must(buf_addspan(&t->records, octets), "memory is short");
        octets = BUF_SPAN(&t->records);
    }
    for (rest = octets; rest.n >= TLS_HEADER;) {
        head = span_from(rest, 3);
        size_t size = TLS_HEADER + tls13_number(&head, 2);
        tls13_must(size <= TLS_HEADER + TLS_RECORD_MAX, "a record is too long");
        if (rest.n < size)
            break;
        tls13_on_record(t, tls13_take(&rest, size), now_ms, out, text);
    }
    if (t->records.len > 0)
        buf_consume(&t->records, t->records.len - rest.n);
    else
        tls13_must(buf_addspan(&t->records, rest), "memory is short");
    return t->phase == TLS_DONE;
}

static inline void tls13_send(struct tls13 *t, struct span text, struct buf *out)
{
    tls13_seal(t, TLS_APPLICATION, text, out);
}

/* Ready for another connection. */
static inline void tls13_reset(struct tls13 *t)
{
    EVP_PKEY_free(t->share);
    t->share = NULL;
    t->resumed = false;
    buf_clear(&t->records);
    buf_clear(&t->messages);
}

static inline void tls13_free(struct tls13 *t)
{
    EVP_PKEY_free(t->share);
    buf_free(&t->records);
    buf_free(&t->messages);
}

static inline void tls13_end(struct tls13_tools *k)
{
    EVP_PKEY_CTX_free(k->shares);
    EVP_PKEY_CTX_free(k->prover);
    EVP_CIPHER_CTX_free(k->seal);
    EVP_CIPHER_CTX_free(k->unseal);
    EVP_CIPHER_free(k->cipher);
    buf_free(&k->certificate);
}

static inline void tls13_prepare(struct tls13_tools *k)
{
    k->shares = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
    k->cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    k->seal = EVP_CIPHER_CTX_new();
    k->unseal = EVP_CIPHER_CTX_new();
    tls13_must(k->shares != NULL && EVP_PKEY_keygen_init(k->shares) == 1 && k->cipher != NULL &&
                   k->seal != NULL && k->unseal != NULL,
               "OpenSSL does not have what is needed");
}

#endif
