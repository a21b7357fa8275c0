/* See catalog.h. */
#include "lib/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/dsname.h"
#include "lib/durable.h"
#include "lib/statement.h"

enum { DCB_FILE_MAX = 4096, MEMBER_NAME_MAX = 8, READ_AT_ONCE = 1 << 16 };

void catalog_open(struct catalog *c, const char *path)
{
    *c = (struct catalog){.path = path, .dir = -1};
    if (path == NULL)
        return;
    c->dir = durable_dir(AT_FDCWD, path, 0);
    c->error = c->dir < 0 ? errno : 0;
}

void catalog_close(struct catalog *c)
{
    if (c->dir >= 0)
        close(c->dir);
    c->dir = -1;
}

void catalog_release(struct catalog_entry *e)
{
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
}

static bool fault(struct catalog_entry *e, enum catalog_fault id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fault(struct catalog_entry *e, enum catalog_fault id, const char *format, ...)
{
    va_list args;

    catalog_release(e);
    e->fault = id;
    va_start(args, format);
    vsnprintf(e->reason, sizeof(e->reason), format, args);
    va_end(args);
    return false;
}

/* Why open failed; `missing` and its sentence are for a name that is not there. */
static bool open_fault(struct catalog_entry *e, int error, const char *name,
                       enum catalog_fault missing, const char *sentence)
{
    switch (error) {
    case ENOENT:
        return fault(e, missing, "%s", sentence);
    case EACCES:
    case EPERM:
        return fault(e, CATALOG_NOT_AUTHORISED, "you may not read %s: ask its owner", name);
    case ELOOP:
    case EXDEV:
        return fault(e, CATALOG_NO_ALLOCATION, "%s is a link: put the file itself there", name);
    case ENXIO:
        return fault(e, CATALOG_NO_ALLOCATION, "%s is not a plain file", name);
    default:
        return fault(e, CATALOG_NO_ALLOCATION, "%s: %s", name, strerror(error));
    }
}

/* Opens a name in a directory and looks at what it is: 'd' directory, '-' plain file, '?' else. */
static int open_kind(int dir, const char *name, char *kind)
{
    struct stat st;
    int fd = durable_open(dir, name);

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    *kind = S_ISREG(st.st_mode) ? '-' : S_ISDIR(st.st_mode) ? 'd' : '?';
    return fd;
}

/* Appends at most `max` octets; -1 with errno, EFBIG when there are more. */
static int read_all(int fd, size_t max, struct buf *to)
{
    size_t start = to->len;

    for (;;) {
        if (!buf_reserve(to, READ_AT_ONCE)) {
            errno = ENOMEM;
            return -1;
        }
        ssize_t n = read(fd, to->data + to->len, READ_AT_ONCE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        to->len += (size_t)n;
        if (to->len - start > max) {
            errno = EFBIG;
            return -1;
        }
    }
}

static bool label_keyword(struct catalog_entry *e, const struct keyword *k)
{
    struct span value = k->value != NULL ? span_of(k->value) : SPAN("");
    uint64_t lrecl;

    if (span_eq(k->name, SPAN("RECFM")) && dcb_recfm(value, &e->label) == DCB_GOOD)
        return true;
    if (span_eq(k->name, SPAN("LRECL")) && span_number(value, LRECL_MAX, &lrecl) && lrecl > 0) {
        e->label.lrecl = (unsigned)lrecl;
        return true;
    }
    return fault(e, CATALOG_NO_ALLOCATION,
                 ".dcb of the library: %.*s(%.20s) is wrong; write RECFM(FB) LRECL(80), RECFM(VB) "
                 "or RECFM(T)",
                 (int)(k->name.n < 20 ? k->name.n : 20), k->name.p, k->value ? k->value : "");
}

/* The keywords of .dcb are those of one statement without its name. */
static bool parse_label(struct catalog_entry *e, struct span text)
{
    struct statement_list list = {0};
    struct buf member = {0};
    struct diag d;
    bool good = true;

    if (!buf_adds(&member, "DCB ") || !buf_addspan(&member, text) ||
        !statement_parse(BUF_SPAN(&member), &list, &d)) {
        buf_free(&member);
        return fault(e, CATALOG_NO_ALLOCATION,
                     ".dcb of the library cannot be read: write one line such as RECFM(FB) "
                     "LRECL(80)");
    }
    for (size_t i = 0; i < list.statements && good; i++)
        for (size_t k = 0; k < list.statement[i].keywords && good; k++)
            good = label_keyword(e, &list.statement[i].keyword[k]);
    statement_free(&list);
    buf_free(&member);
    return good;
}

static bool read_label(int library, struct catalog_entry *e)
{
    struct buf text = {0};
    char kind;
    int fd = open_kind(library, ".dcb", &kind);

    if (fd < 0 && errno == ENOENT)
        return true;
    if (fd < 0)
        return open_fault(e, errno, ".dcb of the library", CATALOG_NO_ALLOCATION, "");
    int result = kind == '-' ? read_all(fd, DCB_FILE_MAX, &text) : -1;
    close(fd);
    bool good = result == 0 ? parse_label(e, BUF_SPAN(&text))
                            : fault(e, CATALOG_NO_ALLOCATION,
                                    ".dcb of the library is no plain file, too long, or cannot be "
                                    "read");
    buf_free(&text);
    return good;
}

static bool find_member(int library, const char *dsn, const char *member, struct catalog_entry *e)
{
    char kind = '-';

    if (!read_label(library, e))
        return false;
    e->fd = open_kind(library, member, &kind);
    if (e->fd < 0)
        return open_fault(e, errno, member, CATALOG_NO_MEMBER,
                          "the library has no member of that name");
    if (kind != '-')
        return fault(e, CATALOG_NO_ALLOCATION, "%s(%s) is not a plain file", dsn, member);
    return true;
}

/* One qualifier, without the hyphen that a data set name may have. */
static bool member_valid(struct span name)
{
    return dsname_valid(name, MEMBER_NAME_MAX) && span_find(name, '.') == name.n &&
           span_find(name, '-') == name.n;
}

bool catalog_find(const struct catalog *c, const char *dsn, const char *member,
                  struct catalog_entry *e)
{
    char kind = '-';

    *e = (struct catalog_entry){.fd = -1, .label = {.has_recfm = true, .form = RECORD_TEXT}};
    if (c->path == NULL)
        return fault(e, CATALOG_NO_DATA_SET,
                     "there is no catalog: add CATALOG(/folder) to the SMTP statement of the "
                     "configuration");
    if (c->dir < 0)
        return fault(e, CATALOG_NO_DATA_SET, "CATALOG(%.80s) cannot be opened: %s", c->path,
                     strerror(c->error));
    if (!dsname_valid(span_of(dsn), DSNAME_MAX) ||
        (member[0] != '\0' && !member_valid(span_of(member))))
        return fault(e, CATALOG_NO_DATA_SET, "it is no name of a data set");
    int fd = open_kind(c->dir, dsn, &kind);
    if (fd < 0)
        return open_fault(e, errno, dsn, CATALOG_NO_DATA_SET, "the catalog has no such data set");
    if (member[0] != '\0' && kind == 'd') {
        bool good = find_member(fd, dsn, member, e);
        close(fd);
        return good;
    }
    e->fd = fd;
    if (member[0] != '\0')
        return fault(e, CATALOG_NO_ALLOCATION, "%s is not a library: name it without (%s)", dsn,
                     member);
    if (kind == 'd')
        return fault(e, CATALOG_NO_ALLOCATION, "%s is a library: name a member, as in %s(NAME)",
                     dsn, dsn);
    return kind == '-' || fault(e, CATALOG_NO_ALLOCATION, "%s is not a plain file", dsn);
}

bool catalog_read(struct catalog_entry *e, struct buf *to)
{
    int result = read_all(e->fd, CATALOG_DATA_MAX, to);
    int error = errno;

    catalog_release(e);
    if (result == 0)
        return true;
    if (error == EFBIG)
        return fault(e, CATALOG_NO_ALLOCATION, "it is larger than %d MiB: split it",
                     CATALOG_DATA_MAX >> 20);
    return fault(e, CATALOG_NO_ALLOCATION, "it cannot be read: %s", strerror(error));
}
