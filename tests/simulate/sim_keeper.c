/* The sites have no logins: a keeper of secrets is never asked, and a real process never made. */
#include "tests/simulate/sim_parts.h"
#include "usmtp/keeper.h"

WRAP_PART(bool, keeper_start, (struct keeper * k, const struct program *p));

/* Weak: a scenario with logins has one of its own. */
__attribute__((weak)) bool __wrap_keeper_start(struct keeper *k, const struct program *p)
{
    (void)p;
    *k = (struct keeper){0};
    return true;
}
