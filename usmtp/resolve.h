/* The name service: hosts and addresses to send to, and TLSA records. The one home of libunbound.
 * Asynchronous, in the event loop; answers are kept by libunbound for their TTL.
 *
 *   resolve_start()  the hops of a route -> hosts in the order they are tried, with addresses
 *   resolve_tlsa()   one of these hosts  -> its TLSA records (DANE, RFC 7672)
 *
 * How TLS uses it: a connection talks to one resolve_host at a time; its `name` is the one for SNI,
 * or `reference` with VERIFY. With TLS(DANE), and with TLS(MAY) where it is `secure`, ask
 * resolve_tlsa() for it before the handshake. FOUND: the records are secure, so TLS is a must, with
 * these records (OpenSSL: SSL_dane_enable(base), SSL_dane_tlsa_add()). NO_NAME: there are none that
 * may be used, as for every host that is not `secure`: no DANE. LATER: nobody can say, so this host
 * must not be used now (RFC 7672 2.1).
 *
 * Trusts nothing: names, lengths and numbers of records are checked and bounded (mx.h), and so is
 * the time. What fails on the way to an answer is LATER, never a verdict on the mail; permanent is
 * only what the name service says with authority. */
#ifndef USMTP_RESOLVE_H
#define USMTP_RESOLVE_H

#include <netinet/in.h>

#include "lib/loop.h"
#include "lib/program.h"
#include "usmtp/mx.h"
#include "usmtp/route.h"
#include "usmtp/self.h"

enum {
    RESOLVE_HOSTS = 24,          /* that one route may bring */
    RESOLVE_HOST_ADDRESSES = 16, /* of each family of a host */
    RESOLVE_ADDRESSES = 64,      /* in all */
    RESOLVE_TLSA = 32,
    RESOLVE_TLSA_OCTETS = 16384 /* in all */
};

enum resolve_kind {
    RESOLVE_FOUND,
    RESOLVE_LATER,      /* the name service failed, or lied */
    RESOLVE_NO_NAME,    /* there is no such name */
    RESOLVE_NULL_MX,    /* RFC 7505: the domain takes no mail */
    RESOLVE_NO_ADDRESS, /* none of its hosts has an address */
    RESOLVE_LOOP,       /* the best of its hosts is this one */
    RESOLVE_KINDS
};

struct resolve_host {
    char name[ADDRESS_DOMAIN_MAX + 1]; /* as MX or ROUTE name it: A-labels, lower case; literals */
    /* What a certificate must be for under VERIFY: `name`; but the domain itself where an MX answer
     * led here that is not validated, because whoever can forge one can name a host of his own. */
    char reference[ADDRESS_DOMAIN_MAX + 1];
    char official[MX_NAME_MAX + 1]; /* where its CNAMEs lead; otherwise the same */
    unsigned short preference;      /* of its MX record */
    unsigned char choice;           /* of its hop */
    bool secure;                    /* all that led to its addresses is validated (DNSSEC) */
    size_t first, addresses;        /* in address[] of the result */
};

struct resolve_result {
    enum resolve_kind kind;
    const char *status; /* of RFC 3463, for what is not FOUND: "5.1.2" */
    char why[320];      /* the same in words */
    int64_t ttl;        /* seconds for which it holds */
    struct resolve_host *host;
    size_t hosts;
    union resolve_address *address; /* grouped by host; the families of a host take turns */
    size_t addresses;
    unsigned holders; /* beside the first one */
};

struct resolve_tlsa {
    enum resolve_kind kind; /* FOUND, NO_NAME (none that may be used) or LATER */
    const char *why;
    const char *base; /* FOUND: the name they were found at, the reference name */
    struct resolve_tlsa_record {
        unsigned char usage, selector, matching;
        const unsigned char *data;
        size_t length;
    } record[RESOLVE_TLSA];
    size_t records;
};

struct resolver;
struct resolve_query;
/* The result belongs to the one called: resolve_free(). */
typedef void resolve_fn(void *arg, struct resolve_result *r);
/* The records are gone after the call. */
typedef void resolve_tlsa_fn(void *arg, const struct resolve_tlsa *t);

/* Reads what the site's DNS statement names, else resolv.conf(5) and hosts(5). NULL with *why. When
 * the program's site changes later, only its time-out and its own names are looked at. */
struct resolver *resolver_new(struct loop *l, const struct program *program, const char **why);
/* Questions under way get no answer any more. */
void resolver_free(struct resolver *r);
/* Calls fn once, from the loop, never from within this call. A literal ([192.0.2.1], [IPv6:...])
 * asks nobody. skip_self: an MX that is this host counts as a loop (self.h). NULL: memory is short.
 */
struct resolve_query *resolve_start(struct resolver *r, const struct route_hop *hop, size_t hops,
                                    bool skip_self, resolve_fn *fn, void *arg);
/* The TLSA records of a host for a port: at its official name, else at its name (RFC 7672 2.2.2).
 * Calls fn as above. */
struct resolve_query *resolve_tlsa(struct resolver *r, const struct resolve_host *host,
                                   unsigned short port, resolve_tlsa_fn *fn, void *arg);
/* The answer is no longer wanted: fn is not called, and the query is gone. */
void resolve_cancel(struct resolve_query *q);
/* A result may be held by several; each frees it once. */
static inline struct resolve_result *resolve_hold(struct resolve_result *r)
{
    r->holders++;
    return r;
}
void resolve_free(struct resolve_result *r);

#endif
