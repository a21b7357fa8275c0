/* What the post office remembers of waiting files, and its checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/postoffice/waiting.h"

enum { WALL = 1700000000, CEILING = 3600 };

struct place {
    char dir[48];
    int fd;
};

static int place_make(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return -1;
    snprintf(p->dir, sizeof(p->dir), "/tmp/test_waiting.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(p->fd >= 0);
    *state = p;
    return 0;
}

static int place_remove(void **state)
{
    struct place *p = *state;

    unlinkat(p->fd, WAITING_NAME, 0);
    close(p->fd);
    rmdir(p->dir);
    free(p);
    return 0;
}

static void put(const struct place *p, const char *text)
{
    int fd = openat(p->fd, WAITING_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_entries(void **state)
{
    const struct place *p = *state;
    struct waiting w;
    char name[32];

    assert_int_equal(waiting_open(&w, p->fd, WALL, CEILING), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "m%d", i * 7 % 1000);
        struct waiting_entry *e = waiting_get(&w, name);
        assert_non_null(e);
        assert_string_equal(e->name, name);
        assert_ptr_equal(waiting_get(&w, name), e);
        e->seen = i % 3 == 0;
        e->active = i % 3 == 1;
    }
    assert_int_equal(w.count, 1000);
    waiting_prune(&w);
    assert_int_equal(w.count, 667);
    waiting_prune(&w); /* only what is active, now */
    assert_int_equal(w.count, 333);
    waiting_remove(&w, waiting_get(&w, "m7")); /* i = 1 */
    assert_int_equal(w.count, 332);
    waiting_close(&w);
}

static void test_delays(void **state)
{
    static const int64_t wanted[] = {10, 20, 40, 50, 50};
    const struct place *p = *state;
    struct waiting w;

    waiting_open(&w, p->fd, WALL, CEILING);
    struct waiting_entry *e = waiting_get(&w, "m");
    assert_int_equal(waiting_next_due(&w), INT64_MAX);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        int64_t before = waiting_now(&w);
        waiting_later(&w, e, 10, 50);
        int64_t after = waiting_now(&w);
        assert_true(e->due >= before + wanted[i] && e->due <= after + wanted[i]);
        assert_int_equal(waiting_next_due(&w), e->due);
    }
    e->active = true;
    assert_int_equal(waiting_next_due(&w), INT64_MAX);
    e->active = false;
    waiting_hurry(&w);
    assert_int_equal(waiting_next_due(&w), 0);
    e->tries = 4000000000U; /* no overflow however long it goes on */
    waiting_later(&w, e, INT64_MAX / 4, INT64_MAX / 4);
    assert_true(e->due > 0);
    waiting_close(&w);
}

static void test_round_trip(void **state)
{
    const struct place *p = *state;
    struct waiting w;

    waiting_open(&w, p->fd, WALL, CEILING);
    waiting_later(&w, waiting_get(&w, "a name with  blanks"), 100, 1000);
    waiting_later(&w, waiting_get(&w, "line\nend"), 100, 1000); /* cannot be told: forgotten */
    waiting_later(&w, waiting_get(&w, "m"), 100, 1000);
    waiting_later(&w, waiting_get(&w, "m"), 100, 1000);
    waiting_get(&w, "never tried");
    assert_int_equal(waiting_save(&w, p->fd, WALL, false), 0); /* too soon: nothing is written */
    assert_int_equal(faccessat(p->fd, WAITING_NAME, F_OK, 0), -1);
    assert_int_equal(waiting_save(&w, p->fd, WALL, true), 0);
    assert_int_equal(faccessat(p->fd, WAITING_NAME, F_OK, 0), 0);
    waiting_close(&w);

    assert_int_equal(waiting_open(&w, p->fd, WALL + 50, CEILING), 0);
    assert_int_equal(w.count, 2);
    assert_int_equal(waiting_get(&w, "a name with  blanks")->tries, 1);
    assert_int_equal(waiting_get(&w, "m")->tries, 2);
    int64_t due = waiting_get(&w, "m")->due - waiting_now(&w);
    assert_true(due >= 148 && due <= 150);
    waiting_close(&w);
}

/* However the wall clock steps between two runs, service time goes on by 0 to CEILING. */
static void test_clock_steps(void **state)
{
    static const struct {
        int64_t wall, gap;
    } cases[] = {
        {WALL, 0},
        {WALL + 5, 5},
        {WALL - 1, 0},
        {0, 0},
        {WALL + CEILING, CEILING},
        {WALL + 10LL * 365 * 86400, CEILING},
        {INT32_MAX, CEILING},
        {4102444800, CEILING},
    };
    const struct place *p = *state;
    struct waiting w;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(p, "TIME 1000 1700000000\nKEPT 900 1100 3 m\n");
        assert_int_equal(waiting_open(&w, p->fd, cases[i].wall, CEILING), 0);
        int64_t now = waiting_now(&w);
        assert_true(now >= 1000 + cases[i].gap && now <= 1001 + cases[i].gap);
        assert_int_equal(waiting_get(&w, "m")->first, 900);
        /* and the next run begins with the two clocks side by side again */
        assert_int_equal(waiting_save(&w, p->fd, cases[i].wall, true), 0);
        waiting_close(&w);
        assert_int_equal(waiting_open(&w, p->fd, cases[i].wall + 7, CEILING), 0);
        assert_true(waiting_now(&w) >= now + 7 && waiting_now(&w) <= now + 9);
        waiting_close(&w);
    }
}

static void test_damage(void **state)
{
    static const struct {
        const char *text;
        size_t damaged, entries;
    } cases[] = {
        {"", 0, 0},
        {"TIME 5 5\n", 0, 0},
        {"TIME 5 5", 0, 0},
        {"TIME x 5\nKEPT 1 2 3 m\n", 1, 1},
        {"TIME 5\n", 1, 0},
        {"what\nKEPT 1 2 3 m\n", 1, 1},
        {"KEPT 1 2 3 m\nKEPT 1 2 x n\nKEPT -1 2 3 o\n", 2, 1},
        {"KEPT 1 2 3\n", 1, 0},
        {"KEPT 1 2 3 \n", 1, 0},
        {"KEPT 1 2 99999999 m\n", 1, 0},
        {"KEPT 99999999999999999999 2 3 m\n", 1, 0},
        {"KEPT 1 2 3 m\nKEPT 1 2 4 m\n", 0, 1},
        {"\n", 1, 0},
    };
    const struct place *p = *state;
    struct waiting w;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(p, cases[i].text);
        assert_int_equal(waiting_open(&w, p->fd, WALL, CEILING), cases[i].damaged);
        assert_int_equal(w.count, cases[i].entries);
        waiting_close(&w);
    }
    /* a time that is far off is no reason to wait */
    put(p, "TIME 100 1700000000\nKEPT 200 4000000000 3 m\nKEPT 50 3000 3 n\n");
    assert_int_equal(waiting_open(&w, p->fd, WALL, CEILING), 0);
    assert_true(waiting_get(&w, "m")->due <= 100 && waiting_get(&w, "m")->first <= 100);
    assert_int_equal(waiting_get(&w, "n")->due, 3000);
    waiting_close(&w);
}

static void test_done(void **state)
{
    const struct place *p = *state;
    struct address a[20];
    struct waiting w;
    char text[32];

    waiting_open(&w, p->fd, WALL, CEILING);
    struct waiting_entry *e = waiting_get(&w, "m");
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof(text), "u%d@P", i);
        assert_int_equal(address_parse(span_of(text), ADDRESS_BARE_OK, &a[i], NULL), ADDRESS_GOOD);
        if (i % 2 == 0)
            waiting_note_done(e, &a[i]);
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(waiting_was_done(e, &a[i]), i % 2 == 0);
    waiting_forget_done(e);
    assert_false(waiting_was_done(e, &a[0]));
    waiting_note_done(e, &a[1]);
    assert_true(waiting_was_done(e, &a[1]));
    waiting_close(&w);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(test_entries),     IN_PLACE(test_delays), IN_PLACE(test_round_trip),
        IN_PLACE(test_clock_steps), IN_PLACE(test_damage), IN_PLACE(test_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
