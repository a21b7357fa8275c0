/* See ssmtp.h. Opens the sockets, gives privileges up, and lets workers serve; from there on
 * nothing runs as root, and no octet from outside was read before. */
#include "ssmtp/ssmtp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/clock.h"
#include "ssmtp/crew.h"
#include "ssmtp/recover.h"
#include "ssmtp/server.h"

enum {
    JOURNAL_KIB = 32768,
    CREW_GRACE_MS = 40000,            /* longer than a worker's own */
    DESCRIPTORS_KEPT = 100 + CREW_MAX /* beside those of connections: directories, sockets,
                                       * libraries, channels between workers */
};

/* Options of this program alone; the others are lib/program's. 0: not given, the configuration
 * says it. */
struct own_options {
    uint64_t workers, connections, per_client, inetd, journal;
};

struct ssmtp {
    struct program program;
    struct own_options options;
    unsigned workers;
    rlim_t descriptors; /* of a process */
    struct listen_set listeners[CREW_MAX];
    bool shared; /* all workers use listeners[0] */
    struct crowd *crowd;
    struct handover handover;
    struct crew crew;
    struct penalty *penalty;
    struct certificate certificate;
    struct passwords *passwords;
    int single; /* the connection of inetd, or -1 */
};

static const struct own_option {
    const char *name;
    size_t offset;
    bool flag;
    uint64_t min, max;
} own_options[] = {
    {"--workers", offsetof(struct own_options, workers), false, 1, CREW_MAX},
    {"--connections", offsetof(struct own_options, connections), false, 1, 1000000},
    {"--per-client", offsetof(struct own_options, per_client), false, 1, 60000},
    {"--journal", offsetof(struct own_options, journal), false, 0, JOURNAL_SIZE_MAX >> 10},
    {"--inetd", offsetof(struct own_options, inetd), true, 1, 1},
};

static const struct own_option *find_option(const char *word, const char **value)
{
    for (size_t i = 0; i < sizeof(own_options) / sizeof(own_options[0]); i++) {
        size_t n = strlen(own_options[i].name);
        if (strncmp(word, own_options[i].name, n) != 0 || (word[n] != '\0' && word[n] != '='))
            continue;
        *value = word[n] == '=' ? word + n + 1 : NULL;
        return &own_options[i];
    }
    return NULL;
}

/* Takes one option; `next` is the word behind it. Returns how many words it was, 0 on an error. */
static int take_option(struct own_options *to, const struct own_option *o, const char *value,
                       const char *next)
{
    uint64_t *slot = (uint64_t *)(void *)((char *)to + o->offset);
    const char *number = o->flag ? "1" : value != NULL ? value : next;

    if ((o->flag && value != NULL) || number == NULL ||
        !span_number(span_of(number), o->max, slot) || *slot < o->min) {
        if (o->flag)
            fprintf(stderr, "ssmtp: %s takes no value\n", o->name);
        else
            fprintf(stderr, "ssmtp: %s takes a number from %llu to %llu\n", o->name,
                    (unsigned long long)o->min, (unsigned long long)o->max);
        return 0;
    }
    return number == next && !o->flag ? 2 : 1;
}

/* Takes our own options out of argv. */
static bool read_own(struct own_options *to, int *argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < *argc;) {
        const char *value = NULL;
        const struct own_option *o = find_option(argv[i], &value);
        int words = o == NULL ? 0 : take_option(to, o, value, argv[i + 1]);
        if (o != NULL && words == 0)
            return false;
        if (o == NULL)
            argv[kept++] = argv[i++];
        i += words;
    }
    argv[kept] = NULL;
    *argc = kept;
    return true;
}

static unsigned cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return n < 1 ? 1 : n > CREW_MAX ? CREW_MAX : (unsigned)n;
}

static bool cannot_start(const struct ssmtp *s, const char *why)
{
    MSG(&s->program.log, T01SM022E, s->program.name, why);
    return false;
}

/* inetd's connection is standard input, output and error at once: none of our own text may get
 * there. */
static bool take_single(struct ssmtp *s)
{
    int type = 0, null = open("/dev/null", O_RDWR | O_CLOEXEC);
    socklen_t size = sizeof(type);
    struct stat st;

    if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM) {
        fputs("ssmtp: --inetd: standard input must be the connection, a stream socket\n", stderr);
        return false;
    }
    s->single = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    bool good = null >= 0 && s->single >= 0 && fcntl(s->single, F_SETFL, O_NONBLOCK) == 0;
    for (int fd = STDIN_FILENO; good && fd <= STDERR_FILENO; fd++)
        if (fstat(fd, &st) < 0 || S_ISSOCK(st.st_mode))
            good = dup2(null, fd) == fd;
    close(null);
    return good;
}

/* No more connections than there are descriptors for. */
static unsigned most_connections(const struct ssmtp *s)
{
    uint64_t most = s->options.connections;

    if (most == 0)
        most = s->program.site->clients;
    if (s->descriptors == RLIM_INFINITY || s->descriptors < 2UL * DESCRIPTORS_KEPT)
        return (unsigned)most;
    uint64_t possible = (s->descriptors - DESCRIPTORS_KEPT) * s->workers;
    return (unsigned)(most < possible ? most : possible);
}

static unsigned most_of_client(const struct ssmtp *s)
{
    uint64_t most = s->options.per_client;

    return (unsigned)(most != 0 ? most : s->program.site->perclient);
}

static unsigned workers(const struct ssmtp *s)
{
    uint64_t n = s->options.workers != 0 ? s->options.workers : s->program.site->workers;

    if (s->options.inetd)
        return 1;
    return n != 0 ? (unsigned)n : cores();
}

static void limit_crowd(void *arg)
{
    const struct ssmtp *s = arg;

    crowd_limit(s->crowd, most_connections(s), most_of_client(s));
}

static bool open_listeners(struct ssmtp *s)
{
    const struct site *site = s->program.site;
    struct diag d = {0};

    if (!listen_inherited(site, &s->listeners[0], &d))
        return cannot_start(s, d.text);
    s->shared = s->listeners[0].n > 0;
    if (s->shared)
        return true;
    bool several = s->workers > 1;
    /* Sockets that share a port do not tell that another ssmtp has it: one that does not share
     * does. */
    if (several && listen_services(site, false, &s->listeners[0], &d))
        listen_close(&s->listeners[0]);
    for (unsigned i = 0; d.text[0] == '\0' && i < s->workers; i++)
        listen_services(site, several, &s->listeners[i], &d);
    return d.text[0] == '\0' || cannot_start(s, d.text);
}

/* The spool can be used, what writers left that died is gone, and what was accepted is there. */
static bool prepare_spool(const struct ssmtp *s)
{
    struct spool spool;

    if (!program_spool(&s->program, &spool, STORE_QUEUES))
        return false;
    spool_sweep(spool.queue[QUEUE_POST]);
    spool_sweep(spool.queue[QUEUE_PRT]);
    spool_sweep(spool.queue[QUEUE_SUBMIT]);
    const struct recovery r = {.spool = &spool, .log = &s->program.log};
    bool good = recover_all(&r) || cannot_start(s, strerror(errno));
    spool_close(&spool);
    return good;
}

static int work(void *arg, unsigned worker)
{
    struct ssmtp *s = arg;
    struct server_params params = {.program = &s->program,
                                   .listeners = s->single < 0 ? &s->listeners[0] : NULL,
                                   .single = s->single,
                                   .parent = s->crew.child ? s->crew.alive : -1,
                                   .crowd = s->crowd,
                                   .handover = s->workers > 1 ? &s->handover : NULL,
                                   .penalty = s->penalty,
                                   .certificate = &s->certificate,
                                   .passwords = &s->passwords,
                                   .worker = worker,
                                   .journal = s->options.journal << 10,
                                   .reloaded = limit_crowd,
                                   .arg = s};

    if (s->single < 0 && !s->shared)
        params.listeners = &s->listeners[worker];
    /* The others' sockets stay open in the parent, for those who come after them. */
    for (unsigned i = 0; !s->shared && i < s->workers; i++)
        if (i != worker)
            listen_close(&s->listeners[i]);
    handover_keep(&s->handover, worker);
    return server_run(&params);
}

static void died(void *arg, unsigned worker, int status)
{
    const struct ssmtp *s = arg;
    char how[64];

    crowd_forget(s->crowd, worker);
    if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status));
    MSG(&s->program.log, T01SM055E, msg_num(worker + 1).text, how);
}

/* Certificates and passwords. */
static bool load_secrets(struct ssmtp *s)
{
    struct diag d;

    certificate_renew(&s->certificate, clock_steady_ms());
    bool certified = certificate_load(&s->certificate, s->program.site, &d);
    if (!certified)
        MSG(&s->program.log, T01SM003E, s->program.member, d.text);
    bool known = login_load(&s->passwords, s->program.site, &d);
    if (!known)
        MSG(&s->program.log, T01SM003E, s->program.member, d.text);
    return certified && known;
}

/* For --check. */
static bool secrets_fit(const struct program *p, struct diag *d)
{
    struct passwords *passwords = NULL;
    struct certificate c = {0};
    bool good = certificate_load(&c, p->site, d) && login_load(&passwords, p->site, d);

    certificate_free(&c);
    passwords_free(passwords);
    return good;
}

/* For workers that are started later. */
static void reload(void *arg)
{
    struct ssmtp *s = arg;

    program_reload(&s->program);
    load_secrets(s);
    limit_crowd(arg);
}

static int serve(struct ssmtp *s)
{
    const struct program *p = &s->program;

    if (s->single < 0)
        MSG(&p->log, T01SM020I, p->name, "RECEIVER");
    int status = s->crew.workers == 1 ? work(s, 0) : crew_run(&s->crew, CREW_GRACE_MS);
    if (s->single < 0 && !s->crew.child)
        MSG(&p->log, T01SM021I, p->name);
    return status;
}

/* What must be had before the jail. */
static bool prepare(struct ssmtp *s)
{
    s->crew = (struct crew){
        .workers = s->workers, .work = work, .died = died, .reload = reload, .arg = s};
    s->crowd = crowd_new(s->workers, most_connections(s), most_of_client(s));
    s->penalty = penalty_new();
    if (s->crowd == NULL || s->penalty == NULL ||
        (s->workers > 1 && (!crew_open(&s->crew) || !handover_open(&s->handover, s->workers))))
        return cannot_start(s, strerror(errno));
    return prepare_spool(s) && program_jail(&s->program);
}

/* Until the loop minds them: whoever sees that we listen may send one, while recovery still goes
 * on. */
static void hold_signals(void)
{
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGHUP);
    sigprocmask(SIG_BLOCK, &held, NULL);
}

static int start(struct ssmtp *s)
{
    if (s->program.once) {
        fputs("ssmtp: --once is for programs that empty a queue; see --inetd\n", stderr);
        return EX_USAGE;
    }
    s->workers = workers(s);
    hold_signals();
    s->descriptors = program_descriptors();
    if (s->single < 0 && !open_listeners(s))
        return EX_UNAVAILABLE;
    if (!program_become_user(&s->program))
        return EX_CANTCREAT;
    if (!load_secrets(s)) /* as USER, so that a reload can do it too */
        return EX_CONFIG;
    int status = prepare(s) ? serve(s) : EX_CANTCREAT;
    handover_close(&s->handover);
    crowd_free(s->crowd);
    penalty_free(s->penalty);
    certificate_free(&s->certificate);
    passwords_free(s->passwords);
    return status;
}

int ssmtp_main(int argc, char **argv)
{
    struct ssmtp s = {
        .program = {.name = "ssmtp",
                    .synopsis =
                        "[--workers N] [--connections N] [--per-client N] [--journal N] [--inetd]",
                    .fits = secrets_fit},
        .options = {.journal = JOURNAL_KIB},
        .single = -1,
    };

    if (!read_own(&s.options, &argc, argv) || (s.options.inetd && !take_single(&s)))
        return EX_USAGE;
    int status = program_start(&s.program, argc, argv, false);
    if (status < 0)
        status = start(&s);
    program_end(&s.program);
    return status;
}
