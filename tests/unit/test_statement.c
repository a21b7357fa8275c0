/* Unit tests of lib/statement: configuration members, values, the nearest word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/statement.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Stands before the C library's: the array that the parser lets grow for the nth time cannot be
 * had. */
static size_t grown, grow_fails_at = SIZE_MAX;

void *reallocarray(void *array, size_t members, size_t size)
{
    return grown++ == grow_fails_at ? NULL : realloc(array, members * size);
}

/* What was read, in one line: "line:column NAME line:column KEYWORD line:column=value ...". */
static void describe(const struct statement_list *list, struct buf *out)
{
    for (size_t i = 0; i < list->statements; i++) {
        const struct statement *st = &list->statement[i];
        buf_printf(out, "%s%zu:%zu %.*s", i ? "; " : "", st->line, st->column, (int)st->name.n,
                   st->name.p);
        for (size_t k = 0; k < st->keywords; k++) {
            const struct keyword *key = &st->keyword[k];
            buf_printf(out, " %zu:%zu %.*s", key->line, key->column, (int)key->name.n, key->name.p);
            if (key->value != NULL)
                buf_printf(out, " %zu:%zu=<%s>", key->value_line, key->value_column, key->value);
        }
    }
}

/* Reads from memory of the text's own size, so that a read beyond the end is found. */
static bool parse(struct span text, struct buf *out, struct diag *d)
{
    char *copy = malloc(text.n + (text.n == 0));
    struct statement_list list;

    assert_non_null(copy);
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    bool good = statement_parse((struct span){copy, text.n}, &list, d);
    if (good) {
        describe(&list, out);
    } else {
        assert_null(list.statement);
        assert_int_equal(list.statements, 0);
    }
    statement_free(&list);
    assert_null(list.statement);
    free(copy);
    return good;
}

static void members_are_read(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"\n\n", ""},
        {"   \n\t\n \r\n", ""},
        {"* a comment\n*\n", ""},
        {"  * an indented comment before any statement\n", ""},
        {"SMTP", "1:1 SMTP"},
        {"SMTP\n", "1:1 SMTP"},
        {"SMTP \r\n", "1:1 SMTP"},
        {"SMTP PATH(OUT)", "1:1 SMTP 1:6 PATH 1:11=<OUT>"},
        {"SMTP PATH(OUT)\r\n", "1:1 SMTP 1:6 PATH 1:11=<OUT>"},
        {"SMTP\tPATH(OUT)\tTCP", "1:1 SMTP 1:6 PATH 1:11=<OUT> 1:16 TCP"},
        {"SMTP A(1)\n B(2)\n\n* c\n\tC\nX D",
         "1:1 SMTP 1:6 A 1:8=<1> 2:2 B 2:4=<2> 5:2 C; 6:1 X 6:3 D"},
        {"SERVICE NAME(SPOOL#4)", "1:1 SERVICE 1:9 NAME 1:14=<SPOOL#4>"},
        {"a#@$9 b#@$9(x)", "1:1 a#@$9 1:7 b#@$9 1:13=<x>"},
        {"9 8", "1:1 9 1:3 8"},
        {"AZaz09 BYby18", "1:1 AZaz09 1:8 BYby18"},
        {"\r\nA\r\n\r\n B", "2:1 A 4:2 B"},
        {"A B()", "1:1 A 1:3 B 1:5=<>"},
        {"A B( )", "1:1 A 1:3 B 1:6=<>"},
        {"A B( x\t)", "1:1 A 1:3 B 1:6=<x>"},
        {"A B('')", "1:1 A 1:3 B 1:5=<>"},
        {"A B( '' )", "1:1 A 1:3 B 1:6=<>"},
        {"A B('O''Brien')", "1:1 A 1:3 B 1:5=<O'Brien>"},
        {"A B('''')", "1:1 A 1:3 B 1:5=<'>"},
        {"A B('''''')", "1:1 A 1:3 B 1:5=<''>"},
        {"A B('x) C(y')", "1:1 A 1:3 B 1:5=<x) C(y>"},
        {"A B(' x * y ')", "1:1 A 1:3 B 1:5=< x * y >"},
        {"A B(J\xC3\xBCrgen)", "1:1 A 1:3 B 1:5=<J\xC3\xBCrgen>"},
        {"A B('\xFF \x80')", "1:1 A 1:3 B 1:5=<\xFF \x80>"},
        {"ROUTE DOMAIN(*) HOST(*.x) * rest", "1:1 ROUTE 1:7 DOMAIN 1:14=<*> 1:17 HOST 1:22=<*.x>"},
        {"A B( * )", "1:1 A 1:3 B 1:6=<*>"},
        {"A * B(1", "1:1 A"},
        {"A *", "1:1 A"},
        {"A B *(", "1:1 A 1:3 B"},
        {"A B(x*) *)'\x01", "1:1 A 1:3 B 1:5=<x*>"},
        {"A B(a,b;c=\"d\")", "1:1 A 1:3 B 1:5=<a,b;c=\"d\">"},
        {"A\n *\n B", "1:1 A 3:2 B"},
        {"A B B(1) B", "1:1 A 1:3 B 1:5 B 1:7=<1> 1:10 B"},
        {"A\nA\nA", "1:1 A; 2:1 A; 3:1 A"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        struct diag d = {0};
        if (!parse(span_of(cases[i].text), &out, &d))
            fail_msg("case %zu: %zu:%zu %s", i, d.line, d.column, d.text);
        assert_string_equal(buf_str(&out), cases[i].want);
        buf_free(&out);
    }
}

/* Every finding says line and column, and how to mend it. */
static void errors_say_where_and_what(void **state)
{
    const struct {
        struct span text;
        size_t line, column;
        const char *what, *mend;
    } cases[] = {
        {SPAN(" A"), 1, 2, "before the first statement", "begin a statement in column 1"},
        {SPAN("*\n\n\t A(1)"), 3, 3, "before the first statement", "column 1"},
        {SPAN("PATH(OUT)"), 1, 1, "keyword in column 1", "indent"},
        {SPAN("A\nB(1)\n"), 2, 1, "keyword in column 1", "indent"},
        {SPAN("(x)"), 1, 1, "'(' in the name of a statement", "letters, digits"},
        {SPAN("A-B"), 1, 2, "'-' in the name of a statement", "letters, digits"},
        {SPAN("A*"), 1, 2, "'*' in the name", "letters, digits"},
        {SPAN("\xEF\xBB\xBF"
              "A"),
         1, 1, "X'EF' in the name", "letters, digits"},
        {SPAN("\x80"), 1, 1, "X'80' in the name", "letters, digits"},
        {SPAN("A\0"), 1, 2, "X'00' in the name", "letters, digits"},
        {SPAN("\0"), 1, 1, "X'00' in the name", "letters, digits"},
        {SPAN("A\rB"), 1, 2, "X'0D' in the name", "letters, digits"},
        {SPAN("A \0"), 1, 3, "X'00' in a keyword", "letters, digits"},
        {SPAN("A B_C(1)"), 1, 4, "'_' in a keyword", "letters, digits"},
        {SPAN("A B*"), 1, 4, "'*' in a keyword", "letters, digits"},
        {SPAN("A )"), 1, 3, "')' in a keyword", "letters, digits"},
        {SPAN("A 'x'"), 1, 3, "''' in a keyword", "letters, digits"},
        {SPAN("A \xC3\xA4"), 1, 3, "X'C3' in a keyword", "letters, digits"},
        {SPAN("A B (1)"), 1, 5, "'(' without a keyword", "no blank before"},
        {SPAN("A (1)"), 1, 3, "'(' without a keyword", "KEYWORD(value)"},
        {SPAN("A B(1)C"), 1, 7, "right behind ')'", "put a blank"},
        {SPAN("A B(1))"), 1, 7, "right behind ')'", "put a blank"},
        {SPAN("A B(1)*c"), 1, 7, "right behind ')'", "put a blank"},
        {SPAN("A B('x')'"), 1, 9, "right behind ')'", "put a blank"},
        {SPAN("A B("), 1, 4, "not closed on this line", "put ) behind"},
        {SPAN("A B(\nX"), 1, 4, "not closed on this line", "put ) behind"},
        {SPAN("A B(1"), 1, 4, "not closed on this line", "put ) behind"},
        {SPAN("A B(1 \r\n )"), 1, 4, "not closed on this line", "put ) behind"},
        {SPAN("A B('x'"), 1, 4, "not closed on this line", "put ) behind"},
        {SPAN("A B(x C(y)"), 1, 7, "')' expected", "apostrophes"},
        {SPAN("A B(x y)"), 1, 7, "')' expected", "apostrophes"},
        {SPAN("A B('x' y)"), 1, 9, "')' expected", "apostrophes"},
        {SPAN("A B('x'y)"), 1, 8, "')' expected", "apostrophes"},
        {SPAN("A B(x(y))"), 1, 6, "'(' in a value", "apostrophes"},
        {SPAN("A B(x'y)"), 1, 6, "''' in a value", "apostrophes"},
        {SPAN("A B('"), 1, 5, "apostrophe is not closed", "put one behind"},
        {SPAN("A B('x)"), 1, 5, "apostrophe is not closed", "put one behind"},
        {SPAN("A B('x'')"), 1, 5, "apostrophe is not closed", "put one behind"},
        {SPAN("A B('x\n')"), 1, 5, "apostrophe is not closed", "put one behind"},
        {SPAN("A B(x\0y)"), 1, 6, "X'00' in a value", "take it out"},
        {SPAN("A B(\x1B)"), 1, 5, "X'1B' in a value", "take it out"},
        {SPAN("A B('x\0')"), 1, 7, "X'00' in a value", "take it out"},
        {SPAN("A B('\t')"), 1, 6, "X'09' in a value", "take it out"},
        {SPAN("A B('\x7F')"), 1, 6, "X'7F' in a value", "take it out"},
        {SPAN("A B(1)\n C(2)\n  D(\n"), 3, 4, "not closed", "put )"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        struct diag d = {0};
        if (parse(cases[i].text, &out, &d))
            fail_msg("case %zu was read as %s", i, buf_str(&out));
        if (d.line != cases[i].line || d.column != cases[i].column ||
            strstr(d.text, cases[i].what) == NULL || strstr(d.text, cases[i].mend) == NULL)
            fail_msg("case %zu: %zu:%zu %s", i, d.line, d.column, d.text);
        buf_free(&out);
    }
}

/* A member cut anywhere is either read or refused with a place inside it. */
static void truncation_at_every_octet(void **state)
{
    static const char text[] = "SYSTEM  HOST('mail''s') SPOOL(/var/spool)\r\n"
                               "* comment (\n"
                               "ROUTE DOMAIN(*) TLS( VERIFY ) * (\n\tPORT(587)\n";

    (void)state;
    for (size_t n = 0; n < sizeof(text); n++) {
        struct buf out = {0};
        struct diag d = {0};
        if (!parse((struct span){text, n}, &out, &d)) {
            assert_in_range(d.line, 1, 4);
            assert_in_range(d.column, 1, 42);
            assert_true(d.text[0] != '\0');
        }
        buf_free(&out);
    }
}

static void arrays_grow(void **state)
{
    struct buf text = {0}, value = {0};
    struct statement_list list;
    struct diag d;

    (void)state;
    buf_fill(&value, 'v', 70000);
    for (int i = 0; i < 300; i++) {
        buf_printf(&text, "S%d", i);
        for (int k = 0; k < i; k++)
            buf_printf(&text, " K%d(%d)\n", k, i * 1000 + k);
        buf_adds(&text, "\n");
    }
    buf_printf(&text, "LONG V(%s)\n", buf_str(&value));
    assert_false(text.failed);
    assert_true(statement_parse(BUF_SPAN(&text), &list, &d));
    assert_int_equal(list.statements, 301);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(list.statement[i].keywords, i);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(strtoul(list.statement[i].keyword[k].value, NULL, 10), i * 1000 + k);
    }
    assert_string_equal(list.statement[300].keyword[0].value, buf_str(&value));
    statement_free(&list);
    buf_free(&text);
    buf_free(&value);
}

/* Whichever array cannot grow: an error, nothing kept, nothing lost (LeakSanitizer looks). */
static void want_of_memory_is_an_error(void **state)
{
    static const char text[] = "A B(1) C(2) D E('5')\nF G(7)\n H(8)\nI\n";
    size_t errors = 0;

    (void)state;
    for (bool good = false; !good; errors += !good) {
        struct buf out = {0};
        struct diag d = {0};
        grown = 0;
        grow_fails_at = errors;
        good = parse(span_of(text), &out, &d);
        if (!good)
            assert_non_null(strstr(d.text, "memory is short"));
        buf_free(&out);
    }
    grow_fails_at = SIZE_MAX;
    assert_int_equal(errors, grown);
    assert_in_range(errors, 7, 9);
}

struct value_case {
    const char *text;
    uint64_t max;
    bool good;
    uint64_t value;
};

static void check_values(bool (*read)(const char *, uint64_t, uint64_t *),
                         const struct value_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t got = 4711;
        if (read(cases[i].text, cases[i].max, &got) != cases[i].good)
            fail_msg("value %s", cases[i].text);
        assert_int_equal(got, cases[i].good ? cases[i].value : 4711);
    }
}

static void sizes(void **state)
{
    static const struct value_case cases[] = {
        {"0", 0, true, 0},
        {"1048576", UINT64_MAX, true, 1048576},
        {"64K", UINT64_MAX, true, 65536},
        {"64k", UINT64_MAX, true, 65536},
        {"1M", 1048576, true, 1048576},
        {"1M", 1048575, false, 0},
        {"2G", UINT64_MAX, true, UINT64_C(2147483648)},
        {"0G", 0, true, 0},
        {"1K", 1023, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"17179869183G", UINT64_MAX, true, UINT64_C(17179869183) << 30},
        {"17179869184G", UINT64_MAX, false, 0}, /* 2^64 */
        {"18014398509481984K", UINT64_MAX, false, 0},
        {"", 9, false, 0},
        {"K", 9999, false, 0},
        {"1T", UINT64_MAX, false, 0},
        {"1KK", UINT64_MAX, false, 0},
        {"1KB", UINT64_MAX, false, 0},
        {"1.5M", UINT64_MAX, false, 0},
        {"-1", UINT64_MAX, false, 0},
        {"1 K", UINT64_MAX, false, 0},
        {" 1", UINT64_MAX, false, 0},
        {"0x10", UINT64_MAX, false, 0},
        {"1S", UINT64_MAX, false, 0},
    };

    (void)state;
    check_values(value_size, cases, COUNT(cases));
}

static void times(void **state)
{
    static const struct value_case cases[] = {
        {"0", 0, true, 0},
        {"90", 90, true, 90},
        {"30S", 30, true, 30},
        {"15M", 900, true, 900},
        {"15m", 899, false, 0},
        {"4H", UINT64_MAX, true, 14400},
        {"5D", UINT64_MAX, true, 432000},
        {"5d", 431999, false, 0},
        {"213503982334601D", UINT64_MAX, true, UINT64_C(213503982334601) * 86400},
        {"213503982334602D", UINT64_MAX, false, 0},
        {"1W", UINT64_MAX, false, 0},
        {"M", UINT64_MAX, false, 0},
        {"1H30M", UINT64_MAX, false, 0},
        {"", UINT64_MAX, false, 0},
        {"-5D", UINT64_MAX, false, 0},
        {"1K", UINT64_MAX, false, 0},
    };

    (void)state;
    check_values(value_time, cases, COUNT(cases));
}

static void nearest_words(void **state)
{
    static const char *const words[] = {
        "AWORDOFTHIRTYTWOLETTERSNOTMOREXX",
        "PATH",
        "REMOTE",
        "RETRYINT",
        "RETRYMAX",
        "TLS",
        "PORT",
        "",
        "POSTOFFICE",
        "AVERYLONGWORDTHATHASMORETHANTHIRTYTWOLETTERS",
    };
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"PATH", "PATH"},
        {"path", "PATH"},
        {"PAHT", "PATH"},
        {"PTH", "PATH"},
        {"PATHS", "PATH"},
        {"POST", "PORT"},
        {"RETRYIN", "RETRYINT"},
        {"RETRYMIN", "RETRYINT"}, /* two away from both: the first */
        {"RETRYMX", "RETRYMAX"},
        {"REMOET", "REMOTE"},
        {"LTS", "TLS"}, /* 2, less than 3 */
        {"TS", "TLS"},
        {"XX", NULL}, /* 2 from nothing, but no shorter than itself */
        {"T", NULL},
        {"", NULL},
        {"QUITEDIFFERENT", NULL},
        {"POSTOFFICEXX", "POSTOFFICE"},
        {"POSTOFFICEXXX", NULL},
        {"WORDOFTHIRTYTWOLETTERSINALL", NULL},
        {"AWORDOFTHIRTYTWOLETTERSNOTMOREX", "AWORDOFTHIRTYTWOLETTERSNOTMOREXX"},
        {"AWORDOFTHIRTYTWOLETTERSNOTMOREXX", "AWORDOFTHIRTYTWOLETTERSNOTMOREXX"},
        {"AWORDOFTHIRTYTWOLETTERSNOTMOREXXX", NULL}, /* longer than is looked at */
        {"AVERYLONGWORDTHATHASMORETHANTHIRTYTWOLETTERS", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = nearest_word(span_of(cases[i].word), words, COUNT(words));
        if (got == NULL || cases[i].nearest == NULL)
            assert_ptr_equal(got, cases[i].nearest);
        else
            assert_string_equal(got, cases[i].nearest);
    }
    assert_null(nearest_word(SPAN("PATH"), words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read),
        cmocka_unit_test(errors_say_where_and_what),
        cmocka_unit_test(truncation_at_every_octet),
        cmocka_unit_test(arrays_grow),
        cmocka_unit_test(want_of_memory_is_an_error),
        cmocka_unit_test(sizes),
        cmocka_unit_test(times),
        cmocka_unit_test(nearest_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
