/* The sender's state, and its pump: which mail goes where, when. Four files share the state, each
 * with one task:
 *
 *   destination.c  destinations, their connections, and who may have how many
 *   fate.c         what becomes of a mail: sent, kept, given up
 *   restore.c      the checkpoint: what is remembered across a restart
 *   deliver.c      names that come in, what is due, start and end */
#ifndef USMTP_DELIVER_H
#define USMTP_DELIVER_H

#include "lib/closer.h"
#include "lib/dsname.h"
#include "lib/loop.h"
#include "lib/program.h"
#include "lib/ready.h"
#include "lib/syncer.h"
#include "usmtp/checkpoint.h"
#include "usmtp/destination.h"
#include "usmtp/giveup.h"
#include "usmtp/mailfile.h"
#include "usmtp/official.h"
#include "usmtp/queue.h"
#include "usmtp/resolve.h"
#include "usmtp/security.h"

struct deliver {
    const struct program *program;
    const struct spool *spool;
    struct loop *loop;
    struct loop_event *pump; /* looks at what is due; set by deliver_soon() */
    struct loop_event *sync; /* makes removals durable, many at once */
    struct closer *closer;   /* of what was removed; may be NULL */
    struct syncer *syncer;   /* of mail/; may be NULL */
    struct resolver *resolver;
    struct official_names names; /* of HOSTS */
    struct queue queue;
    struct chain fresh;
    size_t starting; /* of fresh: so many were there at the start */
    bool cold;       /* they are not in memory */
    struct checkpoint checkpoint;
    uint64_t time_line; /* offset of the last TIME line in it */
    struct giveup giveup;
    int64_t giveup_not_before; /* service seconds: the last try failed */
    struct watch_list watches;
    struct destinations destinations;
    struct security *security;            /* of the routes; the program's */
    struct keeper *keeper;                /* of secrets; the program's */
    struct chain undeleted;               /* sent, but the data set could not be removed */
    size_t removed;                       /* since the last sync */
    int64_t service_base, steady_base_ms; /* the service clock: checkpoint.h */
    bool unsynced;    /* names were seen that a power cut could still take back */
    bool new_servers; /* the configuration was read again: a new resolver is due */
    bool rescan;      /* a name could not be taken up: look at all of mail/ again */
    bool stopping, in_doubt;
};

enum {
    BUSY_DELAY = 5,    /* seconds until a file that is being written is looked at again */
    TROUBLE_DELAY = 30 /* the same after a fault of our own machine */
};

/* Opens the checkpoint and takes over what it says. False with a message. */
bool deliver_open(struct deliver *d);
/* A name was seen in mail/; may be called for the same name any number of times. whole: its writer
 * said that the file is complete; d->rescan is set when it must be shown again later. */
void deliver_name(struct deliver *d, const char *name, bool whole);
/* A name was made, and its writer may still be writing: it is looked at a little later. */
void deliver_created(struct deliver *d, const char *name);
/* After the first whole look at mail/: what the checkpoint spoke of and is not there any more is
 * forgotten. */
void deliver_scanned(struct deliver *d);
/* Looks at once (from the loop) at what is due. */
void deliver_soon(struct deliver *d);
/* The configuration was read again: what waits is routed anew, on the new schedule if that is
 * sooner, and the name servers are those that are configured now. */
void deliver_reload(struct deliver *d);
/* Nothing is being sent, and nothing is due. */
bool deliver_idle(const struct deliver *d);
/* Takes no more mail; what is on its way may still end. */
void deliver_quiesce(struct deliver *d);
/* Ends all connections; mail in hand is kept. */
void deliver_stop(struct deliver *d);
void deliver_close(struct deliver *d);

/* For the four files. */
int64_t deliver_now(const struct deliver *d); /* service seconds */
void deliver_data_set(const struct deliver *d, uint32_t entry, char out[DSNAME_MAX + 1]);
/* Nobody can say any more what is on stable storage, and a further sync would prove nothing: the
 * program ends, and the next start looks afresh. */
void deliver_in_doubt(struct deliver *d);

#endif
