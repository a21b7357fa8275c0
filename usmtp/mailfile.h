/* A mail data set, opened to be sent: its envelope, and its text in pieces. Trusts neither name nor
 * content: anybody may put a file into mail/. */
#ifndef USMTP_MAILFILE_H
#define USMTP_MAILFILE_H

#include "lib/envelope.h"
#include "lib/program.h"
#include "lib/ready.h"
#include "usmtp/text.h"

struct mailfile {
    int fd;
    struct address from, to;
    bool asa;
    uint64_t octets;         /* of the whole file */
    uint64_t text_at;        /* where the text begins */
    uint64_t read_at;        /* how far mailfile_read() has come */
    struct buf head;         /* the file's first octets: all of it when it is small */
    struct text_facts facts; /* when it was scanned */
};

enum mailfile_result {
    MAILFILE_OPEN,
    MAILFILE_GONE,   /* no such file: somebody else removed it */
    MAILFILE_BUSY,   /* its writer has it open */
    MAILFILE_BAD,    /* *reason says why it may not be sent */
    MAILFILE_TROUBLE /* errno: not now */
};

enum mailfile_flag {
    MAILFILE_SCAN =
        1, /* look at the whole text for its facts, and check its seal; else the envelope only */
    MAILFILE_WHOLE = 2, /* its writer said that it is whole: do not find out */
    MAILFILE_MOVING = 4 /* an offer waits to be taken in: a second link may be its */
};

/* `reason` has 320 octets. */
enum mailfile_result mailfile_open(struct mailfile *m, const struct program *p, int mail,
                                   const char *name, struct watch_list *watches, unsigned flags,
                                   char reason[320]);
/* The file will be opened soon: its first octets are read by the machine meanwhile. A hint. */
void mailfile_expect(int mail, const char *name);
/* The next piece of the text, valid until the next call; empty at the end. False: errno. */
bool mailfile_read(struct mailfile *m, struct span *piece);
/* Was the last piece read? It may be false though nothing is left: the next piece is empty then. */
bool mailfile_at_end(const struct mailfile *m);
/* To the beginning of the text again. */
void mailfile_rewind(struct mailfile *m);
void mailfile_close(struct mailfile *m);
/* Its descriptor, the caller's from now on; the rest is closed. */
int mailfile_part(struct mailfile *m);

#endif
