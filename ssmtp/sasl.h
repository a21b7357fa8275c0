/* The receiver's side of SASL: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 (RFC 7677). Pure: decoded
 * responses in, challenges out; whose secret a name has is asked of the user of the machine.
 *
 *     sasl_new -> sasl_step ... -> SASL_CLAIM -> sasl_check -> sasl_proven -> SASL_DONE
 *
 * What a client claims is checked by sasl_check() alone, which takes milliseconds and may run in
 * another thread. An unknown name goes the same way as a wrong password. Trusts nothing: every
 * length is bounded, and what does not fit the grammar ends the exchange. Secrets are overwritten.
 */
#ifndef SSMTP_SASL_H
#define SSMTP_SASL_H

#include "lib/scram.h"

enum {
    SASL_LINE = 12288,        /* octets of a response or command with CR LF, RFC 4954 4 */
    SASL_NAME_MAX = 320,      /* octets of a name as it comes */
    SASL_PASSWORD_MAX = 1024, /* and of a password */
    SASL_CLIENT_NONCE = 128,
    SASL_NONCE = 32 /* characters of ours, at most */
};

struct sasl_mechanism;

enum sasl_result {
    SASL_ASK,       /* say the challenge, wait for the response */
    SASL_CLAIM,     /* sasl_check() it */
    SASL_DONE,      /* logged in */
    SASL_MALFORMED, /* what came is no such exchange */
    SASL_TROUBLE    /* memory or random octets are short */
};

/* Whom the machine asks. */
struct sasl_users {
    /* What is kept for a name, which is prepared (RFC 4013) or, if that cannot be, as it came.
     * False: nobody; *s is filled all the same, always alike for one name. Without iterations:
     * memory is short. */
    bool (*secret)(void *arg, struct span name, struct scram_secret *s);
    /* Printable characters but comma, never the same, and a NUL. False: not now. */
    bool (*nonce)(void *arg, char out[SASL_NONCE + 1]);
    void *arg;
};

struct sasl {
    const struct sasl_mechanism *mechanism;
    unsigned step;
    struct buf name;
    struct scram_secret secret;
    bool known;                         /* somebody has that name, and asks for himself */
    bool checked, fits;                 /* the result of sasl_check() */
    struct buf password;                /* what is claimed: this, or */
    struct buf exchange;                /* SCRAM's AuthMessage, as far as it is known, and */
    unsigned char proof[SCRAM_KEY];     /* its proof */
    unsigned char signature[SCRAM_KEY]; /* of the server, made by sasl_check() */
    char header[SASL_NAME_MAX * 3 + 8]; /* SCRAM's gs2-header */
    char nonce[SASL_CLIENT_NONCE + SASL_NONCE + 1];
};

/* The mechanisms in the order in which they are offered; NULL after the last. */
const char *sasl_name(size_t i);
/* NULL: no such mechanism is offered (*known false), or memory is short. */
struct sasl *sasl_new(struct span mechanism, bool *known);
/* What the client is asked first, where it gave no initial response. */
const char *sasl_greeting(const struct sasl *s);
/* Takes a response. ASK: the challenge is appended. */
enum sasl_result sasl_step(struct sasl *s, const struct sasl_users *users, struct span response,
                           struct buf *challenge);
/* After CLAIM: sets s->checked and s->fits. Slow. */
void sasl_check(struct sasl *s);
/* After a claim that fits: ASK or DONE. */
enum sasl_result sasl_proven(struct sasl *s, struct buf *challenge);
void sasl_free(struct sasl *s);

#endif
