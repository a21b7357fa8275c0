/* See postjob.h. Copies and transactions of a job are kept until its end, so that it can be given
 * up whole at any time. */
#include "jobs/postoffice/postjob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/postoffice/addressee.h"
#include "lib/header.h"

enum {
    HOPS_MAX = 100,
    MEMBERS_MAX = 5000 /* of the lists of one file: a bound on memory */
};

/* A copy in an agent's hands. */
struct copy {
    struct job *job;
    struct recipient *recipient;
    struct agent_task task;
    struct buf prefix;
    char name[MAILDIR_NAME];
    struct copy *next;
};

/* A transaction in the LMTP server's hands. */
struct batch {
    struct job *job;
    struct lmtp_task task;
    struct lmtp_recipient to[LMTP_RECIPIENTS];
    struct recipient *recipient[LMTP_RECIPIENTS];
    struct batch *next;
};

/* A spool file in work. */
struct job {
    struct dispatch *d;
    struct waiting_entry *entry;
    struct postfile file;
    ino_t inode;
    struct recipient *recipient;
    size_t recipients;
    struct copy *copies; /* all there were */
    struct batch *batches;
    size_t pending;   /* copies and transactions out */
    bool tried;       /* an earlier try may have been cut short */
    bool server_down; /* all that failed did so for want of the LMTP server */
    char fault[320];
    struct job *next, **link; /* among those of the dispatcher */
};

/* What became of one recipient, in the log. */
static void log_recipient(const struct job *j, const struct recipient *r)
{
    static const char *const status[RECIPIENT_STATES] = {
        [RECIPIENT_DONE] = "sent",       [RECIPIENT_FORWARD] = "forwarded",
        [RECIPIENT_LIST] = "expanded",   [RECIPIENT_LATER] = "deferred",
        [RECIPIENT_REFUSED] = "bounced", [RECIPIENT_HELD] = "held",
    };
    const char *relay = r->way == WAY_MAILDIR   ? r->path
                        : r->way == WAY_LMTP    ? lmtp_server(&j->d->lmtp)
                        : r->way == WAY_FORWARD ? r->target.text
                                                : "-";
    char text[320];

    snprintf(text, sizeof(text), "%s (%.240s)", status[r->state], r->text != NULL ? r->text : "");
    MSG(&j->d->program->log, T01SM064I, j->entry->name, j->file.envelope.from.text, r->to.text, relay,
        msg_num(waiting_now(&j->d->waiting) - j->entry->first).text, r->status, text);
}

/* What is to be settled did not happen yet if that failed. */
static void log_recipients(const struct job *j, bool settled)
{
    for (size_t i = 0; i < j->recipients; i++) {
        enum recipient_state state = j->recipient[i].state;
        if (settled || state == RECIPIENT_DONE || state == RECIPIENT_LATER)
            log_recipient(j, &j->recipient[i]);
    }
}

/* Its life. */

void job_free(struct job *j)
{
    for (struct copy *c; (c = j->copies) != NULL; free(c)) {
        j->copies = c->next;
        buf_free(&c->prefix);
    }
    for (struct batch *b; (b = j->batches) != NULL; free(b))
        j->batches = b->next;
    for (size_t i = 0; i < j->recipients; i++)
        recipient_free(&j->recipient[i]);
    free(j->recipient);
    postfile_close(&j->file);
    if (j->entry != NULL)
        j->entry->active = false;
    *j->link = j->next;
    if (j->next != NULL)
        j->next->link = j->link;
    j->d->active--;
    free(j);
}

/* What is on disk does not tell any more who has his copy: remember it here. */
static void remember_done(struct job *j)
{
    waiting_forget_done(j->entry);
    j->entry->inode = j->inode;
    for (size_t i = 0; i < j->recipients; i++)
        /* one who shares the fate of a FORWARD or a list has nothing yet */
        if (j->recipient[i].state == RECIPIENT_DONE &&
            j->recipient[j->recipient[i].same].state == RECIPIENT_DONE)
            waiting_note_done(j->entry, &j->recipient[i].to);
}

static void later(struct job *j)
{
    const struct site *site = j->d->program->site;
    unsigned tries = j->entry->tries;

    /* The server alone is to blame, so the file is not made to wait longer and longer. */
    if (j->server_down)
        j->entry->tries = 0;
    waiting_later(&j->d->waiting, j->entry, (int64_t)site->retryint, (int64_t)site->retryceil);
    if (tries > j->entry->tries)
        j->entry->tries = tries;
    j->entry->seen = true; /* it may have been made anew behind the back of a pass */
}

/* Too old to be tried again. */
static void expire(struct job *j)
{
    int64_t age = waiting_now(&j->d->waiting) - j->entry->first;
    char text[320];

    if (age < (int64_t)j->d->program->site->retrymax)
        return;
    for (size_t i = 0; i < j->recipients; i++) {
        struct recipient *r = &j->recipient[i];
        if (r->state != RECIPIENT_LATER)
            continue;
        snprintf(text, sizeof(text), "given up after %lld seconds: %.240s", (long long)age,
                 r->text != NULL ? r->text : "");
        recipient_end(r, RECIPIENT_REFUSED, "5.4.7", text);
    }
}

/* A recipient who is named twice shares the fate of the first. */
static void share(struct job *j)
{
    for (size_t i = 0; i < j->recipients; i++) {
        struct recipient *r = &j->recipient[i];
        const struct recipient *s = &j->recipient[r->same];
        if (r->same != i)
            recipient_end(r,
                          s->state == RECIPIENT_FORWARD || s->state == RECIPIENT_LIST
                              ? RECIPIENT_DONE
                              : s->state,
                          s->status, s->text != NULL ? s->text : "");
    }
}

static void settle_job(struct job *j)
{
    struct dispatch *d = j->d;
    struct settle_file f = {
        .name = j->entry->name,
        .inode = j->inode,
        .file = &j->file,
        .recipient = j->recipient,
        .recipients = j->recipients,
        .fault = j->fault[0] != '\0' ? j->fault : NULL,
    };
    bool expanded = false;

    for (size_t i = 0; i < j->recipients; i++)
        expanded |= j->recipient[i].state == RECIPIENT_LIST;
    enum settle_result result = settle(&d->settle, &f);
    int error = errno;
    if (f.fault != NULL && result == SETTLE_GONE)
        MSG(&d->program->log, T01SM031W, f.name, f.fault, "-");
    log_recipients(j, result == SETTLE_GONE || result == SETTLE_KEPT);
    switch (result) {
    case SETTLE_GONE:
        d->removed = true;
        if (expanded)
            dispatch_look(d); /* there are new files, for members */
        waiting_remove(&d->waiting, j->entry);
        j->entry = NULL;
        break;
    case SETTLE_KEPT:
        if (expanded)
            dispatch_look(d);
        waiting_forget_done(j->entry);
        later(j);
        break;
    case SETTLE_TROUBLE:
        dispatch_trouble(d, f.name, strerror(error));
        remember_done(j);
        later(j);
        break;
    case SETTLE_IN_DOUBT:
        MSG(&d->program->log, T01SM024E, "POSTOFFICE", strerror(error));
        d->in_doubt = true;
        loop_stop(d->loop);
        break;
    }
}

static void end_job(struct job *j)
{
    share(j);
    expire(j);
    settle_job(j);
    loop_timer_set(j->d->kick, 0);
    job_free(j);
}

/* Maildir. */

static void on_copied(struct agent_task *t)
{
    struct copy *c = t->arg;
    struct job *j = c->job;

    if (t->result == MAILDIR_FAILED)
        recipient_end(c->recipient, RECIPIENT_LATER, "4.2.0", t->why);
    else
        recipient_end(c->recipient, RECIPIENT_DONE, "2.0.0",
                      t->result == MAILDIR_FOUND ? "delivered by an earlier try" : "delivered");
    j->server_down = j->server_down && t->result != MAILDIR_FAILED;
    if (--j->pending == 0)
        end_job(j);
}

static bool fill_prefix(const struct job *j, const struct recipient *r, struct buf *prefix)
{
    buf_adds(prefix, "Return-Path: ");
    address_write(prefix, &j->file.envelope.from);
    buf_printf(prefix, "\nDelivered-To: %s\n", r->office.text);
    if (j->file.bare)
        buf_addc(prefix, '\n');
    return !prefix->failed;
}

static void send_copy(struct job *j, struct recipient *r)
{
    struct copy *c = calloc(1, sizeof(*c));
    char id[POSTFILE_ID];

    if (c != NULL) {
        c->next = j->copies;
        j->copies = c;
    }
    if (c == NULL || !fill_prefix(j, r, &c->prefix) || !postfile_id(&j->file, r->userid, id)) {
        recipient_end(r, RECIPIENT_LATER, "4.3.0", "memory is short");
        return;
    }
    maildir_name(c->name, j->file.written.tv_sec, id, j->d->program->site->host);
    c->job = j;
    c->recipient = r;
    c->task = (struct agent_task){
        .path = r->path,
        .name = c->name,
        .login = r->login,
        .uid = r->uid,
        .gid = r->gid,
        .tried = j->tried,
        .copy = {BUF_SPAN(&c->prefix), BUF_SPAN(&j->file.header), j->file.fd, j->file.body_at},
        .octets = j->file.wire_octets,
        .done = on_copied,
        .arg = c,
    };
    j->pending++;
    agents_submit(&j->d->agents, &c->task);
}

/* LMTP. */

static void on_transacted(struct lmtp_task *t)
{
    static const enum recipient_state states[] = {
        [LMTP_OPEN] = RECIPIENT_LATER,
        [LMTP_DELIVERED] = RECIPIENT_DONE,
        [LMTP_LATER] = RECIPIENT_LATER,
        [LMTP_NEVER] = RECIPIENT_REFUSED,
    };
    struct batch *b = t->arg;
    struct job *j = b->job;

    for (size_t i = 0; i < t->mail.n; i++)
        recipient_end(b->recipient[i], states[b->to[i].verdict], b->to[i].status, b->to[i].text);
    j->server_down = j->server_down && t->server_down;
    if (--j->pending == 0)
        end_job(j);
}

/* The recipients from *at on that are for LMTP, as many as go into one transaction. */
static void send_batch(struct job *j, size_t *at)
{
    struct batch *b = calloc(1, sizeof(*b));
    size_t n = 0;

    for (; *at < j->recipients && n < LMTP_RECIPIENTS; (*at)++) {
        struct recipient *r = &j->recipient[*at];
        if (r->state != RECIPIENT_OPEN || r->way != WAY_LMTP || r->same != *at)
            continue;
        if (b == NULL) {
            recipient_end(r, RECIPIENT_LATER, "4.3.0", "memory is short");
            continue;
        }
        b->recipient[n] = r;
        b->to[n++].to = r->target;
    }
    if (n == 0) {
        free(b);
        return;
    }
    b->next = j->batches;
    j->batches = b;
    b->job = j;
    b->task = (struct lmtp_task){
        .mail = {j->file.envelope.from, b->to, n, j->file.wire_octets, j->file.eight_bit},
        .file = &j->file,
        .done = on_transacted,
        .arg = b,
    };
    j->pending++;
    lmtp_submit(&j->d->lmtp, &b->task);
}

/* FORWARD and lists. */

/* Mail that has come by here before, or by too many hosts, would come again (RFC 5321 6.3). */
static void send_on(const struct job *j, struct recipient *r)
{
    char text[80];

    if (postfile_delivered_to(&j->file, r->office.text))
        recipient_end(r, RECIPIENT_REFUSED, "5.4.6",
                      "the mail was forwarded from here before: a loop");
    else if (header_count(BUF_SPAN(&j->file.header), "Received") >= HOPS_MAX)
        recipient_end(r, RECIPIENT_REFUSED, "5.4.6", "too many Received lines: a loop");
    else if (r->way == WAY_FORWARD)
        recipient_end(r, RECIPIENT_FORWARD, "2.0.0", "as a mail data set");
    else {
        snprintf(text, sizeof(text), "to %zu here and %zu elsewhere",
                 r->list.members - mail_list_count(&r->list, LIST_AWAY),
                 mail_list_count(&r->list, LIST_AWAY));
        recipient_end(r, RECIPIENT_LIST, "2.0.0", text);
    }
}

/* A job's beginning. */

static bool same_target(const struct recipient *a, const struct recipient *b)
{
    return a->way == b->way && a->state == b->state && strcmp(a->userid, b->userid) == 0;
}

/* Nobody gets a copy through a list who gets one otherwise. False: memory is short. */
static bool once_each(struct job *j)
{
    struct address_set all = {0};
    bool failed = false;

    for (size_t i = 0; i < j->recipients; i++) {
        const struct recipient *r = &j->recipient[i];
        if (r->way != WAY_LIST && !address_is_null(&r->office))
            address_set_add(&all, r->way == WAY_FORWARD ? &r->target : &r->office, &failed);
    }
    for (size_t i = 0; i < j->recipients && !failed; i++) {
        struct recipient *r = &j->recipient[i];
        if (r->way == WAY_LIST && r->same == i && r->state == RECIPIENT_OPEN)
            failed = !mail_list_once(&r->list, &all);
    }
    address_set_free(&all);
    return !failed;
}

/* A list that would make them too many waits for the next try. */
static void limit_members(struct recipient *r, size_t *members)
{
    if (*members > 0 && *members + r->list.members > MEMBERS_MAX) {
        mail_list_free(&r->list);
        recipient_end(r, RECIPIENT_LATER, "4.5.3", "other lists of the same mail come first");
    }
    *members += r->list.members;
}

static bool find_recipients(struct job *j)
{
    const struct envelope *e = &j->file.envelope;
    size_t members = 0;

    j->recipient = calloc(e->nto, sizeof(*j->recipient));
    if (j->recipient == NULL)
        return false;
    j->recipients = e->nto;
    for (size_t i = 0; i < e->nto; i++) {
        struct recipient *r = &j->recipient[i];
        r->to = e->to[i];
        r->same = i;
        addressee_find(j->d->program, &j->file, r);
        if (waiting_was_done(j->entry, &r->to))
            recipient_end(r, RECIPIENT_DONE, "2.0.0", "delivered by an earlier try");
        for (size_t k = 0; r->state == RECIPIENT_OPEN && k < i && r->same == i; k++)
            if (same_target(&j->recipient[k], r))
                r->same = k;
        if (r->same != i || r->state != RECIPIENT_OPEN)
            mail_list_free(&r->list);
        limit_members(r, &members);
    }
    return once_each(j);
}

static void send_all(struct job *j)
{
    j->pending = 1; /* our own hold on the job */
    j->server_down = true;
    for (size_t i = 0; i < j->recipients; i++) {
        struct recipient *r = &j->recipient[i];
        if (r->state == RECIPIENT_LATER)
            j->server_down = false;
        if (r->state != RECIPIENT_OPEN || r->same != i)
            continue;
        if (r->way == WAY_MAILDIR)
            send_copy(j, r);
        else if (r->way == WAY_FORWARD || r->way == WAY_LIST)
            send_on(j, r);
    }
    for (size_t at = 0; at < j->recipients;)
        send_batch(j, &at);
    if (--j->pending == 0)
        end_job(j);
}

static struct job *new_job(struct dispatch *d, struct waiting_entry *e, ino_t inode)
{
    struct job *j = calloc(1, sizeof(*j));

    if (j == NULL)
        return NULL;
    *j = (struct job){.d = d, .entry = e, .inode = inode, .file = {.fd = -1}};
    j->tried = d->first || e->tries > 0;
    if (e->inode != inode)
        waiting_forget_done(e);
    e->active = e->seen = true;
    j->link = &d->jobs;
    j->next = d->jobs;
    if (j->next != NULL)
        j->next->link = &j->next;
    d->jobs = j;
    d->active++;
    return j;
}

static void open_file(struct job *j, int fd, const struct stat *st)
{
    /* Nobody alters a queued file; a lease would only hinder who copies it. */
    fcntl(fd, F_SETLEASE, F_UNLCK);
    enum postfile_result r = postfile_open(&j->file, fd, st, j->entry->name, j->fault);
    if (r == POSTFILE_BAD) {
        end_job(j);
    } else if (r == POSTFILE_TROUBLE || !find_recipients(j)) {
        dispatch_trouble(j->d, j->entry->name,
                         r == POSTFILE_TROUBLE ? strerror(errno) : "memory is short");
        later(j);
        job_free(j);
    } else {
        j->fault[0] = '\0';
        send_all(j);
    }
}

void job_start(struct dispatch *d, struct waiting_entry *e, int fd, const struct stat *st)
{
    struct job *j = new_job(d, e, st->st_ino);

    if (j != NULL)
        open_file(j, fd, st);
    else
        close(fd); /* read only; it is found again */
}

void job_hold(struct dispatch *d, struct waiting_entry *e, const struct stat *st,
              const char *reason)
{
    struct job *j = new_job(d, e, st->st_ino);

    if (j == NULL)
        return;
    snprintf(j->fault, sizeof(j->fault), "%s", reason);
    end_job(j);
}
