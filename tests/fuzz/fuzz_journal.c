/* The receiver's journal: the input is a half of it, as a damaged disk or a stranger might leave
 * it, with a head in front.
 *
 * Holds: whatever is read as a record has a name that a queue may hold, lies within the half, does
 * not overlap another, and is written again as the same octets; and a record that is put in at a
 * place of its own is found there, whatever surrounds it. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "ssmtp/journal.h"

static const unsigned char key[JOURNAL_KEY] = "fuzzed journals";

struct walk {
    struct span half;
    const char *end;  /* of the last record */
    const char *mine; /* the record that was put in */
    bool found;
};

static int check_record(void *arg, const struct journal_record *r)
{
    struct walk *w = arg;
    struct buf again = {0};
    size_t name = strlen(r->name), size = journal_record_size(name, r->content.n);
    size_t head = JOURNAL_RECORD_HEAD + (name + 7) / 8 * 8;

    CHECK(name > 0 && name <= JOURNAL_NAME_MAX && r->name[0] != '.');
    CHECK(strspn(r->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.") == name);
    CHECK(r->content.p >= w->half.p + head);
    const char *start = r->content.p - head;
    CHECK(start >= w->end && size <= (size_t)(w->half.p + w->half.n - start));
    CHECK(journal_record_encode(&again, key, r) && again.len == size);
    /* Padding and octets that are not used yet may differ. */
    CHECK(memcmp(again.data, start, 64) == 0);
    CHECK(memcmp(again.data + head, r->content.p, r->content.n) == 0);
    w->found = w->found || start == w->mine;
    w->end = start + size;
    buf_free(&again);
    return 0;
}

static void check_head(struct span in)
{
    unsigned char again[JOURNAL_HEAD];
    struct journal_head h;

    if (!journal_head_decode(in, &h))
        return;
    CHECK(journal_size_valid(h.size));
    for (unsigned copy = 0; copy < JOURNAL_COPIES; copy++)
        CHECK(journal_head_at(h.size, copy) + JOURNAL_BLOCK <= h.size);
    journal_head_encode(&h, again);
    CHECK(memcmp(again, in.p, 48) == 0);
}

/* The key is a secret: the input says where it stands. */
static void put_keys(struct buf *half)
{
    for (size_t at = 0; at + 8 + JOURNAL_KEY <= half->len; at += 8)
        if (memcmp(half->data + at, "SSMTPREC", 8) == 0)
            memcpy(half->data + at + 8, key, JOURNAL_KEY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};
    struct journal_record mine = {.generation = 1, .name = "SSMTP.MINE", .content = SPAN("mine")};
    struct buf half = {0};
    struct walk w = {0};

    check_head(in);
    size_t at = (size_t)take_octet(&in) * 8;
    seal_of(mine.content, &mine.mark);
    buf_addspan(&half, (struct span){in.p, in.n < at ? in.n : at});
    buf_fill(&half, 'x', at - half.len);
    put_keys(&half);
    CHECK(journal_record_encode(&half, key, &mine));
    buf_addspan(&half, span_from(in, at));
    CHECK(!half.failed);
    w.half = BUF_SPAN(&half);
    w.end = half.data;
    w.mine = half.data + at;
    CHECK(journal_scan(w.half, key, check_record, &w) == 0);
    CHECK(w.found);
    buf_free(&half);
    return 0;
}
