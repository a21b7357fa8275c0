/* Data set names: format, order, century, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/dsname.h"

static void formats_known_times(void **state)
{
    static const struct {
        int64_t wall;
        const char *name;
    } cases[] = {
        {946684800, "OUT.D00001.T0000000.N0001"},  /* 2000-01-01 */
        {951782400, "OUT.D00060.T0000000.N0001"},  /* 2000-02-29 */
        {978307199, "OUT.D00366.T2359590.N0001"},  /* 2000-12-31T23:59:59 */
        {978307200, "OUT.D01001.T0000000.N0001"},  /* 2001-01-01 */
        {1795288065, "OUT.D26325.T1907450.N0001"}, /* 2026-11-21T19:07:45 */
        {2147483647, "OUT.D38019.T0314070.N0001"}, /* the end of 32-bit time */
        {4102444800, "OUT.D00001.T0000000.N0001"}, /* 2100-01-01: the century comes round */
        {4107542400, "OUT.D00060.T0000000.N0001"}, /* 2100-03-01: no leap day */
        {0, "OUT.D00001.T0000000.N0001"},          /* before 2000: as 2000 */
        {-5, "OUT.D00001.T0000000.N0001"},
    };
    char name[DSNAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(dsname_format(SPAN("OUT"), dsname_stamp(cases[i].wall), name));
        assert_string_equal(name, cases[i].name);
    }
}

static void counts_within_and_past_a_second(void **state)
{
    uint64_t stamp = dsname_stamp(1795288065);
    char name[DSNAME_MAX + 1];

    (void)state;
    for (int i = 1; i < 9999; i++)
        stamp = dsname_next(stamp);
    dsname_format(SPAN("OUT"), stamp, name);
    assert_string_equal(name, "OUT.D26325.T1907450.N9999");
    stamp = dsname_next(stamp);
    dsname_format(SPAN("OUT"), stamp, name);
    assert_string_equal(name, "OUT.D26325.T1907451.N0001");
    for (int i = 1; i < 9 * 9999; i++)
        stamp = dsname_next(stamp);
    dsname_format(SPAN("OUT"), stamp, name);
    assert_string_equal(name, "OUT.D26325.T1907459.N9999");
    stamp = dsname_next(stamp);
    dsname_format(SPAN("OUT"), stamp, name);
    assert_string_equal(name, "OUT.D26325.T1907460.N0001");
}

static void parses_what_it_writes(void **state)
{
    char name[DSNAME_MAX + 1];
    uint64_t back;

    (void)state;
    for (int64_t wall = 946684800; wall < 4102444800; wall += 86400 * 3 + 3661) {
        uint64_t stamp = dsname_stamp(wall);
        assert_true(dsname_format(SPAN("A.B"), stamp, name));
        assert_true(dsname_parse(SPAN("A.B"), span_of(name), &back));
        assert_int_equal(back, stamp);
        assert_int_equal(dsname_wall(back), wall);
    }
}

static void refuses_other_names(void **state)
{
    static const char *const bad[] = {
        "",
        "OUT",
        "OUT.",
        "OUT.D2632",
        "OUT.D26325.T190745",
        "OUT.D26325.T1907450.N",
        "OUT.D26325.T1907450.N000",
        "OUT.D26325.T1907450.N00010",
        "OUT.D26325.T1907450.N0000",
        "OUT.D26000.T1907450.N0001",
        "OUT.D26366.T1907450.N0001",
        "OUT.D24367.T1907450.N0001",
        "OUT.D26325.T2407450.N0001",
        "OUT.D26325.T1960450.N0001",
        "OUT.D26325.T1907600.N0001",
        "OUT.D2632X.T1907450.N0001",
        "OUT.X26325.T1907450.N0001",
        "OUT-D26325.T1907450.N0001",
        "our.D26325.T1907450.N0001",
        "../.D26325.T1907450.N0001",
    };
    uint64_t stamp;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(dsname_parse(SPAN("OUT"), span_of(bad[i]), &stamp));
    assert_true(dsname_parse(SPAN("OUT"), SPAN("OUT.D24366.T1907450.N0001"), &stamp));
}

static void knows_valid_prefixes(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        {"OUT", true},
        {"T01TCP.ACCES.EMAIL", true},
        {"A@#$", true},
        {"A-B", true},
        {"", false},
        {".", false},
        {"A.", false},
        {".A", false},
        {"A..B", false},
        {"1A", false},
        {"-A", false},
        {"ABCDEFGHI", false},
        {"a", false},
        {"A/B", false},
        {"A B", false},
        {"A.B.C.D.E.F.G.H.I.J.K", true},
        {"A.B.C.D.E.F.G.H.I.J.K.L", false}, /* 23 octets */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(dsname_valid(span_of(cases[i].name), DSNAME_PREFIX_MAX), cases[i].good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_known_times),   cmocka_unit_test(counts_within_and_past_a_second),
        cmocka_unit_test(parses_what_it_writes), cmocka_unit_test(refuses_other_names),
        cmocka_unit_test(knows_valid_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
