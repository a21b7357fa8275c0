/* See convert.h. */
#include "spool4/convert.h"

#include <inttypes.h>
#include <string.h>

#include "lib/header.h"

enum {
    BATCH_COMMAND_MAX = 510, /* CSSMTP's limit on a command line */
    BATCH_RECORD = 80        /* card images: `<` in the last column continues */
};

void convert_open(struct convert *c, const struct convert_params *params, struct span file)
{
    *c = (struct convert){
        .params = params,
        .reader = {.format = params->recfm, .rest = file},
        .pending = ' ',
    };
}

void convert_close(struct convert *c)
{
    buf_free(&c->line);
    buf_free(&c->header);
}

void mail_free(struct mail *m)
{
    envelope_free(&m->envelope);
    buf_free(&m->text);
    *m = (struct mail){0};
}

static bool bad(const struct convert *c, size_t column, struct diag *d, const char *what)
{
    return diag_set(d, c->reader.number, column, "%s", what);
}

/* Takes machine control off the front of a record. False: the record prints nothing. */
static bool take_machine(struct convert *c, struct span *record)
{
    c->control = ' ';
    if (record->n == 0)
        return true;
    unsigned char first = (unsigned char)record->p[0];
    *record = span_from(*record, 1);
    return carriage_to_asa(first, &c->pending, &c->control);
}

/* Takes ASA control off the line in hand. */
static void take_asa(struct convert *c)
{
    struct span text = BUF_SPAN(&c->line);

    c->control = utf8_control(&text);
    buf_consume(&c->line, c->line.len - text.n);
}

/* ASA control is a character of the code page: read it after decoding. */
static bool decode(struct convert *c, struct span record, struct diag *d)
{
    const struct charset *page = &c->params->page;
    size_t at = 0;

    if (page->kind == CHARSET_UTF8 ? buf_addspan(&c->line, record)
                                   : charset_decode(page, record, false, &c->line, &at))
        return true;
    if (c->line.failed)
        return diag_memory(d);
    return diag_set(d, c->reader.number, at + 1,
                    "octet X'%02X' has no meaning in code page %s: correct it, or name the right "
                    "page with CODEPAGE",
                    (unsigned char)record.p[at], page->name);
}

static bool check_octets(const struct convert *c, struct diag *d)
{
    const char *nul = c->line.len ? memchr(c->line.data, '\0', c->line.len) : NULL;
    const char *lf = c->line.len ? memchr(c->line.data, '\n', c->line.len) : NULL;

    if (nul != NULL)
        return bad(c, (size_t)(nul - c->line.data) + 1, d,
                   "NUL octet: mail is text; is the record format in the file's name right?");
    if (lf != NULL)
        return bad(c, (size_t)(lf - c->line.data) + 1, d,
                   "line end inside a record: is the record format in the file's name right?");
    return true;
}

/* Puts the next record into c->line: decoded, without control and padding. */
static enum convert_result next_line(struct convert *c, struct diag *d)
{
    enum record_result r;
    struct span record;

    if (c->have_line) {
        c->have_line = false;
        return CONVERT_MAIL;
    }
    do {
        r = record_next(&c->reader, &record, d);
        if (r != RECORD_OK)
            return r == RECORD_END ? CONVERT_END : CONVERT_BAD;
        buf_clear(&c->line);
        if (c->params->recfm.control == CONTROL_MACHINE && !take_machine(c, &record))
            continue;
        if (!decode(c, record, d))
            return CONVERT_BAD;
        if (!check_octets(c, d)) /* the control among them: it goes into the data set as it is */
            return CONVERT_BAD;
        if (c->params->recfm.control == CONTROL_ASA)
            take_asa(c);
        if (c->params->recfm.form == RECORD_FIXED)
            c->line.len = span_trim_end(BUF_SPAN(&c->line)).n;
        return CONVERT_MAIL;
    } while (true);
}

static bool put_line(const struct convert *c, struct mail *m, char control, struct span line)
{
    if (c->params->recfm.control != CONTROL_NONE)
        buf_addc(&m->text, control);
    buf_addspan(&m->text, line);
    return buf_addc(&m->text, '\n');
}

/* Lines of `block` that have no control of their own. */
static bool put_block(const struct convert *c, struct mail *m, struct span block)
{
    struct span line;

    while (span_line(&block, &line))
        if (!put_line(c, m, ' ', line))
            return false;
    return !m->text.failed;
}

static void add_date(const struct convert *c, struct buf *out)
{
    buf_adds(out, "Date: ");
    header_date(out, c->params->wall, c->params->offset);
    buf_addc(out, '\n');
}

static void add_message_id(const struct convert *c, struct buf *out)
{
    buf_printf(out, "Message-ID: <%s.%s.%016" PRIx64 ".%u@%s>\n", c->params->job, c->params->id,
               c->params->unique, c->mails + 1, c->params->host);
}

/* What RFC 5322 wants in a header and a job may leave out. */
static const struct {
    const char *field;
    void (*add)(const struct convert *c, struct buf *out);
} required[] = {
    {"Date", add_date},
    {"Message-ID", add_message_id},
};

static bool lacks_from(struct span header, const struct envelope *e)
{
    struct field f;

    return !address_is_null(&e->from) && !header_find(header, "From", &f);
}

/* Received, the job's header, what it lacks. */
static bool put_header(struct convert *c, struct mail *m)
{
    const struct convert_params *p = c->params;
    struct span header = BUF_SPAN(&c->header);
    struct buf added = {0};
    struct field f;

    buf_printf(&added, "Received: by %s (SPOOL#4, job %s %s, owner %s)\n\tid %s.%u; ", p->host,
               p->job, p->id, p->owner, p->id, c->mails + 1);
    header_date(&added, p->wall, p->offset);
    buf_addc(&added, '\n');
    bool good = !added.failed && put_block(c, m, BUF_SPAN(&added)) && put_block(c, m, header);
    buf_clear(&added);
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
        if (!header_find(header, required[i].field, &f))
            required[i].add(c, &added);
    if (lacks_from(header, &m->envelope)) {
        buf_adds(&added, "From: ");
        address_write(&added, &m->envelope.from);
        buf_addc(&added, '\n');
    }
    good = good && !added.failed && put_block(c, m, BUF_SPAN(&added)) &&
           put_line(c, m, ' ', (struct span){"", 0});
    buf_free(&added);
    buf_clear(&c->header);
    return good;
}

static bool continues_header(struct span line)
{
    return line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* Takes one line of a message. *in_header is the caller's, true at first. */
static bool take_text(struct convert *c, struct mail *m, struct span line, bool *in_header)
{
    if (*in_header) {
        if (line.n > 0 && (header_is_field(line) || (c->header.len > 0 && continues_header(line))))
            return buf_addspan(&c->header, line) && buf_addc(&c->header, '\n');
        *in_header = false;
        if (!put_header(c, m))
            return false;
        if (line.n == 0)
            return true;
    }
    return put_line(c, m, c->control, line);
}

/* After the last line of a message. */
static enum convert_result finish(struct convert *c, struct mail *m, bool in_header, struct diag *d)
{
    if ((in_header && !put_header(c, m)) || m->text.failed || c->header.failed) {
        diag_memory(d);
        return CONVERT_BAD;
    }
    m->asa = c->params->recfm.control != CONTROL_NONE;
    c->mails++;
    return CONVERT_MAIL;
}

/* The rest of an X-From/X-To file is one message. */
static enum convert_result take_message(struct convert *c, struct mail *m, struct diag *d)
{
    enum convert_result r;
    bool in_header = true;

    while ((r = next_line(c, d)) == CONVERT_MAIL)
        if (!take_text(c, m, BUF_SPAN(&c->line), &in_header)) {
            diag_memory(d);
            return CONVERT_BAD;
        }
    return r == CONVERT_BAD ? r : finish(c, m, in_header, d);
}

static enum convert_result next_enveloped(struct convert *c, struct mail *m, struct diag *d)
{
    enum convert_result r;

    if (c->mails > 0)
        return CONVERT_END;
    while ((r = next_line(c, d)) == CONVERT_MAIL) {
        enum envelope_line what = envelope_take(&m->envelope, BUF_SPAN(&c->line), d);
        if (what == ENVELOPE_BAD) {
            d->line = d->memory ? 0 : c->reader.number;
            return CONVERT_BAD;
        }
        if (what == ENVELOPE_END)
            break;
    }
    if (r == CONVERT_BAD)
        return r;
    if (m->envelope.asa) {
        bad(c, 1, d, "X-Recfm belongs to mail data sets: let the file's name end in .VA instead");
        return CONVERT_BAD;
    }
    if (!envelope_whole(&m->envelope, d)) {
        d->line = c->reader.number;
        return CONVERT_BAD;
    }
    c->have_line = r == CONVERT_MAIL;
    return take_message(c, m, d);
}

/* Where a batch stands within a mail. */
enum phase { PHASE_IDLE = 1, PHASE_MAIL = 2, PHASE_RCPT = 4, PHASE_TEXT = 8, PHASE_QUIT = 16 };

struct batch {
    struct convert *c;
    struct mail *m;
    struct diag *d;
    enum phase phase;
};

static struct span parameters_cut(struct span args, size_t used)
{
    return span_trim(span_from(args, used));
}

/* "<path> [parameters]" after the colon. Only SIZE= and BODY= mean nothing here and are passed
 * over. */
static bool batch_path(struct batch *b, struct span args, unsigned flags, struct address *out)
{
    size_t used = 0;
    struct span word, trimmed = span_trim(args);
    size_t column = (size_t)(trimmed.p - b->c->line.data) + 1;
    enum address_error e =
        address_parse(trimmed, flags | ADDRESS_PREFIX_OK | ADDRESS_UTF8_OK, out, &used);

    if (e != ADDRESS_GOOD)
        return bad(b->c, column + used, b->d, address_strerror(e));
    for (struct span rest = parameters_cut(trimmed, used); rest.n > 0;) {
        size_t end = span_find(rest, ' ');
        word = (struct span){rest.p, end};
        if (!span_starts_nocase(word, SPAN("SIZE=")) && !span_starts_nocase(word, SPAN("BODY=")) &&
            !span_eq_nocase(word, SPAN("SMTPUTF8")))
            return bad(b->c, (size_t)(word.p - b->c->line.data) + 1, b->d,
                       "this parameter is not offered: remove it");
        rest = span_trim(span_from(rest, end));
    }
    return true;
}

static bool batch_mail(struct batch *b, struct span args)
{
    b->m->envelope.have_from = true;
    b->phase = PHASE_MAIL;
    return batch_path(b, args, ADDRESS_NULL_OK, &b->m->envelope.from);
}

static bool batch_rcpt(struct batch *b, struct span args)
{
    struct address to;

    b->phase = PHASE_RCPT;
    if (!batch_path(b, args, 0, &to))
        return false;
    if (b->m->envelope.nto == ENVELOPE_TO_MAX)
        return bad(b->c, 0, b->d, "more than 5,000 recipients: split the mail");
    return envelope_add(&b->m->envelope, &to) || diag_memory(b->d);
}

static bool batch_data(struct batch *b, struct span args)
{
    (void)args;
    b->phase = PHASE_TEXT;
    return true;
}

static bool batch_rset(struct batch *b, struct span args)
{
    (void)args;
    envelope_free(&b->m->envelope);
    b->phase = PHASE_IDLE;
    return true;
}

/* Which is RSET too, RFC 5321 4.1.4. */
static bool batch_helo(struct batch *b, struct span args)
{
    return batch_rset(b, args);
}

static bool batch_quit(struct batch *b, struct span args)
{
    (void)args;
    b->phase = PHASE_QUIT;
    return true;
}

static bool batch_starttls(struct batch *b, struct span args)
{
    (void)args;
    return bad(b->c, 1, b->d,
               "one mail cannot demand TLS: remove STARTTLS; TLS(MUST) in the destination's ROUTE "
               "demands it for all");
}

static const struct verb {
    const char *word; /* with the colon where one belongs to it */
    unsigned phases;  /* in which it is lawful */
    bool (*take)(struct batch *b, struct span args);
} verbs[] = {
    {"HELO", PHASE_IDLE | PHASE_MAIL | PHASE_RCPT, batch_helo},
    {"EHLO", PHASE_IDLE | PHASE_MAIL | PHASE_RCPT, batch_helo},
    {"MAIL FROM:", PHASE_IDLE, batch_mail},
    {"RCPT TO:", PHASE_MAIL | PHASE_RCPT, batch_rcpt},
    {"DATA", PHASE_RCPT, batch_data},
    {"RSET", PHASE_IDLE | PHASE_MAIL | PHASE_RCPT, batch_rset},
    {"STARTTLS", PHASE_IDLE, batch_starttls},
    {"QUIT", PHASE_IDLE | PHASE_MAIL | PHASE_RCPT, batch_quit},
};

static bool verb_matches(const struct verb *v, struct span line)
{
    size_t n = strlen(v->word);

    return span_starts_nocase(line, span_of(v->word)) &&
           (v->word[n - 1] == ':' || line.n == n || line.p[n] == ' ');
}

static bool batch_command(struct batch *b)
{
    struct span line = span_trim_end(BUF_SPAN(&b->c->line));

    if (line.n > BATCH_COMMAND_MAX)
        return bad(b->c, BATCH_COMMAND_MAX + 1, b->d, "a command line has at most 510 characters");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *v = &verbs[i];
        if (!verb_matches(v, line))
            continue;
        if (!(v->phases & b->phase))
            return diag_set(b->d, b->c->reader.number, 1, "%s is out of order here", v->word);
        return v->take(b, span_from(line, strlen(v->word)));
    }
    return bad(
        b->c, 1, b->d,
        "no Batch SMTP command: HELO, EHLO, MAIL FROM:, RCPT TO:, DATA, RSET or QUIT goes here");
}

/* Card images: `<` or X'15' (NEL) in column 80 joins the next card. Its length, 0: not continued.
 */
static size_t continuation(const struct convert *c)
{
    const struct recfm *format = &c->params->recfm;
    struct span line = BUF_SPAN(&c->line);

    if (format->form != RECORD_FIXED || format->lrecl != BATCH_RECORD)
        return 0;
    if (line.n == BATCH_RECORD && line.p[line.n - 1] == '<')
        return 1;
    if (line.n == BATCH_RECORD + 1 && span_eq(span_from(line, line.n - 2), SPAN("\xC2\x85")))
        return 2;
    return 0;
}

static enum convert_result next_batch_line(struct convert *c, struct diag *d)
{
    struct buf whole = {0};
    enum convert_result r = next_line(c, d);

    for (size_t cut; r == CONVERT_MAIL && (cut = continuation(c)) > 0;) {
        buf_add(&whole, c->line.data, c->line.len - cut);
        r = next_line(c, d);
        if (r == CONVERT_END) {
            bad(c, BATCH_RECORD, d, "the last record is continued, but no record follows");
            r = CONVERT_BAD;
        }
    }
    if (r == CONVERT_MAIL && whole.len > 0) {
        buf_addspan(&whole, BUF_SPAN(&c->line));
        struct buf swap = c->line;
        c->line = whole;
        whole = swap;
    }
    if (whole.failed || c->line.failed) {
        diag_memory(d);
        r = CONVERT_BAD;
    }
    buf_free(&whole);
    return r;
}

static enum convert_result batch_text(struct batch *b)
{
    struct convert *c = b->c;
    enum convert_result r;
    bool in_header = true;

    while ((r = next_batch_line(c, b->d)) == CONVERT_MAIL) {
        struct span line = BUF_SPAN(&c->line);
        if (line.n == 1 && line.p[0] == '.')
            return finish(c, b->m, in_header, b->d);
        if (line.n > 0 && line.p[0] == '.')
            line = span_from(line, 1);
        if (!take_text(c, b->m, line, &in_header)) {
            diag_memory(b->d);
            return CONVERT_BAD;
        }
    }
    if (r == CONVERT_END)
        bad(c, 0, b->d,
            "the file ends within the text of a mail: its last record must be a period");
    return CONVERT_BAD;
}

static enum convert_result next_batched(struct convert *c, struct mail *m, struct diag *d)
{
    struct batch b = {c, m, d, PHASE_IDLE};
    enum convert_result r = CONVERT_END;

    while (b.phase != PHASE_QUIT && (r = next_batch_line(c, d)) == CONVERT_MAIL) {
        if (span_trim_end(BUF_SPAN(&c->line)).n == 0)
            continue;
        if (!batch_command(&b))
            return CONVERT_BAD;
        if (b.phase == PHASE_TEXT)
            return batch_text(&b);
    }
    if (b.phase == PHASE_QUIT)
        while ((r = next_line(c, d)) == CONVERT_MAIL)
            if (span_trim_end(BUF_SPAN(&c->line)).n > 0) {
                bad(c, 1, d, "text after QUIT: QUIT must be the last record");
                return CONVERT_BAD;
            }
    if (r == CONVERT_BAD)
        return r;
    if (b.phase & (PHASE_MAIL | PHASE_RCPT)) {
        bad(c, 0, d, "the file ends before DATA: a mail is incomplete");
        return CONVERT_BAD;
    }
    return CONVERT_END;
}

/* Is the first record a command of Batch SMTP? */
static bool is_batch(struct span line)
{
    return span_starts_nocase(line, SPAN("HELO")) || span_starts_nocase(line, SPAN("EHLO")) ||
           span_starts_nocase(line, SPAN("MAIL FROM:"));
}

enum convert_result convert_next(struct convert *c, struct mail *m, struct diag *d)
{
    enum convert_result r;

    mail_free(m);
    *d = (struct diag){0};
    if (c->reader.number == 0) {
        r = next_line(c, d);
        if (r == CONVERT_END) {
            diag_set(d, 0, 0, "the file is empty: put X-From:, X-To: and the mail into it");
            return CONVERT_BAD;
        }
        if (r == CONVERT_BAD)
            return r;
        c->have_line = true;
        c->batch = is_batch(BUF_SPAN(&c->line));
    }
    r = c->batch ? next_batched(c, m, d) : next_enveloped(c, m, d);
    if (r == CONVERT_END && c->mails == 0) {
        bad(c, 0, d, "there is no mail in this file");
        return CONVERT_BAD;
    }
    return r;
}

static bool header_complete(struct span message, const struct envelope *e)
{
    bool separator = false;
    struct span header = header_part(message, &separator);
    struct field f;

    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
        if (!header_find(header, required[i].field, &f))
            return false;
    return separator && !lacks_from(header, e);
}

bool convert_needless(const struct recfm *recfm, struct span head, struct envelope *e)
{
    struct span line, message = head;
    enum envelope_line what = ENVELOPE_FIELD;
    struct diag d = {0};

    *e = (struct envelope){0};
    for (struct span rest = head; what == ENVELOPE_FIELD && span_line(&rest, &line);) {
        what = envelope_take(e, line, &d);
        if (what == ENVELOPE_FIELD)
            message = rest;
    }
    if (recfm->form == RECORD_TEXT && recfm->control == CONTROL_NONE && what == ENVELOPE_END &&
        envelope_whole(e, &d) && e->nto == 1 && !e->asa && !e->data_record &&
        header_complete(message, e))
        return true;
    envelope_free(e);
    return false;
}
