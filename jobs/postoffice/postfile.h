/* A spool file of jes/POST, opened to be delivered: its envelope, its header without Return-Path
 * fields, and its body in pieces. Trusts nothing in the file. Memory is bounded: a header beyond
 * 4 MiB is passed on as body. */
#ifndef POSTOFFICE_POSTFILE_H
#define POSTOFFICE_POSTFILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "lib/envelope.h"

enum { POSTFILE_ID = 33 /* hexadecimal digits and a NUL */ };

struct postfile {
    int fd;
    struct envelope envelope;
    struct buf header;    /* whole fields, each ended by LF */
    bool bare;            /* the text begins with neither a field nor an empty line */
    uint64_t text_at;     /* where the text begins, behind the envelope */
    uint64_t body_at;     /* where what is not in `header` begins */
    uint64_t wire_octets; /* about what header and body are with CR LF: for SIZE= */
    bool eight_bit;
    struct timespec written;  /* the file's mtime */
    unsigned char digest[32]; /* of its name, time, reverse-path and text */
};

enum postfile_result {
    POSTFILE_OPEN,
    POSTFILE_BAD,    /* *reason says why it may not be delivered */
    POSTFILE_TROUBLE /* errno: not now */
};

/* Takes the descriptor over. The envelope must be whole. `reason` has 320 octets. */
enum postfile_result postfile_open(struct postfile *p, int fd, const struct stat *st,
                                   const char *name, char reason[320]);
/* The identity of the copy for one user: the same whenever the same file is delivered to him, with
 * whatever other recipients; another for every other file, mail or user. */
bool postfile_id(const struct postfile *p, const char *userid, char out[POSTFILE_ID]);
/* Reads at *offset and moves it on: the octets read, 0 at the end, -1 with errno. */
ssize_t postfile_read(const struct postfile *p, uint64_t *offset, void *to, size_t size);
/* Was it delivered to this address before? (Delivered-To) */
bool postfile_delivered_to(const struct postfile *p, const char *address);
void postfile_close(struct postfile *p);

#endif
