/* See deliver.h.
 *
 * A data set goes FRESH (routed by its recipient) -> READY in its destination's line -> SENDING ->
 * gone, or KEPT until it is due, then FRESH again: so a changed ROUTE concerns mail that waits as
 * well. A destination none of whose addresses answers is put off as a whole: one attempt for all
 * its mail. */
#include "usmtp/deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dsname.h"
#include "usmtp/connection.h"
#include "usmtp/outcome.h"
#include "usmtp/route.h"

enum {
    FRESH_SLICE = 256,  /* data sets routed before the loop looks at connections again */
    BUSY_DELAY = 5,     /* seconds until a file that is being written is looked at again */
    TROUBLE_DELAY = 30, /* the same after a fault of our own machine */
    SYNC_DELAY_MS =
        100, /* removals wait so long for one sync: until then a power cut may bring them back */
    ADDRESS_LIFE = 300,      /* seconds for which a host's addresses are used */
    MAILS_PER_CONNECTION = 5 /* waiting mail that is worth one more connection */
};

struct destination {
    struct deliver *deliver;
    struct route route;
    char key[ADDRESS_DOMAIN_MAX + 8]; /* host:port */
    struct chain ready;
    int64_t due; /* service seconds; put off until then */
    uint32_t tries;
    bool greeted; /* since it was last put off: more than one connection may be opened */
    char why[320];
    struct resolve_query *query;
    union resolve_address address[RESOLVE_MAX];
    size_t addresses;
    int64_t resolved_until;         /* service seconds */
    struct connection **connection; /* owned array of `most`: DESTLIMIT when it was made */
    size_t connections, most;
};

static const struct connection_owner connection_events;

static int64_t now_service(const struct deliver *d)
{
    return d->service_base + (clock_steady_ms() - d->steady_base_ms) / 1000;
}

static uint32_t random32(void)
{
    uint32_t r = 0;

    if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
        r = (uint32_t)clock_steady_ms(); /* only jitter */
    return r;
}

static void data_set_name(const struct deliver *d, const struct entry *e, char out[DSNAME_MAX + 1])
{
    dsname_format(span_of(d->program->site->path), e->stamp, out);
}

void deliver_soon(struct deliver *d)
{
    loop_timer_set(d->pump, 0);
}

/* Checkpoint lines. */

static void note_kept(struct deliver *d, struct entry *e, const char *to, const char *status,
                      const char *text)
{
    char name[DSNAME_MAX + 1];

    data_set_name(d, e, name);
    struct checkpoint_line l = {.kind = CHECKPOINT_KEPT,
                                .name = span_of(name),
                                .first = e->first,
                                .due = e->due,
                                .tries = e->tries,
                                .to = span_of(to[0] != '\0' ? to : "-"),
                                .status = span_of(status),
                                .text = span_of(text)};
    e->line = checkpoint_append(&d->checkpoint, &l);
}

static void note_host(struct deliver *d, const struct destination *t)
{
    struct checkpoint_line l = {.kind = CHECKPOINT_HOST,
                                .name = span_of(t->key),
                                .due = t->due,
                                .tries = t->tries,
                                .text = span_of(t->why)};

    checkpoint_append(&d->checkpoint, &l);
}

static void note_time(struct deliver *d)
{
    struct checkpoint_line l = {
        .kind = CHECKPOINT_TIME, .first = now_service(d), .wall = clock_wall()};

    checkpoint_append(&d->checkpoint, &l);
}

/* What becomes of a mail. */

static void keep(struct deliver *d, uint32_t i, int64_t delay)
{
    queue_keep(&d->queue, i, now_service(d) + delay);
}

static void give_up(struct deliver *d, uint32_t i, const struct verdict *v, const char *host,
                    bool expired, bool hold)
{
    struct entry *e = &d->queue.entry[i];
    struct giveup_item item = {.stamp = e->stamp, .hold = hold, .expired = expired, .verdict = *v};

    data_set_name(d, e, item.name);
    snprintf(item.host, sizeof(item.host), "%s", host);
    item.arrived = dsname_wall(e->stamp);
    if (!giveup_add(&d->giveup, &item))
        keep(d, i, TROUBLE_DELAY);
    deliver_soon(d);
}

static bool too_old(const struct deliver *d, const struct entry *e)
{
    return now_service(d) - e->first >= (int64_t)d->program->site->retrymax;
}

static void log_attempt(const struct deliver *d, const struct entry *e, const char *to,
                        const char *relay, const char *status, const struct verdict *v)
{
    char name[DSNAME_MAX + 1], text[640];
    int64_t delay = clock_wall() - dsname_wall(e->stamp);

    data_set_name(d, e, name);
    snprintf(text, sizeof(text), "%s (%s)", status, v->text);
    MSG(&d->program->log, T01SM040I, name, to, relay, msg_num(delay > 0 ? delay : 0).text,
        v->status, text);
}

static void put_off(struct deliver *d, uint32_t i, const struct connection *c,
                    const struct verdict *v)
{
    const struct site *site = d->program->site;
    struct entry *e = &d->queue.entry[i];

    if (too_old(d, e)) {
        log_attempt(d, e, c->to, c->relay, "bounced", v);
        give_up(d, i, v, c->host, true, false);
        return;
    }
    log_attempt(d, e, c->to, c->relay, "deferred", v);
    keep(d, i, retry_delay(e->tries, site->retryint, site->retryceil, random32()));
    if (e->tries < 1000000)
        e->tries++;
    note_kept(d, e, c->to, v->status, v->text);
}

static void remove_sent(struct deliver *d, uint32_t i)
{
    char name[DSNAME_MAX + 1];

    data_set_name(d, &d->queue.entry[i], name);
    if (unlinkat(d->spool->queue[QUEUE_MAIL], name, 0) == 0 || errno == ENOENT) {
        if (d->removed++ == 0)
            loop_timer_set(d->sync, SYNC_DELAY_MS);
        queue_remove(&d->queue, i);
    } else {
        MSG(&d->program->log, T01SM045E, name, strerror(errno));
        queue_append(&d->queue, &d->undeleted, i, ENTRY_READY);
        deliver_soon(d);
    }
}

static void settle_verdict(struct deliver *d, uint32_t i, const struct connection *c,
                           const struct verdict *v)
{
    switch (v->kind) {
    case VERDICT_SENT:
        log_attempt(d, &d->queue.entry[i], c->to, c->relay, "sent", v);
        remove_sent(d, i);
        break;
    case VERDICT_NEVER:
        log_attempt(d, &d->queue.entry[i], c->to, c->relay, "bounced", v);
        give_up(d, i, v, c->host, false, false);
        break;
    default:
        put_off(d, i, c, v);
        break;
    }
}

/* Opening a data set; on anything but OPEN its fate is settled here. */
static enum mailfile_result open_mail(struct deliver *d, uint32_t i, struct mailfile *m,
                                      unsigned flags)
{
    struct verdict v = {.kind = VERDICT_NEVER};
    char name[DSNAME_MAX + 1], reason[320] = "";

    data_set_name(d, &d->queue.entry[i], name);
    enum mailfile_result r =
        mailfile_open(m, d->program, d->spool->queue[QUEUE_MAIL], name, &d->watches,
                      flags | (d->queue.entry[i].whole ? MAILFILE_WHOLE : 0), reason);
    switch (r) {
    case MAILFILE_OPEN:
        break;
    case MAILFILE_GONE:
        queue_remove(&d->queue, i);
        break;
    case MAILFILE_BUSY:
        keep(d, i, BUSY_DELAY);
        break;
    case MAILFILE_BAD:
        outcome_local(&v, VERDICT_NEVER, "5.6.0", reason);
        give_up(d, i, &v, "", false, true);
        break;
    case MAILFILE_TROUBLE:
        MSG(&d->program->log, T01SM032W, name, strerror(errno));
        keep(d, i, TROUBLE_DELAY);
        break;
    }
    return r;
}

/* Destinations. */

static struct destination *add_destination(struct deliver *d, const struct route *route)
{
    if (d->destinations == d->dest_cap) {
        uint32_t cap = d->dest_cap ? d->dest_cap * 2 : 16;
        void *grown = reallocarray(d->destination, cap, sizeof(*d->destination));
        if (grown == NULL)
            return NULL;
        d->destination = grown;
        d->dest_cap = cap;
    }
    struct destination *t = calloc(1, sizeof(*t));
    if (t != NULL) {
        t->most = d->program->site->destlimit;
        t->connection = calloc(t->most, sizeof(struct connection *));
    }
    if (t == NULL || t->connection == NULL) {
        free(t);
        return NULL;
    }
    t->deliver = d;
    t->route = *route;
    t->ready = CHAIN_EMPTY;
    snprintf(t->key, sizeof(t->key), "%s:%u", route->host, route->port);
    d->destination[d->destinations++] = t;
    return t;
}

/* Linear over destinations; a hash would only pay with many thousands of live ones. */
static struct destination *find_destination(struct deliver *d, const struct route *route)
{
    for (uint32_t i = 0; i < d->destinations; i++)
        if (route_eq(&d->destination[i]->route, route))
            return d->destination[i];
    return add_destination(d, route);
}

/* Nothing could reach it: all its mail waits together. */
static void destination_down(struct destination *t, const struct verdict *v)
{
    struct deliver *d = t->deliver;
    const struct site *site = d->program->site;
    struct chain waiting = t->ready;

    t->due = now_service(d) + retry_delay(t->tries, site->retryint, site->retryceil, random32());
    if (t->tries < 1000000)
        t->tries++;
    t->greeted = false;
    t->resolved_until = 0;
    snprintf(t->why, sizeof(t->why), "%.300s", v->text);
    MSG(&d->program->log, T01SM042I, t->key, msg_num(t->due - now_service(d)).text, t->why);
    note_host(d, t);
    t->ready = CHAIN_EMPTY;
    for (uint32_t i; (i = queue_take(&d->queue, &waiting)) != ENTRY_NONE;) {
        struct entry *e = &d->queue.entry[i];
        if (too_old(d, e)) {
            log_attempt(d, e, "-", t->key, "bounced", v);
            give_up(d, i, v, "", true, false);
            continue;
        }
        if (e->line == UINT64_MAX) { /* its age must survive a restart; the rest is the host's */
            e->due = t->due;
            note_kept(d, e, "", v->status, t->why);
        }
        queue_append(&d->queue, &t->ready, i, ENTRY_READY);
    }
}

/* No host of that name: permanent for all that waits for it. */
static void destination_unknown(struct destination *t, const char *why)
{
    struct deliver *d = t->deliver;
    struct verdict v;

    outcome_local(&v, VERDICT_NEVER, "5.1.2", why);
    for (uint32_t i; (i = queue_take(&d->queue, &t->ready)) != ENTRY_NONE;) {
        log_attempt(d, &d->queue.entry[i], "-", t->key, "bounced", &v);
        give_up(d, i, &v, "", false, false);
    }
}

static void on_resolved(void *arg, const struct resolve_result *r)
{
    struct destination *t = arg;
    struct verdict v;

    t->query = NULL;
    switch (r->kind) {
    case RESOLVE_FOUND:
        memcpy(t->address, r->address, r->count * sizeof(r->address[0]));
        t->addresses = r->count;
        t->resolved_until = now_service(t->deliver) + ADDRESS_LIFE;
        break;
    case RESOLVE_NO_NAME:
        if (!t->route.relay) {
            destination_unknown(t, r->why);
            break;
        }
        /* A relay that the configuration names wrongly is our fault, not the mail's. */
        /* fall through */
    case RESOLVE_LATER:
        outcome_local(&v, VERDICT_HOST, "4.4.3", r->why);
        destination_down(t, &v);
        break;
    }
    deliver_soon(t->deliver);
}

static void open_connection(struct destination *t)
{
    struct deliver *d = t->deliver;
    struct verdict v;

    struct connection *c = connection_start(d->loop, d->program, t->route.host, t->address,
                                            t->addresses, &connection_events, t);
    if (c != NULL) {
        t->connection[t->connections++] = c;
        d->connections++;
    } else if (t->connections == 0) {
        outcome_local(&v, VERDICT_HOST, "4.4.1", strerror(errno));
        destination_down(t, &v);
    }
}

static size_t connections_wanted(const struct destination *t)
{
    size_t limit = t->deliver->program->site->destlimit;

    if (limit > t->most)
        limit = t->most;
    size_t wanted = 1 + t->ready.count / MAILS_PER_CONNECTION;

    return !t->greeted ? 1 : wanted < limit ? wanted : limit;
}

static void wake_idle(struct destination *t)
{
    for (size_t i = 0; i < t->connections && t->ready.count > 0;) {
        struct connection *c = t->connection[i];
        connection_wake(c);
        if (i < t->connections && t->connection[i] == c)
            i++; /* otherwise it ended and another took its place */
    }
}

static void serve_destination(struct destination *t)
{
    struct deliver *d = t->deliver;

    if (t->ready.count == 0 || t->due > now_service(d) || t->query != NULL || d->stopping)
        return;
    if (t->connections == 0 && t->resolved_until <= now_service(d)) {
        t->query = resolve_start(d->resolver, t->route.host, t->route.port, on_resolved, t);
        return;
    }
    wake_idle(t);
    while (t->ready.count > 0 && t->connections < connections_wanted(t) &&
           t->due <= now_service(d) && d->connections < d->program->site->connections) {
        size_t before = t->connections;
        open_connection(t);
        if (t->connections == before)
            break;
    }
}

/* Events of connections. */

static bool on_next(void *owner, struct connection *c, struct mailfile *m)
{
    struct destination *t = owner;
    struct deliver *d = t->deliver;

    while (!d->stopping) {
        uint32_t i = queue_take(&d->queue, &t->ready);
        if (i == ENTRY_NONE)
            return false;
        if (open_mail(d, i, m, MAILFILE_SCAN) == MAILFILE_OPEN) {
            c->entry = i;
            snprintf(c->to, sizeof(c->to), "%s", m->to.text);
            return true;
        }
    }
    return false;
}

static void on_verdict(void *owner, struct connection *c, const struct verdict *v)
{
    struct destination *t = owner;
    struct deliver *d = t->deliver;
    uint32_t i = c->entry;

    c->entry = ENTRY_NONE;
    /* A host that takes only so many mails a connection is no reason to wait. */
    if (v->kind == VERDICT_LATER && c->mails > 1 && strncmp(v->text, "421", 3) == 0 &&
        !d->stopping) {
        queue_append(&d->queue, &t->ready, i, ENTRY_READY);
        return;
    }
    settle_verdict(d, i, c, v);
}

static void on_greeted(void *owner, struct connection *c)
{
    struct destination *t = owner;

    (void)c;
    t->greeted = true;
    if (t->tries > 0) {
        t->tries = 0;
        t->due = 0;
        t->why[0] = '\0';
        note_host(t->deliver, t);
    }
    deliver_soon(t->deliver);
}

static void on_closed(void *owner, struct connection *c, const struct verdict *v)
{
    struct destination *t = owner;

    for (size_t i = 0; i < t->connections; i++)
        if (t->connection[i] == c) {
            t->connection[i] = t->connection[--t->connections];
            break;
        }
    t->deliver->connections--;
    if (v != NULL && t->connections == 0 && !t->deliver->stopping)
        destination_down(t, v);
    deliver_soon(t->deliver);
}

static const struct connection_owner connection_events = {on_next, on_verdict, on_greeted,
                                                          on_closed};

/* The pump. */

static void route_one(struct deliver *d, uint32_t i)
{
    struct destination *t = NULL;
    struct mailfile m;
    struct route route;
    struct verdict v;

    if (open_mail(d, i, &m, 0) != MAILFILE_OPEN)
        return;
    bool routed = route_find(d->program->site, &m.to, &route);
    mailfile_close(&m);
    if (!routed) {
        outcome_local(&v, VERDICT_NEVER, "5.1.3", "the address has no domain to send to");
        give_up(d, i, &v, "", false, false);
    } else if ((t = find_destination(d, &route)) == NULL) {
        keep(d, i, TROUBLE_DELAY);
    } else {
        queue_append(&d->queue, &t->ready, i, ENTRY_READY);
        struct entry *e = &d->queue.entry[i];
        if (t->due > now_service(d) && e->line == UINT64_MAX) {
            e->due = t->due;
            note_kept(d, e, "", "4.4.1", t->why);
        }
    }
}

/* Nothing is sent that a power cut could still take back: its writer would send it again. */
static bool sync_names(struct deliver *d)
{
    if (d->unsynced && durable_sync(d->spool->queue[QUEUE_MAIL]) < 0) {
        MSG(&d->program->log, T01SM001I, "mail", strerror(errno), "NEW MAIL WAITS");
        return false;
    }
    d->unsynced = false;
    return true;
}

static void route_fresh(struct deliver *d)
{
    uint32_t i;

    if (!sync_names(d))
        return;
    while ((i = queue_due(&d->queue, now_service(d))) != ENTRY_NONE)
        queue_append(&d->queue, &d->fresh, i, ENTRY_FRESH);
    for (int n = 0; n < FRESH_SLICE && (i = queue_take(&d->queue, &d->fresh)) != ENTRY_NONE; n++)
        route_one(d, i);
}

static void on_given_up(void *arg, const struct giveup_item *item)
{
    struct deliver *d = arg;
    uint32_t i = item->stamp == 0 ? ENTRY_NONE : queue_find(&d->queue, item->stamp);

    if (i != ENTRY_NONE && d->queue.entry[i].state == ENTRY_SENDING)
        queue_remove(&d->queue, i);
}

static void settle_giveups(struct deliver *d)
{
    size_t n = d->giveup.items;

    if (n == 0)
        return;
    int result = giveup_settle(&d->giveup, on_given_up, d);
    if (result == -2) {
        MSG(&d->program->log, T01SM024E, "USMTP", strerror(errno));
        d->in_doubt = true;
        loop_stop(d->loop);
        return;
    }
    if (result < 0)
        MSG(&d->program->log, T01SM001I, "NOTICES", strerror(errno), "TRIED AGAIN LATER");
    /* What could not be given up is still SENDING in nobody's hands: it is kept and tried again. */
    for (size_t k = 0; result < 0 && k < n; k++) {
        uint64_t stamp = d->giveup.item[k].stamp;
        uint32_t i = stamp == 0 ? ENTRY_NONE : queue_find(&d->queue, stamp);
        if (i != ENTRY_NONE && d->queue.entry[i].state == ENTRY_SENDING)
            keep(d, i, TROUBLE_DELAY);
    }
}

static void remove_undeleted(struct deliver *d)
{
    struct chain again = d->undeleted;
    char name[DSNAME_MAX + 1];

    d->undeleted = CHAIN_EMPTY;
    for (uint32_t i; (i = queue_take(&d->queue, &again)) != ENTRY_NONE;) {
        data_set_name(d, &d->queue.entry[i], name);
        if (unlinkat(d->spool->queue[QUEUE_MAIL], name, 0) == 0 || errno == ENOENT)
            queue_remove(&d->queue, i);
        else
            queue_append(&d->queue, &d->undeleted, i, ENTRY_READY);
    }
}

static void on_sync(void *arg)
{
    struct deliver *d = arg;

    if (d->removed > 0 && durable_sync(d->spool->queue[QUEUE_MAIL]) < 0)
        MSG(&d->program->log, T01SM001I, "mail", strerror(errno), "SYNC OF REMOVED DATA SETS");
    d->removed = 0;
}

static bool keep_line(void *arg, const struct checkpoint_line *l, uint64_t offset,
                      uint64_t new_offset)
{
    struct deliver *d = arg;
    uint64_t stamp;

    if (l->kind != CHECKPOINT_KEPT)
        return l->kind == CHECKPOINT_HOST && l->due > now_service(d);
    if (!dsname_parse(span_of(d->program->site->path), l->name, &stamp))
        return false;
    uint32_t i = queue_find(&d->queue, stamp);
    if (i == ENTRY_NONE || d->queue.entry[i].line != offset)
        return false;
    d->queue.entry[i].line = new_offset;
    return true;
}

static void save(struct deliver *d)
{
    if (d->checkpoint.pending.len > 0)
        note_time(d);
    if (checkpoint_flush(&d->checkpoint) < 0 ||
        checkpoint_compact(&d->checkpoint, keep_line, d) < 0)
        MSG(&d->program->log, T01SM001I, "work/CHKPT", strerror(errno), "TRIED AGAIN LATER");
}

static void set_pump(struct deliver *d)
{
    int64_t now = now_service(d), next = queue_next_due(&d->queue);

    for (uint32_t i = 0; i < d->destinations; i++) {
        const struct destination *t = d->destination[i];
        if (t->ready.count > 0 && t->due > now && t->due < next)
            next = t->due;
    }
    if (d->undeleted.count > 0 && now + TROUBLE_DELAY < next)
        next = now + TROUBLE_DELAY;
    if (d->fresh.count > 0 || d->giveup.items > 0)
        next = now;
    if (next != INT64_MAX)
        loop_timer_set(d->pump, next > now ? (next - now) * 1000 + 1 : 0);
}

static void on_pump(void *arg)
{
    struct deliver *d = arg;

    if (!d->stopping)
        route_fresh(d);
    for (uint32_t i = 0; i < d->destinations; i++)
        serve_destination(d->destination[i]);
    remove_undeleted(d);
    settle_giveups(d);
    ready_prune(&d->watches);
    save(d);
    set_pump(d);
}

/* Start and end. */

static void load_time(struct deliver *d, const struct checkpoint_line *l)
{
    int64_t away = clock_wall() - l->wall, most = (int64_t)d->program->site->retryceil;

    d->service_base = l->first + (away < 0 ? 0 : away > most ? most : away);
}

static void load_kept(struct deliver *d, const struct checkpoint_line *l, uint64_t offset)
{
    uint64_t stamp;

    if (!dsname_parse(span_of(d->program->site->path), l->name, &stamp))
        return; /* PATH was changed: its data set is no longer ours */
    uint32_t i = queue_find(&d->queue, stamp);
    if (i == ENTRY_NONE)
        i = queue_add(&d->queue, stamp, l->first);
    if (i == ENTRY_NONE)
        return;
    struct entry *e = &d->queue.entry[i];
    e->first = l->first;
    e->due = l->due;
    e->tries = l->tries < 1000000 ? (uint32_t)l->tries & 0xFFFFFF : 1000000;
    e->line = offset;
    e->heap = 0; /* not seen in mail/ yet */
}

static void load_host(struct deliver *d, const struct checkpoint_line *l)
{
    struct route route = {0};
    size_t colon = l->name.n;
    uint64_t port;

    while (colon > 0 && l->name.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || !span_number(span_from(l->name, colon), 65535, &port) ||
        !span_copy((struct span){l->name.p, colon - 1}, route.host, sizeof(route.host)))
        return;
    route.port = (unsigned short)port;
    struct destination *t = find_destination(d, &route);
    if (t == NULL)
        return;
    t->due = l->due;
    t->tries = (uint32_t)(l->tries < 1000000 ? l->tries : 1000000);
    span_copy((struct span){l->text.p, l->text.n < 300 ? l->text.n : 300}, t->why, sizeof(t->why));
}

static void load_line(void *arg, const struct checkpoint_line *l, uint64_t offset, uint64_t number)
{
    struct deliver *d = arg;

    switch (l->kind) {
    case CHECKPOINT_TIME:
        load_time(d, l);
        break;
    case CHECKPOINT_KEPT:
        load_kept(d, l, offset);
        break;
    case CHECKPOINT_HOST:
        load_host(d, l);
        break;
    case CHECKPOINT_BAD:
        MSG(&d->program->log, T01SM044W, msg_num((long long)number).text);
        break;
    }
}

bool deliver_open(struct deliver *d)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return false;
    queue_init(&d->queue, seed);
    d->fresh = d->undeleted = CHAIN_EMPTY;
    d->steady_base_ms = clock_steady_ms();
    d->giveup = (struct giveup){.program = d->program, .spool = d->spool};
    d->pump = loop_timer(d->loop, on_pump, d);
    d->sync = loop_timer(d->loop, on_sync, d);
    d->resolver = resolver_new(d->loop);
    d->checkpoint.fd = -1;
    if (d->pump == NULL || d->sync == NULL || d->resolver == NULL ||
        checkpoint_open(&d->checkpoint, d->spool->work, load_line, d) < 0) {
        MSG(&d->program->log, T01SM022E, "usmtp", strerror(errno));
        return false;
    }
    note_time(d);
    return true;
}

static void hold_stranger(struct deliver *d, const char *name)
{
    struct giveup_item item = {.hold = true};

    if (!span_copy(span_of(name), item.name, sizeof(item.name)))
        return;
    outcome_local(
        &item.verdict, VERDICT_NEVER, "5.6.0",
        "it has no mail data set's name (PATH.Dyyddd.Thhmmss0.Nnnnn): put it into the queue");
    if (giveup_add(&d->giveup, &item))
        deliver_soon(d);
}

void deliver_name(struct deliver *d, const char *name, bool whole)
{
    uint64_t stamp;

    if (!spool_name_visible(name))
        return;
    if (!dsname_parse(span_of(d->program->site->path), span_of(name), &stamp)) {
        hold_stranger(d, name);
        return;
    }
    uint32_t i = queue_find(&d->queue, stamp);
    if (i == ENTRY_NONE) {
        i = queue_add(&d->queue, stamp, now_service(d));
        if (i != ENTRY_NONE) {
            d->queue.entry[i].whole = whole;
            queue_append(&d->queue, &d->fresh, i, ENTRY_FRESH);
        }
        d->unsynced = true;
        deliver_soon(d);
    } else if (d->queue.entry[i].state == ENTRY_SENDING && d->queue.entry[i].heap == 0) {
        d->queue.entry[i].heap = 1; /* the checkpoint knew it, and there it is */
    }
}

void deliver_scanned(struct deliver *d)
{
    for (uint32_t i = 0; i < d->queue.entries; i++) {
        struct entry *e = &d->queue.entry[i];
        if (e->state != ENTRY_SENDING)
            continue;
        if (e->heap == 0)
            queue_remove(&d->queue, i);
        else
            queue_keep(&d->queue, i, e->due);
    }
    deliver_soon(d);
}

bool deliver_idle(const struct deliver *d)
{
    if (d->fresh.count > 0 || d->giveup.items > 0 || queue_next_due(&d->queue) <= now_service(d))
        return false;
    for (uint32_t i = 0; i < d->destinations; i++) {
        const struct destination *t = d->destination[i];
        for (size_t k = 0; k < t->connections; k++)
            if (!t->connection[k]->idle)
                return false;
        if (t->query != NULL || (t->ready.count > 0 && t->due <= now_service(d)))
            return false;
    }
    return true;
}

void deliver_stop(struct deliver *d)
{
    d->stopping = true;
    for (uint32_t i = 0; i < d->destinations; i++)
        while (d->destination[i]->connections > 0)
            connection_stop(d->destination[i]->connection[0], "the sender is being stopped");
    remove_undeleted(d);
    on_sync(d);
    if (!d->in_doubt)
        settle_giveups(d);
    note_time(d);
    save(d);
}

void deliver_close(struct deliver *d)
{
    for (uint32_t i = 0; i < d->destinations; i++) {
        if (d->destination[i]->query != NULL)
            resolve_cancel(d->destination[i]->query);
        free(d->destination[i]->connection);
        free(d->destination[i]);
    }
    free(d->destination);
    loop_forget(d->pump);
    loop_forget(d->sync);
    resolver_free(d->resolver);
    giveup_free(&d->giveup);
    ready_free(&d->watches);
    checkpoint_close(&d->checkpoint);
    queue_free(&d->queue);
}
