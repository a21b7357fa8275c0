/* The checkpoint: what usmtp remembers across a restart. A text file, SPOOL/work/CHKPT, that only
 * usmtp writes: lines are appended, and the file is written anew when most of them are out of date.
 *
 *   TIME service wall                        the service clock
 *   KEPT name first due tries to status text a data set that waits, and the last reply
 *   HOST host:port due tries text            a destination that could not be reached
 *
 * Service seconds count the time the system has been at work: the steady clock while usmtp runs,
 * and what the wall clock says about the time between two runs, but never less than nothing and
 * never more than RETRYCEIL. So no step of the wall clock makes mail too old or sends a storm of
 * retries.
 *
 * Losing the file or its last lines loses no mail: data sets without a line are tried at once. It
 * is therefore synced only when it is written anew. */
#ifndef USMTP_CHECKPOINT_H
#define USMTP_CHECKPOINT_H

#include "lib/buf.h"
#include "usmtp/queue.h"

enum checkpoint_kind { CHECKPOINT_TIME, CHECKPOINT_KEPT, CHECKPOINT_HOST, CHECKPOINT_BAD };

struct checkpoint_line {
    enum checkpoint_kind kind;
    struct span name;         /* KEPT: data set; HOST: host:port */
    int64_t first, due, wall; /* service seconds; wall clock. TIME: service in first */
    uint64_t tries;
    struct span to, status, text; /* KEPT; HOST: text */
};

/* One line, without LF. Pure. */
void checkpoint_parse(struct span line, struct checkpoint_line *out);
bool checkpoint_format(struct buf *out, const struct checkpoint_line *l);

struct checkpoint {
    int dir, fd;
    uint64_t end;       /* octets in the file */
    uint64_t floor;     /* its size when it was last written anew, as far as is known */
    uint64_t lines;     /* read when it was opened */
    struct buf pending; /* not yet in the file */
};

/* Opens it, or begins a new one, and calls `each` for every line with its offset. -1 with errno. */
int checkpoint_open(struct checkpoint *c, int work,
                    void (*each)(void *arg, const struct checkpoint_line *l, uint64_t offset,
                                 uint64_t number),
                    void *arg);
/* After the start: so many of the lines are still wanted. */
void checkpoint_wanted(struct checkpoint *c, uint64_t lines);
/* Appends; the result is the line's offset. It reaches the file with checkpoint_flush(). */
uint64_t checkpoint_append(struct checkpoint *c, const struct checkpoint_line *l);
/* -1 with errno: the lines stay pending and are tried again at the next call. */
int checkpoint_flush(struct checkpoint *c);
/* Who knows what the lines are about. */
struct checkpoint_keeper {
    /* Is the line at the offset still wanted? */
    bool (*wanted)(void *arg, const struct checkpoint_line *l, uint64_t offset);
    /* It stands there now. Called for each line of the new file, once that is in use. */
    void (*moved)(void *arg, const struct checkpoint_line *l, uint64_t offset);
    void *arg;
};
/* Writes it anew when it has grown to more than twice what is needed. -1 with errno: it was not,
 * and is tried again when it has grown as much once more; or not surely. */
int checkpoint_compact(struct checkpoint *c, const struct checkpoint_keeper *keeper);
void checkpoint_close(struct checkpoint *c);

#endif
