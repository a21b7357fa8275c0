/* The parameters of JOB, EXEC and DD statements: the one table of keywords and what reads each.
 * Pure. */
#ifndef SPOOLMAIL_SUBMIT_PARAMETER_H
#define SPOOLMAIL_SUBMIT_PARAMETER_H

#include "jobs/submit/deck.h"
#include "jobs/submit/finding.h"
#include "jobs/submit/jcl.h"

enum parameter_owner { OF_JOB = 1, OF_EXEC = 2, OF_DD = 4, OF_DCB = 8 };

/* What the parameters of one statement fill, and what they may look at. */
struct parameter_target {
    const struct deck_statement *st;
    struct findings *findings;
    size_t errors; /* that were found in this statement */
    const char *const *programs;
    struct jcl_job *job;
    struct jcl_step *step; /* EXEC: to be filled; DD: the step it belongs to, without it */
    struct jcl_dd *dd;     /* DD: to be filled */
};

/* Reads all parameters of the statement; each error becomes a finding. */
void parameters_take(struct parameter_target *t, enum parameter_owner owner);

#endif
