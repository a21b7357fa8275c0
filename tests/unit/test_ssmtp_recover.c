/* Unit tests of ssmtp/plain, redo and recover: what a receiver that was interrupted left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssmtp/plain.h"
#include "ssmtp/recover.h"
#include "tests/unit/place.h"

#define SIZE (8UL << 20)

struct fixture {
    struct place place;
    struct recovery r;
};

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));

    assert_non_null(x);
    place_make(&x->place, "");
    x->r = (struct recovery){.spool = &x->place.spool, .log = &x->place.log};
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    place_remove(&x->place);
    free(x);
    return 0;
}

static void assert_files_are(int dir, unsigned named, unsigned dotted)
{
    assert_int_equal(place_count(dir, false), named);
    assert_int_equal(place_count(dir, true), dotted);
}

static void assert_files(const struct fixture *x, enum spool_queue q, unsigned shown)
{
    assert_files_are(x->place.spool.queue[q], shown, 0);
}

/* One record, as it is, into the half of a generation. */
static void log_one(struct redo *redo, uint64_t half, uint64_t at, struct journal_record r)
{
    struct buf batch = {0};
    bool in_doubt;

    r.content = SPAN("text");
    seal_of(r.content, &r.mark);
    assert_true(journal_record_encode(&batch, redo->head.key, &r));
    assert_int_equal(redo_append(redo, half, at, BUF_SPAN(&batch), &in_doubt), 0);
    buf_free(&batch);
}

/* Puts `n` records of a generation into the journal, as one batch. */
static void log_records(struct redo *redo, uint64_t generation, uint32_t n)
{
    struct buf batch = {0};
    bool in_doubt;
    char text[64];

    for (uint32_t i = 0; i < n; i++) {
        struct journal_record r = {.generation = generation, .sequence = i};
        r.queue = i % 3 == 2 ? QUEUE_PRT : QUEUE_POST;
        snprintf(r.name, sizeof(r.name), "SSMTP.G%u.D%07u.MAIL.T", (unsigned)generation, i);
        snprintf(text, sizeof(text), "text %u\n", i);
        r.content = span_of(text);
        seal_of(r.content, &r.mark);
        assert_true(journal_record_encode(&batch, redo->head.key, &r));
    }
    assert_int_equal(redo_append(redo, generation, 0, BUF_SPAN(&batch), &in_doubt), 0);
    assert_false(in_doubt);
    buf_free(&batch);
}

static void names_of_plain_files(void **state)
{
    static const char *const bad[] = {
        "",
        ".ssmtp-",
        ".ssmtp-1-2-",
        ".ssmtp-1-2",
        ".ssmtp-0-2-A",
        ".ssmtp-1-0-A",
        ".ssmtp-01-2-A",
        ".ssmtp-1000-2-A",
        ".ssmtp-1-g-A",
        ".ssmtp-1-2-.A",
        ".ssmtp--2-A",
        "ssmtp-1-2-A",
        ".SSMTP-1-2-A",
        ".spool-1-2-A",
        ".ssmtp-1-11111111111111111-A",
        ".ssmtp-1-2-A123456789012345678901234567890123456789012345678"};
    const struct plain p = {.number = 12, .generation = UINT64_MAX, .name = "SSMTP.A-B"};
    char file[PLAIN_FILE];
    struct plain back;

    (void)state;
    plain_format(file, &p);
    assert_string_equal(file, ".ssmtp-12-ffffffffffffffff-SSMTP.A-B");
    assert_true(plain_parse(file, &back));
    assert_int_equal(back.number, 12);
    assert_true(back.generation == UINT64_MAX);
    assert_string_equal(back.name, p.name);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (plain_parse(bad[i], &back))
            fail_msg("%s", bad[i]);
}

static void a_journal_is_made_once_and_locked(void **state)
{
    struct fixture *x = *state;
    struct redo a, b;
    struct stat st;

    assert_int_equal(redo_open(&a, x->place.spool.work, 1), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(redo_make(&a, x->place.spool.work, 1, SIZE), 0);
    assert_true(redo_whole(&a));
    assert_int_equal(fstat(a.fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true((uint64_t)st.st_blocks * 512 >= SIZE);
    assert_int_equal(redo_open(&b, x->place.spool.work, 1), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    assert_int_equal(redo_release(&a, 5), 0);
    redo_close(&a);
    assert_int_equal(redo_open(&b, x->place.spool.work, 1), 0);
    assert_int_equal(b.head.released, 5);
    assert_int_equal(b.head.size, SIZE);
    redo_close(&b);
    assert_int_equal(redo_open(&b, x->place.spool.work, 2), -1);
    assert_int_equal(errno, ENOENT);
}

/* What a maker that died left is passed over, and removed. */
static void a_journal_half_made(void **state)
{
    struct fixture *x = *state;
    bool found[REDO_MAX + 1];
    struct redo r;

    for (int i = 0; i < 2; i++) {
        int fd = openat(x->place.spool.work, ".SSMTP.3.JOURNAL.new", O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0 && write(fd, "x", 1) == 1);
        close(fd);
        if (i == 0) {
            assert_int_equal(redo_list(x->place.spool.work, found), 0);
            assert_false(found[3]);
            assert_int_equal(faccessat(x->place.spool.work, ".SSMTP.3.JOURNAL.new", F_OK, 0), -1);
        }
    }
    assert_int_equal(redo_make(&r, x->place.spool.work, 3, SIZE), 0);
    redo_close(&r);
    assert_int_equal(redo_list(x->place.spool.work, found), 0);
    assert_true(found[3]);
    assert_false(found[1]);
}

static void two_generations(void **state)
{
    struct fixture *x = *state;
    struct redo r;

    assert_int_equal(redo_make(&r, x->place.spool.work, 1, SIZE), 0);
    assert_int_equal(redo_release(&r, 6), 0);
    log_records(&r, 7, 30);
    log_records(&r, 8, 6);
    redo_close(&r);
    for (int again = 0; again < 2; again++) {
        assert_true(recover_all(&x->r));
        assert_files(x, QUEUE_POST, 24);
        assert_files(x, QUEUE_PRT, 12);
    }
    assert_int_equal(redo_open(&r, x->place.spool.work, 1), 0);
    assert_int_equal(r.head.released, 8);
    redo_close(&r);
}

/* A head that is older than it should be: a generation that must be used up is not brought back. */
static void an_old_head(void **state)
{
    struct fixture *x = *state;
    struct redo r;

    assert_int_equal(redo_make(&r, x->place.spool.work, 1, SIZE), 0);
    log_records(&r, 3, 9);
    log_records(&r, 6, 3);
    redo_close(&r);
    assert_true(recover_all(&x->r));
    assert_files(x, QUEUE_POST, 2);
    assert_files(x, QUEUE_PRT, 1);
}

/* The same name in two records, and in the queue: none replaces another. */
static void names_that_are_taken(void **state)
{
    struct fixture *x = *state;
    struct redo r;

    int fd = openat(x->place.spool.queue[QUEUE_POST], "SSMTP.G1.D0000000.MAIL.T",
                    O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(redo_make(&r, x->place.spool.work, 1, SIZE), 0);
    log_records(&r, 1, 2);
    redo_close(&r);
    assert_true(recover_all(&x->r));
    assert_files(x, QUEUE_POST, 3);
}

static void a_journal_of_ones_own(void **state)
{
    struct fixture *x = *state;
    struct redo a, b, c;

    assert_int_equal(recover_own(&x->r, 4, SIZE, &a), 0);
    assert_int_equal(a.head.number, 4);
    assert_int_equal(recover_own(&x->r, 4, SIZE, &b), 0); /* the first one is not free */
    assert_int_equal(b.head.number, 5);
    log_records(&a, 1, 3);
    redo_close(&a);
    assert_int_equal(recover_own(&x->r, 4, 2 * SIZE, &c), 0); /* of another size */
    assert_int_equal(c.head.number, 4);
    assert_int_equal(c.head.size, 2 * SIZE);
    assert_files(x, QUEUE_POST, 2);
    redo_close(&b);
    redo_close(&c);
    assert_int_equal(recover_own(&x->r, REDO_MAX, SIZE, &a), 0);
    assert_int_equal(recover_own(&x->r, REDO_MAX, SIZE, &b), 0);
    assert_int_equal(b.head.number, 1);
    redo_close(&a);
    redo_close(&b);
}

static void a_batch_that_fails_leaves_no_record(void **state)
{
    struct fixture *x = *state;
    struct redo r, broken;
    bool in_doubt;

    assert_int_equal(redo_make(&r, x->place.spool.work, 1, SIZE), 0);
    broken = r;
    broken.fd = openat(x->place.spool.work, "SSMTP.1.JOURNAL", O_RDONLY);
    assert_int_equal(redo_append(&broken, 1, 0, SPAN("x"), &in_doubt), -1);
    assert_true(in_doubt); /* it can't be blanked either */
    close(broken.fd);
    redo_close(&r);
}

/* Of a batch of two records the disk takes the first, and then no more. */
static void a_batch_cut_short_leaves_no_record(void **state)
{
    struct fixture *x = *state;
    struct journal_record record = {
        .generation = 1, .queue = QUEUE_POST, .name = "SSMTP.A", .content = SPAN("text\n")};
    struct buf batch = {0};
    struct rlimit limit, before;
    struct redo r;
    bool in_doubt;

    assert_int_equal(redo_make(&r, x->place.spool.work, 1, SIZE), 0);
    seal_of(record.content, &record.mark);
    assert_true(journal_record_encode(&batch, r.head.key, &record));
    size_t first = batch.len;
    record.sequence = 1;
    assert_true(journal_record_encode(&batch, r.head.key, &record));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = journal_half_at(SIZE, 1) + first;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(redo_append(&r, 1, 0, BUF_SPAN(&batch), &in_doubt), -1);
    assert_int_equal(errno, EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(in_doubt); /* what lies beyond can't be blanked either */
    buf_free(&batch);
    redo_close(&r);
    assert_true(recover_all(&x->r));
    assert_files(x, QUEUE_POST, 0);
}

static void many_records(void **state)
{
    struct fixture *x = *state;
    struct redo r;

    assert_int_equal(redo_make(&r, x->place.spool.work, 1, SIZE), 0);
    log_records(&r, 1, 3000);
    redo_close(&r);
    assert_true(recover_all(&x->r));
    assert_files(x, QUEUE_POST, 2000);
    assert_files(x, QUEUE_PRT, 1000);
}

/* Records that cannot be ours, though their sums agree, are passed over; one that says that those
 * before it were synced shows what is missing. */
static void records_that_do_not_belong(void **state)
{
    struct fixture *x = *state;
    struct redo r;

    assert_int_equal(redo_make(&r, x->place.spool.work, 1, SIZE), 0);
    log_one(&r, 1, 0, (struct journal_record){.generation = 2, .queue = QUEUE_POST, .name = "A"});
    log_one(&r, 1, 4096, (struct journal_record){.generation = 1, .queue = 99, .name = "B"});
    log_one(&r, 1, 8192,
            (struct journal_record){
                .generation = 3, .sequence = 5, .first = 5, .queue = QUEUE_POST, .name = "C"});
    log_one(&r, 1, 12288,
            (struct journal_record){
                .generation = 3, .sequence = 2, .first = 1, .queue = QUEUE_POST, .name = "D"});
    redo_close(&r);
    redo_close(&r); /* twice does no harm */
    assert_true(recover_all(&x->r));
    assert_files(x, QUEUE_POST, 2);
    assert_true(place_there(x->place.spool.queue[QUEUE_POST], "C"));
    assert_true(place_there(x->place.spool.queue[QUEUE_POST], "D"));
}

/* The heads stand at both ends, so a journal that was cut or grew is still read. */
static void a_journal_of_another_length(void **state)
{
    static const off_t lengths[] = {SIZE / 2, SIZE + 4096, SIZE / 4};
    struct fixture *x = *state;
    struct redo r;

    assert_int_equal(redo_make(&r, x->place.spool.work, 1, SIZE), 0);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        log_records(&r, r.head.released + 2, 1); /* in the first half */
        assert_int_equal(ftruncate(r.fd, lengths[i]), 0);
        assert_false(redo_whole(&r));
        redo_close(&r);
        assert_true(recover_all(&x->r));
        assert_files(x, QUEUE_POST, (unsigned)i + 1);
        assert_int_equal(redo_open(&r, x->place.spool.work, 1), 0);
    }
    redo_close(&r);
    assert_false(redo_whole(&r));
}

/* The journal of another number, and one that somebody has. */
static void journals_that_are_not_to_be_touched(void **state)
{
    struct fixture *x = *state;
    struct redo r;

    assert_int_equal(redo_make(&r, x->place.spool.work, 1, JOURNAL_SIZE_MIN), 0);
    log_records(&r, 1, 1);
    assert_true(recover_all(&x->r)); /* it is locked */
    assert_files(x, QUEUE_POST, 0);
    redo_close(&r);
    assert_int_equal(
        renameat(x->place.spool.work, "SSMTP.1.JOURNAL", x->place.spool.work, "SSMTP.2.JOURNAL"),
        0);
    assert_int_equal(redo_open(&r, x->place.spool.work, 2), -1);
    assert_int_equal(errno, EBADMSG);
    assert_true(recover_all(&x->r));
    assert_true(place_there(x->place.spool.work, "SSMTP.2.JOURNAL.DAMAGED.1"));
    assert_files(x, QUEUE_POST, 0);
}

/* Dotted files of another journal's, or newer than what is released, are not shown by it. */
static void files_of_others(void **state)
{
    struct plain other = {.number = 2, .generation = 1, .name = "SSMTP.OTHER"};
    struct seal_mark mark;
    struct fixture *x = *state;
    struct redo one, two;

    assert_int_equal(redo_make(&one, x->place.spool.work, 1, JOURNAL_SIZE_MIN), 0);
    assert_int_equal(redo_make(&two, x->place.spool.work, 2, JOURNAL_SIZE_MIN), 0);
    assert_int_equal(redo_release(&one, 5), 0);
    redo_close(&one);
    seal_of(SPAN("text"), &mark);
    int fd = plain_make(x->place.spool.queue[QUEUE_POST], &other, SPAN("text"), &mark);
    assert_true(fd >= 0);
    close(fd);
    assert_true(recover_all(&x->r));
    assert_int_equal(place_count(x->place.spool.queue[QUEUE_POST], true), 1);
    redo_close(&two);
    assert_true(recover_all(&x->r)); /* not released: its record would be there */
    assert_files(x, QUEUE_POST, 0);
}

/* The first form: under its own name. */

#define UNSHOWN "SSMTP.JOB00012.D0010001.MAIL.T"
#define STRAY "SSMTP.JOB00012.D0020001.MAIL.T"

static mode_t mode_of(int dir, const char *file)
{
    struct stat st;

    assert_int_equal(fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

/* Makes one, of that text; returns whether it is dotted. */
static bool make_plain(int dir, unsigned number, const char *name, const char *text)
{
    struct plain p = {.number = number, .generation = 1};
    struct seal_mark mark;

    seal_of(span_of(text), &mark);
    assert_true(span_copy(span_of(name), p.name, sizeof(p.name)));
    int fd = plain_make(dir, &p, span_of(text), &mark);
    assert_true(fd >= 0);
    close(fd);
    return p.dotted;
}

static void write_file(int dir, const char *name, const char *text, mode_t mode)
{
    int fd = durable_create(dir, name, mode);

    assert_true(fd >= 0);
    assert_int_equal(durable_write(fd, text, strlen(text)), 0);
    close(fd);
}

static void a_file_under_its_name_is_shown_by_its_mode(void **state)
{
    struct fixture *x = *state;
    int dir = x->place.spool.queue[QUEUE_POST];
    struct plain p = {.number = 1, .name = UNSHOWN};

    assert_false(make_plain(dir, 1, UNSHOWN, "text"));
    assert_int_equal(mode_of(dir, UNSHOWN), SPOOL_UNSHOWN_MODE);
    assert_int_equal(plain_unshown(dir, UNSHOWN), 1);
    assert_int_equal(plain_show(dir, &p, NULL), 0);
    assert_int_equal(mode_of(dir, UNSHOWN), SPOOL_MODE);
    assert_int_equal(plain_unshown(dir, UNSHOWN), 0);
    assert_int_equal(unlinkat(dir, UNSHOWN, 0), 0);
    assert_int_equal(plain_show(dir, &p, NULL), -1);
    assert_int_equal(errno, ENOENT);
}

/* What bears the name already decides. */
static void a_name_that_is_there(void **state)
{
    struct fixture *x = *state;
    int dir = x->place.spool.queue[QUEUE_POST];

    assert_true(make_plain(dir, 2, UNSHOWN, "text")); /* of another journal */
    assert_files_are(dir, 0, 1);
    write_file(dir, UNSHOWN, "shown", 0640);
    assert_true(make_plain(dir, 1, UNSHOWN, "text"));
    assert_int_equal(mode_of(dir, UNSHOWN), 0640);
    assert_int_equal(unlinkat(dir, UNSHOWN, 0), 0);
    write_file(dir, UNSHOWN, "te", SPOOL_UNSHOWN_MODE); /* of a try that was killed */
    assert_false(make_plain(dir, 1, UNSHOWN, "text"));
    assert_int_equal(place_copies(dir, "te"), 0);
    assert_false(make_plain(dir, 1, UNSHOWN, "text")); /* its own */
    assert_true(make_plain(dir, 1, UNSHOWN, "other")); /* of another message */
    assert_int_equal(mode_of(dir, UNSHOWN), SPOOL_UNSHOWN_MODE);
}

/* A power cut may take back that a file was shown: its record is used up by then. */
static void unshown_files_without_a_record(void **state)
{
    struct fixture *x = *state;
    int dir = x->place.spool.queue[QUEUE_POST];
    struct redo one, two;

    assert_int_equal(redo_make(&one, x->place.spool.work, 1, JOURNAL_SIZE_MIN), 0);
    assert_int_equal(redo_make(&two, x->place.spool.work, 2, JOURNAL_SIZE_MIN), 0);
    redo_close(&one);
    assert_false(make_plain(dir, 1, UNSHOWN, "text"));
    assert_false(make_plain(dir, 2, STRAY, "stray"));
    assert_true(recover_all(&x->r));
    assert_int_equal(mode_of(dir, UNSHOWN), SPOOL_MODE);
    assert_int_equal(mode_of(dir, STRAY), SPOOL_UNSHOWN_MODE); /* somebody has that journal */
    redo_close(&two);
    assert_int_equal(unlinkat(x->place.spool.work, "SSMTP.2.JOURNAL", 0), 0);
    assert_true(recover_all(&x->r));
    assert_int_equal(mode_of(dir, STRAY), SPOOL_MODE);
}

/* One that is not whole, and whose record is gone: nobody gets it, and it is not lost. */
static void an_unshown_file_that_is_not_whole(void **state)
{
    struct fixture *x = *state;
    int dir = x->place.spool.queue[QUEUE_POST];
    struct redo one;

    assert_int_equal(redo_make(&one, x->place.spool.work, 1, JOURNAL_SIZE_MIN), 0);
    redo_close(&one);
    assert_false(make_plain(dir, 1, UNSHOWN, "text"));
    int fd = openat(dir, UNSHOWN, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    close(fd);
    write_file(dir, STRAY, "no seal", SPOOL_UNSHOWN_MODE); /* whose journal is gone */
    assert_true(recover_all(&x->r));
    assert_files_are(dir, 0, 2);
    assert_int_equal(mode_of(dir, ".left." UNSHOWN), SPOOL_MODE);
    assert_int_equal(mode_of(dir, ".left." STRAY), SPOOL_MODE);
}

/* Its record is there: it is written anew, whatever the file is. */
static void an_unshown_file_with_its_record(void **state)
{
    static const char *const was[] = {NULL, "", "te", "text"};
    struct fixture *x = *state;
    int dir = x->place.spool.queue[QUEUE_POST];

    for (size_t i = 0; i < sizeof(was) / sizeof(was[0]); i++) {
        struct journal_record r = {.queue = QUEUE_POST, .name = UNSHOWN};
        struct redo redo;
        assert_int_equal(redo_make(&redo, x->place.spool.work, 1, SIZE), 0);
        r.generation = redo.head.released + 1;
        log_one(&redo, r.generation, 0, r);
        redo_close(&redo);
        if (was[i] != NULL && strcmp(was[i], "text") == 0)
            make_plain(dir, 1, UNSHOWN, "text");
        else if (was[i] != NULL)
            write_file(dir, UNSHOWN, was[i], SPOOL_UNSHOWN_MODE);
        assert_true(recover_all(&x->r));
        assert_files_are(dir, 1, 0);
        assert_int_equal(place_copies(dir, "text"), 1);
        assert_int_equal(mode_of(dir, UNSHOWN), SPOOL_MODE);
        assert_int_equal(unlinkat(dir, UNSHOWN, 0), 0);
        assert_int_equal(unlinkat(x->place.spool.work, "SSMTP.1.JOURNAL", 0), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_plain_files),
        TEST(a_journal_is_made_once_and_locked),
        TEST(a_journal_half_made),
        TEST(two_generations),
        TEST(an_old_head),
        TEST(names_that_are_taken),
        TEST(a_journal_of_ones_own),
        TEST(a_batch_that_fails_leaves_no_record),
        TEST(a_batch_cut_short_leaves_no_record),
        TEST(records_that_do_not_belong),
        TEST(a_journal_of_another_length),
        TEST(journals_that_are_not_to_be_touched),
        TEST(files_of_others),
        TEST(many_records),
        TEST(a_file_under_its_name_is_shown_by_its_mode),
        TEST(a_name_that_is_there),
        TEST(unshown_files_without_a_record),
        TEST(an_unshown_file_that_is_not_whole),
        TEST(an_unshown_file_with_its_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
