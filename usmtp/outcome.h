/* What a reply or failure means for a mail: the policy, apart from the machine that detects it.
 * Pure. */
#ifndef USMTP_OUTCOME_H
#define USMTP_OUTCOME_H

#include "usmtp/session.h"

/* The verdict on a reply that was not the wanted one, by the state it came in (RFC 5321 4.2.1, RFC
 * 7504). */
void outcome_reply(struct verdict *v, enum session_state state, const struct reply *r);
/* The mail was accepted. */
void outcome_sent(struct verdict *v, const struct reply *r);
/* The verdict on something that is our own finding: no reply, garbage, too large. status such as
 * "4.4.2". */
void outcome_local(struct verdict *v, enum verdict_kind kind, const char *status, const char *text);

#endif
