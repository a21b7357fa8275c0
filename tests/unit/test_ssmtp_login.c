/* Unit tests of what is behind a login: how long it waits (penalty), whose secret a name has
 * (login), and the key of TLS tickets (certificate). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ssmtp/certificate.h"
#include "ssmtp/login.h"
#include "ssmtp/penalty.h"

enum { START = 5000000 };

static void nobody_waits_who_did_not_fail(void **state)
{
    struct penalty *p = penalty_new();

    (void)state;
    assert_non_null(p);
    for (int i = 0; i < 100; i++)
        assert_int_equal(penalty_wait(p, 7, 8, START), 0);
    penalty_free(p);
}

static void each_failure_doubles_the_wait(void **state)
{
    static const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct penalty *p = penalty_new();
    int64_t now = START;

    (void)state;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        assert_int_equal(penalty_failed(p, 7, 100 + (uint32_t)i, now), i + 1);
        assert_int_equal(penalty_wait(p, 7, 99, now), waits[i]);
        now += waits[i];
    }
    assert_int_equal(penalty_wait(p, 6, 99, now), 0); /* another client */
    penalty_free(p);
}

static void connections_queue_up(void **state)
{
    struct penalty *p = penalty_new();

    (void)state;
    for (int i = 0; i < 6; i++)
        penalty_failed(p, 7, 1, START);
    assert_int_equal(penalty_wait(p, 7, 2, START), 30000);
    assert_int_equal(penalty_wait(p, 7, 2, START), 60000);
    assert_int_equal(penalty_wait(p, 7, 2, START), -1);
    assert_int_equal(penalty_wait(p, 7, 2, START), -1);
    assert_int_equal(penalty_wait(p, 7, 2, START + 40000), 50000);
    penalty_free(p);
}

static void a_name_waits_but_is_never_locked_out(void **state)
{
    struct penalty *p = penalty_new();

    (void)state;
    for (uint32_t client = 0; client < 300; client++)
        penalty_failed(p, client, 1, START);
    for (uint32_t client = 1000; client < 1100; client++)
        assert_int_equal(penalty_wait(p, client, 1, START), PENALTY_NAME_MS);
    assert_int_equal(penalty_wait(p, 1000, 1, START + PENALTY_NAME_MS), 0);
    penalty_free(p);
}

static void counts_fade(void **state)
{
    struct penalty *p = penalty_new();
    const int64_t step = PENALTY_FADES_MIN * 60000;

    (void)state;
    for (int i = 0; i < 4; i++)
        penalty_failed(p, 7, 1, START);
    assert_int_equal(penalty_wait(p, 7, 2, START + 1000000000), 0); /* fades though time went on */
    assert_int_equal(penalty_failed(p, 7, 1, START + step), 3);     /* 4 became 2 */
    assert_int_equal(penalty_failed(p, 7, 1, START + 2 * step), 2);
    assert_int_equal(penalty_failed(p, 7, 1, START + 10 * step), 1);
    penalty_free(p);
}

#define KEYS                                                                                       \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"    \
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="

static void names_mean_users(void **state)
{
    static const struct {
        const char *name, *userid;
        bool known;
    } rows[] = {
        {"cdoaks", "CZQ14CD", true},
        {"CDoaks", "CZQ14CD", true},
        {"czq14cd", "CZQ14CD", true},
        {"cdoaks@host.example", "CZQ14CD", true},
        {"CDOAKS@OTHER.example", "CZQ14CD", true},
        {"cdoaks@far.example", "", false},
        {"abaker", "ABCDEF", false}, /* has no password */
        {"nobody", "", false},
        {"", "", false},
        {"-", "", false},
        {"\xFF", "", false},
    };
    struct diag d;
    struct site *site =
        site_parse(SPAN("SYSTEM HOST(host.example)\nSMTP DOMAINS(other.example)\n"), "M", &d);
    struct usertable *users = usertable_parse(SPAN("CZQ14CD CDoaks\nABCDEF ABaker\n"), &d);
    struct passwords *passwords =
        passwords_parse(SPAN("- " KEYS "\nCZQ14CD " KEYS "\nGONE " KEYS), &d);
    char userid[USERID_MAX + 1];
    struct scram_secret s, again;

    (void)state;
    assert_true(site != NULL && users != NULL && passwords != NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool known = login_find(site, users, passwords, span_of(rows[i].name), userid, &s);
        if (known != rows[i].known || strcmp(userid, rows[i].userid) != 0)
            fail_msg("row %zu: %d %s", i, known, userid);
        assert_true(s.iterations >= SCRAM_ITERATIONS_MIN && s.salt_octets == 16);
    }
    assert_false(login_find(site, users, passwords, SPAN("Nobody"), userid, &s));
    assert_false(login_find(site, users, passwords, SPAN("nobody@host.example"), userid, &again));
    assert_memory_equal(s.salt, again.salt, 16);
    assert_false(login_find(site, users, NULL, SPAN("cdoaks"), userid, &s));
    passwords_free(passwords);
    usertable_free(users);
    site_free(site);
}

static void tickets_have_a_key_of_their_time(void **state)
{
    struct certificate one = {.ticketed = true}, two;
    unsigned char first[TLS_TICKET_KEY];

    (void)state;
    assert_true(tls_ticket_key(one.ticket));
    memcpy(first, one.ticket, sizeof(first));
    assert_int_equal(certificate_renew(&one, START), CERTIFICATE_TICKET_MS);
    two = one; /* as a worker has it */
    assert_int_equal(certificate_renew(&one, START + CERTIFICATE_TICKET_MS - 1), 1);
    assert_memory_equal(one.ticket, first, sizeof(first));
    for (int i = 1; i <= 3; i++)
        certificate_renew(&one, START + (int64_t)i * CERTIFICATE_TICKET_MS);
    assert_memory_not_equal(one.ticket, first, sizeof(first));
    assert_int_equal(certificate_renew(&two, START + 3LL * CERTIFICATE_TICKET_MS + 5),
                     CERTIFICATE_TICKET_MS - 5);
    assert_memory_equal(one.ticket, two.ticket, sizeof(first));
    for (size_t i = 0; i < sizeof(first) - 16; i++) /* nothing of it stays */
        assert_memory_not_equal(one.ticket + i, first + i, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_who_did_not_fail),
        cmocka_unit_test(each_failure_doubles_the_wait),
        cmocka_unit_test(connections_queue_up),
        cmocka_unit_test(a_name_waits_but_is_never_locked_out),
        cmocka_unit_test(counts_fade),
        cmocka_unit_test(names_mean_users),
        cmocka_unit_test(tickets_have_a_key_of_their_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
