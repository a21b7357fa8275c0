/* Unit tests of lib/ready: when a dropped file is whole, and which may not be taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/ready.h"
#include "tests/unit/place.h"

enum { QUIET_MS = 2000, MAX = 100, USER = 65534 };

static struct place place;
static int dir;
static struct watch_list list;
static struct ready_rules rules;

static int set_up(void **state)
{
    (void)state;
    place_make(&place, "");
    dir = place.spool.queue[QUEUE_REMOTE];
    list = (struct watch_list){0};
    /* The wall clock is far behind, so that no file is old by its time alone. */
    rules = (struct ready_rules){.quiet_ms = QUIET_MS, .now_ms = 1000000, .max_octets = MAX};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ready_free(&list);
    place_remove(&place);
    return 0;
}

static enum ready look(const char *name, const char **reason)
{
    struct stat st;
    int fd;
    enum ready result = ready_check(&list, &rules, dir, name, &fd, &st, reason);

    assert_int_equal(result == READY, fd >= 0);
    if (fd >= 0)
        close(fd);
    return result;
}

static void expect_bad(const char *name, const char *part)
{
    const char *reason = NULL;

    assert_int_equal(look(name, &reason), READY_BAD);
    if (strstr(reason, part) == NULL)
        fail_msg("%s: %s", name, reason);
}

static void a_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir, name);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

static void what_is_no_plain_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(dir, "directory", 0700), 0);
    assert_int_equal(symlinkat("/etc/passwd", dir, "link"), 0);
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    a_socket("socket");
    expect_bad("directory", "directory");
    expect_bad("link", "symbolic link");
    expect_bad("fifo", "FIFO");
    expect_bad("socket", "socket");
    if (mknodat(dir, "device", S_IFCHR | 0600, makedev(1, 3)) == 0)
        expect_bad("device", "device");
}

static void a_large_file_is_refused(void **state)
{
    char text[MAX + 2];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[MAX + 1] = '\0';
    place_put(dir, "large", text);
    expect_bad("large", "MAXSIZE");
    text[MAX] = '\0';
    place_put(dir, "fits", text);
    const char *reason;
    assert_int_equal(look("fits", &reason), READY);
    place_put(dir, "empty", "");
    assert_int_equal(look("empty", &reason), READY);
}

static void a_file_that_is_written_is_not_ready(void **state)
{
    const char *reason;

    (void)state;
    assert_int_equal(look("absent", &reason), READY_BUSY);
    int fd = openat(dir, "file", O_CREAT | O_WRONLY, 0640);
    assert_true(fd >= 0);
    assert_int_equal(look("file", &reason), READY_BUSY);
    close(fd);
    assert_int_equal(look("file", &reason), READY);
}

/* What ssmtp has not shown yet; a stranger gets no file to wait for ever by that. */
static void a_file_that_is_not_shown_is_not_ready(void **state)
{
    const char *reason;
    int n = 0;

    (void)state;
    place_put(dir, "unshown", "text");
    assert_int_equal(fchmodat(dir, "unshown", SPOOL_UNSHOWN_MODE, 0), 0);
    assert_int_equal(look("unshown", &reason), READY_BUSY);
    if (geteuid() == 0) {
        assert_int_equal(fchownat(dir, "unshown", 65534, 65534, 0), 0);
        assert_int_equal(look("unshown", &reason), READY);
        assert_int_equal(fchownat(dir, "unshown", 0, 0, 0), 0);
    }
    assert_int_equal(fchmodat(dir, "unshown", SPOOL_MODE, 0), 0);
    while (look("unshown", &reason) != READY && n < 3)
        n++;
    assert_true(n < 3);
}

/* It may be on its way to its last state, so it is refused only when it stays so. */
static void a_second_link_is_refused_when_it_stays(void **state)
{
    const char *reason;

    (void)state;
    place_put(dir, "file", "text");
    assert_int_equal(linkat(dir, "file", dir, "other", 0), 0);
    assert_int_equal(look("file", &reason), READY_BUSY);
    rules.now_ms += QUIET_MS - 1;
    assert_int_equal(look("file", &reason), READY_BUSY);
    rules.now_ms += 1;
    expect_bad("file", "hard links");
    assert_int_equal(unlinkat(dir, "other", 0), 0);
    assert_int_equal(look("file", &reason), READY);
}

/* As another user, who has no leases: size and change time count. */
static void without_leases_it_must_be_quiet(void **state)
{
    const char *reason;

    (void)state;
    if (geteuid() != 0)
        skip();
    place_put(dir, "file", "text");
    assert_int_equal(fchmodat(dir, "file", 0644, 0), 0);
    assert_int_equal(seteuid(USER), 0);
    assert_int_equal(look("file", &reason), READY_BUSY);
    rules.now_ms += QUIET_MS;
    assert_int_equal(look("file", &reason), READY);
    assert_int_equal(seteuid(0), 0);
    int fd = openat(dir, "file", O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "more", 4), 4);
    close(fd);
    assert_int_equal(seteuid(USER), 0);
    assert_int_equal(look("file", &reason), READY_BUSY); /* it was altered */
    rules.wall = (int64_t)time(NULL);                    /* just now */
    assert_int_equal(look("file", &reason), READY_BUSY);
    rules.wall = (int64_t)4e9; /* long ago */
    assert_int_equal(look("file", &reason), READY);
    assert_int_equal(seteuid(0), 0);
}

static void what_may_not_be_read_is_refused_when_it_stays(void **state)
{
    const char *reason;

    (void)state;
    if (geteuid() != 0)
        skip();
    place_put(dir, "file", "text");
    assert_int_equal(fchmodat(dir, "file", 0600, 0), 0);
    assert_int_equal(seteuid(USER), 0);
    assert_int_equal(look("file", &reason), READY_BUSY);
    rules.now_ms += QUIET_MS;
    expect_bad("file", "0640");
    assert_int_equal(seteuid(0), 0);
}

static void it_is_known_to_be_whole(void **state)
{
    const char *reason;

    (void)state;
    rules.quiet_ms = READY_WHOLE;
    int fd = openat(dir, "file", O_CREAT | O_WRONLY, 0640);
    assert_true(fd >= 0);
    assert_int_equal(look("file", &reason), READY);
    close(fd);
}

/* Told once, until it is forgotten; more files than are watched are looked at again each time. */
static void a_file_is_told_once(void **state)
{
    struct stat st = {.st_ino = 1};

    (void)state;
    assert_true(ready_tell(&list, &rules, &st));
    assert_false(ready_tell(&list, &rules, &st));
    ready_prune(&list, rules.now_ms + 10 * 60000 - 1);
    assert_false(ready_tell(&list, &rules, &st));
    ready_prune(&list, rules.now_ms + 10 * 60000);
    assert_true(ready_tell(&list, &rules, &st));
    for (ino_t i = 2; i <= 4096; i++) {
        st.st_ino = i;
        assert_true(ready_tell(&list, &rules, &st));
    }
    st.st_ino = 4097;
    assert_false(ready_tell(&list, &rules, &st));
    assert_int_equal(list.count, 4096);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_plain_file_is_refused),
        TEST(a_large_file_is_refused),
        TEST(a_file_that_is_written_is_not_ready),
        TEST(a_file_that_is_not_shown_is_not_ready),
        TEST(a_second_link_is_refused_when_it_stays),
        TEST(without_leases_it_must_be_quiet),
        TEST(what_may_not_be_read_is_refused_when_it_stays),
        TEST(it_is_known_to_be_whole),
        TEST(a_file_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
