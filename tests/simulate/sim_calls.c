/* See sim_calls.h: the calls on files and directories. Each begins with a chance to be interrupted
 * by a crash, may be made to fail, acts on the disk, tells the oracle, and ends with the next
 * chance. */
#include "tests/simulate/sim_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "tests/simulate/sim.h"
#include "tests/simulate/sim_files.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_world.h"

/* Weights: how much rather a crash strikes here. */
enum { LOOK = 1, WRITE = 3, CHANGE = 8 };

struct call call_begin(const char *verb, unsigned weight, const char *name, long number)
{
    struct call c;
    char digits[24];
    size_t n = 0;

    c.p = process_current();
    c.verb = verb;
    c.weight = weight;
    c.saved = errno;
    if (name == NULL) {
        size_t d = sizeof(digits);
        for (unsigned long rest = (unsigned long)number; d > 0 && (rest > 0 || d == 24); rest /= 10)
            digits[--d] = (char)('0' + rest % 10);
        name = digits + d;
        n = sizeof(digits) - d;
    } else {
        n = strnlen(name, sizeof(c.detail) - 1);
    }
    memcpy(c.detail, name, n);
    c.detail[n] = '\0';
    sim.step++;
    sim.now_us += 1 + (int64_t)(sim.step % 3);
    world_call(c.p, weight);
    return c;
}

long call_end(const struct call *c, long result)
{
    sim_trace(c->p->name, c->verb, c->detail, result);
    world_call(c->p, c->weight);
    errno = result < 0 ? (int)-result : c->saved;
    return result < 0 ? -1 : result;
}

/* The errno that a fault becomes, negative; 0: none. */
static int struck(const struct call *c, unsigned faults)
{
    switch (world_fault(c->p, faults)) {
    case FAULT_SPACE:
        return -ENOSPC;
    case FAULT_IO:
        return -EIO;
    case FAULT_FILES:
        return sim_one_in(2) ? -EMFILE : -ENFILE;
    case FAULT_MEMORY:
        return -ENOMEM;
    default:
        return 0;
    }
}

/* The oracle and the disk work as themselves, not as the process. */
#define AS_WORLD(statement)                                                                        \
    do {                                                                                           \
        struct process *who_ = process_suspend();                                                  \
        statement;                                                                                 \
        process_resume(who_);                                                                      \
    } while (0)

/* Opening. */

static long make_and_open(const struct call *c, struct place *at, int flags, mode_t mode)
{
    struct inode *i = NULL;
    long result = disk_make(at->disk, at->dir, at->name, INODE_FILE,
                            (uint32_t)(mode & ~c->p->umask & 07777), c->p->uid, &i);

    if (result < 0)
        return result;
    result = file_open(c->p, at->disk, i, flags);
    AS_WORLD(oracle_added(c->p, at->dir, at->name, i));
    return result;
}

static long do_open(const struct call *c, int at, const char *path, int flags, mode_t mode)
{
    struct place place;
    long error = struck(c, FAULT_FILES | (flags & O_CREAT ? FAULT_SPACE : 0));

    if (error == 0 && !file_room(c->p))
        error = -EMFILE; /* before anything is made */
    if (error == 0)
        error = file_place(c->p, at, path, &place);
    if (error < 0)
        return error;
    bool self = place.name[0] == '\0' || strcmp(place.name, ".") == 0;
    struct inode *i = self ? place.dir : disk_find(place.disk, place.dir, place.name);
    if (i == NULL)
        return flags & O_CREAT ? make_and_open(c, &place, flags, mode) : -ENOENT;
    if (flags & O_CREAT && flags & O_EXCL)
        return -EEXIST;
    return file_open(c->p, place.disk, i, flags);
}

int __wrap_openat(int at, const char *path, int flags, ...)
{
    va_list args;
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if (process_current() == NULL)
        return __real_openat(at, path, flags, mode);
    struct call c = call_begin("openat", flags & O_CREAT ? CHANGE : LOOK, path, 0);
    return (int)call_end(&c, do_open(&c, at, path, flags, mode));
}

int __wrap___openat_2(int at, const char *path, int flags)
{
    return __wrap_openat(at, path, flags, 0);
}

/* The one call that has no function of its own: openat2. */
long __wrap_syscall(long number, ...)
{
    va_list args;

    va_start(args, number);
    int at = va_arg(args, int);
    const char *path = va_arg(args, const char *);
    const struct open_how *how = va_arg(args, const struct open_how *);
    size_t n = va_arg(args, size_t);
    va_end(args);
    if (process_current() == NULL || number != SYS_openat2)
        return __real_syscall(number, at, path, how, n);
    struct call c = call_begin("openat2", LOOK, path, 0);
    return call_end(&c, do_open(&c, at, path, (int)how->flags, 0));
}

static void tell_closed(const struct ofd *o)
{
    const struct inode *i = o->inode;

    if (o->kind == OFD_FILE && (o->flags & O_ACCMODE) != O_RDONLY && i->parent != NULL)
        notify_raise(i->parent, IN_CLOSE_WRITE, i->name);
}

int __wrap_close(int fd)
{
    if (process_current() == NULL)
        return __real_close(fd);
    struct call c = call_begin("close", LOOK, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    if (o == NULL)
        return (int)call_end(&c, -EBADF);
    tell_closed(o);
    file_close(c.p, fd);
    return (int)call_end(&c, 0);
}

/* Reading and writing. */

static long read_file(const struct call *c, struct ofd *o, uint64_t at, void *to, size_t n)
{
    int error = struck(c, FAULT_IO);

    if (error < 0)
        AS_WORLD(oracle_unreadable(o->inode));
    return error < 0 ? error : (long)disk_read(o->inode, at, to, n);
}

static long do_read(const struct call *c, int fd, void *to, size_t n)
{
    struct ofd *o = file_at(c->p, fd);

    if (o == NULL)
        return -EBADF;
    if (o->kind == OFD_NOTIFY)
        return notify_read(o, to, n);
    if (o->kind == OFD_FIFO) {
        size_t there = o->inode->waiting < n ? o->inode->waiting : n;
        memset(to, 'W', there);
        o->inode->waiting -= (uint32_t)there;
        return there > 0 ? (long)there : -EAGAIN;
    }
    if (o->kind != OFD_FILE)
        return -EISDIR;
    long got = read_file(c, o, o->at, to, n);
    o->at += got > 0 ? (uint64_t)got : 0;
    return got;
}

ssize_t __wrap_read(int fd, void *to, size_t n)
{
    if (process_current() == NULL)
        return __real_read(fd, to, n);
    struct call c = call_begin("read", LOOK, NULL, fd);
    return call_end(&c, do_read(&c, fd, to, n));
}

ssize_t __wrap___read_chk(int fd, void *to, size_t n, size_t room)
{
    (void)room;
    return __wrap_read(fd, to, n);
}

ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at)
{
    if (process_current() == NULL)
        return __real_pread(fd, to, n, at);
    struct call c = call_begin("pread", LOOK, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    if (o == NULL || o->kind != OFD_FILE)
        return call_end(&c, -EBADF);
    if (sim_mistake(MISTAKE_NAME_REUSED) && strcmp(o->inode->name, "NAMES") == 0)
        return call_end(&c, 0); /* nobody remembers which names were given out */
    return call_end(&c, read_file(&c, o, (uint64_t)at, to, n));
}

ssize_t __wrap___pread_chk(int fd, void *to, size_t n, off_t at, size_t room)
{
    (void)room;
    return __wrap_pread(fd, to, n, at);
}

static void write_fifo(const struct call *c, struct ofd *o)
{
    o->inode->waiting++;
    for (unsigned i = 0; i < PROCESSES; i++) {
        struct process *p = process_at(i);
        if (p != NULL && p->host == c->p->host)
            process_poke(p);
    }
}

static long write_file(const struct call *c, struct ofd *o, uint64_t at, const void *octets,
                       size_t n)
{
    enum fault f = world_fault(c->p, FAULT_SPACE | FAULT_IO | (n > 1 ? FAULT_SHORT : 0));

    /* A disk that was full after a part has no room for the rest. */
    if (o->cut_short && f == 0)
        f = FAULT_SPACE;
    o->cut_short = f == FAULT_SHORT && sim_one_in(2);
    if (f == FAULT_SPACE)
        return -ENOSPC;
    if (f == FAULT_IO)
        return -EIO;
    if (f == FAULT_SHORT)
        n = 1 + sim_below((uint32_t)n - 1);
    return (long)disk_write(o->disk, o->inode, at, octets, n);
}

ssize_t __wrap_write(int fd, const void *octets, size_t n)
{
    if (process_current() == NULL)
        return __real_write(fd, octets, n);
    struct call c = call_begin("write", WRITE, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    if (o == NULL || (o->kind != OFD_FILE && o->kind != OFD_FIFO))
        return call_end(&c, -EBADF);
    if (o->kind == OFD_FIFO) {
        write_fifo(&c, o);
        return call_end(&c, (long)n);
    }
    long put = write_file(&c, o, o->at, octets, n);
    o->at += put > 0 ? (uint64_t)put : 0;
    return call_end(&c, put);
}

ssize_t __wrap_pwrite(int fd, const void *octets, size_t n, off_t at)
{
    if (process_current() == NULL)
        return __real_pwrite(fd, octets, n, at);
    struct call c = call_begin("pwrite", WRITE, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    if (o == NULL || o->kind != OFD_FILE)
        return call_end(&c, -EBADF);
    return call_end(&c, write_file(&c, o, (uint64_t)at, octets, n));
}

int __wrap_ftruncate(int fd, off_t size)
{
    if (process_current() == NULL)
        return __real_ftruncate(fd, size);
    struct call c = call_begin("ftruncate", WRITE, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    long result = o == NULL || o->kind != OFD_FILE ? -EBADF : struck(&c, FAULT_IO);
    if (result == 0)
        result = disk_cut(o->disk, o->inode, (uint64_t)size);
    return (int)call_end(&c, result);
}

/* Syncs. */

enum { LATE = 64 };

/* MISTAKE_LATE_SYNC: a disk that says "done" and does it some syncs later. */
static struct late {
    struct disk *disk;
    struct inode *inode;
} late[LATE];
static unsigned lates;

static void sync_now(struct disk *d, struct inode *i)
{
    if (i->kind == INODE_DIR)
        disk_sync_directory(d, i);
    else
        disk_sync_file(d, i);
}

static void sync_later(struct disk *d, struct inode *i)
{
    struct late *l = &late[lates++ % LATE];

    if (l->inode != NULL) {
        sync_now(l->disk, l->inode);
        disk_release(l->disk, l->inode);
    }
    *l = (struct late){d, i};
    disk_hold(i);
}

/* Does the mistake in hand leave this sync out? */
static bool left_out(const struct inode *i)
{
    bool directory = i->kind == INODE_DIR;

    return (sim_mistake(MISTAKE_NO_DIR_SYNC) && directory) ||
           (sim_mistake(MISTAKE_NO_FILE_SYNC) && !directory) ||
           (sim_mistake(MISTAKE_NO_JOURNAL_SYNC) && strncmp(i->name, "SSMTP.", 6) == 0 &&
            !directory) ||
           (sim_mistake(MISTAKE_NO_WORK_SYNC) && directory && strcmp(i->name, "work") == 0);
}

/* 0, or -EIO: as Linux does it, an error is told once to each that has the file open. */
static int sync_one(const struct call *c, struct ofd *o)
{
    struct inode *i = o->inode;

    if (left_out(i))
        return 0;
    if (o->disk->read_only || world_sync_fails(c->p))
        disk_sync_failed(o->disk, i);
    bool failed = o->errors_seen != i->errors;
    o->errors_seen = i->errors;
    if (failed && sim_mistake(MISTAKE_SYNC_RETRIED))
        failed = false; /* the second try finds nothing to write any more */
    if (failed)
        return sim_mistake(MISTAKE_SYNC_IGNORED) ? 0 : -EIO;
    if (sim_mistake(MISTAKE_LATE_SYNC))
        sync_later(o->disk, i);
    else
        sync_now(o->disk, i);
    return 0;
}

/* What comes after the beginning of a sync is not covered by it; others run meanwhile. */
static void take_time(const struct call *c)
{
    (void)c;
    task_wait(sim.now_us + 20 + sim_below(400));
}

int __wrap_fsync(int fd)
{
    if (process_current() == NULL)
        return __real_fsync(fd);
    struct ofd *o = file_at(process_current(), fd);
    struct call c = call_begin("fsync", CHANGE, o == NULL ? "?" : o->inode->name, 0);
    if (o == NULL || o->flags & O_PATH)
        return (int)call_end(&c, -EBADF);
    int result = sync_one(&c, o);
    take_time(&c);
    return (int)call_end(&c, result);
}

/* Attributes are not promised, but none is set where only this is called. */
int __wrap_fdatasync(int fd)
{
    return process_current() == NULL ? __real_fdatasync(fd) : __wrap_fsync(fd);
}

int __wrap_syncfs(int fd)
{
    if (process_current() == NULL)
        return __real_syncfs(fd);
    struct call c = call_begin("syncfs", CHANGE, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    if (o == NULL)
        return (int)call_end(&c, -EBADF);
    struct disk *d = o->disk;
    if (sim_mistake(MISTAKE_NO_SYNCFS))
        return (int)call_end(&c, 0);
    bool fails = d->read_only || world_sync_fails(c.p);
    for (uint32_t i = 0; fails && i < d->dirties; i++)
        disk_sync_failed(d, d->dirty[i]);
    bool failed = o->disk_errors_seen != d->errors;
    o->disk_errors_seen = d->errors;
    if (!fails)
        disk_sync_all(d);
    take_time(&c);
    return (int)call_end(&c, failed || fails ? -EIO : 0);
}

/* A hint; with WAIT_BEFORE it tells whether writing failed. */
int __wrap_sync_file_range(int fd, off64_t at, off64_t n, unsigned flags)
{
    if (process_current() == NULL)
        return __real_sync_file_range(fd, at, n, flags);
    struct call c = call_begin("sync_file_range", LOOK, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    if (o == NULL || o->kind != OFD_FILE)
        return (int)call_end(&c, -EBADF);
    bool failed = flags & SYNC_FILE_RANGE_WAIT_BEFORE && o->errors_seen != o->inode->errors;
    if (failed)
        o->errors_seen = o->inode->errors;
    return (int)call_end(&c, failed ? -EIO : 0);
}

/* Names. */

static long do_move(const struct call *c, int from, const char *name, int to, const char *new_name,
                    bool replace)
{
    struct place source, target;
    long error = struck(c, FAULT_SPACE | FAULT_IO);

    if (error == 0)
        error = file_place(c->p, from, name, &source);
    if (error == 0)
        error = file_place(c->p, to, new_name, &target);
    if (error < 0)
        return error;
    struct inode *i = disk_find(source.disk, source.dir, source.name);
    struct inode *there = disk_find(target.disk, target.dir, target.name);
    if (sim_mistake(MISTAKE_MOVE_REPLACES))
        replace = true;
    if (there != NULL && replace)
        AS_WORLD(oracle_removed(c->p, target.dir, target.name, there));
    error = disk_move(source.disk, source.dir, source.name, target.dir, target.name, replace);
    if (error < 0)
        return error;
    notify_raise(target.dir, IN_MOVED_TO, target.name);
    AS_WORLD(oracle_moved(c->p, source.dir, source.name, target.dir, target.name, i));
    return 0;
}

int __wrap_renameat(int from, const char *name, int to, const char *new_name)
{
    if (process_current() == NULL)
        return __real_renameat(from, name, to, new_name);
    struct call c = call_begin("renameat", CHANGE, new_name, 0);
    return (int)call_end(&c, do_move(&c, from, name, to, new_name, true));
}

int __wrap_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags)
{
    if (process_current() == NULL)
        return __real_renameat2(from, name, to, new_name, flags);
    struct call c = call_begin("renameat2", CHANGE, new_name, 0);
    if (flags & RENAME_NOREPLACE && c.p->host->disk.plain_rename)
        return (int)call_end(&c, -EINVAL);
    return (int)call_end(&c, do_move(&c, from, name, to, new_name, !(flags & RENAME_NOREPLACE)));
}

int __wrap_linkat(int from, const char *name, int to, const char *new_name, int flags)
{
    struct place source, target;

    if (process_current() == NULL)
        return __real_linkat(from, name, to, new_name, flags);
    struct call c = call_begin("linkat", CHANGE, new_name, 0);
    long error = struck(&c, FAULT_SPACE | FAULT_IO);
    if (error == 0)
        error = file_place(c.p, from, name, &source);
    if (error == 0)
        error = file_place(c.p, to, new_name, &target);
    struct inode *i = error < 0 ? NULL : disk_find(source.disk, source.dir, source.name);
    if (error == 0)
        error = i == NULL ? -ENOENT : disk_link(target.disk, i, target.dir, target.name);
    if (error == 0) {
        notify_raise(target.dir, IN_CREATE, target.name);
        AS_WORLD(oracle_moved(c.p, source.dir, source.name, target.dir, target.name, i));
    }
    return (int)call_end(&c, error);
}

int __wrap_unlinkat(int at, const char *name, int flags)
{
    struct place place;

    if (process_current() == NULL)
        return __real_unlinkat(at, name, flags);
    struct call c = call_begin(flags & AT_REMOVEDIR ? "rmdir" : "unlinkat", CHANGE, name, 0);
    long error = struck(&c, FAULT_IO);
    if (error == 0)
        error = file_place(c.p, at, name, &place);
    if (error == 0) {
        struct inode *i = disk_find(place.disk, place.dir, place.name);
        if (i != NULL)
            disk_hold(i);
        error = disk_remove(place.disk, place.dir, place.name, flags & AT_REMOVEDIR);
        if (error == 0)
            AS_WORLD(oracle_removed(c.p, place.dir, place.name, i));
        disk_release(place.disk, i);
    }
    return (int)call_end(&c, error);
}

static long do_make(const struct call *c, int at, const char *name, enum inode_kind kind,
                    mode_t mode)
{
    struct place place;
    struct inode *i;
    long error = struck(c, FAULT_SPACE);

    if (error == 0)
        error = file_place(c->p, at, name, &place);
    if (error < 0)
        return error;
    return disk_make(place.disk, place.dir, place.name, kind,
                     (uint32_t)(mode & ~c->p->umask & 07777), c->p->uid, &i);
}

int __wrap_mkdirat(int at, const char *name, mode_t mode)
{
    if (process_current() == NULL)
        return __real_mkdirat(at, name, mode);
    struct call c = call_begin("mkdirat", CHANGE, name, 0);
    return (int)call_end(&c, do_make(&c, at, name, INODE_DIR, mode));
}

int __wrap_mkfifoat(int at, const char *name, mode_t mode)
{
    if (process_current() == NULL)
        return __real_mkfifoat(at, name, mode);
    struct call c = call_begin("mkfifoat", CHANGE, name, 0);
    return (int)call_end(&c, do_make(&c, at, name, INODE_FIFO, mode));
}

/* Looking. */

static struct inode *look(const struct call *c, int at, const char *name, long *error)
{
    struct place place;

    *error = file_place(c->p, at, name, &place);
    if (*error < 0)
        return NULL;
    struct inode *i = place.name[0] == '\0' || strcmp(place.name, ".") == 0
                          ? place.dir
                          : disk_find(place.disk, place.dir, place.name);
    *error = i == NULL ? -ENOENT : 0;
    return i;
}

static void fill_stat(const struct inode *i, struct stat *st)
{
    static const mode_t kinds[] = {
        [INODE_FILE] = S_IFREG, [INODE_DIR] = S_IFDIR, [INODE_FIFO] = S_IFIFO};

    *st = (struct stat){.st_dev = 1,
                        .st_ino = i->number,
                        .st_mode = kinds[i->kind] | i->mode,
                        .st_nlink = i->links,
                        .st_uid = i->uid,
                        .st_size = i->size};
    st->st_mtim.tv_sec = st->st_ctim.tv_sec = i->changed_us / 1000000;
    st->st_mtim.tv_nsec = st->st_ctim.tv_nsec = i->changed_us % 1000000 * 1000;
}

int __wrap_faccessat(int at, const char *name, int mode, int flags)
{
    long error;

    if (process_current() == NULL)
        return __real_faccessat(at, name, mode, flags);
    struct call c = call_begin("faccessat", LOOK, name, 0);
    look(&c, at, name, &error);
    return (int)call_end(&c, error);
}

int __wrap_fstat(int fd, struct stat *st)
{
    if (process_current() == NULL)
        return __real_fstat(fd, st);
    struct call c = call_begin("fstat", LOOK, NULL, fd);
    const struct ofd *o = file_at(c.p, fd);
    if (o == NULL || o->inode == NULL)
        return (int)call_end(&c, -EBADF);
    fill_stat(o->inode, st);
    return (int)call_end(&c, 0);
}

int __wrap_fstatat(int at, const char *name, struct stat *st, int flags)
{
    long error;

    if (process_current() == NULL)
        return __real_fstatat(at, name, st, flags);
    struct call c = call_begin("fstatat", LOOK, name, 0);
    const struct inode *i = look(&c, at, name, &error);
    if (i != NULL)
        fill_stat(i, st);
    return (int)call_end(&c, error);
}

int __wrap_fstatvfs(int fd, struct statvfs *st)
{
    enum { BLOCK = 4096, BLOCKS = 1 << 22 };

    if (process_current() == NULL)
        return __real_fstatvfs(fd, st);
    struct call c = call_begin("fstatvfs", LOOK, NULL, fd);
    const struct ofd *o = file_at(c.p, fd);
    if (o == NULL || o->disk == NULL)
        return (int)call_end(&c, -EBADF);
    uint64_t limit =
        o->disk->limit < (uint64_t)BLOCKS * BLOCK ? o->disk->limit : (uint64_t)BLOCKS * BLOCK;
    *st = (struct statvfs){.f_bsize = BLOCK, .f_frsize = BLOCK, .f_blocks = BLOCKS};
    st->f_bavail = limit > o->disk->used ? (limit - o->disk->used) / BLOCK : 0;
    return (int)call_end(&c, 0);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    if (process_current() == NULL)
        return __real_fchmod(fd, mode);
    struct call c = call_begin("fchmod", WRITE, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    if (o == NULL || o->inode == NULL)
        return (int)call_end(&c, -EBADF);
    o->inode->mode = mode & 07777;
    if (o->inode->parent != NULL)
        notify_raise(o->inode->parent, IN_ATTRIB, o->inode->name);
    return (int)call_end(&c, 0);
}

int __wrap_fchmodat(int at, const char *name, mode_t mode, int flags)
{
    struct place place;
    long error;

    if (process_current() == NULL)
        return __real_fchmodat(at, name, mode, flags);
    struct call c = call_begin("fchmodat", WRITE, name, 0);
    error = file_place(c.p, at, name, &place);
    struct inode *i = error < 0 ? NULL : disk_find(place.disk, place.dir, place.name);
    if (i == NULL)
        return (int)call_end(&c, error < 0 ? error : -ENOENT);
    error = struck(&c, FAULT_SPACE | FAULT_IO);
    bool unshown = inode_unshown(i);
    if (error == 0)
        error = disk_set_mode(place.disk, i, mode & 07777);
    if (error == 0)
        notify_raise(place.dir, IN_ATTRIB, place.name);
    if (error == 0 && unshown && !inode_unshown(i))
        oracle_shown(c.p, place.dir, place.name, i);
    return (int)call_end(&c, error);
}

int __wrap_flock(int fd, int operation)
{
    if (process_current() == NULL)
        return __real_flock(fd, operation);
    struct call c = call_begin("flock", LOOK, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    if (o == NULL || o->inode == NULL)
        return (int)call_end(&c, -EBADF);
    if (sim_mistake(MISTAKE_NO_LOCK))
        return (int)call_end(&c, 0);
    if (operation & LOCK_UN) {
        file_unlock(o);
        return (int)call_end(&c, 0);
    }
    while (o->inode->locked_by != NULL && o->inode->locked_by != o) {
        if (operation & LOCK_NB)
            return (int)call_end(&c, -EWOULDBLOCK);
        task_wait(TASK_NEVER);
    }
    o->inode->locked_by = o;
    return (int)call_end(&c, 0);
}

int __wrap_fcntl(int fd, int command, ...)
{
    va_list args;

    va_start(args, command);
    long value = va_arg(args, long);
    va_end(args);
    if (process_current() == NULL)
        return __real_fcntl(fd, command, value);
    struct call c = call_begin("fcntl", LOOK, NULL, fd);
    const struct ofd *o = file_at(c.p, fd);
    if (o == NULL)
        return (int)call_end(&c, -EBADF);
    if (command != F_SETLEASE || o->inode->writers == 0 || sim_mistake(MISTAKE_NO_LEASE))
        return (int)call_end(&c, 0);
    return (int)call_end(&c, -EAGAIN);
}

int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags)
{
    if (process_current() == NULL)
        return __real_fsetxattr(fd, name, value, n, flags);
    struct call c = call_begin("fsetxattr", WRITE, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    long result = o == NULL || o->kind != OFD_FILE ? -EBADF : struck(&c, FAULT_SPACE | FAULT_IO);
    if (result == 0)
        result = disk_set_seal(o->disk, o->inode, value, n);
    return (int)call_end(&c, result);
}

ssize_t __wrap_fgetxattr(int fd, const char *name, void *value, size_t n)
{
    if (process_current() == NULL)
        return __real_fgetxattr(fd, name, value, n);
    struct call c = call_begin("fgetxattr", LOOK, NULL, fd);
    const struct ofd *o = file_at(c.p, fd);
    if (o == NULL || o->kind != OFD_FILE)
        return call_end(&c, -EBADF);
    const struct inode *i = o->inode;
    if (i->seal_size == 0)
        return call_end(&c, -ENODATA);
    if (n > 0 && n < i->seal_size)
        return call_end(&c, -ERANGE);
    if (n > 0)
        memcpy(value, i->seal, i->seal_size);
    return call_end(&c, i->seal_size);
}

/* Directories. The list stands as it was at the first look, begun at any place. */

struct sim_dir {
    int fd;
    size_t at, left; /* in the names of the description */
    struct dirent entry;
};

DIR *__wrap_fdopendir(int fd)
{
    if (process_current() == NULL)
        return __real_fdopendir(fd);
    struct call c = call_begin("fdopendir", LOOK, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    struct sim_dir *list = NULL;
    long error = o == NULL || o->kind != OFD_DIR ? -EBADF : struck(&c, FAULT_MEMORY);
    if (error == 0) {
        list = heap_alloc(&c.p->heap, sizeof(*list));
        *list = (struct sim_dir){.fd = fd};
        o->names = disk_names(o->inode, &o->names_size);
        list->left = o->names_size;
        if (o->names_size > 0)
            list->at = sim_below((uint32_t)o->names_size);
        while (list->at > 0 && o->names[list->at - 1] != '\0')
            list->at--;
    }
    call_end(&c, error);
    return (DIR *)(void *)list;
}

struct dirent *__wrap_readdir(DIR *opaque)
{
    struct sim_dir *list = (struct sim_dir *)(void *)opaque;

    if (process_current() == NULL)
        return __real_readdir(opaque);
    const struct ofd *o = file_at(process_current(), list->fd);
    if (list->left == 0)
        return NULL;
    size_t n = strlen(o->names + list->at) + 1;
    memcpy(list->entry.d_name, o->names + list->at, n);
    list->at = list->at + n == o->names_size ? 0 : list->at + n;
    list->left -= n;
    return &list->entry;
}

int __wrap_closedir(DIR *opaque)
{
    struct sim_dir *list = (struct sim_dir *)(void *)opaque;

    if (process_current() == NULL)
        return __real_closedir(opaque);
    int fd = list->fd;
    heap_free(&process_current()->heap, list);
    return __wrap_close(fd);
}

/* inotify. */

int __wrap_inotify_init1(int flags)
{
    if (process_current() == NULL)
        return __real_inotify_init1(flags);
    struct call c = call_begin("inotify_init1", LOOK, NULL, 0);
    int error = struck(&c, FAULT_FILES);
    return (int)call_end(&c,
                         error < 0 ? error : file_install(c.p, file_new(c.p, OFD_NOTIFY, flags)));
}

/* The path is /proc/self/fd/N. */
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    int watched = 0;

    if (process_current() == NULL)
        return __real_inotify_add_watch(fd, path, mask);
    struct call c = call_begin("inotify_add_watch", LOOK, path, 0);
    for (const char *p = path; *p != '\0'; p++)
        watched = *p >= '0' && *p <= '9' ? watched * 10 + (*p - '0') : 0;
    struct ofd *o = file_at(c.p, fd);
    const struct ofd *dir = file_at(c.p, watched);
    if (o == NULL || dir == NULL || dir->kind != OFD_DIR)
        return (int)call_end(&c, -EBADF);
    return (int)call_end(&c, notify_watch(o, dir->disk, dir->inode, mask));
}

mode_t __wrap_umask(mode_t mask)
{
    struct process *p = process_current();

    if (p == NULL)
        return __real_umask(mask);
    mode_t before = p->umask;
    p->umask = mask;
    return before;
}
