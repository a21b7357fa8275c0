/* The password file: reading, and what editing makes of it.
 *
 * Holds: a fault has a place in the text; what is read can be edited, and what was edited is read
 * again with that one entry changed. */
#include "tests/fuzz/fuzz.h"

#include "usertable/password.h"

static size_t lines_of(struct span text)
{
    struct span line;
    size_t n = 0;

    while (span_line(&text, &line))
        n++;
    return n;
}

static void edit(struct span text, const struct passwords *p)
{
    struct scram_secret s = {.iterations = SCRAM_ITERATIONS, .salt_octets = SCRAM_SALT}, got;
    struct buf set = {0}, gone = {0};
    struct diag d;
    bool had = passwords_find(p, "NEW1", SPAN("new1"), &got);

    CHECK(passwords_edit(text, "NEW1", &s, &set));
    struct passwords *q = passwords_parse(BUF_SPAN(&set), &d);
    CHECK(q != NULL && passwords_count(q) == passwords_count(p) + !had);
    CHECK(passwords_find(q, "NEW1", SPAN("new1"), &got) && got.iterations == SCRAM_ITERATIONS);
    passwords_free(q);
    CHECK(passwords_edit(BUF_SPAN(&set), "NEW1", NULL, &gone));
    q = passwords_parse(BUF_SPAN(&gone), &d);
    CHECK(q != NULL && passwords_count(q) == passwords_count(p) - had);
    passwords_free(q);
    buf_free(&set);
    buf_free(&gone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct diag d;

    struct passwords *p = passwords_parse(text, &d);
    if (p == NULL) {
        CHECK(d.text[0] != '\0' && d.line <= lines_of(text));
        CHECK((d.line == 0) == (d.column == 0));
        return 0;
    }
    for (size_t i = 0; i < passwords_count(p); i++) {
        char userid[USERID_MAX + 1];
        CHECK(password_userid(span_of(passwords_userid(p, i)), userid));
    }
    edit(text, p);
    passwords_free(p);
    return 0;
}
