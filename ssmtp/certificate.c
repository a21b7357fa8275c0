/* See certificate.h. */
#include "ssmtp/certificate.h"

#include <string.h>

bool certificate_load(struct certificate *c, const struct site *site, struct diag *d)
{
    struct tls_files files = {.cert = site->cert, .key = site->key, .ca = site->clientca};
    struct tls_context *context = NULL;

    if (!c->ticketed && !tls_ticket_key(c->ticket))
        return diag_set(d, 0, 0, "no random octets are to be had");
    c->ticketed = true;
    if (site->cert != NULL && (context = tls_receiver(&files, c->ticket, d)) == NULL)
        return false;
    tls_context_free(c->context);
    c->context = context;
    return true;
}

int64_t certificate_renew(struct certificate *c, int64_t now_ms)
{
    bool renewed = false;

    if (c->next_ms == 0)
        c->next_ms = now_ms + CERTIFICATE_TICKET_MS;
    for (; c->next_ms <= now_ms; c->next_ms += CERTIFICATE_TICKET_MS) {
        tls_ticket_next(c->ticket);
        renewed = true;
    }
    if (renewed && c->context != NULL)
        (void)tls_context_ticket(c->context, c->ticket); /* else the old one serves on */
    return c->next_ms - now_ms;
}

void certificate_free(struct certificate *c)
{
    tls_context_free(c->context);
    explicit_bzero(c, sizeof(*c));
}
