/* Unit tests of ssmtp/data: where the data of a transaction ends, and what is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/header.h"
#include "ssmtp/data.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a message comes to. */
struct result {
    struct data d;
    size_t taken;
    struct buf out;
};

/* Gives one piece from memory of its own size, so that a read beyond the end is found. */
static size_t give(struct data *d, struct span piece, struct buf *out)
{
    char *copy = malloc(piece.n + (piece.n == 0));

    assert_non_null(copy);
    if (piece.n > 0)
        memcpy(copy, piece.p, piece.n);
    size_t taken = data_feed(d, (struct span){copy, piece.n}, out);
    free(copy);
    return taken;
}

/* Feeds the input in pieces: the first of `first` octets, the others of `size` (0: all the rest).
 */
static void feed(struct result *r, struct span input, size_t first, size_t size)
{
    size_t n = first;

    *r = (struct result){.taken = 0};
    data_open(&r->d);
    while (r->taken < input.n && !data_ended(&r->d)) {
        struct span piece = span_from(input, r->taken);
        if (n > 0 && piece.n > n)
            piece.n = n;
        size_t taken = give(&r->d, piece, &r->out);
        r->taken += taken;
        assert_true(taken == piece.n || data_ended(&r->d));
        n = size;
    }
}

static void same(const struct result *a, const struct result *b)
{
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(data_ended(&a->d), data_ended(&b->d));
    assert_int_equal(a->d.faults, b->d.faults);
    assert_int_equal(a->d.received, b->d.received);
    if (a->d.faults != 0)
        return; /* nothing is stored: what was handed out before means nothing */
    assert_int_equal(a->d.octets, b->d.octets);
    assert_int_equal(a->d.header, b->d.header);
    assert_true(span_eq(BUF_SPAN(&a->out), BUF_SPAN(&b->out)));
}

struct expected {
    struct span input;
    size_t taken; /* 0: the end has not come */
    unsigned faults;
    struct span out; /* without a fault */
};

static void check(const struct result *r, const struct expected *e, size_t i)
{
    bool ended = e->taken > 0;

    if (data_ended(&r->d) != ended || r->taken != (ended ? e->taken : e->input.n))
        fail_msg("case %zu: taken %zu of %zu", i, r->taken, e->input.n);
    if (r->d.faults != e->faults)
        fail_msg("case %zu: faults %u", i, r->d.faults);
    if (e->faults == 0 && !span_eq(BUF_SPAN(&r->out), e->out))
        fail_msg("case %zu: out is %s", i, buf_str(&((struct result *)(uintptr_t)r)->out));
}

/* A span in a static table. */
#define T(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define LF DATA_BARE_LF
#define CR DATA_BARE_CR

static const struct expected cases[] = {
    {T(".\r\n"), 3, 0, T("")},
    {T("a\r\n.\r\n"), 6, 0, T("a\n")},
    {T("a\r\n.\r\nQUIT\r\n"), 6, 0, T("a\n")},
    {T("\r\n.\r\n"), 5, 0, T("\n")},
    {T("..\r\n.\r\n"), 7, 0, T(".\n")},
    {T("...\r\n.\r\n"), 8, 0, T("..\n")},
    {T(".a\r\n.\r\n"), 7, 0, T("a\n")},
    {T("a.\r\n.\r\n"), 7, 0, T("a.\n")},
    {T("a\r\n.b\r\n..c\r\n.\r\n"), 15, 0, T("a\nb\n.c\n")},
    {T("\x80\xFF\r\n.\r\n"), 7, 0, T("\x80\xFF\n")},
    {T("\t \x0C\x1B\r\n.\r\n"), 9, 0, T("\t \x0C\x1B\n")},
    /* not ended */
    {T("."), 0, 0, T("")},
    {T(".\r"), 0, 0, T("")},
    {T("a"), 0, 0, T("a")},
    {T("a\r"), 0, 0, T("a")},
    {T("a\r\n"), 0, 0, T("a\n")},
    {T("a\r\n."), 0, 0, T("a\n")},
    {T("a\r\n.\r"), 0, 0, T("a\n")},
    {T("a.\r\n"), 0, 0, T("a.\n")},
    {T("\r\n..\r\n"), 0, 0, T("\n.\n")},
    /* smuggling: no end, and a fault; then the real end */
    {T("a\n.\n"), 0, LF, T("")},
    {T("a\n.\r\n"), 0, LF, T("")},
    {T("a\r\n.\n"), 0, LF, T("")},
    {T("a\r.\r"), 0, CR, T("")},
    {T("a\r.\r\n"), 0, CR, T("")},
    {T("a\r\n.\r"), 0, 0, T("a\n")},
    {T("a\r\n.\rb"), 0, CR, T("")},
    {T("a\r\n.\r\r\n"), 0, CR, T("")},
    {T("a\n\r.\r\n"), 0, LF | CR, T("")},
    {T("a\r\n\0.\r\n"), 0, DATA_NUL, T("")},
    {T("a\r\n.\0\r\n"), 0, DATA_NUL, T("")},
    {T("a\r\n.\r\0\n"), 0, CR | LF | DATA_NUL, T("")},
    {T("a\r\0\n.\r\n"), 0, CR | LF | DATA_NUL, T("")},
    {T("a\n.\nMAIL FROM:<x@y>\r\n.\r\n"), 24, LF, T("")},
    {T("a\n.\r\nMAIL FROM:<x@y>\r\n.\r\nRSET\r\n"), 25, LF, T("")},
    {T("a\r\n.\nMAIL FROM:<x@y>\r\n.\r\n"), 25, LF, T("")},
    {T("a\r.\rMAIL FROM:<x@y>\r\n.\r\n"), 24, CR, T("")},
    {T("\0\r\n.\r\n"), 6, DATA_NUL, T("")},
    /* CR CR LF holds CR LF, so a dot behind it stands at the beginning of a line */
    {T("a\r\r\n.\r\n"), 7, CR, T("")},
    {T("\r\r\n.\r\n"), 6, CR, T("")},
    {T("a\r\r\n.\r\r\n"), 0, CR, T("")},
};

static void the_end_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct result r;
        feed(&r, cases[i].input, 0, 0);
        check(&r, &cases[i], i);
        buf_free(&r.out);
    }
}

static void any_split_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct result r;
        for (size_t first = 1; first <= cases[i].input.n; first++) {
            feed(&r, cases[i].input, first, 0);
            check(&r, &cases[i], i);
            buf_free(&r.out);
            feed(&r, cases[i].input, first, 1);
            check(&r, &cases[i], i);
            buf_free(&r.out);
        }
    }
}

/* The rules once more, written in the plainest way: look for CR LF . CR LF, then at the text. */
static void plain_rules(struct span input, struct result *r)
{
    struct buf all = {0};
    size_t end = 0;
    bool ended = false;

    *r = (struct result){.taken = input.n};
    buf_adds(&all, "\r\n");
    buf_addspan(&all, input);
    for (size_t i = 0; !ended && i + 5 <= all.len; i++)
        if (memcmp(all.data + i, "\r\n.\r\n", 5) == 0) {
            ended = true;
            end = i;
        }
    r->d.state = ended ? DATA_END : DATA_TEXT;
    if (ended)
        r->taken = end + 3;
    size_t n = ended ? end : all.len;
    for (size_t i = 2; i < n; i++) {
        char c = all.data[i];
        bool crlf = c == '\n' && all.data[i - 1] == '\r' && i > 2;
        /* The CR LF of the end belongs to the last line. */
        if (c == '\r' && (i + 1 < all.len ? all.data[i + 1] != '\n' : false))
            r->d.faults |= DATA_BARE_CR;
        else if (c == '\n' && !crlf)
            r->d.faults |= DATA_BARE_LF;
        else if (c == '\0')
            r->d.faults |= DATA_NUL;
        if (c == '\r' || (c == '.' && all.data[i - 1] == '\n' && all.data[i - 2] == '\r'))
            continue;
        buf_addc(&r->out, c);
    }
    if (ended && end > 0)
        buf_addc(&r->out, '\n');
    buf_free(&all);
}

/* Every text of up to 7 octets that matter: as one piece, octet by octet, and by the plain rules.
 */
static void every_short_text(void **state)
{
    static const char octets[] = {'\r', '\n', '.', '\0', 'a'};
    enum { MOST = 7, OCTETS = COUNT(octets) };
    size_t ended = 0;

    (void)state;
    for (size_t n = 1; n <= MOST; n++) {
        size_t texts = 1;
        for (size_t i = 0; i < n; i++)
            texts *= OCTETS;
        for (size_t t = 0; t < texts; t++) {
            char text[MOST];
            struct result whole, split, plain;
            size_t rest = t;
            for (size_t i = 0; i < n; i++, rest /= OCTETS)
                text[i] = octets[rest % OCTETS];
            struct span input = {text, n};
            feed(&whole, input, 0, 0);
            feed(&split, input, 1, 1);
            plain_rules(input, &plain);
            same(&whole, &split);
            assert_int_equal(whole.taken, plain.taken);
            assert_int_equal(data_ended(&whole.d), data_ended(&plain.d));
            assert_int_equal(whole.d.faults, plain.d.faults);
            if (data_ended(&whole.d) && whole.d.faults == 0)
                assert_true(span_eq(BUF_SPAN(&whole.out), BUF_SPAN(&plain.out)));
            ended += data_ended(&whole.d);
            buf_free(&whole.out);
            buf_free(&split.out);
            buf_free(&plain.out);
        }
    }
    assert_true(ended > 500);
}

static void octets_are_counted(void **state)
{
    const struct {
        struct span input;
        uint64_t octets;
    } counts[] = {
        {SPAN(".\r\n"), 0},        {SPAN("\r\n.\r\n"), 2},
        {SPAN("abc\r\n.\r\n"), 5}, {SPAN("..\r\n...x\r\n.\r\n"), 8}, /* ".\r\n" and "..x\r\n" */
        {SPAN("abc"), 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++)
        for (size_t size = 0; size < 3; size++) {
            struct result r;
            feed(&r, counts[i].input, size, size);
            assert_int_equal(r.d.octets, counts[i].octets);
            buf_free(&r.out);
        }
}

static void received_fields_are_counted_in_the_header(void **state)
{
    const struct {
        struct span input;
        unsigned received;
    } headers[] = {
        {SPAN("Received: a\r\nRECEIVED:b\r\nreceived: c\r\n\r\nx\r\n.\r\n"), 3},
        {SPAN("Received: a\r\n folded\r\n\tReceived: no\r\nX: y\r\n\r\n.\r\n"), 1},
        {SPAN("X: y\r\n\r\nReceived: in the body\r\n.\r\n"), 0},
        {SPAN("no field\r\nReceived: in the body\r\n.\r\n"), 0},
        {SPAN(" Received: not a field\r\nReceived: body\r\n.\r\n"), 0},
        {SPAN("Receive: a\r\nReceivedd: b\r\nX-Received: c\r\nReceived : d\r\n.\r\n"), 0},
        {SPAN("..Received: a\r\nReceived: b\r\n.\r\n"), 1},
        {SPAN("Received:\r\n.\r\n"), 1},
        {SPAN("Received\r\nReceived: b\r\n.\r\n"), 0},
        {SPAN(":\r\nReceived: b\r\n.\r\n"), 0},
        {SPAN("R\xC3\xA9: x\r\nReceived: b\r\n.\r\n"), 0},
        {SPAN("Received: ended within"), 1},
        {SPAN("Receive"), 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++)
        for (size_t size = 0; size < 4; size++) {
            struct result r;
            feed(&r, headers[i].input, size, size);
            if (r.d.received != headers[i].received)
                fail_msg("case %zu in pieces of %zu: %u", i, size, r.d.received);
            /* The reader of the spool file must see the same. */
            if (data_ended(&r.d))
                assert_int_equal(header_count(BUF_SPAN(&r.out), "Received"), r.d.received);
            buf_free(&r.out);
        }
}

static void the_header_is_measured(void **state)
{
    const struct {
        struct span input;
        uint64_t header;
    } headers[] = {
        {SPAN("A: b\r\n\r\nbody body body\r\n.\r\n"), 6},
        {SPAN("A: b\r\n c\r\nD: e"), 14},
        {SPAN("A: b\r\nname alone\r\n.\r\n"), 6},
        {SPAN("name\r\nA: b\r\n.\r\n"), 0},
        {SPAN(".\r\n"), 0},
    };
    struct result r;
    struct buf line = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        feed(&r, headers[i].input, 1, 1);
        assert_int_equal(r.d.header, headers[i].header);
        buf_free(&r.out);
    }
    /* A line that never ends is measured as it comes. */
    data_open(&r.d);
    buf_adds(&line, "X: ");
    buf_fill(&line, 'x', 1 << 20);
    data_feed(&r.d, BUF_SPAN(&line), NULL);
    assert_int_equal(r.d.header, line.len);
    buf_free(&line);
}

static void text_may_be_dropped(void **state)
{
    struct data d;
    struct span input = SPAN("a\r\n..b\r\n.\r\nRSET\r\n");

    (void)state;
    data_open(&d);
    assert_int_equal(data_feed(&d, input, NULL), 11);
    assert_true(data_ended(&d));
    assert_int_equal(d.octets, 7);
    assert_int_equal(data_feed(&d, span_from(input, 11), NULL), 0);
    data_open(&d);
    assert_int_equal(data_feed(&d, (struct span){"", 0}, NULL), 0);
    assert_false(data_ended(&d));
}

static void a_failed_buffer_is_left_alone(void **state)
{
    struct buf out = {.failed = true};
    struct data d;

    (void)state;
    data_open(&d);
    assert_int_equal(data_feed(&d, SPAN("a\r\n.\r\n"), &out), 6);
    assert_true(data_ended(&d) && out.failed && out.len == 0);
}

/* A line of 8 MiB, and one that is split at each end of the reader's pieces. */
static void long_lines(void **state)
{
    struct buf input = {0};
    struct result r;

    (void)state;
    buf_fill(&input, 'x', 8 << 20);
    buf_adds(&input, "\r\n.\r\n");
    feed(&r, BUF_SPAN(&input), 65536, 65536);
    assert_true(data_ended(&r.d));
    assert_int_equal(r.d.faults, 0);
    assert_int_equal(r.out.len, (8 << 20) + 1);
    assert_int_equal(r.d.octets, (8 << 20) + 2);
    buf_free(&r.out);
    buf_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_found),
        cmocka_unit_test(any_split_gives_the_same),
        cmocka_unit_test(every_short_text),
        cmocka_unit_test(octets_are_counted),
        cmocka_unit_test(received_fields_are_counted_in_the_header),
        cmocka_unit_test(the_header_is_measured),
        cmocka_unit_test(text_may_be_dropped),
        cmocka_unit_test(a_failed_buffer_is_left_alone),
        cmocka_unit_test(long_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
