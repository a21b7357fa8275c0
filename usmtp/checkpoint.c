/* See checkpoint.h. */
#include "usmtp/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/durable.h"

#define CHECKPOINT_NAME "CHKPT"
#define NEW_NAME "." CHECKPOINT_NAME ".new"
/* A file smaller than this is never written anew; a test may have it smaller. */
#ifndef CHECKPOINT_SLACK
#define CHECKPOINT_SLACK (1 << 20)
#endif

enum { LINE_MAX_OCTETS = 2048, CHUNK = 1 << 18 };

/* How the fields of each kind stand in its line. */
static bool take_word(struct span *rest, struct span *word)
{
    return span_cut(rest, ' ', word) && word->n > 0;
}

static bool take_number(struct span *rest, int64_t *n)
{
    struct span word;
    uint64_t value;

    if (!take_word(rest, &word) || !span_number(word, INT64_MAX, &value))
        return false;
    *n = (int64_t)value;
    return true;
}

static bool parse_time(struct span *rest, struct checkpoint_line *out)
{
    return take_number(rest, &out->first) && take_number(rest, &out->wall);
}

static bool parse_kept(struct span *rest, struct checkpoint_line *out)
{
    int64_t tries;

    if (!take_word(rest, &out->name) || !take_number(rest, &out->first) ||
        !take_number(rest, &out->due) || !take_number(rest, &tries) || !take_word(rest, &out->to) ||
        !take_word(rest, &out->status))
        return false;
    out->tries = (uint64_t)tries;
    out->text = *rest;
    return true;
}

static bool parse_host(struct span *rest, struct checkpoint_line *out)
{
    int64_t tries;

    if (!take_word(rest, &out->name) || !take_number(rest, &out->due) || !take_number(rest, &tries))
        return false;
    out->tries = (uint64_t)tries;
    out->text = *rest;
    return true;
}

static const struct {
    const char *word;
    bool (*parse)(struct span *rest, struct checkpoint_line *out);
} kinds[] = {
    [CHECKPOINT_TIME] = {"TIME", parse_time},
    [CHECKPOINT_KEPT] = {"KEPT", parse_kept},
    [CHECKPOINT_HOST] = {"HOST", parse_host},
};

void checkpoint_parse(struct span line, struct checkpoint_line *out)
{
    struct span word, rest = line;

    *out = (struct checkpoint_line){.kind = CHECKPOINT_BAD};
    if (!take_word(&rest, &word))
        return;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (span_eq(word, span_of(kinds[i].word)) && kinds[i].parse(&rest, out))
            out->kind = (enum checkpoint_kind)i;
}

bool checkpoint_format(struct buf *out, const struct checkpoint_line *l)
{
    switch (l->kind) {
    case CHECKPOINT_TIME:
        return buf_printf(out, "TIME %" PRId64 " %" PRId64 "\n", l->first, l->wall);
    case CHECKPOINT_KEPT:
        buf_adds(out, "KEPT ");
        buf_addspan(out, l->name);
        buf_printf(out, " %" PRId64 " %" PRId64 " %" PRIu64 " ", l->first, l->due, l->tries);
        for (size_t i = 0; i < l->to.n; i++) /* a quoted local part may hold a blank */
            buf_addc(out, l->to.p[i] == ' ' ? '_' : l->to.p[i]);
        buf_addc(out, ' ');
        buf_addspan(out, l->status);
        break;
    case CHECKPOINT_HOST:
        buf_adds(out, "HOST ");
        buf_addspan(out, l->name);
        buf_printf(out, " %" PRId64 " %" PRIu64, l->due, l->tries);
        break;
    default:
        return false;
    }
    buf_addc(out, ' ');
    for (size_t i = 0; i < l->text.n; i++)
        buf_addc(out, l->text.p[i] == '\n' ? ' ' : l->text.p[i]);
    return buf_addc(out, '\n');
}

/* Calls `each` for every whole line of the file; a last line without LF was torn and is left out.
 * The result is the offset behind the last whole line, or -1. */
static int64_t
for_lines(int fd, bool (*each)(void *arg, struct span line, uint64_t offset, uint64_t number),
          void *arg)
{
    struct buf text = {0};
    uint64_t offset = 0, number = 0;
    ssize_t n = 0;
    bool good = true;

    while (good && buf_reserve(&text, CHUNK) &&
           (n = pread(fd, text.data + text.len, CHUNK, (off_t)(offset + text.len))) > 0) {
        text.len += (size_t)n;
        size_t used = 0;
        for (size_t end;
             good && (end = span_find(span_from(BUF_SPAN(&text), used), '\n')) < text.len - used;
             used += end + 1)
            good = each(arg, (struct span){text.data + used, end}, offset + used, ++number);
        buf_consume(&text, used);
        offset += used;
        if (text.len > (size_t)LINE_MAX_OCTETS * 64) /* not a file of ours: no line is that long */
            good = false;
    }
    bool failed = n < 0 || text.failed;
    int saved = errno;
    buf_free(&text);
    errno = saved;
    return failed ? -1 : (int64_t)offset;
}

struct load {
    uint64_t lines;
    void (*each)(void *arg, const struct checkpoint_line *l, uint64_t offset, uint64_t number);
    void *arg;
};

static bool load_line(void *arg, struct span line, uint64_t offset, uint64_t number)
{
    struct load *load = arg;
    struct checkpoint_line l;

    load->lines = number;
    checkpoint_parse(line, &l);
    load->each(load->arg, &l, offset, number);
    return true;
}

int checkpoint_open(struct checkpoint *c, int work,
                    void (*each)(void *arg, const struct checkpoint_line *l, uint64_t offset,
                                 uint64_t number),
                    void *arg)
{
    struct load load = {0, each, arg};

    *c = (struct checkpoint){.dir = work};
    unlinkat(work, NEW_NAME, 0); /* of one that was killed; write_anew() tries it again */
    c->fd = openat(work, CHECKPOINT_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->fd < 0)
        return -1;
    int64_t end = for_lines(c->fd, load_line, &load);
    /* Cut a torn line off, so that what is appended begins a line. */
    if (end < 0 || ftruncate(c->fd, end) < 0) {
        int saved = errno;
        checkpoint_close(c);
        errno = saved;
        return -1;
    }
    c->end = c->floor = (uint64_t)end;
    c->lines = load.lines;
    return 0;
}

void checkpoint_wanted(struct checkpoint *c, uint64_t lines)
{
    if (c->lines > lines)
        c->floor = c->end / c->lines * lines;
}

uint64_t checkpoint_append(struct checkpoint *c, const struct checkpoint_line *l)
{
    uint64_t offset = c->end + c->pending.len;

    checkpoint_format(&c->pending, l);
    return offset;
}

int checkpoint_flush(struct checkpoint *c)
{
    if (durable_write_at(c->fd, c->pending.data, c->pending.len, (off_t)c->end) < 0)
        return -1; /* what is there of it is written over, or cut off at the next start */
    c->end += c->pending.len;
    buf_clear(&c->pending);
    return 0;
}

struct compaction {
    const struct checkpoint_keeper *keeper;
    int fd;
    struct buf out;
    uint64_t end;
    bool failed;
};

static bool compact_flush(struct compaction *k)
{
    if (k->out.failed || durable_write(k->fd, k->out.data, k->out.len) < 0)
        k->failed = true;
    k->end += k->out.len;
    buf_clear(&k->out);
    return !k->failed;
}

static bool compact_line(void *arg, struct span line, uint64_t offset, uint64_t number)
{
    struct compaction *k = arg;
    struct checkpoint_line l;

    (void)number;
    checkpoint_parse(line, &l);
    if (l.kind != CHECKPOINT_BAD && k->keeper->wanted(k->keeper->arg, &l, offset)) {
        buf_addspan(&k->out, line);
        buf_addc(&k->out, '\n');
    }
    return k->out.len < CHUNK || compact_flush(k);
}

static bool move_line(void *arg, struct span line, uint64_t offset, uint64_t number)
{
    const struct checkpoint_keeper *keeper = arg;
    struct checkpoint_line l;

    (void)number;
    checkpoint_parse(line, &l);
    keeper->moved(keeper->arg, &l, offset);
    return true;
}

/* The lines that are wanted, in a file of their own, synced. Its descriptor, or -1. */
static int write_anew(struct checkpoint *c, struct compaction *k)
{
    if (unlinkat(c->dir, NEW_NAME, 0) < 0 && errno != ENOENT)
        return -1;
    k->fd = durable_create(c->dir, NEW_NAME, 0600);
    if (k->fd < 0)
        return -1;
    bool good =
        for_lines(c->fd, compact_line, k) >= 0 && compact_flush(k) && durable_sync(k->fd) == 0;
    int saved = errno;
    buf_free(&k->out);
    errno = saved;
    return good ? k->fd : durable_drop(k->fd);
}

int checkpoint_compact(struct checkpoint *c, const struct checkpoint_keeper *keeper)
{
    struct compaction k = {.keeper = keeper};

    if (c->end < CHECKPOINT_SLACK || c->end < 2 * c->floor || checkpoint_flush(c) < 0)
        return 0;
    c->floor = c->end; /* not again at once if it fails */
    if (write_anew(c, &k) < 0)
        return -1;
    if (renameat(c->dir, NEW_NAME, c->dir, CHECKPOINT_NAME) < 0)
        return durable_drop(k.fd);
    /* Only now: had it failed, the old places would still be right. */
    close(c->fd);
    c->fd = k.fd;
    c->end = c->floor = k.end;
    bool told = for_lines(c->fd, move_line, (void *)keeper) >= 0;
    return durable_sync(c->dir) == 0 && told ? 0 : -1;
}

void checkpoint_close(struct checkpoint *c)
{
    if (c->fd >= 0)
        close(c->fd); /* a hint, see above */
    c->fd = -1;
    buf_free(&c->pending);
}
