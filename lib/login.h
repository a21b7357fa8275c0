/* Who owns a file: the login name of a user id, from the system's user database.
 *
 * "No such user" and "cannot be asked now" (memory or descriptors are short, a directory service is
 * away) are told apart, because the first holds a mail and the second must not. */
#ifndef SPOOLMAIL_LOGIN_H
#define SPOOLMAIL_LOGIN_H

#include <sys/types.h>

enum { LOGIN_MAX = 32 };

enum login { LOGIN_KNOWN, LOGIN_UNKNOWN, LOGIN_TROUBLE };

/* UNKNOWN: *out is the number. TROUBLE: errno tells why, *out is "". */
enum login login_name(uid_t uid, char out[LOGIN_MAX + 1]);

#endif
