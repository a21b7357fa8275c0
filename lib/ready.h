/* Is a file that somebody put into a drop directory whole, and is it one that may be taken? Opens
 * it, never follows a link, never blocks. A file is whole when no process has it open for writing:
 * a read lease says so (fcntl F_SETLEASE). Where leases are not to be had (a network file system,
 * another user's file without CAP_LEASE), a file is whole when neither its size nor its times
 * changed for QUIET seconds. */
#ifndef SPOOLMAIL_READY_H
#define SPOOLMAIL_READY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum ready {
    READY,      /* *fd is open and under a lease if there are leases; *st describes it */
    READY_BUSY, /* being written, or gone: look again later */
    READY_BAD   /* *reason says why it may not be taken; nothing is open */
};

/* Files seen before that no lease could vouch for. */
struct watch_list {
    struct watch {
        ino_t inode;
        off_t size;
        struct timespec changed;
        int64_t since_ms; /* steady clock */
        bool seen;        /* in this pass */
    } * watch;
    size_t count, cap;
};

enum { READY_WHOLE = -1 /* as quiet_ms: the file is known to be whole */ };

struct ready_rules {
    int64_t quiet_ms, now_ms; /* steady clock */
    uint64_t max_octets;
};

enum ready ready_check(struct watch_list *list, const struct ready_rules *rules, int dir,
                       const char *name, int *fd, struct stat *st, const char **reason);
/* After a pass: forgets files that are gone. */
void ready_prune(struct watch_list *list);
void ready_free(struct watch_list *list);

#endif
