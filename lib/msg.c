/* See msg.h. */
#include "lib/msg.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const struct message {
    const char *id; /* T01SM020I */
    unsigned char args;
    const char *text; /* each % stands for the next argument */
    const char *explanation, *action;
} messages[] = {
#define MESSAGE(number, severity, args, text, explanation, action)                                 \
    {"T01SM" #number #severity, args, text, explanation, action},
#include "lib/messages.def"
#undef MESSAGE
};
_Static_assert(sizeof(messages) / sizeof(messages[0]) == MSG_COUNT, "one row each");

enum { LINE = 2048 };

void msg_open(struct msg_log *log, const char *program, enum msg_where where)
{
    if (where == MSG_AUTO)
        where = isatty(STDERR_FILENO) || access("/dev/log", F_OK) < 0 ? MSG_STDERR : MSG_SYSLOG;
    *log = (struct msg_log){program, where};
    if (where == MSG_SYSLOG)
        openlog(program, LOG_PID, LOG_MAIL);
}

static size_t put(char *out, size_t size, size_t at, char c)
{
    if (at + 1 < size)
        out[at] = c;
    return at + 1;
}

static size_t put_safe(char *out, size_t size, size_t at, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c < 0x7f) {
            at = put(out, size, at, (char)c);
            continue;
        }
        at = put(out, size, at, '\\');
        at = put(out, size, at, 'x');
        at = put(out, size, at, hex[c >> 4]);
        at = put(out, size, at, hex[c & 15]);
    }
    return at;
}

size_t msg_format(char *out, size_t size, enum msg_id id, const char *const *args, size_t n)
{
    const struct message *m = &messages[id];
    size_t at = put_safe(out, size, 0, m->id), next = 1;

    at = put(out, size, at, ' ');
    for (const char *p = m->text; *p != '\0'; p++) {
        if (*p != '%')
            at = put(out, size, at, *p);
        else if (next <= n)
            at = put_safe(out, size, at, args[next++]);
    }
    if (at >= size)
        at = size - 1;
    out[at] = '\0';
    return at;
}

static int priority(const char *id)
{
    switch (id[8]) {
    case 'E':
        return LOG_ERR;
    case 'W':
        return LOG_WARNING;
    default:
        return LOG_INFO;
    }
}

void msg_write(const struct msg_log *log, enum msg_id id, const char *const *args, size_t n)
{
    char line[LINE], head[32] = "";
    time_t now = time(NULL);
    struct tm local;

    msg_format(line, sizeof(line), id, args, n);
    if (log->where == MSG_SYSLOG) {
        syslog(priority(messages[id].id), "%s", line);
        return;
    }
    if (localtime_r(&now, &local) != NULL)
        strftime(head, sizeof(head), "%H.%M.%S", &local);
    fprintf(stderr, "%s %s[%ld]: %s\n", head, log->program, (long)getpid(), line);
}

struct msg_number msg_num(long long n)
{
    struct msg_number out;

    snprintf(out.text, sizeof(out.text), "%lld", n);
    return out;
}

/* Text in mdoc: a period or apostrophe may not begin a line, a backslash is \e. */
static void manual_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '%')
            fputs("\\fIvalue\\fR", stdout);
        else
            putchar(*text);
        if (*text == '.' && text[1] == ' ') {
            putchar('\n'); /* a new sentence begins a new line */
            text++;
        }
    }
    putchar('\n');
}

bool msg_manual(void)
{
    fputs(".Dd November 21, 2026\n.Dt SPOOLMAIL-MESSAGES 7\n.Os spoolmail\n.Sh NAME\n"
          ".Nm spoolmail-messages\n.Nd messages to the operator and the log\n.Sh DESCRIPTION\n"
          "The last letter of an identifier is its severity: I for information, W for a warning,\n"
          "E for an error that needs somebody.\n.Bl -tag -width Ds\n",
          stdout);
    for (size_t i = 0; i < MSG_COUNT; i++) {
        printf(".It %s\n", messages[i].id);
        manual_text(messages[i].text);
        fputs(".Pp\n", stdout);
        manual_text(messages[i].explanation);
        fputs(".Pp\n", stdout);
        manual_text(messages[i].action);
    }
    fputs(".El\n.Sh SEE ALSO\n.Xr spool4 8 ,\n.Xr usmtp 8\n", stdout);
    return fflush(stdout) == 0 && !ferror(stdout);
}
