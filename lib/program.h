/* What every daemon and command of the system does in the same way: options, configuration, log,
 * identity. */
#ifndef SPOOLMAIL_PROGRAM_H
#define SPOOLMAIL_PROGRAM_H

#include <sys/resource.h>

#include "lib/msg.h"
#include "lib/site.h"
#include "lib/spool.h"
#include "usertable/usertable.h"

struct program {
    const char *name;     /* "spool4" */
    const char *synopsis; /* one line for --help, after the name */
    /* filled by program_start() */
    const char *member;
    bool check, once, trace;
    const char *powers; /* set it before: what it keeps of root's when it becomes USER, as
                           cap_from_text(3) has it; NULL: nothing */
    const char
        *service; /* set it before: the SERVICE statement without which it does not run, or NULL */
    bool offline; /* its jail has no network: a configuration that needs one is not taken over */
    /* set it before, or NULL: can this machine follow what the configuration says of files? Asked
     * by --check. */
    bool (*fits)(const struct program *p, struct diag *d);
    bool operands;       /* set it before: words after the options are lawful */
    bool users_optional; /* as given to program_start() */
    struct msg_log log;
    struct site *site;       /* owned */
    struct usertable *users; /* owned */
    int first;               /* index of the first operand in argv */
};

/* Reads the options -C member, --check, --once, --trace, --log stderr|syslog, --help, --version,
 * then the configuration and the user table. Returns -1 when the program is to go on, or its exit
 * status (sysexits). A user table that is missing is an empty one only if `users_optional`. */
int program_start(struct program *p, int argc, char **argv, bool users_optional);
/* Becomes the configured USER for good when started as root; of root's powers it keeps `powers`.
 * False with a message. */
bool program_become_user(const struct program *p);
/* With CAP_LEASE it is seen whether others' files are whole. */
#define PROGRAM_LEASES "cap_lease=ep"
/* Keeps these of its powers only; "=": none. */
bool program_keep_powers(const char *powers);
/* Reads configuration and user table anew after SIGHUP; the old ones stay in use if the new have an
 * error. */
void program_reload(struct program *p);
void program_end(struct program *p);
/* Opens the spool and says why when it cannot. */
bool program_spool(const struct program *p, struct spool *spool, unsigned queues);
/* As many descriptors as this process may have, from now on; RLIM_INFINITY when nobody knows. */
rlim_t program_descriptors(void);
/* Gives up what it does not need (jail.h). False with a message. */
bool program_jail(const struct program *p);

#endif
