/* The post office: the external writer of jes/POST, as a program. */
#ifndef POSTOFFICE_POSTOFFICE_H
#define POSTOFFICE_POSTOFFICE_H

/* Runs the program; the result is its exit status (sysexits). */
int postoffice_main(int argc, char **argv);

#endif
