/* See route.h. */
#include "usmtp/route.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SMTP_PORT = 25 };

/* How well a pattern fits: 0 not at all; the longer the more. */
static unsigned fit_domain(struct span pattern, struct span domain)
{
    if (span_eq(pattern, SPAN("*")))
        return 1;
    if (span_eq_nocase(pattern, domain))
        return ADDRESS_DOMAIN_MAX + 2;
    if (pattern.n > 2 && pattern.p[0] == '*' && domain.n > pattern.n - 1 &&
        span_eq_nocase(span_from(pattern, 1), span_from(domain, domain.n - (pattern.n - 1))))
        return (unsigned)pattern.n;
    return 0;
}

static unsigned fit_sender(const char *pattern, const struct address *from)
{
    struct span text = span_of(pattern);
    struct address a;

    if (span_find(text, '@') == text.n && !span_eq(text, SPAN("<>")))
        return address_domain(from).n == 0 ? 0 : fit_domain(text, address_domain(from));
    return address_parse(text, ADDRESS_BARE_OK | ADDRESS_NULL_OK | ADDRESS_UTF8_OK, &a, NULL) ==
                       ADDRESS_GOOD &&
                   address_eq(&a, from)
               ? ADDRESS_DOMAIN_MAX + 3
               : 0;
}

static unsigned fit(const struct site_route *r, const struct address *from, struct span domain)
{
    unsigned recipient = fit_domain(span_of(r->domain), domain), sender = 0;

    if (recipient == 0 ||
        (r->from != NULL && (from == NULL || (sender = fit_sender(r->from, from)) == 0)))
        return 0;
    return recipient << 16 | sender;
}

static const struct site_route *choose(const struct site *site, const struct address *from,
                                       struct span domain)
{
    const struct site_route *best = NULL;
    unsigned best_fit = 0;

    for (size_t i = 0; i < site->routes; i++) {
        unsigned f = fit(&site->route[i], from, domain);
        if (f > best_fit) {
            best = &site->route[i];
            best_fit = f;
        }
    }
    return best;
}

static bool add_hop(struct route *out, const struct nexthop *hop, unsigned port, bool mx)
{
    struct route_hop *h = &out->hop[out->hops++];

    *h = (struct route_hop){.port = hop->port != 0 ? hop->port : (unsigned short)port,
                            .choice = hop->choice,
                            .mx = mx && !hop->bracketed};
    if (!span_copy(hop->host, h->name, sizeof(h->name)))
        return false;
    for (char *p = h->name; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    return true;
}

static bool add_hops(struct route *out, const struct site_route *r, struct span domain)
{
    struct nexthop hop[NEXTHOP_MAX] = {{.host = domain, .bracketed = domain.p[0] == '['}};
    size_t hops = 1;
    bool mx = r == NULL || r->host == NULL || r->mx;

    if (r != NULL && r->host != NULL)
        hops = nexthop_parse(span_of(r->host), hop);
    for (size_t i = 0; i < hops; i++)
        if (!add_hop(out, &hop[i], r == NULL ? SMTP_PORT : (unsigned)r->port, mx))
            return false;
    return hops > 0;
}

/* Mail to it does not leave this machine. */
static bool is_loopback(const char *host)
{
    static const char *const starts[] = {"127.", "[127."};
    struct span s = span_of(host);

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (span_starts_nocase(s, span_of(starts[i])))
            return true;
    return span_eq_nocase(s, SPAN("localhost")) || span_eq_nocase(s, SPAN("[IPv6:::1]"));
}

static enum tls_level level_of(const struct route *out, const struct site_route *r)
{
    if (r == NULL)
        return TLS_MAY;
    if (r->tls != TLS_AUTO)
        return (enum tls_level)r->tls;
    for (size_t i = 0; i < out->hops && r->host != NULL; i++)
        if (!is_loopback(out->hop[i].name))
            return TLS_VERIFY;
    return TLS_MAY;
}

/* FNV-1a over the texts and their ends. */
static uint64_t digest(const char *const *texts, size_t n)
{
    uint64_t h = 0xCBF29CE484222325U;

    for (size_t i = 0; i < n; i++) {
        for (const char *p = texts[i]; p != NULL && *p != '\0'; p++)
            h = (h ^ (unsigned char)*p) * 0x100000001B3U;
        h = (h ^ (texts[i] == NULL ? 0x100U : 0x101U)) * 0x100000001B3U;
    }
    return h;
}

uint64_t route_policy(const struct site *site, const struct site_route *r)
{
    const char *const texts[] = {r != NULL && r->ca != NULL ? r->ca : site->ca,
                                 r != NULL ? r->cert : NULL, r != NULL ? r->key : NULL,
                                 r != NULL ? r->tlsa : NULL};

    return digest(texts, sizeof(texts) / sizeof(texts[0]));
}

uint64_t route_login_id(const struct site_route *r)
{
    const char *const texts[] = {r->user, r->auth, r->secret_file, r->secret_command,
                                 r->credential};
    uint64_t id = digest(texts, sizeof(texts) / sizeof(texts[0]));

    return id == 0 ? 1 : id;
}

static void set_login(struct route *out, const struct site_route *r)
{
    out->login.mechanisms = site_mechanisms(r);
    if (out->login.mechanisms == 0)
        return;
    out->login.id = route_login_id(r);
    if (r->user != NULL)
        span_copy(span_of(r->user), out->login.user, sizeof(out->login.user));
}

/* Appends to the key; one that does not fit is cut, which at worst lets two destinations share. */
__attribute__((format(printf, 3, 4))) static void add_key(struct route *out, size_t *at,
                                                          const char *format, ...)
{
    va_list args;

    if (*at >= ROUTE_KEY_MAX)
        return;
    va_start(args, format);
    int n = vsnprintf(out->key + *at, sizeof(out->key) - *at, format, args);
    va_end(args);
    *at += n > 0 ? (size_t)n : 0;
}

/* Blanks never stand in it: it is a word of the checkpoint. */
static void make_key(struct route *out, const struct site *site, const struct site_route *r)
{
    size_t at = 0;

    for (size_t i = 0; i < out->hops; i++) {
        const struct route_hop *h = &out->hop[i];
        add_key(out, &at, "%s%s:%u",
                i == 0                                ? ""
                : h->choice == out->hop[i - 1].choice ? "|"
                                                      : ",",
                h->name, h->port);
    }
    if (out->relay && out->hop[0].mx)
        add_key(out, &at, "/MX");
    if (out->tls != TLS_MAY)
        add_key(out, &at, "/TLS=%s", site_tls_level(out->tls));
    if (out->mode != TLSMODE_AUTO)
        add_key(out, &at, "/TLSMODE=%u", out->mode);
    if (out->policy != route_policy(site, NULL))
        add_key(out, &at, "/POLICY=%" PRIx64, out->policy);
    if (out->login.id != 0)
        add_key(out, &at, "/LOGIN=%" PRIx64, out->login.id);
    if (r != NULL && r->connections != 0)
        add_key(out, &at, "/CONNECTIONS=%u", out->connections);
    if (r != NULL && r->connmsgs != 0)
        add_key(out, &at, "/CONNMSGS=%u", out->connmsgs);
    if (out->rate.messages != 0)
        add_key(out, &at, "/RATE=%" PRIu64 "/%" PRIu64, out->rate.messages, out->rate.seconds);
    if (r != NULL && (r->retryint != 0 || r->retryceil != 0 || r->retrymax != 0))
        add_key(out, &at, "/RETRY=%" PRIu64 "/%" PRIu64 "/%" PRIu64, out->schedule.interval,
                out->schedule.ceiling, out->schedule.most);
}

bool route_find(const struct site *site, const struct address *from, const struct address *to,
                struct route *out)
{
    struct span domain = address_domain(to);

    *out = (struct route){0};
    if (domain.n == 0)
        return false;
    const struct site_route *r = choose(site, from, domain);
    if (!add_hops(out, r, domain))
        return false;
    out->connections = (unsigned)site->destlimit;
    out->connmsgs = (unsigned)site->connmsgs;
    out->schedule = site_schedule(site, r);
    out->own = site_owns(site, domain);
    out->tls = (unsigned char)level_of(out, r);
    out->policy = route_policy(site, r);
    if (r != NULL) {
        set_login(out, r);
        out->mode = (unsigned char)r->mode;
        out->relay = r->host != NULL;
        if (r->connections != 0)
            out->connections = (unsigned)r->connections;
        if (r->connmsgs != 0)
            out->connmsgs = (unsigned)r->connmsgs;
        out->rate = r->rate;
        out->line = r->line;
    }
    make_key(out, site, r);
    return true;
}
