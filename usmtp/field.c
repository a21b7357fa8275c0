/* See field.h. A section is cleaned, then encoded by the rules of its field, then folded where a
 * line is still too long. Whoever sent the text is not trusted: any octet may stand anywhere,
 * quotes and brackets may stay open. */
#include "usmtp/field.h"

#include <string.h>

#include "lib/charset.h"
#include "lib/header.h"
#include "usmtp/text.h"

enum {
    BREAK_AT = 900,   /* where a line without a blank is broken */
    INDENT_MAX = 400, /* blanks a folded line may begin with */
    WORD_MAX = 75,    /* columns of an encoded word, RFC 2047 2 */
    FOLD_AT = 76,     /* columns of a line that holds one */
    ROOM_MIN = 32,    /* columns below which an encoded word is not begun on a line */
    VALUE_MAX = 60    /* columns of a parameter value, or of one section of it */
};

bool field_begins(struct span line)
{
    return header_is_field(line.n > FIELD_NAME_MAX ? (struct span){line.p, FIELD_NAME_MAX} : line);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool field_continues(struct span line)
{
    return line.n > 0 && is_blank(line.p[0]);
}

static bool is_white(char c)
{
    return is_blank(c) || c == '\n';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static struct span take(struct span *s, size_t n)
{
    struct span taken = {s->p, n};

    *s = span_from(*s, n);
    return taken;
}

static struct span take_white(struct span *s)
{
    size_t n = 0;

    while (n < s->n && is_white(s->p[n]))
        n++;
    return take(s, n);
}

/* White space as it reads once the line ends in it are undone. */
static void add_unfolded(struct buf *out, struct span white)
{
    for (size_t i = 0; i < white.n; i++)
        if (white.p[i] != '\n')
            buf_addc(out, white.p[i]);
}

/* Octets up to and with the closing quote of the string that begins at s.p[0]; all when there is
 * none. */
static size_t quoted_length(struct span s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '"')
            return i + 1;
        if (s.p[i] == '\\')
            i++;
    }
    return s.n;
}

/* The content of a quoted string that is closed. False: s is none, or something follows it. */
static bool add_unquoted(struct buf *out, struct span s)
{
    if (s.n < 2 || s.p[0] != '"' || quoted_length(s) != s.n || s.p[s.n - 1] != '"')
        return false;
    for (size_t i = 1; i < s.n - 1; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n - 1)
            i++;
        if (s.p[i] != '\n')
            buf_addc(out, s.p[i]);
    }
    return true;
}

static bool is_encoded_word(struct span s)
{
    return s.n > 6 && s.p[0] == '=' && s.p[1] == '?' && s.p[s.n - 2] == '?' && s.p[s.n - 1] == '=';
}

/* Writes the words of a field. Decoders drop the white space between two encoded words: it goes
 * into them. */
struct words {
    struct buf *out;
    size_t column;
    struct buf run;    /* decoded text of encoded words that are not written yet */
    struct span lead;  /* white space to write before them */
    bool after_word;   /* the last word was an encoded one */
    bool may_touch;    /* no white space is needed before the next one */
    unsigned comments; /* open parentheses */
};

static void put_raw(struct words *w, struct span s)
{
    const char *lf = s.n > 0 ? memrchr(s.p, '\n', s.n) : NULL;

    buf_addspan(w->out, s);
    w->column = lf != NULL ? (size_t)(s.p + s.n - lf) - 1 : w->column + s.n;
}

/* White space before something that wide; a line end first, if that makes it fit. */
static void put_white(struct words *w, struct span white, size_t width)
{
    width += white.n;
    if (white.n > 0 && w->column > 0 && width <= FOLD_AT && w->column > FOLD_AT - width &&
        span_find(white, '\n') == white.n)
        put_raw(w, SPAN("\n"));
    put_raw(w, white);
}

/* How a text becomes encoded words. */
struct coding {
    bool utf8, base64;
    struct span prefix;
};

static bool is_q_literal(char c)
{
    return is_alphanumeric(c) || is_one_of(c, "!*+-/");
}

static size_t q_width(struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += is_q_literal(s.p[i]) || s.p[i] == ' ' ? 1 : 3;
    return n;
}

static size_t base64_width(struct span s)
{
    return (s.n + 2) / 3 * 4;
}

static size_t coded_width(const struct coding *c, struct span s)
{
    return c->base64 ? base64_width(s) : q_width(s);
}

static struct coding choose_coding(struct span text)
{
    static const char *const prefixes[2][2] = {
        {"=?unknown-8bit?Q?", "=?unknown-8bit?B?"},
        {"=?UTF-8?Q?", "=?UTF-8?B?"},
    };
    struct coding c = {.utf8 = utf8_valid(text, NULL)};

    c.base64 = q_width(text) > 2 * base64_width(text); /* else people can read some of it */
    c.prefix = span_of(prefixes[c.utf8][c.base64]);
    return c;
}

static void add_q(struct buf *out, struct span s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == ' ')
            buf_addc(out, '_');
        else if (is_q_literal(s.p[i]))
            buf_addc(out, s.p[i]);
        else
            buf_add(out, (const char[]){'=', hex[c >> 4], hex[c & 15]}, 3);
    }
}

static void add_base64(struct buf *out, struct span s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < s.n ? (unsigned char)s.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_addc(out, i + k <= s.n ? digits[bits >> (18 - 6 * k) & 63] : '=');
    }
}

/* Whole characters from the front of text, as many as the room has columns for, at least one. */
static struct span fitting(const struct coding *c, struct span text, size_t room)
{
    struct span part = {text.p, 0};
    uint32_t code;

    while (part.n < text.n) {
        size_t n = c->utf8 ? utf8_char(span_from(text, part.n), &code) : 1;
        struct span longer = {text.p, part.n + (n > 0 ? n : 1)};
        if (part.n > 0 && coded_width(c, longer) > room)
            break;
        part = longer;
    }
    return part;
}

/* Writes the text that waits as encoded words. */
static void put_run(struct words *w)
{
    struct span text = BUF_SPAN(&w->run);
    struct coding c = choose_coding(text);
    size_t marks = c.prefix.n + 2; /* with the ?= at the end */

    size_t whole = marks + coded_width(&c, text);
    put_white(w, w->lead, whole <= WORD_MAX ? whole : ROOM_MIN);
    while (text.n > 0) {
        size_t room = w->column < FOLD_AT - ROOM_MIN ? FOLD_AT - w->column : ROOM_MIN;
        struct span part = fitting(&c, text, (room < WORD_MAX ? room : WORD_MAX) - marks);
        text = span_from(text, part.n);
        buf_addspan(w->out, c.prefix);
        (c.base64 ? add_base64 : add_q)(w->out, part);
        buf_adds(w->out, "?=");
        w->column += marks + coded_width(&c, part);
        if (text.n > 0)
            put_raw(w, SPAN("\n "));
    }
    w->run.len = 0;
    w->after_word = true;
    w->may_touch = false;
}

/* A word that cannot stay as it is. */
static void hold_word(struct words *w, struct span white, struct span word, bool unquote)
{
    if (w->run.len > 0) {
        add_unfolded(&w->run, white);
    } else if (w->after_word && white.n > 0) {
        add_unfolded(&w->run, white);
        w->lead = SPAN(" ");
    } else {
        w->lead = white.n > 0 || w->may_touch ? white : SPAN(" ");
    }
    if (!unquote || !add_unquoted(&w->run, word))
        add_unfolded(&w->run, word);
}

static void put_word(struct words *w, struct span white, struct span word, bool unquote)
{
    bool encoded = is_encoded_word(word);

    if (!utf8_is_ascii(word)) {
        hold_word(w, white, word, unquote);
        return;
    }
    if (w->run.len > 0) {
        if (encoded)
            add_unfolded(&w->run, white);
        put_run(w);
        if (encoded || (white.n == 0 && !span_eq(word, SPAN(")"))))
            white = SPAN(" ");
    }
    put_white(w, white, word.n);
    put_raw(w, word);
    w->after_word = encoded;
    w->may_touch = span_eq(word, SPAN("("));
}

static size_t plain_length(struct words *w, struct span s)
{
    size_t n = 0;

    (void)w;
    while (n < s.n && !is_white(s.p[n]))
        n++;
    return n;
}

/* <...> as one; one special; or what stands between them, quoted strings included. */
static size_t address_length(struct words *w, struct span s)
{
    const char *specials = w->comments > 0 ? "()" : "(),;:<>";
    size_t n = 0;

    if (s.p[0] == '<' && w->comments == 0) {
        while (n < s.n && s.p[n] != '>')
            n += s.p[n] == '"' ? quoted_length(span_from(s, n)) : 1;
        return n < s.n ? n + 1 : s.n;
    }
    if (is_one_of(s.p[0], specials)) {
        w->comments += s.p[0] == '(';
        w->comments -= s.p[0] == ')' && w->comments > 0;
        return 1;
    }
    while (n < s.n && !is_white(s.p[n]) && !is_one_of(s.p[n], specials))
        n += s.p[n] == '"' && w->comments == 0 ? quoted_length(span_from(s, n)) : 1;
    return n;
}

static void put_words(struct words *w, struct span text,
                      size_t (*length)(struct words *w, struct span s), bool unquote)
{
    while (text.n > 0) {
        struct span white = take_white(&text);
        if (text.n == 0) {
            if (w->run.len > 0)
                put_run(w);
            put_raw(w, white);
            return;
        }
        put_word(w, white, take(&text, length(w, text)), unquote);
    }
    if (w->run.len > 0)
        put_run(w);
}

static void encode_text(struct words *w, struct span body)
{
    put_words(w, body, plain_length, false);
}

static void encode_addresses(struct words *w, struct span body)
{
    put_words(w, body, address_length, true);
}

/* A parameter of MIME: name=value. */
struct parameter {
    struct span name;
    struct buf value;
};

/* False: not simply a parameter. */
static bool read_parameter(struct parameter *p, struct span s)
{
    take_white(&s);
    p->name = take(&s, span_find(s, '='));
    while (p->name.n > 0 && is_white(p->name.p[p->name.n - 1]))
        p->name.n--;
    if (p->name.n == 0 || p->name.n > VALUE_MAX || s.n == 0)
        return false;
    for (size_t i = 0; i < p->name.n; i++)
        if (!is_alphanumeric(p->name.p[i]) && !is_one_of(p->name.p[i], "-_."))
            return false;
    s = span_from(s, 1);
    take_white(&s);
    while (s.n > 0 && is_white(s.p[s.n - 1]))
        s.n--;
    if (add_unquoted(&p->value, s))
        return true;
    p->value.len = 0;
    add_unfolded(&p->value, s);
    return s.n > 0 && s.p[0] != '"' && span_find(s, '(') == s.n;
}

/* Percent-encodes from the front of *value, up to a line's worth. */
static void add_percent(struct buf *out, struct span *value)
{
    for (size_t full = out->len + VALUE_MAX; value->n > 0 && out->len < full && !out->failed;) {
        char c = take(value, 1).p[0];
        if (is_alphanumeric(c) || is_one_of(c, "!#$&+-.^_`{|}~"))
            buf_addc(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

/* Each section of the value on a line of its own; a number where there are several. */
static void put_parameter(struct words *w, const struct parameter *p)
{
    struct span value = BUF_SPAN(&p->value);
    const char *charset = utf8_valid(value, NULL) ? "UTF-8''" : "unknown-8bit''";
    struct buf section = {0};

    for (unsigned number = 0; number == 0 || value.n > 0; number++) {
        section.len = 0;
        add_percent(&section, &value);
        put_raw(w, number > 0 ? SPAN(";\n ") : SPAN("\n "));
        put_raw(w, p->name);
        if (value.n > 0 || number > 0)
            buf_printf(w->out, "*%u", number);
        buf_printf(w->out, "*=%s", number == 0 ? charset : "");
        put_raw(w, BUF_SPAN(&section));
        if (section.failed)
            break;
    }
    w->out->failed |= section.failed;
    buf_free(&section);
}

/* Octets up to the next semicolon. */
static size_t parameter_length(struct span s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] != ';')
        n += s.p[n] == '"' ? quoted_length(span_from(s, n)) : 1;
    return n;
}

static void encode_parameters(struct words *w, struct span body)
{
    while (body.n > 0) {
        struct parameter p = {.value = {0}};
        struct span one = take(&body, parameter_length(body));
        if (utf8_is_ascii(one))
            put_raw(w, one);
        else if (read_parameter(&p, one))
            put_parameter(w, &p);
        else
            encode_text(w, one);
        w->out->failed |= p.value.failed;
        buf_free(&p.value);
        if (body.n > 0)
            put_raw(w, take(&body, 1));
    }
}

enum rules { RULES_TEXT, RULES_ADDRESSES, RULES_PARAMETERS };

static void (*const encoders[])(struct words *w, struct span body) = {
    [RULES_TEXT] = encode_text,
    [RULES_ADDRESSES] = encode_addresses,
    [RULES_PARAMETERS] = encode_parameters,
};

/* All other fields are text. */
static const struct {
    const char *name;
    enum rules rules;
} structured[] = {
    {"From", RULES_ADDRESSES},
    {"Sender", RULES_ADDRESSES},
    {"Reply-To", RULES_ADDRESSES},
    {"To", RULES_ADDRESSES},
    {"Cc", RULES_ADDRESSES},
    {"Bcc", RULES_ADDRESSES},
    {"Resent-From", RULES_ADDRESSES},
    {"Resent-Sender", RULES_ADDRESSES},
    {"Resent-Reply-To", RULES_ADDRESSES},
    {"Resent-To", RULES_ADDRESSES},
    {"Resent-Cc", RULES_ADDRESSES},
    {"Resent-Bcc", RULES_ADDRESSES},
    {"Return-Path", RULES_ADDRESSES},
    {"Errors-To", RULES_ADDRESSES},
    {"Delivered-To", RULES_ADDRESSES},
    {"Apparently-To", RULES_ADDRESSES},
    {"Mail-Followup-To", RULES_ADDRESSES},
    {"Mail-Reply-To", RULES_ADDRESSES},
    {"Return-Receipt-To", RULES_ADDRESSES},
    {"Disposition-Notification-To", RULES_ADDRESSES},
    {"Content-Type", RULES_PARAMETERS},
    {"Content-Disposition", RULES_PARAMETERS},
};

static enum rules rules_of(struct span name)
{
    for (size_t i = 0; i < sizeof(structured) / sizeof(structured[0]); i++)
        if (span_eq_nocase(name, span_of(structured[i].name)))
            return structured[i].rules;
    return RULES_TEXT;
}

static void encode_section(struct field_writer *w, struct span section, bool first, struct buf *out)
{
    struct words words = {.out = out, .after_word = w->after_word, .may_touch = true};

    if (first && field_begins(section)) {
        put_raw(&words, take(&section, span_find(section, ':') + 1));
        words.may_touch = false;
    }
    encoders[w->rules](&words, section);
    w->after_word = words.after_word;
    out->failed |= words.run.failed;
    buf_free(&words.run);
}

/* Where to fold so that at most `max` octets stay on the line, with something but blanks before and
 * behind it: at the last run of blanks that allows it. 0: nowhere. */
static size_t fold_place(struct span line, size_t max)
{
    size_t indent = 0, at = max;

    while (indent < line.n && is_blank(line.p[indent]))
        indent++;
    while (at > indent && !is_blank(line.p[at]))
        at--;
    while (at > indent && is_blank(line.p[at - 1]))
        at--;
    return at > indent ? at : 0;
}

static size_t break_place(struct span line, size_t at)
{
    for (size_t back = 0; back < 3 && ((unsigned char)line.p[at] & 0xC0) == 0x80; back++)
        at--;
    return at;
}

/* A line must not be mostly blanks, or a fold would leave a line of nothing else. */
static struct span without_long_indent(struct span line)
{
    size_t indent = 0;

    while (indent < line.n && is_blank(line.p[indent]))
        indent++;
    return indent > INDENT_MAX ? span_from(line, indent - 1) : line;
}

/* One line, folded until it fits. If it is too long, white space at its end goes. */
static void fold_line(struct span line, struct buf *out)
{
    size_t blank = 0; /* written before the rest of the line */

    if (line.n > TEXT_LINE_MAX) {
        line = without_long_indent(span_trim_end(line));
        if (line.n == 0)
            return; /* an empty line would end the header */
    }
    while (line.n > TEXT_LINE_MAX - blank) {
        size_t at = fold_place(line, TEXT_LINE_MAX - blank);
        blank = at == 0;
        if (at == 0)
            at = break_place(line, BREAK_AT);
        buf_addspan(out, (struct span){line.p, at});
        buf_adds(out, blank ? "\n " : "\n");
        line = without_long_indent(span_from(line, at));
    }
    buf_addspan(out, line);
    buf_addc(out, '\n');
}

static bool is_lawful(struct span section)
{
    struct span line;

    if (section.n > 0 &&
        (memchr(section.p, '\r', section.n) != NULL || memchr(section.p, '\0', section.n) != NULL))
        return false;
    while (span_line(&section, &line))
        if (line.n > TEXT_LINE_MAX)
            return false;
    return true;
}

/* CR and NUL become blanks: encoded, they would only wait for a decoder to set them free. */
static void add_clean(struct buf *out, struct span section)
{
    size_t at = out->len;

    buf_addspan(out, section);
    for (; at < out->len; at++)
        if (out->data[at] == '\r' || out->data[at] == '\0')
            out->data[at] = ' ';
}

bool field_write(struct field_writer *w, struct span section, struct buf *out)
{
    bool first = !w->begun, encode = w->encode && !utf8_is_ascii(section);
    struct buf clean = {0}, coded = {0};
    struct span rest, line;

    if (first)
        w->rules = (unsigned char)rules_of((struct span){section.p, span_find(section, ':')});
    w->begun = true;
    w->after_word = w->after_word && encode;
    if (!encode && is_lawful(section)) {
        buf_addspan(out, section);
        return buf_addc(out, '\n');
    }
    add_clean(&clean, section);
    if (encode)
        encode_section(w, BUF_SPAN(&clean), first, &coded);
    rest = encode ? BUF_SPAN(&coded) : BUF_SPAN(&clean);
    while (span_line(&rest, &line))
        fold_line(line, out);
    out->failed |= clean.failed | coded.failed;
    buf_free(&clean);
    buf_free(&coded);
    return !out->failed;
}
