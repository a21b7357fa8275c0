/* Files that are read or remembered, with every call failing in turn: lib/ready, catalog, usmtp's
 * checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/postoffice/postfile.h"
#include "lib/catalog.h"
#include "lib/ready.h"
#include "tests/unit/faults.h"
#include "tests/unit/place.h"
#include "usertable/usertable.h"
#include "usmtp/checkpoint.h"

static struct place place;
static const struct spool *const spool = &place.spool;

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

/* A dropped file. */

static void *prepare_dropped(void)
{
    place_clear(&place);
    place_put(spool->queue[QUEUE_REMOTE], "file", "text");
    return &place;
}

static void *prepare_linked(void)
{
    int dir = spool->queue[QUEUE_REMOTE];

    prepare_dropped();
    assert_int_equal(linkat(dir, "file", dir, "other", 0), 0);
    return &place;
}

/* Somebody makes a link between our two looks. */
static void link_it(void)
{
    int dir = spool->queue[QUEUE_REMOTE];

    assert_int_equal(linkat(dir, "file", dir, "other", 0), 0);
}

static void *prepare_linked_meanwhile(void)
{
    prepare_dropped();
    fault_meanwhile("fcntl", link_it);
    return &place;
}

/* Or it grows beyond what may be sent. */
static void grow(void)
{
    int fd = openat(spool->queue[QUEUE_REMOTE], "file", O_WRONLY);

    assert_int_equal(ftruncate(fd, 5000), 0);
    close(fd);
}

static void *prepare_growing(void)
{
    prepare_dropped();
    fault_meanwhile("openat2", grow);
    return &place;
}

static int look(void *arg)
{
    struct watch_list list = {0};
    struct ready_rules rules = {.quiet_ms = 1000, .now_ms = 5000, .max_octets = 1000};
    const char *reason = NULL;
    enum ready result = READY_BUSY;
    struct stat st;
    int fd;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        result = ready_check(&list, &rules, spool->queue[QUEUE_REMOTE], "file", &fd, &st, &reason);
        FAULT_EXPECT((fd >= 0) == (result == READY));
        FAULT_EXPECT(result != READY_BAD || reason != NULL);
        if (fd >= 0)
            close(fd);
        rules.now_ms += 1000;
    }
    ready_free(&list);
    return (int)result;
}

static void still_there(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    FAULT_EXPECT(place_there(spool->queue[QUEUE_REMOTE], "file"));
}

/* A file put in another's place, and given away: to whom it belongs already, and to others (which
 * is counted, not made). */

static void *prepare_replaceable(void)
{
    place_clear(&place);
    place_put(spool->work, "file", "old");
    return &place;
}

static int replace_for(uid_t uid, gid_t gid)
{
    return durable_replace_as(spool->work, "file", "new", 3, 0600, uid, gid);
}

static int replace_for_us(void *arg)
{
    (void)arg;
    return replace_for(geteuid(), getegid());
}

static int replace_for_others(void *arg)
{
    (void)arg;
    return replace_for(geteuid() + 1, getegid());
}

static int replace_for_a_group(void *arg)
{
    (void)arg;
    return replace_for(geteuid(), getegid() + 1);
}

static void old_or_new(void *arg, int result, const struct fault *f)
{
    bool there = place_has(spool->work, "file", "new");

    (void)arg;
    FAULT_EXPECT(there || (f->call != NULL && result < 0 && place_has(spool->work, "file", "old")));
    FAULT_EXPECT(result < 0 || there);
}

/* A library of a catalog. */

static void *prepare_library(void)
{
    place_clear(&place);
    assert_int_equal(mkdirat(spool->work, "HLQ.LIB", 0700), 0);
    int dir = openat(spool->work, "HLQ.LIB", O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    place_put(dir, ".dcb", "RECFM(FB) LRECL(80)");
    place_put(dir, "MEMBER", "text");
    close(dir);
    return &place;
}

static int read_member(void *arg)
{
    struct catalog c = {.path = "/catalog", .dir = spool->work};
    struct catalog_entry e;
    struct buf text = {0};

    (void)arg;
    bool good = catalog_find(&c, "HLQ.LIB", "MEMBER", &e) && catalog_read(&e, &text);
    FAULT_EXPECT(e.fd == -1);
    FAULT_EXPECT(good || e.reason[0] != '\0');
    FAULT_EXPECT(!good || text.len <= 4);
    buf_free(&text);
    return good ? 0 : 1;
}

static void nothing_to_see(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
}

/* Texts that people write, and a spool file: all of it is read, or it is told why not. */

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/spool/work/%s", place.path, name);
    return path;
}

static void *prepare_texts(void)
{
    char routes[200] = "";

    place_clear(&place);
    for (int i = 0; i < 5; i++)
        strcat(routes, "ROUTE PRESET(SES) HOST(r.example)\n"); /* NOLINT: they fit */
    struct buf member = {0};
    buf_printf(&member,
               "SYSTEM HOST(h)\nSMTP CERT(/c) DOMAINS(a.example)\n"
               "SERVICE NAME(S) TLS(STARTTLS)\n%s",
               routes);
    place_put(spool->work, "APPCFG", buf_str(&member));
    buf_free(&member);
    place_put(spool->work, "USERTBL",
              "JOE Joe LOGIN(joe) 'Joe ''X'' Doe' FORWARD(x@far.example)\n"
              "ANN Ann FORWARD(y@far.example)\nSTAFF Staff FORWARD(JOE,ANN)\n* comment\n");
    place_put(spool->work, "FILE",
              "X-From: <a@b>\nX-To: <c@d>\nReturn-Path: <x@y>\nSubject: s\n\nbody\n");
    assert_int_equal(fchmodat(spool->work, "APPCFG", 0644, 0), 0);
    return &place;
}

static int load_site(void *arg)
{
    struct diag d = {0};
    struct site *s = site_load(path_of("APPCFG"), &d);

    (void)arg;
    FAULT_EXPECT(s != NULL || d.text[0] != '\0');
    FAULT_EXPECT(s == NULL || (s->routes == 5 && s->services == 1));
    site_free(s);
    return s == NULL;
}

static int load_users(void *arg)
{
    struct diag d = {0};
    struct user u;
    struct usertable *t = usertable_load(path_of("USERTBL"), &d);

    (void)arg;
    FAULT_EXPECT(t != NULL || d.text[0] != '\0');
    if (t == NULL)
        return 1;
    (void)usertable_find(t, SPAN("ann"), &u); /* it may want memory */
    fault_pause();
    FAULT_EXPECT(usertable_find(t, SPAN("ann"), &u) && usertable_find(t, SPAN("JOE"), &u));
    fault_resume();
    usertable_free(t);
    return 0;
}

static int read_spool_file(void *arg)
{
    char reason[320] = "", octets[8];
    struct postfile p;
    struct stat st;
    uint64_t at;
    ssize_t n;

    (void)arg;
    int fd = openat(spool->work, "FILE", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fd < 0 ? -1 : durable_drop(fd);
    enum postfile_result r = postfile_open(&p, fd, &st, "FILE", reason);
    if (r != POSTFILE_OPEN) {
        FAULT_EXPECT(r == POSTFILE_TROUBLE || reason[0] != '\0');
        return r == POSTFILE_TROUBLE ? -1 : 1;
    }
    fault_pause();
    FAULT_EXPECT(p.header.len == strlen("Subject: s\n") && !p.bare);
    fault_resume();
    at = p.body_at;
    while ((n = postfile_read(&p, &at, octets, sizeof(octets))) > 0)
        continue;
    int saved = errno;
    postfile_close(&p);
    errno = saved;
    return n < 0 ? -1 : 0;
}

static void good_or_told(void *arg, int result, const struct fault *f)
{
    (void)arg;
    FAULT_EXPECT(result == 0 || f->call != NULL);
}

/* The checkpoint. */

enum { MAILS = 8, ROUNDS = 700, SMALL = 100000 };

/* For each mail where its last line stands, as usmtp knows it. */
static struct memory {
    uint64_t line[MAILS];
    unsigned found[MAILS];
    unsigned bad;
} memory;

static struct checkpoint_line line_of(unsigned mail, unsigned tries, char name[8])
{
    static char text[400];

    snprintf(name, 8, "M%u", mail);
    memset(text, 'x', sizeof(text));
    return (struct checkpoint_line){.kind = CHECKPOINT_KEPT,
                                    .name = span_of(name),
                                    .first = 1,
                                    .due = 2,
                                    .tries = tries,
                                    .to = SPAN("a b@c"),
                                    .status = SPAN("4.0.0"),
                                    .text = {text, sizeof(text)}};
}

static unsigned mail_of(const struct checkpoint_line *l)
{
    FAULT_EXPECT(l->name.n == 2);
    return (unsigned)(l->name.p[1] - '0');
}

static bool wanted(void *arg, const struct checkpoint_line *l, uint64_t offset)
{
    const struct memory *m = arg;

    return m->line[mail_of(l)] == offset;
}

static void moved(void *arg, const struct checkpoint_line *l, uint64_t offset)
{
    struct memory *m = arg;

    m->line[mail_of(l)] = offset;
}

static bool any(void *arg, const struct checkpoint_line *l, uint64_t offset)
{
    (void)arg, (void)l, (void)offset;
    return true;
}

static void nowhere(void *arg, const struct checkpoint_line *l, uint64_t offset)
{
    (void)arg, (void)l, (void)offset;
}

static const struct checkpoint_keeper keeper = {wanted, moved, &memory};

static void load(void *arg, const struct checkpoint_line *l, uint64_t offset, uint64_t number)
{
    struct memory *m = arg;

    (void)number;
    if (l->kind == CHECKPOINT_BAD) {
        m->bad++;
        return;
    }
    m->line[mail_of(l)] = offset;
    m->found[mail_of(l)] = (unsigned)l->tries;
}

static void write_rounds(struct checkpoint *c, unsigned rounds)
{
    char name[8];

    for (unsigned i = 0; i < rounds * MAILS; i++) {
        struct checkpoint_line l = line_of(i % MAILS, i / MAILS + 1, name);
        memory.line[i % MAILS] = checkpoint_append(c, &l);
    }
    assert_int_equal(checkpoint_flush(c), 0);
}

static void *prepare_checkpoint(void)
{
    struct checkpoint c;

    place_clear(&place);
    memory = (struct memory){0};
    assert_int_equal(checkpoint_open(&c, spool->work, load, &memory), 0);
    write_rounds(&c, ROUNDS);
    checkpoint_close(&c);
    return &place;
}

/* Is what it remembers of each mail in the file, at the place that is known? */
static void remembered(unsigned tries)
{
    struct memory before = memory;
    struct checkpoint c;

    memory = (struct memory){0};
    FAULT_EXPECT(checkpoint_open(&c, spool->work, load, &memory) == 0);
    checkpoint_close(&c);
    FAULT_EXPECT(memory.bad == 0);
    for (unsigned i = 0; i < MAILS; i++) {
        FAULT_EXPECT(memory.found[i] == tries);
        FAULT_EXPECT(memory.line[i] == before.line[i]);
    }
}

static int compact(void *arg)
{
    struct checkpoint c;

    (void)arg;
    memory = (struct memory){0};
    if (checkpoint_open(&c, spool->work, load, &memory) < 0)
        return -1;
    checkpoint_wanted(&c, MAILS);
    int result = checkpoint_compact(&c, &keeper);
    int saved = errno;
    fault_pause();
    FAULT_EXPECT(result < 0 || c.end < SMALL);
    if (result == 0 || c.end > SMALL) { /* else the new file is there, but could not be read */
        remembered(ROUNDS);
        c.floor = 0; /* and when it is tried again */
        FAULT_EXPECT(checkpoint_compact(&c, &keeper) == 0);
        remembered(ROUNDS);
    }
    checkpoint_close(&c);
    errno = saved;
    return result;
}

static void it_is_remembered(void *arg, int result, const struct fault *f)
{
    (void)arg, (void)result, (void)f;
    memory = (struct memory){0};
    struct checkpoint c;
    FAULT_EXPECT(checkpoint_open(&c, spool->work, load, &memory) == 0);
    checkpoint_close(&c);
    for (unsigned i = 0; i < MAILS; i++)
        FAULT_EXPECT(memory.found[i] == ROUNDS);
}

static int append(void *arg)
{
    struct checkpoint c;
    struct checkpoint_line l;
    char name[8];

    (void)arg;
    memory = (struct memory){0};
    if (checkpoint_open(&c, spool->work, load, &memory) < 0)
        return -1;
    l = line_of(0, ROUNDS, name);
    memory.line[0] = checkpoint_append(&c, &l);
    int result = checkpoint_flush(&c);
    int saved = errno;
    checkpoint_close(&c);
    errno = saved;
    return result;
}

/* All of it is wanted, with a line that is none and one that is not in the file yet. */
static int compact_all(void *arg)
{
    const struct checkpoint_keeper all = {any, nowhere, NULL};
    struct checkpoint_line l;
    struct checkpoint c;
    char name[8];

    (void)arg;
    if (checkpoint_open(&c, spool->work, load, &memory) < 0)
        return -1;
    l = line_of(0, ROUNDS, name);
    checkpoint_append(&c, &l);
    c.floor = 0;
    int result = checkpoint_compact(&c, &all);
    int saved = errno;
    checkpoint_close(&c);
    errno = saved;
    return result;
}

static void *prepare_bad_line(void)
{
    prepare_checkpoint();
    int fd = openat(spool->work, "CHKPT", O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "bad\n", 4), 4);
    close(fd);
    return &place;
}

/* What could not be read now is not taken for what is not there. */
static const struct fault_case cases[] = {
    {"a dropped file", prepare_dropped, look, still_there, {0}, NULL, {0}},
    {"a file with a link", prepare_linked, look, still_there, {0}, NULL, {0}},
    {"a link meanwhile", prepare_linked_meanwhile, look, still_there, {0}, NULL, {0}},
    {"a file that grows", prepare_growing, look, still_there, {0}, NULL, {0}},
    {"a file anew", prepare_replaceable, replace_for_us, old_or_new, {0}, NULL, {0}},
    {"a file given away", prepare_replaceable, replace_for_others, old_or_new, {0}, NULL, {0}},
    {"a group's file", prepare_replaceable, replace_for_a_group, old_or_new, {0}, NULL, {0}},
    {"a member", prepare_library, read_member, nothing_to_see, {0}, NULL, {0}},
    {"a configuration", prepare_texts, load_site, good_or_told, {0}, NULL, {FAULT_NOTHING}},
    {"a user table", prepare_texts, load_users, good_or_told, {0}, NULL, {FAULT_NOTHING}},
    {"a spool file", prepare_texts, read_spool_file, good_or_told, {0}, NULL, {FAULT_NOTHING}},
    {"a checkpoint anew",
     prepare_checkpoint,
     compact,
     it_is_remembered,
     {0},
     NULL,
     {FAULT_NOTHING}},
    {"all of it anew", prepare_bad_line, compact_all, it_is_remembered, {0}, NULL, {FAULT_NOTHING}},
    {"a line", prepare_checkpoint, append, it_is_remembered, {0}, NULL, {FAULT_NOTHING}},
};

static void every_call_fails_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fault_sweep(&cases[i]);
}

/* Lines of each kind, as they are written and as they are read. */
static void lines(void **state)
{
    static const struct {
        const char *text;
        enum checkpoint_kind kind;
    } rows[] = {
        {"TIME 5 7", CHECKPOINT_TIME},
        {"TIME 5", CHECKPOINT_BAD},
        {"TIME", CHECKPOINT_BAD},
        {"TIME x 7", CHECKPOINT_BAD},
        {"TIME 5 9223372036854775808", CHECKPOINT_BAD},
        {"KEPT A 1 2 3 to st text of it", CHECKPOINT_KEPT},
        {"KEPT", CHECKPOINT_BAD},
        {"KEPT A", CHECKPOINT_BAD},
        {"KEPT A 1", CHECKPOINT_BAD},
        {"KEPT A 1 2", CHECKPOINT_BAD},
        {"KEPT A 1 2 3", CHECKPOINT_BAD},
        {"KEPT A 1 2 3 to", CHECKPOINT_BAD},
        {"HOST h:25 2 3 why", CHECKPOINT_HOST},
        {"HOST", CHECKPOINT_BAD},
        {"HOST h:25", CHECKPOINT_BAD},
        {"HOST h:25 2", CHECKPOINT_BAD},
        {"OTHER 1", CHECKPOINT_BAD},
        {" 1", CHECKPOINT_BAD},
        {"", CHECKPOINT_BAD},
    };
    struct checkpoint_line l;
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        checkpoint_parse(span_of(rows[i].text), &l);
        if (l.kind != rows[i].kind)
            fail_msg("%s", rows[i].text);
        buf_clear(&out);
        assert_int_equal(checkpoint_format(&out, &l), l.kind != CHECKPOINT_BAD);
        if (l.kind != CHECKPOINT_BAD) {
            out.len--; /* its LF */
            assert_string_equal(buf_str(&out), rows[i].text);
        }
    }
    l = (struct checkpoint_line){.kind = CHECKPOINT_HOST, .name = SPAN("h"), .text = SPAN("a\nb")};
    buf_clear(&out);
    assert_true(checkpoint_format(&out, &l));
    assert_string_equal(buf_str(&out), "HOST h 0 0 a b\n");
    buf_free(&out);
}

/* A torn last line is cut off; a file that is none of ours is not read to its end. */
static void files_that_are_damaged(void **state)
{
    struct checkpoint c;
    char name[8];

    (void)state;
    place_clear(&place);
    place_put(spool->work, "CHKPT", "bad\nKEPT M1 1 2 3 to st text\nKEPT M2 1 2 3 to");
    place_put(spool->work, ".CHKPT.new", "bad\nKEPT M1 1"); /* whoever wrote it was killed */
    memory = (struct memory){0};
    assert_int_equal(checkpoint_open(&c, spool->work, load, &memory), 0);
    assert_int_equal(faccessat(spool->work, ".CHKPT.new", F_OK, 0), -1);
    assert_int_equal(memory.bad, 1);
    assert_int_equal(memory.found[1], 3);
    assert_int_equal(memory.found[2], 0);
    struct checkpoint_line l = line_of(2, 4, name);
    checkpoint_append(&c, &l);
    assert_int_equal(checkpoint_flush(&c), 0);
    assert_int_equal(checkpoint_compact(&c, &keeper), 0); /* it is small: nothing is done */
    checkpoint_close(&c);
    assert_int_equal(checkpoint_open(&c, spool->work, load, &memory), 0);
    assert_int_equal(memory.found[2], 4);
    assert_int_equal(ftruncate(c.fd, 4 << 20), 0); /* zeros without an LF */
    checkpoint_close(&c);
    memory = (struct memory){0};
    assert_int_equal(checkpoint_open(&c, spool->work, load, &memory), 0);
    assert_int_equal(memory.found[2], 4);
    checkpoint_close(&c);
    checkpoint_close(&c); /* twice does no harm */
}

/* A file of which all is wanted, and more than is written at once. */
static void all_of_it_is_wanted(void **state)
{
    struct checkpoint c;

    (void)state;
    prepare_checkpoint();
    assert_int_equal(checkpoint_open(&c, spool->work, load, &memory), 0);
    uint64_t before = c.end;
    checkpoint_wanted(&c, (uint64_t)MAILS * ROUNDS); /* no less */
    assert_int_equal(checkpoint_compact(&c, &keeper), 0);
    assert_true(c.end == before);
    c.floor = 0;
    const struct checkpoint_keeper all = {any, nowhere, NULL};
    assert_int_equal(checkpoint_compact(&c, &all), 0);
    assert_true(c.end == before);
    checkpoint_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(files_that_are_damaged),
        cmocka_unit_test(all_of_it_is_wanted),
        cmocka_unit_test(every_call_fails_in_turn),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
