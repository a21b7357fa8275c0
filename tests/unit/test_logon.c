/* The mechanisms against the vectors of their RFCs, and hosts that do not keep to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "usmtp/bearer.h"
#include "usmtp/logon.h"

/* libgsasl calls these two by their names: so the client's nonce is that of a vector. The octets of
 * a nonce, which no other text of an exchange is, stand for it. */
static const char *nonce;
static const char mark[] = "~nonce~nonce~nonce~nonce";

int gsasl_nonce(char *data, size_t n)
{
    assert_true(n < sizeof(mark));
    memcpy(data, mark, n);
    return GSASL_OK;
}

int gsasl_base64_to(const char *in, size_t n, char **out, size_t *out_n)
{
    struct buf text = {0};
    bool is_nonce = n >= 10 && n < sizeof(mark) && memcmp(in, mark, n) == 0;

    if (is_nonce)
        buf_adds(&text, nonce);
    else
        base64_encode((struct span){in, n}, &text);
    *out = strdup(buf_str(&text));
    if (out_n != NULL)
        *out_n = strlen(*out);
    buf_free(&text);
    return *out == NULL ? GSASL_MALLOC_ERROR : GSASL_OK;
}

/* C: what the client says to the challenge S of before; the first S is empty where it speaks first.
 * An S behind which nothing is due ends in an error. */
struct exchange {
    const char *mechanism, *user, *secret, *nonce;
    struct {
        const char *s, *c; /* c NULL: an error is due */
    } step[4];
    bool proved;
};

#define RFC7677_SERVER "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
#define RFC7677_CLIENT "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
#define RFC5802_SERVER "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"

static const struct exchange exchanges[] = {
    /* RFC 7677 3 */
    {"SCRAM-SHA-256",
     "user",
     "pencil",
     "rOprNGfwEbeRWgbNEkqO",
     {{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
      {RFC7677_SERVER "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
       RFC7677_CLIENT "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
      {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""}},
     true},
    /* Without the last message there is no proof. */
    {"SCRAM-SHA-256",
     "user",
     "pencil",
     "rOprNGfwEbeRWgbNEkqO",
     {{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
      {RFC7677_SERVER "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
       RFC7677_CLIENT "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="}},
     false},
    /* A wrong proof, an error, a challenge after the end. */
    {"SCRAM-SHA-256",
     "user",
     "pencil",
     "rOprNGfwEbeRWgbNEkqO",
     {{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
      {RFC7677_SERVER "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
       RFC7677_CLIENT "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
      {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", NULL}},
     false},
    {"SCRAM-SHA-256",
     "user",
     "pencil",
     "rOprNGfwEbeRWgbNEkqO",
     {{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
      {RFC7677_SERVER "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
       RFC7677_CLIENT "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
      {"e=invalid-proof", NULL}},
     false},
    {"SCRAM-SHA-256",
     "user",
     "pencil",
     "rOprNGfwEbeRWgbNEkqO",
     {{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
      {RFC7677_SERVER "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
       RFC7677_CLIENT "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
      {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
      {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", NULL}},
     false},
/* First challenges that are none: another's nonce, too little or too much work, nothing. */
#define SCRAM_REFUSES(challenge)                                                                   \
    {                                                                                              \
        "SCRAM-SHA-1", "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL",                               \
            {{"", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"}, {challenge, NULL}}, false               \
    }
    SCRAM_REFUSES("r=other,s=QSXCR+Q6sek8bf92,i=4096"),
    SCRAM_REFUSES(RFC5802_SERVER "s=QSXCR+Q6sek8bf92,i=4095"),
    SCRAM_REFUSES(RFC5802_SERVER "s=QSXCR+Q6sek8bf92,i=500001"),
    SCRAM_REFUSES(RFC5802_SERVER "s=QSXCR+Q6sek8bf92,i=18446744073709551616"),
    SCRAM_REFUSES(RFC5802_SERVER "s=QSXCR+Q6sek8bf92,i=-4096"),
    SCRAM_REFUSES(RFC5802_SERVER "s=QSXCR+Q6sek8bf92,i="),
    SCRAM_REFUSES(RFC5802_SERVER "s=QSXCR+Q6sek8bf92"),
    SCRAM_REFUSES(RFC5802_SERVER "s=?,i=4096"),
    SCRAM_REFUSES("m=x," RFC5802_SERVER "s=QSXCR+Q6sek8bf92,i=4096"),
    SCRAM_REFUSES(""),
    SCRAM_REFUSES(",,,,"),
    SCRAM_REFUSES("i=4096"),
    /* RFC 5802 5 */
    {"SCRAM-SHA-1",
     "user",
     "pencil",
     "fyko+d2lbbFgONRv9qkxdawL",
     {{"", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"},
      {RFC5802_SERVER "s=QSXCR+Q6sek8bf92,i=4096",
       "c=biws," RFC5802_SERVER "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="},
      {"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", ""}},
     true},
    /* RFC 5802 5.1: a comma and an equals sign in a name */
    {"SCRAM-SHA-1", "a,b=c", "x", "n", {{"", "n,,n=a=2Cb=3Dc,r=n"}}, false},
    /* RFC 2195 2 */
    {"CRAM-MD5",
     "tim",
     "tanstaaftanstaaf",
     NULL,
     {{"<1896.697170952@postoffice.reston.mci.net>", "tim b913a602c7eda7a495b4e6e7334d3890"}},
     true},
    {"CRAM-MD5", "tim", "x", NULL, {{"", NULL}}, false},
    /* RFC 4616 */
    {"PLAIN", "tim", "tanstaaftanstaaf", NULL, {{"", "?tim?tanstaaftanstaaf"}}, true},
    {"PLAIN", "tim", "t", NULL, {{"", "?tim?t"}, {"", NULL}}, false},
    {"LOGIN", "tim", "t", NULL, {{"Username:", "tim"}, {"Password:", "t"}}, true},
    {"LOGIN", "tim", "t", NULL, {{"Username:", "tim"}}, false},
    {"LOGIN", "tim", "t", NULL, {{"Username:", "tim"}, {"Password:", "t"}, {"More:", NULL}}, false},
    {"EXTERNAL", "", "", NULL, {{"", ""}}, true},
    {"EXTERNAL", "fred@example.com", "", NULL, {{"", "fred@example.com"}}, true},
    /* RFC 7628 4.1, and what Google and Microsoft document */
    {"OAUTHBEARER",
     "user@example.com",
     "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
     NULL,
     {{"", "n,a=user@example.com,\001host=server.example.com\001port=143\001auth=Bearer "
           "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001"}},
     true},
    {"OAUTHBEARER",
     "a,b=c",
     "t",
     NULL,
     {{"", "n,a=a=2Cb=3Dc,\001host=server.example.com\001port=143\001auth=Bearer t\001\001"},
      {"{\"status\":\"invalid_token\"}", "\001"},
      {"", NULL}},
     false},
    {"XOAUTH2",
     "someuser@example.com",
     "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
     NULL,
     {{"", "user=someuser@example.com\001auth=Bearer "
           "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\001\001"}},
     true},
    {"XOAUTH2",
     "u",
     "t",
     NULL,
     {{"", "user=u\001auth=Bearer t\001\001"}, {"{\"status\":\"401\"}", ""}, {"", NULL}},
     false},
    {"XOAUTH2", "u", "t\001", NULL, {{"", NULL}}, false},
    {"XOAUTH2", "u", "a b", NULL, {{"", NULL}}, false},
    {"OAUTHBEARER", "u", "a\x7F", NULL, {{"", NULL}}, false},
    {"OAUTHBEARER", "u", "", NULL, {{"", NULL}}, false},
    /* What SASLprep forbids: a control character. */
    {"SCRAM-SHA-256",
     "u",
     "a\a",
     "n",
     {{"", "n,,n=u,r=n"}, {"r=nm,s=QSXCR+Q6sek8bf92,i=4096", NULL}},
     false},
};

static struct logon *begin(const struct exchange *x)
{
    struct logon_identity who = {x->user, span_of(x->secret), "server.example.com", 143};
    const struct mechanism *m = mechanism_best(mechanism_set(span_of(x->mechanism), ',', NULL));

    nonce = x->nonce;
    struct logon *s = logon_new(m, &who);
    assert_non_null(s);
    assert_true(logon_has(s, span_of(x->secret)));
    assert_false(logon_has(s, SPAN("another")));
    return s;
}

static void says_what_the_rfcs_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
        const struct exchange *x = &exchanges[i];
        struct logon *s = begin(x);
        bool good = true;

        for (size_t k = 0; k < 4 && x->step[k].s != NULL; k++) {
            struct buf response = {0};
            const char *why = NULL;
            assert_false(k == 0 && logon_steps.proved(s));
            good = logon_steps.step(s, span_of(x->step[k].s), &response, &why);
            if (good != (x->step[k].c != NULL))
                fail_msg("exchange %zu (%s), step %zu: %s", i, x->mechanism, k,
                         good ? "was answered" : why);
            for (size_t o = 0; o < response.len; o++)
                response.data[o] = response.data[o] == '\0' ? '?' : response.data[o];
            if (good && !span_eq(BUF_SPAN(&response), span_of(x->step[k].c)))
                fail_msg("exchange %zu (%s), step %zu: <%s>", i, x->mechanism, k,
                         buf_str(&response));
            assert_true(good || why != NULL);
            buf_free(&response);
        }
        if (good && logon_steps.proved(s) != x->proved)
            fail_msg("exchange %zu (%s): proved %d", i, x->mechanism, !x->proved);
        logon_free(s);
    }
}

/* Every prefix of a first challenge, and every octet of it changed, ends or goes on, but never
 * proves anything. */
static void survives_damaged_challenges(void **state)
{
    static const char whole[] = RFC5802_SERVER "s=QSXCR+Q6sek8bf92,i=4096";
    const struct exchange x = {.mechanism = "SCRAM-SHA-1",
                               .user = "user",
                               .secret = "pencil",
                               .nonce = "fyko+d2lbbFgONRv9qkxdawL"};
    char damaged[sizeof(whole)];

    (void)state;
    for (size_t n = 0; n < 2 * (sizeof(whole) - 1); n++) {
        struct logon *s = begin(&x);
        struct buf response = {0};
        const char *why = NULL;
        size_t at = n / 2;
        memcpy(damaged, whole, sizeof(whole));
        damaged[at] ^= n & 1 ? 0x01 : 0x00;
        assert_true(logon_steps.step(s, SPAN(""), &response, &why));
        logon_steps.step(s, (struct span){damaged, n & 1 ? sizeof(whole) - 1 : at}, &response,
                         &why);
        assert_false(logon_steps.proved(s));
        buf_free(&response);
        logon_free(s);
    }
}

static void long_tokens_are_taken_whole(void **state)
{
    enum { OCTETS = 10240 };
    struct buf token = {0}, out = {0};

    (void)state;
    buf_fill(&token, 't', OCTETS);
    assert_true(bearer_xoauth2(&out, "u", BUF_SPAN(&token)));
    assert_int_equal(out.len, sizeof("user=u.auth=Bearer ..") - 1 + OCTETS);
    buf_wipe(&out);
    assert_true(bearer_oauth(&out, "u", "h", 587, BUF_SPAN(&token)));
    assert_int_equal(out.len, sizeof("n,a=u,.host=h.port=587.auth=Bearer ..") - 1 + OCTETS);
    buf_wipe(&out);
    buf_wipe(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_rfcs_say),
        cmocka_unit_test(survives_damaged_challenges),
        cmocka_unit_test(long_tokens_are_taken_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
