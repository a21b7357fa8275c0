/* The stores: spool writers, units of work and their recovery, names of data sets. Works in a
 * folder of its own. */
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/dataset.h"
#include "lib/seal.h"
#include "lib/unit.h"
#include "tests/unit/place.h"

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    place_make(p, "");
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    place_remove(*state);
    free(*state);
    return 0;
}

static void expect_text(int dir, const char *name, const char *text)
{
    char got[128];

    assert_string_equal(place_text(dir, name, got, sizeof(got)), text);
}

static void stage(struct unit *u, enum unit_part part, const char *name, const char *text)
{
    int fd = unit_create(u, part, name);

    assert_true(fd >= 0);
    assert_int_equal(durable_write(fd, text, strlen(text)), 0);
    assert_int_equal(unit_done(u, fd), 0);
}

static void a_spool_file_appears_whole_or_not(void **state)
{
    struct place *p = *state;
    int dir = p->spool.queue[QUEUE_REMOTE];
    struct spool_writer w;

    assert_int_equal(spool_create(&w, dir), 0);
    assert_int_equal(spool_write(&w, SPAN("text")), 0);
    assert_false(place_there(dir, "JOB"));
    spool_sweep(dir); /* its writer lives: the sweeper leaves it */
    assert_true(place_there(dir, w.temporary));
    assert_int_equal(spool_queue(&w, "JOB"), 0);
    expect_text(dir, "JOB", "text");
    assert_int_equal(spool_create(&w, dir), 0);
    assert_int_equal(spool_queue(&w, "JOB"), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(spool_queue(&w, "JOB2"), 0);
    place_put(dir, ".spool-dead", "left over");
    spool_sweep(dir);
    assert_false(place_there(dir, ".spool-dead"));
}

static void links_and_fifos_are_not_followed(void **state)
{
    struct place *p = *state;
    int dir = p->spool.queue[QUEUE_REMOTE];

    assert_int_equal(symlinkat("/etc/passwd", dir, "link"), 0);
    assert_int_equal(durable_open(dir, "link"), -1);
    assert_int_equal(durable_create(dir, "link", 0600), -1);
    assert_int_equal(durable_open(dir, "../../x"), -1);
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    int fd = durable_open(dir, "fifo"); /* does not wait for a writer */
    if (fd >= 0)
        close(fd);
}

static void a_unit_happens_at_its_commit(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char as[256];
    struct unit u;

    place_put(s->queue[QUEUE_REMOTE], "good", "job");
    place_put(s->queue[QUEUE_REMOTE], "bad", "faulty");
    assert_int_equal(unit_begin(&u, s, "test", 1, QUEUE_REMOTE), 0);
    assert_int_equal(unit_claim(&u, "good", as), 0);
    assert_int_equal(unit_claim(&u, "bad", as), 0);
    assert_int_equal(unit_claim(&u, "absent", as), -1);
    assert_int_equal(errno, ENOENT);
    stage(&u, UNIT_MAIL, "OUT.D26325.T1907450.N0001", "one");
    stage(&u, UNIT_HOLD, "bad.REASON", "why");
    stage(&u, UNIT_POST, "notice", "dear owner");
    assert_false(place_there(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001"));
    assert_int_equal(unit_commit(&u), 0);
    assert_int_equal(unit_publish(&u), 0);
    expect_text(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001", "one");
    expect_text(s->queue[QUEUE_HOLD], "bad", "faulty");
    expect_text(s->queue[QUEUE_HOLD], "bad.REASON", "why");
    expect_text(s->queue[QUEUE_POST], "notice", "dear owner");
    assert_false(place_there(s->queue[QUEUE_REMOTE], "good"));
    assert_false(place_there(s->work, "test.00000001.open"));
    assert_false(place_there(s->work, "test.00000001.done"));
}

static void many_files_share_one_sync(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char name[DSNAME_MAX + 1];
    struct unit u;

    assert_int_equal(unit_begin(&u, s, "test", 1, QUEUE_REMOTE), 0);
    for (uint64_t i = 0; i < 100; i++) {
        dsname_format(SPAN("OUT"), dsname_stamp(1795288065) + i, name);
        stage(&u, UNIT_MAIL, name, "x");
    }
    assert_true(u.sync.many);
    assert_int_equal(unit_commit(&u), 0);
    assert_int_equal(unit_publish(&u), 0);
    assert_true(place_there(s->queue[QUEUE_MAIL], name));
}

static void an_uncommitted_unit_is_undone(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char as[256];
    struct unit u;

    place_put(s->queue[QUEUE_REMOTE], "job", "text");
    assert_int_equal(unit_begin(&u, s, "test", 1, QUEUE_REMOTE), 0);
    assert_int_equal(unit_claim(&u, "job", as), 0);
    stage(&u, UNIT_MAIL, "OUT.D26325.T1907450.N0001", "one");
    place_put(s->queue[QUEUE_REMOTE], "job", "a new one of the same name");
    /* As if the process had died here. */
    assert_int_equal(unit_recover(s, "other", QUEUE_REMOTE), 0);
    assert_int_equal(unit_recover(s, "test", QUEUE_REMOTE), 1);
    assert_int_equal(unit_recover(s, "test", QUEUE_REMOTE), 0);
    assert_false(place_there(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001"));
    expect_text(s->queue[QUEUE_REMOTE], "job", "a new one of the same name");
    expect_text(s->queue[QUEUE_REMOTE], "2-job", "text");
}

static void a_committed_unit_is_finished(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char as[256];
    struct unit u;

    place_put(s->queue[QUEUE_REMOTE], "job", "text");
    assert_int_equal(unit_begin(&u, s, "test", 7, QUEUE_REMOTE), 0);
    assert_int_equal(unit_claim(&u, "job", as), 0);
    stage(&u, UNIT_MAIL, "OUT.D26325.T1907450.N0001", "one");
    assert_int_equal(unit_commit(&u), 0);
    /* A stranger has taken the name meanwhile: nothing of his is replaced, nothing of ours is lost.
     */
    place_put(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001", "stranger");
    assert_int_equal(unit_recover(s, "test", QUEUE_REMOTE), 1);
    assert_false(place_there(s->queue[QUEUE_REMOTE], "job"));
    expect_text(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001", "stranger");
    assert_int_equal(place_copies(s->queue[QUEUE_MAIL], "one"), 1);
}

static void a_kept_file_has_a_name_of_its_own(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char first[NAME_MAX + 1], second[NAME_MAX + 1], reason[NAME_MAX + 1];
    struct unit u;

    place_put(s->queue[QUEUE_HOLD], "job", "held long ago");
    place_put(s->queue[QUEUE_REMOTE], "job", "first");
    assert_int_equal(unit_begin(&u, s, "test", 1, QUEUE_REMOTE), 0);
    assert_int_equal(unit_claim(&u, "job", first), 0);
    assert_string_equal(first, "job");
    place_put(s->queue[QUEUE_REMOTE], "job", "second");
    assert_int_equal(unit_claim(&u, "job", second), 0);
    assert_string_not_equal(second, "job");
    assert_int_equal(unit_keep(&u, first), 0);
    assert_string_not_equal(first, "job");
    assert_string_not_equal(first, second);
    unit_reason_name(reason, first);
    stage(&u, UNIT_HOLD, reason, "why");
    assert_int_equal(unit_commit(&u), 0);
    assert_int_equal(unit_publish(&u), 0);
    expect_text(s->queue[QUEUE_HOLD], "job", "held long ago");
    expect_text(s->queue[QUEUE_HOLD], first, "first");
    expect_text(s->queue[QUEUE_HOLD], reason, "why");
    assert_false(place_there(s->queue[QUEUE_REMOTE], "job"));
    assert_false(place_there(s->queue[QUEUE_HOLD], second)); /* it had no reason: it is used up */
}

/* Names that the unit gives itself begin with eight digits; a job's file may look so, or have a
 * name too long for a reason beside it. Each comes back as it was. */
static void names_that_jobs_may_choose(void **state)
{
    static const char *const names[] = {
        "0123abcd-job", "0123abcd-", "0123abc-job", "0123abcx-job", "0123abcdxjob", "0123", "-"};
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char as[NAME_MAX + 1], longest[NAME_MAX + 1];
    struct unit u;

    memset(longest, 'x', NAME_MAX);
    longest[NAME_MAX] = '\0';
    assert_int_equal(unit_begin(&u, s, "test", 1, QUEUE_REMOTE), 0);
    place_put(s->queue[QUEUE_REMOTE], longest, "long");
    assert_int_equal(unit_claim(&u, longest, as), 0);
    assert_int_equal(unit_keep(&u, as), 0);
    assert_true(strlen(as) + strlen(UNIT_REASON) <= NAME_MAX);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        place_put(s->queue[QUEUE_REMOTE], names[i], names[i]);
        assert_int_equal(unit_claim(&u, names[i], as), 0);
        assert_int_equal(unit_keep(&u, as), 0);
    }
    assert_int_equal(unit_rollback(&u), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        expect_text(s->queue[QUEUE_REMOTE], names[i], names[i]);
    assert_int_equal(place_copies(s->queue[QUEUE_REMOTE], "long"), 1);
    assert_int_equal(place_count(s->work, false), 0);
}

/* What stands in work/ and is no unit of ours stays; a name too long for one is told. */
static void what_is_no_unit_is_left_alone(void **state)
{
    static const char *const names[] = {"test", "test.open", "testing.00000001.open",
                                        "test.00000001.over", "test.lock"};
    struct place *p = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], "test.open") != 0)
            place_put(p->spool.work, names[i], "x");
    assert_int_equal(unit_recover(&p->spool, "test", QUEUE_REMOTE), 0);
    assert_int_equal(mkdirat(p->spool.work, "test.000000010000000100000001000000010000.open", 0700),
                     0);
    assert_int_equal(unit_recover(&p->spool, "test", QUEUE_REMOTE), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

/* A committed data set whose name is taken and of which no other can be made stays in the unit. */
static void a_name_without_a_stamp_cannot_be_renamed(void **state)
{
    static const char *const names[] = {"SHORT", "no-prefix.D26325.T1907450.N0001"};
    struct place *p = *state;
    const struct spool *s = &p->spool;

    for (unsigned i = 0; i < 2; i++) {
        struct unit u;
        place_put(s->queue[QUEUE_MAIL], names[i], "another's");
        assert_int_equal(unit_begin(&u, s, "test", i, QUEUE_REMOTE), 0);
        stage(&u, UNIT_MAIL, names[i], "one");
        assert_int_equal(unit_commit(&u), 0);
        assert_int_equal(unit_publish(&u), -1);
        assert_int_equal(place_copies(s->work, "one"), i + 1);
        expect_text(s->queue[QUEUE_MAIL], names[i], "another's");
    }
}

static void what_was_put_has_its_seal(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    static char text[40000]; /* more than is written in one call */
    static const size_t sizes[] = {0, 1, 1000, sizeof(text)};

    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char name[16], got[sizeof(text) + 8];
        struct seal seal = {0};
        struct unit u;

        snprintf(name, sizeof(name), "notice%u", i);
        assert_int_equal(unit_begin(&u, s, "test", i, QUEUE_REMOTE), 0);
        assert_int_equal(unit_put(&u, UNIT_POST, name, SPAN("head"), (struct span){text, sizes[i]}),
                         0);
        assert_int_equal(unit_commit(&u), 0);
        assert_int_equal(unit_publish(&u), 0);
        int fd = durable_open(s->queue[QUEUE_POST], name);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, got, sizeof(got)), 4 + sizes[i]);
        assert_memory_equal(got, "head", 4);
        assert_memory_equal(got + 4, text, sizes[i]);
        bool sealed = seal_open(&seal, fd);
        seal_add(&seal, (struct span){got, 4 + sizes[i]});
        assert_int_equal(seal_check(&seal), sealed ? SEAL_GOOD : SEAL_NONE);
        close(fd);
    }
}

static void names_only_count_upward(void **state)
{
    struct place *p = *state;
    uint64_t a, b, c;

    assert_int_equal(dataset_names_take(&p->spool, 1795288065, 3, &a), 0);
    assert_int_equal(a, dsname_stamp(1795288065));
    assert_int_equal(dataset_names_take(&p->spool, 946684800, 1, &b),
                     0); /* the clock stepped back */
    assert_int_equal(b, a + 3);
    assert_int_equal(dataset_names_take(&p->spool, 1795288066, 1, &c), 0);
    assert_int_equal(c, dsname_stamp(1795288066));
}

static void lost_names_begin_above_what_stands(void **state)
{
    struct place *p = *state;
    char name[DSNAME_MAX + 1];
    uint64_t a, b;

    assert_int_equal(dataset_names_take(&p->spool, 4000000000, 1, &a), 0);
    assert_true(dsname_format(SPAN("OUT"), a, name));
    place_put(p->spool.queue[QUEUE_MAIL], name, "x");
    assert_int_equal(unlinkat(p->spool.work, "NAMES", 0), 0);
    place_put(p->spool.work, "NAMES", "garbage");
    assert_int_equal(dataset_names_check(&p->spool, SPAN("OUT")), 0);
    assert_int_equal(dataset_names_take(&p->spool, 1795288065, 1, &b), 0);
    assert_int_equal(b, a + 1);
}

static void a_head_of_any_size(void **state)
{
    static char head[40000];
    static const size_t sizes[] = {0, 1, sizeof(head)};
    struct place *p = *state;
    struct unit u;
    char name[16], got[sizeof(head) + 8];

    memset(head, 'h', sizeof(head));
    assert_int_equal(unit_begin(&u, &p->spool, "test", 1, QUEUE_REMOTE), 0);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "file%u", i);
        assert_int_equal(unit_put(&u, UNIT_POST, name, (struct span){head, sizes[i]}, SPAN("text")),
                         0);
    }
    assert_int_equal(unit_commit(&u), 0);
    assert_int_equal(unit_publish(&u), 0);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "file%u", i);
        place_text(p->spool.queue[QUEUE_POST], name, got, sizeof(got));
        assert_int_equal(strlen(got), sizes[i] + 4);
        assert_memory_equal(got, head, sizes[i]);
        assert_string_equal(got + sizes[i], "text");
    }
}

/* Whatever is in it, it is no number: names begin at the clock. */
static void a_damaged_counter_is_as_none(void **state)
{
    static const char *const texts[] = {"", "0000000179528806512", "00000001795288065123x",
                                        "0000000179528806512x\n"};
    struct place *p = *state;
    uint64_t first;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        unlinkat(p->spool.work, "NAMES", 0);
        place_put(p->spool.work, "NAMES", texts[i]);
        assert_int_equal(dataset_names_take(&p->spool, 1795288065, 1, &first), 0);
        assert_true(first == dsname_stamp(1795288065));
    }
}

/* Names in mail/ that are none, and one that is lower than the highest. */
static void the_highest_name_counts(void **state)
{
    struct place *p = *state;
    char name[DSNAME_MAX + 1];
    uint64_t first, high = dsname_stamp(4000000000);

    for (int i = 0; i < 50; i++) {
        assert_true(dsname_format(SPAN("OUT"), i == 25 ? high : high - 5 - (uint64_t)i, name));
        place_put(p->spool.queue[QUEUE_MAIL], name, "x");
    }
    place_put(p->spool.queue[QUEUE_MAIL], "OTHER.NAME", "x");
    assert_int_equal(dataset_names_check(&p->spool, SPAN("OUT")), 0);
    assert_int_equal(dataset_names_take(&p->spool, 1795288065, 1, &first), 0);
    assert_true(first == dsname_next(high));
}

static void job_numbers_go_round(void **state)
{
    struct place *p = *state;
    int fd = openat(p->spool.jes, "JOBNO", O_WRONLY);

    assert_int_equal(spool_job_number(&p->spool), 1);
    assert_int_equal(spool_job_number(&p->spool), 2);
    assert_int_equal(pwrite(fd, "99999\n", 6, 0), 6);
    assert_int_equal(spool_job_number(&p->spool), 1);
    static const char *const junk[] = {"junk!!", "0001", "00012x", "1234x\n"};
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, junk[i], strlen(junk[i]), 0), strlen(junk[i]));
        assert_int_equal(spool_job_number(&p->spool), 1);
    }
    close(fd);
}

static void names_of_spool_files(void **state)
{
    struct recfm fb = {RECORD_FIXED, CONTROL_NONE, 80};
    struct spool_name n;
    char name[256];

    (void)state;
    assert_true(spool_name_format(name, sizeof(name), "ICSGENER", 12, 101, "SYSUT2", &fb));
    assert_string_equal(name, "ICSGENER.JOB00012.D0000101.SYSUT2.FB80");
    spool_name_parse(span_of(name), &n);
    assert_string_equal(n.job, "ICSGENER");
    assert_string_equal(n.id, "JOB00012");
    assert_true(n.has_recfm && n.recfm.form == RECORD_FIXED && n.recfm.lrecl == 80);
    spool_name_parse(SPAN("report.txt"), &n);
    assert_string_equal(n.job, "");
    assert_false(n.has_recfm);
    spool_name_parse(SPAN("VB"), &n); /* one qualifier is a name, not a format */
    assert_false(n.has_recfm);
    struct recfm text = {RECORD_TEXT, CONTROL_NONE, 0};
    assert_true(spool_name_format(name, sizeof(name), "J", 1, 1, "$@#", &text));
    assert_string_equal(name, "J.JOB00001.D0000001.$@#.T");
}

static void names_that_are_none(void **state)
{
    static const struct {
        const char *job;
        unsigned number, data_set;
        const char *ddname;
        unsigned lrecl, size;
    } cases[] = {
        {"../X", 1, 1, "A", 80, 256},
        {"", 1, 1, "A", 80, 256},
        {"ABCDEFGHI", 1, 1, "A", 80, 256},
        {"1A", 1, 1, "A", 80, 256},
        {"a", 1, 1, "A", 80, 256},
        {"{", 1, 1, "A", 80, 256},
        {"A", 100000, 1, "A", 80, 256},
        {"A", 1, 10000000, "A", 80, 256},
        {"A", 1, 1, "", 80, 256},
        {"A", 1, 1, "A.B", 80, 256},
        {"A", 1, 1, "A", 80, 26},
        {"A", 1, 1, "A", 80, 1},
        {"A", 1, 1, "A", LRECL_MAX + 1, 256},
    };
    char name[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct recfm fb = {RECORD_FIXED, CONTROL_NONE, cases[i].lrecl};
        if (spool_name_format(name, cases[i].size, cases[i].job, cases[i].number, cases[i].data_set,
                              cases[i].ddname, &fb))
            fail_msg("case %zu: %s", i, name);
    }
}

static void parts_of_dropped_names(void **state)
{
    static const struct {
        const char *name, *job, *id;
        bool has_recfm;
    } cases[] = {
        {"", "", "", false},
        {"A", "A", "", false},
        {"A.JOB00012", "A", "JOB00012", false},
        {"A.JOB0012", "A", "", false},
        {"A.JOX00012", "A", "", false},
        {"A.JOB0001X", "A", "", false},
        {"9A.JOB00012.X", "", "JOB00012", false},
        {"A.X.FB80", "A", "", true},
        {"ABCDEFGHI.JOB00012.VB", "", "JOB00012", true},
    };
    struct spool_name n;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spool_name_parse(span_of(cases[i].name), &n);
        assert_string_equal(n.job, cases[i].job);
        assert_string_equal(n.id, cases[i].id);
        assert_int_equal(n.has_recfm, cases[i].has_recfm);
    }
}

static void a_destination_is_one_name(void **state)
{
    static const char *const bad[] = {"", "..", "POST/..", "post", "1POST", "ABCDEFGHI"};
    struct place *p = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(spool_dest(&p->spool, bad[i]), -1);
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(spool_dest(&p->spool, "NONE"), -1);
    assert_int_equal(errno, ENOENT);
}

/* A path that no kernel takes, as names of files and of directories. */
static void names_that_are_too_long(void **state)
{
    struct place *p = *state;
    char path[5000];

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(durable_dir(p->spool.work, path, 0700), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    path[NAME_MAX] = '\0';
    assert_int_equal(durable_replace(p->spool.work, path, "x", 1, 0600), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

static void removed_dir(int at, const char *name)
{
    assert_int_equal(unlinkat(at, name, AT_REMOVEDIR), 0);
}

/* A start was killed before it had given a directory its mode and name. */
static void a_directory_half_made_is_taken_up(void **state)
{
    static const mode_t left[] = {0, 0700, 0777, 03733};
    struct place *p = *state;
    struct stat st;

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        assert_int_equal(mkdirat(p->spool.work, ".DROP.new", 0700), 0);
        assert_int_equal(fchmodat(p->spool.work, ".DROP.new", left[i] | 0700, 0), 0);
        int fd = durable_dir(p->spool.work, "DROP", 03733);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 03733);
        assert_int_equal(place_count(p->spool.work, true), 0);
        close(fd);
        removed_dir(p->spool.work, "DROP");
    }
}

/* What stands there is not ours to take: a link, a file, another's directory. */
static void what_is_not_half_made_is_left_alone(void **state)
{
    struct place *p = *state;
    struct stat st;

    assert_int_equal(mkdirat(p->spool.work, "elsewhere", 0700), 0);
    assert_int_equal(symlinkat("elsewhere", p->spool.work, ".DROP.new"), 0);
    assert_int_equal(durable_dir(p->spool.work, "DROP", 03733), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(fstatat(p->spool.work, "elsewhere", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(unlinkat(p->spool.work, ".DROP.new", 0), 0);
    place_put(p->spool.work, ".DROP.new", "a file");
    assert_int_equal(durable_dir(p->spool.work, "DROP", 03733), -1);
    assert_true(place_has(p->spool.work, ".DROP.new", "a file"));
    assert_int_equal(unlinkat(p->spool.work, ".DROP.new", 0), 0);
    if (geteuid() == 0) {
        assert_int_equal(fchownat(p->spool.work, "elsewhere", 1, 1, 0), 0);
        assert_int_equal(renameat(p->spool.work, "elsewhere", p->spool.work, ".DROP.new"), 0);
        assert_int_equal(durable_dir(p->spool.work, "DROP", 03733), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(fstatat(p->spool.work, ".DROP.new", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
    }
}

static void a_second_owner_is_told_so(void **state)
{
    struct place *p = *state;
    int first = unit_owner(&p->spool, "test"), other = unit_owner(&p->spool, "other");

    assert_true(first >= 0 && other >= 0);
    assert_int_equal(unit_owner(&p->spool, "test"), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    close(first);
    close(other);
}

/* With so many descriptors left and no more, begins a unit and takes it back. */
static bool begin_with(struct spool *s, rlim_t descriptors, unsigned number)
{
    struct rlimit before, few;
    struct unit u;
    int lowest = dup(0);

    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){(rlim_t)lowest + descriptors, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bool good = unit_begin(&u, s, "test", number, QUEUE_REMOTE) == 0;
    if (!good)
        assert_int_equal(errno, EMFILE);
    assert_int_equal(unit_rollback(&u), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    return good;
}

static void without_descriptors_a_unit_leaves_nothing(void **state)
{
    struct place *p = *state;
    struct spool *s = &p->spool;
    unsigned before = place_count(s->work, false);

    assert_false(begin_with(s, 0, 1));
    assert_false(begin_with(s, 1, 2));
    assert_int_equal(place_count(s->work, false), before);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_spool_file_appears_whole_or_not),
        CASE(links_and_fifos_are_not_followed),
        CASE(a_unit_happens_at_its_commit),
        CASE(many_files_share_one_sync),
        CASE(an_uncommitted_unit_is_undone),
        CASE(without_descriptors_a_unit_leaves_nothing),
        CASE(a_committed_unit_is_finished),
        CASE(a_kept_file_has_a_name_of_its_own),
        CASE(names_that_jobs_may_choose),
        CASE(what_is_no_unit_is_left_alone),
        CASE(a_name_without_a_stamp_cannot_be_renamed),
        CASE(what_was_put_has_its_seal),
        CASE(a_head_of_any_size),
        CASE(names_only_count_upward),
        CASE(lost_names_begin_above_what_stands),
        CASE(a_damaged_counter_is_as_none),
        CASE(the_highest_name_counts),
        CASE(job_numbers_go_round),
        CASE(names_of_spool_files),
        CASE(names_that_are_none),
        CASE(parts_of_dropped_names),
        CASE(a_destination_is_one_name),
        CASE(names_that_are_too_long),
        CASE(a_directory_half_made_is_taken_up),
        CASE(what_is_not_half_made_is_left_alone),
        CASE(a_second_owner_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
