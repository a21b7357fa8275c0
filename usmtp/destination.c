/* See destination.h. Served in turn, so that none with much mail keeps the others from a
 * connection; while one without a connection finds no room, those with several give idle ones back.
 */
#include "usmtp/destination.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmtp/connection.h"
#include "usmtp/fate.h"
#include "usmtp/outcome.h"
#include "usmtp/restore.h"

enum {
    ADDRESS_LIFE = 300,       /* seconds for which a host's addresses are used */
    MAILS_PER_CONNECTION = 5, /* waiting mail that is worth one more connection */
    ALLOWED_LIFE = 60, /* seconds until a host that refused a further connection is asked again */
    QUERIES_MAX = 100  /* questions to the name service at once */
};

static const struct connection_owner connection_events;

/* FNV-1a, mixed with the queue's seed: senders choose the domains. */
static uint32_t slot_of(const struct deliver *d, const struct route *r)
{
    uint64_t h = 0xCBF29CE484222325U ^ d->queue.seed;

    for (const char *p = r->host; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001B3U;
    h = (h ^ r->port) * 0x100000001B3U;
    return (uint32_t)(h >> 32) % DESTINATION_SLOTS;
}

static struct destination *new_destination(struct deliver *d, const struct route *route)
{
    struct destination *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->most = d->program->site->destlimit;
    t->connection = calloc(t->most, sizeof(struct connection *));
    if (t->connection == NULL) {
        free(t);
        return NULL;
    }
    t->deliver = d;
    t->route = *route;
    t->ready = CHAIN_EMPTY;
    t->allowed = SIZE_MAX;
    snprintf(t->key, sizeof(t->key), "%s:%u", route->host, route->port);
    return t;
}

struct destination *destination_get(struct deliver *d, const struct route *route)
{
    struct destinations *all = &d->destinations;
    struct destination **slot = &all->slot[slot_of(d, route)];

    for (struct destination *t = *slot; t != NULL; t = t->next)
        if (route_eq(&t->route, route))
            return t;
    if (all->count == all->cap) {
        uint32_t cap = all->cap ? all->cap * 2 : 16;
        void *grown = reallocarray(all->row, cap, sizeof(struct destination *));
        if (grown == NULL)
            return NULL;
        all->row = grown;
        all->cap = cap;
    }
    struct destination *t = new_destination(d, route);
    if (t == NULL)
        return NULL;
    t->next = *slot;
    *slot = t;
    all->row[all->count++] = t;
    return t;
}

static void free_destination(struct destination *t)
{
    if (t->query != NULL)
        resolve_cancel(t->query);
    free(t->address);
    free(t->connection);
    free(t);
}

/* Nothing waits for it, nobody talks to it, and nothing about it is worth remembering. */
static bool forgettable(const struct destination *t)
{
    return t->ready.count == 0 && t->connections == 0 && t->query == NULL && t->tries == 0 &&
           t->resolved_until <= deliver_now(t->deliver);
}

static void forget(struct deliver *d, uint32_t row)
{
    struct destinations *all = &d->destinations;
    struct destination *t = all->row[row], **link = &all->slot[slot_of(d, &t->route)];

    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    all->row[row] = all->row[--all->count];
    free_destination(t);
}

/* Whom a mail is for: wanted where it is given up without having been in anybody's hands. */
static bool recipient(struct deliver *d, uint32_t i, char to[ADDRESS_TEXT_MAX + 1])
{
    struct mailfile m;

    if (fate_open(d, i, &m, MAILFILE_WHOLE) != MAILFILE_OPEN)
        return false;
    snprintf(to, ADDRESS_TEXT_MAX + 1, "%s", m.to.text);
    mailfile_close(&m);
    return true;
}

static bool too_old(const struct deliver *d, uint32_t i)
{
    return deliver_now(d) - d->queue.entry[i].first >= (int64_t)d->program->site->retrymax;
}

/* Nothing could reach it: all its mail waits together, but for what is too old. */
static void put_off(struct destination *t, const struct verdict *v)
{
    struct deliver *d = t->deliver;
    struct chain waiting = t->ready;
    char to[ADDRESS_TEXT_MAX + 1];
    struct attempt a = {to, t->key, t->route.host};

    t->due = deliver_now(d) + fate_delay(d, t->tries);
    if (t->tries < TRIES_MAX)
        t->tries++;
    t->greeted = false;
    t->resolved_until = 0;
    snprintf(t->why, sizeof(t->why), "%.300s", v->text);
    MSG(&d->program->log, T01SM042I, t->key, msg_num(t->due - deliver_now(d)).text, t->why);
    restore_note_host(d, t);
    t->ready = CHAIN_EMPTY;
    for (uint32_t i; (i = queue_take(&d->queue, &waiting)) != ENTRY_NONE;) {
        struct entry *e = &d->queue.entry[i];
        if (too_old(d, i)) {
            if (recipient(d, i, to))
                fate_expire(d, i, &a, v);
            continue;
        }
        if (e->line == UINT64_MAX) { /* its age must survive a restart; the rest is the host's */
            e->due = t->due;
            restore_note_kept(d, i, "", v->status, t->why);
        }
        queue_append(&d->queue, &t->ready, i, ENTRY_READY);
    }
}

/* No host of that name: permanent for all that waits for it. */
static void unknown(struct destination *t, const char *why)
{
    struct deliver *d = t->deliver;
    char to[ADDRESS_TEXT_MAX + 1];
    struct attempt a = {to, t->key, ""};
    struct verdict v;

    outcome_local(&v, VERDICT_NEVER, "5.1.2", why);
    for (uint32_t i; (i = queue_take(&d->queue, &t->ready)) != ENTRY_NONE;)
        if (recipient(d, i, to))
            fate_settle(d, i, &a, &v);
}

static bool take_addresses(struct destination *t, const struct resolve_result *r)
{
    void *copy = reallocarray(NULL, r->count, sizeof(r->address[0]));

    if (copy == NULL)
        return false;
    memcpy(copy, r->address, r->count * sizeof(r->address[0]));
    free(t->address);
    t->address = copy;
    t->addresses = r->count;
    t->resolved_until = deliver_now(t->deliver) + ADDRESS_LIFE;
    return true;
}

static void on_resolved(void *arg, const struct resolve_result *r)
{
    struct destination *t = arg;
    const char *why = r->why;
    struct verdict v;

    t->query = NULL;
    t->deliver->destinations.queries--;
    deliver_soon(t->deliver);
    if (r->kind == RESOLVE_FOUND) {
        if (take_addresses(t, r))
            return;
        why = "memory is short";
    }
    /* A relay that the configuration names wrongly is our fault, not the mail's. */
    if (r->kind == RESOLVE_NO_NAME && !t->route.relay) {
        unknown(t, why);
        return;
    }
    outcome_local(&v, VERDICT_HOST, "4.4.3", why);
    put_off(t, &v);
}

static bool open_connection(struct destination *t)
{
    struct deliver *d = t->deliver;
    struct verdict v;

    struct connection *c = connection_start(d->loop, d->program, t->route.host, t->address,
                                            t->addresses, &connection_events, t);
    if (c != NULL) {
        t->connection[t->connections++] = c;
        d->destinations.connections++;
        return true;
    }
    if (t->connections == 0) {
        outcome_local(&v, VERDICT_HOST, "4.4.1", strerror(errno));
        put_off(t, &v);
    }
    return false;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t connections_wanted(struct destination *t)
{
    struct deliver *d = t->deliver;
    size_t limit = smaller(d->program->site->destlimit, t->most);

    if (!t->greeted)
        return 1;
    if (t->allowed_until <= deliver_now(d))
        t->allowed = SIZE_MAX;
    return smaller(smaller(limit, t->allowed), 1 + t->ready.count / MAILS_PER_CONNECTION);
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

static void start_query(struct destination *t)
{
    struct deliver *d = t->deliver;
    struct verdict v;

    if (d->destinations.queries >= QUERIES_MAX)
        return; /* on_resolved() of another one brings us back */
    t->query = resolve_start(d->resolver, t->route.host, t->route.port, on_resolved, t);
    if (t->query != NULL) {
        d->destinations.queries++;
        return;
    }
    outcome_local(&v, VERDICT_HOST, "4.4.3", "memory is short");
    put_off(t, &v);
}

static void serve(struct destination *t)
{
    struct deliver *d = t->deliver;
    struct destinations *all = &d->destinations;

    if (t->ready.count == 0 || t->due > deliver_now(d) || t->query != NULL)
        return;
    if (t->connections == 0 && t->resolved_until <= deliver_now(d)) {
        start_query(t);
        return;
    }
    wake_idle(t);
    while (t->ready.count > 0 && t->connections < connections_wanted(t) &&
           t->due <= deliver_now(d)) {
        if (all->connections >= d->program->site->connections) {
            all->starving |= t->connections == 0;
            return;
        }
        if (!open_connection(t))
            return;
    }
}

/* Idle connections of those that have others too. */
static void make_room(struct deliver *d)
{
    for (uint32_t i = 0; i < d->destinations.count; i++) {
        struct destination *t = d->destinations.row[i];
        for (size_t k = t->connections; k > 0 && t->connections > 1; k--)
            if (k <= t->connections && t->connection[k - 1]->idle)
                connection_stop(t->connection[k - 1], "");
    }
}

void destination_serve(struct deliver *d)
{
    struct destinations *all = &d->destinations;
    uint32_t first = all->turn;

    if (d->stopping)
        return;
    all->starving = false;
    for (uint32_t n = 0; n < all->count; n++)
        serve(all->row[(first + n) % all->count]);
    all->turn++;
    if (all->starving)
        make_room(d);
    for (uint32_t i = all->count; i > 0; i--)
        if (forgettable(all->row[i - 1]))
            forget(d, i - 1);
}

int64_t destination_next_due(const struct deliver *d)
{
    int64_t next = INT64_MAX, now = deliver_now(d);

    for (uint32_t i = 0; i < d->destinations.count; i++) {
        const struct destination *t = d->destinations.row[i];
        if (t->ready.count > 0 && t->due > now && t->due < next)
            next = t->due;
    }
    return next;
}

bool destination_all_idle(const struct deliver *d)
{
    for (uint32_t i = 0; i < d->destinations.count; i++) {
        const struct destination *t = d->destinations.row[i];
        for (size_t k = 0; k < t->connections; k++)
            if (!t->connection[k]->idle)
                return false;
        if (t->query != NULL || (t->ready.count > 0 && t->due <= deliver_now(d)))
            return false;
    }
    return true;
}

void destination_stop(struct deliver *d, bool all)
{
    for (uint32_t i = 0; i < d->destinations.count; i++) {
        struct destination *t = d->destinations.row[i];
        for (size_t k = t->connections; k > 0; k--)
            if (all || !connection_committed(t->connection[k - 1]))
                connection_stop(t->connection[k - 1], "the sender is being stopped");
    }
}

void destination_free_all(struct deliver *d)
{
    for (uint32_t i = 0; i < d->destinations.count; i++)
        free_destination(d->destinations.row[i]);
    free(d->destinations.row);
}

/* Events of connections. */

static bool on_next(void *owner, struct connection *c, struct mailfile *m)
{
    struct destination *t = owner;
    struct deliver *d = t->deliver;

    if (d->destinations.starving && t->connections > 1) {
        deliver_soon(d);
        return false;
    }
    while (!d->stopping) {
        uint32_t i = queue_take(&d->queue, &t->ready);
        if (i == ENTRY_NONE)
            return false;
        if (fate_open(d, i, m, MAILFILE_SCAN) == MAILFILE_OPEN) {
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
    struct attempt a = {c->to, c->relay, c->host};
    uint32_t i = c->entry;

    c->entry = ENTRY_NONE;
    /* Our own stop, or a host that takes only so many mails a connection, is no try that counts. */
    bool again = v->kind == VERDICT_LATER &&
                 (d->stopping ? !v->remote : c->mails > 1 && strncmp(v->text, "421", 3) == 0);
    if (again)
        queue_append(&d->queue, &t->ready, i, ENTRY_READY);
    else
        fate_settle(d, i, &a, v);
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
        restore_note_host(t->deliver, t);
    }
    deliver_soon(t->deliver);
}

static void on_closed(void *owner, struct connection *c, const struct verdict *v)
{
    struct destination *t = owner;
    struct deliver *d = t->deliver;

    for (size_t i = 0; i < t->connections; i++)
        if (t->connection[i] == c) {
            t->connection[i] = t->connection[--t->connections];
            break;
        }
    d->destinations.connections--;
    if (v != NULL && !d->stopping) {
        if (t->connections == 0) {
            put_off(t, v);
        } else {
            t->allowed = t->connections;
            t->allowed_until = deliver_now(d) + ALLOWED_LIFE;
        }
    }
    deliver_soon(d);
}

static const struct connection_owner connection_events = {on_next, on_verdict, on_greeted,
                                                          on_closed};
