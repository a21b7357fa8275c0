/* Lists of addresses as people write them: pure.
 *
 *     abc@unix.md.company.com, "Doaks, Chris" <CDoaks@example.org>, joe
 *
 * Addresses stand between commas; a line that ends in a comma goes on. A name without a domain is a
 * nickname or a user of this system. A period behind an address is passed over, as in the original.
 * What cannot be an address is refused with its place; of a refused line nothing is taken. */
#ifndef SNDMSG_RECIPIENTS_H
#define SNDMSG_RECIPIENTS_H

#include "lib/address.h"
#include "lib/diag.h"
#include "lib/envelope.h"

enum { RECIPIENTS_MAX = ENVELOPE_TO_MAX, RECIPIENT_NAME_MAX = 256 };

enum recipient_field {
    RECIPIENT_TO,
    RECIPIENT_CC,
    RECIPIENT_BCC,
    RECIPIENT_REPLY_TO,
    RECIPIENT_FIELDS
};

struct recipient {
    struct address address;
    char *name; /* owned: the name to show, UTF-8; NULL: none */
    enum recipient_field field;
};

struct recipients {
    struct recipient *list; /* owned */
    size_t count, cap;
};

/* Who knows names without a domain. Adds the addresses of the name to *to; false when it has none,
 * or they do not fit. */
struct resolver {
    bool (*find)(void *arg, struct span name, enum recipient_field field, struct recipients *to);
    void *arg;
};

enum recipients_result {
    RECIPIENTS_GOOD,
    RECIPIENTS_MORE,    /* good, and the list goes on with the next line */
    RECIPIENTS_BAD,     /* *d: column (an octet, from 1) and reason */
    RECIPIENTS_UNKNOWN, /* the same: a name that the resolver does not know */
};

/* Takes a line of addresses; an empty one has none. */
enum recipients_result recipients_take(struct recipients *r, enum recipient_field field,
                                       struct span line, const struct resolver *resolver,
                                       struct diag *d);
/* False: too many, or memory. The name may be empty. */
bool recipients_add(struct recipients *r, enum recipient_field field, const struct address *a,
                    struct span name);
size_t recipients_in(const struct recipients *r, enum recipient_field field);
/* Each mailbox that is to have the mail, once: those of To, then CC, then Bcc. out holds r->count.
 * Returns how many. */
size_t recipients_unique(const struct recipients *r, const struct address **out);
/* Drops those from `count` on. */
void recipients_cut(struct recipients *r, size_t count);
void recipients_free(struct recipients *r);

#endif
