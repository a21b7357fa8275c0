/* One text for many: new files of a unit that differ only in their heads, as a mail for many
 * recipients does. Where the file system can share extents the text is written once, and every
 * other file costs one block; where it cannot, each has its own. The text is digested once.
 *
 * All heads must have one length: shared octets stand at the same place in every file. */
#ifndef SPOOLMAIL_COPIES_H
#define SPOOLMAIL_COPIES_H

#include "lib/seal.h"
#include "lib/share.h"
#include "lib/unit.h"

struct copies {
    struct unit *unit;
    enum unit_part part;
    struct span text;
    size_t head;      /* octets of every head */
    size_t cut;       /* what is shared begins here: head and first octets of the text are before */
    struct seal rest; /* of what is shared */
    int first;        /* the first file, open; -1: none yet */
    bool unshared;    /* the file system cannot share: all is written */
};

/* Is a text long enough? It must be, for copies_begin(). */
static inline bool copies_worth(size_t octets)
{
    return octets >= SHARE_MIN;
}
/* Text and unit must outlive it; heads have less than SHARE_BLOCK_MAX octets. */
void copies_begin(struct copies *c, struct unit *u, enum unit_part part, size_t head,
                  struct span text);
/* The next file. 0, or -1 with errno. */
int copies_put(struct copies *c, const char *name, struct span head);
/* Always to be called, before the unit is committed or given up. 0, or -1 with errno. */
int copies_end(struct copies *c);

#endif
