/* The files of a directory in order of time, and small texts out of it. Trusts nothing in it. */
#ifndef JES_FOLDER_H
#define JES_FOLDER_H

#include <limits.h>
#include <sys/stat.h>

#include "lib/buf.h"

struct file {
    char name[NAME_MAX + 1];
    struct stat st;
};

struct folder {
    int dir;
    struct file *file; /* owned; oldest first */
    size_t files;
};

/* Files whose name ends with `only` and not with `except`, either NULL, and not those that begin
 * with a dot. False with errno; the folder is then empty. */
bool folder_open(struct folder *f, int at, const char *name, const char *only, const char *except);
void folder_close(struct folder *f);
/* Appends at most `max` octets of a plain file of it; no link is followed. */
bool folder_read(const struct folder *f, const char *name, size_t max, struct buf *out);

/* "2026-11-21 19:07", local time. */
void file_time(const struct file *f, char out[24]);
/* Appends text made safe and cut or padded to so many columns, and two blanks. */
void line_column(struct buf *line, const char *text, size_t columns);
/* The same for a number, at the right of its columns. */
void line_number(struct buf *line, const char *text, size_t columns);
/* Prints a line, safe, without blanks at its end, and frees it. */
void line_print(struct buf *line);

#endif
