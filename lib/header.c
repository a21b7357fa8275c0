/* The message header of RFC 5322: fields, dates, folding.
 *
 * Trusts nothing: what is no field ends the header, and no octet beyond the span is read. Dates are
 * reckoned from the count of days, so no time zone or locale of the process has a say. */
#include "lib/header.h"

enum { FOLD_COLUMN = 78 };

bool header_is_field(struct span line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == ':')
            return i > 0;
        if (line.p[i] < 33 || line.p[i] > 126) /* as char: 8 bit is below or above too */
            return false;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Drops the line end at the end of a field, which has a name and a colon before it: LF, CR LF, or
 * (last line of a text) nothing. */
static struct span without_end(struct span s)
{
    if (s.p[s.n - 1] == '\n') {
        s.n--;
        if (s.p[s.n - 1] == '\r')
            s.n--;
    }
    return s;
}

bool header_next(struct span *text, struct field *f)
{
    struct span rest = *text, line, whole = {text->p, 0};

    if (!span_line(&rest, &line) || !header_is_field(line))
        return false;
    while (rest.n > 0 && is_blank(rest.p[0]))
        span_line(&rest, &line);
    whole.n = text->n - rest.n;
    whole = without_end(whole);
    f->name = (struct span){whole.p, span_find(whole, ':')};
    f->body = span_from(whole, f->name.n + 1);
    *text = rest;
    return true;
}

struct span header_part(struct span message, bool *has_separator)
{
    struct span rest = message, line;
    struct field f;

    while (header_next(&rest, &f))
        ;
    struct span part = {message.p, message.n - rest.n};
    *has_separator = span_line(&rest, &line) && (line.n == 0 || span_eq(line, SPAN("\r")));
    return part;
}

bool header_find(struct span message, const char *name, struct field *f)
{
    while (header_next(&message, f))
        if (span_eq_nocase(f->name, span_of(name)))
            return true;
    return false;
}

size_t header_count(struct span message, const char *name)
{
    struct field f;
    size_t n = 0;

    while (header_next(&message, &f))
        n += span_eq_nocase(f.name, span_of(name));
    return n;
}

/* Division that rounds down and what it leaves, for times before 1970; b is above 0. */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    return a % b + (a % b < 0 ? b : 0);
}

struct civil {
    int64_t year;
    int month, day; /* from 1 */
};

/* The date of a day counted from 1970-01-01, Gregorian before its time too. Years are counted from
 * 1 March, so that the leap day is the last of its year; eras have 400 years. */
static struct civil civil_from_days(int64_t days)
{
    int64_t z = days + 719468; /* days from 0000-03-01 to 1970-01-01 */
    int64_t era = floor_div(z, 146097);
    int64_t doe = floor_mod(z, 146097);
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153; /* months from March; 153 days are five of them */
    struct civil c = {.month = (int)(mp < 10 ? mp + 3 : mp - 9),
                      .day = (int)(doy - (153 * mp + 2) / 5 + 1)};

    c.year = yoe + era * 400 + (c.month <= 2);
    return c;
}

bool header_date(struct buf *out, int64_t seconds, int offset)
{
    static const char weekday[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    enum { DAY = 86400 };
    int minutes = offset / 60; /* a zone has whole minutes; the time shown must agree with it */
    int64_t local;

    if (offset <= -DAY || offset >= DAY ||
        __builtin_add_overflow(seconds, (int64_t)minutes * 60, &local))
        return false;
    int64_t days = floor_div(local, DAY);
    int second = (int)floor_mod(local, DAY);
    struct civil c = civil_from_days(days);
    if (c.year < 0 || c.year > 9999)
        return false;
    int64_t wday = floor_mod(days + 4, 7); /* 1970-01-01 was a Thursday */
    int away = minutes < 0 ? -minutes : minutes;
    return buf_printf(out, "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d", weekday[wday], c.day,
                      month[c.month - 1], (int)c.year, second / 3600, second / 60 % 60, second % 60,
                      minutes < 0 ? '-' : '+', away / 60, away % 60);
}

/* Line ends count as white space, so that a folded body is folded anew and no stray line end can
 * begin a field. */
static bool is_white(char c)
{
    return is_blank(c) || c == '\n' || c == '\r';
}

/* Takes a run of white space, or of what is none. */
static struct span take_run(struct span *s, bool white)
{
    struct span taken = {s->p, 0};

    while (taken.n < s->n && is_white(s->p[taken.n]) == white)
        taken.n++;
    *s = span_from(*s, taken.n);
    return taken;
}

/* Characters, if it is UTF-8; RFC 5322 counts those, not octets. */
static size_t columns(struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

/* White space without its line ends; a line end alone stands for one blank. */
static size_t white_width(struct span white)
{
    size_t n = 0;

    for (size_t i = 0; i < white.n; i++)
        n += is_blank(white.p[i]);
    return n > 0 ? n : white.n > 0;
}

static void add_white(struct buf *out, struct span white)
{
    size_t before = out->len;

    for (size_t i = 0; i < white.n; i++)
        if (is_blank(white.p[i]))
            buf_addc(out, white.p[i]);
    if (white.n > 0 && out->len == before)
        buf_addc(out, ' ');
}

bool header_fold(struct buf *out, struct span body, size_t used)
{
    for (bool first = true; body.n > 0; first = false) {
        struct span white = take_run(&body, true), word = take_run(&body, false);
        size_t blanks = white_width(white), width = blanks + columns(word);
        if (word.n == 0)
            break; /* white space at the end: a line of nothing but blanks is not lawful */
        bool full = used > FOLD_COLUMN || width > FOLD_COLUMN - used;
        /* A line end before the first word pays only if the word then fits. */
        if (full && blanks > 0 && (!first || width <= FOLD_COLUMN)) {
            buf_addc(out, '\n');
            used = 0;
        }
        add_white(out, white);
        buf_addspan(out, word);
        used += width;
    }
    return buf_addc(out, '\n');
}
