/* Calls of the C library that the simulation makes for itself, behind its own wrappers (ld --wrap;
 * the build takes the list from here and from sim_calls.h, one a line). */
#ifndef TESTS_SIMULATE_SIM_REAL_H
#define TESTS_SIMULATE_SIM_REAL_H

#include <stddef.h>
#include <sys/types.h>

#define WRAP_OWN(type, name, arguments)                                                            \
    type __wrap_##name arguments;                                                                  \
    type __real_##name arguments
/* clang-format off */
WRAP_OWN(void *, malloc, (size_t n));
WRAP_OWN(void *, calloc, (size_t count, size_t n));
WRAP_OWN(void *, realloc, (void *p, size_t n));
WRAP_OWN(void, free, (void *p));
WRAP_OWN(void *, mmap, (void *p, size_t n, int protection, int flags, int fd, off_t at));
/* clang-format on */

#endif
