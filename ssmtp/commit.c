/* See commit.h. */
#include "ssmtp/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/thread.h"

enum {
    MANY = 8,           /* files from which one syncfs() costs less than their fsyncs */
    NAME_TRIES = 8,     /* names that may be taken, one after the other */
    DIRECTORIES = 4,    /* of one batch: where its files were made, and where they go */
    BATCH_MAX = 1 << 20 /* octets of records that are synced together */
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

    struct committer_params p;
    int told; /* an eventfd */
    struct loop_event *event;
    struct checkpoint *checkpoint; /* NULL: no journal */
    struct buf batch;              /* records; the thread's own */
    bool doubted;
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
    int error = syncfs(c->p.whole) < 0 ? errno : 0;

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
        if (!store_names_next(c->p.names, true, f->name))
            return -1;
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
    d->fd[d->n++] = fd; /* there are three queues */
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

/* The journal. */

static size_t record_size(const struct entry *e)
{
    return journal_record_size(strlen(e->name), e->text.len);
}

static bool put_record(struct committer *c, struct entry *e, const struct checkpoint_place *place,
                       uint32_t n)
{
    struct journal_record r = {.generation = place->generation,
                               .sequence = place->sequence + n,
                               .first = place->sequence,
                               .queue = e->queue,
                               .mark = e->mark,
                               .content = BUF_SPAN(&e->text)};

    e->generation = place->generation;
    return span_copy(span_of(e->name), r.name, sizeof(r.name)) &&
           journal_record_encode(&c->batch, c->p.redo->head.key, &r);
}

/* Puts as many of the files into the batch as there is room for; returns the first that is not in
 * it. */
static struct commit_file *gather(struct committer *c, struct commit_file *files,
                                  const struct checkpoint_place *place)
{
    struct commit_file *f = files;

    buf_clear(&c->batch);
    for (uint32_t n = 0; f != NULL; f = f->next, n++) {
        size_t all = c->batch.len + record_size(f->entry);
        if (n > 0 && (all > place->room || all > BATCH_MAX))
            break;
        if (!put_record(c, f->entry, place, n)) {
            f->error = ENOMEM;
            break;
        }
    }
    buf_fill(&c->batch, '\0', (JOURNAL_BLOCK - c->batch.len % JOURNAL_BLOCK) % JOURNAL_BLOCK);
    return f;
}

/* The entries of the files up to `end` are the checkpoint's from now on. */
static struct entry *hand_over(struct commit_file *f, const struct commit_file *end)
{
    struct entry *first = NULL, **last = &first;

    for (; f != end; f = f->next) {
        *last = f->entry;
        last = &f->entry->next;
        f->entry = NULL;
    }
    *last = NULL;
    return first;
}

static void refuse(struct commit_file *f, const struct commit_file *end, int error)
{
    for (; f != end; f = f->next) {
        f->error = error != 0 ? error : EIO;
        entry_free(f->entry);
        f->entry = NULL;
    }
}

/* Makes a batch of the files durable; returns the first that was not in it. */
static struct commit_file *log_batch(struct committer *c, struct commit_file *files)
{
    struct checkpoint_place place;
    bool in_doubt = false;

    if (!checkpoint_enter(c->checkpoint, record_size(files->entry), &place)) {
        refuse(files, NULL, errno);
        return NULL;
    }
    struct commit_file *end = gather(c, files, &place);
    int error = c->batch.failed ? ENOMEM : 0;
    if (error == 0 && end != files &&
        redo_append(c->p.redo, place.generation, place.at, BUF_SPAN(&c->batch), &in_doubt) < 0)
        error = errno;
    if (in_doubt)
        checkpoint_spoil(c->checkpoint, error);
    else
        checkpoint_leave(c->checkpoint, error == 0 ? hand_over(files, end) : NULL, c->batch.len);
    if (error != 0)
        refuse(files, end, error);
    if (end != NULL && end->error != 0) { /* no memory for it */
        struct commit_file *rest = end->next;
        refuse(end, rest, end->error);
        end = rest;
    }
    return end;
}

static void finish(struct committer *c, struct commit_file *files)
{
    pthread_mutex_lock(&c->lock);
    queue_add(&c->finished, files);
    pthread_mutex_unlock(&c->lock);
    (void)eventfd_write(c->told, 1); /* can't fail: the counter has 64 bits */
}

static void log_files(struct committer *c, struct commit_file *files)
{
    while (files != NULL) {
        struct commit_file *rest = log_batch(c, files), *f = files;
        while (f->next != rest)
            f = f->next;
        f->next = NULL;
        finish(c, files);
        files = rest;
    }
}

static void *run(void *arg)
{
    struct committer *c = arg;
    struct commit_file *batch;

    while ((batch = next_batch(c)) != NULL) {
        struct queue entries, files;
        queue_clear(&entries);
        queue_clear(&files);
        while (batch != NULL) {
            struct commit_file *f = batch;
            batch = f->next;
            f->next = NULL;
            queue_add(f->entry != NULL ? &entries : &files, f);
        }
        log_files(c, entries.first);
        if (files.first == NULL)
            continue;
        sync_content(c, files.first);
        name_files(c, files.first);
        finish(c, files.first);
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
        c->p.done(f);
    }
    int error = c->checkpoint == NULL || c->doubted ? 0 : checkpoint_doubt(c->checkpoint);
    if (error != 0) {
        c->doubted = true;
        c->p.doubt(c->p.arg, error);
    }
}

static bool start_checkpoint(struct committer *c)
{
    const struct checkpoint_params params = {.redo = c->p.redo,
                                             .spool = c->p.spool,
                                             .names = c->p.names,
                                             .log = c->p.log,
                                             .told = c->told};

    if (c->p.redo == NULL)
        return true;
    c->checkpoint = checkpoint_new(&params);
    return c->checkpoint != NULL;
}

/* What is there of it. */
static void destroy(struct committer *c)
{
    loop_forget(c->event);
    if (c->told >= 0)
        close(c->told);
    buf_free(&c->batch);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    free(c);
}

struct committer *committer_new(const struct committer_params *params)
{
    struct committer *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->p = *params;
    queue_clear(&c->waiting);
    queue_clear(&c->finished);
    pthread_mutex_init(&c->lock, NULL); /* these two never fail on Linux */
    pthread_cond_init(&c->wake, NULL);
    c->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->told >= 0)
        c->event = loop_readable(params->loop, c->told, on_told, c);
    int error = c->event == NULL || !start_checkpoint(c) ? errno : thread_start(&c->thread, run, c);
    if (error == 0)
        return c;
    checkpoint_free(c->checkpoint);
    destroy(c);
    errno = error;
    return NULL;
}

bool committer_holds(const struct committer *c, size_t octets)
{
    size_t size = journal_record_size(JOURNAL_NAME_MAX, octets);

    return c->checkpoint != NULL && size != 0 && size <= checkpoint_room(c->checkpoint);
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
    on_told(c); /* their clients need not wait for the checkpoint */
    if (c->checkpoint != NULL)
        checkpoint_stop(c->checkpoint);
    on_told(c); /* it may have left doubt */
    checkpoint_free(c->checkpoint);
    destroy(c);
}
