/* See gener.h. */
#include "jobs/submit/gener.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/record.h"

enum { FLUSH_AT = 1 << 16 };

struct gener {
    const struct utility_step *step;
    size_t print, in, out; /* of the step's files */
    struct recfm format;   /* of what is written */
    struct buf waiting;    /* written, not yet handed on */
    struct buf converted;  /* one record in the output's code page */
    size_t records;
    bool opened;
    char pad;
};

/* A line of the listing. */
static int say(struct gener *g, int condition, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int say(struct gener *g, int condition, const char *format, ...)
{
    const struct utility_step *step = g->step;
    char text[240];
    struct buf line = {0};
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bool good =
        n >= 0 && buf_adds(&line, text) && buf_addc(&line, '\n') &&
        (step->file[g->print].use != USE_OUTPUT || step->put(step->arg, g->print, BUF_SPAN(&line)));
    buf_free(&line);
    return good ? condition : RC_TERMINATED;
}

/* What IEBGENER wants to find in its step, and its condition code without it. */
static const struct wanted {
    const char *ddname;
    bool input, output; /* DUMMY always will do */
    int missing;
} wanted[] = {
    {"SYSPRINT", false, true, RC_TERMINATED},
    {"SYSIN", true, false, RC_SEVERE},
    {"SYSUT1", true, false, RC_SEVERE},
    {"SYSUT2", false, true, RC_SEVERE},
};

enum { WANTED = sizeof(wanted) / sizeof(wanted[0]) };

static int check_files(struct gener *g)
{
    char text[80];

    for (size_t i = 0; i < WANTED; i++) {
        if (utility_file_index(g->step, wanted[i].ddname) < g->step->files)
            continue;
        snprintf(text, sizeof(text), "IEC130I %-8s DD STATEMENT MISSING", wanted[i].ddname);
        g->step->log(g->step->arg, text);
        return wanted[i].missing;
    }
    return RC_GOOD;
}

static int check_uses(struct gener *g)
{
    for (size_t i = 0; i < WANTED; i++) {
        const struct wanted *w = &wanted[i];
        enum utility_use use = g->step->file[utility_file_index(g->step, w->ddname)].use;
        if ((use == USE_INPUT && !w->input) || (use == USE_OUTPUT && !w->output))
            return say(g, RC_SEVERE, "IEB311I CONFLICTING DCB PARAMETERS - %s can only be %s",
                       w->ddname,
                       w->input ? "read: code DSN=, * or DUMMY" : "written: code SYSOUT= or DUMMY");
    }
    return RC_GOOD;
}

/* The next record of an input; a finding of damage goes to the listing. */
static enum record_result next(struct gener *g, struct record_reader *r, struct span *record,
                               int *condition)
{
    struct diag d;
    enum record_result result = record_next(r, record, &d);

    if (result == RECORD_DAMAGED)
        *condition = say(g, RC_SEVERE, "IEB351I I/O ERROR - record %zu, octet %zu: %s", d.line,
                         d.column, d.text);
    return result;
}

/* Control statements would change the copy, so that they must not be passed over. */
static int check_sysin(struct gener *g)
{
    const struct utility_file *f = &g->step->file[utility_file_index(g->step, "SYSIN")];
    struct span record;
    int condition = RC_GOOD;

    for (size_t i = 0; i < f->inputs; i++) {
        struct record_reader r = {.format = f->input[i].stored, .rest = f->input[i].octets};
        enum record_result result;
        while ((result = next(g, &r, &record, &condition)) == RECORD_OK)
            if (span_trim(record).n > 0)
                return say(g, RC_SEVERE,
                           "CONTROL STATEMENTS ARE NOT SUPPORTED - SYSIN holds some: code //SYSIN "
                           "DD DUMMY");
        if (result == RECORD_DAMAGED)
            return condition;
    }
    return condition;
}

/* Settles the format of the output; 4 when a part of it came from the input. */
static int choose_format(struct gener *g)
{
    const struct utility_file *in = &g->step->file[g->in], *out = &g->step->file[g->out];
    struct dcb dcb = out->dcb;
    bool copied = in->use == USE_INPUT && dcb_merge(&dcb, &in->dcb);
    struct buf blank = {0};

    g->format = dcb_format(&dcb);
    g->pad = ' ';
    if (out->codepage != NULL && charset_encode(out->codepage, SPAN(" "), &blank, NULL) &&
        blank.len == 1)
        g->pad = blank.data[0];
    buf_free(&blank);
    if (!copied || out->use != USE_OUTPUT)
        return RC_GOOD;
    return say(g, RC_WARNING,
               "IEB352I WARNING: ONE OR MORE OF THE OUTPUT DCB PARMS COPIED FROM INPUT");
}

static bool flush(struct gener *g)
{
    const struct utility_step *step = g->step;

    if (step->file[g->out].use == USE_DUMMY) {
        buf_clear(&g->waiting);
        return true;
    }
    if (!g->opened && !step->open(step->arg, g->out, &g->format))
        return false;
    g->opened = true;
    bool good = !g->waiting.failed && step->put(step->arg, g->out, BUF_SPAN(&g->waiting));
    buf_clear(&g->waiting);
    return good;
}

static int put_record(struct gener *g, struct span record)
{
    const struct charset *codepage = g->step->file[g->out].codepage;
    size_t most = dcb_most(&g->format), bad = 0;

    g->records++;
    if (codepage != NULL && g->format.form != RECORD_TEXT) {
        buf_clear(&g->converted);
        if (!charset_encode(codepage, record, &g->converted, &bad))
            return say(g, RC_SEVERE,
                       "IEB351I I/O ERROR - record %zu, octet %zu: the character has "
                       "no place in %s",
                       g->records, bad + 1, codepage->name);
        record = BUF_SPAN(&g->converted);
    }
    while (record.n > most && record.p[record.n - 1] == g->pad)
        record.n--;
    if (record.n > most)
        return say(g, RC_SEVERE,
                   "IEB311I CONFLICTING DCB PARAMETERS - record %zu has %zu octets, SYSUT2 takes "
                   "%zu: make LRECL larger, or use RECFM=VB",
                   g->records, record.n, most);
    if (!record_write(&g->waiting, &g->format, record, g->pad) && !g->waiting.failed)
        return say(
            g, RC_SEVERE,
            "IEB311I CONFLICTING DCB PARAMETERS - record %zu holds a line end (X'0A'), so it "
            "cannot be a line: use RECFM=VB for SYSUT2",
            g->records);
    return g->waiting.len < FLUSH_AT || flush(g) ? RC_GOOD : RC_TERMINATED;
}

static int copy(struct gener *g)
{
    const struct utility_file *f = &g->step->file[g->in];
    struct span record;
    int condition = RC_GOOD;

    for (size_t i = 0; i < f->inputs && condition == RC_GOOD; i++) {
        struct record_reader r = {.format = f->input[i].stored, .rest = f->input[i].octets};
        while (condition == RC_GOOD && next(g, &r, &record, &condition) == RECORD_OK)
            condition = put_record(g, record);
    }
    if (condition != RC_GOOD)
        return condition;
    return g->records == 0 || flush(g) ? RC_GOOD : RC_TERMINATED;
}

static int generate(struct gener *g)
{
    const struct utility_step *step = g->step;
    static const struct recfm lines = {RECORD_TEXT, CONTROL_NONE, 0};
    int condition, warned;

    if (step->file[g->print].use == USE_OUTPUT && !step->open(step->arg, g->print, &lines))
        return RC_TERMINATED;
    condition = say(g, RC_GOOD, "%-99sPAGE 0001", "DATA SET UTILITY - GENERATE");
    if (condition != RC_GOOD || (condition = check_uses(g)) != RC_GOOD ||
        (condition = check_sysin(g)) != RC_GOOD)
        return condition;
    warned = choose_format(g);
    if (warned > RC_WARNING || (condition = copy(g)) != RC_GOOD)
        return warned > RC_WARNING ? warned : condition;
    return say(g, warned, "PROCESSING ENDED AT EOD");
}

int gener_run(const struct utility_step *step)
{
    struct gener g = {.step = step};

    int condition = check_files(&g);
    if (condition != RC_GOOD)
        return condition;
    g.print = utility_file_index(step, "SYSPRINT");
    g.in = utility_file_index(step, "SYSUT1");
    g.out = utility_file_index(step, "SYSUT2");
    if (step->file[g.print].use == USE_INPUT) {
        step->log(step->arg, "IEC130I SYSPRINT cannot be written: code SYSOUT=* for it");
        return RC_TERMINATED;
    }
    condition = generate(&g);
    buf_free(&g.waiting);
    buf_free(&g.converted);
    return condition;
}
