/* See cleartext.h. */
#include "sndmsg/cleartext.h"

#include <stdio.h>

#include "lib/charset.h"

/* Octets of the character at the front; *safe: it may stand. 0 octets never: a bad one counts 1. */
static size_t take_character(struct span text, bool tabs, bool *safe)
{
    unsigned char first = (unsigned char)text.p[0];
    struct buf shown = {0};
    uint32_t code;

    if (first < 0x80) {
        *safe = (first >= 0x20 && first != 0x7F) || (tabs && first == '\t');
        return 1;
    }
    size_t n = utf8_char(text, &code);
    if (n == 0) {
        *safe = false;
        return 1;
    }
    struct span character = {text.p, n};
    *safe = utf8_safe(character, &shown) && span_eq(BUF_SPAN(&shown), character);
    buf_free(&shown);
    return n;
}

size_t cleartext_fault(struct span text, bool tabs)
{
    bool safe;
    size_t n;

    for (size_t i = 0; i < text.n; i += n) {
        n = take_character(span_from(text, i), tabs, &safe);
        if (!safe)
            return i;
    }
    return text.n;
}

void cleartext_describe(struct span at, char *out, size_t size)
{
    uint32_t code = 0;
    size_t n = utf8_char(at, &code);

    if (at.n == 0)
        snprintf(out, size, "text is missing here");
    else if (n == 0)
        snprintf(out, size, "octet X'%02X' is no UTF-8: remove it", (unsigned char)at.p[0]);
    else if (code < 0x100)
        snprintf(out, size, "control character X'%02X': remove it", (unsigned)code);
    else
        snprintf(out, size, "control character U+%04X: remove it", (unsigned)code);
}

/* A terminal in bracketed paste mode puts these round pasted text. */
static size_t paste_mark(struct span text)
{
    static const char *const marks[] = {"\033[200~", "\033[201~"};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (span_starts_nocase(text, span_of(marks[i])))
            return span_of(marks[i]).n;
    return 0;
}

bool cleartext_unmark(struct span text, struct buf *out)
{
    for (size_t i = 0, n; i < text.n; i += n) {
        struct span rest = span_from(text, i);
        n = paste_mark(rest);
        if (n > 0)
            continue;
        n = 1 + span_find(span_from(rest, 1), '\033');
        buf_add(out, rest.p, n);
    }
    return !out->failed;
}

bool cleartext_clean(struct span text, struct buf *out, struct cleartext_loss *loss)
{
    size_t n;
    bool safe;

    *loss = (struct cleartext_loss){0};
    for (size_t i = 0; i < text.n; i += n) {
        struct span rest = span_from(text, i);
        uint32_t code;
        n = take_character(rest, true, &safe);
        if (safe) {
            buf_add(out, rest.p, n);
        } else if (utf8_char(rest, &code) > 0) {
            loss->dropped++;
        } else {
            loss->replaced++;
            buf_adds(out, "\xEF\xBF\xBD");
        }
    }
    return !out->failed;
}
