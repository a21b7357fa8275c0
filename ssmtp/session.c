/* See session.h. */
#include "ssmtp/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/reply.h"

/* Every fixed reply there is. */
enum answer {
    ANSWER_NONE,
    ANSWER_TLS,
    ANSWER_LOGGED_IN,
    ANSWER_BYE,
    ANSWER_OK,
    ANSWER_SENDER,
    ANSWER_RECIPIENT,
    ANSWER_VRFY,
    ANSWER_GO_ON,
    ANSWER_STOPPING,
    ANSWER_TIME_UP,
    ANSWER_ERRORS,
    ANSWER_TROUBLE,
    ANSWER_FULL,
    ANSWER_MANY_RECIPIENTS,
    ANSWER_NO_LOGIN_NOW,
    ANSWER_UNKNOWN_VERB,
    ANSWER_LINE_LONG,
    ANSWER_LINE_OCTETS,
    ANSWER_HELO_SYNTAX,
    ANSWER_MAIL_SYNTAX,
    ANSWER_RCPT_SYNTAX,
    ANSWER_VRFY_SYNTAX,
    ANSWER_NO_ARGUMENT,
    ANSWER_SIZE_SYNTAX,
    ANSWER_BODY_SYNTAX,
    ANSWER_TWICE,
    ANSWER_AUTH_SYNTAX,
    ANSWER_AUTH_PARAMETER,
    ANSWER_BASE64,
    ANSWER_EXCHANGE,
    ANSWER_CANCELLED,
    ANSWER_NO_AUTH,
    ANSWER_NO_AUTH_HERE,
    ANSWER_AUTH_TWICE,
    ANSWER_MECHANISM,
    ANSWER_TLS_FIRST,
    ANSWER_LOGIN_FIRST,
    ANSWER_WRONG,
    ANSWER_AUTH_CLEAR,
    ANSWER_LOGINS,
    ANSWER_NOT_YOURS,
    ANSWER_AUTH_LONG,
    ANSWER_NO_EXPN,
    ANSWER_NO_TLS,
    ANSWER_NO_TLS_HERE,
    ANSWER_TLS_TWICE,
    ANSWER_NO_MAIL_HERE,
    ANSWER_NO_RCPT_HERE,
    ANSWER_NO_DATA_HERE,
    ANSWER_GREETING_FIRST,
    ANSWER_NO_HELP,
    ANSWER_UNKNOWN_USER,
    ANSWER_NOT_OURS,
    ANSWER_BARE,
    ANSWER_TOO_LARGE,
    ANSWER_LONG_HEADER,
    ANSWER_EIGHT_BIT,
    ANSWER_LOOP,
    ANSWER_EARLY,
    ANSWER_AHEAD,
    ANSWER_PARAMETER,
    ANSWER_AMBIGUOUS,
    ANSWERS
};

static const struct {
    unsigned code;
    const char *enhanced, *text;
} answers[ANSWERS] = {
    [ANSWER_TLS] = {220, "2.0.0", "Begin TLS"},
    [ANSWER_LOGGED_IN] = {235, "2.7.0", "You are logged in"},
    [ANSWER_BYE] = {221, "2.0.0", "Goodbye"},
    [ANSWER_OK] = {250, "2.0.0", "OK"},
    [ANSWER_SENDER] = {250, "2.1.0", "Sender OK"},
    [ANSWER_RECIPIENT] = {250, "2.1.5", "Recipient OK"},
    [ANSWER_VRFY] = {252, "2.0.0", "Send mail and see: users are not told here"},
    [ANSWER_GO_ON] = {354, NULL, "Send the text, end with <CRLF>.<CRLF>"},
    [ANSWER_STOPPING] = {421, "4.3.2", "Service is closing down, come again"},
    [ANSWER_TIME_UP] = {421, "4.4.2", "Time is up, closing"},
    [ANSWER_ERRORS] = {421, "4.7.0", "Too many bad commands, closing"},
    [ANSWER_LOGINS] = {421, "4.7.0", "Too many logins failed, closing"},
    [ANSWER_TROUBLE] = {451, "4.3.0", "Local error, try again later"},
    [ANSWER_FULL] = {452, "4.3.1", "No room for the message, try again later"},
    [ANSWER_MANY_RECIPIENTS] = {452, "4.5.3", "Too many recipients, send to the others later"},
    [ANSWER_NO_LOGIN_NOW] = {454, "4.7.0", "Logins cannot be checked now, try again later"},
    [ANSWER_UNKNOWN_VERB] = {500, "5.5.1", "No such command, HELP lists them"},
    [ANSWER_LINE_LONG] = {500, "5.5.2", "Command line longer than 512 octets"},
    [ANSWER_AUTH_LONG] = {500, "5.5.6", "Authentication exchange longer than 12288 octets"},
    [ANSWER_LINE_OCTETS] = {500, "5.5.2", "Command line with NUL, or CR or LF alone"},
    [ANSWER_HELO_SYNTAX] = {501, "5.5.4", "Name yourself: EHLO domain"},
    [ANSWER_MAIL_SYNTAX] = {501, "5.5.4", "Write MAIL FROM:<address>"},
    [ANSWER_RCPT_SYNTAX] = {501, "5.5.4", "Write RCPT TO:<address>"},
    [ANSWER_VRFY_SYNTAX] = {501, "5.5.4", "Write VRFY user"},
    [ANSWER_NO_ARGUMENT] = {501, "5.5.4", "Nothing may follow this command"},
    [ANSWER_SIZE_SYNTAX] = {501, "5.5.4", "SIZE takes 1 to 20 digits"},
    [ANSWER_BODY_SYNTAX] = {501, "5.5.4", "BODY is 7BIT or 8BITMIME"},
    [ANSWER_TWICE] = {501, "5.5.4", "A parameter stands twice"},
    [ANSWER_AUTH_SYNTAX] = {501, "5.5.4", "Write AUTH mechanism [initial-response]"},
    [ANSWER_AUTH_PARAMETER] = {501, "5.5.4", "AUTH is <> or an address in xtext"},
    [ANSWER_BASE64] = {501, "5.5.2", "That is no base64"},
    [ANSWER_EXCHANGE] = {501, "5.5.2", "That does not belong into this exchange"},
    [ANSWER_CANCELLED] = {501, "5.7.0", "Cancelled"},
    [ANSWER_NO_EXPN] = {502, "5.5.1", "Lists are not expanded here"},
    [ANSWER_NO_TLS] = {502, "5.5.1", "TLS is not offered here"},
    [ANSWER_NO_AUTH] = {502, "5.5.1", "Nobody logs in at this service"},
    [ANSWER_NO_TLS_HERE] = {503, "5.5.1", "STARTTLS comes after EHLO, outside a transaction"},
    [ANSWER_NO_AUTH_HERE] = {503, "5.5.1", "AUTH comes after EHLO, outside a transaction"},
    [ANSWER_AUTH_TWICE] = {503, "5.5.1", "You are logged in already"},
    [ANSWER_TLS_TWICE] = {503, "5.5.1", "TLS is on already"},
    [ANSWER_NO_MAIL_HERE] = {503, "5.5.1", "MAIL comes after EHLO, once in a transaction"},
    [ANSWER_NO_RCPT_HERE] = {503, "5.5.1", "RCPT comes after MAIL"},
    [ANSWER_NO_DATA_HERE] = {503, "5.5.1", "DATA comes after MAIL and an accepted RCPT"},
    [ANSWER_GREETING_FIRST] = {503, "5.5.1", "Wait for the greeting"},
    [ANSWER_NO_HELP] = {504, "5.5.4", "There is no help on that"},
    [ANSWER_MECHANISM] = {504, "5.5.4", "This mechanism is not offered, EHLO lists them"},
    [ANSWER_TLS_FIRST] = {530, "5.7.0", "Issue STARTTLS first, then AUTH"},
    [ANSWER_LOGIN_FIRST] = {530, "5.7.0", "Log in first, by AUTH"},
    [ANSWER_WRONG] = {535, "5.7.8", "Name or password is wrong"},
    [ANSWER_AUTH_CLEAR] = {538, "5.7.11", "Nobody logs in without TLS: issue STARTTLS first"},
    [ANSWER_UNKNOWN_USER] = {550, "5.1.1", "No such user here"},
    [ANSWER_NOT_OURS] = {550, "5.7.1", "Not a domain of this host, and nothing is relayed"},
    [ANSWER_BARE] = {550, "5.6.11", "Text with NUL, or CR or LF alone: lines end with CRLF"},
    [ANSWER_TOO_LARGE] = {552, "5.3.4", "Message too large"},
    [ANSWER_LONG_HEADER] = {552, "5.3.4", "Message header larger than 1 MiB"},
    [ANSWER_EIGHT_BIT] = {553, "5.6.7", "Addresses must be ASCII, SMTPUTF8 is not offered"},
    [ANSWER_NOT_YOURS] = {553, "5.7.1", "Not your address: send as your own mail name"},
    [ANSWER_AMBIGUOUS] = {553, "5.1.4", "Ambiguous: several users have that name"},
    [ANSWER_LOOP] = {554, "5.4.6", "Too many Received fields: the mail goes in circles"},
    [ANSWER_EARLY] = {554, "5.5.0", "You spoke before the greeting, closing"},
    [ANSWER_AHEAD] = {554, "5.5.0", "Input came before the reply, closing"},
    [ANSWER_PARAMETER] = {555, "5.5.4", "Parameter not known here"},
};

static const enum answer verdict_answers[RECEIVER_VERDICTS] = {
    [RECEIVER_GOOD] = ANSWER_RECIPIENT,      [RECEIVER_UNKNOWN] = ANSWER_UNKNOWN_USER,
    [RECEIVER_NOT_OURS] = ANSWER_NOT_OURS,   [RECEIVER_FULL] = ANSWER_FULL,
    [RECEIVER_TROUBLE] = ANSWER_TROUBLE,     [RECEIVER_AMBIGUOUS] = ANSWER_AMBIGUOUS,
    [RECEIVER_NOT_YOURS] = ANSWER_NOT_YOURS, [RECEIVER_WRONG] = ANSWER_WRONG,
};

static void say(enum answer a, struct buf *out)
{
    reply_write(out, answers[a].code, answers[a].enhanced, span_of(answers[a].text));
}

static void say_closing(struct receiver *r, enum answer a, struct buf *out)
{
    say(a, out);
    r->phase = RECEIVER_CLOSED;
}

/* A bad command. */
static void refuse(struct receiver *r, enum answer a, struct buf *out)
{
    if (++r->errors > RECEIVER_ERRORS)
        say_closing(r, ANSWER_ERRORS, out);
    else
        say(a, out);
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

/* No exchange any more. */
static void end_exchange(struct receiver *r)
{
    sasl_free(r->sasl);
    r->sasl = NULL;
    r->phase = RECEIVER_IDLE;
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

static void offer_logins(const struct receiver *r, struct buf *text)
{
    if (!r->submission || !r->secure)
        return;
    buf_adds(text, "\nAUTH");
    for (size_t i = 0; sasl_name(i) != NULL; i++)
        buf_printf(text, " %s", sasl_name(i));
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
    r->events->greeted(r->arg, args);
    buf_adds(&text, r->site->host);
    if (esmtp)
        buf_printf(&text, "\nSIZE %" PRIu64 "\n8BITMIME\nPIPELINING\nENHANCEDSTATUSCODES\nHELP",
                   r->site->maxsize);
    if (esmtp && !r->secure && r->events->starttls(r->arg))
        buf_adds(&text, "\nSTARTTLS");
    if (esmtp)
        offer_logins(r, &text);
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
        say(ANSWER_TLS, out);
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

/* AUTH, RFC 4954. */

static void say_challenge(struct receiver *r, struct buf *challenge, struct buf *out)
{
    struct buf text = {0};

    if (!base64_encode(BUF_SPAN(challenge), &text) ||
        !reply_write(out, 334, NULL, BUF_SPAN(&text)) || text.failed)
        out->failed = true;
    buf_free(&text);
    r->phase = RECEIVER_AUTH;
}

static void log_in(struct receiver *r, struct buf *out)
{
    end_exchange(r);
    r->authenticated = true;
    say(ANSWER_LOGGED_IN, out);
    if (r->stopping)
        say_closing(r, ANSWER_STOPPING, out);
}

static void break_off(struct receiver *r, enum answer a, struct buf *out)
{
    end_exchange(r);
    refuse(r, a, out);
    if (r->stopping && r->phase != RECEIVER_CLOSED)
        say_closing(r, ANSWER_STOPPING, out);
}

static void go_on(struct receiver *r, enum sasl_result result, struct buf *challenge,
                  struct buf *out)
{
    switch (result) {
    case SASL_ASK:
        say_challenge(r, challenge, out);
        break;
    case SASL_CLAIM:
        r->phase = RECEIVER_LOGIN;
        break;
    case SASL_DONE:
        log_in(r, out);
        break;
    case SASL_MALFORMED:
        break_off(r, ANSWER_EXCHANGE, out);
        break;
    case SASL_TROUBLE:
        end_exchange(r);
        say(ANSWER_NO_LOGIN_NOW, out);
        break;
    }
}

static void take_response(struct receiver *r, struct span text, struct buf *out)
{
    const struct sasl_users users = {r->events->secret, r->events->nonce, r->arg};
    struct buf octets = {0}, challenge = {0};

    buf_reserve(&octets, text.n);
    if (span_eq(text, SPAN("*")))
        break_off(r, ANSWER_CANCELLED, out);
    else if (octets.failed)
        go_on(r, SASL_TROUBLE, NULL, out);
    else if (!base64_decode(text, &octets))
        break_off(r, ANSWER_BASE64, out);
    else
        go_on(r, sasl_step(r->sasl, &users, BUF_SPAN(&octets), &challenge), &challenge, out);
    buf_wipe(&octets);
    buf_wipe(&challenge);
}

/* Why there can be no login; NONE: there can. */
static enum answer no_login(const struct receiver *r)
{
    const struct {
        bool is;
        enum answer answer;
    } reasons[] = {
        {!r->submission, ANSWER_NO_AUTH},
        {!r->secure, ANSWER_AUTH_CLEAR},
        {r->authenticated, ANSWER_AUTH_TWICE},
        {!r->esmtp, ANSWER_NO_AUTH_HERE},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].is)
            return reasons[i].answer;
    return ANSWER_NONE;
}

static void do_auth(struct receiver *r, struct span args, struct buf *out)
{
    size_t end = span_find(args, ' ');
    struct span response = span_trim(span_from(args, end));
    enum answer a = no_login(r);
    bool known = true;

    if (a == ANSWER_NONE && (args.n == 0 || span_find(response, ' ') < response.n))
        a = ANSWER_AUTH_SYNTAX;
    if (a == ANSWER_NONE) {
        r->sasl = sasl_new((struct span){args.p, end}, &known);
        a = !known ? ANSWER_MECHANISM : r->sasl == NULL ? ANSWER_NO_LOGIN_NOW : ANSWER_NONE;
    }
    if (a != ANSWER_NONE) {
        refuse(r, a, out);
    } else if (response.n == 0) {
        struct buf greeting = {0};
        buf_adds(&greeting, sasl_greeting(r->sasl));
        say_challenge(r, &greeting, out);
        buf_free(&greeting);
    } else {
        take_response(r, span_eq(response, SPAN("=")) ? (struct span){"", 0} : response, out);
    }
}

struct sasl *receiver_claim(struct receiver *r)
{
    struct sasl *claim = r->sasl;

    r->sasl = NULL;
    return claim;
}

void receiver_login(struct receiver *r, enum receiver_verdict v, struct sasl *claim,
                    struct buf *out)
{
    struct buf challenge = {0};

    r->sasl = claim;
    if (v == RECEIVER_GOOD) {
        go_on(r, sasl_proven(claim, &challenge), &challenge, out);
        buf_free(&challenge);
        return;
    }
    end_exchange(r);
    say(v == RECEIVER_WRONG ? ANSWER_WRONG : ANSWER_NO_LOGIN_NOW, out);
    if (v == RECEIVER_WRONG && ++r->logins >= RECEIVER_LOGINS)
        say_closing(r, ANSWER_LOGINS, out);
    else if (r->stopping)
        say_closing(r, ANSWER_STOPPING, out);
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
        say(a, out);
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
        say(verdict_answers[v], out);
        return;
    }
    r->envelope.from = from;
    r->envelope.have_from = true;
    r->phase = RECEIVER_MAIL;
    say(ANSWER_SENDER, out);
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
        say(ANSWER_MANY_RECIPIENTS, out);
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
    say(verdict_answers[v], out);
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
        say(verdict_answers[v], out);
        to_idle(r, out);
        return;
    }
    data_open(&r->data);
    r->message = true;
    r->refused = ANSWER_NONE;
    r->phase = RECEIVER_DATA;
    say(ANSWER_GO_ON, out);
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
        say(a != ANSWER_NONE ? a : (enum answer)r->refused, out);
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
            drop_message(r, answers[r->refused].text);
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
        say(verdict_answers[v], out);
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
    say(ANSWER_OK, out);
    if (r->phase != RECEIVER_START)
        to_idle(r, out);
}

static void do_noop(struct receiver *r, struct span args, struct buf *out)
{
    (void)r;
    (void)args; /* 4.1.1.9: a string may follow, and means nothing */
    say(ANSWER_OK, out);
}

static void do_vrfy(struct receiver *r, struct span args, struct buf *out)
{
    struct buf text = {0};

    if (args.n == 0) {
        refuse(r, ANSWER_VRFY_SYNTAX, out);
        return;
    }
    if (!r->site->vrfy) {
        say(ANSWER_VRFY, out); /* whoever it is: VRFY is no oracle */
        return;
    }
    enum receiver_verdict v = r->events->verify(r->arg, args, &text);
    if (v != RECEIVER_GOOD || text.failed) {
        if (!is_guessing(r, v, out))
            say(v == RECEIVER_GOOD ? ANSWER_TROUBLE : verdict_answers[v], out);
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
        break_off(r, ANSWER_AUTH_LONG, out);
    else if (r->line_long)
        refuse(r, may_be_long(r) ? ANSWER_AUTH_LONG : ANSWER_LINE_LONG, out);
    else if (r->phase == RECEIVER_AUTH && has_stray_octet(whole_line(r)))
        break_off(r, ANSWER_BASE64, out);
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
    end_exchange(r);
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
