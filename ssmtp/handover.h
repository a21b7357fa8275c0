/* Connections that one worker accepted and another is to serve (crowd_place() says who): datagrams
 * of one descriptor each, between processes of one parent. */
#ifndef SSMTP_HANDOVER_H
#define SSMTP_HANDOVER_H

#include <stdbool.h>

#include "ssmtp/crew.h"

struct handover {
    unsigned workers;
    int taking[CREW_MAX], giving[CREW_MAX]; /* both ends of each worker's channel */
};

/* The channels of all workers; false with errno. */
bool handover_open(struct handover *h, unsigned workers);
/* In a worker: closes the ends that are others'. */
void handover_keep(struct handover *h, unsigned worker);
void handover_close(struct handover *h);
/* Gives a connection, from the `listener`th of the worker's listening sockets; it is closed here.
 * False: it could not be, and is the caller's still. */
bool handover_give(const struct handover *h, unsigned to, int fd, unsigned listener);
/* The next connection that was given, non-blocking as it was; -1: it was lost, because there was no
 * descriptor for it. False: there is none. */
bool handover_take(const struct handover *h, unsigned worker, int *fd, unsigned *listener);

#endif
