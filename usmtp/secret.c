/* See secret.h. */
#include "usmtp/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

enum { READ_MOST = SECRET_MAX + 3 /* CR LF, and one octet that is too many */ };

/* What was read, without the end of its line, is a secret. */
static bool take(struct buf *secret, const char *source, struct diag *d)
{
    const char *fault = NULL;

    if (secret->len > 0 && secret->data[secret->len - 1] == '\n')
        secret->len--;
    if (secret->len > 0 && secret->data[secret->len - 1] == '\r')
        secret->len--;
    if (secret->len == 0)
        fault = "is empty: it must give the secret in one line";
    else if (secret->len > SECRET_MAX)
        fault = "gives more than 10,240 octets: no secret is so long";
    else if (memchr(secret->data, '\0', secret->len) != NULL)
        fault = "gives a NUL octet: it must give the secret in one line of text";
    else if (memchr(secret->data, '\n', secret->len) != NULL ||
             memchr(secret->data, '\r', secret->len) != NULL)
        fault = "gives several lines: it must give the secret in one";
    return fault == NULL || diag_set(d, 0, 0, "%.150s %s", source, fault);
}

/* 1: there was something; 0: the end; -1 with errno. */
static int read_some(int fd, struct buf *secret)
{
    size_t room = secret->len < READ_MOST ? READ_MOST - secret->len : 0;
    ssize_t n = room == 0 ? 0 : read(fd, secret->data + secret->len, room);

    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 1 : -1;
    secret->len += (size_t)n;
    return n > 0;
}

static bool read_file(const char *path, bool check_mode, struct buf *secret, struct diag *d)
{
    struct stat st;
    int more = 1, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return diag_set(d, 0, 0,
                        "%.150s cannot be read: %s; the USER of the programs must be able "
                        "to",
                        path, strerror(errno));
    bool good = fstat(fd, &st) == 0;
    if (!good)
        diag_set(d, 0, 0, "%.150s cannot be read: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        good = diag_set(d, 0, 0, "%.150s is no plain file", path);
    else if (check_mode && st.st_mode & 077)
        good = diag_set(d, 0, 0, "%.100s may be used by others than its owner: chmod 600 %.100s",
                        path, path);
    while (good && more > 0)
        more = read_some(fd, secret);
    if (good && more < 0)
        good = diag_set(d, 0, 0, "%.150s cannot be read: %s", path, strerror(errno));
    close(fd);
    return good && take(secret, path, d);
}

static bool credential_path(const char *name, char *path, size_t size, struct diag *d)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    int n = folder == NULL ? -1 : snprintf(path, size, "%s/%s", folder, name);

    if (n < 0 || (size_t)n >= size)
        return diag_set(d, 0, 0,
                        "CREDENTIAL(%.64s): systemd gave no credentials: add LoadCredential=%.64s:"
                        "/path to the service",
                        name, name);
    return true;
}

/* The child: a shell in a session of its own, so that all that it starts can be ended. */
static _Noreturn void run_command(const char *line, int output)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < 32; s++)
        signal(s, SIG_DFL);
    setsid();
    if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0)
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(127);
}

/* Reads until its end or the time's. False: it was not done in time. */
static bool read_output(int fd, int64_t until_ms, struct buf *secret)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left;

    while ((left = until_ms - clock_steady_ms()) > 0) {
        if (poll(&p, 1, (int)left) > 0 && read_some(fd, secret) <= 0)
            return true;
    }
    return false;
}

/* Its status; -1: it is still at work. */
static int wait_for(pid_t child, int64_t until_ms)
{
    const struct timespec nap = {.tv_nsec = 5000000};
    int status;
    pid_t ended;

    while ((ended = waitpid(child, &status, WNOHANG)) == 0 && clock_steady_ms() < until_ms)
        nanosleep(&nap, NULL);
    return ended == child ? status : -1;
}

/* What it did, as a finding; true: well. */
static bool judge_command(int status, bool in_time, unsigned seconds, struct diag *d)
{
    if (!in_time || status == -1)
        return diag_set(d, 0, 0, "SECRETCMD did not end within %u seconds, and was ended", seconds);
    if (WIFSIGNALED(status))
        return diag_set(d, 0, 0, "SECRETCMD was ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ||
           diag_set(d, 0, 0, "SECRETCMD ended with status %d: run it as USER to see why",
                    WEXITSTATUS(status));
}

static bool read_command(const char *line, unsigned seconds, struct buf *secret, struct diag *d)
{
    int64_t until_ms = clock_steady_ms() + (int64_t)seconds * 1000;
    int ends[2], status = -1;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return diag_set(d, 0, 0, "SECRETCMD cannot be run: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0)
        run_command(line, ends[1]);
    close(ends[1]);
    bool in_time = child > 0 && read_output(ends[0], until_ms, secret);
    close(ends[0]);
    if (child < 0)
        return diag_set(d, 0, 0, "SECRETCMD cannot be run: %s", strerror(errno));
    bool too_long = secret->len > SECRET_MAX + 2;
    if (in_time && !too_long)
        status = wait_for(child, until_ms);
    if (status == -1) {
        kill(-child, SIGKILL);
        kill(child, SIGKILL); /* should it not have come to a session of its own */
        waitpid(child, NULL, 0);
    }
    return (too_long || judge_command(status, in_time, seconds, d)) && take(secret, "SECRETCMD", d);
}

bool secret_fetch(const struct site_route *r, unsigned seconds, struct buf *secret, struct diag *d)
{
    char path[1024];

    *d = (struct diag){0};
    if (!buf_reserve(secret, READ_MOST + 1))
        return diag_memory(d);
    if (r->secret_file != NULL)
        return read_file(r->secret_file, true, secret, d);
    if (r->secret_command != NULL)
        return read_command(r->secret_command, seconds, secret, d);
    return r->credential != NULL && credential_path(r->credential, path, sizeof(path), d) &&
           read_file(path, false, secret, d);
}

bool secret_check(const struct site_route *r, struct diag *d)
{
    struct buf secret = {0};

    if (r->secret_file == NULL)
        return true;
    bool good = secret_fetch(r, 0, &secret, d);
    buf_wipe(&secret);
    return good;
}
