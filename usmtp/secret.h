/* The secret of a route's login, from where the configuration says: a file, a command, or a systemd
 * credential. Blocks, but for a bounded time; so it is the business of the keeper (keeper.h).
 *
 * A secret is one line of 1 to 10,240 octets without NUL; the end of the line is not part of it.
 * What is read never gets into a message. Files that others than their owner may read are refused;
 * credentials are not asked for their mode, because systemd guards their folder. */
#ifndef USMTP_SECRET_H
#define USMTP_SECRET_H

#include "lib/site.h"

enum { SECRET_MAX = 10240 };

/* Appends. False with *d: what is wrong, and how to mend it. seconds: how long a command may take.
 */
bool secret_fetch(const struct site_route *r, unsigned seconds, struct buf *secret, struct diag *d);
/* The same without looking at what only a service has (credentials) or what would do something
 * (commands). */
bool secret_check(const struct site_route *r, struct diag *d);

#endif
