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
    size_t n;
};

/* sd_listen_fds(3): sockets 3 and up, if LISTEN_PID is this process; the variables are taken away.
 * All workers share them. False with *d when one is no listening stream socket. */
bool listen_inherited(const struct site *site, struct listen_set *set, struct diag *d);
/* A socket for each SERVICE whose MODULE or else NAME is SSMTP. A worker's own (`own`): several may
 * listen at one port, and the kernel spreads connections over them. */
bool listen_services(const struct site *site, bool own, struct listen_set *set, struct diag *d);
/* How TLS begins at a socket that somebody else made: as the SERVICE of its port says, or else by
 * the port. */
enum tls_mode listen_mode(const struct site *site, int fd);
void listen_close(struct listen_set *set);

#endif
