/* Unit tests of the separator pages: block letters, the columns of the detail line, the four lines
 * at the end of the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/printer/banner.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@#$";

static struct slip sample_slip(void)
{
    struct slip s = {0};

    slip_set(&s, SLIP_USER, SPAN("CZQ14CD"));
    slip_set(&s, SLIP_JOB, SPAN("SMTP"));
    slip_set(&s, SLIP_SUBJECT, SPAN("Figures"));
    return s;
}

static struct banner sample(const struct slip *slip)
{
    /* 2026-11-21 19:07:45 UTC */
    return (struct banner){.slip = slip,
                           .class = 'A',
                           .number = 12,
                           .name = "Chris Doaks",
                           .printer = "PRT1",
                           .system = "MAIL",
                           .wall = 1795288065,
                           .offset = 0};
}

static void letters_are_made_of_themselves(void **state)
{
    (void)state;
    for (size_t i = 0; alphabet[i] != '\0'; i++) {
        const char word[] = {alphabet[i], '\0'};
        struct buf all = {0};
        size_t inked = 0;
        bool left = false, right = false;
        for (unsigned row = 0; row < BANNER_ROWS; row++) {
            size_t start = all.len;
            assert_true(banner_row(word, row, &all));
            assert_int_equal(all.len - start, 12);
            struct span line = {all.data + start, 12};
            /* Every row has ink, so no letter is lower than twelve rows. */
            assert_int_not_equal(span_find(line, word[0]), 12);
            left |= line.p[0] == word[0] || line.p[1] == word[0] || line.p[3] == word[0];
            right |= line.p[11] == word[0] || line.p[10] == word[0] || line.p[8] == word[0];
        }
        for (size_t k = 0; k < all.len; k++) {
            assert_true(all.data[k] == ' ' || all.data[k] == word[0]);
            inked += all.data[k] != ' ';
        }
        assert_in_range(inked, 24, 120);
        assert_true(left && right);
        buf_free(&all);
    }
}

static void no_two_letters_are_alike(void **state)
{
    (void)state;
    for (size_t i = 0; alphabet[i] != '\0'; i++)
        for (size_t k = 0; k < i; k++) {
            bool differ = false;
            for (unsigned row = 0; row < BANNER_ROWS; row++) {
                const char one[] = {alphabet[i], '\0'}, two[] = {alphabet[k], '\0'};
                struct buf a = {0}, b = {0};
                banner_row(one, row, &a);
                banner_row(two, row, &b);
                for (size_t c = 0; c < 12; c++)
                    differ |= (a.data[c] == ' ') != (b.data[c] == ' ');
                buf_free(&a);
                buf_free(&b);
            }
            if (!differ)
                fail_msg("%c is %c", alphabet[i], alphabet[k]);
        }
}

static void a_letter_as_it_looks(void **state)
{
    static const char *const h[BANNER_ROWS] = {
        "HH        HH", "HH        HH", "HH        HH", "HH        HH",
        "HH        HH", "HHHHHHHHHHHH", "HHHHHHHHHHHH", "HH        HH",
        "HH        HH", "HH        HH", "HH        HH", "HH        HH",
    };

    (void)state;
    for (unsigned row = 0; row < BANNER_ROWS; row++) {
        struct buf line = {0};
        assert_true(banner_row("h", row, &line));
        assert_string_equal(buf_str(&line), h[row]);
        buf_free(&line);
    }
}

static void words_have_eight_letters_at_most(void **state)
{
    static const struct {
        const char *word;
        size_t columns;
    } cases[] = {{"", 0}, {"A", 12}, {"AB", 26}, {"ABCDEFGH", 110}, {"ABCDEFGHIJ", 110}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf line = {0};
        assert_true(banner_row(cases[i].word, 0, &line));
        assert_int_equal(line.len, cases[i].columns);
        buf_free(&line);
    }
}

static void what_is_no_letter_is_blank(void **state)
{
    struct buf line = {0};

    (void)state;
    assert_true(banner_row("\033\x9B.\xC3", 5, &line));
    for (size_t i = 0; i < line.len; i++)
        assert_int_equal(line.data[i], ' ');
    assert_int_equal(line.len, 4 * 12 + 3 * 2);
    buf_free(&line);
}

static void the_detail_line_has_its_columns(void **state)
{
    static const struct {
        size_t column;
        const char *text;
    } parts[] = {
        {0, "****A  START  JOB "}, {18, "  12  SMTP      "}, {34, "Chris Doaks "}, {56, "ROOM "},
        {67, "07.07.45 PM "},      {79, "21 NOV 26 "},       {90, "PRT1 "},        {100, "MAIL "},
        {110, "JOB  12 "},         {120, "START  A****"},
    };
    struct slip slip = sample_slip();
    struct banner b = sample(&slip);
    struct buf start = {0}, end = {0};

    (void)state;
    assert_true(banner_detail(&b, true, &start));
    assert_int_equal(start.len, PAGE_COLUMNS);
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_memory_equal(start.data + parts[i].column, parts[i].text, strlen(parts[i].text));
    assert_true(banner_detail(&b, false, &end));
    assert_int_equal(end.len, PAGE_COLUMNS);
    assert_memory_equal(end.data, "****A   END ", 12);
    assert_memory_equal(end.data + 120, " END   A****", 12);
    buf_free(&start);
    buf_free(&end);
}

static void nothing_is_too_long_for_the_detail_line(void **state)
{
    struct slip slip = sample_slip();
    struct banner b = sample(&slip);
    struct buf line = {0};

    (void)state;
    slip_set(&slip, SLIP_JOB, SPAN("A VERY LONG JOB NAME"));
    b.name =
        "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E and a name that has far more than twenty columns";
    b.number = 4294967295;
    b.system = "A VERY LONG SYSTEM NAME";
    b.printer = "A VERY LONG PRINTER NAME";
    assert_true(banner_detail(&b, true, &line));
    struct span rest = BUF_SPAN(&line);
    struct cell c;
    size_t columns = 0;
    while (cell_next(&rest, &c))
        columns += c.width;
    assert_int_equal(columns, PAGE_COLUMNS);
    assert_memory_equal(line.data + line.len - 4, "****", 4);
    buf_free(&line);
}

static void times_are_those_of_the_clock(void **state)
{
    static const struct {
        int64_t wall;
        int offset;
        const char *clock;
    } cases[] = {
        {0, 0, "12.00.00 AM  1 JAN 70"},          {43200, 0, "12.00.00 PM  1 JAN 70"},
        {-1, 0, "11.59.59 PM 31 DEC 69"},         {951782399, 3600, "12.59.59 AM 29 FEB 00"},
        {4102444799, 0, "11.59.59 PM 31 DEC 99"}, {INT64_MAX - 100000, 0, "12.00.00 AM  1 JAN 70"},
    };
    struct slip slip = sample_slip();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct banner b = sample(&slip);
        struct buf line = {0};
        b.wall = cases[i].wall;
        b.offset = cases[i].offset;
        assert_true(banner_detail(&b, true, &line));
        assert_memory_equal(line.data + 67, cases[i].clock, strlen(cases[i].clock));
        buf_free(&line);
    }
}

/* The lines of the only page, from 1. */
static struct span line_of(const struct pages *p, unsigned line)
{
    for (size_t i = 0; i < p->page[0].strikes; i++)
        if (p->strike[i].line == line)
            return strike_text(p, &p->strike[i]);
    return (struct span){"", 0};
}

static void a_page_ends_in_four_equal_lines(void **state)
{
    static const unsigned forms[] = {PAGE_LINES_MIN, 51, 66, 72, 144};
    struct slip slip = sample_slip();
    struct banner b = sample(&slip);

    (void)state;
    for (int i = 0; i < SLIP_FIELDS; i++)
        slip_set(&slip, (enum slip_field)i, SPAN("VALUE"));
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct pages p;
        pages_open(&p, forms[i]);
        banner_page(&b, i % 2 == 0, &p);
        assert_int_equal(p.fault, PAGES_GOOD);
        assert_int_equal(p.count, 1);
        struct span last = line_of(&p, forms[i]);
        assert_memory_equal(last.p, i % 2 == 0 ? "****A  START" : "****A   END ", 12);
        for (unsigned k = 1; k < 4; k++)
            assert_true(span_eq(line_of(&p, forms[i] - k), last));
        assert_false(span_eq(line_of(&p, forms[i] - 4), last));
        /* All of the slip is above it, and no two things on one line. */
        assert_memory_equal(
            line_of(&p, forms[i] - 4).n > 0 ? line_of(&p, forms[i] - 4).p : "REASON", "REASON", 6);
        for (size_t k = 1; k < p.page[0].strikes; k++)
            assert_true(p.strike[k].line > p.strike[k - 1].line);
        pages_free(&p);
    }
}

static void a_full_page_has_three_blocks(void **state)
{
    struct slip slip = sample_slip();
    struct banner b = sample(&slip);
    struct pages p;
    struct buf row = {0};

    (void)state;
    pages_open(&p, 66);
    banner_page(&b, true, &p);
    static const char *const words[] = {"CZQ14CD", "JOB00012", "A  26325"};
    for (unsigned i = 0; i < COUNT(words); i++) {
        buf_clear(&row);
        banner_row(words[i], 4, &row);
        assert_true(
            span_eq(line_of(&p, PAGE_HEAD + 1 + i * 13 + 4), span_trim_end(BUF_SPAN(&row))));
    }
    assert_true(span_eq(line_of(&p, 44), SPAN("USER      CZQ14CD")));
    assert_true(span_eq(line_of(&p, 46), SPAN("SUBJECT   Figures")));
    buf_free(&row);
    pages_free(&p);
}

static void slips_are_read_back(void **state)
{
    struct slip slip = {0}, back;
    struct buf text = {0};

    (void)state;
    for (int i = 0; i < SLIP_FIELDS; i++)
        snprintf(slip.value[i], SLIP_VALUE, "value %d of %s", i, slip_words[i]);
    slip.value[SLIP_SUBJECT][0] = '\0';
    assert_true(slip_write(&slip, &text));
    slip_read(&back, BUF_SPAN(&text));
    for (int i = 0; i < SLIP_FIELDS; i++)
        assert_string_equal(back.value[i], slip.value[i]);
    /* Not ours: escapes, unknown words, no value, no line end, a word that only begins like one. */
    slip_read(&back, SPAN("USER \033[2J\nNOSUCH x\nJOB\nPAGESX 7\nSIZE 12"));
    assert_string_equal(back.value[SLIP_USER], "\\x1B[2J");
    assert_string_equal(back.value[SLIP_JOB], "");
    assert_string_equal(back.value[SLIP_PAGES], "");
    assert_string_equal(back.value[SLIP_SIZE], "12");
    buf_free(&text);
}

static void slip_values_are_cut_between_characters(void **state)
{
    struct slip slip = {0};
    struct buf text = {0};

    (void)state;
    buf_addc(&text, 'x');
    for (int i = 0; i < 200; i++)
        buf_adds(&text, "\xC3\xA9");
    slip_set(&slip, SLIP_SUBJECT, BUF_SPAN(&text));
    assert_int_equal(strlen(slip.value[SLIP_SUBJECT]), 255);
    text.len = 0;
    for (int i = 0; i < 200; i++)
        buf_adds(&text, "\xC3\xA9");
    slip_set(&slip, SLIP_SUBJECT, BUF_SPAN(&text));
    assert_int_equal(strlen(slip.value[SLIP_SUBJECT]), 254);
    slip_set(&slip, SLIP_SUBJECT, (struct span){NULL, 0});
    assert_string_equal(slip.value[SLIP_SUBJECT], "");
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_made_of_themselves),
        cmocka_unit_test(no_two_letters_are_alike),
        cmocka_unit_test(a_letter_as_it_looks),
        cmocka_unit_test(words_have_eight_letters_at_most),
        cmocka_unit_test(what_is_no_letter_is_blank),
        cmocka_unit_test(the_detail_line_has_its_columns),
        cmocka_unit_test(nothing_is_too_long_for_the_detail_line),
        cmocka_unit_test(times_are_those_of_the_clock),
        cmocka_unit_test(a_page_ends_in_four_equal_lines),
        cmocka_unit_test(a_full_page_has_three_blocks),
        cmocka_unit_test(slips_are_read_back),
        cmocka_unit_test(slip_values_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
