/* Standard output, or a pager before it when it is a terminal. */
#ifndef JES_PAGER_H
#define JES_PAGER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct pager {
    FILE *to;
    pid_t pid; /* 0: no pager runs */
};

/* Starts $PAGER, less where it is not set, nothing where it is empty; without a shell. False with
 * errno when there is nothing to write to. */
bool pager_open(struct pager *p);
/* Waits until the reader has left the pager. */
void pager_close(struct pager *p);

#endif
