/* See printer.h. Waits for spool files (inotify, and a poll for file systems that have none) and
 * runs passes. */
#include "jobs/printer/printer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

#include "jobs/printer/writer.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/unit.h"

struct printer {
    struct program program;
    struct writer writer;
    struct loop *loop;
    struct loop_event *timer;
    int notify;
    int status;
    int64_t trouble_ms, not_before_ms; /* after trouble: the pause, and when it ends */
};

enum { TROUBLE_MS = 1000 /* the first pause; it doubles up to POLL */ };

/* The pause after a pass. What could not be done is not tried again at once. */
static int64_t pause_after(struct printer *p, enum writer_result result)
{
    int64_t poll_ms = (int64_t)p->program.site->poll * 1000;

    if (result != WRITER_TROUBLE) {
        p->trouble_ms = p->not_before_ms = 0;
        return result == WRITER_WORKED ? 0 : poll_ms;
    }
    p->trouble_ms = p->trouble_ms == 0 ? TROUBLE_MS : p->trouble_ms * 2;
    if (p->trouble_ms > poll_ms)
        p->trouble_ms = poll_ms;
    p->not_before_ms = clock_steady_ms() + p->trouble_ms;
    return p->trouble_ms;
}

static void run_pass(void *arg)
{
    struct printer *p = arg;
    enum writer_result result = writer_pass(&p->writer);

    if (result == WRITER_IN_DOUBT) {
        p->status = EX_IOERR;
        loop_stop(p->loop);
        return;
    }
    /* Files that came during the pass have raised an event of their own; the rest is the poll's. */
    loop_timer_set(p->timer, pause_after(p, result));
}

static void on_notify(void *arg)
{
    struct printer *p = arg;
    int64_t wait = p->not_before_ms - clock_steady_ms();
    char events[8192];

    while (read(p->notify, events, sizeof(events)) > 0)
        ;
    loop_timer_set(p->timer, wait > 0 ? wait : 0);
}

static void on_stop(void *arg)
{
    struct printer *p = arg;

    loop_stop(p->loop);
}

static void on_reload(void *arg)
{
    struct printer *p = arg;

    program_reload(&p->program);
    p->writer.lp_next = 0;
    loop_timer_set(p->timer, 0);
}

/* Without inotify the poll alone finds new files. */
static void watch_queue(struct printer *p)
{
    char link[32];

    p->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (p->notify < 0)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", p->writer.spool.queue[QUEUE_PRT]);
    if (inotify_add_watch(p->notify, link, IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        MSG(&p->program.log, T01SM032W, "jes/PRT", "inotify is not to be had; polling");
}

static int serve(struct printer *p)
{
    p->loop = loop_new();
    p->timer = p->loop == NULL ? NULL : loop_timer(p->loop, run_pass, p);
    if (p->timer == NULL)
        return EX_OSERR;
    watch_queue(p);
    struct loop_event *events[] = {
        p->notify < 0 ? NULL : loop_readable(p->loop, p->notify, on_notify, p),
        loop_signal(p->loop, SIGTERM, on_stop, p),
        loop_signal(p->loop, SIGINT, on_stop, p),
        loop_signal(p->loop, SIGHUP, on_reload, p),
    };
    loop_timer_set(p->timer, 0);
    loop_run(p->loop);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        loop_forget(events[i]);
    loop_forget(p->timer);
    loop_free(p->loop);
    if (p->notify >= 0)
        close(p->notify);
    return p->status;
}

static int work(struct printer *p)
{
    const struct program *program = &p->program;

    int lock = unit_owner(&p->writer.spool, "printer");
    if (lock < 0) {
        MSG(&program->log, T01SM022E, program->name,
            errno == EWOULDBLOCK ? "it runs already" : strerror(errno));
        return EX_TEMPFAIL;
    }
    signal(SIGIO, SIG_IGN); /* a writer may break a lease; we are done with the file soon */
    signal(SIGPIPE, SIG_IGN);
    if (!writer_open(&p->writer)) {
        MSG(&program->log, T01SM022E, program->name, strerror(errno));
        return EX_IOERR;
    }
    if (program->once) {
        enum writer_result r;
        do
            r = writer_pass(&p->writer);
        while (r == WRITER_WORKED);
        return r >= WRITER_TROUBLE ? EX_IOERR : EX_OK;
    }
    MSG(&program->log, T01SM020I, program->name, "EXTERNAL WRITER");
    int status = serve(p);
    MSG(&program->log, T01SM021I, program->name);
    return status;
}

int printer_main(int argc, char **argv)
{
    struct printer p = {
        .program = {.name = "printer", .synopsis = ""}, .writer = {.print = -1}, .notify = -1};

    int status = program_start(&p.program, argc, argv, true);
    if (status < 0) {
        status = EX_CANTCREAT;
        p.writer.program = &p.program;
        if (program_become_user(&p.program) &&
            program_spool(&p.program, &p.writer.spool, SPOOL_ALL_QUEUES)) {
            status = work(&p);
            writer_close(&p.writer);
        }
    }
    program_end(&p.program);
    return status;
}
