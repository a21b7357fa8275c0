/* A login: the session with the real mechanisms. Octet 1 says which may be used and under what TLS,
 * octet 2 how chunks are cut; then come a host's lines, and one that begins with = is a challenge
 * of what is behind it.
 *
 * Holds: the session is ready only when the mechanism says that all is proved; no mechanism that
 * sends a secret is used where others can read along; the secret itself is never said but in
 * base64; every failure is the host's verdict and defers; nothing depends on how chunks are cut. */
#include "tests/fuzz/fuzz.h"

#include <gsasl.h>
#include <string.h>

#include "lib/base64.h"
#include "usmtp/logon.h"

enum { CLEAR = 64, CONFIDES = 128 };

static const char secret[] = "pencil";

/* Called by libgsasl by its name: each run is to be the same. */
int gsasl_nonce(char *data, size_t n)
{
    memset(data, 'n', n);
    return GSASL_OK;
}

struct play {
    struct session session;
    struct logon *sasl;
    struct buf said;
    unsigned asked, verdicts;
};

static const unsigned char sets[][2] = {{0, 8}, {1, 2}, {2, 3}, {3, 4},
                                        {4, 5}, {5, 6}, {6, 7}, {7, 8}};

static void play_open(struct play *p, unsigned char kind)
{
    const unsigned char *range = sets[kind % 8];

    *p = (struct play){0};
    session_open(&p->session, "mail.example.org");
    for (unsigned i = range[0]; i < range[1]; i++)
        p->session.allowed |= 1U << i;
    p->session.state = SESSION_EHLO;
    p->session.secure = !(kind & CLEAR);
    p->session.confides = kind & CONFIDES;
}

static void take_verdict(struct play *p)
{
    struct verdict v;

    while (session_take_verdict(&p->session, &v)) {
        p->verdicts++;
        CHECK(v.kind == VERDICT_HOST);
        CHECK(v.text[0] != '\0' && no_controls(span_of(v.text), ""));
        CHECK(v.status[0] == '4' || v.status[0] == '5');
        CHECK(p->session.state != SESSION_READY);
    }
}

static void serve(struct play *p)
{
    const struct logon_identity who = {"user", span_of(secret), "relay.example", 587};

    take_verdict(p);
    if (p->session.state == SESSION_SECRET) {
        const struct mechanism *m = p->session.mechanism;
        CHECK(!m->reveals || (p->session.secure && p->session.confides));
        CHECK(m->proof != PROOF_CERTIFICATE || p->session.secure);
        CHECK(++p->asked <= 2);
        logon_free(p->sasl);
        p->sasl = logon_new(m, &who);
        CHECK(p->sasl != NULL);
        session_login(&p->session, &logon_steps, p->sasl, &p->said);
        take_verdict(p);
    }
    if (p->session.state == SESSION_READY) {
        CHECK(p->sasl != NULL && logon_steps.proved(p->sasl) && p->verdicts == 0);
        session_quit(&p->session, &p->said);
    }
}

static void feed(struct play *p, struct span octets, unsigned cut)
{
    while (octets.n > 0) {
        size_t n = octets.n;
        cut = cut * 5 % 251;
        if (cut > 0 && cut % 23 + 1 < n)
            n = cut % 23 + 1;
        session_input(&p->session, (struct span){octets.p, n}, &p->said);
        octets = span_from(octets, n);
        serve(p);
    }
}

static void feed_lines(struct play *p, struct span input, unsigned cut)
{
    struct span line;

    while (span_line(&input, &line)) {
        struct buf text = {0};
        if (line.n > 0 && line.p[0] == '=') {
            buf_adds(&text, "334 ");
            base64_encode(span_from(line, 1), &text);
        } else {
            buf_addspan(&text, line);
        }
        buf_adds(&text, "\r\n");
        feed(p, BUF_SPAN(&text), cut);
        buf_free(&text);
    }
}

static void check_said(const struct play *p)
{
    struct span said = BUF_SPAN(&p->said), line;

    CHECK(said.n == 0 || (said.n > 1 && memcmp(said.p + said.n - 2, "\r\n", 2) == 0));
    CHECK(said.n == 0 || memmem(said.p, said.n, secret, sizeof(secret) - 1) == NULL);
    while (span_line(&said, &line)) {
        CHECK(line.n > 0 && line.p[line.n - 1] == '\r');
        line.n--;
        CHECK(no_controls(line, ""));
        CHECK(!span_starts_nocase(line, SPAN("AUTH ")) || line.n <= COMMAND_LINE_MAX - 2);
        CHECK(!span_starts_nocase(line, SPAN("MAIL")));
    }
}

static void play_end(struct play *p)
{
    session_lost(&p->session, "cut");
    take_verdict(p);
    CHECK(p->verdicts <= 1);
    session_close(&p->session);
    logon_free(p->sasl);
    buf_free(&p->said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    unsigned char kind = take_octet(&input);
    unsigned char cut = take_octet(&input);
    struct play whole, pieces;

    play_open(&whole, kind);
    feed_lines(&whole, input, 0);
    play_open(&pieces, kind);
    feed_lines(&pieces, input, cut);
    CHECK(span_eq(BUF_SPAN(&whole.said), BUF_SPAN(&pieces.said)));
    CHECK(whole.session.state == pieces.session.state && whole.verdicts == pieces.verdicts);
    check_said(&whole);
    play_end(&whole);
    play_end(&pieces);
    return 0;
}
