#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/charset.h"
#include "usmtp/content.h"
#include "usmtp/field.h"
#include "usmtp/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BOTH (TEXT_ENCODE_BODY | TEXT_ENCODE_HEADER)
#define X10 "xxxxxxxxxx"
#define X70 X10 X10 X10 X10 X10 X10 X10

/* The next chunk of at most n octets, in memory of its own size so that a read beyond it is found.
 */
static struct span next_chunk(struct span *rest, size_t n, char **memory)
{
    struct span chunk = {*memory, n < rest->n ? n : rest->n};

    free(*memory);
    *memory = malloc(chunk.n > 0 ? chunk.n : 1);
    assert_non_null(*memory);
    if (chunk.n > 0)
        memcpy(*memory, rest->p, chunk.n);
    chunk.p = *memory;
    *rest = span_from(*rest, chunk.n);
    return chunk;
}

/* Bit i of `cuts`: the text is cut behind octet i. Beyond 64 octets, or with `size`, chunks of that
 * size. */
static size_t chunk_size(const struct span *rest, size_t all, uint64_t cuts, size_t size)
{
    size_t at = all - rest->n, n = 1;

    if (size > 0)
        return size;
    while (n < rest->n && !(cuts >> (at + n - 1) & 1))
        n++;
    return n;
}

static void convert(struct buf *out, struct span in, bool asa, unsigned needs, uint64_t cuts,
                    size_t size)
{
    struct text *t = text_begin(asa, needs);
    char *memory = NULL;

    assert_non_null(t);
    buf_clear(out);
    for (struct span rest = in; rest.n > 0;) {
        struct span chunk = next_chunk(&rest, chunk_size(&rest, in.n, cuts, size), &memory);
        assert_true(text_feed(t, chunk, out));
    }
    assert_true(text_end(t, out));
    text_free(t);
    free(memory);
}

static struct text_facts scan(struct span in, bool asa, uint64_t cuts, size_t size)
{
    struct text_facts f;
    char *memory = NULL;

    text_scan_begin(&f, asa);
    for (struct span rest = in; rest.n > 0;)
        text_scan(&f, next_chunk(&rest, chunk_size(&rest, in.n, cuts, size), &memory));
    text_scan_end(&f);
    free(memory);
    return f;
}

static void expect_span(struct span got, struct span want, const char *what)
{
    struct buf g = {0}, w = {0};

    if (span_eq(got, want))
        return;
    buf_addsafe(&g, got);
    buf_addsafe(&w, want);
    fail_msg("%s\ngives\n%s\ninstead of\n%s", what, buf_str(&g), buf_str(&w));
}

/* What a lawful receiver makes of the wire: lines with LF, dots unstuffed. */
static void receive(struct span wire, struct buf *out)
{
    for (bool done = false; !done;) {
        const char *end = memmem(wire.p, wire.n, "\r\n", 2);
        assert_non_null(end);
        struct span line = {wire.p, (size_t)(end - wire.p)};
        wire = span_from(wire, line.n + 2);
        done = span_eq(line, SPAN("."));
        if (done)
            break;
        if (line.n > 0 && line.p[0] == '.') {
            assert_true(line.n > 1 && line.p[1] == '.');
            line = span_from(line, 1);
        }
        assert_true(line.n <= TEXT_LINE_MAX);
        assert_int_equal(span_find(line, '\r'), line.n);
        assert_int_equal(span_find(line, '\n'), line.n);
        buf_addspan(out, line);
        buf_addc(out, '\n');
    }
    assert_int_equal(wire.n, 0);
}

/* Converts in several ways that must agree; *out becomes what is received. */
static void received(struct buf *out, struct span in, bool asa, unsigned needs)
{
    static const size_t sizes[] = {1, 2, 3, 7, 64, 1000, 1024, 1025};
    struct buf wire = {0}, other = {0};

    convert(&wire, in, asa, needs, 0, SIZE_MAX);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        if (in.n > 20000 && sizes[i] < 64)
            continue; /* small chunks of long texts take long */
        convert(&other, in, asa, needs, 0, sizes[i]);
        expect_span(BUF_SPAN(&other), BUF_SPAN(&wire), "another chunk size");
    }
    buf_clear(out);
    receive(BUF_SPAN(&wire), out);
    buf_free(&wire);
    buf_free(&other);
}

static void expect_text(const char *in, unsigned needs, const char *want)
{
    struct buf out = {0};

    received(&out, span_of(in), false, needs);
    expect_span(BUF_SPAN(&out), span_of(want), in);
    buf_free(&out);
}

/* As it is. */

static void lines_get_their_ends_and_dots(void **state)
{
    const struct {
        struct span text, wire;
    } cases[] = {
        {SPAN(""), SPAN(".\r\n")},
        {SPAN("\n"), SPAN("\r\n.\r\n")},
        {SPAN("a"), SPAN("a\r\n.\r\n")},
        {SPAN("a\n"), SPAN("a\r\n.\r\n")},
        {SPAN("a\r\n"), SPAN("a\r\n.\r\n")},
        {SPAN("\r\n\r\n"), SPAN("\r\n\r\n.\r\n")},
        {SPAN("."), SPAN("..\r\n.\r\n")},
        {SPAN(".\n"), SPAN("..\r\n.\r\n")},
        {SPAN(".\r\n"), SPAN("..\r\n.\r\n")},
        {SPAN("..\n.a\na.\n"), SPAN("...\r\n..a\r\na.\r\n.\r\n")},
        {SPAN("\n.\n.\n"), SPAN("\r\n..\r\n..\r\n.\r\n")},
        {SPAN("a \t\n \n"), SPAN("a \t\r\n \r\n.\r\n")},
        {SPAN("\xC3\xB6\xFF\n"), SPAN("\xC3\xB6\xFF\r\n.\r\n")},
        {SPAN("a\0b\n"), SPAN("a\0b\r\n.\r\n")},
        /* Nobody asks for these: a bare CR needs encoding. It must not end a line all the same. */
        {SPAN("a\rb\n"), SPAN("a b\r\n.\r\n")},
        {SPAN("a\r\r\n"), SPAN("a \r\n.\r\n")},
        {SPAN("\r.\r\n"), SPAN(" .\r\n.\r\n")},
        {SPAN("a\n\r.\n"), SPAN("a\r\n .\r\n.\r\n")},
        {SPAN("a\r"), SPAN("a\r\n.\r\n")},
        {SPAN("\r"), SPAN(".\r\n")},
        {SPAN("\r\r"), SPAN(" \r\n.\r\n")},
    };
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        convert(&out, cases[i].text, false, TEXT_AS_IS, 0, SIZE_MAX);
        expect_span(BUF_SPAN(&out), cases[i].wire, "a text as it is");
    }
    buf_free(&out);
}

static void facts_are_equal(const struct text_facts *f, const struct text_facts *g)
{
    assert_int_equal(f->octets, g->octets);
    assert_int_equal(f->wire_octets, g->wire_octets);
    assert_int_equal(f->longest, g->longest);
    assert_int_equal(f->eight_bit, g->eight_bit);
    assert_int_equal(f->header_eight_bit, g->header_eight_bit);
    assert_int_equal(f->bare_cr, g->bare_cr);
    assert_int_equal(f->nul, g->nul);
    assert_int_equal(f->body_unfit, g->body_unfit);
    assert_int_equal(f->header_unfit, g->header_unfit);
    assert_int_equal(f->not_utf8, g->not_utf8);
}

static void check_chunkings(struct span text, bool asa, unsigned needs)
{
    struct text_facts facts = scan(text, asa, 0, SIZE_MAX), other;
    struct buf whole = {0}, parts = {0};

    convert(&whole, text, asa, needs, 0, SIZE_MAX);
    for (uint64_t cuts = 1; text.n > 0 && cuts < UINT64_C(1) << (text.n - 1); cuts++) {
        convert(&parts, text, asa, needs, cuts, 0);
        expect_span(BUF_SPAN(&parts), BUF_SPAN(&whole), "another chunking");
        other = scan(text, asa, cuts, 0);
        facts_are_equal(&other, &facts);
    }
    buf_free(&whole);
    buf_free(&parts);
}

static void every_chunking_of_small_texts_is_equal(void **state)
{
    const struct span texts[] = {
        SPAN(""),
        SPAN("a\r\n.\r\n"),
        SPAN("\r\r\n\n\r."),
        SPAN("a:\n\n\xC3\xB6\n"),
        SPAN(" a:b\n \n+c"),
        SPAN("\n.\r\n.\n"),
        SPAN("a: \xC3\r\n b"),
        SPAN("+\r\n\r\r\n0\r"),
        SPAN("\n\xF0\x9F\x98\x80="),
        SPAN("\n\0.\n=\n"),
        SPAN(" \n1a\n+b\n-"),
        SPAN("\n \t\r\n.\r"),
    };
    static const unsigned needs[] = {TEXT_AS_IS, TEXT_ENCODE_BODY, TEXT_ENCODE_HEADER, BOTH};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t k = 0; k < COUNT(needs); k++) {
            check_chunkings(texts[i], false, needs[k]);
            check_chunkings(texts[i], true, needs[k]);
        }
}

/* ASA. */

static void every_control_has_its_effect(void **state)
{
    static const struct {
        char control;
        const char *effect;
    } known[] = {{' ', "\n"}, {'0', "\n\n"}, {'-', "\n\n\n"}, {'1', "\n\f"}, {'+', "\r"}};

    (void)state;
    for (int c = 0; c < 256; c++) {
        struct buf text = {0}, want = {0}, out = {0};
        const char *effect = "\n";
        if (c == '\n')
            continue;
        for (size_t i = 0; i < COUNT(known); i++)
            if (known[i].control == (char)c)
                effect = known[i].effect;
        buf_adds(&text, " A: b\n \n first\n");
        buf_addc(&text, (char)c);
        buf_adds(&text, "second\n third\n");
        buf_printf(&want, "A: b\n\nfirst%ssecond\nthird\n", effect);
        /* Quoted-printable shows the bare CR; the form feed is a control. */
        unsigned needs = c == '+' || c == '1' ? TEXT_ENCODE_BODY : TEXT_AS_IS;
        received(&out, BUF_SPAN(&text), true, needs);
        if (needs != TEXT_AS_IS) {
            buf_clear(&want);
            buf_printf(&want,
                       "A: b\nMIME-Version: 1.0\nContent-Type: text/plain; charset=US-ASCII\n"
                       "Content-Transfer-Encoding: quoted-printable\n\nfirst%ssecond\nthird\n",
                       c == '+' ? "=0D" : "\n=0C");
        }
        expect_span(BUF_SPAN(&out), BUF_SPAN(&want), buf_str(&text));
        assert_int_equal(scan(BUF_SPAN(&text), true, 0, SIZE_MAX).bare_cr, c == '+');
        buf_free(&text);
        buf_free(&want);
        buf_free(&out);
    }
}

static void controls_know_their_place(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"\n", "\n"},
        {" \n", "\n"},
        {" ", "\n"},
        {" a", "a\n"},
        {"1a\n", "a\n"},
        {"0a: b\n-c: d\n+e: f\n1g: h\n\n i\n", "a: b\nc: d\ne: f\ng: h\n\ni\n"},
        {" a: b\n0\n c\n", "a: b\n\nc\n"}, /* an empty record ends the header */
        {" a: b\n \n1c\n1d\n", "a: b\n\nc\n\fd\n"},
        {" a: b\n \n+c\n", "a: b\n\nc\n"},
        {" a: b\n \n0c\n", "a: b\n\n\nc\n"},
        {" a: b\n \n-c\n-\n", "a: b\n\n\n\nc\n\n\n\n"},
        {" a: b\n \n\n\n c\n", "a: b\n\n\n\nc\n"},
        {" a: b\r\n\r\n c\r\n0d\r\n", "a: b\n\nc\n\nd\n"},
        {" \n \n1\n0x\n", "\n\n\f\n\nx\n"},
        {" \n.\n .\n", "\n\n.\n"}, /* the first dot is a control */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        struct span text = span_of(cases[i].text);
        received(&out, text, true, TEXT_AS_IS);
        expect_span(BUF_SPAN(&out), span_of(cases[i].want), cases[i].text);
        bool first = true;
        buf_clear(&out);
        assert_true(text_effectors(text, &out, &first));
        /* A line that is not ended stays so in a quotation. */
        if (text.n > 0 && text.p[text.n - 1] != '\n')
            buf_addc(&out, '\n');
        expect_span(BUF_SPAN(&out), span_of(cases[i].want), cases[i].text);
        buf_free(&out);
    }
}

static void quotations_may_be_made_in_parts(void **state)
{
    static const char *const parts[] = {"1a: b\n", "0c: d\n \n", "0first\n+over", "\n",
                                        "1page\n\n"};
    static const bool in_header[] = {true, false, false, false, false};
    struct buf out = {0};
    bool first = true;

    (void)state;
    for (size_t i = 0; i < COUNT(parts); i++) {
        assert_true(text_effectors(span_of(parts[i]), &out, &first));
        assert_int_equal(first, in_header[i]);
    }
    expect_span(BUF_SPAN(&out), SPAN("a: b\nc: d\n\n\nfirst\nover\n\fpage\n\n"), "parts");
    out.failed = true;
    assert_false(text_effectors(SPAN(" a\n"), &out, &first));
    buf_free(&out);
}

/* The first look. */

enum { EIGHT = 1, HEADER_EIGHT = 2, CR = 4, NUL = 8, BODY = 16, HEADER = 32, LATIN = 64 };

static unsigned flags_of(const struct text_facts *f)
{
    return (f->eight_bit ? EIGHT : 0u) | (f->header_eight_bit ? HEADER_EIGHT : 0u) |
           (f->bare_cr ? CR : 0u) | (f->nul ? NUL : 0u) | (f->body_unfit ? BODY : 0u) |
           (f->header_unfit ? HEADER : 0u) | (f->not_utf8 ? LATIN : 0u);
}

static void facts_are_found(void **state)
{
    const struct {
        struct span text;
        unsigned flags;
        size_t longest, wire;
    } cases[] = {
        {SPAN(""), 0, 0, 0},
        {SPAN("\n"), 0, 0, 2},
        {SPAN("abc"), 0, 3, 5},
        {SPAN("abc\r\nd\n"), 0, 3, 8},
        {SPAN("a: b\n\n\xC3\xB6\n"), EIGHT, 4, 12},
        {SPAN("a: \xC3\xB6\n\nb\n"), HEADER_EIGHT, 5, 12},
        {SPAN("a: b\n \xC3\xB6\n\nb\n"), HEADER_EIGHT, 4, 16},
        {SPAN("\xC3\xB6: b\n"), EIGHT, 5, 7}, /* no field: the header is over */
        {SPAN(" a\xC3\xB6\n"), EIGHT, 4, 6},
        {SPAN("a: b\nc\xC3\xB6\n"), EIGHT, 4, 11},
        {SPAN("a: b\nc \xC3\xB6: d\n"), EIGHT, 7, 15},
        {SPAN(":\xC3\xB6\n"), EIGHT, 3, 5},
        {SPAN("\n\xF6\n"), EIGHT | LATIN, 1, 5},
        {SPAN("\n\xC3\n\xB6\n"), EIGHT | LATIN, 1, 8},
        {SPAN("\n\xC3"), EIGHT | LATIN, 1, 5},
        {SPAN("a: \xF6\n"), HEADER_EIGHT | HEADER, 4, 6}, /* fit for no peer */
        {SPAN("a: b\rc\n"), CR | HEADER, 6, 8},
        {SPAN("a: b\n\r\r\nb\n"), CR | BODY, 4, 12}, /* a CR alone is no empty line */
        {SPAN("\na\rb\n"), CR | BODY, 3, 7},
        {SPAN("\na\r\r\n"), CR | BODY, 2, 6},
        {SPAN("\na\r"), 0, 1, 5},
        {SPAN("\r"), 0, 0, 0},
        {SPAN("a: \0\n"), NUL | HEADER, 4, 6},
        {SPAN("\na\0\n"), NUL | BODY, 2, 6},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct text_facts f = scan(cases[i].text, false, 0, SIZE_MAX);
        if (flags_of(&f) != cases[i].flags)
            fail_msg("case %zu: %u instead of %u", i, flags_of(&f), cases[i].flags);
        assert_int_equal(f.octets, cases[i].text.n);
        assert_int_equal(f.longest, cases[i].longest);
        assert_int_equal(f.wire_octets, cases[i].wire);
        for (size_t size = 1; size < 9; size++) {
            struct text_facts g = scan(cases[i].text, false, 0, size);
            facts_are_equal(&g, &f);
        }
    }
}

static void asa_facts_are_of_the_result(void **state)
{
    static const struct {
        const char *text;
        unsigned flags;
        size_t wire;
    } cases[] = {
        {" a: b\n \n c\n", 0, 11},
        {" a: b\n \n-c\n", 0, 15},
        {" a: b\n \n c\n+d\n", CR | BODY, 13},
        {"+a: b\n+c: d\n", 0, 12},
        {"\xC3\xB6: b\n \n \xC3\xB6\n", EIGHT | LATIN, 12}, /* half a character is control */
        {" a: \xC3\xB6\n", HEADER_EIGHT, 7},
        {" a: b\n \n c\r", 0, 11},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct text_facts f = scan(span_of(cases[i].text), true, 0, SIZE_MAX);
        if (flags_of(&f) != cases[i].flags)
            fail_msg("%s: %u instead of %u", cases[i].text, flags_of(&f), cases[i].flags);
        assert_int_equal(f.wire_octets, cases[i].wire);
    }
}

static void long_lines_are_found_where_they_stand(void **state)
{
    static const struct {
        const char *before;
        size_t octets;
        unsigned flags;
    } cases[] = {
        {"\n", 998, 0},
        {"\n", 999, BODY},
        {"a: ", 995, 0},
        {"a: ", 996, HEADER},
        {"a: b\n ", 998, HEADER},
        {"", 999, BODY},
        {"a: b\n\na: ", 996, BODY},
        {"\n", 5000, BODY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        buf_adds(&text, cases[i].before);
        buf_fill(&text, 'x', cases[i].octets);
        for (size_t size = 1; size < 2000; size += 333) {
            struct text_facts f = scan(BUF_SPAN(&text), false, 0, size);
            assert_int_equal(flags_of(&f), cases[i].flags);
        }
        buf_free(&text);
    }
    /* A name too long for a line is no name. */
    for (size_t n = FIELD_NAME_MAX - 1; n <= FIELD_NAME_MAX; n++) {
        struct buf text = {0};
        buf_fill(&text, 'x', n);
        buf_adds(&text, ":\xC3\xB6\n");
        struct text_facts f = scan(BUF_SPAN(&text), false, 0, 100);
        assert_int_equal(flags_of(&f), n < FIELD_NAME_MAX ? HEADER_EIGHT : EIGHT);
        assert_int_equal(field_begins(BUF_SPAN(&text)), n < FIELD_NAME_MAX);
        buf_free(&text);
    }
}

/* All pairs, and all that begins with a first octet of three or four, against the library. */
static void utf8_is_judged_as_by_the_library(void **state)
{
    static const unsigned char edges[] = {0x00, 0x0A, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                          0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
                                          0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    char text[6] = {'\n'};

    (void)state;
    for (size_t n = 0; n < COUNT(edges) * COUNT(edges) * COUNT(edges) * COUNT(edges); n++) {
        for (size_t i = 0, rest = n; i < 4; i++, rest /= COUNT(edges))
            text[i + 1] = (char)edges[rest % COUNT(edges)];
        struct span s = {text, 5};
        struct text_facts f;
        text_scan_begin(&f, false);
        text_scan(&f, s);
        text_scan_end(&f);
        if (f.not_utf8 == utf8_valid(s, NULL))
            fail_msg("%02X %02X %02X %02X: %d", text[1] & 255, text[2] & 255, text[3] & 255,
                     text[4] & 255, f.not_utf8);
    }
}

static void needs_follow_from_facts_and_peer(void **state)
{
    static const struct {
        struct text_facts f;
        unsigned none, mime, utf8, both;
    } cases[] = {
        {{.octets = 1}, 0, 0, 0, 0},
        {{.eight_bit = true},
         TEXT_ENCODE_BODY | TEXT_EIGHT_BIT,
         0,
         TEXT_ENCODE_BODY | TEXT_EIGHT_BIT,
         0},
        {{.header_eight_bit = true}, TEXT_ENCODE_HEADER, TEXT_ENCODE_HEADER, 0, 0},
        {{.body_unfit = true}, 1, 1, 1, 1},
        {{.header_unfit = true}, 2, 2, 2, 2},
        {{.body_unfit = true, .header_unfit = true, .eight_bit = true, .not_utf8 = true},
         15,
         15,
         15,
         15},
        {{.eight_bit = true, .not_utf8 = true, .header_eight_bit = true}, 15, 14, 13, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(text_needs(&cases[i].f, false, false), cases[i].none);
        assert_int_equal(text_needs(&cases[i].f, true, false), cases[i].mime);
        assert_int_equal(text_needs(&cases[i].f, false, true), cases[i].utf8);
        assert_int_equal(text_needs(&cases[i].f, true, true), cases[i].both);
    }
}

/* Quoted-printable. */

#define TEXT_HEADER                                                                                \
    "MIME-Version: 1.0\nContent-Type: text/plain; charset=US-ASCII\n"                              \
    "Content-Transfer-Encoding: quoted-printable\n\n"
#define LEAF(body) "\n" body, TEXT_HEADER body

static void lines_become_quoted_printable(void **state)
{
    static const struct {
        const char *body, *want;
    } cases[] = {
        {"", ""},
        {"a", "a\n"},
        {"a=b\n", "a=3Db\n"},
        {"\xC3\xB6\n", "=C3=B6\n"},
        {"a\rb\n", "a=0Db\n"},
        {"a\r\r\n", "a=0D\n"},
        {"a \n", "a=20\n"},
        {"a\t\n", "a=09\n"},
        {"a  \n", "a =20\n"},
        {" \n", "=20\n"},
        {" a \tb\n", " a \tb\n"},
        {"a\x01\x7F\x0C\x1B\n", "a=01=7F=0C=1B\n"},
        {".\n..\n.a\n", "=2E\n..\n.a\n"},
        {"From x\nFrom\n From x\nfrom x\n>From x\n", "=46rom x\nFrom\n From x\nfrom x\n>From x\n"},
        {"--\n-- \n", "--\n--=20\n"},
        {X70 "12345\n", X70 "12345\n"},
        {X70 "123456\n", X70 "12345=\n6\n"},
        {X70 "1234=\n", X70 "1234=\n=3D\n"},
        {X70 "12=\n", X70 "12=3D\n"},
        {X70 "12345-b\n", X70 "12345=\n=2Db\n"},
        {X70 "12345.\n", X70 "12345=\n=2E\n"},
        {X70 "12345From x\n", X70 "12345=\n=46rom x\n"},
        {X70 "1234 \n", X70 "1234=\n=20\n"},
        {X70 "12345 x\n", X70 "12345=\n x\n"},
    };
    struct buf in = {0}, want = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_clear(&in);
        buf_clear(&want);
        buf_printf(&in, "\n%s", cases[i].body);
        buf_printf(&want, TEXT_HEADER "%s", cases[i].want);
        expect_text(buf_str(&in), BOTH, buf_str(&want));
    }
    buf_free(&in);
    buf_free(&want);
}

static int hex_digit(char c)
{
    const char *digits = "0123456789ABCDEF", *at = strchr(digits, c);

    assert_true(c != '\0' && at != NULL);
    return (int)(at - digits);
}

/* An independent reader of RFC 2045 6.7; every line is checked. */
static void decode_quoted(struct span text, struct buf *out)
{
    struct span line;

    while (span_line(&text, &line)) {
        assert_true(line.n <= 76);
        assert_true(line.n == 0 || (line.p[line.n - 1] != ' ' && line.p[line.n - 1] != '\t'));
        for (; line.n > 0; line = span_from(line, 1)) {
            unsigned char c = (unsigned char)line.p[0];
            if (c != '=') {
                assert_true(c == '\t' || (c >= 32 && c < 127));
                buf_addc(out, (char)c);
            } else if (line.n == 1) {
                break;
            } else {
                assert_true(line.n >= 3);
                buf_addc(out, (char)(hex_digit(line.p[1]) << 4 | hex_digit(line.p[2])));
                line = span_from(line, 2);
            }
        }
        if (line.n == 0)
            buf_addc(out, '\n');
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void bodies_come_back(void **state)
{
    static const char *const pieces[] = {"a",     " ",       "\t",    "=",        "\n",   ".",
                                         "\n.\n", "\nFrom ", "-",     "\xC3\xB6", "\xFF", "\r.",
                                         "=3D",   "\n--",    X70 X10, "12345",    "\x01", "=\n"};
    uint32_t seed = 2045;
    struct buf in = {0}, out = {0}, back = {0};

    (void)state;
    for (int round = 0; round < 300; round++) {
        buf_clear(&in);
        buf_clear(&back);
        buf_addc(&in, '\n');
        for (uint32_t n = next_random(&seed) % 200; n > 0; n--)
            buf_adds(&in, pieces[next_random(&seed) % COUNT(pieces)]);
        buf_addc(&in, '\n');
        received(&out, BUF_SPAN(&in), false, BOTH);
        struct span text = BUF_SPAN(&out);
        const char *body = memmem(text.p, text.n, "\n\n", 2);
        assert_non_null(body);
        text = span_from(text, (size_t)(body - text.p) + 2);
        decode_quoted(text, &back);
        expect_span(BUF_SPAN(&back), span_from(BUF_SPAN(&in), 1), "a body");
    }
    buf_free(&in);
    buf_free(&out);
    buf_free(&back);
}

/* Headers of encoded texts. */

static void mime_fields_are_added(void **state)
{
    static const struct {
        unsigned needs;
        const char *in, *want;
    } cases[] = {
        {BOTH, "a: b\n\nc", "a: b\n" TEXT_HEADER "c\n"},
        {BOTH | TEXT_EIGHT_BIT, "\nc",
         "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"
         "Content-Transfer-Encoding: quoted-printable\n\nc\n"},
        {BOTH | TEXT_EIGHT_BIT | TEXT_NOT_UTF8, "\nc",
         "MIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n"
         "Content-Transfer-Encoding: quoted-printable\n\nc\n"},
        {BOTH, "mime-version: 2.0\n\nc",
         "mime-version: 2.0\nContent-Type: text/plain; charset=US-ASCII\n"
         "Content-Transfer-Encoding: quoted-printable\n\nc\n"},
        {BOTH, "Content-Type: x/y;\n\tz=1 \n\nc",
         "Content-Type: x/y;\n\tz=1 \nMIME-Version: 1.0\nContent-Transfer-Encoding: "
         "quoted-printable\n\nc\n"},
        {BOTH, "content-TRANSFER-encoding:\n (a) 8BIT (b)\nd: e\n\nc", "d: e\n" TEXT_HEADER "c\n"},
        /* The first one counts, as it does for readers. */
        {BOTH, "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 8bit\n\nYQ==",
         "Content-Transfer-Encoding: base64\nMIME-Version: 1.0\n\nYQ==\n"},
        {BOTH, "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\nYQ==",
         TEXT_HEADER "YQ=3D=3D\n"},
        /* Only the header is to be encoded. */
        {TEXT_ENCODE_HEADER, "Content-Transfer-Encoding: 8bit\n\n=\xC3\xB6\n.",
         "Content-Transfer-Encoding: 8bit\n\n=\xC3\xB6\n.\n"},
        /* A header that ends without an empty line gets one. */
        {BOTH, "a: b\nno field\n c\n", "a: b\n" TEXT_HEADER "no field\n c\n"},
        {BOTH, " a: b\n", TEXT_HEADER " a: b\n"},
        {TEXT_ENCODE_HEADER, "a: b\nno field\n", "a: b\n\nno field\n"},
        /* Nothing but a header. */
        {BOTH, "", ""},
        {BOTH, "a: b",
         "a: b\nMIME-Version: 1.0\nContent-Type: text/plain; charset=US-ASCII\n"
         "Content-Transfer-Encoding: quoted-printable\n"},
        {TEXT_ENCODE_HEADER, "a: b", "a: b\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_text(cases[i].in, cases[i].needs, cases[i].want);
}

#define MIXED "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
#define QP "Content-Transfer-Encoding: quoted-printable\n"

static void parts_are_encoded_one_by_one(void **state)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        {MIXED "Content-Transfer-Encoding: 8bit\n\npre=\xC3\xB6\n--b\n\n=\n--b \t\nA: "
               "\xC3\xB6\n\n.\n--b--\nend=\n",
         MIXED "Content-Transfer-Encoding: 7bit\n\npre=??\n--b\n" QP
               "\n=3D\n--b \t\nA: =?UTF-8?Q?=C3=B6?=\n" QP "\n=2E\n--b--\nend=\n"},
        /* No delimiters: */
        {MIXED "\n--b\n\n--bb\n --b\n--B\n-- b\n--b-\n--b--x\n--b\n",
         MIXED "\n--b\n" QP "\n--bb\n --b\n--B\n-- b\n--b-\n--b--x\n--b\n"},
        /* Encoded ones are left alone. */
        {MIXED "\n--b\nContent-Transfer-Encoding: BASE64\n\nYQ==\n--b\nContent-Transfer-Encoding: "
               "Quoted-Printable\n\n=C3=B6 \n.\n--b--\n",
         MIXED "\n--b\nContent-Transfer-Encoding: BASE64\n\nYQ==\n--b\nContent-Transfer-Encoding: "
               "Quoted-Printable\n\n=C3=B6 \n.\n--b--\n"},
        {MIXED "\n--b\nContent-Transfer-Encoding: x-uue\n\nM=\xC3 \n--b--\n",
         MIXED "\n--b\nContent-Transfer-Encoding: x-uue\n\nM=? \n--b--\n"},
        {MIXED "\n--b\nContent-Transfer-Encoding: quoted-printable\n\n=C3\xB6\r.\n--b--\n",
         MIXED "\n--b\nContent-Transfer-Encoding: quoted-printable\n\n=C3=B6=0D.\n--b--\n"},
        /* A message within, with a header of its own. */
        {MIXED "\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: binary\n\nS: "
               "\xC3\xB6\n\n=\n--b--\n",
         MIXED "\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nS: "
               "=?UTF-8?Q?=C3=B6?=\n" TEXT_HEADER "=3D\n--b--\n"},
        {MIXED
         "\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nYQ==\n--b--\n",
         MIXED
         "\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nYQ==\n--b--\n"},
        /* A digest's parts are messages. */
        {"MIME-Version: 1.0\nContent-Type: multipart/Digest; boundary=b\n\n--b\n\nS: "
         "x\n\n=\n--b\nContent-Type: a/b\n\n=\n",
         "MIME-Version: 1.0\nContent-Type: multipart/Digest; boundary=b\n\n--b\n\nS: "
         "x\n" TEXT_HEADER "=3D\n--b\nContent-Type: a/b\n" QP "\n=3D\n"},
        /* Reports are fields. */
        {MIXED "\n--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: "
               "8bit\n\nA: \xC3\xB6 =\n b\n\n"
               "C: d\nno field \xC3\xB6\n--b--\n",
         MIXED "\n--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: "
               "7bit\n\nA: =?UTF-8?Q?=C3=B6?= "
               "=\n b\n\nC: d\nno field =?UTF-8?Q?=C3=B6?=\n--b--\n"},
        /* An outer delimiter ends what is within, headers too. */
        {MIXED "\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\nA: b\n--b\n\n=\n--c\n--b--\n",
         MIXED "\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\nA: b\n" QP "--b\n" QP
               "\n=3D\n--c\n--b--\n"},
        {MIXED "\n--b\n--b\n\n--b--\n--b\n\n=\n", MIXED "\n--b\n--b\n" QP "\n--b--\n--b\n\n=\n"},
        {MIXED "\n--b\nContent-Type: message/rfc822\n\n--b--\n",
         MIXED "\n--b\nContent-Type: message/rfc822\n\n--b--\n"},
        /* A multipart that says it is encoded is none the less one. */
        {MIXED "Content-Transfer-Encoding: base64\n\n--b\n\n=\n--b--\n",
         MIXED "Content-Transfer-Encoding: base64\n\n--b\n" QP "\n=3D\n--b--\n"},
        /* Without a boundary it is a leaf. */
        {"MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n--b\n=\n",
         "MIME-Version: 1.0\nContent-Type: multipart/mixed\n" QP "\n--b\n=3D\n"},
        /* A delimiter that looks like a field. */
        {"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b:c\"\n\n--b:c\nA: "
         "b\n--b:c--\n=\n",
         "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b:c\"\n\n--b:c\nA: b\n" QP
         "--b:c--\n=\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_text(cases[i].in, BOTH, cases[i].want);
}

static void boundaries_are_read(void **state)
{
    static const struct {
        const char *body, *boundary; /* NULL: a leaf */
    } cases[] = {
        {" multipart/mixed; boundary=b", "b"},
        {"MULTIPART/X;BOUNDARY=b;c=d", "b"},
        {" multipart/mixed; a=\"x;boundary=y\"; boundary = \"b c\" ", "b c"},
        {" (x) multipart (y) / (z) mixed ; (a \\) (b)) boundary (c) = (d) b (e)", "b"},
        {" multipart/mixed;\n\tboundary=\"a\n b\\\"c\\\\\"", "a b\"c\\"},
        {" multipart/mixed; boundary=\"b  \"", "b"},
        {" multipart/mixed; boundary=b; boundary=c", "b"},
        {" multipart/mixed boundary=x; boundary=b", "b"},
        {" multipart/mixed; boundary=a=b:c", "a=b:c"},
        {" multipart/mixed; boundary=\"b", "b"},
        {" multipart/mixed; ; x; boundary=b", "b"},
        {" multipart/mixed; boundary=\"\"", NULL},
        {" multipart/mixed; boundary=\" \"", NULL},
        {" multipart/mixed; boundary=\xC3\xB6", NULL},
        {" multipart/mixed; boundary=\"a\tb\"", NULL},
        {" multipart/mixed; boundary=b\x7F", NULL},
        {" multipart/mixed; xboundary=b", NULL},
        {" multipart/mixed; boundary", NULL},
        {" multipart; boundary=b", NULL},
        {" text/plain; boundary=b", NULL},
        {" multipartx/mixed; boundary=b", NULL},
        {"", NULL},
        {" (", NULL},
        {" /", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct content c;
        content_read(&c, span_of(cases[i].body));
        assert_int_equal(c.kind, cases[i].boundary ? CONTENT_MULTIPART : CONTENT_LEAF);
        if (cases[i].boundary != NULL)
            expect_span((struct span){c.boundary.octets, c.boundary.n}, span_of(cases[i].boundary),
                        cases[i].body);
    }
    for (size_t n = BOUNDARY_MAX; n <= BOUNDARY_MAX + 1; n++) {
        struct content c;
        struct buf body = {0};
        buf_adds(&body, " multipart/mixed; boundary=");
        buf_fill(&body, 'x', n);
        content_read(&c, BUF_SPAN(&body));
        assert_int_equal(c.kind, n <= BOUNDARY_MAX ? CONTENT_MULTIPART : CONTENT_LEAF);
        buf_free(&body);
    }
}

static void types_and_encodings_are_read(void **state)
{
    static const struct {
        const char *body;
        enum content_kind kind;
    } types[] = {
        {" message/rfc822", CONTENT_MESSAGE},
        {" Message/RFC822; x=y", CONTENT_MESSAGE},
        {" message/global", CONTENT_MESSAGE},
        {" message/rfc822x", CONTENT_FIELDS},
        {" message/partial; id=x", CONTENT_FIELDS},
        {" message", CONTENT_LEAF},
        {" text/rfc822", CONTENT_LEAF},
    };
    static const struct {
        const char *body;
        enum content_encoding encoding;
    } encodings[] = {
        {"", ENCODING_IDENTITY},
        {" 7bit", ENCODING_IDENTITY},
        {" 8BIT ", ENCODING_IDENTITY},
        {" (x)\n binary(y)", ENCODING_IDENTITY},
        {" 8bit; x", ENCODING_IDENTITY},
        {" base64", ENCODING_OTHER},
        {" Quoted-Printable\n ", ENCODING_QUOTED},
        {" 8-bit", ENCODING_OTHER},
        {" quoted-printablex", ENCODING_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(types); i++) {
        struct content c;
        content_read(&c, span_of(types[i].body));
        assert_int_equal(c.kind, types[i].kind);
    }
    for (size_t i = 0; i < COUNT(encodings); i++)
        assert_int_equal(content_encoding(span_of(encodings[i].body)), encodings[i].encoding);
}

/* Multiparts within each other: 16 are followed, what is deeper is one leaf. */
static void depth_is_bounded(void **state)
{
    (void)state;
    for (int depth = 15; depth <= 18; depth++) {
        struct buf in = {0}, want = {0}, out = {0};
        buf_adds(&in, "MIME-Version: 1.0\n");
        buf_adds(&want, "MIME-Version: 1.0\n");
        for (int i = 1; i <= depth; i++) {
            const char *before = i > 1 ? "\n" : "";
            buf_printf(&in, "Content-Type: multipart/x; boundary=b%02d\n%s\n--b%02d\n", i, before,
                       i);
            buf_printf(&want, "Content-Type: multipart/x; boundary%sb%02d\n%s%s\n--b%02d\n",
                       i > 17 ? "=3D" : "=", i, i == 17 ? QP : "", before, i);
        }
        buf_adds(&in, "\n=\n");
        buf_printf(&want, "%s\n=3D\n", depth <= 16 ? QP : "");
        for (int i = depth; i >= 1; i--) {
            buf_printf(&in, "--b%02d--\nend=\n", i);
            buf_printf(&want, "--b%02d--\nend=%s\n", i, i > 16 ? "3D" : "");
        }
        received(&out, BUF_SPAN(&in), false, BOTH);
        expect_span(BUF_SPAN(&out), BUF_SPAN(&want), "multiparts");
        buf_free(&in);
        buf_free(&want);
        buf_free(&out);
    }
}

static void nested_messages_cost_nothing(void **state)
{
    struct buf in = {0}, want = {0}, out = {0};

    (void)state;
    for (int i = 0; i < 5000; i++) {
        buf_adds(&in, "Content-Type: message/rfc822\n\n");
        buf_adds(&want, "Content-Type: message/rfc822\nMIME-Version: 1.0\n\n");
    }
    buf_adds(&in, "a: b\n\n=\n");
    buf_adds(&want, "a: b\n" TEXT_HEADER "=3D\n");
    received(&out, BUF_SPAN(&in), false, BOTH);
    expect_span(BUF_SPAN(&out), BUF_SPAN(&want), "messages");
    buf_free(&in);
    buf_free(&want);
    buf_free(&out);
}

static void long_lines_of_encoded_parts_are_cut_where_it_does_no_harm(void **state)
{
    static const struct {
        const char *encoding;
        const char *unit;
        const char *cut; /* what stands at a cut */
    } cases[] = {
        {"base64", "YWJj", "\n"},
        {"quoted-printable", "=C3=B6", "=\n"},
        {"quoted-printable", "a=3Db=C3", "=\n"},
        {"quoted-printable", "a=3D", "=\n"},
        {"quoted-printable", "--=3Db", "=\n"},
        {"base64", "--b--", "\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf in = {0}, out = {0}, line = {0}, back = {0};
        buf_printf(&in, "MIME-Version: 1.0\nContent-Transfer-Encoding: %s\n\n", cases[i].encoding);
        size_t header = in.len;
        while (line.len < 5000)
            buf_adds(&line, cases[i].unit);
        buf_addspan(&in, (struct span){line.data, 998});
        buf_addc(&in, '\n');
        buf_addspan(&in, BUF_SPAN(&line));
        received(&out, BUF_SPAN(&in), false, BOTH);
        struct span rest = span_from(BUF_SPAN(&out), header), one;
        span_line(&rest, &one);
        assert_int_equal(one.n, 998); /* lawful: not touched */
        while (span_line(&rest, &one)) {
            assert_true(back.len == 0 || one.p[0] != '-');
            if (back.len > 0 && one.n > 3 && memcmp(one.p, "=2D", 3) == 0) {
                buf_addc(&back, '-');
                one = span_from(one, 3);
            }
            buf_addspan(&back, one);
            if (rest.n > 0)
                assert_true(one.n >= 982);
            if (rest.n > 0 && cases[i].cut[0] == '=') {
                assert_true(one.p[one.n - 2] != '=' && one.p[one.n - 3] != '=');
                back.len--;
            }
        }
        /* What protects a - at the start of a line is undone. */
        struct buf plain = {0};
        for (size_t k = 0; k < back.len; k++)
            if (back.data[k] != ' ')
                buf_addc(&plain, back.data[k]);
        expect_span(BUF_SPAN(&plain), BUF_SPAN(&line), cases[i].encoding);
        buf_free(&in);
        buf_free(&out);
        buf_free(&line);
        buf_free(&back);
        buf_free(&plain);
    }
}

/* Words of headers. */

static void words_are_encoded(void **state)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"Subject: gr\xC3\xBC\xC3\x9F", "Subject: =?UTF-8?Q?gr=C3=BC=C3=9F?=\n"},
        {"Subject:\xC3\xB6", "Subject: =?UTF-8?Q?=C3=B6?=\n"},
        {"Subject: a \xC3\xB6 b", "Subject: a =?UTF-8?Q?=C3=B6?= b\n"},
        {"Subject: \xC3\xB6 \xC3\xB6", "Subject: =?UTF-8?Q?=C3=B6_=C3=B6?=\n"},
        {"Subject: \xC3\xB6\n \t\xC3\xB6 \n", "Subject: =?UTF-8?Q?=C3=B6_=09=C3=B6?= \n"},
        {"Subject: \xC3\xB6\n a", "Subject: =?UTF-8?Q?=C3=B6?=\n a\n"},
        {"Subject: \xF6 a", "Subject: =?unknown-8bit?Q?=F6?= a\n"},
        {"Subject: \xE6\x97\xA5\xE6\x9C\xAC", "Subject: =?UTF-8?B?5pel5pys?=\n"},
        {"Subject: \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", "Subject: =?UTF-8?B?5pel5pys6Kqe?=\n"},
        {"Subject: \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xC3\xB6",
         "Subject: =?UTF-8?B?5pel5pys6Kqew7Y=?=\n"},
        {"Subject: \xFF\xFE", "Subject: =?unknown-8bit?Q?=FF=FE?=\n"},
        {"Subject: =?x?= \xC3\xB6 =?y?=", "Subject: =?x?= =?UTF-8?Q?=C3=B6?= =?y?=\n"},
        {"Subject: =?a?q?x?= \xC3\xB6 =?a?q?y?=",
         "Subject: =?a?q?x?= =?UTF-8?Q?_=C3=B6_?= =?a?q?y?=\n"},
        {"Subject: \xC3\xB6_?=<a@b>\"", "Subject: =?UTF-8?Q?=C3=B6=5F=3F=3D=3Ca=40b=3E=22?=\n"},
        {"Subject: a\rb \xC3\xB6", "Subject: a b =?UTF-8?Q?=C3=B6?=\n"},
        {"Subject: \xC3\xB6\r\xC3\xB6", "Subject: =?UTF-8?Q?=C3=B6_=C3=B6?=\n"},
        {"Subject: a\rb\n c", "Subject: a b\n c\n"},
        {"To: J\xC3\xB6 <a@b>", "To: =?UTF-8?Q?J=C3=B6?= <a@b>\n"},
        {"To: J\xC3\xB6<a@b>,\xC3\xB6<c@d>",
         "To: =?UTF-8?Q?J=C3=B6?= <a@b>, =?UTF-8?Q?=C3=B6?= <c@d>\n"},
        {"To: \"a, \\\"\xC3\xB6\" <a@b>", "To: =?UTF-8?Q?a=2C_=22=C3=B6?= <a@b>\n"},
        {"To: \"a, b\" \xC3\xB6 <a@b>", "To: \"a, b\" =?UTF-8?Q?=C3=B6?= <a@b>\n"},
        {"To: <a@b> (x \xC3\xB6, \"y)", "To: <a@b> (x =?UTF-8?B?w7Ys?= \"y)\n"},
        {"To: <\"a b\"@c>, \xC3\xB6 <\"d>\"@e>",
         "To: <\"a b\"@c>, =?UTF-8?Q?=C3=B6?= <\"d>\"@e>\n"},
        {"To: <\xC3\xB6@b>", "To: =?UTF-8?Q?=3C=C3=B6=40b=3E?=\n"}, /* 7 bit before all */
        {"To: \xC3\xB6: a@b;", "To: =?UTF-8?Q?=C3=B6?= : a@b;\n"},
        {"To: \"\xC3\xB6", "To: =?UTF-8?B?IsO2?=\n"},
        {"To: <\xC3\xB6", "To: =?UTF-8?B?PMO2?=\n"},
        {"Content-Type: a/b; c=\"\xC3\xB6\"; d=e", "Content-Type: a/b;\n c*=UTF-8''%C3%B6; d=e\n"},
        {"Content-Type: a/b; c = \"\xC3\xB6 1\" ; d=e",
         "Content-Type: a/b;\n c*=UTF-8''%C3%B6%201; d=e\n"},
        {"Content-Type: a/b; c=\"\xC3\xB6" X70 "\"; d",
         "Content-Type: a/b;\n c*0*=UTF-8''%C3%B6" X10 X10 X10 X10 X10 "xxxx;\n c*1*=" X10
         "xxxxxx; d\n"},
        {"Content-Type: a/b; c=\xC3\xB6 ", "Content-Type: a/b;\n c*=UTF-8''%C3%B6\n"},
        {"Content-Type: a/b; c=\xF6", "Content-Type: a/b;\n c*=unknown-8bit''%F6\n"},
        {"Content-Type: a/b (\xC3\xB6); c=d", "Content-Type: a/b =?UTF-8?Q?=28=C3=B6=29?=; c=d\n"},
        {"Content-Type: a/b; c=d (\xC3\xB6)", "Content-Type: a/b; c=d =?UTF-8?Q?=28=C3=B6=29?=\n"},
        {"Content-Type: a/b; c*=\xC3\xB6", "Content-Type: a/b; =?UTF-8?Q?c*=3D=C3=B6?=\n"},
        {"Content-Type: a/b; \xC3\xB6=c", "Content-Type: a/b; =?UTF-8?Q?=C3=B6=3Dc?=\n"},
        {"Content-Type: a/b; c=\"\xC3\xB6;", "Content-Type: a/b; =?UTF-8?Q?c=3D=22=C3=B6=3B?=\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_text(cases[i].in, TEXT_ENCODE_HEADER, cases[i].want);
}

static void nul_in_a_header_becomes_a_blank(void **state)
{
    struct buf out = {0};

    (void)state;
    received(&out, SPAN("A: b\0c\n\0\n\nd\n"), false, TEXT_ENCODE_HEADER);
    expect_span(BUF_SPAN(&out), SPAN("A: b c\n\n\0\n\nd\n"), "NUL");
    buf_free(&out);
}

/* Reads encoded words back, Q and B; blanks between two are dropped. Lines and words are checked.
 */
static void decode_words(struct span text, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bool after_word = false;

    while (text.n > 0) {
        size_t white = 0, n;
        while (white < text.n && strchr(" \n", text.p[white]) != NULL)
            white++;
        for (n = white; n < text.n && strchr(" \n", text.p[n]) == NULL;)
            n++;
        struct span word = {text.p + white, n - white};
        bool q = span_starts_nocase(word, SPAN("=?UTF-8?Q?"));
        bool coded = q || span_starts_nocase(word, SPAN("=?UTF-8?B?"));
        for (size_t i = 0; i < white && !(coded && after_word); i++)
            if (text.p[i] != '\n')
                buf_addc(out, text.p[i]);
        text = span_from(text, n);
        after_word = coded;
        if (!coded) {
            buf_addspan(out, word);
            continue;
        }
        assert_true(word.n <= 75 && span_eq(span_from(word, word.n - 2), SPAN("?=")));
        size_t before = out->len;
        uint32_t bits = 0, count = 0;
        for (size_t i = 10; i < word.n - 2; i++) {
            if (q && word.p[i] == '=') {
                buf_addc(out, (char)(hex_digit(word.p[i + 1]) << 4 | hex_digit(word.p[i + 2])));
                i += 2;
            } else if (q) {
                buf_addc(out, word.p[i] == '_' ? ' ' : word.p[i]);
            } else if (word.p[i] != '=') {
                bits = bits << 6 | (uint32_t)(strchr(digits, word.p[i]) - digits);
                count += 6;
                if (count >= 8)
                    buf_addc(out, (char)(bits >> (count -= 8)));
            }
        }
        assert_true(utf8_valid((struct span){out->data + before, out->len - before}, NULL));
    }
}

static void words_come_back(void **state)
{
    static const char *const pieces[] = {"a",
                                         "bc",
                                         " ",
                                         "  ",
                                         "\xC3\xB6",
                                         "\xE6\x97\xA5",
                                         "\xF0\x9F\x98\x80",
                                         "_",
                                         "?",
                                         "=",
                                         X10,
                                         "\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6 "};
    uint32_t seed = 2047;
    struct buf in = {0}, out = {0}, back = {0};

    (void)state;
    for (int round = 0; round < 500; round++) {
        buf_clear(&in);
        buf_clear(&back);
        buf_adds(&in, "Subject: x");
        for (uint32_t n = next_random(&seed) % 100; n > 0; n--)
            buf_adds(&in, pieces[next_random(&seed) % COUNT(pieces)]);
        buf_addc(&in, 'x');
        received(&out, BUF_SPAN(&in), false, TEXT_ENCODE_HEADER);
        out.len--;
        struct span rest = BUF_SPAN(&out), line;
        while (span_line(&rest, &line))
            if (memmem(line.p, line.n, "?= ", 3) != NULL ||
                memmem(line.p, line.n, " =?", 3) != NULL)
                assert_true(line.n <= 76 || memchr(line.p, 'x', line.n) != NULL);
        decode_words(BUF_SPAN(&out), &back);
        expect_span(BUF_SPAN(&back), BUF_SPAN(&in), "a subject");
    }
    buf_free(&in);
    buf_free(&out);
    buf_free(&back);
}

static void long_header_lines_are_folded(void **state)
{
    static const struct {
        const char *unit;
        size_t times;
        bool whole; /* blanks are enough */
    } cases[] = {
        {"x", 995, true},     {"x", 996, false},         {"x", 10000, false},
        {"word ", 500, true}, {"x\t", 3000, true},       {"y" X70 " ", 20000, true},
        {"x", 300000, false}, {"\xC3\xB6", 3000, false}, {"<a@b.c>,\n ", 30000, true},
        {"a  ", 400, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf in = {0}, out = {0}, a = {0}, b = {0};
        buf_adds(&in, "A: ");
        for (size_t k = 0; k < cases[i].times; k++)
            buf_adds(&in, cases[i].unit);
        buf_adds(&in, ".\nB: c\n\nd\n");
        received(&out, BUF_SPAN(&in), false, TEXT_ENCODE_BODY | TEXT_NOT_UTF8); /* 8 bit may stay */
        for (size_t k = 0; k < in.len; k++)
            if (in.data[k] != '\n' && (cases[i].whole || in.data[k] != ' '))
                buf_addc(&a, in.data[k]);
        for (size_t k = 0; k < out.len; k++) {
            /* A fold between the halves of a character would spoil it. */
            if (out.data[k] == '\n')
                assert_true(((unsigned char)out.data[k - 1] & 0xC0) != 0xC0);
            else if (cases[i].whole || out.data[k] != ' ')
                buf_addc(&b, out.data[k]);
        }
        /* Fields that are added stand behind. */
        const char *end = memmem(b.data, b.len, "MIME", 4),
                   *last = memmem(a.data, a.len, "B: c", 4);
        if (last == NULL)
            last = memmem(a.data, a.len, "B:c", 3);
        assert_non_null(end);
        assert_non_null(last);
        a.len = (size_t)(last - a.data) + (cases[i].whole ? 4 : 3);
        b.len = (size_t)(end - b.data);
        expect_span(BUF_SPAN(&b), BUF_SPAN(&a), cases[i].unit);
        buf_free(&in);
        buf_free(&out);
        buf_free(&a);
        buf_free(&b);
    }
}

static void a_header_line_of_blanks_does_not_end_the_header(void **state)
{
    struct buf in = {0}, out = {0};

    (void)state;
    buf_adds(&in, "A: b\n");
    buf_fill(&in, ' ', 2000);
    buf_adds(&in, "\n c\nD:");
    buf_fill(&in, ' ', 5000);
    buf_adds(&in, "e");
    buf_fill(&in, ' ', 200000);
    buf_adds(&in, "\nF: g\n\nh\n");
    received(&out, BUF_SPAN(&in), false, TEXT_ENCODE_HEADER);
    expect_span(BUF_SPAN(&out), SPAN("A: b\n c\nD:\n e\nF: g\n\nh\n"), "blanks");
    buf_free(&in);
    buf_free(&out);
}

static void a_field_too_long_to_hold_is_encoded_in_sections(void **state)
{
    static const char *const units[] = {"\xC3\xB6 ", "\xC3\xB6", "a\xF0\x9F\x98\x80",
                                        "ab \xE6\x97\xA5 ", "\xE6\x97\xA5 \xE6\x97\xA5"};

    (void)state;
    for (size_t i = 0; i < COUNT(units); i++) {
        struct buf in = {0}, out = {0}, back = {0};
        buf_adds(&in, "A: ");
        while (in.len < 200000)
            buf_adds(&in, units[i]);
        buf_addc(&in, '.');
        received(&out, BUF_SPAN(&in), false, TEXT_ENCODE_HEADER);
        out.len--;
        decode_words(BUF_SPAN(&out), &back);
        expect_span(BUF_SPAN(&back), BUF_SPAN(&in), units[i]);
        buf_free(&in);
        buf_free(&out);
        buf_free(&back);
    }
}

/* Memory. */

#if defined(__SANITIZE_ADDRESS__)
static size_t memory_in_use(void)
{
    return 0; /* the sanitizer's own allocator does not tell mallinfo2() */
}
#else
static size_t memory_in_use(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}
#endif

static void check_long_line(const char *before, const char *unit, unsigned needs, size_t length)
{
    const size_t size = 65536;
    struct text *t = text_begin(false, needs);
    struct buf chunk = {0}, out = {0};
    size_t column = 0, before_all = memory_in_use();

    assert_non_null(t);
    while (chunk.len < size)
        buf_adds(&chunk, unit);
    assert_true(text_feed(t, span_of(before), &out));
    for (size_t n = 0; n < length; n += chunk.len) {
        assert_true(text_feed(t, BUF_SPAN(&chunk), &out));
        for (struct span rest = BUF_SPAN(&out), line;
             needs != TEXT_AS_IS && span_line(&rest, &line);) {
            column += line.n;
            assert_true(column <= TEXT_LINE_MAX + 2);
            if (line.p + line.n < out.data + out.len)
                column = 0; /* an LF follows */
        }
        buf_clear(&out);
        assert_true(memory_in_use() < before_all + 16 * size);
    }
    assert_true(out.cap <= 8 * size);
    assert_true(text_end(t, &out));
    text_free(t);
    buf_free(&chunk);
    buf_free(&out);
}

static void lines_of_10_mib_take_little_memory(void **state)
{
    static const char *const befores[] = {"",
                                          "\n",
                                          "A: ",
                                          "A: b\n ",
                                          "Content-Transfer-Encoding: base64\n\n",
                                          "Content-Type: message/delivery-status\n\n",
                                          "Content-Type: multipart/mixed; boundary=\"b\"\n\n"};
    static const char *const units[] = {"x", "\xC3\xB6", "ab cd ", "\r", "\"<(;"};

    (void)state;
    for (size_t i = 0; i < COUNT(befores); i++)
        for (size_t k = 0; k < COUNT(units); k++)
            check_long_line(befores[i], units[k], BOTH, k == 0 ? 10 << 20 : 1 << 20);
    check_long_line("", ".", TEXT_AS_IS, 10 << 20);
}

static void want_of_memory_is_reported(void **state)
{
    static const unsigned needs[] = {TEXT_AS_IS, BOTH};

    (void)state;
    for (size_t i = 0; i < COUNT(needs); i++) {
        struct buf out = {.failed = true};
        struct text *t = text_begin(false, needs[i]);
        assert_non_null(t);
        assert_false(text_feed(t, SPAN("a: b\n\nc\n"), &out));
        assert_false(text_end(t, &out));
        assert_int_equal(out.len, 0);
        text_free(t);
    }
    text_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_get_their_ends_and_dots),
        cmocka_unit_test(every_chunking_of_small_texts_is_equal),
        cmocka_unit_test(every_control_has_its_effect),
        cmocka_unit_test(controls_know_their_place),
        cmocka_unit_test(quotations_may_be_made_in_parts),
        cmocka_unit_test(facts_are_found),
        cmocka_unit_test(asa_facts_are_of_the_result),
        cmocka_unit_test(long_lines_are_found_where_they_stand),
        cmocka_unit_test(utf8_is_judged_as_by_the_library),
        cmocka_unit_test(needs_follow_from_facts_and_peer),
        cmocka_unit_test(lines_become_quoted_printable),
        cmocka_unit_test(bodies_come_back),
        cmocka_unit_test(mime_fields_are_added),
        cmocka_unit_test(parts_are_encoded_one_by_one),
        cmocka_unit_test(boundaries_are_read),
        cmocka_unit_test(types_and_encodings_are_read),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(nested_messages_cost_nothing),
        cmocka_unit_test(long_lines_of_encoded_parts_are_cut_where_it_does_no_harm),
        cmocka_unit_test(words_are_encoded),
        cmocka_unit_test(nul_in_a_header_becomes_a_blank),
        cmocka_unit_test(words_come_back),
        cmocka_unit_test(long_header_lines_are_folded),
        cmocka_unit_test(a_header_line_of_blanks_does_not_end_the_header),
        cmocka_unit_test(a_field_too_long_to_hold_is_encoded_in_sections),
        cmocka_unit_test(lines_of_10_mib_take_little_memory),
        cmocka_unit_test(want_of_memory_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
