/* See letter.h. */
#include "sndmsg/letter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/charset.h"
#include "sndmsg/say.h"

enum { LOOK_BACK = 4096 };

bool letter_open(struct letter *l)
{
    *l = (struct letter){.text = SCRATCH_CLOSED, .files = SCRATCH_CLOSED};
    return scratch_open(&l->text) == 0;
}

void letter_close(struct letter *l)
{
    free(l->attachment);
    free(l->mark);
    scratch_close(&l->text);
    scratch_close(&l->files);
    *l = (struct letter){.text = SCRATCH_CLOSED, .files = SCRATCH_CLOSED};
}

bool letter_line(struct letter *l, struct span line)
{
    uint64_t before = l->text.size;

    if (scratch_write(&l->text, line) == 0 && scratch_write(&l->text, SPAN("\n")) == 0)
        return true;
    int saved = errno;
    l->text.size = before;
    errno = saved;
    return false;
}

/* At most LETTER_SHOWN octets, and no half character. */
static size_t shortened(struct span what)
{
    size_t n = what.n < LETTER_SHOWN ? what.n : LETTER_SHOWN;

    utf8_valid((struct span){what.p, n}, &n);
    return n;
}

static bool add_mark(struct letter *l, uint64_t start, struct span what, bool attached)
{
    if (l->marks == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        struct letter_mark *grown = reallocarray(l->mark, cap, sizeof(*grown));
        if (grown == NULL)
            return false;
        l->mark = grown;
        l->cap = cap;
    }
    struct letter_mark *m = &l->mark[l->marks++];
    *m = (struct letter_mark){.start = start, .end = l->text.size, .attached = attached};
    memcpy(m->what, what.p, shortened(what));
    return true;
}

bool letter_included(struct letter *l, uint64_t start, struct span what)
{
    char last = '\n';

    if (l->text.size > start && scratch_read(&l->text, l->text.size - 1, &last, 1) != 1)
        return false;
    if (last != '\n' && scratch_write(&l->text, SPAN("\n")) < 0)
        return false;
    return add_mark(l, start, what, false);
}

bool letter_attached(struct letter *l, const struct attachment *a, struct span what)
{
    if (l->attachments == LETTER_ATTACHMENTS_MAX) {
        errno = ENFILE;
        return false;
    }
    if (l->attachment == NULL)
        l->attachment = calloc(LETTER_ATTACHMENTS_MAX, sizeof(*l->attachment));
    if (l->attachment == NULL || !add_mark(l, l->text.size, what, true))
        return false;
    l->attachment[l->attachments] = *a;
    l->attachment[l->attachments++].end = l->files.size;
    return true;
}

/* Where the last line begins. */
static bool last_line(const struct letter *l, uint64_t *start)
{
    char piece[LOOK_BACK];
    uint64_t end = l->text.size - 1; /* its own LF */

    while (end > 0) {
        size_t n = end < sizeof(piece) ? (size_t)end : sizeof(piece);
        if (scratch_read(&l->text, end - n, piece, n) != (ssize_t)n)
            return false;
        const char *lf = memrchr(piece, '\n', n);
        if (lf != NULL) {
            *start = end - n + (uint64_t)(lf - piece) + 1;
            return true;
        }
        end -= n;
    }
    *start = 0;
    return true;
}

static bool cancel_line(struct letter *l, struct buf *what)
{
    char piece[LETTER_SHOWN];
    uint64_t start;

    if (!last_line(l, &start))
        return false;
    uint64_t length = l->text.size - 1 - start;
    size_t n = length < sizeof(piece) ? (size_t)length : sizeof(piece);
    if (n > 0 && scratch_read(&l->text, start, piece, n) != (ssize_t)n)
        return false;
    scratch_cut(&l->text, start);
    n = shortened((struct span){piece, n});
    buf_add(what, piece, n);
    return buf_adds(what, n < length ? "..." : "");
}

static bool cancel_mark(struct letter *l, struct buf *what)
{
    struct letter_mark *m = &l->mark[l->marks - 1];

    if (m->attached) {
        struct attachment *a = &l->attachment[l->attachments - 1];
        scratch_cut(&l->files, a->start);
        l->attachments--;
    } else {
        scratch_cut(&l->text, m->start);
    }
    buf_adds(what, m->what);
    l->marks--;
    return true;
}

bool letter_cancel(struct letter *l, struct buf *what)
{
    if (l->marks > 0 && l->mark[l->marks - 1].end == l->text.size)
        return cancel_mark(l, what);
    if (l->text.size == 0) {
        errno = ENOENT;
        return false;
    }
    return cancel_line(l, what);
}

bool letter_no_room(struct letter *l, struct buf *message)
{
    SAY(message, T01SM086E, scratch_folder(), strerror(errno));
    l->full = true;
    return false;
}

uint64_t letter_encoded(uint64_t octets)
{
    return (octets / 57 + 1) * 77; /* 57 octets make a line of 76 characters and its end */
}

uint64_t letter_room(const struct letter *l, uint64_t max)
{
    uint64_t used = l->text.size;

    for (size_t i = 0; i < l->attachments; i++)
        used += letter_encoded(l->attachment[i].end - l->attachment[i].start);
    return used < max ? max - used : 0;
}
