/* Goes over jes/POST and takes up what is new or due, so many files at a time. */
#ifndef POSTOFFICE_DISPATCH_H
#define POSTOFFICE_DISPATCH_H

#include "jobs/postoffice/agents.h"
#include "jobs/postoffice/lmtplink.h"
#include "jobs/postoffice/settle.h"
#include "jobs/postoffice/waiting.h"
#include "lib/loop.h"
#include "lib/ready.h"

enum { DISPATCH_ACTIVE = 64 /* files at a time */ };

struct job;

struct dispatch {
    const struct program *program;
    const struct spool *spool;
    struct loop *loop;
    bool root; /* agents may become other users */
    /* private from here */
    struct waiting waiting;
    struct watch_list watches;
    struct agents agents;
    struct lmtp_pool lmtp;
    struct settle settle;
    struct loop_event *kick, *poll;
    void *list;       /* DIR of the pass that goes on; NULL: none */
    bool again;       /* something changed since it began */
    bool first;       /* it is the first of this process */
    bool removed;     /* files, since jes/POST was synced */
    struct job *jobs; /* in work */
    size_t active;
    bool stopping, in_doubt, once;
};

/* The spool must be recovered. False: memory or descriptors are short. */
bool dispatch_open(struct dispatch *d);
/* Looks through the queue soon. */
void dispatch_look(struct dispatch *d);
/* The same, and whatever waits is tried now. */
void dispatch_hurry(struct dispatch *d);
/* Takes nothing up any more; ends the loop when nothing is in work. */
void dispatch_stop(struct dispatch *d);
void dispatch_close(struct dispatch *d);
/* Says that a file could not be taken up now. */
void dispatch_trouble(const struct dispatch *d, const char *name, const char *why);

#endif
