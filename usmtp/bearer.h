/* Tokens instead of passwords, which libgsasl lacks: XOAUTH2 (Google's and Microsoft's) and
 * OAUTHBEARER (RFC 7628). Pure. */
#ifndef USMTP_BEARER_H
#define USMTP_BEARER_H

#include "lib/buf.h"

/* The client's first message; the room for it is taken at once. False: the token has an octet that
 * no token has (RFC 6750 2.1), or memory is short. */
bool bearer_xoauth2(struct buf *out, const char *user, struct span token);
bool bearer_oauth(struct buf *out, const char *user, const char *host, unsigned port,
                  struct span token);

#endif
