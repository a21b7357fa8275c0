/* smtpsink: an SMTP server that accepts every message, fast, and checks what it is sent.
 *
 * Messages are counted, and stored or listed only when asked for. A line ends at CRLF and nowhere
 * else: bare LF, bare CR, a line over 998 octets, NUL, 8 bit without BODY=8BITMIME, a parameter or
 * pipelining that was not offered, text sent on before the reply it must wait for, a command line
 * that is too long: each is a violation, shown on stderr (the first ones), counted, and makes the
 * exit status 1. SIGTERM or SIGINT prints the counts and ends. It trusts its operator, not its
 * peers: what one of them sends is bounded, and never shown raw. Nothing is synced. */
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/evp.h>

#include "tests/tools/tool.h"

enum {
    READ_SIZE = 256 * 1024,
    EVENTS = 256,
    COMMAND_MAX = 4096,
    LINE_MAX_OCTETS = 998,
    RECIPIENTS_MAX = 100000,
    COUNT_FILE_MS = 50,
    SHOWN_VIOLATIONS = 20,
};

enum violation {
    BARE_LF,
    BARE_CR,
    LONG_LINE,
    NUL_OCTET,
    EIGHT_BIT,
    NOT_OFFERED,
    NOT_WAITED,
    LONG_COMMAND,
    VIOLATIONS
};

static const char *const violation_name[VIOLATIONS] = {
    [BARE_LF] = "bare-lf",           [BARE_CR] = "bare-cr",
    [LONG_LINE] = "long-line",       [NUL_OCTET] = "nul",
    [EIGHT_BIT] = "eight-bit",       [NOT_OFFERED] = "not-offered",
    [NOT_WAITED] = "not-waited-for", [LONG_COMMAND] = "long-command",
};

/* What a session may be waiting for; a bit each, so that a verb can name all it is lawful in. */
enum phase { AWAIT_HELLO = 1, AWAIT_MAIL = 2, AWAIT_RCPT = 4, AWAIT_DATA = 8, IN_DATA = 16 };

struct refusal {
    regex_t recipient;
    unsigned code;
};

struct options {
    uint64_t port;
    const char *port_file, *maildir, *count_file, *dump;
    bool no_pipelining, no_8bitmime;
    uint64_t size; /* largest message, octets */
    uint64_t delay_ms;
    struct refusal *refusal;
    size_t refusals;
};

struct totals {
    uint64_t connections, messages, recipients, refused, octets, aborted;
    uint64_t violation[VIOLATIONS];
};

/* The line being received, whatever pieces it comes in. */
struct line {
    size_t octets; /* without the LF */
    bool dot;      /* begins with a dot */
    bool cr;       /* the last octet was CR */
    unsigned bad;  /* a bit for each violation */
};

struct session {
    int fd;
    uint64_t number, lines;
    enum phase phase;
    bool ehlo, eightbit, too_long, closing, held;
    struct line line;
    size_t recipients;
    struct buf in;   /* a command whose end has not come */
    struct buf out;  /* replies not yet sent */
    struct buf from; /* reverse-path */
    struct buf to;   /* forward-paths, each ended by LF, which none can hold */
    struct buf body; /* dots unstuffed, lines ended by CRLF; only when it is kept */
    uint64_t body_octets;
    uint64_t due_ms;
    TAILQ_ENTRY(session) all, delay;
};

TAILQ_HEAD(session_list, session);

struct sink {
    struct options option;
    struct totals total;
    struct session_list all, delayed; /* delayed: by due time, because the delay is constant */
    int epoll, listener, signals, dump;
    bool keep;         /* bodies are stored or digested */
    bool stop, paused; /* paused: no descriptor left to accept with */
    bool count_changed;
    uint64_t count_written_ms, stored;
    struct buf ehlo;
    char *input;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void violate(struct sink *k, const struct session *s, enum violation v)
{
    uint64_t shown = 0;

    for (size_t i = 0; i < VIOLATIONS; i++)
        shown += k->total.violation[i];
    k->total.violation[v]++;
    if (shown < SHOWN_VIOLATIONS)
        fprintf(stderr, "smtpsink: connection %llu, line %llu: %s\n", (unsigned long long)s->number,
                (unsigned long long)s->lines, violation_name[v]);
}

static bool has_eight_bit(const char *p, size_t n)
{
    uint64_t word, all = 0;

    for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        all |= word;
    }
    for (; n > 0; p++, n--)
        all |= (unsigned char)*p;
    return (all & 0x8080808080808080) != 0;
}

/* Takes octets that hold no LF into the line. */
static void line_scan(struct line *l, const char *p, size_t n)
{
    if (n == 0)
        return;
    if (l->octets == 0)
        l->dot = p[0] == '.';
    if (l->cr)
        l->bad |= 1U << BARE_CR;
    const char *cr = memchr(p, '\r', n);
    l->cr = cr == p + n - 1;
    if (cr != NULL && !l->cr) {
        l->bad |= 1U << BARE_CR;
        l->cr = p[n - 1] == '\r';
    }
    if (memchr(p, '\0', n))
        l->bad |= 1U << NUL_OCTET;
    if (has_eight_bit(p, n))
        l->bad |= 1U << EIGHT_BIT;
    l->octets += n;
}

/* An LF came. True when it ends the line; a bare one is part of it. */
static bool line_feed(struct line *l)
{
    if (l->cr)
        return true;
    l->bad |= 1U << BARE_LF;
    l->octets++;
    return false;
}

/* Counts what was wrong with the line and begins the next. */
static void line_done(struct sink *k, struct session *s, unsigned allowed)
{
    unsigned bad = s->line.bad & ~allowed;

    s->lines++;
    for (size_t v = 0; bad != 0 && v < VIOLATIONS; v++)
        if (bad & (1U << v))
            violate(k, s, (enum violation)v);
    s->line = (struct line){0};
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* The text that --maildir stores: the envelope, then the body with lines ended by LF. */
static void stored_text(const struct session *s, struct buf *out)
{
    struct span to = BUF_SPAN(&s->to), one, body = BUF_SPAN(&s->body);

    buf_printf(out, "X-Envelope-From: %.*s\n", (int)s->from.len, s->from.len ? s->from.data : "");
    while (span_line(&to, &one))
        buf_printf(out, "X-Envelope-To: %.*s\n", (int)one.n, one.p);
    while (body.n > 0) {
        size_t at = span_find(body, '\r');
        buf_add(out, body.p, at);
        body = span_from(body, at);
        if (body.n > 0 && !(body.n > 1 && body.p[1] == '\n'))
            buf_addc(out, '\r');
        body = span_from(body, 1);
    }
}

static bool store_maildir(struct sink *k, const struct session *s)
{
    struct buf text = {0}, name = {0}, tmp = {0}, new = {0};
    struct timespec t;
    bool ok = false;

    clock_gettime(CLOCK_REALTIME, &t);
    buf_printf(&name, "%lld.M%06ldP%ldQ%llu.sink", (long long)t.tv_sec, t.tv_nsec / 1000,
               (long)getpid(), (unsigned long long)k->stored++);
    buf_printf(&tmp, "%s/tmp/%s", k->option.maildir, buf_str(&name));
    buf_printf(&new, "%s/new/%s", k->option.maildir, buf_str(&name));
    stored_text(s, &text);
    int fd = open(buf_str(&tmp), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0 && !text.failed) {
        ok = write_all(fd, buf_str(&text), text.len);
        ok = close(fd) == 0 && ok && rename(buf_str(&tmp), buf_str(&new)) == 0;
    }
    if (!ok)
        fprintf(stderr, "smtpsink: %s: %s\n", buf_str(&tmp), strerror(errno));
    buf_free(&text);
    buf_free(&name);
    buf_free(&tmp);
    buf_free(&new);
    return ok;
}

/* from TAB to,to TAB octets TAB sha256, of the text as sent: CRLF, without the stuffed dots. */
static bool dump_line(struct sink *k, const struct session *s)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct buf line = {0};
    struct span to = BUF_SPAN(&s->to), one;
    const char *body = s->body.len ? s->body.data : "";

    if (EVP_Digest(body, s->body.len, digest, &n, EVP_sha256(), NULL) != 1)
        return false;
    buf_addspan(&line, BUF_SPAN(&s->from));
    for (size_t i = 0; span_line(&to, &one); i++) {
        buf_addc(&line, i == 0 ? '\t' : ',');
        buf_addspan(&line, one);
    }
    buf_printf(&line, "\t%llu\t", (unsigned long long)s->body_octets);
    for (unsigned i = 0; i < n; i++)
        buf_printf(&line, "%02x", digest[i]);
    buf_addc(&line, '\n');
    bool ok = !line.failed && write_all(k->dump, line.data, line.len);
    buf_free(&line);
    return ok;
}

static void transaction_reset(struct session *s)
{
    s->phase = s->phase == AWAIT_HELLO ? AWAIT_HELLO : AWAIT_MAIL;
    s->recipients = 0;
    s->eightbit = s->too_long = false;
    s->body_octets = 0;
    buf_clear(&s->from);
    buf_clear(&s->to);
    buf_clear(&s->body);
}

static void message_done(struct sink *k, struct session *s)
{
    const struct options *o = &k->option;

    if (s->too_long) {
        buf_adds(&s->out, "552 5.3.4 Message larger than SIZE\r\n");
    } else if (s->body.failed || (o->maildir && !store_maildir(k, s)) ||
               (o->dump && !dump_line(k, s))) {
        buf_adds(&s->out, "451 4.3.0 Not stored\r\n");
    } else {
        k->total.messages++;
        k->total.recipients += s->recipients;
        k->total.octets += s->body_octets;
        k->count_changed = true;
        buf_adds(&s->out, "250 2.0.0 Accepted\r\n");
    }
    transaction_reset(s);
}

static void body_add(struct sink *k, struct session *s, const char *p, size_t n)
{
    s->body_octets += n;
    /* Two more: the CRLF of the line that ends the body is taken back. */
    if (s->body_octets > k->option.size + 2)
        s->too_long = true;
    else if (k->keep)
        buf_add(&s->body, p, n);
}

/* A line of the body ended. */
static void data_line_done(struct sink *k, struct session *s)
{
    struct line l = s->line;
    bool last = l.dot && l.octets == 2;

    if (l.octets - l.dot > LINE_MAX_OCTETS + 1) /* the CR counts as one */
        s->line.bad |= 1U << LONG_LINE;
    line_done(k, s, s->eightbit ? 1U << EIGHT_BIT : 0);
    if (!last)
        return;
    s->body_octets -= 2;
    if (k->keep && !s->too_long)
        s->body.len -= 2;
    s->too_long = s->too_long || s->body_octets > k->option.size;
    message_done(k, s);
}

/* Takes one line, or the part of it that came. Returns the octets used. */
static size_t data_feed(struct sink *k, struct session *s, struct span text)
{
    size_t at = span_find(text, '\n');
    bool lf = at < text.n, first = s->line.octets == 0;

    line_scan(&s->line, text.p, at);
    bool end = lf && line_feed(&s->line);
    size_t skip = first && at > 0 && s->line.dot ? 1 : 0;
    body_add(k, s, text.p + skip, at + lf - skip);
    if (end)
        data_line_done(k, s);
    return at + lf;
}

/* "FROM:<path> parameters". The path without its brackets; false when it is not of this form. */
static bool take_path(struct span args, struct span word, struct span *path, struct span *rest)
{
    bool quoted = false;
    size_t i;

    if (!span_starts_nocase(args, word))
        return false;
    args = span_from(args, word.n);
    if (args.n == 0 || args.p[0] != '<')
        return false;
    for (i = 1; i < args.n && (quoted || args.p[i] != '>'); i++) {
        if (iscntrl((unsigned char)args.p[i]))
            return false;
        if (args.p[i] == '\\' && quoted)
            i++;
        else if (args.p[i] == '"')
            quoted = !quoted;
    }
    if (i >= args.n)
        return false;
    *path = (struct span){args.p + 1, i - 1};
    *rest = span_from(args, i + 1);
    return rest->n == 0 || rest->p[0] == ' ';
}

/* One parameter of MAIL. NULL when it is well; else the reply. */
static const char *mail_parameter(struct sink *k, struct session *s, struct span p)
{
    static const char not_offered[] = "555 5.5.4 Parameter not offered\r\n";
    uint64_t size;

    if (!s->ehlo)
        return not_offered;
    if (span_starts_nocase(p, SPAN("SIZE="))) {
        if (!span_number(span_from(p, 5), UINT64_MAX, &size))
            return "501 5.5.4 SIZE is not a number\r\n";
        return size > k->option.size ? "552 5.3.4 Message larger than SIZE\r\n" : NULL;
    }
    if (k->option.no_8bitmime || !span_starts_nocase(p, SPAN("BODY=")))
        return not_offered;
    s->eightbit = span_eq_nocase(span_from(p, 5), SPAN("8BITMIME"));
    return s->eightbit || span_eq_nocase(span_from(p, 5), SPAN("7BIT")) ? NULL : not_offered;
}

static void on_mail(struct sink *k, struct session *s, struct span args)
{
    struct span path, rest, one;
    const char *wrong = NULL;

    if (!take_path(args, SPAN("FROM:"), &path, &rest)) {
        buf_adds(&s->out, "501 5.5.4 MAIL FROM:<reverse-path>\r\n");
        return;
    }
    transaction_reset(s);
    while (wrong == NULL && span_cut(&rest, ' ', &one))
        if (one.n > 0)
            wrong = mail_parameter(k, s, one);
    if (wrong != NULL) {
        if (wrong[2] == '5')
            violate(k, s, NOT_OFFERED);
        buf_adds(&s->out, wrong);
        return;
    }
    buf_addspan(&s->from, path);
    s->phase = AWAIT_RCPT;
    buf_adds(&s->out, "250 2.1.0 Sender accepted\r\n");
}

/* The code of the first --refuse-rcpt that matches, or 0. */
static unsigned refused(const struct options *o, struct span path)
{
    struct buf text = {0};
    unsigned code = 0;

    buf_addspan(&text, path);
    for (size_t i = 0; code == 0 && i < o->refusals; i++)
        if (regexec(&o->refusal[i].recipient, buf_str(&text), 0, NULL, 0) == 0)
            code = o->refusal[i].code;
    buf_free(&text);
    return code;
}

static void on_rcpt(struct sink *k, struct session *s, struct span args)
{
    struct span path, rest;
    unsigned code = 0;

    if (!take_path(args, SPAN("TO:"), &path, &rest) || path.n == 0) {
        buf_adds(&s->out, "501 5.5.4 RCPT TO:<forward-path>\r\n");
        return;
    }
    if (rest.n > 0) {
        violate(k, s, NOT_OFFERED);
        buf_adds(&s->out, "555 5.5.4 Parameter not offered\r\n");
        return;
    }
    if (k->option.refusals > 0)
        code = refused(&k->option, path);
    if (code != 0) {
        k->total.refused++;
        buf_printf(&s->out, "%u %u.1.1 Recipient refused\r\n", code, code / 100);
        return;
    }
    if (s->recipients >= RECIPIENTS_MAX) {
        buf_adds(&s->out, "452 4.5.3 Too many recipients\r\n");
        return;
    }
    s->recipients++;
    buf_addspan(&s->to, path);
    buf_addc(&s->to, '\n');
    s->phase = AWAIT_DATA;
    buf_adds(&s->out, "250 2.1.5 Recipient accepted\r\n");
}

static void on_hello(struct sink *k, struct session *s, struct span args)
{
    (void)k;
    if (span_trim(args).n == 0) {
        buf_adds(&s->out, "501 5.5.4 Name the client\r\n");
        return;
    }
    s->phase = AWAIT_MAIL;
    transaction_reset(s);
    s->ehlo = false;
    buf_adds(&s->out, "250 smtpsink\r\n");
}

static void on_ehlo(struct sink *k, struct session *s, struct span args)
{
    size_t before = s->out.len;

    on_hello(k, s, args);
    if (s->phase == AWAIT_HELLO || span_trim(args).n == 0)
        return;
    s->ehlo = true;
    s->out.len = before;
    buf_addspan(&s->out, BUF_SPAN(&k->ehlo));
}

static void on_data(struct sink *k, struct session *s, struct span args)
{
    (void)k;
    if (args.n > 0) {
        buf_adds(&s->out, "501 5.5.4 DATA takes nothing\r\n");
        return;
    }
    s->phase = IN_DATA;
    buf_adds(&s->out, "354 Send the text\r\n");
}

static void on_rset(struct sink *k, struct session *s, struct span args)
{
    (void)k;
    (void)args;
    transaction_reset(s);
    buf_adds(&s->out, "250 2.0.0 Reset\r\n");
}

static void on_quit(struct sink *k, struct session *s, struct span args)
{
    (void)k;
    (void)args;
    s->closing = true;
    buf_adds(&s->out, "221 2.0.0 Bye\r\n");
}

enum { ANY_PHASE = AWAIT_HELLO | AWAIT_MAIL | AWAIT_RCPT | AWAIT_DATA };

static const struct verb {
    struct span name;
    unsigned lawful; /* phases */
    bool last;       /* the client must wait for its reply (RFC 2920) */
    void (*act)(struct sink *, struct session *, struct span); /* NULL: only the reply */
    const char *reply;
} verbs[] = {
    {{"MAIL", 4}, AWAIT_MAIL, false, on_mail, NULL},
    {{"RCPT", 4}, AWAIT_RCPT | AWAIT_DATA, false, on_rcpt, NULL},
    {{"DATA", 4}, AWAIT_DATA, true, on_data, NULL},
    {{"RSET", 4}, ANY_PHASE, false, on_rset, NULL},
    {{"EHLO", 4}, ANY_PHASE, true, on_ehlo, NULL},
    {{"HELO", 4}, ANY_PHASE, true, on_hello, NULL},
    {{"NOOP", 4}, ANY_PHASE, true, NULL, "250 2.0.0 Well\r\n"},
    {{"VRFY", 4}, ANY_PHASE, true, NULL, "252 2.1.5 Send and see\r\n"},
    {{"QUIT", 4}, ANY_PHASE, true, on_quit, NULL},
};

static void command(struct sink *k, struct session *s, struct span line, bool more)
{
    size_t end = span_find(line, ' ');
    struct span name = {line.p, end}, args = span_from(line, end + 1);

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *v = &verbs[i];
        if (!span_eq_nocase(name, v->name))
            continue;
        if (more && (v->last || !s->ehlo || k->option.no_pipelining))
            violate(k, s, NOT_WAITED);
        if (!(v->lawful & s->phase))
            buf_adds(&s->out, "503 5.5.1 Not now\r\n");
        else if (v->act)
            v->act(k, s, args);
        else
            buf_adds(&s->out, v->reply);
        return;
    }
    buf_adds(&s->out, "500 5.5.2 Unknown command\r\n");
}

/* Takes one command, or none when its end has not come. Returns the octets used. */
static size_t command_feed(struct sink *k, struct session *s, struct span text)
{
    size_t at = span_find(text, '\n');
    bool lf = at < text.n;

    if (!lf && at <= COMMAND_MAX)
        return 0;
    line_scan(&s->line, text.p, at);
    if (!lf || at > COMMAND_MAX) {
        s->line.bad |= 1U << LONG_COMMAND;
        s->closing = true;
    } else if (!line_feed(&s->line)) {
        buf_adds(&s->out, "500 5.5.2 A line ends with CRLF\r\n");
    }
    bool good = (s->line.bad & ~(1U << EIGHT_BIT)) == 0;
    line_done(k, s, 0);
    if (s->closing)
        buf_adds(&s->out, "500 5.5.2 Line too long\r\n");
    else if (good)
        command(k, s, (struct span){text.p, at - 1}, at + 1 < text.n);
    return at + lf;
}

/* Takes what it can; returns the octets used. */
static size_t session_feed(struct sink *k, struct session *s, struct span text)
{
    size_t all = text.n, used = 1;

    while (text.n > 0 && used > 0 && !s->closing) {
        bool data = s->phase == IN_DATA;
        used = data ? data_feed(k, s, text) : command_feed(k, s, text);
        text = span_from(text, used);
        if (data && s->phase != IN_DATA && text.n > 0 && (!s->ehlo || k->option.no_pipelining))
            violate(k, s, NOT_WAITED);
    }
    return s->closing ? all : all - text.n;
}

static void session_input(struct sink *k, struct session *s, struct span text)
{
    if (s->in.len == 0) {
        size_t used = session_feed(k, s, text);
        buf_addspan(&s->in, span_from(text, used));
    } else {
        buf_addspan(&s->in, text);
        buf_consume(&s->in, session_feed(k, s, BUF_SPAN(&s->in)));
    }
    if (s->in.failed || s->out.failed || s->from.failed || s->to.failed)
        tool_die(ENOMEM, "connection %llu", (unsigned long long)s->number);
}

static void listener_wants(struct sink *k, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = &k->listener};

    if (epoll_ctl(k->epoll, EPOLL_CTL_MOD, k->listener, &e) != 0)
        tool_die(errno, "epoll_ctl");
}

static void session_close(struct sink *k, struct session *s)
{
    if (s->phase == IN_DATA) {
        k->total.aborted++;
        line_done(k, s, s->eightbit ? 1U << EIGHT_BIT : 0);
    }
    if (s->held)
        TAILQ_REMOVE(&k->delayed, s, delay);
    TAILQ_REMOVE(&k->all, s, all);
    close(s->fd);
    buf_free(&s->in);
    buf_free(&s->out);
    buf_free(&s->from);
    buf_free(&s->to);
    buf_free(&s->body);
    free(s);
    if (k->paused) {
        k->paused = false;
        listener_wants(k, EPOLLIN);
    }
}

static void session_wants(struct sink *k, struct session *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};

    if (epoll_ctl(k->epoll, EPOLL_CTL_MOD, s->fd, &e) != 0)
        tool_die(errno, "epoll_ctl");
}

/* Sends the replies. False when the session ended. */
static bool session_flush(struct sink *k, struct session *s)
{
    ssize_t n = s->out.len ? send(s->fd, s->out.data, s->out.len, MSG_NOSIGNAL) : 0;

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        session_close(k, s);
        return false;
    }
    if (n > 0)
        buf_consume(&s->out, (size_t)n);
    if (s->closing && s->out.len == 0) {
        session_close(k, s);
        return false;
    }
    return true;
}

/* Replies wait for their time, and nothing more is read until they are sent. */
static void session_hold(struct sink *k, struct session *s)
{
    s->held = true;
    s->due_ms = now_ms() + k->option.delay_ms;
    TAILQ_INSERT_TAIL(&k->delayed, s, delay);
    session_wants(k, s, 0);
}

/* A peer that does not read its replies is not read from. */
static void session_send(struct sink *k, struct session *s, bool was_waiting)
{
    if (!session_flush(k, s))
        return;
    if (s->out.len > 0)
        session_wants(k, s, EPOLLOUT);
    else if (was_waiting)
        session_wants(k, s, EPOLLIN);
}

static void session_event(struct sink *k, struct session *s)
{
    if (s->held) { /* only the peer's going can wake it */
        session_close(k, s);
        return;
    }
    if (s->out.len > 0) {
        session_send(k, s, true);
        return;
    }
    ssize_t n = recv(s->fd, k->input, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        session_close(k, s);
        return;
    }
    session_input(k, s, (struct span){k->input, (size_t)n});
    if (s->out.len > 0 && k->option.delay_ms > 0)
        session_hold(k, s);
    else
        session_send(k, s, false);
}

static void session_open(struct sink *k, int fd)
{
    struct session *s = calloc(1, sizeof(*s));
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    int on = 1;

    if (s == NULL)
        tool_die(errno, "connection");
    s->fd = fd;
    s->phase = AWAIT_HELLO;
    s->number = ++k->total.connections;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        tool_die(errno, "epoll_ctl");
    TAILQ_INSERT_TAIL(&k->all, s, all);
    buf_adds(&s->out, "220 smtpsink ESMTP\r\n");
    if (k->option.delay_ms > 0)
        session_hold(k, s);
    else
        session_send(k, s, false);
}

static void accept_all(struct sink *k)
{
    int fd;

    while ((fd = accept4(k->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        session_open(k, fd);
    if (errno == EMFILE || errno == ENFILE) { /* until a session ends */
        k->paused = true;
        listener_wants(k, 0);
    }
}

static void write_count(struct sink *k)
{
    char text[32];

    if (k->option.count_file == NULL)
        return;
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)k->total.messages);
    tool_write_file(k->option.count_file, text);
    k->count_changed = false;
    k->count_written_ms = now_ms();
}

/* Sends what is due; returns how long nothing will be, -1 for ever. */
static int do_timers(struct sink *k)
{
    struct session *s;
    uint64_t now, next = UINT64_MAX;

    if (TAILQ_EMPTY(&k->delayed) && !(k->count_changed && k->option.count_file))
        return -1;
    now = now_ms();
    while ((s = TAILQ_FIRST(&k->delayed)) != NULL && s->due_ms <= now) {
        TAILQ_REMOVE(&k->delayed, s, delay);
        s->held = false;
        session_send(k, s, true);
    }
    if (s != NULL)
        next = s->due_ms - now;
    if (k->count_changed && k->option.count_file) {
        if (now - k->count_written_ms >= COUNT_FILE_MS)
            write_count(k);
        else if (next > COUNT_FILE_MS)
            next = COUNT_FILE_MS;
    }
    return next > INT32_MAX ? -1 : (int)next;
}

static void loop(struct sink *k)
{
    struct epoll_event event[EVENTS];

    while (!k->stop) {
        int n = epoll_wait(k->epoll, event, EVENTS, do_timers(k));
        if (n < 0 && errno != EINTR)
            tool_die(errno, "epoll_wait");
        for (int i = 0; i < n; i++) {
            void *what = event[i].data.ptr;
            if (what == &k->listener)
                accept_all(k);
            else if (what == &k->signals)
                k->stop = true;
            else
                session_event(k, what);
        }
    }
}

static void add_refusal(struct options *o, const char *text)
{
    const char *equal = strrchr(text, '=');
    struct buf regex = {0};
    uint64_t code;

    if (equal == NULL || !span_number(span_of(equal + 1), 599, &code) || code < 400)
        tool_die(0, "--refuse-rcpt: \"%s\" is not REGEX=CODE with a code from 400 to 599", text);
    o->refusal = reallocarray(o->refusal, o->refusals + 1, sizeof(*o->refusal));
    if (o->refusal == NULL)
        tool_die(ENOMEM, "--refuse-rcpt");
    buf_add(&regex, text, (size_t)(equal - text));
    struct refusal *r = &o->refusal[o->refusals++];
    r->code = (unsigned)code;
    if (regcomp(&r->recipient, buf_str(&regex), REG_EXTENDED | REG_NOSUB | REG_ICASE) != 0)
        tool_die(0, "--refuse-rcpt: \"%s\" is not a regular expression", buf_str(&regex));
    buf_free(&regex);
}

static void usage(void)
{
    puts("usage: smtpsink [-p PORT] [--port-file FILE] [--maildir DIR] [--no-pipelining]\n"
         "                [--no-8bitmime] [--size N] [--count-file FILE] [--delay-ms N]\n"
         "                [--refuse-rcpt REGEX=CODE]... [--dump FILE]");
}

enum setting_kind { FLAG, TEXT, NUMBER, REFUSAL };

/* The options; each is long, and its place in the table is what getopt_long() returns. */
static const struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    uint64_t max;
} settings[] = {
    {"port", NUMBER, offsetof(struct options, port), UINT16_MAX},
    {"port-file", TEXT, offsetof(struct options, port_file), 0},
    {"maildir", TEXT, offsetof(struct options, maildir), 0},
    {"no-pipelining", FLAG, offsetof(struct options, no_pipelining), 0},
    {"no-8bitmime", FLAG, offsetof(struct options, no_8bitmime), 0},
    {"size", NUMBER, offsetof(struct options, size), UINT32_MAX},
    {"count-file", TEXT, offsetof(struct options, count_file), 0},
    {"delay-ms", NUMBER, offsetof(struct options, delay_ms), 3600000},
    {"refuse-rcpt", REFUSAL, 0, 0},
    {"dump", TEXT, offsetof(struct options, dump), 0},
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static void set_option(struct options *o, const struct setting *s, const char *value)
{
    char *at = (char *)o + s->offset;
    bool yes = true;
    uint64_t number;

    if (s->kind == FLAG) {
        memcpy(at, &yes, sizeof(yes));
    } else if (s->kind == TEXT) {
        memcpy(at, &value, sizeof(value));
    } else if (s->kind == NUMBER) {
        number = tool_number(s->name, value, s->max);
        memcpy(at, &number, sizeof(number));
    } else {
        add_refusal(o, value);
    }
}

static void read_options(struct options *o, int argc, char **argv)
{
    struct option names[SETTINGS + 2] = {0};
    int c;

    for (int i = 0; i < SETTINGS; i++)
        names[i] = (struct option){
            settings[i].name, settings[i].kind == FLAG ? no_argument : required_argument, NULL, i};
    names[SETTINGS] = (struct option){"help", no_argument, NULL, 'h'};
    while ((c = getopt_long(argc, argv, "p:h", names, NULL)) != -1) {
        if (c == 'p')
            c = 0;
        if (c < 0 || c >= SETTINGS) {
            usage();
            exit(c == 'h' ? 0 : TOOL_BROKEN);
        }
        set_option(o, &settings[c], optarg);
    }
    if (optind != argc)
        tool_die(0, "\"%s\" is not an option; see --help", argv[optind]);
}

static void make_maildir(const char *dir)
{
    static const char *const part[] = {"", "/tmp", "/new", "/cur"};
    struct buf path = {0};

    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        buf_clear(&path);
        buf_printf(&path, "%s%s", dir, part[i]);
        if (mkdir(buf_str(&path), 0755) != 0 && errno != EEXIST)
            tool_die(errno, "cannot make %s", buf_str(&path));
    }
    buf_free(&path);
}

static void ehlo_reply(struct sink *k)
{
    const struct options *o = &k->option;

    buf_adds(&k->ehlo, "250-smtpsink\r\n");
    if (!o->no_pipelining)
        buf_adds(&k->ehlo, "250-PIPELINING\r\n");
    if (!o->no_8bitmime)
        buf_adds(&k->ehlo, "250-8BITMIME\r\n");
    buf_printf(&k->ehlo, "250-SIZE %llu\r\n", (unsigned long long)o->size);
    buf_adds(&k->ehlo, "250 ENHANCEDSTATUSCODES\r\n");
}

static void sink_open(struct sink *k)
{
    struct options *o = &k->option;
    struct epoll_event signal_event = {.events = EPOLLIN, .data.ptr = &k->signals};
    struct epoll_event listen_event = {.events = EPOLLIN, .data.ptr = &k->listener};
    uint16_t port = (uint16_t)o->port;
    struct rlimit files;
    sigset_t set;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    k->signals = signalfd(-1, &set, SFD_CLOEXEC);
    k->epoll = epoll_create1(EPOLL_CLOEXEC);
    k->listener = tool_listen(&port, SOCK_NONBLOCK);
    k->input = malloc(READ_SIZE);
    if (k->input == NULL || k->signals < 0 || k->epoll < 0 ||
        epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->signals, &signal_event) != 0 ||
        epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->listener, &listen_event) != 0)
        tool_die(errno, "start");
    if (o->maildir != NULL)
        make_maildir(o->maildir);
    if (o->dump != NULL) {
        k->dump = open(o->dump, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (k->dump < 0)
            tool_die(errno, "cannot open %s", o->dump);
    }
    k->keep = o->maildir != NULL || o->dump != NULL;
    ehlo_reply(k);
    write_count(k);
    if (o->port_file != NULL)
        tool_write_port(o->port_file, port);
}

/* Ends all sessions and prints the counts. Returns the number of violations. */
static uint64_t sink_close(struct sink *k)
{
    const struct totals *t = &k->total;
    struct session *s;
    uint64_t violations = 0;

    while ((s = TAILQ_FIRST(&k->all)) != NULL)
        session_close(k, s);
    write_count(k);
    for (size_t v = 0; v < VIOLATIONS; v++)
        violations += t->violation[v];
    printf("connections %llu\nmessages %llu\nrecipients %llu\nrefused %llu\noctets %llu\n"
           "aborted %llu\nviolations %llu\n",
           (unsigned long long)t->connections, (unsigned long long)t->messages,
           (unsigned long long)t->recipients, (unsigned long long)t->refused,
           (unsigned long long)t->octets, (unsigned long long)t->aborted,
           (unsigned long long)violations);
    for (size_t v = 0; v < VIOLATIONS; v++)
        if (t->violation[v] > 0)
            printf("%s %llu\n", violation_name[v], (unsigned long long)t->violation[v]);
    for (size_t i = 0; i < k->option.refusals; i++)
        regfree(&k->option.refusal[i].recipient);
    free(k->option.refusal);
    free(k->input);
    buf_free(&k->ehlo);
    return violations;
}

int main(int argc, char **argv)
{
    struct sink k = {.option = {.size = 100U << 20}, .dump = -1};

    TAILQ_INIT(&k.all);
    TAILQ_INIT(&k.delayed);
    read_options(&k.option, argc, argv);
    sink_open(&k);
    loop(&k);
    return sink_close(&k) == 0 ? 0 : TOOL_FAILED;
}
