/* A mail as readable lines: the one home of GMime. Pure in use: octets in, text out; nothing is
 * fetched, opened or written.
 *
 * Shows the main header fields with their encoded words decoded, and of the body what a reader
 * wants: the plain part of an alternative, HTML as text, transfer encodings and charsets undone,
 * attachments by type, size and name, messages within the message with their header. What is not
 * shown is named. What is broken is shown as it stands. Depth and number of parts are bounded. */
#ifndef PRINTER_MIME_H
#define PRINTER_MIME_H

#include "lib/buf.h"

enum {
    MIME_DEPTH = 32,    /* multiparts and messages within each other */
    MIME_PARTS = 10000, /* shown or named */
    MIME_MESSAGE_MAX = 1 << 30
};

/* LF ends a line. Lines of the header are printable; lines of the text hold any octets but LF and
 * are made safe by who prints them. */
struct mime_mail {
    struct buf header, subject, text;
};

/* False: memory is short. */
bool mime_read(struct span message, struct mime_mail *out);
void mime_free(struct mime_mail *mail);

#endif
