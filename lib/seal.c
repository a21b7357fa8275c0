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

enum { TEXT_MAX = 64, PIECE = 32768 };

void seal_add(struct seal *s, struct span octets)
{
    if (s->context == NULL && !s->failed) {
        s->context = malloc(sizeof(SHA256_CTX));
        s->failed = s->context == NULL || SHA256_Init(s->context) != 1;
    }
    if (!s->failed && octets.n > 0 && SHA256_Update(s->context, octets.p, octets.n) != 1)
        s->failed = true;
    s->length += octets.n;
}

void seal_drop(struct seal *s)
{
    free(s->context);
    *s = (struct seal){0};
}

/* The attribute's text; false when there is no digest to be had. */
static bool seal_text(struct seal *s, char text[TEXT_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    seal_add(s, (struct span){"", 0}); /* an empty file has a digest too */
    bool good = !s->failed && SHA256_Final(digest, s->context) == 1;
    int n = snprintf(text, TEXT_MAX, "1 %" PRIu64 " ", s->length);
    for (int i = 0; good && i < SEAL_DIGEST; i++)
        n += snprintf(text + n, (size_t)(TEXT_MAX - n), "%02x", digest[i]);
    seal_drop(s);
    return good;
}

int seal_end(struct seal *s, int fd)
{
    char text[TEXT_MAX];

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

bool seal_there(int fd)
{
    return fgetxattr(fd, SEAL_NAME, NULL, 0) >= 0;
}

enum seal_state seal_check(struct seal *s, int fd)
{
    char text[TEXT_MAX], found[TEXT_MAX];
    ssize_t n = fgetxattr(fd, SEAL_NAME, found, sizeof(found) - 1);

    if (n < 0) {
        seal_drop(s);
        /* A seal too long for us was not written by us. */
        return errno == ERANGE ? SEAL_BROKEN : SEAL_NONE;
    }
    found[n] = '\0';
    if (!seal_text(s, text))
        return SEAL_TROUBLE;
    return strcmp(text, found) == 0 ? SEAL_GOOD : SEAL_BROKEN;
}
