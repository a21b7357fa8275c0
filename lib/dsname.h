/* Names of mail data sets: PATH.Dyyddd.Thhmmss0.Nnnnn. Pure.
 *
 * Julian date and time of day are UTC, so that no change of the zone's offset can repeat a name.
 * The digit after hhmmss is 0 first; when N0001-N9999 of a second are used up, 1 to 9 follow, then
 * the next second. A name is one number (a stamp): consecutive stamps are consecutive names, and
 * whoever hands out names only ever counts upward (dataset.h), whatever the clock does. */
#ifndef SPOOLMAIL_DSNAME_H
#define SPOOLMAIL_DSNAME_H

#include "lib/buf.h"

enum {
    DSNAME_MAX = 44,    /* a data set name, DFSMS */
    DSNAME_SUFFIX = 22, /* .Dyyddd.Thhmmss0.Nnnnn */
    DSNAME_PREFIX_MAX = DSNAME_MAX - DSNAME_SUFFIX,
    DSNAME_PER_SECOND = 100000 /* ten digits times N0000-N9999, N0000 unused */
};

/* The first stamp of that second. Seconds before 2000 count as 2000-01-01. */
uint64_t dsname_stamp(int64_t wall);
/* The stamp after this one, skipping N0000. */
uint64_t dsname_next(uint64_t stamp);
int64_t dsname_wall(uint64_t stamp);
/* Writes prefix.D.T.N; false when the prefix is longer than DSNAME_PREFIX_MAX or no data set name.
 */
bool dsname_format(struct span prefix, uint64_t stamp, char out[DSNAME_MAX + 1]);
/* Reads the name back; two-digit years are those of the century from 2000 on. False when it is not
 * of the form or a part is out of range. */
bool dsname_parse(struct span prefix, struct span name, uint64_t *stamp);
/* One or more qualifiers of 1-8 of A-Z 0-9 @ # $ -, not beginning with a digit or hyphen, joined by
 * periods, at most `max` octets: never holds a slash, a blank or "..". */
bool dsname_valid(struct span name, size_t max);

#endif
