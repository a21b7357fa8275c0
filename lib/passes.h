/* What every program that empties a queue does alike: it owns the queue alone, makes passes over
 * it while there is work, and then waits for files (inotify, and the POLL of the configuration for
 * file systems that have none). After trouble it pauses, longer each time, up to POLL. */
#ifndef SPOOLMAIL_PASSES_H
#define SPOOLMAIL_PASSES_H

#include "lib/loop.h"
#include "lib/program.h"

enum pass {
    PASS_IDLE,    /* nothing was there to take */
    PASS_WORKED,  /* something was taken: look again at once */
    PASS_TROUBLE, /* something could not be done now; it is still in the queue */
    PASS_IN_DOUBT /* a commit may or may not be durable: the program must end */
};
/* What a pass comes to of which one part came to a and another to b. */
static inline enum pass pass_worse(enum pass a, enum pass b)
{
    return a > b ? a : b;
}

struct passes {
    struct program *program;
    const struct spool *spool;
    unsigned queues;  /* a set of 1 << spool_queue, of which it hears at once */
    const char *role; /* for its messages of start and end: "SPOOLER" */
    enum pass (*pass)(void *arg);
    void (*reloaded)(void *arg); /* after SIGHUP; may be NULL */
    void *arg;
};

/* Becomes the one process of that name that works on the spool, until it ends; SIGPIPE and SIGIO
 * (of leases that a writer breaks) are ignored from here on. False with a message. */
bool passes_own(const struct program *p, const struct spool *spool);
/* Works until SIGTERM or SIGINT; with --once until the queue has nothing to take. Returns the exit
 * status. */
int passes_run(const struct passes *p);
/* A descriptor that can be read when something happens in the queue: then passes_seen(). -1 with a
 * message: the poll alone finds files. */
int passes_watch(const struct program *p, const struct spool *spool, enum spool_queue queue);
/* Reads all that happened. Was it anything but files being written under temporary names? */
bool passes_seen(int watch);

#endif
