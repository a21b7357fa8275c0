/* Unit tests of sndmsg/dialogue, recipients, cleartext and keys: lines in, output and actions out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sndmsg/cleartext.h"
#include "sndmsg/dialogue.h"
#include "sndmsg/keys.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define EXPLANATION                                                                                \
    "Enter message text, followed by empty line. Use \\x to cancel last line, or \\t to display "  \
    "msg.\n"

/* Knows joe, and a list of two. */
static bool find(void *arg, struct span name, enum recipient_field field, struct recipients *to)
{
    struct address a;

    (void)arg;
    if (span_eq_nocase(name, SPAN("joe"))) {
        address_parse(SPAN("Joe.Doe@example.org"), ADDRESS_BARE_OK, &a, NULL);
        return recipients_add(to, field, &a, SPAN("Joe Doe"));
    }
    if (!span_eq_nocase(name, SPAN("team")))
        return false;
    address_parse(SPAN("a@example.net"), ADDRESS_BARE_OK, &a, NULL);
    recipients_add(to, field, &a, SPAN(""));
    address_parse(SPAN("b@example.net"), ADDRESS_BARE_OK, &a, NULL);
    return recipients_add(to, field, &a, SPAN(""));
}

static const struct resolver resolver = {find, NULL};

/* What a session says to a line: phase after it, action, output, operand. */
struct step {
    const char *line;
    enum dialogue_phase phase;
    enum dialogue_action action;
    const char *out, *operand;
};

static void run(struct dialogue *d, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        enum dialogue_action action = dialogue_line(d, span_of(s->line), false);
        struct span operand = dialogue_operand(d);
        if (d->phase != s->phase || action != s->action ||
            strcmp(buf_str(&d->out), s->out ? s->out : "") != 0 ||
            !span_eq(operand, span_of(s->operand ? s->operand : "")))
            fail_msg("'%s': phase %d, action %d, said:\n%s\noperand '%.*s'", s->line, d->phase,
                     action, buf_str(&d->out), (int)operand.n, operand.p);
        buf_clear(&d->out);
    }
}

static void begin_text(struct dialogue *d)
{
    dialogue_begin(d, &resolver);
    dialogue_line(d, SPAN("a@b.example"), false);
    dialogue_line(d, SPAN(""), false);
    dialogue_line(d, SPAN("s"), false);
    assert_int_equal(d->phase, DIALOGUE_TEXT);
    buf_clear(&d->out);
}

static void the_session_of_the_seed(void **state)
{
    static const struct step steps[] = {
        {"abc@unix.md.company.com,xyz@unix.md.company.com.", DIALOGUE_CC, DIALOGUE_ASK, "", ""},
        {"mno@unix.md.company.com", DIALOGUE_SUBJECT, DIALOGUE_ASK, "", ""},
        {"new test", DIALOGUE_TEXT, DIALOGUE_ASK, EXPLANATION, ""},
        {".", DIALOGUE_TEXT, DIALOGUE_ADD, "", "."},
        {"message text", DIALOGUE_TEXT, DIALOGUE_ADD, "", "message text"},
        {"\\x", DIALOGUE_TEXT, DIALOGUE_CANCEL, "", ""},
        {"\\t", DIALOGUE_TEXT, DIALOGUE_SHOW, "", ""},
        {".f=OTAPXYZ.MYMESSGE.TEXT", DIALOGUE_TEXT, DIALOGUE_INCLUDE, "", "OTAPXYZ.MYMESSGE.TEXT"},
        {"", DIALOGUE_OVER, DIALOGUE_SEND, "", ""},
        {"after it", DIALOGUE_OVER, DIALOGUE_ASK, "", ""},
    };
    static const char *const prompts[] = {"To: ", "CC: ", "Subject: ", ""};
    const struct address *to[3];
    struct dialogue d;
    struct buf out = {0};

    (void)state;
    dialogue_begin(&d, &resolver);
    for (size_t i = 0; i < COUNT(steps); i++) {
        if (i < COUNT(prompts))
            assert_string_equal(dialogue_prompt(&d), prompts[i]);
        run(&d, &steps[i], 1);
    }
    assert_string_equal(dialogue_prompt(&d), "");
    assert_int_equal(recipients_unique(&d.recipients, to), 3);
    for (size_t i = 0; i < 3; i++)
        dialogue_result(&out, to[i], NULL);
    assert_string_equal(buf_str(&out), "-->abc@unix.md.company.com SPOOLED\n"
                                       "-->xyz@unix.md.company.com SPOOLED\n"
                                       "-->mno@unix.md.company.com SPOOLED\n");
    buf_clear(&out);
    dialogue_result(&out, to[0], "the disk is full");
    assert_string_equal(buf_str(&out),
                        "-->abc@unix.md.company.com NOT SPOOLED: the disk is full\n");
    buf_free(&out);
    dialogue_free(&d);
}

static void the_herald_has_the_form_of_the_seed(void **state)
{
    static const struct {
        struct tm tm;
        const char *want;
    } cases[] = {
        {{.tm_year = 91,
          .tm_mon = 0,
          .tm_mday = 13,
          .tm_wday = 3,
          .tm_hour = 16,
          .tm_min = 40,
          .tm_sec = 47,
          .tm_zone = "EST"},
         "**SNDMSG ** WED, 13 JAN 91 16:40:47 EST\n"},
        {{.tm_year = 100, .tm_mon = 11, .tm_mday = 1, .tm_wday = 5, .tm_zone = "UTC"},
         "**SNDMSG ** FRI, 01 DEC 00 00:00:00 UTC\n"},
        {{.tm_year = 200, .tm_mon = 1, .tm_mday = 28, .tm_wday = 0, .tm_zone = "\033[2J"},
         "**SNDMSG ** SUN, 28 FEB 00 00:00:00 \\x1B[2J\n"},
        {{.tm_year = -1, .tm_mon = 1, .tm_mday = 2, .tm_wday = 6, .tm_zone = NULL},
         "**SNDMSG ** SAT, 02 FEB 99 00:00:00 \n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        assert_true(dialogue_herald(&out, &cases[i].tm));
        assert_string_equal(buf_str(&out), cases[i].want);
        buf_free(&out);
    }
}

static void refused_addresses_are_marked_and_asked_again(void **state)
{
    static const struct {
        const char *line, *mark; /* the line and the caret under it */
    } cases[] = {
        {"joe@@x.example", "    joe@@x.example\n        ^ "},
        {"a@b.example,, c@d.example", "    a@b.example,, c@d.example\n                ^ "},
        {",a@b.example", "    ,a@b.example\n    ^ "},
        {"a@b.example c@d.example", "    a@b.example c@d.example\n               ^ "},
        {"a@b.example, jim", "    a@b.example, jim\n                 ^ "},
        {"Joe <joe@", "    Joe <joe@\n             ^ "},
        {"Joe <joe@x.example> more", "    Joe <joe@x.example> more\n                       ^ "},
        {"<>", "    <>\n     ^ "},
        {"\"Joe@x.example", "    \"Joe@x.example\n                  ^ "},
        {"a\033[2J@x.example", "    a\\x1B[2J@x.example\n     ^ control character X'1B'"},
        {"a@b.example\001", "    a@b.example\\x01\n               ^ control character X'01'"},
        {"J\xC3\xB6rg <j@x..example>", "    J\xC3\xB6rg <j@x..example>\n              ^ "},
        {"a\xFF@x.example", "    a\\xFF@x.example\n     ^ octet X'FF' is no UTF-8"},
        {"a\xE2\x80\xAE@x.example", "    a\\u{202E}@x.example\n     ^ control character U+202E"},
        {"a@b.example, -", "    a@b.example, -\n                 ^ no nickname"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@@b.example, "
         "ccccccccccccccccccccccccccccccccccccccccccccccccccc",
         "    ...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@@b.example, cccccccccccc...\n"
         "                                               ^ "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dialogue d;
        dialogue_begin(&d, &resolver);
        assert_int_equal(dialogue_line(&d, span_of(cases[i].line), false), DIALOGUE_ASK);
        if (strncmp(buf_str(&d.out), cases[i].mark, strlen(cases[i].mark)) != 0)
            fail_msg("%s:\n%s\nnot\n%s", cases[i].line, buf_str(&d.out), cases[i].mark);
        assert_true(d.refused);
        assert_int_equal(d.phase, DIALOGUE_TO);
        assert_int_equal(d.recipients.count, 0);
        buf_clear(&d.out);
        /* Asked again. */
        dialogue_line(&d, SPAN("a@b.example"), false);
        assert_false(d.refused);
        assert_int_equal(d.phase, DIALOGUE_CC);
        dialogue_free(&d);
    }
}

static void lists_of_addresses(void **state)
{
    static const struct {
        const char *line, *want; /* name|address, separated by blanks */
    } cases[] = {
        {"a@b.example", "|a@b.example"},
        {" a@b.example ,  c@d.example ", "|a@b.example |c@d.example"},
        {"a@b.example.", "|a@b.example"},
        {"<a@b.example>", "|a@b.example"},
        {"Joe Doe <j@x.example>", "Joe_Doe|j@x.example"},
        {"\"Doe, Joe\" <j@x.example>,a@b.example", "Doe,_Joe|j@x.example |a@b.example"},
        {"\"a \\\"quoted\\\" name\" <j@x.example>", "a_\"quoted\"_name|j@x.example"},
        {"\"with < and >\" <j@x.example>", "with_<_and_>|j@x.example"},
        {"\"quoted local, part\"@x.example", "|\"quoted_local,_part\"@x.example"},
        {"\"a\"@x.example", "|a@x.example"},
        {"a@[10.10.0.1]", "|a@[10.10.0.1]"},
        {"a@[IPv6:::1]", "|a@[IPv6:::1]"},
        {"<@r.example,@s.example:a@b.example>, c@d.example", "|a@b.example |c@d.example"},
        {"joe", "Joe_Doe|Joe.Doe@example.org"},
        {"JOE.", "Joe_Doe|Joe.Doe@example.org"},
        {"<joe>", "Joe_Doe|Joe.Doe@example.org"},
        {"team, joe", "|a@example.net |b@example.net Joe_Doe|Joe.Doe@example.org"},
        {"J\xC3\xB6rg <j@x.example>", "J\xC3\xB6rg|j@x.example"},
        {"\xC3\xBC@x.example", "|\xC3\xBC@x.example"},
        {"Joe\tDoe <j@x.example>", "Joe_Doe|j@x.example"},
        {"", ""},
        {"   ", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct recipients r = {0};
        struct buf got = {0};
        struct diag d;
        if (recipients_take(&r, RECIPIENT_TO, span_of(cases[i].line), &resolver, &d) !=
            RECIPIENTS_GOOD)
            fail_msg("%s: %s", cases[i].line, d.text);
        for (size_t k = 0; k < r.count; k++) {
            buf_adds(&got, k > 0 ? " " : "");
            for (const char *p = r.list[k].name ? r.list[k].name : ""; *p != '\0'; p++)
                buf_addc(&got, *p == ' ' ? '_' : *p);
            buf_addc(&got, '|');
            for (const char *p = r.list[k].address.text; *p != '\0'; p++)
                buf_addc(&got, *p == ' ' ? '_' : *p);
        }
        assert_string_equal(buf_str(&got), cases[i].want);
        buf_free(&got);
        recipients_free(&r);
    }
}

static void a_list_goes_on_behind_a_comma(void **state)
{
    static const struct step steps[] = {
        {"a@b.example,", DIALOGUE_TO, DIALOGUE_ASK, "", ""},
        {"joe, ", DIALOGUE_TO, DIALOGUE_ASK, "", ""},
        {"c@d.example", DIALOGUE_CC, DIALOGUE_ASK, "", ""},
        {"Bcc: x@y.example,", DIALOGUE_CC, DIALOGUE_ASK, "", ""},
        {"z@y.example", DIALOGUE_CC, DIALOGUE_ASK, "", ""},
        {"e@f.example,", DIALOGUE_CC, DIALOGUE_ASK, "", ""},
        {"", DIALOGUE_SUBJECT, DIALOGUE_ASK, "", ""},
    };
    struct dialogue d;

    (void)state;
    dialogue_begin(&d, &resolver);
    run(&d, steps, 1);
    assert_string_equal(dialogue_prompt(&d), "    ");
    run(&d, steps + 1, COUNT(steps) - 1);
    assert_int_equal(recipients_in(&d.recipients, RECIPIENT_TO), 3);
    assert_int_equal(recipients_in(&d.recipients, RECIPIENT_BCC), 2);
    assert_int_equal(recipients_in(&d.recipients, RECIPIENT_CC), 1);
    dialogue_free(&d);
}

static void other_fields_can_be_typed(void **state)
{
    static const struct step steps[] = {
        {"Reply-To: joe", DIALOGUE_TO, DIALOGUE_ASK, "", ""},
        {"bcc:x@y.example", DIALOGUE_TO, DIALOGUE_ASK, "", ""},
        {"CC: c@d.example", DIALOGUE_TO, DIALOGUE_ASK, "", ""},
        {"To: a@b.example", DIALOGUE_CC, DIALOGUE_ASK, "", ""},
        {"To: e@b.example", DIALOGUE_CC, DIALOGUE_ASK, "", ""},
        {"", DIALOGUE_SUBJECT, DIALOGUE_ASK, "", ""},
    };
    static const struct step hidden[] = {
        {"Bcc: x@y.example", DIALOGUE_TO, DIALOGUE_ASK, "", ""},
        {"", DIALOGUE_CC, DIALOGUE_ASK, "", ""}, /* only blind copies: lawful */
    };
    static const struct step nobody[] = {
        {"", DIALOGUE_TO, DIALOGUE_ASK,
         "    \n    ^ type at least one address, such as user@example.org\n", ""},
        {"Reply-To: x@y.example", DIALOGUE_TO, DIALOGUE_ASK, "", ""},
        {"  ", DIALOGUE_TO, DIALOGUE_ASK,
         "      \n      ^ type at least one address, such as user@example.org\n", ""},
    };
    static const struct step wrong[] = {
        {"Bcc: x@@y", DIALOGUE_TO, DIALOGUE_ASK,
         "    Bcc: x@@y\n           ^ the domain is not of the form host.example.org: letters, "
         "digits and inner hyphens, 63 at most between dots\n",
         ""},
    };
    struct dialogue d;

    (void)state;
    dialogue_begin(&d, &resolver);
    run(&d, steps, COUNT(steps));
    assert_int_equal(recipients_in(&d.recipients, RECIPIENT_TO), 2);
    assert_int_equal(recipients_in(&d.recipients, RECIPIENT_REPLY_TO), 1);
    dialogue_free(&d);
    dialogue_begin(&d, &resolver);
    run(&d, hidden, COUNT(hidden));
    dialogue_free(&d);
    dialogue_begin(&d, &resolver);
    run(&d, nobody, COUNT(nobody));
    dialogue_free(&d);
    dialogue_begin(&d, &resolver);
    run(&d, wrong, COUNT(wrong));
    dialogue_free(&d);
}

static void who_stands_twice_has_one_copy(void **state)
{
    const struct address *to[16];
    struct recipients r = {0};
    struct diag d;

    (void)state;
    recipients_take(&r, RECIPIENT_BCC, SPAN("b@x.example, c@x.example"), NULL, &d);
    recipients_take(&r, RECIPIENT_CC, SPAN("b@X.EXAMPLE, a@x.example"), NULL, &d);
    recipients_take(&r, RECIPIENT_TO, SPAN("a@x.example, Joe <a@x.Example>, A@x.example"), NULL,
                    &d);
    recipients_take(&r, RECIPIENT_REPLY_TO, SPAN("r@x.example"), NULL, &d);
    assert_int_equal(r.count, 8);
    assert_int_equal(recipients_unique(&r, to), 4);
    assert_string_equal(to[0]->text, "a@x.example");
    assert_string_equal(to[1]->text, "A@x.example");
    assert_string_equal(to[2]->text, "b@X.EXAMPLE");
    assert_string_equal(to[3]->text, "c@x.example");
    recipients_free(&r);
}

static void there_is_a_most_of_recipients(void **state)
{
    struct recipients r = {0};
    struct buf line = {0};
    struct diag d;

    (void)state;
    for (int i = 0; i < RECIPIENTS_MAX; i++)
        buf_printf(&line, "%su%d@x.example", i > 0 ? "," : "", i);
    assert_int_equal(recipients_take(&r, RECIPIENT_TO, BUF_SPAN(&line), NULL, &d), RECIPIENTS_GOOD);
    assert_int_equal(r.count, RECIPIENTS_MAX);
    assert_int_equal(recipients_take(&r, RECIPIENT_CC, SPAN("a@x.example"), NULL, &d),
                     RECIPIENTS_BAD);
    assert_non_null(strstr(d.text, "5,000"));
    recipients_free(&r);
    buf_clear(&line);
    buf_fill(&line, 'n', RECIPIENT_NAME_MAX + 1);
    buf_adds(&line, " <a@x.example>");
    assert_int_equal(recipients_take(&r, RECIPIENT_CC, BUF_SPAN(&line), NULL, &d), RECIPIENTS_BAD);
    assert_int_equal(recipients_take(&r, RECIPIENT_CC, SPAN("joe"), NULL, &d), RECIPIENTS_UNKNOWN);
    recipients_free(&r);
    buf_free(&line);
}

static void a_list_cut_anywhere_is_no_danger(void **state)
{
    static const char line[] =
        "\"Doe, \\\"J\\\"\" <@r.example:joe@x.example>, joe, \"q \"@[10.1.2.3],";

    (void)state;
    for (size_t n = 0; n < sizeof(line); n++) {
        struct recipients r = {0};
        struct diag d;
        char *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, line, n);
        recipients_take(&r, RECIPIENT_TO, (struct span){copy, n}, &resolver, &d);
        recipients_free(&r);
        if (n > 0) {
            copy[n - 1] = '\0';
            assert_int_equal(
                recipients_take(&r, RECIPIENT_TO, (struct span){copy, n}, &resolver, &d),
                RECIPIENTS_BAD);
            assert_int_equal(r.count, 0);
            recipients_free(&r);
        }
        free(copy);
    }
}

static void subjects(void **state)
{
    struct buf longest = {0};
    struct dialogue d;

    (void)state;
    dialogue_begin(&d, &resolver);
    dialogue_line(&d, SPAN("a@b.example"), false);
    dialogue_line(&d, SPAN(""), false);
    dialogue_line(&d, SPAN("red \033[31m"), false);
    assert_int_equal(d.phase, DIALOGUE_SUBJECT);
    assert_string_equal(buf_str(&d.out),
                        "    red \\x1B[31m\n        ^ control character X'1B': remove it\n");
    buf_fill(&longest, 'x', DIALOGUE_SUBJECT_MAX + 1);
    dialogue_line(&d, BUF_SPAN(&longest), false);
    assert_int_equal(d.phase, DIALOGUE_SUBJECT);
    dialogue_line(&d, SPAN("  tab\there  \r"), false);
    assert_int_equal(d.phase, DIALOGUE_TEXT);
    assert_string_equal(buf_str(&d.subject), "tab here");
    buf_free(&longest);
    dialogue_free(&d);
}

static void lines_of_text(void **state)
{
    static const struct step steps[] = {
        {" ", DIALOGUE_TEXT, DIALOGUE_ADD, "", " "},
        {"\\x ", DIALOGUE_TEXT, DIALOGUE_CANCEL, "", ""},
        {"\\X", DIALOGUE_TEXT, DIALOGUE_CANCEL, "", ""},
        {"\\T", DIALOGUE_TEXT, DIALOGUE_SHOW, "", ""},
        {"\\x y", DIALOGUE_TEXT, DIALOGUE_ADD, "", "\\x y"},
        {"\\y", DIALOGUE_TEXT, DIALOGUE_ADD, "", "\\y"},
        {" .f=X", DIALOGUE_TEXT, DIALOGUE_ADD, "", " .f=X"},
        {".F= X,IBM-1047 ", DIALOGUE_TEXT, DIALOGUE_INCLUDE, "", "X,IBM-1047"},
        {".a=/tmp/x y", DIALOGUE_TEXT, DIALOGUE_ATTACH, "", "/tmp/x y"},
        {".f=", DIALOGUE_TEXT, DIALOGUE_ASK,
         "    .f=\n       ^ name a data set or a path behind .f=\n", ""},
        {".a=  ", DIALOGUE_TEXT, DIALOGUE_ASK, "    .a=  \n         ^ name a path behind .a=\n",
         ""},
        {"..f=x", DIALOGUE_TEXT, DIALOGUE_ADD, "", "..f=x"},
        {"tab\tkept\r", DIALOGUE_TEXT, DIALOGUE_ADD, "", "tab\tkept"},
        {"a\033b\x7F\x01", DIALOGUE_TEXT, DIALOGUE_ADD, "(3 control characters dropped)\n", "ab"},
        {"a\xC2\x9B"
         "b",
         DIALOGUE_TEXT, DIALOGUE_ADD, "(1 control character dropped)\n", "ab"},
        {"a\xE2\x80\xAE"
         "b",
         DIALOGUE_TEXT, DIALOGUE_ADD, "(1 control character dropped)\n", "ab"},
        {"a\xFF"
         "b",
         DIALOGUE_TEXT, DIALOGUE_ADD, "(1 octet is no UTF-8: replaced by U+FFFD)\n",
         "a\xEF\xBF\xBD"
         "b"},
        {"\xC3\xA4\xE2\x82\xAC", DIALOGUE_TEXT, DIALOGUE_ADD, "", "\xC3\xA4\xE2\x82\xAC"},
        {"\033[200~pasted\033[201~ and typed", DIALOGUE_TEXT, DIALOGUE_ADD, "", "pasted and typed"},
        {"\r", DIALOGUE_OVER, DIALOGUE_SEND, "", ""},
    };
    struct dialogue d;

    (void)state;
    begin_text(&d);
    run(&d, steps, COUNT(steps));
    dialogue_free(&d);
}

static void every_octet_is_kept_dropped_or_replaced(void **state)
{
    struct dialogue d;

    (void)state;
    begin_text(&d);
    for (unsigned c = 0; c < 256; c++) {
        char line[3] = {'a', (char)c, 'b'};
        assert_int_equal(dialogue_line(&d, (struct span){line, 3}, false), DIALOGUE_ADD);
        struct span got = dialogue_operand(&d);
        bool control = (c < 0x20 && c != '\t') || c == 0x7F;
        if (got.n != (control ? 2U : c < 0x80 ? 3U : 5U))
            fail_msg("octet %02X became %zu octets", c, got.n);
        for (size_t i = 0; i < got.n; i++)
            assert_true((unsigned char)got.p[i] >= 0x20 || got.p[i] == '\t');
        assert_true((d.out.len > 0) == (control || c >= 0x80));
        buf_clear(&d.out);
    }
    dialogue_free(&d);
}

static void pasted_lines_are_only_text(void **state)
{
    static const char *const lines[] = {"", "\\x", "\\t", ".f=/etc/passwd", ".a=/etc/passwd"};
    struct dialogue d;

    (void)state;
    begin_text(&d);
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_int_equal(dialogue_line(&d, span_of(lines[i]), true), DIALOGUE_ADD);
        assert_true(span_eq(dialogue_operand(&d), span_of(lines[i])));
        assert_int_equal(d.phase, DIALOGUE_TEXT);
    }
    dialogue_free(&d);
}

static void the_message_is_typed_back(void **state)
{
    struct dialogue d;
    struct buf out = {0};

    (void)state;
    dialogue_begin(&d, &resolver);
    dialogue_line(&d, SPAN("joe, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@x.example, b@x.example"), false);
    dialogue_line(&d, SPAN("Bcc: c@x.example"), false);
    dialogue_line(&d, SPAN(""), false);
    dialogue_line(&d, SPAN("gr\xC3\xBC\xC3\x9F"), false);
    assert_true(dialogue_show(&d, &out));
    assert_string_equal(buf_str(&out), "To: Joe Doe <Joe.Doe@example.org>,\n"
                                       "    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@x.example, "
                                       "b@x.example\n"
                                       "Bcc: c@x.example\n"
                                       "Subject: gr\xC3\xBC\xC3\x9F\n\n");
    buf_free(&out);
    dialogue_free(&d);
}

/* ---- keys */

/* What the editor would see: characters; <text> for pasted text, | for a pasted line end. */
static void feed(struct keys *k, const char *octets, struct buf *got)
{
    struct key key;

    for (const char *p = octets; *p != '\0'; p++)
        keys_put(k, (wchar_t)(unsigned char)*p);
    while (keys_take(k, &key)) {
        if (key.text != NULL) {
            buf_addc(got, '<');
            for (const wchar_t *w = key.text; *w != L'\0'; w++)
                buf_addc(got, (char)*w);
            buf_addc(got, '>');
            free(key.text);
        } else {
            buf_addc(got, key.pasted ? '|' : (char)key.character);
        }
    }
}

static void keys_tell_pasted_from_typed(void **state)
{
    static const struct {
        const char *in, *want;
        bool refused;
    } cases[] = {
        {"abc\r", "abc\r", false},
        {"\033[A", "\033[A", false},
        {"\033[200~text\033[201~x", "<text>x", false},
        {"\033[200~a\nb\r\nc\rd\033[201~", "<a>|<b>|<c>|<d>", false},
        {"\033[200~\n\n\033[201~", "||", false},
        {"\033[200~a\tb\033[201~", "<a\tb>", false},
        {"\033[200~a\033[31mb\033[201~", "<a[31mb>", true},
        {"\033[200~\033[200~a\033[201~", "<[200~a>", true},
        {"\033[200\033[200~a\033[201~", "\033[200<a>", false},
        {"\033\033[200~a\033[201~", "\033<a>", false},
        {"\033[200~a\033[20\033[201~b", "<a[20>b", true},
        {"\x1F", "", true}, /* the key of pasted text cannot be typed */
        {"\x7F\x01\x03", "\x7F\x01\x03", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct keys k;
        struct buf got = {0};
        keys_init(&k, 1000);
        feed(&k, cases[i].in, &got);
        if (strcmp(buf_str(&got), cases[i].want) != 0 || k.refused != cases[i].refused)
            fail_msg("case %zu: '%s'", i, buf_str(&got));
        buf_free(&got);
        keys_free(&k);
    }
}

static void keys_wait_for_the_rest_of_a_mark(void **state)
{
    struct keys k;
    struct buf got = {0};

    (void)state;
    keys_init(&k, 4);
    feed(&k, "\033[20", &got);
    assert_int_equal(got.len, 0);
    assert_true(keys_waiting(&k));
    keys_flush(&k);
    assert_false(keys_waiting(&k));
    feed(&k, "x", &got);
    assert_string_equal(buf_str(&got), "\033[20x");
    buf_clear(&got);
    feed(&k, "\033[200~123456\n\033[201~", &got);
    assert_string_equal(buf_str(&got), "<1234>|");
    assert_true(k.overlong);
    keys_put(&k, 0x202E);
    keys_put(&k, 0x9B);
    keys_put(&k, 0xD800);
    assert_true(k.refused);
    struct key key;
    assert_false(keys_take(&k, &key));
    keys_put(&k, 0x20AC);
    keys_put(&k, 0x1F600);
    assert_true(keys_take(&k, &key) && key.character == 0x20AC);
    assert_true(keys_take(&k, &key) && key.character == 0x1F600);
    buf_free(&got);
    keys_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_session_of_the_seed),
        cmocka_unit_test(the_herald_has_the_form_of_the_seed),
        cmocka_unit_test(refused_addresses_are_marked_and_asked_again),
        cmocka_unit_test(lists_of_addresses),
        cmocka_unit_test(a_list_goes_on_behind_a_comma),
        cmocka_unit_test(other_fields_can_be_typed),
        cmocka_unit_test(who_stands_twice_has_one_copy),
        cmocka_unit_test(there_is_a_most_of_recipients),
        cmocka_unit_test(a_list_cut_anywhere_is_no_danger),
        cmocka_unit_test(subjects),
        cmocka_unit_test(lines_of_text),
        cmocka_unit_test(every_octet_is_kept_dropped_or_replaced),
        cmocka_unit_test(pasted_lines_are_only_text),
        cmocka_unit_test(the_message_is_typed_back),
        cmocka_unit_test(keys_tell_pasted_from_typed),
        cmocka_unit_test(keys_wait_for_the_rest_of_a_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
