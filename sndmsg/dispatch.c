/* See dispatch.h. */
#include "sndmsg/dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/offer.h"
#include "sndmsg/compose.h"
#include "sndmsg/source.h"

enum { PIECE = 65536, SMALL = 1 << 20 /* a body that is held in memory for all recipients */ };

/* Faults that are the administrator's; all others may go away by themselves. */
static const struct {
    int error;
    const char *why;
} closed[] = {
    {EACCES, "the spool's directory mail is closed to you"},
    {EPERM, "the spool's directory mail is closed to you"},
    {ENOENT, "the spool's directory mail is not there any more"},
    {ENOTDIR, "the spool's mail is no directory"},
    {EROFS, "the spool is mounted read only"},
    {ENOTSUP, "the spool's directory mail has lost its setgid bit"},
};

static int failed(int error, char why[160], struct buf *message)
{
    int status = EX_TEMPFAIL;

    snprintf(why, 160, "%s", strerror(error));
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        if (closed[i].error == error) {
            snprintf(why, 160, "%s", closed[i].why);
            status = EX_CANTCREAT;
        }
    SAY(message, T01SM081E, why);
    return status;
}

/* The message as each data set holds it behind its envelope. */
struct copy {
    const struct composed *mail;
    struct buf body; /* when it is small */
};

static int write_body(int fd, const struct copy *c)
{
    const struct scratch *body = c->mail->body;
    char piece[PIECE];
    uint64_t at = 0;
    ssize_t n;

    if (body->size <= SMALL)
        return durable_write(fd, c->body.data, c->body.len);
    while ((n = scratch_read(body, at, piece, sizeof(piece))) > 0) {
        if (durable_write(fd, piece, (size_t)n) < 0)
            return -1;
        at += (uint64_t)n;
    }
    return (int)n;
}

static int write_data_set(struct offer *o, const struct identity *who, const struct address *to,
                          const struct copy *c)
{
    struct buf head = {0};
    int fd = offer_create(o);

    if (fd < 0)
        return -1;
    envelope_write(&head, &who->from, to, 1, false);
    buf_addspan(&head, BUF_SPAN(&c->mail->head));
    if (head.failed)
        errno = ENOMEM;
    bool written =
        !head.failed && durable_write(fd, head.data, head.len) == 0 && write_body(fd, c) == 0;
    int saved = errno;
    buf_free(&head);
    errno = saved;
    return written ? offer_done(o, fd) : durable_drop(fd);
}

static bool load_body(struct copy *c)
{
    const struct scratch *body = c->mail->body;

    if (body->size > SMALL)
        return true;
    if (!buf_reserve(&c->body, (size_t)body->size + 1)) {
        errno = ENOMEM;
        return false;
    }
    while (c->body.len < body->size) {
        ssize_t n = scratch_read(body, c->body.len, c->body.data + c->body.len,
                                 (size_t)body->size - c->body.len);
        if (n < 0)
            return false;
        c->body.len += (size_t)n;
    }
    return true;
}

static int put_all(struct offer *o, const struct dispatch *d, const struct copy *c)
{
    const struct address **to = calloc(d->recipients->count + 1, sizeof(const struct address *));
    size_t n = to == NULL ? 0 : recipients_unique(d->recipients, to);
    int result = to == NULL ? -1 : 0;

    for (size_t i = 0; result == 0 && i < n; i++)
        result = write_data_set(o, d->who, to[i], c);
    int saved = errno;
    free((void *)to);
    errno = saved;
    return result;
}

static int put_mail(const struct dispatch *d, const struct composed *mail, char why[160],
                    struct buf *message)
{
    struct copy c = {.mail = mail};
    struct offer o;
    bool good = offer_begin(&o, d->spool->queue[QUEUE_MAIL]) == 0 && load_body(&c) &&
                put_all(&o, d, &c) == 0 && offer_commit(&o) == 0;
    int error = errno;

    offer_abandon(&o);
    buf_free(&c.body);
    if (good)
        return EX_OK;
    if (!o.in_doubt)
        return failed(error, why, message);
    snprintf(why, 160, "IN DOUBT (%s)", strerror(error));
    SAY(message, T01SM082E, strerror(error));
    return EX_IOERR;
}

/* For Received and Message-ID: never the same again on this host. */
static bool unique_id(int64_t wall, char out[48])
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return false;
    snprintf(out, 48, "SNDMSG.%llX.%016llX", (unsigned long long)wall, (unsigned long long)random);
    return true;
}

int dispatch_mail(const struct dispatch *d, char why[160], struct buf *message)
{
    int64_t wall = clock_wall();
    struct composed mail = {.encoded = SCRATCH_CLOSED};
    char id[48];
    int status;

    if (!unique_id(wall, id))
        return failed(errno, why, message);
    struct compose_params params = {
        .from = &d->who->from,
        .full = d->who->full,
        .host = d->site->host,
        .login = d->who->login,
        .id = id,
        .recipients = d->recipients,
        .subject = d->subject,
        .letter = d->letter,
        .wall = wall,
        .offset = clock_offset(wall),
    };
    if (!compose(&params, &mail)) {
        snprintf(why, 160, "%s", strerror(errno));
        SAY(message, T01SM086E, scratch_folder(), why);
        status = EX_TEMPFAIL;
    } else if (composed_octets(&mail) > d->site->maxsize) {
        snprintf(why, 160, "the message is too large");
        SAY(message, T01SM085E, msg_num((long long)composed_octets(&mail)).text,
            msg_num((long long)d->site->maxsize).text);
        status = EX_DATAERR;
    } else {
        status = put_mail(d, &mail, why, message);
    }
    composed_free(&mail);
    return status;
}
