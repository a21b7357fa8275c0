/* The job log as JES2 prints it: JESMSGLG, JESJCL, JESYSMSG, then the SYSOUT data sets. Pure.
 *
 * Everything that comes from a deck or a data set is made safe for terminals (utf8_safe) on its way
 * in, so that the log may be shown anywhere. */
#ifndef SPOOLMAIL_SUBMIT_JOBLOG_H
#define SPOOLMAIL_SUBMIT_JOBLOG_H

#include <time.h>

#include "jobs/submit/deck.h"
#include "jobs/submit/finding.h"
#include "jobs/submit/jcl.h"

enum { JOBLOG_OUTPUT_MAX = 64 << 20 /* octets of SYSOUT in the log */ };

struct joblog {
    char id[9]; /* JOB00012 */
    struct buf messages, listing, system, output;
    size_t cards, records;
};

/* The first lines: system and node of the heading, who runs the job. */
void joblog_begin(struct joblog *log, unsigned number, const char *host, const char *owner,
                  const struct tm *now);
/* A line of the JES2 job log: time, job and text. */
void joblog_message(struct joblog *log, const struct tm *now, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The job's cards with their numbers; in-stream data are left out, as JES2 does. */
void joblog_cards(struct joblog *log, const struct deck *deck, const struct jcl_job *job);
/* The findings on the cards first to last; cards without any are not mentioned. */
void joblog_findings(struct joblog *log, const struct findings *f, size_t first, size_t last);
void joblog_system(struct joblog *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A SYSOUT data set; false when its records are damaged or memory is short. */
bool joblog_sysout(struct joblog *log, const char *step, const char *ddname,
                   const struct recfm *format, struct span octets);
/* The whole log, appended. False: memory was short somewhere, and the log has gaps. */
bool joblog_write(struct joblog *log, const struct tm *now, struct buf *out);
void joblog_free(struct joblog *log);

#endif
