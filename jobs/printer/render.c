/* See render.h. The child gets open descriptors and writes to nothing else, so that one that lives
 * on after its parent was killed can alter no file that has a name. */
#include "jobs/printer/render.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "jobs/printer/child.h"
#include "jobs/printer/listing.h"
#include "jobs/printer/pdf.h"
#include "lib/clock.h"
#include "lib/seal.h"

enum { CPU_SECONDS = 300, WALL_SECONDS = 900, READ_AT_ONCE = 1 << 16 };

static bool read_all(int fd, struct buf *out)
{
    ssize_t n = 1;

    while (n != 0) {
        if (out->len > RENDER_FILE_MAX || !buf_reserve(out, READ_AT_ONCE)) {
            errno = out->len > RENDER_FILE_MAX ? EFBIG : ENOMEM;
            return false;
        }
        n = read(fd, out->data + out->len, READ_AT_ONCE);
        if (n < 0 && errno != EINTR)
            return false;
        out->len += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static int say(int words, int status, const char *format, const char *what)
{
    dprintf(words, format, what);
    return status;
}

static bool put(int fd, const struct buf *octets)
{
    return !octets->failed && durable_write(fd, octets->data, octets->len) == 0;
}

/* Writes the files of a printout that was made. */
static int write_files(const struct render *r, const struct pages *pages, const struct slip *slip,
                       int words)
{
    struct buf out = {0};
    const char *why = NULL;
    bool good = true;

    if (r->text >= 0) {
        pages_text(pages, &out);
        good = put(r->text, &out);
        buf_clear(&out);
    }
    if (good) {
        slip_write(slip, &out);
        good = put(r->slip, &out);
    }
    if (!good)
        say(words, 0, "%s", out.failed ? "memory is short" : strerror(errno));
    buf_free(&out);
    if (!good)
        return EX_IOERR;
    if (r->pdf >= 0 && !pdf_write(pages, r->title, r->spooled, r->pdf, &why))
        return say(words, EX_IOERR, "PDF: %s", errno != 0 ? strerror(errno) : why);
    return EX_OK;
}

/* Files of our own programs have a seal; what an operator put there needs none. */
static enum seal_state check_seal(int fd, struct span file)
{
    struct seal seal = {0};

    if (!seal_open(&seal, fd))
        return SEAL_NONE;
    seal_add(&seal, file);
    return seal_check(&seal);
}

static int convert(const struct render *r, int words)
{
    const struct program *p = r->program;
    int64_t now = clock_wall();
    struct listing_params params = {.site = p->site,
                                    .users = p->users,
                                    .name = r->name,
                                    .spooled = r->spooled,
                                    .printed = now,
                                    .offset = clock_offset(now)};
    struct buf file = {0};
    struct pages pages;
    struct slip slip;
    struct diag d;

    if (!read_all(r->file, &file))
        return say(words, errno == EFBIG ? EX_DATAERR : EX_IOERR, "it cannot be read: %s",
                   strerror(errno));
    enum seal_state state = check_seal(r->file, BUF_SPAN(&file));
    if (state == SEAL_BROKEN)
        return say(words, EX_DATAERR, "%s", SEAL_REASON);
    if (state == SEAL_TROUBLE)
        return say(words, EX_OSERR, "%s", "memory is short");
    enum listing_result result = listing_make(&params, BUF_SPAN(&file), &pages, &slip, &d);
    if (result == LISTING_GOOD)
        return write_files(r, &pages, &slip, words);
    if (d.line > 0)
        dprintf(words, "record %zu: ", d.line);
    return say(words, result == LISTING_BAD ? EX_DATAERR : EX_OSERR, "%s", d.text);
}

/* The child; it ends here. What it holds is given back by its end. */
static _Noreturn void work(const struct render *r, int words, pid_t parent)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM}; /* the parent's business */
    struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS}, none = {0, 0};

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(EX_TEMPFAIL);
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &none);
    if (!program_jail(r->program))
        _exit(EX_TEMPFAIL);
    _exit(convert(r, words));
}

/* Exit statuses of the child that are no reason to hold the file. */
static enum render_result judge(int status, bool in_time, char reason[RENDER_REASON])
{
    if (in_time && WIFEXITED(status)) {
        if (WEXITSTATUS(status) == EX_OK)
            return RENDER_GOOD;
        if (reason[0] == '\0')
            snprintf(reason, RENDER_REASON, "its conversion ended with status %d",
                     WEXITSTATUS(status));
        return WEXITSTATUS(status) == EX_DATAERR ? RENDER_BAD : RENDER_TROUBLE;
    }
    if (!in_time || WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL)
        snprintf(reason, RENDER_REASON, "its conversion took too much time or memory");
    else
        snprintf(reason, RENDER_REASON, "its conversion ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    return RENDER_BAD;
}

enum render_result render_file(const struct render *r, char reason[RENDER_REASON])
{
    int words[2], status = 0;
    pid_t parent = getpid();

    reason[0] = '\0';
    if (pipe2(words, O_CLOEXEC) < 0) {
        snprintf(reason, RENDER_REASON, "%s", strerror(errno));
        return RENDER_TROUBLE;
    }
    pid_t pid = fork();
    if (pid == 0)
        work(r, words[1], parent);
    close(words[1]);
    if (pid < 0) {
        snprintf(reason, RENDER_REASON, "%s", strerror(errno));
        close(words[0]);
        return RENDER_TROUBLE;
    }
    bool in_time = child_wait(pid, WALL_SECONDS, &status);
    child_words(words[0], reason, RENDER_REASON);
    close(words[0]);
    return judge(status, in_time, reason);
}
