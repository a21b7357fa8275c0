/* Notices to local users: spool files for the post office, from the Mailer-Daemon, with the null
 * reverse-path. Pure. The notice itself (its parts, its words) is its writer's; this is the
 * envelope and the header that every notice has (RFC 3834: Auto-Submitted, so that nothing answers
 * it). */
#ifndef SPOOLMAIL_NOTICE_H
#define SPOOLMAIL_NOTICE_H

#include "lib/address.h"
#include "lib/site.h"
#include "usertable/usertable.h"

struct notice {
    const struct site *site;
    struct address to;   /* USERID@postoffice */
    const char *subject; /* printable ASCII */
    const char *id;      /* unique within this host, for Message-ID */
    const char *program; /* SPOOL#4, USMTP */
    int64_t wall;
    int offset;
};

/* Envelope and Received alone: what stands above a message that is passed on as it is. */
bool notice_envelope(struct buf *out, const struct notice *n);
/* The same, and Date, From, To, Subject, Message-ID, Auto-Submitted, MIME-Version; the writer goes
 * on with Content-Type, an empty line and the text. Lines end in LF. */
bool notice_begin(struct buf *out, const struct notice *n);
/* Whom to tell: the entry of the table, or POSTMASTER when there is none. Its domain is the post
 * office's name, or the host's where there is no post office. */
bool notice_user(const struct site *site, const struct user *user, struct address *to);
/* The user of a login or, when the table has none, of a mail name or user ID. False: none. */
bool notice_find(const struct usertable *table, struct span login, struct span local,
                 struct user *user);

#endif
