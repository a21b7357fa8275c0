/* The plain files of messages that are in a journal: made without a sync, under a name that readers
 * pass over and that is never swept by others, and shown under their own names later.
 *
 *     .ssmtp-N-G-NAME     the journal's number, the generation in hex, the name
 *
 * From such a name recovery knows what to do: a file of a generation that is released is whole and
 * is shown; any other is written anew from the journal. */
#ifndef SSMTP_PLAIN_H
#define SSMTP_PLAIN_H

#include "ssmtp/journal.h"
#include "ssmtp/store.h"

enum { PLAIN_FILE = 32 + JOURNAL_NAME_MAX };

struct plain {
    unsigned number; /* of the journal */
    uint64_t generation;
    char name[STORE_NAME]; /* the one to be shown */
};

void plain_format(char out[PLAIN_FILE], const struct plain *p);
/* False: it is no such name. */
bool plain_parse(const char *file, struct plain *p);
/* Makes the file, anew if it is there. Returns its descriptor; -1 with errno: there is none. */
int plain_make(int dir, const struct plain *p, struct span content, const struct seal_mark *mark);
/* Gives it its name, or another one if that is taken: p->name tells. Never replaces a file. 0, or
 * -1 with errno. The directory is not synced. */
int plain_show(int dir, struct plain *p, struct store_names *names);

#endif
