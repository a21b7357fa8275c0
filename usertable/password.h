/* The password file: what is kept of the passwords of those who log in. The one reader and the one
 * writer of its format.
 *
 *     * Comments, and empty lines.
 *     -        SCRAM-SHA-256$20000:<salt>$<StoredKey>:<ServerKey>
 *     CZQ14CD  SCRAM-SHA-256$20000:<salt>$<StoredKey>:<ServerKey>
 *
 * As RFC 5803 has it, base64 of salted, iterated keys (lib/scram.h). The entry `-` stands for all
 * who have none: from its salt theirs is derived, so that a stranger who asks for a user learns
 * nothing, not even by asking twice. It fits no password.
 *
 * Trusts nothing in the text: lines are bounded, and one fault makes the whole file bad. */
#ifndef USERTABLE_PASSWORD_H
#define USERTABLE_PASSWORD_H

#include "lib/diag.h"
#include "lib/scram.h"
#include "usertable/usertable.h"

enum { PASSWORD_LINE_MAX = 512, PASSWORDS_OCTETS_MAX = 256 << 20 };

struct passwords; /* opaque, const once read */

/* NULL with *d: line, column, what, how to mend it. */
struct passwords *passwords_parse(struct span text, struct diag *d);
/* The same of a file, which nobody but its owner may read or write. Line 0: it cannot be read. */
struct passwords *passwords_load(const char *path, struct diag *d);
void passwords_free(struct passwords *p);
size_t passwords_count(const struct passwords *p);
/* In order; i < passwords_count(). */
const char *passwords_userid(const struct passwords *p, size_t i);
/* What is kept for a user. False: nothing, and *s is what stands for `name`, the name as it was
 * asked for: the same for each call. */
bool passwords_find(const struct passwords *p, const char *userid, struct span name,
                    struct scram_secret *s);

/* Appends the text of a file with one entry set, or with `s` NULL taken away; all other lines stay
 * as they are. What misses in an empty file is made, from random octets. False: memory is short, or
 * there are no random octets. */
bool passwords_edit(struct span text, const char *userid, const struct scram_secret *s,
                    struct buf *out);

/* A user ID as it is kept, from any case. False: it is none. */
bool password_userid(struct span text, char out[USERID_MAX + 1]);

#endif
