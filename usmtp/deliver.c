/* See deliver.h.
 *
 * A data set goes FRESH (routed by its recipient) -> READY in its destination's line -> SENDING ->
 * gone, or KEPT until it is due, then FRESH again: so a changed ROUTE concerns mail that waits as
 * well. A destination none of whose addresses answers is put off as a whole: one attempt for all
 * its mail. */
#include "usmtp/deliver.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/dsname.h"
#include "lib/service.h"
#include "usmtp/fate.h"
#include "usmtp/hosts.h"
#include "usmtp/outcome.h"
#include "usmtp/restore.h"
#include "usmtp/route.h"

enum {
    FRESH_SLICE = 256, /* data sets routed before the loop looks at connections again */
    SLOW_SLICE = 25    /* ms: so long a slice takes only when it comes from the disk */
};

int64_t deliver_now(const struct deliver *d)
{
    return d->service_base + (clock_steady_ms() - d->steady_base_ms) / 1000;
}

void deliver_data_set(const struct deliver *d, uint32_t i, char out[DSNAME_MAX + 1])
{
    dsname_format(span_of(d->program->site->path), d->queue.entry[i].stamp, out);
}

void deliver_soon(struct deliver *d)
{
    loop_timer_set(d->pump, 0);
}

void deliver_in_doubt(struct deliver *d)
{
    MSG(&d->program->log, T01SM024E, "USMTP", strerror(errno));
    d->in_doubt = true;
    loop_stop(d->loop);
}

/* Does something that failed `tries` times wait for longer than its schedule can have said? Then
 * the schedule was changed, and it is tried at once. */
static bool outwaits(const struct deliver *d, int64_t due, uint32_t tries,
                     const struct site_schedule *s)
{
    return due > deliver_now(d) +
                     (int64_t)service_backoff(tries > 0 ? tries - 1 : 0, s->interval, s->ceiling);
}

static void hasten(struct deliver *d, struct destination *t)
{
    if (t->recheck && outwaits(d, t->due, t->tries, &t->route.schedule))
        t->due = deliver_now(d);
    t->recheck = false;
}

/* A mail that was kept and is not due yet, only looked at again: true when it goes on waiting. One
 * that was never tried itself but waits for its host does so in the host's line. */
static bool wait_on(struct deliver *d, uint32_t i, const struct site_schedule *s)
{
    const struct entry *e = &d->queue.entry[i];
    int64_t now = deliver_now(d);

    if (e->due <= now ||
        (e->tries > 0 ? outwaits(d, e->due, e->tries, s) : e->due - now > TROUBLE_DELAY))
        return false;
    queue_keep(&d->queue, i, e->due);
    return true;
}

static void route_one(struct deliver *d, uint32_t i)
{
    struct site_schedule schedule = site_schedule(d->program->site, NULL);
    struct attempt a = {"", "", "none", "", &schedule, NULL};
    struct destination *t = NULL;
    struct mailfile m;
    struct route route;
    struct verdict v;

    if (fate_open(d, i, &m, 0) != MAILFILE_OPEN)
        return;
    bool routed = route_find(d->program->site, &m.from, &m.to, &route);
    mailfile_close(&m);
    if (!routed) {
        a.from = m.from.text;
        a.to = m.to.text;
        outcome_local(&v, VERDICT_NEVER, "5.1.3", "the address has no domain to send to");
        fate_settle(d, i, &a, &v);
    } else if ((t = destination_get(d, &route)) == NULL) {
        fate_keep(d, i, TROUBLE_DELAY);
    } else {
        hasten(d, t);
        if (wait_on(d, i, &route.schedule))
            return;
        queue_append(&d->queue, &t->ready, i, ENTRY_READY);
        struct entry *e = &d->queue.entry[i];
        if (t->due > deliver_now(d) && e->line == UINT64_MAX) {
            e->due = t->due;
            restore_note_kept(d, i, m.to.text, "4.4.1", t->why);
        }
    }
}

/* Questions under way are answered by the servers they were put to; new ones wait for them. */
static void renew_resolver(struct deliver *d)
{
    const char *why;

    if (!d->new_servers || !destination_none_asks(d))
        return;
    struct resolver *r = resolver_new(d->loop, d->program, &why);
    if (r == NULL) {
        MSG(&d->program->log, T01SM001I, "DNS", why, "THE OLD SERVERS ARE ASKED");
    } else {
        resolver_free(d->resolver);
        d->resolver = r;
    }
    d->new_servers = false;
}

/* Nothing is sent that a power cut could still take back: its writer would send it again. */
static bool sync_names(struct deliver *d)
{
    if (d->unsynced && !d->in_doubt && durable_sync(d->spool->queue[QUEUE_MAIL]) < 0)
        deliver_in_doubt(d);
    d->unsynced = false;
    return !d->in_doubt;
}

/* At a start with a long queue the disk may be what takes time: then it is asked for a whole slice
 * at once. */
static void expect_slice(struct deliver *d)
{
    char name[DSNAME_MAX + 1];
    uint32_t i = d->fresh.head;

    for (int n = 0; n < FRESH_SLICE && i != ENTRY_NONE; n++) {
        deliver_data_set(d, i, name);
        mailfile_expect(d->spool->queue[QUEUE_MAIL], name);
        i = d->queue.entry[i].next;
    }
}

static void route_fresh(struct deliver *d)
{
    uint32_t i;
    int64_t began = clock_steady_ms();

    if (!sync_names(d))
        return;
    if (d->cold)
        expect_slice(d);
    while ((i = queue_due(&d->queue, deliver_now(d))) != ENTRY_NONE)
        queue_append(&d->queue, &d->fresh, i, ENTRY_FRESH);
    for (int n = 0; n < FRESH_SLICE && (i = queue_take(&d->queue, &d->fresh)) != ENTRY_NONE; n++)
        route_one(d, i);
    d->cold |= d->starting > 0 && clock_steady_ms() - began >= SLOW_SLICE;
    d->starting -= d->starting < FRESH_SLICE ? d->starting : FRESH_SLICE;
    d->cold &= d->starting > 0;
}

static void sync_removals(struct deliver *d)
{
    if (d->removed > 0 && !d->in_doubt && durable_sync(d->spool->queue[QUEUE_MAIL]) < 0)
        deliver_in_doubt(d);
    d->removed = 0;
}

static void on_sync(void *arg)
{
    struct deliver *d = arg;

    closer_flush(d->closer);
    if (d->syncer == NULL) {
        sync_removals(d);
        return;
    }
    if (d->removed > 0)
        syncer_start(d->syncer);
    d->removed = 0;
}

static void on_sync_failed(void *arg, int error)
{
    errno = error;
    deliver_in_doubt(arg);
}

/* At the end nothing is left to the thread. */
static void end_syncer(struct deliver *d)
{
    int error = syncer_free(d->syncer);

    d->syncer = NULL;
    if (error != 0 && !d->in_doubt)
        on_sync_failed(d, error);
    sync_removals(d);
}

static void set_pump(struct deliver *d)
{
    int64_t now = deliver_now(d), next = queue_next_due(&d->queue), other = destination_next_due(d);

    if (other < next)
        next = other;
    if (d->undeleted.count > 0 && now + TROUBLE_DELAY < next)
        next = now + TROUBLE_DELAY;
    if (d->fresh.count > 0 || d->giveup.items > 0)
        next = now;
    int64_t ms = next == INT64_MAX ? INT64_MAX : next > now ? (next - now) * 1000 + 1 : 0;
    int64_t mail_ms = destination_next_mail_ms(d);
    if (mail_ms < ms)
        ms = mail_ms;
    if (ms != INT64_MAX)
        loop_timer_set(d->pump, ms);
}

static void on_pump(void *arg)
{
    struct deliver *d = arg;

    renew_resolver(d);
    if (!d->stopping)
        route_fresh(d);
    destination_serve(d);
    fate_remove_undeleted(d);
    fate_settle_giveups(d);
    ready_prune(&d->watches, clock_steady_ms());
    restore_save(d, false);
    if (!d->stopping)
        set_pump(d);
    else if (d->destinations.connections == 0)
        loop_stop(d->loop);
}

/* The official names of hosts. Without them mail goes as it is. */
static void load_names(struct deliver *d)
{
    struct official_names names;

    if (!hosts_names(&d->program->site->dns, &names)) {
        MSG(&d->program->log, T01SM001I, d->program->site->dns.hosts, strerror(errno),
            "NICKNAMES ARE AS BEFORE");
        return;
    }
    official_free(&d->names);
    d->names = names;
}

bool deliver_open(struct deliver *d)
{
    const char *why = NULL;
    uint64_t seed = 0;

    d->checkpoint.fd = -1;
    d->fresh = d->undeleted = CHAIN_EMPTY;
    d->steady_base_ms = clock_steady_ms();
    d->giveup = (struct giveup){.program = d->program, .spool = d->spool};
    load_names(d);
    d->closer = closer_new();
    d->syncer = syncer_new(d->loop, d->spool->queue[QUEUE_MAIL], on_sync_failed, d);
    errno = ENOMEM;
    if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed)) {
        queue_init(&d->queue, seed);
        d->pump = loop_timer(d->loop, on_pump, d);
        d->sync = loop_timer(d->loop, on_sync, d);
        d->resolver = resolver_new(d->loop, d->program, &why);
    }
    if (d->pump == NULL || d->sync == NULL || d->resolver == NULL || !restore_open(d)) {
        MSG(&d->program->log, T01SM022E, "usmtp",
            d->resolver == NULL && why != NULL ? why : strerror(errno));
        return false;
    }
    return true;
}

static uint32_t add_entry(struct deliver *d, uint64_t stamp)
{
    uint32_t i = queue_add(&d->queue, stamp, deliver_now(d));

    if (i == ENTRY_NONE)
        d->rescan = true; /* memory is short */
    d->unsynced = true;
    return i;
}

/* An entry that is known already. */
static void seen_again(struct deliver *d, uint32_t i)
{
    struct entry *e = &d->queue.entry[i];

    if (e->state == ENTRY_SENDING && e->heap == 0)
        e->heap = 1; /* the checkpoint knew it, and there it is */
    else if (e->state == ENTRY_KEPT && e->line == UINT64_MAX && e->tries == 0) {
        queue_hurry(&d->queue,
                    i); /* its writer was at work when we looked, and has closed it now */
        deliver_soon(d);
    }
}

void deliver_name(struct deliver *d, const char *name, bool whole)
{
    uint64_t stamp;

    if (!spool_name_visible(name))
        return;
    if (!dsname_parse(span_of(d->program->site->path), span_of(name), &stamp)) {
        d->rescan |= !fate_hold_stranger(d, name);
        return;
    }
    uint32_t i = queue_find(&d->queue, stamp);
    if (i != ENTRY_NONE) {
        seen_again(d, i);
    } else if ((i = add_entry(d, stamp)) != ENTRY_NONE) {
        d->queue.entry[i].whole = whole;
        queue_append(&d->queue, &d->fresh, i, ENTRY_FRESH);
        deliver_soon(d);
    }
}

void deliver_created(struct deliver *d, const char *name)
{
    uint64_t stamp;
    uint32_t i;

    if (!dsname_parse(span_of(d->program->site->path), span_of(name), &stamp) ||
        queue_find(&d->queue, stamp) != ENTRY_NONE || (i = add_entry(d, stamp)) == ENTRY_NONE)
        return;
    fate_keep(d, i, BUSY_DELAY);
    deliver_soon(d);
}

/* Kept by an earlier run for longer than the shortest delay of now. */
static bool may_be_sooner(const struct deliver *d, const struct entry *e)
{
    return e->due > deliver_now(d) + (int64_t)site_shortest_interval(d->program->site);
}

void deliver_scanned(struct deliver *d)
{
    for (uint32_t i = 0; i < d->queue.entries; i++) {
        if (d->queue.entry[i].state != ENTRY_SENDING)
            continue;
        if (d->queue.entry[i].heap == 0) {
            queue_remove(&d->queue, i);
            continue;
        }
        restore_bound(d, i);
        if (may_be_sooner(d, &d->queue.entry[i]))
            queue_append(&d->queue, &d->fresh, i, ENTRY_FRESH);
        else
            queue_keep(&d->queue, i, d->queue.entry[i].due);
    }
    /* A directory gives its names in the order of a hash. What was written together lies together
     * on the disk, so that a long queue is read several times faster so. */
    queue_sort(&d->queue, &d->fresh);
    d->starting = d->fresh.count;
    deliver_soon(d);
}

void deliver_reload(struct deliver *d)
{
    uint32_t i;

    d->new_servers = true;
    load_names(d);
    while ((i = queue_due(&d->queue, INT64_MAX)) != ENTRY_NONE)
        queue_append(&d->queue, &d->fresh, i, ENTRY_FRESH);
    destination_reroute(d);
    deliver_soon(d);
}

bool deliver_idle(const struct deliver *d)
{
    return d->fresh.count == 0 && d->giveup.items == 0 &&
           queue_next_due(&d->queue) > deliver_now(d) && destination_all_idle(d);
}

void deliver_quiesce(struct deliver *d)
{
    d->stopping = true;
    destination_stop(d, false);
    deliver_soon(d);
}

void deliver_stop(struct deliver *d)
{
    d->stopping = true;
    destination_stop(d, true);
    fate_remove_undeleted(d);
    end_syncer(d);
    fate_settle_giveups(d);
    restore_save(d, true);
}

void deliver_close(struct deliver *d)
{
    destination_free_all(d);
    syncer_free(d->syncer);
    closer_free(d->closer);
    loop_forget(d->pump);
    loop_forget(d->sync);
    resolver_free(d->resolver);
    official_free(&d->names);
    giveup_free(&d->giveup);
    ready_free(&d->watches);
    checkpoint_close(&d->checkpoint);
    queue_free(&d->queue);
}
