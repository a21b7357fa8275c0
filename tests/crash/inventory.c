/* inventory: what lies where in a spool, one line a file, sorted; what the crash tests compare.
 *
 *     inventory [--far NAME=DIR]... SPOOL
 *     inventory --seal ID LINES
 *
 * The second form prints a sealed body: LINES lines between "BEGIN ID" and "END ID", the latter
 * with their number and a digest, so that a body which lost, gained or changed a line anywhere on
 * its way is told from a whole one. The first prints
 *
 *     PLACE WHO BODIES DIGEST
 *
 * PLACE is the folder (mail, RMT21, POST, HOLD ...; NAME for the files of --far; unit:mail and the
 * like for what a unit of work holds; left for whatever has no business there). WHO is the
 * recipient where the file names one, else the file's name ("mark-" for a random mark; that of a
 * printout without its numbers). BODIES
 * lists the sealed bodies in it,
 * "!" behind one that is not whole, "-" for none. DIGEST is over the whole text with its numbers,
 * days and months made alike, so that the same mail converted a second later has the same.
 *
 * It trusts nothing in the files. Exit status 2 when something cannot be read. */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <sys/stat.h>

#include "lib/spool.h"
#include "tests/tools/tool.h"

enum { ID_MAX = 32, LINE_COLUMNS = 60, HEX_LEAST = 8 };

/* What belongs to every spool and is no mail. */
static const char *const furniture[] = {
    "jes/JOBNO",  "mail/.WAKE",   "work/NAMES", "work/*.lock", "work/SSMTP.*.JOURNAL",
    "work/CHKPT", "work/POSTCHK",
};

/* Folders of a spool, and what files in them are called; the first that fits. */
static const struct {
    const char *pattern, *place; /* NULL: the folder's name */
} folders[] = {
    {"mail", NULL},          {"jes/*", NULL},          {"print", NULL},
    {"log", NULL},           {"work", NULL},           {"work/*.open", "unit"},
    {"work/*.done", "unit"}, {"box", "unknown"}, /* where the tests have their Maildirs */
    {"box/*", "unknown"},    {"box/*/tmp", "unknown"}, {"box/*/new", "box"},
    {"box/*/cur", "box"},
};

/* Files there have no business. */
static bool has_no_files(const char *place)
{
    static const char *const places[] = {"", "work", "unit", "unknown"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (strcmp(place, places[i]) == 0)
            return true;
    return false;
}

struct lines {
    struct buf *line;
    size_t count, cap;
};

static uint64_t mix(uint64_t sum, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)p[i]) * 0x100000001B3U;
    return sum;
}

enum { MIX_SEED = 0x4BF29CE4 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of a day's or month's name at the front of s; 0: none. */
static size_t calendar_word(struct span s)
{
    static const char words[] =
        "Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    char word[4] = {0};

    if (s.n < 4 || (s.p[3] != ' ' && s.p[3] != ','))
        return 0;
    memcpy(word, s.p, 3);
    return strchr(word, ' ') == NULL && strstr(words, word) != NULL ? 3 : 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Length of a number at the front of s; also of a hexadecimal one, if it is a whole word and too
 * long to be one of ours. 0: none. */
static size_t number(struct span s, char before)
{
    size_t digits = 0, n = 0;
    bool decimal = false;

    while (digits < s.n && is_digit(s.p[digits]))
        digits++;
    while (n < s.n && s.p[n] != '\0' && strchr("0123456789abcdefABCDEF", s.p[n]) != NULL)
        decimal = is_digit(s.p[n++]) || decimal;
    bool word = !is_letter(before) && (n == s.n || !is_letter(s.p[n]));
    return decimal && word && n >= HEX_LEAST ? n : digits;
}

static uint64_t masked_digest(struct span s)
{
    uint64_t sum = MIX_SEED;
    char before = ' ';

    for (size_t n; s.n > 0; before = s.p[n - 1], s = span_from(s, n)) {
        if ((n = calendar_word(s)) > 0) {
            sum = mix(sum, "@", 1);
        } else if ((n = number(s, before)) > 0) {
            sum = mix(sum, "#", 1);
        } else {
            n = 1;
            sum = mix(sum, s.p, 1);
        }
    }
    return sum;
}

static void add_seal_end(struct buf *out, const char *id, unsigned long lines, uint64_t sum)
{
    buf_printf(out, "END %s %lu %016llx", id, lines, (unsigned long long)sum);
}

static int seal(const char *id, uint64_t lines)
{
    struct buf out = {0}, line = {0};
    uint64_t sum = MIX_SEED;

    if (strlen(id) >= ID_MAX || strchr(id, ' ') != NULL)
        tool_die(0, "an id has less than %d characters and no blank", ID_MAX);
    buf_printf(&out, "BEGIN %s\n", id);
    for (uint64_t i = 1; i <= lines; i++) {
        buf_clear(&line);
        buf_printf(&line, "%s %06llu ", id, (unsigned long long)i);
        for (int c = 0; line.len < LINE_COLUMNS; c++)
            buf_addc(&line, (char)('a' + (i * 7 + (uint64_t)c) % 26));
        buf_addc(&line, '\n');
        sum = mix(sum, line.data, line.len);
        buf_addspan(&out, BUF_SPAN(&line));
    }
    add_seal_end(&out, id, (unsigned long)lines, sum);
    buf_addc(&out, '\n');
    if (out.failed || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
        tool_die(errno, "cannot write");
    buf_free(&line);
    buf_free(&out);
    return 0;
}

/* The rest of a sealed body, up to its END line. Is it whole? */
static bool check_seal(struct span *text, const char *id)
{
    struct buf end = {0}, begin_end = {0};
    uint64_t sum = MIX_SEED;
    unsigned long lines = 0;
    struct span line;
    bool whole = false;

    buf_printf(&begin_end, "END %s ", id);
    while (span_line(text, &line)) {
        if (span_starts_nocase(line, BUF_SPAN(&begin_end))) {
            add_seal_end(&end, id, lines, sum);
            whole = span_eq(line, BUF_SPAN(&end));
            break;
        }
        sum = mix(mix(sum, line.p, line.n), "\n", 1);
        lines++;
    }
    buf_free(&end);
    buf_free(&begin_end);
    return whole;
}

static void add_bodies(struct buf *out, struct span text)
{
    struct span line;
    char id[ID_MAX];
    size_t start = out->len;

    while (span_line(&text, &line)) {
        if (!span_starts_nocase(line, SPAN("BEGIN ")) ||
            !span_copy(span_from(line, 6), id, sizeof(id)))
            continue;
        if (out->len > start)
            buf_addc(out, '+');
        buf_adds(out, id);
        if (!check_seal(&text, id))
            buf_addc(out, '!');
    }
    if (out->len == start)
        buf_addc(out, '-');
}

/* The address that the first lines of a mail name; false when there is none. */
static bool add_recipient(struct buf *out, struct span text)
{
    static const char *const fields[] = {"X-To:", "X-Envelope-To:", "Delivered-To:"};
    struct span line;

    for (int n = 0; n < 3 && span_line(&text, &line); n++)
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            struct span value = span_trim(span_from(line, strlen(fields[i])));
            if (!span_starts_nocase(line, span_of(fields[i])))
                continue;
            if (value.n > 1 && value.p[0] == '<')
                value = (struct span){value.p + 1, value.n - 2};
            tool_add_printable(out, value);
            return true;
        }
    return false;
}

static void read_whole(int fd, struct buf *out)
{
    ssize_t n = 1;

    while (n > 0 && buf_reserve(out, 1 << 16)) {
        n = read(fd, out->data + out->len, out->cap - out->len);
        if (n < 0)
            tool_die(errno, "read");
        out->len += (size_t)n;
    }
}

static struct buf *new_line(struct lines *l)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->line = reallocarray(l->line, l->cap, sizeof(*l->line));
        if (l->line == NULL)
            tool_die(errno, "lines");
    }
    l->line[l->count] = (struct buf){0};
    return &l->line[l->count++];
}

/* A kept file whose name was taken has a random mark before it (unit.c). */
enum { MARK = 9 };

static void add_name(struct buf *out, const char *name)
{
    if (strspn(name, "0123456789abcdef") == MARK - 1 && name[MARK - 1] == '-') {
        buf_adds(out, "mark-");
        name += MARK;
    }
    for (; *name != '\0'; name++)
        buf_printf(out, *name > ' ' && *name < 127 ? "%c" : "\\x%02X", (unsigned char)*name);
}

/* A printout's name has its time in it. */
static void add_masked(struct buf *out, const char *name)
{
    struct span s = span_of(name);
    char before = '.';

    for (size_t n; s.n > 0; before = s.p[n - 1], s = span_from(s, n)) {
        n = number(s, before);
        if (n > 0)
            buf_addc(out, '#');
        else
            tool_add_printable(out, (struct span){s.p, n = 1});
    }
}

static const char *kind_of(mode_t mode)
{
    return S_ISFIFO(mode)   ? "fifo"
           : S_ISLNK(mode)  ? "link"
           : S_ISDIR(mode)  ? "directory"
           : S_ISSOCK(mode) ? "socket"
                            : "device";
}

/* The line of one file. `by_name`: its recipient does not matter. */
static void list_file(struct lines *l, int dir, const char *name, const char *place, bool by_name)
{
    struct buf text = {0}, *out = new_line(l);
    struct stat st;

    buf_printf(out, "%s ", place);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        tool_die(errno, "%s", name);
    if (!S_ISREG(st.st_mode)) {
        add_name(out, name);
        buf_printf(out, " %s -", kind_of(st.st_mode));
        return;
    }
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        tool_die(errno, "%s", name);
    read_whole(fd, &text);
    close(fd);
    if (strcmp(place, "print") == 0)
        add_masked(out, name);
    else if (by_name || !add_recipient(out, BUF_SPAN(&text)))
        add_name(out, name);
    buf_addc(out, ' ');
    add_bodies(out, BUF_SPAN(&text));
    buf_printf(out, " %016llx", (unsigned long long)masked_digest(BUF_SPAN(&text)));
    buf_free(&text);
}

static bool is_furniture(const char *path)
{
    for (size_t i = 0; i < sizeof(furniture) / sizeof(furniture[0]); i++)
        if (fnmatch(furniture[i], path, FNM_PATHNAME) == 0)
            return true;
    return false;
}

/* Is this a folder of the spool, and what is a file in it called? `place` is filled if so. */
static bool is_folder(const char *path, char place[NAME_MAX + 8])
{
    const char *slash = strrchr(path, '/');

    if (strcmp(path, "jes") == 0 || path[0] == '\0') {
        place[0] = '\0';
        return true;
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (fnmatch(folders[i].pattern, path, FNM_PATHNAME) == 0) {
            snprintf(place, NAME_MAX + 8, "%s",
                     folders[i].place ? folders[i].place
                     : slash          ? slash + 1
                                      : path);
            return true;
        }
    /* The parts of a unit. */
    if (fnmatch("work/*/*", path, FNM_PATHNAME) == 0) {
        snprintf(place, NAME_MAX + 8, "unit:%s", slash + 1);
        return true;
    }
    return false;
}

static void list_entry(struct lines *l, int dir, const char *folder, const char *place,
                       const char *name, struct buf *deeper)
{
    char path[PATH_MAX], below[NAME_MAX + 8];
    struct stat st;

    snprintf(path, sizeof(path), "%s%s%s", folder, folder[0] ? "/" : "", name);
    if (is_furniture(path))
        return;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        tool_die(errno, "%s", path);
    if (S_ISDIR(st.st_mode) && is_folder(path, below)) {
        if (strcmp(below, "unit") == 0) {
            struct buf *out = new_line(l);
            buf_printf(out, "unit %s - -", strrchr(name, '.') ? strrchr(name, '.') : name);
        }
        buf_printf(deeper, "%s\n", path);
    } else if (has_no_files(place) || name[0] == '.' || spool_unshown(&st)) {
        struct buf *out = new_line(l);
        buf_adds(out, "left ");
        add_name(out, path);
        buf_printf(out, " %s -", S_ISREG(st.st_mode) ? "file" : kind_of(st.st_mode));
    } else {
        bool kept = strcmp(place, "HOLD") == 0 || strcmp(place, "DEAD") == 0;
        list_file(l, dir, name, place, kept);
    }
}

/* Lists one folder; the folders in it go to `deeper`, a line each. */
static void list_folder(struct lines *l, int root, const char *path, struct buf *deeper)
{
    char place[NAME_MAX + 8];
    const struct dirent *e;

    int fd = openat(root, path[0] ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL || !is_folder(path, place))
        tool_die(errno, "cannot list %s", path);
    while ((e = readdir(list)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            list_entry(l, fd, path, place, e->d_name, deeper);
    closedir(list);
}

static void list_spool(struct lines *l, const char *spool)
{
    struct buf todo = {0};
    struct span rest, line;
    char path[PATH_MAX];

    int root = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        tool_die(errno, "cannot open %s", spool);
    list_folder(l, root, "", &todo);
    for (size_t at = 0; at < todo.len; at += line.n + 1) {
        rest = span_from(BUF_SPAN(&todo), at);
        if (!span_line(&rest, &line) || !span_copy(line, path, sizeof(path)))
            tool_die(0, "a path is too long");
        list_folder(l, root, path, &todo);
        rest = span_from(BUF_SPAN(&todo), at); /* the list may have moved */
        span_line(&rest, &line);
    }
    close(root);
    buf_free(&todo);
}

static void list_far(struct lines *l, char *folder)
{
    char *dir = strchr(folder, '=');
    const struct dirent *e;

    if (dir == NULL)
        tool_die(0, "--far takes NAME=DIR");
    *dir++ = '\0';
    DIR *list = opendir(dir);
    if (list == NULL && errno == ENOENT)
        return;
    if (list == NULL)
        tool_die(errno, "cannot list %s", dir);
    while ((e = readdir(list)) != NULL)
        if (e->d_name[0] != '.')
            list_file(l, dirfd(list), e->d_name, folder, false);
    closedir(list);
}

static int by_text(const void *a, const void *b)
{
    const struct buf *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->data, y->data, n);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

int main(int argc, char **argv)
{
    struct lines l = {0};
    int at = 1;

    if (argc == 4 && strcmp(argv[1], "--seal") == 0)
        return seal(argv[2], tool_number("--seal", argv[3], 1000000));
    for (; at + 1 < argc && strcmp(argv[at], "--far") == 0; at += 2)
        list_far(&l, argv[at + 1]);
    if (at + 1 != argc)
        tool_die(0, "usage: inventory [--far NAME=DIR]... SPOOL | inventory --seal ID LINES");
    list_spool(&l, argv[at]);
    if (l.count > 0)
        qsort(l.line, l.count, sizeof(*l.line), by_text);
    for (size_t i = 0; i < l.count; i++) {
        puts(buf_str(&l.line[i]));
        buf_free(&l.line[i]);
    }
    free(l.line);
    return fflush(stdout) == 0 ? 0 : TOOL_BROKEN;
}
