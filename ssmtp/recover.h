/* What a receiver that was interrupted left: messages in journals, and files that are not shown
 * yet.
 *
 * Records that are not released are written anew from the journal; then all is synced, the records
 * are released, and every file of the journal is shown. It can be interrupted anywhere and done
 * again. A record or file is used only if its check sum or seal proves it; the end of a batch that
 * a power cut tore was never confirmed and is passed over. */
#ifndef SSMTP_RECOVER_H
#define SSMTP_RECOVER_H

#include "lib/msg.h"
#include "ssmtp/redo.h"
#include "ssmtp/store.h"

struct recovery {
    const struct spool *spool; /* opened by this process and before any file is written */
    const struct msg_log *log;
};

/* All journals that no other process has, and files without one. False with errno: something could
 * not be recovered; nothing is lost. */
bool recover_all(const struct recovery *r);
/* A journal of this process: number `preferred`, or the next one that is free; recovers what is in
 * it, or makes it. 0; -1 with errno: what is in it can't be recovered; 1 with errno: it can't be
 * made. `size` is what it is to have. */
int recover_own(const struct recovery *r, unsigned preferred, uint64_t size, struct redo *redo);

#endif
