/* Official names of hosts: the hosts file, addresses, and header fields cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "usmtp/official.h"

static const char hosts[] = "# comment\n"
                            "127.0.0.1 localhost\n"
                            "127.0.0.1 localhost.localdomain localhost local4\n"
                            "127.0.1.1\tMail.Example.ORG  mail\trelay # not-me\n"
                            "10.0.0.1 srv1.corp.example srv1 www.example.com bad_nick x\r\n"
                            "10.0.0.2 other.corp.example SRV1 srv2#no\n"
                            "10.0.0.3 lonely\n"
                            "10.0.0.4\n\n   \n"
                            "10.0.0.5 no.newline.example last";

static struct official_names names;

static int read_names(void **state)
{
    (void)state;
    return official_read(&names, SPAN(hosts)) ? 0 : -1;
}

static int free_names(void **state)
{
    (void)state;
    official_free(&names);
    return 0;
}

static void the_hosts_file(void **state)
{
    static const struct {
        const char *nickname, *official;
    } cases[] = {
        {"mail", "Mail.Example.ORG"},
        {"MAIL", "Mail.Example.ORG"},
        {"relay", "Mail.Example.ORG"},
        {"srv1", "srv1.corp.example"}, /* the first one counts */
        {"srv2", "other.corp.example"},
        {"x", "srv1.corp.example"},
        {"last", "no.newline.example"},
        {"local4", "localhost.localdomain"},
        {"localhost", NULL},
        {"www.example.com", NULL},
        {"not-me", NULL},
        {"no", NULL},
        {"bad_nick", NULL},
        {"lonely", NULL},
        {"", NULL},
        {"mai", NULL},
        {"maill", NULL},
        {"mail.example.org", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *official = official_find(&names, span_of(cases[i].nickname));
        if ((official == NULL) != (cases[i].official == NULL) ||
            (official != NULL && strcmp(official, cases[i].official) != 0))
            fail_msg("%s: %s", cases[i].nickname, official == NULL ? "none" : official);
    }
}

static void the_hosts_file_cut_anywhere(void **state)
{
    struct official_names some;

    (void)state;
    for (size_t n = 0; n < sizeof(hosts); n++) {
        char *exact = malloc(n + 1);
        assert_non_null(exact);
        memcpy(exact, hosts, n);
        assert_true(official_read(&some, (struct span){exact, n}));
        free(exact); /* nothing points into it */
        if (n > 130)
            assert_string_equal(official_find(&some, SPAN("mail")), "Mail.Example.ORG");
        official_free(&some);
    }
}

static void addresses(void **state)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"a@mail", "a@Mail.Example.ORG"},
        {"\"a@mail\"@srv2", "\"a@mail\"@other.corp.example"},
        {"a@www.example.com", "a@www.example.com"},
        {"a@[192.0.2.1]", "a@[192.0.2.1]"},
        {"<>", ""},
    };
    struct address a;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            address_parse(span_of(cases[i].before), ADDRESS_BARE_OK | ADDRESS_NULL_OK, &a, NULL),
            ADDRESS_GOOD);
        official_address(&names, &a);
        assert_string_equal(a.text, cases[i].after);
    }
}

/* Sends the text through in chunks of n octets; what is behind the header follows as it is. */
static void expect(const char *text, const char *wanted, bool asa, size_t n)
{
    struct official_header h = {.asa = asa};
    struct span rest = span_of(text);
    struct buf out = {0};

    while (rest.n > 0) {
        struct span chunk = {rest.p, rest.n < n ? rest.n : n};
        rest = span_from(rest, chunk.n);
        assert_true(official_feed(&h, &names, &chunk, &out));
        buf_addspan(&out, chunk);
    }
    struct span end = {"", 0};
    assert_true(official_feed(&h, &names, &end, &out));
    if (strcmp(buf_str(&out), wanted) != 0)
        fail_msg("%zu octets in chunks of %zu: ...%s", strlen(text), n,
                 buf_str(&out) + (out.len > 200 ? out.len - 200 : 0));
    buf_free(&out);
}

static void header_fields(void **state)
{
    static const struct {
        const char *before, *after;
        bool asa;
    } cases[] = {
        {"To: a@mail\n\nb@mail\n", "To: a@Mail.Example.ORG\n\nb@mail\n", false},
        {"TO : \"x@mail\" <a@srv2>, b@x (c@mail)\n",
         "TO : \"x@mail\" <a@other.corp.example>, "
         "b@srv1.corp.example (c@mail)\n",
         false},
        {"Cc: a@\n mail,\n\tb@relay\nSubject: at@mail\n",
         "Cc: a@\n Mail.Example.ORG,\n\tb@Mail.Example.ORG\nSubject: at@mail\n", false},
        {"Resent-From: a @ mail\n", "Resent-From: a @ Mail.Example.ORG\n", false},
        {"From: a@(comment (deep\\) x@mail) )mail\n",
         "From: a@(comment (deep\\) x@mail) )Mail.Example.ORG\n", false},
        {"Sender: <@srv1,@x:a@mail>\n",
         "Sender: <@srv1.corp.example,@srv1.corp.example:a@Mail.Example.ORG>\n", false},
        {"To: a@mail.other.example, b@xmail, c@mailx, d@mail-2\n",
         "To: a@mail.other.example, b@xmail, c@mailx, d@mail-2\n", false},
        {"To: group: a@mail;\n", "To: group: a@Mail.Example.ORG;\n", false},
        {"To: \"no end\n a@mail\nCc: a@mail\n", "To: \"no end\n a@mail\nCc: a@Mail.Example.ORG\n",
         false},
        {"Message-ID: <1@mail>\nReceived: from mail by mail\n",
         "Message-ID: <1@mail>\nReceived: from mail by mail\n", false},
        {"To: a@mail", "To: a@Mail.Example.ORG", false}, /* no LF at the end */
        {"To: a@mail\r\n\r\nTo: b@mail\n", "To: a@Mail.Example.ORG\r\n\r\nTo: b@mail\n", false},
        {"no field\nTo: a@mail\n", "no field\nTo: a@mail\n", false},
        {" To: a@mail\n \n To: b@mail\n", " To: a@Mail.Example.ORG\n \n To: b@mail\n", true},
        {" To: x,\n  a@mail\n", " To: x,\n  a@Mail.Example.ORG\n", true},
        {"\n", "\n", false},
        {"", "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t n = 1; n <= 64; n++)
            expect(cases[i].before, cases[i].after, cases[i].asa, n);
}

/* A line that is full already is not made longer, one that is too long goes as it is. */
static void long_lines(void **state)
{
    static char text[5000], wanted[5100];

    (void)state;
    for (size_t fill = 900; fill < 4000; fill += fill < 1020 ? 1 : 97) {
        memset(text, 0, sizeof(text));
        strcpy(text, "To: \"");
        memset(text + 5, 'x', fill);
        strcat(text, "\" <a@mail>\n b@mail\nCc: c@mail\n");
        size_t line = strcspn(text, "\n");
        bool replaced = line + strlen("Mail.Example.ORG") - strlen("mail") <= OFFICIAL_LINE_MAX;
        memcpy(wanted, text, line);
        strcpy(wanted + line - (replaced ? 5 : 0), replaced ? "Mail.Example.ORG>" : "");
        /* The rest of a field that could not be held stays as well. */
        strcat(wanted, line <= OFFICIAL_LINE_MAX + 2 ? "\n b@Mail.Example.ORG\n" : "\n b@mail\n");
        strcat(wanted, "Cc: c@Mail.Example.ORG\n");
        expect(text, wanted, false, 7);
        expect(text, wanted, false, 4096);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hosts_file), cmocka_unit_test(the_hosts_file_cut_anywhere),
        cmocka_unit_test(addresses),      cmocka_unit_test(header_fields),
        cmocka_unit_test(long_lines),
    };
    return cmocka_run_group_tests(tests, read_names, free_names);
}
