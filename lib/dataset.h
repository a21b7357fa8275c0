/* The store of mail data sets, SPOOL/mail: who hands out their names.
 *
 * work/NAMES holds the highest stamp ever handed out (20 digits and LF). Names only count upward
 * from it, so that a name is never used again though its data set is long gone and the clock
 * stepped back. */
#ifndef SPOOLMAIL_DATASET_H
#define SPOOLMAIL_DATASET_H

#include "lib/dsname.h"
#include "lib/spool.h"

/* Reserves `count` names from *first on (the others by dsname_next()), not before `wall`. The
 * reservation is on stable storage when this returns 0. -1 with errno: none was reserved. */
int dataset_names_take(const struct spool *s, int64_t wall, unsigned count, uint64_t *first);
/* The same, but the reservation is on stable storage only with the set: for names that nobody sees
 * before that. */
int dataset_names_take_with(const struct spool *s, int64_t wall, unsigned count, uint64_t *first,
                            struct syncset *set);
/* After NAMES was lost: no name that stands in mail/ now shall be handed out. Called by daemons
 * when they start; does nothing while NAMES is whole. */
int dataset_names_check(const struct spool *s, struct span prefix);

#endif
