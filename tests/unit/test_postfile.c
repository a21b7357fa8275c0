/* Spool files as the post office opens them: envelope, header, body, identity of the copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "jobs/postoffice/postfile.h"
#include "lib/seal.h"

#define ENV "X-From: <a@b>\nX-To: <u@p>\n"

static int file_of(struct span text)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    if (text.n > 0)
        assert_int_equal(write(fd, text.p, text.n), text.n);
    return fd;
}

static enum postfile_result open_at(struct postfile *p, struct span text, const char *name,
                                    struct timespec written, char reason[320])
{
    struct stat st = {.st_mtim = written};

    return postfile_open(p, file_of(text), &st, name, reason);
}

static enum postfile_result open_text(struct postfile *p, struct span text, char reason[320])
{
    return open_at(p, text, "m", (struct timespec){1700000000, 5}, reason);
}

static void body_of(const struct postfile *p, struct buf *out)
{
    uint64_t offset = p->body_at;
    char piece[7];
    ssize_t n;

    while ((n = postfile_read(p, &offset, piece, sizeof(piece))) > 0)
        buf_add(out, piece, (size_t)n);
    assert_int_equal(n, 0);
}

static void test_parts(void **state)
{
    static const struct {
        const char *file, *header, *body;
        bool bare;
    } cases[] = {
        {ENV "A: 1\n\nx\n", "A: 1\n", "\nx\n", false},
        {ENV "A: 1\r\nB: 2\r\n\r\nx\r\n", "A: 1\r\nB: 2\r\n", "\r\nx\r\n", false},
        {ENV "A: 1\n b\n\tc\n\nx", "A: 1\n b\n\tc\n", "\nx", false},
        {ENV "A: 1", "A: 1\n", "", false},
        {ENV, "", "", false},
        {ENV "\n", "", "\n", false},
        {ENV "\r\n", "", "\r\n", false},
        {ENV "\nReturn-Path: x\n", "", "\nReturn-Path: x\n", false},
        {ENV "no field\n", "", "no field\n", true},
        {ENV " A: 1\n", "", " A: 1\n", true},
        {ENV "A: 1\nno field\n", "A: 1\n", "no field\n", false},
        {ENV "Return-Path: <x>\n", "", "", false},
        {ENV "RETURN-PATH:\n x\n y\nA: 1\nreturn-path: z\n\nb", "A: 1\n", "\nb", false},
        {ENV "Return-Path: x\nno field", "", "no field", true},
        {ENV "X-Return-Path: x\n\n", "X-Return-Path: x\n", "\n", false},
        {ENV "DATA\nX-To: z\n\nx", "X-To: z\n", "\nx", false},
        {ENV "DATA\nDATA\n", "", "DATA\n", true},
        {"x-from:a@b\nx-to:u@p  ", "", "", false},
    };
    char reason[320];
    struct postfile p;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf body = {0};
        assert_int_equal(open_text(&p, span_of(cases[i].file), reason), POSTFILE_OPEN);
        assert_string_equal(buf_str(&p.header), cases[i].header);
        body_of(&p, &body);
        assert_string_equal(buf_str(&body), cases[i].body);
        assert_int_equal(p.bare, cases[i].bare);
        assert_int_equal(p.envelope.nto, 1);
        assert_string_equal(p.envelope.from.text, "a@b");
        buf_free(&body);
        postfile_close(&p);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *file, *reason;
    } cases[] = {
        {"", "no sender"},
        {"\n", "no sender"},
        {"Subject: x\n\n", "no sender"},
        {"X-From: <a@b>\n", "no recipient"},
        {"X-From: <a@b>\n\nX-To: <c@d>\n", "no recipient"},
        {"X-To: <c@d>\nX-From: <a@b>\n", "line 1"},
        {"X-From: <a@b>\nX-From: <a@b>\n", "line 2"},
        {"X-From: <a@b>\nX-To: <c d@e>\n", "line 2"},
        {"X-From: <a@b>\nX-To: <>\n", "line 2"},
        {ENV "X-Recfm: VBA\n x\n", "X-Recfm"},
    };
    char reason[320];
    struct postfile p;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(open_text(&p, span_of(cases[i].file), reason), POSTFILE_BAD);
        assert_non_null(strstr(reason, cases[i].reason));
        assert_int_equal(p.fd, -1);
    }
}

/* Wherever the file is cut, it is a file or it is bad; never more of it than there is. */
static void test_cut_anywhere(void **state)
{
    static const char text[] = ENV "Return-Path: <x@y>\n z\nA: 1\n b\n\nbody\n";
    struct span envelope = SPAN(ENV);
    char reason[320];
    struct postfile p;

    (void)state;
    for (size_t n = 0; n < sizeof(text); n++) {
        enum postfile_result r = open_text(&p, (struct span){text, n}, reason);
        assert_int_not_equal(r, POSTFILE_TROUBLE);
        if (n + 1 >= envelope.n)
            assert_int_equal(r, POSTFILE_OPEN);
        if (r != POSTFILE_OPEN)
            continue;
        assert_true(p.text_at <= n && p.body_at <= n && p.body_at >= p.text_at);
        assert_null(strstr(buf_str(&p.header), "x@y"));
        postfile_close(&p);
    }
}

/* Envelope and header larger than what is read at first, and a header without end. */
static void test_large_heads(void **state)
{
    struct buf text = {0}, body = {0};
    char reason[320];
    struct postfile p;

    (void)state;
    buf_adds(&text, "X-From: <>\n");
    for (int i = 0; i < 5000; i++)
        buf_printf(&text, "X-To: <user%d@a-rather-long-name.example.org>\n", i);
    for (int i = 0; i < 5000; i++)
        buf_printf(&text, "A%d: some words\n folded\nReturn-Path: <%d@x>\n", i, i);
    buf_adds(&text, "\nbody\n");
    assert_int_equal(open_text(&p, BUF_SPAN(&text), reason), POSTFILE_OPEN);
    assert_int_equal(p.envelope.nto, 5000);
    assert_null(strstr(buf_str(&p.header), "Return-Path"));
    assert_non_null(strstr(buf_str(&p.header), "\nA4999: some words\n folded\n"));
    body_of(&p, &body);
    assert_string_equal(buf_str(&body), "\nbody\n");
    postfile_close(&p);

    buf_clear(&text);
    buf_clear(&body);
    buf_adds(&text, ENV);
    for (int i = 0; i < 300000; i++)
        buf_adds(&text, "A: twenty octets...\n");
    assert_int_equal(open_text(&p, BUF_SPAN(&text), reason), POSTFILE_OPEN);
    assert_true(p.header.len < 5 << 20);
    body_of(&p, &body);
    assert_int_equal(p.header.len + body.len, text.len - strlen(ENV));
    postfile_close(&p);

    buf_clear(&text);
    buf_adds(&text, "X-From: <a@b>");
    buf_fill(&text, ' ', 5 << 20);
    assert_int_equal(open_text(&p, BUF_SPAN(&text), reason), POSTFILE_BAD);
    assert_non_null(strstr(reason, "no end within"));
    buf_free(&text);
    buf_free(&body);
}

static void test_facts(void **state)
{
    char reason[320];
    struct postfile p;

    (void)state;
    assert_int_equal(open_text(&p, SPAN(ENV "A: 1\n\nx\n"), reason), POSTFILE_OPEN);
    assert_false(p.eight_bit);
    assert_int_equal(p.wire_octets, strlen("A: 1\r\n\r\nx\r\n"));
    postfile_close(&p);
    assert_int_equal(open_text(&p, SPAN(ENV "A: 1\n\nx\x80"), reason), POSTFILE_OPEN);
    assert_true(p.eight_bit);
    postfile_close(&p);
}

static void id_of(const char *file, const char *name, struct timespec written, const char *user,
                  char id[POSTFILE_ID])
{
    char reason[320];
    struct postfile p;

    assert_int_equal(open_at(&p, span_of(file), name, written, reason), POSTFILE_OPEN);
    assert_true(postfile_id(&p, user, id));
    assert_int_equal(strlen(id), 32);
    assert_int_equal(strspn(id, "0123456789abcdef"), 32);
    postfile_close(&p);
}

/* The same copy has the same name whoever else gets one; anything else another. */
static void test_identity(void **state)
{
    static const char text[] = "A: 1\n\nx\n";
    const struct timespec when = {1700000000, 5};
    const struct {
        const char *envelope, *name;
        struct timespec written;
        const char *user;
        bool same;
    } cases[] = {
        {ENV, "m", when, "USER", true},
        {"x-from: a@b\nX-To: <u@p>\nX-To: <v@p>\nDATA\n", "m", when, "USER", true},
        {ENV, "m", when, "USER2", false},
        {ENV, "n", when, "USER", false},
        {ENV, "m", {1700000000, 6}, "USER", false},
        {ENV, "m", {1700000001, 5}, "USER", false},
        {"X-From: <>\nX-To: <u@p>\n", "m", when, "USER", false},
        {ENV "B: 2\n", "m", when, "USER", false},
    };
    char first[POSTFILE_ID], id[POSTFILE_ID];

    (void)state;
    id_of(ENV "A: 1\n\nx\n", "m", when, "USER", first);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf file = {0};
        buf_printf(&file, "%s%s", cases[i].envelope, text);
        id_of(buf_str(&file), cases[i].name, cases[i].written, cases[i].user, id);
        assert_int_equal(strcmp(first, id) == 0, cases[i].same);
        buf_free(&file);
    }
}

static void test_delivered_to(void **state)
{
    char reason[320];
    struct postfile p;

    (void)state;
    assert_int_equal(open_text(&p,
                               SPAN(ENV "Delivered-To: A@P\ndelivered-to:   B@P \n"
                                        "X-Delivered-To: C@P\n\nDelivered-To: D@P\n"),
                               reason),
                     POSTFILE_OPEN);
    assert_true(postfile_delivered_to(&p, "A@P"));
    assert_true(postfile_delivered_to(&p, "b@p"));
    assert_false(postfile_delivered_to(&p, "C@P"));
    assert_false(postfile_delivered_to(&p, "D@P"));
    assert_false(postfile_delivered_to(&p, "A@PP"));
    postfile_close(&p);
}

/* A sealed file that was altered afterwards is not delivered, whatever it looks like. */
static void test_seal(void **state)
{
    static const char text[] = ENV "A: 1\n\nbody\n";
    char reason[320];
    struct postfile p;
    struct stat st = {0};

    (void)state;
    for (size_t i = 0; i <= sizeof(text) - 1; i++) {
        int fd = file_of(SPAN(text));
        assert_int_equal(seal_file(fd), 0);
        struct seal seal = {0};
        if (!seal_open(&seal, fd)) {
            close(fd);
            skip(); /* no attributes here */
        }
        if (i < sizeof(text) - 1)
            assert_int_equal(pwrite(fd, "\0", 1, (off_t)i), 1);
        enum postfile_result r = postfile_open(&p, fd, &st, "m", reason);
        assert_int_equal(r, i < sizeof(text) - 1 ? POSTFILE_BAD : POSTFILE_OPEN);
        if (r == POSTFILE_OPEN)
            postfile_close(&p);
        else
            assert_non_null(strstr(reason, "it is damaged"));
    }
}

/* An envelope and a header that are longer than what is read at first, in every way that a piece
 * can end. */
static void test_long_heads(void **state)
{
    static const size_t recipients[] = {3000, 4000, 4681, 4682, 4999};
    char reason[320] = "";
    struct postfile p;

    (void)state;
    for (size_t i = 0; i < sizeof(recipients) / sizeof(recipients[0]); i++)
        for (int header = 0; header < 3; header++) {
            struct buf file = {0};
            buf_adds(&file, "X-From: <a@b>\n");
            for (size_t n = 0; n < recipients[i]; n++)
                buf_printf(&file, "X-To: <u%zu@p>\n", n);
            if (header > 0)
                buf_adds(&file, "Subject: ");
            for (int n = 0; header == 2 && n < 70000; n++)
                buf_addc(&file, 'x');
            buf_adds(&file, "\n\nbody\n");
            assert_int_equal(open_text(&p, BUF_SPAN(&file), reason), POSTFILE_OPEN);
            assert_int_equal(p.envelope.nto, recipients[i]);
            postfile_close(&p);
            buf_free(&file);
        }
}

/* The first piece that is read ends just behind the envelope, and just behind a field. */
static void test_heads_that_end_with_a_piece(void **state)
{
    enum { PIECE = 65536, LINE = 135 };
    char reason[320] = "", label[64];
    struct postfile p;

    (void)state;
    memset(label, 'x', sizeof(label));
    for (int header = 0; header < 2; header++) {
        struct buf file = {0};
        buf_adds(&file, "X-From: <a@b>\nX-To: <u@p>\n");
        if (header == 0)
            while (file.len < PIECE - LINE)
                buf_printf(&file, "X-To: <u%zu@p>\n", file.len);
        size_t left = PIECE - file.len;
        if (header == 0) /* in two labels */
            buf_printf(&file, "X-To: <u@%.*s.%.*s>\n", 60, label, (int)(left - 72), label);
        else
            assert_true(buf_adds(&file, "Subject: ") && buf_fill(&file, 'x', left - 10));
        if (header == 1)
            buf_addc(&file, '\n');
        assert_int_equal(file.len, PIECE);
        buf_adds(&file, "To: x\n\nbody\n");
        assert_int_equal(open_text(&p, BUF_SPAN(&file), reason), POSTFILE_OPEN);
        assert_non_null(memmem(p.header.data, p.header.len, "To: x\n", 6));
        postfile_close(&p);
        buf_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_long_heads),
        cmocka_unit_test(test_heads_that_end_with_a_piece),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_large_heads),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_delivered_to),
        cmocka_unit_test(test_seal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
