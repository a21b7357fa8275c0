/* The notice that mail could not be delivered: multipart/report (RFC 6522, RFC 3464) with plain
 * words, one group of fields a recipient, and the header of the mail. Pure. */
#ifndef POSTOFFICE_UNDELIVERED_H
#define POSTOFFICE_UNDELIVERED_H

#include "jobs/postoffice/recipient.h"
#include "lib/notice.h"

struct undelivered {
    struct notice notice; /* its subject is set here */
    const char *boundary; /* nothing that the sender could know */
    const char *file;     /* name of the spool file */
    struct span header;   /* of the mail; may be any octets */
    const struct recipient *recipient;
    size_t recipients; /* of them those that are REFUSED are told of */
};

/* Envelope and all; what comes from elsewhere is made printable ASCII. False: memory is short. */
bool undelivered_write(struct buf *out, const struct undelivered *u);

#endif
