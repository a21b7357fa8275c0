/* A spool file that ssmtp wrote, for one recipient and with a whole header, is a data set already
 * (convert_needless): it becomes one by one rename from jes/SUBMIT into mail/, without a unit of
 * work, because one rename is all or nothing by itself. Its content and its seal stay as they were
 * synced before ssmtp showed it; usmtp checks the seal when it reads the text. */
#ifndef SPOOL4_TRANSFER_H
#define SPOOL4_TRANSFER_H

#include "lib/program.h"

enum transfer_result {
    TRANSFER_DONE,
    TRANSFER_UNFIT,  /* it stands where it was, and is to be converted */
    TRANSFER_TROUBLE /* the same for now; errno says why */
};

/* Names of data sets for one pass, reserved in blocks that grow: one sync for many. */
struct transfer {
    const struct program *program;
    const struct spool *spool;
    uint64_t next;
    unsigned left, block;
    bool impossible; /* mail/ is elsewhere, or a move there takes more than one call */
};

/* Moves the file `name` of jes/SUBMIT. */
enum transfer_result transfer_file(struct transfer *t, const char *name);

#endif
