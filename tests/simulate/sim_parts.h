/* Parts of the system that the simulation replaces or looks over the shoulder: the two clocks, the
 * event loop, the name service and the listening sockets are the simulation's own (their objects
 * are linked instead of the system's); the others are wrapped by the linker (ld --wrap; the build
 * takes the list from here, one a line). */
#ifndef TESTS_SIMULATE_SIM_PARTS_H
#define TESTS_SIMULATE_SIM_PARTS_H

#include "lib/program.h"
#include "lib/seal.h"
#include "lib/share.h"
#include "lib/unit.h"
#include "ssmtp/session.h"
#include "usmtp/session.h"

#define WRAP_PART(type, name, arguments)                                                           \
    type __wrap_##name arguments;                                                                  \
    type __real_##name arguments
/* clang-format off */
WRAP_PART(int, program_start, (struct program *p, int argc, char **argv, bool users_optional));
WRAP_PART(bool, program_become_user, (const struct program *p));
WRAP_PART(bool, program_jail, (const struct program *p));
WRAP_PART(void, msg_write, (const struct msg_log *log, enum msg_id id, const char *const *args, size_t n));
WRAP_PART(void, receiver_committed, (struct receiver *r, enum receiver_verdict v, const char *name, struct buf *out));
WRAP_PART(bool, session_take_verdict, (struct session *s, struct verdict *v));
WRAP_PART(int, unit_recover, (const struct spool *s, const char *owner, enum spool_queue source));
WRAP_PART(int, unit_put, (struct unit *u, enum unit_part part, const char *name, struct span head, struct span text));
WRAP_PART(void, spool_sweep, (int dir));
WRAP_PART(int, share_rest, (int from, int to, uint64_t at));
/* clang-format on */

/* For programs of the simulation's own users. */
const struct site *parts_user_site(void);

#endif
