/* `.a=NAME`: a file beside the text of a message, octet for octet. It is copied as the line is
 * typed, so what becomes of the file afterwards does not matter. */
#ifndef SNDMSG_ATTACH_H
#define SNDMSG_ATTACH_H

#include "sndmsg/letter.h"
#include "sndmsg/source.h"

/* Appends to *message what the user is to be told, one line with its LF: T01SMnnn and why when the
 * result is false, and nothing is attached; else what was taken. */
bool attach_file(struct letter *l, const struct source_rules *rules, struct span operand,
                 struct buf *message);

#endif
