/* See sim_login.h. */
#include "tests/simulate/sim_login.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/loop.h"
#include "lib/wire.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/sim_login_parts.h"
#include "tests/simulate/sim_message.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_tls.h"
#include "tests/simulate/sim_world.h"

/* What the password looks like on its way: as it is, as a response, and in one of PLAIN. */
static const char *const disguises[] = {"pencil", "cGVuY2ls", "AGpvYgBw"};
#define PASSWORD "pencil"
#define KEYS                                                                                       \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"    \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
/* And with its salt. */
#define SALTED "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d"

enum { KEEPER_MS = 3000, MEMBER_SIZE = 1024 };

struct login_figures login_figures;

/* How the sender logs in; NULL: nobody does in this run. */
static const char *how;

void login_choose(void)
{
    static const char *const ways[] = {
        "TLS(VERIFY) AUTH(PLAIN)", "TLS(VERIFY) AUTH(SCRAM-SHA-256)",
        /* PLAIN is never lawful here, nor is an impostor who cannot prove that he knows it. */
        "TLS(MAY) AUTH(PLAIN,SCRAM-SHA-256)"};

    how = sim_one_in(4) ? ways[sim_below(sizeof(ways) / sizeof(ways[0]))] : NULL;
}

bool login_wanted(void)
{
    return how != NULL;
}

/* The receiver has the sender's name, for who logs in sends as a user of the host. */
const char *login_member(bool sender, const char *without)
{
    static char text[MEMBER_SIZE];

    if (how == NULL)
        return without;
    if (sender)
        snprintf(text, sizeof(text),
                 "%sROUTE DOMAIN(" DOMAIN_RECEIVER ") HOST(" DOMAIN_RECEIVER ") %s USER(job) "
                 "SECRETFILE(/secret)\n",
                 without, how);
    else
        snprintf(text, sizeof(text),
                 "SYSTEM HOST(" DOMAIN_SENDER ") SPOOL(/spool)\n"
                 "SMTP REMOTE(RMT21) POSTOFFICE(BETA) DOMAINS(" DOMAIN_RECEIVER ") CERT(/cert) "
                 "PASSWORDS(/passwords)\nSERVICE NAME(SSMTP) SUBMISSION\n");
    return text;
}

const char *login_users(bool sender, const char *without)
{
    static char text[MEMBER_SIZE];

    if (how == NULL || sender)
        return without;
    snprintf(text, sizeof(text), "%sJOBS job\n", without);
    return text;
}

struct passwords *__wrap_passwords_load(const char *path, struct diag *d)
{
    (void)path;
    return passwords_parse(SPAN("- " KEYS "\nJOBS " KEYS "\n"), d);
}

/* The keys of a password are real ones: libgsasl makes the other side's. But each is made once. */

struct tried {
    unsigned char salt[SCRAM_SALT_MAX], stored[SCRAM_KEY];
    char password[32];
    bool fits;
};

static bool is_tried(const struct tried *t, const struct scram_secret *s, struct span password)
{
    return memcmp(t->stored, s->stored, SCRAM_KEY) == 0 &&
           memcmp(t->salt, s->salt, s->salt_octets) == 0 && span_eq(span_of(t->password), password);
}

bool __wrap_scram_try_password(const struct scram_secret *s, struct span password, bool *fits)
{
    enum { TRIED = 16 };
    static struct tried tried[TRIED];
    static unsigned count;
    struct process *p = process_suspend();
    bool good = true;
    unsigned i = 0;

    while (i < count && !is_tried(&tried[i], s, password))
        i++;
    if (i < count) {
        *fits = tried[i].fits;
    } else {
        good = __real_scram_try_password(s, password, fits);
        struct tried t = {.fits = *fits};
        memcpy(t.salt, s->salt, s->salt_octets);
        memcpy(t.stored, s->stored, SCRAM_KEY);
        if (good && count < TRIED && span_copy(password, t.password, sizeof(t.password)))
            tried[count++] = t;
    }
    process_resume(p);
    return good;
}

/* What libgsasl would derive from the password and the receiver's salt. */
int __wrap_gsasl_property_set(Gsasl_session *session, Gsasl_property property, const char *text)
{
    if (property == GSASL_PASSWORD)
        __real_gsasl_property_set(session, GSASL_SCRAM_SALTED_PASSWORD, SALTED);
    return __real_gsasl_property_set(session, property, text);
}

bool __wrap_scram_try_proof(const struct scram_secret *s, struct span exchange,
                            const unsigned char proof[SCRAM_KEY], bool *fits)
{
    struct process *p = process_suspend();
    bool good = __real_scram_try_proof(s, exchange, proof, fits);

    process_resume(p);
    return good;
}

bool __wrap_scram_sign(const struct scram_secret *s, struct span exchange,
                       unsigned char out[SCRAM_KEY])
{
    struct process *p = process_suspend();
    bool good = __real_scram_sign(s, exchange, out);

    process_resume(p);
    return good;
}

/* The keeper of secrets: it answers late, and sometimes it cannot. */

struct keeper_query {
    struct keeper_query *next;
    struct keeper *keeper;
    struct loop_event *timer;
    keeper_fn *fn;
    void *arg;
};

bool __wrap_keeper_start(struct keeper *k, const struct program *p)
{
    (void)p;
    *k = (struct keeper){0};
    return true;
}

bool __wrap_keeper_listen(struct keeper *k, struct loop *l)
{
    k->loop = l;
    return true;
}

void __wrap_keeper_cancel(struct keeper *k, struct keeper_query *q)
{
    (void)k;
    loop_forget(q->timer);
    free(q);
}

static void answer(void *arg)
{
    struct keeper_query *q = arg;
    struct keeper_answer a = {.secret = SPAN(PASSWORD)};
    keeper_fn *fn = q->fn;
    void *owner = q->arg;

    if (!sim.calm && sim_one_in(50))
        a = (struct keeper_answer){.why = "the file is not there"};
    keeper_cancel(q->keeper, q);
    fn(owner, &a);
}

struct keeper_query *__wrap_keeper_ask(struct keeper *k, uint64_t login, keeper_fn *fn, void *arg,
                                       const char **why)
{
    struct keeper_query *q = calloc(1, sizeof(*q));

    (void)login;
    *why = "memory is short";
    if (q == NULL)
        return NULL;
    *q = (struct keeper_query){.keeper = k, .fn = fn, .arg = arg};
    q->timer = loop_timer(k->loop, answer, q);
    if (q->timer == NULL) {
        free(q);
        return NULL;
    }
    loop_timer_set(q->timer, sim_below(KEEPER_MS));
    return q;
}

void __wrap_keeper_deafen(struct keeper *k)
{
    k->loop = NULL;
}

void __wrap_keeper_end(struct keeper *k)
{
    (void)k;
}

/* Secrets. */

static void look_for_secret(const char *where, const char *octets, size_t n)
{
    for (size_t i = 0; i < sizeof(disguises) / sizeof(disguises[0]); i++)
        if (memmem(octets, n, disguises[i], strlen(disguises[i])) != NULL)
            sim_violation("the secret is in what %s", where);
}

void login_sends(const struct process *p, struct ofd *socket, const char *octets, size_t n)
{
    oracle_sends(p, socket, octets, n);
    if (how == NULL || n == 0)
        return;
    look_for_secret("is sent in clear", octets, n);
    char *text = sim_alloc(n);
    memcpy(text, octets, n);
    tls_uncover(text, n);
    oracle_sends(p, socket, text, n);
    sim_free(text);
}

const char *login_stranger_hears(struct span line)
{
    static const char *const offers[] = {
        "250-strange.example\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n",
        "250-strange.example\r\n250-AUTH PLAIN SCRAM-SHA-256\r\n250 STARTTLS\r\n",
        "250-strange.example\r\n250 STARTTLS\r\n", "250-strange.example\r\n250 8BITMIME\r\n"};
    static const char *const lures[] = {"235 2.7.0 welcome\r\n", "334 \r\n",
                                        "334 VXNlcm5hbWU6\r\n",  "334 cj1hLHM9QUFBQSxpPTQwOTY=\r\n",
                                        "535 5.7.8 no\r\n",      "454 4.7.0 later\r\n"};
    struct process *p = process_suspend();
    const char *reply = NULL;

    if (how != NULL) {
        look_for_secret("a stranger reads", line.p, line.n);
        if (message_recipient(line.p, line.n) < USER_UNKNOWN)
            sim_violation("the sender gives mail to an impostor: %.*s", (int)line.n, line.p);
        if (span_starts_nocase(line, SPAN("EHLO ")))
            reply = offers[sim_below(sizeof(offers) / sizeof(offers[0]))];
        else if (span_starts_nocase(line, SPAN("STARTTLS")))
            reply = "220 2.0.0 go\r\n";
        else if (span_starts_nocase(line, SPAN("AUTH ")))
            reply = lures[sim_below(sizeof(lures) / sizeof(lures[0]))];
    }
    process_resume(p);
    return reply;
}

/* Who sends. */

bool __wrap_store_begin(struct store_file *f, int dir, const char *name,
                        const struct store_head *head)
{
    if (how != NULL && strcmp(head->literal, "[10.0.0.1]") != 0)
        sim_violation("mail is taken of %s %s, who cannot have logged in", head->helo,
                      head->literal);
    if (how != NULL && (!head->login || head->tls == NULL))
        sim_violation("mail is taken without a login under TLS");
    return __real_store_begin(f, dir, name, head);
}

/* Mistakes. */

void __wrap_sasl_check(struct sasl *s)
{
    __real_sasl_check(s);
    login_figures.good += s->fits;
    login_figures.wrong += !s->fits;
    if (sim_mistake(MISTAKE_LOGIN_UNCHECKED))
        s->checked = s->fits = true;
}

/* It takes every connection for one under TLS with the right host. */
void __wrap_session_input(struct session *s, struct span octets, struct buf *out)
{
    if (sim_mistake(MISTAKE_LOGIN_IN_CLEAR))
        s->secure = s->confides = true;
    __real_session_input(s, octets, out);
}

/* Burglars. Each does what a client does, a step for each reply, and leaves some out. */

struct burglar {
    struct wire *wire;
    struct loop *loop;
    struct buf in;
    unsigned step, left;
    bool wants_tls;
};

static const char *const keys[] = {
    "AUTH PLAIN AGpvYgBwZW5jaW0=\r\n", /* another password */
    "AUTH PLAIN AGpvYgA=\r\n",         /* none */
    "AUTH PLAIN AG5vYm9keQBwZW5jaWw=\r\n",
    "AUTH PLAIN dTAzAGpvYgBwZW5jaW0=\r\n",
    "AUTH PLAIN =\r\n",
    "AUTH PLAIN\r\n",
    "AUTH LOGIN am9i\r\n",
    "AUTH SCRAM-SHA-256 biwsbj1qb2Iscj1hYmNk\r\n",
    "NOOP\r\n",
};
static const char *const responses[] = {"cGVuY2lt\r\n", "*\r\n", "\r\n", "AGpvYgBwZW5jaW0=\r\n",
                                        "Yz1iaXdzLHI9YWJjZCxwPUFBQUE=\r\n"};
static const char *const recipients[] = {"RCPT TO:<u03@" DOMAIN_RECEIVER ">\r\n",
                                         "RCPT TO:<a@elsewhere.example>\r\n",
                                         "RCPT TO:<job@" DOMAIN_SENDER ">\r\n"};

static const char *any_of(const char *const *words, size_t n)
{
    return words[sim_below((uint32_t)n)];
}
#define ANY(words) any_of(words, sizeof(words) / sizeof((words)[0]))

static void say(struct burglar *b, const char *words)
{
    wire_send(b->wire, span_of(words));
}

/* The next step, of the first of which all begin. */
static void next_step(struct burglar *b)
{
    enum { HELLO, SECURE, AGAIN, LOG_IN, SENDER, RECIPIENT, DATA, TEXT, STEPS };

    if (b->left-- == 0) {
        loop_stop(b->loop);
        return;
    }
    if (b->step > SECURE && sim_one_in(12))
        b->step += 1;
    switch (b->step++ % STEPS) {
    case SECURE:
        b->wants_tls = true;
        say(b, "STARTTLS\r\n");
        break;
    case LOG_IN:
        say(b, ANY(keys));
        break;
    case SENDER:
        say(b, "MAIL FROM:<" JOB_ADDRESS ">\r\n");
        break;
    case RECIPIENT:
        say(b, ANY(recipients));
        break;
    case DATA:
        say(b, "DATA\r\n");
        break;
    case TEXT:
        say(b, "Subject: M00000001\r\n\r\nby a burglar\r\n.\r\n");
        break;
    default:
        say(b, "EHLO burglar.example\r\n");
        break;
    }
    if (b->step % STEPS == 0)
        b->step = LOG_IN;
}

static void on_burglar_secured(void *arg)
{
    next_step(arg);
}

static void take_reply(struct burglar *b, struct span line)
{
    struct diag d;

    if (line.n < 4 || line.p[3] == '-')
        return;
    if (b->wants_tls && line.p[0] == '2') {
        struct tls *t = tls_connect(NULL, &(struct tls_peer){.host = DOMAIN_RECEIVER}, &d);
        b->wants_tls = false;
        if (t != NULL && wire_secure(b->wire, t, on_burglar_secured))
            return;
    }
    if (span_starts_nocase(line, SPAN("334")))
        say(b, ANY(responses));
    else
        next_step(b);
}

static void on_reply(void *arg, struct span octets)
{
    struct burglar *b = arg;
    size_t end;

    buf_addspan(&b->in, octets);
    while ((end = span_find(BUF_SPAN(&b->in), '\n')) < b->in.len) {
        struct span line = {b->in.data, end};
        take_reply(b, line);
        buf_consume(&b->in, end + 1);
    }
}

static void on_burglar_ready(void *arg)
{
    (void)arg;
}

static void on_burglar_ended(void *arg, int error)
{
    struct burglar *b = arg;

    (void)error;
    loop_stop(b->loop);
}

static const struct wire_events burglar_events = {on_reply, on_burglar_ready, on_burglar_ended};

void actor_burglar(struct process *p)
{
    struct burglar b = {.loop = loop_new(), .left = 4 + sim_below(40)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(25),
                             .sin_addr.s_addr = htonl(world_hosts[HOST_RECEIVER].address)};

    (void)p;
    b.wire = wire_connect(b.loop, (const struct sockaddr *)&to, sizeof(to), &burglar_events, &b);
    if (b.wire == NULL)
        return;
    wire_deadline(b.wire, 120000);
    loop_run(b.loop);
}
