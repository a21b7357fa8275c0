/* See offspring.h. */
#include "jobs/postoffice/offspring.h"

#include <signal.h>
#include <unistd.h>

static void close_others(int a, int b)
{
    unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

    if (low > 3)
        close_range(3, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0U, 0);
}

void offspring_begin(int a, int b, int64_t seconds)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGALRM};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], SIG_DFL); /* the loop's handlers would write into its descriptors */
    close_others(a, b);
    alarm((unsigned)seconds);
}
