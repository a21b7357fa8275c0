/* Header fields on their way over the wire: lines of lawful length, no CR or NUL, and, where the
 * peer wants 7 bit, encoded words (RFC 2047) or parameter values (RFC 2231) instead of 8 bit text.
 * Pure.
 *
 * A field that is lawful already stays as it is, octet for octet. In a field of addresses, what
 * stands in <...> is left alone unless it is 8 bit itself. Decoding a changed field gives its text
 * back, but for blanks between addresses and at folds, and quotes that the encoded words replace.
 */
#ifndef USMTP_FIELD_H
#define USMTP_FIELD_H

#include "lib/buf.h"

enum { FIELD_NAME_MAX = 900 }; /* octets, with the colon: a line must be able to hold it */

/* Is it the first line of a field (as lib/header.h says), with a name that is not too long? */
bool field_begins(struct span line);
/* Does it continue the field before it? */
bool field_continues(struct span line);

/* One field that is written in one section or, when it is too long to be held, in several. */
struct field_writer {
    bool encode;     /* set by the caller: 8 bit is to go */
    bool after_word; /* the section before ended with an encoded word; the caller clears it where it
                        cut a word */
    unsigned char rules; /* by the name */
    bool begun;
};

/* Appends a section: lines with LF between them, without the last LF. The first section begins with
 * the name, a later one with a blank. Lines come out with LF. False: memory is short. */
bool field_write(struct field_writer *w, struct span section, struct buf *out);

#endif
