/* See usertable.h. All text of a table lies in one arena; entries hold offsets into it, and one
 * hash table with open addressing finds them by folded user ID, folded mail name and login. Its
 * hash is keyed with random octets. After loading nothing changes any more, so readers need no
 * lock. */
#include "usertable/usertable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/charset.h"
#include "lib/site.h"
#include "usertable/entry.h"
#include "usertable/siphash.h"

enum {
    TABLE_MAX = 1 << 30, /* octets of text: offsets and references fit 32 bits */
    BATCH = 32,          /* entries indexed at a time */
    READ_SIZE = 1 << 16,
    KEY_SOURCE_MAX = ADDRESS_LOCAL_MAX * 4 /* octets; a longer text folds to no key of ours */
};

/* Offsets into the arena; 0: not given. */
struct entry {
    uint32_t userid, name, key; /* key: the folded name */
    uint32_t login, full;
    uint32_t forward;   /* members, each ended by NUL; one more NUL after the last */
    uint32_t line : 30; /* TABLE_MAX octets hold fewer */
    uint8_t deliver;    /* enum user_delivery */
    bool list : 1;      /* as in struct user */
    bool member : 1;    /* of another entry's FORWARD */
};

enum kind { KIND_USERID = 1, KIND_NAME, KIND_LOGIN };

/* What a slot refers to: index of the entry * 4 + enum kind; 0 in an empty slot. */
typedef uint32_t reference;

struct slot {
    uint32_t hash;
    reference ref;
};

struct usertable {
    struct buf arena;
    struct entry *entry;
    size_t count, cap;
    size_t logins, forwards; /* entries that give one */
    struct slot *slot;
    size_t slots; /* a power of two */
    unsigned char hash_key[SIPHASH_KEY];
};

static const char *optional(const struct usertable *t, uint32_t offset)
{
    return offset != 0 ? t->arena.data + offset : NULL;
}

/* Of a user ID, in which nothing stands above the letters. */
static char capital(char c)
{
    return c >= 'a' ? (char)(c - 'a' + 'A') : c;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static reference refer(size_t entry, enum kind kind)
{
    return (reference)(entry * 4 + kind);
}

static const struct entry *entry_of(const struct usertable *t, reference ref)
{
    return &t->entry[ref / 4];
}

/* The key that a reference stands for. `id` gives room to a user ID, which is kept in capitals. */
static struct span key_of(const struct usertable *t, reference ref, char id[USERID_MAX])
{
    const struct entry *e = entry_of(t, ref);
    const uint32_t at[] = {
        [KIND_USERID] = e->userid, [KIND_NAME] = e->key, [KIND_LOGIN] = e->login};
    struct span key = span_of(t->arena.data + at[ref % 4]);

    if (ref % 4 == KIND_USERID) {
        for (size_t i = 0; i < key.n && i < USERID_MAX; i++)
            id[i] = small(key.p[i]);
        key.p = id;
    }
    return key;
}

static uint32_t hash_of(const struct usertable *t, struct span key)
{
    return (uint32_t)siphash(t->hash_key, key);
}

/* User IDs and names share a name space; logins have their own. */
static bool is_key(const struct usertable *t, reference ref, bool login, struct span key)
{
    char id[USERID_MAX];

    return (ref % 4 == KIND_LOGIN) == login && span_eq(key_of(t, ref, id), key);
}

/* The slot of a key, or the empty one where it would go. */
static struct slot *slot_of(const struct usertable *t, struct span key, uint32_t hash, bool login)
{
    size_t i = hash & (t->slots - 1);
    struct slot *s;

    for (; (s = &t->slot[i])->ref != 0; i = (i + 1) & (t->slots - 1))
        if (s->hash == hash && is_key(t, s->ref, login, key))
            break;
    return s;
}

/* The reference of a key; 0 when there is none. */
static reference seek(const struct usertable *t, struct span key, bool login)
{
    return slot_of(t, key, hash_of(t, key), login)->ref;
}

/* Puts text and a NUL into the arena; 0 when memory or offsets are used up. */
static uint32_t keep(struct usertable *t, struct span text)
{
    size_t at = t->arena.len;

    if (!buf_addspan(&t->arena, text) || !buf_addc(&t->arena, '\0') || at > UINT32_MAX)
        return 0;
    return (uint32_t)at;
}

static uint32_t keep_userid(struct usertable *t, struct span written)
{
    uint32_t at = keep(t, written);

    for (size_t i = 0; at != 0 && i < written.n; i++)
        t->arena.data[at + i] = capital(t->arena.data[at + i]);
    return at;
}

/* The folded name; where it is no other than the name as kept, that serves. */
static uint32_t keep_key(struct usertable *t, const struct address *name, uint32_t kept)
{
    struct span local = address_local(name);
    struct buf plain = {0};
    size_t at = t->arena.len;
    bool good;

    if (local.p[0] == '"') {
        good = address_local_plain(name, &plain) && utf8_fold(BUF_SPAN(&plain), &t->arena);
        buf_free(&plain);
    } else {
        good = utf8_fold(local, &t->arena);
    }
    if (!good || !buf_addc(&t->arena, '\0') || at > UINT32_MAX)
        return 0;
    if (strcmp(t->arena.data + at, t->arena.data + kept) != 0)
        return (uint32_t)at;
    t->arena.len = at;
    return kept;
}

/* The full name with '' turned to '. */
static uint32_t keep_full(struct usertable *t, struct span written)
{
    uint32_t at = keep(t, written);
    size_t to = at;

    if (at == 0 || span_find(written, '\'') == written.n)
        return at;
    for (size_t i = 0; i < written.n; i++) {
        t->arena.data[to++] = written.p[i];
        i += written.p[i] == '\'';
    }
    t->arena.data[to] = '\0';
    return at;
}

static bool add_entry(struct usertable *t, const struct entry_line *l, size_t line)
{
    struct entry e = {.line = line & (TABLE_MAX - 1), .deliver = (uint8_t)l->deliver};

    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct entry *more = realloc(t->entry, cap * sizeof(*more));

        if (more == NULL)
            return false;
        t->entry = more;
        t->cap = cap;
    }
    e.userid = keep_userid(t, l->userid);
    e.name = keep(t, address_local(&l->name));
    e.key = keep_key(t, &l->name, e.name);
    if (l->login.p != NULL)
        e.login = keep(t, l->login);
    if (l->forward.p != NULL)
        e.forward = keep(t, BUF_SPAN(&l->members));
    if (l->full.p != NULL)
        e.full = keep_full(t, l->full);
    if (t->arena.failed || e.userid == 0 || e.name == 0 || e.key == 0)
        return false;
    t->entry[t->count++] = e;
    t->logins += e.login != 0;
    t->forwards += e.forward != 0;
    return true;
}

static bool short_of_memory(struct diag *d)
{
    return diag_set(d, 0, 0, "not enough memory for the user table");
}

static bool read_lines(struct usertable *t, struct span text, struct diag *d)
{
    struct entry_line entry = {0};
    struct span line;
    bool good = true;

    for (size_t number = 1; good && span_line(&text, &line); number++) {
        enum entry_result r = entry_read(line, number, &entry, d);

        good = r != ENTRY_BAD;
        if (r == ENTRY_GOOD && !add_entry(t, &entry, number))
            good = short_of_memory(d);
    }
    buf_free(&entry.members);
    return good;
}

/* Reads the line of an entry again, to learn columns. The caller frees again->members. */
static void read_again(const struct entry *e, struct span text, struct entry_line *again)
{
    struct span line = {0};
    struct diag none;

    *again = (struct entry_line){0};
    for (uint32_t i = 0; i < e->line && span_line(&text, &line);)
        i++;
    (void)entry_read(line, e->line, again, &none);
}

/* Says that a key stands twice. */
static bool clash(const struct usertable *t, struct span text, reference ref, reference there,
                  struct diag *d)
{
    static const char *const word[] = {[KIND_USERID] = "user ID", [KIND_NAME] = "mail name"};
    const struct entry *e = entry_of(t, ref);
    struct entry_line again;

    read_again(e, text, &again);
    buf_free(&again.members);
    return diag_set(d, e->line, ref % 4 == KIND_USERID ? again.userid_column : again.name_column,
                    "the %s is also the %s of line %u: change one of them", word[ref % 4],
                    word[there % 4], entry_of(t, there)->line);
}

/* Puts a reference into its slot; 0, or the reference of another entry that has the same key. Of
 * entries with one login, the first keeps it; a name may be its own entry's user ID. */
static reference enter(struct usertable *t, struct slot new)
{
    char id[USERID_MAX];
    bool login = new.ref % 4 == KIND_LOGIN;
    struct slot *s = slot_of(t, key_of(t, new.ref, id), new.hash, login);
    reference there = s->ref;

    if (there == 0)
        *s = new;
    return login || there / 4 == new.ref / 4 ? 0 : there;
}

/* Hashes the keys of some entries and calls their slots into the cache, so that the waits for
 * memory overlap: a large index is several times faster to build. Returns how many keys there are.
 */
static size_t gather(const struct usertable *t, size_t first, size_t end, struct slot *new)
{
    char id[USERID_MAX];
    size_t n = 0;

    for (size_t i = first; i < end; i++)
        for (enum kind k = KIND_USERID; k <= (t->entry[i].login ? KIND_LOGIN : KIND_NAME); k++) {
            reference ref = refer(i, k);

            new[n] = (struct slot){hash_of(t, key_of(t, ref, id)), ref};
            __builtin_prefetch(&t->slot[new[n++].hash &(t->slots - 1)], 1);
        }
    return n;
}

static bool index_entries(struct usertable *t, struct span text, struct diag *d)
{
    struct slot new[BATCH * 3];
    size_t keys = t->count * 2 + t->logins;

    for (t->slots = 8; t->slots / 4 * 3 < keys;)
        t->slots *= 2;
    t->slot = calloc(t->slots, sizeof(*t->slot));
    if (t->slot == NULL)
        return short_of_memory(d);
    for (size_t first = 0; first < t->count; first += BATCH) {
        size_t end = t->count - first < BATCH ? t->count : first + BATCH;
        size_t n = gather(t, first, end, new);

        for (size_t i = 0; i < n; i++) {
            reference there = enter(t, new[i]);

            if (there != 0)
                return clash(t, text, new[i].ref, there, d);
        }
    }
    return true;
}

/* By user ID or mail name, plain text; 0: none. */
static reference find_key(const struct usertable *t, struct span text);

/* What FORWARD leads to. */

struct scope {
    const struct usertable *table;
    const struct site *site; /* NULL: unknown */
    struct span text;        /* of the table */
};

/* Cuts a member, which is in its one form, into local part and domain. False: it is a name alone.
 */
static bool cut_member(const char *member, struct span *local, struct span *domain)
{
    const char *at = strrchr(member, '@');

    *local = span_of(member);
    if (at == NULL || local->p[local->n - 1] == '"')
        return false;
    *domain = span_of(at + 1);
    local->n = (size_t)(at - member);
    return true;
}

static reference find_local(const struct usertable *t, const char *member, struct span local)
{
    struct buf plain = {0};
    struct address a;
    reference ref = 0;

    if (member[0] != '"')
        return find_key(t, local);
    if (address_parse(span_of(member), ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK, &a,
                      NULL) == ADDRESS_GOOD &&
        address_local_plain(&a, &plain))
        ref = find_key(t, BUF_SPAN(&plain));
    buf_free(&plain);
    return ref;
}

/* The entry that a member names. False: it is an address of elsewhere. *found: NULL if nobody has
 * that name. */
static bool is_of_table(const struct scope *s, const char *member, struct entry **found)
{
    struct span local, domain;
    reference ref;

    if (cut_member(member, &local, &domain) && (s->site == NULL || !site_owns(s->site, domain)))
        return false;
    ref = find_local(s->table, member, local);
    *found = ref != 0 ? &s->table->entry[ref / 4] : NULL;
    return true;
}

static const char *first_member(const struct scope *s, const struct entry *e)
{
    return s->table->arena.data + e->forward;
}

static const char *next_member(const char *before)
{
    const char *next = before + strlen(before) + 1;

    return *next != '\0' ? next : NULL;
}

/* Notes whether an entry is a list, and who is its member. Who stands in his own FORWARD keeps a
 * copy; what else stands there decides. False: a member is in no entry. */
static bool note_members(const struct scope *s, struct entry *e)
{
    struct entry *found = NULL;
    size_t away = 0;

    for (const char *m = first_member(s, e); m != NULL; m = next_member(m)) {
        if (!is_of_table(s, m, &found)) {
            away++;
            continue;
        }
        if (found == NULL)
            return false;
        if (found != e)
            e->list = found->member = true;
    }
    e->list |= away > 1;
    return true;
}

/* Says what is wrong with the member of that number. */
static bool bad_member(const struct scope *s, const struct entry *e, size_t number,
                       const struct entry *found, struct diag *d)
{
    struct span member = {0}, rest;
    struct entry_line again;

    read_again(e, s->text, &again);
    buf_free(&again.members);
    rest = again.forward;
    for (size_t i = 0; i <= number && entry_member(&rest, &member);)
        i++;
    size_t column = again.forward_column + (size_t)(member.p - again.forward.p);
    int n = member.n < 64 ? (int)member.n : 64;
    if (found == NULL)
        return diag_set(d, e->line, column,
                        "no entry has the user ID or mail name %.*s: correct it, or write an "
                        "address of elsewhere",
                        n, member.p);
    return diag_set(d, e->line, column,
                    "%.*s is a list itself (line %u), and a list in a list is not expanded: write "
                    "its members here",
                    n, member.p, (unsigned)found->line);
}

static bool check_members(const struct scope *s, const struct entry *e, struct diag *d)
{
    struct entry *found = NULL;
    size_t i = 0;

    for (const char *m = first_member(s, e); m != NULL; m = next_member(m), i++)
        if (is_of_table(s, m, &found) && found != e && (found == NULL || found->list))
            return bad_member(s, e, i, found, d);
    return true;
}

/* Members may stand before or behind the entries they name, so this comes last. All is looked up
 * once; only where something is wrong a second time, for the first place of it. */
static bool check_forwards(struct usertable *t, const struct site *site, struct span text,
                           struct diag *d)
{
    const struct scope s = {t, site, text};
    bool good = true;

    if (t->forwards == 0)
        return true;
    for (size_t i = 0; i < t->count; i++)
        if (t->entry[i].forward != 0)
            good &= note_members(&s, &t->entry[i]);
    for (size_t i = 0; good && i < t->count; i++)
        good = !(t->entry[i].list && t->entry[i].member);
    for (size_t i = 0; !good && i < t->count; i++)
        if (t->entry[i].forward != 0 && !check_members(&s, &t->entry[i], d))
            return false;
    return true;
}

/* Offset 0 means "not given", so an octet that nothing refers to comes first. */
static bool prepare(struct usertable *t, struct span text, struct diag *d)
{
    if (text.n > TABLE_MAX)
        return diag_set(d, 0, 0, "the user table has %zu octets, %d at most", text.n, TABLE_MAX);
    if (getrandom(t->hash_key, sizeof(t->hash_key), 0) != (ssize_t)sizeof(t->hash_key))
        return diag_set(d, 0, 0, "the system gives no random octets: %s", strerror(errno));
    return (buf_reserve(&t->arena, text.n) && buf_addc(&t->arena, '\0')) || short_of_memory(d);
}

/* Reads lines up to the first that is wrong, then looks for keys that stand twice: these are on
 * lines before it, so the error told is the first one in the file. */
static bool fill(struct usertable *t, struct span text, struct diag *d)
{
    bool read = prepare(t, text, d) && read_lines(t, text, d);
    struct diag earlier;

    if (index_entries(t, text, &earlier))
        return read;
    *d = earlier;
    return false;
}

struct usertable *usertable_parse_for(const struct site *site, struct span text, struct diag *d)
{
    struct usertable *t = calloc(1, sizeof(*t));

    if (t == NULL)
        short_of_memory(d);
    else if (fill(t, text, d) && check_forwards(t, site, text, d))
        return t;
    usertable_free(t);
    return NULL;
}

struct usertable *usertable_parse(struct span text, struct diag *d)
{
    return usertable_parse_for(NULL, text, d);
}

/* Reads all of a regular file. */
static bool read_all(int fd, struct buf *text, struct diag *d)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return diag_set(d, 0, 0, "cannot read: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return diag_set(d, 0, 0, "cannot read: it is no regular file");
    if (st.st_size < TABLE_MAX) /* else the limit will be found below */
        (void)buf_reserve(text, (size_t)st.st_size + 1);
    do {
        if (!buf_reserve(text, READ_SIZE))
            return short_of_memory(d);
        n = read(fd, text->data + text->len, text->cap - text->len);
        if (n > 0)
            text->len += (size_t)n;
    } while (text->len <= TABLE_MAX && (n > 0 || (n < 0 && errno == EINTR)));
    return n >= 0 || diag_set(d, 0, 0, "cannot read: %s", strerror(errno));
}

static struct usertable *load(const char *path, const struct site *site, struct diag *d)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct usertable *t = NULL;
    struct buf text = {0};

    if (fd < 0) {
        diag_set(d, 0, 0, "cannot open: %s", strerror(errno));
        return NULL;
    }
    if (read_all(fd, &text, d))
        t = usertable_parse_for(site, BUF_SPAN(&text), d);
    buf_free(&text);
    (void)close(fd);
    return t;
}

struct usertable *usertable_load(const char *path, struct diag *d)
{
    return load(path, NULL, d);
}

struct usertable *usertable_load_for(const struct site *site, struct diag *d)
{
    return load(site->usertable, site, d);
}

void usertable_free(struct usertable *t)
{
    if (t == NULL)
        return;
    buf_free(&t->arena);
    free(t->entry);
    free(t->slot);
    free(t);
}

size_t usertable_count(const struct usertable *t)
{
    return t->count;
}

void usertable_entry(const struct usertable *t, size_t i, struct user *user)
{
    const struct entry *e = &t->entry[i];

    *user = (struct user){
        .userid = t->arena.data + e->userid,
        .name = t->arena.data + e->name,
        .login = optional(t, e->login),
        .forward = optional(t, e->forward),
        .full = optional(t, e->full),
        .deliver = (enum user_delivery)e->deliver,
        .list = e->list,
    };
}

const char *user_member(const struct user *u, const char *before)
{
    return before == NULL ? u->forward : next_member(before);
}

/* ASCII is folded without asking for memory, so that a shortage never makes such a user unknown. */
static reference seek_ascii(const struct usertable *t, struct span text)
{
    char key[ADDRESS_LOCAL_MAX];

    if (text.n == 0 || text.n > sizeof(key))
        return 0;
    for (size_t i = 0; i < text.n; i++)
        key[i] = small(text.p[i]);
    return seek(t, (struct span){key, text.n}, false);
}

static reference seek_folded(const struct usertable *t, struct span text)
{
    struct buf key = {0};
    reference ref = 0;

    if (text.n <= KEY_SOURCE_MAX && utf8_fold(text, &key))
        ref = seek(t, BUF_SPAN(&key), false);
    buf_free(&key);
    return ref;
}

static reference find_key(const struct usertable *t, struct span text)
{
    return utf8_is_ascii(text) ? seek_ascii(t, text) : seek_folded(t, text);
}

bool usertable_find(const struct usertable *t, struct span id_or_name, struct user *user)
{
    reference ref = find_key(t, id_or_name);

    if (ref != 0)
        usertable_entry(t, ref / 4, user);
    return ref != 0;
}

/* Is this the user's login: the one given, or else the user ID in small letters? */
static bool is_login_of(const struct user *u, struct span login)
{
    if (u->login != NULL)
        return span_eq(span_of(u->login), login);
    if (u->userid == NULL || strlen(u->userid) != login.n)
        return false;
    for (size_t i = 0; i < login.n; i++)
        if (small(u->userid[i]) != login.p[i])
            return false;
    return true;
}

bool usertable_find_login(const struct usertable *t, struct span login, struct user *user)
{
    reference given, deflt;
    struct user u;

    if (login.n == 0 || login.n > ENTRY_LOGIN_MAX)
        return false;
    given = seek(t, login, true);
    deflt = seek(t, login, false);
    if (deflt != 0) {
        usertable_entry(t, deflt / 4, &u);
        if (u.login != NULL || !is_login_of(&u, login))
            deflt = 0;
    }
    if (given == 0 || (deflt != 0 && deflt < given))
        given = deflt;
    if (given != 0)
        usertable_entry(t, given / 4, user);
    return given != 0;
}

bool usertable_may_send(const struct usertable *t, struct span login, const struct address *from,
                        struct span host)
{
    char plain[ADDRESS_LOCAL_MAX];
    struct user u;

    if (host.n == 0 || !span_eq_nocase(address_domain(from), host))
        return false;
    return usertable_find(t, address_local_text(from, plain), &u) && is_login_of(&u, login);
}

static bool begins(struct span key, struct span prefix)
{
    return key.n >= prefix.n && span_eq((struct span){key.p, prefix.n}, prefix);
}

/* Looks at all entries in turn: with a million that is some milliseconds, and needs no second
 * index. */
size_t usertable_complete(const struct usertable *t, struct span prefix, struct user *out,
                          size_t max)
{
    struct buf key = {0};
    char id[USERID_MAX];
    size_t found = 0;

    if (utf8_fold(prefix, &key))
        for (size_t i = 0; i < t->count && found < max; i++)
            if (begins(key_of(t, refer(i, KIND_USERID), id), BUF_SPAN(&key)) ||
                begins(key_of(t, refer(i, KIND_NAME), id), BUF_SPAN(&key)))
                usertable_entry(t, i, &out[found++]);
    buf_free(&key);
    return found;
}

static bool has_name(struct span full, struct span name)
{
    struct span rest = full, word;

    if (full.n < name.n)
        return false;
    if (full.n == name.n)
        return span_eq_nocase(full, name);
    while (span_cut(&rest, ' ', &word))
        if (word.n == name.n && span_eq_nocase(word, name))
            return true;
    return false;
}

size_t usertable_named(const struct usertable *t, struct span name, struct user *out, size_t max)
{
    size_t found = 0;

    for (size_t i = 0; name.n > 0 && i < t->count && found < max; i++)
        if (t->entry[i].full != 0 && has_name(span_of(t->arena.data + t->entry[i].full), name))
            usertable_entry(t, i, &out[found++]);
    return found;
}

bool user_address(const struct user *u, struct span host, struct address *out)
{
    struct buf text = {0};
    bool good = buf_adds(&text, u->name) && buf_addc(&text, '@') && buf_addspan(&text, host) &&
                address_parse(BUF_SPAN(&text), ADDRESS_BARE_OK | ADDRESS_UTF8_OK, out, NULL) ==
                    ADDRESS_GOOD;

    buf_free(&text);
    return good;
}
