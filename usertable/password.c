/* See password.h. */
#include "usertable/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base64.h"

#define MECHANISM "SCRAM-SHA-256"
#define NOBODY "-"

struct entry {
    char userid[USERID_MAX + 1];
    size_t line;
    struct scram_secret secret;
};

struct passwords {
    struct entry *entry; /* by user ID; without that of nobody */
    size_t count, cap;
    struct entry nobody; /* userid "" until it is found */
};

/* Lines. */

struct cursor {
    struct span line, rest;
    size_t number;
    struct diag *d;
};

static bool wrong(const struct cursor *c, const char *what)
{
    return diag_set(c->d, c->number, (size_t)(c->rest.p - c->line.p) + 1, "%s", what);
}

bool password_userid(struct span text, char out[USERID_MAX + 1])
{
    if (text.n == 0 || text.n > USERID_MAX)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '@' || c == '#' || c == '$'))
            return false;
        out[i] = c;
    }
    out[text.n] = '\0';
    return true;
}

/* The octets up to one of `ends`, which is passed over. */
static bool take_until(struct cursor *c, char end, struct span *part)
{
    size_t n = span_find(c->rest, end);

    if (n == c->rest.n)
        return false;
    *part = (struct span){c->rest.p, n};
    c->rest = span_from(c->rest, n + 1);
    return true;
}

static bool take_octets(struct cursor *c, struct span text, unsigned char *to, size_t least,
                        size_t most, size_t *n, const char *what)
{
    struct buf octets = {0};

    bool good = base64_decode(text, &octets) && octets.len >= least && octets.len <= most;
    if (good) {
        memcpy(to, octets.data, octets.len);
        *n = octets.len;
    } else {
        c->rest = text;
    }
    bool failed = octets.failed;
    buf_wipe(&octets);
    return good || (failed ? diag_memory(c->d) : wrong(c, what));
}

static bool take_secret(struct cursor *c, struct scram_secret *s)
{
    struct span mechanism, iterations, salt, stored, server;
    uint64_t number;
    size_t n;

    struct span all = c->rest;
    if (!take_until(c, '$', &mechanism) || !take_until(c, ':', &iterations) ||
        !take_until(c, '$', &salt) || !take_until(c, ':', &stored)) {
        c->rest = all;
        return wrong(c, "write " MECHANISM "$iterations:salt$StoredKey:ServerKey, or set the "
                        "password by usertable password");
    }
    server = c->rest;
    c->rest = mechanism;
    if (!span_eq_nocase(mechanism, SPAN(MECHANISM)))
        return wrong(c, "the mechanism must be " MECHANISM);
    c->rest = iterations;
    if (!span_number(iterations, SCRAM_ITERATIONS_MAX, &number) || number < SCRAM_ITERATIONS_MIN)
        return wrong(c, "iterations are a number from 4096 to 1000000");
    s->iterations = (unsigned)number;
    return take_octets(c, salt, s->salt, 8, SCRAM_SALT_MAX, &s->salt_octets,
                       "the salt must be base64 of 8 to 64 octets") &&
           take_octets(c, stored, s->stored, SCRAM_KEY, SCRAM_KEY, &n,
                       "StoredKey must be base64 of 32 octets") &&
           take_octets(c, server, s->server, SCRAM_KEY, SCRAM_KEY, &n,
                       "ServerKey must be base64 of 32 octets");
}

static struct span trim(struct span s)
{
    s = span_trim(s);
    while (s.n > 0 && s.p[s.n - 1] == '\r')
        s = span_trim_end((struct span){s.p, s.n - 1});
    return s;
}

static bool is_comment(struct span line)
{
    return line.n == 0 || line.p[0] == '*';
}

/* The first word; the cursor is left at the second. */
static struct span take_word(struct cursor *c)
{
    size_t n = 0;

    while (n < c->rest.n && c->rest.p[n] != ' ' && c->rest.p[n] != '\t')
        n++;
    struct span word = {c->rest.p, n};
    c->rest = span_trim(span_from(c->rest, n));
    return word;
}

static bool take_entry(struct cursor *c, struct entry *e)
{
    struct span at = c->rest, word = take_word(c);

    *e = (struct entry){.line = c->number};
    if (span_eq(word, SPAN(NOBODY)))
        memcpy(e->userid, NOBODY, sizeof(NOBODY));
    else if (!password_userid(word, e->userid)) {
        c->rest = at;
        return wrong(c, "a user ID is 1 to 8 of A-Z 0-9 @ # $");
    }
    return take_secret(c, &e->secret);
}

static bool add(struct passwords *p, const struct cursor *c, const struct entry *e)
{
    if (e->userid[0] == NOBODY[0]) {
        if (p->nobody.line != 0)
            return diag_set(c->d, c->number, 1, "- stands twice: remove this line");
        p->nobody = *e;
        return true;
    }
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        struct entry *grown = reallocarray(p->entry, cap, sizeof(*grown));
        if (grown == NULL)
            return diag_memory(c->d);
        p->entry = grown;
        p->cap = cap;
    }
    p->entry[p->count++] = *e;
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->userid, y->userid);

    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static bool check_whole(struct passwords *p, struct diag *d)
{
    if (p->nobody.line == 0)
        return diag_set(d, 0, 0,
                        "there is no entry - for those who have none: set a password by usertable "
                        "password, which adds it");
    if (p->count > 0)
        qsort(p->entry, p->count, sizeof(*p->entry), compare);
    for (size_t i = 1; i < p->count; i++)
        if (strcmp(p->entry[i - 1].userid, p->entry[i].userid) == 0)
            return diag_set(d, p->entry[i].line, 1, "%s stands in line %zu already: remove one",
                            p->entry[i].userid, p->entry[i - 1].line);
    return true;
}

static bool take_line(struct passwords *p, struct cursor *c)
{
    struct entry e;

    c->rest = trim(c->line);
    if (is_comment(c->rest))
        return true;
    if (c->line.n > PASSWORD_LINE_MAX)
        return diag_set(c->d, c->number, PASSWORD_LINE_MAX + 1,
                        "the line has %zu octets, %d at most: is a line end missing?", c->line.n,
                        PASSWORD_LINE_MAX);
    bool good = take_entry(c, &e) && add(p, c, &e);
    explicit_bzero(&e, sizeof(e));
    return good;
}

struct passwords *passwords_parse(struct span text, struct diag *d)
{
    struct passwords *p = calloc(1, sizeof(*p));
    struct cursor c = {.d = d};

    *d = (struct diag){0};
    if (p == NULL) {
        diag_memory(d);
        return NULL;
    }
    bool good = true;
    while (good && span_line(&text, &c.line)) {
        c.number++;
        good = take_line(p, &c);
    }
    if (good && check_whole(p, d))
        return p;
    passwords_free(p);
    return NULL;
}

/* Files. */

static bool read_all(int fd, struct buf *text, struct diag *d)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return diag_set(d, 0, 0, "is not a plain file");
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return diag_set(d, 0, 0, "may be read or written by others than its owner: chmod 600 it");
    if (st.st_size > PASSWORDS_OCTETS_MAX)
        return diag_set(d, 0, 0, "is larger than 256 MiB");
    for (;;) {
        if (text->cap - text->len < 4096 &&
            (text->len > PASSWORDS_OCTETS_MAX || !buf_reserve(text, (size_t)st.st_size + 8192)))
            return diag_memory(d);
        ssize_t n = read(fd, text->data + text->len, text->cap - text->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return diag_set(d, 0, 0, "cannot be read: %s", strerror(errno));
        if (n == 0)
            return true;
        text->len += (size_t)n;
    }
}

struct passwords *passwords_load(const char *path, struct diag *d)
{
    struct buf text = {0};
    struct passwords *p = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    *d = (struct diag){0};
    if (fd < 0) {
        diag_set(d, 0, 0, "cannot be opened: %s%s", strerror(errno),
                 errno == ENOENT ? "; usertable password makes it" : "");
        return NULL;
    }
    if (read_all(fd, &text, d))
        p = passwords_parse(BUF_SPAN(&text), d);
    close(fd);
    buf_wipe(&text);
    return p;
}

void passwords_free(struct passwords *p)
{
    if (p == NULL)
        return;
    if (p->entry != NULL)
        explicit_bzero(p->entry, p->cap * sizeof(*p->entry));
    free(p->entry);
    explicit_bzero(p, sizeof(*p));
    free(p);
}

size_t passwords_count(const struct passwords *p)
{
    return p->count;
}

const char *passwords_userid(const struct passwords *p, size_t i)
{
    return p->entry[i].userid;
}

static int compare_userid(const void *key, const void *entry)
{
    return strcmp(key, ((const struct entry *)entry)->userid);
}

bool passwords_find(const struct passwords *p, const char *userid, struct span name,
                    struct scram_secret *s)
{
    const struct scram_secret *nobody = &p->nobody.secret;
    unsigned char salt[SCRAM_KEY] = {0};
    const struct entry *e =
        p->count == 0 ? NULL
                      : bsearch(userid, p->entry, p->count, sizeof(*p->entry), compare_userid);

    /* Made for everybody, so that the time tells nothing either. */
    scram_hmac((struct span){(const char *)nobody->salt, nobody->salt_octets}, name, salt);
    *s = e != NULL ? e->secret : *nobody;
    if (e != NULL)
        return true;
    memcpy(s->salt, salt, SCRAM_SALT);
    s->salt_octets = SCRAM_SALT;
    return false;
}

/* Writing. */

static void put_octets(struct buf *out, char before, const unsigned char *octets, size_t n)
{
    buf_addc(out, before);
    base64_encode((struct span){(const char *)octets, n}, out);
}

static void put_entry(struct buf *out, const char *userid, const struct scram_secret *s)
{
    buf_printf(out, "%-*s  " MECHANISM "$%u", USERID_MAX, userid, s->iterations);
    put_octets(out, ':', s->salt, s->salt_octets);
    put_octets(out, '$', s->stored, SCRAM_KEY);
    put_octets(out, ':', s->server, SCRAM_KEY);
    buf_addc(out, '\n');
}

static bool put_nobody(struct buf *out)
{
    struct scram_secret s = {.iterations = SCRAM_ITERATIONS, .salt_octets = SCRAM_KEY};

    if (getrandom(s.salt, SCRAM_KEY, 0) != SCRAM_KEY ||
        getrandom(s.stored, SCRAM_KEY, 0) != SCRAM_KEY ||
        getrandom(s.server, SCRAM_KEY, 0) != SCRAM_KEY)
        return false;
    put_entry(out, NOBODY, &s);
    return true;
}

/* Whose line is it? "": a comment. */
static void whose(struct span line, char userid[USERID_MAX + 1])
{
    struct cursor c = {.line = line, .rest = trim(line)};

    userid[0] = '\0';
    if (is_comment(c.rest))
        return;
    struct span word = take_word(&c);
    if (span_eq(word, SPAN(NOBODY)))
        memcpy(userid, NOBODY, sizeof(NOBODY));
    else if (!password_userid(word, userid))
        userid[0] = '\0';
}

bool passwords_edit(struct span text, const char *userid, const struct scram_secret *s,
                    struct buf *out)
{
    char of[USERID_MAX + 1];
    struct span line;
    bool nobody = false, put = false, good = true;

    if (text.n == 0)
        buf_adds(out, "* Passwords of those who log in; made by usertable(1).\n");
    while (span_line(&text, &line)) {
        whose(line, of);
        nobody = nobody || strcmp(of, NOBODY) == 0;
        if (strcmp(of, userid) != 0) {
            buf_addspan(out, line);
            buf_addc(out, '\n');
        } else if (s != NULL && !put) {
            put_entry(out, userid, s);
            put = true;
        }
    }
    if (!nobody)
        good = put_nobody(out);
    if (s != NULL && !put)
        put_entry(out, userid, s);
    return good && !out->failed;
}
