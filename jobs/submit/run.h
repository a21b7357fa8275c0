/* Runs checked jobs: allots the number, allocates, runs the steps, queues what they wrote.
 *
 * Promises: nothing of a job with an error runs, and all data sets and destinations of a job are
 * looked up before its first step. What a step writes to a DEST is queued when the step has ended
 * with a condition code below 8, durably, before the log says SPOOLED; else it is dropped. A step
 * whose output cannot be written ends the job. */
#ifndef SPOOLMAIL_SUBMIT_RUN_H
#define SPOOLMAIL_SUBMIT_RUN_H

#include "lib/catalog.h"
#include "jobs/submit/jcl.h"
#include "lib/charset.h"
#include "lib/site.h"
#include "lib/spool.h"

enum { RUN_JCL_ERROR = 16 /* exit code of a job that did not run */ };

/* What all jobs of a deck share. */
struct run {
    const struct site *site;
    const struct spool *spool;
    struct catalog catalog;
    struct charset codepage;
    bool convert; /* records are written in codepage */
    const struct deck *deck;
    struct findings *findings;
    char owner[33];
};

/* False, with *d, when the configuration does not allow it. */
bool run_begin(struct run *r, const struct site *site, const struct spool *spool,
               const struct deck *deck, struct findings *f, struct diag *d);
void run_end(struct run *r);

/* Looks up what the job names: each data set, member and destination that cannot be had becomes a
 * finding. Returns how many were found wrong. */
size_t run_lookup(struct run *r, const struct jcl_job *job);

/* Runs one job. Appends its log to *log and the one line that sums it up, without LF, to *summary.
 * The result is its highest condition code, or -1 when no job number is to be had (errno). */
int run_job(struct run *r, const struct jcl_job *job, struct buf *log, struct buf *summary);

#endif
