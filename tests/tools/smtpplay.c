/* smtpplay: plays one side of an SMTP dialogue from a script, and says where the other side
 * departs.
 *
 *     smtpplay server [-p PORT] [-n CONNECTIONS] [--port-file FILE] [--log FILE] SCRIPT...
 *     smtpplay client [--log FILE] HOST:PORT SCRIPT
 *
 * The server listens on 127.0.0.1 and plays a script to each connection, the first to the first,
 * the last to all further ones; connections may overlap. It ends after CONNECTIONS of them (one a
 * script; 0: never) or at SIGTERM. A script has a statement a line, with one blank behind its word:
 *
 *     -> TEXT             send TEXT and CRLF; \r \n \t \0 \xNN \\ are understood
 *     ->> TEXT            send TEXT alone
 *     repeat N -> TEXT    send it N times (->> too), or until the peer goes
 *     drip MS TEXT        send TEXT octet by octet, MS between, or until the peer goes
 *     <- TEXT             expect exactly this line (escapes as above)
 *     <~ REGEX            expect a line that matches this extended regular expression
 *     <*                  expect any line
 *     <reply DIGITS       expect a whole reply whose code begins so
 *     <. [FILE]           expect a body up to CRLF.CRLF, and append it to FILE as it came
 *     expect-close        the peer must close and send nothing before that
 *     close, reset        end the connection, the latter by RST
 *     sleep MS, timeout MS (5000 at first; for each statement that waits), # comment
 *
 * A line of the peer ends with CRLF; a bare LF is a departure. Exit status: 0 all of the script was
 * played, 1 a departure (script:line, what was expected, what came, made printable), 2 a mistake in
 * the script or its call. What the peer sends is bounded and never shown raw. */
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/tools/tool.h"

enum { TIMEOUT_MS = 5000, IN_MAX = 64 << 20, SHOWN_MAX = 400, NUMBER_MAX = 100000000 };

struct step {
    const struct statement *statement;
    size_t line;
    uint64_t number;
    struct buf text;
    regex_t regex;
};

struct script {
    const char *name;
    struct step *step;
    size_t steps;
};

struct play {
    const struct script *script;
    const struct step *step; /* the one being played */
    int fd;                  /* -1: ended */
    int signals, log;        /* -1: none */
    unsigned connection;
    bool gone; /* the peer closed or reset */
    uint64_t timeout_ms, deadline_ms;
    struct buf in;
};

struct statement {
    struct span word;
    bool (*parse)(struct step *, struct span rest); /* what is behind the word */
    bool (*run)(struct play *, const struct step *);
    const char *form;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The text between quotes, cut when it is long. */
static void add_quoted(struct buf *out, struct span s)
{
    buf_addc(out, '"');
    tool_add_printable(out, (struct span){s.p, s.n < SHOWN_MAX ? s.n : SHOWN_MAX});
    buf_addc(out, '"');
    if (s.n > SHOWN_MAX)
        buf_printf(out, " (the first of %zu octets)", s.n);
}

/* One write, so that the lines of several connections do not mix. */
static void write_line(int fd, struct buf *line)
{
    buf_addc(line, '\n');
    if (!line->failed && write(fd, line->data, line->len) < 0 && fd != STDERR_FILENO)
        tool_die(errno, "cannot write the log");
    buf_free(line);
}

/* "script:line: expected WHAT, got GOT". Always false. */
static bool departure(const struct play *p, const char *what, struct span wanted, struct span got,
                      const char *how)
{
    struct buf line = {0};

    buf_printf(&line, "%s:%zu: connection %u: expected %s", p->script->name, p->step->line,
               p->connection, what);
    if (wanted.p != NULL) {
        buf_addc(&line, ' ');
        add_quoted(&line, wanted);
    }
    buf_adds(&line, ", got ");
    if (got.n > 0 || how == NULL)
        add_quoted(&line, got);
    if (how != NULL)
        buf_printf(&line, "%s%s", got.n > 0 ? " and then " : "", how);
    write_line(STDERR_FILENO, &line);
    return false;
}

static void log_text(const struct play *p, const char *arrow, struct span text)
{
    struct buf line = {0};

    if (p->log < 0)
        return;
    buf_printf(&line, "%u %s ", p->connection, arrow);
    tool_add_printable(&line, text);
    write_line(p->log, &line);
}

/* Waits for the socket. NULL when it is ready, else why not. */
static const char *wait_for(struct play *p, short events)
{
    struct pollfd fd[2] = {{.fd = p->fd, .events = events}, {.fd = p->signals, .events = POLLIN}};
    uint64_t now = now_ms();
    int n;

    if (p->fd < 0)
        return "an end by the script itself";
    do {
        now = now_ms();
        n = poll(fd, 2, now < p->deadline_ms ? (int)(p->deadline_ms - now) : 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        tool_die(errno, "poll");
    if (fd[0].revents != 0)
        return NULL;
    return n > 0 ? "SIGTERM" : "nothing in time";
}

/* Reads once. NULL when octets came, else why not. */
static const char *read_more(struct play *p)
{
    enum { PIECE = 65536 };
    const char *why = wait_for(p, POLLIN);

    if (why != NULL)
        return why;
    if (p->in.len > IN_MAX || !buf_reserve(&p->in, PIECE))
        return "no end of it";
    ssize_t n = recv(p->fd, p->in.data + p->in.len, PIECE, 0);
    if (n > 0) {
        p->in.len += (size_t)n;
        return NULL;
    }
    p->gone = true;
    return n == 0 ? "a close" : "a reset";
}

/* The next line without its CRLF, left at the front of p->in. False after a departure. */
static bool read_line(struct play *p, const char *what, struct span wanted, struct span *line)
{
    const char *why = NULL;
    size_t at = 0, seen = 0;

    for (;;) {
        struct span rest = span_from(BUF_SPAN(&p->in), seen);
        at = seen + span_find(rest, '\n');
        if (at < p->in.len)
            break;
        seen = p->in.len;
        if ((why = read_more(p)) != NULL)
            return departure(p, what, wanted, BUF_SPAN(&p->in), why);
    }
    *line = (struct span){p->in.data, at};
    log_text(p, "<-", (struct span){p->in.data, at + 1});
    if (at == 0 || line->p[at - 1] != '\r')
        return departure(p, what, wanted, *line, "a bare LF");
    line->n--;
    return true;
}

static void line_used(struct play *p, struct span line)
{
    buf_consume(&p->in, line.n + 2);
}

/* Sends all. NULL when done, else why not. */
static const char *send_octets(struct play *p, struct span text)
{
    while (text.n > 0) {
        const char *why = wait_for(p, POLLOUT);
        if (why != NULL)
            return why;
        ssize_t n = send(p->fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            p->gone = true;
            return "a close";
        }
        if (n > 0)
            text = span_from(text, (size_t)n);
    }
    return NULL;
}

static bool run_send(struct play *p, const struct step *s)
{
    log_text(p, "->", BUF_SPAN(&s->text));
    const char *why = send_octets(p, BUF_SPAN(&s->text));
    return why == NULL || departure(p, "to send", BUF_SPAN(&s->text), (struct span){0}, why);
}

static bool run_repeat(struct play *p, const struct step *s)
{
    const char *why = NULL;

    log_text(p, "-> repeatedly", BUF_SPAN(&s->text));
    for (uint64_t i = 0; i < s->number && why == NULL; i++) {
        p->deadline_ms = now_ms() + p->timeout_ms;
        why = send_octets(p, BUF_SPAN(&s->text));
    }
    return why == NULL || p->gone ||
           departure(p, "to send", BUF_SPAN(&s->text), (struct span){0}, why);
}

static void pause_ms(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

static bool run_drip(struct play *p, const struct step *s)
{
    const char *why = NULL;

    log_text(p, "-> dripping", BUF_SPAN(&s->text));
    for (size_t i = 0; i < s->text.len && why == NULL; i++) {
        if (i > 0)
            pause_ms(s->number);
        p->deadline_ms = now_ms() + p->timeout_ms;
        why = send_octets(p, (struct span){s->text.data + i, 1});
    }
    return why == NULL || p->gone ||
           departure(p, "to send", BUF_SPAN(&s->text), (struct span){0}, why);
}

static bool run_expect(struct play *p, const struct step *s)
{
    struct span line, wanted = s->text.len ? BUF_SPAN(&s->text) : SPAN("");

    if (!read_line(p, "the line", wanted, &line))
        return false;
    if (!span_eq(line, wanted))
        return departure(p, "the line", wanted, line, NULL);
    line_used(p, line);
    return true;
}

static bool run_match(struct play *p, const struct step *s)
{
    struct span line, wanted = BUF_SPAN(&s->text);

    if (!read_line(p, "a match of", wanted, &line))
        return false;
    regmatch_t all = {0, (regoff_t)line.n};
    if (regexec(&s->regex, line.p, 1, &all, REG_STARTEND) != 0)
        return departure(p, "a match of", wanted, line, NULL);
    line_used(p, line);
    return true;
}

static bool run_any(struct play *p, const struct step *s)
{
    struct span line;

    (void)s;
    if (!read_line(p, "a line", (struct span){0}, &line))
        return false;
    line_used(p, line);
    return true;
}

static bool is_reply_line(struct span line, struct span code)
{
    if (line.n < 3 || !span_starts_nocase(line, code) ||
        (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (line.p[i] < '0' || line.p[i] > '9')
            return false;
    return true;
}

static bool run_reply(struct play *p, const struct step *s)
{
    struct span line, wanted = BUF_SPAN(&s->text);
    char code[4];
    bool more = true;

    while (more) {
        if (!read_line(p, "a reply", wanted, &line))
            return false;
        if (!is_reply_line(line, wanted))
            return departure(p, "a reply", wanted, line, NULL);
        more = line.n > 3 && line.p[3] == '-';
        memcpy(code, line.p, 3); /* all lines of a reply bear the same code */
        wanted = (struct span){code, 3};
        line_used(p, line);
    }
    return true;
}

/* Where the body ends: the index of the line that is one dot. False when it has not come. */
static bool body_end(struct span body, size_t *from, size_t *end)
{
    for (size_t i = *from; body.n >= 3 && i <= body.n - 3; i++) {
        const char *dot = memchr(body.p + i, '.', body.n - 2 - i);
        if (dot == NULL)
            break;
        i = (size_t)(dot - body.p);
        bool begins = i == 0 || (i >= 2 && dot[-2] == '\r' && dot[-1] == '\n');
        if (begins && dot[1] == '\r' && dot[2] == '\n') {
            *end = i;
            return true;
        }
    }
    *from = body.n > 2 ? body.n - 2 : 0;
    return false;
}

static bool run_body(struct play *p, const struct step *s)
{
    struct buf name = {0};
    const char *why = NULL;
    size_t from = 0, end = 0;

    while (!body_end(BUF_SPAN(&p->in), &from, &end))
        if ((why = read_more(p)) != NULL)
            return departure(p, "a body", (struct span){0}, BUF_SPAN(&p->in), why);
    log_text(p, "<.", (struct span){p->in.data, end});
    if (s->text.len > 0) {
        buf_addspan(&name, BUF_SPAN(&s->text));
        FILE *f = fopen(buf_str(&name), "ae");
        if (f == NULL || fwrite(p->in.data, 1, end, f) != end || fclose(f) != 0)
            tool_die(errno, "cannot write %s", buf_str(&name));
        buf_free(&name);
    }
    buf_consume(&p->in, end + 3);
    return true;
}

static bool run_expect_close(struct play *p, const struct step *s)
{
    const char *why = p->gone ? "" : NULL;

    (void)s;
    if (p->in.len == 0 && why == NULL)
        why = read_more(p);
    if (p->in.len > 0)
        return departure(p, "a close", (struct span){0}, BUF_SPAN(&p->in), NULL);
    return p->gone || departure(p, "a close", (struct span){0}, (struct span){0}, why);
}

static bool run_close(struct play *p, const struct step *s)
{
    (void)s;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    return true;
}

static bool run_reset(struct play *p, const struct step *s)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (p->fd >= 0)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    return run_close(p, s);
}

static bool run_sleep(struct play *p, const struct step *s)
{
    (void)p;
    pause_ms(s->number);
    return true;
}

static bool run_timeout(struct play *p, const struct step *s)
{
    p->timeout_ms = s->number;
    return true;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static bool unescape(struct span s, struct buf *out)
{
    static const char name[] = "rnt0\\", octet[] = "\r\n\t\0\\";

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\\') {
            buf_addc(out, s.p[i]);
            continue;
        }
        if (++i >= s.n)
            return false;
        const char *known = s.p[i] ? strchr(name, s.p[i]) : NULL;
        if (known != NULL) {
            buf_addc(out, octet[known - name]);
            continue;
        }
        int high = s.p[i] == 'x' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
        if (low < 0)
            return false;
        buf_addc(out, (char)(high * 16 + low));
        i += 2;
    }
    return !out->failed;
}

static bool parse_text(struct step *s, struct span rest)
{
    return unescape(rest, &s->text);
}

static bool parse_line(struct step *s, struct span rest)
{
    return unescape(rest, &s->text) && buf_adds(&s->text, "\r\n");
}

static bool parse_raw(struct step *s, struct span rest)
{
    return rest.n == 0 || buf_addspan(&s->text, rest);
}

static bool parse_nothing(struct step *s, struct span rest)
{
    (void)s;
    return span_trim(rest).n == 0;
}

static bool parse_number(struct step *s, struct span rest)
{
    return span_number(span_trim(rest), NUMBER_MAX, &s->number);
}

static bool parse_digits(struct step *s, struct span rest)
{
    uint64_t code;

    rest = span_trim(rest);
    return rest.n <= 3 && span_number(rest, 999, &code) && buf_addspan(&s->text, rest);
}

static bool parse_regex(struct step *s, struct span rest)
{
    return buf_addspan(&s->text, rest) && regcomp(&s->regex, buf_str(&s->text), REG_EXTENDED) == 0;
}

/* Takes a number and the blank behind it off the front. */
static bool take_number(struct step *s, struct span *rest)
{
    size_t end = span_find(*rest, ' ');
    bool good = span_number((struct span){rest->p, end}, NUMBER_MAX, &s->number);

    *rest = span_from(*rest, end + 1);
    return good;
}

static bool parse_drip(struct step *s, struct span rest)
{
    return take_number(s, &rest) && unescape(rest, &s->text);
}

static bool parse_repeat(struct step *s, struct span rest)
{
    if (!take_number(s, &rest))
        return false;
    if (span_starts_nocase(rest, SPAN("->> ")))
        return unescape(span_from(rest, 4), &s->text);
    return span_starts_nocase(rest, SPAN("-> ")) && parse_line(s, span_from(rest, 3));
}

static const struct statement statements[] = {
    {{"->", 2}, parse_line, run_send, "-> TEXT"},
    {{"->>", 3}, parse_text, run_send, "->> TEXT"},
    {{"repeat", 6}, parse_repeat, run_repeat, "repeat N -> TEXT"},
    {{"drip", 4}, parse_drip, run_drip, "drip MS TEXT"},
    {{"<-", 2}, parse_text, run_expect, "<- TEXT"},
    {{"<~", 2}, parse_regex, run_match, "<~ REGEX, an extended regular expression"},
    {{"<*", 2}, parse_nothing, run_any, "<*"},
    {{"<reply", 6}, parse_digits, run_reply, "<reply DIGITS, at most three"},
    {{"<.", 2}, parse_raw, run_body, "<. [FILE]"},
    {{"expect-close", 12}, parse_nothing, run_expect_close, "expect-close"},
    {{"close", 5}, parse_nothing, run_close, "close"},
    {{"reset", 5}, parse_nothing, run_reset, "reset"},
    {{"sleep", 5}, parse_number, run_sleep, "sleep MS"},
    {{"timeout", 7}, parse_number, run_timeout, "timeout MS"},
};

/* Plays the script on a connection. True when the peer did as it says. */
static bool play(struct play *p)
{
    bool good = true;

    p->timeout_ms = TIMEOUT_MS;
    for (size_t i = 0; good && i < p->script->steps; i++) {
        p->step = &p->script->step[i];
        p->deadline_ms = now_ms() + p->timeout_ms;
        good = p->step->statement->run(p, p->step);
    }
    if (p->fd >= 0)
        close(p->fd);
    buf_free(&p->in);
    return good;
}

static void parse_statement(struct script *s, struct span text, size_t line)
{
    size_t end = span_find(text, ' ');
    struct span word = {text.p, end}, rest = span_from(text, end + 1);
    struct step *step;

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        if (!span_eq(word, statements[i].word))
            continue;
        step = reallocarray(s->step, s->steps + 1, sizeof(*step));
        if (step == NULL)
            tool_die(ENOMEM, "%s", s->name);
        s->step = step;
        step += s->steps++;
        *step = (struct step){.statement = &statements[i], .line = line};
        if (!statements[i].parse(step, rest))
            tool_die(0, "%s:%zu: write %s; escapes are \\r \\n \\t \\0 \\xNN \\\\", s->name, line,
                     statements[i].form);
        return;
    }
    tool_die(0, "%s:%zu: no statement begins with \"%.*s\"; see the head of smtpplay.c", s->name,
             line, (int)word.n, word.p);
}

static struct script read_script(const char *name)
{
    struct script s = {.name = name};
    struct buf all = {0};
    struct span text, line;
    char piece[4096];
    size_t n, number = 0;

    FILE *f = fopen(name, "re");
    if (f == NULL)
        tool_die(errno, "cannot read %s", name);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(&all, piece, n);
    if (ferror(f) || all.failed)
        tool_die(errno, "cannot read %s", name);
    fclose(f);
    text = BUF_SPAN(&all);
    while (span_line(&text, &line)) {
        number++;
        if (span_trim(line).n > 0 && span_trim(line).p[0] != '#')
            parse_statement(&s, line, number);
    }
    buf_free(&all);
    return s;
}

static void free_script(struct script *s)
{
    for (size_t i = 0; i < s->steps; i++) {
        buf_free(&s->step[i].text);
        if (s->step[i].statement->parse == parse_regex)
            regfree(&s->step[i].regex);
    }
    free(s->step);
}

struct options {
    uint16_t port;
    uint64_t connections;
    bool counted; /* -n was given */
    const char *port_file;
    int log;
};

struct server {
    const struct script *script;
    size_t scripts;
    uint64_t limit;
    int listener, signals, log;
    unsigned accepted, failed;
    pid_t *session; /* those that run */
    size_t sessions;
};

/* Plays in a process of its own, so that connections may overlap. */
static void serve(struct server *v, int fd)
{
    size_t i = v->accepted < v->scripts ? v->accepted : v->scripts - 1;
    int on = 1;

    v->accepted++;
    pid_t *more = reallocarray(v->session, v->sessions + 1, sizeof(*more));
    if (more == NULL)
        tool_die(errno, "connection %u", v->accepted);
    v->session = more;
    pid_t pid = fork();
    if (pid < 0)
        tool_die(errno, "connection %u", v->accepted);
    if (pid > 0) {
        v->session[v->sessions++] = pid;
        close(fd);
        return;
    }
    close(v->listener);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct play p = {.script = &v->script[i], .fd = fd, .signals = v->signals, .log = v->log};
    p.connection = v->accepted;
    _exit(play(&p) ? 0 : TOOL_FAILED);
}

static void reap(struct server *v)
{
    int status;

    for (size_t i = 0; i < v->sessions;) {
        if (waitpid(v->session[i], &status, WNOHANG) <= 0) {
            i++;
            continue;
        }
        v->session[i] = v->session[--v->sessions];
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            v->failed++;
    }
}

/* True when SIGTERM or SIGINT came; SIGCHLD only wakes. */
static bool told_to_end(int signals)
{
    struct signalfd_siginfo info;
    bool end = false;

    while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        end = end || info.ssi_signo != SIGCHLD;
    return end;
}

static void serve_all(struct server *v)
{
    bool ending = false;

    for (;;) {
        bool full = ending || (v->limit > 0 && v->accepted >= v->limit);
        struct pollfd fd[2] = {{.fd = full ? -1 : v->listener, .events = POLLIN},
                               {.fd = v->signals, .events = POLLIN}};
        reap(v);
        if (full && v->sessions == 0)
            return;
        if (poll(fd, 2, -1) < 0 && errno != EINTR)
            tool_die(errno, "poll");
        if (fd[1].revents != 0 && told_to_end(v->signals) && !ending) {
            ending = true;
            for (size_t i = 0; i < v->sessions; i++)
                kill(v->session[i], SIGTERM); /* each says where it was */
        }
        if (!ending && !full && fd[0].revents != 0) {
            int c = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC);
            if (c >= 0)
                serve(v, c);
        }
    }
}

static int server(const struct options *o, char **names, size_t n)
{
    struct script *script = calloc(n, sizeof(*script));
    struct server v = {.script = script, .scripts = n, .log = o->log};
    uint16_t port = o->port;
    sigset_t set;

    if (script == NULL)
        tool_die(errno, "scripts");
    for (size_t i = 0; i < n; i++)
        script[i] = read_script(names[i]);
    v.limit = o->counted ? o->connections : n;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    v.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (v.signals < 0)
        tool_die(errno, "signalfd");
    v.listener = tool_listen(&port, SOCK_NONBLOCK);
    if (o->port_file != NULL)
        tool_write_port(o->port_file, port);
    else
        printf("%u\n", port);
    fflush(stdout);
    serve_all(&v);
    if (v.accepted < v.limit)
        fprintf(stderr, "smtpplay: %u of %llu connections came\n", v.accepted,
                (unsigned long long)v.limit);
    for (size_t i = 0; i < n; i++)
        free_script(&script[i]);
    free(script);
    free(v.session);
    return v.failed > 0 || v.accepted < v.limit ? TOOL_FAILED : 0;
}

/* HOST:PORT; a numeric IPv6 host stands in brackets. */
static int connect_to(const char *where)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    const char *colon = strrchr(where, ':');
    struct buf host = {0};
    int fd = -1, on = 1;

    if (colon == NULL || colon == where)
        tool_die(0, "\"%s\" is not HOST:PORT", where);
    if (where[0] == '[' && colon[-1] == ']')
        buf_add(&host, where + 1, (size_t)(colon - where) - 2);
    else
        buf_add(&host, where, (size_t)(colon - where));
    int error = getaddrinfo(buf_str(&host), colon + 1, &hints, &found);
    if (error != 0)
        tool_die(0, "%s: %s", where, gai_strerror(error));
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0)
        tool_die(errno, "cannot connect to %s", where);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    freeaddrinfo(found);
    buf_free(&host);
    return fd;
}

static int client(const struct options *o, const char *where, const char *name)
{
    struct script script = read_script(name);
    struct play p = {.script = &script, .signals = -1, .log = o->log, .connection = 1};

    p.fd = connect_to(where);
    bool good = play(&p);
    free_script(&script);
    return good ? 0 : TOOL_FAILED;
}

_Noreturn static void usage(int status)
{
    fputs("usage: smtpplay server [-p PORT] [-n CONNECTIONS] [--port-file FILE] [--log FILE]"
          " SCRIPT...\n"
          "       smtpplay client [--log FILE] HOST:PORT SCRIPT\n",
          status == 0 ? stdout : stderr);
    exit(status);
}

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {
        {"port-file", required_argument, NULL, 'f'},
        {"log", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "p:n:h", names, NULL)) != -1) {
        if (c == 'p') {
            o->port = (uint16_t)tool_number("-p", optarg, UINT16_MAX);
        } else if (c == 'n') {
            o->connections = tool_number("-n", optarg, UINT32_MAX);
            o->counted = true;
        } else if (c == 'f') {
            o->port_file = optarg;
        } else if (c == 'l') {
            o->log = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
            if (o->log < 0)
                tool_die(errno, "cannot open %s", optarg);
        } else {
            usage(c == 'h' ? 0 : TOOL_BROKEN);
        }
    }
}

int main(int argc, char **argv)
{
    struct options o = {.log = -1};

    read_options(&o, argc, argv);
    char **word = argv + optind;
    int words = argc - optind;
    if (words >= 2 && strcmp(word[0], "server") == 0)
        return server(&o, word + 1, (size_t)words - 1);
    if (words == 3 && strcmp(word[0], "client") == 0)
        return client(&o, word[1], word[2]);
    usage(TOOL_BROKEN);
}
