/* Growable bytes and read-only spans: the two ways every program here holds text.
 *
 * A buf remembers a failed allocation (`failed`), so that a row of additions needs one check at its
 * end; after a failure further additions do nothing. No function here aborts. */
#ifndef SPOOLMAIL_BUF_H
#define SPOOLMAIL_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* owned; not NUL-terminated unless buf_str() was called */
    size_t len; /* octets in use */
    size_t cap; /* octets allocated */
    bool failed;
};

/* Octets owned by somebody else. */
struct span {
    const char *p;
    size_t n;
};

/* A span over a string literal or array, and over the text of a buf. */
#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
#define BUF_SPAN(b) ((struct span){(b)->data, (b)->len})

/* Makes room for `more` further octets. False when the size would overflow or memory is short. */
bool buf_reserve(struct buf *b, size_t more);
bool buf_add(struct buf *b, const void *octets, size_t n);
bool buf_adds(struct buf *b, const char *text);
bool buf_addspan(struct buf *b, struct span s);
/* Text of others made safe to show: what is neither printable ASCII nor LF becomes \xNN. */
bool buf_addsafe(struct buf *b, struct span s);
bool buf_addc(struct buf *b, char c);
bool buf_fill(struct buf *b, char c, size_t times);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The text with a NUL behind it (not counted in len); "" when memory is short. */
const char *buf_str(struct buf *b);

/* Drops the first n octets (at most len). */
void buf_consume(struct buf *b, size_t n);
/* Empties without giving memory back; clears `failed`. */
void buf_clear(struct buf *b);
void buf_free(struct buf *b);
/* The same for a secret, which is overwritten first. What the buf held before it grew is not:
 * reserve its room at once. */
void buf_wipe(struct buf *b);

struct span span_of(const char *text);
bool span_eq(struct span a, struct span b);
/* ASCII case only: protocol words, never names of people. */
bool span_eq_nocase(struct span a, struct span b);
bool span_starts_nocase(struct span s, struct span prefix);
/* Without blanks and tabs at both ends / at the end. */
struct span span_trim(struct span s);
struct span span_trim_end(struct span s);
/* The part from octet `from` on; empty when s is shorter. */
struct span span_from(struct span s, size_t from);
/* Index of the first c, or s.n when there is none. */
size_t span_find(struct span s, char c);
/* Takes the text up to the next c off the front of *s (c itself is dropped). False when *s is used
 * up: a span with p == NULL. "a,b" gives a, b; "" gives one empty part. */
bool span_cut(struct span *s, char c, struct span *part);
/* Takes the next line off the front of *s, without its LF. False at the end of text. The last line
 * needs no LF. */
bool span_line(struct span *s, struct span *line);
/* Copies into a fixed array with a NUL; false (and "") when it does not fit. */
bool span_copy(struct span s, char *to, size_t size);
/* Decimal digits only, no sign or blank, at most `max`. */
bool span_number(struct span s, uint64_t max, uint64_t *value);

#endif
