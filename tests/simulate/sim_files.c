/* See sim_files.h. */
#include "tests/simulate/sim_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "tests/simulate/sim.h"
#include "tests/simulate/sim_net.h"
#include "tests/simulate/sim_world.h"

enum { FIRST_FD = 3 };

static struct ofd *notifiers; /* all that watch something */

struct ofd *file_new(struct process *p, enum ofd_kind kind, int flags)
{
    struct ofd *o = sim_zeroed(sizeof(*o));

    o->kind = kind;
    o->flags = flags;
    o->owner = p;
    return o;
}

static bool writes(const struct ofd *o)
{
    return o->kind == OFD_FILE && (o->flags & O_ACCMODE) != O_RDONLY;
}

static void leave_notifiers(struct ofd *o)
{
    struct ofd **at = &notifiers;

    while (*at != NULL && *at != o)
        at = &(*at)->next_notify;
    if (*at == o)
        *at = o->next_notify;
    if (o->inode != NULL)
        o->inode->watches--;
}

static void poke_host(const struct host *h)
{
    for (unsigned i = 0; i < PROCESSES; i++) {
        struct process *p = process_at(i);
        if (p != NULL && p->host == h)
            process_poke(p);
    }
}

void file_unlock(const struct ofd *o)
{
    if (o->inode == NULL || o->inode->locked_by != o)
        return;
    o->inode->locked_by = NULL;
    poke_host(o->owner->host);
}

static void free_ofd(struct ofd *o)
{
    struct inode *i = o->inode;

    if (o->kind == OFD_NOTIFY)
        leave_notifiers(o);
    if (o->kind == OFD_SOCKET)
        net_close(o->sock);
    file_unlock(o);
    if (i != NULL && o->kind != OFD_NOTIFY) {
        i->opened--;
        i->writers -= writes(o);
    }
    if (i != NULL)
        disk_release(o->disk, i);
    sim_free(o->names);
    sim_free(o->event);
    sim_free(o);
}

static unsigned free_place(const struct process *p)
{
    unsigned fd = 0;

    while (fd < p->fds && p->fd[fd] != NULL)
        fd++;
    return fd;
}

bool file_room(const struct process *p)
{
    return free_place(p) < p->fd_limit;
}

int file_install(struct process *p, struct ofd *o)
{
    unsigned fd = free_place(p);

    if (fd >= p->fd_limit) {
        free_ofd(o);
        return -EMFILE;
    }
    if (fd == p->fds)
        p->fds++;
    p->fd[fd] = o;
    return (int)fd + FIRST_FD;
}

struct ofd *file_at(const struct process *p, int fd)
{
    if (fd < FIRST_FD || (unsigned)fd - FIRST_FD >= p->fds)
        return NULL;
    return p->fd[fd - FIRST_FD];
}

void file_close(struct process *p, int fd)
{
    struct ofd *o = file_at(p, fd);

    p->fd[fd - FIRST_FD] = NULL;
    free_ofd(o);
}

void file_close_all(struct process *p)
{
    for (unsigned fd = 0; fd < p->fds; fd++)
        if (p->fd[fd] != NULL)
            file_close(p, (int)fd + FIRST_FD);
    p->fds = 0;
}

bool file_readable(const struct ofd *o)
{
    switch (o->kind) {
    case OFD_FIFO:
        return o->inode->waiting > 0;
    case OFD_NOTIFY:
        return o->events > 0 || o->overflown;
    case OFD_EVENT:
        return o->count > 0;
    case OFD_SOCKET:
        return net_readable(o->sock);
    default:
        return true;
    }
}

bool file_writable(const struct ofd *o)
{
    return o->kind != OFD_SOCKET || net_writable(o->sock);
}

int64_t file_ready_us(const struct ofd *o)
{
    return o->kind == OFD_SOCKET ? net_ready_us(o->sock) : INT64_MAX;
}

/* Paths. */

static int start_of(struct process *p, int at, const char **path, struct place *out)
{
    const struct ofd *o;

    if (**path == '/') {
        *out = (struct place){.disk = &p->host->disk, .dir = p->host->disk.root};
        while (**path == '/')
            (*path)++;
        return 0;
    }
    o = file_at(p, at);
    if (o == NULL)
        return -EBADF;
    if (o->kind != OFD_DIR)
        return -ENOTDIR;
    *out = (struct place){.disk = o->disk, .dir = o->inode};
    return 0;
}

int file_place(struct process *p, int at, const char *path, struct place *out)
{
    int error = start_of(p, at, &path, out);

    while (error == 0) {
        size_t n = strcspn(path, "/");
        if (n > DISK_NAME_MAX)
            return -ENAMETOOLONG;
        memcpy(out->name, path, n);
        out->name[n] = '\0';
        path += n + strspn(path + n, "/");
        if (*path == '\0')
            return 0;
        out->dir = disk_find(out->disk, out->dir, out->name);
        if (out->dir == NULL)
            error = -ENOENT;
        else if (out->dir->kind != INODE_DIR)
            error = -ENOTDIR;
    }
    return error;
}

int file_open(struct process *p, struct disk *d, struct inode *i, int flags)
{
    static const enum ofd_kind kinds[] = {
        [INODE_FILE] = OFD_FILE, [INODE_DIR] = OFD_DIR, [INODE_FIFO] = OFD_FIFO};

    if (flags & O_DIRECTORY && i->kind != INODE_DIR)
        return -ENOTDIR;
    if (i->kind == INODE_DIR && (flags & O_ACCMODE) != O_RDONLY)
        return -EISDIR;
    if (i->kind == INODE_FIFO && (flags & O_ACCMODE) == O_WRONLY && i->opened == 0)
        return -ENXIO;
    struct ofd *o = file_new(p, kinds[i->kind], flags);
    o->disk = d;
    o->inode = i;
    o->errors_seen = i->errors;
    o->disk_errors_seen = d->errors;
    disk_hold(i);
    i->opened++;
    i->writers += writes(o);
    return file_install(p, o);
}

/* inotify. */

void notify_raise(struct inode *dir, uint32_t mask, const char *name)
{
    if (dir == NULL || dir->watches == 0)
        return;
    for (struct ofd *o = notifiers; o != NULL; o = o->next_notify) {
        if (o->inode != dir || !(o->mask & mask))
            continue;
        if (o->events == NOTIFY_MAX) {
            o->overflown = true;
        } else {
            struct notify_event *e = &o->event[(o->first + o->events++) % NOTIFY_MAX];
            e->mask = mask;
            strcpy(e->name, name);
        }
        process_poke(o->owner);
    }
}

int notify_watch(struct ofd *o, struct disk *d, struct inode *dir, uint32_t mask)
{
    if (o->inode != NULL)
        return -ENOSPC;
    o->inode = dir;
    o->disk = d;
    o->mask = mask;
    o->event = sim_alloc(NOTIFY_MAX * sizeof(*o->event));
    o->next_notify = notifiers;
    notifiers = o;
    dir->watches++;
    disk_hold(dir);
    return 1;
}

long notify_read(struct ofd *o, void *to, size_t size)
{
    char *at = to;
    size_t used = 0;

    while (o->events > 0) {
        const struct notify_event *e = &o->event[o->first];
        size_t length = (strlen(e->name) / 16 + 1) * 16;
        struct inotify_event head = {.wd = 1, .mask = e->mask, .len = (uint32_t)length};
        if (used + sizeof(head) + length > size)
            break;
        memcpy(at + used, &head, sizeof(head));
        memset(at + used + sizeof(head), 0, length);
        memcpy(at + used + sizeof(head), e->name, strlen(e->name));
        used += sizeof(head) + length;
        o->first = (o->first + 1) % NOTIFY_MAX;
        o->events--;
    }
    if (o->overflown && o->events == 0 && used + sizeof(struct inotify_event) <= size) {
        struct inotify_event head = {.wd = -1, .mask = IN_Q_OVERFLOW};
        memcpy(at + used, &head, sizeof(head));
        used += sizeof(head);
        o->overflown = false;
    }
    return used > 0 ? (long)used : -EAGAIN;
}
