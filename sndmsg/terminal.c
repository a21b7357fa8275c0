/* See terminal.h. Signals come by a signalfd and are looked at where input is waited for, so there
 * is no handler and nothing global. */
#include "sndmsg/terminal.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <wchar.h>

#include "lib/durable.h"
#include "sndmsg/keys.h"

enum {
    READ_AT_ONCE = 4096,
    ESCAPE_MS = 50, /* a lone ESC, or the beginning of a mark? */
    HISTORY = 200,
    LIST_COLUMNS = 78
};

struct terminal {
    int signals;
    int ended_by; /* signal */
    bool gone;    /* input or output */
    bool editing; /* a line is being edited: the terminal is in raw mode */
    struct charset charset;
    const struct directory *directory;
    const char *home;
    /* plain reading */
    struct buf in;
    /* line editing; NULL without a terminal */
    EditLine *editor;
    HistoryW *history;
    struct keys keys;
    mbstate_t decoding;
    const char *prompt;
    enum completion_kind completion;
    enum terminal_event event; /* why a line was not finished */
    bool pasted;
    wchar_t *insert; /* owned: what KEYS_INSERT is to insert */
};

static const int watched[] = {SIGINT, SIGHUP, SIGTERM, SIGQUIT};
static const int of_editor[] = {SIGTSTP, SIGWINCH, SIGCONT};

/* ---- signals */

static int open_signals(bool editor)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
        sigaddset(&set, watched[i]);
    for (size_t i = 0; editor && i < sizeof(of_editor) / sizeof(of_editor[0]); i++)
        sigaddset(&set, of_editor[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* A terminal that knows no sequences is sent none. */
static void bracketed_paste(struct terminal *t, bool on)
{
    const char *term = getenv("TERM");
    struct span sequence = on ? SPAN("\033[?2004h") : SPAN("\033[?2004l");

    if (term == NULL || strcmp(term, "dumb") == 0)
        return;
    if (durable_write(STDOUT_FILENO, sequence.p, sequence.n) < 0)
        t->gone = true;
}

/* SIGTSTP: gives the terminal back, stops, and goes on where it was. */
static void suspend(struct terminal *t)
{
    if (t->editing) {
        bracketed_paste(t, false);
        el_wset(t->editor, EL_PREP_TERM, 0);
    }
    raise(SIGSTOP);
    if (t->editing) {
        el_wset(t->editor, EL_PREP_TERM, 1);
        bracketed_paste(t, true);
        el_wset(t->editor, EL_REFRESH);
    }
}

/* The next signal that waits; 0: none. Those that only concern the screen are dealt with here. */
static int take_signal(struct terminal *t)
{
    struct signalfd_siginfo info;

    while (read(t->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGTSTP:
            suspend(t);
            break;
        case SIGWINCH:
            if (t->editor != NULL)
                el_resize(t->editor);
            break;
        case SIGCONT:
            break;
        default:
            return (int)info.ssi_signo;
        }
    }
    return 0;
}

static enum terminal_event event_of(struct terminal *t, int signal_number)
{
    if (signal_number == SIGINT)
        return TERMINAL_INTERRUPT;
    t->ended_by = signal_number;
    t->gone = t->gone || signal_number == SIGHUP;
    return TERMINAL_HANGUP;
}

/* Waits for input. TERMINAL_LINE: some is there, or the time is over. */
static enum terminal_event wait_input(struct terminal *t, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = t->signals, .events = POLLIN}};

    for (;;) {
        int n = poll(fds, 2, timeout_ms);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return TERMINAL_HANGUP;
        if (fds[1].revents != 0) {
            int taken = take_signal(t);
            if (taken != 0)
                return event_of(t, taken);
        }
        if (n == 0 || fds[0].revents != 0)
            return TERMINAL_LINE;
    }
}

bool terminal_stopped(void *terminal)
{
    struct terminal *t = terminal;
    int taken = take_signal(t);

    if (taken == 0)
        return t->gone;
    event_of(t, taken);
    return true;
}

int terminal_signal(const struct terminal *t)
{
    return t->ended_by;
}

/* ---- output */

/* In a charset that cannot say it all, what is missing becomes visible. */
static void encode(const struct charset *to, struct span utf8, struct buf *out)
{
    if (charset_encode(to, utf8, out, NULL))
        return;
    for (size_t i = 0, n; i < utf8.n; i += n) {
        uint32_t code = 0;
        n = utf8_char(span_from(utf8, i), &code);
        n += n == 0;
        if (!charset_encode(to, (struct span){utf8.p + i, n}, out, NULL))
            buf_printf(out, "\\u{%04X}", (unsigned)code);
    }
}

bool terminal_put(struct terminal *t, struct span utf8)
{
    struct buf out = {0};

    if (utf8.n == 0 || t->gone)
        return !t->gone;
    encode(&t->charset, utf8, &out);
    if (out.failed || durable_write(STDOUT_FILENO, out.data, out.len) < 0)
        t->gone = true;
    buf_free(&out);
    return !t->gone;
}

static void beep(void)
{
    ssize_t n = write(STDOUT_FILENO, "\a", 1);

    (void)n; /* a terminal that is gone is noticed when it is read */
}

/* ---- plain reading */

/* Takes a line off what was read. `at_end`: the last one needs no LF. */
static bool cut_line(struct terminal *t, bool at_end, struct buf *line)
{
    struct span all = BUF_SPAN(&t->in);
    size_t end = span_find(all, '\n');

    if (all.n == 0 || (end == all.n && !at_end))
        return false;
    struct span raw = {all.p, end};
    /* Text that the locale does not allow is passed on as it is, to be refused in words. */
    if (t->charset.kind == CHARSET_UTF8 || !charset_decode(&t->charset, raw, false, line, NULL))
        buf_addspan(line, raw);
    buf_consume(&t->in, end < all.n ? end + 1 : end);
    return true;
}

static enum terminal_event read_plain(struct terminal *t, struct buf *line)
{
    bool overlong = false;

    for (;;) {
        size_t end = span_find(BUF_SPAN(&t->in), '\n');
        overlong = overlong || end > TERMINAL_LINE_MAX;
        if (overlong && end == t->in.len)
            buf_clear(&t->in);
        else if (cut_line(t, false, line)) {
            if (overlong)
                buf_clear(line);
            return overlong ? TERMINAL_TOO_LONG : TERMINAL_LINE;
        }
        enum terminal_event event = wait_input(t, -1);
        if (event != TERMINAL_LINE)
            return event;
        if (!buf_reserve(&t->in, READ_AT_ONCE))
            return TERMINAL_HANGUP;
        ssize_t n = read(STDIN_FILENO, t->in.data + t->in.len, READ_AT_ONCE);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return TERMINAL_HANGUP;
        t->in.len += (size_t)n;
        if (n == 0)
            return overlong                  ? TERMINAL_TOO_LONG
                   : cut_line(t, true, line) ? TERMINAL_LINE
                                             : TERMINAL_END;
    }
}

/* ---- line editing */

static struct terminal *terminal_of(EditLine *editor)
{
    void *t = NULL;

    el_wget(editor, EL_CLIENTDATA, &t);
    return t;
}

static char *prompt_of(EditLine *editor)
{
    /* The editor only reads it. */
    return (char *)(uintptr_t)terminal_of(editor)->prompt;
}

static bool add_wide(struct buf *out, const wchar_t *text, size_t n)
{
    char octets[MB_LEN_MAX];
    mbstate_t state = {0};

    for (size_t i = 0; i < n; i++) {
        size_t length = wcrtomb(octets, text[i], &state);
        if (length == (size_t)-1)
            return false;
        buf_add(out, octets, length);
    }
    return !out->failed;
}

/* A part of the line that is edited, as UTF-8. */
static void line_utf8(const struct terminal *t, const wchar_t *text, size_t n, struct buf *out)
{
    struct buf local = {0};

    add_wide(&local, text, n);
    if (t->charset.kind == CHARSET_UTF8 ||
        !charset_decode(&t->charset, BUF_SPAN(&local), false, out, NULL))
        buf_addspan(out, BUF_SPAN(&local));
    buf_free(&local);
}

static size_t line_length(const struct terminal *t)
{
    const LineInfoW *line = el_wline(t->editor);

    return (size_t)(line->lastchar - line->buffer);
}

/* Octets of the locale become keys. What has no meaning in it is dropped. */
static void decode_keys(struct terminal *t, const char *octets, size_t n)
{
    for (size_t i = 0; i < n;) {
        wchar_t c = 0;
        size_t used = mbrtowc(&c, octets + i, n - i, &t->decoding);
        if (used == (size_t)-2)
            return; /* the rest comes with the next piece */
        if (used == (size_t)-1) {
            t->decoding = (mbstate_t){0};
            t->keys.refused = true;
            i++;
            continue;
        }
        keys_put(&t->keys, c);
        i += used > 0 ? used : 1;
    }
}

/* Reads more keys. TERMINAL_LINE: go on. */
static enum terminal_event more_keys(struct terminal *t)
{
    bool waiting = keys_waiting(&t->keys) && !t->keys.pasting;
    char octets[READ_AT_ONCE];
    struct pollfd now = {.fd = STDIN_FILENO, .events = POLLIN};
    enum terminal_event event = wait_input(t, waiting ? ESCAPE_MS : -1);

    if (event != TERMINAL_LINE)
        return event;
    if (waiting && poll(&now, 1, 0) == 0) {
        keys_flush(&t->keys);
        return TERMINAL_LINE;
    }
    ssize_t n = read(STDIN_FILENO, octets, sizeof(octets));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return TERMINAL_LINE;
    if (n <= 0) {
        t->gone = true;
        return TERMINAL_HANGUP;
    }
    decode_keys(t, octets, (size_t)n);
    if (t->keys.refused)
        beep();
    t->keys.refused = false;
    return t->keys.failed ? TERMINAL_HANGUP : TERMINAL_LINE;
}

/* The editor asks for a character. */
static int next_character(EditLine *editor, wchar_t *c)
{
    struct terminal *t = terminal_of(editor);
    struct key key;

    for (;;) {
        if (keys_take(&t->keys, &key)) {
            bool printable = key.text != NULL || key.character >= 0x20;
            if (printable && line_length(t) + t->keys.paste_length >= TERMINAL_LINE_MAX / 4) {
                t->keys.overlong = true;
                free(key.text);
                beep();
                continue;
            }
            free(t->insert);
            t->insert = key.text;
            t->pasted = key.pasted && key.character == L'\n';
            *c = key.character;
            return 1;
        }
        t->event = more_keys(t);
        if (t->event != TERMINAL_LINE)
            return -1;
    }
}

static unsigned char insert_text(EditLine *editor, int ch)
{
    struct terminal *t = terminal_of(editor);

    (void)ch;
    if (t->insert == NULL || el_winsertstr(editor, t->insert) < 0)
        return CC_ERROR;
    return CC_REFRESH;
}

/* The words below the line, in columns. */
static void list_words(struct terminal *t, const struct completion *c)
{
    struct span rest = BUF_SPAN(&c->words), word;
    struct buf out = {0};
    size_t widest = 0, column = 0;

    for (size_t i = 0; i < c->count && span_cut(&rest, '\0', &word); i++) {
        size_t width = utf8_width(word);
        widest = width > widest ? width : widest;
    }
    rest = BUF_SPAN(&c->words);
    buf_addc(&out, '\n');
    for (size_t i = 0; i < c->count && span_cut(&rest, '\0', &word); i++) {
        if (column > 0 && column + widest + 2 > LIST_COLUMNS) {
            buf_addc(&out, '\n');
            column = 0;
        }
        buf_addspan(&out, word);
        size_t blanks = widest + 2 - utf8_width(word);
        buf_fill(&out, ' ', blanks);
        column += widest + 2;
    }
    buf_adds(&out, c->count == COMPLETION_MAX ? "\n...\n" : "\n");
    terminal_put(t, BUF_SPAN(&out));
    buf_free(&out);
}

/* Puts the word in the place of what stands before the cursor. */
static bool replace_word(struct terminal *t, struct span before, struct span word)
{
    struct buf local = {0};
    uint32_t code;
    int characters = 0;

    for (size_t i = 0, n; i < before.n; i += n + (n == 0), characters++)
        n = utf8_char(span_from(before, i), &code);
    encode(&t->charset, word, &local);
    if (characters > 0)
        el_wdeletestr(t->editor, characters);
    bool good = el_insertstr(t->editor, buf_str(&local)) == 0;
    buf_free(&local);
    return good;
}

static unsigned char complete(EditLine *editor, int ch)
{
    struct terminal *t = terminal_of(editor);
    const LineInfoW *line = el_wline(editor);
    struct completion c = {.home = t->home};
    struct buf text = {0};
    unsigned char result = CC_ERROR;

    (void)ch;
    line_utf8(t, line->buffer, (size_t)(line->cursor - line->buffer), &text);
    completion_find(&c, t->directory, t->completion, BUF_SPAN(&text));
    struct span common = completion_common(&c);
    if (c.count == 0) {
        bool tab = t->completion == COMPLETION_TEXT && !c.file;
        result = tab && el_winsertstr(editor, L"\t") == 0 ? CC_REFRESH : CC_ERROR;
    } else if (c.count == 1 || common.n > c.before.n) {
        result = replace_word(t, c.before, common) ? CC_REFRESH : CC_ERROR;
    } else {
        list_words(t, &c);
        result = CC_REDISPLAY;
    }
    completion_free(&c);
    buf_free(&text);
    return result;
}

static bool open_editor(struct terminal *t)
{
    HistEventW event;

    t->editor = el_init("sndmsg", stdin, stdout, stderr);
    t->history = history_winit();
    if (t->editor == NULL || t->history == NULL)
        return false;
    history_w(t->history, &event, H_SETSIZE, HISTORY);
    history_w(t->history, &event, H_SETUNIQUE, 1);
    keys_init(&t->keys, TERMINAL_LINE_MAX / 4);
    el_wset(t->editor, EL_CLIENTDATA, t);
    el_wset(t->editor, EL_EDITOR, L"emacs");
    el_wset(t->editor, EL_SIGNAL, 0);
    el_set(t->editor, EL_PROMPT, prompt_of);
    el_wset(t->editor, EL_HIST, history_w, t->history);
    el_source(t->editor, NULL); /* the user's ~/.editrc; ours comes after it */
    el_wset(t->editor, EL_ADDFN, L"sndmsg-insert", L"Insert pasted text", insert_text);
    el_wset(t->editor, EL_ADDFN, L"sndmsg-complete", L"Complete the word", complete);
    el_wset(t->editor, EL_BIND, L"^_", L"sndmsg-insert", NULL);
    el_wset(t->editor, EL_BIND, L"^I", L"sndmsg-complete", NULL);
    el_wset(t->editor, EL_GETCFN, next_character);
    return true;
}

static void remember(struct terminal *t, const wchar_t *line, size_t n)
{
    HistEventW event;

    if (n > 1 && !t->pasted && t->completion != COMPLETION_QUESTION)
        history_w(t->history, &event, H_ENTER, line);
}

static enum terminal_event read_edited(struct terminal *t, struct buf *line, bool *pasted)
{
    int n = 0;

    t->event = TERMINAL_LINE;
    t->keys.overlong = false;
    t->editing = true;
    bracketed_paste(t, true);
    const wchar_t *text = el_wgets(t->editor, &n);
    t->editing = false;
    bracketed_paste(t, false);
    free(t->insert);
    t->insert = NULL;
    if (text == NULL || n <= 0) {
        if (t->event == TERMINAL_LINE)
            return TERMINAL_END;
        if (t->event == TERMINAL_HANGUP) {
            const LineInfoW *rest = el_wline(t->editor);
            line_utf8(t, rest->buffer, (size_t)(rest->lastchar - rest->buffer), line);
        }
        return t->event;
    }
    size_t length = (size_t)n;
    remember(t, text, length);
    while (length > 0 && (text[length - 1] == L'\n' || text[length - 1] == L'\r'))
        length--;
    *pasted = t->pasted;
    if (t->keys.overlong)
        return TERMINAL_TOO_LONG;
    line_utf8(t, text, length, line);
    return line->failed ? TERMINAL_HANGUP : TERMINAL_LINE;
}

/* ---- both */

struct terminal *terminal_open(const struct directory *directory, const char *home)
{
    struct terminal *t = calloc(1, sizeof(*t));
    bool editor = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

    if (t == NULL)
        return NULL;
    t->directory = directory;
    t->home = home;
    if (!charset_find(span_of(nl_langinfo(CODESET)), &t->charset))
        charset_find(SPAN("UTF-8"), &t->charset);
    t->signals = open_signals(editor);
    if (t->signals < 0 || (editor && !open_editor(t))) {
        terminal_close(t);
        return NULL;
    }
    return t;
}

void terminal_close(struct terminal *t)
{
    if (t == NULL)
        return;
    if (t->editor != NULL)
        el_end(t->editor);
    if (t->history != NULL)
        history_wend(t->history);
    if (t->signals >= 0)
        close(t->signals);
    keys_free(&t->keys);
    free(t->insert);
    buf_free(&t->in);
    free(t);
}

bool terminal_interactive(const struct terminal *t)
{
    return t->editor != NULL;
}

const struct charset *terminal_charset(const struct terminal *t)
{
    return &t->charset;
}

enum terminal_event terminal_read(struct terminal *t, const char *prompt, enum completion_kind kind,
                                  struct buf *line, bool *pasted)
{
    buf_clear(line);
    *pasted = false;
    if (t->gone || t->ended_by != 0)
        return TERMINAL_HANGUP;
    t->prompt = prompt;
    t->completion = kind;
    if (t->editor != NULL)
        return read_edited(t, line, pasted);
    if (!terminal_put(t, span_of(prompt)))
        return TERMINAL_HANGUP;
    return read_plain(t, line);
}
