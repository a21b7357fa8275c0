/* From a journal to plain files: a thread that makes the file of each message that the journal
 * holds, syncs them together, releases their records, and then shows the files to their readers.
 *
 * The order is the promise: a file is shown only when its content is on stable storage and its
 * record will not be replayed; so a file that left its queue never comes back, and no reader acts
 * on what a power cut could take back. What goes wrong before loses nothing, because the records
 * stay. With trouble that may pass (a full disk) it tries again each second, and new messages are
 * refused meanwhile; after a failed sync nobody knows what is on the disk: nothing more is done,
 * and the next start finds out. */
#ifndef SSMTP_CHECKPOINT_H
#define SSMTP_CHECKPOINT_H

#include "lib/msg.h"
#include "ssmtp/redo.h"
#include "ssmtp/store.h"

/* A message that is in the journal, or on its way there. */
struct entry {
    struct entry *next;
    struct buf text; /* the whole spool file, until it is made */
    struct seal_mark mark;
    unsigned char queue; /* enum spool_queue */
    bool dotted;         /* the form of its file, plain.h */
    int fd;              /* of the file, while it is kept open to be synced; -1 */
    uint64_t generation;
    char name[STORE_NAME];
};

void entry_free(struct entry *e);

struct checkpoint_params {
    struct redo *redo; /* borrowed; only through this from now on */
    const struct spool *spool;
    struct store_names *names;
    const struct msg_log *log;
    int told; /* an eventfd, written when there is doubt */
};

struct checkpoint;

/* NULL with errno. */
struct checkpoint *checkpoint_new(const struct checkpoint_params *params);
/* Brings what it can to its end; nothing may be added any more. */
void checkpoint_stop(struct checkpoint *k);
/* Frees it, stopped or not. */
void checkpoint_free(struct checkpoint *k);
/* errno of what left doubt about the journal or the files, or 0. */
int checkpoint_doubt(struct checkpoint *k);

/* The octets of the longest batch. */
size_t checkpoint_room(const struct checkpoint *k);

/* Where a batch goes. */
struct checkpoint_place {
    uint64_t generation, at, room;
    uint32_t sequence;
};
/* Waits until `least` octets have room. False with errno: nothing can be taken now. After true
 * checkpoint_leave() must follow. One writer only. */
bool checkpoint_enter(struct checkpoint *k, size_t least, struct checkpoint_place *place);
/* The batch of those messages is durable, and they are the checkpoint's now; or NULL: it is not
 * there. */
void checkpoint_leave(struct checkpoint *k, struct entry *batch, size_t octets);
/* Nobody can say whether the batch is there. */
void checkpoint_spoil(struct checkpoint *k, int error);

#endif
