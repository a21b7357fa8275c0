/* The journal of a receiver as a file: SPOOL/work/SSMTP.<number>.JOURNAL, format in journal.h.
 *
 * Its size never changes and its blocks are written once when it is made, so that a batch costs one
 * sync of octets and nothing of the file system's own journal. One process owns it, by a lock.
 * Functions return 0, or -1 with errno. */
#ifndef SSMTP_REDO_H
#define SSMTP_REDO_H

#include "ssmtp/journal.h"

enum { REDO_MAX = 128 /* numbers are 1 to this */ };

struct redo {
    struct journal_head head;
    int fd;      /* locked; records are written through it */
    int head_fd; /* the same, opened apart: an error of writing is told once to each */
};

/* Opens and locks one. ENOENT: there is none; EWOULDBLOCK: another process has it; EBADMSG: it has
 * no valid head. */
int redo_open(struct redo *r, int work, unsigned number);
/* Makes one, whole at once, and locks it. EEXIST: there is one; EWOULDBLOCK: another process is
 * making it. */
int redo_make(struct redo *r, int work, unsigned number, uint64_t size);
/* Removes it; whoever opened it meanwhile will see that. Still to be closed. */
int redo_remove(const struct redo *r, int work);
void redo_close(struct redo *r);
/* Is the file as long as it should be? */
bool redo_whole(const struct redo *r);

/* Makes a batch of records durable, in blocks, at a place of the half of a generation. *doubt: it
 * may be there though it failed, or the file can't be relied on any more. */
int redo_append(const struct redo *r, uint64_t generation, uint64_t at, struct span batch,
                bool *doubt);
/* All records up to that generation are used up, durably. After -1 nobody knows. */
int redo_release(struct redo *r, uint64_t generation);
/* Reads the half of a generation, as far as the file goes. */
int redo_read(const struct redo *r, uint64_t generation, struct buf *half);

/* Which journals there are: found[number]. Removes what is left of those that were not made to
 * their end. */
int redo_list(int work, bool found[REDO_MAX + 1]);
/* Puts one aside that has no valid head: nobody can tell what of it is used up. */
int redo_set_aside(int work, unsigned number);

#endif
