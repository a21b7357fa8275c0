/* Arrays that grow: the one place where their capacity is doubled. Pure. */
#ifndef SPOOLMAIL_SUBMIT_ARRAY_H
#define SPOOLMAIL_SUBMIT_ARRAY_H

#include <stddef.h>

/* Makes room for one more member of `size` octets behind the `used` that there are, and zeroes it.
 * Returns the array, which may have moved, or NULL when memory is short: the old one is then as it
 * was. */
void *array_grow(void *array, size_t used, size_t *capacity, size_t size);

#endif
