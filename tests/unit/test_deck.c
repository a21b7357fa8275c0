/* Unit tests of jobs/submit/deck and operand: card images to statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/submit/deck.h"
#include "jobs/submit/operand.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A span in a table of constants. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* Seventy-one columns and a bit more, to count by. */
#define TEN "1234567890"
#define SIXTY TEN TEN TEN TEN TEN TEN

/* What was read, in one line: "card NAME OPERATION operands [data] ! ...", data with ~ for LF,
 * "gen" for a statement that the system supplied, "bad" for a damaged one. */
static void describe(const struct deck *deck, struct buf *out)
{
    for (size_t i = 0; i < deck->statements; i++) {
        const struct deck_statement *st = &deck->statement[i];
        buf_printf(out, "%s%zu", i ? "; " : "", st->at.card);
        if (deck_is_null(st))
            buf_adds(out, " null");
        if (st->generated)
            buf_adds(out, " gen");
        if (st->damaged)
            buf_adds(out, " bad");
        if (st->name.n > 0)
            buf_printf(out, " %.*s", (int)st->name.n, st->name.p);
        if (st->operation.n > 0)
            buf_printf(out, " %.*s", (int)st->operation.n, st->operation.p);
        if (st->text.len > 0)
            buf_printf(out, " %.*s", (int)st->text.len, st->text.data);
        if (st->instream) {
            buf_adds(out, " [");
            for (size_t k = 0; k < st->data.n; k++)
                buf_addc(out, st->data.p[k] == '\n' ? '~' : st->data.p[k]);
            buf_adds(out, "]");
        }
    }
}

/* "IEFC621I@2:3", one after another. */
static void describe_findings(const struct findings *f, struct buf *out)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct diag *d = &f->list[i].diag;
        buf_printf(out, "%s%.*s@%zu:%zu", i ? " " : "", (int)strcspn(d->text, " "), d->text,
                   d->line, d->column);
    }
}

/* Reads from memory of the deck's own size, so that a read beyond the end is found. */
static void read_deck(struct span text, struct buf *statements, struct buf *found)
{
    char *copy = malloc(text.n + (text.n == 0));
    struct findings f = {0};
    struct deck deck;

    assert_non_null(copy);
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    assert_true(deck_parse((struct span){copy, text.n}, &deck, &f));
    describe(&deck, statements);
    describe_findings(&f, found);
    deck_free(&deck);
    findings_free(&f);
    free(copy);
}

struct deck_case {
    const char *text, *want, *findings;
};

static void check_cases(const struct deck_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf statements = {0}, found = {0};
        read_deck(span_of(cases[i].text), &statements, &found);
        print_message("%zu: %.60s\n", i, cases[i].text);
        assert_string_equal(buf_str(&statements), cases[i].want);
        assert_string_equal(buf_str(&found), cases[i].findings);
        buf_free(&statements);
        buf_free(&found);
    }
}

static void statements_are_read(void **state)
{
    static const struct deck_case cases[] = {
        {"", "", ""},
        {"\n", "", ""},
        {"\n  \n\r\n", "", ""},
        {"//", "1 null", ""},
        {"//   \n", "1 null", ""},
        {"//A JOB", "1 A JOB", ""},
        {"//A JOB\r\n//\r\n", "1 A JOB; 2 null", ""},
        {"//A JOB (X,,,9),'N N',CLASS=A  a comment\n", "1 A JOB (X,,,9),'N N',CLASS=A", ""},
        {"// EXEC PGM=X\n", "1 EXEC PGM=X", ""},
        {"//     EXEC    PGM=X\n", "1 EXEC PGM=X", ""},
        {"//FOO\n", "1 FOO", ""},
        {"//* a comment\n//A JOB\n//* 'another\n", "2 A JOB", ""},
        {"/*\n//A JOB\n", "2 A JOB", ""},
        {"//X DD PARM='A B,C'  text\n", "1 X DD PARM='A B,C'", ""},
        {"//X DD PARM='IT''S'  text\n", "1 X DD PARM='IT''S'", ""},
        {"\xEF\xBB\xBF//A JOB\n", "1 A JOB", "IEF677I@1:1"},
        {"/*ROUTE PRINT R1\n", "", "IEF677I@1:1"},
        {"/*EOF\n", "", "IEF677I@1:1"},
        {"/*NOSUCH\n", "", "IEFC601I@1:1"},
    };

    (void)state;
    check_cases(cases, COUNT(cases));
}

static void sequence_numbers_are_dropped(void **state)
{
    static const struct deck_case cases[] = {
        /* Columns 73-80, and an operand that ends in 71. */
        {"//A JOB X                                                               00000010\n",
         "1 A JOB X", ""},
        {"//A JOB " SIXTY "123\n", "1 A JOB " SIXTY "123", ""},
        {"//A JOB " SIXTY "123 00000010\n", "1 A JOB " SIXTY "123", ""},
        /* A character of two octets is one column. */
        {"//A JOB '\xC3\x9C\xC3\x9C" TEN TEN TEN TEN TEN "123456789' 00000010\n",
         "1 A JOB '\xC3\x9C\xC3\x9C" TEN TEN TEN TEN TEN "123456789'", ""},
        /* Column 72 is not part of the field: what runs into it is an error. */
        {"//A JOB " SIXTY "1234\n", "1 A JOB " SIXTY "123", "IEFC618I@1:72"},
        /* The null statement with a number. */
        {"//                                                                      00000010\n",
         "1 null", ""},
    };

    (void)state;
    check_cases(cases, COUNT(cases));
}

static void cards_of_80_columns(void **state)
{
    static const struct deck_case cases[] = {
        {"//A JOB X" SIXTY TEN "1\n", "1 A JOB X" SIXTY "12", "IEFC618I@1:72"},
        /* 81 blanks are no error, one octet in column 81 or 83 is. */
        {"//A JOB X                                                                           \n",
         "1 A JOB X", ""},
        {"//A JOB X                                                                       X\n",
         "1 A JOB X", "IEF642I@1:81"},
        {"//A JOB X                                                                         X\n",
         "1 A JOB X", "IEF642I@1:83"},
        {"//A DD *\n" SIXTY TEN TEN "\n", "1 A DD * [" SIXTY TEN TEN "~]", ""},
        {"//A DD *\n" SIXTY TEN TEN "1\n", "1 A DD * [" SIXTY TEN TEN "1~]", "IEF642I@2:81"},
        {"//A DD *\n" SIXTY TEN TEN "  \n", "1 A DD * [" SIXTY TEN TEN "  ~]", ""},
        /* 80 columns of two octets each. */
        {"//A DD *\n"
         "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4" SIXTY
             TEN "\n",
         "1 A DD * ["
         "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4" SIXTY
             TEN "~]",
         ""},
    };

    (void)state;
    check_cases(cases, COUNT(cases));
}

static void continuations_are_joined(void **state)
{
    static const struct deck_case cases[] = {
        {"//A JOB X,\n// CLASS=A\n", "1 A JOB X,CLASS=A", ""},
        {"//A JOB X,   comment\n//             CLASS=A\n", "1 A JOB X,CLASS=A", ""},
        {"//A JOB X,\n//* between\n//*\n// CLASS=A\n", "1 A JOB X,CLASS=A", ""},
        {"//A JOB X,\n// B=(C,\n// D),E=F\n//S EXEC\n", "1 A JOB X,B=(C,D),E=F; 4 S EXEC", ""},
        /* Column 16 is the last one in which text may resume. */
        {"//A JOB X,\n//             Y\n", "1 A JOB X,Y", ""},
        {"//A JOB X,\n//              Y\n", "1 bad A JOB X,", "IEFC621I@2:17"},
        /* The lost blank: accepted with a warning, only after a comma and only with an equals sign.
         */
        {"//A JOB X,\n//MSGCLASS=X,CLASS=A\n", "1 A JOB X,MSGCLASS=X,CLASS=A", "IEF677I@2:3"},
        {"//A JOB X,\n//* c\n//MSGCLASS=X,\n// CLASS=A\n", "1 A JOB X,MSGCLASS=X,CLASS=A",
         "IEF677I@3:3"},
        {"//A JOB X\n//MSGCLASS=X,CLASS=A\n", "1 A JOB X; 2 MSGCLASS=X,CLASS=A", ""},
        {"//A JOB X,\n//S EXEC PGM=X\n", "1 bad A JOB X,; 2 S EXEC PGM=X", "IEFC621I@1:10"},
        {"//A JOB X,\n//S DD SYSOUT=A\n", "1 bad A JOB X,; 2 S DD SYSOUT=A", "IEFC621I@1:10"},
        /* No continuation at all. */
        {"//A JOB X,", "1 bad A JOB X,", "IEFC621I@1:10"},
        {"//A JOB X,\n//*\n", "1 bad A JOB X,", "IEFC621I@1:10"},
        {"//A JOB X,\n//\n", "1 bad A JOB X,; 2 null", "IEFC621I@1:10"},
        {"//A JOB X,\n/*\n", "1 bad A JOB X,", "IEFC621I@1:10"},
        {"//A JOB X,\ntext\n", "1 bad A JOB X,; 2 gen SYSIN DD * [text~]", "IEFC621I@1:10"},
        /* A comment goes on because column 72 is not blank. */
        {"//A JOB X  comment                                                     *\n"
         "//  more of it\n//S EXEC\n",
         "1 A JOB X; 3 S EXEC", "IEF677I@2:0"},
        {"//A JOB X  comment                                                     *\n//S EXEC\n",
         "1 A JOB X; 2 S EXEC", ""},
        {"//A JOB X  comment                                                     *\n", "1 A JOB X",
         ""},
    };

    (void)state;
    check_cases(cases, COUNT(cases));
}

static void strings_go_on_in_column_16(void **state)
{
    static const struct deck_case cases[] = {
        /* Filled to column 71; the rest begins in column 16 of the next card. */
        {"//A JOB '" SIXTY "12\n//             REST'\n", "1 A JOB '" SIXTY "12REST'", ""},
        {"//A JOB '" SIXTY "12X\n//             REST'\n", "1 A JOB '" SIXTY "12REST'", ""},
        {"//A JOB '" SIXTY "12\n//               REST',B=C\n", "1 A JOB '" SIXTY "12  REST',B=C",
         ""},
        {"//A JOB '" SIXTY "12\n//             REST',\n// B=C\n", "1 A JOB '" SIXTY "12REST',B=C",
         ""},
        /* Blanks that an editor took off the end of the card are put back. */
        {"//A JOB '" SIXTY "\n//             REST'\n", "1 A JOB '" SIXTY "  REST'", ""},
        /* Text before column 16. */
        {"//A JOB '" SIXTY "12\n//            REST'\n", "1 bad A JOB '" SIXTY "12; 2 REST'",
         "IEFC621I@1:9"},
        {"//A JOB '" SIXTY "12\n//S EXEC PGM=X\n", "1 bad A JOB '" SIXTY "12; 2 S EXEC PGM=X",
         "IEFC621I@1:9"},
        {"//A JOB '" SIXTY "12", "1 bad A JOB '" SIXTY "12", "IEFC621I@1:9"},
        /* It is the apostrophe that counts, not the card. */
        {"//A JOB 'X',\n// B='" SIXTY "12345\n//             REST\n//S EXEC\n",
         "1 bad A JOB 'X',B='" SIXTY
         "12345REST                                                    ; 4 S EXEC",
         "IEFC621I@2:6"},
        /* A comma within the string is no end of the card's operands. */
        {"//A JOB 'B,\n//S EXEC\n",
         "1 bad A JOB 'B,                                                            ; 2 S EXEC",
         "IEFC621I@1:9"},
    };

    (void)state;
    check_cases(cases, COUNT(cases));
}

static void instream_data(void **state)
{
    static const struct deck_case cases[] = {
        {"//A DD *\none\n\ntwo\n/*\n//B DD DUMMY\n", "1 A DD * [one~~two~]; 6 B DD DUMMY", ""},
        {"//A DD *\n/*\n", "1 A DD * []", ""},
        {"//A DD *\n", "1 A DD * []", ""},
        {"//A DD *", "1 A DD * []", ""},
        {"//A DD *\nno line end", "1 A DD * [no line end]", ""},
        {"//A DD *\none\r\ntwo\r\n/*\r\n", "1 A DD * [one\r~two\r~]", ""},
        /* Data keep columns 72-80 and what looks like a comma at the end. */
        {"//A DD *\nx,\n/*\n", "1 A DD * [x,~]", ""},
        {"//A DD *,LRECL=80  comment\nx\n/*\n", "1 A DD *,LRECL=80 [x~]", ""},
        /* DD * ends at any statement, even a comment; DATA does not. */
        {"//A DD *\none\n//B DD DUMMY\n", "1 A DD * [one~]; 3 B DD DUMMY", ""},
        {"//A DD *\none\n//* c\ntwo\n", "1 A DD * [one~]; 4 gen SYSIN DD * [two~]", ""},
        {"//A DD DATA\n//B DD DUMMY\n/*\n//C DD DUMMY\n",
         "1 A DD DATA [//B DD DUMMY~]; 4 C DD DUMMY", ""},
        {"//A DD DATA\n//B DD DUMMY\n", "1 A DD DATA [//B DD DUMMY~]", "IEF677I@1:1"},
        /* DLM: with * a statement ends the data too, with DATA nothing else does. */
        {"//A DD *,DLM=@@\n/*\nx\n@@\n//B DD DUMMY\n", "1 A DD *,DLM=@@ [/*~x~]; 5 B DD DUMMY", ""},
        {"//A DD *,DLM=@@\n/*\nx\n//B DD DUMMY\n", "1 A DD *,DLM=@@ [/*~x~]; 4 B DD DUMMY", ""},
        {"//A DD DATA,DLM=@@\n/*\n//B\n@@ rest\n//C DD DUMMY\n",
         "1 A DD DATA,DLM=@@ [/*~//B~]; 5 C DD DUMMY", ""},
        {"//A DD DATA,DLM='%$'\n/*\n%$\n", "1 A DD DATA,DLM='%$' [/*~]", ""},
        {"//A DD DATA,DLM=@@\n/*\n", "1 A DD DATA,DLM=@@ [/*~]", "IEF677I@1:1"},
        {"//A DD DATA,\n// DLM=@@\n/*\n@@\n", "1 A DD DATA,DLM=@@ [/*~]", ""},
        /* A delimiter of the wrong length fails the job, and the data end at either card. */
        {"//A DD DATA,DLM=@\nx\n/*\n", "1 A DD DATA,DLM=@ [x~]", "IEF632I@1:17"},
        {"//A DD DATA,DLM=@@@\nx\n//B DD DUMMY\n", "1 A DD DATA,DLM=@@@ [x~]; 3 B DD DUMMY",
         "IEF632I@1:17"},
        {"//A DD DATA,DLM=\nx\n/*\n", "1 A DD DATA,DLM= [x~]", "IEF632I@1:17"},
        {"//A DD DATA,DLM=(A,B)\nx\n/*\n", "1 A DD DATA,DLM=(A,B) [x~]", "IEF632I@1:17"},
        {"//A DD *,\n// DLM=ABC\nx\n/*\n", "1 A DD *,DLM=ABC [x~]", "IEF632I@2:8"},
        /* A JES2 statement ends data and is looked at itself. */
        {"//A DD *\nx\n/*NOSUCH\n", "1 A DD * [x~]", "IEFC601I@3:1"},
        /* Data with no DD in front. */
        {"//A DD DUMMY\nx\ny\n//B DD DUMMY\n",
         "1 A DD DUMMY; 2 gen SYSIN DD * [x~y~]; 4 B DD DUMMY", ""},
        {"//A DD DUMMY\n\n \n//B DD DUMMY\n\n", "1 A DD DUMMY; 4 B DD DUMMY", ""},
        {"//A DD DUMMY\n\nx\n\n", "1 A DD DUMMY; 2 gen SYSIN DD * [~x~~]", ""},
        /* Only DD statements have data. */
        {"//A JOB *\nx\n", "1 A JOB *; 2 gen SYSIN DD * [x~]", ""},
    };

    (void)state;
    check_cases(cases, COUNT(cases));
}

static void octets_that_are_no_text(void **state)
{
    static const struct {
        struct span text;
        const char *findings;
    } cases[] = {
        {TEXT("//A JOB X\n"), ""},
        {TEXT("//A\tJOB X\n"), "IEFC623I@1:4"},
        {TEXT("//A JOB X\0Y\n"), "IEFC623I@1:10"},
        {TEXT("//A JOB X\x1B[2J\n"), "IEFC623I@1:10"},
        {TEXT("//A JOB X\x7F\n"), "IEFC623I@1:10"},
        {TEXT("//A JOB X\r"), "IEFC623I@1:10"},
        {TEXT("//A JOB X\rY\n"), "IEFC623I@1:10"},
        {TEXT("//A JOB X \xE9\n"), "IEFC623I@1:11"},
        {TEXT("//A JOB X \xC3\xBC \xC3\n"), "IEFC623I@1:13"},
        {TEXT("//A JOB X \xED\xA0\x80\n"), "IEFC623I@1:11"},
        {TEXT("//*\x01\n"), "IEFC623I@1:4"},
        {TEXT("/*\x01\n"), "IEFC623I@1:3 IEFC601I@1:1"},
        {TEXT("//A JOB X,\n// Y\x02\n"), "IEFC623I@2:5"},
        {TEXT("//A DD *\na\tb\n\xC3\xBC\n"), ""},
        {TEXT("//A DD *\nab\0\n"), "IEFC623I@2:3"},
        {TEXT("//A DD *\n\xFF\n"), "IEFC623I@2:1"},
        {TEXT("//A DD *\n\xC3\xBC\x0C\n"), "IEFC623I@2:2"},
        {TEXT("\x89PNG\r\n\x1A\n"), "IEFC623I@1:1 IEFC623I@2:1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf statements = {0}, found = {0};
        read_deck(cases[i].text, &statements, &found);
        print_message("%zu\n", i);
        assert_string_equal(buf_str(&found), cases[i].findings);
        buf_free(&statements);
        buf_free(&found);
    }
}

/* A column of a statement's text leads back to the card it came from. */
static void places_lead_back_to_the_card(void **state)
{
    static const char text[] = "//A JOB X,\n//*\n//    YY=(\xC3\xBC,'Z'),\n// W\n";
    struct findings f = {0};
    struct deck deck;

    (void)state;
    assert_true(deck_parse(SPAN(text), &deck, &f));
    assert_int_equal(deck.statements, 1);
    const struct deck_statement *st = &deck.statement[0];
    assert_int_equal(st->operation_at.card, 1);
    assert_int_equal(st->operation_at.column, 5);
    assert_int_equal(st->text.len, strlen("X,YY=(\xC3\xBC,'Z'),W"));
    static const struct {
        size_t offset, card, column;
    } cases[] = {{0, 1, 9}, {1, 1, 10}, {2, 3, 7}, {6, 3, 11}, {8, 3, 12}, {13, 3, 17}, {14, 4, 4}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct place at = deck_place(st, st->text.data + cases[i].offset);
        assert_int_equal(at.card, cases[i].card);
        assert_int_equal(at.column, cases[i].column);
    }
    deck_free(&deck);
    findings_free(&f);
}

/* Any cut of a deck is read without harm, and what was whole before the cut stays as it was. */
static void every_truncation_is_read(void **state)
{
    static const char text[] = "//A JOB (X,,,9),'N',\n//MSGCLASS=X,CLASS=A\n//*\n"
                               "//S EXEC PGM=IEBGENER\n//SYSUT1 DD DATA,DLM=@@\n//x\n/*\n@@\n"
                               "//SYSUT2 DD SYSOUT=A,\n// DEST=RMT21\n//\n";

    (void)state;
    for (size_t n = 0; n <= sizeof(text) - 1; n++) {
        struct buf statements = {0}, found = {0};
        read_deck((struct span){text, n}, &statements, &found);
        if (n >= 50) /* behind the second card */
            assert_memory_equal(buf_str(&statements), "1 A JOB (X,,,9),'N',MSGCLASS=X,CLASS=A", 38);
        buf_free(&statements);
        buf_free(&found);
    }
}

static void many_findings_are_counted_not_kept(void **state)
{
    struct findings f = {0};
    struct buf text = {0};
    struct deck deck;

    (void)state;
    for (int i = 0; i < FINDINGS_MAX + 7; i++)
        buf_adds(&text, "//\x01\n");
    assert_true(deck_parse(BUF_SPAN(&text), &deck, &f));
    assert_int_equal(f.count, FINDINGS_MAX);
    assert_int_equal(f.dropped, 7);
    deck_free(&deck);
    findings_free(&f);
    buf_free(&text);
}

static void a_deck_has_a_most_of_cards(void **state)
{
    struct buf text = {0}, statements = {0}, found = {0};

    (void)state;
    buf_fill(&text, '\n', DECK_CARDS_MAX);
    read_deck(BUF_SPAN(&text), &statements, &found);
    assert_string_equal(buf_str(&found), "");
    buf_addc(&text, '\n');
    read_deck(BUF_SPAN(&text), &statements, &found);
    assert_string_equal(buf_str(&found), "IEF642I@0:0");
    buf_free(&text);
    buf_free(&statements);
    buf_free(&found);
}

static void operands_are_cut_at_commas(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "<>"},
        {"A", "<A>"},
        {"A,B", "<A><B>"},
        {"A,", "<A><>"},
        {",A", "<><A>"},
        {"A=(B,C),D", "<A=(B,C)><D>"},
        {"A=((B,C),D),E", "<A=((B,C),D)><E>"},
        {"A='B,C',D", "<A='B,C'><D>"},
        {"A='B''),C',D", "<A='B''),C'><D>"},
        {"A=(B,')',C),D", "<A=(B,')',C)><D>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct span rest = span_of(cases[i].text), part;
        struct buf got = {0};
        while (operand_cut(&rest, &part))
            buf_printf(&got, "<%.*s>", (int)part.n, part.p);
        assert_string_equal(buf_str(&got), cases[i].want);
        buf_free(&got);
    }
}

static void operands_are_split_at_the_equals_sign(void **state)
{
    static const struct {
        const char *text, *keyword, *value;
    } cases[] = {
        {"A", "", "A"},         {"A=B", "A", "B"},
        {"A=", "A", ""},        {"A=B=C", "A", "B=C"},
        {"'A=B'", "", "'A=B'"}, {"(A=B)", "", "(A=B)"},
        {"=B", "", "=B"},       {"A=(B=C)", "A", "(B=C)"},
        {"'X'=B", "", "'X'=B"}, {"*.SYSUT1", "", "*.SYSUT1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct operand o = operand_split(span_of(cases[i].text));
        assert_true(span_eq(o.keyword, span_of(cases[i].keyword)));
        assert_true(span_eq(o.value, span_of(cases[i].value)));
    }
}

static void operand_faults_are_found(void **state)
{
    static const struct {
        const char *text;
        enum operand_fault want;
        size_t at;
    } cases[] = {
        {"A=(B,C)", OPERAND_GOOD, 0},
        {"A=(B", OPERAND_OPEN, 2},
        {"(A),(B", OPERAND_OPEN, 4},
        {"A=B)", OPERAND_CLOSE, 3},
        {")", OPERAND_CLOSE, 0},
        {"'A", OPERAND_STRING, 0},
        {"A='B''", OPERAND_STRING, 5},
        {"A=b", OPERAND_CHARACTER, 2},
        {"A='b'", OPERAND_GOOD, 0},
        {"A=%", OPERAND_CHARACTER, 2},
        {"A=\xC3\xBC", OPERAND_CHARACTER, 2},
        {"A='\xC3\xBC)'", OPERAND_GOOD, 0},
        {"A=&B", OPERAND_GOOD, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t at = 99;
        assert_int_equal(operand_check(span_of(cases[i].text), &at), cases[i].want);
        if (cases[i].want != OPERAND_GOOD)
            assert_int_equal(at, cases[i].at);
    }
}

static void apostrophes_are_taken_off(void **state)
{
    static const struct {
        const char *value;
        enum operand_text want;
        const char *text;
    } cases[] = {
        {"A", OPERAND_TEXT, "A"},
        {"", OPERAND_TEXT, ""},
        {"'A B'", OPERAND_TEXT, "A B"},
        {"'IT''S'", OPERAND_TEXT, "IT'S"},
        {"''''", OPERAND_TEXT, "'"},
        {"''", OPERAND_TEXT, ""},
        {"'A'B", OPERAND_TEXT_BAD, NULL},
        {"A'B'", OPERAND_TEXT_BAD, NULL},
        {"(A,B)", OPERAND_TEXT_BAD, NULL},
        {"1234567", OPERAND_TEXT, "1234567"},
        {"12345678", OPERAND_TEXT_LONG, NULL},
        {"'12345678'", OPERAND_TEXT_LONG, NULL},
    };
    char out[8];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(operand_plain(span_of(cases[i].value), out, sizeof(out)), cases[i].want);
        if (cases[i].text != NULL)
            assert_string_equal(out, cases[i].text);
    }
}

static void findings_are_sorted_and_counted(void **state)
{
    struct findings f = {0};
    struct buf text = {0};

    (void)state;
    finding_add(&f, FINDING_BAD_LABEL, (struct place){3, 2}, "", "c");
    finding_add(&f, FINDING_WARNING, (struct place){1, 9}, "", "a");
    finding_add(&f, FINDING_BAD_FIELD, (struct place){3, 1}, "DSN", "b");
    finding_add(&f, FINDING_BAD_LABEL, (struct place){3, 2}, "", "d");
    findings_sort(&f);
    describe_findings(&f, &text);
    assert_string_equal(buf_str(&text), "IEF677I@1:9 IEF632I@3:1 IEFC662I@3:2 IEFC662I@3:2");
    assert_string_equal(f.list[1].diag.text, "IEF632I FORMAT ERROR IN THE DSN FIELD - b");
    assert_string_equal(f.list[2].diag.text, "IEFC662I INVALID LABEL - c");
    assert_int_equal(findings_errors(&f, 0, 2), 0);
    assert_int_equal(findings_errors(&f, 3, 3), 3);
    assert_int_equal(findings_errors(&f, 4, 9), 0);
    buf_free(&text);
    findings_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_read),
        cmocka_unit_test(sequence_numbers_are_dropped),
        cmocka_unit_test(cards_of_80_columns),
        cmocka_unit_test(continuations_are_joined),
        cmocka_unit_test(strings_go_on_in_column_16),
        cmocka_unit_test(instream_data),
        cmocka_unit_test(octets_that_are_no_text),
        cmocka_unit_test(places_lead_back_to_the_card),
        cmocka_unit_test(every_truncation_is_read),
        cmocka_unit_test(many_findings_are_counted_not_kept),
        cmocka_unit_test(a_deck_has_a_most_of_cards),
        cmocka_unit_test(operands_are_cut_at_commas),
        cmocka_unit_test(operands_are_split_at_the_equals_sign),
        cmocka_unit_test(operand_faults_are_found),
        cmocka_unit_test(apostrophes_are_taken_off),
        cmocka_unit_test(findings_are_sorted_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
