/* The receiver's journal as a file, and what follows an interruption, with every call failing in
 * turn: ssmtp/redo, plain, recover. A record that was durable is shown once, whatever fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssmtp/plain.h"
#include "ssmtp/recover.h"
#include "tests/unit/faults.h"
#include "tests/unit/place.h"

enum { RECORDS = 3 }; /* of a generation */

static struct place place;
static const struct spool *const spool = &place.spool;
static struct recovery recovery;

static int set_up(void **state)
{
    (void)state;
    place_make(&place, "");
    recovery = (struct recovery){.spool = &place.spool, .log = &place.log};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    place_remove(&place);
    return 0;
}

static void *prepare(void)
{
    place_clear(&place);
    return &place;
}

static void text_of(char out[32], uint64_t generation, uint32_t i)
{
    snprintf(out, 32, "text %u of %u\n", i, (unsigned)generation);
}

static void record_of(struct journal_record *r, uint64_t generation, uint32_t i, char text[32])
{
    *r = (struct journal_record){.generation = generation, .sequence = i};
    r->queue = i % 3 == 2 ? QUEUE_PRT : QUEUE_POST;
    snprintf(r->name, sizeof(r->name), "SSMTP.G%u.D%07u.MAIL.T", (unsigned)generation, i);
    text_of(text, generation, i);
    r->content = span_of(text);
    seal_of(r->content, &r->mark);
}

static int append(const struct redo *redo, uint64_t generation, bool *doubt)
{
    struct buf batch = {0};
    struct journal_record r;
    char text[32];
    int result = 0;

    fault_pause();
    for (uint32_t i = 0; i < RECORDS; i++) {
        record_of(&r, generation, i, text);
        assert_true(journal_record_encode(&batch, redo->head.key, &r));
    }
    fault_resume();
    result = redo_append(redo, generation, 0, BUF_SPAN(&batch), doubt);
    int saved = errno;
    buf_free(&batch);
    errno = saved;
    return result;
}

/* Each record of the generation is in a queue once; or, if it may be, in none. */
static void expect_shown(uint64_t generation, bool surely)
{
    char text[32];
    unsigned all = 0;

    for (uint32_t i = 0; i < RECORDS; i++) {
        text_of(text, generation, i);
        unsigned n = place_copies(spool->queue[QUEUE_POST], text) +
                     place_copies(spool->queue[QUEUE_PRT], text);
        FAULT_EXPECT(n <= 1);
        all += n;
    }
    FAULT_EXPECT(all == RECORDS || !surely);
}

static void expect_nothing_dotted(void)
{
    FAULT_EXPECT(place_count(spool->queue[QUEUE_POST], true) == 0);
    FAULT_EXPECT(place_count(spool->queue[QUEUE_PRT], true) == 0);
}

/* A journal's life: made, written, released. */

static bool durable;

static int live(void *arg)
{
    struct redo r;
    bool doubt;

    (void)arg;
    durable = false;
    if (redo_make(&r, spool->work, 1, JOURNAL_SIZE_MIN) < 0)
        return -1;
    int result = append(&r, 1, &doubt);
    if (result == 0) {
        durable = true;
        result = append(&r, 2, &doubt);
    }
    int saved = errno;
    redo_close(&r);
    errno = saved;
    return result;
}

static void nothing_durable_is_lost(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    FAULT_EXPECT(recover_all(&recovery));
    expect_shown(1, durable);
    expect_shown(2, result == 0);
    expect_nothing_dotted();
}

/* A record that could not be written is no record, even after a power cut: what takes it away is
 * synced before its sender is told no, or the next start must find out. */

static struct redo writing;
static bool synced, in_doubt;

static void note_sync(void)
{
    synced = true;
}

static void *prepare_writing(void)
{
    prepare();
    assert_int_equal(redo_make(&writing, spool->work, 1, JOURNAL_SIZE_MIN), 0);
    synced = in_doubt = false;
    fault_meanwhile("fdatasync", note_sync);
    return &place;
}

static int append_one(void *arg)
{
    (void)arg;
    int result = append(&writing, 1, &in_doubt);
    int saved = errno;
    redo_close(&writing);
    errno = saved;
    return result;
}

static void synced_or_in_doubt(void *arg, int result, const struct fault *f)
{
    bool failed = f->call != NULL && strcmp(f->call, "fdatasync") == 0;

    (void)arg;
    FAULT_EXPECT(result == 0 ? synced : in_doubt || (synced && !failed));
}

/* A disk that takes nothing any more, and syncs nothing. */
static void *prepare_failing(void)
{
    prepare_writing();
    fault_always("fdatasync", EIO);
    return &place;
}

static void in_doubt_if_it_began(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    FAULT_EXPECT(result < 0 && in_doubt);
}

/* Recovery of two generations, some files of which were made already. */

static void leave_journal(void)
{
    struct journal_record rec;
    struct redo r;
    bool doubt;
    char text[32];

    assert_int_equal(redo_make(&r, spool->work, 1, JOURNAL_SIZE_MIN), 0);
    assert_int_equal(redo_release(&r, 6), 0);
    assert_int_equal(append(&r, 7, &doubt), 0);
    assert_int_equal(append(&r, 8, &doubt), 0);
    fault_pause();
    for (uint32_t i = 0; i < 2; i++) {
        struct plain p = {.number = 1, .generation = 7};
        record_of(&rec, 7, i, text);
        span_copy(span_of(rec.name), p.name, sizeof(p.name));
        int fd = plain_make(spool->queue[rec.queue], &p, rec.content, &rec.mark);
        assert_true(fd >= 0);
        close(fd);
    }
    redo_close(&r);
}

static void *prepare_left(void)
{
    prepare();
    leave_journal();
    fault_pause();
    return &place;
}

/* A name is taken, a file's journal is gone, another file of such a one is damaged. */
static void *prepare_strays(void)
{
    struct plain p = {.number = 9, .generation = 3, .name = "SSMTP.STRAY"};
    struct seal_mark mark;
    char file[PLAIN_FILE];

    prepare_left();
    place_put(spool->queue[QUEUE_POST], "SSMTP.G7.D0000000.MAIL.T", "another's");
    seal_of(SPAN("a stray\n"), &mark);
    int fd = plain_make(spool->queue[QUEUE_POST], &p, SPAN("a stray\n"), &mark);
    assert_true(fd >= 0);
    close(fd);
    p.number = 999;
    plain_format(file, &p);
    place_put(spool->queue[QUEUE_PRT], file, "half of it");
    place_put(spool->work, "SSMTP.2.JOURNAL", "no head");
    place_put(spool->work, ".SSMTP.3.JOURNAL.new", "half made");
    return &place;
}

static int recover(void *arg)
{
    (void)arg;
    return recover_all(&recovery) ? 0 : -1;
}

static void all_is_shown(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    if (result == 0 && f->call == NULL) {
        expect_shown(7, true);
        expect_shown(8, true);
    }
    FAULT_EXPECT(recover_all(&recovery));
    expect_shown(7, true);
    expect_shown(8, true);
    expect_nothing_dotted();
}

static void strays_are_shown(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    FAULT_EXPECT(recover_all(&recovery));
    expect_shown(7, true);
    expect_shown(8, true);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_POST], "a stray\n") == 1);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_PRT], "half of it") == 1);
    FAULT_EXPECT(place_count(spool->queue[QUEUE_PRT], true) == 1);
    FAULT_EXPECT(place_has(spool->queue[QUEUE_POST], "SSMTP.G7.D0000000.MAIL.T", "another's"));
}

/* A journal of one's own: recovered and kept, or made anew. */

static int own_of(uint64_t size)
{
    struct redo r;
    int result = recover_own(&recovery, 1, size, &r);

    if (result == 0)
        redo_close(&r);
    return result == 1 ? 1 : result;
}

static int own(void *arg)
{
    (void)arg;
    return own_of(JOURNAL_SIZE_MIN);
}

static int own_larger(void *arg)
{
    (void)arg;
    return own_of(2 * JOURNAL_SIZE_MIN);
}

/* All is shown, and nobody knows whether that was synced. */
static void *prepare_shown(void)
{
    prepare_left();
    assert_true(recover_all(&recovery));
    return &place;
}

/* A journal goes only when each queue is synced. */
static void it_stays_until_synced(void *arg, int result, const struct fault *f)
{
    enum { QUEUES = 3 };
    struct stat st;

    (void)arg;
    if (f->call == NULL || f->error == EINTR || f->number > QUEUES)
        return;
    FAULT_EXPECT(result < 0 && fstatat(spool->work, "SSMTP.1.JOURNAL", &st, 0) == 0 &&
                 st.st_size == JOURNAL_SIZE_MIN);
}

static void it_is_there(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    FAULT_EXPECT(own_of(JOURNAL_SIZE_MIN) == 0);
}

static void it_is_there_and_all_is_shown(void *arg, int result, const struct fault *f)
{
    it_is_there(arg, result, f);
    all_is_shown(arg, -1, f);
}

static void *prepare_headless(void)
{
    prepare();
    place_put(spool->work, "SSMTP.1.JOURNAL", "no head");
    return &place;
}

static void it_was_put_aside(void *arg, int result, const struct fault *f)
{
    it_is_there(arg, result, f);
    FAULT_EXPECT(place_copies(spool->work, "no head") == 1);
}

/* Its owner replaces a journal between our opening it and its lock. */

static void unlink_journal(void)
{
    assert_int_equal(unlinkat(spool->work, "SSMTP.1.JOURNAL", 0), 0);
}

static void *prepare_replaced(void)
{
    prepare();
    leave_journal();
    fault_meanwhile("flock", unlink_journal);
    return &place;
}

static int open_it(void *arg)
{
    struct redo r;
    int result = redo_open(&r, spool->work, 1);

    (void)arg;
    if (result == 0)
        redo_close(&r);
    return result < 0 && errno == EWOULDBLOCK ? 1 : result;
}

static void it_is_not_opened(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    FAULT_EXPECT(result != 0);
}

#define UNSHOWN(n) "SSMTP.JOB00001.D00" n "0001.MAIL.T"

/* A plain file that is made twice. */

static int make_plain(void *arg)
{
    struct plain p = {.number = 1, .generation = 1, .name = UNSHOWN("1")};
    struct seal_mark mark;

    (void)arg;
    seal_of(SPAN("text"), &mark);
    for (int i = 0; i < 2; i++) {
        int fd = plain_make(spool->queue[QUEUE_POST], &p, SPAN("text"), &mark);
        if (fd < 0)
            return -1;
        close(fd);
    }
    return 0;
}

static void whole_or_none(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    FAULT_EXPECT(result < 0 || place_copies(spool->queue[QUEUE_POST], "text") == 1);
}

/* Files under their names that are not shown: whole, of a journal that is gone, not whole. */

static void leave_unshown(const char *name, unsigned number, const char *text)
{
    struct plain p = {.number = number, .generation = 1};
    struct seal_mark mark;

    assert_true(span_copy(span_of(name), p.name, sizeof(p.name)));
    seal_of(SPAN("text"), &mark);
    int fd = plain_make(spool->queue[QUEUE_POST], &p, span_of(text), &mark);
    assert_true(fd >= 0 && !p.dotted);
    close(fd);
}

static void *prepare_unshown(void)
{
    struct redo r;

    prepare();
    assert_int_equal(redo_make(&r, spool->work, 1, JOURNAL_SIZE_MIN), 0);
    redo_close(&r);
    fault_pause();
    leave_unshown(UNSHOWN("1"), 1, "text");
    leave_unshown(UNSHOWN("2"), 2, "text");
    leave_unshown(UNSHOWN("3"), 3, "tex");
    return &place;
}

static bool is_shown(const char *name)
{
    struct stat st;

    return fstatat(spool->queue[QUEUE_POST], name, &st, 0) == 0 && !spool_unshown(&st);
}

static void the_whole_are_shown(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    FAULT_EXPECT(recover_all(&recovery));
    FAULT_EXPECT(is_shown(UNSHOWN("1")) && is_shown(UNSHOWN("2")));
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_POST], "text") == 2);
    FAULT_EXPECT(place_has(spool->queue[QUEUE_POST], ".left." UNSHOWN("3"), "tex"));
}

/* Seals that cannot be read any more: nobody knows, so nothing is shown, and nothing is lost. */
static void *prepare_unreadable(void)
{
    prepare_unshown();
    fault_always("fgetxattr", ENOTSUP);
    return &place;
}

static void all_are_left(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    FAULT_EXPECT(result < 0 || place_copies(spool->queue[QUEUE_POST], "text") == 2);
    FAULT_EXPECT(!is_shown(UNSHOWN("1")) && !is_shown(UNSHOWN("2")));
}

/* Where there are no attributes, and where the name is another's, a plain file is dotted. */
static void *prepare_sealless(void)
{
    prepare();
    fault_always("fsetxattr", ENOTSUP);
    return &place;
}

static void *prepare_taken(void)
{
    prepare();
    place_put(spool->queue[QUEUE_POST], UNSHOWN("1"), "another's");
    return &place;
}

static void *prepare_made(void)
{
    prepare();
    fault_pause();
    leave_unshown(UNSHOWN("1"), 1, "text");
    return &place;
}

#define LIES                                                                                       \
    {                                                                                              \
        ENOENT, FAULT_NOTHING                                                                      \
    }

/* And of a seal that is there. */
#define SEAL_LIES                                                                                  \
    {                                                                                              \
        ENOENT, FAULT_NOTHING, ENODATA, ERANGE                                                     \
    }

static const struct fault_case cases[] = {
    {"a journal's life", prepare, live, nothing_durable_is_lost, {ENOENT}, NULL, LIES},
    {"a record", prepare_writing, append_one, synced_or_in_doubt, {0}, NULL, {0}},
    {"a record, nothing syncs",
     prepare_failing,
     append_one,
     in_doubt_if_it_began,
     {0},
     " pwrite ",
     {0}},
    {"recovery", prepare_left, recover, all_is_shown, {ENOENT}, NULL, LIES},
    {"recovery with strays", prepare_strays, recover, strays_are_shown, {ENOENT}, NULL, LIES},
    {"a new journal", prepare, own, it_is_there, {ENOENT}, NULL, {0}},
    {"the same journal", prepare_left, own, it_is_there_and_all_is_shown, {ENOENT}, NULL, LIES},
    {"of another size",
     prepare_left,
     own_larger,
     it_is_there_and_all_is_shown,
     {ENOENT},
     NULL,
     LIES},
    {"of another size, all shown",
     prepare_shown,
     own_larger,
     it_stays_until_synced,
     {0},
     " fsync ",
     {0}},
    {"a journal without a head", prepare_headless, own, it_was_put_aside, {ENOENT}, NULL, LIES},
    {"files that went",
     prepare_strays,
     recover,
     strays_are_shown,
     {0},
     " unlinkat renameat2 ",
     {0}},
    {"a journal that went", prepare_left, recover, all_is_shown, {0}, " openat ", {EEXIST}},
    {"a journal replaced", prepare_replaced, open_it, it_is_not_opened, {ENOENT}, NULL, LIES},
    {"a plain file", prepare, make_plain, whole_or_none, {ENOENT}, NULL, {0}},
    {"a plain file without a seal",
     prepare_sealless,
     make_plain,
     whole_or_none,
     {ENOENT},
     NULL,
     LIES},
    {"a plain file whose name is taken",
     prepare_taken,
     make_plain,
     whole_or_none,
     {ENOENT},
     NULL,
     LIES},
    {"a plain file whose seal is unreadable",
     prepare_made,
     make_plain,
     whole_or_none,
     {ENOENT},
     " fgetxattr ",
     {0}},
    {"unshown files", prepare_unshown, recover, the_whole_are_shown, {ENOENT}, NULL, SEAL_LIES},
    {"unshown files, unreadable", prepare_unreadable, recover, all_are_left, {ENOENT}, NULL, {0}},
};

static void every_call_fails_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fault_sweep(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails_in_turn),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
