#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/header.h"
#include "usmtp/report.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { LINE_MAX_OCTETS = 998 };

static char host[] = "mail.example.org";
static struct site dsn = {.host = host, .notice = NOTICE_DSN};
static struct site append = {.host = host, .notice = NOTICE_APPEND};

static struct address address(const char *text)
{
    struct address a;

    assert_int_equal(
        address_parse(span_of(text), ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_NULL_OK, &a, NULL),
        ADDRESS_GOOD);
    return a;
}

static struct report refused(const struct site *site)
{
    return (struct report){
        .notice = {.site = site,
                   .to = address("CZQ14CD@MYHOST"),
                   .id = "USMTP.D26325.T1907450.N0001",
                   .program = "USMTP",
                   .wall = 1795288065,
                   .offset = 3600},
        .data_set = "OUT.D26325.T1906450.N0001",
        .from = address("CDoaks@mail.example.org"),
        .to = address("user@example.com"),
        .status = "5.1.1",
        .host = "mx.example.com",
        .diagnostic = "550 5.1.1 No such user",
        .remote = true,
        .arrived = 1795288005,
        .last_try = 1795288035,
    };
}

/* Head, an original of one line, tail. */
static const char *whole(struct buf *out, const struct report *r)
{
    buf_clear(out);
    assert_true(report_head(out, r));
    buf_adds(out, "Subject: x\n\n.\n");
    assert_true(report_tail(out, r));
    return buf_str(out);
}

#define ENVELOPE                                                                                   \
    "X-From: <>\nX-To: <CZQ14CD@MYHOST>\n"                                                         \
    "Received: by mail.example.org (spoolmail USMTP) id USMTP.D26325.T1907450.N0001;\n"            \
    "\tSat, 21 Nov 2026 20:07:45 +0100\n"
#define BOUNDARY "=_notice_USMTP.D26325.T1907450.N0001"
#define EXPLANATION(original)                                                                      \
    "This is the Mailer-Daemon at mail.example.org.\n\n"                                           \
    "Your mail of Sat, 21 Nov 2026 20:06:45 +0100 could not be delivered:\n\n"                     \
    "    From  <CDoaks@mail.example.org>\n"                                                        \
    "    To    <user@example.com>\n"                                                               \
    "    Name  OUT.D26325.T1906450.N0001\n\n"                                                      \
    "It was tried on Sat, 21 Nov 2026 20:07:15 +0100, and will not be tried\n"                     \
    "again. The mail host mx.example.com said:\n\n"                                                \
    "    550 5.1.1 No such user\n\n"                                                               \
    "What to do: There is no such mailbox. Check the part of the address\n"                        \
    "before the @, ask the recipient for the right address, and send the mail\n"                   \
    "again.\n\n" original                                                                          \
    " Nobody reads answers to this notice: for\nhelp, write to postmaster@mail.example.org.\n\n"

static void a_refusal_is_reported_in_full(void **state)
{
    struct report r = refused(&dsn);
    struct buf out = {0};

    (void)state;
    assert_string_equal(
        whole(&out, &r), ENVELOPE
        "Date: Sat, 21 Nov 2026 20:07:45 +0100\n"
        "From: Mailer-Daemon <MAILER-DAEMON@mail.example.org>\n"
        "To: <CZQ14CD@MYHOST>\nSubject: Your mail could not be delivered\n"
        "Message-ID: <USMTP.D26325.T1907450.N0001@mail.example.org>\n"
        "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status;\n"
        "\tboundary=\"" BOUNDARY "\"\nContent-Transfer-Encoding: 8bit\n\n"
        "--" BOUNDARY "\nContent-Type: text/plain; charset=US-ASCII\n\n" EXPLANATION(
            "The original mail is enclosed.") "--" BOUNDARY
                                              "\nContent-Type: message/delivery-status\n\n"
                                              "Reporting-MTA: dns; mail.example.org\n"
                                              "Arrival-Date: Sat, 21 Nov 2026 20:06:45 +0100\n\n"
                                              "Final-Recipient: rfc822; user@example.com\nAction: "
                                              "failed\nStatus: 5.1.1\n"
                                              "Remote-MTA: dns; mx.example.com\n"
                                              "Diagnostic-Code: smtp; 550 5.1.1 No such user\n"
                                              "Last-Attempt-Date: Sat, 21 Nov 2026 20:07:15 "
                                              "+0100\n\n"
                                              "--" BOUNDARY "\nContent-Type: "
                                              "message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
                                              "Subject: x\n\n.\n\n--" BOUNDARY "--\n");
    buf_free(&out);
}

static void the_old_form_has_the_original_first(void **state)
{
    struct report r = refused(&append);
    struct buf out = {0};

    (void)state;
    assert_string_equal(
        whole(&out, &r), ENVELOPE
        "Subject: x\n\n.\n\n"
        "------------------------------------------------------------------------\n\n" EXPLANATION(
            "The original mail stands above."));
    buf_free(&out);
}

static void expect(const struct report *r, const char *const *wanted)
{
    struct buf out = {0};
    const char *text = whole(&out, r);

    for (; *wanted != NULL; wanted++)
        if (strstr(text, *wanted) == NULL)
            fail_msg("\"%s\" is not in:\n%s", *wanted, text);
    buf_free(&out);
}

static void what_is_not_known_is_not_said(void **state)
{
    struct report r = refused(&dsn);
    struct buf out = {0};

    (void)state;
    r.host = r.diagnostic = "";
    r.remote = false;
    r.arrived = r.last_try = 0;
    r.status = "5.4.4";
    const char *text = whole(&out, &r);
    static const char *const absent[] = {"Remote-MTA", "Diagnostic-Code", "Last-Attempt", "1970",
                                         "Arrival-Date"};
    for (size_t i = 0; i < COUNT(absent); i++)
        assert_null(strstr(text, absent[i]));
    assert_non_null(strstr(text, "Your mail could not be delivered:\n"));
    assert_non_null(strstr(text, "It was not tried. What went wrong:\n"));
    buf_free(&out);
}

static void what_went_wrong_is_told_by_who_knows(void **state)
{
    struct report r = refused(&dsn);

    (void)state;
    r.expired = true;
    r.remote = false;
    r.status = "4.4.1";
    r.diagnostic = "connect to mx.example.com[192.0.2.1]:25: connection refused";
    expect(&r, (const char *const[]){
                   "Subject: Your mail could not be delivered in time\n",
                   "It was tried until Sat, 21 Nov 2026 20:07:15 +0100, and is given up now.\n"
                   "What went wrong with the mail host mx.example.com:\n\n    connect to ",
                   "Diagnostic-Code: x-usmtp; connect to mx.example.com[192.0.2.1]:25: "
                   "connection\n refused\n",
                   "Status: 4.4.1\n", NULL});
}

static void advice_fits_the_status(void **state)
{
    static const struct {
        const char *status, *want, *advice;
    } cases[] = {
        {"5.1.1", "5.1.1", "no such mailbox"},
        {"5.1.10", "5.1.10", "no mail at all"},
        {"5.1.11", "5.1.11", "Check the address,"},
        {"5.1.2", "5.1.2", "no such mail domain"},
        {"4.2.2", "4.2.2", "mailbox is full"},
        {"5.3.4", "5.3.4", "too large"},
        {"5.3.40", "5.3.40", "Mend it"},
        {"5.7.26", "5.7.26", "not willing"},
        {"5.4.7", "5.4.7", "behind the @"},
        {"5.0.0", "5.0.0", "Mend it"},
        {"", "5.0.0", "Mend it"},
        {"5", "5.0.0", "Mend it"},
        {"5.1", "5.0.0", "Mend it"},
        {"5.1.1.1", "5.0.0", "Mend it"},
        {"2.1.1", "5.0.0", "Mend it"},
        {"5.1.1\n", "5.0.0", "Mend it"},
        {"5.1.1000", "5.0.0", "Mend it"},
        {"5.1.", "5.0.0", "Mend it"},
        {"5.-1.1", "5.0.0", "Mend it"},
        {"55.1.1", "5.0.0", "Mend it"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct report r = refused(&dsn);
        struct buf status = {0};
        r.status = cases[i].status;
        buf_printf(&status, "\nStatus: %s\n", cases[i].want);
        /* Words may stand on two lines: the advice is looked for by one that does not. */
        struct buf out = {0}, flat = {0};
        whole(&out, &r);
        for (size_t k = 0; k < out.len; k++)
            buf_addc(&flat, out.data[k] == '\n' ? ' ' : out.data[k]);
        assert_non_null(strstr(buf_str(&out), buf_str(&status)));
        if (strstr(buf_str(&flat), cases[i].advice) == NULL)
            fail_msg("%s: no \"%s\" in:\n%s", cases[i].status, cases[i].advice, buf_str(&out));
        buf_free(&out);
        buf_free(&flat);
        buf_free(&status);
    }
}

/* Printable ASCII, lawful lines; how often the boundary stands there. */
static size_t check_lines(struct span text)
{
    size_t delimiters = 0;
    struct span line;

    while (span_line(&text, &line)) {
        assert_true(line.n <= LINE_MAX_OCTETS);
        for (size_t i = 0; i < line.n; i++)
            assert_true((line.p[i] >= 0x20 && line.p[i] < 0x7F) || (i == 0 && line.p[i] == '\t'));
        delimiters += span_starts_nocase(line, SPAN("--" BOUNDARY));
    }
    return delimiters;
}

static void foreign_text_is_harmless(void **state)
{
    static const struct {
        const char *once;
        size_t times;
    } cases[] = {
        {"x", 1},
        {"x", 100000},
        {" ", 100000},
        {"\n", 5000},
        {"ab ", 50000},
        {"\r\n.\r\n", 3},
        {"\x1b]52;c;\a", 9},
        {"\xC2\x9B"
         "31m",
         400},
        {"\xFF", 5000},
        {"%n%s", 500},
        {"\n--" BOUNDARY "\n", 2},
        {"\nStatus: 2.0.0\n\nX: y", 2},
        {"\xE2\x80\xAE", 10},
        {"\t", 99},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0}, out = {0};
        struct report r = refused(&dsn);
        for (size_t k = 0; k < cases[i].times; k++)
            buf_adds(&text, cases[i].once);
        r.diagnostic = r.host = r.data_set = buf_str(&text);
        whole(&out, &r);
        assert_int_equal(check_lines(BUF_SPAN(&out)), 4);
        assert_true(out.len < 10000);
        assert_null(strstr(buf_str(&out), "\nX: y"));
        assert_null(strstr(buf_str(&out), "\nStatus: 2"));
        buf_free(&text);
        buf_free(&out);
    }
}

static void lines_of_a_reply_become_one(void **state)
{
    struct report r = refused(&dsn);

    (void)state;
    r.diagnostic = "550 5.7.1 first\nsecond \t third\r\n\x01"
                   "fourth";
    expect(&r, (const char *const[]){
                   "\n    550 5.7.1 first second third \\x01fourth\n\n",
                   "\nDiagnostic-Code: smtp; 550 5.7.1 first second third \\x01fourth\n", NULL});
}

static void long_replies_are_folded_and_cut(void **state)
{
    struct report r = refused(&dsn);
    struct buf text = {0}, out = {0};
    struct field f;

    (void)state;
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "word%d ", i);
    r.diagnostic = buf_str(&text);
    struct span rest = span_of(strstr(whole(&out, &r), "\n\n")), line;
    while (span_line(&rest, &line))
        assert_true(line.n <= 78);
    const char *status = strstr(buf_str(&out), "Final-Recipient");
    assert_non_null(status);
    assert_true(header_find(span_of(status), "Diagnostic-Code", &f));
    assert_true(f.body.n > 700 && f.body.n < 850);
    assert_memory_equal(f.body.p + f.body.n - 3, "...", 3);
    assert_memory_equal(f.body.p, " smtp; word0 word1 ", 19);
    buf_free(&text);
    buf_free(&out);
}

static void addresses_beyond_ascii_are_written_in_ascii(void **state)
{
    struct report r = refused(&dsn);

    (void)state;
    r.to = address("j\xC3\xB6rg+x@b\xC3\xBC"
                   "cher.example");
    expect(&r, (const char *const[]){
                   "\nFinal-Recipient: utf-8;\n j\\x{F6}rg\\x{2B}x@b\\x{FC}cher.example\n",
                   "    To    <j\\xC3\\xB6rg+x@b\\xC3\\xBC"
                   "cher.example>\n",
                   NULL});
}

static void any_id_makes_a_boundary(void **state)
{
    static const struct {
        const char *id, *boundary;
    } cases[] = {
        {"", "\"=_notice_\""},
        {"a", "\"=_notice_a\""},
        {"a b\"\n\\(\xFF@;=x", "\"=_notice_a_b________x\""},
        {"1234567890abcdefghijklmnopqrstuvwxyz1234567890ABCDEFGHIJKLMNOPQRSTUVWXYZ",
         "\"=_notice_cdefghijklmnopqrstuvwxyz1234567890ABCDEFGHIJKLMNOPQRSTUVWXYZ\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct report r = refused(&dsn);
        r.notice.id = cases[i].id;
        expect(&r, (const char *const[]){cases[i].boundary, NULL});
        assert_true(strlen(cases[i].boundary) <= 72);
    }
}

static void want_of_memory_is_reported(void **state)
{
    static const struct site *const sites[] = {&dsn, &append};

    (void)state;
    for (size_t i = 0; i < COUNT(sites); i++) {
        struct report r = refused(sites[i]);
        struct buf out = {.failed = true};
        assert_false(report_head(&out, &r));
        assert_false(report_tail(&out, &r));
        assert_int_equal(out.len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_is_reported_in_full),
        cmocka_unit_test(the_old_form_has_the_original_first),
        cmocka_unit_test(what_is_not_known_is_not_said),
        cmocka_unit_test(what_went_wrong_is_told_by_who_knows),
        cmocka_unit_test(advice_fits_the_status),
        cmocka_unit_test(foreign_text_is_harmless),
        cmocka_unit_test(lines_of_a_reply_become_one),
        cmocka_unit_test(long_replies_are_folded_and_cut),
        cmocka_unit_test(addresses_beyond_ascii_are_written_in_ascii),
        cmocka_unit_test(any_id_makes_a_boundary),
        cmocka_unit_test(want_of_memory_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
