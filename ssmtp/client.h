/* One client's connection: carries octets between its wire and its session, stores its messages,
 * and keeps the time. Knows of no other connection. */
#ifndef SSMTP_CLIENT_H
#define SSMTP_CLIENT_H

#include "lib/program.h"
#include "lib/wire.h"
#include "ssmtp/certificate.h"
#include "ssmtp/commit.h"
#include "ssmtp/crowd.h"
#include "ssmtp/listen.h"
#include "ssmtp/login.h"
#include "ssmtp/penalty.h"
#include "ssmtp/room.h"
#include "ssmtp/session.h"

struct client;

/* What the clients of a process share. */
struct client_context {
    /* A reload replaces what it points to: nobody keeps pointers into it between two events. */
    const struct program *program;
    struct receiver_site site;
    struct loop *loop;
    struct spool spool;
    struct store_names names;
    struct committer *committer;
    struct room room;
    struct crowd *crowd;
    struct certificate *certificate;
    struct penalty *penalty;
    const struct passwords *passwords; /* NULL: nobody logs in; a reload changes it */
    struct login_desk *desk;
    unsigned worker;
    /* It is over: the client is freed after the call. */
    void (*gone)(void *arg, struct client *c);
    void *arg;
    struct client *first; /* all clients */
    size_t clients;
};

/* `kind`: of where it came in. Serves an accepted socket, whose client was let into
 * the crowd at `slot`. The socket and the place in the crowd are its own from now on, even if it is
 * NULL for want of memory. */
struct client *client_start(struct client_context *x, int fd, const struct sockaddr *peer,
                            uint32_t slot, const struct listen_kind *kind);
/* 421, at once or after the transaction in hand. The client may be freed in it. */
void client_stop(struct client *c);
/* 421 at once, unless a message is being committed: then after that. */
void client_expire(struct client *c);
struct client *client_next(const struct client *c);
/* What client_context.committer calls. */
void client_committed(struct commit_file *f);
/* What client_context.desk calls, with the context. */
void client_checked(void *arg, struct login *l);

enum { CLIENT_LITERAL = 64 };
/* An address as a literal with brackets; "unknown" where there is none. */
void client_literal(const struct sockaddr *a, char out[CLIENT_LITERAL]);

#endif
