/* See postfile.h. */
#include "jobs/postoffice/postfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/diag.h"
#include "lib/digest.h"
#include "lib/header.h"
#include "lib/seal.h"

enum { HEAD_FIRST = 65536, HEAD_MAX = 4 << 20, PIECE = 65536 };

ssize_t postfile_read(const struct postfile *p, uint64_t *offset, void *to, size_t size)
{
    ssize_t n;

    do
        n = pread(p->fd, to, size, (off_t)*offset);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        *offset += (uint64_t)n;
    return n;
}

/* Reads on until `head` holds `octets` of the file, or all of it. */
static bool read_head(const struct postfile *p, struct buf *head, size_t octets, bool *whole)
{
    uint64_t offset = head->len;

    while (head->len < octets) {
        if (!buf_reserve(head, octets - head->len)) {
            errno = ENOMEM;
            return false;
        }
        ssize_t n = postfile_read(p, &offset, head->data + head->len, octets - head->len);
        if (n < 0)
            return false;
        if (n == 0) {
            *whole = true;
            break;
        }
        head->len += (size_t)n;
    }
    return true;
}

static bool has_line(struct span s)
{
    return span_find(s, '\n') < s.n;
}

/* Without a reason, and ENOMEM, where memory is at fault and not the line. */
static bool bad_line(char reason[320], size_t number, const struct diag *d)
{
    if (d->memory)
        errno = ENOMEM;
    else
        snprintf(reason, 320, "line %zu: %s", number, d->text);
    return false;
}

/* Takes the envelope off *rest. False with a reason; *more: the file is longer than what was read.
 */
static bool take_envelope(struct postfile *p, struct span *rest, bool whole, bool *more,
                          char reason[320])
{
    struct diag d = {0};
    struct span line, before = *rest;
    size_t number = 0;

    for (; rest->n > 0; before = *rest) {
        *more = !whole && !has_line(*rest);
        if (*more || !span_line(rest, &line))
            return true;
        number++;
        enum envelope_line what = envelope_take(&p->envelope, line, &d);
        if (what == ENVELOPE_BAD)
            return bad_line(reason, number, &d);
        if (what == ENVELOPE_END)
            break;
    }
    *rest = before;
    *more = !whole && rest->n == 0;
    if (*more)
        return true;
    if (!envelope_whole(&p->envelope, &d))
        return bad_line(reason, number, &d);
    if (p->envelope.asa)
        diag_set(&d, 0, 0, "X-Recfm belongs into a mail data set: put the mail in as plain lines");
    return !p->envelope.asa || bad_line(reason, number, &d);
}

/* Takes the header off *rest, less its Return-Path fields: who delivers last writes that one
 * (RFC 5321 4.4). */
static void take_header(struct postfile *p, struct span *rest)
{
    struct span before = *rest;
    struct field f;

    while (header_next(rest, &f)) {
        if (!span_eq_nocase(f.name, SPAN("Return-Path"))) {
            buf_add(&p->header, before.p, before.n - rest->n);
            if (p->header.len > 0 && p->header.data[p->header.len - 1] != '\n')
                buf_addc(&p->header, '\n');
        }
        before = *rest;
    }
    p->bare = p->header.len == 0 && rest->n > 0 && rest->p[0] != '\n' && rest->p[0] != '\r';
}

/* One try with what was read so far. *more: it was not enough. */
static bool take_head(struct postfile *p, struct span head, bool whole, bool *more,
                      char reason[320])
{
    struct span rest = head;

    envelope_free(&p->envelope);
    p->envelope = (struct envelope){0};
    buf_clear(&p->header);
    if (!take_envelope(p, &rest, whole, more, reason) || *more)
        return *more;
    p->text_at = (uint64_t)(rest.p - head.p);
    while (!whole && rest.n > 0 && rest.p[rest.n - 1] != '\n')
        rest.n--; /* the rest of that line was not read yet */
    take_header(p, &rest);
    p->body_at = (uint64_t)(rest.p - head.p);
    *more = !whole && rest.n == 0;
    return true;
}

static enum postfile_result open_head(struct postfile *p, char reason[320])
{
    struct buf head = {0};
    bool more = true, whole = false, good = true;

    for (size_t size = HEAD_FIRST; good && more && size <= HEAD_MAX; size *= 2)
        good = read_head(p, &head, size, &whole) &&
               take_head(p, BUF_SPAN(&head), whole, &more, reason);
    int saved = errno;
    bool no_envelope = good && more && p->text_at == 0;
    buf_free(&head);
    if (p->header.failed) {
        errno = ENOMEM;
        return POSTFILE_TROUBLE;
    }
    errno = saved;
    if (no_envelope)
        snprintf(reason, 320, "its envelope has no end within 4 MiB");
    if (good && !no_envelope)
        return POSTFILE_OPEN;
    return reason[0] != '\0' ? POSTFILE_BAD : POSTFILE_TROUBLE;
}

static void note_piece(struct postfile *p, struct span piece)
{
    for (size_t i = 0; i < piece.n; i++) {
        p->wire_octets += 1 + (piece.p[i] == '\n');
        p->eight_bit |= (unsigned char)piece.p[i] > 0x7F;
    }
}

/* The whole file once: its seal, if it has one, and the digest of the text. False: errno. */
static bool read_file(struct postfile *p, struct digest *digest, struct seal *seal)
{
    char octets[PIECE];
    uint64_t at = 0, before = 0;
    ssize_t n;

    while ((n = postfile_read(p, &at, octets, sizeof(octets))) > 0) {
        struct span piece = {octets, (size_t)n};
        if (seal != NULL)
            seal_add(seal, piece);
        piece = span_from(piece, before < p->text_at ? (size_t)(p->text_at - before) : 0);
        before = at;
        note_piece(p, piece);
        digest_add(digest, piece);
    }
    return n == 0;
}

static void name_digest(const struct postfile *p, const char *name, struct digest *digest)
{
    int64_t written[2] = {p->written.tv_sec, p->written.tv_nsec};
    const char *from = p->envelope.from.text;

    digest_begin(digest);
    digest_add(digest, (struct span){name, strlen(name) + 1});
    digest_add(digest, (struct span){(const char *)written, sizeof(written)});
    digest_add(digest, (struct span){from, strlen(from) + 1});
}

/* A damaged file tells so, whatever else was found wrong with it. One that has no seal and is no
 * mail is not read at all: a stranger's may be as large as he likes. */
static enum postfile_result check(struct postfile *p, const char *name, enum postfile_result result,
                                  char reason[320])
{
    struct digest digest = {0};
    struct seal seal = {0};
    bool sealed = seal_open(&seal, p->fd);
    enum seal_state state = SEAL_NONE;

    if (!sealed && result != POSTFILE_OPEN) {
        seal_drop(&seal);
        return result;
    }
    name_digest(p, name, &digest);
    bool good = read_file(p, &digest, sealed ? &seal : NULL);
    if (good && sealed)
        state = seal_check(&seal);
    else
        seal_drop(&seal);
    if (good && state == SEAL_TROUBLE) {
        errno = ENOMEM;
        good = false;
    }
    digest_end(&digest, p->digest);
    if (!good)
        return POSTFILE_TROUBLE;
    if (state == SEAL_BROKEN) {
        snprintf(reason, 320, SEAL_REASON);
        return POSTFILE_BAD;
    }
    return result;
}

enum postfile_result postfile_open(struct postfile *p, int fd, const struct stat *st,
                                   const char *name, char reason[320])
{
    *p = (struct postfile){.fd = fd, .written = st->st_mtim};
    reason[0] = '\0';
    enum postfile_result r = open_head(p, reason);
    if (r != POSTFILE_TROUBLE)
        r = check(p, name, r, reason);
    if (r != POSTFILE_OPEN) {
        int saved = errno;
        postfile_close(p);
        errno = saved;
    }
    return r;
}

bool postfile_id(const struct postfile *p, const char *userid, char out[POSTFILE_ID])
{
    unsigned char octets[sizeof(p->digest) + 16] = {0}, hash[DIGEST_OCTETS];
    struct digest digest = {0};

    memcpy(octets, p->digest, sizeof(p->digest));
    if (!span_copy(span_of(userid), (char *)octets + sizeof(p->digest), 16))
        return false;
    digest_begin(&digest);
    digest_add(&digest, (struct span){(const char *)octets, sizeof(octets)});
    digest_end(&digest, hash);
    for (size_t i = 0; i < POSTFILE_ID / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
    return true;
}

bool postfile_delivered_to(const struct postfile *p, const char *address)
{
    struct span rest = BUF_SPAN(&p->header);
    struct field f;

    while (header_next(&rest, &f))
        if (span_eq_nocase(f.name, SPAN("Delivered-To")) &&
            span_eq_nocase(span_trim(f.body), span_of(address)))
            return true;
    return false;
}

void postfile_close(struct postfile *p)
{
    if (p->fd >= 0)
        close(p->fd); /* read only */
    p->fd = -1;
    envelope_free(&p->envelope);
    buf_free(&p->header);
}
