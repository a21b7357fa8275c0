/* See addressee.h. */
#include "jobs/postoffice/addressee.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/postoffice/maildir.h"

enum { FORWARD_HOPS = 10, LOGIN_MAX = 256 };

static const char *office(const struct site *site)
{
    return site->postoffice != NULL ? site->postoffice : site->host;
}

bool addressee_address(const struct site *site, const char *local, struct address *out)
{
    static const char *const forms[] = {"%s@%s", "\"%s\"@%s"};
    char text[ADDRESS_TEXT_MAX + 4];

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        int n = snprintf(text, sizeof(text), forms[i], local, office(site));
        if (n > 0 && n < (int)sizeof(text) &&
            address_parse((struct span){text, (size_t)n}, ADDRESS_BARE_OK | ADDRESS_UTF8_OK, out,
                          NULL) == ADDRESS_GOOD)
            return true;
    }
    return false;
}

static bool find_user(const struct program *p, const struct address *a, struct user *user)
{
    struct buf local = {0};
    bool found = site_owns(p->site, address_domain(a)) && address_local_plain(a, &local) &&
                 usertable_find(p->users, BUF_SPAN(&local), user);

    buf_free(&local);
    return found;
}

static void nobody(const struct program *p, struct recipient *r)
{
    if (!site_owns(p->site, address_domain(&r->to)))
        recipient_end(r, RECIPIENT_REFUSED, "5.1.2", "that domain is not this post office's");
    else if (span_eq_nocase(address_local(&r->to), SPAN("POSTMASTER")))
        /* Mail to it must not come back (RFC 5321 4.5.1), and nobody else may read it. */
        recipient_end(r, RECIPIENT_HELD, "5.1.1",
                      "no entry of the user table has the mail name postmaster: add one");
    else
        recipient_end(r, RECIPIENT_REFUSED, "5.1.1", "no such user here");
}

/* Goes from FORWARD to FORWARD until it leaves this system or meets a user without one. False: the
 * recipient has its state. */
static bool follow(const struct program *p, struct recipient *r, struct user *user)
{
    struct address next;

    for (int hop = 0; user->forward != NULL; hop++) {
        if (hop == FORWARD_HOPS) {
            recipient_end(r, RECIPIENT_LATER, "4.4.6",
                          "FORWARD goes in a circle: correct the user table");
            return false;
        }
        if (address_parse(span_of(user->forward), ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &next, NULL) !=
            ADDRESS_GOOD) {
            recipient_end(r, RECIPIENT_LATER, "4.3.5", "FORWARD in the user table is no address");
            return false;
        }
        if (!site_owns(p->site, address_domain(&next))) {
            r->way = WAY_FORWARD;
            r->target = next;
            return true;
        }
        if (!find_user(p, &next, user)) {
            recipient_end(r, RECIPIENT_LATER, "4.3.5",
                          "FORWARD names an address of this system that nobody has");
            return false;
        }
    }
    return true;
}

static void login_of(const struct user *user, char login[LOGIN_MAX])
{
    span_copy(span_of(user->login != NULL ? user->login : user->userid), login, LOGIN_MAX);
    for (char *c = login; user->login == NULL && *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
}

static void to_lmtp(const struct program *p, struct recipient *r, const char *login)
{
    if (addressee_address(p->site, login, &r->target))
        r->way = WAY_LMTP;
    else
        recipient_end(r, RECIPIENT_LATER, "4.3.5",
                      "the login and the post office's name make no address");
}

static void to_maildir(const struct program *p, struct recipient *r, const char *login)
{
    const struct passwd *pw;
    const char *why = "";
    struct buf path = {0};

    errno = 0;
    pw = getpwnam(login);
    if (pw == NULL && errno != 0 && errno != ENOENT && errno != ESRCH) {
        recipient_end(r, RECIPIENT_LATER, "4.3.0", "the machine's user database does not answer");
        return;
    }
    struct maildir_user who = {pw != NULL ? pw->pw_dir : NULL, login, r->userid};
    bool good = maildir_path(&path, p->site->maildir, &who, &why);
    r->path = good ? strdup(buf_str(&path)) : NULL;
    r->login = pw != NULL && good ? strdup(login) : NULL;
    buf_free(&path);
    if (!good) {
        recipient_end(r, RECIPIENT_LATER, "4.2.1", why);
        return;
    }
    if (r->path == NULL || (pw != NULL && r->login == NULL)) {
        recipient_end(r, RECIPIENT_LATER, "4.3.0", "memory is short");
        return;
    }
    r->way = WAY_MAILDIR;
    if (pw != NULL) {
        r->uid = pw->pw_uid;
        r->gid = pw->pw_gid;
    }
}

static void (*const ways[])(const struct program *p, struct recipient *r, const char *login) = {
    [DELIVER_MAILDIR] = to_maildir,
    [DELIVER_LMTP] = to_lmtp,
};

void addressee_find(const struct program *p, struct recipient *r)
{
    char login[LOGIN_MAX];
    struct user user;

    if (!find_user(p, &r->to, &user)) {
        nobody(p, r);
        return;
    }
    if (!follow(p, r, &user))
        return;
    span_copy(span_of(user.userid), r->userid, sizeof(r->userid));
    if (!addressee_address(p->site, r->userid, &r->office)) {
        recipient_end(r, RECIPIENT_LATER, "4.3.5",
                      "the user ID and the post office's name make no address");
        return;
    }
    if (r->way == WAY_FORWARD)
        return;
    login_of(&user, login);
    ways[p->site->deliver](p, r, login);
}
