/* The catalog: a folder in which libraries are directories and sequential data sets are files, each
 * under the whole name of the data set.
 *
 * Names come from a deck or a terminal, so they are checked before they are used, and nothing is
 * opened but beneath the folder, without following a link, with the rights of who runs the program,
 * and plain files only. A library may tell how its members lie in their files by a file `.dcb`:
 * RECFM(FB) LRECL(80). Without one they are lines of text, as sequential data sets always are. */
#ifndef SPOOLMAIL_CATALOG_H
#define SPOOLMAIL_CATALOG_H

#include "lib/buf.h"
#include "lib/dcb.h"

enum { CATALOG_DATA_MAX = 256 << 20 /* octets of one member or data set */ };

struct catalog {
    const char *path; /* borrowed; NULL: none is configured */
    int dir;          /* -1: not open, for the reason in error */
    int error;
};

/* Opens the folder. Failing is told only when a data set is asked for: many jobs need none. */
void catalog_open(struct catalog *c, const char *path);
void catalog_close(struct catalog *c);

enum catalog_fault {
    CATALOG_GOOD,
    CATALOG_NO_DATA_SET,
    CATALOG_NO_MEMBER,
    CATALOG_NOT_AUTHORISED,
    CATALOG_NO_ALLOCATION, /* it is there, but cannot be used */
    CATALOG_FAULTS
};

/* What was found, or why nothing was. */
struct catalog_entry {
    int fd; /* a plain file, open for reading; -1 */
    struct dcb label;
    enum catalog_fault fault; /* when fd is -1 */
    char reason[160];
};

/* Looks up dsn, or dsn(member) when member is not empty. False fills fault and reason. */
bool catalog_find(const struct catalog *c, const char *dsn, const char *member,
                  struct catalog_entry *e);
/* Appends what is in the file and closes it; false with a reason. */
bool catalog_read(struct catalog_entry *e, struct buf *to);
void catalog_release(struct catalog_entry *e);

#endif
