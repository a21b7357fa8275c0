/* A configuration member, as every program reads it.
 *
 * Holds: an error has a place inside the text and printable words; a configuration that was taken
 * has what programs rely on, and its limits. */
#include "tests/fuzz/fuzz.h"

#include "lib/site.h"

static void check_site(const struct site *site)
{
    CHECK(site->host != NULL && site->host[0] != '\0' && site->spool != NULL);
    CHECK(site->retryint <= site->retryceil && site->poll > 0);
    CHECK(site->deliver != DELIVER_LMTP || site->lmtp != NULL);
    CHECK(!site_lmtp_host(site) || site->lmtp != NULL);
    CHECK(site_owns(site, span_of(site->host)));
    CHECK(!site_owns(site, SPAN("")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct diag d = {0};
    struct site *site = site_parse(text, "/etc/spoolmail/APPCFG00", &d);

    if (site != NULL) {
        check_site(site);
        site_free(site);
        return 0;
    }
    CHECK(d.text[0] != '\0' && d.line <= size + 1 && no_controls(span_of(d.text), ""));
    return 0;
}
