/* See dataset.h. */
#include "lib/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { DIGITS = 20 };

static int open_names(const struct spool *s)
{
    int fd = openat(s->work, "NAMES", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd >= 0 && flock(fd, LOCK_EX) < 0 ? durable_drop(fd) : fd;
}

/* 1; 0: the file is new or damaged; -1: it cannot be read now, which must not pass for that. */
static int read_last(int fd, uint64_t *last)
{
    char text[DIGITS + 1];
    ssize_t n = pread(fd, text, sizeof(text), 0);

    if (n < 0)
        return -1;
    return n == (ssize_t)sizeof(text) && text[DIGITS] == '\n' &&
           span_number((struct span){text, DIGITS}, UINT64_MAX, last);
}

static int write_last(int fd, uint64_t last)
{
    char text[DIGITS + 2];

    snprintf(text, sizeof(text), "%0*" PRIu64 "\n", DIGITS, last);
    return durable_write_at(fd, text, DIGITS + 1, 0);
}

static int close_with(int fd, int result)
{
    int saved = errno;

    if (durable_close(fd) < 0)
        return -1;
    errno = saved;
    return result;
}

/* Reserves them; returns the file, locked, to be synced. */
static int reserve(const struct spool *s, int64_t wall, unsigned count, uint64_t *first)
{
    uint64_t last = 0, stamp = dsname_stamp(wall);

    int fd = open_names(s);
    if (fd < 0)
        return -1;
    int known = read_last(fd, &last);
    if (known < 0)
        return durable_drop(fd);
    if (known && last >= stamp)
        stamp = dsname_next(last);
    *first = stamp;
    for (unsigned i = 1; i < count; i++)
        stamp = dsname_next(stamp);
    return write_last(fd, stamp) < 0 ? durable_drop(fd) : fd;
}

int dataset_names_take(const struct spool *s, int64_t wall, unsigned count, uint64_t *first)
{
    int fd = reserve(s, wall, count, first);

    return fd < 0 ? -1 : close_with(fd, durable_sync(fd));
}

int dataset_names_take_with(const struct spool *s, int64_t wall, unsigned count, uint64_t *first,
                            struct syncset *set)
{
    int fd = reserve(s, wall, count, first);

    if (fd >= 0)
        flock(fd, LOCK_UN); /* what others reserve is above it */
    return fd < 0 ? -1 : syncset_add(set, fd);
}

struct highest {
    struct span prefix;
    uint64_t stamp;
};

static int take_highest(void *arg, const char *name)
{
    struct highest *h = arg;
    uint64_t stamp;

    if (dsname_parse(h->prefix, span_of(name), &stamp) && stamp > h->stamp)
        h->stamp = stamp;
    return 0;
}

int dataset_names_check(const struct spool *s, struct span prefix)
{
    struct highest h = {prefix, 0};

    int fd = open_names(s);
    if (fd < 0)
        return -1;
    int known = read_last(fd, &h.stamp);
    /* A file that was just made must not vanish in a power cut, and what it says with it. */
    if (known < 0 || durable_sync(s->work) < 0)
        return durable_drop(fd);
    if (known)
        return close_with(fd, 0);
    h.stamp = 0;
    if (durable_each(s->queue[QUEUE_MAIL], take_highest, &h) < 0)
        return durable_drop(fd);
    return close_with(fd, write_last(fd, h.stamp) < 0 ? -1 : durable_sync(fd));
}
