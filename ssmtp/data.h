/* The data of a mail transaction (RFC 5321 4.1.1.4, 4.5.2): pure, streaming, in constant memory.
 *
 * Only CR LF . CR LF ends it (the first CR LF may be the one that ended the DATA command). A bare
 * CR, a bare LF and a NUL never begin or end anything: each is noted as a fault, the scan goes on
 * to the real end, and nothing more is handed out. Of text without a fault, stuffed dots go and CR
 * LF becomes LF; all else is handed out as it came. */
#ifndef SSMTP_DATA_H
#define SSMTP_DATA_H

#include "lib/buf.h"

enum data_fault { DATA_BARE_CR = 1, DATA_BARE_LF = 2, DATA_NUL = 4 };

enum data_state {
    DATA_LINE,   /* a line begins here */
    DATA_DOT,    /* it began with a dot */
    DATA_DOT_CR, /* and a CR stood behind it */
    DATA_TEXT,   /* within a line */
    DATA_CR,     /* a CR was seen */
    DATA_END,
    DATA_STATES
};

struct data {
    enum data_state state;
    unsigned faults;   /* enum data_fault */
    uint64_t octets;   /* of the message as RFC 1870 counts: CR LF, but no stuffed or final dot */
    uint64_t header;   /* octets of its header, as far as it has come */
    unsigned received; /* Received fields in the header (6.3) */

    /* The header line being read. */
    bool in_header, line_known; /* known: the line surely belongs to the header */
    bool any_field, like_received;
    unsigned name; /* octets of its field name so far */
};

void data_open(struct data *d);
/* Takes octets and appends the text in them to *out (NULL: it is dropped). Returns how many were
 * taken: all of them, unless the end came within. A failed allocation shows in out->failed. */
size_t data_feed(struct data *d, struct span in, struct buf *out);
static inline bool data_ended(const struct data *d)
{
    return d->state == DATA_END;
}

#endif
