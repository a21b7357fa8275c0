/* See array.h. */
#include "jobs/submit/array.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 8 };

void *array_grow(void *array, size_t used, size_t *capacity, size_t size)
{
    if (used == *capacity) {
        size_t wanted = *capacity ? 2 * *capacity : CAPACITY_FIRST;
        void *grown = reallocarray(array, wanted, size);
        if (grown == NULL)
            return NULL;
        array = grown;
        *capacity = wanted;
    }
    memset((char *)array + used * size, 0, size);
    return array;
}
