/* Is there room on the disk? Asked before the text of a message is taken, and looked up at most
 * once a second. */
#ifndef SSMTP_ROOM_H
#define SSMTP_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct room {
    int64_t asked_ms; /* 0: never */
    uint64_t free;    /* octets beyond the reserve */
    bool inodes;
};

/* For a message of so many octets and a twentieth more, in the file system of `dir`, above a
 * reserve for the rest of the system: a twentieth of the file system, 64 MiB at most. A file system
 * that can't be asked has room: the write will tell. */
bool room_for(struct room *r, int dir, uint64_t octets, int64_t now_ms);

#endif
