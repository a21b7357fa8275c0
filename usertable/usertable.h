/* The user table: user IDs and their mail names. The one header this folder exports.
 *
 * One entry a line: USERID  NAME  [LOGIN(unix-user)] [FORWARD(address ...)] ['Full Name'], `*`
 * begins a comment line; DELIVER(MAILDIR|LMTP) may stand there too. USERID is 1-8 of A-Z 0-9 @ # $
 * (written in any case, kept in capitals); NAME is the mail name, the local part of the user's
 * address (UTF-8, at most 64 octets, a quoted string where it has blanks or the like). Mail to
 * either reaches USERID; mail from USERID bears NAME. Matching is by NFC and case fold. A user ID
 * or folded name that stands twice is an error, as is a name that equals another entry's user ID.
 * Entries may share a login: it may then send as each of them.
 *
 * FORWARD holds addresses, and user IDs or mail names of the table, parted by blanks or commas: the
 * members. One that is in no entry is an error. So is one whose own FORWARD reaches on to others of
 * the table, or to several addresses: lists are expanded one level, and go in no circles.
 *
 * A table is const once loaded: a reload makes a new one, and the old stays in use if the new one
 * has an error. A million entries load in a second and look up in microseconds. The text is not
 * trusted: names cannot be made to collide, and lines have bounds. */
#ifndef SPOOLMAIL_USERTABLE_H
#define SPOOLMAIL_USERTABLE_H

#include "lib/address.h"
#include "lib/diag.h"

enum { USERID_MAX = 8 };

/* How the post office gives a user his mail; DEFAULT: as the configuration says. */
enum user_delivery { USER_DEFAULT, USER_MAILDIR, USER_LMTP };

struct user {
    const char *userid;  /* capitals */
    const char *name;    /* mail name, with quotes only where an address needs them */
    const char *login;   /* Unix user; NULL: the user ID in small letters */
    const char *forward; /* its first member; NULL: none. See user_member() */
    const char *full;    /* full name, or NULL */
    enum user_delivery deliver;
    bool list; /* FORWARD reaches others of the table, or several addresses */
};

struct site;
struct usertable; /* opaque */

/* Reads a table from memory (the text is copied). NULL on the first error, with *d filled: line and
 * column, what, how to mend it. */
struct usertable *usertable_parse(struct span text, struct diag *d);
/* The same from a file. A file that cannot be read is an error with line 0. */
struct usertable *usertable_load(const char *path, struct diag *d);
/* The same for a site (NULL: unknown): an address of it in a FORWARD is checked like a name. */
struct usertable *usertable_parse_for(const struct site *site, struct span text, struct diag *d);
/* The table that the site names. */
struct usertable *usertable_load_for(const struct site *site, struct diag *d);
void usertable_free(struct usertable *t);
size_t usertable_count(const struct usertable *t);
/* In the order of the file; i < usertable_count(). What *user points to lives as long as the table.
 */
void usertable_entry(const struct usertable *t, size_t i, struct user *user);
/* By user ID or mail name (plain text, no quotes). */
bool usertable_find(const struct usertable *t, struct span id_or_name, struct user *user);
/* By Unix login name, for who owns a file: the first entry that has it. */
bool usertable_find_login(const struct usertable *t, struct span login, struct user *user);
/* May this Unix user send as `from`? Its local part must be the user ID or the mail name of the
 * entry whose login he is, and its domain must be `host` (without regard to case). */
bool usertable_may_send(const struct usertable *t, struct span login, const struct address *from,
                        struct span host);
/* The first entries whose ID or name begins with `prefix` (folded), for completion; returns how
 * many were put into out[0..max). */
size_t usertable_complete(const struct usertable *t, struct span prefix, struct user *out,
                          size_t max);

/* The entries whose full name, or a word of it, is `name`, without regard to the case of ASCII
 * letters: at most `max` of them into out; returns how many. Looks at all entries. */
size_t usertable_named(const struct usertable *t, struct span name, struct user *out, size_t max);

/* The members of FORWARD one after the other, addresses or names, without brackets. `before`: NULL
 * at first, then what was returned; NULL after the last. */
const char *user_member(const struct user *u, const char *before);
/* The mail address of a user: name@host. False when the host is no domain, or it gets too long. */
bool user_address(const struct user *u, struct span host, struct address *out);

#endif
