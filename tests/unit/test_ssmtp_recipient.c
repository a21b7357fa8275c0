/* Unit tests of ssmtp/recipient: whose a forward-path is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ssmtp/recipient.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char with_office[] =
    "SYSTEM HOST(mail.example.org)\nSMTP POSTOFFICE(office.example)\n";
static const char with_domains[] =
    "SYSTEM HOST(mail.example.org)\n"
    "SMTP POSTOFFICE(office.example) DOMAINS(one.example,two.example)\n";
static const char without_office[] = "SYSTEM HOST(mail.example.org)\n";
static const char literal_host[] = "SYSTEM HOST([192.0.2.9])\nSMTP POSTOFFICE(office.example)\n";

static const char table[] = "CZQ14CD  CDoaks\n"
                            "ABCDEF   ABaker   FORWARD(cdoaks@OFFICE.example)\n"
                            "AWAY     away     FORWARD(x@elsewhere.example)\n"
                            "LIST     several  FORWARD(LIST CDoaks x@elsewhere.example)\n"
                            "JOERG    \"J\xC3\xB6rg Strau\xC3\x9F\"\n"
                            "BLANKS   \"two words\"\n"
                            "POSTMAST postmaster FORWARD(CDoaks@mail.example.org)\n";

static struct site *read_site(const char *text)
{
    struct diag d;
    struct site *site = site_parse(span_of(text), "test", &d);

    if (site == NULL)
        fail_msg("%s", d.text);
    return site;
}

static struct usertable *read_table(const char *text)
{
    struct diag d;
    struct usertable *users = usertable_parse(span_of(text), &d);

    if (users == NULL)
        fail_msg("line %zu: %s", d.line, d.text);
    return users;
}

struct expected {
    const char *rcpt;
    enum receiver_verdict verdict;
    const char *to;
};

static void check(const char *member, const char *users_text, const struct expected *cases,
                  size_t n)
{
    struct site *site = read_site(member);
    struct usertable *users = read_table(users_text);

    for (size_t i = 0; i < n; i++) {
        struct address rcpt, to = {0};
        assert_int_equal(address_parse(span_of(cases[i].rcpt),
                                       ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK, &rcpt,
                                       NULL),
                         ADDRESS_GOOD);
        enum receiver_verdict v = recipient_find(site, users, "[192.0.2.1]", &rcpt, &to);
        if (v != cases[i].verdict)
            fail_msg("%s: verdict %d", cases[i].rcpt, v);
        if (v == RECEIVER_GOOD)
            assert_string_equal(to.text, cases[i].to);
    }
    usertable_free(users);
    site_free(site);
}

static void users_of_the_table(void **state)
{
    static const struct expected cases[] = {
        {"CZQ14CD@mail.example.org", RECEIVER_GOOD, "CZQ14CD@office.example"},
        {"czq14cd@MAIL.example.ORG", RECEIVER_GOOD, "CZQ14CD@office.example"},
        {"cdoaks@office.example", RECEIVER_GOOD, "CZQ14CD@office.example"},
        {"\"CDoaks\"@office.example", RECEIVER_GOOD, "CZQ14CD@office.example"},
        {"\"two words\"@office.example", RECEIVER_GOOD, "BLANKS@office.example"},
        {"\"Two\\ Words\"@office.example", RECEIVER_GOOD, "BLANKS@office.example"},
        {"\"J\xC3\x96RG STRAUSS\"@office.example", RECEIVER_GOOD, "JOERG@office.example"},
        {"nobody@office.example", RECEIVER_UNKNOWN, NULL},
        {"cdoaks+tag@office.example", RECEIVER_UNKNOWN, NULL},
        {"cdoaks%x.example@office.example", RECEIVER_UNKNOWN, NULL},
        {"\"cdoaks@x.example\"@office.example", RECEIVER_UNKNOWN, NULL},
        {"\"\"@office.example", RECEIVER_UNKNOWN, NULL},
        {"cdoaks@x.example", RECEIVER_NOT_OURS, NULL},
        {"cdoaks@sub.mail.example.org", RECEIVER_NOT_OURS, NULL},
        {"cdoaks@mail.example.org.x.example", RECEIVER_NOT_OURS, NULL},
        {"cdoaks@example.org", RECEIVER_NOT_OURS, NULL},
        {"cdoaks@[192.0.2.1]", RECEIVER_NOT_OURS, NULL},
    };

    (void)state;
    check(with_office, table, cases, COUNT(cases));
}

/* The post office sends on. */
static void forwards(void **state)
{
    static const struct expected cases[] = {
        {"abaker@office.example", RECEIVER_GOOD, "ABCDEF@office.example"},
        {"away@office.example", RECEIVER_GOOD, "AWAY@office.example"},
        {"several@office.example", RECEIVER_GOOD, "LIST@office.example"},
        {"postmaster@office.example", RECEIVER_GOOD, "POSTMAST@office.example"},
        {"postmast@office.example", RECEIVER_GOOD, "POSTMAST@office.example"},
    };

    (void)state;
    check(with_office, table, cases, COUNT(cases));
}

static void postmaster_always_works(void **state)
{
    static const struct expected cases[] = {
        {"postmaster", RECEIVER_GOOD, "POSTMASTER@office.example"},
        {"PostMaster", RECEIVER_GOOD, "POSTMASTER@office.example"},
        {"postmaster@mail.example.org", RECEIVER_GOOD, "POSTMASTER@office.example"},
        {"POSTMASTER@office.example", RECEIVER_GOOD, "POSTMASTER@office.example"},
        {"postmaster@[192.0.2.1]", RECEIVER_GOOD, "POSTMASTER@office.example"},
        {"postmaster@[192.0.2.2]", RECEIVER_NOT_OURS, NULL},
        {"postmaster@x.example", RECEIVER_NOT_OURS, NULL},
        {"root", RECEIVER_NOT_OURS, NULL},
    };

    (void)state;
    check(with_office, "", cases, COUNT(cases));
}

static void without_a_post_office(void **state)
{
    static const struct expected cases[] = {
        {"cdoaks@mail.example.org", RECEIVER_GOOD, "CZQ14CD@mail.example.org"},
        {"cdoaks@office.example", RECEIVER_NOT_OURS, NULL},
        {"postmaster", RECEIVER_GOOD, "POSTMAST@mail.example.org"},
    };

    (void)state;
    check(without_office, table, cases, COUNT(cases));
}

static void further_domains(void **state)
{
    static const struct expected cases[] = {
        {"cdoaks@one.example", RECEIVER_GOOD, "CZQ14CD@office.example"},
        {"cdoaks@TWO.example", RECEIVER_GOOD, "CZQ14CD@office.example"},
        {"postmaster@two.example", RECEIVER_GOOD, "POSTMAST@office.example"},
        {"nobody@one.example", RECEIVER_UNKNOWN, NULL},
        {"cdoaks@three.example", RECEIVER_NOT_OURS, NULL},
        {"cdoaks@one.example.two.example", RECEIVER_NOT_OURS, NULL},
    };

    (void)state;
    check(with_domains, table, cases, COUNT(cases));
}

static void a_literal_as_host(void **state)
{
    static const struct expected cases[] = {
        {"cdoaks@[192.0.2.9]", RECEIVER_GOOD, "CZQ14CD@office.example"},
        {"cdoaks@[192.0.2.1]", RECEIVER_NOT_OURS, NULL},
    };

    (void)state;
    check(literal_host, table, cases, COUNT(cases));
}

static void without_an_address_of_our_own(void **state)
{
    struct site *site = read_site(with_office);
    struct usertable *users = read_table(table);
    struct address rcpt, to;

    (void)state;
    address_parse(SPAN("postmaster@[192.0.2.1]"), ADDRESS_BARE_OK, &rcpt, NULL);
    assert_int_equal(recipient_find(site, users, NULL, &rcpt, &to), RECEIVER_NOT_OURS);
    assert_int_equal(recipient_find(site, users, "", &rcpt, &to), RECEIVER_NOT_OURS);
    usertable_free(users);
    site_free(site);
}

static void verified(void **state)
{
    static const char users_text[] = "CZQ14CD  CDoaks  'Chris Doaks'\n"
                                     "ABCDEF   ABaker  'Alex Baker'\n"
                                     "ABCDEG   CBaker  'Chris Baker'\n"
                                     "JOERG    j\xC3\xB6rg  'J\xC3\xB6rg'\n"
                                     "J@ERG    j\xC3\xB6rn\n"
                                     "BLANKS   \"two words\"  'Two <x@y> Words'\n"
                                     "LIST     Alex  FORWARD(x@elsewhere.example)\n";
    static const struct {
        const char *who;
        enum receiver_verdict verdict;
        const char *text;
    } cases[] = {
        {"czq14cd", RECEIVER_GOOD, "Chris Doaks <CDoaks@mail.example.org>"},
        {"CDOAKS", RECEIVER_GOOD, "Chris Doaks <CDoaks@mail.example.org>"},
        {"<cdoaks@one.example>", RECEIVER_GOOD, "Chris Doaks <CDoaks@mail.example.org>"},
        {"cdoaks@office.example", RECEIVER_GOOD, "Chris Doaks <CDoaks@mail.example.org>"},
        {"chris doaks", RECEIVER_GOOD, "Chris Doaks <CDoaks@mail.example.org>"},
        {"Doaks", RECEIVER_GOOD, "Chris Doaks <CDoaks@mail.example.org>"},
        {"Chris", RECEIVER_AMBIGUOUS, ""},
        {"Baker", RECEIVER_AMBIGUOUS, ""},
        {"Alex", RECEIVER_GOOD, "<Alex@mail.example.org>"}, /* a mail name comes first */
        {"Ale", RECEIVER_UNKNOWN, ""},
        {"joerg", RECEIVER_GOOD, "<JOERG@mail.example.org>"},
        {"LIST", RECEIVER_GOOD, "<Alex@mail.example.org>"},
        {"\"j@erg\"", RECEIVER_GOOD, "<\"J@ERG\"@mail.example.org>"},
        {"\"Two Words\"", RECEIVER_GOOD, "<\"two words\"@mail.example.org>"},
        {"postmaster", RECEIVER_GOOD, "<postmaster@mail.example.org>"},
        {"<PostMaster@two.example>", RECEIVER_GOOD, "<postmaster@mail.example.org>"},
        {"doaks@mail.example.org", RECEIVER_UNKNOWN, ""},
        {"cdoaks@far.example", RECEIVER_NOT_OURS, ""},
        {"nobody", RECEIVER_UNKNOWN, ""},
        {"<>", RECEIVER_UNKNOWN, ""},
        {"%s%n", RECEIVER_UNKNOWN, ""},
        {" ", RECEIVER_UNKNOWN, ""},
    };
    struct site *site = read_site(with_domains);
    struct usertable *users = read_table(users_text);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf to = {0};
        enum receiver_verdict v = recipient_verify(site, users, span_of(cases[i].who), &to);

        if (v != cases[i].verdict || strcmp(buf_str(&to), cases[i].text) != 0)
            fail_msg("%s: %d %s", cases[i].who, v, buf_str(&to));
        buf_free(&to);
    }
    usertable_free(users);
    site_free(site);
}

/* Full names are not searched where that would take long. */
static void verified_among_many(void **state)
{
    enum { FEW = 20000 };
    struct site *site = read_site(with_office);
    struct buf text = {0}, to = {0};

    (void)state;
    buf_adds(&text, "CZQ14CD CDoaks 'Chris Doaks'\n");
    for (int i = 1; i < FEW; i++)
        buf_printf(&text, "U%d u%d\n", i, i);
    for (int more = 0; more < 2; more++) {
        struct usertable *users = read_table(buf_str(&text));
        assert_int_equal(recipient_verify(site, users, SPAN("Doaks"), &to),
                         more ? RECEIVER_UNKNOWN : RECEIVER_GOOD);
        assert_int_equal(recipient_verify(site, users, SPAN("cdoaks"), &to), RECEIVER_GOOD);
        usertable_free(users);
        buf_adds(&text, "MORE more\n");
    }
    buf_free(&text);
    buf_free(&to);
    site_free(site);
}

/* For who may relay, <postmaster> is written out; other addresses are not touched. */
static void postmaster_written_out(void **state)
{
    struct site *site = read_site(with_office);
    struct address a;

    (void)state;
    assert_true(recipient_postmaster(site, &a));
    assert_string_equal(a.text, "postmaster@mail.example.org");
    site_free(site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_of_the_table),
        cmocka_unit_test(forwards),
        cmocka_unit_test(postmaster_always_works),
        cmocka_unit_test(without_a_post_office),
        cmocka_unit_test(further_domains),
        cmocka_unit_test(a_literal_as_host),
        cmocka_unit_test(without_an_address_of_our_own),
        cmocka_unit_test(verified),
        cmocka_unit_test(verified_among_many),
        cmocka_unit_test(postmaster_written_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
