/* See listing.h. */
#include "jobs/printer/listing.h"

#include <string.h>

#include "jobs/printer/banner.h"
#include "jobs/printer/mime.h"
#include "lib/charset.h"
#include "lib/envelope.h"
#include "lib/header.h"
#include "lib/spool.h"

enum { HOST_COLUMNS = 44, SYSTEM_COLUMNS = 8, JOB_DIGITS = 3 };

static const struct carriage one_line = {.lines = 1, .print = true, .known = true};

struct work {
    const struct listing_params *params;
    struct pages *pages;
    struct slip *slip;
    struct diag *diag;
    struct spool_name name;
    bool listing;        /* not mail */
    struct charset page; /* of the records */
    struct record_reader reader;
    struct envelope envelope;
    struct buf head;   /* the lines of the envelope */
    struct buf record; /* the record in hand, decoded */
    struct user user;  /* entry of the addressee */
    bool known;        /* there is one */
};

static enum listing_result memory_short(struct work *w)
{
    diag_set(w->diag, 0, 0, "memory is short");
    return LISTING_MEMORY;
}

/* An octet without meaning in the code page is shown by its number. */
static struct span decode(struct work *w, struct span record)
{
    if (w->page.kind == CHARSET_UTF8)
        return record;
    buf_clear(&w->record);
    if (!charset_decode(&w->page, record, false, &w->record, NULL))
        buf_addsafe(&w->record, record);
    if (w->record.failed)
        w->pages->fault = PAGES_MEMORY;
    return BUF_SPAN(&w->record);
}

/* The next record's motion and text. ASA control is a character of the code page: it is looked at
 * after decoding. One that means nothing is printed, lest a file with a wrong name lose a column.
 */
static enum record_result next_record(struct work *w, struct carriage *motion, struct span *text)
{
    enum record_control control = w->reader.format.control;
    struct span record;
    enum record_result r = record_next(&w->reader, &record, w->diag);

    *motion = one_line;
    if (r != RECORD_OK)
        return r;
    if (control == CONTROL_MACHINE && record.n > 0) {
        *motion = carriage_machine((unsigned char)record.p[0]);
        record = span_from(record, 1);
    }
    *text = decode(w, record);
    if (control == CONTROL_ASA && text->n > 0) {
        *motion = carriage_asa((unsigned char)text->p[0]);
        if (motion->known)
            *text = span_from(*text, 1);
    }
    return RECORD_OK;
}

/* Takes the envelope's lines off the front. What is wrong in one is no reason not to print it. */
static enum record_result read_envelope(struct work *w)
{
    struct carriage motion;
    struct span text;
    struct diag fault;

    for (;;) {
        struct record_reader before = w->reader;
        enum record_result r = next_record(w, &motion, &text);
        if (r != RECORD_OK)
            return r;
        enum envelope_line what = envelope_take(&w->envelope, text, &fault);
        if (what == ENVELOPE_END) {
            w->reader = before;
            return RECORD_OK;
        }
        if (what == ENVELOPE_BAD && fault.memory)
            w->pages->fault = PAGES_MEMORY;
        buf_addspan(&w->head, span_trim_end(text));
        buf_addc(&w->head, '\n');
    }
}

/* Text that memory was too short for: the printout is made later, not without it. */
static void let_go(struct work *w, struct buf *text)
{
    if (text->failed)
        w->pages->fault = PAGES_MEMORY;
    buf_free(text);
}

static void set_safe(struct work *w, enum slip_field field, struct span text)
{
    struct buf safe = {0};

    utf8_safe(text, &safe);
    slip_set(w->slip, field, BUF_SPAN(&safe));
    let_go(w, &safe);
}

/* A user ID in capitals; false when the text is none. */
static bool user_id(struct span text, char out[USERID_MAX + 1])
{
    if (text.n == 0 || !span_copy(text, out, USERID_MAX + 1))
        return false;
    for (char *p = out; *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@#$", *p) == NULL)
            return false;
    }
    return true;
}

/* Whose printout it is: the first addressee, or else the job. */
static void find_user(struct work *w)
{
    struct buf local = {0};
    char id[USERID_MAX + 1];
    bool addressed = w->envelope.nto > 0 && address_local_plain(&w->envelope.to[0], &local);

    w->known = addressed && w->params->users != NULL &&
               usertable_find(w->params->users, BUF_SPAN(&local), &w->user);
    if (w->known)
        set_safe(w, SLIP_USER, span_of(w->user.userid));
    else if (addressed && user_id(BUF_SPAN(&local), id))
        set_safe(w, SLIP_USER, span_of(id));
    else
        set_safe(w, SLIP_USER, span_of(w->name.job));
    let_go(w, &local);
}

static void set_address(struct work *w, enum slip_field field, const struct address *a,
                        size_t others)
{
    struct buf text = {0};

    address_write(&text, a);
    if (others > 0)
        buf_printf(&text, " and %zu more", others);
    set_safe(w, field, BUF_SPAN(&text));
    let_go(w, &text);
}

static void set_date(struct work *w, enum slip_field field, int64_t seconds, int offset)
{
    struct buf text = {0};

    if (header_date(&text, seconds, offset))
        slip_set(w->slip, field, BUF_SPAN(&text));
    let_go(w, &text);
}

static void set_number(struct slip *slip, enum slip_field field, size_t number)
{
    snprintf(slip->value[field], SLIP_VALUE, "%zu", number);
}

/* Why it is printed and not delivered; the receiver leaves no word of it. */
static const char *why(const struct work *w, size_t octets)
{
    const struct site *site = w->params->site;

    if (w->listing)
        return "print file";
    if (site->postoffice == NULL)
        return "no post office";
    return octets > site->divert ? "larger than DIVERT" : "sent to PRT";
}

static void fill_slip(struct work *w, size_t octets)
{
    const struct listing_params *p = w->params;
    const struct envelope *e = &w->envelope;
    struct slip *slip = w->slip;
    const char class[] = {p->site->class, '\0'};

    if (w->name.job[0] == '\0')
        snprintf(w->name.job, sizeof(w->name.job), "MAIL");
    slip_set(slip, SLIP_JOB, span_of(w->name.job));
    slip_set(slip, SLIP_NUMBER, span_of(w->name.id));
    slip_set(slip, SLIP_CLASS, span_of(class));
    find_user(w);
    if (e->have_from)
        set_address(w, SLIP_FROM, &e->from, 0);
    if (e->nto > 0)
        set_address(w, SLIP_TO, &e->to[0], e->nto - 1);
    set_date(w, SLIP_SPOOLED, p->spooled, p->offset);
    set_date(w, SLIP_PRINTED, p->printed, p->offset);
    set_number(slip, SLIP_SIZE, octets);
    slip_set(slip, SLIP_REASON, span_of(why(w, octets)));
}

static void add_column(struct buf *line, const char *text, size_t columns)
{
    page_fit(span_of(text), columns, line);
    buf_adds(line, "  ");
}

static void set_heading(struct work *w)
{
    const struct slip *slip = w->slip;
    struct buf line = {0};

    add_column(&line, slip->value[SLIP_USER], USERID_MAX);
    add_column(&line, slip->value[SLIP_JOB], USERID_MAX);
    add_column(&line, slip->value[SLIP_NUMBER], USERID_MAX);
    buf_adds(&line, "CLASS ");
    add_column(&line, slip->value[SLIP_CLASS], 1);
    add_column(&line, w->params->site->host, HOST_COLUMNS);
    buf_adds(&line, slip->value[SLIP_PRINTED]);
    pages_heading(w->pages, BUF_SPAN(&line));
    let_go(w, &line);
}

static void print_lines(struct pages *p, struct span text)
{
    struct span line;

    while (span_line(&text, &line) && p->fault == PAGES_GOOD)
        page_line(p, line);
}

static enum record_result print_records(struct work *w)
{
    bool after = w->reader.format.control == CONTROL_MACHINE;
    struct carriage motion;
    enum record_result r = RECORD_END;
    struct span text;

    while (w->pages->fault == PAGES_GOOD && !w->record.failed &&
           (r = next_record(w, &motion, &text)) == RECORD_OK) {
        if (!after)
            page_move(w->pages, &motion);
        if (motion.print)
            page_strike(w->pages, text);
        if (after)
            page_move(w->pages, &motion);
    }
    return r;
}

static bool print_mail(struct work *w)
{
    struct mime_mail mail;
    bool good = mime_read(w->reader.rest, &mail);

    if (good) {
        slip_set(w->slip, SLIP_SUBJECT, BUF_SPAN(&mail.subject));
        print_lines(w->pages, BUF_SPAN(&mail.header));
        if (mail.header.len > 0)
            page_line(w->pages, SPAN(""));
        print_lines(w->pages, BUF_SPAN(&mail.text));
    }
    mime_free(&mail);
    return good;
}

/* The host's name up to its first period, in capitals. */
static void system_name(const struct site *site, char out[SYSTEM_COLUMNS + 1])
{
    size_t n = strcspn(site->host, ".");

    snprintf(out, SYSTEM_COLUMNS + 1, "%.*s", (int)(n < SYSTEM_COLUMNS ? n : SYSTEM_COLUMNS),
             site->host);
    for (char *p = out; *p != '\0'; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
}

static void add_separators(struct work *w)
{
    const struct listing_params *p = w->params;
    struct buf name = {0};
    char system[SYSTEM_COLUMNS + 1];
    uint64_t number = 0;

    system_name(p->site, system);
    if (w->known && w->user.full != NULL)
        utf8_safe(span_of(w->user.full), &name);
    span_number(span_from(span_of(w->name.id), JOB_DIGITS), UINT32_MAX, &number);
    struct banner b = {.slip = w->slip,
                       .class = p->site->class,
                       .number = (unsigned)number,
                       .name = buf_str(&name),
                       .printer = "PRT1",
                       .system = system,
                       .wall = p->printed,
                       .offset = p->offset};
    set_number(w->slip, SLIP_PAGES, w->pages->number);
    banner_page(&b, true, w->pages);
    pages_last_first(w->pages);
    banner_page(&b, false, w->pages);
    let_go(w, &name);
}

/* How the file is to be read: by its name. */
static void begin(struct work *w, struct span file)
{
    static const struct recfm text = {RECORD_TEXT, CONTROL_NONE, 0};

    pages_open(w->pages, (unsigned)w->params->site->linect);
    spool_name_parse(span_of(w->params->name), &w->name);
    w->listing = w->name.has_recfm &&
                 (w->name.recfm.form != RECORD_TEXT || w->name.recfm.control != CONTROL_NONE);
    w->reader = (struct record_reader){.format = w->listing ? w->name.recfm : text, .rest = file};
    if (!w->listing || !charset_find(span_of(w->params->site->codepage), &w->page))
        w->page = (struct charset){.kind = CHARSET_UTF8};
}

static enum listing_result print_all(struct work *w, struct span file)
{
    enum record_result r = read_envelope(w);

    if (r == RECORD_DAMAGED)
        return LISTING_BAD;
    if (w->head.failed)
        return memory_short(w);
    fill_slip(w, file.n);
    set_heading(w);
    print_lines(w->pages, BUF_SPAN(&w->head));
    if (w->head.len > 0)
        page_line(w->pages, SPAN(""));
    if (w->envelope.asa && !w->listing)
        w->reader.format.control = CONTROL_ASA;
    if (w->listing || w->envelope.asa)
        r = print_records(w);
    else if (!print_mail(w))
        return memory_short(w);
    if (r == RECORD_DAMAGED)
        return LISTING_BAD;
    if (w->pages->fault == PAGES_TOO_MANY) {
        diag_set(w->diag, 0, 0, "it would take more than %d pages: split it", PAGES_MAX);
        return LISTING_BAD;
    }
    add_separators(w);
    return w->pages->fault != PAGES_GOOD || w->record.failed ? memory_short(w) : LISTING_GOOD;
}

enum listing_result listing_make(const struct listing_params *params, struct span file,
                                 struct pages *pages, struct slip *slip, struct diag *d)
{
    struct work w = {.params = params, .pages = pages, .slip = slip, .diag = d};

    *slip = (struct slip){0};
    *d = (struct diag){0};
    begin(&w, file);
    enum listing_result result = print_all(&w, file);
    envelope_free(&w.envelope);
    buf_free(&w.head);
    buf_free(&w.record);
    return result;
}
