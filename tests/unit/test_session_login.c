/* The client's machine where it logs in, with a mechanism that is a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/base64.h"
#include "usmtp/session.h"

/* A mechanism: its responses in turn, and what it takes for a challenge; after them it fails. */
struct script {
    const char *response[10];
    size_t at;
    bool proves;
    char heard[64];
};

static bool step(void *arg, struct span challenge, struct buf *response, const char **why)
{
    struct script *p = arg;

    span_copy(challenge, p->heard, sizeof(p->heard));
    *why = "the script is at its end";
    return p->response[p->at] != NULL && buf_adds(response, p->response[p->at++]);
}

static bool proved(void *arg)
{
    const struct script *p = arg;

    return p->proves && p->response[p->at] == NULL;
}

static const struct session_steps steps = {step, proved};

/* S: what the host says; C: what the client must have said by then; G: the secret is there; B: it
 * cannot be had (text), or is the same (NULL); H: the handshake is done; L: the connection is lost;
 * s: the state there must be; v: the verdict, its status; w: words of the one before; m: the
 * mechanism; h: what the mechanism has heard; N: there is no verdict. */
struct move {
    char what;
    const char *text;
};

struct wish {
    unsigned allowed; /* 0: all that work with a password */
    enum tls_level tls;
    bool confides;
    struct script script;
};

static void open_session(struct session *s, const struct wish *w)
{
    session_open(s, "us.example");
    s->allowed = w->allowed == 0 ? mechanism_with(PROOF_PASSWORD) : w->allowed;
    s->tls = w->tls;
    s->confides = w->confides;
}

static void check(struct session *s, const struct script *p, const struct move *m, size_t i,
                  struct verdict *v)
{
    switch (m->what) {
    case 's':
        if (strcmp(session_state_name(s->state), m->text) != 0)
            fail_msg("move %zu: state %s", i, session_state_name(s->state));
        break;
    case 'v':
        assert_true(session_take_verdict(s, v));
        if (v->kind != VERDICT_HOST || strcmp(v->status, m->text) != 0)
            fail_msg("move %zu: verdict %d, status %s (%s)", i, v->kind, v->status, v->text);
        break;
    case 'w':
        if (strstr(v->text, m->text) == NULL)
            fail_msg("move %zu: %s", i, v->text);
        break;
    case 'N':
        assert_false(session_take_verdict(s, v));
        break;
    case 'm':
        assert_string_equal(s->mechanism->name, m->text);
        break;
    case 'h':
        assert_string_equal(p->heard, m->text);
        break;
    default:
        fail_msg("no such move");
    }
}

static void play(const struct wish *w, const struct move *m, size_t n, size_t chunk)
{
    struct script script = w->script;
    struct buf out = {0};
    struct session s;
    struct verdict v = {0};

    open_session(&s, w);
    for (size_t i = 0; i < n; i++) {
        struct span rest = {m[i].text, m[i].text == NULL ? 0 : strlen(m[i].text)};
        switch (m[i].what) {
        case 'S':
            while (rest.n > 0) {
                size_t take = chunk == 0 || chunk > rest.n ? rest.n : chunk;
                session_input(&s, (struct span){rest.p, take}, &out);
                rest = span_from(rest, take);
            }
            break;
        case 'C':
            if (!span_eq(BUF_SPAN(&out), rest))
                fail_msg("move %zu, chunk %zu: said <%s>", i, chunk, buf_str(&out));
            buf_clear(&out);
            break;
        case 'G':
            assert_int_equal(s.state, SESSION_SECRET);
            session_login(&s, &steps, &script, &out);
            break;
        case 'B':
            assert_int_equal(s.state, SESSION_SECRET);
            session_no_login(&s, m[i].text, &out);
            break;
        case 'H':
            session_secured(&s, &out);
            break;
        case 'L':
            session_lost(&s, m[i].text);
            break;
        default:
            check(&s, &script, &m[i], i, &v);
        }
    }
    buf_free(&out);
    session_close(&s);
}

#define PLAY(wish, ...)                                                                            \
    do {                                                                                           \
        const struct move moves[] = {__VA_ARGS__};                                                 \
        for (size_t chunk = 0; chunk < 8; chunk++)                                                 \
            play((wish), moves, sizeof(moves) / sizeof(moves[0]), chunk);                          \
    } while (0)

/* Up to the offer: in clear, or after a handshake. */
#define CLEAR(offer)                                                                               \
    {'S', "220 hi\r\n"}, {'C', "EHLO us.example\r\n"},                                             \
    {                                                                                              \
        'S', "250-hi\r\n" offer "250 X\r\n"                                                        \
    }
#define SECURE(offer)                                                                              \
    {'S', "220 hi\r\n"}, {'C', "EHLO us.example\r\n"}, {'S', "250-hi\r\n250 STARTTLS\r\n"},        \
        {'C', "STARTTLS\r\n"}, {'S', "220 go\r\n"}, {'s', "TLS"}, {'H', ""},                       \
        {'C', "EHLO us.example\r\n"},                                                              \
    {                                                                                              \
        'S', "250-hi\r\n" offer "250 X\r\n"                                                        \
    }
#define QUITS                                                                                      \
    {'C', "QUIT\r\n"}, {'s', "QUIT"}, {'S', "221 bye\r\n"}, {'s', "CLOSED"},                       \
    {                                                                                              \
        'N', NULL                                                                                  \
    }

static const struct wish verified = {
    .tls = TLS_VERIFY, .confides = true, .script = {.response = {"one"}, .proves = true}};
static const struct wish clear = {.script = {.response = {"one", "two", ""}, .proves = true}};

static void logs_in(void **state)
{
    (void)state;
    PLAY(&verified, SECURE("250-AUTH LOGIN PLAIN\r\n"), {'s', "SECRET"}, {'m', "PLAIN"}, {'G', ""},
         {'C', "AUTH PLAIN b25l\r\n"}, {'s', "AUTH"}, {'S', "235 2.7.0 welcome\r\n"},
         {'s', "READY"}, {'N', NULL});
    /* The three steps of SCRAM; its last response is empty. */
    PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-256\r\n"), {'m', "SCRAM-SHA-256"}, {'G', ""},
         {'C', "AUTH SCRAM-SHA-256 b25l\r\n"}, {'S', "334 YWJj\r\n"}, {'h', "abc"},
         {'C', "dHdv\r\n"}, {'S', "334 ZA==\r\n"}, {'h', "d"}, {'C', "\r\n"}, {'S', "235 ok\r\n"},
         {'s', "READY"});
    /* Where the host speaks first there is no initial response. */
    PLAY(&clear, CLEAR("250-AUTH CRAM-MD5\r\n"), {'G', ""}, {'C', "AUTH CRAM-MD5\r\n"},
         {'S', "334 YWJj\r\n"}, {'h', "abc"}, {'C', "b25l\r\n"}, {'S', "334 \r\n"},
         {'C', "dHdv\r\n"}, {'S', "334\r\n"}, {'h', ""}, {'C', "\r\n"}, {'S', "235\r\n"},
         {'s', "READY"});
}

static void empty_initial_responses_are_told(void **state)
{
    const struct wish external = {.allowed = mechanism_with(PROOF_CERTIFICATE),
                                  .tls = TLS_VERIFY,
                                  .confides = true,
                                  .script = {.response = {""}, .proves = true}};

    (void)state;
    PLAY(&external, SECURE("250-AUTH PLAIN EXTERNAL\r\n"), {'m', "EXTERNAL"}, {'G', ""},
         {'C', "AUTH EXTERNAL =\r\n"}, {'S', "235 ok\r\n"}, {'s', "READY"});
}

static void the_strongest_lawful_one_is_chosen(void **state)
{
    const struct wish opportunistic = {.tls = TLS_MAY};
    const struct wish plain = {
        .allowed = mechanism_set(SPAN("PLAIN"), ',', NULL), .tls = TLS_VERIFY, .confides = true};

    (void)state;
    PLAY(&verified, SECURE("250-AUTH LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\r\n"),
         {'m', "SCRAM-SHA-256"});
    PLAY(&verified, SECURE("250-auth login\r\n250-AUTH=PLAIN CRAM-MD5\r\n"), {'m', "CRAM-MD5"});
    PLAY(&plain, SECURE("250-AUTH PLAIN SCRAM-SHA-256\r\n"), {'m', "PLAIN"});
    /* In clear, or under TLS that proves nothing, no secret is sent. */
    PLAY(&clear, CLEAR("250-AUTH PLAIN SCRAM-SHA-1\r\n"), {'m', "SCRAM-SHA-1"});
    PLAY(&clear, CLEAR("250-AUTH PLAIN LOGIN\r\n"), {'v', "4.7.0"}, {'w', "send the secret"},
         QUITS);
    PLAY(&opportunistic, SECURE("250-AUTH PLAIN LOGIN\r\n"), {'v', "4.7.0"},
         {'w', "send the secret"}, QUITS);
    /* A token is never given for a password, nor the other way round. */
    PLAY(&verified, SECURE("250-AUTH XOAUTH2 OAUTHBEARER EXTERNAL\r\n"), {'v', "4.7.0"},
         {'w', "none of the mechanisms"}, QUITS);
    /* What was offered before the handshake counts for nothing. */
    PLAY(&verified, {'S', "220 hi\r\n"}, {'C', "EHLO us.example\r\n"},
         {'S', "250-hi\r\n250-AUTH SCRAM-SHA-256\r\n250 STARTTLS\r\n"}, {'C', "STARTTLS\r\n"},
         {'S', "220 go\r\n"}, {'H', ""}, {'C', "EHLO us.example\r\n"},
         {'S', "250-hi\r\n250 AUTH PLAIN\r\n"}, {'m', "PLAIN"});
}

static void no_login_no_mail(void **state)
{
    const struct wish may = {.tls = TLS_MAY};

    (void)state;
    PLAY(&clear, CLEAR("250-SIZE\r\n"), {'v', "4.7.0"}, {'w', "offers no login"}, QUITS);
    PLAY(&clear, CLEAR("250-AUTH\r\n"), {'v', "4.7.0"}, {'w', "none of the mechanisms"}, QUITS);
    PLAY(&clear, {'S', "220 hi\r\n"}, {'C', "EHLO us.example\r\n"}, {'S', "502 no\r\n"},
         {'C', "HELO us.example\r\n"}, {'S', "250 hi\r\n"}, {'v', "4.7.0"},
         {'w', "offers no login"}, QUITS);
    PLAY(&may, {'S', "220 hi\r\n"}, {'C', "EHLO us.example\r\n"},
         {'S', "250-hi\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"}, {'C', "STARTTLS\r\n"},
         {'S', "454 no\r\n"}, {'v', "4.7.0"}, {'w', "send the secret"}, QUITS);
    PLAY(&clear, CLEAR("250-AUTH CRAM-MD5\r\n"), {'B', "the file is gone"}, {'v', "4.7.0"},
         {'w', "the file is gone"}, QUITS);
}

/* The operator may mend it, and the mail waits. */
static void refusals_concern_the_host(void **state)
{
    static const struct {
        const char *reply, *status;
    } cases[] = {
        {"535 5.7.8 no\r\n", "5.7.8"},   {"535 no\r\n", "5.0.0"},
        {"534 5.7.9 weak\r\n", "5.7.9"}, {"454 4.7.0 x\r\n", "4.7.0"},
        {"432 4.7.12 x\r\n", "4.7.12"},  {"504 5.5.4 x\r\n", "5.5.4"},
        {"538 5.7.11 x\r\n", "5.7.11"},  {"250 ok\r\n", "4.5.0"},
        {"354 go\r\n", "4.5.0"},         {"500 5.5.6 x\r\n", "5.5.6"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'G', ""},
             {'C', "AUTH SCRAM-SHA-1 b25l\r\n"}, {'S', cases[i].reply}, {'v', cases[i].status},
             QUITS);
        PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'G', ""},
             {'C', "AUTH SCRAM-SHA-1 b25l\r\n"}, {'S', "334 YWJj\r\n"}, {'C', "dHdv\r\n"},
             {'S', cases[i].reply}, {'v', cases[i].status}, QUITS);
    }
    PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'G', ""}, {'S', "421 4.3.2 busy\r\n"},
         {'v', "4.3.2"}, {'s', "CLOSED"});
    PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'S', "421 4.3.2 busy\r\n"}, {'v', "4.4.2"},
         {'s', "CLOSED"}, {'N', NULL});
    PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'G', ""}, {'L', "gone"}, {'v', "4.4.2"},
         {'w', "gone"}, {'s', "CLOSED"}, {'N', NULL});
    PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'L', "gone"}, {'v', "4.4.2"}, {'s', "CLOSED"},
         {'N', NULL});
}

/* A host that does not keep to the exchange: it is cancelled, and the host's answer to that is not
 * waited for with more. */
static void bad_challenges_end_the_exchange(void **state)
{
    static const struct {
        const char *reply, *words;
    } cases[] = {
        {"334 !!!\r\n", "not base64"},       {"334 YWJj \r\n", "not base64"},
        {"334  YWJj\r\n", "not base64"},     {"334 YWJ\r\n", "not base64"},
        {"334 Username:\r\n", "not base64"}, {"334-YWJj\r\n334 YWJj\r\n", "several lines"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'G', ""},
             {'C', "AUTH SCRAM-SHA-1 b25l\r\n"}, {'S', cases[i].reply}, {'v', "4.7.0"},
             {'w', cases[i].words}, {'C', "*\r\n"}, {'s', "CANCEL"}, {'S', "501 5.7.0 ok\r\n"},
             QUITS);
    /* The mechanism has no answer; a 334 where all was said. */
    PLAY(&verified, SECURE("250-AUTH PLAIN\r\n"), {'G', ""}, {'C', "AUTH PLAIN b25l\r\n"},
         {'S', "334 YWJj\r\n"}, {'v', "4.7.0"}, {'w', "at its end"}, {'C', "*\r\n"},
         {'L', "closed"}, {'N', NULL}, {'s', "CLOSED"});
    /* Several codes in one reply. */
    PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'G', ""}, {'S', "334-YWJj\r\n235 ok\r\n"},
         {'v', "4.4.2"}, {'s', "CLOSED"});
    /* A challenge after success. */
    PLAY(&verified, SECURE("250-AUTH PLAIN\r\n"), {'G', ""}, {'S', "235 ok\r\n334 YWJj\r\n"},
         {'v', "4.5.0"}, {'w', "out of turn"}, {'s', "CLOSED"}, {'N', NULL});
}

static void success_needs_the_proof(void **state)
{
    (void)state;
    PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'G', ""}, {'C', "AUTH SCRAM-SHA-1 b25l\r\n"},
         {'S', "235 welcome\r\n"}, {'v', "4.7.0"}, {'w', "without the proof"}, QUITS);
    PLAY(&clear, CLEAR("250-AUTH SCRAM-SHA-1\r\n"), {'G', ""}, {'C', "AUTH SCRAM-SHA-1 b25l\r\n"},
         {'S', "334 YWJj\r\n"}, {'C', "dHdv\r\n"}, {'S', "235 welcome\r\n"}, {'v', "4.7.0"}, QUITS);
}

static void endless_challenges_end(void **state)
{
    const struct wish talker = {
        .script = {.response = {"1", "2", "3", "4", "5", "6", "7", "8", "9"}}};
    struct session s;
    struct buf out = {0};
    struct script script = talker.script;
    struct verdict v;
    unsigned asked = 0;

    (void)state;
    open_session(&s, &talker);
    session_input(&s, SPAN("220 hi\r\n250-hi\r\n250 AUTH CRAM-MD5\r\n"), &out);
    session_login(&s, &steps, &script, &out);
    while (s.state == SESSION_AUTH && ++asked < 100)
        session_input(&s, SPAN("334 YWJj\r\n"), &out);
    assert_int_equal(asked, CHALLENGES_MAX + 1);
    assert_int_equal(s.state, SESSION_CANCEL);
    assert_true(session_take_verdict(&s, &v));
    assert_non_null(strstr(v.text, "no end"));
    buf_free(&out);
    session_close(&s);
}

/* A challenge of so many octets: taken, or too long. */
static void challenge_of(size_t octets, bool taken)
{
    struct session s;
    struct buf out = {0}, line = {0};
    struct script script = clear.script;
    struct verdict v;

    open_session(&s, &clear);
    session_input(&s, SPAN("220 hi\r\n250-hi\r\n250 AUTH CRAM-MD5\r\n"), &out);
    session_login(&s, &steps, &script, &out);
    buf_adds(&line, "334 ");
    buf_fill(&line, 'A', octets);
    buf_adds(&line, "\r\n");
    for (size_t i = 0; i < line.len; i += 1000)
        session_input(&s, (struct span){line.data + i, line.len - i < 1000 ? line.len - i : 1000},
                      &out);
    assert_int_equal(s.state, taken ? SESSION_AUTH : SESSION_CANCEL);
    assert_int_equal(session_take_verdict(&s, &v), !taken);
    assert_true(taken || strstr(v.text, "12,288") != NULL);
    assert_true(s.line.cap < 40000);
    buf_free(&line);
    buf_free(&out);
    session_close(&s);
}

static void challenges_are_bounded(void **state)
{
    (void)state;
    challenge_of(CHALLENGE_MAX, true);
    challenge_of(CHALLENGE_MAX + 1, false);
    challenge_of(CHALLENGE_MAX + 4, false);
    challenge_of(1000000, false);
}

/* An initial response that does not fit into 512 octets waits until the host asks for it. */
static void long_responses_wait(void **state)
{
    /* AUTH PLAIN, a blank, CR LF: 13 octets, so 499 are left, which base64 fills up to 496. */
    static const size_t sizes[] = {496 / 4 * 3, 496 / 4 * 3 + 1, 10240};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf octets = {0}, text = {0}, due = {0}, out = {0};
        struct session s;
        struct script script = {.proves = true};
        buf_fill(&octets, 'x', sizes[i]);
        base64_encode(BUF_SPAN(&octets), &text);
        script.response[0] = buf_str(&octets);
        open_session(&s, &verified);
        s.state = SESSION_EHLO;
        s.secure = true;
        session_input(&s, SPAN("250-hi\r\n250 AUTH PLAIN\r\n"), &out);
        session_login(&s, &steps, &script, &out);
        buf_printf(&due, "AUTH PLAIN%s%s\r\n", i == 0 ? " " : "", i == 0 ? buf_str(&text) : "");
        assert_true(span_eq(BUF_SPAN(&out), BUF_SPAN(&due)));
        assert_true(out.len <= COMMAND_LINE_MAX);
        if (i > 0) {
            buf_clear(&out);
            buf_clear(&due);
            session_input(&s, SPAN("334 \r\n"), &out);
            buf_printf(&due, "%s\r\n", buf_str(&text));
            assert_true(span_eq(BUF_SPAN(&out), BUF_SPAN(&due)));
        }
        session_input(&s, SPAN("235 ok\r\n"), &out);
        assert_int_equal(s.state, SESSION_READY);
        buf_free(&octets);
        buf_free(&text);
        buf_free(&due);
        buf_free(&out);
        session_close(&s);
    }
}

/* A host that asks for the held-back response with something that is none of its business. */
static void the_held_back_response_is_not_for_any_challenge(void **state)
{
    struct session s;
    struct buf long_one = {0}, out = {0};
    struct script script = {.proves = true};
    struct verdict v;

    (void)state;
    buf_fill(&long_one, 'x', 1000);
    script.response[0] = buf_str(&long_one);
    open_session(&s, &verified);
    s.state = SESSION_EHLO;
    s.secure = true;
    session_input(&s, SPAN("250-hi\r\n250 AUTH PLAIN\r\n"), &out);
    session_login(&s, &steps, &script, &out);
    session_input(&s, SPAN("334 YWJj\r\n"), &out);
    assert_string_equal(buf_str(&out), "AUTH PLAIN\r\n*\r\n");
    assert_true(session_take_verdict(&s, &v));
    assert_non_null(strstr(v.text, "should be empty"));
    buf_free(&long_one);
    buf_free(&out);
    session_close(&s);
}

static void tokens_are_found_anew_once(void **state)
{
    const struct wish token = {.allowed = mechanism_with(PROOF_TOKEN),
                               .tls = TLS_VERIFY,
                               .confides = true,
                               .script = {.response = {"one", "two"}, .proves = true}};
#define TOKEN                                                                                      \
    SECURE("250-AUTH PLAIN XOAUTH2\r\n"), {'G', ""}, {'C', "AUTH XOAUTH2 b25l\r\n"},               \
        {'S', "535 5.7.3 expired\r\n"}, {'s', "SECRET"}, {'N', NULL}

    (void)state;
    PLAY(&token, TOKEN, {'G', ""}, {'C', "AUTH XOAUTH2 dHdv\r\n"}, {'S', "235 ok\r\n"},
         {'s', "READY"}, {'N', NULL});
    PLAY(&token, TOKEN, {'G', ""}, {'C', "AUTH XOAUTH2 dHdv\r\n"}, {'S', "535 5.7.8 no\r\n"},
         {'v', "5.7.8"}, QUITS);
    /* The same token again: the first refusal stands. */
    PLAY(&token, TOKEN, {'B', NULL}, {'v', "5.7.3"}, {'w', "expired"}, QUITS);
    PLAY(&token, TOKEN, {'B', "no helper"}, {'v', "4.7.0"}, {'w', "no helper"}, QUITS);
    /* The host does not wait for another try. */
    PLAY(&token, TOKEN, {'L', "closed"}, {'v', "5.7.3"}, {'s', "CLOSED"}, {'N', NULL});
    /* A fault of the host's own says nothing against the token. */
    PLAY(&token, SECURE("250-AUTH XOAUTH2\r\n"), {'G', ""}, {'C', "AUTH XOAUTH2 b25l\r\n"},
         {'S', "454 4.7.0 later\r\n"}, {'v', "4.7.0"}, QUITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_in),
        cmocka_unit_test(empty_initial_responses_are_told),
        cmocka_unit_test(the_strongest_lawful_one_is_chosen),
        cmocka_unit_test(no_login_no_mail),
        cmocka_unit_test(refusals_concern_the_host),
        cmocka_unit_test(bad_challenges_end_the_exchange),
        cmocka_unit_test(success_needs_the_proof),
        cmocka_unit_test(endless_challenges_end),
        cmocka_unit_test(challenges_are_bounded),
        cmocka_unit_test(long_responses_wait),
        cmocka_unit_test(the_held_back_response_is_not_for_any_challenge),
        cmocka_unit_test(tokens_are_found_anew_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
