/* Messages to the user: a line T01SMnnn of the message table, with its LF, into a struct buf. */
#ifndef SNDMSG_SAY_H
#define SNDMSG_SAY_H

#include "lib/buf.h"
#include "lib/msg.h"

enum { SAY_MAX = 1024 };

#define SAY(message, id, ...)                                                                      \
    do {                                                                                           \
        char say_line[SAY_MAX];                                                                    \
        MSG_TEXT(say_line, sizeof(say_line), id, __VA_ARGS__);                                     \
        buf_adds((message), say_line);                                                             \
        buf_addc((message), '\n');                                                                 \
    } while (0)

#endif
