/* The LMTP machine by dialogues: what the server says, what is said to it, what each recipient's
 * verdict is; every dialogue also octet by octet, and cut off at every octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/postoffice/lmtp.h"

enum { RCPTS = 3 };

#define GREETED "220 hello\r\n250-srv\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 8BITMIME\r\n"
#define PLAIN "220 hello\r\n250 srv\r\n"
#define LHLO "LHLO mail.example.org\r\n"
#define MAIL "MAIL FROM:<a@example.net>"
#define RCPT(n) "RCPT TO:<u" #n "@MYHOST>\r\n"
#define GROUP MAIL " SIZE=100\r\n" RCPT(1) RCPT(2) RCPT(3)

struct dialogue {
    const char *name;
    const char *server;          /* all it says */
    const char *client;          /* all we say; \1 stands for the text */
    unsigned verdict[RCPTS + 1]; /* enum lmtp_verdict */
    const char *status[RCPTS];
    const char *words; /* part of the first verdict's text that is not DELIVERED, or of `why` */
    size_t state;      /* enum lmtp_state */
};

#define D LMTP_DELIVERED
#define L LMTP_LATER
#define N LMTP_NEVER
#define O LMTP_OPEN

static const struct dialogue dialogues[] = {
    {"all accepted, pipelined",
     GREETED "250 ok\r\n250 1\r\n250 2\r\n250 3\r\n354 go\r\n250 2.1.5 one\r\n250 two\r\n250 2.0.0 "
             "three\r\n",
     LHLO GROUP "DATA\r\n\1",
     {D, D, D},
     {"2.1.5", "2.0.0", "2.0.0"},
     NULL,
     LMTP_READY},
    {"all accepted, one by one",
     PLAIN "250 ok\r\n250 1\r\n250 2\r\n250 3\r\n354 go\r\n250 x\r\n250 x\r\n250 x\r\n",
     LHLO MAIL "\r\n" RCPT(1) RCPT(2) RCPT(3) "DATA\r\n\1",
     {D, D, D},
     {"2.0.0", "2.0.0", "2.0.0"},
     NULL,
     LMTP_READY},
    {"one reply for each accepted recipient only",
     GREETED "250 ok\r\n550 5.1.1 who\r\n250 2\r\n450 4.2.2 full\r\n354 go\r\n250 x\r\n",
     LHLO GROUP "DATA\r\n\1",
     {N, D, L},
     {"5.1.1", "2.0.0", "4.2.2"},
     "550 5.1.1 who",
     LMTP_READY},
    {"replies after the text differ",
     GREETED "250 ok\r\n250 1\r\n250 2\r\n250 3\r\n354 go\r\n452 4.2.2 over quota\r\n250 x\r\n552 "
             "5.2.2 never\r\n",
     LHLO GROUP "DATA\r\n\1",
     {L, D, N},
     {"4.2.2", "2.0.0", "5.2.2"},
     "452 4.2.2 over quota",
     LMTP_READY},
    {"nobody accepted: no DATA",
     GREETED "250 ok\r\n550 1\r\n450 2\r\n550-a\r\n550 b\r\n250 reset\r\n",
     LHLO GROUP "RSET\r\n",
     {N, L, N},
     {"5.0.0", "4.0.0", "5.0.0"},
     "550 1",
     LMTP_READY},
    {"MAIL refused, pipelined: the replies to RCPT are read all the same",
     GREETED "552 5.3.4 too big\r\n503 x\r\n503 x\r\n250 odd\r\n250 reset\r\n",
     LHLO GROUP "RSET\r\n",
     {N, N, N},
     {"5.3.4", "5.3.4", "5.3.4"},
     "552 5.3.4 too big",
     LMTP_READY},
    {"MAIL refused, one by one",
     PLAIN "451 later\r\n250 reset\r\n",
     LHLO MAIL "\r\nRSET\r\n",
     {L, L, L},
     {"4.0.0", "4.0.0", "4.0.0"},
     "451 later",
     LMTP_READY},
    {"DATA refused",
     GREETED "250 ok\r\n550 5.1.1 x\r\n250 2\r\n250 3\r\n554 5.5.0 no\r\n250 reset\r\n",
     LHLO GROUP "DATA\r\nRSET\r\n",
     {N, N, N},
     {"5.1.1", "5.5.0", "5.5.0"},
     "550 5.1.1 x",
     LMTP_READY},
    {"DATA answered by 250",
     GREETED "250 ok\r\n250 1\r\n250 2\r\n250 3\r\n250 2.0.0 fine\r\n250 reset\r\n",
     LHLO GROUP "DATA\r\nRSET\r\n",
     {L, L, L},
     {"4.5.0", "4.5.0", "4.5.0"},
     "250 2.0.0 fine",
     LMTP_READY},
    {"authentication wanted: ours to mend",
     GREETED "530 5.7.0 log in\r\n503 x\r\n503 x\r\n503 x\r\n250 reset\r\n",
     LHLO GROUP "RSET\r\n",
     {L, L, L},
     {"4.5.0", "4.5.0", "4.5.0"},
     "530 5.7.0 log in",
     LMTP_READY},
    {"the server closes at MAIL",
     GREETED "421 4.3.2 bye\r\n",
     LHLO GROUP,
     {L, L, L},
     {"4.3.2", "4.3.2", "4.3.2"},
     "421 4.3.2 bye",
     LMTP_CLOSED},
    {"the server closes after the first reply to the text",
     GREETED "250 ok\r\n250 1\r\n250 2\r\n250 3\r\n354 go\r\n250 x\r\n421 bye\r\n",
     LHLO GROUP "DATA\r\n\1",
     {D, L, L},
     {"2.0.0", "4.0.0", "4.0.0"},
     "421 bye",
     LMTP_CLOSED},
    {"a reply too many",
     GREETED "250 ok\r\n550 1\r\n250 2\r\n550 3\r\n354 go\r\n250 x\r\n250 what for\r\n",
     LHLO GROUP "DATA\r\n\1",
     {N, D, N},
     {"5.0.0", "2.0.0", "5.0.0"},
     "550 1",
     LMTP_CLOSED},
    {"garbage instead of a reply",
     GREETED "250 ok\r\n<html>\r\n",
     LHLO GROUP,
     {L, L, L},
     {"4.4.2", "4.4.2", "4.4.2"},
     "no LMTP reply",
     LMTP_CLOSED},
    {"codes that differ within a reply",
     GREETED "250-ok\r\n550 ok\r\n",
     LHLO GROUP,
     {L, L, L},
     {"4.4.2", "4.4.2", "4.4.2"},
     "no LMTP reply",
     LMTP_CLOSED},
    {"RSET refused",
     GREETED "250 ok\r\n550 1\r\n550 2\r\n550 3\r\n500 what\r\n221 bye\r\n",
     LHLO GROUP "RSET\r\nQUIT\r\n",
     {N, N, N},
     {"5.0.0", "5.0.0", "5.0.0"},
     "550 1",
     LMTP_CLOSED},
    {"no greeting",
     "554 5.3.2 not today\r\n221 bye\r\n",
     "QUIT\r\n",
     {O, O, O},
     {"", "", ""},
     "554 5.3.2 not today",
     LMTP_CLOSED},
    {"an SMTP server",
     "220 smtp\r\n500 5.5.1 unknown\r\n221 bye\r\n",
     LHLO "QUIT\r\n",
     {O, O, O},
     {"", "", ""},
     "500 5.5.1 unknown",
     LMTP_CLOSED},
    {"closes instead of a greeting",
     "421 4.3.2 full\r\n",
     "",
     {O, O, O},
     {"", "", ""},
     "421 4.3.2 full",
     LMTP_CLOSED},
    {"a web server",
     "HTTP/1.1 400 Bad Request\r\n",
     "",
     {O, O, O},
     {"", "", ""},
     "no LMTP reply",
     LMTP_CLOSED},
    {"controls and 8 bit in a reply",
     GREETED "250 ok\r\n250 1\r\n250 2\r\n250 3\r\n554 a\x1B[2J\xFF\x07z\r\n250 reset\r\n",
     LHLO GROUP "DATA\r\nRSET\r\n",
     {N, N, N},
     {"5.0.0", "5.0.0", "5.0.0"},
     "554 a?[2J??z",
     LMTP_READY},
};

/* A machine with a mail in hand as soon as it is READY. */
struct run {
    struct lmtp lmtp;
    struct lmtp_mail mail;
    struct lmtp_recipient to[RCPTS];
    struct buf said;
    bool given;
};

static void run_open(struct run *r)
{
    static const char *const names[RCPTS] = {"u1@MYHOST", "u2@MYHOST", "u3@MYHOST"};

    *r = (struct run){.mail = {.n = RCPTS, .octets = 100}};
    r->mail.to = r->to;
    assert_int_equal(address_parse(SPAN("a@example.net"), ADDRESS_BARE_OK, &r->mail.from, NULL),
                     ADDRESS_GOOD);
    for (size_t i = 0; i < RCPTS; i++)
        assert_int_equal(address_parse(span_of(names[i]), ADDRESS_BARE_OK, &r->to[i].to, NULL),
                         ADDRESS_GOOD);
    lmtp_open(&r->lmtp, "mail.example.org");
}

static void run_close(struct run *r)
{
    lmtp_close(&r->lmtp);
    buf_free(&r->said);
}

/* What the user of the machine does when it waits for him. */
static void run_serve(struct run *r)
{
    if (r->lmtp.state == LMTP_READY && !r->given) {
        r->given = true;
        lmtp_mail(&r->lmtp, &r->mail, &r->said);
    }
    if (r->lmtp.state == LMTP_TEXT) {
        buf_addc(&r->said, '\1');
        lmtp_text_sent(&r->lmtp);
    }
}

/* One line at a time: a server answers what it was sent. */
static void run_feed(struct run *r, struct span octets)
{
    while (octets.n > 0) {
        size_t n = span_find(octets, '\n');
        n += n < octets.n;
        lmtp_input(&r->lmtp, (struct span){octets.p, n}, &r->said);
        octets = span_from(octets, n);
        run_serve(r);
    }
}

static void check(const struct run *r, const struct dialogue *d)
{
    const char *text = r->lmtp.why;

    for (size_t i = RCPTS; i-- > 0;) {
        assert_int_equal(r->to[i].verdict, d->verdict[i]);
        assert_string_equal(r->to[i].status, d->status[i]);
        if (r->to[i].verdict != D && r->to[i].verdict != O)
            text = r->to[i].text;
    }
    if (d->words != NULL)
        assert_non_null(strstr(text, d->words));
    assert_int_equal(r->lmtp.state, d->state);
    assert_true(r->lmtp.mail == NULL);
}

static void test_dialogues(void **state)
{
    struct run r;

    (void)state;
    for (size_t i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++) {
        const struct dialogue *d = &dialogues[i];
        print_message("  %s\n", d->name);
        run_open(&r);
        run_feed(&r, span_of(d->server));
        assert_string_equal(buf_str(&r.said), d->client);
        check(&r, d);
        run_close(&r);
    }
}

static void test_octet_by_octet(void **state)
{
    struct run r;

    (void)state;
    for (size_t i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++) {
        const struct dialogue *d = &dialogues[i];
        struct span server = span_of(d->server);
        run_open(&r);
        for (size_t k = 0; k < server.n; k++)
            run_feed(&r, (struct span){server.p + k, 1});
        assert_string_equal(buf_str(&r.said), d->client);
        check(&r, d);
        run_close(&r);
    }
}

/* The connection ends after any octet: who has no verdict is to be tried again, nobody else. */
static void test_cut_at_every_octet(void **state)
{
    struct run r;

    (void)state;
    for (size_t i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++) {
        const struct dialogue *d = &dialogues[i];
        struct span server = span_of(d->server);
        for (size_t n = 0; n < server.n; n++) {
            run_open(&r);
            run_feed(&r, (struct span){server.p, n});
            bool given = r.given;
            lmtp_lost(&r.lmtp, "the line was cut");
            assert_int_equal(r.lmtp.state, LMTP_CLOSED);
            assert_true(r.lmtp.mail == NULL);
            for (size_t k = 0; k < RCPTS; k++) {
                if (!given)
                    assert_int_equal(r.to[k].verdict, LMTP_OPEN);
                else if (strcmp(r.to[k].text, "the line was cut") == 0)
                    assert_int_equal(r.to[k].verdict, LMTP_LATER);
                else
                    assert_int_equal(r.to[k].verdict, d->verdict[k]);
            }
            if (!r.lmtp.greeted)
                assert_true(r.lmtp.why[0] != '\0');
            run_close(&r);
        }
    }
}

/* A server that speaks first: what it says out of turn ends the connection. */
static void test_replies_out_of_turn(void **state)
{
    struct run r;

    (void)state;
    run_open(&r);
    lmtp_input(&r.lmtp, SPAN(GREETED "250 early\r\n"), &r.said);
    assert_int_equal(r.lmtp.state, LMTP_CLOSED);
    run_close(&r);

    run_open(&r);
    run_feed(&r, SPAN(GREETED));
    lmtp_input(&r.lmtp, SPAN("250 m\r\n250 1\r\n250 2\r\n250 3\r\n354 go\r\n552 5.2.2 stop\r\n"),
               &r.said);
    assert_int_equal(r.lmtp.state, LMTP_CLOSED);
    for (size_t i = 0; i < RCPTS; i++) {
        assert_int_equal(r.to[i].verdict, LMTP_LATER);
        assert_string_equal(r.to[i].status, "4.5.0");
    }
    run_close(&r);
}

static void test_parameters(void **state)
{
    struct run r;

    (void)state;
    run_open(&r);
    r.mail.eight_bit = true;
    r.mail.octets = 1000;
    run_feed(&r, SPAN(GREETED));
    assert_non_null(strstr(buf_str(&r.said), MAIL " SIZE=1000 BODY=8BITMIME\r\n"));
    run_close(&r);

    run_open(&r);
    r.mail.eight_bit = true;
    run_feed(&r, SPAN(PLAIN));
    assert_string_equal(buf_str(&r.said), LHLO MAIL "\r\n");
    run_close(&r);

    run_open(&r);
    r.mail.from = (struct address){0};
    run_feed(&r, SPAN(PLAIN));
    assert_string_equal(buf_str(&r.said), LHLO "MAIL FROM:<>\r\n");
    run_close(&r);
}

static void test_refused_here(void **state)
{
    struct run r;

    (void)state;
    run_open(&r);
    r.mail.octets = 1001;
    run_feed(&r, SPAN(GREETED));
    assert_int_equal(r.lmtp.state, LMTP_READY);
    assert_string_equal(buf_str(&r.said), LHLO);
    for (size_t i = 0; i < RCPTS; i++) {
        assert_int_equal(r.to[i].verdict, LMTP_NEVER);
        assert_string_equal(r.to[i].status, "5.3.4");
    }
    run_close(&r);

    run_open(&r);
    assert_int_equal(address_parse(SPAN("j\xC3\xB6rg@MYHOST"), ADDRESS_BARE_OK | ADDRESS_UTF8_OK,
                                   &r.to[1].to, NULL),
                     ADDRESS_GOOD);
    run_feed(&r, SPAN(GREETED));
    assert_string_equal(buf_str(&r.said), LHLO);
    assert_string_equal(r.to[0].status, "5.6.7");
    run_close(&r);

    run_open(&r);
    assert_int_equal(address_parse(SPAN("j\xC3\xB6rg@example.net"),
                                   ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &r.mail.from, NULL),
                     ADDRESS_GOOD);
    run_feed(&r, SPAN("220 x\r\n250-srv\r\n250 smtputf8\r\n"));
    assert_string_equal(buf_str(&r.said), LHLO "MAIL FROM:<j\xC3\xB6rg@example.net> SMTPUTF8\r\n");
    run_close(&r);

    /* a recipient's letters need it as well (RFC 6531 3.4) */
    run_open(&r);
    assert_int_equal(address_parse(SPAN("j\xC3\xB6rg@MYHOST"), ADDRESS_BARE_OK | ADDRESS_UTF8_OK,
                                   &r.to[1].to, NULL),
                     ADDRESS_GOOD);
    run_feed(&r, SPAN("220 x\r\n250-srv\r\n250 smtputf8\r\n"));
    assert_non_null(strstr(buf_str(&r.said), " SMTPUTF8\r\n"));
    run_close(&r);
}

/* SIZE with a number that wraps, or none, is no limit. */
static void test_size_keyword(void **state)
{
    static const struct {
        const char *line;
        uint64_t limit;
    } cases[] = {
        {"SIZE", 0},           {"SIZE 0", 0},
        {"SIZE 12x", 0},       {"SIZE -1", 0},
        {"size 77", 77},       {"SIZE 18446744073709551615", UINT64_MAX},
        {"SIZES 5", 0},        {"SIZE 18446744073709551616", 0},
        {"SIZE  \t 5 \t ", 5},
    };
    struct lmtp l;
    struct buf out = {0};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lmtp_open(&l, "h");
        snprintf(text, sizeof(text), "220 x\r\n250-srv\r\n250 %s\r\n", cases[i].line);
        lmtp_input(&l, span_of(text), &out);
        assert_int_equal(l.state, LMTP_READY);
        assert_int_equal(l.size_limit, cases[i].limit);
        lmtp_close(&l);
    }
    buf_free(&out);
}

static void test_long_lines(void **state)
{
    struct lmtp l;
    struct buf line = {0}, out = {0};

    (void)state;
    lmtp_open(&l, "h");
    buf_adds(&line, "220 ");
    buf_fill(&line, 'x', 1 << 20);
    lmtp_input(&l, BUF_SPAN(&line), &out);
    assert_true(l.line.len <= REPLY_LINE_MAX);
    lmtp_input(&l, SPAN("\r\n250 srv\r\n"), &out);
    assert_int_equal(l.state, LMTP_READY);
    lmtp_close(&l);
    buf_free(&line);
    buf_free(&out);
}

static void test_quit(void **state)
{
    struct run r;

    (void)state;
    run_open(&r);
    r.given = true;
    run_feed(&r, SPAN(PLAIN));
    buf_clear(&r.said);
    lmtp_quit(&r.lmtp, &r.said);
    assert_string_equal(buf_str(&r.said), "QUIT\r\n");
    assert_int_equal(r.lmtp.state, LMTP_QUIT);
    run_feed(&r, SPAN("221 bye\r\n"));
    assert_int_equal(r.lmtp.state, LMTP_CLOSED);
    run_close(&r);

    run_open(&r);
    lmtp_quit(&r.lmtp, &r.said); /* before the greeting */
    assert_int_equal(r.said.len, 0);
    assert_int_equal(r.lmtp.state, LMTP_CLOSED);
    run_close(&r);
}

static void test_timeouts(void **state)
{
    static const uint64_t wanted[LMTP_STATES] = {2, 3, 3, 3, 3, 4, 5, 6, 3, 3, 3};
    struct site_timeouts t = {1, 2, 3, 4, 5, 6, 7};
    struct lmtp l;

    (void)state;
    lmtp_open(&l, "h");
    for (int s = 0; s < LMTP_STATES; s++) {
        l.state = (enum lmtp_state)s;
        assert_int_equal(lmtp_timeout(&l, &t), wanted[s]);
        assert_true(lmtp_state_name(l.state)[0] != '\0');
    }
    lmtp_close(&l);
}

static void test_text(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ".\r\n"},
        {"a\n", "a\r\n.\r\n"},
        {"a", "a\r\n.\r\n"},
        {"\n", "\r\n.\r\n"},
        {".", "..\r\n.\r\n"},
        {".\n", "..\r\n.\r\n"},
        {"a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\n..\n.b.\n", "a\r\n...\r\n..b.\r\n.\r\n"},
        {"a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r.\rb\n", "a . b\r\n.\r\n"},
        {"\r.\n", " .\r\n.\r\n"},
        {"\n\r.\r\n", "\r\n .\r\n.\r\n"},
        {"a\r", "a\r\n.\r\n"},
        {"\r", "\r\n.\r\n"},
        {"\r\r\n.\r\n", " \r\n..\r\n.\r\n"},
        {"\n\r\r.\n", "\r\n  .\r\n.\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span in = span_of(cases[i].in);
        for (size_t cut = 0; cut <= in.n; cut++) {
            struct lmtp_text t = {0};
            struct buf out = {0};
            assert_true(lmtp_text(&t, (struct span){in.p, cut}, &out));
            assert_true(lmtp_text(&t, span_from(in, cut), &out));
            assert_true(lmtp_text_end(&t, &out));
            assert_string_equal(buf_str(&out), cases[i].out);
            buf_free(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogues),
        cmocka_unit_test(test_octet_by_octet),
        cmocka_unit_test(test_cut_at_every_octet),
        cmocka_unit_test(test_replies_out_of_turn),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_refused_here),
        cmocka_unit_test(test_size_keyword),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_quit),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
