/* See share.h. */
#include "lib/share.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

size_t share_block(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_blksize < 512 || st.st_blksize > SHARE_BLOCK_MAX ||
        (st.st_blksize & (st.st_blksize - 1)) != 0)
        return SHARE_BLOCK_MAX;
    return (size_t)st.st_blksize;
}

/* Errors that concern the disk, and not what it can do. */
static bool concerns_disk(int error)
{
    static const int errors[] = {ENOSPC, EDQUOT, EIO, ENOMEM, EROFS};

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (error == errors[i])
            return true;
    return false;
}

int share_rest(int from, int to, uint64_t at)
{
    struct file_clone_range range = {.src_fd = from, .src_offset = at, .dest_offset = at};
    int result;

    do
        result = ioctl(to, FICLONERANGE, &range);
    while (result < 0 && errno == EINTR);
    if (result == 0)
        return 0;
    return concerns_disk(errno) ? -1 : 1;
}
