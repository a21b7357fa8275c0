/* What becomes of a mail. Each takes an entry that is SENDING in nobody's hands, and finds it its
 * place. */
#ifndef USMTP_FATE_H
#define USMTP_FATE_H

#include "usmtp/deliver.h"
#include "usmtp/session.h"

/* Where an attempt was made, for the log and the notice. */
struct attempt {
    const char *from, *to; /* "": the null path; not known */
    const char *relay;     /* host[ip]:port; "none" */
    const char *host;      /* "": none said anything */
    const struct site_schedule *schedule;
    int *file; /* the data set is still open, or -1; NULL: it is not. fate_settle() may take it */
};

/* The verdict on a mail: SENT, LATER or NEVER. */
void fate_settle(struct deliver *d, uint32_t entry, const struct attempt *a,
                 const struct verdict *v);
/* A destination cannot be reached: true when the mail is too old for another try, and was given up.
 */
bool fate_expire(struct deliver *d, uint32_t entry, const struct attempt *a,
                 const struct verdict *v);
/* Seconds until the try after `tries` tries. */
int64_t fate_delay(const struct site_schedule *s, uint32_t tries);
/* Has it waited for so long that it is to be given up? */
bool fate_too_old(const struct deliver *d, uint32_t entry, const struct site_schedule *s);
/* It is tried again after so many seconds. */
void fate_keep(struct deliver *d, uint32_t entry, int64_t delay);
/* Opens the data set, with official names in its envelope; on anything but OPEN its fate is settled
 * here. flags: enum mailfile_flag. */
enum mailfile_result fate_open(struct deliver *d, uint32_t entry, struct mailfile *m,
                               unsigned flags);
/* A file in mail/ that is no data set. False: memory is short. */
bool fate_hold_stranger(struct deliver *d, const char *name);
/* Notices and held files that were noted, in units of work. */
void fate_settle_giveups(struct deliver *d);
/* Removes again what was sent and could not be removed. */
void fate_remove_undeleted(struct deliver *d);

#endif
