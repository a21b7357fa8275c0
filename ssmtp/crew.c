/* See crew.h. */
#include "ssmtp/crew.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"

enum { PAUSE_MS = 1000 /* a worker that dies sooner than this after its start waits as long */ };

struct member {
    pid_t pid;          /* 0: none */
    int64_t started_ms; /* when it was started, or is to be */
};

struct state {
    struct crew *crew;
    struct member member[CREW_MAX];
    int64_t kill_ms; /* 0: not ending */
};

/* In the child true, with its exit status. */
static bool start(struct state *s, unsigned i, int *status)
{
    struct crew *c = s->crew;

    s->member[i].started_ms = clock_steady_ms();
    pid_t pid = fork();
    if (pid != 0) {
        s->member[i].pid = pid > 0 ? pid : 0; /* else it is tried again */
        return false;
    }
    close(c->signals);
    close(c->keeper); /* the parent alone keeps it open */
    sigprocmask(SIG_SETMASK, &c->before, NULL);
    c->child = true;
    *status = c->work(c->arg, i);
    return true;
}

static bool start_all(struct state *s, int *status)
{
    int64_t now = clock_steady_ms();

    for (unsigned i = 0; i < s->crew->workers; i++)
        if (s->member[i].pid == 0 && s->member[i].started_ms <= now && start(s, i, status))
            return true;
    return false;
}

static void signal_all(const struct state *s, int number)
{
    for (unsigned i = 0; i < s->crew->workers; i++)
        if (s->member[i].pid > 0)
            kill(s->member[i].pid, number);
}

static void reap(struct state *s)
{
    int64_t now = clock_steady_ms();
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < s->crew->workers; i++) {
            struct member *m = &s->member[i];
            if (m->pid != pid)
                continue;
            m->pid = 0;
            m->started_ms = now - m->started_ms < PAUSE_MS ? now + PAUSE_MS : now;
            if (s->kill_ms == 0)
                s->crew->died(s->crew->arg, i, status);
        }
}

static bool all_gone(const struct state *s)
{
    for (unsigned i = 0; i < s->crew->workers; i++)
        if (s->member[i].pid > 0)
            return false;
    return true;
}

/* Waits for a signal, at most a moment; 0: none came. */
static uint32_t next_signal(const struct crew *c)
{
    struct pollfd fd = {.fd = c->signals, .events = POLLIN};
    struct signalfd_siginfo info;

    if (poll(&fd, 1, PAUSE_MS / 4) <= 0 ||
        read(c->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    return info.ssi_signo;
}

static void step(struct state *s, long grace_ms)
{
    uint32_t number = next_signal(s->crew);

    if (number == SIGHUP && s->kill_ms == 0) {
        s->crew->reload(s->crew->arg);
        signal_all(s, SIGHUP);
    } else if ((number == SIGTERM || number == SIGINT) && s->kill_ms == 0) {
        s->kill_ms = clock_steady_ms() + grace_ms;
        signal_all(s, SIGTERM);
    }
    reap(s);
    if (s->kill_ms != 0 && clock_steady_ms() >= s->kill_ms)
        signal_all(s, SIGKILL);
}

bool crew_open(struct crew *c)
{
    sigset_t wanted;
    int ends[2];

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &wanted, &c->before) < 0)
        return false;
    c->signals = signalfd(-1, &wanted, SFD_CLOEXEC);
    if (c->signals < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return false;
    c->alive = ends[0];
    c->keeper = ends[1];
    return true;
}

int crew_run(struct crew *c, long grace_ms)
{
    struct state s = {.crew = c};
    int status = EX_OK;

    while (s.kill_ms == 0 || !all_gone(&s)) {
        if (s.kill_ms == 0 && start_all(&s, &status))
            return status;
        step(&s, grace_ms);
    }
    return status;
}
