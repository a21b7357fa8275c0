/* The format of a receiver's journal: messages that were accepted and have no durable file yet.
 *
 * A journal is a file of fixed size in blocks. Its heads stand at its beginning and, again, at its
 * end; between them lie two halves, written in turn: records of an even generation in the first, of
 * an odd one in the second. A head says which generation is released: records of it and of those
 * before are used up. A record is one spool file with its queue and name. Batches of records that
 * are synced together begin at a block, so that no block is written again that somebody relies on.
 *
 * Pure code. Nothing that is read back is trusted: every head and record has a check sum, records
 * have the digest of their content and the journal's random key, so that no text of a message can
 * pose as a record, and a record that is damaged does not hide the ones behind it. Numbers are in
 * network order. */
#ifndef SSMTP_JOURNAL_H
#define SSMTP_JOURNAL_H

#include "lib/seal.h"

enum {
    JOURNAL_BLOCK = 4096,
    JOURNAL_KEY = 16,
    JOURNAL_NAME_MAX = 47,
    JOURNAL_HEAD = 64,       /* octets of an encoded head */
    JOURNAL_COPIES = 4,      /* places of heads */
    JOURNAL_RECORD_HEAD = 72 /* octets of a record before its name */
};

#define JOURNAL_SIZE_MIN (256UL << 10)
#define JOURNAL_SIZE_MAX (1UL << 30)

struct journal_head {
    uint32_t number; /* which journal it is */
    uint64_t size;   /* of the file */
    uint64_t released;
    unsigned char key[JOURNAL_KEY];
};

struct journal_record {
    uint64_t generation; /* from 1 on */
    uint32_t sequence;   /* in its generation, from 0 on */
    uint32_t first;      /* the sequence with which its batch begins: those before it were synced */
    unsigned char queue;
    char name[JOURNAL_NAME_MAX + 1]; /* of the spool file */
    struct seal_mark mark;           /* of the content */
    struct span content;
};

bool journal_size_valid(uint64_t size);
/* Where a half begins, and how long it is. */
uint64_t journal_half_at(uint64_t size, uint64_t generation);
uint64_t journal_half_size(uint64_t size);

/* Where the copies of heads stand: 0 and 1 at the front, 2 and 3 at the end. A head belongs into
 * copies n and n + 2, n being its released generation modulo 2: its predecessor is never
 * overwritten. */
uint64_t journal_head_at(uint64_t size, unsigned copy);
void journal_head_encode(const struct journal_head *h, unsigned char out[JOURNAL_HEAD]);
bool journal_head_decode(struct span octets, struct journal_head *h);

/* Octets of a record, a multiple of 8; 0: there is none that large. */
size_t journal_record_size(size_t name, size_t content);
/* Appends a record. False: a part is not valid, or memory is short. */
bool journal_record_encode(struct buf *out, const unsigned char key[JOURNAL_KEY],
                           const struct journal_record *r);
/* A record at the beginning of the octets, proven by its check sum and the digest of its content.
 * r->content points into them. False: there is none. */
bool journal_record_decode(struct span octets, const unsigned char key[JOURNAL_KEY],
                           struct journal_record *r);
/* Calls `each` for every whole record in the octets of a half, in order, until it returns other
 * than 0; the result is that. */
int journal_scan(struct span half, const unsigned char key[JOURNAL_KEY],
                 int (*each)(void *arg, const struct journal_record *r), void *arg);

#endif
