/* Mailboxes and paths: octet 1 holds the flags, the rest is the text.
 *
 * Holds: what is refused leaves nothing behind and names an octet of the text; what is taken has no
 * control octet, keeps the limits of RFC 5321, and is read back as the very same when it is
 * written. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/address.h"
#include "lib/charset.h"

enum { ALL_FLAGS = 31 };

static void check_refused(const struct address *a, enum address_error e, struct span text,
                          size_t used)
{
    static const struct address none;

    CHECK(e > ADDRESS_GOOD && e < ADDRESS_ERRORS);
    CHECK(address_strerror(e)[0] != '\0');
    CHECK(used <= text.n);
    CHECK(memcmp(a, &none, sizeof(none)) == 0);
}

static void check_parts(const struct address *a, unsigned flags)
{
    struct span text = span_of(a->text), local = address_local(a), domain = address_domain(a);
    unsigned char octets[16];
    struct buf plain = {0};
    bool literal = a->kind == DOMAIN_IPV4 || a->kind == DOMAIN_IPV6;

    CHECK(text.n <= ADDRESS_TEXT_MAX && local.n <= ADDRESS_LOCAL_MAX && a->at == local.n);
    CHECK(no_controls(text, "") && utf8_valid(text, NULL));
    CHECK((flags & ADDRESS_UTF8_OK) || !address_has_utf8(a));
    CHECK((a->kind == DOMAIN_NONE) == (domain.n == 0));
    CHECK(domain.n == 0 || (text.p[a->at] == '@' && local.n + 1 + domain.n == text.n));
    CHECK(a->kind != DOMAIN_NAME || domain_valid(domain, (flags & ADDRESS_UTF8_OK) != 0));
    CHECK(address_literal(a, octets) == literal);
    CHECK(!literal || (domain.p[0] == '[' && domain.p[domain.n - 1] == ']'));
    CHECK(address_local_plain(a, &plain) && plain.len <= local.n);
    CHECK(!address_is_null(a) || (flags & ADDRESS_NULL_OK));
    CHECK(address_is_null(a) || a->kind != DOMAIN_NONE || (flags & ADDRESS_LOCAL_OK));
    buf_free(&plain);
}

/* With brackets, without, and with parameters behind. */
static void check_written(const struct address *a, unsigned flags)
{
    struct address back;
    struct buf written = {0};
    size_t used;

    CHECK(address_write(&written, a) && written.len <= ADDRESS_PATH_MAX);
    CHECK(address_parse(BUF_SPAN(&written), flags & ~(unsigned)ADDRESS_BARE_OK, &back, &used) ==
          ADDRESS_GOOD);
    CHECK(used == written.len && address_eq(a, &back) && memcmp(a, &back, sizeof(back)) == 0);
    if (!address_is_null(a)) {
        struct span bare = span_of(a->text);
        CHECK(address_parse(bare, flags | ADDRESS_BARE_OK, &back, &used) == ADDRESS_GOOD);
        CHECK(used == bare.n && memcmp(a, &back, sizeof(back)) == 0);
    }
    buf_adds(&written, " SIZE=1>");
    CHECK(address_parse(BUF_SPAN(&written), flags | ADDRESS_PREFIX_OK, &back, &used) ==
          ADDRESS_GOOD);
    CHECK(used == written.len - 8 && memcmp(a, &back, sizeof(back)) == 0);
    CHECK(address_parse(BUF_SPAN(&written), flags & ~(unsigned)ADDRESS_PREFIX_OK, &back, NULL) !=
          ADDRESS_GOOD);
    buf_free(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    unsigned flags = take_octet(&text) & ALL_FLAGS;
    struct address a, wide;
    size_t used;
    enum address_error e = address_parse(text, flags, &a, &used);

    (void)domain_valid(text, (flags & ADDRESS_UTF8_OK) != 0);
    if (e != ADDRESS_GOOD) {
        check_refused(&a, e, text, used);
        return 0;
    }
    CHECK(used == text.n || ((flags & ADDRESS_PREFIX_OK) && text.p[used] == ' '));
    check_parts(&a, flags);
    check_written(&a, flags);
    /* More flags take no less, and take it as the same. */
    CHECK(address_parse(text, ALL_FLAGS, &wide, NULL) == ADDRESS_GOOD);
    CHECK(memcmp(&a, &wide, sizeof(a)) == 0);
    return 0;
}
