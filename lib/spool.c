/* See spool.h. */
#include "lib/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/seal.h"

#define TEMPORARY_PREFIX ".spool-"

enum { DROP_MODE = 03733, PRIVATE_MODE = 0750, PUBLIC_MODE = 0755, WORK_MODE = 0700 };

/* The queues: directory below SPOOL (NULL: named by the configuration) and mode. */
static const struct {
    const char *name;
    mode_t mode;
} queues[SPOOL_QUEUES] = {
    [QUEUE_REMOTE] = {NULL, DROP_MODE},
    [QUEUE_POST] = {"jes/POST", PRIVATE_MODE},
    [QUEUE_PRT] = {"jes/PRT", PRIVATE_MODE},
    [QUEUE_HOLD] = {"jes/HOLD", PRIVATE_MODE},
    [QUEUE_DEAD] = {"jes/DEAD", PRIVATE_MODE},
    [QUEUE_MAIL] = {"mail", DROP_MODE},
    [QUEUE_SUBMIT] = {"jes/SUBMIT", PRIVATE_MODE},
};

const char *spool_queue_name(const struct site *site, enum spool_queue q, char out[64])
{
    if (queues[q].name != NULL)
        snprintf(out, 64, "%s", queues[q].name);
    else
        snprintf(out, 64, "jes/%s", site->remote);
    return out;
}

static bool open_part(int at, const char *name, mode_t mode, int *fd, const struct site *site,
                      struct diag *d)
{
    *fd = durable_dir(at, name, mode);
    if (*fd < 0 && errno == EACCES && mode == 0)
        *fd = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0)
        return true;
    return diag_set(d, 0, 0, "%s%s%s: %s; run as the spool's user, or make it with this owner",
                    at == AT_FDCWD ? "" : site->spool, at == AT_FDCWD ? "" : "/", name,
                    strerror(errno));
}

static bool open_counter(const struct spool *s)
{
    int fd = openat(s->jes, "JOBNO", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0)
        return false;
    bool good = fchmod(fd, 0666) == 0 || errno == EPERM;
    close(fd);
    return good;
}

/* Whoever made them may have been killed before he synced that: what is put into them would be lost
 * with them. Where the spool stands is not always ours to open (a jail, a stranger's directory).
 * From a user they may be closed (O_PATH): then so are the queues, and durable_sync_entry() syncs
 * the whole file system. */
static bool sync_folder(int dir, bool ours)
{
    return durable_sync(dir) == 0 || (!ours && errno == EBADF);
}

static bool sync_folders(const struct spool *s, const struct site *site, bool ours, struct diag *d)
{
    bool above = durable_sync_parent(AT_FDCWD, site->spool) == 0 || errno == EACCES ||
                 errno == EROFS || errno == EINVAL;

    return (above && sync_folder(s->root, ours) && sync_folder(s->jes, ours)) ||
           diag_set(d, 0, 0, "%s: it cannot be synced: %s", site->spool, strerror(errno));
}

bool spool_open(struct spool *s, const struct site *site, unsigned wanted, bool make,
                struct diag *d)
{
    char name[64];
    mode_t public = make ? PUBLIC_MODE : 0;

    *s = (struct spool){.root = -1, .jes = -1, .work = -1};
    for (int q = 0; q < SPOOL_QUEUES; q++)
        s->queue[q] = -1;
    bool good = open_part(AT_FDCWD, site->spool, public, &s->root, site, d) &&
                open_part(s->root, "jes", public, &s->jes, site, d) &&
                (!make || open_part(s->root, "work", WORK_MODE, &s->work, site, d));
    if (good && make && !open_counter(s))
        good = diag_set(d, 0, 0, "%s/jes/JOBNO: %s", site->spool, strerror(errno));
    for (int q = 0; good && q < SPOOL_QUEUES; q++)
        if (wanted & 1U << q)
            good = open_part(s->root, spool_queue_name(site, (enum spool_queue)q, name),
                             make ? queues[q].mode : 0, &s->queue[q], site, d);
    good = good && sync_folders(s, site, make, d);
    if (!good)
        spool_close(s);
    return good;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd); /* a directory: nothing can be lost by closing it */
    *fd = -1;
}

void spool_close(struct spool *s)
{
    for (int q = 0; q < SPOOL_QUEUES; q++)
        close_one(&s->queue[q]);
    close_one(&s->work);
    close_one(&s->jes);
    close_one(&s->root);
}

static bool name_part(struct span s)
{
    if (s.n == 0 || s.n > 8)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'A' && c <= 'Z') && c != '@' && c != '#' && c != '$')
            return false;
        if (digit && i == 0)
            return false;
    }
    return true;
}

bool spool_dest_valid(struct span dest)
{
    return name_part(dest);
}

int spool_dest(const struct spool *s, const char *dest)
{
    if (!spool_dest_valid(span_of(dest))) {
        errno = EINVAL;
        return -1;
    }
    int fd = openat(s->jes, dest, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        fd = openat(s->jes, dest, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

static bool job_id(struct span s)
{
    uint64_t n;

    return s.n == 8 && span_eq((struct span){s.p, 3}, SPAN("JOB")) &&
           span_number(span_from(s, 3), 99999, &n);
}

void spool_name_parse(struct span name, struct spool_name *out)
{
    struct span first, second, part, rest = name;
    struct span last = name;

    *out = (struct spool_name){0};
    if (span_cut(&rest, '.', &first) && name_part(first))
        span_copy(first, out->job, sizeof(out->job));
    if (span_cut(&rest, '.', &second) && job_id(second))
        span_copy(second, out->id, sizeof(out->id));
    for (rest = name; span_cut(&rest, '.', &part);)
        last = part;
    out->has_recfm = last.n < name.n && recfm_parse(last, &out->recfm);
}

bool spool_name_format(char *out, size_t size, const char *job, unsigned number, unsigned data_set,
                       const char *ddname, const struct recfm *recfm)
{
    struct buf format = {0};

    if (!name_part(span_of(job)) || !name_part(span_of(ddname)) || number > 99999 ||
        data_set > 9999999 || !recfm_write(&format, recfm)) {
        buf_free(&format);
        return false;
    }
    int n = snprintf(out, size, "%s.JOB%05u.D%07u.%s.%s", job, number, data_set, ddname,
                     format.len ? buf_str(&format) : "T");
    buf_free(&format);
    return (size_t)n < size;
}

bool spool_name_received(const char *name)
{
    return strncmp(name, SPOOL_RECEIVED ".JOB", sizeof(SPOOL_RECEIVED ".JOB") - 1) == 0;
}

enum { LOCK_TRIES = 20, JOB_NUMBERS = 99999 };

/* The lock is only a courtesy between honest programs, so nobody waits for it for long. */
static bool lock_counter(int fd)
{
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        usleep(5000);
    }
    return false;
}

unsigned spool_job_numbers(const struct spool *s, unsigned count)
{
    char text[8];
    uint64_t last = 0;
    unsigned random = 0;

    int fd = openat(s->jes, "JOBNO", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    if (!lock_counter(fd)) {
        close(fd);
        return getrandom(&random, sizeof(random), 0) < 0 ? 0 : random % JOB_NUMBERS + 1;
    }
    ssize_t n = pread(fd, text, 6, 0);
    if (n < 6 || text[5] != '\n' || !span_number((struct span){text, 5}, JOB_NUMBERS, &last))
        last = 0;
    unsigned number = (unsigned)(last % JOB_NUMBERS) + 1;
    snprintf(text, sizeof(text), "%05u\n", (number + count - 2) % JOB_NUMBERS + 1);
    if (durable_write_at(fd, text, 6, 0) < 0) {
        durable_drop(fd);
        return 0;
    }
    close(fd); /* gives the lock back; a counter that is not written only repeats a hint */
    return number;
}

int spool_create(struct spool_writer *w, int dir)
{
    uint64_t random;

    *w = (struct spool_writer){.dir = dir, .fd = -1};
    for (int tries = 0; tries < 8; tries++) {
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return -1;
        snprintf(w->temporary, sizeof(w->temporary), TEMPORARY_PREFIX "%016llx",
                 (unsigned long long)random);
        w->fd = durable_create(dir, w->temporary, SPOOL_MODE);
        if (w->fd >= 0 && flock(w->fd, LOCK_EX | LOCK_NB) == 0) {
            struct stat st;
            /* The sweeper may have come between the two calls: then the file has no name any more.
             */
            if (fstat(w->fd, &st) == 0 && st.st_nlink == 1)
                return 0;
        }
        if (w->fd < 0 && errno != EEXIST)
            return -1;
        if (w->fd >= 0)
            close(w->fd);
        w->fd = -1;
    }
    errno = EAGAIN;
    return -1;
}

int spool_write(struct spool_writer *w, struct span octets)
{
    w->octets += octets.n;
    return durable_write(w->fd, octets.p, octets.n);
}

void spool_abandon(struct spool_writer *w)
{
    int saved = errno;

    if (w->fd >= 0) {
        unlinkat(w->dir, w->temporary, 0); /* left over: the sweeper's */
        close(w->fd);
    }
    w->fd = -1;
    errno = saved;
}

int spool_queue(struct spool_writer *w, const char *name)
{
    if (seal_file(w->fd) < 0 || durable_sync(w->fd) < 0) {
        spool_abandon(w);
        return -1;
    }
    if (durable_move(w->dir, w->temporary, w->dir, name) < 0) {
        if (errno != EEXIST)
            spool_abandon(w);
        return -1;
    }
    int result = durable_sync_entry(w->dir, w->fd);
    if (result < 0) {
        /* It is queued, but not safely: the caller must be told no, so it must not be sent either.
         */
        int saved = errno;
        unlinkat(w->dir, name, 0);
        errno = saved;
    }
    /* Its content was proven before: an error of closing it must not deny what is queued. */
    if (result < 0)
        durable_drop(w->fd);
    else
        close(w->fd);
    w->fd = -1;
    return result;
}

static int sweep_one(void *arg, const char *name)
{
    int dir = *(const int *)arg;

    if (strncmp(name, TEMPORARY_PREFIX, sizeof(TEMPORARY_PREFIX) - 1) != 0)
        return 0;
    int fd = durable_open(dir, name);
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(dir, name, 0); /* still there: the next sweep's */
    close(fd);
    return 0;
}

void spool_sweep(int dir)
{
    durable_each(dir, sweep_one, &dir);
}
