/* See destination.h. Served in turn, so that none with much mail keeps the others from a
 * connection; while one without a connection finds no room, those with several give idle ones back.
 */
#include "usmtp/destination.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "usmtp/connection.h"
#include "usmtp/fate.h"
#include "usmtp/outcome.h"
#include "usmtp/restore.h"

enum {
    IDLE_MS = 1000,           /* how long an idle connection waits for more mail */
    RATE_IDLE_MS = 10000,     /* and so much longer at most, where RATE makes it wait */
    KEEP_LIFE = 60,           /* seconds for which they are kept when there is no new answer */
    ADDRESS_LIFE = 300,       /* seconds for which addresses are used at most, and 1 at least */
    MAILS_PER_CONNECTION = 5, /* waiting mail that is worth one more connection */
    ALLOWED_LIFE = 60, /* seconds until a host that refused a further connection is asked again */
    QUERIES_MAX = 200  /* destinations that ask the name service at once */
};

static const struct connection_owner connection_events;

/* FNV-1a, mixed with the queue's seed: senders choose the domains. */
static uint32_t slot_of(const struct deliver *d, const char *key)
{
    uint64_t h = 0xCBF29CE484222325U ^ d->queue.seed;

    for (const char *p = key; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001B3U;
    return (uint32_t)(h >> 32) % DESTINATION_SLOTS;
}

static struct destination *new_destination(struct deliver *d, const struct route *route)
{
    struct destination *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->deliver = d;
    t->route = *route;
    t->ready = CHAIN_EMPTY;
    t->allowed = SIZE_MAX;
    t->recheck = true;
    return t;
}

struct destination *destination_get(struct deliver *d, const struct route *route)
{
    struct destinations *all = &d->destinations;
    struct destination **slot = &all->slot[slot_of(d, route->key)];

    for (struct destination *t = *slot; t != NULL; t = t->next)
        if (strcmp(t->route.key, route->key) == 0) {
            if (t->route.policy != route->policy) /* what was verified then may not be now */
                tls_memory_free(&t->memory);
            t->route = *route;
            return t;
        }
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
    tls_memory_free(&t->memory);
    resolve_free(t->found);
    free(t->connection);
    free(t);
}

/* Nothing waits for it, nobody talks to it, and nothing about it is worth remembering. */
static bool forgettable(const struct destination *t)
{
    return t->ready.count == 0 && t->connections == 0 && t->query == NULL && t->tries == 0 &&
           t->resolved_until <= deliver_now(t->deliver) && t->next_mail_ms <= clock_steady_ms();
}

static void forget(struct deliver *d, uint32_t row)
{
    struct destinations *all = &d->destinations;
    struct destination *t = all->row[row], **link = &all->slot[slot_of(d, t->route.key)];

    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    all->row[row] = all->row[--all->count];
    free_destination(t);
}

/* The envelope of a mail: wanted where it is given up without having been in anybody's hands. */
static bool envelope_of(struct deliver *d, uint32_t i, char from[ADDRESS_TEXT_MAX + 1],
                        char to[ADDRESS_TEXT_MAX + 1])
{
    struct mailfile m;

    if (fate_open(d, i, &m, MAILFILE_WHOLE) != MAILFILE_OPEN)
        return false;
    snprintf(from, ADDRESS_TEXT_MAX + 1, "%s", m.from.text);
    snprintf(to, ADDRESS_TEXT_MAX + 1, "%s", m.to.text);
    mailfile_close(&m);
    return true;
}

/* Nothing could reach it: all its mail waits together, but for what is too old. */
static void put_off(struct destination *t, const struct verdict *v)
{
    struct deliver *d = t->deliver;
    struct chain waiting = t->ready;
    char from[ADDRESS_TEXT_MAX + 1], to[ADDRESS_TEXT_MAX + 1];
    struct attempt a = {from, to, "none", route_host(&t->route), &t->route.schedule, NULL};

    t->due = deliver_now(d) + fate_delay(&t->route.schedule, t->tries);
    if (t->tries < TRIES_MAX)
        t->tries++;
    t->greeted = false;
    t->resolved_until = 0;
    t->good_address = 0;
    snprintf(t->why, sizeof(t->why), "%.300s", v->text);
    MSG(&d->program->log, T01SM042I, t->route.key, msg_num(t->due - deliver_now(d)).text, t->why);
    restore_note_host(d, t);
    t->ready = CHAIN_EMPTY;
    for (uint32_t i; (i = queue_take(&d->queue, &waiting)) != ENTRY_NONE;) {
        struct entry *e = &d->queue.entry[i];
        if (fate_too_old(d, i, &t->route.schedule)) {
            if (envelope_of(d, i, from, to))
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

/* The name service says with authority that nothing can be sent there: permanent for all that waits
 * for it. */
static void unroutable(struct destination *t, const struct resolve_result *r)
{
    struct deliver *d = t->deliver;
    char from[ADDRESS_TEXT_MAX + 1], to[ADDRESS_TEXT_MAX + 1];
    struct attempt a = {from, to, "none", "", &t->route.schedule, NULL};
    struct verdict v;

    outcome_local(&v, VERDICT_NEVER, r->status, r->why);
    for (uint32_t i; (i = queue_take(&d->queue, &t->ready)) != ENTRY_NONE;)
        if (envelope_of(d, i, from, to))
            fate_settle(d, i, &a, &v);
}

static void take_hosts(struct destination *t, struct resolve_result *r)
{
    int64_t life = r->ttl < 1 ? 1 : r->ttl > ADDRESS_LIFE ? ADDRESS_LIFE : r->ttl;

    resolve_free(t->found); /* connections hold it until they end */
    t->found = r;
    t->good_address = 0;
    t->resolved_until = deliver_now(t->deliver) + life;
}

/* There is no better answer now, and what was found before still works, or failed by itself. */
static void keep_hosts(struct destination *t)
{
    if (t->connections > 0)
        t->resolved_until = deliver_now(t->deliver) + KEEP_LIFE;
}

static void on_resolved(void *arg, struct resolve_result *r)
{
    struct destination *t = arg;
    struct verdict v;

    t->query = NULL;
    t->deliver->destinations.queries--;
    deliver_soon(t->deliver);
    if (r->kind == RESOLVE_FOUND) {
        take_hosts(t, r);
        return;
    }
    if (t->connections > 0 || t->due > deliver_now(t->deliver)) {
        keep_hosts(t);
        resolve_free(r);
        return;
    }
    /* A relay that the configuration names wrongly is our fault, not the mail's. */
    if (r->kind != RESOLVE_LATER && !t->route.relay) {
        unroutable(t, r);
    } else {
        outcome_local(&v, VERDICT_HOST, "4.4.3", r->why);
        put_off(t, &v);
    }
    resolve_free(r);
}

/* gcc loses sight of what a row of the table keeps, and takes it for lost. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static bool room_for_connection(struct destination *t)
{
    struct connection **grown;
    size_t most = t->most + 4;

    if (t->connections < t->most)
        return true;
    grown = reallocarray(t->connection, most, sizeof(struct connection *));
    if (grown == NULL)
        return false;
    t->most = most;
    t->connection = grown;
    return true;
}
#pragma GCC diagnostic pop

/* RATE: mails are spread evenly, so that no span of its length holds more of them than it allows.
 */
static int64_t rate_gap_ms(const struct site_rate *r)
{
    return r->messages == 0 ? 0 : (int64_t)((r->seconds * 1000 + r->messages - 1) / r->messages);
}

static bool rate_allows(const struct destination *t)
{
    return t->route.rate.messages == 0 || t->next_mail_ms <= clock_steady_ms();
}

/* A connection that RATE makes wait is kept, if it need not wait long. */
static int64_t idle_ms(const struct site_rate *r)
{
    int64_t gap = rate_gap_ms(r);

    return gap <= RATE_IDLE_MS ? IDLE_MS + gap : IDLE_MS;
}

static bool open_connection(struct destination *t)
{
    struct deliver *d = t->deliver;
    struct security_use security;
    struct verdict v;

    if (!security_for(d->security, &t->route, &security)) {
        outcome_local(&v, VERDICT_HOST, "4.7.5", "certificates of the route could not be read");
        put_off(t, &v);
        return false;
    }
    struct connection_target target = {.found = t->found,
                                       .names = &d->names,
                                       .begin = t->good_address,
                                       .mails = t->route.connmsgs,
                                       .idle_ms = idle_ms(&t->route.rate),
                                       .security = security,
                                       .login = &t->route.login,
                                       .keeper = d->keeper};
    target.security.memory = &t->memory;
    struct connection *c = NULL;
    if (room_for_connection(t))
        c = connection_start(d->loop, d->program, &target, &connection_events, t);
    if (c != NULL) {
        c->ahead = !t->plain;
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

    if (!t->greeted)
        return 1;
    if (t->allowed_until <= deliver_now(d))
        t->allowed = SIZE_MAX;
    return smaller(smaller(t->route.connections, t->allowed),
                   1 + t->ready.count / MAILS_PER_CONNECTION);
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

    if (d->destinations.queries >= QUERIES_MAX || d->new_servers)
        return; /* on_resolved() of another one brings us back */
    t->query =
        resolve_start(d->resolver, t->route.hop, t->route.hops, !t->route.own, on_resolved, t);
    if (t->query != NULL) {
        d->destinations.queries++;
        return;
    }
    if (t->connections > 0) {
        keep_hosts(t);
        return;
    }
    outcome_local(&v, VERDICT_HOST, "4.4.3", "memory is short");
    put_off(t, &v);
}

static void serve(struct destination *t)
{
    struct deliver *d = t->deliver;
    struct destinations *all = &d->destinations;

    if (t->ready.count == 0 || t->due > deliver_now(d) || !rate_allows(t))
        return;
    bool stale = t->resolved_until <= deliver_now(d);
    if (stale && t->query == NULL)
        start_query(t);
    if (t->connections == 0 && (stale || t->query != NULL))
        return;
    wake_idle(t);
    while (t->query == NULL && t->ready.count > 0 && t->connections < connections_wanted(t) &&
           t->due <= deliver_now(d) && rate_allows(t)) {
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

void destination_reroute(struct deliver *d)
{
    for (uint32_t i = 0; i < d->destinations.count; i++) {
        struct destination *t = d->destinations.row[i];
        t->recheck = true;
        for (uint32_t e; (e = queue_take(&d->queue, &t->ready)) != ENTRY_NONE;) {
            d->queue.entry[e].due = 0;
            queue_append(&d->queue, &d->fresh, e, ENTRY_FRESH);
        }
    }
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

int64_t destination_next_mail_ms(const struct deliver *d)
{
    int64_t next = INT64_MAX, now = clock_steady_ms();

    for (uint32_t i = 0; i < d->destinations.count; i++) {
        const struct destination *t = d->destinations.row[i];
        if (t->ready.count > 0 && t->next_mail_ms > now && t->next_mail_ms - now < next)
            next = t->next_mail_ms - now;
    }
    return next;
}

bool destination_none_asks(const struct deliver *d)
{
    return d->destinations.queries == 0;
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

static bool on_next(void *owner, struct connection *c, struct mailfile *m, struct hand *hand)
{
    struct destination *t = owner;
    struct deliver *d = t->deliver;

    /* One ahead, only where mail would have to wait anyway: this host may think for long. */
    if (c->in_hand && t->ready.count < t->connections)
        return false;
    if (d->destinations.starving && t->connections > 1) {
        deliver_soon(d);
        return false;
    }
    while (!d->stopping && rate_allows(t)) {
        uint32_t i = queue_take(&d->queue, &t->ready);
        if (i == ENTRY_NONE)
            return false;
        if (fate_open(d, i, m, MAILFILE_SCAN) == MAILFILE_OPEN) {
            hand->entry = i;
            snprintf(hand->from, sizeof(hand->from), "%s", m->from.text);
            snprintf(hand->to, sizeof(hand->to), "%s", m->to.text);
            t->next_mail_ms = clock_steady_ms() + rate_gap_ms(&t->route.rate);
            return true;
        }
    }
    return false;
}

/* Our own stop, or a host that takes only so many mails a connection, is no try that counts. */
static bool no_try(const struct deliver *d, const struct connection *c, const struct verdict *v)
{
    if (v->kind != VERDICT_LATER)
        return false;
    if (d->stopping)
        return !v->remote;
    return c->mails > 1 && (v->remote ? strncmp(v->text, "421", 3) == 0 : c->unanswered);
}

static void on_verdict(void *owner, struct connection *c, struct hand *hand,
                       const struct verdict *v)
{
    struct destination *t = owner;
    struct deliver *d = t->deliver;
    struct attempt a = {hand->from,    hand->to,           c->relay,
                        c->host->name, &t->route.schedule, &hand->file};

    /* It may have dropped what came with the text before. */
    t->plain |= c->unanswered && c->ahead && c->mails > 1;
    if (no_try(d, c, v))
        queue_append(&d->queue, &t->ready, hand->entry, ENTRY_READY);
    else
        fate_settle(d, hand->entry, &a, v);
}

static void on_untried(void *owner, struct connection *c, const struct hand *hand)
{
    struct destination *t = owner;

    (void)c;
    queue_append(&t->deliver->queue, &t->ready, hand->entry, ENTRY_READY);
    deliver_soon(t->deliver);
}

static void on_greeted(void *owner, struct connection *c)
{
    struct destination *t = owner;

    t->greeted = true;
    t->told = false;
    if (c->target.found == t->found)
        t->good_address = c->now;
    if (t->tries > 0) {
        t->tries = 0;
        t->due = 0;
        t->why[0] = '\0';
        restore_note_host(t->deliver, t);
    }
    deliver_soon(t->deliver);
}

static void on_login_failed(void *owner, struct connection *c, const struct verdict *v)
{
    struct destination *t = owner;

    if (!t->told)
        MSG(&t->deliver->program->log, T01SM134E, c->relay, t->route.login.user, v->text);
    t->told = true;
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

static void on_records(void *arg, const struct resolve_tlsa *records)
{
    struct connection *c = arg;
    const struct destination *t = c->owner;

    c->tlsa = NULL;
    t->deliver->destinations.queries--;
    deliver_soon(t->deliver);
    connection_tlsa(c, records);
}

static bool on_tlsa(void *owner, struct connection *c, bool wanted)
{
    const struct destination *t = owner;
    struct deliver *d = t->deliver;

    if (!wanted) {
        resolve_cancel(c->tlsa);
        c->tlsa = NULL;
        d->destinations.queries--;
        return true;
    }
    c->tlsa = resolve_tlsa(d->resolver, c->host, connection_port(c), on_records, c);
    d->destinations.queries += c->tlsa != NULL;
    return c->tlsa != NULL;
}

static const struct connection_owner connection_events = {
    on_next, on_verdict, on_untried, on_greeted, on_login_failed, on_closed, on_tlsa};
