/* Enters the jail of a program and tries, from inside, what it must not do: `jailprobe PROGRAM
 * MEMBER [DIRECTORY]`; MEMBER is - for one that needs no spool, and DIRECTORY the one directory of
 * a program that works in one. One line for each attempt: "refused NAME" or "allowed NAME". */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/jail.h"

static const struct site *site;
static const char *spool; /* or the one directory */

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool write_spool(void)
{
    char path[1200];

    return snprintf(path, sizeof(path), "%s/%s", spool, "work/probe") < (int)sizeof(path) &&
           opens(path, O_RDWR | O_CREAT) && unlinkat(AT_FDCWD, path, 0) == 0;
}

static bool read_config(void)
{
    return opens("/etc/hostname", O_RDONLY) || opens("/etc/passwd", O_RDONLY);
}

static bool write_tmp(void)
{
    return opens("/tmp/jailprobe.out", O_RDWR | O_CREAT);
}

static bool read_home(void)
{
    return opens("/root/.profile", O_RDONLY) || opens("/home", O_RDONLY);
}

static bool make_device(void)
{
    return mknod("/tmp/jailprobe.device", S_IFCHR | 0600, makedev(1, 3)) == 0;
}

static bool make_link(void)
{
    return symlink("/etc/shadow", "/tmp/jailprobe.link") == 0;
}

static bool make_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

static bool exec_program(void)
{
    char *const args[] = {"true", NULL};

    execv("/bin/true", args);
    return false; /* had it worked, the probe would have ended without its last line */
}

static bool tcp_connect(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool refused_by_peer =
        connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused_by_peer; /* it got as far as the network */
}

static bool tcp_listen(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool good = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0;
    close(fd);
    return good;
}

static bool make_namespace(void)
{
    return mount("none", "/mnt", "tmpfs", 0, NULL) == 0;
}

static bool resolver(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool trace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool change_user(void)
{
    return setuid(1) == 0 || setresuid(1, 1, 1) == 0;
}

static bool dump_core(void)
{
    struct rlimit r;

    return getrlimit(RLIMIT_CORE, &r) < 0 || r.rlim_cur != 0 || r.rlim_max != 0;
}

static const struct {
    const char *name;
    bool (*attempt)(void);
} attempts[] = {
    {"write-spool", write_spool},
    {"write-outside", write_tmp},
    {"read-config", read_config},
    {"read-home", read_home},
    {"make-device", make_device},
    {"make-link", make_link},
    {"fork", make_process},
    {"exec", exec_program},
    {"tcp-connect", tcp_connect},
    {"tcp-listen", tcp_listen},
    {"udp", resolver},
    {"mount", make_namespace},
    {"ptrace", trace},
    {"setuid", change_user},
    {"core-dump", dump_core},
};

static bool enter(const char *program, const char *directory)
{
    struct msg_log log;

    if (directory != NULL)
        return jail_directory(program, open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (site == NULL)
        return jail_command(program, NULL);
    msg_open(&log, "jailprobe", MSG_STDERR);
    return jail_enter(program, site, &log);
}

int main(int argc, char **argv)
{
    struct diag d;

    if (argc < 3 || argc > 4)
        return 2;
    if (strcmp(argv[2], "-") != 0 && (site = site_load(argv[2], &d)) == NULL)
        return 2;
    spool = argc == 4 ? argv[3] : site != NULL ? site->spool : "/tmp";
    if (!enter(argv[1], argc == 4 ? argv[3] : NULL)) {
        perror("jailprobe");
        return 1;
    }
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        bool allowed = attempts[i].attempt();
        printf("%s %s\n", allowed ? "allowed" : "refused", attempts[i].name);
        fflush(stdout);
    }
    return 0;
}
