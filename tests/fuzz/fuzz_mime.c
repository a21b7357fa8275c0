/* A message to readable lines, and the same octets as HTML.
 *
 * Holds: the header and the subject are printable, the subject is one line; the text ends in a line
 * end; neither grows beyond what the notes of the parts can explain; HTML becomes no longer than it
 * is, with nothing of it to do to what stood before. */
#include "tests/fuzz/fuzz.h"

#include "jobs/printer/html.h"
#include "jobs/printer/mime.h"
#include "lib/charset.h"

static void check_lines(struct span text)
{
    struct buf safe = {0};

    for (struct span line; span_line(&text, &line);) {
        buf_clear(&safe);
        CHECK(utf8_safe(line, &safe));
        CHECK(span_eq(line, BUF_SPAN(&safe)));
    }
    buf_free(&safe);
}

static void check_message(struct span message)
{
    struct mime_mail m;

    CHECK(mime_read(message, &m));
    check_lines(BUF_SPAN(&m.header));
    check_lines(BUF_SPAN(&m.subject));
    CHECK(span_find(BUF_SPAN(&m.subject), '\n') == m.subject.len);
    CHECK(m.header.len == 0 || m.header.data[m.header.len - 1] == '\n');
    CHECK(m.text.len == 0 || m.text.data[m.text.len - 1] == '\n');
    CHECK(m.text.len <= 64 * message.n + 4096);
    mime_free(&m);
}

static void check_html(struct span html)
{
    struct buf out = {0};

    buf_adds(&out, "before\n");
    CHECK(html_text(html, &out));
    CHECK(span_eq((struct span){out.data, 7}, SPAN("before\n")));
    CHECK(out.len == 7 || out.data[out.len - 1] == '\n');
    CHECK(out.len <= 7 + 3 * html.n + 16);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};

    check_message(input);
    check_html(input);
    return 0;
}
