/* A text on its way to the wire: octet 1 says what it is and what the peer takes, octet 2 how its
 * chunks are cut, the rest is the text.
 *
 * Holds: what comes out is lines of at most 998 octets with CR LF, no other CR or LF, and no NUL;
 * it ends in CR LF . CR LF, which stands nowhere else; it is 7 bit where the peer takes nothing
 * else; it does not depend on how chunks are cut; what needs no encoding has the size that was
 * foretold; what is asked for without need is lawful too. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "usmtp/text.h"

enum { ASA = 1, PEER_8BITMIME = 2, PEER_SMTPUTF8 = 4, FORCE = 8, NEEDS_AT = 4 };

/* The next chunk; `cut` 0: all that is left. Lengths differ, so that cuts fall everywhere. */
static struct span next_chunk(struct span *rest, unsigned *cut)
{
    struct span chunk = *rest;

    *cut = *cut * 5 % 251;
    if (*cut > 0 && *cut % 23 + 1 < chunk.n)
        chunk.n = *cut % 23 + 1;
    *rest = span_from(*rest, chunk.n);
    return chunk;
}

static void scan(struct text_facts *f, struct span text, bool asa, unsigned cut)
{
    text_scan_begin(f, asa);
    while (text.n > 0)
        text_scan(f, next_chunk(&text, &cut));
    text_scan_end(f);
}

static void convert(struct buf *out, struct span text, bool asa, unsigned needs, unsigned cut)
{
    struct text *t = text_begin(asa, needs);

    CHECK(t != NULL);
    while (text.n > 0)
        CHECK(text_feed(t, next_chunk(&text, &cut), out));
    CHECK(text_end(t, out));
    text_free(t);
}

static void check_facts(const struct text_facts *f, const struct text_facts *g)
{
    CHECK(f->octets == g->octets && f->wire_octets == g->wire_octets && f->longest == g->longest);
    CHECK(f->eight_bit == g->eight_bit && f->header_eight_bit == g->header_eight_bit);
    CHECK(f->bare_cr == g->bare_cr && f->nul == g->nul && f->not_utf8 == g->not_utf8);
    CHECK(f->body_unfit == g->body_unfit && f->header_unfit == g->header_unfit);
}

/* One line, without its end and the dot that was put before it. */
static void check_line(struct span line, bool lawful, bool seven_bit)
{
    CHECK(!lawful || line.n <= TEXT_LINE_MAX);
    for (size_t i = 0; i < line.n; i++) {
        CHECK(line.p[i] != '\r' && line.p[i] != '\n');
        CHECK(!lawful || line.p[i] != '\0');
        CHECK(!seven_bit || (unsigned char)line.p[i] < 0x80);
    }
}

/* Returns the octets of the text without dots. */
static size_t check_wire(struct span wire, bool lawful, bool seven_bit)
{
    size_t octets = 0;

    for (;;) {
        const char *end = memmem(wire.p, wire.n, "\r\n", 2);
        CHECK(end != NULL);
        struct span line = {wire.p, (size_t)(end - wire.p)};
        wire = span_from(wire, line.n + 2);
        if (span_eq(line, SPAN(".")))
            break;
        if (line.n > 0 && line.p[0] == '.') {
            CHECK(line.n > 1 && line.p[1] == '.');
            line = span_from(line, 1);
        }
        check_line(line, lawful, seven_bit);
        octets += line.n + 2;
    }
    CHECK(wire.n == 0);
    return octets;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    unsigned flags = take_octet(&text), cut = take_octet(&text);
    bool asa = flags & ASA, forced = flags & FORCE;
    struct text_facts facts, other;
    struct buf whole = {0}, parts = {0};

    scan(&facts, text, asa, 0);
    scan(&other, text, asa, cut);
    check_facts(&facts, &other);
    CHECK(facts.octets == text.n);
    unsigned needs = text_needs(&facts, flags & PEER_8BITMIME, flags & PEER_SMTPUTF8);
    if (forced)
        needs = flags >> NEEDS_AT;
    convert(&whole, text, asa, needs, 0);
    convert(&parts, text, asa, needs, cut);
    CHECK(span_eq(BUF_SPAN(&whole), BUF_SPAN(&parts)));
    bool lawful = !forced || (needs & TEXT_ENCODE_BODY);
    bool seven_bit = (!forced && !(flags & (PEER_8BITMIME | PEER_SMTPUTF8))) ||
                     (forced && (needs & TEXT_ENCODE_BODY) && (needs & TEXT_ENCODE_HEADER));
    size_t octets = check_wire(BUF_SPAN(&whole), lawful, seven_bit);
    if (needs == TEXT_AS_IS && !facts.bare_cr)
        CHECK(octets == facts.wire_octets);
    buf_free(&whole);
    buf_free(&parts);
    return 0;
}
