/* Unit tests of lib/scram and lib/saslprep: the vectors of RFC 7677 and RFC 4013. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base64.h"
#include "lib/saslprep.h"
#include "lib/scram.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* RFC 7677 3. */
#define NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define EXCHANGE                                                                                   \
    "n=user,r=rOprNGfwEbeRWgbNEkqO,r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=" NONCE
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SIGNATURE "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void decode(const char *text, unsigned char *to, size_t n)
{
    struct buf octets = {0};

    assert_true(base64_decode(span_of(text), &octets));
    assert_int_equal(octets.len, n);
    memcpy(to, octets.data, n);
    buf_free(&octets);
}

static struct scram_secret secret_of(const char *password)
{
    struct scram_secret s = {.iterations = 4096, .salt_octets = 16};

    decode("W22ZaJ0SNY7soEsUEjb6gQ==", s.salt, 16);
    assert_true(scram_derive(span_of(password), &s));
    return s;
}

static bool scram_password_fits(const struct scram_secret *s, struct span password)
{
    bool fits;

    assert_true(scram_try_password(s, password, &fits));
    return fits;
}

static bool scram_proof_fits(const struct scram_secret *s, struct span exchange,
                             const unsigned char proof[SCRAM_KEY])
{
    bool fits;

    assert_true(scram_try_proof(s, exchange, proof, &fits));
    return fits;
}

static void test_vector(void **state)
{
    struct scram_secret s = secret_of("pencil");
    unsigned char proof[SCRAM_KEY], want[SCRAM_KEY], got[SCRAM_KEY];

    (void)state;
    decode(PROOF, proof, sizeof(proof));
    decode(SIGNATURE, want, sizeof(want));
    assert_true(scram_proof_fits(&s, SPAN(EXCHANGE), proof));
    assert_true(scram_sign(&s, SPAN(EXCHANGE), got));
    assert_memory_equal(got, want, sizeof(want));
    for (size_t i = 0; i < sizeof(proof) * 8; i++) {
        proof[i / 8] ^= (unsigned char)(1U << i % 8);
        assert_false(scram_proof_fits(&s, SPAN(EXCHANGE), proof));
        proof[i / 8] ^= (unsigned char)(1U << i % 8);
    }
    assert_false(scram_proof_fits(&s, SPAN(EXCHANGE "x"), proof));
    s = secret_of("pencil2");
    assert_false(scram_proof_fits(&s, SPAN(EXCHANGE), proof));
}

static void test_password(void **state)
{
    struct scram_secret s = secret_of("pencil");

    (void)state;
    assert_true(scram_password_fits(&s, SPAN("pencil")));
    assert_false(scram_password_fits(&s, SPAN("Pencil")));
    assert_false(scram_password_fits(&s, SPAN("")));
    s.iterations++;
    assert_false(scram_password_fits(&s, SPAN("pencil")));
    s.iterations--;
    s.salt[15] ^= 1;
    assert_false(scram_password_fits(&s, SPAN("pencil")));
}

static void test_saslprep(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        {"I\xC2\xADX", "IX"}, /* RFC 4013 3 */
        {"user", "user"},
        {"USER", "USER"},
        {"\xC2\xAA", "a"},
        {"\xE2\x85\xA8", "IX"},
        {"\x07", NULL},
        {"\xD8\xA7\x31", NULL},
        {"", ""},
        {"a\xC2\xA0"
         "b",
         "a b"},
        {"a\nb", NULL},
        {"\xFF", NULL},
        {"\xC3", NULL},
        {"\xED\xA0\x80", NULL},
    };
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf_clear(&out);
        bool good = saslprep(span_of(rows[i].in), &out);
        if (good != (rows[i].out != NULL) || (good && strcmp(buf_str(&out), rows[i].out) != 0))
            fail_msg("row %zu: %s", i, buf_str(&out));
    }
    assert_false(saslprep((struct span){"a\0b", 3}, &out));
    assert_true(saslprep(SPAN("\xC8\xA1"), &out)); /* U+0221 came after Unicode 3.2 */
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_saslprep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
