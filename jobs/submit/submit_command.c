/* See submit_command.h. */
#include "jobs/submit/submit_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "jobs/submit/deck.h"
#include "jobs/submit/jcl.h"
#include "jobs/submit/run.h"
#include "jobs/submit/utility.h"
#include "lib/charset.h"
#include "lib/durable.h"
#include "lib/jail.h"

enum { DECK_MAX = 64 << 20, READ_AT_ONCE = 1 << 16, MODE_LOG = 0600 };

struct command {
    const char *member, *log_path, *deck_path;
    bool check, quiet;
    int log; /* where job logs go; -1: nowhere */
    struct buf text;
    struct deck deck;
    struct jcl jcl;
    struct findings findings;
    struct site *site;
    struct spool spool;
    struct run run;
};

static const char usage[] =
    "usage: submit [-q] [-C member] [-l file] deck\n"
    "       submit --check [-C member] deck\n"
    "  deck         a file of JCL; - is standard input\n"
    "  -C member    configuration (default " SITE_MEMBER ")\n"
    "  -l, --log    write the job logs to a file instead of standard output\n"
    "  -q, --quiet  one line a job, no job log\n"
    "  --check      read the deck, say what is wrong, run nothing; with -C, also look up what it "
    "names\n"
    "The exit code is the highest condition code; 16 for a JCL error.\n";

/* -1, or the exit code of a command that ends here. */
static int read_options(struct command *c, int argc, char **argv)
{
    enum { CHECK = 256, HELP, VERSION };
    static const struct option options[] = {
        {"check", no_argument, NULL, CHECK},     {"help", no_argument, NULL, HELP},
        {"log", required_argument, NULL, 'l'},   {"quiet", no_argument, NULL, 'q'},
        {"version", no_argument, NULL, VERSION}, {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "+C:l:q", options, NULL)) != -1) {
        switch (option) {
        case 'C':
            c->member = optarg;
            break;
        case 'l':
            c->log_path = optarg;
            break;
        case 'q':
            c->quiet = true;
            break;
        case CHECK:
            c->check = true;
            break;
        case HELP:
            fputs(usage, stdout);
            return EX_OK;
        case VERSION:
            puts("submit (spoolmail) " SPOOLMAIL_VERSION);
            return EX_OK;
        default:
            fputs("submit: try submit --help\n", stderr);
            return EX_USAGE;
        }
    }
    if (argc - optind != 1) {
        fputs(argc == optind ? "submit: name a deck, or - for standard input\n"
                             : "submit: one deck at a time\n",
              stderr);
        return EX_USAGE;
    }
    c->deck_path = argv[optind];
    return -1;
}

/* Text from elsewhere on standard error, made safe. */
static void complain(const char *what, const char *why)
{
    struct buf line = {0};

    utf8_safe(span_of(what), &line);
    buf_adds(&line, ": ");
    utf8_safe(span_of(why), &line);
    fprintf(stderr, "submit: %s\n", buf_str(&line));
    buf_free(&line);
}

static const char *deck_name(const struct command *c)
{
    return strcmp(c->deck_path, "-") == 0 ? "standard input" : c->deck_path;
}

static bool read_deck(struct command *c)
{
    bool input = strcmp(c->deck_path, "-") == 0;
    int fd = input ? STDIN_FILENO : open(c->deck_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0) {
        if (c->text.len > DECK_MAX || !buf_reserve(&c->text, READ_AT_ONCE)) {
            errno = EFBIG;
            n = -1;
            break;
        }
        n = read(fd, c->text.data + c->text.len, READ_AT_ONCE);
        if (n > 0)
            c->text.len += (size_t)n;
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    if (n < 0)
        complain(deck_name(c),
                 errno == EFBIG ? "is larger than 64 MiB: no deck is" : strerror(errno));
    if (fd >= 0 && !input)
        close(fd);
    return n == 0;
}

/* Findings of the cards first to last, one a line, as compilers print them. Warnings are for
 * --check. */
static void print_findings(const struct command *c, size_t first, size_t last)
{
    char place[64];
    struct buf what = {0};

    for (size_t i = 0; i < c->findings.count; i++) {
        const struct finding *f = &c->findings.list[i];
        const struct diag *d = &f->diag;
        if (d->line < first || d->line > last || (!c->check && !finding_is_error(f)))
            continue;
        buf_clear(&what);
        buf_adds(&what, deck_name(c));
        snprintf(place, sizeof(place), ":%zu:%zu", d->line, d->column);
        if (d->line > 0)
            buf_adds(&what, place);
        complain(buf_str(&what), d->text);
    }
    buf_free(&what);
}

static bool parse(struct command *c)
{
    const char *programs[UTILITIES + 1];

    utility_names(programs);
    if (deck_parse(BUF_SPAN(&c->text), &c->deck, &c->findings) &&
        jcl_check(&c->deck, programs, &c->jcl, &c->findings))
        return true;
    complain(c->deck_path, "memory is short");
    return false;
}

static bool enter_jail(const char *program, const struct site *site)
{
    if (jail_command(program, site))
        return true;
    complain("cannot enter its jail", strerror(errno));
    return false;
}

/* Configuration and spool, and nothing else from then on; EX_OK, or the exit code. */
static int open_site(struct command *c)
{
    struct diag d = {0};
    const char *member = c->member != NULL ? c->member : SITE_MEMBER;
    char text[sizeof(d.text) + 48];

    c->site = site_load(member, &d);
    if (c->site == NULL) {
        snprintf(text, sizeof(text), "line %zu, column %zu: %s", d.line, d.column, d.text);
        complain(member, d.line > 0 ? text : d.text);
        return EX_CONFIG;
    }
    if (!spool_open(&c->spool, c->site, 0, false, &d)) {
        complain("the spool", d.text);
        return EX_UNAVAILABLE;
    }
    if (!enter_jail("submit-job", c->site)) {
        spool_close(&c->spool);
        return EX_OSERR;
    }
    if (run_begin(&c->run, c->site, &c->spool, &c->deck, &c->findings, &d))
        return EX_OK;
    complain(member, d.text);
    spool_close(&c->spool);
    return EX_CONFIG;
}

static void close_site(struct command *c)
{
    run_end(&c->run);
    spool_close(&c->spool);
}

static int check_only(struct command *c)
{
    size_t errors = c->jcl.errors;
    struct buf name = {0};

    if (c->member != NULL) {
        int status = open_site(c);
        if (status != EX_OK)
            return status;
        for (size_t i = 0; i < c->jcl.jobs; i++)
            errors += c->jcl.job[i].errors > 0 ? 0 : run_lookup(&c->run, &c->jcl.job[i]);
        close_site(c);
    }
    for (size_t i = 0; i < c->jcl.jobs; i++)
        errors += c->jcl.job[i].errors;
    print_findings(c, 0, c->deck.cards);
    utf8_safe(span_of(deck_name(c)), &name);
    printf("%s: %zu job%s, %zu error%s\n", buf_str(&name), c->jcl.jobs, c->jcl.jobs == 1 ? "" : "s",
           errors, errors == 1 ? "" : "s");
    buf_free(&name);
    return errors > 0 ? RUN_JCL_ERROR : EX_OK;
}

/* One job: its log and its line go where the options say. Its condition code, or a code of
 * sysexits. */
static int submit_job(struct command *c, const struct jcl_job *job)
{
    struct buf log = {0}, summary = {0};
    int condition = run_job(&c->run, job, &log, &summary);
    bool to_output = c->log == STDOUT_FILENO;

    if (condition < 0) {
        complain("no job number is to be had", strerror(errno));
        condition = EX_TEMPFAIL;
    } else {
        buf_addc(&summary, '\n');
        if (!to_output)
            print_findings(c, job->first_card, job->last_card);
        if ((c->log >= 0 && durable_write(c->log, log.data, log.len) < 0) ||
            (!to_output && durable_write(STDOUT_FILENO, summary.data, summary.len) < 0)) {
            complain("the job has run, but its log cannot be written", strerror(errno));
            condition = condition > EX_IOERR ? condition : EX_IOERR;
        }
    }
    buf_free(&log);
    buf_free(&summary);
    return condition;
}

static bool open_log(struct command *c)
{
    c->log = c->quiet ? -1 : STDOUT_FILENO;
    if (c->log_path == NULL)
        return true;
    c->log = open(c->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, MODE_LOG);
    if (c->log < 0)
        complain(c->log_path, strerror(errno));
    return c->log >= 0;
}

static int submit_all(struct command *c)
{
    int highest = c->jcl.errors > 0 ? RUN_JCL_ERROR : 0;
    /* Cards that belong to no job. */
    size_t before = c->jcl.jobs > 0 ? c->jcl.job[0].first_card - 1 : c->deck.cards;

    print_findings(c, 0, before);
    if (c->jcl.jobs == 0)
        return highest;
    if (!open_log(c))
        return EX_CANTCREAT;
    int status = open_site(c);
    if (status != EX_OK)
        return status;
    for (size_t i = 0; i < c->jcl.jobs; i++) {
        int condition = submit_job(c, &c->jcl.job[i]);
        if (condition > highest)
            highest = condition;
    }
    close_site(c);
    if (c->log_path != NULL && durable_close(c->log) < 0) {
        complain(c->log_path, strerror(errno));
        return highest > EX_IOERR ? highest : EX_IOERR;
    }
    return highest;
}

int submit_command(int argc, char **argv)
{
    struct command c = {.log = -1};
    int status = read_options(&c, argc, argv);

    if (status >= 0)
        return status;
    umask(027);               /* the spool's group reads what a job queues */
    signal(SIGPIPE, SIG_IGN); /* a reader that went away stops no job */
    if (!read_deck(&c))
        status = EX_NOINPUT;
    else if (!enter_jail("submit", NULL) || !parse(&c))
        status = EX_OSERR;
    else
        status = c.check ? check_only(&c) : submit_all(&c);
    jcl_free(&c.jcl);
    deck_free(&c.deck);
    findings_free(&c.findings);
    site_free(c.site);
    buf_free(&c.text);
    return fflush(stdout) == 0 ? status : EX_IOERR;
}
