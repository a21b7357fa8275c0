/* See redo.h. */
#include "ssmtp/redo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/durable.h"

enum { FILE_NAME = 48, ZEROS = 1 << 20, ASIDE_MAX = 99 };

static void file_name(char out[FILE_NAME], unsigned number)
{
    snprintf(out, FILE_NAME, "SSMTP.%u.JOURNAL", number);
}

/* While it is being made. */
static void making_name(char out[FILE_NAME], unsigned number)
{
    snprintf(out, FILE_NAME, ".SSMTP.%u.JOURNAL.new", number);
}

/* The lock, of a file that still has a name. */
static int lock(int fd)
{
    struct stat st;

    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0)
        return -1;
    if (st.st_nlink > 0)
        return 0;
    errno = EWOULDBLOCK; /* its owner is just replacing it */
    return -1;
}

/* The newest of the heads. Where the last ones stand is known by the size of the file, should the
 * first ones be lost, or else by the first ones. */
static int find_head(struct redo *r, unsigned number)
{
    unsigned char text[JOURNAL_HEAD];
    struct stat st;
    bool found = false;

    if (fstat(r->fd, &st) < 0)
        return -1;
    for (unsigned copy = 0; copy < JOURNAL_COPIES; copy++) {
        struct journal_head h;
        uint64_t size = found ? r->head.size : (uint64_t)st.st_size;
        if (size < JOURNAL_SIZE_MIN)
            size = JOURNAL_SIZE_MIN;
        ssize_t n = pread(r->fd, text, sizeof(text), (off_t)journal_head_at(size, copy));
        if (n < 0)
            return -1;
        if (!journal_head_decode((struct span){(const char *)text, (size_t)n}, &h) ||
            h.number != number || (found && h.released < r->head.released))
            continue;
        r->head = h;
        found = true;
    }
    if (found)
        return 0;
    errno = EBADMSG;
    return -1;
}

/* Opens `file` and locks it. */
static int take(struct redo *r, int work, const char *file)
{
    *r = (struct redo){.head_fd = -1};
    r->fd = openat(work, file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (r->fd < 0)
        return -1;
    if (lock(r->fd) < 0) {
        durable_drop(r->fd);
        r->fd = -1;
        return -1;
    }
    return 0;
}

static int drop(struct redo *r)
{
    int saved = errno;

    redo_close(r);
    errno = saved;
    return -1;
}

int redo_open(struct redo *r, int work, unsigned number)
{
    char file[FILE_NAME];

    file_name(file, number);
    if (take(r, work, file) < 0)
        return -1;
    if (find_head(r, number) < 0)
        return drop(r);
    r->head_fd = openat(work, file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return r->head_fd < 0 ? drop(r) : 0;
}

void redo_close(struct redo *r)
{
    /* What was promised is synced. */
    if (r->fd >= 0)
        close(r->fd);
    if (r->head_fd >= 0)
        close(r->head_fd);
    r->fd = r->head_fd = -1;
}

bool redo_whole(const struct redo *r)
{
    struct stat st;

    return fstat(r->fd, &st) == 0 && (uint64_t)st.st_size == r->head.size;
}

static int write_heads(const struct redo *r, int fd)
{
    unsigned char text[JOURNAL_HEAD];
    unsigned copy = r->head.released % 2;

    journal_head_encode(&r->head, text);
    for (; copy < JOURNAL_COPIES; copy += 2)
        if (durable_write_at(fd, text, sizeof(text), (off_t)journal_head_at(r->head.size, copy)) <
            0)
            return -1;
    return 0;
}

/* Overwrites a part with zeros. */
static int blank(const struct redo *r, uint64_t at, uint64_t n)
{
    char *zeros = calloc(1, n < ZEROS ? n : ZEROS);
    int result = zeros == NULL ? -1 : 0;

    for (uint64_t done = 0; result == 0 && done < n; done += ZEROS)
        result =
            durable_write_at(r->fd, zeros, n - done < ZEROS ? n - done : ZEROS, (off_t)(at + done));
    int saved = errno;
    free(zeros);
    errno = saved;
    return result;
}

/* Blocks that were never written would be metadata at their first sync. The last sync shows whether
 * octets can be synced alone here. */
static int write_all(const struct redo *r)
{
    return blank(r, 0, r->head.size) < 0 || write_heads(r, r->fd) < 0 || durable_sync(r->fd) < 0 ||
                   durable_sync_data(r->fd) < 0
               ? -1
               : 0;
}

static int begin_making(struct redo *r, int work, const char *file)
{
    *r = (struct redo){.head_fd = -1};
    r->fd = durable_create(work, file, 0600);
    if (r->fd < 0 && errno == EEXIST && take(r, work, file) == 0) {
        unlinkat(work, file, 0); /* its maker died */
        redo_close(r);
        r->fd = durable_create(work, file, 0600);
    }
    if (r->fd < 0 || lock(r->fd) == 0)
        return r->fd < 0 ? -1 : 0;
    return drop(r);
}

int redo_make(struct redo *r, int work, unsigned number, uint64_t size)
{
    char file[FILE_NAME], making[FILE_NAME];

    file_name(file, number);
    making_name(making, number);
    if (begin_making(r, work, making) < 0)
        return -1;
    r->head.number = number;
    r->head.size = size;
    if (getrandom(r->head.key, JOURNAL_KEY, 0) == JOURNAL_KEY && write_all(r) == 0 &&
        durable_move(work, making, work, file) == 0) {
        r->head_fd = openat(work, file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (r->head_fd >= 0 && durable_sync(work) == 0)
            return 0;
        return drop(r); /* it is empty, so it does no harm */
    }
    int saved = errno;
    unlinkat(work, making, 0);
    errno = saved;
    return drop(r);
}

int redo_remove(const struct redo *r, int work)
{
    char file[FILE_NAME];

    file_name(file, r->head.number);
    return unlinkat(work, file, 0) < 0 || durable_sync(work) < 0 ? -1 : 0;
}

int redo_append(const struct redo *r, uint64_t generation, uint64_t at, struct span batch,
                bool *doubt)
{
    uint64_t place = journal_half_at(r->head.size, generation) + at;

    *doubt = false;
    if (durable_write_at(r->fd, batch.p, batch.n, (off_t)place) < 0) {
        int saved = errno;
        /* It must not be found later, nor after a power cut: its sender is told no. */
        *doubt = blank(r, place, batch.n) < 0 || durable_sync_data(r->fd) < 0;
        errno = saved;
        return -1;
    }
    if (durable_sync_data(r->fd) == 0)
        return 0;
    *doubt = true;
    return -1;
}

int redo_release(struct redo *r, uint64_t generation)
{
    r->head.released = generation;
    return write_heads(r, r->head_fd) < 0 || durable_sync_data(r->head_fd) < 0 ? -1 : 0;
}

int redo_read(const struct redo *r, uint64_t generation, struct buf *half)
{
    uint64_t at = journal_half_at(r->head.size, generation);
    size_t size = (size_t)journal_half_size(r->head.size);

    buf_clear(half);
    if (!buf_reserve(half, size)) {
        errno = ENOMEM;
        return -1;
    }
    while (half->len < size) {
        ssize_t n = pread(r->fd, half->data + half->len, size - half->len, (off_t)(at + half->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        half->len += (size_t)n;
    }
    return 0;
}

struct listing {
    int work;
    bool *found;
};

static int list_one(void *arg, const char *name)
{
    struct listing *l = arg;
    char file[FILE_NAME];

    for (unsigned number = 1; number <= REDO_MAX; number++) {
        struct redo r;
        file_name(file, number);
        if (strcmp(name, file) == 0)
            l->found[number] = true;
        making_name(file, number);
        if (strcmp(name, file) == 0 && take(&r, l->work, file) == 0) {
            unlinkat(l->work, file, 0);
            redo_close(&r);
        }
    }
    return 0;
}

int redo_list(int work, bool found[REDO_MAX + 1])
{
    struct listing l = {work, found};

    memset(found, 0, (REDO_MAX + 1) * sizeof(*found));
    return durable_each(work, list_one, &l);
}

int redo_set_aside(int work, unsigned number)
{
    char file[FILE_NAME], aside[FILE_NAME + 16];

    file_name(file, number);
    for (unsigned i = 1; i <= ASIDE_MAX; i++) {
        snprintf(aside, sizeof(aside), "%s.DAMAGED.%u", file, i);
        if (durable_move(work, file, work, aside) == 0)
            return durable_sync(work);
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}
