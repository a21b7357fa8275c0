/* Unit tests of lib/header: fields, dates, folding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/header.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void field_lines_are_known(void **state)
{
    const struct {
        struct span line;
        bool field;
    } cases[] = {
        {SPAN("Subject: x"), true},
        {SPAN("Subject:"), true},
        {SPAN("X:"), true},
        {SPAN("!~#$%&'*+-/=?^_`{|}.\"()<>@,;[]\\:"), true},
        {SPAN("a:b:c"), true},
        {SPAN(""), false},
        {{NULL, 0}, false},
        {SPAN(":"), false},
        {SPAN(": x"), false},
        {SPAN("Subject"), false},
        {SPAN("Subject : x"), false},
        {SPAN("Sub ject: x"), false},
        {SPAN(" Subject: x"), false},
        {SPAN("\tSubject: x"), false},
        {SPAN("From root Sat Nov 21 19:07:45 2026"), false},
        {SPAN("Sub\0ject: x"), false},
        {SPAN("Sub\x7Fject: x"), false},
        {SPAN("Sub\rject: x"), false},
        {SPAN("S\xC3\xBC"
              "b: x"),
         false},
        {SPAN("\r"), false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(header_is_field(cases[i].line), cases[i].field);
}

/* Reads from memory of the text's own size, so that a read beyond the end is found. Fields are
 * written as [name|body], what is left behind them. */
static void describe(struct span text, struct buf *out)
{
    char *copy = malloc(text.n + (text.n == 0));
    struct span rest = {copy, text.n};
    struct field f;

    assert_non_null(copy);
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    while (header_next(&rest, &f)) {
        buf_addc(out, '[');
        buf_addspan(out, f.name);
        buf_addc(out, '|');
        buf_addspan(out, f.body);
        buf_addc(out, ']');
    }
    buf_addspan(out, rest);
    free(copy);
}

static void fields_are_taken(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"\n", "\n"},
        {"\r\nx", "\r\nx"},
        {"a: b", "[a| b]"},
        {"a: b\n", "[a| b]"},
        {"a: b\r\n", "[a| b]"},
        {"a:", "[a|]"},
        {"a:\n", "[a|]"},
        {"a:\r\n", "[a|]"},
        {"a:b:c \n\nbody", "[a|b:c ]\nbody"},
        {"a: b\nc: d\n\ne: f", "[a| b][c| d]\ne: f"},
        {"a: b\n c\n\td\ne: f\n", "[a| b\n c\n\td][e| f]"},
        {"a: b\r\n c\r\n\r\nx", "[a| b\r\n c]\r\nx"},
        {"a: b\n \nc: d", "[a| b\n ][c| d]"}, /* a line of blanks goes on with the field */
        {"a:\n b", "[a|\n b]"},
        {"a: b\n ", "[a| b\n ]"},
        {"a: b\nno field\nc: d", "[a| b]no field\nc: d"},
        {" a: b\nc: d", " a: b\nc: d"},
        {"a: b\r", "[a| b\r]"},
        {"a: b\rc: d\n", "[a| b\rc: d]"}, /* a bare CR ends no line */
        {"a: b\r\r\n", "[a| b\r]"},
        {":x\n", ":x\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        describe(span_of(cases[i].text), &out);
        assert_string_equal(buf_str(&out), cases[i].want);
        buf_free(&out);
    }
    struct span none = {NULL, 0};
    struct field f;
    assert_false(header_next(&none, &f));
}

static void header_ends_where_it_ends(void **state)
{
    static const struct {
        const char *message;
        size_t octets;
        bool separator;
    } cases[] = {
        {"", 0, false},
        {"\n", 0, true},
        {"\r\n", 0, true},
        {"\r", 0, true},
        {" \n", 0, false},
        {"body\n", 0, false},
        {"a: b\n", 5, false},
        {"a: b", 4, false},
        {"a: b\n\n", 5, true},
        {"a: b\r\n\r\nbody", 6, true},
        {"a: b\n c\n\n\n", 8, true},
        {"a: b\nbody\n\n", 5, false},
        {"a: b\n\r\r\nbody", 5, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool separator = !cases[i].separator;
        struct span part = header_part(span_of(cases[i].message), &separator);
        assert_ptr_equal(part.p, cases[i].message);
        assert_int_equal(part.n, cases[i].octets);
        assert_int_equal(separator, cases[i].separator);
    }
    bool separator = true;
    assert_int_equal(header_part((struct span){NULL, 0}, &separator).n, 0);
    assert_false(separator);
}

static void fields_are_found_and_counted(void **state)
{
    struct span message = SPAN("Received: 1\nRECEIVED: 2\n with\nReceived-SPF: 3\nreceived:\n"
                               "Subject: Received: 5\n\nReceived: 6\n");
    struct field f;

    (void)state;
    assert_int_equal(header_count(message, "received"), 3);
    assert_int_equal(header_count(message, "Receive"), 0);
    assert_int_equal(header_count(message, ""), 0);
    assert_int_equal(header_count((struct span){NULL, 0}, "Received"), 0);
    assert_true(header_find(message, "RECEIVED", &f));
    assert_true(span_eq(f.body, SPAN(" 1")));
    assert_true(header_find(message, "subject", &f));
    assert_true(span_eq(f.body, SPAN(" Received: 5")));
    assert_true(span_eq(f.name, SPAN("Subject")));
    assert_false(header_find(message, "Date", &f));
    assert_false(header_find(message, "", &f));
}

static void check_date(int64_t seconds, int offset, const char *want)
{
    struct buf out = {0};

    assert_true(header_date(&out, seconds, offset));
    assert_string_equal(buf_str(&out), want);
    buf_free(&out);
}

static void dates_are_right(void **state)
{
    static const struct {
        int64_t seconds;
        int offset;
        const char *want;
    } cases[] = {
        {0, 0, "Thu, 1 Jan 1970 00:00:00 +0000"},
        {-1, 0, "Wed, 31 Dec 1969 23:59:59 +0000"},
        {1795288065, 0, "Sat, 21 Nov 2026 19:07:45 +0000"},
        {1795288065, 3600, "Sat, 21 Nov 2026 20:07:45 +0100"},
        {1795288065, -18000, "Sat, 21 Nov 2026 14:07:45 -0500"},
        {1795288065, 19800, "Sun, 22 Nov 2026 00:37:45 +0530"},
        {1795288065, -12600, "Sat, 21 Nov 2026 15:37:45 -0330"},
        {1795288065, 49500, "Sun, 22 Nov 2026 08:52:45 +1345"},
        {951782400, 0, "Tue, 29 Feb 2000 00:00:00 +0000"},
        {951868799, 0, "Tue, 29 Feb 2000 23:59:59 +0000"},
        {951868800, 0, "Wed, 1 Mar 2000 00:00:00 +0000"},
        {1709164800, 0, "Thu, 29 Feb 2024 00:00:00 +0000"},
        {4107542399, 0, "Sun, 28 Feb 2100 23:59:59 +0000"},
        {4107542400, 0, "Mon, 1 Mar 2100 00:00:00 +0000"},
        {2147483647, 0, "Tue, 19 Jan 2038 03:14:07 +0000"},
        {INT64_C(2147483648), 0, "Tue, 19 Jan 2038 03:14:08 +0000"},
        {INT64_C(4294967296), 0, "Sun, 7 Feb 2106 06:28:16 +0000"},
        {-2208988800, 0, "Mon, 1 Jan 1900 00:00:00 +0000"},
        {-2203891201, 0, "Wed, 28 Feb 1900 23:59:59 +0000"},
        {-2203891200, 0, "Thu, 1 Mar 1900 00:00:00 +0000"},
        {1735689599, 60, "Wed, 1 Jan 2025 00:00:59 +0001"},
        {1735689600, -60, "Tue, 31 Dec 2024 23:59:00 -0001"},
        {0, 59, "Thu, 1 Jan 1970 00:00:00 +0000"}, /* local mean times: whole minutes count */
        {0, -59, "Thu, 1 Jan 1970 00:00:00 +0000"},
        {0, -75, "Wed, 31 Dec 1969 23:59:00 -0001"},
        {0, 86399, "Thu, 1 Jan 1970 23:59:00 +2359"},
        {0, -86399, "Wed, 31 Dec 1969 00:01:00 -2359"},
        {INT64_C(-62167219200), 0, "Sat, 1 Jan 0000 00:00:00 +0000"},
        {INT64_C(-62162035201), 0, "Tue, 29 Feb 0000 23:59:59 +0000"},
        {INT64_C(253402300799), 0, "Fri, 31 Dec 9999 23:59:59 +0000"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check_date(cases[i].seconds, cases[i].offset, cases[i].want);
}

static void dates_out_of_range_fail(void **state)
{
    static const struct {
        int64_t seconds;
        int offset;
    } cases[] = {
        {INT64_C(253402300800), 0},
        {INT64_C(253402300799), 60},
        {INT64_C(-62167219201), 0},
        {INT64_C(-62167219200), -60},
        {INT64_MAX, 0},
        {INT64_MIN, 0},
        {INT64_MAX, 86399},
        {INT64_MIN, -86399},
        {0, 86400},
        {0, -86400},
        {0, 2147483647},
        {0, -2147483647 - 1},
    };
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_false(header_date(&out, cases[i].seconds, cases[i].offset));
    assert_int_equal(out.len, 0);
    out.failed = true;
    assert_false(header_date(&out, 0, 0));
}

/* Each day from 1900 to 2400, against a calendar that is counted forward day by day. */
static void every_day_of_five_centuries(void **state)
{
    static const char wday[7][4] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char name[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const int length[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t seconds = -2208988800;
    size_t day = 0; /* 1 January 1900 was a Monday */
    struct buf got = {0}, want = {0};

    (void)state;
    for (int year = 1900; year <= 2400; year++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (int month = 0; month < 12; month++) {
            int days = length[month] + (month == 1 && leap);
            for (int mday = 1; mday <= days; mday++, day++, seconds += 86400) {
                int second = (int)(day * 7919 % 86400);
                buf_clear(&got);
                buf_clear(&want);
                assert_true(header_date(&got, seconds + second, 0));
                buf_printf(&want, "%s, %d %s %d %02d:%02d:%02d +0000", wday[day % 7], mday,
                           name[month], year, second / 3600, second % 3600 / 60, second % 60);
                if (!span_eq(BUF_SPAN(&got), BUF_SPAN(&want)))
                    fail_msg("%s instead of %s", buf_str(&got), buf_str(&want));
            }
        }
    }
    assert_int_equal(day, 182987); /* 501 years, 122 of them leap years */
    buf_free(&got);
    buf_free(&want);
}

#define W10 "123456789 "
#define W70 W10 W10 W10 W10 W10 W10 W10

static void bodies_are_folded(void **state)
{
    static const struct {
        const char *body;
        size_t used;
        const char *want;
    } cases[] = {
        {"", 0, "\n"},
        {"", 500, "\n"},
        {"x", 0, "x\n"},
        {"   ", 8, "\n"},
        {" x", 8, " x\n"},
        {" x  ", 8, " x\n"},
        {"x y", 0, "x y\n"},
        {W70 "1234567 9", 0, W70 "1234567\n 9\n"}, /* 79 columns */
        {W70 "123456 8", 0, W70 "123456 8\n"},     /* 78 columns */
        {W70 "12345678 ", 0, W70 "12345678\n"},    /* the blank at the end does not count */
        {" a b", 77, "\n a b\n"},
        {" a b", 76, " a\n b\n"},
        {" a", 78, "\n a\n"},
        {" a", 5000, "\n a\n"},
        {"a b", 78, "a\n b\n"}, /* nothing to fold at before a */
        {"a  b", 77, "a\n  b\n"},
        {"a\tb", 77, "a\n\tb\n"},
        {"a \t b", 77, "a\n \t b\n"},
        {"a\n b", 0, "a b\n"}, /* old folds are undone */
        {"a\r\n\tb\n  c", 0, "a\tb  c\n"},
        {"a\nb", 77, "a\n b\n"},
        {"a\nb", 0, "a b\n"}, /* no line end can begin a field */
        {"a\r\n\r\nBcc: x", 0, "a Bcc: x\n"},
        {"a\rb", 0, "a b\n"},
        {"a\n \n b", 0, "a  b\n"},
        {"\n a", 3, " a\n"},
        {"a\n", 0, "a\n"},
        {"a\r\n", 0, "a\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        assert_true(header_fold(&out, span_of(cases[i].body), cases[i].used));
        assert_string_equal(buf_str(&out), cases[i].want);
        buf_free(&out);
    }
}

/* Words of every length at every place: no line passes 78 columns unless it is one word. */
static void folded_lines_fit(void **state)
{
    (void)state;
    for (size_t used = 0; used < 85; used++) {
        for (size_t word = 1; word < 85; word++) {
            struct buf body = {0}, out = {0}, unfolded = {0};
            for (int i = 0; i < 12; i++) {
                buf_addc(&body, ' ');
                buf_fill(&body, (char)('a' + i), word);
            }
            assert_true(header_fold(&out, BUF_SPAN(&body), used));
            struct span rest = BUF_SPAN(&out), line;
            for (size_t column = used; span_line(&rest, &line); column = 0) {
                if (column + line.n > 78)
                    assert_int_equal(span_find(span_from(line, 1), ' '), line.n ? line.n - 1 : 0);
                if (column == 0 && used > 0)
                    assert_int_equal(line.p[0], ' ');
                buf_addspan(&unfolded, line);
            }
            assert_true(span_eq(BUF_SPAN(&unfolded), BUF_SPAN(&body)));
            buf_free(&body);
            buf_free(&out);
            buf_free(&unfolded);
        }
    }
}

/* A first word that fits alone in a line of 78 goes there; one column more and it stays. A line is
 * filled to column 78, the folded ones too, and every blank counts. */
static void lines_are_filled(void **state)
{
    static const struct {
        size_t blanks, first, second, third, used;
        size_t lines[3]; /* octets of the lines */
    } cases[] = {
        {1, 77, 1, 1, 8, {0, 78, 4}},    {1, 78, 1, 1, 8, {79, 4, 0}},
        {1, 40, 40, 36, 0, {41, 78, 0}}, {1, 40, 40, 37, 0, {41, 41, 38}},
        {2, 38, 36, 3, 0, {78, 5, 0}},   {2, 38, 37, 1, 0, {40, 42, 0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t words[] = {cases[i].first, cases[i].second, cases[i].third};
        struct buf body = {0}, out = {0};
        for (size_t w = 0; w < 3; w++) {
            buf_fill(&body, ' ', cases[i].blanks);
            buf_fill(&body, 'x', words[w]);
        }
        assert_true(header_fold(&out, BUF_SPAN(&body), cases[i].used));
        struct span rest = BUF_SPAN(&out), line;
        for (size_t k = 0; span_line(&rest, &line); k++)
            assert_int_equal(line.n, k < 3 ? cases[i].lines[k] : SIZE_MAX);
        buf_free(&body);
        buf_free(&out);
    }
}

static void a_word_too_long_stays_whole(void **state)
{
    struct buf body = {0}, out = {0}, want = {0};

    (void)state;
    buf_addc(&body, ' ');
    buf_fill(&body, 'x', 100);
    buf_adds(&body, " y");
    assert_true(header_fold(&out, BUF_SPAN(&body), 8));
    buf_addc(&want, ' '); /* no line end before the first word: it would not fit either */
    buf_fill(&want, 'x', 100);
    buf_adds(&want, "\n y\n");
    assert_true(span_eq(BUF_SPAN(&out), BUF_SPAN(&want)));
    buf_free(&body);
    buf_free(&out);
    buf_free(&want);
}

static void columns_are_characters(void **state)
{
    struct buf body = {0}, out = {0};

    (void)state;
    for (int i = 0; i < 76; i++)
        buf_adds(&body, "\xC3\xA4");
    buf_adds(&body, " b");
    assert_true(header_fold(&out, BUF_SPAN(&body), 0));
    assert_int_equal(out.len, body.len + 1); /* 78 characters: not folded */
    buf_clear(&out);
    assert_true(header_fold(&out, BUF_SPAN(&body), 1));
    assert_int_equal(out.len, body.len + 2);
    out.failed = true;
    assert_false(header_fold(&out, BUF_SPAN(&body), 0));
    buf_free(&body);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(field_lines_are_known),
        cmocka_unit_test(fields_are_taken),
        cmocka_unit_test(header_ends_where_it_ends),
        cmocka_unit_test(fields_are_found_and_counted),
        cmocka_unit_test(dates_are_right),
        cmocka_unit_test(dates_out_of_range_fail),
        cmocka_unit_test(every_day_of_five_centuries),
        cmocka_unit_test(bodies_are_folded),
        cmocka_unit_test(folded_lines_fit),
        cmocka_unit_test(lines_are_filled),
        cmocka_unit_test(a_word_too_long_stays_whole),
        cmocka_unit_test(columns_are_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
