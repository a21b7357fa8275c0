/* See sim_heap.h. Each piece has its class in the 16 octets before it. */
#include "tests/simulate/sim_heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/simulate/sim_real.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define HEAP_OCTETS ((size_t)64 << 20)

enum { HEAD = 16, SMALLEST = 64 };

static char *region;

static unsigned class_of(size_t n)
{
    unsigned bits;

    if (n <= SMALLEST)
        return 0;
    bits = 63 - (unsigned)__builtin_clzll(n - 1); /* 2^bits < n <= 2^(bits + 1) */
    return (bits - 6) * 4 + (unsigned)((n - 1) >> (bits - 2) & 3) + 1;
}

static size_t class_size(unsigned c)
{
    unsigned bits = (c + 3) / 4 + 5, quarter = (c + 3) % 4;

    return c == 0 ? SMALLEST : ((size_t)4 + quarter + 1) << (bits - 2);
}

static uint64_t *head_of(const void *p)
{
    return (uint64_t *)(uintptr_t)((const char *)p - HEAD);
}

static unsigned read_class(const void *p)
{
    uint64_t *head = head_of(p);

    ASAN_UNPOISON_MEMORY_REGION(head, HEAD);
    unsigned c = (unsigned)*head;
    ASAN_POISON_MEMORY_REGION(head, HEAD);
    return c;
}

void heap_open(struct heap *h, unsigned slot)
{
    if (region == NULL) {
        region = __real_mmap(NULL, HEAPS * HEAP_OCTETS, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (region == MAP_FAILED) {
            perror("simulate: mmap");
            _Exit(2);
        }
    }
    *h = (struct heap){.base = region + slot * HEAP_OCTETS};
}

void heap_close(struct heap *h)
{
    ASAN_UNPOISON_MEMORY_REGION(h->base, h->used);
    h->used = 0;
}

void *heap_alloc(struct heap *h, size_t n)
{
    unsigned c = class_of(n);
    size_t size = class_size(c);
    char *p = c < HEAP_CLASSES ? h->spare[c] : NULL;

    if (p != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(p, n > sizeof(void *) ? n : sizeof(void *));
        h->spare[c] = *(void **)(void *)p;
    } else {
        if (c >= HEAP_CLASSES || size + HEAD > HEAP_OCTETS - h->used)
            return NULL;
        p = h->base + h->used + HEAD;
        h->used += size + HEAD;
        *head_of(p) = c;
        ASAN_POISON_MEMORY_REGION(head_of(p), size + HEAD);
    }
    ASAN_POISON_MEMORY_REGION(p, size);
    ASAN_UNPOISON_MEMORY_REGION(p, n);
    return p;
}

void heap_free(struct heap *h, void *p)
{
    unsigned c = read_class(p);

    ASAN_UNPOISON_MEMORY_REGION(p, sizeof(void *));
    *(void **)p = h->spare[c];
    h->spare[c] = p;
    ASAN_POISON_MEMORY_REGION(p, class_size(c));
}

size_t heap_size(const void *p)
{
    return class_size(read_class(p));
}

void heap_copy(void *to, void *from, size_t n)
{
    ASAN_UNPOISON_MEMORY_REGION(from, n);
    memcpy(to, from, n);
}

bool heap_owns(const void *p)
{
    return region != NULL && (const char *)p >= region &&
           (const char *)p < region + HEAPS * HEAP_OCTETS;
}
