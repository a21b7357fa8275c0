/* See spool4.h. Waits for files (inotify, and a poll for file systems that have none) and runs
 * passes. */
#include "spool4/spool4.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dataset.h"
#include "lib/loop.h"
#include "lib/unit.h"
#include "spool4/intake.h"

struct spool4 {
    struct program program;
    struct intake intake;
    struct loop *loop;
    struct loop_event *timer;
    int notify;
    int status;
    int64_t trouble_ms, not_before_ms; /* after trouble: the pause, and when it ends */
};

enum { TROUBLE_MS = 1000 /* the first pause; it doubles up to POLL */ };

/* What a start does before it takes work: recovery, leftovers, names. */
static bool recover(struct spool4 *s)
{
    const struct program *p = &s->program;
    const struct spool *spool = &s->intake.spool;

    int found = unit_recover(spool, "spool4", QUEUE_REMOTE);
    if (found < 0 || dataset_names_check(spool, span_of(p->site->path)) < 0) {
        MSG(&p->log, T01SM022E, p->name, strerror(errno));
        return false;
    }
    if (found > 0)
        MSG(&p->log, T01SM023I, msg_num(found).text, p->name);
    spool_sweep(spool->queue[QUEUE_REMOTE]);
    return true;
}

static void run_pass(void *arg)
{
    struct spool4 *s = arg;
    int64_t poll_ms = (int64_t)s->program.site->poll * 1000, wait = poll_ms;

    switch (intake_pass(&s->intake)) {
    case INTAKE_IN_DOUBT:
        s->status = EX_IOERR;
        loop_stop(s->loop);
        return;
    case INTAKE_TROUBLE:
        /* Files that went back raise events: they must not make the next pass come at once. */
        wait = s->trouble_ms == 0 ? TROUBLE_MS : s->trouble_ms * 2;
        s->trouble_ms = wait < poll_ms ? wait : poll_ms;
        wait = s->trouble_ms;
        s->not_before_ms = clock_steady_ms() + wait;
        break;
    case INTAKE_WORKED:
        wait = 0;
        /* fall through */
    case INTAKE_IDLE:
        s->trouble_ms = s->not_before_ms = 0;
        break;
    }
    /* Files that came during the pass have raised an event of their own; the rest is the poll's. */
    loop_timer_set(s->timer, wait);
}

static void on_notify(void *arg)
{
    struct spool4 *s = arg;
    int64_t wait = s->not_before_ms - clock_steady_ms();
    char events[8192];

    while (read(s->notify, events, sizeof(events)) > 0)
        ;
    loop_timer_set(s->timer, wait > 0 ? wait : 0);
}

static void on_stop(void *arg)
{
    struct spool4 *s = arg;

    loop_stop(s->loop);
}

static void on_reload(void *arg)
{
    struct spool4 *s = arg;

    program_reload(&s->program);
    loop_timer_set(s->timer, 0);
}

/* Without inotify the poll alone finds new files. */
static void watch_queue(struct spool4 *s)
{
    char path[64], link[32];

    s->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (s->notify < 0)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", s->intake.spool.queue[QUEUE_REMOTE]);
    if (inotify_add_watch(s->notify, link, IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB) <
        0)
        MSG(&s->program.log, T01SM032W, spool_queue_name(s->program.site, QUEUE_REMOTE, path),
            "inotify is not to be had; polling");
}

static int serve(struct spool4 *s)
{
    s->loop = loop_new();
    s->timer = s->loop == NULL ? NULL : loop_timer(s->loop, run_pass, s);
    if (s->timer == NULL)
        return EX_OSERR;
    watch_queue(s);
    struct loop_event *events[] = {
        s->notify < 0 ? NULL : loop_readable(s->loop, s->notify, on_notify, s),
        loop_signal(s->loop, SIGTERM, on_stop, s),
        loop_signal(s->loop, SIGINT, on_stop, s),
        loop_signal(s->loop, SIGHUP, on_reload, s),
    };
    loop_timer_set(s->timer, 0);
    loop_run(s->loop);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        loop_forget(events[i]);
    loop_forget(s->timer);
    loop_free(s->loop);
    if (s->notify >= 0)
        close(s->notify);
    return s->status;
}

static int work(struct spool4 *s)
{
    const struct program *p = &s->program;

    int lock = unit_owner(&s->intake.spool, "spool4");
    if (lock < 0) {
        MSG(&p->log, T01SM022E, p->name,
            errno == EWOULDBLOCK ? "it runs already" : strerror(errno));
        return EX_TEMPFAIL;
    }
    signal(SIGIO, SIG_IGN); /* a writer may break a lease; we are done with the file soon */
    signal(SIGPIPE, SIG_IGN);
    if (!program_jail(p))
        return EX_OSERR;
    if (!recover(s))
        return EX_IOERR;
    if (p->once) {
        enum intake_result r;
        do
            r = intake_pass(&s->intake);
        while (r == INTAKE_WORKED);
        return r >= INTAKE_TROUBLE ? EX_IOERR : EX_OK;
    }
    MSG(&p->log, T01SM020I, p->name, "SPOOLER");
    int status = serve(s);
    MSG(&p->log, T01SM021I, p->name);
    return status;
}

int spool4_main(int argc, char **argv)
{
    struct spool4 s = {
        .program = {.name = "spool4", .synopsis = "", .service = "SPOOL#4", .leases = true},
        .notify = -1};

    int status = program_start(&s.program, argc, argv, true);
    if (status < 0) {
        status = EX_CANTCREAT;
        s.intake.program = &s.program;
        if (program_become_user(&s.program) &&
            program_spool(&s.program, &s.intake.spool, SPOOL_ALL_QUEUES)) {
            status = work(&s);
            intake_close(&s.intake);
        }
    }
    program_end(&s.program);
    return status;
}
