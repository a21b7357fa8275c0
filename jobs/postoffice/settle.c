/* See settle.h. */
#include "jobs/postoffice/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "jobs/postoffice/addressee.h"
#include "jobs/postoffice/undelivered.h"
#include "lib/clock.h"
#include "lib/dataset.h"
#include "lib/header.h"
#include "lib/unit.h"
#include "lib/wake.h"

enum { PIECE = 65536 };

#define REST_ENDING ".REST"

/* A unit of work on one file. */
struct work {
    struct settle *s;
    struct settle_file *f;
    struct unit unit;
    char as[NAME_MAX + 1]; /* the claimed file in the unit */
    size_t count[RECIPIENT_STATES];
    bool data_sets; /* something for usmtp */
};

static void count_states(struct work *w)
{
    memset(w->count, 0, sizeof(w->count));
    for (size_t i = 0; i < w->f->recipients; i++)
        w->count[w->f->recipient[i].state]++;
}

static int no_memory(void)
{
    errno = ENOMEM;
    return -1;
}

/* `head`, then the spool file from `offset` on; into a new file of the unit. With `same_time` it is
 * as old as the spool file, and so are the copies that are made of it (postfile_id). */
static int stage_file(struct work *w, enum unit_part part, const char *name, const struct buf *head,
                      const uint64_t *offset, bool same_time)
{
    char piece[PIECE];
    uint64_t at = offset != NULL ? *offset : 0;
    ssize_t n = 0;

    if (head->failed)
        return no_memory();
    int fd = unit_create(&w->unit, part, name);
    if (fd < 0)
        return -1;
    int result = durable_write(fd, head->data, head->len);
    while (result == 0 && offset != NULL &&
           (n = postfile_read(w->f->file, &at, piece, sizeof(piece))) > 0)
        result = durable_write(fd, piece, (size_t)n);
    const struct timespec times[2] = {w->f->file->written, w->f->file->written};
    if (result == 0 && n == 0 && same_time)
        result = futimens(fd, times);
    if (result == 0 && n == 0)
        return unit_done(&w->unit, fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* A spool file like the claimed one, for the recipients in that state only. */
static int stage_rest(struct work *w, enum unit_part part, const char *name,
                      enum recipient_state state)
{
    struct postfile *file = w->f->file;
    struct address *to = calloc(w->count[state], sizeof(*to));
    struct buf head = {0};
    size_t n = 0;

    if (to == NULL)
        return no_memory();
    for (size_t i = 0; i < w->f->recipients; i++)
        if (w->f->recipient[i].state == state)
            to[n++] = w->f->recipient[i].to;
    envelope_write(&head, &file->envelope.from, to, n, false);
    if (file->envelope.data_record)
        buf_adds(&head, "DATA\n"); /* the text behind it may look like an envelope */
    int result = stage_file(w, part, name, &head, &file->text_at, true);
    int saved = errno;
    buf_free(&head);
    free(to);
    errno = saved;
    return result;
}

/* Names for `count` data sets. */
static int take_names(const struct work *w, unsigned count, uint64_t *stamp)
{
    return dataset_names_take(w->s->spool, clock_wall(), count, stamp);
}

/* A mail that goes on from here: who sends it, and for whom it came. `keeper`, if not NULL, is one
 * whose FORWARD was followed too. */
struct onward {
    const struct address *from, *to;
    size_t tos;
    const struct address *came_for, *keeper;
};

static void onward_head(const struct work *w, const struct onward *o, const char *id,
                        struct buf *head)
{
    const struct postfile *file = w->f->file;
    int64_t wall = clock_wall();

    envelope_write(head, o->from, o->to, o->tos, false);
    buf_printf(head, "Received: by %s (spoolmail POSTOFFICE) id %s\n\tfor <%s>; ",
               w->s->program->site->host, id, o->came_for->text);
    header_date(head, wall, clock_offset(wall));
    buf_printf(head, "\nDelivered-To: %s\n", o->came_for->text);
    if (o->keeper != NULL)
        buf_printf(head, "Delivered-To: %s\n", o->keeper->text);
    buf_addspan(head, BUF_SPAN(&file->header));
    if (file->bare)
        buf_addc(head, '\n');
}

/* Under the name *stamp stands for, which is then the next. */
static int stage_onward(struct work *w, enum unit_part part, const struct onward *o,
                        uint64_t *stamp)
{
    char name[DSNAME_MAX + 1];
    struct buf head = {0};

    if (!dsname_format(span_of(w->s->program->site->path), *stamp, name)) {
        errno = EINVAL;
        return -1;
    }
    *stamp = dsname_next(*stamp);
    onward_head(w, o, name, &head);
    int result = stage_file(w, part, name, &head, &w->f->file->body_at, false);
    int saved = errno;
    buf_free(&head);
    errno = saved;
    w->data_sets |= part == UNIT_MAIL;
    return result;
}

static int stage_forwards(struct work *w)
{
    const struct address *from = &w->f->file->envelope.from;
    uint64_t stamp = 0;
    int result = 0;

    if (w->count[RECIPIENT_FORWARD] == 0)
        return 0;
    result = take_names(w, (unsigned)w->count[RECIPIENT_FORWARD], &stamp);
    for (size_t i = 0; result == 0 && i < w->f->recipients; i++) {
        const struct recipient *r = &w->f->recipient[i];
        if (r->state == RECIPIENT_FORWARD)
            result = stage_onward(w, UNIT_MAIL,
                                  &(struct onward){from, &r->target, 1, &r->office, NULL}, &stamp);
    }
    return result;
}

/* The members of a list who are users here, in one file. */
static int stage_here(struct work *w, const struct recipient *r, uint64_t *stamp)
{
    struct address *to = calloc(r->list.members, sizeof(*to));
    size_t n = 0;

    if (to == NULL)
        return no_memory();
    for (size_t i = 0; i < r->list.members; i++)
        if (r->list.member[i].way == LIST_HERE)
            to[n++] = r->list.member[i].to;
    int result =
        stage_onward(w, UNIT_POST, &(struct onward){&r->list.from, to, n, &r->office, NULL}, stamp);
    int saved = errno;
    free(to);
    errno = saved;
    return result;
}

static int stage_list(struct work *w, const struct recipient *r)
{
    const struct mail_list *l = &r->list;
    size_t here = mail_list_count(l, LIST_HERE);
    size_t files = l->members - here + (here > 0 ? 1 : 0);
    uint64_t stamp = 0;

    if (files == 0)
        return 0;
    int result = take_names(w, (unsigned)files, &stamp);
    if (result == 0 && here > 0)
        result = stage_here(w, r, &stamp);
    for (size_t i = 0; result == 0 && i < l->members; i++) {
        const struct list_member *m = &l->member[i];
        const struct onward o = {&l->from, &m->to, 1, &r->office,
                                 m->way == LIST_KEEPER ? &m->to : NULL};
        if (m->way != LIST_HERE)
            result = stage_onward(w, m->way == LIST_AWAY ? UNIT_MAIL : UNIT_POST, &o, &stamp);
    }
    return result;
}

static int stage_lists(struct work *w)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < w->f->recipients; i++)
        if (w->f->recipient[i].state == RECIPIENT_LIST)
            result = stage_list(w, &w->f->recipient[i]);
    return result;
}

/* A sender of this system is told through its own post office, anybody else through usmtp. */
static bool address_notice(const struct work *w, struct notice *n, enum unit_part *part)
{
    const struct address *from = &w->f->file->envelope.from;
    const struct site *site = n->site;
    char local[ADDRESS_LOCAL_MAX];
    struct user user;

    *part = UNIT_MAIL;
    n->to = *from;
    if (!site_owns(site, address_domain(from)))
        return true;
    bool known = notice_find(w->s->program->users, (struct span){NULL, 0},
                             address_local_text(from, local), &user);
    *part = UNIT_POST;
    return notice_user(site, known ? &user : NULL, &n->to);
}

static int stage_notice(struct work *w)
{
    const struct site *site = w->s->program->site;
    char id[DSNAME_MAX + 1], boundary[48];
    uint64_t stamp, random[2];
    enum unit_part part;
    struct buf text = {0};
    struct undelivered u = {
        .notice = {.site = site, .id = id, .program = "POSTOFFICE", .wall = clock_wall()},
        .boundary = boundary,
        .file = w->f->name,
        .header = BUF_SPAN(&w->f->file->header),
        .recipient = w->f->recipient,
        .recipients = w->f->recipients,
    };

    if (w->count[RECIPIENT_REFUSED] == 0)
        return 0;
    u.notice.offset = clock_offset(u.notice.wall);
    if (take_names(w, 1, &stamp) < 0 ||
        getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -1;
    snprintf(boundary, sizeof(boundary), "=_%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    if (!address_notice(w, &u.notice, &part) || !dsname_format(span_of(site->path), stamp, id)) {
        errno = EINVAL;
        return -1;
    }
    undelivered_write(&text, &u);
    int result = stage_file(w, part, id, &text, NULL, false);
    int saved = errno;
    buf_free(&text);
    errno = saved;
    w->data_sets |= part == UNIT_MAIL;
    return result;
}

static void write_reason(const struct work *w, struct buf *out)
{
    buf_adds(out, "The spool file ");
    buf_addsafe(out, span_of(w->f->name));
    buf_adds(out, " was not delivered.\n\n");
    if (w->f->fault != NULL) {
        buf_adds(out, "Reason: ");
        buf_addsafe(out, span_of(w->f->fault));
        buf_addc(out, '\n');
    }
    for (size_t i = 0; i < w->f->recipients; i++) {
        const struct recipient *r = &w->f->recipient[i];
        if (r->state != RECIPIENT_HELD)
            continue;
        buf_adds(out, "Recipient <");
        buf_addsafe(out, span_of(r->to.text));
        buf_printf(out, ">: %s\n", r->text != NULL ? r->text : r->status);
    }
    buf_adds(out, "\nWhen that is mended, put the file into jes/POST again.\n");
}

/* With a reason for it in HOLD, the claimed file goes there when the unit is published. */
static int stage_held(struct work *w)
{
    char name[NAME_MAX + 1], reason[NAME_MAX + 1 + sizeof(UNIT_REASON)];
    struct buf text = {0};
    bool all = w->count[RECIPIENT_HELD] == w->f->recipients;
    int result = 0;

    if (w->count[RECIPIENT_HELD] == 0 && w->f->fault == NULL)
        return 0;
    snprintf(name, sizeof(name), "%.230s%s", w->as, all ? "" : REST_ENDING);
    snprintf(reason, sizeof(reason), "%s" UNIT_REASON, all ? w->as : name);
    if (!all)
        result = stage_rest(w, UNIT_HOLD, name, RECIPIENT_HELD);
    write_reason(w, &text);
    if (result == 0)
        result = stage_file(w, UNIT_HOLD, reason, &text, NULL, false);
    int saved = errno;
    buf_free(&text);
    errno = saved;
    return result;
}

/* Is what was claimed the file that was delivered? */
static bool same_file(const struct work *w)
{
    struct stat st;

    if (fstatat(w->unit.in, w->as, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == w->f->inode)
        return true;
    errno = ESTALE;
    return false;
}

static int stage(struct work *w)
{
    if (unit_claim(&w->unit, w->f->name, w->as) < 0 || !same_file(w) || stage_forwards(w) < 0 ||
        stage_lists(w) < 0 || stage_notice(w) < 0 || stage_held(w) < 0)
        return -1;
    return w->count[RECIPIENT_LATER] == 0 ? 0
                                          : stage_rest(w, UNIT_POST, w->f->name, RECIPIENT_LATER);
}

static enum settle_result settle_unit(struct work *w)
{
    struct settle *s = w->s;

    if (unit_begin(&w->unit, s->spool, "postoffice", ++s->units, QUEUE_POST) < 0 || stage(w) < 0) {
        int saved = errno;
        if (unit_rollback(&w->unit) < 0)
            return SETTLE_IN_DOUBT;
        errno = saved;
        return saved == ENOENT || saved == ESTALE ? SETTLE_GONE : SETTLE_TROUBLE;
    }
    if (unit_commit(&w->unit) < 0 || unit_publish(&w->unit) < 0)
        return SETTLE_IN_DOUBT;
    if (w->data_sets)
        wake_send(s->spool->queue[QUEUE_MAIL]);
    return w->count[RECIPIENT_LATER] > 0 ? SETTLE_KEPT : SETTLE_GONE;
}

/* Everybody has his copy: the file is purged. */
static enum settle_result purge(const struct work *w)
{
    int post = w->s->spool->queue[QUEUE_POST];
    struct stat st;

    if (fstatat(post, w->f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? SETTLE_GONE : SETTLE_TROUBLE;
    if (st.st_ino != w->f->inode)
        return SETTLE_GONE;
    return unlinkat(post, w->f->name, 0) < 0 ? SETTLE_TROUBLE : SETTLE_GONE;
}

/* Notices never cause notices: what has no sender is the operator's. */
static void hold_unsent(struct settle_file *f)
{
    if (f->fault != NULL || !address_is_null(&f->file->envelope.from))
        return;
    for (size_t i = 0; i < f->recipients; i++)
        if (f->recipient[i].state == RECIPIENT_REFUSED)
            f->recipient[i].state = RECIPIENT_HELD;
}

enum settle_result settle(struct settle *s, struct settle_file *f)
{
    struct work w = {.s = s, .f = f};

    hold_unsent(f);
    count_states(&w);
    if (f->fault == NULL && w.count[RECIPIENT_DONE] == f->recipients)
        return purge(&w);
    if (f->fault == NULL && w.count[RECIPIENT_LATER] == f->recipients)
        return SETTLE_KEPT;
    return settle_unit(&w);
}
