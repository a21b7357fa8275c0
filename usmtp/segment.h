/* Where lines end in the text of a mail data set, whatever octet it is cut at: LF ends a line, and
 * a CR directly before it belongs to the line end. Any other CR is text. */
#ifndef USMTP_SEGMENT_H
#define USMTP_SEGMENT_H

#include <string.h>

#include "lib/buf.h"

/* Takes the next piece of a line off *in: up to its end (*ends), or up to the end of *in. *cr is
 * the caller's, false at the start: a CR is held back until its next octet is known, and at the end
 * of the text it belongs to the line end that is missing there. False when *in is used up. */
static inline bool segment_next(bool *cr, struct span *in, struct span *segment, bool *ends)
{
    if (in->n == 0)
        return false;
    if (*cr && in->p[0] != '\n') {
        *cr = false;
        *segment = SPAN("\r");
        *ends = false;
        return true;
    }
    const char *lf = memchr(in->p, '\n', in->n);
    size_t n = lf != NULL ? (size_t)(lf - in->p) : in->n;
    *ends = lf != NULL;
    *segment = (struct span){in->p, n};
    *in = (struct span){in->p + n + *ends, in->n - n - *ends};
    *cr = n > 0 && segment->p[n - 1] == '\r';
    segment->n -= *cr;
    *cr = *cr && !*ends;
    return true;
}

#endif
