/* Delivery into a Maildir, to the letter of the format: written in tmp/, synced, moved to new/,
 * new/ synced. What is delivered is whole and on stable storage, or it is not there.
 *
 * A copy's name is not made up for each try but says which copy it is, so that a delivery that was
 * cut short is found in new/ or cur/ (there with flags) and not made twice. Works with the rights
 * of whoever calls: to deliver to another user, become that user first. Nothing in the Maildir is
 * trusted: its four folders must belong to the caller, and the three within it be no links. */
#ifndef POSTOFFICE_MAILDIR_H
#define POSTOFFICE_MAILDIR_H

#include "lib/buf.h"

enum { MAILDIR_NAME = 160, MAILDIR_WHY = 160 };

/* What %h, %u and %i of a pattern stand for; home or login may be NULL. */
struct maildir_user {
    const char *home, *login, *userid;
};
/* The path by a pattern as the configuration has it. False: memory is short, or the user has no
 * such thing (*why names it). */
bool maildir_path(struct buf *path, const char *pattern, const struct maildir_user *u,
                  const char **why);
/* seconds.Sid.host, without slash and colon; `host` is escaped, and cut where it is long. */
void maildir_name(char out[MAILDIR_NAME], int64_t seconds, const char *id, const char *host);

/* Prefix, header, and the file `fd` from `body_at` on. */
struct maildir_copy {
    struct span prefix, header;
    int fd;
    uint64_t body_at;
};

enum maildir_result {
    MAILDIR_DELIVERED,
    MAILDIR_FOUND, /* it was delivered by an earlier try */
    MAILDIR_FAILED /* nothing was delivered; `why` says what failed */
};

enum { MAILDIR_FOLDERS = 3 };

struct maildir {
    int dir, folder[MAILDIR_FOLDERS];
};

/* Opens the Maildir `path`, which is made when it is missing (its parent must exist). False: `why`
 * says what failed; it is to be closed all the same. */
bool maildir_open(struct maildir *m, const char *path, char why[MAILDIR_WHY]);
/* With `tried` an earlier try may have been cut short: then cur/ is searched too, and what that try
 * left in tmp/ is removed. */
enum maildir_result maildir_deliver(const struct maildir *m, const char *name, bool tried,
                                    const struct maildir_copy *copy, char why[MAILDIR_WHY]);
void maildir_close(struct maildir *m);

#endif
