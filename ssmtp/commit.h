/* Group commit: messages that wait together are made durable together.
 *
 * A thread of its own takes all that wait as one batch and tells the loop when they are durable;
 * the next batch gathers meanwhile, so that one session alone waits for its own syncs only and a
 * hundred share theirs. Messages in memory go to the journal as records, with one sync; from there
 * a checkpoint makes their files (checkpoint.h). Larger ones are files already: their contents are
 * synced, then each is renamed to its name without replacing another, and the directories synced.
 *
 * A message whose durability was not proven gets its error; a file is removed then. A failed sync
 * is never tried again: in a journal it leaves doubt, and no message is taken any more. */
#ifndef SSMTP_COMMIT_H
#define SSMTP_COMMIT_H

#include "lib/loop.h"
#include "ssmtp/checkpoint.h"

/* A message on its way. Belongs to the committer until `done`. */
struct commit_file {
    struct commit_file *next; /* the committer's */
    struct entry *entry;      /* it is in memory, with its name and queue; NULL: a written file */
    struct spool_writer writer;
    int to;                /* the directory of its queue */
    char name[STORE_NAME]; /* may become another, if it is taken */
    int error;             /* the result: 0, or errno */
    void *arg;
};

struct committer;

struct committer_params {
    struct loop *loop;
    const struct spool *spool;
    int whole; /* a directory on the file system of all files, opened by this process and before
                  the first of them is written: syncfs() tells errors since then */
    struct store_names *names;
    const struct msg_log *log;
    struct redo *redo;                   /* NULL: there is no journal, and no entries */
    void (*done)(struct commit_file *f); /* called by the loop */
    void (*doubt)(void *arg, int error); /* nobody can say what is on the disk: end the program */
    void *arg;
};

/* NULL with errno. */
struct committer *committer_new(const struct committer_params *params);
/* A message of so many octets may be an entry. */
bool committer_holds(const struct committer *c, size_t octets);
void committer_add(struct committer *c, struct commit_file *f);
/* Finishes what waits, calling `done` for it, and the checkpoint. */
void committer_free(struct committer *c);

#endif
