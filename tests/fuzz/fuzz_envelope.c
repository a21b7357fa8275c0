/* Envelopes: the input is the top of a spool file, in lines.
 *
 * Holds: nothing of the envelope follows a DATA record; a line that is refused has a finding with a
 * column of that line; what was read can be written, and is then read as the same envelope to its
 * last line. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/diag.h"
#include "lib/envelope.h"

/* Takes lines off *text until the envelope ends; false when a line of it is bad. */
static bool read_envelope(struct span *text, struct envelope *e)
{
    struct span line, rest = *text;
    struct diag d;

    while (span_line(&rest, &line)) {
        bool over = e->data_record;
        enum envelope_line kind = envelope_take(e, line, &d);
        CHECK(!over || kind == ENVELOPE_END);
        if (kind == ENVELOPE_BAD) {
            CHECK(d.text[0] != '\0' && no_controls(span_of(d.text), ""));
            CHECK(d.column >= 1 && d.column <= line.n + 1);
            return false;
        }
        if (kind == ENVELOPE_END)
            break;
        *text = rest;
    }
    CHECK(e->nto <= ENVELOPE_TO_MAX && e->nto <= e->cap);
    CHECK(e->have_from || (e->nto == 0 && address_is_null(&e->from)));
    return true;
}

static void check_written(const struct envelope *e)
{
    struct envelope back = {0};
    struct buf written = {0};
    struct diag d;

    CHECK(envelope_write(&written, &e->from, e->to, e->nto, e->asa));
    CHECK(no_controls(BUF_SPAN(&written), "\n"));
    buf_adds(&written, "Received: x\nX-To: <late@example.org>\n");
    struct span rest = BUF_SPAN(&written);
    CHECK(read_envelope(&rest, &back) && envelope_whole(&back, &d));
    CHECK(span_starts_nocase(rest, SPAN("Received: x")));
    CHECK(memcmp(&e->from, &back.from, sizeof(back.from)) == 0);
    CHECK(back.nto == e->nto && back.asa == e->asa && !back.data_record);
    CHECK(memcmp(e->to, back.to, e->nto * sizeof(*e->to)) == 0);
    envelope_free(&back);
    buf_free(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct envelope e = {0};
    struct diag d;

    if (read_envelope(&text, &e)) {
        bool whole = envelope_whole(&e, &d);
        CHECK(whole == (e.have_from && e.nto > 0));
        CHECK(whole || d.text[0] != '\0');
        if (whole)
            check_written(&e);
    }
    envelope_free(&e);
    return 0;
}
