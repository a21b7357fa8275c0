/* See mime.h. The parts are walked with a stack of our own: their nesting is the sender's. */
#include "jobs/printer/mime.h"

#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/printer/html.h"
#include "lib/charset.h"
#include "lib/header.h"

enum { BAD_OCTETS_MAX = 1000 };

/* A multipart or a message whose parts are being shown. */
struct frame {
    GMimeObject *object; /* borrowed from the message */
    int next;            /* step: the next child */
    int chosen;          /* of an alternative: the child that is shown; -1: all are */
};

struct reader {
    struct mime_mail *mail;
    struct frame stack[MIME_DEPTH];
    int depth;
    unsigned parts;
};

void mime_free(struct mime_mail *mail)
{
    buf_free(&mail->header);
    buf_free(&mail->subject);
    buf_free(&mail->text);
}

/* Lines of anybody's text: a CR before the line end goes, the last line gets its end. */
static void add_lines(struct buf *out, struct span text)
{
    struct span line;

    while (span_line(&text, &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        buf_addspan(out, line);
        buf_addc(out, '\n');
    }
}

static void separate(struct buf *text)
{
    if (text->len > 0 && !(text->len > 1 && text->data[text->len - 2] == '\n'))
        buf_addc(text, '\n');
}

/* A line of ours within the text. */
static void begin_note(struct reader *r, const char *words)
{
    separate(&r->mail->text);
    buf_adds(&r->mail->text, "--- ");
    buf_adds(&r->mail->text, words);
}

static void note(struct reader *r, const char *words)
{
    begin_note(r, words);
    buf_addc(&r->mail->text, '\n');
}

static void as_it_stands(struct reader *r, struct span text)
{
    note(r, "Broken MIME, as it stands:");
    add_lines(&r->mail->text, text);
}

static struct span stream_octets(GMimeStream *memory)
{
    const GByteArray *array = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory));

    return (struct span){(const char *)array->data, array->len};
}

/* An object of MIME as it came, with its header. */
static void object_as_it_stands(struct reader *r, GMimeObject *object)
{
    GMimeStream *memory = g_mime_stream_mem_new();

    g_mime_object_write_to_stream(object, NULL, memory);
    as_it_stands(r, stream_octets(memory));
    g_object_unref(memory);
}

/* The octets of a part, decoded: how many there are. */
static size_t part_size(GMimeObject *object)
{
    GMimeStream *nowhere = g_mime_stream_null_new();
    GMimeDataWrapper *content =
        GMIME_IS_PART(object) ? g_mime_part_get_content(GMIME_PART(object)) : NULL;

    if (content != NULL)
        g_mime_data_wrapper_write_to_stream(content, nowhere);
    else if (!GMIME_IS_PART(object))
        g_mime_object_write_to_stream(object, NULL, nowhere);
    size_t size = GMIME_STREAM_NULL(nowhere)->written;
    g_object_unref(nowhere);
    return size;
}

/* Names a part that is not shown: type, size, name last because it is the sender's. */
static void name_part(struct reader *r, GMimeObject *object, const char *words)
{
    struct buf *text = &r->mail->text;
    char *type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(object));
    const char *name = GMIME_IS_PART(object) ? g_mime_part_get_filename(GMIME_PART(object)) : NULL;

    begin_note(r, words);
    if (type != NULL)
        utf8_safe(span_of(type), text);
    buf_printf(text, ", %zu octets", part_size(object));
    if (name != NULL) {
        buf_adds(text, ", ");
        utf8_safe(span_of(name), text);
    }
    buf_addc(text, '\n');
    g_free(type);
}

/* Decodes what can be decoded; an octet without meaning stays as it is, to be seen. */
static void decode_pieces(const struct charset *from, struct span octets, struct buf *out)
{
    size_t bad = 0;

    for (unsigned faults = 0; octets.n > 0 && !out->failed; faults++) {
        if (faults > BAD_OCTETS_MAX) {
            buf_addspan(out, octets);
            return;
        }
        if (charset_decode(from, octets, true, out, &bad))
            return;
        if (bad >= octets.n)
            bad = octets.n - 1; /* cut within a character */
        if (bad > 0 && !charset_decode(from, (struct span){octets.p, bad}, true, out, NULL))
            buf_add(out, octets.p, bad);
        buf_add(out, octets.p + bad, 1);
        octets = span_from(octets, bad + 1);
    }
}

/* Appends a text in UTF-8. Text without a charset, or said to be ASCII, stays as it stands. */
static void to_utf8(struct reader *r, struct span octets, const char *name, struct buf *out)
{
    struct charset charset = {.kind = CHARSET_UTF8};

    if (name != NULL && !charset_find(span_of(name), &charset)) {
        begin_note(r, "Charset not known here, octets as they stand: ");
        utf8_safe(span_of(name), &r->mail->text);
        buf_addc(&r->mail->text, '\n');
        charset.kind = CHARSET_UTF8;
    }
    if (charset.kind == CHARSET_UTF8 || strcmp(charset.name, "US-ASCII") == 0)
        buf_addspan(out, octets);
    else
        decode_pieces(&charset, octets, out);
}

/* Every octet is of the alphabet of base64, and no group of four is cut short: what follows such
 * faults would be lost. */
static bool is_base64(struct span text)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (g_ascii_isspace(c))
            continue;
        if (!g_ascii_isalnum(c) && c != '+' && c != '/' && c != '=')
            return false;
        digits++;
    }
    return digits % 4 == 0;
}

/* The content of a part as it came. */
static GMimeStream *encoded_content(GMimeDataWrapper *content)
{
    GMimeStream *memory = g_mime_stream_mem_new(), *raw = g_mime_data_wrapper_get_stream(content);

    if (raw != NULL) {
        g_mime_stream_reset(raw);
        g_mime_stream_write_to_stream(raw, memory);
    }
    return memory;
}

static bool broken_base64(struct reader *r, GMimePart *part, GMimeDataWrapper *content)
{
    if (g_mime_part_get_content_encoding(part) != GMIME_CONTENT_ENCODING_BASE64)
        return false;
    GMimeStream *raw = encoded_content(content);
    bool broken = !is_base64(stream_octets(raw));
    if (broken)
        as_it_stands(r, stream_octets(raw));
    g_object_unref(raw);
    return broken;
}

static void show_plain(struct reader *r, struct span text)
{
    separate(&r->mail->text);
    add_lines(&r->mail->text, text);
}

static void show_html(struct reader *r, struct span text)
{
    struct buf plain = {0};

    note(r, "HTML, shown as text:");
    if (!html_text(text, &plain))
        r->mail->text.failed = true;
    add_lines(&r->mail->text, BUF_SPAN(&plain));
    buf_free(&plain);
}

static void show_text(struct reader *r, GMimePart *part)
{
    GMimeObject *object = GMIME_OBJECT(part);
    GMimeContentType *type = g_mime_object_get_content_type(object);
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    struct buf text = {0};

    if (content == NULL || broken_base64(r, part, content))
        return;
    GMimeStream *memory = g_mime_stream_mem_new();
    g_mime_data_wrapper_write_to_stream(content, memory);
    to_utf8(r, stream_octets(memory), g_mime_content_type_get_parameter(type, "charset"), &text);
    if (text.failed)
        r->mail->text.failed = true;
    else if (g_mime_content_type_is_type(type, "text", "html"))
        show_html(r, BUF_SPAN(&text));
    else
        show_plain(r, BUF_SPAN(&text));
    buf_free(&text);
    g_object_unref(memory);
}

/* A type that is none is that of plain text (RFC 2045 5.2). */
static bool is_text(GMimeObject *object)
{
    const char *type = g_mime_object_get_header(object, "Content-Type");

    return (type != NULL && strchr(type, '/') == NULL) ||
           g_mime_content_type_is_type(g_mime_object_get_content_type(object), "text", "*");
}

static void show_leaf(struct reader *r, GMimeObject *object)
{
    if (!GMIME_IS_PART(object))
        object_as_it_stands(r, object);
    else if (is_text(object) && !g_mime_part_is_attachment(GMIME_PART(object)))
        show_text(r, GMIME_PART(object));
    else
        name_part(r, object, "Attachment: ");
}

/* The fields that are shown, in the order of the message. */
static const char *const main_fields[] = {"Date", "From", "Sender",  "Reply-To",
                                          "To",   "Cc",   "Subject", "Message-ID"};

static bool is_main_field(const char *name)
{
    for (size_t i = 0; i < sizeof(main_fields) / sizeof(main_fields[0]); i++)
        if (span_eq_nocase(span_of(name), span_of(main_fields[i])))
            return true;
    return false;
}

/* What decodes to a line end or another control is made visible: a field stays one line. */
static void add_value(const char *raw, struct buf *out)
{
    char *unfolded = g_mime_utils_header_unfold(raw);
    char *decoded = g_mime_utils_header_decode_text(NULL, unfolded);

    utf8_safe(span_trim(span_of(decoded)), out);
    g_free(decoded);
    g_free(unfolded);
}

static void add_header(GMimeObject *message, struct buf *out, struct buf *subject)
{
    GMimeHeaderList *list = g_mime_object_get_header_list(message);

    for (int i = 0; i < g_mime_header_list_get_count(list); i++) {
        GMimeHeader *field = g_mime_header_list_get_header_at(list, i);
        const char *name = g_mime_header_get_name(field);
        const char *raw = g_mime_header_get_raw_value(field);
        if (raw == NULL || !is_main_field(name))
            continue;
        utf8_safe(span_of(name), out);
        buf_adds(out, ": ");
        size_t value = out->len;
        add_value(raw, out);
        if (subject != NULL && subject->len == 0 && span_eq_nocase(span_of(name), SPAN("Subject")))
            buf_add(subject, out->data + value, out->len - value);
        buf_addc(out, '\n');
    }
}

/* Of an alternative: plain text before HTML before a multipart before the last. */
static int choose(GMimeMultipart *parts)
{
    static const struct {
        const char *type, *subtype;
    } wanted[] = {{"text", "plain"}, {"text", "html"}, {"multipart", "*"}};
    int count = g_mime_multipart_get_count(parts);

    for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++)
        for (int i = 0; i < count; i++) {
            GMimeObject *part = g_mime_multipart_get_part(parts, i);
            GMimeContentType *type = g_mime_object_get_content_type(part);
            if (g_mime_content_type_is_type(type, wanted[w].type, wanted[w].subtype))
                return i;
        }
    return count - 1;
}

/* Puts an object on the stack if it has parts, or else shows it. */
static void visit(struct reader *r, GMimeObject *object)
{
    bool multipart = GMIME_IS_MULTIPART(object), inner = GMIME_IS_MESSAGE_PART(object);

    if (++r->parts > MIME_PARTS) {
        note(r, "More parts than are shown.");
        r->depth = 0;
    } else if ((multipart && g_mime_multipart_get_count(GMIME_MULTIPART(object)) == 0) ||
               (inner && g_mime_message_part_get_message(GMIME_MESSAGE_PART(object)) == NULL)) {
        object_as_it_stands(r, object);
    } else if (!multipart && !inner) {
        show_leaf(r, object);
    } else if (r->depth == MIME_DEPTH) {
        name_part(r, object, "Nested too deeply, not shown: ");
    } else {
        GMimeContentType *type = g_mime_object_get_content_type(object);
        bool alternative =
            multipart && g_mime_content_type_is_type(type, "multipart", "alternative");
        r->stack[r->depth++] =
            (struct frame){object, 0, alternative ? choose(GMIME_MULTIPART(object)) : -1};
    }
}

/* The next child of a multipart; false when there is none. */
static bool next_of_multipart(struct reader *r, struct frame *f)
{
    GMimeMultipart *parts = GMIME_MULTIPART(f->object);
    int i = f->next++, count = g_mime_multipart_get_count(parts);

    if (f->chosen < 0) {
        if (i < count)
            visit(r, g_mime_multipart_get_part(parts, i));
        return i < count;
    }
    /* The chosen one first, then the names of the others. */
    if (i == 0)
        visit(r, g_mime_multipart_get_part(parts, f->chosen));
    else if (i <= count && i - 1 != f->chosen && ++r->parts <= MIME_PARTS)
        name_part(r, g_mime_multipart_get_part(parts, i - 1), "Also sent as: ");
    return i <= count;
}

static bool next_of_message(struct reader *r, struct frame *f)
{
    GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(f->object));
    GMimeObject *body = g_mime_message_get_mime_part(message);

    if (f->next++ > 0) {
        note(r, "End of the message.");
        return false;
    }
    note(r, "Message:");
    add_header(GMIME_OBJECT(message), &r->mail->text, NULL);
    buf_addc(&r->mail->text, '\n');
    if (body != NULL)
        visit(r, body);
    return true;
}

static void show_body(struct reader *r, GMimeObject *body)
{
    visit(r, body);
    while (r->depth > 0 && !r->mail->text.failed) {
        struct frame *f = &r->stack[r->depth - 1];
        bool more = GMIME_IS_MULTIPART(f->object) ? next_of_multipart(r, f) : next_of_message(r, f);
        if (!more && r->depth > 0)
            r->depth--;
    }
}

static GMimeMessage *parse(struct span text)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(text.p, text.n);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);

    g_object_unref(parser);
    g_object_unref(stream);
    return message;
}

/* A header that ends in an empty line or with the text, without NUL (which would hide what follows
 * it). */
static bool header_whole(struct span message)
{
    bool separator;
    struct span header = header_part(message, &separator);

    return header.n > 0 && (separator || header.n == message.n) &&
           span_find(header, '\0') == header.n;
}

bool mime_read(struct span text, struct mime_mail *out)
{
    struct reader r = {.mail = out};
    GMimeMessage *message = NULL;

    *out = (struct mime_mail){0};
    if (text.n <= MIME_MESSAGE_MAX && header_whole(text)) {
        g_mime_init();
        message = parse(text);
    }
    if (message == NULL) {
        add_lines(&out->text, text);
        return !out->text.failed;
    }
    add_header(GMIME_OBJECT(message), &out->header, &out->subject);
    if (g_mime_message_get_mime_part(message) != NULL)
        show_body(&r, g_mime_message_get_mime_part(message));
    g_object_unref(message);
    return !out->header.failed && !out->subject.failed && !out->text.failed;
}
