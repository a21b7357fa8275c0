/* What the sender remembers across a restart: its lines in the checkpoint, and what they bring
 * back. */
#ifndef USMTP_RESTORE_H
#define USMTP_RESTORE_H

#include "usmtp/deliver.h"

/* Reads the checkpoint. Entries it speaks of are SENDING, with heap 0, until they are seen in
 * mail/. False with errno. */
bool restore_open(struct deliver *d);
/* After all names of mail/ were seen: times that a damaged or lost clock line would make wrong are
 * bounded. */
void restore_bound(struct deliver *d, uint32_t entry);
void restore_note_kept(struct deliver *d, uint32_t entry, const char *to, const char *status,
                       const char *text);
void restore_note_host(struct deliver *d, const struct destination *t);
/* Brings the lines to the file; with `time` the clock too. */
void restore_save(struct deliver *d, bool time);

#endif
