/* The programs that EXEC PGM= may name, and what they see of their step. Pure: they read data that
 * are in memory and hand what they write to callbacks.
 *
 * A program returns its condition code. Where a callback fails it stops at once with RC_TERMINATED:
 * the callback's owner has said why. */
#ifndef SPOOLMAIL_SUBMIT_UTILITY_H
#define SPOOLMAIL_SUBMIT_UTILITY_H

#include "lib/dcb.h"
#include "lib/buf.h"
#include "lib/charset.h"

enum condition { RC_GOOD = 0, RC_WARNING = 4, RC_ERROR = 8, RC_SEVERE = 12, RC_TERMINATED = 16 };

struct utility_input {
    struct span octets;
    struct recfm stored; /* how the records lie in them */
};

enum utility_use { USE_DUMMY, USE_INPUT, USE_OUTPUT };

/* A DD as its program sees it. */
struct utility_file {
    const char *ddname;
    enum utility_use use;
    const struct utility_input *input; /* INPUT: one, or several concatenated */
    size_t inputs;
    struct dcb dcb;                 /* as far as DD and data set tell */
    const struct charset *codepage; /* OUTPUT: of fixed and variable records; NULL: as they stand */
};

struct utility_step {
    const struct utility_file *file;
    size_t files;
    /* Called once, before the first put() to that file. */
    bool (*open)(void *arg, size_t file, const struct recfm *format);
    bool (*put)(void *arg, size_t file, struct span octets);
    void (*log)(void *arg, const char *message);
    void *arg;
};

enum { UTILITIES = 2 };

typedef int utility_fn(const struct utility_step *step);
/* NULL when there is no such program. */
utility_fn *utility_find(const char *name);
/* All names, then NULL. */
void utility_names(const char *names[UTILITIES + 1]);
/* The step's file of that ddname; step->files when there is none. */
size_t utility_file_index(const struct utility_step *step, const char *ddname);

#endif
