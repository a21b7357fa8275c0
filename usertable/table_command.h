/* The program usertable: checks, lists and looks up entries of a user table. */
#ifndef SPOOLMAIL_TABLE_COMMAND_H
#define SPOOLMAIL_TABLE_COMMAND_H

/* Does what the arguments say; returns an exit status of sysexits.h. What it writes is safe for a
 * terminal whatever the table holds. */
int table_command(int argc, char **argv);

#endif
