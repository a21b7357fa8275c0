/* See quoted.h. */
#include "usmtp/quoted.h"

#include <string.h>

#include "usmtp/text.h"

enum {
    QUOTED_COLUMNS = 75, /* and the = of a soft line end */
    PASS_COLUMNS = 990   /* leaves room for an escape that must not be cut */
};

static const char hex[] = "0123456789ABCDEF";

/* Puts an octet at `to`; returns what is behind it. */
static char *put_octet(struct quoted *q, char *to, char octet, bool literal)
{
    if (q->column + (literal ? 1 : 3) > QUOTED_COLUMNS) {
        *to++ = '=';
        *to++ = '\n';
        q->column = 0;
        /* What means something at the start of a line: delimiters, dots, mailbox separators. */
        literal = literal && octet != '-' && octet != '.' && octet != 'F';
    }
    q->column += literal ? 1 : 3;
    if (literal) {
        *to++ = octet;
        return to;
    }
    *to++ = '=';
    *to++ = hex[(unsigned char)octet >> 4];
    *to++ = hex[(unsigned char)octet & 15];
    return to;
}

/* The blank that waits: literal, but for the last of its line. */
static char *put_blank(struct quoted *q, char *to, bool literal)
{
    if (q->blank == '\0')
        return to;
    to = put_octet(q, to, q->blank, literal);
    q->blank = '\0';
    return to;
}

/* A line that mailboxes or careless peers would take for something else. */
static bool is_special(struct span line, unsigned place)
{
    return ((place & QUOTED_ENDS) && span_eq(line, SPAN("."))) ||
           (line.n >= 5 && memcmp(line.p, "From ", 5) == 0);
}

void quoted_encode(struct quoted *q, struct span piece, unsigned place, struct buf *out)
{
    /* Each octet as =XX, soft line ends between them, the blank that waits, the end. */
    if (piece.n > QUOTED_PIECE || !buf_reserve(out, 3 * piece.n + 2 * (piece.n / 25 + 1) + 16)) {
        out->failed = true;
        return;
    }
    char *to = out->data + out->len;
    bool special = (place & QUOTED_BEGINS) && is_special(piece, place);
    for (size_t i = 0; i < piece.n; i++) {
        char c = piece.p[i];
        to = put_blank(q, to, true);
        if (c == ' ' || c == '\t')
            q->blank = c;
        else
            to = put_octet(q, to, c, c > 32 && c < 127 && c != '=' && !(special && i == 0));
    }
    if (place & QUOTED_ENDS) {
        to = put_blank(q, to, false);
        *to++ = '\n';
        q->column = 0;
    }
    out->len = (size_t)(to - out->data);
}

static bool passes(char c)
{
    return (unsigned char)c < 0x80 && c != '\r' && c != '\0';
}

static bool all_pass(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!passes(s.p[i]))
            return false;
    return true;
}

/* Ends a line that is too long, before an octet. Returns whether that must be written as =XX. */
static bool pass_break(struct quoted_pass *p, char next, struct buf *out)
{
    buf_adds(out, p->quoted ? "=\n" : "\n");
    p->column = 0;
    if (next != '-')
        return false;
    if (!p->quoted)
        buf_addc(out, ' ');
    p->column = !p->quoted;
    return p->quoted;
}

static void pass_octet(struct quoted_pass *p, char c, struct buf *out)
{
    bool coded = p->quoted && !passes(c);

    if (p->escape == 0 && p->column + (coded ? 3 : 1) > PASS_COLUMNS)
        coded = pass_break(p, c, out) || coded;
    p->escape = !coded && c == '=' ? 2 : p->escape - (p->escape > 0);
    p->column += coded ? 3 : 1;
    if (coded)
        buf_add(out, (const char[]){'=', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15]},
                3);
    else
        buf_addc(out, passes(c) ? c : '?');
}

void quoted_pass(struct quoted_pass *p, struct span piece, unsigned place, struct buf *out)
{
    bool whole = place == (QUOTED_BEGINS | QUOTED_ENDS);

    if (whole && piece.n <= TEXT_LINE_MAX && all_pass(piece))
        buf_addspan(out, piece);
    else
        for (size_t i = 0; i < piece.n; i++)
            pass_octet(p, piece.p[i], out);
    if (place & QUOTED_ENDS) {
        buf_addc(out, '\n');
        p->column = 0;
        p->escape = 0;
    }
}
