/* The seal in its two forms: what was written agrees, and nothing else does. */
#include "lib/seal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME "user.spoolmail.seal"

static const char text[] = "X-From: <a@b>\nX-To: <c@d>\nReceived: by x\n\nThe text of it.\n";

enum { OCTETS = sizeof(text) - 1 };

/* A file of `octets`, without a seal. */
static int file_of(const char *octets, size_t n)
{
    char path[] = "/var/tmp/spoolmail-seal-XXXXXX"; /* /tmp may have no attributes */
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, octets, n), n);
    return fd;
}

/* Seals the file in the second form. */
static void seal_cut(int fd, const char *octets, size_t n, size_t cut)
{
    struct seal rest = {0}, s;

    seal_add(&rest, (struct span){octets + cut, n - cut});
    seal_branch(&s, &rest, cut);
    seal_add(&s, (struct span){octets, cut / 2});
    seal_add(&s, (struct span){octets + cut / 2, cut - cut / 2});
    assert_int_equal(seal_end(&s, fd), 0);
    seal_drop(&rest);
}

/* What a reader finds who takes the octets in pieces of that size. */
static enum seal_state check(int fd, const char *octets, size_t n, size_t piece)
{
    struct seal s = {0};

    if (!seal_open(&s, fd))
        return SEAL_NONE;
    for (size_t at = 0; at < n; at += piece)
        seal_add(&s, (struct span){octets + at, n - at < piece ? n - at : piece});
    return seal_check(&s);
}

static void need_attributes(void)
{
    int fd = file_of(text, OCTETS);
    bool has = fsetxattr(fd, NAME, "x", 1, 0) == 0;

    close(fd);
    if (!has)
        skip();
}

/* Every octet altered, every length, in both forms and whatever the pieces. */
static void only_what_was_written_agrees(void **state)
{
    static const size_t cuts[] = {0, 1, 26, OCTETS - 1, OCTETS};
    static const size_t pieces[] = {1, 7, 26, OCTETS};

    (void)state;
    need_attributes();
    for (size_t c = 0; c < sizeof(cuts) / sizeof(cuts[0]); c++) {
        int fd = file_of(text, OCTETS);
        if (cuts[c] == 0)
            assert_int_equal(seal_file(fd), 0);
        else
            seal_cut(fd, text, OCTETS, cuts[c]);
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            assert_int_equal(check(fd, text, OCTETS, pieces[p]), SEAL_GOOD);
            for (size_t i = 0; i < OCTETS; i++) {
                char other[OCTETS];
                memcpy(other, text, OCTETS);
                other[i] ^= 1;
                assert_int_equal(check(fd, other, OCTETS, pieces[p]), SEAL_BROKEN);
                assert_int_equal(check(fd, text, i, pieces[p]), SEAL_BROKEN);
            }
        }
        close(fd);
    }
}

static void a_branch_is_used_many_times(void **state)
{
    struct seal rest = {0}, s;

    (void)state;
    need_attributes();
    seal_add(&rest, SPAN("the same text"));
    for (int i = 0; i < 3; i++) {
        char octets[] = "head 0 the same text";
        octets[5] = (char)('0' + i);
        int fd = file_of(octets, strlen(octets));
        seal_branch(&s, &rest, 7);
        seal_add(&s, (struct span){octets, 7});
        assert_int_equal(seal_end(&s, fd), 0);
        assert_int_equal(check(fd, octets, strlen(octets), 4), SEAL_GOOD);
        close(fd);
    }
    seal_drop(&rest);
}

/* What stands in the attribute is not trusted. */
static void a_strange_seal_is_a_broken_one(void **state)
{
    static const char *const seals[] = {
        "",
        "1",
        "2",
        "2 58",
        "2 58 7",
        "2 58 65537 00112233445566778899aabbccddeeff",
        "2 58 99999999999999999999 00112233445566778899aabbccddeeff",
        "2 58 -1 00112233445566778899aabbccddeeff",
        "3 58 00112233445566778899aabbccddeeff"};
    char long_one[2 * SEAL_TEXT_MAX];

    (void)state;
    need_attributes();
    int fd = file_of(text, OCTETS);
    assert_int_equal(check(fd, text, OCTETS, 8), SEAL_NONE);
    for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
        assert_int_equal(fsetxattr(fd, NAME, seals[i], strlen(seals[i]), 0), 0);
        assert_int_equal(check(fd, text, OCTETS, 8), SEAL_BROKEN);
    }
    memset(long_one, '2', sizeof(long_one));
    assert_int_equal(fsetxattr(fd, NAME, long_one, sizeof(long_one), 0), 0);
    assert_int_equal(check(fd, text, OCTETS, 8), SEAL_BROKEN);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_written_agrees),
        cmocka_unit_test(a_branch_is_used_many_times),
        cmocka_unit_test(a_strange_seal_is_a_broken_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
