/* See dialogue.h. Each phase is a row of a table: its prompt, and what takes a line in it. */
#include "sndmsg/dialogue.h"

#include <string.h>

#include "lib/charset.h"
#include "sndmsg/cleartext.h"

enum {
    MARK_INDENT = 4,
    MARK_BEFORE = 40, /* octets of a refused line that are shown before the place */
    MARK_AFTER = 24,
    SHOW_COLUMNS = 72
};

#define CONTINUED "    "
#define EXPLANATION                                                                                \
    "Enter message text, followed by empty line. Use \\x to cancel last line, or \\t to display "  \
    "msg.\n"

void dialogue_begin(struct dialogue *d, const struct resolver *resolver)
{
    *d = (struct dialogue){.resolver = resolver};
}

void dialogue_free(struct dialogue *d)
{
    recipients_free(&d->recipients);
    buf_free(&d->subject);
    buf_free(&d->out);
    buf_free(&d->line);
    buf_free(&d->operand);
    dialogue_begin(d, NULL);
}

bool dialogue_time(struct buf *out, const struct tm *local)
{
    static const char day[7][4] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
    static const char month[12][4] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
    const char *zone = local->tm_zone != NULL ? local->tm_zone : "";

    buf_printf(out, "%s, %02d %s %02d %02d:%02d:%02d ", day[local->tm_wday % 7], local->tm_mday,
               month[local->tm_mon % 12], (local->tm_year % 100 + 100) % 100, local->tm_hour,
               local->tm_min, local->tm_sec);
    return utf8_safe(span_of(zone), out);
}

bool dialogue_herald(struct buf *out, const struct tm *local)
{
    return buf_adds(out, "**SNDMSG ** ") && dialogue_time(out, local) && buf_addc(out, '\n');
}

static bool inside_character(struct span line, size_t at)
{
    return at < line.n && ((unsigned char)line.p[at] & 0xC0) == 0x80;
}

/* Types the refused line again, a caret under the place, and why. `at` is an octet of the line. */
static enum dialogue_action refuse(struct dialogue *d, struct span line, size_t at, const char *why)
{
    size_t from = at > MARK_BEFORE ? at - MARK_BEFORE : 0;
    size_t to = line.n - at > MARK_AFTER ? at + MARK_AFTER : line.n;
    struct buf before = {0};

    while (inside_character(line, from) && from < at)
        from++;
    while (inside_character(line, to))
        to++;
    utf8_safe((struct span){line.p + from, at - from}, &before);
    size_t columns = utf8_width(BUF_SPAN(&before)) + (from > 0 ? 3 : 0);
    buf_fill(&d->out, ' ', MARK_INDENT);
    buf_adds(&d->out, from > 0 ? "..." : "");
    buf_addspan(&d->out, BUF_SPAN(&before));
    utf8_safe((struct span){line.p + at, to - at}, &d->out);
    buf_adds(&d->out, to < line.n ? "...\n" : "\n");
    buf_fill(&d->out, ' ', MARK_INDENT + columns);
    buf_adds(&d->out, "^ ");
    utf8_safe(span_of(why), &d->out);
    buf_addc(&d->out, '\n');
    buf_free(&before);
    d->refused = true;
    return DIALOGUE_ASK;
}

/* A line that memory is too short for is never taken in part, nor left out of what follows. */
static enum dialogue_action fail(struct dialogue *d)
{
    buf_adds(&d->out, "(memory is short)\n");
    d->failed = true;
    return DIALOGUE_ASK;
}

static const struct {
    const char *word;
    enum recipient_field field;
} fields[] = {
    {"To:", RECIPIENT_TO},
    {"Cc:", RECIPIENT_CC},
    {"Bcc:", RECIPIENT_BCC},
    {"Reply-To:", RECIPIENT_REPLY_TO},
};

/* Takes the name of a field off the front of the line, if it begins with one. */
static enum recipient_field take_field(struct span *line, enum recipient_field own)
{
    struct span s = span_trim(*line);

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (span_starts_nocase(s, span_of(fields[i].word))) {
            *line = span_from(s, strlen(fields[i].word));
            return fields[i].field;
        }
    return own;
}

/* A line of addresses at a prompt for `own`. True when the list of that prompt is whole. */
static bool take_addresses(struct dialogue *d, struct span line, enum recipient_field own)
{
    struct span addresses = line;
    struct diag fault = {0};

    if (!d->more)
        d->field = take_field(&addresses, own);
    enum recipients_result r =
        recipients_take(&d->recipients, d->field, addresses, d->resolver, &fault);
    if (fault.memory) {
        fail(d);
        return false;
    }
    if (r != RECIPIENTS_GOOD && r != RECIPIENTS_MORE) {
        size_t skipped = (size_t)(addresses.p - line.p);
        size_t at = skipped + (fault.column > 0 ? fault.column - 1 : 0);
        refuse(d, line, at < line.n ? at : line.n, fault.text);
        return false;
    }
    d->more = r == RECIPIENTS_MORE;
    return !d->more && d->field == own;
}

static enum dialogue_action take_to(struct dialogue *d, struct span line)
{
    if (!take_addresses(d, line, RECIPIENT_TO))
        return DIALOGUE_ASK;
    if (recipients_in(&d->recipients, RECIPIENT_TO) +
            recipients_in(&d->recipients, RECIPIENT_BCC) ==
        0)
        return refuse(d, line, line.n, "type at least one address, such as user@example.org");
    d->phase = DIALOGUE_CC;
    return DIALOGUE_ASK;
}

static enum dialogue_action take_cc(struct dialogue *d, struct span line)
{
    if (take_addresses(d, line, RECIPIENT_CC))
        d->phase = DIALOGUE_SUBJECT;
    return DIALOGUE_ASK;
}

static enum dialogue_action take_subject(struct dialogue *d, struct span line)
{
    struct span subject = span_trim(line);
    size_t fault = cleartext_fault(line, true);
    char what[64];

    if (fault < line.n) {
        cleartext_describe(span_from(line, fault), what, sizeof(what));
        return refuse(d, line, fault, what);
    }
    if (subject.n > DIALOGUE_SUBJECT_MAX)
        return refuse(d, line, DIALOGUE_SUBJECT_MAX, "a subject has at most 1,000 octets");
    for (size_t i = 0; i < subject.n; i++)
        buf_addc(&d->subject, subject.p[i] == '\t' ? ' ' : subject.p[i]);
    if (d->subject.failed)
        return fail(d);
    buf_adds(&d->out, EXPLANATION);
    d->phase = DIALOGUE_TEXT;
    return DIALOGUE_ASK;
}

static enum dialogue_action add_text(struct dialogue *d, struct span line)
{
    struct cleartext_loss loss;

    if (!cleartext_clean(line, &d->operand, &loss))
        return fail(d);
    if (loss.dropped > 0)
        buf_printf(&d->out, "(%zu control character%s dropped)\n", loss.dropped,
                   loss.dropped == 1 ? "" : "s");
    if (loss.replaced > 0)
        buf_printf(&d->out, "(%zu octet%s no UTF-8: replaced by U+FFFD)\n", loss.replaced,
                   loss.replaced == 1 ? " is" : "s are");
    return DIALOGUE_ADD;
}

static const struct {
    const char *prefix;
    enum dialogue_action action;
    const char *missing;
} files[] = {
    {".f=", DIALOGUE_INCLUDE, "name a data set or a path behind .f="},
    {".a=", DIALOGUE_ATTACH, "name a path behind .a="},
};

static const struct {
    const char *line;
    enum dialogue_action action;
} escapes[] = {
    {"\\x", DIALOGUE_CANCEL},
    {"\\t", DIALOGUE_SHOW},
};

static enum dialogue_action take_text(struct dialogue *d, struct span line)
{
    struct span trimmed = span_trim_end(line);

    if (line.n == 0) {
        d->phase = DIALOGUE_OVER;
        return DIALOGUE_SEND;
    }
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
        if (span_eq_nocase(trimmed, span_of(escapes[i].line)))
            return escapes[i].action;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct span prefix = span_of(files[i].prefix);
        if (!span_starts_nocase(line, prefix))
            continue;
        struct span name = span_trim(span_from(line, prefix.n));
        if (name.n == 0)
            return refuse(d, line, line.n, files[i].missing);
        return buf_addspan(&d->operand, name) ? files[i].action : fail(d);
    }
    return add_text(d, line);
}

static const struct {
    const char *prompt;
    enum dialogue_action (*take)(struct dialogue *d, struct span line);
} phases[] = {
    [DIALOGUE_TO] = {"To: ", take_to},
    [DIALOGUE_CC] = {"CC: ", take_cc},
    [DIALOGUE_SUBJECT] = {"Subject: ", take_subject},
    [DIALOGUE_TEXT] = {"", take_text},
};

const char *dialogue_prompt(const struct dialogue *d)
{
    if (d->phase == DIALOGUE_OVER)
        return "";
    return d->more ? CONTINUED : phases[d->phase].prompt;
}

enum dialogue_action dialogue_line(struct dialogue *d, struct span line, bool pasted)
{
    d->refused = false;
    buf_clear(&d->line);
    buf_clear(&d->operand);
    if (d->phase == DIALOGUE_OVER)
        return DIALOGUE_ASK;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    cleartext_unmark(line, &d->line);
    buf_str(&d->line); /* an empty line has an address as well, for the places in it */
    if (d->line.failed)
        return fail(d);
    if (pasted && d->phase == DIALOGUE_TEXT)
        return add_text(d, BUF_SPAN(&d->line));
    return phases[d->phase].take(d, BUF_SPAN(&d->line));
}

static void show_list(const struct recipients *r, enum recipient_field field, const char *word,
                      struct buf *out)
{
    size_t column = strlen(word), shown = 0;

    for (size_t i = 0; i < r->count; i++) {
        const struct recipient *one = &r->list[i];
        struct buf text = {0};
        if (one->field != field)
            continue;
        if (one->name != NULL) {
            utf8_safe(span_of(one->name), &text);
            buf_addc(&text, ' ');
            address_write(&text, &one->address);
        } else {
            utf8_safe(span_of(one->address.text), &text);
        }
        size_t width = utf8_width(BUF_SPAN(&text));
        bool fold = shown > 0 && column + width + 3 > SHOW_COLUMNS;
        buf_adds(out, shown == 0 ? word : fold ? ",\n   " : ",");
        buf_addc(out, ' ');
        buf_addspan(out, BUF_SPAN(&text));
        column = (fold ? 4 : column + 2) + width;
        shown++;
        buf_free(&text);
    }
    if (shown > 0)
        buf_addc(out, '\n');
}

bool dialogue_show(const struct dialogue *d, struct buf *out)
{
    show_list(&d->recipients, RECIPIENT_TO, "To:", out);
    show_list(&d->recipients, RECIPIENT_CC, "CC:", out);
    show_list(&d->recipients, RECIPIENT_BCC, "Bcc:", out);
    show_list(&d->recipients, RECIPIENT_REPLY_TO, "Reply-To:", out);
    buf_adds(out, "Subject: ");
    utf8_safe(BUF_SPAN(&d->subject), out);
    return buf_adds(out, "\n\n");
}

bool dialogue_result(struct buf *out, const struct address *to, const char *why)
{
    buf_adds(out, "-->");
    utf8_safe(span_of(to->text), out);
    if (why == NULL)
        return buf_adds(out, " SPOOLED\n");
    buf_adds(out, " NOT SPOOLED: ");
    return utf8_safe(span_of(why), out) && buf_addc(out, '\n');
}
