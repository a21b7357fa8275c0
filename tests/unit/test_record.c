/* Unit tests of lib/record: RECFM names, the three record formats, carriage control. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/record.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct recfm text = {RECORD_TEXT, CONTROL_NONE, 0};
static const struct recfm fb4 = {RECORD_FIXED, CONTROL_NONE, 4};
static const struct recfm vb = {RECORD_VARIABLE, CONTROL_NONE, 0};

static void recfm_names_are_read_and_written(void **state)
{
    static const struct {
        const char *name;
        struct recfm format;
        const char *written;
    } cases[] = {
        {"T", {RECORD_TEXT, CONTROL_NONE, 0}, ""},
        {"V", {RECORD_TEXT, CONTROL_NONE, 0}, ""},
        {"VA", {RECORD_TEXT, CONTROL_ASA, 0}, "VA"},
        {"VM", {RECORD_TEXT, CONTROL_MACHINE, 0}, "VM"},
        {"F", {RECORD_FIXED, CONTROL_NONE, 80}, "FB80"},
        {"F80", {RECORD_FIXED, CONTROL_NONE, 80}, "FB80"},
        {"FB", {RECORD_FIXED, CONTROL_NONE, 80}, "FB80"},
        {"FB80", {RECORD_FIXED, CONTROL_NONE, 80}, "FB80"},
        {"fb80", {RECORD_FIXED, CONTROL_NONE, 80}, "FB80"},
        {"FB080", {RECORD_FIXED, CONTROL_NONE, 80}, "FB80"},
        {"FB9", {RECORD_FIXED, CONTROL_NONE, 9}, "FB9"},
        {"F1", {RECORD_FIXED, CONTROL_NONE, 1}, "FB1"},
        {"FB32760", {RECORD_FIXED, CONTROL_NONE, 32760}, "FB32760"},
        {"FA", {RECORD_FIXED, CONTROL_ASA, 133}, "FBA133"},
        {"FBA", {RECORD_FIXED, CONTROL_ASA, 133}, "FBA133"},
        {"FBA133", {RECORD_FIXED, CONTROL_ASA, 133}, "FBA133"},
        {"Fba121", {RECORD_FIXED, CONTROL_ASA, 121}, "FBA121"},
        {"FM", {RECORD_FIXED, CONTROL_MACHINE, 133}, "FBM133"},
        {"FBM", {RECORD_FIXED, CONTROL_MACHINE, 133}, "FBM133"},
        {"VB", {RECORD_VARIABLE, CONTROL_NONE, 0}, "VB"},
        {"VBA", {RECORD_VARIABLE, CONTROL_ASA, 0}, "VBA"},
        {"vbm", {RECORD_VARIABLE, CONTROL_MACHINE, 0}, "VBM"},
        {"VB5", {RECORD_VARIABLE, CONTROL_NONE, 5}, "VB5"},
        {"VBA137", {RECORD_VARIABLE, CONTROL_ASA, 137}, "VBA137"},
        {"VBM32760", {RECORD_VARIABLE, CONTROL_MACHINE, 32760}, "VBM32760"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct recfm r = {RECORD_FIXED, CONTROL_MACHINE, 7};
        struct buf out = {0};
        assert_true(recfm_parse(span_of(cases[i].name), &r));
        assert_int_equal(r.form, cases[i].format.form);
        assert_int_equal(r.control, cases[i].format.control);
        assert_int_equal(r.lrecl, cases[i].format.lrecl);
        assert_true(recfm_write(&out, &r));
        assert_string_equal(buf_str(&out), cases[i].written);
        buf_free(&out);
    }
}

static void ordinary_names_are_no_recfm(void **state)
{
    static const struct span cases[] = {
        {NULL, 0},
        {"", 0},
        {"80", 2},
        {"FB0", 3},
        {"FB32761", 7},
        {"VB4", 3},
        {"VB0", 3},
        {"VB32761", 7},
        {"T80", 3},
        {"V2", 2},
        {"VA133", 5},
        {"VM1", 3},
        {"FBX", 3},
        {"FB80X", 5},
        {"FB 80", 5},
        {"FB-80", 5},
        {"FB80 ", 5},
        {" FB80", 5},
        {"VBS", 3},
        {"VS", 2},
        {"U", 1},
        {"FBS80", 5},
        {"FBAM", 4},
        {"FB4294967376", 12},
        {"TXT", 3},
        {"FB\0", 3},
        {"FB\0"
         "80",
         5},
        {"FB80\0", 5},
        {"\0", 1},
        {"BF80", 4},
        {"FB18446744073709551696", 22},
        {"FBA\xB9", 4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct recfm r = {RECORD_VARIABLE, CONTROL_ASA, 99};
        assert_false(recfm_parse(cases[i], &r));
        assert_int_equal(r.lrecl, 99);
        assert_int_equal(r.form, RECORD_VARIABLE);
    }
}

static void recfm_without_a_name_is_not_written(void **state)
{
    static const struct recfm cases[] = {
        {RECORD_FIXED, CONTROL_NONE, 0},
        {RECORD_FIXED, CONTROL_ASA, LRECL_MAX + 1},
        {RECORD_VARIABLE, CONTROL_NONE, 4},
        {RECORD_VARIABLE, CONTROL_ASA, 1},
        {RECORD_VARIABLE, CONTROL_NONE, LRECL_MAX + 1},
    };
    static const struct recfm bounded = {RECORD_TEXT, CONTROL_ASA, 133};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_false(recfm_write(&out, &cases[i]));
    assert_int_equal(out.len, 0);
    assert_true(recfm_write(&out, &bounded));
    assert_string_equal(buf_str(&out), "VA");
    out.failed = true;
    assert_false(recfm_write(&out, &text));
    assert_false(recfm_write(&out, &bounded));
    buf_free(&out);
}

struct want {
    struct recfm format;
    struct span file;
    size_t records;
    const char *record[4];
    const char *damage; /* part of the finding; NULL: the file ends well */
    size_t column;      /* of the finding */
};

static void read_all(const struct want *w)
{
    /* In memory of its own size, so that a read beyond the end is found. */
    char *copy = malloc(w->file.n + (w->file.n == 0));
    struct record_reader r = {.format = w->format, .rest = {copy, w->file.n}};
    struct span record;
    struct diag d = {0};

    assert_non_null(copy);
    if (w->file.n > 0)
        memcpy(copy, w->file.p, w->file.n);
    for (size_t i = 0; i < w->records; i++) {
        assert_int_equal(record_next(&r, &record, &d), RECORD_OK);
        assert_int_equal(record.n, strlen(w->record[i]));
        assert_memory_equal(record.p, w->record[i], record.n);
        assert_int_equal(r.number, i + 1);
        assert_int_equal(r.offset + r.rest.n, w->file.n);
    }
    for (int again = 0; again < 2; again++) {
        assert_int_equal(record_next(&r, &record, &d), w->damage ? RECORD_DAMAGED : RECORD_END);
        assert_int_equal(r.number, w->records);
    }
    if (w->damage != NULL) {
        assert_int_equal(d.line, w->records + 1);
        assert_int_equal(d.column, w->column);
        assert_int_equal(r.offset, w->column - 1);
        assert_non_null(strstr(d.text, w->damage));
    }
    free(copy);
}

static void text_records(void **state)
{
    static const struct recfm text3 = {RECORD_TEXT, CONTROL_NONE, 3};
    const struct want cases[] = {
        {text, SPAN(""), 0, {NULL}, NULL, 0},
        {text, {NULL, 0}, 0, {NULL}, NULL, 0},
        {text, SPAN("\n"), 1, {""}, NULL, 0},
        {text, SPAN("a"), 1, {"a"}, NULL, 0},
        {text, SPAN("a\n"), 1, {"a"}, NULL, 0},
        {text, SPAN("a\r\n"), 1, {"a"}, NULL, 0},
        {text, SPAN("\r\n\r\n"), 2, {"", ""}, NULL, 0},
        {text, SPAN("a\r"), 1, {"a\r"}, NULL, 0},
        {text, SPAN("a\r\r\n"), 1, {"a\r"}, NULL, 0},
        {text, SPAN("a\rb\n"), 1, {"a\rb"}, NULL, 0},
        {text, SPAN("a\n\nb \nc"), 4, {"a", "", "b ", "c"}, NULL, 0},
        {text3, SPAN("abc\nab\n"), 2, {"abc", "ab"}, NULL, 0},
        {text3, SPAN("abc\r\nabc"), 2, {"abc", "abc"}, NULL, 0},
        {text3, SPAN("abc\nabcd\n"), 1, {"abc"}, "line of 4 octets", 5},
        {text3, SPAN("abcd"), 0, {NULL}, "LRECL is 3", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        read_all(&cases[i]);
}

static void fixed_records(void **state)
{
    static const struct recfm none = {RECORD_FIXED, CONTROL_NONE, 0};
    const struct want cases[] = {
        {fb4, SPAN(""), 0, {NULL}, NULL, 0},
        {fb4, SPAN("abcd"), 1, {"abcd"}, NULL, 0},
        {fb4, SPAN("ab  \n\r\n "), 2, {"ab  ", "\n\r\n "}, NULL, 0},
        {fb4, SPAN("a"), 0, {NULL}, "1 of 4 octets", 1},
        {fb4, SPAN("abc"), 0, {NULL}, "3 of 4 octets", 1},
        {fb4, SPAN("abcde"), 1, {"abcd"}, "1 of 4 octets", 5},
        {fb4, SPAN("abcdefgh\n"), 2, {"abcd", "efgh"}, "1 of 4 octets", 9},
        {none, SPAN("abcd"), 0, {NULL}, "without a record length", 1},
        {none, SPAN(""), 0, {NULL}, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        read_all(&cases[i]);
}

static void variable_records(void **state)
{
    static const struct recfm vb6 = {RECORD_VARIABLE, CONTROL_NONE, 6};
    const struct want cases[] = {
        {vb, SPAN(""), 0, {NULL}, NULL, 0},
        {vb, SPAN("\0\4\0\0"), 1, {""}, NULL, 0},
        {vb, SPAN("\0\7\0\0abc\0\4\0\0\0\5\0\0d"), 3, {"abc", "", "d"}, NULL, 0},
        {vb, SPAN("\0\7\0\0a\nb"), 1, {"a\nb"}, NULL, 0},
        {vb6, SPAN("\0\6\0\0ab"), 1, {"ab"}, NULL, 0},
        {vb6, SPAN("\0\7\0\0abc"), 0, {NULL}, "7 octets where 6 is the most", 1},
        {vb, SPAN("\0\0\0\0"), 0, {NULL}, "length is below 4", 1},
        {vb, SPAN("\0\3\1\2abc"), 0, {NULL}, "X'00030102'", 1},
        {vb, SPAN("\0\5\0\0a\0\5\1\0a"), 1, {"a"}, "segment flags", 6},
        {vb, SPAN("\0\5\2\3a"), 0, {NULL}, "X'00050203' has segment flags", 1},
        {vb, SPAN("\0\5\0\1a"), 0, {NULL}, "segment flags", 1},
        {vb, SPAN("\0"), 0, {NULL}, "(1 of 4 octets)", 1},
        {vb, SPAN("\0\5\0"), 0, {NULL}, "(3 of 4 octets)", 1},
        {vb, SPAN("\0\5\0\0"), 0, {NULL}, "5 octets and 4 are left", 1},
        {vb, SPAN("\0\5\0\0a\0\7\0\0bc"), 1, {"a"}, "7 octets and 6 are left", 6},
        {vb, SPAN("\177\370\0\0a"), 0, {NULL}, "32760 octets and 5 are left", 1},
        {vb, SPAN("\177\371\0\0a"), 0, {NULL}, "32761 octets where 32760", 1},
        {vb, SPAN("\377\377\0\0a"), 0, {NULL}, "65535 octets where 32760", 1},
        {vb, SPAN("Hello\n"), 0, {NULL}, "X'48656C6C'", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        read_all(&cases[i]);
}

/* A file cut at any octet gives the whole records before the cut, and then damage or, exactly
 * between two records, the end. */
static void truncation_at_every_octet(void **state)
{
    static const size_t lengths[] = {0, 1, 300, 5, 0, 77};
    char record[300];
    struct buf file = {0};
    size_t ends[COUNT(lengths)];

    (void)state;
    memset(record, 'r', sizeof(record));
    for (size_t i = 0; i < COUNT(lengths); i++) {
        assert_true(record_write(&file, &vb, (struct span){record, lengths[i]}, ' '));
        ends[i] = file.len;
    }
    for (size_t cut = 0; cut <= file.len; cut++) {
        char *copy = malloc(cut + (cut == 0));
        struct record_reader r = {.format = vb, .rest = {copy, cut}};
        struct span got;
        struct diag d;
        size_t whole = 0;
        assert_non_null(copy);
        memcpy(copy, file.data, cut);
        while (whole < COUNT(lengths) && ends[whole] <= cut) {
            assert_int_equal(record_next(&r, &got, &d), RECORD_OK);
            assert_int_equal(got.n, lengths[whole]);
            whole++;
        }
        bool between = cut == (whole ? ends[whole - 1] : 0);
        assert_int_equal(record_next(&r, &got, &d), between ? RECORD_END : RECORD_DAMAGED);
        if (!between)
            assert_int_equal(d.column, (whole ? ends[whole - 1] : 0) + 1);
        free(copy);
    }
    buf_free(&file);
}

static void records_are_written(void **state)
{
    static const struct recfm vb6 = {RECORD_VARIABLE, CONTROL_NONE, 6};
    static const struct recfm vb4 = {RECORD_VARIABLE, CONTROL_NONE, 4};
    static const struct recfm vb1 = {RECORD_VARIABLE, CONTROL_NONE, 1};
    static const struct recfm text3 = {RECORD_TEXT, CONTROL_NONE, 3};
    static const struct recfm none = {RECORD_FIXED, CONTROL_NONE, 0};
    static const struct recfm f1 = {RECORD_FIXED, CONTROL_NONE, 1};
    const struct {
        struct recfm format;
        struct span record;
        bool good;
        struct span file;
    } cases[] = {
        {text, SPAN(""), true, SPAN("\n")},
        {text, {NULL, 0}, true, SPAN("\n")},
        {text, SPAN("abc "), true, SPAN("abc \n")},
        {text, SPAN("a\0b"), true, SPAN("a\0b\n")},
        {text, SPAN("a\nb"), false, SPAN("")},
        {text, SPAN("\n"), false, SPAN("")},
        {text3, SPAN("abc"), true, SPAN("abc\n")},
        {text3, SPAN("abcd"), false, SPAN("")},
        {fb4, SPAN(""), true, SPAN("@@@@")},
        {fb4, SPAN("ab"), true, SPAN("ab@@")},
        {fb4, SPAN("abcd"), true, SPAN("abcd")},
        {fb4, SPAN("a\n"), true, SPAN("a\n@@")},
        {fb4, SPAN("abcde"), false, SPAN("")},
        {f1, SPAN(""), true, SPAN("@")},
        {f1, SPAN("a"), true, SPAN("a")},
        {none, SPAN(""), false, SPAN("")},
        {none, SPAN("a"), false, SPAN("")},
        {vb, SPAN(""), true, SPAN("\0\4\0\0")},
        {vb, SPAN("a\n"), true, SPAN("\0\6\0\0a\n")},
        {vb6, SPAN("ab"), true, SPAN("\0\6\0\0ab")},
        {vb6, SPAN("abc"), false, SPAN("")},
        {vb4, SPAN(""), true, SPAN("\0\4\0\0")},
        {vb4, SPAN("a"), false, SPAN("")},
        {vb1, SPAN("a"), false, SPAN("")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        assert_int_equal(record_write(&out, &cases[i].format, cases[i].record, '@'), cases[i].good);
        assert_int_equal(out.len, cases[i].file.n);
        assert_true(span_eq(BUF_SPAN(&out), cases[i].file));
        assert_false(out.failed);
        buf_free(&out);
    }
}

/* The longest variable record there is, and one octet more, in a format without a bound and in one
 * whose bound is beyond what an RDW may say. */
static void longest_variable_record(void **state)
{
    static const struct recfm formats[] = {{RECORD_VARIABLE, CONTROL_NONE, 0},
                                           {RECORD_VARIABLE, CONTROL_NONE, LRECL_MAX},
                                           {RECORD_VARIABLE, CONTROL_NONE, 100000}};
    size_t most = LRECL_MAX - 4;
    char *big = calloc(1, most + 1);

    (void)state;
    assert_non_null(big);
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct buf out = {0};
        struct span record;
        struct diag d;
        assert_false(record_write(&out, &formats[i], (struct span){big, most + 1}, ' '));
        assert_int_equal(out.len, 0);
        assert_true(record_write(&out, &formats[i], (struct span){big, most}, ' '));
        assert_int_equal(out.len, LRECL_MAX);
        assert_memory_equal(out.data, "\x7F\xF8\0\0", 4);
        struct record_reader r = {.format = formats[i], .rest = BUF_SPAN(&out)};
        assert_int_equal(record_next(&r, &record, &d), RECORD_OK);
        assert_int_equal(record.n, most);
        assert_int_equal(record_next(&r, &record, &d), RECORD_END);
        buf_free(&out);
    }
    free(big);
}

static void writing_without_memory_fails(void **state)
{
    static const struct recfm *const formats[] = {&text, &fb4, &vb};

    (void)state;
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct buf out = {.failed = true};
        assert_false(record_write(&out, formats[i], SPAN("ab"), ' '));
        assert_int_equal(out.len, 0);
    }
}

static void asa_controls(void **state)
{
    static const char lines[] = "+ 0-", channels[] = "123456789ABC";
    unsigned known = 0;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct carriage c = carriage_asa((unsigned char)lines[i]);
        assert_true(c.known && c.print);
        assert_int_equal(c.lines, i);
        assert_int_equal(c.channel, 0);
    }
    for (unsigned i = 0; i < 12; i++) {
        struct carriage c = carriage_asa((unsigned char)channels[i]);
        assert_true(c.known && c.print);
        assert_int_equal(c.lines, 0);
        assert_int_equal(c.channel, i + 1);
    }
    for (unsigned octet = 0; octet < 256; octet++) {
        struct carriage c = carriage_asa((unsigned char)octet);
        known += c.known;
        if (!c.known)
            assert_true(c.lines == 1 && c.channel == 0 && c.print);
    }
    assert_int_equal(known, 16);
}

static void machine_controls(void **state)
{
    static const struct {
        unsigned char octet, lines, channel;
        bool print;
    } cases[] = {
        {0x01, 0, 0, true},  {0x09, 1, 0, true},   {0x11, 2, 0, true},   {0x19, 3, 0, true},
        {0x03, 0, 0, false}, {0x0B, 1, 0, false},  {0x13, 2, 0, false},  {0x1B, 3, 0, false},
        {0x89, 0, 1, true},  {0x91, 0, 2, true},   {0x99, 0, 3, true},   {0xA1, 0, 4, true},
        {0xA9, 0, 5, true},  {0xB1, 0, 6, true},   {0xB9, 0, 7, true},   {0xC1, 0, 8, true},
        {0xC9, 0, 9, true},  {0xD1, 0, 10, true},  {0xD9, 0, 11, true},  {0xE1, 0, 12, true},
        {0x8B, 0, 1, false}, {0x93, 0, 2, false},  {0x9B, 0, 3, false},  {0xA3, 0, 4, false},
        {0xAB, 0, 5, false}, {0xB3, 0, 6, false},  {0xBB, 0, 7, false},  {0xC3, 0, 8, false},
        {0xCB, 0, 9, false}, {0xD3, 0, 10, false}, {0xDB, 0, 11, false}, {0xE3, 0, 12, false},
        {0x5A, 0, 0, false},
    };
    unsigned known = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct carriage c = carriage_machine(cases[i].octet);
        assert_true(c.known);
        assert_int_equal(c.lines, cases[i].lines);
        assert_int_equal(c.channel, cases[i].channel);
        assert_int_equal(c.print, cases[i].print);
    }
    for (unsigned octet = 0; octet < 256; octet++) {
        struct carriage c = carriage_machine((unsigned char)octet);
        known += c.known;
        if (!c.known)
            assert_true(c.lines == 1 && c.channel == 0 && c.print);
    }
    assert_int_equal(known, COUNT(cases));
}

/* Rows of machine control become the ASA octets of the rows that print. */
static void machine_control_becomes_asa(void **state)
{
    static const struct {
        const char *machine, *asa;
        char left;
    } cases[] = {
        {"\x09\x09\x09", "   ", ' '},
        {"\x01\x09", " +", ' '}, /* overprint */
        {"\x11\x19\x01\x09", " 0-+", ' '},
        {"\x8B\x09", "1", ' '}, /* skip, then print */
        {"\x09\x8B\x09", " 1", ' '},
        {"\x89\x09", " 1", ' '},     /* print, then skip */
        {"\x89\x0B\x09", " 1", ' '}, /* a channel outdoes lines */
        {"\x09\x0B\x09", " 0", ' '}, /* lines add up ... */
        {"\x09\x13\x09", " -", ' '},
        {"\x09\x1B\x1B\x09", " -", ' '}, /* ... to three */
        {"\x01\x0B\x09", "  ", ' '},
        {"\x01\x03\x09", " +", ' '}, /* no-op */
        {"\xE1\x93\x09", " 2", ' '}, /* the last channel counts */
        {"\xE1\x09", " C", ' '},
        {"\xD9\xD1\xC9", " BA", '9'},
        {"\x09\x5A\x09", "  ", ' '},  /* a page-mode record prints nothing */
        {"\xFF\x40\x09", "   ", ' '}, /* unknown: one space */
        {"\x13", "", '-'},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char pending = ' ', got[8] = "", asa;
        size_t n = 0;
        for (const char *m = cases[i].machine; *m != '\0'; m++)
            if (carriage_to_asa((unsigned char)*m, &pending, &asa))
                got[n++] = asa;
        got[n] = '\0';
        assert_string_equal(got, cases[i].asa);
        assert_int_equal(pending, cases[i].left);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recfm_names_are_read_and_written),
        cmocka_unit_test(ordinary_names_are_no_recfm),
        cmocka_unit_test(recfm_without_a_name_is_not_written),
        cmocka_unit_test(text_records),
        cmocka_unit_test(fixed_records),
        cmocka_unit_test(variable_records),
        cmocka_unit_test(truncation_at_every_octet),
        cmocka_unit_test(records_are_written),
        cmocka_unit_test(longest_variable_record),
        cmocka_unit_test(writing_without_memory_fails),
        cmocka_unit_test(asa_controls),
        cmocka_unit_test(machine_controls),
        cmocka_unit_test(machine_control_becomes_asa),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
