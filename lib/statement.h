/* Configuration members in the manner of APPCFGxx: pure.
 *
 *     SMTP    PATH(OUT) REMOTE(RMT21)
 *             DIVERT(1M)
 *
 * A statement begins in column 1 with its name and goes on while its lines are indented; then come
 * KEYWORD(value) or KEYWORD alone. `*` in column 1, or a `*` after a blank, begins a comment that
 * runs to the end of the line. A value stands on one line. Bare, it holds no blank, parenthesis,
 * apostrophe or control octet; in apostrophes ('' for one), no control octet. Names are letters,
 * digits, # @ $, any case, kept as written. A keyword that stands twice is for the caller. */
#ifndef SPOOLMAIL_STATEMENT_H
#define SPOOLMAIL_STATEMENT_H

#include "lib/buf.h"
#include "lib/diag.h"

struct keyword {
    struct span name;
    char *value; /* owned, NUL-terminated, quotes removed; NULL when there were no parentheses */
    size_t line, column, value_line, value_column;
};

struct statement {
    struct span name; /* into the caller's text */
    size_t line, column;
    struct keyword *keyword; /* owned array */
    size_t keywords;
};

struct statement_list {
    struct statement *statement; /* owned array */
    size_t statements;
};

/* Reads a whole member; the spans point into `text`, which must live as long as the list. False
 * with *d on the first error (line, column, what, how to mend it); the list is then empty. */
bool statement_parse(struct span text, struct statement_list *out, struct diag *d);
void statement_free(struct statement_list *list);

/* Values. Each returns false when the text is not of the form or above max. */
/* 1048576, 64K, 1M, 2G: octets, powers of 1024. */
bool value_size(const char *text, uint64_t max, uint64_t *octets);
/* 30S, 15M, 4H, 5D, or seconds alone. Letters in any case. */
bool value_time(const char *text, uint64_t max, uint64_t *seconds);

/* The word of words[0..n) nearest to `word` (edit distance without regard to case, at most 2 and
 * less than the length of `word`; of equals the first), or NULL: for "did you mean". */
const char *nearest_word(struct span word, const char *const *words, size_t n);

#endif
