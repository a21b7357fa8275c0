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

struct place {
    char path[64];
    struct site *site;
    struct spool spool;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    char text[128];
    struct diag d;

    snprintf(p->path, sizeof(p->path), "/tmp/test-store-XXXXXX");
    if (mkdtemp(p->path) == NULL)
        return -1;
    int n = snprintf(text, sizeof(text), "SYSTEM HOST(h) SPOOL(%s/spool)\n", p->path);
    p->site = site_parse((struct span){text, (size_t)n}, "X", &d);
    if (p->site == NULL || !spool_open(&p->spool, p->site, SPOOL_ALL_QUEUES, true, &d))
        return -1;
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    char command[128];

    spool_close(&p->spool);
    site_free(p->site);
    snprintf(command, sizeof(command), "rm -rf %s", p->path);
    free(p);
    return system(command);
}

static bool there(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put(int dir, const char *name, const char *text)
{
    int fd = durable_create(dir, name, 0600);

    assert_true(fd >= 0);
    assert_int_equal(durable_write(fd, text, strlen(text)), 0);
    assert_int_equal(durable_close(fd), 0);
}

static void expect_text(int dir, const char *name, const char *text)
{
    char got[128] = "";
    int fd = durable_open(dir, name);

    assert_true(fd >= 0);
    assert_true(read(fd, got, sizeof(got) - 1) >= 0);
    close(fd);
    assert_string_equal(got, text);
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
    assert_false(there(dir, "JOB"));
    spool_sweep(dir); /* its writer lives: the sweeper leaves it */
    assert_true(there(dir, w.temporary));
    assert_int_equal(spool_queue(&w, "JOB"), 0);
    expect_text(dir, "JOB", "text");
    assert_int_equal(spool_create(&w, dir), 0);
    assert_int_equal(spool_queue(&w, "JOB"), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(spool_queue(&w, "JOB2"), 0);
    put(dir, ".spool-dead", "left over");
    spool_sweep(dir);
    assert_false(there(dir, ".spool-dead"));
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

    put(s->queue[QUEUE_REMOTE], "good", "job");
    put(s->queue[QUEUE_REMOTE], "bad", "faulty");
    assert_int_equal(unit_begin(&u, s, "test", 1, QUEUE_REMOTE), 0);
    assert_int_equal(unit_claim(&u, "good", as), 0);
    assert_int_equal(unit_claim(&u, "bad", as), 0);
    assert_int_equal(unit_claim(&u, "absent", as), -1);
    assert_int_equal(errno, ENOENT);
    stage(&u, UNIT_MAIL, "OUT.D26325.T1907450.N0001", "one");
    stage(&u, UNIT_HOLD, "bad.REASON", "why");
    stage(&u, UNIT_POST, "notice", "dear owner");
    assert_false(there(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001"));
    assert_int_equal(unit_commit(&u), 0);
    assert_int_equal(unit_publish(&u), 0);
    expect_text(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001", "one");
    expect_text(s->queue[QUEUE_HOLD], "bad", "faulty");
    expect_text(s->queue[QUEUE_HOLD], "bad.REASON", "why");
    expect_text(s->queue[QUEUE_POST], "notice", "dear owner");
    assert_false(there(s->queue[QUEUE_REMOTE], "good"));
    assert_false(there(s->work, "test.00000001.open"));
    assert_false(there(s->work, "test.00000001.done"));
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
    assert_true(there(s->queue[QUEUE_MAIL], name));
}

static void an_uncommitted_unit_is_undone(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char as[256];
    struct unit u;

    put(s->queue[QUEUE_REMOTE], "job", "text");
    assert_int_equal(unit_begin(&u, s, "test", 1, QUEUE_REMOTE), 0);
    assert_int_equal(unit_claim(&u, "job", as), 0);
    stage(&u, UNIT_MAIL, "OUT.D26325.T1907450.N0001", "one");
    put(s->queue[QUEUE_REMOTE], "job", "a new one of the same name");
    /* As if the process had died here. */
    assert_int_equal(unit_recover(s, "other", QUEUE_REMOTE), 0);
    assert_int_equal(unit_recover(s, "test", QUEUE_REMOTE), 1);
    assert_int_equal(unit_recover(s, "test", QUEUE_REMOTE), 0);
    assert_false(there(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001"));
    expect_text(s->queue[QUEUE_REMOTE], "job", "a new one of the same name");
    expect_text(s->queue[QUEUE_REMOTE], "2-job", "text");
}

static void a_committed_unit_is_finished(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char as[256];
    struct unit u;

    put(s->queue[QUEUE_REMOTE], "job", "text");
    assert_int_equal(unit_begin(&u, s, "test", 7, QUEUE_REMOTE), 0);
    assert_int_equal(unit_claim(&u, "job", as), 0);
    stage(&u, UNIT_MAIL, "OUT.D26325.T1907450.N0001", "one");
    assert_int_equal(unit_commit(&u), 0);
    /* A stranger has taken the name meanwhile: nothing of his is replaced, nothing of ours is lost.
     */
    put(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001", "stranger");
    assert_int_equal(unit_recover(s, "test", QUEUE_REMOTE), 1);
    assert_false(there(s->queue[QUEUE_REMOTE], "job"));
    expect_text(s->queue[QUEUE_MAIL], "OUT.D26325.T1907450.N0001", "stranger");
    char command[160];
    snprintf(command, sizeof(command), "grep -qx one %s/spool/mail/OUT*", p->path);
    assert_int_equal(system(command), 0);
}

static void a_kept_file_has_a_name_of_its_own(void **state)
{
    struct place *p = *state;
    const struct spool *s = &p->spool;
    char first[NAME_MAX + 1], second[NAME_MAX + 1], reason[NAME_MAX + 1];
    struct unit u;

    put(s->queue[QUEUE_HOLD], "job", "held long ago");
    put(s->queue[QUEUE_REMOTE], "job", "first");
    assert_int_equal(unit_begin(&u, s, "test", 1, QUEUE_REMOTE), 0);
    assert_int_equal(unit_claim(&u, "job", first), 0);
    assert_string_equal(first, "job");
    put(s->queue[QUEUE_REMOTE], "job", "second");
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
    assert_false(there(s->queue[QUEUE_REMOTE], "job"));
    assert_false(there(s->queue[QUEUE_HOLD], second)); /* it had no reason: it is used up */
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
    put(p->spool.queue[QUEUE_MAIL], name, "x");
    assert_int_equal(unlinkat(p->spool.work, "NAMES", 0), 0);
    put(p->spool.work, "NAMES", "garbage");
    assert_int_equal(dataset_names_check(&p->spool, SPAN("OUT")), 0);
    assert_int_equal(dataset_names_take(&p->spool, 1795288065, 1, &b), 0);
    assert_int_equal(b, a + 1);
}

static void job_numbers_go_round(void **state)
{
    struct place *p = *state;
    int fd = openat(p->spool.jes, "JOBNO", O_WRONLY);

    assert_int_equal(spool_job_number(&p->spool), 1);
    assert_int_equal(spool_job_number(&p->spool), 2);
    assert_int_equal(pwrite(fd, "99999\n", 6, 0), 6);
    assert_int_equal(spool_job_number(&p->spool), 1);
    assert_int_equal(pwrite(fd, "junk!!", 6, 0), 6);
    assert_int_equal(spool_job_number(&p->spool), 1);
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
    assert_false(spool_name_format(name, sizeof(name), "../X", 1, 1, "A", &fb));
    assert_false(spool_name_format(name, sizeof(name), "JOB", 100000, 1, "A", &fb));
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

static int count_entry(void *arg, const char *name)
{
    (void)name;
    ++*(int *)arg;
    return 0;
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
    int before = 0, after = 0;

    assert_int_equal(durable_each(s->work, count_entry, &before), 0);
    assert_false(begin_with(s, 0, 1));
    assert_false(begin_with(s, 1, 2));
    assert_int_equal(durable_each(s->work, count_entry, &after), 0);
    assert_int_equal(after, before);
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
        CASE(what_was_put_has_its_seal),
        CASE(names_only_count_upward),
        CASE(lost_names_begin_above_what_stands),
        CASE(job_numbers_go_round),
        CASE(names_of_spool_files),
        CASE(a_second_owner_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
