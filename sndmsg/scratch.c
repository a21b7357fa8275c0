/* See scratch.h. */
#include "sndmsg/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/durable.h"

const char *scratch_folder(void)
{
    const char *folder = getenv("TMPDIR");

    return folder != NULL && folder[0] == '/' ? folder : "/tmp";
}

/* A file system without O_TMPFILE: a name for a moment. */
static int open_named(const char *folder)
{
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/sndmsg.XXXXXX", folder) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC); /* mode 0600 */
    if (fd >= 0 && unlink(path) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int scratch_open(struct scratch *s)
{
    const char *folder = scratch_folder();

    *s = SCRATCH_CLOSED;
    s->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (s->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        s->fd = open_named(folder);
    return s->fd < 0 ? -1 : 0;
}

int scratch_write(struct scratch *s, struct span octets)
{
    if (lseek(s->fd, (off_t)s->size, SEEK_SET) >= 0 &&
        durable_write(s->fd, octets.p, octets.n) == 0) {
        s->size += octets.n;
        return 0;
    }
    int saved = errno;
    scratch_cut(s, s->size);
    errno = saved;
    return -1;
}

ssize_t scratch_read(const struct scratch *s, uint64_t at, char *to, size_t n)
{
    ssize_t got;

    if (at >= s->size)
        return 0;
    if (n > s->size - at)
        n = (size_t)(s->size - at);
    do
        got = pread(s->fd, to, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got == 0) { /* it is ours alone: it cannot have become shorter */
        errno = EIO;
        return -1;
    }
    return got;
}

void scratch_cut(struct scratch *s, uint64_t size)
{
    s->size = size;
    if (ftruncate(s->fd, (off_t)size) < 0)
        return; /* only room is lost by it: beyond the size nothing is ever read */
}

void scratch_close(struct scratch *s)
{
    if (s->fd >= 0)
        close(s->fd);
    *s = SCRATCH_CLOSED;
}
