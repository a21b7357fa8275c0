/* A finding in something a person wrote (configuration, deck, user table): what, where, and how to
 * mend it. Line and column count from 1; 0 means "the whole of it". */
#ifndef SPOOLMAIL_DIAG_H
#define SPOOLMAIL_DIAG_H

#include <stdbool.h>
#include <stddef.h>

struct diag {
    size_t line, column;
    bool memory;    /* the text is not at fault, memory is short: try again */
    char text[240]; /* printable: made by diag_set, which escapes what is not */
};

/* Fills *d; always returns false so that a parser can `return diag_set(...)`. */
bool diag_set(struct diag *d, size_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for want of memory. */
bool diag_memory(struct diag *d);

#endif
