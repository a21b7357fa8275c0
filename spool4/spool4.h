/* SPOOL#4: the outgoing spooler, as a program. */
#ifndef SPOOL4_SPOOL4_H
#define SPOOL4_SPOOL4_H

/* Runs the program; the result is its exit status (sysexits). */
int spool4_main(int argc, char **argv);

#endif
