/* See mechanism.h. */
#include "lib/mechanism.h"

#include <stdio.h>

const struct mechanism mechanisms[MECHANISMS] = {
    {"EXTERNAL", PROOF_CERTIFICATE, false, true}, {"SCRAM-SHA-256", PROOF_PASSWORD, false, true},
    {"SCRAM-SHA-1", PROOF_PASSWORD, false, true}, {"CRAM-MD5", PROOF_PASSWORD, false, false},
    {"OAUTHBEARER", PROOF_TOKEN, true, true},     {"XOAUTH2", PROOF_TOKEN, true, true},
    {"PLAIN", PROOF_PASSWORD, true, true},        {"LOGIN", PROOF_PASSWORD, true, false},
};

unsigned mechanism_set(struct span names, char separator, bool *unknown)
{
    struct span name;
    unsigned set = 0;

    if (unknown != NULL)
        *unknown = false;
    while (span_cut(&names, separator, &name)) {
        unsigned bit = 0;
        for (unsigned i = 0; i < MECHANISMS; i++)
            if (span_eq_nocase(name, span_of(mechanisms[i].name)))
                bit = 1U << i;
        if (bit == 0 && unknown != NULL)
            *unknown = true;
        set |= bit;
    }
    return set;
}

unsigned mechanism_with(enum mechanism_proof proof)
{
    unsigned set = 0;

    for (unsigned i = 0; i < MECHANISMS; i++)
        if (mechanisms[i].proof == proof)
            set |= 1U << i;
    return set;
}

unsigned mechanism_revealing(void)
{
    unsigned set = 0;

    for (unsigned i = 0; i < MECHANISMS; i++)
        if (mechanisms[i].reveals)
            set |= 1U << i;
    return set;
}

const struct mechanism *mechanism_best(unsigned set)
{
    for (unsigned i = 0; i < MECHANISMS; i++)
        if (set & 1U << i)
            return &mechanisms[i];
    return NULL;
}

const char *mechanism_words(unsigned set, char out[MECHANISM_WORDS_MAX])
{
    size_t at = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < MECHANISMS; i++)
        if (set & 1U << i && at < MECHANISM_WORDS_MAX)
            at += (size_t)snprintf(out + at, MECHANISM_WORDS_MAX - at, "%s%s", at > 0 ? " " : "",
                                   mechanisms[i].name);
    return out;
}
