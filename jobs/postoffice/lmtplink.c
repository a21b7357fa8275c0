/* See lmtplink.h. */
#include "jobs/postoffice/lmtplink.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/postoffice/lookup.h"
#include "lib/clock.h"

enum {
    PIECE = 65536,
    UNSENT_MAX = 256 << 10, /* of a text on its way into the kernel */
    IDLE_MS = 1000,         /* how long an idle connection waits for more mail */
    TASKS_PER_LINK = 4      /* that wait before one more connection is made */
};

struct lmtp_link {
    struct lmtp_pool *pool;
    struct lookup *lookup; /* under way */
    struct lookup_answer server;
    size_t tried;
    struct wire *wire;
    struct lmtp lmtp;
    struct lmtp_task *task; /* in hand */
    bool idle, sending, greeted, text_done;
    struct lmtp_text text;
    size_t header_at;
    uint64_t body_at;
    uint64_t mails;
    int64_t attempt_ends_ms;
};

static bool next_address(struct lmtp_link *k);

const char *lmtp_server(const struct lmtp_pool *p)
{
    return p->program->site->lmtp != NULL ? p->program->site->lmtp : "-";
}

static void end_task(struct lmtp_task *t, bool server_down)
{
    t->server_down = server_down;
    t->done(t);
}

static void close_task(struct lmtp_link *k, bool server_down)
{
    struct lmtp_task *t = k->task;

    k->task = NULL;
    k->sending = false;
    if (t != NULL)
        end_task(t, server_down);
}

static struct lmtp_task *take_task(struct lmtp_pool *p)
{
    struct lmtp_task *t = p->first;

    if (t == NULL)
        return NULL;
    p->first = t->next;
    if (p->first == NULL)
        p->last = NULL;
    p->waiting--;
    return t;
}

/* What waits is put off together, with the reason of the last attempt. */
static void put_off(struct lmtp_pool *p)
{
    struct lmtp_task *t;
    size_t most = p->waiting; /* what `done` hands in anew has its turn later */

    while (most-- > 0 && (t = take_task(p)) != NULL) {
        for (size_t i = 0; i < t->mail.n; i++) {
            t->mail.to[i].verdict = LMTP_LATER;
            snprintf(t->mail.to[i].status, sizeof(t->mail.to[i].status), "4.4.1");
            snprintf(t->mail.to[i].text, sizeof(t->mail.to[i].text), "%s", p->why);
        }
        end_task(t, true);
    }
}

/* No server was found at work. */
static void server_down(struct lmtp_pool *p, const char *why)
{
    uint64_t seconds = p->program->site->retryint;

    snprintf(p->why, sizeof(p->why), "%s", why);
    p->greeted = false;
    p->down_until_ms = clock_steady_ms() + (int64_t)seconds * 1000;
    MSG(&p->program->log, T01SM042I, lmtp_server(p), msg_num((long long)seconds).text, p->why);
    put_off(p);
}

static void remove_link(struct lmtp_link *k)
{
    struct lmtp_pool *p = k->pool;

    for (size_t i = 0; i < p->links; i++)
        if (p->link[i] == k)
            p->link[i--] = p->link[--p->links];
}

/* The connection is over. */
static void finish(struct lmtp_link *k)
{
    struct lmtp_pool *p = k->pool;
    char why[LMTP_TEXT_MAX];
    bool useless = !k->greeted;

    snprintf(why, sizeof(why), "%s", k->lmtp.why);
    remove_link(k);
    close_task(k, false);
    wire_free(k->wire);
    lmtp_close(&k->lmtp);
    free(k);
    if (useless && p->links == 0)
        server_down(p, why);
    if (p->kick != NULL)
        loop_timer_set(p->kick, 0);
}

/* Also bounds a whole mail: a server that drips its replies gets no more time by it. */
static void set_deadline(struct lmtp_link *k)
{
    const struct site *site = k->pool->program->site;
    int64_t ms = (int64_t)lmtp_timeout(&k->lmtp, &site->timeout) * 1000;
    int64_t left = k->attempt_ends_ms - clock_steady_ms();

    if (k->idle)
        ms = IDLE_MS;
    else if (k->task != NULL && left < ms)
        ms = left > 0 ? left : 1;
    wire_deadline(k->wire, ms);
}

/* The next piece of the text: header, then body. -1 with errno. */
static ssize_t next_piece(struct lmtp_link *k, char room[PIECE], struct span *piece)
{
    const struct postfile *f = k->task->file;
    size_t left = f->header.len - k->header_at;

    if (left > 0) {
        *piece = (struct span){f->header.data + k->header_at, left < PIECE ? left : PIECE};
        k->header_at += piece->n;
        return (ssize_t)piece->n;
    }
    ssize_t n = postfile_read(f, &k->body_at, room, PIECE);
    *piece = (struct span){room, n > 0 ? (size_t)n : 0};
    return n;
}

/* Sends as much of the text as the wire has room for. */
static void send_text(struct lmtp_link *k, struct buf *out)
{
    char room[PIECE];
    struct span piece;

    while (!k->text_done && wire_unsent(k->wire) + out->len < UNSENT_MAX) {
        ssize_t n = next_piece(k, room, &piece);
        if (n < 0) {
            lmtp_lost(&k->lmtp, "the spool file cannot be read");
            return;
        }
        k->text_done = n == 0;
        if (!(n > 0 ? lmtp_text(&k->text, piece, out) : lmtp_text_end(&k->text, out))) {
            lmtp_lost(&k->lmtp, "memory is short");
            return;
        }
    }
    if (k->text_done)
        lmtp_text_sent(&k->lmtp);
}

static void begin_text(struct lmtp_link *k, struct buf *out)
{
    if (!k->sending) {
        k->sending = true;
        k->text_done = false;
        k->text = (struct lmtp_text){0};
        k->header_at = 0;
        k->body_at = k->task->file->body_at;
    }
    send_text(k, out);
}

static void offer_task(struct lmtp_link *k, struct buf *out)
{
    const struct site *site = k->pool->program->site;

    while (k->lmtp.state == LMTP_READY && k->lmtp.mail == NULL) {
        close_task(k, false);
        k->task = k->mails < site->connmsgs ? take_task(k->pool) : NULL;
        k->idle = k->task == NULL && k->mails < site->connmsgs;
        if (k->task == NULL) {
            if (!k->idle)
                lmtp_quit(&k->lmtp, out);
            return;
        }
        k->mails++;
        k->attempt_ends_ms = clock_steady_ms() + (int64_t)site->timeout.attempt * 1000;
        lmtp_mail(&k->lmtp, &k->task->mail, out);
    }
}

/* What the machine's state asks of us, until it waits for the server. */
static void step(struct lmtp_link *k, struct buf *out)
{
    if (k->lmtp.greeted && !k->greeted) {
        k->greeted = k->pool->greeted = true;
        k->pool->down_until_ms = 0;
    }
    if (k->lmtp.state == LMTP_READY)
        offer_task(k, out);
    if (k->lmtp.state == LMTP_TEXT && k->task != NULL)
        begin_text(k, out);
}

static void run(struct lmtp_link *k, struct span octets)
{
    struct buf out = {0};

    lmtp_input(&k->lmtp, octets, &out);
    step(k, &out);
    if (out.failed || (out.len > 0 && !wire_send(k->wire, BUF_SPAN(&out))))
        lmtp_lost(&k->lmtp, "memory is short");
    buf_free(&out);
    if (k->lmtp.state != LMTP_CLOSED)
        set_deadline(k);
    else if (k->greeted || !next_address(k))
        finish(k);
}

static void on_received(void *arg, struct span octets)
{
    run(arg, octets);
}

static void on_ready(void *arg)
{
    run(arg, (struct span){"", 0});
}

static void on_ended(void *arg, int error)
{
    struct lmtp_link *k = arg;
    char why[LMTP_TEXT_MAX];
    const char *server = lmtp_server(k->pool);
    struct buf out = {0};

    if (error == ETIMEDOUT && k->idle) {
        k->idle = false;
        lmtp_quit(&k->lmtp, &out);
        wire_send(k->wire, BUF_SPAN(&out)); /* a courtesy; nobody waits for the answer */
        buf_free(&out);
        finish(k);
        return;
    }
    if (error == ETIMEDOUT)
        snprintf(why, sizeof(why), "%.100s: time-out in %s", server,
                 lmtp_state_name(k->lmtp.state));
    else
        snprintf(why, sizeof(why), "%.100s: connection %s in %s", server,
                 error == 0 ? "closed by the server" : strerror(error),
                 lmtp_state_name(k->lmtp.state));
    k->idle = false;
    lmtp_lost(&k->lmtp, why);
    run(k, (struct span){"", 0});
}

static const struct wire_events wire_events = {on_received, on_ready, on_ended};

/* Connects to the next address. False: there is none left, and lmtp.why says what was wrong. */
static bool next_address(struct lmtp_link *k)
{
    const struct site *site = k->pool->program->site;
    char why[LMTP_TEXT_MAX];

    snprintf(why, sizeof(why), "%s", k->lmtp.why);
    wire_free(k->wire);
    k->wire = NULL;
    lmtp_close(&k->lmtp);
    lmtp_open(&k->lmtp, site->host);
    while (k->tried < k->server.count) {
        size_t i = k->tried++;
        k->wire = wire_connect(k->pool->loop, &k->server.address[i].any, k->server.length[i],
                               &wire_events, k);
        if (k->wire != NULL) {
            wire_deadline(k->wire, (int64_t)site->timeout.connect * 1000);
            return true;
        }
        snprintf(why, sizeof(why), "%.100s: %s", lmtp_server(k->pool), strerror(errno));
    }
    snprintf(k->lmtp.why, sizeof(k->lmtp.why), "%s", why);
    k->lmtp.state = LMTP_CLOSED;
    return false;
}

static void on_looked_up(void *arg, const struct lookup_answer *a)
{
    struct lmtp_link *k = arg;

    k->lookup = NULL;
    k->server = *a;
    if (a->error != 0)
        snprintf(k->lmtp.why, LMTP_TEXT_MAX, "%.100s: %s", lmtp_server(k->pool),
                 gai_strerror(a->error));
    if (!next_address(k))
        finish(k);
}

/* host:port to addresses. False: lmtp.why says what is wrong. */
static bool find_host(struct lmtp_link *k, const char *server)
{
    char host[ADDRESS_DOMAIN_MAX + 1];
    const char *colon = strrchr(server, ':');
    struct span name = {server, colon != NULL ? (size_t)(colon - server) : 0};

    if (name.n > 1 && name.p[0] == '[')
        name = (struct span){name.p + 1, name.n - 2};
    if (span_starts_nocase(name, SPAN("IPv6:")))
        name = span_from(name, 5);
    if (colon == NULL || !span_copy(name, host, sizeof(host))) {
        snprintf(k->lmtp.why, LMTP_TEXT_MAX, "LMTP(%.100s) is no host:port", server);
        return false;
    }
    if (lookup_literal(host, colon + 1, &k->server))
        return next_address(k);
    k->lookup = lookup_start(k->pool->loop, host, colon + 1, on_looked_up, k);
    if (k->lookup == NULL)
        snprintf(k->lmtp.why, LMTP_TEXT_MAX,
                 "%.100s: no process or descriptor is left to look up "
                 "its name",
                 server);
    return k->lookup != NULL;
}

static bool find_server(struct lmtp_link *k, const char *server)
{
    struct sockaddr_un *un = &k->server.address[0].un;

    if (server[0] != '/')
        return find_host(k, server);
    un->sun_family = AF_UNIX;
    if (!span_copy(span_of(server), un->sun_path, sizeof(un->sun_path))) {
        snprintf(k->lmtp.why, LMTP_TEXT_MAX, "LMTP(%.100s) is too long for a socket's name",
                 server);
        return false;
    }
    k->server.length[0] = sizeof(*un);
    k->server.count = 1;
    return next_address(k);
}

static void open_link(struct lmtp_pool *p)
{
    struct lmtp_link *k = calloc(1, sizeof(*k));

    if (k == NULL) {
        server_down(p, "memory is short");
        return;
    }
    k->pool = p;
    lmtp_open(&k->lmtp, p->program->site->host);
    p->link[p->links++] = k;
    if (!find_server(k, lmtp_server(p)))
        finish(k);
}

static size_t links_wanted(const struct lmtp_pool *p)
{
    size_t limit = p->program->site->destlimit, wanted = 1 + p->waiting / TASKS_PER_LINK;

    if (limit > LMTP_LINKS)
        limit = LMTP_LINKS;
    return !p->greeted ? 1 : wanted < limit ? wanted : limit;
}

static void on_kick(void *arg)
{
    struct lmtp_pool *p = arg;

    for (size_t i = 0; i < p->links && p->waiting > 0;) {
        struct lmtp_link *k = p->link[i];
        if (k->idle)
            run(k, (struct span){"", 0});
        if (i < p->links && p->link[i] == k)
            i++; /* otherwise it ended and another took its place */
    }
    while (p->waiting > 0 && p->links < links_wanted(p)) {
        size_t before = p->links;
        if (p->down_until_ms > clock_steady_ms()) {
            put_off(p);
            return;
        }
        open_link(p);
        if (p->links == before)
            return;
    }
}

bool lmtp_pool_open(struct lmtp_pool *p, struct loop *loop, const struct program *program)
{
    *p = (struct lmtp_pool){.program = program, .loop = loop};
    p->kick = loop_timer(loop, on_kick, p);
    return p->kick != NULL;
}

void lmtp_submit(struct lmtp_pool *p, struct lmtp_task *t)
{
    t->next = NULL;
    if (p->last != NULL)
        p->last->next = t;
    else
        p->first = t;
    p->last = t;
    p->waiting++;
    loop_timer_set(p->kick, 0);
}

void lmtp_forgive(struct lmtp_pool *p)
{
    p->down_until_ms = 0;
}

void lmtp_stop(struct lmtp_pool *p)
{
    for (size_t i = p->links; i-- > 0;) {
        struct lmtp_link *k = p->link[i]; /* who ends is replaced by one that was looked at */
        if (k->lookup == NULL)
            continue;
        lookup_cancel(k->lookup);
        k->lookup = NULL;
        snprintf(k->lmtp.why, LMTP_TEXT_MAX,
                 "%.100s: its name was still being looked up at the end", lmtp_server(p));
        finish(k);
    }
}

void lmtp_pool_close(struct lmtp_pool *p)
{
    loop_forget(p->kick);
    p->kick = NULL;
    while (p->links > 0) {
        struct lmtp_link *k = p->link[--p->links];
        if (k->idle)
            wire_send(k->wire, SPAN("QUIT\r\n")); /* a courtesy */
        lookup_cancel(k->lookup);
        wire_free(k->wire);
        lmtp_close(&k->lmtp);
        free(k);
    }
}
