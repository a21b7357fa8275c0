/* Unit tests of the page engine: carriage, folding, width, overprinting, limits, and that nothing a
 * sender writes moves the paper or drives a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/printer/page.h"
#include "lib/charset.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OCTETS(literal)                                                                            \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

enum { LINES = 66, FIRST = PAGE_HEAD + 1 };

/* What stands on a line of a page (both from 1), its strikes joined by |; NULL when nothing does.
 */
static const char *at(const struct pages *p, size_t page, unsigned line)
{
    static char out[4096];
    size_t n = 0;

    assert_in_range(page, 1, p->count);
    const struct page *pg = &p->page[page - 1];
    for (size_t i = 0; i < pg->strikes; i++) {
        const struct strike *s = &p->strike[pg->strike + i];
        if (s->line != line)
            continue;
        assert_true(n + s->n + 2 < sizeof(out));
        if (n > 0)
            out[n++] = '|';
        memcpy(out + n, p->text.data + s->at, s->n);
        n += s->n;
    }
    out[n] = '\0';
    return n > 0 ? out : NULL;
}

static void asa(struct pages *p, char control, const char *text)
{
    struct carriage c = carriage_asa((unsigned char)control);

    page_move(p, &c);
    page_strike(p, span_of(text));
}

static void lines_fill_pages_with_headings(void **state)
{
    struct pages p;
    char text[32];

    (void)state;
    pages_open(&p, LINES);
    pages_heading(&p, SPAN("CZQ14CD"));
    for (int i = 1; i <= 64; i++) {
        snprintf(text, sizeof(text), "line %d", i);
        page_line(&p, span_of(text));
    }
    assert_int_equal(p.fault, PAGES_GOOD);
    assert_int_equal(p.count, 2);
    assert_int_equal(strlen(at(&p, 1, 1)), PAGE_COLUMNS);
    assert_memory_equal(at(&p, 1, 1), "CZQ14CD   ", 10);
    assert_string_equal(at(&p, 1, 1) + PAGE_COLUMNS - 12, "PAGE       1");
    assert_null(at(&p, 1, 2));
    assert_null(at(&p, 1, 3));
    assert_string_equal(at(&p, 1, FIRST), "line 1");
    assert_string_equal(at(&p, 1, 66), "line 63");
    assert_string_equal(at(&p, 2, FIRST), "line 64");
    assert_string_equal(at(&p, 2, 1) + PAGE_COLUMNS - 12, "PAGE       2");
    pages_free(&p);
}

static void asa_moves_before_printing(void **state)
{
    static const struct {
        char control;
        unsigned page, line; /* of the record that follows one on line 1 and one on line 2 */
    } cases[] = {
        {' ', 1, 3},  {'0', 1, 4},  {'-', 1, 5},  {'+', 1, 2},  {'1', 2, 1},  {'2', 1, 7},
        {'3', 1, 13}, {'4', 1, 19}, {'5', 1, 25}, {'6', 1, 31}, {'7', 1, 37}, {'8', 1, 43},
        {'9', 1, 63}, {'A', 1, 49}, {'B', 1, 55}, {'C', 1, 61},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pages p;
        pages_open(&p, LINES);
        asa(&p, '1', "one");
        asa(&p, ' ', "two");
        asa(&p, cases[i].control, "here");
        assert_int_equal(p.count, cases[i].page);
        assert_string_equal(at(&p, cases[i].page, PAGE_HEAD + cases[i].line),
                            cases[i].control == '+' ? "two|here" : "here");
        pages_free(&p);
    }
}

static void paper_does_not_go_back(void **state)
{
    struct pages p;

    (void)state;
    pages_open(&p, LINES);
    asa(&p, '4', "at 19");
    asa(&p, '2', "at 7 of the next page");
    asa(&p, '2', "and of the next");
    asa(&p, '9', "at 63");
    asa(&p, ' ', "over the end");
    asa(&p, '9', "at 63 again");
    asa(&p, '-', "far over the end");
    assert_int_equal(p.count, 5);
    assert_string_equal(at(&p, 1, PAGE_HEAD + 19), "at 19");
    assert_string_equal(at(&p, 2, PAGE_HEAD + 7), "at 7 of the next page");
    assert_string_equal(at(&p, 3, PAGE_HEAD + 7), "and of the next");
    assert_string_equal(at(&p, 3, PAGE_HEAD + 63), "at 63");
    assert_string_equal(at(&p, 4, FIRST), "over the end");
    assert_string_equal(at(&p, 4, PAGE_HEAD + 63), "at 63 again");
    assert_string_equal(at(&p, 5, FIRST), "far over the end");
    pages_free(&p);
}

static void no_paper_is_wasted_on_motion_alone(void **state)
{
    static const struct carriage eject = {.channel = 1, .known = true};
    struct pages p;

    (void)state;
    pages_open(&p, LINES);
    for (int i = 0; i < 5; i++)
        page_move(&p, &eject);
    assert_int_equal(p.count, 0);
    page_strike(&p, SPAN("first"));
    for (int i = 0; i < 5; i++)
        page_move(&p, &eject);
    assert_int_equal(p.count, 1);
    page_strike(&p, SPAN("second"));
    assert_int_equal(p.count, 2);
    assert_string_equal(at(&p, 2, FIRST), "second");
    /* A blank record is printed, so its page is. */
    asa(&p, '1', "");
    asa(&p, '1', "fourth");
    assert_int_equal(p.count, 4);
    pages_free(&p);
}

static void channels_of_a_short_form_are_its_last_line(void **state)
{
    struct pages p;

    (void)state;
    pages_open(&p, 51);
    asa(&p, '9', "end");
    assert_string_equal(at(&p, 1, 51), "end");
    pages_free(&p);
    pages_open(&p, 1); /* never fewer than a form can have */
    assert_int_equal(p.lines, PAGE_LINES_MIN);
    pages_free(&p);
}

static void long_lines_fold_where_they_may(void **state)
{
    char solid[300], blanks[300];
    struct buf words = {0};
    struct pages p;

    (void)state;
    for (int i = 0; i < 13; i++)
        buf_adds(&words, "abcdefghi ");
    buf_adds(&words, "jk lm");
    memset(solid, 'x', sizeof(solid));
    memset(blanks, ' ', sizeof(blanks));
    blanks[0] = 'a';
    blanks[299] = 'b';
    pages_open(&p, LINES);
    page_line(&p, BUF_SPAN(&words));
    page_line(&p, (struct span){solid, 265});
    page_line(&p, (struct span){solid, 132});
    page_line(&p, (struct span){blanks, 300});
    page_line(&p, SPAN("end"));
    assert_int_equal(strlen(at(&p, 1, FIRST)), 132);
    assert_memory_equal(at(&p, 1, FIRST) + 120, "abcdefghi jk", 12);
    assert_string_equal(at(&p, 1, FIRST + 1), "lm");
    assert_int_equal(strlen(at(&p, 1, FIRST + 2)), 132);
    assert_int_equal(strlen(at(&p, 1, FIRST + 3)), 132);
    assert_string_equal(at(&p, 1, FIRST + 4), "x");
    assert_int_equal(strlen(at(&p, 1, FIRST + 5)), 132);
    assert_string_equal(at(&p, 1, FIRST + 6), "a");
    assert_string_equal(at(&p, 1, FIRST + 7), "b");
    assert_string_equal(at(&p, 1, FIRST + 8), "end");
    pages_free(&p);
    buf_free(&words);
}

static void width_is_true(void **state)
{
    struct buf wide = {0}, marked = {0};
    struct pages p;

    (void)state;
    for (int i = 0; i < 67; i++)
        buf_adds(&wide, "\xE6\x97\xA5"); /* U+65E5, two columns */
    for (int i = 0; i < 132; i++)
        buf_adds(&marked, "e\xCC\x81"); /* one column of two characters */
    buf_adds(&marked, "!");
    pages_open(&p, LINES);
    page_line(&p, BUF_SPAN(&wide));
    page_line(&p, BUF_SPAN(&marked));
    assert_int_equal(strlen(at(&p, 1, FIRST)), 66 * 3);
    assert_int_equal(strlen(at(&p, 1, FIRST + 1)), 3);
    assert_int_equal(strlen(at(&p, 1, FIRST + 2)), 132 * 3);
    assert_string_equal(at(&p, 1, FIRST + 3), "!");
    pages_free(&p);
    buf_free(&wide);
    buf_free(&marked);
}

static void hostile_octets_become_visible(void **state)
{
    static const struct {
        const char *name;
        struct span text;
        const char *printed;
    } cases[] = {
        {"plain", OCTETS("abc"), "abc"},
        {"ESC", OCTETS("a\033[31mb"), "a\\x1B[31mb"},
        {"OSC 52", OCTETS("\033]52;c;eA==\a"), "\\x1B]52;c;eA==\\x07"},
        {"C1 raw",
         OCTETS("a\x9B"
                "31m"),
         "a\\x9B31m"},
        {"C1 in UTF-8",
         OCTETS("a\xC2\x9B"
                "31m"),
         "a\\u{009B}31m"},
        {"bidi override",
         OCTETS("a\xE2\x80\xAE"
                "b"),
         "a\\u{202E}b"},
        {"bidi isolate",
         OCTETS("a\xE2\x81\xA6"
                "b"),
         "a\\u{2066}b"},
        {"right-to-left mark", OCTETS("a\xE2\x80\x8F"), "a\\u{200F}"},
        {"Arabic letter mark", OCTETS("a\xD8\x9C"), "a\\u{061C}"},
        {"CR", OCTETS("pay 100\rpay 900"), "pay 100\\x0Dpay 900"},
        {"FF", OCTETS("a\fb"), "a\\x0Cb"},
        {"VT", OCTETS("a\vb"), "a\\x0Bb"},
        {"BS", OCTETS("a\bb"), "a\\x08b"},
        {"LF", OCTETS("a\nb"), "a\\x0Ab"},
        {"NUL", OCTETS("a\0b"), "a\\x00b"},
        {"SO and SI", OCTETS("\016a\017"), "\\x0Ea\\x0F"},
        {"DEL", OCTETS("a\177"), "a\\x7F"},
        {"NEL",
         OCTETS("a\xC2\x85"
                "b"),
         "a\\u{0085}b"},
        {"line separator",
         OCTETS("a\xE2\x80\xA8"
                "b"),
         "a\\u{2028}b"},
        {"not UTF-8", OCTETS("a\xFF\xC0\xAF"), "a\\xFF\\xC0\\xAF"},
        {"surrogate", OCTETS("\xED\xA0\x80"), "\\xED\\xA0\\x80"},
        {"mark without base", OCTETS("\xCC\x81x"), "\\u{0301}x"},
        {"tabs", OCTETS("a\tb\tcdefghij\tk"), "a       b       cdefghij        k"},
        {"tab after wide", OCTETS("\xE6\x97\xA5\tb"), "\xE6\x97\xA5      b"},
        {"tab after escaped", OCTETS("\x1B\tb"), "\\x1B    b"},
        {"tab at the end", OCTETS("a\t"), "a"},
        {"mark after tab", OCTETS("a\t\xCC\x81"), "a       \\u{0301}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pages p;
        pages_open(&p, LINES);
        page_line(&p, cases[i].text);
        page_line(&p, SPAN("next"));
        assert_int_equal(p.count, 1);
        if (strcmp(at(&p, 1, FIRST), cases[i].printed) != 0)
            fail_msg("%s: printed %s", cases[i].name, at(&p, 1, FIRST));
        assert_string_equal(at(&p, 1, FIRST + 1), "next");
        pages_free(&p);
    }
}

static void every_octet_and_character_is_safe(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x3000; code++) {
        unsigned char raw[4];
        struct buf out = {0};
        size_t n = 1;
        raw[0] = (unsigned char)code;
        if (code >= 0x100) { /* every character of the planes where controls are, in UTF-8 */
            n = code < 0x800 ? 2 : 3;
            raw[0] = (unsigned char)(n == 2 ? 0xC0 | code >> 6 : 0xE0 | code >> 12);
            raw[n - 2] = n == 2 ? raw[0] : (unsigned char)(0x80 | (code >> 6 & 63));
            raw[n - 1] = (unsigned char)(0x80 | (code & 63));
        }
        buf_addc(&out, 'x');
        assert_true(page_clean((struct span){(const char *)raw, n}, &out));
        for (size_t i = 0; i < out.len; i++)
            assert_true((unsigned char)out.data[i] >= 0x20 && out.data[i] != 0x7F);
        assert_true(utf8_valid(BUF_SPAN(&out), NULL));
        for (struct span rest = BUF_SPAN(&out); rest.n > 0;) {
            uint32_t c;
            size_t len = utf8_char(rest, &c);
            assert_true((c < 0x80 || c > 0x9F) && (c < 0x2028 || c > 0x202E) &&
                        (c < 0x2066 || c > 0x2069) && c != 0x200E && c != 0x200F && c != 0x61C);
            rest = span_from(rest, len);
        }
        buf_free(&out);
    }
}

static void marks_do_not_pile_up(void **state)
{
    struct buf text = {0};
    struct pages p;

    (void)state;
    buf_addc(&text, 'x');
    for (int i = 0; i < PAGE_MARKS + 2; i++)
        buf_adds(&text, "\xCC\x81");
    buf_addc(&text, 'y');
    pages_open(&p, LINES);
    page_line(&p, BUF_SPAN(&text));
    const char *line = at(&p, 1, FIRST);
    assert_int_equal(strlen(line), 1 + 2 * PAGE_MARKS + 2 * strlen("\\u{0301}") + 1);
    assert_string_equal(line + 1 + strlen("\xCC\x81") * PAGE_MARKS, "\\u{0301}\\u{0301}y");
    pages_free(&p);
    buf_free(&text);
}

static void strikes_become_one_line_of_text(void **state)
{
    static const struct {
        const char *strike[4];
        const char *line;
    } cases[] = {
        {{"bold", "bold"}, "bold"},
        {{"under", "_____"}, "under"},
        {{"_____", "under"}, "under"},
        {{"a b", " _ c"}, "a_bc"},
        {{"PAY 100", "    900"}, "PAY #00"},
        {{"=", "/"}, "#"},
        {{"a", "  b", " c"}, "acb"},
        {{"\xE6\x97\xA5x", "__"}, "\xE6\x97\xA5x"},
        {{"\xE6\x97\xA5x", " y"}, "##x"},
        {{"ab", "\xE6\x97\xA5"}, "##"},
        {{"  c", "\xE6\x97\xA5"},
         "\xE6\x97\xA5"
         "c"},
        {{"x\xE6\x97\xA5", "\xE6\x97\xA5"}, "###"},
        {{"e\xCC\x81", "e\xCC\x81"}, "e\xCC\x81"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pages p;
        struct buf out = {0}, want = {0};
        pages_open(&p, LINES);
        pages_heading(&p, SPAN(""));
        for (size_t k = 0; k < 4 && cases[i].strike[k] != NULL; k++)
            asa(&p, k == 0 ? '1' : '+', cases[i].strike[k]);
        assert_true(pages_text(&p, &out));
        buf_printf(&want, "\n\n\n%s\n", cases[i].line);
        struct span text = BUF_SPAN(&out);
        text = span_from(text, PAGE_COLUMNS);
        if (!span_eq(text, BUF_SPAN(&want)))
            fail_msg("case %zu: %s", i, buf_str(&out));
        buf_free(&out);
        buf_free(&want);
        pages_free(&p);
    }
}

static void text_has_a_form_feed_between_pages_only(void **state)
{
    struct pages p;
    struct buf out = {0};

    (void)state;
    pages_open(&p, LINES);
    pages_heading(&p, SPAN(""));
    asa(&p, '1', "one");
    asa(&p, '0', "two");
    asa(&p, '1', "three\f");
    assert_true(pages_text(&p, &out));
    const char *text = buf_str(&out);
    assert_non_null(strstr(text, "PAGE       1\n\n\none\n\ntwo\n\f"));
    assert_non_null(strstr(text, "PAGE       2\n\n\nthree\\x0C\n"));
    assert_ptr_equal(strchr(text, '\f'), strrchr(text, '\f'));
    assert_null(strchr(text, '\r'));
    buf_free(&out);
    pages_free(&p);
}

static void bare_pages(void **state)
{
    struct pages p;
    struct buf wide = {0};

    (void)state;
    pages_open(&p, LINES);
    page_line(&p, SPAN("body"));
    buf_fill(&wide, 'w', 200);
    page_bare(&p);
    page_at(&p, 1, SPAN("top"));
    page_at(&p, 66, BUF_SPAN(&wide));
    page_at(&p, 67, SPAN("beyond"));
    page_at(&p, 0, SPAN("above"));
    assert_string_equal(at(&p, 2, 1), "top");
    assert_int_equal(strlen(at(&p, 2, 66)), PAGE_COLUMNS);
    pages_last_first(&p);
    assert_string_equal(at(&p, 1, 1), "top");
    assert_string_equal(at(&p, 2, FIRST), "body");
    page_line(&p, SPAN("more"));
    assert_int_equal(p.count, 3);
    assert_int_equal(p.number, 2);
    assert_string_equal(at(&p, 3, FIRST), "more");
    pages_free(&p);
    buf_free(&wide);
}

static void overprinting_has_an_end(void **state)
{
    struct pages p;

    (void)state;
    pages_open(&p, LINES);
    asa(&p, '1', "x");
    for (int i = 1; i <= PAGE_STRIKES; i++)
        asa(&p, '+', "x");
    assert_string_equal(at(&p, 1, FIRST), "x|x|x|x|x|x|x|x");
    assert_string_equal(at(&p, 1, FIRST + 1), "x");
    pages_free(&p);
}

static void pages_have_an_end(void **state)
{
    struct pages p;

    (void)state;
    pages_open(&p, LINES);
    for (int i = 0; i < PAGES_MAX; i++)
        asa(&p, '1', "");
    assert_int_equal(p.fault, PAGES_GOOD);
    assert_int_equal(p.count, PAGES_MAX);
    asa(&p, '1', "one too many");
    assert_int_equal(p.fault, PAGES_TOO_MANY);
    asa(&p, '1', "nothing more happens");
    assert_int_equal(p.count, PAGES_MAX);
    assert_int_equal(p.fault, PAGES_TOO_MANY);
    pages_free(&p);
}

static void fit_cuts_between_cells(void **state)
{
    static const struct {
        const char *text;
        size_t columns;
        const char *out;
    } cases[] = {
        {"abc", 5, "abc  "},
        {"abc", 2, "ab"},
        {"", 3, "   "},
        {"a\xE6\x97\xA5", 2, "a "},
        {"e\xCC\x81x", 1, "e\xCC\x81"},
        {"x", 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        assert_true(page_fit(span_of(cases[i].text), cases[i].columns, &out));
        assert_string_equal(buf_str(&out), cases[i].out);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_fill_pages_with_headings),
        cmocka_unit_test(asa_moves_before_printing),
        cmocka_unit_test(paper_does_not_go_back),
        cmocka_unit_test(no_paper_is_wasted_on_motion_alone),
        cmocka_unit_test(channels_of_a_short_form_are_its_last_line),
        cmocka_unit_test(long_lines_fold_where_they_may),
        cmocka_unit_test(width_is_true),
        cmocka_unit_test(hostile_octets_become_visible),
        cmocka_unit_test(every_octet_and_character_is_safe),
        cmocka_unit_test(marks_do_not_pile_up),
        cmocka_unit_test(strikes_become_one_line_of_text),
        cmocka_unit_test(text_has_a_form_feed_between_pages_only),
        cmocka_unit_test(bare_pages),
        cmocka_unit_test(overprinting_has_an_end),
        cmocka_unit_test(pages_have_an_end),
        cmocka_unit_test(fit_cuts_between_cells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
