/* `usmtp probe DEST`: goes the way of a mail as far as EHLO under TLS, tells each step, and sends
 * nothing. */
#ifndef USMTP_PROBE_H
#define USMTP_PROBE_H

#include "lib/program.h"

/* The words behind `probe`: an address or a domain. The result is the exit status: EX_OK when a
 * mail could be given now, EX_TEMPFAIL where it would wait, EX_NOHOST where it would be given up.
 */
int probe_destination(const struct program *p, int words, char **word);

#endif
