/* See official.h. */
#include "usmtp/official.h"

#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line of hosts(5); a # begins a comment. */
static bool next_word(struct span *line, struct span *word)
{
    size_t n = 0;

    while (line->n > 0 && is_blank(line->p[0]))
        *line = span_from(*line, 1);
    while (n < line->n && !is_blank(line->p[n]) && line->p[n] != '#')
        n++;
    *word = (struct span){line->p, n};
    *line = span_from(*line, n);
    return n > 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int compare(struct span a, struct span b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return lower(a.p[i]) < lower(b.p[i]) ? -1 : 1;
    return a.n < b.n ? -1 : a.n > b.n;
}

/* By nickname, and the first of the file first: the texts lie in its order. */
static int by_nickname(const void *a, const void *b)
{
    const struct official_name *x = a, *y = b;
    int c = compare(span_of(x->nickname), span_of(y->nickname));

    return c != 0 ? c : x->nickname < y->nickname ? -1 : x->nickname > y->nickname;
}

static char *keep(char **end, struct span word)
{
    char *at = *end;

    memcpy(at, word.p, word.n);
    at[word.n] = '\0';
    *end += word.n + 1;
    return at;
}

static bool add_row(struct official_names *names, size_t *cap, const char *nickname,
                    const char *official)
{
    if (names->rows == *cap) {
        size_t more = *cap == 0 ? 16 : *cap * 2;
        void *grown = reallocarray(names->row, more, sizeof(*names->row));
        if (grown == NULL)
            return false;
        names->row = grown;
        *cap = more;
    }
    names->row[names->rows++] = (struct official_name){nickname, official};
    return true;
}

static bool read_line(struct official_names *names, size_t *cap, char **end, struct span line)
{
    struct span address, official, word;
    const char *kept = NULL;

    if (!next_word(&line, &address) || !next_word(&line, &official) ||
        span_find(official, '.') == official.n || !domain_valid(official, false))
        return true;
    while (next_word(&line, &word)) {
        if (span_find(word, '.') < word.n || !domain_valid(word, false) ||
            span_eq_nocase(word, SPAN("localhost")))
            continue;
        if (kept == NULL)
            kept = keep(end, official);
        if (!add_row(names, cap, keep(end, word), kept))
            return false;
    }
    return true;
}

bool official_read(struct official_names *names, struct span text)
{
    struct span line;
    size_t cap = 0;

    *names = (struct official_names){0};
    /* Each word stands behind a blank, so that there is room for its NUL. */
    char *end = names->text = malloc(text.n + 1);
    if (end == NULL)
        return false;
    while (span_line(&text, &line))
        if (!read_line(names, &cap, &end, line)) {
            official_free(names);
            return false;
        }
    if (names->rows > 0)
        qsort(names->row, names->rows, sizeof(*names->row), by_nickname);
    return true;
}

void official_free(struct official_names *names)
{
    free(names->row);
    free(names->text);
    *names = (struct official_names){0};
}

const char *official_find(const struct official_names *names, struct span name)
{
    size_t low = 0, high = names->rows;

    while (low < high) { /* the first that is not before it */
        size_t middle = low + (high - low) / 2;
        if (compare(span_of(names->row[middle].nickname), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < names->rows && compare(span_of(names->row[low].nickname), name) == 0
               ? names->row[low].official
               : NULL;
}

void official_address(const struct official_names *names, struct address *a)
{
    const char *official = official_find(names, address_domain(a));
    size_t at = a->at + 1U, n = official == NULL ? 0 : strlen(official);

    if (n == 0 || at + n > ADDRESS_TEXT_MAX)
        return;
    memcpy(a->text + at, official, n + 1);
}

/* The fields whose names of hosts are replaced. */
static bool has_addresses(struct span field)
{
    static const char *const names[] = {"From", "Sender", "Reply-To", "To", "Cc", "Bcc"};
    struct span name = span_trim_end((struct span){field.p, span_find(field, ':')});

    if (span_starts_nocase(name, SPAN("Resent-")))
        name = span_from(name, 7);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (span_eq_nocase(name, span_of(names[i])))
            return true;
    return false;
}

static bool in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || (unsigned char)c >= 0x80;
}

/* One octet outside of names: quoted strings and comments hold no addresses. */
static void step(struct official_header *h, struct span s, size_t *i)
{
    char c = s.p[*i];

    if (c == '\\' && (h->quoted || h->comment > 0) && *i + 1 < s.n)
        ++*i;
    else if (c == '"' && h->comment == 0)
        h->quoted = !h->quoted;
    else if (c == '(' && !h->quoted && h->comment < UINT32_MAX)
        h->comment++;
    else if (c == ')' && !h->quoted && h->comment > 0)
        h->comment--;
    if (!h->quoted && h->comment == 0 && !is_blank(c) && c != ')')
        h->after_at = c == '@';
}

/* A line of an address field, from octet `from` on. */
static void replace(struct official_header *h, const struct official_names *names, size_t from,
                    struct buf *out)
{
    struct span s = {h->line, h->length};
    size_t length = s.n, copied = 0;

    for (size_t i = from; i < s.n; i++) {
        size_t n = 0;
        while (h->after_at && !h->quoted && h->comment == 0 && i + n < s.n && in_name(s.p[i + n]))
            n++;
        if (n == 0) {
            step(h, s, &i);
            continue;
        }
        const char *official = official_find(names, (struct span){s.p + i, n});
        h->after_at = false;
        if (official != NULL && length - n + strlen(official) <= OFFICIAL_LINE_MAX) {
            length += strlen(official) - n;
            buf_add(out, s.p + copied, i - copied);
            buf_adds(out, official);
            copied = i + n;
        }
        i += n - 1;
    }
    buf_add(out, s.p + copied, s.n - copied);
}

/* A whole line without its LF. */
static void take_line(struct official_header *h, const struct official_names *names,
                      struct buf *out)
{
    struct span s = {h->line, h->length};
    size_t from = h->asa && s.n > 0 ? 1 : 0;
    struct span text = span_from(s, from);

    if (text.n == 0 || span_eq(text, SPAN("\r"))) {
        h->over = true;
    } else if (!is_blank(text.p[0])) {
        h->in_field = span_find(text, ':') < text.n;
        h->addresses = h->in_field && has_addresses(text);
        h->quoted = h->after_at = false;
        h->comment = 0;
        h->over = !h->in_field;
        from += h->in_field ? span_find(text, ':') : 0;
    }
    if (h->addresses && !h->over)
        replace(h, names, from, out);
    else
        buf_addspan(out, s);
    h->length = 0;
}

/* What of a line is too long to be held goes as it is, and with it the rest of its field. */
static void pass_long(struct official_header *h, struct buf *out)
{
    if (!h->too_long && h->length > 0 && !is_blank(h->line[h->asa ? 1 : 0]))
        h->over = span_find((struct span){h->line, h->length}, ':') == h->length;
    buf_add(out, h->line, h->length);
    h->length = 0;
    h->addresses = false;
    h->too_long = true;
}

static void end_line(struct official_header *h, const struct official_names *names, struct buf *out)
{
    if (h->too_long)
        buf_add(out, h->line, h->length);
    else
        take_line(h, names, out);
    h->length = 0;
    h->too_long = false;
}

bool official_feed(struct official_header *h, const struct official_names *names,
                   struct span *chunk, struct buf *out)
{
    if (chunk->n == 0 && h->length > 0)
        end_line(h, names, out);
    while (!h->over && chunk->n > 0) {
        size_t n = span_find(*chunk, '\n');
        if (n > 0 && h->length == sizeof(h->line)) {
            pass_long(h, out);
            continue;
        }
        if (n > sizeof(h->line) - h->length)
            n = sizeof(h->line) - h->length;
        memcpy(h->line + h->length, chunk->p, n);
        h->length += n;
        *chunk = span_from(*chunk, n);
        if (chunk->n > 0 && chunk->p[0] == '\n') {
            end_line(h, names, out);
            buf_addc(out, '\n');
            *chunk = span_from(*chunk, 1);
        }
    }
    return !out->failed;
}
