/* See conversation.h. */
#include "sndmsg/conversation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/clock.h"
#include "sndmsg/attach.h"
#include "sndmsg/dialogue.h"
#include "sndmsg/draft.h"
#include "sndmsg/include.h"
#include "sndmsg/terminal.h"

enum { PIECE = 65536, GO_ON = -1 };

struct session {
    const struct conversation_params *p;
    struct terminal *terminal;
    struct dialogue dialogue;
    struct resolver resolver;
    struct letter letter;
    struct source_rules rules;
    struct draft draft;
    /* What of the options is still to come. */
    const char *answers[DIALOGUE_TEXT];
    const char *const *fields, *const *attach;
    bool replaying; /* lines of the draft, not of the user */
    bool prompted;  /* the line in hand was asked for */
    uint64_t typed; /* lines accepted */
};

static void put(struct session *s, const char *text)
{
    terminal_put(s->terminal, span_of(text));
}

static void put_buf(struct session *s, struct buf *text)
{
    terminal_put(s->terminal, BUF_SPAN(text));
    buf_clear(text);
}

static struct tm local_time(int64_t wall)
{
    time_t t = (time_t)wall;
    struct tm tm = {0};

    localtime_r(&t, &tm);
    return tm;
}

/* ---- what lines ask for */

static bool add_line(struct session *s, struct span line)
{
    struct buf message = {0};
    bool fits = line.n + 1 <= letter_room(&s->letter, s->p->site->maxsize);
    bool good = fits && letter_line(&s->letter, line);

    if (!fits)
        SAY(&message, T01SM085E, msg_num((long long)(s->letter.text.size + line.n)).text,
            msg_num((long long)s->p->site->maxsize).text);
    else if (!good)
        letter_no_room(&s->letter, &message);
    put_buf(s, &message);
    buf_free(&message);
    return good;
}

static bool take_file(struct session *s, struct span operand,
                      bool (*take)(struct letter *l, const struct source_rules *rules,
                                   struct span operand, struct buf *message))
{
    struct buf message = {0};
    bool good = take(&s->letter, &s->rules, operand, &message);

    put_buf(s, &message);
    buf_free(&message);
    return good;
}

static bool include_line(struct session *s, struct span operand)
{
    return take_file(s, operand, include_text);
}

static bool attach_line(struct session *s, struct span operand)
{
    return take_file(s, operand, attach_file);
}

static bool cancel_line(struct session *s, struct span operand)
{
    struct buf what = {0}, out = {0};
    bool good = letter_cancel(&s->letter, &what);

    (void)operand;
    if (good) {
        buf_adds(&out, "(cancelled: ");
        utf8_safe(BUF_SPAN(&what), &out);
        buf_adds(&out, ")\n");
    } else {
        buf_adds(&out, errno == ENOENT ? "(nothing to cancel)\n" : "(not cancelled)\n");
    }
    put_buf(s, &out);
    buf_free(&what);
    buf_free(&out);
    return good;
}

/* Lines of a piece of the text; the last one may be cut. Returns how much was used. */
static size_t show_piece(struct session *s, struct span piece)
{
    struct buf out = {0};
    size_t used = 0;

    while (used < piece.n) {
        struct span rest = span_from(piece, used);
        size_t end = span_find(rest, '\n');
        if (end == rest.n)
            utf8_valid(rest, &end); /* no half character */
        if (end == 0 && rest.p[0] != '\n')
            break;
        utf8_safe((struct span){rest.p, end}, &out);
        used += end;
        if (used < piece.n && piece.p[used] == '\n') {
            buf_addc(&out, '\n');
            used++;
        }
    }
    put_buf(s, &out);
    buf_free(&out);
    return used;
}

static void show_text(struct session *s)
{
    const struct scratch *text = &s->letter.text;
    char piece[PIECE];
    uint64_t at = 0;
    ssize_t n;

    while ((n = scratch_read(text, at, piece, sizeof(piece))) > 0) {
        if (terminal_stopped(s->terminal)) {
            put(s, "\n(interrupted)\n");
            return;
        }
        size_t used = show_piece(s, (struct span){piece, (size_t)n});
        at += used > 0 ? used : (uint64_t)n;
    }
}

static bool show_message(struct session *s, struct span operand)
{
    struct buf out = {0};

    (void)operand;
    dialogue_show(&s->dialogue, &out);
    put_buf(s, &out);
    show_text(s);
    for (size_t i = 0; i < s->letter.attachments; i++) {
        const struct attachment *a = &s->letter.attachment[i];
        buf_adds(&out, "(attached: ");
        utf8_safe(span_of(a->name), &out);
        buf_printf(&out, ", %llu octets, %s)\n", (unsigned long long)(a->end - a->start), a->type);
    }
    put_buf(s, &out);
    buf_free(&out);
    return false; /* nothing that belongs into the draft */
}

static bool nothing(struct session *s, struct span operand)
{
    (void)operand;
    return !s->dialogue.refused;
}

/* What each action does; true: the line is to be kept in the draft. */
static bool (*const actions[])(struct session *s, struct span operand) = {
    [DIALOGUE_ASK] = nothing,          [DIALOGUE_ADD] = add_line,
    [DIALOGUE_INCLUDE] = include_line, [DIALOGUE_ATTACH] = attach_line,
    [DIALOGUE_CANCEL] = cancel_line,   [DIALOGUE_SHOW] = show_message,
};

static void draft_lost(struct session *s)
{
    struct buf message = {0};
    char why[160];

    snprintf(why, sizeof(why), "%s: %s", s->draft.where, strerror(s->draft.error));
    SAY(&message, T01SM083W, why);
    put_buf(s, &message);
    buf_free(&message);
}

static void keep(struct session *s, struct span line, bool pasted)
{
    s->typed++;
    if (!s->replaying && s->draft.error == 0 && !draft_add(&s->draft, line, pasted))
        draft_lost(s);
}

/* The files of the options come as the first lines of the text. */
static void attach_files(struct session *s)
{
    struct buf line = {0};

    for (; *s->attach != NULL; s->attach++) {
        buf_printf(&line, ".a=%s", *s->attach);
        if (attach_line(s, span_of(*s->attach)))
            keep(s, BUF_SPAN(&line), false);
        buf_clear(&line);
    }
    buf_free(&line);
}

/* One line of the session. True: the message is whole. */
static bool take_line(struct session *s, struct span line, bool pasted)
{
    enum dialogue_action action = dialogue_line(&s->dialogue, line, pasted);

    /* Without a terminal nobody's Enter has ended the line of the prompt. */
    if (s->dialogue.refused && s->dialogue.phase != DIALOGUE_TEXT && s->prompted &&
        !terminal_interactive(s->terminal))
        put(s, "\n");
    put_buf(s, &s->dialogue.out);
    if (action == DIALOGUE_SEND)
        return true;
    if (actions[action](s, dialogue_operand(&s->dialogue)))
        keep(s, BUF_SPAN(&s->dialogue.line), pasted);
    if (s->dialogue.phase == DIALOGUE_TEXT && !s->replaying)
        attach_files(s);
    return false;
}

/* ---- the end */

static int discard(struct session *s)
{
    draft_drop(&s->draft);
    put(s, "Discarded.\n");
    return 128 + SIGINT;
}

/* Cut off: the draft stays. */
static int leave(struct session *s, int status)
{
    bool kept = draft_leave(&s->draft);

    if (kept)
        put(s, "(nothing was sent; the draft is kept, the next session at a terminal offers it)\n");
    else if (s->typed > 0 && s->draft.error != 0)
        draft_lost(s);
    return status;
}

static void put_results(struct session *s, const char *why)
{
    const struct recipients *r = &s->dialogue.recipients;
    const struct address **to = calloc(r->count + 1, sizeof(const struct address *));
    size_t n = to == NULL ? 0 : recipients_unique(r, to);
    struct buf out = {0};

    for (size_t i = 0; i < n; i++)
        dialogue_result(&out, to[i], why);
    put_buf(s, &out);
    buf_free(&out);
    free((void *)to);
}

static int send_mail(struct session *s)
{
    struct dispatch d = {
        s->p->site, s->p->spool, s->p->who, &s->dialogue.recipients, BUF_SPAN(&s->dialogue.subject),
        &s->letter};
    struct buf message = {0};
    char why[160] = "";
    int status = dispatch_mail(&d, why, &message);

    put_results(s, status == EX_OK ? NULL : why);
    put_buf(s, &message);
    buf_free(&message);
    if (status != EX_OK)
        return leave(s, status);
    draft_drop(&s->draft);
    return EX_OK;
}

/* ---- the draft of another session */

static bool answer_is(const struct buf *line, char letter)
{
    struct span s = span_trim(BUF_SPAN(line));

    return s.n > 0 && (s.p[0] | 0x20) == letter;
}

static void replay(struct session *s)
{
    struct buf line = {0};
    uint64_t text = 0;
    bool pasted;

    s->replaying = true;
    while (draft_next(&s->draft, &line, &pasted)) {
        if (s->dialogue.phase != DIALOGUE_TEXT) {
            struct buf shown = {0};
            buf_adds(&shown, dialogue_prompt(&s->dialogue));
            utf8_safe(BUF_SPAN(&line), &shown);
            buf_addc(&shown, '\n');
            put_buf(s, &shown);
            buf_free(&shown);
        } else {
            text++;
        }
        if (take_line(s, BUF_SPAN(&line), pasted))
            break; /* no draft of ours has such a line */
    }
    s->replaying = false;
    buf_free(&line);
    if (s->draft.error != 0)
        draft_lost(s);
    if (text == 0)
        return;
    char note[96];
    snprintf(note, sizeof(note), "(%llu line%s of text so far; \\t displays them)\n",
             (unsigned long long)text, text == 1 ? "" : "s");
    put(s, note);
}

/* Offers what was left. GO_ON, or the exit status. */
static int offer_draft(struct session *s)
{
    struct buf question = {0}, line = {0};
    enum terminal_event event;
    struct stat st;
    bool pasted;

    while (draft_find(&s->draft)) {
        struct tm when = local_time(fstat(s->draft.fd, &st) == 0 ? st.st_mtime : 0);
        buf_adds(&question, "A draft of ");
        dialogue_time(&question, &when);
        buf_adds(&question, " is kept.\n");
        put_buf(s, &question);
        event = terminal_read(s->terminal, "Y goes on with it, N discards it, Enter leaves it: ",
                              COMPLETION_QUESTION, &line, &pasted);
        bool yes = event == TERMINAL_LINE && answer_is(&line, 'y');
        bool no = event == TERMINAL_LINE && answer_is(&line, 'n');
        buf_free(&line);
        buf_free(&question);
        if (yes)
            replay(s);
        if (yes)
            return GO_ON;
        if (no) {
            draft_drop(&s->draft);
            continue;
        }
        if (event == TERMINAL_LINE)
            break;
        return event == TERMINAL_INTERRUPT ? 128 + SIGINT : EX_DATAERR;
    }
    draft_begin(&s->draft);
    return GO_ON;
}

static int begin_draft(struct session *s)
{
    int status = GO_ON;

    if (!draft_folder(&s->draft, s->p->state, s->p->home)) {
        if (terminal_interactive(s->terminal))
            draft_lost(s);
        return GO_ON;
    }
    if (terminal_interactive(s->terminal))
        status = offer_draft(s);
    else
        draft_begin(&s->draft);
    return status;
}

/* ---- the session */

/* The user interrupted: is it meant? GO_ON, or the exit status. */
static int interrupted(struct session *s)
{
    struct buf line = {0};
    bool pasted;

    if (!terminal_interactive(s->terminal))
        return leave(s, 128 + SIGINT);
    put(s, "\n");
    if (s->typed == 0)
        return discard(s);
    enum terminal_event event = terminal_read(s->terminal, "Discard this message? (Y/N) ",
                                              COMPLETION_QUESTION, &line, &pasted);
    bool yes = event == TERMINAL_LINE && answer_is(&line, 'y');
    buf_free(&line);
    if (yes)
        return discard(s);
    if (event == TERMINAL_LINE)
        return GO_ON;
    put(s, "\n");
    return leave(s, 128 + SIGINT);
}

static int hung_up(struct session *s, struct span partial)
{
    int signal_number = terminal_signal(s->terminal);

    if (terminal_interactive(s->terminal))
        put(s, "\n");
    /* What was typed of a line of text is kept as text. */
    if (partial.n > 0 && s->dialogue.phase == DIALOGUE_TEXT)
        draft_add(&s->draft, partial, true);
    return leave(s, signal_number != 0 ? 128 + signal_number : EX_IOERR);
}

static enum completion_kind completion_in(const struct dialogue *d)
{
    if (d->phase == DIALOGUE_TEXT)
        return COMPLETION_TEXT;
    return d->phase == DIALOGUE_SUBJECT ? COMPLETION_NONE : COMPLETION_ADDRESS;
}

static void too_long(struct session *s)
{
    put(s, "(the line is too long and was not taken; include it as a file by .f=)\n");
}

/* What the options answer here; NULL: nothing. A line that was refused is for the user to mend. */
static const char *given_answer(struct session *s)
{
    enum dialogue_phase phase = s->dialogue.phase;

    if (s->dialogue.refused || s->dialogue.more || phase >= DIALOGUE_TEXT)
        return NULL;
    if (*s->fields != NULL)
        return *s->fields++;
    const char *answer = s->answers[phase];
    s->answers[phase] = NULL;
    return answer;
}

static enum terminal_event next_line(struct session *s, struct buf *line, bool *pasted)
{
    const char *answer = given_answer(s);
    struct buf shown = {0};

    s->prompted = answer == NULL;
    if (answer == NULL)
        return terminal_read(s->terminal, dialogue_prompt(&s->dialogue),
                             completion_in(&s->dialogue), line, pasted);
    buf_clear(line);
    if (!buf_adds(line, answer))
        return TERMINAL_HANGUP;
    *pasted = false;
    buf_adds(&shown, dialogue_prompt(&s->dialogue)); /* typed as if the user had */
    utf8_safe(BUF_SPAN(line), &shown);
    buf_addc(&shown, '\n');
    put_buf(s, &shown);
    buf_free(&shown);
    return TERMINAL_LINE;
}

static int converse(struct session *s)
{
    struct buf line = {0};
    int status = GO_ON;
    bool pasted;

    while (status == GO_ON) {
        enum terminal_event event = next_line(s, &line, &pasted);
        switch (event) {
        case TERMINAL_LINE:
            if (take_line(s, BUF_SPAN(&line), pasted))
                status = send_mail(s);
            else if (s->dialogue.failed)
                status = hung_up(s, BUF_SPAN(&line));
            break;
        case TERMINAL_TOO_LONG:
            too_long(s);
            break;
        case TERMINAL_INTERRUPT:
            status = interrupted(s);
            break;
        case TERMINAL_END:
            put(s, "\n");
            status = leave(s, EX_DATAERR);
            break;
        default:
            status = hung_up(s, BUF_SPAN(&line));
            break;
        }
    }
    buf_free(&line);
    return status;
}

static int run(struct session *s)
{
    struct tm now = local_time(clock_wall());
    struct buf herald = {0};

    dialogue_herald(&herald, &now);
    buf_adds(&herald, s->p->notice != NULL ? s->p->notice : "");
    put_buf(s, &herald);
    buf_free(&herald);
    int status = begin_draft(s);
    if (status != GO_ON)
        return status;
    if (s->typed == 0) { /* a draft has its own answers */
        memcpy(s->answers, s->p->answers, sizeof(s->answers));
        s->fields = s->p->fields;
        s->attach = s->p->attach;
    }
    return converse(s);
}

int conversation(const struct conversation_params *p)
{
    static const char *const nothing[] = {NULL};
    struct session s = {
        .p = p, .resolver = directory_resolver(p->directory), .fields = nothing, .attach = nothing};
    int status = EX_TEMPFAIL;

    s.draft = (struct draft){.dir = -1, .fd = -1};
    s.terminal = terminal_open(p->directory, p->home);
    if (s.terminal == NULL || !letter_open(&s.letter)) {
        fprintf(stderr, "sndmsg: %s: %s\n", scratch_folder(), strerror(errno));
        terminal_close(s.terminal);
        return EX_TEMPFAIL;
    }
    s.rules = (struct source_rules){.catalog = p->catalog,
                                    .charset = *terminal_charset(s.terminal),
                                    .maxsize = p->site->maxsize,
                                    .home = p->home,
                                    .stop = terminal_stopped,
                                    .arg = s.terminal};
    dialogue_begin(&s.dialogue, &s.resolver);
    status = run(&s);
    draft_close(&s.draft);
    dialogue_free(&s.dialogue);
    letter_close(&s.letter);
    terminal_close(s.terminal);
    return status;
}
