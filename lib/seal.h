/* The seal of a file that our own programs wrote: its length and a digest, out of band, so that
 * damage is found before the file is used. An extended attribute, user.spoolmail.seal = "1 LENGTH
 * HEX" with the first 16 octets of SHA-256; on a file system without attributes a file simply has
 * none, as has a file that a job dropped.
 *
 * A second form is for files that differ only at their front: "2 LENGTH CUT HEX", where the digest
 * is over the octets from CUT on and then those before it. So what is common is digested once. CUT
 * is at most SEAL_CUT_MAX.
 *
 * It is no defence against an owner who alters his own file and its seal; it finds cuts, flipped
 * bits and zeroed runs. */
#ifndef SPOOLMAIL_SEAL_H
#define SPOOLMAIL_SEAL_H

#include "lib/digest.h"

enum { SEAL_DIGEST = 16, SEAL_CUT_MAX = 65536, SEAL_TEXT_MAX = 72 };

/* A digest in the making. Zero it to begin; seal_end(), seal_check() or seal_drop() ends it. */
struct seal {
    struct digest digest;
    bool begun;
    uint64_t length;
    size_t cut;                /* 0: the first form */
    struct buf front;          /* checking: octets before the cut, which are digested last */
    char found[SEAL_TEXT_MAX]; /* checking: the file's seal */
    bool checking, failed;
};

void seal_add(struct seal *s, struct span octets);
/* What a seal of the first form says: for a file that is written elsewhere or later. */
struct seal_mark {
    uint64_t length;
    unsigned char digest[SEAL_DIGEST];
};
/* The mark of a text that is in memory; needs no memory of its own. */
void seal_of(struct span octets, struct seal_mark *out);
/* Sets the attribute of an open file to what was marked before; as seal_end(), but 1 where there
 * are no attributes. */
int seal_put(int fd, const struct seal_mark *mark);
/* Sets the attribute of the open file that was written. 0; -1 with errno only for an error that
 * concerns the data (EIO, ENOSPC, EDQUOT): no attributes here is no error. */
int seal_end(struct seal *s, int fd);
void seal_drop(struct seal *s);
/* For the second form: *from has what is common to several files; *s goes on from there with the
 * `cut` octets that stand before it in its file. */
void seal_branch(struct seal *s, const struct seal *from, size_t cut);
/* The same for a file that was just written, by reading it back (its descriptor must be able to).
 */
int seal_file(int fd);

enum seal_state {
    SEAL_NONE, /* it has no seal */
    SEAL_GOOD,
    SEAL_BROKEN,
    SEAL_TROUBLE /* it could not be checked now: memory is short */
};
/* Does its seal say this (GOOD), or something else (BROKEN)? The content is not looked at. */
enum seal_state seal_compare(int fd, const struct seal_mark *mark);
/* Begins to check a file: reads its seal into *s, which was zero. False: it has none. */
bool seal_open(struct seal *s, int fd);
/* After all of the file was added to *s: does it agree with its seal? Ends *s. */
enum seal_state seal_check(struct seal *s);
/* What to tell about a broken one. */
#define SEAL_REASON                                                                                \
    "it is damaged: length or digest is not what was written; restore it from a backup or have "   \
    "it sent again"

#endif
