#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/digest.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void hex_of(const unsigned char octets[DIGEST_OCTETS], char hex[2 * DIGEST_OCTETS + 1])
{
    for (int i = 0; i < DIGEST_OCTETS; i++)
        snprintf(hex + 2 * i, 3, "%02x", octets[i]);
}

/* FIPS 180-4's own examples, in pieces of every size. */
static void test_examples(void **state)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    unsigned char out[DIGEST_OCTETS];
    char hex[2 * DIGEST_OCTETS + 1];
    struct digest d;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);
        for (size_t step = 1; step <= n + 1; step++) {
            digest_begin(&d);
            for (size_t at = 0; at < n; at += step)
                digest_add(&d, (struct span){cases[i].text + at, n - at < step ? n - at : step});
            digest_add(&d, (struct span){NULL, 0});
            digest_end(&d, out);
            hex_of(out, hex);
            assert_string_equal(hex, cases[i].hex);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
