/* See html.h. */
#include "jobs/printer/html.h"

#include <string.h>
#include <unistr.h>

enum { ENTITY_MAX = 32, REPLACEMENT = 0xFFFD, NOBREAK = 0xA0 };

struct html {
    struct span in;
    struct buf *out;
    size_t start;      /* of the text in out */
    unsigned breaks;   /* line ends that the next character needs before it */
    bool blank;        /* a blank, if it is on the same line */
    unsigned pre;      /* within that many elements whose blanks count */
    struct span link;  /* where the open link leads */
    size_t link_start; /* of its text */
    bool literal;      /* a tag or comment did not end: the rest is text */
    unsigned unclosed; /* elements that are never closed: bits by row of the table */
};

/* Line ends needed so far at the end of the text. */
static unsigned ends_with_breaks(const struct html *h)
{
    unsigned n = 0;

    for (size_t at = h->out->len; at > h->start && h->out->data[at - 1] == '\n'; at--)
        n++;
    return n;
}

static void flush(struct html *h)
{
    if (h->out->len > h->start && h->breaks > 0)
        for (unsigned have = ends_with_breaks(h); have < h->breaks; have++)
            buf_addc(h->out, '\n');
    else if (h->blank && h->out->len > h->start && h->out->data[h->out->len - 1] != '\n')
        buf_addc(h->out, ' ');
    h->breaks = 0;
    h->blank = false;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void put_octet(struct html *h, char c)
{
    if (h->pre > 0 && c == '\r')
        return;
    if (is_white(c) && h->pre == 0) {
        h->blank = true;
        return;
    }
    flush(h);
    buf_addc(h->out, c);
}

static void put_text(struct html *h, struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        put_octet(h, text.p[i]);
}

static void put_code(struct html *h, uint32_t code)
{
    uint8_t octets[6];
    int n = u8_uctomb(octets, code, sizeof(octets));

    if (n < 0)
        n = u8_uctomb(octets, REPLACEMENT, sizeof(octets));
    put_text(h, (struct span){(const char *)octets, n > 0 ? (size_t)n : 0});
}

/* ISO 8859-1 from U+00A0 on, in the order of the code. */
static const char *const latin1_names[] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};

static const struct {
    const char *name;
    uint32_t code;
} entities[] = {
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},
    {"apos", '\''},     {"euro", 0x20AC},   {"hellip", 0x2026}, {"ndash", 0x2013},
    {"mdash", 0x2014},  {"lsquo", 0x2018},  {"rsquo", 0x2019},  {"sbquo", 0x201A},
    {"ldquo", 0x201C},  {"rdquo", 0x201D},  {"bdquo", 0x201E},  {"bull", 0x2022},
    {"dagger", 0x2020}, {"Dagger", 0x2021}, {"permil", 0x2030}, {"lsaquo", 0x2039},
    {"rsaquo", 0x203A}, {"trade", 0x2122},  {"minus", 0x2212},  {"le", 0x2264},
    {"ge", 0x2265},     {"ne", 0x2260},     {"larr", 0x2190},   {"uarr", 0x2191},
    {"rarr", 0x2192},   {"darr", 0x2193},   {"OElig", 0x152},   {"oelig", 0x153},
    {"Scaron", 0x160},  {"scaron", 0x161},  {"Yuml", 0x178},    {"ensp", 0x2002},
    {"emsp", 0x2003},   {"thinsp", 0x2009}, {"zwnj", 0x200C},   {"zwj", 0x200D},
    {"alpha", 0x3B1},   {"beta", 0x3B2},    {"gamma", 0x3B3},   {"delta", 0x3B4},
    {"pi", 0x3C0},      {"omega", 0x3C9},   {"Omega", 0x3A9},   {"infin", 0x221E},
    {"sum", 0x2211},    {"radic", 0x221A},  {"check", 0x2713},
};

/* What browsers take numbers 128 to 159 for: windows-1252. */
static const unsigned short windows1252[32] = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

static int digit_value(char c, unsigned base)
{
    int v = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : 99;

    return v < (int)base ? v : -1;
}

/* "#233" or "#xE9" without the ampersand. */
static bool numeric(struct span name, uint32_t *code)
{
    bool hex = name.n > 2 && (name.p[1] == 'x' || name.p[1] == 'X');
    uint32_t value = 0;
    size_t i = hex ? 2 : 1;

    if (name.n < 2)
        return false;
    for (; i < name.n; i++) {
        int v = digit_value(name.p[i], hex ? 16 : 10);
        if (v < 0)
            return false;
        value = value > 0x10FFFF ? value : value * (hex ? 16 : 10) + (uint32_t)v;
    }
    if (value >= 0x80 && value < 0xA0)
        value = windows1252[value - 0x80];
    *code = value == 0 ? REPLACEMENT : value;
    return true;
}

static bool named(struct span name, uint32_t *code)
{
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
        if (span_eq(name, span_of(entities[i].name))) {
            *code = entities[i].code;
            return true;
        }
    for (size_t i = 0; i < sizeof(latin1_names) / sizeof(latin1_names[0]); i++)
        if (span_eq(name, span_of(latin1_names[i]))) {
            *code = NOBREAK + (uint32_t)i;
            return true;
        }
    return false;
}

/* Takes an entity off the front, with its semicolon; false: the ampersand is text. */
static bool take_entity(struct span *in, uint32_t *code)
{
    size_t n = 1;

    while (n < in->n && n < ENTITY_MAX &&
           (digit_value(in->p[n], 10) >= 0 || in->p[n] == '#' ||
            (in->p[n] >= 'a' && in->p[n] <= 'z') || (in->p[n] >= 'A' && in->p[n] <= 'Z')))
        n++;
    struct span name = {in->p + 1, n - 1};
    if (name.n == 0 || n >= in->n || in->p[n] != ';')
        return false;
    if (name.p[0] == '#' ? !numeric(name, code) : !named(name, code))
        return false;
    *in = span_from(*in, n + 1);
    return true;
}

/* The text of an attribute, with its entities. */
static void put_value(struct html *h, struct span value)
{
    uint32_t code;

    while (value.n > 0) {
        if (value.p[0] == '&' && take_entity(&value, &code)) {
            put_code(h, code);
            continue;
        }
        put_octet(h, value.p[0]);
        value = span_from(value, 1);
    }
}

static size_t skip_white(struct span s, size_t at)
{
    while (at < s.n && is_white(s.p[at]))
        at++;
    return at;
}

/* One attribute from *at on; false at the end of the tag. Only behind an equals sign does a quote
 * open anything. */
static bool next_attribute(struct span tag, size_t *at, struct span *name, struct span *value)
{
    size_t i = skip_white(tag, *at), begin;

    while (i < tag.n && tag.p[i] == '/')
        i = skip_white(tag, i + 1);
    if (i >= tag.n || tag.p[i] == '>')
        return false;
    for (begin = i++; i < tag.n && !is_white(tag.p[i]) && strchr("=>/", tag.p[i]) == NULL;)
        i++;
    *name = (struct span){tag.p + begin, i - begin};
    *value = (struct span){tag.p + i, 0};
    *at = i;
    i = skip_white(tag, i);
    if (i >= tag.n || tag.p[i] != '=')
        return true;
    i = begin = skip_white(tag, i + 1);
    if (i < tag.n && (tag.p[i] == '"' || tag.p[i] == '\'')) {
        size_t end = span_find(span_from(tag, i + 1), tag.p[i]) + i + 1;
        *value = (struct span){tag.p + i + 1, end - i - 1};
        *at = end < tag.n ? end + 1 : tag.n;
        return true;
    }
    while (i < tag.n && !is_white(tag.p[i]) && tag.p[i] != '>')
        i++;
    *value = (struct span){tag.p + begin, i - begin};
    *at = i;
    return true;
}

static struct span attribute(struct span tag, const char *name)
{
    struct span found, value;
    size_t at = 0;

    while (next_attribute(tag, &at, &found, &value))
        if (span_eq_nocase(found, span_of(name)))
            return value;
    return (struct span){"", 0};
}

static void end_link(struct html *h)
{
    struct span link = span_trim(h->link), text = BUF_SPAN(h->out);

    h->link = (struct span){"", 0};
    text = span_trim(span_from(text, h->link_start));
    if (link.n == 0 || link.p[0] == '#' || span_eq(text, link))
        return;
    h->blank = true;
    put_octet(h, '<');
    put_value(h, link);
    put_octet(h, '>');
}

static void open_link(struct html *h, struct span tag)
{
    end_link(h);
    h->link = attribute(tag, "href");
    h->link_start = h->out->len;
}

static void close_link(struct html *h, struct span tag)
{
    (void)tag;
    end_link(h);
}

static void line_break(struct html *h, struct span tag)
{
    (void)tag;
    h->blank = false;
    flush(h);
    buf_addc(h->out, '\n');
}

static void rule(struct html *h, struct span tag)
{
    (void)tag;
    put_text(h, SPAN("--------"));
    h->breaks = 1;
}

static void bullet(struct html *h, struct span tag)
{
    (void)tag;
    put_text(h, SPAN("*"));
    h->blank = true;
}

static void column(struct html *h, struct span tag)
{
    (void)tag;
    h->blank = true;
}

static void image(struct html *h, struct span tag)
{
    struct span alt = span_trim(attribute(tag, "alt"));

    if (alt.n == 0)
        return;
    put_octet(h, '[');
    put_value(h, alt);
    put_octet(h, ']');
}

static void open_pre(struct html *h, struct span tag)
{
    (void)tag;
    h->pre++;
}

static void close_pre(struct html *h, struct span tag)
{
    (void)tag;
    h->pre -= h->pre > 0;
}

/* What a tag does: line ends around it, what it prints, whether its content is no text. */
static const struct element {
    const char *name;
    unsigned char breaks;
    bool skipped;
    void (*open)(struct html *h, struct span tag);
    void (*close)(struct html *h, struct span tag);
} elements[] = {
    {"script", 0, true, NULL, NULL},
    {"style", 0, true, NULL, NULL},
    {"title", 0, true, NULL, NULL},
    {"template", 0, true, NULL, NULL},
    {"a", 0, false, open_link, close_link},
    {"br", 0, false, line_break, line_break},
    {"img", 0, false, image, NULL},
    {"hr", 1, false, rule, NULL},
    {"li", 1, false, bullet, NULL},
    {"td", 0, false, column, column},
    {"th", 0, false, column, column},
    {"pre", 2, false, open_pre, close_pre},
    {"p", 2, false, NULL, NULL},
    {"h1", 2, false, NULL, NULL},
    {"h2", 2, false, NULL, NULL},
    {"h3", 2, false, NULL, NULL},
    {"h4", 2, false, NULL, NULL},
    {"h5", 2, false, NULL, NULL},
    {"h6", 2, false, NULL, NULL},
    {"ul", 2, false, NULL, NULL},
    {"ol", 2, false, NULL, NULL},
    {"table", 2, false, NULL, NULL},
    {"blockquote", 2, false, NULL, NULL},
    {"div", 1, false, NULL, NULL},
    {"tr", 1, false, NULL, NULL},
    {"dt", 1, false, NULL, NULL},
    {"dd", 1, false, NULL, NULL},
    {"section", 1, false, NULL, NULL},
    {"article", 1, false, NULL, NULL},
    {"header", 1, false, NULL, NULL},
    {"footer", 1, false, NULL, NULL},
    {"center", 1, false, NULL, NULL},
    {"form", 1, false, NULL, NULL},
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const struct element *find_element(struct span name)
{
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
        if (span_eq_nocase(name, span_of(elements[i].name)))
            return &elements[i];
    return NULL;
}

/* Passes over the content of an element up to its closing tag, if it has one. */
static void skip_content(struct html *h, const struct element *e)
{
    unsigned bit = 1U << (e - elements);
    struct span name = span_of(e->name), rest = h->in;

    if (h->unclosed & bit)
        return;
    for (size_t at; (at = span_find(rest, '<')) < rest.n; rest = span_from(rest, at + 1)) {
        struct span after = span_from(rest, at + 1);
        if (after.n > name.n && after.p[0] == '/' &&
            span_starts_nocase(span_from(after, 1), name)) {
            h->in = span_from(rest, at);
            return;
        }
    }
    h->unclosed |= bit;
}

/* Takes a comment or declaration off the front; false: it does not end. A comment ends where
 * browsers say: `<!-->` is one, and `--!>` ends one. */
static bool take_comment(struct html *h)
{
    bool comment = span_starts_nocase(h->in, SPAN("<!--"));
    struct span rest = span_from(h->in, 2);

    for (size_t at; (at = span_find(rest, '>')) < rest.n; rest = span_from(rest, at + 1)) {
        const char *end = rest.p + at, *from = h->in.p + 2;
        if (comment && !(end - from >= 2 && memcmp(end - 2, "--", 2) == 0) &&
            !(end - from >= 5 && memcmp(end - 3, "--!", 3) == 0))
            continue;
        h->in = span_from(rest, at + 1);
        return true;
    }
    return false;
}

/* Takes a tag off the front; false: it does not end. */
static bool take_tag(struct html *h)
{
    bool closing = h->in.p[1] == '/';
    struct span tag = span_from(h->in, closing ? 2 : 1), name = {tag.p, 0}, unused;
    size_t at;

    while (name.n < tag.n && !is_white(tag.p[name.n]) && tag.p[name.n] != '>' &&
           tag.p[name.n] != '/')
        name.n++;
    for (at = name.n; next_attribute(tag, &at, &unused, &unused);)
        ;
    at += span_find(span_from(tag, at), '>');
    if (at >= tag.n)
        return false;
    h->in = span_from(tag, at + 1);
    const struct element *e = find_element(name);
    if (e == NULL)
        return true;
    if (e->breaks > h->breaks)
        h->breaks = e->breaks;
    void (*act)(struct html *, struct span) = closing ? e->close : e->open;
    if (act != NULL)
        act(h, (struct span){tag.p + name.n, at - name.n});
    if (e->skipped && !closing)
        skip_content(h, e);
    return true;
}

/* Takes what begins with `<` off the front; false: the character is text. */
static bool take_markup(struct html *h)
{
    char second = h->in.n > 1 ? h->in.p[1] : ' ';
    bool good;

    if (h->literal)
        return false;
    if (second == '!' || second == '?')
        good = take_comment(h);
    else if (is_letter(second) || (second == '/' && h->in.n > 2 && is_letter(h->in.p[2])))
        good = take_tag(h);
    else
        return false;
    h->literal = !good;
    return good;
}

bool html_text(struct span html, struct buf *out)
{
    struct html h = {.in = html, .out = out, .start = out->len, .link = {"", 0}};
    uint32_t code;

    while (h.in.n > 0) {
        char c = h.in.p[0];
        if (c == '<' && take_markup(&h))
            continue;
        if (c == '&' && take_entity(&h.in, &code)) {
            put_code(&h, code);
            continue;
        }
        put_octet(&h, c);
        h.in = span_from(h.in, 1);
    }
    end_link(&h);
    if (out->len > h.start && !out->failed && out->data[out->len - 1] != '\n')
        buf_addc(out, '\n');
    return !out->failed;
}
