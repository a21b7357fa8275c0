/* See source.h. */
#include "sndmsg/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/dsname.h"

/* Why a path cannot be opened. */
static bool path_fault(struct source *s, int error)
{
    if (error == EACCES || error == EPERM)
        SAY(s->message, T01SM071W, s->name, "YOU MAY NOT READ IT");
    else
        SAY(s->message, T01SM074W, s->name, strerror(error));
    return false;
}

static const struct {
    mode_t kind;
    const char *reason;
} refused[] = {
    {S_IFDIR, "IT IS A DIRECTORY"}, {S_IFIFO, "IT IS A FIFO"},   {S_IFSOCK, "IT IS A SOCKET"},
    {S_IFCHR, "IT IS A DEVICE"},    {S_IFBLK, "IT IS A DEVICE"},
};

static bool plain(struct source *s, const struct stat *st)
{
    const char *reason = "IT IS NO PLAIN FILE";

    if (S_ISREG(st->st_mode))
        return true;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if ((st->st_mode & S_IFMT) == refused[i].kind)
            reason = refused[i].reason;
    SAY(s->message, T01SM074W, s->name, reason);
    return false;
}

/* Looks before it opens: opening a device can do things. Links are followed, as any program of the
 * user would. */
static bool open_path(struct source *s, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return path_fault(s, errno);
    if (!plain(s, &st))
        return false;
    s->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return s->fd >= 0 || path_fault(s, errno);
}

/* ~/name is in the user's home. */
static bool expand_home(struct source *s, const char *home, char path[PATH_MAX])
{
    bool tilde = s->name[0] == '~' && s->name[1] == '/';
    int n = snprintf(path, PATH_MAX, "%s%s", tilde && home != NULL ? home : "",
                     tilde && home != NULL ? s->name + 1 : s->name);

    if (n >= 0 && n < PATH_MAX)
        return true;
    return path_fault(s, ENAMETOOLONG);
}

/* DSN or DSN(MEMBER) in capitals. */
static bool split_name(const char *name, char dsn[DSNAME_MAX + 1], char member[9])
{
    char capitals[DSNAME_MAX + 16];
    struct span s, inner = {"", 0};
    size_t n = strlen(name);

    if (n >= sizeof(capitals))
        return false;
    for (size_t i = 0; i <= n; i++)
        capitals[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
    s = (struct span){capitals, n};
    if (n > 0 && capitals[n - 1] == ')') {
        size_t open = span_find(s, '(');
        inner = (struct span){capitals + open + 1, open < n ? n - open - 2 : 0};
        s.n = open;
        if (inner.n == 0)
            return false;
    }
    return span_copy(inner, member, 9) && dsname_valid(s, DSNAME_MAX) &&
           span_copy(s, dsn, DSNAME_MAX + 1);
}

/* A name without a slash is a data set, or else a file in the working directory. */
static bool open_data_set(struct source *s, const struct catalog *catalog)
{
    char dsn[DSNAME_MAX + 1], member[9];
    struct catalog_entry e = {.fd = -1, .fault = CATALOG_NO_DATA_SET};

    if (s->name[0] == '\'' || s->name[0] == '"') {
        SAY(s->message, T01SM070W, s->name, "write the name without quotes");
        return false;
    }
    snprintf(e.reason, sizeof(e.reason), "it is no name of a data set, and no file here");
    if (split_name(s->name, dsn, member) && catalog_find(catalog, dsn, member, &e)) {
        s->fd = e.fd;
        s->label = e.label;
        return true;
    }
    if (e.fault == CATALOG_NO_DATA_SET && faccessat(AT_FDCWD, s->name, F_OK, 0) == 0)
        return open_path(s, s->name);
    if (e.fault == CATALOG_NOT_AUTHORISED)
        SAY(s->message, T01SM071W, s->name, e.reason);
    else if (e.fault == CATALOG_NO_ALLOCATION)
        SAY(s->message, T01SM074W, s->name, e.reason);
    else
        SAY(s->message, T01SM070W, s->name, e.reason);
    return false;
}

/* What the file is now, for the comparison at its end. It was looked at by name before. */
static bool begin(struct source *s)
{
    struct stat st;

    if (fstat(s->fd, &st) < 0)
        return path_fault(s, errno);
    s->octets = (uint64_t)st.st_size;
    s->changed = st.st_mtim;
    return plain(s, &st);
}

bool source_open(struct source *s, const struct source_rules *rules, struct span name,
                 struct buf *message)
{
    char path[PATH_MAX];

    *s = (struct source){.fd = -1, .message = message, .rules = rules};
    s->label = (struct dcb){.has_recfm = true, .form = RECORD_TEXT};
    if (name.n >= sizeof(s->name) || memchr(name.p, '\0', name.n) != NULL) {
        SAY(s->message, T01SM074W, "", "NO FILE HAS SUCH A NAME");
        return false;
    }
    span_copy(name, s->name, sizeof(s->name));
    bool found = strchr(s->name, '/') == NULL
                     ? open_data_set(s, rules->catalog)
                     : expand_home(s, rules->home, path) && open_path(s, path);
    return found && begin(s);
}

void source_close(struct source *s)
{
    if (s->fd >= 0)
        close(s->fd); /* read only */
    s->fd = -1;
}

ssize_t source_read(struct source *s, char *to)
{
    ssize_t n;

    if (s->rules->stop != NULL && s->rules->stop(s->rules->arg)) {
        SAY(s->message, T01SM072W, "INTERRUPTED", s->name);
        return -1;
    }
    do
        n = read(s->fd, to, SOURCE_PIECE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        SAY(s->message, T01SM072W, strerror(errno), s->name);
    return n;
}

bool source_unchanged(struct source *s, uint64_t octets)
{
    struct stat now;

    if (fstat(s->fd, &now) == 0 && s->octets == octets && (uint64_t)now.st_size == octets &&
        now.st_mtim.tv_sec == s->changed.tv_sec && now.st_mtim.tv_nsec == s->changed.tv_nsec)
        return true;
    SAY(s->message, T01SM077W, s->name);
    return false;
}

bool source_too_large(struct source *s, uint64_t more, uint64_t room)
{
    if (more <= room)
        return false;
    SAY(s->message, T01SM078W, s->name, msg_num((long long)room).text);
    return true;
}
