/* See penalty.h. A counter is one word, changed as a whole: when the next login may be looked at
 * (ms, 40 bits), when the last one failed (minutes, 16 bits), how many did (8 bits). */
#include "ssmtp/penalty.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "usertable/siphash.h"

enum { CLIENTS = 1 << 16, NAMES = 1 << 14, COUNT_MAX = 255, MINUTE_MS = 60000 };

struct counters {
    _Atomic uint64_t client[CLIENTS], name[NAMES];
};

struct penalty {
    struct counters *shared;
    unsigned char key[SIPHASH_KEY];
};

struct counter {
    uint64_t next_ms;
    unsigned minute, count;
};

struct penalty *penalty_new(void)
{
    struct penalty *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->shared =
        mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p->shared == MAP_FAILED ||
        getrandom(p->key, sizeof(p->key), 0) != (ssize_t)sizeof(p->key)) {
        penalty_free(p);
        return NULL;
    }
    return p;
}

void penalty_free(struct penalty *p)
{
    if (p == NULL)
        return;
    if (p->shared != MAP_FAILED)
        munmap(p->shared, sizeof(*p->shared));
    free(p);
}

uint32_t penalty_name(const struct penalty *p, struct span name)
{
    return (uint32_t)(siphash(p->key, name) % NAMES);
}

static struct counter unpack(uint64_t word)
{
    return (struct counter){word >> 24, (unsigned)(word >> 8) & 0xFFFF, (unsigned)word & 0xFF};
}

static uint64_t pack(struct counter c)
{
    return c.next_ms << 24 | (uint64_t)(c.minute & 0xFFFF) << 8 | c.count;
}

static unsigned minute_of(int64_t now_ms)
{
    return (unsigned)(now_ms / MINUTE_MS) & 0xFFFF;
}

/* With the count as it has become. */
static struct counter faded(uint64_t word, int64_t now_ms)
{
    struct counter c = unpack(word);
    unsigned halvings = ((minute_of(now_ms) - c.minute) & 0xFFFF) / PENALTY_FADES_MIN;

    c.count = halvings < 8 ? c.count >> halvings : 0;
    return c;
}

static uint64_t delay(unsigned count, uint64_t longest)
{
    uint64_t ms = PENALTY_FIRST_MS;

    for (unsigned i = 1; i < count && ms < longest; i++)
        ms *= 2;
    return ms < longest ? ms : longest;
}

/* The next login of this client may begin then; the one after it later. -1: too late. */
static int64_t queue_up(_Atomic uint64_t *slot, uint64_t now)
{
    uint64_t word = atomic_load(slot), start;
    struct counter c;

    do {
        c = faded(word, (int64_t)now);
        start = c.next_ms > now ? c.next_ms : now;
        if (c.count == 0)
            return 0;
        if (start - now > PENALTY_MOST_MS)
            return -1;
        c = unpack(word);
        c.next_ms = start + delay(faded(word, (int64_t)now).count, PENALTY_LONGEST_MS);
    } while (!atomic_compare_exchange_weak(slot, &word, pack(c)));
    return (int64_t)(start - now);
}

int64_t penalty_wait(struct penalty *p, uint32_t client, uint32_t name, int64_t now_ms)
{
    uint64_t now = (uint64_t)now_ms;
    struct counter c = faded(atomic_load(&p->shared->name[name % NAMES]), now_ms);
    int64_t of_name = c.count > 0 && c.next_ms > now ? (int64_t)(c.next_ms - now) : 0;
    int64_t of_client = queue_up(&p->shared->client[client % CLIENTS], now);

    if (of_name > PENALTY_NAME_MS)
        of_name = PENALTY_NAME_MS;
    return of_client < 0 || of_client > of_name ? of_client : of_name;
}

static unsigned count_failure(_Atomic uint64_t *slot, int64_t now_ms, uint64_t longest)
{
    uint64_t word = atomic_load(slot), next;
    struct counter c;

    do {
        c = faded(word, now_ms);
        c.count += c.count < COUNT_MAX;
        c.minute = minute_of(now_ms);
        next = (uint64_t)now_ms + delay(c.count, longest);
        if (next > c.next_ms)
            c.next_ms = next;
    } while (!atomic_compare_exchange_weak(slot, &word, pack(c)));
    return c.count;
}

unsigned penalty_failed(struct penalty *p, uint32_t client, uint32_t name, int64_t now_ms)
{
    count_failure(&p->shared->name[name % NAMES], now_ms, PENALTY_NAME_MS);
    return count_failure(&p->shared->client[client % CLIENTS], now_ms, PENALTY_LONGEST_MS);
}
