/* See postoffice.h. Waits for spool files and lets the dispatcher work.
 *
 * Started as root, it works as USER and keeps two of root's powers, to change users and groups:
 * only its delivery agents use them, once, and then have none. */
#include "jobs/postoffice/postoffice.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "jobs/postoffice/dispatch.h"
#include "lib/dataset.h"
#include "lib/passes.h"
#include "lib/unit.h"

struct postoffice {
    struct program program;
    struct spool spool;
    struct dispatch dispatch;
    struct loop *loop;
    int notify;
};

/* What a start does before it takes work: recovery, leftovers, names. */
static bool recover(const struct postoffice *o)
{
    const struct program *p = &o->program;
    int found = unit_recover(&o->spool, "postoffice", QUEUE_POST);

    if (found < 0 || dataset_names_check(&o->spool, span_of(p->site->path)) < 0) {
        MSG(&p->log, T01SM022E, p->name, strerror(errno));
        return false;
    }
    if (found > 0)
        MSG(&p->log, T01SM023I, msg_num(found).text, p->name);
    spool_sweep(o->spool.queue[QUEUE_POST]);
    return true;
}

static void on_notify(void *arg)
{
    struct postoffice *o = arg;

    if (passes_seen(o->notify))
        dispatch_look(&o->dispatch);
}

static void on_stop(void *arg)
{
    struct postoffice *o = arg;

    dispatch_stop(&o->dispatch);
}

static void on_reload(void *arg)
{
    struct postoffice *o = arg;

    program_reload(&o->program);
    dispatch_hurry(&o->dispatch);
}

static void serve(struct postoffice *o)
{
    struct loop_event *events[] = {
        o->notify < 0 ? NULL : loop_readable(o->loop, o->notify, on_notify, o),
        loop_signal(o->loop, SIGTERM, on_stop, o),
        loop_signal(o->loop, SIGINT, on_stop, o),
        loop_signal(o->loop, SIGHUP, on_reload, o),
    };

    dispatch_look(&o->dispatch);
    loop_run(o->loop);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        loop_forget(events[i]);
    if (o->notify >= 0)
        close(o->notify);
}

static int work(struct postoffice *o)
{
    const struct program *p = &o->program;

    if (!passes_own(p, &o->spool))
        return EX_TEMPFAIL;
    if (!program_jail(p))
        return EX_OSERR;
    if (!recover(o))
        return EX_IOERR;
    o->loop = loop_new();
    o->dispatch.program = p;
    o->dispatch.spool = &o->spool;
    o->dispatch.loop = o->loop;
    o->dispatch.once = p->once;
    if (o->loop == NULL || !dispatch_open(&o->dispatch)) {
        MSG(&p->log, T01SM022E, p->name, "memory or descriptors are short");
        return EX_OSERR;
    }
    if (!p->once) {
        o->notify = passes_watch(p, &o->spool, QUEUE_POST);
        MSG(&p->log, T01SM020I, p->name, "POST OFFICE");
    }
    serve(o);
    dispatch_close(&o->dispatch);
    loop_free(o->loop);
    if (!p->once)
        MSG(&p->log, T01SM021I, p->name);
    return o->dispatch.in_doubt ? EX_IOERR : EX_OK;
}

int postoffice_main(int argc, char **argv)
{
    struct postoffice o = {
        .program = {.name = "postoffice", .synopsis = "", .powers = "cap_setgid,cap_setuid=ep"},
        .notify = -1};

    int status = program_start(&o.program, argc, argv, true);
    if (status < 0) {
        status = EX_CANTCREAT;
        o.program.offline = !site_lmtp_host(o.program.site);
        o.dispatch.root = geteuid() == 0;
        if (program_become_user(&o.program) &&
            program_spool(&o.program, &o.spool, SPOOL_ALL_QUEUES)) {
            status = work(&o);
            spool_close(&o.spool);
        }
    }
    program_end(&o.program);
    return status;
}
