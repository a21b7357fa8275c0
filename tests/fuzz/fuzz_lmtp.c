/* LMTP: octet 1 says how many recipients and what kind of mail, octet 2 how chunks are cut, the
 * rest is what a server sends; and the same octets as the text of a mail.
 *
 * Holds: a recipient's verdict is given once and never changes, with a status of its class and
 * printable words; nothing is said but whole commands of the grammar, each when it is due; text is
 * asked for only when somebody was accepted; at the end everybody has a verdict; nothing depends on
 * how chunks are cut. Text has no CR or LF alone, and its final dot at the end only. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "jobs/postoffice/lmtp.h"

enum { RCPTS = 7, EIGHT_BIT = 8, NULL_PATH = 16, QUIT = 32 };

struct play {
    struct lmtp lmtp;
    struct lmtp_mail mail;
    struct lmtp_recipient to[RCPTS], before[RCPTS];
    struct buf said;
    unsigned mails, texts;
};

static void play_open(struct play *p, unsigned char kind)
{
    static const char name[] = "u0@MYHOST";

    *p = (struct play){.mail = {.n = kind % (RCPTS + 1), .octets = 1000}};
    p->mail.to = p->to;
    p->mail.eight_bit = kind & EIGHT_BIT;
    if (!(kind & NULL_PATH))
        CHECK(address_parse(SPAN("a@example.net"), ADDRESS_BARE_OK, &p->mail.from, NULL) ==
              ADDRESS_GOOD);
    for (size_t i = 0; i < RCPTS; i++)
        CHECK(address_parse(SPAN(name), ADDRESS_BARE_OK, &p->to[i].to, NULL) == ADDRESS_GOOD);
    memcpy(p->before, p->to, sizeof(p->to));
    lmtp_open(&p->lmtp, "mail.example.org");
}

static void check_recipients(struct play *p)
{
    static const char classes[] = "?245"; /* by verdict */

    for (size_t i = 0; i < RCPTS; i++) {
        const struct lmtp_recipient *now = &p->to[i], *old = &p->before[i];
        CHECK(now->verdict <= LMTP_NEVER && memchr(now->text, '\0', sizeof(now->text)) != NULL);
        CHECK(no_controls(span_of(now->text), ""));
        if (now->verdict != LMTP_OPEN)
            CHECK(now->status[0] == classes[now->verdict] && i < p->mail.n);
        if (old->verdict != LMTP_OPEN && p->lmtp.mail != NULL)
            CHECK(now->verdict == old->verdict && strcmp(now->text, old->text) == 0);
        if (now->verdict == LMTP_DELIVERED)
            CHECK(now->accepted && p->texts > 0);
    }
    memcpy(p->before, p->to, sizeof(p->to));
}

static void serve(struct play *p, unsigned char kind)
{
    check_recipients(p);
    CHECK((p->lmtp.state == LMTP_READY || p->lmtp.state >= LMTP_RSET) ? p->lmtp.mail == NULL
                                                                      : true);
    while (p->lmtp.state == LMTP_READY && p->mails < 3) {
        p->mails++;
        memset(p->before, 0, sizeof(p->before));
        lmtp_mail(&p->lmtp, &p->mail, &p->said);
        check_recipients(p);
    }
    if (p->lmtp.state == LMTP_READY && p->mails == 3 && kind & QUIT)
        lmtp_quit(&p->lmtp, &p->said);
    if (p->lmtp.state == LMTP_TEXT) {
        CHECK(p->lmtp.accepted > 0 && p->lmtp.accepted <= p->mail.n);
        p->texts++;
        lmtp_text_sent(&p->lmtp);
        CHECK(p->lmtp.next < p->mail.n && p->to[p->lmtp.next].accepted);
    }
}

/* A server that waits for its turn: one line, then what it causes. `cut` 0: whole lines. */
static void feed(struct play *p, struct span octets, unsigned char kind, unsigned cut)
{
    while (octets.n > 0) {
        size_t n = span_find(octets, '\n');
        n += n < octets.n;
        cut = cut * 5 % 251;
        if (cut > 0 && cut % 23 + 1 < n)
            n = cut % 23 + 1;
        lmtp_input(&p->lmtp, (struct span){octets.p, n}, &p->said);
        octets = span_from(octets, n);
        serve(p, kind);
    }
}

static void check_said(const struct play *p)
{
    static const char *const words[] = {
        "LHLO mail.example.org", "MAIL FROM:<", "RCPT TO:<u0@MYHOST>", "DATA", "RSET", "QUIT"};
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

static void check_dialogue(struct span octets, unsigned char kind, unsigned cut)
{
    struct play whole, pieces;

    play_open(&whole, kind);
    feed(&whole, octets, kind, 0);
    play_open(&pieces, kind);
    feed(&pieces, octets, kind, cut);
    CHECK(span_eq(BUF_SPAN(&whole.said), BUF_SPAN(&pieces.said)));
    CHECK(whole.lmtp.state == pieces.lmtp.state && strcmp(whole.lmtp.why, pieces.lmtp.why) == 0);
    check_said(&whole);
    lmtp_lost(&whole.lmtp, "cut");
    CHECK(whole.lmtp.state == LMTP_CLOSED && whole.lmtp.mail == NULL);
    check_recipients(&whole);
    for (size_t i = 0; whole.mails > 0 && i < whole.mail.n; i++)
        CHECK(whole.to[i].verdict != LMTP_OPEN);
    CHECK(whole.lmtp.greeted || whole.lmtp.why[0] != '\0');
    lmtp_close(&whole.lmtp);
    buf_free(&whole.said);
    lmtp_close(&pieces.lmtp);
    buf_free(&pieces.said);
}

static void check_lines(struct span text)
{
    struct span line;
    bool end = false;

    while (span_line(&text, &line)) {
        CHECK(!end && line.n > 0 && line.p[line.n - 1] == '\r');
        line.n--;
        CHECK(span_find(line, '\r') == line.n);
        end = span_eq(line, SPAN("."));
    }
    CHECK(end);
}

static void check_text(struct span text, unsigned cut)
{
    struct lmtp_text t = {0}, u = {0};
    struct buf whole = {0}, pieces = {0};

    CHECK(lmtp_text(&t, text, &whole) && lmtp_text_end(&t, &whole));
    check_lines(BUF_SPAN(&whole));
    while (text.n > 0) {
        size_t n = cut % 23 + 1 < text.n ? cut % 23 + 1 : text.n;
        cut = cut * 5 % 251;
        CHECK(lmtp_text(&u, (struct span){text.p, n}, &pieces));
        text = span_from(text, n);
    }
    CHECK(lmtp_text_end(&u, &pieces) && span_eq(BUF_SPAN(&whole), BUF_SPAN(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    unsigned char kind = take_octet(&input);
    unsigned char cut = take_octet(&input);

    check_dialogue(input, kind, cut);
    check_text(input, cut);
    return 0;
}
