/* See room.h. */
#include "ssmtp/room.h"

#include <sys/statvfs.h>

enum { FRESH_MS = 1000, RESERVE_MAX = 64 << 20, INODES_MIN = 16, SHARE = 20 };

static void ask(struct room *r, int dir)
{
    struct statvfs st;

    r->free = UINT64_MAX;
    r->inodes = true;
    if (fstatvfs(dir, &st) < 0)
        return;
    uint64_t reserve = (uint64_t)st.f_blocks / SHARE * st.f_frsize;
    uint64_t free = (uint64_t)st.f_bavail * st.f_frsize;
    if (reserve > RESERVE_MAX)
        reserve = RESERVE_MAX;
    r->free = free > reserve ? free - reserve : 0;
    r->inodes = st.f_files == 0 || st.f_favail >= INODES_MIN; /* 0: it has no such limit */
}

bool room_for(struct room *r, int dir, uint64_t octets, int64_t now_ms)
{
    uint64_t need;

    if (r->asked_ms == 0 || now_ms - r->asked_ms >= FRESH_MS) {
        ask(r, dir);
        r->asked_ms = now_ms;
    }
    return r->inodes && r->free > 0 && !__builtin_add_overflow(octets, octets / SHARE, &need) &&
           need <= r->free;
}
