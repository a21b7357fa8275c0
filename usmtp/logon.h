/* The mechanisms of lib/mechanism.h, as the session asks them (struct session_steps): by libgsasl,
 * whose one home this is, and by bearer.h.
 *
 * Trusts nothing that the host sends: an iteration count that would take long, or that makes a
 * stolen exchange worth guessing at, ends a SCRAM exchange, and success counts only with the host's
 * proof. The secret is overwritten when the exchange is over, as far as it is ours. */
#ifndef USMTP_LOGON_H
#define USMTP_LOGON_H

#include "usmtp/session.h"

/* Who logs in where. */
struct logon_identity {
    const char *user;   /* "": EXTERNAL says it by the certificate alone */
    struct span secret; /* a password or a token; without NUL */
    const char *host;
    unsigned port;
};

struct logon;

/* NULL: memory is short, or libgsasl does not have the mechanism. */
struct logon *logon_new(const struct mechanism *m, const struct logon_identity *who);
void logon_free(struct logon *s);
/* Was it given this secret? */
bool logon_has(const struct logon *s, struct span secret);
/* To be called with the struct logon. */
extern const struct session_steps logon_steps;

#endif
