/* See writer.h. */
#include "jobs/printer/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "jobs/printer/lp.h"
#include "jobs/printer/render.h"
#include "jobs/printer/slip.h"
#include "lib/clock.h"
#include "lib/unit.h"

#define TEMPORARY_ENDING ".new"
#define LP_ENDING ".lp"

enum { STEM_MAX = 200, PRINT_MODE = 0750, FILE_MODE = 0640, NUMBER_TRIES = 16, PASS_FILES = 20 };

/* The files of a printout, in the order they get their names. */
enum part { PART_TEXT, PART_PDF, PART_SLIP, PARTS };

static const char *const endings[PARTS] = {TEXT_ENDING, PDF_ENDING, SLIP_ENDING};

struct printout {
    char stem[STEM_MAX + 24];
    int fd[PARTS]; /* -1: not wanted */
};

static void trouble(const struct writer *w, const char *name, const char *why)
{
    MSG(&w->program->log, T01SM032W, name, why);
}

static bool wanted(const struct site *site, enum part part)
{
    return part == PART_SLIP || site->printout == PRINTOUT_BOTH ||
           (part == PART_TEXT) == (site->printout == PRINTOUT_TEXT);
}

static void part_name(const struct printout *p, enum part part, bool temporary,
                      char out[NAME_MAX + 1])
{
    snprintf(out, NAME_MAX + 1, "%s%s%s%s", temporary ? "." : "", p->stem, endings[part],
             temporary ? TEMPORARY_ENDING : "");
}

/* The name of the printout: letters that any tool takes, and the second the file came. A job number
 * comes again after 99,999 others; with the second it does not. */
static void name_printout(struct printout *p, const char *name, time_t came)
{
    char date[24] = "";
    struct tm tm;
    size_t n = strlen(name);

    if (gmtime_r(&came, &tm) != NULL)
        strftime(date, sizeof(date), ".D%y%j.T%H%M%S", &tm);
    snprintf(p->stem, sizeof(p->stem), "%.*s%s", (int)(n < STEM_MAX ? n : STEM_MAX), name, date);
    for (char *c = p->stem; *c != '\0'; c++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@#$.+_-", *c) ==
                NULL ||
            (*c == '-' && c == p->stem))
            *c = '_';
}

static void abandon(const struct writer *w, struct printout *p)
{
    char name[NAME_MAX + 1];

    for (int i = 0; i < PARTS; i++) {
        if (p->fd[i] < 0)
            continue;
        close(p->fd[i]); /* nothing in it was promised to anybody */
        p->fd[i] = -1;
        part_name(p, (enum part)i, true, name);
        unlinkat(w->print, name, 0); /* left over: the next start's */
    }
}

static bool create_parts(const struct writer *w, struct printout *p)
{
    char name[NAME_MAX + 1];

    for (int i = 0; i < PARTS; i++)
        p->fd[i] = -1;
    for (int i = 0; i < PARTS; i++) {
        if (!wanted(w->program->site, (enum part)i))
            continue;
        part_name(p, (enum part)i, true, name);
        if (unlinkat(w->print, name, 0) < 0 && errno != ENOENT)
            return false;
        p->fd[i] = durable_create(w->print, name, FILE_MODE);
        /* The directory says who may look; operators of its group read what is in it. */
        if (p->fd[i] < 0 || fchmod(p->fd[i], FILE_MODE) < 0)
            return false;
    }
    return true;
}

/* Names the written files. What stands under the names is an earlier try at the same file. */
static bool commit_parts(const struct writer *w, struct printout *p)
{
    char name[NAME_MAX + 1], temporary[NAME_MAX + 1];
    int lp;

    for (int i = 0; i < PARTS; i++)
        if (p->fd[i] >= 0 && durable_sync(p->fd[i]) < 0)
            return false;
    if (w->program->site->lp_queue != NULL) {
        snprintf(name, sizeof(name), "%s" LP_ENDING, p->stem);
        lp = openat(w->print, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        if (lp < 0)
            return false;
        close(lp); /* empty: its name says all */
    }
    for (int i = 0; i < PARTS; i++) {
        int fd = p->fd[i];
        if (fd < 0)
            continue;
        part_name(p, (enum part)i, true, temporary);
        part_name(p, (enum part)i, false, name);
        p->fd[i] = -1;
        if (durable_close(fd) < 0 || renameat(w->print, temporary, w->print, name) < 0)
            return false;
    }
    return durable_sync(w->print) == 0;
}

/* The reason beside the held file. */
static int stage_reason(struct unit *u, const char *as, const char *name, const char *why)
{
    char reason[NAME_MAX + 1];
    struct buf text = {0}, safe = {0};
    int result = -1;

    unit_reason_name(reason, as);
    buf_printf(&text,
               "The spool file %s was not printed.\n\nReason: %s\n\n"
               "It lies unchanged in jes/HOLD as %s.\n"
               "When it is corrected, put it into jes/PRT again.\n",
               name, why, as);
    if (!text.failed && buf_addsafe(&safe, BUF_SPAN(&text)))
        result = unit_put(u, UNIT_HOLD, reason, BUF_SPAN(&safe), (struct span){NULL, 0});
    else
        errno = ENOMEM;
    int saved = errno;
    buf_free(&text);
    buf_free(&safe);
    errno = saved;
    return result;
}

/* Moves a file to HOLD with its reason, both or neither. */
static enum pass hold(struct writer *w, const char *name, const char *why)
{
    const struct msg_log *log = &w->program->log;
    char as[NAME_MAX + 1];
    struct unit u;

    if (unit_begin(&u, &w->spool, "printer", ++w->units, QUEUE_PRT) < 0 ||
        unit_claim(&u, name, as) < 0 || unit_keep(&u, as) < 0 ||
        stage_reason(&u, as, name, why) < 0) {
        trouble(w, name, strerror(errno));
        if (unit_rollback(&u) == 0)
            return PASS_TROUBLE;
    } else if (unit_commit(&u) == 0 && unit_publish(&u) == 0) {
        MSG(log, T01SM031W, as, why, "jes/PRT");
        return PASS_WORKED;
    }
    MSG(log, T01SM024E, "PRINTER", strerror(errno));
    return PASS_IN_DOUBT;
}

/* Gives a file without a job number one, by its name: then it keeps it, whatever happens. */
static bool number_file(const struct writer *w, const char *name, char out[NAME_MAX + 1])
{
    int prt = w->spool.queue[QUEUE_PRT];
    struct spool_name parts;
    size_t n = strlen(name);

    spool_name_parse(span_of(name), &parts);
    snprintf(out, NAME_MAX + 1, "%s", name);
    if (parts.id[0] != '\0')
        return true;
    /* Of a long name the end is kept: its last qualifier may be the record format. */
    const char *rest = name + strlen(parts.job);
    if (n > STEM_MAX)
        rest = name + n - STEM_MAX / 2;
    for (int tries = 0; tries < NUMBER_TRIES; tries++) {
        unsigned number = spool_job_number(&w->spool);
        if (number == 0)
            return false;
        snprintf(out, NAME_MAX + 1, "%s.JOB%05u%s%s", parts.job[0] != '\0' ? parts.job : "MAIL",
                 number, *rest == '.' || *rest == '\0' ? "" : ".", rest);
        if (durable_move(prt, name, prt, out) == 0)
            return durable_sync(prt) == 0;
        if (errno != EEXIST)
            return false;
    }
    return false;
}

/* The printout is safe: the spool file may go. */
static enum pass purge(const struct writer *w, const char *name)
{
    int prt = w->spool.queue[QUEUE_PRT];

    if ((unlinkat(prt, name, 0) < 0 && errno != ENOENT) || durable_sync(prt) < 0) {
        MSG(&w->program->log, T01SM063W, name, strerror(errno));
        return PASS_TROUBLE;
    }
    return PASS_WORKED;
}

static enum pass print_file(struct writer *w, const char *name, int file, const struct stat *st)
{
    struct printout p = {0};
    char reason[RENDER_REASON];

    name_printout(&p, name, st->st_mtim.tv_sec);
    if (!create_parts(w, &p)) {
        trouble(w, name, strerror(errno));
        abandon(w, &p);
        return PASS_TROUBLE;
    }
    struct render r = {w->program,      name,           p.stem,         file, st->st_mtim.tv_sec,
                       p.fd[PART_TEXT], p.fd[PART_PDF], p.fd[PART_SLIP]};
    enum render_result result = render_file(&r, reason);
    if (result == RENDER_GOOD && commit_parts(w, &p)) {
        MSG(&w->program->log, T01SM060I, name, p.stem);
        return purge(w, name);
    }
    if (result == RENDER_GOOD)
        snprintf(reason, sizeof(reason), "%s", strerror(errno));
    abandon(w, &p);
    if (result == RENDER_BAD)
        return hold(w, name, reason);
    trouble(w, name, reason);
    return PASS_TROUBLE;
}

static enum pass take_file(struct writer *w, const char *name, const struct ready_rules *rules)
{
    char numbered[NAME_MAX + 1];
    const char *reason = NULL;
    struct stat st;
    int fd;

    enum ready r =
        ready_check(&w->watches, rules, w->spool.queue[QUEUE_PRT], name, &fd, &st, &reason);
    if (r == READY_BUSY)
        return PASS_IDLE;
    if (r == READY_BAD)
        return hold(w, name, reason);
    enum pass result = PASS_TROUBLE;
    if (st.st_size > RENDER_FILE_MAX)
        result = hold(w, name, "it is larger than 1 GiB: print it with another program");
    else if (number_file(w, name, numbered))
        result = print_file(w, numbered, fd, &st);
    else if (errno == ENOENT)
        result = PASS_IDLE; /* somebody took it away */
    else
        trouble(w, name, strerror(errno));
    close(fd); /* read only; gives the lease back */
    return result;
}

struct sweep {
    struct writer *writer;
    struct ready_rules rules;
    unsigned printed;
    enum pass result;
};

static int sweep_entry(void *arg, const char *name)
{
    struct sweep *s = arg;

    if (!spool_name_visible(name))
        return 0;
    enum pass r = take_file(s->writer, name, &s->rules);
    s->result = pass_worse(s->result, r);
    s->printed += r == PASS_WORKED;
    return r == PASS_IN_DOUBT || s->printed == PASS_FILES;
}

static enum pass print_queue(struct writer *w)
{
    struct sweep s = {.writer = w,
                      .rules = {.quiet_ms = (int64_t)w->program->site->quiet * 1000,
                                .now_ms = clock_steady_ms(),
                                .wall = clock_wall(),
                                .max_octets = UINT64_MAX}, /* what is here was accepted */
                      .result = PASS_IDLE};

    if (durable_each(w->spool.queue[QUEUE_PRT], sweep_entry, &s) < 0) {
        MSG(&w->program->log, T01SM001I, "jes/PRT", strerror(errno), "TRIED AGAIN LATER");
        s.result = pass_worse(s.result, PASS_TROUBLE);
    }
    ready_prune(&w->watches, clock_steady_ms());
    return s.result;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    return n > m && strcmp(name + n - m, ending) == 0;
}

/* Hands one printout to lp: as PDF if there is one. True when nothing is left to do. */
static bool hand_over(struct writer *w, const char *marker)
{
    const struct site *site = w->program->site;
    static const enum part order[] = {PART_PDF, PART_TEXT};
    char name[NAME_MAX + 8], path[PATH_MAX], words[LP_WORDS];
    int stem = (int)(strlen(marker) - strlen(LP_ENDING));

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        snprintf(name, sizeof(name), "%.*s%s", stem, marker, endings[order[i]]);
        if (faccessat(w->print, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        snprintf(path, sizeof(path), "%s/" PRINT_DIRECTORY "/%s", site->spool, name);
        name[stem] = '\0';
        if (!lp_print(site->lp_queue, name, path, words)) {
            MSG(&w->program->log, T01SM061W, name, words);
            return false;
        }
        MSG(&w->program->log, T01SM062I, name, site->lp_queue);
        break;
    }
    /* A printout that is no more needs no printer either. */
    if (unlinkat(w->print, marker, 0) < 0 && errno != ENOENT) {
        MSG(&w->program->log, T01SM001I, marker, strerror(errno), "TRIED AGAIN LATER");
        return false;
    }
    return true;
}

/* 1 after a refusal: then the others wait as well. */
static int feed_entry(void *arg, const char *name)
{
    return spool_name_visible(name) && ends_with(name, LP_ENDING) && !hand_over(arg, name);
}

static enum pass feed_lp(struct writer *w)
{
    const struct site *site = w->program->site;

    if (site->lp_queue == NULL || clock_steady_ms() < w->lp_next ||
        durable_each(w->print, feed_entry, w) == 0)
        return PASS_IDLE;
    w->lp_next = clock_steady_ms() + (int64_t)site->retryint * 1000;
    return PASS_TROUBLE;
}

enum pass writer_pass(struct writer *w)
{
    enum pass result = print_queue(w);

    return result == PASS_IN_DOUBT ? result : pass_worse(result, feed_lp(w));
}

/* Files that an earlier process did not finish; its spool files are all still there. */
static int sweep_leftover(void *arg, const char *name)
{
    const int *print = arg;

    if (name[0] == '.' && ends_with(name, TEMPORARY_ENDING))
        unlinkat(*print, name, 0); /* still there: the next start's */
    return 0;
}

bool writer_open(struct writer *w)
{
    const struct program *p = w->program;

    w->print = durable_dir(w->spool.root, PRINT_DIRECTORY, PRINT_MODE);
    if (w->print < 0)
        return false;
    int found = unit_recover(&w->spool, "printer", QUEUE_PRT);
    if (found < 0)
        return false;
    if (found > 0)
        MSG(&p->log, T01SM023I, msg_num(found).text, p->name);
    spool_sweep(w->spool.queue[QUEUE_PRT]);
    return durable_each(w->print, sweep_leftover, &w->print) == 0;
}

void writer_close(struct writer *w)
{
    if (w->print >= 0)
        close(w->print); /* a directory */
    ready_free(&w->watches);
    spool_close(&w->spool);
}
