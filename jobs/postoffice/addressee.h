/* Where a recipient's mail goes: asks the user table, the configuration and the machine's users. */
#ifndef POSTOFFICE_ADDRESSEE_H
#define POSTOFFICE_ADDRESSEE_H

#include "jobs/postoffice/postfile.h"
#include "jobs/postoffice/recipient.h"
#include "lib/program.h"

/* r->to is given; fills the rest: a way, or a state with its reason. A FORWARD to one user of the
 * table is followed here, one elsewhere is the recipient's target, one to several is expanded into
 * r->list. A user who stands in his own FORWARD gets a copy into his box; the mail that comes for
 * it bears his Delivered-To, so that it is not sent to the others again. Only a recipient that
 * nobody knows is refused; what is wrong with the table or the machine can be mended, so it waits.
 */
void addressee_find(const struct program *p, const struct postfile *file, struct recipient *r);
/* That user ID or login at the post office, quoted where an address needs it. */
bool addressee_address(const struct site *site, const char *local, struct address *out);

#endif
