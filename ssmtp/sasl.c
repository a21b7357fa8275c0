/* See sasl.h. A mechanism is a row: its name, what it asks first, and its steps. */
#include "ssmtp/sasl.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/saslprep.h"

enum { STEPS = 3 };

struct exchange {
    struct sasl *s;
    const struct sasl_users *users;
    struct buf *challenge;
};

typedef enum sasl_result step_fn(const struct exchange *x, struct span response);

struct sasl_mechanism {
    const char *name, *greeting;
    step_fn *step[STEPS];
};

/* Who, and by what. */

/* Names that cannot be prepared are nobody's, and asked for all the same. */
static enum sasl_result take_name(const struct exchange *x, struct span name)
{
    struct sasl *s = x->s;

    if (name.n > SASL_NAME_MAX)
        return SASL_MALFORMED;
    if (!saslprep(name, &s->name) && !s->name.failed)
        buf_addspan(&s->name, name);
    if (s->name.failed)
        return SASL_TROUBLE;
    s->known = x->users->secret(x->users->arg, BUF_SPAN(&s->name), &s->secret) && s->name.len > 0;
    return s->secret.iterations > 0 ? SASL_ASK : SASL_TROUBLE;
}

/* To act for another is not offered: it must be the same name, or none. */
static void take_other(struct sasl *s, struct span name, struct span other)
{
    if (other.n > 0 && !span_eq(other, name))
        s->known = false;
}

static enum sasl_result take_password(struct sasl *s, struct span password)
{
    if (password.n > SASL_PASSWORD_MAX)
        return SASL_MALFORMED;
    buf_reserve(&s->password, SASL_PASSWORD_MAX); /* it never grows, so no copy stays behind */
    if (!saslprep(password, &s->password) && !s->password.failed)
        s->known = false;
    s->known = s->known && s->password.len > 0;
    return s->password.failed ? SASL_TROUBLE : SASL_CLAIM;
}

/* PLAIN. */

static enum sasl_result plain_message(const struct exchange *x, struct span response)
{
    struct span other, name;

    if (!span_cut(&response, '\0', &other) || !span_cut(&response, '\0', &name) ||
        response.p == NULL || span_find(response, '\0') < response.n || other.n > SASL_NAME_MAX)
        return SASL_MALFORMED;
    enum sasl_result r = take_name(x, name);
    if (r != SASL_ASK)
        return r;
    take_other(x->s, name, other);
    return take_password(x->s, response);
}

/* LOGIN, which has no standard: draft-murchison-sasl-login. */

static enum sasl_result login_name(const struct exchange *x, struct span response)
{
    if (span_find(response, '\0') < response.n)
        return SASL_MALFORMED;
    enum sasl_result r = take_name(x, response);
    if (r == SASL_ASK)
        buf_adds(x->challenge, "Password:");
    return r;
}

static enum sasl_result login_password(const struct exchange *x, struct span response)
{
    return span_find(response, '\0') < response.n ? SASL_MALFORMED : take_password(x->s, response);
}

/* SCRAM. */

/* Takes "k=value" up to the next comma; the last one where there is none. */
static bool take_attribute(struct span *rest, char key, struct span *value)
{
    struct span part;

    if (rest->p == NULL || !span_cut(rest, ',', &part) || part.n < 2 || part.p[0] != key ||
        part.p[1] != '=')
        return false;
    *value = span_from(part, 2);
    return true;
}

/* =2C and =3D in a name. */
static bool unescape(struct span name, char *out, size_t size, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < name.n; i++, (*n)++) {
        char c = name.p[i];
        if (*n == size || c == '\0')
            return false;
        if (c == '=') {
            struct span code = span_from(name, i + 1);
            code.n = code.n < 2 ? code.n : 2;
            if (!span_eq(code, SPAN("2C")) && !span_eq(code, SPAN("3D")))
                return false;
            c = code.p[0] == '2' ? ',' : '=';
            i += 2;
        }
        out[*n] = c;
    }
    return true;
}

static bool nonce_valid(struct span nonce)
{
    for (size_t i = 0; i < nonce.n; i++)
        if (nonce.p[i] < '!' || nonce.p[i] > '~')
            return false;
    return nonce.n > 0 && nonce.n <= SASL_CLIENT_NONCE;
}

/* The gs2-header, "n,," or "y,," with "a=name" between the commas. No channel binding is offered:
 * "p=" is malformed. */
static bool take_header(struct sasl *s, struct span *message, struct span *other)
{
    struct span flag, rest = *message;

    *other = (struct span){NULL, 0};
    if (!span_cut(&rest, ',', &flag) || rest.p == NULL || flag.n != 1 ||
        (flag.p[0] != 'n' && flag.p[0] != 'y'))
        return false;
    if (rest.n > 0 && rest.p[0] != ',' && !take_attribute(&rest, 'a', other))
        return false;
    if (other->p == NULL)
        rest = span_from(rest, 1);
    if (rest.p == NULL)
        return false;
    struct span header = {message->p, message->n - rest.n};
    *message = rest;
    return span_copy(header, s->header, sizeof(s->header)) && span_find(header, '\0') == header.n;
}

static void ask_proof(const struct exchange *x, struct span bare)
{
    struct sasl *s = x->s;
    size_t at;

    buf_addspan(&s->exchange, bare);
    buf_addc(&s->exchange, ',');
    at = s->exchange.len;
    buf_printf(&s->exchange, "r=%s,s=", s->nonce);
    base64_encode((struct span){(const char *)s->secret.salt, s->secret.salt_octets}, &s->exchange);
    buf_printf(&s->exchange, ",i=%u", s->secret.iterations);
    buf_addspan(x->challenge, span_from(BUF_SPAN(&s->exchange), at));
    buf_addc(&s->exchange, ',');
}

static enum sasl_result scram_first(const struct exchange *x, struct span bare)
{
    char name[SASL_NAME_MAX], other_name[SASL_NAME_MAX], ours[SASL_NONCE + 1] = "";
    struct span other, escaped, nonce, rest;
    struct sasl *s = x->s;
    size_t n, other_n;

    if (!take_header(s, &bare, &other))
        return SASL_MALFORMED;
    rest = bare;
    if (!take_attribute(&rest, 'n', &escaped) || !take_attribute(&rest, 'r', &nonce) ||
        !unescape(escaped, name, sizeof(name), &n) || !nonce_valid(nonce) ||
        !unescape(other, other_name, sizeof(other_name), &other_n))
        return SASL_MALFORMED;
    enum sasl_result r = take_name(x, (struct span){name, n});
    if (r != SASL_ASK)
        return r;
    take_other(s, (struct span){name, n}, (struct span){other_name, other_n});
    if (!x->users->nonce(x->users->arg, ours))
        return SASL_TROUBLE;
    memcpy(s->nonce, nonce.p, nonce.n);
    memcpy(s->nonce + nonce.n, ours, sizeof(ours));
    ask_proof(x, bare);
    return s->exchange.failed ? SASL_TROUBLE : SASL_ASK;
}

static bool same_header(const struct sasl *s, struct span binding)
{
    struct buf header = {0};

    bool same = base64_decode(binding, &header) && span_eq(BUF_SPAN(&header), span_of(s->header));
    buf_free(&header);
    return same;
}

/* c=, r=, what extensions there are, p= as the last. */
static enum sasl_result scram_final(const struct exchange *x, struct span response)
{
    struct span binding, nonce, rest = response, proof = {NULL, 0};
    struct sasl *s = x->s;
    struct buf octets = {0};

    if (!take_attribute(&rest, 'c', &binding) || !take_attribute(&rest, 'r', &nonce) ||
        !same_header(s, binding) || !span_eq(nonce, span_of(s->nonce)))
        return SASL_MALFORMED;
    while (rest.p != NULL && proof.p == NULL)
        (void)take_attribute(&rest, 'p', &proof); /* it passes over another one */
    if (proof.p == NULL || rest.p != NULL)
        return SASL_MALFORMED;
    bool good = base64_decode(proof, &octets) && octets.len == SCRAM_KEY;
    if (good) {
        memcpy(s->proof, octets.data, SCRAM_KEY);
        buf_add(&s->exchange, response.p, (size_t)(proof.p - response.p) - 3);
    }
    bool failed = octets.failed || s->exchange.failed;
    buf_wipe(&octets);
    return failed ? SASL_TROUBLE : good ? SASL_CLAIM : SASL_MALFORMED;
}

/* The client has seen our signature. */
static enum sasl_result scram_end(const struct exchange *x, struct span response)
{
    (void)x;
    return response.n == 0 ? SASL_DONE : SASL_MALFORMED;
}

/* The machine. */

static const struct sasl_mechanism mechanisms[] = {
    {"SCRAM-SHA-256", "", {scram_first, scram_final, scram_end}},
    {"PLAIN", "", {plain_message, NULL, NULL}},
    {"LOGIN", "Username:", {login_name, login_password, NULL}},
};
enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

const char *sasl_name(size_t i)
{
    return i < MECHANISMS ? mechanisms[i].name : NULL;
}

struct sasl *sasl_new(struct span mechanism, bool *known)
{
    for (size_t i = 0; i < MECHANISMS; i++) {
        if (!span_eq_nocase(mechanism, span_of(mechanisms[i].name)))
            continue;
        struct sasl *s = calloc(1, sizeof(*s));
        *known = true;
        if (s != NULL)
            s->mechanism = &mechanisms[i];
        return s;
    }
    *known = false;
    return NULL;
}

const char *sasl_greeting(const struct sasl *s)
{
    return s->mechanism->greeting;
}

enum sasl_result sasl_step(struct sasl *s, const struct sasl_users *users, struct span response,
                           struct buf *challenge)
{
    const struct exchange x = {s, users, challenge};
    step_fn *step = s->step < STEPS ? s->mechanism->step[s->step] : NULL;

    if (step == NULL)
        return SASL_MALFORMED;
    s->step++;
    enum sasl_result r = step(&x, response);
    return challenge->failed ? SASL_TROUBLE : r;
}

void sasl_check(struct sasl *s)
{
    bool fits = false;

    if (s->exchange.len > 0)
        s->checked = scram_try_proof(&s->secret, BUF_SPAN(&s->exchange), s->proof, &fits) &&
                     scram_sign(&s->secret, BUF_SPAN(&s->exchange), s->signature);
    else
        s->checked = scram_try_password(&s->secret, BUF_SPAN(&s->password), &fits);
    s->fits = s->checked && fits && s->known;
}

enum sasl_result sasl_proven(struct sasl *s, struct buf *challenge)
{
    if (!s->fits)
        return SASL_MALFORMED;
    if (s->exchange.len == 0)
        return SASL_DONE;
    buf_adds(challenge, "v=");
    base64_encode((struct span){(const char *)s->signature, SCRAM_KEY}, challenge);
    return challenge->failed ? SASL_TROUBLE : SASL_ASK;
}

void sasl_free(struct sasl *s)
{
    if (s == NULL)
        return;
    buf_free(&s->name);
    buf_wipe(&s->password);
    buf_wipe(&s->exchange);
    explicit_bzero(s, sizeof(*s));
    free(s);
}
