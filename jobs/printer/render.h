/* One spool file becomes the files of its printout, in a process of its own: a file that makes a
 * library crash or run for ever harms only its own printing. */
#ifndef PRINTER_RENDER_H
#define PRINTER_RENDER_H

#include "lib/program.h"

enum { RENDER_REASON = 400, RENDER_FILE_MAX = 1 << 30 };

struct render {
    const struct program *program;
    const char *name;    /* of the spool file, with its job number */
    const char *title;   /* of the PDF */
    int file;            /* the spool file, open for reading */
    int64_t spooled;     /* when it came; seconds since 1970 */
    int text, pdf, slip; /* open for writing and empty; -1: not wanted */
};

enum render_result {
    RENDER_GOOD,
    RENDER_BAD,    /* this file cannot be printed; the reason says why */
    RENDER_TROUBLE /* it could not be printed now */
};

/* The files are written, not synced. */
enum render_result render_file(const struct render *r, char reason[RENDER_REASON]);

#endif
