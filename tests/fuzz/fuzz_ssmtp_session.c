/* The receiver's whole session: the input is what a client sends, from before the greeting to the
 * end.
 *
 * Holds: each reply line has a code, at most 512 octets and printable ASCII; nothing is taken while
 * a message waits or after the end; the envelope of a message that begins has a sender and one to
 * 5,000 different recipients; its text holds no CR and no NUL; octet by octet the session goes as
 * it does in one piece, unless input behind DATA ended it. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "ssmtp/session.h"

struct session {
    struct receiver r;
    struct receiver_site site;
    unsigned choices; /* what the user of the machine says */
    struct buf replies, text, stored;
    bool open;
};

static void on_greeted(void *arg, struct span name)
{
    const struct session *s = arg;

    CHECK(name.n > 0 && s->r.helo[0] != '\0' && no_controls(span_of(s->r.helo), ""));
}

static enum receiver_verdict on_recipient(void *arg, const struct address *rcpt, struct address *to)
{
    struct span local = address_local(rcpt);

    (void)arg;
    CHECK(!address_is_null(rcpt) && no_controls(span_of(rcpt->text), ""));
    if (local.n == 0 || local.p[0] == 'x')
        return RECEIVER_UNKNOWN;
    if (local.p[0] == 'y')
        return RECEIVER_NOT_OURS;
    if (local.p[0] == 'z')
        return RECEIVER_TROUBLE;
    *to = *rcpt;
    return RECEIVER_GOOD;
}

static enum receiver_verdict on_room(void *arg, uint64_t octets)
{
    const struct session *s = arg;

    CHECK(octets <= s->site.maxsize);
    return s->choices & 1 && octets == 7 ? RECEIVER_FULL : RECEIVER_GOOD;
}

static bool on_more(void *arg)
{
    (void)arg;
    return false;
}

static enum receiver_verdict on_begin(void *arg)
{
    struct session *s = arg;
    const struct envelope *e = &s->r.envelope;

    CHECK(!s->open && s->r.phase == RECEIVER_RCPT);
    CHECK(e->have_from && e->nto >= 1 && e->nto <= ENVELOPE_TO_MAX);
    for (size_t i = 0; i < e->nto; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(!address_eq(&e->to[i], &e->to[j]));
    buf_clear(&s->text);
    s->open = true;
    return RECEIVER_GOOD;
}

static struct buf *on_text(void *arg)
{
    struct session *s = arg;

    CHECK(s->open);
    return s->choices & 2 ? NULL : &s->text;
}

static void on_took(void *arg)
{
    struct session *s = arg;
    struct span t = BUF_SPAN(&s->text);

    CHECK(s->open && span_find(t, '\r') == t.n && span_find(t, '\0') == t.n);
}

static void on_drop(void *arg, const char *why)
{
    struct session *s = arg;

    CHECK(s->open && strlen(why) > 0);
    s->open = false;
}

static enum receiver_verdict on_verify(void *arg, struct span who, struct buf *to)
{
    CHECK(((const struct session *)arg)->site.vrfy && who.n > 0);
    buf_addspan(to, who); /* whatever it is, no reply may be split by it */
    return who.p[0] == 'a' ? RECEIVER_GOOD : RECEIVER_AMBIGUOUS;
}

static bool on_starttls(void *arg)
{
    const struct session *s = arg;

    CHECK(!s->r.secure && !s->open);
    return s->choices & 64;
}

static enum receiver_verdict on_sender(void *arg, const struct address *from)
{
    const struct session *s = arg;

    CHECK(s->r.authenticated && s->r.secure && s->r.submission);
    return span_eq(address_local(from), SPAN("me")) ? RECEIVER_GOOD : RECEIVER_NOT_YOURS;
}

/* "user" has the password "pencil"; its keys are those of the least iterations, made once. */
static bool on_secret(void *arg, struct span name, struct scram_secret *secret)
{
    static struct scram_secret pencil = {.iterations = 0, .salt_octets = 16};
    const struct session *s = arg;

    CHECK(s->r.secure && s->r.submission && !s->r.authenticated && name.n <= SASL_NAME_MAX * 3);
    if (pencil.iterations == 0) {
        pencil.iterations = 1;
        scram_derive(SPAN("pencil"), &pencil);
    }
    *secret = pencil;
    return span_eq(name, SPAN("user"));
}

static bool on_nonce(void *arg, char out[SASL_NONCE + 1])
{
    (void)arg;
    return span_copy(SPAN("nonce"), out, SASL_NONCE + 1);
}

static const struct receiver_events events = {
    on_greeted, on_recipient, on_room,     on_more,   on_begin,  on_text, on_took,
    on_drop,    on_verify,    on_starttls, on_sender, on_secret, on_nonce};

static void check_login(struct session *s, struct buf *out)
{
    CHECK(receiver_input(&s->r, SPAN("NOOP\r\n"), out) == 0 && out->len == 0);
    struct sasl *claim = receiver_claim(&s->r);
    CHECK(claim != NULL && claim->password.len <= SASL_PASSWORD_MAX * 6);
    sasl_check(claim);
    CHECK(!claim->fits || span_eq(BUF_SPAN(&claim->name), SPAN("user")));
    bool fits = claim->fits;
    receiver_login(&s->r, fits ? RECEIVER_GOOD : RECEIVER_WRONG, claim, out);
    CHECK(fits || !s->r.authenticated);
}

static void commit(struct session *s, struct buf *out)
{
    CHECK(s->open && receiver_input(&s->r, SPAN("NOOP\r\n"), out) == 0 && out->len == 0);
    s->open = false;
    buf_addspan(&s->stored, BUF_SPAN(&s->text));
    buf_addc(&s->stored, '\0');
    receiver_committed(&s->r, s->choices & 4 ? RECEIVER_TROUBLE : RECEIVER_GOOD, "NAME", out);
}

static void check_replies(struct span rest)
{
    struct span line;

    CHECK(rest.n == 0 || rest.p[rest.n - 1] == '\n');
    while (span_line(&rest, &line)) {
        CHECK(line.n >= 5 && line.n < 512 && line.p[line.n - 1] == '\r');
        line.n--;
        CHECK(no_controls(line, "") && line.p[0] >= '2' && line.p[0] <= '5');
        for (size_t i = 0; i < line.n; i++)
            CHECK((unsigned char)line.p[i] < 0x7F);
    }
}

enum cut { OCTETS, GROUPS, WHOLE };

/* The next piece that a client sends: an octet, a group that ends with DATA, or all. */
static struct span next_piece(struct span in, enum cut cut)
{
    static const char data[] = "DATA\r\n";
    const char *end = cut == GROUPS ? memmem(in.p, in.n, data, sizeof(data) - 1) : NULL;

    if (cut == OCTETS)
        in.n = 1;
    else if (end != NULL)
        in.n = (size_t)(end - in.p) + sizeof(data) - 1;
    return in;
}

static void play(struct session *s, struct span in, unsigned choices, enum cut cut)
{
    *s = (struct session){.site = {.host = "host.example", .maxsize = 4096, .vrfy = choices & 32},
                          .choices = choices};
    receiver_open(&s->r, &s->site, &events, s);
    s->r.submission = choices & 128;
    s->r.trusted = (choices & 192) == 128;
    if ((choices & 192) == 192) {
        /* As under TLS at once, so that logins are near. */
        struct buf none = {0};
        receiver_secured(&s->r, &none);
        CHECK(none.len == 0);
    }
    if (!(choices & 8))
        receiver_greet(&s->r, &s->replies);
    while (in.n > 0 && s->r.phase != RECEIVER_CLOSED) {
        struct span piece = next_piece(in, cut);
        struct buf out = {0};
        size_t taken = receiver_input(&s->r, piece, &out);
        CHECK(taken <= piece.n);
        CHECK(taken == piece.n || s->r.phase & RECEIVER_BUSY || out.len >= RECEIVER_REPLIES_MAX);
        in = span_from(in, taken);
        check_replies(BUF_SPAN(&out));
        buf_addspan(&s->replies, BUF_SPAN(&out));
        buf_clear(&out);
        if (s->r.phase == RECEIVER_WAIT)
            commit(s, &out);
        if (s->r.phase == RECEIVER_LOGIN)
            check_login(s, &out);
        if (s->r.phase == RECEIVER_TLS) {
            CHECK(receiver_input(&s->r, SPAN("NOOP\r\n"), &out) == 0 && out.len == 0);
            receiver_secured(&s->r, &out);
            CHECK(s->r.phase == RECEIVER_START && s->r.envelope.nto == 0);
        }
        check_replies(BUF_SPAN(&out));
        buf_addspan(&s->replies, BUF_SPAN(&out));
        buf_free(&out);
    }
}

static void end(struct session *s)
{
    receiver_close(&s->r);
    CHECK(!s->open);
    buf_free(&s->replies);
    buf_free(&s->text);
    buf_free(&s->stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};
    unsigned choices = take_octet(&in);
    struct session whole, single;

    play(&whole, in, choices, choices & 16 ? WHOLE : GROUPS);
    play(&single, in, choices, OCTETS);
    bool ahead = whole.replies.len > 0 &&
                 memmem(whole.replies.data, whole.replies.len, "554 5.5.0", 9) != NULL;
    if (!ahead) {
        CHECK(whole.r.phase == single.r.phase);
        CHECK(span_eq(BUF_SPAN(&whole.replies), BUF_SPAN(&single.replies)));
        CHECK(span_eq(BUF_SPAN(&whole.stored), BUF_SPAN(&single.stored)));
    }
    end(&whole);
    end(&single);
    return 0;
}
