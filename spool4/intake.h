/* Empties the REMOTE queue: claims whole files, converts them, and commits their data sets in units
 * of work. */
#ifndef SPOOL4_INTAKE_H
#define SPOOL4_INTAKE_H

#include "lib/program.h"
#include "lib/ready.h"

struct intake {
    const struct program *program;
    struct spool spool;
    struct watch_list watches;
    unsigned units;           /* begun by this process: names of units */
    unsigned number, numbers; /* job numbers: the next, and how many are left */
};

enum intake_result {
    INTAKE_IDLE,    /* nothing was there to take */
    INTAKE_WORKED,  /* something was taken: look again at once */
    INTAKE_TROUBLE, /* something could not be done now; it is back in the queue */
    INTAKE_IN_DOUBT /* a commit may or may not be durable: the program must end */
};

/* One pass over the queue, or one full batch of it. */
enum intake_result intake_pass(struct intake *in);
void intake_close(struct intake *in);

#endif
