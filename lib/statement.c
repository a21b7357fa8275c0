/* Configuration members: statements, keywords, values.
 *
 * Reads what a person wrote, so each error names line, column, what is there and how to mend it. On
 * an error nothing is kept. Memory grows with the text and with nothing else. */
#include "lib/statement.h"

#include <stdlib.h>
#include <string.h>

/* Where we read: the member line by line, and a place in the line. */
struct scan {
    struct span line; /* the whole line, without its end */
    size_t at;        /* index of the next octet */
    size_t number;    /* of the line, from 1 */
    struct diag *d;
};

#define FAIL(s, at, ...) diag_set((s)->d, (s)->number, (at) + 1, __VA_ARGS__)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7F;
}

static bool is_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '#' ||
           c == '@' || c == '$';
}

static bool at_end(const struct scan *s)
{
    return s->at >= s->line.n;
}

static char peek(const struct scan *s)
{
    return at_end(s) ? '\0' : s->line.p[s->at];
}

static void skip_blanks(struct scan *s)
{
    while (!at_end(s) && is_blank(peek(s)))
        s->at++;
}

static bool no_memory(struct scan *s)
{
    return FAIL(s, s->at, "memory is short: the member is too large for this process");
}

/* The array with room for one more element: it doubles at powers of two. NULL when memory is short,
 * and the array is as it was. */
static void *grow(void *array, size_t used, size_t size)
{
    bool full = (used & (used - 1)) == 0;

    return full ? reallocarray(array, used ? used * 2 : 1, size) : array;
}

static struct span take_name(struct scan *s)
{
    size_t from = s->at;

    while (!at_end(s) && is_name(peek(s)))
        s->at++;
    return (struct span){s->line.p + from, s->at - from};
}

/* Says that an octet cannot stand where a name must. */
static bool bad_octet(struct scan *s, const char *where)
{
    unsigned char c = (unsigned char)peek(s);

    if (is_control(peek(s)) || c >= 0x80)
        return FAIL(s, s->at, "octet X'%02X' in %s: a name is letters, digits, # @ $", c, where);
    return FAIL(s, s->at, "'%c' in %s: a name is letters, digits, # @ $", c, where);
}

/* A value in apostrophes, from the first one; two stand for one. */
static bool take_quoted(struct scan *s, struct buf *value)
{
    size_t from = s->at++;

    for (; !at_end(s); s->at++) {
        if (is_control(peek(s)))
            return FAIL(s, s->at, "control octet X'%02X' in a value: take it out",
                        (unsigned char)peek(s));
        if (peek(s) == '\'') {
            s->at++;
            if (at_end(s) || peek(s) != '\'')
                return true;
        }
        buf_addc(value, peek(s));
    }
    return FAIL(s, from, "the apostrophe is not closed on this line: put one behind the value");
}

static bool take_plain(struct scan *s, struct buf *value)
{
    for (; !at_end(s) && peek(s) != ')' && !is_blank(peek(s)); s->at++) {
        if (is_control(peek(s)))
            return FAIL(s, s->at, "control octet X'%02X' in a value: take it out",
                        (unsigned char)peek(s));
        if (peek(s) == '(' || peek(s) == '\'')
            return FAIL(s, s->at,
                        "'%c' in a value: is a ) missing before it? If not, put the value in "
                        "apostrophes",
                        peek(s));
        buf_addc(value, peek(s));
    }
    return true;
}

/* Blanks, and the parenthesis that closes the value; the other one stands at `open`. */
static bool take_close(struct scan *s, size_t open)
{
    skip_blanks(s);
    if (at_end(s))
        return FAIL(s, open, "the parenthesis is not closed on this line: put ) behind the value");
    if (peek(s) != ')')
        return FAIL(s, s->at, "')' expected: put a value that holds a blank in apostrophes");
    s->at++;
    return true;
}

/* The value of k, from the opening parenthesis to the closing one. */
static bool take_value(struct scan *s, struct keyword *k)
{
    struct buf value = {0};
    size_t open = s->at++;

    skip_blanks(s);
    k->value_line = s->number;
    k->value_column = s->at + 1;
    bool good = peek(s) == '\'' ? take_quoted(s, &value) : take_plain(s, &value);
    if (good && take_close(s, open)) {
        buf_str(&value);
        if (!value.failed) {
            k->value = value.data;
            return true;
        }
        no_memory(s);
    }
    buf_free(&value);
    return false;
}

static bool take_keyword(struct scan *s, struct statement *st)
{
    struct keyword k = {.line = s->number, .column = s->at + 1};

    k.name = take_name(s);
    if (k.name.n == 0 && peek(s) == '(')
        return FAIL(s, s->at, "'(' without a keyword: write KEYWORD(value), no blank before the (");
    if (k.name.n == 0)
        return bad_octet(s, "a keyword");
    if (peek(s) == '(') {
        if (!take_value(s, &k))
            return false;
        if (!at_end(s) && !is_blank(peek(s))) {
            free(k.value);
            return FAIL(s, s->at, "text right behind ')': put a blank between keywords");
        }
    } else if (!at_end(s) && !is_blank(peek(s))) {
        return bad_octet(s, "a keyword");
    }
    struct keyword *more = grow(st->keyword, st->keywords, sizeof(k));
    if (more == NULL) {
        free(k.value);
        return no_memory(s);
    }
    st->keyword = more;
    st->keyword[st->keywords++] = k;
    return true;
}

/* The keywords of one line, up to its end or its comment. s stands on a blank or at the end. */
static bool take_keywords(struct scan *s, struct statement *st)
{
    for (skip_blanks(s); !at_end(s) && peek(s) != '*'; skip_blanks(s))
        if (!take_keyword(s, st))
            return false;
    return true;
}

/* A line that begins in column 1. */
static bool take_statement(struct scan *s, struct statement_list *list)
{
    struct statement st = {.line = s->number, .column = 1};

    st.name = take_name(s);
    if (st.name.n > 0 && peek(s) == '(')
        return FAIL(s, 0, "a keyword in column 1, where a statement begins: indent the line");
    if (st.name.n == 0 || (!at_end(s) && !is_blank(peek(s))))
        return bad_octet(s, "the name of a statement");
    struct statement *more = grow(list->statement, list->statements, sizeof(st));
    if (more == NULL)
        return no_memory(s);
    list->statement = more;
    list->statement[list->statements++] = st;
    return true;
}

static bool take_line(struct scan *s, struct statement_list *list)
{
    if (peek(s) == '*')
        return true;
    if (!is_blank(peek(s)) && !take_statement(s, list))
        return false;
    skip_blanks(s);
    if (at_end(s) || peek(s) == '*')
        return true;
    if (list->statements == 0)
        return FAIL(s, s->at,
                    "an indented line before the first statement: begin a statement in column 1");
    return take_keywords(s, &list->statement[list->statements - 1]);
}

bool statement_parse(struct span text, struct statement_list *out, struct diag *d)
{
    struct scan s = {.d = d};

    *out = (struct statement_list){0};
    while (span_line(&text, &s.line)) {
        s.number++;
        s.at = 0;
        if (s.line.n > 0 && s.line.p[s.line.n - 1] == '\r')
            s.line.n--;
        s.line = span_trim_end(s.line);
        if (s.line.n > 0 && !take_line(&s, out)) {
            statement_free(out);
            return false;
        }
    }
    return true;
}

void statement_free(struct statement_list *list)
{
    for (size_t i = 0; i < list->statements; i++) {
        for (size_t k = 0; k < list->statement[i].keywords; k++)
            free(list->statement[i].keyword[k].value);
        free(list->statement[i].keyword);
    }
    free(list->statement);
    *list = (struct statement_list){0};
}

struct unit {
    char letter;
    uint32_t factor;
};

/* Digits, and at most one letter of a unit behind them. */
static bool value_with_unit(const char *text, const struct unit *unit, size_t units, uint64_t max,
                            uint64_t *value)
{
    struct span digits = span_of(text);
    uint64_t factor = 1, n;

    for (size_t i = 0; i < units && digits.n > 0; i++) {
        if (span_eq_nocase((struct span){digits.p + digits.n - 1, 1},
                           (struct span){&unit[i].letter, 1})) {
            factor = unit[i].factor;
            digits.n--;
            break;
        }
    }
    if (!span_number(digits, max / factor, &n))
        return false;
    *value = n * factor;
    return true;
}

bool value_size(const char *text, uint64_t max, uint64_t *octets)
{
    static const struct unit unit[] = {{'K', 1U << 10}, {'M', 1U << 20}, {'G', 1U << 30}};

    return value_with_unit(text, unit, sizeof(unit) / sizeof(unit[0]), max, octets);
}

bool value_time(const char *text, uint64_t max, uint64_t *seconds)
{
    static const struct unit unit[] = {{'S', 1}, {'M', 60}, {'H', 3600}, {'D', 86400}};

    return value_with_unit(text, unit, sizeof(unit) / sizeof(unit[0]), max, seconds);
}

enum { WORD_MAX = 32, NEAR_MAX = 2 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Edit distance without regard to case (Wagner and Fischer); both words are at most WORD_MAX long.
 */
static size_t distance(struct span a, struct span b)
{
    size_t row[WORD_MAX + 1];

    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            struct span ca = {a.p + i - 1, 1}, cb = {b.p + j - 1, 1};
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + !span_eq_nocase(ca, cb));
            diagonal = above;
        }
    }
    return row[b.n];
}

const char *nearest_word(struct span word, const char *const *words, size_t n)
{
    size_t best = NEAR_MAX + 1;
    const char *found = NULL;

    if (word.n > WORD_MAX)
        return NULL;
    if (best > word.n)
        best = word.n;
    for (size_t i = 0; i < n; i++) {
        struct span candidate = span_of(words[i]);
        size_t far = candidate.n > WORD_MAX ? best : distance(word, candidate);
        if (far < best) {
            best = far;
            found = words[i];
        }
    }
    return found;
}
