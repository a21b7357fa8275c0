/* failmalloc: a library for LD_PRELOAD that lets allocations fail.
 *
 *     FAILMALLOC="N once|from" FAILMALLOC_REPORT=FILE [FAILMALLOC_SPARE=NAME] \
 *         LD_PRELOAD=failmalloc.so CMD...
 *
 * malloc, calloc, realloc and reallocarray are numbered from 1 as each process of CMD makes them,
 * those of its libraries too (aligned_alloc and its like are not). The Nth, or all from the Nth on,
 * return NULL with ENOMEM. The first that fails is written to FILE with its caller; FILE empty
 * after the run: none failed. The dynamic loader's own allocations are not seen, nor are those of
 * the library whose path holds NAME. Threads may race for a number, which then is given to one of
 * them.
 *
 * The first look-up of a user is made before counting begins: there glibc 2.36 itself does not
 * survive (nss_database.c, two places), which is not ours to test. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The names by which glibc offers what is replaced here. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);

static struct {
    _Atomic unsigned long count;
    unsigned long at; /* 0: none */
    bool from;
    const char *spare;
    int report; /* opened before the program enters a jail; -1: none */
} plan = {.report = -1};

enum { REPORT_FD = 200 /* out of the way of a program that counts on low numbers */ };

__attribute__((constructor)) static void read_plan(void)
{
    const char *text = getenv("FAILMALLOC");
    char *end;

    if (text == NULL)
        return;
    const char *name = getenv("FAILMALLOC_REPORT");
    int fd = name == NULL ? -1 : open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0) {
        plan.report = fcntl(fd, F_DUPFD_CLOEXEC, REPORT_FD);
        close(fd);
    }
    getpwuid(0);
    plan.spare = getenv("FAILMALLOC_SPARE");
    plan.from = strstr(text, "from") != NULL;
    atomic_store(&plan.count, 0);
    plan.at = strtoul(text, &end, 10);
}

/* Without any allocation: what it calls must not come back here. */
static void say(unsigned long number, const char *name, size_t n, const void *caller)
{
    char line[400];
    Dl_info where = {0};
    int saved = errno;

    if (plan.report < 0)
        return;
    dladdr(caller, &where);
    const char *file = where.dli_fname != NULL ? where.dli_fname : "?";
    int length = snprintf(line, sizeof(line), "failed %lu %s %zu in %.200s+0x%lx\n", number, name,
                          n, file, (unsigned long)((uintptr_t)caller - (uintptr_t)where.dli_fbase));
    if (length <= 0 || length >= (int)sizeof(line) ||
        write(plan.report, line, (size_t)length) != length)
        _exit(2);
    errno = saved;
}

/* Not by dladdr(), which looks for the nearest symbol as well: libcrypto has thousands. */
static bool spared(const void *caller)
{
    struct dl_find_object where;

    return plan.spare != NULL && _dl_find_object((void *)(uintptr_t)caller, &where) == 0 &&
           where.dlfo_link_map->l_name != NULL &&
           strstr(where.dlfo_link_map->l_name, plan.spare) != NULL;
}

static bool fails(const char *name, size_t n, const void *caller)
{
    if (plan.at == 0 || spared(caller))
        return false;
    unsigned long number = atomic_fetch_add(&plan.count, 1) + 1;
    if (number != plan.at && !(plan.from && number > plan.at))
        return false;
    if (number == plan.at)
        say(number, name, n, caller);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return fails("malloc", n, __builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
    return fails("calloc", count * n, __builtin_return_address(0)) ? NULL : __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
    return fails("realloc", n, __builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t count, size_t n)
{
    size_t octets;

    if (__builtin_mul_overflow(count, n, &octets)) {
        errno = ENOMEM;
        return NULL;
    }
    return fails("reallocarray", octets, __builtin_return_address(0)) ? NULL
                                                                      : __libc_realloc(p, octets);
}
