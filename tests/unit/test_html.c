/* Unit tests of HTML as text: entities, lines, links, and that nothing a reader should see can be
 * hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "jobs/printer/html.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct html_case {
    const char *html, *text;
};

static void check(const struct html_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf out = {0};
        assert_true(html_text(span_of(cases[i].html), &out));
        if (strcmp(buf_str(&out), cases[i].text) != 0)
            fail_msg("%s: %s", cases[i].html, buf_str(&out));
        buf_free(&out);
    }
}

static void tags_make_lines(void **state)
{
    static const struct html_case cases[] = {
        {"", ""},
        {"plain", "plain\n"},
        {" a  b\n\tc ", "a b c\n"},
        {"<p>one</p><p>two</p>", "one\n\ntwo\n"},
        {"<P CLASS=x>one<BR>two<br/>three", "one\ntwo\nthree\n"},
        {"a<br><br>b", "a\n\nb\n"},
        {"<div>a</div><div><div>b</div></div>c", "a\nb\nc\n"},
        {"<div>a</div><br>b", "a\n\nb\n"},
        {"<ul><li>one<li>two</ul>end", "* one\n* two\n\nend\n"},
        {"<table><tr><td>a</td><td>b</td></tr><tr><th>c<th>d</table>", "a b\nc d\n"},
        {"<pre>  a\r\n   b\n</pre>c", "  a\n   b\n\nc\n"},
        {"a<hr>b", "a\n--------\nb\n"},
        {"<b>bo</b>ld", "bold\n"},
        {"<p>  <p>  <p>x", "x\n"},
        {"</pre></pre>  a", "a\n"},
    };

    (void)state;
    check(cases, COUNT(cases));
}

static void entities_are_characters(void **state)
{
    static const struct html_case cases[] = {
        {"&lt;&gt;&amp;&quot;&apos;", "<>&\"'\n"},
        {"&eacute;&Auml;&szlig;&yuml;&nbsp;x", "\xC3\xA9\xC3\x84\xC3\x9F\xC3\xBF\xC2\xA0x\n"},
        {"&euro;&hellip;&mdash;", "\xE2\x82\xAC\xE2\x80\xA6\xE2\x80\x94\n"},
        {"&#65;&#x41;&#X61;", "AAa\n"},
        {"&#128;&#150;", "\xE2\x82\xAC\xE2\x80\x93\n"},
        {"&#0;&#xD800;&#1114112;&#99999999999999999999;", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF"
                                                          "\xBF\xBD\n"},
        {"&#10;a&#9;b", "a b\n"},
        {"&#27;[2J", "\033[2J\n"}, /* its printer makes it visible */
        {"AT&T &unknown; &; &# &#; &#x; &#12a; &lt", "AT&T &unknown; &; &# &#; &#x; &#12a; &lt\n"},
        {"&EACUTE;", "&EACUTE;\n"},
        {"&aVeryLongNameThatIsNoEntityAtAllInAnyTable;",
         "&aVeryLongNameThatIsNoEntityAtAllInAnyTable;\n"},
    };

    (void)state;
    check(cases, COUNT(cases));
}

static void links_tell_where_they_lead(void **state)
{
    static const struct html_case cases[] = {
        {"<a href=\"http://x/\">bank</a>", "bank <http://x/>\n"},
        {"<a href='http://x/?a=1&amp;b=2'>y</a>.", "y <http://x/?a=1&b=2>.\n"},
        {"<a href=http://x/>http://x/</a>", "http://x/\n"},
        {"<a class=\"a > b\" href=z>y</a>", "y <z>\n"},
        {"<a href=\"#top\">up</a>", "up\n"},
        {"<a name=here>here</a>", "here\n"},
        {"<a href=one>a<a href=two>b", "a <one>b <two>\n"},
        {"<a HREF = \"x\" >y</A>", "y <x>\n"},
        {"<img src=x alt=\"a &lt; b\"><img alt=''><img src=\"http://spy/\">", "[a < b]\n"},
    };

    (void)state;
    check(cases, COUNT(cases));
}

static void what_is_no_text_is_left_out(void **state)
{
    static const struct html_case cases[] = {
        {"<title>t</title><style>p{}</style><script>if (a<b) x()</script>y", "y\n"},
        {"<SCRIPT>x</Script >y", "y\n"},
        {"a<!-- <p>b -->c<!DOCTYPE html><?xml?>d", "acd\n"},
    };

    (void)state;
    check(cases, COUNT(cases));
}

static void nothing_can_be_hidden(void **state)
{
    static const struct html_case cases[] = {
        {"a <!-- b", "a <!-- b\n"},
        {"a<!-->b<!--->c", "abc\n"},
        {"a<!-- x --!>b", "ab\n"},
        {"a <b title=\"c", "a <b title=\"c\n"},
        {"a <b c <d>e</d>", "a e\n"},
        {"a <p title=it's>b's</p>", "a\n\nb's\n"},
        {"<script>var x = 1; y", "var x = 1; y\n"},
        {"<style>a <style>b", "a b\n"},
        {"1 < 2 <3 </ <> x", "1 < 2 <3 </ <> x\n"},
        {"<", "<\n"},
        {"a<", "a<\n"},
        {"a</", "a</\n"},
        {"<a href=\"", "<a href=\"\n"},
        {"<!", "<!\n"},
    };

    (void)state;
    check(cases, COUNT(cases));
}

static void octets_pass_through(void **state)
{
    struct buf out = {0};

    (void)state;
    assert_true(html_text((struct span){"a\0\xFF\x9B<b\0>c", 9}, &out));
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.data,
                        "a\0\xFF\x9B"
                        "c\n",
                        6);
    buf_free(&out);
}

static void it_appends(void **state)
{
    struct buf out = {0};

    (void)state;
    buf_adds(&out, "before\n");
    assert_true(html_text(SPAN("<p>x"), &out));
    assert_string_equal(buf_str(&out), "before\nx\n");
    buf_free(&out);
}

/* Each of these once took a look at the rest of the input for every octet of it. */
static void time_is_in_proportion(void **state)
{
    static const char *const pieces[] = {"<a \"", "<a href=\"", "<!--", "<script>",
                                         "&amp",  "<a href=x",  "</",   "<",
                                         "<pre>", "<!",         "&#1",  "<img alt='"};

    (void)state;
    const struct itimerval most = {.it_value = {.tv_sec = 60}}, none = {0};

    setitimer(ITIMER_VIRTUAL, &most, NULL); /* then the program ends, and the test has failed */
    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct buf in = {0}, out = {0};
        while (in.len < 4 << 20)
            buf_adds(&in, pieces[i]);
        assert_true(html_text(BUF_SPAN(&in), &out));
        assert_true(out.len <= in.len + 1);
        buf_free(&in);
        buf_free(&out);
    }
    setitimer(ITIMER_VIRTUAL, &none, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_make_lines),
        cmocka_unit_test(entities_are_characters),
        cmocka_unit_test(links_tell_where_they_lead),
        cmocka_unit_test(what_is_no_text_is_left_out),
        cmocka_unit_test(nothing_can_be_hidden),
        cmocka_unit_test(octets_pass_through),
        cmocka_unit_test(it_appends),
        cmocka_unit_test(time_is_in_proportion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
