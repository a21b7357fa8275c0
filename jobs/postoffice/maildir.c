/* See maildir.h. */
#include "jobs/postoffice/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/durable.h"

enum { PIECE = 65536, HOST_MAX = 64, TEMPORARY = MAILDIR_NAME + 20 };

enum folder { TMP, NEW, CUR };

static const char *const folder_names[MAILDIR_FOLDERS] = {
    [TMP] = "tmp", [NEW] = "new", [CUR] = "cur"};

/* May a name from the user table or the machine be a part of a path? */
static bool part_valid(const char *part)
{
    return part[0] != '\0' && part[0] != '.' && strchr(part, '/') == NULL;
}

bool maildir_path(struct buf *path, const char *pattern, const struct maildir_user *u,
                  const char **why)
{
    for (const char *p = pattern; *p != '\0'; p++) {
        const char *value = NULL;

        if (*p != '%') {
            buf_addc(path, *p);
            continue;
        }
        p++;
        *why = "the MAILDIR pattern has a % of no meaning";
        if (*p == '%')
            value = "%";
        else if (*p == 'h') {
            *why = "the user has no home directory on this machine";
            value = u->home != NULL && u->home[0] == '/' ? u->home : NULL;
        } else if (*p == 'u') {
            *why = "the user's login cannot be part of a path";
            value = u->login != NULL && part_valid(u->login) ? u->login : NULL;
        } else if (*p == 'i') {
            *why = "the user ID cannot be part of a path";
            value = part_valid(u->userid) ? u->userid : NULL;
        }
        if (value == NULL)
            return false;
        buf_adds(path, value);
    }
    *why = "memory is short";
    return !path->failed;
}

void maildir_name(char out[MAILDIR_NAME], int64_t seconds, const char *id, const char *host)
{
    char escaped[HOST_MAX + 8];
    size_t n = 0;

    for (const char *p = host; *p != '\0' && n < HOST_MAX; p++) {
        unsigned char c = (unsigned char)*p;
        /* \057 and \072 are what the format prescribes for slash and colon. */
        if (c <= ' ' || c >= 0x7F || c == '/' || c == ':' || c == '\\')
            n += (size_t)snprintf(escaped + n, sizeof(escaped) - n, "\\%03o", c);
        else
            escaped[n++] = (char)c;
    }
    escaped[n] = '\0';
    snprintf(out, MAILDIR_NAME, "%lld.S%.40s.%s", (long long)(seconds < 0 ? 0 : seconds), id,
             escaped);
}

/* Always -1; errno stays. */
static int failed(char why[MAILDIR_WHY], const char *what, const char *where)
{
    int saved = errno;

    snprintf(why, MAILDIR_WHY, "%s %.60s: %s", what, where, strerror(saved));
    errno = saved;
    return -1;
}

static int check_owner(int fd, const char *name, char why[MAILDIR_WHY])
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return failed(why, "cannot examine", name);
    if (st.st_uid == geteuid())
        return 0;
    snprintf(why, MAILDIR_WHY, "%.60s belongs to somebody else: give it to user number %lu", name,
             (unsigned long)geteuid());
    errno = EPERM;
    return -1;
}

/* tmp/ is made last: where it is, all of the rest was synced, whoever made it and died since. */
static int begin_folders(struct maildir *m, const char *path, char why[MAILDIR_WHY])
{
    if (faccessat(m->dir, folder_names[TMP], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (durable_sync(m->dir) == 0 && durable_sync_parent(AT_FDCWD, path) == 0)
        return 0;
    return failed(why, "cannot sync the Maildir", path);
}

/* A folder must be no link: the Maildir's owner may have put one there to lead us elsewhere. */
static int open_folder(struct maildir *m, enum folder f, char why[MAILDIR_WHY])
{
    const char *name = folder_names[f];

    m->folder[f] = openat(m->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (m->folder[f] < 0 && errno == ENOENT)
        m->folder[f] = durable_dir(m->dir, name, 0700);
    if (m->folder[f] < 0)
        return failed(why, "cannot open or make the Maildir's folder", name);
    return check_owner(m->folder[f], name, why);
}

bool maildir_open(struct maildir *m, const char *path, char why[MAILDIR_WHY])
{
    *m = (struct maildir){-1, {-1, -1, -1}};
    m->dir = durable_dir(AT_FDCWD, path, 0700);
    if (m->dir < 0) {
        failed(why, "cannot open or make the Maildir", path);
        return false;
    }
    if (check_owner(m->dir, path, why) < 0)
        return false;
    return open_folder(m, NEW, why) == 0 && open_folder(m, CUR, why) == 0 &&
           begin_folders(m, path, why) == 0 && open_folder(m, TMP, why) == 0;
}

void maildir_close(struct maildir *m)
{
    for (int f = 0; f < MAILDIR_FOLDERS; f++)
        if (m->folder[f] >= 0)
            close(m->folder[f]); /* directories */
    if (m->dir >= 0)
        close(m->dir);
}

/* Is the entry that name, or one made of it by a reader of mail (flags, a size)? */
static bool is_copy(const char *entry, const char *name)
{
    size_t n = strlen(name);

    return strncmp(entry, name, n) == 0 && (entry[n] == '\0' || entry[n] == ':' || entry[n] == ',');
}

static DIR *list_folder(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);

    if (list == NULL && copy >= 0)
        close(copy);
    return list;
}

/* 1 found, 0 not, -1 with errno. */
static int search_folder(int folder, const char *name)
{
    DIR *list = list_folder(folder);
    const struct dirent *entry;
    int result = 0;

    if (list == NULL)
        return -1;
    for (errno = 0; result == 0 && (entry = readdir(list)) != NULL; errno = 0)
        if (is_copy(entry->d_name, name))
            result = 1;
    if (result == 0 && errno != 0)
        result = -1;
    int saved = errno;
    closedir(list);
    errno = saved;
    return result;
}

/* What an earlier try left; its process, should it still live, then fails. */
static void sweep_tmp(int tmp, const char *name)
{
    size_t n = strlen(name);
    const struct dirent *entry;
    DIR *list = list_folder(tmp);

    while (list != NULL && (entry = readdir(list)) != NULL)
        if (strncmp(entry->d_name, name, n) == 0 && entry->d_name[n] == '.')
            unlinkat(tmp, entry->d_name, 0); /* not removed: it only takes room */
    if (list != NULL)
        closedir(list);
}

/* 1 when the copy is there, and its entry durable. Its text was synced before it got the name. A
 * reader of mail moves it from new/ to cur/, so new/ is looked at first. */
static int find_copy(const struct maildir *m, const char *name, bool tried, char why[MAILDIR_WHY])
{
    enum folder f = NEW;
    int found = faccessat(m->folder[NEW], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

    if (!found && errno != ENOENT)
        return failed(why, "cannot look into", folder_names[f]);
    if (!found && tried) {
        f = CUR;
        found = search_folder(m->folder[CUR], name);
    }
    if (found < 0)
        return failed(why, "cannot look into", folder_names[f]);
    if (found > 0 && durable_sync(m->folder[f]) < 0)
        return failed(why, "cannot sync", folder_names[f]);
    return found;
}

static int write_body(int to, const struct maildir_copy *copy)
{
    char piece[PIECE];
    off_t at = (off_t)copy->body_at;

    for (;;) {
        ssize_t n = pread(copy->fd, piece, sizeof(piece), at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        if (durable_write(to, piece, (size_t)n) < 0)
            return -1;
        at += n;
    }
}

static int write_copy(int to, const struct maildir_copy *copy)
{
    if (durable_write(to, copy->prefix.p, copy->prefix.n) < 0 ||
        durable_write(to, copy->header.p, copy->header.n) < 0 || write_body(to, copy) < 0)
        return -1;
    return durable_sync(to);
}

static int write_tmp(const struct maildir *m, const char *temporary,
                     const struct maildir_copy *copy, char why[MAILDIR_WHY])
{
    int fd = durable_create(m->folder[TMP], temporary, 0600);

    if (fd < 0)
        return failed(why, "cannot make a file in", "tmp");
    int result = write_copy(fd, copy);
    int saved = errno;
    if (durable_close(fd) < 0) {
        if (result == 0)
            saved = errno;
        result = -1;
    }
    if (result == 0)
        return 0;
    unlinkat(m->folder[TMP], temporary, 0);
    errno = saved;
    return failed(why, "cannot write the copy in", "tmp");
}

static enum maildir_result deliver(const struct maildir *m, const char *name,
                                   const struct maildir_copy *copy, char why[MAILDIR_WHY])
{
    char temporary[TEMPORARY];
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        failed(why, "no random number for a file in", "tmp");
        return MAILDIR_FAILED;
    }
    snprintf(temporary, sizeof(temporary), "%s.%016llx", name, (unsigned long long)random);
    if (write_tmp(m, temporary, copy, why) < 0)
        return MAILDIR_FAILED;
    if (durable_move(m->folder[TMP], temporary, m->folder[NEW], name) < 0) {
        bool found = errno == EEXIST;
        failed(why, "cannot move the copy to", "new");
        unlinkat(m->folder[TMP], temporary, 0);
        if (found && durable_sync(m->folder[NEW]) == 0)
            return MAILDIR_FOUND;
        return MAILDIR_FAILED;
    }
    if (durable_sync(m->folder[NEW]) == 0)
        return MAILDIR_DELIVERED;
    failed(why, "cannot sync", "new");
    unlinkat(m->folder[NEW], name, 0); /* not safely there, so not there at all */
    return MAILDIR_FAILED;
}

enum maildir_result maildir_deliver(const struct maildir *m, const char *name, bool tried,
                                    const struct maildir_copy *copy, char why[MAILDIR_WHY])
{
    if (tried)
        sweep_tmp(m->folder[TMP], name);
    int found = find_copy(m, name, tried, why);
    if (found == 0)
        return deliver(m, name, copy, why);
    return found > 0 ? MAILDIR_FOUND : MAILDIR_FAILED;
}
