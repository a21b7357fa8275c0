/* See jail.h. */
#include "lib/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of Debian 12; a kernel that does not know them is not asked for them. */
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
#define NET_BIND (1ULL << 0)
#define NET_CONNECT (1ULL << 1)

enum need {
    NEED_CONNECT = 1,  /* TCP out, and the name service */
    NEED_LISTEN = 2,   /* TCP in */
    NEED_THREADS = 4,  /* and no processes, unless there are workers */
    NEED_WORKERS = 8,  /* children of its own program */
    NEED_USERS = 16,   /* these become other users */
    NEED_INNER = 32,   /* a tighter jail is entered later */
    NEED_READING = 64, /* reads files anywhere, as far as its user's rights go */
    NEED_FILES = 128,  /* writes them, too */
    NEED_COPY = 256,   /* writes one file, and nothing that the others do */
    NEED_BASE = 512    /* what all others do */
};

static const struct row {
    const char *program;
    unsigned needs;
} rows[] = {
    {"spool4", NEED_THREADS},
    {"usmtp", NEED_CONNECT | NEED_THREADS},
    {"ssmtp", NEED_LISTEN | NEED_THREADS | NEED_WORKERS},
    {"printer", NEED_THREADS}, /* the child that converts; fontconfig and pango make threads */
    {"postoffice", NEED_WORKERS | NEED_USERS | NEED_INNER | NEED_FILES},
    {"agent", NEED_COPY},     /* of the post office: writes one copy into one Maildir */
    {"lookup", NEED_CONNECT}, /* of the post office: asks for one host's addresses */
    {"submit", NEED_INNER | NEED_FILES},
    {"submit-job", NEED_READING}, /* deck and log are open */
    {"jes", NEED_READING},        /* its pager runs already */
    {"sndmsg", NEED_FILES},
    {"usertable", NEED_READING},
    {"usertable-password", NEED_FILES}, /* of usertable: replaces the password file */
};

#define READ_DIR (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* What Landlock handles from each ABI on: bits of the file system, bits of the network. */
static const struct {
    uint64_t fs, net;
} abis[] = {
    {LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | READ_DIR |
         LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
         LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
         LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
         LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
     0},
    {LANDLOCK_ACCESS_FS_REFER, 0},
    {FS_TRUNCATE, 0},
    {0, NET_BIND | NET_CONNECT},
    {FS_IOCTL_DEV, 0},
};
enum { ABIS = sizeof(abis) / sizeof(abis[0]) };

/* Below SPOOL: all but running programs. Even links and sockets that a stranger dropped are moved
 * to HOLD, which counts as making them there. */
#define SPOOL_ACCESS                                                                               \
    ((abis[0].fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE) | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

/* Refused even where files may be written anywhere: nobody but the spool has use for them. */
#define ODD_ACCESS                                                                                 \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |   \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* Below the one directory of jail_directory(): plain files come, are moved, and go. */
#define DIRECTORY_ACCESS                                                                           \
    (READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                      \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

/* Names, zones, users, code pages, the resolver's files, the log. What is missing is passed over.
 */
static const struct {
    const char *path;
    uint64_t access;
} common[] = {
    {"/etc", READ_DIR},
    {"/usr/share", READ_DIR},
    {"/usr/lib",
     READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE}, /* modules of iconv and of the user database */
    {"/lib", READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE},
    {"/run", READ_DIR},
    {"/var/lib", READ_DIR},
    {"/proc", READ_DIR},
    {"/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE},
    {"/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE},
    {"/dev/log", LANDLOCK_ACCESS_FS_WRITE_FILE},
};

struct ruleset {
    uint64_t fs, net;
};

static uint64_t handled_fs(int abi)
{
    uint64_t bits = 0;

    for (int i = 0; i < abi && i < ABIS; i++)
        bits |= abis[i].fs;
    return bits;
}

static uint64_t handled_net(int abi)
{
    uint64_t bits = 0;

    for (int i = 0; i < abi && i < ABIS; i++)
        bits |= abis[i].net;
    return bits;
}

/* Only rights of files may be given on a file. */
static uint64_t fitting(int fd, uint64_t access, uint64_t handled)
{
    int dir = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir >= 0)
        close(dir);
    else
        access &= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                  LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
    return access & handled;
}

static bool allow_below(int ruleset, int fd, uint64_t access, uint64_t handled)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = fd,
                                              .allowed_access = fitting(fd, access, handled)};

    return rule.allowed_access == 0 ||
           syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

/* A path that does not exist needs no rule. */
static bool allow(int ruleset, const char *path, uint64_t access, uint64_t handled)
{
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
    bool good = allow_below(ruleset, fd, access, handled);
    close(fd);
    return good;
}

/* The folder of a file that is read again at SIGHUP. */
static bool allow_folder(int ruleset, const char *file, uint64_t handled)
{
    char folder[1024];
    const char *slash = strrchr(file, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - file);

    if (n >= sizeof(folder))
        return false;
    memcpy(folder, file, n);
    folder[n] = '\0';
    return allow(ruleset, slash == NULL ? "." : n == 0 ? "/" : folder, READ_DIR, handled);
}

/* The folders of files that are joined by commas, and of what they are links to. */
static bool allow_files(int ruleset, const char *list, uint64_t handled)
{
    struct span all = {list, list == NULL ? 0 : strlen(list)}, one;
    char path[1024], real[PATH_MAX];

    while (span_cut(&all, ',', &one))
        if (span_copy(one, path, sizeof(path)) &&
            (!allow_folder(ruleset, path, handled) ||
             (realpath(path, real) != NULL && !allow_folder(ruleset, real, handled))))
            return false;
    return true;
}

/* Certificates and keys are read again at SIGHUP; authorities when they are asked for. */
static bool allow_certificates(int ruleset, const struct site *site, uint64_t handled)
{
    bool good =
        allow_files(ruleset, site->cert, handled) && allow_files(ruleset, site->key, handled) &&
        allow_files(ruleset, site->clientca, handled) && allow_files(ruleset, site->ca, handled) &&
        allow_files(ruleset, site->passwords, handled);

    for (size_t i = 0; good && i < site->routes; i++)
        good = allow_files(ruleset, site->route[i].cert, handled) &&
               allow_files(ruleset, site->route[i].key, handled) &&
               allow_files(ruleset, site->route[i].ca, handled);
    return good;
}

static bool allow_site(int ruleset, const struct site *site, uint64_t handled)
{
    return allow(ruleset, site->spool, SPOOL_ACCESS, handled) &&
           allow_folder(ruleset, site->member, handled) &&
           allow_folder(ruleset, site->usertable, handled) &&
           allow_folder(ruleset, site->dns.hosts, handled) &&
           (site->dns.trust == NULL || allow_folder(ruleset, site->dns.trust, handled));
}

/* Where a row may go: one directory; or the spool and what is common; or everywhere, too. */
static bool restrict_paths(int ruleset, const struct row *row, const struct site *site, int dir,
                           uint64_t handled)
{
    if (dir >= 0)
        return allow_below(ruleset, dir, DIRECTORY_ACCESS, handled);
    bool good = site == NULL || allow_site(ruleset, site, handled);
    if (good && site != NULL && row->needs & (NEED_CONNECT | NEED_LISTEN))
        good = allow_certificates(ruleset, site, handled);
    if (good && row->needs & (NEED_READING | NEED_FILES))
        good = allow(ruleset, "/", row->needs & NEED_FILES ? LANDLOCK_ACCESS_FS_REFER : READ_DIR,
                     handled);
    for (size_t i = 0; good && i < sizeof(common) / sizeof(common[0]); i++)
        good = allow(ruleset, common[i].path, common[i].access, handled);
    return good;
}

/* The ABI that was entered; 0: this kernel has none; -1 with errno. */
static int enter_landlock(const struct row *row, const struct site *site, int dir)
{
    struct ruleset attributes = {0};
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
    if (abi < 2 && row->needs & NEED_FILES)
        return 0; /* the first one lets nobody move a file to another folder */
    attributes.fs = handled_fs(abi);
    if (row->needs & NEED_FILES)
        attributes.fs &= ODD_ACCESS | LANDLOCK_ACCESS_FS_REFER;
    attributes.net = handled_net(abi);
    /* Ports are not known here, only whether there is any business with them. */
    if (row->needs & NEED_CONNECT)
        attributes.net &= ~NET_CONNECT;
    if (row->needs & NEED_LISTEN)
        attributes.net &= ~NET_BIND;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attributes,
                          abi < 4 ? sizeof(attributes.fs) : sizeof(attributes), 0);
    if (fd < 0)
        return -1;
    bool good = restrict_paths(fd, row, site, dir, attributes.fs) &&
                syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return good ? abi : -1;
}

/* What every program does: files, memory, time, its own signals. */
static const int base_calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(pwrite64),
    SCMP_SYS(writev),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(lseek),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(getdents64),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(mknodat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rmdir),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(fchown),
    SCMP_SYS(utimensat),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(syncfs),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fgetxattr),
    SCMP_SYS(fsetxattr),
    SCMP_SYS(fcntl),
    SCMP_SYS(flock),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(pipe2),
    SCMP_SYS(umask),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(signalfd4),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getgroups),
    SCMP_SYS(getrlimit),
    SCMP_SYS(prlimit64),
    SCMP_SYS(getrusage),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(getcpu),
    SCMP_SYS(setpriority),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(tgkill),
    SCMP_SYS(getcwd),
    SCMP_SYS(ioctl),
    /* The log and the user database are reached by sockets of the machine itself: see
       local_sockets(). */
    SCMP_SYS(connect),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(shutdown),
    SCMP_SYS(socketpair),
    SCMP_SYS(wait4),
};

static const int copy_calls[] = {
    SCMP_SYS(openat),          SCMP_SYS(close),           SCMP_SYS(pread64),
    SCMP_SYS(write),           SCMP_SYS(fstat),           SCMP_SYS(newfstatat),
    SCMP_SYS(faccessat),       SCMP_SYS(faccessat2),      SCMP_SYS(getdents64),
    SCMP_SYS(unlinkat),        SCMP_SYS(renameat2),       SCMP_SYS(linkat),
    SCMP_SYS(fsync),           SCMP_SYS(fdatasync),       SCMP_SYS(getrandom),
    SCMP_SYS(fcntl),           SCMP_SYS(lseek),           SCMP_SYS(mmap),
    SCMP_SYS(munmap),          SCMP_SYS(mremap),          SCMP_SYS(brk),
    SCMP_SYS(futex),           SCMP_SYS(getpid),          SCMP_SYS(gettid),
    SCMP_SYS(rt_sigaction),    SCMP_SYS(rt_sigreturn),    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(tgkill),          SCMP_SYS(restart_syscall), SCMP_SYS(exit_group),
    SCMP_SYS(sync_file_range), SCMP_SYS(prlimit64),       SCMP_SYS(renameat),
};
static const int listen_calls[] = {SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept),
                                   SCMP_SYS(accept4)};
static const int connect_calls[] = {SCMP_SYS(bind)}; /* the name service binds random ports (UDP) */
static const int worker_calls[] = {SCMP_SYS(clone),    SCMP_SYS(clone3), SCMP_SYS(fork),
                                   SCMP_SYS(vfork),    SCMP_SYS(kill),   SCMP_SYS(alarm),
                                   SCMP_SYS(setitimer)};
static const int user_calls[] = {SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups),
                                 SCMP_SYS(capget), SCMP_SYS(capset)};
static const int inner_calls[] = {SCMP_SYS(prctl), SCMP_SYS(seccomp),
                                  SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule),
                                  SCMP_SYS(landlock_restrict_self)};

static const struct {
    unsigned needs; /* any of them */
    const int *calls;
    size_t count;
} groups[] = {
#define GROUP(needs, list)                                                                         \
    {                                                                                              \
        needs, list, sizeof(list) / sizeof((list)[0])                                              \
    }
    GROUP(NEED_BASE, base_calls),      GROUP(NEED_COPY, copy_calls),
    GROUP(NEED_LISTEN, listen_calls),  GROUP(NEED_CONNECT, connect_calls),
    GROUP(NEED_WORKERS, worker_calls), GROUP(NEED_USERS, user_calls),
    GROUP(NEED_INNER, inner_calls),
#undef GROUP
};

/* A call that this architecture does not have is no call to allow. */
static bool allow_calls(scmp_filter_ctx filter, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (calls[i] >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) < 0)
            return false;
    return true;
}

#ifdef __s390__
enum { CLONE_FLAGS_AT = 1 };
#else
enum { CLONE_FLAGS_AT = 0 };
#endif

/* Threads, but no processes. The flags of clone3 are in memory, where no filter sees them: libc is
 * told that this kernel has none, and takes clone. */
static bool allow_threads(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp is_thread = {.arg = CLONE_FLAGS_AT,
                                           .op = SCMP_CMP_MASKED_EQ,
                                           .datum_a = CLONE_THREAD,
                                           .datum_b = CLONE_THREAD};

    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &is_thread) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

/* Which families of sockets may be made. */
static bool allow_sockets(scmp_filter_ctx filter, unsigned needs)
{
    static const unsigned families[] = {1 /* AF_UNIX */, 2 /* AF_INET */, 10 /* AF_INET6 */,
                                        16 /* AF_NETLINK: which addresses are ours */};
    size_t n = needs & (NEED_CONNECT | NEED_LISTEN) ? sizeof(families) / sizeof(families[0]) : 1;

    for (size_t i = 0; i < n; i++) {
        struct scmp_arg_cmp is_family = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = families[i]};
        if (seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &is_family) < 0)
            return false;
    }
    return true;
}

static bool enter_seccomp(const struct row *row)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool good = filter != NULL;

    for (size_t i = 0; good && i < sizeof(groups) / sizeof(groups[0]); i++)
        if (groups[i].needs & row->needs)
            good = allow_calls(filter, groups[i].calls, groups[i].count);
    if (good && (row->needs & (NEED_THREADS | NEED_WORKERS)) == NEED_THREADS)
        good = allow_threads(filter);
    good = good && (row->needs & NEED_COPY || allow_sockets(filter, row->needs)) &&
           seccomp_load(filter) == 0;
    if (filter != NULL)
        seccomp_release(filter);
    return good;
}

/* A sanitizer's runtime does what no jail allows, and so do programs whose coverage is taken. */
static bool sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SPOOLMAIL_COVERAGE)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

/* A row with what this site adds to it. */
static bool find_row(const char *program, const struct site *site, struct row *row)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].program, program) != 0)
            continue;
        *row = rows[i];
        row->needs |= row->needs & NEED_COPY ? 0 : NEED_BASE;
        if (row->needs & NEED_USERS && site != NULL && site_lmtp_host(site))
            row->needs |= NEED_CONNECT;
        return true;
    }
    errno = EINVAL;
    return false;
}

/* As enter_landlock(). */
static int enter(const struct row *row, const struct site *site, int dir)
{
    const struct rlimit none = {0, 0};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        setrlimit(RLIMIT_CORE, &none) < 0)
        return -1;
    if (!(row->needs & (NEED_THREADS | NEED_WORKERS)) && setrlimit(RLIMIT_NPROC, &none) < 0)
        return -1;
    int abi = enter_landlock(row, site, dir);
    return abi >= 0 && enter_seccomp(row) ? abi : -1;
}

bool jail_command(const char *program, const struct site *site)
{
    struct row row;

    return find_row(program, site, &row) && (sanitized() || enter(&row, site, -1) >= 0);
}

bool jail_directory(const char *program, int dir)
{
    struct row row;

    return find_row(program, NULL, &row) && (sanitized() || enter(&row, NULL, dir) >= 0);
}

bool jail_enter(const char *program, const struct site *site, const struct msg_log *log)
{
    struct row row;

    if (!find_row(program, site, &row))
        return false;
    if (sanitized())
        return true;
    int abi = enter(&row, site, -1);
    if (abi < 0)
        MSG(log, T01SM022E, program, "it could not enter its jail");
    else if (abi == 0)
        MSG(log, T01SM026W, program);
    return abi >= 0;
}
