/* Unit tests of ssmtp/store and ssmtp/commit: messages become durable spool files, in batches. */
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
#include <unistd.h>

#include "lib/seal.h"
#include "ssmtp/commit.h"
#include "tests/unit/place.h"

enum { MESSAGES = 40, RFC_STAMP = 1795288065 };

/* A throwaway spool with a committer. */
struct fixture {
    struct place place;
    struct store_names names;
    struct loop *loop;
    struct committer *committer;
    struct commit_file file[MESSAGES];
    unsigned wanted, done;
    int doubt;
};

static void on_done(struct commit_file *f)
{
    struct fixture *x = f->arg;

    if (++x->done == x->wanted)
        loop_stop(x->loop);
}

static void on_doubt(void *arg, int error)
{
    struct fixture *x = arg;

    x->doubt = error;
    loop_stop(x->loop);
}

static void start(struct fixture *x, int whole, struct redo *redo)
{
    const struct committer_params params = {.loop = x->loop,
                                            .spool = &x->place.spool,
                                            .whole = whole,
                                            .names = &x->names,
                                            .log = &x->place.log,
                                            .redo = redo,
                                            .done = on_done,
                                            .doubt = on_doubt,
                                            .arg = x};

    x->committer = committer_new(&params);
    assert_non_null(x->committer);
}

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));

    assert_non_null(x);
    place_make(&x->place, "");
    assert_true(store_names_open(&x->names, &x->place.spool));
    x->loop = loop_new();
    assert_non_null(x->loop);
    start(x, x->place.spool.queue[QUEUE_POST], NULL);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;

    committer_free(x->committer);
    loop_free(x->loop);
    store_names_close(&x->names);
    place_remove(&x->place);
    free(x);
    return 0;
}

static const struct store_head *head(void)
{
    static struct address to;
    static struct envelope e;
    static struct store_head h;

    address_parse(SPAN("USER@OFFICE"), ADDRESS_BARE_OK, &to, NULL);
    e = (struct envelope){.to = &to, .nto = 1, .have_from = true};
    h = (struct store_head){.envelope = &e,
                            .helo = "c.example",
                            .literal = "[192.0.2.1]",
                            .host = "h.example",
                            .esmtp = true,
                            .wall = RFC_STAMP};
    return &h;
}

/* Writes a message of so many lines of text. */
static void write_message(struct fixture *x, struct store_file *f, unsigned lines)
{
    char name[STORE_NAME];

    assert_true(store_names_next(&x->names, false, name));
    assert_true(store_begin(f, x->place.spool.queue[QUEUE_POST], name, head()));
    for (unsigned i = 0; i < lines; i++) {
        struct buf *text = store_text(f);
        if (text == NULL)
            return;
        buf_printf(text, "line %u of the text\n", i);
        store_took(f);
    }
}

static void hand_over(struct fixture *x, struct store_file *f, size_t i, enum spool_queue q)
{
    x->file[i] = (struct commit_file){.writer = f->writer, .to = x->place.spool.queue[q], .arg = x};
    span_copy(span_of(f->name), x->file[i].name, sizeof(x->file[i].name));
    committer_add(x->committer, &x->file[i]);
}

static void wait_for_all(struct fixture *x, unsigned n)
{
    x->wanted = n;
    while (x->done < n)
        loop_run(x->loop);
    assert_int_equal(x->done, n);
}

static unsigned count_files(const struct fixture *x, enum spool_queue q, bool temporary)
{
    return place_count(x->place.spool.queue[q], temporary);
}

static void read_message(const struct fixture *x, enum spool_queue q, const char *name,
                         struct buf *out)
{
    int fd = durable_open(x->place.spool.queue[q], name);
    struct seal seal = {0};
    ssize_t n;

    assert_true(fd >= 0);
    while (buf_reserve(out, 4096) && (n = read(fd, out->data + out->len, 4096)) > 0)
        out->len += (size_t)n;
    seal_open(&seal, fd);
    seal_add(&seal, BUF_SPAN(out));
    enum seal_state s = seal_check(&seal);
    assert_true(s == SEAL_GOOD || s == SEAL_NONE); /* none: no attributes here */
    close(fd);
}

static void a_message_is_as_it_should_be(void **state)
{
    struct fixture *x = *state;
    struct store_file f;
    struct buf text = {0};
    char wanted[512];

    write_message(x, &f, 2);
    assert_int_equal(f.writer.fd, -1); /* a small one is not written before its end */
    assert_true(store_end(&f, false));
    assert_int_equal(count_files(x, QUEUE_POST, false), 0);
    hand_over(x, &f, 0, QUEUE_POST);
    wait_for_all(x, 1);
    assert_int_equal(x->file[0].error, 0);
    read_message(x, QUEUE_POST, x->file[0].name, &text);
    snprintf(wanted, sizeof(wanted),
             "X-From: <>\nX-To: <USER@OFFICE>\n"
             "Received: from c.example ([192.0.2.1])\n\tby h.example (SSMTP) with ESMTP id %s;\n"
             "\tSat, 21 Nov 2026 19:07:45 +0000\nline 0 of the text\nline 1 of the text\n",
             x->file[0].name);
    assert_string_equal(buf_str(&text), wanted);
    assert_int_equal(count_files(x, QUEUE_POST, true), 0);
    buf_free(&text);
}

static void a_large_message_is_written_as_it_comes(void **state)
{
    struct fixture *x = *state;
    struct store_file f;
    struct buf text = {0};
    enum { LINES = 20000 };

    write_message(x, &f, LINES);
    assert_true(f.writer.fd >= 0);
    assert_true(f.held.len < STORE_HELD && f.held.cap <= 2UL * STORE_HELD);
    assert_int_equal(count_files(x, QUEUE_POST, true), 1);
    assert_true(store_end(&f, false));
    hand_over(x, &f, 0, QUEUE_PRT); /* diverted: a move between two directories */
    wait_for_all(x, 1);
    assert_int_equal(x->file[0].error, 0);
    assert_int_equal(count_files(x, QUEUE_POST, true) + count_files(x, QUEUE_POST, false), 0);
    read_message(x, QUEUE_PRT, x->file[0].name, &text);
    struct span rest = BUF_SPAN(&text), line;
    size_t lines = 0;
    while (span_line(&rest, &line))
        lines++;
    assert_int_equal(lines, LINES + 5);
    buf_free(&text);
}

static void a_dropped_message_leaves_nothing(void **state)
{
    struct fixture *x = *state;
    struct store_file f;

    write_message(x, &f, 1);
    store_drop(&f);
    write_message(x, &f, 20000);
    store_drop(&f);
    assert_int_equal(count_files(x, QUEUE_POST, true), 0);
}

/* Batches on both sides of the number from which one sync serves all. */
static void batches(void **state)
{
    static const unsigned sizes[] = {1, 2, 7, 8, 9, MESSAGES};
    struct fixture *x = *state;
    unsigned post = 0, prt = 0;

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct store_file f[MESSAGES];
        for (unsigned i = 0; i < sizes[s]; i++) {
            write_message(x, &f[i], i);
            assert_true(store_end(&f[i], false));
        }
        x->done = 0;
        for (unsigned i = 0; i < sizes[s]; i++)
            hand_over(x, &f[i], i, i % 3 == 2 ? QUEUE_PRT : QUEUE_POST);
        wait_for_all(x, sizes[s]);
        for (unsigned i = 0; i < sizes[s]; i++) {
            struct buf text = {0};
            enum spool_queue q = i % 3 == 2 ? QUEUE_PRT : QUEUE_POST;
            assert_int_equal(x->file[i].error, 0);
            assert_int_equal(x->file[i].writer.fd, -1);
            read_message(x, q, x->file[i].name, &text);
            buf_free(&text);
            post += q == QUEUE_POST;
            prt += q == QUEUE_PRT;
        }
        assert_int_equal(count_files(x, QUEUE_POST, false), post);
        assert_int_equal(count_files(x, QUEUE_PRT, false), prt);
        assert_int_equal(count_files(x, QUEUE_POST, true), 0);
    }
}

/* A name that is taken is never overwritten: the file gets another one. */
static void taken_names(void **state)
{
    struct fixture *x = *state;
    struct store_file f;
    struct buf text = {0};
    char first[STORE_NAME];

    write_message(x, &f, 1);
    assert_true(store_end(&f, false));
    span_copy(span_of(f.name), first, sizeof(first));
    int fd = openat(x->place.spool.queue[QUEUE_POST], first, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0 && write(fd, "another's\n", 10) == 10);
    close(fd);
    hand_over(x, &f, 0, QUEUE_POST);
    wait_for_all(x, 1);
    assert_int_equal(x->file[0].error, 0);
    assert_string_not_equal(x->file[0].name, first);
    read_message(x, QUEUE_POST, x->file[0].name, &text);
    assert_non_null(strstr(buf_str(&text), "line 0 of the text"));
    buf_clear(&text);
    fd = durable_open(x->place.spool.queue[QUEUE_POST], first);
    assert_true(fd >= 0 && buf_reserve(&text, 64) && read(fd, text.data, 64) == 10);
    close(fd);
    buf_free(&text);
}

/* Something that can't be synced in the place of a file: alone, and in the middle of a batch. */
static void a_failed_sync_concerns_its_file_alone(void **state)
{
    static const unsigned sizes[] = {1, 3, 20};
    struct fixture *x = *state;
    unsigned good = 0;

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct store_file f[20];
        unsigned bad = sizes[s] / 2;
        int ends[2];
        for (unsigned i = 0; i < sizes[s]; i++) {
            write_message(x, &f[i], 1);
            assert_true(store_end(&f[i], false));
        }
        assert_int_equal(pipe(ends), 0);
        assert_true(dup2(ends[0], f[bad].writer.fd) >= 0);
        x->done = 0;
        for (unsigned i = 0; i < sizes[s]; i++)
            hand_over(x, &f[i], i, QUEUE_POST);
        wait_for_all(x, sizes[s]);
        for (unsigned i = 0; i < sizes[s]; i++)
            assert_int_equal(x->file[i].error != 0, i == bad);
        good += sizes[s] - 1;
        assert_int_equal(count_files(x, QUEUE_POST, false), good);
        assert_int_equal(count_files(x, QUEUE_POST, true), 0);
        close(ends[0]);
        close(ends[1]);
    }
}

/* When the sync of all fails, nothing that it was to cover is accepted. */
static void a_failed_sync_of_all(void **state)
{
    struct fixture *x = *state;
    struct store_file f[MESSAGES];
    unsigned bad = 0;

    committer_free(x->committer);
    start(x, -1, NULL);
    for (unsigned i = 0; i < MESSAGES; i++) {
        write_message(x, &f[i], 1);
        assert_true(store_end(&f[i], false));
    }
    for (unsigned i = 0; i < MESSAGES; i++)
        hand_over(x, &f[i], i, QUEUE_POST);
    wait_for_all(x, MESSAGES);
    for (unsigned i = 0; i < MESSAGES; i++) {
        assert_true(x->file[i].error == 0 || x->file[i].error == EBADF);
        bad += x->file[i].error != 0;
    }
    assert_true(bad >= 8); /* there was a batch of many */
    assert_int_equal(count_files(x, QUEUE_POST, false), MESSAGES - bad);
    assert_int_equal(count_files(x, QUEUE_POST, true), 0);
}

static void a_file_that_vanished_is_an_error(void **state)
{
    struct fixture *x = *state;
    struct store_file f;

    write_message(x, &f, 1);
    assert_true(store_end(&f, false));
    assert_int_equal(unlinkat(f.writer.dir, f.writer.temporary, 0), 0);
    hand_over(x, &f, 0, QUEUE_POST);
    wait_for_all(x, 1);
    assert_int_equal(x->file[0].error, ENOENT);
}

static void what_waits_is_finished_at_the_end(void **state)
{
    struct fixture *x = *state;

    for (size_t i = 0; i < MESSAGES; i++) {
        struct store_file f;
        write_message(x, &f, 1);
        assert_true(store_end(&f, false));
        hand_over(x, &f, i, QUEUE_POST);
    }
    x->wanted = MESSAGES + 1; /* the loop does not run any more */
    committer_free(x->committer);
    x->committer = NULL;
    assert_int_equal(x->done, MESSAGES);
    assert_int_equal(count_files(x, QUEUE_POST, false), MESSAGES);
}

static void an_error_stays_with_the_message(void **state)
{
    struct fixture *x = *state;
    struct store_file f;
    char name[STORE_NAME];

    assert_true(store_names_next(&x->names, false, name));
    assert_true(store_begin(&f, -1, name, head())); /* no directory */
    struct buf *text = store_text(&f);
    assert_non_null(text);
    buf_fill(text, 'x', STORE_HELD);
    store_took(&f);
    assert_int_equal(f.error, EBADF);
    assert_null(store_text(&f));
    store_took(&f);
    assert_false(store_end(&f, false));
    assert_int_equal(f.error, EBADF);
    assert_int_equal(f.held.cap, 0);
    store_drop(&f);
}

/* A session that ends before it says what it took: nothing of it is lost or held by mistake. */
static void text_that_was_not_announced(void **state)
{
    struct fixture *x = *state;
    char longest[STORE_NAME + 1];
    struct store_file f;

    memset(longest, 'A', STORE_NAME);
    longest[STORE_NAME] = '\0';
    assert_false(store_begin(&f, x->place.spool.queue[QUEUE_POST], longest, head()));
    write_message(x, &f, 1);
    buf_fill(store_text(&f), 'x', STORE_HELD); /* more than may stay in memory */
    assert_true(store_end(&f, true));
    assert_true(f.writer.fd >= 0);
    store_drop(&f);
    write_message(x, &f, 1);
    assert_false(buf_reserve(store_text(&f), SIZE_MAX));
    assert_false(store_end(&f, true));
    assert_int_equal(f.error, ENOMEM);
    store_drop(&f);
    assert_int_equal(count_files(x, QUEUE_POST, true), 0);
}

/* The journal. */

enum { KIB256 = 256 << 10 };

static void start_with_journal(struct fixture *x, struct redo *redo)
{
    committer_free(x->committer);
    x->committer = NULL;
    assert_int_equal(redo_make(redo, x->place.spool.work, 1, KIB256), 0);
    start(x, x->place.spool.queue[QUEUE_POST], redo);
}

static void hand_over_entry(struct fixture *x, struct store_file *f, size_t i, enum spool_queue q)
{
    struct entry *e = calloc(1, sizeof(*e));

    assert_non_null(e);
    assert_true(committer_holds(x->committer, f->held.len));
    assert_true(store_end(f, true));
    assert_int_equal(f->writer.fd, -1);
    *e = (struct entry){.text = f->held, .queue = (unsigned char)q, .fd = -1};
    seal_of(BUF_SPAN(&e->text), &e->mark);
    span_copy(span_of(f->name), e->name, sizeof(e->name));
    x->file[i] = (struct commit_file){.entry = e, .to = x->place.spool.queue[q], .arg = x};
    span_copy(span_of(f->name), x->file[i].name, sizeof(x->file[i].name));
    committer_add(x->committer, &x->file[i]);
}

static void stop(struct fixture *x, struct redo *redo)
{
    committer_free(x->committer);
    x->committer = NULL;
    assert_int_equal(count_files(x, QUEUE_POST, true), 0);
    assert_int_equal(count_files(x, QUEUE_PRT, true), 0);
    redo_close(redo);
}

/* More than the journal holds, in batches of all sizes, beside messages that are files. */
static void entries_become_files(void **state)
{
    struct fixture *x = *state;
    struct store_file f;
    struct redo redo;
    enum { ROUNDS = 12 };

    start_with_journal(x, &redo);
    for (unsigned round = 0; round < ROUNDS; round++) {
        x->done = 0;
        for (unsigned i = 0; i < MESSAGES; i++) {
            write_message(x, &f, 30 * i);
            if (i % 7 == 6) {
                assert_true(store_end(&f, false));
                hand_over(x, &f, i, QUEUE_POST);
            } else {
                hand_over_entry(x, &f, i, i % 3 == 2 ? QUEUE_PRT : QUEUE_POST);
            }
        }
        wait_for_all(x, MESSAGES);
        for (unsigned i = 0; i < MESSAGES; i++)
            assert_int_equal(x->file[i].error, 0);
    }
    stop(x, &redo);
    assert_int_equal(count_files(x, QUEUE_POST, false) + count_files(x, QUEUE_PRT, false),
                     ROUNDS * MESSAGES);
    struct buf text = {0};
    read_message(x, QUEUE_POST, x->file[1].name, &text);
    assert_non_null(strstr(buf_str(&text), "line 29 of the text\n"));
    buf_free(&text);
    assert_int_equal(x->doubt, 0);
}

static void an_entry_whose_name_is_taken(void **state)
{
    struct fixture *x = *state;
    struct store_file f;
    struct redo redo;

    start_with_journal(x, &redo);
    write_message(x, &f, 1);
    int fd = openat(x->place.spool.queue[QUEUE_POST], f.name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
    hand_over_entry(x, &f, 0, QUEUE_POST);
    wait_for_all(x, 1);
    assert_int_equal(x->file[0].error, 0);
    stop(x, &redo);
    assert_int_equal(count_files(x, QUEUE_POST, false), 2);
}

/* A journal that can't be written any more: refused, and the loop is told of the doubt. */
static void a_journal_in_doubt(void **state)
{
    struct fixture *x = *state;
    struct store_file f;
    struct redo redo;

    start_with_journal(x, &redo);
    int fd = openat(x->place.spool.work, "SSMTP.1.JOURNAL", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && dup2(fd, redo.fd) >= 0);
    close(fd);
    write_message(x, &f, 1);
    hand_over_entry(x, &f, 0, QUEUE_POST);
    wait_for_all(x, 1);
    assert_int_equal(x->file[0].error, EBADF);
    while (x->doubt == 0)
        loop_run(x->loop);
    x->done = 0;
    write_message(x, &f, 1);
    hand_over_entry(x, &f, 0, QUEUE_POST);
    wait_for_all(x, 1);
    assert_int_not_equal(x->file[0].error, 0);
    stop(x, &redo);
    assert_int_equal(count_files(x, QUEUE_POST, false), 0);
}

static void what_a_journal_does_not_hold(void **state)
{
    struct fixture *x = *state;
    struct redo redo;

    assert_false(committer_holds(x->committer, 1)); /* there is none */
    start_with_journal(x, &redo);
    assert_true(committer_holds(x->committer, STORE_HELD));
    assert_false(committer_holds(x->committer, KIB256 / 2));
    assert_false(committer_holds(x->committer, SIZE_MAX));
    stop(x, &redo);
}

static void names_go_on_with_a_new_job(void **state)
{
    struct fixture *x = *state;
    char name[STORE_NAME], again[STORE_NAME];
    unsigned job = x->names.job;

    assert_true(store_names_next(&x->names, false, name));
    assert_true(store_names_next(&x->names, false, again));
    assert_string_not_equal(name, again);
    x->names.last = 9998;
    assert_true(store_names_next(&x->names, false, name));
    assert_non_null(strstr(name, ".D0009999."));
    assert_int_equal(x->names.job, job);
    assert_true(store_names_next(&x->names, false, name));
    assert_non_null(strstr(name, ".D0000001."));
    assert_int_not_equal(x->names.job, job);
    job = x->names.job;
    assert_true(store_names_next(&x->names, true, name));
    assert_non_null(strstr(name, ".D0000001."));
    assert_int_not_equal(x->names.job, job);
    assert_int_equal(store_name_journal(name), 0);
    x->names.journal = REDO_MAX;
    assert_true(store_names_next(&x->names, false, name));
    assert_non_null(strstr(name, ".D1280002."));
    assert_int_equal(store_name_journal(name), REDO_MAX);
}

static void names_of_no_journal(void **state)
{
    static const char *const names[] = {
        "",
        "SSMTP.JOB",
        "SSMTP.JOB00001.D0010001",
        "SSMTP.JOB00001.D001000",
        "SSMTP.JOB00001.D001000x.MAIL.T",
        "SSMTP.JOB00001,D0010001.MAIL.T",
        "SSMTP.JOB00001.E0010001.MAIL.T",
        "SSMTP.JOB00001.D00100010.MAIL.T",
        "SMTP.JOB00001.D0010001.MAIL.T",
        ".SSMTP.JOB00001.D0010001.MAIL.T",
        "SSMTP.JOB00001.D0009999.MAIL.T",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(store_name_journal(names[i]), 0);
    assert_int_equal(store_name_journal("SSMTP.JOB00001.D0010001.MAIL.T"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_as_it_should_be),
        TEST(a_large_message_is_written_as_it_comes),
        TEST(a_dropped_message_leaves_nothing),
        TEST(batches),
        TEST(taken_names),
        TEST(a_failed_sync_concerns_its_file_alone),
        TEST(a_failed_sync_of_all),
        TEST(a_file_that_vanished_is_an_error),
        TEST(what_waits_is_finished_at_the_end),
        TEST(an_error_stays_with_the_message),
        TEST(text_that_was_not_announced),
        TEST(entries_become_files),
        TEST(an_entry_whose_name_is_taken),
        TEST(a_journal_in_doubt),
        TEST(what_a_journal_does_not_hold),
        TEST(names_go_on_with_a_new_job),
        cmocka_unit_test(names_of_no_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
