/* The command `sndmsg`: options, who sends, the dialogue or the mail of a script, the exit code. */
#ifndef SNDMSG_SNDMSG_COMMAND_H
#define SNDMSG_SNDMSG_COMMAND_H

/* Returns the exit status: of sysexits.h, or 128 + signal. */
int sndmsg_command(int argc, char **argv);

#endif
