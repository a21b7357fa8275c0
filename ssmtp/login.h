/* Checking logins: the passwords they are checked against, and a thread that does it, because what
 * is derived from a password takes milliseconds and the loop has others to serve. */
#ifndef SSMTP_LOGIN_H
#define SSMTP_LOGIN_H

#include "lib/loop.h"
#include "lib/site.h"
#include "ssmtp/sasl.h"
#include "usertable/password.h"

enum { LOGINS_WAITING = 64 /* for the thread, of one process; more are told to come later */ };

/* Reads the passwords where a service needs them, also again. False with *d: what there was stays
 * in use. */
bool login_load(struct passwords **p, const struct site *site, struct diag *d);

/* The names that mean the same user have one form: folded, and without a domain of the site. */
bool login_canonical(const struct site *site, struct span name, struct buf *out);
/* The user ID of a name or address, "" for nobody, and what is kept for it (sasl.h); *s
 * without iterations: memory is short. */
bool login_find(const struct site *site, const struct usertable *users,
                const struct passwords *passwords, struct span name, char userid[USERID_MAX + 1],
                struct scram_secret *s);

/* One login on its way. */
struct login {
    struct login *next;
    struct sasl *claim;
    void *arg;             /* NULL: whoever asked is gone */
    uint32_t client, name; /* for penalty.h */
    bool checking;         /* it is the desk's, until `done` */
    char userid[USERID_MAX + 1];
};

struct login_desk;

/* `done` is called by the loop. The thread begins with the first login. NULL with errno. */
struct login_desk *login_desk_new(struct loop *loop, void (*done)(void *arg, struct login *l),
                                  void *arg);
/* False: too many wait, or no thread is to be had. */
bool login_desk_add(struct login_desk *d, struct login *l);
/* Calls `done` for what waits. */
void login_desk_free(struct login_desk *d);
void login_free(struct login *l);

#endif
