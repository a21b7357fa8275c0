/* See run.h. */
#include "jobs/submit/run.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/submit/joblog.h"
#include "jobs/submit/utility.h"
#include "lib/clock.h"

enum { FIRST_DATA_SET = 101, DATA_SET_TRIES = 1000 };

/* A DD while its step runs. */
struct step_dd {
    const struct jcl_dd *dd;     /* the first of a concatenation */
    struct utility_input *input; /* owned */
    struct buf *data;            /* owned: what was read of the catalog, one for each input */
    size_t inputs;
    struct recfm format; /* SYSOUT, once it is open */
    bool open;
    int dir; /* the destination's; -1 */
    struct spool_writer writer;
    struct buf lines; /* SYSOUT without a DEST */
    char name[NAME_MAX + 1];
};

/* A job while it runs. */
struct running {
    struct run *run;
    const struct jcl_job *job;
    const struct jcl_step *step;
    struct joblog log;
    unsigned number, data_set;
    struct step_dd *file;       /* of the step */
    struct utility_file *shown; /* the same, as the program sees them */
    size_t files;
    bool failed; /* output could not be written: the job ends with this step */
};

static struct tm now(void)
{
    int64_t wall = clock_wall();
    time_t local = (time_t)(wall + clock_offset(wall));
    struct tm tm = {0};

    gmtime_r(&local, &tm);
    return tm;
}

#define SAY(g, ...)                                                                                \
    do {                                                                                           \
        struct tm say_now = now();                                                                 \
        joblog_message(&(g)->log, &say_now, __VA_ARGS__);                                          \
    } while (0)

bool run_begin(struct run *r, const struct site *site, const struct spool *spool,
               const struct deck *deck, struct findings *f, struct diag *d)
{
    const struct passwd *user = getpwuid(getuid());

    *r = (struct run){.site = site, .spool = spool, .deck = deck, .findings = f};
    if (!charset_find(span_of(site->codepage), &r->codepage))
        return diag_set(d, 0, 0, "CODEPAGE(%s) is not installed", site->codepage);
    r->convert = r->codepage.ebcdic;
    snprintf(r->owner, sizeof(r->owner), "%.32s", user != NULL ? user->pw_name : "?");
    for (char *p = r->owner; *p != '\0'; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    catalog_open(&r->catalog, site->catalog);
    return true;
}

void run_end(struct run *r)
{
    catalog_close(&r->catalog);
}

/* What the converter says of each fault of the catalog. */
static const enum finding_id catalog_findings[CATALOG_FAULTS] = {
    [CATALOG_NO_DATA_SET] = FINDING_NO_DATA_SET,
    [CATALOG_NO_MEMBER] = FINDING_NO_MEMBER,
    [CATALOG_NOT_AUTHORISED] = FINDING_NOT_AUTHORISED,
    [CATALOG_NO_ALLOCATION] = FINDING_NO_ALLOCATION,
};

static void lookup_data_set(struct run *r, const struct jcl_dd *dd)
{
    struct catalog_entry e;
    char name[sizeof(dd->dsn) + sizeof(dd->member) + 2];

    if (catalog_find(&r->catalog, dd->dsn, dd->member, &e)) {
        catalog_release(&e);
        return;
    }
    snprintf(name, sizeof(name), dd->member[0] != '\0' ? "%s(%s)" : "%s", dd->dsn, dd->member);
    finding_add(r->findings, catalog_findings[e.fault], dd->dsn_at, name, "%s", e.reason);
}

static void lookup_dest(struct run *r, const struct jcl_dd *dd)
{
    int dir = spool_dest(r->spool, dd->dest);

    if (dir >= 0)
        close(dir);
    else if (errno == ENOENT || errno == ENOTDIR)
        finding_add(r->findings, FINDING_NO_ALLOCATION, dd->dest_at, dd->name,
                    "no queue is called jes/%s; this system's is DEST=%s", dd->dest,
                    r->site->remote);
    else if (errno == EACCES || errno == EPERM)
        finding_add(r->findings, FINDING_NOT_AUTHORISED, dd->dest_at, dd->name,
                    "you may not write to jes/%s", dd->dest);
    else
        finding_add(r->findings, FINDING_NO_ALLOCATION, dd->dest_at, dd->name, "jes/%s: %s",
                    dd->dest, strerror(errno));
}

size_t run_lookup(struct run *r, const struct jcl_job *job)
{
    size_t before = r->findings->count + r->findings->dropped;

    for (size_t i = 0; i < job->dds; i++) {
        const struct jcl_dd *dd = &job->dd[i];
        if (dd->kind == DD_DATASET)
            lookup_data_set(r, dd);
        else if (dd->kind == DD_SYSOUT && dd->dest[0] != '\0')
            lookup_dest(r, dd);
    }
    size_t wrong = r->findings->count + r->findings->dropped - before;
    findings_sort(r->findings);
    return wrong;
}

static bool cannot_write(struct running *g, const struct step_dd *f, const char *what)
{
    SAY(g, "IEC020I 001-4,%s,%s,%s - I/O ERROR - %s: %s", g->job->name, g->step->name, f->dd->name,
        what, strerror(errno));
    g->failed = true;
    return false;
}

static bool on_open(void *arg, size_t file, const struct recfm *format)
{
    struct running *g = arg;
    struct step_dd *f = &g->file[file];

    f->format = *format;
    if (f->dd->dest[0] == '\0') {
        f->open = true;
        return true;
    }
    f->dir = spool_dest(g->run->spool, f->dd->dest);
    if (f->dir < 0 || spool_create(&f->writer, f->dir) < 0)
        return cannot_write(g, f, f->dd->dest);
    f->open = true;
    return true;
}

static bool on_put(void *arg, size_t file, struct span octets)
{
    struct running *g = arg;
    struct step_dd *f = &g->file[file];

    if (f->dir >= 0)
        return spool_write(&f->writer, octets) == 0 || cannot_write(g, f, f->dd->dest);
    if (octets.n <= JOBLOG_OUTPUT_MAX && f->lines.len <= JOBLOG_OUTPUT_MAX - octets.n &&
        buf_addspan(&f->lines, octets))
        return true;
    SAY(g,
        "$HASP375 %-8s ESTIMATED LINES EXCEEDED - %s is too long for the job log: give it a DEST",
        g->job->name, f->dd->name);
    g->failed = true;
    return false;
}

static void on_log(void *arg, const char *message)
{
    struct running *g = arg;

    SAY(g, "%s", message);
}

/* What the data set of a DD tells of its records. */
static bool label_of(struct running *g, const struct jcl_dd *dd, struct dcb *label)
{
    struct catalog_entry e;

    *label = (struct dcb){.has_recfm = true, .form = RECORD_FIXED, .lrecl = LRECL_CARD};
    if (dd->kind == DD_INSTREAM)
        return true;
    if (!catalog_find(&g->run->catalog, dd->dsn, dd->member, &e))
        return false;
    *label = e.label;
    catalog_release(&e);
    return true;
}

/* The DCB of a SYSOUT DD, as far as JCL and a DD it refers back to tell it. */
static struct dcb output_dcb(struct running *g, const struct jcl_dd *dd)
{
    struct dcb dcb = dd->dcb, label;

    if (dd->like > 0 && label_of(g, &g->job->dd[dd->like - 1], &label))
        dcb_merge(&dcb, &label);
    return dcb;
}

/* Reads one data set of a concatenation. Fails only when it vanished since it was looked up. */
static bool load_input(struct running *g, struct step_dd *f, const struct jcl_dd *dd,
                       struct dcb *dcb)
{
    struct utility_input *in = &f->input[f->inputs];
    struct buf *data = &f->data[f->inputs];
    struct dcb label = {.has_recfm = true, .form = RECORD_FIXED, .lrecl = LRECL_CARD};
    struct catalog_entry e;

    f->inputs++;
    *dcb = dd->dcb;
    if (dd->kind == DD_INSTREAM) {
        *in = (struct utility_input){dd->data, {RECORD_TEXT, CONTROL_NONE, 0}};
    } else if (dd->kind == DD_DATASET) {
        if (!catalog_find(&g->run->catalog, dd->dsn, dd->member, &e) || !catalog_read(&e, data)) {
            SAY(g, "IEF344I %s %s %s - ALLOCATION FAILED - %s", g->job->name, g->step->name,
                dd->name, e.reason);
            return false;
        }
        label = e.label;
        *in = (struct utility_input){BUF_SPAN(data), dcb_format(&label)};
    } else {
        *in = (struct utility_input){{"", 0}, {RECORD_TEXT, CONTROL_NONE, 0}};
        return true;
    }
    dcb_merge(dcb, &label);
    return true;
}

/* How many DDs stand concatenated from this one on. */
static size_t concatenation(const struct jcl_job *job, const struct jcl_step *step, size_t at)
{
    size_t n = 1;

    while (at + n < step->first_dd + step->dds && job->dd[at + n].name[0] == '\0')
        n++;
    return n;
}

static bool allocate_input(struct running *g, struct step_dd *f, struct utility_file *u, size_t n)
{
    struct dcb dcb;

    u->use = USE_INPUT;
    f->input = calloc(n, sizeof(*f->input));
    f->data = calloc(n, sizeof(*f->data));
    if (f->input == NULL || f->data == NULL) {
        SAY(g, "IEF344I %s - ALLOCATION FAILED - memory is short", f->dd->name);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!load_input(g, f, f->dd + i, i == 0 ? &u->dcb : &dcb))
            return false;
    u->input = f->input;
    u->inputs = f->inputs;
    return true;
}

static const char *device(const struct jcl_dd *dd)
{
    static const char *const names[] = {[DD_NONE] = "DMY",
                                        [DD_INSTREAM] = "JES2",
                                        [DD_DUMMY] = "DMY",
                                        [DD_DATASET] = "DASD",
                                        [DD_SYSOUT] = "JES2"};

    return names[dd->kind];
}

static bool allocate_dd(struct running *g, size_t at, size_t n)
{
    const struct jcl_dd *dd = &g->job->dd[at];
    struct step_dd *f = &g->file[g->files];
    struct utility_file *u = &g->shown[g->files];

    g->files++;
    f->dd = dd;
    f->dir = -1;
    f->writer.fd = -1;
    u->ddname = dd->name;
    for (size_t i = 0; i < n; i++)
        joblog_system(&g->log, "IEF237I %-4s ALLOCATED TO %s", device(dd + i), dd[i].name);
    if (dd->kind == DD_DUMMY && n == 1) {
        u->dcb = dd->dcb;
        return true;
    }
    if (dd->kind != DD_SYSOUT)
        return allocate_input(g, f, u, n);
    u->use = USE_OUTPUT;
    u->dcb = output_dcb(g, dd);
    u->codepage = g->run->convert && dd->dest[0] != '\0' ? &g->run->codepage : NULL;
    return true;
}

static bool allocate(struct running *g)
{
    const struct jcl_step *step = g->step;

    joblog_system(&g->log, "IEF236I ALLOC. FOR %s %s", g->job->name, step->name);
    g->files = 0;
    g->file = calloc(step->dds + 1, sizeof(*g->file));
    g->shown = calloc(step->dds + 1, sizeof(*g->shown));
    if (g->file == NULL || g->shown == NULL)
        return false;
    for (size_t i = 0; i < step->dds;) {
        size_t n = concatenation(g->job, step, step->first_dd + i);
        if (!allocate_dd(g, step->first_dd + i, n))
            return false;
        i += n;
    }
    return true;
}

/* Gives a spool file its name; a name that is taken is passed over. */
static bool queue_file(struct running *g, struct step_dd *f)
{
    for (unsigned tries = 0; tries < DATA_SET_TRIES; tries++) {
        if (!spool_name_format(f->name, sizeof(f->name), g->job->name, g->number, g->data_set++,
                               f->dd->name, &f->format)) {
            errno = EINVAL;
            break;
        }
        if (spool_queue(&f->writer, f->name) == 0) {
            SAY(g, "-->jes/%s/%s SPOOLED", f->dd->dest, f->name);
            return true;
        }
        if (errno != EEXIST)
            break;
    }
    return cannot_write(g, f, f->dd->dest);
}

/* All of the step's output: to the queues if the condition code is good, and to the log in any
 * case. */
static void deliver(struct running *g, int condition)
{
    for (size_t i = 0; i < g->files; i++) {
        struct step_dd *f = &g->file[i];
        bool to_queue = f->dd->kind == DD_SYSOUT && f->dd->dest[0] != '\0';
        if (f->open && !to_queue) {
            if (!joblog_sysout(&g->log, g->step->name, f->dd->name, &f->format,
                               BUF_SPAN(&f->lines)))
                SAY(g, "%s could not be printed whole", f->dd->name);
        } else if (f->open && condition < RC_ERROR && !g->failed) {
            queue_file(g, f);
        } else if (to_queue) {
            SAY(g, "%s %s: nothing goes to %s", f->dd->name,
                condition < RC_ERROR && !g->failed ? "has no records" : "is dropped", f->dd->dest);
        }
    }
}

static void release(struct running *g)
{
    for (size_t i = 0; i < g->files; i++) {
        struct step_dd *f = &g->file[i];
        for (size_t k = 0; f->data != NULL && k < f->inputs; k++)
            buf_free(&f->data[k]);
        free(f->data);
        free(f->input);
        buf_free(&f->lines);
        spool_abandon(&f->writer);
        if (f->dir >= 0)
            close(f->dir);
    }
    free(g->file);
    free(g->shown);
    g->file = NULL;
    g->shown = NULL;
    g->files = 0;
}

/* What became of each data set. */
static void log_dispositions(struct running *g)
{
    for (size_t i = 0; i < g->files; i++) {
        const struct step_dd *f = &g->file[i];
        if (f->dd->kind == DD_DATASET)
            joblog_system(&g->log, "IEF285I   %-44s KEPT", f->dd->dsn);
        else if (f->name[0] != '\0')
            joblog_system(&g->log, "IEF285I   %-44s SYSOUT", f->name);
    }
}

enum unit { UNIT_STEP, UNIT_JOB };

/* When a step or job began and ended: yyyyddd.hhmm, as MVS has it. */
static void log_times(struct running *g, enum unit unit, const struct tm *from)
{
    static const char *const lines[][2] = {
        [UNIT_STEP] = {"IEF373I STEP/%-8s/START %04d%03d.%02d%02d",
                       "IEF374I STEP/%-8s/STOP  %04d%03d.%02d%02d"},
        [UNIT_JOB] = {"IEF375I  JOB/%-8s/START %04d%03d.%02d%02d",
                      "IEF376I  JOB/%-8s/STOP  %04d%03d.%02d%02d"},
    };
    const char *name = unit == UNIT_JOB ? g->job->name : g->step->name;
    const struct tm to = now();
    const struct tm *const at[] = {from, &to};

    for (size_t i = 0; i < 2; i++)
        joblog_system(&g->log, lines[unit][i], name, at[i]->tm_year + 1900, at[i]->tm_yday + 1,
                      at[i]->tm_hour, at[i]->tm_min);
}

static void log_not_executed(struct running *g)
{
    joblog_system(&g->log, "IEF272I %s %s - STEP WAS NOT EXECUTED.", g->job->name, g->step->name);
}

static int run_step(struct running *g)
{
    struct utility_step step = {.open = on_open, .put = on_put, .log = on_log, .arg = g};
    utility_fn *program = utility_find(g->step->program);
    struct tm from = now();
    int condition = RC_TERMINATED;

    if (program == NULL || !allocate(g)) {
        g->failed = true;
        log_not_executed(g);
        release(g);
        return RC_TERMINATED;
    }
    step.file = g->shown;
    step.files = g->files;
    condition = program(&step);
    deliver(g, condition);
    if (g->failed)
        condition = RC_TERMINATED;
    joblog_system(&g->log, "IEF142I %s %s - STEP WAS EXECUTED - COND CODE %04d", g->job->name,
                  g->step->name, condition);
    log_dispositions(g);
    log_times(g, UNIT_STEP, &from);
    release(g);
    return condition;
}

static int run_steps(struct running *g)
{
    struct tm from = now(), to;
    int highest = RC_GOOD;

    SAY(g, "$HASP373 %-8s STARTED - INIT 1    - CLASS %-8s - SYS SYS1", g->job->name,
        g->job->class);
    SAY(g, "IEF403I %s - STARTED - TIME=%02d.%02d.%02d", g->job->name, from.tm_hour, from.tm_min,
        from.tm_sec);
    for (size_t i = 0; i < g->job->steps; i++) {
        g->step = &g->job->step[i];
        if (g->failed) {
            log_not_executed(g);
            continue;
        }
        int condition = run_step(g);
        if (condition > highest)
            highest = condition;
    }
    log_times(g, UNIT_JOB, &from);
    to = now();
    SAY(g, "IEF404I %s - ENDED - TIME=%02d.%02d.%02d", g->job->name, to.tm_hour, to.tm_min,
        to.tm_sec);
    SAY(g, "$HASP395 %-8s ENDED - RC=%04d", g->job->name, highest);
    return highest;
}

int run_job(struct run *r, const struct jcl_job *job, struct buf *log, struct buf *summary)
{
    struct running g = {.run = r, .job = job, .data_set = FIRST_DATA_SET};
    const char *name = job->name[0] != '\0' ? job->name : "********";
    struct tm tm = now();
    int condition = RUN_JCL_ERROR;

    g.number = spool_job_number(r->spool);
    if (g.number == 0)
        return -1;
    joblog_begin(&g.log, g.number, r->site->host, r->owner, &tm);
    joblog_cards(&g.log, r->deck, job);
    size_t errors = job->errors > 0 ? job->errors : run_lookup(r, job);
    joblog_findings(&g.log, r->findings, job->first_card, job->last_card);
    if (errors > 0) {
        SAY(&g, "IEFC452I %s - JOB NOT RUN - JCL ERROR", name);
        buf_printf(summary, "%s %s NOT RUN - JCL ERROR", g.log.id, name);
    } else if (job->scan) {
        condition = RC_GOOD;
        SAY(&g, "%s - JOB NOT RUN - TYPRUN=SCAN", name);
        buf_printf(summary, "%s %s NOT RUN - TYPRUN=SCAN", g.log.id, name);
    } else {
        condition = run_steps(&g);
        buf_printf(summary, "%s %s ENDED - RC=%04d", g.log.id, name, condition);
    }
    tm = now();
    if (!joblog_write(&g.log, &tm, log))
        buf_adds(log, "(memory was short: parts of this log are missing)\n");
    joblog_free(&g.log);
    return condition;
}
