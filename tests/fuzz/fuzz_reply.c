/* SMTP replies: the input is what a peer sends, in lines; and a text of ours to be written.
 *
 * Holds: code, line count and text are in their bounds, the text has no control but LF and is
 * UTF-8; a reply that is written has lines of 512 octets at most, each with the code, and is read
 * back as the same. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/charset.h"
#include "lib/reply.h"

/* Reads one reply off the front of *text, whose lines end in LF or CR LF. */
static enum reply_result read_reply(struct span *text, struct reply *r)
{
    enum reply_result result = REPLY_MORE;
    struct span line;

    while (result == REPLY_MORE && span_line(text, &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        result = reply_line(r, line);
    }
    return result;
}

static void check_bounds(const struct reply *r, enum reply_result result)
{
    char enhanced[12];

    CHECK(r->code == 0 || (r->code >= 200 && r->code <= 599));
    CHECK(result != REPLY_DONE || r->code != 0);
    CHECK(r->lines <= REPLY_LINES_MAX && r->text.len <= REPLY_TEXT_MAX);
    CHECK(no_controls(BUF_SPAN(&r->text), "\n") && utf8_valid(BUF_SPAN(&r->text), NULL));
    CHECK(r->class == 0 || r->class == r->code / 100);
    CHECK(reply_enhanced(r, enhanced) == enhanced && strlen(enhanced) < sizeof(enhanced));
    CHECK(r->class == 0 || enhanced[0] - '0' == r->class);
}

/* Each line has the code and a mark that says whether another follows. */
static size_t check_written(struct span written, unsigned code, size_t *longest)
{
    struct span line;
    size_t lines = 0;
    char digits[8];

    snprintf(digits, sizeof(digits), "%u", code);
    for (*longest = 0; span_line(&written, &line); lines++) {
        CHECK(line.n >= 5 && line.n < REPLY_LINE_MAX && line.p[line.n - 1] == '\r');
        line.n--;
        CHECK(no_controls(line, "") && utf8_valid(line, NULL));
        CHECK(memcmp(line.p, digits, 3) == 0 && line.p[3] == (written.n > 0 ? '-' : ' '));
        if (line.n > *longest)
            *longest = line.n;
    }
    return lines;
}

/* Writes a text and reads it back. */
static void check_write(unsigned code, const char *enhanced, struct span text, struct reply *back,
                        size_t *longest)
{
    struct buf written = {0};

    CHECK(reply_write(&written, code, enhanced, text));
    size_t lines = check_written(BUF_SPAN(&written), code, longest);
    struct span rest = BUF_SPAN(&written);
    enum reply_result result = read_reply(&rest, back);
    CHECK(result == (lines > REPLY_LINES_MAX ? REPLY_MALFORMED : REPLY_DONE));
    CHECK(back->code == code &&
          (result == REPLY_MALFORMED || (rest.n == 0 && back->lines == lines)));
    check_bounds(back, result);
    buf_free(&written);
}

static void check_round_trip(const struct reply *r)
{
    struct reply back = {0};
    char enhanced[12], again[12];
    size_t longest;

    reply_enhanced(r, enhanced);
    check_write(r->code, r->class ? enhanced : NULL, BUF_SPAN(&r->text), &back, &longest);
    CHECK(back.class == r->class && strcmp(reply_enhanced(&back, again), enhanced) == 0);
    /* A longer line may have been cut, before a character of 4 octets. */
    if (longest < REPLY_LINE_MAX - 2 - 3)
        CHECK(span_eq(BUF_SPAN(&back.text), BUF_SPAN(&r->text)));
    reply_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size}, rest = input;
    struct reply r = {0};
    size_t longest;

    while (rest.n > 0) {
        enum reply_result result = read_reply(&rest, &r);
        check_bounds(&r, result);
        if (result == REPLY_DONE)
            check_round_trip(&r);
        reply_clear(&r);
    }
    check_write(200 + size % 400, NULL, input, &r, &longest);
    reply_free(&r);
    return 0;
}
