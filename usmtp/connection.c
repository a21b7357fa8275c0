/* See connection.h. */
#include "usmtp/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "usmtp/outcome.h"

enum {
    UNSENT_MAX = 256 << 10 /* of a large text on its way into the kernel */
};

static bool next_address(struct connection *c);
static void stop_asking(struct connection *c);
static void end_login(struct connection *c);

static void name_relay(struct connection *c, const union resolve_address *a)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    unsigned port = ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
    const void *octets = a->any.sa_family == AF_INET6 ? (const void *)&a->v6.sin6_addr
                                                      : (const void *)&a->v4.sin_addr;

    inet_ntop(a->any.sa_family, octets, ip, sizeof(ip));
    snprintf(c->relay, sizeof(c->relay), "%s[%s]:%u", c->host->name[0] == '[' ? "" : c->host->name,
             ip, port);
}

static void close_file(struct connection *c)
{
    if (!c->file_open)
        return;
    text_free(c->text);
    c->text = NULL;
    mailfile_close(&c->mail);
    c->file_open = false;
}

static void close_hand(struct hand *h)
{
    if (h->file >= 0)
        close(h->file); /* read only */
    h->file = -1;
}

static void finish(struct connection *c)
{
    const struct verdict *v = c->host_verdict.kind == VERDICT_HOST ? &c->host_verdict : NULL;

    stop_asking(c);
    end_login(c);
    close_file(c);
    wire_free(c->wire);
    session_close(&c->session);
    tls_context_free(c->target.security.context);
    if (c->in_hand) {
        close_hand(&c->hand);
        c->events->untried(c->owner, c, &c->hand);
    }
    c->events->closed(c->owner, c, v);
    resolve_free(c->target.found);
    free(c);
}

static void start_attempt(struct connection *c)
{
    c->attempt_ends_ms = clock_steady_ms() + (int64_t)c->program->site->timeout.attempt * 1000;
}

/* The mail in hand has its verdict; the one behind it, if there is one, is in hand now. */
static void settle(struct connection *c, const struct verdict *v)
{
    struct hand settled = c->hand;

    if (c->is_coming) {
        c->hand = c->coming;
        start_attempt(c);
    } else {
        close_file(c);
        c->in_hand = false;
    }
    c->is_coming = false;
    c->events->verdict(c->owner, c, &settled, v);
    close_hand(&settled);
}

/* Hands the session's verdicts on. */
static void pass_verdicts(struct connection *c)
{
    struct verdict v;

    while (session_take_verdict(&c->session, &v)) {
        if (!c->in_hand) {
            c->host_verdict = v;
            if (v.login)
                c->events->login_failed(c->owner, c, &v);
            if (v.login && v.remote)
                c->refused = c->host;
            continue;
        }
        /* A refusal of the whole host that meets a mail concerns that mail for now. */
        if (v.kind == VERDICT_HOST)
            v.kind = VERDICT_LATER;
        settle(c, &v);
    }
}

/* Set on entering a state, not for every octet: a host that drips its replies gains nothing by it.
 * What is between two mails is bounded as a whole, as an attempt is. */
static void set_deadline(struct connection *c)
{
    int64_t ms = (int64_t)session_timeout(&c->session, &c->program->site->timeout) * 1000;
    int64_t left = c->attempt_ends_ms - clock_steady_ms();

    if (c->idle)
        ms = c->target.idle_ms;
    else if (left < ms)
        ms = left > 0 ? left : 1;
    wire_deadline(c->wire, ms);
    c->timed_state = c->session.state;
    c->timed_mails = c->mails;
    c->timed_idle = c->idle;
}

static void lost_mail(struct connection *c, const char *status, const char *why)
{
    struct verdict v;

    outcome_local(&v, VERDICT_LATER, status, why);
    c->session.mail_open = false;
    settle(c, &v);
    c->session.state = SESSION_CLOSED;
}

/* A piece of the text, with official names in the header; the empty one ends it. */
static bool feed(struct connection *c, struct span piece, struct buf *out)
{
    struct buf head = {0};

    bool good = !c->replacing || official_feed(&c->header, c->target.names, &piece, &head);
    good = good && (head.len == 0 || text_feed(c->text, BUF_SPAN(&head), out)) &&
           (piece.n == 0 || text_feed(c->text, piece, out));
    buf_free(&head);
    return good;
}

/* Sends as much of the text as the wire has room for. What the kernel takes at once makes room
 * again, and raises no event: so it goes on until something is left, for which on_ready() comes.
 * The last of it stays in *out, to go with what follows: of a small mail all is one packet. */
static void send_text(struct connection *c, struct buf *out)
{
    struct span piece;

    while (!c->text_done && wire_unsent(c->wire) < UNSENT_MAX) {
        if (!mailfile_read(&c->mail, &piece)) {
            lost_mail(c, "4.3.0", "the mail data set cannot be read");
            return;
        }
        bool good = feed(c, piece, out);
        c->text_done = piece.n == 0 || mailfile_at_end(&c->mail);
        if (good && c->text_done)
            good = (piece.n == 0 || feed(c, (struct span){0}, out)) && text_end(c->text, out);
        if (good && c->text_done && !c->program->trace)
            break;
        if (!good || !wire_send(c->wire, BUF_SPAN(out))) {
            lost_mail(c, "4.3.0", "memory is short");
            return;
        }
        buf_clear(out);
    }
    if (c->text_done) {
        session_text_sent(&c->session);
        c->hand.file = mailfile_part(&c->mail);
        close_file(c);
    }
}

static void begin_text(struct connection *c, struct buf *out)
{
    if (c->text != NULL)
        return;
    c->text_done = false;
    c->replacing = c->target.names->rows > 0;
    c->header = (struct official_header){.asa = c->mail.asa};
    c->text =
        text_begin(c->mail.asa, text_needs(&c->mail.facts, c->session.features & FEATURE_8BITMIME,
                                           c->session.mail.utf8));
    if (c->text == NULL)
        lost_mail(c, "4.3.0", "memory is short");
    else
        send_text(c, out);
}

static struct session_mail what_to_say(const struct mailfile *m)
{
    return (struct session_mail){
        .from = m->from,
        .to = m->to,
        .octets = m->facts.wire_octets,
        .eight_bit = m->facts.eight_bit && !m->facts.body_unfit,
        .utf8 = address_has_utf8(&m->from) || address_has_utf8(&m->to),
    };
}

static void offer_mail(struct connection *c, struct buf *out)
{
    /* A mail that this host can't take has its verdict at once, and the next one follows. */
    while (c->session.state == SESSION_READY && !c->in_hand) {
        if (c->mails >= c->target.mails || !c->events->next(c->owner, c, &c->mail, &c->hand)) {
            c->idle = c->mails < c->target.mails;
            if (!c->idle)
                session_quit(&c->session, out);
            return;
        }
        c->idle = false;
        c->hand.file = -1;
        c->mails++;
        c->in_hand = c->file_open = true;
        start_attempt(c);
        struct session_mail m = what_to_say(&c->mail);
        session_mail(&c->session, &m, out);
        pass_verdicts(c);
    }
}

/* The commands of the next mail go with the end of the text, if the host takes commands so: each
 * mail then costs one round trip and one packet. */
static void offer_ahead(struct connection *c, struct buf *out)
{
    if (!c->ahead || !session_takes_ahead(&c->session) || c->mails >= c->target.mails ||
        !c->events->next(c->owner, c, &c->mail, &c->coming))
        return;
    struct session_mail m = what_to_say(&c->mail);
    c->file_open = true;
    c->coming.file = -1;
    c->is_coming = session_mail_ahead(&c->session, &m, out);
    if (c->is_coming) {
        c->mails++;
        return;
    }
    close_file(c); /* it will be told so when its turn has come */
    c->events->untried(c->owner, c, &c->coming);
}

/* TLS. */

static void run(struct connection *c, struct span octets);

static void log_tls(const struct connection *c)
{
    struct tls_facts f;
    char how[80];

    tls_facts(wire_tls(c->wire), &f);
    snprintf(how, sizeof(how), "%s%s", tls_trust_name(f.trust), f.resumed ? ", resumed" : "");
    MSG(&c->program->log, T01SM120I, c->relay, f.version, f.cipher, how);
}

static void on_secured(void *arg)
{
    struct connection *c = arg;
    struct buf out = {0};

    log_tls(c);
    session_secured(&c->session, &out);
    wire_send(c->wire, BUF_SPAN(&out));
    buf_free(&out);
    run(c, (struct span){"", 0});
}

unsigned short connection_port(const struct connection *c)
{
    const union resolve_address *a = &c->target.found->address[c->now];

    return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

static bool is_implicit(const struct connection *c)
{
    const struct security_use *u = &c->target.security;

    return u->level != TLS_NONE && site_implicit(u->mode, connection_port(c));
}

/* What the peer must show: as the route says, or by the records of the name service. What was
 * agreed without such records must not be resumed under them. */
static struct tls_peer expected_peer(const struct connection *c)
{
    static const enum tls_check checks[] = {
        [TLS_VERIFY] = TLS_CHECK_NAME, [TLS_DANE] = TLS_CHECK_DANE};
    const struct security_use *u = &c->target.security;
    struct tls_peer peer = {.host = c->level == TLS_VERIFY ? c->host->reference : c->host->name,
                            .check = checks[c->level],
                            .record = u->record,
                            .records = u->records,
                            .memory = u->memory};

    if (c->records > 0) {
        peer.host = c->base;
        peer.record = c->record;
        peer.records = c->records;
        peer.memory = NULL;
    }
    return peer;
}

static void begin_handshake(struct connection *c)
{
    const struct tls_peer peer = expected_peer(c);
    struct diag d = {0};
    struct tls *t = tls_connect(c->target.security.context, &peer, &d);

    if (t == NULL)
        session_unsecured(&c->session, d.text);
    else if (!wire_secure(c->wire, t, on_secured))
        session_unsecured(&c->session, wire_error(c->wire, EPROTO));
}

static void ask_records(struct connection *c)
{
    if (c->events->tlsa(c->owner, c, true)) {
        c->asking = true;
        wire_pause(c->wire, true);
    } else {
        session_unsecured(&c->session, "memory is short");
    }
}

/* Whatever came in clear was given to the session; from here on octets are TLS's alone. */
static void begin_tls(struct connection *c)
{
    c->securing = true;
    if (c->level == TLS_DANE && c->target.security.records == 0 && c->records == 0)
        ask_records(c);
    else
        begin_handshake(c);
}

static void take_records(struct connection *c, const struct resolve_tlsa *t)
{
    c->records = 0;
    if (t->kind != RESOLVE_FOUND)
        return;
    snprintf(c->base, sizeof(c->base), "%s", t->base);
    for (size_t i = 0; i < t->records && c->records < SECURITY_RECORDS; i++)
        c->records += tlsa_set(t->record[i].usage, t->record[i].selector, t->record[i].matching,
                               (struct span){(const char *)t->record[i].data, t->record[i].length},
                               &c->record[c->records]);
}

/* Under MAY (RFC 7672 2.2): a host with records must show what they name; with records of which
 * none is of use it must at least have TLS; of which nobody can say anything, it is not used now.
 */
static void take_level(struct connection *c, const struct resolve_tlsa *t)
{
    char why[320];

    if (t->kind == RESOLVE_LATER) {
        snprintf(why, sizeof(why), "%.60s: whether it has TLSA records is not known: %.200s",
                 c->host->name, t->why);
        session_unsecured(&c->session, why);
        return;
    }
    if (t->kind == RESOLVE_FOUND)
        c->level = c->records > 0 ? TLS_DANE : TLS_MUST;
    c->session.tls = c->level;
    c->session.confides = c->level == TLS_DANE;
    if (is_implicit(c))
        begin_tls(c);
}

void connection_tlsa(struct connection *c, const struct resolve_tlsa *t)
{
    char why[320];

    c->asking = false;
    wire_pause(c->wire, false);
    take_records(c, t);
    if (c->level == TLS_MAY) {
        take_level(c, t);
    } else if (c->records > 0) {
        begin_handshake(c);
    } else {
        snprintf(why, sizeof(why), "%.60s: TLSA records are demanded: %.200s", c->host->name,
                 t->kind == RESOLVE_FOUND ? "none of them is of use" : t->why);
        session_unsecured(&c->session, why);
    }
    run(c, (struct span){"", 0});
}

static void stop_asking(struct connection *c)
{
    if (c->asking)
        c->events->tlsa(c->owner, c, false);
    c->asking = false;
}

/* Of a login only the command's first two words are shown, and "*". */
static struct span shown(const struct connection *c, bool ours, struct span line)
{
    bool login = c->logon != NULL && ours;
    struct span rest = line, word, name;

    if (!login || span_eq(line, SPAN("*")) || span_eq(line, SPAN("QUIT")))
        return line;
    if (span_starts_nocase(line, SPAN("AUTH ")) && span_cut(&rest, ' ', &word) &&
        span_cut(&rest, ' ', &name) && mechanism_set(name, ' ', NULL) != 0)
        return (struct span){line.p, word.n + 1 + name.n};
    return SPAN("(a response)");
}

/* The dialogue line by line, for --trace; the text of a mail is not shown. */
static void trace(const struct connection *c, const char *direction, struct span octets)
{
    struct span line;
    char text[512];

    if (!c->program->trace || c->text != NULL)
        return;
    while (span_line(&octets, &line)) {
        while (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        line = shown(c, direction[0] == '-', line);
        if (line.n >= sizeof(text))
            line.n = sizeof(text) - 1;
        if (span_copy(line, text, sizeof(text)))
            MSG(&c->program->log, T01SM047I, c->relay, direction, text);
    }
}

/* Logging in. */

/* Sends what was said. Where secrets may be in it, it is overwritten. */
static void put(struct connection *c, struct buf *out, bool secret)
{
    if (out->failed || (out->len > 0 && !wire_send(c->wire, BUF_SPAN(out))))
        session_lost(&c->session, "memory is short");
    if (secret)
        buf_wipe(out);
    else
        buf_free(out);
}

static void end_login(struct connection *c)
{
    if (c->secret != NULL)
        keeper_cancel(c->target.keeper, c->secret);
    c->secret = NULL;
    logon_free(c->logon);
    c->logon = NULL;
}

static void begin_login(struct connection *c, struct span secret, struct buf *out)
{
    const struct logon_identity who = {.user = c->target.login->user,
                                       .secret = secret,
                                       .host = c->host->name,
                                       .port = connection_port(c)};

    if (c->session.renewed && logon_has(c->logon, secret)) {
        session_no_login(&c->session, NULL, out);
        return;
    }
    logon_free(c->logon);
    c->logon = logon_new(c->session.mechanism, &who);
    if (c->logon != NULL)
        session_login(&c->session, &logon_steps, c->logon, out);
    else
        session_no_login(&c->session, "memory is short, or libgsasl lacks the mechanism", out);
}

/* A secret that is not to be had is so for all hosts. */
static void no_secret(struct connection *c, const char *why, struct buf *out)
{
    session_no_login(&c->session, why, out);
    c->tried = c->target.found->addresses;
}

static void on_secret(void *arg, const struct keeper_answer *a)
{
    struct connection *c = arg;
    struct buf out = {0};

    c->secret = NULL;
    if (a->why == NULL)
        begin_login(c, a->secret, &out);
    else
        no_secret(c, a->why, &out);
    trace(c, "->", BUF_SPAN(&out));
    put(c, &out, true);
    run(c, (struct span){"", 0});
}

static void find_secret(struct connection *c, struct buf *out)
{
    const char *why;

    if (c->secret != NULL)
        return;
    if (c->session.mechanism->proof == PROOF_CERTIFICATE) {
        begin_login(c, SPAN(""), out);
        return;
    }
    c->secret = keeper_ask(c->target.keeper, c->target.login->id, on_secret, c, &why);
    if (c->secret == NULL)
        no_secret(c, why, out);
}

/* A handshake that failed where clear text will do: a fresh connection to the same address. */
static bool goes_clear(struct connection *c, int error)
{
    bool failed = c->securing && c->session.state < SESSION_READY &&
                  (error == EPROTO || wire_tls(c->wire) == NULL);

    if (!failed || c->level != TLS_MAY || is_implicit(c))
        return false;
    MSG(&c->program->log, T01SM121I, c->relay,
        error == ETIMEDOUT ? "time-out" : wire_error(c->wire, error));
    c->clear = true;
    c->tried--;
    return true;
}

/* The host is there, and knows us where it is to. */
static void welcome(struct connection *c)
{
    const char *user = c->target.login->user;

    if (c->session.mechanism != NULL)
        MSG(&c->program->log, T01SM133I, c->relay, user[0] != '\0' ? user : "ITS CERTIFICATE SAYS",
            c->session.mechanism->name);
    c->events->greeted(c->owner, c);
}

/* What the session's state asks of us, until it waits for the peer. */
static void step(struct connection *c, struct buf *out)
{
    bool greeting = c->last_state < SESSION_READY;

    pass_verdicts(c);
    if (c->session.state == SESSION_READY && greeting)
        welcome(c);
    if (c->session.state == SESSION_READY)
        offer_mail(c, out);
    if (c->session.state == SESSION_TLS && !c->securing && !c->asking)
        begin_tls(c);
    if (c->session.state == SESSION_SECRET)
        find_secret(c, out);
    else if (c->session.state != SESSION_AUTH)
        end_login(c);
    if (c->session.state == SESSION_TEXT)
        begin_text(c, out);
    if (c->session.state == SESSION_TERM)
        offer_ahead(c, out);
    c->last_state = c->session.state;
}

/* Runs the session on octets (none: only looks at its state), sends what it says, ends it where it
 * ends. */
static void run(struct connection *c, struct span octets)
{
    bool login = c->logon != NULL;
    struct buf out = {0};

    trace(c, "<-", octets);
    session_input(&c->session, octets, &out);
    size_t said = out.len;
    trace(c, "->", BUF_SPAN(&out)); /* while it is known whether this is a login */
    if (c->session.state == SESSION_TEXT)
        trace(c, "--", SPAN("(the text of the mail)"));
    step(c, &out);
    trace(c, "->", span_from(BUF_SPAN(&out), said));
    put(c, &out, login);
    pass_verdicts(c);
    if (c->session.state == SESSION_CLOSED) {
        if (c->host_verdict.kind != VERDICT_HOST || !next_address(c))
            finish(c);
        return;
    }
    if (c->session.state != c->timed_state || c->mails != c->timed_mails ||
        c->idle != c->timed_idle)
        set_deadline(c);
}

static void on_received(void *arg, struct span octets)
{
    run(arg, octets);
}

static void on_ready(void *arg)
{
    struct connection *c = arg;
    struct buf out = {0};

    if (c->session.state != SESSION_TEXT || c->text == NULL) {
        if (!c->connected) { /* now the greeting's time begins */
            c->connected = true;
            set_deadline(c);
            if (c->level == TLS_MAY && c->host->secure) {
                c->session.tls = TLS_MUST; /* until it is known, whatever the host says so soon */
                ask_records(c);
                run(c, (struct span){"", 0});
            } else if (is_implicit(c)) {
                begin_tls(c);
                run(c, (struct span){"", 0});
            }
        }
        return;
    }
    send_text(c, &out);
    if (!wire_send(c->wire, BUF_SPAN(&out)))
        session_lost(&c->session, "memory is short");
    buf_free(&out);
    set_deadline(c); /* a block is out: the next has its own time */
    run(c, (struct span){"", 0});
}

/* An idle connection ends: QUIT is a courtesy, nobody waits for its answer. */
static void leave(struct connection *c)
{
    struct buf out = {0};

    session_quit(&c->session, &out);
    wire_send(c->wire, BUF_SPAN(&out));
    buf_free(&out);
    finish(c);
}

static void on_ended(void *arg, int error)
{
    struct connection *c = arg;
    char why[512];

    if (error == ETIMEDOUT && c->idle) {
        leave(c);
        return;
    }
    if (goes_clear(c, error)) {
        if (!next_address(c))
            finish(c);
        return;
    }
    if (error == ETIMEDOUT)
        snprintf(why, sizeof(why), "%s: time-out in %s", c->relay,
                 session_state_name(c->session.state));
    else
        snprintf(why, sizeof(why), "%s: %s in %s", c->relay,
                 error == 0        ? "connection closed by the host"
                 : error == EPROTO ? wire_error(c->wire, error)
                                   : strerror(error),
                 session_state_name(c->session.state));
    c->unanswered = c->session.state == SESSION_MAIL;
    if (error == EPROTO && c->session.state < SESSION_READY)
        session_unsecured(&c->session, why);
    else
        session_lost(&c->session, why);
    run(c, (struct span){"", 0});
}

static const struct wire_events wire_events = {on_received, on_ready, on_ended};

/* Which host an address belongs to. */
static const struct resolve_host *host_of(const struct connection *c, size_t address)
{
    const struct resolve_host *h = c->target.found->host;

    while (address >= h->first + h->addresses)
        h++;
    return h;
}

/* Is there an address left, and time to try it? */
static bool more_to_try(const struct connection *c)
{
    return c->tried < c->target.found->addresses &&
           (c->tried == 0 || clock_steady_ms() < c->attempt_ends_ms);
}

/* A login that a host refused once is not tried at its other addresses: accounts are locked so. */
static void skip_refused(struct connection *c)
{
    const size_t all = c->target.found->addresses;

    while (c->refused != NULL && c->tried < all &&
           host_of(c, (c->target.begin + c->tried) % all) == c->refused)
        c->tried++;
}

/* Nothing of the address before is left. */
static void begin_afresh(struct connection *c)
{
    stop_asking(c);
    end_login(c);
    wire_free(c->wire);
    c->wire = NULL;
    session_close(&c->session);
    session_open(&c->session, c->program->site->host);
    c->last_state = SESSION_GREETING;
    c->level = c->clear ? TLS_NONE : c->target.security.level;
    c->session.tls = c->level;
    c->records = 0;
    c->session.confides = c->target.security.level >= TLS_MUST;
    c->session.allowed = c->target.login->mechanisms;
    c->clear = c->securing = false;
}

/* Connects to the next address. False: there is none left. */
static bool next_address(struct connection *c)
{
    char why[512];

    skip_refused(c);
    if (c->host_verdict.kind == VERDICT_HOST && more_to_try(c))
        MSG(&c->program->log, T01SM048I, c->relay, c->host_verdict.text);
    if (c->tried == 0 && !c->clear)
        start_attempt(c);
    begin_afresh(c);
    while (more_to_try(c)) {
        c->now = (c->target.begin + c->tried++) % c->target.found->addresses;
        const union resolve_address *a = &c->target.found->address[c->now];
        c->host = host_of(c, c->now);
        socklen_t length = a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
        name_relay(c, a);
        c->wire = wire_connect(c->loop, &a->any, length, &wire_events, c);
        if (c->wire != NULL) {
            c->host_verdict.kind = VERDICT_NONE;
            c->connected = false;
            wire_deadline(c->wire, (int64_t)c->program->site->timeout.connect * 1000);
            return true;
        }
        snprintf(why, sizeof(why), "%s: %s", c->relay, strerror(errno));
        outcome_local(&c->host_verdict, VERDICT_HOST, "4.4.1", why);
        skip_refused(c);
    }
    return false;
}

struct connection *connection_start(struct loop *l, const struct program *program,
                                    const struct connection_target *target,
                                    const struct connection_owner *events, void *owner)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct connection){
        .events = events, .owner = owner, .loop = l, .program = program, .target = *target};
    if (target->security.context != NULL)
        tls_context_share(target->security.context);
    session_open(&c->session, program->site->host);
    if (next_address(c)) {
        resolve_hold(target->found);
        return c;
    }
    session_close(&c->session);
    tls_context_free(c->target.security.context);
    free(c);
    return NULL;
}

void connection_wake(struct connection *c)
{
    if (c->idle)
        run(c, (struct span){"", 0});
}

bool connection_committed(const struct connection *c)
{
    return c->session.state == SESSION_TEXT || c->session.state == SESSION_TERM;
}

void connection_stop(struct connection *c, const char *why)
{
    if (c->idle) {
        leave(c);
        return;
    }
    session_lost(&c->session, why);
    c->tried = c->target.found->addresses;
    run(c, (struct span){"", 0});
}
