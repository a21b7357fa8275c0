/* See logon.h. */
#include "usmtp/logon.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/scram.h"
#include "usmtp/bearer.h"

struct logon {
    const struct mechanism *mechanism;
    char *user, *host; /* owned */
    struct buf secret; /* with a NUL behind it */
    unsigned port, steps;
    Gsasl *library;
    Gsasl_session *session;
    bool done; /* nothing is left to be said, and the host's proof, where there is one, is good */
    bool refused; /* the host said so in the exchange: an error of the bearer mechanisms */
};

/* One kind of mechanism: how it begins, and its steps. */
struct kind {
    bool (*begin)(struct logon *s);
    bool (*step)(struct logon *s, struct span challenge, struct buf *response, const char **why);
};

/* Where a host could make us work, or learn too much: "i=" of SCRAM's first challenge. */
static bool iterations_fit(struct span challenge)
{
    struct span part;
    uint64_t n;

    while (span_cut(&challenge, ',', &part))
        if (part.n > 2 && memcmp(part.p, "i=", 2) == 0)
            return span_number(span_from(part, 2), SCRAM_ITERATIONS_MAX, &n) &&
                   n >= SCRAM_ITERATIONS_MIN;
    return false;
}

static bool is_scram(const struct mechanism *m)
{
    return span_starts_nocase(span_of(m->name), SPAN("SCRAM"));
}

/* What libgsasl could not make it has freed, but still points to. */
static bool begin_gsasl(struct logon *s)
{
    bool external = s->mechanism->proof == PROOF_CERTIFICATE;

    if (gsasl_init(&s->library) != GSASL_OK) {
        s->library = NULL;
        return false;
    }
    if (gsasl_client_start(s->library, s->mechanism->name, &s->session) != GSASL_OK) {
        s->session = NULL;
        return false;
    }
    return gsasl_property_set(s->session, external ? GSASL_AUTHZID : GSASL_AUTHID, s->user) ==
               GSASL_OK &&
           (external || gsasl_property_set(s->session, GSASL_PASSWORD, s->secret.data) == GSASL_OK);
}

static const char *gsasl_fault(int result)
{
    static const struct {
        int result;
        const char *why;
    } faults[] = {
        {GSASL_MECHANISM_CALLED_TOO_MANY_TIMES, "the host asks for more than the mechanism has"},
        {GSASL_MECHANISM_PARSE_ERROR, "the host's challenge is none of this mechanism"},
        {GSASL_AUTHENTICATION_ERROR, "the host did not prove that it knows the secret"},
        {GSASL_SASLPREP_ERROR, "the user's name or the secret has characters that none may have"},
        {GSASL_MALLOC_ERROR, "memory is short"},
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (faults[i].result == result)
            return faults[i].why;
    return "the host's challenge cannot be answered";
}

static bool step_gsasl(struct logon *s, struct span challenge, struct buf *response,
                       const char **why)
{
    char *text = NULL;
    size_t length = 0;

    if (s->done) { /* some of libgsasl's would begin anew */
        s->done = false;
        *why = gsasl_fault(GSASL_MECHANISM_CALLED_TOO_MANY_TIMES);
        return false;
    }
    if (is_scram(s->mechanism) && s->steps == 2 && !iterations_fit(challenge)) {
        *why = "the host's SCRAM iterations are not between 4,096 and 500,000";
        return false;
    }
    if (!s->mechanism->first && s->steps == 1 && challenge.n == 0) {
        *why = "the host's challenge is empty";
        return false;
    }
    int result = gsasl_step(s->session, challenge.p, challenge.n, &text, &length);
    if (text == NULL && length > 0) /* LOGIN's, where memory is short */
        result = GSASL_MALLOC_ERROR;
    bool good = (result == GSASL_OK || result == GSASL_NEEDS_MORE) &&
                (length == 0 || buf_add(response, text, length));
    if (text != NULL) {
        explicit_bzero(text, length);
        gsasl_free(text);
    }
    s->done = good && result == GSASL_OK;
    if (!good)
        *why = gsasl_fault(response->failed ? GSASL_MALLOC_ERROR : result);
    return good;
}

static bool begin_bearer(struct logon *s)
{
    (void)s;
    return true;
}

static bool is_xoauth2(const struct mechanism *m)
{
    return span_eq(span_of(m->name), SPAN("XOAUTH2"));
}

/* One message; then the host says what is wrong, and wants one octet more (RFC 7628 3.2.3), or
 * nothing, before its refusal. */
static bool step_bearer(struct logon *s, struct span challenge, struct buf *response,
                        const char **why)
{
    bool plain = is_xoauth2(s->mechanism), good;

    (void)challenge;
    s->done = s->steps == 1;
    s->refused = s->steps == 2;
    if (s->steps > 2) {
        *why = "the host asks for more than the mechanism has";
        return false;
    }
    if (s->refused)
        return plain || buf_addc(response, '\001');
    if (plain)
        good = bearer_xoauth2(response, s->user, BUF_SPAN(&s->secret));
    else
        good = bearer_oauth(response, s->user, s->host, s->port, BUF_SPAN(&s->secret));
    if (!good && !response->failed)
        *why = "the token has characters that no token has";
    return good;
}

static const struct kind gsasl_kind = {begin_gsasl, step_gsasl};
static const struct kind bearer_kind = {begin_bearer, step_bearer};

static const struct kind *kind_of(const struct mechanism *m)
{
    return m->proof == PROOF_TOKEN ? &bearer_kind : &gsasl_kind;
}

struct logon *logon_new(const struct mechanism *m, const struct logon_identity *who)
{
    struct logon *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->mechanism = m;
    s->port = who->port;
    s->user = strdup(who->user);
    s->host = strdup(who->host);
    buf_reserve(&s->secret, who->secret.n + 1);
    buf_addspan(&s->secret, who->secret);
    buf_str(&s->secret);
    if (s->user != NULL && s->host != NULL && !s->secret.failed && kind_of(m)->begin(s))
        return s;
    logon_free(s);
    return NULL;
}

/* libgsasl frees its copy, but does not overwrite it. */
static void wipe_property(Gsasl_session *session)
{
    const char *copy = gsasl_property_fast(session, GSASL_PASSWORD);

    if (copy != NULL)
        explicit_bzero((char *)(uintptr_t)copy, strlen(copy));
}

void logon_free(struct logon *s)
{
    if (s == NULL)
        return;
    if (s->session != NULL) {
        wipe_property(s->session);
        gsasl_finish(s->session);
    }
    if (s->library != NULL)
        gsasl_done(s->library);
    buf_wipe(&s->secret);
    free(s->user);
    free(s->host);
    free(s);
}

bool logon_has(const struct logon *s, struct span secret)
{
    return s != NULL && span_eq(BUF_SPAN(&s->secret), secret);
}

static bool step(void *arg, struct span challenge, struct buf *response, const char **why)
{
    struct logon *s = arg;

    s->steps++;
    return kind_of(s->mechanism)->step(s, challenge, response, why);
}

static bool proved(void *arg)
{
    const struct logon *s = arg;

    return s->done && !s->refused;
}

const struct session_steps logon_steps = {step, proved};
