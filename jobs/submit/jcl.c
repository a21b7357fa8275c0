/* See jcl.h. */
#include "jobs/submit/jcl.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/submit/array.h"
#include "jobs/submit/parameter.h"
#include "lib/statement.h"

struct check {
    const struct deck *deck;
    const char *const *programs;
    struct jcl *jcl;
    struct findings *findings;
    struct jcl_job *job;   /* the one being read; NULL before the first */
    struct jcl_step *step; /* of it; NULL before the first */
    size_t job_capacity, step_capacity, dd_capacity;
    size_t null_card; /* of the null statement that ended the job; 0: it goes on */
    bool told;        /* of cards that belong to no job: one finding for a run of them */
    bool failed;      /* memory */
};

static bool national(char c)
{
    return (c >= 'A' && c <= 'Z') || c == '@' || c == '#' || c == '$';
}

bool jcl_name_valid(struct span name)
{
    if (name.n == 0 || name.n > JCL_NAME_MAX || !national(name.p[0]))
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!national(name.p[i]) && (name.p[i] < '0' || name.p[i] > '9'))
            return false;
    return true;
}

static void *grow(struct check *c, void *array, size_t used, size_t *capacity, size_t size)
{
    void *grown = array_grow(array, used, capacity, size);

    c->failed = c->failed || grown == NULL;
    return grown;
}

/* The name field; false when it is there but wrong. */
static bool take_name(struct check *c, const struct deck_statement *st, bool required,
                      char out[JCL_NAME_MAX + 1])
{
    struct place at = {st->at.card, 3};
    int n = (int)(st->name.n < 24 ? st->name.n : 24);

    out[0] = '\0';
    if (jcl_name_valid(st->name))
        return span_copy(st->name, out, JCL_NAME_MAX + 1);
    if (st->name.n == 0 && !required)
        return true;
    if (st->name.n == 0)
        finding_add(c->findings, FINDING_BAD_LABEL, at, "",
                    "a %.*s statement needs a name in column 3", (int)st->operation.n,
                    st->operation.p);
    else if (span_find(st->name, '.') < st->name.n)
        finding_add(c->findings, FINDING_BAD_LABEL, at, "",
                    "%.*s would override a DD of a procedure, and there are none: write the name "
                    "alone",
                    n, st->name.p);
    else
        finding_add(c->findings, FINDING_BAD_LABEL, at, "",
                    "%.*s is no name: write 1 to 8 of A-Z 0-9 @ # $, beginning with no digit", n,
                    st->name.p);
    return false;
}

static void take_parameters(struct check *c, const struct deck_statement *st,
                            enum parameter_owner owner, struct jcl_dd *dd)
{
    struct parameter_target t = {.st = st,
                                 .findings = c->findings,
                                 .programs = c->programs,
                                 .job = c->job,
                                 .step = c->step,
                                 .dd = dd};

    if (st->damaged)
        return; /* its error is known, and what is left of it would only raise others */
    parameters_take(&t, owner);
    if (t.errors > 0)
        return;
    if (dd != NULL && dd->kind == DD_NONE)
        finding_add(c->findings, FINDING_BAD_FIELD, st->operation_at, "DD",
                    "it tells of no data: write *, DUMMY, DSN= with DISP=SHR, or SYSOUT=");
    if (owner == OF_EXEC && c->step->program[0] == '\0')
        finding_add(c->findings, FINDING_BAD_FIELD, st->operation_at, "EXEC",
                    "PGM= is missing: name a program, as in EXEC PGM=IEBGENER");
}

/* What is to be seen only once all of a job is read. */
static void end_job(struct check *c, size_t last_card)
{
    if (c->job == NULL)
        return;
    c->job->last_card = last_card;
    if (c->job->steps == 0 && findings_errors(c->findings, c->job->first_card, last_card) == 0)
        finding_add(c->findings, FINDING_NO_STEPS, (struct place){c->job->first_card, 1}, "",
                    "write an EXEC statement, as in //STEP1 EXEC PGM=IEBGENER");
}

static void take_job(struct check *c, const struct deck_statement *st)
{
    void *jobs;

    end_job(c, st->at.card - 1);
    jobs = grow(c, c->jcl->job, c->jcl->jobs, &c->job_capacity, sizeof(*c->job));
    if (jobs == NULL)
        return;
    c->jcl->job = jobs;
    c->job = &c->jcl->job[c->jcl->jobs++];
    *c->job = (struct jcl_job){.class = "A", .msgclass = 'A', .first_card = st->at.card};
    c->step = NULL;
    c->step_capacity = c->dd_capacity = c->null_card = 0;
    c->told = false;
    take_name(c, st, true, c->job->name);
    take_parameters(c, st, OF_JOB, NULL);
}

static void take_exec(struct check *c, const struct deck_statement *st)
{
    if (c->job->steps == JCL_STEPS_MAX) {
        finding_add(c->findings, FINDING_TOO_MANY_STEPS, st->at, "",
                    "a job has at most %d steps: make two jobs of it", JCL_STEPS_MAX);
        return;
    }
    void *steps = grow(c, c->job->step, c->job->steps, &c->step_capacity, sizeof(*c->step));
    if (steps == NULL)
        return;
    c->job->step = steps;
    c->step = &c->job->step[c->job->steps++];
    c->step->at = st->at;
    c->step->first_dd = c->job->dds;
    take_name(c, st, false, c->step->name);
    take_parameters(c, st, OF_EXEC, NULL);
}

/* May this DD stand here? */
static bool dd_lawful(struct check *c, const struct deck_statement *st, const char *name)
{
    if (c->step == NULL && st->generated)
        finding_add(c->findings, FINDING_MISPLACED_DD, st->at, "",
                    "data stand before the first EXEC statement: put // into columns 1 and 2, or "
                    "move the card behind a DD");
    else if (c->step == NULL)
        finding_add(c->findings, FINDING_MISPLACED_DD, st->at, "",
                    "it stands before the first EXEC statement: move it behind one");
    else if (c->step->dds == JCL_DDS_MAX)
        finding_add(c->findings, FINDING_TOO_MANY_DDS, st->at, "",
                    "a step has at most %d DD statements", JCL_DDS_MAX);
    else if (name[0] == '\0' && st->name.n == 0 && c->step->dds == 0)
        finding_add(c->findings, FINDING_BAD_LABEL, (struct place){st->at.card, 3}, "",
                    "the first DD of a step needs a name, as in //SYSUT1 DD");
    else if (jcl_find_dd(c->job, c->step, name) != NULL && st->generated)
        finding_add(c->findings, FINDING_BAD_LABEL, st->at, "",
                    "data with no DD in front would be SYSIN, which the step has: if they belong "
                    "to the data before, end those with DLM=");
    else if (jcl_find_dd(c->job, c->step, name) != NULL)
        finding_add(c->findings, FINDING_BAD_LABEL, (struct place){st->at.card, 3}, "",
                    "the step has a DD %s already: choose another name, or none to concatenate",
                    name);
    else
        return true;
    return false;
}

/* Only what is read can stand behind one another. */
static void check_concatenation(struct check *c, const struct jcl_dd *dd)
{
    if (dd->name[0] == '\0' && (dd->kind == DD_SYSOUT || dd[-1].kind == DD_SYSOUT))
        finding_add(c->findings, FINDING_BAD_LABEL, (struct place){dd->at.card, 3}, "",
                    "a DD without a name goes on with the data of the one before, and SYSOUT has "
                    "none: give it a name");
}

static void take_dd(struct check *c, const struct deck_statement *st)
{
    char name[JCL_NAME_MAX + 1];
    bool named = take_name(c, st, false, name);

    if (!dd_lawful(c, st, name))
        return;
    void *dds = grow(c, c->job->dd, c->job->dds, &c->dd_capacity, sizeof(struct jcl_dd));
    if (dds == NULL)
        return;
    c->job->dd = dds;
    struct jcl_dd *dd = &c->job->dd[c->job->dds];
    memcpy(dd->name, name, sizeof(dd->name));
    dd->at = st->at;
    take_parameters(c, st, OF_DD, dd);
    if (!named)
        return; /* not to be taken for one that is concatenated */
    check_concatenation(c, dd);
    c->job->dds++;
    c->step->dds++;
}

static const struct operation {
    const char *name;
    void (*take)(struct check *c, const struct deck_statement *st); /* NULL: not of the subset */
} operations[] = {
    {"JOB", take_job}, {"EXEC", take_exec}, {"DD", take_dd},  {"CNTL", NULL},   {"COMMAND", NULL},
    {"ELSE", NULL},    {"ENDCNTL", NULL},   {"ENDIF", NULL},  {"EXPORT", NULL}, {"IF", NULL},
    {"INCLUDE", NULL}, {"JCLLIB", NULL},    {"NOTIFY", NULL}, {"OUTPUT", NULL}, {"PEND", NULL},
    {"PROC", NULL},    {"SCHEDULE", NULL},  {"SET", NULL},    {"XMIT", NULL},
};

enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]), OPERATIONS_KNOWN = 3 };

static void bad_operation(struct check *c, const struct deck_statement *st)
{
    const char *words[OPERATIONS_KNOWN];
    int n = (int)(st->operation.n < 24 ? st->operation.n : 24);

    for (size_t i = 0; i < OPERATIONS_KNOWN; i++)
        words[i] = operations[i].name;
    const char *near = nearest_word(st->operation, words, OPERATIONS_KNOWN);
    if (st->operation.n == 0)
        finding_add(c->findings, FINDING_BAD_OPERATION, st->operation_at, "",
                    "there is none behind the name: write JOB, EXEC or DD");
    else if (st->name.n == 0 && span_find(st->operation, '=') < st->operation.n)
        finding_add(c->findings, FINDING_BAD_OPERATION, st->operation_at, "",
                    "%.*s: if this card is a continuation, the card before it must end in a comma",
                    n, st->operation.p);
    else
        finding_add(c->findings, FINDING_BAD_OPERATION, st->operation_at, "", "%.*s%s%s%s", n,
                    st->operation.p, near ? ": did you mean " : ": write JOB, EXEC or DD",
                    near ? near : "", near ? "?" : "");
}

/* Does the statement belong to a job that still goes on? Else one finding for a run of such cards.
 */
static bool in_job(struct check *c, const struct deck_statement *st)
{
    if (c->job != NULL && c->null_card == 0)
        return true;
    if (!c->told && c->job == NULL)
        finding_add(c->findings, FINDING_BAD_STATEMENT, st->at, "",
                    "no JOB statement stands before this card: begin with //NAME JOB");
    else if (!c->told)
        finding_add(c->findings, FINDING_BAD_STATEMENT, st->at, "",
                    "the null statement on card %zu ended the job: take that card away, or put a "
                    "JOB statement before this one",
                    c->null_card);
    c->told = true;
    return false;
}

static void take_statement(struct check *c, const struct deck_statement *st)
{
    if (deck_is_null(st)) {
        if (c->null_card == 0)
            c->null_card = st->at.card;
        return;
    }
    for (size_t i = 0; i < OPERATIONS; i++) {
        const struct operation *op = &operations[i];
        if (!span_eq(st->operation, span_of(op->name)))
            continue;
        if (op->take == take_job || in_job(c, st)) {
            if (op->take != NULL)
                op->take(c, st);
            else
                finding_add(c->findings, FINDING_BAD_OPERATION, st->operation_at, "",
                            "%s is not of the subset that submit runs: do without it", op->name);
        }
        return;
    }
    if (in_job(c, st))
        bad_operation(c, st);
}

/* Which findings stop which job: each counts for the job on whose cards it was made. */
static void count_errors(struct check *c)
{
    struct jcl *jcl = c->jcl;
    struct findings *f = c->findings;
    size_t before = jcl->jobs > 0 ? jcl->job[0].first_card - 1 : c->deck->cards;

    findings_sort(f);
    jcl->errors = findings_errors(f, 0, before);
    for (size_t i = 0; i < jcl->jobs; i++) {
        struct jcl_job *job = &jcl->job[i];
        job->errors = findings_errors(f, job->first_card, job->last_card) + f->dropped;
    }
}

bool jcl_check(const struct deck *deck, const char *const *programs, struct jcl *out,
               struct findings *f)
{
    struct check c = {.deck = deck, .programs = programs, .jcl = out, .findings = f};

    *out = (struct jcl){0};
    for (size_t i = 0; i < deck->statements && !c.failed; i++)
        take_statement(&c, &deck->statement[i]);
    end_job(&c, deck->cards);
    if (out->jobs == 0 && findings_errors(f, 0, deck->cards) == 0)
        finding_add(f, FINDING_BAD_STATEMENT, (struct place){0, 0}, "",
                    "the deck %s: begin with //NAME JOB",
                    deck->cards == 0 ? "is empty" : "has no JOB statement");
    count_errors(&c);
    return !c.failed;
}

void jcl_free(struct jcl *jcl)
{
    for (size_t i = 0; i < jcl->jobs; i++) {
        free(jcl->job[i].step);
        free(jcl->job[i].dd);
    }
    free(jcl->job);
    *jcl = (struct jcl){0};
}

const struct jcl_dd *jcl_find_dd(const struct jcl_job *job, const struct jcl_step *step,
                                 const char *name)
{
    for (size_t i = 0; name[0] != '\0' && i < step->dds; i++)
        if (strcmp(job->dd[step->first_dd + i].name, name) == 0)
            return &job->dd[step->first_dd + i];
    return NULL;
}
