/* See intake.h. A pass goes over the queue in batches. A batch is gathered in memory (claim, read,
 * convert), then written into one unit of work; so one set of syncs serves all its files. A full
 * batch is committed and published by a thread, while the next is gathered and written. When a
 * batch fails, its files go back and are tried one by one, so that a file that does not fit on the
 * disk does not stop the others. */
#include "spool4/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/copies.h"
#include "lib/dataset.h"
#include "lib/hold.h"
#include "lib/login.h"
#include "lib/seal.h"
#include "lib/thread.h"
#include "lib/wake.h"
#include "spool4/convert.h"
#include "spool4/transfer.h"

enum {
    FIRST_FILES = 256, /* of the first unit of a burst: the thread has work soon, and the sender */
    BATCH_OCTETS = 16 << 20,
    NUMBERS_MAX = 64,     /* job numbers taken at once, when many are needed */
    HEAD_OCTETS = 4 << 20 /* what ssmtp puts before a text: 5,000 X-To and a Received field */
};

/* Where files come from. */
struct lane {
    enum spool_queue queue;
    const char *owner; /* of its units of work */
    bool ours;         /* written by ssmtp: the X-From is believed, the octets are mail already */
};
static const struct lane lanes[] = {{QUEUE_SUBMIT, "submit", true},
                                    {QUEUE_REMOTE, "spool4", false}};
enum { LANES = sizeof(lanes) / sizeof(lanes[0]) };

struct job {
    char name[NAME_MAX + 1]; /* in the queue */
    char as[NAME_MAX + 1];   /* in the unit, and in HOLD */
    char id[9], job[9];
    char owner[LOGIN_MAX + 1];
    struct mail *mail;
    size_t mails;
    char reason[320]; /* not empty: to be held */
    bool later;       /* our own trouble: it stays in the queue */
};

struct batch {
    struct intake *in;
    const struct lane *lane;
    struct unit unit;
    bool begun;
    bool undo;        /* a file that must not be in the unit could not leave it */
    enum pass result; /* of the thread that finished it */
    struct {          /* the last one asked for: a queue is filled by few */
        bool known;
        uid_t uid;
        char login[LOGIN_MAX + 1];
    } owner;
    struct job *job;
    size_t jobs, cap, octets;
};

static void free_job(struct job *j)
{
    for (size_t i = 0; i < j->mails; i++)
        mail_free(&j->mail[i]);
    free(j->mail);
    j->mail = NULL;
    j->mails = 0;
}

static void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->jobs; i++)
        free_job(&b->job[i]);
    b->jobs = b->octets = 0;
    b->begun = b->undo = b->owner.known = false;
}

/* The owner's login in letters that may stand in a header. False: it cannot be found out now. */
static bool owner_name(struct batch *b, uid_t uid, char out[LOGIN_MAX + 1])
{
    char *login = b->owner.login;

    if (!b->owner.known || b->owner.uid != uid) {
        b->owner.known = login_name(uid, login) != LOGIN_TROUBLE;
        b->owner.uid = uid;
        for (char *p = login; *p != '\0'; p++)
            if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *p))
                *p = '_';
    }
    memcpy(out, login, LOGIN_MAX + 1);
    return b->owner.known;
}

/* The whole of an open file; it may shrink or grow while we read, never past what is allowed. */
static bool read_file(int fd, uint64_t max, struct buf *out, struct job *j)
{
    for (;;) {
        if (out->len > max) {
            snprintf(j->reason, sizeof(j->reason), "it grew beyond MAXSIZE while it was read");
            return false;
        }
        if (!buf_reserve(out, 65536)) {
            j->later = true;
            return false;
        }
        ssize_t n = read(fd, out->data + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            snprintf(j->reason, sizeof(j->reason), "it cannot be read: %s", strerror(errno));
            return false;
        }
        if (n == 0)
            return true;
        out->len += (size_t)n;
    }
}

static void convert_params(const struct batch *b, const struct job *j, const char *name,
                           struct convert_params *p)
{
    const struct site *site = b->in->program->site;
    struct spool_name parts;

    spool_name_parse(span_of(name), &parts);
    *p = (struct convert_params){
        .host = site->host,
        .job = j->job,
        .id = j->id,
        .owner = j->owner,
        .recfm = parts.has_recfm ? parts.recfm : site->recfm,
        .wall = clock_wall(),
    };
    p->offset = clock_offset(p->wall);
    if (getrandom(&p->unique, sizeof(p->unique), 0) != (ssize_t)sizeof(p->unique))
        p->unique = (uint64_t)clock_steady_ms();
    /* Both are known: the name was checked when the configuration was read. */
    charset_find(b->lane->ours ? SPAN("UTF-8") : span_of(site->codepage), &p->page);
}

/* May the owner send as the X-From of each mail? */
static bool authorised(const struct batch *b, struct job *j, uid_t uid)
{
    const struct intake *in = b->in;

    if (b->lane->ours && uid != geteuid()) {
        snprintf(j->reason, sizeof(j->reason),
                 "it belongs to user %s, and only what ssmtp wrote itself is taken from jes/SUBMIT",
                 j->owner);
        return false;
    }
    if (uid == 0 || uid == geteuid())
        return true;
    for (size_t i = 0; i < j->mails; i++) {
        const struct address *from = &j->mail[i].envelope.from;
        if (!usertable_may_send(in->program->users, span_of(j->owner), from,
                                span_of(in->program->site->host))) {
            snprintf(j->reason, sizeof(j->reason),
                     "X-From <%.100s> does not belong to user %s: use the mail name that the user "
                     "table gives him at %.60s",
                     from->text, j->owner, in->program->site->host);
            return false;
        }
    }
    return true;
}

static void convert_all(const struct batch *b, struct job *j, struct span file)
{
    struct convert_params params;
    struct convert c;
    struct mail m = {0};
    struct diag d = {0};
    enum convert_result r;

    convert_params(b, j, j->name, &params);
    convert_open(&c, &params, file);
    while ((r = convert_next(&c, &m, &d)) == CONVERT_MAIL) {
        struct mail *grown = reallocarray(j->mail, j->mails + 1, sizeof(*grown));
        if (grown == NULL) {
            diag_memory(&d);
            r = CONVERT_BAD;
            break;
        }
        j->mail = grown;
        j->mail[j->mails++] = m;
        m = (struct mail){0};
    }
    mail_free(&m);
    convert_close(&c);
    if (r != CONVERT_BAD)
        return;
    j->later = d.memory;
    if (d.memory)
        return;
    if (d.line > 0)
        snprintf(j->reason, sizeof(j->reason), "record %zu, column %zu: %s", d.line, d.column,
                 d.text);
    else
        snprintf(j->reason, sizeof(j->reason), "%s", d.text);
}

/* Is what we claimed the file that we have open? Its owner could have put another in its place. */
static bool same_file(const struct batch *b, const struct job *j, const struct stat *st)
{
    struct stat now;

    return fstatat(b->unit.in, j->as, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == st->st_ino &&
           now.st_dev == st->st_dev;
}

/* Numbers for dropped files are taken from the counter in blocks that grow: one lock for many
 * files, and no number wasted by one who comes for one file. */
static unsigned next_number(struct intake *in)
{
    if (in->numbers == 0) {
        in->block = in->block == 0 ? 1 : in->block < NUMBERS_MAX ? in->block * 2 : NUMBERS_MAX;
        in->number = spool_job_numbers(&in->spool, in->block);
        in->numbers = in->number == 0 ? 0 : in->block;
    }
    if (in->numbers == 0)
        return 0;
    in->numbers--;
    return (in->number++ - 1) % 99999 + 1;
}

static bool name_job(struct intake *in, struct job *j)
{
    struct spool_name parts;

    spool_name_parse(span_of(j->name), &parts);
    snprintf(j->job, sizeof(j->job), "%s", parts.job[0] != '\0' ? parts.job : "DROPPED");
    snprintf(j->id, sizeof(j->id), "%s", parts.id);
    if (parts.id[0] == '\0') {
        unsigned number = next_number(in);
        if (number == 0)
            return false;
        snprintf(j->id, sizeof(j->id), "JOB%05u", number % 100000);
    }
    return true;
}

static struct job *new_job(struct batch *b, const char *name)
{
    if (b->jobs == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 16;
        void *grown = reallocarray(b->job, cap, sizeof(*b->job));
        if (grown == NULL)
            return NULL;
        b->job = grown;
        b->cap = cap;
    }
    struct job *j = &b->job[b->jobs];
    *j = (struct job){0};
    if (!span_copy(span_of(name), j->name, sizeof(j->name)))
        return NULL;
    return j;
}

static bool begin(struct batch *b)
{
    if (b->begun)
        return true;
    if (unit_begin(&b->unit, &b->in->spool, b->lane->owner, ++b->in->units, b->lane->queue) < 0) {
        int saved = errno;
        unit_rollback(&b->unit); /* what is left of it is recovered at the next start */
        errno = saved;
        return false;
    }
    b->begun = true;
    return true;
}

static void trouble(const struct intake *in, const char *name, const char *why)
{
    MSG(&in->program->log, T01SM032W, name, why);
}

/* Files of our own programs have a seal; dropped ones need none. */
static bool check_seal(int fd, struct span file, struct job *j)
{
    struct seal seal = {0};

    if (!seal_open(&seal, fd))
        return true;
    seal_add(&seal, file);
    enum seal_state state = seal_check(&seal);
    j->later = state == SEAL_TROUBLE;
    if (state == SEAL_BROKEN)
        snprintf(j->reason, sizeof(j->reason), SEAL_REASON);
    return state != SEAL_BROKEN && !j->later;
}

/* The largest file: what a client was told to be taken must not be too large here. */
static uint64_t most_octets(const struct batch *b)
{
    return b->in->program->site->maxsize + (b->lane->ours ? HEAD_OCTETS : 0);
}

/* False: not now, for want of memory. */
static bool fill_job(struct batch *b, struct job *j, int fd, const struct stat *st)
{
    struct buf file = {0};

    if (read_file(fd, most_octets(b), &file, j) && check_seal(fd, BUF_SPAN(&file), j))
        convert_all(b, j, BUF_SPAN(&file));
    if (j->reason[0] == '\0')
        authorised(b, j, st->st_uid);
    for (size_t i = 0; i < j->mails; i++)
        b->octets += j->mail[i].text.len;
    buf_free(&file);
    return !j->later;
}

/* What was claimed goes back, to be looked at afresh. What stayed in the unit would be used up by
 * its commit, so then all of it goes back. */
static void give_back(struct batch *b, const struct job *j)
{
    if (unit_unclaim(&b->unit, j->as, j->name) == 0)
        return;
    trouble(b->in, j->name, strerror(errno));
    b->undo = true;
}

/* A file that could not be claimed. A stranger's directory cannot be moved by us: that is told
 * once, and is no trouble. */
static enum pass refused(struct intake *in, const char *name, const struct ready_rules *rules,
                         const struct stat *st)
{
    int error = errno;

    if (error == ENOENT)
        return PASS_IDLE;
    if ((error == EACCES || error == EPERM) && S_ISDIR(st->st_mode)) {
        if (ready_tell(&in->watches, rules, st))
            trouble(in, name, "it is somebody's directory, which cannot be moved away: remove it");
        return PASS_IDLE;
    }
    trouble(in, name, strerror(error));
    return PASS_TROUBLE;
}

/* Gathers one file into the batch. */
static enum pass gather(struct batch *b, const char *name, const struct ready_rules *rules)
{
    struct intake *in = b->in;
    const char *reason = NULL;
    struct stat st;
    int fd;

    enum ready r =
        ready_check(&in->watches, rules, in->spool.queue[b->lane->queue], name, &fd, &st, &reason);
    if (r == READY_BUSY)
        return PASS_IDLE;
    struct job *j = new_job(b, name);
    enum pass result = PASS_TROUBLE;
    if (j == NULL || !begin(b) || !name_job(in, j) || unit_claim(&b->unit, j->name, j->as) < 0) {
        result = refused(in, name, rules, &st);
    } else if (r == READY && !same_file(b, j, &st)) {
        give_back(b, j);
    } else if (!owner_name(b, st.st_uid, j->owner) || (r == READY && !fill_job(b, j, fd, &st))) {
        trouble(in, name, strerror(j->later ? ENOMEM : errno));
        give_back(b, j);
        free_job(j);
    } else {
        if (r != READY)
            snprintf(j->reason, sizeof(j->reason), "%s", reason);
        b->jobs++;
        result = PASS_WORKED;
    }
    if (fd >= 0)
        close(fd); /* read only; gives the lease back */
    return result;
}

static unsigned names_needed(const struct batch *b)
{
    unsigned n = 0;

    for (size_t i = 0; i < b->jobs; i++) {
        if (b->job[i].reason[0] != '\0')
            n++;
        else
            for (size_t m = 0; m < b->job[i].mails; m++)
                n += (unsigned)b->job[i].mail[m].envelope.nto;
    }
    return n;
}

/* The longest envelope of the mail's data sets; 0: memory is short. */
static size_t longest_head(const struct mail *m)
{
    struct buf head = {0};
    size_t longest = 0;

    for (size_t i = 0; i < m->envelope.nto; i++) {
        buf_clear(&head);
        if (!envelope_write(&head, &m->envelope.from, &m->envelope.to[i], 1, m->asa)) {
            longest = 0;
            break;
        }
        longest = head.len > longest ? head.len : longest;
    }
    buf_free(&head);
    return longest;
}

/* The envelope of recipient i and the name of his data set. With `octets` the head has so many. */
static bool begin_data_set(const struct batch *b, const struct mail *m, size_t i, size_t octets,
                           uint64_t *stamp, char name[DSNAME_MAX + 1], struct buf *head)
{
    struct span prefix = span_of(b->in->program->site->path);
    const struct envelope *e = &m->envelope;

    buf_clear(head);
    bool good = dsname_format(prefix, *stamp, name) &&
                (octets > 0 ? envelope_write_padded(head, &e->from, &e->to[i], m->asa, octets)
                            : envelope_write(head, &e->from, &e->to[i], 1, m->asa));
    *stamp = dsname_next(*stamp);
    if (!good)
        errno = ENOMEM;
    return good;
}

/* A large mail written in full for each of many is worth a word, once. */
static void tell_unshared(struct intake *in, const struct mail *m)
{
    enum { WORTH_A_WORD = 16 << 20 };
    char queue[64];

    if (in->told_unshared || m->envelope.nto * m->text.len < WORTH_A_WORD)
        return;
    in->told_unshared = true;
    MSG(&in->program->log, T01SM033I, spool_queue_name(in->program->site, QUEUE_MAIL, queue),
        msg_num((long long)m->envelope.nto).text, msg_num((long long)m->text.len).text);
}

/* A long text for several recipients. */
static int stage_copies(struct batch *b, const struct mail *m, uint64_t *stamp)
{
    size_t octets = longest_head(m);
    char name[DSNAME_MAX + 1];
    struct buf head = {0};
    struct copies copies;
    int result = 0;

    if (octets == 0) {
        errno = ENOMEM;
        return -1;
    }
    copies_begin(&copies, &b->unit, UNIT_MAIL, octets, BUF_SPAN(&m->text));
    for (size_t i = 0; result == 0 && i < m->envelope.nto; i++)
        result = begin_data_set(b, m, i, octets, stamp, name, &head)
                     ? copies_put(&copies, name, BUF_SPAN(&head))
                     : -1;
    if (copies_end(&copies) < 0)
        result = -1;
    if (copies.unshared)
        tell_unshared(b->in, m);
    int saved = errno;
    buf_free(&head);
    errno = saved;
    return result;
}

/* One data set for each recipient. */
static int stage_mail(struct batch *b, const struct mail *m, uint64_t *stamp)
{
    char name[DSNAME_MAX + 1];
    struct buf head = {0};
    int result = 0;

    if (m->envelope.nto > 1 && copies_worth(m->text.len))
        return stage_copies(b, m, stamp);
    for (size_t i = 0; result == 0 && i < m->envelope.nto; i++)
        result = begin_data_set(b, m, i, 0, stamp, name, &head)
                     ? unit_put(&b->unit, UNIT_MAIL, name, BUF_SPAN(&head), BUF_SPAN(&m->text))
                     : -1;
    int saved = errno;
    buf_free(&head);
    errno = saved;
    return result;
}

static int stage_held(struct batch *b, struct job *j, uint64_t *stamp)
{
    char id[DSNAME_MAX + 1], subject[80], advice[120], queue[64];
    struct hold h = {.program = b->in->program,
                     .by = "SPOOL#4",
                     .part = UNIT_HOLD,
                     .as = j->as,
                     .owner = j->owner,
                     .id = id,
                     .subject = subject,
                     .reason = j->reason,
                     .advice = advice};

    snprintf(subject, sizeof(subject), "Mail of job %s %s is held", j->job, j->id);
    snprintf(advice, sizeof(advice), "When it is corrected, put it into %s again.",
             spool_queue_name(b->in->program->site, b->lane->queue, queue));
    if (!dsname_format(SPAN("SPOOL4"), *stamp, id))
        return -1;
    *stamp = dsname_next(*stamp);
    return hold_stage(&b->unit, &h);
}

static int stage(struct batch *b)
{
    uint64_t stamp;

    if (dataset_names_take_with(&b->in->spool, clock_wall(), names_needed(b), &stamp,
                                &b->unit.sync) < 0)
        return -1;
    for (size_t i = 0; i < b->jobs; i++) {
        struct job *j = &b->job[i];
        if (j->reason[0] != '\0' && stage_held(b, j, &stamp) < 0)
            return -1;
        for (size_t m = 0; j->reason[0] == '\0' && m < j->mails; m++)
            if (stage_mail(b, &j->mail[m], &stamp) < 0)
                return -1;
    }
    return 0;
}

static void report(const struct batch *b)
{
    const struct msg_log *log = &b->in->program->log;

    for (size_t i = 0; i < b->jobs; i++) {
        const struct job *j = &b->job[i];
        size_t n = 0;
        for (size_t m = 0; m < j->mails; m++)
            n += j->mail[m].envelope.nto;
        if (j->reason[0] != '\0')
            MSG(log, T01SM031W, j->as, j->reason, j->owner);
        else
            MSG(log, T01SM030I, j->id, j->job, j->name, msg_num((long long)n).text, j->owner);
    }
}

/* Undoes a batch that cannot be written now; `error` says why, where its files have not. */
static enum pass give_up(struct batch *b, int error)
{
    const struct msg_log *log = &b->in->program->log;
    bool idle = b->jobs == 0 && !b->undo;

    if (b->jobs > 0 && !b->undo)
        trouble(b->in, b->job[0].name, strerror(error));
    batch_clear(b);
    if (unit_rollback(&b->unit) < 0) {
        MSG(log, T01SM024E, "SPOOL#4", strerror(errno));
        return PASS_IN_DOUBT;
    }
    return idle ? PASS_IDLE : PASS_TROUBLE;
}

/* Commits and publishes what is staged. */
static enum pass finish(struct batch *b)
{
    enum pass result = PASS_WORKED;

    if (unit_commit(&b->unit) < 0 || unit_publish(&b->unit) < 0) {
        MSG(&b->in->program->log, T01SM024E, "SPOOL#4", strerror(errno));
        result = PASS_IN_DOUBT;
    } else {
        report(b);
        wake_send(b->in->spool.queue[QUEUE_MAIL]);
    }
    batch_clear(b);
    return result;
}

static void *run_behind(void *arg)
{
    struct batch *b = arg;

    b->result = finish(b);
    return NULL;
}

/* A thread finishes the batch, so that the next one begins at once. False: there is none. */
static bool finish_behind(struct batch *b)
{
    struct intake *in = b->in;
    struct batch *moved = malloc(sizeof(*moved));

    if (moved == NULL)
        return false;
    *moved = *b;
    if (thread_start(&in->thread, run_behind, moved) != 0) {
        free(moved);
        return false;
    }
    in->behind = moved;
    *b = (struct batch){.in = in, .lane = b->lane};
    return true;
}

enum pass intake_wait(struct intake *in)
{
    struct batch *b = in->behind;

    if (b == NULL)
        return PASS_IDLE;
    pthread_join(in->thread, NULL);
    enum pass result = b->result;
    free(b->job);
    free(b);
    in->behind = NULL;
    return result;
}

/* Writes what was gathered, and finishes it. Units are finished or undone one at a time, in their
 * order. `more`: others follow, so a thread may do it. */
static enum pass settle(struct batch *b, bool more)
{
    if (!b->begun)
        return PASS_IDLE;
    bool staged = b->jobs > 0 && !b->undo && stage(b) == 0;
    int error = errno;
    if (intake_wait(b->in) == PASS_IN_DOUBT)
        return PASS_IN_DOUBT; /* the next start undoes this one */
    if (!staged)
        return give_up(b, error);
    return more && finish_behind(b) ? PASS_WORKED : finish(b);
}

struct sweep {
    struct batch batch;
    struct ready_rules rules;
    size_t files; /* at most in one batch */
    bool one;     /* one full batch, then back to the loop: signals want to be heard */
    struct transfer transfer;
    size_t moved; /* so many were moved, and usmtp was not told of them */
    enum pass result;
};

static void tell_moved(struct sweep *s)
{
    if (s->moved > 0)
        wake_send(s->batch.in->spool.queue[QUEUE_MAIL]);
    s->moved = 0;
}

static void report_moved(struct batch *b, const char *name)
{
    char owner[LOGIN_MAX + 1];
    struct spool_name parts;

    (void)owner_name(b, geteuid(), owner);
    spool_name_parse(span_of(name), &parts);
    MSG(&b->in->program->log, T01SM030I, parts.id, parts.job, name, "1", owner);
}

/* What needs no conversion. False: it does. */
static bool transfer(struct sweep *s, const char *name)
{
    const struct intake *in = s->batch.in;

    enum transfer_result r =
        s->batch.lane->ours ? transfer_file(&s->transfer, name) : TRANSFER_UNFIT;
    if (r == TRANSFER_TROUBLE) {
        trouble(in, name, strerror(errno));
        s->result = pass_worse(s->result, PASS_TROUBLE);
    }
    if (r != TRANSFER_DONE)
        return r != TRANSFER_UNFIT;
    s->moved++;
    s->batch.in->moved = true;
    s->result = pass_worse(s->result, PASS_WORKED);
    report_moved(&s->batch, name);
    return true;
}

static int sweep_entry(void *arg, const char *name)
{
    struct sweep *s = arg;

    if (!spool_name_visible(name))
        return 0;
    if (!transfer(s, name) && gather(&s->batch, name, &s->rules) == PASS_TROUBLE)
        s->result = pass_worse(s->result, PASS_TROUBLE);
    if (s->batch.jobs + s->moved < s->files && s->batch.octets < BATCH_OCTETS)
        return 0;
    tell_moved(s);
    s->result = pass_worse(s->result, settle(&s->batch, s->one));
    return s->one || s->result == PASS_IN_DOUBT;
}

/* One way through a queue. */
static enum pass sweep_queue(struct intake *in, const struct lane *lane, size_t files, bool one)
{
    const struct site *site = in->program->site;
    struct sweep s = {.batch = {.in = in, .lane = lane},
                      .transfer = {.program = in->program, .spool = &in->spool},
                      .rules = {(int64_t)site->quiet * 1000, clock_steady_ms(), clock_wall(), 0},
                      .files = files,
                      .one = one,
                      .result = PASS_IDLE};
    char path[64];

    s.rules.max_octets = most_octets(&s.batch);
    if (durable_each(in->spool.queue[lane->queue], sweep_entry, &s) < 0) {
        trouble(in, spool_queue_name(site, lane->queue, path), strerror(errno));
        s.result = pass_worse(s.result, PASS_TROUBLE);
    }
    tell_moved(&s);
    if (s.result != PASS_IN_DOUBT)
        s.result = pass_worse(s.result, settle(&s.batch, false));
    batch_clear(&s.batch);
    free(s.batch.job);
    return s.result;
}

int intake_recover(const struct intake *in)
{
    int found = 0;

    for (size_t i = 0; i < LANES; i++) {
        int n = unit_recover(&in->spool, lanes[i].owner, lanes[i].queue);
        if (n < 0)
            return -1;
        found += n;
    }
    return found;
}

/* How many files a unit takes: more while units are full, as syncs cost the same for all. */
static size_t unit_files(struct intake *in)
{
    size_t most = in->program->site->unit, files = in->files;

    files = files == 0 ? FIRST_FILES : files * 2;
    in->files = files < most ? files : most;
    return in->files;
}

/* Moves are synced when there is a moment: a power cut before takes them back, and usmtp syncs
 * mail/ itself before it sends what it has just seen. */
static enum pass sync_moved(struct intake *in)
{
    if (!in->moved)
        return PASS_IDLE;
    in->moved = false;
    if (durable_sync(in->spool.queue[QUEUE_MAIL]) == 0 &&
        durable_sync(in->spool.queue[QUEUE_SUBMIT]) == 0)
        return PASS_IDLE;
    MSG(&in->program->log, T01SM024E, "SPOOL#4", strerror(errno));
    return PASS_IN_DOUBT;
}

enum pass intake_pass(struct intake *in)
{
    enum pass result = PASS_IDLE;
    size_t files = unit_files(in);

    for (size_t i = 0; i < LANES && result != PASS_IN_DOUBT; i++) {
        enum pass one = sweep_queue(in, &lanes[i], files, true);
        if (one == PASS_TROUBLE)
            one = sweep_queue(in, &lanes[i], 1, false);
        result = pass_worse(result, one);
    }
    if (result != PASS_WORKED)
        result = pass_worse(result, intake_wait(in));
    if (result != PASS_WORKED && result != PASS_IN_DOUBT)
        result = pass_worse(result, sync_moved(in));
    if (in->behind == NULL)
        in->files = 0; /* none was full */
    ready_prune(&in->watches, clock_steady_ms());
    return result;
}

void intake_close(struct intake *in)
{
    ready_free(&in->watches);
    spool_close(&in->spool);
}
