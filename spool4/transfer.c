/* See transfer.h. */
#include "spool4/transfer.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dataset.h"
#include "spool4/convert.h"

enum {
    HEAD_OCTETS = 16384, /* a longer header is converted */
    BLOCK_FIRST = 16,
    BLOCK_MOST = 1024,
    NAME_TRIES = 1000
};

/* A file of the system's own that nobody writes to any more: ssmtp gives no other its name. */
static int open_finished(int dir, const char *name, struct stat *st)
{
    int fd = durable_open_own(dir, name);

    if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
        st->st_nlink == 1 && !spool_unshown(st))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool fits(int fd, const char *name)
{
    char head[HEAD_OCTETS];
    struct spool_name parts;
    struct envelope e;

    spool_name_parse(span_of(name), &parts);
    if (parts.job[0] == '\0' || parts.id[0] == '\0' || !parts.has_recfm)
        return false;
    ssize_t n = pread(fd, head, sizeof(head), 0);
    if (n <= 0 || !convert_needless(&parts.recfm, (struct span){head, (size_t)n}, &e))
        return false;
    envelope_free(&e);
    return true;
}

static bool next_name(struct transfer *t, char out[DSNAME_MAX + 1])
{
    if (t->left == 0) {
        t->block = t->block == 0               ? BLOCK_FIRST
                   : t->block * 4 < BLOCK_MOST ? t->block * 4
                                               : BLOCK_MOST;
        if (dataset_names_take(t->spool, clock_wall(), t->block, &t->next) < 0)
            return false;
        t->left = t->block;
    }
    if (!dsname_format(span_of(t->program->site->path), t->next, out)) {
        errno = EINVAL;
        return false;
    }
    t->next = dsname_next(t->next);
    t->left--;
    return true;
}

/* Anybody may put a file into mail/, so a name may be taken: then the next one. */
static int move(struct transfer *t, const char *name)
{
    char as[DSNAME_MAX + 1];

    for (int tries = 0; tries < NAME_TRIES; tries++) {
        if (!next_name(t, as))
            return -1;
        if (durable_move_at_once(t->spool->queue[QUEUE_SUBMIT], name, t->spool->queue[QUEUE_MAIL],
                                 as) == 0)
            return 0;
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

enum transfer_result transfer_file(struct transfer *t, const char *name)
{
    struct stat st;

    if (t->impossible)
        return TRANSFER_UNFIT;
    int fd = open_finished(t->spool->queue[QUEUE_SUBMIT], name, &st);
    if (fd < 0)
        return TRANSFER_UNFIT;
    bool fit = fits(fd, name);
    close(fd); /* read only */
    if (!fit)
        return TRANSFER_UNFIT;
    if (move(t, name) == 0)
        return TRANSFER_DONE;
    t->impossible = errno == EINVAL || errno == EXDEV;
    return t->impossible || errno == ENOENT ? TRANSFER_UNFIT : TRANSFER_TROUBLE;
}
