/* Simulated processes and their threads: coroutines of one real thread, switched only where a
 * simulated call pauses. A process that is killed is never switched to again, and what it had
 * (heap, descriptors) is taken back from outside, as a kernel does it. */
#ifndef TESTS_SIMULATE_SIM_TASK_H
#define TESTS_SIMULATE_SIM_TASK_H

#include "tests/simulate/sim_heap.h"

enum { PROCESSES = 48, DESCRIPTORS = 1024, TASK_NEVER = -1 };

struct disk;
struct host;
struct loop;
struct ofd;
struct task;

struct process {
    struct host *host;
    const char *name; /* "spool4" */
    unsigned slot, run;
    bool alive;
    unsigned uid, umask;
    struct heap heap;
    struct ofd *fd[DESCRIPTORS];
    unsigned fds;      /* above it there are none */
    unsigned fd_limit; /* EMFILE from there on */
    unsigned signals;  /* a set of 1 << signal that wait for the loop */
    int status;
    void (*main)(struct process *p);
    void (*gone)(struct process *p, bool killed); /* after all was taken back; starts nothing */
    void *arg;                                    /* of the two */
};

/* Starts a process; NULL: there are too many. */
struct process *process_start(struct host *h, const char *name, unsigned uid,
                              void (*main)(struct process *p),
                              void (*gone)(struct process *p, bool killed), void *arg);
/* Ends it at once, as SIGKILL does. Only the world does that, outside of all tasks. */
void process_kill(struct process *p);
/* Who makes the call in hand; NULL: nobody, the simulation itself works. */
struct process *process_current(void);
/* The simulation itself works for a moment; process_resume() with the result ends that. */
struct process *process_suspend(void);
void process_resume(struct process *p);
struct process *process_at(unsigned slot); /* NULL when there is none alive */

/* A further thread of the current process: its number, which no other will have; 0: none is left.
 */
unsigned long task_start(struct process *p, void (*fn)(void *arg), void *arg);
bool task_over(unsigned long number);
/* Lets others run. */
void task_pause(void);
/* Waits until somebody pokes this process, or until that time (TASK_NEVER); may come back sooner.
 */
void task_wait(int64_t until_us);
void process_poke(struct process *p);
/* The same for a lock or condition, which process_poke() does not end. */
void task_wait_on(const void *object, int64_t until_us);
/* All that wait for it, or one of them, look again. */
void task_poke(const struct process *p, const void *object, bool one);

/* Runs everything until `over` says so. `next_us` is when the world wants to act next, `act` lets
 * it. Nothing left to do at all is a violation. */
struct world_events {
    bool (*over)(void);
    int64_t (*next_us)(void);
    void (*act)(void);
};
void tasks_run(const struct world_events *world);

#endif
