/* See joblog.h. */
#include "jobs/submit/joblog.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/charset.h"

enum { LINE_MAX_TEXT = 512, NAME_SPACED = 8, ID_COLUMN = 72, CARD_OCTETS = 4 * CARD_COLUMNS };

static const char *const days[] = {"SUNDAY",   "MONDAY", "TUESDAY", "WEDNESDAY",
                                   "THURSDAY", "FRIDAY", "SATURDAY"};
static const char *const months[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                     "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

/* Calendar fields come from the clock, but an index is checked all the same. */
static const char *word_of(const char *const *words, int n, int index)
{
    return index >= 0 && index < n ? words[index] : "?";
}

static void add_safe(struct buf *to, const char *text)
{
    utf8_safe(span_of(text), to);
    buf_addc(to, '\n');
}

/* The first label of a host name in spaced capitals, as the heading has it: S Y S 1. */
static void spaced_name(struct buf *to, const char *host)
{
    for (size_t i = 0; i < NAME_SPACED && host[i] != '\0' && host[i] != '.'; i++) {
        char c = host[i] >= 'a' && host[i] <= 'z' ? (char)(host[i] - 'a' + 'A') : host[i];
        buf_addc(to, ' ');
        buf_addc(to, (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '-');
    }
}

void joblog_begin(struct joblog *log, unsigned number, const char *host, const char *owner,
                  const struct tm *now)
{
    struct buf *m = &log->messages;

    snprintf(log->id, sizeof(log->id), "JOB%05u", number % 100000);
    buf_adds(m, "                        J E S 2  J O B  L O G  --  S Y S T E M ");
    spaced_name(m, host);
    buf_adds(m, "  --  N O D E  N 1\n\n");
    char day[16];
    snprintf(day, sizeof(day), "%s,", word_of(days, 7, now->tm_wday));
    buf_printf(m, " %02d.%02d.%02d %s ---- %-10s %02d %s %04d ----\n", now->tm_hour, now->tm_min,
               now->tm_sec, log->id, day, now->tm_mday, word_of(months, 12, now->tm_mon),
               now->tm_year + 1900);
    joblog_message(log, now, "IRR010I  USERID %-8s IS ASSIGNED TO THIS JOB.", owner);
}

void joblog_message(struct joblog *log, const struct tm *now, const char *format, ...)
{
    char text[LINE_MAX_TEXT];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_printf(&log->messages, " %02d.%02d.%02d %s  ", now->tm_hour, now->tm_min, now->tm_sec,
               log->id);
    add_safe(&log->messages, n < 0 ? "" : text);
}

void joblog_system(struct joblog *log, const char *format, ...)
{
    char text[LINE_MAX_TEXT];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buf_addc(&log->system, ' ');
    add_safe(&log->system, n < 0 ? "" : text);
}

/* A card of the listing; the job's number stands behind its first one. */
static void add_card(struct joblog *log, size_t number, struct span card, bool first)
{
    struct buf *l = &log->listing;

    if (card.n > CARD_OCTETS)
        card.n = CARD_OCTETS; /* it is no card, and a finding says so */
    card = span_trim_end(card);
    size_t width = utf8_width(card);
    buf_printf(l, "%9zu ", number);
    utf8_safe(card, l);
    if (first) {
        buf_fill(l, ' ', width < ID_COLUMN ? ID_COLUMN - width : 1);
        buf_adds(l, log->id);
    }
    buf_addc(l, '\n');
}

void joblog_cards(struct joblog *log, const struct deck *deck, const struct jcl_job *job)
{
    static const struct span generated = {"//SYSIN    DD *                  GENERATED STATEMENT",
                                          50};
    size_t next = 0;

    log->cards = job->last_card - job->first_card + 1;
    for (size_t i = job->first_card - 1; i < job->last_card && i < deck->cards; i++) {
        struct span card = deck->card[i];
        while (next < deck->statements &&
               (deck->statement[next].data.n == 0 ||
                deck->statement[next].data.p + deck->statement[next].data.n <= card.p))
            next++;
        const struct deck_statement *st = next < deck->statements ? &deck->statement[next] : NULL;
        if (st == NULL || card.p < st->data.p)
            add_card(log, i + 1, card, i + 1 == job->first_card);
        else if (st->generated && card.p == st->data.p)
            add_card(log, i + 1, generated, false);
    }
}

void joblog_findings(struct joblog *log, const struct findings *f, size_t first, size_t last)
{
    bool heading = false;

    for (size_t i = 0; i < f->count; i++) {
        const struct diag *d = &f->list[i].diag;
        if (d->line < first || d->line > last)
            continue;
        if (!heading)
            buf_adds(&log->system, "  CARD COL. MESSAGE\n");
        heading = true;
        buf_printf(&log->system, "%6zu %4zu ", d->line, d->column);
        add_safe(&log->system, d->text);
    }
    if (f->dropped > 0)
        joblog_system(log, "%zu more messages are not listed", f->dropped);
}

bool joblog_sysout(struct joblog *log, const char *step, const char *ddname,
                   const struct recfm *format, struct span octets)
{
    struct record_reader r = {.format = *format, .rest = octets};
    struct buf *o = &log->output;
    enum record_result result;
    struct span record;
    struct diag d;

    buf_printf(o, "\n%s%s%s\n", step, step[0] != '\0' ? "." : "", ddname);
    while ((result = record_next(&r, &record, &d)) == RECORD_OK) {
        buf_addc(o, ' ');
        utf8_safe(span_trim_end(record), o);
        buf_addc(o, '\n');
        log->records++;
    }
    return result == RECORD_END && !o->failed;
}

bool joblog_write(struct joblog *log, const struct tm *now, struct buf *out)
{
    const struct buf *parts[] = {&log->listing, &log->system, &log->output};
    bool whole = !log->messages.failed;

    buf_addspan(out, BUF_SPAN(&log->messages));
    buf_printf(out,
               "------ JES2 JOB STATISTICS ------\n"
               "  %02d %s %04d JOB EXECUTION DATE\n"
               "  %11zu CARDS READ\n"
               "  %11zu SYSOUT PRINT RECORDS\n",
               now->tm_mday, word_of(months, 12, now->tm_mon), now->tm_year + 1900, log->cards,
               log->records);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        buf_addspan(out, BUF_SPAN(parts[i]));
        whole = whole && !parts[i]->failed;
    }
    return whole && !out->failed;
}

void joblog_free(struct joblog *log)
{
    buf_free(&log->messages);
    buf_free(&log->listing);
    buf_free(&log->system);
    buf_free(&log->output);
}
