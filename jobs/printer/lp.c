/* See lp.h. */
#include "jobs/printer/lp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/printer/child.h"

enum { LP_SECONDS = 60 };

/* Signals that we ignore would be ignored by lp too. */
static void default_signals(posix_spawnattr_t *attributes)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGIO);
    posix_spawnattr_setsigdefault(attributes, &set);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
}

static int spawn(char *const *argv, int words, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0)
        return result;
    result = posix_spawnattr_init(&attributes);
    if (result == 0) {
        default_signals(&attributes);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        result = posix_spawn_file_actions_adddup2(&actions, words, STDERR_FILENO);
        if (result == 0)
            result = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

bool lp_print(const char *queue, const char *title, const char *path, char words[LP_WORDS])
{
    char *argv[] = {"lp", "-d", (char *)queue, "-t", (char *)title, (char *)path, NULL};
    int ends[2], status = 0;
    pid_t pid;

    words[0] = '\0';
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        snprintf(words, LP_WORDS, "%s", strerror(errno));
        return false;
    }
    int error = spawn(argv, ends[1], &pid);
    close(ends[1]);
    bool in_time = error == 0 && child_wait(pid, LP_SECONDS, &status);
    child_words(ends[0], words, LP_WORDS);
    close(ends[0]);
    if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (error != 0)
        snprintf(words, LP_WORDS, "lp cannot be run: %s", strerror(error));
    else if (!in_time)
        snprintf(words, LP_WORDS, "lp did not end within %d seconds", LP_SECONDS);
    else if (words[0] == '\0')
        snprintf(words, LP_WORDS, "lp ended with status %d",
                 WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return false;
}
