/* A child process that may hang: waited for, but not for ever. */
#ifndef PRINTER_CHILD_H
#define PRINTER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Waits until it ends, or kills it after so many seconds. False: it was killed for that. *status is
 * waitpid's. */
bool child_wait(pid_t pid, int seconds, int *status);
/* What an ended child wrote into a pipe, up to size - 1 octets, without the last line end; "" when
 * nothing. */
void child_words(int pipe, char *out, size_t size);

#endif
