/* What the post office knows of the spool files that it has seen and not finished: since when, how
 * often tried, when next. Kept across restarts in the checkpoint SPOOL/work/POSTCHK:
 *
 *   TIME service wall               the service clock
 *   KEPT first due tries name       a spool file that waits, times in service seconds
 *
 * Service seconds: see lib/service.h; a pause between two runs counts RETRYCEIL at most.
 *
 * The checkpoint is a hint: losing it loses no mail, only its age and the delay. */
#ifndef POSTOFFICE_WAITING_H
#define POSTOFFICE_WAITING_H

#include "lib/address.h"

#define WAITING_NAME "POSTCHK"

struct waiting_entry {
    char *name;
    size_t at;          /* its index in the list */
    int64_t first, due; /* service seconds */
    unsigned tries;
    bool active; /* being worked on */
    bool seen;   /* in this pass */
    /* Recipients who have their copy although the file still names them, because its change could
     * not be written. Only in memory, and only of the file with that inode. */
    uint64_t inode;
    struct address *done;
    size_t dones, cap;
};

struct waiting {
    struct waiting_entry **entry; /* in no order */
    size_t count, cap;
    void *root;                 /* of tsearch(3): the same by name */
    int64_t service, steady_ms; /* what the service clock showed then */
    int64_t saved;              /* service seconds */
    bool dirty;
};

/* Reads the checkpoint, if there is one. `gap_max`: seconds that a pause between two runs may
 * count, and the longest delay. Returns the number of the first damaged line, which is passed over;
 * 0: none. */
size_t waiting_open(struct waiting *w, int work, int64_t wall, int64_t gap_max);
int64_t waiting_now(const struct waiting *w);
/* The entry of a name, made when it is new. NULL: memory is short. */
struct waiting_entry *waiting_get(struct waiting *w, const char *name);
void waiting_remove(struct waiting *w, struct waiting_entry *e);
/* To be tried again: the delay is doubled from `base` up to `ceiling`. */
void waiting_later(struct waiting *w, struct waiting_entry *e, int64_t base, int64_t ceiling);
void waiting_note_done(struct waiting_entry *e, const struct address *to);
bool waiting_was_done(const struct waiting_entry *e, const struct address *to);
void waiting_forget_done(struct waiting_entry *e);
/* After a pass over the whole queue: forgets files that are gone. */
void waiting_prune(struct waiting *w);
/* Everything is due now. */
void waiting_hurry(struct waiting *w);
/* When the next one is due, of those that were tried and are not in work; INT64_MAX: none. */
int64_t waiting_next_due(const struct waiting *w);
/* Writes the checkpoint when it is out of date and `force`, or the last one is old. -1 with errno.
 */
int waiting_save(struct waiting *w, int work, int64_t wall, bool force);
void waiting_close(struct waiting *w);

#endif
