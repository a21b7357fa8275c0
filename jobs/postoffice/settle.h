/* What becomes of a spool file when each of its recipients has been seen to, in one unit of work:
 *
 *   FORWARD  a mail data set each, for usmtp
 *   LIST     a mail data set for each member elsewhere, a spool file in jes/POST for those here
 *   REFUSED  one notice to the sender for all of them; without a sender they are HELD
 *   HELD     the file (or, when others had their copies, one for these only) goes to jes/HOLD with
 *            its reason
 *   LATER    the file stays in jes/POST, and names these recipients only
 *
 * So the file itself always says who still has to get his mail, and nobody gets it twice. */
#ifndef POSTOFFICE_SETTLE_H
#define POSTOFFICE_SETTLE_H

#include "jobs/postoffice/postfile.h"
#include "jobs/postoffice/recipient.h"
#include "lib/program.h"
#include "lib/spool.h"

struct settle {
    const struct program *program;
    const struct spool *spool;
    unsigned units; /* begun by this process: names of units */
};

struct settle_file {
    const char *name; /* in jes/POST */
    ino_t inode;      /* what was delivered; another file under its name is left alone */
    struct postfile *file;
    struct recipient *recipient; /* none is OPEN; REFUSED may become HELD here */
    size_t recipients;
    const char *fault; /* not NULL: the whole file is to be held for this; no recipients then */
};

enum settle_result {
    SETTLE_GONE,    /* it left jes/POST; perhaps another has its name now */
    SETTLE_KEPT,    /* it waits there for those that are LATER */
    SETTLE_TROUBLE, /* errno: nothing changed on the disk */
    SETTLE_IN_DOUBT /* a commit may or may not be durable: the program must end */
};

/* A removal becomes durable with the caller's next sync of jes/POST. */
enum settle_result settle(struct settle *s, struct settle_file *f);

#endif
