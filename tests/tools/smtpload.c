/* smtpload: SMTP clients that send as fast as a server takes mail, and check every reply.
 *
 * One process holds all sessions (epoll), so that it is not what is measured. A reply with another
 * code than the one that belongs to its command, of a wrong form, or before its command was sent, a
 * connection that ends early, and silence are errors: shown on stderr (the first ones), counted,
 * and the exit status becomes 1. Only a message whose final reply was 250 counts. A session that
 * had an error ends, and its message is not tried again. What a server sends is bounded, and never
 * shown raw. */
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>

#include "tests/tools/tool.h"

enum {
    EVENTS = 256,
    READ_SIZE = 64 * 1024,
    REPLY_MAX = 16 * 1024, /* all lines of one reply */
    TEXT_LINE = 72,
    SHOWN_ERRORS = 20,
    ERRORS_MAX = 1000,  /* a server that refuses so much is not worth more */
    FINE = 32,          /* latency buckets for each power of two: 3 % apart */
    LINEAR = 2 * FINE,  /* so many microseconds have a bucket each */
    BUCKETS = 40 * FINE /* microseconds up to 2^40 */
};

/* What a session waits for. */
enum step { GREETING, HELLO, MAIL, RCPT, DATA, TEXT, HELD, QUIT, STEPS };

struct options {
    uint64_t sessions, messages, size, per_connection, recipients, seconds, silence, opening;
    const char *to, *from, *rcpt, *helo;
    bool no_pipelining, hold;
};

struct session {
    int fd; /* -1: not connected */
    enum step step;
    bool pipelining, writing, answered; /* answered: something was sent in answer to this input */
    uint64_t recipient, messages;       /* in this connection */
    uint64_t began_us;
    size_t text_at; /* octets of the text that are on their way; load.text.len: all */
    struct buf in, out;
};

struct totals {
    uint64_t messages, connections, errors, held;
    uint64_t first_us, last_us; /* of the first connection and the last message */
    uint64_t worst_us;
    uint64_t bucket[BUCKETS];
};

struct load {
    struct options option;
    struct sockaddr_in server;
    struct session *session;
    struct totals total;
    struct buf text;                /* with the final dot */
    uint64_t begun, opening, alive; /* messages; sessions */
    int epoll, signals;
    bool stop, over;
    char *input;
};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Latencies. */

static size_t bucket_of(uint64_t us)
{
    unsigned power = 0;

    while (power < 34 && us >> power >= LINEAR)
        power++;
    size_t at = (size_t)power * FINE + (size_t)(us >> power);
    return at < BUCKETS ? at : BUCKETS - 1;
}

static uint64_t bucket_floor(size_t at)
{
    size_t power = at < LINEAR ? 0 : at / FINE - 1;

    return (uint64_t)(at - power * FINE) << power;
}

/* The latency that so many in a thousand did not exceed. */
static uint64_t per_mille(const struct totals *t, uint64_t share)
{
    uint64_t before = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        before += t->bucket[i];
        if (before * 1000 >= t->messages * share && before > 0)
            return bucket_floor(i + 1) < t->worst_us ? bucket_floor(i + 1) : t->worst_us;
    }
    return 0;
}

/* Sessions and their sockets. */

static void want(struct load *l, struct session *s, int operation, bool writing)
{
    struct epoll_event e = {.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = s};

    if (epoll_ctl(l->epoll, operation, s->fd, &e) != 0)
        tool_die(errno, "epoll_ctl");
    s->writing = writing;
}

static void session_end(struct load *l, struct session *s)
{
    if (s->step == GREETING)
        l->opening--;
    if (s->step == HELD)
        l->total.held--;
    close(s->fd);
    s->fd = -1;
    l->alive--;
    buf_clear(&s->in);
    buf_clear(&s->out);
}

static const char *step_name(enum step step);

__attribute__((format(printf, 3, 4))) static void fail(struct load *l, struct session *s,
                                                       const char *format, ...)
{
    va_list args;

    if (l->total.errors++ < SHOWN_ERRORS) {
        fprintf(stderr, "smtpload: session %td, %s: ", s - l->session, step_name(s->step));
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
    }
    session_end(l, s);
}

static bool more_to_send(struct load *l)
{
    const struct options *o = &l->option;

    if (o->seconds > 0 && l->total.first_us > 0 &&
        now_us() - l->total.first_us >= o->seconds * 1000000)
        l->over = true;
    return !l->over && !l->stop && l->begun < o->messages && l->total.errors < ERRORS_MAX;
}

static void connect_session(struct load *l, struct session *s)
{
    const struct sockaddr *to = (const struct sockaddr *)&l->server;
    int on = 1;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        tool_die(errno, "socket");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    s->step = GREETING;
    s->messages = 0;
    s->text_at = l->text.len;
    l->opening++;
    l->alive++;
    if (l->total.first_us == 0)
        l->total.first_us = now_us();
    if (connect(s->fd, to, sizeof(l->server)) != 0 && errno != EINPROGRESS) {
        fail(l, s, "cannot connect: %s", strerror(errno));
        return;
    }
    want(l, s, EPOLL_CTL_ADD, false);
}

/* Opens sessions where there is work for one and place for it. */
static void open_sessions(struct load *l)
{
    for (uint64_t i = 0; i < l->option.sessions && l->opening < l->option.opening; i++) {
        struct session *s = &l->session[i];
        if (s->fd >= 0)
            continue;
        if (l->stop || l->total.errors >= ERRORS_MAX || (!l->option.hold && !more_to_send(l)))
            return;
        connect_session(l, s);
    }
}

/* What is said. `%` in an address stands for the number of the recipient. */

static void say_rcpt(const struct load *l, struct session *s, uint64_t number)
{
    const char *percent = strchr(l->option.rcpt, '%');

    if (percent == NULL)
        buf_printf(&s->out, "RCPT TO:<%s>\r\n", l->option.rcpt);
    else
        buf_printf(&s->out, "RCPT TO:<%.*s%llu%s>\r\n", (int)(percent - l->option.rcpt),
                   l->option.rcpt, (unsigned long long)number, percent + 1);
}

static void begin_message(struct load *l, struct session *s)
{
    bool more = more_to_send(l);

    if (!more || s->messages == l->option.per_connection) {
        buf_adds(&s->out, "QUIT\r\n");
        s->step = QUIT;
        return;
    }
    l->begun++;
    s->messages++;
    s->recipient = 0;
    s->began_us = now_us();
    s->step = MAIL;
    buf_printf(&s->out, "MAIL FROM:<%s>\r\n", l->option.from);
    if (!s->pipelining)
        return;
    for (uint64_t i = 0; i < l->option.recipients; i++)
        say_rcpt(l, s, i);
    buf_adds(&s->out, "DATA\r\n");
}

static void on_greeting(struct load *l, struct session *s, struct span reply)
{
    (void)reply;
    l->opening--;
    l->total.connections++;
    buf_printf(&s->out, "EHLO %s\r\n", l->option.helo);
    s->step = HELLO;
}

static void on_hello(struct load *l, struct session *s, struct span reply)
{
    struct span line;

    s->pipelining = false;
    while (span_line(&reply, &line)) {
        line.n = span_find(line, '\r');
        if (!l->option.no_pipelining &&
            span_eq_nocase(span_trim(span_from(line, 4)), SPAN("PIPELINING")))
            s->pipelining = true;
    }
    if (!l->option.hold) {
        begin_message(l, s);
        return;
    }
    s->step = HELD;
    if (++l->total.held == l->option.sessions) {
        printf("held %llu\n", (unsigned long long)l->total.held);
        fflush(stdout);
    }
}

static void on_mail(struct load *l, struct session *s, struct span reply)
{
    (void)reply;
    s->step = RCPT;
    if (!s->pipelining)
        say_rcpt(l, s, 0);
}

static void on_rcpt(struct load *l, struct session *s, struct span reply)
{
    (void)reply;
    s->recipient++;
    if (s->recipient < l->option.recipients) {
        if (!s->pipelining)
            say_rcpt(l, s, s->recipient);
        return;
    }
    s->step = DATA;
    if (!s->pipelining)
        buf_adds(&s->out, "DATA\r\n");
}

static void on_data(struct load *l, struct session *s, struct span reply)
{
    (void)l;
    (void)reply;
    s->step = TEXT;
    s->text_at = 0;
}

static void on_text(struct load *l, struct session *s, struct span reply)
{
    struct totals *t = &l->total;
    uint64_t now = now_us(), took = now - s->began_us;

    (void)reply;
    t->messages++;
    t->last_us = now;
    t->bucket[bucket_of(took)]++;
    if (took > t->worst_us)
        t->worst_us = took;
    begin_message(l, s);
}

static const struct {
    const char *name;
    unsigned code; /* the only good reply; 0: none is due */
    void (*act)(struct load *, struct session *, struct span reply);
} steps[STEPS] = {
    [GREETING] = {"greeting", 220, on_greeting},
    [HELLO] = {"EHLO", 250, on_hello},
    [MAIL] = {"MAIL", 250, on_mail},
    [RCPT] = {"RCPT", 250, on_rcpt},
    [DATA] = {"DATA", 354, on_data},
    [TEXT] = {"text", 250, on_text},
    [HELD] = {"held", 0, NULL},
    [QUIT] = {"QUIT", 221, NULL},
};

static const char *step_name(enum step step)
{
    return steps[step].name;
}

/* Replies. */

enum reply { REPLY_WHOLE, REPLY_PART, REPLY_BAD };

static bool reply_line(struct span line, unsigned *code, bool *last)
{
    uint64_t value;

    if (line.n < 4 || line.p[line.n - 1] != '\r' ||
        !span_number((struct span){line.p, 3}, 599, &value))
        return false;
    char mark = line.p[3];
    *last = mark != '-';
    if (value < 200 || (*code != 0 && *code != value) || strchr(" -\r", mark) == NULL)
        return false;
    *code = (unsigned)value;
    return true;
}

/* Looks for one reply at the front of the text: its code and its length. */
static enum reply reply_take(struct span text, unsigned *code, size_t *length)
{
    bool last = false;
    size_t at = 0;

    *code = 0;
    while (!last) {
        struct span rest = span_from(text, at);
        size_t end = span_find(rest, '\n');
        if (at > REPLY_MAX || (end == rest.n && end > REPLY_MAX))
            return REPLY_BAD;
        if (end == rest.n)
            return REPLY_PART;
        if (!reply_line((struct span){rest.p, end}, code, &last))
            return REPLY_BAD;
        at += end + 1;
    }
    *length = at;
    return REPLY_WHOLE;
}

static void fail_reply(struct load *l, struct session *s, struct span text, const char *why)
{
    struct buf shown = {0};

    text.n = text.n < 200 ? text.n : 200;
    tool_add_printable(&shown, text);
    fail(l, s, "%s: %s", why, buf_str(&shown));
    buf_free(&shown);
}

/* Takes one reply. False when there is none, or the session ended. */
static bool take_reply(struct load *l, struct session *s)
{
    struct span text = BUF_SPAN(&s->in);
    unsigned code;
    size_t length = 0;

    if (text.n == 0)
        return false;
    if (s->answered) {
        fail_reply(l, s, text, "a reply to what was not sent yet");
        return false;
    }
    enum reply r = reply_take(text, &code, &length);
    if (r == REPLY_PART)
        return false;
    if (r == REPLY_BAD || code != steps[s->step].code) {
        fail_reply(l, s, text, r == REPLY_BAD ? "no reply by RFC 5321" : "another reply was due");
        return false;
    }
    if (s->step == QUIT) {
        session_end(l, s);
        return false;
    }
    size_t before = s->out.len;
    steps[s->step].act(l, s, (struct span){text.p, length});
    s->answered = s->out.len > before || s->step == TEXT;
    buf_consume(&s->in, length);
    return true;
}

/* Input and output. */

/* Sends from p; returns what was taken, -1 when the session ended. */
static ssize_t send_some(struct load *l, struct session *s, const char *p, size_t n)
{
    ssize_t sent = send(s->fd, p, n, MSG_NOSIGNAL);

    if (sent >= 0)
        return sent;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    fail(l, s, "cannot send: %s", strerror(errno));
    return -1;
}

static void flush(struct load *l, struct session *s)
{
    while (s->out.len > 0 || s->text_at < l->text.len) {
        bool command = s->out.len > 0;
        struct span rest = command ? BUF_SPAN(&s->out) : span_from(BUF_SPAN(&l->text), s->text_at);
        ssize_t n = send_some(l, s, rest.p, rest.n);
        if (n < 0)
            return;
        if (command)
            buf_consume(&s->out, (size_t)n);
        else
            s->text_at += (size_t)n;
        if ((size_t)n < rest.n)
            break;
    }
    bool more = s->out.len > 0 || s->text_at < l->text.len;
    if (more != s->writing)
        want(l, s, EPOLL_CTL_MOD, more);
}

static void receive(struct load *l, struct session *s)
{
    ssize_t n = recv(s->fd, l->input, READ_SIZE, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fail(l, s, "%s", n == 0 ? "the server closed the connection" : strerror(errno));
        return;
    }
    buf_add(&s->in, l->input, (size_t)n);
    s->answered = false;
    while (s->fd >= 0 && take_reply(l, s))
        ;
    if (s->in.failed || s->out.failed)
        tool_die(ENOMEM, "session");
}

static void on_event(struct load *l, struct session *s, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        receive(l, s);
    if (s->fd >= 0)
        flush(l, s);
}

/* A server that says nothing at all leaves every session where it is. */
static void fail_silent(struct load *l)
{
    for (uint64_t i = 0; i < l->option.sessions; i++)
        if (l->session[i].fd >= 0)
            fail(l, &l->session[i], "silence for %llu s", (unsigned long long)l->option.silence);
    l->stop = true;
}

static bool all_held(const struct load *l)
{
    return l->option.hold && l->total.held == l->option.sessions;
}

static void loop(struct load *l)
{
    struct epoll_event event[EVENTS];

    for (;;) {
        open_sessions(l);
        if (l->alive == 0 || (l->stop && l->option.hold))
            return;
        int ms = all_held(l) ? -1 : (int)l->option.silence * 1000;
        int n = epoll_wait(l->epoll, event, EVENTS, ms);
        if (n < 0 && errno != EINTR)
            tool_die(errno, "epoll_wait");
        if (n == 0)
            fail_silent(l);
        for (int i = 0; i < n; i++) {
            struct session *s = event[i].data.ptr;
            if (s == NULL)
                l->stop = true;
            else if (s->fd >= 0)
                on_event(l, s, event[i].events);
        }
    }
}

/* Options. */

enum setting_kind { FLAG, WORD, NUMBER };

static const struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    uint64_t min, max;
    const char *help;
} settings[] = {
    {"sessions", NUMBER, offsetof(struct options, sessions), 1, 60000, "sessions at once"},
    {"messages", NUMBER, offsetof(struct options, messages), 1, UINT32_MAX, "in all"},
    {"seconds", NUMBER, offsetof(struct options, seconds), 0, 86400,
     "begin no message after so long"},
    {"size", NUMBER, offsetof(struct options, size), 256, 1U << 30, "octets of a message"},
    {"per-connection", NUMBER, offsetof(struct options, per_connection), 1, UINT32_MAX,
     "messages in one connection"},
    {"recipients", NUMBER, offsetof(struct options, recipients), 1, 100000, "of each message"},
    {"opening", NUMBER, offsetof(struct options, opening), 1, 60000,
     "sessions that wait for their greeting at once: what a server's backlog holds"},
    {"from", WORD, offsetof(struct options, from), 0, 0, "reverse-path"},
    {"rcpt", WORD, offsetof(struct options, rcpt), 0, 0, "forward-path; % becomes its number"},
    {"helo", WORD, offsetof(struct options, helo), 0, 0, "name of the client"},
    {"silence", NUMBER, offsetof(struct options, silence), 1, 3600, "seconds until it is an error"},
    {"no-pipelining", FLAG, offsetof(struct options, no_pipelining), 0, 0, "wait for each reply"},
    {"hold", FLAG, offsetof(struct options, hold), 0, 0,
     "open the sessions, say \"held\", keep them until SIGTERM"},
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static void usage(void)
{
    static const char *const values[] = {[FLAG] = "", [WORD] = " TEXT", [NUMBER] = " N"};

    puts("usage: smtpload ADDRESS:PORT [OPTION]...");
    for (size_t i = 0; i < SETTINGS; i++)
        printf("  --%s%s  %s\n", settings[i].name, values[settings[i].kind], settings[i].help);
}

static void set_option(struct options *o, const struct setting *s, const char *value)
{
    char *at = (char *)o + s->offset;
    bool yes = true;
    uint64_t number;

    if (s->kind == FLAG) {
        memcpy(at, &yes, sizeof(yes));
    } else if (s->kind == WORD) {
        memcpy(at, &value, sizeof(value));
    } else {
        number = tool_number(s->name, value, s->max);
        if (number < s->min)
            tool_die(0, "--%s must be at least %llu", s->name, (unsigned long long)s->min);
        memcpy(at, &number, sizeof(number));
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
    while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (c < 0 || c >= SETTINGS) {
            usage();
            exit(c == 'h' ? 0 : TOOL_BROKEN);
        }
        set_option(o, &settings[c], optarg);
    }
    if (optind != argc - 1)
        tool_die(0, "name one server as ADDRESS:PORT; see --help");
    o->to = argv[optind];
}

static void find_server(struct load *l)
{
    struct span address = span_of(l->option.to), host;
    char text[INET_ADDRSTRLEN];
    uint64_t port;

    l->server = (struct sockaddr_in){.sin_family = AF_INET};
    if (!span_cut(&address, ':', &host) || !span_copy(host, text, sizeof(text)) ||
        inet_pton(AF_INET, text, &l->server.sin_addr) != 1 ||
        !span_number(address, UINT16_MAX, &port) || port == 0)
        tool_die(0, "\"%s\" is not ADDRESS:PORT, such as 127.0.0.1:25", l->option.to);
    l->server.sin_port = htons((uint16_t)port);
}

/* The text of every message: a header, then lines of letters, `size` octets in all. */
static void make_text(struct load *l)
{
    static const char letters[] = "the quick brown fox jumps over the lazy dog ";
    struct buf *b = &l->text;
    size_t size = (size_t)l->option.size;

    buf_printf(b,
               "From: <%s>\r\nTo: undisclosed-recipients:;\r\nSubject: smtpload\r\n"
               "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
               "Message-ID: <%ld.%llu@smtpload.invalid>\r\n\r\n",
               l->option.from, (long)getpid(), (unsigned long long)now_us());
    if (!b->failed && b->len + 2 > size)
        tool_die(0, "--size must be at least %zu for this --from", b->len + 2);
    for (size_t i = 0; !b->failed && b->len + 2 < size; i++) {
        buf_addc(b, letters[i % (sizeof(letters) - 1)]);
        if (i % TEXT_LINE == TEXT_LINE - 1 && b->len + 4 < size)
            buf_adds(b, "\r\n");
    }
    buf_adds(b, "\r\n.\r\n");
    if (b->failed)
        tool_die(ENOMEM, "text");
}

static void load_open(struct load *l)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
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
    l->signals = signalfd(-1, &set, SFD_CLOEXEC);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->input = malloc(READ_SIZE);
    l->session = calloc(l->option.sessions, sizeof(*l->session));
    if (l->session == NULL || l->input == NULL || l->signals < 0 || l->epoll < 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->signals, &e) != 0)
        tool_die(errno, "start");
    for (uint64_t i = 0; i < l->option.sessions; i++)
        l->session[i].fd = -1;
    find_server(l);
    make_text(l);
}

static void report(const struct load *l)
{
    const struct totals *t = &l->total;
    double seconds = t->messages > 0 ? (double)(t->last_us - t->first_us) / 1e6 : 0;

    printf("messages %llu\nconnections %llu\nerrors %llu\nseconds %.6f\nrate %.1f\n",
           (unsigned long long)t->messages, (unsigned long long)t->connections,
           (unsigned long long)t->errors, seconds,
           seconds > 0 ? (double)t->messages / seconds : 0.0);
    printf("p50_us %llu\np99_us %llu\nmax_us %llu\n", (unsigned long long)per_mille(t, 500),
           (unsigned long long)per_mille(t, 990), (unsigned long long)t->worst_us);
}

static void load_close(struct load *l)
{
    for (uint64_t i = 0; i < l->option.sessions; i++) {
        struct session *s = &l->session[i];
        if (s->fd >= 0)
            close(s->fd);
        buf_free(&s->in);
        buf_free(&s->out);
    }
    free(l->session);
    free(l->input);
    buf_free(&l->text);
}

int main(int argc, char **argv)
{
    struct load l = {.option = {.sessions = 1,
                                .messages = 1000,
                                .size = 1024,
                                .per_connection = UINT32_MAX,
                                .recipients = 1,
                                .silence = 60,
                                .opening = 100,
                                .from = "sender@client.example",
                                .rcpt = "user%@far.example",
                                .helo = "client.example"}};

    read_options(&l.option, argc, argv);
    load_open(&l);
    loop(&l);
    report(&l);
    load_close(&l);
    return l.total.errors == 0 ? 0 : TOOL_FAILED;
}
