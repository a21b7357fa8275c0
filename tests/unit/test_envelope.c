/* The envelope: which lines belong to it, which end it, which are wrong and in which column. */
#include "lib/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/diag.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A whole envelope as lines; what each is taken for, and the column of the last if that is bad. */
struct dialogue {
    const char *name;
    const char *line[6];
    const char *takes; /* F field, E end, B bad, one for each line */
    size_t column;
    const char *says; /* a part of the text of the error */
};

static const struct dialogue dialogues[] = {
    {"seed", {"X-FROM:<a@b>", "x-to: c@d", "Received: by x"}, "FFE", 0, NULL},
    {"no blank", {"X-From:a@b", "X-To:<c@d>"}, "FF", 0, NULL},
    {"blanks", {"X-From: \t <a@b>   \t", "X-To:c@d                    "}, "FF", 0, NULL},
    {"null", {"X-From: <>", "X-To: c@d"}, "FF", 0, NULL},
    {"DATA", {"X-From: a@b", "X-To: c@d", "DATA      ", "X-To: e@f", "DATA"}, "FFFEE", 0, NULL},
    {"DATA early", {"X-From: a@b", "DATA"}, "FE", 0, NULL},
    {"data", {"X-From: a@b", "X-To: c@d", "data"}, "FFE", 0, NULL},
    {"recfm", {"X-From: a@b", "X-To: c@d", "x-recfm:vba ", "1Received:"}, "FFFE", 0, NULL},
    {"empty line", {"X-From: a@b", "X-To: c@d", ""}, "FFE", 0, NULL},
    {"folded", {"X-From: a@b", "X-To: c@d", " X-To: e@f"}, "FFE", 0, NULL},
    {"other name", {"X-From: a@b", "X-To: c@d", "X-Tomorrow: e@f"}, "FFE", 0, NULL},
    {"no colon", {"X-From a@b"}, "E", 0, NULL},
    {"blank before colon", {"X-From : a@b"}, "E", 0, NULL},
    {"utf-8", {"X-From: j\xC3\xB6@b", "X-To: c@\xC3\xBC.d"}, "FF", 0, NULL},
    {"no sender", {"X-From:"}, "B", 8, "no address"},
    {"no sender, blanks", {"X-From:   "}, "B", 8, "no address"},
    {"two senders", {"X-From: a@b", "X-From: c@d"}, "FB", 1, "second X-From"},
    {"to first", {"X-To: c@d"}, "B", 1, "X-To before"},
    {"null to", {"X-From: a@b", "X-To: <>"}, "FB", 8, "no mailbox"},
    {"no domain", {"X-From: a@b", "X-To:   carol"}, "FB", 14, "no domain"},
    {"list", {"X-From: a@b", "X-To: c@d, e@f"}, "FB", 10, "domain"},
    {"comment", {"X-From: a@b", "X-To: c@d (Carol)"}, "FB", 10, "follows"},
    {"control", {"X-From: a\x1B@b"}, "B", 10, "control"},
    {"bad utf-8", {"X-From: a@b\xFF"}, "B", 12, "UTF-8"},
    {"recfm early", {"X-From: a@b", "X-Recfm: VBA"}, "FB", 1, "before X-To"},
    {"recfm twice",
     {"X-From: a@b", "X-To: c@d", "X-Recfm: VBA", "X-Recfm: VBA"},
     "FFFB",
     1,
     "second"},
    {"recfm FB", {"X-From: a@b", "X-To: c@d", "X-Recfm: FB"}, "FFB", 10, "VBA"},
};

static char letter(enum envelope_line l)
{
    return "FEB"[l];
}

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(dialogues); i++) {
        const struct dialogue *t = &dialogues[i];
        struct envelope e = {0};
        struct diag d = {0};

        for (size_t n = 0; t->takes[n] != '\0'; n++) {
            char got = letter(envelope_take(&e, span_of(t->line[n]), &d));

            if (got != t->takes[n])
                fail_msg("%s, line %zu: %c, not %c (%s)", t->name, n + 1, got, t->takes[n], d.text);
        }
        if (d.column != t->column)
            fail_msg("%s: column %zu, not %zu", t->name, d.column, t->column);
        if (t->says != NULL && strstr(d.text, t->says) == NULL)
            fail_msg("%s: says %s", t->name, d.text);
        envelope_free(&e);
    }
}

static void test_contents(void **state)
{
    struct envelope e = {0};
    struct diag d;

    (void)state;
    assert_false(envelope_whole(&e, &d));
    assert_int_equal(d.line, 1);
    assert_int_equal(envelope_take(&e, SPAN("X-From: \"a\"@B"), &d), ENVELOPE_FIELD);
    assert_false(envelope_whole(&e, &d));
    assert_int_equal(d.line, 2);
    assert_int_equal(envelope_take(&e, SPAN("X-To: c@d"), &d), ENVELOPE_FIELD);
    assert_int_equal(envelope_take(&e, SPAN("X-To: <e@f>"), &d), ENVELOPE_FIELD);
    assert_true(envelope_whole(&e, &d));
    assert_false(e.asa);
    assert_int_equal(envelope_take(&e, SPAN("X-Recfm: VBA"), &d), ENVELOPE_FIELD);
    assert_true(e.asa);
    assert_false(e.data_record);
    assert_int_equal(envelope_take(&e, SPAN("DATA"), &d), ENVELOPE_FIELD);
    assert_true(e.data_record);
    assert_string_equal(e.from.text, "a@B");
    assert_int_equal(e.nto, 2);
    assert_string_equal(e.to[0].text, "c@d");
    assert_string_equal(e.to[1].text, "e@f");
    envelope_free(&e);
    assert_int_equal(e.nto, 0);
    assert_null(e.to);
}

static void test_null_sender_is_whole(void **state)
{
    struct envelope e = {0};
    struct diag d;

    (void)state;
    assert_int_equal(envelope_take(&e, SPAN("X-From:<>"), &d), ENVELOPE_FIELD);
    assert_int_equal(envelope_take(&e, SPAN("X-To:c@d"), &d), ENVELOPE_FIELD);
    assert_true(envelope_whole(&e, &d));
    assert_true(address_is_null(&e.from));
    assert_int_equal(envelope_take(&e, SPAN("X-From:<>"), &d), ENVELOPE_BAD);
    envelope_free(&e);
}

/* A bad line changes nothing: the next one is judged as if it had not been there. */
static void test_bad_line_leaves_no_trace(void **state)
{
    struct envelope e = {0};
    struct diag d;

    (void)state;
    assert_int_equal(envelope_take(&e, SPAN("X-From: a b"), &d), ENVELOPE_BAD);
    assert_false(e.have_from);
    assert_true(address_is_null(&e.from));
    assert_int_equal(envelope_take(&e, SPAN("X-From: a@b"), &d), ENVELOPE_FIELD);
    assert_int_equal(envelope_take(&e, SPAN("X-To: c d"), &d), ENVELOPE_BAD);
    assert_int_equal(e.nto, 0);
    envelope_free(&e);
}

static void test_octets_of_any_kind(void **state)
{
    struct envelope e = {0};
    struct diag d = {0};

    (void)state;
    assert_int_equal(envelope_take(&e, SPAN("X-From: a@b\0"), &d), ENVELOPE_BAD);
    assert_int_equal(d.column, 12);
    assert_int_equal(envelope_take(&e, SPAN("X-From:\0a@b"), &d), ENVELOPE_BAD);
    assert_int_equal(d.column, 8);
    assert_int_equal(envelope_take(&e, SPAN("X-From: a@b\r"), &d), ENVELOPE_BAD);
    assert_int_equal(envelope_take(&e, SPAN("X-Fro\0m: a@b"), &d), ENVELOPE_END);
    assert_int_equal(envelope_take(&e, (struct span){NULL, 0}, &d), ENVELOPE_END);
    envelope_free(&e);
}

/* Cut short anywhere, a line is never more than it says. */
static void test_truncation(void **state)
{
    const char *line = "X-From: <ab@cd>";

    (void)state;
    for (size_t n = 0; n < strlen(line); n++) {
        struct envelope e = {0};
        struct diag d = {0};
        char *cut = test_malloc(n + (n == 0));

        memcpy(cut, line, n);
        assert_int_equal(envelope_take(&e, (struct span){cut, n}, &d),
                         n < strlen("X-From:") ? ENVELOPE_END : ENVELOPE_BAD);
        assert_false(e.have_from);
        test_free(cut);
        envelope_free(&e);
    }
}

static void test_recipient_limit(void **state)
{
    struct envelope e = {0};
    struct diag d = {0};

    (void)state;
    assert_int_equal(envelope_take(&e, SPAN("X-From: a@b"), &d), ENVELOPE_FIELD);
    for (int i = 0; i < ENVELOPE_TO_MAX; i++)
        assert_int_equal(envelope_take(&e, SPAN("X-To: c@d"), &d), ENVELOPE_FIELD);
    assert_int_equal(envelope_take(&e, SPAN("X-To: c@d"), &d), ENVELOPE_BAD);
    assert_non_null(strstr(d.text, "5000"));
    assert_false(envelope_add(&e, &e.to[0]));
    assert_int_equal(e.nto, ENVELOPE_TO_MAX);
    assert_true(envelope_whole(&e, &d));
    envelope_free(&e);
}

static struct address parsed(const char *text)
{
    struct address a;

    assert_int_equal(
        address_parse(span_of(text), ADDRESS_BARE_OK | ADDRESS_NULL_OK | ADDRESS_UTF8_OK, &a, NULL),
        ADDRESS_GOOD);
    return a;
}

static void test_write(void **state)
{
    const struct address from = parsed("\"a b\"@c"), null = parsed("<>");
    const struct address to[2] = {parsed("d@e"), parsed("f@[1.2.3.4]")};
    struct buf b = {0};

    (void)state;
    assert_true(envelope_write(&b, &from, to, 2, true));
    assert_string_equal(buf_str(&b), "X-From: <\"a b\"@c>\nX-To: <d@e>\nX-To: <f@[1.2.3.4]>\n"
                                     "X-Recfm: VBA\n");
    buf_clear(&b);
    assert_true(envelope_write(&b, &null, to, 1, false));
    assert_string_equal(buf_str(&b), "X-From: <>\nX-To: <d@e>\n");
    b.failed = true;
    assert_false(envelope_write(&b, &null, to, 1, false));
    buf_free(&b);
}

/* What is written is read back. */
static void test_round_trip(void **state)
{
    const struct address from = parsed("j\xC3\xB6@b"),
                         to[2] = {parsed("\"\\\"\"@e"), parsed("g@h")};
    struct buf b = {0};
    struct span text, line;
    struct envelope e = {0};
    struct diag d;

    (void)state;
    assert_true(envelope_write(&b, &from, to, 2, true));
    text = BUF_SPAN(&b);
    while (span_line(&text, &line))
        assert_int_equal(envelope_take(&e, line, &d), ENVELOPE_FIELD);
    assert_true(envelope_whole(&e, &d));
    assert_true(address_eq(&e.from, &from));
    assert_int_equal(e.nto, 2);
    assert_true(address_eq(&e.to[0], &to[0]));
    assert_true(address_eq(&e.to[1], &to[1]));
    assert_true(e.asa);
    envelope_free(&e);
    buf_free(&b);
}

/* Heads of one length, that read as those without blanks. */
static void test_padded(void **state)
{
    static const char *const addresses[] = {"a@b", "somebody.else@far.example",
                                            "\"a b\"@[1.2.3.4]"};

    (void)state;
    for (int asa = 0; asa < 2; asa++)
        for (size_t i = 0; i < COUNT(addresses); i++) {
            struct address from = {0}, to;
            struct envelope e = {0};
            struct span text, line;
            struct buf b = {0};
            struct diag d = {0};
            size_t used;
            assert_int_equal(address_parse(span_of(addresses[i]), ADDRESS_BARE_OK, &to, &used), 0);
            assert_true(envelope_write_padded(&b, &from, &to, asa, 80));
            assert_int_equal(b.len, 80);
            for (text = BUF_SPAN(&b); span_line(&text, &line);)
                assert_int_equal(envelope_take(&e, line, &d), ENVELOPE_FIELD);
            assert_true(envelope_whole(&e, &d));
            assert_int_equal(e.nto, 1);
            assert_true(address_eq(&e.to[0], &to));
            assert_int_equal(e.asa, asa);
            envelope_free(&e);
            buf_clear(&b);
            assert_true(envelope_write_padded(&b, &from, &to, asa, 5)); /* longer: no blanks */
            assert_null(strstr(buf_str(&b), " \n"));
            buf_free(&b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_null_sender_is_whole),
        cmocka_unit_test(test_bad_line_leaves_no_trace),
        cmocka_unit_test(test_octets_of_any_kind),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_recipient_limit),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_padded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
