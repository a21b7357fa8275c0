/* See sim_tls.h. A record: its kind, its length (4 octets, network order), and so many octets, each
 * with COVER. */
#include "tests/simulate/sim_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/sim_task.h"
#include "tests/simulate/sim_world.h"

enum { HEAD = 5, NAME_MAX_OCTETS = 80, RECORD_MAX = 64 << 20, COVER = 0xA5 };
/* Kinds of records. */
enum { FROM_CLIENT = 'C', FROM_SERVER = 'S', TEXT = 'T', END = 'E' };

struct tls {
    bool client, greeted, done, closed;
    bool named; /* the peer must be who it is thought to be */
    char host[ADDRESS_DOMAIN_MAX + 1];
    struct span fed;
    unsigned char head[HEAD];
    size_t head_len, left; /* of the record in hand: octets that are still to come */
    char name[NAME_MAX_OCTETS + 1];
    size_t name_len;
    const char *why;
};

void tls_uncover(char *octets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        octets[i] = (char)(octets[i] ^ COVER);
}

static bool put_record(struct buf *out, int kind, struct span text)
{
    unsigned char head[HEAD] = {(unsigned char)kind, (unsigned char)(text.n >> 24),
                                (unsigned char)(text.n >> 16), (unsigned char)(text.n >> 8),
                                (unsigned char)text.n};

    if (!buf_reserve(out, sizeof(head) + text.n))
        return false;
    buf_add(out, (const char *)head, sizeof(head));
    buf_addspan(out, text);
    tls_uncover(out->data + out->len - text.n, text.n);
    return true;
}

static struct tls *new_tls(bool client, struct diag *d)
{
    struct tls *t = calloc(1, sizeof(*t));

    if (t == NULL)
        diag_set(d, 0, 0, "memory is short");
    else
        *t = (struct tls){.client = client, .why = ""};
    return t;
}

struct tls *__wrap_tls_accept(struct tls_context *c, struct diag *d)
{
    (void)c;
    return new_tls(false, d);
}

struct tls *__wrap_tls_connect(struct tls_context *c, const struct tls_peer *peer, struct diag *d)
{
    struct tls *t = new_tls(true, d);

    (void)c;
    if (t != NULL) {
        t->named = peer->check == TLS_CHECK_NAME;
        span_copy(span_of(peer->host), t->host, sizeof(t->host));
    }
    return t;
}

void __wrap_tls_free(struct tls *t)
{
    free(t);
}

void __wrap_tls_feed(struct tls *t, struct span octets)
{
    t->fed = octets;
}

bool __wrap_tls_pending(const struct tls *t)
{
    return t->fed.n > 0;
}

static enum tls_event fail(struct tls *t, const char *why)
{
    t->why = why;
    t->fed.n = 0;
    return TLS_FAILED;
}

/* What of the fed octets belongs to `to`, until so many are there. */
static size_t take(struct tls *t, void *to, size_t most)
{
    size_t n = t->fed.n < most ? t->fed.n : most;

    if (n > 0)
        memcpy(to, t->fed.p, n);
    t->fed = span_from(t->fed, n);
    return n;
}

/* The head of the next record is whole, and it may come now. */
static enum tls_event begin_record(struct tls *t)
{
    int kind = t->head[0];
    bool lawful =
        t->done ? kind == TEXT || kind == END : kind == (t->client ? FROM_SERVER : FROM_CLIENT);

    t->left =
        (size_t)t->head[1] << 24 | (size_t)t->head[2] << 16 | (size_t)t->head[3] << 8 | t->head[4];
    t->name_len = 0;
    if (!lawful || t->left > (kind == TEXT ? RECORD_MAX : NAME_MAX_OCTETS))
        return fail(t, "the peer speaks no TLS");
    return TLS_WAIT;
}

/* The name of the host on which this process runs: its certificate. */
static enum tls_event answer(struct tls *t, struct buf *out)
{
    char name[NAME_MAX_OCTETS];
    int n = snprintf(name, sizeof(name), "%s.example", process_current()->host->name);

    if (!put_record(out, FROM_SERVER, (struct span){name, (size_t)n}))
        return fail(t, "memory is short");
    t->done = true;
    return TLS_SECURED;
}

static enum tls_event meet(struct tls *t)
{
    tls_uncover(t->name, t->name_len);
    if (t->named && !span_eq((struct span){t->name, t->name_len}, span_of(t->host)))
        return fail(t, "the certificate is for another host");
    t->done = true;
    return TLS_SECURED;
}

/* A record other than text; its head is known. */
static enum tls_event take_record(struct tls *t, struct buf *out)
{
    size_t n = take(t, t->name + t->name_len, t->left);

    t->name_len += n;
    t->left -= n;
    if (t->left > 0)
        return TLS_WAIT;
    t->head_len = 0;
    return t->head[0] == END ? TLS_CLOSED : t->client ? meet(t) : answer(t, out);
}

enum tls_event __wrap_tls_next(struct tls *t, char *room, size_t size, size_t *n, struct buf *out)
{
    if (t->client && !t->greeted && !put_record(out, FROM_CLIENT, SPAN("")))
        return fail(t, "memory is short");
    t->greeted = true;
    for (;;) {
        if (t->head_len < HEAD) {
            t->head_len += take(t, t->head + t->head_len, HEAD - t->head_len);
            if (t->head_len < HEAD)
                return TLS_WAIT;
            if (begin_record(t) == TLS_FAILED)
                return TLS_FAILED;
        }
        if (t->head[0] != TEXT)
            return take_record(t, out);
        *n = take(t, room, t->left < size ? t->left : size);
        t->left -= *n;
        if (t->left == 0)
            t->head_len = 0;
        else if (*n == 0)
            return TLS_WAIT;
        tls_uncover(room, *n);
        if (*n > 0)
            return TLS_TEXT;
    }
}

bool __wrap_tls_send(struct tls *t, struct span text, struct buf *out)
{
    return t->done && put_record(out, TEXT, text);
}

void __wrap_tls_close(struct tls *t, struct buf *out)
{
    if (t->done && !t->closed)
        put_record(out, END, SPAN(""));
    t->closed = true;
}

const char *__wrap_tls_why(const struct tls *t)
{
    return t->why;
}

void __wrap_tls_facts(const struct tls *t, struct tls_facts *f)
{
    *f = (struct tls_facts){.version = "TLSv1.3",
                            .cipher = "SIMULATED",
                            .bits = 8,
                            .trust = t->named ? TLS_VERIFIED : TLS_ANONYMOUS};
}

/* The one that senders have will do: nobody looks into it. */
struct tls_context *__wrap_tls_receiver(const struct tls_files *f,
                                        const unsigned char ticket[TLS_TICKET_KEY], struct diag *d)
{
    (void)ticket;
    return tls_sender(f, d);
}

bool __wrap_tls_context_ticket(struct tls_context *c, const unsigned char ticket[TLS_TICKET_KEY])
{
    (void)c;
    (void)ticket;
    return true;
}
