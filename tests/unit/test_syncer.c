/* Syncs in a thread: a failure is told once and ends it; what was begun is waited for. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/syncer.h"

struct told {
    struct loop *loop;
    int times, error;
};

static void on_failed(void *arg, int error)
{
    struct told *t = arg;

    t->times++;
    t->error = error;
    loop_stop(t->loop);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void good_syncs_say_nothing(void **state)
{
    struct told t = {.loop = loop_new()};
    int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    struct syncer *s = syncer_new(t.loop, dir, on_failed, &t);
    assert_non_null(s);
    for (int i = 0; i < 20; i++)
        syncer_start(s);
    struct loop_event *timer = loop_timer(t.loop, stop, t.loop);
    loop_timer_set(timer, 20);
    loop_run(t.loop);
    syncer_start(s);
    assert_int_equal(syncer_free(s), 0);
    assert_int_equal(t.times, 0);
    loop_forget(timer);
    loop_free(t.loop);
    close(dir);
}

/* A descriptor that can't be synced. */
static int unsyncable(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[1]);
    return ends[0];
}

static void a_failure_is_told_once(void **state)
{
    struct told t = {.loop = loop_new()};
    int bad = unsyncable();

    (void)state;
    struct syncer *s = syncer_new(t.loop, bad, on_failed, &t);
    syncer_start(s);
    loop_run(t.loop);
    assert_int_equal(t.times, 1);
    assert_int_equal(t.error, EINVAL);
    syncer_start(s); /* proves nothing any more */
    struct loop_event *timer = loop_timer(t.loop, stop, t.loop);
    loop_timer_set(timer, 20);
    loop_run(t.loop);
    assert_int_equal(t.times, 1);
    assert_int_equal(syncer_free(s), EINVAL);
    loop_forget(timer);
    loop_free(t.loop);
    close(bad);
}

static void what_was_begun_is_waited_for(void **state)
{
    struct told t = {.loop = loop_new()};
    int bad = unsyncable();

    (void)state;
    struct syncer *s = syncer_new(t.loop, bad, on_failed, &t);
    assert_non_null(s);
    syncer_start(s);
    assert_int_equal(syncer_free(s), EINVAL);
    s = syncer_new(t.loop, bad, on_failed, &t);
    assert_int_equal(syncer_free(s), 0); /* none was begun */
    assert_int_equal(syncer_free(NULL), 0);
    assert_int_equal(t.times, 0); /* the loop does not run */
    loop_free(t.loop);
    close(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_syncs_say_nothing),
        cmocka_unit_test(a_failure_is_told_once),
        cmocka_unit_test(what_was_begun_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
