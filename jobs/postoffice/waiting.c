/* See waiting.h. */
#include "jobs/postoffice/waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/durable.h"
#include "lib/service.h"

enum {
    SAVE_SECONDS = 30, /* a checkpoint at most so often */
    FILE_MAX = 64 << 20,
    TRIES_MAX = 1000000
};

static int by_name(const void *a, const void *b)
{
    const struct waiting_entry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

int64_t waiting_now(const struct waiting *w)
{
    return w->service + (clock_steady_ms() - w->steady_ms) / 1000;
}

static void free_entry(void *entry)
{
    struct waiting_entry *e = entry;

    free(e->name);
    free(e->done);
    free(e);
}

static bool grow(struct waiting *w)
{
    size_t cap = w->cap ? w->cap * 2 : 64;
    void *more = w->count < w->cap ? w->entry : reallocarray(w->entry, cap, sizeof(void *));

    if (more == NULL)
        return false;
    w->cap = w->count < w->cap ? w->cap : cap;
    w->entry = more;
    return true;
}

/* Into the list and the tree, or into neither. */
static struct waiting_entry *add(struct waiting *w, const char *name)
{
    struct waiting_entry *e = grow(w) ? calloc(1, sizeof(*e)) : NULL;

    if (e == NULL)
        return NULL;
    *e = (struct waiting_entry){.name = strdup(name), .at = w->count, .first = waiting_now(w)};
    w->entry[w->count++] = e;
    if (e->name != NULL && tsearch(e, &w->root, by_name) != NULL)
        return e;
    w->count--;
    free_entry(e);
    return NULL;
}

struct waiting_entry *waiting_get(struct waiting *w, const char *name)
{
    char copy[NAME_MAX + 1];
    const struct waiting_entry key = {.name = copy};

    if (!span_copy(span_of(name), copy, sizeof(copy)))
        return NULL;
    struct waiting_entry **found = tfind(&key, &w->root, by_name);
    return found != NULL ? *found : add(w, name);
}

void waiting_remove(struct waiting *w, struct waiting_entry *e)
{
    w->dirty |= e->tries > 0;
    tdelete(e, &w->root, by_name);
    w->entry[e->at] = w->entry[--w->count];
    w->entry[e->at]->at = e->at;
    free_entry(e);
}

void waiting_later(struct waiting *w, struct waiting_entry *e, int64_t base, int64_t ceiling)
{
    e->due = waiting_now(w) + (int64_t)service_backoff(e->tries, (uint64_t)base, (uint64_t)ceiling);
    if (e->tries < TRIES_MAX)
        e->tries++;
    w->dirty = true;
}

void waiting_note_done(struct waiting_entry *e, const struct address *to)
{
    if (e->dones == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 4;
        struct address *more = reallocarray(e->done, cap, sizeof(*more));
        if (more == NULL)
            return; /* a Maildir's copy is found again by its name */
        e->done = more;
        e->cap = cap;
    }
    e->done[e->dones++] = *to;
}

bool waiting_was_done(const struct waiting_entry *e, const struct address *to)
{
    for (size_t i = 0; i < e->dones; i++)
        if (address_eq(&e->done[i], to))
            return true;
    return false;
}

void waiting_forget_done(struct waiting_entry *e)
{
    free(e->done);
    e->done = NULL;
    e->dones = e->cap = 0;
}

void waiting_prune(struct waiting *w)
{
    for (size_t i = w->count; i-- > 0;) {
        struct waiting_entry *e = w->entry[i];
        if (e->seen || e->active)
            e->seen = false;
        else
            waiting_remove(w, e);
    }
}

void waiting_hurry(struct waiting *w)
{
    for (size_t i = 0; i < w->count; i++)
        w->entry[i]->due = 0;
}

int64_t waiting_next_due(const struct waiting *w)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < w->count; i++) {
        const struct waiting_entry *e = w->entry[i];
        if (!e->active && e->tries > 0 && e->due < due)
            due = e->due;
    }
    return due;
}

/* The checkpoint. */

static bool take_number(struct span *rest, int64_t *value)
{
    struct span word;
    uint64_t n;

    if (!span_cut(rest, ' ', &word) || !span_number(word, INT64_MAX / 4, &n))
        return false;
    *value = (int64_t)n;
    return true;
}

struct clock_line {
    int64_t service, wall;
};

static bool take_time(struct waiting *w, struct span rest, struct clock_line *c)
{
    (void)w;
    return take_number(&rest, &c->service) && take_number(&rest, &c->wall);
}

static bool take_kept(struct waiting *w, struct span rest, struct clock_line *c)
{
    char name[NAME_MAX + 1];
    int64_t first, due, tries;

    (void)c;
    if (!take_number(&rest, &first) || !take_number(&rest, &due) || !take_number(&rest, &tries) ||
        tries > TRIES_MAX || rest.n == 0 || !span_copy(rest, name, sizeof(name)) ||
        strlen(name) != rest.n)
        return false;
    struct waiting_entry *e = waiting_get(w, name);
    if (e == NULL)
        return true; /* memory is short: it is tried at once */
    e->first = first;
    e->due = due;
    e->tries = (unsigned)tries;
    return true;
}

static const struct {
    const char *word;
    bool (*take)(struct waiting *w, struct span rest, struct clock_line *c);
} lines[] = {
    {"TIME ", take_time},
    {"KEPT ", take_kept},
};

static bool take_line(struct waiting *w, struct span line, struct clock_line *c)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct span word = span_of(lines[i].word);
        if (line.n > word.n && span_eq((struct span){line.p, word.n}, word))
            return lines[i].take(w, span_from(line, word.n), c);
    }
    return false;
}

static bool read_all(int fd, struct buf *text)
{
    ssize_t n = 1;

    while (n != 0 && text->len <= FILE_MAX && buf_reserve(text, 65536)) {
        n = read(fd, text->data + text->len, 65536);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            text->len += (size_t)n;
    }
    return n == 0;
}

/* Times that the clock has not reached, or will not for long, come from a damaged file. */
static void mend_times(const struct waiting *w, int64_t delay_max)
{
    for (size_t i = 0; i < w->count; i++) {
        struct waiting_entry *e = w->entry[i];
        if (e->first > w->service)
            e->first = w->service;
        if (e->due > w->service + delay_max)
            e->due = w->service;
    }
}

size_t waiting_open(struct waiting *w, int work, int64_t wall, int64_t gap_max)
{
    struct buf text = {0};
    struct clock_line c = {0, wall};
    size_t number = 0, damaged = 0;
    int fd = openat(work, WAITING_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    *w = (struct waiting){.steady_ms = clock_steady_ms()};
    if (fd < 0)
        return 0;
    if (!read_all(fd, &text))
        buf_clear(&text);
    close(fd); /* read only */
    struct span rest = BUF_SPAN(&text), line;
    while (span_line(&rest, &line)) {
        number++;
        if (!take_line(w, line, &c) && damaged == 0)
            damaged = number;
    }
    buf_free(&text);
    w->service = service_resumed(c.service, c.wall, wall, gap_max);
    w->saved = w->service;
    w->dirty = w->count > 0; /* the two clocks are to be noted side by side in each run */
    mend_times(w, gap_max);
    return damaged;
}

int waiting_save(struct waiting *w, int work, int64_t wall, bool force)
{
    struct buf text = {0};
    int64_t now = waiting_now(w);

    if (!w->dirty || (!force && now - w->saved < SAVE_SECONDS))
        return 0;
    buf_printf(&text, "TIME %" PRId64 " %" PRId64 "\n", now, wall < 0 ? 0 : wall);
    for (size_t i = 0; i < w->count; i++) {
        const struct waiting_entry *e = w->entry[i];
        if (e->tries > 0 && strchr(e->name, '\n') == NULL)
            buf_printf(&text, "KEPT %" PRId64 " %" PRId64 " %u %s\n", e->first, e->due, e->tries,
                       e->name);
    }
    int result = -1;
    if (text.failed)
        errno = ENOMEM;
    else
        result = durable_replace(work, WAITING_NAME, text.data, text.len, 0600);
    int saved = errno;
    buf_free(&text);
    w->saved = now; /* not again at once if it failed */
    w->dirty = result < 0;
    errno = saved;
    return result;
}

void waiting_close(struct waiting *w)
{
    while (w->count > 0)
        waiting_remove(w, w->entry[w->count - 1]);
    free(w->entry);
    *w = (struct waiting){0};
}
