/* How long a login must wait before it is looked at: who failed of late is served slowly, whatever
 * connections he comes by. Counters in memory that the workers share; they fade with time.
 *
 * Of one client (its slot of crowd.h) logins follow each other: each that fails doubles the time to
 * the next, up to LONGEST, and a client that comes by many connections waits in a queue. Of one
 * name they do not queue and wait PENALTY_NAME_MS at most, so that nobody can lock another out. A
 * name counts whether there is such a user or not. */
#ifndef SSMTP_PENALTY_H
#define SSMTP_PENALTY_H

#include <stdint.h>

#include "lib/buf.h"

enum {
    PENALTY_FIRST_MS = 1000,
    PENALTY_LONGEST_MS = 30000,
    PENALTY_NAME_MS = 5000,
    PENALTY_MOST_MS = 60000, /* who would wait longer is not looked at */
    PENALTY_FADES_MIN = 5    /* the count is halved after so many minutes */
};

struct penalty;

/* NULL with errno. */
struct penalty *penalty_new(void);
void penalty_free(struct penalty *p);
/* The slot of a name. */
uint32_t penalty_name(const struct penalty *p, struct span name);
/* Milliseconds that a login has to wait from now on (a steady clock); -1: it is not to be looked at
 * at all. */
int64_t penalty_wait(struct penalty *p, uint32_t client, uint32_t name, int64_t now_ms);
/* It failed. Returns how many of that client did, of late. */
unsigned penalty_failed(struct penalty *p, uint32_t client, uint32_t name, int64_t now_ms);

#endif
