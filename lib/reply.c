/* SMTP replies: reading them line by line, and writing them.
 *
 * A peer's reply is input like any other: code, line count and length are bounded, and no control
 * octet gets into the text. Text beyond the bounds is dropped in silence: only the code decides. */
#include "lib/reply.h"

#include <stdio.h>

#include "lib/charset.h"

enum { CODE_MIN = 200, CODE_MAX = 599, CODE_LEN = 3, LINE_MOST = REPLY_LINE_MAX - 2 };

struct enhanced {
    unsigned char class;
    unsigned short subject, detail;
};

/* Class 2, 4 or 5, as RFC 3463 has them; 0 for the classes that have no enhanced codes. */
static unsigned char class_of(unsigned code)
{
    unsigned class = code / 100;

    return class == 2 || class == 4 || class == 5 ? (unsigned char)class : 0;
}

/* A number of 1-3 digits without leading zeros. */
static bool part_number(struct span digits, unsigned short *n)
{
    uint64_t value;

    if (digits.n > 3 || (digits.n > 1 && digits.p[0] == '0') || !span_number(digits, 999, &value))
        return false;
    *n = (unsigned short)value;
    return true;
}

/* "5.1.1" that agrees with the code: RFC 2034 4 wants the same class. */
static bool enhanced_parse(struct span text, unsigned code, struct enhanced *e)
{
    struct span class, subject, detail;
    unsigned short n;

    if (!span_cut(&text, '.', &class) || !part_number(class, &n) || n == 0 || n != class_of(code))
        return false;
    if (!span_cut(&text, '.', &subject) || !part_number(subject, &e->subject))
        return false;
    if (!span_cut(&text, '.', &detail) || !part_number(detail, &e->detail) || text.p != NULL)
        return false;
    e->class = (unsigned char)n;
    return true;
}

/* Appends at most `most` octets of s: printable ASCII and UTF-8 as they are, a tab as a blank, any
 * other octet as ?. Never cuts a character in two. */
static bool add_clean(struct buf *out, struct span s, size_t most)
{
    while (s.n > 0 && most > 0) {
        uint32_t c = 0;
        size_t n = utf8_char(s, &c);
        bool shown = n > 0 && c >= 0x20 && !(c >= 0x7F && c <= 0x9F);

        if (n == 0)
            n = 1;
        if (shown && n > most)
            break;
        if (shown ? !buf_add(out, s.p, n) : !buf_addc(out, *s.p == '\t' ? ' ' : '?'))
            return false;
        most -= shown ? n : 1;
        s = span_from(s, n);
    }
    return true;
}

/* Takes the enhanced code off the text; the first line that has one gives the reply its own, and a
 * different one on a later line stays in the text. */
static struct span take_enhanced(struct reply *r, struct span text)
{
    struct enhanced e = {0};
    size_t blank = span_find(text, ' '), tab = span_find(text, '\t');
    size_t end = blank < tab ? blank : tab;

    if (!enhanced_parse((struct span){text.p, end}, r->code, &e))
        return text;
    if (r->class != 0 && (r->subject != e.subject || r->detail != e.detail))
        return text;
    r->class = e.class;
    r->subject = e.subject;
    r->detail = e.detail;
    return span_from(text, end + 1);
}

static void keep_text(struct reply *r, struct span text)
{
    if (r->lines > 1 && r->text.len < REPLY_TEXT_MAX)
        buf_addc(&r->text, '\n');
    add_clean(&r->text, text, REPLY_TEXT_MAX - r->text.len);
}

/* At most LINE_MOST octets, without the beginning of a character that the cut goes through. */
static struct span cut_line(struct span line)
{
    if (line.n <= LINE_MOST)
        return line;
    for (size_t back = 0; back <= 3; back++)
        if (((unsigned char)line.p[LINE_MOST - back] & 0xC0) != 0x80)
            return (struct span){line.p, LINE_MOST - back};
    return (struct span){line.p, LINE_MOST};
}

enum reply_result reply_line(struct reply *r, struct span line)
{
    uint64_t code;

    if (line.n < CODE_LEN || !span_number((struct span){line.p, CODE_LEN}, CODE_MAX, &code) ||
        code < CODE_MIN)
        return REPLY_MALFORMED;
    char mark = line.n > CODE_LEN ? line.p[CODE_LEN] : ' ';
    if ((mark != ' ' && mark != '-') || (r->lines > 0 && r->code != code) ||
        r->lines >= REPLY_LINES_MAX)
        return REPLY_MALFORMED;
    r->code = (unsigned short)code;
    r->lines++;
    keep_text(r, take_enhanced(r, span_from(cut_line(line), CODE_LEN + 1)));
    return mark == '-' ? REPLY_MORE : REPLY_DONE;
}

bool reply_collect_long(struct buf *held, struct span *octets, size_t most, struct span *line)
{
    size_t end = span_find(*octets, '\n');
    size_t room = most > held->len ? most - held->len : 0;
    bool whole = end < octets->n;

    buf_add(held, octets->p, end < room ? end : room);
    *octets = span_from(*octets, end + whole);
    if (held->failed || !whole)
        return false;
    *line = BUF_SPAN(held);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

bool reply_collect(struct buf *held, struct span *octets, struct span *line)
{
    return reply_collect_long(held, octets, REPLY_LINE_MAX, line);
}

void reply_clear(struct reply *r)
{
    struct buf text = r->text;

    buf_clear(&text);
    *r = (struct reply){.text = text};
}

void reply_free(struct reply *r)
{
    buf_free(&r->text);
    *r = (struct reply){0};
}

bool reply_write(struct buf *out, unsigned code, const char *enhanced, struct span text)
{
    struct enhanced e;
    struct span line;

    if (code < CODE_MIN || code > CODE_MAX)
        return false;
    if (enhanced != NULL && !enhanced_parse(span_of(enhanced), code, &e))
        return false;
    if (text.p == NULL)
        text = SPAN("");
    while (span_cut(&text, '\n', &line)) {
        size_t start = out->len;
        buf_printf(out, "%u%c", code, text.p != NULL ? '-' : ' ');
        if (enhanced != NULL)
            buf_printf(out, line.n > 0 ? "%s " : "%s", enhanced);
        if (out->failed)
            return false;
        add_clean(out, line, LINE_MOST - (out->len - start));
        buf_adds(out, "\r\n");
    }
    return !out->failed;
}

const char *reply_enhanced(const struct reply *r, char out[12])
{
    out[0] = '\0';
    if (r->class != 0)
        snprintf(out, 12, "%u.%u.%u", r->class % 10U, r->subject % 1000U, r->detail % 1000U);
    else if (class_of(r->code) != 0)
        snprintf(out, 12, "%u.0.0", class_of(r->code));
    return out;
}

void reply_words(const struct reply *r, char *out, size_t size)
{
    int n = snprintf(out, size, "%u", r->code);

    if (r->class != 0 && n > 0 && (size_t)n < size)
        n += snprintf(out + n, size - (size_t)n, " %u.%u.%u", r->class, r->subject, r->detail);
    if (n < 0 || (size_t)n >= size)
        return;
    size_t at = (size_t)n;
    if (r->text.len > 0 && at + 1 < size)
        out[at++] = ' ';
    for (size_t i = 0; i < r->text.len && at + 1 < size; i++) {
        char c = r->text.data[i];
        out[at++] = c == '\n' ? ' ' : c >= ' ' && c < 0x7F ? c : '?';
    }
    out[at] = '\0';
}
