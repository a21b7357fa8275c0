/* From a whole letter to data sets in mail/: one for each recipient, all or none, on stable storage
 * before anybody is told SPOOLED. */
#ifndef SNDMSG_DISPATCH_H
#define SNDMSG_DISPATCH_H

#include "lib/site.h"
#include "lib/spool.h"
#include "sndmsg/letter.h"
#include "sndmsg/recipients.h"

/* Who sends. */
struct identity {
    char login[40];
    struct address from;
    const char *full; /* of the user table; NULL: none */
};

struct dispatch {
    const struct site *site;
    const struct spool *spool;
    const struct identity *who;
    const struct recipients *recipients;
    struct span subject;
    const struct letter *letter;
};

/* EX_OK: the mail is accepted. Else an exit status of sysexits, the reason in short in `why`, and a
 * line for the user, T01SMnnn, in *message. */
int dispatch_mail(const struct dispatch *d, char why[160], struct buf *message);

#endif
