/* Temporary files without a name, in TMPDIR (or /tmp): what is written while a message is made lies
 * here, not in memory. Nobody else can open them, and they are gone when their descriptor is.
 * Functions return 0 or -1 with errno; after a failed write the file is as it was before. */
#ifndef SNDMSG_SCRATCH_H
#define SNDMSG_SCRATCH_H

#include <sys/types.h>

#include "lib/buf.h"

struct scratch {
    int fd; /* -1: not open */
    uint64_t size;
};

#define SCRATCH_CLOSED ((struct scratch){-1, 0})

/* The folder, for messages. */
const char *scratch_folder(void);
int scratch_open(struct scratch *s);
/* Appends. */
int scratch_write(struct scratch *s, struct span octets);
/* At most n octets from `at`; how many, 0 at the end. */
ssize_t scratch_read(const struct scratch *s, uint64_t at, char *to, size_t n);
/* Drops what stands from `size` on; cannot fail. */
void scratch_cut(struct scratch *s, uint64_t size);
void scratch_close(struct scratch *s);

#endif
