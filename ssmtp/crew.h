/* Processes that do the same work, and a parent that does nothing but start them, start a new one
 * where one died, and pass signals on. */
#ifndef SSMTP_CREW_H
#define SSMTP_CREW_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum { CREW_MAX = 64 };

struct crew {
    unsigned workers;
    int (*work)(void *arg, unsigned worker);              /* in the worker; its exit status */
    void (*died)(void *arg, unsigned worker, int status); /* a wait status; it is started anew */
    void (*reload)(void *arg);                            /* SIGHUP, before it is passed on */
    void *arg;

    bool child; /* this is a worker */
    int alive;  /* in a worker: at its end when the parent is gone */

    int signals, keeper; /* the crew's own */
    sigset_t before;
};

/* Makes what crew_run() needs, so that a jail may be entered between the two. False with errno. */
bool crew_open(struct crew *c);
/* Until SIGTERM or SIGINT, which are passed on; workers have `grace_ms` to end by themselves.
 * Returns the exit status, in the parent and in each worker. */
int crew_run(struct crew *c, long grace_ms);

#endif
