/* See crowd.h. */
#include "ssmtp/crowd.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum {
    SLOTS = 1 << 16,
    FEW = 16 /* connections that one worker serves better than two: they share the syncs of one
              * journal */
};

struct row {
    atomic_bool serves;
    atomic_int coming; /* given to it by others; a hint: no limit depends on it */
    atomic_uint all;
    _Atomic uint16_t of[SLOTS];
};

struct crowd {
    unsigned workers, most, most_of_client;
    uint64_t key[2];
    struct row *row; /* shared */
};

struct crowd *crowd_new(unsigned workers, unsigned most, unsigned most_of_client)
{
    struct crowd *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct crowd){.workers = workers, .most = most, .most_of_client = most_of_client};
    c->row = mmap(NULL, workers * sizeof(*c->row), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c->row == MAP_FAILED || getrandom(c->key, sizeof(c->key), 0) != (ssize_t)sizeof(c->key)) {
        crowd_free(c);
        return NULL;
    }
    return c;
}

void crowd_free(struct crowd *c)
{
    if (c == NULL)
        return;
    if (c->row != MAP_FAILED)
        munmap(c->row, c->workers * sizeof(*c->row));
    free(c);
}

void crowd_limit(struct crowd *c, unsigned most, unsigned most_of_client)
{
    c->most = most;
    c->most_of_client = most_of_client;
}

/* The octets that tell one client from another; a mapped IPv4 address counts as IPv4. */
static uint64_t client_number(const struct sockaddr *client)
{
    uint64_t n = 0;

    if (client->sa_family == AF_INET) {
        memcpy(&n, &((const struct sockaddr_in *)(const void *)client)->sin_addr, 4);
    } else if (client->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)client)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(a))
            memcpy(&n, &a->s6_addr[12], 4);
        else
            memcpy(&n, a->s6_addr, 8);
    }
    return n;
}

/* Two rounds of multiply and fold, each with a key of its own. */
uint32_t crowd_slot(const struct crowd *c, const struct sockaddr *client)
{
    uint64_t h = client_number(client);

    for (int i = 0; i < 2; i++) {
        h = (h ^ c->key[i]) * 0x9E3779B97F4A7C15U;
        h ^= h >> 29;
    }
    return (uint32_t)(h >> 17) % SLOTS;
}

static unsigned sum_all(const struct crowd *c)
{
    unsigned n = 0;

    for (unsigned w = 0; w < c->workers; w++)
        n += atomic_load_explicit(&c->row[w].all, memory_order_relaxed);
    return n;
}

static unsigned sum_client(const struct crowd *c, uint32_t slot)
{
    unsigned n = 0;

    for (unsigned w = 0; w < c->workers; w++)
        n += atomic_load_explicit(&c->row[w].of[slot], memory_order_relaxed);
    return n;
}

enum crowd_verdict crowd_enter(struct crowd *c, unsigned worker, uint32_t slot)
{
    unsigned all = sum_all(c), client = sum_client(c, slot);

    if (client >= c->most_of_client)
        return CROWD_CLIENT;
    /* The last tenth is for clients that have no connection. */
    if (all >= c->most || (client > 0 && all >= c->most - c->most / 10))
        return CROWD_FULL;
    atomic_fetch_add_explicit(&c->row[worker].all, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->row[worker].of[slot], 1, memory_order_relaxed);
    return CROWD_ENTERED;
}

void crowd_leave(struct crowd *c, unsigned worker, uint32_t slot)
{
    atomic_fetch_sub_explicit(&c->row[worker].all, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->row[worker].of[slot], 1, memory_order_relaxed);
}

void crowd_serve(struct crowd *c, unsigned worker, bool on)
{
    atomic_store_explicit(&c->row[worker].serves, on, memory_order_relaxed);
}

unsigned crowd_place(struct crowd *c, unsigned worker)
{
    for (unsigned w = 0; w < worker; w++) {
        struct row *r = &c->row[w];
        long n = (long)atomic_load_explicit(&r->all, memory_order_relaxed) +
                 atomic_load_explicit(&r->coming, memory_order_relaxed);
        if (n < FEW && atomic_load_explicit(&r->serves, memory_order_relaxed)) {
            atomic_fetch_add_explicit(&r->coming, 1, memory_order_relaxed);
            return w;
        }
    }
    return worker;
}

void crowd_came(struct crowd *c, unsigned worker)
{
    /* Given to one that died, and taken by the one after it: no longer counted. */
    if (atomic_load_explicit(&c->row[worker].coming, memory_order_relaxed) > 0)
        atomic_fetch_sub_explicit(&c->row[worker].coming, 1, memory_order_relaxed);
}

bool crowd_dense(const struct crowd *c)
{
    return sum_all(c) >= c->most - c->most / 4;
}

void crowd_forget(struct crowd *c, unsigned worker)
{
    crowd_serve(c, worker, false);
    atomic_store_explicit(&c->row[worker].coming, 0, memory_order_relaxed);
    atomic_store_explicit(&c->row[worker].all, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < SLOTS; i++)
        atomic_store_explicit(&c->row[worker].of[i], 0, memory_order_relaxed);
}
