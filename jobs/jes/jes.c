/* See jes.h. Each subcommand is a row of a table. */
#include "jobs/jes/jes.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/charset.h"
#include "lib/jail.h"

static const struct command {
    const char *name;
    bool pages; /* enters the jail itself, when its pager runs */
    int operands;
    int (*run)(const struct jes *j);
} commands[] = {
    {"list", false, 0, jes_list},
    {"show", true, 1, jes_show},
    {"queue", false, 0, jes_queue},
};

static const char usage[] = "usage: jes [-C member] list\n"
                            "       jes [-C member] show NAME|JOBnnnnn\n"
                            "       jes [-C member] queue\n"
                            "  list        the printouts, newest first\n"
                            "  show        one printout, in $PAGER when on a terminal\n"
                            "  queue       what waits in the queues, and why files are held\n"
                            "  -C member   configuration (default " SITE_MEMBER ")\n";

void jes_complain(const char *what, const char *why)
{
    struct buf line = {0};

    utf8_safe(span_of(what), &line);
    buf_adds(&line, ": ");
    utf8_safe(span_of(why), &line);
    fprintf(stderr, "jes: %s\n", buf_str(&line));
    buf_free(&line);
}

bool jes_jail(void)
{
    if (jail_command("jes", NULL))
        return true;
    jes_complain("cannot enter its jail", strerror(errno));
    return false;
}

static int wrong(const char *why)
{
    if (why != NULL)
        fprintf(stderr, "jes: %s\n", why);
    fputs("jes: try jes --help\n", stderr);
    return EX_USAGE;
}

static struct site *load(const char *member)
{
    struct diag d = {0};
    char place[64] = "";
    struct buf text = {0};
    struct site *site = site_load(member, &d);

    if (site != NULL)
        return site;
    if (d.line > 0)
        snprintf(place, sizeof(place), "line %zu, column %zu: ", d.line, d.column);
    buf_adds(&text, place);
    buf_adds(&text, d.text);
    jes_complain(member, buf_str(&text));
    buf_free(&text);
    return NULL;
}

static int run(const struct command *c, const char *member, char **operand)
{
    struct site *site = load(member);

    if (site == NULL)
        return EX_CONFIG;
    struct jes j = {site, open(site->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC), operand};
    int status = EX_NOINPUT;
    if (j.spool < 0)
        jes_complain(site->spool, strerror(errno));
    else if (!c->pages && !jes_jail())
        status = EX_OSERR;
    else
        status = c->run(&j);
    if (j.spool >= 0)
        close(j.spool); /* a directory */
    site_free(site);
    if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE) {
        perror("jes: standard output");
        return EX_IOERR;
    }
    return status;
}

static int perform(const char *member, char **operand)
{
    int given = 0;

    if (operand[0] == NULL)
        return wrong("no command given");
    while (operand[given + 1] != NULL)
        given++;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(operand[0], commands[i].name) != 0)
            continue;
        if (given != commands[i].operands)
            return wrong(commands[i].operands ? "name one printout" : "too many operands");
        return run(&commands[i], member, operand + 1);
    }
    return wrong("unknown command");
}

int jes_main(int argc, char **argv)
{
    enum { OPTION_HELP = 256, OPTION_VERSION };
    static const struct option options[] = {
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };
    const char *member = SITE_MEMBER;
    int option;

    while ((option = getopt_long(argc, argv, "C:", options, NULL)) != -1) {
        if (option == OPTION_HELP) {
            fputs(usage, stdout);
            return EX_OK;
        }
        if (option == OPTION_VERSION) {
            puts("jes (spoolmail) " SPOOLMAIL_VERSION);
            return EX_OK;
        }
        if (option == '?')
            return wrong(NULL);
        member = optarg;
    }
    return perform(member, argv + optind);
}
