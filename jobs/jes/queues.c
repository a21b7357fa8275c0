/* jes queue: what waits in the queues, oldest first, and why files are held. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "jobs/jes/folder.h"
#include "jobs/jes/jes.h"
#include "lib/spool.h"
#include "lib/unit.h"

enum { REASON_MAX = 4096 };

static const struct {
    enum spool_queue queue;
    bool reasons; /* files lie there with their reason beside them */
} queues[] = {
    {QUEUE_REMOTE, false}, {QUEUE_SUBMIT, false}, {QUEUE_POST, false}, {QUEUE_PRT, false},
    {QUEUE_HOLD, true},    {QUEUE_DEAD, true},    {QUEUE_MAIL, false},
};

static void owner_name(uid_t uid, char out[40])
{
    const struct passwd *pw = getpwuid(uid);

    if (pw != NULL)
        snprintf(out, 40, "%s", pw->pw_name);
    else
        snprintf(out, 40, "%lu", (unsigned long)uid);
}

static void put_file(const struct file *file)
{
    char text[40];
    struct buf line = {0};

    file_time(file, text);
    buf_adds(&line, "  ");
    line_column(&line, text, 16);
    snprintf(text, sizeof(text), "%lld", (long long)file->st.st_size);
    line_number(&line, text, 10);
    owner_name(file->st.st_uid, text);
    line_column(&line, text, 8);
    buf_adds(&line, file->name);
    line_print(&line);
}

/* The line that begins with "Reason: ", or else the first. */
static void put_reason(const struct folder *f, const struct file *file)
{
    char name[NAME_MAX + 1 + sizeof(UNIT_REASON)];
    struct buf text = {0}, line = {0};
    struct span part, found = {NULL, 0};

    snprintf(name, sizeof(name), "%s" UNIT_REASON, file->name);
    if (!folder_read(f, name, REASON_MAX, &text)) {
        buf_free(&text);
        return;
    }
    for (struct span rest = BUF_SPAN(&text); span_line(&rest, &part);) {
        bool reason = span_starts_nocase(part, SPAN("Reason: "));
        if (reason || found.p == NULL)
            found = part;
        if (reason)
            break;
    }
    buf_adds(&line, "      ");
    buf_addspan(&line, found);
    line_print(&line);
    buf_free(&text);
}

static bool put_queue(const struct jes *j, size_t row)
{
    char name[64];
    struct folder f;
    struct buf line = {0};

    spool_queue_name(j->site, queues[row].queue, name);
    if (!folder_open(&f, j->spool, name, NULL, queues[row].reasons ? UNIT_REASON : NULL)) {
        buf_printf(&line, "%s: %s", name,
                   errno == EACCES ? "you may not list it: it is the spool's user's"
                                   : strerror(errno));
        line_print(&line);
        return errno == EACCES || errno == ENOENT;
    }
    buf_printf(&line, "%s: %zu %s", name, f.files, f.files == 1 ? "file" : "files");
    line_print(&line);
    for (size_t i = 0; i < f.files; i++) {
        put_file(&f.file[i]);
        if (queues[row].reasons)
            put_reason(&f, &f.file[i]);
    }
    folder_close(&f);
    return true;
}

int jes_queue(const struct jes *j)
{
    bool good = true;

    for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
        good = put_queue(j, i) && good;
    return good ? EX_OK : EX_IOERR;
}
