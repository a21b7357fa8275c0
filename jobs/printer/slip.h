/* The slip of a printout, SPOOL/print/NAME.slip: what it is, one "WORD value" a line. The printer
 * writes it last, so that a printout that has a slip is whole; jes reads it, and trusts nothing in
 * it. All of it stands in this header because two programs share it. */
#ifndef PRINTER_SLIP_H
#define PRINTER_SLIP_H

#include <stdio.h>

#include "lib/buf.h"
#include "lib/charset.h"

#define PRINT_DIRECTORY "print"
#define SLIP_ENDING ".slip"
#define TEXT_ENDING ".txt"
#define PDF_ENDING ".pdf"

enum slip_field {
    SLIP_USER,
    SLIP_JOB,
    SLIP_NUMBER,
    SLIP_CLASS,
    SLIP_FROM,
    SLIP_TO,
    SLIP_SUBJECT,
    SLIP_SPOOLED,
    SLIP_PRINTED,
    SLIP_SIZE,
    SLIP_PAGES,
    SLIP_REASON,
    SLIP_FIELDS
};

static const char *const slip_words[SLIP_FIELDS] = {
    [SLIP_USER] = "USER",       [SLIP_JOB] = "JOB",         [SLIP_NUMBER] = "NUMBER",
    [SLIP_CLASS] = "CLASS",     [SLIP_FROM] = "FROM",       [SLIP_TO] = "TO",
    [SLIP_SUBJECT] = "SUBJECT", [SLIP_SPOOLED] = "SPOOLED", [SLIP_PRINTED] = "PRINTED",
    [SLIP_SIZE] = "SIZE",       [SLIP_PAGES] = "PAGES",     [SLIP_REASON] = "REASON",
};

enum { SLIP_VALUE = 256, SLIP_MAX = SLIP_FIELDS * (SLIP_VALUE + 16) };

struct slip {
    char value[SLIP_FIELDS][SLIP_VALUE]; /* printable UTF-8, no line end; "" when there is none */
};

/* Printable text, cut where it does not fit, never within a character. */
static inline void slip_set(struct slip *s, enum slip_field field, struct span text)
{
    size_t n = text.n < SLIP_VALUE ? text.n : SLIP_VALUE - 1;

    while (n > 0 && n < text.n && ((unsigned char)text.p[n] & 0xC0) == 0x80)
        n--;
    snprintf(s->value[field], SLIP_VALUE, "%.*s", (int)n, n > 0 ? text.p : "");
}

static inline bool slip_write(const struct slip *s, struct buf *out)
{
    for (int i = 0; i < SLIP_FIELDS; i++)
        if (s->value[i][0] != '\0')
            buf_printf(out, "%s %s\n", slip_words[i], s->value[i]);
    return !out->failed;
}

/* Lines with other words are passed over, values are made printable. */
static inline void slip_read(struct slip *s, struct span text)
{
    struct span line;
    struct buf safe = {0};

    *s = (struct slip){0};
    while (span_line(&text, &line))
        for (int i = 0; i < SLIP_FIELDS; i++) {
            struct span word = span_of(slip_words[i]);
            if (!span_starts_nocase(line, word) || line.n == word.n || line.p[word.n] != ' ')
                continue;
            buf_clear(&safe);
            utf8_safe(span_from(line, word.n + 1), &safe);
            slip_set(s, (enum slip_field)i, BUF_SPAN(&safe));
        }
    buf_free(&safe);
}

#endif
