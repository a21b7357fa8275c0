/* See agents.h. An agent tells its result through a pipe, in one write. */
#include "jobs/postoffice/agents.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/postoffice/offspring.h"
#include "lib/clock.h"
#include "lib/jail.h"
#include "lib/program.h"

enum {
    AGENT_MS = 60000,        /* for any mail, */
    OCTETS_PER_MS = 1 << 10, /* and for its size */
    PER_USER = 4             /* agents at a time */
};

struct agent {
    struct agents *agents;
    struct agent_task *task; /* NULL: it was given up, and its end is awaited */
    pid_t pid;
    uid_t uid;
    int pipe;
    struct loop_event *readable, *deadline;
};

struct agent_answer {
    enum maildir_result result;
    char why[MAILDIR_WHY];
};

/* In the child, from here. */

/* Whoever we may become, no power of root's is left; only who runs as root without a USER delivers
 * his own mail as root. */
static bool become(const struct agents *a, const struct agent_task *t, char why[MAILDIR_WHY])
{
    if (!a->root || (t->login == NULL && geteuid() == 0))
        return true;
    if ((t->login == NULL ||
         (initgroups(t->login, t->gid) == 0 && setresgid(t->gid, t->gid, t->gid) == 0 &&
          setresuid(t->uid, t->uid, t->uid) == 0)) &&
        program_keep_powers("=") && (geteuid() == 0 || setresuid(0, 0, 0) < 0))
        return true;
    snprintf(why, MAILDIR_WHY, "cannot become the user %.60s", t->login != NULL ? t->login : "-");
    return false;
}

static enum maildir_result agent_deliver(const struct agent_task *t, char why[MAILDIR_WHY])
{
    struct maildir m;

    if (!maildir_open(&m, t->path, why))
        return MAILDIR_FAILED;
    if (jail_directory("agent", m.dir))
        return maildir_deliver(&m, t->name, t->tried, &t->copy, why);
    snprintf(why, MAILDIR_WHY, "the delivery agent cannot enter its jail: %s", strerror(errno));
    return MAILDIR_FAILED;
}

static int64_t time_of(const struct agent_task *t)
{
    return AGENT_MS + (int64_t)(t->octets / OCTETS_PER_MS);
}

static _Noreturn void agent_run(const struct agents *a, const struct agent_task *t, int answer_to,
                                pid_t parent)
{
    struct agent_answer answer = {.result = MAILDIR_FAILED};

    offspring_begin(answer_to, t->copy.fd, time_of(t) / 1000 + 1);
    if (become(a, t, answer.why)) {
        /* Only now: a change of user takes it off again. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        answer.result = agent_deliver(t, answer.why);
    }
    ssize_t n = write(answer_to, &answer, sizeof(answer));
    _exit(n == (ssize_t)sizeof(answer) ? 0 : 1);
}

/* In the parent, from here. */

static void finish(struct agent_task *t, enum maildir_result result, const char *why)
{
    t->result = result;
    snprintf(t->why, sizeof(t->why), "%s", why);
    t->done(t);
}

static void forget(struct agent *g)
{
    struct agents *a = g->agents;

    for (size_t i = 0; i < a->running; i++)
        if (a->agent[i] == g)
            a->agent[i--] = a->agent[--a->running];
    loop_forget(g->readable);
    loop_forget(g->deadline);
    close(g->pipe);
    free(g);
    loop_timer_set(a->kick, 0);
}

static void on_answer(void *arg)
{
    struct agent *g = arg;
    struct agent_task *t = g->task;
    struct agent_answer answer;
    int status;

    ssize_t n = read(g->pipe, &answer, sizeof(answer));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    while (waitpid(g->pid, &status, 0) < 0 && errno == EINTR)
        ;
    forget(g);
    if (t == NULL)
        return;
    answer.why[MAILDIR_WHY - 1] = '\0';
    if (n == (ssize_t)sizeof(answer))
        finish(t, answer.result, answer.why);
    else
        finish(t, MAILDIR_FAILED, "the delivery agent was ended before it was done");
}

/* Those without a login share our own user, but no fate. A user is slow, too, as long as an agent
 * that was given up cannot end. */
static bool is_slow(const struct agents *a, const struct agent_task *t)
{
    if (t->login == NULL)
        return false;
    for (size_t i = 0; i < a->running; i++)
        if (a->agent[i]->task == NULL && a->agent[i]->uid == t->uid)
            return true;
    for (size_t i = 0; i < a->slows; i++)
        if (a->slow[i].uid == t->uid && a->slow[i].until_ms > clock_steady_ms())
            return true;
    return false;
}

static void note_slow(struct agents *a, uid_t uid)
{
    size_t oldest = 0, i;

    for (i = 0; i < a->slows && a->slow[i].uid != uid; i++)
        if (a->slow[i].until_ms < a->slow[oldest].until_ms)
            oldest = i;
    if (i == a->slows && a->slows < AGENTS_SLOW)
        a->slows++;
    else if (i == a->slows)
        i = oldest;
    a->slow[i].uid = uid;
    a->slow[i].until_ms = clock_steady_ms() + a->patience;
}

void agents_forgive(struct agents *a)
{
    a->slows = 0;
}

/* It may still do its work before the signal reaches it; the next try then finds the copy. */
static void on_deadline(void *arg)
{
    struct agent *g = arg;
    struct agent_task *t = g->task;

    g->task = NULL;
    kill(g->pid, SIGKILL);
    if (t == NULL)
        return;
    note_slow(g->agents, g->uid);
    loop_timer_set(g->agents->kick, 0);
    finish(t, MAILDIR_FAILED, "the user's file system did not answer in time");
}

static bool watch(struct agent *g)
{
    struct loop *l = g->agents->loop;

    g->readable = loop_readable(l, g->pipe, on_answer, g);
    g->deadline = loop_timer(l, on_deadline, g);
    return g->readable != NULL && g->deadline != NULL &&
           loop_timer_set(g->deadline, time_of(g->task));
}

static bool start(struct agents *a, struct agent_task *t)
{
    struct agent *g = calloc(1, sizeof(*g));
    int ends[2] = {-1, -1};
    pid_t parent = getpid();

    if (g == NULL || pipe2(ends, O_CLOEXEC) < 0) {
        free(g);
        return false;
    }
    *g = (struct agent){.agents = a, .task = t, .uid = t->uid, .pipe = ends[0]};
    g->pid = watch(g) ? fork() : -1;
    if (g->pid == 0)
        agent_run(a, t, ends[1], parent);
    close(ends[1]);
    if (g->pid < 0) {
        loop_forget(g->readable);
        loop_forget(g->deadline);
        close(ends[0]);
        free(g);
        return false;
    }
    a->agent[a->running++] = g;
    return true;
}

static bool user_is_busy(const struct agents *a, const struct agent_task *t)
{
    size_t n = 0;

    for (size_t i = 0; i < a->running; i++)
        n += a->agent[i]->uid == t->uid;
    return n >= PER_USER && a->root && t->login != NULL;
}

/* Takes the first task that may start, or that must not, off the list. */
static struct agent_task *take(struct agents *a)
{
    struct agent_task *before = NULL, *t = a->first;

    while (t != NULL && user_is_busy(a, t) && !is_slow(a, t)) {
        before = t;
        t = t->next;
    }
    if (t == NULL)
        return NULL;
    if (before == NULL)
        a->first = t->next;
    else
        before->next = t->next;
    if (a->last == t)
        a->last = before;
    return t;
}

static bool has_room(const struct agents *a)
{
    size_t working = 0;

    for (size_t i = 0; i < a->running; i++)
        working += a->agent[i]->task != NULL;
    return working < AGENTS_MAX && a->running < AGENTS_ALL;
}

static void on_kick(void *arg)
{
    struct agents *a = arg;
    struct agent_task *t;

    while (has_room(a) && (t = take(a)) != NULL) {
        if (is_slow(a, t))
            finish(t, MAILDIR_FAILED, "the user's file system did not answer a short while ago");
        else if (!start(a, t))
            finish(t, MAILDIR_FAILED, "no process or descriptor is left for a delivery agent");
    }
}

bool agents_open(struct agents *a, struct loop *loop, bool root, int64_t patience_ms)
{
    *a = (struct agents){.loop = loop, .root = root, .patience = patience_ms};
    a->kick = loop_timer(loop, on_kick, a);
    return a->kick != NULL;
}

void agents_submit(struct agents *a, struct agent_task *t)
{
    t->next = NULL;
    if (a->last != NULL)
        a->last->next = t;
    else
        a->first = t;
    a->last = t;
    loop_timer_set(a->kick, 0);
}

void agents_close(struct agents *a)
{
    while (a->running > 0) {
        struct agent *g = a->agent[--a->running];
        loop_forget(g->readable);
        loop_forget(g->deadline);
        close(g->pipe);
        free(g);
    }
    loop_forget(a->kick);
    a->kick = NULL;
}
