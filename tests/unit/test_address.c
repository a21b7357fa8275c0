/* Mailboxes and paths: each rule of RFC 5321 4.1.2, 4.1.3 and 4.5.3.1, the octet at fault, and the
 * one written form. */
#include "lib/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    PATH = 0,
    REVERSE = ADDRESS_NULL_OK | ADDRESS_PREFIX_OK,
    HAND = ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK,
    LINE = ADDRESS_BARE_OK | ADDRESS_UTF8_OK
};

struct good {
    const char *in;
    unsigned flags;
    const char *text;
    enum domain_kind kind;
    size_t used;
};

static const struct good goods[] = {
    {"<a@b>", PATH, "a@b", DOMAIN_NAME, 5},
    {"<CZQ14CD@MYHOST.ARPA>", PATH, "CZQ14CD@MYHOST.ARPA", DOMAIN_NAME, 21},
    {"<!#$%&'*+-/=?^_`{|}~@x>", PATH, "!#$%&'*+-/=?^_`{|}~@x", DOMAIN_NAME, 23},
    {"<a.b.c@d-e.f--g.h1>", PATH, "a.b.c@d-e.f--g.h1", DOMAIN_NAME, 19},
    {"<a@1.2.3.4>", PATH, "a@1.2.3.4", DOMAIN_NAME, 11},
    {"<>", REVERSE, "", DOMAIN_NONE, 2},
    {"<> SIZE=1", REVERSE, "", DOMAIN_NONE, 2},
    {"<a@b> SIZE=1", REVERSE, "a@b", DOMAIN_NAME, 5},
    {"<a@b> \x01", REVERSE, "a@b", DOMAIN_NAME, 5},
    {"a@b", LINE, "a@b", DOMAIN_NAME, 3},
    {"a@b c", LINE | ADDRESS_PREFIX_OK, "a@b", DOMAIN_NAME, 3},
    {"<Postmaster>", ADDRESS_LOCAL_OK, "Postmaster", DOMAIN_NONE, 12},
    {"carol", HAND, "carol", DOMAIN_NONE, 5},
    {"carol x", HAND | ADDRESS_PREFIX_OK, "carol", DOMAIN_NONE, 5},
    /* Quotes: kept only where they are needed. */
    {"<\"a\"@b>", PATH, "a@b", DOMAIN_NAME, 7},
    {"<\"\\a\\.b\"@c>", PATH, "a.b@c", DOMAIN_NAME, 11},
    {"<\"a b\"@c>", PATH, "\"a b\"@c", DOMAIN_NAME, 9},
    {"<\"\"@c>", PATH, "\"\"@c", DOMAIN_NAME, 6},
    {"<\".\"@c>", PATH, "\".\"@c", DOMAIN_NAME, 7},
    {"<\"a..b\"@c>", PATH, "\"a..b\"@c", DOMAIN_NAME, 10},
    {"<\"a@b\"@c>", PATH, "\"a@b\"@c", DOMAIN_NAME, 9},
    {"<\">\"@c>", PATH, "\">\"@c", DOMAIN_NAME, 7},
    {"<\"\\\"\\\\\\ \"@c>", PATH, "\"\\\"\\\\ \"@c", DOMAIN_NAME, 12},
    {"\"a b\"", HAND, "\"a b\"", DOMAIN_NONE, 5},
    /* Source routes are forgotten. */
    {"<@x:a@b>", PATH, "a@b", DOMAIN_NAME, 8},
    {"<@x.y,@z:a@b>", PATH, "a@b", DOMAIN_NAME, 13},
    {"@x:a@b", LINE, "a@b", DOMAIN_NAME, 6},
    /* Literals are written anew. */
    {"<a@[10.10.0.1]>", PATH, "a@[10.10.0.1]", DOMAIN_IPV4, 15},
    {"<@a.very.long.relay:x@y>", PATH, "x@y", DOMAIN_NAME, 24},
    {"<a@[010.0.00.255]>", PATH, "a@[10.0.0.255]", DOMAIN_IPV4, 18},
    {"<a@[IPv6:2001:DB8:0:0:0:0:0:1]>", PATH, "a@[IPv6:2001:db8::1]", DOMAIN_IPV6, 31},
    {"<a@[ipv6:::]>", PATH, "a@[IPv6:::]", DOMAIN_IPV6, 13},
    {"<a@[IPv6:::ffff:6464:6464]>", PATH, "a@[IPv6:::ffff:100.100.100.100]", DOMAIN_IPV6, 27},
    /* UTF-8 where it is allowed. */
    {"<j\xC3\xB6rg@b\xC3\xBC"
     "cher.example>",
     ADDRESS_UTF8_OK,
     "j\xC3\xB6rg@b\xC3\xBC"
     "cher.example",
     DOMAIN_NAME, 23},
    {"<\"\xC3\xB6 \"@x>", ADDRESS_UTF8_OK, "\"\xC3\xB6 \"@x", DOMAIN_NAME, 9},
    {"<\xF0\x9F\x93\xA8@x>", ADDRESS_UTF8_OK, "\xF0\x9F\x93\xA8@x", DOMAIN_NAME, 8},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(goods); i++) {
        const struct good *g = &goods[i];
        struct address a;
        size_t used = 99;
        enum address_error e = address_parse(span_of(g->in), g->flags, &a, &used);

        if (e != ADDRESS_GOOD)
            fail_msg("%s: %s at %zu", g->in, address_strerror(e), used);
        assert_string_equal(a.text, g->text);
        assert_int_equal(a.kind, g->kind);
        assert_int_equal(used, g->used);
    }
}

struct bad {
    struct span in;
    unsigned flags;
    enum address_error error;
    size_t used;
};

#define IN(literal)                                                                                \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct bad bads[] = {
    {IN(""), PATH, ADDRESS_EMPTY, 0},
    {IN(""), HAND, ADDRESS_EMPTY, 0},
    {IN("a@b"), PATH, ADDRESS_NO_BRACKET, 0},
    {IN(" <a@b>"), PATH, ADDRESS_NO_BRACKET, 0},
    {IN("<a@b"), PATH, ADDRESS_NO_BRACKET, 4},
    {IN("<"), PATH, ADDRESS_BAD_LOCAL, 1},
    {IN("<a"), ADDRESS_LOCAL_OK, ADDRESS_NO_BRACKET, 2},
    {IN("a@b>"), LINE, ADDRESS_NO_BRACKET, 3},
    {IN("a>"), HAND, ADDRESS_NO_BRACKET, 1},
    {IN("<a>"), PATH, ADDRESS_NO_DOMAIN, 2},
    {IN("a"), LINE, ADDRESS_NO_DOMAIN, 1},
    {IN("a@"), LINE, ADDRESS_NO_DOMAIN, 2},
    {IN("<a@>"), PATH, ADDRESS_NO_DOMAIN, 3},
    {IN("<>"), PATH, ADDRESS_NULL_PATH, 1},
    {IN("<> "), ADDRESS_NULL_OK, ADDRESS_TRAILING_TEXT, 2},
    {IN("<.a@b>"), PATH, ADDRESS_BAD_LOCAL, 1},
    {IN("<a.@b>"), PATH, ADDRESS_BAD_LOCAL, 3},
    {IN("<a..b@c>"), PATH, ADDRESS_BAD_LOCAL, 3},
    {IN("<a b@c>"), PATH, ADDRESS_BAD_LOCAL, 2},
    {IN("a,b@c"), LINE, ADDRESS_BAD_LOCAL, 1},
    {IN("<a(x)@b>"), PATH, ADDRESS_BAD_LOCAL, 2},
    {IN("<a\"b\"@c>"), PATH, ADDRESS_BAD_LOCAL, 2},
    {IN("<\"a\"b@c>"), PATH, ADDRESS_BAD_LOCAL, 4},
    {IN("<\"a@b>"), PATH, ADDRESS_BAD_QUOTE, 6},
    {IN("<\"a\\"), PATH, ADDRESS_BAD_QUOTE, 4},
    {IN("<\"\\\xC3\xB6\"@b>"), ADDRESS_UTF8_OK, ADDRESS_BAD_QUOTE, 3},
    {IN("<\"a\tb\"@c>"), PATH, ADDRESS_BAD_OCTET, 3},
    {IN("<\"a\\\0\"@c>"), PATH, ADDRESS_BAD_OCTET, 4},
    {IN("<a@b..c>"), PATH, ADDRESS_BAD_DOMAIN, 5},
    {IN("<a@.b>"), PATH, ADDRESS_BAD_DOMAIN, 3},
    {IN("<a@b.>"), PATH, ADDRESS_BAD_DOMAIN, 5},
    {IN("<a@-b>"), PATH, ADDRESS_BAD_DOMAIN, 3},
    {IN("<a@b-.c>"), PATH, ADDRESS_BAD_DOMAIN, 4},
    {IN("<a@b->"), PATH, ADDRESS_BAD_DOMAIN, 4},
    {IN("<a@b_c>"), PATH, ADDRESS_BAD_DOMAIN, 4},
    {IN("<a@b@c>"), PATH, ADDRESS_BAD_DOMAIN, 4},
    {IN("a@b,c@d"), LINE, ADDRESS_BAD_DOMAIN, 3},
    {IN("<a@b c>"), PATH, ADDRESS_BAD_DOMAIN, 4},
    {IN("<a@[1.2.3]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[1.2.3.4.5]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[1.2.3.256]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[1.2.3.0004]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[1.2..4]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[1.2.3.4>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@["), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[2001:db8::1]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[IPv6:2001:db8::1%eth0]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[IPv6:1:2:3:4:5:6:7:8:9]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[IPv6:]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[x-tag:y]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[1.2.3.4\0]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[IPv6:::1\0]>"), PATH, ADDRESS_BAD_LITERAL, 3},
    {IN("<a@[1.2.3.4]x>"), PATH, ADDRESS_BAD_DOMAIN, 12},
    {IN("<@b>"), PATH, ADDRESS_BAD_ROUTE, 3},
    {IN("@b"), LINE, ADDRESS_BAD_ROUTE, 2},
    {IN("<@:a@b>"), PATH, ADDRESS_BAD_ROUTE, 2},
    {IN("<@x,y:a@b>"), PATH, ADDRESS_BAD_ROUTE, 4},
    {IN("<@x,:a@b>"), PATH, ADDRESS_BAD_ROUTE, 4},
    {IN("<@x,"), PATH, ADDRESS_BAD_ROUTE, 4},
    {IN("<@x:>"), PATH, ADDRESS_BAD_LOCAL, 4},
    {IN("<a\0@b>"), PATH, ADDRESS_BAD_OCTET, 2},
    {IN("<a@b\0>"), PATH, ADDRESS_BAD_OCTET, 4},
    {IN("<a@b>\0"), PATH, ADDRESS_BAD_OCTET, 5},
    {IN("<a@b\r\n>"), PATH, ADDRESS_BAD_OCTET, 4},
    {IN("<a\n@b>"), PATH, ADDRESS_BAD_OCTET, 2},
    {IN("<a\x7F@b>"), PATH, ADDRESS_BAD_OCTET, 2},
    {IN("<\xC3\xB6@b>"), PATH, ADDRESS_BAD_OCTET, 1},
    {IN("<a@\xC3\xB6>"), PATH, ADDRESS_BAD_OCTET, 3},
    {IN("<\"\xC3\xB6\"@b>"), PATH, ADDRESS_BAD_OCTET, 2},
    {IN("<a\xC2\x85@b>"), ADDRESS_UTF8_OK, ADDRESS_BAD_OCTET, 2},
    {IN("<a@b\xC2\x80>"), ADDRESS_UTF8_OK, ADDRESS_BAD_OCTET, 4},
    {IN("<\xC3@b>"), ADDRESS_UTF8_OK, ADDRESS_BAD_UTF8, 1},
    {IN("<\xED\xA0\x80@b>"), ADDRESS_UTF8_OK, ADDRESS_BAD_UTF8, 1},
    {IN("<\xC0\xAF@b>"), ADDRESS_UTF8_OK, ADDRESS_BAD_UTF8, 1},
    {IN("<a@\xF4\x90\x80\x80>"), ADDRESS_UTF8_OK, ADDRESS_BAD_UTF8, 3},
    {IN("<a\xC3"), ADDRESS_UTF8_OK, ADDRESS_BAD_UTF8, 2},
    {IN("<a@b>c"), PATH, ADDRESS_TRAILING_TEXT, 5},
    {IN("<a@b>c"), REVERSE, ADDRESS_TRAILING_TEXT, 5},
    {IN("<a@b> c"), PATH, ADDRESS_TRAILING_TEXT, 5},
    {IN("<a@b>>"), PATH, ADDRESS_TRAILING_TEXT, 5},
    {IN("<a@b>\tc"), REVERSE, ADDRESS_BAD_OCTET, 5},
    {IN("a@b c"), LINE, ADDRESS_TRAILING_TEXT, 3},
};

static void assert_zero(const struct address *a)
{
    static const struct address zero;

    assert_memory_equal(a, &zero, sizeof(zero));
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bads); i++) {
        const struct bad *b = &bads[i];
        struct address a;
        size_t used = 9999;
        enum address_error e = address_parse(b->in, b->flags, &a, &used);

        if (e != b->error || used != b->used)
            fail_msg("%s: error %d at %zu, not %d at %zu", b->in.p, e, used, b->error, b->used);
        assert_zero(&a);
        assert_int_equal(address_parse(b->in, b->flags, &a, NULL), b->error);
    }
}

/* Labels of 31 octets. */
static void build_domain(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addc(b, i % 32 == 31 && i + 1 < n ? '.' : 'd');
}

/* "<" local "@" label.label... ">" of the lengths asked for. */
static void build(struct buf *b, size_t local, size_t domain)
{
    buf_clear(b);
    buf_addc(b, '<');
    buf_fill(b, 'a', local);
    buf_addc(b, '@');
    build_domain(b, domain);
    buf_addc(b, '>');
}

static void test_limits(void **state)
{
    static const struct {
        size_t local, domain;
        enum address_error error;
        size_t used;
    } cases[] = {
        {64, 100, ADDRESS_GOOD, 167},           {65, 100, ADDRESS_LOCAL_TOO_LONG, 65},
        {1000, 1, ADDRESS_LOCAL_TOO_LONG, 65},  {64, 189, ADDRESS_GOOD, 256},
        {64, 190, ADDRESS_TOO_LONG, 255},       {1, 252, ADDRESS_GOOD, 256},
        {1, 253, ADDRESS_TOO_LONG, 255},        {1, 255, ADDRESS_TOO_LONG, 255},
        {1, 256, ADDRESS_DOMAIN_TOO_LONG, 258}, {1, 100000, ADDRESS_DOMAIN_TOO_LONG, 258},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address a;
        size_t used;

        build(&b, cases[i].local, cases[i].domain);
        assert_int_equal(address_parse(BUF_SPAN(&b), PATH, &a, &used), cases[i].error);
        assert_int_equal(used, cases[i].used);
        if (cases[i].error == ADDRESS_GOOD)
            assert_int_equal(strlen(a.text), b.len - 2);
    }
    buf_free(&b);
}

/* The same limit without brackets, and a label of 63 and 64 octets. */
static void test_limits_bare(void **state)
{
    struct buf b = {0};
    struct address a;
    size_t used;

    (void)state;
    build(&b, 64, 190);
    assert_int_equal(address_parse((struct span){b.data + 1, b.len - 2}, LINE, &a, &used),
                     ADDRESS_TOO_LONG);
    assert_int_equal(used, 254);
    build(&b, 64, 189);
    assert_int_equal(address_parse((struct span){b.data + 1, b.len - 2}, LINE, &a, NULL),
                     ADDRESS_GOOD);
    for (size_t n = 63; n <= 64; n++) {
        buf_clear(&b);
        buf_adds(&b, "<a@x.");
        buf_fill(&b, 'l', n);
        buf_addc(&b, '>');
        assert_int_equal(address_parse(BUF_SPAN(&b), PATH, &a, &used),
                         n == 63 ? ADDRESS_GOOD : ADDRESS_BAD_DOMAIN);
        assert_int_equal(used, n == 63 ? b.len : 5 + 63);
    }
    buf_free(&b);
}

static void test_limits_quoted_and_route(void **state)
{
    struct buf b = {0};
    struct address a;
    size_t used;

    (void)state;
    for (size_t n = 62; n <= 63; n++) {
        buf_clear(&b);
        buf_adds(&b, "<\"");
        buf_fill(&b, ' ', n);
        buf_adds(&b, "\"@b>");
        assert_int_equal(address_parse(BUF_SPAN(&b), PATH, &a, &used),
                         n == 62 ? ADDRESS_GOOD : ADDRESS_LOCAL_TOO_LONG);
        assert_int_equal(used, n == 62 ? b.len : 65);
    }
    buf_clear(&b);
    buf_addc(&b, '<');
    for (int i = 0; i < 1000; i++)
        buf_adds(&b, "@x.example,");
    assert_int_equal(address_parse(BUF_SPAN(&b), PATH, &a, &used), ADDRESS_TOO_LONG);
    assert_int_equal(used, 256);
    for (size_t n = 63; n <= 64; n++) { /* a route and mailbox of 256 and 257 octets together */
        buf_clear(&b);
        buf_adds(&b, "<@");
        build_domain(&b, 187);
        buf_addc(&b, ':');
        buf_fill(&b, 'a', n);
        buf_adds(&b, "@b>");
        assert_int_equal(address_parse(BUF_SPAN(&b), PATH, &a, &used),
                         n == 63 ? ADDRESS_GOOD : ADDRESS_TOO_LONG);
        assert_int_equal(used, 256);
    }
    buf_free(&b);
}

/* Cut short anywhere, a path is never good, and nothing behind the cut is read (the copy is exact,
 * so that the sanitizer sees a step too far). */
static void test_truncation(void **state)
{
    static const char *const whole[] = {
        "<@r1,@r2:\"a\\\" b\"@[IPv6:2001:db8::1]>",
        "<j\xC3\xB6rg.x@\xC3\xBC.example>",
        "<a@[192.0.2.1]>",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(whole); i++)
        for (size_t n = 0; n < strlen(whole[i]); n++) {
            struct address a;
            size_t used;
            char *cut = test_malloc(n + (n == 0));

            memcpy(cut, whole[i], n);
            assert_int_not_equal(address_parse((struct span){cut, n}, ADDRESS_UTF8_OK, &a, &used),
                                 ADDRESS_GOOD);
            assert_in_range(used, 0, n);
            assert_zero(&a);
            test_free(cut);
        }
}

/* Every octet, alone, as a local part and in a domain: what is accepted is what the RFC lists. */
static void test_every_octet(void **state)
{
    const char *atext = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "!#$%&'*+-/=?^_`{|}~";
    (void)state;
    for (int c = 0; c < 256; c++) {
        char local[] = "<?@b>", domain[] = "<a@b?c>", quoted[] = "<\"?\"@c>";
        bool letter = c > 0 && strchr(atext, c) != NULL && strchr(atext, c) < strchr(atext, '!');
        struct address a;

        local[1] = domain[4] = quoted[2] = (char)c;
        assert_int_equal(address_parse(SPAN(local), PATH, &a, NULL) == ADDRESS_GOOD,
                         c > 0 && strchr(atext, c) != NULL);
        assert_int_equal(address_parse(SPAN(domain), PATH, &a, NULL) == ADDRESS_GOOD,
                         letter || c == '-' || c == '.');
        assert_int_equal(address_parse(SPAN(quoted), PATH, &a, NULL) == ADDRESS_GOOD,
                         c >= ' ' && c < 0x7F && c != '"' && c != '\\');
    }
}

static struct address parsed(const char *text)
{
    struct address a;

    assert_int_equal(address_parse(span_of(text), HAND | ADDRESS_NULL_OK, &a, NULL), ADDRESS_GOOD);
    return a;
}

static void test_parts(void **state)
{
    static const struct {
        const char *in, *local, *domain, *plain, *written;
    } cases[] = {
        {"a@b", "a", "b", "a", "<a@b>"},
        {"\"a@b \\\"\"@c.d", "\"a@b \\\"\"", "c.d", "a@b \"", "<\"a@b \\\"\"@c.d>"},
        {"\"\"@c", "\"\"", "c", "", "<\"\"@c>"},
        {"carol", "carol", "", "carol", "<carol>"},
        {"<>", "", "", "", "<>"},
        {"x@[1.2.3.4]", "x", "[1.2.3.4]", "x", "<x@[1.2.3.4]>"},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address a = parsed(cases[i].in);

        assert_true(span_eq(address_local(&a), span_of(cases[i].local)));
        assert_true(span_eq(address_domain(&a), span_of(cases[i].domain)));
        buf_clear(&b);
        assert_true(address_local_plain(&a, &b));
        assert_string_equal(buf_str(&b), cases[i].plain);
        buf_clear(&b);
        assert_true(address_write(&b, &a));
        assert_string_equal(buf_str(&b), cases[i].written);
        assert_int_equal(address_is_null(&a), i == 4);
        assert_false(address_has_utf8(&a));
    }
    assert_true(address_has_utf8(&(struct address){"\xC3\xB6@b", 2, DOMAIN_NAME}));
    buf_free(&b);
}

static void test_eq(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"a@Example.ORG", "a@eXAMPLE.org", true},
        {"a@b", "A@b", false},
        {"\"a\"@b", "a@b", true},
        {"\"a\\ b\"@c", "\"a b\"@c", true},
        {"a@[IPv6:::1]", "a@[ipv6:0:0::0:1]", true},
        {"a@[1.2.3.4]", "a@1.2.3.4", false},
        {"<>", "a@b", false},
        {"<>", "<>", true},
        {"a", "a@b", false},
        {"a@b", "a@bc", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address a = parsed(cases[i].a), b = parsed(cases[i].b);

        assert_int_equal(address_eq(&a, &b), cases[i].equal);
        assert_int_equal(address_eq(&b, &a), cases[i].equal);
    }
}

static void test_literal(void **state)
{
    static const unsigned char v4[4] = {10, 20, 30, 40};
    static const unsigned char v6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 7};
    struct address a = parsed("a@[10.20.30.40]");
    unsigned char octets[16];

    (void)state;
    assert_true(address_literal(&a, octets));
    assert_memory_equal(octets, v4, sizeof(v4));
    a = parsed("a@[IPv6:2001:db8::7]");
    assert_true(address_literal(&a, octets));
    assert_memory_equal(octets, v6, sizeof(v6));
    a = parsed("a@10.20.30.40");
    assert_false(address_literal(&a, octets));
    a = parsed("<>");
    assert_false(address_literal(&a, octets));
}

static void test_domain_valid(void **state)
{
    static const struct {
        struct span name;
        bool utf8_ok, valid;
    } cases[] = {
        {IN("a"), false, true},
        {IN("mail.example.org"), false, true},
        {IN("127.0.0.1"), false, true},
        {IN(""), false, false},
        {IN("a."), false, false},
        {IN(".a"), false, false},
        {IN("a b"), false, false},
        {IN("a\0"), false, false},
        {IN("[1.2.3.4]"), false, false},
        {IN("a_b"), false, false},
        {IN("xn--bcher-kva.example"), false, true},
        {IN("b\xC3\xBC.x"), false, false},
        {IN("b\xC3\xBC.x"), true, true},
        {IN("b\xC3.x"), true, false},
        {IN("b\xC2\x80.x"), true, false},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(domain_valid(cases[i].name, cases[i].utf8_ok), cases[i].valid);
    build(&b, 1, 255);
    assert_true(domain_valid((struct span){b.data + 3, 255}, false));
    build(&b, 1, 257);
    assert_false(domain_valid((struct span){b.data + 3, 257}, false));
    buf_free(&b);
}

/* Every error has a sentence of its own, and a number from elsewhere does no harm. */
static void test_strerror(void **state)
{
    (void)state;
    for (int i = 0; i < ADDRESS_ERRORS; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(address_strerror((enum address_error)i),
                                    address_strerror((enum address_error)j));
    assert_non_null(address_strerror((enum address_error)1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_limits_bare),
        cmocka_unit_test(test_limits_quoted_and_route),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_every_octet),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_eq),
        cmocka_unit_test(test_literal),
        cmocka_unit_test(test_domain_valid),
        cmocka_unit_test(test_strerror),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
