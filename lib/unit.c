/* See unit.h. */
#include "lib/unit.h"

#include <errno.h>
#include <fcntl.h>
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

enum { OWN_MODE = 0600 /* the daemons' umask leaves it as it is */ };

static const struct {
    const char *name;
    enum spool_queue queue;
    mode_t mode;
    bool keeps; /* a claimed file with its reason here goes to this queue */
} parts[UNIT_PARTS] = {
    [UNIT_MAIL] = {"mail", QUEUE_MAIL, OWN_MODE, false},
    [UNIT_POST] = {"POST", QUEUE_POST, 0640, false},
    [UNIT_PRT] = {"PRT", QUEUE_PRT, 0640, false},
    [UNIT_HOLD] = {"HOLD", QUEUE_HOLD, 0640, true},
    [UNIT_DEAD] = {"DEAD", QUEUE_DEAD, 0640, true},
};

#define OPEN_ENDING ".open"
#define DONE_ENDING ".done"

int unit_owner(const struct spool *s, const char *owner)
{
    char name[32];

    snprintf(name, sizeof(name), "%s.lock", owner);
    int fd = openat(s->work, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 ? durable_drop(fd) : fd;
}

static void close_unit(struct unit *u)
{
    syncset_drop(&u->sync);
    for (int i = 0; i < UNIT_PARTS; i++) {
        if (u->part[i] >= 0)
            close(u->part[i]); /* directories */
        u->part[i] = -1;
    }
    if (u->in >= 0)
        close(u->in);
    if (u->dir >= 0)
        close(u->dir);
    u->in = u->dir = -1;
}

static void unit_path(const struct unit *u, const char *ending, char out[48])
{
    snprintf(out, 48, "%s%s", u->name, ending);
}

/* A directory that can't be opened is not left behind. */
static int make_dir(int at, const char *name)
{
    if (mkdirat(at, name, 0700) < 0)
        return -1;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int saved = errno;
    if (fd < 0)
        (void)unlinkat(at, name, AT_REMOVEDIR);
    errno = saved;
    return fd;
}

int unit_begin(struct unit *u, const struct spool *s, const char *owner, unsigned number,
               enum spool_queue source)
{
    char path[48];

    *u = (struct unit){.spool = s, .source = source, .dir = -1, .in = -1};
    for (int i = 0; i < UNIT_PARTS; i++)
        u->part[i] = -1;
    snprintf(u->name, sizeof(u->name), "%s.%08X", owner, number);
    unit_path(u, OPEN_ENDING, path);
    u->dir = make_dir(s->work, path);
    u->in = u->dir < 0 ? -1 : make_dir(u->dir, "in");
    syncset_init(&u->sync, u->dir);
    return u->in < 0 ? -1 : 0;
}

enum { NAME_TRIES = 10000, WHOLE_MAX = 16384 };

/* The nth name like `name`: itself, then 2-name, 3-name. */
static void name_like(char out[NAME_MAX + 1], unsigned n, const char *name)
{
    if (n == 1)
        snprintf(out, NAME_MAX + 1, "%s", name);
    else
        snprintf(out, NAME_MAX + 1, "%u-%.230s", n, name);
}

/* A name of our own: eight hexadecimal digits and a hyphen before the old one. */
enum { MARK = 9, KEPT_MAX = NAME_MAX - (int)sizeof(UNIT_REASON) + 1 };

static bool marked(const char *name)
{
    for (int i = 0; i < MARK - 1; i++)
        if (strchr("0123456789abcdef", name[i]) == NULL || name[i] == '\0')
            return false;
    return name[MARK - 1] == '-' && name[MARK] != '\0';
}

static int mark(char out[NAME_MAX + 1], const char *name)
{
    uint32_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -1;
    snprintf(out, NAME_MAX + 1, "%08x-%.*s", random, KEPT_MAX - MARK, name);
    return 0;
}

/* Could a file of this name come back under it, and have a reason beside it? */
static bool usable(const char *name)
{
    return strlen(name) <= KEPT_MAX && !marked(name);
}

int unit_claim(struct unit *u, const char *name, char *as)
{
    int queue = u->spool->queue[u->source];

    if (usable(name)) {
        snprintf(as, NAME_MAX + 1, "%s", name);
        if (durable_move(queue, name, u->in, as) == 0)
            return 0;
        if (errno != EEXIST) /* else a file of this name came, was claimed, and another one came */
            return -1;
    }
    return mark(as, name) < 0 ? -1 : durable_move(queue, name, u->in, as);
}

static bool taken_where_kept(const struct unit *u, const char *name)
{
    for (int i = 0; i < UNIT_PARTS; i++)
        if (parts[i].keeps &&
            faccessat(u->spool->queue[parts[i].queue], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    return false;
}

int unit_keep(struct unit *u, char *as)
{
    char other[NAME_MAX + 1];

    if (marked(as) || !taken_where_kept(u, as))
        return 0;
    if (mark(other, as) < 0 || durable_move(u->in, as, u->in, other) < 0)
        return -1;
    memcpy(as, other, sizeof(other));
    return 0;
}

void unit_reason_name(char out[NAME_MAX + 1], const char *as)
{
    snprintf(out, NAME_MAX + 1, "%.*s" UNIT_REASON, KEPT_MAX, as);
}

/* Moves a file under its name or, where that is taken, one like it. */
static int move_free(int from, const char *name, int to)
{
    char other[NAME_MAX + 1];

    for (unsigned n = 1; n < NAME_TRIES; n++) {
        name_like(other, n, name);
        if (durable_move(from, name, to, other) == 0)
            return 0;
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

int unit_unclaim(struct unit *u, const char *as, const char *name)
{
    return durable_move(u->in, as, u->spool->queue[u->source], name);
}

int unit_create(struct unit *u, enum unit_part part, const char *name)
{
    if (u->part[part] < 0) {
        u->part[part] = make_dir(u->dir, parts[part].name);
        if (u->part[part] < 0)
            return -1;
        u->parts_used |= 1U << part;
    }
    mode_t mode = parts[part].mode;
    int fd = durable_create(u->part[part], name, mode);
    /* Whatever the umask: a post office reads by its group. */
    return fd >= 0 && mode != OWN_MODE && fchmod(fd, mode) < 0 ? durable_drop(fd) : fd;
}

int unit_done(struct unit *u, int fd)
{
    return seal_file(fd) < 0 ? durable_drop(fd) : syncset_add(&u->sync, fd);
}

/* In one call where they are small, as nearly all are. */
static int write_both(int fd, struct span head, struct span text)
{
    char whole[WHOLE_MAX];

    if (head.n > sizeof(whole) || text.n > sizeof(whole) - head.n)
        return durable_write(fd, head.p, head.n) < 0 ? -1 : durable_write(fd, text.p, text.n);
    if (head.n > 0)
        memcpy(whole, head.p, head.n);
    if (text.n > 0)
        memcpy(whole + head.n, text.p, text.n);
    return durable_write(fd, whole, head.n + text.n);
}

int unit_put(struct unit *u, enum unit_part part, const char *name, struct span head,
             struct span text)
{
    int fd = unit_create(u, part, name);
    struct seal seal = {0};

    if (fd < 0)
        return -1;
    seal_add(&seal, head);
    seal_add(&seal, text);
    int result = write_both(fd, head, text);
    if (result < 0)
        seal_drop(&seal);
    else
        result = seal_end(&seal, fd);
    return result < 0 ? durable_drop(fd) : syncset_add(&u->sync, fd);
}

/* Everything the commit rests on: the new files, their entries, and the claims on both sides. */
static int sync_all(struct unit *u)
{
    bool many = u->sync.many;

    if (syncset_commit(&u->sync) < 0)
        return -1;
    if (many)
        return 0; /* one syncfs covered the directories as well */
    for (int i = 0; i < UNIT_PARTS; i++)
        if (u->part[i] >= 0 && durable_sync(u->part[i]) < 0)
            return -1;
    if (durable_sync(u->in) < 0 || durable_sync(u->dir) < 0)
        return -1;
    return durable_sync(u->spool->queue[u->source]);
}

int unit_commit(struct unit *u)
{
    char from[48], to[48];

    unit_path(u, OPEN_ENDING, from);
    unit_path(u, DONE_ENDING, to);
    /* Directories: nothing with anything in it can be replaced by a plain rename. */
    if (sync_all(u) < 0 || renameat(u->spool->work, from, u->spool->work, to) < 0)
        return -1;
    return durable_sync(u->spool->work);
}

struct step {
    struct unit *unit;
    int (*each)(struct unit *u, const char *name, void *arg);
    void *arg;
};

static int take_step(void *arg, const char *name)
{
    const struct step *s = arg;

    return s->each(s->unit, name, s->arg);
}

static int for_entries(int dir, int (*each)(struct unit *u, const char *name, void *arg),
                       struct unit *u, void *arg)
{
    struct step s = {u, each, arg};

    return durable_each(dir, take_step, &s);
}

/* Anybody may put a file into mail/, so a name may be taken by a stranger: then the next free one.
 */
static int publish_renamed(struct unit *u, const char *name)
{
    size_t n = strlen(name);
    char other[DSNAME_MAX + 1];
    uint64_t stamp;

    for (int tries = 0; tries < 1000; tries++) {
        if (n <= DSNAME_SUFFIX || dataset_names_take(u->spool, clock_wall(), 1, &stamp) < 0 ||
            !dsname_format((struct span){name, n - DSNAME_SUFFIX}, stamp, other))
            return -1;
        if (durable_move(u->part[UNIT_MAIL], name, u->spool->queue[QUEUE_MAIL], other) == 0)
            return 0;
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* A move by link and unlink (durable_move) may have been stopped between the two: then it is the
 * queue that has the other link, since nobody else reaches a file here. -1: it cannot be known, and
 * under another name it could come twice. */
static int published(const struct unit *u, const char *name)
{
    struct stat st;

    if (!u->found)
        return 0;
    return fstatat(u->part[UNIT_MAIL], name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -1 : st.st_nlink > 1;
}

static int publish_mail(struct unit *u, const char *name)
{
    int mail = u->spool->queue[QUEUE_MAIL], there = published(u, name);

    if (there != 0)
        return there < 0 || durable_sync(mail) < 0 ? -1 : unlinkat(u->part[UNIT_MAIL], name, 0);
    int result = durable_move(u->part[UNIT_MAIL], name, mail, name);
    return result < 0 && errno == EEXIST ? publish_renamed(u, name) : result;
}

static int publish_part(struct unit *u, const char *name, void *arg)
{
    enum unit_part part = *(const enum unit_part *)arg;

    if (part == UNIT_MAIL)
        return publish_mail(u, name);
    return move_free(u->part[part], name, u->spool->queue[parts[part].queue]);
}

/* A claimed file of a committed unit: kept where a reason for it is, or else used up. Only a clear
 * "no" counts. */
static int finish_claimed(struct unit *u, const char *name, void *arg)
{
    char reason[NAME_MAX + 1];

    (void)arg;
    unit_reason_name(reason, name);
    for (int i = 0; i < UNIT_PARTS; i++) {
        if (!parts[i].keeps || u->part[i] < 0)
            continue;
        if (faccessat(u->part[i], reason, F_OK, 0) == 0)
            return move_free(u->in, name, u->spool->queue[parts[i].queue]);
        if (errno != ENOENT)
            return -1;
    }
    return unlinkat(u->in, name, 0);
}

/* The directory itself, emptied. */
static int remove_tree(struct unit *u, const char *ending)
{
    char path[48];

    for (int i = 0; i < UNIT_PARTS; i++)
        if (u->part[i] >= 0 && unlinkat(u->dir, parts[i].name, AT_REMOVEDIR) < 0)
            return -1;
    if (u->in >= 0 && unlinkat(u->dir, "in", AT_REMOVEDIR) < 0)
        return -1;
    unit_path(u, ending, path);
    return unlinkat(u->spool->work, path, AT_REMOVEDIR);
}

/* Kept files first, and surely: a reason that arrived without its file would leave the file to be
 * used up by recovery. */
static int finish_all_claimed(struct unit *u)
{
    if (for_entries(u->in, finish_claimed, u, NULL) < 0)
        return -1;
    for (int i = 0; i < UNIT_PARTS; i++)
        if (parts[i].keeps && u->part[i] >= 0 && durable_sync(u->spool->queue[parts[i].queue]) < 0)
            return -1;
    return 0;
}

static int publish(struct unit *u)
{
    if (u->in >= 0 && finish_all_claimed(u) < 0)
        return -1;
    for (int i = 0; i < UNIT_PARTS; i++) {
        enum unit_part part = (enum unit_part)i;
        if (u->part[i] >= 0 && for_entries(u->part[i], publish_part, u, &part) < 0)
            return -1;
    }
    /* Everything arrived before the unit may go. */
    for (int i = 0; i < UNIT_PARTS; i++)
        if (u->part[i] >= 0 && durable_sync(u->spool->queue[parts[i].queue]) < 0)
            return -1;
    return remove_tree(u, DONE_ENDING);
}

int unit_publish(struct unit *u)
{
    int result = publish(u);
    int saved = errno;

    close_unit(u);
    errno = saved;
    return result;
}

static int remove_staged(struct unit *u, const char *name, void *arg)
{
    return unlinkat(u->part[*(const enum unit_part *)arg], name, 0);
}

/* Back to its queue; under another name if a new file has taken the old one meanwhile. */
static int give_back(struct unit *u, const char *name, void *arg)
{
    const char *old = marked(name) ? name + MARK : name;

    (void)arg;
    if (durable_move(u->in, name, u->spool->queue[u->source], old) == 0)
        return 0;
    return errno == EEXIST ? move_free(u->in, name, u->spool->queue[u->source]) : -1;
}

int unit_rollback(struct unit *u)
{
    int result = 0;

    for (int i = 0; result == 0 && i < UNIT_PARTS; i++) {
        enum unit_part part = (enum unit_part)i;
        if (u->part[i] >= 0)
            result = for_entries(u->part[i], remove_staged, u, &part);
    }
    if (result == 0 && u->in >= 0)
        result = for_entries(u->in, give_back, u, NULL);
    if (result == 0 && u->dir >= 0)
        result = durable_sync(u->spool->queue[u->source]);
    if (result == 0 && u->dir >= 0)
        result = remove_tree(u, OPEN_ENDING);
    int saved = errno;
    close_unit(u);
    errno = saved;
    return result;
}

/* Opens a unit that an earlier process left. */
static int reopen(struct unit *u, const struct spool *s, const char *entry, size_t stem,
                  enum spool_queue source)
{
    *u = (struct unit){.spool = s, .source = source, .dir = -1, .in = -1, .found = true};
    for (int i = 0; i < UNIT_PARTS; i++)
        u->part[i] = -1;
    if (!span_copy((struct span){entry, stem}, u->name, sizeof(u->name))) {
        errno = ENAMETOOLONG;
        return -1;
    }
    u->dir = openat(s->work, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    syncset_init(&u->sync, u->dir);
    if (u->dir < 0)
        return -1;
    u->in = openat(u->dir, "in", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (u->in < 0 && errno != ENOENT)
        return -1;
    for (int i = 0; i < UNIT_PARTS; i++) {
        u->part[i] = openat(u->dir, parts[i].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (u->part[i] < 0 && errno != ENOENT)
            return -1;
    }
    return 0;
}

/* Whoever died may have died before the name was durable: nothing may be used up on the strength of
 * a commit that a power cut could take back. Where "in" is gone already everything arrived; but
 * what is in a part all the same, as a power cut can bring it back, is rather sent again than lost.
 */
static int finish(struct unit *u)
{
    return durable_sync(u->spool->work) < 0 ? -1 : publish(u);
}

struct recovery {
    const struct spool *spool;
    const char *owner;
    enum spool_queue source;
    int found;
};

static bool ends_with(struct span s, struct span ending)
{
    return s.n > ending.n && span_eq(span_from(s, s.n - ending.n), ending);
}

static int recover_one(void *arg, const char *name)
{
    struct recovery *r = arg;
    struct span entry = span_of(name);
    size_t owner = strlen(r->owner);
    struct unit u;

    bool done = ends_with(entry, SPAN(DONE_ENDING));
    if (strncmp(name, r->owner, owner) != 0 || name[owner] != '.' ||
        (!done && !ends_with(entry, SPAN(OPEN_ENDING))))
        return 0;
    r->found++;
    int result = reopen(&u, r->spool, name, entry.n - 5, r->source);
    if (result == 0)
        result = done ? finish(&u) : unit_rollback(&u);
    int saved = errno;
    close_unit(&u);
    errno = saved;
    return result;
}

int unit_recover(const struct spool *s, const char *owner, enum spool_queue source)
{
    struct recovery r = {s, owner, source, 0};

    if (durable_each(s->work, recover_one, &r) < 0)
        return -1;
    return r.found;
}
