/* What all of the simulation shares: the seed's random numbers, the steady time, the list of the
 * last events, and the one way a run fails.
 *
 * Everything that is decided is decided by sim_random() and the order of events, never by an
 * address, a clock or the order of a hash: the same seed gives the same run. Wrapped calls of the C
 * library find the simulation through the one global, `sim`: there is no other way to them. */
#ifndef TESTS_SIMULATE_SIM_H
#define TESTS_SIMULATE_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

/* Mistakes that the simulation can plant in its own disk, calls and wrappers (--mistake). */
enum mistake {
    MISTAKE_NONE,
    MISTAKE_NO_DIR_SYNC,
    MISTAKE_NO_FILE_SYNC,
    MISTAKE_NO_SYNCFS,
    MISTAKE_NO_WORK_SYNC,
    MISTAKE_LATE_SYNC,
    MISTAKE_SYNC_RETRIED,
    MISTAKE_SYNC_IGNORED,
    MISTAKE_ACK_BEFORE_SYNC,
    MISTAKE_SENT_BEFORE_REPLY,
    MISTAKE_NAME_REUSED,
    MISTAKE_MOVE_REPLACES,
    MISTAKE_NO_RECOVERY,
    MISTAKE_NO_LOCK,
    MISTAKE_NO_LEASE,
    MISTAKE_NO_REASON,
    MISTAKE_NO_SWEEP,
    MISTAKE_NO_JOURNAL_SYNC,
    MISTAKE_NO_RELEASE,
    MISTAKE_RELEASED_EARLY,
    MISTAKE_NO_REPLAY,
    MISTAKE_LOGIN_UNCHECKED,
    MISTAKE_LOGIN_IN_CLEAR,
    MISTAKES
};

struct sim {
    uint64_t random;
    uint64_t step;  /* calls made so far */
    int64_t now_us; /* steady */
    enum mistake mistake;
    bool verbose;
    bool calm;                        /* no more trouble: what is left must come to its end */
    uint64_t progress, progress_step; /* how often, and when last, something became of a message */
    int64_t progress_us;
    void (*describe)(void); /* what is still open, for sim_violation() */
};
extern struct sim sim;
enum { STEADY_AHEAD_S = 1000 }; /* programs' steady clock is ahead of the simulation's time */

uint64_t sim_random(void);
/* 0 to n - 1. */
uint32_t sim_below(uint32_t n);
/* True once in n times; never when n is 0. */
bool sim_one_in(uint32_t n);

/* The list of events. `who` and `verb` live for ever; detail is copied. */
void sim_trace(const char *who, const char *verb, const char *detail, long result);
/* An invariant does not hold: says so with the seed, the step and the last events, and ends. */
_Noreturn void sim_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What repeats the run, for sim_violation(). */
void sim_repeat_with(const char *command);
/* Something became of a message. When that never happens any more, the run fails: by steps, by
 * simulated time, and, for code that loops without a call, by a timer that sim_watch() starts. */
void sim_progress(void);
void sim_check_progress(void);
void sim_watch(void);

/* Memory of the simulation itself, apart from that of the programs. Never fail. */
void *sim_alloc(size_t n);
void *sim_zeroed(size_t n);
void *sim_grow(void *p, size_t n);
void sim_free(void *p);

static inline bool sim_mistake(enum mistake m)
{
    return sim.mistake == m;
}

#endif
