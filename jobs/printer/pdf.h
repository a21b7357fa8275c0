/* A printout as PDF on greenbar paper: the one home of cairo and pango.
 *
 * Paper of 14 7/8 inches by LINECT lines of 12 points, 132 columns of 10 to the inch, green bars of
 * three lines, tractor holes at both edges; what is struck over each other is drawn a third of a
 * point apart, so that it shows as bold. Each character stands in its column, whatever font it
 * comes from. Takes pages (page.h) as they are: all text in them is printable UTF-8. */
#ifndef PRINTER_PDF_H
#define PRINTER_PDF_H

#include "jobs/printer/page.h"

/* Debian's fonts-dejavu-core; another monospaced font is taken where it is not installed. */
#define PDF_FONT "DejaVu Sans Mono"

/* Writes to the descriptor. `made` is the date in the file, so that a second try writes the same.
 * False: errno is the descriptor's, or 0, and *why says what is wrong. */
bool pdf_write(const struct pages *p, const char *title, int64_t made, int fd, const char **why);

#endif
