/* See keeper.h. */
#include "usmtp/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mechanism.h"
#include "usmtp/route.h"
#include "usmtp/secret.h"

enum { COMMAND_SECONDS = 30 };

struct question {
    uint64_t ticket, login;
};

/* One datagram: this, and as much of `text` as there is. */
struct answer {
    uint64_t ticket;
    bool good;
    char text[SECRET_MAX]; /* the secret, or why there is none */
};

struct keeper_query {
    struct keeper_query *next;
    uint64_t ticket;
    keeper_fn *fn;
    void *arg;
};

/* The keeper's side. */

static const struct site_route *find_route(const struct site *site, uint64_t login)
{
    for (size_t i = 0; i < site->routes; i++)
        if (site_mechanisms(&site->route[i]) != 0 && route_login_id(&site->route[i]) == login)
            return &site->route[i];
    return NULL;
}

/* Less than the connection that waits has, so that it learns why there is no secret. */
static unsigned command_seconds(const struct site *site)
{
    uint64_t half = site->timeout.command / 2;

    return half < 1 ? 1 : half < COMMAND_SECONDS ? (unsigned)half : COMMAND_SECONDS;
}

static void answer(int fd, struct answer *a, struct span text)
{
    if (text.n > 0)
        memcpy(a->text, text.p, text.n);
    send(fd, a, offsetof(struct answer, text) + text.n, MSG_NOSIGNAL);
}

/* A child of the keeper, for one question. */
static _Noreturn void answer_one(int fd, const struct site *site, const struct question *q)
{
    const struct site_route *r = find_route(site, q->login);
    unsigned seconds = command_seconds(site);
    struct answer a = {.ticket = q->ticket};
    struct buf secret = {0};
    struct diag d = {0};

    signal(SIGCHLD, SIG_DFL);
    if (r == NULL)
        diag_set(&d, 0, 0, "the configuration has no such login any more");
    else
        a.good = secret_fetch(r, seconds, &secret, &d);
    answer(fd, &a, a.good ? BUF_SPAN(&secret) : span_of(d.text));
    explicit_bzero(&a, sizeof(a));
    buf_wipe(&secret);
    _exit(0);
}

static struct site *renewed(struct site *site, const char *member)
{
    struct diag d;
    struct site *fresh = site_load(member, &d);

    if (fresh == NULL)
        return site;
    site_free(site);
    return fresh;
}

static _Noreturn void keep(int fd, const struct program *p)
{
    const struct rlimit no_core = {0, 0};
    struct site *site = p->site;
    struct question q;
    ssize_t n;

    if (fd > 3)
        close_range(3, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0U, 0);
    /* It ends when the sender does, and not before. Its children are nobody's business. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    setrlimit(RLIMIT_CORE, &no_core);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || (geteuid() != 0 && !program_keep_powers("=")))
        _exit(1);
    while ((n = recv(fd, &q, sizeof(q), 0)) == (ssize_t)sizeof(q) || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        if (find_route(site, q.login) == NULL)
            site = renewed(site, p->member);
        pid_t child = fork();
        if (child == 0)
            answer_one(fd, site, &q);
        struct answer none = {.ticket = q.ticket};
        if (child < 0)
            answer(fd, &none, SPAN("no process is to be had to find the secret"));
    }
    _exit(0);
}

static bool wanted(const struct site *site)
{
    for (size_t i = 0; i < site->routes; i++)
        if (site_mechanisms(&site->route[i]) & ~mechanism_with(PROOF_CERTIFICATE))
            return true;
    return false;
}

bool keeper_start(struct keeper *k, const struct program *p)
{
    int ends[2];

    *k = (struct keeper){0};
    /* The configuration of a service may get its first login later, when it is too late for this.
     */
    if (p->once && !wanted(p->site))
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
        k->child = fork();
        if (k->child == 0)
            keep(ends[1], p);
        close(ends[1]);
        k->fd = ends[0];
        if (k->child > 0)
            return true;
        close(ends[0]);
        k->child = 0;
    }
    MSG(&p->log, T01SM022E, p->name, strerror(errno));
    return false;
}

/* The sender's side. */

static void settle(struct keeper *k, uint64_t ticket, const struct keeper_answer *a)
{
    struct keeper_query **link = &k->first;

    while (*link != NULL && (*link)->ticket != ticket)
        link = &(*link)->next;
    if (*link == NULL)
        return; /* cancelled */
    struct keeper_query *q = *link;
    *link = q->next;
    q->fn(q->arg, a);
    free(q);
}

static const char ended[] = "the keeper of secrets has ended: start usmtp again";

static void lose(struct keeper *k)
{
    const struct keeper_answer none = {.why = ended};

    keeper_deafen(k);
    close(k->fd);
    k->fd = -1;
    while (k->first != NULL)
        settle(k, k->first->ticket, &none);
}

static void on_readable(void *arg)
{
    const size_t head = offsetof(struct answer, text);
    struct keeper *k = arg;
    struct answer a;
    char why[256];

    ssize_t n = recv(k->fd, &a, sizeof(a), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < (ssize_t)head) {
        lose(k);
        return;
    }
    struct span text = {a.text, (size_t)n - head};
    struct keeper_answer answer = {.secret = text};
    if (!a.good) {
        answer = (struct keeper_answer){.why = why};
        snprintf(why, sizeof(why), "%.*s", (int)(text.n < 255 ? text.n : 255), text.p);
    }
    settle(k, a.ticket, &answer);
    explicit_bzero(&a, sizeof(a));
}

bool keeper_listen(struct keeper *k, struct loop *l)
{
    if (k->child == 0)
        return true;
    k->readable = loop_readable(l, k->fd, on_readable, k);
    return k->readable != NULL;
}

struct keeper_query *keeper_ask(struct keeper *k, uint64_t login, keeper_fn *fn, void *arg,
                                const char **why)
{
    struct question question = {k->ticket + 1, login};

    *why = k->child == 0 || k->fd < 0 ? ended : "the keeper of secrets cannot be asked now";
    if (k->child == 0)
        return NULL;
    struct keeper_query *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    if (k->fd < 0 || send(k->fd, &question, sizeof(question), MSG_DONTWAIT | MSG_NOSIGNAL) !=
                         (ssize_t)sizeof(question)) {
        free(q);
        return NULL;
    }
    *q = (struct keeper_query){.next = k->first, .ticket = ++k->ticket, .fn = fn, .arg = arg};
    k->first = q;
    return q;
}

void keeper_cancel(struct keeper *k, struct keeper_query *q)
{
    struct keeper_query **link = &k->first;

    while (*link != NULL && *link != q)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    *link = q->next;
    free(q);
}

void keeper_deafen(struct keeper *k)
{
    if (k->readable != NULL)
        loop_forget(k->readable);
    k->readable = NULL;
}

void keeper_end(struct keeper *k)
{
    keeper_deafen(k);
    if (k->child == 0)
        return;
    if (k->fd >= 0)
        close(k->fd);
    while (waitpid(k->child, NULL, 0) < 0 && errno == EINTR)
        continue;
    while (k->first != NULL)
        keeper_cancel(k, k->first);
    *k = (struct keeper){0};
}
