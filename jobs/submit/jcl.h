/* Statements to checked jobs: JOB, EXEC, DD and their parameters. Pure.
 *
 * One table holds every keyword: what reads it, what it excludes and needs, or why it is passed
 * over or refused. A parameter that would change what is sent, or whether, is never passed over. A
 * job with one error is not to be run at all. */
#ifndef SPOOLMAIL_SUBMIT_JCL_H
#define SPOOLMAIL_SUBMIT_JCL_H

#include "lib/dcb.h"
#include "jobs/submit/deck.h"
#include "jobs/submit/finding.h"
#include "lib/dsname.h"

enum { JCL_NAME_MAX = 8, JCL_PROGRAMMER_MAX = 20, JCL_ACCOUNT_MAX = 142 };
enum { JCL_STEPS_MAX = 255, JCL_DDS_MAX = 3273 /* in one step */ };

enum dd_kind { DD_NONE, DD_INSTREAM, DD_DUMMY, DD_DATASET, DD_SYSOUT };

struct jcl_dd {
    char name[JCL_NAME_MAX + 1]; /* "" : concatenated to the DD before */
    struct place at, dsn_at, dest_at;
    enum dd_kind kind;
    struct span data;              /* INSTREAM: lines in the deck */
    char dsn[DSNAME_MAX + 1];      /* DATASET */
    char member[JCL_NAME_MAX + 1]; /* "": a sequential data set */
    char class;                    /* SYSOUT; MSGCLASS already in place of * */
    char dest[JCL_NAME_MAX + 1];   /* "": the job log */
    struct dcb dcb;                /* as far as the JCL tells, refer backs followed */
    size_t like;                   /* 1 + index of the DD whose data set tells the rest; 0: none */
};

struct jcl_step {
    char name[JCL_NAME_MAX + 1]; /* may be "" */
    char program[JCL_NAME_MAX + 1];
    struct place at;
    size_t first_dd, dds; /* in the job's array */
};

struct jcl_job {
    char name[JCL_NAME_MAX + 1]; /* "" when the JOB statement has no valid one */
    char programmer[JCL_PROGRAMMER_MAX + 1];
    char class[JCL_NAME_MAX + 1];
    char msgclass;
    bool scan;                    /* TYPRUN=SCAN: only looked over */
    size_t first_card, last_card; /* of the deck */
    size_t errors;                /* not 0: nothing of it may run */
    struct jcl_step *step;        /* owned */
    size_t steps;
    struct jcl_dd *dd; /* owned */
    size_t dds;
};

struct jcl {
    struct jcl_job *job; /* owned */
    size_t jobs;
    size_t errors; /* on cards that belong to no job */
};

/* Makes jobs of the statements. `programs` names, up to a NULL, what EXEC PGM= may ask for. Errors
 * go to *f, which already holds those of deck_parse() and is sorted here. False only when memory is
 * short: nothing is then to be run, but jcl_free() is to be called. */
bool jcl_check(const struct deck *deck, const char *const *programs, struct jcl *out,
               struct findings *f);
void jcl_free(struct jcl *jcl);
/* 1-8 of A-Z 0-9 @ # $, no digit first: jobs, steps, DDs, members. */
bool jcl_name_valid(struct span name);
/* The DD of that name in a step; NULL when there is none. Concatenated DDs follow it. */
const struct jcl_dd *jcl_find_dd(const struct jcl_job *job, const struct jcl_step *step,
                                 const char *name);

#endif
