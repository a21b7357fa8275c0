/* The TLS of routes: certificates, authorities and records of the ROUTE statements, read before the
 * jail and again at SIGHUP. A route finds its own by route_policy(), so that one that was found in
 * an older configuration never gets another's. */
#ifndef USMTP_SECURITY_H
#define USMTP_SECURITY_H

#include "lib/tls.h"
#include "usmtp/route.h"

enum { SECURITY_RECORDS = 16 };

struct security_policy {
    uint64_t id;                 /* route_policy() */
    struct tls_context *context; /* shared */
    struct tlsa record[SECURITY_RECORDS];
    size_t records;
};

struct security {
    struct security_policy *policy; /* owned array */
    size_t policies;
};

/* What a connection is to have; zero: no TLS. */
struct security_use {
    enum tls_level level;
    enum tls_mode mode;
    struct tls_context *context; /* shared by whoever keeps it */
    struct tlsa record[SECURITY_RECORDS];
    size_t records; /* 0 with DANE: the name service is asked */
    struct tls_memory *memory;
};

/* Reads what the site names. Where that fails, what the older one (*s, may be zero) had for the
 * same names stays in use, *d tells the first failure, and the result is false. */
bool security_load(struct security *s, const struct site *site, struct diag *d);
void security_free(struct security *s);
/* False: what the route asks for is not to be had. */
bool security_for(const struct security *s, const struct route *route, struct security_use *use);

#endif
