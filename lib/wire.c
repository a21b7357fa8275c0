/* See wire.h. */
#include "lib/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_OCTETS = 65536,
    RECORD_OCTETS = 16384, /* the most text in a record of TLS */
    ANSWERS_MAX = 1 << 20, /* octets that TLS itself may owe a peer who reads nothing */
    KEEP_OCTETS = 4096     /* an idle connection holds no larger buffer */
};

/* Not cleared by -ftrivial-auto-var-init: that would cost more than reading a line does. */
#if __has_attribute(uninitialized)
#define UNFILLED __attribute__((uninitialized))
#else
#define UNFILLED
#endif

struct wire {
    int fd;
    bool connecting, writing, freed, busy;
    const struct wire_events *events;
    void *arg;
    struct loop_event *readable, *writable, *deadline;
    struct buf out;
    size_t sent; /* octets of out already taken by the kernel */
    struct tls *tls;
    bool secure; /* its handshake is done */
    void (*secured)(void *arg);
};

/* 0, or the errno that ended it. */
static int flush(struct wire *w);

/* Frees now, or, from within a callback, when it returns. */
void wire_free(struct wire *w)
{
    if (w == NULL)
        return;
    if (w->busy) {
        w->freed = true;
        return;
    }
    if (w->secure) {
        tls_close(w->tls, &w->out);
        (void)flush(w); /* a courtesy */
    }
    loop_forget(w->readable);
    loop_forget(w->writable);
    loop_forget(w->deadline);
    tls_free(w->tls);
    if (w->fd >= 0)
        close(w->fd); /* a socket */
    buf_free(&w->out);
    free(w);
}

static void leave(struct wire *w)
{
    w->busy = false;
    if (w->freed)
        wire_free(w);
}

static void end(struct wire *w, int error)
{
    loop_enable(w->readable, false);
    loop_enable(w->writable, false);
    loop_timer_stop(w->deadline);
    w->events->ended(w->arg, error);
}

static void on_deadline(void *arg)
{
    struct wire *w = arg;

    w->busy = true;
    end(w, ETIMEDOUT);
    leave(w);
}

/* Hands on what TLS makes of the octets; what it answers goes out with what is said then. */
static void receive_tls(struct wire *w, struct span octets)
{
    char text[RECORD_OCTETS];
    enum tls_event event;
    size_t n;

    tls_feed(w->tls, octets);
    do {
        event = tls_next(w->tls, text, sizeof(text), &n, &w->out);
        if (event == TLS_SECURED) {
            w->secure = true;
            w->secured(w->arg);
        } else if (event == TLS_TEXT) {
            w->events->received(w->arg, (struct span){text, n});
        }
    } while (!w->freed && (event == TLS_SECURED || event == TLS_TEXT));
    if (w->freed)
        return;
    int error = flush(w);
    if (event == TLS_FAILED || wire_unsent(w) > ANSWERS_MAX)
        end(w, EPROTO);
    else if (event == TLS_CLOSED)
        end(w, 0);
    else if (error != 0)
        end(w, error);
}

static void on_readable(void *arg)
{
    struct wire *w = arg;
    char octets[READ_OCTETS] UNFILLED;

    ssize_t n = recv(w->fd, octets, sizeof(octets), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    w->busy = true;
    if (n <= 0)
        end(w, n < 0 ? errno : 0);
    else if (w->tls != NULL)
        receive_tls(w, (struct span){octets, (size_t)n});
    else
        w->events->received(w->arg, (struct span){octets, (size_t)n});
    leave(w);
}

static int flush(struct wire *w)
{
    while (w->sent < w->out.len) {
        ssize_t n = send(w->fd, w->out.data + w->sent, w->out.len - w->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return errno;
        w->sent += (size_t)n;
    }
    if (w->sent == w->out.len) {
        w->sent = 0;
        buf_clear(&w->out);
        if (w->out.cap > KEEP_OCTETS)
            buf_free(&w->out);
    }
    bool more = w->out.len > 0;
    if (more != w->writing) {
        loop_enable(w->writable, more);
        w->writing = more;
    }
    return 0;
}

static void on_writable(void *arg)
{
    struct wire *w = arg;
    int error = 0;
    socklen_t length = sizeof(error);

    w->busy = true;
    if (w->connecting) {
        if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
            error = errno;
        if (error == 0) {
            w->connecting = false;
            loop_enable(w->readable, true);
            loop_enable(w->writable, false);
            w->writing = false;
        }
    } else {
        error = flush(w);
    }
    if (error != 0)
        end(w, error);
    else if (w->out.len == 0 && (w->tls == NULL || w->secure))
        w->events->ready(w->arg);
    leave(w);
}

static struct wire *wire_new(struct loop *l, int fd, const struct wire_events *events, void *arg)
{
    struct wire *w = calloc(1, sizeof(*w));
    int on = 1;

    if (w == NULL)
        return NULL;
    *w = (struct wire){.fd = fd, .events = events, .arg = arg};
    w->readable = loop_readable(l, fd, on_readable, w);
    w->writable = loop_writable(l, fd, on_writable, w);
    w->deadline = loop_timer(l, on_deadline, w);
    /* Small replies and commands must not wait for an acknowledgement. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (w->readable != NULL && w->writable != NULL && w->deadline != NULL)
        return w;
    w->fd = -1; /* stays the caller's */
    wire_free(w);
    errno = ENOMEM;
    return NULL;
}

struct wire *wire_accept(struct loop *l, int fd, const struct wire_events *events, void *arg)
{
    return wire_new(l, fd, events, arg);
}

struct wire *wire_connect(struct loop *l, const struct sockaddr *to, socklen_t length,
                          const struct wire_events *events, void *arg)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return NULL;
    struct wire *w = NULL;
    if (connect(fd, to, length) == 0 || errno == EINPROGRESS)
        w = wire_new(l, fd, events, arg);
    if (w == NULL) {
        int saved = errno;
        close(fd);
        errno = saved;
        return NULL;
    }
    w->connecting = w->writing = true;
    loop_enable(w->readable, false);
    loop_enable(w->writable, true);
    return w;
}

/* An error shows at the next event; the caller has one place for it. */
static void send_soon(struct wire *w)
{
    if (!w->connecting && !w->writing && flush(w) != 0) {
        w->writing = true;
        loop_enable(w->writable, true);
    }
}

static bool add(struct wire *w, struct span octets)
{
    return w->tls != NULL ? tls_send(w->tls, octets, &w->out) : buf_addspan(&w->out, octets);
}

bool wire_send(struct wire *w, struct span octets)
{
    if (!add(w, octets))
        return false;
    send_soon(w);
    return true;
}

bool wire_send_last(struct wire *w, struct span octets)
{
    if (!add(w, octets))
        return false;
    if (w->secure)
        tls_close(w->tls, &w->out);
    send_soon(w);
    return true;
}

bool wire_secure(struct wire *w, struct tls *t, void (*secured)(void *arg))
{
    size_t n;

    w->tls = t;
    w->secured = secured;
    /* A sender speaks first; neither has anything to read yet. */
    if (tls_next(t, NULL, 0, &n, &w->out) != TLS_WAIT)
        return false;
    send_soon(w);
    return true;
}

const struct tls *wire_tls(const struct wire *w)
{
    return w->secure ? w->tls : NULL;
}

const char *wire_error(const struct wire *w, int error)
{
    if (error == EPROTO && w->tls != NULL)
        return tls_why(w->tls)[0] != '\0' ? tls_why(w->tls) : "the peer does not read";
    return error == 0 ? "closed by the peer" : strerror(error);
}

bool wire_more(const struct wire *w)
{
    char octet;

    return (w->tls != NULL && tls_pending(w->tls)) ||
           recv(w->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void wire_finish(struct wire *w)
{
    if (w->secure) {
        tls_close(w->tls, &w->out);
        send_soon(w);
    }
    shutdown(w->fd, SHUT_WR);
}

size_t wire_unsent(const struct wire *w)
{
    return w->out.len - w->sent;
}

void wire_deadline(struct wire *w, int64_t ms)
{
    if (ms > 0)
        loop_timer_set(w->deadline, ms);
    else
        loop_timer_stop(w->deadline);
}

void wire_pause(struct wire *w, bool pause)
{
    loop_enable(w->readable, !pause);
}
