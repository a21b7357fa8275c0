/* See sndmsg_command.h. */
#include "sndmsg/sndmsg_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/jail.h"
#include "sndmsg/attach.h"
#include "sndmsg/cleartext.h"
#include "sndmsg/conversation.h"
#include "sndmsg/dialogue.h"
#include "sndmsg/include.h"

#define NICKNAMES_FILE ".spoolmail.names"

struct command {
    const char *member;
    bool check, verbose, unless_empty;
    bool have_subject;
    struct buf field[RECIPIENT_FIELDS]; /* lists of addresses, UTF-8 */
    struct buf subject;
    const char **attach; /* owned; NULL ends it */
    size_t attachments;
    struct charset charset; /* of the locale */
    struct site *site;
    struct usertable *users;
    struct nicknames nicknames;
    struct directory directory;
    struct catalog catalog;
    struct spool spool;
    struct identity who;
    struct buf notice;
};

static const char usage[] =
    "usage: sndmsg [-C member] [-s subject] [-c cc] [-b bcc] [-r reply-to] [-a file]... [to...]\n"
    "       sndmsg --check [-C member]\n"
    "  to...        recipients: addresses, nicknames, users of this system\n"
    "  -s subject   the subject; with recipients, the text is read to its end without a dialogue,\n"
    "               as it is when standard input is no terminal\n"
    "  -c, -b       carbon copies, blind carbon copies (lists, with commas)\n"
    "  -r reply-to  where answers shall go\n"
    "  -a file      attach a file; may stand several times\n"
    "  -E           without a dialogue, send nothing when the text is empty\n"
    "  -v           without a dialogue, say what was spooled\n"
    "  -C member    configuration (default " SITE_MEMBER ")\n"
    "  --check      say whether you can send mail, and end\n";

static void complain(const char *what, const char *why)
{
    struct buf line = {0};

    buf_adds(&line, "sndmsg: ");
    utf8_safe(span_of(what), &line);
    buf_adds(&line, what[0] != '\0' ? ": " : "");
    utf8_safe(span_of(why), &line);
    fprintf(stderr, "%s\n", buf_str(&line));
    buf_free(&line);
}

/* Lines that are made already. */
static void tell(struct buf *message)
{
    fprintf(stderr, "%s", buf_str(message));
    buf_free(message);
}

/* ---- options */

/* Words of the command line are text of the locale. */
static bool add_words(struct command *c, struct buf *to, const char *words)
{
    if (charset_decode(&c->charset, span_of(words), false, to, NULL))
        return true;
    complain(words, "this is no text of the locale: set LC_ALL to the one it is written in");
    return false;
}

static bool add_list(struct command *c, enum recipient_field field, const char *words)
{
    struct buf *list = &c->field[field];

    return (list->len == 0 || buf_addc(list, ',')) && add_words(c, list, words);
}

static bool add_attachment(struct command *c, const char *path)
{
    const char **grown = reallocarray((void *)c->attach, c->attachments + 2, sizeof(const char *));

    if (grown == NULL)
        return false;
    c->attach = grown;
    c->attach[c->attachments++] = path;
    c->attach[c->attachments] = NULL;
    return true;
}

static bool set_subject(struct command *c, const char *words)
{
    buf_clear(&c->subject);
    c->have_subject = true;
    return add_words(c, &c->subject, words);
}

/* False: the option is wrong, and that was told. */
static bool take_option(struct command *c, int option)
{
    switch (option) {
    case 'C':
        c->member = optarg;
        return true;
    case 's':
        return set_subject(c, optarg);
    case 'c':
        return add_list(c, RECIPIENT_CC, optarg);
    case 'b':
        return add_list(c, RECIPIENT_BCC, optarg);
    case 'r':
        return add_list(c, RECIPIENT_REPLY_TO, optarg);
    case 'a':
        return add_attachment(c, optarg);
    case 'E':
        c->unless_empty = true;
        return true;
    case 'v':
        c->verbose = true;
        return true;
    default:
        fputs("sndmsg: try sndmsg --help\n", stderr);
        return false;
    }
}

/* -1, or the exit status of a command that ends here. */
static int read_options(struct command *c, int argc, char **argv)
{
    enum { CHECK = 256, HELP, VERSION };
    static const struct option options[] = {{"check", no_argument, NULL, CHECK},
                                            {"help", no_argument, NULL, HELP},
                                            {"version", no_argument, NULL, VERSION},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "+C:s:c:b:r:a:Ev", options, NULL)) != -1) {
        if (option == HELP)
            return fputs(usage, stdout) < 0 ? EX_IOERR : EX_OK;
        if (option == VERSION)
            return puts("sndmsg (spoolmail) " SPOOLMAIL_VERSION) < 0 ? EX_IOERR : EX_OK;
        if (option == CHECK)
            c->check = true;
        else if (!take_option(c, option))
            return EX_USAGE;
    }
    for (int i = optind; i < argc; i++)
        if (!add_list(c, RECIPIENT_TO, argv[i]))
            return EX_USAGE;
    return -1;
}

/* A descriptor that is closed would be taken by the next file that is opened, which would then be
 * read as the text of the mail or written to. What is put there can only be written, to nowhere. */
static void fill_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_WRONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* In the C locale there is no text but ASCII; what there is more is UTF-8 nowadays. */
static void set_locale(struct command *c)
{
    const char *name = setlocale(LC_CTYPE, "");

    if (name == NULL || strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    if (!charset_find(span_of(nl_langinfo(CODESET)), &c->charset))
        charset_find(SPAN("UTF-8"), &c->charset);
}

/* ---- who and where */

static int config_error(const char *what, const struct diag *d)
{
    char text[sizeof(d->text) + 64];

    if (d->line > 0)
        snprintf(text, sizeof(text), "line %zu, column %zu: %s", d->line, d->column, d->text);
    else
        snprintf(text, sizeof(text), "%s", d->text);
    complain(what, text);
    return EX_CONFIG;
}

/* The sender is who runs the program, as the user table has it. */
static int identify(struct command *c)
{
    const struct passwd *pw = getpwuid(getuid());
    struct user user;
    struct buf message = {0};

    if (pw != NULL)
        snprintf(c->who.login, sizeof(c->who.login), "%s", pw->pw_name);
    else
        snprintf(c->who.login, sizeof(c->who.login), "%lu", (unsigned long)getuid());
    if (pw == NULL || !usertable_find_login(c->users, span_of(pw->pw_name), &user)) {
        SAY(&message, T01SM080E, c->who.login, c->site->usertable);
        buf_adds(&message,
                 "Ask the administrator to add a line to it, such as:  USERID  mail.name  LOGIN(");
        utf8_safe(span_of(c->who.login), &message);
        buf_adds(&message, ")  'Full Name'\n");
        tell(&message);
        return EX_NOPERM;
    }
    if (!user_address(&user, span_of(c->site->host), &c->who.from)) {
        complain(user.name, "this mail name and the HOST of the configuration make no address");
        return EX_CONFIG;
    }
    c->who.full = user.full;
    for (char *p = c->who.login; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || strchr("()\\<>", *p) != NULL)
            *p = '_'; /* it stands in a header */
    return EX_OK;
}

/* The mail directory must be there and open before anybody types a whole message. */
static int open_mail(struct command *c)
{
    struct diag d = {0};
    struct buf message = {0};
    char why[sizeof(d.text) + 32];

    if (spool_open(&c->spool, c->site, 1U << QUEUE_MAIL, false, &d) &&
        faccessat(c->spool.queue[QUEUE_MAIL], ".", W_OK | X_OK, AT_EACCESS) == 0)
        return EX_OK;
    if (d.text[0] == '\0')
        snprintf(why, sizeof(why), "%.200s/mail: %s", c->site->spool, strerror(errno));
    else
        snprintf(why, sizeof(why), "%s", d.text);
    SAY(&message, T01SM081E, why);
    tell(&message);
    return EX_CANTCREAT;
}

/* An error in them is told, and then there are none. */
static void load_nicknames(struct command *c, const char *home)
{
    char path[PATH_MAX], where[sizeof(((struct diag *)0)->text) + 64];
    struct diag d = {0};

    if (home == NULL || home[0] != '/' ||
        snprintf(path, sizeof(path), "%s/" NICKNAMES_FILE, home) >= (int)sizeof(path) ||
        nicknames_load(path, &c->nicknames, &d))
        return;
    if (d.line > 0)
        snprintf(where, sizeof(where), "line %zu, column %zu: %s", d.line, d.column, d.text);
    else
        snprintf(where, sizeof(where), "%s", d.text);
    SAY(&c->notice, T01SM084W, path, where);
}

static int open_site(struct command *c)
{
    struct diag d = {0};

    c->site = site_load(c->member, &d);
    if (c->site == NULL)
        return config_error(c->member, &d);
    c->users = usertable_load_for(c->site, &d);
    if (c->users == NULL)
        return config_error(c->site->usertable, &d);
    int status = identify(c);
    if (status == EX_OK)
        status = open_mail(c);
    if (status == EX_OK)
        catalog_open(&c->catalog, c->site->catalog);
    return status;
}

/* ---- without a dialogue */

static const char *const field_options[RECIPIENT_FIELDS] = {
    [RECIPIENT_TO] = "recipients",
    [RECIPIENT_CC] = "-c",
    [RECIPIENT_BCC] = "-b",
    [RECIPIENT_REPLY_TO] = "-r",
};

static int take_recipients(struct command *c, struct recipients *all)
{
    struct resolver resolver = directory_resolver(&c->directory);
    struct diag d = {0};
    char text[sizeof(d.text) + 64];

    for (int f = 0; f < RECIPIENT_FIELDS; f++) {
        enum recipients_result r =
            recipients_take(all, (enum recipient_field)f, BUF_SPAN(&c->field[f]), &resolver, &d);
        if (r == RECIPIENTS_GOOD || r == RECIPIENTS_MORE)
            continue;
        snprintf(text, sizeof(text), "column %zu: %s", d.column, d.text);
        complain(field_options[f], text);
        return r == RECIPIENTS_UNKNOWN ? EX_NOUSER : EX_DATAERR;
    }
    return EX_OK;
}

static int check_subject(const struct command *c)
{
    struct span subject = BUF_SPAN(&c->subject);
    size_t fault = cleartext_fault(subject, false);
    char what[64];

    if (fault < subject.n) {
        cleartext_describe(span_from(subject, fault), what, sizeof(what));
        complain("-s", what);
        return EX_DATAERR;
    }
    if (subject.n > DIALOGUE_SUBJECT_MAX) {
        complain("-s", "a subject has at most 1,000 octets");
        return EX_DATAERR;
    }
    return EX_OK;
}

/* The text of standard input and the files of -a. */
static int take_letter(struct command *c, struct letter *l)
{
    struct source_rules rules = {
        .catalog = &c->catalog, .charset = c->charset, .maxsize = c->site->maxsize};
    struct buf message = {0};
    int status = EX_OK;

    if (!letter_open(l)) {
        letter_no_room(l, &message);
        status = EX_TEMPFAIL;
    } else if (!include_stream(l, &rules, STDIN_FILENO, "standard input", &message)) {
        status = l->full ? EX_TEMPFAIL : EX_DATAERR;
    }
    for (size_t i = 0; status == EX_OK && i < c->attachments; i++) {
        buf_clear(&message);
        if (!attach_file(l, &rules, span_of(c->attach[i]), &message))
            status = l->full ? EX_TEMPFAIL : EX_NOINPUT;
    }
    if (status != EX_OK)
        tell(&message);
    buf_free(&message);
    return status;
}

static void report(const struct recipients *all)
{
    const struct address **to = calloc(all->count + 1, sizeof(const struct address *));
    size_t n = to == NULL ? 0 : recipients_unique(all, to);
    struct buf out = {0};

    for (size_t i = 0; i < n; i++)
        dialogue_result(&out, to[i], NULL);
    fputs(buf_str(&out), stdout);
    buf_free(&out);
    free((void *)to);
}

static int send_letter(struct command *c, const struct recipients *all, const struct letter *l)
{
    struct dispatch d = {c->site, &c->spool, &c->who, all, BUF_SPAN(&c->subject), l};
    struct buf message = {0};
    char why[160];

    if (c->unless_empty && l->text.size == 0 && l->attachments == 0)
        return EX_OK;
    int status = dispatch_mail(&d, why, &message);
    if (status != EX_OK)
        tell(&message);
    else if (c->verbose)
        report(all);
    buf_free(&message);
    return status;
}

static int batch(struct command *c)
{
    struct recipients all = {0};
    struct letter l = {.text = SCRATCH_CLOSED, .files = SCRATCH_CLOSED};
    int status = take_recipients(c, &all);

    tell(&c->notice);
    if (status == EX_OK)
        status = check_subject(c);
    if (status == EX_OK)
        status = take_letter(c, &l);
    if (status == EX_OK)
        status = send_letter(c, &all, &l);
    letter_close(&l);
    recipients_free(&all);
    return status;
}

/* ---- with one */

/* The options as answers to the prompts. */
static int dialogue_session(struct command *c, const char *home)
{
    static const char *const nothing[] = {NULL};
    const char *fields[3] = {NULL};
    struct buf bcc = {0}, reply_to = {0};
    size_t n = 0;

    if (c->field[RECIPIENT_BCC].len > 0) {
        buf_printf(&bcc, "Bcc: %s", buf_str(&c->field[RECIPIENT_BCC]));
        fields[n++] = buf_str(&bcc);
    }
    if (c->field[RECIPIENT_REPLY_TO].len > 0) {
        buf_printf(&reply_to, "Reply-To: %s", buf_str(&c->field[RECIPIENT_REPLY_TO]));
        fields[n++] = buf_str(&reply_to);
    }
    struct conversation_params p = {
        .site = c->site,
        .spool = &c->spool,
        .who = &c->who,
        .directory = &c->directory,
        .catalog = &c->catalog,
        .home = home,
        .state = getenv("XDG_STATE_HOME"),
        .fields = fields,
        .attach = c->attach != NULL ? c->attach : nothing,
        .notice = buf_str(&c->notice),
    };
    if (c->field[RECIPIENT_TO].len > 0)
        p.answers[DIALOGUE_TO] = buf_str(&c->field[RECIPIENT_TO]);
    if (c->field[RECIPIENT_CC].len > 0)
        p.answers[DIALOGUE_CC] = buf_str(&c->field[RECIPIENT_CC]);
    if (c->have_subject)
        p.answers[DIALOGUE_SUBJECT] = buf_str(&c->subject);
    int status = conversation(&p);
    buf_free(&bcc);
    buf_free(&reply_to);
    return status;
}

static int perform(struct command *c)
{
    const char *home = getenv("HOME");
    int status = open_site(c);

    if (status != EX_OK)
        return status;
    load_nicknames(c, home);
    c->directory = (struct directory){&c->nicknames, c->users, span_of(c->site->host)};
    if (c->check) {
        tell(&c->notice);
        printf("sndmsg: %s sends as %s\n", c->who.login, c->who.from.text);
        return EX_OK;
    }
    bool have_to = c->field[RECIPIENT_TO].len > 0 || c->field[RECIPIENT_BCC].len > 0;
    if (have_to && (c->have_subject || !isatty(STDIN_FILENO)))
        return batch(c);
    return dialogue_session(c, home);
}

int sndmsg_command(int argc, char **argv)
{
    struct command c = {.member = SITE_MEMBER, .catalog = {.dir = -1}};

    c.spool = (struct spool){.root = -1, .jes = -1, .work = -1};
    for (int i = 0; i < SPOOL_QUEUES; i++)
        c.spool.queue[i] = -1;
    fill_standard();
    set_locale(&c);
    umask(077);
    int status = read_options(&c, argc, argv);
    if (status < 0 && !jail_command("sndmsg", NULL)) {
        complain("cannot enter its jail", strerror(errno));
        status = EX_OSERR;
    } else if (status < 0) {
        status = perform(&c);
    }
    for (int f = 0; f < RECIPIENT_FIELDS; f++)
        buf_free(&c.field[f]);
    catalog_close(&c.catalog);
    spool_close(&c.spool);
    nicknames_free(&c.nicknames);
    usertable_free(c.users);
    site_free(c.site);
    buf_free(&c.subject);
    buf_free(&c.notice);
    free((void *)c.attach);
    return fflush(stdout) == 0 ? status : EX_IOERR;
}
