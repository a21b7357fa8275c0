/* See lmtp.h. */
#include "jobs/postoffice/lmtp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void enter(struct lmtp *l, enum lmtp_state state, struct buf *out);

/* Verdicts. */

/* Refusals that are ours to mend, so the mail waits: authentication, and words not understood. */
static const unsigned short ours_to_mend[] = {500, 502, 503, 530, 534, 535, 538};

static enum lmtp_verdict class_verdict(const struct reply *r)
{
    for (size_t i = 0; i < sizeof(ours_to_mend) / sizeof(ours_to_mend[0]); i++)
        if (r->code == ours_to_mend[i])
            return LMTP_LATER;
    return r->code >= 500 ? LMTP_NEVER : LMTP_LATER;
}

static void judge(const struct lmtp *l, struct lmtp_recipient *to, enum lmtp_verdict verdict)
{
    if (to->verdict != LMTP_OPEN)
        return;
    to->verdict = verdict;
    reply_enhanced(&l->reply, to->status);
    if (verdict == LMTP_LATER && to->status[0] != '4')
        snprintf(to->status, sizeof(to->status), "4.5.0");
    reply_words(&l->reply, to->text, sizeof(to->text));
}

static void judge_here(struct lmtp_recipient *to, enum lmtp_verdict verdict, const char *status,
                       const char *why)
{
    if (to->verdict != LMTP_OPEN)
        return;
    to->verdict = verdict;
    snprintf(to->status, sizeof(to->status), "%s", status);
    snprintf(to->text, sizeof(to->text), "%s", why);
}

static void judge_all(const struct lmtp *l, enum lmtp_verdict verdict)
{
    for (size_t i = 0; i < l->mail->n; i++)
        judge(l, &l->mail->to[i], verdict);
}

static void judge_all_here(const struct lmtp_mail *mail, enum lmtp_verdict verdict,
                           const char *status, const char *why)
{
    for (size_t i = 0; i < mail->n; i++)
        judge_here(&mail->to[i], verdict, status, why);
}

/* Entry actions: what is sent on entering a state. */

static void send_lhlo(struct lmtp *l, struct buf *out)
{
    buf_printf(out, "LHLO %s\r\n", l->host);
}

static void put_rcpt(const struct lmtp *l, size_t which, struct buf *out)
{
    buf_adds(out, "RCPT TO:");
    address_write(out, &l->mail->to[which].to);
    buf_adds(out, "\r\n");
}

static void send_mail(struct lmtp *l, struct buf *out)
{
    buf_adds(out, "MAIL FROM:");
    address_write(out, &l->mail->from);
    if (l->features & LMTP_SIZE)
        buf_printf(out, " SIZE=%" PRIu64, l->mail->octets);
    if (l->mail->eight_bit && l->features & LMTP_8BITMIME)
        buf_adds(out, " BODY=8BITMIME");
    if (l->utf8)
        buf_adds(out, " SMTPUTF8");
    buf_adds(out, "\r\n");
    for (size_t i = 0; l->features & LMTP_PIPELINING && i < l->mail->n; i++)
        put_rcpt(l, i, out);
}

static void send_rcpt(struct lmtp *l, struct buf *out)
{
    if (!(l->features & LMTP_PIPELINING))
        put_rcpt(l, l->next, out);
}

static void send_data(struct lmtp *l, struct buf *out)
{
    (void)l;
    buf_adds(out, "DATA\r\n");
}

static void send_rset(struct lmtp *l, struct buf *out)
{
    l->mail = NULL;
    buf_adds(out, "RSET\r\n");
}

static void send_quit(struct lmtp *l, struct buf *out)
{
    (void)l;
    buf_adds(out, "QUIT\r\n");
}

/* Transitions: what a whole reply means in a state. */

static bool wanted(const struct lmtp *l, unsigned class)
{
    return l->reply.code / 100 == class;
}

/* The server will have none of us: no mail is to blame. */
static void unwelcome(struct lmtp *l, struct buf *out)
{
    reply_words(&l->reply, l->why, sizeof(l->why));
    enter(l, LMTP_QUIT, out);
}

static void got_greeting(struct lmtp *l, struct buf *out)
{
    if (wanted(l, 2))
        enter(l, LMTP_LHLO, out);
    else
        unwelcome(l, out);
}

static const struct {
    const char *word;
    enum lmtp_feature feature;
} keywords[] = {
    {"PIPELINING", LMTP_PIPELINING},
    {"8BITMIME", LMTP_8BITMIME},
    {"SIZE", LMTP_SIZE},
    {"SMTPUTF8", LMTP_SMTPUTF8},
};

static void take_keyword(struct lmtp *l, struct span line)
{
    struct span word = {line.p, span_find(line, ' ')};
    uint64_t limit;

    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (!span_eq_nocase(word, span_of(keywords[i].word)))
            continue;
        l->features |= keywords[i].feature;
        if (keywords[i].feature == LMTP_SIZE &&
            span_number(span_trim(span_from(line, word.n)), UINT64_MAX, &limit))
            l->size_limit = limit;
    }
}

static void got_lhlo(struct lmtp *l, struct buf *out)
{
    struct span rest = BUF_SPAN(&l->reply.text), line;

    if (!wanted(l, 2)) {
        unwelcome(l, out); /* perhaps an SMTP server: its replies would not be one a recipient */
        return;
    }
    span_line(&rest, &line); /* the server's name */
    while (span_line(&rest, &line))
        take_keyword(l, line);
    l->greeted = true;
    enter(l, LMTP_READY, out);
}

static void got_mail(struct lmtp *l, struct buf *out)
{
    if (!wanted(l, 2)) {
        judge_all(l, class_verdict(&l->reply));
        if (!(l->features & LMTP_PIPELINING)) {
            enter(l, LMTP_RSET, out);
            return;
        }
    }
    l->next = l->accepted = 0;
    enter(l, LMTP_RCPT, out);
}

static void got_rcpt(struct lmtp *l, struct buf *out)
{
    struct lmtp_recipient *to = &l->mail->to[l->next++];

    /* Has its verdict already: MAIL was refused, and this is a reply to what was sent with it. */
    to->accepted = to->verdict == LMTP_OPEN && wanted(l, 2);
    if (to->accepted)
        l->accepted++;
    else
        judge(l, to, class_verdict(&l->reply));
    if (l->next < l->mail->n)
        enter(l, LMTP_RCPT, out);
    else
        enter(l, l->accepted > 0 ? LMTP_DATA : LMTP_RSET, out);
}

static void got_data(struct lmtp *l, struct buf *out)
{
    if (wanted(l, 3)) {
        enter(l, LMTP_TEXT, out);
        return;
    }
    judge_all(l, wanted(l, 2) ? LMTP_LATER : class_verdict(&l->reply));
    enter(l, LMTP_RSET, out);
}

/* To the next recipient whose reply is to come; n: there is none. */
static void next_accepted(struct lmtp *l)
{
    while (l->next < l->mail->n && !l->mail->to[l->next].accepted)
        l->next++;
}

static void got_term(struct lmtp *l, struct buf *out)
{
    struct lmtp_recipient *to = &l->mail->to[l->next++];

    judge(l, to, wanted(l, 2) ? LMTP_DELIVERED : class_verdict(&l->reply));
    next_accepted(l);
    if (l->next < l->mail->n)
        return;
    l->mail = NULL;
    enter(l, LMTP_READY, out);
}

static void got_rset(struct lmtp *l, struct buf *out)
{
    enter(l, wanted(l, 2) ? LMTP_READY : LMTP_QUIT, out);
}

static void got_quit(struct lmtp *l, struct buf *out)
{
    enter(l, LMTP_CLOSED, out);
}

/* Nobody asked. While the text is on its way that is a refusal, but nobody can say of whom. */
static void got_unasked(struct lmtp *l, struct buf *out)
{
    if (l->mail != NULL)
        judge_all(l, LMTP_LATER);
    enter(l, LMTP_CLOSED, out);
}

static const struct {
    const char *name;
    void (*entry)(struct lmtp *l, struct buf *out);
    void (*transition)(struct lmtp *l, struct buf *out);
    size_t timeout; /* offset of the time in struct site_timeouts */
} states[LMTP_STATES] = {
#define TIME(member) offsetof(struct site_timeouts, member)
    [LMTP_GREETING] = {"GREETING", NULL, got_greeting, TIME(greeting)},
    [LMTP_LHLO] = {"LHLO", send_lhlo, got_lhlo, TIME(command)},
    [LMTP_READY] = {"READY", NULL, got_unasked, TIME(command)},
    [LMTP_MAIL] = {"MAIL", send_mail, got_mail, TIME(command)},
    [LMTP_RCPT] = {"RCPT", send_rcpt, got_rcpt, TIME(command)},
    [LMTP_DATA] = {"DATA", send_data, got_data, TIME(data)},
    [LMTP_TEXT] = {"TEXT", NULL, got_unasked, TIME(block)},
    [LMTP_TERM] = {"TERM", NULL, got_term, TIME(termination)},
    [LMTP_RSET] = {"RSET", send_rset, got_rset, TIME(command)},
    [LMTP_QUIT] = {"QUIT", send_quit, got_quit, TIME(command)},
    [LMTP_CLOSED] = {"CLOSED", NULL, NULL, TIME(command)},
#undef TIME
};

static void enter(struct lmtp *l, enum lmtp_state state, struct buf *out)
{
    l->state = state;
    if (state == LMTP_CLOSED)
        l->mail = NULL;
    if (states[state].entry != NULL)
        states[state].entry(l, out);
}

void lmtp_open(struct lmtp *l, const char *host)
{
    *l = (struct lmtp){.state = LMTP_GREETING};
    span_copy(span_of(host), l->host, sizeof(l->host));
}

void lmtp_close(struct lmtp *l)
{
    reply_free(&l->reply);
    buf_free(&l->line);
}

/* The server closes by 421, whatever was asked. */
static void goodbye(struct lmtp *l, struct buf *out)
{
    if (!l->greeted)
        reply_words(&l->reply, l->why, sizeof(l->why));
    if (l->mail != NULL)
        judge_all(l, LMTP_LATER);
    enter(l, LMTP_CLOSED, out);
}

static void take_line(struct lmtp *l, struct span line, struct buf *out)
{
    enum reply_result r = reply_line(&l->reply, line);

    if (r == REPLY_MORE)
        return;
    if (r == REPLY_MALFORMED)
        lmtp_lost(l, "the server sent something that is no LMTP reply");
    else if (l->reply.code == 421)
        goodbye(l, out);
    else if (states[l->state].transition != NULL)
        states[l->state].transition(l, out);
    reply_clear(&l->reply);
}

void lmtp_input(struct lmtp *l, struct span octets, struct buf *out)
{
    struct span line;

    while (l->state != LMTP_CLOSED && reply_collect(&l->line, &octets, &line)) {
        take_line(l, line, out);
        buf_clear(&l->line);
    }
    if (l->line.failed)
        lmtp_lost(l, "memory is short");
}

void lmtp_mail(struct lmtp *l, struct lmtp_mail *mail, struct buf *out)
{
    bool utf8 = address_has_utf8(&mail->from);

    for (size_t i = 0; i < mail->n; i++) {
        mail->to[i].verdict = LMTP_OPEN;
        mail->to[i].accepted = false;
        utf8 = utf8 || address_has_utf8(&mail->to[i].to);
    }
    if (l->size_limit > 0 && mail->octets > l->size_limit)
        judge_all_here(mail, LMTP_NEVER, "5.3.4",
                       "the mail is larger than the LMTP server announced to take");
    else if (utf8 && !(l->features & LMTP_SMTPUTF8))
        judge_all_here(mail, LMTP_NEVER, "5.6.7",
                       "an address has letters that the LMTP server cannot take (no SMTPUTF8)");
    else if (mail->n > 0) {
        l->mail = mail;
        l->utf8 = utf8;
        enter(l, LMTP_MAIL, out);
    }
}

void lmtp_text_sent(struct lmtp *l)
{
    l->state = LMTP_TERM;
    l->next = 0;
    next_accepted(l);
}

void lmtp_quit(struct lmtp *l, struct buf *out)
{
    enter(l, l->state == LMTP_READY ? LMTP_QUIT : LMTP_CLOSED, out);
}

void lmtp_lost(struct lmtp *l, const char *why)
{
    if (l->mail != NULL)
        judge_all_here(l->mail, LMTP_LATER, "4.4.2", why);
    else if (!l->greeted && l->why[0] == '\0')
        snprintf(l->why, sizeof(l->why), "%s", why);
    l->mail = NULL;
    l->state = LMTP_CLOSED;
}

uint64_t lmtp_timeout(const struct lmtp *l, const struct site_timeouts *t)
{
    return *(const uint64_t *)(const void *)((const char *)t + states[l->state].timeout);
}

const char *lmtp_state_name(enum lmtp_state state)
{
    return states[state].name;
}

bool lmtp_text(struct lmtp_text *t, struct span piece, struct buf *out)
{
    while (piece.n > 0) {
        size_t run = 0;
        char c = piece.p[0];
        if (t->cr && c != '\n') {
            buf_addc(out, ' ');
            t->in_line = true;
        }
        t->cr = c == '\r';
        if (c == '\n') {
            buf_adds(out, "\r\n");
            t->in_line = false;
        }
        if (c == '\n' || c == '\r') {
            piece = span_from(piece, 1);
            continue;
        }
        if (c == '.' && !t->in_line)
            buf_addc(out, '.');
        while (run < piece.n && piece.p[run] != '\r' && piece.p[run] != '\n')
            run++;
        buf_add(out, piece.p, run);
        t->in_line = true;
        piece = span_from(piece, run);
    }
    return !out->failed;
}

bool lmtp_text_end(struct lmtp_text *t, struct buf *out)
{
    if (t->in_line || t->cr)
        buf_adds(out, "\r\n");
    return buf_adds(out, ".\r\n");
}
