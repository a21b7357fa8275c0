/* The command `submit`: options, the deck, the logs, the exit code. */
#ifndef SPOOLMAIL_SUBMIT_COMMAND_H
#define SPOOLMAIL_SUBMIT_COMMAND_H

/* Returns the exit code: the highest condition code of the deck's jobs, 16 for a JCL error, or one
 * of sysexits.h when it did not come so far. */
int submit_command(int argc, char **argv);

#endif
