/* What lies in SPOOL/work after a stop or damage: each line is a file to be, `UNIT/part/name`, or
 * `+name` and `=name` for what the queue and mail/ hold already; then the units are recovered.
 *
 * Holds: no file is there twice; what a unit that is open had claimed is there, and so is what one
 * that is done had made, and what it claimed and gave a reason for; what is not of this owner stays
 * where it is; after a recovery that went well there is nothing to recover. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/unit.h"

enum { FILES = 48, PATH = 80, NAME = 60 };

/* A file holds its number here, and nothing else. */
static struct file {
    char path[PATH]; /* below the spool */
    bool stays;      /* it may neither be gone nor moved */
    bool survives;
} files[FILES];
static size_t made;
static unsigned seen[FILES];

static const struct {
    enum spool_queue queue;
    const char *name;
} queues[] = {{QUEUE_REMOTE, "RMT"}, {QUEUE_POST, "POST"}, {QUEUE_PRT, "PRT"},
              {QUEUE_HOLD, "HOLD"},  {QUEUE_DEAD, "DEAD"}, {QUEUE_MAIL, "mail"}};

enum { OPENED = sizeof(queues) / sizeof(queues[0]) };

static int open_dir(int at, const char *name)
{
    CHECK(mkdirat(at, name, 0700) == 0);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void make_spool(struct spool *s, char folder[PATH])
{
    *s = (struct spool){.jes = -1};
    for (int q = 0; q < SPOOL_QUEUES; q++)
        s->queue[q] = -1;
    snprintf(folder, PATH, "%s/unit.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(folder) != NULL);
    s->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(s->root >= 0);
    s->work = open_dir(s->root, "work");
    for (size_t i = 0; i < OPENED; i++)
        s->queue[queues[i].queue] = open_dir(s->root, queues[i].name);
}

static bool name_lawful(struct span name)
{
    return name.n > 0 && name.n <= NAME && name.p[0] != '.' && span_find(name, '/') == name.n &&
           span_find(name, '\0') == name.n;
}

static bool is_one_of_ours(struct span unit, const char *ending)
{
    return unit.n >= sizeof("spool4.open") - 1 && memcmp(unit.p, "spool4.", 7) == 0 &&
           span_eq(span_from(unit, unit.n - 5), span_of(ending));
}

static bool is_part(struct span part)
{
    for (size_t i = 1; i < OPENED; i++)
        if (span_eq(part, span_of(queues[i].name)))
            return true;
    return false;
}

/* Makes files[made] under the path that is in it, with its folders; leaves it where that cannot
 * be. */
static void make_file(const struct spool *s)
{
    const char number = (char)made;
    char *path = files[made].path;

    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdirat(s->root, path, 0700);
        *slash = '/';
    }
    int fd = openat(s->root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    CHECK(write(fd, &number, 1) == 1);
    close(fd);
    made++;
}

/* A line: one file, if it can be. */
static void take_line(const struct spool *s, struct span line)
{
    struct file *f = &files[made];
    struct span unit, part;

    *f = (struct file){.survives = true};
    if (line.n > 0 && (line.p[0] == '+' || line.p[0] == '=')) {
        const char *folder = line.p[0] == '+' ? "RMT" : "mail";
        line = span_from(line, 1);
        f->stays = true;
        snprintf(f->path, PATH, "%s/%.*s", folder, (int)(line.n < NAME ? line.n : NAME), line.p);
        if (name_lawful(line))
            make_file(s);
        return;
    }
    struct span whole = line;
    if (!span_cut(&line, '/', &unit) || line.p == NULL || !span_cut(&line, '/', &part) ||
        line.p == NULL || whole.n > PATH - 6 || !name_lawful(unit) || !name_lawful(part) ||
        !name_lawful(line))
        return;
    bool open = is_one_of_ours(unit, ".open"), done = is_one_of_ours(unit, ".done");
    f->stays = !open && !done;
    f->survives = (!open && !done) || (open && span_eq(part, SPAN("in"))) ||
                  (done && !span_eq(part, SPAN("in"))) ||
                  (!is_part(part) && !span_eq(part, SPAN("in")));
    snprintf(f->path, PATH, "work/%.*s", (int)whole.n, whole.p);
    make_file(s);
}

/* Claimed by a unit that is done, with a reason to keep it. */
static void find_reasons(const struct spool *s)
{
    static const char *const kept[] = {"HOLD", "DEAD"};
    char path[2 * PATH];

    for (size_t i = 0; i < made; i++) {
        const char *in = strstr(files[i].path, ".done/in/");
        for (size_t k = 0; in != NULL && k < sizeof(kept) / sizeof(kept[0]); k++) {
            snprintf(path, sizeof(path), "%.*s.done/%s/%s" UNIT_REASON, (int)(in - files[i].path),
                     files[i].path, kept[k], in + 9);
            files[i].survives |= faccessat(s->root, path, F_OK, 0) == 0;
        }
    }
}

static int note_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    char number;

    (void)where;
    if (kind != FTW_F || st->st_size != 1)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, &number, 1) == 1 && (size_t)number < made);
    close(fd);
    seen[(size_t)number]++;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static void check_files(const struct spool *s, const char *folder)
{
    memset(seen, 0, sizeof(seen));
    CHECK(nftw(folder, note_file, 16, FTW_PHYS) == 0);
    for (size_t i = 0; i < made; i++) {
        CHECK(seen[i] <= 1 && (seen[i] == 1 || !files[i].survives));
        CHECK(!files[i].stays || faccessat(s->root, files[i].path, F_OK, 0) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size}, line;
    char folder[PATH];
    struct spool s;

    made = 0;
    make_spool(&s, folder);
    while (made < FILES - 1 && span_line(&in, &line))
        take_line(&s, line);
    find_reasons(&s);
    bool good = unit_recover(&s, "spool4", QUEUE_REMOTE) >= 0;
    check_files(&s, folder);
    int again = unit_recover(&s, "spool4", QUEUE_REMOTE);
    CHECK(good ? again == 0 : again != 0);
    check_files(&s, folder);
    spool_close(&s);
    CHECK(nftw(folder, remove_one, 16, FTW_PHYS | FTW_DEPTH) == 0);
    return 0;
}
