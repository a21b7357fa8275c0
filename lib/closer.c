/* See closer.h. */
#include "lib/closer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/thread.h"

enum {
    WAITING_MAX = 128, /* descriptors; more are closed by the caller */
    BATCH = 32         /* so many are worth waking the thread */
};

struct closer {
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    int waiting[WAITING_MAX];
    unsigned count;
    bool stop;
};

static void close_all(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]); /* nothing was written by it */
}

static void *run(void *arg)
{
    struct closer *c = arg;
    int taken[WAITING_MAX];
    unsigned count;

    pthread_mutex_lock(&c->lock);
    while (!c->stop || c->count > 0) {
        if (c->count == 0) {
            pthread_cond_wait(&c->wake, &c->lock);
            continue;
        }
        count = c->count;
        for (unsigned i = 0; i < count; i++)
            taken[i] = c->waiting[i];
        c->count = 0;
        pthread_mutex_unlock(&c->lock);
        close_all(taken, count);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct closer *closer_new(void)
{
    struct closer *c = calloc(1, sizeof(*c));
    int error;

    if (c == NULL)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    if ((error = thread_start(&c->thread, run, c)) == 0)
        return c;
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
    errno = error;
    return NULL;
}

static bool take(struct closer *c, int fd)
{
    pthread_mutex_lock(&c->lock);
    bool room = c->count < WAITING_MAX;
    if (room)
        c->waiting[c->count++] = fd;
    bool wake = c->count == BATCH;
    pthread_mutex_unlock(&c->lock);
    if (wake)
        pthread_cond_signal(&c->wake);
    return room;
}

static int unlink_open(struct closer *c, int dir, const char *name, int *file)
{
    int result = unlinkat(dir, name, 0);

    if (result == 0 && c != NULL && *file >= 0 && take(c, *file))
        *file = -1;
    return result;
}

int closer_unlink(struct closer *c, int dir, const char *name, int *file)
{
    if (file != NULL && *file >= 0)
        return unlink_open(c, dir, name, file);
    /* O_PATH: no permission is needed, and nothing is done to what is there. */
    int fd = c == NULL ? -1 : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int result = unlink_open(c, dir, name, &fd), error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return result;
}

void closer_flush(struct closer *c)
{
    if (c != NULL)
        pthread_cond_signal(&c->wake);
}

void closer_free(struct closer *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
