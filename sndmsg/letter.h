/* What a message is to hold besides its header: the text and the attached files, as they come, in
 * temporary files. Memory does not grow with them.
 *
 * The text is lines of UTF-8, each ended by LF. Functions return false with errno; then nothing has
 * changed. */
#ifndef SNDMSG_LETTER_H
#define SNDMSG_LETTER_H

#include "sndmsg/mimetype.h"
#include "sndmsg/scratch.h"

enum { LETTER_ATTACHMENTS_MAX = 100, LETTER_NAME_MAX = 255, LETTER_SHOWN = 80 };

struct attachment {
    char name[LETTER_NAME_MAX + 1]; /* to show: UTF-8 without control characters */
    const char *type;               /* of MIME, without parameters */
    enum mimetype_text text;
    uint64_t start, end; /* in the file of attachments */
};

/* Something of the text that one line brought about, and that one `\x` cancels. */
struct letter_mark {
    char what[LETTER_SHOWN + 1]; /* .f=NAME or .a=NAME, shortened */
    uint64_t start, end;         /* in the text; the same for an attachment */
    bool attached;
};

struct letter {
    struct scratch text, files;
    struct attachment *attachment; /* owned, LETTER_ATTACHMENTS_MAX of them at most */
    size_t attachments;
    struct letter_mark *mark; /* owned */
    size_t marks, cap;
    bool full; /* a temporary file took no more */
};

bool letter_open(struct letter *l);
void letter_close(struct letter *l);
/* A line of text, without its LF. */
bool letter_line(struct letter *l, struct span line);
/* A file's text, put after letter_text_size() was noted as `start`; the last line may lack its LF,
 * which is then added. */
bool letter_included(struct letter *l, uint64_t start, struct span what);
/* A file that was written to l->files from a->start on; copies *a. ENFILE: there are too many. */
bool letter_attached(struct letter *l, const struct attachment *a, struct span what);
/* Takes the last line away, with the file that it brought in. Appends what it was, shortened.
 * ENOENT: there is none. */
bool letter_cancel(struct letter *l, struct buf *what);
/* Adds the line that says that a temporary file took no more (errno), and sets l->full. Always
 * false. */
bool letter_no_room(struct letter *l, struct buf *message);
/* How many octets of text may still come before the message is larger than `max`, of which base64
 * takes its part for what is attached. */
uint64_t letter_room(const struct letter *l, uint64_t max);
/* Base64 of so many octets, with its line ends. */
uint64_t letter_encoded(uint64_t octets);

#endif
