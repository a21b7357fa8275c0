/* Unit tests of lib/catalog: what is found, and each reason why nothing is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/catalog.h"
#include "tests/unit/place.h"

enum { USER = 65534 };

static struct place place;
static struct catalog catalog;
static char folder[96];

static int library(const char *name, const char *dcb)
{
    assert_int_equal(mkdirat(catalog.dir, name, 0755), 0);
    int dir = openat(catalog.dir, name, O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    if (dcb != NULL)
        place_put(dir, ".dcb", dcb);
    return dir;
}

static int set_up(void **state)
{
    (void)state;
    place_make(&place, "");
    assert_int_equal(chmod(place.path, 0755), 0);
    snprintf(folder, sizeof(folder), "%s/catalog", place.path);
    assert_int_equal(mkdir(folder, 0755), 0);
    catalog_open(&catalog, folder);
    assert_true(catalog.dir >= 0);
    place_put(catalog.dir, "HLQ.SEQ", "a line\n");
    int dir = library("HLQ.LIB", NULL);
    place_put(dir, "MEMBER", "of a library\n");
    close(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    catalog_close(&catalog);
    catalog_close(&catalog); /* twice does no harm */
    place_remove(&place);
    return 0;
}

static void expect_fault(const char *dsn, const char *member, enum catalog_fault fault,
                         const char *part)
{
    struct catalog_entry e;

    if (catalog_find(&catalog, dsn, member, &e) || e.fault != fault ||
        strstr(e.reason, part) == NULL || e.fd != -1)
        fail_msg("%s(%s): %d %s", dsn, member, (int)e.fault, e.reason);
}

static void expect_text(const char *dsn, const char *member, const char *text)
{
    struct catalog_entry e;
    struct buf got = {0};

    if (!catalog_find(&catalog, dsn, member, &e))
        fail_msg("%s(%s): %s", dsn, member, e.reason);
    assert_true(catalog_read(&e, &got));
    assert_string_equal(buf_str(&got), text);
    assert_int_equal(e.fd, -1);
    buf_free(&got);
}

static void what_is_there(void **state)
{
    (void)state;
    expect_text("HLQ.SEQ", "", "a line\n");
    expect_text("HLQ.LIB", "MEMBER", "of a library\n");
}

static void what_is_not(void **state)
{
    (void)state;
    expect_fault("HLQ.NONE", "", CATALOG_NO_DATA_SET, "no such data set");
    expect_fault("HLQ.LIB", "NONE", CATALOG_NO_MEMBER, "no member of that name");
    expect_fault("HLQ.LIB", "", CATALOG_NO_ALLOCATION, "name a member");
    expect_fault("HLQ.SEQ", "MEMBER", CATALOG_NO_ALLOCATION, "not a library");
    expect_fault("../passwd", "", CATALOG_NO_DATA_SET, "no name");
    expect_fault("HLQ.LIB", "../X", CATALOG_NO_DATA_SET, "no name");
    expect_fault("HLQ.LIB", "A.B", CATALOG_NO_DATA_SET, "no name");
    expect_fault("HLQ.LIB", "A-B", CATALOG_NO_DATA_SET, "no name");
    expect_fault("HLQ.LIB", "ABCDEFGHI", CATALOG_NO_DATA_SET, "no name");
}

static void no_catalog(void **state)
{
    struct catalog good = catalog;
    char none[128];

    (void)state;
    catalog_open(&catalog, NULL);
    expect_fault("HLQ.SEQ", "", CATALOG_NO_DATA_SET, "CATALOG(/folder)");
    snprintf(none, sizeof(none), "%s/none", folder);
    catalog_open(&catalog, none);
    expect_fault("HLQ.SEQ", "", CATALOG_NO_DATA_SET, "cannot be opened: No such file");
    catalog = good;
}

static void what_is_no_plain_file(void **state)
{
    int dir = openat(catalog.dir, "HLQ.LIB", O_RDONLY | O_DIRECTORY);

    (void)state;
    assert_int_equal(symlinkat("HLQ.SEQ", catalog.dir, "HLQ.LINK"), 0);
    assert_int_equal(mkfifoat(catalog.dir, "HLQ.FIFO", 0600), 0);
    assert_int_equal(mkdirat(dir, "DIR", 0700), 0);
    assert_int_equal(symlinkat("/etc/passwd", dir, "LINK"), 0);
    expect_fault("HLQ.LINK", "", CATALOG_NO_ALLOCATION, "is a link");
    expect_fault("HLQ.FIFO", "", CATALOG_NO_ALLOCATION, "not a plain file");
    expect_fault("HLQ.LIB", "DIR", CATALOG_NO_ALLOCATION, "HLQ.LIB(DIR) is not a plain file");
    expect_fault("HLQ.LIB", "LINK", CATALOG_NO_ALLOCATION, "is a link");
    close(dir);
}

static void what_may_not_be_read(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(fchmodat(catalog.dir, "HLQ.SEQ", 0600, 0), 0);
    assert_int_equal(seteuid(USER), 0);
    expect_fault("HLQ.SEQ", "", CATALOG_NOT_AUTHORISED, "ask its owner");
    assert_int_equal(seteuid(0), 0);
}

static void labels(void **state)
{
    static const struct {
        const char *dcb;
        bool good;
        unsigned lrecl;
    } rows[] = {
        {"", true, 0},
        {"RECFM(FB) LRECL(80)", true, 80},
        {"RECFM(FB)\n LRECL(80)\n", true, 80},
        {"LRECL(0)", false, 0},
        {"LRECL(99999999)", false, 0},
        {"LRECL(x)", false, 0},
        {"LRECL", false, 0},
        {"RECFM(Q)", false, 0},
        {"RECFM('')", false, 0},
        {"RECFM(FBS)", true, 0},
        {"RECFM(FSS)", false, 0},
        {"RECFM(TB)", false, 0},
        {"RECFM(TS)", false, 0},
        {"RECFM(T)", true, 0},
        {"RECFM(U)", false, 0},
        {"RECFM(VS)", false, 0},
        {"A-KEYWORD-LONGER-THAN-ANY-OTHER(x)", false, 0},
        {"OTHER(x)", false, 0},
        {"LRECL(0) RECFM(FB)", false, 0},
        {"LRECL(0)\nDCB RECFM(FB)\n", false, 0},
        {"LRECL(80)\nDCB RECFM(FB)\n", true, 80},
        {"(", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct catalog_entry e;
        char name[16];
        snprintf(name, sizeof(name), "LIB.N%zu", i);
        int dir = library(name, rows[i].dcb);
        place_put(dir, "A", "text\n");
        close(dir);
        bool good = catalog_find(&catalog, name, "A", &e);
        if (good != rows[i].good || (good && e.label.lrecl != rows[i].lrecl))
            fail_msg("%s: %s", rows[i].dcb, e.reason);
        assert_true(good || strstr(e.reason, ".dcb of the library") != NULL);
        catalog_release(&e);
    }
}

static void labels_that_are_no_files(void **state)
{
    static char text[5000];
    int dir = library("LIB.DIR", NULL);

    (void)state;
    assert_int_equal(mkdirat(dir, ".dcb", 0700), 0);
    place_put(dir, "A", "");
    close(dir);
    expect_fault("LIB.DIR", "A", CATALOG_NO_ALLOCATION, "no plain file");
    dir = library("LIB.LINK", NULL);
    assert_int_equal(symlinkat("A", dir, ".dcb"), 0);
    close(dir);
    expect_fault("LIB.LINK", "A", CATALOG_NO_ALLOCATION, "is a link");
    memset(text, ' ', sizeof(text) - 1);
    close(library("LIB.LONG", text));
    expect_fault("LIB.LONG", "A", CATALOG_NO_ALLOCATION, "too long");
}

static void a_data_set_that_is_too_large(void **state)
{
    struct catalog_entry e;
    struct buf got = {0};
    int fd = openat(catalog.dir, "HLQ.SEQ", O_WRONLY);

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)CATALOG_DATA_MAX + 1), 0); /* a hole */
    close(fd);
    assert_true(catalog_find(&catalog, "HLQ.SEQ", "", &e));
    assert_false(catalog_read(&e, &got));
    assert_non_null(strstr(e.reason, "larger than 256 MiB"));
    buf_free(&got);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_there),
        TEST(what_is_not),
        TEST(no_catalog),
        TEST(what_is_no_plain_file),
        TEST(what_may_not_be_read),
        TEST(labels),
        TEST(labels_that_are_no_files),
        TEST(a_data_set_that_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
