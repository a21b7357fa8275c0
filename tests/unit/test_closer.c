/* Removal whose end is left to a thread: nothing stays, no descriptor is lost. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/closer.h"

enum { FILES = 1000 /* many more than wait at once */ };

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static void remove_all(struct closer *c, int dir)
{
    char name[16];
    struct stat st;

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(closer_unlink(c, dir, name, NULL), 0);
        assert_int_equal(fstatat(dir, name, &st, 0), -1);
        assert_int_equal(errno, ENOENT);
        if (i % 100 == 0)
            closer_flush(c);
    }
}

static void test_removed(void **state)
{
    char path[] = "/tmp/test_closer.XXXXXX";
    unsigned before = descriptors();

    (void)state;
    assert_non_null(mkdtemp(path));
    int dir = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    struct closer *c = closer_new();
    assert_non_null(c);
    remove_all(c, dir);
    assert_int_equal(closer_unlink(c, dir, "absent", NULL), -1);
    assert_int_equal(errno, ENOENT);
    closer_free(c);
    remove_all(NULL, dir);
    closer_flush(NULL);
    closer_free(NULL);
    close(dir);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(descriptors(), before);
}

/* A name that leads nowhere, and one that is no file: unlinkat's own answers. */
static void test_not_files(void **state)
{
    char path[] = "/tmp/test_closer.XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(path));
    int dir = open(path, O_RDONLY | O_DIRECTORY);
    struct closer *c = closer_new();
    assert_int_equal(symlinkat("nowhere", dir, "link"), 0);
    assert_int_equal(closer_unlink(c, dir, "link", NULL), 0);
    assert_int_equal(mkdirat(dir, "folder", 0700), 0);
    assert_int_equal(closer_unlink(c, dir, "folder", NULL), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(unlinkat(dir, "folder", AT_REMOVEDIR), 0);
    closer_free(c);
    close(dir);
    assert_int_equal(rmdir(path), 0);
}

/* A file that is open is taken as it is, but not where it was not removed, nor without a closer. */
static void test_open_file(void **state)
{
    char path[] = "/tmp/test_closer.XXXXXX";
    unsigned before = descriptors();

    (void)state;
    assert_non_null(mkdtemp(path));
    int dir = open(path, O_RDONLY | O_DIRECTORY);
    struct closer *c = closer_new();
    int fd = openat(dir, "a", O_CREAT | O_EXCL | O_RDWR, 0600);
    assert_true(fd >= 0);
    int mine = fd;
    assert_int_equal(closer_unlink(c, dir, "absent", &fd), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fd, mine);
    assert_int_equal(closer_unlink(c, dir, "a", &fd), 0);
    assert_int_equal(fd, -1);
    fd = openat(dir, "b", O_CREAT | O_EXCL | O_RDWR, 0600);
    mine = fd;
    assert_int_equal(closer_unlink(NULL, dir, "b", &fd), 0);
    assert_int_equal(fd, mine);
    close(fd);
    fd = -1;
    assert_int_equal(mkdirat(dir, "folder", 0700), 0);
    assert_int_equal(closer_unlink(c, dir, "folder", &fd), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(unlinkat(dir, "folder", AT_REMOVEDIR), 0);
    closer_free(c);
    close(dir);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_open_file),
        cmocka_unit_test(test_not_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
