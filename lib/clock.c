/* See clock.h. */
#include "lib/clock.h"

#include <time.h>

int64_t clock_wall(void)
{
    return (int64_t)time(NULL);
}

int clock_offset(int64_t wall)
{
    time_t t = (time_t)wall;
    struct tm local;

    return localtime_r(&t, &local) == NULL ? 0 : (int)local.tm_gmtoff;
}

int64_t clock_steady_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_resumed(int64_t noted, int64_t then, int64_t wall, int64_t most)
{
    int64_t away = wall - then;

    return noted + (away < 0 ? 0 : away > most ? most : away);
}

uint64_t clock_backoff(unsigned tries, uint64_t base, uint64_t ceiling)
{
    uint64_t delay = base;

    for (unsigned i = 0; i < tries && delay < ceiling; i++)
        delay *= 2; /* both are bounded by the configuration */
    return delay < ceiling ? delay : ceiling;
}
