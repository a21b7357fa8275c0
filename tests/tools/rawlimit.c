/* rawlimit: what the machine itself can do, as the measure for the programs that run on it.
 *
 *   durable  files made durable a second: `writers` threads create, write and wait for a sync. Each
 *            for itself (fsync of the file, then of the directory), or all for one syncfs() that
 *            began after they had written.
 *   fsync    how long one fsync() takes after one block was written anew.
 *   tcp      round trips of one octet over loopback, one at a time.
 *
 * Files are left where they are made. A failing call ends it with status 2: then nothing was
 * measured. */
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/tools/tool.h"

enum { WRITERS_MAX = 1024, BLOCK = 4096 };

struct options {
    uint64_t writers, size, seconds, files;
    bool shared;
};

/* One sync for all who wait: whoever finds none running does the next, for all who came before. */
struct commit {
    pthread_mutex_t lock;
    pthread_cond_t done;
    uint64_t started, finished;
    bool busy;
};

struct measure {
    struct options option;
    int dir;
    char *text;
    struct commit commit;
    pthread_mutex_t lock; /* of what follows */
    uint64_t made, ends_us;
    uint64_t *took_us; /* one for each file, at most `cap` */
    size_t cap;
};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void shared_sync(struct measure *m)
{
    struct commit *c = &m->commit;

    pthread_mutex_lock(&c->lock);
    uint64_t mine = c->started + 1;
    while (c->finished < mine) {
        if (c->busy) {
            pthread_cond_wait(&c->done, &c->lock);
            continue;
        }
        c->busy = true;
        uint64_t number = ++c->started;
        pthread_mutex_unlock(&c->lock);
        if (syncfs(m->dir) != 0)
            tool_die(errno, "syncfs");
        pthread_mutex_lock(&c->lock);
        c->finished = number;
        c->busy = false;
        pthread_cond_broadcast(&c->done);
    }
    pthread_mutex_unlock(&c->lock);
}

static void make_file(struct measure *m, uint64_t number)
{
    char name[32];

    snprintf(name, sizeof(name), "f%llu", (unsigned long long)number);
    int fd = openat(m->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, m->text, m->option.size) != (ssize_t)m->option.size)
        tool_die(errno, "cannot write %s", name);
    if (m->option.shared)
        shared_sync(m);
    else if (fsync(fd) != 0 || fsync(m->dir) != 0)
        tool_die(errno, "fsync");
    close(fd);
}

/* The number of the next file; UINT64_MAX when it is enough. */
static uint64_t next_file(struct measure *m)
{
    uint64_t number = UINT64_MAX;

    pthread_mutex_lock(&m->lock);
    if (m->made < m->option.files && m->made < m->cap && now_us() < m->ends_us)
        number = m->made++;
    pthread_mutex_unlock(&m->lock);
    return number;
}

static void *writer(void *arg)
{
    struct measure *m = arg;

    for (uint64_t number; (number = next_file(m)) != UINT64_MAX;) {
        uint64_t began = now_us();
        make_file(m, number);
        m->took_us[number] = now_us() - began;
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void report(uint64_t *took_us, size_t n, uint64_t began_us)
{
    double seconds = (double)(now_us() - began_us) / 1e6;

    if (n == 0)
        tool_die(0, "nothing was done in the time given");
    qsort(took_us, n, sizeof(*took_us), compare);
    printf("count %zu\nseconds %.6f\nrate %.1f\np50_us %llu\np99_us %llu\n", n, seconds,
           (double)n / seconds, (unsigned long long)took_us[n / 2],
           (unsigned long long)took_us[n * 99 / 100]);
}

static void measure_durable(struct measure *m)
{
    pthread_t thread[WRITERS_MAX];
    uint64_t began = now_us();

    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->commit.lock, NULL);
    pthread_cond_init(&m->commit.done, NULL);
    for (uint64_t i = 0; i < m->option.writers; i++)
        if (pthread_create(&thread[i], NULL, writer, m) != 0)
            tool_die(0, "cannot start %llu threads", (unsigned long long)m->option.writers);
    for (uint64_t i = 0; i < m->option.writers; i++)
        pthread_join(thread[i], NULL);
    report(m->took_us, (size_t)m->made, began);
}

static void measure_fsync(struct measure *m)
{
    static const char block[BLOCK];
    uint64_t began = now_us();
    int fd = openat(m->dir, "block", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        tool_die(errno, "cannot write block");
    while (m->made < m->cap && m->made < m->option.files && now_us() < m->ends_us) {
        uint64_t start = now_us();
        if (pwrite(fd, block, BLOCK, 0) != BLOCK || fsync(fd) != 0)
            tool_die(errno, "fsync");
        m->took_us[m->made++] = now_us() - start;
    }
    close(fd);
    report(m->took_us, (size_t)m->made, began);
}

/* The far end of the round trips. */
static _Noreturn void echo(int listener)
{
    char c;
    int on = 1, fd = accept(listener, NULL, NULL);

    if (fd < 0)
        tool_die(errno, "accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    while (recv(fd, &c, 1, 0) == 1)
        if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
            break;
    _exit(0);
}

static void measure_tcp(struct measure *m)
{
    uint16_t port = 0;
    int on = 1, listener = tool_listen(&port, 0);
    struct sockaddr_in to = tool_loopback(port);
    char c = 'x';

    pid_t child = fork();
    if (child == 0)
        echo(listener);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (child < 0 || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        tool_die(errno, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    uint64_t began = now_us();
    while (m->made < m->cap && now_us() < m->ends_us) {
        uint64_t start = now_us();
        if (send(fd, &c, 1, MSG_NOSIGNAL) != 1 || recv(fd, &c, 1, 0) != 1)
            tool_die(errno, "round trip");
        m->took_us[m->made++] = now_us() - start;
    }
    report(m->took_us, (size_t)m->made, began);
    close(fd);
    waitpid(child, NULL, 0);
}

static const struct {
    const char *name;
    void (*run)(struct measure *m);
} measures[] = {{"durable", measure_durable}, {"fsync", measure_fsync}, {"tcp", measure_tcp}};

static const struct {
    const char *name;
    size_t offset;
    uint64_t min, max;
} numbers[] = {
    {"writers", offsetof(struct options, writers), 1, WRITERS_MAX},
    {"size", offsetof(struct options, size), 1, 1U << 30},
    {"seconds", offsetof(struct options, seconds), 1, 3600},
    {"files", offsetof(struct options, files), 1, UINT32_MAX},
};

enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static _Noreturn void usage(int status)
{
    puts("usage: rawlimit durable|fsync|tcp DIR [--writers N] [--shared] [--size N]\n"
         "                [--seconds N] [--files N]");
    exit(status);
}

static void read_options(struct options *o, int argc, char **argv)
{
    struct option names[NUMBERS + 3] = {0};
    int c;

    for (int i = 0; i < NUMBERS; i++)
        names[i] = (struct option){numbers[i].name, required_argument, NULL, i};
    names[NUMBERS] = (struct option){"shared", no_argument, NULL, 's'};
    names[NUMBERS + 1] = (struct option){"help", no_argument, NULL, 'h'};
    while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (c == 's') {
            o->shared = true;
            continue;
        }
        if (c < 0 || c >= NUMBERS)
            usage(c == 'h' ? 0 : TOOL_BROKEN);
        uint64_t value = tool_number(numbers[c].name, optarg, numbers[c].max);
        if (value < numbers[c].min)
            tool_die(0, "--%s must be at least %llu", numbers[c].name,
                     (unsigned long long)numbers[c].min);
        memcpy((char *)o + numbers[c].offset, &value, sizeof(value));
    }
    if (optind != argc - 2)
        usage(TOOL_BROKEN);
}

int main(int argc, char **argv)
{
    struct measure m = {
        .option = {.writers = 1, .size = 1024, .seconds = 3600, .files = UINT32_MAX},
        .cap = 4000000,
    };

    read_options(&m.option, argc, argv);
    m.dir = open(argv[optind + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m.dir < 0)
        tool_die(errno, "cannot open %s", argv[optind + 1]);
    m.text = calloc(1, m.option.size);
    m.took_us = calloc(m.cap, sizeof(*m.took_us));
    if (m.text == NULL || m.took_us == NULL)
        tool_die(ENOMEM, "start");
    memset(m.text, 'x', m.option.size);
    m.ends_us = now_us() + m.option.seconds * 1000000;
    for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
        if (strcmp(argv[optind], measures[i].name) != 0)
            continue;
        measures[i].run(&m);
        free(m.text);
        free(m.took_us);
        close(m.dir);
        return 0;
    }
    usage(TOOL_BROKEN);
}
