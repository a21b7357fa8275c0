/* A simulated disk: directories, files, extended attributes, in two images at once. What programs
 * see is the volatile one; the durable one is that less the changes which are still pending.
 *
 * A crash keeps what was synced. Of the rest it keeps a choice by the seed, in one of three modes:
 *
 *   JOURNAL   the changes of all directories up to some moment, in order
 *   ORDERED   of each directory the first so many changes, each directory apart
 *   HARSH     any of them
 *
 * and of files that were not synced the new content, the old, a part, or zeros, whatever became of
 * their names. A sync makes durable what it promises: fsync of a file its content and attributes
 * but not its name, fsync of a directory its entries but not what is in them, syncfs everything.
 *
 * What is assumed of any file system, because all that Linux has for spools do it: a rename is one
 * change, both names or none; changes to one name, or to one file, keep their order; a directory
 * is not lost while something durable is in it, and not removed before all in it is; sectors of
 * 512 octets are written whole. */
#ifndef TESTS_SIMULATE_SIM_DISK_H
#define TESTS_SIMULATE_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_mode { DISK_JOURNAL, DISK_ORDERED, DISK_HARSH, DISK_MODES };
enum inode_kind { INODE_FILE, INODE_DIR, INODE_FIFO };
enum { DISK_SEAL_MAX = 72, DISK_NAME_MAX = 255 };

struct change;
struct dentry;
struct half;
struct kept_page;
struct ofd;

/* A pending change, as long as `number` is still its own. */
struct pending {
    struct change *change;
    uint64_t number;
};

struct inode {
    uint32_t number; /* never used again */
    enum inode_kind kind;
    uint32_t refs; /* entries, descriptors, pending changes */
    uint32_t links, opened, writers;
    uint32_t mode, uid;
    uint32_t synced_mode; /* the durable one */
    int64_t changed_us;   /* wall clock */
    struct pending last, made;

    /* A file. */
    char *data;
    uint32_t size, cap;
    uint32_t synced;          /* octets of it that are durable */
    struct kept_page *kept;   /* of these, what was written over since, by page */
    uint32_t keeps, kept_cap; /* so many; and have room */
    uint32_t dirty;           /* place in the list of dirty files, from 1 */
    bool poisoned;            /* a sync failed: the pages were dropped, nothing proves them again */
    bool resized;             /* its size is not the durable one, or was another meanwhile */
    uint32_t errors;          /* failed syncs, for those who have it open */
    char seal[DISK_SEAL_MAX]; /* the one attribute there is */
    uint32_t seal_size;       /* 0: none */
    bool seal_synced;
    struct ofd *locked_by;
    uint64_t tag;  /* the oracle's; 0 when the content changes */
    bool acked;    /* the oracle's: the receiver said 250 for it */
    bool shown;    /* the oracle's: it arrived, out of a journal */
    uint64_t seen; /* the oracle's: the last inspection that saw it, under whatever name */

    uint32_t waiting; /* a FIFO: octets in it */

    /* A directory. */
    struct dentry *first_entry, *last_entry;
    uint32_t entries;
    struct half *first_half, *last_half; /* pending changes */
    uint64_t broken; /* crash in which one of its changes was the first to be lost */
    uint32_t watches;

    struct inode *parent; /* as long as it is linked; of the last name it got */
    char name[64];        /* that name, cut */
};

struct disk {
    struct inode *root;
    enum disk_mode mode;
    int64_t skew_us; /* of the wall clock against the steady one */
    uint64_t used, limit;
    uint64_t version;  /* goes up with every change, and when one becomes durable */
    uint32_t errors;   /* failed syncs of any file */
    bool read_only;    /* it gave up */
    bool plain_rename; /* it knows no RENAME_NOREPLACE, as NFS */
    bool sealless;     /* it has no attributes */
    /* private */
    struct dentry **bucket;
    uint32_t buckets, dentries;
    struct change *oldest, *newest, *spare_changes;
    struct dentry *spare_dentries;
    uint64_t changes, crashes;
    struct inode **dirty;
    uint32_t dirties, dirty_cap;
    uint32_t inodes;
};

void disk_open(struct disk *d, enum disk_mode mode);

/* Each returns 0, or a number of octets, or -errno. Names are single components. */
struct inode *disk_find(const struct disk *d, const struct inode *dir, const char *name);
int disk_make(struct disk *d, struct inode *dir, const char *name, enum inode_kind kind,
              uint32_t mode, uint32_t uid, struct inode **out);
int disk_link(struct disk *d, struct inode *i, struct inode *dir, const char *name);
int disk_remove(struct disk *d, struct inode *dir, const char *name, bool directory);
int disk_move(struct disk *d, struct inode *from, const char *name, struct inode *to,
              const char *new_name, bool replace);
void disk_hold(struct inode *i);
void disk_release(struct disk *d, struct inode *i);

int64_t disk_read(const struct inode *i, uint64_t at, void *to, size_t n);
int64_t disk_write(struct disk *d, struct inode *i, uint64_t at, const void *octets, size_t n);
int disk_cut(struct disk *d, struct inode *i, uint64_t size);
int disk_set_mode(struct disk *d, struct inode *i, uint32_t mode);
/* A file that its maker shows later, by another mode. */
static inline bool inode_unshown(const struct inode *i)
{
    return i->kind == INODE_FILE && (i->mode & 01000) != 0;
}
/* -ENOTSUP where there are none. */
int disk_set_seal(struct disk *d, struct inode *i, const void *value, size_t n);

void disk_sync_file(struct disk *d, struct inode *i);
void disk_sync_directory(struct disk *d, struct inode *dir);
void disk_sync_all(struct disk *d);
/* Makes the changes durable that came after number `since` (disk.changes), and no others. */
void disk_settle_since(struct disk *d, uint64_t since);
/* It failed: of a file the pages are dropped; of a directory its pending changes are marked. */
void disk_sync_failed(struct disk *d, struct inode *i);

/* The power fails: what is not durable is kept or lost as the mode allows. Nothing may be open. */
void disk_crash(struct disk *d);

/* Calls `each` for every entry of a directory, as it stands when the call begins. */
void disk_each(struct inode *dir, void (*each)(void *arg, const char *name, struct inode *i),
               void *arg);
/* The names of a directory, for readdir: each ended by NUL; *octets learns the length of all. */
char *disk_names(const struct inode *dir, size_t *octets);
/* Is the entry's last change durable? `proven`: and was no sync of it ever failed, which is what an
 * acknowledgement needs? Is the content? */
bool disk_entry_durable(const struct disk *d, const struct inode *dir, const char *name,
                        bool proven);
bool disk_file_durable(const struct inode *i);
/* Are these octets of it? */
bool disk_range_durable(const struct inode *i, uint64_t at, uint64_t n);

#endif
