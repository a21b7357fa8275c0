/* jes list and jes show: the printouts in SPOOL/print. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "jobs/jes/folder.h"
#include "jobs/jes/jes.h"
#include "jobs/jes/pager.h"
#include "jobs/printer/slip.h"
#include "lib/durable.h"

static const struct {
    const char *title;
    enum slip_field field;
    size_t columns;
    void (*add)(struct buf *line, const char *text, size_t columns);
} columns[] = {
    {"NUMBER", SLIP_NUMBER, 8, line_column}, {"JOB", SLIP_JOB, 8, line_column},
    {"USER", SLIP_USER, 8, line_column},     {"PAGES", SLIP_PAGES, 5, line_number},
    {"SIZE", SLIP_SIZE, 10, line_number},    {"REASON", SLIP_REASON, 18, line_column},
    {"FROM", SLIP_FROM, 30, line_column},    {"SUBJECT", SLIP_SUBJECT, 60, line_column},
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]), TIME_COLUMNS = 16 };

/* The printouts, oldest first; a folder that was never made has none. */
static bool open_printouts(const struct jes *j, struct folder *f)
{
    if (folder_open(f, j->spool, PRINT_DIRECTORY, SLIP_ENDING, NULL) || errno == ENOENT)
        return true;
    jes_complain(PRINT_DIRECTORY, strerror(errno));
    return false;
}

static void read_slip(const struct folder *f, const struct file *file, struct slip *slip)
{
    struct buf text = {0};

    folder_read(f, file->name, SLIP_MAX, &text);
    slip_read(slip, BUF_SPAN(&text));
    buf_free(&text);
}

int jes_list(const struct jes *j)
{
    struct folder f;
    struct buf line = {0};
    struct slip slip;
    char when[24];

    if (!open_printouts(j, &f))
        return EX_NOINPUT;
    if (f.files == 0) {
        puts("No printouts.");
    } else {
        line_column(&line, "PRINTED", TIME_COLUMNS);
        for (size_t c = 0; c < COLUMNS; c++)
            columns[c].add(&line, columns[c].title, columns[c].columns);
        line_print(&line);
    }
    for (size_t i = f.files; i-- > 0;) {
        file_time(&f.file[i], when);
        read_slip(&f, &f.file[i], &slip);
        line_column(&line, when, TIME_COLUMNS);
        for (size_t c = 0; c < COLUMNS; c++)
            columns[c].add(&line, slip.value[columns[c].field], columns[c].columns);
        line_print(&line);
    }
    folder_close(&f);
    return EX_OK;
}

/* The name without the ending that a shell may have completed. */
static struct span stem_of(struct span name)
{
    static const char *const endings[] = {SLIP_ENDING, TEXT_ENDING, PDF_ENDING};

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        struct span ending = span_of(endings[i]);
        if (name.n > ending.n && span_eq(span_from(name, name.n - ending.n), ending))
            return (struct span){name.p, name.n - ending.n};
    }
    return name;
}

/* By its name, or else the newest with the job number; NULL: none. */
static const struct file *find(const struct folder *f, const char *wanted)
{
    struct span name = stem_of(span_of(wanted));
    struct slip slip;

    for (size_t i = f->files; i-- > 0;)
        if (span_eq(stem_of(span_of(f->file[i].name)), name))
            return &f->file[i];
    for (size_t i = f->files; i-- > 0;) {
        read_slip(f, &f->file[i], &slip);
        if (slip.value[SLIP_NUMBER][0] != '\0' &&
            span_eq_nocase(span_of(slip.value[SLIP_NUMBER]), name))
            return &f->file[i];
    }
    return NULL;
}

/* Lines made safe again: the folder is not ours alone. A form feed becomes a rule. */
static bool show_text(FILE *from, FILE *to)
{
    struct buf safe = {0};
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    while ((n = getline(&line, &size, from)) > 0 && !ferror(to)) {
        struct span text = {line, (size_t)n};
        if (text.p[text.n - 1] == '\n')
            text.n--;
        buf_clear(&safe);
        if (text.n > 0 && text.p[0] == '\f') {
            buf_fill(&safe, '-', 132);
            buf_addc(&safe, '\n');
            text = span_from(text, 1);
        }
        utf8_safe(text, &safe);
        buf_addc(&safe, '\n');
        fwrite(safe.data, 1, safe.len, to);
    }
    bool good = !ferror(from) && !safe.failed;
    free(line);
    buf_free(&safe);
    return good;
}

static int show_file(const struct folder *f, struct span stem)
{
    char name[NAME_MAX + 1];
    struct stat st;
    struct pager pager;

    snprintf(name, sizeof(name), "%.*s" TEXT_ENDING, (int)stem.n, stem.p);
    int fd = durable_open(f->dir, name);
    if (fd < 0 && errno == ENOENT) {
        jes_complain(name, "was printed as PDF only: look at the file that ends in .pdf");
        return EX_UNAVAILABLE;
    }
    bool plain = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    FILE *from = plain ? fdopen(fd, "r") : NULL;
    if (from == NULL) {
        jes_complain(name, fd >= 0 && !plain ? "is no plain file" : strerror(errno));
        if (fd >= 0)
            close(fd);
        return EX_NOINPUT;
    }
    bool good = pager_open(&pager) && jes_jail() && show_text(from, pager.to);
    if (!good)
        jes_complain(name, strerror(errno));
    pager_close(&pager);
    fclose(from); /* read only */
    return good ? EX_OK : EX_IOERR;
}

int jes_show(const struct jes *j)
{
    struct folder f;
    int status = EX_NOINPUT;

    if (!open_printouts(j, &f))
        return status;
    const struct file *file = find(&f, j->operand[0]);
    if (file == NULL)
        jes_complain(j->operand[0], "no printout has this name or job number: see jes list");
    else
        status = show_file(&f, stem_of(span_of(file->name)));
    folder_close(&f);
    return status;
}
