/* A file that a line `.f=` brings into a message, and the label of its library: octet 1 says how it
 * is named, octet 2 in which code page; the first line is the label (`.dcb`), the rest the file.
 *
 * Holds: what is refused leaves the message as it was, and the user is told in one line; what is
 * taken is lines of UTF-8 without NUL, none of which begins with .f=; plain text is taken octet for
 * octet but for its line ends; a stream is taken as a file is, but may hold such lines. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sndmsg/include.h"

enum { STREAM = 4, MAXSIZE = 65536 };

static const char *const names[] = {"A.LIBRARY(MEMBER)", "A.DATA.SET", "%s/A.DATA.SET",
                                    "a.library(member)"};
static const char *const pages[] = {"",          ",UTF-8",       ",IBM-1047", ",ISO-8859-1",
                                    ",US-ASCII", ",ISO-2022-JP", ",UTF-16"};

enum { PAGES = sizeof(pages) / sizeof(pages[0]) };

static char folder[200];
static struct catalog catalog = {.dir = -1};

static void remove_folder(void)
{
    static const char *const left[] = {"A.LIBRARY/.dcb", "A.LIBRARY/MEMBER", "A.DATA.SET"};

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        (void)unlinkat(catalog.dir, left[i], 0);
    (void)unlinkat(catalog.dir, "A.LIBRARY", AT_REMOVEDIR);
    (void)rmdir(folder);
}

static void make_folder(void)
{
    const char *above = getenv("TMPDIR");

    if (catalog.dir >= 0)
        return;
    snprintf(folder, sizeof(folder), "%s/include.XXXXXX", above != NULL ? above : "/tmp");
    CHECK(mkdtemp(folder) != NULL);
    catalog_open(&catalog, folder);
    CHECK(catalog.dir >= 0 && mkdirat(catalog.dir, "A.LIBRARY", 0700) == 0);
    CHECK(atexit(remove_folder) == 0);
}

static void put(const char *name, struct span text)
{
    int fd = openat(catalog.dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && (text.n == 0 || write(fd, text.p, text.n) == (ssize_t)text.n));
    close(fd);
}

static void read_text(const struct letter *l, struct buf *out)
{
    CHECK(buf_reserve(out, l->text.size + 1));
    CHECK(scratch_read(&l->text, 0, out->data, l->text.size) == (ssize_t)l->text.size);
    out->len = l->text.size;
}

static void check_lines(struct span text, bool stream)
{
    struct span line;

    CHECK(utf8_valid(text, NULL) && (text.n == 0 || text.p[text.n - 1] == '\n'));
    CHECK(text.n == 0 || memchr(text.p, '\0', text.n) == NULL);
    while (span_line(&text, &line))
        CHECK(stream || !span_starts_nocase(line, SPAN(".f=")));
}

/* CR LF as LF, and an end for the last line. */
static void check_same(struct span file, struct span text)
{
    struct buf same = {0};

    for (size_t i = 0; i < file.n; i++)
        if (file.p[i] != '\r' || i + 1 == file.n || file.p[i + 1] != '\n')
            buf_addc(&same, file.p[i]);
    if (same.len > 0 && same.data[same.len - 1] != '\n')
        buf_addc(&same, '\n');
    CHECK(span_eq(BUF_SPAN(&same), text));
    buf_free(&same);
}

static bool take(struct letter *l, unsigned how, unsigned page, struct buf *message)
{
    struct source_rules rules = {.catalog = &catalog, .maxsize = MAXSIZE};
    struct buf operand = {0};

    CHECK(charset_find(SPAN("UTF-8"), &rules.charset));
    if (how & STREAM) {
        int fd = openat(catalog.dir, "A.DATA.SET", O_RDONLY | O_CLOEXEC);
        bool good = include_stream(l, &rules, fd, "STDIN", message);
        close(fd);
        return good;
    }
    if (names[how % 4][0] == '%')
        buf_printf(&operand, "%s/A.DATA.SET", folder);
    else
        buf_adds(&operand, names[how % 4]);
    buf_adds(&operand, pages[page]);
    bool good = include_text(l, &rules, BUF_SPAN(&operand), message);
    buf_free(&operand);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span file = {(const char *)data, size}, label;
    unsigned how = take_octet(&file) % 8;
    unsigned page = take_octet(&file) % PAGES;
    struct buf message = {0}, text = {0};
    struct letter l;

    if (!span_line(&file, &label))
        return 0;
    make_folder();
    put("A.LIBRARY/.dcb", label);
    put("A.LIBRARY/MEMBER", file);
    put("A.DATA.SET", file);
    CHECK(letter_open(&l) && letter_line(&l, SPAN("before")));
    bool good = take(&l, how, page, &message);
    read_text(&l, &text);
    CHECK(span_starts_nocase(BUF_SPAN(&text), SPAN("before\n")));
    struct span taken = span_from(BUF_SPAN(&text), 7);
    CHECK(good || (taken.n == 0 && message.len > 0));
    CHECK(span_find(BUF_SPAN(&message), '\n') + 1 >= message.len);
    CHECK(utf8_valid(BUF_SPAN(&message), NULL) && no_controls(BUF_SPAN(&message), "\n"));
    if (good)
        check_lines(taken, how & STREAM);
    bool library = !(how & STREAM) && (how % 4 == 0 || how % 4 == 3);
    if (good && !library && (page <= 1 || how & STREAM))
        check_same(file, taken);
    letter_close(&l);
    buf_free(&message);
    buf_free(&text);
    return 0;
}
