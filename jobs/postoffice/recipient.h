/* A recipient of a spool file: where his copy goes, and what became of it. */
#ifndef POSTOFFICE_RECIPIENT_H
#define POSTOFFICE_RECIPIENT_H

#include <sys/types.h>

#include "jobs/postoffice/mail_list.h"
#include "lib/address.h"
#include "usertable/usertable.h"

enum recipient_state {
    RECIPIENT_OPEN,    /* to be delivered */
    RECIPIENT_DONE,    /* delivered, on stable storage */
    RECIPIENT_FORWARD, /* becomes a mail data set when the file is settled */
    RECIPIENT_LIST,    /* becomes files for its members when the file is settled */
    RECIPIENT_LATER,   /* not now */
    RECIPIENT_REFUSED, /* never: its sender is to be told */
    RECIPIENT_HELD,    /* for the operator to decide */
    RECIPIENT_STATES
};

enum recipient_way { WAY_NONE, WAY_MAILDIR, WAY_LMTP, WAY_FORWARD, WAY_LIST };

struct recipient {
    struct address to; /* X-To */
    enum recipient_state state;
    enum recipient_way way;
    size_t same;     /* index of the recipient before it that has the same target, or its own */
    char status[12]; /* "5.1.1" */
    char *text;      /* why; printable, one line; NULL: nothing to say */
    struct address office; /* USERID@postoffice of who gets it, or whose FORWARD it is */
    struct address target; /* LMTP, FORWARD: the address */
    struct mail_list list; /* LIST */
    char userid[USERID_MAX + 1];
    /* MAILDIR */
    char *path, *login; /* login NULL: the copy belongs to the program's own user */
    uid_t uid;
    gid_t gid;
};

/* Notes what became of it. `text` is copied and made printable. */
void recipient_end(struct recipient *r, enum recipient_state state, const char *status,
                   const char *text);
void recipient_free(struct recipient *r);

#endif
