/* See plain.h. */
#include "ssmtp/plain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX ".ssmtp-"

enum { NAME_TRIES = 8 };

void plain_format(char out[PLAIN_FILE], const struct plain *p)
{
    snprintf(out, PLAIN_FILE, PREFIX "%u-%llx-%s", p->number % 1000,
             (unsigned long long)p->generation, p->name);
}

/* Takes a number and its hyphen off the front. */
static bool take_number(struct span *s, unsigned base, uint64_t max, uint64_t *value)
{
    static const char all[] = "0123456789abcdef";
    struct span digits;

    *value = 0;
    if (!span_cut(s, '-', &digits) || digits.n == 0 || digits.p[0] == '0')
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        const char *digit = memchr(all, digits.p[i], base);
        if (digit == NULL || *value > max / base)
            return false;
        *value = *value * base + (uint64_t)(digit - all);
    }
    return *value <= max;
}

bool plain_parse(const char *file, struct plain *p)
{
    struct span s = span_of(file);
    uint64_t number;

    if (strncmp(file, PREFIX, sizeof(PREFIX) - 1) != 0)
        return false;
    s = span_from(s, sizeof(PREFIX) - 1);
    if (!take_number(&s, 10, 999, &number) || !take_number(&s, 16, UINT64_MAX, &p->generation) ||
        s.p == NULL || s.n == 0 || s.p[0] == '.')
        return false;
    p->number = (unsigned)number;
    return span_copy(s, p->name, sizeof(p->name));
}

int plain_make(int dir, const struct plain *p, struct span content, const struct seal_mark *mark)
{
    char file[PLAIN_FILE];

    plain_format(file, p);
    int fd = durable_create(dir, file, 0640);
    if (fd < 0 && errno == EEXIST && unlinkat(dir, file, 0) == 0) /* of a try that failed */
        fd = durable_create(dir, file, 0640);
    if (fd < 0)
        return -1;
    if (durable_write(fd, content.p, content.n) == 0 && seal_put(fd, mark) == 0)
        return fd;
    int saved = errno;
    unlinkat(dir, file, 0);
    errno = saved;
    return durable_drop(fd);
}

int plain_show(int dir, struct plain *p, struct store_names *names)
{
    char file[PLAIN_FILE];

    plain_format(file, p);
    for (int tries = 0; tries < NAME_TRIES; tries++) {
        if (durable_move(dir, file, dir, p->name) == 0)
            return 0;
        if (errno != EEXIST)
            return -1;
        if (!store_names_next(names, true, p->name))
            return -1;
    }
    errno = EEXIST;
    return -1;
}
