/* The page engine: text and carriage control become pages of 132 columns. Pure.
 *
 * What goes in is any octets of anybody. What comes out is a list of strikes: one run of printable
 * UTF-8 each, at a line of a page, never wider than 132 columns, so that the writers of text and of
 * PDF need to check nothing. A control octet, a bidi control or an octet that is not UTF-8 becomes
 * visible text: only the carriage calls move the paper. After a fault further calls do nothing. */
#ifndef PRINTER_PAGE_H
#define PRINTER_PAGE_H

#include "lib/record.h"

enum {
    PAGE_COLUMNS = 132,
    PAGE_HEAD = 3,     /* the heading and two free lines: channel 1 is the line after them */
    PAGE_STRIKES = 8,  /* over each other on one line; more go to the next line */
    PAGE_MARKS = 8,    /* characters without width on one that has it; more become visible */
    PAGES_MAX = 10000, /* of one printout */
    PAGE_LINES_MIN = 48
};

struct strike {
    size_t at;           /* in pages.text */
    unsigned n;          /* octets */
    unsigned short line; /* of the form, from 1 */
};

/* A page's strikes lie together, their lines never descend. */
struct page {
    size_t strike, strikes;
};

enum page_fault { PAGES_GOOD, PAGES_MEMORY, PAGES_TOO_MANY };

struct pages {
    unsigned lines; /* of a form */
    struct buf heading, text;
    struct strike *strike; /* owned */
    size_t strikes, strike_cap;
    struct page *page; /* owned, in the order of printing */
    size_t count, page_cap;
    unsigned line;   /* of the body, from 1; 0: above it */
    unsigned struck; /* strikes on that line */
    unsigned number; /* of the last page that has one */
    bool open;       /* the paper stands within the last page, not between two */
    enum page_fault fault;
    struct buf scratch;
};

void pages_open(struct pages *p, unsigned lines);
void pages_free(struct pages *p);
/* The left part of the heading of the pages to come; the number of the page goes to its right. */
void pages_heading(struct pages *p, struct span left);

/* Moves the paper as a carriage control octet asks, before or after printing as it may be. */
void page_move(struct pages *p, const struct carriage *motion);
/* Prints where the paper stands. Text wider than the page goes on in the next lines, folded where
 * Unicode lets a line break (UAX 14); tabs go to the next eighth column. */
void page_strike(struct pages *p, struct span text);
/* One line further, and prints: what a line of text asks. */
void page_line(struct pages *p, struct span text);

/* A page without heading, filled line by line from above: separator pages. */
void page_bare(struct pages *p);
/* Prints on that line of the form of a bare page; the lines must not descend. Cut, not folded. */
void page_at(struct pages *p, unsigned line, struct span text);
/* Makes the last page the first. */
void pages_last_first(struct pages *p);

/* The whole as text: LF ends a line, FF a page but the last. What was struck over each other
 * becomes one line: blanks and underscores give way, equal characters are one, others become #. */
bool pages_text(const struct pages *p, struct buf *out);

static inline struct span strike_text(const struct pages *p, const struct strike *s)
{
    return (struct span){p->text.data + s->at, s->n};
}

/* One column or two: a character and the marks that stand on it. */
struct cell {
    struct span text;
    unsigned width;
};
/* Takes the first cell off printable text; false when it is used up. */
bool cell_next(struct span *text, struct cell *c);

/* Appends text made printable: tabs expanded from column 0, all that could move or drive anything
 * made visible. False when memory is short. */
bool page_clean(struct span text, struct buf *out);
/* Appends printable text cut or padded with blanks to that many columns. */
bool page_fit(struct span text, size_t columns, struct buf *out);

#endif
