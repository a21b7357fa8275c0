/* Unit tests of jobs/submit/jcl, parameter and dcb: statements to checked jobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/submit/jcl.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const programs[] = {"IEBGENER", "IEFBR14", NULL};

/* A deck that was read and checked; the text is copied to memory of its own size. */
struct read {
    char *copy;
    struct findings findings;
    struct deck deck;
    struct jcl jcl;
};

static void read_job(struct read *r, const char *text)
{
    size_t n = strlen(text);

    *r = (struct read){0};
    r->copy = malloc(n + 1);
    assert_non_null(r->copy);
    memcpy(r->copy, text, n);
    char *fits = realloc(r->copy, n ? n : 1);
    assert_non_null(fits);
    r->copy = fits;
    assert_true(deck_parse((struct span){r->copy, n}, &r->deck, &r->findings));
    assert_true(jcl_check(&r->deck, programs, &r->jcl, &r->findings));
}

static void forget_job(struct read *r)
{
    jcl_free(&r->jcl);
    deck_free(&r->deck);
    findings_free(&r->findings);
    free(r->copy);
}

/* "IEFC621I@2:3", one after another. */
static void describe_findings(const struct findings *f, struct buf *out)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct diag *d = &f->list[i].diag;
        buf_printf(out, "%s%.*s@%zu:%zu", i ? " " : "", (int)strcspn(d->text, " "), d->text,
                   d->line, d->column);
    }
}

/* One DD: "name kind what". */
static void describe_dd(const struct jcl_dd *dd, struct buf *out)
{
    static const char *const kinds[] = {"none", "instream", "dummy", "dsn", "sysout"};
    static const char forms[] = "TFV", controls[] = "-AM";

    buf_printf(out, " %s:%s", dd->name, kinds[dd->kind]);
    if (dd->kind == DD_DATASET)
        buf_printf(out, "=%s(%s)", dd->dsn, dd->member);
    if (dd->kind == DD_SYSOUT)
        buf_printf(out, "=%c,%s", dd->class, dd->dest);
    if (dd->dcb.has_recfm || dd->dcb.lrecl > 0)
        buf_printf(out, "/%c%c%u", dd->dcb.has_recfm ? forms[dd->dcb.form] : '?',
                   controls[dd->dcb.control], dd->dcb.lrecl);
    if (dd->like > 0)
        buf_printf(out, "~%zu", dd->like - 1);
}

/* "JOB cards class/msgclass 'programmer' | STEP PROGRAM dd dd | ...; next job" */
static void describe(const struct jcl *jcl, struct buf *out)
{
    for (size_t i = 0; i < jcl->jobs; i++) {
        const struct jcl_job *job = &jcl->job[i];
        buf_printf(out, "%s%s %zu-%zu %s/%c '%s'%s", i ? "; " : "", job->name, job->first_card,
                   job->last_card, job->class, job->msgclass, job->programmer,
                   job->scan ? " scan" : "");
        for (size_t k = 0; k < job->steps; k++) {
            const struct jcl_step *step = &job->step[k];
            buf_printf(out, " | %s %s", step->name, step->program);
            for (size_t n = 0; n < step->dds; n++)
                describe_dd(&job->dd[step->first_dd + n], out);
        }
    }
}

static void check_job(const char *text, const char *want, const char *findings)
{
    struct read r;
    struct buf jobs = {0}, found = {0};

    print_message("%.70s\n", text);
    read_job(&r, text);
    describe(&r.jcl, &jobs);
    describe_findings(&r.findings, &found);
    if (want != NULL)
        assert_string_equal(buf_str(&jobs), want);
    assert_string_equal(buf_str(&found), findings);
    buf_free(&jobs);
    buf_free(&found);
    forget_job(&r);
}

static void the_decks_of_the_seed(void **state)
{
    (void)state;
    check_job("//ICSGENER JOB (TSO00,,,99),'WRITE TO SPOOL#4',\n"
              "//MSGCLASS=X,CLASS=A\n"
              "//*\n"
              "//STEP1 EXEC PGM=IEBGENER\n"
              "//SYSUT1 DD DISP=SHR,DSN=T01TCP.ACCES.EMAIL(NEWMAILD)\n"
              "//SYSUT2 DD SYSOUT=A,DCB=*.SYSUT1,\n"
              "// DEST=RMT21\n"
              "//SYSPRINT DD SYSOUT=*\n"
              "//SYSIN DD DUMMY\n"
              "//\n",
              "ICSGENER 1-10 A/X 'WRITE TO SPOOL#4' | STEP1 IEBGENER "
              "SYSUT1:dsn=T01TCP.ACCES.EMAIL(NEWMAILD) SYSUT2:sysout=A,RMT21~0 "
              "SYSPRINT:sysout=X, SYSIN:dummy",
              "IEF677I@2:3");
    check_job("//ICSGENRM JOB (TSO00,,,999),'WRITE TO SPOOL#4',\n"
              "//MSGCLASS=Z,CLASS=A\n"
              "//*\n"
              "//STEP1 EXEC PGM=IEBGENER\n"
              "//SYSUT1 DD *\n"
              "X-From: t01tcp@host1.HQ.company.com\n"
              "\n"
              "This is the last line.\n"
              "/*\n"
              "//SYSUT2 DD SYSOUT=A,DCB=(LRECL=80,BLKSIZE=3120,RECFM=FB),\n"
              "// DEST=RMT21\n"
              "//SYSPRINT DD SYSOUT=*\n"
              "//SYSIN DD DUMMY\n"
              "//\n",
              "ICSGENRM 1-14 A/Z 'WRITE TO SPOOL#4' | STEP1 IEBGENER SYSUT1:instream "
              "SYSUT2:sysout=A,RMT21/F-80 SYSPRINT:sysout=Z, SYSIN:dummy",
              "IEF677I@2:3");
}

static void several_jobs_in_one_deck(void **state)
{
    struct read r;

    (void)state;
    check_job("//A JOB\n//S EXEC PGM=IEFBR14\n//\n//B JOB\n//S EXEC PGM=IEFBR14\n",
              "A 1-3 A/A '' | S IEFBR14; B 4-5 A/A '' | S IEFBR14", "");
    check_job("//A JOB\n//S EXEC PGM=IEFBR14\n//B JOB\n//S EXEC PGM=IEFBR14\n//\n\n\n",
              "A 1-2 A/A '' | S IEFBR14; B 3-7 A/A '' | S IEFBR14", "");
    /* An error stops its own job only. */
    read_job(&r, "//A JOB\n//S EXEC PGM=IEFBR15\n//B JOB\n//S EXEC PGM=IEFBR14\n//C JOB B=\n");
    assert_int_equal(r.jcl.jobs, 3);
    assert_int_equal(r.jcl.job[0].errors, 1);
    assert_int_equal(r.jcl.job[1].errors, 0);
    assert_int_equal(r.jcl.job[2].errors, 1);
    assert_int_equal(r.jcl.errors, 0);
    forget_job(&r);
    /* Cards in front of the first job belong to none. */
    read_job(&r, "//S EXEC PGM=IEFBR14\n//B JOB\n//S EXEC PGM=IEFBR14\n");
    assert_int_equal(r.jcl.jobs, 1);
    assert_int_equal(r.jcl.errors, 1);
    assert_int_equal(r.jcl.job[0].errors, 0);
    forget_job(&r);
}

/* The card behind an open statement may begin another job: the error is that of the first. */
static void an_open_statement_stops_its_own_job(void **state)
{
    struct read r;

    (void)state;
    read_job(&r, "//A JOB\n//S EXEC PGM=IEFBR14\n//X DD SYSOUT=A,\n"
                 "//B JOB\n//S EXEC PGM=IEFBR14\n");
    assert_int_equal(r.jcl.jobs, 2);
    assert_int_equal(r.jcl.job[0].errors, 1);
    assert_int_equal(r.jcl.job[1].errors, 0);
    forget_job(&r);
}

static void structure_is_checked(void **state)
{
    static const struct {
        const char *text, *findings;
    } cases[] = {
        {"", "IEFC601I@0:0"},
        {"//\n", "IEFC601I@0:0"},
        {"//* only a comment\n", "IEFC601I@0:0"},
        {"some text\n", "IEFC601I@1:1"},
        {"//S EXEC PGM=IEFBR14\n//X DD DUMMY\n", "IEFC601I@1:1"},
        {"//A JOB\n", "IEFC607I@1:1"},
        {"//A JOB\n//X DD DUMMY\n", "IEFC606I@2:1"},
        {"//A JOB\ntext\n//S EXEC PGM=IEFBR14\n", "IEFC606I@2:1"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//\n//X DD DUMMY\n//Y DD DUMMY\n", "IEFC601I@4:1"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//\ntext\n", "IEFC601I@4:1"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//\n//* a comment\n\n//\n", ""},
        {"//A JOB\n//S EXCE PGM=IEFBR14\n", "IEFC605I@2:5"},
        {"//A JOB\n//S exec PGM=IEFBR14\n", "IEFC605I@2:5"},
        {"//A JOB\n//S\n", "IEFC605I@2:4"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD SYSOUT=A\n// DEST=RMT21\n", "IEFC605I@4:4"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X SET A=B\n", "IEFC605I@3:5"},
        {"//A JOB\n// IF (RC=0) THEN\n//S EXEC PGM=IEFBR14\n", "IEFC605I@2:4"},
        /* Names. */
        {"// JOB\n//S EXEC PGM=IEFBR14\n", "IEFC662I@1:3"},
        {"//ABCDEFGHI JOB\n//S EXEC PGM=IEFBR14\n", "IEFC662I@1:3"},
        {"//1A JOB\n//S EXEC PGM=IEFBR14\n", "IEFC662I@1:3"},
        {"//a JOB\n//S EXEC PGM=IEFBR14\n", "IEFC662I@1:3"},
        {"//@#$ABC99 JOB\n//$S EXEC PGM=IEFBR14\n", ""},
        {"//A-B JOB\n//S EXEC PGM=IEFBR14\n", "IEFC662I@1:3"},
        {"//A JOB\n// EXEC PGM=IEFBR14\n", ""},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//S.X DD DUMMY\n", "IEFC662I@3:3"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n// DD DUMMY\n", "IEFC662I@3:3"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD DUMMY\n//X DD DUMMY\n", "IEFC662I@4:3"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//SYSIN DD DUMMY\ntext\n", "IEFC662I@4:1"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD SYSOUT=A\n//1Y DD DUMMY\n", "IEFC662I@4:3"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD *\n// DD DUMMY\n", ""},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD *\n// DD SYSOUT=A\n", "IEFC662I@4:3"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD SYSOUT=A\n// DD DUMMY\n", "IEFC662I@4:3"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check_job(cases[i].text, NULL, cases[i].findings);
}

/* The operands of a JOB statement whose first operand stands in column 9. */
static void job_parameters(void **state)
{
    static const struct {
        const char *operands, *want, *findings;
    } cases[] = {
        {"", "A/A ''", ""},
        {"(TSO00,,,99),'A B',CLASS=B,MSGCLASS=9", "B/9 'A B'", ""},
        {"X,NAME", "A/A 'NAME'", ""},
        {"'ACC',NAME", "A/A 'NAME'", ""},
        {",'IT''S ME'", "A/A 'IT'S ME'", ""},
        {"X,'12345678901234567890'", "A/A '12345678901234567890'", ""},
        {"X,'123456789012345678901'", NULL, "IEF642I@1:11"},
        {"X,'A'B", NULL, "IEFC629I@1:11"},
        {"X,N,Y", NULL, "IEF640I@1:13"},
        {"CLASS=A,X", NULL, "IEF643I@1:17"},
        {"CLASS=A,,MSGCLASS=B", NULL, "IEF643I@1:17"},
        {"CLASS=PROD,TYPRUN=SCAN", "PROD/A '' scan", ""},
        {"TYPRUN=HOLD", NULL, "IEF632I@1:16"},
        {"CLASS=a", NULL, "IEFC620I@1:15"},
        {"CLASS=", NULL, "IEF632I@1:15"},
        {"MSGCLASS=AB", NULL, "IEF632I@1:18"},
        {"MSGCLASS=", NULL, "IEF632I@1:18"},
        {"CLASS=A,CLASS=B", NULL, "IEF632I@1:17"},
        {"CLAS=A", NULL, "IEFC630I@1:9"},
        {"SYSOUT=A", NULL, "IEFC630I@1:9"},
        {"COND=(0,NE)", NULL, "IEF632I@1:9"},
        {"PASSWORD=X", NULL, "IEF632I@1:9"},
        {"REGION=0M,TIME=(,30),NOTIFY=&SYSUID", "A/A ''", "IEF677I@1:9 IEF677I@1:19 IEF677I@1:30"},
        {"(X", NULL, "IEFC622I@1:9"},
        {"X)", NULL, "IEFC622I@1:10"},
        {"X,'N'')", NULL, NULL}, /* runs on into the next card, which is none */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0}, want = {0};
        buf_printf(&text, "//A JOB %s\n//S EXEC PGM=IEFBR14\n", cases[i].operands);
        buf_printf(&want, "A 1-2 %s | S IEFBR14", cases[i].want ? cases[i].want : "");
        check_job(buf_str(&text), cases[i].want ? buf_str(&want) : NULL,
                  cases[i].findings ? cases[i].findings : "IEFC621I@1:11");
        buf_free(&text);
        buf_free(&want);
    }
}

static void exec_parameters(void **state)
{
    static const struct {
        const char *operands, *findings;
    } cases[] = {
        {"PGM=IEBGENER", ""},
        {"PGM=IEBGENER,REGION=0M,PARM='X'", "IEF677I@2:23 IEF677I@2:33"},
        {"PGM=IEBGENR", "CSV003I@2:14"},
        {"PGM=*.S.X", "IEF632I@2:14"},
        {"PGM=", "IEF632I@2:14"},
        {"PGM", "IEFC612I@2:10"},
        {"MYPROC", "IEFC612I@2:10"},
        {"PROC=MYPROC", "IEF632I@2:10"},
        {"", "IEF632I@2:5"},
        {"REGION=0M", "IEF632I@2:5 IEF677I@2:10"},
        {"PGM=IEBGENER,COND=(4,LT)", "IEF632I@2:23"},
        {"PGM=IEBGENER,IEFBR14", "IEF643I@2:23"},
        {"PGM=IEBGENER,PGM=IEFBR14", "IEF632I@2:23"},
        {"PGM=IEBGENER,DSN=X", "IEFC630I@2:23"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        buf_printf(&text, "//A JOB\n//S EXEC %s\n", cases[i].operands);
        check_job(buf_str(&text), NULL, cases[i].findings);
        buf_free(&text);
    }
}

/* The operands of a DD statement whose first operand stands in column 8 of card 3. */
static void dd_parameters(void **state)
{
    static const struct {
        const char *operands, *want, *findings;
    } cases[] = {
        {"DUMMY", "dummy", ""},
        {"DUMMY,DSN=A.B,DISP=SHR", "dummy", ""},
        {"DSN=A.B,DISP=SHR,DUMMY", NULL, "IEF643I@3:25"},
        {"DUMMY,DCB=(RECFM=FB,LRECL=90)", "dummy/F-90", ""},
        {"*", "instream", ""},
        {"DATA", "instream", ""},
        {"*,DUMMY", NULL, "IEF640I@3:10"},
        {"*,DSN=A,DISP=SHR", NULL, "IEFC009I@3:10 IEFC009I@3:16"},
        {"*,SYSOUT=A", NULL, "IEFC009I@3:10"},
        {"DLM=@@,SYSOUT=A", NULL, "IEF632I@3:8"},
        {"FOO", NULL, "IEF643I@3:8"},
        {"", NULL, "IEF632I@3:5"},
        {"UNIT=SYSDA", NULL, "IEF632I@3:5 IEF677I@3:8"},
        /* Data sets. */
        {"DSN=A.B,DISP=SHR", "dsn=A.B()", ""},
        {"DSNAME=A.B(C),DISP=OLD", "dsn=A.B(C)", ""},
        {"DISP=(SHR,KEEP,KEEP),DSN='A.B(C)'", "dsn=A.B(C)", ""},
        {"DISP=(OLD,KEEP),DSN=A", "dsn=A()", ""},
        {"DISP=(,KEEP),DSN=A", NULL, "IEF648I@3:14"},
        {"DISP=NEW,DSN=A", NULL, "IEF648I@3:13"},
        {"DISP=(SHR,DELETE),DSN=A", NULL, "IEF648I@3:18"},
        {"DISP=(SHR,KEEP,KEEP,KEEP),DSN=A", NULL, "IEF648I@3:28"},
        {"DISP=SHR", NULL, "IEF632I@3:8"},
        {"DSN=A.B", NULL, "IEF632I@3:8"},
        {"DSN=NULLFILE,DISP=SHR", "dummy", ""},
        {"DSN=A,DSNAME=B,DISP=SHR", NULL, "IEFC009I@3:14"},
        {"DSN=A/B,DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN='../ETC',DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=..,DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=A..B,DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=,DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=A.B(../C),DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=A.B(),DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=A.B(+1),DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=A.B(ABCDEFGHI),DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN='A.B(C',DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=&&TEMP,DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=*.S.X,DISP=SHR", NULL, "IEF632I@3:12"},
        {"DSN=ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH,DISP=SHR",
         "dsn=ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH()", ""},
        {"DSN=ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH.A,DISP=SHR", NULL, "IEF642I@3:12"},
        {"DSN=ABCDEFGHI,DISP=SHR", NULL, "IEF632I@3:12"},
        /* SYSOUT. */
        {"SYSOUT=A", "sysout=A,", ""},
        {"SYSOUT=*", "sysout=M,", ""},
        {"SYSOUT=$", "sysout=M,", ""},
        {"SYSOUT=(,)", "sysout=M,", ""},
        {"SYSOUT=(B,,STD)", "sysout=B,", ""},
        {"SYSOUT=(B,WTR)", "sysout=B,", "IEF677I@3:18"},
        {"SYSOUT=(B,INTRDR)", NULL, "IEF632I@3:18"},
        {"SYSOUT=(B,,TOOLONG)", NULL, "IEF642I@3:19"},
        {"SYSOUT=(B,,STD,X)", NULL, "IEF640I@3:23"},
        {"SYSOUT=AB", NULL, "IEF632I@3:15"},
        {"SYSOUT=", NULL, "IEF632I@3:15"},
        {"SYSOUT=A,DSN=X,DISP=SHR", NULL, "IEFC009I@3:17 IEFC009I@3:23"},
        {"DSN=X,DISP=SHR,SYSOUT=A", NULL, "IEFC009I@3:23 IEFC009I@3:23"},
        {"SYSOUT=A,HOLD=NO", "sysout=A,", ""},
        {"SYSOUT=A,HOLD=YES", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,OUTPUT=*.X", NULL, "IEF632I@3:17"},
        {"SYSOUT=A,COPIES=2", "sysout=A,", "IEF677I@3:17"},
        /* DEST. */
        {"SYSOUT=A,DEST=RMT21", "sysout=A,RMT21", ""},
        {"DEST=RMT21,SYSOUT=A", "sysout=A,RMT21", ""},
        {"SYSOUT=A,DEST=R21", "sysout=A,RMT21", ""},
        {"SYSOUT=A,DEST=RM21", "sysout=A,RMT21", ""},
        {"SYSOUT=A,DEST=R32767", "sysout=A,RMT32767", ""},
        {"SYSOUT=A,DEST=R32768", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,DEST=RMT0", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,DEST=RMT021", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,DEST=LOCAL", "sysout=A,", ""},
        {"SYSOUT=A,DEST=ANYLOCAL", "sysout=A,", ""},
        {"SYSOUT=A,DEST=RMTX", "sysout=A,RMTX", ""},
        {"SYSOUT=A,DEST=POST", "sysout=A,POST", ""},
        {"SYSOUT=A,DEST=NEWS", "sysout=A,NEWS", ""},
        {"SYSOUT=A,DEST=N1", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,DEST=N1R2", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,DEST=(N,U)", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,DEST=ABCDEFGHI", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,DEST=", NULL, "IEF632I@3:22"},
        {"SYSOUT=A,DEST='../X'", NULL, "IEF632I@3:22"},
        {"DEST=RMT21", NULL, "IEF632I@3:8"},
        {"DUMMY,DEST=RMT21", NULL, "IEF632I@3:14"},
        /* DCB. */
        {"SYSOUT=A,DCB=(RECFM=FBA,LRECL=133,BLKSIZE=1330)", "sysout=A,/FA133", ""},
        {"SYSOUT=A,RECFM=VB,LRECL=255", "sysout=A,/V-255", ""},
        {"SYSOUT=A,DCB=RECFM=VBM", "sysout=A,/VM0", ""},
        {"SYSOUT=A,DCB=LRECL=80", "sysout=A,/?-80", ""},
        {"SYSOUT=A,DCB=(RECFM=FBS)", "sysout=A,/F-0", ""},
        {"SYSOUT=A,DCB=(RECFM=U)", NULL, "IEF632I@3:28"},
        {"SYSOUT=A,DCB=(RECFM=VBS)", NULL, "IEF632I@3:28"},
        {"SYSOUT=A,DCB=(RECFM=T)", NULL, "IEF632I@3:28"},
        {"SYSOUT=A,DCB=(RECFM=FBAM)", NULL, "IEF632I@3:28"},
        {"SYSOUT=A,DCB=(LRECL=0)", NULL, "IEF632I@3:28"},
        {"SYSOUT=A,DCB=(LRECL=32761)", NULL, "IEF632I@3:28"},
        {"SYSOUT=A,DCB=(LRECL=99999999999999999999)", NULL, "IEF632I@3:28"},
        {"SYSOUT=A,DCB=(BLKSIZE=32761)", NULL, "IEF632I@3:30"},
        {"SYSOUT=A,DCB=(DSORG=PS,OPTCD=J)", "sysout=A,", "IEF677I@3:22 IEF677I@3:31"},
        {"SYSOUT=A,DCB=(FOO=1)", NULL, "IEFC630I@3:22"},
        {"SYSOUT=A,DCB=A.MODEL", NULL, "IEF643I@3:21"},
        {"SYSOUT=A,DCB=(LRECL=80,*.Q)", NULL, "IEF643I@3:31"},
        {"SYSOUT=A,DCB=*.Q", NULL, "IEF645I@3:23"},
        {"SYSOUT=A,DCB=*.NO.Q", NULL, "IEF645I@3:23"},
        {"SYSOUT=A,DCB=*.S.Q", NULL, "IEF645I@3:25"},
        {"SYSOUT=A,DCB=*.S.P.Q", NULL, "IEF645I@3:21"},
        {"SYSOUT=A,DCB=*.q", NULL, "IEFC620I@3:23"},
        {"SYSOUT=A,DCB=*.X", NULL, "IEF645I@3:23"}, /* itself */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0}, want = {0};
        buf_printf(&text, "//A JOB MSGCLASS=M\n//S EXEC PGM=IEFBR14\n//X DD %s\n",
                   cases[i].operands);
        buf_printf(&want, "A 1-3 A/M '' | S IEFBR14 X:%s", cases[i].want ? cases[i].want : "");
        check_job(buf_str(&text), cases[i].want ? buf_str(&want) : NULL, cases[i].findings);
        buf_free(&text);
        buf_free(&want);
    }
}

static void refer_backs(void **state)
{
    (void)state;
    /* To a DD of the same step, of an earlier step, through another refer back; own values win. */
    check_job("//A JOB\n//S1 EXEC PGM=IEFBR14\n//P DD DUMMY,DCB=(RECFM=FB,LRECL=100)\n"
              "//Q DD SYSOUT=A,DCB=*.P\n"
              "//S2 EXEC PGM=IEFBR14\n"
              "//R DD SYSOUT=A,DCB=(*.S1.Q,LRECL=72)\n"
              "//T DD SYSOUT=A,DCB=*.S2.R\n",
              "A 1-7 A/A '' | S1 IEFBR14 P:dummy/F-100 Q:sysout=A,/F-100 | S2 IEFBR14 "
              "R:sysout=A,/F-72 T:sysout=A,/F-72",
              "");
    /* What a data set or in-stream data will tell is remembered. */
    check_job("//A JOB\n//S1 EXEC PGM=IEFBR14\n//P DD DSN=X.Y(Z),DISP=SHR\n"
              "//Q DD SYSOUT=A,DCB=*.P\n//R DD SYSOUT=A,DCB=*.Q\n//I DD *\n/*\n"
              "//T DD SYSOUT=A,DCB=*.I\n",
              "A 1-8 A/A '' | S1 IEFBR14 P:dsn=X.Y(Z) Q:sysout=A,~0 R:sysout=A,~0 I:instream "
              "T:sysout=A,~3",
              "");
    /* Not forward, and not into another step without its name. */
    check_job("//A JOB\n//S1 EXEC PGM=IEFBR14\n//P DD SYSOUT=A,DCB=*.Q\n//Q DD DUMMY\n"
              "//S2 EXEC PGM=IEFBR14\n//R DD SYSOUT=A,DCB=*.P\n",
              NULL, "IEF645I@3:23 IEF645I@6:23");
}

static void all_errors_of_a_deck_are_listed(void **state)
{
    struct read r;
    struct buf found = {0};

    (void)state;
    read_job(&r, "//A JOB CLAS=A\n"
                 "//S EXCE PGM=IEBGENER\n"
                 "//S2 EXEC PGM=IEBGENER\n"
                 "//X DD SYSOUT=??,\n"
                 "//Y DD DSN=A.B\n"
                 "//Z DD DISP=SHR,DSN=C.\001\n"
                 "//W DD DCB=*.NO,SYSOUT=A\n"
                 "//V DD *,DLM=X\n"
                 "data\n");
    describe_findings(&r.findings, &found);
    assert_string_equal(buf_str(&found), "IEFC630I@1:9 IEFC605I@2:5 IEFC621I@4:17 IEF632I@5:8 "
                                         "IEFC623I@6:23 IEF645I@7:14 IEF632I@8:14");
    assert_int_equal(r.jcl.job[0].errors, 7);
    buf_free(&found);
    forget_job(&r);
}

static void messages_say_how_to_mend_it(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"//A JOB\n//S EXCE PGM=IEFBR14\n",
         "IEFC605I UNIDENTIFIED OPERATION FIELD - EXCE: did you mean EXEC?"},
        {"//A JOB\n//S EXEC PGM=IEBGENR\n",
         "CSV003I REQUESTED MODULE IEBGENR NOT FOUND - submit runs: IEBGENER IEFBR14; did you mean "
         "IEBGENER?"},
        {"//A JOB CLAS=A\n//S EXEC PGM=IEFBR14\n",
         "IEFC630I UNIDENTIFIED KEYWORD CLAS - did you mean CLASS?"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD SYSOUT=A,DCB=*.SYSUT9\n",
         "IEF645I INVALID REFER BACK IN THE DCB FIELD - no DD SYSUT9 stands before this one in "
         "step "
         "S: name one that does"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD DSN=A.B\n",
         "IEF632I FORMAT ERROR IN THE DSN FIELD - it needs DUMMY or DISP beside it"},
        {"//A JOB\n//S EXEC PGM=IEFBR14\n//X DD SYSOUT=A,DSN=B,DISP=SHR\n",
         "IEFC009I KEYWORD DSN IS MUTUALLY EXCLUSIVE - with SYSOUT: keep one of the two"},
        {"//A JOB %\n//S EXEC PGM=IEFBR14\n",
         "IEFC620I UNIDENTIFIABLE CHARACTER % - write capitals, or put the value between "
         "apostrophes"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct read r;
        read_job(&r, cases[i].text);
        assert_true(r.findings.count > 0);
        assert_string_equal(r.findings.list[0].diag.text, cases[i].says);
        forget_job(&r);
    }
}

static void limits_hold(void **state)
{
    struct buf text = {0};
    struct read r;

    (void)state;
    buf_adds(&text, "//A JOB\n");
    for (int i = 0; i <= JCL_STEPS_MAX; i++)
        buf_adds(&text, "// EXEC PGM=IEFBR14\n");
    read_job(&r, buf_str(&text));
    assert_int_equal(r.jcl.job[0].steps, JCL_STEPS_MAX);
    assert_int_equal(r.findings.count, 1);
    assert_int_equal(r.findings.list[0].id, FINDING_TOO_MANY_STEPS);
    forget_job(&r);
    buf_clear(&text);
    buf_adds(&text, "//A JOB\n// EXEC PGM=IEFBR14\n//X DD DUMMY\n");
    for (int i = 0; i < JCL_DDS_MAX; i++)
        buf_adds(&text, "// DD DUMMY\n");
    read_job(&r, buf_str(&text));
    assert_int_equal(r.jcl.job[0].dds, JCL_DDS_MAX);
    assert_int_equal(r.findings.count, 1);
    assert_int_equal(r.findings.list[0].id, FINDING_TOO_MANY_DDS);
    forget_job(&r);
    /* More findings than are kept: no job of the deck is to run. */
    buf_clear(&text);
    buf_adds(&text, "//A JOB\n// EXEC PGM=IEFBR14\n//\n//B JOB\n");
    for (int i = 0; i <= FINDINGS_MAX; i++)
        buf_adds(&text, "//X FOO\n");
    read_job(&r, buf_str(&text));
    assert_true(r.jcl.job[0].errors > 0);
    assert_true(r.jcl.job[1].errors > 0);
    forget_job(&r);
    buf_free(&text);
}

static void dcb_formats(void **state)
{
    static const struct {
        const char *text;
        enum dcb_result want;
        enum record_form form;
        enum record_control control;
    } cases[] = {
        {"F", DCB_GOOD, RECORD_FIXED, CONTROL_NONE},
        {"FB", DCB_GOOD, RECORD_FIXED, CONTROL_NONE},
        {"FBS", DCB_GOOD, RECORD_FIXED, CONTROL_NONE},
        {"FBA", DCB_GOOD, RECORD_FIXED, CONTROL_ASA},
        {"FM", DCB_GOOD, RECORD_FIXED, CONTROL_MACHINE},
        {"V", DCB_GOOD, RECORD_VARIABLE, CONTROL_NONE},
        {"VBA", DCB_GOOD, RECORD_VARIABLE, CONTROL_ASA},
        {"T", DCB_GOOD, RECORD_TEXT, CONTROL_NONE},
        {"TA", DCB_GOOD, RECORD_TEXT, CONTROL_ASA},
        {"TB", DCB_UNKNOWN, 0, 0},
        {"VS", DCB_UNSUPPORTED, 0, 0},
        {"VBSA", DCB_UNSUPPORTED, 0, 0},
        {"U", DCB_UNSUPPORTED, 0, 0},
        {"", DCB_UNKNOWN, 0, 0},
        {"B", DCB_UNKNOWN, 0, 0},
        {"FBB", DCB_UNKNOWN, 0, 0},
        {"FAM", DCB_UNKNOWN, 0, 0},
        {"fb", DCB_UNKNOWN, 0, 0},
        {"FB80", DCB_UNKNOWN, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dcb dcb = {.lrecl = 7};
        assert_int_equal(dcb_recfm(span_of(cases[i].text), &dcb), cases[i].want);
        assert_int_equal(dcb.lrecl, 7);
        assert_int_equal(dcb.has_recfm, cases[i].want == DCB_GOOD);
        if (cases[i].want != DCB_GOOD)
            continue;
        assert_int_equal(dcb.form, cases[i].form);
        assert_int_equal(dcb.control, cases[i].control);
    }
}

static void dcbs_are_merged(void **state)
{
    const struct dcb card = {true, RECORD_FIXED, CONTROL_NONE, 80};
    const struct dcb print = {true, RECORD_VARIABLE, CONTROL_ASA, 137};
    struct dcb dcb = {0};

    (void)state;
    assert_true(dcb_merge(&dcb, &card));
    assert_int_equal(dcb.form, RECORD_FIXED);
    assert_int_equal(dcb.lrecl, 80);
    assert_false(dcb_merge(&dcb, &print));
    assert_int_equal(dcb.form, RECORD_FIXED);
    /* A length is not carried over to records of another form. */
    dcb = (struct dcb){.has_recfm = true, .form = RECORD_VARIABLE};
    assert_false(dcb_merge(&dcb, &card));
    assert_int_equal(dcb.lrecl, 0);
    dcb = (struct dcb){.lrecl = 100};
    assert_true(dcb_merge(&dcb, &print));
    assert_int_equal(dcb.lrecl, 100);
    assert_int_equal(dcb.control, CONTROL_ASA);

    struct recfm format = dcb_format(&(struct dcb){.has_recfm = true, .form = RECORD_FIXED});
    assert_int_equal(format.lrecl, 80);
    assert_int_equal(dcb_most(&format), 80);
    format = (struct recfm){RECORD_VARIABLE, CONTROL_NONE, 84};
    assert_int_equal(dcb_most(&format), 80);
    format.lrecl = 4;
    assert_int_equal(dcb_most(&format), 0);
    format.lrecl = 3;
    assert_int_equal(dcb_most(&format), 0);
    format.lrecl = 0;
    assert_int_equal(dcb_most(&format), LRECL_MAX - 4);
    format = dcb_format(&(struct dcb){0});
    assert_int_equal(format.form, RECORD_TEXT);
    assert_true(dcb_most(&format) == SIZE_MAX);
    format.lrecl = 133;
    assert_int_equal(dcb_most(&format), 133);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decks_of_the_seed),
        cmocka_unit_test(several_jobs_in_one_deck),
        cmocka_unit_test(an_open_statement_stops_its_own_job),
        cmocka_unit_test(structure_is_checked),
        cmocka_unit_test(job_parameters),
        cmocka_unit_test(exec_parameters),
        cmocka_unit_test(dd_parameters),
        cmocka_unit_test(refer_backs),
        cmocka_unit_test(all_errors_of_a_deck_are_listed),
        cmocka_unit_test(messages_say_how_to_mend_it),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(dcb_formats),
        cmocka_unit_test(dcbs_are_merged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
