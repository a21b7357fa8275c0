/* See parameter.h. */
#include "jobs/submit/parameter.h"

#include <stdio.h>

#include "jobs/submit/operand.h"
#include "jobs/submit/value.h"
#include "lib/statement.h"

static value_fn take_dcb; /* reads keywords by the table that names it */

enum bit {
    B_INSTREAM = 1,
    B_DUMMY = 2,
    B_DSN = 4,
    B_DISP = 8,
    B_SYSOUT = 16,
    B_DEST = 32,
    B_DLM = 64,
    B_PGM = 128
};

struct rule {
    unsigned owners; /* parameter_owner */
    const char *keyword;
    value_fn *take;      /* NULL: refused if there is a reason, else passed over with a warning */
    const char *refused; /* how to do without it */
    unsigned bit;        /* what it is in the masks of others */
    unsigned excludes;   /* none of these with it */
    unsigned needs;      /* one of these with it */
    bool positional;
};

#define IGNORED(owners, keyword)                                                                   \
    {                                                                                              \
        owners, keyword, NULL, NULL, 0, 0, 0, false                                                \
    }
#define REFUSED(owners, keyword, why)                                                              \
    {                                                                                              \
        owners, keyword, NULL, why, 0, 0, 0, false                                                 \
    }

static const char no_conditions[] = "steps run one after another until one fails: take COND away";
static const char read_only[] = "data sets are only read here: take the parameter away";
static const char owner_is_logon[] = "who submits the job is its owner: take it away";

static const struct rule rules[] = {
    {OF_JOB, "CLASS", value_class, NULL, 0, 0, 0, false},
    {OF_JOB, "MSGCLASS", value_msgclass, NULL, 0, 0, 0, false},
    {OF_JOB, "TYPRUN", value_typrun, NULL, 0, 0, 0, false},
    REFUSED(OF_JOB | OF_EXEC, "COND", no_conditions),
    REFUSED(OF_JOB, "RESTART", "a job runs from its first step: take the steps before it away"),
    REFUSED(OF_JOB, "PASSWORD", owner_is_logon),
    REFUSED(OF_JOB, "USER", owner_is_logon),
    IGNORED(OF_JOB | OF_EXEC, "ADDRSPC"),
    IGNORED(OF_JOB, "BYTES"),
    IGNORED(OF_JOB, "CARDS"),
    IGNORED(OF_JOB | OF_EXEC, "CCSID"),
    IGNORED(OF_JOB, "DSENQSHR"),
    IGNORED(OF_JOB, "EMAIL"),
    IGNORED(OF_JOB, "GDGBIAS"),
    IGNORED(OF_JOB, "GROUP"),
    IGNORED(OF_JOB, "JESLOG"),
    IGNORED(OF_JOB, "JOBRC"),
    IGNORED(OF_JOB, "LINES"),
    IGNORED(OF_JOB | OF_EXEC, "MEMLIMIT"),
    IGNORED(OF_JOB, "MSGLEVEL"),
    IGNORED(OF_JOB, "NOTIFY"),
    IGNORED(OF_JOB, "PAGES"),
    IGNORED(OF_JOB | OF_EXEC, "PERFORM"),
    IGNORED(OF_JOB, "PRTY"),
    IGNORED(OF_JOB | OF_EXEC, "RD"),
    IGNORED(OF_JOB | OF_EXEC, "REGION"),
    IGNORED(OF_JOB | OF_EXEC, "REGIONX"),
    IGNORED(OF_JOB, "SCHENV"),
    IGNORED(OF_JOB, "SECLABEL"),
    IGNORED(OF_JOB, "SYSAFF"),
    IGNORED(OF_JOB, "SYSTEM"),
    IGNORED(OF_JOB | OF_EXEC, "TIME"),
    IGNORED(OF_JOB, "UJOBCORR"),

    {OF_EXEC, "PGM", value_pgm, NULL, B_PGM, 0, 0, false},
    REFUSED(OF_EXEC, "PROC", "there are no procedures: write the steps with PGM= into the job"),
    IGNORED(OF_EXEC, "ACCT"),
    IGNORED(OF_EXEC, "DYNAMNBR"),
    IGNORED(OF_EXEC, "PARM"),
    IGNORED(OF_EXEC, "RLSTMOUT"),

    {OF_DD, "*", value_instream, NULL, B_INSTREAM, 0, 0, true},
    {OF_DD, "DATA", value_instream, NULL, B_INSTREAM, 0, 0, true},
    {OF_DD, "DUMMY", value_dummy, NULL, B_DUMMY, B_INSTREAM, 0, true},
    {OF_DD, "DLM", value_nothing, NULL, B_DLM, 0, B_INSTREAM, false},
    {OF_DD, "DSN", value_dsn, NULL, B_DSN, B_INSTREAM | B_SYSOUT, B_DISP | B_DUMMY, false},
    {OF_DD, "DSNAME", value_dsn, NULL, B_DSN, B_DSN | B_INSTREAM | B_SYSOUT, B_DISP | B_DUMMY,
     false},
    {OF_DD, "DISP", value_disp, NULL, B_DISP, B_INSTREAM | B_SYSOUT, B_DSN | B_DUMMY, false},
    {OF_DD, "SYSOUT", value_sysout, NULL, B_SYSOUT, B_INSTREAM, 0, false},
    {OF_DD, "DEST", value_dest, NULL, B_DEST, 0, B_SYSOUT, false},
    {OF_DD, "DCB", take_dcb, NULL, 0, 0, 0, false},
    {OF_DD, "HOLD", value_hold, NULL, 0, 0, 0, false},
    REFUSED(OF_DD, "DDNAME", "write what it stands for on this DD"),
    REFUSED(OF_DD, "DYNAM", "write DUMMY, or take the DD away"),
    REFUSED(OF_DD, "LIKE", read_only),
    REFUSED(OF_DD, "OUTPUT", "there are no OUTPUT statements: write DEST= on this DD"),
    REFUSED(OF_DD, "PATH", "name the file's place in the catalog by DSN="),
    REFUSED(OF_DD, "QNAME", "name a data set by DSN="),
    REFUSED(OF_DD, "RECORG", read_only),
    REFUSED(OF_DD, "REFDD", read_only),
    REFUSED(OF_DD, "SUBSYS", "the spool is reached by SYSOUT= and DEST="),
    REFUSED(OF_DD, "SYMBOLS", "there are no symbols: write the values into the data"),
    IGNORED(OF_DD, "ACCODE"),
    IGNORED(OF_DD, "AMP"),
    IGNORED(OF_DD, "AVGREC"),
    IGNORED(OF_DD, "BURST"),
    IGNORED(OF_DD, "CHARS"),
    IGNORED(OF_DD, "CHKPT"),
    IGNORED(OF_DD, "CNTL"),
    IGNORED(OF_DD, "COPIES"),
    IGNORED(OF_DD, "DATACLAS"),
    IGNORED(OF_DD, "DSNTYPE"),
    IGNORED(OF_DD, "EXPDT"),
    IGNORED(OF_DD, "FCB"),
    IGNORED(OF_DD, "FILEDATA"),
    IGNORED(OF_DD, "FLASH"),
    IGNORED(OF_DD, "FREE"),
    IGNORED(OF_DD, "LABEL"),
    IGNORED(OF_DD, "MGMTCLAS"),
    IGNORED(OF_DD, "MODIFY"),
    IGNORED(OF_DD, "OUTLIM"),
    IGNORED(OF_DD, "PROTECT"),
    IGNORED(OF_DD, "RETPD"),
    IGNORED(OF_DD, "SEGMENT"),
    IGNORED(OF_DD, "SPACE"),
    IGNORED(OF_DD, "SPIN"),
    IGNORED(OF_DD, "STORCLAS"),
    IGNORED(OF_DD, "TERM"),
    IGNORED(OF_DD, "UCS"),
    IGNORED(OF_DD, "UNIT"),
    IGNORED(OF_DD, "VOL"),
    IGNORED(OF_DD, "VOLUME"),

    {OF_DD | OF_DCB, "RECFM", value_recfm, NULL, 0, 0, 0, false},
    {OF_DD | OF_DCB, "LRECL", value_lrecl, NULL, 0, 0, 0, false},
    {OF_DD | OF_DCB, "BLKSIZE", value_blksize, NULL, 0, 0, 0, false},
    IGNORED(OF_DCB, "BFTEK"),
    IGNORED(OF_DCB, "BUFL"),
    IGNORED(OF_DCB, "BUFNO"),
    IGNORED(OF_DCB, "DEN"),
    IGNORED(OF_DCB, "DSORG"),
    IGNORED(OF_DCB, "EROPT"),
    IGNORED(OF_DD | OF_DCB, "KEYLEN"),
    IGNORED(OF_DCB, "OPTCD"),
    IGNORED(OF_DCB, "PRTSP"),
};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

/* What was seen of one statement's parameters so far. */
struct seen {
    bool rule[RULES];
    const char *at[RULES];
    unsigned bits;
    bool keyword;
};

static const struct rule *find_rule(unsigned owner, struct span keyword, bool positional)
{
    for (size_t i = 0; i < RULES; i++)
        if ((rules[i].owners & owner) && rules[i].positional == positional &&
            span_eq(keyword, span_of(rules[i].keyword)))
            return &rules[i];
    return NULL;
}

static void unknown_keyword(struct parameter_target *t, unsigned owner, struct span keyword)
{
    const char *words[RULES];
    char name[SHOWN + 1];
    size_t n = 0;

    for (size_t i = 0; i < RULES; i++)
        if ((rules[i].owners & owner) && !rules[i].positional)
            words[n++] = rules[i].keyword;
    const char *near = nearest_word(keyword, words, n);
    span_copy((struct span){keyword.p, (size_t)shown(keyword)}, name, sizeof(name));
    FAIL(t, FINDING_BAD_KEYWORD, keyword.p, name, "%s%s%s",
         near ? "did you mean " : "take it away, or write it right", near ? near : "",
         near ? "?" : "");
}

static void check_conflicts(struct parameter_target *t, const struct rule *rule, const char *at,
                            const struct seen *seen)
{
    for (size_t i = 0; i < RULES; i++) {
        if (!seen->rule[i])
            continue;
        if (&rules[i] == rule)
            FAIL(t, FINDING_BAD_FIELD, at, rule->keyword, "it stands twice: keep one");
        else if ((rules[i].bit & rule->excludes) || (rule->bit & rules[i].excludes))
            FAIL(t, FINDING_EXCLUSIVE, at, rule->keyword, "with %s: keep one of the two",
                 rules[i].keyword);
    }
}

static void apply_rule(struct parameter_target *t, const struct rule *rule, struct span value,
                       const char *at, struct seen *seen)
{
    check_conflicts(t, rule, at, seen);
    seen->rule[rule - rules] = true;
    seen->at[rule - rules] = at;
    seen->bits |= rule->bit;
    if (rule->take != NULL)
        rule->take(t, value);
    else if (rule->refused != NULL)
        FAIL(t, FINDING_BAD_FIELD, at, rule->keyword, "not supported: %s", rule->refused);
    else
        WARN(t, at, "%s is passed over: it has no meaning here", rule->keyword);
}

static void take_keyword(struct parameter_target *t, unsigned owner, struct operand o,
                         struct seen *seen)
{
    const struct rule *rule = find_rule(owner, o.keyword, false);

    seen->keyword = true;
    if (rule == NULL)
        unknown_keyword(t, owner, o.keyword);
    else
        apply_rule(t, rule, o.value, o.keyword.p, seen);
}

/* Positional parameters: 0 is the first. Empty ones are lawful where they may be left out. */
static void take_position(struct parameter_target *t, unsigned owner, size_t index,
                          struct span value, struct seen *seen)
{
    static value_fn *const of_job[] = {value_account, value_programmer};
    static const char *const fields[] = {[OF_JOB] = "JOB", [OF_EXEC] = "EXEC", [OF_DD] = "DD"};
    char name[JCL_NAME_MAX + 1];

    if (seen->keyword) {
        FAIL(t, FINDING_BAD_POSITION, value.p, fields[owner],
             value.n > 0 ? "positional parameters stand before those with keywords"
                         : "a parameter is missing between two commas");
    } else if (owner == OF_JOB && index < 2) {
        of_job[index](t, value);
    } else if (owner == OF_DD && index == 0) {
        const struct rule *rule = find_rule(OF_DD, value, true);
        if (rule != NULL)
            apply_rule(t, rule, value, value.p, seen);
        else
            FAIL(t, FINDING_BAD_POSITION, value.p, "DD", "write *, DATA, DUMMY, or a keyword");
    } else if (owner == OF_EXEC && index == 0 && jcl_name_valid(value)) {
        span_copy(value, name, sizeof(name));
        FAIL(t, FINDING_NO_PROCEDURE, value.p, name,
             "there are no procedures: write PGM= before the name of a program");
    } else {
        FAIL(t, FINDING_TOO_MANY_POSITIONS, value.p, fields[owner],
             "take it away, or write its keyword before it");
    }
}

/* Keywords that want another one beside them. */
static void check_needs(struct parameter_target *t, const struct seen *seen)
{
    for (size_t i = 0; i < RULES; i++) {
        char wanted[80] = "";
        unsigned told = 0;
        size_t used = 0;
        if (!seen->rule[i] || rules[i].needs == 0 || (seen->bits & rules[i].needs))
            continue;
        for (size_t j = 0; j < RULES && used < sizeof(wanted); j++)
            if ((rules[j].bit & rules[i].needs & ~told) != 0) {
                told |= rules[j].bit; /* DSN, but not DSNAME too */
                used += (size_t)snprintf(wanted + used, sizeof(wanted) - used, "%s%s",
                                         used ? " or " : "", rules[j].keyword);
            }
        FAIL(t, FINDING_BAD_FIELD, seen->at[i], rules[i].keyword, "it needs %s beside it", wanted);
    }
}

static void take_dcb(struct parameter_target *t, struct span value)
{
    struct seen seen = {0};
    const struct jcl_dd *model = NULL;
    struct span rest, part;

    operand_inside(value, &rest);
    for (size_t n = 0; operand_cut(&rest, &part); n++) {
        struct operand o = operand_split(part);
        if (o.keyword.n > 0)
            take_keyword(t, OF_DCB, o, &seen);
        else if (n == 0 && part.n > 2 && part.p[0] == '*' && part.p[1] == '.')
            model = value_refer_back(t, part);
        else
            FAIL(t, FINDING_BAD_POSITION, part.p, "DCB",
                 "write *.ddname, or keywords as in DCB=(RECFM=FB,LRECL=80)");
    }
    if (model == NULL)
        return;
    dcb_merge(&t->dd->dcb, &model->dcb);
    bool tells = model->kind == DD_DATASET || model->kind == DD_INSTREAM;
    t->dd->like = tells ? (size_t)(model - t->job->dd) + 1 : model->like;
}

static void check_syntax(struct parameter_target *t)
{
    static const struct {
        enum finding_id id;
        const char *field, *sentence;
    } faults[] = {
        [OPERAND_OPEN] = {FINDING_PARENTHESIS, "", "this one is not closed"},
        [OPERAND_CLOSE] = {FINDING_PARENTHESIS, "", "this one was not opened"},
        [OPERAND_STRING] = {FINDING_APOSTROPHE, "OPERAND", "this one is not closed"},
        [OPERAND_CHARACTER] = {FINDING_BAD_CHARACTER, "",
                               "write capitals, or put the value between apostrophes"},
    };
    size_t at = 0;
    enum operand_fault fault = operand_check(BUF_SPAN(&t->st->text), &at);

    if (fault == OPERAND_GOOD)
        return;
    const char *octet = t->st->text.data + at;
    char character[2] = {fault == OPERAND_CHARACTER && *octet > ' ' ? *octet : '\0', '\0'};
    FAIL(t, faults[fault].id, octet, character[0] != '\0' ? character : faults[fault].field, "%s",
         faults[fault].sentence);
}

void parameters_take(struct parameter_target *t, enum parameter_owner owner)
{
    struct span rest = BUF_SPAN(&t->st->text), part;
    struct seen seen = {0};

    check_syntax(t);
    if (t->errors > 0)
        return;
    for (size_t n = 0; rest.n > 0 && operand_cut(&rest, &part); n++) {
        struct operand o = operand_split(part);
        if (o.keyword.n > 0)
            take_keyword(t, owner, o, &seen);
        else
            take_position(t, owner, n, o.value, &seen);
    }
    if (t->errors == 0)
        check_needs(t, &seen);
}
