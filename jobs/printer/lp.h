/* Hands a file to the print service: lp -d QUEUE -t TITLE FILE, without a shell. */
#ifndef PRINTER_LP_H
#define PRINTER_LP_H

#include <stdbool.h>

enum { LP_WORDS = 200 };

/* False: it was not taken, and words says why. `path` is absolute, so that it is no option. */
bool lp_print(const char *queue, const char *title, const char *path, char words[LP_WORDS]);

#endif
