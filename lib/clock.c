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
