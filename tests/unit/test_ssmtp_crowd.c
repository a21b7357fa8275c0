/* Unit tests of ssmtp/crowd: who may come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "ssmtp/crowd.h"

static uint32_t slot4(const struct crowd *c, const char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET};

    assert_int_equal(inet_pton(AF_INET, text, &a.sin_addr), 1);
    return crowd_slot(c, (const struct sockaddr *)&a);
}

static uint32_t slot6(const struct crowd *c, const char *text)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6};

    assert_int_equal(inet_pton(AF_INET6, text, &a.sin6_addr), 1);
    return crowd_slot(c, (const struct sockaddr *)&a);
}

static void clients_have_slots(void **state)
{
    struct crowd *c = crowd_new(1, 10, 2);

    (void)state;
    assert_non_null(c);
    assert_int_equal(slot4(c, "192.0.2.1"), slot4(c, "192.0.2.1"));
    assert_int_equal(slot6(c, "::ffff:192.0.2.1"), slot4(c, "192.0.2.1"));
    assert_int_equal(slot6(c, "2001:db8:1:2::1"), slot6(c, "2001:db8:1:2:ffff::9"));
    /* Others may share a slot, but not many do. */
    unsigned same = 0;
    for (unsigned i = 0; i < 256; i++) {
        char text[32];
        snprintf(text, sizeof(text), "198.51.100.%u", i);
        same += slot4(c, text) == slot4(c, "192.0.2.1");
        snprintf(text, sizeof(text), "2001:db8:0:%x::1", i);
        same += slot6(c, text) == slot6(c, "2001:db8:1::1");
    }
    assert_true(same < 4);
    crowd_free(c);
}

static void one_client_has_a_limit(void **state)
{
    struct crowd *c = crowd_new(2, 100, 3);

    (void)state;
    assert_int_equal(crowd_enter(c, 0, 7), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 1, 7), CROWD_ENTERED); /* over all workers */
    assert_int_equal(crowd_enter(c, 0, 7), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 7), CROWD_CLIENT);
    assert_int_equal(crowd_enter(c, 1, 7), CROWD_CLIENT);
    assert_int_equal(crowd_enter(c, 1, 8), CROWD_ENTERED);
    crowd_leave(c, 1, 7);
    assert_int_equal(crowd_enter(c, 0, 7), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 7), CROWD_CLIENT);
    crowd_free(c);
}

static void the_last_places_are_for_newcomers(void **state)
{
    struct crowd *c = crowd_new(1, 20, 50);

    (void)state;
    for (int i = 0; i < 18; i++) {
        assert_int_equal(crowd_dense(c), i >= 15);
        assert_int_equal(crowd_enter(c, 0, 1), CROWD_ENTERED);
    }
    assert_int_equal(crowd_enter(c, 0, 1), CROWD_FULL);
    assert_int_equal(crowd_enter(c, 0, 2), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 2), CROWD_FULL);
    assert_int_equal(crowd_enter(c, 0, 3), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 4), CROWD_FULL);
    crowd_leave(c, 0, 1);
    assert_int_equal(crowd_enter(c, 0, 4), CROWD_ENTERED);
    crowd_free(c);
}

static void a_dead_worker_is_forgotten(void **state)
{
    struct crowd *c = crowd_new(2, 10, 5);

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(crowd_enter(c, 1, 3), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 3), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 3), CROWD_CLIENT);
    crowd_forget(c, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(crowd_enter(c, 0, 3), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 3), CROWD_CLIENT);
    crowd_free(c);
}

static void one_place(void **state)
{
    struct crowd *c = crowd_new(1, 1, 1);

    (void)state;
    assert_int_equal(crowd_enter(c, 0, 0), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 1), CROWD_FULL);
    crowd_leave(c, 0, 0);
    assert_int_equal(crowd_enter(c, 0, 1), CROWD_ENTERED);
    crowd_free(c);
}

static void limits_change(void **state)
{
    struct crowd *c = crowd_new(1, 10, 1);

    (void)state;
    assert_int_equal(crowd_enter(c, 0, 1), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 1), CROWD_CLIENT);
    crowd_limit(c, 2, 2);
    assert_int_equal(crowd_enter(c, 0, 1), CROWD_ENTERED);
    assert_int_equal(crowd_enter(c, 0, 2), CROWD_FULL);
    crowd_limit(c, 1, 1); /* whoever is in stays, and leaves as he came */
    assert_true(crowd_dense(c));
    crowd_leave(c, 0, 1);
    crowd_leave(c, 0, 1);
    assert_int_equal(crowd_enter(c, 0, 1), CROWD_ENTERED);
    crowd_free(c);
}

static void few_connections_are_kept_together(void **state)
{
    enum { FEW = 16 };
    struct crowd *c = crowd_new(3, 1000, 1000);

    (void)state;
    /* Nobody is given any who does not serve. */
    assert_int_equal(crowd_place(c, 2), 2);
    crowd_serve(c, 0, true);
    crowd_serve(c, 1, true);
    crowd_serve(c, 2, true);
    assert_int_equal(crowd_place(c, 0), 0);
    /* Those that are on their way count. */
    for (int i = 0; i < FEW / 2; i++)
        assert_int_equal(crowd_place(c, 2), 0);
    for (int i = 0; i < FEW / 2; i++)
        assert_int_equal(crowd_enter(c, 0, 1), CROWD_ENTERED);
    assert_int_equal(crowd_place(c, 1), 1);
    assert_int_equal(crowd_place(c, 2), 1);
    crowd_came(c, 0); /* one of them did not come in */
    assert_int_equal(crowd_place(c, 2), 0);
    for (int i = 0; i < FEW; i++)
        assert_int_equal(crowd_enter(c, 1, 1), CROWD_ENTERED);
    assert_int_equal(crowd_place(c, 2), 2); /* all have some: each keeps its own */
    assert_int_equal(crowd_place(c, 0), 0);
    /* One that ends, and one that died, get none. */
    crowd_leave(c, 0, 1);
    crowd_serve(c, 0, false);
    assert_int_equal(crowd_place(c, 2), 2);
    crowd_forget(c, 1);
    assert_int_equal(crowd_place(c, 2), 2);
    crowd_serve(c, 1, true);
    crowd_came(c, 1); /* it was on its way to the one that died */
    for (int i = 0; i < FEW; i++)
        assert_int_equal(crowd_place(c, 2), 1);
    assert_int_equal(crowd_place(c, 2), 2);
    crowd_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_have_slots),
        cmocka_unit_test(one_client_has_a_limit),
        cmocka_unit_test(the_last_places_are_for_newcomers),
        cmocka_unit_test(a_dead_worker_is_forgotten),
        cmocka_unit_test(one_place),
        cmocka_unit_test(limits_change),
        cmocka_unit_test(few_connections_are_kept_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
