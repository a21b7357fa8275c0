/* See faults.h. */
#include "tests/unit/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { ERRORS_MAX = 9, ALWAYS_MAX = 2, RUNS_MAX = 4000 };

struct call {
    const char *name;
    int errors[ERRORS_MAX]; /* in turn; 0 ends them */
};

static struct {
    atomic_uint counted;
    atomic_bool on;
    unsigned at, variant; /* which call fails, and with which of its errors */
    bool from, running;
    const char *only;
    struct {
        const char *call;
        int error;
    } always[ALWAYS_MAX]; /* call NULL: none */
    const char *before;
    void (*meanwhile)(void);
    const struct fault_case *what;
    const struct call *_Atomic call; /* the one that was reached */
    struct fault fault;
} plan;

static bool wanted(const struct call *c)
{
    size_t n = strlen(c->name);

    for (const char *p = plan.only; p != NULL && (p = strstr(p, c->name)) != NULL; p += n)
        if (p[-1] == ' ' && p[n] == ' ')
            return true;
    return plan.only == NULL;
}

static int give(int error)
{
    if (error > 0)
        errno = error;
    return error;
}

static void do_meanwhile(const struct call *c)
{
    if (plan.before == NULL || strcmp(plan.before, c->name) != 0)
        return;
    plan.before = NULL;
    plan.on = false;
    plan.meanwhile();
    plan.on = true;
}

/* What is tried again until it works would never end. */
static bool may_last(int error)
{
    return error != EINTR && error != FAULT_SHORT;
}

static bool among(int error, const int *errors, size_t max)
{
    for (size_t i = 0; i < max && errors[i] != 0; i++)
        if (errors[i] == error)
            return true;
    return false;
}

static bool excepted(const struct fault_case *c, int error)
{
    return among(error, c->except, sizeof(c->except) / sizeof(c->except[0]));
}

/* With threads, and where a directory is read, another call than the last time may be the one: then
 * its first error is taken. */
static int error_of(const struct call *c)
{
    int error = c->errors[plan.variant];

    return error != 0 && !excepted(plan.what, error) ? error : c->errors[0];
}

/* 0: the call is to be made. */
static int strike(const struct call *c)
{
    if (!plan.on)
        return 0;
    do_meanwhile(c);
    for (size_t i = 0; i < ALWAYS_MAX && plan.always[i].call != NULL; i++)
        if (strcmp(plan.always[i].call, c->name) == 0)
            return give(plan.always[i].error);
    if (!wanted(c))
        return 0;
    if (++plan.counted != plan.at)
        return plan.fault.from && plan.call == c ? give(plan.fault.error) : 0;
    plan.call = c;
    int error = error_of(c);
    plan.fault = (struct fault){
        .call = c->name, .error = error, .number = plan.at, .from = plan.from && may_last(error)};
    return give(plan.fault.error);
}

/* The calls. The build takes their list from these lines: each begins with one of these words, and
 * the name is the second argument. */
#define CALL(type, name, parameters, arguments, ...)                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        static const struct call c = {#name, {__VA_ARGS__}};                                       \
        return strike(&c) != 0 ? (type)-1 : __real_##name arguments;                               \
    }
/* The file system's own syncs cost time and prove nothing here. */
#define SYNC(type, name, parameters, ...)                                                          \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        static const struct call c = {#name, {__VA_ARGS__}};                                       \
        return strike(&c) != 0 ? -1 : 0;                                                           \
    }
#define MAKE(type, name, parameters, arguments, ...)                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        static const struct call c = {#name, {__VA_ARGS__}};                                       \
        return strike(&c) != 0 ? NULL : __real_##name arguments;                                   \
    }
/* Less than all, or nothing, may come or go. */
#define MOVE(type, name, parameters, arguments, less, ...)                                         \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        static const struct call c = {#name, {__VA_ARGS__}};                                       \
        int error = strike(&c);                                                                    \
        if (error == FAULT_SHORT)                                                                  \
            return __real_##name less;                                                             \
        return error == 0 ? __real_##name arguments : error == FAULT_NOTHING ? 0 : -1;             \
    }
/* Those that need a body of their own. */
#define BODY(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

/* clang-format off */
CALL(int, mkdirat, (int at, const char *name, mode_t mode), (at, name, mode), EIO, EEXIST)
CALL(int, mkfifoat, (int at, const char *name, mode_t mode), (at, name, mode), EIO, EEXIST)
CALL(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), EIO)
CALL(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags), EIO, EEXIST, EINVAL, ENOSYS, ENOENT, EACCES, EPERM)
CALL(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), EIO, EEXIST)
CALL(int, unlinkat, (int at, const char *name, int flags), (at, name, flags), EIO, ENOENT, ENOTEMPTY, EEXIST, ENOTDIR)
CALL(int, faccessat, (int at, const char *name, int mode, int flags), (at, name, mode, flags), EIO)
CALL(int, fstat, (int fd, struct stat *st), (fd, st), EIO)
CALL(int, fstatat, (int at, const char *name, struct stat *st, int flags), (at, name, st, flags), EIO, ENOENT)
CALL(int, fstatvfs, (int fd, struct statvfs *st), (fd, st), EIO)
CALL(int, fchmod, (int fd, mode_t mode), (fd, mode), EIO, EPERM)
CALL(int, fchmodat, (int at, const char *name, mode_t mode, int flags), (at, name, mode, flags), EIO, ENOENT)
CALL(int, flock, (int fd, int operation), (fd, operation), EWOULDBLOCK, EIO, EINTR)
CALL(int, ftruncate, (int fd, off_t size), (fd, size), EIO)
CALL(int, fsetxattr, (int fd, const char *name, const void *value, size_t n, int flags), (fd, name, value, n, flags), ENOSPC, ENOTSUP, EPERM, ENOSYS)
CALL(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t n), (fd, name, value, n), EIO, ENODATA, ERANGE)
CALL(int, eventfd, (unsigned count, int flags), (count, flags), EMFILE)
SYNC(int, fsync, (int fd __attribute__((unused))), EIO, EINTR, EBADF, EROFS, EINVAL)
SYNC(int, fchown, (int fd __attribute__((unused)), uid_t uid __attribute__((unused)), gid_t gid __attribute__((unused))), EPERM)
SYNC(int, fdatasync, (int fd __attribute__((unused))), EIO, EINTR)
SYNC(int, syncfs, (int fd __attribute__((unused))), EIO)
SYNC(int, sync_file_range, (int fd __attribute__((unused)), off64_t at __attribute__((unused)), off64_t n __attribute__((unused)), unsigned flags __attribute__((unused))), EIO, ENOSYS, EPERM)
MAKE(DIR *, fdopendir, (int fd), (fd), ENOMEM)
MAKE(struct dirent *, readdir, (DIR *list), (list), EIO)
MAKE(void *, malloc, (size_t n), (n), ENOMEM)
MAKE(void *, calloc, (size_t count, size_t n), (count, n), ENOMEM)
MAKE(void *, realloc, (void *p, size_t n), (p, n), ENOMEM)
MAKE(void *, reallocarray, (void *p, size_t count, size_t n), (p, count, n), ENOMEM)
MAKE(char *, strdup, (const char *text), (text), ENOMEM)
MOVE(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n), (fd, to, (n + 1) / 2), EIO, EINTR, FAULT_SHORT, FAULT_NOTHING)
MOVE(ssize_t, __read_chk, (int fd, void *to, size_t n, size_t room), (fd, to, n, room), (fd, to, (n + 1) / 2, room), EIO, EINTR, FAULT_SHORT, FAULT_NOTHING)
MOVE(ssize_t, pread, (int fd, void *to, size_t n, off_t at), (fd, to, n, at), (fd, to, (n + 1) / 2, at), EIO, EINTR, FAULT_SHORT, FAULT_NOTHING)
MOVE(ssize_t, __pread_chk, (int fd, void *to, size_t n, off_t at, size_t room), (fd, to, n, at, room), (fd, to, (n + 1) / 2, at, room), EIO, EINTR, FAULT_SHORT, FAULT_NOTHING)
MOVE(ssize_t, write, (int fd, const void *octets, size_t n), (fd, octets, n), (fd, octets, (n + 1) / 2), EIO, EINTR, FAULT_SHORT, FAULT_NOTHING)
MOVE(ssize_t, pwrite, (int fd, const void *octets, size_t n, off_t at), (fd, octets, n, at), (fd, octets, (n + 1) / 2, at), EIO, EINTR, FAULT_SHORT, FAULT_NOTHING)
MOVE(ssize_t, getrandom, (void *to, size_t n, unsigned flags), (to, n, flags), (to, n, flags), EIO)
/* clang-format on */

BODY(int, openat, (int at, const char *path, int flags, ...))
{
    static const struct call c = {"openat", {EIO, ENOENT, EEXIST, EACCES, ELOOP, ENOTDIR}};
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return strike(&c) != 0 ? -1 : __real_openat(at, path, flags, mode);
}

BODY(int, open, (const char *path, int flags, ...))
{
    static const struct call c = {"open", {EIO, ENOENT, EACCES}};
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return strike(&c) != 0 ? -1 : __real_open(path, flags, mode);
}

/* Of those that are made so, openat2() alone. */
BODY(long, syscall, (long number, ...))
{
    static const struct call c = {"openat2",
                                  {EIO, ENOENT, EACCES, EPERM, ELOOP, ENXIO, EAGAIN, EINTR}};
    va_list arguments;
    long a[6];

    va_start(arguments, number);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    return strike(&c) != 0 ? -1 : __real_syscall(number, a[0], a[1], a[2], a[3]);
}

/* The descriptor is gone, whatever the call says. */
BODY(int, close, (int fd))
{
    static const struct call c = {"close", {EIO, EINTR}};
    int error = strike(&c), result = __real_close(fd);

    if (error == 0)
        return result;
    errno = error;
    return -1;
}

BODY(int, fcntl, (int fd, int command, ...))
{
    static const struct call c = {"fcntl", {EAGAIN, EINVAL}};
    va_list arguments;

    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return strike(&c) != 0 ? -1 : __real_fcntl(fd, command, argument);
}

/* A file system that shares extents: as a copy. */
static int clone_range(int to, const struct file_clone_range *r)
{
    char octets[4096];
    ssize_t n;

    for (off_t done = 0;; done += n) {
        n = __real_pread((int)r->src_fd, octets, sizeof(octets), (off_t)r->src_offset + done);
        if (n <= 0)
            return (int)n;
        if (__real_pwrite(to, octets, (size_t)n, (off_t)r->dest_offset + done) != n)
            return -1;
    }
}

BODY(int, ioctl, (int fd, unsigned long request, ...))
{
    static const struct call c = {"ioctl", {EIO, EOPNOTSUPP, EINTR}};
    va_list arguments;

    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (strike(&c) != 0)
        return -1;
    return request == FICLONERANGE ? clone_range(fd, argument)
                                   : __real_ioctl(fd, request, argument);
}

/* Nobody waits here. */
BODY(int, usleep, (useconds_t us))
{
    (void)us;
    return 0;
}

BODY(int, pthread_cond_timedwait,
     (pthread_cond_t * c, pthread_mutex_t *m, const struct timespec *until))
{
    struct timespec soon;

    (void)until;
    clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec += 1000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    return __real_pthread_cond_timedwait(c, m, &soon);
}

BODY(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *arg))
{
    static const struct call c = {"pthread_create", {EAGAIN}};
    int error = strike(&c);

    return error != 0 ? error : __real_pthread_create(t, a, f, arg);
}

/* Messages are counted and not shown. */
static atomic_uint told[MSG_COUNT];

BODY(void, msg_write,
     (const struct msg_log *log, enum msg_id id, const char *const *args, size_t n))
{
    (void)log, (void)args, (void)n;
    told[id]++;
}

unsigned fault_told(enum msg_id id)
{
    return told[id];
}

/* The sweep. */

void fault_pause(void)
{
    plan.on = false;
}

void fault_resume(void)
{
    plan.on = plan.running;
}

void fault_always(const char *call, int error)
{
    size_t i = 0;

    while (plan.always[i].call != NULL) {
        i++;
        assert_true(i < ALWAYS_MAX);
    }
    plan.always[i].call = call;
    plan.always[i].error = error;
}

void fault_meanwhile(const char *call, void (*done)(void))
{
    plan.before = call;
    plan.meanwhile = done;
}

static const char *error_text(int error)
{
    switch (error) {
    case FAULT_SHORT:
        return "half of it";
    case FAULT_NOTHING:
        return "nothing of it";
    default:
        return strerror(error);
    }
}

void fault_fail(const char *what, const char *file, int line)
{
    const struct fault *f = &plan.fault;

    plan.on = false;
    print_error("%s: with call %u%s, %s: %s\n", plan.what->what, f->number,
                f->from ? " and all like it" : "", f->call != NULL ? f->call : "none",
                f->call != NULL ? error_text(f->error) : "untouched");
    _fail(file, line);
    (void)what;
}

static unsigned open_files(void)
{
    DIR *list = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(list);
    while (__real_readdir(list) != NULL)
        n++;
    closedir(list);
    return n;
}

static bool error_allowed(const struct fault_case *c, int error)
{
    /* What takes nothing has no room. */
    if (error == plan.fault.error || (plan.fault.error == FAULT_NOTHING && error == ENOSPC))
        return true;
    for (size_t i = 0; i < ALWAYS_MAX && plan.always[i].call != NULL; i++)
        if (error == plan.always[i].error)
            return true;
    return among(error, c->also, sizeof(c->also) / sizeof(c->also[0]));
}

/* One run. False: the call was not reached. */
static bool run_with(const struct fault_case *c, unsigned at, unsigned variant, bool from)
{
    memset(plan.always, 0, sizeof(plan.always));
    plan.before = NULL;
    unsigned before = open_files();
    void *place = c->prepare();

    for (size_t i = 0; i < MSG_COUNT; i++)
        told[i] = 0;
    plan.call = NULL;
    plan.fault = (struct fault){0};
    plan.counted = 0;
    plan.at = at;
    plan.variant = variant;
    plan.from = from;
    plan.only = c->only;
    plan.what = c;
    plan.on = plan.running = true;
    int result = c->run(place);
    int error = errno;
    plan.on = plan.running = false;
    if (result < 0 && !error_allowed(c, error)) {
        print_error("its error is: %s\n", strerror(error));
        FAULT_EXPECT(!"the error is the one that struck");
    }
    FAULT_EXPECT(open_files() == before);
    FAULT_EXPECT(result >= 0 || plan.call != NULL || plan.always[0].call != NULL);
    c->check(place, result, &plan.fault);
    return plan.call != NULL;
}

void fault_sweep(const struct fault_case *c)
{
    for (unsigned at = 1; run_with(c, at, 0, false); at++) {
        const struct call *call = plan.call;
        assert_true(at < RUNS_MAX);
        for (unsigned v = 0; v < ERRORS_MAX && call->errors[v] != 0; v++) {
            if (excepted(c, call->errors[v]))
                continue;
            if (v > 0)
                run_with(c, at, v, false);
            if (may_last(call->errors[v]))
                run_with(c, at, v, true);
        }
    }
}
