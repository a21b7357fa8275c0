/* AUTH of the receiver's session (RFC 4954): when it is lawful, its command and its responses, and
 * how the check of a claim ends it. Pure: no descriptor, clock or file.
 *
 * It knows nothing of the session's phases: each call says what is to be done next, and session.c
 * does it. At most one exchange is in hand, and what the client sent in it is overwritten. Trusts
 * nothing that comes in: a response is base64 or ends the exchange; sasl.h looks into it. */
#ifndef SSMTP_AUTH_H
#define SSMTP_AUTH_H

#include "ssmtp/answer.h"
#include "ssmtp/sasl.h"

struct auth {
    struct sasl *sasl; /* the exchange in hand; NULL: none */
    unsigned wrong;    /* claims that did not fit, in this session */
};

enum auth_next {
    AUTH_REFUSE, /* no exchange any more: a bad command, to be answered so */
    AUTH_FAIL,   /* no exchange any more; no error of the client's: say the answer */
    AUTH_DONE,   /* logged in: say the answer */
    AUTH_ASK,    /* a challenge was said: its response is waited for */
    AUTH_CHECK   /* auth_claim() is to be checked */
};

struct auth_turn {
    enum auth_next next;
    enum answer answer; /* NONE: nothing is to be said */
};

/* What of the session decides whether there can be a login. */
struct auth_session {
    bool submission, secure, authenticated, esmtp;
};

/* What EHLO says of it, behind its other lines; nothing where nobody can log in. */
void auth_offer(const struct auth_session *s, struct buf *text);
/* The command; args stands behind the verb. */
struct auth_turn auth_command(struct auth *a, const struct auth_session *s,
                              const struct sasl_users *users, struct span args, struct buf *out);
/* A line after ASK. */
struct auth_turn auth_response(struct auth *a, const struct sasl_users *users, struct span text,
                               struct buf *out);
/* The exchange cannot go on, for that reason. */
struct auth_turn auth_break(struct auth *a, enum answer why);
/* After CHECK: what the client claims, for sasl_check(); it is the caller's until auth_checked().
 */
struct sasl *auth_claim(struct auth *a);
enum auth_verdict { AUTH_FITS, AUTH_WRONG, AUTH_UNCHECKED };
struct auth_turn auth_checked(struct auth *a, struct sasl *claim, enum auth_verdict v,
                              struct buf *out);
void auth_end(struct auth *a);

#endif
