/* ROUTE: which statement is chosen, which hosts it brings, what tells destinations apart; presets;
 * lists of hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "usmtp/route.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static struct site *site;

static void read_site(const char *text)
{
    struct diag d;

    site = site_parse(span_of(text), "X", &d);
    if (site == NULL)
        fail_msg("%zu:%zu %s", d.line, d.column, d.text);
}

static bool find(const char *from, const char *to, struct route *r)
{
    struct address f, t;

    assert_int_equal(address_parse(span_of(from), ADDRESS_BARE_OK | ADDRESS_NULL_OK, &f, NULL),
                     ADDRESS_GOOD);
    assert_int_equal(address_parse(span_of(to), ADDRESS_BARE_OK | ADDRESS_LOCAL_OK, &t, NULL),
                     ADDRESS_GOOD);
    return route_find(site, &f, &t, r);
}

static void the_most_specific_wins(void **state)
{
    static const struct {
        const char *from, *to;
        size_t line;
    } cases[] = {
        {"u@s.net", "a@exact.example", 4},
        {"u@s.net", "a@EXACT.example", 4},
        {"u@s.net", "a@sub.example", 3},
        {"u@s.net", "a@deep.sub.example", 5},
        {"u@s.net", "a@elsewhere.org", 2},
        {"u@s.net", "a@example", 2},
        {"u@s.net", "a@[192.0.2.1]", 2},
        {"boss@s.net", "a@elsewhere.org", 6},
        {"BOSS@s.net", "a@elsewhere.org", 2}, /* a local part has case */
        {"boss@S.NET", "a@elsewhere.org", 6},
        {"u@corp.net", "a@elsewhere.org", 7},
        {"u@x.corp.net", "a@elsewhere.org", 8},
        {"u@x.y.corp.net", "a@elsewhere.org", 9},
        {"<>", "a@elsewhere.org", 10},
        {"u@corp.net", "a@exact.example", 4}, /* the recipient decides first */
        {"u@s.net", "a@two.example", 11},     /* equal: the first */
    };
    struct route r;

    (void)state;
    read_site("SYSTEM HOST(h)\n"
              "ROUTE HOST(star.net)\n"
              "ROUTE DOMAIN(*.example) HOST(two.net)\n"
              "ROUTE DOMAIN(exact.example) HOST(one.net)\n"
              "ROUTE DOMAIN(*.sub.example) HOST(three.net)\n"
              "ROUTE FROM(boss@s.net) HOST(boss.net)\n"
              "ROUTE FROM(corp.net) HOST(corp.net)\n"
              "ROUTE FROM(*.corp.net) HOST(sub.corp.net)\n"
              "ROUTE FROM(*.y.corp.net) HOST(y.corp.net)\n"
              "ROUTE FROM('<>') HOST(null.net)\n"
              "ROUTE DOMAIN(two.example) HOST(first.net)\n"
              "ROUTE DOMAIN(two.example) HOST(second.net)\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(find(cases[i].from, cases[i].to, &r));
        if (r.line != cases[i].line)
            fail_msg("%s to %s: line %zu, not %zu", cases[i].from, cases[i].to, r.line,
                     cases[i].line);
        assert_true(r.relay);
    }
    assert_false(find("u@s.net", "nobody", &r));
    site_free(site);
}

static void hosts_of_a_route(void **state)
{
    struct route r;

    (void)state;
    read_site(
        "SYSTEM HOST(h)\nSMTP DOMAINS(ours.example)\n"
        "ROUTE DOMAIN(a) HOST(One.NET,[two.net]:587|[192.0.2.1],[IPv6:2001:db8::1]:26) PORT(24)\n"
        "ROUTE DOMAIN(b) HOST(one.net,[two.net]) MX\n"
        "ROUTE DOMAIN(c) PORT(2525)\n");
    assert_true(find("<>", "x@a", &r));
    assert_string_equal(r.key,
                        "one.net:24,two.net:587|[192.0.2.1]:24,[ipv6:2001:db8::1]:26/TLS=VERIFY");
    assert_int_equal(r.hops, 4);
    assert_int_equal(r.hop[0].choice, 0);
    assert_int_equal(r.hop[1].choice, 1);
    assert_int_equal(r.hop[2].choice, 1);
    assert_int_equal(r.hop[3].choice, 2);
    for (size_t i = 0; i < r.hops; i++)
        assert_false(r.hop[i].mx);
    assert_true(find("<>", "x@b", &r));
    assert_true(r.hop[0].mx);
    assert_false(r.hop[1].mx); /* brackets: its addresses */
    assert_true(find("<>", "x@c", &r));
    assert_string_equal(r.key, "c:2525");
    assert_true(r.hop[0].mx);
    assert_false(r.relay);
    assert_true(find("<>", "x@Direct.Example", &r));
    assert_string_equal(r.key, "direct.example:25");
    assert_true(r.hop[0].mx);
    assert_int_equal(r.line, 0);
    assert_false(r.own);
    assert_true(find("<>", "x@ours.example", &r));
    assert_true(r.own);
    assert_true(find("<>", "x@[192.0.2.7]", &r));
    assert_string_equal(r.key, "[192.0.2.7]:25");
    assert_false(r.hop[0].mx);
    site_free(site);
}

static void limits_and_schedules(void **state)
{
    struct route r, other;

    (void)state;
    read_site(
        "SYSTEM HOST(h)\nSMTP RETRYINT(10M) RETRYCEIL(1H) RETRYMAX(2D) DESTLIMIT(7) CONNMSGS(50)\n"
        "ROUTE DOMAIN(a) HOST(r) RATE(30/M) CONNECTIONS(3) CONNMSGS(9)\n"
        "ROUTE DOMAIN(b) HOST(r)\n"
        "ROUTE DOMAIN(c) HOST(r) RETRYINT(2H) RETRYMAX(4H)\n"
        "ROUTE DOMAIN(d) HOST(r) RATE(1/D)\n"
        "ROUTE DOMAIN(e) HOST(r) RETRYCEIL(3H)\n"
        "ROUTE DOMAIN(f) HOST(r) RETRYMAX(3D)\n");
    assert_true(find("<>", "x@a", &r));
    assert_int_equal(r.connections, 3);
    assert_int_equal(r.connmsgs, 9);
    assert_int_equal(r.rate.messages, 30);
    assert_int_equal(r.rate.seconds, 60);
    assert_int_equal(r.schedule.interval, 600);
    assert_int_equal(r.schedule.most, 2 * 86400);
    assert_true(find("<>", "x@b", &other));
    assert_string_equal(other.key, "r:25/TLS=VERIFY");
    assert_int_equal(other.connections, 7);
    assert_int_equal(other.connmsgs, 50);
    assert_string_not_equal(r.key, other.key); /* other limits, another destination */
    assert_true(find("<>", "x@c", &r));
    assert_int_equal(r.schedule.interval, 7200);
    assert_int_equal(r.schedule.ceiling, 7200); /* never shorter than the first delay */
    assert_int_equal(r.schedule.most, 4 * 3600);
    assert_true(find("<>", "x@d", &r));
    assert_int_equal(r.rate.seconds, 86400);
    assert_int_equal(site_longest_ceiling(site), 3 * 3600);
    assert_true(find("<>", "x@e", &r));
    assert_string_equal(r.key, "r:25/TLS=VERIFY/RETRY=600/10800/172800");
    assert_true(find("<>", "x@f", &r));
    assert_string_equal(r.key, "r:25/TLS=VERIFY/RETRY=600/3600/259200");
    for (const char *p = r.key; *p != '\0'; p++)
        assert_int_not_equal(*p, ' ');
    site_free(site);
}

/* Destinations differ in all that TLS makes of them. */
static void tls_of_a_route(void **state)
{
    static const struct {
        const char *to, *key;
        enum tls_level level;
    } cases[] = {
        {"x@none", "none:25", TLS_MAY},
        {"x@own", "own:2525", TLS_MAY},
        {"x@relay", "r:25/TLS=VERIFY", TLS_VERIFY},
        {"x@may", "r:25", TLS_MAY},
        {"x@clear", "r:25/TLS=NONE", TLS_NONE},
        {"x@must", "r:465/TLS=MUST", TLS_MUST},
        {"x@mode", "r:25/TLS=MUST/TLSMODE=2", TLS_MUST},
        {"x@local1", "localhost:25", TLS_MAY},
        {"x@local2", "[127.0.0.2]:25,[ipv6:::1]:25", TLS_MAY},
        {"x@local3", "[127.0.0.2]:25,r:25/TLS=VERIFY", TLS_VERIFY},
    };
    struct route r, other;

    (void)state;
    read_site("SYSTEM HOST(h)\nSMTP CA(/ca)\n"
              "ROUTE DOMAIN(own) PORT(2525)\n"
              "ROUTE DOMAIN(relay) HOST(r)\n"
              "ROUTE DOMAIN(may) HOST(r) TLS(MAY)\n"
              "ROUTE DOMAIN(clear) HOST(r) TLS(NONE)\n"
              "ROUTE DOMAIN(must) HOST(r) PORT(465) TLS(MUST)\n"
              "ROUTE DOMAIN(mode) HOST(r) TLS(MUST) TLSMODE(IMPLICIT)\n"
              "ROUTE DOMAIN(local1) HOST(LocalHost)\n"
              "ROUTE DOMAIN(local2) HOST([127.0.0.2],[IPv6:::1])\n"
              "ROUTE DOMAIN(local3) HOST([127.0.0.2],r)\n"
              "ROUTE DOMAIN(cert) HOST(r) CERT(/c)\n"
              "ROUTE DOMAIN(key) HOST(r) CERT(/c) KEY(/k)\n"
              "ROUTE DOMAIN(ca) HOST(r) CA(/c)\n"
              "ROUTE DOMAIN(same) HOST(r) CA(/ca)\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(find("<>", cases[i].to, &r));
        assert_string_equal(r.key, cases[i].key);
        assert_int_equal(r.tls, cases[i].level);
    }
    static const char *const different[] = {"x@relay", "x@cert", "x@key", "x@ca"};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++) {
            assert_true(find("<>", different[i], &r) && find("<>", different[j], &other));
            assert_true(r.policy != other.policy);
            assert_string_not_equal(r.key, other.key);
        }
    assert_true(find("<>", "x@same", &r) && find("<>", "x@relay", &other));
    assert_true(r.policy == other.policy);
    assert_string_equal(r.key, other.key);
    site_free(site);
}

static void presets_fill_what_is_not_said(void **state)
{
    struct route r;
    struct diag d;

    (void)state;
    read_site(
        "SYSTEM HOST(h)\n"
        "ROUTE DOMAIN(a) PRESET(OFFICE365) TLS(NONE)\n"
        "ROUTE DOMAIN(b) PRESET(GMAIL) TLS(NONE) HOST([127.0.0.1]:26) RATE(5/M)\n"
        "ROUTE DOMAIN(d) PRESET(OFFICE365)\n"
        "ROUTE DOMAIN(c) PRESET(ses) TLS(NONE) HOST(email-smtp.eu-central-1.amazonaws.com)\n");
    assert_true(find("<>", "x@a", &r));
    assert_string_equal(r.hop[0].name, "smtp.office365.com");
    assert_int_equal(r.hop[0].port, 587);
    assert_int_equal(r.connections, 3);
    assert_int_equal(r.rate.messages, 30);
    assert_int_equal(r.rate.seconds, 60);
    assert_true(find("<>", "x@b", &r));
    assert_int_equal(r.hop[0].port, 26);
    assert_int_equal(r.rate.messages, 5);
    assert_true(find("<>", "x@c", &r));
    assert_int_equal(r.hop[0].port, 587);
    assert_int_equal(r.rate.seconds, 1);
    assert_int_equal(r.tls, TLS_NONE);
    assert_true(find("<>", "x@d", &r));
    assert_int_equal(r.tls, TLS_VERIFY);
    site_free(site);
    assert_null(site_parse(SPAN("SYSTEM HOST(h)\nROUTE PRESET(SES) TLS(NONE)\n"), "X", &d));
    assert_int_equal(d.line, 2);
    assert_non_null(strstr(d.text, "needs HOST"));
}

static void lists_that_are_wrong(void **state)
{
    static const char *const bad[] = {
        "",
        ",",
        "a,",
        ",a",
        "a||b",
        "|",
        "a:0",
        "a:65536",
        "a:",
        "a:x",
        ":25",
        "[a",
        "a]",
        "[]",
        "[]:25",
        "[1.2.3]x",
        "[192.0.2.1",
        "[192.0.2.1]25",
        "a b",
        "a..b",
        "-",
        "a,b,c,d,e,f,g,h,i",
        "a:25:26",
        "[IPv6:1:2]",
        "[" X64 X64 X64 X64 X64 "]",
        "[192.0.2]",
    };
    struct nexthop hop[NEXTHOP_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (nexthop_parse(span_of(bad[i]), hop) != 0)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(nexthop_parse(SPAN("a,b,c,d,e,f,g,h"), hop), NEXTHOP_MAX);
    assert_int_equal(hop[7].choice, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_wins),        cmocka_unit_test(hosts_of_a_route),
        cmocka_unit_test(limits_and_schedules),          cmocka_unit_test(tls_of_a_route),
        cmocka_unit_test(presets_fill_what_is_not_said), cmocka_unit_test(lists_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
