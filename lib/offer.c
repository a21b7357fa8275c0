/* See offer.h. */
#include "lib/offer.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dataset.h"
#include "lib/seal.h"
#include "lib/wake.h"

#define STEM ".OFFER-"
#define OPEN_ENDING ".open"
#define DONE_ENDING ".done"
#define HELD_ENDING ".held"

enum {
    DIR_MODE = 0770,
    FILE_MODE = 0640,
    FILE_DIGITS = 5, /* names of files: 00001 to OFFER_FILES_MAX */
    HEX_MAX = 16,
    PATH_SIZE = OFFER_STEM_MAX + 8,
    NAME_TRIES = 8,
    ENTRIES_MAX = 2 * OFFER_FILES_MAX, /* of a directory: looked at, or removed, at one time */
    SPARE_NAMES = 64,                  /* reserved again when names are taken by strangers */
    SPARE_TRIES = 16
};

static int random_stem(char out[OFFER_STEM_MAX])
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -1;
    snprintf(out, OFFER_STEM_MAX, STEM "%016llX", (unsigned long long)random);
    return 0;
}

static void path_of(const char *stem, const char *ending, char out[PATH_SIZE])
{
    snprintf(out, PATH_SIZE, "%s%s", stem, ending);
}

static int open_offer(int mail, const char *path)
{
    return openat(mail, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int close_keeping_errno(int fd)
{
    int saved = errno;

    close(fd); /* a directory: nothing can be lost by closing it */
    errno = saved;
    return -1;
}

/* Does the name in mail/ still lead to this open directory? */
static bool same_directory(int mail, const char *path, int dir)
{
    struct stat open_one, named;

    return fstat(dir, &open_one) == 0 && fstatat(mail, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

/* The setgid bit of mail/ gives new directories its group and the bit itself. A chmod by a user who
 * is not of the group would take the bit away again, so the umask must not be in the way. */
static int make_directory(int mail, const char *path)
{
    struct stat parent, made;
    mode_t before = umask(0777 & ~DIR_MODE);
    int result = mkdirat(mail, path, DIR_MODE);

    umask(before);
    if (result < 0)
        return -1;
    int dir = open_offer(mail, path);
    if (dir >= 0 && fstat(mail, &parent) == 0 && fstat(dir, &made) == 0 &&
        parent.st_gid == made.st_gid)
        return dir;
    int error = dir < 0 ? errno : ENOTSUP;
    if (dir >= 0)
        close(dir);
    unlinkat(mail, path, AT_REMOVEDIR);
    errno = error;
    return -1;
}

int offer_begin(struct offer *o, int mail)
{
    char path[PATH_SIZE];
    int error = EAGAIN;

    *o = (struct offer){.mail = mail, .dir = -1};
    for (int tries = 0; tries < NAME_TRIES; tries++) {
        if (random_stem(o->stem) < 0)
            return -1;
        path_of(o->stem, OPEN_ENDING, path);
        o->dir = make_directory(mail, path);
        if (o->dir < 0 && errno != EEXIST && errno != ENOENT)
            return -1;
        if (o->dir < 0)
            error = errno;
        /* The sweeper may come before the lock: then it is the sweeper's, and we begin anew. */
        if (o->dir >= 0 && flock(o->dir, LOCK_EX | LOCK_NB) == 0 &&
            same_directory(mail, path, o->dir)) {
            syncset_init(&o->sync, o->dir);
            return 0;
        }
        if (o->dir >= 0)
            close(o->dir);
        o->dir = -1;
    }
    errno = error;
    return -1;
}

static void file_name(unsigned number, char out[16])
{
    snprintf(out, 16, "%0*u", FILE_DIGITS, number);
}

int offer_create(struct offer *o)
{
    char name[16];

    if (o->files == OFFER_FILES_MAX) {
        errno = ENOSPC;
        return -1;
    }
    file_name(o->files + 1, name);
    int fd = durable_create(o->dir, name, FILE_MODE);
    if (fd < 0)
        return -1;
    o->files++;
    if (fchmod(fd, FILE_MODE) < 0)
        return close_keeping_errno(fd);
    return fd;
}

int offer_done(struct offer *o, int fd)
{
    return seal_file(fd) < 0 ? durable_drop(fd) : syncset_add(&o->sync, fd);
}

static void close_offer(struct offer *o)
{
    syncset_drop(&o->sync);
    if (o->dir >= 0)
        close(o->dir);
    o->dir = -1;
}

int offer_commit(struct offer *o)
{
    char open[PATH_SIZE], done[PATH_SIZE];

    path_of(o->stem, OPEN_ENDING, open);
    path_of(o->stem, DONE_ENDING, done);
    if (syncset_commit(&o->sync) < 0 || durable_sync(o->dir) < 0 ||
        durable_move(o->mail, open, o->mail, done) < 0)
        return -1;
    o->in_doubt = durable_sync_entry(o->mail, o->dir) < 0;
    if (o->in_doubt)
        return -1; /* renaming it back would be no more certain, and usmtp may be at work in it */
    close_offer(o);
    wake_send(o->mail);
    return 0;
}

void offer_abandon(struct offer *o)
{
    char name[16], path[PATH_SIZE];
    int saved = errno;

    if (o->dir >= 0 && !o->in_doubt) {
        for (unsigned i = 1; i <= o->files; i++) {
            file_name(i, name);
            unlinkat(o->dir, name, 0);
        }
        path_of(o->stem, OPEN_ENDING, path);
        unlinkat(o->mail, path, AT_REMOVEDIR); /* left over: the sweeper's */
    }
    close_offer(o);
    errno = saved;
}

/* .OFFER-, 1 to 16 hexadecimal digits, the ending. */
static bool is_offer(const char *name, const char *ending)
{
    struct span s = span_of(name), stem = SPAN(STEM), end = span_of(ending);

    if (s.n <= stem.n + end.n || s.n > stem.n + end.n + HEX_MAX ||
        strncmp(name, STEM, stem.n) != 0 || strcmp(name + s.n - end.n, ending) != 0)
        return false;
    for (size_t i = stem.n; i < s.n - end.n; i++)
        if (strchr("0123456789ABCDEF", name[i]) == NULL)
            return false;
    return true;
}

bool offer_is_done(const char *name)
{
    return is_offer(name, DONE_ENDING);
}

struct adoption {
    const struct offer_taker *t;
    int mail, dir;
    /* Files by number, so that they keep their order. */
    enum { ABSENT, PRESENT, LINKED } file[OFFER_FILES_MAX + 1];
    unsigned files, seen;
    uint64_t next; /* the next name */
    unsigned names;
    char (*name)[DSNAME_MAX + 1]; /* owned: what the files became */
    unsigned taken;
    struct moved *moved; /* owned: the LINKED files, in the order of their numbers */
    unsigned links, link;
    const char *strange; /* why it is held; NULL: it is not */
};

/* A file with a second link: a move by link and unlink (durable_move) that was stopped between the
 * two, when that link is a data set. */
struct moved {
    unsigned number;
    ino_t inode;
    dev_t device;
    uint64_t stamp; /* of the data set; 0: there is none */
};

/* The number that a file's name is; 0: it is none of ours. */
static unsigned file_number(const char *name)
{
    uint64_t number = 0;

    if (strlen(name) != FILE_DIGITS || !span_number(span_of(name), OFFER_FILES_MAX, &number))
        return 0;
    return (unsigned)number;
}

/* Of its caller: there is no need to look on. */
enum { ENOUGH = 1 };

#define LINKS "a file in it has other hard links"

static int look_at(void *arg, const char *name)
{
    struct adoption *a = arg;
    unsigned number = file_number(name);
    struct stat st;

    if (++a->seen > ENTRIES_MAX) {
        a->strange = "it has more files than an offer can have";
        return ENOUGH;
    }
    if (fstatat(a->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1; /* its owner took it away */
    if (number == 0)
        a->strange = "a file in it has a name that sndmsg does not give";
    else if (!S_ISREG(st.st_mode))
        a->strange = "not all of its files are plain files";
    else if (st.st_nlink > 2)
        a->strange = LINKS;
    else if (a->file[number] == ABSENT) {
        a->file[number] = st.st_nlink == 2 ? LINKED : PRESENT;
        a->files++;
        a->links += st.st_nlink == 2;
    }
    return 0;
}

static int next_name(struct adoption *a, char out[DSNAME_MAX + 1])
{
    if (a->names == 0) {
        if (dataset_names_take(a->t->spool, clock_wall(), SPARE_NAMES, &a->next) < 0)
            return -1;
        a->names = SPARE_NAMES;
    }
    if (!dsname_format(a->t->prefix, a->next, out)) {
        errno = EINVAL;
        return -1;
    }
    a->next = dsname_next(a->next);
    a->names--;
    return 0;
}

static int by_inode(const void *a, const void *b)
{
    const struct moved *l = a, *r = b;

    return (l->inode > r->inode) - (l->inode < r->inode);
}

static int by_number(const void *a, const void *b)
{
    const struct moved *l = a, *r = b;

    return (l->number > r->number) - (l->number < r->number);
}

/* Is this entry of mail/ the other name of one of them? */
static int match_moved(void *arg, const char *name)
{
    struct adoption *a = arg;
    uint64_t stamp;
    struct stat st;

    if (!dsname_parse(a->t->prefix, span_of(name), &stamp))
        return 0;
    if (fstatat(a->mail, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    const struct moved key = {.inode = st.st_ino};
    struct moved *m = bsearch(&key, a->moved, a->links, sizeof(key), by_inode);
    if (m != NULL && st.st_dev == m->device)
        m->stamp = stamp;
    return 0;
}

static int list_links(struct adoption *a)
{
    char name[16];
    struct stat st;

    a->moved = calloc(a->links, sizeof(*a->moved));
    if (a->moved == NULL)
        return -1;
    a->links = 0;
    for (unsigned i = 1; i <= OFFER_FILES_MAX; i++) {
        if (a->file[i] != LINKED)
            continue;
        file_name(i, name);
        if (fstatat(a->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            a->moved[a->links++] =
                (struct moved){.number = i, .inode = st.st_ino, .device = st.st_dev};
        else if (errno == ENOENT)
            a->file[i] = ABSENT; /* its owner took it away */
        else
            return -1;
    }
    return 0;
}

/* A power cut can bring back more than one of them: mail/ is looked through once for all. The names
 * there may not be on stable storage yet, and are to stay. */
static int find_moved(struct adoption *a)
{
    if (a->links == 0)
        return 0;
    if (list_links(a) < 0)
        return -1;
    qsort(a->moved, a->links, sizeof(*a->moved), by_inode);
    if (durable_each(a->mail, match_moved, a) < 0)
        return -1;
    qsort(a->moved, a->links, sizeof(*a->moved), by_number);
    return durable_sync(a->mail);
}

/* Comes by number, as they are listed. */
static int finish_move(struct adoption *a, const char *name)
{
    const struct moved *m = &a->moved[a->link++];

    if (m->stamp == 0) {
        a->strange = LINKS;
        return 0;
    }
    if (unlinkat(a->dir, name, 0) < 0 && errno != ENOENT)
        return -1;
    dsname_format(a->t->prefix, m->stamp, a->name[a->taken++]);
    return 0;
}

/* One file into mail/. Anybody may put a file there, so a name may be taken: then the next one. */
static int take_file(struct adoption *a, unsigned number)
{
    char name[16], *as = a->name[a->taken];

    file_name(number, name);
    if (a->file[number] == LINKED)
        return finish_move(a, name);
    for (int tries = 0; tries < SPARE_TRIES * SPARE_NAMES; tries++) {
        if (next_name(a, as) < 0)
            return -1;
        if (durable_move(a->dir, name, a->mail, as) == 0) {
            a->taken++;
            return 0;
        }
        if (errno == ENOENT)
            return 0; /* its owner took it away */
        if (errno != EEXIST)
            break;
    }
    /* The owner decides on the mode of the directory: that is his fault, not ours. */
    if (errno == EACCES || errno == EPERM) {
        a->strange = "its files may not be moved: it must be writable by the group";
        return 0;
    }
    return -1;
}

static int take_files(struct adoption *a)
{
    if (a->files == 0)
        return 0;
    a->name = calloc(a->files, sizeof(*a->name));
    if (a->name == NULL || dataset_names_take(a->t->spool, clock_wall(), a->files, &a->next) < 0)
        return -1;
    a->names = a->files;
    if (find_moved(a) < 0)
        return -1;
    for (unsigned i = 1; i <= OFFER_FILES_MAX; i++)
        if (a->file[i] != ABSENT && take_file(a, i) < 0)
            return -1;
    return 0;
}

/* What was moved is on stable storage on both sides before anybody works with it: or else it could
 * be sent, and come back after a power cut. */
static int settle(struct adoption *a)
{
    if (a->taken == 0)
        return 0;
    if (durable_sync(a->mail) < 0 || durable_sync(a->dir) < 0)
        return -1;
    for (unsigned i = 0; i < a->taken; i++)
        a->t->each(a->t->arg, a->name[i]);
    return 0;
}

static void owner_of(int mail, const char *name, char out[40])
{
    struct stat st;
    const struct passwd *pw =
        fstatat(mail, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? getpwuid(st.st_uid) : NULL;

    snprintf(out, 40, "%s", pw != NULL ? pw->pw_name : "?");
}

/* O2 to O3, so that it is told once. It stays in mail/: a directory that we may not write to cannot
 * be moved into another one. */
static enum offer_result hold(const struct offer_taker *t, const char *name, const char *why)
{
    int mail = t->spool->queue[QUEUE_MAIL];
    char owner[40], stem[OFFER_STEM_MAX], held[PATH_SIZE];

    owner_of(mail, name, owner);
    for (int tries = 0; tries < NAME_TRIES; tries++) {
        if (random_stem(stem) < 0)
            return OFFER_LATER;
        path_of(stem, HELD_ENDING, held);
        if (durable_move(mail, name, mail, held) == 0) {
            MSG(t->log, T01SM088W, held, owner, why);
            return OFFER_HELD;
        }
        if (errno == ENOENT)
            return OFFER_TAKEN;
        if (errno != EEXIST)
            break;
    }
    return OFFER_LATER;
}

/* After everything in it was moved. Its owner may have put more into it: that is held. */
static enum offer_result finish(const struct adoption *a, const char *name)
{
    if (a->strange != NULL)
        return hold(a->t, name, a->strange);
    if (unlinkat(a->mail, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return OFFER_TAKEN;
    if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
        return hold(a->t, name, "files were added to it after it was committed");
    return OFFER_LATER;
}

/* Why a directory cannot be opened, as far as that is its owner's doing. */
static const char *open_fault(int error)
{
    switch (error) {
    case ENOTDIR:
    case ELOOP:
        return "it is no directory";
    case EACCES:
    case EPERM:
        return "it may not be read: it must be open to the group";
    default:
        return NULL;
    }
}

enum offer_result offer_adopt(const struct offer_taker *t, const char *name)
{
    int mail = t->spool->queue[QUEUE_MAIL], dir = open_offer(mail, name);

    if (dir < 0 && errno == ENOENT)
        return OFFER_TAKEN;
    if (dir < 0)
        return open_fault(errno) != NULL ? hold(t, name, open_fault(errno)) : OFFER_LATER;
    struct adoption *a = calloc(1, sizeof(*a));
    enum offer_result result = OFFER_LATER;
    if (a != NULL) {
        *a = (struct adoption){.t = t, .mail = mail, .dir = dir};
        /* What was moved before a failure is told as well. */
        int taken = durable_each(dir, look_at, a) < 0 ? -1 : take_files(a);
        int saved = errno;
        if (settle(a) < 0) {
            result = OFFER_IN_DOUBT;
            saved = errno;
        } else if (taken == 0) {
            result = finish(a, name);
            saved = errno;
        }
        errno = saved;
        free(a->name);
        free(a->moved);
        free(a);
        errno = saved;
    }
    close_keeping_errno(dir);
    return result;
}

struct emptying {
    int dir;
    unsigned seen;
};

static int empty_one(void *arg, const char *name)
{
    struct emptying *e = arg;

    unlinkat(e->dir, name, 0); /* a directory stays, and so does the offer */
    return ++e->seen == ENTRIES_MAX ? ENOUGH : 0;
}

/* Empties and removes the directory of a writer that died, as far as it goes. */
static int sweep_one(void *arg, const char *name)
{
    int mail = *(const int *)arg;
    struct emptying e = {0};

    if (!is_offer(name, OPEN_ENDING))
        return 0;
    int dir = e.dir = open_offer(mail, name);
    if (dir < 0)
        return 0;
    /* With the lock in hand the name must still be .open: its writer may have committed it between
     * our two calls. */
    if (flock(dir, LOCK_EX | LOCK_NB) == 0 && same_directory(mail, name, dir)) {
        durable_each(dir, empty_one, &e);
        unlinkat(mail, name, AT_REMOVEDIR);
    }
    close(dir);
    return 0;
}

void offer_sweep(const struct spool *s)
{
    int mail = s->queue[QUEUE_MAIL];

    durable_each(mail, sweep_one, &mail);
}
