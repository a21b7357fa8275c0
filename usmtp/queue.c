/* See queue.h. */
#include "usmtp/queue.h"

#include <stdlib.h>
#include <string.h>

#include "lib/service.h"

void queue_init(struct queue *q, uint64_t seed)
{
    *q = (struct queue){.free = ENTRY_NONE, .seed = seed};
}

void queue_free(struct queue *q)
{
    free(q->entry);
    free(q->slot);
    free(q->heap);
    queue_init(q, q->seed);
}

static uint32_t mix(const struct queue *q, uint64_t stamp)
{
    stamp ^= q->seed;
    stamp = (stamp ^ stamp >> 32) * 0x9E3779B97F4A7C15U;
    stamp = (stamp ^ stamp >> 29) * (q->seed | 1);
    return (uint32_t)(stamp >> 32);
}

/* The slot that holds the stamp, or the empty one where it would go. */
static uint32_t probe(const struct queue *q, uint64_t stamp)
{
    uint32_t mask = q->slots - 1, i = mix(q, stamp) & mask;

    while (q->slot[i] != 0 && q->entry[q->slot[i] - 1].stamp != stamp)
        i = (i + 1) & mask;
    return i;
}

static bool grow_slots(struct queue *q)
{
    uint32_t old = q->slots, slots = old ? old * 2 : 64;
    uint32_t *before = q->slot, *after;

    if (q->live + 1 <= old / 4 * 3)
        return true;
    if (slots == 0 || (after = calloc(slots, sizeof(*after))) == NULL)
        return false;
    q->slot = after;
    q->slots = slots;
    for (uint32_t i = 0; i < old; i++)
        if (before[i] != 0)
            after[probe(q, q->entry[before[i] - 1].stamp)] = before[i];
    free(before);
    return true;
}

static bool grow_rows(struct queue *q)
{
    if (q->free != ENTRY_NONE || q->entries < q->cap)
        return true;
    if (q->cap >= UINT32_MAX / 2)
        return false;
    uint32_t cap = q->cap ? q->cap * 2 : 64;
    void *rows = reallocarray(q->entry, cap, sizeof(*q->entry));
    if (rows == NULL)
        return false;
    q->entry = rows;
    void *heap = reallocarray(q->heap, cap, sizeof(*q->heap));
    if (heap == NULL)
        return false;
    q->heap = heap;
    q->cap = cap;
    return true;
}

uint32_t queue_find(const struct queue *q, uint64_t stamp)
{
    if (q->slots == 0)
        return ENTRY_NONE;
    uint32_t row = q->slot[probe(q, stamp)];
    return row == 0 ? ENTRY_NONE : row - 1;
}

uint32_t queue_add(struct queue *q, uint64_t stamp, int64_t first)
{
    if (!grow_slots(q) || !grow_rows(q))
        return ENTRY_NONE;
    uint32_t e = q->free;
    if (e != ENTRY_NONE)
        q->free = q->entry[e].next;
    else
        e = q->entries++;
    q->entry[e] = (struct entry){.stamp = stamp,
                                 .first = first,
                                 .line = UINT64_MAX,
                                 .next = ENTRY_NONE,
                                 .state = ENTRY_SENDING};
    q->slot[probe(q, stamp)] = e + 1;
    q->live++;
    return e;
}

void queue_remove(struct queue *q, uint32_t e)
{
    uint32_t mask = q->slots - 1, hole = probe(q, q->entry[e].stamp);

    /* Open addressing: whatever was pushed past the hole moves back into it. */
    q->slot[hole] = 0;
    for (uint32_t i = (hole + 1) & mask; q->slot[i] != 0; i = (i + 1) & mask) {
        uint32_t home = mix(q, q->entry[q->slot[i] - 1].stamp) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            q->slot[hole] = q->slot[i];
            q->slot[i] = 0;
            hole = i;
        }
    }
    q->live--;
    q->entry[e].state = ENTRY_FREE;
    q->entry[e].next = q->free;
    q->free = e;
}

void queue_append(struct queue *q, struct chain *c, uint32_t e, enum entry_state state)
{
    q->entry[e].state = state & 0x7F;
    q->entry[e].next = ENTRY_NONE;
    if (c->tail == ENTRY_NONE)
        c->head = e;
    else
        q->entry[c->tail].next = e;
    c->tail = e;
    c->count++;
}

uint32_t queue_take(struct queue *q, struct chain *c)
{
    uint32_t e = c->head;

    if (e == ENTRY_NONE)
        return e;
    c->head = q->entry[e].next;
    if (c->head == ENTRY_NONE)
        c->tail = ENTRY_NONE;
    c->count--;
    q->entry[e].state = ENTRY_SENDING;
    q->entry[e].next = ENTRY_NONE;
    return e;
}

struct dated {
    uint64_t stamp;
    uint32_t entry;
};

static int older(const void *a, const void *b)
{
    uint64_t x = ((const struct dated *)a)->stamp, y = ((const struct dated *)b)->stamp;

    return (x > y) - (x < y);
}

void queue_sort(struct queue *q, struct chain *c)
{
    struct dated *all = c->count < 2 ? NULL : reallocarray(NULL, c->count, sizeof(*all));
    size_t n = 0;

    if (all == NULL)
        return;
    for (uint32_t e = c->head; e != ENTRY_NONE; e = q->entry[e].next)
        all[n++] = (struct dated){q->entry[e].stamp, e};
    qsort(all, n, sizeof(*all), older);
    c->head = all[0].entry;
    c->tail = all[n - 1].entry;
    for (size_t i = 0; i + 1 < n; i++)
        q->entry[all[i].entry].next = all[i + 1].entry;
    q->entry[c->tail].next = ENTRY_NONE;
    free(all);
}

static void place(struct queue *q, uint32_t position, uint32_t e)
{
    q->heap[position] = e;
    q->entry[e].heap = position;
}

static int64_t due_at(const struct queue *q, uint32_t position)
{
    return q->entry[q->heap[position]].due;
}

/* Moves an entry from a free position of the heap towards the top, as far as its due time goes. */
static void rise(struct queue *q, uint32_t i, uint32_t e)
{
    while (i > 0 && due_at(q, (i - 1) / 2) > q->entry[e].due) {
        place(q, i, q->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(q, i, e);
}

void queue_keep(struct queue *q, uint32_t e, int64_t due)
{
    /* The heap has as many places as there are rows. */
    q->entry[e].state = ENTRY_KEPT;
    q->entry[e].due = due;
    rise(q, q->kept++, e);
}

void queue_hurry(struct queue *q, uint32_t e)
{
    q->entry[e].due = INT64_MIN;
    rise(q, q->entry[e].heap, e);
}

static uint32_t pop(struct queue *q)
{
    uint32_t top = q->heap[0], last = q->heap[--q->kept], i = 0;

    for (uint32_t child; (child = 2 * i + 1) < q->kept; i = child) {
        if (child + 1 < q->kept && due_at(q, child + 1) < due_at(q, child))
            child++;
        if (q->entry[last].due <= due_at(q, child))
            break;
        place(q, i, q->heap[child]);
    }
    if (q->kept > 0)
        place(q, i, last);
    return top;
}

uint32_t queue_due(struct queue *q, int64_t now)
{
    if (q->kept == 0 || due_at(q, 0) > now)
        return ENTRY_NONE;
    uint32_t e = pop(q);
    q->entry[e].state = ENTRY_SENDING;
    return e;
}

int64_t queue_next_due(const struct queue *q)
{
    return q->kept == 0 ? INT64_MAX : due_at(q, 0);
}

int64_t retry_delay(uint32_t tries, uint64_t base, uint64_t ceiling, uint32_t random)
{
    uint64_t delay = service_backoff(tries, base, ceiling), spread = delay / 4;

    return (int64_t)(delay - spread + (spread ? random % (spread + 1) : 0));
}
