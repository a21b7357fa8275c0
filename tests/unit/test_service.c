#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/service.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Service seconds go on from what was noted, whatever the wall clock did meanwhile. */
static void test_resumed(void **state)
{
    static const struct {
        int64_t noted, then, wall, most, now;
    } cases[] = {
        {0, 0, 0, 3600, 0},
        {100, 5000, 5000, 3600, 100},
        {100, 5000, 5010, 3600, 110},
        {100, 5000, 8600, 3600, 3700},
        {100, 5000, 8601, 3600, 3700},
        {100, 5000, INT64_C(4102444800), 3600, 3700},
        {100, 5000, 4999, 3600, 100},
        {100, 5000, 0, 3600, 100},
        {100, INT64_C(4102444800), 5000, 3600, 100},
        {100, 5000, 6000, 0, 100},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(
            service_resumed(cases[i].noted, cases[i].then, cases[i].wall, cases[i].most),
            cases[i].now);
}

static void test_backoff(void **state)
{
    static const struct {
        unsigned tries;
        uint64_t base, ceiling, delay;
    } cases[] = {
        {0, 300, 3600, 300},    {1, 300, 3600, 600},
        {2, 300, 3600, 1200},   {3, 300, 3600, 2400},
        {4, 300, 3600, 3600},   {5, 300, 3600, 3600},
        {1000000, 1, 999, 999}, {0, 7, 7, 7},
        {9, 7, 7, 7},           {UINT32_MAX, 1, UINT64_C(1) << 40, UINT64_C(1) << 40},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(service_backoff(cases[i].tries, cases[i].base, cases[i].ceiling),
                         cases[i].delay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_backoff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
