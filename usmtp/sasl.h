/* The mechanisms of lib/mechanism.h, as the session asks them (struct session_steps): by libgsasl,
 * whose one home this is, and by bearer.h.
 *
 * Trusts nothing that the host sends: an iteration count that would take long, or that makes a
 * stolen exchange worth guessing at, ends a SCRAM exchange, and success counts only with the host's
 * proof. The secret is overwritten when the exchange is over, as far as it is ours. */
#ifndef USMTP_SASL_H
#define USMTP_SASL_H

#include "usmtp/session.h"

enum { SCRAM_ITERATIONS_MIN = 4096, SCRAM_ITERATIONS_MAX = 500000 };

/* Who logs in where. */
struct sasl_identity {
    const char *user;   /* "": EXTERNAL says it by the certificate alone */
    struct span secret; /* a password or a token; without NUL */
    const char *host;
    unsigned port;
};

struct sasl;

/* NULL: memory is short, or libgsasl does not have the mechanism. */
struct sasl *sasl_new(const struct mechanism *m, const struct sasl_identity *who);
void sasl_free(struct sasl *s);
/* Was it given this secret? */
bool sasl_has(const struct sasl *s, struct span secret);
/* To be called with the struct sasl. */
extern const struct session_steps sasl_steps;

#endif
