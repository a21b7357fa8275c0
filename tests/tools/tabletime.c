/* tabletime: how long a user table takes to load, and to look a user up in.
 *
 *   tabletime --make N FILE    writes a table of N users
 *   tabletime FILE             loads it, looks each of them up by mail name in an order that no
 *                              cache foresees, and some who are not in it
 *
 * A user who is not found, or found and not there, is an error (status 1). */
#include <inttypes.h>
#include <stdbool.h>
#include <time.h>

#include "tests/tools/tool.h"
#include "usertable/usertable.h"

enum { USERS_MAX = 10000000, LOOKUPS = 1000000 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_table(const char *path, uint64_t users)
{
    FILE *f = fopen(path, "we");

    if (f == NULL)
        tool_die(errno, "cannot write %s", path);
    for (uint64_t i = 0; i < users; i++)
        fprintf(f, "U%07" PRIu64 "  first.last%" PRIu64 "  'Full Name %" PRIu64 "'\n", i, i, i);
    if (fclose(f) != 0)
        tool_die(errno, "cannot write %s", path);
}

/* Looks up users in a scattered order; returns how many answers were wrong. */
static size_t look_up(const struct usertable *t, size_t users)
{
    uint64_t at = 88172645463325252U;
    struct user user;
    size_t wrong = 0;

    for (size_t i = 0; i < LOOKUPS; i++) {
        char name[40];
        at ^= at << 13;
        at ^= at >> 7;
        at ^= at << 17;
        bool known = i % 16 != 0;
        int n = snprintf(name, sizeof(name), known ? "First.Last%" PRIu64 : "nobody%" PRIu64,
                         at % users);
        if (usertable_find(t, (struct span){name, (size_t)n}, &user) != known)
            wrong++;
    }
    return wrong;
}

int main(int argc, char **argv)
{
    struct diag d = {0};

    if (argc == 4 && strcmp(argv[1], "--make") == 0) {
        make_table(argv[3], tool_number("--make", argv[2], USERS_MAX));
        return 0;
    }
    if (argc != 2 || argv[1][0] == '-')
        tool_die(0, "usage: tabletime [--make N] FILE");
    double began = now();
    struct usertable *t = usertable_load(argv[1], &d);
    if (t == NULL)
        tool_die(0, "%s:%zu:%zu: %s", argv[1], d.line, d.column, d.text);
    double loaded = now();
    size_t users = usertable_count(t);
    size_t wrong = users > 0 ? look_up(t, users) : 0;
    double ended = now();
    printf("users %zu\nload_s %.6f\nlookup_us %.4f\nerrors %zu\n", users, loaded - began,
           (ended - loaded) * 1e6 / LOOKUPS, wrong);
    usertable_free(t);
    return wrong == 0 ? 0 : TOOL_FAILED;
}
