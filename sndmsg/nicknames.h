/* The personal file of nicknames, in the manner of NAMES: pure but for nicknames_load().
 *
 *     * comment
 *     :nick.JOE   :name.Joe Doe  :addr.joe@example.org
 *     :nick.ANN   :userid.abaker
 *     :nick.TEAM  :list.joe ann bob@example.net
 *
 * A tag is a colon, a word and a period, at the start of a line or behind a blank; its value goes
 * on to the next tag or the end of the line. `:nick.` begins an entry, which may go on over more
 * lines. :addr. is a mail address; without one, :userid. is a user of this system, or with :node. a
 * user there. A list holds addresses, users of this system and nicknames that are no lists. Other
 * tags
 * (:phone. and the like) are passed over. Nicknames match without regard to case. */
#ifndef SNDMSG_NICKNAMES_H
#define SNDMSG_NICKNAMES_H

#include "lib/address.h"
#include "lib/diag.h"

enum { NICKNAMES_FILE_MAX = 1 << 20, NICKNAMES_MAX = 10000, NICKNAME_VALUE_MAX = 4096 };

struct nickname {
    char *nick;             /* as written */
    char *key;              /* folded */
    char *name;             /* to show; NULL */
    char *local;            /* a user of this system; NULL */
    char *list;             /* members, separated by blanks or commas; NULL */
    struct address address; /* empty: none */
};

struct nicknames {
    struct nickname *list; /* owned, in the order of the file */
    size_t count, cap;
};

/* Reads a file's text. False with *d (line, column, reason) on the first error; *out is then empty.
 */
bool nicknames_parse(struct span text, struct nicknames *out, struct diag *d);
/* The same from a file. A file that is not there is an empty one. One that others may write to is
 * an error: whoever can write it decides where mail goes. */
bool nicknames_load(const char *path, struct nicknames *out, struct diag *d);
void nicknames_free(struct nicknames *n);
/* NULL: there is none. */
const struct nickname *nicknames_find(const struct nicknames *n, struct span nick);

#endif
