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
 * flight is one send, one key share (X25519), one cipher of TLS 1.3. The server must prove that it
 * has the key of its certificate; who has signed that certificate is not asked, as by most senders
 * of mail. Reading it is what costs most in OpenSSL 3.0, which looks for a decoder among all that
 * it has for each key; the way of older versions is taken, see read_keys_directly(). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/clock.h"
#include "tests/tools/tool.h"

enum {
    REPLY_MAX = 4096,
    READ_OCTETS = 16 << 10,
    FLIGHT_MAX = 4096,
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

struct load;

struct session {
    struct load *load;
    int fd;
    enum step step;
    SSL *ssl;
    SSL_SESSION *last;  /* with --resume */
    struct span octets; /* that came for TLS, during a call */
    struct buf reply;
};

struct load {
    struct sockaddr_in server;
    struct session *session;
    int epoll;
    SSL_CTX *context;
    BIO_METHOD *method;
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

/* A BIO on the octets that were received and on the flight. */

static int bio_read(BIO *b, char *to, int size)
{
    struct session *s = BIO_get_data(b);
    size_t n = size > 0 ? (size_t)size : 0;

    BIO_clear_retry_flags(b);
    if (s->octets.n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    if (n > s->octets.n)
        n = s->octets.n;
    memcpy(to, s->octets.p, n);
    s->octets = (struct span){s->octets.p + n, s->octets.n - n};
    return (int)n;
}

static int bio_write(BIO *b, const char *octets, int n)
{
    const struct session *s = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    return n >= 0 && buf_add(&s->load->flight, octets, (size_t)n) ? n : -1;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* The context. */

static int key_methods(ENGINE *e, EVP_PKEY_METHOD **method, const int **kinds, int kind)
{
    static const int known[] = {NID_rsaEncryption, NID_X9_62_id_ecPublicKey};

    (void)e;
    if (method == NULL) {
        *kinds = known;
        return sizeof(known) / sizeof(known[0]);
    }
    *method = (EVP_PKEY_METHOD *)EVP_PKEY_meth_find(kind);
    return *method != NULL;
}

/* Where an engine has methods for a kind of key, OpenSSL takes them and its own reader of that
 * kind: a certificate then costs 7 microseconds instead of 100. The methods here are OpenSSL's own.
 */
static void read_keys_directly(void)
{
    ENGINE *e = ENGINE_new();

    if (e == NULL || ENGINE_set_id(e, "direct") != 1 ||
        ENGINE_set_pkey_meths(e, key_methods) != 1 || ENGINE_register_pkey_meths(e) != 1)
        tool_die(0, "cannot begin: no engine");
}

static int take_certificate(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct session *s = SSL_get_app_data(ssl);

    SSL_SESSION_free(s->last);
    s->last = session;
    return 1; /* its count is ours now */
}

static void make_context(struct load *l)
{
    /* What this machine's openssl.cnf says must not change what is measured. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    read_keys_directly();
    l->context = SSL_CTX_new(TLS_client_method());
    l->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "session");
    if (l->context == NULL || l->method == NULL || BIO_meth_set_read(l->method, bio_read) != 1 ||
        BIO_meth_set_write(l->method, bio_write) != 1 ||
        BIO_meth_set_ctrl(l->method, bio_control) != 1 ||
        SSL_CTX_set_min_proto_version(l->context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(l->context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(l->context, "X25519") != 1)
        tool_die(0, "cannot begin: no TLS");
    SSL_CTX_set_options(l->context, SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_cert_verify_callback(l->context, take_certificate, NULL);
    if (l->resume) {
        SSL_CTX_set_session_cache_mode(l->context,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(l->context, keep_session);
    } else {
        SSL_CTX_set_session_cache_mode(l->context, SSL_SESS_CACHE_OFF);
    }
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
    BIO *bio = BIO_new(l->method);

    s->ssl = SSL_new(l->context);
    if (bio == NULL || s->ssl == NULL)
        tool_die(0, "memory is short");
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_app_data(s->ssl, s);
    SSL_set_connect_state(s->ssl);
    if (s->last != NULL)
        SSL_set_session(s->ssl, s->last);
    s->step = SECURING;
}

static void end_session(struct load *l, struct session *s)
{
    l->handshakes++;
    l->resumed += SSL_session_reused(s->ssl) == 1;
    /* The server is gone with its 221; without this the session could not be resumed. */
    SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(s->ssl);
    s->ssl = NULL;
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

static _Noreturn void wrong_tls(const struct session *s)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    wrong(s, "TLS failed: %s", reason != NULL ? reason : "without a reason");
}

/* What follows the handshake goes out with its last flight. */
static void handshake(struct load *l, struct session *s)
{
    int done = SSL_do_handshake(s->ssl);
    const char *next = l->hold ? steps[GREETING].then : "QUIT\r\n";

    if (done != 1 && SSL_get_error(s->ssl, done) != SSL_ERROR_WANT_READ)
        wrong_tls(s);
    if (done != 1)
        return;
    s->step = l->hold ? HOLDING : ENDING;
    if (SSL_write(s->ssl, next, (int)strlen(next)) <= 0)
        wrong_tls(s);
}

static void receive_text(struct load *l, struct session *s)
{
    char text[REPLY_MAX];
    int n;

    while ((n = SSL_read(s->ssl, text, sizeof(text))) > 0) {
        buf_add(&s->reply, text, (size_t)n);
        if (!take_reply(s))
            continue;
        if (s->step == ENDING)
            end_session(l, s);
        else
            hold_session(l, s);
        return;
    }
    if (SSL_get_error(s->ssl, n) != SSL_ERROR_WANT_READ)
        wrong_tls(s);
}

static void receive_tls(struct load *l, struct session *s, struct span octets)
{
    buf_clear(&l->flight);
    s->octets = octets;
    if (s->step == SECURING)
        handshake(l, s);
    say(s, BUF_SPAN(&l->flight));
    if (s->step == ENDING || s->step == HOLDING)
        receive_text(l, s);
}

static void receive(struct load *l, struct session *s)
{
    char octets[READ_OCTETS];
    ssize_t n = recv(s->fd, octets, sizeof(octets), 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        wrong(s, "the session ended: %s", n < 0 ? strerror(errno) : "closed by the peer");
    if (s->ssl != NULL) {
        receive_tls(l, s, (struct span){octets, (size_t)n});
        return;
    }
    buf_add(&s->reply, octets, (size_t)n);
    if (!take_reply(s))
        return;
    if (s->step == READY) {
        begin_tls(l, s);
        receive_tls(l, s, (struct span){0});
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

int main(int argc, char **argv)
{
    struct load l = {.sessions = 10, .seconds = 5};
    struct sigaction stop = {.sa_handler = on_stop}; /* no SA_RESTART: epoll_wait() must return */

    take_options(&l, argc, argv);
    raise_limit();
    sigaction(SIGTERM, &stop, NULL);
    make_context(&l);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.session = calloc(l.sessions + 1, sizeof(*l.session));
    if (l.epoll < 0 || l.session == NULL || !buf_reserve(&l.flight, FLIGHT_MAX))
        tool_die(0, "cannot begin: memory is short");
    for (uint64_t i = 0; i < l.sessions; i++)
        l.session[i].load = &l;
    int64_t first_ms = clock_steady_ms();
    l.ends_ms = first_ms + (int64_t)l.seconds * 1000;
    run(&l);
    double took = (double)(clock_steady_ms() - first_ms) / 1000;
    if (!l.hold)
        printf("handshakes %.1f\nresumed %llu\nall %llu\n", (double)l.handshakes / took,
               (unsigned long long)l.resumed, (unsigned long long)l.handshakes);
    return 0;
}
