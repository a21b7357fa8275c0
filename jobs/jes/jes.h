/* jes(1): what an operator asks about the spool. Reads only. */
#ifndef JES_JES_H
#define JES_JES_H

#include "lib/site.h"

/* Runs the command; the result is its exit status (sysexits). */
int jes_main(int argc, char **argv);

/* What a subcommand gets. */
struct jes {
    const struct site *site;
    int spool;      /* the directory SPOOL */
    char **operand; /* NULL after the last */
};

/* The subcommands; each returns an exit status. */
int jes_list(const struct jes *j);
int jes_show(const struct jes *j);
int jes_queue(const struct jes *j);

/* Gives up what it does not need any more (lib/jail.h). False with a message. */
bool jes_jail(void);
/* One line on standard error, made safe. */
void jes_complain(const char *what, const char *why);

#endif
