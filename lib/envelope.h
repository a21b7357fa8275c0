/* The envelope: X-From: and X-To: lines at the very top of a spool file or mail data set.
 * The one reader and the one writer of the format.
 *
 * Names match in any case, the blank after the colon may be missing, an address may stand bare or
 * in
 * <>, trailing blanks do not count (FB records). One X-From, then X-To; the envelope ends at the
 * first other line. A third line, `X-Recfm: VBA`, is lawful in a mail data set: its text has ASA
 * control in column 1. A lone `DATA` record right after the envelope is skipped (XMITIP writes
 * one). */
#ifndef SPOOLMAIL_ENVELOPE_H
#define SPOOLMAIL_ENVELOPE_H

#include "lib/address.h"

enum { ENVELOPE_TO_MAX = 5000 }; /* recipients in one file: a bound on memory */

struct envelope {
    struct address from; /* all zero: the null reverse-path, if have_from */
    struct address *to;  /* owned array of nto */
    size_t nto, cap;
    bool have_from;
    bool asa;         /* X-Recfm: VBA was there */
    bool data_record; /* the lone DATA record was there: nothing of the envelope may follow */
};

enum envelope_line {
    ENVELOPE_FIELD, /* the line belongs to the envelope */
    ENVELOPE_END,   /* the line is the first of the message */
    ENVELOPE_BAD    /* *d says what and in which column (its line is left to the caller) */
};

struct diag;
/* Takes the next line, without its end. */
enum envelope_line envelope_take(struct envelope *e, struct span line, struct diag *d);
/* After the last line: is it whole (a sender, at least one recipient)? False fills *d. */
bool envelope_whole(const struct envelope *e, struct diag *d);
/* Appends a recipient; false when memory is short or ENVELOPE_TO_MAX is reached. */
bool envelope_add(struct envelope *e, const struct address *to);
/* Writes X-From and one X-To for each of to[0..nto), then X-Recfm if asa. LF ends each line. */
bool envelope_write(struct buf *out, const struct address *from, const struct address *to,
                    size_t nto, bool asa);
/* The same for one recipient, with blanks behind the address so that all has `octets` of them, for
 * heads of one length; without any where it is longer. */
bool envelope_write_padded(struct buf *out, const struct address *from, const struct address *to,
                           bool asa, size_t octets);
void envelope_free(struct envelope *e);

#endif
