/* The wrappers of the C library's calls (ld --wrap): in a simulated process they are simulated,
 * else they are the library's own. sim_calls.c: files; sim_library.c: memory, threads, sockets, the
 * rest. */
#ifndef TESTS_SIMULATE_SIM_CALLS_H
#define TESTS_SIMULATE_SIM_CALLS_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include <dirent.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <time.h>

#include "tests/simulate/sim_real.h"
#include "tests/simulate/sim_task.h"

/* A simulated call from its beginning to its end. */
struct call {
    struct process *p;
    const char *verb;
    unsigned weight; /* of a crash at it */
    int saved;       /* errno before it */
    char detail[56];
};
struct call call_begin(const char *verb, unsigned weight, const char *name, long number);
/* The result for the caller: -errno sets errno. A crash may come after the call. */
long call_end(const struct call *c, long result);

/* Each is wrapped by the linker: the build takes the list from here (one a line). */
#define WRAP(type, name, arguments)                                                                \
    type __wrap_##name arguments;                                                                  \
    type __real_##name arguments
/* clang-format off */

WRAP(int, openat, (int at, const char *path, int flags, ...));
WRAP(int, __openat_2, (int at, const char *path, int flags));
WRAP(int, close, (int fd));
WRAP(ssize_t, read, (int fd, void *to, size_t n));
WRAP(ssize_t, __read_chk, (int fd, void *to, size_t n, size_t room));
WRAP(ssize_t, pread, (int fd, void *to, size_t n, off_t at));
WRAP(ssize_t, __pread_chk, (int fd, void *to, size_t n, off_t at, size_t room));
WRAP(ssize_t, write, (int fd, const void *octets, size_t n));
WRAP(ssize_t, pwrite, (int fd, const void *octets, size_t n, off_t at));
WRAP(int, ftruncate, (int fd, off_t size));
WRAP(int, fsync, (int fd));
WRAP(int, fdatasync, (int fd));
WRAP(int, syncfs, (int fd));
WRAP(int, sync_file_range, (int fd, off64_t at, off64_t n, unsigned flags));
WRAP(int, renameat, (int from, const char *name, int to, const char *new_name));
WRAP(int, renameat2, (int from, const char *name, int to, const char *new_name, unsigned flags));
WRAP(int, linkat, (int from, const char *name, int to, const char *new_name, int flags));
WRAP(int, unlinkat, (int at, const char *name, int flags));
WRAP(int, mkdirat, (int at, const char *name, mode_t mode));
WRAP(int, mkfifoat, (int at, const char *name, mode_t mode));
WRAP(int, faccessat, (int at, const char *name, int mode, int flags));
WRAP(int, fstat, (int fd, struct stat *st));
WRAP(int, fstatat, (int at, const char *name, struct stat *st, int flags));
WRAP(int, fstatvfs, (int fd, struct statvfs *st));
WRAP(int, fchmod, (int fd, mode_t mode));
WRAP(int, fchmodat, (int at, const char *name, mode_t mode, int flags));
WRAP(int, flock, (int fd, int operation));
WRAP(int, fcntl, (int fd, int command, ...));
WRAP(int, fsetxattr, (int fd, const char *name, const void *value, size_t n, int flags));
WRAP(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t n));
WRAP(DIR *, fdopendir, (int fd));
WRAP(struct dirent *, readdir, (DIR *list));
WRAP(int, closedir, (DIR *list));
WRAP(long, syscall, (long number, ...));
WRAP(int, inotify_init1, (int flags));
WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t mask));
WRAP(mode_t, umask, (mode_t mask));

WRAP(char *, strdup, (const char *text));
WRAP(void *, reallocarray, (void *p, size_t count, size_t n));
WRAP(int, munmap, (void *p, size_t n));
WRAP(int, SHA256_Init, (SHA256_CTX *c));
WRAP(int, SHA256_Update, (SHA256_CTX *c, const void *octets, size_t n));
WRAP(int, SHA256_Final, (unsigned char *out, SHA256_CTX *c));
WRAP(uid_t, geteuid, (void));
WRAP(struct passwd *, getpwuid, (uid_t uid));
WRAP(ssize_t, getrandom, (void *to, size_t n, unsigned flags));
WRAP(int, usleep, (useconds_t us));
WRAP(sighandler_t, signal, (int number, sighandler_t handler));
WRAP(int, getrlimit, (__rlimit_resource_t what, struct rlimit *limit));
WRAP(int, setrlimit, (__rlimit_resource_t what, const struct rlimit *limit));
WRAP(int, pthread_create, (pthread_t *thread, const pthread_attr_t *a, void *(*fn)(void *), void *arg));
WRAP(int, pthread_join, (pthread_t thread, void **result));
WRAP(int, pthread_mutex_init, (pthread_mutex_t *m, const pthread_mutexattr_t *a));
WRAP(int, pthread_mutex_destroy, (pthread_mutex_t *m));
WRAP(int, pthread_mutex_lock, (pthread_mutex_t *m));
WRAP(int, pthread_mutex_trylock, (pthread_mutex_t *m));
WRAP(int, pthread_mutex_unlock, (pthread_mutex_t *m));
WRAP(int, pthread_cond_init, (pthread_cond_t *c, const pthread_condattr_t *a));
WRAP(int, pthread_cond_destroy, (pthread_cond_t *c));
WRAP(int, pthread_cond_wait, (pthread_cond_t *c, pthread_mutex_t *m));
WRAP(int, pthread_cond_timedwait, (pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until));
WRAP(int, pthread_cond_signal, (pthread_cond_t *c));
WRAP(int, pthread_cond_broadcast, (pthread_cond_t *c));
WRAP(int, clock_gettime, (clockid_t clock, struct timespec *t));
WRAP(int, eventfd, (unsigned count, int flags));
WRAP(int, eventfd_read, (int fd, eventfd_t *count));
WRAP(int, eventfd_write, (int fd, eventfd_t count));
WRAP(int, socket, (int family, int type, int protocol));
WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t n));
WRAP(int, accept4, (int fd, struct sockaddr *from, socklen_t *n, int flags));
WRAP(ssize_t, send, (int fd, const void *octets, size_t n, int flags));
WRAP(ssize_t, recv, (int fd, void *to, size_t n, int flags));
WRAP(ssize_t, __recv_chk, (int fd, void *to, size_t n, size_t room, int flags));
WRAP(int, shutdown, (int fd, int how));
WRAP(int, getsockopt, (int fd, int level, int option, void *value, socklen_t *n));
WRAP(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t n));
WRAP(int, getsockname, (int fd, struct sockaddr *to, socklen_t *n));
WRAP(int, getpeername, (int fd, struct sockaddr *to, socklen_t *n));

/* clang-format on */
#endif
