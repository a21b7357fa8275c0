/* TLS of one connection as a filter: the peer's octets in, text out, and the other way round. The
 * one home of OpenSSL's TLS; it has no descriptor and no loop, so lib/wire puts it between the
 * socket and its user.
 *
 * TLS 1.2 or later, no renegotiation, no compression. Nothing is trusted that the peer sends:
 * handshakes and certificates are bounded by OpenSSL's limits, time by the wire's deadline. What
 * comes behind the end of TLS is an error, never text. */
#ifndef SPOOLMAIL_TLS_H
#define SPOOLMAIL_TLS_H

#include "lib/buf.h"
#include "lib/diag.h"
#include "lib/tlsa.h"

struct tls_context; /* certificates and rules that connections share */
struct tls;         /* one end of one connection */

enum { TLS_TICKET_KEY = 80, TLS_FILES = 4 };

/* Paths; NULL: none. `cert` and `key` may be up to TLS_FILES paths joined by commas, one for each
 * kind of key; without `key` the keys are in the files of `cert`. `ca` is a file, or a folder as
 * openssl-rehash(1) makes it. */
struct tls_files {
    const char *cert, *key, *ca;
};

/* A receiver's. With `ca`, clients are asked for a certificate and may have none. Tickets for
 * resumption are good wherever the same `ticket` key is used. NULL with *d. */
struct tls_context *tls_receiver(const struct tls_files *f,
                                 const unsigned char ticket[TLS_TICKET_KEY], struct diag *d);
/* A sender's. Without `ca` the certification authorities of the system count. NULL with *d. */
struct tls_context *tls_sender(const struct tls_files *f, struct diag *d);
/* One more who holds it. */
struct tls_context *tls_context_share(struct tls_context *c);
/* Whoever else holds it, and connections that use it, go on with it. */
void tls_context_free(struct tls_context *c);
/* A key for tickets. False: no random octets are to be had. */
bool tls_ticket_key(unsigned char key[TLS_TICKET_KEY]);
/* The key that follows this one, in its place. Who has it cannot tell the one before. */
void tls_ticket_next(unsigned char key[TLS_TICKET_KEY]);
/* A receiver's tickets are made by another key from now on, and those made before are void. False:
 * memory is short, and all is as before. */
bool tls_context_ticket(struct tls_context *c, const unsigned char ticket[TLS_TICKET_KEY]);

/* The last session with one host, to be resumed. Zero it to begin. */
struct tls_memory {
    char host[256];
    void *session;
};
void tls_memory_free(struct tls_memory *m);

/* How far a sender trusts. */
enum tls_check {
    TLS_CHECK_NONE, /* anybody */
    TLS_CHECK_NAME, /* certificate of an authority, for this name or address */
    TLS_CHECK_DANE  /* the records alone */
};

struct tls_peer {
    const char *host; /* a name, or an address as a literal with or without brackets */
    enum tls_check check;
    const struct tlsa *record;
    size_t records;
    struct tls_memory *memory; /* NULL: nothing is resumed; must outlive the connection */
};

/* NULL with *d: memory is short, or no record is of use. */
struct tls *tls_accept(struct tls_context *c, struct diag *d);
struct tls *tls_connect(struct tls_context *c, const struct tls_peer *peer, struct diag *d);
void tls_free(struct tls *t);

enum tls_event {
    TLS_WAIT,    /* for more octets of the peer */
    TLS_SECURED, /* the handshake is done; once */
    TLS_TEXT,    /* *n octets of text */
    TLS_CLOSED,  /* the peer ended it well */
    TLS_FAILED   /* tls_why() */
};
/* Octets of the peer, borrowed until tls_next() says other than SECURED or TEXT. */
void tls_feed(struct tls *t, struct span octets);
/* Goes on with them (a sender begins with none). What the peer is to get is added to *out, also
 * with FAILED: an alert. */
enum tls_event tls_next(struct tls *t, char *room, size_t size, size_t *n, struct buf *out);
/* Is anything left of what was fed? */
bool tls_pending(const struct tls *t);
bool tls_send(struct tls *t, struct span text, struct buf *out);
/* Ends it well: nothing more is sent. Does nothing before the handshake is done. */
void tls_close(struct tls *t, struct buf *out);
/* Why it failed, printable. */
const char *tls_why(const struct tls *t);

enum tls_trust {
    TLS_ANONYMOUS, /* the peer showed no certificate, or one that proves nothing */
    TLS_VERIFIED,  /* by an authority; a sender: and for the peer's name */
    TLS_BY_RECORD  /* DANE */
};

/* What was agreed, for logs and the Received field. All of it is printable, without blank (peer:
 * with), parenthesis or quote. */
struct tls_facts {
    char version[12]; /* TLSv1.3 */
    char cipher[64];
    unsigned bits;
    char peer[65]; /* common name of a certificate that was verified, or "" */
    enum tls_trust trust;
    bool resumed;
};
void tls_facts(const struct tls *t, struct tls_facts *f);
const char *tls_trust_name(enum tls_trust trust);

#endif
