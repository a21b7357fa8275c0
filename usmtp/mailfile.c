/* See mailfile.h. */
#include "usmtp/mailfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/durable.h"
#include "lib/login.h"
#include "lib/seal.h"

enum {
    HEAD_FIRST = 4096, /* enough for nearly every whole mail */
    PIECE = 65536,
    ENVELOPE_OCTETS = 4096 /* X-From, X-To and X-Recfm fit into it many times */
};

static bool read_head(struct mailfile *m, size_t octets)
{
    while (m->head.len < octets) {
        if (!buf_reserve(&m->head, octets - m->head.len)) {
            errno = ENOMEM;
            return false;
        }
        ssize_t n =
            pread(m->fd, m->head.data + m->head.len, octets - m->head.len, (off_t)m->head.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        m->head.len += (size_t)n;
    }
    return true;
}

/* BAD: *reason is filled. */
static enum mailfile_result take_envelope(struct mailfile *m, char reason[320])
{
    struct span rest = {m->head.data,
                        m->head.len < ENVELOPE_OCTETS ? m->head.len : ENVELOPE_OCTETS};
    struct envelope e = {0};
    struct span line, before = rest;
    enum envelope_line what = ENVELOPE_FIELD;
    struct diag d = {0};
    size_t number = 0;

    while (what == ENVELOPE_FIELD && span_line(&rest, &line)) {
        number++;
        what = envelope_take(&e, line, &d);
        if (what == ENVELOPE_FIELD)
            before = rest;
    }
    bool good = what != ENVELOPE_BAD && envelope_whole(&e, &d);
    if (good && (e.to == NULL || e.nto != 1))
        good = diag_set(&d, 0, 0,
                        "a mail data set has exactly one X-To: put a job's mail into the "
                        "queue instead");
    if (good && e.to != NULL) {
        m->from = e.from;
        m->to = e.to[0];
        m->asa = e.asa;
        m->text_at = (uint64_t)(before.p - m->head.data);
    } else {
        snprintf(reason, 320, "line %zu: %s", number, d.text);
    }
    envelope_free(&e);
    if (d.memory)
        errno = ENOMEM;
    return good ? MAILFILE_OPEN : d.memory ? MAILFILE_TROUBLE : MAILFILE_BAD;
}

/* May the owner of the file send as its X-From? */
static enum mailfile_result authorised(const struct mailfile *m, const struct program *p, uid_t uid,
                                       char reason[320])
{
    char owner[LOGIN_MAX + 1];

    if (uid == 0 || uid == geteuid())
        return MAILFILE_OPEN;
    enum login login = login_name(uid, owner);
    if (login == LOGIN_TROUBLE)
        return MAILFILE_TROUBLE;
    if (login == LOGIN_KNOWN &&
        usertable_may_send(p->users, span_of(owner), &m->from, span_of(p->site->host)))
        return MAILFILE_OPEN;
    snprintf(reason, 320, "X-From <%.100s> does not belong to the file's owner %s", m->from.text,
             owner);
    return MAILFILE_BAD;
}

/* Facts of the text, and the seal of the whole file, in one reading. */
static enum mailfile_result scan(struct mailfile *m, char reason[320])
{
    struct seal seal = {0};
    struct span piece;

    bool sealed = seal_open(&seal, m->fd);
    if (sealed)
        seal_add(&seal, (struct span){m->head.data, (size_t)m->text_at});
    text_scan_begin(&m->facts, m->asa);
    do {
        if (!mailfile_read(m, &piece)) {
            seal_drop(&seal);
            return MAILFILE_TROUBLE;
        }
        if (sealed)
            seal_add(&seal, piece);
        text_scan(&m->facts, piece);
    } while (piece.n > 0);
    text_scan_end(&m->facts);
    mailfile_rewind(m);
    switch (seal_check(&seal)) {
    case SEAL_BROKEN:
        snprintf(reason, 320, SEAL_REASON);
        return MAILFILE_BAD;
    case SEAL_TROUBLE:
        return MAILFILE_TROUBLE;
    default:
        return MAILFILE_OPEN;
    }
}

/* Opens the file; a stranger's is looked at as files in a drop directory are. */
static enum mailfile_result open_file(struct mailfile *m, const struct program *p, int mail,
                                      const char *name, struct watch_list *watches, unsigned flags,
                                      struct stat *st, char reason[320])
{
    struct ready_rules rules = {
        flags & MAILFILE_WHOLE ? READY_WHOLE : (int64_t)p->site->quiet * 1000, clock_steady_ms(),
        clock_wall(), p->site->maxsize + ENVELOPE_OCTETS};
    const char *why = NULL;

    m->fd = durable_open_own(mail, name);
    bool ours =
        m->fd >= 0 && fstat(m->fd, st) == 0 && S_ISREG(st->st_mode) && st->st_uid == geteuid();
    if (ours && st->st_nlink == 1)
        return MAILFILE_OPEN;
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    /* Whoever moves it by link and unlink was stopped between the two: his next start goes on. */
    if (ours && st->st_nlink == 2)
        return MAILFILE_BUSY;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
        return MAILFILE_TROUBLE;
    if (fstatat(mail, name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? MAILFILE_GONE : MAILFILE_TROUBLE;
    switch (ready_check(watches, &rules, mail, name, &m->fd, st, &why)) {
    case READY:
        return MAILFILE_OPEN;
    case READY_BUSY:
        return MAILFILE_BUSY;
    default:
        if (flags & MAILFILE_MOVING && st->st_nlink == 2)
            return MAILFILE_BUSY;
        snprintf(reason, 320, "%s", why);
        return MAILFILE_BAD;
    }
}

enum mailfile_result mailfile_open(struct mailfile *m, const struct program *p, int mail,
                                   const char *name, struct watch_list *watches, unsigned flags,
                                   char reason[320])
{
    struct stat st;

    *m = (struct mailfile){.fd = -1};
    enum mailfile_result r = open_file(m, p, mail, name, watches, flags, &st, reason);
    if (r != MAILFILE_OPEN)
        return r;
    m->octets = (uint64_t)st.st_size;
    if (!read_head(m, m->octets < PIECE ? (size_t)m->octets : HEAD_FIRST))
        r = MAILFILE_TROUBLE;
    else if ((r = take_envelope(m, reason)) == MAILFILE_OPEN)
        r = authorised(m, p, st.st_uid, reason);
    if (r == MAILFILE_OPEN) {
        mailfile_rewind(m);
        if (flags & MAILFILE_SCAN)
            r = scan(m, reason);
    }
    if (r != MAILFILE_OPEN) {
        int saved = errno;
        mailfile_close(m);
        errno = saved;
    }
    return r;
}

void mailfile_expect(int mail, const char *name)
{
    int fd = durable_open_own(mail, name);

    if (fd < 0)
        return;
    posix_fadvise(fd, 0, HEAD_FIRST, POSIX_FADV_WILLNEED);
    close(fd); /* read only */
}

bool mailfile_read(struct mailfile *m, struct span *piece)
{
    if (m->octets == m->head.len) { /* all of it is in memory */
        *piece = span_from(BUF_SPAN(&m->head), (size_t)m->read_at);
        m->read_at = m->octets;
        return true;
    }
    if (!buf_reserve(&m->head, PIECE > m->head.len ? PIECE - m->head.len : 0)) {
        errno = ENOMEM;
        return false;
    }
    ssize_t n;
    do
        n = pread(m->fd, m->head.data, PIECE, (off_t)m->read_at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return false;
    m->read_at += (uint64_t)n;
    *piece = (struct span){m->head.data, (size_t)n};
    return true;
}

bool mailfile_at_end(const struct mailfile *m)
{
    return m->octets == m->head.len && m->read_at == m->octets; /* all of it is in memory */
}

void mailfile_rewind(struct mailfile *m)
{
    m->read_at = m->text_at;
}

void mailfile_close(struct mailfile *m)
{
    if (m->fd >= 0)
        close(m->fd); /* read only */
    m->fd = -1;
    buf_free(&m->head);
}

int mailfile_part(struct mailfile *m)
{
    int fd = m->fd;

    m->fd = -1;
    mailfile_close(m);
    return fd;
}
