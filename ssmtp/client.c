/* See client.h. */
#include "ssmtp/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "ssmtp/recipient.h"

enum {
    UNSENT_MAX = 16 << 10, /* octets of replies that a client has not read: then we wait */
    LINGER_MS = 2000,      /* to read the reply before which we closed */
    STRANGER_MS = 60000,   /* for a command before HELO, and for a handshake */
    STRANGER = RECEIVER_CONNECTED | RECEIVER_START | RECEIVER_TLS,
    DENSE_MS = 10000 /* for a command outside a transaction, when the service is crowded */
};

struct client {
    struct client *next, *previous;
    struct client_context *x;
    struct wire *wire;
    int fd; /* the wire's, to ask about it */
    uint32_t slot;
    enum tls_mode mode;
    struct receiver session;
    struct store_file file;
    struct commit_file commit;
    struct buf held; /* came, but may not be looked at yet; the wire is paused */
    int64_t ends_ms;
    char literal[CLIENT_LITERAL];
    bool committing;
    bool gone;                   /* only the commit is waited for */
    bool broken;                 /* replies were lost */
    bool lingering;              /* all was said; what still comes is read away */
    bool progress;               /* the clock of this command may start anew */
    bool told_start, told_relay; /* once a session: a client can't fill the log */
};

void client_literal(const struct sockaddr *a, char out[CLIENT_LITERAL])
{
    const struct sockaddr_in *v4 = (const void *)a;
    const struct sockaddr_in6 *v6 = (const void *)a;
    char text[INET6_ADDRSTRLEN] = "";

    snprintf(out, CLIENT_LITERAL, "unknown");
    if (a->sa_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)))
        snprintf(out, CLIENT_LITERAL, "[%s]", text);
    if (a->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof(text)))
        snprintf(out, CLIENT_LITERAL, "[%s]", text);
    else if (a->sa_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)))
        snprintf(out, CLIENT_LITERAL, "[IPv6:%s]", text);
}

static const struct msg_log *log_of(const struct client *c)
{
    return &c->x->program->log;
}

/* The dialogue line by line, for --trace; the text of a message is not shown. */
static void trace(const struct client *c, const char *direction, struct span octets)
{
    struct span line;
    char text[RECEIVER_LINE + 1];

    if (!c->x->program->trace)
        return;
    while (span_line(&octets, &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        line.n = line.n < RECEIVER_LINE ? line.n : RECEIVER_LINE;
        for (size_t i = 0; i < line.n; i++)
            text[i] = line.p[i] != '\0' ? line.p[i] : '?';
        text[line.n] = '\0';
        MSG(log_of(c), T01SM047I, c->literal, direction, text);
    }
}

/* What the session asks of us. */

static void greeted(void *arg, struct span name)
{
    struct client *c = arg;
    char remote[ADDRESS_DOMAIN_MAX + CLIENT_LITERAL + 2], bad[101];

    if (c->told_start)
        return;
    c->told_start = true;
    if (span_eq(span_of(c->session.helo), SPAN("unknown"))) {
        span_copy((struct span){name.p, name.n < 100 ? name.n : 100}, bad, sizeof(bad));
        MSG(log_of(c), T01SM009I, bad, c->literal);
    }
    snprintf(remote, sizeof(remote), "%s %s", c->session.helo, c->literal);
    MSG(log_of(c), T01SM010I, c->x->site.host, remote);
}

static enum receiver_verdict recipient(void *arg, const struct address *rcpt, struct address *to)
{
    struct client *c = arg;
    const struct program *p = c->x->program;
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    } own = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof(own);
    char literal[CLIENT_LITERAL] = "";

    if (rcpt->kind == DOMAIN_IPV4 || rcpt->kind == DOMAIN_IPV6) {
        getsockname(c->fd, &own.any, &size);
        client_literal(&own.any, literal);
    }
    enum receiver_verdict v = recipient_find(p->site, p->users, literal, rcpt, to);
    if (v == RECEIVER_NOT_OURS && !c->told_relay) {
        MSG(log_of(c), T01SM008I, rcpt->text, c->literal);
        c->told_relay = true;
    }
    return v;
}

/* The queue of small messages, and where all are written first. */
static enum spool_queue first_queue(const struct client *c)
{
    return c->x->program->site->postoffice != NULL ? QUEUE_POST : QUEUE_PRT;
}

static enum receiver_verdict room(void *arg, uint64_t octets)
{
    const struct client *c = arg;

    return room_for(&c->x->room, c->x->spool.queue[first_queue(c)], octets, clock_steady_ms())
               ? RECEIVER_GOOD
               : RECEIVER_FULL;
}

static bool more(void *arg)
{
    return wire_more(((struct client *)arg)->wire);
}

static bool starttls(void *arg)
{
    const struct client *c = arg;

    return c->mode == TLSMODE_STARTTLS && c->x->certificate->context != NULL;
}

enum { TLS_WORDS = 192 };

/* For the Received field and the log; NULL in clear. */
static const char *tls_words(const struct client *c, char out[TLS_WORDS])
{
    const struct tls *t = wire_tls(c->wire);
    struct tls_facts f;

    if (t == NULL)
        return NULL;
    tls_facts(t, &f);
    int n = snprintf(out, TLS_WORDS, "%s %s %u bits", f.version, f.cipher, f.bits);
    if (f.trust != TLS_ANONYMOUS)
        snprintf(out + n, (size_t)(TLS_WORDS - n), ", client %.64s verified", f.peer);
    return out;
}

static enum receiver_verdict begin(void *arg)
{
    struct client *c = arg;
    char words[TLS_WORDS];
    int64_t wall = clock_wall();
    struct store_head head = {
        .envelope = &c->session.envelope,
        .helo = c->session.helo,
        .literal = c->literal,
        .host = c->x->site.host,
        .esmtp = c->session.esmtp,
        .tls = tls_words(c, words),
        .wall = wall,
        .offset = clock_offset(wall),
    };
    char name[STORE_NAME];

    return store_names_next(&c->x->names, false, name) &&
                   store_begin(&c->file, c->x->spool.queue[first_queue(c)], name, &head)
               ? RECEIVER_GOOD
               : RECEIVER_TROUBLE;
}

static struct buf *text(void *arg)
{
    return store_text(&((struct client *)arg)->file);
}

static void took(void *arg)
{
    store_took(&((struct client *)arg)->file);
}

static void drop(void *arg, const char *why)
{
    struct client *c = arg;

    store_drop(&c->file);
    MSG(log_of(c), T01SM052I, c->literal, c->session.envelope.from.text, why);
}

static enum receiver_verdict verify(void *arg, struct span who, struct buf *to)
{
    const struct program *p = ((const struct client *)arg)->x->program;

    return recipient_verify(p->site, p->users, who, to);
}

static const struct receiver_events session_events = {
    .greeted = greeted,
    .recipient = recipient,
    .room = room,
    .more = more,
    .begin = begin,
    .text = text,
    .took = took,
    .drop = drop,
    .verify = verify,
    .starttls = starttls,
};

/* Ending. */

static void unlink_client(struct client *c)
{
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        c->x->first = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    c->x->clients--;
}

static void free_client(struct client *c)
{
    receiver_close(&c->session);
    unlink_client(c);
    c->x->gone(c->x->arg, c);
    free(c);
}

static void finish(struct client *c)
{
    wire_free(c->wire);
    c->wire = NULL;
    c->gone = true;
    buf_free(&c->held);
    crowd_leave(c->x->crowd, c->x->worker, c->slot);
    if (!c->committing)
        free_client(c);
}

/* All was said. When the client did not end it, unread input would make the kernel reset the
 * connection, and the client might never see why it was closed. */
static void say_goodbye(struct client *c)
{
    if (c->session.quit || c->lingering) {
        finish(c);
        return;
    }
    c->lingering = true;
    buf_free(&c->held);
    wire_finish(c->wire);
    wire_pause(c->wire, false);
    wire_deadline(c->wire, LINGER_MS);
}

/* Replies and time. */

static void send_replies(struct client *c, struct buf *out)
{
    if (out->failed || (out->len > 0 && !wire_send(c->wire, BUF_SPAN(out))))
        c->broken = true;
    trace(c, "->", BUF_SPAN(out));
    c->progress = c->progress || out->len > 0;
    buf_free(out);
}

/* What a client drips does not gain it time: the clock of a command starts with the reply to the
 * one before, and a session has an end. */
static void set_deadline(struct client *c)
{
    const struct site_timeouts *t = &c->x->program->site->timeout;
    enum receiver_phase phase = c->session.phase;
    int64_t ms = (int64_t)t->command * 1000, left = c->ends_ms - clock_steady_ms();

    if (phase & STRANGER && ms > STRANGER_MS)
        ms = STRANGER_MS;
    if (phase & (STRANGER | RECEIVER_IDLE) && ms > DENSE_MS && crowd_dense(c->x->crowd))
        ms = DENSE_MS;
    if (left < ms)
        ms = left > 0 ? left : 1;
    wire_deadline(c->wire, phase == RECEIVER_WAIT ? 0 : ms);
}

/* After anything happened. The client may be freed in it. */
static void settle(struct client *c)
{
    if (c->broken) {
        finish(c);
        return;
    }
    if (c->session.phase == RECEIVER_CLOSED && wire_unsent(c->wire) == 0) {
        say_goodbye(c);
        return;
    }
    if (c->progress)
        set_deadline(c);
    c->progress = false;
}

/* Messages. */

static enum receiver_verdict verdict_of(int error)
{
    if (error == 0)
        return RECEIVER_GOOD;
    return error == ENOSPC || error == EDQUOT ? RECEIVER_FULL : RECEIVER_TROUBLE;
}

static void log_message(const struct client *c)
{
    const struct envelope *e = &c->session.envelope;
    bool post = c->commit.to == c->x->spool.queue[QUEUE_POST];

    if (c->commit.error != 0)
        MSG(log_of(c), T01SM001I, c->commit.name, strerror(c->commit.error),
            "THE CLIENT WAS TOLD TO TRY AGAIN");
    else
        MSG(log_of(c), T01SM050I, c->commit.name, e->from.text,
            msg_num((long long)c->session.data.octets).text, msg_num((long long)e->nto).text,
            c->literal, post ? "jes/POST" : "jes/PRT");
}

/* What is in memory, as an entry for the journal. NULL: memory is short. */
static struct entry *new_entry(struct store_file *f, enum spool_queue q)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    *e = (struct entry){.text = f->held, .queue = (unsigned char)q, .fd = -1};
    f->held = (struct buf){0};
    span_copy(span_of(f->name), e->name, sizeof(e->name));
    seal_of(BUF_SPAN(&e->text), &e->mark);
    return e;
}

/* Ends the message's text and makes it ready for the committer; false with commit.error. */
static bool end_text(struct client *c, enum spool_queue q)
{
    bool good = store_end(&c->file, committer_holds(c->x->committer, c->file.held.len));

    if (good && c->file.writer.fd < 0) {
        c->commit.entry = new_entry(&c->file, q);
        good = c->commit.entry != NULL;
        c->file.error = good ? 0 : ENOMEM;
    }
    if (!good) {
        c->commit.error = c->file.error;
        store_drop(&c->file);
        return false;
    }
    c->commit.writer = c->file.writer;
    c->file.writer.fd = -1;
    return true;
}

/* The session waits: hands its message on, or says at once that it could not be written. */
static void commit(struct client *c, struct buf *out)
{
    const struct site *site = c->x->program->site;
    enum spool_queue q = first_queue(c);

    if (c->session.data.octets > site->divert)
        q = QUEUE_PRT;
    c->commit = (struct commit_file){.to = c->x->spool.queue[q], .arg = c};
    span_copy(span_of(c->file.name), c->commit.name, sizeof(c->commit.name));
    if (!end_text(c, q)) {
        log_message(c);
        receiver_committed(&c->session, verdict_of(c->commit.error), "", out);
        return;
    }
    c->committing = c->progress = true;
    committer_add(c->x->committer, &c->commit);
}

/* TLS. */

static void settle(struct client *c);

/* An early talker gets no greeting: the octets will come, and be answered. */
static void greet(struct client *c, struct buf *out)
{
    if (!more(c))
        receiver_greet(&c->session, out);
}

static void on_secured(void *arg)
{
    struct client *c = arg;
    struct buf out = {0};
    char words[TLS_WORDS];

    MSG(log_of(c), T01SM122I, c->literal, tls_words(c, words));
    receiver_secured(&c->session, &out);
    if (c->session.phase == RECEIVER_CONNECTED)
        greet(c, &out);
    send_replies(c, &out);
    settle(c);
}

/* What came in clear and was not taken is never used. */
static void begin_tls(struct client *c)
{
    struct diag d;
    struct tls *t =
        c->x->certificate->context == NULL ? NULL : tls_accept(c->x->certificate->context, &d);

    buf_free(&c->held);
    if (t == NULL || !wire_secure(c->wire, t, on_secured))
        c->broken = true;
}

static bool takes_input(const struct client *c)
{
    return !c->broken && !(c->session.phase & (RECEIVER_WAIT | RECEIVER_TLS | RECEIVER_CLOSED)) &&
           wire_unsent(c->wire) < UNSENT_MAX;
}

/* Gives the session what it may take now; returns the rest. */
static struct span give(struct client *c, struct span in)
{
    while (in.n > 0 && takes_input(c)) {
        struct buf out = {0};

        if (c->session.phase != RECEIVER_DATA)
            trace(c, "<-", in);
        in = span_from(in, receiver_input(&c->session, in, &out));
        if (c->session.phase == RECEIVER_WAIT)
            commit(c, &out);
        send_replies(c, &out);
    }
    if (c->session.phase == RECEIVER_DATA)
        c->progress = true;
    if (c->session.phase == RECEIVER_TLS && wire_tls(c->wire) == NULL && !c->broken) {
        begin_tls(c);
        return (struct span){in.p, 0};
    }
    return in;
}

/* Keeps octets for later, and lets no more come. */
static void hold(struct client *c, struct span octets)
{
    if (octets.n == 0)
        return;
    if (!buf_addspan(&c->held, octets))
        c->broken = true;
    wire_pause(c->wire, true);
}

/* Goes on with what is held. */
static void resume(struct client *c)
{
    if (c->held.len > 0 && takes_input(c)) {
        struct span rest = give(c, BUF_SPAN(&c->held));

        buf_consume(&c->held, c->held.len - rest.n);
        if (c->held.len == 0) {
            buf_free(&c->held);
            wire_pause(c->wire, false);
        }
    }
    settle(c);
}

void client_committed(struct commit_file *f)
{
    struct client *c = f->arg;
    struct buf out = {0};

    c->committing = false;
    log_message(c);
    if (c->gone) {
        free_client(c);
        return;
    }
    receiver_committed(&c->session, verdict_of(f->error), f->name, &out);
    send_replies(c, &out);
    resume(c);
}

/* The wire. */

static void on_received(void *arg, struct span octets)
{
    struct client *c = arg;

    if (c->lingering)
        return;
    if (c->held.len == 0)
        octets = give(c, octets);
    hold(c, octets);
    settle(c);
}

static void on_ready(void *arg)
{
    struct client *c = arg;

    if (!c->lingering)
        resume(c);
}

static void on_ended(void *arg, int error)
{
    struct client *c = arg;
    struct buf out = {0};

    if (error == EPROTO)
        MSG(log_of(c), T01SM123I, c->literal, wire_error(c->wire, error));
    if (error == ETIMEDOUT && !c->lingering && !c->committing) {
        receiver_expire(&c->session, &out);
        send_replies(c, &out);
    }
    finish(c);
}

static const struct wire_events wire_events = {on_received, on_ready, on_ended};

static bool open_wire(struct client *c, int fd)
{
    struct buf out = {0};

    c->wire = wire_accept(c->x->loop, fd, &wire_events, c);
    if (c->wire == NULL)
        return false;
    if (c->mode == TLSMODE_IMPLICIT)
        begin_tls(c);
    else
        greet(c, &out);
    send_replies(c, &out);
    c->progress = false;
    set_deadline(c);
    return true;
}

struct client *client_start(struct client_context *x, int fd, const struct sockaddr *peer,
                            uint32_t slot, enum tls_mode mode)
{
    struct client *c = calloc(1, sizeof(*c));

    if (c != NULL) {
        *c = (struct client){.x = x, .fd = fd, .slot = slot, .mode = mode, .file.writer.fd = -1};
        c->ends_ms = clock_steady_ms() + (int64_t)x->program->site->session * 1000;
        client_literal(peer, c->literal);
        receiver_open(&c->session, &x->site, &session_events, c);
    }
    if (c == NULL || !open_wire(c, fd)) {
        free(c);
        close(fd);
        crowd_leave(x->crowd, x->worker, slot);
        return NULL;
    }
    c->next = x->first;
    if (c->next != NULL)
        c->next->previous = c;
    x->first = c;
    x->clients++;
    return c;
}

void client_stop(struct client *c)
{
    struct buf out = {0};

    if (c->gone || c->lingering)
        return;
    receiver_stop(&c->session, &out);
    send_replies(c, &out);
    settle(c);
}

void client_expire(struct client *c)
{
    struct buf out = {0};

    if (c->gone || c->lingering || c->committing)
        return;
    receiver_expire(&c->session, &out);
    send_replies(c, &out);
    settle(c);
}

struct client *client_next(const struct client *c)
{
    return c->next;
}
