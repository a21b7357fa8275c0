/* What kind of file is attached: by its first octets, else by the ending of its name. Pure. */
#ifndef SNDMSG_MIMETYPE_H
#define SNDMSG_MIMETYPE_H

#include "lib/buf.h"

enum mimetype_text { MIMETYPE_BINARY, MIMETYPE_ASCII, MIMETYPE_UTF8 };

/* `head` is the beginning of the file, `text` what all of it is. The result is a Content-Type
 * without parameters, never NULL; that of text wants a charset. */
const char *mimetype_of(struct span head, struct span name, enum mimetype_text text);

#endif
