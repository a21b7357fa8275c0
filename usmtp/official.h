/* Official names instead of nicknames of hosts, as the original had it: in the envelope and in the
 * address fields of the header. Pure.
 *
 * A nickname is a name without a dot that stands behind an official name with dots in hosts(5). It
 * means nothing outside this site, and RFC 5321 2.3.5 forbids it there. Names with dots are left
 * alone, be they aliases of hosts(5) or CNAMEs: they are good names, and to change them would break
 * signatures and addresses that the far host knows. "localhost" is nobody's nickname. */
#ifndef USMTP_OFFICIAL_H
#define USMTP_OFFICIAL_H

#include "lib/address.h"

enum {
    OFFICIAL_FILE_MAX = 8 << 20, /* octets of the file that are read */
    OFFICIAL_LINE_MAX = 998      /* a header line is never made longer than this */
};

struct official_names {
    char *text; /* owned: the names, each with a NUL */
    struct official_name {
        const char *nickname, *official;
    } * row; /* owned, in order */
    size_t rows;
};

/* The names of the text of a hosts file; of a nickname that stands twice the first one counts. What
 * makes no sense is passed over. False: memory is short. */
bool official_read(struct official_names *names, struct span text);
void official_free(struct official_names *names);
/* NULL: it is no nickname. */
const char *official_find(const struct official_names *names, struct span name);
/* Puts the official name into an address; one that it does not fit in stays as it is. */
void official_address(const struct official_names *names, struct address *a);

/* Through the header of one message, in chunks cut anywhere. Start with {0} but for `asa`. */
struct official_header {
    bool asa; /* column 1 holds ASA control */
    bool over, in_field, addresses, quoted, after_at, too_long;
    unsigned comment; /* how deep */
    char line[OFFICIAL_LINE_MAX + 2];
    size_t length;
};
/* Appends what of the chunk belongs to the header to *out, and shortens the chunk to what is behind
 * the header. At the end of the text call it with an empty chunk. False: memory is short. */
bool official_feed(struct official_header *h, const struct official_names *names,
                   struct span *chunk, struct buf *out);

#endif
