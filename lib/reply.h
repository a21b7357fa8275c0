/* SMTP replies (RFC 5321 4.2, RFC 3463 codes): the one parser and writer. Pure; trusts no peer. */
#ifndef SPOOLMAIL_REPLY_H
#define SPOOLMAIL_REPLY_H

#include "lib/buf.h"

enum {
    REPLY_LINE_MAX = 512,  /* octets of a line with CR LF, read or written; what is beyond is cut */
    REPLY_LINES_MAX = 100, /* lines in one reply; more is an error when read */
    REPLY_TEXT_MAX = 4096  /* octets of text kept of one reply, its lines joined by LF */
};

struct reply {
    unsigned short code; /* 200-599; 0 when none was read; after MALFORMED the last good one */
    unsigned char class; /* of the first enhanced code: 2, 4 or 5; 0: it had none */
    unsigned short subject, detail;
    unsigned lines;
    struct buf text; /* without codes; LF between lines; printable ASCII or UTF-8, a tab as a blank,
                        other octets as ?. An enhanced code of another class than the code (RFC 2034
                        4), or that differs from the first line's, stays in the text. */
};

enum reply_result {
    REPLY_MORE, /* a continuation line: go on */
    REPLY_DONE,
    REPLY_MALFORMED /* no code, code out of range, neither blank nor hyphen behind it, codes that
                       differ within one reply, too many lines */
};

/* Takes one line without its CR LF. After DONE or MALFORMED call reply_clear() before the next. */
enum reply_result reply_line(struct reply *r, struct span line);
/* Collects a line from octets as they come: moves *octets on, and keeps in *held what has no end
 * yet. True: *line is whole, without its end, and valid until *held is cleared, which the caller
 * does. What a line has beyond the limit is forgotten. held->failed: memory is short. */
bool reply_collect(struct buf *held, struct span *octets, struct span *line);
/* The same with another limit: for the lines of a SASL exchange. */
bool reply_collect_long(struct buf *held, struct span *octets, size_t most, struct span *line);
void reply_clear(struct reply *r);
void reply_free(struct reply *r);
/* Writes "250-..." / "250 ..." lines with CR LF; text's LFs separate the lines, which are cleaned
 * and cut as those that are read. enhanced is "2.1.0" or NULL. False when memory is short, the code
 * is out of range, or the enhanced code is not of its class. */
bool reply_write(struct buf *out, unsigned code, const char *enhanced, struct span text);
/* "5.1.1" of the reply; from the code ("5.0.0") where it gave none; "" where its class has none (no
 * reply, 3xx). Buffer of 12. */
const char *reply_enhanced(const struct reply *r, char out[12]);
/* "550 5.1.1 No such user": the reply in one line of printable ASCII, cut at `size` - 1. */
void reply_words(const struct reply *r, char *out, size_t size);

#endif
