/* The two clocks. Pure code takes times as parameters; only programs ask here. */
#ifndef SPOOLMAIL_CLOCK_H
#define SPOOLMAIL_CLOCK_H

#include <stdint.h>

/* Seconds since 1970, UTC: names, headers. May step either way. */
int64_t clock_wall(void);
/* The local zone's offset from UTC in seconds at that time. */
int clock_offset(int64_t wall);
/* Milliseconds that never step back: timeouts, waiting. */
int64_t clock_steady_ms(void);

/* Service seconds count the time that a program has been at work: its steady clock while it runs,
 * and what the wall clock says about the time between two runs, but never less than nothing and
 * never more than `most`. So no step of the clock makes mail too old. Here: what they are at a
 * start, when `noted` was their count at the wall clock's `then`. Pure. */
int64_t clock_resumed(int64_t noted, int64_t then, int64_t wall, int64_t most);
/* The delay after so many tries: `base` doubled for each, at most `ceiling`. Pure. */
uint64_t clock_backoff(unsigned tries, uint64_t base, uint64_t ceiling);

#endif
