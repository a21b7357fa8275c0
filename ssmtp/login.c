/* See login.h. */
#include "ssmtp/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/charset.h"
#include "lib/thread.h"

/* Passwords. */

static bool is_wanted(const struct site *site)
{
    for (size_t i = 0; i < site->services; i++)
        if (site->service[i].submission)
            return true;
    return false;
}

bool login_load(struct passwords **p, const struct site *site, struct diag *d)
{
    struct passwords *new = NULL;
    struct diag found;

    if (is_wanted(site) && (new = passwords_load(site->passwords, &found)) == NULL) {
        if (found.line == 0)
            return diag_set(d, 0, 0, "PASSWORDS(%s) %s", site->passwords, found.text);
        return diag_set(d, 0, 0, "PASSWORDS(%s), line %zu, column %zu: %s", site->passwords,
                        found.line, found.column, found.text);
    }
    passwords_free(*p);
    *p = new;
    return true;
}

/* The part before the @ of an address of the site; else the name itself. */
static struct span without_domain(const struct site *site, struct span name, struct address *a,
                                  char plain[ADDRESS_LOCAL_MAX])
{
    if (address_parse(name, ADDRESS_BARE_OK | ADDRESS_UTF8_OK, a, NULL) != ADDRESS_GOOD ||
        !site_owns(site, address_domain(a)))
        return name;
    return address_local_text(a, plain);
}

bool login_canonical(const struct site *site, struct span name, struct buf *out)
{
    char plain[ADDRESS_LOCAL_MAX];
    struct address a;
    size_t before = out->len;

    name = without_domain(site, name, &a, plain);
    if (utf8_fold(name, out) || out->failed)
        return !out->failed;
    out->len = before;
    return buf_addspan(out, name); /* no UTF-8: nobody's name */
}

bool login_find(const struct site *site, const struct usertable *users,
                const struct passwords *passwords, struct span name, char userid[USERID_MAX + 1],
                struct scram_secret *s)
{
    char plain[ADDRESS_LOCAL_MAX];
    struct buf canonical = {0};
    struct address a;
    struct user user;

    bool good = login_canonical(site, name, &canonical);
    bool listed = usertable_find(users, name, &user) ||
                  usertable_find(users, without_domain(site, name, &a, plain), &user);
    userid[0] = '\0';
    if (good && listed)
        span_copy(span_of(user.userid), userid, USERID_MAX + 1);
    *s = (struct scram_secret){.iterations = good ? SCRAM_ITERATIONS : 0};
    bool known =
        good && passwords != NULL && passwords_find(passwords, userid, BUF_SPAN(&canonical), s);
    buf_free(&canonical);
    return known;
}

/* The desk. */

struct queue {
    struct login *first, **end;
};

struct login_desk {
    pthread_t thread;
    pthread_mutex_t lock; /* of the next four */
    pthread_cond_t wake;
    struct queue waiting, finished;
    unsigned waits; /* so many are with the thread */
    bool stop;

    bool running;
    int told; /* an eventfd */
    struct loop_event *event;
    void (*done)(void *arg, struct login *l);
    void *arg;
};

static void queue_clear(struct queue *q)
{
    q->first = NULL;
    q->end = &q->first;
}

static void queue_add(struct queue *q, struct login *l)
{
    l->next = NULL;
    *q->end = l;
    q->end = &l->next;
}

static struct login *queue_take(struct queue *q)
{
    struct login *l = q->first;

    if (l != NULL)
        q->first = l->next;
    if (q->first == NULL)
        queue_clear(q);
    return l;
}

static struct login *next_login(struct login_desk *d)
{
    pthread_mutex_lock(&d->lock);
    while (d->waiting.first == NULL && !d->stop)
        pthread_cond_wait(&d->wake, &d->lock);
    struct login *l = queue_take(&d->waiting);
    pthread_mutex_unlock(&d->lock);
    return l;
}

static void *run(void *arg)
{
    struct login_desk *d = arg;
    struct login *l;

    while ((l = next_login(d)) != NULL) {
        sasl_check(l->claim);
        pthread_mutex_lock(&d->lock);
        queue_add(&d->finished, l);
        d->waits--;
        pthread_mutex_unlock(&d->lock);
        (void)eventfd_write(d->told, 1); /* can't fail: the counter has 64 bits */
    }
    return NULL;
}

/* In the loop. */
static void on_told(void *arg)
{
    struct login_desk *d = arg;
    struct login *l;
    eventfd_t n;

    (void)eventfd_read(d->told, &n);
    do {
        pthread_mutex_lock(&d->lock);
        l = queue_take(&d->finished);
        pthread_mutex_unlock(&d->lock);
        if (l != NULL) {
            l->checking = false;
            d->done(d->arg, l);
        }
    } while (l != NULL);
}

static bool start_thread(struct login_desk *d)
{
    d->running = d->running || thread_start(&d->thread, run, d) == 0;
    return d->running;
}

struct login_desk *login_desk_new(struct loop *loop, void (*done)(void *arg, struct login *l),
                                  void *arg)
{
    struct login_desk *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return NULL;
    d->done = done;
    d->arg = arg;
    queue_clear(&d->waiting);
    queue_clear(&d->finished);
    pthread_mutex_init(&d->lock, NULL); /* these two never fail on Linux */
    pthread_cond_init(&d->wake, NULL);
    d->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->told >= 0)
        d->event = loop_readable(loop, d->told, on_told, d);
    if (d->event != NULL)
        return d;
    int saved = errno;
    login_desk_free(d);
    errno = saved;
    return NULL;
}

bool login_desk_add(struct login_desk *d, struct login *l)
{
    if (!start_thread(d))
        return false;
    pthread_mutex_lock(&d->lock);
    bool room = d->waits < LOGINS_WAITING;
    if (room) {
        d->waits++;
        l->checking = true;
        queue_add(&d->waiting, l);
        pthread_cond_signal(&d->wake);
    }
    pthread_mutex_unlock(&d->lock);
    return room;
}

void login_desk_free(struct login_desk *d)
{
    if (d == NULL)
        return;
    if (d->running) {
        pthread_mutex_lock(&d->lock);
        d->stop = true;
        pthread_cond_signal(&d->wake);
        pthread_mutex_unlock(&d->lock);
        pthread_join(d->thread, NULL);
        on_told(d);
    }
    loop_forget(d->event);
    if (d->told >= 0)
        close(d->told);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->wake);
    free(d);
}

void login_free(struct login *l)
{
    if (l == NULL)
        return;
    sasl_free(l->claim);
    free(l);
}
