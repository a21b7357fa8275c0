/* See service.h. */
#include "lib/service.h"

int64_t service_resumed(int64_t noted, int64_t then, int64_t wall, int64_t most)
{
    int64_t away = wall - then;

    return noted + (away < 0 ? 0 : away > most ? most : away);
}

uint64_t service_backoff(unsigned tries, uint64_t base, uint64_t ceiling)
{
    uint64_t delay = base;

    for (unsigned i = 0; i < tries && delay < ceiling; i++)
        delay *= 2; /* both are bounded by the configuration */
    return delay < ceiling ? delay : ceiling;
}
