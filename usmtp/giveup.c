/* See giveup.h. */
#include "usmtp/giveup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dataset.h"
#include "lib/hold.h"
#include "lib/login.h"
#include "lib/unit.h"
#include "usmtp/mailfile.h"
#include "usmtp/report.h"

bool giveup_add(struct giveup *g, const struct giveup_item *item)
{
    if (g->items == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 16;
        void *grown = reallocarray(g->item, cap, sizeof(*g->item));
        if (grown == NULL)
            return false;
        g->item = grown;
        g->cap = cap;
    }
    g->item[g->items++] = *item;
    return true;
}

void giveup_free(struct giveup *g)
{
    free(g->item);
    g->item = NULL;
    g->items = g->cap = 0;
}

/* Takes what was written so far into the file. */
static int drain(int fd, struct buf *out)
{
    int result = out->failed ? -1 : durable_write(fd, out->data, out->len);

    if (out->failed)
        errno = ENOMEM;
    buf_clear(out);
    return result;
}

/* The text of the original, as plain lines. */
static int copy_text(int fd, struct mailfile *m, struct buf *out)
{
    struct buf rest = {0}; /* an ASA line that its piece cut */
    struct span piece;
    bool first = true;
    int result = 0;

    do {
        if (!mailfile_read(m, &piece)) {
            result = -1;
            break;
        }
        if (!m->asa) {
            buf_addspan(out, piece);
        } else if (!buf_addspan(&rest, piece)) {
            errno = ENOMEM;
            result = -1;
            break;
        } else {
            struct span lines = BUF_SPAN(&rest);
            while (piece.n > 0 && lines.n > 0 && lines.p[lines.n - 1] != '\n')
                lines.n--;
            text_effectors(lines, out, &first);
            buf_consume(&rest, lines.n);
        }
        result = drain(fd, out);
    } while (result == 0 && piece.n > 0);
    int saved = errno;
    buf_free(&rest);
    errno = saved;
    return result;
}

static int write_notice(int fd, struct mailfile *m, const struct report *r)
{
    struct buf out = {0};

    report_head(&out, r);
    int result = drain(fd, &out);
    if (result == 0)
        result = copy_text(fd, m, &out);
    if (result == 0) {
        report_tail(&out, r);
        result = drain(fd, &out);
    }
    int saved = errno;
    buf_free(&out);
    errno = saved;
    return result;
}

/* Kept with its reason, and its owner told: in HOLD what somebody can mend, in DEAD a notice that
 * nobody can be sent. */
static int stage_kept(struct giveup *g, struct unit *u, const struct giveup_item *i, char *as,
                      enum unit_part part)
{
    char id[DSNAME_MAX + 1], owner[LOGIN_MAX + 1];
    struct hold h = {.program = g->program,
                     .by = "USMTP",
                     .part = part,
                     .as = as,
                     .id = id,
                     .subject = "A mail data set of yours is held",
                     .reason = i->verdict.text,
                     .advice = "When it is corrected, put it into mail/ again under its name."};
    struct stat st;
    uint64_t stamp;

    if (part == UNIT_HOLD && fstatat(u->in, as, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (login_name(st.st_uid, owner) == LOGIN_TROUBLE ||
            dataset_names_take(g->spool, clock_wall(), 1, &stamp) < 0 ||
            !dsname_format(SPAN("USMTP"), stamp, id))
            return -1;
        h.owner = owner;
    }
    return hold_stage(u, &h);
}

static void fill_report(const struct giveup *g, const struct giveup_item *i,
                        const struct mailfile *m, const char *id, struct report *r)
{
    const struct site *site = g->program->site;
    char local[ADDRESS_LOCAL_MAX];
    struct user user;

    bool known = site_owns(site, address_domain(&m->from)) &&
                 notice_find(g->program->users, (struct span){NULL, 0},
                             address_local_text(&m->from, local), &user);
    *r = (struct report){
        .notice = {.site = site, .id = id, .program = "USMTP", .wall = clock_wall()},
        .data_set = i->name,
        .from = m->from,
        .to = m->to,
        .status = i->verdict.status,
        .host = i->host,
        .diagnostic = i->verdict.text,
        .remote = i->verdict.remote,
        .expired = i->kind == GIVEUP_EXPIRED,
        .arrived = i->arrived,
    };
    r->notice.offset = clock_offset(r->notice.wall);
    r->last_try = r->notice.wall;
    notice_user(site, known ? &user : NULL, &r->notice.to);
}

/* The notice to its sender; a dead letter where there is none. */
static int stage_notice(struct giveup *g, struct unit *u, const struct giveup_item *i, char *as,
                        struct mailfile *m)
{
    const struct msg_log *log = &g->program->log;
    char id[DSNAME_MAX + 1];
    struct report r;
    uint64_t stamp;

    if (address_is_null(&m->from)) {
        MSG(log, T01SM043E, i->name, "it is itself a notice");
        return stage_kept(g, u, i, as, UNIT_DEAD);
    }
    if (dataset_names_take(g->spool, clock_wall(), 1, &stamp) < 0 ||
        !dsname_format(SPAN("USMTP"), stamp, id))
        return -1;
    fill_report(g, i, m, id, &r);
    int fd = unit_create(u, g->program->site->postoffice != NULL ? UNIT_POST : UNIT_PRT, id);
    if (fd < 0)
        return -1;
    return write_notice(fd, m, &r) < 0 ? durable_drop(fd) : unit_done(u, fd);
}

/* Claims the item, and stages what becomes of it. Gone already: nothing is to be done. */
static int stage_item(struct giveup *g, struct unit *u, const struct giveup_item *i)
{
    struct watch_list none = {0};
    char reason[320], as[NAME_MAX + 1];
    struct mailfile m = {.fd = -1};

    if (i->kind != GIVEUP_FAULTY) {
        enum mailfile_result r = mailfile_open(&m, g->program, g->spool->queue[QUEUE_MAIL], i->name,
                                               &none, MAILFILE_WHOLE, reason);
        ready_free(&none);
        if (r != MAILFILE_OPEN)
            return r == MAILFILE_GONE ? 0 : -1;
    }
    int result = unit_claim(u, i->name, as);
    if (result < 0) {
        result = errno == ENOENT ? 0 : -1;
    } else if (i->kind == GIVEUP_FAULTY) {
        MSG(&g->program->log, T01SM041W, i->name, i->verdict.text);
        result = stage_kept(g, u, i, as, UNIT_HOLD);
    } else {
        result = stage_notice(g, u, i, as, &m);
    }
    int saved = errno;
    mailfile_close(&m);
    errno = saved;
    return result;
}

static int settle_batch(struct giveup *g, const struct giveup_item *item, size_t n,
                        void (*gone)(void *arg, const struct giveup_item *item), void *arg)
{
    struct unit u;
    int result = unit_begin(&u, g->spool, "usmtp", ++g->units, QUEUE_MAIL);

    for (size_t i = 0; result == 0 && i < n; i++)
        if (stage_item(g, &u, &item[i]) < 0)
            result = -1;
    if (result < 0) {
        int saved = errno;
        if (unit_rollback(&u) < 0)
            return -2;
        errno = saved;
        return -1;
    }
    if (unit_commit(&u) < 0 || unit_publish(&u) < 0)
        return -2;
    for (size_t i = 0; i < n; i++)
        gone(arg, &item[i]);
    return 0;
}

int giveup_settle(struct giveup *g, void (*gone)(void *arg, const struct giveup_item *item),
                  void *arg)
{
    int result = 0;

    for (size_t at = 0; at < g->items && result != -2; at += GIVEUP_BATCH) {
        size_t n = g->items - at < GIVEUP_BATCH ? g->items - at : GIVEUP_BATCH;
        int r = settle_batch(g, g->item + at, n, gone, arg);
        /* One bad item must not hold up the others of its batch. */
        for (size_t i = at; r == -1 && n > 1 && i < at + n; i++)
            if (settle_batch(g, g->item + i, 1, gone, arg) == -2)
                r = -2;
        if (r < 0)
            result = r;
    }
    g->items = 0;
    return result;
}
