/* See syncer.h. */
#include "lib/syncer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/durable.h"
#include "lib/thread.h"

struct syncer {
    pthread_t thread;
    pthread_mutex_t lock; /* of the next three */
    pthread_cond_t wake;
    bool wanted, stop;
    int error;

    int dir, told; /* told: an eventfd */
    struct loop_event *event;
    syncer_fn *failed;
    void *arg;
};

static void *run(void *arg)
{
    struct syncer *s = arg;

    pthread_mutex_lock(&s->lock);
    while (s->error == 0 && (s->wanted || !s->stop)) {
        if (!s->wanted) {
            pthread_cond_wait(&s->wake, &s->lock);
            continue;
        }
        s->wanted = false;
        pthread_mutex_unlock(&s->lock);
        int error = durable_sync(s->dir) < 0 ? errno : 0;
        pthread_mutex_lock(&s->lock);
        s->error = error;
    }
    pthread_mutex_unlock(&s->lock);
    if (s->error != 0) /* nobody writes it any more */
        (void)eventfd_write(s->told, 1);
    return NULL;
}

static void on_failed(void *arg)
{
    struct syncer *s = arg;

    loop_enable(s->event, false);
    pthread_mutex_lock(&s->lock);
    int error = s->error;
    pthread_mutex_unlock(&s->lock);
    s->failed(s->arg, error);
}

static void destroy(struct syncer *s)
{
    loop_forget(s->event);
    if (s->told >= 0)
        close(s->told);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct syncer *syncer_new(struct loop *l, int dir, syncer_fn *failed, void *arg)
{
    struct syncer *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    *s = (struct syncer){.dir = dir, .failed = failed, .arg = arg};
    pthread_mutex_init(&s->lock, NULL); /* these two never fail on Linux */
    pthread_cond_init(&s->wake, NULL);
    s->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->told >= 0)
        s->event = loop_readable(l, s->told, on_failed, s);
    int error = s->event == NULL ? errno : thread_start(&s->thread, run, s);
    if (error == 0)
        return s;
    destroy(s);
    errno = error;
    return NULL;
}

void syncer_start(struct syncer *s)
{
    pthread_mutex_lock(&s->lock);
    s->wanted = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

int syncer_free(struct syncer *s)
{
    if (s == NULL)
        return 0;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    int error = s->error;
    destroy(s);
    return error;
}
