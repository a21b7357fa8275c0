/* See attach.h. */
#include "sndmsg/attach.h"

#include <errno.h>
#include <string.h>

#include "sndmsg/cleartext.h"

enum { HEAD = 64, UTF8_LONGEST = 4 };

/* What is known of a file's octets while they are copied. */
struct copy {
    struct letter *letter;
    struct source source;
    uint64_t start; /* in the file of attachments */
    char head[HEAD];
    size_t head_length;
    bool binary, eight_bit;
    char cut[UTF8_LONGEST]; /* a character that the last piece broke off */
    size_t cut_length;
};

/* UTF-8 whose characters may be cut by the end of a piece. */
static void look_at_utf8(struct copy *c, struct span piece)
{
    struct buf all = {0};
    size_t bad = 0;

    buf_add(&all, c->cut, c->cut_length);
    buf_addspan(&all, piece);
    c->cut_length = 0;
    if (all.failed) {
        c->binary = true;
    } else if (!utf8_valid(BUF_SPAN(&all), &bad)) {
        c->binary = all.len - bad >= UTF8_LONGEST;
        if (!c->binary) {
            c->cut_length = all.len - bad;
            memcpy(c->cut, all.data + bad, c->cut_length);
        }
    }
    buf_free(&all);
}

static void look_at(struct copy *c, struct span piece)
{
    size_t room = sizeof(c->head) - c->head_length, n = piece.n < room ? piece.n : room;

    memcpy(c->head + c->head_length, piece.p, n);
    c->head_length += n;
    c->binary = c->binary || memchr(piece.p, '\0', piece.n) != NULL;
    c->eight_bit = c->eight_bit || !utf8_is_ascii(piece);
    if (!c->binary && c->eight_bit)
        look_at_utf8(c, piece);
}

static bool copy_file(struct copy *c)
{
    struct letter *l = c->letter;
    char piece[SOURCE_PIECE];
    uint64_t total = 0;
    ssize_t n;

    if (source_too_large(&c->source, letter_encoded(c->source.octets),
                         letter_room(l, c->source.rules->maxsize)))
        return false;
    while ((n = source_read(&c->source, piece)) > 0) {
        struct span octets = {piece, (size_t)n};
        total += octets.n;
        if (total > c->source.octets)
            return source_unchanged(&c->source, total);
        if (scratch_write(&l->files, octets) < 0)
            return letter_no_room(l, c->source.message);
        look_at(c, octets);
    }
    c->binary = c->binary || c->cut_length > 0;
    return n == 0 && source_unchanged(&c->source, total);
}

/* The last part of the path, as it may stand in a header. */
static void shown_name(const struct source *s, char out[LETTER_NAME_MAX + 1])
{
    const char *slash = strrchr(s->name, '/');
    struct cleartext_loss loss;
    struct buf name = {0};

    cleartext_clean(span_of(slash != NULL ? slash + 1 : s->name), &name, &loss);
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == '\t')
            name.data[i] = ' ';
    if (name.len == 0 || !span_copy(BUF_SPAN(&name), out, LETTER_NAME_MAX + 1))
        span_copy(SPAN("attachment"), out, LETTER_NAME_MAX + 1);
    buf_free(&name);
}

static bool add(struct copy *c, struct span operand)
{
    struct attachment a = {.start = c->start};
    struct cleartext_loss loss;
    struct buf what = {0};

    shown_name(&c->source, a.name);
    a.text = c->binary ? MIMETYPE_BINARY : c->eight_bit ? MIMETYPE_UTF8 : MIMETYPE_ASCII;
    a.type = mimetype_of((struct span){c->head, c->head_length}, span_of(a.name), a.text);
    buf_adds(&what, ".a=");
    cleartext_clean(operand, &what, &loss);
    bool good = letter_attached(c->letter, &a, BUF_SPAN(&what));
    buf_free(&what);
    if (!good) {
        SAY(c->source.message, T01SM074W, c->source.name,
            errno == ENFILE ? "THE MESSAGE HAS 100 ATTACHMENTS ALREADY" : strerror(errno));
        return false;
    }
    unsigned long long octets = c->source.octets;
    return buf_printf(c->source.message, "(%llu octet%s attached as %s)\n", octets,
                      octets == 1 ? "" : "s", a.type);
}

bool attach_file(struct letter *l, const struct source_rules *rules, struct span operand,
                 struct buf *message)
{
    struct copy c = {.letter = l};

    if (l->files.fd < 0 && scratch_open(&l->files) < 0)
        return letter_no_room(l, message);
    c.start = l->files.size;
    bool good =
        source_open(&c.source, rules, operand, message) && copy_file(&c) && add(&c, operand);
    source_close(&c.source);
    if (!good)
        scratch_cut(&l->files, c.start);
    return good;
}
