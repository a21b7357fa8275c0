/* Who knows names without a domain: the user's nicknames, then the user table of the system. Pure.
 */
#ifndef SNDMSG_DIRECTORY_H
#define SNDMSG_DIRECTORY_H

#include "sndmsg/nicknames.h"
#include "sndmsg/recipients.h"
#include "usertable/usertable.h"

struct directory {
    const struct nicknames *nicknames;
    const struct usertable *users;
    struct span host; /* of the site */
};

/* A resolver for recipients_take(). The directory must live as long as the resolver is used. */
struct resolver directory_resolver(struct directory *d);
/* Nicknames and users that begin with the prefix, for completion: calls `each` with at most `max`
 * of them, as they are to be typed. */
void directory_complete(const struct directory *d, struct span prefix, size_t max,
                        void (*each)(void *arg, struct span word), void *arg);

#endif
