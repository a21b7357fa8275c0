/* The external writer for jes/PRT: takes its spool files one by one and leaves a printout of each
 * in SPOOL/print.
 *
 *     print/NAME.txt   as text       (PRINTER FORM)
 *     print/NAME.pdf   as PDF
 *     print/NAME.slip  what it is (slip.h); written last
 *     print/NAME.lp    empty: to be handed to lp yet
 *
 * A spool file is removed only when its printout is on stable storage. NAME comes from the spool
 * file's name, which holds its job number, and from the time it came; so a second try after a stop
 * makes the same printout and not another one. A file that cannot be printed goes to HOLD. */
#ifndef PRINTER_WRITER_H
#define PRINTER_WRITER_H

#include "lib/passes.h"
#include "lib/ready.h"

struct writer {
    const struct program *program;
    struct spool spool;
    int print; /* the directory */
    struct watch_list watches;
    unsigned units;  /* begun by this process: names of units */
    int64_t lp_next; /* steady ms: not before that again after lp refused */
};

/* Opens print/ and does what a start does: recovery, leftovers. False with errno. */
bool writer_open(struct writer *w);
/* One pass: some files of the queue, then what waits for lp. */
enum pass writer_pass(struct writer *w);
void writer_close(struct writer *w);

#endif
