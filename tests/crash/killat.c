/* killat: runs a command under ptrace and counts its system calls, kills at one, or makes it fail.
 *
 *     killat [OPTION]... count                       -- CMD...
 *                        before N | after N          -- CMD...
 *                        fail N ERRNO [once|from]    -- CMD...
 *                        short N [once|from]         -- CMD...
 *
 * All threads and children of the command are followed; calls are numbered from 1 in the order in
 * which they begin, whether they succeed or not. `before` and `after` kill the whole tree with
 * SIGKILL at the Nth call and exit with 137; the call is then certainly not, respectively wholly,
 * done. `fail` lets the call return ERRNO without doing it, `short` lets a write take half of its
 * octets. Otherwise the exit status is the command's, 128 + signal if one ended it.
 *
 * --group change,open,read,fork,socket: which calls are numbered (calls.h; `change` without it);
 * --socket: change and socket. --only REGEX: those whose whole name it matches. --path REGEX: those
 * whose line, as -v shows it, it matches. --begin REGEX: none before the first whose line it
 * matches. --limit SECONDS: then the tree is killed, exit status 124. --shutdown DIR=FLAGS: in the
 * moment of the kill (`count`: of the command's end) the file system of DIR is shut down by
 * FS_IOC_SHUTDOWN, as a power cut would.
 * -t: the lines of -v end with " @" and who called. -o FILE: the report goes there. SIGTERM, SIGINT
 * and SIGHUP are passed on to the command.
 *
 * It cannot see changes through a shared mapping or io_uring, and says so of the latter. x86-64 and
 * aarch64. A tracee that is not dumpable can be looked into only by root; one built with
 * LeakSanitizer needs ASAN_OPTIONS=detect_leaks=0, because that would trace as well. The tree runs
 * with no_new_privs unless killat may do without (CAP_SYS_ADMIN). */
#include <getopt.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <regex.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/crash/tracee.h"

#ifndef FS_IOC_SHUTDOWN
#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#endif

enum { KILLED_STATUS = 128 + SIGKILL, LIMIT_STATUS = 124, SYSCALL_STOP = SIGTRAP | 0x80 };

enum mode { COUNT, BEFORE, AFTER, FAIL, SHORT };

/* A counted call under way in a thread. */
struct thread {
    pid_t tid;
    uint64_t number; /* 0: none */
    bool hiding;     /* from who is not root: it only believes so */
    bool failing;    /* it gets the error as its result */
    uint64_t octets; /* what a shortened write was to write; 0: not shortened */
    struct buf text;
    struct thread *next;
};

struct killat {
    enum mode mode;
    uint64_t at, limit;
    int error;
    unsigned groups; /* of enum group */
    bool from, verbose, callers;
    const regex_t *only, *path;
    const regex_t *begin; /* NULL: it has begun */
    int victim;           /* a directory on the file system to shut down; -1: none */
    uint32_t victim_flags;
    FILE *out;
    pid_t command;
    int status; /* of the command */
    bool started, killed, late, warned;
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

/* SIGKILL to every process of the tree; one that a fork is just making is met by its first stop. */
static void kill_all(struct killat *k)
{
    k->killed = true;
    for (const struct thread *t = k->threads; t != NULL; t = t->next)
        kill(t->tid, SIGKILL);
}

static void shut_down(const struct killat *k)
{
    if (k->victim >= 0 && ioctl(k->victim, FS_IOC_SHUTDOWN, &k->victim_flags) != 0)
        tool_die(errno, "cannot shut the file system down");
}

static void kill_at(struct killat *k, struct thread *at, const char *word)
{
    shut_down(k);
    fprintf(k->out, "killed %s %llu %s\n", word, (unsigned long long)at->number,
            buf_str(&at->text));
    kill_all(k);
}

/* The row of the table by which this call counts, or NULL; complains of what cannot be followed. */
static const struct call *call_of(struct killat *k, pid_t tid, uint64_t number, const uint64_t *arg)
{
    if (number == SYS_io_uring_setup && !k->warned) {
        fprintf(stderr, "killat: process %ld uses io_uring, which is not seen\n", (long)tid);
        k->warned = true;
    }
    for (size_t i = 0; i < CALLS; i++) {
        const struct call *c = &calls[i];
        if ((uint64_t)c->number == number && (c->group & k->groups) != 0 &&
            (k->only == NULL || regexec(k->only, c->name, 0, NULL, 0) == 0) &&
            call_counts(tid, c, arg))
            return c;
    }
    return NULL;
}

static bool matches(const regex_t *regex, struct buf *text)
{
    return regex == NULL || regexec(regex, buf_str(text), 0, NULL, 0) == 0;
}

/* What happens to the call that was meant. */
static void strike(struct killat *k, struct thread *t, const uint64_t *arg)
{
    bool done = true;

    if (k->mode == BEFORE) {
        done = skip_call(t->tid);
        kill_at(k, t, "before");
    } else if (k->mode == FAIL) {
        t->failing = true;
        done = skip_call(t->tid);
    } else if (k->mode == SHORT && arg[2] > 1) {
        t->octets = arg[2];
        done = set_third(t->tid, arg[2] / 2);
    }
    if (!done)
        tool_die(errno, "cannot alter call %llu", (unsigned long long)t->number);
}

/* A jailed program hides from whoever is not root; here it must not. */
static bool hides(uint64_t number, const uint64_t *arg)
{
    return number == SYS_prctl && arg[0] == PR_SET_DUMPABLE && arg[1] == 0 && geteuid() != 0;
}

/* Returns whether its end must be seen. */
static bool call_begins(struct killat *k, struct thread *t, uint64_t number, const uint64_t *arg)
{
    t->number = 0;
    if (hides(number, arg)) {
        t->hiding = skip_call(t->tid);
        return t->hiding;
    }
    const struct call *c = call_of(k, t->tid, number, arg);
    if (c == NULL)
        return false;
    describe(t->tid, c, arg, &t->text);
    if (!matches(k->begin, &t->text))
        return false;
    k->begin = NULL;
    if (!matches(k->path, &t->text))
        return false;
    t->number = ++k->count;
    if (k->mode != COUNT && (t->number == k->at || (k->from && t->number > k->at)))
        strike(k, t, arg);
    return k->verbose || t->failing || t->octets > 0 || t->number == k->at;
}

static void show_result(const struct killat *k, struct thread *t, long long result)
{
    fprintf(k->out, "%s%llu %s = ",
            t->failing      ? "failed "
            : t->octets > 0 ? "short "
                            : "",
            (unsigned long long)t->number, buf_str(&t->text));
    if (result < 0 && result >= -4095 && strerrorname_np((int)-result))
        fprintf(k->out, "-%s", strerrorname_np((int)-result));
    else
        fprintf(k->out, "%lld", result);
    if (k->callers)
        fprintf(k->out, " @%ld", (long)t->tid);
    fputc('\n', k->out);
}

static void call_ends(struct killat *k, struct thread *t, long long result)
{
    bool struck = t->failing || t->octets > 0;

    if (t->hiding && !set_result(t->tid, 0))
        tool_die(errno, "cannot keep process %ld from hiding", (long)t->tid);
    t->hiding = false;
    if (t->number == 0)
        return;
    if (t->failing) {
        result = -(long long)k->error;
        if (!set_result(t->tid, (long)result))
            tool_die(errno, "cannot let call %llu fail", (unsigned long long)t->number);
    }
    /* The caller may count on the register that held the argument. */
    if (t->octets > 0 && !set_third(t->tid, t->octets))
        tool_die(errno, "cannot give call %llu its argument back", (unsigned long long)t->number);
    if (k->verbose || (struck && t->number == k->at))
        show_result(k, t, result);
    if (k->mode == AFTER && t->number == k->at)
        kill_at(k, t, "after");
    t->number = t->octets = 0;
    t->failing = false;
}

/* A stop at the begin (by the filter) or the end of a call. How the tracee is to go on. */
static enum __ptrace_request at_call(struct killat *k, pid_t tid)
{
    struct __ptrace_syscall_info info = {0};
    uint64_t arg[6];

    if (!k->started || ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0)
        return PTRACE_CONT;
    if (info.arch != (uint32_t)NATIVE_ARCH)
        tool_die(0, "process %ld makes calls of another architecture", (long)tid);
    if (info.op == PTRACE_SYSCALL_INFO_SECCOMP) {
        memcpy(arg, info.seccomp.args, sizeof(arg));
        return call_begins(k, thread_of(k, tid), info.seccomp.nr, arg) ? PTRACE_SYSCALL
                                                                       : PTRACE_CONT;
    }
    if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        call_ends(k, thread_of(k, tid), info.exit.rval);
    return PTRACE_CONT;
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
    enum __ptrace_request go = PTRACE_CONT;
    long deliver = 0;

    thread_of(k, tid);
    if (k->killed) {
        kill(tid, SIGKILL);
        return;
    }
    if (signal == SYSCALL_STOP || event == PTRACE_EVENT_SECCOMP)
        go = at_call(k, tid);
    else if (event == PTRACE_EVENT_EXEC)
        exec_stop(k, tid);
    else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
        go = PTRACE_LISTEN; /* stopped by job control until SIGCONT */
    else if (event == 0)
        deliver = signal;
    /* A tracee that was killed meanwhile is not there any more; its end will be reported. */
    if (!k->killed && ptrace(go, tid, 0, deliver) != 0 && errno != ESRCH)
        tool_die(errno, "cannot go on with process %ld", (long)tid);
}

static void ended(struct killat *k, pid_t tid, int status)
{
    thread_forget(k, tid);
    if (tid == k->command)
        k->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void took_signal(struct killat *k, int signal)
{
    if (signal == SIGALRM) {
        k->late = true;
        fprintf(k->out, "not ended after %llu seconds and %llu calls\n",
                (unsigned long long)k->limit, (unsigned long long)k->count);
        kill_all(k);
    } else if (signal > 0 && signal != SIGCHLD) {
        kill(k->command, signal);
    }
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
        if (tid == 0)
            took_signal(k, sigwaitinfo(wake, NULL));
        else if (WIFSTOPPED(status))
            stopped(k, tid, status);
        else
            ended(k, tid, status);
    }
}

/* A filter that stops the tree at the calls of the wanted groups, and nowhere else. */
static bool install_filter(unsigned groups)
{
    struct sock_filter code[2 * CALLS + 8];
    struct sock_fprog program = {0, code};
    size_t n = 0;

    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 1, 0);
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    for (size_t i = 0; i < CALLS; i++) {
        if ((calls[i].group & groups) == 0)
            continue;
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                 (uint32_t)calls[i].number, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = (unsigned short)n;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ||
           (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* What is struck while it writes what it counted of its branches would spoil the counts of all. */
static void count_apart(void)
{
#ifdef SPOOLMAIL_COVERAGE
    char folder[4096];

    snprintf(folder, sizeof(folder), "%s/struck",
             getenv("BUILD") == NULL ? "/tmp" : getenv("BUILD"));
    setenv("GCOV_PREFIX", folder, 1);
#endif
}

/* Starts the command, held back until it is traced. */
static void start(struct killat *k, char **argv, const sigset_t *mask)
{
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL |
                         PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                         PTRACE_O_TRACECLONE;
    int gate[2];
    char c;

    if (pipe2(gate, O_CLOEXEC) != 0 || (k->command = fork()) < 0)
        tool_die(errno, "cannot start %s", argv[0]);
    if (k->command == 0) {
        close(gate[1]);
        sigprocmask(SIG_SETMASK, mask, NULL);
        if (read(gate[0], &c, 1) != 1)
            _exit(TOOL_BROKEN);
        if (!install_filter(k->groups))
            tool_die(errno, "seccomp");
        count_apart();
        execvp(argv[0], argv);
        fprintf(stderr, "killat: cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
    }
    close(gate[0]);
    if (ptrace(PTRACE_SEIZE, k->command, 0, options) != 0 || write(gate[1], "", 1) != 1)
        tool_die(errno, "cannot trace");
    close(gate[1]);
    if (k->limit > 0)
        alarm((unsigned)k->limit);
}

static void usage(void)
{
    puts("usage: killat [-v] [-t] [-o FILE] [--group change,open,read,fork,socket] [--socket]\n"
         "              [--only REGEX] [--path REGEX] [--begin REGEX] [--limit SECONDS]\n"
         "              [--shutdown DIR=FLAGS]\n"
         "              count | before N | after N | fail N ERRNO [once|from] |\n"
         "              short N [once|from]  -- CMD...");
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
                 {"fail", FAIL, 3, 4},
                 {"short", SHORT, 2, 3}};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        int most = modes[i].most, plain = modes[i].mode == FAIL || modes[i].mode == SHORT;
        if (n < modes[i].least || n > most || strcmp(word[0], modes[i].name) != 0)
            continue;
        k->mode = modes[i].mode;
        if (n > 1)
            k->at = tool_number(word[0], word[1], UINT64_MAX);
        if (k->mode == FAIL)
            k->error = error_number(word[2]);
        k->from = plain && n == most && strcmp(word[most - 1], "from") == 0;
        if (!plain || n < most || k->from || strcmp(word[most - 1], "once") == 0)
            return;
    }
    usage();
    exit(TOOL_BROKEN);
}

static unsigned read_groups(const char *text)
{
    static const struct {
        const char *name;
        enum group group;
    } groups[] = {
        {"change", CHANGE}, {"open", OPEN}, {"read", READ}, {"fork", FORK}, {"socket", SOCKET}};
    struct span word, rest = span_of(text);
    unsigned result = 0;

    while (span_cut(&rest, ',', &word)) {
        size_t i = 0, n = sizeof(groups) / sizeof(groups[0]);
        while (i < n && !span_eq(word, span_of(groups[i].name)))
            i++;
        if (i == n)
            tool_die(0, "--group: \"%s\" names an unknown group", text);
        result |= groups[i].group;
    }
    return result;
}

static void read_victim(struct killat *k, char *text)
{
    char *flags = strrchr(text, '=');

    if (flags == NULL)
        tool_die(0, "--shutdown takes DIR=FLAGS");
    *flags++ = '\0';
    k->victim_flags = (uint32_t)tool_number("--shutdown", flags, 2);
    k->victim = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k->victim < 0)
        tool_die(errno, "cannot open %s", text);
}

enum option_code { ONLY, PATH, BEGIN, GROUP, SOCKETS, LIMIT, SHUTDOWN, REGEXES = BEGIN + 1 };

static void take_option(struct killat *k, int option, regex_t regex[REGEXES])
{
    static const char *const names[REGEXES] = {"--only", "--path", "--begin"};
    const regex_t **const places[REGEXES] = {&k->only, &k->path, &k->begin};

    switch (option) {
    case ONLY:
    case PATH:
    case BEGIN:
        compile(&regex[option], names[option], optarg, option == ONLY);
        *places[option] = &regex[option];
        break;
    case GROUP:
        k->groups = read_groups(optarg);
        break;
    case SOCKETS:
        k->groups |= SOCKET;
        break;
    case LIMIT:
        k->limit = tool_number("--limit", optarg, 86400);
        break;
    case SHUTDOWN:
        read_victim(k, optarg);
        break;
    case 'o':
        k->out = fopen(optarg, "we");
        if (k->out == NULL)
            tool_die(errno, "cannot write %s", optarg);
        break;
    case 'v':
        k->verbose = true;
        break;
    case 't':
        k->callers = true;
        break;
    default:
        usage();
        exit(option == 'h' ? 0 : TOOL_BROKEN);
    }
}

/* Reads what stands before "--"; returns the command behind it. */
static char **read_options(struct killat *k, int argc, char **argv, regex_t regex[REGEXES])
{
    static const struct option names[] = {
        {"only", required_argument, NULL, ONLY},
        {"path", required_argument, NULL, PATH},
        {"begin", required_argument, NULL, BEGIN},
        {"group", required_argument, NULL, GROUP},
        {"socket", no_argument, NULL, SOCKETS},
        {"limit", required_argument, NULL, LIMIT},
        {"shutdown", required_argument, NULL, SHUTDOWN},
        {"verbose", no_argument, NULL, 'v'},
        {"callers", no_argument, NULL, 't'},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int c, own = 0;

    while (own < argc && strcmp(argv[own], "--") != 0)
        own++;
    while ((c = getopt_long(own, argv, "vto:h", names, NULL)) != -1)
        take_option(k, c, regex);
    if (own + 1 >= argc)
        tool_die(0, "no command behind \"--\"; see --help");
    read_words(k, own - optind, argv + optind);
    return argv + own + 1;
}

static void report(const struct killat *k)
{
    if (k->mode == COUNT)
        fprintf(k->out, "%llu\n", (unsigned long long)k->count);
    else if (!k->killed && k->count < k->at)
        fprintf(k->out, "ended after %llu calls, before call %llu\n", (unsigned long long)k->count,
                (unsigned long long)k->at);
    if (fclose(k->out) != 0)
        tool_die(errno, "cannot write the report");
}

int main(int argc, char **argv)
{
    static const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGALRM};
    struct killat k = {.out = stdout, .groups = CHANGE, .victim = -1};
    regex_t regex[REGEXES] = {0};
    sigset_t wake, mask;

    char **command = read_options(&k, argc, argv, regex);
    const bool used[REGEXES] = {k.only != NULL, k.path != NULL, k.begin != NULL};
    sigemptyset(&wake);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(&wake, signals[i]);
    sigprocmask(SIG_BLOCK, &wake, &mask);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans of the tree are ours to reap */
    start(&k, command, &mask);
    follow(&k, &wake);
    if (k.mode == COUNT)
        shut_down(&k);
    report(&k);
    for (int i = 0; i < REGEXES; i++)
        if (used[i])
            regfree(&regex[i]);
    if (k.late)
        return LIMIT_STATUS;
    return k.killed ? KILLED_STATUS : k.status;
}
