/* See sim_oracle.h. Knows messages by number, and recipients of a message as a set of bits. What a
 * file is it reads off its text, once until the text changes. */
#include "tests/simulate/sim_oracle.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/dsname.h"
#include "ssmtp/plain.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/sim_files.h"
#include "tests/simulate/sim_journal.h"
#include "tests/simulate/sim_message.h"
#include "tests/simulate/sim_task.h"
#include "tests/simulate/sim_world.h"

enum message_state { MESSAGE_NEW, MESSAGE_DOUBTED, MESSAGE_ACCEPTED };

struct message {
    uint8_t kind, state;
    bool held;             /* its file is in HOLD */
    bool unreadable;       /* a read of its file failed */
    uint32_t writer;       /* the run of the process that writes it */
    uint32_t users;        /* whom it is for */
    uint32_t arrived;      /* stood under its name at the far end */
    uint32_t acked;        /* the far end said 2xx */
    uint32_t collected;    /* and a reader took it */
    uint32_t early;        /* a reader took it, and the far end has still to say 2xx */
    uint32_t told;         /* the sender was told that it did not arrive */
    uint32_t fresh;        /* the far end said 2xx since the text was sent last */
    uint32_t known;        /* and the sender knows it */
    uint8_t flying[USERS]; /* texts that were sent, and did not arrive */
    uint32_t seen;         /* in the inspection in hand */
    uint32_t place;        /* in the list of open ones, from 1 */
    uint64_t inspection;   /* that `seen` belongs to */
    int64_t accepted_us;
};

/* Where a file lies, as far as it matters. */
enum folder {
    PLACE_ELSE,
    PLACE_REMOTE,
    PLACE_MAIL,
    PLACE_POST,
    PLACE_PRT,
    PLACE_HOLD,
    PLACE_DEAD,
    PLACE_IN,    /* in/ of a unit */
    PLACE_PART,  /* another directory of a unit */
    PLACE_OFFER, /* within an offer */
    PLACE_WORK
};

static const struct {
    const char *parent, *name;
    enum folder folder;
} directories[] = {
    {"jes", "RMT21", PLACE_REMOTE},    {"jes", "POST", PLACE_POST},   {"jes", "PRT", PLACE_PRT},
    {"jes", "SUBMIT", PLACE_POST},     {"jes", "HOLD", PLACE_HOLD},   {"jes", "DEAD", PLACE_DEAD},
    {"spool", "mail", PLACE_MAIL},     {"spool", "work", PLACE_WORK}, {"*.open", "in", PLACE_IN},
    {"*.done", "in", PLACE_IN},        {"*.open", "*", PLACE_PART},   {"*.done", "*", PLACE_PART},
    {"mail", ".OFFER-*", PLACE_OFFER},
};

struct name_used {
    uint64_t stamp;
    uint32_t inode;
};

/* Where what was received stands. */
static const char *const arrivals[] = {"POST", "PRT", "SUBMIT"};
enum { ARRIVALS = sizeof(arrivals) / sizeof(arrivals[0]) };

struct oracle_figures oracle_figures;
static struct message *messages;
static uint32_t made, most, opens;
static uint32_t *open_list;
static struct name_used *names;
static uint32_t names_size, names_used;
static uint64_t inspections;
static bool oracle_last;

static const char *const kind_names[] = {"spooled", "dropped", "copied", "batch",
                                         "offered", "strange", "faulty"};

/* Places. */

static bool fits(const char *pattern, const char *name)
{
    return strchr(pattern, '*') == NULL ? strcmp(pattern, name) == 0
                                        : fnmatch(pattern, name, 0) == 0;
}

static enum folder folder_of(const struct inode *dir)
{
    if (dir->parent == NULL)
        return PLACE_ELSE;
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
        if (fits(directories[i].name, dir->name) && fits(directories[i].parent, dir->parent->name))
            return directories[i].folder;
    return PLACE_ELSE;
}

static bool visible(const char *name)
{
    return name[0] != '.';
}

/* Do readers take it up? */
static bool taken_up(const char *name, const struct inode *i)
{
    return visible(name) && !inode_unshown(i);
}

static bool ends(const char *name, const char *ending)
{
    size_t n = strlen(name), e = strlen(ending);

    return n > e && strcmp(name + n - e, ending) == 0;
}

static bool is_done(const struct inode *unit)
{
    return ends(unit->name, ".done");
}

static struct found found_in(struct inode *i)
{
    if (i->tag == 0)
        i->tag = found_pack(message_find(i->data != NULL ? i->data : "", i->size));
    return found_unpack(i->tag);
}

static struct host *host_of(const struct process *p)
{
    return p->host;
}

static bool by(const struct process *p, const char *program)
{
    return strcmp(p->name, program) == 0;
}

static bool is_daemon(const struct process *p)
{
    return by(p, "spool4") || by(p, "usmtp") || by(p, "ssmtp");
}

/* Messages. */

/* NULL: no message of that number was ever made. */
static struct message *message_at(uint32_t id)
{
    return id == 0 || id > made ? NULL : &messages[id];
}

static uint32_t choose_users(enum message_kind kind)
{
    uint32_t users = 0;
    uint32_t n = sim_one_in(4) ? 1 + sim_below(6) : 1 + sim_below(2);

    if (sim_one_in(100))
        n = 14;
    if (kind == MESSAGE_STRANGE)
        n = 1; /* a data set has one recipient */
    while (n-- > 0)
        users |= 1U << (sim_one_in(24) ? sim_below(USERS) : sim_below(USER_KNOWN));
    return users;
}

uint32_t oracle_new(enum message_kind kind, uint32_t *users)
{
    uint32_t id = ++made;

    if (made > most)
        sim_violation("more messages than there is room for: an error of the simulation");
    *users = choose_users(kind);
    sim_progress();
    messages[id] =
        (struct message){.kind = (uint8_t)kind, .users = *users, .writer = process_current()->run};
    return id;
}

enum message_kind oracle_kind(uint32_t id)
{
    return (enum message_kind)messages[id].kind;
}

/* Recipients that need nothing more. */
static bool is_finished(const struct message *m)
{
    uint32_t strange = 0;

    for (unsigned u = USER_UNKNOWN; u < USER_STRANGE; u++)
        strange |= 1U << u;
    return m->held || !(m->users & ~(m->collected | m->told | (m->acked & strange)));
}

static void open_message(uint32_t id)
{
    struct message *m = &messages[id];

    if (m->place != 0 || is_finished(m))
        return;
    open_list[opens++] = id;
    m->place = opens;
}

static void close_message(uint32_t id)
{
    struct message *m = &messages[id];

    if (m->place == 0 || !is_finished(m))
        return;
    uint32_t last = open_list[--opens];
    open_list[m->place - 1] = last;
    messages[last].place = m->place;
    m->place = 0;
    sim_progress();
}

/* Adds to a message's set of users. */
static void gain(uint32_t *set, uint32_t users)
{
    if (users & ~*set)
        sim_progress();
    *set |= users;
}

static uint32_t business(bool tell);

static void describe(void)
{
    enum { SHOWN = 8 };

    for (uint32_t i = 0; i < opens && i < SHOWN; i++) {
        const struct message *m = &messages[open_list[i]];
        fprintf(stderr,
                "simulate: open: message %u (%s) users %x arrived %x acknowledged %x collected %x "
                "told %x, accepted at %.6f\n",
                open_list[i], kind_names[m->kind], m->users, m->arrived, m->acked, m->collected,
                m->told, (double)m->accepted_us / 1000000);
    }
    if (opens > SHOWN)
        fprintf(stderr, "simulate: and %u more messages are open\n", opens - SHOWN);
    if (sim.calm && opens == 0)
        business(true);
}

void oracle_open(uint32_t n)
{
    most = n + 64;
    messages = sim_zeroed((most + 1) * sizeof(*messages));
    open_list = sim_zeroed((most + 1) * sizeof(*open_list));
    names_size = 1 << 12;
    names = sim_zeroed(names_size * sizeof(*names));
    sim.describe = describe;
}

void oracle_accepted(uint32_t id)
{
    struct message *m = &messages[id];

    if (m->state == MESSAGE_ACCEPTED)
        return;
    m->state = MESSAGE_ACCEPTED;
    m->accepted_us = sim.now_us;
    oracle_figures.accepted += (uint64_t)__builtin_popcount(m->users);
    open_message(id);
}

void oracle_in_doubt(uint32_t id)
{
    if (messages[id].state == MESSAGE_NEW)
        messages[id].state = MESSAGE_DOUBTED;
}

uint32_t oracle_waiting(void)
{
    return opens;
}

uint32_t oracle_made(void)
{
    return made;
}

/* Names of data sets. */

static struct name_used *probe(uint64_t stamp)
{
    uint32_t at = (uint32_t)(stamp * 0x9E3779B97F4A7C15U >> 32) & (names_size - 1);

    while (names[at].stamp != 0 && names[at].stamp != stamp)
        at = (at + 1) & (names_size - 1);
    return &names[at];
}

static void grow_names(void)
{
    struct name_used *old = names;
    uint32_t n = names_size;

    names_size *= 2;
    names = sim_zeroed(names_size * sizeof(*names));
    for (uint32_t i = 0; i < n; i++)
        if (old[i].stamp != 0)
            *probe(old[i].stamp) = old[i];
    sim_free(old);
}

static void use_name(const struct process *p, const char *name, const struct inode *i)
{
    uint64_t stamp;

    if (i->uid == WORLD_JOB_UID)
        return; /* the user that made it chose its name; it only came back */
    if (!dsname_parse(SPAN("OUT"), span_of(name), &stamp))
        sim_violation("%s gives a data set the name %s, which is none", p->name, name);
    struct name_used *n = probe(stamp);
    if (n->stamp != 0 && n->inode != i->number)
        sim_violation("the name %s is given out a second time", name);
    if (n->stamp != 0)
        return;
    *n = (struct name_used){stamp, i->number};
    if (++names_used > names_size / 2)
        grow_names();
}

/* What stands under a visible name. */

/* May the file of this message be less than whole? Only while its own writer is at it, or if he
 * was stopped. */
static bool may_be_torn(const struct message *m)
{
    return m == NULL || (m->state != MESSAGE_ACCEPTED &&
                         (m->kind == MESSAGE_COPIED || m->kind == MESSAGE_STRANGE));
}

/* For the list of events. */
static void note(const char *what, const struct found *f, const char *name)
{
    char detail[80];
    int n = snprintf(detail, sizeof(detail), "message %u user %u ", f->id, f->user);

    memccpy(detail + n, name, '\0', sizeof(detail) - (size_t)n - 1);
    detail[sizeof(detail) - 1] = '\0';
    sim_trace("oracle", what, detail, 0);
}

static void check_whole(const char *where, const char *name, struct inode *i)
{
    struct found f = found_in(i);
    const struct message *m = message_at(f.id);

    if (f.kind == FOUND_JUNK) {
        oracle_figures.inspected++;
        return; /* of a message that was accepted it will be missed */
    }
    if (!f.whole && !may_be_torn(m))
        sim_violation("%s/%s is not whole: message %u (%s), %u octets", where, name, f.id,
                      m == NULL ? "?" : kind_names[m->kind], i->size);
}

static void arrive(const struct process *p, const char *name, struct inode *i)
{
    struct found f = found_in(i);
    struct message *m = message_at(f.id);
    uint32_t bit = 1U << f.user;

    if (m == NULL || f.kind != FOUND_MAIL)
        return;
    if (m->flying[f.user] == 0)
        sim_violation("%s: message %u arrives for user %u oftener than it was sent, as %s", p->name,
                      f.id, f.user, name);
    m->flying[f.user]--;
    note(m->arrived & bit ? "arrives again" : "arrives", &f, name);
    if (m->arrived & bit)
        oracle_figures.doubled++;
    gain(&m->arrived, bit);
}

static void check_visible(const struct process *p, struct inode *dir, const char *name,
                          struct inode *i)
{
    enum folder place = folder_of(dir);

    if (!taken_up(name, i) || !is_daemon(p))
        return;
    if (place == PLACE_POST || place == PLACE_PRT || place == PLACE_HOLD || place == PLACE_DEAD ||
        place == PLACE_MAIL)
        check_whole(dir->name, name, i);
    if (host_of(p) == &world_hosts[HOST_RECEIVER] && (place == PLACE_POST || place == PLACE_PRT))
        arrive(p, name, i);
    if (place == PLACE_MAIL && i->kind == INODE_FILE)
        use_name(p, name, i);
}

void oracle_added(const struct process *p, struct inode *dir, const char *name, struct inode *i)
{
    check_visible(p, dir, name, i);
}

/* The sender removes a data set from mail/ itself, so it must have been taken at the far end. */
static void check_sent(const struct process *p, const char *name, struct inode *i)
{
    struct found f = found_in(i);
    struct message *m = message_at(f.id);

    if (m == NULL || f.kind != FOUND_MAIL)
        return;
    if (!(m->acked & 1U << f.user))
        sim_violation("%s removes %s (message %u, user %u), which nobody took", p->name, name, f.id,
                      f.user);
}

/* A claimed file is used up only when its unit is surely committed. */
static void check_used_up(const struct process *p, const struct inode *dir)
{
    const struct inode *unit = dir->parent;

    if (!is_done(unit))
        sim_violation("%s uses a file up in %s, which is not committed", p->name, unit->name);
    if (!disk_entry_durable(&host_of(p)->disk, unit->parent, unit->name, false))
        sim_violation("%s uses a file up, but the commit of %s is not durable", p->name,
                      unit->name);
}

/* The receiver takes back what it cannot vouch for. */
static void retract(struct inode *i)
{
    struct found f = found_in(i);
    struct message *m = message_at(f.id);

    if (m != NULL && f.kind == FOUND_MAIL)
        m->arrived &= ~(1U << f.user) | m->acked;
}

/* A move by link and unlink, or one that is taken back: the file stays, under its other name. */
static bool has_another_name(const struct process *p, const struct inode *dir, const char *name,
                             const struct inode *i)
{
    bool here = disk_find(&host_of(p)->disk, dir, name) == i; /* it goes, but did not yet */

    return i->links > here;
}

/* What was shown is not any more; no reader can have taken it. */
static void unshow_file(struct inode *i)
{
    struct found f = found_in(i);
    struct message *m = message_at(f.id);

    if (!i->shown)
        return;
    i->shown = false;
    if (m != NULL && f.kind == FOUND_MAIL)
        m->flying[f.user] += m->flying[f.user] < UINT8_MAX;
}

void oracle_removed(const struct process *p, struct inode *dir, const char *name, struct inode *i)
{
    if (i == NULL || i->kind != INODE_FILE || !taken_up(name, i) || !is_daemon(p))
        return;
    enum folder place = folder_of(dir);
    if (has_another_name(p, dir, name, i)) {
        if (by(p, "ssmtp") && (place == PLACE_POST || place == PLACE_PRT))
            unshow_file(i); /* its record is still there, or its file under the dotted name */
        return;
    }
    if (place == PLACE_MAIL && by(p, "usmtp"))
        check_sent(p, name, i);
    else if (place == PLACE_IN)
        check_used_up(p, dir);
    else if (by(p, "ssmtp") && (place == PLACE_POST || place == PLACE_PRT))
        retract(i);
}

void oracle_moved(const struct process *p, struct inode *from, const char *name, struct inode *to,
                  const char *new_name, struct inode *i)
{
    (void)from;
    /* It was in the journal: the receiver never takes it back. */
    if (by(p, "ssmtp") && strncmp(name, ".ssmtp-", 7) == 0)
        i->acked = i->shown = true;
    check_visible(p, to, new_name, i);
}

void oracle_shown(const struct process *p, struct inode *dir, const char *name, struct inode *i)
{
    i->acked = i->shown = true;
    check_visible(p, dir, name, i);
}

/* Acknowledgements. */

static struct inode *walk(const struct host *h, const char *const *path)
{
    struct inode *i = h->disk.root;

    for (; i != NULL && *path != NULL; path++)
        i = disk_find(&h->disk, i, *path);
    return i;
}

static struct inode *jes_queue(const struct host *h, const char *queue)
{
    return walk(h, (const char *const[]){"spool", "jes", queue, NULL});
}

static struct inode *mail_of(const struct host *h)
{
    return walk(h, (const char *const[]){"spool", "mail", NULL});
}

/* An acknowledged file: if it still stands there, nothing of it may hang on luck. */
static void check_durable(const struct process *p, struct inode *dir, const char *name)
{
    const struct disk *d = &host_of(p)->disk;
    const struct inode *i = dir == NULL ? NULL : disk_find(d, dir, name);

    if (i == NULL)
        return; /* a reader took it already */
    if (!disk_file_durable(i))
        sim_violation("%s acknowledges %s, whose content is not durable", p->name, name);
    if (!disk_entry_durable(d, dir, name, true))
        sim_violation("%s acknowledges %s, whose name is not durable", p->name, name);
}

void oracle_spooled(const struct process *p, const char *queue, const char *name)
{
    check_durable(p, jes_queue(host_of(p), queue), name);
}

/* The file of that name, if it stands there. */
static struct inode *received_file(const struct process *p, const char *name)
{
    const struct host *h = host_of(p);
    struct inode *i = NULL;

    for (int q = 0; q < ARRIVALS; q++) {
        struct inode *dir = jes_queue(h, arrivals[q]);
        struct inode *there = dir == NULL ? NULL : disk_find(&h->disk, dir, name);
        if (there != NULL && inode_unshown(there))
            continue; /* its record counts */
        if (there != NULL && (i == NULL || there->number > i->number))
            i = there; /* an older file of the other queue may have that name */
        check_durable(p, dir, name);
    }
    return i;
}

/* Each record of the receiver's journals. */
struct records {
    void (*each)(void *arg, const struct logged *r);
    void *arg;
};

static void records_of(void *arg, const char *name, struct inode *i)
{
    const struct records *r = arg;

    if (fits("SSMTP.*.JOURNAL", name))
        journal_each(i, r->each, r->arg);
}

static void each_record(const struct host *h, void (*each)(void *arg, const struct logged *r),
                        void *arg)
{
    struct inode *work = walk(h, (const char *const[]){"spool", "work", NULL});
    struct records r = {each, arg};

    if (work != NULL)
        disk_each(work, records_of, &r);
}

/* The newest record of a name. */
struct wanted {
    const char *name;
    bool unreleased;      /* only these */
    struct logged newest; /* journal NULL: there is none */
};

static void match(void *arg, const struct logged *r)
{
    struct wanted *w = arg;

    if (strcmp(r->name, w->name) == 0 && (!w->unreleased || r->generation > r->released) &&
        (w->newest.journal == NULL || r->generation > w->newest.generation))
        w->newest = *r;
}

static void acknowledge(const struct found *f)
{
    struct message *m = message_at(f->id);
    uint32_t bit = 1U << f->user;

    if (m == NULL || f->kind != FOUND_MAIL)
        return;
    gain(&m->acked, bit);
    m->fresh |= bit;
    if (m->early & bit)
        gain(&m->collected, bit);
    close_message(f->id);
}

/* A record that is used up must have become a file: what a kill leaves is all there is. */
static void check_used(const struct process *p, const struct logged *r, const struct found *f)
{
    struct plain plain = {.number = r->number, .generation = r->generation};
    const struct message *m = message_at(f->id);
    char file[PLAIN_FILE];

    if (r->generation > r->released || received_file(p, r->name) != NULL)
        return;
    if (m != NULL && m->early & 1U << f->user)
        return; /* a reader has it */
    span_copy(span_of(r->name), plain.name, sizeof(plain.name));
    plain_format(file, &plain);
    for (int q = 0; q < ARRIVALS; q++) {
        struct inode *dir = jes_queue(host_of(p), arrivals[q]);
        if (dir != NULL && (disk_find(&host_of(p)->disk, dir, file) != NULL ||
                            disk_find(&host_of(p)->disk, dir, r->name) != NULL))
            return;
    }
    sim_violation("%s acknowledges %s, whose record is released and has no file", p->name, r->name);
}

void oracle_received(const struct process *p, const char *name)
{
    struct inode *i = received_file(p, name);
    struct wanted w = {.name = name};
    struct found f;

    /* A file that was synced by itself was never acknowledged before. But after a power cut a job's
     * number, which is a hint, can come again: then another file may bear the name of a record. */
    w.unreleased = i != NULL && !i->acked;
    each_record(host_of(p), match, &w);
    if (w.newest.journal != NULL) {
        if (!disk_range_durable(w.newest.journal, w.newest.at, w.newest.size))
            sim_violation("%s acknowledges %s, whose record is not durable", p->name, name);
        f = message_find(w.newest.content.p, w.newest.content.n);
        check_used(p, &w.newest, &f);
    } else if (i != NULL) {
        f = found_in(i);
        i->acked = true;
    } else {
        sim_violation("%s acknowledges %s, which is nowhere", p->name, name);
    }
    acknowledge(&f);
}

void oracle_took(struct host *stranger, const char *text, size_t n, bool sure)
{
    struct found f = message_find(text, n);
    struct message *m = message_at(f.id);

    (void)stranger;
    if (m == NULL || !sure)
        return;
    gain(&m->acked, 1U << f.user);
    close_message(f.id);
}

/* The text of a message is sent: again only if its sender can't know that it was taken. */
static void send_text(const struct process *p, uint32_t id, unsigned user)
{
    struct message *m = &messages[id];
    uint32_t bit = 1U << user;

    if (m->known & bit)
        sim_violation("%s sends message %u to user %u again, and knows that it was taken", p->name,
                      id, user);
    if (m->told & bit)
        sim_violation("%s sends message %u to user %u, after its sender was told that it won't",
                      p->name, id, user);
    m->fresh &= ~bit;
    m->early &= ~bit;
    m->flying[user] += m->flying[user] < UINT8_MAX;
}

void oracle_sends(const struct process *p, struct ofd *socket, const char *octets, size_t n)
{
    uint32_t id;
    size_t behind = n > 512 ? n - 512 : 0; /* commands may stand behind a text */
    unsigned user = message_recipient(octets + behind, n - behind);

    if (!by(p, "usmtp") || socket == NULL)
        return;
    /* A text is for the recipient who was named before it; behind it the next one may be named.
     * What is sent a second time is not a second text. */
    if (socket->count > 0 && message_subject(octets, n, &id) && message_at(id) != NULL) {
        send_text(p, id, (unsigned)socket->count - 1);
        socket->count = 0;
    }
    if (user < USERS)
        socket->count = user + 1;
}

void oracle_unreadable(struct inode *i)
{
    struct found f = found_in(i);
    struct message *m = message_at(f.id), *second = message_at(f.id + 1);

    if (m != NULL)
        m->unreadable = true;
    if (second != NULL && f.kind == FOUND_BATCH)
        second->unreadable = true;
}

static bool on_mail(const struct process *p, const char *name, struct found *f)
{
    struct inode *mail = mail_of(host_of(p));
    struct inode *i = mail == NULL ? NULL : disk_find(&host_of(p)->disk, mail, name);

    if (i == NULL || i->kind != INODE_FILE)
        return false;
    *f = found_in(i);
    return message_at(f->id) != NULL && f->kind == FOUND_MAIL;
}

void oracle_attempt(const struct process *p, const char *name, const char *status)
{
    struct found f;

    if (!on_mail(p, name, &f))
        return;
    struct message *m = message_at(f.id);
    uint32_t bit = 1U << f.user;
    if (strncmp(status, "sent", 4) != 0)
        return;
    m->known |= bit;
    if (f.user >= USER_UNKNOWN) {
        gain(&m->acked, bit); /* the strange host said so, at whatever time */
        close_message(f.id);
    } else if (!(m->fresh & bit)) {
        sim_violation("%s takes %s (message %u, user %u) as sent, and nobody took it", p->name,
                      name, f.id, f.user);
    }
}

/* Deaths. */

/* What the sender has still to remove when it dies may be sent once more. */
static void forget(void *arg, const char *name, struct inode *i)
{
    (void)arg;
    if (!visible(name) || i->kind != INODE_FILE)
        return;
    struct found f = found_in(i);
    struct message *m = message_at(f.id);
    uint32_t bit = 1U << f.user;
    if (m == NULL || f.kind != FOUND_MAIL || !(m->known & bit))
        return;
    note("may come again", &f, name);
    m->known &= ~bit;
}

void oracle_died(const struct process *p, bool killed)
{
    struct inode *mail = mail_of(host_of(p));

    (void)killed;
    if (by(p, "usmtp") && mail != NULL)
        disk_each(mail, forget, NULL);
    if (is_daemon(p))
        return;
    for (uint32_t id = made; id > 0 && id + 64 > made; id--)
        if (messages[id].writer == p->run)
            oracle_in_doubt(id);
}

/* Inspections. */

struct inspection {
    struct host *host;
    const char *when;
    const char *path;
    struct inode *dir;
    bool last; /* nothing is on its way any more */
};

static void see_user(const struct inspection *x, const char *name, uint32_t id, unsigned user)
{
    struct message *m = &messages[id];
    uint32_t bit = 1U << user;

    if (m->inspection != inspections) {
        m->inspection = inspections;
        m->seen = 0;
    }
    if (m->seen & bit)
        sim_violation("%s: message %u (%s) is there twice for user %u; again as %s/%s", x->when, id,
                      kind_names[m->kind], user, x->path, name);
    m->seen |= bit;
}

static void see_message(const struct inspection *x, const char *name, uint32_t id)
{
    const struct message *m = message_at(id);

    for (unsigned u = 0; m != NULL && u < USERS; u++)
        if (m->users & 1U << u)
            see_user(x, name, id, u);
}

/* A file that stands for what is in it. */
static void see_file(const struct inspection *x, const char *name, struct inode *i)
{
    if (i->kind != INODE_FILE || i->seen == inspections)
        return;
    i->seen = inspections;
    struct found f = found_in(i);
    const struct message *m = message_at(f.id);
    if (m == NULL || f.kind == FOUND_JUNK)
        return;
    if (!f.whole && !may_be_torn(m))
        sim_violation("%s: %s/%s is not whole: message %u (%s)", x->when, x->path, name, f.id,
                      kind_names[m->kind]);
    if (f.kind == FOUND_HELD)
        return;
    if (f.kind == FOUND_JOB || f.kind == FOUND_BATCH || f.kind == FOUND_FAULTY)
        see_message(x, name, f.id);
    else
        see_user(x, name, f.id, f.user);
    if (f.kind == FOUND_BATCH)
        see_message(x, name, f.id + 1);
}

static void see_any(void *arg, const char *name, struct inode *i)
{
    see_file(arg, name, i);
}

static void see_visible(void *arg, const char *name, struct inode *i)
{
    if (visible(name))
        see_file(arg, name, i);
}

static void see_mail(void *arg, const char *name, struct inode *i)
{
    const struct inspection *x = arg;

    if (i->kind == INODE_DIR && is_done(i)) {
        struct inspection y = {x->host, x->when, name, i, false};
        disk_each(i, see_any, &y);
    } else {
        see_visible(arg, name, i);
    }
}

static void see_held(void *arg, const char *name, struct inode *i)
{
    if (!ends(name, ".REASON"))
        see_file(arg, name, i);
}

static struct inode *child(const struct inspection *x, const struct inode *dir, const char *name)
{
    return disk_find(&x->host->disk, dir, name);
}

/* In a committed unit a claimed file counts only where it is to be kept. */
static void see_kept(void *arg, const char *name, struct inode *i)
{
    static const char *const keeping[] = {"HOLD", "DEAD"};
    const struct inspection *x = arg;
    char reason[DISK_NAME_MAX + 16];
    size_t n = strlen(name);

    memcpy(reason, name, n);
    memcpy(reason + n, ".REASON", sizeof(".REASON"));
    for (int k = 0; k < 2; k++) {
        struct inode *part = child(x, x->dir, keeping[k]);
        if (part != NULL && child(x, part, reason) != NULL)
            see_file(x, name, i);
    }
}

static void see_part(struct inspection *x, const char *name)
{
    struct inode *part = child(x, x->dir, name);
    struct inspection y = {x->host, x->when, name, x->dir, false};

    if (part != NULL)
        disk_each(part, see_any, &y);
}

static void see_unit(void *arg, const char *name, struct inode *i)
{
    const struct inspection *x = arg;
    struct inspection y = {x->host, x->when, name, i, false};
    struct inode *in;

    if (i->kind != INODE_DIR)
        return;
    in = child(x, i, "in");
    if (!is_done(i)) {
        if (in != NULL)
            disk_each(in, see_any, &y);
        return;
    }
    if (in != NULL)
        disk_each(in, see_kept, &y);
    see_part(&y, "mail");
    see_part(&y, "POST");
    see_part(&y, "PRT");
}

static void see_directory(struct host *h, const char *when, const char *path, struct inode *dir,
                          void (*each)(void *arg, const char *name, struct inode *i))
{
    struct inspection x = {h, when, path, dir, oracle_last};

    if (dir != NULL)
        disk_each(dir, each, &x);
}

static void inspect_sender(struct host *h, const char *when)
{
    see_directory(h, when, "jes/RMT21", jes_queue(h, "RMT21"), see_visible);
    see_directory(h, when, "jes/POST", jes_queue(h, "POST"), see_visible);
    see_directory(h, when, "jes/HOLD", jes_queue(h, "HOLD"), see_held);
    see_directory(h, when, "jes/DEAD", jes_queue(h, "DEAD"), see_held);
    see_directory(h, when, "mail", mail_of(h), see_mail);
    see_directory(h, when, "work", walk(h, (const char *const[]){"spool", "work", NULL}), see_unit);
    for (uint32_t i = 0; i < opens; i++) {
        const struct message *m = &messages[open_list[i]];
        uint32_t seen = m->inspection == inspections ? m->seen : 0;
        uint32_t lost = m->users & ~(seen | m->acked | m->told);
        if (lost != 0 && !m->held)
            sim_violation("%s: message %u (%s) is nowhere for users %x", when, open_list[i],
                          kind_names[m->kind], lost);
    }
}

/* At the receiver one may be there twice: the sender can't always know. */
static void see_arrived(const struct inspection *x, const char *name, const struct found *f)
{
    struct message *m = message_at(f->id);

    if (m == NULL || f->kind != FOUND_MAIL)
        return;
    if (!f->whole && !may_be_torn(m))
        sim_violation("%s: %s/%s is not whole: message %u (%s)", x->when, x->path, name, f->id,
                      kind_names[m->kind]);
    if (m->inspection != inspections)
        m->seen = 0;
    m->inspection = inspections;
    m->seen |= 1U << f->user;
}

/* Will the next start show this dotted file? Its record is used up, or its journal is gone. */
static bool is_to_be_shown(const struct host *h, const struct plain *p)
{
    struct inode *work = walk(h, (const char *const[]){"spool", "work", NULL});
    struct journal_head head;
    char name[32];

    snprintf(name, sizeof(name), "SSMTP.%u.JOURNAL", p->number);
    const struct inode *journal = work == NULL ? NULL : disk_find(&h->disk, work, name);
    return work != NULL &&
           (journal == NULL || (journal_head_of(journal, &head) && p->generation <= head.released));
}

static void see_received(void *arg, const char *name, struct inode *i)
{
    const struct inspection *x = arg;
    struct plain p;

    if (!visible(name) && (!plain_parse(name, &p) || !is_to_be_shown(x->host, &p)))
        return;
    struct found f = found_in(i);
    if (taken_up(name, i) || f.whole) /* what is not whole is put aside, and missed if it counted */
        see_arrived(x, name, &f);
}

static void see_logged(void *arg, const struct logged *r)
{
    if (r->generation <= r->released)
        return;
    struct found f = message_find(r->content.p, r->content.n);
    if (f.whole) /* else it was never acknowledged, or will be missed */
        see_arrived(arg, r->name, &f);
}

static void inspect_receiver(struct host *h, const char *when)
{
    for (int q = 0; q < ARRIVALS; q++)
        see_directory(h, when, arrivals[q], jes_queue(h, arrivals[q]), see_received);
    struct inspection x = {h, when, "journal", NULL, false};
    each_record(h, see_logged, &x);
    for (uint32_t i = 0; i < opens; i++) {
        const struct message *m = &messages[open_list[i]];
        uint32_t seen = m->inspection == inspections ? m->seen : 0;
        uint32_t here = m->acked & ((1U << USER_KNOWN) - 1);
        if (here & ~(m->collected | seen))
            sim_violation("%s: message %u was acknowledged for users %x and is gone", when,
                          open_list[i], here & ~(m->collected | seen));
    }
}

void oracle_inspect(struct host *h, const char *when)
{
    inspections++;
    oracle_figures.inspected++;
    if (h == &world_hosts[HOST_SENDER])
        inspect_sender(h, when);
    else
        inspect_receiver(h, when);
}

static void unshow(void *arg, const char *name, struct inode *i)
{
    (void)arg;
    if (!taken_up(name, i))
        unshow_file(i);
}

void oracle_power_cut(struct host *h)
{
    struct inode *mail = mail_of(h);

    if (h == &world_hosts[HOST_SENDER] && mail != NULL)
        disk_each(mail, forget, NULL);
    for (int q = 0; q < ARRIVALS && h == &world_hosts[HOST_RECEIVER]; q++)
        see_directory(h, "", arrivals[q], jes_queue(h, arrivals[q]), unshow);
    oracle_inspect(h, "after the power cut");
}

/* Readers. */

static void collect_notice(struct message *m, const struct found *f, const char *name)
{
    uint32_t bit = 1U << f->user;
    bool late = f->kind == FOUND_LATE;

    if (m->told & bit)
        sim_violation("a second notice for message %u, user %u: %s", f->id, f->user, name);
    if (f->user < USER_KNOWN && !late)
        sim_violation("message %u was refused for user %u, whom the receiver knows", f->id,
                      f->user);
    if (late && sim.now_us - m->accepted_us < world_patience_us())
        sim_violation("message %u was given up after %" PRId64 " seconds", f->id,
                      (sim.now_us - m->accepted_us) / 1000000);
    gain(&m->told, bit);
    oracle_figures.bounced++;
}

static void collect_mail(struct message *m, const struct found *f)
{
    uint32_t bit = 1U << f->user;

    gain(&m->collected, bit & m->acked);
    m->early |= bit & ~m->acked;
    oracle_figures.delivered++;
}

static void collect(void *arg, const char *name, struct inode *i)
{
    struct inspection *x = arg;

    if (!taken_up(name, i) || !disk_entry_durable(&x->host->disk, x->dir, name, false))
        return;
    if (x->host == &world_hosts[HOST_RECEIVER] && !i->acked && !x->last)
        return; /* the receiver may still have to take it back */
    struct found f = found_in(i);
    struct message *m = message_at(f.id);
    if (m != NULL && (f.kind == FOUND_NOTICE || f.kind == FOUND_LATE))
        collect_notice(m, &f, name);
    else if (m != NULL && f.kind == FOUND_MAIL)
        collect_mail(m, &f);
    if (m != NULL)
        close_message(f.id);
    disk_remove(&x->host->disk, x->dir, name, false);
}

static void hold_message(uint32_t id, const char *name)
{
    struct message *m = message_at(id);

    if (m == NULL || m->held)
        return;
    if (m->kind != MESSAGE_FAULTY && m->state == MESSAGE_ACCEPTED && !m->unreadable)
        sim_violation("message %u (%s) is held as %s", id, kind_names[m->kind], name);
    m->held = true;
    oracle_figures.held++;
    close_message(id);
}

/* A file in HOLD whose reason stands beside it. */
static void collect_held(void *arg, const char *name, struct inode *i)
{
    const struct inspection *x = arg;
    char reason[DISK_NAME_MAX + 16];
    size_t n = strlen(name);

    memcpy(reason, name, n);
    memcpy(reason + n, ".REASON", sizeof(".REASON"));
    struct found f = found_in(i);
    if (ends(name, ".REASON") || !disk_entry_durable(&x->host->disk, x->dir, reason, false))
        return;
    hold_message(f.id, name);
    if (f.kind == FOUND_BATCH)
        hold_message(f.id + 1, name);
}

void oracle_collect(struct host *h, bool last)
{
    uint64_t marker = h->disk.changes;

    oracle_last = last;
    for (int q = 0; q < ARRIVALS; q++)
        see_directory(h, "", arrivals[q], jes_queue(h, arrivals[q]), collect);
    if (h == &world_hosts[HOST_SENDER])
        see_directory(h, "", "HOLD", jes_queue(h, "HOLD"), collect_held);
    if (h->disk.changes != marker)
        disk_settle_since(&h->disk, marker);
}

/* Is there nothing to do for anybody? */

struct business {
    uint32_t n;
    bool tell;
};

static void add_business(struct business *b, const char *name, const struct inode *i)
{
    b->n++;
    if (b->tell)
        fprintf(stderr, "simulate: not at its end: %s, %u octets\n", name, i->size);
}

static void count_busy(void *arg, const char *name, struct inode *i)
{
    if (visible(name) || (i->kind == INODE_DIR && is_done(i)))
        add_business(arg, name, i);
}

/* What could not be rolled back, but for what was claimed, waits for the next start. */
static void count_units(void *arg, const char *name, struct inode *i)
{
    const struct inode *in =
        i->kind == INODE_DIR ? disk_find(&world_hosts[HOST_SENDER].disk, i, "in") : NULL;

    if (i->kind == INODE_DIR && (is_done(i) || (in != NULL && in->entries > 0)))
        add_business(arg, name, i);
}

static uint32_t business(bool tell)
{
    struct host *h = &world_hosts[HOST_SENDER];
    struct inode *work = walk(h, (const char *const[]){"spool", "work", NULL});
    struct inode *remote = jes_queue(h, "RMT21"), *post = jes_queue(h, "POST"), *mail = mail_of(h);
    struct business b = {.tell = tell};

    if (work == NULL || remote == NULL || post == NULL || mail == NULL)
        return 1;
    disk_each(remote, count_busy, &b);
    disk_each(mail, count_busy, &b);
    disk_each(post, count_busy, &b);
    disk_each(work, count_units, &b);
    return b.n;
}

bool oracle_quiet(void)
{
    return opens == 0 && business(false) == 0;
}

/* The end. */

struct furniture {
    const char *parent, *name;
};

static const struct furniture furniture[] = {
    {"jes", "JOBNO"},   {"mail", ".WAKE"}, {"work", "NAMES"},
    {"work", "*.lock"}, {"work", "CHKPT"}, {"work", "SSMTP.*.JOURNAL"},
    {"RMT21", ".t-*"}, /* a user's own */
    {"HOLD", "*"},      {"spool", "jes"},  {"spool", "mail"},
    {"spool", "work"},  {"", "spool"},     {"jes", "RMT21"},
    {"jes", "SUBMIT"},  {"jes", "POST"},   {"jes", "PRT"},
    {"jes", "HOLD"},    {"jes", "DEAD"},
};
/* What writers leave that were killed: the next start of a program sweeps it. */
static const struct furniture litter[] = {
    {"mail", ".OFFER-*.open"}, {".OFFER-*.open", "*"}, {"RMT21", ".spool-*"},
    {"POST", ".spool-*"},      {"PRT", ".spool-*"},    {"SUBMIT", ".spool-*"},
    {"work", "*.open"},        {"*.open", "*"},        {"work", ".CHKPT.new"},
};

static bool is_among(const struct furniture *f, size_t n, const struct inode *dir, const char *name)
{
    for (; n > 0; n--, f++)
        if (fits(f->parent, dir->name) && fits(f->name, name))
            return true;
    return false;
}

struct left {
    const struct inode *dir;
    bool swept;
};

static void check_left(void *arg, const char *name, struct inode *i)
{
    const struct left *l = arg;
    struct left inside = {i, l->swept};

    if (!is_among(furniture, sizeof(furniture) / sizeof(furniture[0]), l->dir, name) &&
        (l->swept || !is_among(litter, sizeof(litter) / sizeof(litter[0]), l->dir, name)))
        sim_violation("left over at the end: %s/%s", l->dir->name, name);
    if (i->kind == INODE_DIR)
        disk_each(i, check_left, &inside);
}

static void check_reason(void *arg, const char *name, struct inode *i)
{
    const struct inspection *x = arg;
    char other[DISK_NAME_MAX + 16];
    size_t n = strlen(name);

    (void)i;
    memcpy(other, name, n);
    memcpy(other + n, ".REASON", sizeof(".REASON"));
    if (ends(name, ".REASON"))
        other[n - strlen(".REASON")] = '\0';
    if (child(x, x->dir, other) == NULL)
        sim_violation("%s/%s has nothing that belongs to it", x->path, name);
}

void oracle_finish(bool swept)
{
    struct host *sender = &world_hosts[HOST_SENDER];

    for (int h = 0; h < HOST_STRANGER; h++) {
        struct left left = {world_hosts[h].disk.root, swept};
        oracle_inspect(&world_hosts[h], "at the end");
        disk_each(world_hosts[h].disk.root, check_left, &left);
    }
    see_directory(sender, "at the end", "HOLD", jes_queue(sender, "HOLD"), check_reason);
    see_directory(sender, "at the end", "DEAD", jes_queue(sender, "DEAD"), check_reason);
}
