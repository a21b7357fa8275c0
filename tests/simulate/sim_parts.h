/* Parts of the system that the simulation replaces or looks over the shoulder: the two clocks, the
 * event loop, the name service and the listening sockets are the simulation's own, the rest calls
 * the system's. All by ld --wrap; the build takes the list from here, one a line. */
#ifndef TESTS_SIMULATE_SIM_PARTS_H
#define TESTS_SIMULATE_SIM_PARTS_H

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/program.h"
#include "lib/seal.h"
#include "lib/share.h"
#include "lib/tls.h"
#include "lib/unit.h"
#include "ssmtp/listen.h"
#include "ssmtp/redo.h"
#include "ssmtp/session.h"
#include "usmtp/resolve.h"
#include "usmtp/session.h"

#define WRAP_PART(type, name, arguments)                                                           \
    type __wrap_##name arguments;                                                                  \
    type __real_##name arguments
/* clang-format off */
WRAP_PART(int64_t, clock_wall, (void));
WRAP_PART(int, clock_offset, (int64_t wall));
WRAP_PART(int64_t, clock_steady_ms, (void));
WRAP_PART(struct loop *, loop_new, (void));
WRAP_PART(void, loop_free, (struct loop *l));
WRAP_PART(void, loop_stop, (struct loop *l));
WRAP_PART(struct loop_event *, loop_readable, (struct loop *l, int fd, loop_fn *fn, void *arg));
WRAP_PART(struct loop_event *, loop_writable, (struct loop *l, int fd, loop_fn *fn, void *arg));
WRAP_PART(bool, loop_enable, (struct loop_event *e, bool on));
WRAP_PART(struct loop_event *, loop_timer, (struct loop *l, loop_fn *fn, void *arg));
WRAP_PART(bool, loop_timer_set, (struct loop_event *timer, int64_t ms));
WRAP_PART(void, loop_timer_stop, (struct loop_event *timer));
WRAP_PART(struct loop_event *, loop_signal, (struct loop *l, int number, loop_fn *fn, void *arg));
WRAP_PART(void, loop_forget, (struct loop_event *e));
WRAP_PART(void, loop_run, (struct loop *l));
WRAP_PART(struct resolver *, resolver_new, (struct loop *l, const struct program *program, const char **why));
WRAP_PART(void, resolver_free, (struct resolver *r));
WRAP_PART(void, resolve_free, (struct resolve_result *r));
WRAP_PART(struct resolve_query *, resolve_start, (struct resolver *r, const struct route_hop *hop, size_t hops, bool skip_self, resolve_fn *fn, void *arg));
WRAP_PART(void, resolve_cancel, (struct resolve_query *q));
WRAP_PART(bool, listen_inherited, (const struct site *site, struct listen_set *set, struct diag *d));
WRAP_PART(bool, listen_services, (const struct site *site, bool own, struct listen_set *set, struct diag *d));
WRAP_PART(void, listen_close, (struct listen_set *set));
WRAP_PART(struct resolve_query *, resolve_tlsa, (struct resolver *r, const struct resolve_host *host, unsigned short port, resolve_tlsa_fn *fn, void *arg));

WRAP_PART(int, program_start, (struct program *p, int argc, char **argv, bool users_optional));
WRAP_PART(bool, program_become_user, (const struct program *p));
WRAP_PART(bool, program_jail, (const struct program *p));
WRAP_PART(void, msg_write, (const struct msg_log *log, enum msg_id id, const char *const *args, size_t n));
WRAP_PART(void, receiver_committed, (struct receiver *r, enum receiver_verdict v, const char *name, struct buf *out));
WRAP_PART(bool, session_take_verdict, (struct session *s, struct verdict *v));
WRAP_PART(int, unit_recover, (const struct spool *s, const char *owner, enum spool_queue source));
WRAP_PART(int, unit_put, (struct unit *u, enum unit_part part, const char *name, struct span head, struct span text));
WRAP_PART(void, spool_sweep, (int dir));
WRAP_PART(struct tls_context *, tls_sender, (const struct tls_files *f, struct diag *d));
WRAP_PART(int, redo_append, (const struct redo *r, uint64_t generation, uint64_t at, struct span batch, bool *doubt));
WRAP_PART(int, redo_release, (struct redo *r, uint64_t generation));
WRAP_PART(int, journal_scan, (struct span half, const unsigned char key[JOURNAL_KEY], int (*each)(void *arg, const struct journal_record *r), void *arg));
WRAP_PART(int, share_rest, (int from, int to, uint64_t at));
/* clang-format on */

/* Makes what all runs share and is dear. */
void parts_prepare(void);
/* How the run is configured, by its seed. */
void parts_choose(void);
/* For programs of the simulation's own users. */
const struct site *parts_user_site(void);

#endif
