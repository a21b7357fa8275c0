/* Which destination a recipient's mail goes to: the ROUTE statements, or the MX of its domain.
 * Pure.
 *
 * The order of choice is fixed. The recipient's domain decides first: the exact DOMAIN, then the
 * longest *.suffix, then *. Among statements equal in that, the sender: FROM with the mailbox, with
 * its exact domain, with the longest *.suffix, none. Among those equal in both the first one. */
#ifndef USMTP_ROUTE_H
#define USMTP_ROUTE_H

#include "lib/nexthop.h"
#include "lib/site.h"

enum { ROUTE_KEY_MAX = NEXTHOP_TEXT_MAX + ADDRESS_DOMAIN_MAX + 192 };

/* A host or domain to send to. */
struct route_hop {
    char name[ADDRESS_DOMAIN_MAX + 1]; /* name or literal; lower case */
    unsigned short port;
    unsigned char choice; /* a later one is for when those before it cannot be reached */
    bool mx;              /* its MX are meant, not its own addresses */
};

/* Who we are there. Where its secret comes from, only the keeper knows (keeper.h). */
struct route_login {
    uint64_t id;         /* route_login_id(); 0: no login */
    unsigned mechanisms; /* lib/mechanism.h */
    char user[SITE_LOGIN_MAX + 1];
};

/* What makes a destination: mail with equal keys shares connections and limits. */
struct route {
    char key[ROUTE_KEY_MAX + 1]; /* "host:port", and whatever else of this tells it from others */
    struct route_hop hop[NEXTHOP_MAX];
    size_t hops;
    unsigned char tls;  /* enum tls_level, never AUTO */
    unsigned char mode; /* enum tls_mode */
    uint64_t policy;    /* route_policy() */
    struct route_login login;
    bool relay;           /* named by a ROUTE statement, not the recipient's own domain */
    bool own;             /* a domain of this site: that its MX is ourselves is no loop */
    unsigned connections; /* at once */
    unsigned connmsgs;    /* mails in one of them */
    struct site_rate rate;
    struct site_schedule schedule;
    size_t line; /* of the ROUTE statement in the member; 0: none fits */
};

/* The route of a mail. from NULL: of a sender that no FROM speaks of. False: the recipient has no
 * domain. */
bool route_find(const struct site *site, const struct address *from, const struct address *to,
                struct route *out);
/* Stands for the certificates, keys and records of a statement (NULL: of none): equal where they
 * are. A route may outlive the configuration it was found in, and must not take another's. */
uint64_t route_policy(const struct site *site, const struct site_route *r);
/* The same for its login: user, mechanisms, and where the secret comes from. Never 0. */
uint64_t route_login_id(const struct site_route *r);
/* The first host, for messages and notices. */
static inline const char *route_host(const struct route *r)
{
    return r->hop[0].name;
}

#endif
