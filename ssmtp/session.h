/* The receiver's side of RFC 5321, as a pure machine: octets in, replies and calls of its user out.
 * No descriptor, clock or file.
 *
 *   CONNECTED -> START -> IDLE -> MAIL -> RCPT -> DATA -> WAIT -> IDLE ...      any -> CLOSED
 *             greet    HELO   MAIL    RCPT    DATA    CRLF.CRLF   receiver_committed()
 *                      IDLE -> TLS -> START                        STARTTLS, receiver_secured()
 *                      IDLE -> AUTH -> LOGIN -> IDLE               AUTH, receiver_login()
 *
 * One table of verbs says in which phases each is lawful (session.c). Trusts nothing that comes in:
 * a command line is bounded and ends with CR LF only, the tail of a longer one is never a command,
 * and no octet of a client gets into a reply. In WAIT and LOGIN nothing is taken: what a client
 * sent ahead stays unread until the reply before it is known.
 *
 * Nobody relays but who logged in, or is in a network that may. */
#ifndef SSMTP_SESSION_H
#define SSMTP_SESSION_H

#include "lib/envelope.h"
#include "ssmtp/answer.h"
#include "ssmtp/auth.h"
#include "ssmtp/data.h"

enum receiver_phase {
    RECEIVER_CONNECTED = 1, /* receiver_greet() was not called yet */
    RECEIVER_START = 2,     /* no HELO or EHLO yet */
    RECEIVER_IDLE = 4,      /* no transaction */
    RECEIVER_MAIL = 8,      /* a transaction, no recipient yet */
    RECEIVER_RCPT = 16,     /* at least one recipient */
    RECEIVER_DATA = 32,     /* text is coming */
    RECEIVER_WAIT = 64,     /* a message is whole: store it, then receiver_committed() */
    RECEIVER_TLS = 256,     /* 220 was said: the handshake, then receiver_secured() */
    RECEIVER_AUTH = 512,    /* a response of the client's is waited for */
    RECEIVER_LOGIN = 1024,  /* a login is to be checked: receiver_claim(), receiver_login() */
    RECEIVER_CLOSED = 128   /* close the connection when the replies are sent */
};

/* Phases in which no octet is taken. */
enum { RECEIVER_BUSY = RECEIVER_WAIT | RECEIVER_TLS | RECEIVER_LOGIN | RECEIVER_CLOSED };

enum {
    RECEIVER_LINE = 512,             /* octets of a command line with CR LF, 4.5.3.1.4 */
    RECEIVER_ERRORS = 20,            /* bad commands before 421; a message stored clears them */
    RECEIVER_LOGINS = 3,             /* logins that failed before 421 */
    RECEIVER_STRANGERS = 1000,       /* recipients refused before 421 */
    RECEIVER_IDLING = 100,           /* commands that move no mail before they count as bad */
    RECEIVER_HOPS = 100,             /* Received fields: a loop, 6.3 */
    RECEIVER_HEADER_MAX = 1 << 20,   /* octets */
    RECEIVER_REPLIES_MAX = 16 << 10, /* octets of replies after which no command is taken */
};

/* What the user of the machine says. */
enum receiver_verdict {
    RECEIVER_GOOD,
    RECEIVER_UNKNOWN,   /* recipient: no such user */
    RECEIVER_NOT_OURS,  /* recipient: not of this site */
    RECEIVER_AMBIGUOUS, /* verify: several users */
    RECEIVER_NOT_YOURS, /* sender: another's address */
    RECEIVER_WRONG,     /* login: no such name and password */
    RECEIVER_FULL,      /* no room on the disk */
    RECEIVER_TROUBLE,   /* an error of our own; the client may try again */
    RECEIVER_VERDICTS
};

/* What a session needs to know of the site; its text may change between two calls. */
struct receiver_site {
    char host[ADDRESS_DOMAIN_MAX + 1];
    uint64_t maxsize; /* octets of a message */
    bool vrfy;        /* VRFY tells who is a user */
};

struct receiver_events {
    /* A HELO or EHLO was accepted, with this name; receiver.helo is set. */
    void (*greeted)(void *arg, struct span name);
    /* Whose is the forward-path? GOOD fills *to with the X-To. */
    enum receiver_verdict (*recipient)(void *arg, const struct address *rcpt, struct address *to);
    /* Is there room for a message of so many octets (0: not announced)? GOOD or FULL. */
    enum receiver_verdict (*room)(void *arg, uint64_t octets);
    /* Is there more input waiting than was given? Asked where a client must wait for the reply. */
    bool (*more)(void *arg);
    /* A message begins: receiver.envelope is whole. GOOD, FULL or TROUBLE. */
    enum receiver_verdict (*begin)(void *arg);
    /* Where its next text goes; NULL: it can't be stored, the text is dropped and `end` says why.
     */
    struct buf *(*text)(void *arg);
    /* Text was put there. */
    void (*took)(void *arg);
    /* It is not wanted any more, for that reason; after `begin`, and instead of WAIT. */
    void (*drop)(void *arg, const char *why);
    /* Who is that, a name or a path? Asked only with receiver_site.vrfy. GOOD writes his full name
     * and mailbox. */
    enum receiver_verdict (*verify)(void *arg, struct span who, struct buf *to);
    /* Can TLS begin by STARTTLS? */
    bool (*starttls)(void *arg);
    /* May whoever logged in send as `from`? GOOD or NOT_YOURS. */
    enum receiver_verdict (*sender)(void *arg, const struct address *from);
    /* Of AUTH: see sasl.h. */
    bool (*secret)(void *arg, struct span name, struct scram_secret *s);
    bool (*nonce)(void *arg, char out[SASL_NONCE + 1]);
};

struct receiver {
    enum receiver_phase phase;
    const struct receiver_site *site;
    const struct receiver_events *events;
    void *arg;
    bool esmtp;         /* the session began with EHLO */
    bool secure;        /* under TLS */
    bool submission;    /* set it after receiver_open(): mail is taken of those who log in */
    bool trusted;       /* the same: but this client need not */
    bool authenticated; /* he did */
    struct auth auth;   /* in AUTH and LOGIN; and the logins that failed */
    bool stopping;      /* 421 when the transaction in hand is over */
    bool message;       /* between `begin` and WAIT or `drop` */
    bool quit;          /* the client closed the session, by QUIT */
    char helo[ADDRESS_DOMAIN_MAX + 1]; /* a domain or literal, or "unknown" */
    struct envelope envelope;          /* as it goes to the spool file: each recipient once */
    uint32_t *seen;                    /* a hash of each recipient in it */
    size_t seen_cap;
    unsigned recipients; /* RCPT accepted, the same ones too */
    uint64_t size;       /* announced by SIZE=, or 0 */
    struct data data;
    enum answer refused; /* why the message was dropped; NONE: it was not */
    unsigned errors, strangers, idling;

    char line[RECEIVER_LINE]; /* as far as it came */
    size_t line_len;
    bool line_long, line_cr; /* it is too long; its last octet so far is CR */
    struct buf long_line;    /* of AUTH alone: all of a line that is longer than `line` */
};

void receiver_open(struct receiver *r, const struct receiver_site *site,
                   const struct receiver_events *events, void *arg);
/* A message in hand is dropped. */
void receiver_close(struct receiver *r);
/* The greeting. Input before it is an early talker's: 554. */
void receiver_greet(struct receiver *r, struct buf *out);
/* The handshake is done: the session begins anew (RFC 3207 4.2). Also before receiver_greet(),
 * where TLS begins at once. */
void receiver_secured(struct receiver *r, struct buf *out);
/* Takes octets from the client, appends replies to *out. Returns how many were taken: fewer than
 * all when it came to WAIT, TLS or CLOSED, or has many replies; the rest is to be given again. When
 * out->failed is set, end the connection: replies were lost. */
size_t receiver_input(struct receiver *r, struct span in, struct buf *out);
/* In WAIT: what became of the message. `name` goes into the reply to GOOD. */
void receiver_committed(struct receiver *r, enum receiver_verdict v, const char *name,
                        struct buf *out);
/* In LOGIN: what the client claims, for sasl_check(); it is the caller's until receiver_login(), or
 * sasl_free() if the session ended. */
struct sasl *receiver_claim(struct receiver *r);
/* GOOD: what was checked, if it fits; WRONG; or TROUBLE: it could not be checked. */
void receiver_login(struct receiver *r, enum receiver_verdict v, struct sasl *claim,
                    struct buf *out);
/* Puts other addresses into the envelope, each once: `map` says which. Before or in `begin`. False:
 * memory is short, or `map` said so. */
bool receiver_readdress(struct receiver *r,
                        bool (*map)(void *arg, const struct address *given, struct address *to),
                        void *arg);
/* No more messages: 421, at once or when the transaction in hand is over. */
void receiver_stop(struct receiver *r, struct buf *out);
/* 421 and CLOSED in any phase but WAIT: its time is up, or (stopping) ours. */
void receiver_expire(struct receiver *r, struct buf *out);

/* The verb table, for HELP's reader and the tests: the words in turn, NULL after the last. *phases
 * (may be NULL): the set of those in which it is lawful. */
const char *receiver_verb(size_t i, unsigned *phases);

#endif
