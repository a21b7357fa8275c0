/* The SMTP client's machine, without a socket: dialogues as tables, every chunking of the replies
 * the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "usmtp/session.h"

/* S: what the server says; C: what the client must have said by then; M: a mail is given; T: the
 * text is sent; V: the verdict there must be (kind and status); U: a mail with letters beyond ASCII
 * in its address. */
struct move {
    char what;
    const char *text;
    enum verdict_kind kind;
};

static const struct session_mail mail = {
    .from = {.text = "f@x.example", .at = 1, .kind = DOMAIN_NAME},
    .to = {.text = "t@y.example", .at = 1, .kind = DOMAIN_NAME},
    .octets = 100,
    .eight_bit = true,
};

static void feed(struct session *s, const char *text, size_t chunk, struct buf *out)
{
    for (size_t n = strlen(text); n > 0;) {
        size_t take = chunk == 0 || chunk > n ? n : chunk;
        session_input(s, (struct span){text, take}, out);
        text += take;
        n -= take;
    }
}

static void play(const struct move *m, size_t n, size_t chunk)
{
    struct session_mail letters = mail;
    struct buf out = {0};
    struct session s;
    struct verdict v;

    session_open(&s, "us.example");
    for (size_t i = 0; i < n; i++) {
        switch (m[i].what) {
        case 'S':
            feed(&s, m[i].text, chunk, &out);
            break;
        case 'C':
            if (!span_eq(BUF_SPAN(&out), span_of(m[i].text)))
                fail_msg("move %zu, chunk %zu: said <%.*s>, not <%s>", i, chunk, (int)out.len,
                         out.data ? out.data : "", m[i].text);
            buf_clear(&out);
            break;
        case 'M':
            assert_int_equal(s.state, SESSION_READY);
            session_mail(&s, &mail, &out);
            break;
        case 'A':
            assert_true(session_takes_ahead(&s));
            assert_true(session_mail_ahead(&s, &mail, &out));
            assert_false(session_takes_ahead(&s));
            break;
        case 'R':
            assert_int_equal(s.state, SESSION_READY);
            break;
        case 'I': /* internationalized addresses */
            letters.utf8 = true;
            assert_true(session_mail(&s, &letters, &out));
            break;
        case 'T':
            assert_int_equal(s.state, SESSION_TEXT);
            session_text_sent(&s);
            break;
        case '0' + TLS_NONE: /* how much TLS is wanted */
        case '0' + TLS_MAY:
        case '0' + TLS_MUST:
        case '0' + TLS_VERIFY:
        case '0' + TLS_DANE:
            s.tls = (enum tls_level)(m[i].what - '0');
            break;
        case 'H': /* the handshake is done */
            assert_true(s.state == SESSION_TLS || s.state == SESSION_GREETING);
            session_secured(&s, &out);
            assert_true(s.secure);
            break;
        case 'U':
            session_unsecured(&s, m[i].text);
            break;
        case 'L':
            session_lost(&s, m[i].text);
            break;
        case 'Q':
            session_quit(&s, &out);
            break;
        case 'V':
            assert_true(session_take_verdict(&s, &v));
            assert_int_equal(v.kind, m[i].kind);
            if (strcmp(v.status, m[i].text) != 0)
                fail_msg("move %zu: status %s, not %s (%s)", i, v.status, m[i].text, v.text);
            break;
        case 'N':
            assert_false(session_take_verdict(&s, &v));
            break;
        case 'X':
            assert_int_equal(s.state, SESSION_CLOSED);
            break;
        default:
            fail_msg("no such move");
        }
    }
    buf_free(&out);
    session_close(&s);
}

#define PLAY(...)                                                                                  \
    do {                                                                                           \
        const struct move moves[] = {__VA_ARGS__};                                                 \
        for (size_t chunk = 0; chunk < 8; chunk++)                                                 \
            play(moves, sizeof(moves) / sizeof(moves[0]), chunk);                                  \
    } while (0)

#define GREET                                                                                      \
    {'S', "220 hi\r\n", 0},                                                                        \
    {                                                                                              \
        'C', "EHLO us.example\r\n", 0                                                              \
    }
#define PLAIN                                                                                      \
    GREET, {'S', "250 hi\r\n", 0},                                                                 \
    {                                                                                              \
        'M', "", 0                                                                                 \
    }
#define MAIL_PLAIN                                                                                 \
    {                                                                                              \
        'C', "MAIL FROM:<f@x.example>\r\n", 0                                                      \
    }
#define RCPT                                                                                       \
    {                                                                                              \
        'C', "RCPT TO:<t@y.example>\r\n", 0                                                        \
    }
#define DATA                                                                                       \
    {                                                                                              \
        'C', "DATA\r\n", 0                                                                         \
    }
#define OK                                                                                         \
    {                                                                                              \
        'S', "250 2.1.0 ok\r\n", 0                                                                 \
    }

static void sends_one_mail_step_by_step(void **state)
{
    (void)state;
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, OK, DATA, {'S', "354 go\r\n", 0}, {'T', "", 0},
         {'S', "250 2.6.0 queued\r\n", 0}, {'V', "2.6.0", VERDICT_SENT}, {'Q', "", 0},
         {'C', "QUIT\r\n", 0}, {'S', "221 bye\r\n", 0}, {'X', "", 0});
}

static void pipelines_where_it_is_offered(void **state)
{
    (void)state;
    PLAY(GREET, {'S', "250-hi\r\n250-PIPELINING\r\n250-8bitmime\r\n250-SIZE 5000\r\n250 X\r\n", 0},
         {'M', "", 0},
         {'C',
          "MAIL FROM:<f@x.example> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<t@y.example>\r\nDATA\r\n", 0},
         {'S', "250 ok\r\n250 ok\r\n354 go\r\n", 0}, {'T', "", 0}, {'S', "250 done\r\n", 0},
         {'V', "2.0.0", VERDICT_SENT});
}

static void a_refusal_inside_a_group_leaves_the_connection_usable(void **state)
{
    (void)state;
    PLAY(GREET, {'S', "250-hi\r\n250 PIPELINING\r\n", 0}, {'M', "", 0},
         {'C', "MAIL FROM:<f@x.example>\r\nRCPT TO:<t@y.example>\r\nDATA\r\n", 0},
         {'S', "250 ok\r\n550 5.1.1 no\r\n503 none\r\n", 0}, {'V', "5.1.1", VERDICT_NEVER},
         {'C', "RSET\r\n", 0}, OK, {'M', "", 0},
         {'C', "MAIL FROM:<f@x.example>\r\nRCPT TO:<t@y.example>\r\nDATA\r\n", 0},
         {'S', "451 later\r\n503 no\r\n354 go\r\n", 0}, {'V', "4.0.0", VERDICT_LATER},
         {'C', ".\r\n", 0}, {'S', "554 nobody\r\n", 0}, {'N', "", 0}, {'M', "", 0});
}

#define PIPED                                                                                      \
    GREET, {'S', "250-hi\r\n250 PIPELINING\r\n", 0}, {'M', "", 0}, GROUP,                          \
        {'S', "250 ok\r\n250 ok\r\n354 go\r\n", 0}, {'T', "", 0}, {'A', "", 0}, GROUP
#define GROUP                                                                                      \
    {                                                                                              \
        'C', "MAIL FROM:<f@x.example>\r\nRCPT TO:<t@y.example>\r\nDATA\r\n", 0                     \
    }

/* Its commands follow the text of the one before; each has its own verdict, in turn. */
static void a_mail_may_be_given_ahead(void **state)
{
    (void)state;
    PLAY(PIPED, {'S', "250 2.6.0 one\r\n250 ok\r\n250 ok\r\n354 go\r\n", 0},
         {'V', "2.6.0", VERDICT_SENT}, {'N', "", 0}, {'T', "", 0}, {'A', "", 0}, GROUP,
         {'S', "250 2.0.0 two\r\n250 ok\r\n250 ok\r\n354 go\r\n", 0}, {'V', "2.0.0", VERDICT_SENT},
         {'T', "", 0}, {'S', "250 three\r\n", 0}, {'V', "2.0.0", VERDICT_SENT}, {'R', "", 0});
    /* What becomes of the first says nothing of the second, and the other way round. */
    PLAY(PIPED, {'S', "554 5.7.1 spam\r\n250 ok\r\n250 ok\r\n354 go\r\n", 0},
         {'V', "5.7.1", VERDICT_NEVER}, {'T', "", 0}, {'S', "250 2.6.0 two\r\n", 0},
         {'V', "2.6.0", VERDICT_SENT}, {'R', "", 0});
    PLAY(PIPED, {'S', "250 2.6.0 one\r\n250 ok\r\n550 5.1.1 no\r\n503 none\r\n", 0},
         {'V', "2.6.0", VERDICT_SENT}, {'V', "5.1.1", VERDICT_NEVER}, {'C', "RSET\r\n", 0}, OK,
         {'R', "", 0});
    PLAY(PIPED, {'S', "451 4.2.0 later\r\n452 4.3.1 full\r\n503 no\r\n354 go\r\n", 0},
         {'V', "4.2.0", VERDICT_LATER}, {'V', "4.3.1", VERDICT_LATER}, {'C', ".\r\n", 0},
         {'S', "554 nobody\r\n", 0}, {'N', "", 0}, {'R', "", 0});
    PLAY(PIPED, {'S', "250 2.6.0 one\r\n421 4.7.0 enough\r\n", 0}, {'V', "2.6.0", VERDICT_SENT},
         {'V', "4.7.0", VERDICT_LATER}, {'X', "", 0});
}

/* The connection ends: whoever had no reply yet was not tried. */
static void a_mail_given_ahead_may_be_left_untried(void **state)
{
    (void)state;
    PLAY(PIPED, {'L', "x", 0}, {'V', "4.4.2", VERDICT_LATER}, {'N', "", 0}, {'X', "", 0});
    PLAY(PIPED, {'S', "421 4.3.0 x\r\n", 0}, {'V', "4.3.0", VERDICT_LATER}, {'N', "", 0},
         {'X', "", 0});
    PLAY(PIPED, {'S', "250 2.6.0 one\r\n", 0}, {'L', "x", 0}, {'V', "2.6.0", VERDICT_SENT},
         {'V', "4.4.2", VERDICT_LATER}, {'X', "", 0});
}

/* Only behind a text that is sent, and only one that the host can take. */
static void what_may_not_be_given_ahead(void **state)
{
    struct session_mail letters = mail;
    struct buf out = {0};
    struct session s;

    (void)state;
    letters.utf8 = true;
    session_open(&s, "us.example");
    assert_false(session_mail_ahead(&s, &mail, &out));
    feed(&s, "220 h\r\n250-h\r\n250 PIPELINING\r\n", 0, &out);
    assert_int_equal(s.state, SESSION_READY);
    assert_true(session_mail(&s, &mail, &out));
    assert_false(session_mail_ahead(&s, &mail, &out));
    feed(&s, "250 ok\r\n250 ok\r\n354 go\r\n", 0, &out);
    session_text_sent(&s);
    assert_true(session_takes_ahead(&s));
    assert_false(session_mail_ahead(&s, &letters, &out));
    assert_true(session_mail_ahead(&s, &mail, &out));
    buf_free(&out);
}

/* Between mails a loss is nobody's verdict; before the first it is the host's, once. */
static void a_loss_without_a_mail(void **state)
{
    struct buf out = {0};
    struct session s;
    struct verdict v;

    (void)state;
    session_open(&s, "us.example");
    feed(&s, "220 h\r\n250 h\r\n", 0, &out);
    session_lost(&s, "x");
    assert_false(session_take_verdict(&s, &v));
    session_open(&s, "us.example");
    feed(&s, "554 5.7.1 no\r\n", 0, &out);
    session_lost(&s, "x");
    session_lost(&s, "again");
    assert_true(session_take_verdict(&s, &v));
    assert_false(session_take_verdict(&s, &v));
    buf_free(&out);
}

static void none_is_given_ahead_without_pipelining(void **state)
{
    struct session_mail large = mail;
    struct buf out = {0};
    struct session s;

    (void)state;
    session_open(&s, "us.example");
    feed(&s, "220 x\r\n250 x\r\n", 0, &out);
    session_mail(&s, &mail, &out);
    feed(&s, "250 ok\r\n250 ok\r\n354 go\r\n", 0, &out);
    session_text_sent(&s);
    assert_false(session_takes_ahead(&s));
    assert_false(session_mail_ahead(&s, &mail, &out));
    session_close(&s);
    session_open(&s, "us.example");
    feed(&s, "220 x\r\n250-PIPELINING\r\n250 SIZE 200\r\n", 0, &out);
    assert_false(session_takes_ahead(&s));
    session_mail(&s, &mail, &out);
    feed(&s, "250 ok\r\n250 ok\r\n354 go\r\n", 0, &out);
    assert_false(session_takes_ahead(&s));
    session_text_sent(&s);
    large.octets = 201;
    buf_clear(&out);
    assert_false(session_mail_ahead(&s, &large, &out));
    assert_int_equal(out.len, 0);
    buf_free(&out);
    session_close(&s);
}

static void falls_back_to_helo(void **state)
{
    (void)state;
    PLAY(GREET, {'S', "500 what\r\n", 0}, {'C', "HELO us.example\r\n", 0}, OK, {'M', "", 0},
         MAIL_PLAIN);
    PLAY(GREET, {'S', "500 what\r\n", 0}, {'C', "HELO us.example\r\n", 0},
         {'S', "550 go away\r\n", 0}, {'V', "5.0.0", VERDICT_HOST}, {'C', "QUIT\r\n", 0});
}

#define LEVEL(level)                                                                               \
    {                                                                                              \
        '0' + (level), "", 0                                                                       \
    }
#define OFFER                                                                                      \
    GREET, {'S', "250-hi\r\n250-SIZE 5\r\n250 STARTTLS\r\n", 0},                                   \
    {                                                                                              \
        'C', "STARTTLS\r\n", 0                                                                     \
    }
#define EHLO                                                                                       \
    {                                                                                              \
        'C', "EHLO us.example\r\n", 0                                                              \
    }

/* All that was heard in clear is forgotten: here a SIZE too small for the mail. */
static void tls_begins_the_session_anew(void **state)
{
    (void)state;
    PLAY(LEVEL(TLS_MAY), OFFER, {'S', "220 go\r\n", 0}, {'C', "", 0}, {'H', "", 0}, EHLO,
         {'S', "250-hi\r\n250 STARTTLS\r\n", 0}, {'M', "", 0}, MAIL_PLAIN);
    PLAY(LEVEL(TLS_VERIFY), {'H', "", 0}, GREET, {'S', "250 hi\r\n", 0}, {'M', "", 0}, MAIL_PLAIN);
}

static void tls_is_begun_where_it_is_wanted(void **state)
{
    (void)state;
    PLAY(LEVEL(TLS_NONE), GREET, {'S', "250-hi\r\n250 STARTTLS\r\n", 0}, {'M', "", 0}, MAIL_PLAIN);
    PLAY(LEVEL(TLS_MAY), PLAIN, MAIL_PLAIN);
    PLAY(LEVEL(TLS_MAY), OFFER, {'S', "454 4.7.0 not now\r\n", 0}, {'N', "", 0},
         {'L', "", 0}); /* goes on in clear */
}

static void demanded_tls_that_is_not_there_defers(void **state)
{
    static const enum tls_level levels[] = {TLS_MUST, TLS_VERIFY, TLS_DANE};

    (void)state;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        PLAY(LEVEL(levels[i]), GREET, {'S', "250-hi\r\n250 XTARTTLS\r\n", 0},
             {'V', "4.7.4", VERDICT_HOST}, {'C', "QUIT\r\n", 0}, {'S', "221 bye\r\n", 0},
             {'X', "", 0});
        PLAY(LEVEL(levels[i]), GREET, {'S', "500 what\r\n", 0}, {'C', "HELO us.example\r\n", 0},
             {'S', "250 STARTTLS\r\n", 0}, {'V', "4.7.4", VERDICT_HOST}, {'C', "QUIT\r\n", 0});
        PLAY(LEVEL(levels[i]), OFFER, {'S', "454 4.7.0 not now\r\n", 0},
             {'V', "4.7.0", VERDICT_HOST}, {'C', "QUIT\r\n", 0});
        PLAY(LEVEL(levels[i]), OFFER, {'S', "502 5.5.1 what\r\n", 0}, {'V', "5.5.1", VERDICT_HOST},
             {'C', "QUIT\r\n", 0});
        PLAY(LEVEL(levels[i]), OFFER, {'S', "220 go\r\n", 0}, {'U', "certificate expired", 0},
             {'V', "4.7.5", VERDICT_HOST}, {'C', "", 0}, {'X', "", 0});
    }
}

static void clear_text_before_the_handshake_ends_it(void **state)
{
    (void)state;
    PLAY(LEVEL(TLS_MAY), OFFER, {'S', "220 go\r\n250-evil\r\n250 SIZE 0\r\n", 0},
         {'V', "4.7.5", VERDICT_HOST}, {'C', "", 0}, {'X', "", 0});
    PLAY(LEVEL(TLS_VERIFY), OFFER, {'S', "220 go\r\n", 0}, {'S', "2", 0},
         {'V', "4.7.5", VERDICT_HOST}, {'X', "", 0});
}

static void refusals_mean_what_the_step_makes_of_them(void **state)
{
    (void)state;
    PLAY({'S', "554 no service\r\n", 0}, {'V', "5.0.0", VERDICT_HOST});
    PLAY({'S', "421 4.3.2 later\r\n", 0}, {'V', "4.3.2", VERDICT_HOST}, {'X', "", 0});
    PLAY(PLAIN, MAIL_PLAIN, {'S', "552 5.3.4 big\r\n", 0}, {'V', "5.3.4", VERDICT_NEVER},
         {'C', "RSET\r\n", 0}, OK, {'M', "", 0}, MAIL_PLAIN);
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, {'S', "450 4.2.1 busy\r\n", 0}, {'V', "4.2.1", VERDICT_LATER},
         {'C', "RSET\r\n", 0});
    PLAY(PLAIN, MAIL_PLAIN, {'S', "530 5.7.0 log in\r\n", 0}, {'V', "5.7.0", VERDICT_LATER});
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, OK, DATA, {'S', "354 x\r\n", 0}, {'T', "", 0},
         {'S', "421 4.3.0 x\r\n", 0}, {'V', "4.3.0", VERDICT_LATER}, {'X', "", 0});
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, OK, DATA, {'S', "250 not 354\r\n", 0},
         {'V', "4.5.0", VERDICT_LATER});
}

static void a_loss_at_any_step_keeps_the_mail(void **state)
{
    (void)state;
    PLAY({'L', "x", 0}, {'V', "4.4.2", VERDICT_HOST}, {'X', "", 0});
    PLAY(GREET, {'L', "x", 0}, {'V', "4.4.2", VERDICT_HOST});
    PLAY(PLAIN, {'L', "x", 0}, {'V', "4.4.2", VERDICT_LATER});
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, OK, DATA, {'S', "354 x\r\n", 0}, {'L', "x", 0},
         {'V', "4.4.2", VERDICT_LATER});
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, OK, DATA, {'S', "354 x\r\n", 0}, {'T', "", 0}, {'L', "x", 0},
         {'V', "4.4.2", VERDICT_LATER}, {'N', "", 0});
    PLAY(GREET, {'S', "250 hi\r\n", 0}, {'L', "x", 0}, {'N', "", 0});
}

static void nonsense_ends_the_connection_not_the_mail(void **state)
{
    (void)state;
    PLAY({'S', "HTTP/1.1 200\r\n", 0}, {'V', "4.4.2", VERDICT_HOST}, {'X', "", 0});
    PLAY(PLAIN, MAIL_PLAIN, {'S', "250-a\r\n550 b\r\n", 0}, {'V', "4.4.2", VERDICT_LATER},
         {'X', "", 0});
    PLAY(PLAIN, MAIL_PLAIN, {'S', "\r\n", 0}, {'V', "4.4.2", VERDICT_LATER}, {'X', "", 0});
    PLAY(GREET, {'S', "250 hi\r\n250 again\r\n", 0}, {'V', "4.5.0", VERDICT_HOST}, {'X', "", 0});
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, OK, DATA, {'S', "354 go\r\n250 already\r\n", 0},
         {'V', "4.4.2", VERDICT_LATER}, {'X', "", 0});
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, OK, DATA, {'S', "354 go\r\n552 5.3.4 big\r\n", 0},
         {'V', "5.3.4", VERDICT_NEVER}, {'X', "", 0});
}

static void what_a_host_cannot_take_is_not_sent(void **state)
{
    struct session_mail m = mail;
    struct buf out = {0};
    struct session s;
    struct verdict v;

    (void)state;
    session_open(&s, "us.example");
    feed(&s, "220 x\r\n250-x\r\n250 SIZE 99\r\n", 0, &out);
    buf_clear(&out);
    assert_false(session_mail(&s, &m, &out));
    assert_true(session_take_verdict(&s, &v));
    assert_int_equal(v.kind, VERDICT_NEVER);
    m.octets = 10;
    m.utf8 = true;
    assert_false(session_mail(&s, &m, &out));
    assert_true(session_take_verdict(&s, &v));
    assert_string_equal(v.status, "5.6.7");
    assert_int_equal(out.len, 0);
    assert_int_equal(s.state, SESSION_READY);
    buf_free(&out);
    session_close(&s);
}

static void refusals_between_mails_concern_the_host(void **state)
{
    (void)state;
    PLAY(GREET, {'S', "451 4.3.2 not now\r\n", 0}, {'V', "4.3.2", VERDICT_HOST},
         {'C', "QUIT\r\n", 0}, {'S', "221 bye\r\n", 0}, {'X', "", 0});
    PLAY(GREET, {'S', "250 hi\r\n", 0}, {'S', "421 4.3.2 bye\r\n", 0}, {'N', "", 0}, {'X', "", 0});
    PLAY(PLAIN, MAIL_PLAIN, {'S', "550 5.1.0 no\r\n", 0}, {'V', "5.1.0", VERDICT_NEVER},
         {'C', "RSET\r\n", 0}, {'S', "500 what\r\n", 0}, {'N', "", 0}, {'C', "QUIT\r\n", 0});
    PLAY(GREET, {'Q', "", 0}, {'X', "", 0}, {'N', "", 0});
    PLAY({'S', "354 what\r\n", 0}, {'V', "4.5.0", VERDICT_HOST}, {'C', "QUIT\r\n", 0});
}

static void after_a_refused_text_the_next_mail_follows(void **state)
{
    (void)state;
    PLAY(PLAIN, MAIL_PLAIN, OK, RCPT, OK, DATA, {'S', "354 x\r\n", 0}, {'T', "", 0},
         {'S', "554 5.6.0 no\r\n", 0}, {'V', "5.6.0", VERDICT_NEVER}, {'M', "", 0}, MAIL_PLAIN);
}

static void features_are_used_where_they_make_sense(void **state)
{
    (void)state;
    /* a limit that is no number is none */
    PLAY(GREET, {'S', "250-hi\r\n250 SIZE many\r\n", 0}, {'M', "", 0},
         {'C', "MAIL FROM:<f@x.example> SIZE=100\r\n", 0});
    PLAY(GREET, {'S', "250-hi\r\n250 SMTPUTF8\r\n", 0}, {'I', "", 0},
         {'C', "MAIL FROM:<f@x.example> SMTPUTF8\r\n", 0});
}

static void a_reply_of_a_megabyte_is_bounded(void **state)
{
    struct buf reply = {0}, out = {0};
    struct session s;

    (void)state;
    session_open(&s, "us.example");
    buf_adds(&reply, "220 ");
    buf_fill(&reply, 'x', 1 << 20);
    buf_adds(&reply, "\r\n");
    session_input(&s, BUF_SPAN(&reply), &out);
    assert_int_equal(s.state, SESSION_EHLO);
    assert_true(s.line.cap < 4096);
    buf_free(&reply);
    buf_free(&out);
    session_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_one_mail_step_by_step),
        cmocka_unit_test(pipelines_where_it_is_offered),
        cmocka_unit_test(a_refusal_inside_a_group_leaves_the_connection_usable),
        cmocka_unit_test(a_mail_may_be_given_ahead),
        cmocka_unit_test(a_mail_given_ahead_may_be_left_untried),
        cmocka_unit_test(what_may_not_be_given_ahead),
        cmocka_unit_test(a_loss_without_a_mail),
        cmocka_unit_test(none_is_given_ahead_without_pipelining),
        cmocka_unit_test(falls_back_to_helo),
        cmocka_unit_test(tls_begins_the_session_anew),
        cmocka_unit_test(tls_is_begun_where_it_is_wanted),
        cmocka_unit_test(demanded_tls_that_is_not_there_defers),
        cmocka_unit_test(clear_text_before_the_handshake_ends_it),
        cmocka_unit_test(refusals_mean_what_the_step_makes_of_them),
        cmocka_unit_test(a_loss_at_any_step_keeps_the_mail),
        cmocka_unit_test(nonsense_ends_the_connection_not_the_mail),
        cmocka_unit_test(what_a_host_cannot_take_is_not_sent),
        cmocka_unit_test(refusals_between_mails_concern_the_host),
        cmocka_unit_test(after_a_refused_text_the_next_mail_follows),
        cmocka_unit_test(features_are_used_where_they_make_sense),
        cmocka_unit_test(a_reply_of_a_megabyte_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
