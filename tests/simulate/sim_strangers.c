/* See sim_actors.h: hosts and clients that follow no rules. Both are made of lib/wire and the event
 * loop, as programs of their own. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/wire.h"
#include "ssmtp/listen.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/sim_actors.h"
#include "tests/simulate/sim_login.h"
#include "tests/simulate/sim_message.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_world.h"

/* The host. */

struct guest {
    struct wire *wire;
    struct buf in, message;
    bool in_text, mad; /* mad: it says anything, else it follows the protocol for once */
    bool wants_tls;    /* the handshake is next */
};

static const char *const sayings[] = {
    "220 strange.example ESMTP\r\n",
    "250-strange.example\r\n250-PIPELINING\r\n250-SIZE 100\r\n250 8BITMIME\r\n",
    "250 ok\r\n",
    "250 2.0.0 ok\r\n",
    "354 go on\r\n",
    "421 4.3.2 no\r\n",
    "450 4.2.0 later\r\n",
    "451 later\r\n",
    "452 4.3.1 full\r\n",
    "500 what\r\n",
    "550 5.1.1 never\r\n",
    "552 too large\r\n",
    "250-and\r\n",
    "250-a\r\n451 b\r\n",
    "\r\n",
    "25",
    "0 ok\r\n",
    "999 ok\r\n",
    "250 \0\1\2\x1B[2J\r\n",
    "\x80\xFF\r\n",
    "354 go\r\n250 taken already\r\n",
    "221 bye\r\n",
};

static void say(struct guest *g, const char *words)
{
    wire_send(g->wire, span_of(words));
}

static void say_anything(struct guest *g)
{
    for (uint32_t n = sim_one_in(16) ? 200 : 1 + sim_below(2); n > 0; n--)
        say(g, sayings[sim_below(sizeof(sayings) / sizeof(sayings[0]))]);
}

static void free_guest(struct guest *g)
{
    wire_free(g->wire);
    buf_free(&g->in);
    buf_free(&g->message);
    free(g);
}

/* The text came to its end. Once 2xx is on its way the message counts as taken, whatever comes
 * before or after. */
static void take_message(struct guest *g)
{
    struct process *p = process_suspend();
    bool likely = !g->mad || sim_one_in(2);

    if (likely)
        oracle_took(p->host, g->message.data, g->message.len, true);
    process_resume(p);
    buf_clear(&g->message);
    g->in_text = false;
    say(g, likely ? "250 2.0.0 taken\r\n" : "451 4.0.0 not taken\r\n");
}

static const struct {
    const char *verb, *reply;
} manners[] = {
    {"EHLO", "250-strange.example\r\n250-8BITMIME\r\n250 PIPELINING\r\n"},
    {"HELO", "250 strange.example\r\n"},
    {"MAIL", "250 2.1.0 ok\r\n"},
    {"RCPT", "250 2.1.5 ok\r\n"},
    {"DATA", "354 go on\r\n"},
    {"RSET", "250 2.0.0 ok\r\n"},
    {"QUIT", "221 2.0.0 bye\r\n"},
};

/* What the text becomes in a file: the envelope of one recipient stands above it. */
static void note_recipient(struct guest *g, struct span line)
{
    static const struct span verb = {"RCPT TO:", 8};

    if (!span_starts_nocase(line, verb))
        return;
    buf_clear(&g->message);
    buf_adds(&g->message, "X-From: <" JOB_ADDRESS ">\nX-To: ");
    buf_addspan(&g->message, span_from(line, verb.n));
    buf_addc(&g->message, '\n');
}

static void take_command(struct guest *g, struct span line)
{
    const char *reply = "500 what\r\n", *lure = login_stranger_hears(line);

    note_recipient(g, line);
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++)
        if (span_starts_nocase(line, span_of(manners[i].verb)))
            reply = manners[i].reply;
    bool obeys = !g->mad || sim_one_in(2);
    if (!obeys) {
        say_anything(g);
        return;
    }
    if (lure != NULL) {
        say(g, lure);
        g->wants_tls = span_starts_nocase(line, SPAN("STARTTLS"));
        return;
    }
    g->in_text = reply[0] == '3';
    say(g, reply);
}

static void take_text(struct guest *g, struct span line)
{
    if (span_eq(line, SPAN("."))) {
        take_message(g);
        return;
    }
    if (line.n > 0 && line.p[0] == '.')
        line = span_from(line, 1);
    buf_addspan(&g->message, line);
    buf_addc(&g->message, '\n');
    if (g->mad && sim_one_in(200))
        say_anything(g);
}

static void on_guest_secured(void *arg)
{
    (void)arg;
}

/* What came in clear behind STARTTLS is forgotten. */
static void begin_tls(struct guest *g)
{
    struct diag d;
    struct tls *t = tls_accept(NULL, &d);

    g->wants_tls = false;
    buf_clear(&g->in);
    if (t != NULL)
        wire_secure(g->wire, t, on_guest_secured);
}

static void on_octets(void *arg, struct span octets)
{
    struct guest *g = arg;
    size_t end;

    buf_addspan(&g->in, octets);
    while ((end = span_find(BUF_SPAN(&g->in), '\n')) < g->in.len) {
        struct span line = {g->in.data, end};
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (g->in_text)
            take_text(g, line);
        else
            take_command(g, line);
        buf_consume(&g->in, end + 1);
        if (g->wants_tls)
            begin_tls(g);
    }
    if (g->mad && sim_one_in(20))
        free_guest(g);
}

static void on_guest_ready(void *arg)
{
    (void)arg;
}

static void on_guest_ended(void *arg, int error)
{
    (void)error;
    free_guest(arg);
}

static const struct wire_events guest_events = {on_octets, on_guest_ready, on_guest_ended};

struct strange_host {
    struct loop *loop;
    int fd;
};

static void on_guest(void *arg)
{
    struct strange_host *h = arg;
    struct sockaddr_in from;
    socklen_t n = sizeof(from);
    int fd = accept4(h->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK);
    struct guest *g = fd < 0 ? NULL : calloc(1, sizeof(*g));

    if (g == NULL)
        return;
    g->mad = !sim.calm && !sim_one_in(3);
    g->wire = wire_accept(h->loop, fd, &guest_events, g);
    if (g->mad && sim_one_in(4))
        say_anything(g);
    else
        say(g, "220 strange.example ESMTP\r\n");
}

void actor_strange_host(struct process *p)
{
    struct listen_set set;
    struct diag d;
    struct strange_host h = {.loop = loop_new()};

    (void)p;
    listen_services(NULL, false, &set, &d);
    h.fd = set.fd[0];
    loop_readable(h.loop, h.fd, on_guest, &h);
    loop_run(h.loop);
}

/* The client. It never says the whole of a transaction with a real recipient in it, but for the
 * text: what it sends may be stored under no message's name, or be refused. */

struct visitor {
    struct wire *wire;
    struct loop *loop;
    unsigned left;
};

static const char *const demands[] = {
    "EHLO visitor.example\r\n",
    "HELO [1.2.3.4]\r\n",
    "MAIL FROM:<a@visitor.example>\r\n",
    "MAIL FROM:<>\r\n",
    "RCPT TO:<u03@beta.example>\r\n",
    "RCPT TO:<nobody@beta.example>\r\n",
    "RCPT TO:<a@elsewhere.example>\r\n",
    "DATA\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "VRFY u03\r\n",
    "QUIT\r\n",
    "text\r\n",
    ".\r\n",
    "\r\n.\r\n",
    "\n.\n",
    "\r.\r",
    "\n.\r\nMAIL FROM:<b@visitor.example>\r\nRCPT TO:<u04@beta.example>\r\nDATA\r\n",
    "X-From: <job@alpha.example>\r\nX-To: <u05@beta.example>\r\nSubject: M00000001\r\n\r\n",
    "Subject: smuggled\r\n\r\ntext\r\n.\r\n",
    "\0\1\2\3\r\n",
    "MAIL FROM:<a@visitor.example> SIZE=99999999999999999999\r\n",
};

static void demand(struct visitor *v)
{
    for (uint32_t n = 1 + sim_below(3); n > 0; n--)
        wire_send(v->wire, span_of(demands[sim_below(sizeof(demands) / sizeof(demands[0]))]));
    if (--v->left == 0)
        loop_stop(v->loop);
}

static void on_reply(void *arg, struct span octets)
{
    (void)octets;
    demand(arg);
}

static void on_visitor_ready(void *arg)
{
    struct visitor *v = arg;

    if (sim_one_in(4))
        demand(v);
}

static void on_visitor_ended(void *arg, int error)
{
    struct visitor *v = arg;

    (void)error;
    loop_stop(v->loop);
}

static const struct wire_events visitor_events = {on_reply, on_visitor_ready, on_visitor_ended};

void actor_strange_client(struct process *p)
{
    struct visitor v = {.loop = loop_new(), .left = 1 + sim_below(30)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(25),
                             .sin_addr.s_addr = htonl(world_hosts[HOST_RECEIVER].address)};

    (void)p;
    v.wire = wire_connect(v.loop, (const struct sockaddr *)&to, sizeof(to), &visitor_events, &v);
    if (v.wire == NULL)
        return;
    wire_deadline(v.wire, 60000);
    loop_run(v.loop);
}
