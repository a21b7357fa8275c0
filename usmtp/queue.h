/* What usmtp knows of the waiting data sets: an index in memory, 64 octets a data set. Pure.
 *
 * All times are service seconds (see checkpoint.h): they never step. An entry is in exactly one
 * place: FRESH (its destination is not known yet) or READY (in its destination's line), both FIFO
 * chains; KEPT (in the heap until it is due); SENDING (in nobody's but a connection's hands). */
#ifndef USMTP_QUEUE_H
#define USMTP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRIES_MAX = 1000000 }; /* more are not counted */

enum entry_state { ENTRY_FREE, ENTRY_FRESH, ENTRY_READY, ENTRY_SENDING, ENTRY_KEPT };

#define ENTRY_NONE UINT32_MAX

struct entry {
    uint64_t stamp; /* its name, dsname.h */
    int64_t first;  /* when it was first seen */
    int64_t due;    /* KEPT: when it is tried again */
    uint64_t line;  /* offset of its last line in the checkpoint; UINT64_MAX: none */
    uint32_t next;  /* in a chain */
    uint32_t heap;  /* KEPT: position in the heap */
    uint32_t tries : 24;
    uint32_t state : 7; /* enum entry_state */
    uint32_t whole : 1; /* its writer said that it is: no need to find out */
};

/* A FIFO chain of entries. Start with {ENTRY_NONE, ENTRY_NONE, 0}. */
struct chain {
    uint32_t head, tail;
    size_t count;
};
#define CHAIN_EMPTY ((struct chain){ENTRY_NONE, ENTRY_NONE, 0})

struct queue {
    struct entry *entry;
    uint32_t entries, cap; /* used and allocated rows */
    uint32_t free;         /* chain of free rows through next */
    uint32_t *slot;        /* hash of stamps: row + 1, 0 empty; slots is a power of 2 */
    uint32_t slots, live;
    uint64_t seed; /* of the hash: anybody may choose the name of a data set */
    uint32_t *heap;
    uint32_t kept;
};

void queue_init(struct queue *q, uint64_t seed);
void queue_free(struct queue *q);
/* A new entry, in no chain, state SENDING, destination ENTRY_NONE. ENTRY_NONE: memory is short. */
uint32_t queue_add(struct queue *q, uint64_t stamp, int64_t first);
uint32_t queue_find(const struct queue *q, uint64_t stamp);
/* Only from state SENDING. */
void queue_remove(struct queue *q, uint32_t e);

/* SENDING to the state of the chain, at its end. */
void queue_append(struct queue *q, struct chain *c, uint32_t e, enum entry_state state);
/* The first of the chain, now SENDING; ENTRY_NONE when it is empty. */
uint32_t queue_take(struct queue *q, struct chain *c);
/* Orders a chain by stamp, the oldest first; as it was when memory is short. */
void queue_sort(struct queue *q, struct chain *c);
/* SENDING to KEPT, due at that time. */
void queue_keep(struct queue *q, uint32_t e, int64_t due);
/* KEPT: due at once. */
void queue_hurry(struct queue *q, uint32_t e);
/* An entry that is due at `now`, then SENDING; ENTRY_NONE when there is none. O(log n). */
uint32_t queue_due(struct queue *q, int64_t now);
/* When the next is due; INT64_MAX: none is kept. O(1). */
int64_t queue_next_due(const struct queue *q);

/* The delay before try number `tries` + 1: `base` doubled for each try, at most `ceiling`, of which
 * the last quarter is chosen by `random`, so that mail that failed together does not come back
 * together. */
int64_t retry_delay(uint32_t tries, uint64_t base, uint64_t ceiling, uint32_t random);

#endif
