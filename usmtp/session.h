/* The client's side of RFC 5321, as a pure machine: replies in, commands out. No descriptor, clock
 * or file.
 *
 * A state has an entry action (what is sent on entering it) and a transition (what a reply means in
 * it):
 *
 *   GREETING -> EHLO -> READY -> MAIL -> RCPT -> DATA -> TEXT -> TERM -> READY ... -> QUIT ->
 * CLOSED
 *                 \-> HELO -^       \______ RSET ______________________^
 *                 \-> STARTTLS -> TLS -> EHLO
 *                 \-> SECRET -> AUTH -> READY, or -> CANCEL -> QUIT
 *
 * With PIPELINING, MAIL, RCPT and DATA are sent together and their replies read in turn; those of
 * the next mail may even follow the final dot at once (RFC 2920 3.1): TERM -> MAIL then. The user
 * of the machine gives it mails in READY, or one ahead in TERM, sends the text in TEXT, and is told
 * each mail's verdict exactly once; only a mail that was given ahead and had no reply before the
 * connection ended has none.
 *
 * Where a login is wanted there is no READY without it. What a mechanism says is the business of
 * struct session_steps; the machine chooses the mechanism, keeps secrets off lines that others can
 * read, and bounds and checks what the host says. A login that fails is our own affair or the
 * host's, never the mail's: VERDICT_HOST. */
#ifndef USMTP_SESSION_H
#define USMTP_SESSION_H

#include "lib/address.h"
#include "lib/mechanism.h"
#include "lib/reply.h"
#include "lib/site.h"

enum session_state {
    SESSION_GREETING,
    SESSION_EHLO,
    SESSION_HELO,
    SESSION_STARTTLS,
    SESSION_TLS,    /* begin the handshake, then session_secured() or session_unsecured() */
    SESSION_SECRET, /* find what `mechanism` needs, then session_login() or session_no_login() */
    SESSION_AUTH,
    SESSION_READY, /* session_mail() or session_quit() */
    SESSION_MAIL,
    SESSION_RCPT,
    SESSION_DATA,
    SESSION_TEXT, /* send the text, then session_text_sent() */
    SESSION_TERM,
    SESSION_RSET,
    SESSION_CANCEL, /* of the login */
    SESSION_QUIT,
    SESSION_CLOSED, /* close the connection */
    SESSION_STATES
};

enum session_feature {
    FEATURE_PIPELINING = 1,
    FEATURE_8BITMIME = 2,
    FEATURE_SIZE = 4,
    FEATURE_SMTPUTF8 = 8,
    FEATURE_ENHANCED = 16,
    FEATURE_STARTTLS = 32,
    FEATURE_AUTH = 64
};

/* What became of a mail, or of a connection before any mail. */
enum verdict_kind {
    VERDICT_NONE,
    VERDICT_SENT,
    VERDICT_LATER, /* this mail: try again */
    VERDICT_NEVER, /* this mail: give up, tell its sender */
    VERDICT_HOST   /* nothing can be sent to this host now: try the next one */
};

struct verdict {
    enum verdict_kind kind;
    bool remote;     /* text is the host's reply */
    bool login;      /* the login is what failed */
    char status[12]; /* "5.1.1" */
    char text[512];  /* "550 5.1.1 No such user", or our own words; printable, one line */
};

enum {
    CHALLENGE_MAX = 12288, /* octets of a challenge in base64, RFC 4954 4 */
    CHALLENGES_MAX = 8,    /* in one exchange */
    COMMAND_LINE_MAX = 512 /* an AUTH command with an initial response must fit (RFC 4954 4) */
};

/* What a mechanism says; one exchange. */
struct session_steps {
    /* Appends the response to a challenge; where the client speaks first, the first of them is
     * empty. False with *why (printable, static): the exchange has failed. */
    bool (*step)(void *arg, struct span challenge, struct buf *response, const char **why);
    /* The host says that the login is good: can that be? */
    bool (*proved)(void *arg);
};

struct session_mail {
    struct address from, to;
    uint64_t octets; /* for SIZE= */
    bool eight_bit;  /* announce BODY=8BITMIME where offered */
    bool utf8;       /* an address that needs SMTPUTF8 */
};

struct session {
    enum session_state state;
    enum tls_level tls; /* what is wanted of the connection; set it after session_open() */
    bool secure;        /* it is under TLS */
    bool confides;      /* that TLS, when it is there, is good enough to send a secret under it */
    unsigned allowed;   /* mechanisms to log in by (lib/mechanism.h); 0: no login is wanted. Set
                           both after session_open(), too */
    unsigned offered;   /* by the host */
    const struct mechanism *mechanism;
    bool renewed; /* in SECRET: the host refused what it was told, and it is to be found anew */
    const struct session_steps *steps;
    void *steps_arg;
    struct buf response; /* in base64; waits for the host's first challenge */
    unsigned challenges;
    struct span raw;                   /* the line that is being looked at */
    char host[ADDRESS_DOMAIN_MAX + 1]; /* our name, for EHLO */
    unsigned features;                 /* enum session_feature */
    uint64_t size_limit;               /* 0: none announced */
    struct reply reply;                /* being read */
    struct buf line;                   /* the same, as far as its end has not come */
    struct session_mail mail, ahead;
    bool mail_open; /* a mail was given and has no verdict yet */
    bool has_ahead; /* the next one was given, and its commands were sent */
    bool pipelined; /* RCPT and DATA are already on their way */
    bool lost_rcpt; /* pipelined, and MAIL or RCPT was refused: DATA's reply is still to come */
    struct verdict verdict[2]; /* not yet taken, the older first */
    unsigned verdicts;
    struct verdict refusal; /* of a login, while it is tried anew */
    unsigned mails;         /* given so far */
};

void session_open(struct session *s, const char *host);
void session_close(struct session *s);

/* Octets from the peer; may hold any part of a reply, or several. Commands are appended to *out. */
void session_input(struct session *s, struct span octets, struct buf *out);
/* Only in READY. False: the mail cannot go to this host, its verdict is there already (too large,
 * needs SMTPUTF8), and the session stays READY. */
bool session_mail(struct session *s, const struct session_mail *mail, struct buf *out);
/* Only in TEXT, when the final dot was handed to the wire. */
void session_text_sent(struct session *s);
/* Only in TERM, once: could the next mail be given now? And gives it; it must be one that the host
 * can take. */
bool session_takes_ahead(const struct session *s);
bool session_mail_ahead(struct session *s, const struct session_mail *mail, struct buf *out);
/* In any state; sends QUIT where that is lawful, else closes. */
void session_quit(struct session *s, struct buf *out);
/* The handshake is done: what was heard in clear is forgotten. Also before the greeting, where TLS
 * begins at once. */
void session_secured(struct session *s, struct buf *out);
/* The handshake failed, or TLS cannot be had: a verdict that defers, and CLOSED. */
void session_unsecured(struct session *s, const char *why);
/* Only in SECRET: the secret is there, and `steps` knows it until the state is neither SECRET nor
 * AUTH. */
void session_login(struct session *s, const struct session_steps *steps, void *arg,
                   struct buf *out);
/* It cannot be had: why. NULL, if it was to be found anew: it is the same as before. */
void session_no_login(struct session *s, const char *why, struct buf *out);
/* The connection ended, or its time was up: an open mail, or the connection itself, gets its
 * verdict. */
void session_lost(struct session *s, const char *why);
/* The next verdict, once. */
bool session_take_verdict(struct session *s, struct verdict *v);
/* Seconds that the state may last, by RFC 5321 4.5.3.2. */
uint64_t session_timeout(const struct session *s, const struct site_timeouts *t);
const char *session_state_name(enum session_state state);

#endif
