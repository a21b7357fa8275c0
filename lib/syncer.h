/* Syncs one directory again and again, in a thread of its own: for what must be durable soon, and
 * for which nobody waits. */
#ifndef SPOOLMAIL_SYNCER_H
#define SPOOLMAIL_SYNCER_H

#include "lib/loop.h"

struct syncer;

/* From the loop, once: a sync failed with that errno. Nobody can say any more what is on stable
 * storage, and there is no further sync. */
typedef void syncer_fn(void *arg, int error);

/* dir: stays the caller's. NULL with errno: memory, descriptors or threads are short; callers sync
 * themselves. */
struct syncer *syncer_new(struct loop *l, int dir, syncer_fn *failed, void *arg);
/* A sync begins that covers all that was done until now. */
void syncer_start(struct syncer *s);
/* Waits for what was begun. 0, or the errno of the sync that failed. s may be NULL. */
int syncer_free(struct syncer *s);

#endif
