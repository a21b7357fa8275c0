/* tlsload: SMTP clients that do nothing but TLS handshakes, as fast as a server takes them.
 *
 *     tlsload [--sessions N] [--seconds N] [--resume] [--hold] PORT
 *
 * Each session connects to 127.0.0.1, says EHLO and STARTTLS, and QUIT under TLS: the 221 proves
 * that the server has ended the handshake too, and only then it counts. A reply or a handshake that
 * is not right ends the program with status 1. Prints handshakes a second and how many of all were
 * resumed; with --hold it keeps its sessions after the handshake and an EHLO, prints "held N", and
 * waits for SIGTERM.
 *
 * It runs on the cores of the server that it measures, so it does only what a client must: one
 * flight is one send, and TLS is that of tests/tools/tls13.h, which says what it checks. */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "lib/clock.h"
#include "tests/tools/tls13.h"
#include "tests/tools/tool.h"

enum {
    REPLY_MAX = 4096,
    READ_OCTETS = 16 << 10,
    EVENTS = 64,
    SESSIONS_MAX = 20000,
    OPENING_MAX = 50
};

/* What is waited for, the code that it must have, and what is said then. */
enum step { GREETING, HELLO, READY, SECURING, ENDING, HOLDING, HELD };
static const struct {
    const char *code, *then;
} steps[] = {
    [GREETING] = {"220", "EHLO load.example\r\n"},
    [HELLO] = {"250", "STARTTLS\r\n"},
    [READY] = {"220", NULL},
    [ENDING] = {"221", NULL},
    [HOLDING] = {"250", NULL},
};

struct session {
    int fd;
    enum step step;
    struct tls13 tls;
    struct tls13_session last; /* with --resume */
    struct buf reply;
};

struct load {
    struct sockaddr_in server;
    struct session *session;
    int epoll;
    struct tls13_tools tools;
    struct buf flight; /* what one session is to send */
    uint64_t sessions, started, seconds, opening, held;
    bool resume, hold, over;
    int64_t ends_ms;
    uint64_t handshakes, resumed;
};

static volatile sig_atomic_t stopped;

static void on_stop(int signal)
{
    (void)signal;
    stopped = 1;
}

__attribute__((format(printf, 2, 3))) _Noreturn static void wrong(const struct session *s,
                                                                  const char *format, ...)
{
    va_list args;

    fprintf(stderr, "tlsload: in step %d: ", s->step);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(TOOL_FAILED);
}

/* Sessions. */

static void open_one(struct load *l, struct session *s)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};

    s->step = GREETING;
    buf_clear(&s->reply);
    l->opening++;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        tool_die(errno, "socket");
    if (connect(s->fd, (const struct sockaddr *)&l->server, sizeof(l->server)) != 0 &&
        errno != EINPROGRESS)
        tool_die(errno, "connect");
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &e) != 0)
        tool_die(errno, "epoll_ctl");
}

static void open_more(struct load *l)
{
    while (l->started < l->sessions && l->opening < OPENING_MAX)
        open_one(l, &l->session[l->started++]);
}

/* All of it is small, and each command waits for its reply: there is always room. */
static void say(const struct session *s, struct span octets)
{
    if (octets.n > 0 && send(s->fd, octets.p, octets.n, MSG_NOSIGNAL) != (ssize_t)octets.n)
        wrong(s, "cannot send: %s", strerror(errno));
}

static void begin_tls(struct load *l, struct session *s)
{
    buf_clear(&l->flight);
    tls13_hello(&s->tls, clock_steady_ms(), &l->flight);
    say(s, BUF_SPAN(&l->flight));
    s->step = SECURING;
}

static void end_session(struct load *l, struct session *s)
{
    l->handshakes++;
    l->resumed += s->tls.resumed;
    tls13_reset(&s->tls);
    close(s->fd);
    l->opening--;
    if (clock_steady_ms() >= l->ends_ms)
        l->over = true;
    else
        open_one(l, s);
}

static void hold_session(struct load *l, struct session *s)
{
    s->step = HELD;
    l->opening--;
    if (++l->held == l->sessions) {
        printf("held %llu\n", (unsigned long long)l->held);
        fflush(stdout);
    }
    open_more(l);
}

/* Has a whole reply come? It is the right one then. */
static bool take_reply(struct session *s)
{
    struct span rest = BUF_SPAN(&s->reply), line;
    bool whole = false;

    while (!whole && rest.n > 0 && memchr(rest.p, '\n', rest.n) != NULL &&
           span_line(&rest, &line)) {
        if (line.n < 4 || !span_starts_nocase(line, span_of(steps[s->step].code)) ||
            (line.p[3] != ' ' && line.p[3] != '-'))
            wrong(s, "no such reply was due: %.200s", buf_str(&s->reply));
        whole = line.p[3] == ' ';
    }
    if ((whole && rest.n > 0) || (!whole && s->reply.len > REPLY_MAX))
        wrong(s, "no such reply was due: %.200s", buf_str(&s->reply));
    if (whole)
        buf_clear(&s->reply);
    return whole;
}

/* What follows the handshake goes out with its last flight. */
static void receive_tls(struct load *l, struct session *s, struct span octets)
{
    buf_clear(&l->flight);
    bool secured = tls13_receive(&s->tls, octets, clock_steady_ms(), &l->flight, &s->reply);
    if (secured && s->step == SECURING) {
        s->step = l->hold ? HOLDING : ENDING;
        tls13_send(&s->tls, l->hold ? span_of(steps[GREETING].then) : SPAN("QUIT\r\n"), &l->flight);
    }
    say(s, BUF_SPAN(&l->flight));
    if (s->step == SECURING || s->step == HELD || !take_reply(s))
        return;
    if (s->step == ENDING)
        end_session(l, s);
    else
        hold_session(l, s);
}

static void receive(struct load *l, struct session *s)
{
    char octets[READ_OCTETS];
    ssize_t n = recv(s->fd, octets, sizeof(octets), 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        wrong(s, "the session ended: %s", n < 0 ? strerror(errno) : "closed by the peer");
    if (s->step >= SECURING) {
        receive_tls(l, s, (struct span){octets, (size_t)n});
        return;
    }
    buf_add(&s->reply, octets, (size_t)n);
    if (!take_reply(s))
        return;
    if (s->step == READY) {
        begin_tls(l, s);
    } else {
        say(s, span_of(steps[s->step].then));
        s->step++;
    }
}

static void run(struct load *l)
{
    struct epoll_event event[EVENTS];

    open_more(l);
    while (!l->over && !stopped) {
        int n = epoll_wait(l->epoll, event, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            tool_die(errno, "epoll_wait");
        for (int i = 0; i < n && !l->over; i++)
            receive(l, event[i].data.ptr);
    }
}

static void take_options(struct load *l, int argc, char **argv)
{
    static const struct option options[] = {{"sessions", required_argument, NULL, 's'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"resume", no_argument, NULL, 'r'},
                                            {"hold", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            l->sessions = tool_number("--sessions", optarg, SESSIONS_MAX);
        else if (option == 't')
            l->seconds = tool_number("--seconds", optarg, 3600);
        else if (option == 'r')
            l->resume = true;
        else if (option == 'h')
            l->hold = true;
        else
            tool_die(0, "wrong options");
    }
    if (optind + 1 != argc)
        tool_die(0, "name the port");
    l->server = tool_loopback((uint16_t)tool_number("port", argv[optind], 65535));
}

static void raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void end(struct load *l)
{
    for (uint64_t i = 0; i < l->sessions; i++) {
        tls13_free(&l->session[i].tls);
        buf_free(&l->session[i].last.ticket);
        buf_free(&l->session[i].reply);
    }
    free(l->session);
    buf_free(&l->flight);
    tls13_end(&l->tools);
}

int main(int argc, char **argv)
{
    struct load l = {.sessions = 10, .seconds = 5};
    struct sigaction stop = {.sa_handler = on_stop}; /* no SA_RESTART: epoll_wait() must return */

    take_options(&l, argc, argv);
    raise_limit();
    sigaction(SIGTERM, &stop, NULL);
    tls13_prepare(&l.tools);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.session = calloc(l.sessions + 1, sizeof(*l.session));
    if (l.epoll < 0 || l.session == NULL)
        tool_die(0, "cannot begin: memory is short");
    for (uint64_t i = 0; i < l.sessions; i++)
        l.session[i].tls =
            (struct tls13){.tools = &l.tools, .session = l.resume ? &l.session[i].last : NULL};
    int64_t first_ms = clock_steady_ms();
    l.ends_ms = first_ms + (int64_t)l.seconds * 1000;
    run(&l);
    double took = (double)(clock_steady_ms() - first_ms) / 1000;
    if (!l.hold)
        printf("handshakes %.1f\nresumed %llu\nall %llu\n", (double)l.handshakes / took,
               (unsigned long long)l.resumed, (unsigned long long)l.handshakes);
    end(&l);
    return 0;
}
