/* See passes.h. */
#include "lib/passes.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/unit.h"

/* One queue being watched. */
struct watcher {
    struct rounds *rounds;
    int notify; /* -1: it is not */
    struct loop_event *event;
};

struct rounds {
    const struct passes *passes;
    struct loop *loop;
    struct loop_event *timer;
    struct watcher watcher[SPOOL_QUEUES];
    int status;
    int64_t trouble_ms, not_before_ms; /* after trouble: the pause, and when it ends */
};

enum { TROUBLE_MS = 1000 /* the first pause; it doubles up to POLL */ };

bool passes_own(const struct program *p, const struct spool *spool)
{
    if (unit_owner(spool, p->name) < 0) {
        MSG(&p->log, T01SM022E, p->name,
            errno == EWOULDBLOCK ? "it runs already" : strerror(errno));
        return false;
    }
    signal(SIGIO, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    return true;
}

int passes_watch(const struct program *p, const struct spool *spool, enum spool_queue queue)
{
    char path[64], link[32];

    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", spool->queue[queue]);
    if (fd >= 0 &&
        inotify_add_watch(fd, link, IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB) >= 0)
        return fd;
    MSG(&p->log, T01SM065W, spool_queue_name(p->site, queue, path));
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool is_news(uint32_t mask, const char *name)
{
    return spool_name_visible(name) &&
           !(mask & (IN_CREATE | IN_CLOSE_WRITE) && spool_name_received(name));
}

bool passes_seen(int watch)
{
    _Alignas(struct inotify_event) char events[64 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    const struct inotify_event *e;
    bool seen = false;
    ssize_t n;

    while ((n = read(watch, events, sizeof(events))) > 0)
        for (const char *p = events; p < events + n; p += sizeof(*e) + e->len) {
            e = (const struct inotify_event *)p;
            /* Without a name the queue itself is meant, or events were lost. */
            seen = seen || e->len == 0 || is_news(e->mask, e->name);
        }
    return seen;
}

/* The pause after a pass. What could not be done is not tried again at once. */
static int64_t pause_after(struct rounds *r, enum pass result)
{
    int64_t poll_ms = (int64_t)r->passes->program->site->poll * 1000;

    if (result != PASS_TROUBLE) {
        r->trouble_ms = r->not_before_ms = 0;
        return result == PASS_WORKED ? 0 : poll_ms;
    }
    r->trouble_ms = r->trouble_ms == 0 ? TROUBLE_MS : r->trouble_ms * 2;
    if (r->trouble_ms > poll_ms)
        r->trouble_ms = poll_ms;
    r->not_before_ms = clock_steady_ms() + r->trouble_ms;
    return r->trouble_ms;
}

static void run_pass(void *arg)
{
    struct rounds *r = arg;
    enum pass result = r->passes->pass(r->passes->arg);

    if (result == PASS_IN_DOUBT) {
        r->status = EX_IOERR;
        loop_stop(r->loop);
        return;
    }
    /* Files that came during the pass have raised an event of their own; the rest is the poll's. */
    loop_timer_set(r->timer, pause_after(r, result));
}

/* Files that went back after trouble raise events: they must not make the next pass come at once.
 */
static void on_notify(void *arg)
{
    const struct watcher *w = arg;
    const struct rounds *r = w->rounds;
    int64_t wait = r->not_before_ms - clock_steady_ms();

    if (passes_seen(w->notify))
        loop_timer_set(r->timer, wait > 0 ? wait : 0);
}

static void on_stop(void *arg)
{
    struct rounds *r = arg;

    loop_stop(r->loop);
}

static void on_reload(void *arg)
{
    struct rounds *r = arg;

    program_reload(r->passes->program);
    if (r->passes->reloaded != NULL)
        r->passes->reloaded(r->passes->arg);
    loop_timer_set(r->timer, 0);
}

static void watch(struct rounds *r, enum spool_queue q)
{
    const struct passes *p = r->passes;
    struct watcher *w = &r->watcher[q];

    *w = (struct watcher){.rounds = r, .notify = -1};
    if (p->queues & 1U << q)
        w->notify = passes_watch(p->program, p->spool, q);
    if (w->notify >= 0)
        w->event = loop_readable(r->loop, w->notify, on_notify, w);
}

static void unwatch(struct watcher *w)
{
    loop_forget(w->event);
    if (w->notify >= 0)
        close(w->notify);
}

static int serve(const struct passes *p)
{
    struct rounds r = {.passes = p, .loop = loop_new()};

    r.timer = r.loop == NULL ? NULL : loop_timer(r.loop, run_pass, &r);
    if (r.timer == NULL)
        return EX_OSERR;
    for (int q = 0; q < SPOOL_QUEUES; q++)
        watch(&r, (enum spool_queue)q);
    struct loop_event *events[] = {
        loop_signal(r.loop, SIGTERM, on_stop, &r),
        loop_signal(r.loop, SIGINT, on_stop, &r),
        loop_signal(r.loop, SIGHUP, on_reload, &r),
    };
    loop_timer_set(r.timer, 0);
    loop_run(r.loop);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        loop_forget(events[i]);
    loop_forget(r.timer);
    for (int q = 0; q < SPOOL_QUEUES; q++)
        unwatch(&r.watcher[q]);
    loop_free(r.loop);
    return r.status;
}

int passes_run(const struct passes *p)
{
    const struct program *program = p->program;

    if (program->once) {
        enum pass r;
        do
            r = p->pass(p->arg);
        while (r == PASS_WORKED);
        return r >= PASS_TROUBLE ? EX_IOERR : EX_OK;
    }
    MSG(&program->log, T01SM020I, program->name, p->role);
    int status = serve(p);
    MSG(&program->log, T01SM021I, program->name);
    return status;
}
