/* usertable password, nopassword, passwords: what changes and lists the password file. */
#ifndef USERTABLE_PASSWORD_COMMAND_H
#define USERTABLE_PASSWORD_COMMAND_H

#include "lib/site.h"

/* Each returns an exit status (sysexits). `operand` is the user: his ID, mail name or address. */
/* Reads a password, from the terminal without showing it or as the one line of standard input, and
 * keeps what proves it: the file is replaced whole and durably, or stays as it was. */
int password_set(const struct site *site, const char *operand);
int password_remove(const struct site *site, const char *operand);
int password_list(const struct site *site);

#endif
