/* See sim_task.h. */
#include "tests/simulate/sim_task.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/simulate/sim.h"
#include "tests/simulate/sim_files.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_real.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SANITIZED 1
#define STACK_OCTETS ((size_t)2 << 20)
#else
#define SANITIZED 0
#define STACK_OCTETS ((size_t)512 << 10)
#endif

enum { TASKS = 4 * PROCESSES, GUARD = 4096 };

enum task_state { TASK_FREE, TASK_READY, TASK_WAITING };

struct task {
    enum task_state state;
    unsigned long number;
    struct process *process;
    int64_t wake_us;
    const void *on; /* the lock or condition that it waits for; NULL: for anything */
    bool begun;
    void *stack, *fake; /* fake: AddressSanitizer's */
    void (*fn)(void *arg);
    void *arg;
    struct switches *switches;
};

/* Apart from the tasks: all of these are looked at when one is chosen. */
struct switches {
    ucontext_t context; /* where it begins; with AddressSanitizer also where it goes on */
    jmp_buf place;      /* where it goes on: without the system calls of a ucontext */
};

static struct process processes[PROCESSES];
static struct task tasks[TASKS];
static unsigned most_tasks; /* above it none was ever used */
static struct task *running;
static struct process *current;
static unsigned runs;
static unsigned long started; /* tasks, ever */

#if SANITIZED
static ucontext_t scheduler;
static void *scheduler_fake;
static const void *scheduler_stack;
static size_t scheduler_size;

static void leave_for(void **fake, const void *stack, size_t size)
{
    __sanitizer_start_switch_fiber(fake, stack, size);
}

static void arrive(void *fake, bool in_scheduler)
{
    __sanitizer_finish_switch_fiber(fake, in_scheduler ? NULL : &scheduler_stack,
                                    in_scheduler ? NULL : &scheduler_size);
}

/* From a task to the scheduler. */
static void switch_out(struct task *t, bool for_ever)
{
    leave_for(for_ever ? NULL : &t->fake, scheduler_stack, scheduler_size);
    swapcontext(&t->switches->context, &scheduler);
    arrive(t->fake, false);
}

static void go_on(struct task *t)
{
    leave_for(&scheduler_fake, t->stack, STACK_OCTETS);
    swapcontext(&scheduler, &t->switches->context);
    arrive(scheduler_fake, true);
}
#else
static jmp_buf scheduler_place;

static void arrive(void *fake, bool in_scheduler)
{
    (void)fake;
    (void)in_scheduler;
}

static void switch_out(struct task *t, bool for_ever)
{
    (void)for_ever;
    if (_setjmp(t->switches->place) == 0)
        _longjmp(scheduler_place, 1);
}

static void go_on(struct task *t)
{
    if (_setjmp(scheduler_place) != 0)
        return;
    if (t->begun)
        _longjmp(t->switches->place, 1);
    t->begun = true;
    setcontext(&t->switches->context);
}
#endif

static void switch_in(struct task *t)
{
    running = t;
    current = t->process;
    go_on(t);
    running = NULL;
    current = NULL;
}

static void end_process(struct process *p, bool killed);

static void run_task(void)
{
    struct task *t = running;

    arrive(NULL, false);
    t->fn(t->arg);
    t->state = TASK_FREE;
    process_poke(t->process);
    switch_out(t, true);
}

static void *new_stack(void)
{
    char *p = __real_mmap(NULL, STACK_OCTETS + GUARD, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED || mprotect(p, GUARD, PROT_NONE) < 0) {
        perror("simulate: mmap");
        _Exit(2);
    }
    return p + GUARD;
}

static void prepare(struct task *t)
{
    getcontext(&t->switches->context);
    t->switches->context.uc_stack.ss_sp = t->stack;
    t->switches->context.uc_stack.ss_size = STACK_OCTETS;
    t->switches->context.uc_link = NULL;
    makecontext(&t->switches->context, run_task, 0);
}

unsigned long task_start(struct process *p, void (*fn)(void *arg), void *arg)
{
    unsigned i = 0;

    while (i < TASKS && tasks[i].state != TASK_FREE)
        i++;
    if (i == TASKS)
        return 0;
    struct task *t = &tasks[i];
    if (t->stack == NULL) {
        t->stack = new_stack();
        t->switches = sim_zeroed(sizeof(*t->switches));
    }
#if SANITIZED
    __asan_unpoison_memory_region(t->stack, STACK_OCTETS);
#endif
    if (i >= most_tasks)
        most_tasks = i + 1;
    t->state = TASK_READY;
    t->number = ++started;
    t->process = p;
    t->fn = fn;
    t->arg = arg;
    t->fake = NULL;
    t->on = NULL;
    t->begun = false;
    prepare(t);
    return t->number;
}

bool task_over(unsigned long number)
{
    for (unsigned i = 0; i < most_tasks; i++)
        if (tasks[i].number == number)
            return tasks[i].state == TASK_FREE;
    return true;
}

static void run_main(void *arg)
{
    struct process *p = arg;

    p->main(p);
    end_process(p, false);
    switch_out(running, true);
}

struct process *process_start(struct host *h, const char *name, unsigned uid,
                              void (*main)(struct process *p),
                              void (*gone)(struct process *p, bool killed), void *arg)
{
    unsigned slot = 0;

    while (slot < PROCESSES && processes[slot].alive)
        slot++;
    if (slot == PROCESSES)
        return NULL;
    struct process *p = &processes[slot];
    p->host = h;
    p->name = name;
    p->slot = slot;
    p->run = ++runs;
    p->alive = true;
    p->uid = uid;
    p->umask = 077;
    p->fds = 0;
    p->fd_limit = DESCRIPTORS;
    p->signals = 0;
    p->status = 0;
    p->main = main;
    p->gone = gone;
    p->arg = arg;
    heap_open(&p->heap, slot);
    if (task_start(p, run_main, p) != 0)
        return p;
    p->alive = false;
    return NULL;
}

static void end_process(struct process *p, bool killed)
{
    struct process *before = current;

    current = NULL;
    oracle_died(p, killed);
    p->alive = false;
    for (unsigned i = 0; i < most_tasks; i++)
        if (tasks[i].process == p)
            tasks[i].state = TASK_FREE;
    file_close_all(p);
    heap_close(&p->heap);
    sim_trace(p->name, killed ? "KILLED" : "ended", "", p->status);
    if (p->gone != NULL)
        p->gone(p, killed);
    current = before;
}

void process_kill(struct process *p)
{
    end_process(p, true);
}

struct process *process_current(void)
{
    return current;
}

struct process *process_suspend(void)
{
    struct process *p = current;

    current = NULL;
    return p;
}

void process_resume(struct process *p)
{
    current = p;
}

struct process *process_at(unsigned slot)
{
    return processes[slot].alive ? &processes[slot] : NULL;
}

void task_pause(void)
{
    switch_out(running, false);
}

void task_wait(int64_t until_us)
{
    running->state = TASK_WAITING;
    running->wake_us = until_us == TASK_NEVER ? INT64_MAX : until_us;
    switch_out(running, false);
}

void task_wait_on(const void *object, int64_t until_us)
{
    running->on = object;
    task_wait(until_us);
    running->on = NULL;
}

static bool waits_on(const struct task *t, const struct process *p, const void *object)
{
    return t->state == TASK_WAITING && t->process == p && t->on == object;
}

void process_poke(struct process *p)
{
    task_poke(p, NULL, false);
}

void task_poke(const struct process *p, const void *object, bool one)
{
    struct task *chosen = NULL;
    uint32_t waiting = 0;

    for (unsigned i = 0; i < most_tasks; i++) {
        if (!waits_on(&tasks[i], p, object))
            continue;
        if (!one)
            tasks[i].state = TASK_READY;
        else if (sim_below(++waiting) == 0)
            chosen = &tasks[i];
    }
    if (chosen != NULL)
        chosen->state = TASK_READY;
}

/* One of those that can run, or NULL; *next_us learns when the first of the others wants to. */
static struct task *choose_task(int64_t *next_us)
{
    struct task *ready[TASKS];
    uint32_t n = 0;

    for (unsigned i = 0; i < most_tasks; i++) {
        struct task *t = &tasks[i];
        if (t->state == TASK_WAITING && t->wake_us <= sim.now_us)
            t->state = TASK_READY;
        if (t->state == TASK_READY)
            ready[n++] = t;
        else if (t->state == TASK_WAITING && t->wake_us < *next_us)
            *next_us = t->wake_us;
    }
    return n == 0 ? NULL : ready[n == 1 ? 0 : sim_below(n)];
}

void tasks_run(const struct world_events *world)
{
    while (!world->over()) {
        int64_t next_us = world->next_us();
        sim_check_progress();
        if (next_us <= sim.now_us) {
            world->act();
            continue;
        }
        struct task *t = choose_task(&next_us);
        if (t != NULL)
            switch_in(t);
        else if (next_us == INT64_MAX)
            sim_violation("everybody waits for ever");
        else
            sim.now_us = next_us;
    }
}
