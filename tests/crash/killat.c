/* killat: runs a command under ptrace and counts, kills at, or fails its file-changing system
 * calls.
 *
 *     killat [-v] [-o FILE] [--only REGEX] [--path REGEX] [--socket] count              -- CMD...
 *                                                            before N | after N         -- CMD...
 *                                                            fail N ERRNO [once|from]   -- CMD...
 *
 * All threads and children of the command are followed; calls are numbered from 1 in the order in
 * which they begin, whether they succeed or not. `before` and `after` kill the whole tree with
 * SIGKILL at the Nth call and exit with 137; the call is then certainly not, respectively wholly,
 * done. `fail` lets the call return ERRNO without doing it. Otherwise the exit status is the
 * command's, 128 + signal if one ended it. --only limits to calls of which REGEX is the whole name,
 * --path to those whose line (as -v shows it) REGEX matches; --socket counts what is sent and
 * received on sockets as well. SIGTERM, SIGINT and SIGHUP are passed on to the command.
 *
 * It cannot see changes through a shared mapping or io_uring, and says so of the latter. x86-64 and
 * aarch64. A tracee that is not dumpable can be looked into only by root; one built with
 * LeakSanitizer needs ASAN_OPTIONS=detect_leaks=0, because that would trace as well. */
#include <elf.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "tests/tools/tool.h"

#ifdef __x86_64__
enum { NATIVE_ARCH = (int)AUDIT_ARCH_X86_64 };
#else
enum { NATIVE_ARCH = (int)AUDIT_ARCH_AARCH64 };
#endif

enum { KILLED_STATUS = 128 + SIGKILL, SYSCALL_STOP = SIGTRAP | 0x80 };

/* When a call counts. BY_FD: its descriptor at `at` is a regular file or directory, or, with
 * --socket, a socket. BY_SOCKET: only the latter. */
enum when { ALWAYS, BY_FLAGS, BY_OPEN_HOW, BY_FD, BY_SOCKET, BY_CLONE };

/* Arguments, a letter each: d directory of the path behind it, p path, s other string, f
 * descriptor, F open flags, H struct open_how, o mode, n number, x flags, . not shown. */
struct call {
    long number;
    const char *name, *args;
    enum when when;
    unsigned at;
};

#define CALL(name, ...)                                                                            \
    {                                                                                              \
        SYS_##name, #name, __VA_ARGS__                                                             \
    }

static const struct call calls[] = {
#ifdef SYS_open /* the calls that aarch64 has only in their -at form */
    CALL(open, "pFo", BY_FLAGS, 1),       CALL(creat, "po", ALWAYS, 0),
    CALL(rename, "pp", ALWAYS, 0),        CALL(link, "pp", ALWAYS, 0),
    CALL(symlink, "sp", ALWAYS, 0),       CALL(unlink, "p", ALWAYS, 0),
    CALL(mkdir, "po", ALWAYS, 0),         CALL(rmdir, "p", ALWAYS, 0),
    CALL(mknod, "po", ALWAYS, 0),         CALL(chmod, "po", ALWAYS, 0),
    CALL(chown, "pnn", ALWAYS, 0),        CALL(lchown, "pnn", ALWAYS, 0),
    CALL(utime, "p", ALWAYS, 0),          CALL(utimes, "p", ALWAYS, 0),
    CALL(futimesat, "dp", ALWAYS, 0),
#endif
    CALL(openat, "dpFo", BY_FLAGS, 2),    CALL(openat2, "dpH", BY_OPEN_HOW, 2),
    CALL(write, "f.n", BY_FD, 0),         CALL(pwrite64, "f.nn", BY_FD, 0),
    CALL(writev, "f.n", BY_FD, 0),        CALL(pwritev, "f.nn", BY_FD, 0),
    CALL(pwritev2, "f.nn.x", BY_FD, 0),   CALL(sendfile, "ff.n", BY_FD, 0),
    CALL(splice, "f.f.nx", BY_FD, 2),     CALL(copy_file_range, "f.f.nx", BY_FD, 2),
    CALL(ioctl, "fx", BY_CLONE, 1),
#ifdef SYS_renameat
    CALL(renameat, "dpdp", ALWAYS, 0),
#endif
    CALL(renameat2, "dpdpx", ALWAYS, 0),  CALL(linkat, "dpdpx", ALWAYS, 0),
    CALL(symlinkat, "sdp", ALWAYS, 0),    CALL(unlinkat, "dpx", ALWAYS, 0),
    CALL(mkdirat, "dpo", ALWAYS, 0),      CALL(mknodat, "dpo", ALWAYS, 0),
    CALL(truncate, "pn", ALWAYS, 0),      CALL(ftruncate, "fn", ALWAYS, 0),
    CALL(fallocate, "fxnn", ALWAYS, 0),   CALL(fsync, "f", ALWAYS, 0),
    CALL(fdatasync, "f", ALWAYS, 0),      CALL(sync, "", ALWAYS, 0),
    CALL(syncfs, "f", ALWAYS, 0),         CALL(sync_file_range, "fnnx", ALWAYS, 0),
    CALL(setxattr, "ps.n", ALWAYS, 0),    CALL(lsetxattr, "ps.n", ALWAYS, 0),
    CALL(fsetxattr, "fs.n", ALWAYS, 0),   CALL(removexattr, "ps", ALWAYS, 0),
    CALL(lremovexattr, "ps", ALWAYS, 0),  CALL(fremovexattr, "fs", ALWAYS, 0),
    CALL(fchmod, "fo", ALWAYS, 0),        CALL(fchmodat, "dpo", ALWAYS, 0),
    CALL(fchown, "fnn", ALWAYS, 0),       CALL(fchownat, "dpnnx", ALWAYS, 0),
    CALL(utimensat, "dp.x", ALWAYS, 0),   CALL(read, "f.n", BY_SOCKET, 0),
    CALL(readv, "f.n", BY_SOCKET, 0),     CALL(sendto, "f.nx", BY_SOCKET, 0),
    CALL(sendmsg, "f.x", BY_SOCKET, 0),   CALL(sendmmsg, "f.nx", BY_SOCKET, 0),
    CALL(recvfrom, "f.nx", BY_SOCKET, 0), CALL(recvmsg, "f.x", BY_SOCKET, 0),
    CALL(recvmmsg, "f.nx", BY_SOCKET, 0),
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

enum mode { COUNT, BEFORE, AFTER, FAIL };

/* A counted call under way in a thread. */
struct thread {
    pid_t tid;
    uint64_t number; /* 0: none */
    bool failing;
    struct buf text;
    struct thread *next;
};

struct killat {
    enum mode mode;
    uint64_t at;
    int error;
    bool from, sockets, verbose;
    const regex_t *only, *path;
    FILE *out;
    pid_t command;
    int status; /* of the command */
    bool started, killed, warned;
    uint64_t count;
    struct thread *threads;
};

static struct thread *thread_of(struct killat *k, pid_t tid)
{
    struct thread *t;

    for (t = k->threads; t != NULL; t = t->next)
        if (t->tid == tid)
            return t;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        tool_die(errno, "thread %ld", (long)tid);
    t->tid = tid;
    t->next = k->threads;
    k->threads = t;
    return t;
}

static void thread_forget(struct killat *k, pid_t tid)
{
    for (struct thread **p = &k->threads; *p != NULL; p = &(*p)->next) {
        struct thread *t = *p;
        if (t->tid != tid)
            continue;
        *p = t->next;
        buf_free(&t->text);
        free(t);
        return;
    }
}

/* Reads up to n octets of the tracee; short where its memory ends. */
static size_t peek(pid_t tid, uint64_t address, void *to, size_t n)
{
    struct iovec local = {to, n}, remote = {(void *)(uintptr_t)address, n};
    ssize_t got = process_vm_readv(tid, &local, 1, &remote, 1, 0);

    return got < 0 ? 0 : (size_t)got;
}

/* A string of the tracee, page by page, because the page behind it may not exist. */
static void peek_string(pid_t tid, uint64_t address, struct buf *out)
{
    char piece[4096];

    for (size_t total = 0; total < PATH_MAX;) {
        size_t want = sizeof(piece) - (size_t)(address % sizeof(piece));
        size_t got = peek(tid, address, piece, want);
        size_t end = span_find((struct span){piece, got}, '\0');
        buf_add(out, piece, end);
        if (end < want)
            return;
        total += want;
        address += want;
    }
}

/* The target of one of the links that /proc has for a tracee. */
static void add_link(pid_t tid, const char *what, int fd, struct buf *out)
{
    char name[64], target[PATH_MAX];

    if (fd >= 0)
        snprintf(name, sizeof(name), "/proc/%ld/%s/%d", (long)tid, what, fd);
    else
        snprintf(name, sizeof(name), "/proc/%ld/%s", (long)tid, what);
    ssize_t n = readlink(name, target, sizeof(target));
    if (n > 0)
        tool_add_printable(out, (struct span){target, (size_t)n});
    else
        buf_adds(out, "?");
}

/* A path as the kernel will take it: absolute, or below the directory `at`. */
static void add_path(pid_t tid, int at, uint64_t address, struct buf *out)
{
    struct buf path = {0};

    peek_string(tid, address, &path);
    if (path.len == 0 || path.data[0] != '/') {
        add_link(tid, at == AT_FDCWD ? "cwd" : "fd", at == AT_FDCWD ? -1 : at, out);
        if (path.len > 0)
            buf_addc(out, '/');
    }
    tool_add_printable(out, BUF_SPAN(&path));
    buf_free(&path);
}

static void add_string(pid_t tid, int at, uint64_t address, struct buf *out)
{
    struct buf text = {0};

    (void)at;
    peek_string(tid, address, &text);
    tool_add_printable(out, BUF_SPAN(&text));
    buf_free(&text);
}

static void add_fd(pid_t tid, int at, uint64_t value, struct buf *out)
{
    (void)at;
    buf_printf(out, "%d:", (int)value);
    add_link(tid, "fd", (int)value, out);
}

static void add_open_flags(pid_t tid, int at, uint64_t value, struct buf *out)
{
    static const char *const access[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    static const struct {
        uint64_t bits;
        const char *name;
    } known[] = {
        {O_CREAT, "O_CREAT"},     {O_EXCL, "O_EXCL"},         {O_TRUNC, "O_TRUNC"},
        {O_APPEND, "O_APPEND"},   {O_TMPFILE, "O_TMPFILE"},   {O_DIRECTORY, "O_DIRECTORY"},
        {O_SYNC, "O_SYNC"},       {O_DSYNC, "O_DSYNC"},       {O_NOFOLLOW, "O_NOFOLLOW"},
        {O_CLOEXEC, "O_CLOEXEC"}, {O_NONBLOCK, "O_NONBLOCK"},
    };

    (void)tid;
    (void)at;
    buf_adds(out, access[value & O_ACCMODE]);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if ((value & known[i].bits) != known[i].bits)
            continue;
        buf_printf(out, "|%s", known[i].name);
        value &= ~known[i].bits; /* O_TMPFILE and O_SYNC hold the bits of a lesser flag */
    }
}

static uint64_t open_how_flags(pid_t tid, uint64_t address)
{
    uint64_t flags = 0;

    return peek(tid, address, &flags, sizeof(flags)) == sizeof(flags) ? flags : 0;
}

static void add_open_how(pid_t tid, int at, uint64_t address, struct buf *out)
{
    add_open_flags(tid, at, open_how_flags(tid, address), out);
}

static void add_mode(pid_t tid, int at, uint64_t value, struct buf *out)
{
    (void)tid;
    (void)at;
    buf_printf(out, "0%o", (unsigned)value);
}

static void add_number(pid_t tid, int at, uint64_t value, struct buf *out)
{
    (void)tid;
    (void)at;
    buf_printf(out, "%lld", (long long)value);
}

static void add_flags(pid_t tid, int at, uint64_t value, struct buf *out)
{
    (void)tid;
    (void)at;
    buf_printf(out, "0x%llx", (unsigned long long)value);
}

/* "name arguments", one blank between. */
static void describe(pid_t tid, const struct call *c, const uint64_t *arg, struct buf *out)
{
    static const struct {
        char letter;
        void (*add)(pid_t, int, uint64_t, struct buf *);
    } forms[] = {
        {'p', add_path}, {'s', add_string}, {'f', add_fd},    {'F', add_open_flags},
        {'o', add_mode}, {'n', add_number}, {'x', add_flags}, {'H', add_open_how},
    };
    int at = AT_FDCWD;

    buf_clear(out);
    buf_adds(out, c->name);
    for (size_t i = 0; c->args[i] != '\0'; i++) {
        for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
            if (forms[f].letter != c->args[i])
                continue;
            buf_addc(out, ' ');
            forms[f].add(tid, at, arg[i], out);
        }
        at = c->args[i] == 'd' ? (int)arg[i] : AT_FDCWD;
    }
}

/* What a descriptor of the tracee is (S_IFMT bits); 0 when it is not open. */
static unsigned fd_type(pid_t tid, int fd)
{
    char name[64];
    struct stat st;

    snprintf(name, sizeof(name), "/proc/%ld/fd/%d", (long)tid, fd);
    if (stat(name, &st) == 0)
        return st.st_mode & S_IFMT;
    if (errno == EACCES || errno == EPERM)
        tool_die(errno, "cannot see the descriptors of process %ld (not dumpable?): run as root",
                 (long)tid);
    return 0;
}

static bool open_changes(uint64_t flags)
{
    return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool changes(const struct killat *k, pid_t tid, const struct call *c, const uint64_t *arg)
{
    unsigned type;

    switch (c->when) {
    case ALWAYS:
        return true;
    case BY_FLAGS:
        return open_changes(arg[c->at]);
    case BY_OPEN_HOW:
        return open_changes(open_how_flags(tid, arg[c->at]));
    case BY_CLONE:
        return (uint32_t)arg[c->at] == FICLONE || (uint32_t)arg[c->at] == FICLONERANGE;
    case BY_FD:
        type = fd_type(tid, (int)arg[c->at]);
        return type == S_IFREG || type == S_IFDIR || (k->sockets && type == S_IFSOCK);
    case BY_SOCKET:
        return k->sockets && fd_type(tid, (int)arg[c->at]) == S_IFSOCK;
    }
    return false;
}

/* The registers of a tracee that stands at a system call: take the call away, set its result. */
#ifdef __x86_64__
static bool skip_call(pid_t tid)
{
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, orig_rax), -1L) == 0;
}

static bool set_result(pid_t tid, long result)
{
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax), result) == 0;
}
#else
static bool skip_call(pid_t tid)
{
    int none = -1;
    struct iovec v = {&none, sizeof(none)};

    return ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &v) == 0;
}

static bool set_result(pid_t tid, long result)
{
    struct user_regs_struct r;
    struct iovec v = {&r, sizeof(r)};

    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v) != 0)
        return false;
    r.regs[0] = (unsigned long long)result;
    return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &v) == 0;
}
#endif

/* SIGKILL to every process of the tree; one that a fork is just making is met by its first stop. */
static void kill_all(struct killat *k, struct thread *at, const char *word)
{
    struct thread *t;

    fprintf(k->out, "killed %s %llu %s\n", word, (unsigned long long)at->number,
            buf_str(&at->text));
    k->killed = true;
    for (t = k->threads; t != NULL; t = t->next)
        kill(t->tid, SIGKILL);
}

/* The call of this number, or NULL; complains of what cannot be followed. */
static const struct call *call_of(struct killat *k, pid_t tid,
                                  const struct __ptrace_syscall_info *info)
{
    if (info->arch != (uint32_t)NATIVE_ARCH)
        tool_die(0, "process %ld makes calls of another architecture", (long)tid);
    if (info->entry.nr == SYS_io_uring_setup && !k->warned) {
        fprintf(stderr, "killat: process %ld uses io_uring, which is not seen\n", (long)tid);
        k->warned = true;
    }
    for (size_t i = 0; i < CALLS; i++)
        if ((uint64_t)calls[i].number == info->entry.nr)
            return &calls[i];
    return NULL;
}

static void call_begins(struct killat *k, struct thread *t,
                        const struct __ptrace_syscall_info *info)
{
    const struct call *c = call_of(k, t->tid, info);
    const uint64_t *arg = info->entry.args;

    t->number = 0;
    if (c == NULL || (k->only && regexec(k->only, c->name, 0, NULL, 0) != 0) ||
        !changes(k, t->tid, c, arg))
        return;
    describe(t->tid, c, arg, &t->text);
    if (k->path && regexec(k->path, buf_str(&t->text), 0, NULL, 0) != 0)
        return;
    t->number = ++k->count;
    bool hit = t->number == k->at || (k->from && t->number > k->at);
    if (!hit || k->mode == COUNT || k->mode == AFTER)
        return;
    if (!skip_call(t->tid))
        tool_die(errno, "cannot take call %llu away", (unsigned long long)t->number);
    if (k->mode == BEFORE)
        kill_all(k, t, "before");
    else
        t->failing = true;
}

static void call_ends(struct killat *k, struct thread *t, const struct __ptrace_syscall_info *info)
{
    if (t->number == 0)
        return;
    long long result = t->failing ? -(long long)k->error : (long long)info->exit.rval;
    if (t->failing && !set_result(t->tid, -(long)k->error))
        tool_die(errno, "cannot let call %llu fail", (unsigned long long)t->number);
    if (k->verbose || (t->failing && t->number == k->at)) {
        fprintf(k->out, "%s%llu %s = ", t->failing ? "failed " : "", (unsigned long long)t->number,
                buf_str(&t->text));
        if (result < 0 && result >= -4095 && strerrorname_np((int)-result))
            fprintf(k->out, "-%s\n", strerrorname_np((int)-result));
        else
            fprintf(k->out, "%lld\n", result);
    }
    if (k->mode == AFTER && t->number == k->at)
        kill_all(k, t, "after");
    t->number = 0;
    t->failing = false;
}

static void syscall_stop(struct killat *k, pid_t tid)
{
    struct __ptrace_syscall_info info = {0};

    if (!k->started || ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        call_begins(k, thread_of(k, tid), &info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        call_ends(k, thread_of(k, tid), &info);
}

/* execve by a thread that is not the first makes it the first: its own id is gone. */
static void exec_stop(struct killat *k, pid_t tid)
{
    unsigned long former;

    if (tid == k->command)
        k->started = true;
    if (ptrace(PTRACE_GETEVENTMSG, tid, 0, &former) == 0 && (pid_t)former != tid)
        thread_forget(k, (pid_t)former);
}

/* A tracee stopped: looks why, and lets it go on. */
static void stopped(struct killat *k, pid_t tid, int status)
{
    int signal = WSTOPSIG(status), event = status >> 16;
    long go = PTRACE_SYSCALL, deliver = 0;

    thread_of(k, tid);
    if (k->killed) {
        kill(tid, SIGKILL);
        return;
    }
    if (signal == SYSCALL_STOP)
        syscall_stop(k, tid);
    else if (event == PTRACE_EVENT_EXEC)
        exec_stop(k, tid);
    else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
        go = PTRACE_LISTEN; /* stopped by job control until SIGCONT */
    else if (event == 0)
        deliver = signal;
    /* A tracee that was killed meanwhile is not there any more; its end will be reported. */
    if (!k->killed && ptrace((enum __ptrace_request)go, tid, 0, deliver) != 0 && errno != ESRCH)
        tool_die(errno, "cannot go on with process %ld", (long)tid);
}

static void ended(struct killat *k, pid_t tid, int status)
{
    thread_forget(k, tid);
    if (tid == k->command)
        k->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Follows the tree until nothing of it is left. `wake` holds SIGCHLD and the signals to pass on. */
static void follow(struct killat *k, const sigset_t *wake)
{
    int status;

    for (;;) {
        pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
        if (tid < 0 && errno == ECHILD)
            return;
        if (tid < 0)
            tool_die(errno, "waitpid");
        if (tid == 0) {
            int signal = sigwaitinfo(wake, NULL);
            if (signal > 0 && signal != SIGCHLD)
                kill(k->command, signal);
        } else if (WIFSTOPPED(status)) {
            stopped(k, tid, status);
        } else {
            ended(k, tid, status);
        }
    }
}

/* Starts the command, held back until it is traced. */
static void start(struct killat *k, char **argv, const sigset_t *mask)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC |
                         PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
    int gate[2], status;
    char c;

    if (pipe2(gate, O_CLOEXEC) != 0 || (k->command = fork()) < 0)
        tool_die(errno, "cannot start %s", argv[0]);
    if (k->command == 0) {
        close(gate[1]);
        sigprocmask(SIG_SETMASK, mask, NULL);
        if (read(gate[0], &c, 1) != 1)
            _exit(TOOL_BROKEN);
        execvp(argv[0], argv);
        fprintf(stderr, "killat: cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
    }
    close(gate[0]);
    if (ptrace(PTRACE_SEIZE, k->command, 0, options) != 0 ||
        ptrace(PTRACE_INTERRUPT, k->command, 0, 0) != 0 ||
        waitpid(k->command, &status, __WALL) != k->command || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SYSCALL, k->command, 0, 0) != 0 || write(gate[1], "", 1) != 1)
        tool_die(errno, "cannot trace");
    close(gate[1]);
}

static void usage(void)
{
    puts("usage: killat [-v] [-o FILE] [--only REGEX] [--path REGEX] [--socket]\n"
         "              count | before N | after N | fail N ERRNO [once|from]  -- CMD...");
}

static void compile(regex_t *r, const char *option, const char *text, bool whole)
{
    struct buf full = {0};

    buf_printf(&full, whole ? "^(%s)$" : "%s", text);
    if (regcomp(r, buf_str(&full), REG_EXTENDED | REG_NOSUB) != 0)
        tool_die(0, "%s: \"%s\" is not a regular expression", option, text);
    buf_free(&full);
}

static int error_number(const char *text)
{
    uint64_t value;

    for (int e = 1; e < 256; e++)
        if (strerrorname_np(e) && strcmp(strerrorname_np(e), text) == 0)
            return e;
    if (span_number(span_of(text), 4095, &value) && value > 0)
        return (int)value;
    tool_die(0, "\"%s\" is not an error number or name such as ENOSPC", text);
}

/* The words between the options and "--". */
static void read_words(struct killat *k, int n, char **word)
{
    static const struct {
        const char *name;
        enum mode mode;
        int least, most; /* words, itself included */
    } modes[] = {{"count", COUNT, 1, 1},
                 {"before", BEFORE, 2, 2},
                 {"after", AFTER, 2, 2},
                 {"fail", FAIL, 3, 4}};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (n < modes[i].least || n > modes[i].most || strcmp(word[0], modes[i].name) != 0)
            continue;
        k->mode = modes[i].mode;
        if (n > 1)
            k->at = tool_number(word[0], word[1], UINT64_MAX);
        if (n > 2)
            k->error = error_number(word[2]);
        if (n > 3)
            k->from = strcmp(word[3], "from") == 0;
        if (n <= 3 || k->from || strcmp(word[3], "once") == 0)
            return;
    }
    usage();
    exit(TOOL_BROKEN);
}

/* Reads what stands before "--"; returns the command behind it. */
static char **read_options(struct killat *k, int argc, char **argv, regex_t regex[2])
{
    static const struct option names[] = {
        {"only", required_argument, NULL, 'O'},
        {"path", required_argument, NULL, 'P'},
        {"socket", no_argument, NULL, 's'},
        {"verbose", no_argument, NULL, 'v'},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int c, own = 0;

    while (own < argc && strcmp(argv[own], "--") != 0)
        own++;
    while ((c = getopt_long(own, argv, "vo:h", names, NULL)) != -1) {
        if (c == 'O') {
            compile(&regex[0], "--only", optarg, true);
            k->only = &regex[0];
        } else if (c == 'P') {
            compile(&regex[1], "--path", optarg, false);
            k->path = &regex[1];
        } else if (c == 'o') {
            k->out = fopen(optarg, "we");
            if (k->out == NULL)
                tool_die(errno, "cannot write %s", optarg);
        } else if (c == 's') {
            k->sockets = true;
        } else if (c == 'v') {
            k->verbose = true;
        } else {
            usage();
            exit(c == 'h' ? 0 : TOOL_BROKEN);
        }
    }
    if (own + 1 >= argc)
        tool_die(0, "no command behind \"--\"; see --help");
    read_words(k, own - optind, argv + optind);
    return argv + own + 1;
}

int main(int argc, char **argv)
{
    struct killat k = {.out = stdout};
    regex_t regex[2];
    sigset_t wake, mask;

    char **command = read_options(&k, argc, argv, regex);
    sigemptyset(&wake);
    sigaddset(&wake, SIGCHLD);
    sigaddset(&wake, SIGTERM);
    sigaddset(&wake, SIGINT);
    sigaddset(&wake, SIGHUP);
    sigprocmask(SIG_BLOCK, &wake, &mask);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans of the tree are ours to reap */
    start(&k, command, &mask);
    follow(&k, &wake);
    if (k.mode == COUNT)
        fprintf(k.out, "%llu\n", (unsigned long long)k.count);
    else if (!k.killed && k.count < k.at)
        fprintf(k.out, "ended after %llu calls, before call %llu\n", (unsigned long long)k.count,
                (unsigned long long)k.at);
    if (fclose(k.out) != 0)
        tool_die(errno, "cannot write the report");
    if (k.only)
        regfree(&regex[0]);
    if (k.path)
        regfree(&regex[1]);
    return k.killed ? KILLED_STATUS : k.status;
}
