/* Holding a file: its reason beside it, and a notice to its owner, as parts of the unit of work
 * that moves it. */
#ifndef SPOOLMAIL_HOLD_H
#define SPOOLMAIL_HOLD_H

#include "lib/program.h"
#include "lib/unit.h"

struct hold {
    const struct program *program;
    const char *by;      /* "SPOOL#4": who holds it, for the notice */
    enum unit_part part; /* UNIT_HOLD, or UNIT_DEAD for what nobody can be told of */
    char *as;            /* its name in the unit; then the one it is kept under (unit_keep()) */
    const char *owner;   /* login; NULL: no notice is written */
    const char *id;      /* of the notice: its name in POST, unique */
    const char *subject; /* of the notice, printable */
    const char *reason;
    const char *advice; /* what to do with it, a line or more; printable */
};

/* 0, or -1 with errno. */
int hold_stage(struct unit *u, const struct hold *h);

#endif
