/* See hosts.h. */
#include "usmtp/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int read_all(int fd, struct buf *text)
{
    ssize_t n = 1;

    while (n != 0 && text->len < OFFICIAL_FILE_MAX) {
        if (!buf_reserve(text, 65536)) {
            errno = ENOMEM;
            return -1;
        }
        n = read(fd, text->data + text->len, 65536);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            text->len += (size_t)n;
    }
    return 0;
}

bool hosts_names(const struct site_dns *dns, struct official_names *names)
{
    struct buf text = {0};

    *names = (struct official_names){0};
    if (!dns->nicknames)
        return true;
    int fd = open(dns->hosts, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT;
    bool good = read_all(fd, &text) == 0 && official_read(names, BUF_SPAN(&text));
    int saved = errno;
    close(fd);
    buf_free(&text);
    errno = saved;
    return good;
}
