/* See sim_parts.h. */
#include "tests/simulate/sim_parts.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "ssmtp/listen.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/sim_files.h"
#include "tests/simulate/sim_login.h"
#include "tests/simulate/sim_message.h"
#include "tests/simulate/sim_net.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_world.h"
#include "usmtp/resolve.h"

/* The clocks. */

int64_t __wrap_clock_wall(void)
{
    return (sim.now_us + process_current()->host->disk.skew_us) / 1000000;
}

int __wrap_clock_offset(int64_t wall)
{
    return wall / 86400 % 2 ? 3600 : -5 * 3600;
}

int64_t __wrap_clock_steady_ms(void)
{
    return sim.now_us / 1000 + STEADY_AHEAD_S * 1000;
}

/* The event loop. */

enum event_kind { EVENT_READ, EVENT_WRITE, EVENT_TIMER, EVENT_SIGNAL };

struct loop_event {
    struct loop *loop;
    struct loop_event *next, *previous;
    enum event_kind kind;
    int number; /* descriptor or signal */
    bool on;
    int64_t when_us;
    loop_fn *fn;
    void *arg;
};

struct loop {
    struct loop_event *first;
    bool stopped;
};

struct loop *__wrap_loop_new(void)
{
    return calloc(1, sizeof(struct loop));
}

void __wrap_loop_free(struct loop *l)
{
    free(l);
}

void __wrap_loop_stop(struct loop *l)
{
    l->stopped = true;
}

static struct loop_event *add(struct loop *l, enum event_kind kind, int number, loop_fn *fn,
                              void *arg, bool on)
{
    struct loop_event *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    *e = (struct loop_event){.loop = l,
                             .next = l->first,
                             .kind = kind,
                             .number = number,
                             .on = on,
                             .fn = fn,
                             .arg = arg};
    if (l->first != NULL)
        l->first->previous = e;
    l->first = e;
    return e;
}

struct loop_event *__wrap_loop_readable(struct loop *l, int fd, loop_fn *fn, void *arg)
{
    return add(l, EVENT_READ, fd, fn, arg, true);
}

struct loop_event *__wrap_loop_writable(struct loop *l, int fd, loop_fn *fn, void *arg)
{
    return add(l, EVENT_WRITE, fd, fn, arg, false);
}

bool __wrap_loop_enable(struct loop_event *e, bool on)
{
    e->on = on;
    return true;
}

struct loop_event *__wrap_loop_timer(struct loop *l, loop_fn *fn, void *arg)
{
    return add(l, EVENT_TIMER, 0, fn, arg, false);
}

bool __wrap_loop_timer_set(struct loop_event *timer, int64_t ms)
{
    timer->on = true;
    timer->when_us = sim.now_us + ms * 1000;
    return true;
}

void __wrap_loop_timer_stop(struct loop_event *timer)
{
    timer->on = false;
}

struct loop_event *__wrap_loop_signal(struct loop *l, int number, loop_fn *fn, void *arg)
{
    return add(l, EVENT_SIGNAL, number, fn, arg, true);
}

void __wrap_loop_forget(struct loop_event *e)
{
    if (e == NULL)
        return;
    if (e->previous != NULL)
        e->previous->next = e->next;
    else
        e->loop->first = e->next;
    if (e->next != NULL)
        e->next->previous = e->previous;
    free(e);
}

/* Is it to be called now? *next_us learns when it will be. */
static bool is_due(const struct process *p, const struct loop_event *e, int64_t *next_us)
{
    const struct ofd *o;
    int64_t when;

    switch (e->kind) {
    case EVENT_TIMER:
        when = e->when_us;
        break;
    case EVENT_SIGNAL:
        return p->signals & 1U << e->number;
    default:
        o = file_at(p, e->number);
        if (o == NULL)
            return false;
        if (e->kind == EVENT_READ ? file_readable(o) : file_writable(o))
            return true;
        when = file_ready_us(o);
        break;
    }
    if (when <= sim.now_us && e->kind == EVENT_TIMER)
        return true;
    if (when > sim.now_us && when < *next_us)
        *next_us = when;
    return false;
}

static struct loop_event *choose(const struct process *p, const struct loop *l, int64_t *next_us)
{
    struct loop_event *chosen = NULL;
    uint32_t due = 0;

    for (struct loop_event *e = l->first; e != NULL; e = e->next)
        if (e->on && is_due(p, e, next_us) && sim_below(++due) == 0)
            chosen = e;
    return chosen;
}

void __wrap_loop_run(struct loop *l)
{
    struct process *p = process_current();

    while (!l->stopped) {
        int64_t next_us = INT64_MAX;
        struct loop_event *e = choose(p, l, &next_us);
        if (e == NULL) {
            task_wait(next_us == INT64_MAX ? TASK_NEVER : next_us);
            continue;
        }
        if (e->kind == EVENT_TIMER)
            e->on = false;
        if (e->kind == EVENT_SIGNAL)
            p->signals &= ~(1U << e->number);
        e->fn(e->arg);
    }
    l->stopped = false;
}

/* The name service. */

enum { RESOLVE_MS = 50, DEAD_ADDRESS = 0x0A0000FE };

struct resolver {
    struct loop *loop;
};

struct resolve_query {
    struct loop_event *answer;
    resolve_fn *fn;
    void *arg;
    char host[ADDRESS_DOMAIN_MAX + 1];
};

struct resolver *__wrap_resolver_new(struct loop *l, const struct program *program,
                                     const char **why)
{
    struct resolver *r = calloc(1, sizeof(*r));

    (void)program;
    *why = "memory is short";
    if (r != NULL)
        r->loop = l;
    return r;
}

void __wrap_resolver_free(struct resolver *r)
{
    free(r);
}

void __wrap_resolve_free(struct resolve_result *r)
{
    if (r == NULL || (r->holders > 0 && r->holders-- > 0))
        return;
    free(r->host);
    free(r->address);
    free(r);
}

static void add_address(struct resolve_result *r, uint32_t address)
{
    r->address[r->addresses++].v4 = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(25), .sin_addr.s_addr = htonl(address)};
    r->host[0].addresses = r->addresses;
}

static void answer(void *arg)
{
    struct resolve_query *q = arg;
    struct resolve_result *r = calloc(1, sizeof(*r));
    bool receiver = strcmp(q->host, DOMAIN_RECEIVER) == 0;

    if (r != NULL) {
        r->host = calloc(1, sizeof(*r->host));
        r->address = calloc(3, sizeof(*r->address));
    }
    if (r == NULL || r->host == NULL || r->address == NULL) {
        resolve_free(r);
        loop_timer_set(q->answer, 1000);
        return;
    }
    r->ttl = 300;
    r->hosts = 1;
    snprintf(r->host->name, sizeof(r->host->name), "%s", q->host);
    snprintf(r->host->reference, sizeof(r->host->reference), "%s", q->host);
    if (!sim.calm && sim_one_in(50)) {
        r->kind = RESOLVE_LATER;
        r->status = "4.4.3";
        snprintf(r->why, sizeof(r->why), "the name service did not answer");
    } else if (receiver || strcmp(q->host, DOMAIN_STRANGER) == 0) {
        if (sim_one_in(8))
            add_address(r, DEAD_ADDRESS);
        if (receiver && login_wanted() && !sim.calm && sim_one_in(8)) /* the answer is forged */
            add_address(r, world_hosts[HOST_STRANGER].address);
        add_address(r, world_hosts[receiver ? HOST_RECEIVER : HOST_STRANGER].address);
    } else {
        r->kind = RESOLVE_NO_NAME;
        r->status = "5.1.2";
        snprintf(r->why, sizeof(r->why), "there is no host or domain of this name");
    }
    resolve_fn *fn = q->fn;
    void *owner = q->arg;
    loop_forget(q->answer);
    free(q);
    fn(owner, r);
}

struct resolve_query *__wrap_resolve_start(struct resolver *r, const struct route_hop *hop,
                                           size_t hops, bool skip_self, resolve_fn *fn, void *arg)
{
    struct resolve_query *q = calloc(1, sizeof(*q));

    (void)hops;
    (void)skip_self;
    if (q == NULL)
        return NULL;
    *q = (struct resolve_query){.fn = fn, .arg = arg};
    snprintf(q->host, sizeof(q->host), "%s", hop->name);
    q->answer = loop_timer(r->loop, answer, q);
    if (q->answer == NULL) {
        free(q);
        return NULL;
    }
    loop_timer_set(q->answer, sim_below(RESOLVE_MS));
    return q;
}

void __wrap_resolve_cancel(struct resolve_query *q)
{
    loop_forget(q->answer);
    free(q);
}

/* No host is secure here. */
struct resolve_query *__wrap_resolve_tlsa(struct resolver *r, const struct resolve_host *host,
                                          unsigned short port, resolve_tlsa_fn *fn, void *arg)
{
    (void)r;
    (void)host;
    (void)port;
    (void)fn;
    (void)arg;
    return NULL;
}

/* Listening. */

bool __wrap_listen_inherited(const struct site *site, struct listen_set *set, struct diag *d)
{
    (void)site;
    (void)d;
    set->n = 0;
    return true;
}

bool __wrap_listen_services(const struct site *site, bool own, struct listen_set *set,
                            struct diag *d)
{
    struct process *p = process_current();
    struct ofd *o = file_new(p, OFD_SOCKET, 0);

    (void)site;
    (void)own;
    o->sock = net_socket(p);
    net_listen(o->sock);
    int fd = file_install(p, o);
    if (fd < 0)
        return diag_set(d, 0, 0, "no descriptor is left");
    set->fd[0] = fd;
    set->tls[0] = TLSMODE_STARTTLS; /* offered where there is a certificate: for logins */
    set->submission[0] = login_wanted();
    set->n = 1;
    return true;
}

void __wrap_listen_close(struct listen_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        file_close(process_current(), set->fd[i]);
    set->n = 0;
}

/* Configuration. */

/* How often programs look without being woken: mostly so seldom that the simulation has something
 * else to do in a partition of days. */
#define SENDER_MEMBER(poll)                                                                        \
    "SYSTEM HOST(" DOMAIN_SENDER ") SPOOL(/spool)\n"                                               \
    "SMTP PATH(OUT) REMOTE(RMT21) POSTOFFICE(ALPHA) POLL(" poll ") QUIET(2S) RETRYINT(1M)\n"       \
    "  RETRYCEIL(1H) RETRYMAX(2D) DESTLIMIT(4) CONNMSGS(20) MAXSIZE(10M) UNIT(3)\n"                \
    "SERVICE NAME(SPOOL#4)\nSERVICE NAME(USMTP)\nDNS NICKNAMES(NO)\n"
static const char *const sender_members[] = {SENDER_MEMBER("1H"), SENDER_MEMBER("1H"),
                                             SENDER_MEMBER("10M"), SENDER_MEMBER("1M")};
static unsigned sender_member;

void parts_choose(void)
{
    sender_member = sim_below(sizeof(sender_members) / sizeof(sender_members[0]));
}

static const char receiver_member[] = "SYSTEM HOST(" DOMAIN_RECEIVER ") SPOOL(/spool)\n"
                                      "SMTP REMOTE(RMT21) POSTOFFICE(BETA) DIVERT(8K)\n"
                                      "SERVICE NAME(SSMTP)\n";
static const char sender_users[] = "JOBS job LOGIN(job)\n";
static const char receiver_users[] =
    "U00 u-00\nU01 u-01\nU02 u-02\nU03 u-03\nU04 u-04\nU05 u-05\nU06 u-06\nU07 u-07\n"
    "U08 u-08\nU09 u-09\nU10 u-10\nU11 u-11\nU12 u-12\nU13 u-13\nU14 u-14\nU15 u-15\n";

int __wrap_program_start(struct program *p, int argc, char **argv, bool users_optional)
{
    bool sender = process_current()->host == &world_hosts[HOST_SENDER];
    struct diag d = {0};

    (void)argv;
    p->first = argc; /* no words after the options */
    p->users_optional = users_optional;
    p->member = "simulated";
    p->log = (struct msg_log){p->name, MSG_STDERR};
    const char *member = sender ? sender_members[sender_member] : receiver_member;
    p->site = site_parse(span_of(login_member(sender, member)), "simulated", &d);
    p->users =
        usertable_parse(span_of(login_users(sender, sender ? sender_users : receiver_users)), &d);
    if (p->site != NULL && p->users != NULL)
        return -1;
    sim_trace(process_current()->name, "configuration", d.text, (long)d.line);
    return EX_CONFIG;
}

bool __wrap_program_become_user(const struct program *p)
{
    (void)p;
    return true;
}

bool __wrap_program_jail(const struct program *p)
{
    (void)p;
    return true;
}

const struct site *parts_user_site(void)
{
    static char spool[] = "/spool", remote[] = "RMT21";
    static const struct site site = {.spool = spool, .remote = remote};

    return &site;
}

/* Messages of the log. */

static const char *const message_ids[] = {
#define MESSAGE(number, severity, args, text, explanation, action) "T01SM" #number #severity,
#include "lib/messages.def"
#undef MESSAGE
};

void __wrap_msg_write(const struct msg_log *log, enum msg_id id, const char *const *args, size_t n)
{
    struct process *p = process_suspend();
    char detail[112];
    size_t at = 0;

    (void)log;
    for (size_t i = 1; i <= n; i++) {
        for (const char *t = args[i]; *t != '\0' && at < sizeof(detail) - 2; t++)
            detail[at++] = *t;
        if (at < sizeof(detail) - 2)
            detail[at++] = ' ';
    }
    detail[at] = '\0';
    sim_trace(p->name, message_ids[id], detail, 0);
    if (id == T01SM040I)
        oracle_attempt(p, args[1], args[7]);
    if (id == T01SM056E || id == T01SM059E) /* here no disk damages what was synced */
        sim_violation("%s finds its journal or a file of it damaged: %s", p->name, detail);
    process_resume(p);
}

/* Acknowledgements, and places for mistakes. */

void __wrap_receiver_committed(struct receiver *r, enum receiver_verdict v, const char *name,
                               struct buf *out)
{
    struct process *p = process_suspend();

    if (v == RECEIVER_GOOD)
        oracle_received(p, name);
    process_resume(p);
    __real_receiver_committed(r, v, name, out);
}

bool __wrap_session_take_verdict(struct session *s, struct verdict *v)
{
    if (!sim_mistake(MISTAKE_SENT_BEFORE_REPLY) || s->state != SESSION_TERM || !s->mail_open)
        return __real_session_take_verdict(s, v);
    *v = (struct verdict){.kind = VERDICT_SENT, .remote = true};
    s->mail_open = false;
    return true;
}

int __wrap_unit_recover(const struct spool *s, const char *owner, enum spool_queue source)
{
    return sim_mistake(MISTAKE_NO_RECOVERY) ? 0 : __real_unit_recover(s, owner, source);
}

int __wrap_unit_put(struct unit *u, enum unit_part part, const char *name, struct span head,
                    struct span text)
{
    if (sim_mistake(MISTAKE_NO_REASON) && part == UNIT_HOLD)
        return 0;
    return __real_unit_put(u, part, name, head, text);
}

int __wrap_redo_append(const struct redo *r, uint64_t generation, uint64_t at, struct span batch,
                       bool *doubt)
{
    struct redo now = *r;

    /* The records are used up, and no file was made of them yet. */
    if (sim_mistake(MISTAKE_RELEASED_EARLY))
        (void)__real_redo_release(&now, generation);
    return __real_redo_append(r, generation, at, batch, doubt);
}

int __wrap_redo_release(struct redo *r, uint64_t generation)
{
    if (!sim_mistake(MISTAKE_NO_RELEASE))
        return __real_redo_release(r, generation);
    r->head.released = generation;
    return 0;
}

int __wrap_journal_scan(struct span half, const unsigned char key[JOURNAL_KEY],
                        int (*each)(void *arg, const struct journal_record *r), void *arg)
{
    return sim_mistake(MISTAKE_NO_REPLAY) ? 0 : __real_journal_scan(half, key, each, arg);
}

/* One for all: nobody here uses it, and to make it takes longer than all that a sender does in its
 * life. */
static struct tls_context *tls_context;

void parts_prepare(void)
{
    const struct tls_files none = {NULL, NULL, NULL};
    struct diag d;

    tls_context = __real_tls_sender(&none, &d);
}

struct tls_context *__wrap_tls_sender(const struct tls_files *f, struct diag *d)
{
    (void)f;
    if (tls_context != NULL)
        return tls_context_share(tls_context);
    diag_set(d, 0, 0, "there is none");
    return NULL;
}

/* The simulated disk shares no extents. */
int __wrap_share_rest(int from, int to, uint64_t at)
{
    (void)from;
    (void)to;
    (void)at;
    return 1;
}

void __wrap_spool_sweep(int dir)
{
    if (!sim_mistake(MISTAKE_NO_SWEEP))
        __real_spool_sweep(dir);
}
