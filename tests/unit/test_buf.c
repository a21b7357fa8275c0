/* Unit tests of lib/buf and lib/diag. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "lib/diag.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Under AddressSanitizer realloc shall fail as the C library's does, not end the program. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void assert_span(struct span got, const char *want)
{
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.n ? got.p : "", want, got.n);
}

static void buf_grows_and_keeps_its_octets(void **state)
{
    struct buf b = {0};

    (void)state;
    for (int i = 0; i < 5000; i++)
        assert_true(buf_addc(&b, (char)i));
    assert_int_equal(b.len, 5000);
    assert_true(b.cap >= b.len);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], (char)i);
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_true(b.cap >= 5000);
    buf_free(&b);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
}

static void buf_takes_every_kind(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_true(buf_adds(&b, "ab"));
    assert_true(buf_add(&b, "\0c", 2));
    assert_true(buf_addspan(&b, SPAN("de")));
    assert_true(buf_fill(&b, '-', 3));
    assert_true(buf_printf(&b, "%d%s", 42, "x"));
    assert_int_equal(b.len, 12);
    assert_memory_equal(b.data, "ab\0cde---42x", 12);
    assert_int_equal(strlen(buf_str(&b)), 2);
    assert_int_equal(b.len, 12);
    assert_int_equal(b.data[12], '\0');
    buf_free(&b);
}

static void buf_makes_text_safe(void **state)
{
    const struct {
        struct span text;
        const char *safe;
    } cases[] = {
        {SPAN(""), ""},
        {{NULL, 0}, ""},
        {SPAN("a ~\n"), "a ~\n"},
        {SPAN("\0\x01\x1F\x7F\x80\xFF"), "\\x00\\x01\\x1F\\x7F\\x80\\xFF"},
        {SPAN("\r\t\033[2J"), "\\x0D\\x09\\x1B[2J"},
        {SPAN("\xC3\xA4"), "\\xC3\\xA4"},
    };
    struct buf failed = {.failed = true};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf b = {0};
        assert_true(buf_addsafe(&b, cases[i].text));
        assert_span(BUF_SPAN(&b), cases[i].safe);
        buf_free(&b);
    }
    assert_false(buf_addsafe(&failed, SPAN("a\001")));
    assert_int_equal(failed.len, 0);
}

static void buf_takes_nothing(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_true(buf_add(&b, NULL, 0));
    assert_true(buf_addspan(&b, (struct span){NULL, 0}));
    assert_true(buf_adds(&b, ""));
    assert_true(buf_fill(&b, 'x', 0));
    assert_true(buf_printf(&b, "%s", ""));
    assert_int_equal(b.len, 0);
    assert_string_equal(buf_str(&b), "");
    buf_free(&b);
}

static void buf_printf_longer_than_the_room(void **state)
{
    struct buf b = {0};
    char long_text[1000];

    (void)state;
    memset(long_text, 'q', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_true(buf_printf(&b, "<%s>", long_text));
    assert_int_equal(b.len, sizeof(long_text) + 1);
    assert_int_equal(b.data[0], '<');
    assert_int_equal(b.data[b.len - 1], '>');
    assert_true(buf_printf(&b, "%c", '!'));
    assert_int_equal(b.data[b.len - 1], '!');
    buf_free(&b);
}

/* The sizes that cannot be had: nothing is added then, and the failure stays until buf_clear(). */
static void buf_remembers_a_failure(void **state)
{
    static const size_t more[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 + 1};

    (void)state;
    for (size_t i = 0; i < COUNT(more); i++) {
        struct buf b = {0};
        assert_true(buf_adds(&b, "kept"));
        assert_false(buf_reserve(&b, more[i]));
        assert_true(b.failed);
        assert_false(buf_addc(&b, 'x'));
        assert_false(buf_add(&b, "", 0));
        assert_false(buf_adds(&b, "more"));
        assert_false(buf_fill(&b, 'x', 1));
        assert_false(buf_fill(&b, 'x', SIZE_MAX));
        assert_false(buf_printf(&b, "%d", 1));
        assert_string_equal(buf_str(&b), "");
        assert_int_equal(b.len, 4);
        assert_memory_equal(b.data, "kept", 4);
        buf_clear(&b);
        assert_true(buf_adds(&b, "again"));
        assert_string_equal(buf_str(&b), "again");
        buf_free(&b);
    }
}

/* Memory that cannot be had: realloc says so, and what was there stays. */
static void buf_survives_want_of_memory(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_true(buf_adds(&b, "kept"));
    assert_false(buf_reserve(&b, SIZE_MAX / 2 - 4));
    assert_true(b.failed);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "kept", 4);
    buf_free(&b);
    assert_true(buf_adds(&b, "new"));
    buf_free(&b);
}

static void buf_consumes_from_the_front(void **state)
{
    static const struct {
        size_t n;
        const char *left;
    } cases[] = {{0, "abcdef"}, {1, "bcdef"}, {5, "f"}, {6, ""}, {7, ""}, {SIZE_MAX, ""}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf b = {0};
        buf_adds(&b, "abcdef");
        buf_consume(&b, cases[i].n);
        assert_span(BUF_SPAN(&b), cases[i].left);
        buf_free(&b);
    }
    struct buf none = {0};
    buf_consume(&none, 0);
    buf_consume(&none, 3);
    assert_int_equal(none.len, 0);
}

static void span_equality(void **state)
{
    static const struct {
        struct span a, b;
        bool same, nocase, starts; /* a starts with b */
    } cases[] = {
        {{"", 0}, {NULL, 0}, true, true, true},
        {{"abc", 3}, {"abc", 3}, true, true, true},
        {{"abc", 3}, {"aBC", 3}, false, true, true},
        {{"abc", 3}, {"ab", 2}, false, false, true},
        {{"abc", 3}, {"AB", 2}, false, false, true},
        {{"ab", 2}, {"abc", 3}, false, false, false},
        {{"a\0b", 3}, {"a\0c", 3}, false, false, false},
        {{"a\0b", 3}, {"A\0B", 3}, false, true, true},
        {{"@[`{", 4}, {"@[`{", 4}, true, true, true},
        {{"@", 1}, {"`", 1}, false, false, false}, /* 32 apart, but no letters */
        {{"[", 1}, {"{", 1}, false, false, false},
        {{"\xC4", 1}, {"\xE4", 1}, false, false, false}, /* ASCII only */
        {{"Z", 1}, {"z", 1}, false, true, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(span_eq(cases[i].a, cases[i].b), cases[i].same);
        assert_int_equal(span_eq_nocase(cases[i].a, cases[i].b), cases[i].nocase);
        assert_int_equal(span_starts_nocase(cases[i].a, cases[i].b), cases[i].starts);
    }
}

static void span_trimming(void **state)
{
    static const struct {
        const char *text, *both, *end;
    } cases[] = {
        {"", "", ""},
        {" ", "", ""},
        {" \t \t", "", ""},
        {"a", "a", "a"},
        {" a ", "a", " a"},
        {"\ta b\t ", "a b", "\ta b"},
        {" a\r", "a\r", " a\r"},
        {"\va\f", "\va\f", "\va\f"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_span(span_trim(span_of(cases[i].text)), cases[i].both);
        assert_span(span_trim_end(span_of(cases[i].text)), cases[i].end);
    }
    assert_int_equal(span_trim((struct span){NULL, 0}).n, 0);
}

static void span_parts(void **state)
{
    struct span abc = SPAN("abc");

    (void)state;
    assert_span(span_from(abc, 0), "abc");
    assert_span(span_from(abc, 2), "c");
    assert_span(span_from(abc, 3), "");
    assert_span(span_from(abc, SIZE_MAX), "");
    assert_ptr_equal(span_from(abc, 99).p, abc.p + 3);
    assert_int_equal(span_from((struct span){NULL, 0}, 0).n, 0);
    assert_int_equal(span_from((struct span){NULL, 0}, 5).n, 0);
    assert_int_equal(span_find(abc, 'a'), 0);
    assert_int_equal(span_find(abc, 'c'), 2);
    assert_int_equal(span_find(abc, 'd'), 3);
    assert_int_equal(span_find(abc, '\0'), 3);
    assert_int_equal(span_find((struct span){NULL, 0}, 'a'), 0);
    assert_int_equal(span_find((struct span){"a\0b", 3}, 'b'), 2);
}

static void span_cut_gives_every_part(void **state)
{
    static const struct {
        const char *text;
        size_t parts;
        const char *part[4];
    } cases[] = {
        {"", 1, {""}},
        {",", 2, {"", ""}},
        {"a", 1, {"a"}},
        {"a,b", 2, {"a", "b"}},
        {"a,", 2, {"a", ""}},
        {",a", 2, {"", "a"}},
        {"a,,b", 3, {"a", "", "b"}},
        {",,,", 4, {"", "", "", ""}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span rest = span_of(cases[i].text), part;
        for (size_t k = 0; k < cases[i].parts; k++) {
            assert_true(span_cut(&rest, ',', &part));
            assert_span(part, cases[i].part[k]);
        }
        assert_false(span_cut(&rest, ',', &part));
        assert_false(span_cut(&rest, ',', &part));
    }
}

static void span_line_gives_every_line(void **state)
{
    static const struct {
        const char *text;
        size_t lines;
        const char *line[3];
    } cases[] = {
        {"", 0, {NULL}},       {"\n", 1, {""}},         {"a", 1, {"a"}},
        {"a\n", 1, {"a"}},     {"a\nb", 2, {"a", "b"}}, {"a\n\nb\n", 3, {"a", "", "b"}},
        {"\n\n", 2, {"", ""}}, {"a\r\n", 1, {"a\r"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span rest = span_of(cases[i].text), line;
        for (size_t k = 0; k < cases[i].lines; k++) {
            assert_true(span_line(&rest, &line));
            assert_span(line, cases[i].line[k]);
        }
        assert_false(span_line(&rest, &line));
        assert_ptr_equal(rest.p, cases[i].text + strlen(cases[i].text));
    }
}

static void span_copy_needs_room_for_the_nul(void **state)
{
    char to[4];

    (void)state;
    assert_true(span_copy(SPAN("abc"), to, sizeof(to)));
    assert_string_equal(to, "abc");
    assert_false(span_copy(SPAN("abcd"), to, sizeof(to)));
    assert_string_equal(to, "");
    assert_true(span_copy((struct span){NULL, 0}, to, 1));
    assert_string_equal(to, "");
    memset(to, 'x', sizeof(to));
    assert_false(span_copy((struct span){"a\0b", 3}, to, sizeof(to)));
    assert_string_equal(to, "");
    memset(to, 'x', sizeof(to));
    assert_false(span_copy(SPAN("a"), to, 0));
    assert_int_equal(to[0], 'x');
}

static void span_number_is_bounded(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        bool good;
        uint64_t value;
    } cases[] = {
        {"0", 0, true, 0},
        {"1", 0, false, 0},
        {"7", 5, false, 0},
        {"5", 5, true, 5},
        {"10", 5, false, 0},
        {"99", 100, true, 99},
        {"100", 100, true, 100},
        {"101", 100, false, 0},
        {"000100", 100, true, 100},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"18446744073709551620", UINT64_MAX, false, 0},
        {"99999999999999999999", UINT64_MAX, false, 0},
        {"340282366920938463463374607431768211457", UINT64_MAX, false, 0}, /* 2^128 + 1 */
        {"4294967297", UINT32_MAX, false, 0},
        {"", 9, false, 0},
        {"-1", 9, false, 0},
        {"+1", 9, false, 0},
        {" 1", 9, false, 0},
        {"1 ", 9, false, 0},
        {"1a", 99, false, 0},
        {"/", 99, false, 0},
        {":", 99, false, 0},
        {"\xD9\xA1", 99, false, 0}, /* an Arabic digit */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 12345;
        assert_int_equal(span_number(span_of(cases[i].text), cases[i].max, &value), cases[i].good);
        assert_int_equal(value, cases[i].good ? cases[i].value : 12345);
    }
}

static void diag_says_where_and_what(void **state)
{
    struct diag d;

    (void)state;
    memset(&d, 'x', sizeof(d));
    assert_false(diag_set(&d, 3, 7, "bad %s of %d", "value", 5));
    assert_int_equal(d.line, 3);
    assert_int_equal(d.column, 7);
    assert_string_equal(d.text, "bad value of 5");
    assert_false(diag_set(&d, 0, SIZE_MAX, "%s", ""));
    assert_int_equal(d.line, 0);
    assert_int_equal(d.column, SIZE_MAX);
    assert_string_equal(d.text, "");
}

static void diag_escapes_controls(void **state)
{
    struct diag d;

    (void)state;
    diag_set(&d, 1, 1, "%s", "a\r\n\033[2Jb\177\t\001");
    assert_string_equal(d.text, "a\\x0D\\x0A\\x1B[2Jb\\x7F\\x09\\x01");
    diag_set(&d, 1, 1, "%s", "J\xC3\xBCrgen");
    assert_string_equal(d.text, "J\xC3\xBCrgen");
}

/* Long text is cut, never overruns, and never ends in half an escape. */
static void diag_cuts_long_text(void **state)
{
    char long_text[400];
    struct {
        struct diag d;
        char guard[8];
    } g;

    (void)state;
    for (size_t n = 0; n < sizeof(long_text); n++) {
        for (int control = 0; control < 2; control++) {
            memset(&g, 'G', sizeof(g));
            memset(long_text, control ? '\x1B' : 'a', n);
            long_text[n] = '\0';
            diag_set(&g.d, 1, 1, "%s", long_text);
            size_t whole = control ? 4 * n : n, most = control ? 236 : 235;
            assert_int_equal(strlen(g.d.text), whole < most ? whole : most);
            assert_memory_equal(g.guard, "GGGGGGGG", 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_grows_and_keeps_its_octets),
        cmocka_unit_test(buf_takes_every_kind),
        cmocka_unit_test(buf_makes_text_safe),
        cmocka_unit_test(buf_takes_nothing),
        cmocka_unit_test(buf_printf_longer_than_the_room),
        cmocka_unit_test(buf_remembers_a_failure),
        cmocka_unit_test(buf_survives_want_of_memory),
        cmocka_unit_test(buf_consumes_from_the_front),
        cmocka_unit_test(span_equality),
        cmocka_unit_test(span_trimming),
        cmocka_unit_test(span_parts),
        cmocka_unit_test(span_cut_gives_every_part),
        cmocka_unit_test(span_line_gives_every_line),
        cmocka_unit_test(span_copy_needs_room_for_the_nul),
        cmocka_unit_test(span_number_is_bounded),
        cmocka_unit_test(diag_says_where_and_what),
        cmocka_unit_test(diag_escapes_controls),
        cmocka_unit_test(diag_cuts_long_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
