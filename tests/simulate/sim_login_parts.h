/* Parts of the system that have to do with logins, and which the simulation replaces or looks over
 * the shoulder. The build takes the list from here, one a line. */
#ifndef TESTS_SIMULATE_SIM_LOGIN_PARTS_H
#define TESTS_SIMULATE_SIM_LOGIN_PARTS_H

#include <gsasl.h>

#include "lib/scram.h"
#include "ssmtp/sasl.h"
#include "ssmtp/store.h"
#include "tests/simulate/sim_parts.h"
#include "usertable/password.h"
#include "usmtp/keeper.h"
#include "usmtp/session.h"

/* clang-format off */
WRAP_PART(bool, keeper_start, (struct keeper *k, const struct program *p));
WRAP_PART(bool, keeper_listen, (struct keeper *k, struct loop *l));
WRAP_PART(struct keeper_query *, keeper_ask, (struct keeper *k, uint64_t login, keeper_fn *fn, void *arg, const char **why));
WRAP_PART(void, keeper_cancel, (struct keeper *k, struct keeper_query *q));
WRAP_PART(void, keeper_deafen, (struct keeper *k));
WRAP_PART(void, keeper_end, (struct keeper *k));
WRAP_PART(struct passwords *, passwords_load, (const char *path, struct diag *d));
WRAP_PART(bool, scram_try_password, (const struct scram_secret *s, struct span password, bool *fits));
WRAP_PART(bool, scram_try_proof, (const struct scram_secret *s, struct span exchange, const unsigned char proof[SCRAM_KEY], bool *fits));
WRAP_PART(bool, scram_sign, (const struct scram_secret *s, struct span exchange, unsigned char out[SCRAM_KEY]));
WRAP_PART(int, gsasl_property_set, (Gsasl_session *session, Gsasl_property property, const char *text));
WRAP_PART(void, sasl_check, (struct sasl *s));
WRAP_PART(void, session_input, (struct session *s, struct span octets, struct buf *out));
WRAP_PART(bool, store_begin, (struct store_file *f, int dir, const char *name, const struct store_head *head));
/* clang-format on */

#endif
