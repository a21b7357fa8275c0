/* The connections to the LMTP server: mails are handed in, and each comes back with a verdict for
 * every recipient. A server that cannot be reached is left alone for RETRYINT; meanwhile its mail
 * is put off at once. */
#ifndef POSTOFFICE_LMTPLINK_H
#define POSTOFFICE_LMTPLINK_H

#include "jobs/postoffice/lmtp.h"
#include "jobs/postoffice/postfile.h"
#include "lib/program.h"
#include "lib/wire.h"

enum {
    LMTP_LINKS = 8,
    LMTP_RECIPIENTS = 100 /* in one mail: every server takes so many (RFC 5321 4.5.3.1.8) */
};

/* One transaction. What the pointers refer to must live until `done` was called. */
struct lmtp_task {
    struct lmtp_mail mail;
    const struct postfile *file;
    void (*done)(struct lmtp_task *t);
    void *arg;
    bool server_down; /* when done: no server took part in it */
    struct lmtp_task *next;
};

struct lmtp_pool {
    const struct program *program;
    struct loop *loop;
    struct loop_event *kick;
    struct lmtp_link *link[LMTP_LINKS];
    size_t links;
    struct lmtp_task *first, *last;
    size_t waiting;
    int64_t down_until_ms; /* steady clock */
    bool greeted;          /* the last connection found the server at work */
    char why[LMTP_TEXT_MAX];
};

bool lmtp_pool_open(struct lmtp_pool *p, struct loop *loop, const struct program *program);
/* `done` is called from the loop, never from within. */
void lmtp_submit(struct lmtp_pool *p, struct lmtp_task *t);
/* The server has another chance at once. */
void lmtp_forgive(struct lmtp_pool *p);
/* The program is to end: what waits for the name service waits no longer. */
void lmtp_stop(struct lmtp_pool *p);
/* How the server is called in the log. */
const char *lmtp_server(const struct lmtp_pool *p);
void lmtp_pool_close(struct lmtp_pool *p);

#endif
