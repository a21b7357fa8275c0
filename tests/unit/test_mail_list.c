/* Unit tests of jobs/postoffice/mail_list: each mailbox once, in the order of the list. */
#include "jobs/postoffice/mail_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct address mailbox(const char *text)
{
    struct address a;

    assert_int_equal(address_parse(span_of(text), ADDRESS_BARE_OK, &a, NULL), ADDRESS_GOOD);
    return a;
}

static void assert_list(const struct mail_list *l, const char *const *want, size_t n)
{
    assert_int_equal(l->members, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(l->member[i].to.text, want[i]);
}

static void fill(struct mail_list *l, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct address a = mailbox(texts[i]);

        assert_true(mail_list_add(l, &a, i % 2 == 0 ? LIST_AWAY : LIST_HERE));
    }
}

static void each_once(void **state)
{
    static const char *const all[] = {"a@x", "b@x", "a@X", "A@x", "b@x", "c@x", "a@xy", "c@x"};
    static const char *const kept[] = {"b@x", "A@x", "c@x", "a@xy"};
    struct address had = mailbox("a@X");
    struct address_set set = {0};
    struct mail_list l = {0};
    bool failed = false;

    (void)state;
    fill(&l, all, 8);
    assert_true(address_set_add(&set, &had, &failed));
    assert_true(mail_list_once(&l, &set));
    assert_list(&l, kept, 4);
    assert_int_equal(mail_list_count(&l, LIST_HERE), 3); /* b, A, c */
    assert_int_equal(mail_list_count(&l, LIST_AWAY), 1);
    assert_false(failed);
    address_set_free(&set);
    mail_list_free(&l);
    assert_int_equal(l.members, 0);
}

static void two_lists(void **state)
{
    static const char *const one[] = {"a@x", "b@x"}, *const two[] = {"b@X", "c@x", "a@x"};
    static const char *const rest[] = {"c@x"};
    struct address_set set = {0};
    struct mail_list first = {0}, second = {0};

    (void)state;
    fill(&first, one, 2);
    fill(&second, two, 3);
    assert_true(mail_list_once(&first, &set));
    assert_true(mail_list_once(&second, &set));
    assert_list(&first, one, 2);
    assert_list(&second, rest, 1);
    assert_true(mail_list_once(&(struct mail_list){0}, &set));
    address_set_free(&set);
    mail_list_free(&first);
    mail_list_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_once),
        cmocka_unit_test(two_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
