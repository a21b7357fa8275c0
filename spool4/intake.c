/* See intake.h. A pass goes over the queue in batches. A batch is gathered in memory (claim, read,
 * convert), then written into one unit of work; so one set of syncs serves all its files. When a
 * batch fails, its files go back and are tried one by one, so that a file that does not fit on the
 * disk does not stop the others. */
#include "spool4/intake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dataset.h"
#include "lib/notice.h"
#include "lib/seal.h"
#include "lib/unit.h"
#include "lib/wake.h"
#include "spool4/convert.h"

enum { BATCH_FILES = 512, BATCH_OCTETS = 16 << 20 };

struct job {
    char name[NAME_MAX + 1]; /* in the queue */
    char as[NAME_MAX + 1];   /* in the unit, and in HOLD */
    char id[9], job[9];
    char owner[33];
    struct mail *mail;
    size_t mails;
    char reason[320]; /* not empty: to be held */
};

struct batch {
    struct intake *in;
    struct unit unit;
    bool begun;
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
    b->begun = false;
}

/* The owner's login in letters that may stand in a header. */
static void owner_name(uid_t uid, char out[33])
{
    const struct passwd *pw = getpwuid(uid);

    snprintf(out, 33, "%s", pw != NULL ? pw->pw_name : "");
    if (pw == NULL)
        snprintf(out, 33, "%lu", (unsigned long)uid);
    for (char *p = out; *p != '\0'; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *p))
            *p = '_';
}

/* The whole of an open file; it may shrink or grow while we read, never past what is allowed. */
static bool read_file(int fd, uint64_t max, struct buf *out, char *reason, size_t size)
{
    for (;;) {
        if (out->len > max) {
            snprintf(reason, size, "it grew beyond MAXSIZE while it was read");
            return false;
        }
        if (!buf_reserve(out, 65536)) {
            snprintf(reason, size, "memory is short for a file of this size");
            return false;
        }
        ssize_t n = read(fd, out->data + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            snprintf(reason, size, "it cannot be read: %s", strerror(errno));
            return false;
        }
        if (n == 0)
            return true;
        out->len += (size_t)n;
    }
}

static void convert_params(const struct intake *in, const struct job *j, const char *name,
                           struct convert_params *p)
{
    const struct site *site = in->program->site;
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
    charset_find(span_of(site->codepage), &p->page); /* checked when the configuration was read */
}

/* May the owner send as the X-From of each mail? */
static bool authorised(const struct intake *in, struct job *j, uid_t uid)
{
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

static void convert_all(struct intake *in, struct job *j, struct span file)
{
    struct convert_params params;
    struct convert c;
    struct mail m = {0};
    struct diag d = {0};
    enum convert_result r;

    convert_params(in, j, j->name, &params);
    convert_open(&c, &params, file);
    while ((r = convert_next(&c, &m, &d)) == CONVERT_MAIL) {
        struct mail *grown = reallocarray(j->mail, j->mails + 1, sizeof(*grown));
        if (grown == NULL) {
            diag_set(&d, 0, 0, "memory is short");
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

static bool name_job(const struct intake *in, struct job *j)
{
    struct spool_name parts;

    spool_name_parse(span_of(j->name), &parts);
    snprintf(j->job, sizeof(j->job), "%s", parts.job[0] != '\0' ? parts.job : "DROPPED");
    snprintf(j->id, sizeof(j->id), "%s", parts.id);
    if (parts.id[0] == '\0') {
        unsigned number = spool_job_number(&in->spool);
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
    if (unit_begin(&b->unit, &b->in->spool, "spool4", ++b->in->units, QUEUE_REMOTE) < 0) {
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

    if (!seal_there(fd))
        return true;
    seal_add(&seal, file);
    if (seal_check(&seal, fd) != SEAL_BROKEN)
        return true;
    snprintf(j->reason, sizeof(j->reason), SEAL_REASON);
    return false;
}

static void fill_job(struct batch *b, struct job *j, int fd, const struct stat *st)
{
    struct buf file = {0};

    if (read_file(fd, b->in->program->site->maxsize, &file, j->reason, sizeof(j->reason)) &&
        check_seal(fd, BUF_SPAN(&file), j))
        convert_all(b->in, j, BUF_SPAN(&file));
    if (j->reason[0] == '\0')
        authorised(b->in, j, st->st_uid);
    for (size_t i = 0; i < j->mails; i++)
        b->octets += j->mail[i].text.len;
    buf_free(&file);
}

/* Gathers one file into the batch. */
static enum intake_result gather(struct batch *b, const char *name, const struct ready_rules *rules)
{
    struct intake *in = b->in;
    const char *reason = NULL;
    struct stat st;
    int fd;

    enum ready r =
        ready_check(&in->watches, rules, in->spool.queue[QUEUE_REMOTE], name, &fd, &st, &reason);
    if (r == READY_BUSY)
        return INTAKE_IDLE;
    struct job *j = new_job(b, name);
    enum intake_result result = INTAKE_TROUBLE;
    if (j == NULL || !begin(b) || !name_job(in, j) || unit_claim(&b->unit, j->name, j->as) < 0) {
        if (errno == ENOENT)
            result = INTAKE_IDLE;
        else
            trouble(in, name, strerror(errno));
    } else if (r == READY && !same_file(b, j, &st)) {
        /* Whatever it is now, it is looked at afresh. */
        if (unit_unclaim(&b->unit, j->as, j->name) < 0)
            trouble(in, name, strerror(errno));
    } else {
        owner_name(st.st_uid, j->owner);
        b->jobs++;
        if (r == READY)
            fill_job(b, j, fd, &st);
        else
            snprintf(j->reason, sizeof(j->reason), "%s", reason);
        result = INTAKE_WORKED;
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

static int put_file(struct unit *u, enum unit_part part, const char *name, struct span head,
                    struct span text)
{
    int fd = unit_create(u, part, name);

    if (fd < 0)
        return -1;
    if (durable_write(fd, head.p, head.n) < 0 || durable_write(fd, text.p, text.n) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return unit_done(u, fd);
}

/* One data set for each recipient. */
static int stage_mail(struct batch *b, const struct mail *m, uint64_t *stamp)
{
    struct span prefix = span_of(b->in->program->site->path);
    char name[DSNAME_MAX + 1];
    struct buf head = {0};
    int result = 0;

    for (size_t i = 0; result == 0 && i < m->envelope.nto; i++) {
        buf_clear(&head);
        if (!dsname_format(prefix, *stamp, name) ||
            !envelope_write(&head, &m->envelope.from, &m->envelope.to[i], 1, m->asa)) {
            errno = ENOMEM;
            result = -1;
            break;
        }
        *stamp = dsname_next(*stamp);
        result = put_file(&b->unit, UNIT_MAIL, name, BUF_SPAN(&head), BUF_SPAN(&m->text));
    }
    int saved = errno;
    buf_free(&head);
    errno = saved;
    return result;
}

/* The reason beside the held file, and the notice to its owner. */
static int stage_held(struct batch *b, const struct job *j, uint64_t *stamp)
{
    const struct site *site = b->in->program->site;
    char reason[NAME_MAX + sizeof(UNIT_REASON)], id[DSNAME_MAX + 1], subject[80];
    struct buf text = {0}, words = {0};
    struct user user;
    bool known =
        notice_find(b->in->program->users, span_of(j->owner), (struct span){NULL, 0}, &user);
    struct notice n = {
        .site = site, .subject = subject, .id = id, .program = "SPOOL#4", .wall = clock_wall()};

    n.offset = clock_offset(n.wall);
    snprintf(subject, sizeof(subject), "Mail of job %s %s is held", j->job, j->id);
    snprintf(reason, sizeof(reason), "%.240s" UNIT_REASON, j->as);
    buf_printf(&words, "The mail file %s of user %s was not sent.\n\nReason: %s\n\n", j->name,
               j->owner, j->reason);
    buf_printf(
        &words,
        "It lies unchanged in jes/HOLD as %s.\nWhen it is corrected, put it into jes/%s again.\n",
        j->as, site->remote);
    if (!dsname_format(SPAN("SPOOL4"), *stamp, id) ||
        !notice_user(site, known ? &user : NULL, &n.to) || !notice_begin(&text, &n) ||
        !buf_adds(&text, "Content-Type: text/plain; charset=US-ASCII\n\n") ||
        !buf_addsafe(&text, BUF_SPAN(&words)) || words.failed) {
        buf_free(&text);
        buf_free(&words);
        errno = ENOMEM;
        return -1;
    }
    *stamp = dsname_next(*stamp);
    int result = put_file(&b->unit, UNIT_HOLD, reason, BUF_SPAN(&words), (struct span){NULL, 0});
    if (result == 0)
        result = put_file(&b->unit, site->postoffice != NULL ? UNIT_POST : UNIT_PRT, id,
                          BUF_SPAN(&text), (struct span){NULL, 0});
    int saved = errno;
    buf_free(&text);
    buf_free(&words);
    errno = saved;
    return result;
}

static int stage(struct batch *b)
{
    uint64_t stamp;

    if (dataset_names_take(&b->in->spool, clock_wall(), names_needed(b), &stamp) < 0)
        return -1;
    for (size_t i = 0; i < b->jobs; i++) {
        const struct job *j = &b->job[i];
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

/* Writes, commits and publishes what was gathered. */
static enum intake_result settle(struct batch *b)
{
    const struct msg_log *log = &b->in->program->log;

    if (!b->begun)
        return INTAKE_IDLE;
    if (b->jobs == 0 || stage(b) < 0) {
        if (b->jobs > 0)
            trouble(b->in, b->job[0].name, strerror(errno));
        bool idle = b->jobs == 0;
        batch_clear(b);
        if (unit_rollback(&b->unit) < 0) {
            MSG(log, T01SM024E, "SPOOL#4", strerror(errno));
            return INTAKE_IN_DOUBT;
        }
        return idle ? INTAKE_IDLE : INTAKE_TROUBLE;
    }
    if (unit_commit(&b->unit) < 0 || unit_publish(&b->unit) < 0) {
        MSG(log, T01SM024E, "SPOOL#4", strerror(errno));
        batch_clear(b);
        return INTAKE_IN_DOUBT;
    }
    report(b);
    batch_clear(b);
    wake_send(b->in->spool.queue[QUEUE_MAIL]);
    return INTAKE_WORKED;
}

static enum intake_result worse(enum intake_result a, enum intake_result b)
{
    return a > b ? a : b;
}

/* One way through the queue with batches of at most `files`. */
static enum intake_result sweep_queue(struct intake *in, size_t files)
{
    const struct site *site = in->program->site;
    struct ready_rules rules = {(int64_t)site->quiet * 1000, clock_steady_ms(), site->maxsize};
    int copy = openat(in->spool.queue[QUEUE_REMOTE], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    enum intake_result result = INTAKE_IDLE;
    struct batch b = {.in = in};
    const struct dirent *entry;

    if (list == NULL) {
        trouble(in, site->remote, strerror(errno));
        if (copy >= 0)
            close(copy);
        return INTAKE_TROUBLE;
    }
    while (result != INTAKE_IN_DOUBT && (entry = readdir(list)) != NULL) {
        if (!spool_name_visible(entry->d_name))
            continue;
        if (gather(&b, entry->d_name, &rules) == INTAKE_TROUBLE)
            result = worse(result, INTAKE_TROUBLE);
        if (b.jobs >= files || b.octets >= BATCH_OCTETS)
            result = worse(result, settle(&b));
    }
    if (result != INTAKE_IN_DOUBT)
        result = worse(result, settle(&b));
    closedir(list);
    batch_clear(&b);
    free(b.job);
    return result;
}

enum intake_result intake_pass(struct intake *in)
{
    enum intake_result result = sweep_queue(in, BATCH_FILES);

    if (result == INTAKE_TROUBLE)
        result = sweep_queue(in, 1);
    ready_prune(&in->watches);
    return result;
}

void intake_close(struct intake *in)
{
    ready_free(&in->watches);
    spool_close(&in->spool);
}
