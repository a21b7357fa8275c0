/* tlsload: SMTP clients that do nothing but TLS handshakes, as fast as a server takes them.
 *
 *     tlsload [--sessions N] [--seconds N] [--resume] [--hold] PORT
 *
 * Each session connects to 127.0.0.1, asks for STARTTLS, and begins anew after the handshake.
 * Prints handshakes a second and how many of all were resumed; with --hold it keeps its sessions
 * after the handshake and EHLO, prints "held N", and waits for SIGTERM. A reply that is not right
 * ends it with status 1. */
#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/wire.h"
#include "tests/tools/tool.h"

enum { ROOM = 4096, SESSIONS_MAX = 20000, OPENING_MAX = 50 };

/* What is waited for, the code that it must have, and what is said then. */
enum step { GREETING, HELLO, READY, SECURING, AGAIN, HELD };
static const struct {
    const char *code, *then;
} steps[] = {
    [GREETING] = {"220", "EHLO load.example\r\n"},
    [HELLO] = {"250", "STARTTLS\r\n"},
    [READY] = {"220", NULL},
    [AGAIN] = {"250", NULL},
};

struct load;

struct session {
    struct load *load;
    struct wire *wire;
    enum step step;
    struct buf in;
    struct tls_memory memory;
};

struct load {
    struct loop *loop;
    struct tls_context *context;
    struct sockaddr_in server;
    struct session *session;
    uint64_t sessions, started, seconds, opening, held;
    bool resume, hold;
    int64_t first_ms, ends_ms;
    uint64_t handshakes, resumed;
};

static const struct wire_events events;

static void open_one(struct session *s)
{
    s->step = GREETING;
    buf_clear(&s->in);
    s->load->opening++;
    s->wire = wire_connect(s->load->loop, (const struct sockaddr *)&s->load->server,
                           sizeof(s->load->server), &events, s);
    if (s->wire == NULL)
        tool_die(errno, "connect");
}

static void open_more(struct load *l)
{
    while (l->started < l->sessions && l->opening < OPENING_MAX)
        open_one(&l->session[l->started++]);
}

/* After a handshake: held, or ended and begun anew. */
static void finish(struct session *s)
{
    struct load *l = s->load;

    l->opening--;
    if (l->hold) {
        s->step = HELD;
        if (++l->held == l->sessions) {
            printf("held %llu\n", (unsigned long long)l->held);
            fflush(stdout);
        }
    } else {
        wire_free(s->wire);
        if (clock_steady_ms() >= l->ends_ms)
            loop_stop(l->loop);
        else
            open_one(s);
    }
    open_more(l);
}

static void on_secured(void *arg)
{
    struct session *s = arg;
    struct tls_facts f;

    tls_facts(wire_tls(s->wire), &f);
    s->load->handshakes++;
    s->load->resumed += f.resumed;
    s->step = AGAIN;
    wire_send(s->wire, SPAN("EHLO load.example\r\n"));
}

static void secure(struct session *s)
{
    struct tls_peer peer = {.host = "127.0.0.1", .memory = s->load->resume ? &s->memory : NULL};
    struct diag d;
    struct tls *t = tls_connect(s->load->context, &peer, &d);

    s->step = SECURING;
    if (t == NULL || !wire_secure(s->wire, t, on_secured))
        tool_die(0, "no handshake could be begun");
}

/* The last line of a whole reply. */
static bool take_reply(struct session *s)
{
    struct span rest = BUF_SPAN(&s->in), line;
    bool whole = false;

    if (s->in.len == 0 || s->in.data[s->in.len - 1] != '\n')
        return false;
    while (span_line(&rest, &line))
        whole = line.n >= 4 && line.p[3] == ' ' &&
                span_starts_nocase(line, span_of(steps[s->step].code));
    if (!whole && s->in.len > ROOM)
        tool_die(0, "step %d: no such reply was due: %.200s", s->step, buf_str(&s->in));
    if (whole)
        buf_clear(&s->in);
    return whole;
}

static void on_received(void *arg, struct span octets)
{
    struct session *s = arg;

    buf_addspan(&s->in, octets);
    if (s->step == HELD || !take_reply(s))
        return;
    if (s->step == READY) {
        secure(s);
    } else if (s->step == AGAIN) {
        finish(s);
    } else {
        wire_send(s->wire, span_of(steps[s->step].then));
        s->step++;
    }
}

static void on_ready(void *arg)
{
    (void)arg;
}

static void on_ended(void *arg, int error)
{
    const struct session *s = arg;

    fprintf(stderr, "tlsload: a session ended in step %d: %s\n", s->step,
            wire_error(s->wire, error));
    exit(TOOL_FAILED);
}

static const struct wire_events events = {on_received, on_ready, on_ended};

static void on_stop(void *arg)
{
    loop_stop(((struct load *)arg)->loop);
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

int main(int argc, char **argv)
{
    struct load l = {.sessions = 10, .seconds = 5};
    struct diag d;

    take_options(&l, argc, argv);
    raise_limit();
    signal(SIGPIPE, SIG_IGN);
    l.loop = loop_new();
    l.context = tls_sender(&(struct tls_files){0}, &d);
    l.session = calloc(l.sessions + 1, sizeof(*l.session));
    if (l.loop == NULL || l.context == NULL || l.session == NULL)
        tool_die(0, "cannot begin: memory is short");
    for (uint64_t i = 0; i < l.sessions; i++)
        l.session[i].load = &l;
    loop_signal(l.loop, SIGTERM, on_stop, &l);
    l.first_ms = clock_steady_ms();
    l.ends_ms = l.first_ms + (int64_t)l.seconds * 1000;
    open_more(&l);
    loop_run(l.loop);
    double took = (double)(clock_steady_ms() - l.first_ms) / 1000;
    if (!l.hold)
        printf("handshakes %.1f\nresumed %llu\nall %llu\n", (double)l.handshakes / took,
               (unsigned long long)l.resumed, (unsigned long long)l.handshakes);
    return 0;
}
