/* See auth.h. */
#include "ssmtp/auth.h"

#include "lib/base64.h"
#include "lib/reply.h"

void auth_end(struct auth *a)
{
    sasl_free(a->sasl);
    a->sasl = NULL;
}

struct auth_turn auth_break(struct auth *a, enum answer why)
{
    auth_end(a);
    return (struct auth_turn){AUTH_REFUSE, why};
}

static struct auth_turn ask(const struct buf *challenge, struct buf *out)
{
    struct buf text = {0};

    if (!base64_encode(BUF_SPAN(challenge), &text) ||
        !reply_write(out, 334, NULL, BUF_SPAN(&text)) || text.failed)
        out->failed = true;
    buf_free(&text);
    return (struct auth_turn){AUTH_ASK, ANSWER_NONE};
}

static struct auth_turn go_on(struct auth *a, enum sasl_result result, const struct buf *challenge,
                              struct buf *out)
{
    static const struct auth_turn turns[] = {
        [SASL_CLAIM] = {AUTH_CHECK, ANSWER_NONE},
        [SASL_DONE] = {AUTH_DONE, ANSWER_LOGGED_IN},
        [SASL_MALFORMED] = {AUTH_REFUSE, ANSWER_EXCHANGE},
        [SASL_TROUBLE] = {AUTH_FAIL, ANSWER_NO_LOGIN_NOW},
    };

    if (result == SASL_ASK)
        return ask(challenge, out);
    if (result != SASL_CLAIM)
        auth_end(a);
    return turns[result];
}

struct auth_turn auth_response(struct auth *a, const struct sasl_users *users, struct span text,
                               struct buf *out)
{
    struct buf octets = {0}, challenge = {0};
    struct auth_turn turn;

    buf_reserve(&octets, text.n);
    if (span_eq(text, SPAN("*")))
        turn = auth_break(a, ANSWER_CANCELLED);
    else if (octets.failed)
        turn = go_on(a, SASL_TROUBLE, NULL, out);
    else if (!base64_decode(text, &octets))
        turn = auth_break(a, ANSWER_BASE64);
    else
        turn = go_on(a, sasl_step(a->sasl, users, BUF_SPAN(&octets), &challenge), &challenge, out);
    buf_wipe(&octets);
    buf_wipe(&challenge);
    return turn;
}

/* Why there can be no login; NONE: there can. */
static enum answer no_login(const struct auth_session *s)
{
    const struct {
        bool is;
        enum answer answer;
    } reasons[] = {
        {!s->submission, ANSWER_NO_AUTH},
        {!s->secure, ANSWER_AUTH_CLEAR},
        {s->authenticated, ANSWER_AUTH_TWICE},
        {!s->esmtp, ANSWER_NO_AUTH_HERE},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].is)
            return reasons[i].answer;
    return ANSWER_NONE;
}

void auth_offer(const struct auth_session *s, struct buf *text)
{
    if (!s->submission || !s->secure)
        return;
    buf_adds(text, "\nAUTH");
    for (size_t i = 0; sasl_name(i) != NULL; i++)
        buf_printf(text, " %s", sasl_name(i));
}

/* Without an initial response. */
static struct auth_turn greet(const struct auth *a, struct buf *out)
{
    struct buf greeting = {0};

    buf_adds(&greeting, sasl_greeting(a->sasl));
    struct auth_turn turn = ask(&greeting, out);
    buf_free(&greeting);
    return turn;
}

struct auth_turn auth_command(struct auth *a, const struct auth_session *s,
                              const struct sasl_users *users, struct span args, struct buf *out)
{
    size_t end = span_find(args, ' ');
    struct span response = span_trim(span_from(args, end));
    enum answer why = no_login(s);
    bool known = true;

    if (why == ANSWER_NONE && (args.n == 0 || span_find(response, ' ') < response.n))
        why = ANSWER_AUTH_SYNTAX;
    if (why == ANSWER_NONE) {
        a->sasl = sasl_new((struct span){args.p, end}, &known);
        why = !known ? ANSWER_MECHANISM : a->sasl == NULL ? ANSWER_NO_LOGIN_NOW : ANSWER_NONE;
    }
    if (why != ANSWER_NONE)
        return auth_break(a, why);
    if (response.n == 0)
        return greet(a, out);
    return auth_response(a, users, span_eq(response, SPAN("=")) ? SPAN("") : response, out);
}

struct sasl *auth_claim(struct auth *a)
{
    struct sasl *claim = a->sasl;

    a->sasl = NULL;
    return claim;
}

struct auth_turn auth_checked(struct auth *a, struct sasl *claim, enum auth_verdict v,
                              struct buf *out)
{
    static const struct auth_turn failed[] = {[AUTH_WRONG] = {AUTH_FAIL, ANSWER_WRONG},
                                              [AUTH_UNCHECKED] = {AUTH_FAIL, ANSWER_NO_LOGIN_NOW}};
    struct buf challenge = {0};

    a->sasl = claim;
    if (v != AUTH_FITS) {
        auth_end(a);
        a->wrong += v == AUTH_WRONG;
        return failed[v];
    }
    struct auth_turn turn = go_on(a, sasl_proven(claim, &challenge), &challenge, out);
    buf_free(&challenge);
    return turn;
}
