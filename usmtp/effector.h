/* ASA carriage control to ASCII format effectors, streaming. Pure.
 *
 * The control octet of a record acts before its text, so what ends a line is known only when the
 * next record begins: effector_end() closes the last one. In the header, which ends at the first
 * empty record, every control is taken as a blank; and the first record of the body begins a line
 * whatever its control says. */
#ifndef USMTP_EFFECTOR_H
#define USMTP_EFFECTOR_H

#include "lib/buf.h"

enum effector_place { EFFECTOR_HEADER, EFFECTOR_FIRST, EFFECTOR_BODY };

/* All zero at the start of a text. */
struct effector {
    enum effector_place place;
    bool apart; /* set by the caller: each record is a line of its own, closed by the caller where
                   it ends */
    bool started, in_record, empty, cr;
};

struct effected {
    struct span effect; /* a constant, before the text; empty within a record */
    struct span text;   /* a piece of the record, within the input; no LF in it */
    bool ends;          /* the record ends behind the text */
};

/* Takes the next piece off *in; false when *in is used up. */
bool effector_next(struct effector *e, struct span *in, struct effected *next);
/* After the last piece: what closes the last line; empty when there was no record. */
struct span effector_end(const struct effector *e);

#endif
