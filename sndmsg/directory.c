/* See directory.h. */
#include "sndmsg/directory.h"

#include <string.h>

#include "lib/charset.h"

/* A user of this system, with the full name beside the address. */
static bool add_user(const struct directory *d, struct span name, enum recipient_field field,
                     struct recipients *to, const char *shown)
{
    struct address a;
    struct user user;

    if (!usertable_find(d->users, name, &user) || !user_address(&user, d->host, &a))
        return false;
    if (shown == NULL)
        shown = user.full;
    return recipients_add(to, field, &a, shown != NULL ? span_of(shown) : SPAN(""));
}

/* A nickname that is no list. */
static bool add_one(const struct directory *d, const struct nickname *n, enum recipient_field field,
                    struct recipients *to)
{
    if (n->address.text[0] != '\0')
        return recipients_add(to, field, &n->address,
                              n->name != NULL ? span_of(n->name) : SPAN(""));
    return n->local != NULL && add_user(d, span_of(n->local), field, to, n->name);
}

static bool add_member(const struct directory *d, struct span word, enum recipient_field field,
                       struct recipients *to)
{
    const struct nickname *n = nicknames_find(d->nicknames, word);
    struct address a;

    if (n != NULL)
        return add_one(d, n, field, to); /* a list in a list has no address of its own */
    if (address_parse(word, ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &a, NULL) == ADDRESS_GOOD)
        return recipients_add(to, field, &a, SPAN(""));
    return add_user(d, word, field, to, NULL);
}

static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

static bool add_members(const struct directory *d, struct span list, enum recipient_field field,
                        struct recipients *to)
{
    for (size_t i = 0, n; i < list.n; i += n) {
        struct span rest = span_from(list, i);
        for (n = 0; n < rest.n && !is_separator(rest.p[n]);)
            n++;
        if (n > 0 && !add_member(d, (struct span){rest.p, n}, field, to))
            return false;
        n += n == 0;
    }
    return true;
}

static bool find(void *arg, struct span name, enum recipient_field field, struct recipients *to)
{
    const struct directory *d = arg;
    const struct nickname *n = nicknames_find(d->nicknames, name);

    if (n == NULL)
        return add_user(d, name, field, to, NULL);
    return n->list != NULL ? add_members(d, span_of(n->list), field, to) : add_one(d, n, field, to);
}

struct resolver directory_resolver(struct directory *d)
{
    return (struct resolver){find, d};
}

static bool begins(struct span word, struct span key)
{
    struct buf folded = {0};
    bool does = utf8_fold(word, &folded) && folded.len >= key.n &&
                (key.n == 0 || memcmp(folded.data, key.p, key.n) == 0);

    buf_free(&folded);
    return does;
}

void directory_complete(const struct directory *d, struct span prefix, size_t max,
                        void (*each)(void *arg, struct span word), void *arg)
{
    struct user users[32];
    struct buf key = {0};
    size_t found = 0;

    if (!utf8_fold(prefix, &key)) {
        buf_free(&key);
        return;
    }
    for (size_t i = 0; i < d->nicknames->count && found < max; i++)
        if (begins(span_of(d->nicknames->list[i].nick), BUF_SPAN(&key))) {
            each(arg, span_of(d->nicknames->list[i].nick));
            found++;
        }
    size_t wanted = max - found, most = sizeof(users) / sizeof(users[0]);
    size_t n = usertable_complete(d->users, prefix, users, wanted < most ? wanted : most);
    for (size_t i = 0; i < n; i++)
        each(arg, begins(span_of(users[i].name), BUF_SPAN(&key)) ? span_of(users[i].name)
                                                                 : span_of(users[i].userid));
    buf_free(&key);
}
