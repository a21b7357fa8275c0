/* Units of work with every call failing in turn: lib/unit, copies, hold. Whatever fails, after a
 * recovery the job is where it was or all that it became is there, once. */
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

#include "lib/copies.h"
#include "lib/dsname.h"
#include "lib/hold.h"
#include "tests/unit/faults.h"
#include "tests/unit/place.h"

#define DATA_SET "OUT.D26325.T1907450.N0001"

static struct place place;
static const struct spool *const spool = &place.spool;
static struct program program;

static int set_up(void **state)
{
    struct diag d;

    (void)state;
    place_make(&place, "");
    program = (struct program){.name = "test", .site = place.site, .log = place.log};
    program.users = usertable_parse(SPAN("JOE Joe LOGIN(joe)\n"), &d);
    assert_non_null(program.users);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    usertable_free(program.users);
    place_remove(&place);
    return 0;
}

/* The run in hand. */
static struct {
    enum { BEFORE, IN_DOUBT, COMMITTED } reached;
} run;

static void *prepare(void)
{
    place_clear(&place);
    run.reached = BEFORE;
    place_put(spool->queue[QUEUE_REMOTE], "job", "good job");
    place_put(spool->queue[QUEUE_REMOTE], "bad", "bad job");
    return &run;
}

/* Names that are taken where the unit's files are to go. */
static void *prepare_taken(void)
{
    prepare();
    place_put(spool->queue[QUEUE_MAIL], DATA_SET, "a stranger's");
    place_put(spool->queue[QUEUE_HOLD], "bad", "held before");
    return &run;
}

static int stage(struct unit *u, enum unit_part part, const char *name, const char *text)
{
    int fd = unit_create(u, part, name);

    if (fd < 0)
        return -1;
    return durable_write(fd, text, strlen(text)) < 0 ? durable_drop(fd) : unit_done(u, fd);
}

static int fill(struct unit *u)
{
    const struct span nothing = {NULL, 0};
    char as[NAME_MAX + 1], reason[NAME_MAX + 1];

    if (unit_claim(u, "job", as) < 0 || unit_claim(u, "bad", as) < 0 || unit_keep(u, as) < 0)
        return -1;
    unit_reason_name(reason, as);
    if (unit_put(u, UNIT_HOLD, reason, SPAN("why"), nothing) < 0)
        return -1;
    return stage(u, UNIT_MAIL, DATA_SET, "mail") < 0 || stage(u, UNIT_POST, "N1", "notice") < 0 ? -1
                                                                                                : 0;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The process ends: its descriptors are closed, and nothing else happens. */
static void die(struct unit *u)
{
    int saved = errno;

    fault_pause();
    syncset_drop(&u->sync);
    for (int i = 0; i < UNIT_PARTS; i++)
        close_one(&u->part[i]);
    close_one(&u->in);
    close_one(&u->dir);
    errno = saved;
}

static int give_up(struct unit *u)
{
    int saved = errno;

    unit_rollback(u);
    errno = saved;
    return -1;
}

static int work(void *arg)
{
    struct unit u;

    (void)arg;
    if (unit_begin(&u, spool, "test", 1, QUEUE_REMOTE) < 0 || fill(&u) < 0)
        return give_up(&u);
    run.reached = IN_DOUBT;
    if (unit_commit(&u) < 0) {
        die(&u);
        return -1;
    }
    run.reached = COMMITTED;
    return unit_publish(&u);
}

/* All that was made is there once, and the job is not. */
static void expect_done(void)
{
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_REMOTE], "good job") == 0);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_REMOTE], "bad job") == 0);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_MAIL], "mail") == 1);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_POST], "notice") == 1);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_HOLD], "why") == 1);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_HOLD], "bad job") == 1);
}

static void expect_undone(void)
{
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_REMOTE], "good job") == 1);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_REMOTE], "bad job") == 1);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_MAIL], "mail") == 0);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_POST], "notice") == 0);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_HOLD], "why") == 0);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_HOLD], "bad job") == 0);
}

/* What a stranger put there, or what was held before, is as it was. */
static void expect_others(void)
{
    FAULT_EXPECT(!place_there(spool->queue[QUEUE_MAIL], DATA_SET) ||
                 place_has(spool->queue[QUEUE_MAIL], DATA_SET, "mail") ||
                 place_has(spool->queue[QUEUE_MAIL], DATA_SET, "a stranger's"));
}

static void all_or_none(void *arg, int result, const struct fault *f)
{
    bool moved = place_copies(spool->queue[QUEUE_REMOTE], "good job") == 0;

    (void)arg, (void)f;
    if (result == 0)
        expect_done();
    FAULT_EXPECT(unit_recover(spool, "test", QUEUE_REMOTE) >= 0);
    moved = place_copies(spool->queue[QUEUE_REMOTE], "good job") == 0;
    FAULT_EXPECT(run.reached == IN_DOUBT || moved == (run.reached == COMMITTED));
    if (moved)
        expect_done();
    else
        expect_undone();
    expect_others();
    FAULT_EXPECT(unit_recover(spool, "test", QUEUE_REMOTE) == 0);
}

/* Recovery of what a process left that died before or after its commit. */

static void leave(bool committed)
{
    struct unit u;

    assert_int_equal(unit_begin(&u, spool, "test", 1, QUEUE_REMOTE), 0);
    assert_int_equal(fill(&u), 0);
    if (committed)
        assert_int_equal(unit_commit(&u), 0);
    die(&u);
    run.reached = committed ? COMMITTED : BEFORE;
}

static void *prepare_open(void)
{
    prepare();
    leave(false);
    return &run;
}

static void *prepare_done(void)
{
    prepare();
    leave(true);
    return &run;
}

static void *prepare_done_taken(void)
{
    prepare_taken();
    leave(true);
    return &run;
}

/* It was stopped between a link and its unlink, where no rename can be told not to replace. */
static void *prepare_half_published(void)
{
    static const char part[] = "test.00000001.done/mail/" DATA_SET;

    prepare_done();
    assert_int_equal(linkat(spool->work, part, spool->queue[QUEUE_MAIL], DATA_SET, 0), 0);
    fault_always("renameat2", EINVAL);
    return &run;
}

/* Until its other name is gone a file is there twice. */
static void recovered_in_the_end(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    FAULT_EXPECT(unit_recover(spool, "test", QUEUE_REMOTE) >= 0);
    expect_done();
    FAULT_EXPECT(unit_recover(spool, "test", QUEUE_REMOTE) == 0);
}

/* All of it arrived; a power cut brought a name back that was unlinked. */
static void *prepare_brought_back(void)
{
    int part;

    prepare_done();
    assert_int_equal(unit_recover(spool, "test", QUEUE_REMOTE), 1);
    assert_int_equal(mkdirat(spool->work, "test.00000001.done", 0700), 0);
    assert_int_equal(mkdirat(spool->work, "test.00000001.done/mail", 0700), 0);
    part = openat(spool->work, "test.00000001.done/mail", O_RDONLY | O_DIRECTORY);
    assert_true(part >= 0);
    place_put(part, DATA_SET, "came back");
    close(part);
    return &run;
}

static void it_is_not_lost(void *arg, int result, const struct fault *f)
{
    recovered_in_the_end(arg, result, f);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_MAIL], "came back") == 1);
    FAULT_EXPECT(!place_there(spool->work, "test.00000001.done"));
}

/* A file came meanwhile that has the name of a claimed one. */
static void *prepare_open_taken(void)
{
    prepare();
    leave(false);
    place_put(spool->queue[QUEUE_REMOTE], "job", "a new one");
    return &run;
}

static int recover(void *arg)
{
    (void)arg;
    return unit_recover(spool, "test", QUEUE_REMOTE);
}

static void recovered(void *arg, int result, const struct fault *f)
{
    if (result >= 0 && f->call == NULL)
        FAULT_EXPECT(result == 1);
    all_or_none(arg, -1, f);
}

/* One claimed file goes back. */

static int claim_and_give_back(void *arg)
{
    char as[NAME_MAX + 1];
    struct unit u;

    (void)arg;
    if (unit_begin(&u, spool, "test", 1, QUEUE_REMOTE) < 0 || unit_claim(&u, "job", as) < 0 ||
        unit_unclaim(&u, as, "job") < 0)
        return give_up(&u);
    return unit_rollback(&u);
}

static void back_again(void *arg, int result, const struct fault *f)
{
    (void)result;
    all_or_none(arg, -1, f);
}

/* A name such as the unit gives, and a reason too long for one write. */
static void *prepare_marked(void)
{
    prepare();
    assert_int_equal(
        renameat(spool->queue[QUEUE_REMOTE], "job", spool->queue[QUEUE_REMOTE], "01234567-job"), 0);
    return &run;
}

static int claim_marked(void *arg)
{
    static char long_reason[20000];
    char as[NAME_MAX + 1];
    struct unit u;

    (void)arg;
    memset(long_reason, 'r', sizeof(long_reason));
    if (unit_begin(&u, spool, "test", 1, QUEUE_REMOTE) < 0 ||
        unit_claim(&u, "01234567-job", as) < 0 ||
        unit_put(&u, UNIT_HOLD, "reason", (struct span){long_reason, sizeof(long_reason)},
                 SPAN("end")) < 0)
        return give_up(&u);
    return unit_rollback(&u);
}

static int own(void *arg)
{
    int fd = unit_owner(spool, "test");

    (void)arg;
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : 0;
}

/* One text for many. */

enum { TEXT = SHARE_BLOCK_MAX + 100, HEAD = 20, COPIES = 3 };

static char long_text[TEXT];

static int copy(void *arg)
{
    struct copies c;
    struct unit u;
    char name[DSNAME_MAX + 1], head[HEAD + 1];
    int result;

    (void)arg;
    if (unit_begin(&u, spool, "test", 1, QUEUE_REMOTE) < 0)
        return give_up(&u);
    copies_begin(&c, &u, UNIT_MAIL, HEAD, (struct span){long_text, TEXT});
    result = 0;
    for (int i = 0; result == 0 && i < COPIES; i++) {
        snprintf(name, sizeof(name), "OUT.D26325.T1907450.N000%d", i);
        snprintf(head, sizeof(head), "head of %0*d\n", HEAD - 9, i);
        result = copies_put(&c, name, (struct span){head, HEAD});
    }
    int saved = errno, end = copies_end(&c);
    if (result < 0 || end < 0) {
        errno = result < 0 ? saved : errno;
        return give_up(&u);
    }
    if (unit_commit(&u) < 0) {
        die(&u);
        return -1;
    }
    return unit_publish(&u);
}

/* Counts a file that is one of the heads with the text, under a seal that holds where there are
 * seals; it may have got another name. */
static int count_whole(void *arg, const char *name)
{
    static char got[HEAD + TEXT + 1];
    unsigned *found = arg;
    struct seal seal = {0};
    int fd = durable_open(spool->queue[QUEUE_MAIL], name);

    FAULT_EXPECT(fd >= 0);
    ssize_t n = read(fd, got, sizeof(got));
    bool sealed = seal_open(&seal, fd);
    seal_add(&seal, (struct span){got, HEAD + TEXT});
    enum seal_state state = seal_check(&seal);
    close(fd);
    FAULT_EXPECT(n == HEAD + TEXT && memcmp(got, "head of 0", 9) == 0 && got[HEAD - 1] == '\n');
    FAULT_EXPECT(memcmp(got + HEAD, long_text, TEXT) == 0 && (state == SEAL_GOOD || !sealed));
    found[got[HEAD - 2] - '0']++;
    return 0;
}

static void all_copies_or_none(void *arg, int result, const struct fault *f)
{
    unsigned found[COPIES] = {0};

    (void)arg, (void)f;
    FAULT_EXPECT(unit_recover(spool, "test", QUEUE_REMOTE) >= 0);
    FAULT_EXPECT(durable_each(spool->queue[QUEUE_MAIL], count_whole, found) == 0);
    for (int i = 0; i < COPIES; i++)
        FAULT_EXPECT(found[i] == found[0] && found[i] <= 1);
    FAULT_EXPECT(found[0] == 1 || result < 0);
}

static void *prepare_unshared(void)
{
    prepare();
    fault_always("ioctl", EOPNOTSUPP);
    return &run;
}

/* A file is held, with its reason and a notice. */

static int hold_as(enum unit_part part, const char *owner)
{
    char as[NAME_MAX + 1];
    struct unit u;
    struct hold h = {.program = &program,
                     .by = "TEST",
                     .part = part,
                     .as = as,
                     .owner = owner,
                     .id = "T1",
                     .subject = "HELD",
                     .reason = "why",
                     .advice = "Send it again."};

    if (unit_begin(&u, spool, "test", 1, QUEUE_REMOTE) < 0 || unit_claim(&u, "bad", as) < 0 ||
        hold_stage(&u, &h) < 0)
        return give_up(&u);
    if (unit_commit(&u) < 0) {
        die(&u);
        return -1;
    }
    return unit_publish(&u);
}

static int hold(void *arg)
{
    (void)arg;
    return hold_as(UNIT_HOLD, "joe");
}

static void held_with_its_reason(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)f;
    FAULT_EXPECT(unit_recover(spool, "test", QUEUE_REMOTE) >= 0);
    bool held = place_copies(spool->queue[QUEUE_HOLD], "bad job") == 1;
    FAULT_EXPECT(held || result < 0);
    FAULT_EXPECT(place_copies(spool->queue[QUEUE_REMOTE], "bad job") == !held);
    FAULT_EXPECT(place_count(spool->queue[QUEUE_HOLD], false) == (held ? 2U : 0U));
    FAULT_EXPECT(place_count(spool->queue[QUEUE_PRT], false) == held);
}

static void nothing_to_see(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
}

static const struct fault_case cases[] = {
    {"a unit of work", prepare, work, all_or_none, {0}, NULL, {0}},
    {"a unit, names taken", prepare_taken, work, all_or_none, {0}, NULL, {0}},
    {"recovery of an open unit", prepare_open, recover, recovered, {ENOTEMPTY}, NULL, {ENOENT}},
    {"recovery, a new file", prepare_open_taken, recover, recovered, {ENOTEMPTY}, NULL, {ENOENT}},
    {"recovery of a committed unit", prepare_done, recover, recovered, {ENOTEMPTY}, NULL, {ENOENT}},
    {"recovery, names taken", prepare_done_taken, recover, recovered, {ENOTEMPTY}, NULL, {ENOENT}},
    {"recovery, half published",
     prepare_half_published,
     recover,
     recovered_in_the_end,
     {ENOTEMPTY},
     NULL,
     {ENOENT, EEXIST}},
    {"recovery, a name brought back",
     prepare_brought_back,
     recover,
     it_is_not_lost,
     {ENOTEMPTY},
     NULL,
     {ENOENT, EEXIST}},
    {"a file goes back", prepare, claim_and_give_back, back_again, {ENOTEMPTY}, NULL, {0}},
    {"a name as of a unit", prepare_marked, claim_marked, back_again, {ENOTEMPTY}, NULL, {0}},
    {"an owner", prepare, own, nothing_to_see, {0}, NULL, {0}},
    {"copies that share",
     prepare,
     copy,
     all_copies_or_none,
     {0},
     " ioctl malloc realloc fsetxattr write fstat ",
     {0}},
    {"copies that do not",
     prepare_unshared,
     copy,
     all_copies_or_none,
     {0},
     " ioctl malloc realloc fsetxattr write fstat ",
     {0}},
    {"a file is held", prepare, hold, held_with_its_reason, {0}, NULL, {0}},
    {"a file is held again", prepare_taken, hold, nothing_to_see, {0}, NULL, {0}},
};

static void every_call_fails_in_turn(void **state)
{
    (void)state;
    memset(long_text, 'x', sizeof(long_text));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fault_sweep(&cases[i]);
}

/* Where a file is kept, and who is told. */
static void whom_a_hold_concerns(void **state)
{
    static const struct {
        enum unit_part part;
        const char *owner;
        const char *site; /* more of it */
        const char *to;   /* of the notice; NULL: there is none */
        const char *host; /* of the configuration */
    } rows[] = {
        {UNIT_HOLD, "joe", "", "JOE@h.example", "h.example"},
        {UNIT_HOLD, "nobody-known", "", "POSTMASTER@h.example", "h.example"},
        {UNIT_HOLD, "joe", "SMTP POSTOFFICE(OFFICE)\n", "JOE@OFFICE", "h.example"},
        {UNIT_DEAD, NULL, "", NULL, "h.example"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf member = {0};
        struct diag d;
        char text[2048], to[64];
        bool office = rows[i].site[0] != '\0';
        prepare();
        buf_printf(&member, "SYSTEM HOST(%s) SPOOL(/nowhere)\n%s", rows[i].host, rows[i].site);
        program.site = site_parse(BUF_SPAN(&member), "test", &d);
        assert_non_null(program.site);
        assert_int_equal(hold_as(rows[i].part, rows[i].owner), 0);
        int kept = spool->queue[rows[i].part == UNIT_HOLD ? QUEUE_HOLD : QUEUE_DEAD];
        assert_true(place_has(kept, "bad", "bad job"));
        place_text(kept, "bad.REASON", text, sizeof(text));
        assert_non_null(strstr(text, rows[i].owner != NULL ? rows[i].owner : "unknown"));
        assert_non_null(strstr(text, rows[i].part == UNIT_DEAD ? "jes/DEAD" : "jes/HOLD"));
        place_text(spool->queue[office ? QUEUE_POST : QUEUE_PRT], "T1", text, sizeof(text));
        snprintf(to, sizeof(to), "\nTo: <%s>\n", rows[i].to != NULL ? rows[i].to : "");
        assert_int_equal(strstr(text, to) != NULL, rows[i].to != NULL);
        site_free(program.site);
        buf_free(&member);
        program.site = place.site;
    }
}

static void heads_of_copies_have_one_length(void **state)
{
    struct copies c;
    struct unit u;

    (void)state;
    prepare();
    assert_int_equal(unit_begin(&u, spool, "test", 1, QUEUE_REMOTE), 0);
    copies_begin(&c, &u, UNIT_MAIL, HEAD, (struct span){long_text, TEXT});
    assert_int_equal(copies_put(&c, DATA_SET, SPAN("short")), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(copies_end(&c), 0);
    assert_int_equal(unit_rollback(&u), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_copies_have_one_length),
        cmocka_unit_test(whom_a_hold_concerns),
        cmocka_unit_test(every_call_fails_in_turn),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
