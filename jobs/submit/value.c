/* See value.h. */
#include "jobs/submit/value.h"

#include <stdio.h>
#include <string.h>

#include "jobs/submit/operand.h"
#include "lib/spool.h"
#include "lib/statement.h"

void value_account(struct parameter_target *t, struct span value)
{
    if (value.n > JCL_ACCOUNT_MAX)
        FAIL(t, FINDING_TOO_LONG, value.p, "ACCOUNTING",
             "accounting information is at most %d characters", JCL_ACCOUNT_MAX);
}

void value_programmer(struct parameter_target *t, struct span value)
{
    enum operand_text form = operand_plain(value, t->job->programmer, sizeof(t->job->programmer));

    if (form == OPERAND_TEXT_LONG)
        FAIL(t, FINDING_TOO_LONG, value.p, "PROGRAMMER NAME",
             "the programmer's name is at most %d characters", JCL_PROGRAMMER_MAX);
    else if (form == OPERAND_TEXT_BAD)
        FAIL(t, FINDING_APOSTROPHE, value.p, "PROGRAMMER NAME",
             "put the whole name between apostrophes, '' for one within it");
}

static bool class_character(struct span value)
{
    return value.n == 1 &&
           ((value.p[0] >= 'A' && value.p[0] <= 'Z') || (value.p[0] >= '0' && value.p[0] <= '9'));
}

void value_class(struct parameter_target *t, struct span value)
{
    if (class_character(value) || jcl_name_valid(value))
        span_copy(value, t->job->class, sizeof(t->job->class));
    else
        FAIL(t, FINDING_BAD_FIELD, value.p, "CLASS", "a job class is A-Z or 0-9, not %.*s",
             shown(value), value.p);
}

void value_msgclass(struct parameter_target *t, struct span value)
{
    if (class_character(value))
        t->job->msgclass = value.p[0];
    else
        FAIL(t, FINDING_BAD_FIELD, value.p, "MSGCLASS", "an output class is A-Z or 0-9, not %.*s",
             shown(value), value.p);
}

void value_typrun(struct parameter_target *t, struct span value)
{
    if (span_eq(value, SPAN("SCAN")))
        t->job->scan = true;
    else
        FAIL(t, FINDING_BAD_FIELD, value.p, "TYPRUN",
             "submit knows TYPRUN=SCAN only: it runs a job at once or not at all");
}

void value_pgm(struct parameter_target *t, struct span value)
{
    char known[80] = "";
    size_t n = 0, used = 0;

    if (!jcl_name_valid(value)) {
        FAIL(t, FINDING_BAD_FIELD, value.p, "PGM", "name a program, as in PGM=IEBGENER");
        return;
    }
    span_copy(value, t->step->program, sizeof(t->step->program));
    for (; t->programs[n] != NULL; n++) {
        if (strcmp(t->programs[n], t->step->program) == 0)
            return;
        if (used < sizeof(known))
            used += (size_t)snprintf(known + used, sizeof(known) - used, " %s", t->programs[n]);
    }
    const char *near = nearest_word(value, t->programs, n);
    FAIL(t, FINDING_NO_PROGRAM, value.p, t->step->program, "submit runs:%s%s%s%s", known,
         near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* DUMMY wins, wherever it stands. */
static void set_kind(struct jcl_dd *dd, enum dd_kind kind)
{
    if (dd->kind != DD_DUMMY)
        dd->kind = kind;
}

void value_instream(struct parameter_target *t, struct span value)
{
    (void)value;
    set_kind(t->dd, DD_INSTREAM);
    t->dd->data = t->st->data;
}

void value_dummy(struct parameter_target *t, struct span value)
{
    (void)value;
    set_kind(t->dd, DD_DUMMY);
}

void value_nothing(struct parameter_target *t, struct span value)
{
    (void)t;
    (void)value; /* deck.c has read it */
}

/* The (member) behind a data set name; false when it is not one. */
static bool take_member(struct parameter_target *t, struct span member, const char *at)
{
    if (jcl_name_valid(member))
        return span_copy(member, t->dd->member, sizeof(t->dd->member));
    if (member.n > 0 && strchr("+-0123456789", member.p[0]) != NULL)
        FAIL(t, FINDING_BAD_FIELD, at, "DSN",
             "generation data groups are not supported: name a "
             "member of a library");
    else
        FAIL(t, FINDING_BAD_FIELD, at, "DSN",
             "a member's name is 1 to 8 of A-Z 0-9 @ # $ and begins with no digit");
    return false;
}

void value_dsn(struct parameter_target *t, struct span value)
{
    char plain[CARD_COLUMNS];
    struct span name = value, inside;

    t->dd->dsn_at = deck_place(t->st, value.p);
    if (value.n > 0 && value.p[0] == '\'') {
        enum operand_text form = operand_plain(value, plain, sizeof(plain));
        name = form == OPERAND_TEXT ? span_of(plain) : SPAN("");
    }
    if (name.n > 0 && (name.p[0] == '&' || name.p[0] == '*')) {
        FAIL(t, FINDING_BAD_FIELD, value.p, "DSN",
             "temporary data sets, symbols and refer backs are not supported here: name a "
             "cataloged data set");
        return;
    }
    size_t open = span_find(name, '(');
    if (operand_inside(span_from(name, open), &inside) && !take_member(t, inside, value.p))
        return;
    if (open < name.n && t->dd->member[0] == '\0')
        name.n = 0; /* (member is not closed */
    name.n = open < name.n ? open : name.n;
    if (name.n > DSNAME_MAX)
        FAIL(t, FINDING_TOO_LONG, value.p, "DSN", "a data set name is at most %d characters",
             DSNAME_MAX);
    else if (!dsname_valid(name, DSNAME_MAX))
        FAIL(t, FINDING_BAD_FIELD, value.p, "DSN",
             "write qualifiers of 1 to 8 characters joined by periods, as in T01TCP.ACCES.EMAIL, "
             "and a member in parentheses");
    else if (span_eq(name, SPAN("NULLFILE")))
        set_kind(t->dd, DD_DUMMY);
    else if (span_copy(name, t->dd->dsn, sizeof(t->dd->dsn)))
        set_kind(t->dd, DD_DATASET);
}

static bool one_of(struct span word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (span_eq(word, span_of(*words)))
            return true;
    return false;
}

void value_disp(struct parameter_target *t, struct span value)
{
    static const char *const status[] = {"SHR", "OLD", NULL};
    static const char *const after[] = {"", "KEEP", "PASS", NULL};
    struct span rest, part;
    size_t n = 0;

    operand_inside(value, &rest);
    for (; operand_cut(&rest, &part); n++)
        if (n > 2 || !one_of(part, n == 0 ? status : after)) {
            FAIL(t, FINDING_BAD_DISP, part.p, "",
                 "data sets are only read here: write DISP=SHR (or OLD, with KEEP)");
            return;
        }
}

static void take_writer(struct parameter_target *t, struct span writer)
{
    if (span_eq(writer, SPAN("INTRDR")))
        FAIL(t, FINDING_BAD_FIELD, writer.p, "SYSOUT",
             "there is no internal reader: give the deck to submit itself");
    else if (!jcl_name_valid(writer))
        FAIL(t, FINDING_BAD_FIELD, writer.p, "SYSOUT",
             "a writer's name is 1 to 8 of A-Z 0-9 @ # $");
    else
        WARN(t, writer.p, "writer %.*s is passed over: DEST= names the queue", (int)writer.n,
             writer.p);
}

void value_sysout(struct parameter_target *t, struct span value)
{
    enum { CLASS, WRITER, FORM, PARTS, FORM_MAX = 4 };
    struct span rest, part[PARTS] = {{value.p, 0}, {value.p, 0}, {value.p, 0}};
    size_t n = 0;

    operand_inside(value, &rest);
    for (; n < PARTS && operand_cut(&rest, &part[n]); n++)
        continue;
    set_kind(t->dd, DD_SYSOUT);
    t->dd->class = t->job->msgclass;
    if (rest.p != NULL)
        FAIL(t, FINDING_TOO_MANY_POSITIONS, rest.p, "SYSOUT", "write SYSOUT=(class,writer,form)");
    if (class_character(part[CLASS]))
        t->dd->class = part[CLASS].p[0];
    else if (part[CLASS].n > 0 && !span_eq(part[CLASS], SPAN("*")) &&
             !span_eq(part[CLASS], SPAN("$")))
        FAIL(t, FINDING_BAD_FIELD, part[CLASS].p, "SYSOUT",
             "an output class is A-Z, 0-9, or * for MSGCLASS, not %.*s", shown(part[CLASS]),
             part[CLASS].p);
    else if (value.n == 0)
        FAIL(t, FINDING_BAD_FIELD, value.p, "SYSOUT", "name an output class, as in SYSOUT=A");
    if (part[WRITER].n > 0)
        take_writer(t, part[WRITER]);
    if (part[FORM].n > FORM_MAX)
        FAIL(t, FINDING_TOO_LONG, part[FORM].p, "SYSOUT", "a form's name is 1 to 4 characters");
}

/* R, RM or RMT and a number: one remote has these three names. Length of the letters, or 0. */
static size_t remote_letters(struct span dest)
{
    static const char *const names[] = {"RMT", "RM", "R"};
    uint64_t number;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = strlen(names[i]);
        if (dest.n > n && memcmp(dest.p, names[i], n) == 0 &&
            span_number(span_from(dest, n), UINT64_MAX, &number))
            return n;
    }
    return 0;
}

/* Nnnnnn and NnnRmm are destinations at another node. */
static bool other_node(struct span dest)
{
    size_t digits = 1;

    if (dest.n < 2 || dest.p[0] != 'N')
        return dest.n > 0 && dest.p[0] == '(';
    while (digits < dest.n && dest.p[digits] >= '0' && dest.p[digits] <= '9')
        digits++;
    return digits == dest.n || (digits > 1 && dest.p[digits] == 'R' && digits + 1 < dest.n);
}

void value_dest(struct parameter_target *t, struct span value)
{
    enum { REMOTE_MAX = 32767 };
    static const char *const local[] = {"LOCAL", "ANYLOCAL", NULL};
    size_t letters = remote_letters(value);
    struct span digits = span_from(value, letters);
    uint64_t number = 0;

    t->dd->dest_at = deck_place(t->st, value.p);
    if (letters > 0 && (!span_number(digits, REMOTE_MAX, &number) || digits.p[0] == '0'))
        FAIL(t, FINDING_BAD_FIELD, value.p, "DEST",
             "a remote is 1 to %d without leading zeros, as in RMT21", REMOTE_MAX);
    else if (letters > 0)
        snprintf(t->dd->dest, sizeof(t->dd->dest), "RMT%u", (unsigned)number);
    else if (other_node(value))
        FAIL(t, FINDING_BAD_FIELD, value.p, "DEST",
             "there are no other nodes: name a queue of this spool, as in DEST=RMT21");
    else if (!spool_dest_valid(value))
        FAIL(t, FINDING_BAD_FIELD, value.p, "DEST",
             "a destination is 1 to 8 of A-Z 0-9 @ # $, as in RMT21");
    else if (!one_of(value, local))
        span_copy(value, t->dd->dest, sizeof(t->dd->dest));
}

void value_hold(struct parameter_target *t, struct span value)
{
    if (!span_eq(value, SPAN("NO")))
        FAIL(t, FINDING_BAD_FIELD, value.p, "HOLD",
             "held output is not supported: take HOLD away, or submit the job later");
}

void value_recfm(struct parameter_target *t, struct span value)
{
    struct dcb *dcb = &t->dd->dcb;
    struct dcb before = *dcb;
    enum dcb_result result = dcb_recfm(value, dcb);

    if (result == DCB_UNSUPPORTED)
        FAIL(t, FINDING_BAD_FIELD, value.p, "RECFM",
             "undefined-length and spanned records cannot be mail: use FB or VB");
    else if (result == DCB_UNKNOWN || dcb->form == RECORD_TEXT)
        FAIL(t, FINDING_BAD_FIELD, value.p, "RECFM",
             "write F, FB, V or VB, with A or M behind it for carriage control");
    else
        return;
    *dcb = before;
}

enum { BLKSIZE_MAX = 32760 };

void value_lrecl(struct parameter_target *t, struct span value)
{
    uint64_t lrecl;

    if (span_number(value, LRECL_MAX, &lrecl) && lrecl > 0)
        t->dd->dcb.lrecl = (unsigned)lrecl;
    else
        FAIL(t, FINDING_BAD_FIELD, value.p, "LRECL", "a record length is 1 to %d", LRECL_MAX);
}

/* Checked as a mainframe would, and then of no use: spool files have no blocks. */
void value_blksize(struct parameter_target *t, struct span value)
{
    uint64_t blksize;

    if (!span_number(value, BLKSIZE_MAX, &blksize))
        FAIL(t, FINDING_BAD_FIELD, value.p, "BLKSIZE", "a block size is 0 to %d", BLKSIZE_MAX);
}

const struct jcl_dd *value_refer_back(struct parameter_target *t, struct span value)
{
    struct span rest = span_from(value, 2), part[3];
    const struct jcl_step *step = t->step;
    char name[JCL_NAME_MAX + 1];
    size_t n = 0;

    while (n < 3 && span_cut(&rest, '.', &part[n]))
        n++;
    bool good = n < 3 && jcl_name_valid(part[n - 1]) && jcl_name_valid(part[0]);
    if (!good) {
        FAIL(t, FINDING_REFER_BACK, value.p, "DCB", "write *.ddname or *.stepname.ddname");
        return NULL;
    }
    for (size_t i = 0; n == 2 && i < t->job->steps; i++)
        if (span_eq(part[0], span_of(t->job->step[i].name)))
            step = &t->job->step[i];
    if (n == 2 && !span_eq(part[0], span_of(step->name))) {
        FAIL(t, FINDING_REFER_BACK, part[0].p, "DCB", "no step %.*s stands before this DD",
             (int)part[0].n, part[0].p);
        return NULL;
    }
    span_copy(part[n - 1], name, sizeof(name));
    const struct jcl_dd *dd = jcl_find_dd(t->job, step, name);
    if (dd == NULL)
        FAIL(t, FINDING_REFER_BACK, part[n - 1].p, "DCB",
             "no DD %s stands before this one in step %s: name one that does", name,
             step->name[0] != '\0' ? step->name : "(unnamed)");
    return dd;
}
