/* SASLprep (RFC 4013): the one form in which names and passwords are compared. By libgsasl. */
#ifndef SPOOLMAIL_SASLPREP_H
#define SPOOLMAIL_SASLPREP_H

#include "lib/buf.h"

/* Appends the prepared form of UTF-8 text. Characters younger than Unicode 3.2 pass as they stand,
 * for passwords have them. False: it has a character that may not be there, or is not UTF-8; or
 * memory is short (out->failed). The room is taken at once, so that no copy stays behind. */
bool saslprep(struct span text, struct buf *out);

#endif
