/* One line of a user table, taken apart. Pure; trusts nothing in the line. */
#ifndef SPOOLMAIL_ENTRY_H
#define SPOOLMAIL_ENTRY_H

#include "lib/address.h"
#include "lib/diag.h"
#include "usertable/usertable.h"

enum {
    ENTRY_LINE_MAX = 32768,   /* octets */
    ENTRY_LOGIN_MAX = 32,     /* octets: what useradd allows */
    ENTRY_MEMBERS_MAX = 1000, /* addresses in one FORWARD */
};

/* The spans point into the line. All zero before the first line; it may be used for one line after
 * the other, so that `members` grows once for all of them. */
struct entry_line {
    struct span userid;  /* as written */
    struct address name; /* a local part alone */
    struct span login;   /* p NULL: not given */
    struct span forward; /* as written; p NULL: not given */
    struct buf members;  /* of FORWARD: each address or name in its one form, ended by NUL; the
                            caller frees it */
    enum user_delivery deliver;
    struct span full; /* with '' for each apostrophe; p NULL: not given */
    size_t userid_column, name_column, forward_column;
};

enum entry_result { ENTRY_GOOD, ENTRY_NONE, ENTRY_BAD };

/* Reads a line without its LF. NONE: empty or a comment. BAD: *d is filled, with `number` for the
 * line and the octet at fault for the column. */
enum entry_result entry_read(struct span line, size_t number, struct entry_line *out,
                             struct diag *d);
/* Takes the next address or name, as it is written, off what FORWARD holds. False: there is none.
 */
bool entry_member(struct span *rest, struct span *member);

#endif
