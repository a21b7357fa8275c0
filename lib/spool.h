/* The JES spool: directories under the site's SPOOL, and the spool files in them.
 *
 *     SPOOL/jes/<DEST>   queues: the REMOTE one, POST, PRT, HOLD, DEAD (dead letters), and SUBMIT
 *                        (what ssmtp took for the outside; no user may put anything there)
 *     SPOOL/mail         mail data sets
 *     SPOOL/print        printouts
 *     SPOOL/work         units of work in progress (unit.h), counters, checkpoints: daemons only
 *     SPOOL/log          job logs
 *
 * A spool file is written under a temporary name (S1), synced, then renamed without replacing (S2),
 * and its directory synced; only then may anybody be told that it is queued. */
#ifndef SPOOLMAIL_SPOOL_H
#define SPOOLMAIL_SPOOL_H

#include <sys/stat.h>

#include "lib/durable.h"
#include "lib/record.h"
#include "lib/site.h"

enum spool_queue {
    QUEUE_REMOTE,
    QUEUE_POST,
    QUEUE_PRT,
    QUEUE_HOLD,
    QUEUE_DEAD,
    QUEUE_MAIL,
    QUEUE_SUBMIT, /* last: the journal of ssmtp holds these numbers */
    SPOOL_QUEUES
};

#define SPOOL_ALL_QUEUES ((1U << SPOOL_QUEUES) - 1)

struct spool {
    int root, jes;
    int work;                /* -1 for programs that are not daemons of the site */
    int queue[SPOOL_QUEUES]; /* -1 where this program has no business */
};

/* Opens the site's directories. With `make`, missing ones are made with their modes (drop
 * directories 3733, others 0750); only daemons and the installation do that. `queues` is a set of 1
 * << spool_queue. False fills *d with the path and what to do about it. */
bool spool_open(struct spool *s, const struct site *site, unsigned queues, bool make,
                struct diag *d);
void spool_close(struct spool *s);
/* The queue's directory below SPOOL, for messages: "jes/RMT21". */
const char *spool_queue_name(const struct site *site, enum spool_queue q, char out[64]);
/* Opens jes/<dest> for a DEST that a job names, as far as the caller may: a drop directory cannot
 * be listed by its users (O_PATH then). -1 with errno. Valid DEST: 1-8 of A-Z 0-9 @ # $. */
int spool_dest(const struct spool *s, const char *dest);
bool spool_dest_valid(struct span dest);

/* What the name of a spool file tells: JOBNAME.JOBnnnnn.Dnnnnnnn.DDNAME.RECFM as submit writes it.
 * A dropped file may have any name; then job is its first qualifier as far as it is one, and id is
 * empty. */
struct spool_name {
    char job[9];
    char id[9]; /* JOB00012; "" for a dropped file */
    struct recfm recfm;
    bool has_recfm;
};
void spool_name_parse(struct span name, struct spool_name *out);
/* False when a part is not valid. out holds NAME_MAX + 1 octets. */
bool spool_name_format(char *out, size_t size, const char *job, unsigned number, unsigned data_set,
                       const char *ddname, const struct recfm *recfm);

/* The next `count` job numbers (at most 1000), 1-99999 and round again, from the counter file
 * SPOOL/jes/JOBNO. The counter is open to all users: what is in it is a hint, checked, and never
 * trusted for uniqueness: whoever makes a file with the number uses O_EXCL and asks again. 0: not
 * to be had (errno). */
unsigned spool_job_numbers(const struct spool *s, unsigned count);
static inline unsigned spool_job_number(const struct spool *s)
{
    return spool_job_numbers(s, 1);
}

/* A spool file being written, S1. */
struct spool_writer {
    int dir; /* borrowed */
    int fd;
    uint64_t octets;
    char temporary[48];
};
/* 0 or -1 with errno. The file is SPOOL_MODE: its group is the directory's (setgid), so that the
 * spool's daemons read it, and its owner is who calls. */
int spool_create(struct spool_writer *w, int dir);
int spool_write(struct spool_writer *w, struct span octets);
/* Seals it (seal.h), then S1 to S2, durably. EEXIST: the name is taken; nothing is lost, call again
 * with another name. On any other error the file is gone and nothing was queued. */
int spool_queue(struct spool_writer *w, const char *name);
void spool_abandon(struct spool_writer *w);
/* Removes temporary files of writers that died (their lock is free). */
void spool_sweep(int dir);
/* Is this a name that readers of a queue take up? Not those that begin with a dot. */
static inline bool spool_name_visible(const char *name)
{
    return name[0] != '.' && name[0] != '\0';
}

/* What ssmtp makes of its journal stands under its name before readers may take it: with the sticky
 * bit, which means nothing else on a plain file (`ls` shows -rw------T), until it gets its own mode
 * (ssmtp/plain.h). */
enum { SPOOL_UNSHOWN_MODE = 01600, SPOOL_MODE = 0640 };
static inline bool spool_unshown(const struct stat *st)
{
    return S_ISREG(st->st_mode) && (st->st_mode & S_ISVTX) != 0;
}
/* The job name of what ssmtp receives. */
#define SPOOL_RECEIVED "SSMTP"
/* May a file of this name be made so? Then its making is no news to readers; its new mode is. */
bool spool_name_received(const char *name);

#endif
