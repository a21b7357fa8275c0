/* See pager.h. */
#include "jobs/jes/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"

enum { WORDS = 16, WORD_MAX = 128 };

/* less shows no escape sequence raw unless it is told to by its own variable: untell it. */
#define DEFAULT_PAGER "less -+R -+r"

/* Splits at blanks; false: too many or too long, or none. */
static bool split(const char *command, char words[WORDS][WORD_MAX], char *argv[WORDS + 1])
{
    struct span rest = span_of(command), word;
    size_t n = 0;

    while (span_cut(&rest, ' ', &word)) {
        if (word.n == 0)
            continue;
        if (n == WORDS || !span_copy(word, words[n], WORD_MAX))
            return false;
        argv[n] = words[n];
        n++;
    }
    argv[n] = NULL;
    return n > 0;
}

static pid_t spawn(char *const *argv, int input)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return 0;
    if (posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) != 0 ||
        posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0)
        pid = 0;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

bool pager_open(struct pager *p)
{
    const char *command = getenv("PAGER");
    char words[WORDS][WORD_MAX], *argv[WORDS + 1];
    int ends[2];

    *p = (struct pager){.to = stdout};
    if (!isatty(STDOUT_FILENO) || !split(command != NULL ? command : DEFAULT_PAGER, words, argv))
        return true;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    p->pid = spawn(argv, ends[0]);
    close(ends[0]);
    FILE *to = p->pid > 0 ? fdopen(ends[1], "w") : NULL;
    if (to == NULL) {
        close(ends[1]); /* no such pager: plain */
        return true;
    }
    signal(SIGPIPE, SIG_IGN); /* who leaves the pager has seen enough */
    signal(SIGINT, SIG_IGN);  /* an interrupt is for the pager */
    p->to = to;
    return true;
}

void pager_close(struct pager *p)
{
    int status;

    if (p->to != NULL && p->to != stdout)
        fclose(p->to); /* to a reader who may have left */
    while (p->pid > 0 && waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
}
