/* Code pages against the C library's own tables, UTF-8 checks, folding and text made safe. */
#include "lib/charset.h"

#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define IN(literal)                                                                                \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static struct charset found(const char *name)
{
    struct charset c;

    if (!charset_find(span_of(name), &c))
        fail_msg("%s is not known", name);
    return c;
}

static void test_find(void **state)
{
    static const struct {
        const char *name, *canonical;
        enum charset_kind kind;
        bool ebcdic;
    } cases[] = {
        {"UTF-8", "UTF-8", CHARSET_UTF8, false},
        {"utf8", "UTF-8", CHARSET_UTF8, false},
        {"us-ascii", "US-ASCII", CHARSET_TABLE, false},
        {"iso-8859-1", "ISO-8859-1", CHARSET_TABLE, false},
        {"IBM-1047", "IBM1047", CHARSET_TABLE, true},
        {"ibm1047", "IBM1047", CHARSET_TABLE, true},
        {"CP1047", "IBM1047", CHARSET_TABLE, true},
        {"IBM-037", "IBM037", CHARSET_TABLE, true},
        {"cp037", "IBM037", CHARSET_TABLE, true},
        {"iso-8859-15", "ISO-8859-15", CHARSET_ICONV, false},
        {"IBM-500", "IBM500", CHARSET_ICONV, true},
        {"UTF-16LE", "UTF-16LE", CHARSET_ICONV, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct charset c = found(cases[i].name);

        assert_string_equal(c.name, cases[i].canonical);
        assert_int_equal(c.kind, cases[i].kind);
        assert_int_equal(c.ebcdic, cases[i].ebcdic);
        assert_int_equal(c.table != NULL, c.kind == CHARSET_TABLE);
    }
}

static void test_find_refuses(void **state)
{
    static const struct span names[] = {
        IN(""),
        IN("no-such-page"),
        IN("ISO-8859-15//TRANSLIT"),
        IN("ISO-8859-15//IGNORE"),
        IN("../../etc/x"),
        IN("UTF-8\0"),
        IN("UTF 8"),
        IN("\xC3\xB6"),
        IN("-"),
        IN("IBM-"),
        IN("autodetect_utf8"),
        IN("ISO-8859-15ISO-8859-15ISO-8859-15ISO-8859-15"),
    };
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct charset c;

        if (charset_find(names[i], &c))
            fail_msg("%s is taken for %s", names[i].p, c.name);
    }
}

/* One octet through the C library; 0 octets when it has no meaning there. */
static size_t reference(const char *name, char octet, char out[8])
{
    iconv_t cd = iconv_open("UTF-8", name);
    char *from = &octet, *to = out;
    size_t left = 1, room = 8, result;

    assert_true(cd != (iconv_t)-1);
    result = iconv(cd, &from, &left, &to, &room);
    assert_int_equal(iconv_close(cd), 0);
    return result == (size_t)-1 ? 0 : 8 - room;
}

static void test_tables_agree_with_iconv(void **state)
{
    static const char *const names[] = {"IBM1047", "IBM037", "ISO-8859-1", "US-ASCII"};
    struct buf utf8 = {0}, back = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct charset c = found(names[i]);

        assert_int_equal(c.kind, CHARSET_TABLE);
        for (int o = 0; o < 256; o++) {
            char octet = (char)o, want[8];
            size_t n = reference(names[i], octet, want);

            buf_clear(&utf8);
            buf_clear(&back);
            assert_int_equal(charset_decode(&c, (struct span){&octet, 1}, false, &utf8, NULL),
                             n > 0);
            assert_int_equal(utf8.len, n);
            if (n == 0)
                continue;
            assert_memory_equal(utf8.data, want, n);
            assert_true(charset_encode(&c, BUF_SPAN(&utf8), &back, NULL));
            assert_int_equal(back.len, 1);
            assert_int_equal(back.data[0], octet);
        }
    }
    buf_free(&utf8);
    buf_free(&back);
}

/* Facts known apart from iconv: where the pages differ, and the two line ends. */
static void test_ebcdic_facts(void **state)
{
    static const struct {
        const char *page;
        struct span in;
        bool stream;
        const char *out;
    } cases[] = {
        {"IBM1047", IN("\xC8\x85\x93\x93\x96\x40\xAD\xBD\x5F\x7C"), false, "Hello []^@"},
        {"IBM037", IN("\xC8\x85\x93\x93\x96\x40\xBA\xBB\xB0\x7C"), false, "Hello []^@"},
        {"IBM500", IN("\xC8\x85\x93\x93\x96\x40\x4A\x5A\x5F\x7C"), false, "Hello []^@"},
        {"IBM1047", IN("\xC1\x15\xC2\x25\xC3"), true, "A\nB\nC"},
        {"IBM1047", IN("\xC1\x15\xC2\x25\xC3"), false,
         "A\xC2\x85"
         "B\nC"},
        {"IBM037", IN("\xC1\x15\xC2\x25\xC3"), true, "A\nB\nC"},
        {"IBM500", IN("\xC1\x15\xC2\x25\x15"), true, "A\nB\n\n"},
        {"IBM500", IN("\xC1\x15\xC2"), true, "A\nB"},
        {"IBM500", IN("\xC1\x15\xC2\x25\x15"), false,
         "A\xC2\x85"
         "B\n\xC2\x85"},
        {"ISO-8859-1",
         IN("A\x85"
            "B\n"),
         true,
         "A\xC2\x85"
         "B\n"},
        {"ISO-8859-15", IN("\xA4"), true, "\xE2\x82\xAC"},
        {"UTF-8", IN("\xE2\x82\xAC\xC2\x85"), true, "\xE2\x82\xAC\xC2\x85"},
        {"UTF-16LE", IN("A\0\xAC\x20"), true, "A\xE2\x82\xAC"},
        {"IBM1047", IN(""), true, ""},
        {"ISO-8859-15", IN(""), true, ""},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct charset c = found(cases[i].page);

        buf_clear(&b);
        assert_true(charset_decode(&c, cases[i].in, cases[i].stream, &b, NULL));
        assert_string_equal(buf_str(&b), cases[i].out);
    }
    buf_free(&b);
}

static void test_decode_faults(void **state)
{
    static const struct {
        const char *page;
        struct span in;
        size_t bad;
    } cases[] = {
        {"US-ASCII", IN("abc\x80"), 3},      {"UTF-8", IN("a\xFFz"), 1},
        {"UTF-8", IN("ab\xE2\x82"), 2},      {"UTF-16LE", IN("A\0\x00\xDC!\0"), 2},
        {"EUC-JP", IN("ab\xA4\xA2\xFF"), 4}, {"EUC-JP", IN("ab\xA4"), 2},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct charset c = found(cases[i].page);
        size_t bad = 99;

        buf_clear(&b);
        buf_adds(&b, "kept");
        assert_false(charset_decode(&c, cases[i].in, true, &b, &bad));
        if (bad != cases[i].bad)
            fail_msg("%s: fault at %zu, not %zu", cases[i].page, bad, cases[i].bad);
        assert_string_equal(buf_str(&b), "kept");
        assert_false(charset_decode(&c, cases[i].in, true, &b, NULL));
    }
    buf_free(&b);
}

static void test_encode(void **state)
{
    static const struct {
        const char *page;
        struct span in, out;
        bool good;
        size_t bad;
    } cases[] = {
        {"IBM1047", IN("[\xC3\xB6]\n"), IN("\xAD\xCC\xBD\x25"), true, 0},
        {"IBM1047", IN("ab\xE2\x82\xAC"), IN(""), false, 2},
        {"IBM1047", IN("ab\xC3"), IN(""), false, 2},
        {"IBM037", IN("\xC2\x85"), IN("\x15"), true, 0},
        {"US-ASCII", IN("ab\xC3\xB6"), IN(""), false, 2},
        {"ISO-8859-15", IN("\xE2\x82\xAC"), IN("\xA4"), true, 0},
        {"ISO-8859-15", IN("a\xE2\x82\xAC\xE2\x88\x80"), IN(""), false, 4},
        {"ISO-8859-15", IN("a\xFF"), IN(""), false, 1},
        {"UTF-8", IN("\xE2\x82\xAC"), IN("\xE2\x82\xAC"), true, 0},
        {"UTF-8", IN("\xE2\x82"), IN(""), false, 0},
        {"IBM1047", IN(""), IN(""), true, 0},
        /* The last step is back to ASCII: the shift state is ended. */
        {"ISO-2022-JP", IN("\xE3\x81\x82"), IN("\x1B$B$\"\x1B(B"), true, 0},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct charset c = found(cases[i].page);
        size_t bad = 0;

        buf_clear(&b);
        assert_int_equal(charset_encode(&c, cases[i].in, &b, &bad), cases[i].good);
        assert_int_equal(bad, cases[i].bad);
        assert_int_equal(b.len, cases[i].out.n);
        if (b.len > 0)
            assert_memory_equal(b.data, cases[i].out.p, b.len);
    }
    buf_free(&b);
}

/* Longer than any buffer that is made at first, in pages that grow and that shrink. */
static void test_long_text(void **state)
{
    static const char *const pages[] = {"IBM1047", "IBM500", "UTF-16LE", "ISO-2022-JP"};
    struct buf in = {0}, out = {0}, back = {0};

    (void)state;
    buf_fill(&in, 'x', 100000);
    for (size_t i = 0; i < COUNT(pages); i++) {
        struct charset c = found(pages[i]);

        buf_clear(&out);
        buf_clear(&back);
        assert_true(charset_encode(&c, BUF_SPAN(&in), &out, NULL));
        assert_true(charset_decode(&c, BUF_SPAN(&out), false, &back, NULL));
        assert_true(span_eq(BUF_SPAN(&in), BUF_SPAN(&back)));
    }
    buf_free(&in);
    buf_free(&out);
    buf_free(&back);
}

static void test_valid(void **state)
{
    static const struct {
        struct span in;
        bool valid;
        size_t bad;
        bool ascii;
    } cases[] = {
        {IN(""), true, 0, true},
        {IN("a\0b"), true, 0, true},
        {IN("12345678abcdefgh9"), true, 0, true},
        {IN("12345678abcdefgh\xC3\xB6"), true, 0, false},
        {IN("1234567\x80"), false, 7, false},
        {IN("\xF4\x8F\xBF\xBF"), true, 0, false},
        {IN("\xF4\x90\x80\x80"), false, 0, false},
        {IN("a\xED\x9F\xBF"), true, 0, false},
        {IN("a\xED\xA0\x80"), false, 1, false},
        {IN("ab\xC0\x80"), false, 2, false},
        {IN("ab\xE0\x9F\xBF"), false, 2, false},
        {IN("ab\xF0\x8F\xBF\xBF"), false, 2, false},
        {IN("ab\xE2\x82"), false, 2, false},
        {IN("\x80"), false, 0, false},
        {IN("\xFE"), false, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t bad = 0;

        assert_int_equal(utf8_valid(cases[i].in, &bad), cases[i].valid);
        assert_int_equal(bad, cases[i].bad);
        assert_int_equal(utf8_valid(cases[i].in, NULL), cases[i].valid);
        assert_int_equal(utf8_is_ascii(cases[i].in), cases[i].ascii);
    }
    assert_true(utf8_valid((struct span){NULL, 0}, NULL));
}

static void test_char(void **state)
{
    static const struct {
        struct span in;
        size_t n;
        uint32_t code;
    } cases[] = {
        {IN(""), 0, 7},
        {IN("\0x"), 1, 0},
        {IN("ab"), 1, 'a'},
        {IN("\xC3\xB6x"), 2, 0xF6},
        {IN("\xE2\x82\xACx"), 3, 0x20AC},
        {IN("\xF0\x9F\x93\xA8"), 4, 0x1F4E8},
        {IN("\xF0\x9F\x93"), 0, 7},
        {IN("\xC3"), 0, 7},
        {IN("\xB6"), 0, 7},
        {IN("\xED\xA0\x80"), 0, 7},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t code = 7;

        assert_int_equal(utf8_char(cases[i].in, &code), cases[i].n);
        assert_int_equal(code, cases[i].code);
    }
}

/* What the complete tables say. */
static void expect_fold(const char *text, size_t n)
{
    struct buf b = {0};
    size_t wanted = 0;
    uint8_t *folded = u8_casefold((const uint8_t *)text, n, NULL, UNINORM_NFC, NULL, &wanted);

    assert_non_null(folded);
    assert_true(utf8_fold((struct span){text, n}, &b));
    if (b.len != wanted || memcmp(b.data, folded, wanted) != 0)
        fail_msg("<%.*s> is folded to <%.*s>, not <%.*s>", (int)n, text, (int)b.len, b.data,
                 (int)wanted, (const char *)folded);
    free(folded);
    buf_free(&b);
}

/* The quick way for letters that fold alone agrees with the complete one: each character below
 * U+0600, and each beside characters that matter: of both cases, in need of more than a small
 * letter, combining. */
static void test_fold_is_complete(void **state)
{
    static const ucs4_t beside[] = {'i',    'I',    'S',    0xB5,   0xC5,   0xDF,  0x130, 0x149,
                                    0x17F,  0x1C4,  0x1F0,  0x2BC,  0x300,  0x301, 0x307, 0x345,
                                    0x39C,  0x3C2,  0x3B0,  0x418,  0x439,  0x483, 0x52F, 0x1E9E,
                                    0x212A, 0x212B, 0x1100, 0x1161, 0x4E00, 0xFB01};

    (void)state;
    for (ucs4_t c = 0x20; c < 0x600; c++)
        for (size_t i = 0; i < COUNT(beside); i++) {
            uint8_t text[12];
            int a = u8_uctomb(text, c, sizeof(text)), b, n;
            b = u8_uctomb(text + a, beside[i], (ptrdiff_t)sizeof(text) - a);
            expect_fold((const char *)text, (size_t)a);
            expect_fold((const char *)text, (size_t)(a + b));
            n = u8_uctomb(text, beside[i], sizeof(text));
            n += u8_uctomb(text + n, c, (ptrdiff_t)sizeof(text) - n);
            expect_fold((const char *)text, (size_t)n);
        }
}

static void test_fold(void **state)
{
    static const struct {
        const char *in, *key;
    } cases[] = {
        {"", ""},
        {"CDoaks", "cdoaks"},
        {"A@#$9_", "a@#$9_"},
        {"Stra\xC3\x9F"
         "e",
         "strasse"},
        {"\xC3\x96RN", "\xC3\xB6rn"},
        {"O\xCC\x88RN", "\xC3\xB6rn"},            /* decomposed in, composed out */
        {"\xE2\x84\xAA", "k"},                    /* Kelvin sign */
        {"\xCE\xA3\xCF\x82", "\xCF\x83\xCF\x83"}, /* both sigmas */
        {"\xC4\xB0", "i\xCC\x87"},                /* no Turkish rule */
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_clear(&b);
        assert_true(utf8_fold(span_of(cases[i].in), &b));
        assert_string_equal(buf_str(&b), cases[i].key);
    }
    buf_clear(&b);
    assert_false(utf8_fold(SPAN("a\xFF"), &b));
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void test_safe(void **state)
{
    static const struct {
        struct span in;
        const char *out;
    } cases[] = {
        {IN("plain ~ \\ text"), "plain ~ \\ text"},
        {IN("a\tb"), "a b"},
        {IN("\x1B]52;c;x\x07"), "\\x1B]52;c;x\\x07"},
        {IN("a\0b\r\n\x7F"), "a\\x00b\\x0D\\x0A\\x7F"},
        {IN("\x9B"
            "31m"),
         "\\x9B31m"},
        {IN("\xC2\x9B"
            "31m"),
         "\\u{009B}31m"},
        {IN("\xC2\xA0\xC3\xB6"), "\xC2\xA0\xC3\xB6"},
        {IN("\xD8\x9C\xE2\x80\x8E\xE2\x80\x8F"), "\\u{061C}\\u{200E}\\u{200F}"},
        {IN("\xE2\x80\xAA\xE2\x80\xAE\xE2\x80\xAF"), "\\u{202A}\\u{202E}\xE2\x80\xAF"},
        {IN("\xE2\x80\xA7\xE2\x80\xA8\xE2\x80\xA9"), "\xE2\x80\xA7\\u{2028}\\u{2029}"},
        {IN("\xE2\x81\xA5\xE2\x81\xA6\xE2\x81\xA9\xE2\x81\xAA"),
         "\xE2\x81\xA5\\u{2066}\\u{2069}\xE2\x81\xAA"},
        {IN("\xED\xA0\x80\xE2\x82"), "\\xED\\xA0\\x80\\xE2\\x82"},
        {IN("\xF0\x9F\x93\xA8"), "\xF0\x9F\x93\xA8"},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_clear(&b);
        assert_true(utf8_safe(cases[i].in, &b));
        assert_string_equal(buf_str(&b), cases[i].out);
    }
    buf_free(&b);
}

/* Whatever octets come in, what goes out is UTF-8 without a single control. */
static void test_safe_every_pair(void **state)
{
    struct buf b = {0};

    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        char in[2] = {(char)(pair >> 8), (char)pair};
        uint32_t code;

        buf_clear(&b);
        assert_true(utf8_safe((struct span){in, sizeof(in)}, &b));
        assert_true(utf8_valid(BUF_SPAN(&b), NULL));
        for (size_t i = 0, n; i < b.len; i += n) {
            n = utf8_char(span_from(BUF_SPAN(&b), i), &code);
            assert_true(code >= 0x20 && (code < 0x7F || code >= 0xA0));
        }
    }
    buf_free(&b);
}

static void test_width(void **state)
{
    static const struct {
        struct span in;
        size_t columns;
    } cases[] = {
        {IN(""), 0},          {IN("abc"), 3},
        {IN("o\xCC\x88"), 1}, {IN("\xE6\x97\xA5\xE6\x9C\xAC"), 4},
        {IN("a\0\x1B"), 1},   {IN("a\xFF"), 2},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(utf8_width(cases[i].in), cases[i].columns);
}

static void a_control_is_one_octet_or_a_blank(void **state)
{
    static const struct {
        const char *record;
        char control;
        const char *rest;
    } cases[] = {{"", ' ', ""},       {"1", '1', ""},         {"0text", '0', "text"},
                 {"?x", '?', "x"},    {"\xFFx", '\xFF', "x"}, {"\xC2\x80x", ' ', "\xC2\x80x"},
                 {"\xC2", '\xC2', ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span text = span_of(cases[i].record);
        assert_int_equal(utf8_control(&text), cases[i].control);
        assert_true(span_eq(text, span_of(cases[i].rest)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_refuses),
        cmocka_unit_test(test_tables_agree_with_iconv),
        cmocka_unit_test(test_ebcdic_facts),
        cmocka_unit_test(test_decode_faults),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_char),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_fold_is_complete),
        cmocka_unit_test(test_safe),
        cmocka_unit_test(test_safe_every_pair),
        cmocka_unit_test(test_width),
        cmocka_unit_test(a_control_is_one_octet_or_a_blank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
