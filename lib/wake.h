/* The signal to usmtp that mail waits: a FIFO in mail/. What is written into it means nothing;
 * anybody may write, so the reader only ever wakes up and looks. */
#ifndef SPOOLMAIL_WAKE_H
#define SPOOLMAIL_WAKE_H

#define WAKE_NAME ".WAKE"

/* Makes the FIFO where it is missing, also in place of something else of that name, and opens it
 * for reading and (so that it never ends) writing. -1 with errno. */
int wake_listen(int mail);
/* Never blocks and never fails: with no reader there is nobody to wake. */
void wake_send(int mail);
/* Reads away what was written; junk costs nothing. */
void wake_drain(int fd);

#endif
