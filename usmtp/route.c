/* See route.h. */
#include "usmtp/route.h"

#include <string.h>

enum { SMTP_PORT = 25 };

/* How well a pattern fits: 0 not at all; the longer the more. */
static size_t fit(const char *pattern, struct span domain)
{
    struct span p = span_of(pattern);

    if (span_eq(p, SPAN("*")))
        return 1;
    if (span_eq_nocase(p, domain))
        return ADDRESS_DOMAIN_MAX + 2;
    if (p.n > 2 && p.p[0] == '*' && domain.n > p.n - 1 &&
        span_eq_nocase(span_from(p, 1), span_from(domain, domain.n - (p.n - 1))))
        return p.n;
    return 0;
}

static bool set_host(struct route *out, struct span host)
{
    if (!span_copy(host, out->host, sizeof(out->host)))
        return false;
    for (char *p = out->host; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    return true;
}

bool route_find(const struct site *site, const struct address *to, struct route *out)
{
    struct span domain = address_domain(to);
    const struct site_route *best = NULL;
    size_t best_fit = 0;

    *out = (struct route){.port = SMTP_PORT};
    if (domain.n == 0)
        return false;
    for (size_t i = 0; i < site->routes; i++) {
        size_t f = fit(site->route[i].domain, domain);
        if (f > best_fit) {
            best = &site->route[i];
            best_fit = f;
        }
    }
    if (best == NULL)
        return set_host(out, domain);
    out->port = (unsigned short)best->port;
    out->tls = (unsigned char)best->tls;
    out->relay = best->host != NULL;
    return set_host(out, best->host != NULL ? span_of(best->host) : domain);
}

bool route_eq(const struct route *a, const struct route *b)
{
    return a->port == b->port && a->tls == b->tls && strcmp(a->host, b->host) == 0;
}
