/* Where connections come in: the SERVICE statements of the configuration, or sockets that the
 * starter of the program hands over. */
#ifndef SSMTP_LISTEN_H
#define SSMTP_LISTEN_H

#include "lib/diag.h"
#include "lib/site.h"

enum { LISTEN_MAX = 64 };

/* The listening sockets of one worker. */
struct listen_set {
    int fd[LISTEN_MAX];
    enum tls_mode tls[LISTEN_MAX]; /* how it begins there, never AUTO */
    bool submission[LISTEN_MAX];   /* users log in there */
    size_t n;
};

/* What the SERVICE of a socket's port says. */
struct listen_kind {
    enum tls_mode tls;
    bool submission;
};

/* sd_listen_fds(3): sockets 3 and up, if LISTEN_PID is this process; the variables are taken away.
 * All workers share them. False with *d when one is no listening stream socket. */
bool listen_inherited(const struct site *site, struct listen_set *set, struct diag *d);
/* A socket for each SERVICE whose MODULE or else NAME is SSMTP. A worker's own (`own`): several may
 * listen at one port, and the kernel spreads connections over them. */
bool listen_services(const struct site *site, bool own, struct listen_set *set, struct diag *d);
/* Of a socket that somebody else made. Where no SERVICE has its port, the port tells how TLS
 * begins, and nobody logs in. */
struct listen_kind listen_kind(const struct site *site, int fd);
void listen_close(struct listen_set *set);

#endif
