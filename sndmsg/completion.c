/* See completion.h. */
#include "sndmsg/completion.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/charset.h"
#include "sndmsg/cleartext.h"

static void add_word(void *arg, struct span word)
{
    struct completion *c = arg;

    if (c->count == COMPLETION_MAX || cleartext_fault(word, false) < word.n)
        return;
    buf_addspan(&c->words, word);
    if (buf_addc(&c->words, '\0'))
        c->count++;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_words(struct completion *c)
{
    const char *word[COMPLETION_MAX] = {NULL};
    struct buf sorted = {0};
    const char *p = c->words.data;

    for (size_t i = 0; i < c->count; i++, p += strlen(p) + 1)
        word[i] = p;
    if (c->count == 0)
        return;
    qsort(word, c->count, sizeof(word[0]), by_name);
    for (size_t i = 0; i < c->count; i++)
        buf_add(&sorted, word[i], strlen(word[i]) + 1);
    if (sorted.failed) {
        buf_free(&sorted);
        return;
    }
    buf_free(&c->words);
    c->words = sorted;
}

/* The name behind the last comma, colon or bracket. */
static void find_addresses(struct completion *c, const struct directory *d, struct span line)
{
    size_t start = line.n;

    while (start > 0 && strchr(",:< \t", line.p[start - 1]) == NULL)
        start--;
    c->before = span_from(line, start);
    if (c->before.n > 0 && span_find(c->before, '@') == c->before.n)
        directory_complete(d, c->before, COMPLETION_MAX, add_word, c);
}

static void add_file(struct completion *c, int dir, struct span folder, const char *name)
{
    struct buf word = {0};
    struct stat st;

    buf_addspan(&word, folder);
    buf_adds(&word, name);
    if (fstatat(dir, name, &st, 0) == 0 && S_ISDIR(st.st_mode))
        buf_addc(&word, '/');
    if (!word.failed)
        add_word(c, BUF_SPAN(&word));
    buf_free(&word);
}

/* Opens the folder of the word: as it is typed, ~/ in the home. */
static int open_folder(const struct completion *c, struct span folder)
{
    bool home = c->home != NULL && folder.n >= 2 && folder.p[0] == '~' && folder.p[1] == '/';
    char path[PATH_MAX];
    struct span rest = home ? span_from(folder, 1) : folder;
    int n = snprintf(path, sizeof(path), "%s%.*s", home ? c->home : "", (int)rest.n, rest.p);

    if (n < 0 || n >= (int)sizeof(path))
        return -1;
    return open(n == 0 ? "." : path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
}

static void find_files(struct completion *c, struct span word)
{
    size_t slash = word.n;

    while (slash > 0 && word.p[slash - 1] != '/')
        slash--;
    struct span folder = {word.p, slash}, prefix = span_from(word, slash);
    c->before = word;
    c->file = true;
    if (word.n >= PATH_MAX || cleartext_fault(word, false) < word.n)
        return;
    int dir = open_folder(c, folder);
    DIR *list = dir < 0 ? NULL : fdopendir(dir);
    const struct dirent *entry;
    if (list == NULL) {
        if (dir >= 0)
            close(dir);
        return;
    }
    for (int seen = 0; seen < COMPLETION_LOOKED_AT && (entry = readdir(list)) != NULL; seen++) {
        bool hidden = entry->d_name[0] == '.' && (prefix.n == 0 || prefix.p[0] != '.');
        if (!hidden && strncmp(entry->d_name, prefix.p, prefix.n) == 0)
            add_file(c, dir, folder, entry->d_name);
    }
    closedir(list);
    sort_words(c);
}

void completion_find(struct completion *c, const struct directory *d, enum completion_kind kind,
                     struct span line)
{
    if (kind == COMPLETION_ADDRESS)
        find_addresses(c, d, line);
    else if (kind == COMPLETION_TEXT &&
             (span_starts_nocase(line, SPAN(".f=")) || span_starts_nocase(line, SPAN(".a="))))
        find_files(c, span_from(line, 3));
}

struct span completion_common(const struct completion *c)
{
    struct span rest = BUF_SPAN(&c->words), common = {"", 0}, word;

    if (c->count == 0)
        return common;
    span_cut(&rest, '\0', &common);
    for (size_t i = 1; i < c->count && span_cut(&rest, '\0', &word); i++) {
        size_t n = 0;
        while (n < common.n && n < word.n && common.p[n] == word.p[n])
            n++;
        common.n = n;
    }
    utf8_valid(common, &common.n);
    return common;
}

void completion_free(struct completion *c)
{
    buf_free(&c->words);
    c->count = 0;
}
