/* Logins in the simulation. In some runs the receiver is a submission service, and the sender logs
 * in there, by PLAIN or SCRAM-SHA-256, under TLS; burglars try to send without a password, and now
 * and then the name service names an impostor. Held to:
 *
 *   - the receiver takes mail of nobody but the sender, after a login
 *   - no secret is in anything sent outside of TLS, or read by a stranger
 *   - no mail for the receiver's users goes to an impostor
 *
 * and to all that is promised without logins. */
#ifndef TESTS_SIMULATE_SIM_LOGIN_H
#define TESTS_SIMULATE_SIM_LOGIN_H

#include "lib/buf.h"
#include "tests/simulate/sim_task.h"

struct ofd;

/* Chooses for this run, by its seed. */
void login_choose(void);
bool login_wanted(void);
/* The configuration of a machine, made of what it is without logins. */
const char *login_member(bool sender, const char *without);
const char *login_users(bool sender, const char *without);

/* Claims that were checked. */
struct login_figures {
    uint64_t good, wrong;
};
extern struct login_figures login_figures;

/* Octets on their way into a connection: the oracle looks at what is in them. */
void login_sends(const struct process *p, struct ofd *socket, const char *octets, size_t n);
/* A strange host has read that line; what it says to it, or NULL: what it always says. */
const char *login_stranger_hears(struct span line);

/* A client that would send without a password. */
void actor_burglar(struct process *p);

#endif
