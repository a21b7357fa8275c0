/* See sim_message.h. */
#include "tests/simulate/sim_message.h"

#include <string.h>

#include "tests/simulate/sim.h"

enum {
    ID_DIGITS = 8,
    FEW_LINES = 6,
    LARGE_EVERY = 100, /* one message in so many is large */
    LARGE_LINES = 1500
};
#define SUBJECT "Subject: M"

void text_add(struct text *t, const char *s, size_t n)
{
    if (t->size + n > t->cap) {
        t->cap = (t->size + n) * 2 + 512;
        t->data = sim_grow(t->data, t->cap);
    }
    memcpy(t->data + t->size, s, n);
    t->size += n;
}

void text_puts(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

static void put_number(struct text *t, uint32_t n, unsigned digits)
{
    char out[16];

    for (unsigned i = digits; i > 0; n /= 10)
        out[--i] = (char)('0' + n % 10);
    text_add(t, out, digits);
}

const char *user_domain(unsigned user)
{
    return user < USER_UNKNOWN   ? DOMAIN_RECEIVER
           : user < USER_STRANGE ? DOMAIN_STRANGER
                                 : DOMAIN_NOWHERE;
}

void text_user(struct text *t, unsigned user)
{
    text_add(t, "u", 1);
    put_number(t, user, 2);
    text_add(t, "@", 1);
    text_puts(t, user_domain(user));
}

/* A random sequence of the message's own. */
static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15U);

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    return z ^ z >> 27;
}

static const char filler[] =
    "the quick brown fox jumps over the lazy dog. "
    "..dots and <brackets> and \"quotes\", From here on; caf\xC3\xA9, na\xC3\xAFve. "
    "0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ =20 =3D -- //JOB JOB (X),'Y' /* and so on "
    "and on and on and on, until the line is full and even a little longer than that";

static void put_line(struct text *t, uint32_t id, uint32_t number, uint64_t random, bool stuffed)
{
    unsigned kind = (unsigned)(random & 15), from = (unsigned)(random >> 8 & 127);
    unsigned length = (unsigned)(random >> 16 & 63);

    if (kind == 0) {
        text_add(t, "\n", 1);
        return;
    }
    if (kind == 1)
        text_add(t, stuffed ? ".." : ".", stuffed ? 2 : 1);
    if (kind != 2) {
        put_number(t, id, ID_DIGITS);
        text_add(t, " ", 1);
        put_number(t, number, 5);
        text_add(t, " ", 1);
        text_add(t, filler + from, length);
    }
    text_add(t, kind == 2 ? "x\n" : "|\n", 2);
}

void message_body(struct text *t, uint32_t id, bool stuffed)
{
    uint64_t state = id * 0x2545F4914F6CDD1DU, r = next(&state);
    uint32_t lines = 1 + (uint32_t)(r % FEW_LINES);

    if ((r >> 32) % LARGE_EVERY == 0)
        lines = (uint32_t)(r >> 40) % LARGE_LINES;
    for (uint32_t i = 0; i < lines; i++)
        put_line(t, id, i, next(&state), stuffed);
    text_puts(t, "END ");
    put_number(t, id, ID_DIGITS);
    text_add(t, "\n", 1);
}

void message_write(struct text *t, uint32_t id)
{
    text_puts(t, SUBJECT);
    put_number(t, id, ID_DIGITS);
    text_puts(t, "\n\n");
    message_body(t, id, false);
}

/* Reading. */

struct reader {
    const char *p, *end;
};

static bool read_number(struct reader *r, unsigned digits, uint32_t *n)
{
    *n = 0;
    if (r->end - r->p < (long)digits)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        if (r->p[i] < '0' || r->p[i] > '9')
            return false;
        *n = *n * 10 + (uint32_t)(r->p[i] - '0');
    }
    r->p += digits;
    return true;
}

/* To behind the next occurrence of the words, at most so far. */
static bool seek(struct reader *r, const char *words)
{
    size_t n = strlen(words);
    const char *at = memmem(r->p, (size_t)(r->end - r->p), words, n);

    if (at != NULL)
        r->p = at + n;
    return at != NULL;
}

static bool starts(const struct reader *r, const char *words)
{
    size_t n = strlen(words);

    return (size_t)(r->end - r->p) >= n && memcmp(r->p, words, n) == 0;
}

/* Does the rest of the text hold exactly the message's body? */
static bool body_whole(struct reader r, uint32_t id)
{
    static struct text body; /* kept: this is asked for each file */

    if (!seek(&r, "\n\n"))
        return false;
    body.size = 0;
    message_body(&body, id, false);
    return (size_t)(r.end - r.p) == body.size && memcmp(r.p, body.data, body.size) == 0;
}

static struct found find_batch(struct reader r)
{
    struct found f = {.kind = FOUND_BATCH};
    static const char last[] = "\nQUIT\n";

    f.whole = r.end - r.p > (long)sizeof(last) &&
              memcmp(r.end - sizeof(last) + 1, last, sizeof(last) - 1) == 0;
    if (!seek(&r, SUBJECT) || !read_number(&r, ID_DIGITS, &f.id))
        f.kind = FOUND_JUNK;
    return f;
}

static struct found find_notice(struct reader r)
{
    static const char late[] = "Subject: Your mail could not be delivered in time\n";
    struct found f = {.kind = FOUND_NOTICE};
    struct reader all = r;
    uint32_t user;

    if (seek(&r, "The file ")) {
        /* Its own name, or one made for it that ends so. */
        f.kind = seek(&r, "F") && read_number(&r, ID_DIGITS, &f.id) ? FOUND_HELD : FOUND_JUNK;
        f.whole = seek(&r, "Reason:");
        return f;
    }
    if (seek(&all, late))
        f.kind = FOUND_LATE;
    if (!seek(&r, "Final-Recipient: rfc822; u") || !read_number(&r, 2, &user) ||
        !seek(&r, SUBJECT) || !read_number(&r, ID_DIGITS, &f.id))
        return (struct found){.kind = FOUND_JUNK};
    f.user = (uint8_t)user;
    f.whole = seek(&r, "\nEND ") && seek(&r, "\n--");
    return f;
}

struct found message_find(const char *text, size_t n)
{
    struct reader r = {text, text + n};
    struct found f = {.kind = FOUND_JOB};
    unsigned users = 0;
    uint32_t user = 0;

    if (starts(&r, "HELO "))
        return find_batch(r);
    if (starts(&r, "X-From: <>\n"))
        return find_notice(r);
    if (!starts(&r, "X-From: <" JOB_ADDRESS ">\n") || !seek(&r, "\n"))
        return (struct found){.kind = FOUND_JUNK};
    while (starts(&r, "X-To: <")) {
        r.p += strlen("X-To: <u");
        users++;
        if (r.p >= r.end || !read_number(&r, 2, &user) || !seek(&r, "\n"))
            return (struct found){.kind = FOUND_JUNK};
    }
    struct reader header = r;
    if (!seek(&r, SUBJECT) || !read_number(&r, ID_DIGITS, &f.id))
        return (struct found){.kind = FOUND_JUNK};
    f.kind = users == 0 ? FOUND_FAULTY : users == 1 ? FOUND_MAIL : FOUND_JOB;
    f.user = (uint8_t)user;
    f.whole = body_whole(header, f.id);
    return f;
}

unsigned message_recipient(const char *octets, size_t n)
{
    struct reader r = {octets, octets + (n < 512 ? n : 512)};
    uint32_t user;

    return seek(&r, "RCPT TO:<u") && read_number(&r, 2, &user) && user < USERS ? user : USERS;
}

bool message_subject(const char *octets, size_t n, uint32_t *id)
{
    struct reader r = {octets, octets + (n < 2048 ? n : 2048)};

    return seek(&r, SUBJECT) && read_number(&r, ID_DIGITS, id);
}

uint64_t found_pack(struct found f)
{
    return (uint64_t)1 << 63 | (uint64_t)f.kind << 48 | (uint64_t)f.whole << 40 |
           (uint64_t)f.user << 32 | f.id;
}

struct found found_unpack(uint64_t packed)
{
    return (struct found){.kind = (enum found_kind)(packed >> 48 & 0xFF),
                          .whole = packed >> 40 & 1,
                          .user = (uint8_t)(packed >> 32),
                          .id = (uint32_t)packed};
}
