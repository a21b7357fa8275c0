/* `.f=NAME[,codepage]`: a file into the text of a message, as the line is typed.
 *
 * The file is read at once and in pieces; whatever is wrong with it, nothing of it stays in the
 * message and the session goes on. What is included is text of the locale unless a code page is
 * named; it becomes UTF-8 with LF line ends, and must not hold a `.f=` line itself, as in the
 * original. */
#ifndef SNDMSG_INCLUDE_H
#define SNDMSG_INCLUDE_H

#include "sndmsg/letter.h"
#include "sndmsg/source.h"

/* Files that must be converted or unblocked as a whole are held in memory. */
enum { INCLUDE_WHOLE_MAX = 16 << 20 };

/* Each appends to *message what the user is to be told, one line with its LF: T01SMnnn and why when
 * the result is false, else what was taken. */
bool include_text(struct letter *l, const struct source_rules *rules, struct span operand,
                  struct buf *message);
/* Reads an open stream to its end in the same way; a line that begins with .f= is text in it, and
 * there is nothing to say when all is well. `name` is for the message. */
bool include_stream(struct letter *l, const struct source_rules *rules, int fd, const char *name,
                    struct buf *message);

#endif
