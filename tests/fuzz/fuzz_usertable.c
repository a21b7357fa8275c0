/* The user table: any text is a table or an error with a place; what a table holds is found again under its ID, its
 * name, and its login. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "usertable/usertable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const struct usertable *t, size_t i)
{
    struct user u, found;
    struct address a;

    usertable_entry(t, i, &u);
    CHECK(strlen(u.userid) >= 1 && strlen(u.userid) <= USERID_MAX);
    CHECK(usertable_find(t, span_of(u.userid), &found) && strcmp(found.userid, u.userid) == 0);
    if (u.login != NULL)
        CHECK(usertable_find_login(t, span_of(u.login), &found));
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
