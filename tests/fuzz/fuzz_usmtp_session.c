/* The sender's whole session: octet 1 says what kind of mail there is, octet 2 how chunks are cut,
 * the rest is what a host sends.
 *
 * Holds: each mail that was given has one verdict, of its kind's class and in printable words;
 * nothing is said but whole commands, each when it is due; text is asked for only for a mail that
 * waits for its verdict; nothing depends on how chunks are cut. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "usmtp/session.h"

enum { MAILS = 3, EIGHT_BIT = 1, UTF8 = 2, NULL_PATH = 4, LARGE = 8, QUIT = 16 };

struct play {
    struct session session;
    struct session_mail mail;
    struct buf said;
    unsigned given, refused_here, verdicts, host_verdicts, texts;
    bool pending;
};

static void play_open(struct play *p, unsigned char kind)
{
    *p = (struct play){.mail = {.octets = kind & LARGE ? 100000 : 1000,
                                .eight_bit = kind & EIGHT_BIT,
                                .utf8 = kind & UTF8}};
    if (!(kind & NULL_PATH))
        CHECK(address_parse(SPAN("a@example.net"), ADDRESS_BARE_OK, &p->mail.from, NULL) ==
              ADDRESS_GOOD);
    CHECK(address_parse(SPAN("b@example.com"), ADDRESS_BARE_OK, &p->mail.to, NULL) == ADDRESS_GOOD);
    session_open(&p->session, "mail.example.org");
}

static void take_verdict(struct play *p)
{

    struct verdict v;

    if (!session_take_verdict(&p->session, &v))
        return;
    CHECK(v.kind > VERDICT_NONE && v.kind <= VERDICT_HOST);
    CHECK(memchr(v.text, '\0', sizeof(v.text)) != NULL && v.text[0] != '\0');
    CHECK(no_controls(span_of(v.text), ""));
    CHECK(memchr(v.status, '\0', sizeof(v.status)) != NULL);
    if (v.kind == VERDICT_SENT)
        CHECK(v.status[0] == '2' && p->texts > 0);
    else
        CHECK(v.status[0] == '4' || v.status[0] == '5');
    CHECK(v.kind != VERDICT_NEVER || v.status[0] == '5' || v.remote);
    CHECK(p->pending || v.kind == VERDICT_HOST);
    CHECK(!session_take_verdict(&p->session, &v));
    p->verdicts += p->pending;
    p->host_verdicts += !p->pending;
    p->pending = false;
}

static void serve(struct play *p, unsigned char kind)
{
    take_verdict(p);
    while (p->session.state == SESSION_READY && p->given < MAILS) {
        CHECK(!p->pending);
        p->given++;
        p->pending = true;
        p->refused_here += !session_mail(&p->session, &p->mail, &p->said);
        take_verdict(p);
    }
    if (p->session.state == SESSION_READY && kind & QUIT)
        session_quit(&p->session, &p->said);
    if (p->session.state == SESSION_TEXT) {
        CHECK(p->pending && p->session.mail_open);
        p->texts++;
        session_text_sent(&p->session);
    }
}

/* A host that waits for its turn: one line, then what it causes. `cut` 0: whole lines. */
static void feed(struct play *p, struct span octets, unsigned char kind, unsigned cut)
{
    while (octets.n > 0) {
        size_t n = span_find(octets, '\n');
        n += n < octets.n;
        cut = cut * 5 % 251;
        if (cut > 0 && cut % 23 + 1 < n)
            n = cut % 23 + 1;
        session_input(&p->session, (struct span){octets.p, n}, &p->said);
        octets = span_from(octets, n);
        serve(p, kind);
    }
}

static void check_said(const struct play *p)
{
    static const char *const words[] = {"EHLO mail.example.org",
                                        "HELO mail.example.org",
                                        "MAIL FROM:<",
                                        "RCPT TO:<b@example.com>",
                                        "DATA",
                                        "RSET",
                                        "QUIT",
                                        ".",
                                        "STARTTLS",
                                        "AUTH "};
    struct span said = BUF_SPAN(&p->said), line;
    bool known = true;

    CHECK(said.n == 0 || (said.n > 2 && memcmp(said.p + said.n - 2, "\r\n", 2) == 0));
    while (known && span_line(&said, &line)) {
        CHECK(line.n > 0 && line.n <= 510 && line.p[line.n - 1] == '\r');
        line.n--;
        CHECK(no_controls(line, ""));
        known = false;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            known = known || span_starts_nocase(line, span_of(words[i]));
        CHECK(known);
    }
}

static void play_end(struct play *p)
{
    session_lost(&p->session, "cut");
    take_verdict(p);
    CHECK(p->session.state == SESSION_CLOSED && !p->pending);
    CHECK(p->verdicts == p->given && p->host_verdicts <= 1);
    CHECK(p->given > 0 || p->host_verdicts == 1 || p->session.mails == 0);
    session_close(&p->session);
    buf_free(&p->said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    unsigned char kind = take_octet(&input);
    unsigned char cut = take_octet(&input);
    struct play whole, pieces;

    play_open(&whole, kind);
    feed(&whole, input, kind, 0);
    play_open(&pieces, kind);
    feed(&pieces, input, kind, cut);
    CHECK(span_eq(BUF_SPAN(&whole.said), BUF_SPAN(&pieces.said)));
    CHECK(whole.session.state == pieces.session.state && whole.verdicts == pieces.verdicts);
    check_said(&whole);
    play_end(&whole);
    play_end(&pieces);
    return 0;
}
