/* Closes files that were removed, in a thread of its own. The last close of a file without a name
 * is where the file system gives back its blocks, which costs more than the removal itself; nobody
 * has to wait for that.
 *
 * It decides nothing: a process that ends closes them all the same. */
#ifndef SPOOLMAIL_CLOSER_H
#define SPOOLMAIL_CLOSER_H

struct closer;

/* NULL with errno: no memory or no thread; callers go on without. */
struct closer *closer_new(void);
/* unlinkat(dir, name, 0) that leaves the rest to the closer; c may be NULL. 0, or -1 with errno.
 * *file is a descriptor of what has that name, opened to be read, or -1; it may be NULL too. The
 * closer takes it (-1 then), or opens one.
 * Files wait for each other: closer_flush() within a second or so. */
int closer_unlink(struct closer *c, int dir, const char *name, int *file);
/* Closes what waits soon. */
void closer_flush(struct closer *c);
/* Closes all and ends the thread. */
void closer_free(struct closer *c);

#endif
