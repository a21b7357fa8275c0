/* SSMTP: the receiver, as a program. */
#ifndef SSMTP_SSMTP_H
#define SSMTP_SSMTP_H

/* Runs the program; the result is its exit status (sysexits). */
int ssmtp_main(int argc, char **argv);

#endif
