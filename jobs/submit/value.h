/* What the parameters of JOB, EXEC, DD and DCB may hold: one reader for each form. Pure.
 *
 * Each takes the value as the deck has it, fills its place in the target, or makes a finding.
 * Nothing of a value is used before it was checked. */
#ifndef SPOOLMAIL_SUBMIT_VALUE_H
#define SPOOLMAIL_SUBMIT_VALUE_H

#include "jobs/submit/deck.h"
#include "jobs/submit/finding.h"
#include "jobs/submit/jcl.h"
#include "jobs/submit/parameter.h"

/* An error, or a warning, at an octet of the statement's text. */
#define FAIL(t, id, octet, field, ...)                                                             \
    (finding_add((t)->findings, (id), deck_place((t)->st, (octet)), (field), __VA_ARGS__),         \
     (t)->errors++)
#define WARN(t, octet, ...)                                                                        \
    finding_add((t)->findings, FINDING_WARNING, deck_place((t)->st, (octet)), "", __VA_ARGS__)

/* How many octets of a wrong value a message repeats. */
enum { SHOWN = 24 };
static inline int shown(struct span s)
{
    return (int)(s.n < SHOWN ? s.n : SHOWN);
}

typedef void value_fn(struct parameter_target *t, struct span value);

/* JOB */
value_fn value_account, value_programmer, value_class, value_msgclass, value_typrun;
/* EXEC */
value_fn value_pgm;
/* DD; value_nothing is for what deck.c has read already */
value_fn value_instream, value_dummy, value_nothing, value_dsn, value_disp, value_sysout,
    value_dest, value_hold;
/* DCB */
value_fn value_recfm, value_lrecl, value_blksize;
/* The DD that *.ddname or *.stepname.ddname means; NULL (a finding was made). */
const struct jcl_dd *value_refer_back(struct parameter_target *t, struct span value);

#endif
