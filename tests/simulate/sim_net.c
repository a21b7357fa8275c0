/* See sim_net.h. */
#include "tests/simulate/sim_net.h"

#include <errno.h>
#include <string.h>

#include "tests/simulate/sim.h"
#include "tests/simulate/sim_task.h"
#include "tests/simulate/sim_world.h"

enum {
    WINDOW = 48 << 10, /* octets that may wait at the other end */
    BACKLOG = 8,
    SECOND_US = 1000000
};

enum sock_state { SOCK_NEW, SOCK_LISTENING, SOCK_CONNECTING, SOCK_OPEN };

struct sock {
    struct sock *next, *previous; /* all sockets */
    enum sock_state state;
    struct process *owner; /* NULL: not accepted yet, or left behind */
    struct host *host;
    struct sock *peer; /* NULL: gone */
    uint32_t address, other;
    char *in; /* what came; in_at octets of it were read */
    size_t in_at, in_size, in_cap;
    int64_t in_us; /* from when on it can be read */
    bool ended;    /* the peer sends no more */
    bool frozen;   /* the link was down when it was sent */
    int error;
    int64_t error_us; /* from when on there is that error */
    int64_t connect_us;
    struct sock *waiting[BACKLOG];
    unsigned backlog;
};

static struct sock *all;
static bool link_down;
static uint32_t loss_weather;
static uint64_t losses;

static int64_t soon(void)
{
    return sim.now_us + 20 + sim_below(sim_one_in(16) ? 200000 : 500);
}

static struct sock *new_sock(struct process *p, struct host *h)
{
    struct sock *s = sim_zeroed(sizeof(*s));

    s->owner = p;
    s->host = h;
    s->address = h->address;
    s->error_us = s->connect_us = INT64_MAX;
    s->next = all;
    if (all != NULL)
        all->previous = s;
    all = s;
    return s;
}

struct sock *net_socket(struct process *p)
{
    return new_sock(p, p->host);
}

static void free_sock(struct sock *s)
{
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        all = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    sim_free(s->in);
    sim_free(s);
}

static void poke(const struct sock *s)
{
    if (s->owner != NULL)
        process_poke(s->owner);
}

void net_listen(struct sock *s)
{
    s->state = SOCK_LISTENING;
}

static struct sock *find_listener(uint32_t address)
{
    for (struct sock *s = all; s != NULL; s = s->next)
        if (s->state == SOCK_LISTENING && s->address == address)
            return s;
    return NULL;
}

int net_connect(struct sock *s, uint32_t address)
{
    const struct host *h = world_host(address);
    struct sock *l = find_listener(address);

    s->state = SOCK_CONNECTING;
    s->other = address;
    if (h == NULL || !h->up || link_down)
        return -EINPROGRESS; /* and never an answer */
    s->connect_us = soon();
    if (l == NULL || l->backlog == BACKLOG || (sim_one_in(loss_weather) && sim_one_in(2))) {
        s->error = ECONNREFUSED;
        s->error_us = s->connect_us;
        return -EINPROGRESS;
    }
    struct sock *other = new_sock(NULL, l->host);
    other->state = SOCK_OPEN;
    other->other = s->address;
    other->connect_us = s->connect_us;
    other->peer = s;
    s->peer = other;
    l->waiting[l->backlog++] = other;
    poke(l);
    return -EINPROGRESS;
}

struct sock *net_accept(struct sock *listener, uint32_t *from)
{
    struct sock *s = listener->waiting[0];

    if (listener->backlog == 0 || s->connect_us > sim.now_us)
        return NULL;
    listener->backlog--;
    memmove(listener->waiting, listener->waiting + 1, listener->backlog * sizeof(s));
    s->owner = listener->owner;
    *from = s->other;
    return s;
}

static bool has_error(const struct sock *s)
{
    return s->error != 0 && s->error_us <= sim.now_us;
}

/* Both ends lose each other. Each learns of it after a while, or by its own patience. */
void net_break(struct sock *s)
{
    struct sock *ends[2] = {s, s->peer};

    losses++;
    sim_trace("net", "connection lost", s->host->name, 0);
    for (int i = 0; i < 2; i++) {
        struct sock *e = ends[i];
        if (e == NULL)
            continue;
        e->peer = NULL;
        if (e->error == 0 && !sim_one_in(4)) {
            e->error = sim_one_in(2) ? ECONNRESET : ETIMEDOUT;
            e->error_us = soon() + (sim_one_in(2) ? 0 : sim_below(900) * (int64_t)SECOND_US);
        }
        if (sim_one_in(2))
            e->in_size = e->in_at; /* what was on its way is lost */
        poke(e);
    }
}

static void deliver(struct sock *to, const void *octets, size_t n)
{
    if (to->in_at == to->in_size) {
        to->in_at = to->in_size = 0;
        to->in_us = soon();
    } else if (sim_one_in(4)) {
        to->in_us = soon();
    }
    if (to->in_size + n > to->in_cap) {
        to->in_cap = (to->in_size + n) * 2;
        to->in = sim_grow(to->in, to->in_cap);
    }
    memcpy(to->in + to->in_size, octets, n);
    to->in_size += n;
    to->frozen = to->frozen || link_down;
    poke(to);
}

long net_send(struct sock *s, const void *octets, size_t n)
{
    if (has_error(s))
        return s->error == ETIMEDOUT ? -ETIMEDOUT : -EPIPE;
    if (s->state != SOCK_OPEN && !(s->state == SOCK_CONNECTING && s->connect_us <= sim.now_us))
        return -EAGAIN;
    if (s->peer != NULL && sim_one_in(loss_weather)) {
        if (sim_one_in(2))
            deliver(s->peer, octets, n); /* it arrives, and nothing comes back */
        net_break(s);
        return (long)n;
    }
    if (s->peer == NULL)
        return (long)n; /* nobody is there, but who knows? */
    size_t waiting = s->peer->in_size - s->peer->in_at;
    if (waiting >= WINDOW)
        return -EAGAIN;
    if (n > WINDOW - waiting)
        n = WINDOW - waiting;
    if (n > 1 && sim_one_in(32))
        n = 1 + sim_below((uint32_t)n);
    deliver(s->peer, octets, n);
    return (long)n;
}

static bool has_input(const struct sock *s)
{
    return s->in_at < s->in_size && s->in_us <= sim.now_us && !s->frozen;
}

long net_receive(struct sock *s, void *to, size_t n, bool peek)
{
    if (has_input(s)) {
        size_t there = s->in_size - s->in_at;
        if (n > there)
            n = there;
        if (n > 1 && sim_one_in(4))
            n = 1 + sim_below((uint32_t)n);
        memcpy(to, s->in + s->in_at, n);
        if (!peek)
            s->in_at += n;
        if (!peek && s->peer != NULL)
            poke(s->peer);
        return (long)n;
    }
    if (has_error(s))
        return -s->error;
    return s->ended && s->in_at == s->in_size && s->in_us <= sim.now_us && !s->frozen ? 0 : -EAGAIN;
}

void net_shut(struct sock *s)
{
    struct sock *to = s->peer;

    if (to == NULL || to->ended)
        return;
    to->ended = true;
    if (to->in_at == to->in_size)
        to->in_us = soon();
    to->frozen = to->frozen || link_down;
    poke(to);
}

static void close_listener(struct sock *s)
{
    for (unsigned i = 0; i < s->backlog; i++) {
        struct sock *other = s->waiting[i]->peer;
        if (other != NULL) {
            other->error = ECONNRESET;
            other->error_us = soon();
            other->peer = NULL;
            poke(other);
        }
        free_sock(s->waiting[i]);
    }
}

void net_close(struct sock *s)
{
    struct sock *to = s->peer;

    if (s->state == SOCK_LISTENING)
        close_listener(s);
    if (to != NULL) {
        net_shut(s);
        if (s->in_at < s->in_size) { /* unread input makes a kernel reset the connection */
            to->error = ECONNRESET;
            to->error_us = soon();
            if (sim_one_in(2))
                to->in_size = to->in_at;
        }
        to->peer = NULL;
        poke(to);
    }
    free_sock(s);
}

int net_error(struct sock *s)
{
    if (has_error(s)) {
        int error = s->error;
        s->error_us = s->state == SOCK_CONNECTING ? INT64_MAX : s->error_us;
        return error;
    }
    if (s->state == SOCK_CONNECTING && s->connect_us <= sim.now_us)
        s->state = SOCK_OPEN;
    return 0;
}

uint32_t net_address(const struct sock *s, bool peer)
{
    return peer ? s->other : s->address;
}

bool net_readable(const struct sock *s)
{
    if (s->state == SOCK_LISTENING)
        return s->backlog > 0 && s->waiting[0]->connect_us <= sim.now_us;
    return has_input(s) || has_error(s) ||
           (s->ended && s->in_at == s->in_size && s->in_us <= sim.now_us && !s->frozen);
}

bool net_writable(const struct sock *s)
{
    if (has_error(s))
        return true;
    if (s->state == SOCK_CONNECTING)
        return s->connect_us <= sim.now_us;
    return s->state == SOCK_OPEN && (s->peer == NULL || s->peer->in_size - s->peer->in_at < WINDOW);
}

int64_t net_ready_us(const struct sock *s)
{
    int64_t next = s->error != 0 ? s->error_us : INT64_MAX;

    if (s->state == SOCK_LISTENING && s->backlog > 0 && s->waiting[0]->connect_us < next)
        next = s->waiting[0]->connect_us;
    if (s->state == SOCK_CONNECTING && s->connect_us < next)
        next = s->connect_us;
    if (!s->frozen && (s->in_at < s->in_size || s->ended) && s->in_us < next)
        next = s->in_us;
    return next;
}

void net_link(bool up)
{
    link_down = !up;
    for (struct sock *s = all, *next; up && s != NULL; s = next) {
        next = s->next;
        if (!s->frozen)
            continue;
        s->frozen = false;
        s->in_us = soon();
        poke(s);
        if (sim_one_in(3) && s->peer != NULL)
            net_break(s);
    }
}

void net_power_cut(const struct host *h)
{
    for (struct sock *s = all; s != NULL; s = s->next)
        if (s->host == h && s->peer != NULL) {
            struct sock *to = s->peer;
            s->peer = NULL;
            to->peer = NULL;
            if (sim_one_in(2)) { /* it asks, and the machine that came up again says no */
                to->error = ECONNRESET;
                to->error_us = soon() + sim_below(120) * (int64_t)SECOND_US;
            }
            poke(to);
        }
}

void net_weather(uint32_t loss)
{
    loss_weather = loss;
}

uint64_t net_losses(void)
{
    return losses;
}
