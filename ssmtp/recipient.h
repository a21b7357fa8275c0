/* Whose is a forward-path? The rules of RCPT over the configuration and the user table. Pure. */
#ifndef SSMTP_RECIPIENT_H
#define SSMTP_RECIPIENT_H

#include "lib/site.h"
#include "ssmtp/session.h"
#include "usertable/usertable.h"

/* Finds the X-To of a forward-path:
 *
 *     user or user ID at a domain of the site    USERID@postoffice
 *     postmaster, also without a domain or at   the user of that name, else POSTMASTER@postoffice
 *     the literal `own` (may be NULL)
 *
 * FORWARD is none of its business: the post office sends on and expands lists. So one recipient is
 * one X-To, and what is on disk names users only. Any other domain is not ours. `own` is the
 * address that the client connected to, as a literal with its brackets. */
enum receiver_verdict recipient_find(const struct site *site, const struct usertable *users,
                                     const char *own, const struct address *rcpt,
                                     struct address *to);

/* The mailbox postmaster@host. False: the host is too long. */
bool recipient_postmaster(const struct site *site, struct address *to);

/* Who is meant by a path, a user ID, a mail name, or else a full name or a word of it? GOOD writes
 * `Full Name <mailbox>`, what of it is ASCII; the mailbox can be written to. AMBIGUOUS: several
 * have that full name. */
enum receiver_verdict recipient_verify(const struct site *site, const struct usertable *users,
                                       struct span who, struct buf *to);

#endif
