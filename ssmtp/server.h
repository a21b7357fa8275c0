/* One worker of the receiver: an event loop with listening sockets and their clients. */
#ifndef SSMTP_SERVER_H
#define SSMTP_SERVER_H

#include "lib/program.h"
#include "ssmtp/certificate.h"
#include "ssmtp/crowd.h"
#include "ssmtp/handover.h"
#include "ssmtp/listen.h"
#include "ssmtp/login.h"
#include "ssmtp/penalty.h"

struct server_params {
    struct program *program;
    const struct listen_set
        *listeners; /* NULL: `single` is the one connection, as inetd gives it */
    int single;
    int parent; /* at its end when the parent is gone; -1: there is none */
    struct crowd *crowd;
    const struct handover *handover; /* NULL: there is one worker */
    struct penalty *penalty;
    struct certificate *certificate; /* this process's own */
    struct passwords **passwords;    /* the same */
    unsigned worker;                 /* its row in the crowd */
    uint64_t journal;                /* octets that its journal is to have; 0: none */
    /* The configuration was read again: sets the limits of the crowd. */
    void (*reloaded)(void *arg);
    void *arg;
};

/* SIGTERM, SIGINT and SIGHUP may be blocked: it takes them when it minds them.
 *
 * Serves until SIGTERM (then finishes the transactions in hand, in bounded time) or until the
 * single connection is over; SIGHUP rereads the configuration, and sessions go on. Returns the exit
 * status (sysexits); EX_IOERR: it is in doubt what is on the disk, and the next start finds out. */
int server_run(const struct server_params *params);

#endif
