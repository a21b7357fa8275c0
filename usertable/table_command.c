/* See table_command.h. Each command is a row of a table. Every line that leaves the program goes
 * through utf8_safe(). */
#include "usertable/table_command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/charset.h"
#include "lib/jail.h"
#include "lib/site.h"
#include "usertable/password_command.h"
#include "usertable/usertable.h"

#define DEFAULT_TABLE "/etc/spoolmail/USERTBL"

/* What a command works on. */
struct table {
    const char *path;
    const struct site *site; /* NULL: unknown */
    struct usertable *users;
};

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

/* An entry as a line of a table; `before` stands before it. */
static void put_user(const char *before, const struct user *u)
{
    struct buf line = {0};

    buf_printf(&line, "%s%-*s  %s", before, USERID_MAX, u->userid, u->name);
    if (u->login != NULL)
        buf_printf(&line, "  LOGIN(%s)", u->login);
    for (const char *m = user_member(u, NULL); m != NULL; m = user_member(u, m))
        buf_printf(&line, "%s%s", m == u->forward ? "  FORWARD(" : " ", m);
    if (u->forward != NULL)
        buf_addc(&line, ')');
    if (u->deliver != USER_DEFAULT)
        buf_adds(&line, u->deliver == USER_LMTP ? "  DELIVER(LMTP)" : "  DELIVER(MAILDIR)");
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

/* A comment line for each member: its entry, or the address that it is. Without a site an address
 * is one of elsewhere. */
static void put_members(const struct table *t, const struct user *u)
{
    const unsigned flags = ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK;
    struct user member;
    struct address a;

    for (const char *m = user_member(u, NULL); m != NULL; m = user_member(u, m)) {
        struct buf line = {0}, local = {0};
        bool here = address_parse(span_of(m), flags, &a, NULL) == ADDRESS_GOOD &&
                    (a.kind == DOMAIN_NONE ||
                     (t->site != NULL && site_owns(t->site, address_domain(&a)))) &&
                    address_local_plain(&a, &local) &&
                    usertable_find(t->users, BUF_SPAN(&local), &member);

        buf_free(&local);
        if (here) {
            put_user("*   ", &member);
            continue;
        }
        buf_printf(&line, "*   %s", m);
        put_line(stdout, &line);
    }
}

static size_t count_lists(const struct usertable *users)
{
    size_t lists = 0;
    struct user u;

    for (size_t i = 0; i < usertable_count(users); i++) {
        usertable_entry(users, i, &u);
        lists += u.list;
    }
    return lists;
}

static int check(const struct table *t, char **operand)
{
    struct buf line = {0};
    size_t n = usertable_count(t->users), lists = count_lists(t->users);

    (void)operand;
    buf_printf(&line, "%s: %zu %s", t->path, n, n == 1 ? "entry" : "entries");
    if (lists > 0)
        buf_printf(&line, ", %zu of them %s", lists, lists == 1 ? "a list" : "lists");
    buf_adds(&line, ", no error");
    put_line(stdout, &line);
    return EX_OK;
}

static int list(const struct table *t, char **operand)
{
    struct user u;

    (void)operand;
    for (size_t i = 0; i < usertable_count(t->users); i++) {
        usertable_entry(t->users, i, &u);
        put_user("", &u);
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

static int lookup(const struct table *t, char **operand)
{
    int status = EX_OK;
    struct user u;

    for (; *operand != NULL; operand++) {
        struct buf line = {0};

        if (find(t->users, span_of(*operand), &u)) {
            put_user("", &u);
            if (u.list)
                put_members(t, &u);
            continue;
        }
        buf_printf(&line, "usertable: %s: not in %s", *operand, t->path);
        put_line(stderr, &line);
        status = EX_NOUSER;
    }
    return status;
}

static const struct command {
    const char *name;
    bool operands; /* needs some; the others take none */
    int (*run)(const struct table *t, char **operand);
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

static int run(const struct command *c, struct table *t, char **operand)
{
    struct diag d = {0};
    int status;

    t->users = t->site != NULL ? usertable_load_for(t->site, &d) : usertable_load(t->path, &d);
    if (t->users == NULL) {
        complain(t->path, &d);
        return d.line > 0 ? EX_DATAERR : EX_NOINPUT;
    }
    status = c->run(t, operand);
    usertable_free(t->users);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("usertable: standard output");
        return EX_IOERR;
    }
    return status;
}

/* The table that a configuration names. */
static int run_for_member(const struct command *c, const char *member, char **operand)
{
    struct diag d = {0};
    struct site *site = site_load(member, &d);

    if (site == NULL) {
        complain(member, &d);
        return EX_CONFIG;
    }
    int status = run(c, &(struct table){.path = site->usertable, .site = site}, operand);
    site_free(site);
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
         "       usertable password   [-C MEMBER] ID|NAME\n"
         "       usertable nopassword [-C MEMBER] ID|NAME\n"
         "       usertable passwords  [-C MEMBER]\n"
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

static int list_passwords(const struct site *site, const char *operand)
{
    (void)operand;
    return password_list(site);
}

/* Commands on the password file that a configuration names. */
static const struct password_row {
    const char *name, *jail;
    unsigned operands;
    int (*run)(const struct site *site, const char *operand);
} password_rows[] = {
    {"password", "usertable-password", 1, password_set},
    {"nopassword", "usertable-password", 1, password_remove},
    {"passwords", "usertable", 0, list_passwords},
};

static const struct password_row *find_password_row(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof(password_rows) / sizeof(password_rows[0]); i++)
        if (strcmp(name, password_rows[i].name) == 0)
            return &password_rows[i];
    return NULL;
}

static int perform_password(const struct password_row *row, char **operand, const char *member)
{
    struct diag d = {0};
    unsigned n = 0;

    while (operand[n] != NULL)
        n++;
    if (n != row->operands)
        return usage(row->operands == 1 ? "name one user" : "this command takes no names");
    if (!jail_command(row->jail, NULL)) {
        perror("usertable: cannot enter its jail");
        return EX_OSERR;
    }
    struct site *site = site_load(member, &d);
    if (site == NULL) {
        complain(member, &d);
        return EX_CONFIG;
    }
    int status = row->run(site, *operand);
    site_free(site);
    return status;
}

/* What is left when the options are read: a command and its operands. */
static int perform(char **operand, const char *file, const char *member)
{
    const struct command *c = find_command(*operand);
    const struct password_row *p = find_password_row(*operand);

    if (p != NULL && file != NULL)
        return usage("-f names a user table; the password file is named by -C");
    if (p != NULL)
        return perform_password(p, operand + 1, member != NULL ? member : SITE_MEMBER);
    if (c == NULL)
        return usage(*operand == NULL ? "no command given" : "unknown command");
    if (!jail_command("usertable", NULL)) {
        perror("usertable: cannot enter its jail");
        return EX_OSERR;
    }
    operand++;
    if (c->operands != (*operand != NULL))
        return usage(c->operands ? "whom to look up?" : "this command takes no names");
    if (file != NULL && member != NULL)
        return usage("-f and -C exclude each other");
    if (member != NULL)
        return run_for_member(c, member, operand);
    return run(c, &(struct table){.path = file != NULL ? file : DEFAULT_TABLE}, operand);
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
