/* The user's side of the session: lines in, text out.
 *
 * On a terminal lines are edited (libedit): history, completion, and text that is pasted in
 * bracketed paste mode is told from text that is typed. Without one the same lines are read
 * unadorned. Nothing that a terminal would obey is ever echoed or typed: control characters that
 * are no editing keys and characters that turn text about are refused with a beep. Text is UTF-8
 * inside and in the locale's charset outside.
 *
 * Signals that would end or stop the program are taken between two keys, never in the middle of
 * anything else. */
#ifndef SNDMSG_TERMINAL_H
#define SNDMSG_TERMINAL_H

#include "lib/charset.h"
#include "sndmsg/completion.h"

/* A longer line is refused as a whole, so that its tail cannot pose as another one. */
enum { TERMINAL_LINE_MAX = 65536 };

enum terminal_event {
    TERMINAL_LINE,
    TERMINAL_TOO_LONG,  /* a line of more than TERMINAL_LINE_MAX octets came and is gone */
    TERMINAL_END,       /* end of file */
    TERMINAL_INTERRUPT, /* SIGINT */
    TERMINAL_HANGUP     /* SIGHUP, SIGTERM, SIGQUIT, or the terminal is gone */
};

struct terminal; /* opaque */

/* Standard input and output. The directory is for completion, the home for ~/; both are borrowed.
 * NULL: memory or descriptors are short (errno). */
struct terminal *terminal_open(const struct directory *directory, const char *home);
void terminal_close(struct terminal *t);
/* Is a person there, as far as one can know? */
bool terminal_interactive(const struct terminal *t);
const struct charset *terminal_charset(const struct terminal *t);
/* Types the prompt and reads a line, without its end. After TERMINAL_HANGUP the line is what was
 * typed of it. *pasted: the line was pasted whole, its end included. */
enum terminal_event terminal_read(struct terminal *t, const char *prompt, enum completion_kind kind,
                                  struct buf *line, bool *pasted);
/* Types text. False: the terminal is gone. */
bool terminal_put(struct terminal *t, struct span utf8);
/* Between two lines: has the user interrupted, or gone? For long work; takes a `struct terminal *`.
 * An interrupt is used up by it. */
bool terminal_stopped(void *terminal);
/* The number of the signal that ended the session; 0: none. */
int terminal_signal(const struct terminal *t);

#endif
