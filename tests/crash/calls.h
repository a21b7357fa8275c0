/* The system calls that killat numbers: their groups, what makes one count, how it is shown.
 *
 * `change` is everything that alters a file system or syncs it. The other groups are for faults
 * that strike elsewhere: `open` makes descriptors (EMFILE), `read` reads files and directories
 * (EIO), `fork` makes processes (EAGAIN), `socket` sends and receives. A call may stand in several
 * groups; the first row whose group is wanted and whose condition holds tells how it counts. */
#ifndef SPOOLMAIL_TESTS_CALLS_H
#define SPOOLMAIL_TESTS_CALLS_H

#include <sys/syscall.h>

enum group { CHANGE = 1, OPEN = 2, READ = 4, FORK = 8, SOCKET = 16 };

/* BY_FD: its descriptor at `at` is a regular file or directory; BY_SOCKET: a socket. BY_FLAGS and
 * BY_OPEN_HOW: it creates or truncates. BY_CLONE: the ioctl shares extents. */
enum when { ALWAYS, BY_FLAGS, BY_OPEN_HOW, BY_FD, BY_SOCKET, BY_CLONE };

/* Arguments, a letter each: d directory of the path behind it, p path, s other string, f
 * descriptor, F open flags, H struct open_how, o mode, n number, x flags, . not shown. */
struct call {
    long number;
    const char *name, *args;
    enum group group;
    enum when when;
    unsigned at;
};

#define CALL(name, ...)                                                                            \
    {                                                                                              \
        SYS_##name, #name, __VA_ARGS__                                                             \
    }

static const struct call calls[] = {
#ifdef SYS_open /* the calls that aarch64 has only in their -at form */
    CALL(open, "pFo", CHANGE, BY_FLAGS, 1),
    CALL(creat, "po", CHANGE, ALWAYS, 0),
    CALL(rename, "pp", CHANGE, ALWAYS, 0),
    CALL(link, "pp", CHANGE, ALWAYS, 0),
    CALL(symlink, "sp", CHANGE, ALWAYS, 0),
    CALL(unlink, "p", CHANGE, ALWAYS, 0),
    CALL(mkdir, "po", CHANGE, ALWAYS, 0),
    CALL(rmdir, "p", CHANGE, ALWAYS, 0),
    CALL(mknod, "po", CHANGE, ALWAYS, 0),
    CALL(chmod, "po", CHANGE, ALWAYS, 0),
    CALL(chown, "pnn", CHANGE, ALWAYS, 0),
    CALL(lchown, "pnn", CHANGE, ALWAYS, 0),
    CALL(utime, "p", CHANGE, ALWAYS, 0),
    CALL(utimes, "p", CHANGE, ALWAYS, 0),
    CALL(futimesat, "dp", CHANGE, ALWAYS, 0),
    CALL(open, "pFo", OPEN, ALWAYS, 0),
    CALL(pipe, "", OPEN, ALWAYS, 0),
    CALL(eventfd, "n", OPEN, ALWAYS, 0),
    CALL(epoll_create, "n", OPEN, ALWAYS, 0),
    CALL(inotify_init, "", OPEN, ALWAYS, 0),
    CALL(fork, "", FORK, ALWAYS, 0),
    CALL(vfork, "", FORK, ALWAYS, 0),
#endif
#ifdef SYS_renameat
    CALL(renameat, "dpdp", CHANGE, ALWAYS, 0),
#endif
    CALL(openat, "dpFo", CHANGE, BY_FLAGS, 2),
    CALL(openat2, "dpH", CHANGE, BY_OPEN_HOW, 2),
    CALL(write, "f.n", CHANGE, BY_FD, 0),
    CALL(pwrite64, "f.nn", CHANGE, BY_FD, 0),
    CALL(writev, "f.n", CHANGE, BY_FD, 0),
    CALL(pwritev, "f.nn", CHANGE, BY_FD, 0),
    CALL(pwritev2, "f.nn.x", CHANGE, BY_FD, 0),
    CALL(sendfile, "ff.n", CHANGE, BY_FD, 0),
    CALL(splice, "f.f.nx", CHANGE, BY_FD, 2),
    CALL(copy_file_range, "f.f.nx", CHANGE, BY_FD, 2),
    CALL(ioctl, "fx", CHANGE, BY_CLONE, 1),
    CALL(renameat2, "dpdpx", CHANGE, ALWAYS, 0),
    CALL(linkat, "dpdpx", CHANGE, ALWAYS, 0),
    CALL(symlinkat, "sdp", CHANGE, ALWAYS, 0),
    CALL(unlinkat, "dpx", CHANGE, ALWAYS, 0),
    CALL(mkdirat, "dpo", CHANGE, ALWAYS, 0),
    CALL(mknodat, "dpo", CHANGE, ALWAYS, 0),
    CALL(truncate, "pn", CHANGE, ALWAYS, 0),
    CALL(ftruncate, "fn", CHANGE, ALWAYS, 0),
    CALL(fallocate, "fxnn", CHANGE, ALWAYS, 0),
    CALL(fsync, "f", CHANGE, ALWAYS, 0),
    CALL(fdatasync, "f", CHANGE, ALWAYS, 0),
    CALL(sync, "", CHANGE, ALWAYS, 0),
    CALL(syncfs, "f", CHANGE, ALWAYS, 0),
    CALL(sync_file_range, "fnnx", CHANGE, ALWAYS, 0),
    CALL(setxattr, "ps.n", CHANGE, ALWAYS, 0),
    CALL(lsetxattr, "ps.n", CHANGE, ALWAYS, 0),
    CALL(fsetxattr, "fs.n", CHANGE, ALWAYS, 0),
    CALL(removexattr, "ps", CHANGE, ALWAYS, 0),
    CALL(lremovexattr, "ps", CHANGE, ALWAYS, 0),
    CALL(fremovexattr, "fs", CHANGE, ALWAYS, 0),
    CALL(fchmod, "fo", CHANGE, ALWAYS, 0),
    CALL(fchmodat, "dpo", CHANGE, ALWAYS, 0),
    CALL(fchown, "fnn", CHANGE, ALWAYS, 0),
    CALL(fchownat, "dpnnx", CHANGE, ALWAYS, 0),
    CALL(utimensat, "dp.x", CHANGE, ALWAYS, 0),
    CALL(openat, "dpFo", OPEN, ALWAYS, 0),
    CALL(openat2, "dpH", OPEN, ALWAYS, 0),
    CALL(socket, "nxn", OPEN, ALWAYS, 0),
    CALL(socketpair, "nxn", OPEN, ALWAYS, 0),
    CALL(accept, "f", OPEN, ALWAYS, 0),
    CALL(accept4, "f..x", OPEN, ALWAYS, 0),
    CALL(pipe2, ".x", OPEN, ALWAYS, 0),
    CALL(dup, "f", OPEN, ALWAYS, 0),
    CALL(eventfd2, "nx", OPEN, ALWAYS, 0),
    CALL(epoll_create1, "x", OPEN, ALWAYS, 0),
    CALL(inotify_init1, "x", OPEN, ALWAYS, 0),
    CALL(timerfd_create, "nx", OPEN, ALWAYS, 0),
    CALL(signalfd4, "n..x", OPEN, ALWAYS, 0),
    CALL(memfd_create, "sx", OPEN, ALWAYS, 0),
    CALL(read, "f.n", READ, BY_FD, 0),
    CALL(pread64, "f.nn", READ, BY_FD, 0),
    CALL(readv, "f.n", READ, BY_FD, 0),
    CALL(preadv, "f.nn", READ, BY_FD, 0),
    CALL(getdents64, "f.n", READ, ALWAYS, 0),
    CALL(clone, "x", FORK, ALWAYS, 0),
    CALL(clone3, "", FORK, ALWAYS, 0),
    CALL(read, "f.n", SOCKET, BY_SOCKET, 0),
    CALL(readv, "f.n", SOCKET, BY_SOCKET, 0),
    CALL(write, "f.n", SOCKET, BY_SOCKET, 0),
    CALL(writev, "f.n", SOCKET, BY_SOCKET, 0),
    CALL(sendfile, "ff.n", SOCKET, BY_SOCKET, 0),
    CALL(splice, "f.f.nx", SOCKET, BY_SOCKET, 2),
    CALL(sendto, "f.nx", SOCKET, BY_SOCKET, 0),
    CALL(sendmsg, "f.x", SOCKET, BY_SOCKET, 0),
    CALL(sendmmsg, "f.nx", SOCKET, BY_SOCKET, 0),
    CALL(recvfrom, "f.nx", SOCKET, BY_SOCKET, 0),
    CALL(recvmsg, "f.x", SOCKET, BY_SOCKET, 0),
    CALL(recvmmsg, "f.nx", SOCKET, BY_SOCKET, 0),
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

#endif
