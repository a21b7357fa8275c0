/* Unit tests of ssmtp/journal: what is written is read back, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ssmtp/journal.h"

static const unsigned char key[JOURNAL_KEY] = "0123456789abcde";
static const unsigned char other_key[JOURNAL_KEY] = "0123456789abcdf";

static struct journal_record record(const char *name, struct span content, uint32_t sequence)
{
    struct journal_record r = {
        .generation = 7, .sequence = sequence, .queue = 1, .content = content};

    assert_true(span_copy(span_of(name), r.name, sizeof(r.name)));
    seal_of(content, &r.mark);
    return r;
}

static void assert_hex(const void *octets, size_t n, const char *wanted)
{
    const unsigned char *p = octets;
    struct buf hex = {0};

    for (size_t i = 0; i < n; i++)
        buf_printf(&hex, "%02x", p[i]);
    assert_string_equal(buf_str(&hex), wanted);
    buf_free(&hex);
}

/* Octets that another implementation made: a journal of today is read by those to come. */
static void the_format(void **state)
{
    static const char head_text[] =
        "53534d54504a4e4c000000010000000300000000020000000000000000000102303132333435"
        "363738396162636465000000000000000000000000002ca565e7";
    static const char record_text[] =
        "53534d5450524543303132333435363738396162636465000000000000000102000000050000"
        "000400000001020100002d711642b726b04401627ca9fbac32f500000000e921a2e841000000"
        "000000007800000000000000";
    struct journal_head h = {.number = 3, .size = 32UL << 20, .released = 0x0102};
    struct journal_record r = {
        .generation = 0x0102, .sequence = 5, .first = 4, .queue = 2, .name = "A"};
    unsigned char text[JOURNAL_HEAD];
    struct buf out = {0};

    (void)state;
    memcpy(h.key, key, sizeof(key));
    journal_head_encode(&h, text);
    assert_hex(text, sizeof(text), head_text);
    r.content = SPAN("x");
    seal_of(r.content, &r.mark);
    assert_true(journal_record_encode(&out, key, &r));
    assert_hex(out.data, out.len, record_text);
    buf_free(&out);
}

static void places_do_not_overlap(void **state)
{
    static const uint64_t sizes[] = {JOURNAL_SIZE_MIN, JOURNAL_SIZE_MIN + JOURNAL_BLOCK, 32UL << 20,
                                     JOURNAL_SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t size = sizes[i], half = journal_half_size(size);
        assert_true(journal_size_valid(size));
        assert_int_equal(half % JOURNAL_BLOCK, 0);
        assert_int_equal(journal_head_at(size, 0), 0);
        assert_int_equal(journal_head_at(size, 1), JOURNAL_BLOCK);
        assert_int_equal(journal_half_at(size, 0), 2 * JOURNAL_BLOCK);
        assert_int_equal(journal_half_at(size, 2), 2 * JOURNAL_BLOCK);
        assert_int_equal(journal_half_at(size, 1), 2 * JOURNAL_BLOCK + half);
        assert_true(journal_half_at(size, 1) + half <= journal_head_at(size, 2));
        assert_int_equal(journal_head_at(size, 2) + JOURNAL_BLOCK, journal_head_at(size, 3));
        assert_int_equal(journal_head_at(size, 3) + JOURNAL_BLOCK, size);
    }
    assert_false(journal_size_valid(0));
    assert_false(journal_size_valid(JOURNAL_SIZE_MIN - JOURNAL_BLOCK));
    assert_false(journal_size_valid(JOURNAL_SIZE_MIN + 1));
    assert_false(journal_size_valid(JOURNAL_SIZE_MAX + JOURNAL_BLOCK));
    assert_false(journal_size_valid(UINT64_MAX));
}

static void heads(void **state)
{
    struct journal_head h = {.number = 3, .size = 32UL << 20, .released = 0x123456789abcdef0}, back;
    unsigned char text[JOURNAL_HEAD];

    (void)state;
    memcpy(h.key, key, sizeof(key));
    journal_head_encode(&h, text);
    struct span all = {(const char *)text, sizeof(text)};
    assert_true(journal_head_decode(all, &back));
    assert_int_equal(back.number, 3);
    assert_int_equal(back.size, 32UL << 20);
    assert_int_equal(back.released, 0x123456789abcdef0);
    assert_memory_equal(back.key, key, sizeof(key));
    for (size_t n = 0; n < sizeof(text); n++)
        assert_false(journal_head_decode((struct span){all.p, n}, &back));
    for (size_t bit = 0; bit < 8 * sizeof(text); bit++) {
        text[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_false(journal_head_decode(all, &back));
        text[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    h.size = JOURNAL_SIZE_MAX + JOURNAL_BLOCK; /* sums agree, but it cannot be */
    journal_head_encode(&h, text);
    assert_false(journal_head_decode(all, &back));
    memset(text, 0, sizeof(text));
    assert_false(journal_head_decode(all, &back));
}

static void a_record(void **state)
{
    struct journal_record r =
        record("SSMTP.JOB00012.D0000001.MAIL.T", SPAN("X-From: <>\ntext\n"), 5);
    struct journal_record back;
    struct buf out = {0};

    (void)state;
    r.first = 4;
    assert_true(journal_record_encode(&out, key, &r));
    assert_int_equal(out.len, journal_record_size(strlen(r.name), r.content.n));
    assert_int_equal(out.len % 8, 0);
    assert_true(journal_record_decode(BUF_SPAN(&out), key, &back));
    assert_int_equal(back.generation, 7);
    assert_int_equal(back.sequence, 5);
    assert_int_equal(back.first, 4);
    assert_int_equal(back.queue, 1);
    assert_string_equal(back.name, r.name);
    assert_true(span_eq(back.content, r.content));
    assert_int_equal(back.mark.length, r.content.n);
    assert_memory_equal(back.mark.digest, r.mark.digest, SEAL_DIGEST);
    assert_false(journal_record_decode(BUF_SPAN(&out), other_key, &back));
    for (size_t n = 0; n < out.len; n++)
        assert_false(journal_record_decode((struct span){out.data, n}, key, &back));
    buf_free(&out);
}

/* No flip goes unnoticed but in the padding, which means nothing. */
static void flips(void **state)
{
    struct span content = SPAN("a text of 20 octets.");
    struct journal_record r = record("SSMTP.X", content, 0), back;
    size_t name = JOURNAL_RECORD_HEAD, text = name + 8;
    struct buf out = {0};

    (void)state;
    assert_true(journal_record_encode(&out, key, &r));
    for (size_t bit = 0; bit < 8 * out.len; bit++) {
        size_t at = bit / 8;
        bool padding = at == name + 7 || at >= text + content.n;
        out.data[at] = (char)(out.data[at] ^ 1 << bit % 8);
        assert_int_equal(journal_record_decode(BUF_SPAN(&out), key, &back), padding);
        out.data[at] = (char)(out.data[at] ^ 1 << bit % 8);
    }
    buf_free(&out);
}

/* CRC-32, bit by bit. */
static uint32_t check_sum(const char *octets, size_t n)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)octets[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static void put_sum(char *to, uint32_t sum)
{
    for (int i = 0; i < 4; i++)
        to[i] = (char)(sum >> (24 - 8 * i));
}

/* Sums that agree prove only that it was written so: what it says must be lawful too. */
static void sums_that_agree_are_not_enough(void **state)
{
    static const struct {
        size_t at; /* of the record, its name behind its head */
        char octet;
        bool good;
    } forged[] = {
        {44, 1, true},                         /* as it was */
        {JOURNAL_RECORD_HEAD + 1, 'b', false}, /* no name of a spool file */
        {JOURNAL_RECORD_HEAD + 0, '.', false}, /* would be hidden */
        {45, 0, false},                        /* no name at all */
        {45, JOURNAL_NAME_MAX + 1, false},     /* a name that is too long */
        {40, 0x7f, false},                     /* longer than any journal */
        {39, 6, false},                        /* its batch begins behind it */
        {31, 0, false},                        /* of no generation */
    };
    struct journal_head h = {.number = 1, .size = JOURNAL_SIZE_MIN};
    struct journal_record r = record("ABCDEFGH", SPAN("text"), 5), back;
    unsigned char head[JOURNAL_HEAD];

    (void)state;
    for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
        struct buf out = {0};
        char summed[68 + JOURNAL_NAME_MAX + 1];
        assert_true(journal_record_encode(&out, key, &r));
        out.data[forged[i].at] = forged[i].octet;
        size_t name = (unsigned char)out.data[45] <= 8 ? (size_t)out.data[45] : 8;
        memcpy(summed, out.data, 68);
        memcpy(summed + 68, out.data + JOURNAL_RECORD_HEAD, name);
        put_sum(out.data + 68, check_sum(summed, 68 + name));
        assert_int_equal(journal_record_decode(BUF_SPAN(&out), key, &back), forged[i].good);
        buf_free(&out);
    }
    for (char version = 1; version <= 2; version++) {
        journal_head_encode(&h, head);
        head[11] = (unsigned char)version;
        put_sum((char *)head + 60, check_sum((char *)head, 60));
        assert_int_equal(journal_head_decode((struct span){(char *)head, sizeof(head)}, &h),
                         version == 1);
    }
}

static void parts_that_are_not_valid(void **state)
{
    static const char *const names[] = {"", ".", ".HIDDEN", "A/B", "a", "A B", "..", "A\n"};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct journal_record r = record(names[i], SPAN("x"), 0);
        assert_false(journal_record_encode(&out, key, &r));
    }
    struct journal_record r = record("A", SPAN("x"), 3);
    r.first = 4;
    assert_false(journal_record_encode(&out, key, &r));
    r.first = 3;
    r.mark.length = 2;
    assert_false(journal_record_encode(&out, key, &r));
    r.content.n = r.mark.length = JOURNAL_SIZE_MAX + 1; /* not even looked at */
    assert_false(journal_record_encode(&out, key, &r));
    r.content.n = r.mark.length = 1;
    r.generation = 0; /* written, but never taken for one */
    assert_true(journal_record_encode(&out, key, &r));
    assert_false(journal_record_decode(BUF_SPAN(&out), key, &r));
    assert_int_equal(journal_record_size(JOURNAL_NAME_MAX + 1, 1), 0);
    assert_int_equal(journal_record_size(1, JOURNAL_SIZE_MAX + 1), 0);
    assert_int_equal(journal_record_size(1, SIZE_MAX), 0);
    buf_free(&out);
}

struct found {
    unsigned seen; /* a bit for each sequence */
    int n, stop;
};

static int note(void *arg, const struct journal_record *r)
{
    struct found *f = arg;

    assert_true(r->sequence < 32);
    assert_false(f->seen & 1U << r->sequence);
    f->seen |= 1U << r->sequence;
    return ++f->n == f->stop;
}

enum { RECORDS = 6, HALF = 4 * JOURNAL_BLOCK };

/* A half with three records, a new batch at a block with three more, then what lay there before. */
static void fill(struct buf *half, size_t end[RECORDS])
{
    static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz";

    for (uint32_t i = 0; i < RECORDS; i++) {
        struct journal_record r = record("SSMTP.N", (struct span){text, 6 * i}, i);
        if (i == 3)
            buf_fill(half, '\0', JOURNAL_BLOCK - half->len);
        assert_true(journal_record_encode(half, key, &r));
        end[i] = half->len;
    }
    buf_fill(half, 'S', HALF - half->len);
    assert_false(half->failed);
}

static void scan(void **state)
{
    struct buf half = {0};
    size_t end[RECORDS];
    struct found f = {0};

    (void)state;
    fill(&half, end);
    assert_int_equal(journal_scan(BUF_SPAN(&half), key, note, &f), 0);
    assert_int_equal(f.seen, 63);
    f = (struct found){.stop = 2};
    assert_int_equal(journal_scan(BUF_SPAN(&half), key, note, &f), 1);
    assert_int_equal(f.n, 2);
    f = (struct found){0};
    assert_int_equal(journal_scan(BUF_SPAN(&half), other_key, note, &f), 0);
    assert_int_equal(f.n, 0);
    /* Cut anywhere: those that end before it. */
    for (size_t n = 0; n < half.len; n++) {
        unsigned wanted = 0;
        for (size_t i = 0; i < RECORDS; i++)
            wanted |= (unsigned)(end[i] <= n) << i;
        f = (struct found){0};
        journal_scan((struct span){half.data, n}, key, note, &f);
        /* What is cut off may have been padding. */
        assert_int_equal(f.seen, wanted);
    }
    buf_free(&half);
}

/* A damaged run: only records that it touches are missing. */
static void damage_hides_nothing_else(void **state)
{
    struct buf half = {0}, copy = {0};
    size_t end[RECORDS];

    (void)state;
    fill(&half, end);
    for (size_t run = 1; run < 3000; run = run * 3 + 1)
        for (size_t at = 0; at + run < half.len; at += 7) {
            struct found f = {0};
            buf_clear(&copy);
            assert_true(buf_addspan(&copy, BUF_SPAN(&half)));
            memset(copy.data + at, 0xa5, run);
            journal_scan(BUF_SPAN(&copy), key, note, &f);
            for (size_t i = 0; i < RECORDS; i++) {
                size_t start = i == 0 ? 0 : i == 3 ? JOURNAL_BLOCK : end[i - 1];
                bool touched = at < end[i] && at + run > start;
                assert_true(touched || f.seen & 1U << i);
            }
        }
    buf_free(&half);
    buf_free(&copy);
}

/* A message whose text holds a whole record of another journal. */
static void text_that_poses_as_a_record(void **state)
{
    struct journal_record inner = record("SSMTP.EVIL", SPAN("evil"), 1), outer;
    struct buf forged = {0}, half = {0};
    struct found f = {0};

    (void)state;
    assert_true(journal_record_encode(&forged, other_key, &inner));
    outer = record("SSMTP.GOOD", BUF_SPAN(&forged), 0);
    assert_true(journal_record_encode(&half, key, &outer));
    half.data[0] = 'X'; /* the outer one is damaged, so its text is looked through */
    assert_int_equal(journal_scan(BUF_SPAN(&half), key, note, &f), 0);
    assert_int_equal(f.n, 0);
    buf_free(&forged);
    buf_free(&half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_format),
        cmocka_unit_test(places_do_not_overlap),
        cmocka_unit_test(heads),
        cmocka_unit_test(a_record),
        cmocka_unit_test(flips),
        cmocka_unit_test(sums_that_agree_are_not_enough),
        cmocka_unit_test(parts_that_are_not_valid),
        cmocka_unit_test(scan),
        cmocka_unit_test(damage_hides_nothing_else),
        cmocka_unit_test(text_that_poses_as_a_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
