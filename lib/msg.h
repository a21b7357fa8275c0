/* Messages to the operator and the log: T01SMnnnS. One table (messages.def) holds id, severity,
 * text, explanation and action; the manual page spoolmail-messages(7) is made from it.
 *
 * Every argument is text from somewhere else (a file name, an address, a peer's reply) and is
 * written with all octets outside printable ASCII escaped: no raw control octet reaches the log or
 * the operator's screen. */
#ifndef SPOOLMAIL_MSG_H
#define SPOOLMAIL_MSG_H

#include <stdbool.h>
#include <stddef.h>

enum msg_id {
#define MESSAGE(number, severity, args, text, explanation, action) T01SM##number##severity,
#include "lib/messages.def"
#undef MESSAGE
    MSG_COUNT
};

enum msg_where { MSG_AUTO, MSG_STDERR, MSG_SYSLOG };

struct msg_log {
    const char *program;
    enum msg_where where;
};

/* AUTO: standard error when it is a terminal or there is no syslog here; otherwise syslog, facility
 * mail. */
void msg_open(struct msg_log *log, const char *program, enum msg_where where);

/* The arguments are `const char *`, as many as the table says, at least one. */
#define MSG(log, id, ...)                                                                          \
    msg_write((log), (id), (const char *const[]){"", __VA_ARGS__},                                 \
              sizeof((const char *const[]){"", __VA_ARGS__}) / sizeof(const char *) - 1)
void msg_write(const struct msg_log *log, enum msg_id id, const char *const *args, size_t n);

/* The line as it would be written, without time and program; cut when it does not fit. For tests
 * and for reasons that are put beside held files. */
#define MSG_TEXT(out, size, id, ...)                                                               \
    msg_format((out), (size), (id), (const char *const[]){"", __VA_ARGS__},                        \
               sizeof((const char *const[]){"", __VA_ARGS__}) / sizeof(const char *) - 1)
size_t msg_format(char *out, size_t size, enum msg_id id, const char *const *args, size_t n);

/* A number as an argument: msg_num(n).text lives to the end of the full expression. */
struct msg_number {
    char text[24];
};
struct msg_number msg_num(long long n);

/* The manual page, on standard output. False when it could not be written. */
bool msg_manual(void);

#endif
