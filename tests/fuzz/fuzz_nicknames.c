/* The personal file of nicknames.
 *
 * Holds: an error has a place in the text and leaves nothing behind; each nickname is found by its
 * own name and by no other's; what is shown of it has no control character but tabs. */
#include "tests/fuzz/fuzz.h"

#include "sndmsg/nicknames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct nicknames all = {0};
    struct diag d = {0};

    if (!nicknames_parse(text, &all, &d)) {
        CHECK(all.count == 0 && d.text[0] != '\0' && d.line <= size + 1);
        CHECK(no_controls(span_of(d.text), ""));
        nicknames_free(&all);
        return 0;
    }
    CHECK(all.count <= NICKNAMES_MAX);
    for (size_t i = 0; i < all.count; i++) {
        const struct nickname *n = &all.list[i];
        CHECK(nicknames_find(&all, span_of(n->nick)) == n);
        CHECK(no_controls(span_of(n->nick), ""));
        CHECK(n->name == NULL || no_controls(span_of(n->name), "\t"));
    }
    nicknames_free(&all);
    return 0;
}
