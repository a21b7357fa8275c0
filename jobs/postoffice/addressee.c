/* See addressee.h. */
#include "jobs/postoffice/addressee.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/postoffice/maildir.h"

enum { FORWARD_HOPS = 2, LOGIN_MAX = 256 };

#define NO_OFFICE "the user ID and the post office's name make no address"

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

static bool find_name(const struct program *p, const struct address *a, struct user *user)
{
    char local[ADDRESS_LOCAL_MAX];

    return usertable_find(p->users, address_local_text(a, local), user);
}

static bool find_user(const struct program *p, const struct address *a, struct user *user)
{
    return site_owns(p->site, address_domain(a)) && find_name(p, a, user);
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

/* What a user's FORWARD says. */
struct forward {
    bool keeps;          /* he stands in it himself */
    size_t others;       /* members but him */
    struct address away; /* an address of elsewhere, if there is one */
    struct user next;    /* a user of the table, if there is one; userid NULL: none */
};

static bool same_user(const struct user *a, const struct user *b)
{
    return strcmp(a->userid, b->userid) == 0;
}

enum member_kind { MEMBER_BAD, MEMBER_NOBODY, MEMBER_HERE, MEMBER_AWAY };

static enum member_kind find_member(const struct program *p, const char *text, struct address *a,
                                    struct user *user)
{
    const unsigned flags = ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK;

    if (address_parse(span_of(text), flags, a, NULL) != ADDRESS_GOOD)
        return MEMBER_BAD;
    if (a->kind != DOMAIN_NONE && !site_owns(p->site, address_domain(a)))
        return MEMBER_AWAY;
    return find_name(p, a, user) ? MEMBER_HERE : MEMBER_NOBODY;
}

/* False: the table is wrong in a way that its check finds; the recipient has his state. */
static bool read_forward(const struct program *p, struct recipient *r, const struct user *user,
                         struct forward *f)
{
    struct address a;
    struct user found;

    *f = (struct forward){0};
    for (const char *m = user_member(user, NULL); m != NULL; m = user_member(user, m)) {
        enum member_kind kind = find_member(p, m, &a, &found);
        if (kind == MEMBER_BAD || kind == MEMBER_NOBODY) {
            recipient_end(r, RECIPIENT_LATER, "4.3.5",
                          kind == MEMBER_BAD
                              ? "FORWARD in the user table is no address"
                              : "FORWARD names an address of this system that nobody has");
            return false;
        }
        if (kind == MEMBER_HERE && same_user(&found, user)) {
            f->keeps = true;
            continue;
        }
        f->others++;
        if (kind == MEMBER_HERE)
            f->next = found;
        else
            f->away = a;
    }
    return true;
}

/* Goes on to whoever gets the mail, while it is one. Then *f is of a user who has a box, or sends
 * it elsewhere, or to several. False: the recipient has his state. */
static bool follow(const struct program *p, struct recipient *r, struct user *user,
                   struct forward *f)
{
    for (int hop = 0; hop < FORWARD_HOPS; hop++) {
        if (!read_forward(p, r, user, f))
            return false;
        if (f->keeps || f->others != 1 || f->next.userid == NULL)
            return true;
        *user = f->next;
    }
    recipient_end(r, RECIPIENT_LATER, "4.4.6", "FORWARD goes on and on: correct the user table");
    return false;
}

/* Adds one who stands in a list. */
static bool add_member(const struct program *p, struct recipient *r, const struct user *user)
{
    struct address office;
    struct forward f;

    if (!read_forward(p, r, user, &f))
        return false;
    if (f.others > 1 || f.next.userid != NULL) {
        recipient_end(r, RECIPIENT_LATER, "4.3.5", "a list in a list: correct the user table");
        return false;
    }
    if (!addressee_address(p->site, user->userid, &office)) {
        recipient_end(r, RECIPIENT_LATER, "4.3.5", NO_OFFICE);
        return false;
    }
    bool good = f.others == 0 || mail_list_add(&r->list, &f.away, LIST_AWAY);
    if (good && (f.keeps || f.others == 0))
        good = mail_list_add(&r->list, &office, f.others > 0 ? LIST_KEEPER : LIST_HERE);
    if (!good)
        recipient_end(r, RECIPIENT_LATER, "4.3.0", "memory is short");
    return good;
}

/* Whom the bounces of a list go to (RFC 5321 3.9.2): the user to whom its login belongs, if that is
 * another entry. Without one the list is an alias, and its mail keeps its reverse-path (3.9.1). */
static void set_sender(const struct program *p, const struct postfile *file, struct recipient *r,
                       const struct user *list)
{
    struct user owner;
    struct address a;

    r->list.from = file->envelope.from;
    if (!address_is_null(&r->list.from) && list->login != NULL &&
        usertable_find_login(p->users, span_of(list->login), &owner) && !same_user(&owner, list) &&
        user_address(&owner, span_of(p->site->host), &a) && !address_has_utf8(&a))
        r->list.from = a;
}

static void expand(const struct program *p, const struct postfile *file, struct recipient *r,
                   const struct user *list)
{
    struct address a;
    struct user found;
    bool good = true;

    /* Others than these were found by read_forward(). */
    for (const char *m = user_member(list, NULL); good && m != NULL; m = user_member(list, m)) {
        enum member_kind kind = find_member(p, m, &a, &found);
        if (kind == MEMBER_AWAY)
            good = mail_list_add(&r->list, &a, LIST_AWAY);
        else if (kind == MEMBER_HERE && same_user(&found, list))
            good = mail_list_add(&r->list, &r->office, LIST_HERE);
        else if (kind == MEMBER_HERE && !add_member(p, r, &found))
            return;
    }
    if (!good) {
        recipient_end(r, RECIPIENT_LATER, "4.3.0", "memory is short");
        return;
    }
    r->way = WAY_LIST;
    set_sender(p, file, r, list);
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
    if (p->site->lmtp == NULL)
        recipient_end(r, RECIPIENT_LATER, "4.3.5",
                      "the user table says DELIVER(LMTP), and the DELIVER statement has no LMTP");
    else if (addressee_address(p->site, login, &r->target))
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

static enum deliver_way way_of(const struct site *site, const struct user *user)
{
    const enum deliver_way way[] = {
        [USER_DEFAULT] = (enum deliver_way)site->deliver,
        [USER_MAILDIR] = DELIVER_MAILDIR,
        [USER_LMTP] = DELIVER_LMTP,
    };

    return way[user->deliver];
}

void addressee_find(const struct program *p, const struct postfile *file, struct recipient *r)
{
    char login[LOGIN_MAX];
    struct forward f;
    struct user user;

    if (!find_user(p, &r->to, &user)) {
        nobody(p, r);
        return;
    }
    if (!follow(p, r, &user, &f))
        return;
    span_copy(span_of(user.userid), r->userid, sizeof(r->userid));
    if (!addressee_address(p->site, r->userid, &r->office)) {
        recipient_end(r, RECIPIENT_LATER, "4.3.5", NO_OFFICE);
        return;
    }
    if (f.others > 0 && f.keeps && postfile_delivered_to(file, r->office.text))
        f.others = 0; /* it went to the others already: what is left is his own copy */
    if (f.others == 1 && !f.keeps) {
        r->way = WAY_FORWARD;
        r->target = f.away;
    } else if (f.others > 0) {
        expand(p, file, r, &user);
    } else {
        login_of(&user, login);
        ways[way_of(p->site, &user)](p, r, login);
    }
}
