/* See recipient.h. */
#include "ssmtp/recipient.h"

#include <string.h>

#include "lib/charset.h"
#include "lib/notice.h"

enum {
    FULL_MAX = 200,   /* octets of a full name in a reply */
    NAMED_MAX = 20000 /* entries; to search more for a full name would hold up the others */
};

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

bool recipient_postmaster(const struct site *site, struct address *to)
{
    char text[ADDRESS_TEXT_MAX + 1];
    struct buf mailbox = {0};

    buf_printf(&mailbox, "postmaster@%s", site->host);
    bool good = span_copy(BUF_SPAN(&mailbox), text, sizeof(text)) &&
                address_parse(span_of(text), ADDRESS_BARE_OK, to, NULL) == ADDRESS_GOOD;
    buf_free(&mailbox);
    return good;
}

/* A full name in a reply must not look like something else. */
static bool is_plain(const char *full)
{
    size_t n = strlen(full);

    for (size_t i = 0; i < n; i++)
        if (full[i] < ' ' || full[i] > '~' || strchr("<>\"\\", full[i]) != NULL)
            return false;
    return n <= FULL_MAX;
}

static void write_user(const struct site *site, const struct user *user, struct buf *to)
{
    bool quoted = strchr(user->userid, '@') != NULL;

    if (user->full != NULL && is_plain(user->full))
        buf_printf(to, "%s ", user->full);
    if (utf8_is_ascii(span_of(user->name)))
        buf_printf(to, "<%s@%s>", user->name, site->host);
    else
        buf_printf(to, quoted ? "<\"%s\"@%s>" : "<%s@%s>", user->userid, site->host);
}

enum receiver_verdict recipient_verify(const struct site *site, const struct usertable *users,
                                       struct span who, struct buf *to)
{
    struct user user[2];
    struct address a;
    size_t found = 0;

    if (address_parse(who, ADDRESS_BARE_OK | ADDRESS_LOCAL_OK, &a, NULL) == ADDRESS_GOOD) {
        if (a.kind != DOMAIN_NONE && !site_owns(site, address_domain(&a)))
            return RECEIVER_NOT_OURS;
        enum receiver_verdict v = find_local(users, &a, &user[0]);
        if (v == RECEIVER_TROUBLE)
            return v;
        found = v == RECEIVER_GOOD;
        if (found == 0 && is_postmaster(site, NULL, &a)) {
            buf_printf(to, "<postmaster@%s>", site->host);
            return RECEIVER_GOOD;
        }
        if (found == 0 && a.kind != DOMAIN_NONE)
            return RECEIVER_UNKNOWN;
    }
    if (found == 0 && usertable_count(users) <= NAMED_MAX)
        found = usertable_named(users, who, user, 2);
    if (found == 1)
        write_user(site, &user[0], to);
    return found == 0 ? RECEIVER_UNKNOWN : found == 1 ? RECEIVER_GOOD : RECEIVER_AMBIGUOUS;
}
