/* Destinations, and which mail goes to which when: between the queue and the connections. */
#ifndef USMTP_DELIVER_H
#define USMTP_DELIVER_H

#include "lib/loop.h"
#include "lib/program.h"
#include "lib/ready.h"
#include "usmtp/checkpoint.h"
#include "usmtp/giveup.h"
#include "usmtp/queue.h"
#include "usmtp/resolve.h"

struct destination;

struct deliver {
    const struct program *program;
    const struct spool *spool;
    struct loop *loop;
    struct loop_event *pump; /* looks at what is due; set by deliver_soon() */
    struct loop_event *sync; /* makes removals durable, many at once */
    struct resolver *resolver;
    struct queue queue;
    struct chain fresh;
    struct checkpoint checkpoint;
    struct giveup giveup;
    struct watch_list watches;
    struct destination **destination;
    uint32_t destinations, dest_cap;
    struct chain undeleted; /* sent, but the data set could not be removed */
    size_t connections, removed;
    int64_t service_base, steady_base_ms; /* the service clock: checkpoint.h */
    bool unsynced; /* names were seen that a power cut could still take back */
    bool stopping, in_doubt;
};

/* Opens the checkpoint and takes over what it says. False with a message. */
bool deliver_open(struct deliver *d);
/* A name was seen in mail/; may be called for the same name any number of times. whole: its writer
 * said that the file is complete. */
void deliver_name(struct deliver *d, const char *name, bool whole);
/* After the first whole look at mail/: what the checkpoint spoke of and is not there any more is
 * forgotten. */
void deliver_scanned(struct deliver *d);
/* Looks at once (from the loop) at what is due. */
void deliver_soon(struct deliver *d);
/* Nothing is being sent, and nothing is due. */
bool deliver_idle(const struct deliver *d);
/* Ends all connections; mail in hand is kept. */
void deliver_stop(struct deliver *d);
void deliver_close(struct deliver *d);

#endif
