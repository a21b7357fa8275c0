/* See journal.h. */
#include "ssmtp/journal.h"

#include <string.h>

enum { ALIGN = 8, MAGIC = 8, HEAD_SUM = 60, RECORD_SUM = 68, VERSION = 1 };

static const char head_magic[MAGIC + 1] = "SSMTPJNL", record_magic[MAGIC + 1] = "SSMTPREC";

/* Numbers. */

static void put(unsigned char *to, uint64_t value, unsigned octets)
{
    for (unsigned i = octets; i-- > 0; value >>= 8)
        to[i] = (unsigned char)value;
}

static uint64_t get(const unsigned char *from, unsigned octets)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < octets; i++)
        value = value << 8 | from[i];
    return value;
}

/* CRC-32 of ISO 3309, by nibbles: what it covers is short. */
static uint32_t sum(uint32_t before, const void *octets, size_t n)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const unsigned char *p = octets;
    uint32_t crc = ~before;

    for (size_t i = 0; i < n; i++) {
        crc = table[(crc ^ p[i]) & 15] ^ crc >> 4;
        crc = table[(crc ^ (uint32_t)p[i] >> 4) & 15] ^ crc >> 4;
    }
    return ~crc;
}

/* Places. */

bool journal_size_valid(uint64_t size)
{
    return size >= JOURNAL_SIZE_MIN && size <= JOURNAL_SIZE_MAX && size % JOURNAL_BLOCK == 0;
}

uint64_t journal_half_size(uint64_t size)
{
    return (size / JOURNAL_BLOCK - JOURNAL_COPIES) / 2 * JOURNAL_BLOCK;
}

uint64_t journal_half_at(uint64_t size, uint64_t generation)
{
    return 2UL * JOURNAL_BLOCK + generation % 2 * journal_half_size(size);
}

uint64_t journal_head_at(uint64_t size, unsigned copy)
{
    return copy < 2 ? (uint64_t)copy * JOURNAL_BLOCK
                    : size - (uint64_t)(JOURNAL_COPIES - copy) * JOURNAL_BLOCK;
}

/* Heads: magic, version, number, size, released, key, zeros, sum. */

void journal_head_encode(const struct journal_head *h, unsigned char out[JOURNAL_HEAD])
{
    memset(out, 0, JOURNAL_HEAD);
    memcpy(out, head_magic, MAGIC);
    put(out + 8, VERSION, 4);
    put(out + 12, h->number, 4);
    put(out + 16, h->size, 8);
    put(out + 24, h->released, 8);
    memcpy(out + 32, h->key, JOURNAL_KEY);
    put(out + HEAD_SUM, sum(0, out, HEAD_SUM), 4);
}

bool journal_head_decode(struct span octets, struct journal_head *h)
{
    const unsigned char *in = (const unsigned char *)octets.p;

    if (octets.n < JOURNAL_HEAD || memcmp(in, head_magic, MAGIC) != 0 ||
        get(in + HEAD_SUM, 4) != sum(0, in, HEAD_SUM) || get(in + 8, 4) != VERSION)
        return false;
    h->number = (uint32_t)get(in + 12, 4);
    h->size = get(in + 16, 8);
    h->released = get(in + 24, 8);
    memcpy(h->key, in + 32, JOURNAL_KEY);
    return journal_size_valid(h->size);
}

/* Records: magic, key, generation, sequence, first, length, queue, length of the name, 2 zeros,
 * digest, 4 zeros, sum; name and content, each padded. */

static size_t padded(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* Its length was seen by journal_record_size(). */
static bool name_valid(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.')
            return false;
    }
    return name.n > 0 && name.p[0] != '.';
}

size_t journal_record_size(size_t name, size_t content)
{
    if (name > JOURNAL_NAME_MAX || content > JOURNAL_SIZE_MAX)
        return 0;
    return JOURNAL_RECORD_HEAD + padded(name) + padded(content);
}

static uint32_t record_sum(const unsigned char *head, struct span name)
{
    return sum(sum(0, head, RECORD_SUM), name.p, name.n);
}

bool journal_record_encode(struct buf *out, const unsigned char key[JOURNAL_KEY],
                           const struct journal_record *r)
{
    unsigned char head[JOURNAL_RECORD_HEAD] = {0};
    struct span name = span_of(r->name);
    size_t size = journal_record_size(name.n, r->content.n);

    if (size == 0 || !name_valid(name) || r->first > r->sequence ||
        r->mark.length != r->content.n || !buf_reserve(out, size))
        return false;
    memcpy(head, record_magic, MAGIC);
    memcpy(head + 8, key, JOURNAL_KEY);
    put(head + 24, r->generation, 8);
    put(head + 32, r->sequence, 4);
    put(head + 36, r->first, 4);
    put(head + 40, r->content.n, 4);
    head[44] = r->queue;
    head[45] = (unsigned char)name.n;
    memcpy(head + 48, r->mark.digest, SEAL_DIGEST);
    put(head + RECORD_SUM, record_sum(head, name), 4);
    return buf_add(out, head, sizeof(head)) && buf_addspan(out, name) &&
           buf_fill(out, '\0', padded(name.n) - name.n) && buf_addspan(out, r->content) &&
           buf_fill(out, '\0', padded(r->content.n) - r->content.n);
}

/* Is the content what was written? */
static bool content_good(const struct journal_record *r)
{
    struct seal_mark found;

    seal_of(r->content, &found);
    return memcmp(found.digest, r->mark.digest, SEAL_DIGEST) == 0;
}

bool journal_record_decode(struct span octets, const unsigned char key[JOURNAL_KEY],
                           struct journal_record *r)
{
    const unsigned char *in = (const unsigned char *)octets.p;

    if (octets.n < JOURNAL_RECORD_HEAD || memcmp(in, record_magic, MAGIC) != 0 ||
        memcmp(in + 8, key, JOURNAL_KEY) != 0)
        return false;
    struct span name = {octets.p + JOURNAL_RECORD_HEAD, in[45]};
    size_t content = get(in + 40, 4), size = journal_record_size(name.n, content);
    if (size == 0 || size > octets.n || get(in + RECORD_SUM, 4) != record_sum(in, name) ||
        !name_valid(name))
        return false;
    *r = (struct journal_record){
        .generation = get(in + 24, 8),
        .sequence = (uint32_t)get(in + 32, 4),
        .first = (uint32_t)get(in + 36, 4),
        .queue = in[44],
        .mark = {.length = content},
        .content = {name.p + padded(name.n), content},
    };
    span_copy(name, r->name, sizeof(r->name));
    memcpy(r->mark.digest, in + 48, SEAL_DIGEST);
    return r->generation > 0 && r->first <= r->sequence && content_good(r);
}

int journal_scan(struct span half, const unsigned char key[JOURNAL_KEY],
                 int (*each)(void *arg, const struct journal_record *r), void *arg)
{
    struct journal_record r;
    int result = 0;

    /* Most places are empty: they are passed over without a call. */
    for (size_t at = 0; result == 0 && half.n >= MAGIC && at <= half.n - MAGIC;) {
        if (memcmp(half.p + at, record_magic, MAGIC) != 0 ||
            !journal_record_decode(span_from(half, at), key, &r)) {
            at += ALIGN;
            continue;
        }
        result = each(arg, &r);
        at += journal_record_size(strlen(r.name), r.content.n);
    }
    return result;
}
