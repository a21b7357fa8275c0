/* See sim.h. */
#include "tests/simulate/sim.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "tests/simulate/sim_real.h"

enum { EVENTS = 64, SHOWN = 60, DETAIL = 96, COMMAND = 256 };
enum {
    STALLED_STEPS = 4000000,
    STALLED_DAYS = 40, /* simulated; the longest partition lasts 6 */
    STALLED_S = 20     /* of the processor's time, within one step */
};

struct event {
    uint64_t step;
    int64_t now_us;
    const char *verb;
    long result;
    const char *who;
    char detail[DETAIL];
};

struct sim sim;
static struct event events[EVENTS];
static uint64_t events_made;
static char repeat[COMMAND];

uint64_t sim_random(void)
{
    uint64_t z = (sim.random += 0x9E3779B97F4A7C15U); /* splitmix64 */

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

uint32_t sim_below(uint32_t n)
{
    return (uint32_t)(((sim_random() >> 32) * n) >> 32);
}

bool sim_one_in(uint32_t n)
{
    return n != 0 && sim_below(n) == 0;
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);

    if (n >= size)
        n = size - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

static void show(const struct event *e)
{
    fprintf(stderr, "%10" PRIu64 " %12.6f %-11s %-18s %s = %ld\n", e->step,
            (double)e->now_us / 1000000, e->who, e->verb, e->detail, e->result);
}

void sim_trace(const char *who, const char *verb, const char *detail, long result)
{
    struct event *e = &events[events_made++ % EVENTS];

    e->step = sim.step;
    e->now_us = sim.now_us;
    e->verb = verb;
    e->result = result;
    e->who = who;
    copy_text(e->detail, sizeof(e->detail), detail);
    if (sim.verbose)
        show(e);
}

void sim_repeat_with(const char *command)
{
    copy_text(repeat, sizeof(repeat), command);
}

void sim_violation(const char *format, ...)
{
    uint64_t first = events_made > SHOWN ? events_made - SHOWN : 0;
    va_list args;

    fprintf(stderr, "simulate: the last events (step, seconds, who, what):\n");
    for (uint64_t i = first; i < events_made && !sim.verbose; i++)
        show(&events[i % EVENTS]);
    if (sim.describe != NULL)
        sim.describe();
    fprintf(stderr, "simulate: VIOLATION at step %" PRIu64 ": ", sim.step);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nsimulate: repeat it with: %s\n", repeat);
    _Exit(1);
}

/* Progress. */

void sim_progress(void)
{
    sim.progress++;
    sim.progress_step = sim.step;
    sim.progress_us = sim.now_us;
}

void sim_check_progress(void)
{
    if (sim.step - sim.progress_step > STALLED_STEPS)
        sim_violation("no progress: nothing became of any message in %d steps", STALLED_STEPS);
    if (sim.now_us - sim.progress_us > (int64_t)STALLED_DAYS * 86400 * 1000000)
        sim_violation("no progress: nothing became of any message in %d days", STALLED_DAYS);
}

static void on_alarm(int number)
{
    static uint64_t last = UINT64_MAX;

    (void)number;
    if (sim.step == last) /* the run is lost in any case, so stdio may be used here */
        sim_violation("no progress: no call in %d seconds", STALLED_S);
    last = sim.step;
}

void sim_watch(void)
{
    struct itimerval every = {{STALLED_S, 0}, {STALLED_S, 0}};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

    sigaction(SIGVTALRM, &action, NULL);
    setitimer(ITIMER_VIRTUAL, &every, NULL);
}

static void *checked(void *p)
{
    if (p == NULL) {
        fputs("simulate: memory is short\n", stderr);
        _Exit(2);
    }
    return p;
}

void *sim_alloc(size_t n)
{
    return checked(__real_malloc(n));
}

/* Small pieces by malloc(), which has them at hand where calloc() searches. */
void *sim_zeroed(size_t n)
{
    enum { SMALL = 1024 };

    return n > SMALL ? checked(__real_calloc(1, n)) : memset(sim_alloc(n), 0, n);
}

void *sim_grow(void *p, size_t n)
{
    return checked(__real_realloc(p, n));
}

void sim_free(void *p)
{
    __real_free(p);
}
