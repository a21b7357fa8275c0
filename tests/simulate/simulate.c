/* simulate: the sender's and the receiver's programs on simulated machines, thousands of messages
 * through random crashes, faults and partitions, from one seed.
 *
 *     simulate [OPTION]... SEED
 *
 *   --rounds N     runs, each with a seed of its own made from SEED (1; then SEED itself)
 *   --messages N   messages in each run (2000)
 *   --jobs N       runs at one time (1)
 *   --mistake M    plants a mistake, which the invariants must find; `list` names them, `all` tries
 *                  each with up to N rounds (20) from SEED on, of 500 messages, and prints a table
 *   --trace        shows every event
 *
 * Each run is a process of its own, so that a crash of the code under test is a finding as well.
 * Prints the figures; exit status 1 when an invariant did not hold, with the seed, the step, the
 * last events, and the command that repeats it exactly. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/sim_login.h"
#include "tests/simulate/sim_net.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_parts.h"
#include "tests/simulate/sim_world.h"

enum { JOBS_MAX = 64 };

static const char *const mistakes[MISTAKES] = {
    [MISTAKE_NONE] = "none",
    [MISTAKE_NO_DIR_SYNC] = "no-dir-sync",
    [MISTAKE_NO_FILE_SYNC] = "no-file-sync",
    [MISTAKE_NO_SYNCFS] = "no-syncfs",
    [MISTAKE_NO_WORK_SYNC] = "no-work-sync",
    [MISTAKE_LATE_SYNC] = "late-sync",
    [MISTAKE_SYNC_RETRIED] = "sync-retried",
    [MISTAKE_SYNC_IGNORED] = "sync-ignored",
    [MISTAKE_ACK_BEFORE_SYNC] = "ack-before-sync",
    [MISTAKE_SENT_BEFORE_REPLY] = "sent-before-reply",
    [MISTAKE_NAME_REUSED] = "name-reused",
    [MISTAKE_MOVE_REPLACES] = "move-replaces",
    [MISTAKE_NO_RECOVERY] = "no-recovery",
    [MISTAKE_NO_LOCK] = "no-lock",
    [MISTAKE_NO_LEASE] = "no-lease",
    [MISTAKE_NO_REASON] = "no-reason",
    [MISTAKE_NO_SWEEP] = "no-sweep",
    [MISTAKE_NO_JOURNAL_SYNC] = "no-journal-sync",
    [MISTAKE_NO_RELEASE] = "no-release",
    [MISTAKE_RELEASED_EARLY] = "released-early",
    [MISTAKE_NO_REPLAY] = "no-replay",
    [MISTAKE_LOGIN_UNCHECKED] = "login-unchecked",
    [MISTAKE_LOGIN_IN_CLEAR] = "login-in-clear",
};

struct options {
    uint64_t seed, rounds, messages, jobs;
    bool all_mistakes;
};

/* What a run tells its parent. */
struct figures {
    uint64_t messages, recipients, calls, kills, cuts, faults, links, losses, doubled, bounced,
        held, inspected, logins, wrong, virtual_s;
};

static const struct {
    const char *text;
    size_t offset;
} shown[] = {
    {"messages", offsetof(struct figures, messages)},
    {"recipients accepted", offsetof(struct figures, recipients)},
    {"calls", offsetof(struct figures, calls)},
    {"kills", offsetof(struct figures, kills)},
    {"power cuts", offsetof(struct figures, cuts)},
    {"faults", offsetof(struct figures, faults)},
    {"connections lost", offsetof(struct figures, losses)},
    {"partitions", offsetof(struct figures, links)},
    {"inspections", offsetof(struct figures, inspected)},
    {"doubled lawfully", offsetof(struct figures, doubled)},
    {"told to the sender", offsetof(struct figures, bounced)},
    {"held", offsetof(struct figures, held)},
    {"logins", offsetof(struct figures, logins)},
    {"logins refused", offsetof(struct figures, wrong)},
    {"simulated seconds", offsetof(struct figures, virtual_s)},
};

static int usage(void)
{
    fputs(
        "usage: simulate [--rounds N] [--messages N] [--jobs N] [--mistake NAME] [--trace] SEED\n",
        stderr);
    return 2;
}

static bool set_mistake(const char *name)
{
    for (int m = 0; m < MISTAKES; m++)
        if (strcmp(name, mistakes[m]) == 0) {
            sim.mistake = (enum mistake)m;
            return true;
        }
    return false;
}

static void list_mistakes(void)
{
    for (int m = 1; m < MISTAKES; m++)
        puts(mistakes[m]);
}

/* -1, or the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {{"--rounds", &o->rounds}, {"--messages", &o->messages}, {"--jobs", &o->jobs}};
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        bool good = strcmp(argv[i], "--trace") == 0;
        const char *value = argv[i + 1];
        sim.verbose = sim.verbose || good;
        for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]) && value != NULL; k++)
            if (strcmp(argv[i], numbers[k].name) == 0)
                good = span_number(span_of(argv[++i]), 100000000, numbers[k].value) &&
                       *numbers[k].value > 0;
        if (strcmp(argv[i], "--mistake") == 0 && value != NULL) {
            if (strcmp(value, "list") == 0) {
                list_mistakes();
                return 0;
            }
            i++;
            o->all_mistakes = strcmp(value, "all") == 0;
            good = o->all_mistakes || set_mistake(value);
        }
        if (!good)
            return usage();
    }
    o->rounds = o->rounds > 0 ? o->rounds : o->all_mistakes ? 20 : 1;
    o->messages = o->messages > 0 ? o->messages : o->all_mistakes ? 500 : 2000;
    if (argc - i != 1 || !span_number(span_of(argv[i]), UINT64_MAX, &o->seed) || o->jobs > JOBS_MAX)
        return usage();
    return -1;
}

static uint64_t seed_of(const struct options *o, uint64_t round)
{
    return o->rounds == 1 ? o->seed : o->seed * 1000003 + round;
}

static void run(const struct options *o, uint64_t seed, struct figures *f)
{
    char command[160];
    const char *mistake = mistakes[sim.mistake];

    snprintf(command, sizeof(command), "simulate --messages %" PRIu64 "%s%s %" PRIu64, o->messages,
             sim.mistake ? " --mistake " : "", sim.mistake ? mistake : "", seed);
    sim_repeat_with(command);
    sim_watch();
    world_run(seed, (uint32_t)o->messages);
    *f = (struct figures){
        .messages = oracle_made(),
        .recipients = oracle_figures.accepted,
        .calls = sim.step,
        .kills = world_figures.kills,
        .cuts = world_figures.cuts,
        .faults = world_figures.faults,
        .links = world_figures.links,
        .losses = net_losses(),
        .doubled = oracle_figures.doubled,
        .bounced = oracle_figures.bounced,
        .held = oracle_figures.held,
        .inspected = oracle_figures.inspected,
        .logins = login_figures.good,
        .wrong = login_figures.wrong,
        .virtual_s = (uint64_t)(sim.now_us / 1000000),
    };
}

/* A run in a process of its own, which writes its figures into the pipe. */
static pid_t start(const struct options *o, uint64_t round, int *from)
{
    struct figures f;
    int ends[2];

    if (pipe(ends) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a run does not outlive its parent */
        close(ends[0]);
        run(o, seed_of(o, round), &f);
        bool good = write(ends[1], &f, sizeof(f)) == (ssize_t)sizeof(f);
        _exit(good ? 0 : 2);
    }
    close(ends[1]);
    *from = ends[0];
    return pid;
}

static void add(struct figures *sum, const struct figures *f)
{
    for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
        ((uint64_t *)(void *)sum)[i] += ((const uint64_t *)(const void *)f)[i];
}

struct child {
    pid_t pid;
    int from;
    uint64_t round;
};

/* Waits for one of the children; false when it failed. */
static bool finish(const struct options *o, struct child *children, size_t n, struct figures *sum)
{
    int status;
    pid_t pid = wait(&status);
    struct figures f;

    for (size_t i = 0; i < n; i++) {
        struct child *c = &children[i];
        if (c->pid != pid)
            continue;
        bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
                    read(c->from, &f, sizeof(f)) == (ssize_t)sizeof(f);
        if (good)
            add(sum, &f);
        else if (WIFSIGNALED(status))
            fprintf(stderr,
                    "simulate: signal %d; repeat it with: simulate --messages %" PRIu64 " %" PRIu64
                    "\n",
                    WTERMSIG(status), o->messages, seed_of(o, c->round));
        close(c->from);
        c->pid = 0;
        return good;
    }
    return false;
}

static bool run_all(const struct options *o, struct figures *sum)
{
    struct child children[JOBS_MAX] = {0};
    uint64_t round = 0, running = 0;
    bool good = true;

    while (running > 0 || (good && round < o->rounds)) {
        size_t i = 0;
        while (i < o->jobs && children[i].pid != 0)
            i++;
        if (good && i < o->jobs && round < o->rounds) {
            children[i].round = round;
            children[i].pid = start(o, round++, &children[i].from);
            if (children[i].pid < 0)
                return false;
            running++;
            continue;
        }
        good = finish(o, children, o->jobs, sum) && good;
        running--;
    }
    return good;
}

/* Planted mistakes. */

/* What a run says last, when it fails: from a process of its own. */
static bool fails(const struct options *o, uint64_t seed, char *said, size_t size)
{
    char line[1024], at[] = "VIOLATION at ";
    struct figures f;
    int ends[2], status = 0;

    if (pipe(ends) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        run(o, seed, &f);
        _exit(0);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    snprintf(said, size, "it crashed");
    while (from != NULL && fgets(line, sizeof(line), from) != NULL) {
        const char *found = strstr(line, at);
        if (found != NULL)
            snprintf(said, size, "%.*s", (int)strcspn(found + sizeof(at) - 1, "\n"),
                     found + sizeof(at) - 1);
    }
    if (from != NULL)
        fclose(from);
    waitpid(pid, &status, 0);
    return status != 0;
}

/* In a process of its own: which of the seeds finds the mistake? */
static void prove(const struct options *o, enum mistake m)
{
    char said[200];

    sim.mistake = m;
    for (uint64_t i = 0; i < o->rounds; i++) {
        if (!fails(o, o->seed + i, said, sizeof(said)))
            continue;
        printf("%-18s seed %-6" PRIu64 " %s\n", mistakes[m], o->seed + i, said);
        fflush(stdout);
        _exit(0);
    }
    printf("%-18s MISSED by %" PRIu64 " seeds\n", mistakes[m], o->rounds);
    fflush(stdout);
    _exit(1);
}

static bool wait_for_one(uint64_t *missed)
{
    int status;

    if (wait(&status) < 0)
        return false;
    *missed += status != 0;
    return true;
}

static int prove_all(const struct options *o)
{
    uint64_t running = 0, missed = 0;

    for (int m = MISTAKE_NONE + 1; m < MISTAKES; m++) {
        if (running == o->jobs) {
            wait_for_one(&missed);
            running--;
        }
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            prove(o, (enum mistake)m);
        }
        running += pid > 0;
        missed += pid < 0;
    }
    while (wait_for_one(&missed))
        ;
    printf("simulate: %d mistakes planted, %" PRIu64 " missed\n", MISTAKES - 1, missed);
    return missed > 0;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct options o = {.jobs = 1};
    struct figures sum = {0};
    int status = read_options(argc, argv, &o);

    if (status >= 0)
        return status;
    setenv("TZ", "UTC", 1);
    parts_prepare();
    if (o.all_mistakes)
        return prove_all(&o);
    double began = seconds();
    if (!run_all(&o, &sum))
        return 1;
    double took = seconds() - began;
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        printf("%s%s %" PRIu64, i > 0 ? ", " : "", shown[i].text,
               *(const uint64_t *)(const void *)((const char *)&sum + shown[i].offset));
    printf("; none lost\nsimulate: seed %" PRIu64 ", %" PRIu64 " rounds, %.1f s, %.0f messages and "
           "%.0f recipients a minute\n",
           o.seed, o.rounds, took, (double)sum.messages / took * 60,
           (double)sum.recipients / took * 60);
    return 0;
}
