/* See buf.h. */
#include "lib/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool buf_reserve(struct buf *b, size_t more)
{
    size_t need, cap;

    if (b->failed)
        return false;
    if (__builtin_add_overflow(b->len, more, &need) || need > SIZE_MAX / 2) {
        b->failed = true;
        return false;
    }
    if (need <= b->cap)
        return true;
    for (cap = b->cap ? b->cap : 64; cap < need;)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

bool buf_add(struct buf *b, const void *octets, size_t n)
{
    if (n == 0)
        return !b->failed;
    if (!buf_reserve(b, n))
        return false;
    memcpy(b->data + b->len, octets, n);
    b->len += n;
    return true;
}

bool buf_adds(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_addspan(struct buf *b, struct span s)
{
    return buf_add(b, s.p, s.n);
}

bool buf_addsafe(struct buf *b, struct span s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= 0x20 && c < 0x7f) || c == '\n')
            buf_addc(b, s.p[i]);
        else
            buf_add(b, (const char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
    }
    return !b->failed;
}

bool buf_addc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_fill(struct buf *b, char c, size_t times)
{
    if (!buf_reserve(b, times))
        return false;
    if (times > 0)
        memset(b->data + b->len, c, times);
    b->len += times;
    return true;
}

bool buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    size_t room = b->cap - b->len;

    if (b->failed)
        return false;
    va_start(args, format);
    int n = vsnprintf(room > 0 ? b->data + b->len : NULL, room, format, args);
    va_end(args);
    if (n > 0 && (size_t)n >= room && buf_reserve(b, (size_t)n + 1)) {
        va_start(args, format);
        n = vsnprintf(b->data + b->len, (size_t)n + 1, format, args);
        va_end(args);
    }
    if (n < 0 || b->failed) {
        b->failed = true;
        return false;
    }
    b->len += (size_t)n;
    return true;
}

const char *buf_str(struct buf *b)
{
    if (!buf_reserve(b, 1))
        return "";
    b->data[b->len] = '\0';
    return b->data;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_wipe(struct buf *b)
{
    if (b->data != NULL)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

bool span_eq_nocase(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool span_starts_nocase(struct span s, struct span prefix)
{
    return s.n >= prefix.n && span_eq_nocase((struct span){s.p, prefix.n}, prefix);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim_end(struct span s)
{
    while (s.n > 0 && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct span span_trim(struct span s)
{
    s = span_trim_end(s);
    while (s.n > 0 && blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

struct span span_from(struct span s, size_t from)
{
    if (s.n == 0)
        return s; /* p may be NULL, and NULL + 0 is undefined */
    if (from >= s.n)
        return (struct span){s.p + s.n, 0};
    return (struct span){s.p + from, s.n - from};
}

size_t span_find(struct span s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

    return hit ? (size_t)(hit - s.p) : s.n;
}

bool span_cut(struct span *s, char c, struct span *part)
{
    if (s->p == NULL)
        return false;
    size_t at = span_find(*s, c);
    *part = (struct span){s->p, at};
    *s = at < s->n ? (struct span){s->p + at + 1, s->n - at - 1} : (struct span){NULL, 0};
    return true;
}

bool span_line(struct span *s, struct span *line)
{
    if (s->n == 0)
        return false;
    size_t at = span_find(*s, '\n');
    *line = (struct span){s->p, at};
    *s = at < s->n ? (struct span){s->p + at + 1, s->n - at - 1} : (struct span){s->p + at, 0};
    return true;
}

bool span_copy(struct span s, char *to, size_t size)
{
    if (size == 0)
        return false;
    if (s.n >= size || (s.n > 0 && memchr(s.p, '\0', s.n))) {
        to[0] = '\0';
        return false;
    }
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
    return true;
}

bool span_number(struct span s, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        unsigned digit = (unsigned)(s.p[i] - '0');
        if (v > (max - digit) / 10 || digit > max)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}
