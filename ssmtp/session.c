/* See session.h. */
#include "ssmtp/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/reply.h"

static const enum answer verdict_answers[RECEIVER_VERDICTS] = {
    [RECEIVER_GOOD] = ANSWER_RECIPIENT,      [RECEIVER_UNKNOWN] = ANSWER_UNKNOWN_USER,
    [RECEIVER_NOT_OURS] = ANSWER_NOT_OURS,   [RECEIVER_FULL] = ANSWER_FULL,
    [RECEIVER_TROUBLE] = ANSWER_TROUBLE,     [RECEIVER_AMBIGUOUS] = ANSWER_AMBIGUOUS,
    [RECEIVER_NOT_YOURS] = ANSWER_NOT_YOURS, [RECEIVER_WRONG] = ANSWER_WRONG,
};

static void say_closing(struct receiver *r, enum answer a, struct buf *out)
{
    answer_say(a, out);
    r->phase = RECEIVER_CLOSED;
}

/* A bad command. */
static void refuse(struct receiver *r, enum answer a, struct buf *out)
{
    if (++r->errors > RECEIVER_ERRORS)
        say_closing(r, ANSWER_ERRORS, out);
    else
        answer_say(a, out);
}

static void drop_message(struct receiver *r, const char *why)
{
    if (r->message)
        r->events->drop(r->arg, why);
    r->message = false;
}

/* Forgets the transaction; an idle session holds no memory. */
static void forget(struct receiver *r)
{
    envelope_free(&r->envelope);
    free(r->seen);
    r->seen = NULL;
    r->seen_cap = 0;
    r->recipients = 0;
    r->size = 0;
}

/* No transaction any more. Its last reply was said. */
static void to_idle(struct receiver *r, struct buf *out)
{
    forget(r);
    r->phase = RECEIVER_IDLE;
    if (r->stopping)
        say_closing(r, ANSWER_STOPPING, out);
}

/* HELO and EHLO. */

/* The name in its written form if it is a domain or a literal, else "unknown": it goes into the
 * Received field. */
static void take_helo(struct receiver *r, struct span name)
{
    char mailbox[RECEIVER_LINE + 2] = "x@";
    struct address a;

    if (name.p[0] == '[' && span_copy(name, mailbox + 2, sizeof(mailbox) - 2) &&
        address_parse(span_of(mailbox), ADDRESS_BARE_OK, &a, NULL) == ADDRESS_GOOD)
        span_copy(address_domain(&a), r->helo, sizeof(r->helo));
    else if (!domain_valid(name, false) || !span_copy(name, r->helo, sizeof(r->helo)))
        span_copy(SPAN("unknown"), r->helo, sizeof(r->helo));
}

static struct auth_session auth_session(const struct receiver *r)
{
    return (struct auth_session){r->submission, r->secure, r->authenticated, r->esmtp};
}

static void begin_session(struct receiver *r, struct span args, bool esmtp, struct buf *out)
{
    struct buf text = {0};

    if (args.n == 0) {
        refuse(r, ANSWER_HELO_SYNTAX, out);
        return;
    }
    take_helo(r, args);
    r->esmtp = esmtp;
    const struct auth_session who = auth_session(r);
    r->events->greeted(r->arg, args);
    buf_adds(&text, r->site->host);
    if (esmtp)
        buf_printf(&text, "\nSIZE %" PRIu64 "\n8BITMIME\nPIPELINING\nENHANCEDSTATUSCODES\nHELP",
                   r->site->maxsize);
    if (esmtp && !r->secure && r->events->starttls(r->arg))
        buf_adds(&text, "\nSTARTTLS");
    if (esmtp)
        auth_offer(&who, &text);
    if (!reply_write(out, 250, NULL, BUF_SPAN(&text)) || text.failed)
        out->failed = true;
    buf_free(&text);
    to_idle(r, out);
}

static void do_helo(struct receiver *r, struct span args, struct buf *out)
{
    begin_session(r, args, false, out);
}

static void do_ehlo(struct receiver *r, struct span args, struct buf *out)
{
    begin_session(r, args, true, out);
}

/* A line may have held a password. */
static void clear_line(struct receiver *r)
{
    if (r->submission)
        explicit_bzero(r->line, r->line_len);
    buf_wipe(&r->long_line);
    r->line_len = 0;
    r->line_long = false;
}

/* STARTTLS. Nothing may come with it (its row says so): the reply is the last word in clear. */
static void do_starttls(struct receiver *r, struct span args, struct buf *out)
{
    if (args.n > 0) {
        refuse(r, ANSWER_NO_ARGUMENT, out);
    } else if (r->secure) {
        refuse(r, ANSWER_TLS_TWICE, out);
    } else if (!r->events->starttls(r->arg)) {
        refuse(r, ANSWER_NO_TLS, out);
    } else {
        answer_say(ANSWER_TLS, out);
        r->phase = RECEIVER_TLS;
    }
}

void receiver_secured(struct receiver *r, struct buf *out)
{
    r->secure = true;
    r->esmtp = false;
    span_copy(SPAN("unknown"), r->helo, sizeof(r->helo));
    forget(r);
    clear_line(r);
    r->line_cr = false;
    if (r->phase == RECEIVER_TLS)
        r->phase = RECEIVER_START;
    if (r->stopping)
        say_closing(r, ANSWER_STOPPING, out);
}

/* AUTH: auth.c says what is next. */

static struct sasl_users sasl_users(const struct receiver *r)
{
    return (struct sasl_users){r->events->secret, r->events->nonce, r->arg};
}

static void follow(struct receiver *r, struct auth_turn turn, struct buf *out)
{
    static const enum receiver_phase phases[] = {[AUTH_REFUSE] = RECEIVER_IDLE,
                                                 [AUTH_FAIL] = RECEIVER_IDLE,
                                                 [AUTH_DONE] = RECEIVER_IDLE,
                                                 [AUTH_ASK] = RECEIVER_AUTH,
                                                 [AUTH_CHECK] = RECEIVER_LOGIN};

    r->phase = phases[turn.next];
    if (turn.next == AUTH_DONE)
        r->authenticated = true;
    if (turn.next == AUTH_REFUSE)
        refuse(r, turn.answer, out);
    else if (turn.answer != ANSWER_NONE)
        answer_say(turn.answer, out);
    if (r->auth.wrong >= RECEIVER_LOGINS)
        say_closing(r, ANSWER_LOGINS, out);
    else if (r->stopping && r->phase == RECEIVER_IDLE)
        say_closing(r, ANSWER_STOPPING, out);
}

static void do_auth(struct receiver *r, struct span args, struct buf *out)
{
    const struct auth_session s = auth_session(r);
    const struct sasl_users users = sasl_users(r);

    follow(r, auth_command(&r->auth, &s, &users, args, out), out);
}

static void take_response(struct receiver *r, struct span text, struct buf *out)
{
    const struct sasl_users users = sasl_users(r);

    follow(r, auth_response(&r->auth, &users, text, out), out);
}

struct sasl *receiver_claim(struct receiver *r)
{
    return auth_claim(&r->auth);
}

void receiver_login(struct receiver *r, enum receiver_verdict v, struct sasl *claim,
                    struct buf *out)
{
    follow(r,
           auth_checked(&r->auth, claim,
                        v == RECEIVER_GOOD    ? AUTH_FITS
                        : v == RECEIVER_WRONG ? AUTH_WRONG
                                              : AUTH_UNCHECKED,
                        out),
           out);
}

/* MAIL and RCPT. */

/* Reads WORD:<path>; what stands behind it is left in *rest. False after a refusal. */
static bool take_path(struct receiver *r, struct span args, struct span word, unsigned flags,
                      struct address *a, struct span *rest, struct buf *out)
{
    bool sender = flags & ADDRESS_NULL_OK;
    enum address_error e;
    size_t used;

    if (!span_starts_nocase(args, word)) {
        refuse(r, sender ? ANSWER_MAIL_SYNTAX : ANSWER_RCPT_SYNTAX, out);
        return false;
    }
    args = span_trim(span_from(args, word.n));
    e = address_parse(args, flags | ADDRESS_PREFIX_OK, a, &used);
    *rest = span_trim(span_from(args, used));
    if (e == ADDRESS_GOOD && a->kind == DOMAIN_NONE && !address_is_null(a) &&
        !span_eq_nocase(address_local(a), SPAN("postmaster")))
        e = ADDRESS_NO_DOMAIN;
    if (e == ADDRESS_GOOD)
        return true;
    if (e == ADDRESS_BAD_OCTET && used < args.n && (unsigned char)args.p[used] >= 0x80)
        refuse(r, ANSWER_EIGHT_BIT, out);
    else if (++r->errors > RECEIVER_ERRORS)
        say_closing(r, ANSWER_ERRORS, out);
    else
        reply_write(out, 501, sender ? "5.1.7" : "5.1.3", span_of(address_strerror(e)));
    return false;
}

/* RFC 1870: 1 to 20 digits. */
static bool is_size(struct span value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < '0' || value.p[i] > '9')
            return false;
    return value.n > 0 && value.n <= 20;
}

static enum answer take_size(struct receiver *r, struct span value)
{
    uint64_t octets;

    if (!is_size(value))
        return ANSWER_SIZE_SYNTAX;
    if (!span_number(value, UINT64_MAX, &octets))
        octets = UINT64_MAX; /* 20 digits, but more than 64 bits */
    r->size = octets;
    return octets > r->site->maxsize ? ANSWER_TOO_LARGE : ANSWER_NONE;
}

static enum answer take_body(struct receiver *r, struct span value)
{
    (void)r;
    return span_eq_nocase(value, SPAN("7BIT")) || span_eq_nocase(value, SPAN("8BITMIME"))
               ? ANSWER_NONE
               : ANSWER_BODY_SYNTAX;
}

/* RFC 4954 5: whom the mail is of, as somebody else knows him. It means nothing here. */
static enum answer take_auth(struct receiver *r, struct span value)
{
    if (!r->submission || !r->secure)
        return ANSWER_PARAMETER;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < '!' || value.p[i] > '~' || value.p[i] == '=')
            return ANSWER_AUTH_PARAMETER;
    return value.n > 0 ? ANSWER_NONE : ANSWER_AUTH_PARAMETER;
}

static const struct {
    const char *keyword;
    enum answer (*take)(struct receiver *r, struct span value);
} parameters[] = {
    {"SIZE", take_size},
    {"BODY", take_body},
    {"AUTH", take_auth},
};
enum { PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

/* One parameter of MAIL; *given are those that came before it. */
static enum answer take_parameter(struct receiver *r, struct span word, unsigned *given)
{
    struct span keyword = {word.p, span_find(word, '=')};

    for (unsigned i = 0; i < PARAMETERS; i++) {
        if (!span_eq_nocase(keyword, span_of(parameters[i].keyword)))
            continue;
        if (*given & 1U << i)
            return ANSWER_TWICE;
        *given |= 1U << i;
        return parameters[i].take(r, span_from(word, keyword.n + 1));
    }
    return ANSWER_PARAMETER;
}

static enum answer take_parameters(struct receiver *r, struct span rest)
{
    enum answer a = ANSWER_NONE;
    unsigned given = 0;
    struct span word;

    r->size = 0;
    while (a == ANSWER_NONE && rest.n > 0 && span_cut(&rest, ' ', &word)) {
        if (word.n > 0)
            a = take_parameter(r, word, &given);
    }
    return a;
}

static void do_mail(struct receiver *r, struct span args, struct buf *out)
{
    struct address from;
    struct span rest;

    if (r->submission && !r->trusted && !r->authenticated) {
        refuse(r, r->secure ? ANSWER_LOGIN_FIRST : ANSWER_TLS_FIRST, out);
        return;
    }
    if (!take_path(r, args, SPAN("FROM:"), ADDRESS_NULL_OK, &from, &rest, out))
        return;
    enum answer a = take_parameters(r, rest);
    if (a == ANSWER_TOO_LARGE) {
        answer_say(a, out);
        return;
    }
    if (a != ANSWER_NONE) {
        refuse(r, a, out);
        return;
    }
    enum receiver_verdict v = r->authenticated ? r->events->sender(r->arg, &from) : RECEIVER_GOOD;
    if (v == RECEIVER_GOOD)
        v = r->events->room(r->arg, r->size);
    if (v != RECEIVER_GOOD) {
        answer_say(verdict_answers[v], out);
        return;
    }
    r->envelope.from = from;
    r->envelope.have_from = true;
    r->phase = RECEIVER_MAIL;
    answer_say(ANSWER_SENDER, out);
}

/* FNV-1a, without regard to case as far as ASCII has it: equal addresses have equal hashes. The
 * X-To come from the user table, so that nobody outside can make them collide. */
static uint32_t hash_of(const struct address *a)
{
    uint32_t h = 2166136261U;

    for (const char *p = a->text; *p != '\0'; p++)
        h = (h ^ ((unsigned char)*p | 0x20U)) * 16777619U;
    return h;
}

static bool room_in_seen(struct receiver *r)
{
    size_t cap = r->seen_cap ? r->seen_cap * 2 : 4;

    if (r->envelope.nto < r->seen_cap)
        return true;
    uint32_t *more = reallocarray(r->seen, cap, sizeof(*more));
    if (more == NULL)
        return false;
    r->seen = more;
    r->seen_cap = cap;
    return true;
}

/* Puts it into the envelope, once. */
static bool add_recipient(struct receiver *r, const struct address *to)
{
    uint32_t h = hash_of(to);

    for (size_t i = 0; i < r->envelope.nto; i++)
        if (r->seen[i] == h && address_eq(&r->envelope.to[i], to))
            return true;
    if (!room_in_seen(r) || !envelope_add(&r->envelope, to))
        return false;
    r->seen[r->envelope.nto - 1] = h;
    return true;
}

bool receiver_readdress(struct receiver *r,
                        bool (*map)(void *arg, const struct address *given, struct address *to),
                        void *arg)
{
    struct address *given = r->envelope.to, to;
    size_t n = r->envelope.nto;
    bool good = true;

    r->envelope.to = NULL;
    r->envelope.nto = r->envelope.cap = 0;
    for (size_t i = 0; good && i < n; i++)
        good = map(arg, &given[i], &to) && add_recipient(r, &to);
    free(given);
    return good;
}

/* Closes the session of one who asks for too many that are not there. */
static bool is_guessing(struct receiver *r, enum receiver_verdict v, struct buf *out)
{
    bool stranger = v == RECEIVER_UNKNOWN || v == RECEIVER_NOT_OURS;

    if (!stranger || ++r->strangers <= RECEIVER_STRANGERS)
        return false;
    say_closing(r, ANSWER_ERRORS, out);
    return true;
}

static void do_rcpt(struct receiver *r, struct span args, struct buf *out)
{
    struct address rcpt, to;
    struct span rest;

    if (!take_path(r, args, SPAN("TO:"), ADDRESS_LOCAL_OK, &rcpt, &rest, out))
        return;
    if (rest.n > 0) {
        refuse(r, ANSWER_PARAMETER, out);
        return;
    }
    if (r->recipients == ENVELOPE_TO_MAX) {
        answer_say(ANSWER_MANY_RECIPIENTS, out);
        return;
    }
    enum receiver_verdict v = r->events->recipient(r->arg, &rcpt, &to);
    if (is_guessing(r, v, out))
        return;
    if (v == RECEIVER_GOOD && !add_recipient(r, &to))
        v = RECEIVER_TROUBLE;
    if (v == RECEIVER_GOOD) {
        r->recipients++;
        r->phase = RECEIVER_RCPT;
    }
    answer_say(verdict_answers[v], out);
}

/* DATA. */

static void do_data(struct receiver *r, struct span args, struct buf *out)
{
    if (args.n > 0) {
        refuse(r, ANSWER_NO_ARGUMENT, out);
        return;
    }
    enum receiver_verdict v = r->events->begin(r->arg);
    if (v != RECEIVER_GOOD) {
        answer_say(verdict_answers[v], out);
        to_idle(r, out);
        return;
    }
    data_open(&r->data);
    r->message = true;
    r->refused = ANSWER_NONE;
    r->phase = RECEIVER_DATA;
    answer_say(ANSWER_GO_ON, out);
}

/* What is wrong with the text so far. */
static enum answer fault_of(const struct receiver *r)
{
    const struct {
        bool is;
        enum answer answer;
    } faults[] = {
        {r->data.octets > r->site->maxsize, ANSWER_TOO_LARGE},
        {r->data.faults != 0, ANSWER_BARE},
        {r->data.received >= RECEIVER_HOPS, ANSWER_LOOP},
        {r->data.header > RECEIVER_HEADER_MAX, ANSWER_LONG_HEADER},
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (faults[i].is)
            return faults[i].answer;
    return ANSWER_NONE;
}

static void end_text(struct receiver *r, struct buf *out)
{
    if (r->refused != ANSWER_NONE) {
        /* All of the text decides, in whatever pieces it came; a reload may have raised a limit. */
        enum answer a = fault_of(r);
        answer_say(a != ANSWER_NONE ? a : r->refused, out);
        to_idle(r, out);
        return;
    }
    r->message = false;
    r->phase = RECEIVER_WAIT;
}

static void take_text(struct receiver *r, struct span *in, struct buf *out)
{
    struct buf *to = r->message ? r->events->text(r->arg) : NULL;

    *in = span_from(*in, data_feed(&r->data, *in, to));
    if (r->message) {
        r->refused = fault_of(r);
        if (r->refused != ANSWER_NONE)
            drop_message(r, answer_text(r->refused));
        else if (to != NULL)
            r->events->took(r->arg);
    }
    if (data_ended(&r->data))
        end_text(r, out);
}

void receiver_committed(struct receiver *r, enum receiver_verdict v, const char *name,
                        struct buf *out)
{
    struct buf text = {0};

    if (v == RECEIVER_GOOD) {
        r->errors = r->idling = r->strangers = 0;
        buf_printf(&text, "SPOOLED AS %s", name);
        if (!reply_write(out, 250, "2.0.0", BUF_SPAN(&text)) || text.failed)
            out->failed = true;
        buf_free(&text);
    } else {
        answer_say(verdict_answers[v], out);
    }
    to_idle(r, out);
}

/* The other verbs. */

static void do_rset(struct receiver *r, struct span args, struct buf *out)
{
    if (args.n > 0) {
        refuse(r, ANSWER_NO_ARGUMENT, out);
        return;
    }
    answer_say(ANSWER_OK, out);
    if (r->phase != RECEIVER_START)
        to_idle(r, out);
}

static void do_noop(struct receiver *r, struct span args, struct buf *out)
{
    (void)r;
    (void)args; /* 4.1.1.9: a string may follow, and means nothing */
    answer_say(ANSWER_OK, out);
}

static void do_vrfy(struct receiver *r, struct span args, struct buf *out)
{
    struct buf text = {0};

    if (args.n == 0) {
        refuse(r, ANSWER_VRFY_SYNTAX, out);
        return;
    }
    if (!r->site->vrfy) {
        answer_say(ANSWER_VRFY, out); /* whoever it is: VRFY is no oracle */
        return;
    }
    enum receiver_verdict v = r->events->verify(r->arg, args, &text);
    if (v != RECEIVER_GOOD || text.failed) {
        if (!is_guessing(r, v, out))
            answer_say(v == RECEIVER_GOOD ? ANSWER_TROUBLE : verdict_answers[v], out);
    } else if (!reply_write(out, 250, "2.1.5", BUF_SPAN(&text))) {
        out->failed = true;
    }
    buf_free(&text);
}

static void do_quit(struct receiver *r, struct span args, struct buf *out)
{
    if (args.n > 0) {
        refuse(r, ANSWER_NO_ARGUMENT, out);
        return;
    }
    say_closing(r, ANSWER_BYE, out);
    r->quit = true;
}

static void do_help(struct receiver *r, struct span args, struct buf *out);

enum { GREETED = RECEIVER_START | RECEIVER_IDLE | RECEIVER_MAIL | RECEIVER_RCPT, NEVER = 0 };

/* `last`: it must be the last of a pipelined group (RFC 2920 3.1), and input behind it would be
 * taken for text by one side and for commands by the other. `idle`: it moves no mail. */
static const struct verb {
    const char *word, *syntax;
    unsigned phases; /* in which it is lawful */
    enum answer otherwise;
    bool last, idle;
    void (*run)(struct receiver *r, struct span args, struct buf *out);
    const char *help;
} verbs[] = {
    {"HELO", " domain", GREETED, ANSWER_GREETING_FIRST, false, true, do_helo, "begin a session"},
    {"EHLO", " domain", GREETED, ANSWER_GREETING_FIRST, false, true, do_ehlo,
     "begin a session, and hear what is offered"},
    {"MAIL", " FROM:<address> [SIZE=octets] [BODY=7BIT|8BITMIME]", RECEIVER_IDLE,
     ANSWER_NO_MAIL_HERE, false, false, do_mail, "begin a transaction; <> is for notices"},
    {"RCPT", " TO:<address>", RECEIVER_MAIL | RECEIVER_RCPT, ANSWER_NO_RCPT_HERE, false, false,
     do_rcpt, "add a recipient"},
    {"DATA", "", RECEIVER_RCPT, ANSWER_NO_DATA_HERE, true, false, do_data,
     "wait for 354, then send the text and a line with a dot"},
    {"STARTTLS", "", RECEIVER_IDLE, ANSWER_NO_TLS_HERE, true, true, do_starttls,
     "wait for 220, then begin TLS; only where EHLO offers it"},
    {"AUTH", " mechanism [initial-response]", RECEIVER_IDLE, ANSWER_NO_AUTH_HERE, true, true,
     do_auth, "log in; only where EHLO offers it"},
    {"RSET", "", GREETED, ANSWER_GREETING_FIRST, false, true, do_rset, "forget the transaction"},
    {"NOOP", " [text]", GREETED, ANSWER_GREETING_FIRST, false, true, do_noop, "do nothing"},
    {"VRFY", " user", GREETED, ANSWER_GREETING_FIRST, false, true, do_vrfy, "ask about a user"},
    {"EXPN", " list", NEVER, ANSWER_NO_EXPN, false, true, NULL, "not offered"},
    {"HELP", " [command]", GREETED, ANSWER_GREETING_FIRST, false, true, do_help, "show this"},
    {"QUIT", "", GREETED, ANSWER_GREETING_FIRST, false, true, do_quit, "end the session"},
};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static const struct verb *find_verb(struct span word)
{
    for (size_t i = 0; i < VERBS; i++)
        if (span_eq_nocase(word, span_of(verbs[i].word)))
            return &verbs[i];
    return NULL;
}

static void do_help(struct receiver *r, struct span args, struct buf *out)
{
    const struct verb *one = find_verb(args);
    struct buf text = {0};

    if (args.n > 0 && one == NULL) {
        refuse(r, ANSWER_NO_HELP, out);
        return;
    }
    for (size_t i = 0; i < VERBS; i++)
        if (one == NULL || one == &verbs[i])
            buf_printf(&text, "%s%s%s: %s", text.len > 0 ? "\n" : "", verbs[i].word,
                       verbs[i].syntax, verbs[i].help);
    if (!reply_write(out, 214, "2.0.0", BUF_SPAN(&text)) || text.failed)
        out->failed = true;
    buf_free(&text);
}

const char *receiver_verb(size_t i, unsigned *phases)
{
    if (i >= VERBS)
        return NULL;
    if (phases != NULL)
        *phases = verbs[i].phases;
    return verbs[i].word;
}

/* Lines. */

/* A response may be longer than other lines, and so may AUTH with one. */
static bool may_be_long(const struct receiver *r)
{
    struct span line = {r->line, r->line_len};

    return r->phase == RECEIVER_AUTH ||
           (r->submission && r->secure && span_starts_nocase(line, SPAN("AUTH ")));
}

static void keep_long(struct receiver *r, struct span s)
{
    struct buf *all = &r->long_line;

    if (all->len == 0 && buf_reserve(all, SASL_LINE)) /* at once: no copy stays behind */
        buf_add(all, r->line, r->line_len);
    if (all->failed || s.n > SASL_LINE - all->len)
        r->line_long = true;
    else
        buf_addspan(all, s);
}

static void keep_octets(struct receiver *r, struct span s)
{
    size_t room = sizeof(r->line) - r->line_len;
    struct span first = {s.p, s.n < room ? s.n : room};

    memcpy(r->line + r->line_len, first.p, first.n);
    r->line_len += first.n;
    s = span_from(s, first.n);
    if (s.n == 0 || r->line_long)
        return;
    if (may_be_long(r))
        keep_long(r, s);
    else
        r->line_long = true;
}

static struct span whole_line(const struct receiver *r)
{
    struct span line = {r->line, r->line_len};

    if (r->long_line.len > 0)
        line = BUF_SPAN(&r->long_line);
    return (struct span){line.p, line.n - 2};
}

/* Takes octets up to the next CR LF. True when it came; of a line that is too long the beginning
 * was kept. */
static bool gather_line(struct receiver *r, struct span *in)
{
    while (in->n > 0) {
        size_t end = span_find(*in, '\n');
        bool lf = end < in->n;
        bool cr = end > 0 ? in->p[end - 1] == '\r' : r->line_cr;

        keep_octets(r, (struct span){in->p, end + lf});
        *in = span_from(*in, end + lf);
        r->line_cr = cr && !lf;
        if (cr && lf)
            return true;
    }
    return false;
}

static bool has_stray_octet(struct span line)
{
    return span_find(line, '\r') < line.n || span_find(line, '\n') < line.n ||
           span_find(line, '\0') < line.n;
}

/* A whole line; `ahead`: more input came with it. */
static void take_command(struct receiver *r, struct span line, bool ahead, struct buf *out)
{
    size_t end = span_find(line, ' ');
    const struct verb *v = find_verb((struct span){line.p, end});

    if (has_stray_octet(line)) {
        refuse(r, ANSWER_LINE_OCTETS, out);
    } else if (v == NULL) {
        refuse(r, ANSWER_UNKNOWN_VERB, out);
    } else if (v->last && (ahead || r->events->more(r->arg))) {
        say_closing(r, ANSWER_AHEAD, out);
    } else if (v->idle && ++r->idling > RECEIVER_IDLING && ++r->errors > RECEIVER_ERRORS) {
        say_closing(r, ANSWER_ERRORS, out);
    } else if (!(v->phases & r->phase)) {
        refuse(r, v->otherwise, out);
    } else {
        v->run(r, span_trim(span_from(line, end)), out);
    }
}

static void take_line(struct receiver *r, struct span *in, struct buf *out)
{
    if (!gather_line(r, in))
        return;
    if (r->phase == RECEIVER_AUTH && r->line_long)
        follow(r, auth_break(&r->auth, ANSWER_AUTH_LONG), out);
    else if (r->line_long)
        refuse(r, may_be_long(r) ? ANSWER_AUTH_LONG : ANSWER_LINE_LONG, out);
    else if (r->phase == RECEIVER_AUTH)
        take_response(r, whole_line(r), out);
    else
        take_command(r, whole_line(r), in->n > 0, out);
    clear_line(r);
}

size_t receiver_input(struct receiver *r, struct span in, struct buf *out)
{
    size_t given = in.n;

    if (r->phase == RECEIVER_CONNECTED && in.n > 0)
        say_closing(r, ANSWER_EARLY, out);
    while (in.n > 0 && !(r->phase & RECEIVER_BUSY) && out->len < RECEIVER_REPLIES_MAX) {
        if (r->phase == RECEIVER_DATA)
            take_text(r, &in, out);
        else
            take_line(r, &in, out);
    }
    return given - in.n;
}

void receiver_open(struct receiver *r, const struct receiver_site *site,
                   const struct receiver_events *events, void *arg)
{
    *r = (struct receiver){.phase = RECEIVER_CONNECTED, .site = site, .events = events, .arg = arg};
    span_copy(SPAN("unknown"), r->helo, sizeof(r->helo));
}

void receiver_close(struct receiver *r)
{
    drop_message(r, "connection lost");
    forget(r);
    clear_line(r);
    auth_end(&r->auth);
    r->phase = RECEIVER_CLOSED;
}

void receiver_greet(struct receiver *r, struct buf *out)
{
    struct buf text = {0};

    buf_printf(&text, "%s ESMTP SSMTP", r->site->host);
    if (!reply_write(out, 220, NULL, BUF_SPAN(&text)) || text.failed)
        out->failed = true;
    buf_free(&text);
    r->phase = RECEIVER_START;
}

void receiver_stop(struct receiver *r, struct buf *out)
{
    r->stopping = true;
    if (r->phase & (RECEIVER_CONNECTED | RECEIVER_START | RECEIVER_IDLE | RECEIVER_AUTH))
        say_closing(r, ANSWER_STOPPING, out);
}

void receiver_expire(struct receiver *r, struct buf *out)
{
    drop_message(r, r->stopping ? "the service ended" : "time is up");
    say_closing(r, r->stopping ? ANSWER_STOPPING : ANSWER_TIME_UP, out);
}
