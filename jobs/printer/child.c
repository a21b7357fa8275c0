/* See child.h. */
#include "jobs/printer/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"

/* True when the process has ended within the time. */
static bool ends_in_time(pid_t pid, int seconds)
{
    int64_t deadline = clock_steady_ms() + (int64_t)seconds * 1000;
    struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    int n = -1;

    if (end.fd < 0)
        return true; /* a kernel without pidfds: it is waited for as long as it takes */
    do {
        int64_t left = deadline - clock_steady_ms();
        n = poll(&end, 1, left > 0 ? (int)left : 0);
    } while (n < 0 && errno == EINTR);
    close(end.fd);
    return n > 0;
}

bool child_wait(pid_t pid, int seconds, int *status)
{
    bool in_time = ends_in_time(pid, seconds);

    if (!in_time)
        kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    return in_time;
}

void child_words(int pipe, char *out, size_t size)
{
    struct pollfd ready = {.fd = pipe, .events = POLLIN};
    ssize_t n = 0;

    /* A grandchild may hold the other end open: never block. */
    if (poll(&ready, 1, 0) > 0)
        n = read(pipe, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}
