/* One connection to one destination: wire, session and the mail in hand, tied together. It tries
 * all addresses of all the destination's hosts in turn until one greets it, then takes mail after
 * mail. The trying is one attempt, bounded as a whole by TIMEALL. */
#ifndef USMTP_CONNECTION_H
#define USMTP_CONNECTION_H

#include "lib/wire.h"
#include "usmtp/keeper.h"
#include "usmtp/logon.h"
#include "usmtp/mailfile.h"
#include "usmtp/official.h"
#include "usmtp/resolve.h"
#include "usmtp/security.h"
#include "usmtp/session.h"

struct connection;

/* Where to, from the name service (resolve.h), and what the route allows. */
struct connection_target {
    struct resolve_result *found; /* the connection holds it too */
    size_t begin;                 /* which address is tried first: one that was good before */
    unsigned mails;               /* taken at most */
    struct security_use security;
    const struct route_login
        *login; /* of the route: its id stays, as long as the connection does */
    struct keeper *keeper;
    int64_t idle_ms; /* how long it waits for more mail */
    const struct official_names *names;
};

/* A mail in a connection's hands. */
struct hand {
    uint32_t entry;
    int file; /* whose text was sent, open for a removal to take it; or -1 */
    char from[ADDRESS_TEXT_MAX + 1], to[ADDRESS_TEXT_MAX + 1];
};

struct connection_owner {
    /* Ready for a mail: fills *m (the connection closes it) and *hand and returns true, or returns
     * false. It may be asked for one more while the host has not yet answered to a text. */
    bool (*next)(void *owner, struct connection *c, struct mailfile *m, struct hand *hand);
    /* What became of a mail that `next` gave. Never VERDICT_NONE or VERDICT_HOST. */
    void (*verdict)(void *owner, struct connection *c, struct hand *hand, const struct verdict *v);
    /* A mail that `next` gave was not tried. */
    void (*untried)(void *owner, struct connection *c, const struct hand *hand);
    /* The first greeting of this connection was good. */
    void (*greeted)(void *owner, struct connection *c);
    /* A host refused our login, or it could not be tried there. */
    void (*login_failed)(void *owner, struct connection *c, const struct verdict *v);
    /* It is over and frees itself. v: why no address could be used; NULL: it served and ended. */
    void (*closed)(void *owner, struct connection *c, const struct verdict *v);
    /* DANE, or MAY and a secure host: the TLSA records of c->host at connection_port() are wanted,
     * and connection_tlsa() is to be called from the loop (false: memory is short), or they are not
     * wanted any more. */
    bool (*tlsa)(void *owner, struct connection *c, bool wanted);
};

struct connection {
    const struct connection_owner *events;
    void *owner;     /* the destination */
    unsigned mails;  /* taken so far */
    bool idle;       /* READY with nothing to do */
    bool ahead;      /* the owner's: commands may follow a text at once */
    bool unanswered; /* it ended before the host said anything to the mail in hand */
    char relay[ADDRESS_DOMAIN_MAX + 64]; /* "host[192.0.2.1]:25", for the log */
    const struct resolve_host *host;     /* the one it talks to now */
    size_t now;                          /* which address of the target that is */
    struct resolve_query *tlsa;          /* the owner's: for the records of `host` */
    /* private from here */
    struct loop *loop;
    const struct program *program;
    struct connection_target target;
    size_t tried;
    bool asking;          /* for TLSA records */
    enum tls_level level; /* of this wire: the route's, or more where there are records */
    char base[ADDRESS_DOMAIN_MAX + 1]; /* where the name service has the records of `host` */
    struct tlsa record[SECURITY_RECORDS];
    size_t records;
    bool securing;                      /* a handshake was begun in this wire */
    bool clear;                         /* it failed at this address, and clear text will do */
    struct keeper_query *secret;        /* that is being asked for */
    struct logon *logon;                /* while it logs in */
    const struct resolve_host *refused; /* our login: its other addresses would do so too */
    struct wire *wire;
    struct session session;
    struct hand hand, coming; /* the mail in hand, and the one behind it */
    bool in_hand, is_coming;
    struct mailfile mail;          /* of the last one, until its text was sent */
    struct text *text;             /* while the text is sent */
    struct official_header header; /* of the text, where nicknames are replaced */
    bool file_open, text_done, replacing;
    bool connected;
    int64_t attempt_ends_ms;
    enum session_state timed_state; /* what the running deadline was set for */
    unsigned timed_mails;
    bool timed_idle;
    enum session_state last_state;
    struct verdict host_verdict;
};

/* Starts; events follow from the loop. NULL: no address can even be tried (errno). Names and
 * program must outlive it; the program's configuration may change. */
struct connection *connection_start(struct loop *l, const struct program *program,
                                    const struct connection_target *target,
                                    const struct connection_owner *events, void *owner);
/* What the name service said. */
void connection_tlsa(struct connection *c, const struct resolve_tlsa *t);
/* Where it is connected to. */
unsigned short connection_port(const struct connection *c);
/* An idle connection: there is mail now. */
void connection_wake(struct connection *c);
/* Is the text on its way? To end it now could mean that the mail is sent twice. */
bool connection_committed(const struct connection *c);
/* Ends it at once; a mail in hand gets its verdict, then `closed` is called. */
void connection_stop(struct connection *c, const char *why);

#endif
