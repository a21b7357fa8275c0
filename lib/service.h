/* The time that a program has been at work, and how long it waits before it tries again. Pure; the
 * clocks are the caller's. */
#ifndef SPOOLMAIL_SERVICE_H
#define SPOOLMAIL_SERVICE_H

#include <stdint.h>

/* Service seconds count the time that a program has been at work: its steady clock while it runs,
 * and what the wall clock says about the time between two runs, but never less than nothing and
 * never more than `most`. So no step of the clock makes mail too old. Here: what they are at a
 * start, when `noted` was their count at the wall clock's `then`. */
int64_t service_resumed(int64_t noted, int64_t then, int64_t wall, int64_t most);
/* The delay after so many tries: `base` doubled for each, at most `ceiling`. */
uint64_t service_backoff(unsigned tries, uint64_t base, uint64_t ceiling);

#endif
