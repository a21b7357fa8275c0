/* MX records: names from the wire, order, chance among equals, and all that a hostile name server
 * may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usmtp/mx.h"

#define WIRE(literal) literal, sizeof(literal) - 1 + 1 /* with the NUL: the root label */

static void names_from_the_wire(void **state)
{
    static const struct {
        const char *wire;
        size_t n;
        const char *text; /* NULL: no host name */
    } cases[] = {
        {WIRE("\4MAIL\7Example\3org"), "mail.example.org"},
        {WIRE("\1a"), "a"},
        {WIRE(""), ""},
        {WIRE("\6mail_1\2de"), "mail_1.de"},
        {WIRE("\4a-0z\1-"), "a-0z.-"},
        {WIRE("\3a/b"), NULL},
        {WIRE("\3a:b"), NULL},
        {WIRE("\3a{b"), NULL},
        {"\4mail", 5, NULL},       /* no end */
        {"\4mai", 4, NULL},        /* a label beyond the end */
        {"", 0, NULL},             /* nothing */
        {"\4mail\0x", 7, NULL},    /* octets behind the end */
        {"\300\014", 2, NULL},     /* a pointer */
        {"\4mail\300\0", 7, NULL}, /* a pointer behind a label */
        {WIRE("\100aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), NULL},
        {WIRE("\5a\r\nbc\3org"), NULL},
        {WIRE("\3a b"), NULL},
        {WIRE("\3a.b"), NULL}, /* a dot in a label */
        {"\3a\0b\0", 5, NULL},
        {WIRE("\3a\303\244"), NULL},
        {WIRE("\3\033[m"), NULL},
    };
    char out[MX_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char *exact = malloc(cases[i].n + 1); /* so that a read beyond it is seen */
        assert_non_null(exact);
        memcpy(exact, cases[i].wire, cases[i].n);
        bool good = mx_name(exact, cases[i].n, out);
        free(exact);
        if (good != (cases[i].text != NULL) || (good && strcmp(out, cases[i].text) != 0))
            fail_msg("case %zu: %d %s", i, good, good ? out : "");
    }
}

/* Labels of 63 up to the 255 octets that the wire allows, and one octet more. */
static void the_longest_name(void **state)
{
    unsigned char wire[260];
    char out[MX_NAME_MAX + 1];

    (void)state;
    for (size_t last = 60; last <= 63; last++) {
        size_t n = 0;
        for (size_t label = 0; label < 4; label++) {
            size_t length = label < 3 ? 63 : last;
            wire[n++] = (unsigned char)length;
            memset(wire + n, 'a', length);
            n += length;
        }
        wire[n++] = 0;
        assert_int_equal(mx_name(wire, n, out), n <= 255);
        if (n <= 255)
            assert_int_equal(strlen(out), n - 2);
        for (size_t cut = 0; cut < n; cut++)
            assert_false(mx_name(wire, cut, out));
    }
}

static char record[1200][64];
static char *data[1201];
static int length[1201];

static void put(size_t i, unsigned preference, const char *name)
{
    char *p = record[i];

    *p++ = (char)(preference >> 8);
    *p++ = (char)(preference & 0xFF);
    if (name[0] != '\0') {
        *p++ = (char)strlen(name);
        memcpy(p, name, strlen(name));
        p += strlen(name);
    }
    *p++ = '\0';
    data[i] = record[i];
    length[i] = (int)(p - record[i]);
    data[i + 1] = NULL;
}

static void sorted_and_shuffled(void **state)
{
    struct mx_list list;
    uint64_t seed = 1;
    unsigned first[3] = {0};

    (void)state;
    put(0, 20, "backup");
    put(1, 10, "a");
    put(2, 10, "b");
    put(3, 65535, "last");
    put(4, 10, "c");
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mx_read(data, length, &seed, &list), MX_HOSTS);
        assert_int_equal(list.hosts, 5);
        assert_string_equal(list.host[3].name, "backup");
        assert_string_equal(list.host[4].name, "last");
        assert_in_range(list.host[0].name[0], 'a', 'c');
        assert_int_not_equal(list.host[0].name[0], list.host[1].name[0]);
        first[list.host[0].name[0] - 'a']++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(first[i], 800, 1200);
}

static void the_same_host_counts_once(void **state)
{
    struct mx_list list;
    uint64_t seed = 1;

    (void)state;
    put(0, 30, "a");
    put(1, 10, "A");
    put(2, 20, "b");
    put(3, 40, "a");
    assert_int_equal(mx_read(data, length, &seed, &list), MX_HOSTS);
    assert_int_equal(list.hosts, 2);
    assert_string_equal(list.host[0].name, "a");
    assert_int_equal(list.host[0].preference, 10);
    assert_string_equal(list.host[1].name, "b");
}

static void a_thousand_records_and_more(void **state)
{
    struct mx_list list;
    uint64_t seed = 1;
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 1200; i++) {
        snprintf(name, sizeof(name), "h%u", i);
        put(i, 5000 - i, name);
    }
    assert_int_equal(mx_read(data, length, &seed, &list), MX_HOSTS);
    assert_int_equal(list.hosts, MX_HOSTS_MAX);
    for (unsigned i = 0; i < MX_HOSTS_MAX; i++)
        assert_int_equal(list.host[i].preference, 5000 - (MX_RECORDS_MAX - 1) + i);
}

static void null_and_useless(void **state)
{
    struct mx_list list;
    uint64_t seed = 1;

    (void)state;
    put(0, 0, "");
    assert_int_equal(mx_read(data, length, &seed, &list), MX_NULL);
    put(1, 10, "");
    assert_int_equal(mx_read(data, length, &seed, &list), MX_UNUSABLE); /* RFC 7505 3: alone */
    put(1, 10, "a\r\n");
    assert_int_equal(mx_read(data, length, &seed, &list), MX_UNUSABLE); /* nor beside a bad one */
    put(1, 10, "a");
    assert_int_equal(mx_read(data, length, &seed, &list), MX_HOSTS);
    assert_int_equal(list.hosts, 1);
    put(0, 10, "a\r\n");
    assert_int_equal(mx_read(data, length, &seed, &list), MX_UNUSABLE);
    for (int n = -1; n < 5; n++) { /* wrong lengths */
        put(0, 10, "abc");
        length[0] = n;
        assert_int_equal(mx_read(data, length, &seed, &list), MX_UNUSABLE);
    }
    data[0] = NULL;
    assert_int_equal(mx_read(data, length, &seed, &list), MX_UNUSABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_from_the_wire),         cmocka_unit_test(the_longest_name),
        cmocka_unit_test(sorted_and_shuffled),         cmocka_unit_test(the_same_host_counts_once),
        cmocka_unit_test(a_thousand_records_and_more), cmocka_unit_test(null_and_useless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
