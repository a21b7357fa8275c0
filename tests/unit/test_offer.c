/* Unit tests of lib/offer. As root they run the user's side and the daemon's side as two users who
 * have nothing in common, in a mail/ as it is installed; else all as one user. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/dataset.h"
#include "lib/offer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { DAEMON = 1, USER = 65534, OTHER = 65533 };

/* A spool of its own for each test. */
struct bench {
    char path[64], mail[80], log[80];
    struct spool spool; /* of the daemon */
};

static struct bench bench;

static void own(const char *path, mode_t mode)
{
    if (geteuid() == 0)
        assert_int_equal(chown(path, DAEMON, DAEMON), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int set_up(void **state)
{
    char work[96];

    (void)state;
    bench = (struct bench){.path = "/tmp/test_offer.XXXXXX"};
    if (mkdtemp(bench.path) == NULL)
        return -1;
    snprintf(bench.mail, sizeof(bench.mail), "%s/mail", bench.path);
    snprintf(bench.log, sizeof(bench.log), "%s/log", bench.path);
    snprintf(work, sizeof(work), "%s/work", bench.path);
    if (mkdir(bench.mail, 0700) < 0 || mkdir(work, 0700) < 0)
        return -1;
    own(bench.path, 0755);
    own(bench.mail, 03733);
    own(work, 0700);
    bench.spool = (struct spool){.root = -1, .jes = -1};
    for (int i = 0; i < SPOOL_QUEUES; i++)
        bench.spool.queue[i] = -1;
    bench.spool.work = open(work, O_RDONLY | O_DIRECTORY);
    bench.spool.queue[QUEUE_MAIL] = open(bench.mail, O_RDONLY | O_DIRECTORY);
    return bench.spool.work < 0 || bench.spool.queue[QUEUE_MAIL] < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    close(bench.spool.work);
    close(bench.spool.queue[QUEUE_MAIL]);
    snprintf(command, sizeof(command), "rm -rf '%s'", bench.path);
    return system(command);
}

/* Branches that a child took are counted as well, in a build that counts them. */
#ifdef SPOOLMAIL_COVERAGE
extern void __gcov_dump(void);
#else
#define __gcov_dump() ((void)0)
#endif

/* To be that user in all but the real one, so that the counts can be written in the end. */
static bool become(unsigned uid)
{
    return getuid() != 0 || (setgroups(0, NULL) == 0 && setegid(uid) == 0 && seteuid(uid) == 0);
}

/* Runs f in a process of that user; its result is the exit status. 255: a check in it failed. */
static int as(unsigned uid, int (*f)(void *arg), void *arg)
{
    int status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        int result = become(uid) ? f(arg) : 254;
        if (seteuid(getuid()) == 0)
            __gcov_dump();
        _exit(result);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define NEED(holds)                                                                                \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #holds, strerror(errno));       \
            return 255;                                                                            \
        }                                                                                          \
    } while (0)

static int open_mail(void)
{
    int mail = open(bench.mail, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return mail >= 0 ? mail : open(bench.mail, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int write_files(struct offer *o, unsigned files)
{
    char text[32];

    for (unsigned i = 1; i <= files; i++) {
        int fd = offer_create(o);
        NEED(fd >= 0);
        int n = snprintf(text, sizeof(text), "mail %u\n", i);
        NEED(durable_write(fd, text, (size_t)n) == 0);
        NEED(offer_done(o, fd) == 0);
    }
    return 0;
}

/* The user's side: *arg files, committed. */
static int user_offers(void *arg)
{
    struct offer o;
    int mail = open_mail();

    NEED(mail >= 0);
    umask(077);
    NEED(offer_begin(&o, mail) == 0);
    if (write_files(&o, *(unsigned *)arg) != 0)
        return 255;
    NEED(offer_commit(&o) == 0);
    offer_abandon(&o);
    return 0;
}

static void offer_files(unsigned files)
{
    assert_int_equal(as(USER, user_offers, &files), 0);
}

/* The only entry of mail/ with that ending; "" when there is none. */
static void find_offer(const char *ending, char out[NAME_MAX + 1])
{
    DIR *list = opendir(bench.mail);
    const struct dirent *entry;
    size_t end = strlen(ending);

    assert_non_null(list);
    out[0] = '\0';
    while ((entry = readdir(list)) != NULL) {
        size_t n = strlen(entry->d_name);
        if (n > end && strncmp(entry->d_name, ".OFFER-", 7) == 0 &&
            strcmp(entry->d_name + n - end, ending) == 0) {
            assert_string_equal(out, "");
            snprintf(out, NAME_MAX + 1, "%s", entry->d_name);
        }
    }
    closedir(list);
}

static unsigned count_entries(const char *path)
{
    DIR *list = opendir(path);
    const struct dirent *entry;
    unsigned n = 0;

    assert_non_null(list);
    while ((entry = readdir(list)) != NULL)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(list);
    return n;
}

static void path_in_mail(char out[512], const char *name, const char *inner)
{
    snprintf(out, 512, "%s/%s%s%s", bench.mail, name, inner[0] != '\0' ? "/" : "", inner);
}

/* What the daemon found. */
struct daemon_run {
    char name[NAME_MAX + 1];
    unsigned called;
    uint64_t last;
    bool in_order;
    const char *add; /* the callback puts a file here */
};

static void on_data_set(void *arg, const char *name)
{
    struct daemon_run *run = arg;
    uint64_t stamp = 0;

    run->called++;
    run->in_order =
        run->in_order && dsname_parse(SPAN("OUT"), span_of(name), &stamp) && stamp > run->last;
    run->last = stamp;
    if (run->add != NULL) {
        int fd = open(run->add, O_CREAT | O_WRONLY, 0640);
        if (fd >= 0)
            close(fd);
    }
}

/* The exit status is result * 64 + the number of data sets (at most 63). */
static int daemon_adopts(void *arg)
{
    struct daemon_run run = *(const struct daemon_run *)arg;
    struct msg_log log;
    int fd = open(bench.log, O_CREAT | O_WRONLY | O_APPEND, 0644);

    NEED(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    msg_open(&log, "test", MSG_STDERR);
    run.in_order = true;
    struct offer_taker taker = {&bench.spool, SPAN("OUT"), &log, on_data_set, &run};
    enum offer_result result = offer_adopt(&taker, run.name);
    NEED(run.in_order);
    return (int)result * 64 + (int)(run.called > 63 ? 63 : run.called);
}

static int adopt_named(const char *name)
{
    struct daemon_run run = {0};

    snprintf(run.name, sizeof(run.name), "%s", name);
    return as(DAEMON, daemon_adopts, &run);
}

/* Adopts the one committed offer there is. */
static int adopt(void)
{
    char name[NAME_MAX + 1];

    find_offer(".done", name);
    assert_true(offer_is_done(name));
    return adopt_named(name);
}

static bool logged(const char *words)
{
    char text[4096];
    int fd = open(bench.log, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, words) != NULL;
}

static void expect_data_sets(unsigned count)
{
    DIR *list = opendir(bench.mail);
    const struct dirent *entry;
    unsigned n = 0;

    assert_non_null(list);
    while ((entry = readdir(list)) != NULL)
        n += strncmp(entry->d_name, "OUT.", 4) == 0;
    closedir(list);
    assert_int_equal(n, count);
}

static void a_committed_offer_becomes_data_sets_in_order(void **state)
{
    char path[512], text[32];
    struct stat st;

    (void)state;
    offer_files(12); /* more than are synced one by one */
    expect_data_sets(0);
    find_offer(".done", path);
    assert_int_equal(adopt(), OFFER_TAKEN * 64 + 12);
    assert_int_equal(count_entries(bench.mail), 12);
    /* Names count upward in the order in which the files were made. */
    struct dirent **list = NULL;
    int n = scandir(bench.mail, &list, NULL, alphasort);
    assert_int_equal(n, 14);
    for (int i = 2; i < n; i++) {
        char want[32];
        path_in_mail(path, list[i]->d_name, "");
        int fd = open(path, O_RDONLY);
        assert_true(fd >= 0);
        ssize_t got = read(fd, text, sizeof(text));
        snprintf(want, sizeof(want), "mail %d\n", i - 1);
        assert_int_equal(got, strlen(want));
        assert_memory_equal(text, want, strlen(want));
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        if (geteuid() == 0) {
            assert_int_equal(st.st_uid, USER);
            assert_int_equal(st.st_gid, DAEMON);
        }
        close(fd);
    }
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static void nobody_else_can_touch_an_offer(void **state)
{
    char name[NAME_MAX + 1], path[512];
    struct stat st;

    (void)state;
    offer_files(1);
    find_offer(".done", name);
    path_in_mail(path, name, "");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0770); /* the umask of 077 was not in the way */
    if (geteuid() == 0)
        assert_int_equal(st.st_gid, DAEMON);
}

static int other_meddles(void *arg)
{
    char path[512], moved[512];

    (void)arg;
    NEED(open(bench.mail, O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
    /* Even who knows the name. */
    NEED(open(*(const char *const *)arg, O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
    snprintf(path, sizeof(path), "%s/00001", *(const char *const *)arg);
    NEED(open(path, O_RDONLY) < 0 && errno == EACCES);
    NEED(unlink(path) < 0 && errno == EACCES);
    snprintf(moved, sizeof(moved), "%s/moved", bench.mail);
    NEED(rename(*(const char *const *)arg, moved) < 0 && (errno == EPERM || errno == EACCES));
    return 0;
}

static void a_stranger_is_shut_out(void **state)
{
    char name[NAME_MAX + 1], path[512];
    const char *p = path;

    (void)state;
    if (geteuid() != 0)
        skip();
    offer_files(1);
    find_offer(".done", name);
    path_in_mail(path, name, "");
    assert_int_equal(as(OTHER, other_meddles, &p), 0);
}

static int user_abandons(void *arg)
{
    struct offer o;
    int mail = open_mail();

    (void)arg;
    NEED(offer_begin(&o, mail) == 0 && write_files(&o, 10) == 0);
    offer_abandon(&o);
    offer_abandon(&o);
    return 0;
}

static void what_is_abandoned_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(as(USER, user_abandons, NULL), 0);
    assert_int_equal(count_entries(bench.mail), 0);
}

static int user_offers_too_many(void *arg)
{
    struct offer o;
    int mail = open_mail();

    (void)arg;
    NEED(offer_begin(&o, mail) == 0 && write_files(&o, OFFER_FILES_MAX) == 0);
    NEED(offer_create(&o) < 0 && errno == ENOSPC);
    offer_abandon(&o);
    return 0;
}

static void an_offer_has_a_limit(void **state)
{
    (void)state;
    assert_int_equal(as(USER, user_offers_too_many, NULL), 0);
    assert_int_equal(count_entries(bench.mail), 0);
}

static int user_is_refused(void *arg)
{
    struct offer o;
    int mail = open_mail();

    NEED(mail >= 0);
    NEED(offer_begin(&o, mail) < 0 && errno == *(int *)arg);
    offer_abandon(&o);
    return 0;
}

static void a_mail_directory_without_its_setgid_bit_is_told(void **state)
{
    int error = ENOTSUP;

    (void)state;
    if (geteuid() != 0)
        skip();
    own(bench.mail, 01733);
    assert_int_equal(as(USER, user_is_refused, &error), 0);
    assert_int_equal(count_entries(bench.mail), 0);
    own(bench.mail, 0700);
    error = EACCES;
    assert_int_equal(as(USER, user_is_refused, &error), 0);
}

/* Begins an offer with some files and dies, or lives until it is told to die. */
static pid_t writer(bool lives)
{
    int told[2];
    char octet;

    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct offer o;
        if (getuid() == 0 && (setgroups(0, NULL) < 0 || setgid(USER) < 0 || setuid(USER) < 0))
            _exit(254);
        if (offer_begin(&o, open_mail()) < 0 || write_files(&o, 3) != 0 ||
            write(told[1], "x", 1) != 1)
            _exit(255);
        if (!lives)
            kill(getpid(), SIGKILL);
        pause();
        _exit(0);
    }
    assert_int_equal(read(told[0], &octet, 1), 1);
    close(told[0]);
    close(told[1]);
    if (!lives)
        assert_int_equal(waitpid(child, NULL, 0), child);
    return child;
}

static int daemon_sweeps(void *arg)
{
    (void)arg;
    offer_sweep(&bench.spool);
    return 0;
}

static void a_dead_writer_is_swept_a_living_one_is_not(void **state)
{
    char name[NAME_MAX + 1], path[512];

    (void)state;
    writer(false);
    assert_int_equal(as(DAEMON, daemon_sweeps, NULL), 0);
    assert_int_equal(count_entries(bench.mail), 0);

    pid_t living = writer(true);
    assert_int_equal(as(DAEMON, daemon_sweeps, NULL), 0);
    find_offer(".open", name);
    path_in_mail(path, name, "");
    assert_int_equal(count_entries(path), 3);
    kill(living, SIGKILL);
    assert_int_equal(waitpid(living, NULL, 0), living);
    assert_int_equal(as(DAEMON, daemon_sweeps, NULL), 0);
    assert_int_equal(count_entries(bench.mail), 0);
}

static void the_sweeper_leaves_all_else_alone(void **state)
{
    static const char *const names[] = {".OFFER-.open", ".OFFER-xyz.open", ".OFFER-12",
                                        "OUT.D26325.T0000000.N0001", ".WAKE"};
    char path[512];

    (void)state;
    offer_files(2);
    for (size_t i = 0; i < COUNT(names); i++) {
        path_in_mail(path, names[i], "");
        assert_int_equal(mkdir(path, 0777), 0);
    }
    /* A link that bears the name leads nowhere. */
    path_in_mail(path, ".OFFER-77.open", "");
    assert_int_equal(symlink(bench.path, path), 0);
    assert_int_equal(as(DAEMON, daemon_sweeps, NULL), 0);
    assert_int_equal(count_entries(bench.mail), COUNT(names) + 2);
}

static void names_of_committed_offers(void **state)
{
    static const struct {
        const char *name;
        bool is;
    } cases[] = {
        {".OFFER-0123456789ABCDEF.done", true},
        {".OFFER-F.done", true},
        {".OFFER-0123456789ABCDEF.open", false},
        {".OFFER-0123456789ABCDEF.held", false},
        {".OFFER-0123456789ABCDEF0.done", false},
        {".OFFER-.done", false},
        {".OFFER-0g.done", false},
        {".OFFER-../x.done", false},
        {".OFFER-12.done ", false},
        {"OFFER-12.done", false},
        {".done", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (offer_is_done(cases[i].name) != cases[i].is)
            fail_msg("%s", cases[i].name);
}

/* What an owner may put into his directory after he committed it. */
struct meddling {
    const char *what;
    int (*do_it)(const char *dir);
    unsigned taken;   /* of the two good files */
    const char *said; /* NULL: nothing is held */
};

static int put_file(const char *dir, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0640);
    NEED(fd >= 0);
    close(fd);
    return 0;
}

static int put_subdirectory(const char *dir)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/00003", dir);
    NEED(mkdir(path, 0777) == 0);
    return 0;
}

static int put_symlink(const char *dir)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/00003", dir);
    NEED(symlink("/etc/passwd", path) == 0);
    return 0;
}

static int put_fifo(const char *dir)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/00003", dir);
    NEED(mkfifo(path, 0666) == 0);
    return 0;
}

static int put_socket(const char *dir)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(name.sun_path, sizeof(name.sun_path), "%s/00003", dir);
    NEED(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
    close(fd);
    return 0;
}

static int put_link(const char *dir)
{
    char path[512], link_path[512];

    snprintf(path, sizeof(path), "%s/00001", dir);
    snprintf(link_path, sizeof(link_path), "%s/00003", dir);
    NEED(link(path, link_path) == 0);
    return 0;
}

static int put_strange_name(const char *dir)
{
    return put_file(dir, "..\033[2J") == 0 ? put_file(dir, "0000") : 255;
}

static int put_number_too_high(const char *dir)
{
    return put_file(dir, "05001") == 0 ? put_file(dir, "00000") : 255;
}

static int put_many(const char *dir)
{
    char name[16];

    for (int i = 0; i < 3 * OFFER_FILES_MAX; i++) {
        snprintf(name, sizeof(name), "x%d", i);
        if (put_file(dir, name) != 0)
            return 255;
    }
    return 0;
}

static int close_to_group(const char *dir)
{
    NEED(chmod(dir, 0700) == 0);
    return 0;
}

static int make_read_only(const char *dir)
{
    NEED(chmod(dir, 0750) == 0);
    return 0;
}

static int make_sticky(const char *dir)
{
    NEED(chmod(dir, 01770) == 0);
    return 0;
}

static int take_a_file_away(const char *dir)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/00001", dir);
    NEED(unlink(path) == 0);
    return 0;
}

static int replace(const char *dir)
{
    char path[512];

    if (take_a_file_away(dir) != 0)
        return 255;
    snprintf(path, sizeof(path), "%s/00002", dir);
    NEED(unlink(path) == 0 && rmdir(dir) == 0);
    return 0;
}

static int replace_by_file(const char *dir)
{
    if (replace(dir) != 0)
        return 255;
    int fd = open(dir, O_CREAT | O_WRONLY | O_EXCL, 0640);
    NEED(fd >= 0);
    close(fd);
    return 0;
}

static int replace_by_link(const char *dir)
{
    if (replace(dir) != 0)
        return 255;
    NEED(symlink("/etc", dir) == 0);
    return 0;
}

static int replace_by_fifo(const char *dir)
{
    if (replace(dir) != 0)
        return 255;
    NEED(mkfifo(dir, 0666) == 0);
    return 0;
}

static const struct meddling meddlings[] = {
    {"a subdirectory", put_subdirectory, 2, "plain files"},
    {"a symbolic link", put_symlink, 2, "plain files"},
    {"a FIFO", put_fifo, 2, "plain files"},
    {"a socket", put_socket, 2, "plain files"},
    {"a hard link", put_link, 1, "hard links"},
    {"strange names", put_strange_name, 2, "a name that sndmsg does not give"},
    {"numbers out of range", put_number_too_high, 2, "a name that sndmsg does not give"},
    {"closed to the group", close_to_group, 0, "open to the group"},
    {"not writable by the group", make_read_only, 0, "writable by the group"},
    {"sticky", make_sticky, 0, "writable by the group"},
    {"a file less", take_a_file_away, 1, NULL},
    {"nothing in it", replace, 0, NULL},
    {"a file in its place", replace_by_file, 0, "no directory"},
    {"a link in its place", replace_by_link, 0, "no directory"},
    {"a FIFO in its place", replace_by_fifo, 0, "no directory"},
};

struct meddler {
    const struct meddling *m;
    char dir[512];
};

static int meddle(void *arg)
{
    const struct meddler *who = arg;

    umask(0);
    return who->m->do_it(who->dir);
}

static void what_a_hostile_owner_does_costs_only_him(void **state)
{
    struct meddler who;
    char name[NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(meddlings); i++) {
        const struct meddling *m = who.m = &meddlings[i];
        if (geteuid() != 0 && m->taken == 0 && m->said != NULL)
            continue; /* as one user, the modes are no hindrance */
        offer_files(2);
        find_offer(".done", name);
        path_in_mail(who.dir, name, "");
        assert_int_equal(as(USER, meddle, &who), 0);
        int got = adopt_named(name);
        int want = (m->said != NULL ? OFFER_HELD : OFFER_TAKEN) * 64 + (int)m->taken;
        if (got != want)
            fail_msg("%s: result %d, not %d", m->what, got, want);
        find_offer(".held", name);
        if ((name[0] != '\0') != (m->said != NULL) || (m->said != NULL && !logged(m->said)))
            fail_msg("%s: held as '%s', said '%s'", m->what, name, m->said ? m->said : "");
        assert_true(m->said == NULL || logged("T01SM088W"));
        find_offer(".done", name);
        assert_string_equal(name, "");
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

static void a_flood_of_files_is_bounded(void **state)
{
    static const struct meddling flood = {"a flood", put_many, 0, NULL};
    struct meddler who = {.m = &flood};
    char name[NAME_MAX + 1];

    (void)state;
    offer_files(1);
    find_offer(".done", name);
    path_in_mail(who.dir, name, "");
    assert_int_equal(as(USER, meddle, &who), 0);
    assert_int_equal(adopt_named(name) / 64, OFFER_HELD);
    assert_true(logged("more files than an offer can have"));
}

/* The sweeper takes a part of it each time. */
static void a_flood_of_a_dead_writer_is_bounded(void **state)
{
    char dir[512];

    (void)state;
    path_in_mail(dir, ".OFFER-1.open", "");
    assert_int_equal(mkdir(dir, 0770), 0);
    assert_int_equal(put_many(dir), 0);
    own(dir, 0770);
    assert_int_equal(as(DAEMON, daemon_sweeps, NULL), 0);
    assert_int_equal(count_entries(dir), OFFER_FILES_MAX);
    assert_int_equal(as(DAEMON, daemon_sweeps, NULL), 0);
    assert_int_equal(count_entries(bench.mail), 0);
}

static void never_called(void *arg, const char *name)
{
    (void)arg, (void)name;
    fail();
}

static void a_prefix_that_makes_no_name_is_a_fault_of_ours(void **state)
{
    const struct msg_log log = {"test", MSG_STDERR};
    const struct offer_taker t = {&bench.spool, SPAN("A.B.C.D.E.F.G.H.I.J.K.L.M.N.O.P.Q.R.S"), &log,
                                  never_called, NULL};
    char name[NAME_MAX + 1], path[512];

    (void)state;
    offer_files(2);
    find_offer(".done", name);
    assert_int_equal(offer_adopt(&t, name), OFFER_LATER);
    assert_int_equal(errno, EINVAL);
    path_in_mail(path, name, "");
    assert_int_equal(count_entries(path), 2);
}

static void files_added_at_the_last_moment_are_held(void **state)
{
    struct daemon_run run = {0};
    char path[512];

    (void)state;
    offer_files(1);
    find_offer(".done", run.name);
    path_in_mail(path, run.name, "00002");
    run.add = path;
    assert_int_equal(as(DAEMON, daemon_adopts, &run), OFFER_HELD * 64 + 1);
    assert_true(logged("added to it after"));
    expect_data_sets(1);
}

static void what_is_half_taken_is_finished(void **state)
{
    char name[NAME_MAX + 1], path[512], other[512];

    (void)state;
    offer_files(3);
    find_offer(".done", name);
    path_in_mail(path, name, "00002");
    path_in_mail(other, "OUT.D26001.T0000000.N0001", "");
    assert_int_equal(rename(path, other), 0); /* what a daemon that died has done */
    assert_int_equal(adopt_named(name), OFFER_TAKEN * 64 + 2);
    expect_data_sets(3);
    assert_int_equal(adopt_named(name), OFFER_TAKEN * 64);
}

static void a_name_taken_by_a_stranger_is_passed_over(void **state)
{
    uint64_t stamp;
    char name[DSNAME_MAX + 1], path[512];

    (void)state;
    /* The names to come are known only as long as the clock stays behind the counter. */
    assert_int_equal(dataset_names_take(&bench.spool, (int64_t)1 << 32, 1, &stamp), 0);
    assert_int_equal(chown(bench.path, geteuid() == 0 ? DAEMON : (uid_t)-1, (gid_t)-1), 0);
    path_in_mail(path, "../work/NAMES", "");
    if (geteuid() == 0)
        assert_int_equal(chown(path, DAEMON, DAEMON), 0);
    for (int i = 0; i < 70; i++) {
        stamp = dsname_next(stamp);
        assert_true(dsname_format(SPAN("OUT"), stamp, name));
        path_in_mail(path, name, "");
        int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    offer_files(2);
    assert_int_equal(adopt(), OFFER_TAKEN * 64 + 2);
    expect_data_sets(72);
}

static void a_fault_of_our_own_leaves_all_in_place(void **state)
{
    char name[NAME_MAX + 1], path[512];

    (void)state;
    offer_files(2);
    find_offer(".done", name);
    path_in_mail(path, "../work/NAMES", "");
    assert_int_equal(mkdir(path, 0700), 0); /* no counter can be opened */
    assert_int_equal(adopt(), OFFER_LATER * 64);
    path_in_mail(path, name, "");
    assert_int_equal(count_entries(path), 2);
    path_in_mail(path, "../work/NAMES", "");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(adopt(), OFFER_TAKEN * 64 + 2);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_committed_offer_becomes_data_sets_in_order),
        TEST(nobody_else_can_touch_an_offer),
        TEST(a_stranger_is_shut_out),
        TEST(what_is_abandoned_leaves_nothing),
        TEST(an_offer_has_a_limit),
        TEST(a_mail_directory_without_its_setgid_bit_is_told),
        TEST(a_dead_writer_is_swept_a_living_one_is_not),
        TEST(the_sweeper_leaves_all_else_alone),
        TEST(names_of_committed_offers),
        TEST(what_a_hostile_owner_does_costs_only_him),
        TEST(a_flood_of_files_is_bounded),
        TEST(a_flood_of_a_dead_writer_is_bounded),
        TEST(a_prefix_that_makes_no_name_is_a_fault_of_ours),
        TEST(files_added_at_the_last_moment_are_held),
        TEST(what_is_half_taken_is_finished),
        TEST(a_name_taken_by_a_stranger_is_passed_over),
        TEST(a_fault_of_our_own_leaves_all_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
