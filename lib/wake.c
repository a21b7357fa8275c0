/* See wake.h. */
#include "lib/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/durable.h"

static int check_fifo(int fd)
{
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))) {
        close(fd);
        errno = EEXIST;
        return -1;
    }
    return fd;
}

/* A FIFO of ours; whatever else has the name is removed: mail/ belongs to the spool's user. */
static int make_fifo(int mail)
{
    struct stat st;

    if (mkfifoat(mail, WAKE_NAME, 0622) == 0 || errno != EEXIST)
        return 0;
    if (fstatat(mail, WAKE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISFIFO(st.st_mode) && st.st_uid == geteuid())
        return 0;
    if (unlinkat(mail, WAKE_NAME, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
        return -1;
    return mkfifoat(mail, WAKE_NAME, 0622);
}

int wake_listen(int mail)
{
    if (make_fifo(mail) < 0)
        return -1;
    int fd = check_fifo(openat(mail, WAKE_NAME, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    /* Whatever the umask: everybody may write. */
    return fd >= 0 && fchmod(fd, 0622) < 0 ? durable_drop(fd) : fd;
}

void wake_send(int mail)
{
    int fd = check_fifo(openat(mail, WAKE_NAME, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));

    if (fd < 0)
        return;
    /* A full FIFO means that the reader has not looked yet: it will. */
    ssize_t n = write(fd, "W", 1);
    (void)n;
    close(fd);
}

void wake_drain(int fd)
{
    char junk[4096];

    for (int i = 0; i < 16 && read(fd, junk, sizeof(junk)) > 0; i++)
        ;
}
