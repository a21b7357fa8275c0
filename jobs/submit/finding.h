/* What is wrong with a deck: the converter's messages, each with its card and column. Pure.
 *
 * One table gives each message its id and its words in the manner of MVS; whoever reports one adds
 * the sentence on how to mend it. All findings of a deck are kept in the order of the cards, up to
 * FINDINGS_MAX: what is beyond them is counted only, so that a file that is no deck costs little.
 */
#ifndef SPOOLMAIL_SUBMIT_FINDING_H
#define SPOOLMAIL_SUBMIT_FINDING_H

#include "lib/buf.h"
#include "lib/diag.h"

enum { FINDINGS_MAX = 500 };

/* A place in a deck. Cards and columns count from 1; 0 means the whole of it. */
struct place {
    size_t card, column;
};

enum finding_id {
    FINDING_WARNING,            /* IEF677I: the job runs all the same */
    FINDING_BAD_STATEMENT,      /* IEFC601I */
    FINDING_TOO_MANY_STEPS,     /* IEFC602I */
    FINDING_BAD_OPERATION,      /* IEFC605I */
    FINDING_MISPLACED_DD,       /* IEFC606I */
    FINDING_NO_STEPS,           /* IEFC607I */
    FINDING_NO_PROCEDURE,       /* IEFC612I */
    FINDING_PAST_71,            /* IEFC618I */
    FINDING_BAD_CHARACTER,      /* IEFC620I */
    FINDING_NO_CONTINUATION,    /* IEFC621I */
    FINDING_PARENTHESIS,        /* IEFC622I */
    FINDING_BAD_OCTET,          /* IEFC623I */
    FINDING_APOSTROPHE,         /* IEFC629I */
    FINDING_BAD_KEYWORD,        /* IEFC630I */
    FINDING_EXCLUSIVE,          /* IEFC009I */
    FINDING_BAD_FIELD,          /* IEF632I */
    FINDING_TOO_MANY_POSITIONS, /* IEF640I */
    FINDING_TOO_LONG,           /* IEF642I */
    FINDING_BAD_POSITION,       /* IEF643I */
    FINDING_REFER_BACK,         /* IEF645I */
    FINDING_BAD_DISP,           /* IEF648I */
    FINDING_TOO_MANY_DDS,       /* IEF649I */
    FINDING_BAD_LABEL,          /* IEFC662I */
    FINDING_NO_PROGRAM,         /* CSV003I */
    FINDING_NO_DATA_SET,        /* IEF212I */
    FINDING_NO_MEMBER,          /* IEC141I 013-18 */
    FINDING_NOT_AUTHORISED,     /* ICH408I */
    FINDING_NO_ALLOCATION,      /* IEF344I */
    FINDING_IDS
};

struct finding {
    enum finding_id id;
    struct diag diag; /* line is the card; text is the whole message with its id */
};

struct findings {
    struct finding *list; /* owned */
    size_t count, capacity;
    size_t dropped; /* beyond FINDINGS_MAX, or for want of memory: the deck is then not to be run */
};

/* Adds a finding. `field` fills the place of the field's name in the message's words; it may be "".
 * The format makes the sentence behind it. */
void finding_add(struct findings *f, enum finding_id id, struct place at, const char *field,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Does it stop the job? */
bool finding_is_error(const struct finding *f);
/* Errors on the cards first to last. */
size_t findings_errors(const struct findings *f, size_t first, size_t last);
/* Orders by card, then column; findings of one place keep the order in which they were made. */
void findings_sort(struct findings *f);
void findings_free(struct findings *f);

#endif
