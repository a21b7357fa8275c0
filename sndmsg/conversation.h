/* One session at a terminal or on a pipe: puts the dialogue, the terminal, the letter and the draft
 * together. */
#ifndef SNDMSG_CONVERSATION_H
#define SNDMSG_CONVERSATION_H

#include "sndmsg/dialogue.h"
#include "sndmsg/directory.h"
#include "sndmsg/dispatch.h"
#include "sndmsg/source.h"

struct conversation_params {
    const struct site *site;
    const struct spool *spool;
    const struct identity *who;
    struct directory *directory;
    const struct catalog *catalog;
    const char *home, *state; /* HOME and XDG_STATE_HOME, or NULL */
    /* What the options answer: to each prompt, or NULL, and before them lines that name their own
     * field, as in "Bcc: a@b"; NULL ends these. */
    const char *answers[DIALOGUE_TEXT];
    const char *const *fields;
    const char *const *attach; /* paths; NULL ends them */
    const char *notice;        /* to be typed below the herald; NULL: nothing */
};

/* The exit status. */
int conversation(const struct conversation_params *p);

#endif
