/* A whole spool file to mails: octet 1 chooses the record format, octet 2 the code page, the rest
 * is the file.
 *
 * Holds: a mail has a sender, recipients, and a text that begins with Received and is lines without
 * NUL; each X-To line is one recipient, in order; the job's header and body are in the text octet
 * for octet, and nothing is added but what misses; written as a data set it is read back as it was;
 * lines of text and the same lines as variable records are the same mails, or the same fault. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/header.h"
#include "spool4/convert.h"

static const char *const formats[] = {"T",    "T",  "T",  "VA",  "VM", "FB80",
                                      "FBA1", "FM", "VB", "VBA", "VBM"};
static const char *const pages[] = {"UTF-8", "UTF-8", "UTF-8", "IBM-1047", "ISO-8859-1"};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]), PAGES = sizeof(pages) / sizeof(pages[0]) };

static const struct convert_params job = {.host = "mvs.example",
                                          .job = "MAILER",
                                          .id = "JOB00012",
                                          .owner = "user",
                                          .unique = 7,
                                          .wall = 1795305600};

static bool same_address(const struct address *a, const struct address *b)
{
    return a->at == b->at && a->kind == b->kind && strcmp(a->text, b->text) == 0;
}

/* The data set of each recipient, as its reader takes it. */
static void check_data_set(const struct mail *m)
{
    struct span text = BUF_SPAN(&m->text);
    const struct address *to = &m->envelope.to[m->envelope.nto - 1];
    struct envelope back = {0};
    struct buf written = {0};
    struct span line, rest, before;
    struct diag d;

    CHECK(envelope_write(&written, &m->envelope.from, to, 1, m->asa));
    CHECK(buf_addspan(&written, text));
    for (before = rest = BUF_SPAN(&written); span_line(&rest, &line); before = rest)
        if (envelope_take(&back, line, &d) != ENVELOPE_FIELD)
            break;
    CHECK(envelope_whole(&back, &d) && span_eq(before, text));
    CHECK(back.nto == 1 && back.asa == m->asa && same_address(&back.to[0], to));
    CHECK(same_address(&back.from, &m->envelope.from));
    envelope_free(&back);
    buf_free(&written);
}

static void check_mail(const struct mail *m)
{
    struct span text = BUF_SPAN(&m->text);

    CHECK(m->envelope.have_from && m->envelope.nto > 0 && m->envelope.nto <= ENVELOPE_TO_MAX);
    CHECK(text.n > 0 && text.p[text.n - 1] == '\n' && memchr(text.p, '\0', text.n) == NULL);
    CHECK(span_starts_nocase(span_from(text, m->asa), SPAN("Received: by mvs.example (SPOOL#4")));
    check_data_set(m);
}

/* What stands between the job's header and the empty line: fields that it lacks, each once. */
static void check_added(struct span added, struct span header)
{
    static const char *const names[] = {"Date", "Message-ID", "From"};
    struct span rest = added;
    struct field f;
    size_t fields = 0, known = 0;

    while (header_next(&rest, &f))
        fields++;
    CHECK(rest.n == 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = header_count(added, names[i]);
        known += n;
        CHECK(n + (header_count(header, names[i]) > 0) <= 1);
    }
    CHECK(fields == known && header_count(added, "Date") + header_count(header, "Date") > 0);
}

/* The lines that a job wrote for one mail. */
struct written {
    struct buf header, body;
    size_t to;
};

static void take_lines(struct span file, struct written *w)
{
    struct record_reader reader = {.rest = file};
    struct envelope e = {0};
    bool in_envelope = true, in_header = true;
    struct span line;
    struct diag d;

    while (record_next(&reader, &line, &d) == RECORD_OK) {
        in_envelope = in_envelope && envelope_take(&e, line, &d) == ENVELOPE_FIELD;
        if (in_envelope) {
            w->to += span_starts_nocase(line, SPAN("X-To:"));
            continue;
        }
        bool blank = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
        bool field = header_is_field(line) || (blank && w->header.len > 0);
        if (in_header && !field && line.n == 0) {
            in_header = false;
            continue;
        }
        in_header = in_header && field;
        buf_addspan(in_header ? &w->header : &w->body, line);
        buf_addc(in_header ? &w->header : &w->body, '\n');
    }
    envelope_free(&e);
}

/* Received (two lines), the header, what it lacks, an empty line, the body. */
static void check_text(const struct mail *m, struct span file)
{
    struct span rest = BUF_SPAN(&m->text), line;
    struct written w = {0};

    take_lines(file, &w);
    CHECK(m->envelope.nto == w.to);
    CHECK(span_line(&rest, &line) && span_line(&rest, &line) && line.p[0] == '\t');
    CHECK(rest.n >= w.header.len + 1 + w.body.len);
    CHECK(span_eq((struct span){rest.p, w.header.len}, BUF_SPAN(&w.header)));
    CHECK(span_eq(span_from(rest, rest.n - w.body.len), BUF_SPAN(&w.body)));
    rest = span_from(rest, w.header.len);
    rest.n -= w.body.len + 1;
    CHECK(rest.p[rest.n] == '\n');
    check_added(rest, BUF_SPAN(&w.header));
    buf_free(&w.header);
    buf_free(&w.body);
}

/* All that a file comes to, as one text. */
static void convert(const struct convert_params *params, struct span file, struct buf *out)
{
    bool lines = params->recfm.form == RECORD_TEXT && params->recfm.control == CONTROL_NONE;
    enum convert_result r;
    struct mail m = {0};
    struct convert c;
    struct diag d;
    size_t mails = 0;

    convert_open(&c, params, file);
    while ((r = convert_next(&c, &m, &d)) == CONVERT_MAIL) {
        check_mail(&m);
        if (lines && params->page.kind == CHARSET_UTF8 && !c.batch)
            check_text(&m, file);
        CHECK(++mails == 1 || c.batch);
        for (size_t i = 0; i < m.envelope.nto; i++)
            envelope_write(out, &m.envelope.from, &m.envelope.to[i], 1, m.asa);
        buf_addspan(out, BUF_SPAN(&m.text));
    }
    CHECK(r == CONVERT_BAD || mails > 0);
    CHECK(r == CONVERT_END || (d.text[0] != '\0' && !d.memory && d.line <= c.reader.number + 1));
    if (r == CONVERT_BAD)
        buf_printf(out, "%zu %zu %s\n", d.line, d.column, d.text);
    convert_close(&c);
    mail_free(&m);
}

/* False: a line is too long for a record. */
static bool as_records(struct span file, const struct recfm *format, struct buf *out)
{
    struct record_reader reader = {.rest = file};
    struct span line;
    struct diag d;

    while (record_next(&reader, &line, &d) == RECORD_OK)
        if (!record_write(out, format, line, ' '))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span file = {(const char *)data, size};
    struct convert_params params = job;
    struct buf mails = {0}, again = {0}, records = {0};

    CHECK(recfm_parse(span_of(formats[take_octet(&file) % FORMATS]), &params.recfm));
    CHECK(charset_find(span_of(pages[take_octet(&file) % PAGES]), &params.page));
    convert(&params, file, &mails);
    if (params.recfm.form == RECORD_TEXT) {
        params.recfm.form = RECORD_VARIABLE;
        if (as_records(file, &params.recfm, &records)) {
            convert(&params, BUF_SPAN(&records), &again);
            CHECK(span_eq(BUF_SPAN(&mails), BUF_SPAN(&again)));
        }
    }
    buf_free(&mails);
    buf_free(&again);
    buf_free(&records);
    return 0;
}
