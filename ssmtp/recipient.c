/* See recipient.h. */
#include "ssmtp/recipient.h"

#include "lib/notice.h"

static const struct span postmaster = {"postmaster", 10};

static enum receiver_verdict find_local(const struct usertable *users, const struct address *a,
                                        struct user *user)
{
    struct buf plain = {0};
    bool good = address_local_plain(a, &plain);
    bool found = good && usertable_find(users, BUF_SPAN(&plain), user);

    buf_free(&plain);
    if (!good)
        return RECEIVER_TROUBLE;
    return found ? RECEIVER_GOOD : RECEIVER_UNKNOWN;
}

/* The X-To of a user of the table. */
static bool address_user(const struct site *site, const struct usertable *users,
                         const struct user *user, struct address *to)
{
    struct address forward;
    struct user next;

    if (user->forward == NULL)
        return notice_user(site, user, to);
    if (address_parse(span_of(user->forward), ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &forward, NULL) !=
        ADDRESS_GOOD)
        return notice_user(site, user, to); /* the table's reader refuses it; never lose mail */
    if (!site_owns(site, address_domain(&forward))) {
        *to = forward;
        return true;
    }
    /* One level, so that no circle can arise. A forward to nobody stays with its owner. */
    return notice_user(site, find_local(users, &forward, &next) == RECEIVER_GOOD ? &next : user,
                       to);
}

static bool is_postmaster(const struct site *site, const char *own, const struct address *rcpt)
{
    struct span domain = address_domain(rcpt);

    return span_eq_nocase(address_local(rcpt), postmaster) &&
           (domain.n == 0 || site_owns(site, domain) ||
            (own != NULL && span_eq_nocase(domain, span_of(own))));
}

enum receiver_verdict recipient_find(const struct site *site, const struct usertable *users,
                                     const char *own, const struct address *rcpt,
                                     struct address *to)
{
    struct user user;

    if (is_postmaster(site, own, rcpt)) {
        bool listed = usertable_find(users, postmaster, &user);
        bool good = listed ? address_user(site, users, &user, to) : notice_user(site, NULL, to);
        return good ? RECEIVER_GOOD : RECEIVER_TROUBLE;
    }
    if (!site_owns(site, address_domain(rcpt)))
        return RECEIVER_NOT_OURS;
    enum receiver_verdict v = find_local(users, rcpt, &user);
    if (v == RECEIVER_GOOD && !address_user(site, users, &user, to))
        v = RECEIVER_TROUBLE;
    return v;
}
