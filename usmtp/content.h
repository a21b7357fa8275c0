/* What a MIME header says of its entity, as far as encoding it must know (RFC 2045, 2046). Pure;
 * trusts nothing: what cannot be read counts as a leaf, and is then treated whole. */
#ifndef USMTP_CONTENT_H
#define USMTP_CONTENT_H

#include "lib/buf.h"

enum content_kind {
    CONTENT_LEAF,
    CONTENT_MULTIPART, /* with a boundary */
    CONTENT_MESSAGE,   /* a whole message */
    CONTENT_FIELDS /* another type of message: lines that look like header fields, never encoded */
};

enum { BOUNDARY_MAX = 200 }; /* lawful are 70 */

struct boundary {
    char octets[BOUNDARY_MAX]; /* printable ASCII */
    size_t n;
};

struct content {
    enum content_kind kind;
    bool digest; /* multipart/digest: a part without Content-Type is a message */
    struct boundary boundary;
};

enum content_encoding {
    ENCODING_IDENTITY, /* 7bit, 8bit, binary, or none */
    ENCODING_QUOTED,
    ENCODING_OTHER /* base64, or one that is not known */
};

/* The bodies of Content-Type and Content-Transfer-Encoding. Comments and folds may stand anywhere.
 */
void content_read(struct content *c, struct span body);
enum content_encoding content_encoding(struct span body);

#endif
