/* The SASL mechanisms by which the sender can log in: one table, the strongest first. Pure.
 *
 * A set of them is a mask, bit i for mechanisms[i]. */
#ifndef SPOOLMAIL_MECHANISM_H
#define SPOOLMAIL_MECHANISM_H

#include "lib/buf.h"

enum mechanism_proof { PROOF_CERTIFICATE, PROOF_PASSWORD, PROOF_TOKEN };

struct mechanism {
    const char *name;
    enum mechanism_proof proof; /* what the client has to have */
    bool reveals;               /* the secret itself is sent */
    bool first;                 /* the client speaks first */
};

enum { MECHANISMS = 8, MECHANISM_WORDS_MAX = 128 };
extern const struct mechanism mechanisms[MECHANISMS];

/* Names in any case, separated by `separator`. Names that are not known are passed over; *unknown
 * (may be NULL) says whether there was one. */
unsigned mechanism_set(struct span names, char separator, bool *unknown);
unsigned mechanism_with(enum mechanism_proof proof);
/* Those that send the secret itself. */
unsigned mechanism_revealing(void);
/* The strongest of a set; NULL: it is empty. */
const struct mechanism *mechanism_best(unsigned set);
/* The names, separated by blanks. */
const char *mechanism_words(unsigned set, char out[MECHANISM_WORDS_MAX]);

#endif
