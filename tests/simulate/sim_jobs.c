/* See sim_actors.h: users' programs. Each way of submitting is a function; what it learns of its
 * success it tells the oracle, and what it cannot know as well. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dsname.h"
#include "lib/offer.h"
#include "lib/spool.h"
#include "spool4/spool4.h"
#include "ssmtp/ssmtp.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/sim_actors.h"
#include "tests/simulate/sim_message.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_parts.h"
#include "usmtp/usmtp.h"

static int run(int (*main)(int argc, char **argv), char *name)
{
    char *argv[] = {name, NULL};

    return main(1, argv);
}

void actor_spool4(struct process *p)
{
    char name[] = "spool4";

    p->status = run(spool4_main, name);
}

void actor_usmtp(struct process *p)
{
    char name[] = "usmtp";

    p->status = run(usmtp_main, name);
}

void actor_ssmtp(struct process *p)
{
    /* Mostly the smallest journal, so that it is often full; now and then a start has none. */
    static const char *const journals[] = {"--journal=256", "--journal=512", "--journal=0"};
    char name[] = "ssmtp", workers[] = "--workers=1", journal[16];
    char *argv[] = {name, workers, journal, NULL};

    snprintf(journal, sizeof(journal), "%s", journals[sim_one_in(8) ? 1 + sim_below(2) : 0]);

    p->status = ssmtp_main(3, argv);
}

/* Jobs. */

struct submission {
    struct process *process;
    struct spool spool;
    enum message_kind kind;
    uint32_t id, users;
    char name[64];
};

/* The file that a job writes; in the simulation's own memory, freed before any call is made. */
static void write_file(struct text *t, const struct submission *s)
{
    text_puts(t, "X-From: <" JOB_ADDRESS ">\n");
    for (unsigned u = 0; u < USERS && s->kind != MESSAGE_FAULTY; u++)
        if (s->users & 1U << u) {
            text_puts(t, "X-To: <");
            text_user(t, u);
            text_puts(t, ">\n");
        }
    message_write(t, s->id);
}

static void write_batch_mail(struct text *t, uint32_t id, uint32_t users)
{
    text_puts(t, "MAIL FROM:<" JOB_ADDRESS ">\n");
    for (unsigned u = 0; u < USERS; u++)
        if (users & 1U << u) {
            text_puts(t, "RCPT TO:<");
            text_user(t, u);
            text_puts(t, ">\n");
        }
    text_puts(t, "DATA\n");
    struct text header = {0};
    message_write(&header, id);
    const char *body = memmem(header.data, header.size, "\n\n", 2);
    text_add(t, header.data, (size_t)(body + 2 - header.data));
    sim_free(header.data);
    message_body(t, id, true);
    text_puts(t, ".\n");
}

/* A piece of text that outlives the process is not needed: it is copied into the process's heap,
 * where it goes when the process is killed. */
static struct buf in_process(struct text *t)
{
    struct buf b = {0};

    if (!buf_add(&b, t->data, t->size))
        b.failed = true;
    sim_free(t->data);
    *t = (struct text){0};
    return b;
}

static struct buf file_of(const struct submission *s)
{
    struct text t = {0};

    write_file(&t, s);
    return in_process(&t);
}

static bool spool_text(struct submission *s, struct span text)
{
    struct spool_writer w;
    bool good = spool_create(&w, s->spool.queue[QUEUE_REMOTE]) == 0;

    if (good && spool_write(&w, text) < 0) {
        spool_abandon(&w);
        good = false;
    }
    good = good && spool_queue(&w, s->name) == 0;
    if (good)
        oracle_spooled(s->process, "RMT21", s->name);
    return good;
}

static bool submit_spooled(struct submission *s)
{
    struct buf text = file_of(s);
    bool good = !text.failed && spool_text(s, BUF_SPAN(&text));

    buf_free(&text);
    return good;
}

static bool submit_batch(struct submission *s)
{
    uint32_t second_users, second = oracle_new(MESSAGE_BATCH, &second_users);
    struct text t = {0};

    if (second != s->id + 1)
        sim_violation("a batch is not in one piece: an error of the simulation");
    text_puts(&t, "HELO " DOMAIN_SENDER "\n");
    write_batch_mail(&t, s->id, s->users);
    write_batch_mail(&t, second, second_users);
    text_puts(&t, "QUIT\n");
    struct buf text = in_process(&t);
    bool good = !text.failed && spool_text(s, BUF_SPAN(&text));
    buf_free(&text);
    if (good)
        oracle_accepted(second);
    else
        oracle_in_doubt(second);
    return good;
}

/* What a program of a user's own does: a temporary name, and a rename. */
static bool submit_dropped(struct submission *s)
{
    int dir = s->spool.queue[QUEUE_REMOTE];
    struct buf text = file_of(s);
    char temporary[64];

    snprintf(temporary, sizeof(temporary), ".t-%u", s->id);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    bool good = fd >= 0 && !text.failed && durable_write(fd, text.data, text.len) == 0 &&
                durable_sync(fd) == 0;
    if (fd >= 0 && durable_close(fd) < 0)
        good = false;
    good = good && durable_move(dir, temporary, dir, s->name) == 0;
    buf_free(&text);
    return good && durable_sync(dir) == 0;
}

/* In pieces, under the name that readers see. */
static bool write_slowly(int fd, struct span text)
{
    while (text.n > 0) {
        size_t n = 1 + sim_below((uint32_t)text.n);
        if (durable_write(fd, text.p, n) < 0)
            return false;
        text = span_from(text, n);
        if (sim_one_in(3))
            task_wait(sim.now_us + sim_below(4000000));
    }
    return true;
}

static bool copy_to(int dir, const char *name, struct span text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    bool good =
        fd >= 0 && write_slowly(fd, text) && durable_sync(fd) == 0 && durable_sync(dir) == 0;

    if (fd >= 0 && durable_close(fd) < 0)
        good = false;
    return good;
}

static bool submit_copied(struct submission *s)
{
    struct buf text = file_of(s);
    bool good = !text.failed && copy_to(s->spool.queue[QUEUE_REMOTE], s->name, BUF_SPAN(&text));

    buf_free(&text);
    return good;
}

/* A data set put into mail/ by hand, under a name that may be the next that a daemon chooses. */
static bool submit_strange(struct submission *s)
{
    struct buf text = file_of(s);
    char name[DSNAME_MAX + 1];
    uint64_t stamp = dsname_stamp(clock_wall()) + sim_below(4);
    bool good = !text.failed;

    for (uint32_t ahead = sim_below(50); ahead > 0; ahead--)
        stamp = dsname_next(stamp);
    dsname_format(SPAN("OUT"), stamp, name);
    good = good && copy_to(s->spool.queue[QUEUE_MAIL], name, BUF_SPAN(&text));
    buf_free(&text);
    return good;
}

static bool offer_user(struct offer *o, const struct submission *s, unsigned user)
{
    struct submission one = *s;
    int fd = offer_create(o);

    one.users = 1U << user;
    if (fd < 0)
        return false;
    struct buf text = file_of(&one);
    bool good = !text.failed && durable_write(fd, text.data, text.len) == 0;
    buf_free(&text);
    if (good)
        return offer_done(o, fd) == 0;
    close(fd);
    return false;
}

static bool submit_offered(struct submission *s)
{
    struct offer o;
    bool good = offer_begin(&o, s->spool.queue[QUEUE_MAIL]) == 0;

    for (unsigned u = 0; u < USERS && good; u++)
        if (s->users & 1U << u)
            good = offer_user(&o, s, u);
    good = good && offer_commit(&o) == 0;
    if (!good)
        offer_abandon(&o);
    return good;
}

static const struct {
    bool (*submit)(struct submission *s);
    const char *name; /* of its file, before the number */
    uint32_t share;   /* of 100 */
} ways[MESSAGE_KINDS] = {
    [MESSAGE_SPOOLED] = {submit_spooled, "S", 50}, [MESSAGE_DROPPED] = {submit_dropped, "D", 16},
    [MESSAGE_COPIED] = {submit_copied, "C", 5},    [MESSAGE_BATCH] = {submit_batch, "B", 8},
    [MESSAGE_OFFERED] = {submit_offered, "O", 16}, [MESSAGE_STRANGE] = {submit_strange, "M", 2},
    [MESSAGE_FAULTY] = {submit_spooled, "F", 3},
};

static enum message_kind choose_kind(void)
{
    uint32_t r = sim_below(100);
    int kind = 0;

    while (r >= ways[kind].share)
        r -= ways[kind++].share;
    return (enum message_kind)kind;
}

static bool submit(struct submission *s)
{
    s->kind = choose_kind();
    s->id = oracle_new(s->kind, &s->users);
    snprintf(s->name, sizeof(s->name), "%s%08u", ways[s->kind].name, s->id);
    if (sim_mistake(MISTAKE_ACK_BEFORE_SYNC))
        oracle_accepted(s->id);
    bool good = ways[s->kind].submit(s);
    if (good)
        oracle_accepted(s->id);
    else
        oracle_in_doubt(s->id);
    return good;
}

void actor_job(struct process *p)
{
    struct submission s = {.process = p};
    unsigned wanted = 1U << QUEUE_REMOTE | 1U << QUEUE_MAIL;
    struct diag d;

    p->umask = 022;
    if (!spool_open(&s.spool, parts_user_site(), wanted, false, &d))
        return;
    for (uint32_t n = 1 + sim_below(8); n > 0 && p->status == 0; n--)
        p->status = !submit(&s);
    spool_close(&s.spool);
}
