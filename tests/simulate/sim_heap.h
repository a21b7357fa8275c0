/* The heap of one simulated process: all of it is forgotten when the process dies, as a kernel
 * would. Sizes go up in quarters of powers of two; freed pieces are kept in a list for each size.
 * Under AddressSanitizer what is not in use is poisoned. */
#ifndef TESTS_SIMULATE_SIM_HEAP_H
#define TESTS_SIMULATE_SIM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAP_CLASSES = 96, HEAPS = 64 };

struct heap {
    char *base;
    size_t used;
    void *spare[HEAP_CLASSES];
};

/* Heap number `slot`, empty. */
void heap_open(struct heap *h, unsigned slot);
void heap_close(struct heap *h);
/* NULL: the heap is full (64 MiB). */
void *heap_alloc(struct heap *h, size_t n);
void heap_free(struct heap *h, void *p);
/* Octets that the piece can hold. */
size_t heap_size(const void *p);
/* Copies what an old piece holds, beyond what was asked for as well. */
void heap_copy(void *to, void *from, size_t n);
/* Is this a piece of any simulated heap? */
bool heap_owns(const void *p);

#endif
