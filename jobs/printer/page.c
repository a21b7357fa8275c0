/* See page.h. */
#include "jobs/printer/page.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unilbrk.h>

#include "lib/charset.h"

enum { TAB = 8, NUMBER_COLUMNS = 12 };

/* The line of the body at which each channel is punched: the carriage tape that emulated 1403s
 * have, which is that of the 6 line per inch form of 66 lines. */
static const unsigned char channel_line[13] = {0, 1, 7, 13, 19, 25, 31, 37, 43, 63, 49, 55, 61};

static unsigned body_lines(const struct pages *p)
{
    return p->lines - PAGE_HEAD;
}

void pages_open(struct pages *p, unsigned lines)
{
    *p = (struct pages){.lines = lines < PAGE_LINES_MIN ? PAGE_LINES_MIN : lines};
}

void pages_free(struct pages *p)
{
    buf_free(&p->heading);
    buf_free(&p->text);
    buf_free(&p->scratch);
    free(p->strike);
    free(p->page);
    *p = (struct pages){0};
}

static void fault(struct pages *p, enum page_fault what)
{
    if (p->fault == PAGES_GOOD)
        p->fault = what;
}

/* Room for one more row of an array. */
static bool grow(void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 64;
    void *grown = reallocarray(*array, more, size);
    if (grown == NULL)
        return false;
    *array = grown;
    *cap = more;
    return true;
}

bool cell_next(struct span *text, struct cell *c)
{
    uint32_t code;
    size_t n = utf8_char(*text, &code), more;

    if (text->n == 0)
        return false;
    n += n == 0;
    c->width = n == 1 ? 1 : (unsigned)utf8_width((struct span){text->p, n});
    while (n < text->n && (unsigned char)text->p[n] >= 0x80 &&
           (more = utf8_char(span_from(*text, n), &code)) > 0 &&
           utf8_width((struct span){text->p + n, more}) == 0)
        n += more;
    c->text = (struct span){text->p, n};
    *text = span_from(*text, n);
    return true;
}

static bool plain(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ' || text.p[i] > '~')
            return false;
    return true;
}

/* Without a base, or with too many before them, marks are shown by their number. */
static bool add_marked(struct span text, struct buf *out)
{
    unsigned marks = PAGE_MARKS;
    uint32_t code;

    for (size_t n; (n = utf8_char(text, &code)) > 0; text = span_from(text, n)) {
        struct span c = {text.p, n};
        marks = utf8_width(c) > 0 ? 0 : marks + 1;
        if (marks > PAGE_MARKS)
            buf_printf(out, "\\u{%04X}", (unsigned)code);
        else
            buf_addspan(out, c);
    }
    return !out->failed;
}

bool page_clean(struct span text, struct buf *out)
{
    struct buf safe = {0};
    size_t start = out->len, column = 0;

    if (plain(text))
        return buf_addspan(out, text);
    for (struct span part; span_cut(&text, '\t', &part);) {
        buf_clear(&safe);
        size_t at = out->len;
        if (!utf8_safe(part, &safe) || !add_marked(BUF_SPAN(&safe), out))
            break;
        column += utf8_width(span_from(BUF_SPAN(out), at));
        if (text.p != NULL) {
            size_t blanks = TAB - column % TAB;
            buf_fill(out, ' ', blanks);
            column += blanks;
        }
    }
    out->failed |= safe.failed;
    buf_free(&safe);
    if (out->failed)
        out->len = start;
    return !out->failed;
}

bool page_fit(struct span text, size_t columns, struct buf *out)
{
    struct cell c;
    size_t used = 0;

    while (cell_next(&text, &c) && used + c.width <= columns) {
        buf_addspan(out, c.text);
        used += c.width;
    }
    return buf_fill(out, ' ', columns - used);
}

void pages_heading(struct pages *p, struct span left)
{
    buf_clear(&p->heading);
    if (!page_fit(left, PAGE_COLUMNS - NUMBER_COLUMNS, &p->heading))
        fault(p, PAGES_MEMORY);
}

/* The strike that covers what was appended to the text since `at`. */
static void add_strike(struct pages *p, size_t at, unsigned line)
{
    struct span text = span_trim_end(span_from(BUF_SPAN(&p->text), at));

    p->text.len = at + text.n;
    if (text.n == 0 || p->fault != PAGES_GOOD)
        return;
    if (p->text.failed || text.n > UINT_MAX ||
        !grow((void **)&p->strike, p->strikes, &p->strike_cap, sizeof(*p->strike))) {
        fault(p, PAGES_MEMORY);
        return;
    }
    p->strike[p->strikes++] = (struct strike){at, (unsigned)text.n, (unsigned short)line};
    p->page[p->count - 1].strikes++;
}

static bool new_page(struct pages *p)
{
    if (p->fault == PAGES_GOOD &&
        !grow((void **)&p->page, p->count, &p->page_cap, sizeof(*p->page)))
        fault(p, PAGES_MEMORY);
    if (p->fault != PAGES_GOOD)
        return false;
    p->page[p->count++] = (struct page){p->strikes, 0};
    return true;
}

/* A page with heading; the paper stands where it was asked to stand. */
static bool begin_page(struct pages *p)
{
    if (p->number == PAGES_MAX)
        fault(p, PAGES_TOO_MANY);
    if (!new_page(p))
        return false;
    p->open = true;
    p->number++;
    size_t at = p->text.len;
    buf_addspan(&p->text, BUF_SPAN(&p->heading));
    buf_printf(&p->text, "PAGE %7u", p->number);
    add_strike(p, at, 1);
    return p->fault == PAGES_GOOD;
}

static void eject(struct pages *p, unsigned line)
{
    p->open = false;
    p->line = line;
    p->struck = 0;
}

static void space(struct pages *p, unsigned lines)
{
    if (lines == 0)
        return;
    p->struck = 0;
    p->line += lines;
    if (p->line > body_lines(p))
        eject(p, 1);
}

/* Paper that stands at the channel already, and is not printed on there, stays. */
static void skip(struct pages *p, unsigned channel)
{
    unsigned to = channel_line[channel];

    if (to > body_lines(p))
        to = body_lines(p);
    if (p->line < to)
        space(p, to - p->line);
    else if (p->line > to || p->struck > 0)
        eject(p, to);
}

void page_move(struct pages *p, const struct carriage *motion)
{
    if (p->fault != PAGES_GOOD)
        return;
    if (motion->channel > 0)
        skip(p, motion->channel);
    else
        space(p, motion->lines);
}

/* One piece of a line, in the text since `at`. */
static void strike_piece(struct pages *p, struct span piece)
{
    if (p->line == 0)
        p->line = 1;
    if (p->struck == PAGE_STRIKES)
        space(p, 1);
    if (!p->open && !begin_page(p))
        return;
    size_t at = p->text.len;
    buf_addspan(&p->text, piece);
    if (p->text.failed)
        fault(p, PAGES_MEMORY);
    add_strike(p, at, PAGE_HEAD + p->line);
    p->struck++;
}

/* The octets of text that fit one line. breaks[i]: a line may end before octet i. Blanks that stand
 * at the edge hang over it: the next line does not begin with them. */
static size_t fold_at(struct span text, const char *breaks)
{
    size_t columns = 0, at = 0, last = 0;
    struct span rest = text;
    struct cell c;

    while (cell_next(&rest, &c)) {
        if (at > 0 && breaks[at] == UC_BREAK_POSSIBLE)
            last = at;
        if (columns + c.width > PAGE_COLUMNS && c.text.p[0] != ' ')
            return last > 0 ? last : at;
        columns += c.width;
        at += c.text.n;
    }
    return text.n;
}

static void strike_folded(struct pages *p, struct span text)
{
    char *breaks = malloc(text.n);

    if (breaks == NULL) {
        fault(p, PAGES_MEMORY);
        return;
    }
    u8_possible_linebreaks((const uint8_t *)text.p, text.n, "UTF-8", breaks);
    for (size_t from = 0; from < text.n && p->fault == PAGES_GOOD;) {
        struct span rest = span_from(text, from);
        size_t n = fold_at(rest, breaks + from);
        if (from > 0)
            space(p, 1);
        strike_piece(p, (struct span){rest.p, n});
        from += n;
    }
    free(breaks);
}

void page_strike(struct pages *p, struct span text)
{
    text = span_trim_end(text);
    if (p->fault != PAGES_GOOD)
        return;
    if (!plain(text)) {
        buf_clear(&p->scratch);
        if (!page_clean(text, &p->scratch)) {
            fault(p, PAGES_MEMORY);
            return;
        }
        text = BUF_SPAN(&p->scratch);
    }
    if (text.n <= PAGE_COLUMNS || utf8_width(text) <= PAGE_COLUMNS)
        strike_piece(p, text);
    else
        strike_folded(p, text);
}

void page_line(struct pages *p, struct span text)
{
    static const struct carriage next = {.lines = 1, .print = true, .known = true};

    page_move(p, &next);
    page_strike(p, text);
}

void page_bare(struct pages *p)
{
    new_page(p);
    eject(p, 0);
}

void page_at(struct pages *p, unsigned line, struct span text)
{
    size_t at = p->text.len;

    if (p->fault != PAGES_GOOD || p->count == 0 || line == 0 || line > p->lines)
        return;
    buf_clear(&p->scratch);
    if (!page_clean(text, &p->scratch) ||
        !page_fit(BUF_SPAN(&p->scratch), PAGE_COLUMNS, &p->text)) {
        fault(p, PAGES_MEMORY);
        return;
    }
    add_strike(p, at, line);
}

void pages_last_first(struct pages *p)
{
    if (p->count < 2)
        return;
    struct page last = p->page[p->count - 1];
    memmove(p->page + 1, p->page, (p->count - 1) * sizeof(*p->page));
    p->page[0] = last;
}

/* A line as its columns; the second column of a wide cell is empty. */
struct columns {
    struct cell cell[PAGE_COLUMNS];
    size_t used;
};

static bool gives_way(struct span s)
{
    return span_eq(s, SPAN(" ")) || span_eq(s, SPAN("_"));
}

/* One cell struck over what stands there. */
static void overstrike(struct columns *l, size_t column, struct cell c)
{
    static const struct cell blank = {{" ", 1}, 1}, blot = {{"#", 1}, 1};

    while (l->used < column + c.width)
        l->cell[l->used++] = blank;
    struct cell *under = &l->cell[column];
    if (span_eq(c.text, SPAN(" ")) || span_eq(c.text, under->text))
        return;
    bool free_cells = gives_way(under->text) && (c.width < 2 || gives_way(under[1].text));
    if (free_cells) {
        under[0] = c;
        if (c.width > 1)
            under[1] = (struct cell){{"", 0}, 0};
    } else if (!gives_way(c.text)) {
        /* Different characters over each other: neither can be read on paper either. */
        size_t first = under->width == 0 && column > 0 ? column - 1 : column;
        size_t last = column + c.width;
        if (last < l->used && l->cell[last].width == 0)
            last++;
        while (first < last)
            l->cell[first++] = blot;
    }
}

static void add_line(const struct pages *p, const struct strike *s, size_t strikes, struct buf *out)
{
    struct columns l = {.used = 0};

    if (strikes == 1) {
        buf_addspan(out, strike_text(p, s));
        return;
    }
    for (size_t i = 0; i < strikes; i++) {
        struct span text = strike_text(p, &s[i]);
        struct cell c;
        for (size_t column = 0; cell_next(&text, &c) && column + c.width <= PAGE_COLUMNS;
             column += c.width)
            if (c.width > 0)
                overstrike(&l, column, c);
    }
    size_t end = out->len;
    for (size_t i = 0; i < l.used; i++) {
        buf_addspan(out, l.cell[i].text);
        if (!span_eq(l.cell[i].text, SPAN(" ")))
            end = out->len;
    }
    if (!out->failed)
        out->len = end;
}

static void add_page(const struct pages *p, const struct page *page, struct buf *out)
{
    const struct strike *s = p->strike + page->strike;
    unsigned line = 1;

    for (size_t i = 0, n; i < page->strikes; i += n) {
        for (n = 1; i + n < page->strikes && s[i + n].line == s[i].line;)
            n++;
        buf_fill(out, '\n', s[i].line - line);
        add_line(p, &s[i], n, out);
        buf_addc(out, '\n');
        line = s[i].line + 1U;
    }
}

bool pages_text(const struct pages *p, struct buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        if (i > 0)
            buf_addc(out, '\f');
        add_page(p, &p->page[i], out);
    }
    return !out->failed;
}
