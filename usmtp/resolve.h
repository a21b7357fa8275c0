/* Host names to addresses: the one home of libunbound. Asynchronous, in the event loop. Answers are
 * never trusted for more than their addresses. */
#ifndef USMTP_RESOLVE_H
#define USMTP_RESOLVE_H

#include <netinet/in.h>

#include "lib/loop.h"

enum { RESOLVE_MAX = 32 }; /* addresses of one host that are tried */

union resolve_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

enum resolve_kind {
    RESOLVE_FOUND,
    RESOLVE_LATER,  /* the name service failed, or the name has no address now */
    RESOLVE_NO_NAME /* there is no such name: permanent */
};

struct resolve_result {
    enum resolve_kind kind;
    const char *why; /* static text */
    union resolve_address address[RESOLVE_MAX];
    size_t count;
};

struct resolver;
struct resolve_query;
typedef void resolve_fn(void *arg, const struct resolve_result *r);

/* Reads /etc/hosts and /etc/resolv.conf. NULL: libunbound cannot start. */
struct resolver *resolver_new(struct loop *l);
void resolver_free(struct resolver *r);
/* Calls fn once, from the loop, never from within this call. A literal ([192.0.2.1], [IPv6:...])
 * asks nobody. NULL: memory is short. */
struct resolve_query *resolve_start(struct resolver *r, const char *host, unsigned short port,
                                    resolve_fn *fn, void *arg);
/* The answer is no longer wanted. */
void resolve_cancel(struct resolve_query *q);

#endif
