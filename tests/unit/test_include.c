/* Unit tests of sndmsg/include, attach, source, letter, mimetype and draft: files into a message.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sndmsg/attach.h"
#include "sndmsg/draft.h"
#include "sndmsg/include.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A folder, a catalog in it, and a letter. */
struct bench {
    char dir[64], catalog_path[80];
    struct catalog catalog;
    struct source_rules rules;
    struct letter letter;
    struct buf message;
};

static struct bench b;

static void put(const char *name, const void *octets, size_t n)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", b.dir, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, octets, n), n);
    assert_int_equal(close(fd), 0);
}

static void puts_in(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static int set_up(void **state)
{
    (void)state;
    b = (struct bench){.dir = "/tmp/test_include.XXXXXX"};
    if (mkdtemp(b.dir) == NULL || chdir(b.dir) < 0)
        return -1;
    snprintf(b.catalog_path, sizeof(b.catalog_path), "%s/catalog", b.dir);
    if (mkdir(b.catalog_path, 0755) < 0)
        return -1;
    catalog_open(&b.catalog, b.catalog_path);
    b.rules = (struct source_rules){.catalog = &b.catalog, .maxsize = 1 << 20, .home = b.dir};
    charset_find(SPAN("UTF-8"), &b.rules.charset);
    return letter_open(&b.letter) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    letter_close(&b.letter);
    catalog_close(&b.catalog);
    buf_free(&b.message);
    snprintf(command, sizeof(command), "rm -rf '%s'", b.dir);
    return chdir("/") < 0 ? -1 : system(command);
}

/* The text so far is this. */
static void expect_text(const char *want)
{
    char got[4096];
    ssize_t n = scratch_read(&b.letter.text, 0, got, sizeof(got) - 1);

    assert_true(n >= 0);
    got[n] = '\0';
    assert_string_equal(got, want);
    assert_int_equal(b.letter.text.size, strlen(want));
}

static bool include(const char *operand)
{
    buf_clear(&b.message);
    return include_text(&b.letter, &b.rules, span_of(operand), &b.message);
}

static bool attach(const char *operand)
{
    buf_clear(&b.message);
    return attach_file(&b.letter, &b.rules, span_of(operand), &b.message);
}

static void said(const char *words)
{
    if (strstr(buf_str(&b.message), words) == NULL)
        fail_msg("said '%s', not '%s'", buf_str(&b.message), words);
}

/* It is refused with those words, and the letter is as it was. */
static void refused(const char *operand, const char *words)
{
    uint64_t text = b.letter.text.size;

    if (include(operand))
        fail_msg("%s was included", operand);
    said(words);
    assert_int_equal(b.letter.text.size, text);
    assert_int_equal(buf_str(&b.message)[b.message.len - 1], '\n');
}

static void names_of_files(void **state)
{
    (void)state;
    puts_in("catalog/OTAPXYZ.MYMESSGE.TEXT", "of the catalog\n");
    assert_int_equal(mkdir("catalog/A.LIBRARY", 0755), 0);
    puts_in("catalog/A.LIBRARY/MEMBER", "of a library\n");
    puts_in("here.txt", "of the folder\n");
    puts_in("a,b", "with a comma\n");
    assert_true(include("OTAPXYZ.MYMESSGE.TEXT"));
    said("(1 line included)");
    assert_true(include("otapxyz.mymessge.text"));
    assert_true(include("A.LIBRARY(MEMBER)"));
    assert_true(include("here.txt"));
    assert_true(include("./here.txt"));
    assert_true(include("~/here.txt"));
    assert_true(include("a,b"));
    assert_true(include("./a,b,UTF-8"));
    expect_text("of the catalog\nof the catalog\nof a library\nof the folder\nof the folder\n"
                "of the folder\nwith a comma\nwith a comma\n");
    assert_int_equal(symlink("here.txt", "link"), 0);
    assert_true(include("./link")); /* a path may lead over links, a data set may not */
    assert_int_equal(symlink("OTAPXYZ.MYMESSGE.TEXT", "catalog/A.LINK"), 0);
    refused("A.LINK", "T01SM074W");
}

static void what_cannot_be_opened(void **state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
    char nul[] = "./a\0b", longest[5000];

    (void)state;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_equal(symlink("/dev/zero", "device"), 0);
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    close(fd);
    refused("./fifo", "T01SM074W UNABLE TO OPEN FILE ./fifo, REASON: IT IS A FIFO");
    refused("./folder", "IT IS A DIRECTORY");
    refused("./socket", "IT IS A SOCKET");
    refused("./device", "IT IS A DEVICE");
    refused("/dev/null", "IT IS A DEVICE");
    refused("./loop", "symbolic links");
    refused("./dangling", "No such file");
    refused("./none", "T01SM074W UNABLE TO OPEN FILE ./none, REASON: No such file or directory");
    refused("./here/none", "No such file");
    refused("A.B.C", "T01SM070W ACCESS TO INCLUDE FILE DENIED: A.B.C - UNABLE TO FIND DATA SET IN "
                     "CATALOG");
    refused("A.B(C)", "T01SM070W");
    refused("'A.B.C'", "without quotes");
    refused("no data set name", "T01SM070W");
    refused("A.B(", "T01SM070W");
    refused("A()", "T01SM070W");
    assert_int_equal(mkdir("catalog/A.LIBRARY", 0755), 0);
    refused("A.LIBRARY", "T01SM074W");
    refused("A.LIBRARY(NONE)", "T01SM070W");
    refused("./\033[2J", "./\\x1B[2J");
    buf_clear(&b.message);
    assert_false(
        include_text(&b.letter, &b.rules, (struct span){nul, sizeof(nul) - 1}, &b.message));
    said("T01SM074W");
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    buf_clear(&b.message);
    assert_false(
        include_text(&b.letter, &b.rules, (struct span){longest, sizeof(longest)}, &b.message));
    said("T01SM074W");
    catalog_close(&b.catalog);
    catalog_open(&b.catalog, NULL);
    refused("A.B.C", "there is no catalog");
}

static void what_may_not_be_read(void **state)
{
    (void)state;
    if (geteuid() == 0 && seteuid(65534) < 0)
        skip();
    refused("/etc/shadow", "T01SM071W ACCESS TO INCLUDE FILE DENIED: /etc/shadow - CODE 5");
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
}

static void text_is_made_plain(void **state)
{
    static const struct {
        const char *file, *text, *said;
    } cases[] = {
        {"", "", "(0 lines included)"},
        {"a\nb\n", "a\nb\n", "(2 lines included)"},
        {"no end", "no end\n", "(1 line included)"},
        {"dos\r\ntext\r\n", "dos\ntext\n", "(2 lines included)"},
        {"a\rb\r\r\nc\r", "a\rb\r\nc\r\n", "(2 lines included)"},
        {"\n\n", "\n\n", "(2 lines included)"},
        {"gr\xC3\xBC\xC3\x9F\n", "gr\xC3\xBC\xC3\x9F\n", "(1 line included)"},
        {" .f=x\n..f=x\n.fx=\nx.f=\n.f\n", " .f=x\n..f=x\n.fx=\nx.f=\n.f\n", "(5 lines included)"},
        {"\033[31mred\n", "\033[31mred\n", "(1 line included)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf what = {0};
        puts_in("file", cases[i].file);
        if (!include("./file"))
            fail_msg("case %zu: %s", i, buf_str(&b.message));
        expect_text(cases[i].text);
        said(cases[i].said);
        assert_true(letter_cancel(&b.letter, &what));
        assert_string_equal(buf_str(&what), ".f=./file");
        buf_free(&what);
        expect_text("");
    }
}

static void what_is_no_text(void **state)
{
    static const struct {
        const char *file;
        size_t n;
        const char *said;
    } cases[] = {
        {"ab\0c", 4, "T01SM075W FILE ./file IS NO TEXT: OCTET 3 IS NUL"},
        {"ab\xFF", 3, "T01SM076W FILE ./file IS NOT IN CODE PAGE UTF-8: LOOK AT OCTET 3"},
        {"ab\xC3", 3, "LOOK AT OCTET 3"},
        {"\xED\xA0\x80", 3, "LOOK AT OCTET 1"},
        {".f=x\n", 5, "T01SM073W RECURSION ERROR IN FILE ./file: ITS LINE 1 BEGINS WITH .F="},
        {"a\n\n.F=", 6, "ITS LINE 3 "},
        {"a\r\n.f=x", 7, "ITS LINE 2 "},
    };

    (void)state;
    letter_line(&b.letter, SPAN("before"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        put("file", cases[i].file, cases[i].n);
        refused("./file", cases[i].said);
    }
    expect_text("before\n");
}

/* Files as large as pieces, with what matters across the edge of one. */
static void what_the_edge_of_a_piece_cuts(void **state)
{
    static const struct {
        const char *tail;
        size_t cut; /* of the tail, before the edge */
        bool good;
    } cases[] = {
        {"\xE2\x82\xAC\n", 1, true}, {"\xE2\x82\xAC\n", 2, true}, {"\xF0\x9F\x98\x80\n", 3, true},
        {"\r\n", 1, true},           {"\n.f=", 2, false},         {"\n.f=", 3, false},
        {"\n.f=", 1, false},         {"\xE2\x82", 1, false},      {"\n.fx", 3, true},
    };
    static char file[SOURCE_PIECE + 16];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t start = SOURCE_PIECE - cases[i].cut, n = strlen(cases[i].tail);
        struct buf what = {0};
        memset(file, 'x', sizeof(file));
        memcpy(file + start, cases[i].tail, n);
        put("file", file, start + n);
        if (include("./file") != cases[i].good)
            fail_msg("case %zu: %s", i, buf_str(&b.message));
        if (cases[i].good) {
            bool crlf = cases[i].tail[0] == '\r', ended = cases[i].tail[n - 1] == '\n';
            assert_int_equal(b.letter.text.size, start + n - crlf + !ended);
            assert_true(letter_cancel(&b.letter, &what));
        }
        buf_free(&what);
        assert_int_equal(b.letter.text.size, 0);
    }
}

static void code_pages(void **state)
{
    (void)state;
    put("ebcdic", "\xC8\x85\x93\x93\x96\x15\xAD\xBD\x25", 9);
    assert_true(include("./ebcdic,IBM-1047"));
    expect_text("Hello\n[]\n");
    put("latin", "gr\xFC\xDF\r\n", 6);
    assert_true(include("./latin, iso-8859-1"));
    expect_text("Hello\n[]\ngr\xC3\xBC\xC3\x9F\n");
    put("wide",
        "\xFF\xFE"
        "a\0\n\0",
        6);
    assert_true(include("./wide,UTF-16"));
    refused("./latin,NO-SUCH-PAGE", "T01SM079W CODE PAGE NO-SUCH-PAGE IS NOT KNOWN");
    refused("./latin,US-ASCII", "T01SM076W");
    refused("./none,IBM-1047", "T01SM074W UNABLE TO OPEN FILE ./none,");
    put("catalog/A.B", "\xC1\x25", 2);
    assert_true(include("a.b,ibm-037"));
}

static void records_of_libraries(void **state)
{
    (void)state;
    assert_int_equal(mkdir("catalog/A.FB", 0755), 0);
    puts_in("catalog/A.FB/.dcb", "RECFM(FB) LRECL(8)\n");
    puts_in("catalog/A.FB/X", "one     two 2   .f      ");
    assert_true(include("A.FB(X)"));
    expect_text("one\ntwo 2\n.f\n");
    puts_in("catalog/A.FB/BAD", "one     tw");
    refused("A.FB(BAD)", "T01SM072W FILE ERROR");
    puts_in("catalog/A.FB/REC", "one     .f=x    ");
    refused("A.FB(REC)", "ITS LINE 2");
    assert_int_equal(mkdir("catalog/A.VBA", 0755), 0);
    puts_in("catalog/A.VBA/.dcb", "RECFM(VBA) LRECL(137)\n");
    put("catalog/A.VBA/X", "\0\x08\0\0 abc\0\x07\0\0000cd\0\x06\0\0001e\0\x04\0\0", 25);
    assert_true(include("A.VBA(X)"));
    expect_text("one\ntwo 2\n.f\nabc\n\ncd\ne\n\n");
}

static void sizes(void **state)
{
    static char file[4000];
    struct buf what = {0};

    (void)state;
    memset(file, 'x', sizeof(file));
    b.rules.maxsize = 5000;
    put("file", file, sizeof(file));
    assert_true(include("./file"));
    refused("./file", "T01SM078W FILE ./file IS TOO LARGE: MAXSIZE LEAVES 999 OCTETS");
    assert_true(letter_cancel(&b.letter, &what));
    buf_free(&what);
    /* It grows while it is decoded. */
    memset(file, 0x8F, sizeof(file)); /* a plus-minus sign: two octets of UTF-8 */
    put("file", file, sizeof(file));
    refused("./file,IBM-1047", "T01SM078W");
    put("file", file, 3800);
    assert_false(attach("./file")); /* base64 makes more of it */
    said("T01SM078W");
    put("file", file, 3000);
    assert_true(attach("./file"));
    assert_false(attach("./file"));
    assert_int_equal(b.letter.attachments, 1);
    assert_int_equal(b.letter.files.size, 3000);
}

struct grower {
    int fd, calls;
    bool stop;
};

/* Called before each piece: appends to the file, or says that the user is tired. */
static bool on_piece(void *arg)
{
    struct grower *g = arg;

    g->calls++;
    return g->stop || (g->fd >= 0 && write(g->fd, "more\n", 5) != 5);
}

static void files_that_change(void **state)
{
    struct grower g = {.fd = -1};

    (void)state;
    puts_in("file", "text\n");
    g.fd = open("file", O_WRONLY | O_APPEND);
    b.rules.stop = on_piece;
    b.rules.arg = &g;
    refused("./file", "T01SM077W FILE ./file CHANGED WHILE IT WAS READ");
    refused("./file,UTF-16", "T01SM077W");
    assert_false(attach("./file"));
    said("T01SM077W");
    assert_int_equal(b.letter.files.size, 0);
    close(g.fd);
    g = (struct grower){.fd = -1, .stop = true};
    refused("./file", "T01SM072W FILE ERROR INTERRUPTED");
    assert_false(attach("./file"));
    b.rules.stop = NULL;
    refused("/proc/self/status", "T01SM077W"); /* has no size that could be relied on */
}

static void the_last_line_is_cancelled(void **state)
{
    struct buf what = {0};

    (void)state;
    assert_false(letter_cancel(&b.letter, &what));
    assert_int_equal(errno, ENOENT);
    puts_in("file", "one\ntwo\n");
    puts_in("empty", "");
    letter_line(&b.letter, SPAN("first"));
    letter_line(&b.letter, SPAN(""));
    assert_true(include("./file"));
    assert_true(attach("./file"));
    assert_true(include("./empty"));
    letter_line(&b.letter, SPAN("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
                                "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
                                "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
                                "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
                                "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
                                "x\xC3\xA4\xC3\xA4"));
    static const char *const want[] = {NULL, ".f=./empty", ".a=./file", ".f=./file", "", "first"};
    for (size_t i = 0; i < COUNT(want); i++) {
        buf_clear(&what);
        assert_true(letter_cancel(&b.letter, &what));
        if (want[i] != NULL)
            assert_string_equal(buf_str(&what), want[i]);
        else
            assert_true(utf8_valid(BUF_SPAN(&what), NULL) && what.len > 70);
    }
    expect_text("");
    assert_int_equal(b.letter.attachments, 0);
    assert_false(letter_cancel(&b.letter, &what));
    /* A line longer than what is read at once, looking back. */
    static char line[10000];
    memset(line, 'y', sizeof(line));
    letter_line(&b.letter, SPAN("short"));
    letter_line(&b.letter, (struct span){line, sizeof(line)});
    buf_clear(&what);
    assert_true(letter_cancel(&b.letter, &what));
    assert_int_equal(what.len, LETTER_SHOWN + 3);
    expect_text("short\n");
    buf_free(&what);
}

static void attachments(void **state)
{
    static const struct {
        const char *name, *octets;
        size_t n;
        const char *type;
        enum mimetype_text text;
    } cases[] = {
        {"./a.txt", "text\n", 5, "text/plain", MIMETYPE_ASCII},
        {"./a", "gr\xC3\xBC\n", 5, "text/plain", MIMETYPE_UTF8},
        {"./a.csv", "a;b\n", 4, "text/csv", MIMETYPE_ASCII},
        {"./a.CSV", "a;\xFF\n", 4, "application/octet-stream", MIMETYPE_BINARY},
        {"./a.html", "<p>\n", 4, "text/html", MIMETYPE_ASCII},
        {"./a.txt", "a\0b", 3, "application/octet-stream", MIMETYPE_BINARY},
        {"./a", "%PDF-1.7\n", 9, "application/pdf", MIMETYPE_ASCII},
        {"./a.txt", "\x89PNG\r\n\x1A\n\0", 9, "image/png", MIMETYPE_BINARY},
        {"./a.docx", "PK\3\4\0", 5,
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
         MIMETYPE_BINARY},
        {"./a.zip", "PK\3\4\0", 5, "application/zip", MIMETYPE_BINARY},
        {"./.csv", "a\n", 2, "text/plain", MIMETYPE_ASCII},
        {"./empty", "", 0, "text/plain", MIMETYPE_ASCII},
        {"./cut", "a\xC3", 2, "application/octet-stream", MIMETYPE_BINARY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[16];
        put(cases[i].name, cases[i].octets, cases[i].n);
        if (!attach(cases[i].name))
            fail_msg("case %zu: %s", i, buf_str(&b.message));
        const struct attachment *a = &b.letter.attachment[i];
        if (strcmp(a->type, cases[i].type) != 0 || a->text != cases[i].text)
            fail_msg("case %zu: %s %d", i, a->type, a->text);
        assert_string_equal(a->name, cases[i].name + 2);
        assert_int_equal(a->end - a->start, cases[i].n);
        if (cases[i].n > 0) {
            assert_int_equal(scratch_read(&b.letter.files, a->start, got, cases[i].n), cases[i].n);
            assert_memory_equal(got, cases[i].octets, cases[i].n);
        }
    }
    expect_text("");
    puts_in("bad\033\xFFname", "x");
    assert_true(attach("./bad\033\xFFname"));
    assert_string_equal(b.letter.attachment[b.letter.attachments - 1].name, "bad\xEF\xBF\xBDname");
    while (b.letter.attachments < LETTER_ATTACHMENTS_MAX)
        assert_true(attach("./a.txt"));
    assert_false(attach("./a.txt"));
    said("100 ATTACHMENTS");
    assert_false(attach("/dev/zero"));
    said("IT IS A DEVICE");
    assert_false(attach(b.dir));
}

static void streams(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], ".f=/etc/passwd\n\\x\n\ntext", 23), 23);
    close(fds[1]);
    assert_true(include_stream(&b.letter, &b.rules, fds[0], "standard input", &b.message));
    close(fds[0]);
    expect_text(".f=/etc/passwd\n\\x\n\ntext\n");
    assert_int_equal(b.message.len, 0);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "a\0b", 3), 3);
    close(fds[1]);
    assert_false(include_stream(&b.letter, &b.rules, fds[0], "standard input", &b.message));
    close(fds[0]);
    said("T01SM075W FILE standard input");
    buf_clear(&b.message);
    assert_false(include_stream(&b.letter, &b.rules, fds[0], "standard input", &b.message));
    said("T01SM072W FILE ERROR Bad file descriptor");
}

/* ---- the draft */

static void expect_draft(struct draft *d, const char *want)
{
    struct buf line = {0}, all = {0};
    bool pasted;

    while (draft_next(d, &line, &pasted)) {
        buf_adds(&all, pasted ? "+" : " ");
        buf_addspan(&all, BUF_SPAN(&line));
        buf_adds(&all, "|");
    }
    assert_string_equal(buf_str(&all), want);
    buf_free(&line);
    buf_free(&all);
}

static void a_draft_survives_its_session(void **state)
{
    struct draft d, second;
    struct stat st;

    (void)state;
    assert_true(draft_folder(&d, NULL, b.dir));
    assert_false(draft_find(&d));
    assert_true(draft_begin(&d));
    assert_true(draft_add(&d, SPAN("a@b.example"), false));
    assert_true(draft_add(&d, SPAN(""), true));
    assert_true(draft_add(&d, SPAN("+text"), false));
    assert_int_equal(stat(".local/state/spoolmail/draft", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(".local/state/spoolmail", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    /* A second session neither sees nor disturbs it. */
    assert_true(draft_folder(&second, "", b.dir));
    assert_false(draft_find(&second));
    assert_true(draft_begin(&second));
    assert_true(draft_add(&second, SPAN("two"), false));
    assert_true(draft_leave(&second));
    draft_close(&second);
    draft_close(&d); /* as a crash would */

    assert_true(draft_folder(&d, NULL, b.dir));
    assert_true(draft_find(&d));
    expect_draft(&d, " a@b.example|+| +text|");
    assert_true(draft_add(&d, SPAN("more"), false));
    draft_close(&d);
    assert_true(draft_folder(&d, NULL, b.dir));
    assert_true(draft_find(&d));
    expect_draft(&d, " a@b.example|+| +text| more|");
    draft_drop(&d);
    assert_true(draft_find(&d));
    expect_draft(&d, " two|");
    draft_drop(&d);
    assert_false(draft_find(&d));
    assert_true(draft_begin(&d));
    assert_false(draft_leave(&d)); /* nothing in it: nothing stays */
    draft_close(&d);
    assert_int_equal(rmdir(".local/state/spoolmail"), 0);
}

static void a_draft_is_never_read_from_what_is_none(void **state)
{
    struct draft d;

    (void)state;
    assert_int_equal(mkdir("state", 0700), 0);
    assert_int_equal(mkdir("state/spoolmail", 0700), 0);
    assert_int_equal(symlink("/etc/passwd", "state/spoolmail/draft"), 0);
    assert_int_equal(mkfifo("state/spoolmail/draft.1", 0600), 0);
    assert_int_equal(mkdir("state/spoolmail/draft.2", 0700), 0);
    puts_in("state/spoolmail/draft.3", " one\nhalf a li");
    char path[128];
    snprintf(path, sizeof(path), "%s/state", b.dir);
    assert_true(draft_folder(&d, path, NULL));
    assert_true(draft_find(&d));
    assert_string_equal(d.name, "draft.3");
    expect_draft(&d, " one|");
    assert_true(draft_add(&d, SPAN("two"), false)); /* not behind the half line */
    draft_close(&d);
    assert_true(draft_folder(&d, path, NULL));
    assert_true(draft_find(&d));
    expect_draft(&d, " one| two|");
    assert_true(draft_begin(&d)); /* not wanted now: it stays, and a free place is taken */
    assert_string_equal(d.name, "draft.4");
    draft_close(&d);
    assert_false(draft_folder(&d, "relative", NULL));
    assert_int_equal(d.error, ENOENT);
    assert_false(draft_begin(&d));
    assert_false(draft_add(&d, SPAN("x"), false));
    draft_close(&d);
    assert_false(draft_folder(&d, "/proc/none", NULL));
    draft_close(&d);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names_of_files),
        TEST(what_cannot_be_opened),
        TEST(what_may_not_be_read),
        TEST(text_is_made_plain),
        TEST(what_is_no_text),
        TEST(what_the_edge_of_a_piece_cuts),
        TEST(code_pages),
        TEST(records_of_libraries),
        TEST(sizes),
        TEST(files_that_change),
        TEST(the_last_line_is_cancelled),
        TEST(attachments),
        TEST(streams),
        TEST(a_draft_survives_its_session),
        TEST(a_draft_is_never_read_from_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
