/* Is a file that somebody put into a drop directory whole, and is it one that may be taken? Opens
 * it, never follows a link, never blocks. A file is whole when no process has it open for writing:
 * a read lease says so (fcntl F_SETLEASE). Where leases are not to be had (a network file system,
 * another user's file without CAP_LEASE), a file is whole when it did not change for QUIET seconds:
 * neither its size nor its change time. A file that cannot be read, or has a second link, may be on
 * its way to its last state (cp -p, link and unlink): it is refused only when it was quiet as well.
 */
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
        int64_t since_ms, seen_ms; /* steady clock: unchanged since, last looked at */
        bool told;                 /* ready_tell() was called for it */
    } * watch;
    size_t count, cap;
};

enum { READY_WHOLE = -1 /* as quiet_ms: the file is known to be whole */ };

struct ready_rules {
    int64_t quiet_ms, now_ms; /* steady clock */
    int64_t wall;             /* seconds: spares a program that runs once the waiting */
    uint64_t max_octets;
};

enum ready ready_check(struct watch_list *list, const struct ready_rules *rules, int dir,
                       const char *name, int *fd, struct stat *st, const char **reason);
/* True the first time for a file that nothing can be done about: so it is told once, not in each
 * pass. */
bool ready_tell(struct watch_list *list, const struct ready_rules *rules, const struct stat *st);
/* Forgets files that nobody looked at for ten minutes. */
void ready_prune(struct watch_list *list, int64_t now_ms);
void ready_free(struct watch_list *list);

#endif
