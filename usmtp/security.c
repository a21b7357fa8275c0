/* See security.h. */
#include "usmtp/security.h"

#include <stdlib.h>

static const struct security_policy *find(const struct security *s, uint64_t id)
{
    for (size_t i = 0; i < s->policies; i++)
        if (s->policy[i].id == id)
            return &s->policy[i];
    return NULL;
}

static void take_records(struct security_policy *p, const char *text)
{
    struct span list = {text, text == NULL ? 0 : span_of(text).n}, one;

    while (p->records < SECURITY_RECORDS && span_cut(&list, ',', &one))
        p->records += tlsa_parse(one, &p->record[p->records]);
}

/* Adds what a statement (NULL: none) asks for, if it is not there. False with *d when it cannot be
 * had; then the old one's is taken, if it has it. */
static bool add(struct security *s, const struct security *old, const struct site *site,
                const struct site_route *r, struct diag *d)
{
    struct tls_files files = {.ca = r != NULL && r->ca != NULL ? r->ca : site->ca,
                              .cert = r != NULL ? r->cert : NULL,
                              .key = r != NULL ? r->key : NULL};
    struct security_policy p = {.id = route_policy(site, r)};
    const struct security_policy *before = find(old, p.id);

    if (find(s, p.id) != NULL)
        return true;
    void *grown = reallocarray(s->policy, s->policies + 1, sizeof(*s->policy));
    if (grown == NULL)
        return diag_memory(d);
    s->policy = grown;
    take_records(&p, r != NULL ? r->tlsa : NULL);
    p.context = tls_sender(&files, d);
    bool good = p.context != NULL;
    if (!good && before != NULL)
        p.context = tls_context_share(before->context);
    if (p.context != NULL)
        s->policy[s->policies++] = p;
    return good;
}

bool security_load(struct security *s, const struct site *site, struct diag *d)
{
    struct security loaded = {0};
    struct diag first = {0};
    bool good = true;

    for (size_t i = 0; i <= site->routes; i++) {
        bool one = add(&loaded, s, site, i < site->routes ? &site->route[i] : NULL, d);
        if (!one && good)
            first = *d;
        good = good && one;
    }
    security_free(s);
    *s = loaded;
    *d = first;
    return good;
}

void security_free(struct security *s)
{
    for (size_t i = 0; i < s->policies; i++)
        tls_context_free(s->policy[i].context);
    free(s->policy);
    *s = (struct security){0};
}

bool security_for(const struct security *s, const struct route *route, struct security_use *use)
{
    const struct security_policy *p = find(s, route->policy);

    *use = (struct security_use){.level = (enum tls_level)route->tls,
                                 .mode = (enum tls_mode)route->mode};
    if (route->tls == TLS_NONE)
        return true;
    if (p == NULL)
        return false;
    use->context = p->context;
    use->records = p->records;
    for (size_t i = 0; i < p->records; i++)
        use->record[i] = p->record[i];
    return true;
}
