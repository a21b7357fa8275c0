/* See folder.h. */
#include "jobs/jes/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/charset.h"
#include "lib/durable.h"
#include "lib/spool.h"

static int by_time(const void *left, const void *right)
{
    const struct file *a = left, *b = right;
    const struct timespec *s = &a->st.st_mtim, *t = &b->st.st_mtim;

    if (s->tv_sec != t->tv_sec)
        return s->tv_sec < t->tv_sec ? -1 : 1;
    if (s->tv_nsec != t->tv_nsec)
        return s->tv_nsec < t->tv_nsec ? -1 : 1;
    return strcmp(a->name, b->name);
}

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    return n > m && strcmp(name + n - m, ending) == 0;
}

static bool matches(const char *name, const char *only, const char *except)
{
    return spool_name_visible(name) && (only == NULL || ends_with(name, only)) &&
           (except == NULL || !ends_with(name, except));
}

static bool add_file(struct folder *f, size_t *cap, const char *name)
{
    if (f->files == *cap) {
        size_t more = *cap ? *cap * 2 : 64;
        struct file *grown = reallocarray(f->file, more, sizeof(*grown));
        if (grown == NULL)
            return false;
        f->file = grown;
        *cap = more;
    }
    struct file *file = &f->file[f->files];
    snprintf(file->name, sizeof(file->name), "%s", name);
    if (fstatat(f->dir, name, &file->st, AT_SYMLINK_NOFOLLOW) == 0 && !spool_unshown(&file->st))
        f->files++; /* else it has just gone, or is just coming */
    return true;
}

bool folder_open(struct folder *f, int at, const char *name, const char *only, const char *except)
{
    const struct dirent *entry;
    size_t cap = 0;
    bool good = true;

    *f = (struct folder){.dir = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    int copy = f->dir < 0 ? -1 : openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    if (list == NULL) {
        int saved = errno;
        if (copy >= 0)
            close(copy);
        folder_close(f);
        errno = saved;
        return false;
    }
    while (good && (entry = readdir(list)) != NULL)
        if (matches(entry->d_name, only, except))
            good = add_file(f, &cap, entry->d_name);
    closedir(list);
    if (!good) {
        folder_close(f);
        errno = ENOMEM;
        return false;
    }
    if (f->files > 0)
        qsort(f->file, f->files, sizeof(*f->file), by_time);
    return true;
}

void folder_close(struct folder *f)
{
    free(f->file);
    if (f->dir >= 0)
        close(f->dir); /* a directory */
    *f = (struct folder){.dir = -1};
}

bool folder_read(const struct folder *f, const char *name, size_t max, struct buf *out)
{
    struct stat st;
    ssize_t n = -1;
    int fd = durable_open(f->dir, name);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && buf_reserve(out, max)) {
        n = read(fd, out->data + out->len, max);
        out->len += n > 0 ? (size_t)n : 0;
    }
    close(fd); /* read only */
    return n >= 0;
}

void file_time(const struct file *f, char out[24])
{
    struct tm tm;

    if (localtime_r(&f->st.st_mtim.tv_sec, &tm) == NULL ||
        strftime(out, 24, "%Y-%m-%d %H:%M", &tm) == 0)
        snprintf(out, 24, "-");
}

void line_column(struct buf *line, const char *text, size_t columns)
{
    struct buf safe = {0};
    size_t used = 0;
    uint32_t code;

    utf8_safe(span_of(text), &safe);
    struct span rest = BUF_SPAN(&safe);
    for (size_t n; (n = utf8_char(rest, &code)) > 0; rest = span_from(rest, n)) {
        struct span c = {rest.p, n};
        size_t width = utf8_width(c);
        if (used + width > columns)
            break;
        buf_addspan(line, c);
        used += width;
    }
    buf_free(&safe);
    buf_fill(line, ' ', columns - used + 2);
}

void line_number(struct buf *line, const char *text, size_t columns)
{
    size_t n = strlen(text);

    if (n < columns)
        buf_fill(line, ' ', columns - n);
    line_column(line, text, n < columns ? n : columns);
}

void line_print(struct buf *line)
{
    struct buf safe = {0};

    utf8_safe(span_trim_end(BUF_SPAN(line)), &safe);
    puts(buf_str(&safe));
    buf_free(&safe);
    buf_free(line);
}
