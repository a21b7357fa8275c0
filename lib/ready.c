/* See ready.h. */
#include "lib/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/durable.h"
#include "lib/spool.h"

/* Kinds of file that no mail is in. */
static const struct {
    mode_t kind;
    const char *reason;
} refused[] = {
    {S_IFDIR, "it is a directory: put the mail file itself into the queue"},
    {S_IFLNK, "it is a symbolic link: put the mail file itself into the queue"},
    {S_IFIFO, "it is a FIFO: put a plain file into the queue"},
    {S_IFSOCK, "it is a socket: put a plain file into the queue"},
    {S_IFCHR, "it is a device: put a plain file into the queue"},
    {S_IFBLK, "it is a device: put a plain file into the queue"},
};

enum {
    WATCHES_MAX = 4096, /* more are looked at again in each pass */
    FORGET_MS = 10 * 60000
};

static const char *refuse(const struct stat *st, const struct ready_rules *rules)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if ((st->st_mode & S_IFMT) == refused[i].kind)
            return refused[i].reason;
    if (st->st_size > 0 && (uint64_t)st->st_size > rules->max_octets)
        return "it is larger than MAXSIZE allows: send less, or have MAXSIZE raised";
    return NULL;
}

static bool same(const struct watch *w, const struct stat *st)
{
    return w->size == st->st_size && w->changed.tv_sec == st->st_ctim.tv_sec &&
           w->changed.tv_nsec == st->st_ctim.tv_nsec;
}

static struct watch *find(struct watch_list *list, ino_t inode)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->watch[i].inode == inode)
            return &list->watch[i];
    if (list->count == WATCHES_MAX)
        return NULL;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        void *grown = reallocarray(list->watch, cap, sizeof(*list->watch));
        if (grown == NULL)
            return NULL;
        list->watch = grown;
        list->cap = cap;
    }
    struct watch *w = &list->watch[list->count++];
    *w = (struct watch){.inode = inode, .size = -1};
    return w;
}

static bool quiet(struct watch_list *list, const struct ready_rules *rules, const struct stat *st)
{
    struct watch *w = find(list, st->st_ino);

    if (st->st_ctim.tv_sec <= rules->wall &&
        (rules->wall - st->st_ctim.tv_sec) * 1000 > rules->quiet_ms)
        return true;
    if (w == NULL)
        return false; /* memory is short: next time */
    w->seen_ms = rules->now_ms;
    if (!same(w, st)) {
        w->size = st->st_size;
        w->changed = st->st_ctim;
        w->since_ms = rules->now_ms;
    }
    return rules->now_ms - w->since_ms >= rules->quiet_ms;
}

enum lease { LEASE_HELD, LEASE_REFUSED, LEASE_NONE };

static enum lease take_lease(const struct ready_rules *rules, int fd)
{
    if (rules->quiet_ms == READY_WHOLE || fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
        return LEASE_HELD;
    return errno == EAGAIN ? LEASE_REFUSED : LEASE_NONE;
}

static bool whole(struct watch_list *list, const struct ready_rules *rules, enum lease lease,
                  const struct stat *st)
{
    return lease == LEASE_HELD || (lease == LEASE_NONE && quiet(list, rules, st));
}

enum ready ready_check(struct watch_list *list, const struct ready_rules *rules, int dir,
                       const char *name, int *fd, struct stat *st, const char **reason)
{
    *fd = -1;
    /* Look before opening: opening a device can do things. */
    if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return READY_BUSY;
    if (spool_unshown(st) && st->st_uid == geteuid())
        return READY_BUSY;
    *reason = refuse(st, rules);
    if (*reason != NULL)
        return READY_BAD;
    if (st->st_nlink > 1) {
        *reason = "it has other hard links, so others could alter it: put a copy into the queue";
        return quiet(list, rules, st) ? READY_BAD : READY_BUSY;
    }
    *fd = durable_open(dir, name);
    if (*fd < 0) {
        *reason = "it may not be read here: drop it again with mode 0640 or 0644";
        return (errno == EACCES || errno == EPERM) && quiet(list, rules, st) ? READY_BAD
                                                                             : READY_BUSY;
    }
    enum lease lease = take_lease(rules, *fd);
    /* What is known of it is true only while nobody can write to it. */
    *reason = fstat(*fd, st) < 0 ? "it cannot be examined" : refuse(st, rules);
    if (*reason == NULL && st->st_nlink == 1 && whole(list, rules, lease, st))
        return READY;
    close(*fd);
    *fd = -1;
    return *reason != NULL ? READY_BAD : READY_BUSY;
}

bool ready_tell(struct watch_list *list, const struct ready_rules *rules, const struct stat *st)
{
    struct watch *w = find(list, st->st_ino);

    if (w == NULL)
        return false;
    w->seen_ms = rules->now_ms;
    bool first = !w->told;
    w->told = true;
    return first;
}

void ready_prune(struct watch_list *list, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++)
        if (now_ms - list->watch[i].seen_ms < FORGET_MS)
            list->watch[kept++] = list->watch[i];
    list->count = kept;
}

void ready_free(struct watch_list *list)
{
    free(list->watch);
    *list = (struct watch_list){0};
}
