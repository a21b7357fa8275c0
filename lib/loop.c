/* See loop.h. */
#include "lib/loop.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum { NEVER = 1000000000 /* seconds */ };

struct loop {
    struct event_base *base;
};

struct loop_event {
    struct event *event;
    loop_fn *fn;
    void *arg;
};

/* What libevent itself cannot go on from (no descriptors for its signals), it has just said. */
static void on_fatal(int error)
{
    (void)error;
    _exit(EX_OSERR);
}

struct loop *loop_new(void)
{
    event_set_fatal_callback(on_fatal);
    struct event_config *config = event_config_new();
    struct loop *l = calloc(1, sizeof(*l));

    if (config != NULL && l != NULL) {
        /* One thread: no locks. */
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        l->base = event_base_new_with_config(config);
    }
    if (config != NULL)
        event_config_free(config);
    if (l == NULL || l->base == NULL) {
        free(l);
        return NULL;
    }
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    event_base_free(l->base);
    free(l);
}

void loop_run(struct loop *l)
{
    event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *l)
{
    event_base_loopbreak(l->base);
}

static void fire(evutil_socket_t fd, short what, void *arg)
{
    struct loop_event *e = arg;

    (void)fd;
    (void)what;
    e->fn(e->arg);
}

static struct loop_event *watch(struct loop *l, int fd, short what, loop_fn *fn, void *arg,
                                bool start)
{
    struct loop_event *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    e->fn = fn;
    e->arg = arg;
    e->event = event_new(l->base, fd, what, fire, e);
    if (e->event == NULL || (start && event_add(e->event, NULL) < 0)) {
        loop_forget(e);
        return NULL;
    }
    return e;
}

struct loop_event *loop_readable(struct loop *l, int fd, loop_fn *fn, void *arg)
{
    return watch(l, fd, EV_READ | EV_PERSIST, fn, arg, true);
}

struct loop_event *loop_writable(struct loop *l, int fd, loop_fn *fn, void *arg)
{
    return watch(l, fd, EV_WRITE | EV_PERSIST, fn, arg, false);
}

bool loop_enable(struct loop_event *e, bool on)
{
    return on ? event_add(e->event, NULL) == 0 : event_del(e->event) == 0;
}

struct loop_event *loop_timer(struct loop *l, loop_fn *fn, void *arg)
{
    const struct timeval never = {.tv_sec = NEVER};
    struct loop_event *e = watch(l, -1, 0, fn, arg, false);

    /* It takes its place among the timers now, so that setting it never needs memory: a timer that
     * could not be set would stop a daemon for good. */
    if (e != NULL && event_add(e->event, &never) < 0) {
        loop_forget(e);
        return NULL;
    }
    return e;
}

bool loop_timer_set(struct loop_event *timer, int64_t ms)
{
    struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    return event_add(timer->event, &t) == 0;
}

void loop_timer_stop(struct loop_event *timer)
{
    event_del(timer->event);
}

struct loop_event *loop_signal(struct loop *l, int number, loop_fn *fn, void *arg)
{
    return watch(l, number, EV_SIGNAL | EV_PERSIST, fn, arg, true);
}

void loop_forget(struct loop_event *e)
{
    if (e == NULL)
        return;
    if (e->event != NULL)
        event_free(e->event);
    free(e);
}
