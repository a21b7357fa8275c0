/* The sender's index, its checkpoint lines, retry delays, and routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/site.h"
#include "usmtp/checkpoint.h"
#include "usmtp/queue.h"

static void finds_removes_and_orders(void **state)
{
    enum { N = 20000 };
    struct queue q;
    int64_t last = -1;
    size_t n = 0;

    (void)state;
    queue_init(&q, 42);
    srand(7);
    for (uint64_t i = 0; i < N; i++) {
        uint32_t e = queue_add(&q, i * 10007, (int64_t)i);
        assert_int_not_equal(e, ENTRY_NONE);
        queue_keep(&q, e, rand() % 1000);
    }
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(q.entry[queue_find(&q, i * 10007)].stamp, i * 10007);
    assert_int_equal(queue_find(&q, 5), ENTRY_NONE);
    for (uint32_t e; (e = queue_due(&q, 499)) != ENTRY_NONE; n++) {
        assert_true(q.entry[e].due >= last && q.entry[e].due <= 499);
        last = q.entry[e].due;
        queue_remove(&q, e);
    }
    assert_true(n > N / 3 && n < N);
    assert_int_equal(q.live, N - n);
    assert_true(queue_next_due(&q) >= 500);
    for (uint64_t i = 0; i < N; i++) {
        uint32_t e = queue_find(&q, i * 10007);
        if (e != ENTRY_NONE)
            assert_int_equal(q.entry[e].state, ENTRY_KEPT);
        else
            n--;
    }
    assert_int_equal(n, 0);
    queue_free(&q);
}

static void chains_keep_their_order(void **state)
{
    struct chain c = CHAIN_EMPTY;
    struct queue q;

    (void)state;
    queue_init(&q, 1);
    for (uint64_t i = 1; i <= 3; i++)
        queue_append(&q, &c, queue_add(&q, i, 0), ENTRY_FRESH);
    assert_int_equal(c.count, 3);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(q.entry[queue_take(&q, &c)].stamp, i);
    assert_int_equal(queue_take(&q, &c), ENTRY_NONE);
    assert_int_equal(c.count, 0);
    queue_free(&q);
}

static void a_chain_is_ordered_by_age(void **state)
{
    static const uint64_t stamps[] = {5, 3, UINT64_MAX, 1, 4, 1000000, 2};
    struct chain c = CHAIN_EMPTY;
    struct queue q;
    uint32_t e;

    (void)state;
    queue_init(&q, 1);
    queue_sort(&q, &c); /* empty, then one, then more */
    assert_int_equal(queue_take(&q, &c), ENTRY_NONE);
    for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
        queue_append(&q, &c, queue_add(&q, stamps[i], 0), ENTRY_FRESH);
        queue_sort(&q, &c);
        assert_int_equal(c.count, i + 1);
    }
    queue_append(&q, &c, queue_add(&q, 6, 0), ENTRY_FRESH); /* the tail is right */
    static const uint64_t wanted[] = {1, 2, 3, 4, 5, 1000000, UINT64_MAX, 6};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        e = queue_take(&q, &c);
        assert_true(e != ENTRY_NONE);
        assert_true(q.entry[e].stamp == wanted[i]);
    }
    assert_int_equal(queue_take(&q, &c), ENTRY_NONE);
    queue_free(&q);
}

static void an_entry_is_small(void **state)
{
    (void)state;
    /* Row, hash slots at their emptiest (2 for 3 rows... 8 octets) and heap place. */
    assert_true(sizeof(struct entry) + 2 * sizeof(uint32_t) + sizeof(uint32_t) <= 128);
}

static void delays_double_up_to_the_ceiling(void **state)
{
    (void)state;
    for (uint32_t random = 0; random < 5000; random += 7) {
        int64_t first = retry_delay(0, 900, 14400, random),
                many = retry_delay(900000, 900, 14400, random);
        assert_in_range(first, 675, 900);
        assert_in_range(retry_delay(1, 900, 14400, random), 1350, 1800);
        assert_in_range(many, 10800, 14400);
    }
    assert_int_equal(retry_delay(3, 1, 2, 5), 2);
}

static void checkpoint_lines_read_back(void **state)
{
    const struct checkpoint_line lines[] = {
        {.kind = CHECKPOINT_TIME, .first = 12, .wall = 1795288065},
        {.kind = CHECKPOINT_KEPT,
         .name = SPAN("OUT.D26325.T1907450.N0001"),
         .first = 1,
         .due = 2,
         .tries = 3,
         .to = SPAN("a@b"),
         .status = SPAN("4.2.0"),
         .text = SPAN("450 mailbox  busy")},
        {.kind = CHECKPOINT_HOST, .name = SPAN("[::1]:25"), .due = 7, .tries = 1, .text = SPAN("")},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct buf out = {0};
        struct checkpoint_line back;
        assert_true(checkpoint_format(&out, &lines[i]));
        assert_int_equal(out.data[out.len - 1], '\n');
        checkpoint_parse((struct span){out.data, out.len - 1}, &back);
        assert_int_equal(back.kind, lines[i].kind);
        assert_int_equal(back.first, lines[i].first);
        assert_int_equal(back.due, lines[i].due);
        assert_int_equal(back.tries, lines[i].tries);
        assert_true(span_eq(back.text, lines[i].text));
        for (size_t n = 0; n < out.len; n++) /* cut anywhere: no crash, and never another kind */
            checkpoint_parse((struct span){out.data, n}, &back);
        buf_free(&out);
    }
}

static void a_line_end_in_a_reply_ends_no_line(void **state)
{
    struct checkpoint_line l = {
        .kind = CHECKPOINT_HOST, .name = SPAN("h:25"), .text = SPAN("one\nKEPT two")};
    struct buf out = {0};

    (void)state;
    assert_true(checkpoint_format(&out, &l));
    assert_int_equal(span_find(BUF_SPAN(&out), '\n'), out.len - 1);
    buf_free(&out);
}

static void bad_lines_are_bad(void **state)
{
    static const char *const bad[] = {"",
                                      "TIME",
                                      "TIME 1",
                                      "TIME x 1",
                                      "KEPT a 1 2",
                                      "KEPT a 1 2 3",
                                      "KEPT a 1 -2 3 t s",
                                      "HOST h",
                                      "HOST h 1",
                                      "NEXT 1 2",
                                      "TIME 99999999999999999999 1"};
    struct checkpoint_line l;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        checkpoint_parse(span_of(bad[i]), &l);
        assert_int_equal(l.kind, CHECKPOINT_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_removes_and_orders),
        cmocka_unit_test(chains_keep_their_order),
        cmocka_unit_test(a_chain_is_ordered_by_age),
        cmocka_unit_test(an_entry_is_small),
        cmocka_unit_test(delays_double_up_to_the_ceiling),
        cmocka_unit_test(checkpoint_lines_read_back),
        cmocka_unit_test(a_line_end_in_a_reply_ends_no_line),
        cmocka_unit_test(bad_lines_are_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
