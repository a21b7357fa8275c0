/* The site's configuration, read once and then const. */
#ifndef SPOOLMAIL_SITE_H
#define SPOOLMAIL_SITE_H

#include "lib/buf.h"
#include "lib/diag.h"
#include "lib/record.h"

#define SITE_MEMBER "/etc/spoolmail/APPCFG00"

enum notice_form { NOTICE_DSN, NOTICE_APPEND };
enum deliver_way { DELIVER_MAILDIR, DELIVER_LMTP };
enum printout_form { PRINTOUT_TEXT, PRINTOUT_PDF, PRINTOUT_BOTH };
/* AUTO: VERIFY towards a host that a ROUTE names, MAY towards the recipient's own and this machine.
 */
enum tls_level { TLS_AUTO, TLS_NONE, TLS_MAY, TLS_MUST, TLS_VERIFY, TLS_DANE };
/* How TLS begins. AUTO: at once on port 465, else by STARTTLS. OFF: of services alone. */
enum tls_mode { TLSMODE_AUTO, TLSMODE_STARTTLS, TLSMODE_IMPLICIT, TLSMODE_OFF };
enum { SMTPS_PORT = 465, SITE_LOGIN_MAX = 255 };

struct site_service {
    char *name, *module, *address;
    uint64_t port;
    uint64_t tls;    /* enum tls_mode */
    bool tcp;        /* the only one there is */
    bool submission; /* for users who log in, RFC 6409 */
};

struct site_rate {
    uint64_t messages, seconds; /* 0: no limit */
};

/* Where mail for a domain goes. DOMAIN is a name, *.name, or * for all. Numbers that are 0 are not
 * given. */
struct site_route {
    char *domain;
    char *from; /* mailbox, domain, *.domain, <>; NULL: any sender */
    char *host; /* lib/nexthop.h; NULL: towards the MX of the domain */
    bool mx;    /* the hosts are domains whose MX are asked for */
    uint64_t port;
    uint64_t tls;                 /* enum tls_level */
    uint64_t mode;                /* enum tls_mode */
    char *ca, *cert, *key, *tlsa; /* NULL: none of its own */
    char *user, *auth; /* of the login there: its name, and mechanisms joined by commas; or NULL */
    char *secret_file, *secret_command, *credential; /* where its secret comes from: one of them */
    uint64_t preset;
    uint64_t connections, connmsgs;
    struct site_rate rate;
    uint64_t retryint, retryceil, retrymax;
    size_t line; /* of the member */
};

/* When mail is tried again: first delay, longest delay, age at which it is given up; seconds. */
struct site_schedule {
    uint64_t interval, ceiling, most;
};

struct site_dns {
    char *server; /* addresses joined by commas, or ROOT; NULL: resolv.conf(5) */
    uint64_t port;
    char *trust; /* file of trust anchors; NULL: answers are not validated */
    char *hosts;
    uint64_t nicknames; /* 1: official names replace nicknames of hosts */
    uint64_t timeout;   /* seconds, for all that a destination asks */
};

/* Timeouts of RFC 5321 4.5.3.2, and the cap on a whole attempt; seconds. */
struct site_timeouts {
    uint64_t connect, greeting, command, data, block, termination, attempt;
};

struct site {
    char *member; /* the path it was read from */
    /* SYSTEM */
    char *host, *spool, *user;
    /* SMTP */
    char *path, *remote, *postoffice, *domains, *usertable, *catalog, *codepage;
    char *cert, *key, *clientca; /* the receiver's; paths joined by commas */
    char *ca;                    /* the sender's; NULL: the authorities of the system */
    char *passwords;             /* of those who log in to submit mail */
    char *relay;                 /* lib/network.h: who need not log in; NULL: nobody */
    char class;
    uint64_t divert, maxsize;
    uint64_t retryint, retryceil, retrymax; /* seconds */
    uint64_t poll, quiet;                   /* seconds */
    uint64_t unit;                          /* spool files in a unit of work, at most */
    uint64_t connections, destlimit, connmsgs;
    uint64_t clients, perclient, workers; /* of ssmtp; workers 0: one a processor */
    uint64_t vrfy;                        /* 0 or 1 */
    uint64_t notice;                      /* enum notice_form */
    struct recfm recfm;                   /* of dropped files whose name says nothing */
    struct site_timeouts timeout;
    uint64_t session; /* seconds: a client's with ssmtp, in all */
    /* DELIVER */
    char *maildir;    /* pattern: %h home, %u login, %i user ID, %% */
    char *lmtp;       /* host:port or /path/socket; NULL: none */
    uint64_t deliver; /* enum deliver_way */
    /* PRINTER */
    uint64_t printout; /* enum printout_form */
    char *lp_queue;    /* NULL: printouts go to no printer */
    uint64_t linect;   /* lines of a page */
    struct site_dns dns;
    struct site_service *service;
    size_t services;
    struct site_route *route;
    size_t routes;
};

/* Reads and checks a member. NULL on the first error: *d has line, column, what, and how to mend
 * it. */
struct site *site_parse(struct span text, const char *member, struct diag *d);
struct site *site_load(const char *member, struct diag *d);
void site_free(struct site *site);
/* Is mail for this domain (a name, or a literal as configured) ours? HOST, POSTOFFICE, and DOMAINS.
 */
bool site_owns(const struct site *site, struct span domain);
/* The schedule of a route, NULL: of mail that no ROUTE speaks of. */
struct site_schedule site_schedule(const struct site *site, const struct site_route *route);
/* The longest delay before a retry on any route, and the shortest first one. */
uint64_t site_longest_ceiling(const struct site *site);
uint64_t site_shortest_interval(const struct site *site);
/* Is the LMTP server one that is reached by TCP? */
bool site_lmtp_host(const struct site *site);
/* The SERVICE statement of a program, by MODULE or else by NAME; NULL: it is not to run. */
const struct site_service *site_service(const struct site *site, const char *program);
/* The word for an enum tls_level. */
const char *site_tls_level(uint64_t level);
/* The mechanisms (lib/mechanism.h) by which a route may log in; 0: it does not. */
unsigned site_mechanisms(const struct site_route *route);
/* Does TLS begin there at once, without STARTTLS? */
bool site_implicit(uint64_t mode, uint64_t port);
/* Calls `each` for every keyword there is: the manual's test and `--check` use it. */
void site_keywords(void (*each)(const char *statement, const char *keyword, const char *deflt,
                                void *arg),
                   void *arg);

#endif
