/* Separator pages: what tells one printout from the next when they lie in one stack of paper. Pure.
 *
 * Block letters of 12 rows by 12 columns made of the letter itself, two columns between them (eight
 * letters are 110 columns), the slip of the printout, and the detail line of JES2 four times at the
 * end of the page: programs that cut a stack of printouts look for four equal lines. */
#ifndef PRINTER_BANNER_H
#define PRINTER_BANNER_H

#include "jobs/printer/page.h"
#include "jobs/printer/slip.h"

enum { BANNER_ROWS = 12, BANNER_LETTERS = 8 };

struct banner {
    const struct slip *slip;
    char class;
    unsigned number;     /* of the job */
    const char *name;    /* full name of the user; "" when it is not known */
    const char *printer; /* PRT1 */
    const char *system;  /* of 8 */
    int64_t wall;        /* when it is printed */
    int offset;
};

/* Appends one row of a word: its first eight letters, A-Z 0-9 @ # $ in any case; what is none of
 * these is blank. */
bool banner_row(const char *word, unsigned row, struct buf *out);
/* Appends the detail line, 132 columns. */
bool banner_detail(const struct banner *b, bool start, struct buf *out);
/* Adds the page to the end of the printout. */
void banner_page(const struct banner *b, bool start, struct pages *p);

#endif
