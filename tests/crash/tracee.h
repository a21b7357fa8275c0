/* Looking into a stopped tracee: its strings, descriptors and paths, a call in words, and what its
 * registers hold. For killat alone. */
#ifndef SPOOLMAIL_TESTS_TRACEE_H
#define SPOOLMAIL_TESTS_TRACEE_H

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "tests/crash/calls.h"
#include "tests/tools/tool.h"

#ifdef __x86_64__
enum { NATIVE_ARCH = (int)AUDIT_ARCH_X86_64 };
#else
enum { NATIVE_ARCH = (int)AUDIT_ARCH_AARCH64 };
#endif

/* Reads up to n octets of the tracee; short where its memory ends. */
static inline size_t peek(pid_t tid, uint64_t address, void *to, size_t n)
{
    struct iovec local = {to, n}, remote = {(void *)(uintptr_t)address, n};
    ssize_t got = process_vm_readv(tid, &local, 1, &remote, 1, 0);

    return got < 0 ? 0 : (size_t)got;
}

/* A string of the tracee, page by page, because the page behind it may not exist. */
static inline void peek_string(pid_t tid, uint64_t address, struct buf *out)
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
static inline void add_link(pid_t tid, const char *what, int fd, struct buf *out)
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
static inline void add_path(pid_t tid, int at, uint64_t address, struct buf *out)
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

static inline void add_string(pid_t tid, int at, uint64_t address, struct buf *out)
{
    struct buf text = {0};

    (void)at;
    peek_string(tid, address, &text);
    tool_add_printable(out, BUF_SPAN(&text));
    buf_free(&text);
}

static inline void add_fd(pid_t tid, int at, uint64_t value, struct buf *out)
{
    (void)at;
    buf_printf(out, "%d:", (int)value);
    add_link(tid, "fd", (int)value, out);
}

static inline void add_open_flags(pid_t tid, int at, uint64_t value, struct buf *out)
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

static inline uint64_t open_how_flags(pid_t tid, uint64_t address)
{
    uint64_t flags = 0;

    return peek(tid, address, &flags, sizeof(flags)) == sizeof(flags) ? flags : 0;
}

static inline void add_open_how(pid_t tid, int at, uint64_t address, struct buf *out)
{
    add_open_flags(tid, at, open_how_flags(tid, address), out);
}

static inline void add_mode(pid_t tid, int at, uint64_t value, struct buf *out)
{
    (void)tid;
    (void)at;
    buf_printf(out, "0%o", (unsigned)value);
}

static inline void add_number(pid_t tid, int at, uint64_t value, struct buf *out)
{
    (void)tid;
    (void)at;
    buf_printf(out, "%lld", (long long)value);
}

static inline void add_flags(pid_t tid, int at, uint64_t value, struct buf *out)
{
    (void)tid;
    (void)at;
    buf_printf(out, "0x%llx", (unsigned long long)value);
}

/* "name arguments", one blank between. */
static inline void describe(pid_t tid, const struct call *c, const uint64_t *arg, struct buf *out)
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
static inline unsigned fd_type(pid_t tid, int fd)
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

static inline bool open_changes(uint64_t flags)
{
    return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

/* Does this call, with these arguments, do what its row of the table is for? */
static inline bool call_counts(pid_t tid, const struct call *c, const uint64_t *arg)
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
        return type == S_IFREG || type == S_IFDIR;
    case BY_SOCKET:
        return fd_type(tid, (int)arg[c->at]) == S_IFSOCK;
    }
    return false;
}

/* The registers of a tracee that stands at a system call: take the call away, set its result or
 * its third argument. */
#ifdef __x86_64__
static inline bool skip_call(pid_t tid)
{
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, orig_rax), -1L) == 0;
}

static inline bool set_result(pid_t tid, long result)
{
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax), result) == 0;
}

static inline bool set_third(pid_t tid, uint64_t value)
{
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rdx), value) == 0;
}
#else
static inline bool skip_call(pid_t tid)
{
    int none = -1;
    struct iovec v = {&none, sizeof(none)};

    return ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &v) == 0;
}

static inline bool set_register(pid_t tid, int which, uint64_t value)
{
    struct user_regs_struct r;
    struct iovec v = {&r, sizeof(r)};

    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v) != 0)
        return false;
    r.regs[which] = value;
    return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &v) == 0;
}

static inline bool set_result(pid_t tid, long result)
{
    return set_register(tid, 0, (uint64_t)result);
}

static inline bool set_third(pid_t tid, uint64_t value)
{
    return set_register(tid, 2, value);
}
#endif

#endif
