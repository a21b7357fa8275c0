/* Base64 as SASL has it, and the table of mechanisms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/mechanism.h"

/* RFC 4648 10, and octets of all kinds. */
static void encodes_and_decodes(void **state)
{
    static const struct {
        struct span octets;
        const char *text;
    } cases[] = {
        {{"", 0}, ""},
        {{"f", 1}, "Zg=="},
        {{"fo", 2}, "Zm8="},
        {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg=="},
        {{"fooba", 5}, "Zm9vYmE="},
        {{"foobar", 6}, "Zm9vYmFy"},
        {{"\0", 1}, "AA=="},
        {{"\xFF\xFE\xFB", 3}, "//77"},
        {{"\0user\0pass", 10}, "AHVzZXIAcGFzcw=="},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = {0}, octets = {0};
        assert_true(base64_encode(cases[i].octets, &text));
        assert_string_equal(buf_str(&text), cases[i].text);
        assert_true(base64_decode(span_of(cases[i].text), &octets));
        assert_true(span_eq(BUF_SPAN(&octets), cases[i].octets));
        buf_wipe(&text);
        assert_null(text.data);
        buf_free(&octets);
    }
}

static void refuses_all_other_forms(void **state)
{
    static const char *const cases[] = {
        "Z",        "Zg",   "Zg=",   "Zg===",      "====",      "=",      "Zm9v\n",
        "Zm 9v",    "Zm9-", "Zm9_",  "Zh==",       "Zm9=",      "Zg==Zg", "Zg==Zm8=",
        "Zm8=Zm9v", "!!!!", "Zm9v*", "\xC3\xA4==", "Zm9v Zm9v", "=Zm9",   "Z=9v",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = {0};
        if (base64_decode(span_of(cases[i]), &out))
            fail_msg("case %zu was taken", i);
        buf_free(&out);
    }
    struct buf out = {0};
    assert_false(base64_decode(SPAN("Zm\0v"), &out));
    buf_free(&out);
}

static void names_are_sets(void **state)
{
    char words[MECHANISM_WORDS_MAX];
    bool unknown;

    (void)state;
    unsigned set = mechanism_set(SPAN("PLAIN LOGIN GSSAPI scram-sha-1 "), ' ', &unknown);
    assert_true(unknown);
    assert_string_equal(mechanism_words(set, words), "SCRAM-SHA-1 PLAIN LOGIN");
    assert_string_equal(mechanism_best(set)->name, "SCRAM-SHA-1");
    assert_null(mechanism_best(0));
    assert_int_equal(mechanism_set(SPAN("PLAINX"), ',', NULL), 0);
    assert_int_equal(mechanism_set(SPAN(""), ',', &unknown), 0);
    assert_true(unknown);
    mechanism_set(SPAN("XOAUTH2,OAUTHBEARER"), ',', &unknown);
    assert_false(unknown);
    /* All of them fit, the strongest first. */
    assert_string_equal(
        mechanism_words(~0U, words),
        "EXTERNAL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 OAUTHBEARER XOAUTH2 PLAIN LOGIN");
    assert_string_equal(mechanism_words(mechanism_with(PROOF_TOKEN), words), "OAUTHBEARER XOAUTH2");
    assert_string_equal(mechanism_words(mechanism_revealing(), words),
                        "OAUTHBEARER XOAUTH2 PLAIN LOGIN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_and_decodes),
        cmocka_unit_test(refuses_all_other_forms),
        cmocka_unit_test(names_are_sets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
