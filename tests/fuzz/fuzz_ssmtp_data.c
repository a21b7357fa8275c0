/* The data of a transaction: the input is what a client sends after 354.
 *
 * Holds: however the input is cut, the end is the first CR LF . CR LF (the first CR LF may be that
 * of DATA), the faults are those of the octets before it, and a text without a fault comes out with
 * its dots unstuffed and no CR or NUL in it. Its Received fields are as many as the reader of spool
 * files finds. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/header.h"
#include "ssmtp/data.h"

struct result {
    struct data d;
    size_t taken;
    struct buf out;
};

/* Cuts the input by the octets of `cuts`, used in turn; NULL: not at all. */
static void feed(struct result *r, struct span in, const struct span *cuts)
{
    size_t next = 0;

    *r = (struct result){.taken = 0};
    data_open(&r->d);
    while (r->taken < in.n && !data_ended(&r->d)) {
        struct span piece = span_from(in, r->taken);
        if (cuts != NULL && cuts->n > 0) {
            size_t n = (unsigned char)cuts->p[next++ % cuts->n] % 16 + 1u;
            piece.n = piece.n < n ? piece.n : n;
        }
        size_t taken = data_feed(&r->d, piece, &r->out);
        CHECK(taken <= piece.n && (taken == piece.n || data_ended(&r->d)));
        r->taken += taken;
    }
}

/* Octets of the input that belong to the data, by the plainest search. *ended: the end is there. */
static size_t plain_end(struct span in, bool *ended)
{
    *ended = true;
    if (in.n >= 3 && memcmp(in.p, ".\r\n", 3) == 0)
        return 3;
    const char *end = in.n > 0 ? memmem(in.p, in.n, "\r\n.\r\n", 5) : NULL;
    if (end != NULL)
        return (size_t)(end - in.p) + 5;
    *ended = false;
    return in.n;
}

/* The faults of the text, octet by octet. A CR at the very end may yet be followed by LF. */
static unsigned plain_faults(struct span text, bool ended)
{
    unsigned faults = 0;

    for (size_t i = 0; i < text.n; i++) {
        bool last = i + 1 == text.n;
        if (text.p[i] == '\0')
            faults |= DATA_NUL;
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
            faults |= DATA_BARE_LF;
        if (text.p[i] == '\r' && (last ? ended : text.p[i + 1] != '\n'))
            faults |= DATA_BARE_CR;
    }
    return faults;
}

static void check_text(const struct result *r, struct span text)
{
    struct span rest = text, line, out = BUF_SPAN(&r->out), got;

    while (span_line(&rest, &line)) {
        CHECK(span_line(&out, &got));
        if (line.n > 0 && line.p[0] == '.')
            line = span_from(line, 1);
        CHECK(line.n > 0 && line.p[line.n - 1] == '\r');
        CHECK(span_eq(got, (struct span){line.p, line.n - 1}));
    }
    CHECK(out.n == 0);
    CHECK(header_count(BUF_SPAN(&r->out), "Received") == r->d.received);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size}, cuts = {in.p, 0};
    struct result whole, cut;
    bool ended;

    cuts.n = take_octet(&in) % 8;
    cuts.n = cuts.n < in.n ? cuts.n : in.n;
    cuts.p = in.p;
    in = span_from(in, cuts.n);
    feed(&whole, in, NULL);
    feed(&cut, in, &cuts);

    size_t end = plain_end(in, &ended);
    struct span text = {in.p, ended ? end - 3 : end};
    CHECK(whole.taken == end && data_ended(&whole.d) == ended);
    CHECK(cut.taken == end && data_ended(&cut.d) == ended);
    CHECK(whole.d.faults == plain_faults(text, ended) && cut.d.faults == whole.d.faults);
    CHECK(whole.d.received == cut.d.received && whole.d.header == cut.d.header);
    if (whole.d.faults == 0) {
        CHECK(whole.d.octets == cut.d.octets && whole.d.octets <= text.n);
        CHECK(span_eq(BUF_SPAN(&whole.out), BUF_SPAN(&cut.out)));
        if (ended)
            check_text(&whole, text);
    }
    buf_free(&whole.out);
    buf_free(&cut.out);
    return 0;
}
