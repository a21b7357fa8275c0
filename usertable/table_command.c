/* See table_command.h. Each command is a row of a table. Every line that leaves the program goes
 * through utf8_safe(). */
#include "usertable/table_command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/charset.h"
#include "lib/site.h"
#include "usertable/usertable.h"

#define DEFAULT_TABLE "/etc/spoolmail/USERTBL"

/* Writes the line safely, with a line end, and frees it. */
static void put_line(FILE *to, struct buf *line)
{
    struct buf safe = {0};

    utf8_safe(BUF_SPAN(line), &safe);
    fprintf(to, "%s\n", buf_str(&safe));
    buf_free(&safe);
    buf_free(line);
}

static void complain(const char *what, const struct diag *d)
{
    struct buf line = {0};

    buf_adds(&line, what);
    if (d->line > 0)
        buf_printf(&line, ":%zu:%zu", d->line, d->column);
    buf_printf(&line, ": %s", d->text);
    put_line(stderr, &line);
}

/* An entry as a line of a table. */
static void put_user(const struct user *u)
{
    struct buf line = {0};

    buf_printf(&line, "%-*s  %s", USERID_MAX, u->userid, u->name);
    if (u->login != NULL)
        buf_printf(&line, "  LOGIN(%s)", u->login);
    if (u->forward != NULL)
        buf_printf(&line, "  FORWARD(%s)", u->forward);
    if (u->full != NULL) {
        buf_adds(&line, "  '");
        for (const char *p = u->full; *p != '\0'; p++) {
            if (*p == '\'')
                buf_addc(&line, '\'');
            buf_addc(&line, *p);
        }
        buf_addc(&line, '\'');
    }
    put_line(stdout, &line);
}

static int check(const struct usertable *t, const char *path, char **operand)
{
    struct buf line = {0};
    size_t n = usertable_count(t);

    (void)operand;
    buf_printf(&line, "%s: %zu %s, no error", path, n, n == 1 ? "entry" : "entries");
    put_line(stdout, &line);
    return EX_OK;
}

static int list(const struct usertable *t, const char *path, char **operand)
{
    struct user u;

    (void)path;
    (void)operand;
    for (size_t i = 0; i < usertable_count(t); i++) {
        usertable_entry(t, i, &u);
        put_user(&u);
    }
    return EX_OK;
}

/* By the text as it stands, else by the local part of the address that it is. */
static bool find(const struct usertable *t, struct span text, struct user *u)
{
    struct address a;
    struct buf local = {0};
    bool found = usertable_find(t, text, u);

    if (!found && address_parse(text, ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK, &a,
                                NULL) == ADDRESS_GOOD)
        found = address_local_plain(&a, &local) && usertable_find(t, BUF_SPAN(&local), u);
    buf_free(&local);
    return found;
}

static int lookup(const struct usertable *t, const char *path, char **operand)
{
    int status = EX_OK;
    struct user u;

    for (; *operand != NULL; operand++) {
        struct buf line = {0};

        if (find(t, span_of(*operand), &u)) {
            put_user(&u);
            continue;
        }
        buf_printf(&line, "usertable: %s: not in %s", *operand, path);
        put_line(stderr, &line);
        status = EX_NOUSER;
    }
    return status;
}

static const struct command {
    const char *name;
    bool operands; /* needs some; the others take none */
    int (*run)(const struct usertable *t, const char *path, char **operand);
} commands[] = {
    {"check", false, check},
    {"list", false, list},
    {"lookup", true, lookup},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

/* The table that a configuration names. NULL when it cannot be read; the caller frees. */
static char *table_of_member(const char *member)
{
    struct diag d = {0};
    struct site *site = site_load(member, &d);
    char *path = NULL;

    if (site == NULL)
        complain(member, &d);
    else if ((path = strdup(site->usertable)) == NULL)
        fprintf(stderr, "usertable: out of memory\n");
    site_free(site);
    return path;
}

static int run(const struct command *c, const char *path, char **operand)
{
    struct diag d = {0};
    struct usertable *t = usertable_load(path, &d);
    int status;

    if (t == NULL) {
        complain(path, &d);
        return d.line > 0 ? EX_DATAERR : EX_NOINPUT;
    }
    status = c->run(t, path, operand);
    usertable_free(t);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("usertable: standard output");
        return EX_IOERR;
    }
    return status;
}

static int usage(const char *why)
{
    if (why != NULL)
        fprintf(stderr, "usertable: %s\n", why);
    fprintf(stderr, "usertable: try usertable --help\n");
    return EX_USAGE;
}

static int help(void)
{
    puts("usage: usertable check  [-f FILE | -C MEMBER]\n"
         "       usertable list   [-f FILE | -C MEMBER]\n"
         "       usertable lookup [-f FILE | -C MEMBER] ID|NAME|ADDRESS ...\n"
         "  -f FILE     the user table (default " DEFAULT_TABLE ")\n"
         "  -C MEMBER   the user table that this configuration names\n"
         "  --help      this text\n"
         "  --version   the version");
    return EX_OK;
}

static int version(void)
{
    puts("usertable (spoolmail) " SPOOLMAIL_VERSION);
    return EX_OK;
}

/* What is left when the options are read: a command and its operands. */
static int perform(char **operand, const char *file, const char *member)
{
    const struct command *c = find_command(*operand);
    char *path;
    int status;

    if (c == NULL)
        return usage(*operand == NULL ? "no command given" : "unknown command");
    operand++;
    if (c->operands != (*operand != NULL))
        return usage(c->operands ? "whom to look up?" : "this command takes no names");
    if (file != NULL && member != NULL)
        return usage("-f and -C exclude each other");
    if (member == NULL)
        return run(c, file != NULL ? file : DEFAULT_TABLE, operand);
    path = table_of_member(member);
    status = path != NULL ? run(c, path, operand) : EX_CONFIG;
    free(path);
    return status;
}

int table_command(int argc, char **argv)
{
    enum { OPTION_HELP = 256, OPTION_VERSION };
    static const struct option options[] = {
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };
    const char *file = NULL, *member = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "f:C:", options, NULL)) != -1) {
        if (option == OPTION_HELP)
            return help();
        if (option == OPTION_VERSION)
            return version();
        if (option == '?')
            return usage(NULL);
        *(option == 'f' ? &file : &member) = optarg;
    }
    return perform(argv + optind, file, member);
}
