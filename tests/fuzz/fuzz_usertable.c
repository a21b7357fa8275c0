/* The user table: any text is a table or an error with a place; what a table holds is found again under its ID, its
 * name, and its login; members of lists exist and are no lists. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "usertable/usertable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A member is an address of elsewhere, or in the table and, unless it is the user himself, no list. */
static void check_member(const struct usertable *t, const struct user *u, const char *member)
{
    struct address a;
    struct user found;
    struct buf plain = {0};

    CHECK(address_parse(span_of(member), ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK, &a, NULL) == ADDRESS_GOOD);
    if (a.kind != DOMAIN_NONE)
        return;
    CHECK(address_local_plain(&a, &plain) && usertable_find(t, BUF_SPAN(&plain), &found));
    CHECK(strcmp(found.userid, u->userid) == 0 || (u->list && !found.list));
    buf_free(&plain);
}

static void look_up(const struct usertable *t, size_t i)
{
    struct user u, found;
    struct address a;

    usertable_entry(t, i, &u);
    CHECK(strlen(u.userid) >= 1 && strlen(u.userid) <= USERID_MAX);
    CHECK(usertable_find(t, span_of(u.userid), &found) && strcmp(found.userid, u.userid) == 0);
    if (u.login != NULL)
        CHECK(usertable_find_login(t, span_of(u.login), &found));
    for (const char *m = user_member(&u, NULL); m != NULL; m = user_member(&u, m))
        check_member(t, &u, m);
    if (user_address(&u, SPAN("h.example"), &a))
        CHECK(address_domain(&a).n == 9);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag d = {0};
    struct usertable *t = usertable_parse((struct span){(const char *)data, size}, &d);

    if (t == NULL) {
        CHECK(d.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < usertable_count(t) && i < 64; i++)
        look_up(t, i);
    usertable_free(t);
    return 0;
}
