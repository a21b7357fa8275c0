/* See commit.h. */
#include "ssmtp/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    MANY = 8,       /* files from which one syncfs() costs less than their fsyncs */
    NAME_TRIES = 8, /* names that may be taken, one after the other */
    DIRECTORIES = 4 /* of one batch: where its files were made, and where they go */
};

struct queue {
    struct commit_file *first, **end;
};

struct committer {
    pthread_t thread;
    pthread_mutex_t lock; /* of the next four */
    pthread_cond_t wake;
    struct queue waiting, finished;
    bool stop;

    int whole, told; /* told: an eventfd */
    struct store_names *names;
    struct loop_event *event;
    void (*done)(struct commit_file *f);
};

static void queue_clear(struct queue *q)
{
    q->first = NULL;
    q->end = &q->first;
}

/* Appends a chain of files. */
static void queue_add(struct queue *q, struct commit_file *chain)
{
    *q->end = chain;
    while (*q->end != NULL)
        q->end = &(*q->end)->next;
}

/* The content of the files. */

static void sync_few(struct commit_file *batch)
{
    /* All writing begins before the first wait: their blocks then share a transaction of the
     * journal. Only a hint. */
    if (batch->next != NULL)
        for (struct commit_file *f = batch; f != NULL; f = f->next)
            (void)sync_file_range(f->writer.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    for (struct commit_file *f = batch; f != NULL; f = f->next)
        if (durable_sync(f->writer.fd) < 0)
            f->error = errno;
}

/* Did writing it fail at any time? Asking costs nothing when it is clean. After an error the file
 * is not synced again: that would report success for pages that were dropped. */
static bool file_failed(int fd)
{
    return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) < 0 &&
           ((errno != ENOSYS && errno != EPERM) || durable_sync(fd) < 0);
}

/* What failed before this call may have been told to an earlier syncfs(): so each file is asked as
 * well. */
static void sync_many(const struct committer *c, struct commit_file *batch)
{
    int error = syncfs(c->whole) < 0 ? errno : 0;

    for (struct commit_file *f = batch; f != NULL; f = f->next) {
        f->error = error;
        if (error == 0 && file_failed(f->writer.fd))
            f->error = errno;
    }
}

static void sync_content(const struct committer *c, struct commit_file *batch)
{
    size_t n = 0;

    for (struct commit_file *f = batch; f != NULL && n < MANY; f = f->next)
        n++;
    if (n < MANY)
        sync_few(batch);
    else
        sync_many(c, batch);
}

/* Their names. */

static int rename_one(struct committer *c, struct commit_file *f)
{
    for (int tries = 0; tries < NAME_TRIES; tries++) {
        if (durable_move(f->writer.dir, f->writer.temporary, f->to, f->name) == 0)
            return 0;
        if (errno != EEXIST)
            return -1;
        if (!store_names_next(c->names, true, f->name))
            break;
    }
    errno = EEXIST;
    return -1;
}

/* Directories, each once, with the error of its sync. */
struct directories {
    int fd[DIRECTORIES], error[DIRECTORIES];
    size_t n;
};

static void add_directory(struct directories *d, int fd)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->fd[i] == fd)
            return;
    d->fd[d->n++] = fd; /* there are two queues */
}

static int directory_error(const struct directories *d, int fd)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->fd[i] == fd)
            return d->error[i];
    return 0;
}

/* The file has its name; can that be relied on? */
static void judge(struct commit_file *f, const struct directories *d)
{
    f->error = directory_error(d, f->to);
    if (f->error == 0)
        f->error = directory_error(d, f->writer.dir);
    if (f->error != 0)
        unlinkat(f->to, f->name, 0); /* the client is told no, so nobody may get it */
}

static void name_files(struct committer *c, struct commit_file *batch)
{
    struct directories d = {.n = 0};

    for (struct commit_file *f = batch; f != NULL; f = f->next) {
        if (f->error == 0 && rename_one(c, f) < 0)
            f->error = errno;
        if (f->error != 0) {
            spool_abandon(&f->writer);
            continue;
        }
        add_directory(&d, f->to);
        add_directory(&d, f->writer.dir);
    }
    for (size_t i = 0; i < d.n; i++)
        d.error[i] = durable_sync(d.fd[i]) < 0 ? errno : 0;
    for (struct commit_file *f = batch; f != NULL; f = f->next) {
        if (f->writer.fd < 0)
            continue;
        judge(f, &d);
        (void)durable_close(f->writer.fd); /* its content was proven before */
        f->writer.fd = -1;
    }
}

static struct commit_file *next_batch(struct committer *c)
{
    struct commit_file *batch;

    pthread_mutex_lock(&c->lock);
    while (c->waiting.first == NULL && !c->stop)
        pthread_cond_wait(&c->wake, &c->lock);
    batch = c->waiting.first;
    queue_clear(&c->waiting);
    pthread_mutex_unlock(&c->lock);
    return batch;
}

static void *run(void *arg)
{
    struct committer *c = arg;
    struct commit_file *batch;

    while ((batch = next_batch(c)) != NULL) {
        sync_content(c, batch);
        name_files(c, batch);
        pthread_mutex_lock(&c->lock);
        queue_add(&c->finished, batch);
        pthread_mutex_unlock(&c->lock);
        (void)eventfd_write(c->told, 1); /* can't fail: the counter has 64 bits */
    }
    return NULL;
}

/* In the loop. */
static void on_told(void *arg)
{
    struct committer *c = arg;
    struct commit_file *f, *next;
    eventfd_t n;

    (void)eventfd_read(c->told, &n);
    pthread_mutex_lock(&c->lock);
    f = c->finished.first;
    queue_clear(&c->finished);
    pthread_mutex_unlock(&c->lock);
    for (; f != NULL; f = next) {
        next = f->next; /* `done` may free it */
        c->done(f);
    }
}

/* Signals are the loop's. */
static int start_thread(struct committer *c)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct committer *committer_new(struct loop *l, int whole, struct store_names *names,
                                void (*done)(struct commit_file *f))
{
    struct committer *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct committer){.whole = whole, .names = names, .done = done};
    queue_clear(&c->waiting);
    queue_clear(&c->finished);
    pthread_mutex_init(&c->lock, NULL); /* these two never fail on Linux */
    pthread_cond_init(&c->wake, NULL);
    c->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->event = c->told < 0 ? NULL : loop_readable(l, c->told, on_told, c);
    int error = c->event == NULL ? errno : start_thread(c);
    if (error == 0)
        return c;
    loop_forget(c->event);
    if (c->told >= 0)
        close(c->told);
    free(c);
    errno = error;
    return NULL;
}

void committer_add(struct committer *c, struct commit_file *f)
{
    f->next = NULL;
    f->error = 0;
    pthread_mutex_lock(&c->lock);
    queue_add(&c->waiting, f);
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

void committer_free(struct committer *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    on_told(c);
    loop_forget(c->event);
    close(c->told);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    free(c);
}
