/* HTML as text: tags away, entities as characters, lines where blocks end. Pure; fetches nothing.
 *
 * Takes any octets as UTF-8 and never fails but for memory. A tag or comment that does not end is
 * text, so nothing that a reader should see can be hidden behind an open quote. One pass: time and
 * memory are in proportion to the input. Where a link leads stands behind its text. */
#ifndef PRINTER_HTML_H
#define PRINTER_HTML_H

#include "lib/buf.h"

/* Appends the text; LF ends a line. What it appends is not yet safe to show. */
bool html_text(struct span html, struct buf *out);

#endif
