/* See content.h. */
#include "usmtp/content.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* White space and comments; a comment that is not closed goes to the end. */
static void skip_white(struct span *s)
{
    size_t depth = 0;

    for (; s->n > 0; *s = span_from(*s, 1)) {
        if (s->p[0] == '(')
            depth++;
        else if (s->p[0] == ')' && depth > 0)
            depth--;
        else if (s->p[0] == '\\' && depth > 0)
            *s = span_from(*s, 1);
        else if (depth == 0 && !is_space(s->p[0]))
            return;
    }
}

/* A word up to white space or one of `ends`. */
static struct span take_token(struct span *s, const char *ends)
{
    struct span token = {s->p, 0};

    skip_white(s);
    token.p = s->p;
    while (token.n < s->n && !is_space(s->p[token.n]) && s->p[token.n] != '\0' &&
           strchr(ends, s->p[token.n]) == NULL)
        token.n++;
    *s = span_from(*s, token.n);
    skip_white(s);
    return token;
}

static bool take_octet(struct span *s, char octet)
{
    if (s->n == 0 || s->p[0] != octet)
        return false;
    *s = span_from(*s, 1);
    return true;
}

/* Takes a value, quoted or not, and keeps as much of it as there is room for; n says how long it
 * is. */
static void take_value(struct span *s, struct boundary *value)
{
    bool quoted;

    value->n = 0;
    skip_white(s);
    quoted = take_octet(s, '"');
    for (; s->n > 0 && (quoted ? s->p[0] != '"' : s->p[0] != ';' && !is_space(s->p[0]));
         *s = span_from(*s, 1)) {
        if (quoted && s->p[0] == '\\' && s->n > 1)
            *s = span_from(*s, 1);
        if (quoted && (s->p[0] == '\n' || s->p[0] == '\r'))
            continue; /* folded */
        if (value->n < BOUNDARY_MAX)
            value->octets[value->n] = s->p[0];
        value->n++;
    }
    if (quoted)
        take_octet(s, '"');
}

static bool usable(struct boundary *b)
{
    if (b->n > BOUNDARY_MAX)
        return false;
    while (b->n > 0 && b->octets[b->n - 1] == ' ')
        b->n--;
    for (size_t i = 0; i < b->n; i++)
        if (b->octets[i] < 0x20 || b->octets[i] > 0x7E)
            return false;
    return b->n > 0;
}

/* The value of the first parameter of that name. */
static bool find_parameter(struct span s, const char *name, struct boundary *value)
{
    while (s.n > 0) {
        if (!take_octet(&s, ';')) {
            s = span_from(s, 1); /* what does not belong there */
            continue;
        }
        struct span found = take_token(&s, "=;(");
        if (!take_octet(&s, '='))
            continue;
        take_value(&s, value);
        if (span_eq_nocase(found, span_of(name)))
            return true;
    }
    return false;
}

/* The first row that fits. */
static const struct {
    const char *type, *subtype; /* NULL: any */
    enum content_kind kind;
} kinds[] = {
    {"multipart", NULL, CONTENT_MULTIPART},
    {"message", "rfc822", CONTENT_MESSAGE},
    {"message", "global", CONTENT_MESSAGE},
    {"message", NULL, CONTENT_FIELDS},
};

void content_read(struct content *c, struct span body)
{
    struct span type = take_token(&body, "/;("), subtype;

    *c = (struct content){.kind = CONTENT_LEAF};
    if (!take_octet(&body, '/'))
        return;
    subtype = take_token(&body, ";(");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *wanted = kinds[i].subtype;
        if (!span_eq_nocase(type, span_of(kinds[i].type)) ||
            (wanted != NULL && !span_eq_nocase(subtype, span_of(wanted))))
            continue;
        c->kind = kinds[i].kind;
        break;
    }
    c->digest = span_eq_nocase(subtype, SPAN("digest"));
    if (c->kind == CONTENT_MULTIPART &&
        !(find_parameter(body, "boundary", &c->boundary) && usable(&c->boundary)))
        c->kind = CONTENT_LEAF;
}

static const struct {
    const char *name;
    enum content_encoding encoding;
} encodings[] = {
    {"", ENCODING_IDENTITY},     {"7bit", ENCODING_IDENTITY},
    {"8bit", ENCODING_IDENTITY}, {"binary", ENCODING_IDENTITY},
    {"base64", ENCODING_OTHER},  {"quoted-printable", ENCODING_QUOTED},
};

enum content_encoding content_encoding(struct span body)
{
    struct span name = take_token(&body, ";(");

    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
        if (span_eq_nocase(name, span_of(encodings[i].name)))
            return encodings[i].encoding;
    return ENCODING_OTHER;
}
