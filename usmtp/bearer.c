/* See bearer.h. */
#include "usmtp/bearer.h"

#include <string.h>

#define BEARER "\001auth=Bearer "

static bool token_valid(struct span token)
{
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] <= ' ' || token.p[i] > '~')
            return false;
    return token.n > 0;
}

bool bearer_xoauth2(struct buf *out, const char *user, struct span token)
{
    if (!token_valid(token) || !buf_reserve(out, strlen(user) + token.n + 64))
        return false;
    buf_adds(out, "user=");
    buf_adds(out, user);
    buf_adds(out, BEARER);
    buf_addspan(out, token);
    return buf_adds(out, "\001\001");
}

/* RFC 5801 4: a comma and an equals sign stand for themselves no more. */
static void add_name(struct buf *out, const char *user)
{
    for (const char *p = user; *p != '\0'; p++)
        if (*p == ',')
            buf_adds(out, "=2C");
        else if (*p == '=')
            buf_adds(out, "=3D");
        else
            buf_addc(out, *p);
}

bool bearer_oauth(struct buf *out, const char *user, const char *host, unsigned port,
                  struct span token)
{
    if (!token_valid(token) || !buf_reserve(out, 3 * strlen(user) + strlen(host) + token.n + 64))
        return false;
    buf_adds(out, "n,a=");
    add_name(out, user);
    buf_printf(out, ",\001host=%s\001port=%u", host, port);
    buf_adds(out, BEARER);
    buf_addspan(out, token);
    return buf_adds(out, "\001\001");
}
