/* The draft: what was typed, kept on disk line by line while it is typed, so that the next session
 * can go on where this one was cut off, even by a crash.
 *
 * It is a file of the user's alone (0600), $XDG_STATE_HOME/spoolmail/draft or
 * ~/.local/state/spoolmail/draft. Each line is a blank or, for one that was pasted whole, a `+`,
 * then the line as it was typed. Sessions side by side take draft.1 to draft.9; a lock says which
 * are in use. Nothing here can stop a session: without a draft it goes on. */
#ifndef SNDMSG_DRAFT_H
#define SNDMSG_DRAFT_H

#include "lib/buf.h"

struct draft {
    int dir, fd;       /* -1: none */
    char name[16];     /* in dir */
    uint64_t size;     /* of what is kept */
    uint64_t at;       /* how far draft_next() has come */
    struct buf in;     /* read ahead */
    int error;         /* why there is none; 0: there is one */
    const char *where; /* what the error is about: borrowed from the caller or static */
};

/* Opens the folder, which is made where it is missing. False: d->error says why drafts cannot be
 * kept. state may be NULL ($XDG_STATE_HOME), so may home. */
bool draft_folder(struct draft *d, const char *state, const char *home);
/* Takes up a draft that another session left; false: there is none. */
bool draft_find(struct draft *d);
/* Begins a new one; of one that was found and is not wanted now, the file stays as it is. False:
 * d->error. */
bool draft_begin(struct draft *d);
/* The next line of the draft that was found; *pasted as it was kept. False at its end, or
 * with d->error: then it is no draft of this session any more, and its file stays as it is. */
bool draft_next(struct draft *d, struct buf *line, bool *pasted);
/* Keeps a line. False: d->error, and from now on nothing is kept. */
bool draft_add(struct draft *d, struct span line, bool pasted);
/* The session is cut off: what was kept is made to stay. True: there is something to go on with. */
bool draft_leave(struct draft *d);
/* The mail is sent, or the user does not want it: the file goes. */
void draft_drop(struct draft *d);
void draft_close(struct draft *d);

#endif
