/* Extents shared between files, where the file system can (xfs with reflink, btrfs): octets that
 * stand at the same place in two files are on the disk once. To the reader both are plain files;
 * whoever writes to one gets octets of his own. */
#ifndef SPOOLMAIL_SHARE_H
#define SPOOLMAIL_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SHARE_BLOCK_MAX = 65536,        /* no file system here has larger blocks */
    SHARE_MIN = 2 * SHARE_BLOCK_MAX /* octets that are worth it: less is written as fast */
};

/* What shared octets must begin at a multiple of. `fd`: a file or directory of the file system. */
size_t share_block(int fd);
/* Gives `to`, which ends at `at`, the octets of `from` from there to its end. 0: done. 1: they
 * cannot be shared here, nothing was changed. -1 with errno: the disk is full or failed. */
int share_rest(int from, int to, uint64_t at);

#endif
