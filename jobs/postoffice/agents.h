/* Delivery agents: each copy for a Maildir is written by a child process of its own that first
 * becomes its user, for good, and then is bound by that user's rights like anybody else; and when
 * the Maildir is open, it enters a jail that holds nothing but that. So whatever a user has put in
 * the way (links, foreign folders) harms nobody but him.
 *
 * A user whose file system does not answer holds up only his own mail: an agent has a time, and
 * when it is over the user's other mail is put off for a while too. It ends itself then: who
 * changed its user can be killed by root only. */
#ifndef POSTOFFICE_AGENTS_H
#define POSTOFFICE_AGENTS_H

#include <sys/types.h>

#include "jobs/postoffice/maildir.h"
#include "lib/loop.h"

enum {
    AGENTS_MAX = 16, /* at work */
    AGENTS_ALL = 64, /* with those whose end is awaited */
    AGENTS_SLOW = 64
};

/* One copy to be delivered. What the pointers refer to must live until `done` was called. */
struct agent_task {
    const char *path, *name;
    const char *login; /* NULL: as ourselves */
    uid_t uid;
    gid_t gid;
    bool tried;
    struct maildir_copy copy;
    uint64_t octets;
    void (*done)(struct agent_task *t);
    void *arg;
    /* when done */
    enum maildir_result result;
    char why[MAILDIR_WHY];
    struct agent_task *next;
};

struct agents {
    struct loop *loop;
    bool root;        /* we may become others */
    int64_t patience; /* milliseconds that a slow user's mail is put off */
    struct loop_event *kick;
    struct agent *agent[AGENTS_ALL];
    size_t running;                  /* of these */
    struct agent_task *first, *last; /* not yet started */
    struct {
        uid_t uid;
        int64_t until_ms;
    } slow[AGENTS_SLOW];
    size_t slows;
};

bool agents_open(struct agents *a, struct loop *loop, bool root, int64_t patience_ms);
/* `done` is called from the loop, never from within. */
void agents_submit(struct agents *a, struct agent_task *t);
/* Users that were slow have another chance. */
void agents_forgive(struct agents *a);
/* No more events. Agents at work finish by themselves. */
void agents_close(struct agents *a);

#endif
