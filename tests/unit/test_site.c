/* The configuration: defaults, every form of value, and errors with line, column and hint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/site.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void reads_the_sample_of_the_design(void **state)
{
    struct diag d;
    struct site *s = site_parse(
        SPAN("* comment\n"
             "SYSTEM  HOST(mail.example.org) SPOOL(/var/spool/spoolmail) USER(spoolmail)\n"
             "SMTP    PATH(OUT) REMOTE(RMT21) POSTOFFICE(MYHOST) DIVERT(1M) MAXSIZE(50M)\n"
             "        USERTABLE(/etc/spoolmail/USERTBL) RETRYINT(15M) RETRYMAX(5D)\n"
             "SERVICE NAME(SMTP) MODULE(SSMTP) PORT(25)\n"
             "SERVICE NAME(SPOOL#4)\n"
             "ROUTE   DOMAIN(*) HOST(relay.example.net) PORT(587) TLS(NONE)\n"),
        "X", &d);

    (void)state;
    assert_non_null(s);
    assert_string_equal(s->host, "mail.example.org");
    assert_int_equal(s->divert, 1 << 20);
    assert_int_equal(s->retryint, 900);
    assert_int_equal(s->retrymax, 5 * 86400);
    assert_int_equal(s->retryceil, 4 * 3600);
    assert_int_equal(s->services, 2);
    assert_non_null(site_service(s, "SSMTP"));
    assert_non_null(site_service(s, "spool#4"));
    assert_null(site_service(s, "USMTP"));
    assert_int_equal(s->route[0].port, 587);
    site_free(s);
    s = site_parse(SPAN("SYSTEM HOST(h)\nSMTP CERT(/c)\nSERVICE NAME(A) SUBMISSION PORT(587)\n"
                        "SERVICE NAME(B) SUBMISSION PORT(465) TLS(IMPLICIT)\n"),
                   "X", &d);
    assert_non_null(s);
    assert_true(s->service[0].submission && s->service[1].submission);
    site_free(s);
}

static void has_defaults(void **state)
{
    struct diag d;
    struct site *s = site_parse(SPAN("SYSTEM HOST(h)\n"), "X", &d);

    (void)state;
    assert_non_null(s);
    assert_string_equal(s->path, "OUT");
    assert_string_equal(s->remote, "RMT21");
    assert_string_equal(s->codepage, "UTF-8");
    assert_null(s->postoffice);
    assert_int_equal(s->timeout.termination, 600);
    assert_int_equal(s->recfm.form, RECORD_TEXT);
    site_free(s);
}

static void names_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *text;
        size_t line, column;
        const char *says;
    } cases[] = {
        {"", 0, 0, "SYSTEM HOST"},
        {"SYSTEM SPOOL(/x)\n", 1, 1, "needs the keyword HOST"},
        {"SYSTEM HOST(h)\nSMPT PATH(OUT)\n", 2, 1, "did you mean SMTP"},
        {"SYSTEM HOST(h)\nSMTP REMOT(RMT21)\n", 2, 6, "did you mean REMOTE"},
        {"SYSTEM HOST(h)\nSMTP PATH(OUT\n", 2, 0, "parenthes"},
        {"SYSTEM HOST(h)\nSMTP PATH(out)\n", 2, 11, "qualifiers in capitals"},
        {"SYSTEM HOST(h)\nSMTP PATH(A/B)\n", 2, 11, "qualifiers"},
        {"SYSTEM HOST(h)\nSMTP REMOTE(POST)\n", 0, 0, "queue of the system itself"},
        {"SYSTEM HOST(h)\nSMTP REMOTE(../x)\n", 2, 13, "RMT21"},
        {"SYSTEM HOST(h)\nSMTP DIVERT(1)\n", 2, 13, "octets from 1024"},
        {"SYSTEM HOST(h)\nSMTP RELAY(0.0.0.0/0)\n", 2, 12, "at least /8"},
        {"SYSTEM HOST(h)\nSMTP RELAY(10.0.0.0/8,[::]/0)\n", 2, 12, "never everybody"},
        {"SYSTEM HOST(h)\nSMTP RELAY(10.1.0.0/8)\n", 2, 12, "no bits beyond"},
        {"SYSTEM HOST(h)\nSERVICE NAME(A) SUBMISSION\n", 0, 0, "needs CERT"},
        {"SYSTEM HOST(h)\nSMTP CERT(/c)\nSERVICE NAME(A) SUBMISSION TLS(NONE)\n", 0, 0,
         "no password may come in clear"},
        {"SYSTEM HOST(h)\nSMTP DIVERT(99999999999999999999)\n", 2, 13, "octets"},
        {"SYSTEM HOST(h)\nSMTP RETRYINT(0)\n", 2, 15, "time from 1"},
        {"SYSTEM HOST(h)\nSMTP RETRYINT(15X)\n", 2, 15, "30S, 15M"},
        {"SYSTEM HOST(h)\nSMTP RETRYINT(5H) RETRYCEIL(1H)\n", 0, 0, "RETRYCEIL"},
        {"SYSTEM HOST(h)\nSMTP CODEPAGE(EBCDIC-9)\n", 2, 15, "IBM-1047"},
        {"SYSTEM HOST(h)\nSMTP RECFM(XYZ)\n", 2, 12, "record format"},
        {"SYSTEM HOST(h)\nSMTP NOTICE(LOUD)\n", 2, 13, "DSN APPEND"},
        {"SYSTEM HOST(h)\nSMTP PATH\n", 2, 6, "needs a value"},
        {"SYSTEM HOST(h)\nSMTP PATH(A) PATH(B)\n", 2, 14, "twice"},
        {"SYSTEM HOST(h)\nSYSTEM HOST(i)\n", 2, 1, "twice"},
        {"SYSTEM HOST(h)\nSERVICE PORT(25)\n", 2, 1, "NAME"},
        {"SYSTEM HOST(h)\nSERVICE NAME(X) TCP(1)\n", 2, 0, "takes no value"},
        {"SYSTEM HOST(h)\nROUTE PORT(65536)\n", 2, 12, "number from 1 to 65535"},
        {"SYSTEM HOST(h)\nROUTE HOST(bad host)\n", 2, 0, ""},
        {"SYSTEM HOST(h)\nROUTE HOST(a,)\n", 2, 12, "comma before the next"},
        {"SYSTEM HOST(h)\nROUTE FROM(a@)\n", 2, 12, "mailbox"},
        {"SYSTEM HOST(h)\nROUTE RATE(30)\n", 2, 12, "30/M"},
        {"SYSTEM HOST(h)\nROUTE RATE(0/M)\n", 2, 12, "30/M"},
        {"SYSTEM HOST(h)\nROUTE RATE(1/Y)\n", 2, 12, "30/M"},
        {"SYSTEM HOST(h)\nROUTE RATE(1/)\n", 2, 12, "30/M"},
        {"SYSTEM HOST(h)\nROUTE MX(YES)\n", 2, 10, "takes no value"},
        {"SYSTEM HOST(h)\nROUTE PRESET(YAHOO)\n", 2, 14, "GMAIL OFFICE365 SES"},
        {"SYSTEM HOST(h)\n\nROUTE RETRYINT(2H) RETRYCEIL(1H)\n", 3, 1, "RETRYCEIL"},
        {"SYSTEM HOST(h)\nDNS SERVER(ns.example)\n", 2, 12, "IP addresses"},
        {"SYSTEM HOST(h)\nDNS SERVER(127.0.0.1,)\n", 2, 12, "IP addresses"},
        {"SYSTEM HOST(h)\nDNS TRUST(root.key)\n", 2, 11, "begins with /"},
        {"SYSTEM HOST(h)\nDNS\nDNS\n", 3, 1, "twice"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) TLS(SURE)\n", 2, 19, "AUTO NONE MAY MUST VERIFY DANE"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) TLS(DANE)\n", 2, 1, "needs DNS TRUST"},
        {"SYSTEM HOST(h)\nROUTE TLSA('3 1 1 " HEX32 "')\n", 2, 1, "no use without"},
        {"SYSTEM HOST(h)\nROUTE TLS(DANE) TLSA('1 1 1 " HEX32 "')\n", 2, 22, "usage 2 or 3"},
        {"SYSTEM HOST(h)\nROUTE TLS(DANE) TLSA('3 1 1 00')\n", 2, 22, "usage 2 or 3"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) PORT(465) TLS(NONE)\n", 2, 1, "TLSMODE(STARTTLS)"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) TLSMODE(IMPLICIT) TLS(NONE)\n", 2, 1, "contradict"},
        {"SYSTEM HOST(h)\nROUTE KEY(/k)\n", 2, 1, "needs CERT"},
        {"SYSTEM HOST(h)\nROUTE CERT(/c,k)\n", 2, 12, "paths that begin with /"},
        {"SYSTEM HOST(h)\nSMTP CERT(/1,/2,/3,/4,/5)\n", 2, 11, "one to four"},
        {"SYSTEM HOST(h)\nSMTP KEY(/k)\n", 0, 0, "without CERT"},
        {"SYSTEM HOST(h)\nSMTP CLIENTCA(/k)\n", 0, 0, "without CERT"},
        {"SYSTEM HOST(h)\nSERVICE NAME(S) TLS(IMPLICIT)\n", 0, 0, "needs CERT"},
        {"SYSTEM HOST(h)\nSERVICE NAME(S) PORT(465)\n", 0, 0, "needs CERT"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) USER('a b')\n", 2, 20, "without a blank"},
        {"SYSTEM HOST(h)\nROUTE AUTH(PLAIN,MAGIC)\n", 2, 12, "names joined by commas"},
        {"SYSTEM HOST(h)\nROUTE AUTH('')\n", 2, 12, "names joined by commas"},
        {"SYSTEM HOST(h)\nROUTE SECRETCMD('')\n", 2, 17, "SECRETCMD must be"},
        {"SYSTEM HOST(h)\nROUTE CREDENTIAL(../x)\n", 2, 18, "CREDENTIAL must be"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) SECRETFILE(/f)\n", 2, 1, "need USER"},
        {"SYSTEM HOST(h)\nROUTE USER(u) SECRETFILE(/f)\n", 2, 1, "needs HOST"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) USER(u)\n", 2, 1, "needs USER(name), and SECRETFILE"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) AUTH(PLAIN) SECRETFILE(/f)\n", 2, 1, "needs USER"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) USER(u) SECRETFILE(/f) SECRETCMD(c)\n", 2, 1, "keep one"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) USER(u) SECRETFILE(/f) AUTH(PLAIN,XOAUTH2)\n", 2, 1,
         "keep one kind"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) AUTH(EXTERNAL)\n", 2, 1, "needs CERT"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) AUTH(EXTERNAL) CERT(/c) CREDENTIAL(x)\n", 2, 1,
         "needs no secret"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) TLS(MAY) USER(u) AUTH(LOGIN) SECRETFILE(/f)\n", 2, 1,
         "write TLS(VERIFY)"},
        {"SYSTEM HOST(h)\nROUTE HOST(r) TLS(NONE) USER(u) AUTH(PLAIN) SECRETFILE(/f)\n", 2, 1,
         "write TLS(VERIFY)"},
        {"SYSTEM HOST(h)\nROUTE CREDENTIAL('')\n", 2, 18, "CREDENTIAL must be"},
        {"SYSTEM HOST(h)\nROUTE CREDENTIAL(.x)\n", 2, 18, "CREDENTIAL must be"},
        {"SYSTEM HOST(h)\nROUTE USER('\xC3\xA4')\n", 2, 12, "without a blank"},
        {"SYSTEM HOST(h)\nROUTE USER(\x7F)\n", 2, 0, ""},
        {"SYSTEM HOST(h)\nROUTE USER(" X64 X64 X64 X64 ")\n", 2, 12, "without a blank"},
        {"SYSTEM HOST(h)\nSERVICE NAME('\xC3\xA4')\n", 2, 14, ""},
        {"SYSTEM HOST([1.2.3])\n", 1, 13, "host name"},
        {"SYSTEM HOST(h) SPOOL(relative)\n", 1, 22, "begins with /"},
        {"  SYSTEM HOST(h)\n", 1, 0, ""},
        {"SYSTEM HOST(h)\nSERVICE NAME(S) TLS(STARTTLS)\n", 0, 0, "needs CERT"},
        {"SYSTEM HOST(h)\nDELIVER DEFAULT(LMTP)\n", 0, 0, "has no server"},
        {"SYSTEM HOST(h)\nROUTE PRESET(SES)\n", 2, 1, "needs HOST"},
        {"SYSTEM HOST(h)\nSMTP XYZZYXYZZYXYZZYXYZZYXYZZYXYZZYXYZZYXYZZYXYZZY(1)\n", 2, 6,
         "no keyword"},
        {"SYSTEM HOST(h)\nXYZZYXYZZYXYZZYXYZZYXYZZYXYZZYXYZZYXYZZYXYZZY\n", 2, 1, "no statement"},
    };
    struct diag d;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct site *s = site_parse(span_of(cases[i].text), "X", &d);
        if (s != NULL)
            fail_msg("case %zu was taken", i);
        if (d.line != cases[i].line || (cases[i].column != 0 && d.column != cases[i].column) ||
            strstr(d.text, cases[i].says) == NULL)
            fail_msg("case %zu: %zu:%zu %s", i, d.line, d.column, d.text);
    }
}

/* Somebody writes the secret where its file is to be named: it must not get into the log. */
static void never_repeats_a_secret(void **state)
{
    static const char *const cases[] = {
        "SYSTEM HOST(h)\nROUTE SECRETFILE(hunter2)\n",
        "SYSTEM HOST(h)\nROUTE CREDENTIAL(hunter2/x)\n",
    };
    struct diag d;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_null(site_parse(span_of(cases[i]), "X", &d));
        assert_non_null(strstr(d.text, "must be"));
        assert_null(strstr(d.text, "hunter2"));
    }
}

/* Values of each form: what a keyword takes and what it does not. 64 times x: $X. */
static void values(void **state)
{
    static const struct {
        const char *statement, *keyword, *value;
        bool good;
    } rows[] = {
        {"SYSTEM", "USER", "joe", true},
        {"SYSTEM", "USER", "$X", true},
        {"SYSTEM", "USER", "$Xx", false},
        {"SYSTEM", "USER", "", false},
        {"SYSTEM", "USER", "'a b'", false},
        {"SYSTEM", "USER", "\xC3\xA4", false},
        {"SYSTEM", "SPOOL", "/", false},
        {"SYSTEM", "SPOOL", "/x", true},
        {"SYSTEM", "SPOOL", "/$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X", false},
        {"SMTP", "CLASS", "9", true},
        {"SMTP", "CLASS", "Z", true},
        {"SMTP", "CLASS", "a", false},
        {"SMTP", "CLASS", "/", false},
        {"SMTP", "CLASS", "AB", false},
        {"SMTP", "CLASS", "", false},
        {"SMTP", "DOMAINS", "a.example,b.example", true},
        {"SMTP", "DOMAINS", "a.example,", false},
        {"SMTP", "NOTICE", "append", true},
        {"SMTP", "CERT", "/a,/b,/c,/d", true},
        {"DELIVER", "MAILDIR", "/m/%u/%i/%%", true},
        {"DELIVER", "MAILDIR", "%h/Maildir", true},
        {"DELIVER", "MAILDIR", "/m/%h", false},
        {"DELIVER", "MAILDIR", "/m/%", false},
        {"DELIVER", "MAILDIR", "/m/%x", false},
        {"DELIVER", "MAILDIR", "%u", false},
        {"DELIVER", "MAILDIR", "/", false},
        {"DELIVER", "MAILDIR", "relative", false},
        {"DELIVER", "MAILDIR", "/$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X", false},
        {"DELIVER", "LMTP", "127.0.0.1:24", true},
        {"DELIVER", "LMTP", "h.example:24", true},
        {"DELIVER", "LMTP", "/run/lmtp", true},
        {"DELIVER", "LMTP", "/", false},
        {"DELIVER", "LMTP", "/$X$X", false},
        {"DELIVER", "LMTP", "", false},
        {"DELIVER", "LMTP", "h.example", false},
        {"DELIVER", "LMTP", ":24", false},
        {"DELIVER", "LMTP", "a b:24", false},
        {"DELIVER", "LMTP", "a..b:24", false},
        {"DELIVER", "LMTP", "h:0", false},
        {"DELIVER", "LMTP", "h:65536", false},
        {"PRINTER", "LINECT", "47", false},
        {"PRINTER", "LINECT", "144", true},
        {"ROUTE", "DOMAIN", "*", true},
        {"ROUTE", "DOMAIN", "*.example", true},
        {"ROUTE", "DOMAIN", "*.", false},
        {"ROUTE", "DOMAIN", "*x.example", false},
        {"ROUTE", "DOMAIN", "a.example", true},
        {"ROUTE", "FROM", "a@b.example", true},
        {"ROUTE", "FROM", "b.example", true},
        {"ROUTE", "FROM", "*.b.example", true},
        {"ROUTE", "FROM", "*@b.example", true},
        {"ROUTE", "FROM", "**", false},
        {"ROUTE", "FROM", "*", false},
        {"ROUTE", "FROM", "'<>'", true},
        {"ROUTE", "FROM", "'<a@b.example>'", true},
        {"ROUTE", "FROM", "''", false},
        {"ROUTE", "HOST", "a.example,[192.0.2.1]:587|b", true},
        {"ROUTE", "HOST", "$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X$X",
         false},
        {"ROUTE", "RATE", "30/s", true},
        {"ROUTE", "RATE", "1/D", true},
        {"ROUTE", "RATE", "1", false},
        {"ROUTE", "RATE", "x/M", false},
        {"ROUTE", "RATE", "1000001/M", false},
        {"ROUTE", "TLSA", "'3 1 1 " HEX32 "'", false}, /* of no use, but read */
        {"ROUTE", "TLSA", "'256 1 1 " HEX32 "'", false},
        {"ROUTE", "TLSA", "'3 1 1 {0'", false},
        {"ROUTE", "TLSA", "'3 1 1 `0'", false},
        {"ROUTE", "TLSA", "'3 1 1 :0'", false},
        {"ROUTE", "TLS", "DANE) TLSA('3 1 1 " HEX32 "'", true},
        {"ROUTE", "TLSA", "'3 1 1 " HEX32 "') TLS(DANE", true},
        {"ROUTE", "CERT", "/c) KEY(/k", true},
        {"DNS", "TRUST", "/root.key)\nROUTE TLS(DANE", true},
        {"DELIVER", "LMTP", "h:24) DEFAULT(LMTP", true},
        {"DELIVER", "LMTP", "h:x", false},
        {"SMTP", "RECFM", "FB80", true},
        {"SMTP", "RECFM", "'F 80'", false},
        {"SMTP", "CLASS", "{", false},
        {"SYSTEM", "USER", "\x7f", false},
        {"ROUTE", "MX", NULL, true},
        {"ROUTE", "KEY", "/k", false},
        {"ROUTE", "PRESET", "GMAIL", true},
        {"ROUTE", "PRESET", "SES", false}, /* it has no host of its own */
        {"DNS", "SERVER", "127.0.0.1,::1", true},
        {"DNS", "SERVER", "root", true},
        {"DNS", "SERVER", "$X", false},
        {"DNS", "NICKNAMES", "MAYBE", false},
        {"SERVICE", "NAME", "X", true},
    };
    char long_x[65], text[4096];
    struct diag d;

    (void)state;
    memset(long_x, 'x', 64);
    long_x[64] = '\0';
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf member = {0};
        const char *v = rows[i].value;
        bool system = strcmp(rows[i].statement, "SYSTEM") == 0;
        buf_printf(&member, "SYSTEM HOST(h)%s%s %s%s", system ? "" : "\n",
                   system ? "" : rows[i].statement, rows[i].keyword, v != NULL ? "(" : "");
        for (; v != NULL && *v != '\0'; v++)
            if (*v != '$' || *++v != 'X')
                buf_addc(&member, *v);
            else
                buf_adds(&member, long_x);
        buf_adds(&member, rows[i].value != NULL ? ")\n" : "\n");
        assert_true(span_copy(BUF_SPAN(&member), text, sizeof(text)));
        struct site *s = site_parse(BUF_SPAN(&member), "X", &d);
        if ((s != NULL) != rows[i].good)
            fail_msg("%s: %s", text, s != NULL ? "taken" : d.text);
        site_free(s);
        buf_free(&member);
    }
    site_free(NULL);
}

/* What a site says as a whole. */
static void sums_of_the_configuration(void **state)
{
    struct diag d;
    struct site *s =
        site_parse(SPAN("SYSTEM HOST(h.example)\n"
                        "SMTP POSTOFFICE(OFFICE) DOMAINS(a.example,b.example) CERT(/c)\n"
                        "DELIVER LMTP(/run/lmtp)\n"
                        "SERVICE NAME(S) TLS(STARTTLS)\n"
                        "ROUTE DOMAIN(a.example) RETRYINT(5H)\n"
                        "ROUTE DOMAIN(b.example) RETRYINT(1M) RETRYCEIL(2M) RETRYMAX(1H)\n"
                        "ROUTE PRESET(GMAIL) HOST(smtp.gmail.com) CONNECTIONS(2)\n"),
                   "X", &d);

    (void)state;
    if (s == NULL)
        fail_msg("%s", d.text);
    assert_int_equal(site_longest_ceiling(s), 5 * 3600);
    assert_int_equal(site_shortest_interval(s), 60);
    assert_int_equal(site_schedule(s, &s->route[1]).most, 3600);
    assert_int_equal(site_schedule(s, NULL).most, s->retrymax);
    assert_true(site_owns(s, SPAN("OFFICE")) && site_owns(s, SPAN("H.Example")));
    assert_true(site_owns(s, SPAN("b.example")) && !site_owns(s, SPAN("c.example")));
    assert_false(site_lmtp_host(s));
    assert_int_equal(s->route[2].connections, 2); /* what it says itself counts */
    assert_true(site_implicit(TLSMODE_AUTO, 465) && !site_implicit(TLSMODE_AUTO, 25));
    assert_true(site_implicit(TLSMODE_IMPLICIT, 25) && !site_implicit(TLSMODE_STARTTLS, 465));
    assert_string_equal(site_tls_level(TLS_DANE), "DANE");
    site_free(s);
    s = site_parse(SPAN("SYSTEM HOST(h)\nDELIVER LMTP(h:24)\n"), "X", &d);
    assert_non_null(s);
    assert_true(site_lmtp_host(s) && !site_owns(s, SPAN("a.example")));
    site_free(s);
}

static void count_keyword(const char *statement, const char *keyword, const char *deflt, void *arg)
{
    (void)deflt;
    assert_true(statement[0] != '\0' && keyword[0] != '\0');
    ++*(unsigned *)arg;
}

static void every_keyword_is_listed(void **state)
{
    unsigned n = 0;

    (void)state;
    site_keywords(count_keyword, &n);
    assert_true(n > 60);
}

/* Members that are not to be read, and one that is. */
static void members_on_the_disk(void **state)
{
    static const struct {
        mode_t mode;
        off_t size; /* of zeros behind it */
        const char *says;
    } rows[] = {
        {0644, 0, NULL},
        {0646, 0, "chmod o-w"},
        {0644, (1 << 20) + 1, "larger than 1 MiB"},
    };
    char path[] = "/tmp/spoolmail-site.XXXXXX";
    int fd = mkstemp(path);
    struct diag d;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "SYSTEM HOST(h)\n", 15), 15);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(fchmod(fd, rows[i].mode), 0);
        assert_int_equal(rows[i].size == 0 ? 0 : ftruncate(fd, rows[i].size), 0);
        struct site *s = site_load(path, &d);
        if ((s == NULL) != (rows[i].says != NULL) || (s == NULL && !strstr(d.text, rows[i].says)))
            fail_msg("%zu: %s", i, d.text);
        site_free(s);
    }
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_null(site_load(path, &d));
    assert_non_null(strstr(d.text, "another member with -C"));
    assert_null(site_load("/tmp", &d));
    assert_non_null(strstr(d.text, "not a plain file"));
    assert_null(site_load("/proc/kallsyms", &d)); /* it has no size, and no end that counts */
}

static void survives_being_cut_anywhere(void **state)
{
    static const char text[] =
        "SYSTEM HOST(h) SPOOL('/a b')\nSMTP PATH(OUT)\n  DIVERT(1M)\nROUTE HOST(r)\n";
    struct diag d;

    (void)state;
    for (size_t n = 0; n < sizeof(text); n++)
        site_free(site_parse((struct span){text, n}, "X", &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_sample_of_the_design),
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(names_what_is_wrong_and_where),
        cmocka_unit_test(never_repeats_a_secret),
        cmocka_unit_test(reads_the_sample_of_the_design),
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(names_what_is_wrong_and_where),
        cmocka_unit_test(values),
        cmocka_unit_test(sums_of_the_configuration),
        cmocka_unit_test(every_keyword_is_listed),
        cmocka_unit_test(members_on_the_disk),
        cmocka_unit_test(survives_being_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
