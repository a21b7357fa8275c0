/* See program.h. */
#include "lib/program.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/jail.h"

enum option_code {
    OPTION_CHECK = 256,
    OPTION_ONCE,
    OPTION_TRACE,
    OPTION_LOG,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option options[] = {
    {"check", no_argument, NULL, OPTION_CHECK},
    {"once", no_argument, NULL, OPTION_ONCE},
    {"trace", no_argument, NULL, OPTION_TRACE},
    {"log", required_argument, NULL, OPTION_LOG},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static int help(const struct program *p)
{
    printf("usage: %s [-C member] [--check] [--once] [--trace] [--log stderr|syslog] %s\n"
           "  -C member   configuration (default " SITE_MEMBER ")\n"
           "  --check     read the configuration, say what is wrong, end\n"
           "  --once      one pass over the queue, then end\n"
           "  --trace     log the dialogue with each peer\n"
           "  --log       where messages go (default: standard error on a terminal, else syslog)\n",
           p->name, p->synopsis);
    return EX_OK;
}

/* -1, or the exit status. */
static int read_options(struct program *p, int argc, char **argv, enum msg_where *where)
{
    int option;

    while ((option = getopt_long(argc, argv, "+C:", options, NULL)) != -1) {
        switch (option) {
        case 'C':
            p->member = optarg;
            break;
        case OPTION_CHECK:
            p->check = true;
            break;
        case OPTION_ONCE:
            p->once = true;
            break;
        case OPTION_TRACE:
            p->trace = true;
            break;
        case OPTION_LOG:
            if (strcmp(optarg, "stderr") != 0 && strcmp(optarg, "syslog") != 0) {
                fprintf(stderr, "%s: --log takes stderr or syslog\n", p->name);
                return EX_USAGE;
            }
            *where = optarg[1] == 't' ? MSG_STDERR : MSG_SYSLOG;
            break;
        case OPTION_HELP:
            return help(p);
        case OPTION_VERSION:
            printf("%s (spoolmail) " SPOOLMAIL_VERSION "\n", p->name);
            return EX_OK;
        default:
            fprintf(stderr, "%s: try %s --help\n", p->name, p->name);
            return EX_USAGE;
        }
    }
    p->first = optind;
    return -1;
}

static void describe(char *out, size_t size, const struct diag *d)
{
    if (d->line > 0)
        snprintf(out, size, "line %zu, column %zu: %s", d->line, d->column, d->text);
    else
        snprintf(out, size, "%s", d->text);
}

static void say(const struct program *p, const char *what, const struct diag *d)
{
    char text[320];

    describe(text, sizeof(text), d);
    if (p->check)
        fprintf(stderr, "%s: %s: %s\n", p->name, what, text);
    else
        MSG(&p->log, T01SM003E, what, text);
}

static struct usertable *load_users(const struct program *p, const struct site *site, bool optional)
{
    struct diag d = {0};

    if (optional && access(site->usertable, F_OK) < 0 && errno == ENOENT)
        return usertable_parse(SPAN(""), &d);
    struct usertable *users = usertable_load_for(site, &d);
    if (users == NULL)
        say(p, site->usertable, &d);
    return users;
}

/* What a configuration can say rightly and this machine cannot follow. */
static bool fits_machine(const struct program *p, struct diag *d)
{
    if (p->service != NULL && site_service(p->site, p->service) == NULL)
        diag_set(d, 0, 0,
                 "there is no SERVICE statement for it: add SERVICE NAME(%s), or do not start it",
                 p->service);
    else if (p->site->user != NULL && getpwnam(p->site->user) == NULL)
        diag_set(d, 0, 0, "USER(%s) is no user of this machine: make it with useradd -r %s",
                 p->site->user, p->site->user);
    else if (!p->check || p->fits == NULL || p->fits(p, d))
        return true;
    say(p, p->member, d);
    return false;
}

int program_start(struct program *p, int argc, char **argv, bool users_optional)
{
    enum msg_where where = MSG_AUTO;
    struct diag d = {0};

    p->member = SITE_MEMBER;
    p->users_optional = users_optional;
    int status = read_options(p, argc, argv, &where);
    if (status >= 0)
        return status;
    if (!p->operands && p->first < argc) {
        fprintf(stderr, "%s: it takes no words, only options: try %s --help\n", p->name, p->name);
        return EX_USAGE;
    }
    msg_open(&p->log, p->name, where);
    p->site = site_load(p->member, &d);
    if (p->site == NULL) {
        say(p, p->member, &d);
        return EX_CONFIG;
    }
    p->users = load_users(p, p->site, users_optional);
    if (p->users == NULL || !fits_machine(p, &d))
        return EX_CONFIG;
    if (p->check) {
        printf("%s: %s and %s are in order\n", p->name, p->member, p->site->usertable);
        return EX_OK;
    }
    umask(077);
    return -1;
}

bool program_keep_powers(const char *powers)
{
    cap_t set = cap_from_text(powers);
    bool good = set != NULL && cap_set_proc(set) == 0;

    if (set != NULL)
        cap_free(set);
    return good;
}

bool program_become_user(const struct program *p)
{
    const char *name = p->site->user;

    if (name == NULL || geteuid() != 0)
        return true;
    const struct passwd *user = getpwnam(name);
    if (user == NULL || prctl(PR_SET_KEEPCAPS, p->powers != NULL ? 1 : 0) < 0 ||
        initgroups(name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
        setuid(user->pw_uid) < 0 || (user->pw_uid != 0 && setuid(0) == 0) ||
        (user->pw_uid != 0 && !program_keep_powers(p->powers != NULL ? p->powers : "="))) {
        MSG(&p->log, T01SM022E, p->name, "cannot become the configured USER");
        return false;
    }
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Files in hand, their names and their owner hang on these. */
static const char *changed_for_good(const struct program *p, const struct site *new)
{
    const struct site *old = p->site;
    const struct {
        const char *keyword, *old, *new;
    } fixed[] = {
        {"SPOOL", old->spool, new->spool},
        {"USER", old->user, new->user},
        {"PATH", old->path, new->path},
        {"REMOTE", old->remote, new->remote},
        {"LMTP", NULL, p->offline && site_lmtp_host(new) ? new->lmtp : NULL},
    };

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (!same_text(fixed[i].old, fixed[i].new))
            return fixed[i].keyword;
    return NULL;
}

void program_reload(struct program *p)
{
    struct diag d = {0};
    struct site *site = site_load(p->member, &d);
    const char *changed = site == NULL ? NULL : changed_for_good(p, site);

    if (changed != NULL)
        diag_set(&d, 0, 0,
                 "%s was changed, which needs a new start; the old configuration stays in use",
                 changed);
    if (site == NULL || changed != NULL) {
        say(p, p->member, &d);
        site_free(site);
        return;
    }
    struct usertable *users = load_users(p, site, p->users_optional);
    if (users == NULL) {
        site_free(site);
        return;
    }
    site_free(p->site);
    usertable_free(p->users);
    p->site = site;
    p->users = users;
    MSG(&p->log, T01SM025I, p->member);
}

bool program_spool(const struct program *p, struct spool *spool, unsigned queues)
{
    struct diag d = {0};

    if (spool_open(spool, p->site, queues, true, &d))
        return true;
    MSG(&p->log, T01SM022E, p->name, d.text);
    return false;
}

rlim_t program_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return RLIM_INFINITY;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files); /* never refused: it is not above the highest */
    return files.rlim_cur;
}

bool program_jail(const struct program *p)
{
    return jail_enter(p->name, p->site, &p->log);
}

void program_end(struct program *p)
{
    site_free(p->site);
    usertable_free(p->users);
    p->site = NULL;
    p->users = NULL;
}
