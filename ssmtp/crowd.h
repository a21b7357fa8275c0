/* How many connections there are, in all and of each client, over all workers.
 *
 * Counters in memory that the workers share: one row a worker, so that the counts of one that died
 * can be forgotten. A client is a slot, found by a keyed hash of its address (IPv6: of its /64);
 * that two clients share a slot is rare and does little harm. */
#ifndef SSMTP_CROWD_H
#define SSMTP_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct crowd;

/* NULL with errno. */
struct crowd *crowd_new(unsigned workers, unsigned most, unsigned most_of_client);
void crowd_free(struct crowd *c);
/* Other limits from now on, in this process. Whoever is in stays. */
void crowd_limit(struct crowd *c, unsigned most, unsigned most_of_client);
/* The slot of a client. */
uint32_t crowd_slot(const struct crowd *c, const struct sockaddr *client);

enum crowd_verdict {
    CROWD_ENTERED,
    CROWD_FULL,  /* no connection is left, or only such as are kept for clients that have none */
    CROWD_CLIENT /* this client has as many as one may have */
};
enum crowd_verdict crowd_enter(struct crowd *c, unsigned worker, uint32_t slot);
void crowd_leave(struct crowd *c, unsigned worker, uint32_t slot);
/* This worker takes connections from others from now on, or no longer. */
void crowd_serve(struct crowd *c, unsigned worker, bool on);
/* Who is to serve a connection that `worker` accepted: the first that has few, else it itself.
 * Another is counted on to come: crowd_came() when it took the connection, or is not to have it. */
unsigned crowd_place(struct crowd *c, unsigned worker);
void crowd_came(struct crowd *c, unsigned worker);
/* Is it time to be short with those who do nothing? */
bool crowd_dense(const struct crowd *c);
/* A worker died. */
void crowd_forget(struct crowd *c, unsigned worker);

#endif
