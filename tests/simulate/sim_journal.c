/* See sim_journal.h. */
#include "tests/simulate/sim_journal.h"

#include <string.h>

enum { AT_KEY = 8, AT_GENERATION = 24, AT_SEQUENCE = 32, AT_LENGTH = 40, AT_NAME_LENGTH = 45 };

static uint64_t number(const char *from, unsigned octets)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < octets; i++)
        value = value << 8 | (unsigned char)from[i];
    return value;
}

bool journal_head_of(const struct inode *journal, struct journal_head *h)
{
    bool found = false;

    for (unsigned copy = 0; copy < JOURNAL_COPIES && journal->size >= JOURNAL_SIZE_MIN; copy++) {
        struct journal_head one;
        uint64_t at = journal_head_at(journal->size, copy);
        if (!journal_head_decode((struct span){journal->data + at, JOURNAL_HEAD}, &one) ||
            (found && one.released < h->released))
            continue;
        *h = one;
        found = true;
    }
    return found;
}

/* A record at that place? */
static bool read_record(const struct journal_head *h, struct logged *r)
{
    const char *p = r->journal->data + r->at;

    if (r->journal->size - r->at < JOURNAL_RECORD_HEAD + JOURNAL_NAME_MAX ||
        memcmp(p, "SSMTPREC", AT_KEY) != 0 || memcmp(p + AT_KEY, h->key, JOURNAL_KEY) != 0)
        return false;
    size_t name = (unsigned char)p[AT_NAME_LENGTH], content = (size_t)number(p + AT_LENGTH, 4);
    r->size = journal_record_size(name, content);
    if (r->size == 0 || r->size > r->journal->size - r->at)
        return false;
    r->generation = number(p + AT_GENERATION, 8);
    r->sequence = (uint32_t)number(p + AT_SEQUENCE, 4);
    memcpy(r->name, p + JOURNAL_RECORD_HEAD, name);
    r->name[name] = '\0';
    r->content = (struct span){p + journal_record_size(name, 0), content};
    return true;
}

void journal_each(const struct inode *journal, void (*each)(void *arg, const struct logged *r),
                  void *arg)
{
    struct journal_head h;
    struct logged r = {.journal = journal, .at = (uint64_t)JOURNAL_BLOCK * 2};

    if (!journal_head_of(journal, &h))
        return;
    r.released = h.released;
    r.number = h.number;
    while (r.at < journal->size) {
        if (read_record(&h, &r)) {
            each(arg, &r);
            r.at += r.size;
        } else {
            r.at = (r.at / JOURNAL_BLOCK + 1) * JOURNAL_BLOCK;
        }
    }
}
