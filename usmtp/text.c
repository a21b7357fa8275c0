/* See text.h. A text that goes as it is takes one step, to the wire. One that must be encoded is
 * cut into pieces of lines; each piece goes to what takes the lines of this place of the message
 * (header, leaf, ...), which writes LF lines into `work`; and `work` goes to the wire. What is kept
 * between chunks is bounded: a piece of a line, a section of a header field, the boundaries.
 * Nothing in the text is trusted. */
#include "usmtp/text.h"

#include <stdlib.h>

#include "usmtp/content.h"
#include "usmtp/field.h"
#include "usmtp/quoted.h"
#include "usmtp/segment.h"

enum {
    FIELD_MAX = 65536, /* octets of a header field, or section of one, that is held */
    DEPTH_MAX = 16
};

/* What the header of the entity in hand said so far. */
struct entity {
    bool outermost; /* the mail itself */
    bool message;   /* has the header of a message, not of a part only */
    bool digest;    /* without Content-Type it holds a message */
    bool has_field, has_version, has_type, has_encoding;
    bool withheld; /* its Content-Transfer-Encoding was identity, and is not written yet */
    enum content_encoding encoding;
    struct content content;
};

struct level {
    struct boundary boundary;
    bool digest;
};

struct text {
    unsigned needs;
    bool asa;
    struct effector effector;
    bool wire_cr, mid_line; /* of the wire */

    /* Takes a piece; false: it belongs to another place, which t->take now is. */
    bool (*take)(struct text *t, struct span piece, unsigned place);
    bool cr, in_line; /* of the line in hand: see segment.h; a piece of it was taken already */
    struct buf line;  /* its beginning, less than QUOTED_PIECE octets */
    struct buf work;  /* LF lines on their way to the wire */
    struct buf field; /* the header field in hand */
    bool field_open, field_dropped;
    struct field_writer writer;
    struct entity entity;
    struct level level[DEPTH_MAX];
    size_t depth;
    struct quoted quoted;
    struct quoted_pass pass;
};

static bool is_encoding(const struct text *t)
{
    return (t->needs & (TEXT_ENCODE_BODY | TEXT_ENCODE_HEADER)) != 0;
}

/* The wire. A bare CR is a blank here; nobody who asked text_needs() sends one. */

static void blank_crs(char *p, size_t n)
{
    for (char *cr; n > 0 && (cr = memchr(p, '\r', n)) != NULL;) {
        *cr++ = ' ';
        n -= (size_t)(cr - p);
        p = cr;
    }
}

static bool put_wire(struct text *t, struct span in, struct buf *out)
{
    struct span s;
    bool ends, crs;

    if (in.n == 0)
        return !out->failed;
    /* At most a dot or a CR beside each octet, and a CR that was held back. */
    if (in.n > SIZE_MAX / 4 || !buf_reserve(out, 2 * in.n + 1)) {
        out->failed = true;
        return false;
    }
    crs = t->wire_cr || memchr(in.p, '\r', in.n) != NULL;
    char *to = out->data + out->len;
    while (segment_next(&t->wire_cr, &in, &s, &ends)) {
        if (s.n > 0) {
            if (!t->mid_line && s.p[0] == '.')
                *to++ = '.';
            memcpy(to, s.p, s.n);
            if (crs)
                blank_crs(to, s.n);
            to += s.n;
            t->mid_line = true;
        }
        if (ends) {
            *to++ = '\r';
            *to++ = '\n';
            t->mid_line = false;
        }
    }
    out->len = (size_t)(to - out->data);
    return true;
}

/* Header fields. */

static void note_version(struct entity *e, struct span body, bool *keep)
{
    (void)body;
    (void)keep;
    e->has_version = true;
}

static void note_type(struct entity *e, struct span body, bool *keep)
{
    (void)keep;
    if (!e->has_type)
        content_read(&e->content, body);
    e->has_type = true;
}

/* The first one counts. Identity is written when it is known what becomes of the body. */
static void note_encoding(struct entity *e, struct span body, bool *keep)
{
    *keep = false;
    if (e->has_encoding)
        return;
    e->has_encoding = true;
    e->encoding = content_encoding(body);
    e->withheld = e->encoding == ENCODING_IDENTITY;
    *keep = !e->withheld;
}

static const struct {
    const char *name;
    void (*note)(struct entity *e, struct span body, bool *keep);
} noted[] = {
    {"MIME-Version", note_version},
    {"Content-Type", note_type},
    {"Content-Transfer-Encoding", note_encoding},
};

/* Looks at a field's first section. */
static void note_field(struct text *t)
{
    struct span field = BUF_SPAN(&t->field);
    struct span name = {field.p, span_find(field, ':')};
    bool keep = true;

    for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++)
        if (span_eq_nocase(name, span_of(noted[i].name)))
            noted[i].note(&t->entity, span_from(field, name.n + 1), &keep);
    t->field_dropped = !keep;
}

static bool take_header(struct text *t, struct span piece, unsigned place);

/* Writes the first n octets of the field in hand. */
static void write_section(struct text *t, size_t n)
{
    struct span section = {t->field.data, n};

    if (!t->field_open) {
        bool header = t->take == take_header;
        unsigned need = header && t->entity.outermost ? TEXT_ENCODE_HEADER : TEXT_ENCODE_BODY;
        t->writer = (struct field_writer){.encode = (t->needs & need) != 0};
        t->field_dropped = false;
        if (header && (t->needs & TEXT_ENCODE_BODY))
            note_field(t);
    }
    t->field_open = true;
    if (!t->field_dropped && (!t->writer.begun || span_trim(section).n > 0))
        field_write(&t->writer, section, &t->work);
}

static void close_field(struct text *t)
{
    if (t->field.len > 0)
        write_section(t, t->field.len);
    t->field.len = 0;
    t->field_open = false;
}

/* The last place to fold the field in hand: a blank with more than blanks before it; 0: nowhere. */
static size_t last_fold(struct span field)
{
    size_t at = field.n;

    while (at > 0 && !field_continues(span_from(field, at - 1)))
        at--;
    return at > 0 && span_trim((struct span){field.p, at - 1}).n > 0 ? at - 1 : 0;
}

/* The same where it must be broken: before its last character if that may be a part of one. */
static size_t last_break(struct span field)
{
    size_t at = field.n;

    while (at + 3 > field.n && ((unsigned char)field.p[at - 1] & 0xC0) == 0x80)
        at--;
    return at - ((unsigned char)field.p[at - 1] >= 0x80);
}

/* The field is too long to be held: writes what is there, but for what makes a whole word or
 * character. */
static void cut_field(struct text *t)
{
    struct span field = BUF_SPAN(&t->field);
    size_t at = last_fold(field);

    if (at > 0) {
        write_section(t, at - (field.p[at - 1] == '\n'));
    } else {
        at = last_break(field);
        write_section(t, at);
        t->writer.after_word = false;
        t->field.data[--at] = ' '; /* the next section begins with a blank */
    }
    buf_consume(&t->field, at);
}

static void add_field(struct text *t, const char *before, struct span piece)
{
    if (t->field.len + piece.n >= FIELD_MAX)
        cut_field(t);
    buf_adds(&t->field, before);
    buf_addspan(&t->field, piece);
}

/* A piece of a field; false: it begins another line, which continues none. */
static bool take_field(struct text *t, struct span piece, unsigned place)
{
    bool begins = place & QUOTED_BEGINS;

    if (begins && !(t->field.len > 0 && field_continues(piece)))
        return false;
    add_field(t, begins ? "\n" : "", piece);
    return true;
}

/* What takes the lines of a body. */

static bool take_as_is(struct text *t, struct span piece, unsigned place)
{
    buf_addspan(&t->work, piece);
    if (place & QUOTED_ENDS)
        buf_addc(&t->work, '\n');
    return true;
}

static bool take_quoted(struct text *t, struct span piece, unsigned place)
{
    quoted_encode(&t->quoted, piece, place, &t->work);
    return true;
}

static bool take_pass(struct text *t, struct span piece, unsigned place)
{
    quoted_pass(&t->pass, piece, place, &t->work);
    return true;
}

static bool take_fields(struct text *t, struct span piece, unsigned place)
{
    if (take_field(t, piece, place))
        return true;
    close_field(t);
    if (piece.n > 0)
        add_field(t, "", piece);
    else
        buf_addc(&t->work, '\n');
    return true;
}

/* The end of a header. */

static void begin_entity(struct text *t, struct entity e)
{
    t->entity = e;
    t->take = take_header;
}

static void push_level(struct text *t)
{
    t->level[t->depth++] = (struct level){t->entity.content.boundary, t->entity.content.digest};
}

/* Sets what takes the body. False: the body is a leaf that is to be encoded. */
static bool choose_taker(struct text *t)
{
    const struct entity *e = &t->entity;
    enum content_kind kind = e->has_type ? e->content.kind
                             : e->digest ? CONTENT_MESSAGE
                                         : CONTENT_LEAF;

    t->quoted = (struct quoted){0};
    t->pass = (struct quoted_pass){.quoted = false};
    if (kind == CONTENT_MULTIPART && t->depth < DEPTH_MAX) {
        push_level(t);
        t->take = take_pass;
    } else if (e->encoding != ENCODING_IDENTITY) {
        t->pass.quoted = e->encoding == ENCODING_QUOTED;
        t->take = take_pass;
    } else if (kind == CONTENT_MESSAGE) {
        begin_entity(t, (struct entity){.message = true});
    } else if (kind == CONTENT_FIELDS) {
        t->take = take_fields;
    } else {
        t->take = take_quoted;
        return false;
    }
    return true;
}

static const char *charset_of(unsigned needs)
{
    if (!(needs & TEXT_EIGHT_BIT))
        return "US-ASCII";
    return needs & TEXT_NOT_UTF8 ? "unknown-8bit" : "UTF-8";
}

/* Ends the header, but for the empty line, with the fields that it lacks. */
static void end_header(struct text *t)
{
    struct entity e;

    close_field(t);
    e = t->entity;
    if (!(t->needs & TEXT_ENCODE_BODY)) {
        t->take = take_as_is;
        return;
    }
    bool as_is = choose_taker(t);
    if (e.message && !e.has_version)
        buf_adds(&t->work, "MIME-Version: 1.0\n");
    if (e.message && !e.has_type && !as_is)
        buf_printf(&t->work, "Content-Type: text/plain; charset=%s\n", charset_of(t->needs));
    if (!as_is || e.withheld)
        buf_printf(&t->work, "Content-Transfer-Encoding: %s\n",
                   as_is ? "7bit" : "quoted-printable");
}

/* The text or the part ends within a header. */
static void cut_header(struct text *t)
{
    if (t->entity.has_field)
        end_header(t);
}

static bool take_header(struct text *t, struct span piece, unsigned place)
{
    if (take_field(t, piece, place))
        return true;
    if (field_begins(piece)) {
        close_field(t);
        add_field(t, "", piece);
        t->entity.has_field = true;
        return true;
    }
    end_header(t);
    buf_addc(&t->work, '\n');
    return piece.n == 0; /* a line that is no field is the first of the body */
}

/* Lines. */

/* The level whose delimiter the line is; t->depth when there is none. */
static size_t find_level(const struct text *t, struct span line, bool *closes)
{
    line = span_trim_end(line);
    for (size_t i = t->depth; i-- > 0;) {
        const struct boundary *b = &t->level[i].boundary;
        struct span rest = span_from(line, 2 + b->n);
        if (line.n < 2 + b->n || memcmp(line.p + 2, b->octets, b->n) != 0)
            continue;
        *closes = rest.n > 0;
        if (rest.n == 0 || span_eq(rest, SPAN("--")))
            return i;
    }
    return t->depth;
}

static bool take_delimiter(struct text *t, struct span line)
{
    bool closes = false;

    if (line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
        return false;
    size_t at = find_level(t, line, &closes);
    if (at == t->depth)
        return false;
    if (t->take == take_header)
        cut_header(t);
    close_field(t);
    buf_addspan(&t->work, line);
    buf_addc(&t->work, '\n');
    t->depth = closes ? at : at + 1;
    t->pass = (struct quoted_pass){.quoted = false};
    if (closes)
        t->take = take_pass;
    else
        begin_entity(t, (struct entity){.digest = t->level[at].digest});
    return true;
}

static void put_piece(struct text *t, struct span piece, bool ends)
{
    unsigned place = (t->in_line ? 0 : QUOTED_BEGINS) | (ends ? QUOTED_ENDS : 0);

    t->in_line = !ends;
    if (place == (QUOTED_BEGINS | QUOTED_ENDS) && t->depth > 0 && take_delimiter(t, piece))
        return;
    while (!t->take(t, piece, place))
        ;
}

/* Pieces are cut at fixed octets of a line, so that it does not matter how chunks are cut. */
static void put_segment(struct text *t, struct span s, bool ends)
{
    while (t->line.len + s.n >= QUOTED_PIECE) {
        struct span piece = {s.p, QUOTED_PIECE - t->line.len};
        s = span_from(s, piece.n);
        if (t->line.len > 0) {
            buf_addspan(&t->line, piece);
            piece = BUF_SPAN(&t->line);
            t->line.len = 0;
        }
        put_piece(t, piece, false);
    }
    if (t->line.len > 0 || !ends) {
        buf_addspan(&t->line, s);
        s = BUF_SPAN(&t->line);
    }
    if (!ends)
        return;
    t->line.len = 0;
    put_piece(t, s, true);
}

static bool has_failed(const struct text *t)
{
    return t->line.failed || t->field.failed || t->work.failed;
}

static bool put_lines(struct text *t, struct span in, struct buf *out)
{
    struct span s;
    bool ends;

    if (!is_encoding(t))
        return put_wire(t, in, out);
    while (!has_failed(t) && segment_next(&t->cr, &in, &s, &ends))
        put_segment(t, s, ends);
    return !has_failed(t);
}

static bool flush_work(struct text *t, struct buf *out)
{
    bool good = put_wire(t, BUF_SPAN(&t->work), out);

    t->work.len = 0;
    return good && !has_failed(t);
}

struct text *text_begin(bool asa, unsigned needs)
{
    struct text *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->asa = asa;
    t->needs = needs;
    if (is_encoding(t) && !buf_reserve(&t->line, QUOTED_PIECE)) {
        free(t);
        return NULL;
    }
    begin_entity(t, (struct entity){.outermost = true, .message = true});
    return t;
}

bool text_feed(struct text *t, struct span chunk, struct buf *out)
{
    struct effected next;
    bool good = true;

    if (!t->asa)
        good = put_lines(t, chunk, out);
    else
        while (good && effector_next(&t->effector, &chunk, &next))
            good = put_lines(t, next.effect, out) && put_lines(t, next.text, out);
    return good && flush_work(t, out);
}

bool text_end(struct text *t, struct buf *out)
{
    bool good = !t->asa || put_lines(t, effector_end(&t->effector), out);

    if (good && (t->in_line || t->line.len > 0))
        put_segment(t, (struct span){"", 0}, true);
    if (good && t->take == take_header)
        cut_header(t);
    close_field(t);
    return good && flush_work(t, out) && (!t->mid_line || put_wire(t, SPAN("\n"), out)) &&
           buf_adds(out, ".\r\n");
}

void text_free(struct text *t)
{
    if (t == NULL)
        return;
    buf_free(&t->line);
    buf_free(&t->work);
    buf_free(&t->field);
    free(t);
}

bool text_effectors(struct span lines, struct buf *out, bool *first)
{
    struct effector e = {.place = *first ? EFFECTOR_HEADER : EFFECTOR_BODY, .apart = true};
    struct effected next;

    while (effector_next(&e, &lines, &next)) {
        buf_addspan(out, next.effect);
        buf_addspan(out, next.text);
        if (next.ends)
            buf_addc(out, '\n');
    }
    *first = e.place == EFFECTOR_HEADER;
    return !out->failed;
}
