/* lib/offer and lib/wake with every call failing in turn: what was committed is never lost, taken
 * twice or told twice, and what was not is nobody's mail. */
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

#include "lib/offer.h"
#include "lib/wake.h"
#include "tests/unit/faults.h"
#include "tests/unit/place.h"

enum { FILES = 3, NAME_SIZE = NAME_MAX + 1 };

static const char *const texts[FILES] = {"mail 1\n", "mail 2\n", "mail 3\n"};

struct bench {
    int mail;             /* borrowed */
    char name[NAME_SIZE]; /* of the offer */
    unsigned told;
    enum offer_result result;
    bool in_doubt, strange;
};

static struct place place;
static struct bench bench; /* of the run in hand */

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

static void *prepare(void)
{
    place_clear(&place);
    bench = (struct bench){.mail = place.spool.queue[QUEUE_MAIL]};
    return &bench;
}

static int write_offer(struct offer *o, int mail)
{
    if (offer_begin(o, mail) < 0)
        return -1;
    for (size_t i = 0; i < FILES; i++) {
        int fd = offer_create(o);
        if (fd < 0)
            return -1;
        if (durable_write(fd, texts[i], strlen(texts[i])) < 0)
            return durable_drop(fd);
        if (offer_done(o, fd) < 0)
            return -1;
    }
    return offer_commit(o);
}

struct ending {
    const char *ending;
    char *name;
};

static int match_ending(void *arg, const char *name)
{
    const struct ending *e = arg;
    size_t n = strlen(name), end = strlen(e->ending);

    if (n > end && strcmp(name + n - end, e->ending) == 0)
        snprintf(e->name, NAME_SIZE, "%s", name);
    return 0;
}

/* The entry of mail/ that ends so; "" when there is none. */
static bool find(const struct bench *b, const char *ending, char *name)
{
    struct ending e = {ending, name};

    name[0] = '\0';
    assert_int_equal(durable_each(b->mail, match_ending, &e), 0);
    return name[0] != '\0';
}

/* The user's side. */

static int offer(void *arg)
{
    struct bench *b = arg;
    struct offer o;
    int result = write_offer(&o, b->mail);

    if (result < 0) {
        b->in_doubt = o.in_doubt;
        offer_abandon(&o);
    }
    return result;
}

static void offered_or_not(void *arg, int result, const struct fault *f)
{
    struct bench *b = arg;
    char name[NAME_SIZE];
    bool done = find(b, ".done", name);

    (void)f;
    FAULT_EXPECT(done == (result == 0 || b->in_doubt));
    for (size_t i = 0; done && i < FILES; i++)
        FAULT_EXPECT(place_copies(b->mail, texts[i]) == 1);
    /* What could not be removed, the sweeper removes. */
    offer_sweep(&place.spool);
    FAULT_EXPECT(!find(b, ".open", name));
    FAULT_EXPECT(find(b, ".done", name) == done);
    FAULT_EXPECT(place_count(b->mail, false) == 0);
}

/* The daemon's side. */

static void *prepare_offer(void)
{
    struct bench *b = prepare();

    assert_int_equal(offer(b), 0);
    assert_true(find(b, ".done", b->name));
    return b;
}

static void *prepare_strange_offer(void)
{
    struct bench *b = prepare_offer();
    int dir = openat(b->mail, b->name, O_RDONLY | O_DIRECTORY);

    assert_true(dir >= 0);
    place_put(dir, "strange", "no name of ours\n");
    close(dir);
    b->strange = true;
    return b;
}

/* Every name is taken by strangers. */
static void *prepare_names_taken(void)
{
    struct bench *b = prepare_offer();

    fault_always("renameat2", EEXIST);
    return b;
}

/* A file system without RENAME_NOREPLACE; and one where links are refused, too. */
static void *prepare_plain(void)
{
    fault_always("renameat2", EINVAL);
    return prepare();
}

static void *prepare_offer_plain(void)
{
    struct bench *b = prepare_offer();

    fault_always("renameat2", EINVAL);
    return b;
}

static void *prepare_offer_no_links(void)
{
    struct bench *b = prepare_offer_plain();

    fault_always("linkat", EPERM);
    return b;
}

static void *prepare_strange_plain(void)
{
    struct bench *b = prepare_strange_offer();

    fault_always("renameat2", EINVAL);
    return b;
}

/* Whoever took it in was killed between a link and its unlink. */
static void *prepare_half_moved(void)
{
    struct bench *b = prepare_offer_plain();
    int dir = openat(b->mail, b->name, O_RDONLY | O_DIRECTORY);

    assert_true(dir >= 0);
    assert_int_equal(linkat(dir, "00001", b->mail, "OUT.D26001.T0000000.N0001", 0), 0);
    close(dir);
    return b;
}

/* A power cut has brought them all back, but for the last. */
static void *prepare_more_half_moved(void)
{
    struct bench *b = prepare_half_moved();
    int dir = openat(b->mail, b->name, O_RDONLY | O_DIRECTORY);

    assert_true(dir >= 0);
    assert_int_equal(linkat(dir, "00002", b->mail, "OUT.D26001.T0000000.N0002", 0), 0);
    close(dir);
    return b;
}

static void count_one(void *arg, const char *name)
{
    struct bench *b = arg;

    (void)name;
    b->told++;
}

static int adopt(void *arg)
{
    struct bench *b = arg;
    const struct offer_taker t = {.spool = &place.spool,
                                  .prefix = SPAN("OUT"),
                                  .log = &place.log,
                                  .each = count_one,
                                  .arg = b};

    b->result = offer_adopt(&t, b->name);
    return b->result == OFFER_LATER || b->result == OFFER_IN_DOUBT ? -1 : 0;
}

static void nothing_is_lost(void *arg, int result, const struct fault *f)
{
    struct bench *b = arg;
    char held[NAME_SIZE];
    unsigned moved = place_count(b->mail, false);

    (void)result;
    for (size_t i = 0; i < FILES; i++)
        FAULT_EXPECT(place_copies(b->mail, texts[i]) == 1);
    FAULT_EXPECT(b->told == (b->result == OFFER_IN_DOUBT ? 0 : moved));
    /* A fault of ours is never its owner's. */
    FAULT_EXPECT(b->strange || b->result != OFFER_HELD || f->error != EIO);
    FAULT_EXPECT(find(b, ".held", held) == (b->result == OFFER_HELD));
    FAULT_EXPECT(fault_told(T01SM088W) == (b->result == OFFER_HELD));
    if (b->result == OFFER_HELD)
        return;
    FAULT_EXPECT(adopt(b) == 0);
    FAULT_EXPECT(place_count(b->mail, false) == FILES);
    for (size_t i = 0; i < FILES; i++)
        FAULT_EXPECT(place_copies(b->mail, texts[i]) == 1);
}

/* The sweeper. */

static void *prepare_dead_writer(void)
{
    struct bench *b = prepare_offer();
    int dir = -1;

    assert_int_equal(mkdirat(b->mail, ".OFFER-1.open", 0770), 0);
    dir = openat(b->mail, ".OFFER-1.open", O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    place_put(dir, "00001", "half");
    close(dir);
    return b;
}

static int sweep(void *arg)
{
    (void)arg;
    offer_sweep(&place.spool);
    return 0;
}

static void only_the_dead_are_swept(void *arg, int result, const struct fault *f)
{
    struct bench *b = arg;
    char name[NAME_SIZE];

    (void)result;
    FAULT_EXPECT(f->call != NULL || !find(b, ".open", name));
    for (size_t i = 0; i < FILES; i++)
        FAULT_EXPECT(place_copies(b->mail, texts[i]) == 1);
    offer_sweep(&place.spool);
    FAULT_EXPECT(!find(b, ".open", name));
    FAULT_EXPECT(find(b, ".done", name));
}

/* The bell. */

static void *prepare_fifo(void)
{
    struct bench *b = prepare();

    assert_int_equal(mkfifoat(b->mail, WAKE_NAME, 0600), 0);
    return b;
}

static void *prepare_directory(void)
{
    struct bench *b = prepare();

    assert_int_equal(mkdirat(b->mail, WAKE_NAME, 0700), 0);
    return b;
}

static void *prepare_file(void)
{
    struct bench *b = prepare();

    place_put(b->mail, WAKE_NAME, "no FIFO");
    return b;
}

static int ring(void *arg)
{
    struct bench *b = arg;
    int fd = wake_listen(b->mail);

    if (fd < 0)
        return -1;
    wake_send(b->mail);
    wake_drain(fd);
    close(fd);
    return 0;
}

static int ring_alone(void *arg)
{
    struct bench *b = arg;

    wake_send(b->mail);
    return 0;
}

static void it_can_be_rung(void *arg, int result, const struct fault *f)
{
    struct bench *b = arg;
    struct stat st;
    char octet;

    (void)result, (void)f;
    int fd = wake_listen(b->mail);
    FAULT_EXPECT(fd >= 0 && fstat(fd, &st) == 0);
    FAULT_EXPECT(S_ISFIFO(st.st_mode) && (st.st_mode & 0777) == 0622);
    wake_drain(fd);
    FAULT_EXPECT(read(fd, &octet, 1) < 0 && errno == EAGAIN);
    wake_send(b->mail);
    FAULT_EXPECT(read(fd, &octet, 1) == 1);
    close(fd);
}

static void a_file_is_no_bell(void *arg, int result, const struct fault *f)
{
    struct bench *b = arg;

    (void)result, (void)f;
    FAULT_EXPECT(place_has(b->mail, WAKE_NAME, "no FIFO"));
}

/* A file may stand under both names for a while: taking it in again goes on with it. */
static void all_of_it_once(void *arg, int result, const struct fault *f)
{
    struct bench *b = arg;
    char held[NAME_SIZE];

    (void)result;
    for (size_t i = 0; i < FILES; i++)
        FAULT_EXPECT(place_copies(b->mail, texts[i]) >= 1);
    FAULT_EXPECT(b->strange || b->result != OFFER_HELD || f->error != EIO);
    if (b->result == OFFER_HELD)
        return;
    FAULT_EXPECT(b->result == OFFER_TAKEN || adopt(b) == 0);
    FAULT_EXPECT(find(b, ".held", held) == b->strange);
    FAULT_EXPECT(place_count(b->mail, false) == FILES);
    for (size_t i = 0; i < FILES; i++)
        FAULT_EXPECT(place_copies(b->mail, texts[i]) == 1);
}

/* What its owner, or a reader of mail/, takes away while it is looked at. */
static void none_is_lost(void *arg, int result, const struct fault *f)
{
    struct bench *b = arg;

    (void)result, (void)f;
    for (size_t i = 0; i < FILES; i++)
        FAULT_EXPECT(place_copies(b->mail, texts[i]) >= 1);
}

static const struct fault_case cases[] = {
    {"a user offers mail", prepare, offer, offered_or_not, {ENOTSUP, EAGAIN, EPERM}, NULL, {0}},
    {"an offer is adopted", prepare_offer, adopt, nothing_is_lost, {0}, NULL, {0}},
    {"a strange offer", prepare_strange_offer, adopt, nothing_is_lost, {EPERM}, NULL, {0}},
    {"all names taken",
     prepare_names_taken,
     adopt,
     nothing_is_lost,
     {EEXIST},
     " openat ",
     {ENOENT}},
    {"a user offers, plain renames",
     prepare_plain,
     offer,
     offered_or_not,
     {ENOTSUP, EAGAIN, EPERM},
     NULL,
     {0}},
    {"adopted by links", prepare_offer_plain, adopt, all_of_it_once, {0}, NULL, {ENOENT, EEXIST}},
    {"adopted by plain renames", prepare_offer_no_links, adopt, nothing_is_lost, {0}, NULL, {0}},
    {"held by plain renames",
     prepare_strange_plain,
     adopt,
     all_of_it_once,
     {EPERM},
     NULL,
     {ENOENT, EEXIST}},
    {"half moved", prepare_half_moved, adopt, all_of_it_once, {0}, NULL, {ENOENT, EEXIST}},
    {"more half moved",
     prepare_more_half_moved,
     adopt,
     all_of_it_once,
     {0},
     NULL,
     {ENOENT, EEXIST}},
    {"half moved, and taken away",
     prepare_more_half_moved,
     adopt,
     none_is_lost,
     {EIO, ENOTEMPTY},
     " fstatat unlinkat ",
     {EIO, EEXIST}},
    {"a dead writer", prepare_dead_writer, sweep, only_the_dead_are_swept, {0}, NULL, {0}},
    {"the bell is made", prepare, ring, it_can_be_rung, {EEXIST, ENOENT, EISDIR}, NULL, {0}},
    {"the bell is there", prepare_fifo, ring, it_can_be_rung, {EEXIST}, NULL, {0}},
    {"a directory", prepare_directory, ring, it_can_be_rung, {EEXIST, EISDIR}, NULL, {0}},
    {"a file in its place", prepare_file, ring, it_can_be_rung, {EEXIST}, NULL, {0}},
    {"a file is rung", prepare_file, ring_alone, a_file_is_no_bell, {0}, NULL, {0}},
};

static void every_call_fails_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fault_sweep(&cases[i]);
}

/* Whoever keeps a name of a file of his offer elsewhere could write it while it is sent. */
static void a_file_with_more_names_is_not_taken(void **state)
{
    char held[NAME_SIZE];
    struct bench *b = prepare_offer();
    int dir = openat(b->mail, b->name, O_RDONLY | O_DIRECTORY);

    (void)state;
    assert_true(dir >= 0);
    assert_int_equal(linkat(dir, "00001", b->mail, ".one", 0), 0);
    assert_int_equal(linkat(dir, "00001", b->mail, ".two", 0), 0);
    close(dir);
    adopt(b);
    assert_int_equal(b->result, OFFER_HELD);
    assert_true(find(b, ".held", held));
    assert_int_equal(b->told, FILES - 1);
    assert_int_equal(place_count(b->mail, false), FILES - 1);
}

static void a_bell_of_another_is_replaced(void **state)
{
    struct stat st;

    (void)state;
    if (geteuid() != 0)
        skip();
    prepare_fifo();
    assert_int_equal(fchownat(bench.mail, WAKE_NAME, 1, 1, 0), 0);
    int fd = wake_listen(bench.mail);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(st.st_uid, 0);
    close(fd);
}

static void a_full_bell_is_drained_and_never_blocks(void **state)
{
    char octet;

    (void)state;
    prepare();
    int fd = wake_listen(bench.mail);
    assert_true(fd >= 0);
    for (int i = 0; i < 100000; i++)
        wake_send(bench.mail);
    wake_drain(fd);
    assert_true(read(fd, &octet, 1) < 0 && errno == EAGAIN);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails_in_turn),
        cmocka_unit_test(a_file_with_more_names_is_not_taken),
        cmocka_unit_test(a_bell_of_another_is_replaced),
        cmocka_unit_test(a_full_bell_is_drained_and_never_blocks),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
