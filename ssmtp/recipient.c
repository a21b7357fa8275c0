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
        bool good = notice_user(site, listed ? &user : NULL, to);
        return good ? RECEIVER_GOOD : RECEIVER_TROUBLE;
    }
    if (!site_owns(site, address_domain(rcpt)))
        return RECEIVER_NOT_OURS;
    enum receiver_verdict v = find_local(users, rcpt, &user);
    if (v == RECEIVER_GOOD && !notice_user(site, &user, to))
        v = RECEIVER_TROUBLE;
    return v;
}
