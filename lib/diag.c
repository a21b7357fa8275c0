/* See diag.h. */
#include "lib/diag.h"

#include <stdarg.h>
#include <stdio.h>

bool diag_set(struct diag *d, size_t line, size_t column, const char *format, ...)
{
    char raw[sizeof(d->text)];
    va_list args;
    size_t out = 0;

    d->line = line;
    d->column = column;
    d->memory = false;
    va_start(args, format);
    int n = vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    if (n < 0)
        raw[0] = '\0';
    for (const char *p = raw; *p != '\0' && out + 5 < sizeof(d->text); p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c != 0x7f) /* a name in UTF-8 stays readable; screens escape again */
            d->text[out++] = (char)c;
        else
            out += (size_t)snprintf(d->text + out, 5, "\\x%02X", c);
    }
    d->text[out] = '\0';
    return false;
}

bool diag_memory(struct diag *d)
{
    diag_set(d, 0, 0, "memory is short");
    d->memory = true;
    return false;
}
