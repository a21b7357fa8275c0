/* One connection to one destination: wire, session and the mail in hand, tied together. It tries
 * the destination's addresses in turn until one greets it, then takes mail after mail. */
#ifndef USMTP_CONNECTION_H
#define USMTP_CONNECTION_H

#include "lib/wire.h"
#include "usmtp/mailfile.h"
#include "usmtp/resolve.h"
#include "usmtp/session.h"

struct connection;

struct connection_owner {
    /* Ready for a mail: fills *m (the connection closes it) and returns true, or returns false. */
    bool (*next)(void *owner, struct connection *c, struct mailfile *m);
    /* What became of the mail that `next` gave. Never VERDICT_NONE or VERDICT_HOST. */
    void (*verdict)(void *owner, struct connection *c, const struct verdict *v);
    /* The first greeting of this connection was good. */
    void (*greeted)(void *owner, struct connection *c);
    /* It is over and frees itself. v: why no address could be used; NULL: it served and ended. */
    void (*closed)(void *owner, struct connection *c, const struct verdict *v);
};

struct connection {
    const struct connection_owner *events;
    void *owner;                   /* the destination */
    uint32_t entry;                /* the owner's: which mail is in hand */
    unsigned mails;                /* taken so far */
    bool idle;                     /* READY with nothing to do */
    char to[ADDRESS_TEXT_MAX + 1]; /* the owner's: whom the mail in hand is for */
    char relay[128];               /* "host[192.0.2.1]:25", for the log */
    /* private from here */
    struct loop *loop;
    const struct program *program;
    const char *host;
    const union resolve_address *address;
    size_t addresses, tried;
    struct wire *wire;
    struct session session;
    struct mailfile mail;
    struct text *text; /* while the text is sent */
    bool mail_open, text_done;
    bool connected;
    int64_t attempt_ends_ms;
    enum session_state timed_state; /* what the running deadline was set for */
    unsigned timed_mails;
    bool timed_idle;
    enum session_state last_state;
    struct verdict host_verdict;
};

/* Starts; events follow from the loop. NULL: no address can even be tried
 * (errno). Host, addresses and program must outlive it; the
 * program's configuration may change. */
struct connection *connection_start(struct loop *l, const struct program *program, const char *host,
                                    const union resolve_address *address, size_t addresses,
                                    const struct connection_owner *events, void *owner);
/* An idle connection: there is mail now. */
void connection_wake(struct connection *c);
/* Is the text on its way? To end it now could mean that the mail is sent twice. */
bool connection_committed(const struct connection *c);
/* Ends it at once; a mail in hand gets its verdict, then `closed` is called. */
void connection_stop(struct connection *c, const char *why);

#endif
