/* Unit tests of ssmtp/handover: a connection arrives at another worker as it was, or stays. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ssmtp/handover.h"

static void connection(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

static void it_arrives_as_it_was(void **state)
{
    struct handover h;
    unsigned listener = 0;
    int ends[2], fd = -1;
    char octet = 'x';

    (void)state;
    assert_true(handover_open(&h, 3));
    assert_false(handover_take(&h, 1, &fd, &listener));
    connection(ends);
    assert_int_equal(write(ends[1], "a", 1), 1); /* before it was given */
    assert_true(handover_give(&h, 1, ends[0], 63));
    assert_int_equal(fcntl(ends[0], F_GETFD), -1); /* closed here */
    assert_false(handover_take(&h, 0, &fd, &listener));
    assert_true(handover_take(&h, 1, &fd, &listener));
    assert_int_equal(listener, 63);
    assert_int_equal(read(fd, &octet, 1), 1);
    assert_int_equal(octet, 'a');
    assert_int_equal(read(fd, &octet, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_false(handover_take(&h, 1, &fd, &listener));
    handover_close(&h);
    close(ends[1]);
}

static void what_cannot_be_given_stays(void **state)
{
    struct handover h;
    int ends[2], given = 0, fd;
    unsigned listener;

    (void)state;
    assert_true(handover_open(&h, 2));
    for (;; given++) { /* nobody takes any */
        connection(ends);
        if (!handover_give(&h, 0, ends[0], 0))
            break;
        close(ends[1]);
        assert_true(given < 10000);
    }
    assert_true(given > 10);
    assert_int_equal(write(ends[0], "a", 1), 1); /* still ours */
    close(ends[0]);
    close(ends[1]);
    for (; given > 0; given--) {
        assert_true(handover_take(&h, 0, &fd, &listener));
        close(fd);
    }
    assert_false(handover_take(&h, 0, &fd, &listener));
    handover_close(&h);
}

static void without_descriptors_it_is_lost(void **state)
{
    struct handover h;
    struct rlimit before, none;
    int ends[2], fd = -1;
    unsigned listener;
    char octet;

    (void)state;
    assert_true(handover_open(&h, 2));
    connection(ends);
    assert_true(handover_give(&h, 0, ends[0], 0));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool was_there = handover_take(&h, 0, &fd, &listener);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(was_there);
    assert_int_equal(fd, -1);
    assert_int_equal(read(ends[1], &octet, 1), 0); /* its client learns it */
    close(ends[1]);
    handover_close(&h);
}

static void each_keeps_its_own_ends(void **state)
{
    struct handover h;
    int ends[2], fd = -1;
    unsigned listener;

    (void)state;
    assert_true(handover_open(&h, 3));
    int other = dup(h.taking[2]), to_us = dup(h.giving[1]);
    handover_keep(&h, 1);
    assert_int_equal(h.taking[0], -1);
    assert_int_equal(h.giving[1], -1);
    connection(ends);
    assert_true(handover_give(&h, 2, ends[0], 1));
    struct handover theirs = {.workers = 1, .taking = {other}, .giving = {-1}};
    assert_true(handover_take(&theirs, 0, &fd, &listener));
    close(fd);
    close(ends[1]);
    close(to_us);
    handover_close(&theirs);
    handover_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_arrives_as_it_was),
        cmocka_unit_test(what_cannot_be_given_stays),
        cmocka_unit_test(without_descriptors_it_is_lost),
        cmocka_unit_test(each_keeps_its_own_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
