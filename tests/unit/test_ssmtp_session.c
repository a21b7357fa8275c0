/* Unit tests of ssmtp/session: the receiver's side of RFC 5321, octets in and replies out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base64.h"
#include "ssmtp/session.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A session and the user of it. Recipients: u1 to u9999 are USERn, "alias" is USER1 too, "later" is
 * trouble of our own; anything else at host.example is unknown. */
struct fixture {
    struct receiver r;
    struct receiver_site site;
    struct buf out;    /* all replies */
    struct buf text;   /* of the message in hand */
    struct buf stored; /* of all messages: from, to, text */
    enum receiver_verdict room, begin, commit;
    bool more, refuse_text, tls, no_nonce, no_login;
    unsigned begun, took, dropped, greeted, commits;
};

static void on_greeted(void *arg, struct span name)
{
    struct fixture *f = arg;

    assert_true(name.n > 0);
    f->greeted++;
}

static enum receiver_verdict on_recipient(void *arg, const struct address *rcpt, struct address *to)
{
    struct span local = address_local(rcpt);
    char text[40];
    uint64_t n = 1;

    (void)arg;
    if (rcpt->kind == DOMAIN_NAME && !span_eq_nocase(address_domain(rcpt), SPAN("host.example")))
        return RECEIVER_NOT_OURS;
    if (span_eq(local, SPAN("later")))
        return RECEIVER_TROUBLE;
    if (!span_eq(local, SPAN("alias")) && !span_eq_nocase(local, SPAN("postmaster")) &&
        (local.n < 2 || local.p[0] != 'u' || !span_number(span_from(local, 1), 9999, &n)))
        return RECEIVER_UNKNOWN;
    snprintf(text, sizeof(text), "USER%u@OFFICE", (unsigned)n);
    assert_int_equal(address_parse(span_of(text), ADDRESS_BARE_OK, to, NULL), ADDRESS_GOOD);
    return RECEIVER_GOOD;
}

static enum receiver_verdict on_room(void *arg, uint64_t octets)
{
    (void)octets;
    return ((struct fixture *)arg)->room;
}

static bool on_more(void *arg)
{
    return ((struct fixture *)arg)->more;
}

static enum receiver_verdict on_begin(void *arg)
{
    struct fixture *f = arg;

    f->begun++;
    buf_clear(&f->text);
    return f->begin;
}

static struct buf *on_text(void *arg)
{
    struct fixture *f = arg;

    return f->refuse_text ? NULL : &f->text;
}

static void on_took(void *arg)
{
    ((struct fixture *)arg)->took++;
}

static void on_drop(void *arg, const char *why)
{
    struct fixture *f = arg;

    assert_true(strlen(why) > 0);
    f->dropped++;
    buf_clear(&f->text);
}

static enum receiver_verdict on_verify(void *arg, struct span who, struct buf *to)
{
    (void)arg;
    if (span_eq(who, SPAN("two")))
        return RECEIVER_AMBIGUOUS;
    if (span_eq(who, SPAN("<a@far.example>")))
        return RECEIVER_NOT_OURS;
    if (!span_eq(who, SPAN("U One")))
        return RECEIVER_UNKNOWN;
    buf_adds(to, "U One <u1@host.example>");
    return RECEIVER_GOOD;
}

static bool on_starttls(void *arg)
{
    return ((struct fixture *)arg)->tls;
}

/* Whoever logged in is u1. */
static enum receiver_verdict on_sender(void *arg, const struct address *from)
{
    (void)arg;
    return span_eq(address_local(from), SPAN("u1")) ? RECEIVER_GOOD : RECEIVER_NOT_YOURS;
}

/* RFC 7677's: "pencil" is the password of "user"; anybody else is nobody. */
static bool on_secret(void *arg, struct span name, struct scram_secret *s)
{
    struct buf salt = {0};

    (void)arg;
    *s = (struct scram_secret){.iterations = 4096, .salt_octets = 16};
    assert_true(base64_decode(SPAN("W22ZaJ0SNY7soEsUEjb6gQ=="), &salt));
    memcpy(s->salt, salt.data, 16);
    buf_free(&salt);
    if (!span_eq(name, SPAN("user")))
        return false;
    assert_true(scram_derive(SPAN("pencil"), s));
    return true;
}

static bool on_nonce(void *arg, char out[SASL_NONCE + 1])
{
    span_copy(SPAN("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"), out, SASL_NONCE + 1);
    return !((struct fixture *)arg)->no_nonce;
}

static const struct receiver_events events = {
    on_greeted, on_recipient, on_room,     on_more,   on_begin,  on_text, on_took,
    on_drop,    on_verify,    on_starttls, on_sender, on_secret, on_nonce};

static void open_session(struct fixture *f)
{
    *f = (struct fixture){.site = {.host = "host.example", .maxsize = 1 << 20}};
    receiver_open(&f->r, &f->site, &events, f);
}

static void close_session(struct fixture *f)
{
    receiver_close(&f->r);
    buf_free(&f->out);
    buf_free(&f->text);
    buf_free(&f->stored);
}

/* What the server does when a message is whole. */
static void commit(struct fixture *f)
{
    const struct envelope *e = &f->r.envelope;

    if (f->commit == RECEIVER_GOOD) {
        buf_printf(&f->stored, "<%s>", e->from.text);
        for (size_t i = 0; i < e->nto; i++)
            buf_printf(&f->stored, " <%s>", e->to[i].text);
        buf_addc(&f->stored, '\n');
        buf_addspan(&f->stored, BUF_SPAN(&f->text));
    }
    f->commits++;
    receiver_committed(&f->r, f->commit, "NAME", &f->out);
}

static void check_login(struct fixture *f)
{
    struct sasl *claim = receiver_claim(&f->r);

    assert_non_null(claim);
    sasl_check(claim);
    receiver_login(&f->r,
                   f->no_login   ? RECEIVER_TROUBLE
                   : claim->fits ? RECEIVER_GOOD
                                 : RECEIVER_WRONG,
                   claim, &f->out);
}

/* Gives octets from memory of their own size, committing where it is asked for. */
static void give(struct fixture *f, struct span in)
{
    char *copy = malloc(in.n + (in.n == 0));
    size_t at = 0;

    assert_non_null(copy);
    if (in.n > 0)
        memcpy(copy, in.p, in.n);
    while (at < in.n && f->r.phase != RECEIVER_CLOSED) {
        struct buf out = {0};
        at += receiver_input(&f->r, (struct span){copy + at, in.n - at}, &out);
        buf_addspan(&f->out, BUF_SPAN(&out));
        buf_free(&out);
        if (f->r.phase == RECEIVER_WAIT)
            commit(f);
        if (f->r.phase == RECEIVER_LOGIN)
            check_login(f);
    }
    free(copy);
}

static void gives(struct fixture *f, const char *text)
{
    give(f, span_of(text));
}

/* Opens a session and has it greeted, without the greeting among the replies. */
static void begin(struct fixture *f)
{
    open_session(f);
    receiver_greet(&f->r, &f->out);
    assert_string_equal(buf_str(&f->out), "220 host.example ESMTP SSMTP\r\n");
    buf_clear(&f->out);
}

/* The codes of all replies so far, "250 354"; forgets them. */
static const char *codes(struct fixture *f, char *to, size_t size)
{
    struct span rest = BUF_SPAN(&f->out), line;
    size_t n = 0;

    to[0] = '\0';
    while (span_line(&rest, &line)) {
        assert_true(line.n >= 5 && line.n <= 511 && line.p[line.n - 1] == '\r');
        if (line.p[3] == '-')
            continue;
        n += (size_t)snprintf(to + n, size - n, "%s%.3s", n ? " " : "", line.p);
        assert_true(n < size);
    }
    buf_clear(&f->out);
    return to;
}

static void expect_codes(struct fixture *f, const char *wanted)
{
    char got[4096];

    assert_string_equal(codes(f, got, sizeof(got)), wanted);
}

/* The last reply line that came, without its CR LF. */
static void expect_last(struct fixture *f, const char *wanted)
{
    struct span rest = BUF_SPAN(&f->out), line, last = SPAN("");

    while (span_line(&rest, &line))
        last = line;
    assert_true(last.n > 0);
    buf_clear(&f->text);
    buf_add(&f->text, last.p, last.n - 1);
    assert_string_equal(buf_str(&f->text), wanted);
    buf_clear(&f->out);
}

static const struct {
    enum receiver_phase phase;
    const char *way; /* from the greeting to it */
} phases[] = {
    {RECEIVER_START, ""},
    {RECEIVER_IDLE, "EHLO c.example\r\n"},
    {RECEIVER_MAIL, "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n"},
    {RECEIVER_RCPT, "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u1@host.example>\r\n"},
};

enum { ANY = RECEIVER_START | RECEIVER_IDLE | RECEIVER_MAIL | RECEIVER_RCPT, SAME = 0 };

/* The verbs by RFC 5321 4.1.4 and 4.3.2: what each is answered where it is lawful and elsewhere,
 * and the phase it leads to. */
static const struct {
    const char *word, *line;
    unsigned lawful;
    const char *good, *otherwise;
    unsigned next;
} verbs[] = {
    {"HELO", "HELO d.example", ANY, "250", "", RECEIVER_IDLE},
    {"EHLO", "EHLO d.example", ANY, "250", "", RECEIVER_IDLE},
    {"MAIL", "MAIL FROM:<x@y.example>", RECEIVER_IDLE, "250", "503", RECEIVER_MAIL},
    {"RCPT", "RCPT TO:<u2@host.example>", RECEIVER_MAIL | RECEIVER_RCPT, "250", "503",
     RECEIVER_RCPT},
    {"DATA", "DATA", RECEIVER_RCPT, "354", "503", RECEIVER_DATA},
    {"STARTTLS", "STARTTLS", RECEIVER_IDLE, "220", "503", RECEIVER_TLS},
    {"AUTH", "AUTH PLAIN", RECEIVER_IDLE, "334", "503", RECEIVER_AUTH},
    {"RSET", "RSET", ANY, "250", "", SAME},
    {"NOOP", "NOOP", ANY, "250", "", SAME},
    {"VRFY", "VRFY u1", ANY, "252", "", SAME},
    {"EXPN", "EXPN list", 0, "", "502", SAME},
    {"HELP", "HELP", ANY, "214", "", SAME},
    {"QUIT", "QUIT", ANY, "221", "", RECEIVER_CLOSED},
};

static void every_verb_in_every_phase(void **state)
{
    unsigned set;

    (void)state;
    for (size_t v = 0; v < COUNT(verbs); v++) {
        assert_string_equal(receiver_verb(v, &set), verbs[v].word);
        assert_int_equal(set, verbs[v].lawful);
        for (size_t p = 0; p < COUNT(phases); p++) {
            bool lawful = verbs[v].lawful & phases[p].phase;
            unsigned next = lawful && verbs[v].next != SAME ? verbs[v].next : phases[p].phase;
            struct fixture f;
            begin(&f);
            f.tls = true;
            if (strcmp(verbs[v].word, "AUTH") == 0)
                f.r.submission = f.r.secure = f.r.trusted = true;
            gives(&f, phases[p].way);
            assert_int_equal(f.r.phase, phases[p].phase);
            buf_clear(&f.out);
            gives(&f, verbs[v].line);
            gives(&f, "\r\n");
            expect_codes(&f, lawful ? verbs[v].good : verbs[v].otherwise);
            if (strcmp(verbs[v].word, "RSET") == 0 && phases[p].phase != RECEIVER_START)
                next = RECEIVER_IDLE;
            assert_int_equal(f.r.phase, next);
            assert_int_equal(f.r.errors, !lawful);
            close_session(&f);
        }
    }
    assert_null(receiver_verb(COUNT(verbs), NULL));
}

/* A session under TLS at a submission service, after EHLO. */
static void begin_submission(struct fixture *f)
{
    open_session(f);
    f->r.submission = true;
    receiver_secured(&f->r, &f->out);
    receiver_greet(&f->r, &f->out);
    gives(f, "EHLO c.example\r\n");
    assert_non_null(strstr(buf_str(&f->out), "\r\n250 AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n"));
    buf_clear(&f->out);
}

#define SCRAM_FIRST "biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8="
#define SCRAM_FINAL                                                                                \
    "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFw" \
    "V0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ=="

static void logins_are_answered(void **state)
{
    static const struct {
        const char *lines, *codes; /* without EHLO */
        bool in;
    } rows[] = {
        {"AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "235", true},
        {"auth plain AHVzZXIAcGVuY2ls\r\n", "235", true},
        {"AUTH PLAIN dXNlcgB1c2VyAHBlbmNpbA==\r\n", "235", true},  /* for himself */
        {"AUTH PLAIN b3RoZXIAdXNlcgBwZW5jaWw=\r\n", "535", false}, /* for another */
        {"AUTH PLAIN AHVzZXIAcGVuY2lt\r\n", "535", false},
        {"AUTH PLAIN AHVzZXIA\r\n", "535", false},     /* no password */
        {"AUTH PLAIN AABwZW5jaWw=\r\n", "535", false}, /* no name */
        {"AUTH PLAIN AG5vYm9keQBwZW5jaWw=\r\n", "535", false},
        {"AUTH PLAIN AP8AcGVuY2ls\r\n", "535", false},         /* no UTF-8 */
        {"AUTH PLAIN AHVzZXIAcGVuY2lsAA==\r\n", "501", false}, /* a NUL more */
        {"AUTH PLAIN dXNlcg==\r\n", "501", false},
        {"AUTH PLAIN =\r\n", "501", false},
        {"AUTH PLAIN\r\nAHVzZXIAcGVuY2ls\r\n", "334 235", true},
        {"AUTH PLAIN\r\n*\r\nNOOP\r\n", "334 501 250", false},
        {"AUTH PLAIN\r\n\r\nNOOP\r\n", "334 501 250", false},
        {"AUTH PLAIN\r\nA\rA\r\nNOOP\r\n", "334 501 250", false},
        {"AUTH PLAIN\r\n****\r\n", "334 501", false},
        {"AUTH PLAIN AHVz ZXIA\r\n", "501", false},
        {"AUTH PLAIN AHVzZXIAcGVuY2l\r\n", "501", false},
        {"AUTH\r\n", "501", false},
        {"AUTH CRAM-MD5\r\n", "504", false},
        {"AUTH PLAI\r\n", "504", false},
        {"AUTH LOGIN\r\ndXNlcg==\r\ncGVuY2ls\r\n", "334 334 235", true},
        {"AUTH LOGIN dXNlcg==\r\ncGVuY2ls\r\n", "334 235", true},
        {"AUTH LOGIN dXNlcg==\r\ncGVuY2lt\r\n", "334 535", false},
        {"AUTH LOGIN dXNlcg==\r\n*\r\n", "334 501", false},
        {"AUTH LOGIN dXMAZXI=\r\n", "501", false},
        {"AUTH LOGIN dXNlcg==\r\ncGVuAGNpbA==\r\n", "334 501", false},
        {"AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\n" SCRAM_FINAL "\r\n\r\n", "334 334 235", true},
        {"AUTH SCRAM-SHA-256\r\n" SCRAM_FIRST "\r\n" SCRAM_FINAL "\r\n\r\n", "334 334 334 235",
         true},
        {"AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\n" SCRAM_FINAL "\r\nAAAA\r\n", "334 334 501", false},
        {"AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\n" SCRAM_FIRST "\r\n", "334 501", false},
        {"AUTH SCRAM-SHA-256 " SCRAM_FINAL "\r\n", "501", false},
        {"AUTH SCRAM-SHA-256 biwsbT14LG49dXNlcixyPXg=\r\n", "501", false}, /* m= */
        {"AUTH SCRAM-SHA-256 cD10bHMtdW5pcXVlLCxuPXVzZXIscj14\r\n", "501", false},
        {"AUTH SCRAM-SHA-256 biwsbj11cz1BMGVyLHI9eA==\r\n", "501", false}, /* us=A0er */
        {"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9\r\n", "501", false},         /* no nonce */
        {"AUTH PLAIN AHVzZXIAcGVuY2ls\r\nAUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "235 503", true},
        {"HELO c.example\r\nAUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "250 503", false},
        {"MAIL FROM:<u1@host.example>\r\n", "530", false},
        {"RSET\r\nVRFY u1\r\nRCPT TO:<u1@host.example>\r\n", "250 252 503", false},
        {"AUTH PLAIN AHVzZXIAcGVuY2lt\r\nAUTH LOGIN dXNlcg==\r\ncGVuY2lt\r\n"
         "AUTH PLAIN AHVzZXIAcGVuY2lt\r\n",
         "535 334 535 535 421", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct span lines = span_of(rows[i].lines), line;
        struct fixture f;
        begin_submission(&f);
        while (span_line(&lines, &line)) /* what comes ahead of a reply would end the session */
            give(&f, (struct span){line.p, line.n + 1});
        char got[4096];
        if (strcmp(codes(&f, got, sizeof(got)), rows[i].codes) != 0 ||
            f.r.authenticated != rows[i].in)
            fail_msg("row %zu: %s", i, got);
        assert_null(f.r.auth.sasl);
        close_session(&f);
    }
}

static void the_exchange_of_rfc_7677(void **state)
{
    struct fixture f;

    (void)state;
    begin_submission(&f);
    gives(&f, "AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\n");
    /* r=...,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096 */
    expect_last(&f,
                "334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVc"
                "yMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=");
    const char *final = SCRAM_FINAL "\r\n";
    for (const char *p = final; *p != '\0'; p++)
        give(&f, (struct span){p, 1});
    /* v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4= */
    expect_last(&f, "334 dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==");
    assert_false(f.r.authenticated);
    gives(&f, "\r\n");
    expect_last(&f, "235 2.7.0 You are logged in");
    close_session(&f);
}

static void who_logged_in_sends_as_himself(void **state)
{
    struct fixture f;

    (void)state;
    begin_submission(&f);
    gives(&f, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
    gives(&f, "MAIL FROM:<u2@host.example>\r\nMAIL FROM:<>\r\n"
              "MAIL FROM:<u1@host.example> AUTH=\r\nMAIL FROM:<u1@host.example> AUTH=a=b\r\n"
              "MAIL FROM:<u1@host.example> AUTH=a\tb\r\n"
              "MAIL FROM:<u1@host.example> AUTH=a\x7F\r\n"
              "MAIL FROM:<u1@host.example> AUTH=\xC3\xA4\r\n"
              "MAIL FROM:<u1@host.example> AUTH=<>\r\n");
    expect_codes(&f, "235 553 553 501 501 501 501 501 250");
    gives(&f, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
    expect_codes(&f, "503");
    close_session(&f);
    /* In clear, or where nobody logs in, the parameter is not known. */
    begin(&f);
    gives(&f, "EHLO c.example\r\nMAIL FROM:<u1@host.example> AUTH=<>\r\n");
    expect_codes(&f, "250 555");
    gives(&f, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
    expect_codes(&f, "502");
    f.r.submission = true;
    gives(&f, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
    gives(&f, "MAIL FROM:<u1@host.example>\r\n");
    expect_codes(&f, "538 530");
    f.r.trusted = true;
    gives(&f, "MAIL FROM:<>\r\n");
    expect_codes(&f, "250");
    close_session(&f);
}

static void long_responses(void **state)
{
    static const struct {
        size_t letters; /* of the response */
        const char *alone, *with;
    } rows[] = {
        {12280, "501", "500"}, /* a name of that length is nobody's */
        {12288, "500", "500"}, {12264, "501", "501"}, {20000, "500", "500"}, {600, "501", "501"},
    };
    char got[4096];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf line = {0};
        struct fixture f;
        begin_submission(&f);
        buf_fill(&line, 'A', rows[i].letters);
        buf_adds(&line, "\r\n");
        gives(&f, "AUTH PLAIN\r\n");
        buf_clear(&f.out);
        give(&f, BUF_SPAN(&line));
        if (strcmp(codes(&f, got, sizeof(got)), rows[i].alone) != 0)
            fail_msg("row %zu: %s", i, got);
        gives(&f, "AUTH PLAIN ");
        for (size_t at = 0; at < line.len; at += 7) {
            struct span piece = span_from(BUF_SPAN(&line), at);
            piece.n = piece.n < 7 ? piece.n : 7;
            give(&f, piece);
        }
        if (strcmp(codes(&f, got, sizeof(got)), rows[i].with) != 0)
            fail_msg("row %zu with AUTH: %s", i, got);
        gives(&f, "NOOP ");
        give(&f, BUF_SPAN(&line)); /* only AUTH may be so long */
        gives(&f, "NOOP\r\n");
        expect_codes(&f, "500 250");
        assert_int_equal(f.r.long_line.cap, 0);
        buf_free(&line);
        close_session(&f);
    }
}

static void a_login_and_the_end(void **state)
{
    struct fixture f;

    (void)state;
    begin_submission(&f);
    f.no_nonce = true;
    gives(&f, "AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\n");
    expect_codes(&f, "454");
    f.no_nonce = false;
    f.no_login = true;
    gives(&f, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
    expect_codes(&f, "454");
    assert_false(f.r.authenticated);
    gives(&f, "AUTH PLAIN\r\n");
    buf_clear(&f.out);
    receiver_stop(&f.r, &f.out);
    expect_codes(&f, "421");
    close_session(&f);

    begin_submission(&f);
    receiver_input(&f.r, SPAN("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n"), &f.out);
    assert_int_equal(f.r.phase, RECEIVER_LOGIN);
    assert_int_equal(receiver_input(&f.r, SPAN("NOOP\r\n"), &f.out), 0);
    receiver_stop(&f.r, &f.out);
    expect_codes(&f, "");
    check_login(&f);
    expect_codes(&f, "235 421");
    close_session(&f);

    /* The end waits for the last step of SCRAM. */
    begin_submission(&f);
    gives(&f, "AUTH SCRAM-SHA-256 " SCRAM_FIRST "\r\n");
    receiver_input(&f.r, SPAN(SCRAM_FINAL "\r\n"), &f.out);
    assert_int_equal(f.r.phase, RECEIVER_LOGIN);
    receiver_stop(&f.r, &f.out);
    check_login(&f);
    expect_codes(&f, "334 334");
    gives(&f, "\r\n");
    expect_codes(&f, "235 421");
    close_session(&f);

    /* Lent, and the session ends before it comes back. */
    begin_submission(&f);
    receiver_input(&f.r, SPAN("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n"), &f.out);
    struct sasl *claim = receiver_claim(&f.r);
    receiver_expire(&f.r, &f.out);
    expect_codes(&f, "421");
    close_session(&f);
    sasl_free(claim);
}

/* All of one domain are one. */
static bool to_one(void *arg, const struct address *given, struct address *to)
{
    unsigned *left = arg;

    (void)given;
    assert_int_equal(address_parse(SPAN("one@host.example"), ADDRESS_BARE_OK, to, NULL),
                     ADDRESS_GOOD);
    return (*left)-- > 0;
}

static void recipients_are_put_anew(void **state)
{
    struct fixture f;
    unsigned left = 3;

    (void)state;
    for (int i = 0; i < 2; i++, left = 1) {
        begin(&f);
        gives(&f, "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u1@host.example>\r\n"
                  "RCPT TO:<u2@host.example>\r\nRCPT TO:<u3@host.example>\r\n");
        assert_int_equal(f.r.envelope.nto, 3);
        assert_int_equal(receiver_readdress(&f.r, to_one, &left), i == 0);
        assert_int_equal(f.r.envelope.nto, 1);
        assert_string_equal(f.r.envelope.to[0].text, "one@host.example");
        close_session(&f);
    }
}

static void ehlo_offers_what_holds(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    gives(&f, "EHLO c.example\r\n");
    assert_string_equal(buf_str(&f.out),
                        "250-host.example\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n250-PIPELINING\r\n"
                        "250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n");
    buf_clear(&f.out);
    gives(&f, "HELO c.example\r\n");
    assert_string_equal(buf_str(&f.out), "250 host.example\r\n");
    assert_int_equal(f.greeted, 2);
    close_session(&f);
}

/* RFC 3207 4.2: nothing of the time before it counts, and there is no way back. */
static void tls_begins_the_session_anew(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.tls = true;
    gives(&f, "EHLO c.example\r\n");
    assert_non_null(strstr(buf_str(&f.out), "250 STARTTLS\r\n"));
    gives(&f, "STARTTLS\r\n");
    expect_last(&f, "220 2.0.0 Begin TLS");
    assert_int_equal(f.r.phase, RECEIVER_TLS);
    assert_int_equal(receiver_input(&f.r, SPAN("MAIL FROM:<a@b.example>\r\n"), &f.out), 0);
    assert_int_equal(f.out.len, 0);
    receiver_secured(&f.r, &f.out);
    assert_int_equal(f.r.phase, RECEIVER_START);
    assert_string_equal(f.r.helo, "unknown");
    assert_false(f.r.esmtp);
    gives(&f, "MAIL FROM:<a@b.example>\r\n");
    expect_last(&f, "503 5.5.1 MAIL comes after EHLO, once in a transaction");
    gives(&f, "EHLO c.example\r\n");
    assert_null(strstr(buf_str(&f.out), "STARTTLS"));
    buf_clear(&f.out);
    gives(&f, "STARTTLS\r\n");
    expect_last(&f, "503 5.5.1 TLS is on already");
    close_session(&f);
    /* Where TLS begins at once, the greeting follows it. */
    open_session(&f);
    receiver_secured(&f.r, &f.out);
    assert_int_equal(f.out.len, 0);
    receiver_greet(&f.r, &f.out);
    assert_int_equal(f.r.phase, RECEIVER_START);
    assert_true(f.r.secure);
    close_session(&f);
}

static void nothing_comes_with_starttls(void **state)
{
    static const char *const ahead[] = {"\x16\x03\x01", "N", "EHLO evil.example\r\n",
                                        "MAIL FROM:<a@b.example>\r\n"};
    struct fixture f;

    (void)state;
    for (size_t i = 0; i <= COUNT(ahead); i++) {
        char line[80];
        begin(&f);
        f.tls = true;
        f.more = i == COUNT(ahead); /* it is in the socket yet */
        gives(&f, "EHLO c.example\r\n");
        buf_clear(&f.out);
        snprintf(line, sizeof(line), "STARTTLS\r\n%s", f.more ? "" : ahead[i]);
        gives(&f, line);
        expect_last(&f, "554 5.5.0 Input came before the reply, closing");
        assert_int_equal(f.r.phase, RECEIVER_CLOSED);
        close_session(&f);
    }
}

static void the_end_waits_for_a_handshake(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.tls = true;
    gives(&f, "EHLO c.example\r\nSTARTTLS\r\n");
    buf_clear(&f.out);
    receiver_stop(&f.r, &f.out);
    assert_int_equal(f.out.len, 0); /* no word in clear between 220 and the handshake */
    receiver_secured(&f.r, &f.out);
    expect_last(&f, "421 4.3.2 Service is closing down, come again");
    assert_int_equal(f.r.phase, RECEIVER_CLOSED);
    close_session(&f);
}

static void help_shows_the_table(void **state)
{
    struct fixture f;
    char word[16];

    (void)state;
    begin(&f);
    gives(&f, "HELP\r\n");
    for (size_t i = 0; i < COUNT(verbs); i++) {
        snprintf(word, sizeof(word), " %s", verbs[i].word);
        assert_non_null(strstr(buf_str(&f.out), word));
    }
    expect_codes(&f, "214");
    gives(&f, "HELP mail\r\n");
    assert_non_null(strstr(buf_str(&f.out), "214 2.0.0 MAIL FROM:<address>"));
    expect_codes(&f, "214");
    gives(&f, "HELP nothing\r\n");
    expect_codes(&f, "504");
    close_session(&f);
}

/* With VRFY(YES) only; in every phase, and it changes none. */
static void vrfy_answers(void **state)
{
    static const struct {
        const char *line, *reply;
    } cases[] = {
        {"VRFY U One\r\n", "250 2.1.5 U One <u1@host.example>\r\n"},
        {"VRFY  U One \r\n", "250 2.1.5 U One <u1@host.example>\r\n"},
        {"VRFY two\r\n", "553 5.1.4 Ambiguous: several users have that name\r\n"},
        {"VRFY three\r\n", "550 5.1.1 No such user here\r\n"},
        {"VRFY <a@far.example>\r\n",
         "550 5.7.1 Not a domain of this host, and nothing is relayed\r\n"},
        {"VRFY\r\n", "501 5.5.4 Write VRFY user\r\n"},
    };
    struct fixture f;

    (void)state;
    begin(&f);
    f.site.vrfy = true;
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_clear(&f.out);
        receiver_input(&f.r, span_of(cases[i].line), &f.out);
        assert_string_equal(buf_str(&f.out), cases[i].reply);
    }
    close_session(&f);
}

/* A list of names can be tried out with VRFY no longer than with RCPT. */
static void vrfy_guesses(void **state)
{
    struct fixture f;
    unsigned n = 0;

    (void)state;
    begin(&f);
    f.site.vrfy = true;
    for (; f.r.phase != RECEIVER_CLOSED && n < 5000; n++) {
        buf_clear(&f.out);
        receiver_input(&f.r, SPAN("VRFY nobody\r\n"), &f.out);
    }
    assert_int_equal(n, RECEIVER_IDLING + RECEIVER_ERRORS + 1);
    assert_non_null(strstr(buf_str(&f.out), "421 4.7.0"));
    close_session(&f);
}

/* One line in a phase, and the last reply line. */
static const struct {
    size_t phase; /* index into phases[] */
    struct span line;
    const char *code;
} lines[] = {
#define T(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
    {0, T("EHLO"), "501 5.5.4"},
    {0, T("HELO "), "501 5.5.4"},
    {0, T("ehlo c.example "), "250"},
    {0, T(""), "500 5.5.1"},
    {0, T(" NOOP"), "500 5.5.1"},
    {0, T("NOOPX"), "500 5.5.1"},
    {0, T("NOO"), "500 5.5.1"},
    {0, T("NOOP with text"), "250 2.0.0"},
    {0, T("noOp"), "250 2.0.0"},
    {0, T("NOOP\0"), "500 5.5.2"},
    {0, T("NO\0OP"), "500 5.5.2"},
    {0, T("NOOP\rQUIT"), "500 5.5.2"},
    {0, T("NOOP\nQUIT"), "500 5.5.2"},
    {0, T("\nNOOP"), "500 5.5.2"},
    {0, T("NOOP\r"), "500 5.5.2"},
    {0, T("NOOP\xFF"), "500 5.5.1"},
    {0, T("GET / HTTP/1.1"), "500 5.5.1"},
    {0, T("STARTTLS"), "503 5.5.1"},
    {1, T("STARTTLS"), "502 5.5.1"}, /* not offered */
    {1, T("STARTTLS now"), "501 5.5.4"},
    {0, T("AUTH PLAIN AAAA"), "503 5.5.1"},
    {0, T("BDAT 10 LAST"), "500 5.5.1"},
    {0, T("VRFY"), "501 5.5.4"},
    {0, T("VRFY postmaster"), "252 2.0.0"},
    {0, T("QUIT now"), "501 5.5.4"},
    {0, T("RSET now"), "501 5.5.4"},
    /* MAIL */
    {1, T("MAIL"), "501 5.5.4"},
    {1, T("MAIL FROM"), "501 5.5.4"},
    {1, T("MAIL FROM:"), "501 5.1.7"},
    {1, T("MAIL FROM: "), "501 5.1.7"},
    {1, T("MAIL TO:<a@b.example>"), "501 5.5.4"},
    {1, T("MAIL FROM:a@b.example"), "501 5.1.7"},
    {1, T("MAIL FROM:<a@b.example"), "501 5.1.7"},
    {1, T("MAIL FROM:<a>"), "501 5.1.7"},
    {1, T("MAIL FROM:<postmaster>"), "501 5.1.7"},
    {1, T("MAIL FROM:<@b.example>"), "501 5.1.7"},
    {1, T("MAIL FROM:<a@b..example>"), "501 5.1.7"},
    {1, T("MAIL FROM:<a b@c.example>"), "501 5.1.7"},
    {1, T("MAIL FROM:<a@b.example>x"), "501 5.1.7"},
    {1, T("MAIL FROM:<a@[300.1.1.1]>"), "501 5.1.7"},
    {1, T("MAIL FROM:<\xC3\xA4@b.example>"), "553 5.6.7"},
    {1, T("MAIL FROM:<a@\xC3\xA4.example>"), "553 5.6.7"},
    {1, T("MAIL FROM:<\"\xFF\"@b.example>"), "553 5.6.7"},
    {1, T("MAIL FROM:<a\x01@b.example>"), "501 5.1.7"},
    {1, T("MAIL FROM:<>"), "250 2.1.0"},
    {1, T("MAIL FROM: <>"), "250 2.1.0"},
    {1, T("mail from:<A@B.example> "), "250 2.1.0"},
    {1, T("MAIL FROM:<\"a b\"@c.example>"), "250 2.1.0"},
    {1, T("MAIL FROM:<@r.example,@s.example:a@b.example>"), "250 2.1.0"},
    {1, T("MAIL FROM:<a@[IPv6:2001:db8::1]>"), "250 2.1.0"},
    {1, T("MAIL FROM:<-f@b.example>"), "250 2.1.0"},
    {1, T("MAIL FROM:<a@b.example> SIZE=0"), "250 2.1.0"},
    {1, T("MAIL FROM:<a@b.example>  SIZE=100  BODY=8BITMIME"), "250 2.1.0"},
    {1, T("MAIL FROM:<a@b.example> body=7bit size=00000000000001048576"), "250 2.1.0"},
    {1, T("MAIL FROM:<a@b.example> SIZE=1048577"), "552 5.3.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=4294967296"), "552 5.3.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=4294967297"), "552 5.3.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=18446744073709551615"), "552 5.3.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=18446744073709551616"), "552 5.3.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=99999999999999999999"), "552 5.3.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=100000000000000000000"), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE="), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE"), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=-1"), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=+1"), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=0x10"), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> SIZE=1 SIZE=1"), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> BODY=BINARYMIME"), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> BODY"), "501 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> SMTPUTF8"), "555 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> AUTH=<>"), "555 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> RET=HDRS"), "555 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> ENVID=a+0AX-To:+20<b>"), "555 5.5.4"},
    {1, T("MAIL FROM:<a@b.example> =1"), "555 5.5.4"},
    {1, T("MAIL FROM:<a@b.example>\tSIZE=1"), "501 5.1.7"},
    /* RCPT */
    {2, T("RCPT"), "501 5.5.4"},
    {2, T("RCPT FROM:<u1@host.example>"), "501 5.5.4"},
    {2, T("RCPT TO:<>"), "501 5.1.3"},
    {2, T("RCPT TO:u1@host.example"), "501 5.1.3"},
    {2, T("RCPT TO:<u1>"), "501 5.1.3"},
    {2, T("RCPT TO:<u1@>"), "501 5.1.3"},
    {2, T("RCPT TO:<postmaster>"), "250 2.1.5"},
    {2, T("RCPT TO:<PostMaster>"), "250 2.1.5"},
    {2, T("RCPT TO:<u1@host.example> NOTIFY=NEVER"), "555 5.5.4"},
    {2, T("RCPT TO:<u1@host.example> ORCPT=rfc822;a+0Ab"), "555 5.5.4"},
    {2, T("RCPT TO:<u1@HOST.example>"), "250 2.1.5"},
    {2, T("RCPT TO:<nobody@host.example>"), "550 5.1.1"},
    {2, T("RCPT TO:<u1@other.example>"), "550 5.7.1"},
    {2, T("RCPT TO:<u1%other.example@host.example>"), "550 5.1.1"},
    {2, T("RCPT TO:<other.example!u1@host.example>"), "550 5.1.1"},
    {2, T("RCPT TO:<\"u1@other.example\"@host.example>"), "550 5.1.1"},
    {2, T("RCPT TO:<@host.example:u1@other.example>"), "550 5.7.1"},
    {2, T("RCPT TO:<\xFC@host.example>"), "553 5.6.7"},
    {2, T("RCPT TO:<later@host.example>"), "451 4.3.0"},
    {3, T("DATA now"), "501 5.5.4"},
#undef T
};

static void lines_are_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct fixture f;
        begin(&f);
        gives(&f, phases[lines[i].phase].way);
        buf_clear(&f.out);
        give(&f, lines[i].line);
        gives(&f, "\r\n");
        if (strncmp(buf_str(&f.out), lines[i].code, strlen(lines[i].code)) != 0 &&
            strcmp(lines[i].code, "250") != 0)
            fail_msg("case %zu: %s is answered %s", i, lines[i].line.p, buf_str(&f.out));
        assert_int_equal(strncmp(buf_str(&f.out), lines[i].code, 3), 0);
        close_session(&f);
    }
}

static void helo_names_are_made_safe(void **state)
{
    const struct {
        const char *given, *kept;
    } names[] = {
        {"c.example", "c.example"},
        {"C.Example", "C.Example"},
        {"host", "host"},
        {"[192.0.2.1]", "[192.0.2.1]"},
        {"[IPv6:2001:DB8::1]", "[IPv6:2001:db8::1]"},
        {"[192.0.2.1", "unknown"},
        {"[192.0.2.1]x", "unknown"},
        {"[]", "unknown"},
        {"a_b.example", "unknown"},
        {"a b", "unknown"},
        {"(comment)", "unknown"},
        {"a\tb", "unknown"},
        {"\xC3\xA4.example", "unknown"},
        {"x\x1b[2J", "unknown"},
        {".", "unknown"},
        {"-", "unknown"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct fixture f;
        begin(&f);
        assert_string_equal(f.r.helo, "unknown");
        gives(&f, "EHLO ");
        gives(&f, names[i].given);
        gives(&f, "\r\n");
        expect_codes(&f, "250");
        assert_string_equal(f.r.helo, names[i].kept);
        assert_true(f.r.esmtp);
        close_session(&f);
    }
}

static const char whole[] = "EHLO c.example\r\n"
                            "MAIL FROM:<a@b.example> SIZE=30 BODY=8BITMIME\r\n"
                            "RCPT TO:<u1@host.example>\r\n"
                            "RCPT TO:<nobody@host.example>\r\n"
                            "RCPT TO:<alias@host.example>\r\n"
                            "RCPT TO:<u2@host.example>\r\n"
                            "DATA\r\n"
                            "|Subject: x\r\n\r\n..dot\r\n\x80\r\n.\r\n"
                            "NOOP\r\n"
                            "MAIL FROM:<>\r\n"
                            "RCPT TO:<u3@host.example>\r\n"
                            "DATA\r\n"
                            "|.\r\n"
                            "QUIT\r\n";
static const char whole_codes[] = "250 250 250 550 250 250 354 250 250 250 250 354 250 221";
static const char whole_stored[] = "<a@b.example> <USER1@OFFICE> <USER2@OFFICE>\n"
                                   "Subject: x\n\n.dot\n\x80\n"
                                   "<> <USER3@OFFICE>\n";

/* Plays `whole`, whose bars stand where a client waits for 354, in pieces cut at these places. */
static void play_whole(struct fixture *f, size_t cut, size_t size)
{
    struct span rest = SPAN(whole), group;
    size_t at = 0;

    begin(f);
    while (span_cut(&rest, '|', &group))
        while (group.n > 0) {
            size_t n = group.n;
            if (cut > at && cut - at < n)
                n = cut - at;
            if (size > 0 && size < n)
                n = size;
            give(f, (struct span){group.p, n});
            group = span_from(group, n);
            at += n;
        }
}

static void expect_whole(struct fixture *f)
{
    expect_codes(f, whole_codes);
    assert_string_equal(buf_str(&f->stored), whole_stored);
    assert_int_equal(f->r.phase, RECEIVER_CLOSED);
    assert_true(f->r.quit);
    assert_int_equal(f->commits, 2);
    assert_int_equal(f->dropped, 0);
}

static void any_split_gives_the_same(void **state)
{
    struct fixture f;

    (void)state;
    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        play_whole(&f, cut, 0);
        expect_whole(&f);
        close_session(&f);
    }
    for (size_t size = 1; size < 8; size++) {
        play_whole(&f, 0, size);
        expect_whole(&f);
        close_session(&f);
    }
}

static void input_waits_for_the_commit(void **state)
{
    struct span after = SPAN(".\r\nMAIL FROM:<x@y.example>\r\nNOOP\r\n");
    struct buf out = {0};
    struct fixture f;

    (void)state;
    begin(&f);
    gives(&f, phases[3].way);
    gives(&f, "DATA\r\n");
    assert_int_equal(receiver_input(&f.r, after, &out), 3);
    assert_int_equal(f.r.phase, RECEIVER_WAIT);
    assert_int_equal(out.len, 0);
    assert_int_equal(receiver_input(&f.r, span_from(after, 3), &out), 0);
    receiver_committed(&f.r, RECEIVER_GOOD, "SSMTP.JOB00001.D0000001.MAIL.T", &out);
    assert_string_equal(buf_str(&out), "250 2.0.0 SPOOLED AS SSMTP.JOB00001.D0000001.MAIL.T\r\n");
    assert_int_equal(receiver_input(&f.r, span_from(after, 3), &out), after.n - 3);
    assert_int_equal(f.r.phase, RECEIVER_MAIL);
    assert_string_equal(f.r.envelope.from.text, "x@y.example");
    assert_int_equal(f.r.envelope.nto, 0);
    buf_free(&out);
    close_session(&f);
}

static void what_the_commit_says_is_passed_on(void **state)
{
    const struct {
        enum receiver_verdict verdict;
        const char *reply;
    } cases[] = {
        {RECEIVER_GOOD, "250 2.0.0 SPOOLED AS NAME"},
        {RECEIVER_FULL, "452 4.3.1 No room for the message, try again later"},
        {RECEIVER_TROUBLE, "451 4.3.0 Local error, try again later"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture f;
        begin(&f);
        f.commit = cases[i].verdict;
        gives(&f, phases[3].way);
        gives(&f, "DATA\r\n");
        gives(&f, "x\r\n.\r\n");
        expect_last(&f, cases[i].reply);
        assert_int_equal(f.r.phase, RECEIVER_IDLE);
        gives(&f, phases[3].way);
        assert_int_equal(f.r.phase, RECEIVER_RCPT);
        close_session(&f);
    }
}

static void no_room_and_no_beginning(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    gives(&f, "EHLO c.example\r\n");
    f.room = RECEIVER_FULL;
    gives(&f, "MAIL FROM:<a@b.example>\r\nRCPT TO:<u1@host.example>\r\n");
    expect_codes(&f, "250 452 503");
    f.room = RECEIVER_GOOD;
    f.begin = RECEIVER_TROUBLE;
    gives(&f, "MAIL FROM:<a@b.example>\r\nRCPT TO:<u1@host.example>\r\nDATA\r\n");
    expect_codes(&f, "250 250 451");
    assert_int_equal(f.r.phase, RECEIVER_IDLE);
    assert_int_equal(f.dropped, 0);
    close_session(&f);
}

/* A message that can't be stored is read to its end, and its end decides. */
static void a_user_that_takes_no_text(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.refuse_text = true;
    f.commit = RECEIVER_FULL;
    gives(&f, phases[3].way);
    gives(&f, "DATA\r\n");
    gives(&f, "x\r\nQUIT\r\n.\r\nNOOP\r\n");
    expect_codes(&f, "250 250 250 354 452 250");
    assert_int_equal(f.took, 0);
    assert_int_equal(f.commits, 1);
    close_session(&f);
}

static void an_early_talker_is_refused(void **state)
{
    struct buf out = {0};
    struct fixture f;

    (void)state;
    open_session(&f);
    receiver_input(&f.r, SPAN("EHLO c.example\r\n"), &out);
    assert_int_equal(strncmp(buf_str(&out), "554 5.5.0 ", 10), 0);
    assert_int_equal(f.r.phase, RECEIVER_CLOSED);
    assert_int_equal(receiver_input(&f.r, SPAN("NOOP\r\n"), &out), 0);
    assert_int_equal(f.greeted, 0);
    buf_free(&out);
    close_session(&f);
}

/* RFC 2920 3.1: DATA is the last command of a group, lawful or not; else text could become commands
 * or commands text. */
static void nothing_may_come_behind_data(void **state)
{
    (void)state;
    for (size_t p = 0; p < COUNT(phases); p++)
        for (int how = 0; how < 3; how++) {
            struct fixture f;
            begin(&f);
            gives(&f, phases[p].way);
            buf_clear(&f.out);
            f.more = how == 0;
            gives(&f, how == 0   ? "DATA\r\n"
                      : how == 1 ? "DATA\r\nSubject: x\r\n\r\n.\r\nMAIL FROM:<x@y.example>\r\n"
                                 : "DATA\r\n.");
            expect_codes(&f, "554");
            assert_int_equal(f.r.phase, RECEIVER_CLOSED);
            assert_false(f.r.quit);
            assert_int_equal(f.begun, 0);
            close_session(&f);
        }
}

/* A line of that length in all, whose tail looks like commands from octet 513 on. */
static void long_line(struct buf *line, size_t length)
{
    buf_clear(line);
    buf_fill(line, 'x', 512);
    while (line->len < length)
        buf_adds(line, "\nQUIT\r ");
    line->len = length - 2;
    buf_adds(line, "\r\n");
}

static void over_long_lines(void **state)
{
    static const size_t lengths[] = {513, 514, 600, 1024, 65536, 262144};
    struct buf line = {0};
    struct fixture f;

    (void)state;
    begin(&f);
    buf_adds(&line, "NOOP ");
    buf_fill(&line, 'x', 512 - 7);
    buf_adds(&line, "\r\n");
    give(&f, BUF_SPAN(&line));
    expect_codes(&f, "250");
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t step = 0; step < 2; step++) {
            long_line(&line, lengths[i]);
            if (step == 0) {
                give(&f, BUF_SPAN(&line));
            } else {
                give(&f, (struct span){line.data, 512});
                assert_int_equal(f.out.len, 0);
                give(&f, span_from(BUF_SPAN(&line), 512));
            }
            expect_last(&f, "500 5.5.2 Command line longer than 512 octets");
            assert_int_equal(f.r.phase, RECEIVER_START);
        }
    gives(&f, "NOOP\r\n");
    expect_codes(&f, "250");
    buf_free(&line);
    close_session(&f);
}

static void bad_commands_have_an_end(void **state)
{
    struct fixture f;
    char got[4096];

    (void)state;
    begin(&f);
    for (unsigned i = 0; i < RECEIVER_ERRORS; i++) {
        gives(&f, "XXXX\r\n");
        expect_codes(&f, "500");
    }
    gives(&f, "NOOP\r\n");
    expect_codes(&f, "250");
    gives(&f, "MAIL FROM:<a@b.example>\r\n");
    expect_codes(&f, "421");
    assert_int_equal(f.r.phase, RECEIVER_CLOSED);
    close_session(&f);
    /* Addresses that are none count, and what comes behind the 421 is not looked at. */
    begin(&f);
    gives(&f, "EHLO c.example\r\n");
    for (unsigned i = 0; i < RECEIVER_ERRORS; i++)
        gives(&f, "MAIL FROM:<>>\r\n");
    codes(&f, got, sizeof(got));
    gives(&f, "MAIL FROM:<>>\r\nNOOP\r\n");
    expect_codes(&f, "421");
    close_session(&f);
}

static void a_message_clears_the_errors(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < RECEIVER_ERRORS; i++)
            gives(&f, "XXXX\r\n");
        gives(&f, phases[3].way);
        gives(&f, "DATA\r\n");
        gives(&f, ".\r\n");
        assert_int_equal(f.r.errors, 0);
    }
    assert_int_equal(f.commits, 3);
    close_session(&f);
}

static void idling_has_an_end(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    for (unsigned i = 0; i < RECEIVER_IDLING + RECEIVER_ERRORS; i++) {
        gives(&f, i % 2 ? "NOOP\r\n" : "RSET\r\n");
        expect_codes(&f, "250");
    }
    gives(&f, "HELP\r\n");
    expect_codes(&f, "421");
    close_session(&f);
}

static void strangers_have_an_end(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    gives(&f, phases[2].way);
    buf_clear(&f.out);
    for (unsigned i = 0; i < RECEIVER_STRANGERS; i++) {
        gives(&f, i % 2 ? "RCPT TO:<nobody@host.example>\r\n" : "RCPT TO:<u1@else.example>\r\n");
        expect_codes(&f, "550");
    }
    gives(&f, "RCPT TO:<u1@host.example>\r\n");
    expect_codes(&f, "250");
    gives(&f, "RCPT TO:<nobody@host.example>\r\n");
    expect_codes(&f, "421");
    close_session(&f);
    /* Who asks by VRFY is one of them. */
    begin(&f);
    f.site.vrfy = true;
    gives(&f, phases[2].way);
    f.r.strangers = RECEIVER_STRANGERS - 1;
    buf_clear(&f.out);
    gives(&f, "VRFY nobody\r\n");
    expect_codes(&f, "550");
    gives(&f, "VRFY two\r\n");
    expect_codes(&f, "553");
    gives(&f, "VRFY nobody\r\n");
    expect_codes(&f, "421");
    close_session(&f);
}

static void five_thousand_recipients(void **state)
{
    struct fixture f;
    struct buf group = {0};

    (void)state;
    begin(&f);
    gives(&f, phases[2].way);
    buf_clear(&f.out);
    for (unsigned i = 0; i < ENVELOPE_TO_MAX; i++)
        buf_printf(&group, "RCPT TO:<u%u@host.example>\r\n", i + 1);
    give(&f, BUF_SPAN(&group)); /* in one piece */
    struct span rest = BUF_SPAN(&f.out), line;
    size_t good = 0;
    while (span_line(&rest, &line))
        good += span_eq(line, SPAN("250 2.1.5 Recipient OK\r"));
    assert_int_equal(good, ENVELOPE_TO_MAX);
    assert_int_equal(f.r.envelope.nto, ENVELOPE_TO_MAX);
    buf_clear(&f.out);
    gives(&f, "RCPT TO:<u5001@host.example>\r\nRCPT TO:<u1@host.example>\r\n");
    expect_codes(&f, "452 452");
    assert_int_equal(f.r.envelope.nto, ENVELOPE_TO_MAX);
    gives(&f, "RSET\r\n");
    assert_int_equal(f.r.envelope.cap, 0); /* an idle session holds no memory */
    buf_free(&group);
    close_session(&f);
}

static void the_same_recipient_counts_once(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    gives(&f, phases[2].way);
    gives(&f, "RCPT TO:<u1@host.example>\r\nRCPT TO:<u1@HOST.EXAMPLE>\r\n"
              "RCPT TO:<u7@host.example>\r\nRCPT TO:<alias@host.example>\r\n");
    expect_codes(&f, "250 250 250 250 250 250");
    assert_int_equal(f.r.envelope.nto, 2);
    assert_string_equal(f.r.envelope.to[0].text, "USER1@OFFICE");
    assert_string_equal(f.r.envelope.to[1].text, "USER7@OFFICE");
    close_session(&f);
}

/* Texts that are refused after their real end. `times` of `piece` make them. */
static const struct {
    const char *head, *piece;
    size_t times;
    const char *tail, *reply;
} texts[] = {
    {"", "", 0, "a\nb\r\n", "550 5.6.11"},
    {"", "", 0, "a\rb\r\n", "550 5.6.11"},
    {"", "", 0, "a\r\n.\nMAIL FROM:<x@y.example>\r\n", "550 5.6.11"},
    {"", "", 0, "a\n.\r\nMAIL FROM:<x@y.example>\r\n", "550 5.6.11"},
    {"", "", 0, "a\n.\nQUIT\r\n", "550 5.6.11"},
    {"", "", 0, "a\r.\rQUIT\r\n", "550 5.6.11"},
    {"", "Received: by a\r\n", 99, "\r\n", "250 2.0.0"},
    {"", "Received: by a\r\n", 100, "\r\n", "554 5.4.6"},
    {"", "received:\r\n", 3000, "", "554 5.4.6"},
    {"X: y\r\n\r\n", "Received: by a\r\n", 200, "", "250 2.0.0"},
    {"", "X: 345678901234\r\n", 61680, "", "250 2.0.0"}, /* 1 MiB less 16 */
    {"", "X: 345678901234\r\n", 61681, "",
     "552 5.3.4 Message header"}, /* and one more than 1 MiB */
    {"\r\n", "12345678901234\r\n", 131071, "1234567890123\r\n", "552 5.3.4 Message too"},
    {"\r\n", "12345678901234\r\n", 131071, "123456789012\r\n", "250 2.0.0"},
    {"\r\n", "12345678901234\r\n", 131070, "123456789012\r\n..\nx\r\n", "550 5.6.11"},
    {"a\nb\r\n", "12345678901234\r\n", 140000, "", "552 5.3.4 Message too"},
    {"\r\n", "12345678901234\r\n", 140000, "\n.\nMAIL FROM:<x@y.example>\r\n", "552 5.3.4"},
};

/* A limit that was raised meanwhile does not bring back what was dropped. */
static void dropped_is_dropped(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    f.site.maxsize = 16;
    gives(&f, phases[3].way);
    gives(&f, "DATA\r\n");
    gives(&f, "more than sixteen octets\r\n");
    assert_int_equal(f.dropped, 1);
    f.site.maxsize = 1 << 20;
    buf_clear(&f.out);
    gives(&f, ".\r\n");
    expect_codes(&f, "552");
    assert_int_equal(f.commits, 0);
    close_session(&f);
}

static void bad_texts_are_refused_after_their_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t size = 65536; size > 100; size /= 13) {
            bool good = strncmp(texts[i].reply, "250", 3) == 0;
            struct fixture f;
            struct buf all = {0};
            begin(&f);
            f.site.maxsize = 2 << 20;
            gives(&f, phases[3].way);
            gives(&f, "DATA\r\n");
            buf_clear(&f.out);
            buf_adds(&all, texts[i].head);
            for (size_t n = 0; n < texts[i].times; n++)
                buf_adds(&all, texts[i].piece);
            buf_adds(&all, texts[i].tail);
            for (struct span rest = BUF_SPAN(&all); rest.n > 0; rest = span_from(rest, size))
                give(&f, (struct span){rest.p, rest.n < size ? rest.n : size});
            assert_int_equal(f.out.len, 0); /* nothing before the end */
            gives(&f, ".\r\nNOOP\r\n");
            if (strncmp(buf_str(&f.out), texts[i].reply, strlen(texts[i].reply)) != 0)
                fail_msg("case %zu: %s", i, buf_str(&f.out));
            assert_int_equal(f.commits, good);
            assert_int_equal(f.dropped, !good);
            assert_int_equal(f.stored.len > 0, good);
            assert_int_equal(f.r.phase, RECEIVER_IDLE);
            expect_codes(&f, good                                     ? "250 250"
                             : strncmp(texts[i].reply, "550", 3) == 0 ? "550 250"
                             : strncmp(texts[i].reply, "552", 3) == 0 ? "552 250"
                                                                      : "554 250");
            buf_free(&all);
            close_session(&f);
        }
}

static void stopping(void **state)
{
    static const enum receiver_phase at_once[] = {RECEIVER_START, RECEIVER_IDLE};
    struct fixture f;

    (void)state;
    for (size_t p = 0; p < COUNT(at_once); p++) {
        begin(&f);
        gives(&f, phases[p].way);
        buf_clear(&f.out);
        receiver_stop(&f.r, &f.out);
        expect_codes(&f, "421");
        assert_int_equal(f.r.phase, RECEIVER_CLOSED);
        close_session(&f);
    }
    /* A transaction in hand goes on to its end. */
    begin(&f);
    gives(&f, phases[2].way);
    buf_clear(&f.out);
    receiver_stop(&f.r, &f.out);
    assert_int_equal(f.out.len, 0);
    gives(&f, "RCPT TO:<u1@host.example>\r\nDATA\r\n");
    gives(&f, "x\r\n.\r\nNOOP\r\n");
    expect_codes(&f, "250 354 250 421");
    assert_int_equal(f.commits, 1);
    close_session(&f);
    begin(&f);
    gives(&f, phases[3].way);
    receiver_stop(&f.r, &f.out);
    gives(&f, "RSET\r\n");
    expect_codes(&f, "250 250 250 250 421");
    close_session(&f);
}

static void time_is_up(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    gives(&f, phases[3].way);
    gives(&f, "DATA\r\n");
    gives(&f, "half a mess");
    buf_clear(&f.out);
    receiver_expire(&f.r, &f.out);
    expect_last(&f, "421 4.4.2 Time is up, closing");
    assert_int_equal(f.dropped, 1);
    assert_int_equal(f.r.phase, RECEIVER_CLOSED);
    receiver_close(&f.r);
    assert_int_equal(f.dropped, 1);
    close_session(&f);
}

/* The same while the service ends: the words are others. */
static void time_is_up_while_it_stops(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    gives(&f, phases[3].way);
    gives(&f, "DATA\r\n");
    receiver_stop(&f.r, &f.out);
    buf_clear(&f.out);
    receiver_expire(&f.r, &f.out);
    assert_non_null(strstr(buf_str(&f.out), "421 "));
    assert_int_equal(f.dropped, 1);
    assert_int_equal(f.r.phase, RECEIVER_CLOSED);
    close_session(&f);
}

static void nothing_given_is_nothing_taken(void **state)
{
    struct fixture f;

    (void)state;
    open_session(&f);
    assert_int_equal(receiver_input(&f.r, SPAN(""), &f.out), 0);
    assert_int_equal(f.r.phase, RECEIVER_CONNECTED);
    assert_non_null(receiver_verb(0, NULL));
    close_session(&f);
}

static void a_lost_connection_drops_the_message(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    gives(&f, phases[3].way);
    gives(&f, "DATA\r\n");
    gives(&f, "half a mess");
    receiver_close(&f.r);
    assert_int_equal(f.dropped, 1);
    assert_int_equal(f.commits, 0);
    close_session(&f);
}

/* A client that does not read its replies is not worked for without bound. */
static void many_replies_stop_the_input(void **state)
{
    struct buf in = {0}, out = {0};
    struct fixture f;

    (void)state;
    begin(&f);
    for (int i = 0; i < 1000; i++)
        buf_adds(&in, "HELP\r\n");
    size_t taken = receiver_input(&f.r, BUF_SPAN(&in), &out);
    assert_true(taken < in.len && taken % 6 == 0);
    assert_true(out.len >= RECEIVER_REPLIES_MAX && out.len < RECEIVER_REPLIES_MAX + 2048);
    buf_free(&in);
    buf_free(&out);
    close_session(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_in_every_phase),
        cmocka_unit_test(ehlo_offers_what_holds),
        cmocka_unit_test(tls_begins_the_session_anew),
        cmocka_unit_test(nothing_comes_with_starttls),
        cmocka_unit_test(the_end_waits_for_a_handshake),
        cmocka_unit_test(logins_are_answered),
        cmocka_unit_test(the_exchange_of_rfc_7677),
        cmocka_unit_test(who_logged_in_sends_as_himself),
        cmocka_unit_test(long_responses),
        cmocka_unit_test(a_login_and_the_end),
        cmocka_unit_test(recipients_are_put_anew),
        cmocka_unit_test(help_shows_the_table),
        cmocka_unit_test(lines_are_answered),
        cmocka_unit_test(helo_names_are_made_safe),
        cmocka_unit_test(any_split_gives_the_same),
        cmocka_unit_test(input_waits_for_the_commit),
        cmocka_unit_test(what_the_commit_says_is_passed_on),
        cmocka_unit_test(no_room_and_no_beginning),
        cmocka_unit_test(a_user_that_takes_no_text),
        cmocka_unit_test(an_early_talker_is_refused),
        cmocka_unit_test(nothing_may_come_behind_data),
        cmocka_unit_test(over_long_lines),
        cmocka_unit_test(bad_commands_have_an_end),
        cmocka_unit_test(a_message_clears_the_errors),
        cmocka_unit_test(idling_has_an_end),
        cmocka_unit_test(strangers_have_an_end),
        cmocka_unit_test(five_thousand_recipients),
        cmocka_unit_test(the_same_recipient_counts_once),
        cmocka_unit_test(bad_texts_are_refused_after_their_end),
        cmocka_unit_test(dropped_is_dropped),
        cmocka_unit_test(stopping),
        cmocka_unit_test(vrfy_answers),
        cmocka_unit_test(vrfy_guesses),
        cmocka_unit_test(time_is_up),
        cmocka_unit_test(time_is_up_while_it_stops),
        cmocka_unit_test(nothing_given_is_nothing_taken),
        cmocka_unit_test(a_lost_connection_drops_the_message),
        cmocka_unit_test(many_replies_stop_the_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
