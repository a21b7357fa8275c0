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

#endif
