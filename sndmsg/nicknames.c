/* See nicknames.h. */
#include "sndmsg/nicknames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/charset.h"
#include "sndmsg/cleartext.h"

/* One entry while its tags are read. */
struct entry {
    size_t line; /* where it began; 0: none is begun */
    struct nickname nick;
    char *userid, *node;
};

struct reader {
    struct nicknames *out;
    struct diag *d;
    size_t line;
    const char *start; /* of the line */
    struct entry entry;
};

static bool bad(struct reader *r, struct span at, const char *why)
{
    return diag_set(r->d, r->line, (size_t)(at.p - r->start) + 1, "%s", why);
}

static bool store(struct reader *r, char **slot, struct span value)
{
    if (*slot != NULL)
        return bad(r, value, "this tag stands twice in the entry: keep one");
    if (value.n == 0 || value.n > NICKNAME_VALUE_MAX)
        return bad(r, value, "a value has 1 to 4,096 octets");
    *slot = strndup(value.p, value.n);
    return *slot != NULL || bad(r, value, "memory is short");
}

static bool take_nick(struct reader *r, struct span value)
{
    for (size_t i = 0; i < value.n; i++)
        if (strchr(" \t,@<>\"", value.p[i]) != NULL)
            return bad(r, span_from(value, i),
                       "a nickname has no blank, comma, quote, bracket or @ in it");
    return value.n <= ADDRESS_LOCAL_MAX ? store(r, &r->entry.nick.nick, value)
                                        : bad(r, value, "a nickname has at most 64 octets");
}

static bool take_name(struct reader *r, struct span value)
{
    return store(r, &r->entry.nick.name, value);
}

static bool take_addr(struct reader *r, struct span value)
{
    size_t used;

    if (r->entry.nick.address.text[0] != '\0')
        return bad(r, value, "this tag stands twice in the entry: keep one");
    enum address_error e =
        address_parse(value, ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &r->entry.nick.address, &used);
    return e == ADDRESS_GOOD || bad(r, span_from(value, used), address_strerror(e));
}

static bool take_userid(struct reader *r, struct span value)
{
    return store(r, &r->entry.userid, value);
}

static bool take_node(struct reader *r, struct span value)
{
    return store(r, &r->entry.node, value);
}

static bool take_list(struct reader *r, struct span value)
{
    return store(r, &r->entry.nick.list, value);
}

static const struct {
    const char *tag;
    bool (*take)(struct reader *r, struct span value);
} tags[] = {
    {"nick", take_nick},     {"name", take_name}, {"addr", take_addr},
    {"userid", take_userid}, {"node", take_node}, {"list", take_list},
};

static void free_entry(struct entry *e)
{
    free(e->nick.nick);
    free(e->nick.key);
    free(e->nick.name);
    free(e->nick.local);
    free(e->nick.list);
    free(e->userid);
    free(e->node);
    *e = (struct entry){0};
}

static bool entry_bad(struct reader *r, const char *why)
{
    return diag_set(r->d, r->entry.line, 1, "%s", why);
}

/* Turns :userid. and :node. into an address or a user of this system. */
static bool settle_userid(struct reader *r)
{
    struct entry *e = &r->entry;
    struct buf text = {0};

    if (e->nick.address.text[0] != '\0' || e->userid == NULL)
        return true;
    if (e->node == NULL) {
        e->nick.local = e->userid;
        e->userid = NULL;
        return true;
    }
    bool good = buf_adds(&text, e->userid) && buf_addc(&text, '@') && buf_adds(&text, e->node) &&
                address_parse(BUF_SPAN(&text), ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &e->nick.address,
                              NULL) == ADDRESS_GOOD;
    buf_free(&text);
    return good || entry_bad(r, ":userid. and :node. of this entry make no mail address");
}

static bool make_key(struct nickname *n)
{
    struct buf key = {0};
    bool good = utf8_fold(span_of(n->nick), &key);

    if (good)
        n->key = strndup(key.len > 0 ? key.data : "", key.len);
    buf_free(&key);
    return n->key != NULL;
}

static bool append(struct nicknames *all, const struct nickname *n)
{
    if (all->count == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 16;
        void *grown = reallocarray(all->list, cap, sizeof(*all->list));
        if (grown == NULL)
            return false;
        all->list = grown;
        all->cap = cap;
    }
    all->list[all->count++] = *n;
    return true;
}

/* The entry in hand is over. */
static bool end_entry(struct reader *r)
{
    struct entry *e = &r->entry;

    if (e->line == 0)
        return true;
    if (!settle_userid(r))
        return false;
    if (e->nick.address.text[0] == '\0' && e->nick.local == NULL && e->nick.list == NULL)
        return entry_bad(r, "this entry leads nowhere: add :addr.user@example.org");
    if (r->out->count == NICKNAMES_MAX)
        return entry_bad(r, "more than 10,000 nicknames");
    if (!make_key(&e->nick))
        return entry_bad(r, "memory is short");
    for (size_t i = 0; i < r->out->count; i++)
        if (strcmp(r->out->list[i].key, e->nick.key) == 0)
            return entry_bad(r, "this nickname stands twice: remove one");
    if (!append(r->out, &e->nick))
        return entry_bad(r, "memory is short");
    e->nick = (struct nickname){0};
    free_entry(e);
    return true;
}

/* Octets of a tag at the front, with colon and period; 0: there is none. */
static size_t tag_length(struct span s)
{
    size_t i = 1;

    if (s.n == 0 || s.p[0] != ':')
        return 0;
    while (i < s.n && ((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z')))
        i++;
    return i > 1 && i < s.n && s.p[i] == '.' ? i + 1 : 0;
}

/* Octets up to the next tag. */
static size_t value_length(struct span s)
{
    for (size_t i = 0; i + 1 < s.n; i++)
        if ((s.p[i] == ' ' || s.p[i] == '\t') && tag_length(span_from(s, i + 1)) > 0)
            return i;
    return s.n;
}

static bool take_tag(struct reader *r, struct span tag, struct span value)
{
    struct span word = {tag.p + 1, tag.n - 2};

    if (span_eq_nocase(word, SPAN("nick"))) {
        if (!end_entry(r))
            return false;
        r->entry.line = r->line;
    }
    if (r->entry.line == 0)
        return bad(r, tag, "an entry begins with :nick.");
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        if (span_eq_nocase(word, span_of(tags[i].tag)))
            return tags[i].take(r, value);
    return true;
}

static bool take_line(struct reader *r, struct span line)
{
    size_t fault = cleartext_fault(line, true);
    char what[64];

    if (fault < line.n) {
        cleartext_describe(span_from(line, fault), what, sizeof(what));
        return diag_set(r->d, r->line, fault + 1, "%s", what);
    }
    for (struct span rest = span_trim(line); rest.n > 0;) {
        size_t n = tag_length(rest);
        if (n == 0)
            return bad(r, rest, "a tag must stand here, such as :nick. or :addr.");
        struct span tag = {rest.p, n};
        rest = span_from(rest, n);
        struct span value = {rest.p, value_length(rest)};
        if (!take_tag(r, tag, span_trim(value)))
            return false;
        rest = span_trim(span_from(rest, value.n));
    }
    return true;
}

bool nicknames_parse(struct span text, struct nicknames *out, struct diag *d)
{
    struct reader r = {.out = out, .d = d};
    struct span line;
    bool good = true;

    *out = (struct nicknames){0};
    *d = (struct diag){0};
    while (good && span_line(&text, &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        r.line++;
        r.start = line.p;
        if (line.n > 0 && line.p[0] != '*')
            good = take_line(&r, line);
    }
    good = good && end_entry(&r);
    free_entry(&r.entry);
    if (!good)
        nicknames_free(out);
    return good;
}

static bool read_whole(int fd, struct buf *text, struct diag *d)
{
    ssize_t n;

    do {
        if (!buf_reserve(text, 65536))
            return diag_set(d, 0, 0, "memory is short");
        n = read(fd, text->data + text->len, 65536);
        if (n > 0)
            text->len += (size_t)n;
        if (text->len > NICKNAMES_FILE_MAX)
            return diag_set(d, 0, 0, "it is larger than 1 MiB");
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n == 0 || diag_set(d, 0, 0, "it cannot be read: %s", strerror(errno));
}

bool nicknames_load(const char *path, struct nicknames *out, struct diag *d)
{
    struct buf text = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    *out = (struct nicknames){0};
    *d = (struct diag){0};
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (fd < 0)
        return diag_set(d, 0, 0, "it cannot be opened: %s", strerror(errno));
    bool good = fstat(fd, &st) == 0 || diag_set(d, 0, 0, "it cannot be read: %s", strerror(errno));
    if (good && !S_ISREG(st.st_mode))
        good = diag_set(d, 0, 0, "it is no plain file");
    if (good && (st.st_mode & S_IWOTH))
        good = diag_set(d, 0, 0, "everybody may write to it: chmod o-w it");
    if (good && st.st_uid != getuid() && st.st_uid != 0)
        good = diag_set(d, 0, 0, "it belongs to somebody else");
    good = good && read_whole(fd, &text, d) && nicknames_parse(BUF_SPAN(&text), out, d);
    close(fd);
    buf_free(&text);
    return good;
}

void nicknames_free(struct nicknames *n)
{
    for (size_t i = 0; i < n->count; i++) {
        struct entry e = {.nick = n->list[i]};
        free_entry(&e);
    }
    free(n->list);
    *n = (struct nicknames){0};
}

const struct nickname *nicknames_find(const struct nicknames *n, struct span nick)
{
    const struct nickname *found = NULL;
    struct buf key = {0};

    if (utf8_fold(nick, &key))
        for (size_t i = 0; i < n->count && found == NULL; i++)
            if (span_eq(span_of(n->list[i].key), BUF_SPAN(&key)))
                found = &n->list[i];
    buf_free(&key);
    return found;
}
