/* See restore.h. */
#include "usmtp/restore.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/dsname.h"
#include "lib/service.h"

void restore_note_kept(struct deliver *d, uint32_t i, const char *to, const char *status,
                       const char *text)
{
    struct entry *e = &d->queue.entry[i];
    char name[DSNAME_MAX + 1];

    deliver_data_set(d, i, name);
    struct checkpoint_line l = {.kind = CHECKPOINT_KEPT,
                                .name = span_of(name),
                                .first = e->first,
                                .due = e->due,
                                .tries = e->tries,
                                .to = span_of(to[0] != '\0' ? to : "-"),
                                .status = span_of(status),
                                .text = span_of(text)};
    e->line = checkpoint_append(&d->checkpoint, &l);
}

void restore_note_host(struct deliver *d, const struct destination *t)
{
    struct checkpoint_line l = {.kind = CHECKPOINT_HOST,
                                .name = span_of(t->route.key),
                                .due = t->due,
                                .tries = t->tries,
                                .text = span_of(t->why)};

    checkpoint_append(&d->checkpoint, &l);
}

static void note_time(struct deliver *d)
{
    struct checkpoint_line l = {
        .kind = CHECKPOINT_TIME, .first = deliver_now(d), .wall = clock_wall()};

    d->time_line = checkpoint_append(&d->checkpoint, &l);
}

/* The mail that a line is about; ENTRY_NONE. */
static uint32_t entry_of(const struct deliver *d, const struct checkpoint_line *l)
{
    uint64_t stamp;

    return dsname_parse(span_of(d->program->site->path), l->name, &stamp)
               ? queue_find(&d->queue, stamp)
               : ENTRY_NONE;
}

/* Is the line still the last word on what it speaks of? */
static bool line_wanted(void *arg, const struct checkpoint_line *l, uint64_t offset)
{
    const struct deliver *d = arg;

    if (l->kind == CHECKPOINT_HOST)
        return l->due > deliver_now(d);
    if (l->kind == CHECKPOINT_TIME)
        return offset == d->time_line;
    uint32_t i = entry_of(d, l);
    return i != ENTRY_NONE && d->queue.entry[i].line == offset;
}

static void line_moved(void *arg, const struct checkpoint_line *l, uint64_t offset)
{
    struct deliver *d = arg;

    if (l->kind == CHECKPOINT_TIME)
        d->time_line = offset;
    uint32_t i = l->kind == CHECKPOINT_KEPT ? entry_of(d, l) : ENTRY_NONE;
    if (i != ENTRY_NONE)
        d->queue.entry[i].line = offset;
}

void restore_save(struct deliver *d, bool time)
{
    const struct checkpoint_keeper keeper = {line_wanted, line_moved, d};

    if (time || d->checkpoint.pending.len > 0)
        note_time(d);
    if (checkpoint_flush(&d->checkpoint) < 0 || checkpoint_compact(&d->checkpoint, &keeper) < 0)
        MSG(&d->program->log, T01SM001I, "work/CHKPT", strerror(errno), "TRIED AGAIN LATER");
}

static void load_time(struct deliver *d, const struct checkpoint_line *l, uint64_t offset)
{
    d->service_base = service_resumed(l->first, l->wall, clock_wall(),
                                      (int64_t)site_longest_ceiling(d->program->site));
    d->time_line = offset;
}

static void load_kept(struct deliver *d, const struct checkpoint_line *l, uint64_t offset)
{
    uint64_t stamp;

    if (!dsname_parse(span_of(d->program->site->path), l->name, &stamp))
        return; /* PATH was changed: its data set is no longer ours */
    uint32_t i = queue_find(&d->queue, stamp);
    if (i == ENTRY_NONE)
        i = queue_add(&d->queue, stamp, l->first);
    if (i == ENTRY_NONE)
        return;
    struct entry *e = &d->queue.entry[i];
    e->first = l->first;
    e->due = l->due;
    e->tries = (l->tries < TRIES_MAX ? (uint32_t)l->tries : TRIES_MAX) & 0xFFFFFF;
    e->line = offset;
    e->heap = 0;                    /* not seen in mail/ yet */
    if (d->service_base < l->first) /* its TIME line was lost */
        d->service_base = l->first;
}

static void load_host(struct deliver *d, const struct checkpoint_line *l)
{
    struct route route = {0}; /* its key is all that counts until mail is routed to it */

    if (l->name.n == 0 || !span_copy(l->name, route.key, sizeof(route.key)))
        return;
    struct destination *t = destination_get(d, &route);
    if (t == NULL)
        return;
    t->due = l->due;
    t->tries = (uint32_t)(l->tries < TRIES_MAX ? l->tries : TRIES_MAX);
    span_copy((struct span){l->text.p, l->text.n < 300 ? l->text.n : 300}, t->why, sizeof(t->why));
}

static void load_line(void *arg, const struct checkpoint_line *l, uint64_t offset, uint64_t number)
{
    struct deliver *d = arg;

    switch (l->kind) {
    case CHECKPOINT_TIME:
        load_time(d, l, offset);
        break;
    case CHECKPOINT_KEPT:
        load_kept(d, l, offset);
        break;
    case CHECKPOINT_HOST:
        load_host(d, l);
        break;
    case CHECKPOINT_BAD:
        MSG(&d->program->log, T01SM044W, msg_num((long long)number).text);
        break;
    }
}

static int64_t at_most(int64_t time, int64_t limit)
{
    return time < limit ? time : limit;
}

bool restore_open(struct deliver *d)
{
    if (checkpoint_open(&d->checkpoint, d->spool->work, load_line, d) < 0)
        return false;
    int64_t longest = (int64_t)site_longest_ceiling(d->program->site);
    checkpoint_wanted(&d->checkpoint, d->queue.live + d->destinations.count + 1U);
    for (uint32_t i = 0; i < d->destinations.count; i++) {
        struct destination *t = d->destinations.row[i];
        t->due = at_most(t->due, d->service_base + longest);
    }
    note_time(d);
    return true;
}

void restore_bound(struct deliver *d, uint32_t i)
{
    struct entry *e = &d->queue.entry[i];

    e->first = at_most(e->first, d->service_base);
    e->due = at_most(e->due, d->service_base + (int64_t)site_longest_ceiling(d->program->site));
}
