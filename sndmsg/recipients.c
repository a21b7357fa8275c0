/* See recipients.h. */
#include "sndmsg/recipients.h"

#include <stdlib.h>
#include <string.h>

#include "sndmsg/cleartext.h"

enum { PATH_FLAGS = ADDRESS_UTF8_OK | ADDRESS_LOCAL_OK };

/* One line while it is read. */
struct list_scan {
    enum recipient_field field;
    const struct resolver *resolver;
    const char *start; /* of the line */
    struct diag *d;
};

static enum recipients_result bad(const struct list_scan *s, const char *at, const char *why)
{
    diag_set(s->d, 0, (size_t)(at - s->start) + 1, "%s", why);
    return RECIPIENTS_BAD;
}

static bool grow(struct recipients *r)
{
    struct recipients grown = {NULL, r->count, r->cap ? r->cap * 2 : 8};

    grown.list = reallocarray(r->list, grown.cap, sizeof(*grown.list));
    if (grown.list == NULL)
        return false;
    *r = grown;
    return true;
}

bool recipients_add(struct recipients *r, enum recipient_field field, const struct address *a,
                    struct span name)
{
    char *copy = NULL;

    if (r->count == RECIPIENTS_MAX)
        return false;
    if (r->count == r->cap && !grow(r))
        return false;
    if (name.n > 0 && (copy = strndup(name.p, name.n)) == NULL)
        return false;
    r->list[r->count++] = (struct recipient){*a, copy, field};
    return true;
}

void recipients_cut(struct recipients *r, size_t count)
{
    while (r->count > count)
        free(r->list[--r->count].name);
}

void recipients_free(struct recipients *r)
{
    recipients_cut(r, 0);
    free(r->list);
    *r = (struct recipients){0};
}

/* Walks over text in which commas and brackets count only outside double quotes. Index of the first
 * c that counts; n when there is none. A comma does not count within brackets either. */
static size_t find_bare(struct span s, char c)
{
    bool quoted = false, bracket = false;

    for (size_t i = 0; i < s.n; i++) {
        if (quoted && s.p[i] == '\\' && i + 1 < s.n) {
            i++;
            continue;
        }
        if (s.p[i] == '"')
            quoted = !quoted;
        if (quoted)
            continue;
        if (s.p[i] == c && !bracket)
            return i;
        if (s.p[i] == '<' || s.p[i] == '>')
            bracket = s.p[i] == '<';
    }
    return s.n;
}

/* A display name without its quotes. */
static bool plain_name(struct span text, struct buf *out)
{
    bool quoted = false;

    for (size_t i = 0; i < text.n; i++) {
        if (quoted && text.p[i] == '\\' && i + 1 < text.n)
            buf_addc(out, text.p[++i]);
        else if (text.p[i] == '"')
            quoted = !quoted;
        else
            buf_addc(out, text.p[i] == '\t' ? ' ' : text.p[i]);
    }
    return !out->failed;
}

static enum recipients_result resolve(struct recipients *to, const struct list_scan *s,
                                      struct span item, const struct address *a)
{
    size_t before = to->count;
    char local[ADDRESS_LOCAL_MAX];

    if (s->resolver != NULL &&
        s->resolver->find(s->resolver->arg, address_local_text(a, local), s->field, to))
        return RECIPIENTS_GOOD;
    recipients_cut(to, before);
    diag_set(s->d, 0, (size_t)(item.p - s->start) + 1,
             "no nickname and no user here is called %.64s: write the whole address, as in "
             "user@example.org",
             a->text);
    return RECIPIENTS_UNKNOWN;
}

static enum recipients_result add_address(struct recipients *to, const struct list_scan *s,
                                          struct span item, const struct address *a,
                                          struct span name)
{
    struct buf plain = {0};

    if (address_domain(a).n == 0)
        return resolve(to, s, item, a);
    bool good = plain_name(span_trim(name), &plain) && plain.len <= RECIPIENT_NAME_MAX;
    if (good && to->count == RECIPIENTS_MAX) {
        buf_free(&plain);
        return bad(s, item.p, "these are more than 5,000 addresses: send the mail in two parts");
    }
    bool added = good && recipients_add(to, s->field, a, BUF_SPAN(&plain));
    buf_free(&plain);
    if (!good)
        return bad(s, item.p, "the name is longer than 256 octets");
    if (added)
        return RECIPIENTS_GOOD;
    diag_memory(s->d);
    return RECIPIENTS_BAD;
}

/* One item, without blanks round it, not empty. */
static enum recipients_result take_item(struct recipients *to, const struct list_scan *s,
                                        struct span item)
{
    size_t bracket = find_bare(item, '<'), used = 0;
    struct span name = {item.p, bracket}, path = item;
    unsigned flags = PATH_FLAGS;
    struct address a;

    if (bracket < item.n) {
        path = span_from(item, bracket);
    } else {
        name.n = 0;
        flags |= ADDRESS_BARE_OK;
        if (path.n > 1 && path.p[path.n - 1] == '.')
            path.n--;
    }
    enum address_error e = address_parse(path, flags, &a, &used);
    if (e != ADDRESS_GOOD)
        return bad(s, path.p + used, address_strerror(e));
    return add_address(to, s, item, &a, name);
}

static enum recipients_result take_items(struct recipients *to, const struct list_scan *s,
                                         struct span rest)
{
    enum recipients_result result = RECIPIENTS_GOOD;

    while (rest.n > 0 && result == RECIPIENTS_GOOD) {
        size_t n = find_bare(rest, ',');
        struct span item = span_trim((struct span){rest.p, n});
        if (item.n == 0)
            return bad(s, rest.p, "an address is missing before this comma");
        result = take_item(to, s, item);
        rest = span_from(rest, n);
        if (result == RECIPIENTS_GOOD && rest.n > 0) { /* at the comma */
            rest = span_trim(span_from(rest, 1));
            if (rest.n == 0)
                return RECIPIENTS_MORE;
        }
    }
    return result;
}

enum recipients_result recipients_take(struct recipients *r, enum recipient_field field,
                                       struct span line, const struct resolver *resolver,
                                       struct diag *d)
{
    const struct list_scan s = {field, resolver, line.p, d};
    size_t before = r->count, fault = cleartext_fault(line, true);
    char what[64];

    *d = (struct diag){0};
    if (fault < line.n) {
        cleartext_describe(span_from(line, fault), what, sizeof(what));
        diag_set(d, 0, fault + 1, "%s", what);
        return RECIPIENTS_BAD;
    }
    enum recipients_result result = take_items(r, &s, span_trim(line));
    if (result != RECIPIENTS_GOOD && result != RECIPIENTS_MORE)
        recipients_cut(r, before);
    return result;
}

size_t recipients_in(const struct recipients *r, enum recipient_field field)
{
    size_t n = 0;

    for (size_t i = 0; i < r->count; i++)
        n += r->list[i].field == field;
    return n;
}

size_t recipients_unique(const struct recipients *r, const struct address **out)
{
    static const enum recipient_field order[] = {RECIPIENT_TO, RECIPIENT_CC, RECIPIENT_BCC};
    size_t n = 0;

    for (size_t f = 0; f < sizeof(order) / sizeof(order[0]); f++)
        for (size_t i = 0; i < r->count; i++) {
            bool known = r->list[i].field != order[f];
            for (size_t k = 0; k < n && !known; k++)
                known = address_eq(out[k], &r->list[i].address);
            if (!known)
                out[n++] = &r->list[i].address;
        }
    return n;
}
