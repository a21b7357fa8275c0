/* A throwaway spool below /tmp for one test, and what tests ask of it. What fails here fails the
 * test. */
#ifndef TESTS_UNIT_PLACE_H
#define TESTS_UNIT_PLACE_H

#include "lib/msg.h"
#include "lib/spool.h"

struct place {
    char path[64];
    struct site *site;
    struct spool spool; /* all queues, made */
    struct msg_log log; /* standard error */
};

/* `more`: further statements of the configuration, or "". */
void place_make(struct place *p, const char *more);
void place_remove(struct place *p);
/* Empties work/ and all queues: as good as a new one, and faster. */
void place_clear(struct place *p);

bool place_there(int dir, const char *name);
/* A file with that text. */
void place_put(int dir, const char *name, const char *text);
/* Does it have that text? */
bool place_has(int dir, const char *name, const char *text);
/* Its text; "" when it can't be read. */
const char *place_text(int dir, const char *name, char *out, size_t size);
/* Entries of a directory that begin with a dot, or do not. */
unsigned place_count(int dir, bool dotted);
/* Files of that text, of any name, in a directory and the directories in it. */
unsigned place_copies(int dir, const char *text);

#endif
