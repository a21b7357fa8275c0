/* The user table: what a line may be, each error with its line and column, matching, who may send
 * as whom, and that crafted names do not collide. */
#include "usertable/usertable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/site.h"
#include "usertable/entry.h"
#include "usertable/siphash.h"

#define X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X64 X60 "xxxx"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define IN(literal)                                                                                \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static struct usertable *table(const char *text)
{
    struct diag d = {0};
    struct usertable *t = usertable_parse(span_of(text), &d);

    if (t == NULL)
        fail_msg("%zu:%zu: %s", d.line, d.column, d.text);
    return t;
}

static void same(const char *got, const char *want)
{
    if (want == NULL)
        assert_null(got);
    else
        assert_string_equal(got, want);
}

static void test_lines(void **state)
{
    static const struct {
        const char *text, *userid, *name, *login, *forward, *full;
    } cases[] = {
        {"CZQ14CD CDoaks", "CZQ14CD", "CDoaks", NULL, NULL, NULL},
        {"czq14cd\tCDoaks\n", "CZQ14CD", "CDoaks", NULL, NULL, NULL},
        {"  A  b  \r\n", "A", "b", NULL, NULL, NULL},
        {"@#$12345 b", "@#$12345", "b", NULL, NULL, NULL},
        {"\xEF\xBB\xBF"
         "A b",
         "A", "b", NULL, NULL, NULL},
        {"* c\n\n \t\n  * d\nA b\n*", "A", "b", NULL, NULL, NULL},
        {"A b LOGIN(carol)", "A", "b", "carol", NULL, NULL},
        {"A b login( svc-x.y_1 )", "A", "b", "svc-x.y_1", NULL, NULL},
        {"A b LOGIN(DOM\\carol)", "A", "b", "DOM\\carol", NULL, NULL},
        {"A b FORWARD(c@d)", "A", "b", NULL, "c@d", NULL},
        {"A b FORWARD(<@r:\"c\"@[IPv6:0::1]>)", "A", "b", NULL, "c@[IPv6:::1]", NULL},
        {"A b FORWARD(\"x)\\\"\"@d)", "A", "b", NULL, "\"x)\\\"\"@d", NULL},
        {"A b 'C. Doaks'", "A", "b", NULL, NULL, "C. Doaks"},
        {"A b '''O''Hara'''", "A", "b", NULL, NULL, "'O'Hara'"},
        {"A b 'x)' FORWARD(c@d) LOGIN(e)", "A", "b", "e", "c@d", "x)"},
        {"A b LOGIN(e) FORWARD(c@d) 'F'", "A", "b", "e", "c@d", "F"},
        {"A \"b c\" 'F'", "A", "\"b c\"", NULL, NULL, "F"},
        {"A \"b\"", "A", "b", NULL, NULL, NULL},
        {"A \"b\\\" c@d\"", "A", "\"b\\\" c@d\"", NULL, NULL, NULL},
        {"A j\xC3\xB6rg 'J\xC3\xB6rg'", "A", "j\xC3\xB6rg", NULL, NULL, "J\xC3\xB6rg"},
        {"A a", "A", "a", NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct usertable *t = table(cases[i].text);
        struct user u;

        assert_int_equal(usertable_count(t), 1);
        usertable_entry(t, 0, &u);
        same(u.userid, cases[i].userid);
        same(u.name, cases[i].name);
        same(u.login, cases[i].login);
        same(u.forward, cases[i].forward);
        same(u.full, cases[i].full);
        usertable_free(t);
    }
}

struct fault {
    struct span text;
    size_t line, column;
    const char *says;
};

static void assert_fault(struct span text, size_t line, size_t column, const char *says)
{
    struct diag d = {0};
    struct usertable *t = usertable_parse(text, &d);

    if (t != NULL)
        fail_msg("taken: %s", text.p);
    if (d.line != line || d.column != column || strstr(d.text, says) == NULL)
        fail_msg("%s: %zu:%zu: %s (not %zu:%zu %s)", text.p, d.line, d.column, d.text, line, column,
                 says);
}

static const struct fault faults[] = {
    {IN("A.B c"), 1, 2, "A-Z"},
    {IN("\nABCDEFGHI c"), 2, 9, "8 characters"},
    {IN("\xC3\x84 c"), 1, 1, "A-Z"},
    {IN("A"), 1, 2, "missing"},
    {IN("* x\nA  "), 2, 4, "missing"},
    {IN("A b@c"), 1, 3, "before the @"},
    {IN("A <b>"), 1, 3, "before the @"},
    {IN("A <b@c>"), 1, 3, "before the @"},
    {IN("A \"\""), 1, 3, "empty"},
    {IN("A b..c"), 1, 5, "quotes"},
    {IN("A b,c"), 1, 4, "quotes"},
    {IN("A \"b"), 1, 5, "quote"},
    {IN("A \"b\"c"), 1, 6, "quotes"},
    {IN("A LOGIN(b)"), 1, 8, "quotes"},
    {IN("A b c"), 1, 5, "LOGIN(user)"},
    {IN("A b LOGIN"), 1, 5, "LOGIN(user)"},
    {IN("A b ALIAS(c)"), 1, 5, "LOGIN(user)"},
    {IN("A b LOGIN(c"), 1, 5, "not closed"},
    {IN("A b LOGIN()"), 1, 11, "needs"},
    {IN("A b LOGIN(a b)"), 1, 12, "no Unix user"},
    {IN("A b LOGIN(-a)"), 1, 11, "no Unix user"},
    {IN("A b LOGIN(a:b)"), 1, 12, "no Unix user"},
    {IN("A b LOGIN(\xC3\xB6)"), 1, 11, "no Unix user"},
    {IN("A b LOGIN(a123456789b123456789c123456789def)"), 1, 43, "32 octets"},
    {IN("A b LOGIN(c) LOGIN(d)"), 1, 20, "twice"},
    {IN("A b LOGIN(c)'d'"), 1, 13, "a blank"},
    {IN("A b FORWARD()"), 1, 13, "needs an address"},
    {IN("A b FORWARD( , )"), 1, 15, "needs an address"},
    {IN("A b FORWARD(<>)"), 1, 14, "no mailbox"},
    {IN("A b FORWARD(c@d, e@f@)"), 1, 21, "domain"},
    {IN("A b FORWARD(c@d) FORWARD(e@f)"), 1, 26, "put all addresses into one"},
    {IN("A b FORWARD(c@d <e@f g@h)"), 1, 21, "domain"},
    {IN("A b FORWARD(c)"), 1, 13, "no entry has the user ID or mail name c:"},
    {IN("A b\nC d FORWARD( b, e@f ,x y)"), 2, 22, "no entry has the user ID or mail name x:"},
    {IN("A b FORWARD(\"\")"), 1, 13, "no entry"},
    {IN("A b FORWARD(\"x@y\")"), 1, 13, "name \"x@y\":"},
    {IN("A b FORWARD(" X64 ")"), 1, 13, "name " X64 ":"},
    {IN("A b FORWARD(\"x " X60 "\")"), 1, 13, "name \"x " X60 "\":"},
    {IN("A b FORWARD(C)\nC d FORWARD(E)\nE f"), 1, 13, "C is a list itself (line 2)"},
    {IN("A b FORWARD(x@y D)\nC d FORWARD(x@y z@y)"), 1, 17, "D is a list itself (line 2)"},
    {IN("A b FORWARD(B C)\nC d FORWARD(A C)"), 1, 15, "C is a list itself (line 2)"},
    {IN("A b FORWARD(C)\nC d FORWARD(A)"), 1, 13, "C is a list itself (line 2)"},
    {IN("A b FORWARD(x@y c)\nC d\nE f FORWARD(zz)"), 3, 13, "no entry"},
    {IN("A b FORWARD(C)\nC d FORWARD(x@y z@y)\nE f FORWARD(zz)"), 1, 13, "a list itself"},
    {IN("A b FORWARD(\"c@d)"), 1, 5, "not closed"},
    {IN("A b DELIVER()"), 1, 13, "MAILDIR or LMTP"},
    {IN("A b DELIVER(SMTP)"), 1, 13, "MAILDIR or LMTP"},
    {IN("A b DELIVER(LMTP) DELIVER(LMTP)"), 1, 27, "twice"},
    {IN("A b 'c"), 1, 5, "not closed"},
    {IN("A b 'c''"), 1, 5, "not closed"},
    {IN("A b ''"), 1, 5, "empty"},
    {IN("A b '' LOGIN(c)"), 1, 5, "empty"},
    {IN("A b '"), 1, 5, "not closed"},
    {IN("A b 'c' 'd'"), 1, 9, "twice"},
    {IN("A b\0c"), 1, 4, "U+0000"},
    {IN("* \x1B[m"), 1, 3, "U+001B"},
    {IN("A b\rc"), 1, 4, "U+000D"},
    {IN("A b 'c\x7F'"), 1, 7, "U+007F"},
    {IN("A b 'c\xC2\x9B'"), 1, 7, "U+009B"},
    {IN("A b 'J\xF6rg'"), 1, 7, "X'F6' is not valid UTF-8"},
    {IN("A b\n* \xED\xA0\x80"), 2, 3, "UTF-8"},
    {IN("A b\n\xEF\xBB\xBF"
        "C d"),
     2, 1, "A-Z"},
};

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(faults); i++)
        assert_fault(faults[i].text, faults[i].line, faults[i].column, faults[i].says);
}

static void test_clashes(void **state)
{
    static const struct fault cases[] = {
        {IN("A b\nC d\na e"), 3, 1, "user ID is also the user ID of line 1"},
        {IN("A b\nC d\nE B"), 3, 3, "mail name is also the mail name of line 1"},
        {IN("A b\n*\nC a"), 3, 3, "mail name is also the user ID of line 1"},
        {IN("A b\n  B c"), 2, 3, "user ID is also the mail name of line 1"},
        {IN("A STRASSE\nC stra\xC3\x9F"
            "e"),
         2, 3, "mail name is also"},
        {IN("A \xC3\x96rn\nC  o\xCC\x88rN"), 2, 4, "mail name is also"},
        {IN("A \"x.y\"\nC X.y"), 2, 3, "mail name is also"},
        {IN("A \"x y\"\nC \"X\\ Y\""), 2, 3, "mail name is also"},
        /* The first error of the file is told, whatever its kind. */
        {IN("A b\nA c\nD .e"), 2, 1, "user ID is also"},
        {IN("A b\nD .e\nA c"), 2, 3, "quotes"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_fault(cases[i].text, cases[i].line, cases[i].column, cases[i].says);
}

static void test_line_length(void **state)
{
    struct buf b = {0};
    struct usertable *t;
    struct diag d;

    (void)state;
    buf_adds(&b, "A b '");
    buf_fill(&b, 'x', ENTRY_LINE_MAX - 6);
    buf_adds(&b, "'\r\n");
    t = usertable_parse(BUF_SPAN(&b), &d);
    assert_non_null(t);
    usertable_free(t);
    buf_clear(&b);
    buf_adds(&b, "A b '");
    buf_fill(&b, 'x', ENTRY_LINE_MAX - 5);
    buf_addc(&b, '\'');
    assert_fault(BUF_SPAN(&b), 1, ENTRY_LINE_MAX + 1, "32769 octets");
    buf_free(&b);
}

static double seconds(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 10 MiB without a line end, of octets that a slow scanner would read again and again. */
static void test_endless_line(void **state)
{
    static const char octets[] = {'x', '\'', '"', ' ', '\\', '*', '('};
    struct buf b = {0};
    double start = seconds();

    (void)state;
    for (size_t i = 0; i < sizeof(octets); i++) {
        buf_clear(&b);
        buf_adds(&b, "A b '");
        buf_fill(&b, octets[i], 10 << 20);
        assert_false(b.failed);
        assert_fault(BUF_SPAN(&b), 1, ENTRY_LINE_MAX + 1, "at most");
    }
    assert_true(seconds() - start < 5);
    buf_free(&b);
}

/* A mail name has 64 octets, quotes and all. */
static void test_name_length(void **state)
{
    struct buf b = {0};
    struct usertable *t;
    struct user u;
    struct diag d;

    (void)state;
    buf_adds(&b, "A ");
    buf_fill(&b, 'n', ADDRESS_LOCAL_MAX);
    t = usertable_parse(BUF_SPAN(&b), &d);
    assert_non_null(t);
    assert_true(usertable_find(t, span_from(BUF_SPAN(&b), 2), &u));
    usertable_free(t);
    buf_addc(&b, 'n');
    assert_fault(BUF_SPAN(&b), 1, 3 + ADDRESS_LOCAL_MAX, "64 octets");
    buf_free(&b);
}

/* Cut short anywhere, a table is good or has an error, and nothing behind the cut is read. */
static void test_truncation(void **state)
{
    const char *whole = "\xEF\xBB\xBF* c\r\nA1 \"b \\\"c\" LOGIN(d) FORWARD(<\"e)\"@f>) 'g''h'\n"
                        "B j\xC3\xB6rg\n";
    (void)state;
    for (size_t n = 0; n <= strlen(whole); n++) {
        char *cut = test_malloc(n + (n == 0));
        struct diag d = {0};
        struct usertable *t;

        memcpy(cut, whole, n);
        t = usertable_parse((struct span){cut, n}, &d);
        assert_true(t != NULL || (d.line >= 1 && d.column >= 1 && d.text[0] != '\0'));
        if (n == strlen(whole))
            assert_int_equal(usertable_count(t), 2);
        usertable_free(t);
        test_free(cut);
    }
}

static const char people[] = "* the seed's user\n"
                             "CZQ14CD  CDoaks  'Carol Doaks'\n"
                             "JOERG    j\xC3\xB6rg.stra\xC3\x9F"
                             "e LOGIN(joe)\n"
                             "SALES    \"Sales Dept\" LOGIN(joe)\n"
                             "CAR      car\n"
                             "A@B      ab LOGIN(CAR)\n";

static void test_find(void **state)
{
    static const struct {
        struct span text;
        const char *userid;
    } cases[] = {
        {IN("CZQ14CD"), "CZQ14CD"},
        {IN("czq14cd"), "CZQ14CD"},
        {IN("cdoaks"), "CZQ14CD"},
        {IN("CDOAKS"), "CZQ14CD"},
        {IN("J\xC3\x96RG.STRASSE"), "JOERG"},
        {IN("jo\xCC\x88rg.stra\xC3\x9F"
            "e"),
         "JOERG"},
        {IN("sales dept"), "SALES"},
        {IN("car"), "CAR"},
        {IN("a@b"), "A@B"},
        {IN("a{b"), NULL},
        {IN("CZQ14C\x7F"), NULL},
        {IN("CZQ14C"), NULL},
        {IN("CZQ14CDX"), NULL},
        {IN("cdoak"), NULL},
        {IN("cdoaks\0"), NULL},
        {IN("cdoaks\0x"), NULL},
        {IN("CZQ14CD\0"), NULL},
        {IN("\"sales dept\""), NULL},
        {IN("joe"), NULL},
        {IN("jorg.strasse"), NULL},
        {IN("j\xF6rg"), NULL},
        {IN(""), NULL},
    };
    struct usertable *t = table(people);
    struct user u;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = usertable_find(t, cases[i].text, &u);

        if (found != (cases[i].userid != NULL))
            fail_msg("%s: %s", cases[i].text.p, found ? u.userid : "not found");
        if (found)
            assert_string_equal(u.userid, cases[i].userid);
    }
    usertable_free(t);
}

static void test_empty_table(void **state)
{
    struct usertable *t = table("");
    struct user u;

    (void)state;
    assert_int_equal(usertable_count(t), 0);
    assert_false(usertable_find(t, SPAN("a"), &u));
    assert_false(usertable_find_login(t, SPAN("a"), &u));
    assert_int_equal(usertable_complete(t, SPAN(""), &u, 1), 0);
    usertable_free(t);
    usertable_free(NULL);
    t = usertable_parse((struct span){NULL, 0}, &(struct diag){0});
    assert_non_null(t);
    usertable_free(t);
}

/* The login is exact; without LOGIN it is the user ID in small letters; the first entry counts. */
static void test_find_login(void **state)
{
    static const struct {
        struct span login;
        const char *userid;
    } cases[] = {
        {IN("czq14cd"), "CZQ14CD"}, {IN("CZQ14CD"), NULL},
        {IN("cdoaks"), NULL},       {IN("joe"), "JOERG"},
        {IN("joerg"), NULL},        {IN("sales"), NULL},
        {IN("car"), "CAR"},         {IN("CAR"), "A@B"},
        {IN("a@b"), NULL},          {IN(""), NULL},
        {IN("car\0"), NULL},        {IN("joe\0x"), NULL},
    };
    struct usertable *t = table(people);
    struct user u;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = usertable_find_login(t, cases[i].login, &u);

        if (found != (cases[i].userid != NULL))
            fail_msg("%s: %s", cases[i].login.p, found ? u.userid : "not found");
        if (found)
            assert_string_equal(u.userid, cases[i].userid);
    }
    usertable_free(t);
}

/* An entry whose own login was given and one that has it by default: the earlier wins. */
static void test_login_order(void **state)
{
    struct usertable *t = table("BOB b\nX x LOGIN(bob)");
    struct user u;

    (void)state;
    assert_true(usertable_find_login(t, SPAN("bob"), &u));
    assert_string_equal(u.userid, "BOB");
    usertable_free(t);
    t = table("X x LOGIN(bob)\nBOB b");
    assert_true(usertable_find_login(t, SPAN("bob"), &u));
    assert_string_equal(u.userid, "X");
    usertable_free(t);
}

static void test_may_send(void **state)
{
    static const struct {
        const char *login, *from;
        bool may;
    } cases[] = {
        {"czq14cd", "CZQ14CD@myhost.arpa", true},
        {"czq14cd", "<CDoaks@MYHOST.ARPA>", true},
        {"czq14cd", "cdoaks@MyHost.Arpa", true},
        {"czq14cd", "CDoaks@otherhost.arpa", false},
        {"czq14cd", "CDoaks@myhost.arpa.example", false},
        {"czq14cd", "car@myhost.arpa", false},
        {"czq14cd", "nobody@myhost.arpa", false},
        {"CZQ14CD", "cdoaks@myhost.arpa", false},
        {"czq14c", "cdoaks@myhost.arpa", false},
        {"joe", "\"sales dept\"@myhost.arpa", true},
        {"joe", "joerg@myhost.arpa", true},
        {"joerg", "joerg@myhost.arpa", false},
        {"joe", "joe@myhost.arpa", false},
        {"", "cdoaks@myhost.arpa", false},
        {"czq14cd", "<>", false},
        {"czq14cd", "cdoaks", false},
    };
    struct usertable *t = table(people);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address from;

        assert_int_equal(address_parse(span_of(cases[i].from),
                                       ADDRESS_BARE_OK | ADDRESS_NULL_OK | ADDRESS_LOCAL_OK, &from,
                                       NULL),
                         ADDRESS_GOOD);
        if (usertable_may_send(t, span_of(cases[i].login), &from, SPAN("MYHOST.ARPA")) !=
            cases[i].may)
            fail_msg("%s as %s", cases[i].login, cases[i].from);
        assert_false(usertable_may_send(t, span_of(cases[i].login), &from, SPAN("")));
    }
    usertable_free(t);
}

static void test_complete(void **state)
{
    static const struct {
        struct span prefix;
        const char *userids[5];
    } cases[] = {
        {IN("c"), {"CZQ14CD", "CAR"}},
        {IN("CD"), {"CZQ14CD"}},
        {IN("J\xC3\x96"), {"JOERG"}},
        {IN("sales d"), {"SALES"}},
        {IN(""), {"CZQ14CD", "JOERG", "SALES", "CAR"}},
        {IN("car"), {"CAR"}},
        {IN("carx"), {NULL}},
        {IN("czq14cdx"), {NULL}},
        {IN("c\0"), {NULL}},
        {IN("\xFF"), {NULL}},
    };
    struct usertable *t = table(people);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct user out[4];
        size_t n = usertable_complete(t, cases[i].prefix, out, COUNT(out));

        for (size_t k = 0; k < n; k++)
            same(out[k].userid, cases[i].userids[k]);
        assert_null(cases[i].userids[n]);
    }
    assert_int_equal(usertable_complete(t, SPAN("c"), NULL, 0), 0);
    usertable_free(t);
}

static void test_user_address(void **state)
{
    struct usertable *t = table(people);
    struct buf host = {0};
    struct address a;
    struct user u;

    (void)state;
    assert_true(usertable_find(t, SPAN("SALES"), &u));
    assert_true(user_address(&u, SPAN("myhost.arpa"), &a));
    assert_string_equal(a.text, "\"Sales Dept\"@myhost.arpa");
    assert_true(usertable_find(t, SPAN("JOERG"), &u));
    assert_true(user_address(&u, SPAN("[192.0.2.1]"), &a));
    assert_string_equal(a.text, "j\xC3\xB6rg.stra\xC3\x9F"
                                "e@[192.0.2.1]");
    assert_false(user_address(&u, SPAN(""), &a));
    assert_false(user_address(&u, SPAN("a b"), &a));
    assert_false(user_address(&u, SPAN("a\n"), &a));
    for (int i = 0; i < 125; i++)
        buf_adds(&host, "h.");
    buf_adds(&host, "h");
    assert_false(user_address(&u, BUF_SPAN(&host), &a));
    buf_free(&host);
    usertable_free(t);
}

/* Enough entries to fill many batches and slots; all found again by every key. */
static void test_many(void **state)
{
    enum { MANY = 5000 };
    struct buf b = {0}, key = {0};
    struct usertable *t;
    struct user u;

    (void)state;
    for (int i = 0; i < MANY; i++)
        buf_printf(&b, "U%d name%d LOGIN(l%d)\n", i, i, i);
    t = table(buf_str(&b));
    assert_int_equal(usertable_count(t), MANY);
    for (int i = 0; i < MANY; i++) {
        buf_clear(&b);
        buf_printf(&b, "U%d", i);
        assert_true(usertable_find(t, BUF_SPAN(&b), &u));
        assert_string_equal(u.userid, buf_str(&b));
        buf_clear(&key);
        buf_printf(&key, "NAME%d", i);
        assert_true(usertable_find(t, BUF_SPAN(&key), &u));
        assert_string_equal(u.userid, buf_str(&b));
        buf_clear(&key);
        buf_printf(&key, "l%d", i);
        assert_true(usertable_find_login(t, BUF_SPAN(&key), &u));
        assert_string_equal(u.userid, buf_str(&b));
    }
    assert_false(usertable_find(t, SPAN("u5000"), &u));
    usertable_free(t);
    buf_free(&b);
    buf_free(&key);
}

static void test_load(void **state)
{
    char path[] = "/tmp/test_usertable.XXXXXX";
    struct diag d = {0};
    struct usertable *t;
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(path));
    assert_null(usertable_load(path, &d)); /* a directory */
    assert_int_equal(d.line, 0);
    assert_non_null(strstr(d.text, "no regular file"));
    assert_int_equal(rmdir(path), 0);
    assert_null(usertable_load(path, &d));
    assert_int_equal(d.line, 0);
    assert_non_null(strstr(d.text, "No such file"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(usertable_load(path, &d)); /* and does not wait for a writer */
    assert_non_null(strstr(d.text, "no regular file"));
    assert_int_equal(unlink(path), 0);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(people, f) >= 0);
    assert_int_equal(fclose(f), 0);
    t = usertable_load(path, &d);
    assert_non_null(t);
    assert_int_equal(usertable_count(t), 5);
    usertable_free(t);
    assert_int_equal(unlink(path), 0);
}

/* Joins the members by |. */
static void assert_members(const struct user *u, const char *want)
{
    struct buf got = {0};

    for (const char *m = user_member(u, NULL); m != NULL; m = user_member(u, m)) {
        if (got.len > 0)
            buf_addc(&got, '|');
        buf_adds(&got, m);
    }
    assert_string_equal(buf_str(&got), want);
    buf_free(&got);
}

static void test_members(void **state)
{
    static const struct {
        const char *forward, *members;
        bool list;
    } cases[] = {
        {"x@y", "x@y", false},
        {"b", "b", true},
        {"a", "a", false},
        {"alone", "alone", false},
        {"\"A\" x@y", "A|x@y", false},
        {"x@y,z@y", "x@y|z@y", true},
        {" , x@y\t,,<z@Y>,", "x@y|z@Y", true},
        {"<@r,@s:x@y> \"z, )\"@y", "x@y|\"z, )\"@y", true},
        {"b c x@y b", "b|c|x@y|b", true},
        {"b@site.example c@Mail.Example.ORG", "b@site.example|c@Mail.Example.ORG", true},
        {"alone@site.example", "alone@site.example", false},
        {"D", "D", true},
        {"\"d e\"", "\"d e\"", true},
        {"\"f@g\"", "\"f@g\"", true},
        {"J\xC3\x96RG", "J\xC3\x96RG", true},
    };
    struct diag d;
    struct site *site =
        site_parse(SPAN("SYSTEM HOST(mail.example.org)\nSMTP DOMAINS(site.example)\n"), "test", &d);
    struct buf b = {0};

    (void)state;
    assert_non_null(site);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct user u;

        buf_clear(&b);
        buf_printf(&b, "A alone FORWARD(%s)\nB b\nC c FORWARD(C c@far.example)\nD \"d e\"\n",
                   cases[i].forward);
        buf_adds(&b, "E j\xC3\xB6rg\nF \"f@g\"\n");
        struct usertable *t = usertable_parse_for(site, BUF_SPAN(&b), &d);
        if (t == NULL)
            fail_msg("%s: %zu:%zu: %s", cases[i].forward, d.line, d.column, d.text);
        usertable_entry(t, 0, &u);
        assert_members(&u, cases[i].members);
        assert_int_equal(u.list, cases[i].list);
        usertable_entry(t, 1, &u);
        assert_null(user_member(&u, NULL));
        assert_false(u.list);
        usertable_free(t);
    }
    site_free(site);
    buf_free(&b);
}

/* An address of the site is a name, where the site is known. */
static void test_members_of_the_site(void **state)
{
    static const struct span faulty = IN("A a FORWARD(x@far.example nobody@Site.Example)\n");
    struct diag d;
    struct site *site =
        site_parse(SPAN("SYSTEM HOST(mail.example.org)\nSMTP DOMAINS(site.example)\n"), "test", &d);

    (void)state;
    assert_null(usertable_parse_for(site, faulty, &d));
    assert_int_equal(d.line, 1);
    assert_int_equal(d.column, 27);
    assert_non_null(strstr(d.text, "nobody@Site.Example"));
    struct usertable *t = usertable_parse(faulty, &d);
    assert_non_null(t);
    usertable_free(t);
    assert_null(usertable_parse_for(
        site, SPAN("A a FORWARD(c@site.example)\nC c FORWARD(a@mail.example.org)\n"), &d));
    assert_non_null(strstr(d.text, "a list itself"));
    site_free(site);
}

static void test_many_members(void **state)
{
    struct buf b = {0};
    struct diag d;
    struct user u;
    size_t n = 0;

    (void)state;
    buf_adds(&b, "A a FORWARD(");
    for (int i = 0; i < ENTRY_MEMBERS_MAX; i++)
        buf_printf(&b, "%d@far.example ", i);
    size_t column = b.len + 1;
    buf_addc(&b, ')');
    struct usertable *t = usertable_parse(BUF_SPAN(&b), &d);
    assert_non_null(t);
    usertable_entry(t, 0, &u);
    for (const char *m = user_member(&u, NULL); m != NULL; m = user_member(&u, m))
        n++;
    assert_int_equal(n, ENTRY_MEMBERS_MAX);
    usertable_free(t);
    b.len--;
    buf_adds(&b, "x@y)");
    assert_fault(BUF_SPAN(&b), 1, column, "1,000 addresses at most");
    buf_free(&b);
}

/* The vectors of the authors: key 00 01 .. 0f, text 00 01 .. */
static void test_siphash(void **state)
{
    static const struct {
        size_t n;
        uint64_t hash;
    } cases[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {15, UINT64_C(0xa129ca6149be45e5)}, {63, UINT64_C(0x958a324ceb064572)},
    };
    unsigned char key[SIPHASH_KEY];
    char text[64];

    (void)state;
    for (int i = 0; i < 64; i++)
        text[i] = (char)i;
    for (int i = 0; i < SIPHASH_KEY; i++)
        key[i] = (unsigned char)i;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(siphash(key, (struct span){text, cases[i].n}) == cases[i].hash);
}

/* Keys that no entry can have are not found, whatever their length. */
static void keys_that_none_has(void **state)
{
    static const size_t lengths[] = {0, 1, 32, 33, 64, 65, 256, 257, 4000};
    static char ascii[4001], letters[8001];
    struct usertable *t;
    struct user u[2];
    struct diag d;

    (void)state;
    t = usertable_parse(SPAN("JOE{`@[ Joe 'Joe Doe'\nANN Ann 'Doe'\n"), &d);
    if (t == NULL)
        t = usertable_parse(SPAN("JOE Joe 'Joe Doe'\nANN Ann 'Doe'\n"), &d);
    assert_non_null(t);
    for (size_t i = 0; i < sizeof(ascii) - 1; i++) {
        ascii[i] = "x{`@["[i % 5];
        memcpy(letters + 2 * i, "\xC3\xA4", 2);
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_false(usertable_find(t, (struct span){ascii, lengths[i]}, u));
        assert_false(usertable_find(t, (struct span){letters, 2 * lengths[i]}, u));
        assert_false(usertable_find_login(t, (struct span){ascii, lengths[i]}, u));
    }
    assert_int_equal(usertable_named(t, SPAN(""), u, 2), 0);
    assert_int_equal(usertable_named(t, SPAN("doe"), u, 2), 2);
    assert_int_equal(usertable_named(t, SPAN("doe"), u, 1), 1);
    usertable_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_none_has),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_clashes),
        cmocka_unit_test(test_line_length),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_name_length),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_empty_table),
        cmocka_unit_test(test_find_login),
        cmocka_unit_test(test_login_order),
        cmocka_unit_test(test_may_send),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_user_address),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_siphash),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_many_members),
        cmocka_unit_test(test_members_of_the_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
