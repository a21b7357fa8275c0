/* The session of SNDMSG, as the original types it: pure. Lines go in, output and actions come out.
 *
 *     **SNDMSG ** WED, 13 JAN 91 16:40:47 EST
 *     To: abc@unix.md.company.com,xyz@unix.md.company.com.
 *     CC: mno@unix.md.company.com
 *     Subject: new test
 *     Enter message text, followed by empty line. Use \x to cancel last line, or \t to display msg.
 *     message text
 *
 *     -->abc@unix.md.company.com SPOOLED
 *
 * What cannot be right is refused on the spot, with its place marked, and asked again. Beyond the
 * original, a line at To: or CC: may begin with Bcc: or Reply-To: (or To:, Cc:), and `.a=` attaches
 * a file. All output is UTF-8 without control characters but LF. */
#ifndef SNDMSG_DIALOGUE_H
#define SNDMSG_DIALOGUE_H

#include <time.h>

#include "sndmsg/recipients.h"

enum { DIALOGUE_SUBJECT_MAX = 1000 /* octets */ };

enum dialogue_phase {
    DIALOGUE_TO,
    DIALOGUE_CC,
    DIALOGUE_SUBJECT,
    DIALOGUE_TEXT,
    DIALOGUE_OVER /* nothing more is read */
};

/* What the caller is to do; the operand is dialogue_operand(). */
enum dialogue_action {
    DIALOGUE_ASK,     /* type the output, read the next line */
    DIALOGUE_ADD,     /* the operand is a line of the text */
    DIALOGUE_INCLUDE, /* the operand is what stands behind .f= */
    DIALOGUE_ATTACH,  /* the operand is what stands behind .a= */
    DIALOGUE_CANCEL,  /* the last line of the text goes */
    DIALOGUE_SHOW,    /* the message is typed back */
    DIALOGUE_SEND
};

struct dialogue {
    enum dialogue_phase phase;
    const struct resolver *resolver;
    struct recipients recipients;
    struct buf subject; /* UTF-8, no control character */
    struct buf out;     /* to be typed; the caller clears it */
    struct buf line;    /* the line in hand, without marks of pasting */
    struct buf operand;
    enum recipient_field field; /* whose list goes on */
    bool more;                  /* it does */
    bool refused;               /* the last line was */
    bool failed;                /* memory was short for a line: the session must end */
};

void dialogue_begin(struct dialogue *d, const struct resolver *resolver);
void dialogue_free(struct dialogue *d);
/* The first line of the session, at that local time. */
bool dialogue_herald(struct buf *out, const struct tm *local);
/* The same time alone: WED, 13 JAN 91 16:40:47 EST */
bool dialogue_time(struct buf *out, const struct tm *local);
/* What is typed before a line is read; "" in the text. */
const char *dialogue_prompt(const struct dialogue *d);
/* Takes a line without its LF. `pasted`: it was pasted whole, its end included, so that in the text
 * it is nothing but text. */
enum dialogue_action dialogue_line(struct dialogue *d, struct span line, bool pasted);
static inline struct span dialogue_operand(const struct dialogue *d)
{
    return BUF_SPAN(&d->operand);
}
/* Appends the header part of the message as `\t` shows it. */
bool dialogue_show(const struct dialogue *d, struct buf *out);
/* Appends the line that says what became of a recipient; why is NULL when it was spooled. */
bool dialogue_result(struct buf *out, const struct address *to, const char *why);

#endif
