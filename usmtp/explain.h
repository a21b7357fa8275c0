/* `usmtp route ADDRESS [FROM]`: which ROUTE a mail would take, and which hosts that leads to.
 * Sends nothing, connects to nobody but the name service. Writes to standard output; what is wrong
 * goes to standard error. */
#ifndef USMTP_EXPLAIN_H
#define USMTP_EXPLAIN_H

#include "lib/program.h"
#include "usmtp/route.h"

/* The words behind `route`. The result is the exit status: EX_OK; EX_NOHOST where such mail would
 * be given up, EX_TEMPFAIL where it would wait; EX_USAGE and EX_DATAERR for wrong words. */
int explain_route(const struct program *p, int words, char **word);

/* The login of a route as a line of the output; nothing where it has none. */
void explain_login(const struct route *r);

#endif
