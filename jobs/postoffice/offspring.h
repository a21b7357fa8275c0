/* What each child process of the post office does first: no connection, queue or lock of its parent
 * lives on in it, no signal is caught, and it ends itself when its time is up. */
#ifndef POSTOFFICE_OFFSPRING_H
#define POSTOFFICE_OFFSPRING_H

#include <stdint.h>

/* Keeps the standard descriptors and these two. */
void offspring_begin(int a, int b, int64_t seconds);

#endif
