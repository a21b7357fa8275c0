/* The stores with every call failing in turn: lib/durable, seal, spool, dataset. What was promised
 * is there, what was refused is not, and what fails can be done again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/dataset.h"
#include "lib/seal.h"
#include "tests/unit/faults.h"
#include "tests/unit/place.h"

#define WALL 1795288065

static struct place place;
static struct spool *const spool = &place.spool;

static int set_up(void **state)
{
    (void)state;
    place_make(&place, "");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    place_remove(&place);
    return 0;
}

/* A spool file. */

static void *prepare(void)
{
    place_clear(&place);
    return &place;
}

static void *prepare_taken(void)
{
    prepare();
    place_put(spool->queue[QUEUE_REMOTE], "JOB", "another's");
    return &place;
}

static void unlink_temporary(void)
{
    place_clear(&place);
}

/* The sweeper of another program comes between making the file and its lock. */
static void *prepare_swept(void)
{
    prepare();
    fault_meanwhile("flock", unlink_temporary);
    return &place;
}

static int queue_file(void *arg)
{
    struct spool_writer w;

    (void)arg;
    if (spool_create(&w, spool->queue[QUEUE_REMOTE]) < 0)
        return -1;
    if (spool_write(&w, SPAN("text")) < 0) {
        spool_abandon(&w);
        return -1;
    }
    int result = spool_queue(&w, "JOB");
    if (result < 0 && errno == EEXIST)
        result = spool_queue(&w, "JOB2");
    if (result < 0)
        spool_abandon(&w);
    return result;
}

/* What cannot be removed after a fault of its own is left to the sweeper, under a dotted name. */
static void queued_or_not(void *arg, int result, const struct fault *f)
{
    int dir = spool->queue[QUEUE_REMOTE];

    (void)arg;
    /* After a sync that failed it is taken back; that this fails too is not tried. */
    if (strcmp(f->call != NULL ? f->call : "", "fsync") != 0 || result == 0)
        FAULT_EXPECT(place_copies(dir, "text") == (result == 0) || place_count(dir, true) > 0);
    FAULT_EXPECT(!place_there(dir, "JOB") || place_has(dir, "JOB", "text") ||
                 place_has(dir, "JOB", "another's"));
    spool_sweep(dir);
    FAULT_EXPECT(place_count(dir, true) == 0);
    FAULT_EXPECT(place_copies(dir, "text") == (result == 0));
}

static void *prepare_left_over(void)
{
    prepare();
    place_put(spool->queue[QUEUE_REMOTE], ".spool-dead", "half");
    place_put(spool->queue[QUEUE_REMOTE], ".other", "not ours");
    place_put(spool->queue[QUEUE_REMOTE], "JOB", "text");
    return &place;
}

static int sweep(void *arg)
{
    (void)arg;
    spool_sweep(spool->queue[QUEUE_REMOTE]);
    return 0;
}

static void only_temporary_files_are_swept(void *arg, int result, const struct fault *f)
{
    int dir = spool->queue[QUEUE_REMOTE];

    (void)arg, (void)result;
    FAULT_EXPECT(f->call != NULL || !place_there(dir, ".spool-dead"));
    FAULT_EXPECT(place_has(dir, "JOB", "text") && place_has(dir, ".other", "not ours"));
}

static int job_number(void *arg)
{
    (void)arg;
    return spool_job_number(spool) == 0 ? -1 : 0;
}

static void *prepare_locked(void)
{
    prepare();
    fault_always("flock", EWOULDBLOCK);
    return &place;
}

static void numbers_go_on(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    unsigned first = spool_job_number(spool), second = spool_job_number(spool);
    FAULT_EXPECT(first > 0 && second == first % 99999 + 1);
}

static int format_name(void *arg)
{
    struct recfm fb = {RECORD_FIXED, CONTROL_NONE, 80};
    char name[NAME_MAX + 1];

    (void)arg;
    return spool_name_format(name, sizeof(name), "JOB", 1, 1, "DD", &fb) ? 0 : -1;
}

static int open_dest(void *arg)
{
    (void)arg;
    int fd = spool_dest(spool, "POST");
    return fd < 0 ? -1 : close(fd) < 0 ? 0 : 0;
}

/* Opening a spool that is not there yet, as a daemon. */

static struct site *other;

static void *prepare_no_spool(void)
{
    struct buf member = {0};
    struct diag d;

    prepare();
    assert_true(buf_printf(&member, "SYSTEM HOST(h) SPOOL(%s/spool/work/other)\n", place.path));
    other = site_parse(BUF_SPAN(&member), "test", &d);
    assert_non_null(other);
    buf_free(&member);
    return &place;
}

static int open_with(bool make)
{
    struct spool s;
    struct diag d = {0};

    if (!spool_open(&s, other, 1U << QUEUE_REMOTE | 1U << QUEUE_MAIL, make, &d)) {
        FAULT_EXPECT(d.text[0] != '\0' && s.root < 0 && s.queue[QUEUE_MAIL] < 0);
        return 1;
    }
    FAULT_EXPECT((s.work >= 0) == make && s.queue[QUEUE_MAIL] >= 0 && s.queue[QUEUE_POST] < 0);
    spool_close(&s);
    return 0;
}

static int make_spool(void *arg)
{
    (void)arg;
    return open_with(true);
}

static int use_spool(void *arg)
{
    (void)arg;
    return open_with(false);
}

static void *prepare_spool(void)
{
    prepare_no_spool();
    assert_int_equal(open_with(true), 0);
    return &place;
}

static void it_opens_again(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    FAULT_EXPECT(open_with(true) == 0);
    FAULT_EXPECT(open_with(false) == 0);
    site_free(other);
}

/* Names of data sets. */

static uint64_t first_taken, before_it;

static void *prepare_names(void)
{
    prepare();
    assert_int_equal(dataset_names_take(spool, WALL, 5, &before_it), 0);
    before_it += 4;
    return &place;
}

static int take_names(void *arg)
{
    (void)arg;
    return dataset_names_take(spool, WALL, 3, &first_taken);
}

static int take_names_with(void *arg)
{
    struct syncset set;

    (void)arg;
    syncset_init(&set, spool->work);
    int result = dataset_names_take_with(spool, WALL, 3, &first_taken, &set);
    if (result == 0)
        return syncset_commit(&set);
    int saved = errno;
    syncset_drop(&set);
    errno = saved;
    return result;
}

/* A counter that was cut short is found out by its length: names begin at the clock again. */
static void names_only_count_upward(void *arg, int result, const struct fault *f)
{
    uint64_t after;

    (void)arg, (void)f;
    FAULT_EXPECT(result < 0 || first_taken > before_it || f->error == FAULT_SHORT ||
                 f->error == FAULT_NOTHING);
    FAULT_EXPECT(dataset_names_take(spool, WALL, 1, &after) == 0);
    FAULT_EXPECT(result < 0 || after == first_taken + 3);
}

static void *prepare_lost_names(void)
{
    char name[DSNAME_MAX + 1];

    prepare();
    before_it = dsname_stamp(WALL) + 1000;
    assert_true(dsname_format(SPAN("OUT"), before_it, name));
    place_put(spool->queue[QUEUE_MAIL], name, "x");
    place_put(spool->work, "NAMES", "garbage");
    return &place;
}

static int check_names(void *arg)
{
    (void)arg;
    return dataset_names_check(spool, SPAN("OUT"));
}

static void no_name_comes_again(void *arg, int result, const struct fault *f)
{
    uint64_t after;

    (void)arg, (void)f;
    FAULT_EXPECT(result == 0 || dataset_names_check(spool, SPAN("OUT")) == 0);
    FAULT_EXPECT(dataset_names_take(spool, WALL, 1, &after) == 0);
    FAULT_EXPECT(after > before_it || (result == 0 && f->call != NULL));
}

/* lib/durable. */

static void *prepare_replaced(void)
{
    prepare();
    place_put(spool->work, "STATE", "old");
    place_put(spool->work, ".STATE.new", "left over");
    return &place;
}

static int replace(void *arg)
{
    (void)arg;
    return durable_replace(spool->work, "STATE", "new", 3, 0600);
}

static void old_or_new(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    FAULT_EXPECT(place_has(spool->work, "STATE", "new") ||
                 (result < 0 && place_has(spool->work, "STATE", "old")));
    FAULT_EXPECT(replace(NULL) == 0);
    FAULT_EXPECT(place_has(spool->work, "STATE", "new"));
    FAULT_EXPECT(place_count(spool->work, true) == 0);
}

static int make_directory(void *arg)
{
    (void)arg;
    int fd = durable_dir(spool->work, "new", 0750);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static int make_inner_directory(void *arg)
{
    char path[128];

    (void)arg;
    snprintf(path, sizeof(path), "%s/spool/work/new", place.path);
    int fd = durable_dir(AT_FDCWD, path, 0750);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void made_with_its_mode(void *arg, int result, const struct fault *f)
{
    struct stat st;

    (void)arg;
    if (result == 0)
        FAULT_EXPECT(fstatat(spool->work, "new", &st, 0) == 0 && (st.st_mode & 07777) == 0750);
    else
        FAULT_EXPECT(!place_there(spool->work, "new") || strcmp(f->call, "unlinkat") == 0);
}

static int open_own(void *arg)
{
    (void)arg;
    int fd = durable_open_own(spool->queue[QUEUE_REMOTE], "JOB");
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static void nothing_to_see(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
}

static int write_at(void *arg)
{
    (void)arg;
    int fd = openat(spool->work, "STATE", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (durable_write_at(fd, "NEW", 3, 0) < 0 || durable_sync_data(fd) < 0)
        return durable_drop(fd);
    return durable_close(fd);
}

static void written_or_told(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    FAULT_EXPECT(result < 0 || place_has(spool->work, "STATE", "NEW"));
}

/* More files than are synced one by one. */
static int sync_many(void *arg)
{
    struct syncset set;
    char name[16];

    (void)arg;
    syncset_init(&set, spool->work);
    for (int i = 0; i < SYNCSET_FILES + 3; i++) {
        snprintf(name, sizeof(name), "file%d", i);
        int fd = durable_create(spool->work, name, 0600);
        if (fd < 0 || syncset_add(&set, fd) < 0) {
            int saved = errno;
            syncset_drop(&set);
            errno = saved;
            return -1;
        }
    }
    return syncset_commit(&set);
}

/* Moving, and the way of it where no rename can be told not to replace. */

static void *prepare_plain_rename(void)
{
    prepare_taken();
    fault_always("renameat2", EINVAL);
    return &place;
}

static int move(void *arg)
{
    (void)arg;
    return durable_move(spool->queue[QUEUE_REMOTE], "JOB", spool->queue[QUEUE_POST], "MOVED");
}

static int move_open(void *arg)
{
    (void)arg;
    return durable_move(spool->queue[QUEUE_REMOTE], "JOB", spool->queue[QUEUE_MAIL], "MOVED");
}

/* Never nowhere, and under both names only where neither can be taken away. */
static void here_or_in_mail(void *arg, int result, const struct fault *f)
{
    bool here = place_has(spool->queue[QUEUE_REMOTE], "JOB", "another's");
    bool there = place_has(spool->queue[QUEUE_MAIL], "MOVED", "another's");

    (void)arg;
    FAULT_EXPECT(here == (result < 0));
    FAULT_EXPECT(there == (result == 0) || (f->from && strcmp(f->call, "unlinkat") == 0));
}

/* It was stopped between link and unlink; then the same move is made again. */
static void *prepare_both_names(void)
{
    prepare_plain_rename();
    int from = spool->queue[QUEUE_REMOTE];
    assert_int_equal(linkat(from, "JOB", spool->queue[QUEUE_MAIL], "MOVED", 0), 0);
    return &place;
}

static void it_goes_on(void *arg, int result, const struct fault *f)
{
    bool here = place_has(spool->queue[QUEUE_REMOTE], "JOB", "another's");

    (void)arg, (void)f;
    FAULT_EXPECT(here == (result < 0));
    FAULT_EXPECT(here || place_has(spool->queue[QUEUE_MAIL], "MOVED", "another's"));
}

/* What file systems say that have no links. */
static const int refusals[] = {EPERM, EOPNOTSUPP, ENOSYS, EMLINK};
static size_t refusal;

static void *prepare_no_links(void)
{
    prepare_plain_rename();
    fault_always("linkat", refusals[refusal]);
    return &place;
}

/* A directory that may not be read, and so not be synced by itself. */
static void *prepare_closed(void)
{
    prepare_plain_rename();
    fault_always("fsync", EBADF);
    return &place;
}

/* A name that is there is never replaced, whatever the way. */
static void *prepare_no_links_taken(void)
{
    prepare_no_links();
    place_put(spool->queue[QUEUE_MAIL], "MOVED", "a stranger's");
    return &place;
}

static void *prepare_taken_twice(void)
{
    prepare_plain_rename();
    place_put(spool->queue[QUEUE_MAIL], "MOVED", "a stranger's");
    return &place;
}

static int move_to_taken(void *arg)
{
    int result = move_open(arg);

    FAULT_EXPECT(result < 0);
    return errno == EEXIST ? 0 : -1;
}

static void both_stay(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    FAULT_EXPECT(place_has(spool->queue[QUEUE_REMOTE], "JOB", "another's"));
    FAULT_EXPECT(place_has(spool->queue[QUEUE_MAIL], "MOVED", "a stranger's"));
}

static void here_or_there(void *arg, int result, const struct fault *f)
{
    bool here = place_has(spool->queue[QUEUE_REMOTE], "JOB", "another's");
    bool there = place_has(spool->queue[QUEUE_POST], "MOVED", "another's");

    (void)arg;
    FAULT_EXPECT(here == (result < 0));
    FAULT_EXPECT(there == (result == 0) || (f->from && strcmp(f->call, "unlinkat") == 0));
}

/* Seals. */

static int seal_and_check(void *arg)
{
    struct seal s = {0};
    int result = 0;

    (void)arg;
    int fd = openat(spool->queue[QUEUE_REMOTE], "JOB", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (seal_file(fd) < 0)
        return durable_drop(fd);
    if (seal_open(&s, fd)) {
        seal_add(&s, SPAN("another's"));
        enum seal_state state = seal_check(&s);
        result = state == SEAL_GOOD ? 0 : 1; /* broken: a seal that could not be read whole */
    } else {
        enum seal_state state = seal_check(&s);
        FAULT_EXPECT(state == SEAL_NONE);
    }
    close(fd);
    return result;
}

static void sealed_or_not(void *arg, int result, const struct fault *f)
{
    (void)arg;
    FAULT_EXPECT(result <= 0 || f->error == ERANGE || f->error == FAULT_NOTHING);
    FAULT_EXPECT(place_has(spool->queue[QUEUE_REMOTE], "JOB", "another's"));
}

static int seal_twice(void *arg)
{
    struct seal rest = {0}, s = {0};
    int result;

    (void)arg;
    int fd = openat(spool->queue[QUEUE_REMOTE], "JOB", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    seal_add(&rest, SPAN("her's"));
    seal_branch(&s, &rest, 4);
    seal_add(&s, SPAN("anot"));
    result = seal_end(&s, fd);
    if (result == 0 && seal_open(&s, fd)) {
        seal_add(&s, SPAN("ano"));
        seal_add(&s, SPAN("ther's"));
        enum seal_state state = seal_check(&s);
        result = state == SEAL_GOOD || state == SEAL_TROUBLE ? 0 : 1;
    }
    seal_drop(&rest);
    if (result < 0)
        return durable_drop(fd);
    close(fd);
    return result;
}

static const struct fault_case cases[] = {
    {"a spool file", prepare, queue_file, queued_or_not, {EAGAIN}, NULL, {0}},
    {"a spool file, name taken", prepare_taken, queue_file, queued_or_not, {EAGAIN}, NULL, {0}},
    {"a spool file, swept at once", prepare_swept, queue_file, queued_or_not, {EAGAIN}, NULL, {0}},
    {"a spool file's name", prepare, format_name, nothing_to_see, {0}, NULL, {0}},
    {"the sweeper", prepare_left_over, sweep, only_temporary_files_are_swept, {0}, NULL, {0}},
    {"a job number", prepare, job_number, numbers_go_on, {0}, NULL, {0}},
    {"a job number, locked", prepare_locked, job_number, numbers_go_on, {0}, NULL, {0}},
    {"a queue that a job names", prepare, open_dest, nothing_to_see, {0}, NULL, {0}},
    {"a spool is made", prepare_no_spool, make_spool, it_opens_again, {0}, NULL, {0}},
    {"a spool is made again", prepare_spool, make_spool, it_opens_again, {0}, NULL, {0}},
    {"a spool is used", prepare_spool, use_spool, it_opens_again, {0}, NULL, {0}},
    {"names", prepare_names, take_names, names_only_count_upward, {0}, NULL, {0}},
    {"the first names", prepare, take_names, nothing_to_see, {0}, NULL, {0}},
    {"names in a set", prepare_names, take_names_with, names_only_count_upward, {0}, NULL, {0}},
    {"names are checked", prepare_names, check_names, no_name_comes_again, {0}, NULL, {0}},
    {"lost names", prepare_lost_names, check_names, no_name_comes_again, {0}, NULL, {0}},
    {"a file is replaced", prepare_replaced, replace, old_or_new, {EEXIST}, NULL, {0}},
    {"a directory", prepare, make_directory, made_with_its_mode, {ENOENT}, NULL, {0}},
    {"a directory by its path",
     prepare,
     make_inner_directory,
     made_with_its_mode,
     {ENOENT},
     NULL,
     {0}},
    {"a file is opened", prepare_taken, open_own, nothing_to_see, {0}, NULL, {0}},
    {"a place is written", prepare_replaced, write_at, written_or_told, {0}, NULL, {0}},
    {"a set of many files", prepare, sync_many, nothing_to_see, {0}, NULL, {0}},
    {"a move", prepare_taken, move, here_or_there, {0}, NULL, {0}},
    {"a move without NOREPLACE", prepare_plain_rename, move, here_or_there, {0}, NULL, {0}},
    {"a move by links", prepare_plain_rename, move_open, here_or_in_mail, {0}, NULL, {0}},
    {"a move by links, again", prepare_both_names, move_open, it_goes_on, {EEXIST}, NULL, {0}},
    {"a move by links, closed", prepare_closed, move_open, here_or_in_mail, {0}, NULL, {0}},
    {"a move, links refused", prepare_no_links, move_open, here_or_in_mail, {0}, NULL, {0}},
    {"by links, name taken", prepare_taken_twice, move_to_taken, both_stay, {0}, NULL, {0}},
    {"links refused, name taken",
     prepare_no_links_taken,
     move_to_taken,
     both_stay,
     {0},
     NULL,
     {ENOENT}},
    {"a seal", prepare_taken, seal_and_check, sealed_or_not, {0}, NULL, {0}},
    {"a seal of the second form", prepare_taken, seal_twice, sealed_or_not, {0}, NULL, {0}},
};

static void every_call_fails_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fault_sweep(&cases[i]);
}

static void links_are_refused_in_many_words(void **state)
{
    const struct fault_case c = {
        "a move, links refused", prepare_no_links, move_open, here_or_in_mail, {0}, NULL, {0}};

    (void)state;
    for (refusal = 0; refusal < sizeof(refusals) / sizeof(refusals[0]); refusal++)
        fault_sweep(&c);
    refusal = 0;
}

/* However its name is spelt, what is synced is the directory in which a directory stands. */
static void a_directory_has_many_names(void **state)
{
    static const char *const names[] = {"d",          "new",       "slash/",
                                        "slashes///", "new/inner", "new//in/"};
    char path[PATH_MAX];

    (void)state;
    prepare();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = durable_dir(spool->work, names[i], 0750);
        assert_true(fd >= 0);
        close(fd);
        assert_true(place_there(spool->work, names[i]));
    }
    assert_int_equal(place_count(spool->work, true), 0);
    assert_int_equal(durable_sync_parent(spool->work, "new/none/"), 0);
    assert_int_equal(durable_sync_parent(AT_FDCWD, "/none"), 0);
    assert_int_equal(durable_sync_parent(AT_FDCWD, "/"), 0);
    assert_int_equal(durable_sync_parent(spool->work, "none/new"), -1);
    /* The name under which it is made would be too long. */
    for (size_t i = 0; i < sizeof(path); i++)
        path[i] = i % 2 ? '/' : 'a';
    path[sizeof(path) - 3] = '\0';
    assert_int_equal(durable_dir(spool->work, path, 0750), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails_in_turn),
        cmocka_unit_test(links_are_refused_in_many_words),
        cmocka_unit_test(a_directory_has_many_names),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
