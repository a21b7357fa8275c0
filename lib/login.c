/* See login.h. */
#include "lib/login.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>

/* What getpwuid(3) says where there is no such user. */
static bool means_unknown(int error)
{
    static const int errors[] = {0, ENOENT, ESRCH, EBADF, EPERM};

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (error == errors[i])
            return true;
    return false;
}

enum login login_name(uid_t uid, char out[LOGIN_MAX + 1])
{
    out[0] = '\0';
    errno = 0;
    const struct passwd *pw = getpwuid(uid);
    if (pw != NULL) {
        snprintf(out, LOGIN_MAX + 1, "%s", pw->pw_name);
        return LOGIN_KNOWN;
    }
    if (!means_unknown(errno))
        return LOGIN_TROUBLE;
    snprintf(out, LOGIN_MAX + 1, "%lu", (unsigned long)uid);
    return LOGIN_UNKNOWN;
}
