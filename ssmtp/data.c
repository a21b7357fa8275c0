/* See data.h. One function a state; each takes at least one octet, or moves to another state. Whole
 * lines, the common case, are taken by memchr(). */
#include "ssmtp/data.h"

#include <string.h>

struct feed {
    struct data *d;
    struct span in;  /* not taken yet */
    struct buf *out; /* has room for all of it; NULL: the text is dropped */
    bool nul;        /* there is a NUL in it somewhere */
};

static const struct span received = {"received", 8};

void data_open(struct data *d)
{
    *d = (struct data){.state = DATA_LINE, .in_header = true, .like_received = true};
}

/* The rules of lib/header: a field is a name of printable octets and a colon; a line that begins
 * with a blank goes on with the field before; the first other line is no part of the header. */
static void header_octets(struct data *d, struct span s)
{
    size_t i = 0;

    for (; i < s.n && !d->line_known; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool blank = c == ' ' || c == '\t';

        if (c == ':' && d->name > 0) {
            d->received += d->like_received && d->name == received.n;
            d->any_field = d->line_known = true;
        } else if (blank && d->name == 0 && d->any_field) {
            d->line_known = true;
        } else if (c < 33 || c > 126 || c == ':') {
            d->header -= d->name; /* it was no field name */
            d->in_header = false;
            return;
        } else {
            d->like_received =
                d->like_received && d->name < received.n && (c | 0x20) == received.p[d->name];
            d->name++;
        }
        d->header++;
    }
    d->header += s.n - i;
}

static void header_line_ends(struct data *d)
{
    if (d->line_known) {
        d->header += 2;
    } else {
        d->header -= d->name;
        d->in_header = false;
    }
    d->line_known = false;
    d->like_received = true;
    d->name = 0;
}

/* Octets of the text within a line. */
static void put_text(struct feed *f, struct span s)
{
    f->d->octets += s.n;
    if (f->d->in_header)
        header_octets(f->d, s);
    if (f->out != NULL && f->d->faults == 0) {
        memcpy(f->out->data + f->out->len, s.p, s.n); /* reserved by data_feed() */
        f->out->len += s.n;
    }
}

static void put_line_end(struct feed *f)
{
    f->d->octets += 2;
    if (f->d->in_header)
        header_line_ends(f->d);
    if (f->out != NULL && f->d->faults == 0)
        f->out->data[f->out->len++] = '\n';
    f->d->state = DATA_LINE;
}

static void note(struct feed *f, enum data_fault fault)
{
    f->d->faults |= fault;
}

/* A CR behind which no LF stands: it was text, and a fault. */
static void bare_cr(struct feed *f)
{
    note(f, DATA_BARE_CR);
    f->d->octets++;
}

/* As many whole lines without a fault as there are. The rest is the states' own. */
static void take_lines(struct feed *f)
{
    while (f->in.n > 1 && f->in.p[0] != '.') {
        const char *lf = memchr(f->in.p, '\n', f->in.n);
        size_t n = lf == NULL ? 0 : (size_t)(lf - f->in.p);

        if (n == 0 || memchr(f->in.p, '\r', n) != lf - 1 ||
            (f->nul && memchr(f->in.p, '\0', n) != NULL))
            break;
        if (n > 1)
            put_text(f, (struct span){f->in.p, n - 1});
        put_line_end(f);
        f->in = span_from(f->in, n + 1);
    }
}

static void at_line(struct feed *f)
{
    take_lines(f);
    if (f->in.n == 0)
        return;
    if (f->in.p[0] == '.') {
        f->in = span_from(f->in, 1);
        f->d->state = DATA_DOT;
    } else {
        f->d->state = DATA_TEXT;
    }
}

static void at_dot(struct feed *f)
{
    if (f->in.p[0] == '\r') {
        f->in = span_from(f->in, 1);
        f->d->state = DATA_DOT_CR;
    } else {
        f->d->state = DATA_TEXT; /* the dot was stuffed */
    }
}

static void at_dot_cr(struct feed *f)
{
    if (f->in.p[0] == '\n') {
        f->in = span_from(f->in, 1);
        f->d->state = DATA_END;
    } else {
        f->d->state = DATA_CR; /* a stuffed dot and a line that begins with a bare CR */
    }
}

static void at_text(struct feed *f)
{
    const char *cr = memchr(f->in.p, '\r', f->in.n);
    struct span s = {f->in.p, cr == NULL ? f->in.n : (size_t)(cr - f->in.p)};

    if (memchr(s.p, '\n', s.n) != NULL)
        note(f, DATA_BARE_LF);
    if (f->nul && memchr(s.p, '\0', s.n) != NULL)
        note(f, DATA_NUL);
    if (s.n > 0)
        put_text(f, s);
    if (cr != NULL)
        f->d->state = DATA_CR;
    f->in = span_from(f->in, s.n + (cr != NULL));
}

static void at_cr(struct feed *f)
{
    if (f->in.p[0] == '\n') {
        f->in = span_from(f->in, 1);
        put_line_end(f);
        return;
    }
    bare_cr(f);
    if (f->in.p[0] == '\r')
        f->in = span_from(f->in, 1);
    else
        f->d->state = DATA_TEXT;
}

static void (*const states[DATA_STATES])(struct feed *f) = {
    [DATA_LINE] = at_line, [DATA_DOT] = at_dot, [DATA_DOT_CR] = at_dot_cr,
    [DATA_TEXT] = at_text, [DATA_CR] = at_cr,
};

size_t data_feed(struct data *d, struct span in, struct buf *out)
{
    struct feed f = {.d = d, .in = in, .out = out};

    /* What is handed out is never longer than what is taken. */
    if (out != NULL && (in.n == 0 || !buf_reserve(out, in.n)))
        f.out = NULL;
    f.nul = in.n > 0 && memchr(in.p, '\0', in.n) != NULL;
    while (f.in.n > 0 && d->state != DATA_END)
        states[d->state](&f);
    return in.n - f.in.n;
}
