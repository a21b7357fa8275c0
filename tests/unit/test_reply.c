/* Unit tests of lib/reply: reading and writing SMTP replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/reply.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Gives one line from memory of its own size, so that a read beyond the end is found. */
static enum reply_result give(struct reply *r, struct span line)
{
    char *copy = malloc(line.n + (line.n == 0));

    assert_non_null(copy);
    if (line.n > 0)
        memcpy(copy, line.p, line.n);
    enum reply_result result = reply_line(r, (struct span){copy, line.n});
    free(copy);
    return result;
}

/* Gives all lines of the text; the result of the last. */
static enum reply_result give_all(struct reply *r, struct span lines)
{
    enum reply_result result = REPLY_MORE;
    struct span line;

    while (span_cut(&lines, '\n', &line)) {
        assert_int_equal(result, REPLY_MORE);
        result = give(r, line);
    }
    return result;
}

static void replies_are_read(void **state)
{
    const struct {
        struct span lines;
        unsigned code;
        const char *enhanced, *text;
    } cases[] = {
        {SPAN("250 ok"), 250, "2.0.0", "ok"},
        {SPAN("250"), 250, "2.0.0", ""},
        {SPAN("250 "), 250, "2.0.0", ""},
        {SPAN("250  two blanks "), 250, "2.0.0", " two blanks "},
        {SPAN("200 x"), 200, "2.0.0", "x"},
        {SPAN("354 go"), 354, "", "go"},
        {SPAN("599 x"), 599, "5.0.0", "x"},
        {SPAN("421 bye"), 421, "4.0.0", "bye"},
        {SPAN("550 5.1.1 unknown"), 550, "5.1.1", "unknown"},
        {SPAN("550 5.1.1"), 550, "5.1.1", ""}, /* without text */
        {SPAN("550 5.1.1 "), 550, "5.1.1", ""},
        {SPAN("550 5.1.1\tx"), 550, "5.1.1", "x"},
        {SPAN("550 5.1.1  x"), 550, "5.1.1", " x"},
        {SPAN("250 2.999.999 x"), 250, "2.999.999", "x"},
        {SPAN("250 2.0.0 x"), 250, "2.0.0", "x"},
        /* no enhanced codes */
        {SPAN("550 5.1.1000 x"), 550, "5.0.0", "5.1.1000 x"},
        {SPAN("550 5.01.1 x"), 550, "5.0.0", "5.01.1 x"},
        {SPAN("550 5.1.00 x"), 550, "5.0.0", "5.1.00 x"},
        {SPAN("550 5.1 x"), 550, "5.0.0", "5.1 x"},
        {SPAN("550 5.1. x"), 550, "5.0.0", "5.1. x"},
        {SPAN("550 5..1 x"), 550, "5.0.0", "5..1 x"},
        {SPAN("550 .1.1 x"), 550, "5.0.0", ".1.1 x"},
        {SPAN("550 5"), 550, "5.0.0", "5"},
        {SPAN("550 5.1.1.1 x"), 550, "5.0.0", "5.1.1.1 x"},
        {SPAN("550 5.1.1: x"), 550, "5.0.0", "5.1.1: x"},
        {SPAN("550 5.-1.1 x"), 550, "5.0.0", "5.-1.1 x"},
        {SPAN("550  5.1.1 x"), 550, "5.0.0", " 5.1.1 x"},
        {SPAN("220 10.0.0.1 hello"), 220, "2.0.0", "10.0.0.1 hello"},
        /* a class that is not the code's */
        {SPAN("550 4.2.2 full"), 550, "5.0.0", "4.2.2 full"},
        {SPAN("250 5.1.1 x"), 250, "2.0.0", "5.1.1 x"},
        {SPAN("354 3.0.0 go"), 354, "", "3.0.0 go"},
        {SPAN("354 2.0.0 go"), 354, "", "2.0.0 go"},
        {SPAN("550 0.0.0 x"), 550, "5.0.0", "0.0.0 x"},
        /* several lines */
        {SPAN("250-a\n250 b"), 250, "2.0.0", "a\nb"},
        {SPAN("250-a\n250-b\n250"), 250, "2.0.0", "a\nb\n"},
        {SPAN("250-\n250-\n250 x"), 250, "2.0.0", "\n\nx"},
        {SPAN("250-\n250"), 250, "2.0.0", "\n"},
        {SPAN("550-5.7.1 a\n550 5.7.1 b"), 550, "5.7.1", "a\nb"},
        {SPAN("550-5.7.1 a\n550 b"), 550, "5.7.1", "a\nb"},
        {SPAN("550-a\n550 5.7.1 b"), 550, "5.7.1", "a\nb"},
        {SPAN("550-5.7.1 a\n550 5.7.26 b"), 550, "5.7.1", "a\n5.7.26 b"},
        {SPAN("550-5.7.1\n550 5.7.1"), 550, "5.7.1", "\n"},
        {SPAN("250-mx\n250-8BITMIME\n250 SIZE 10"), 250, "2.0.0", "mx\n8BITMIME\nSIZE 10"},
        /* what does not get into the text */
        {SPAN("250 a\tb"), 250, "2.0.0", "a b"},
        {SPAN("250 a\0b"), 250, "2.0.0", "a?b"},
        {SPAN("250 \x1B[2J\x07\r\x7F"), 250, "2.0.0", "?[2J???"},
        {SPAN("250 J\xC3\xBCrgen \xE2\x82\xAC \xF0\x9F\x93\xA7"), 250, "2.0.0",
         "J\xC3\xBCrgen \xE2\x82\xAC \xF0\x9F\x93\xA7"},
        {SPAN("250 \xC2\x80\xC2\x9F\xC2\xA0."), 250, "2.0.0", "??\xC2\xA0."},
        {SPAN("250 \xC2\x9Bm"), 250, "2.0.0", "?m"},       /* C1 in UTF-8 */
        {SPAN("250 \x9Bm"), 250, "2.0.0", "?m"},           /* C1 raw */
        {SPAN("250 \xC0\x8A."), 250, "2.0.0", "??."},      /* overlong LF */
        {SPAN("250 \xED\xA0\x80."), 250, "2.0.0", "???."}, /* surrogate */
        {SPAN("250 \xE2\x82"), 250, "2.0.0", "??"},        /* not whole */
        {SPAN("250 \xFF\xFE"), 250, "2.0.0", "??"},
        {SPAN("250-x\r\n250 y"), 250, "2.0.0", "x?\ny"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reply r = {0};
        char enhanced[12];
        if (give_all(&r, cases[i].lines) != REPLY_DONE)
            fail_msg("case %zu is not whole", i);
        assert_int_equal(r.code, cases[i].code);
        assert_string_equal(reply_enhanced(&r, enhanced), cases[i].enhanced);
        assert_string_equal(buf_str(&r.text), cases[i].text);
        assert_int_equal(strlen(cases[i].text), r.text.len);
        reply_free(&r);
    }
}

static void malformed_replies(void **state)
{
    const struct span cases[] = {
        SPAN(""),
        {NULL, 0},
        SPAN("2"),
        SPAN("25"),
        SPAN("25 ok"),
        SPAN("2500 ok"),
        SPAN("250x"),
        SPAN("250\tok"),
        SPAN("250."),
        SPAN("250\0"),
        SPAN("199 x"),
        SPAN("600 x"),
        SPAN("000 x"),
        SPAN("100 x"),
        SPAN("999 x"),
        SPAN("ok"),
        SPAN(" 250 ok"),
        SPAN("-250 ok"),
        SPAN("+25 ok"),
        SPAN("2 0 ok"),
        SPAN("2\0"
             "0"),
        SPAN("\xB2\x35\x30 x"),
        SPAN("\0\0\0"),
        SPAN("HTTP/1.1 200 OK"),
        SPAN("250-a\n"),
        SPAN("250-a\n251 b"),
        SPAN("250-a\n550 b"),
        SPAN("250-a\n250=b"),
        SPAN("250-a\n25"),
        SPAN("550-5.1.1 a\n450 4.1.1 b"),
        SPAN("250-a\nb"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reply r = {0};
        struct span lines = cases[i].p ? cases[i] : SPAN("");
        if (give_all(&r, lines) != REPLY_MALFORMED)
            fail_msg("case %zu was taken", i);
        assert_int_equal(r.code, r.lines ? (cases[i].p[0] - '0') * 100 + 50 : 0);
        reply_free(&r);
    }
    struct reply r = {0};
    assert_int_equal(reply_line(&r, (struct span){NULL, 0}), REPLY_MALFORMED);
}

static void a_reply_has_a_last_line(void **state)
{
    struct reply r = {0};

    (void)state;
    for (int i = 0; i < REPLY_LINES_MAX - 1; i++)
        assert_int_equal(give(&r, SPAN("250-x")), REPLY_MORE);
    assert_int_equal(r.lines, REPLY_LINES_MAX - 1);
    assert_int_equal(give(&r, SPAN("250 x")), REPLY_DONE);
    reply_clear(&r);
    assert_int_equal(r.lines, 0);
    for (int i = 0; i < REPLY_LINES_MAX; i++)
        assert_int_equal(give(&r, SPAN("250-x")), REPLY_MORE);
    assert_int_equal(give(&r, SPAN("250 x")), REPLY_MALFORMED);
    assert_int_equal(r.lines, REPLY_LINES_MAX);
    reply_free(&r);
}

static void text_is_bounded(void **state)
{
    struct reply r = {0};
    struct buf line = {0};

    (void)state;
    buf_adds(&line, "550-5.7.1 ");
    buf_fill(&line, 'y', 1 << 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(give(&r, BUF_SPAN(&line)), REPLY_MORE);
        assert_in_range(r.text.len, 0, REPLY_TEXT_MAX);
        if (i == 0)
            assert_int_equal(r.text.len, REPLY_LINE_MAX - 2 - 10);
    }
    assert_int_equal(give(&r, SPAN("550 5.7.1 end")), REPLY_DONE);
    assert_int_equal(r.text.len, REPLY_TEXT_MAX);
    assert_in_range(r.text.cap, REPLY_TEXT_MAX, 4 * REPLY_TEXT_MAX);
    assert_int_equal(r.lines, 21);
    buf_free(&line);
    reply_free(&r);
}

/* At whatever octet a line or the whole text is cut: never in the middle of a character. */
static void cuts_leave_characters_whole(void **state)
{
    (void)state;
    for (size_t before = 490; before < 512; before++) {
        struct reply r = {0};
        struct buf line = {0};
        buf_adds(&line, "250-");
        buf_fill(&line, 'z', before - 4);
        for (int i = 0; i < 10; i++)
            buf_adds(&line, "\xF0\x9F\x93\xA7");
        for (int i = 0; i < 10; i++) {
            give(&r, BUF_SPAN(&line));
            assert_int_equal(span_find(BUF_SPAN(&r.text), '?'), r.text.len);
            assert_in_range(r.text.len, 0, REPLY_TEXT_MAX);
        }
        assert_in_range(r.text.len, REPLY_TEXT_MAX - 3, REPLY_TEXT_MAX);
        buf_free(&line);
        reply_free(&r);
    }
    /* Continuation octets alone are no characters: they stay visible. */
    struct reply r = {0};
    struct buf line = {0};
    buf_adds(&line, "250 ");
    buf_fill(&line, '\x80', 600);
    assert_int_equal(give(&r, BUF_SPAN(&line)), REPLY_DONE);
    assert_int_equal(r.text.len, REPLY_LINE_MAX - 2 - 4);
    assert_int_equal(r.text.data[0], '?');
    buf_free(&line);
    reply_free(&r);
}

/* The longest line that is kept whole, and its neighbours. */
static void lines_of_every_length(void **state)
{
    (void)state;
    for (size_t n = 0; n < 520; n++) {
        struct reply r = {0};
        struct buf line = {0};
        size_t kept = n < REPLY_LINE_MAX - 2 ? n : REPLY_LINE_MAX - 2;
        buf_adds(&line, "250 ");
        buf_fill(&line, 'n', 520);
        enum reply_result want = n < 3 ? REPLY_MALFORMED : REPLY_DONE;
        assert_int_equal(give(&r, (struct span){line.data, n}), want);
        assert_int_equal(r.text.len, kept < 4 ? 0 : kept - 4);
        buf_free(&line);
        reply_free(&r);
    }
}

static void clearing_begins_anew(void **state)
{
    struct reply r = {0};
    char enhanced[12];

    (void)state;
    assert_int_equal(give_all(&r, SPAN("550-5.1.1 a\n451 b")), REPLY_MALFORMED);
    assert_int_equal(r.code, 550);
    r.text.failed = true;
    reply_clear(&r);
    assert_int_equal(r.code, 0);
    assert_int_equal(r.lines, 0);
    assert_int_equal(r.class, 0);
    assert_int_equal(r.text.len, 0);
    assert_string_equal(reply_enhanced(&r, enhanced), "");
    assert_int_equal(give(&r, SPAN("250 c")), REPLY_DONE);
    assert_string_equal(buf_str(&r.text), "c");
    assert_string_equal(reply_enhanced(&r, enhanced), "2.0.0");
    reply_free(&r);
    assert_null(r.text.data);
    assert_int_equal(r.code, 0);
}

/* Want of memory costs the text, not the code. */
static void the_code_needs_no_memory(void **state)
{
    struct reply r = {.text.failed = true};

    (void)state;
    assert_int_equal(give(&r, SPAN("250-2.1.5 a")), REPLY_MORE);
    assert_int_equal(give(&r, SPAN("250 2.1.5 b")), REPLY_DONE);
    assert_int_equal(r.code, 250);
    assert_int_equal(r.detail, 5);
    assert_int_equal(r.text.len, 0);
    reply_free(&r);
}

static void replies_are_written(void **state)
{
    const struct {
        unsigned code;
        const char *enhanced;
        struct span text;
        const char *want;
    } cases[] = {
        {250, NULL, SPAN("ok"), "250 ok\r\n"},
        {250, "2.1.0", SPAN("ok"), "250 2.1.0 ok\r\n"},
        {250, NULL, SPAN(""), "250 \r\n"},
        {250, NULL, {NULL, 0}, "250 \r\n"},
        {250, "2.0.0", SPAN(""), "250 2.0.0\r\n"},
        {250, NULL, SPAN("mx\nSIZE 1\nHELP"), "250-mx\r\n250-SIZE 1\r\n250 HELP\r\n"},
        {550, "5.7.1", SPAN("a\n\nb"), "550-5.7.1 a\r\n550-5.7.1\r\n550 5.7.1 b\r\n"},
        {250, NULL, SPAN("\n"), "250-\r\n250 \r\n"},
        {354, NULL, SPAN("go"), "354 go\r\n"},
        {200, NULL, SPAN("x"), "200 x\r\n"},
        {599, "5.999.999", SPAN("x"), "599 5.999.999 x\r\n"},
        {250, NULL, SPAN("a\r\nb"), "250-a?\r\n250 b\r\n"},
        {250, NULL, SPAN("a\rb\0c\x1B"), "250 a?b?c?\r\n"},
        {250, NULL, SPAN("\xC3\xA4\xE4\tx"), "250 \xC3\xA4? x\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        assert_true(reply_write(&out, cases[i].code, cases[i].enhanced, cases[i].text));
        assert_string_equal(buf_str(&out), cases[i].want);
        assert_int_equal(out.len, strlen(cases[i].want));
        buf_free(&out);
    }
}

static void wrong_replies_are_not_written(void **state)
{
    static const struct {
        unsigned code;
        const char *enhanced;
    } cases[] = {
        {0, NULL},           {199, NULL},       {600, NULL},        {25, NULL},
        {4294967295U, NULL}, {250, "5.1.1"},    {550, "4.1.1"},     {354, "3.0.0"},
        {250, ""},           {250, "2"},        {250, "2.1"},       {250, "2.1.0 "},
        {250, "2.1.0.0"},    {250, "2.1000.0"}, {250, "2.1.0\r\n"}, {250, "x"},
    };
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_false(reply_write(&out, cases[i].code, cases[i].enhanced, SPAN("x")));
    assert_int_equal(out.len, 0);
    out.failed = true;
    assert_false(reply_write(&out, 250, NULL, SPAN("x")));
    assert_false(reply_write(&out, 250, "2.0.0", SPAN("")));
}

static void written_lines_are_bounded(void **state)
{
    struct buf text = {0}, out = {0};

    (void)state;
    buf_fill(&text, 'x', 600);
    buf_addc(&text, '\n');
    for (int i = 0; i < 200; i++)
        buf_adds(&text, "\xE2\x82\xAC");
    assert_true(reply_write(&out, 451, "4.3.0", BUF_SPAN(&text)));
    struct span rest = BUF_SPAN(&out), line;
    assert_true(span_line(&rest, &line));
    assert_int_equal(line.n + 1, REPLY_LINE_MAX);
    assert_true(span_line(&rest, &line));
    assert_int_equal(line.n + 1, REPLY_LINE_MAX - 2); /* 166 characters of three octets */
    assert_int_equal(span_find(line, '?'), line.n);
    assert_false(span_line(&rest, &line));
    buf_free(&text);
    buf_free(&out);
}

/* Whatever the pieces, the same lines; what is beyond the limit is forgotten, a CR before it too.
 */
static void lines_are_collected(void **state)
{
    static const char text[] = "220 one\r\n\n250-two\n\r\n250 th\rree\r\nrest";
    static const char *const lines[] = {"220 one", "", "250-two", "", "250 th\rree"};

    (void)state;
    for (size_t step = 1; step < sizeof(text); step++) {
        struct buf held = {0};
        size_t n = 0;
        for (size_t at = 0; at < sizeof(text) - 1; at += step) {
            size_t left = sizeof(text) - 1 - at;
            struct span octets = {text + at, step < left ? step : left}, line;
            while (reply_collect(&held, &octets, &line)) {
                assert_true(n < COUNT(lines));
                assert_true(span_eq(line, span_of(lines[n++])));
                buf_clear(&held);
            }
            assert_int_equal(octets.n, 0);
        }
        assert_int_equal(n, COUNT(lines));
        assert_true(span_eq(BUF_SPAN(&held), SPAN("rest")));
        buf_free(&held);
    }
}

static void long_lines_are_cut(void **state)
{
    char text[REPLY_LINE_MAX + 100];
    struct buf held = {0};
    struct span octets = {text, sizeof(text)}, line;

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_false(reply_collect(&held, &octets, &line));
    octets = SPAN("yyy\nz");
    assert_true(reply_collect(&held, &octets, &line));
    assert_int_equal(line.n, REPLY_LINE_MAX);
    assert_int_equal(line.p[line.n - 1], 'x');
    assert_true(span_eq(octets, SPAN("z")));
    buf_clear(&held);
    held.failed = true;
    octets = SPAN("y\n");
    assert_false(reply_collect(&held, &octets, &line));
    buf_free(&held);
}

static void words_are_one_line(void **state)
{
    static const struct {
        const char *lines, *words;
        size_t size;
    } cases[] = {
        {"250 ok\n", "250 ok", 64},
        {"250\n", "250", 64},
        {"550-5.1.1 No\n550 5.1.1 such\tuser\n", "550 5.1.1 No such user", 64},
        {"550 \xC3\xA4.\n", "550 ??.", 64},
        {"550 a\x7F\x1F" "b~ \n", "550 a??b~ ", 64},
        {"550 5.1.1 No such user\n", "550 5.1", 8},
        {"550 5.1.1 No such user\n", "550 5.1.1 No such use", 22},
        {"550 5.1.1 No such user\n", "550 5.1.1 No such user", 23},
        {"550 x\n", "", 1},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reply r = {0};
        struct span rest = span_of(cases[i].lines), line;
        while (span_line(&rest, &line))
            reply_line(&r, line);
        memset(out, '#', sizeof(out));
        reply_words(&r, out, cases[i].size);
        assert_string_equal(out, cases[i].words);
        assert_true(cases[i].size == sizeof(out) || out[cases[i].size] == '#');
        reply_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read),
        cmocka_unit_test(malformed_replies),
        cmocka_unit_test(a_reply_has_a_last_line),
        cmocka_unit_test(text_is_bounded),
        cmocka_unit_test(cuts_leave_characters_whole),
        cmocka_unit_test(lines_of_every_length),
        cmocka_unit_test(clearing_begins_anew),
        cmocka_unit_test(the_code_needs_no_memory),
        cmocka_unit_test(replies_are_written),
        cmocka_unit_test(wrong_replies_are_not_written),
        cmocka_unit_test(written_lines_are_bounded),
        cmocka_unit_test(lines_are_collected),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(words_are_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
