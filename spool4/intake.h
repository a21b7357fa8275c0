/* Empties the REMOTE queue: claims whole files, converts them, and commits their data sets in units
 * of work. */
#ifndef SPOOL4_INTAKE_H
#define SPOOL4_INTAKE_H

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
};

/* One pass over the queue, or one full batch of it. */
enum pass intake_pass(struct intake *in);
void intake_close(struct intake *in);

#endif
