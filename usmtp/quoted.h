/* The lines of a leaf for a peer that takes short lines of 7 bit only. Pure, streaming: a line may
 * come in pieces of at most QUOTED_PIECE octets, without its end. A CR in a piece is a bare one.
 * Lines come out with LF.
 *
 * A line that begins where none began in the text never looks like the delimiter of a part. */
#ifndef USMTP_QUOTED_H
#define USMTP_QUOTED_H

#include "lib/buf.h"

enum { QUOTED_PIECE = 1024 };

/* Where a piece stands in its line. */
enum quoted_place { QUOTED_BEGINS = 1, QUOTED_ENDS = 2 };

/* To quoted-printable (RFC 2045 6.7). All zero at the start of a leaf. */
struct quoted {
    unsigned column;
    char blank; /* read and not yet written: how depends on what follows; 0: none */
};
void quoted_encode(struct quoted *q, struct span piece, unsigned place, struct buf *out);

/* Passes a line of encoded text on: touched only where it is over TEXT_LINE_MAX octets or holds
 * octets that no encoding yields. Those become =XX in quoted-printable, ? elsewhere. All zero at
 * the start. */
struct quoted_pass {
    bool quoted; /* set by the caller: it is quoted-printable */
    unsigned column;
    unsigned escape; /* octets to come of =XX */
};
void quoted_pass(struct quoted_pass *p, struct span piece, unsigned place, struct buf *out);

#endif
