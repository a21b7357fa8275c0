/* What a terminal sends, and the draft that was kept of it: octet 1 chooses. Of a terminal each
 * octet is a character, those from X'80' on by a table; of a draft the rest is the file.
 *
 * Holds: keys are the characters in their order, without those that may not be shown; inserted text
 * was pasted, has no control but tabs, and fits into a line; a draft is read to its last whole line
 * and cut there, whatever is in it, and what is added then is read back. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sndmsg/draft.h"
#include "sndmsg/keys.h"

enum { PASTE_MAX = 40, CHARACTERS_MAX = 4096, FLUSH = 0x80 };

static const wchar_t table[] = {0x85,   0x9B,   0xE4,    0x301,    0x202E,   0x2028, 0xD800,
                                0xFFFF, 0xFEFF, 0x1F600, 0x10FFFF, 0x110000, -1,     0x7FFFFFFF};

static char folder[200];

/* Finds the character in what was put in, behind the place where the last one was found. */
static void find_next(const wchar_t *in, size_t n, size_t *at, wchar_t c)
{
    while (*at < n && in[*at] != c && !(c == L'\n' && in[*at] == L'\r'))
        (*at)++;
    CHECK(*at < n);
    (*at)++;
}

static void take_keys(struct keys *k, const wchar_t *in, size_t n, size_t *at)
{
    struct key key;

    while (keys_take(k, &key)) {
        CHECK((key.text != NULL) == (key.character == KEYS_INSERT));
        CHECK(key.pasted == (key.text != NULL) || key.character == L'\n');
        CHECK(key.character != 0x9B && key.character != 0x202E && key.character != 0xD800);
        if (key.text == NULL)
            find_next(in, n, at, key.character);
        CHECK(key.text == NULL || (key.text[0] != L'\0' && wcslen(key.text) <= PASTE_MAX));
        for (const wchar_t *c = key.text; c != NULL && *c != L'\0'; c++) {
            CHECK(*c == L'\t' || (*c >= 0x20 && *c != 0x7F && *c != 0x9B && *c != 0x202E));
            find_next(in, n, at, *c);
        }
        free(key.text);
    }
}

static void try_keys(struct span octets)
{
    static wchar_t in[CHARACTERS_MAX];
    struct keys k;
    size_t at = 0, n = 0;

    keys_init(&k, PASTE_MAX);
    while (octets.n > 0 && n < CHARACTERS_MAX) {
        unsigned octet = take_octet(&octets);
        if (octet == FLUSH) {
            keys_flush(&k);
            CHECK(!keys_waiting(&k));
            continue;
        }
        in[n] = octet < 0x80 ? (wchar_t)octet : table[octet % (sizeof(table) / sizeof(table[0]))];
        keys_put(&k, in[n++]);
        if (octet == '\n')
            take_keys(&k, in, n, &at);
    }
    keys_flush(&k);
    take_keys(&k, in, n, &at);
    CHECK(!k.failed && (k.refused || k.overlong || k.pasting || at <= n));
    keys_free(&k);
}

static void remove_folder(void)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/spoolmail/draft", folder);
    (void)unlink(path);
    snprintf(path, sizeof(path), "%s/spoolmail", folder);
    (void)rmdir(path);
    (void)rmdir(folder);
}

static void make_folder(void)
{
    const char *above = getenv("TMPDIR");

    if (folder[0] != '\0')
        return;
    snprintf(folder, sizeof(folder), "%s/draft.XXXXXX", above != NULL ? above : "/tmp");
    CHECK(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
}

/* Up to its last whole line; each line again as it stands in the file but for its mark. */
static size_t read_draft(struct draft *d, struct span file, struct buf *line, bool *pasted)
{
    bool marked = false;
    size_t octets = 0;

    while (draft_next(d, line, &marked)) {
        size_t n = span_find(file, '\n');
        *pasted = marked;
        CHECK(n < file.n);
        struct span whole = {file.p, n};
        file = span_from(file, n + 1);
        octets += n + 1;
        CHECK(span_eq(span_from(whole, n > 0), BUF_SPAN(line)));
        CHECK(marked == (n > 0 && whole.p[0] == '+'));
    }
    return octets;
}

static void try_draft(struct span file)
{
    static const char added[] = "an added line";
    struct buf line = {0}, whole = {0};
    struct draft d;
    bool pasted = false;

    make_folder();
    CHECK(draft_folder(&d, folder, NULL) && d.dir >= 0);
    int fd = openat(d.dir, "draft", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && (file.n == 0 || write(fd, file.p, file.n) == (ssize_t)file.n));
    close(fd);
    CHECK(draft_find(&d) == (file.n > 0));
    if (file.n > 0) {
        size_t octets = read_draft(&d, file, &line, &pasted);
        CHECK(octets == d.size && octets <= file.n);
        CHECK(span_find(span_from(file, octets), '\n') == file.n - octets);
        CHECK(buf_add(&whole, file.p, octets));
        CHECK(draft_add(&d, SPAN(added), file.n & 1) && draft_leave(&d));
        buf_printf(&whole, "%c%s\n", file.n & 1 ? '+' : ' ', added);
        draft_close(&d);
        CHECK(draft_folder(&d, folder, NULL) && draft_find(&d));
        octets = read_draft(&d, BUF_SPAN(&whole), &line, &pasted);
        CHECK(octets == whole.len && pasted == (file.n & 1));
        draft_drop(&d);
    }
    draft_close(&d);
    buf_free(&line);
    buf_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};

    if (take_octet(&in) & 1)
        try_draft(in);
    else
        try_keys(in);
    return 0;
}
