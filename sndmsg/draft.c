/* See draft.h. */
#include "sndmsg/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/durable.h"

enum { SLOTS = 10, READ_AT_ONCE = 65536, RECORD_MAX = 1 << 20, DIR_MODE = 0700, FILE_MODE = 0600 };

static bool fail(struct draft *d, const char *where)
{
    d->error = errno != 0 ? errno : EIO;
    d->where = where;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    return false;
}

/* Makes the folders of the path that are missing. */
static int make_folders(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(part, path, n + 1);
    for (size_t i = 1; i < n; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        if (mkdir(part, DIR_MODE) < 0 && errno != EEXIST)
            return -1;
        part[i] = '/';
    }
    return durable_dir(AT_FDCWD, part, DIR_MODE);
}

bool draft_folder(struct draft *d, const char *state, const char *home)
{
    bool own = state != NULL && state[0] == '/';
    char path[PATH_MAX];

    *d = (struct draft){.dir = -1, .fd = -1};
    if (!own && (home == NULL || home[0] != '/')) {
        errno = ENOENT;
        return fail(d, "no home directory");
    }
    int n = snprintf(path, sizeof(path), "%s%s/spoolmail", own ? state : home,
                     own ? "" : "/.local/state");
    if (n < 0 || n >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return fail(d, "the folder's name");
    }
    d->dir = make_folders(path);
    return d->dir >= 0 || fail(d, own ? state : home);
}

static void slot_name(char out[16], int slot)
{
    if (slot == 0)
        snprintf(out, 16, "draft");
    else
        snprintf(out, 16, "draft.%d", slot);
}

/* Is it a plain file of ours, under its name, and nobody else's session at work with it? */
static bool usable(const struct draft *d, int fd, struct stat *st)
{
    struct stat named;

    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
           st->st_uid == geteuid() && fstatat(d->dir, d->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           named.st_ino == st->st_ino && named.st_dev == st->st_dev;
}

static bool open_slot(struct draft *d, int slot, int flags, struct stat *st)
{
    slot_name(d->name, slot);
    d->fd = openat(d->dir, d->name,
                   O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags,
                   FILE_MODE);
    if (d->fd >= 0 && usable(d, d->fd, st))
        return true;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    return false;
}

bool draft_find(struct draft *d)
{
    struct stat st;

    for (int slot = 0; d->dir >= 0 && slot < SLOTS; slot++) {
        if (!open_slot(d, slot, 0, &st))
            continue;
        if (st.st_size > 0) {
            d->size = (uint64_t)st.st_size;
            d->at = 0;
            buf_clear(&d->in);
            return true;
        }
        close(d->fd);
        d->fd = -1;
    }
    return false;
}

bool draft_begin(struct draft *d)
{
    struct stat st;

    if (d->fd >= 0)
        close(d->fd); /* the lock goes with it */
    d->fd = -1;
    d->size = 0;
    if (d->error != 0)
        return false;
    errno = 0;
    for (int slot = 0; slot < SLOTS; slot++) {
        if (open_slot(d, slot, O_CREAT, &st) && st.st_size == 0 && fchmod(d->fd, FILE_MODE) == 0)
            return true;
        if (d->fd >= 0)
            close(d->fd);
        d->fd = -1;
    }
    errno = errno != 0 && errno != EWOULDBLOCK ? errno : EBUSY;
    return fail(d, "the folder of drafts");
}

/* The end of what can be read. A last line without its end was cut off while it was written; it
 * goes, so that the next one does not become part of it. */
static bool end_of_draft(struct draft *d)
{
    d->size = d->at - d->in.len;
    if (ftruncate(d->fd, (off_t)d->size) < 0)
        fail(d, d->name);
    return false;
}

bool draft_next(struct draft *d, struct buf *line, bool *pasted)
{
    buf_clear(line);
    for (;;) {
        struct span all = BUF_SPAN(&d->in);
        size_t end = span_find(all, '\n');
        if (end < all.n) {
            *pasted = end > 0 && all.p[0] == '+';
            buf_addspan(line, end > 0 ? (struct span){all.p + 1, end - 1} : SPAN(""));
            buf_consume(&d->in, end + 1);
            return !line->failed;
        }
        if (all.n > RECORD_MAX)
            return end_of_draft(d);
        errno = ENOMEM;
        if (!buf_reserve(&d->in, READ_AT_ONCE))
            return fail(d, d->name);
        ssize_t n = pread(d->fd, d->in.data + d->in.len, READ_AT_ONCE, (off_t)d->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(d, d->name); /* what was not read stays where it is */
        if (n == 0)
            return end_of_draft(d);
        d->in.len += (size_t)n;
        d->at += (uint64_t)n;
    }
}

bool draft_add(struct draft *d, struct span line, bool pasted)
{
    struct buf record = {0};

    if (d->fd < 0)
        return d->error == 0;
    buf_addc(&record, pasted ? '+' : ' ');
    buf_addspan(&record, line);
    buf_addc(&record, '\n');
    bool good = !record.failed && durable_write(d->fd, record.data, record.len) == 0;
    if (good)
        d->size += record.len;
    buf_free(&record);
    if (good)
        return true;
    int saved = errno;
    draft_leave(d); /* what came before stays; half a line at its end is never read */
    errno = saved;
    return fail(d, d->name);
}

bool draft_leave(struct draft *d)
{
    if (d->fd < 0)
        return false;
    if (d->size == 0) {
        draft_drop(d);
        return false;
    }
    return durable_sync(d->fd) == 0 && durable_sync(d->dir) == 0;
}

void draft_drop(struct draft *d)
{
    if (d->fd < 0)
        return;
    unlinkat(d->dir, d->name, 0); /* one that stays is offered once more */
    close(d->fd);
    d->fd = -1;
}

void draft_close(struct draft *d)
{
    if (d->fd >= 0)
        close(d->fd);
    if (d->dir >= 0)
        close(d->dir);
    d->fd = d->dir = -1;
    buf_free(&d->in);
}
