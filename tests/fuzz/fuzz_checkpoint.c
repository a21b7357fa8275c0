/* Lines of usmtp's checkpoint, and names of data sets.
 *
 * Holds: a line that is good is written as it was read, or as one that is read as the same; its
 * numbers are not negative; a name that is parsed is formatted as the same name. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/dsname.h"
#include "usmtp/checkpoint.h"

static void check_line(struct span line)
{
    struct checkpoint_line one, two;
    struct buf out = {0};

    checkpoint_parse(line, &one);
    CHECK(one.kind <= CHECKPOINT_BAD);
    if (one.kind == CHECKPOINT_BAD)
        return;
    CHECK(one.first >= 0 && one.due >= 0 && one.wall >= 0);
    if (!checkpoint_format(&out, &one)) {
        buf_free(&out);
        return;
    }
    struct span rest = BUF_SPAN(&out), again;
    CHECK(span_line(&rest, &again) && rest.n == 0);
    checkpoint_parse(again, &two);
    CHECK(one.kind == two.kind && one.first == two.first && one.due == two.due);
    CHECK(one.wall == two.wall && one.tries == two.tries);
    CHECK(span_eq(one.name, two.name) && span_eq(one.to, two.to));
    CHECK(span_eq(one.status, two.status) && span_eq(one.text, two.text));
    buf_free(&out);
}

static void check_name(struct span line)
{
    char name[DSNAME_MAX + 1];
    uint64_t stamp;

    if (!dsname_parse(SPAN("OUT"), line, &stamp))
        return;
    CHECK(dsname_format(SPAN("OUT"), stamp, name) && span_eq(span_of(name), line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size}, line;

    while (span_line(&text, &line)) {
        check_line(line);
        check_name(line);
    }
    return 0;
}
