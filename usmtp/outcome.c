/* See outcome.h. */
#include "usmtp/outcome.h"

#include <stdio.h>

/* Which kind of verdict a reply class brings in a state. Before the first mail a refusal concerns
 * the host, not the mail: another host, or another hour, may do better. */
static const struct {
    enum verdict_kind transient, permanent;
} policy[SESSION_STATES] = {
    [SESSION_GREETING] = {VERDICT_HOST, VERDICT_HOST},
    [SESSION_EHLO] = {VERDICT_HOST, VERDICT_HOST},
    [SESSION_HELO] = {VERDICT_HOST, VERDICT_HOST},
    [SESSION_STARTTLS] = {VERDICT_HOST, VERDICT_HOST},
    [SESSION_AUTH] = {VERDICT_HOST, VERDICT_HOST},
    [SESSION_MAIL] = {VERDICT_LATER, VERDICT_NEVER},
    [SESSION_RCPT] = {VERDICT_LATER, VERDICT_NEVER},
    [SESSION_DATA] = {VERDICT_LATER, VERDICT_NEVER},
    [SESSION_TERM] = {VERDICT_LATER, VERDICT_NEVER},
    [SESSION_RSET] = {VERDICT_HOST, VERDICT_HOST},
    [SESSION_CANCEL] = {VERDICT_HOST, VERDICT_HOST},
};

/* Replies that mean something else than their class, wherever they come. */
static const struct {
    unsigned short code;
    enum verdict_kind kind;
} exceptions[] = {
    {421, VERDICT_LATER}, /* the host closes: the mail may go at once by another connection */
    {503, VERDICT_LATER}, /* bad sequence: the two sides disagree, and the mail is not to blame */
    {530, VERDICT_LATER}, /* authentication wanted or refused: ours to configure, so mail waits */
    {534, VERDICT_LATER}, {535, VERDICT_LATER}, {538, VERDICT_LATER},
};

static enum verdict_kind judge(enum session_state state, const struct reply *r)
{
    bool before_mail = policy[state].permanent == VERDICT_HOST;

    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]) && !before_mail; i++)
        if (exceptions[i].code == r->code)
            return exceptions[i].kind;
    if (r->code >= 500)
        return policy[state].permanent;
    return policy[state].transient; /* also a 2xx or 3xx that makes no sense here */
}

void outcome_reply(struct verdict *v, enum session_state state, const struct reply *r)
{
    *v = (struct verdict){.kind = judge(state, r), .remote = true};
    v->login = state == SESSION_AUTH && r->code >= 500;
    reply_enhanced(r, v->status);
    if (r->code < 400 || v->status[0] == '\0') /* it made no sense where it came */
        snprintf(v->status, sizeof(v->status), "4.5.0");
    reply_words(r, v->text, sizeof(v->text));
}

void outcome_sent(struct verdict *v, const struct reply *r)
{
    *v = (struct verdict){.kind = VERDICT_SENT, .remote = true};
    reply_enhanced(r, v->status);
    reply_words(r, v->text, sizeof(v->text));
}

void outcome_local(struct verdict *v, enum verdict_kind kind, const char *status, const char *text)
{
    *v = (struct verdict){.kind = kind};
    snprintf(v->status, sizeof(v->status), "%s", status);
    snprintf(v->text, sizeof(v->text), "%s", text);
}
