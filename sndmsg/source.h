/* A file that a line of the message names, `.f=NAME` or `.a=NAME`: a data set of the catalog
 * (OTAPXYZ.MYMESSGE.TEXT, or a member: A.LIBRARY(MEMBER)) or a path.
 *
 * The user's own rights decide, nothing else: sndmsg has no others. Only a plain file is read,
 * once, in pieces, and it must be the same at the end as it was at the beginning. Whatever is wrong
 * with it, the user is told in one line, T01SMnnn and why. */
#ifndef SNDMSG_SOURCE_H
#define SNDMSG_SOURCE_H

#include <limits.h>
#include <sys/types.h>
#include <time.h>

#include "lib/catalog.h"
#include "lib/charset.h"
#include "sndmsg/say.h"

enum { SOURCE_PIECE = 65536 };

/* What both ways of taking a file need to know. */
struct source_rules {
    const struct catalog *catalog;
    struct charset charset; /* of text for which no code page is named */
    uint64_t maxsize;       /* of the whole message */
    const char *home;       /* for ~/; NULL: none */
    /* Asked now and then: is the user tired of it? May be NULL. */
    bool (*stop)(void *arg);
    void *arg;
};

struct source {
    int fd;
    uint64_t octets; /* when it was opened */
    struct timespec changed;
    char name[PATH_MAX];
    struct dcb label; /* of a data set */
    struct buf *message;
    const struct source_rules *rules;
};

/* Opens what is named. On false the user was told. */
bool source_open(struct source *s, const struct source_rules *rules, struct span name,
                 struct buf *message);
void source_close(struct source *s);
/* At most SOURCE_PIECE octets; 0 at the end, -1: the user was told. */
ssize_t source_read(struct source *s, char *to);
/* Would the message become too large with `more` octets, when `room` are left? On true the user was
 * told. */
bool source_too_large(struct source *s, uint64_t more, uint64_t room);
/* Is it what it was when it was opened? `octets` were read of it. On false the user was told. */
bool source_unchanged(struct source *s, uint64_t octets);

#endif
