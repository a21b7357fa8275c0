/* See operand.h. */
#include "jobs/submit/operand.h"

#include <string.h>

static bool jcl_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("@#$.,()*+-/&='", c) != NULL);
}

enum operand_fault operand_check(struct span text, size_t *at)
{
    size_t depth = 0, opened = 0;
    bool string = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        *at = i;
        if (c == '\'') {
            string = !string;
            opened = string ? i : opened;
        } else if (string) {
            continue;
        } else if (!jcl_character(c)) {
            return OPERAND_CHARACTER;
        } else if (c == '(') {
            opened = depth++ == 0 ? i : opened;
        } else if (c == ')' && depth-- == 0) {
            return OPERAND_CLOSE;
        }
    }
    *at = opened;
    return string ? OPERAND_STRING : depth > 0 ? OPERAND_OPEN : OPERAND_GOOD;
}

/* Index of the first c outside of apostrophes and parentheses; n when there is none. */
static size_t find_outside(struct span text, char c)
{
    size_t depth = 0;
    bool string = false;

    for (size_t i = 0; i < text.n; i++) {
        char here = text.p[i];
        if (here == '\'')
            string = !string;
        else if (string)
            continue;
        else if (here == c && depth == 0)
            return i;
        else if (here == '(')
            depth++;
        else if (here == ')' && depth > 0)
            depth--;
    }
    return text.n;
}

bool operand_cut(struct span *rest, struct span *part)
{
    if (rest->p == NULL)
        return false;
    size_t at = find_outside(*rest, ',');
    *part = (struct span){rest->p, at};
    *rest =
        at < rest->n ? (struct span){rest->p + at + 1, rest->n - at - 1} : (struct span){NULL, 0};
    return true;
}

struct operand operand_split(struct span part)
{
    size_t at = find_outside(part, '=');

    for (size_t i = 0; i < at; i++)
        if (part.p[i] == '\'' || part.p[i] == '(') /* 'A'=B has no keyword */
            at = part.n;
    if (at == part.n || at == 0)
        return (struct operand){{part.p, 0}, part};
    return (struct operand){{part.p, at}, span_from(part, at + 1)};
}

bool operand_inside(struct span value, struct span *inside)
{
    *inside = value;
    if (value.n < 2 || value.p[0] != '(' || value.p[value.n - 1] != ')')
        return false;
    *inside = (struct span){value.p + 1, value.n - 2};
    return true;
}

enum operand_text operand_plain(struct span value, char *out, size_t size)
{
    bool quoted = value.n > 0 && value.p[0] == '\'';
    size_t i = quoted, n = 0;

    out[0] = '\0';
    for (; i < value.n; i++) {
        char c = value.p[i];
        if (quoted && c == '\'' && (++i == value.n || value.p[i] != '\''))
            break; /* the end of the string */
        if (!quoted && (c == '\'' || c == '(' || c == ')'))
            return OPERAND_TEXT_BAD;
        if (n + 1 >= size)
            return OPERAND_TEXT_LONG;
        out[n++] = c;
    }
    out[n] = '\0';
    return i < value.n ? OPERAND_TEXT_BAD : OPERAND_TEXT;
}
