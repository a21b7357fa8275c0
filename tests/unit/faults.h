/* Faults on order: every call of the C library that can fail is made to fail in turn, and what is
 * tested must say so, give back what it took, and lose nothing.
 *
 * The linker gives the calls that faults.c names to its wrappers, which count them and let one
 * fail, once or from then on. fault_sweep() runs a case again and again, each time with another
 * call failing or with another error, until a run passes untouched. Syncs are counted, not made. */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/msg.h"

/* Outcomes of a call that are no errno. */
enum { FAULT_SHORT = -1, FAULT_NOTHING = -2 };

/* What struck: for a check. */
struct fault {
    const char *call; /* NULL: none did */
    int error;        /* errno, or one of the above */
    unsigned number;
    bool from; /* and all later calls of that name */
};

struct fault_case {
    const char *what;
    /* A fresh place, without faults. */
    void *(*prepare)(void);
    /* What is tried: 0 or more, or -1 with errno. It closes every descriptor that it
     * or prepare opened. */
    int (*run)(void *place);
    /* Without faults: is the place as it was promised? */
    void (*check)(void *place, int result, const struct fault *f);
    /* Errors that it may give instead of the one that struck; 0 ends them. */
    int also[8];
    /* Only these calls, blank between and around; NULL: all. */
    const char *only;
    /* Errors that are not tried, because only a system that lies could give them there: ENOENT for
     * what is, nothing to read in the middle of a file; 0 ends them. */
    int except[6];
};

void fault_sweep(const struct fault_case *c);

/* As an assertion that tells what had struck. */
#define FAULT_EXPECT(holds)                                                                        \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fault_fail(#holds, __FILE__, __LINE__);                                                \
    } while (0)
void fault_fail(const char *what, const char *file, int line);
/* Stops counting and failing, for a step of a run that is not to be struck; and goes on. */
void fault_pause(void);
void fault_resume(void);
/* In every run of the case that is being prepared, those calls fail so, and are not counted; for
 * two at most. */
void fault_always(const char *call, int error);
/* In every run of it, that is done just before the first call of that name: what another process
 * may do meanwhile. */
void fault_meanwhile(const char *call, void (*done)(void));
/* How often a run gave that message. */
unsigned fault_told(enum msg_id id);

#endif
