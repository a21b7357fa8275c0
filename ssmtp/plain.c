/* See plain.h. */
#include "ssmtp/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX ".ssmtp-"

enum { NAME_TRIES = 8 };

void plain_format(char out[PLAIN_FILE], const struct plain *p)
{
    snprintf(out, PLAIN_FILE, PREFIX "%u-%llx-%s", p->number % 1000,
             (unsigned long long)p->generation, p->name);
}

/* Takes a number and its hyphen off the front. */
static bool take_number(struct span *s, unsigned base, uint64_t max, uint64_t *value)
{
    static const char all[] = "0123456789abcdef";
    struct span digits;

    *value = 0;
    if (!span_cut(s, '-', &digits) || digits.n == 0 || digits.p[0] == '0')
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        const char *digit = memchr(all, digits.p[i], base);
        if (digit == NULL || *value > max / base)
            return false;
        *value = *value * base + (uint64_t)(digit - all);
    }
    return *value <= max;
}

bool plain_parse(const char *file, struct plain *p)
{
    struct span s = span_of(file);
    uint64_t number;

    if (strncmp(file, PREFIX, sizeof(PREFIX) - 1) != 0)
        return false;
    s = span_from(s, sizeof(PREFIX) - 1);
    if (!take_number(&s, 10, 999, &number) || !take_number(&s, 16, UINT64_MAX, &p->generation) ||
        s.p == NULL || s.n == 0 || s.p[0] == '.')
        return false;
    p->number = (unsigned)number;
    p->dotted = true;
    return span_copy(s, p->name, sizeof(p->name));
}

int plain_unshown(int dir, const char *file)
{
    unsigned number = store_name_journal(file);
    struct stat st;

    if (number == 0)
        return 0;
    if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return spool_unshown(&st) && st.st_uid == geteuid() ? (int)number : 0;
}

/* Was it left by a try at the same message, this one or one before a stop? Such a file has no seal
 * yet, or this one. -1: nobody knows, and a second file would double the message. */
static int is_left(int dir, const struct plain *p, const char *file, const struct seal_mark *mark)
{
    if (p->dotted)
        return 1;
    int number = plain_unshown(dir, file); /* of this journal, or else it would be dotted */
    if (number <= 0)
        return number;
    int fd = durable_open(dir, file);
    if (fd < 0)
        return -1;
    enum seal_state state = seal_compare(fd, mark);
    if (state == SEAL_TROUBLE)
        return durable_drop(fd);
    close(fd);
    return state != SEAL_BROKEN;
}

/* Of make(): the name is taken, or there are no seals. */
enum { NOT_IN_THIS_FORM = -2 };

/* As plain_make(), in the form that *p says. */
static int make(int dir, const struct plain *p, struct span content, const struct seal_mark *mark)
{
    char file[PLAIN_FILE];
    mode_t mode = p->dotted ? SPOOL_MODE : SPOOL_UNSHOWN_MODE;

    if (p->dotted)
        plain_format(file, p);
    else
        snprintf(file, sizeof(file), "%s", p->name);
    int fd = durable_create(dir, file, mode);
    if (fd < 0 && errno == EEXIST) {
        int left = is_left(dir, p, file, mark);
        if (left <= 0)
            return left == 0 ? NOT_IN_THIS_FORM : -1;
        fd = unlinkat(dir, file, 0) < 0 ? -1 : durable_create(dir, file, mode);
    }
    if (fd < 0)
        return -1;
    int result = durable_write(fd, content.p, content.n) == 0 ? seal_put(fd, mark) : -1;
    if (result == 0 || (result > 0 && p->dotted))
        return fd;
    int saved = errno;
    /* What cannot be taken away is in the way of the other form: that is for the next try. */
    bool gone = unlinkat(dir, file, 0) == 0 || errno == ENOENT;
    errno = gone ? saved : errno;
    durable_drop(fd);
    return result > 0 && gone ? NOT_IN_THIS_FORM : -1;
}

int plain_make(int dir, struct plain *p, struct span content, const struct seal_mark *mark)
{
    p->dotted = p->dotted || store_name_journal(p->name) != p->number;
    int fd = make(dir, p, content, mark);
    if (fd != NOT_IN_THIS_FORM)
        return fd;
    p->dotted = true;
    return make(dir, p, content, mark);
}

int plain_show(int dir, struct plain *p, struct store_names *names)
{
    char file[PLAIN_FILE];

    if (!p->dotted)
        return fchmodat(dir, p->name, SPOOL_MODE, 0);
    plain_format(file, p);
    for (int tries = 0; tries < NAME_TRIES; tries++) {
        if (durable_move(dir, file, dir, p->name) == 0)
            return 0;
        if (errno != EEXIST)
            return -1;
        if (!store_names_next(names, true, p->name))
            return -1;
    }
    errno = EEXIST;
    return -1;
}
