/* Messages being received, as spool files: envelope, Received, then the text.
 *
 * A message is held in memory up to STORE_HELD octets and then in a temporary file, so that a small
 * one costs one write and a large one no memory. Nothing here is durable: that is commit.h. An
 * error stays with the message: further text is dropped, and store_end() tells it. */
#ifndef SSMTP_STORE_H
#define SSMTP_STORE_H

#include <pthread.h>

#include "lib/envelope.h"
#include "lib/seal.h"
#include "lib/spool.h"

enum { STORE_HELD = 64 << 10, STORE_NAME = 48 };

/* The queues that messages go to. */
#define STORE_QUEUES (1U << QUEUE_POST | 1U << QUEUE_PRT | 1U << QUEUE_SUBMIT)

/* Names of spool files, unique in this process: SSMTP.JOB00012.D0030001.MAIL.T is the first of
 * journal 3. Used by the loop and the committer. */
struct store_names {
    pthread_mutex_t lock;
    const struct spool *spool;
    unsigned job, last;
    unsigned journal; /* its number is in each name; 0: there is none */
};

/* False with errno: there is no job number to be had. */
bool store_names_open(struct store_names *n, const struct spool *spool);
/* The number of the journal that gave this name; 0: none. */
unsigned store_name_journal(const char *name);
void store_names_close(struct store_names *n);
/* The next name. `taken`: the one before was in use already, so a new job number is asked for. */
bool store_names_next(struct store_names *n, bool taken, char name[STORE_NAME]);

/* What stands before the text. */
struct store_head {
    const struct envelope *envelope;
    const char *helo;    /* a domain, a literal, or "unknown" */
    const char *literal; /* the client's address: [192.0.2.1], [IPv6:2001:db8::1] */
    const char *host;
    bool esmtp;
    bool login;      /* the client logged in */
    const char *tls; /* what the Received field says of it; NULL: in clear */
    int64_t wall;
    int offset; /* of the local zone */
};

struct store_file {
    struct spool_writer writer; /* fd -1: no file yet */
    int dir;                    /* where it is to be made; borrowed */
    struct buf held;
    struct seal seal;
    int error; /* errno of the first failure, 0 while all is well */
    char name[STORE_NAME];
};

/* Begins a message under that name. False: memory is short. */
bool store_begin(struct store_file *f, int dir, const char *name, const struct store_head *head);
/* Where the next text goes; NULL after an error. */
struct buf *store_text(struct store_file *f);
/* Text was put there. */
void store_took(struct store_file *f);
/* The text is complete. A message that fits in memory may stay there, if `hold`: then writer.fd is
 * -1, and held has all of it. Any other is written, with its seal. False with f->error set: call
 * store_drop(). */
bool store_end(struct store_file *f, bool hold);
/* Removes what there is of it. */
void store_drop(struct store_file *f);

#endif
