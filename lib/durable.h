/* Whole writes, syncs and moves: every system call that can lose mail is made here and checked
 * here.
 *
 * Functions return 0 (or a descriptor) on success and -1 with errno on failure. A failed sync is
 * never tried again as proof: after EIO the kernel may have dropped the pages, so the caller sets
 * the file aside. EINTR never reaches a caller. */
#ifndef SPOOLMAIL_DURABLE_H
#define SPOOLMAIL_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SYNCSET_FILES = 8 };

/* Opens a directory for use as a base; makes it first with `mode` when it is missing (and syncs its
 * parent): as .NAME.new, so that it never stands there with another mode; what a killed start left
 * there is taken up, if it is ours. mode 0: it must exist. `name` may be a path; only its last part
 * is made. */
int durable_dir(int at, const char *name, mode_t mode);
/* Syncs the directory that `name` is in. A directory that is found may have been made by a program
 * that died before it synced this. */
int durable_sync_parent(int at, const char *name);
/* A new file, open for reading and writing: O_EXCL, no link followed, close-on-exec. */
int durable_create(int dir, const char *name, mode_t mode);
/* Opens an existing file for reading without following any link or leaving `dir` (openat2
 * RESOLVE_BENEATH and NO_SYMLINKS), without blocking on a FIFO. `name` is one name, no slash. */
int durable_open(int dir, const char *name);
/* The same for what is mostly our own: when it was last read is not noted, which costs a write. */
int durable_open_own(int dir, const char *name);
/* All of it, though the kernel takes it in pieces. */
int durable_write(int fd, const void *octets, size_t n);
/* The same at a place of the file. */
int durable_write_at(int fd, const void *octets, size_t n, off_t at);
int durable_sync(int fd);
/* Syncs the octets of a file whose size and blocks did not change: spares the file system's own
 * journal. */
int durable_sync_data(int fd);
/* Makes the entry of an open file durable in its directory. A drop directory may be closed to its
 * writers (O_PATH only): then the whole file system is synced through the file. */
int durable_sync_entry(int dir, int file);
/* Renames without ever replacing what is there (EEXIST). Where the file system cannot do that in
 * one call: by link and unlink, so that a reader may see two links for a moment; or by a look and a
 * plain rename, where nobody else makes names in `to`, or a link is refused (what a stranger puts
 * under that very name between these two calls is then lost). */
int durable_move(int from, const char *name, int to, const char *new_name);
/* The same in one call and no other way: nobody ever sees both names, or neither. EINVAL: the file
 * system cannot do it. */
int durable_move_at_once(int from, const char *name, int to, const char *new_name);
/* Writes a small file whole: temporary name, sync, rename over the old one, directory sync. */
int durable_replace(int dir, const char *name, const void *octets, size_t n, mode_t mode);
/* The same for a file that is to belong to somebody: nobody ever sees it belong to another. */
int durable_replace_as(int dir, const char *name, const void *octets, size_t n, mode_t mode,
                       uid_t uid, gid_t gid);
/* Closes a descriptor after something failed: keeps errno, always returns -1. */
int durable_drop(int fd);
/* Calls `each` for every entry of a directory but . and .., until one call returns other than 0;
 * the result is that, or -1 with errno. `dir` is left as it is; entries may be moved away
 * meanwhile. */
int durable_each(int dir, int (*each)(void *arg, const char *name), void *arg);
/* close(2), with the errors that can mean lost data. The descriptor is gone either way. */
int durable_close(int fd);

/* Files waiting for one sync together (group commit). Few files are synced one by one; from
 * SYNCSET_FILES on, one syncfs() covers all of them. `whole` must be open since before the first
 * write: syncfs reports what failed since that descriptor was opened. */
struct syncset {
    int whole; /* borrowed: a directory on the file system */
    int fd[SYNCSET_FILES];
    size_t files;
    bool many;
};

void syncset_init(struct syncset *s, int whole);
/* Takes the descriptor over: it is closed here or by syncset_commit(). -1: closing it failed. */
int syncset_add(struct syncset *s, int fd);
/* Syncs all and empties the set; -1: at least one is not on stable storage. */
int syncset_commit(struct syncset *s);
/* Closes all without syncing. */
void syncset_drop(struct syncset *s);

#endif
