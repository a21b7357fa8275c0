/* See checkpoint.h. The generation in which the journal is written is the open one. A checkpoint
 * closes it, so that writing goes on in the other half, and brings the closed one to its end: all
 * its files made, synced, released, shown. Only then may the next one be closed, so that two
 * generations at most are in the journal. */
#include "ssmtp/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/thread.h"
#include "ssmtp/plain.h"

enum {
    PAUSE_MS = 5,    /* files are made together; when nothing came for as long, they are shown */
    LATEST_MS = 200, /* so long at most until a checkpoint */
    RETRY_MS = 1000,
    THREAD_NICE = 10,
    LARGE = 4096, /* octets of a file whose writing begins at once */
    MANY = 8      /* files from which one syncfs() costs less than their fsyncs */
};

struct list {
    struct entry *first, **end;
    size_t n;
};

struct checkpoint {
    struct checkpoint_params p;
    pthread_t thread;
    int whole; /* opened before the first file is made: syncfs() tells errors since then */
    size_t half;

    pthread_mutex_t lock; /* of all below but `made` and `released` */
    pthread_cond_t wake;  /* for the thread */
    pthread_cond_t room;  /* for the writer */
    struct list pending;  /* in the journal; no files yet */
    uint64_t generation, used;
    uint32_t sequence;
    bool writing, urgent, stop, arrived;
    int trouble, doubt; /* errno */

    struct list made, released; /* the thread's own: with files; those to be shown */
    uint64_t closing;           /* 0: none; the thread's own, but set under the lock */
    int64_t first_ms;           /* when the oldest came that is not released */
    int told_trouble;
    bool dotted; /* the thread's own: the first form was not to be had, so it is not tried again */
};

static void list_clear(struct list *l)
{
    *l = (struct list){.end = &l->first};
}

/* Appends a chain. */
static void list_add(struct list *l, struct entry *chain)
{
    *l->end = chain;
    for (; *l->end != NULL; l->end = &(*l->end)->next)
        l->n++;
}

static struct entry *list_take(struct list *l)
{
    struct entry *e = l->first;

    l->first = e->next;
    l->n--;
    if (l->first == NULL)
        l->end = &l->first;
    e->next = NULL;
    return e;
}

void entry_free(struct entry *e)
{
    if (e == NULL)
        return;
    if (e->fd >= 0)
        close(e->fd);
    buf_free(&e->text);
    free(e);
}

static void list_free(struct list *l)
{
    while (l->first != NULL)
        entry_free(list_take(l));
}

/* What goes wrong. */

static void set_trouble(struct checkpoint *k, int error)
{
    pthread_mutex_lock(&k->lock);
    k->trouble = error;
    pthread_cond_broadcast(&k->room);
    pthread_mutex_unlock(&k->lock);
}

/* Told once as long as it lasts. */
static void trouble(struct checkpoint *k, const char *what, int error)
{
    if (k->told_trouble != error)
        MSG(k->p.log, T01SM001I, what, strerror(error), "NO NEW MAIL IS TAKEN UNTIL IT PASSES");
    k->told_trouble = error;
    set_trouble(k, error);
}

static void no_trouble(struct checkpoint *k)
{
    if (k->told_trouble != 0)
        set_trouble(k, 0);
    k->told_trouble = 0;
}

static void doubt_locked(struct checkpoint *k, int error)
{
    if (k->doubt == 0)
        k->doubt = error != 0 ? error : EIO;
    k->trouble = k->doubt;
    pthread_cond_broadcast(&k->room);
    pthread_cond_broadcast(&k->wake);
    (void)eventfd_write(k->p.told, 1);
}

static void doubt(struct checkpoint *k, int error)
{
    pthread_mutex_lock(&k->lock);
    doubt_locked(k, error);
    pthread_mutex_unlock(&k->lock);
}

int checkpoint_doubt(struct checkpoint *k)
{
    pthread_mutex_lock(&k->lock);
    int error = k->doubt;
    pthread_mutex_unlock(&k->lock);
    return error;
}

/* The steps. */

static struct plain plain_of(const struct checkpoint *k, const struct entry *e)
{
    struct plain p = {
        .number = k->p.redo->head.number, .generation = e->generation, .dotted = e->dotted};

    span_copy(span_of(e->name), p.name, sizeof(p.name));
    return p;
}

static bool make(struct checkpoint *k, struct entry *e)
{
    struct plain p = plain_of(k, e);

    p.dotted = k->dotted;
    e->fd = plain_make(k->p.spool->queue[e->queue], &p, BUF_SPAN(&e->text), &e->mark);
    if (e->fd < 0)
        return false;
    e->dotted = k->dotted = p.dotted;
    /* Or else the sync of all would write it in one go, and the journal would wait for that. Only a
     * hint. */
    if (e->text.len > LARGE)
        (void)sync_file_range(e->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    buf_free(&e->text);
    if (k->made.n >= MANY) { /* syncfs() will tell of it */
        close(e->fd);
        e->fd = -1;
    }
    return true;
}

/* Files for all that waits. False: some wait still. */
static bool make_pending(struct checkpoint *k)
{
    struct list todo;

    pthread_mutex_lock(&k->lock);
    todo = k->pending;
    if (todo.first == NULL)
        todo.end = &todo.first;
    list_clear(&k->pending);
    pthread_mutex_unlock(&k->lock);
    while (todo.first != NULL) {
        if (!make(k, todo.first)) {
            trouble(k, todo.first->name, errno);
            pthread_mutex_lock(&k->lock);
            list_add(&todo, k->pending.first); /* these came later */
            k->pending = todo;
            pthread_mutex_unlock(&k->lock);
            return false;
        }
        if (k->made.n == 0)
            k->first_ms = clock_steady_ms();
        list_add(&k->made, list_take(&todo));
    }
    return true;
}

/* The queues that messages are in, as a set. */
static unsigned queues_of(const struct list *l)
{
    unsigned set = 0;

    for (const struct entry *e = l->first; e != NULL; e = e->next)
        set |= 1U << e->queue;
    return set;
}

static bool sync_queues(const struct checkpoint *k, unsigned set)
{
    for (unsigned q = 0; q < SPOOL_QUEUES; q++)
        if (set & 1U << q && durable_sync(k->p.spool->queue[q]) < 0)
            return false;
    return true;
}

static bool sync_files(const struct checkpoint *k, const struct list *l)
{
    if (l->n >= MANY)
        return syncfs(k->whole) == 0;
    for (const struct entry *e = l->first; e != NULL; e = e->next)
        if (e->fd < 0 ? syncfs(k->whole) < 0 : durable_sync(e->fd) < 0)
            return false;
    return true;
}

/* Everything of the closed generation is in files: proves it, and gives the records up. The sync of
 * the queues comes last, because syncfs() does not tell of a file system that was made read-only
 * after an error. */
static void release(struct checkpoint *k)
{
    struct list keep;

    list_clear(&keep);
    while (k->made.first != NULL) {
        struct entry *e = list_take(&k->made);
        list_add(e->generation <= k->closing ? &k->released : &keep, e);
    }
    if (!sync_files(k, &k->released) || !sync_queues(k, queues_of(&k->released)) ||
        redo_release(k->p.redo, k->closing) < 0)
        doubt(k, errno);
    list_clear(&k->made);
    list_add(&k->made, keep.first);
    k->first_ms = clock_steady_ms();
}

/* 0, or errno of what may pass. */
static int show_one(struct checkpoint *k, struct entry *e)
{
    struct plain p = plain_of(k, e);

    if (plain_show(k->p.spool->queue[e->queue], &p, k->p.names) == 0) {
        if (strcmp(p.name, e->name) != 0)
            MSG(k->p.log, T01SM057I, e->name, p.name);
        return 0;
    }
    if (errno != ENOENT)
        return errno;
    MSG(k->p.log, T01SM001I, e->name, strerror(ENOENT), "SOMEBODY REMOVED ITS FILE");
    return 0;
}

static void show(struct checkpoint *k)
{
    unsigned set = queues_of(&k->released);

    while (k->released.first != NULL) {
        int error = show_one(k, k->released.first);
        if (error != 0) {
            trouble(k, k->released.first->name, error);
            break;
        }
        entry_free(list_take(&k->released));
    }
    if (!sync_queues(k, set)) {
        doubt(k, errno);
        return;
    }
    if (k->released.first != NULL)
        return;
    no_trouble(k);
    pthread_mutex_lock(&k->lock);
    k->closing = 0;
    pthread_cond_broadcast(&k->room);
    pthread_mutex_unlock(&k->lock);
}

/* The thread. */

static bool due_locked(const struct checkpoint *k)
{
    if (k->made.n == 0 || k->closing != 0)
        return false;
    return k->urgent || k->stop || !k->arrived || k->used > k->half / 2 ||
           clock_steady_ms() - k->first_ms >= LATEST_MS;
}

/* Closes the open generation, when its last batch is written. False: not now. */
static bool close_generation(struct checkpoint *k)
{
    pthread_mutex_lock(&k->lock);
    bool due = due_locked(k);
    if (due) {
        k->closing = k->generation++;
        k->used = 0;
        k->sequence = 0;
        k->urgent = false;
        pthread_cond_broadcast(&k->room);
    }
    while (due && k->writing && k->doubt == 0)
        pthread_cond_wait(&k->wake, &k->lock);
    k->arrived = false;
    due = due && k->doubt == 0;
    pthread_mutex_unlock(&k->lock);
    return due;
}

static void step(struct checkpoint *k)
{
    if (!make_pending(k))
        return;
    if (k->closing == 0) {
        no_trouble(k);
        if (!close_generation(k) || !make_pending(k))
            return;
    }
    if (k->released.first == NULL)
        release(k);
    if (checkpoint_doubt(k) == 0)
        show(k);
}

static void wait_locked(struct checkpoint *k, long ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    while (!k->stop && k->doubt == 0 && (!k->urgent || k->trouble != 0))
        if (pthread_cond_timedwait(&k->wake, &k->lock, &t) == ETIMEDOUT)
            return;
}

/* Until there is something to do. False: it is the end. */
static bool wait_for_work(struct checkpoint *k)
{
    pthread_mutex_lock(&k->lock);
    while (!k->stop && k->doubt == 0 && k->pending.first == NULL && k->made.n == 0 &&
           k->closing == 0)
        pthread_cond_wait(&k->wake, &k->lock);
    wait_locked(k, k->trouble != 0 ? RETRY_MS : PAUSE_MS);
    bool stop = k->stop || k->doubt != 0;
    pthread_mutex_unlock(&k->lock);
    return !stop;
}

static void *run(void *arg)
{
    struct checkpoint *k = arg;

    /* Of this thread: clients wait for the others. When the journal fills up they wait for it. */
    setpriority(PRIO_PROCESS, 0, THREAD_NICE);
    while (wait_for_work(k))
        step(k);
    /* One more for what is left, and one for what came while it closed the last. */
    for (int i = 0; i < 2 && checkpoint_doubt(k) == 0; i++)
        step(k);
    return NULL;
}

/* For the writer. */

size_t checkpoint_room(const struct checkpoint *k)
{
    return k->half;
}

bool checkpoint_enter(struct checkpoint *k, size_t least, struct checkpoint_place *place)
{
    pthread_mutex_lock(&k->lock);
    while (k->trouble == 0 && k->half - k->used < least) {
        k->urgent = true;
        pthread_cond_signal(&k->wake);
        pthread_cond_wait(&k->room, &k->lock);
    }
    int error = k->trouble;
    *place = (struct checkpoint_place){.generation = k->generation,
                                       .at = k->used,
                                       .room = k->half - k->used,
                                       .sequence = k->sequence};
    k->writing = error == 0;
    pthread_mutex_unlock(&k->lock);
    errno = error;
    return error == 0;
}

void checkpoint_leave(struct checkpoint *k, struct entry *batch, size_t octets)
{
    pthread_mutex_lock(&k->lock);
    size_t before = k->pending.n;
    if (batch != NULL) {
        uint64_t generation = batch->generation;
        list_add(&k->pending, batch);
        if (generation == k->generation) { /* else it was closed meanwhile */
            k->used += (octets + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK;
            k->sequence += (uint32_t)(k->pending.n - before);
        }
        k->arrived = true;
    }
    k->writing = false;
    if (before == 0 || k->closing != 0)
        pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

void checkpoint_spoil(struct checkpoint *k, int error)
{
    pthread_mutex_lock(&k->lock);
    k->writing = false;
    doubt_locked(k, error);
    pthread_mutex_unlock(&k->lock);
}

static void init_locks(struct checkpoint *k)
{
    pthread_condattr_t steady;

    pthread_condattr_init(&steady); /* none of these fails on Linux */
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->wake, &steady);
    pthread_cond_init(&k->room, NULL);
    pthread_condattr_destroy(&steady);
}

struct checkpoint *checkpoint_new(const struct checkpoint_params *params)
{
    struct checkpoint *k = calloc(1, sizeof(*k));

    if (k == NULL)
        return NULL;
    k->p = *params;
    k->half = (size_t)journal_half_size(params->redo->head.size);
    k->generation = params->redo->head.released + 1;
    list_clear(&k->pending);
    list_clear(&k->made);
    list_clear(&k->released);
    init_locks(k);
    k->whole = openat(params->spool->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = k->whole < 0 ? errno : thread_start(&k->thread, run, k);
    if (error == 0)
        return k;
    if (k->whole >= 0)
        close(k->whole);
    free(k);
    errno = error;
    return NULL;
}

void checkpoint_stop(struct checkpoint *k)
{
    pthread_mutex_lock(&k->lock);
    bool stopped = k->stop;
    k->stop = true;
    pthread_cond_broadcast(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (!stopped)
        pthread_join(k->thread, NULL);
}

void checkpoint_free(struct checkpoint *k)
{
    if (k == NULL)
        return;
    checkpoint_stop(k);
    list_free(&k->pending);
    list_free(&k->made);
    list_free(&k->released);
    close(k->whole);
    pthread_cond_destroy(&k->room);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
