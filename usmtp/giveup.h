/* Mail that will not be sent: its sender is told, or it becomes a dead letter, or it is held. Each
 * in a unit of work, so that notice and data set change places all or none, exactly once. */
#ifndef USMTP_GIVEUP_H
#define USMTP_GIVEUP_H

#include "lib/program.h"
#include "usmtp/session.h"

enum { GIVEUP_BATCH = 64 };

enum giveup_kind {
    GIVEUP_REFUSED, /* its sender is told */
    GIVEUP_EXPIRED, /* the same: it waited too long */
    GIVEUP_FAULTY   /* to jes/HOLD: its owner is told */
};

struct giveup_item {
    char name[256]; /* of the file in mail/ */
    uint64_t stamp; /* 0: its name is no data set name */
    enum giveup_kind kind;
    struct verdict verdict; /* text: for hold, the reason */
    char host[128];         /* that said so; may be empty */
    int64_t arrived;        /* wall clock, as far as it is known */
};

struct giveup {
    const struct program *program;
    const struct spool *spool;
    struct giveup_item *item; /* owned */
    size_t items, cap;
    unsigned units;
};

/* Notes one. False: memory is short (it stays in the queue for now). */
bool giveup_add(struct giveup *g, const struct giveup_item *item);
/* Does it for all that were noted, and forgets them. `gone` is called for each item that left
 * mail/. Returns 0; -1: something failed and is still in mail/, with errno; -2: a commit is in
 * doubt, the program must end. */
int giveup_settle(struct giveup *g, void (*gone)(void *arg, const struct giveup_item *item),
                  void *arg);
void giveup_free(struct giveup *g);

#endif
