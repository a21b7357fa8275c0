/* From a spool file to mails: envelope and text, ready to be written as data sets. Pure: bytes in,
 * mails out; no descriptor, clock or file.
 *
 * Reads the two kinds of outgoing spool file: X-From/X-To (one mail), and Batch SMTP (first record
 * HELO, EHLO or MAIL FROM; several mails). Trusts nothing in the file. One fault makes the whole
 * file bad: a job's output is converted whole or held whole. */
#ifndef SPOOL4_CONVERT_H
#define SPOOL4_CONVERT_H

#include "lib/charset.h"
#include "lib/diag.h"
#include "lib/envelope.h"
#include "lib/record.h"

struct convert_params {
    const char *host;     /* of this system, for Received and Message-ID */
    const char *job, *id; /* job name, JOBnnnnn */
    const char *owner;    /* login of the file's owner; letters, digits, . _ - */
    uint64_t unique;      /* of this file: for Message-ID */
    struct charset page;  /* of the file; UTF-8: octets as they stand */
    struct recfm recfm;
    int64_t wall;
    int offset; /* of the local zone, seconds */
};

/* One mail. With asa each line of text has its control in column 1. Lines end in LF. */
struct mail {
    struct envelope envelope;
    struct buf text; /* Received first, header completed, empty line, body */
    bool asa;
};

struct convert {
    const struct convert_params *params;
    struct record_reader reader;
    struct buf line;       /* the record in hand, decoded */
    struct buf header;     /* header lines of the mail in hand, without control octets */
    char control, pending; /* ASA control of the line in hand; machine control's carry-over */
    unsigned mails;        /* given out so far */
    bool batch;            /* Batch SMTP */
    bool have_line;        /* the line in hand is not used yet */
};

enum convert_result { CONVERT_MAIL, CONVERT_END, CONVERT_BAD };

/* `file` must live as long as *c. */
void convert_open(struct convert *c, const struct convert_params *params, struct span file);
/* The next mail; *m is emptied first and owned by the caller (mail_free). BAD fills *d: line is the
 * record, counted from 1. A file without any mail is BAD. */
enum convert_result convert_next(struct convert *c, struct mail *m, struct diag *d);
void convert_close(struct convert *c);
void mail_free(struct mail *m);

/* Is the file, as it stands, what its conversion would make of it but for the Received field: text
 * for one recipient, whose header has all that RFC 5322 wants? `head` is the beginning of the file,
 * with the whole header. *e is filled if so, and owned by the caller (envelope_free). */
bool convert_needless(const struct recfm *recfm, struct span head, struct envelope *e);

#endif
