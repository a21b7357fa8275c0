/* Pure parts with each allocation failing in turn, once and from then on: they say so, and what
 * they had before stays as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/charset.h"
#include "lib/envelope.h"
#include "lib/record.h"
#include "ssmtp/recipient.h"
#include "tests/unit/faults.h"
#include "usmtp/queue.h"
#include "usmtp/route.h"

static struct site *site;
static struct usertable *users;

static int set_up(void **state)
{
    struct diag d;

    (void)state;
    site = site_parse(SPAN("SYSTEM HOST(h.example)\n"
                           "SMTP POSTOFFICE(OFFICE) VRFY(YES)\n"
                           "ROUTE DOMAIN(a.example) HOST(r1.example,r2.example|[192.0.2.1]:587)\n"
                           "ROUTE DOMAIN(b.example) FROM(x@y.example) HOST(r.example) MX RATE(3/M)"
                           " RETRYINT(1M) TLS(VERIFY) CA(/ca) CERT(/c) KEY(/k)\n"),
                      "X", &d);
    if (site == NULL)
        fail_msg("%s", d.text);
    users = usertable_parse(SPAN("JOE Joe LOGIN(joe) 'Joe Doe'\nANN Ann 'Ann Doe'\n"), &d);
    assert_non_null(users);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    usertable_free(users);
    site_free(site);
    return 0;
}

static void *prepare(void)
{
    return &site;
}

static void nothing_to_see(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
}

enum { MAILS = 200 };

/* What could not be added is not there; the rest is, in order. */
static int queue(void *arg)
{
    struct queue q;
    struct chain c = CHAIN_EMPTY;
    uint32_t added = 0, e;
    uint64_t last = 0;

    (void)arg;
    queue_init(&q, 1);
    FAULT_EXPECT(queue_find(&q, 1) == ENTRY_NONE);
    FAULT_EXPECT(queue_due(&q, 1) == ENTRY_NONE && queue_next_due(&q) == INT64_MAX);
    for (uint64_t i = 1; i <= MAILS; i++) {
        e = queue_add(&q, 1000 - i, (int64_t)i);
        if (e == ENTRY_NONE)
            continue;
        FAULT_EXPECT(queue_find(&q, 1000 - i) == e);
        added++;
        if (i % 2 != 0)
            queue_append(&q, &c, e, ENTRY_READY);
        else
            queue_keep(&q, e, (int64_t)(i * 7 % 50));
    }
    queue_sort(&q, &c);
    uint32_t taken = 0;
    while ((e = queue_take(&q, &c)) != ENTRY_NONE) {
        queue_remove(&q, e);
        taken++;
    }
    FAULT_EXPECT(taken == 0 || queue_next_due(&q) < INT64_MAX);
    FAULT_EXPECT(queue_due(&q, -1) == ENTRY_NONE);
    for (int64_t due = 0; due <= 50; due++)
        while ((e = queue_due(&q, due)) != ENTRY_NONE) {
            FAULT_EXPECT((uint64_t)due >= last);
            last = (uint64_t)due;
            queue_remove(&q, e);
            taken++;
        }
    FAULT_EXPECT(taken == added && queue_next_due(&q) == INT64_MAX);
    queue_free(&q);
    return added == MAILS ? 0 : 1;
}

static int verify(void *arg)
{
    struct buf to = {0};

    (void)arg;
    int bad = 0;
    static const char *const whom[] = {"joe", "<ann@OFFICE>", "Doe", "postmaster", "nobody"};
    for (size_t i = 0; i < sizeof(whom) / sizeof(whom[0]); i++) {
        buf_clear(&to);
        bad += recipient_verify(site, users, span_of(whom[i]), &to) == RECEIVER_TROUBLE;
    }
    buf_free(&to);
    return bad > 0;
}

static int envelope(void *arg)
{
    static const char *const lines[] = {"X-From: <a@b.example>", "X-To: <c@d.example>",
                                        "X-To: <e@f.example>", "text"};
    struct envelope e = {0};
    struct buf out = {0};
    struct diag d = {0};
    bool good = true;

    (void)arg;
    for (size_t i = 0; good && i < sizeof(lines) / sizeof(lines[0]); i++)
        good = envelope_take(&e, span_of(lines[i]), &d) != ENVELOPE_BAD;
    FAULT_EXPECT(good || d.memory);
    good = good && envelope_write(&out, &e.from, e.to, e.nto, false);
    envelope_free(&e);
    buf_free(&out);
    return good ? 0 : 1;
}

static int records(void *arg)
{
    static const struct recfm formats[] = {{RECORD_TEXT, CONTROL_NONE, 0},
                                           {RECORD_FIXED, CONTROL_NONE, 300},
                                           {RECORD_VARIABLE, CONTROL_NONE, 300}};
    char text[200];
    bool good = true;

    (void)arg;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        for (size_t n = 60; n <= sizeof(text); n++) { /* so that each addition grows it once */
            struct buf out = {0};
            good &= record_write(&out, &formats[i], (struct span){text, n}, ' ');
            buf_free(&out);
        }
    return good ? 0 : 1;
}

static int convert(void *arg)
{
    static const char *const pages[] = {"UTF-8", "ISO-8859-1", "IBM-1047", "IBM-500", "NONE"};
    struct buf out = {0}, back = {0};
    bool good = true;

    (void)arg;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct charset c;
        size_t bad;
        if (!charset_find(span_of(pages[i]), &c)) {
            good &= i + 1 == sizeof(pages) / sizeof(pages[0]);
            continue;
        }
        buf_free(&out);
        buf_free(&back);
        good &= charset_decode(&c, SPAN("text"), false, &out, &bad) &&
                charset_encode(&c, BUF_SPAN(&out), &back, &bad);
        FAULT_EXPECT(!good || span_eq(BUF_SPAN(&back), SPAN("text")) || i == 2 || i == 3);
    }
    buf_free(&out);
    buf_free(&back);
    return good ? 0 : 1;
}

static int find_route(void *arg)
{
    static const char *const to[] = {"u@a.example", "u@b.example", "u@c.example", "u@[192.0.2.1]"};
    struct address from, rcpt;
    struct route r;
    bool good = true;

    (void)arg;
    address_parse(SPAN("x@y.example"), ADDRESS_BARE_OK, &from, NULL);
    for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
        address_parse(span_of(to[i]), ADDRESS_BARE_OK, &rcpt, NULL);
        good &= route_find(site, i % 2 != 0 ? &from : NULL, &rcpt, &r);
    }
    return good ? 0 : 1;
}

static const struct fault_case cases[] = {
    {"a queue", prepare, queue, nothing_to_see, {0}, NULL, {0}},
    {"VRFY", prepare, verify, nothing_to_see, {0}, NULL, {0}},
    {"an envelope", prepare, envelope, nothing_to_see, {0}, NULL, {0}},
    {"records", prepare, records, nothing_to_see, {0}, NULL, {0}},
    {"routes", prepare, find_route, nothing_to_see, {0}, NULL, {0}},
    {"code pages", prepare, convert, nothing_to_see, {0}, NULL, {0}},
};

static void every_call_fails_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fault_sweep(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails_in_turn),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
