/* A list of the user table, expanded: who gets the mail. Pure; each member stands in it once. */
#ifndef POSTOFFICE_MAIL_LIST_H
#define POSTOFFICE_MAIL_LIST_H

#include "lib/address.h"

enum list_way {
    LIST_AWAY,  /* an address of elsewhere: a mail data set */
    LIST_HERE,  /* USERID@postoffice: an X-To of the one spool file for all of these */
    LIST_KEEPER /* the same, but his own FORWARD names him and was followed already: a spool file of
                   his own */
};

struct list_member {
    struct address to;
    enum list_way way;
};

struct mail_list {
    struct address from; /* the reverse-path of all copies */
    struct list_member *member;
    size_t members, cap;
};

/* Adds a member. False: memory is short. */
bool mail_list_add(struct mail_list *l, const struct address *to, enum list_way way);
size_t mail_list_count(const struct mail_list *l, enum list_way way);
void mail_list_free(struct mail_list *l);

/* Addresses that have their copy, so that nobody gets two. */
struct address_set {
    void *root; /* of tsearch(3) */
};

/* Puts it in, and keeps the pointer. False: it was there before, or (*failed set) memory is short.
 */
bool address_set_add(struct address_set *s, const struct address *a, bool *failed);
void address_set_free(struct address_set *s);
/* Drops the members that are in the set, and puts the others into it; the list may not grow any
 * more while the set lives. False: memory is short. */
bool mail_list_once(struct mail_list *l, struct address_set *s);

#endif
