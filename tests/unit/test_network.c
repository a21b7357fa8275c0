/* Unit tests of lib/network: which texts are networks, and which addresses they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "lib/network.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"10.0.0.0/8", true},
        {"192.0.2.1", true},
        {"192.0.2.1/32", true},
        {"192.0.2.0/24", true},
        {"[2001:db8::]/32", true},
        {"2001:db8::/32", true},
        {"fc00::/7", true},
        {"[::1]", true},
        {"0.0.0.0/0", false},
        {"0.0.0.0/1", false},
        {"128.0.0.0/7", false},
        {"[::]/0", false},
        {"2000::/3", false},
        {"[::ffff:10.0.0.0]/104", false}, /* write it as IPv4 */
        {"10.0.0.1/8", false},
        {"2001:db8::1/32", false},
        {"10.0.0.0/33", false},
        {"[::1]/129", false},
        {"10.0.0.0/", false},
        {"10.0.0.0/ 8", false},
        {"10.0.0.0/-8", false},
        {"10.0.0.0/8/8", false},
        {"10.0.0/8", false},
        {"[10.0.0.0]/8", false},
        {"[2001:db8::/32", false},
        {"localhost", false},
        {"", false},
        {"/8", false},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", false},
    };
    struct network n;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (network_parse(span_of(rows[i].text), &n) != rows[i].good)
            fail_msg("%s", rows[i].text);
}

static void test_list(void **state)
{
    char many[NETWORKS_MAX * 10 + 20] = "";

    (void)state;
    assert_true(networks_valid(SPAN("10.0.0.0/8,[2001:db8::]/32")));
    assert_true(networks_valid(SPAN("10.0.0.0/8 [2001:db8::]/32")));
    assert_false(networks_valid(SPAN("")));
    assert_false(networks_valid(SPAN(" , ")));
    assert_false(networks_valid(SPAN("10.0.0.0/8,0.0.0.0/0")));
    assert_false(networks_valid((struct span){"10.0.0.0/8\0,::1", 15}));
    for (int i = 0; i < NETWORKS_MAX; i++)
        strcat(many, "127.0.0.1,");
    assert_true(networks_valid(span_of(many)));
    strcat(many, "127.0.0.1");
    assert_false(networks_valid(span_of(many)));
}

static bool hold(const char *list, const char *address)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {.any.sa_family = AF_UNSPEC};

    if (inet_pton(AF_INET, address, &a.v4.sin_addr) == 1)
        a.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, address, &a.v6.sin6_addr) == 1)
        a.any.sa_family = AF_INET6;
    return networks_hold(list, &a.any);
}

static void test_hold(void **state)
{
    static const struct {
        const char *list, *address;
        bool in;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "::ffff:11.1.2.3", false},
        {"10.0.0.0/8", "a00::", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.0", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"[::]/80", "::ffff:10.1.2.3", false},
        {"[::]/80", "10.1.2.3", false},
        {"[::]/80", "::1", true},
        {"127.0.0.1,[::1]", "::1", true},
        {"127.0.0.1 [::1]", "::1", true},
        {"127.0.0.1,[::1]", "::2", false},
        {"127.0.0.1", "no address", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (hold(rows[i].list, rows[i].address) != rows[i].in)
            fail_msg("%s in %s", rows[i].address, rows[i].list);
    assert_false(hold(NULL, "10.0.0.0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
