/* A unit of work: files taken out of a queue and files put into others, all or none, exactly once,
 * though the machine may stop between any two system calls. The one recovery mechanism of the
 * system.
 *
 * A unit is a directory below SPOOL/work, owned by one program:
 *
 *     work/spool4.0000002A.open/in/...      claimed from the queue (rename)
 *                              /mail/...    new files for mail/, under their final names
 *                              /POST/...    new files for jes/POST (PRT: the same for jes/PRT)
 *                              /HOLD/...    reasons for jes/HOLD (DEAD: jes/DEAD); in/X with
 * HOLD/X.REASON goes there, every other in/X is used up
 *
 * unit_commit() syncs all of it, then renames ".open" to ".done" and syncs work: that rename is the
 * one moment at which everything happens. unit_publish() then moves the new files to their queues
 * and removes the claimed ones. After a stop, unit_recover() undoes what is ".open" (claimed files
 * go back, new ones are removed) and finishes what is ".done". Moves never replace a file, and each
 * is one rename: doing them twice does no harm. */
#ifndef SPOOLMAIL_UNIT_H
#define SPOOLMAIL_UNIT_H

#include <limits.h>

#include "lib/spool.h"

enum unit_part { UNIT_MAIL, UNIT_POST, UNIT_PRT, UNIT_HOLD, UNIT_DEAD, UNIT_PARTS };

#define UNIT_REASON ".REASON"

struct unit {
    const struct spool *spool;
    enum spool_queue source;       /* where claimed files came from */
    char name[32];                 /* "spool4.0000002A", without the ending */
    int dir, in, part[UNIT_PARTS]; /* -1: not made yet */
    unsigned parts_used;           /* 1 << unit_part */
    bool found;                    /* by recovery: it may be half done */
    struct syncset sync;
};

/* Only one process may work as `owner` at a time: takes the lock SPOOL/work/<owner>.lock and keeps
 * it as long as the descriptor is open. -1 with EWOULDBLOCK: another one runs. */
int unit_owner(const struct spool *s, const char *owner);

/* Each returns 0 or a descriptor; -1 with errno. After a failure the unit must be given up with
 * unit_rollback(), which is safe at any time before unit_commit() was called. */
int unit_begin(struct unit *u, const struct spool *s, const char *owner, unsigned number,
               enum spool_queue source);
/* Moves a file of the source queue into the unit, under its name or one made of it; as[] (NAME_MAX
 * + 1 octets) learns which. ENOENT: somebody else took it away. */
int unit_claim(struct unit *u, const char *name, char *as);
/* A claimed file is to be kept in HOLD or DEAD: where its name is taken there it gets another one,
 * and as[] learns it. To be called before its reason is staged. */
int unit_keep(struct unit *u, char *as);
/* The name of the reason beside a kept file: as + UNIT_REASON. */
void unit_reason_name(char out[NAME_MAX + 1], const char *as);
/* Gives one claimed file back to its queue, as if it had never been claimed. */
int unit_unclaim(struct unit *u, const char *as, const char *name);
/* A new file in a part, open for writing; mode 0600, or 0640 where a group reads (POST, PRT, HOLD,
 * DEAD). */
int unit_create(struct unit *u, enum unit_part part, const char *name);
/* The file is written: seals it (seal.h), and takes the descriptor over for the common sync. */
int unit_done(struct unit *u, int fd);
/* All three in one for a file whose text is in memory. */
int unit_put(struct unit *u, enum unit_part part, const char *name, struct span head,
             struct span text);

/* Is the answer in doubt? After -1 from unit_commit() the unit may or may not be durable: the
 * program must end and let recovery decide at its next start. */
int unit_commit(struct unit *u);
/* -1: something could not be moved; the unit stays and recovery goes on with it. */
int unit_publish(struct unit *u);
int unit_rollback(struct unit *u);

/* Finishes or undoes all units of the owner. Returns how many there were, or -1 with errno. */
int unit_recover(const struct spool *s, const char *owner, enum spool_queue source);

#endif
