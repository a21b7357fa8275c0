/* The oracle: knows what was accepted and where every copy of it may lawfully be, watches each
 * change of the disks that matters, and looks through all of both machines after each crash.
 *
 *   - what was acknowledged is in exactly one lawful state, or was acknowledged by the other side
 *   - it arrives at least once; again only when the sender could not know that it had arrived
 *   - nothing that is not whole stands under a name that readers take up
 *   - a name of a data set is given out once
 *   - what is held has its reason
 *   - an acknowledgement rests on stable storage, and on no sync that failed
 *   - a data set goes only after its host said 2xx to it, or its sender was told
 *   - at the end nothing is left over */
#ifndef TESTS_SIMULATE_SIM_ORACLE_H
#define TESTS_SIMULATE_SIM_ORACLE_H

#include "tests/simulate/sim_disk.h"

struct host;
struct ofd;
struct process;

/* How a message enters. */
enum message_kind {
    MESSAGE_SPOOLED, /* spool_queue(), as submit does */
    MESSAGE_DROPPED, /* written, synced, renamed into the queue */
    MESSAGE_COPIED,  /* written slowly under its name, as cp does */
    MESSAGE_BATCH,   /* two of them in one file of Batch SMTP */
    MESSAGE_OFFERED, /* lib/offer, as sndmsg does */
    MESSAGE_STRANGE, /* a user puts a data set into mail/ himself */
    MESSAGE_FAULTY,  /* nobody can send it: goes to HOLD */
    MESSAGE_KINDS
};

void oracle_open(uint32_t messages);
/* A new message to so many recipients; its id, and the set of users it is for. */
uint32_t oracle_new(enum message_kind kind, uint32_t *users);
enum message_kind oracle_kind(uint32_t id);
/* Its writer was told that it is accepted. */
void oracle_accepted(uint32_t id);
/* Its writer was told no, or was killed, or cannot know: it may come or not. */
void oracle_in_doubt(uint32_t id);
/* Messages that are not at their end yet; and those that are accepted. */
uint32_t oracle_waiting(void);
uint32_t oracle_made(void);

/* An entry came, went, or moved, by a call of that process. */
void oracle_added(const struct process *p, struct inode *dir, const char *name, struct inode *i);
void oracle_removed(const struct process *p, struct inode *dir, const char *name, struct inode *i);
void oracle_moved(const struct process *p, struct inode *from, const char *name, struct inode *to,
                  const char *new_name, struct inode *i);
/* Its mode lets readers take it from now on. */
void oracle_shown(const struct process *p, struct inode *dir, const char *name, struct inode *i);

/* spool_queue() returned well to a user's program. */
void oracle_spooled(const struct process *p, const char *queue, const char *name);
/* The receiver says 250 for this spool file. */
void oracle_received(const struct process *p, const char *name);
/* A strange host said 2xx to the text of a message, or may have: `sure` when it said so. */
void oracle_took(struct host *stranger, const char *text, size_t n, bool sure);
/* Octets on their way into a connection. */
void oracle_sends(const struct process *p, struct ofd *socket, const char *octets, size_t n);
/* A file cannot be read: the system may hold it for that. */
void oracle_unreadable(struct inode *i);
/* The sender's log: what became of the data set `name`. */
void oracle_attempt(const struct process *p, const char *name, const char *status);

/* A process died. */
void oracle_died(const struct process *p, bool killed);
/* After a crash of the machine, and now and then: everything is looked at. */
void oracle_inspect(struct host *h, const char *when);
/* After the power came back: what is on the disk is all there is. */
void oracle_power_cut(struct host *h);
/* Readers of POST take what stands there safely. `last`: nothing is on its way any more, so also
 * what was never acknowledged. */
void oracle_collect(struct host *h, bool last);
/* Is nothing on its way in the sender? */
bool oracle_quiet(void);
/* When all is quiet: nothing is left over, all came to its end. `swept`: every program has been
 * started since the last of them was killed. */
void oracle_finish(bool swept);

struct oracle_figures {
    uint64_t accepted, delivered, doubled, bounced, held, inspected;
};
extern struct oracle_figures oracle_figures;

#endif
