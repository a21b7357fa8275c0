/* spool4's conversion, without a file: text in, mails out. What the programs do with real files is
 * in spool4.bats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "spool4/convert.h"

static struct convert_params params(enum record_form form, enum record_control control,
                                    unsigned lrecl)
{
    struct convert_params p = {.host = "h.example",
                               .job = "JOB",
                               .id = "JOB00001",
                               .owner = "me",
                               .recfm = {form, control, lrecl},
                               .unique = 0xAB,
                               .wall = 1795288065};
    assert_true(charset_find(SPAN("UTF-8"), &p.page));
    return p;
}

static const char *text_of(struct mail *m)
{
    return buf_str(&m->text);
}

static void adds_what_a_header_lacks_and_no_more(void **state)
{
    struct convert_params p = params(RECORD_TEXT, CONTROL_NONE, 0);
    struct convert c;
    struct mail m = {0};
    struct diag d;

    (void)state;
    convert_open(&c, &p,
                 SPAN("X-From: a@b.example\nX-To: c@d.example\nSubject: s\n folded\n\nbody\n"));
    assert_int_equal(convert_next(&c, &m, &d), CONVERT_MAIL);
    assert_string_equal(text_of(&m),
                        "Received: by h.example (SPOOL#4, job JOB JOB00001, owner me)\n"
                        "\tid JOB00001.1; Sat, 21 Nov 2026 19:07:45 +0000\n"
                        "Subject: s\n folded\n"
                        "Date: Sat, 21 Nov 2026 19:07:45 +0000\n"
                        "Message-ID: <JOB.JOB00001.00000000000000ab.1@h.example>\n"
                        "From: <a@b.example>\n\nbody\n");
    assert_int_equal(convert_next(&c, &m, &d), CONVERT_END);
    mail_free(&m);
    convert_close(&c);
}

static void a_mail_without_header_or_text(void **state)
{
    static const struct {
        const char *file, *ends;
    } cases[] = {
        {"X-From: a@b.example\nX-To: c@d.example\n", "\n\n"},
        {"X-From: a@b.example\nX-To: c@d.example\n\n", "\n\n"},
        {"X-From: a@b.example\nX-To: c@d.example\n\nb", "\n\nb\n"},
        {"X-From: a@b.example\nX-To: c@d.example\nno field\n", "\n\nno field\n"},
        {"X-From: a@b.example\nX-To: c@d.example\n continued what?\n", "\n\n continued what?\n"},
        {"X-From: a@b.example\r\nX-To: c@d.example\r\n\r\ncrlf\r\n", "\n\ncrlf\n"},
    };
    struct convert_params p = params(RECORD_TEXT, CONTROL_NONE, 0);
    struct convert c;
    struct mail m = {0};
    struct diag d;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        convert_open(&c, &p, span_of(cases[i].file));
        assert_int_equal(convert_next(&c, &m, &d), CONVERT_MAIL);
        const char *text = text_of(&m);
        size_t n = strlen(text), tail = strlen(cases[i].ends);
        assert_true(n > tail);
        assert_string_equal(text + n - tail, cases[i].ends);
        convert_close(&c);
    }
    mail_free(&m);
}

static void machine_control_becomes_asa(void **state)
{
    /* Machine control acts after the line it stands on, ASA before its line. */
    static const char file[] = "\x09X-From: a@b.example\n\x09X-To: c@d.example\n\x09\n"
                               "\x11one\n\x89two\n\x01three\n\x09over\n";
    struct convert_params p = params(RECORD_TEXT, CONTROL_MACHINE, 0);
    struct convert c;
    struct mail m = {0};
    struct diag d;

    (void)state;
    convert_open(&c, &p, (struct span){file, sizeof(file) - 1});
    assert_int_equal(convert_next(&c, &m, &d), CONVERT_MAIL);
    assert_true(m.asa);
    assert_non_null(strstr(text_of(&m), "\n one\n0two\n1three\n+over\n"));
    mail_free(&m);
    convert_close(&c);
}

/* The control stands in the data set as it came: a NUL is no text there, and an LF ends a line. */
static void a_control_that_is_no_text_is_refused(void **state)
{
    static const struct {
        char control;
        const char *says;
    } cases[] = {{'\0', "NUL octet"}, {'\n', "line end inside a record"}};
    struct recfm format = {RECORD_VARIABLE, CONTROL_ASA, 0};
    struct convert_params p = params(RECORD_VARIABLE, CONTROL_ASA, 0);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char record[] = {cases[i].control, 'x'};
        struct mail m = {0};
        struct buf file = {0};
        struct convert c;
        struct diag d;
        record_write(&file, &format, SPAN(" X-From: a@b.example"), ' ');
        record_write(&file, &format, SPAN(" X-To: c@d.example"), ' ');
        record_write(&file, &format, SPAN(" "), ' ');
        record_write(&file, &format, (struct span){record, sizeof(record)}, ' ');
        convert_open(&c, &p, BUF_SPAN(&file));
        assert_int_equal(convert_next(&c, &m, &d), CONVERT_BAD);
        assert_non_null(strstr(d.text, cases[i].says));
        assert_int_equal(d.line, 4);
        assert_int_equal(d.column, 1);
        convert_close(&c);
        mail_free(&m);
        buf_free(&file);
    }
}

static void a_batch_gives_its_mails_one_by_one(void **state)
{
    static const char file[] =
        "helo x\nmail from:<a@b.example>\nrcpt to: <c@d.example> \nrset\n"
        "MAIL FROM:<e@f.example> SIZE=10 BODY=8BITMIME\nRCPT TO:<g@h.example>\n"
        "RCPT TO:<i@j.example>\nDATA\nSubject: 1\n\n..x\n.\n"
        "MAIL FROM:<>\nRCPT TO:<k@l.example>\nDATA\n.\n";
    struct convert_params p = params(RECORD_TEXT, CONTROL_NONE, 0);
    struct convert c;
    struct mail m = {0};
    struct diag d;

    (void)state;
    convert_open(&c, &p, SPAN(file));
    assert_int_equal(convert_next(&c, &m, &d), CONVERT_MAIL);
    assert_string_equal(m.envelope.from.text, "e@f.example");
    assert_int_equal(m.envelope.nto, 2);
    assert_non_null(strstr(text_of(&m), "\n\n.x\n"));
    assert_int_equal(convert_next(&c, &m, &d), CONVERT_MAIL);
    assert_true(address_is_null(&m.envelope.from));
    assert_null(strstr(text_of(&m), "\nFrom:"));
    assert_int_equal(convert_next(&c, &m, &d), CONVERT_END);
    mail_free(&m);
    convert_close(&c);
}

static void cards_are_continued_by_the_last_column(void **state)
{
    struct convert_params p = params(RECORD_FIXED, CONTROL_NONE, 80);
    struct convert c;
    struct mail m = {0};
    struct diag d;
    struct buf cards = {0};

    (void)state;
    buf_adds(&cards, "MAIL FROM:<a@");
    buf_fill(&cards, 'b', 79 - cards.len);
    buf_addc(&cards, '<');
    buf_printf(&cards, "%-80s%-80s%-80s%-80s%-80s", "bb.example>", "RCPT TO:<c@d.example>", "DATA",
               "text", ".");
    convert_open(&c, &p, BUF_SPAN(&cards));
    assert_int_equal(convert_next(&c, &m, &d), CONVERT_BAD); /* a label of more than 63 letters */
    assert_non_null(strstr(d.text, "domain"));
    convert_close(&c);
    for (size_t i = 13; i < 79; i += 10)
        cards.data[i] = i == 13 ? 'b' : '.';
    convert_open(&c, &p, BUF_SPAN(&cards));
    assert_int_equal(convert_next(&c, &m, &d), CONVERT_MAIL);
    assert_non_null(strstr(m.envelope.from.text, "bb.example"));
    mail_free(&m);
    convert_close(&c);
    buf_free(&cards);
}

static void cut_anywhere_it_neither_crashes_nor_invents(void **state)
{
    static const char file[] =
        "HELO x\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\nS: 1\n\nx\n.\n";
    struct convert_params p = params(RECORD_TEXT, CONTROL_NONE, 0);
    struct convert c;
    struct diag d;

    (void)state;
    for (size_t n = 0; n < sizeof(file) - 2; n++) {
        struct mail m = {0};
        convert_open(&c, &p, (struct span){file, n});
        assert_int_equal(convert_next(&c, &m, &d), CONVERT_BAD);
        assert_true(d.text[0] != '\0');
        mail_free(&m);
        convert_close(&c);
    }
}

static void what_needs_no_conversion(void **state)
{
#define TO "X-From: <a@b.example>\nX-To: <c@d.example>\n"
#define ALL "Received: x\nDate: x\nMessage-ID: <1@b>\n"
    static const struct {
        enum record_form form;
        enum record_control control;
        const char *file;
        bool needless;
    } cases[] = {
        {RECORD_TEXT, CONTROL_NONE, TO ALL "From: a\n\nx\n", true},
        {RECORD_TEXT, CONTROL_NONE, TO ALL "From: a\n\n", true},
        {RECORD_TEXT, CONTROL_NONE, "X-From: <>\nX-To: <c@d.example>\n" ALL "\nx\n", true},
        {RECORD_TEXT, CONTROL_NONE, TO ALL "FROM: a,\n b\n\nx\n", true},
        {RECORD_TEXT, CONTROL_NONE, TO ALL "\nFrom: a\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO ALL "\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO "Date: x\nFrom: a\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO "Message-ID: <1@b>\nFrom: a\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO "X-To: <e@d.example>\n" ALL "From: a\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO "DATA\n" ALL "From: a\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO "X-Recfm: VBA\n" ALL "From: a\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, "X-From: <a@b.example>\n" ALL "From: a\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, "X-To: <a@b.example>\n" ALL "From: a\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO ALL "From: a\nno field\n\nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO ALL "From: a\n \nx\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO ALL "From: a\n", false},
        {RECORD_TEXT, CONTROL_NONE, TO, false},
        {RECORD_TEXT, CONTROL_NONE, "", false},
        {RECORD_TEXT, CONTROL_ASA, TO ALL "From: a\n\nx\n", false},
        {RECORD_FIXED, CONTROL_NONE, TO ALL "From: a\n\nx\n", false},
    };
    struct envelope e;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct recfm recfm = {.form = cases[i].form, .control = cases[i].control};
        assert_int_equal(convert_needless(&recfm, span_of(cases[i].file), &e), cases[i].needless);
        if (cases[i].needless)
            envelope_free(&e);
    }
    /* However it is cut, it is not whole before the header's end. */
    const struct recfm text = {.form = RECORD_TEXT};
    const struct span whole = SPAN(TO ALL "From: a\n\n");
    for (size_t n = 0; n < whole.n; n++)
        assert_false(convert_needless(&text, (struct span){whole.p, n}, &e));
#undef TO
#undef ALL
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_what_a_header_lacks_and_no_more),
        cmocka_unit_test(a_mail_without_header_or_text),
        cmocka_unit_test(machine_control_becomes_asa),
        cmocka_unit_test(a_control_that_is_no_text_is_refused),
        cmocka_unit_test(a_batch_gives_its_mails_one_by_one),
        cmocka_unit_test(cards_are_continued_by_the_last_column),
        cmocka_unit_test(cut_anywhere_it_neither_crashes_nor_invents),
        cmocka_unit_test(what_needs_no_conversion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
