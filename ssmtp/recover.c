/* See recover.h. */
#include "ssmtp/recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssmtp/plain.h"

/* Where messages go. */
static const enum spool_queue queues[] = {QUEUE_POST, QUEUE_PRT, QUEUE_SUBMIT};
enum { QUEUES = sizeof(queues) / sizeof(queues[0]), GENERATIONS = 2 };

/* One journal being recovered. */
struct work {
    const struct recovery *r;
    struct redo *redo;
    struct store_names names;
    struct buf half[GENERATIONS]; /* by generation modulo 2 */
    uint64_t newest, floor;       /* generations; floor: the newest one that is used up */
    uint32_t proven[GENERATIONS]; /* so many records of it were synced */
    uint32_t found[GENERATIONS];  /* so many of these are there */
    unsigned long long written, shown;
    unsigned half_now;
    int dir; /* of the walk in hand */
};

static bool queue_valid(unsigned char queue)
{
    for (size_t i = 0; i < QUEUES; i++)
        if (queue == queues[i])
            return true;
    return false;
}

/* Records. */

static bool belongs(const struct work *w, const struct journal_record *rec)
{
    return rec->generation % GENERATIONS == w->half_now && queue_valid(rec->queue);
}

static int find_newest(void *arg, const struct journal_record *rec)
{
    struct work *w = arg;

    if (belongs(w, rec) && rec->generation > w->newest)
        w->newest = rec->generation;
    return 0;
}

static int find_proven(void *arg, const struct journal_record *rec)
{
    struct work *w = arg;

    if (belongs(w, rec) && rec->generation > w->floor && rec->first > w->proven[w->half_now])
        w->proven[w->half_now] = rec->first;
    return 0;
}

static int write_anew(void *arg, const struct journal_record *rec)
{
    struct work *w = arg;
    struct plain p = {.number = w->redo->head.number, .generation = rec->generation};

    if (!belongs(w, rec) || rec->generation <= w->floor)
        return 0;
    if (rec->sequence < w->proven[w->half_now])
        w->found[w->half_now]++;
    if (!span_copy(span_of(rec->name), p.name, sizeof(p.name)))
        return 0;
    int fd = plain_make(w->r->spool->queue[rec->queue], &p, rec->content, &rec->mark);
    if (fd < 0)
        return -1;
    w->written++;
    return durable_close(fd);
}

static int each_record(struct work *w, int (*each)(void *arg, const struct journal_record *rec))
{
    int result = 0;

    for (w->half_now = 0; result == 0 && w->half_now < GENERATIONS; w->half_now++)
        result = journal_scan(BUF_SPAN(&w->half[w->half_now]), w->redo->head.key, each, w);
    return result;
}

/* Which records are to be written. A head that is older than it should be can't bring back what is
 * used up: there are never more than two generations that are not. */
static void survey(struct work *w)
{
    w->newest = w->floor = w->redo->head.released;
    each_record(w, find_newest);
    if (w->newest > GENERATIONS && w->floor < w->newest - GENERATIONS)
        w->floor = w->newest - GENERATIONS;
    each_record(w, find_proven);
}

static void tell_damage(const struct work *w)
{
    unsigned long missing = 0;
    char number[12], what[64];

    for (size_t i = 0; i < GENERATIONS; i++)
        missing += w->proven[i] - w->found[i];
    if (missing == 0 && redo_whole(w->redo))
        return;
    snprintf(number, sizeof(number), "%u", w->redo->head.number);
    if (missing > 0)
        snprintf(what, sizeof(what), "at least %lu messages are lost", missing);
    else
        snprintf(what, sizeof(what), "its size changed");
    MSG(w->r->log, T01SM056E, number, what);
}

/* Files. */

/* What the digest of the whole file says of it, which is on stable storage then. TROUBLE: errno
 * says why nobody can tell now. */
static enum seal_state check_file(int fd)
{
    struct seal seal = {0};
    char octets[4096];
    ssize_t n;

    if (durable_sync(fd) < 0)
        return SEAL_TROUBLE;
    if (!seal_open(&seal, fd))
        return errno == ENODATA || errno == ENOTSUP ? SEAL_NONE : SEAL_TROUBLE;
    while ((n = read(fd, octets, sizeof(octets))) > 0)
        seal_add(&seal, (struct span){octets, (size_t)n});
    if (n == 0)
        return seal_check(&seal);
    seal_drop(&seal);
    return SEAL_TROUBLE;
}

/* 1: it is what was written; 0: it is not; -1 with errno. */
static int seal_good(int dir, const char *file)
{
    int fd = durable_open(dir, file);

    if (fd < 0)
        return -1;
    enum seal_state state = check_file(fd);
    if (state == SEAL_TROUBLE)
        return durable_drop(fd);
    close(fd);
    return state == SEAL_GOOD;
}

/* Nobody knows what it is: it is left under a name that a new journal does not take for its own. */
static int put_aside(const struct recovery *r, int dir, const char *file)
{
    char left[PLAIN_FILE + 8];

    MSG(r->log, T01SM059E, file);
    snprintf(left, sizeof(left), ".left%s%s", file[0] == '.' ? "" : ".", file);
    if (durable_move(dir, file, dir, left) < 0)
        return errno == ENOENT ? 0 : -1;
    return fchmodat(dir, left, SPOOL_MODE, 0) < 0 && errno != ENOENT ? -1 : 0;
}

/* One that stands under its name unshown. Its seal says whether it is whole: a power cut may have
 * taken back that it was shown, long after its record was used up. *shown counts. */
static int show_proven(const struct recovery *r, int dir, const char *file,
                       unsigned long long *shown)
{
    struct plain p = {.dotted = false};

    if (!span_copy(span_of(file), p.name, sizeof(p.name)))
        return 0;
    int good = seal_good(dir, file);
    if (good == 0)
        return put_aside(r, dir, file);
    if (good < 0 || plain_show(dir, &p, NULL) < 0)
        return errno == ENOENT ? 0 : -1;
    (*shown)++;
    return 0;
}

static bool ours(const struct work *w, const char *file, struct plain *p)
{
    return plain_parse(file, p) && p->number == w->redo->head.number;
}

/* Files that were being made. Their records are there. */
static int remove_begun(void *arg, const char *file)
{
    struct work *w = arg;
    struct plain p;

    if (!ours(w, file, &p) || p.generation <= w->floor)
        return 0;
    return unlinkat(w->dir, file, 0) < 0 && errno != ENOENT ? -1 : 0;
}

static int show_released(void *arg, const char *file)
{
    struct work *w = arg;
    struct plain p;

    int number = plain_unshown(w->dir, file);
    if (number < 0)
        return errno == ENOENT ? 0 : -1;
    if ((unsigned)number == w->redo->head.number)
        return show_proven(w->r, w->dir, file, &w->shown);
    if (!ours(w, file, &p) || p.generation > w->redo->head.released)
        return 0;
    if (plain_show(w->dir, &p, &w->names) < 0)
        return errno == ENOENT ? 0 : -1;
    w->shown++;
    return 0;
}

static int each_file(struct work *w, int (*each)(void *arg, const char *file))
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < QUEUES; i++) {
        w->dir = w->r->spool->queue[queues[i]];
        result = durable_each(w->dir, each, w);
    }
    return result;
}

static int sync_queues(const struct work *w)
{
    for (size_t i = 0; i < QUEUES; i++)
        if (durable_sync(w->r->spool->queue[queues[i]]) < 0)
            return -1;
    return 0;
}

/* The same order as that of a checkpoint. A head that says that all is released may never have been
 * synced: it is written again before anything is shown. */
static int replay(struct work *w)
{
    if (redo_read(w->redo, 0, &w->half[0]) < 0 || redo_read(w->redo, 1, &w->half[1]) < 0)
        return -1;
    survey(w);
    if (each_file(w, remove_begun) < 0 || each_record(w, write_anew) < 0)
        return -1;
    tell_damage(w);
    if (w->newest > w->redo->head.released &&
        (syncfs(w->r->spool->queue[QUEUE_POST]) < 0 || sync_queues(w) < 0))
        return -1;
    if (redo_release(w->redo, w->newest) < 0)
        return -1;
    /* A directory that changes while it is read may keep something back. */
    unsigned long long before;
    do {
        before = w->shown;
        if (each_file(w, show_released) < 0)
            return -1;
    } while (w->shown > before);
    /* Also where nothing is left to be shown: a start before this one may have shown it, and died
     * before it synced that. The journal may be removed next, which alone knows the dotted names.
     */
    return sync_queues(w);
}

static int recover_one(const struct recovery *r, struct redo *redo)
{
    struct work w = {.r = r, .redo = redo};
    char number[12];

    if (!store_names_open(&w.names, r->spool))
        return -1;
    int result = replay(&w);
    int saved = errno;
    for (size_t i = 0; i < GENERATIONS; i++)
        buf_free(&w.half[i]);
    store_names_close(&w.names);
    snprintf(number, sizeof(number), "%u", redo->head.number);
    if (w.shown > 0)
        MSG(r->log, T01SM054I, msg_num((long long)w.shown).text, number);
    errno = saved;
    return result;
}

/* A journal without a head is no journal: nobody can say what of it is used up. */
static int set_aside(const struct recovery *r, unsigned number)
{
    MSG(r->log, T01SM056E, msg_num(number).text, "it has no valid head and is put aside");
    return redo_set_aside(r->spool->work, number);
}

/* Files whose journal is gone. */

struct strays {
    const struct recovery *r;
    struct store_names names;
    bool known[REDO_MAX + 1]; /* journals that know of their files */
    int dir;
    bool changed;
};

static bool known(const struct strays *s, unsigned number)
{
    return number <= REDO_MAX && s->known[number];
}

static int show_stray(void *arg, const char *file)
{
    struct strays *s = arg;
    unsigned long long shown = 0;
    struct plain p;

    int unshown = plain_unshown(s->dir, file);
    if (unshown < 0)
        return errno == ENOENT ? 0 : -1;
    unsigned number = plain_parse(file, &p) ? p.number : (unsigned)unshown;
    if (number == 0 || known(s, number))
        return 0;
    s->changed = true;
    if (file[0] != '.')
        return show_proven(s->r, s->dir, file, &shown);
    int good = seal_good(s->dir, file);
    if (good == 0)
        return put_aside(s->r, s->dir, file);
    return (good < 0 || plain_show(s->dir, &p, &s->names) < 0) && errno != ENOENT ? -1 : 0;
}

static int show_strays(struct strays *s)
{
    if (!store_names_open(&s->names, s->r->spool))
        return -1;
    int result = 0;
    for (size_t i = 0; result == 0 && i < QUEUES; i++) {
        s->dir = s->r->spool->queue[queues[i]];
        s->changed = false;
        result = durable_each(s->dir, show_stray, s);
        if (result == 0 && s->changed)
            result = durable_sync(s->dir);
    }
    int saved = errno;
    store_names_close(&s->names);
    errno = saved;
    return result;
}

/* Files of one journal that is to be made anew. */
static int show_strays_of(const struct recovery *r, unsigned number)
{
    struct strays s = {.r = r};

    for (size_t i = 0; i <= REDO_MAX; i++)
        s.known[i] = i != number;
    return show_strays(&s);
}

/* 0; -1; 1: there is none any more. */
static int recover_number(const struct recovery *r, unsigned number)
{
    struct redo redo;

    if (redo_open(&redo, r->spool->work, number) < 0) {
        if (errno == EBADMSG)
            return set_aside(r, number) < 0 ? -1 : 1;
        return errno == EWOULDBLOCK || errno == ENOENT ? 0 : -1;
    }
    int result = recover_one(r, &redo);
    int saved = errno;
    redo_close(&redo);
    errno = saved;
    return result;
}

bool recover_all(const struct recovery *r)
{
    struct strays s = {.r = r};

    if (redo_list(r->spool->work, s.known) < 0)
        return false;
    for (unsigned number = 1; number <= REDO_MAX; number++) {
        int result = s.known[number] ? recover_number(r, number) : 0;
        if (result < 0)
            return false;
        if (result == 1)
            s.known[number] = false;
    }
    return show_strays(&s) == 0;
}

/* Opens it, recovered and of the right size. 0; -1; 1: there is none. */
static int reuse(const struct recovery *r, unsigned number, uint64_t size, struct redo *redo)
{
    if (redo_open(redo, r->spool->work, number) < 0) {
        if (errno == EBADMSG)
            return set_aside(r, number) < 0 ? -1 : 1;
        return errno == ENOENT ? 1 : -1;
    }
    bool good = recover_one(r, redo) == 0;
    if (good && redo->head.size == size && redo_whole(redo))
        return 0;
    good = good && redo_remove(redo, r->spool->work) == 0;
    int saved = errno;
    redo_close(redo);
    errno = saved;
    return good ? 1 : -1;
}

/* As recover_own(), of this number; -1 with EWOULDBLOCK: it is not free. */
static int take_number(const struct recovery *r, unsigned number, uint64_t size, struct redo *redo)
{
    int result = reuse(r, number, size, redo);

    if (result != 1)
        return result;
    if (show_strays_of(r, number) < 0)
        return -1;
    if (redo_make(redo, r->spool->work, number, size) == 0)
        return 0;
    if (errno != EEXIST && errno != EWOULDBLOCK)
        return 1;
    errno = EWOULDBLOCK;
    return -1;
}

int recover_own(const struct recovery *r, unsigned preferred, uint64_t size, struct redo *redo)
{
    for (unsigned i = 0; i < REDO_MAX; i++) {
        int result = take_number(r, (preferred - 1 + i) % REDO_MAX + 1, size, redo);
        if (result != -1 || errno != EWOULDBLOCK)
            return result;
    }
    errno = EBUSY;
    return 1;
}
