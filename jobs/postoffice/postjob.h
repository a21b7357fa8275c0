/* A spool file in work: finds its recipients, hands each copy to who delivers it, and settles the
 * file when the last of them is seen to. Everything happens in the dispatcher's loop, which a job's
 * end wakes. */
#ifndef POSTOFFICE_POSTJOB_H
#define POSTOFFICE_POSTJOB_H

#include "jobs/postoffice/dispatch.h"

/* Begins with an open file; takes the descriptor over. For want of memory nothing happens, and the
 * file is found again. */
void job_start(struct dispatch *d, struct waiting_entry *e, int fd, const struct stat *st);
/* A file that may not even be opened: to jes/HOLD. */
void job_hold(struct dispatch *d, struct waiting_entry *e, const struct stat *st,
              const char *reason);
/* Gives it up as it stands. Its copies and transactions must not report any more. */
void job_free(struct job *j);

#endif
