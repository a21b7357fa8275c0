/* The plain files of messages that are in a journal: made without a sync, so that readers pass over
 * them and nobody else sweeps them, and shown later. In one of two forms:
 *
 * Under its own name, with SPOOL_UNSHOWN_MODE until it is shown. That is the cheap one: a change of
 * mode costs a tenth of a rename in a large directory. The name has the journal's number; that the
 * file is whole, recovery knows by its seal. So it needs extended attributes, and a name of this
 * journal that is free.
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
    bool dotted;           /* the second form */
};

void plain_format(char out[PLAIN_FILE], const struct plain *p);
/* False: it is no such name. */
bool plain_parse(const char *file, struct plain *p);
/* Makes the file, anew if it is there. Returns its descriptor; -1 with errno: there is none. Sets
 * p->dotted where the first form is not to be had. */
int plain_make(int dir, struct plain *p, struct span content, const struct seal_mark *mark);
/* Is it an unshown file of the first form? 0: no; -1 with errno; else the number of its journal. */
int plain_unshown(int dir, const char *file);
/* Shows it: under its name, or another one if that is taken: p->name tells. Never replaces a file.
 * 0, or -1 with errno. Nothing is synced. */
int plain_show(int dir, struct plain *p, struct store_names *names);

#endif
