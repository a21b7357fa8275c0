/* Decks: cards to statements to jobs, and what a job would copy.
 *
 * Holds: every finding has a place on a card of the deck, and a text without control octets; every
 * in-stream data set lies within the deck; a job without errors names only what is lawful (names,
 * data sets, destinations, programs), and its DDs lie within their steps; the listing of any deck
 * is safe for a terminal; copying in-stream data by IEBGENER writes whole records or nothing. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "jobs/submit/jcl.h"
#include "jobs/submit/joblog.h"
#include "jobs/submit/utility.h"
#include "lib/spool.h"

static void check_findings(const struct findings *f, const struct deck *deck)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct diag *d = &f->list[i].diag;
        CHECK(d->line <= deck->cards);
        CHECK(d->text[0] != '\0' && no_controls(span_of(d->text), ""));
        CHECK(i == 0 || f->list[i - 1].diag.line <= d->line);
    }
}

static void check_statements(const struct deck *deck, struct span text)
{
    size_t before = 0;

    for (size_t i = 0; i < deck->statements; i++) {
        const struct deck_statement *st = &deck->statement[i];
        CHECK(st->at.card > before && st->at.card <= deck->cards);
        before = st->at.card;
        if (st->data.n > 0)
            CHECK(st->instream && st->data.p >= text.p &&
                  st->data.p + st->data.n <= text.p + text.n);
        for (size_t k = 0; k < st->text.len; k++) {
            struct place at = deck_place(st, st->text.data + k);
            CHECK(at.card >= st->at.card && at.card <= deck->cards);
            CHECK(at.column >= 1 && at.column <= CARD_COLUMNS);
        }
    }
}

static bool name_or_nothing(const char *name)
{
    return name[0] == '\0' || jcl_name_valid(span_of(name));
}

static void check_dd(const struct jcl_job *job, const struct jcl_step *step, size_t at)
{
    const struct jcl_dd *dd = &job->dd[at];

    CHECK(dd->kind != DD_NONE && name_or_nothing(dd->name) && name_or_nothing(dd->member));
    CHECK(dd->name[0] != '\0' || at > step->first_dd);
    CHECK(dd->like <= at);
    if (dd->kind == DD_DATASET)
        CHECK(dsname_valid(span_of(dd->dsn), DSNAME_MAX));
    if (dd->dest[0] != '\0')
        CHECK(spool_dest_valid(span_of(dd->dest)));
    CHECK(dd->dcb.lrecl <= LRECL_MAX);
}

static void check_job(const struct jcl_job *job, const struct deck *deck)
{
    size_t dds = 0;

    CHECK(job->first_card >= 1 && job->first_card <= job->last_card);
    CHECK(job->last_card <= deck->cards);
    if (job->errors > 0)
        return;
    CHECK(jcl_name_valid(span_of(job->name)) && job->steps > 0);
    for (size_t i = 0; i < job->steps; i++) {
        const struct jcl_step *step = &job->step[i];
        CHECK(step->first_dd == dds && step->dds <= job->dds - dds);
        CHECK(name_or_nothing(step->name) && utility_find(step->program) != NULL);
        for (size_t k = 0; k < step->dds; k++)
            check_dd(job, step, step->first_dd + k);
        dds += step->dds;
    }
    CHECK(dds == job->dds);
}

static void check_listing(const struct deck *deck, const struct jcl_job *job,
                          const struct findings *f)
{
    struct joblog log = {0};
    struct buf text = {0};
    const struct tm now = {.tm_year = 126};

    joblog_begin(&log, 1, "host", "OWNER", &now);
    joblog_cards(&log, deck, job);
    joblog_findings(&log, f, job->first_card, job->last_card);
    CHECK(joblog_write(&log, &now, &text));
    CHECK(no_controls(BUF_SPAN(&text), "\n"));
    joblog_free(&log);
    buf_free(&text);
}

struct sink {
    struct recfm format;
    struct buf octets;
};

static bool on_open(void *arg, size_t file, const struct recfm *format)
{
    struct sink *sink = arg;

    if (file == 3)
        sink->format = *format;
    return true;
}

static bool on_put(void *arg, size_t file, struct span octets)
{
    struct sink *sink = arg;

    return file != 3 || buf_addspan(&sink->octets, octets);
}

static void on_log(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static void check_copy(struct span data, const struct dcb *dcb)
{
    const struct utility_input input = {data, {RECORD_TEXT, CONTROL_NONE, 0}};
    const struct dcb card = {true, RECORD_FIXED, CONTROL_NONE, LRECL_CARD};
    const struct utility_file file[] = {
        {.ddname = "SYSPRINT", .use = USE_DUMMY},
        {.ddname = "SYSIN", .use = USE_DUMMY},
        {.ddname = "SYSUT1", .use = USE_INPUT, .input = &input, .inputs = 1, .dcb = card},
        {.ddname = "SYSUT2", .use = USE_OUTPUT, .dcb = *dcb},
    };
    struct sink sink = {0};
    const struct utility_step step = {
        .file = file, .files = 4, .open = on_open, .put = on_put, .log = on_log, .arg = &sink};
    int condition = utility_find("IEBGENER")(&step);
    struct span record;
    struct diag d;

    CHECK(condition == RC_GOOD || condition == RC_WARNING || condition == RC_SEVERE);
    struct record_reader in = {.format = input.stored, .rest = data};
    struct record_reader out = {.format = sink.format, .rest = BUF_SPAN(&sink.octets)};
    while (condition < RC_ERROR && record_next(&in, &record, &d) == RECORD_OK) {
        struct span copy;
        CHECK(record_next(&out, &copy, &d) == RECORD_OK);
        size_t n = record.n < copy.n ? record.n : copy.n;
        CHECK(n == 0 || memcmp(record.p, copy.p, n) == 0);
        CHECK(span_trim_end(span_from(record, n)).n == 0);
    }
    CHECK(condition >= RC_ERROR || record_next(&out, &record, &d) == RECORD_END);
    buf_free(&sink.octets);
}

static void check_copies(const struct jcl_job *job)
{
    const struct dcb none = {0};

    for (size_t i = 0; job->errors == 0 && i < job->dds; i++)
        if (job->dd[i].kind == DD_INSTREAM)
            check_copy(job->dd[i].data, i + 1 < job->dds ? &job->dd[i + 1].dcb : &none);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    const char *programs[UTILITIES + 1];
    struct findings f = {0};
    struct deck deck;
    struct jcl jcl;

    utility_names(programs);
    CHECK(deck_parse(text, &deck, &f));
    check_statements(&deck, text);
    CHECK(jcl_check(&deck, programs, &jcl, &f));
    check_findings(&f, &deck);
    for (size_t i = 0; i < jcl.jobs; i++) {
        check_job(&jcl.job[i], &deck);
        check_listing(&deck, &jcl.job[i], &f);
        check_copies(&jcl.job[i]);
    }
    CHECK(jcl.jobs > 0 || jcl.errors > 0);
    jcl_free(&jcl);
    deck_free(&deck);
    findings_free(&f);
    return 0;
}
