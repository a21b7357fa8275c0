/* Unit tests of sndmsg/draft: what cannot be read is not cut off. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sndmsg/draft.h"

static void make(char folder[32], const char *text)
{
    char path[64];

    snprintf(folder, 32, "/tmp/test_draft.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/spoolmail", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/spoolmail/draft", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
}

static void expect(const char *folder, const char *text)
{
    char path[64], found[256] = "";

    snprintf(path, sizeof(path), "%s/spoolmail/draft", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    found[fread(found, 1, sizeof(found) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(found, text);
    unlink(path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void a_torn_last_line_goes(void **state)
{
    struct buf line = {0};
    struct draft d;
    char folder[32];
    bool pasted;

    (void)state;
    make(folder, " one\n+two\n half");
    assert_true(draft_folder(&d, folder, NULL));
    assert_true(draft_find(&d));
    assert_true(draft_next(&d, &line, &pasted));
    assert_string_equal(buf_str(&line), "one");
    assert_false(pasted);
    assert_true(draft_next(&d, &line, &pasted));
    assert_string_equal(buf_str(&line), "two");
    assert_true(pasted);
    assert_false(draft_next(&d, &line, &pasted));
    assert_int_equal(d.error, 0);
    assert_true(draft_add(&d, SPAN("three"), false));
    assert_true(draft_leave(&d));
    draft_close(&d);
    buf_free(&line);
    expect(folder, " one\n+two\n three\n");
}

static void what_cannot_be_read_stays(void **state)
{
    static const char text[] = " one\n two\n";
    struct buf line = {0};
    struct draft d;
    char folder[32];
    bool pasted;

    (void)state;
    make(folder, text);
    assert_true(draft_folder(&d, folder, NULL));
    assert_true(draft_find(&d));
    int blind = openat(d.dir, d.name, O_WRONLY | O_CLOEXEC);
    assert_true(blind >= 0);
    assert_int_equal(dup2(blind, d.fd), d.fd);
    close(blind);
    assert_false(draft_next(&d, &line, &pasted));
    assert_int_equal(d.error, EBADF);
    assert_string_equal(d.where, "draft");
    assert_false(draft_add(&d, SPAN("three"), false)); /* it is not ours any more */
    assert_false(draft_leave(&d));
    draft_drop(&d);
    draft_close(&d);
    buf_free(&line);
    expect(folder, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torn_last_line_goes),
        cmocka_unit_test(what_cannot_be_read_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
