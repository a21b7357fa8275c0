/* See seal.h. */
#include "lib/seal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SEAL_NAME "user.spoolmail.seal"

enum { PIECE = 32768 };

static struct digest *digest_of(struct seal *s)
{
    if (!s->begun)
        digest_begin(&s->digest);
    s->begun = true;
    return &s->digest;
}

void seal_add(struct seal *s, struct span octets)
{
    size_t before = 0;

    if (s->checking && s->length < s->cut) {
        before = s->cut - (size_t)s->length;
        if (before > octets.n)
            before = octets.n;
        s->failed |= !buf_add(&s->front, octets.p, before);
    }
    s->length += octets.n;
    digest_add(digest_of(s), span_from(octets, before));
}

void seal_drop(struct seal *s)
{
    buf_free(&s->front);
    *s = (struct seal){0};
}

void seal_branch(struct seal *s, const struct seal *from, size_t cut)
{
    *s = (struct seal){
        .digest = from->digest, .begun = from->begun, .length = from->length, .cut = cut};
}

/* Ends *s. False: memory was short. */
static bool take_mark(struct seal *s, struct seal_mark *out)
{
    unsigned char octets[DIGEST_OCTETS];
    bool good = !s->failed;

    digest_add(digest_of(s), BUF_SPAN(&s->front));
    digest_end(&s->digest, octets);
    out->length = s->length;
    memcpy(out->digest, octets, SEAL_DIGEST);
    seal_drop(s);
    return good;
}

void seal_of(struct span octets, struct seal_mark *out)
{
    struct seal s = {0};

    seal_add(&s, octets);
    take_mark(&s, out);
}

/* The attribute's text. */
static void mark_text(const struct seal_mark *mark, size_t cut, char text[SEAL_TEXT_MAX])
{
    static const char hex[] = "0123456789abcdef";
    int n;

    if (cut > 0)
        n = snprintf(text, SEAL_TEXT_MAX, "2 %" PRIu64 " %zu ", mark->length, cut);
    else
        n = snprintf(text, SEAL_TEXT_MAX, "1 %" PRIu64 " ", mark->length);
    for (int i = 0; i < SEAL_DIGEST; i++) {
        text[n++] = hex[mark->digest[i] >> 4];
        text[n++] = hex[mark->digest[i] & 15];
    }
    text[n] = '\0';
}

/* 1: there are no attributes here. */
static int set_attribute(int fd, const char *text)
{
    if (fsetxattr(fd, SEAL_NAME, text, strlen(text), 0) == 0)
        return 0;
    return errno == ENOTSUP || errno == EPERM || errno == ENOSYS ? 1 : -1;
}

int seal_put(int fd, const struct seal_mark *mark)
{
    char text[SEAL_TEXT_MAX];

    mark_text(mark, 0, text);
    return set_attribute(fd, text);
}

/* The text of a seal that is whole; ends *s. False: memory was short. */
static bool seal_text(struct seal *s, char text[SEAL_TEXT_MAX])
{
    struct seal_mark mark;
    size_t cut = s->cut;
    bool good = take_mark(s, &mark);

    mark_text(&mark, cut, text);
    return good;
}

int seal_end(struct seal *s, int fd)
{
    char text[SEAL_TEXT_MAX];

    seal_text(s, text); /* memory can be short only for one that is checked */
    return set_attribute(fd, text) < 0 ? -1 : 0;
}

int seal_file(int fd)
{
    struct seal s = {0};
    char octets[PIECE];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, octets, sizeof(octets), at)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int saved = errno;
            seal_drop(&s);
            errno = saved;
            return -1;
        }
        seal_add(&s, (struct span){octets, (size_t)n});
        at += n;
    }
    return seal_end(&s, fd);
}

/* The cut of the second form; 0: it is the first, or none of ours. */
static size_t cut_of(struct span text)
{
    struct span word;
    uint64_t cut;

    if (!span_cut(&text, ' ', &word) || !span_eq(word, SPAN("2")) || !span_cut(&text, ' ', &word) ||
        !span_cut(&text, ' ', &word) || !span_number(word, SEAL_CUT_MAX, &cut))
        return 0;
    return (size_t)cut;
}

bool seal_open(struct seal *s, int fd)
{
    ssize_t n = fgetxattr(fd, SEAL_NAME, s->found, sizeof(s->found) - 1);

    if (n < 0 && errno != ERANGE)
        return false;
    s->found[n < 0 ? 0 : n] = '\0'; /* one too long for us was not written by us */
    s->cut = cut_of(span_of(s->found));
    s->checking = true;
    return true;
}

enum seal_state seal_compare(int fd, const struct seal_mark *mark)
{
    struct seal s = {0};
    char text[SEAL_TEXT_MAX];

    if (!seal_open(&s, fd))
        return errno == ENODATA || errno == ENOTSUP ? SEAL_NONE : SEAL_TROUBLE;
    mark_text(mark, 0, text);
    if (s.found[0] == '\0') { /* too long */
        errno = ERANGE;
        return SEAL_TROUBLE;
    }
    return strcmp(s.found, text) == 0 ? SEAL_GOOD : SEAL_BROKEN;
}

enum seal_state seal_check(struct seal *s)
{
    char text[SEAL_TEXT_MAX], found[SEAL_TEXT_MAX];

    if (!s->checking) {
        seal_drop(s);
        return SEAL_NONE;
    }
    memcpy(found, s->found, sizeof(found));
    if (!seal_text(s, text))
        return SEAL_TROUBLE;
    return strcmp(text, found) == 0 ? SEAL_GOOD : SEAL_BROKEN;
}
