/* See usmtp.h. Learns of new data sets by inotify, wakes by its FIFO and by timers. Where inotify
 * is not to be had, each wake-up looks through the whole of mail/. */
#include "usmtp/usmtp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dataset.h"
#include "lib/offer.h"
#include "lib/unit.h"
#include "lib/wake.h"
#include "usmtp/deliver.h"
#include "usmtp/explain.h"
#include "usmtp/keeper.h"
#include "usmtp/probe.h"
#include "usmtp/secret.h"

struct usmtp {
    struct program program;
    struct spool spool;
    struct deliver deliver;
    struct security security;
    struct keeper keeper;
    struct loop *loop;
    struct loop_event *poll, *once, *stop;
    int notify, fifo;
    int64_t scanned_ms; /* steady clock */
};

enum {
    ONCE_MS = 20,         /* how often --once looks whether all is done */
    SCAN_MS = 15 * 60000, /* the whole of mail/ is looked through at least so often */
    STOP_MS = 30000       /* how long mail that is on its way may take when we are to stop */
};

static void on_adopted(void *arg, const char *name)
{
    struct usmtp *u = arg;

    deliver_name(&u->deliver, name, true);
}

/* A name in mail/: a user's offer, or a data set. */
static int take_name(void *arg, const char *name)
{
    struct usmtp *u = arg;
    struct offer_taker taker = {.spool = &u->spool,
                                .prefix = span_of(u->program.site->path),
                                .log = &u->program.log,
                                .each = on_adopted,
                                .arg = u};

    if (u->deliver.in_doubt)
        return 0;
    if (!offer_is_done(name)) {
        deliver_name(&u->deliver, name, false);
        return 0;
    }
    enum offer_result result = offer_adopt(&taker, name);
    if (result == OFFER_IN_DOUBT)
        deliver_in_doubt(&u->deliver);
    else if (result == OFFER_LATER)
        u->deliver.rescan = true;
    return 0;
}

/* The whole of mail/. */
static bool scan_mail(struct usmtp *u)
{
    u->deliver.rescan = false;
    u->scanned_ms = clock_steady_ms();
    if (durable_each(u->spool.queue[QUEUE_MAIL], take_name, u) == 0)
        return true;
    MSG(&u->program.log, T01SM001I, "mail", strerror(errno), "TRIED AGAIN LATER");
    u->deliver.rescan = true;
    return false;
}

static void take_events(struct usmtp *u, const char *events, size_t n)
{
    const struct inotify_event *e;

    for (size_t at = 0; at + sizeof(*e) <= n; at += sizeof(*e) + e->len) {
        e = (const void *)(events + at);
        if (e->mask & IN_Q_OVERFLOW)
            scan_mail(u);
        else if (e->len > 0 && e->mask & IN_CREATE)
            deliver_created(&u->deliver, e->name);
        else if (e->len > 0)
            take_name(u, e->name);
    }
}

static void on_notify(void *arg)
{
    _Alignas(struct inotify_event) char events[64 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    struct usmtp *u = arg;
    ssize_t n;

    while ((n = read(u->notify, events, sizeof(events))) > 0)
        take_events(u, events, (size_t)n);
}

static void on_wake(void *arg)
{
    struct usmtp *u = arg;

    wake_drain(u->fifo);
    if (u->notify >= 0)
        on_notify(u);
    else
        scan_mail(u);
    deliver_soon(&u->deliver);
}

static void on_poll(void *arg)
{
    struct usmtp *u = arg;

    if (u->notify < 0 || u->deliver.rescan || clock_steady_ms() - u->scanned_ms > SCAN_MS)
        scan_mail(u);
    deliver_soon(&u->deliver);
    loop_timer_set(u->poll, (int64_t)u->program.site->poll * 1000);
}

static void on_once(void *arg)
{
    struct usmtp *u = arg;

    if (deliver_idle(&u->deliver))
        loop_stop(u->loop);
    else
        loop_timer_set(u->once, ONCE_MS);
}

static void on_stop_late(void *arg)
{
    struct usmtp *u = arg;

    loop_stop(u->loop);
}

/* What is between its text and the host's answer may end; the pump stops the loop then. */
static void on_stop(void *arg)
{
    struct usmtp *u = arg;

    deliver_quiesce(&u->deliver);
    loop_timer_set(u->stop, STOP_MS);
}

static void on_reload(void *arg)
{
    struct usmtp *u = arg;

    struct diag d;

    /* Connections go on. */
    program_reload(&u->program);
    if (!security_load(&u->security, u->program.site, &d))
        MSG(&u->program.log, T01SM003E, u->program.member, d.text);
    deliver_reload(&u->deliver);
}

static int watch_mail(const struct usmtp *u)
{
    char link[32];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (fd < 0)
        return -1;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", u->spool.queue[QUEUE_MAIL]);
    if (inotify_add_watch(fd, link, IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool recover(const struct usmtp *u)
{
    const struct program *p = &u->program;

    int found = unit_recover(&u->spool, "usmtp", QUEUE_MAIL);
    if (found < 0 || dataset_names_check(&u->spool, span_of(p->site->path)) < 0) {
        MSG(&p->log, T01SM022E, p->name, strerror(errno));
        return false;
    }
    if (found > 0)
        MSG(&p->log, T01SM023I, msg_num(found).text, p->name);
    offer_sweep(&u->spool);
    return true;
}

static void report_waiting(const struct usmtp *u)
{
    MSG(&u->program.log, T01SM046I, msg_num((long long)u->deliver.queue.live).text);
}

static int serve(struct usmtp *u)
{
    struct loop_event *events[] = {
        u->notify < 0 ? NULL : loop_readable(u->loop, u->notify, on_notify, u),
        loop_readable(u->loop, u->fifo, on_wake, u),
        loop_signal(u->loop, SIGTERM, on_stop, u),
        loop_signal(u->loop, SIGINT, on_stop, u),
        loop_signal(u->loop, SIGHUP, on_reload, u),
    };

    u->poll = loop_timer(u->loop, on_poll, u);
    u->once = loop_timer(u->loop, on_once, u);
    u->stop = loop_timer(u->loop, on_stop_late, u);
    if (u->poll == NULL || u->once == NULL || u->stop == NULL || !scan_mail(u))
        return EX_OSERR;
    deliver_scanned(&u->deliver);
    if (u->program.once)
        loop_timer_set(u->once, ONCE_MS);
    else
        MSG(&u->program.log, T01SM020I, u->program.name, "SENDER");
    loop_timer_set(u->poll, (int64_t)u->program.site->poll * 1000);
    if (!u->deliver.in_doubt)
        loop_run(u->loop);
    deliver_stop(&u->deliver);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        loop_forget(events[i]);
    loop_forget(u->poll);
    loop_forget(u->once);
    loop_forget(u->stop);
    report_waiting(u);
    return u->deliver.in_doubt ? EX_IOERR : EX_OK;
}

/* For --check. */
static bool files_fit(const struct program *p, struct diag *d)
{
    struct security s = {0};
    bool good = security_load(&s, p->site, d);

    for (size_t i = 0; good && i < p->site->routes; i++)
        good = secret_check(&p->site->route[i], d);
    security_free(&s);
    return good;
}

static int work(struct usmtp *u)
{
    const struct program *p = &u->program;
    struct diag d;
    int status = EX_OSERR;

    if (unit_owner(&u->spool, "usmtp") < 0) {
        MSG(&p->log, T01SM022E, p->name,
            errno == EWOULDBLOCK ? "it runs already" : strerror(errno));
        return EX_TEMPFAIL;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN);
    if (!security_load(&u->security, p->site, &d)) {
        MSG(&p->log, T01SM003E, p->member, d.text);
        return EX_CONFIG;
    }
    (void)program_descriptors(); /* a connection needs three */
    if (!program_jail(p))
        return EX_OSERR;
    if (!recover(u))
        return EX_IOERR;
    u->fifo = wake_listen(u->spool.queue[QUEUE_MAIL]);
    u->notify = watch_mail(u);
    u->loop = loop_new();
    if (u->fifo < 0 || u->loop == NULL) {
        MSG(&p->log, T01SM022E, p->name, strerror(errno));
        loop_free(u->loop);
        return EX_OSERR;
    }
    u->deliver = (struct deliver){.program = p,
                                  .spool = &u->spool,
                                  .loop = u->loop,
                                  .security = &u->security,
                                  .keeper = &u->keeper};
    if (keeper_listen(&u->keeper, u->loop) && deliver_open(&u->deliver))
        status = serve(u);
    deliver_close(&u->deliver);
    keeper_deafen(&u->keeper);
    loop_free(u->loop);
    return status;
}

/* What it does beside sending: the first word after the options. Each enters the jail itself. */
static const struct command {
    const char *name;
    int (*run)(const struct program *p, int words, char **word);
} commands[] = {
    {"route", explain_route},
    {"probe", probe_destination},
};

static int run_command(const struct program *p, int words, char **word)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, word[0]) == 0)
            return commands[i].run(p, words - 1, word + 1);
    fprintf(stderr, "%s: %s is no command: try %s --help\n", p->name, word[0], p->name);
    return EX_USAGE;
}

int usmtp_main(int argc, char **argv)
{
    struct usmtp u = {.program = {.name = "usmtp",
                                  .synopsis = "[route ADDRESS [FROM] | probe DEST]",
                                  .service = "USMTP",
                                  .powers = PROGRAM_LEASES,
                                  .operands = true,
                                  .fits = files_fit},
                      .notify = -1,
                      .fifo = -1};

    int status = program_start(&u.program, argc, argv, true);
    if (status < 0 && u.program.first < argc) {
        status = run_command(&u.program, argc - u.program.first, argv + u.program.first);
    } else if (status < 0) {
        status = EX_CANTCREAT;
        /* The keeper holds nothing that is opened later. */
        if (program_become_user(&u.program) && keeper_start(&u.keeper, &u.program) &&
            program_spool(&u.program, &u.spool, SPOOL_ALL_QUEUES)) {
            status = work(&u);
            security_free(&u.security);
            spool_close(&u.spool);
        }
        keeper_end(&u.keeper);
    }
    program_end(&u.program);
    return status;
}
