/* See server.h. */
#include "ssmtp/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"
#include "ssmtp/client.h"
#include "ssmtp/recover.h"

enum {
    ACCEPT_MOST = 1000, /* connections taken before others are looked after */
    REST_MS = 1000,     /* no descriptors are left: so long nobody is let in */
    GRACE_MS = 30000,   /* for transactions in hand at the end */
    JOURNAL_SHARE = 16
};

struct server;

struct listener {
    struct server *server;
    int fd;
    struct listen_kind kind;
    struct loop_event *event;
};

struct server {
    struct program *program;
    const struct server_params *params;
    struct client_context context;
    struct listener listener[LISTEN_MAX];
    size_t listeners;
    struct loop_event *rest, *grace, *parent, *ticket, *given;
    struct redo redo; /* fd -1: no journal */
    int doubt;        /* errno */
    int64_t told_ms;  /* when a refusal was logged last */
    bool single, stopping;
};

union peer {
    struct sockaddr any;
    struct sockaddr_storage room;
};

static void learn_site(struct server *s)
{
    const struct site *site = s->program->site;

    span_copy(span_of(site->host), s->context.site.host, sizeof(s->context.site.host));
    s->context.site.maxsize = site->maxsize;
    s->context.site.vrfy = site->vrfy != 0;
}

/* Letting clients in. */

static void listen_on(struct server *s, bool on)
{
    for (size_t i = 0; i < s->listeners; i++)
        loop_enable(s->listener[i].event, on);
}

/* The same trouble again and again would fill the log: one line a second. */
static bool may_tell(struct server *s)
{
    int64_t now = clock_steady_ms();

    if (s->told_ms != 0 && now - s->told_ms < 1000)
        return false;
    s->told_ms = now;
    return true;
}

static void turn_away(struct server *s, int fd, const union peer *peer,
                      const struct listen_kind *kind, enum crowd_verdict v)
{
    const char *why = v == CROWD_CLIENT ? "4.7.0 Too many connections from your address"
                                        : "4.3.2 Too many connections, try again later";
    char line[sizeof(s->context.site.host) + 80], literal[CLIENT_LITERAL];

    int n = snprintf(line, sizeof(line), "421 %s\r\n", why);
    if (kind->tls != TLSMODE_IMPLICIT)
        (void)!send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL); /* a courtesy */
    close(fd);
    client_literal(&peer->any, literal);
    if (may_tell(s))
        MSG(&s->program->log, T01SM051W, literal, why);
}

static void let_in(struct server *s, int fd, const union peer *peer, const struct listen_kind *kind)
{
    struct client_context *x = &s->context;
    uint32_t slot = crowd_slot(x->crowd, &peer->any);

    enum crowd_verdict v = crowd_enter(x->crowd, x->worker, slot);
    if (v != CROWD_ENTERED)
        turn_away(s, fd, peer, kind, v);
    else if (client_start(x, fd, &peer->any, slot, kind) == NULL && may_tell(s))
        MSG(&s->program->log, T01SM053W, strerror(ENOMEM));
}

/* To the worker that is to serve it; false: that is this one. */
static bool pass_on(const struct listener *l, int fd)
{
    const struct server_params *p = l->server->params;

    if (p->handover == NULL)
        return false;
    unsigned to = crowd_place(p->crowd, p->worker);
    if (to == p->worker)
        return false;
    if (handover_give(p->handover, to, fd, (unsigned)(l - l->server->listener)))
        return true;
    crowd_came(p->crowd, to);
    return false;
}

/* Another worker passed connections on. */
static void on_given(void *arg)
{
    struct server *s = arg;
    const struct server_params *p = s->params;
    unsigned listener;
    int fd;

    while (handover_take(p->handover, p->worker, &fd, &listener)) {
        union peer peer = {.any.sa_family = AF_UNSPEC};
        socklen_t size = sizeof(peer);
        crowd_came(p->crowd, p->worker);
        if (fd >= 0 && listener < s->listeners && getpeername(fd, &peer.any, &size) == 0)
            let_in(s, fd, &peer, &s->listener[listener].kind);
        else if (fd >= 0)
            close(fd); /* its client is gone */
    }
}

/* Takes part in what the workers pass on, or no longer. */
static bool exchange(struct server *s, bool on)
{
    const struct server_params *p = s->params;

    if (p->handover == NULL)
        return true;
    if (on && s->given == NULL)
        s->given = loop_readable(s->context.loop, p->handover->taking[p->worker], on_given, s);
    crowd_serve(p->crowd, p->worker, on && s->given != NULL);
    if (!on && s->given != NULL)
        on_given(s); /* who is on his way is told of the end as well */
    return s->given != NULL && (on || loop_enable(s->given, false));
}

/* Nobody can be let in for a while. Clients wait in the kernel's queue. */
static void rest(struct server *s, int error)
{
    MSG(&s->program->log, T01SM053W, strerror(error));
    listen_on(s, false);
    loop_timer_set(s->rest, REST_MS);
}

static void on_rested(void *arg)
{
    struct server *s = arg;

    if (!s->stopping)
        listen_on(s, true);
}

static void on_connection(void *arg)
{
    static const int own_trouble[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EBADF, EINVAL, ENOTSOCK};
    struct listener *l = arg;

    for (int i = 0; i < ACCEPT_MOST; i++) {
        union peer peer = {.any.sa_family = AF_UNSPEC};
        socklen_t size = sizeof(peer);
        int fd = accept4(l->fd, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (!pass_on(l, fd))
                let_in(l->server, fd, &peer, &l->kind);
            continue;
        }
        if (errno == EAGAIN)
            return;
        for (size_t e = 0; e < sizeof(own_trouble) / sizeof(own_trouble[0]); e++)
            if (errno == own_trouble[e]) {
                rest(l->server, errno);
                return;
            }
        /* Otherwise it is the trouble of one connection, which is gone. */
    }
}

/* Signals and the end. */

static void end_if_empty(struct server *s)
{
    if (s->context.clients == 0 && (s->stopping || s->single))
        loop_stop(s->context.loop);
}

static void on_gone(void *arg, struct client *c)
{
    (void)c;
    end_if_empty(arg);
}

static void each_client(struct server *s, void (*what)(struct client *c))
{
    struct client *next;

    for (struct client *c = s->context.first; c != NULL; c = next) {
        next = client_next(c); /* it may be freed */
        what(c);
    }
}

static void on_stop(void *arg)
{
    struct server *s = arg;

    if (s->stopping)
        return;
    s->stopping = true;
    listen_on(s, false);
    exchange(s, false);
    each_client(s, client_stop);
    loop_timer_set(s->grace, GRACE_MS);
    end_if_empty(s);
}

/* Nobody would start another worker or pass signals on: whoever starts the parent anew wants the
 * port. */
static void on_parent_gone(void *arg)
{
    struct server *s = arg;

    loop_enable(s->parent, false);
    on_stop(s);
}

static void on_grace_over(void *arg)
{
    each_client(arg, client_expire);
}

static void on_ticket(void *arg)
{
    struct server *s = arg;

    loop_timer_set(s->ticket, certificate_renew(s->context.certificate, clock_steady_ms()));
}

static void on_reload(void *arg)
{
    struct server *s = arg;
    struct diag d;

    program_reload(s->program);
    learn_site(s);
    s->params->reloaded(s->params->arg);
    if (!certificate_load(s->context.certificate, s->program->site, &d))
        MSG(&s->program->log, T01SM003E, s->program->member, d.text);
    if (!login_load(s->params->passwords, s->program->site, &d))
        MSG(&s->program->log, T01SM003E, s->program->member, d.text);
    s->context.passwords = *s->params->passwords;
}

/* Start and end. */

static bool open_listeners(struct server *s, const struct listen_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        struct listener *l = &s->listener[s->listeners++];
        *l = (struct listener){
            .server = s, .fd = set->fd[i], .kind = {set->tls[i], set->submission[i]}};
        l->event = loop_readable(s->context.loop, l->fd, on_connection, l);
        if (l->event == NULL)
            return false;
    }
    return true;
}

static void start_single(struct server *s, int fd)
{
    union peer peer = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof(peer);

    s->single = true;
    getpeername(fd, &peer.any, &size);
    struct listen_kind kind = listen_kind(s->program->site, fd);
    let_in(s, fd, &peer, &kind);
    end_if_empty(s);
}

/* Nobody can say what is on the disk. */
static void on_doubt(void *arg, int error)
{
    struct server *s = arg;

    s->doubt = error;
    MSG(&s->program->log, T01SM024E, "RECEIVER", strerror(error));
    loop_stop(s->context.loop);
}

/* Not more than a sixteenth of the file system. 0: there is none to be had. */
static uint64_t journal_size(const struct server *s, uint64_t wanted)
{
    struct statvfs st;

    if (wanted == 0 || fstatvfs(s->context.spool.work, &st) < 0)
        return wanted;
    uint64_t most = (uint64_t)st.f_blocks / JOURNAL_SHARE * st.f_frsize;
    return (wanted < most ? wanted : most) / JOURNAL_BLOCK * JOURNAL_BLOCK;
}

/* Without one each message is synced by itself. False: one that is there can't be recovered. */
static bool open_journal(struct server *s, const struct server_params *params)
{
    const struct recovery r = {.spool = &s->context.spool, .log = &s->program->log};
    uint64_t size = journal_size(s, params->journal);
    int result = 1;

    s->redo.fd = s->redo.head_fd = -1;
    if (params->journal == 0 || params->listeners == NULL)
        return true;
    errno = ENOSPC;
    if (journal_size_valid(size))
        result = recover_own(&r, params->worker + 1, size, &s->redo);
    if (result == 0)
        s->context.names.journal = s->redo.head.number;
    if (result == 1)
        MSG(&s->program->log, T01SM058W, strerror(errno));
    return result >= 0;
}

static struct committer *new_committer(struct server *s)
{
    const struct committer_params params = {.loop = s->context.loop,
                                            .spool = &s->context.spool,
                                            .whole = s->context.spool.queue[QUEUE_POST],
                                            .names = &s->context.names,
                                            .log = &s->program->log,
                                            .redo = s->redo.fd >= 0 ? &s->redo : NULL,
                                            .done = client_committed,
                                            .doubt = on_doubt,
                                            .arg = s};

    return committer_new(&params);
}

/* The loop minds them now. */
static void take_signals(void)
{
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGHUP);
    sigprocmask(SIG_UNBLOCK, &held, NULL);
}

static int serve(struct server *s, const struct server_params *params)
{
    struct client_context *x = &s->context;
    struct loop_event *signals[] = {
        loop_signal(x->loop, SIGTERM, on_stop, s),
        loop_signal(x->loop, SIGINT, on_stop, s),
        loop_signal(x->loop, SIGHUP, on_reload, s),
    };

    take_signals();
    s->rest = loop_timer(x->loop, on_rested, s);
    s->grace = loop_timer(x->loop, on_grace_over, s);
    s->ticket = loop_timer(x->loop, on_ticket, s);
    if (params->parent >= 0)
        s->parent = loop_readable(x->loop, params->parent, on_parent_gone, s);
    x->committer = open_journal(s, params) ? new_committer(s) : NULL;
    x->desk = login_desk_new(x->loop, client_checked, x);
    bool good = s->rest != NULL && s->grace != NULL && s->ticket != NULL && x->committer != NULL &&
                x->desk != NULL && (params->parent < 0 || s->parent != NULL) &&
                (params->listeners == NULL || open_listeners(s, params->listeners)) &&
                exchange(s, true);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        good = good && signals[i] != NULL; /* else nobody could end it */
    if (good && params->listeners == NULL)
        start_single(s, params->single);
    if (good && x->certificate->context != NULL)
        on_ticket(s);
    if (good && (params->listeners != NULL || x->clients > 0))
        loop_run(x->loop);
    int saved = errno;
    committer_free(x->committer);
    login_desk_free(x->desk);
    redo_close(&s->redo);
    for (size_t i = 0; i < s->listeners; i++)
        loop_forget(s->listener[i].event);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        loop_forget(signals[i]);
    loop_forget(s->rest);
    loop_forget(s->grace);
    loop_forget(s->ticket);
    loop_forget(s->parent);
    loop_forget(s->given);
    errno = saved;
    return !good ? EX_OSERR : s->doubt != 0 ? EX_IOERR : EX_OK;
}

int server_run(const struct server_params *params)
{
    struct server s = {.program = params->program, .params = params};
    struct client_context *x = &s.context;
    int status = EX_CANTCREAT;

    *x = (struct client_context){.program = params->program,
                                 .crowd = params->crowd,
                                 .certificate = params->certificate,
                                 .penalty = params->penalty,
                                 .passwords = *params->passwords,
                                 .worker = params->worker,
                                 .gone = on_gone,
                                 .arg = &s};
    learn_site(&s);
    signal(SIGPIPE, SIG_IGN);
    /* Descriptors of this process alone: syncfs() tells an error once to each open directory. */
    if (!program_spool(s.program, &x->spool, STORE_QUEUES))
        return status;
    if (store_names_open(&x->names, &x->spool)) {
        x->loop = loop_new();
        status = x->loop == NULL ? EX_OSERR : serve(&s, params);
        loop_free(x->loop);
        store_names_close(&x->names);
    }
    if (status != EX_OK && status != EX_IOERR)
        MSG(&s.program->log, T01SM022E, s.program->name, strerror(errno));
    spool_close(&x->spool);
    return status;
}
