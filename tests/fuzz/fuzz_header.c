/* Message headers, folding, dates: octets 1-12 are a time and an offset, the rest is a message.
 *
 * Holds: the fields and the line ends between them are the header, octet for octet; counting and
 * finding agree with taking; a folded body has the words and blanks of the body, no line of blanks,
 * no line too long that could have been folded, and is folded to itself; a date is the C library's.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <time.h>

#include "lib/header.h"

static void check_date(int64_t seconds, int32_t offset)
{
    struct buf out = {0};
    char want[64], zone[16];
    struct tm tm;

    if (header_date(&out, seconds, offset)) {
        time_t local = (time_t)(seconds + offset / 60 * 60);
        CHECK(offset > -86400 && offset < 86400 && gmtime_r(&local, &tm) != NULL);
        CHECK(tm.tm_year >= -1900 && tm.tm_year <= 9999 - 1900);
        int minutes = offset / 60;
        snprintf(zone, sizeof(zone), "%c%02d%02d", minutes < 0 ? '-' : '+', abs(minutes) / 60,
                 abs(minutes) % 60);
        size_t n = strftime(want, sizeof(want), "%a, %e %b ", &tm);
        snprintf(want + n, sizeof(want) - n, "%04d %02d:%02d:%02d %s", tm.tm_year + 1900,
                 tm.tm_hour, tm.tm_min, tm.tm_sec, zone);
        if (want[5] == ' ') /* strftime puts a blank before a day of one digit */
            memmove(want + 5, want + 6, strlen(want + 5));
        CHECK(strcmp(buf_str(&out), want) == 0);
    }
    buf_free(&out);
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The body as words with one blank between. */
static void squeeze(struct buf *out, struct span body)
{
    for (size_t i = 0; i < body.n; i++) {
        if (!is_white(body.p[i]))
            buf_addc(out, body.p[i]);
        else if (out->len > 0 && out->data[out->len - 1] != ' ')
            buf_addc(out, ' ');
    }
    if (out->len > 0 && out->data[out->len - 1] == ' ')
        out->len--;
}

/* Of each line of a folded body: the first may be empty, no other; a long one is one word. */
static void check_lines(struct span folded, size_t used)
{
    struct span line;

    for (bool first = true; span_line(&folded, &line); first = false, used = 0) {
        struct span words = span_trim(line);
        CHECK(span_find(line, '\r') == line.n);
        CHECK(first || (words.n > 0 && words.p > line.p));
        if (used + line.n > 78)
            for (size_t i = 0, chars = used; i < words.n; i++) {
                chars += ((unsigned char)words.p[i] & 0xC0) != 0x80;
                CHECK(!is_white(words.p[i]) || chars <= 78);
            }
    }
}

static void check_fold(struct span body, size_t used)
{
    struct buf once = {0}, twice = {0}, want = {0}, got = {0};

    CHECK(header_fold(&once, body, used));
    CHECK(once.len > 0 && once.data[once.len - 1] == '\n');
    check_lines(BUF_SPAN(&once), used);
    squeeze(&want, body);
    squeeze(&got, BUF_SPAN(&once));
    CHECK(span_eq(BUF_SPAN(&want), BUF_SPAN(&got)));
    CHECK(header_fold(&twice, BUF_SPAN(&once), used));
    CHECK(span_eq(BUF_SPAN(&once), BUF_SPAN(&twice)));
    buf_free(&once);
    buf_free(&twice);
    buf_free(&want);
    buf_free(&got);
}

/* One field, which was taken at `at`. Returns the octets with the line end. */
static size_t check_field(const char *at, const char *after, const struct field *f)
{
    size_t whole = (size_t)(after - at), parts = f->name.n + 1 + f->body.n;
    const char *end = f->body.p + f->body.n;

    CHECK(f->name.p == at && f->name.n > 0 && f->body.p == at + f->name.n + 1);
    CHECK(at[f->name.n] == ':' && header_is_field((struct span){at, f->name.n + 1}));
    CHECK(parts == whole || (parts + 1 == whole && *end == '\n') ||
          (parts + 2 == whole && end[0] == '\r' && end[1] == '\n'));
    check_fold(f->body, f->name.n + 1);
    return whole;
}

static void check_message(struct span message)
{
    struct span rest = message;
    struct field f, first = {{NULL, 0}, {NULL, 0}};
    size_t fields = 0, named = 0, octets = 0;
    bool separator;

    for (const char *at = rest.p; header_next(&rest, &f); at = rest.p) {
        octets += check_field(at, rest.p, &f);
        if (span_eq_nocase(f.name, SPAN("To")) && named++ == 0)
            first = f;
        fields++;
    }
    CHECK(octets + rest.n == message.n);
    CHECK((fields > 0) == header_is_field(message));
    CHECK(header_part(message, &separator).n == octets);
    if (separator)
        CHECK(rest.p[0] == '\n' || rest.p[0] == '\r');
    CHECK(header_count(message, "tO") == named);
    CHECK(header_find(message, "TO", &f) == (named > 0));
    if (named > 0)
        CHECK(f.body.p == first.body.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    int64_t seconds = 0;
    int32_t offset = 0;

    if (size >= 12) {
        memcpy(&seconds, data, 8);
        memcpy(&offset, data + 8, 4);
        check_date(seconds, offset);
        check_date(seconds % 400000000000, offset % 86400);
        input = span_from(input, 12);
    }
    check_message(input);
    check_fold(input, (size_t)(offset & 127));
    return 0;
}
