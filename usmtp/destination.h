/* Destinations: where mail waits together, and the connections to them. */
#ifndef USMTP_DESTINATION_H
#define USMTP_DESTINATION_H

#include "lib/tls.h"
#include "usmtp/queue.h"
#include "usmtp/resolve.h"
#include "usmtp/route.h"

struct connection;
struct deliver;
struct keeper;

struct destination {
    struct deliver *deliver;
    struct route route;       /* of the mail that was routed to it last */
    struct destination *next; /* of the same hash */
    struct chain ready;
    int64_t due; /* service seconds; put off until then */
    uint32_t tries;
    bool recheck; /* the schedule may have changed since `due` was set */
    bool greeted; /* since it was last put off: more than one connection may be opened */
    bool told;    /* the operator, that its login fails */
    bool plain;   /* it left commands that came with a text unanswered: they wait for its reply */
    char why[320];
    struct resolve_query *query;
    struct resolve_result *found; /* owned */
    int64_t resolved_until;       /* service seconds */
    size_t good_address;          /* which address greeted last: the next connection begins there */
    int64_t next_mail_ms;         /* steady clock: RATE allows no mail before */
    struct connection **connection; /* owned array of `most` */
    size_t connections, most;
    struct tls_memory memory; /* to resume sessions with its host */
    size_t allowed; /* what the host lets us have: a further one was refused; SIZE_MAX: not known */
    int64_t allowed_until;
};

enum { DESTINATION_SLOTS = 4096 };

struct destinations {
    struct destination **row; /* owned, in the order they are served */
    uint32_t count, cap;
    uint32_t turn; /* whose turn it is */
    struct destination *slot[DESTINATION_SLOTS];
    size_t connections, queries;
    bool starving; /* one with mail and no connection found no room */
};

/* The one of this route, made where there is none; its route is then this one. NULL: memory is
 * short. */
struct destination *destination_get(struct deliver *d, const struct route *route);
/* Connections and questions for all that have mail to send; those that have nothing any more are
 * forgotten. */
void destination_serve(struct deliver *d);
/* All mail that waits for one goes back to be routed. */
void destination_reroute(struct deliver *d);
/* When the next of them may be tried again; INT64_MAX: none waits. */
int64_t destination_next_due(const struct deliver *d);
/* The same for those whose RATE makes them wait: milliseconds from now. */
int64_t destination_next_mail_ms(const struct deliver *d);
/* No question to the name service is under way. */
bool destination_none_asks(const struct deliver *d);
/* Is none of them at work? */
bool destination_all_idle(const struct deliver *d);
/* Ends the idle connections, and, if `all`, those in hand. */
void destination_stop(struct deliver *d, bool all);
void destination_free_all(struct deliver *d);

#endif
