/* See compose.h. */
#include "sndmsg/compose.h"

#include <errno.h>
#include <string.h>

#include <gmime/gmime.h>

#include "lib/charset.h"
#include "lib/header.h"

enum { LINE_MAX_OCTETS = 998, PIECE = 65536 };

/* What the text asks of its encoding. */
struct facts {
    bool eight_bit;
    bool unfit; /* a line too long, or a CR inside one */
};

static bool look_at_text(const struct scratch *text, struct facts *f)
{
    char piece[PIECE];
    uint64_t at = 0, line = 0;
    ssize_t n;

    *f = (struct facts){0};
    while ((n = scratch_read(text, at, piece, sizeof(piece))) > 0) {
        struct span rest = {piece, (size_t)n};
        f->eight_bit = f->eight_bit || !utf8_is_ascii(rest);
        f->unfit = f->unfit || memchr(piece, '\r', rest.n) != NULL;
        for (size_t end; rest.n > 0; rest = span_from(rest, end + 1)) {
            end = span_find(rest, '\n');
            line += end;
            f->unfit = f->unfit || line > LINE_MAX_OCTETS;
            if (end < rest.n)
                line = 0;
        }
        at += (uint64_t)n;
    }
    return n == 0;
}

/* ---- header */

static InternetAddress *mailbox(const char *name, const struct address *a)
{
    InternetAddress *made = internet_address_mailbox_new(name, a->text);

    internet_address_set_charset(made, "utf-8");
    return made;
}

static void add_field(struct buf *head, const char *name, InternetAddressList *list)
{
    GString *text = g_string_new(name);

    internet_address_list_encode(list, NULL, text);
    buf_add(head, text->str, text->len);
    if (text->len == 0 || text->str[text->len - 1] != '\n')
        buf_addc(head, '\n');
    g_string_free(text, TRUE);
}

static void add_recipients(struct buf *head, const char *name, const struct recipients *r,
                           enum recipient_field field)
{
    InternetAddressList *list = internet_address_list_new();

    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].field == field) {
            InternetAddress *one = mailbox(r->list[i].name, &r->list[i].address);
            internet_address_list_add(list, one);
            g_object_unref(one);
        }
    if (internet_address_list_length(list) > 0)
        add_field(head, name, list);
    g_object_unref(list);
}

static void add_from(struct buf *head, const struct compose_params *p)
{
    InternetAddressList *list = internet_address_list_new();
    InternetAddress *from = mailbox(p->full, p->from);

    internet_address_list_add(list, from);
    g_object_unref(from);
    add_field(head, "From: ", list);
    g_object_unref(list);
}

static void add_subject(struct buf *head, struct span subject)
{
    static const char name[] = "Subject: ";
    struct buf text = {0};

    buf_addspan(&text, subject);
    char *encoded = g_mime_utils_header_encode_text(NULL, buf_str(&text), "utf-8");
    buf_adds(head, name);
    header_fold(head, span_of(encoded), sizeof(name) - 1);
    head->failed |= text.failed;
    g_free(encoded);
    buf_free(&text);
}

/* The Received line comes first, so that nothing of the user's can pose as the envelope. */
static bool add_header(struct buf *head, const struct compose_params *p)
{
    buf_printf(head, "Received: by %s (SNDMSG, user %s)\n\tid %s; ", p->host, p->login, p->id);
    header_date(head, p->wall, p->offset);
    buf_adds(head, "\nDate: ");
    header_date(head, p->wall, p->offset);
    buf_addc(head, '\n');
    add_from(head, p);
    if (recipients_in(p->recipients, RECIPIENT_TO) > 0)
        add_recipients(head, "To: ", p->recipients, RECIPIENT_TO);
    else
        buf_adds(head, "To: undisclosed-recipients:;\n");
    add_recipients(head, "Cc: ", p->recipients, RECIPIENT_CC);
    add_recipients(head, "Reply-To: ", p->recipients, RECIPIENT_REPLY_TO);
    add_subject(head, p->subject);
    buf_printf(head, "Message-ID: <%s@%s>\n", p->id, p->host);
    return !head->failed;
}

/* ---- body */

static GMimeObject *part(const char *type, const struct scratch *file, uint64_t start, uint64_t end,
                         GMimeContentEncoding encoding)
{
    GMimeObject *made = g_mime_object_new_type(NULL, "application", "octet-stream");
    GMimeContentType *content = g_mime_content_type_parse(NULL, type);
    GMimeStream *stream = g_mime_stream_fs_new_with_bounds(file->fd, (gint64)start, (gint64)end);
    GMimeDataWrapper *octets =
        g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);

    g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
    g_mime_object_set_content_type(made, content);
    g_mime_part_set_content(GMIME_PART(made), octets);
    g_mime_part_set_content_encoding(GMIME_PART(made), encoding);
    g_object_unref(content);
    g_object_unref(octets);
    g_object_unref(stream);
    return made;
}

static GMimeObject *text_part(const struct letter *l, const struct facts *f)
{
    GMimeObject *text = part("text/plain", &l->text, 0, l->text.size,
                             f->unfit       ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
                             : f->eight_bit ? GMIME_CONTENT_ENCODING_8BIT
                                            : GMIME_CONTENT_ENCODING_7BIT);

    g_mime_object_set_content_type_parameter(text, "charset", f->eight_bit ? "UTF-8" : "US-ASCII");
    return text;
}

/* RFC 2231 names in UTF-8: left to itself GMime takes the smallest charset that will do. */
static void name_part(GMimeObject *file, const char *name)
{
    g_mime_part_set_filename(GMIME_PART(file), name);
    GMimeParamList *lists[] = {
        g_mime_content_type_get_parameters(g_mime_object_get_content_type(file)),
        g_mime_content_disposition_get_parameters(g_mime_object_get_content_disposition(file)),
    };
    static const char *const names[] = {"name", "filename"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        GMimeParam *param = g_mime_param_list_get_parameter(lists[i], names[i]);
        if (param != NULL)
            g_mime_param_set_charset(param, "utf-8");
    }
}

static GMimeObject *attached_part(const struct letter *l, const struct attachment *a)
{
    GMimeObject *file = part(a->type, &l->files, a->start, a->end, GMIME_CONTENT_ENCODING_BASE64);

    if (strncmp(a->type, "text/", 5) == 0)
        g_mime_object_set_content_type_parameter(file, "charset",
                                                 a->text == MIMETYPE_UTF8 ? "UTF-8" : "US-ASCII");
    g_mime_object_set_disposition(file, GMIME_DISPOSITION_ATTACHMENT);
    name_part(file, a->name);
    return file;
}

static GMimeObject *whole_body(const struct letter *l, const struct facts *f)
{
    if (l->attachments == 0)
        return text_part(l, f);
    GMimeMultipart *all = g_mime_multipart_new_with_subtype("mixed");
    GMimeObject *one = text_part(l, f);
    g_mime_multipart_add(all, one);
    g_object_unref(one);
    for (size_t i = 0; i < l->attachments; i++) {
        one = attached_part(l, &l->attachment[i]);
        g_mime_multipart_add(all, one);
        g_object_unref(one);
    }
    return GMIME_OBJECT(all);
}

/* Writes the body with its own header fields to a temporary file. */
static bool encode(const struct letter *l, const struct facts *f, struct scratch *to)
{
    if (scratch_open(to) < 0)
        return false;
    GMimeObject *body = whole_body(l, f);
    GMimeStream *stream = g_mime_stream_fs_new(to->fd);
    g_mime_stream_fs_set_owner(GMIME_STREAM_FS(stream), FALSE);
    errno = 0;
    bool good =
        g_mime_object_write_to_stream(body, NULL, stream) >= 0 && g_mime_stream_flush(stream) == 0;
    int saved = errno != 0 ? errno : EIO;
    gint64 end = g_mime_stream_tell(stream);
    to->size = end > 0 ? (uint64_t)end : 0;
    g_object_unref(stream);
    g_object_unref(body);
    errno = saved;
    return good;
}

bool compose(const struct compose_params *p, struct composed *out)
{
    struct facts f;
    bool good;

    *out = (struct composed){.encoded = SCRATCH_CLOSED};
    if (!look_at_text(&p->letter->text, &f))
        return false;
    g_mime_init();
    good = add_header(&out->head, p);
    if (!good)
        errno = ENOMEM;
    out->body = &p->letter->text;
    if (good && (f.eight_bit || f.unfit || p->letter->attachments > 0))
        buf_adds(&out->head, "MIME-Version: 1.0\n");
    if (good && (f.unfit || p->letter->attachments > 0)) {
        good = encode(p->letter, &f, &out->encoded);
        out->body = &out->encoded;
    } else if (f.eight_bit) {
        buf_adds(&out->head,
                 "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n");
    } else {
        buf_addc(&out->head, '\n');
    }
    return good && !out->head.failed;
}

uint64_t composed_octets(const struct composed *c)
{
    return c->head.len + c->body->size;
}

void composed_free(struct composed *c)
{
    buf_free(&c->head);
    scratch_close(&c->encoded);
}
