/* The client's side of LMTP (RFC 2033), as a pure machine: replies in, commands out. No descriptor,
 * clock or file; trusts no server.
 *
 *   GREETING -> LHLO -> READY -> MAIL -> RCPT ... -> DATA -> TEXT -> TERM ... -> READY -> QUIT
 *                        ^_______________ RSET (nobody was accepted)
 *
 * After the final dot there is one reply for each recipient that RCPT accepted. With PIPELINING,
 * MAIL and all RCPT go out together; DATA waits for their replies, so that no text is sent when
 * there is nobody to get it. Each recipient of a mail gets its verdict exactly once, when the
 * machine is in READY or CLOSED again at the latest. */
#ifndef POSTOFFICE_LMTP_H
#define POSTOFFICE_LMTP_H

#include "lib/address.h"
#include "lib/reply.h"
#include "lib/site.h"

enum lmtp_state {
    LMTP_GREETING,
    LMTP_LHLO,
    LMTP_READY, /* lmtp_mail() or lmtp_quit() */
    LMTP_MAIL,
    LMTP_RCPT,
    LMTP_DATA,
    LMTP_TEXT, /* send the text, then lmtp_text_sent() */
    LMTP_TERM,
    LMTP_RSET,
    LMTP_QUIT,
    LMTP_CLOSED, /* close the connection */
    LMTP_STATES
};

enum lmtp_feature { LMTP_PIPELINING = 1, LMTP_8BITMIME = 2, LMTP_SIZE = 4, LMTP_SMTPUTF8 = 8 };

enum lmtp_verdict {
    LMTP_OPEN,
    LMTP_DELIVERED,
    LMTP_LATER, /* try again */
    LMTP_NEVER  /* tell the sender */
};

enum { LMTP_TEXT_MAX = 200 };

struct lmtp_recipient {
    struct address to;
    enum lmtp_verdict verdict;
    char status[12];          /* "5.1.1" */
    char text[LMTP_TEXT_MAX]; /* the reply, or our own words; printable, one line */
    bool accepted;            /* by RCPT */
};

struct lmtp_mail {
    struct address from;
    struct lmtp_recipient *to; /* the caller's, n of them */
    size_t n;
    uint64_t octets; /* for SIZE= */
    bool eight_bit;
};

struct lmtp {
    enum lmtp_state state;
    char host[ADDRESS_DOMAIN_MAX + 1]; /* our name, for LHLO */
    unsigned features;                 /* enum lmtp_feature */
    uint64_t size_limit;               /* 0: none announced */
    struct reply reply;                /* being read */
    struct buf line;                   /* the same, as far as its end has not come */
    struct lmtp_mail *mail;            /* in hand; borrowed; NULL: none */
    bool utf8;                         /* an address of it has letters beyond ASCII */
    size_t next;                       /* whose reply comes next */
    size_t accepted;
    bool greeted;            /* READY was reached: the server is one of ours */
    char why[LMTP_TEXT_MAX]; /* CLOSED without having greeted: what was wrong */
};

void lmtp_open(struct lmtp *l, const char *host);
void lmtp_close(struct lmtp *l);
/* Octets from the server; any part of a reply, or several. Commands are appended to *out. */
void lmtp_input(struct lmtp *l, struct span octets, struct buf *out);
/* Only in READY. The mail lives until l->mail is NULL again. When it may not be sent to this server
 * at all, its recipients have their verdicts at once and the machine stays READY. */
void lmtp_mail(struct lmtp *l, struct lmtp_mail *mail, struct buf *out);
/* Only in TEXT, when the final dot was handed to the wire. */
void lmtp_text_sent(struct lmtp *l);
/* Sends QUIT where that is lawful, else closes. */
void lmtp_quit(struct lmtp *l, struct buf *out);
/* The connection ended, its time was up, or the text cannot be sent: what is open is to be tried
 * again. */
void lmtp_lost(struct lmtp *l, const char *why);
/* Seconds that the state may last. */
uint64_t lmtp_timeout(const struct lmtp *l, const struct site_timeouts *t);
const char *lmtp_state_name(enum lmtp_state state);

/* The text after DATA: LF to CR LF, dots stuffed; a CR that ends no line becomes a blank, so that
 * nothing in a mail can end it early. All zero at the start; pieces may be cut anywhere. */
struct lmtp_text {
    bool in_line, cr;
};
bool lmtp_text(struct lmtp_text *t, struct span piece, struct buf *out);
/* Ends the last line and adds the final dot. */
bool lmtp_text_end(struct lmtp_text *t, struct buf *out);

#endif
