/* The message of RFC 5322 and MIME: header, text, attachments. The one home of GMime.
 *
 * A text of ASCII lines within 998 octets needs no MIME and is left as it is; other UTF-8 text is
 * marked as such and left as it is too (usmtp encodes it where the other side cannot take it). Only
 * lines too long become quoted-printable, and only attachments base64. All of it streams from one
 * temporary file to another: memory does not grow with it. */
#ifndef SNDMSG_COMPOSE_H
#define SNDMSG_COMPOSE_H

#include "sndmsg/letter.h"
#include "sndmsg/recipients.h"

struct compose_params {
    const struct address *from;
    const char *full; /* full name; NULL: none */
    const char *host, *login;
    const char *id; /* unique on this host */
    const struct recipients *recipients;
    struct span subject;
    const struct letter *letter;
    int64_t wall;
    int offset;
};

/* head, then `body`: the message, with LF line ends. */
struct composed {
    struct buf head;
    struct scratch encoded;
    const struct scratch *body; /* &encoded, or the letter's text as it stands */
};

/* False with errno. */
bool compose(const struct compose_params *p, struct composed *out);
uint64_t composed_octets(const struct composed *c);
void composed_free(struct composed *c);

#endif
