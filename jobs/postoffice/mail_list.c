/* See mail_list.h. */
#include "jobs/postoffice/mail_list.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool mail_list_add(struct mail_list *l, const struct address *to, enum list_way way)
{
    if (l->members == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        struct list_member *more = reallocarray(l->member, cap, sizeof(*more));

        if (more == NULL)
            return false;
        l->member = more;
        l->cap = cap;
    }
    l->member[l->members++] = (struct list_member){*to, way};
    return true;
}

size_t mail_list_count(const struct mail_list *l, enum list_way way)
{
    size_t n = 0;

    for (size_t i = 0; i < l->members; i++)
        n += l->member[i].way == way;
    return n;
}

void mail_list_free(struct mail_list *l)
{
    free(l->member);
    *l = (struct mail_list){0};
}

/* An order in which equal mailboxes are equal: the local part octet by octet, the domain without
 * regard to case (address_eq). */
static int by_mailbox(const void *x, const void *y)
{
    const struct address *a = x, *b = y;

    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    int local = memcmp(a->text, b->text, a->at);
    return local != 0 ? local : strcasecmp(a->text + a->at, b->text + b->at);
}

bool address_set_add(struct address_set *s, const struct address *a, bool *failed)
{
    const struct address **found = tsearch(a, &s->root, by_mailbox);

    if (found == NULL)
        *failed = true;
    return found != NULL && *found == a;
}

static void keep_address(void *address)
{
    (void)address;
}

void address_set_free(struct address_set *s)
{
    tdestroy(s->root, keep_address);
    s->root = NULL;
}

/* What is dropped goes behind the end, so that the addresses that the set points to stay where they
 * are. */
bool mail_list_once(struct mail_list *l, struct address_set *s)
{
    bool failed = false;
    size_t n = 0;

    for (size_t i = 0; i < l->members && !failed; i++) {
        struct list_member m = l->member[i];

        l->member[i] = l->member[n];
        l->member[n] = m;
        n += address_set_add(s, &l->member[n].to, &failed);
    }
    l->members = n;
    return !failed;
}
