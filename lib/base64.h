/* Base64 (RFC 4648 4), as SASL has it: one line, padded, nothing else in it. Pure; what is not
 * exactly of that form is refused whole. */
#ifndef SPOOLMAIL_BASE64_H
#define SPOOLMAIL_BASE64_H

#include "lib/buf.h"

/* Appends; the room is taken at once, so that no copy of a secret stays behind. False: memory is
 * short. */
bool base64_encode(struct span octets, struct buf *out);
/* Appends. False: it is not of the form, or memory is short (out->failed). */
bool base64_decode(struct span text, struct buf *out);

#endif
