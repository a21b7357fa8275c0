/* Maildirs: their paths and names, and real deliveries into a folder of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/postoffice/maildir.h"

#define NAME "1700000000.S0123456789abcdef.mail.example.org"

/* A folder for one test. */
struct place {
    char dir[64], maildir[80];
    int body; /* "not this\nbody\n" */
};

static const char body_text[] = "not this\nbo\0dy\xFF\r\n";
enum { BODY_AT = 9 };

static const char whole_text[] = "Return-Path: <a@b>\nSubject: x\nbo\0dy\xFF\r\n";

static int place_make(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    const char *tmp = getenv("TMPDIR");

    if (p == NULL)
        return -1;
    snprintf(p->dir, sizeof(p->dir), "%.30s/test_maildir.XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->maildir, sizeof(p->maildir), "%.60s/Maildir", p->dir);
    p->body = open(p->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(p->body >= 0);
    assert_int_equal(write(p->body, body_text, sizeof(body_text) - 1), sizeof(body_text) - 1);
    *state = p;
    return 0;
}

static int place_remove(void **state)
{
    struct place *p = *state;
    char command[160];

    close(p->body);
    snprintf(command, sizeof(command), "rm -rf '%s'", p->dir);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static char *path_of(const struct place *p, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", p->maildir, name);
    return out;
}

static void put(const struct place *p, const char *name, const char *text)
{
    char path[256];
    FILE *f = fopen(path_of(p, name, path), "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void make_dir(const struct place *p, const char *name)
{
    char path[256];

    assert_int_equal(mkdir(path_of(p, name, path), 0700), 0);
}

static void make_folders(const struct place *p)
{
    make_dir(p, "");
    make_dir(p, "tmp");
    make_dir(p, "new");
    make_dir(p, "cur");
}

static size_t entries(const struct place *p, const char *folder)
{
    char path[256];
    DIR *d = opendir(path_of(p, folder, path));
    const struct dirent *e;
    size_t n = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static enum maildir_result deliver_copy(const struct place *p, bool tried,
                                        const struct maildir_copy *copy, char why[MAILDIR_WHY])
{
    struct maildir m;
    enum maildir_result result = MAILDIR_FAILED;

    if (maildir_open(&m, p->maildir, why))
        result = maildir_deliver(&m, NAME, tried, copy, why);
    int saved = errno;
    maildir_close(&m);
    errno = saved;
    return result;
}

static enum maildir_result deliver(const struct place *p, bool tried, char why[MAILDIR_WHY])
{
    struct maildir_copy copy = {SPAN("Return-Path: <a@b>\n"), SPAN("Subject: x\n"), p->body,
                                BODY_AT};

    why[0] = '\0';
    return deliver_copy(p, tried, &copy, why);
}

static void test_path(void **state)
{
    static const struct {
        const char *pattern, *home, *login, *userid, *path, *why;
    } cases[] = {
        {"%h/Maildir", "/home/joe", "joe", "JOE", "/home/joe/Maildir", NULL},
        {"/var/mail/%u/%i", NULL, "joe", "A#1", "/var/mail/joe/A#1", NULL},
        {"/a%%b", NULL, NULL, "JOE", "/a%b", NULL},
        {"%h/Maildir", NULL, "joe", "JOE", NULL, "home"},
        {"%h/Maildir", "home/joe", "joe", "JOE", NULL, "home"},
        {"%h/Maildir", "", "joe", "JOE", NULL, "home"},
        {"/m/%u", NULL, NULL, "JOE", NULL, "login"},
        {"/m/%u", NULL, "", "JOE", NULL, "login"},
        {"/m/%u", NULL, "../root", "JOE", NULL, "login"},
        {"/m/%u", NULL, ".joe", "JOE", NULL, "login"},
        {"/m/%u", NULL, "a/b", "JOE", NULL, "login"},
        {"/m/%i", NULL, "joe", "..", NULL, "user ID"},
        {"/m/%i", NULL, "joe", "A/B", NULL, "user ID"},
        {"/m/%x", NULL, "joe", "JOE", NULL, "%"},
        {"/m/%", NULL, "joe", "JOE", NULL, "%"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct maildir_user u = {cases[i].home, cases[i].login, cases[i].userid};
        struct buf path = {0};
        const char *why = "";
        bool good = maildir_path(&path, cases[i].pattern, &u, &why);
        if (cases[i].path != NULL) {
            assert_true(good);
            assert_string_equal(buf_str(&path), cases[i].path);
        } else {
            assert_false(good);
            assert_non_null(strstr(why, cases[i].why));
        }
        buf_free(&path);
    }
}

static void test_name(void **state)
{
    char out[MAILDIR_NAME], host[400];

    (void)state;
    maildir_name(out, 1700000000, "0123", "mail.example.org");
    assert_string_equal(out, "1700000000.S0123.mail.example.org");
    maildir_name(out, -5, "0123", "a/b:c\\d e\x7F\xC3");
    assert_string_equal(out, "0.S0123.a\\057b\\072c\\134d\\040e\\177\\303");
    maildir_name(out, INT64_MAX, "0123", "");
    assert_string_equal(out, "9223372036854775807.S0123.");
    memset(host, '/', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    maildir_name(out, 1, "0123", host);
    assert_true(strlen(out) < 100);
    assert_null(strchr(out, '/'));
    assert_string_equal(out + strlen(out) - 4, "\\057");
}

static void test_delivers_whole(void **state)
{
    const struct place *p = *state;
    char why[MAILDIR_WHY], path[256], text[128];
    struct stat st;

    assert_int_equal(deliver(p, false, why), MAILDIR_DELIVERED);
    int fd = open(path_of(p, "new/" NAME, path), O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof(text)), sizeof(whole_text) - 1);
    assert_memory_equal(text, whole_text, sizeof(whole_text) - 1);
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(entries(p, "tmp"), 0);
    assert_int_equal(entries(p, "new"), 1);
    assert_int_equal(entries(p, "cur"), 0);
    assert_int_equal(stat(p->maildir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_large_body(void **state)
{
    const struct place *p = *state;
    enum { OCTETS = 300001 };
    char why[MAILDIR_WHY], path[256];
    char *text = malloc(OCTETS), *back = malloc(OCTETS + 1);
    struct maildir_copy copy = {SPAN("a\n"), SPAN(""), p->body, 3};

    assert_true(text != NULL && back != NULL);
    for (size_t i = 0; i < OCTETS; i++)
        text[i] = (char)(i * 7 % 251);
    assert_int_equal(pwrite(p->body, text, OCTETS, 0), OCTETS);
    assert_int_equal(deliver_copy(p, false, &copy, why), MAILDIR_DELIVERED);
    int fd = open(path_of(p, "new/" NAME, path), O_RDONLY);
    assert_int_equal(read(fd, back, OCTETS + 1), OCTETS - 1); /* 2 before, 3 left out */
    close(fd);
    assert_memory_equal(back, "a\n", 2);
    assert_memory_equal(back + 2, text + 3, OCTETS - 3);
    free(text);
    free(back);
}

/* Where an earlier copy may be, and whether it is looked for there. */
static void test_finds_copies(void **state)
{
    static const struct {
        const char *entry;
        bool tried;
        enum maildir_result result;
    } cases[] = {
        {"new/" NAME, false, MAILDIR_FOUND},
        {"new/" NAME, true, MAILDIR_FOUND},
        {"cur/" NAME, true, MAILDIR_FOUND},
        {"cur/" NAME ":2,", true, MAILDIR_FOUND},
        {"cur/" NAME ":2,FRS", true, MAILDIR_FOUND},
        {"cur/" NAME ",S=10:2,S", true, MAILDIR_FOUND},
        {"cur/" NAME ":2,S", false, MAILDIR_DELIVERED}, /* a first try does not search cur */
        {"cur/" NAME "x", true, MAILDIR_DELIVERED},
        {"cur/x" NAME, true, MAILDIR_DELIVERED},
        {"tmp/" NAME, true, MAILDIR_DELIVERED},
    };
    const struct place *p = *state;
    char why[MAILDIR_WHY], path[256];

    make_folders(p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(p, cases[i].entry, "old");
        assert_int_equal(deliver(p, cases[i].tried, why), cases[i].result);
        unlink(path_of(p, cases[i].entry, path));
        int left = unlink(path_of(p, "new/" NAME, path));
        assert_int_equal(left, cases[i].result == MAILDIR_DELIVERED ? 0 : -1);
        assert_int_equal(entries(p, "tmp"), 0);
    }
}

static void test_sweeps_what_a_try_left(void **state)
{
    const struct place *p = *state;
    char why[MAILDIR_WHY];

    make_folders(p);
    put(p, "tmp/" NAME ".00ff", "half");
    put(p, "tmp/1700000000.Sother.mail.example.org.00ff", "somebody else's");
    assert_int_equal(deliver(p, true, why), MAILDIR_DELIVERED);
    assert_int_equal(entries(p, "tmp"), 1);
    assert_int_equal(entries(p, "new"), 1);
}

/* What stands in the way: made by `prepare`; the words name what. */
static void folder_is_file(const struct place *p)
{
    make_dir(p, "");
    put(p, "new", "x");
}

static void folder_is_link(const struct place *p)
{
    char path[256];

    make_dir(p, "");
    make_dir(p, "elsewhere");
    assert_int_equal(symlink("elsewhere", path_of(p, "new", path)), 0);
}

static void maildir_is_file(const struct place *p)
{
    FILE *f = fopen(p->maildir, "w");

    assert_non_null(f);
    fclose(f);
}

static void maildir_is_dangling(const struct place *p)
{
    assert_int_equal(symlink("nowhere/at/all", p->maildir), 0);
}

static void test_obstacles(void **state)
{
    static const struct {
        void (*prepare)(const struct place *p);
        int error;
        const char *words;
    } cases[] = {
        {folder_is_file, ENOTDIR, "new"},
        {folder_is_link, ENOTDIR, "new"},
        {maildir_is_file, ENOTDIR, "Maildir"},
        {maildir_is_dangling, ENOENT, "Maildir"},
    };
    const struct place *p = *state;
    char why[MAILDIR_WHY], command[160];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(command, sizeof(command), "rm -rf '%s'", p->maildir);
        assert_int_equal(system(command), 0);
        cases[i].prepare(p);
        assert_int_equal(deliver(p, false, why), MAILDIR_FAILED);
        assert_int_equal(errno, cases[i].error);
        assert_non_null(strstr(why, cases[i].words));
    }
}

static void test_missing_parent(void **state)
{
    struct place *p = *state;
    char why[MAILDIR_WHY];

    snprintf(p->maildir, sizeof(p->maildir), "%s/no/Maildir", p->dir);
    assert_int_equal(deliver(p, false, why), MAILDIR_FAILED);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(why, "cannot open or make the Maildir"));
}

static void test_foreign_folders(void **state)
{
    static const char *const folders[] = {"", "tmp", "new", "cur"};
    const struct place *p = *state;
    char why[MAILDIR_WHY], path[256];

    if (geteuid() != 0)
        skip();
    make_folders(p);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        assert_int_equal(chown(path_of(p, folders[i], path), 65534, 65534), 0);
        assert_int_equal(deliver(p, false, why), MAILDIR_FAILED);
        assert_int_equal(errno, EPERM);
        assert_non_null(strstr(why, "belongs to somebody else"));
        assert_int_equal(chown(path, 0, 0), 0);
    }
    assert_int_equal(entries(p, "new"), 0);
    assert_int_equal(deliver(p, false, why), MAILDIR_DELIVERED);
}

/* A body that cannot be read leaves nothing behind. */
static void test_failed_write(void **state)
{
    const struct place *p = *state;
    char why[MAILDIR_WHY];
    int dir = open(p->dir, O_RDONLY | O_DIRECTORY);
    struct maildir_copy copy = {SPAN("a\n"), SPAN("b\n"), dir, 0};

    assert_int_equal(deliver_copy(p, false, &copy, why), MAILDIR_FAILED);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(entries(p, "tmp"), 0);
    assert_int_equal(entries(p, "new"), 0);
    close(dir);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),    cmocka_unit_test(test_name),
        IN_PLACE(test_delivers_whole),  IN_PLACE(test_large_body),
        IN_PLACE(test_finds_copies),    IN_PLACE(test_sweeps_what_a_try_left),
        IN_PLACE(test_obstacles),       IN_PLACE(test_missing_parent),
        IN_PLACE(test_foreign_folders), IN_PLACE(test_failed_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
