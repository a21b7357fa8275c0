/* The session of SNDMSG: lines, each behind an octet whose lowest bit says that it was pasted.
 *
 * Holds: what is typed is UTF-8 without control characters but LF, and so is each line of the text
 * but for tabs; a refused line changes nothing; phases only go forward; pasted text is never obeyed
 * in the text; each mailbox is sent to once; what is taken as an address is one. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/charset.h"
#include "sndmsg/cleartext.h"
#include "sndmsg/dialogue.h"

/* A name that begins with j has one address, one that begins with l has two. */
static bool find(void *arg, struct span name, enum recipient_field field, struct recipients *to)
{
    struct address a;

    (void)arg;
    if (name.n == 0 || (name.p[0] != 'j' && name.p[0] != 'l'))
        return false;
    CHECK(address_parse(SPAN("joe@example.org"), ADDRESS_BARE_OK, &a, NULL) == ADDRESS_GOOD);
    if (!recipients_add(to, field, &a, SPAN("Joe Doe")))
        return false;
    return name.p[0] == 'j' || recipients_add(to, field, &a, SPAN(""));
}

static void check_clean(struct span text, const char *controls)
{
    struct span line, rest = text;

    CHECK(utf8_valid(text, NULL));
    CHECK(no_controls(text, controls));
    while (span_line(&rest, &line))
        CHECK(cleartext_fault(line, strchr(controls, '\t') != NULL) == line.n);
}

static void check_recipients(const struct recipients *r)
{
    const struct address **to = calloc(r->count + 1, sizeof(const struct address *));
    struct address again;

    CHECK(r->count <= RECIPIENTS_MAX);
    for (size_t i = 0; i < r->count; i++) {
        const struct recipient *one = &r->list[i];
        CHECK(address_parse(span_of(one->address.text), ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &again,
                            NULL) == ADDRESS_GOOD);
        CHECK(address_eq(&again, &one->address));
        if (one->name != NULL) {
            CHECK(one->name[0] != '\0' && strlen(one->name) <= RECIPIENT_NAME_MAX);
            check_clean(span_of(one->name), "");
        }
    }
    if (to != NULL && r->count < 64) {
        size_t n = recipients_unique(r, to);
        CHECK(n <= r->count);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < i; k++)
                CHECK(!address_eq(to[i], to[k]));
    }
    free((void *)to);
}

static void check_line(struct dialogue *d, struct span line, bool pasted)
{
    enum dialogue_phase before = d->phase;
    size_t count = d->recipients.count;
    enum dialogue_action action = dialogue_line(d, line, pasted);
    struct span operand = dialogue_operand(d);

    check_clean(BUF_SPAN(&d->out), "\n");
    CHECK(d->phase >= before && d->phase <= before + 1);
    CHECK((action == DIALOGUE_SEND) == (d->phase == DIALOGUE_OVER && before == DIALOGUE_TEXT));
    if (d->refused) {
        CHECK(action == DIALOGUE_ASK && d->phase == before && d->recipients.count == count);
        CHECK(span_find(BUF_SPAN(&d->out), '^') < d->out.len);
    }
    if (before == DIALOGUE_TEXT && pasted)
        CHECK(action == DIALOGUE_ADD);
    if (action == DIALOGUE_ADD) {
        CHECK(before == DIALOGUE_TEXT && span_find(operand, '\n') == operand.n);
        check_clean(operand, "\t");
    }
    if (action == DIALOGUE_INCLUDE || action == DIALOGUE_ATTACH)
        CHECK(operand.n > 0 && span_trim(operand).n == operand.n);
    check_clean(BUF_SPAN(&d->subject), "");
    CHECK(d->subject.len <= DIALOGUE_SUBJECT_MAX);
    buf_clear(&d->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size}, line;
    struct resolver resolver = {find, NULL};
    struct dialogue d;
    struct buf shown = {0};

    dialogue_begin(&d, &resolver);
    while (d.phase != DIALOGUE_OVER && input.n > 0) {
        bool pasted = take_octet(&input) & 1;
        if (!span_line(&input, &line))
            break;
        check_line(&d, line, pasted);
    }
    check_recipients(&d.recipients);
    CHECK(dialogue_show(&d, &shown));
    check_clean(BUF_SPAN(&shown), "\n");
    buf_free(&shown);
    dialogue_free(&d);
    return 0;
}
