/* Unit tests of spool file to printout: mail and listings, every ASA and machine control, record
 * formats, code pages, hostile octets, what cannot be printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/printer/listing.h"
#include "lib/charset.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OCTETS(literal)                                                                            \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

enum { FIRST = PAGE_HEAD + 1 };

struct printed {
    struct site *site;
    struct usertable *users;
    struct pages pages;
    struct slip slip;
    struct diag diag;
    enum listing_result result;
};

static void print_at(struct printed *p, const char *site, const char *name, struct span file)
{
    struct diag d;
    struct listing_params params;

    memset(p, 0, sizeof(*p));
    p->site = site_parse(span_of(site), "X", &d);
    p->users = usertable_parse(SPAN("CZQ14CD  CDoaks  'Chris Doaks'\nJOERG  j\xC3\xB6rg\n"), &d);
    assert_non_null(p->site);
    assert_non_null(p->users);
    params = (struct listing_params){.site = p->site,
                                     .users = p->users,
                                     .name = name,
                                     .spooled = 1795288000,
                                     .printed = 1795288065};
    p->result = listing_make(&params, file, &p->pages, &p->slip, &p->diag);
}

#define MEMBER "SYSTEM HOST(mail.example.org)\nSMTP POSTOFFICE(MYHOST) DIVERT(1K)\n"

static void print(struct printed *p, const char *name, struct span file)
{
    print_at(p, MEMBER, name, file);
}

static void done(struct printed *p)
{
    pages_free(&p->pages);
    site_free(p->site);
    usertable_free(p->users);
}

/* The strikes on a line of a page, joined by |; "" when there is none. Page 1 is the separator. */
static const char *at(const struct printed *p, size_t page, unsigned line)
{
    static char out[8192];
    const struct pages *g = &p->pages;
    size_t n = 0;

    assert_in_range(page, 1, g->count);
    for (size_t i = 0; i < g->page[page - 1].strikes; i++) {
        const struct strike *s = &g->strike[g->page[page - 1].strike + i];
        if (s->line != line)
            continue;
        assert_true(n + s->n + 2 < sizeof(out));
        if (n > 0)
            out[n++] = '|';
        memcpy(out + n, g->text.data + s->at, s->n);
        n += s->n;
    }
    out[n] = '\0';
    return out;
}

#define NAME "SMTP.JOB00012.D0000001.MAIL.T"

static void mail_is_printed(void **state)
{
    struct printed p;

    (void)state;
    print(&p, NAME,
          SPAN("X-From: <a@b.example>\nx-to:CDoaks@myhost  \nX-To: <abcdef@MYHOST>\n"
               "Received: by x\nDate: today\nSubject: =?utf-8?q?=C3=A9?=\nFrom: a\n\ntext\n"));
    assert_int_equal(p.result, LISTING_GOOD);
    assert_int_equal(p.pages.count, 3);
    static const char *const lines[] = {"X-From: <a@b.example>",
                                        "x-to:CDoaks@myhost",
                                        "X-To: <abcdef@MYHOST>",
                                        "",
                                        "Date: today",
                                        "Subject: \xC3\xA9",
                                        "From: a",
                                        "",
                                        "text",
                                        ""};
    for (unsigned i = 0; i < COUNT(lines); i++)
        assert_string_equal(at(&p, 2, FIRST + i), lines[i]);
    static const struct {
        enum slip_field field;
        const char *value;
    } slip[] = {
        {SLIP_USER, "CZQ14CD"},
        {SLIP_JOB, "SMTP"},
        {SLIP_NUMBER, "JOB00012"},
        {SLIP_CLASS, "A"},
        {SLIP_FROM, "<a@b.example>"},
        {SLIP_TO, "<CDoaks@myhost> and 1 more"},
        {SLIP_SUBJECT, "\xC3\xA9"},
        {SLIP_SPOOLED, "Sat, 21 Nov 2026 19:06:40 +0000"},
        {SLIP_PRINTED, "Sat, 21 Nov 2026 19:07:45 +0000"},
        {SLIP_SIZE, "134"},
        {SLIP_PAGES, "1"},
        {SLIP_REASON, "sent to PRT"},
    };
    for (size_t i = 0; i < COUNT(slip); i++)
        assert_string_equal(p.slip.value[slip[i].field], slip[i].value);
    assert_memory_equal(at(&p, 2, 1), "CZQ14CD   SMTP      JOB00012  CLASS A  mail.example.org",
                        55);
    assert_memory_equal(at(&p, 1, 66), "****A  START  JOB   12  SMTP      Chris Doaks ", 46);
    assert_memory_equal(at(&p, 3, 66), "****A   END   JOB   12  SMTP ", 29);
    done(&p);
}

static void names_and_users(void **state)
{
    static const struct {
        const char *name, *to, *user, *job, *number;
    } cases[] = {
        {"SMTP.JOB00012.D1.M.T", "czq14cd@MYHOST", "CZQ14CD", "SMTP", "JOB00012"},
        {"SMTP.JOB00012.D1.M.T", "J\xC3\xB6RG@MYHOST", "JOERG", "SMTP", "JOB00012"},
        {"SMTP.JOB00012.D1.M.T", "abc#1@MYHOST", "ABC#1", "SMTP", "JOB00012"},
        {"SMTP.JOB00012.D1.M.T", "longer.than.8@MYHOST", "SMTP", "SMTP", "JOB00012"},
        {"MAIL.JOB99999.any.name", "x@y", "X", "MAIL", "JOB99999"},
        {"small.JOB00001", "x.y@z", "MAIL", "MAIL", "JOB00001"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct printed p;
        struct buf file = {0};
        buf_printf(&file, "X-From: <>\nX-To: <%s>\nSubject: s\n\n", cases[i].to);
        print(&p, cases[i].name, BUF_SPAN(&file));
        assert_int_equal(p.result, LISTING_GOOD);
        assert_string_equal(p.slip.value[SLIP_USER], cases[i].user);
        assert_string_equal(p.slip.value[SLIP_JOB], cases[i].job);
        assert_string_equal(p.slip.value[SLIP_NUMBER], cases[i].number);
        assert_string_equal(p.slip.value[SLIP_FROM], "<>");
        done(&p);
        buf_free(&file);
    }
}

static void why_it_was_diverted(void **state)
{
    static const struct {
        const char *site, *name;
        size_t octets;
        const char *why;
    } cases[] = {
        {MEMBER, NAME, 10, "sent to PRT"},
        {MEMBER, NAME, 2000, "larger than DIVERT"},
        {"SYSTEM HOST(h)\n", NAME, 10, "no post office"},
        {"SYSTEM HOST(h)\n", NAME, 2000, "no post office"},
        {MEMBER, "JOB1.JOB00012.D1.SYSPRINT.VA", 10, "print file"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct printed p;
        struct buf file = {0};
        buf_fill(&file, 'x', cases[i].octets);
        print_at(&p, cases[i].site, cases[i].name, BUF_SPAN(&file));
        assert_int_equal(p.result, LISTING_GOOD);
        assert_string_equal(p.slip.value[SLIP_REASON], cases[i].why);
        done(&p);
        buf_free(&file);
    }
}

static void mail_without_envelope_or_header_is_printed(void **state)
{
    static const struct {
        const char *file;
        const char *lines[4];
    } cases[] = {
        {"", {"", ""}},
        {"just text\nmore\n", {"just text", "more", ""}},
        {"X-From: a b c\nX-To: <x@y>\njunk\n", {"X-From: a b c", "X-To: <x@y>", "", "junk"}},
        {"X-To: <x@y>\n\nbody\n", {"X-To: <x@y>", "", "", "body"}},
        {"X-From: <a@b>\nX-From: <c@d>\n", {"X-From: <a@b>", "X-From: <c@d>", ""}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct printed p;
        print(&p, NAME, span_of(cases[i].file));
        assert_int_equal(p.result, LISTING_GOOD);
        for (unsigned k = 0; k < 4 && cases[i].lines[k] != NULL && cases[i].file[0] != '\0'; k++)
            assert_string_equal(at(&p, 2, FIRST + k), cases[i].lines[k]);
        done(&p);
    }
}

/* Three records: one, the record with the control, one more. */
static void every_asa_control(void **state)
{
    static const struct {
        char control;
        unsigned page, line;
        const char *text;
    } cases[] = {
        {' ', 2, 2, "text"},  {'0', 2, 3, "text"},  {'-', 2, 4, "text"},  {'+', 2, 1, "one|text"},
        {'1', 3, 1, "text"},  {'2', 2, 7, "text"},  {'3', 2, 13, "text"}, {'4', 2, 19, "text"},
        {'5', 2, 25, "text"}, {'6', 2, 31, "text"}, {'7', 2, 37, "text"}, {'8', 2, 43, "text"},
        {'9', 2, 63, "text"}, {'A', 2, 49, "text"}, {'B', 2, 55, "text"}, {'C', 2, 61, "text"},
        {'V', 2, 2, "Vtext"}, {'W', 2, 2, "Wtext"}, {'?', 2, 2, "?text"}, {'D', 2, 2, "Dtext"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct printed p;
        struct buf file = {0};
        buf_printf(&file, "1one\n%ctext\n more\n", cases[i].control);
        print(&p, "JOB1.JOB00012.D1.SYSPRINT.VA", BUF_SPAN(&file));
        assert_int_equal(p.result, LISTING_GOOD);
        assert_string_equal(at(&p, cases[i].page, PAGE_HEAD + cases[i].line), cases[i].text);
        if (cases[i].line < 63)
            assert_string_equal(at(&p, cases[i].page, PAGE_HEAD + cases[i].line + 1), "more");
        else
            assert_string_equal(at(&p, cases[i].page + 1, FIRST), "more");
        done(&p);
        buf_free(&file);
    }
}

/* "one" is written at line 1 with the control, then "two" with space 1. */
static void every_machine_control(void **state)
{
    static const struct {
        unsigned char control;
        bool printed;
        unsigned page, line;
        const char *text; /* at that place */
    } cases[] = {
        {0x01, true, 2, 1, "one|two"}, {0x09, true, 2, 2, "two"},   {0x11, true, 2, 3, "two"},
        {0x19, true, 2, 4, "two"},     {0x89, true, 3, 1, "two"},   {0x91, true, 2, 7, "two"},
        {0x99, true, 2, 13, "two"},    {0xA1, true, 2, 19, "two"},  {0xA9, true, 2, 25, "two"},
        {0xB1, true, 2, 31, "two"},    {0xB9, true, 2, 37, "two"},  {0xC1, true, 2, 43, "two"},
        {0xC9, true, 2, 63, "two"},    {0xD1, true, 2, 49, "two"},  {0xD9, true, 2, 55, "two"},
        {0xE1, true, 2, 61, "two"},    {0x03, false, 2, 1, "two"},  {0x0B, false, 2, 1, "two"},
        {0x13, false, 2, 2, "two"},    {0x1B, false, 2, 3, "two"},  {0x8B, false, 2, 1, "two"},
        {0x93, false, 2, 7, "two"},    {0x9B, false, 2, 13, "two"}, {0xA3, false, 2, 19, "two"},
        {0xAB, false, 2, 25, "two"},   {0xB3, false, 2, 31, "two"}, {0xBB, false, 2, 37, "two"},
        {0xC3, false, 2, 43, "two"},   {0xCB, false, 2, 63, "two"}, {0xD3, false, 2, 49, "two"},
        {0xDB, false, 2, 55, "two"},   {0xE3, false, 2, 61, "two"}, {0x5A, false, 2, 1, "two"},
        {0x00, true, 2, 2, "two"},     {0xFF, true, 2, 2, "two"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct printed p;
        struct buf file = {0};
        static const struct recfm vbm = {RECORD_VARIABLE, CONTROL_MACHINE, 0};
        char one[] = "?one", two[] = "\tTwo";
        one[0] = (char)cases[i].control;
        two[1] = 't';
        assert_true(record_write(&file, &vbm, (struct span){one, 4}, ' '));
        assert_true(record_write(&file, &vbm, (struct span){two, 4}, ' '));
        print(&p, "JOB1.JOB00012.D1.SYSPRINT.VBM", BUF_SPAN(&file));
        assert_int_equal(p.result, LISTING_GOOD);
        if (strcmp(at(&p, cases[i].page, PAGE_HEAD + cases[i].line), cases[i].text) != 0)
            fail_msg("X'%02X': %s", cases[i].control,
                     at(&p, cases[i].page, PAGE_HEAD + cases[i].line));
        assert_int_equal(strncmp(at(&p, 2, FIRST), "one", 3) == 0, cases[i].printed);
        done(&p);
        buf_free(&file);
    }
}

static void record_formats_and_code_pages(void **state)
{
    static const struct {
        const char *name, *page;
        struct span file;
        const char *lines[4];
    } cases[] = {
        {"J.JOB00001.D1.S.FB4", "UTF-8", OCTETS("ab  c   "), {"ab", "c", ""}},
        {"J.JOB00001.D1.S.FBA4", "UTF-8", OCTETS("1ab 0c  "), {"ab", "", "c", ""}},
        {"J.JOB00001.D1.S.FB3", "IBM-1047", OCTETS("\xC1\xC2\xC3\xC4\x40\x40"), {"ABC", "D", ""}},
        {"J.JOB00001.D1.S.FBA3", "IBM-1047", OCTETS("\xF1\xC2\xC3\xF0\xC4\x40"), {"BC", "", "D"}},
        {"J.JOB00001.D1.S.VBM",
         "IBM-1047",
         OCTETS("\0\7\0\0\x11\xC1\xC2\0\6\0\0\x01\xC3"),
         {"AB", "", "C"}},
        /* Controls of the code page become visible too. */
        {"J.JOB00001.D1.S.FB3", "IBM-1047", OCTETS("\x0C\x25\x27"), {"\\x0C\\x0A\\x1B", ""}},
        /* Lines of text are mail, whatever page jobs use. */
        {"J.JOB00001.D1.S.T", "IBM-1047", OCTETS("plain\n"), {"plain", ""}},
        {"J.JOB00001.D1.S", "IBM-1047", OCTETS("plain\n"), {"plain", ""}},
        {"J.JOB00001.D1.S.VA", "UTF-8", OCTETS("1\xC3\xA9\n0x"), {"\xC3\xA9", "", "x"}},
        {"J.JOB00001.D1.S.VM",
         "UTF-8",
         OCTETS("\x11"
                "a\n\tb\n"),
         {"a", "", "b"}},
        /* MIME is not looked at. */
        {"J.JOB00001.D1.S.FB16",
         "UTF-8",
         OCTETS("Subject: =?utf8?                q?x?=           "),
         {"Subject: =?utf8?", "", "q?x?="}},
        /* An envelope before a listing. */
        {"J.JOB00001.D1.S.VA",
         "UTF-8",
         OCTETS(" X-From: <a@b>\n X-To: <c@d>\n more\n"),
         {"X-From: <a@b>", "X-To: <c@d>", "", "more"}},
        /* A mail data set with control. */
        {"J.JOB00001.D1.S",
         "UTF-8",
         OCTETS("X-From: <a@b>\nX-To: <c@d>\nX-Recfm: VBA\n Subject: x\n0y\n"),
         {"X-From: <a@b>", "X-To: <c@d>", "X-Recfm: VBA", ""}},
        {"J.JOB00001.D1.S.VA", "UTF-8", OCTETS(""), {NULL}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct printed p;
        struct buf site = {0};
        buf_printf(&site, MEMBER "        CODEPAGE(%s)\n", cases[i].page);
        print_at(&p, buf_str(&site), cases[i].name, cases[i].file);
        assert_int_equal(p.result, LISTING_GOOD);
        for (unsigned k = 0; k < 4 && cases[i].lines[k] != NULL; k++)
            if (strcmp(at(&p, 2, FIRST + k), cases[i].lines[k]) != 0)
                fail_msg("case %zu, line %u: %s", i, k, at(&p, 2, FIRST + k));
        done(&p);
        buf_free(&site);
    }
}

static void asa_in_a_mail_data_set(void **state)
{
    struct printed p;

    (void)state;
    print(&p, NAME, SPAN("X-From: <a@b>\nX-To: <c@d>\nX-Recfm: VBA\n Subject: x\n \n0y\n+_\n1z\n"));
    assert_string_equal(at(&p, 2, FIRST + 4), "Subject: x");
    assert_string_equal(at(&p, 2, FIRST + 7), "y|_");
    assert_string_equal(at(&p, 3, FIRST), "z");
    done(&p);
}

static void what_cannot_be_printed(void **state)
{
    static const struct {
        const char *name;
        struct span file;
        size_t record;
        const char *says;
    } cases[] = {
        {"J.JOB00001.D1.S.FB80", OCTETS("short"), 1, "5 of 80"},
        {"J.JOB00001.D1.S.FB4", OCTETS("goodbad"), 2, "3 of 4"},
        {"J.JOB00001.D1.S.VB", OCTETS("\0\5\0\0a\0\1\0\0"), 2, "below 4"},
        {"J.JOB00001.D1.S.VBA", OCTETS("\0\12\0\0 a"), 1, "file was cut"},
        {"J.JOB00001.D1.S.VB", OCTETS("\0\5\1\0a"), 1, "segment"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct printed p;
        print(&p, cases[i].name, cases[i].file);
        assert_int_equal(p.result, LISTING_BAD);
        assert_int_equal(p.diag.line, cases[i].record);
        assert_non_null(strstr(p.diag.text, cases[i].says));
        done(&p);
    }
}

static void too_many_pages(void **state)
{
    struct printed p;
    struct buf file = {0};

    (void)state;
    for (int i = 0; i < PAGES_MAX + 1; i++)
        buf_adds(&file, "1\n");
    print(&p, "J.JOB00001.D1.S.VA", BUF_SPAN(&file));
    assert_int_equal(p.result, LISTING_BAD);
    assert_non_null(strstr(p.diag.text, "10000 pages"));
    done(&p);
    buf_clear(&file);
    for (int i = 0; i < PAGES_MAX; i++)
        buf_adds(&file, "1\n");
    print(&p, "J.JOB00001.D1.S.VA", BUF_SPAN(&file));
    assert_int_equal(p.result, LISTING_GOOD);
    assert_int_equal(p.pages.count, PAGES_MAX + 2);
    assert_string_equal(p.slip.value[SLIP_PAGES], "10000");
    done(&p);
    buf_free(&file);
}

/* No control of the sender's in what comes out, wherever it stood in what went in. */
static void hostile_octets_everywhere(void **state)
{
    static const struct span hostile[] = {
        OCTETS("\033[2J"),
        OCTETS("\033]52;c;eA==\a"),
        OCTETS("\x9B"
               "31m"),
        OCTETS("\xC2\x9B"
               "3"),
        OCTETS("\xE2\x80\xAE"),
        OCTETS("\r"),
        OCTETS("\f"),
        OCTETS("\b\b"),
        OCTETS("\xFF\xFE"),
        OCTETS("\xE2\x80\xA8"),
        OCTETS("\177"),
        OCTETS("\016"),
        OCTETS("\0"),
        OCTETS("=?utf-8?q?=1B=0C=0D=0A=C2=9B?="),
    };
    static const struct {
        const char *name, *before, *after;
    } places[] = {
        {NAME, "X-From: <a@b>\nX-To: <c@d>\nSubject: a", "b\n\ntext\n"},
        {NAME, "X-From: <a@b>\nX-To: <c@d>\nFrom: a", "b\n\ntext\n"},
        {NAME, "X-From: <a", "@b>\nX-To: <c@d>\n\ntext\n"},
        {NAME, "X-From: <a@b>\nX-To: <\"", "\"@b>\n\ntext\n"},
        {NAME, "X-From: <a@b>\nX-To: <c@d>\nA: b\n\ntext ", " more\n"},
        {NAME, "X-From: <a@b>\nX-To: <c@d>\n", " no header\n"},
        {NAME, "A: b\nContent-Type: text/html\n\n<a href=\"", "\">x</a>"},
        {NAME, "A: b\nContent-Type: text/html\n\n<img alt='", "'>"},
        {NAME, "A: b\nContent-Type: text/plain; charset=\"", "\"\n\nx\n"},
        {NAME, "A: b\nContent-Type: a/b; name=\"", "\"\n\nx\n"},
        {NAME, "A: b\nContent-Type: a/", "\n\nx\n"},
        {NAME, "A: b\nContent-Type: message/rfc822\n\nSubject: ", "\n\nx\n"},
        {"J.JOB00001.D1.S.VA", "1text ", " more\n"},
        {"J.JOB00001.D1.S.VM", "\ttext ", " more\n"},
        {"J.JOB00001.D1.S.VA", "", "more\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(places); i++)
        for (size_t k = 0; k < COUNT(hostile); k++) {
            struct printed p;
            struct buf file = {0}, out = {0}, safe = {0};
            buf_adds(&file, places[i].before);
            buf_addspan(&file, hostile[k]);
            buf_adds(&file, places[i].after);
            print(&p, places[i].name, BUF_SPAN(&file));
            assert_int_equal(p.result, LISTING_GOOD);
            assert_true(pages_text(&p.pages, &out));
            size_t feeds = 0;
            for (struct span rest = BUF_SPAN(&out), line; span_line(&rest, &line);) {
                feeds += line.n > 0 && line.p[0] == '\f';
                line = span_from(line, line.n > 0 && line.p[0] == '\f');
                buf_clear(&safe);
                utf8_safe(line, &safe);
                if (!span_eq(line, BUF_SPAN(&safe)))
                    fail_msg("place %zu, octets %zu: %s", i, k, buf_str(&safe));
                assert_true(utf8_width(line) <= PAGE_COLUMNS);
            }
            assert_int_equal(feeds, p.pages.count - 1);
            for (int f = 0; f < SLIP_FIELDS; f++) {
                buf_clear(&safe);
                utf8_safe(span_of(p.slip.value[f]), &safe);
                assert_string_equal(p.slip.value[f], buf_str(&safe));
            }
            done(&p);
            buf_free(&file);
            buf_free(&out);
            buf_free(&safe);
        }
}

static void every_length_of_a_form(void **state)
{
    (void)state;
    for (unsigned linect = 48; linect <= 144; linect += 8) {
        struct printed p;
        struct buf site = {0}, file = {0};
        buf_printf(&site, MEMBER "PRINTER LINECT(%u)\n", linect);
        buf_adds(&file, "X-From: <a@b>\nX-To: <c@d>\nA: b\n\n");
        for (unsigned i = 0; i < linect * 2; i++)
            buf_adds(&file, "x\n");
        print_at(&p, buf_str(&site), NAME, BUF_SPAN(&file));
        assert_int_equal(p.result, LISTING_GOOD);
        assert_memory_equal(at(&p, 1, linect), "****A  START", 12);
        assert_string_equal(at(&p, 2, linect), "x");
        assert_string_equal(at(&p, 3, FIRST), "x");
        done(&p);
        buf_free(&site);
        buf_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_is_printed),
        cmocka_unit_test(names_and_users),
        cmocka_unit_test(why_it_was_diverted),
        cmocka_unit_test(mail_without_envelope_or_header_is_printed),
        cmocka_unit_test(every_asa_control),
        cmocka_unit_test(every_machine_control),
        cmocka_unit_test(record_formats_and_code_pages),
        cmocka_unit_test(asa_in_a_mail_data_set),
        cmocka_unit_test(what_cannot_be_printed),
        cmocka_unit_test(too_many_pages),
        cmocka_unit_test(hostile_octets_everywhere),
        cmocka_unit_test(every_length_of_a_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
