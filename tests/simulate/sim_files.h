/* Open file descriptions of simulated processes: files, directories, FIFOs, inotify, eventfd and
 * sockets, and whether they can be read or written now. */
#ifndef TESTS_SIMULATE_SIM_FILES_H
#define TESTS_SIMULATE_SIM_FILES_H

#include "tests/simulate/sim_disk.h"
#include "tests/simulate/sim_task.h"

enum ofd_kind { OFD_FILE, OFD_DIR, OFD_FIFO, OFD_NOTIFY, OFD_EVENT, OFD_SOCKET };
enum { NOTIFY_MAX = 128 };

struct sock;

struct notify_event {
    uint32_t mask;
    char name[DISK_NAME_MAX + 1];
};

struct ofd {
    enum ofd_kind kind;
    int flags; /* of open */
    struct process *owner;
    struct disk *disk;
    struct inode *inode;
    uint64_t at;
    uint32_t errors_seen, disk_errors_seen; /* what was already told of failed syncs */
    bool cut_short;                         /* a write took a part: the next one fails */
    char *names;                            /* of a directory being read */
    size_t names_size;
    struct sock *sock;
    uint64_t count; /* eventfd; of a connection the oracle's: a user, from 1 */
    size_t seen;    /* octets at the front of the next send that the oracle saw in the last one */
    /* inotify: the one directory watched is `inode` */
    uint32_t mask;
    struct notify_event *event; /* ring of NOTIFY_MAX */
    unsigned first, events;
    bool overflown;
    struct ofd *next_notify;
};

/* The lowest free descriptor for it; -EMFILE, and the description is gone. */
int file_install(struct process *p, struct ofd *o);
/* Is a descriptor free? */
bool file_room(const struct process *p);
struct ofd *file_new(struct process *p, enum ofd_kind kind, int flags);
/* NULL: no such descriptor. */
struct ofd *file_at(const struct process *p, int fd);
void file_close(struct process *p, int fd);
void file_close_all(struct process *p);
/* Gives up the lock of flock(2), if it has it. */
void file_unlock(const struct ofd *o);
bool file_readable(const struct ofd *o);
bool file_writable(const struct ofd *o);
/* When it will be readable or writable by itself; INT64_MAX: nobody knows. */
int64_t file_ready_us(const struct ofd *o);

/* The directory and last name that a path means, from a directory descriptor. */
struct place {
    struct disk *disk;
    struct inode *dir;
    char name[DISK_NAME_MAX + 1]; /* "" or ".": the directory itself */
};
int file_place(struct process *p, int at, const char *path, struct place *out);
/* Opens what stands there (not for creating). */
int file_open(struct process *p, struct disk *d, struct inode *i, int flags);

/* Something happened to `name` in a directory. */
void notify_raise(struct inode *dir, uint32_t mask, const char *name);
/* An inotify description watches one directory. */
int notify_watch(struct ofd *o, struct disk *d, struct inode *dir, uint32_t mask);
/* inotify's octets for read(2). */
long notify_read(struct ofd *o, void *to, size_t size);

#endif
