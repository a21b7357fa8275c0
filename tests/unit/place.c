/* See place.h. */
#include "tests/unit/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, FTW_FILES = 16 };

void place_make(struct place *p, const char *more)
{
    struct buf member = {0};
    struct diag d = {0};

    *p = (struct place){.path = "/tmp/spoolmail-test.XXXXXX"};
    assert_non_null(mkdtemp(p->path));
    assert_true(buf_printf(&member, "SYSTEM HOST(h.example) SPOOL(%s/spool)\n%s", p->path, more));
    p->site = site_parse(BUF_SPAN(&member), "test", &d);
    buf_free(&member);
    if (p->site == NULL || !spool_open(&p->spool, p->site, SPOOL_ALL_QUEUES, true, &d))
        fail_msg("%s", d.text);
    msg_open(&p->log, "test", MSG_STDERR);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

void place_remove(struct place *p)
{
    spool_close(&p->spool);
    site_free(p->site);
    assert_int_equal(nftw(p->path, remove_one, FTW_FILES, FTW_DEPTH | FTW_PHYS), 0);
}

static int unlink_one(void *arg, const char *name) /* NOLINT(misc-no-recursion): our own tree */
{
    int dir = *(const int *)arg;

    if (unlinkat(dir, name, 0) == 0)
        return 0;
    int inner = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    assert_true(inner >= 0);
    assert_int_equal(durable_each(inner, unlink_one, &inner), 0);
    close(inner);
    return unlinkat(dir, name, AT_REMOVEDIR);
}

void place_clear(struct place *p)
{
    assert_int_equal(durable_each(p->spool.work, unlink_one, &p->spool.work), 0);
    for (size_t q = 0; q < SPOOL_QUEUES; q++)
        assert_int_equal(durable_each(p->spool.queue[q], unlink_one, &p->spool.queue[q]), 0);
}

bool place_there(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void place_put(int dir, const char *name, const char *text)
{
    int fd = durable_create(dir, name, 0600);

    assert_true(fd >= 0);
    assert_int_equal(durable_write(fd, text, strlen(text)), 0);
    assert_int_equal(durable_close(fd), 0);
}

const char *place_text(int dir, const char *name, char *out, size_t size)
{
    int fd = durable_open(dir, name);
    ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

    if (fd >= 0)
        close(fd);
    out[n < 0 ? 0 : n] = '\0';
    return out;
}

bool place_has(int dir, const char *name, const char *text)
{
    char got[TEXT_MAX];

    return place_there(dir, name) && strcmp(place_text(dir, name, got, sizeof(got)), text) == 0;
}

struct looking {
    int dir;
    bool dotted;
    const char *text;
    unsigned found;
};

static int count_one(void *arg, const char *name)
{
    struct looking *l = arg;

    l->found += (name[0] == '.') == l->dotted;
    return 0;
}

unsigned place_count(int dir, bool dotted)
{
    struct looking l = {.dotted = dotted};

    assert_int_equal(durable_each(dir, count_one, &l), 0);
    return l.found;
}

static int compare_one(void *arg, const char *name)
{
    struct looking *l = arg;
    int inner = openat(l->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (inner < 0) {
        l->found += place_has(l->dir, name, l->text);
        return 0;
    }
    l->found += place_copies(inner, l->text);
    close(inner);
    return 0;
}

unsigned place_copies(int dir, const char *text) /* NOLINT(misc-no-recursion): our own tree */
{
    struct looking l = {.dir = dir, .text = text};

    assert_int_equal(durable_each(dir, compare_one, &l), 0);
    return l.found;
}
