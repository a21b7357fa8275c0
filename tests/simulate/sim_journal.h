/* What the receivers' journals on a simulated disk hold, read by eyes other than the program's: of
 * the records only the plain fields are looked at, no sum and no digest. Whether a message is whole
 * its text tells. */
#ifndef TESTS_SIMULATE_SIM_JOURNAL_H
#define TESTS_SIMULATE_SIM_JOURNAL_H

#include "ssmtp/journal.h"
#include "tests/simulate/sim_disk.h"

struct logged {
    const struct inode *journal;
    unsigned number;   /* of the journal */
    uint64_t released; /* in it */
    uint64_t generation, at, size;
    uint32_t sequence;
    char name[JOURNAL_NAME_MAX + 1];
    struct span content;
};

/* The newest head. False: there is none. */
bool journal_head_of(const struct inode *journal, struct journal_head *h);
/* Every record, used up or not, that stands at the beginning of a batch or behind another one. */
void journal_each(const struct inode *journal, void (*each)(void *arg, const struct logged *r),
                  void *arg);

#endif
