/* See durable.h. */
#include "lib/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_dir(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int durable_drop(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return -1;
}

static int read_entries(DIR *list, int (*each)(void *arg, const char *name), void *arg)
{
    const struct dirent *entry;

    /* The errno of `each` is the caller's. */
    while (errno = 0, (entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int result = each(arg, entry->d_name);
        if (result != 0)
            return result;
    }
    return errno != 0 ? -1 : 0;
}

int durable_each(int dir, int (*each)(void *arg, const char *name), void *arg)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);

    if (list == NULL)
        return copy < 0 ? -1 : durable_drop(copy);
    int result = read_entries(list, each, arg);
    int saved = errno;
    closedir(list);
    errno = saved;
    return result;
}

/* The length of the first octets of a path, without the slashes at their end. */
static size_t trimmed(const char *path, size_t n)
{
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

/* Where the last name of a path begins. */
static size_t last_name(const char *path, size_t end)
{
    while (end > 0 && path[end - 1] != '/')
        end--;
    return end;
}

/* Makes the entry of a new directory durable in its parent. */
int durable_sync_parent(int at, const char *name)
{
    char parent[4096];
    size_t n = trimmed(name, last_name(name, trimmed(name, strlen(name))));

    if (n >= sizeof(parent)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(parent, n ? name : ".", n ? n : 1);
    parent[n ? n : 1] = '\0';
    int fd = open_dir(at, parent);
    if (fd < 0)
        return -1;
    if (durable_sync(fd) < 0)
        return durable_drop(fd);
    return durable_close(fd);
}

/* The name beside `name` under which it is made. */
static bool name_of_making(const char *name, char out[PATH_MAX])
{
    size_t end = trimmed(name, strlen(name)), last = last_name(name, end);

    if (end < PATH_MAX && snprintf(out, PATH_MAX, "%.*s.%.*s.new", (int)last, name,
                                   (int)(end - last), name + last) < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* An empty directory with its mode, on stable storage; or the one that a killed start left. The
 * caller's umask must not decide who may use a drop directory. */
static int prepare_dir(int at, const char *making, mode_t mode)
{
    struct stat st;

    if (mkdirat(at, making, 0700) < 0 && errno != EEXIST)
        return -1;
    int fd = openat(at, making, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fd < 0 ? -1 : durable_drop(fd);
    if (st.st_uid != geteuid()) {
        errno = EPERM;
        return durable_drop(fd);
    }
    return fchmod(fd, mode) < 0 || durable_sync(fd) < 0 ? durable_drop(fd) : fd;
}

/* It gets its name when it has its mode: whoever is killed before leaves nothing under that name.
 * Several programs may start at once; then one of them is the first. */
static int make_dir(int at, const char *name, mode_t mode)
{
    char making[PATH_MAX];

    if (!name_of_making(name, making))
        return -1;
    int fd = prepare_dir(at, making, mode);
    if (fd >= 0 && durable_move(at, making, at, name) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0) {
        close(fd);
        unlinkat(at, making, AT_REMOVEDIR); /* left over: the next start's */
    }
    errno = saved;
    return saved == EEXIST || saved == ENOENT ? open_dir(at, name) : -1;
}

int durable_dir(int at, const char *name, mode_t mode)
{
    int fd = open_dir(at, name);

    if (fd >= 0 || errno != ENOENT || mode == 0)
        return fd;
    fd = make_dir(at, name, mode);
    if (fd < 0 || durable_sync_parent(at, name) == 0)
        return fd;
    int saved = errno;
    close(fd);
    unlinkat(at, name, AT_REMOVEDIR); /* or else the next look would take it for durable */
    errno = saved;
    return -1;
}

int durable_create(int dir, const char *name, mode_t mode)
{
    return openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
}

static int open_beneath(int dir, const char *name, unsigned flags)
{
    struct open_how how = {
        .flags = flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;

    /* EAGAIN: a rename raced with the look-up, or somebody holds a lease; the second can last. */
    for (int tries = 0; tries < 3; tries++) {
        fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
        if (fd >= 0 || (errno != EINTR && errno != EAGAIN))
            break;
    }
    return (int)fd;
}

int durable_open(int dir, const char *name)
{
    return open_beneath(dir, name, 0);
}

int durable_open_own(int dir, const char *name)
{
    int fd = open_beneath(dir, name, O_NOATIME);

    return fd < 0 && errno == EPERM ? open_beneath(dir, name, 0) : fd;
}

int durable_write(int fd, const void *octets, size_t n)
{
    const char *p = octets;

    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        if (done == 0) {
            errno = ENOSPC;
            return -1;
        }
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

int durable_write_at(int fd, const void *octets, size_t n, off_t at)
{
    const char *p = octets;

    while (n > 0) {
        ssize_t done = pwrite(fd, p, n, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done == 0 ? ENOSPC : errno;
            return -1;
        }
        p += done;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

int durable_sync_data(int fd)
{
    int r;

    do
        r = fdatasync(fd);
    while (r < 0 && errno == EINTR);
    return r;
}

int durable_sync(int fd)
{
    int r;

    do
        r = fsync(fd);
    while (r < 0 && errno == EINTR);
    return r;
}

int durable_sync_entry(int dir, int file)
{
    int r = durable_sync(dir);

    if (r < 0 && errno == EBADF)
        r = syncfs(file);
    return r;
}

/* Can nobody make names there but programs of this user? */
static bool closed_to_others(int dir)
{
    struct stat st;

    return fstat(dir, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* As good as one call where nobody else makes that very name between the two. A directory can only
 * replace an empty one. */
static int look_and_rename(int from, const char *name, int to, const char *new_name)
{
    struct stat st;

    if (fstatat(to, new_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return errno == ENOENT ? renameat(from, name, to, new_name) : -1;
}

/* 1, 0, or -1: it cannot be known. */
static int same_file(int from, const char *name, int to, const char *new_name)
{
    struct stat a, b;

    if (fstatat(from, name, &a, AT_SYMLINK_NOFOLLOW) < 0 ||
        fstatat(to, new_name, &b, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int sync_name(int dir, const char *name)
{
    if (durable_sync(dir) == 0)
        return 0;
    int fd = errno == EBADF ? durable_open(dir, name) : -1;
    if (fd < 0)
        return -1;
    return syncfs(fd) < 0 ? durable_drop(fd) : durable_close(fd);
}

/* Link refuses an existing name as well. Whoever stops in between leaves two names of one file: the
 * same move, made again, goes on with them. The new name is on stable storage before the old one
 * goes, which a rename does by itself. */
static int link_and_unlink(int from, const char *name, int to, const char *new_name)
{
    if (linkat(from, name, to, new_name, 0) < 0) {
        if (errno != EEXIST)
            return -1;
        int again = same_file(from, name, to, new_name);
        if (again == 0)
            errno = EEXIST;
        if (again <= 0)
            return -1;
    }
    if (sync_name(to, new_name) == 0 && unlinkat(from, name, 0) == 0) {
        (void)durable_sync(from); /* or else a power cut brings it back when the new one was used */
        return 0;
    }
    int saved = errno;
    unlinkat(to, new_name, 0); /* what failed must not have happened */
    errno = saved;
    return -1;
}

/* Directories have no links, some file systems neither, and fs.protected_hardlinks forbids those to
 * another's file. */
static bool link_refused(int error)
{
    return error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK;
}

int durable_move_at_once(int from, const char *name, int to, const char *new_name)
{
    if (renameat2(from, name, to, new_name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == ENOSYS)
        errno = EINVAL;
    return -1;
}

int durable_move(int from, const char *name, int to, const char *new_name)
{
    if (durable_move_at_once(from, name, to, new_name) == 0)
        return 0;
    if (errno != EINVAL)
        return -1;
    /* A file system without RENAME_NOREPLACE, as NFS and some of FUSE. */
    if (!closed_to_others(to)) {
        if (link_and_unlink(from, name, to, new_name) == 0)
            return 0;
        if (!link_refused(errno))
            return -1;
    }
    return look_and_rename(from, name, to, new_name);
}

int durable_close(int fd)
{
    /* On Linux the descriptor is released even on EINTR; closing again could hit another file. */
    return close(fd) < 0 && errno != EINTR ? -1 : 0;
}

static bool give_to(int fd, uid_t uid, gid_t gid)
{
    struct stat st;

    return fstat(fd, &st) == 0 &&
           ((st.st_uid == uid && st.st_gid == gid) || fchown(fd, uid, gid) == 0);
}

int durable_replace(int dir, const char *name, const void *octets, size_t n, mode_t mode)
{
    return durable_replace_as(dir, name, octets, n, mode, (uid_t)-1, (gid_t)-1);
}

int durable_replace_as(int dir, const char *name, const void *octets, size_t n, mode_t mode,
                       uid_t uid, gid_t gid)
{
    char temporary[256];
    bool given = uid != (uid_t)-1;

    if (snprintf(temporary, sizeof(temporary), ".%s.new", name) >= (int)sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (unlinkat(dir, temporary, 0) < 0 && errno != ENOENT)
        return -1;
    int fd = durable_create(dir, temporary, mode);
    if (fd < 0)
        return -1;
    bool good = (!given || give_to(fd, uid, gid)) && durable_write(fd, octets, n) == 0 &&
                durable_sync(fd) == 0;
    int result = good ? durable_close(fd) : durable_drop(fd);
    if (result == 0 && renameat(dir, temporary, dir, name) == 0)
        return durable_sync(dir);
    int saved = errno;
    unlinkat(dir, temporary, 0);
    errno = saved;
    return -1;
}

void syncset_init(struct syncset *s, int whole)
{
    *s = (struct syncset){.whole = whole};
}

int syncset_add(struct syncset *s, int fd)
{
    if (!s->many && s->files < SYNCSET_FILES) {
        s->fd[s->files++] = fd;
        return 0;
    }
    s->many = true;
    return durable_close(fd);
}

int syncset_commit(struct syncset *s)
{
    int result = 0, saved = 0;

    /* All writing begins before the first wait: their blocks then share a transaction of the file
     * system's journal. Only a hint. */
    for (size_t i = 0; !s->many && s->files > 1 && i < s->files; i++)
        (void)sync_file_range(s->fd[i], 0, 0, SYNC_FILE_RANGE_WRITE);
    if (s->many && syncfs(s->whole) < 0) {
        result = -1;
        saved = errno;
    }
    for (size_t i = 0; i < s->files; i++) {
        if (!s->many && durable_sync(s->fd[i]) < 0) {
            result = -1;
            saved = errno;
        }
        if (durable_close(s->fd[i]) < 0) {
            result = -1;
            saved = errno;
        }
    }
    s->files = 0;
    s->many = false;
    if (result < 0)
        errno = saved;
    return result;
}

void syncset_drop(struct syncset *s)
{
    for (size_t i = 0; i < s->files; i++)
        close(s->fd[i]); /* nothing in them was promised to anybody */
    s->files = 0;
    s->many = false;
}
