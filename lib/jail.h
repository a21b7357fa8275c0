/* The jail: each program gives up what it does not need before it looks at anything from outside.
 *
 * no_new_privs, no core dumps, not dumpable, no new processes where none are needed; Landlock for
 * the file system and TCP, as far as this kernel has it (asked, taken what is there, logged); a
 * seccomp list of system calls (libseccomp, whose one home this is): what is not on it fails with
 * EPERM. What a program needs is one row of the table in jail.c. */
#ifndef SPOOLMAIL_JAIL_H
#define SPOOLMAIL_JAIL_H

#include "lib/msg.h"
#include "lib/site.h"

/* Enters the jail of the program named ("spool4", "usmtp", ...) for good. Descriptors that are open
 * stay usable; directories to be used later must lie below the site's SPOOL or be in the program's
 * row. False with a message when a part that this kernel offers could not be entered: the program
 * must not go on. */
bool jail_enter(const char *program, const struct site *site, const struct msg_log *log);
/* The same for a command, or for a child of a program, which have no log to write to. `site` NULL:
 * no spool is needed. False with errno. */
bool jail_command(const char *program, const struct site *site);
/* The same for a child that works below one open directory and nowhere else. */
bool jail_directory(const char *program, int dir);

#endif
