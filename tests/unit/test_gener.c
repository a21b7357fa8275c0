/* Unit tests of jobs/submit/gener and utility: records from SYSUT1 to SYSUT2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/submit/gener.h"
#include "jobs/submit/utility.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PRINT, SYSIN, IN, OUT, FILES };

/* A step with all four files, and what the program did with it. */
struct bench {
    struct utility_input input[2], control;
    struct utility_file file[FILES];
    struct utility_step step;
    struct buf print, out, log;
    struct recfm opened;
    int opens, puts_left; /* puts that succeed; -1: all */
    bool refuse_open;
};

static bool on_open(void *arg, size_t file, const struct recfm *format)
{
    struct bench *b = arg;

    if (file == OUT) {
        b->opens++;
        b->opened = *format;
        return !b->refuse_open;
    }
    assert_int_equal(file, PRINT);
    assert_int_equal(format->form, RECORD_TEXT);
    return true;
}

static bool on_put(void *arg, size_t file, struct span octets)
{
    struct bench *b = arg;

    assert_true(file == PRINT || b->opens == 1);
    if (b->puts_left == 0)
        return false;
    if (b->puts_left > 0)
        b->puts_left--;
    return buf_addspan(file == OUT ? &b->out : &b->print, octets);
}

static void on_log(void *arg, const char *message)
{
    struct bench *b = arg;

    buf_adds(&b->log, message);
}

static void set_up(struct bench *b, struct span data, struct recfm stored, struct dcb out)
{
    *b = (struct bench){.puts_left = -1};
    b->input[0] = (struct utility_input){data, stored};
    b->file[PRINT] = (struct utility_file){.ddname = "SYSPRINT", .use = USE_OUTPUT};
    b->file[SYSIN] = (struct utility_file){.ddname = "SYSIN", .use = USE_DUMMY};
    b->file[IN] = (struct utility_file){
        .ddname = "SYSUT1",
        .use = USE_INPUT,
        .input = b->input,
        .inputs = 1,
        .dcb = {true, stored.form, stored.control, stored.lrecl},
    };
    b->file[OUT] = (struct utility_file){.ddname = "SYSUT2", .use = USE_OUTPUT, .dcb = out};
    b->step = (struct utility_step){
        .file = b->file, .files = FILES, .open = on_open, .put = on_put, .log = on_log, .arg = b};
}

static void tear_down(struct bench *b)
{
    buf_free(&b->print);
    buf_free(&b->out);
    buf_free(&b->log);
}

static const struct recfm lines = {RECORD_TEXT, CONTROL_NONE, 0};

/* Does the listing have the text? */
static bool printed(struct bench *b, const char *text)
{
    return strstr(buf_str(&b->print), text) != NULL;
}

/* The last line of the listing is that. */
static bool ended(struct bench *b, const char *text)
{
    size_t n = strlen(text);

    return b->print.len > n && b->print.data[b->print.len - 1] == '\n' &&
           memcmp(b->print.data + b->print.len - 1 - n, text, n) == 0;
}

/* Constants in tables. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define T                                                                                          \
    {                                                                                              \
        RECORD_TEXT, CONTROL_NONE, 0                                                               \
    }
#define FB(n)                                                                                      \
    {                                                                                              \
        RECORD_FIXED, CONTROL_NONE, n                                                              \
    }
#define VB(n)                                                                                      \
    {                                                                                              \
        RECORD_VARIABLE, CONTROL_NONE, n                                                           \
    }
#define DCB_FB(n)                                                                                  \
    {                                                                                              \
        true, RECORD_FIXED, CONTROL_NONE, n                                                        \
    }
#define DCB_VB(n)                                                                                  \
    {                                                                                              \
        true, RECORD_VARIABLE, CONTROL_NONE, n                                                     \
    }
#define DCB_T                                                                                      \
    {                                                                                              \
        true, RECORD_TEXT, CONTROL_NONE, 0                                                         \
    }

static void records_are_copied(void **state)
{
    static const struct {
        struct span data;
        struct recfm stored;
        struct dcb out;
        struct recfm format;
        struct span want;
    } cases[] = {
        {TEXT("ab\n\ncd\n"), T, DCB_T, T, TEXT("ab\n\ncd\n")},
        {TEXT("ab\ncd"), T, DCB_T, T, TEXT("ab\ncd\n")},
        {TEXT("ab\r\ncd\r\n"), T, DCB_T, T, TEXT("ab\ncd\n")},
        {TEXT("ab  \n"), T, DCB_T, T, TEXT("ab  \n")},
        {TEXT("ab\n\ncd\n"), T, DCB_FB(4), FB(4), TEXT("ab      cd  ")},
        {TEXT("abcd\n"), T, DCB_FB(4), FB(4), TEXT("abcd")},
        {TEXT("ab  \n"), T, DCB_FB(3), FB(3), TEXT("ab ")},
        {TEXT("ab\n\n"), T, DCB_VB(0), VB(0), TEXT("\0\6\0\0ab\0\4\0\0")},
        {TEXT("abcd\n"), T, DCB_VB(8), VB(8), TEXT("\0\10\0\0abcd")},
        {TEXT("abcdefgh"), FB(4), DCB_FB(4), FB(4), TEXT("abcdefgh")},
        {TEXT("ab  ef  "), FB(4), DCB_FB(2), FB(2), TEXT("abef")},
        {TEXT("ab  ef  "), FB(4), DCB_FB(6), FB(6), TEXT("ab    ef    ")},
        {TEXT("ab  "), FB(4), DCB_T, T, TEXT("ab  \n")},
        {TEXT("a\nb "), FB(4), DCB_VB(0), VB(0), TEXT("\0\10\0\0a\nb ")},
        {TEXT("\0\6\0\0ab\0\4\0\0"), VB(0), DCB_T, T, TEXT("ab\n\n")},
        {TEXT("\0\6\0\0ab\0\5\0\0c"), VB(0), DCB_FB(3), FB(3), TEXT("ab c  ")},
        {TEXT("\0\6\0\0\0\xFF"), VB(0), DCB_VB(0), VB(0), TEXT("\0\6\0\0\0\xFF")},
        {TEXT("\xC3\xBC\n"), T, DCB_FB(3), FB(3), TEXT("\xC3\xBC ")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench b;
        print_message("%zu\n", i);
        set_up(&b, cases[i].data, cases[i].stored, cases[i].out);
        assert_int_equal(gener_run(&b.step), RC_GOOD);
        assert_int_equal(b.out.len, cases[i].want.n);
        assert_memory_equal(b.out.data, cases[i].want.p, cases[i].want.n);
        assert_int_equal(b.opened.form, cases[i].format.form);
        assert_int_equal(b.opened.lrecl, cases[i].format.lrecl);
        assert_true(ended(&b, "PROCESSING ENDED AT EOD"));
        assert_int_equal(strncmp(buf_str(&b.print), "DATA SET UTILITY - GENERATE ", 28), 0);
        tear_down(&b);
    }
}

static void missing_dcb_is_copied_with_a_warning(void **state)
{
    static const struct {
        struct recfm stored;
        struct dcb out;
        int condition;
        struct recfm format;
    } cases[] = {
        {FB(4), {0}, RC_WARNING, FB(4)},
        {T, {0}, RC_WARNING, T},
        {FB(4), DCB_FB(0), RC_WARNING, FB(4)},
        {FB(4), {.lrecl = 8}, RC_WARNING, FB(8)},
        /* Nothing that could be copied: 80. */
        {T, DCB_FB(0), RC_GOOD, FB(80)},
        {T, DCB_VB(0), RC_GOOD, VB(0)},
        {FB(4), DCB_FB(4), RC_GOOD, FB(4)},
        {FB(4), DCB_VB(0), RC_GOOD, VB(0)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench b;
        print_message("%zu\n", i);
        set_up(&b, SPAN("abcd"), cases[i].stored, cases[i].out);
        assert_int_equal(gener_run(&b.step), cases[i].condition);
        assert_int_equal(b.opened.form, cases[i].format.form);
        assert_int_equal(b.opened.lrecl, cases[i].format.lrecl);
        assert_int_equal(printed(&b, "IEB352I"), cases[i].condition == RC_WARNING);
        assert_true(ended(&b, "PROCESSING ENDED AT EOD"));
        tear_down(&b);
    }
}

static void nothing_is_cut_or_guessed(void **state)
{
    static const struct {
        struct span data;
        struct recfm stored;
        struct dcb out;
        const char *says;
    } cases[] = {
        {TEXT("abcde\n"), T, DCB_FB(4), "IEB311I"},
        {TEXT("ab\nabc d\n"), T, DCB_FB(4), "record 2 has 5 octets, SYSUT2 takes 4"},
        {TEXT("abcde\n"), T, DCB_VB(8), "IEB311I"},
        {TEXT("\xC3\xBC\xC3\xBC\n"), T, DCB_FB(3), "has 4 octets"},
        {TEXT("a\nb "), FB(4), DCB_T, "holds a line end"},
        {TEXT("abcdef"), FB(4), DCB_FB(4), "IEB351I I/O ERROR - record 2, octet 5"},
        {TEXT("\0\6\0\0ab\0\6\0\0c"), VB(0), DCB_T, "IEB351I"},
        {TEXT("\0\6\0\0ab\0\4\0"), VB(0), DCB_T, "IEB351I"},
        {TEXT("\0\3\0\0ab"), VB(0), DCB_T, "IEB351I"},
        {TEXT("a\n"), T, {true, RECORD_VARIABLE, CONTROL_NONE, 4}, "takes 0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench b;
        print_message("%zu\n", i);
        set_up(&b, cases[i].data, cases[i].stored, cases[i].out);
        assert_int_equal(gener_run(&b.step), RC_SEVERE);
        assert_true(printed(&b, cases[i].says));
        assert_false(printed(&b, "PROCESSING ENDED AT EOD"));
        tear_down(&b);
    }
}

/* Every cut of a VB data set but at a record's end is found out. */
static void every_truncation_is_found(void **state)
{
    static const char data[] = "\0\6\0\0ab\0\4\0\0\0\7\0\0cde";
    static const size_t whole[] = {0, 6, 10, 17};

    (void)state;
    for (size_t n = 0; n < sizeof(data); n++) {
        struct bench b;
        bool good = false;
        for (size_t k = 0; k < COUNT(whole); k++)
            good = good || whole[k] == n;
        set_up(&b, (struct span){data, n}, (struct recfm)VB(0), (struct dcb)DCB_T);
        assert_int_equal(gener_run(&b.step), good ? RC_GOOD : RC_SEVERE);
        tear_down(&b);
    }
}

static void empty_input_writes_nothing(void **state)
{
    struct bench b;

    (void)state;
    set_up(&b, SPAN(""), lines, (struct dcb)DCB_T);
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_int_equal(b.opens, 0);
    assert_true(ended(&b, "PROCESSING ENDED AT EOD"));
    tear_down(&b);
    /* SYSUT1 DUMMY, and SYSUT2 DUMMY. */
    set_up(&b, SPAN("x\n"), lines, (struct dcb){0});
    b.file[IN].use = USE_DUMMY;
    b.file[IN].inputs = 0;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_int_equal(b.opens, 0);
    tear_down(&b);
    set_up(&b, SPAN("x\n"), lines, (struct dcb){0});
    b.file[OUT].use = USE_DUMMY;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_int_equal(b.opens, 0);
    tear_down(&b);
}

static void inputs_are_concatenated(void **state)
{
    struct bench b;

    (void)state;
    set_up(&b, SPAN("ab\n"), lines, (struct dcb)DCB_FB(4));
    b.input[1] = (struct utility_input){SPAN("cd  ef  "), (struct recfm)FB(4)};
    b.file[IN].inputs = 2;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_string_equal(buf_str(&b.out), "ab  cd  ef  ");
    tear_down(&b);
    /* The number of a record counts through. */
    set_up(&b, SPAN("ab\n"), lines, (struct dcb)DCB_FB(4));
    b.input[1] = (struct utility_input){SPAN("abcdef"), (struct recfm)FB(6)};
    b.file[IN].inputs = 2;
    assert_int_equal(gener_run(&b.step), RC_SEVERE);
    assert_true(printed(&b, "record 2 has 6 octets"));
    tear_down(&b);
}

static void missing_dd_statements(void **state)
{
    static const struct {
        size_t without;
        int condition;
        const char *log;
    } cases[] = {
        {PRINT, RC_TERMINATED, "IEC130I SYSPRINT DD STATEMENT MISSING"},
        {SYSIN, RC_SEVERE, "IEC130I SYSIN    DD STATEMENT MISSING"},
        {IN, RC_SEVERE, "IEC130I SYSUT1   DD STATEMENT MISSING"},
        {OUT, RC_SEVERE, "IEC130I SYSUT2   DD STATEMENT MISSING"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench b;
        set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
        b.file[cases[i].without].ddname = "OTHER";
        assert_int_equal(gener_run(&b.step), cases[i].condition);
        assert_string_equal(buf_str(&b.log), cases[i].log);
        assert_int_equal(b.opens, 0);
        tear_down(&b);
    }
}

static void dds_of_the_wrong_kind(void **state)
{
    struct bench b;

    (void)state;
    set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
    b.file[IN].use = USE_OUTPUT;
    assert_int_equal(gener_run(&b.step), RC_SEVERE);
    assert_true(printed(&b, "SYSUT1 can only be read"));
    tear_down(&b);
    set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
    b.file[OUT].use = USE_INPUT;
    assert_int_equal(gener_run(&b.step), RC_SEVERE);
    assert_true(printed(&b, "SYSUT2 can only be written"));
    tear_down(&b);
    set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
    b.file[SYSIN].use = USE_OUTPUT;
    assert_int_equal(gener_run(&b.step), RC_SEVERE);
    tear_down(&b);
    set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
    b.file[PRINT].use = USE_INPUT;
    assert_int_equal(gener_run(&b.step), RC_TERMINATED);
    assert_int_equal(b.opens, 0);
    tear_down(&b);
    /* SYSPRINT DUMMY: no listing, all else as ever. */
    set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
    b.file[PRINT].use = USE_DUMMY;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_int_equal(b.print.len, 0);
    assert_string_equal(buf_str(&b.out), "x\n");
    tear_down(&b);
}

static void control_statements_are_refused(void **state)
{
    static const struct {
        const char *sysin;
        int condition;
    } cases[] = {
        {"", RC_GOOD},
        {"   \n\n", RC_GOOD},
        {"  GENERATE MAXNAME=1\n", RC_SEVERE},
        {"\nx", RC_SEVERE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench b;
        set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
        b.control = (struct utility_input){span_of(cases[i].sysin), lines};
        b.file[SYSIN].use = USE_INPUT;
        b.file[SYSIN].input = &b.control;
        b.file[SYSIN].inputs = 1;
        assert_int_equal(gener_run(&b.step), cases[i].condition);
        assert_int_equal(printed(&b, "CONTROL STATEMENTS ARE NOT SUPPORTED"),
                         cases[i].condition == RC_SEVERE);
        assert_int_equal(b.opens, cases[i].condition == RC_GOOD);
        tear_down(&b);
    }
}

static void code_pages(void **state)
{
    struct charset ebcdic;
    struct bench b;

    (void)state;
    assert_true(charset_find(SPAN("IBM-1047"), &ebcdic));
    set_up(&b, SPAN("A@[\xC3\xBC\n"), lines, (struct dcb)DCB_FB(6));
    b.file[OUT].codepage = &ebcdic;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_int_equal(b.out.len, 6);
    assert_memory_equal(b.out.data, "\xC1\x7C\xAD\xDC\x40\x40", 6);
    tear_down(&b);
    set_up(&b, SPAN("A\n"), lines, (struct dcb)DCB_VB(0));
    b.file[OUT].codepage = &ebcdic;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_memory_equal(b.out.data, "\0\5\0\0\xC1", 5);
    tear_down(&b);
    /* Blanks beyond LRECL are blanks in the code page, too. */
    set_up(&b, SPAN("AB   \n"), lines, (struct dcb)DCB_FB(2));
    b.file[OUT].codepage = &ebcdic;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_memory_equal(b.out.data, "\xC1\xC2", 2);
    tear_down(&b);
    /* Lines of text stay as they are. */
    set_up(&b, SPAN("A\n"), lines, (struct dcb)DCB_T);
    b.file[OUT].codepage = &ebcdic;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_string_equal(buf_str(&b.out), "A\n");
    tear_down(&b);
    /* A euro sign has no place in IBM-1047, and an octet that is no UTF-8 has none anywhere. */
    set_up(&b, SPAN("ok\nA\xE2\x82\xAC\n"), lines, (struct dcb)DCB_FB(80));
    b.file[OUT].codepage = &ebcdic;
    assert_int_equal(gener_run(&b.step), RC_SEVERE);
    assert_true(printed(&b, "record 2, octet 2: the character has no place in"));
    tear_down(&b);
    set_up(&b, SPAN("\xFF\n"), lines, (struct dcb)DCB_FB(80));
    b.file[OUT].codepage = &ebcdic;
    assert_int_equal(gener_run(&b.step), RC_SEVERE);
    tear_down(&b);
}

/* Large data are handed on in pieces, and nothing of them is lost between two. */
static void large_data_go_on_in_pieces(void **state)
{
    struct buf data = {0};
    struct bench b;

    (void)state;
    for (int i = 0; i < 50000; i++)
        buf_printf(&data, "line %d\n", i);
    set_up(&b, BUF_SPAN(&data), lines, (struct dcb)DCB_T);
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    assert_int_equal(b.out.len, data.len);
    assert_memory_equal(b.out.data, data.data, data.len);
    assert_int_equal(b.opens, 1);
    tear_down(&b);
    buf_free(&data);
}

/* Whichever call fails, the program ends with 16 and does not go on. */
static void failing_output_ends_it(void **state)
{
    struct bench b;

    (void)state;
    set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
    b.refuse_open = true;
    assert_int_equal(gener_run(&b.step), RC_TERMINATED);
    tear_down(&b);
    for (int good = 0; good < 3; good++) { /* heading, record, last line */
        set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
        b.puts_left = good;
        assert_int_equal(gener_run(&b.step), RC_TERMINATED);
        tear_down(&b);
    }
    set_up(&b, SPAN("x\n"), lines, (struct dcb)DCB_T);
    b.puts_left = 3;
    assert_int_equal(gener_run(&b.step), RC_GOOD);
    tear_down(&b);
}

static void programs_have_one_table(void **state)
{
    const char *names[UTILITIES + 1];
    struct utility_step none = {0};

    (void)state;
    utility_names(names);
    for (size_t i = 0; i < UTILITIES; i++)
        assert_non_null(utility_find(names[i]));
    assert_null(names[UTILITIES]);
    assert_ptr_equal(utility_find("IEBGENER"), gener_run);
    assert_null(utility_find("IEBGENE"));
    assert_null(utility_find(""));
    assert_int_equal(utility_find("IEFBR14")(&none), RC_GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_copied),
        cmocka_unit_test(missing_dcb_is_copied_with_a_warning),
        cmocka_unit_test(nothing_is_cut_or_guessed),
        cmocka_unit_test(every_truncation_is_found),
        cmocka_unit_test(empty_input_writes_nothing),
        cmocka_unit_test(inputs_are_concatenated),
        cmocka_unit_test(missing_dd_statements),
        cmocka_unit_test(dds_of_the_wrong_kind),
        cmocka_unit_test(control_statements_are_refused),
        cmocka_unit_test(code_pages),
        cmocka_unit_test(large_data_go_on_in_pieces),
        cmocka_unit_test(failing_output_ends_it),
        cmocka_unit_test(programs_have_one_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
