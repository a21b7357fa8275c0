/* See seal.h. OpenSSL's own SHA-256 without its EVP layer: that one loads providers at the first
 * use, and does not survive it when memory is short (3.0). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "lib/seal.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SEAL_NAME "user.spoolmail.seal"

enum { PIECE = 32768 };

static void digest(struct seal *s, struct span octets)
{
    if (s->context == NULL && !s->failed) {
        s->context = malloc(sizeof(SHA256_CTX));
        s->failed = s->context == NULL || SHA256_Init(s->context) != 1;
    }
    if (!s->failed && octets.n > 0 && SHA256_Update(s->context, octets.p, octets.n) != 1)
        s->failed = true;
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
    digest(s, span_from(octets, before));
}

void seal_drop(struct seal *s)
{
    free(s->context);
    buf_free(&s->front);
    *s = (struct seal){0};
}

void seal_branch(struct seal *s, const struct seal *from, size_t cut)
{
    *s = (struct seal){.length = from->length, .cut = cut, .failed = from->failed};
    if (from->context == NULL || s->failed)
        return;
    s->context = malloc(sizeof(SHA256_CTX));
    s->failed = s->context == NULL;
    if (!s->failed)
        memcpy(s->context, from->context, sizeof(SHA256_CTX));
}

/* The attribute's text; false when there is no digest to be had. */
static bool seal_text(struct seal *s, char text[SEAL_TEXT_MAX])
{
    unsigned char octets[SHA256_DIGEST_LENGTH];
    int n;

    digest(s, BUF_SPAN(&s->front)); /* an empty file has a digest too */
    bool good = !s->failed && SHA256_Final(octets, s->context) == 1;
    if (s->cut > 0)
        n = snprintf(text, SEAL_TEXT_MAX, "2 %" PRIu64 " %zu ", s->length, s->cut);
    else
        n = snprintf(text, SEAL_TEXT_MAX, "1 %" PRIu64 " ", s->length);
    for (int i = 0; good && i < SEAL_DIGEST; i++)
        n += snprintf(text + n, (size_t)(SEAL_TEXT_MAX - n), "%02x", octets[i]);
    seal_drop(s);
    return good;
}

int seal_end(struct seal *s, int fd)
{
    char text[SEAL_TEXT_MAX];

    if (!seal_text(s, text)) {
        errno = ENOMEM;
        return -1;
    }
    if (fsetxattr(fd, SEAL_NAME, text, strlen(text), 0) == 0)
        return 0;
    return errno == ENOTSUP || errno == EPERM || errno == ENOSYS ? 0 : -1;
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
