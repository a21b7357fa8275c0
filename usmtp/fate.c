/* See fate.h. */
#include "usmtp/fate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dsname.h"
#include "usmtp/outcome.h"
#include "usmtp/restore.h"

enum { SYNC_DELAY_MS = 100 /* removals wait so long for one sync */ };

static uint32_t random32(void)
{
    uint32_t r = 0;

    if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
        r = (uint32_t)clock_steady_ms(); /* only jitter */
    return r;
}

int64_t fate_delay(const struct site_schedule *s, uint32_t tries)
{
    return retry_delay(tries, s->interval, s->ceiling, random32());
}

void fate_keep(struct deliver *d, uint32_t i, int64_t delay)
{
    queue_keep(&d->queue, i, deliver_now(d) + delay);
}

static void give_up(struct deliver *d, uint32_t i, const struct verdict *v, const char *host,
                    enum giveup_kind kind)
{
    struct entry *e = &d->queue.entry[i];
    struct giveup_item item = {.stamp = e->stamp, .kind = kind, .verdict = *v};

    deliver_data_set(d, i, item.name);
    snprintf(item.host, sizeof(item.host), "%s", host);
    item.arrived = dsname_wall(e->stamp);
    if (!giveup_add(&d->giveup, &item))
        fate_keep(d, i, TROUBLE_DELAY);
    deliver_soon(d);
}

static void log_attempt(const struct deliver *d, uint32_t i, const struct attempt *a,
                        const char *status, const struct verdict *v)
{
    char name[DSNAME_MAX + 1], text[640];
    int64_t delay = clock_wall() - dsname_wall(d->queue.entry[i].stamp);

    deliver_data_set(d, i, name);
    snprintf(text, sizeof(text), "%s (%s)", status, v->text);
    MSG(&d->program->log, T01SM040I, name, a->from, a->to, a->relay,
        msg_num(delay > 0 ? delay : 0).text, v->status, text);
}

bool fate_too_old(const struct deliver *d, uint32_t i, const struct site_schedule *s)
{
    return deliver_now(d) - d->queue.entry[i].first >= (int64_t)s->most;
}

bool fate_expire(struct deliver *d, uint32_t i, const struct attempt *a, const struct verdict *v)
{
    struct verdict expired = *v;

    if (!fate_too_old(d, i, a->schedule))
        return false;
    snprintf(expired.status, sizeof(expired.status), "4.4.7"); /* delivery time expired, RFC 3463 */
    log_attempt(d, i, a, "bounced", &expired);
    give_up(d, i, &expired, a->host, GIVEUP_EXPIRED);
    return true;
}

static void put_off(struct deliver *d, uint32_t i, const struct attempt *a, const struct verdict *v)
{
    struct entry *e = &d->queue.entry[i];

    if (fate_expire(d, i, a, v))
        return;
    log_attempt(d, i, a, "deferred", v);
    fate_keep(d, i, fate_delay(a->schedule, e->tries));
    if (e->tries < TRIES_MAX)
        e->tries++;
    restore_note_kept(d, i, a->to, v->status, v->text);
}

static bool remove_data_set(struct deliver *d, uint32_t i, int *file)
{
    char name[DSNAME_MAX + 1];

    deliver_data_set(d, i, name);
    if (closer_unlink(d->closer, d->spool->queue[QUEUE_MAIL], name, file) < 0 && errno != ENOENT)
        return false;
    if (d->removed++ == 0)
        loop_timer_set(d->sync, SYNC_DELAY_MS);
    queue_remove(&d->queue, i);
    return true;
}

static void remove_sent(struct deliver *d, uint32_t i, int *file)
{
    char name[DSNAME_MAX + 1];

    if (remove_data_set(d, i, file))
        return;
    deliver_data_set(d, i, name);
    MSG(&d->program->log, T01SM045E, name, strerror(errno));
    queue_append(&d->queue, &d->undeleted, i, ENTRY_READY);
    deliver_soon(d);
}

void fate_remove_undeleted(struct deliver *d)
{
    struct chain again = d->undeleted;

    d->undeleted = CHAIN_EMPTY;
    for (uint32_t i; (i = queue_take(&d->queue, &again)) != ENTRY_NONE;)
        if (!remove_data_set(d, i, NULL))
            queue_append(&d->queue, &d->undeleted, i, ENTRY_READY);
}

void fate_settle(struct deliver *d, uint32_t i, const struct attempt *a, const struct verdict *v)
{
    switch (v->kind) {
    case VERDICT_SENT:
        log_attempt(d, i, a, "sent", v);
        remove_sent(d, i, a->file);
        break;
    case VERDICT_NEVER:
        log_attempt(d, i, a, "bounced", v);
        give_up(d, i, v, a->host, GIVEUP_REFUSED);
        break;
    default:
        put_off(d, i, a, v);
        break;
    }
}

enum mailfile_result fate_open(struct deliver *d, uint32_t i, struct mailfile *m, unsigned flags)
{
    struct verdict v;
    char name[DSNAME_MAX + 1], reason[320] = "";

    deliver_data_set(d, i, name);
    if (d->queue.entry[i].whole)
        flags |= MAILFILE_WHOLE;
    if (d->rescan)
        flags |= MAILFILE_MOVING;
    enum mailfile_result r =
        mailfile_open(m, d->program, d->spool->queue[QUEUE_MAIL], name, &d->watches, flags, reason);
    switch (r) {
    case MAILFILE_OPEN:
        official_address(&d->names, &m->from);
        official_address(&d->names, &m->to);
        break;
    case MAILFILE_GONE:
        queue_remove(&d->queue, i);
        break;
    case MAILFILE_BUSY:
        fate_keep(d, i, BUSY_DELAY);
        break;
    case MAILFILE_BAD:
        outcome_local(&v, VERDICT_NEVER, "5.6.0", reason);
        give_up(d, i, &v, "", GIVEUP_FAULTY);
        break;
    case MAILFILE_TROUBLE:
        MSG(&d->program->log, T01SM032W, name, strerror(errno));
        fate_keep(d, i, TROUBLE_DELAY);
        break;
    }
    return r;
}

bool fate_hold_stranger(struct deliver *d, const char *name)
{
    struct giveup_item item = {.kind = GIVEUP_FAULTY};

    if (deliver_now(d) < d->giveup_not_before ||
        !span_copy(span_of(name), item.name, sizeof(item.name)))
        return false;
    outcome_local(
        &item.verdict, VERDICT_NEVER, "5.6.0",
        "it has no mail data set's name (PATH.Dyyddd.Thhmmss0.Nnnnn): put it into the queue");
    if (!giveup_add(&d->giveup, &item))
        return false;
    deliver_soon(d);
    return true;
}

static void on_given_up(void *arg, const struct giveup_item *item)
{
    struct deliver *d = arg;
    uint32_t i = item->stamp == 0 ? ENTRY_NONE : queue_find(&d->queue, item->stamp);

    if (i != ENTRY_NONE && d->queue.entry[i].state == ENTRY_SENDING)
        queue_remove(&d->queue, i);
}

/* What could not be given up is SENDING in nobody's hands: it is kept, and strangers are looked for
 * again. */
static void keep_failed(struct deliver *d, size_t items)
{
    d->giveup_not_before = deliver_now(d) + TROUBLE_DELAY;
    d->rescan = true;
    for (size_t k = 0; k < items; k++) {
        uint64_t stamp = d->giveup.item[k].stamp;
        uint32_t i = stamp == 0 ? ENTRY_NONE : queue_find(&d->queue, stamp);
        if (i != ENTRY_NONE && d->queue.entry[i].state == ENTRY_SENDING)
            fate_keep(d, i, TROUBLE_DELAY);
    }
}

void fate_settle_giveups(struct deliver *d)
{
    size_t items = d->giveup.items;

    if (items == 0 || d->in_doubt)
        return;
    int result = giveup_settle(&d->giveup, on_given_up, d);
    if (result == -2) {
        deliver_in_doubt(d);
    } else if (result < 0) {
        MSG(&d->program->log, T01SM001I, "NOTICES", strerror(errno), "TRIED AGAIN LATER");
        keep_failed(d, items);
    }
}
