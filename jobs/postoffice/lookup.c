/* See lookup.h. The child tells its answer through a pipe, in one write. */
#include "jobs/postoffice/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/postoffice/offspring.h"
#include "lib/jail.h"
#include "lib/program.h"

_Static_assert(sizeof(struct lookup_answer) <= PIPE_BUF, "the answer goes in one write");

struct lookup {
    lookup_fn *fn;
    void *arg;
    pid_t pid;
    int pipe;
    struct loop_event *readable;
};

static void ask(const char *host, const char *port, int flags, struct lookup_answer *answer)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list = NULL;

    *answer = (struct lookup_answer){.error = getaddrinfo(host, port, &hints, &list)};
    if (answer->error != 0)
        return;
    for (const struct addrinfo *a = list; a != NULL && answer->count < LOOKUP_MAX; a = a->ai_next) {
        if (a->ai_addrlen > sizeof(answer->address[0]))
            continue;
        memcpy(&answer->address[answer->count], a->ai_addr, a->ai_addrlen);
        answer->length[answer->count++] = a->ai_addrlen;
    }
    freeaddrinfo(list);
}

bool lookup_literal(const char *host, const char *port, struct lookup_answer *a)
{
    ask(host, port, AI_NUMERICHOST | AI_NUMERICSERV, a);
    return a->error == 0;
}

/* The child. */
static _Noreturn void lookup_run(const char *host, const char *port, int answer_to, pid_t parent)
{
    struct lookup_answer answer;

    offspring_begin(answer_to, answer_to, LOOKUP_SECONDS);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || (geteuid() != 0 && !program_keep_powers("=")) ||
        !jail_command("lookup", NULL))
        _exit(1);
    ask(host, port, 0, &answer);
    ssize_t n = write(answer_to, &answer, sizeof(answer));
    _exit(n == (ssize_t)sizeof(answer) ? 0 : 1);
}

static void release(struct lookup *u)
{
    int status;

    while (waitpid(u->pid, &status, 0) < 0 && errno == EINTR)
        ;
    loop_forget(u->readable);
    close(u->pipe);
    free(u);
}

static void on_answer(void *arg)
{
    struct lookup *u = arg;
    lookup_fn *fn = u->fn;
    void *to = u->arg;
    struct lookup_answer answer;

    ssize_t n = read(u->pipe, &answer, sizeof(answer));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    release(u);
    if (n != (ssize_t)sizeof(answer) || answer.count > LOOKUP_MAX)
        answer = (struct lookup_answer){.error = EAI_AGAIN};
    for (size_t i = 0; i < answer.count; i++)
        if (answer.length[i] > sizeof(answer.address[i]))
            answer.length[i] = sizeof(answer.address[i]);
    fn(to, &answer);
}

struct lookup *lookup_start(struct loop *l, const char *host, const char *port, lookup_fn *fn,
                            void *arg)
{
    struct lookup *u = calloc(1, sizeof(*u));
    pid_t parent = getpid();
    int ends[2];

    if (u == NULL || pipe2(ends, O_CLOEXEC) < 0) {
        free(u);
        return NULL;
    }
    *u = (struct lookup){.fn = fn, .arg = arg, .pid = -1, .pipe = ends[0]};
    u->readable = loop_readable(l, u->pipe, on_answer, u);
    if (u->readable != NULL)
        u->pid = fork();
    if (u->pid == 0)
        lookup_run(host, port, ends[1], parent);
    close(ends[1]);
    if (u->pid > 0)
        return u;
    loop_forget(u->readable);
    close(u->pipe);
    free(u);
    return NULL;
}

void lookup_cancel(struct lookup *u)
{
    if (u == NULL)
        return;
    kill(u->pid, SIGKILL); /* a process of our own user */
    release(u);
}
