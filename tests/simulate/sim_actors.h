/* Who works on the simulated machines: the three daemons, users' jobs, and strangers on the
 * network. */
#ifndef TESTS_SIMULATE_SIM_ACTORS_H
#define TESTS_SIMULATE_SIM_ACTORS_H

#include "tests/simulate/sim_task.h"

/* Mains of simulated processes. */
void actor_spool4(struct process *p);
void actor_usmtp(struct process *p);
void actor_ssmtp(struct process *p);
/* A user's program that submits some messages, in one way or another. */
void actor_job(struct process *p);
/* A host that takes connections and says anything. */
void actor_strange_host(struct process *p);
/* A client that says anything to the receiver. */
void actor_strange_client(struct process *p);

#endif
