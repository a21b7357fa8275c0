/* USMTP: the sender, as a program. */
#ifndef USMTP_USMTP_H
#define USMTP_USMTP_H

/* Runs the program; the result is its exit status (sysexits). */
int usmtp_main(int argc, char **argv);

#endif
