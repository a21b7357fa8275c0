/* An offer: how a user who owns nothing in the spool puts several mail data sets into it, all or
 * none. Its name says who sees it, and each arrow is one system call:
 *
 *     mail/.OFFER-<hex>.open/   O1, being written by its owner, who holds a lock on the directory
 *        | offer_commit(): all of it is synced, then renamed, and mail/ synced
 *     mail/.OFFER-<hex>.done/   O2, committed: the mail is accepted
 *        | offer_adopt(): each file is moved into mail/ under a name of a data set
 *     gone                      when its directory is empty
 *     mail/.OFFER-<hex>.held/   O3, what could not be taken in; its owner or an operator removes it
 *
 * A writer that dies in O1 leaves a directory whose lock is free: offer_sweep() removes it. Taking
 * in can stop between any two calls and be done again: what was moved is a data set already.
 *
 * The owner of the directory can do with it what he likes at any time, so the daemon's side trusts
 * neither its names nor its kinds of file nor their number: its work is bounded, it never opens a
 * file in it, and what is no plain file under a name of ours stays where it is. Who may send what
 * is asked by usmtp when it opens the data set. */
#ifndef SPOOLMAIL_OFFER_H
#define SPOOLMAIL_OFFER_H

#include "lib/msg.h"
#include "lib/spool.h"

enum {
    OFFER_FILES_MAX = 5000, /* data sets in one offer: as many recipients as an envelope may have */
    OFFER_STEM_MAX = 32
};

struct offer {
    int mail; /* borrowed; its writers may have it as O_PATH only */
    int dir;
    char stem[OFFER_STEM_MAX]; /* ".OFFER-0123456789ABCDEF" */
    unsigned files;
    struct syncset sync;
    bool in_doubt; /* offer_commit() failed after its rename: it may be sent, or be lost */
};

/* The user's side. Each returns 0 or a descriptor; -1 with errno. After a failure the offer must be
 * given up with offer_abandon(). */
/* ENOTSUP: the directory's group is not that of mail/, which has lost its setgid bit. */
int offer_begin(struct offer *o, int mail);
/* The next file, open for writing; mode 0640, group of mail/, whatever the umask. ENOSPC beyond
 * OFFER_FILES_MAX. */
int offer_create(struct offer *o);
/* The file is written: seals it (seal.h), and takes the descriptor over for the common sync. */
int offer_done(struct offer *o, int fd);
/* O1 to O2. 0: every file is on stable storage, and usmtp was woken. The offer is closed then. */
int offer_commit(struct offer *o);
/* Removes what was written. Safe after every failure and after offer_commit(). */
void offer_abandon(struct offer *o);

/* The daemon's side. Is this the name of a committed offer? */
bool offer_is_done(const char *name);

enum offer_result {
    OFFER_TAKEN,   /* all of it: the directory is gone, or was not there any more */
    OFFER_HELD,    /* what could be taken is; the rest is in O3, with a message */
    OFFER_LATER,   /* errno: a fault of our own side; it is still there, try again */
    OFFER_IN_DOUBT /* errno: its files were moved, and nobody can say whether durably: as after a
                      commit in doubt, the program must end, because a second sync is no proof */
};

struct offer_taker {
    const struct spool *spool;
    struct span prefix; /* of data sets: PATH of the site */
    const struct msg_log *log;
    /* Called for each new data set once all of them are on stable storage in mail/. */
    void (*each)(void *arg, const char *name);
    void *arg;
};

/* Takes in the committed offer mail/<name>. */
enum offer_result offer_adopt(const struct offer_taker *t, const char *name);
/* Removes the offers of writers that died. Bounded for each; what is left is for the next time. */
void offer_sweep(const struct spool *s);

#endif
