/* The event loop: descriptors, timers, signals. The one home of libevent. One loop a process, one
 * thread. */
#ifndef SPOOLMAIL_LOOP_H
#define SPOOLMAIL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_event; /* a descriptor, timer or signal being watched */

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Runs until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

typedef void loop_fn(void *arg);

/* Calls fn while the descriptor can be read. NULL: memory or descriptors are short. */
struct loop_event *loop_readable(struct loop *l, int fd, loop_fn *fn, void *arg);
/* The same for writing; starts unwatched: loop_enable(). */
struct loop_event *loop_writable(struct loop *l, int fd, loop_fn *fn, void *arg);
bool loop_enable(struct loop_event *e, bool on);
/* A timer, not yet running. */
struct loop_event *loop_timer(struct loop *l, loop_fn *fn, void *arg);
/* Starts it (again) to fire once after that many milliseconds; on a steady clock. */
bool loop_timer_set(struct loop_event *timer, int64_t ms);
void loop_timer_stop(struct loop_event *timer);
struct loop_event *loop_signal(struct loop *l, int number, loop_fn *fn, void *arg);
void loop_forget(struct loop_event *e);

#endif
