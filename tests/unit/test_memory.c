/* Memory that runs short at any place: every parser and session is run again and again, each time
 * with another allocation failing, once alone and once with all that follow. It must say so or do
 * without, and give back all it took. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/postoffice/lmtp.h"
#include "jobs/submit/jcl.h"
#include "jobs/submit/utility.h"
#include "lib/charset.h"
#include "lib/envelope.h"
#include "lib/reply.h"
#include "lib/site.h"
#include "sndmsg/nicknames.h"
#include "ssmtp/session.h"
#include "usertable/password.h"
#include "usertable/usertable.h"
#include "usmtp/logon.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The program's own allocator, which fails when told. A sanitizer has one already. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_ALLOCATOR 0
#endif
#endif
#ifndef OWN_ALLOCATOR
#define OWN_ALLOCATOR 1
#endif

static struct {
    unsigned long count, at; /* at 0: none fails */
    bool from;
    long live;
} plan;

#if OWN_ALLOCATOR
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);

static bool fails(void)
{
    plan.count++;
    if (plan.at == 0 || plan.count < plan.at || (plan.count > plan.at && !plan.from))
        return false;
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    plan.live += p != NULL;
    return p;
}

void *malloc(size_t n)
{
    return fails() ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t count, size_t n)
{
    return fails() ? NULL : counted(__libc_calloc(count, n));
}

void *realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    return p == NULL ? counted(__libc_realloc(p, n)) : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t count, size_t n)
{
    return count > 0 && n > SIZE_MAX / count ? NULL : realloc(p, count * n);
}

void free(void *p)
{
    plan.live -= p != NULL;
    __libc_free(p);
}
#endif

/* What is tried: true when it came out as without any shortage. */

static bool try_usertable(void)
{
    static const char text[] = "* comment\nCZQ14CD CDoaks LOGIN(joe) 'Chris Doaks'\n"
                               "ABCDEF \"A B\" FORWARD(x@far.example)\nX1 \xC3\x84rger\n";
    struct diag d = {0};
    struct user u;
    struct usertable *t = usertable_parse(SPAN(text), &d);

    if (t == NULL) {
        assert_non_null(strstr(d.text, "memory"));
        return false;
    }
    bool found = usertable_find(t, SPAN("\xC3\xA4RGER"), &u);
    usertable_free(t);
    return found;
}

static bool try_site(void)
{
    static const char text[] = "SYSTEM HOST(mail.example.org) SPOOL(/var/spool/x) USER(joe)\n"
                               "SMTP PATH(OUT) POSTOFFICE(MYHOST) DOMAINS(a.example,b.example)\n"
                               "     USERTABLE(/etc/x/USERTBL) CATALOG(/etc/x)\n"
                               "DELIVER LMTP(h:24) MAILDIR(%h/Maildir)\n"
                               "SERVICE NAME(USMTP)\nSERVICE NAME(SSMTP) PORT(25) ADDRESS(::1)\n"
                               "ROUTE DOMAIN(*) HOST(relay.example)\n"
                               "ROUTE DOMAIN(a.example) HOST([192.0.2.1]) PORT(26)\n";
    struct diag d = {0};
    struct site *site = site_parse(SPAN(text), "/etc/x/APPCFG00", &d);

    if (site == NULL)
        assert_non_null(strstr(d.text, "memory"));
    site_free(site);
    return site != NULL;
}

static bool try_deck(void)
{
    static const char text[] = "//JOB1 JOB 'x',CLASS=A\n//S1 EXEC PGM=IEBGENER\n"
                               "//SYSPRINT DD SYSOUT=*\n//SYSIN DD DUMMY\n"
                               "//SYSUT1 DD *\nX-From: <a@b>\ntext\n/*\n"
                               "//SYSUT2 DD SYSOUT=(A,INTRDR),DEST=RMT21,\n"
                               "//  DCB=(RECFM=FB,LRECL=80)\n//S2 EXEC PGM=NONE\n//\n";
    const char *programs[UTILITIES + 1];
    struct deck deck = {0};
    struct findings findings = {0};
    struct jcl jcl = {0};

    utility_names(programs);
    bool good =
        deck_parse(SPAN(text), &deck, &findings) && jcl_check(&deck, programs, &jcl, &findings);
    jcl_free(&jcl);
    deck_free(&deck);
    findings_free(&findings);
    return good;
}

static bool try_envelope(void)
{
    struct span rest = SPAN("X-From: <a@b.example>\nX-To: <c@d>\nX-To: e@f\nX-To: <g@h>\n"
                            "X-To: <i@j>\nX-To: <k@l>\nDATA\n"),
                line;
    struct envelope e = {0};
    struct buf out = {0};
    struct diag d = {0};
    bool good = true;

    while (good && span_line(&rest, &line))
        good = envelope_take(&e, line, &d) != ENVELOPE_BAD;
    if (!good)
        assert_true(d.memory);
    envelope_write(&out, &e.from, e.to, e.nto, false);
    good = good && !out.failed;
    buf_free(&out);
    envelope_free(&e);
    return good;
}

static bool try_nicknames(void)
{
    static const char text[] = ":nick.JOE :name.Joe Doe :addr.joe@example.org\n"
                               ":nick.ANN :userid.abaker\n:nick.TEAM :list.joe ann b@example.net\n";
    struct nicknames all = {0};
    struct diag d = {0};

    bool good = nicknames_parse(SPAN(text), &all, &d);
    if (!good)
        assert_true(d.text[0] != '\0' && all.count == 0);
    nicknames_free(&all);
    return good;
}

static bool try_reply(void)
{
    struct reply r = {0};
    struct buf out = {0};
    char words[64];

    assert_int_equal(reply_line(&r, SPAN("550-5.1.1 No such")), REPLY_MORE);
    assert_int_equal(reply_line(&r, SPAN("550 5.1.1 user")), REPLY_DONE);
    assert_int_equal(r.code, 550);
    reply_words(&r, words, sizeof(words));
    bool good = reply_write(&out, 550, "5.1.1", BUF_SPAN(&r.text));
    good = good && out.len == strlen("550-5.1.1 No such\r\n550 5.1.1 user\r\n");
    good = good && strcmp(words, "550 5.1.1 No such user") == 0;
    buf_free(&out);
    reply_free(&r);
    return good;
}

static bool try_charset(void)
{
    static const char *const names[] = {"UTF-8", "IBM-1047", "ISO-8859-1"};
    struct span text = SPAN("a \xC3\xA4 b\n");
    bool good = true;
    size_t bad = 0;

    for (size_t i = 0; i < COUNT(names); i++) {
        struct charset c;
        struct buf one = {0}, two = {0};
        good =
            good && charset_find(span_of(names[i]), &c) && charset_encode(&c, text, &one, &bad) &&
            charset_decode(&c, BUF_SPAN(&one), false, &two, &bad) && span_eq(BUF_SPAN(&two), text);
        buf_free(&one);
        buf_free(&two);
    }
    struct buf key = {0}, safe = {0};
    good = utf8_fold(SPAN("\xC3\x84rger"), &key) && utf8_safe(SPAN("a\x1B[m"), &safe) && good;
    buf_free(&key);
    buf_free(&safe);
    return good;
}

static bool try_sender(void)
{
    static const char *const lines[] = {
        "220 h\r\n",  "250-h\r\n250-SIZE 9999\r\n250 PIPELINING\r\n",
        "250 ok\r\n", "250 ok\r\n",
        "354 go\r\n", "250 2.0.0 sent\r\n"};
    struct session_mail mail = {.octets = 10};
    struct verdict v = {0};
    struct buf out = {0};
    struct session s;

    address_parse(SPAN("b@example.com"), ADDRESS_BARE_OK, &mail.to, NULL);
    session_open(&s, "mail.example.org");
    for (size_t i = 0; i < COUNT(lines) && s.state != SESSION_CLOSED; i++) {
        session_input(&s, span_of(lines[i]), &out);
        if (s.state == SESSION_READY && s.mails == 0)
            session_mail(&s, &mail, &out);
        if (s.state == SESSION_TEXT)
            session_text_sent(&s);
    }
    if (s.state != SESSION_READY)
        session_lost(&s, "cut");
    assert_true(session_take_verdict(&s, &v));
    bool good = v.kind == VERDICT_SENT && !out.failed && strcmp(v.text, "250 2.0.0 sent") == 0;
    /* What was said to the host is lost with `out`; a mail never counts as sent without its 250. */
    assert_true(v.kind != VERDICT_SENT || s.state == SESSION_READY);
    session_close(&s);
    buf_free(&out);
    return good;
}

/* One login; ready only when all of it was said. */
static bool log_in(const char *mechanism, const char *const *lines, const char *said)
{
    const struct logon_identity who = {"tim", SPAN("tanstaaf"), "relay.example", 587};
    struct session s;
    struct buf out = {0};
    struct logon *logon = NULL;

    session_open(&s, "mail.example.org");
    s.allowed = mechanism_set(span_of(mechanism), ',', NULL);
    s.state = SESSION_EHLO;
    s.secure = s.confides = true;
    session_input(&s, SPAN("250-h\r\n250 AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2\r\n"), &out);
    if (s.state == SESSION_SECRET && (logon = logon_new(s.mechanism, &who)) != NULL)
        session_login(&s, &logon_steps, logon, &out);
    for (size_t i = 0; lines[i] != NULL && s.state == SESSION_AUTH; i++)
        session_input(&s, span_of(lines[i]), &out);
    bool good = s.state == SESSION_READY && !out.failed && span_eq(BUF_SPAN(&out), span_of(said));
    session_close(&s);
    logon_free(logon);
    buf_wipe(&out);
    return good;
}

/* Not SCRAM: libgsasl loses a block there when one of its own allocations fails. */
static bool try_logins(void)
{
    static const char *const ok[] = {"235 ok\r\n", NULL};
    static const char *const login[] = {"334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n",
                                        "235 ok\r\n", NULL};
    static const char *const cram[] = {"334 PDFAeD4=\r\n", "235 ok\r\n", NULL};

    return log_in("PLAIN", ok, "AUTH PLAIN AHRpbQB0YW5zdGFhZg==\r\n") &&
           log_in("LOGIN", login, "AUTH LOGIN\r\ndGlt\r\ndGFuc3RhYWY=\r\n") &&
           log_in("CRAM-MD5", cram,
                  "AUTH CRAM-MD5\r\n"
                  "dGltIGQwYjJhODQ4Yjk0MGE4OGQyNTc5ODkwZjc2NWI4YmNl\r\n") &&
           log_in("XOAUTH2", ok, "AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgdGFuc3RhYWYBAQ==\r\n");
}

static bool try_lmtp(void)
{
    static const char *const lines[] = {"220 h\r\n",        "250-h\r\n250 PIPELINING\r\n",
                                        "250 ok\r\n",       "250 ok\r\n",
                                        "550 5.1.1 no\r\n", "354 go\r\n",
                                        "250 sent\r\n"};
    struct lmtp_recipient to[2];
    struct lmtp_mail mail = {.to = to, .n = 2};
    struct buf out = {0};
    struct lmtp l;

    memset(to, 0, sizeof(to));
    address_parse(SPAN("a@MYHOST"), ADDRESS_BARE_OK, &to[0].to, NULL);
    to[1].to = to[0].to;
    lmtp_open(&l, "mail.example.org");
    for (size_t i = 0; i < COUNT(lines) && l.state != LMTP_CLOSED; i++) {
        lmtp_input(&l, span_of(lines[i]), &out);
        if (l.state == LMTP_READY && i == 1)
            lmtp_mail(&l, &mail, &out);
        if (l.state == LMTP_TEXT)
            lmtp_text_sent(&l);
    }
    bool good = to[0].verdict == LMTP_DELIVERED && to[1].verdict == LMTP_NEVER && !out.failed &&
                strcmp(to[1].text, "550 5.1.1 no") == 0;
    lmtp_close(&l);
    buf_free(&out);
    return good;
}

/* The receiver's user: takes everything. */
struct store {
    struct buf text;
    bool open;
};

static void on_greeted(void *arg, struct span name)
{
    (void)arg;
    (void)name;
}

static enum receiver_verdict on_recipient(void *arg, const struct address *rcpt, struct address *to)
{
    (void)arg;
    *to = *rcpt;
    return RECEIVER_GOOD;
}

static enum receiver_verdict on_room(void *arg, uint64_t octets)
{
    (void)arg;
    (void)octets;
    return RECEIVER_GOOD;
}

static bool on_more(void *arg)
{
    (void)arg;
    return false;
}

static enum receiver_verdict on_begin(void *arg)
{
    ((struct store *)arg)->open = true;
    return RECEIVER_GOOD;
}

static struct buf *on_text(void *arg)
{
    return &((struct store *)arg)->text;
}

static void on_took(void *arg)
{
    (void)arg;
}

static void on_drop(void *arg, const char *why)
{
    assert_true(why[0] != '\0');
    ((struct store *)arg)->open = false;
}

static enum receiver_verdict on_verify(void *arg, struct span who, struct buf *to)
{
    (void)arg;
    return buf_add(to, who.p, who.n) ? RECEIVER_GOOD : RECEIVER_TROUBLE;
}

static bool on_starttls(void *arg)
{
    (void)arg;
    return false;
}

static bool try_receiver(void)
{
    static const struct receiver_events events = {
        on_greeted, on_recipient, on_room,     on_more, on_begin, on_text, on_took,
        on_drop,    on_verify,    on_starttls, NULL,    NULL,     NULL};
    static const struct receiver_site site = {
        .host = "mail.example.org", .maxsize = 100000, .vrfy = true};
    struct span in = SPAN("EHLO h.example\r\nHELP\r\nVRFY x\r\nMAIL FROM:<a@b.example>\r\n"
                          "RCPT TO:<c@d>\r\nRCPT TO:<e@d>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    struct span text = SPAN("Subject: x\r\n\r\n..dot\r\n.\r\n");
    struct store store = {0};
    struct receiver r;
    struct buf out = {0};

    receiver_open(&r, &site, &events, &store);
    receiver_greet(&r, &out);
    for (size_t n = 1; in.n > 0 && n > 0 && r.phase != RECEIVER_CLOSED; in = span_from(in, n))
        n = receiver_input(&r, in, &out);
    while (text.n > 0 && r.phase == RECEIVER_DATA) {
        size_t n = receiver_input(&r, text, &out);
        text = span_from(text, n);
        if (n == 0)
            break;
    }
    bool good =
        r.phase == RECEIVER_WAIT && !out.failed && !store.text.failed && r.envelope.nto == 2;
    if (r.phase == RECEIVER_WAIT)
        receiver_committed(&r, store.text.failed ? RECEIVER_TROUBLE : RECEIVER_GOOD, "X", &out);
    receiver_close(&r);
    buf_free(&store.text);
    buf_free(&out);
    return good;
}

static bool on_secret(void *arg, struct span name, struct scram_secret *s)
{
    (void)arg;
    (void)name;
    *s = (struct scram_secret){.iterations = 1, .salt_octets = 16};
    return scram_derive(SPAN("pencil"), s);
}

static bool on_nonce(void *arg, char out[SASL_NONCE + 1])
{
    (void)arg;
    return span_copy(SPAN("nonce"), out, SASL_NONCE + 1);
}

static void say(struct receiver *r, const char *line, struct buf *out)
{
    receiver_input(r, span_of(line), out);
    if (r->phase != RECEIVER_LOGIN)
        return;
    struct sasl *claim = receiver_claim(r);
    sasl_check(claim);
    receiver_login(r, claim->fits ? RECEIVER_GOOD : RECEIVER_TROUBLE, claim, out);
}

/* A SCRAM exchange as far as its proof, which is malformed, and then PLAIN. */
static bool try_login(void)
{
    static const struct receiver_events events = {.greeted = on_greeted,
                                                  .more = on_more,
                                                  .starttls = on_starttls,
                                                  .secret = on_secret,
                                                  .nonce = on_nonce};
    static const struct receiver_site site = {.host = "mail.example.org", .maxsize = 100000};
    struct receiver r;
    struct buf out = {0};

    receiver_open(&r, &site, &events, NULL);
    r.submission = true;
    receiver_secured(&r, &out);
    receiver_greet(&r, &out);
    say(&r, "EHLO h.example\r\n", &out);
    say(&r, "AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n", &out);
    bool good = r.phase == RECEIVER_AUTH;
    if (good)
        say(&r, "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU9ub25jZSxwPUFB\r\n", &out);
    say(&r, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", &out);
    good = good && r.authenticated && !out.failed;
    receiver_close(&r);
    buf_free(&out);
    return good;
}

static bool try_passwords(void)
{
    struct scram_secret s = {.iterations = 4096, .salt_octets = SCRAM_SALT};
    struct buf text = {0};
    struct diag d;

    struct passwords *p =
        passwords_edit(SPAN(""), "ABC", &s, &text) ? passwords_parse(BUF_SPAN(&text), &d) : NULL;
    bool good = p != NULL;
    passwords_free(p);
    buf_free(&text);
    return good;
}

static const struct {
    const char *name;
    bool (*attempt)(void);
} attempts[] = {
    {"usertable", try_usertable}, {"site", try_site},     {"deck", try_deck},
    {"envelope", try_envelope},   {"reply", try_reply},   {"nicknames", try_nicknames},
    {"charset", try_charset},     {"sender", try_sender}, {"lmtp", try_lmtp},
    {"receiver", try_receiver},   {"login", try_login},   {"passwords", try_passwords},
    {"logins", try_logins},
};

/* Until a run makes fewer allocations than the one that is to fail. */
static void sweep(const char *name, bool (*attempt)(void), bool from)
{
    unsigned long at = 1, shortages = 0;

    for (bool over = false; !over; at++) {
        long live = plan.live;
        plan.count = 0;
        plan.at = at;
        plan.from = from;
        bool good = attempt();
        over = plan.count < at;
        plan.at = 0;
        shortages += !good;
        if (over && !good)
            fail_msg("%s: fails though nothing is short", name);
        if (plan.live != live)
            fail_msg("%s: %ld left when number %lu fails", name, plan.live - live, at);
        assert_true(at < 100000);
    }
    if (shortages == 0)
        fail_msg("%s: no shortage was felt", name);
}

static void test_shortages(void **state)
{
    (void)state;
    if (!OWN_ALLOCATOR)
        skip();
    for (size_t i = 0; i < COUNT(attempts); i++) {
        assert_true(attempts[i].attempt()); /* what is made once and kept, is made now */
        sweep(attempts[i].name, attempts[i].attempt, false);
        sweep(attempts[i].name, attempts[i].attempt, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shortages)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
