/* The external writer for jes/PRT, as a program. */
#ifndef PRINTER_PRINTER_H
#define PRINTER_PRINTER_H

/* Runs the program; the result is its exit status (sysexits). */
int printer_main(int argc, char **argv);

#endif
