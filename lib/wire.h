/* The wire: one TCP connection in the event loop, octets in and out, in clear or under TLS. Knows
 * nothing of SMTP.
 *
 * What cannot be sent at once is buffered; the writer asks wire_unsent() and goes on in `ready`. A
 * wire never calls back from within wire_send() or wire_free(). */
#ifndef SPOOLMAIL_WIRE_H
#define SPOOLMAIL_WIRE_H

#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/tls.h"

struct wire;

struct wire_events {
    /* Octets came. They are gone after the call. The wire may be freed in it. */
    void (*received)(void *arg, struct span octets);
    /* Connected, or everything was sent: there is room for more. */
    void (*ready)(void *arg);
    /* Over: 0 the peer closed, ETIMEDOUT the deadline passed, EPROTO TLS failed, else errno. Free
     * the wire. */
    void (*ended)(void *arg, int error);
};

/* Starts to connect; `ready` or `ended` follows. NULL with errno. */
struct wire *wire_connect(struct loop *l, const struct sockaddr *to, socklen_t length,
                          const struct wire_events *events, void *arg);
/* Takes an accepted, non-blocking socket over. */
struct wire *wire_accept(struct loop *l, int fd, const struct wire_events *events, void *arg);
/* Closes at once; what was not sent is lost. The end of TLS is told if there is room. */
void wire_free(struct wire *w);
/* From here on all octets are TLS's, `t` is the wire's, and `secured` or `ended` follows. What was
 * sent before goes out in clear; give it nothing to send until `secured`. False: memory is short.
 */
bool wire_secure(struct wire *w, struct tls *t, void (*secured)(void *arg));
/* What was agreed, once it is secured; else NULL. */
const struct tls *wire_tls(const struct wire *w);
/* What `ended` told, in words. */
const char *wire_error(const struct wire *w, int error);
bool wire_send(struct wire *w, struct span octets);
/* The last that is said: the end of TLS goes with it. */
bool wire_send_last(struct wire *w, struct span octets);
size_t wire_unsent(const struct wire *w);
/* `ended` with ETIMEDOUT after so many milliseconds, unless set anew; 0 takes the deadline off. */
void wire_deadline(struct wire *w, int64_t ms);
/* Stops or goes on reading: the peer then waits. What was read already may still come. */
void wire_pause(struct wire *w, bool pause);
/* Is there input that was not given yet? */
bool wire_more(const struct wire *w);
/* Nothing more is sent: tells the peer so. What it sends still comes. */
void wire_finish(struct wire *w);

#endif
