/* The addresses of one host, asked for by a child process in a jail of its own, so that a name
 * service that does not answer holds up nothing. The machine's own ways hold (/etc/nsswitch.conf,
 * /etc/hosts). The child is not trusted for more than its one bounded answer. */
#ifndef POSTOFFICE_LOOKUP_H
#define POSTOFFICE_LOOKUP_H

#include <sys/socket.h>
#include <sys/un.h>

#include "lib/loop.h"

enum { LOOKUP_MAX = 4, LOOKUP_SECONDS = 60 };

union lookup_address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

struct lookup_answer {
    int error; /* of getaddrinfo(3); EAI_SYSTEM also for what kept the child from answering */
    size_t count;
    union lookup_address address[LOOKUP_MAX];
    socklen_t length[LOOKUP_MAX];
};

/* A literal address asks nobody: the answer at once. False: it is none. */
bool lookup_literal(const char *host, const char *port, struct lookup_answer *a);

struct lookup;
typedef void lookup_fn(void *arg, const struct lookup_answer *a);
/* Calls fn once, from the loop, never from within this call. NULL: memory, processes or descriptors
 * are short. */
struct lookup *lookup_start(struct loop *l, const char *host, const char *port, lookup_fn *fn,
                            void *arg);
/* The answer is no longer wanted. */
void lookup_cancel(struct lookup *u);

#endif
