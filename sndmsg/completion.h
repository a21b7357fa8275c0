/* What the word before the cursor may become: addresses from the directory, file names behind `.f=`
 * and `.a=`. Only what can be typed and shown safely is offered. */
#ifndef SNDMSG_COMPLETION_H
#define SNDMSG_COMPLETION_H

#include "sndmsg/directory.h"

enum { COMPLETION_MAX = 100, COMPLETION_LOOKED_AT = 20000 };

/* COMPLETION_QUESTION: a line that answers a question of ours, and is not worth remembering. */
enum completion_kind { COMPLETION_NONE, COMPLETION_ADDRESS, COMPLETION_TEXT, COMPLETION_QUESTION };

struct completion {
    struct buf words;   /* each ended by a NUL */
    size_t count;       /* at most COMPLETION_MAX */
    struct span before; /* the part of the line that a word takes the place of */
    bool file;          /* else addresses: their case does not matter */
    const char *home;   /* for ~/; NULL: none */
};

/* Fills c->words for a line up to the cursor. Of text, only `.f=` and `.a=` lines have any. */
void completion_find(struct completion *c, const struct directory *d, enum completion_kind kind,
                     struct span line);
/* How far all words agree. */
struct span completion_common(const struct completion *c);
void completion_free(struct completion *c);

#endif
