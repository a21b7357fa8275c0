/* The notice that mail could not be delivered: its text. Pure; writing it is done elsewhere.
 *
 * NOTICE(DSN): multipart/report of RFC 3462 and 3464: plain words, message/delivery-status, the
 * original as message/rfc822. NOTICE(APPEND): the form of the S/390: envelope and Received, the
 * original message, then the daemon's text. */
#ifndef USMTP_REPORT_H
#define USMTP_REPORT_H

#include "lib/notice.h"

struct report {
    struct notice notice;      /* whom to tell, when, id; subject is set by report_head() */
    const char *data_set;      /* name of the data set */
    struct address from, to;   /* its envelope */
    const char *status;        /* "5.1.1"; what is no status becomes 5.0.0 */
    const char *host;          /* remote host that said so; "" when none did */
    const char *diagnostic;    /* its reply ("550 5.1.1 No such user"), or our own words */
    bool remote;               /* diagnostic is an SMTP reply */
    bool expired;              /* given up after RETRYMAX, not refused */
    int64_t arrived, last_try; /* wall clock; last_try 0: never tried */
};

/* What stands before, and what after the text of the original. The original is copied between them
 * by the caller as LF lines, its own envelope removed. Octets from peers and addresses are made
 * printable, long ones are cut. The boundary holds the id, so that no original that was written
 * before the notice has it. False: memory. */
bool report_head(struct buf *out, const struct report *r);
bool report_tail(struct buf *out, const struct report *r);

#endif
