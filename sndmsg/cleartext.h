/* What may stand in a line that a person typed, pasted or piped in: pure.
 *
 * A control character or a character that turns the order of text about could make a terminal, or
 * the reader of the mail, see something else than what is there. Which those are is decided in one
 * place, utf8_safe(); a tab is lawful in text. */
#ifndef SNDMSG_CLEARTEXT_H
#define SNDMSG_CLEARTEXT_H

#include "lib/buf.h"

/* Index of the first octet of what may not stand in the text; text.n when all is well. */
size_t cleartext_fault(struct span text, bool tabs);
/* What stands there, in words: "control character X'1B': remove it". */
void cleartext_describe(struct span at, char *out, size_t size);

struct cleartext_loss {
    size_t dropped;  /* characters that were left out */
    size_t replaced; /* octets that are no UTF-8: U+FFFD stands in their place */
};
/* Appends a line without the marks that a terminal puts round pasted text. False: memory. */
bool cleartext_unmark(struct span text, struct buf *out);
/* Appends a line of text without what may not stand in it. Tabs stay. False: memory. */
bool cleartext_clean(struct span text, struct buf *out, struct cleartext_loss *loss);

#endif
