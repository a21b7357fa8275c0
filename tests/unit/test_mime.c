/* Unit tests of mails as readable lines: header fields, parts, charsets, and everything broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/printer/mime.h"
#include "lib/charset.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void header_fields_are_decoded(void **state)
{
    static const struct {
        const char *field, *printed;
    } cases[] = {
        {"Subject: plain", "Subject: plain\n"},
        {"SUBJECT:none", "SUBJECT: none\n"},
        {"Subject: =?utf-8?q?J=C3=B6rg?= Doaks", "Subject: J\xC3\xB6rg Doaks\n"},
        {"Subject: =?ISO-8859-1?B?SvZyZw==?=", "Subject: J\xC3\xB6rg\n"},
        {"Subject: =?utf-8?q?a?=\n =?utf-8?q?b?=", "Subject: ab\n"},
        {"Subject: folded\n\there", "Subject: folded here\n"},
        {"From: =?utf-8?q?J=C3=B6rg?= <j@example.de>", "From: J\xC3\xB6rg <j@example.de>\n"},
        /* What decodes to controls must not act. */
        {"Subject: =?utf-8?q?a=1B[2Jb?=", "Subject: a\\x1B[2Jb\n"},
        {"Subject: =?utf-8?b?G101MjtjO2VBPT0H?=", "Subject: \\x1B]52;c;eA==\\x07\n"},
        {"Subject: =?utf-8?q?a=0AX-To:=20b?=", "Subject: a\\x0AX-To: b\n"},
        {"Subject: =?utf-8?q?a=0D=0Ab?=", "Subject: a\\x0D\\x0Ab\n"},
        {"Subject: =?utf-8?q?a=C2=9Bb?=", "Subject: a\\u{009B}b\n"},
        {"Subject: =?utf-8?q?a=E2=80=AEb?=", "Subject: a\\u{202E}b\n"},
        {"Subject: =?utf-8?q?a=0Cb?=", "Subject: a\\x0Cb\n"},
        {"Subject: raw \033[2J", "Subject: raw \\x1B[2J\n"},
        {"Subject: raw \xE2\x80\xAE", "Subject: raw \\u{202E}\n"},
        /* Not well formed: as it stands. */
        {"Subject: =?utf-8?q?abc", "Subject: =?utf-8?q?abc\n"},
        {"Subject: =?utf-8?x?abc?=", "Subject: =?utf-8?x?abc?=\n"},
        {"Subject:", "Subject: \n"},
        {"X-Other: not shown", ""},
        {"Received: not shown", ""},
        {"Reply-To: a\nCc: b\nTo: c\nSender: d\nDate: e\nMessage-ID: <f@g>",
         "Reply-To: a\nCc: b\nTo: c\nSender: d\nDate: e\nMessage-ID: <f@g>\n"},
        {"From: a@b\nFrom: second@b", "From: a@b\nFrom: second@b\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf message = {0};
        struct mime_mail m;
        buf_printf(&message, "%s\n\ntext\n", cases[i].field);
        assert_true(mime_read(BUF_SPAN(&message), &m));
        if (strcmp(buf_str(&m.header), cases[i].printed) != 0)
            fail_msg("%s: %s", cases[i].field, buf_str(&m.header));
        assert_string_equal(buf_str(&m.text), "text\n");
        mime_free(&m);
        buf_free(&message);
    }
}

static void the_subject_is_told_apart(void **state)
{
    struct mime_mail m;

    (void)state;
    assert_true(mime_read(SPAN("From: x\nSubject: =?utf-8?q?=C3=A9t=C3=A9?=\nSubject: b\n\n"), &m));
    assert_string_equal(buf_str(&m.subject), "\xC3\xA9t\xC3\xA9");
    mime_free(&m);
    assert_true(mime_read(SPAN("From: x\n\n"), &m));
    assert_string_equal(buf_str(&m.subject), "");
    mime_free(&m);
}

struct mime_case {
    const char *name, *message, *text;
};

static void check(const struct mime_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mime_mail m;
        assert_true(mime_read(span_of(cases[i].message), &m));
        if (strcmp(buf_str(&m.text), cases[i].text) != 0)
            fail_msg("%s: <<%s>>", cases[i].name, buf_str(&m.text));
        mime_free(&m);
    }
}

static void bodies_are_decoded(void **state)
{
    static const struct mime_case cases[] = {
        {"plain", "A: b\n\none\ntwo\n", "one\ntwo\n"},
        {"no last line end", "A: b\n\none", "one\n"},
        {"CR LF", "A: b\r\n\r\none\r\ntwo\r\n", "one\ntwo\n"},
        {"empty", "A: b\n\n", ""},
        {"header only", "A: b\n", ""},
        {"quoted-printable",
         "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
         "quoted-printable\n\nGr=FC=DFe=\n, zwei\n",
         "Gr\xC3\xBC\xC3\x9F"
         "e, zwei\n"},
        {"broken quoted-printable",
         "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\na=ZZb=\n=4\n",
         "a=ZZb=4\n"},
        {"base64",
         "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
         "SGVsbG8s\r\nIHfDtnJsZAo=\n",
         "Hello, w\xC3\xB6rld\n"},
        {"broken base64",
         "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nSGVs*bG8s!!\nmore\n",
         "--- Broken MIME, as it stands:\nSGVs*bG8s!!\nmore\n"},
        {"base64 cut", "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nSGVsbG8",
         "--- Broken MIME, as it stands:\nSGVsbG8\n"},
        {"unknown encoding",
         "Content-Type: text/plain\nContent-Transfer-Encoding: rot13\n\nuryyb\n", "uryyb\n"},
        {"UTF-16",
         "Content-Type: text/plain; charset=utf-16be\nContent-Transfer-Encoding: base64\n\n"
         "AEEA6QAK\n",
         "A\xC3\xA9\n"},
        {"Shift_JIS",
         "Content-Type: text/plain; charset=shift_jis\nContent-Transfer-Encoding: "
         "quoted-printable\n\n=93=FA=96=7B\n",
         "\xE6\x97\xA5\xE6\x9C\xAC\n"},
        {"EBCDIC",
         "Content-Type: text/plain; charset=ibm1047\nContent-Transfer-Encoding: "
         "quoted-printable\n\n=C1=C2=15=C3=\n",
         "AB\nC\n"},
        {"charset not known",
         "Content-Type: text/plain; charset=\"x-\033[m\"\nContent-Transfer-Encoding: 8bit\n\nabc\n",
         "--- Charset not known here, octets as they stand: x-\\x1B[m\n\nabc\n"},
        {"octet without meaning stays to be seen",
         "Content-Type: text/plain; charset=shift_jis\nContent-Transfer-Encoding: "
         "quoted-printable\n\na=FFb=81\n",
         "a\xFF"
         "b\x81\n"},
        {"said to be ASCII", "Content-Type: text/plain; charset=us-ascii\n\n\xC3\xA9\n",
         "\xC3\xA9\n"},
        {"HTML alone", "Content-Type: text/html; charset=utf-8\n\n<p>a<p>b &amp; c\n",
         "--- HTML, shown as text:\na\n\nb & c\n"},
        {"HTML in another charset",
         "Content-Type: text/html; charset=iso-8859-1\n\n<b>\xE9</b>&eacute;",
         "--- HTML, shown as text:\n\xC3\xA9\xC3\xA9\n"},
        {"other text", "Content-Type: text/csv\n\na,b\n", "a,b\n"},
        {"type that is none", "Content-Type: rubbish\n\nx\n", "x\n"},
    };

    (void)state;
    check(cases, COUNT(cases));
}

#define ALTERNATIVE "Content-Type: multipart/alternative; boundary=b\n\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\n\n"

static void parts_are_shown_or_named(void **state)
{
    static const struct mime_case cases[] = {
        {"plain before HTML",
         ALTERNATIVE
         "--b\nContent-Type: text/html\n\n<p>h\n--b\nContent-Type: text/plain\n\np\n--b--\n",
         "p\n\n--- Also sent as: text/html, 4 octets\n"},
        {"HTML where there is no plain",
         ALTERNATIVE
         "--b\nContent-Type: image/png\n\nx\n--b\nContent-Type: text/html\n\n<p>h\n--b--\n",
         "--- HTML, shown as text:\nh\n\n--- Also sent as: image/png, 1 octets\n"},
        {"multipart of an alternative",
         ALTERNATIVE "--b\nContent-Type: image/png\n\nx\n--b\nContent-Type: multipart/related; "
                     "boundary=c\n\n--c\n\np\n--c--\n--b--\n",
         "p\n\n--- Also sent as: image/png, 1 octets\n"},
        {"attachments",
         "Preamble: no\n" MIXED
         "preamble\n--b\n\ntext\n--b\nContent-Type: application/pdf\nContent-Disposition: "
         "attachment; filename=\"a b.pdf\"\nContent-Transfer-Encoding: base64\n\nAAAA\nAAAA\n--b\n"
         "Content-Type: text/plain\nContent-Disposition: attachment; filename=t.txt\n\nabc\n--b\n"
         "Content-Type: image/gif\n\nGIF\n--b--\nepilogue\n",
         "text\n\n--- Attachment: application/pdf, 6 octets, a b.pdf\n\n--- Attachment: "
         "text/plain, "
         "3 octets, t.txt\n\n--- Attachment: image/gif, 3 octets\n"},
        {"file name that is encoded and hostile",
         MIXED "--b\nContent-Type: application/x; name*=utf-8''%1B%5B2J%0Ax%E2%80%AE\n\n--b--\n",
         "--- Attachment: application/x, 0 octets, \\x1B[2J\\x0Ax\\u{202E}\n"},
        {"message in the message",
         MIXED "--b\n\nsee\n--b\nContent-Type: message/rfc822\n\nFrom: a@b\nSubject: "
               "=?utf-8?q?in=0Aner?=\nX-No: x\n\ninner\n--b--\n",
         "see\n\n--- Message:\nFrom: a@b\nSubject: in\\x0Aner\n\ninner\n\n--- End of the "
         "message.\n"},
        {"external body is not fetched",
         MIXED "--b\nContent-Type: message/external-body; access-type=anon-ftp; "
               "site=example.org; name=x\n\nContent-Type: text/plain\n\n--b--\n",
         "--- Attachment: message/external-body, 25 octets, x\n"},
        {"two texts", MIXED "--b\n\none\n--b\n\ntwo\n--b--\n", "one\n\ntwo\n"},
        {"no end", MIXED "--b\n\none\n--b\n\ntwo", "one\n\ntwo\n"},
    };

    (void)state;
    check(cases, COUNT(cases));
}

static void broken_messages_stand_as_they_are(void **state)
{
    static const struct mime_case cases[] = {
        {"no header", "just text\nand more\n", "just text\nand more\n"},
        {"empty line first", "\nA: b\n", "\nA: b\n"},
        {"a line in the header that is no field", "A: b\njunk\nSubject: c\n\ntext\n",
         "A: b\njunk\nSubject: c\n\ntext\n"},
        {"empty", "", ""},
        {"multipart without boundary", "Content-Type: multipart/mixed\n\ntext\n",
         "--- Broken MIME, as it stands:\nContent-Type: multipart/mixed\n\ntext\n\n"},
        {"boundary that never comes", "Content-Type: multipart/mixed; boundary=x\n\ntext\n",
         "--- Broken MIME, as it stands:\nContent-Type: multipart/mixed; boundary=x\n\ntext\n\n"},
    };
    struct mime_mail m;

    (void)state;
    check(cases, COUNT(cases));
    assert_true(mime_read(SPAN("Subject: a\0b\n\ntext\n"), &m));
    assert_int_equal(m.header.len, 0);
    assert_int_equal(m.text.len, 19);
    mime_free(&m);
    assert_true(mime_read(SPAN("Subject: a\n\nte\0xt\n"), &m));
    assert_int_equal(m.text.len, 6);
    assert_memory_equal(m.text.data, "te\0xt\n", 6);
    mime_free(&m);
}

static size_t count(struct buf *text, const char *what)
{
    size_t n = 0;

    for (const char *p = buf_str(text); (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static void a_thousand_parts_are_shown(void **state)
{
    struct buf message = {0};
    struct mime_mail m;

    (void)state;
    buf_adds(&message, MIXED);
    for (int i = 0; i < 1000; i++)
        buf_printf(&message, "--b\n\npart %d.\n", i);
    buf_adds(&message, "--b--\n");
    assert_true(mime_read(BUF_SPAN(&message), &m));
    assert_int_equal(count(&m.text, "part "), 1000);
    assert_non_null(strstr(buf_str(&m.text), "part 999."));
    mime_free(&m);
    buf_free(&message);
}

static void parts_have_a_bound(void **state)
{
    struct buf message = {0};
    struct mime_mail m;

    (void)state;
    buf_adds(&message, MIXED);
    for (int i = 0; i < MIME_PARTS + 10; i++)
        buf_adds(&message, "--b\n\nx\n");
    buf_adds(&message, "--b--\n");
    assert_true(mime_read(BUF_SPAN(&message), &m));
    assert_int_equal(count(&m.text, "x\n"), MIME_PARTS - 1);
    assert_int_equal(count(&m.text, "--- More parts than are shown."), 1);
    mime_free(&m);
    buf_free(&message);
}

static void nest(struct buf *message, int depth)
{
    for (int i = 0; i < depth; i++)
        buf_printf(message, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    buf_adds(message, "\ninnermost\n");
}

static void nesting_has_a_bound(void **state)
{
    static const struct {
        int depth;
        bool shown;
    } cases[] = {{1, true}, {MIME_DEPTH, true}, {MIME_DEPTH + 1, false}, {3000, false}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf message = {0};
        struct mime_mail m;
        nest(&message, cases[i].depth);
        assert_true(mime_read(BUF_SPAN(&message), &m));
        assert_int_equal(count(&m.text, "innermost"), cases[i].shown);
        assert_int_equal(count(&m.text, "--- Nested too deeply, not shown: multipart/mixed"),
                         !cases[i].shown);
        mime_free(&m);
        buf_free(&message);
    }
}

static void messages_nest_too(void **state)
{
    struct buf message = {0};
    struct mime_mail m;

    (void)state;
    for (int i = 0; i < 100; i++)
        buf_adds(&message, "Content-Type: message/rfc822\n\n");
    buf_adds(&message, "Subject: in\n\nx\n");
    assert_true(mime_read(BUF_SPAN(&message), &m));
    assert_int_equal(count(&m.text, "--- Message:"), MIME_DEPTH);
    assert_int_equal(count(&m.text, "--- End of the message."), MIME_DEPTH);
    assert_int_equal(count(&m.text, "--- Nested too deeply"), 1);
    mime_free(&m);
    buf_free(&message);
}

static void truncation_at_every_octet(void **state)
{
    static const char message[] =
        "From: =?utf-8?q?J=C3=B6rg?= <a@b>\nContent-Type: multipart/alternative; boundary=\"b\"\n\n"
        "--b\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
        "quoted-printable\n\n=E9=E8\n--b\nContent-Type: message/rfc822\n\nSubject: "
        "=?utf-8?b?w6k=?=\n"
        "Content-Transfer-Encoding: base64\n\nSGVsbG8=\n--b\nContent-Type: text/html\n\n<a "
        "href=\"x\">&eacute;</a>\n--b--\n";

    (void)state;
    for (size_t n = 0; n < sizeof(message); n++) {
        char *copy = malloc(n + 1);
        struct mime_mail m;
        assert_non_null(copy);
        memcpy(copy, message, n);
        assert_true(mime_read((struct span){copy, n}, &m));
        assert_true(utf8_valid(BUF_SPAN(&m.header), NULL));
        assert_true(m.text.len == 0 || m.text.data[m.text.len - 1] == '\n');
        mime_free(&m);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_fields_are_decoded),
        cmocka_unit_test(the_subject_is_told_apart),
        cmocka_unit_test(bodies_are_decoded),
        cmocka_unit_test(parts_are_shown_or_named),
        cmocka_unit_test(broken_messages_stand_as_they_are),
        cmocka_unit_test(a_thousand_parts_are_shown),
        cmocka_unit_test(parts_have_a_bound),
        cmocka_unit_test(nesting_has_a_bound),
        cmocka_unit_test(messages_nest_too),
        cmocka_unit_test(truncation_at_every_octet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
