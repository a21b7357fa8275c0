/* The keeper of secrets: a process of its own, made before the jail is entered. The sender asks it
 * for the secret of a login; it reads the file or runs the command (secret.h), each time anew, and
 * so the sender, which talks to strangers, has no way to files of secrets and runs nothing.
 *
 * It takes nothing but the number of a login (route_login_id()) and answers with what the
 * configuration says for that; a number that it does not know makes it read the configuration
 * again. Each question is a child of its own, bounded in time and size. It ends with the sender. */
#ifndef USMTP_KEEPER_H
#define USMTP_KEEPER_H

#include <sys/types.h>

#include "lib/loop.h"
#include "lib/program.h"

struct keeper_query;

/* Zero it to begin: nobody is there to be asked. */
struct keeper {
    pid_t child; /* 0: none */
    int fd;
    struct loop *loop;
    struct loop_event *readable;
    struct keeper_query *first;
    uint64_t ticket; /* of the last question */
};

struct keeper_answer {
    const char *why;    /* NULL: here it is */
    struct span secret; /* overwritten after the call */
};
typedef void keeper_fn(void *arg, const struct keeper_answer *a);

/* Makes it; with --once only where a route needs a secret. False with a message. Before the jail,
 * before threads, and before anything is open that the keeper should not hold. */
bool keeper_start(struct keeper *k, const struct program *p);
/* Answers come from this loop. False: memory is short. */
bool keeper_listen(struct keeper *k, struct loop *l);
/* Calls fn once, from the loop. NULL with *why: nobody can be asked. */
struct keeper_query *keeper_ask(struct keeper *k, uint64_t login, keeper_fn *fn, void *arg,
                                const char **why);
/* The answer is not wanted any more. */
void keeper_cancel(struct keeper *k, struct keeper_query *q);
/* It is not asked from this loop any more. */
void keeper_deafen(struct keeper *k);
void keeper_end(struct keeper *k);

#endif
