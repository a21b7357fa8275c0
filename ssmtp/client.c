/* See client.h. */
#include "ssmtp/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base64.h"
#include "lib/clock.h"
#include "lib/network.h"
#include "ssmtp/recipient.h"

enum {
    UNSENT_MAX = 16 << 10, /* octets of replies that a client has not read: then we wait */
    LINGER_MS = 2000,      /* to read the reply before which we closed */
    STRANGER_MS = 60000,   /* for a command before HELO, and for a handshake */
    STRANGER = RECEIVER_CONNECTED | RECEIVER_START | RECEIVER_TLS | RECEIVER_AUTH,
    DENSE_MS = 10000 /* for a command outside a transaction, when the service is crowded */
};

struct client {
    struct client *next, *previous;
    struct client_context *x;
    struct wire *wire;
    int fd; /* the wire's, to ask about it */
    uint32_t slot;
    enum tls_mode mode;
    struct login *login;            /* being checked; NULL: none */
    struct loop_event *patience;    /* until then it waits */
    char candidate[USERID_MAX + 1]; /* who asks to log in; "": nobody */
    char user[USERID_MAX + 1];      /* who did */
    bool out;                       /* the message goes to the outside */
    struct receiver session;
    struct store_file file;
    struct commit_file commit;
    struct buf held; /* came, but may not be looked at yet; the wire is paused */
    int64_t ends_ms;
    char literal[CLIENT_LITERAL];
    bool committing;
    bool gone;                              /* only the commit is waited for */
    bool broken;                            /* replies were lost */
    bool lingering;                         /* all was said; what still comes is read away */
    bool progress;                          /* the clock of this command may start anew */
    bool told_start, told_relay, told_late; /* once a session: a client can't fill the log */
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

/* What may be shown of a line that is, or may be, part of a login. */
static struct span public_part(struct span line, bool secret)
{
    size_t end = line.n;

    if (secret)
        return SPAN("(not shown)");
    if (span_starts_nocase(line, SPAN("AUTH "))) {
        end = 5 + span_find(span_from(line, 5), ' ');
        end = end < line.n ? end : line.n;
    }
    return (struct span){line.p, end};
}

/* The dialogue line by line, for --trace; the text of a message is not shown, nor what a client
 * sends to log in: where it does, neither the rest of a line that was begun before, nor what comes
 * with AUTH. */
static void trace(const struct client *c, const char *direction, struct span octets)
{
    bool comes = direction[0] == '<', logins = c->session.submission && comes;
    bool secret =
        comes && (c->session.phase == RECEIVER_AUTH || (logins && c->session.line_len > 0));
    struct span line;
    char text[RECEIVER_LINE + 1];

    if (!c->x->program->trace)
        return;
    while (span_line(&octets, &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        struct span whole = line;
        if (comes)
            line = public_part(line, secret);
        secret = (secret && c->session.phase == RECEIVER_AUTH) ||
                 (logins && span_starts_nocase(whole, SPAN("AUTH")));
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

/* The X-To of who is to get it here. */
static enum receiver_verdict find_here(const struct client *c, const struct address *rcpt,
                                       struct address *to)
{
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
    return recipient_find(p->site, p->users, literal, rcpt, to);
}

/* May he send to the outside? */
static bool may_relay(const struct client *c)
{
    return c->session.trusted || c->session.authenticated;
}

/* For who may, the address stays as it was given: whether the message goes out is known when all
 * recipients are. */
static enum receiver_verdict recipient(void *arg, const struct address *rcpt, struct address *to)
{
    const struct site *site = ((struct client *)arg)->x->program->site;
    struct client *c = arg;

    enum receiver_verdict v = find_here(c, rcpt, to);
    if (may_relay(c) && (v == RECEIVER_GOOD || v == RECEIVER_NOT_OURS)) {
        bool owned = v == RECEIVER_NOT_OURS || site_owns(site, address_domain(rcpt));
        *to = *rcpt;
        /* <postmaster> alone, or at our address. */
        return owned || recipient_postmaster(site, to) ? RECEIVER_GOOD : RECEIVER_TROUBLE;
    }
    if (v == RECEIVER_NOT_OURS && !c->told_relay) {
        MSG(log_of(c), T01SM008I, rcpt->text, c->literal);
        c->told_relay = true;
    }
    return v;
}

/* He sends as who he logged in as. */
static enum receiver_verdict sender(void *arg, const struct address *from)
{
    const struct client *c = arg;
    const struct program *p = c->x->program;
    char plain[ADDRESS_LOCAL_MAX];
    struct user user;

    return span_eq_nocase(address_domain(from), span_of(p->site->host)) &&
                   usertable_find(p->users, address_local_text(from, plain), &user) &&
                   strcmp(user.userid, c->user) == 0
               ? RECEIVER_GOOD
               : RECEIVER_NOT_YOURS;
}

static bool secret(void *arg, struct span name, struct scram_secret *s)
{
    struct client *c = arg;
    const struct program *p = c->x->program;
    char userid[USERID_MAX + 1];

    bool known = login_find(p->site, p->users, c->x->passwords, name, userid, s);
    span_copy(span_of(known ? userid : ""), c->candidate, sizeof(c->candidate));
    return known;
}

static bool nonce(void *arg, char out[SASL_NONCE + 1])
{
    unsigned char random[SASL_NONCE / 4 * 3];
    struct buf text = {0};

    (void)arg;
    bool good = getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random) &&
                base64_encode((struct span){(const char *)random, sizeof(random)}, &text) &&
                span_copy(BUF_SPAN(&text), out, SASL_NONCE + 1);
    buf_free(&text);
    return good;
}

/* The queue of small messages, and where all are written first. */
static enum spool_queue first_queue(const struct client *c)
{
    if (c->out)
        return QUEUE_SUBMIT;
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

static bool map_here(void *arg, const struct address *given, struct address *to)
{
    return find_here(arg, given, to) == RECEIVER_GOOD;
}

/* Mail of users goes the way of all that users send. That of a network which may relay does so only
 * if somebody outside gets it: for its recipients here it is mail like any other, which ends
 * circles too, when usmtp itself is in such a network. */
static bool choose_way(struct client *c)
{
    const struct site *site = c->x->program->site;
    const struct envelope *e = &c->session.envelope;

    c->out = c->session.authenticated;
    for (size_t i = 0; c->session.trusted && !c->out && i < e->nto; i++)
        c->out = !site_owns(site, address_domain(&e->to[i]));
    return c->out || !c->session.trusted || receiver_readdress(&c->session, map_here, c);
}

static enum receiver_verdict begin(void *arg)
{
    struct client *c = arg;
    char words[TLS_WORDS];
    int64_t wall = clock_wall();

    if (!choose_way(c))
        return RECEIVER_TROUBLE;
    struct store_head head = {
        .envelope = &c->session.envelope,
        .helo = c->session.helo,
        .literal = c->literal,
        .host = c->x->site.host,
        .esmtp = c->session.esmtp,
        .login = c->session.authenticated,
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
    .sender = sender,
    .secret = secret,
    .nonce = nonce,
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

/* The desk gives what it has to nobody. */
static void forget_login(struct client *c)
{
    loop_forget(c->patience);
    c->patience = NULL;
    if (c->login != NULL && c->login->checking)
        c->login->arg = NULL;
    else
        login_free(c->login);
    c->login = NULL;
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
    forget_login(c);
    buf_wipe(&c->held);
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
    bool (*say)(struct wire *, struct span) =
        c->session.phase == RECEIVER_CLOSED ? wire_send_last : wire_send;

    if (out->failed || (out->len > 0 && !say(c->wire, BUF_SPAN(out))))
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
    wire_deadline(c->wire, phase & (RECEIVER_WAIT | RECEIVER_LOGIN) ? 0 : ms);
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
    const struct spool *spool = &c->x->spool;
    const char *queue = c->commit.to == spool->queue[QUEUE_POST]     ? "jes/POST"
                        : c->commit.to == spool->queue[QUEUE_SUBMIT] ? "jes/SUBMIT"
                                                                     : "jes/PRT";

    if (c->commit.error != 0)
        MSG(log_of(c), T01SM001I, c->commit.name, strerror(c->commit.error),
            "THE CLIENT WAS TOLD TO TRY AGAIN");
    else
        MSG(log_of(c), T01SM050I, c->commit.name, e->from.text,
            msg_num((long long)c->session.data.octets).text, msg_num((long long)e->nto).text,
            c->literal, queue);
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

    if (!c->out && c->session.data.octets > site->divert)
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
    return !c->broken && !(c->session.phase & RECEIVER_BUSY) && wire_unsent(c->wire) < UNSENT_MAX;
}

/* Logins. */

/* SCRAM ends a response later than it is proven. */
static void note_user(struct client *c)
{
    if (!c->session.authenticated || c->user[0] != '\0')
        return;
    memcpy(c->user, c->candidate, sizeof(c->user));
    MSG(log_of(c), T01SM130I, c->user, c->literal);
}

/* The login is checked, well or not. */
static void answer_login(struct client *c, enum receiver_verdict v, struct buf *out)
{
    struct login *l = c->login;

    c->login = NULL;
    receiver_login(&c->session, v, l->claim, out);
    l->claim = NULL;
    login_free(l);
    note_user(c);
}

/* It is not looked at. */
static void refuse_login(struct client *c, const char *why, struct buf *out)
{
    if (!c->told_late)
        MSG(log_of(c), T01SM132W, c->literal, why);
    c->told_late = true;
    answer_login(c, RECEIVER_TROUBLE, out);
}

/* It waited long enough. */
static void check_login(struct client *c, struct buf *out)
{
    if (!login_desk_add(c->x->desk, c->login))
        refuse_login(c, "TOO MANY ARE BEING CHECKED", out);
}

static void settle(struct client *c);
static void resume(struct client *c);

static void on_patience(void *arg)
{
    struct client *c = arg;
    struct buf out = {0};

    if (c->login == NULL || c->session.phase != RECEIVER_LOGIN)
        return;
    check_login(c, &out);
    send_replies(c, &out);
    resume(c);
}

static bool new_login(struct client *c)
{
    const struct site *site = c->x->program->site;
    struct buf name = {0};

    c->login = calloc(1, sizeof(*c->login));
    if (c->login == NULL)
        return false;
    *c->login = (struct login){.claim = receiver_claim(&c->session), .arg = c, .client = c->slot};
    memcpy(c->login->userid, c->candidate, sizeof(c->candidate));
    bool good = login_canonical(site, BUF_SPAN(&c->login->claim->name), &name);
    c->login->name = penalty_name(c->x->penalty, BUF_SPAN(&name));
    buf_free(&name);
    return good;
}

/* The session waits: who failed of late waits before his login is looked at at all, so that giving
 * up and coming again gains nothing. */
static void start_login(struct client *c, struct buf *out)
{
    if (!new_login(c)) {
        c->broken = true;
        return;
    }
    int64_t ms = penalty_wait(c->x->penalty, c->slot, c->login->name, clock_steady_ms());
    c->progress = true;
    if (ms == 0) {
        check_login(c, out);
        return;
    }
    if (c->patience == NULL)
        c->patience = loop_timer(c->x->loop, on_patience, c);
    if (ms > 0 && c->patience != NULL && loop_timer_set(c->patience, ms))
        return;
    refuse_login(c, "TOO MANY OF IT FAILED", out);
}

void client_checked(void *arg, struct login *l)
{
    const struct client_context *x = arg;
    struct client *c = l->arg;
    struct buf out = {0};
    unsigned failed = 0;

    if (l->claim->checked && !l->claim->fits) {
        failed = penalty_failed(x->penalty, l->client, l->name, clock_steady_ms());
        MSG(&x->program->log, T01SM131W, l->userid[0] != '\0' ? l->userid : "(UNKNOWN)",
            c != NULL ? c->literal : "(GONE)", msg_num((long long)failed).text);
    }
    if (c == NULL) {
        login_free(l);
        return;
    }
    if (c->session.phase != RECEIVER_LOGIN) { /* its time was up meanwhile */
        c->login = NULL;
        login_free(l);
        return;
    }
    answer_login(c,
                 !l->claim->checked ? RECEIVER_TROUBLE
                 : l->claim->fits   ? RECEIVER_GOOD
                                    : RECEIVER_WRONG,
                 &out);
    send_replies(c, &out);
    resume(c);
}

/* Gives the session what it may take now; returns the rest. */
static struct span give(struct client *c, struct span in)
{
    while (in.n > 0 && takes_input(c)) {
        struct buf out = {0};

        if (c->session.phase != RECEIVER_DATA)
            trace(c, "<-", in);
        in = span_from(in, receiver_input(&c->session, in, &out));
        note_user(c);
        if (c->session.phase == RECEIVER_WAIT)
            commit(c, &out);
        if (c->session.phase == RECEIVER_LOGIN)
            start_login(c, &out);
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
                            uint32_t slot, const struct listen_kind *kind)
{
    struct client *c = calloc(1, sizeof(*c));

    if (c != NULL) {
        *c = (struct client){
            .x = x, .fd = fd, .slot = slot, .mode = kind->tls, .file.writer.fd = -1};
        c->ends_ms = clock_steady_ms() + (int64_t)x->program->site->session * 1000;
        client_literal(peer, c->literal);
        receiver_open(&c->session, &x->site, &session_events, c);
        c->session.submission = kind->submission;
        c->session.trusted = networks_hold(x->program->site->relay, peer);
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
