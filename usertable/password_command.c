/* See password_command.h. The file belongs to the USER of the configuration, because ssmtp reads
 * it as that user, and to nobody else. */
#include "usertable/password_command.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "lib/durable.h"
#include "lib/saslprep.h"
#include "usertable/password.h"

enum { TYPED_MAX = 1024 /* octets of a password with its line end */ };

static int complain(const char *what, const char *why, int status)
{
    struct buf line = {0};

    buf_addsafe(&line, span_of(what));
    buf_adds(&line, ": ");
    buf_addsafe(&line, span_of(why));
    fprintf(stderr, "usertable: %s\n", buf_str(&line));
    buf_free(&line);
    return status;
}

static int complain_at(const char *path, const struct diag *d)
{
    char why[320];

    if (d->line > 0)
        snprintf(why, sizeof(why), "line %zu, column %zu: %s", d->line, d->column, d->text);
    else
        snprintf(why, sizeof(why), "%s", d->text);
    return complain(path, why, d->line > 0 ? EX_DATAERR : EX_NOINPUT);
}

/* Reading a password. */

/* One line of a terminal, or all of another input, without its last line end. -1: too long or not
 * to be read. */
static ssize_t read_line(bool terminal, char typed[TYPED_MAX])
{
    size_t n = 0;

    while (n < TYPED_MAX) {
        ssize_t got = read(STDIN_FILENO, typed + n, TYPED_MAX - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        n += (size_t)got;
        if (got == 0 || (terminal && typed[n - 1] == '\n'))
            break;
    }
    if (n > 0 && typed[n - 1] == '\n')
        return (ssize_t)n - 1;
    return n < TYPED_MAX ? (ssize_t)n : -1;
}

/* Asks at the terminal. Keys that would end the program are text meanwhile, so that the terminal is
 * always left as it was; a password cannot hold them. */
static ssize_t ask(const char *prompt, char typed[TYPED_MAX])
{
    struct termios before, hidden;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return read_line(false, typed);
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
        return -1;
    fputs(prompt, stderr);
    ssize_t n = read_line(true, typed);
    fputc('\n', stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    return n;
}

static bool prepare(const char *typed, ssize_t n, struct buf *password)
{
    struct span text = {typed, n > 0 ? (size_t)n : 0};

    if (text.n > 0 && text.p[text.n - 1] == '\r')
        text.n--;
    if (n < 0)
        complain("the password", "it is longer than 1,000 octets, or cannot be read", 0);
    else if (!saslprep(text, password))
        complain("the password",
                 "it has several lines, or a control or another character that none may have", 0);
    else if (password->len == 0)
        complain("the password", "it is empty", 0);
    else
        return true;
    return false;
}

static bool typed_again(const char typed[TYPED_MAX], ssize_t n)
{
    char again[TYPED_MAX];

    if (!isatty(STDIN_FILENO))
        return true;
    ssize_t m = ask("Again: ", again);
    bool same = n == m && n > 0 && memcmp(typed, again, (size_t)n) == 0;
    explicit_bzero(again, sizeof(again));
    if (!same)
        complain("the password", "it was not typed twice alike", 0);
    return same;
}

static bool get_password(struct buf *password)
{
    char typed[TYPED_MAX];
    ssize_t n = ask("Password: ", typed);

    bool good = prepare(typed, n, password) && typed_again(typed, n);
    explicit_bzero(typed, sizeof(typed));
    return good;
}

/* The file. */

/* Its folder, locked against another who edits it. -1 with errno. */
static int open_folder(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char folder[1024];

    if (slash == NULL || (size_t)(slash - path) >= sizeof(folder)) {
        errno = EINVAL;
        return -1;
    }
    *name = slash + 1;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    int fd = open(folder[0] == '\0' ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && flock(fd, LOCK_EX) < 0 ? durable_drop(fd) : fd;
}

/* False with a message. A file that is not there is empty. */
static bool read_text(int dir, const char *name, const char *path, struct buf *text)
{
    struct diag d = {0};
    struct stat st;

    if (fstatat(dir, name, &st, 0) < 0 && errno == ENOENT)
        return true;
    struct passwords *p = passwords_load(path, &d); /* never edit what is faulty */
    if (p == NULL) {
        complain_at(path, &d);
        return false;
    }
    passwords_free(p);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && buf_reserve(text, 65536)) {
        n = read(fd, text->data + text->len, 65536);
        text->len += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
    if (n == 0)
        return true;
    complain(path, text->failed ? "memory is short" : strerror(errno), 0);
    return false;
}

/* Who must own it: root makes it for USER. */
static bool owner_of(const struct site *site, uid_t *uid, gid_t *gid)
{
    *uid = geteuid();
    *gid = getegid();
    if (*uid != 0 || site->user == NULL)
        return true;
    const struct passwd *user = getpwnam(site->user);
    if (user == NULL)
        return false;
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    return true;
}

static int edit(const struct site *site, const char *userid, const struct scram_secret *secret)
{
    struct buf before = {0}, after = {0};
    const char *name;
    uid_t uid;
    gid_t gid;
    int status = EX_OK;

    if (!owner_of(site, &uid, &gid))
        return complain(site->user, "USER of the configuration is no user here", EX_CONFIG);
    int dir = open_folder(site->passwords, &name);
    if (dir < 0)
        return complain(site->passwords, strerror(errno), EX_CANTCREAT);
    if (!read_text(dir, name, site->passwords, &before))
        status = EX_DATAERR;
    else if (!passwords_edit(BUF_SPAN(&before), userid, secret, &after))
        status = complain(site->passwords, "memory is short", EX_OSERR);
    else if (durable_replace_as(dir, name, after.data, after.len, 0600, uid, gid) < 0)
        status = complain(site->passwords, strerror(errno), EX_CANTCREAT);
    close(dir);
    buf_wipe(&before);
    buf_wipe(&after);
    return status;
}

/* Users. */

/* The user ID of a user whom the table knows. */
static int find(const struct site *site, const char *operand, char userid[USERID_MAX + 1])
{
    struct diag d = {0};
    struct usertable *users = usertable_load_for(site, &d);
    struct user user;

    if (users == NULL)
        return complain_at(site->usertable, &d);
    bool found = usertable_find(users, span_of(operand), &user) &&
                 span_copy(span_of(user.userid), userid, USERID_MAX + 1);
    usertable_free(users);
    return found ? EX_OK
                 : complain(operand, "no such user ID or mail name in the user table", EX_NOUSER);
}

static void told(const struct site *site, const char *userid, const char *what)
{
    printf("%s: %s in %s; ssmtp takes it over at SIGHUP\n", userid, what, site->passwords);
}

int password_set(const struct site *site, const char *operand)
{
    struct scram_secret secret = {.iterations = SCRAM_ITERATIONS, .salt_octets = SCRAM_SALT};
    struct buf password = {0};
    char userid[USERID_MAX + 1];

    int status = find(site, operand, userid);
    if (status == EX_OK && !get_password(&password))
        status = EX_DATAERR;
    if (status == EX_OK && (getrandom(secret.salt, SCRAM_SALT, 0) != SCRAM_SALT ||
                            !scram_derive(BUF_SPAN(&password), &secret)))
        status = complain(userid, "memory or random octets are short", EX_OSERR);
    buf_wipe(&password);
    if (status == EX_OK)
        status = edit(site, userid, &secret);
    explicit_bzero(&secret, sizeof(secret));
    if (status == EX_OK)
        told(site, userid, "password set");
    return status;
}

int password_remove(const struct site *site, const char *operand)
{
    struct diag d = {0};
    char userid[USERID_MAX + 1];
    struct scram_secret secret;

    /* Whoever is in the user table no more may still have one. */
    if (!password_userid(span_of(operand), userid) && find(site, operand, userid) != EX_OK)
        return EX_NOUSER;
    struct passwords *p = passwords_load(site->passwords, &d);
    if (p == NULL)
        return complain_at(site->passwords, &d);
    bool has = passwords_find(p, userid, span_of(userid), &secret);
    passwords_free(p);
    explicit_bzero(&secret, sizeof(secret));
    if (!has)
        return complain(userid, "has no password", EX_NOUSER);
    int status = edit(site, userid, NULL);
    if (status == EX_OK)
        told(site, userid, "password removed");
    return status;
}

int password_list(const struct site *site)
{
    struct diag d = {0};
    struct passwords *p = passwords_load(site->passwords, &d);

    if (p == NULL)
        return complain_at(site->passwords, &d);
    for (size_t i = 0; i < passwords_count(p); i++)
        puts(passwords_userid(p, i));
    passwords_free(p);
    return EX_OK;
}
