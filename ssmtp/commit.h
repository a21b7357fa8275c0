/* Group commit: spool files that wait together are made durable together.
 *
 * A thread of its own takes all that wait as one batch: syncs the files, renames each to its name
 * without replacing another, syncs the directories, and tells the loop. The next batch gathers
 * meanwhile, so that one session alone waits for its own syncs only and a hundred share theirs.
 *
 * A file whose durability was not proven, by the sync of its content and then by that of its
 * directory, is removed and gets its error. A failed sync is never tried again. */
#ifndef SSMTP_COMMIT_H
#define SSMTP_COMMIT_H

#include "lib/loop.h"
#include "ssmtp/store.h"

/* A written spool file on its way. Belongs to the committer until `done`. */
struct commit_file {
    struct commit_file *next; /* the committer's */
    struct spool_writer writer;
    int to;                /* the directory of its queue */
    char name[STORE_NAME]; /* may become another, if it is taken */
    int error;             /* the result: 0, or errno */
    void *arg;
};

struct committer;

/* `whole`: a directory on the file system of all files, opened by this process and before the first
 * of them is written: syncfs() tells errors since then. `done` is called by the loop. NULL with
 * errno. */
struct committer *committer_new(struct loop *l, int whole, struct store_names *names,
                                void (*done)(struct commit_file *f));
void committer_add(struct committer *c, struct commit_file *f);
/* Finishes what waits, calling `done` for it. */
void committer_free(struct committer *c);

#endif
