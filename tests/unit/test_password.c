/* Unit tests of usertable/password: the format, its faults with line and column, and editing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "usertable/password.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define KEY "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define KEYS "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY
#define NOBODY "- " KEYS "\n"

static void test_faults(void **state)
{
    static const struct {
        const char *text;
        size_t line, column;
        const char *what;
    } rows[] = {
        {"", 0, 0, "no entry -"},
        {"* nothing\n\n", 0, 0, "no entry -"},
        {"A " KEYS "\n", 0, 0, "no entry -"},
        {NOBODY "ABCDEFGHI " KEYS, 2, 1, "a user ID is"},
        {NOBODY "A! " KEYS, 2, 1, "a user ID is"},
        {NOBODY "A", 2, 2, "write SCRAM"},
        {NOBODY "A  secret", 2, 4, "write SCRAM"},
        {NOBODY "A SCRAM-SHA-1$4096:" SALT "$" KEY ":" KEY, 2, 3, "the mechanism"},
        {NOBODY "A SCRAM-SHA-256$4095:" SALT "$" KEY ":" KEY, 2, 17, "iterations"},
        {NOBODY "A SCRAM-SHA-256$500001:" SALT "$" KEY ":" KEY, 2, 17, "iterations"},
        {NOBODY "A SCRAM-SHA-256$-1:" SALT "$" KEY ":" KEY, 2, 17, "iterations"},
        {NOBODY "A SCRAM-SHA-256$4096:AAAA$" KEY ":" KEY, 2, 22, "the salt"},
        {NOBODY "A SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=$" KEY ":" KEY, 2, 22, "the salt"},
        {NOBODY "A SCRAM-SHA-256$4096:" SALT "$AAAA:" KEY, 2, 47, "StoredKey"},
        {NOBODY "A SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY "x", 2, 92, "ServerKey"},
        {NOBODY "A " KEYS "\n" NOBODY, 3, 1, "- stands twice"},
        {NOBODY "A " KEYS "\nB " KEYS "\na " KEYS, 4, 1, "A stands in line 2"},
    };
    struct diag d;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_null(passwords_parse(span_of(rows[i].text), &d));
        if (d.line != rows[i].line || d.column != rows[i].column ||
            strstr(d.text, rows[i].what) == NULL)
            fail_msg("row %zu: %zu:%zu %s", i, d.line, d.column, d.text);
    }
}

static void test_long_line(void **state)
{
    char text[2000];
    struct diag d;

    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, NOBODY "A", sizeof(NOBODY));
    text[sizeof(text) - 1] = '1';
    assert_null(passwords_parse((struct span){text, sizeof(text)}, &d));
    assert_int_equal(d.line, 2);
    assert_int_equal(d.column, PASSWORD_LINE_MAX + 1);
}

static void test_find(void **state)
{
    struct scram_secret a, b, c;
    struct diag d;
    struct passwords *p =
        passwords_parse(SPAN("* made\r\n\nZED\t" KEYS "\r\n" NOBODY " abc " KEYS), &d);

    (void)state;
    assert_non_null(p);
    assert_int_equal(passwords_count(p), 2);
    assert_string_equal(passwords_userid(p, 0), "ABC");
    assert_true(passwords_find(p, "ABC", SPAN("x"), &a));
    assert_int_equal(a.iterations, 4096);
    assert_int_equal(a.salt_octets, 16);
    assert_int_equal(a.salt[0], 0x5B);
    assert_true(passwords_find(p, "ZED", SPAN("x"), &a));
    assert_false(passwords_find(p, "NONE", SPAN("none"), &a));
    assert_false(passwords_find(p, "", SPAN("none"), &b));
    assert_false(passwords_find(p, "", SPAN("nonf"), &c));
    assert_memory_equal(a.salt, b.salt, SCRAM_SALT);
    assert_memory_not_equal(a.salt, c.salt, SCRAM_SALT);
    assert_int_equal(a.salt_octets, 16);
    passwords_free(p);
}

static void test_cut_anywhere(void **state)
{
    static const char text[] = NOBODY "ABC " KEYS "\nZED " KEYS "\n";
    struct diag d;

    (void)state;
    for (size_t n = 0; n < sizeof(text); n++) {
        char *copy = malloc(n + 1);
        memcpy(copy, text, n);
        passwords_free(passwords_parse((struct span){copy, n}, &d));
        free(copy);
    }
}

static void test_edit(void **state)
{
    struct scram_secret s = {.iterations = 4096, .salt_octets = 16}, got;
    struct buf one = {0}, two = {0}, three = {0};
    struct diag d;
    bool fits;

    (void)state;
    memset(s.salt, 7, sizeof(s.salt));
    assert_true(scram_derive(SPAN("one"), &s));
    assert_true(passwords_edit(SPAN(""), "ABC", &s, &one));
    assert_true(scram_derive(SPAN("two"), &s));
    assert_true(passwords_edit(BUF_SPAN(&one), "ABC", &s, &two));
    struct passwords *p = passwords_parse(BUF_SPAN(&two), &d);
    assert_non_null(p);
    assert_int_equal(passwords_count(p), 1);
    assert_true(passwords_find(p, "ABC", SPAN("ABC"), &got));
    assert_true(scram_try_password(&got, SPAN("two"), &fits) && fits);
    passwords_free(p);
    assert_true(passwords_edit(BUF_SPAN(&two), "ABC", NULL, &three));
    p = passwords_parse(BUF_SPAN(&three), &d);
    assert_non_null(p);
    assert_int_equal(passwords_count(p), 0);
    passwords_free(p);
    /* Other lines stay, and so does what stands for nobody. */
    buf_clear(&one);
    assert_true(passwords_edit(SPAN("* mine\n" NOBODY "zed " KEYS), "ABC", NULL, &one));
    assert_string_equal(buf_str(&one), "* mine\n" NOBODY "zed " KEYS "\n");
    buf_free(&one);
    buf_free(&two);
    buf_free(&three);
}

static void test_file(void **state)
{
    static const struct {
        mode_t mode;
        const char *what;
    } rows[] = {
        {0600, NULL}, {0400, NULL}, {0640, "chmod 600"}, {0604, "chmod 600"}, {0620, "chmod 600"},
    };
    char path[] = "/tmp/test_password.XXXXXX";
    struct diag d;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, NOBODY, sizeof(NOBODY) - 1), sizeof(NOBODY) - 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(fchmod(fd, rows[i].mode), 0);
        struct passwords *p = passwords_load(path, &d);
        if ((p != NULL) != (rows[i].what == NULL) ||
            (p == NULL && strstr(d.text, rows[i].what) == NULL))
            fail_msg("row %zu: %s", i, d.text);
        passwords_free(p);
    }
    close(fd);
    unlink(path);
    assert_null(passwords_load(path, &d));
    assert_non_null(strstr(d.text, "usertable password makes it"));
    assert_null(passwords_load("/dev/null", &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults), cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_find),   cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_edit),   cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
