/* Empties two queues: claims whole files, converts them, and commits their data sets in units of
 * work.
 *
 * Of the REMOTE queue, where anybody may drop a file, the owner of a file is who sends it, and its
 * X-From must be his. Of SUBMIT the X-From is believed: ssmtp has checked it. What makes that safe
 * is the directory, into which nobody but the system's own user can put, link or rename anything;
 * the owner is looked at all the same. */
#ifndef SPOOL4_INTAKE_H
#define SPOOL4_INTAKE_H

#include <pthread.h>

#include "lib/passes.h"
#include "lib/ready.h"

struct intake {
    const struct program *program;
    struct spool spool;
    struct watch_list watches;
    unsigned units;           /* begun by this process: names of units */
    unsigned number, numbers; /* job numbers: the next, and how many are left */
    unsigned block;           /* so many were taken the last time */
    bool told_unshared;       /* that a large mail was written in full for each recipient */
    bool moved;               /* into mail/, and that is not synced yet */
    size_t files;             /* in a unit of this pass, at most */
    struct batch *behind;     /* what a thread commits and publishes; NULL: nothing */
    pthread_t thread;         /* it uses the spool and the log of the program, and nothing else */
};

/* Finishes or undoes what an earlier process left. How many units there were, or -1 with errno. */
int intake_recover(const struct intake *in);
/* One pass over the queues, or one full batch of each. The last full one may be under way when it
 * returns PASS_WORKED. */
enum pass intake_pass(struct intake *in);
/* Waits for what is under way, and says what came of it. To be called before the end. */
enum pass intake_wait(struct intake *in);
void intake_close(struct intake *in);

#endif
