/* See session.h. */
#include "usmtp/session.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base64.h"
#include "usmtp/outcome.h"

static void enter(struct session *s, enum session_state state, struct buf *out);

/* Entry actions: what is sent on entering a state. */

static void send_ehlo(struct session *s, struct buf *out)
{
    buf_printf(out, "EHLO %s\r\n", s->host);
}

static void send_helo(struct session *s, struct buf *out)
{
    buf_printf(out, "HELO %s\r\n", s->host);
}

static void put_rcpt(const struct session_mail *mail, struct buf *out)
{
    buf_adds(out, "RCPT TO:");
    address_write(out, &mail->to);
    buf_adds(out, "\r\n");
}

static void put_mail(const struct session *s, const struct session_mail *mail, struct buf *out)
{
    buf_adds(out, "MAIL FROM:");
    address_write(out, &mail->from);
    if (s->features & FEATURE_SIZE)
        buf_printf(out, " SIZE=%" PRIu64, mail->octets);
    if (mail->eight_bit && s->features & FEATURE_8BITMIME)
        buf_adds(out, " BODY=8BITMIME");
    if (mail->utf8)
        buf_adds(out, " SMTPUTF8");
    buf_adds(out, "\r\n");
    if (s->features & FEATURE_PIPELINING) {
        put_rcpt(mail, out);
        buf_adds(out, "DATA\r\n");
    }
}

static void send_mail(struct session *s, struct buf *out)
{
    s->pipelined = s->features & FEATURE_PIPELINING;
    put_mail(s, &s->mail, out);
}

static void send_rcpt(struct session *s, struct buf *out)
{
    if (!s->pipelined)
        put_rcpt(&s->mail, out);
}

static void send_data(struct session *s, struct buf *out)
{
    if (!s->pipelined)
        buf_adds(out, "DATA\r\n");
}

static void send_starttls(struct session *s, struct buf *out)
{
    (void)s;
    buf_adds(out, "STARTTLS\r\n");
}

/* The initial response goes with the command where it fits; else the host asks for it. */
static void send_auth(struct session *s, struct buf *out)
{
    size_t room = COMMAND_LINE_MAX - sizeof("AUTH  \r\n") - strlen(s->mechanism->name);

    buf_printf(out, "AUTH %s", s->mechanism->name);
    if (s->mechanism->first && s->response.len <= room) {
        buf_reserve(out, s->response.len + 8);
        buf_addc(out, ' ');
        if (s->response.len == 0)
            buf_addc(out, '='); /* RFC 4954 4: empty, and yet there */
        buf_addspan(out, BUF_SPAN(&s->response));
        buf_wipe(&s->response);
        s->challenges = 1;
    }
    buf_adds(out, "\r\n");
}

static void send_cancel(struct session *s, struct buf *out)
{
    (void)s;
    buf_adds(out, "*\r\n");
}

static void send_rset(struct session *s, struct buf *out)
{
    (void)s;
    buf_adds(out, "RSET\r\n");
}

static void send_quit(struct session *s, struct buf *out)
{
    (void)s;
    buf_adds(out, "QUIT\r\n");
}

/* Transitions: what a whole reply means in a state. */

static void judge(struct session *s, const struct verdict *v)
{
    const unsigned most = sizeof(s->verdict) / sizeof(s->verdict[0]);

    if (s->verdicts < most) /* there are never more mails than that without one */
        s->verdict[s->verdicts++] = *v;
    s->mail_open = false;
}

/* After the reply to a text: the mail that was given ahead, if there is one. */
static void next_mail(struct session *s, struct buf *out)
{
    if (!s->has_ahead) {
        enter(s, SESSION_READY, out);
        return;
    }
    s->mail = s->ahead;
    s->has_ahead = false;
    s->mail_open = true;
    s->lost_rcpt = false;
    s->state = SESSION_MAIL; /* its commands were sent */
}

/* A reply that was not the wanted one. */
static void refused(struct session *s, struct buf *out)
{
    struct verdict v;
    enum session_state state = s->state;

    outcome_reply(&v, state, &s->reply);
    judge(s, &v);
    if (s->reply.code == 421 || v.kind == VERDICT_HOST) {
        if (s->reply.code == 421)
            enter(s, SESSION_CLOSED, out);
        else
            enter(s, SESSION_QUIT, out);
        return;
    }
    if (s->pipelined && (state == SESSION_MAIL || state == SESSION_RCPT)) {
        s->lost_rcpt = true;
        enter(s, state == SESSION_MAIL ? SESSION_RCPT : SESSION_DATA, out);
    } else if (state == SESSION_TERM) {
        next_mail(s, out);
    } else {
        enter(s, SESSION_RSET, out);
    }
}

static bool wanted(const struct session *s, unsigned class)
{
    return s->reply.code / 100 == class;
}

static void got_greeting(struct session *s, struct buf *out)
{
    if (wanted(s, 2))
        enter(s, SESSION_EHLO, out);
    else
        refused(s, out);
}

static const struct {
    const char *word;
    enum session_feature feature;
} keywords[] = {
    {"PIPELINING", FEATURE_PIPELINING},
    {"8BITMIME", FEATURE_8BITMIME},
    {"SIZE", FEATURE_SIZE},
    {"SMTPUTF8", FEATURE_SMTPUTF8},
    {"ENHANCEDSTATUSCODES", FEATURE_ENHANCED},
    {"STARTTLS", FEATURE_STARTTLS},
    {"AUTH", FEATURE_AUTH},
};

/* Also as AUTH=PLAIN, which is what the first servers wrote. */
static void take_mechanisms(struct session *s, struct span line)
{
    if (span_starts_nocase(line, SPAN("AUTH ")) || span_starts_nocase(line, SPAN("AUTH=")))
        s->offered |= mechanism_set(span_trim(span_from(line, 5)), ' ', NULL);
}

static void take_keyword(struct session *s, struct span line)
{
    struct span word = {line.p, span_find(line, ' ')};
    uint64_t limit;

    take_mechanisms(s, line);
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (!span_eq_nocase(word, span_of(keywords[i].word)))
            continue;
        s->features |= keywords[i].feature;
        if (keywords[i].feature == FEATURE_SIZE &&
            span_number(span_trim(span_from(line, word.n)), UINT64_MAX, &limit))
            s->size_limit = limit;
    }
}

/* The host has no TLS, and we must not go on without it: 4.7.4, whoever took it away. */
static void no_tls(struct session *s, struct buf *out)
{
    struct verdict v;

    outcome_local(&v, VERDICT_HOST, "4.7.4", "the host does not offer STARTTLS, which is demanded");
    judge(s, &v);
    enter(s, SESSION_QUIT, out);
}

/* A login that failed by our own finding. */
static void judge_login(struct session *s, const char *why)
{
    struct verdict v;

    outcome_local(&v, VERDICT_HOST, "4.7.0", why);
    v.login = true;
    judge(s, &v);
    buf_wipe(&s->response);
}

/* Of what the host offers and the route allows, what gives no secret away on this line. */
static unsigned lawful(const struct session *s)
{
    unsigned set = s->offered & s->allowed;

    if (!s->secure || !s->confides)
        set &= ~mechanism_revealing();
    if (!s->secure)
        set &= ~mechanism_with(PROOF_CERTIFICATE);
    return set;
}

/* No mail before the login, where there is to be one. */
static void ready(struct session *s, struct buf *out)
{
    const char *why = "the host offers none of the mechanisms that AUTH of the route allows";

    if (s->allowed == 0) {
        enter(s, SESSION_READY, out);
        return;
    }
    s->mechanism = mechanism_best(lawful(s));
    if (s->mechanism != NULL) {
        enter(s, SESSION_SECRET, out);
        return;
    }
    if (!(s->features & FEATURE_AUTH) && s->offered == 0)
        why = "the host offers no login (AUTH), which the route demands";
    else if (s->offered & s->allowed)
        why = "the host offers only mechanisms that send the secret itself, which needs "
              "TLS(VERIFY)";
    judge_login(s, why);
    enter(s, SESSION_QUIT, out);
}

static bool demands_tls(const struct session *s)
{
    return !s->secure && s->tls >= TLS_MUST;
}

static void greeted(struct session *s, struct buf *out)
{
    if (!s->secure && s->tls != TLS_NONE && s->features & FEATURE_STARTTLS)
        enter(s, SESSION_STARTTLS, out);
    else if (demands_tls(s))
        no_tls(s, out);
    else
        ready(s, out);
}

static void got_ehlo(struct session *s, struct buf *out)
{
    struct span rest, line;

    if (!wanted(s, 2)) {
        if (wanted(s, 5))
            enter(s, SESSION_HELO, out); /* a host of the old kind, RFC 5321 3.2 */
        else
            refused(s, out);
        return;
    }
    s->features = 0;
    s->offered = 0;
    s->size_limit = 0;
    rest = BUF_SPAN(&s->reply.text);
    span_line(&rest, &line); /* the host's name */
    while (span_line(&rest, &line))
        take_keyword(s, line);
    greeted(s, out);
}

static void got_helo(struct session *s, struct buf *out)
{
    if (!wanted(s, 2)) {
        refused(s, out);
        return;
    }
    s->features = 0;
    s->offered = 0;
    greeted(s, out);
}

static void got_starttls(struct session *s, struct buf *out)
{
    if (wanted(s, 2))
        enter(s, SESSION_TLS, out);
    else if (demands_tls(s))
        refused(s, out);
    else
        ready(s, out); /* RFC 3207 4: ours to go on in clear */
}

static void cancel(struct session *s, const char *why, struct buf *out)
{
    judge_login(s, why);
    enter(s, SESSION_CANCEL, out);
}

/* What the host wants to know: its line behind the code, which is nothing but base64. */
static const char *read_challenge(const struct session *s, struct buf *octets)
{
    struct span text = span_from(s->raw, 4);

    if (s->reply.lines != 1)
        return "the host's challenge has several lines";
    if (text.n > CHALLENGE_MAX)
        return "the host's challenge is longer than 12,288 octets";
    if (!base64_decode(text, octets))
        return "the host's challenge is not base64";
    return NULL;
}

/* Our response to it, in base64. */
static const char *respond(struct session *s, struct span challenge)
{
    const char *why = "memory is short";
    struct buf octets = {0};

    bool good = s->steps->step(s->steps_arg, challenge, &octets, &why) &&
                base64_encode(BUF_SPAN(&octets), &s->response);
    buf_wipe(&octets);
    return good ? NULL : why;
}

static void got_challenge(struct session *s, struct buf *out)
{
    struct buf octets = {0};
    bool asks = s->challenges++ == 0 && s->mechanism->first; /* for what was held back */

    const char *why = read_challenge(s, &octets);
    if (why == NULL && s->challenges > CHALLENGES_MAX)
        why = "the host's challenges have no end";
    if (why == NULL && asks && octets.len > 0)
        why = "the host's first challenge should be empty";
    if (why == NULL && !asks)
        why = respond(s, BUF_SPAN(&octets));
    buf_wipe(&octets);
    if (why != NULL) {
        cancel(s, why, out);
        return;
    }
    buf_reserve(out, s->response.len + 4);
    buf_addspan(out, BUF_SPAN(&s->response));
    buf_adds(out, "\r\n");
    buf_wipe(&s->response);
}

/* A token may have run out: it is found anew, once. */
static void login_refused(struct session *s, struct buf *out)
{
    buf_wipe(&s->response);
    if (s->renewed || s->mechanism->proof != PROOF_TOKEN || !wanted(s, 5)) {
        refused(s, out);
        return;
    }
    outcome_reply(&s->refusal, SESSION_AUTH, &s->reply);
    s->renewed = true;
    enter(s, SESSION_SECRET, out);
}

static void got_auth(struct session *s, struct buf *out)
{
    if (s->reply.code == 334) {
        got_challenge(s, out);
    } else if (s->reply.code != 235) {
        login_refused(s, out);
    } else if (s->steps->proved(s->steps_arg)) {
        enter(s, SESSION_READY, out);
    } else {
        judge_login(s, "the host took the login without the proof that it knows the secret");
        enter(s, SESSION_QUIT, out);
    }
}

static void got_cancel(struct session *s, struct buf *out)
{
    enter(s, SESSION_QUIT, out);
}

static void got_mail(struct session *s, struct buf *out)
{
    if (wanted(s, 2))
        enter(s, SESSION_RCPT, out);
    else
        refused(s, out);
}

static void got_rcpt(struct session *s, struct buf *out)
{
    if (s->lost_rcpt || wanted(s, 2)) /* lost: its verdict was given with MAIL's reply */
        enter(s, SESSION_DATA, out);
    else
        refused(s, out);
}

static void got_data(struct session *s, struct buf *out)
{
    if (s->lost_rcpt) {
        s->lost_rcpt = false;
        if (!wanted(s, 3)) {
            enter(s, SESSION_RSET, out); /* MAIL may have been taken: it is still open there */
            return;
        }
        /* RFC 2920 3.1: a server that wants text though nobody is to get it is given none. */
        buf_adds(out, ".\r\n");
        enter(s, SESSION_TERM, out);
        return;
    }
    if (wanted(s, 3))
        enter(s, SESSION_TEXT, out);
    else
        refused(s, out);
}

static void got_term(struct session *s, struct buf *out)
{
    struct verdict v;

    if (!s->mail_open) { /* the empty text after a refused recipient */
        enter(s, SESSION_READY, out);
        return;
    }
    if (!wanted(s, 2)) {
        refused(s, out);
        return;
    }
    outcome_sent(&v, &s->reply);
    judge(s, &v);
    next_mail(s, out);
}

static void got_rset(struct session *s, struct buf *out)
{
    enter(s, wanted(s, 2) ? SESSION_READY : SESSION_QUIT, out);
}

static void got_quit(struct session *s, struct buf *out)
{
    enter(s, SESSION_CLOSED, out);
}

/* A reply that nobody asked for: the two sides no longer agree on what was said. One that came
 * before the first mail must not look as if the host had served. */
static void got_unasked(struct session *s, struct buf *out)
{
    struct verdict v;

    if (s->state == SESSION_READY && s->mails == 0 && s->reply.code != 421) {
        outcome_local(&v, VERDICT_HOST, "4.5.0", "the host sent a reply out of turn");
        v.login = s->allowed != 0;
        judge(s, &v);
        enter(s, SESSION_CLOSED, out);
    } else if (s->reply.code == 421 && s->state == SESSION_READY)
        enter(s, SESSION_CLOSED, out);
    else
        session_lost(s, "the host sent a reply out of turn");
}

/* A reply while the text is still being sent: a refusal counts, and the connection is of no more
 * use. */
static void got_early(struct session *s, struct buf *out)
{
    struct verdict v;

    if (s->reply.code < 400) {
        got_unasked(s, out);
        return;
    }
    outcome_reply(&v, SESSION_TERM, &s->reply);
    judge(s, &v);
    enter(s, SESSION_CLOSED, out);
}

static const struct {
    const char *name;
    void (*entry)(struct session *s, struct buf *out);
    void (*transition)(struct session *s, struct buf *out);
    size_t timeout; /* offset of the time in struct site_timeouts */
} states[SESSION_STATES] = {
#define TIME(member) offsetof(struct site_timeouts, member)
    [SESSION_GREETING] = {"GREETING", NULL, got_greeting, TIME(greeting)},
    [SESSION_EHLO] = {"EHLO", send_ehlo, got_ehlo, TIME(command)},
    [SESSION_HELO] = {"HELO", send_helo, got_helo, TIME(command)},
    [SESSION_STARTTLS] = {"STARTTLS", send_starttls, got_starttls, TIME(command)},
    [SESSION_TLS] = {"TLS", NULL, NULL, TIME(command)},
    [SESSION_SECRET] = {"SECRET", NULL, got_unasked, TIME(command)},
    [SESSION_AUTH] = {"AUTH", send_auth, got_auth, TIME(command)},
    [SESSION_READY] = {"READY", NULL, got_unasked, TIME(command)},
    [SESSION_MAIL] = {"MAIL", send_mail, got_mail, TIME(command)},
    [SESSION_RCPT] = {"RCPT", send_rcpt, got_rcpt, TIME(command)},
    [SESSION_DATA] = {"DATA", send_data, got_data, TIME(data)},
    [SESSION_TEXT] = {"TEXT", NULL, got_early, TIME(block)},
    [SESSION_TERM] = {"TERM", NULL, got_term, TIME(termination)},
    [SESSION_RSET] = {"RSET", send_rset, got_rset, TIME(command)},
    [SESSION_CANCEL] = {"CANCEL", send_cancel, got_cancel, TIME(command)},
    [SESSION_QUIT] = {"QUIT", send_quit, got_quit, TIME(command)},
    [SESSION_CLOSED] = {"CLOSED", NULL, NULL, TIME(command)},
#undef TIME
};

static void enter(struct session *s, enum session_state state, struct buf *out)
{
    s->state = state;
    if (states[state].entry != NULL)
        states[state].entry(s, out);
}

void session_open(struct session *s, const char *host)
{
    *s = (struct session){.state = SESSION_GREETING};
    span_copy(span_of(host), s->host, sizeof(s->host));
}

void session_close(struct session *s)
{
    reply_free(&s->reply);
    buf_free(&s->line);
    buf_wipe(&s->response);
}

/* A whole line, without its end. */
static void take_line(struct session *s, struct span line, struct buf *out)
{
    enum reply_result r = reply_line(&s->reply, line);

    s->raw = line;
    if (r == REPLY_MORE)
        return;
    if (r == REPLY_MALFORMED)
        session_lost(s, "the host sent something that is no SMTP reply");
    else if (states[s->state].transition != NULL)
        states[s->state].transition(s, out);
    reply_clear(&s->reply);
}

void session_input(struct session *s, struct span octets, struct buf *out)
{
    struct span line;

    while (octets.n > 0 && s->state != SESSION_CLOSED) {
        if (s->state == SESSION_TLS) {
            session_unsecured(s, "the host spoke in clear before the TLS handshake");
            return;
        }
        /* In AUTH a line is as long as a challenge may be, and a little more, so that it is seen.
         */
        size_t most = s->state == SESSION_AUTH ? CHALLENGE_MAX + 8 : REPLY_LINE_MAX;
        if (!reply_collect_long(&s->line, &octets, most, &line))
            break;
        take_line(s, line, out);
        buf_clear(&s->line);
    }
    if (s->line.failed)
        session_lost(s, "memory is short");
}

void session_secured(struct session *s, struct buf *out)
{
    s->secure = true;
    s->offered = 0;
    s->features = 0;
    s->size_limit = 0;
    if (s->state == SESSION_TLS)
        enter(s, SESSION_EHLO, out);
}

void session_unsecured(struct session *s, const char *why)
{
    struct verdict v;

    outcome_local(&v, VERDICT_HOST, "4.7.5", why);
    judge(s, &v);
    s->state = SESSION_CLOSED;
}

void session_login(struct session *s, const struct session_steps *steps, void *arg, struct buf *out)
{
    const char *why = NULL;

    s->steps = steps;
    s->steps_arg = arg;
    s->challenges = 0;
    if (s->mechanism->first)
        why = respond(s, SPAN(""));
    if (why == NULL)
        enter(s, SESSION_AUTH, out);
    else
        session_no_login(s, why, out);
}

void session_no_login(struct session *s, const char *why, struct buf *out)
{
    if (why != NULL)
        judge_login(s, why);
    else
        judge(s, &s->refusal);
    enter(s, SESSION_QUIT, out);
}

static void refuse_here(struct session *s, const char *status, const char *why)
{
    struct verdict v;

    outcome_local(&v, VERDICT_NEVER, status, why);
    judge(s, &v);
}

/* Why the host cannot take the mail; NULL: it can, as far as is known. */
static const char *unable(const struct session *s, const struct session_mail *mail,
                          const char **status)
{
    if (s->size_limit > 0 && mail->octets > s->size_limit) {
        *status = "5.3.4";
        return "the mail is larger than the host announced to take";
    }
    if (mail->utf8 && !(s->features & FEATURE_SMTPUTF8)) {
        *status = "5.6.7";
        return "an address has letters that the host cannot take (no SMTPUTF8)";
    }
    return NULL;
}

bool session_mail(struct session *s, const struct session_mail *mail, struct buf *out)
{
    const char *status, *why = unable(s, mail, &status);

    s->mail = *mail;
    s->mails++;
    if (why != NULL) {
        refuse_here(s, status, why);
        return false;
    }
    s->mail_open = true;
    s->lost_rcpt = false;
    enter(s, SESSION_MAIL, out);
    return true;
}

bool session_takes_ahead(const struct session *s)
{
    return s->state == SESSION_TERM && s->mail_open && !s->has_ahead &&
           s->features & FEATURE_PIPELINING;
}

bool session_mail_ahead(struct session *s, const struct session_mail *mail, struct buf *out)
{
    const char *status;

    if (!session_takes_ahead(s) || unable(s, mail, &status) != NULL)
        return false;
    s->ahead = *mail;
    s->has_ahead = true;
    s->mails++;
    put_mail(s, mail, out);
    return true;
}

void session_text_sent(struct session *s)
{
    s->state = SESSION_TERM;
}

void session_quit(struct session *s, struct buf *out)
{
    enter(s, s->state == SESSION_READY ? SESSION_QUIT : SESSION_CLOSED, out);
}

void session_lost(struct session *s, const char *why)
{
    struct verdict v;

    if (s->state == SESSION_SECRET && s->renewed)
        judge(s, &s->refusal);
    else if (s->mail_open || (s->mails == 0 && s->state < SESSION_READY && s->verdicts == 0)) {
        outcome_local(&v, s->mail_open ? VERDICT_LATER : VERDICT_HOST, "4.4.2", why);
        judge(s, &v);
    }
    s->state = SESSION_CLOSED;
}

bool session_take_verdict(struct session *s, struct verdict *v)
{
    if (s->verdicts == 0)
        return false;
    *v = s->verdict[0];
    s->verdict[0] = s->verdict[1];
    s->verdicts--;
    return true;
}

uint64_t session_timeout(const struct session *s, const struct site_timeouts *t)
{
    return *(const uint64_t *)(const void *)((const char *)t + states[s->state].timeout);
}

const char *session_state_name(enum session_state state)
{
    return states[state].name;
}
