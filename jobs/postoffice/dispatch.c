/* See dispatch.h. */
#include "jobs/postoffice/dispatch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "jobs/postoffice/postjob.h"
#include "lib/clock.h"

enum { STOP_MS = 20000 };

void dispatch_trouble(const struct dispatch *d, const char *name, const char *why)
{
    MSG(&d->program->log, T01SM032W, name, why);
}

/* The entry of a file that is not in work and not waiting; NULL: leave it alone. */
static struct waiting_entry *due_entry(struct dispatch *d, const char *name)
{
    struct waiting_entry *e = waiting_get(&d->waiting, name);

    if (e == NULL)
        return NULL;
    e->seen = true;
    return !e->active && e->due <= waiting_now(&d->waiting) ? e : NULL;
}

static void take_up(struct dispatch *d, const char *name)
{
    const struct site *site = d->program->site;
    struct ready_rules rules = {.quiet_ms = (int64_t)site->quiet * 1000,
                                .now_ms = clock_steady_ms(),
                                .wall = clock_wall(),
                                .max_octets = UINT64_MAX}; /* what is here was accepted */
    struct waiting_entry *e;
    const char *reason = NULL;
    struct stat st;
    int fd;

    if (!spool_name_visible(name) || (e = due_entry(d, name)) == NULL)
        return;
    switch (
        ready_check(&d->watches, &rules, d->spool->queue[QUEUE_POST], name, &fd, &st, &reason)) {
    case READY:
        job_start(d, e, fd, &st);
        break;
    case READY_BAD:
        job_hold(d, e, &st, reason);
        break;
    case READY_BUSY:
        break;
    }
}

/* Passes over the queue. */

static bool begin_pass(struct dispatch *d)
{
    int copy = openat(d->spool->queue[QUEUE_POST], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    d->list = copy < 0 ? NULL : fdopendir(copy);
    d->again = false;
    if (d->list != NULL)
        return true;
    MSG(&d->program->log, T01SM001I, "jes/POST", strerror(errno), "TRIED AGAIN LATER");
    if (copy >= 0)
        close(copy);
    return false;
}

static void set_poll(struct dispatch *d)
{
    int64_t wait = (int64_t)d->program->site->poll;
    int64_t due = waiting_next_due(&d->waiting);

    if (due != INT64_MAX && due - waiting_now(&d->waiting) < wait)
        wait = due - waiting_now(&d->waiting);
    loop_timer_set(d->poll, wait > 0 ? wait * 1000 : 1000);
}

static void end_pass(struct dispatch *d)
{
    closedir(d->list);
    d->list = NULL;
    d->first = false;
    ready_prune(&d->watches, clock_steady_ms());
    waiting_prune(&d->waiting);
    set_poll(d);
}

static void sync_removals(struct dispatch *d)
{
    if (d->removed && !d->in_doubt && durable_sync(d->spool->queue[QUEUE_POST]) < 0) {
        MSG(&d->program->log, T01SM024E, "POSTOFFICE", strerror(errno));
        d->in_doubt = true;
        loop_stop(d->loop);
    }
    d->removed = false;
    if (waiting_save(&d->waiting, d->spool->work, clock_wall(), false) < 0)
        MSG(&d->program->log, T01SM001I, "work/" WAITING_NAME, strerror(errno),
            "TRIED AGAIN LATER");
}

static void on_kick(void *arg)
{
    struct dispatch *d = arg;
    const struct dirent *entry;

    sync_removals(d);
    if (!d->stopping && d->list == NULL && d->again)
        begin_pass(d);
    while (!d->stopping && !d->in_doubt && d->list != NULL && d->active < DISPATCH_ACTIVE) {
        entry = readdir(d->list);
        if (entry == NULL)
            end_pass(d);
        else
            take_up(d, entry->d_name);
    }
    if (d->active == 0 && (d->stopping || (d->once && d->list == NULL && !d->again))) {
        sync_removals(d);
        loop_stop(d->loop);
    } else if (d->again && d->list == NULL && !d->stopping) {
        loop_timer_set(d->kick, 0);
    }
}

void dispatch_look(struct dispatch *d)
{
    d->again = true;
    loop_timer_set(d->kick, 0);
}

static void on_poll(void *arg)
{
    struct dispatch *d = arg;

    if (d->stopping)
        loop_stop(d->loop); /* what is still in work has had its time */
    else
        dispatch_look(d);
}

void dispatch_hurry(struct dispatch *d)
{
    waiting_hurry(&d->waiting);
    agents_forgive(&d->agents);
    lmtp_forgive(&d->lmtp);
    dispatch_look(d);
}

void dispatch_stop(struct dispatch *d)
{
    d->stopping = true;
    lmtp_stop(&d->lmtp);
    loop_timer_set(d->poll, STOP_MS);
    loop_timer_set(d->kick, 0);
}

bool dispatch_open(struct dispatch *d)
{
    const struct site *site = d->program->site;
    size_t damaged =
        waiting_open(&d->waiting, d->spool->work, clock_wall(), (int64_t)site->retryceil);

    if (damaged > 0)
        MSG(&d->program->log, T01SM044W, msg_num((long long)damaged).text);
    d->settle = (struct settle){.program = d->program, .spool = d->spool};
    d->first = true;
    d->kick = loop_timer(d->loop, on_kick, d);
    d->poll = loop_timer(d->loop, on_poll, d);
    return d->kick != NULL && d->poll != NULL &&
           agents_open(&d->agents, d->loop, d->root, (int64_t)site->retryint * 1000) &&
           lmtp_pool_open(&d->lmtp, d->loop, d->program);
}

void dispatch_close(struct dispatch *d)
{
    if (d->list != NULL)
        closedir(d->list);
    if (d->spool->work >= 0 && waiting_save(&d->waiting, d->spool->work, clock_wall(), true) < 0)
        MSG(&d->program->log, T01SM001I, "work/" WAITING_NAME, strerror(errno),
            "TRIED AGAIN LATER");
    agents_close(&d->agents);
    lmtp_pool_close(&d->lmtp);
    while (d->jobs != NULL)
        job_free(d->jobs);
    loop_forget(d->kick);
    loop_forget(d->poll);
    ready_free(&d->watches);
    waiting_close(&d->waiting);
}
