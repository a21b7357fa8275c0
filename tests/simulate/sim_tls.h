/* TLS of the simulated network, in the place of lib/tls: records whose octets are each changed in
 * one way, so that what is sent under TLS looks like nothing on the network, and a certificate that
 * is the name of the host. No more than that is of use here: who hears what, who talks to whom,
 * and what is cut off in the middle of a handshake or a record. The build takes the list of calls
 * from here, one a line. */
#ifndef TESTS_SIMULATE_SIM_TLS_H
#define TESTS_SIMULATE_SIM_TLS_H

#include "lib/tls.h"
#include "tests/simulate/sim_parts.h"

/* clang-format off */
WRAP_PART(struct tls *, tls_accept, (struct tls_context *c, struct diag *d));
WRAP_PART(struct tls *, tls_connect, (struct tls_context *c, const struct tls_peer *peer, struct diag *d));
WRAP_PART(void, tls_free, (struct tls *t));
WRAP_PART(void, tls_feed, (struct tls *t, struct span octets));
WRAP_PART(enum tls_event, tls_next, (struct tls *t, char *room, size_t size, size_t *n, struct buf *out));
WRAP_PART(bool, tls_pending, (const struct tls *t));
WRAP_PART(bool, tls_send, (struct tls *t, struct span text, struct buf *out));
WRAP_PART(void, tls_close, (struct tls *t, struct buf *out));
WRAP_PART(const char *, tls_why, (const struct tls *t));
WRAP_PART(void, tls_facts, (const struct tls *t, struct tls_facts *f));
WRAP_PART(struct tls_context *, tls_receiver, (const struct tls_files *f, const unsigned char ticket[TLS_TICKET_KEY], struct diag *d));
WRAP_PART(bool, tls_context_ticket, (struct tls_context *c, const unsigned char ticket[TLS_TICKET_KEY]));
/* clang-format on */

/* What stands in the records among these octets, or in some part of them; the heads of records
 * become something else. */
void tls_uncover(char *octets, size_t n);

#endif
