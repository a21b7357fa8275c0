/* Unit tests of sndmsg/nicknames and directory. */
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

#include "sndmsg/completion.h"
#include "sndmsg/directory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char names[] = "* my friends\n"
                            ":nick.JOE   :name.Joe Doe  :addr.joe@example.org :phone.1 23:45\n"
                            "\n"
                            ":nick.ann :userid.abaker\n"
                            "      :name.Annie\n"
                            ":nick.far\t:userid.x :node.remote.example\n"
                            ":nick.Team :list.joe, ann  bob@example.net\n"
                            ":nick.loop :list.team\n"
                            ":nick.bad :list.joe nobody-at-all\n"
                            ":nick.J\xC3\x96RG :addr.j@x.example\r\n";

static const char table[] = "CZQ14CD  CDoaks 'Chris Doaks'\nABCDEF   ABaker 'Alex Baker'\n"
                            "SALES    \"Sales Dept\"\nJOE      joe.local\n";

struct bench {
    struct nicknames nicknames;
    struct usertable *users;
    struct directory directory;
    struct resolver resolver;
};

static void set_up(struct bench *b, const char *text)
{
    struct diag d;

    if (!nicknames_parse(span_of(text), &b->nicknames, &d))
        fail_msg("%zu:%zu: %s", d.line, d.column, d.text);
    b->users = usertable_parse(span_of(table), &d);
    assert_non_null(b->users);
    b->directory = (struct directory){&b->nicknames, b->users, SPAN("mail.example.org")};
    b->resolver = directory_resolver(&b->directory);
}

static void tear_down(struct bench *b)
{
    nicknames_free(&b->nicknames);
    usertable_free(b->users);
}

static void names_become_addresses(void **state)
{
    static const struct {
        const char *line, *want; /* NULL: unknown */
    } cases[] = {
        {"joe", "Joe Doe <joe@example.org>;"},
        {"JOE", "Joe Doe <joe@example.org>;"},
        {"ann", "Annie <ABaker@mail.example.org>;"},
        {"far", "<x@remote.example>;"},
        {"team", "Joe Doe <joe@example.org>;Annie <ABaker@mail.example.org>;<bob@example.net>;"},
        {"j\xC3\xB6rg", "<j@x.example>;"},
        {"Jo\xCC\x88rg", "<j@x.example>;"},
        {"cdoaks", "Chris Doaks <CDoaks@mail.example.org>;"},
        {"czq14cd", "Chris Doaks <CDoaks@mail.example.org>;"},
        {"\"Sales Dept\"", "<\"Sales Dept\"@mail.example.org>;"},
        {"joe.local", "<joe.local@mail.example.org>;"},
        {"loop", NULL}, /* a list in a list */
        {"bad", NULL},  /* all of a list or nothing */
        {"nobody", NULL},
        {"jo", NULL},
    };
    struct bench b;

    (void)state;
    set_up(&b, names);
    assert_int_equal(b.nicknames.count, 7);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct recipients r = {0};
        struct buf got = {0};
        struct diag d;
        enum recipients_result result =
            recipients_take(&r, RECIPIENT_TO, span_of(cases[i].line), &b.resolver, &d);
        for (size_t k = 0; k < r.count; k++)
            buf_printf(&got, "%s%s<%s>;", r.list[k].name ? r.list[k].name : "",
                       r.list[k].name ? " " : "", r.list[k].address.text);
        if ((result == RECIPIENTS_GOOD) != (cases[i].want != NULL) ||
            strcmp(buf_str(&got), cases[i].want ? cases[i].want : "") != 0)
            fail_msg("%s: %d %s", cases[i].line, (int)result, buf_str(&got));
        buf_free(&got);
        recipients_free(&r);
    }
    tear_down(&b);
}

static void errors_name_their_place(void **state)
{
    static const struct {
        const char *text;
        size_t line, column;
        const char *words;
    } cases[] = {
        {"joe joe@example.org\n", 1, 1, "a tag must stand here"},
        {":addr.a@b.example\n", 1, 1, "an entry begins with :nick."},
        {"\n:nick.joe\n:nick.ann :addr.a@b.example\n", 2, 1, "leads nowhere"},
        {":nick.joe :addr.a@@b\n", 1, 19, "domain"},
        {":nick.joe :addr.a@b.example :addr.c@d.example\n", 1, 35, "twice"},
        {":nick.joe :addr.a@b.example\n* x\n:nick.JOE :addr.c@d.example\n", 3, 1, "stands twice"},
        {":nick.j oe :addr.a@b.example\n", 1, 8, "no blank"},
        {":nick. :addr.a@b.example\n", 1, 7, "1 to 4,096"},
        {":nick.joe :name. :addr.a@b.example\n", 1, 17, "1 to 4,096"},
        {":nick.joe :addr.a@b.example\n  :name.x\033[2J\n", 2, 10, "X'1B'"},
        {":nick.j\xFF\n", 1, 8, "no UTF-8"},
        {":nick.joe :userid.a b :node.c\n", 1, 1, "make no mail address"},
        {":nick.joe :nope.x", 1, 1, "leads nowhere"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct nicknames n;
        struct diag d;
        assert_false(nicknames_parse(span_of(cases[i].text), &n, &d));
        if (d.line != cases[i].line || d.column != cases[i].column ||
            strstr(d.text, cases[i].words) == NULL)
            fail_msg("case %zu: %zu:%zu: %s", i, d.line, d.column, d.text);
        assert_int_equal(n.count, 0);
    }
}

static void any_part_of_a_file_is_no_danger(void **state)
{
    (void)state;
    for (size_t n = 0; n <= sizeof(names) - 1; n++) {
        struct nicknames list;
        struct diag d;
        char *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, names, n);
        nicknames_parse((struct span){copy, n}, &list, &d);
        nicknames_free(&list);
        free(copy);
    }
}

static void there_is_a_most_of_everything(void **state)
{
    struct buf text = {0};
    struct nicknames n;
    struct diag d;

    (void)state;
    for (int i = 0; i <= NICKNAMES_MAX; i++)
        buf_printf(&text, ":nick.n%d :addr.a@b.example\n", i);
    assert_false(nicknames_parse(BUF_SPAN(&text), &n, &d));
    assert_non_null(strstr(d.text, "10,000"));
    buf_clear(&text);
    buf_adds(&text, ":nick.");
    buf_fill(&text, 'n', 65);
    buf_adds(&text, " :addr.a@b.example\n");
    assert_false(nicknames_parse(BUF_SPAN(&text), &n, &d));
    assert_non_null(strstr(d.text, "64 octets"));
    buf_clear(&text);
    buf_adds(&text, ":nick.n :name.");
    buf_fill(&text, 'n', NICKNAME_VALUE_MAX + 1);
    assert_false(nicknames_parse(BUF_SPAN(&text), &n, &d));
    buf_free(&text);
}

static void files(void **state)
{
    char dir[] = "/tmp/test_nicknames.XXXXXX", path[64];
    struct nicknames n;
    struct diag d;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/names", dir);
    assert_true(nicknames_load(path, &n, &d)); /* none is no error */
    assert_int_equal(n.count, 0);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, names, sizeof(names) - 1), sizeof(names) - 1);
    assert_true(nicknames_load(path, &n, &d));
    assert_int_equal(n.count, 7);
    nicknames_free(&n);
    assert_int_equal(fchmod(fd, 0602), 0);
    assert_false(nicknames_load(path, &n, &d));
    assert_non_null(strstr(d.text, "chmod o-w"));
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(ftruncate(fd, NICKNAMES_FILE_MAX + 1), 0);
    assert_false(nicknames_load(path, &n, &d));
    assert_non_null(strstr(d.text, "1 MiB"));
    if (geteuid() == 0) {
        assert_int_equal(fchown(fd, 65534, 65534), 0);
        assert_false(nicknames_load(path, &n, &d));
        assert_non_null(strstr(d.text, "somebody else"));
    }
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(nicknames_load(path, &n, &d)); /* and it does not wait for a writer */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(nicknames_load(path, &n, &d));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void expect_words(struct bench *b, enum completion_kind kind, const char *line,
                         const char *before, const char *words, const char *common)
{
    struct completion c = {0};
    struct buf got = {0};
    struct span rest, word;

    completion_find(&c, &b->directory, kind, span_of(line));
    rest = BUF_SPAN(&c.words);
    for (size_t i = 0; i < c.count && span_cut(&rest, '\0', &word); i++) {
        buf_addspan(&got, word);
        buf_addc(&got, ' ');
    }
    struct span all = completion_common(&c);
    if (strcmp(buf_str(&got), words) != 0 || !span_eq(all, span_of(common)) ||
        (c.count > 0 && !span_eq(c.before, span_of(before))))
        fail_msg("'%s': '%s', common '%.*s', before '%.*s'", line, buf_str(&got), (int)all.n, all.p,
                 (int)c.before.n, c.before.p);
    buf_free(&got);
    completion_free(&c);
}

static void words_are_completed(void **state)
{
    struct bench b;
    char dir[] = "/tmp/test_nicknames.XXXXXX", path[96], line[96];

    (void)state;
    set_up(&b, names);
    expect_words(&b, COMPLETION_ADDRESS, "a@b.example, TE", "TE", "Team ", "Team");
    expect_words(&b, COMPLETION_ADDRESS, "jo", "jo", "JOE joe.local ", "");
    expect_words(&b, COMPLETION_ADDRESS, "Joe <cd", "cd", "CDoaks ", "CDoaks");
    expect_words(&b, COMPLETION_ADDRESS, "czq", "czq", "CZQ14CD ", "CZQ14CD");
    expect_words(&b, COMPLETION_ADDRESS, "joe@", "joe@", "", "");
    expect_words(&b, COMPLETION_ADDRESS, "", "", "", "");
    expect_words(&b, COMPLETION_NONE, "jo", "", "", "");
    expect_words(&b, COMPLETION_TEXT, "jo", "", "", "");

    assert_non_null(mkdtemp(dir));
    static const char *const made[] = {"file one", "file two", ".hidden", "bad\033[2J", "x\xFF"};
    for (size_t i = 0; i < COUNT(made); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, made[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    snprintf(path, sizeof(path), "%s/folder", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(line, sizeof(line), ".f=%s/fi", dir);
    snprintf(path, sizeof(path), "%s/file one %s/file two ", dir, dir);
    char common[96];
    snprintf(common, sizeof(common), "%s/file ", dir);
    expect_words(&b, COMPLETION_TEXT, line, line + 3, path, common);
    snprintf(line, sizeof(line), ".a=%s/fo", dir);
    snprintf(path, sizeof(path), "%s/folder/ ", dir);
    snprintf(common, sizeof(common), "%s/folder/", dir);
    expect_words(&b, COMPLETION_TEXT, line, line + 3, path, common);
    snprintf(line, sizeof(line), ".a=%s/b", dir); /* what cannot be shown is not offered */
    expect_words(&b, COMPLETION_TEXT, line, "", "", "");
    expect_words(&b, COMPLETION_TEXT, ".f=/no/such/folder/", "", "", "");
    snprintf(path, sizeof(path), "rm -rf '%s'", dir);
    assert_int_equal(system(path), 0);
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_addresses),
        cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(any_part_of_a_file_is_no_danger),
        cmocka_unit_test(there_is_a_most_of_everything),
        cmocka_unit_test(files),
        cmocka_unit_test(words_are_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
