/* One line of a user table, taken apart. Pure; trusts nothing in the line. */
#ifndef SPOOLMAIL_ENTRY_H
#define SPOOLMAIL_ENTRY_H

#include "lib/address.h"
#include "lib/diag.h"

enum {
    ENTRY_LINE_MAX = 4096, /* octets */
    ENTRY_LOGIN_MAX = 32   /* octets: what useradd allows */
};

/* The spans point into the line. */
struct entry_line {
    struct span userid;     /* as written */
    struct address name;    /* a local part alone */
    struct span login;      /* p NULL: not given */
    struct address forward; /* the null path: not given */
    struct span full;       /* with '' for each apostrophe; p NULL: not given */
    size_t userid_column, name_column;
};

enum entry_result { ENTRY_GOOD, ENTRY_NONE, ENTRY_BAD };

/* Reads a line without its LF. NONE: empty or a comment. BAD: *d is filled, with `number` for the
 * line and the octet at fault for the column. */
enum entry_result entry_read(struct span line, size_t number, struct entry_line *out,
                             struct diag *d);

#endif
