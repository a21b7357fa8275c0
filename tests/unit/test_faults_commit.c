/* ssmtp/store, commit and checkpoint with every call failing in turn: a message of which was said
 * that it is taken is shown once; one that was refused is not shown, unless there was doubt. */
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

#include "ssmtp/commit.h"
#include "ssmtp/recover.h"
#include "tests/unit/faults.h"
#include "tests/unit/place.h"

enum { MESSAGES = 12, LARGE = 40000, PATIENCE = 120 };

static struct place place;
static const struct spool *const spool = &place.spool;

/* Of the run in hand. */
static struct {
    struct commit_file file[MESSAGES];
    char text[MESSAGES][32];
    int error[MESSAGES];
    unsigned n, done;
    int doubt;
    bool journal;
    struct redo redo;
    struct store_names names;
    struct loop *loop;
} run;

static int set_up(void **state)
{
    (void)state;
    place_make(&place, "");
    alarm(PATIENCE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    place_remove(&place);
    return 0;
}

static enum spool_queue queue_of(unsigned i)
{
    return i % 3 == 2 ? QUEUE_PRT : QUEUE_POST;
}

#define LARGE_JOURNAL (4UL << 20)

/* A message that is a file already, without a name. */
static void begin_file(struct commit_file *f, unsigned i)
{
    assert_int_equal(spool_create(&f->writer, spool->queue[QUEUE_POST]), 0);
    assert_int_equal(spool_write(&f->writer, span_of(run.text[i])), 0);
}

/* One in memory. */
static void begin_entry(struct commit_file *f, unsigned i, size_t more)
{
    struct entry *e = calloc(1, sizeof(*e));

    assert_non_null(e);
    *e = (struct entry){.queue = (unsigned char)queue_of(i), .fd = -1};
    assert_true(buf_adds(&e->text, run.text[i]) && buf_fill(&e->text, 'x', more));
    seal_of(BUF_SPAN(&e->text), &e->mark);
    span_copy(span_of(f->name), e->name, sizeof(e->name));
    f->entry = e;
}

static void begin_with(unsigned n, unsigned entries, size_t more, uint64_t size)
{
    place_clear(&place);
    memset(&run, 0, sizeof(run));
    run.n = n;
    run.journal = entries > 0;
    if (run.journal)
        assert_int_equal(redo_make(&run.redo, spool->work, 1, size), 0);
    assert_true(store_names_open(&run.names, spool));
    for (unsigned i = 0; i < n; i++) {
        struct commit_file *f = &run.file[i];
        *f = (struct commit_file){.to = spool->queue[queue_of(i)], .writer.fd = -1};
        snprintf(run.text[i], sizeof(run.text[i]), "message %u\n", i);
        assert_true(store_names_next(&run.names, false, f->name));
        if (i < entries)
            begin_entry(f, i, more);
        else
            begin_file(f, i);
    }
    run.loop = loop_new();
    assert_non_null(run.loop);
}

static void begin(unsigned n, unsigned entries, size_t more)
{
    begin_with(n, entries, more, JOURNAL_SIZE_MIN);
}

static void *prepare_one_file(void)
{
    begin(1, 0, 0);
    return &run;
}

static void *prepare_files(void)
{
    begin(MESSAGES, 0, 0);
    return &run;
}

/* On a system that cannot say whether writing failed: each is synced. */
static void *prepare_unasked_files(void)
{
    begin(MESSAGES, 0, 0);
    fault_always("sync_file_range", ENOSYS);
    return &run;
}

static void *prepare_entries(void)
{
    begin(MESSAGES, MESSAGES, 0);
    return &run;
}

static void *prepare_both(void)
{
    begin(4, 2, 0);
    return &run;
}

/* More than a half of the journal holds. */
static void *prepare_full(void)
{
    begin(5, 5, LARGE);
    return &run;
}

/* Names that somebody has already. */
static void *prepare_names_taken(void)
{
    begin(2, 1, 0);
    for (unsigned i = 0; i < run.n; i++)
        place_put(spool->queue[queue_of(i)], run.file[i].name, "another's");
    return &run;
}

static void on_done(struct commit_file *f)
{
    run.error[f - run.file] = f->error;
    if (++run.done == run.n)
        loop_stop(run.loop);
}

static void on_doubt(void *arg, int error)
{
    (void)arg;
    run.doubt = error;
}

/* What was not handed over is given up, as its session would. */
static void give_up(void)
{
    fault_pause();
    for (unsigned i = 0; i < run.n; i++) {
        run.error[i] = ECANCELED;
        spool_abandon(&run.file[i].writer);
        entry_free(run.file[i].entry);
    }
    fault_resume();
}

static int commit(void *arg)
{
    const struct committer_params params = {.loop = run.loop,
                                            .spool = spool,
                                            .whole = spool->root,
                                            .names = &run.names,
                                            .log = &place.log,
                                            .redo = run.journal ? &run.redo : NULL,
                                            .done = on_done,
                                            .doubt = on_doubt};
    struct committer *c = committer_new(&params);
    int saved = errno;

    (void)arg;
    if (c == NULL) {
        give_up();
    } else {
        for (unsigned i = 0; i < run.n; i++)
            committer_add(c, &run.file[i]);
        while (run.done < run.n)
            loop_run(run.loop);
        committer_free(c);
    }
    fault_pause();
    loop_free(run.loop);
    store_names_close(&run.names);
    if (run.journal)
        redo_close(&run.redo);
    errno = saved;
    return c == NULL ? -1 : 0;
}

static int begins_with(void *arg, const char *name)
{
    const char *text = arg;
    char got[32];
    int result = 0;

    for (int q = QUEUE_POST; result == 0 && q <= QUEUE_PRT; q++)
        result =
            strncmp(place_text(spool->queue[q], name, got, sizeof(got)), text, strlen(text)) == 0;
    return result;
}

static unsigned copies(unsigned i)
{
    return (durable_each(spool->queue[QUEUE_POST], begins_with, run.text[i]) == 1) +
           (durable_each(spool->queue[QUEUE_PRT], begins_with, run.text[i]) == 1);
}

static void taken_is_shown(void *arg, int result, const struct fault *f)
{
    const struct recovery recovery = {.spool = spool, .log = &place.log};

    (void)arg, (void)result, (void)f;
    FAULT_EXPECT(recover_all(&recovery));
    spool_sweep(spool->queue[QUEUE_POST]);
    for (unsigned i = 0; i < run.n; i++) {
        FAULT_EXPECT(run.error[i] != 0 || copies(i) == 1);
        FAULT_EXPECT(run.error[i] == 0 || copies(i) == 0 || run.doubt != 0);
    }
    FAULT_EXPECT(f->call != NULL || run.doubt == 0);
    FAULT_EXPECT(place_count(spool->queue[QUEUE_POST], true) == 0);
    FAULT_EXPECT(place_count(spool->queue[QUEUE_PRT], true) == 0);
}

/* A message on its way in, small or large, in clear or not. */

static void *prepare_message(void)
{
    place_clear(&place);
    memset(&run, 0, sizeof(run));
    return &run;
}

static int write_message(size_t octets, bool hold, const char *tls)
{
    static const struct address to = {.text = "u@o", .at = 1};
    const struct envelope e = {.to = (struct address *)&to, .nto = 1, .have_from = true};
    const struct store_head h = {.envelope = &e,
                                 .helo = "c.example",
                                 .literal = "[192.0.2.1]",
                                 .host = "h.example",
                                 .esmtp = octets > 0,
                                 .tls = tls};
    struct store_names names;
    struct store_file f;
    char name[STORE_NAME];

    if (!store_names_open(&names, spool))
        return -1;
    errno = ENOMEM;
    bool good = store_names_next(&names, true, name);
    int saved = errno;
    store_names_close(&names);
    errno = saved;
    if (!good)
        return -1;
    errno = ENOMEM;
    if (!store_begin(&f, spool->queue[QUEUE_POST], name, &h))
        return -1;
    for (size_t done = 0; done < octets && store_text(&f) != NULL; done += LARGE / 2) {
        buf_fill(store_text(&f), 'x', LARGE / 2);
        store_took(&f);
    }
    good = store_end(&f, hold);
    run.error[0] = f.error;
    FAULT_EXPECT(good == (f.error == 0));
    FAULT_EXPECT(!good || hold == (f.writer.fd < 0));
    saved = f.error;
    store_drop(&f);
    errno = saved;
    return good ? 0 : -1;
}

static int write_small(void *arg)
{
    (void)arg;
    return write_message(LARGE, true, NULL);
}

static int write_large(void *arg)
{
    (void)arg;
    return write_message(4UL * LARGE, false, "TLS1.3");
}

static int write_none(void *arg)
{
    (void)arg;
    return write_message(0, false, "TLS1.3");
}

static void nothing_stays(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    spool_sweep(spool->queue[QUEUE_POST]);
    FAULT_EXPECT(place_count(spool->queue[QUEUE_POST], true) == 0);
    FAULT_EXPECT(place_count(spool->queue[QUEUE_POST], false) == 0);
}

static const struct fault_case cases[] = {
    {"a small message", prepare_message, write_small, nothing_stays, {EAGAIN}, NULL, {0}},
    {"a large message", prepare_message, write_large, nothing_stays, {EAGAIN}, NULL, {0}},
    {"a message of nothing", prepare_message, write_none, nothing_stays, {EAGAIN}, NULL, {0}},
    {"a file", prepare_one_file, commit, taken_is_shown, {0}, NULL, {0}},
    {"files", prepare_files, commit, taken_is_shown, {0}, NULL, {0}},
    {"files, each asked", prepare_unasked_files, commit, taken_is_shown, {0}, " fsync ", {0}},
    {"entries", prepare_entries, commit, taken_is_shown, {0}, NULL, {0}},
    {"both", prepare_both, commit, taken_is_shown, {0}, NULL, {0}},
    {"a full journal", prepare_full, commit, taken_is_shown, {0}, NULL, {0}},
    {"names that are taken", prepare_names_taken, commit, taken_is_shown, {0}, NULL, {0}},
};

static void every_call_fails_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fault_sweep(&cases[i]);
}

/* More than is synced in one batch. */
static void a_batch_has_an_end(void **state)
{
    static const struct fault nothing = {0};

    (void)state;
    begin_with(MESSAGES, MESSAGES, 100000, LARGE_JOURNAL);
    assert_int_equal(commit(NULL), 0);
    for (unsigned i = 0; i < MESSAGES; i++)
        assert_int_equal(run.error[i], 0);
    taken_is_shown(NULL, 0, &nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_has_an_end),
        cmocka_unit_test(every_call_fails_in_turn),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
