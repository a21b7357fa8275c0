/* See tls.h. OpenSSL reads and writes through a BIO of our own that works on the caller's octets
 * and buffer: nothing is copied or kept in between, so that an idle connection costs no buffers. */
#include "lib/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/digest.h"

enum {
    TICKET_LIFE = 7200,            /* seconds */
    SENDER_CHAIN_MAX = 64 << 10,   /* octets of certificates taken from a host */
    RECEIVER_CHAIN_MAX = 16 << 10, /* and from a client */
    WHY_MAX = 200
};

/* Mail goes to old hosts too: what a sender takes is wider than what a receiver offers. */
static const char sender_ciphers[] = "HIGH:!aNULL:!PSK:!SRP:!DSS:!CAMELLIA:!ARIA:!SEED";
static const char receiver_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *method;
    unsigned users; /* connections, and whoever made it */
};

struct tls {
    SSL *ssl;
    struct tls_context *context;
    struct span in;  /* borrowed */
    struct buf *out; /* borrowed during a call */
    struct tls_memory *memory;
    char host[256];
    enum tls_check check;
    bool secured, failed, closed;
    char why[WHY_MAX];
};

/* The BIO. */

static int bio_read(BIO *b, char *to, int size)
{
    struct tls *t = BIO_get_data(b);
    size_t n = size > 0 ? (size_t)size : 0;

    BIO_clear_retry_flags(b);
    if (t->in.n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    if (n > t->in.n)
        n = t->in.n;
    memcpy(to, t->in.p, n);
    t->in = span_from(t->in, n);
    return (int)n;
}

static int bio_write(BIO *b, const char *octets, int n)
{
    const struct tls *t = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (t->out == NULL || n < 0 || !buf_add(t->out, octets, (size_t)n))
        return -1;
    return n;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* Contexts. */

/* Never asks a terminal. */
static int no_password(char *to, int size, int writing, void *arg)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int store_session(SSL *ssl, SSL_SESSION *session)
{
    const struct tls *t = SSL_get_app_data(ssl);
    struct tls_memory *m = t->memory;

    if (m == NULL || !span_copy(span_of(t->host), m->host, sizeof(m->host)))
        return 0;
    SSL_SESSION_free(m->session);
    m->session = session; /* its count is ours now */
    return 1;
}

/* A certificate that cannot be verified is as good as none: what it proves is asked later. */
static int take_any(int good, X509_STORE_CTX *store)
{
    (void)good;
    (void)store;
    return 1;
}

static const char *last_reason(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);

    return reason == NULL ? "memory is short" : reason;
}

/* What can be said of a file before it is read. `secret`: nobody else may read it. */
static bool file_fit(const char *keyword, const char *path, bool secret, struct diag *d)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return diag_set(d, 0, 0, "%s(%s) cannot be read: %s%s", keyword, path, strerror(errno),
                        errno == EACCES ? "; the USER of the programs must be able to" : "");
    bool known = fstat(fd, &st) == 0;
    close(fd);
    if (!known || !S_ISREG(st.st_mode))
        return diag_set(d, 0, 0, "%s(%s) is not a plain file", keyword, path);
    if (secret && st.st_mode & S_IROTH)
        return diag_set(d, 0, 0, "%s(%s) may be read by everybody: chmod o-rwx it", keyword, path);
    return true;
}

static bool use_pair(SSL_CTX *ssl, const char *cert, const char *key, struct diag *d)
{
    const char *keyword = strcmp(cert, key) == 0 ? "CERT" : "KEY";

    if (!file_fit("CERT", cert, false, d) || !file_fit(keyword, key, true, d))
        return false;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1)
        return diag_set(d, 0, 0, "CERT(%s) holds no certificate in PEM form (%s)", cert,
                        last_reason());
    X509 *shown = SSL_CTX_get0_certificate(ssl);
    bool used = SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) == 1;
    if (!used && ERR_GET_REASON(ERR_peek_last_error()) != X509_R_KEY_VALUES_MISMATCH)
        return diag_set(d, 0, 0, "%s(%s) holds no private key in PEM form without a password (%s)",
                        keyword, key, last_reason());
    /* A key of another kind has a place of its own, and is not compared there. */
    if (!used || X509_check_private_key(shown, SSL_CTX_get0_privatekey(ssl)) != 1)
        return diag_set(d, 0, 0, "%s(%s) does not belong to CERT(%s)", keyword, key, cert);
    return true;
}

static bool use_pairs(SSL_CTX *ssl, const struct tls_files *f, struct diag *d)
{
    struct span certs, keys, cert, key;
    char cert_path[1024], key_path[1024];

    if (f->cert == NULL)
        return f->key == NULL || diag_set(d, 0, 0, "KEY(%s) stands without CERT", f->key);
    certs = span_of(f->cert);
    keys = span_of(f->key != NULL ? f->key : f->cert);
    while (span_cut(&certs, ',', &cert)) {
        if (!span_cut(&keys, ',', &key))
            return diag_set(d, 0, 0, "KEY(%s) has fewer files than CERT(%s)", f->key, f->cert);
        if (!span_copy(cert, cert_path, sizeof(cert_path)) ||
            !span_copy(key, key_path, sizeof(key_path)))
            return diag_set(d, 0, 0, "CERT(%s) or its KEY is too long", f->cert);
        if (!use_pair(ssl, cert_path, key_path, d))
            return false;
    }
    return keys.p == NULL ||
           diag_set(d, 0, 0, "KEY(%s) has more files than CERT(%s)", f->key, f->cert);
}

static bool use_authorities(SSL_CTX *ssl, const char *keyword, const char *ca, struct diag *d)
{
    struct stat st;

    ERR_clear_error();
    if (stat(ca, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (SSL_CTX_load_verify_dir(ssl, ca) == 1)
            return true;
    } else if (!file_fit(keyword, ca, false, d)) {
        return false;
    } else if (SSL_CTX_load_verify_file(ssl, ca) == 1) {
        return true;
    }
    return diag_set(d, 0, 0, "%s(%s) holds no certificate in PEM form (%s)", keyword, ca,
                    last_reason());
}

static struct tls_context *context_new(const SSL_METHOD *kind, const char *ciphers,
                                       const struct tls_files *f, struct diag *d)
{
    struct tls_context *c = calloc(1, sizeof(*c));

    *d = (struct diag){0};
    if (c == NULL) {
        diag_memory(d);
        return NULL;
    }
    c->users = 1;
    c->ssl = SSL_CTX_new(kind);
    c->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wire");
    if (c->ssl == NULL || c->method == NULL || BIO_meth_set_read(c->method, bio_read) != 1 ||
        BIO_meth_set_write(c->method, bio_write) != 1 ||
        BIO_meth_set_ctrl(c->method, bio_control) != 1 ||
        SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(c->ssl, ciphers) != 1) {
        diag_memory(d);
        tls_context_free(c);
        return NULL;
    }
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_default_passwd_cb(c->ssl, no_password);
    if (!use_pairs(c->ssl, f, d)) {
        tls_context_free(c);
        return NULL;
    }
    return c;
}

static bool ask_clients(SSL_CTX *ssl, const char *ca, struct diag *d)
{
    if (!use_authorities(ssl, "CLIENTCA", ca, d))
        return false;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);
    if (names == NULL)
        return diag_set(d, 0, 0, "CLIENTCA(%s) must be a file of certificates", ca);
    SSL_CTX_set_client_CA_list(ssl, names);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, take_any);
    return true;
}

struct tls_context *tls_receiver(const struct tls_files *f,
                                 const unsigned char ticket[TLS_TICKET_KEY], struct diag *d)
{
    static const unsigned char name[] = "spoolmail";
    struct tls_context *c = context_new(TLS_server_method(), receiver_ciphers, f, d);

    if (c == NULL)
        return NULL;
    bool good = tls_context_ticket(c, ticket) &&
                SSL_CTX_set_session_id_context(c->ssl, name, sizeof(name) - 1) == 1 &&
                SSL_CTX_set_num_tickets(c->ssl, 1) == 1;
    /* CERT holds the chain: none is looked for at each handshake. */
    SSL_CTX_set_mode(c->ssl, SSL_MODE_NO_AUTO_CHAIN);
    /* Sessions are in their tickets alone: any worker can resume them. */
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(c->ssl, TICKET_LIFE);
    SSL_CTX_set_max_cert_list(c->ssl, RECEIVER_CHAIN_MAX);
    if (!good)
        diag_memory(d);
    if (good && (f->ca == NULL || ask_clients(c->ssl, f->ca, d)))
        return c;
    tls_context_free(c);
    return NULL;
}

/* The file and the folder of the system. SSL_CTX_set_default_verify_paths() adds a third way to the
 * same folder, which reads each name in it for each certificate whose issuer is not there. */
static bool use_system_authorities(SSL_CTX *ssl)
{
    return SSL_CTX_set_default_verify_file(ssl) == 1 && SSL_CTX_set_default_verify_dir(ssl) == 1;
}

struct tls_context *tls_sender(const struct tls_files *f, struct diag *d)
{
    struct tls_context *c = context_new(TLS_client_method(), sender_ciphers, f, d);

    if (c == NULL)
        return NULL;
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ssl, store_session);
    SSL_CTX_set_max_cert_list(c->ssl, SENDER_CHAIN_MAX);
    bool good = SSL_CTX_dane_enable(c->ssl) == 1;
    if (good && f->ca == NULL)
        good = use_system_authorities(c->ssl);
    if (!good)
        diag_memory(d);
    if (good && (f->ca == NULL || use_authorities(c->ssl, "CA", f->ca, d)))
        return c;
    tls_context_free(c);
    return NULL;
}

struct tls_context *tls_context_share(struct tls_context *c)
{
    c->users++;
    return c;
}

void tls_context_free(struct tls_context *c)
{
    if (c == NULL || --c->users > 0)
        return;
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->method);
    free(c);
}

bool tls_ticket_key(unsigned char key[TLS_TICKET_KEY])
{
    return RAND_bytes(key, TLS_TICKET_KEY) == 1;
}

void tls_ticket_next(unsigned char key[TLS_TICKET_KEY])
{
    unsigned char next[3 * DIGEST_OCTETS];
    struct digest d;

    for (char part = 0; part < 3; part++) {
        digest_begin(&d);
        digest_add(&d, (struct span){(const char *)key, TLS_TICKET_KEY});
        digest_add(&d, (struct span){&part, 1});
        digest_end(&d, next + (size_t)part * DIGEST_OCTETS);
    }
    memcpy(key, next, TLS_TICKET_KEY);
    OPENSSL_cleanse(next, sizeof(next));
    OPENSSL_cleanse(&d, sizeof(d));
}

bool tls_context_ticket(struct tls_context *c, const unsigned char ticket[TLS_TICKET_KEY])
{
    unsigned char key[TLS_TICKET_KEY];

    memcpy(key, ticket, sizeof(key));
    bool good = SSL_CTX_set_tlsext_ticket_keys(c->ssl, key, sizeof(key)) == 1;
    OPENSSL_cleanse(key, sizeof(key));
    return good;
}

/* Connections. */

void tls_memory_free(struct tls_memory *m)
{
    SSL_SESSION_free(m->session);
    *m = (struct tls_memory){0};
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    /* Otherwise its session could not be resumed; SMTP ends by QUIT, whoever closes first. */
    if (t->secured && !t->failed)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    tls_context_free(t->context);
    free(t);
}

static struct tls *tls_new(struct tls_context *c, struct diag *d)
{
    struct tls *t = calloc(1, sizeof(*t));
    BIO *bio = BIO_new(c->method);

    *d = (struct diag){0};
    if (t != NULL)
        t->ssl = SSL_new(c->ssl);
    if (t == NULL || bio == NULL || t->ssl == NULL) {
        BIO_free(bio);
        if (t != NULL)
            SSL_free(t->ssl);
        free(t);
        diag_memory(d);
        return NULL;
    }
    t->context = tls_context_share(c);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    return t;
}

struct tls *tls_accept(struct tls_context *c, struct diag *d)
{
    struct tls *t = tls_new(c, d);

    if (t != NULL)
        SSL_set_accept_state(t->ssl);
    return t;
}

/* An address without the brackets of its literal; other text as it stands. */
static struct span bare_host(const char *host)
{
    struct span s = span_of(host);

    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return s;
    s = (struct span){s.p + 1, s.n - 2};
    return span_starts_nocase(s, SPAN("IPv6:")) ? span_from(s, 5) : s;
}

/* Whom the certificate must name. An address is no name: it has no place in SNI. */
static bool expect_host(struct tls *t, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (!span_copy(bare_host(host), t->host, sizeof(t->host)) || t->host[0] == '\0')
        return false;
    if (X509_VERIFY_PARAM_set1_ip_asc(param, t->host) == 1)
        return true;
    return SSL_set_tlsext_host_name(t->ssl, t->host) == 1 && SSL_set1_host(t->ssl, t->host) == 1;
}

/* How many of the records can be used. */
static size_t use_records(const struct tls *t, const struct tls_peer *peer)
{
    size_t used = 0;

    if (SSL_dane_enable(t->ssl, t->host) != 1)
        return 0;
    SSL_dane_set_flags(t->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 3.1.1 */
    for (size_t i = 0; i < peer->records; i++) {
        const struct tlsa *r = &peer->record[i];
        used +=
            SSL_dane_tlsa_add(t->ssl, r->usage, r->selector, r->matching, r->data, r->length) == 1;
    }
    return used;
}

static bool prepare_sender(struct tls *t, const struct tls_peer *peer, struct diag *d)
{
    const struct tls_memory *m = peer->memory;

    SSL_set_connect_state(t->ssl);
    t->check = peer->check;
    if (!expect_host(t, peer->host))
        return diag_set(d, 0, 0, "%s is no host that can be asked for a certificate", peer->host);
    if (peer->check == TLS_CHECK_DANE && use_records(t, peer) == 0)
        return diag_set(d, 0, 0, "there is no TLSA record of use for %s", peer->host);
    if (peer->check == TLS_CHECK_NONE)
        /* Weak certificates are better than clear text, and prove nothing anyway. */
        SSL_set_security_level(t->ssl, 1);
    else
        SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
    if (peer->check == TLS_CHECK_DANE)
        return true; /* records may have changed since a session */
    t->memory = peer->memory;
    if (m != NULL && m->session != NULL && strcmp(m->host, t->host) == 0)
        SSL_set_session(t->ssl, m->session);
    return true;
}

struct tls *tls_connect(struct tls_context *c, const struct tls_peer *peer, struct diag *d)
{
    struct tls *t = tls_new(c, d);

    if (t != NULL && !prepare_sender(t, peer, d)) {
        tls_free(t);
        t = NULL;
    }
    ERR_clear_error();
    return t;
}

/* The handshake and what follows it. */

void tls_feed(struct tls *t, struct span octets)
{
    t->in = octets;
}

bool tls_pending(const struct tls *t)
{
    return t->in.n > 0 || SSL_has_pending(t->ssl);
}

/* Reasons that OpenSSL tells in words which mislead. */
static const struct {
    int reason;
    const char *text;
} plain_words[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "what came is no TLS, or a version that is too old"},
    {SSL_R_HTTP_REQUEST, "what came is no TLS but HTTP"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "what came is no TLS"},
    {SSL_R_BAD_RECORD_TYPE, "what came is no TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the peer offers no version from TLS 1.2 on"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the peer refuses every version from TLS 1.2 on"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the peer found nothing that both sides can do"},
};

static void explain(struct tls *t)
{
    unsigned long e = ERR_peek_error();
    long verified = SSL_get_verify_result(t->ssl);
    const char *text = e == 0 ? NULL : ERR_reason_error_string(e);

    for (size_t i = 0; i < sizeof(plain_words) / sizeof(plain_words[0]); i++)
        if (ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == plain_words[i].reason)
            text = plain_words[i].text;
    if (ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
        verified != X509_V_OK)
        snprintf(t->why, sizeof(t->why), "certificate of %.120s: %s", t->host,
                 X509_verify_cert_error_string(verified));
    else
        snprintf(t->why, sizeof(t->why), "%s", text != NULL ? text : "memory is short");
}

static enum tls_event fail(struct tls *t, const char *why)
{
    t->failed = true;
    if (why != NULL)
        snprintf(t->why, sizeof(t->why), "%s", why);
    else
        explain(t);
    ERR_clear_error();
    t->in = (struct span){0};
    return TLS_FAILED;
}

/* What a call of OpenSSL that did not succeed means. */
static enum tls_event judge(struct tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        if (t->in.n > 0)
            return fail(t, "octets came behind the end of TLS");
        t->closed = true;
        return TLS_CLOSED;
    default:
        return fail(t, NULL);
    }
}

static enum tls_event next(struct tls *t, char *room, size_t size, size_t *n)
{
    if (t->failed)
        return TLS_FAILED;
    if (t->closed) {
        if (t->in.n > 0)
            return fail(t, "octets came behind the end of TLS");
        return TLS_CLOSED;
    }
    ERR_clear_error();
    if (!t->secured) {
        int done = SSL_do_handshake(t->ssl);
        if (done != 1)
            return judge(t, done);
        t->secured = true;
        return TLS_SECURED;
    }
    int got = SSL_read_ex(t->ssl, room, size, n);
    return got == 1 ? TLS_TEXT : judge(t, got);
}

enum tls_event tls_next(struct tls *t, char *room, size_t size, size_t *n, struct buf *out)
{
    *n = 0;
    t->out = out;
    enum tls_event event = next(t, room, size, n);
    t->out = NULL;
    return out->failed && event != TLS_FAILED ? fail(t, "memory is short") : event;
}

bool tls_send(struct tls *t, struct span text, struct buf *out)
{
    size_t sent = 0;

    if (text.n == 0)
        return true;
    if (!t->secured || t->failed)
        return false;
    t->out = out;
    ERR_clear_error();
    bool good = SSL_write_ex(t->ssl, text.p, text.n, &sent) == 1 && sent == text.n;
    ERR_clear_error();
    t->out = NULL;
    return good && !out->failed;
}

void tls_close(struct tls *t, struct buf *out)
{
    if (!t->secured || t->failed || SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN)
        return;
    t->out = out;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
    t->out = NULL;
}

const char *tls_why(const struct tls *t)
{
    return t->why;
}

/* Facts. */

/* Only what stands well in a comment of a header field and in a log. */
static void put_name(char *to, size_t size, const unsigned char *name, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n && at + 1 < size; i++) {
        unsigned char c = name[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c != '\0' && strchr(" .-_@+", c) != NULL);
        to[at++] = plain ? (char)c : '?';
    }
    to[at] = '\0';
}

static void common_name(X509 *cert, char *to, size_t size)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = at < 0 ? NULL : X509_NAME_get_entry(subject, at);
    unsigned char *text = NULL;
    int n = entry == NULL ? -1 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));

    if (n > 0)
        put_name(to, size, text, (size_t)n);
    OPENSSL_free(text);
}

static enum tls_trust trust_of(const struct tls *t, X509 *cert)
{
    if (cert == NULL || SSL_get_verify_result(t->ssl) != X509_V_OK)
        return TLS_ANONYMOUS;
    return t->check == TLS_CHECK_DANE ? TLS_BY_RECORD : TLS_VERIFIED;
}

void tls_facts(const struct tls *t, struct tls_facts *f)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);
    X509 *cert = SSL_get0_peer_certificate(t->ssl);

    *f = (struct tls_facts){.trust = trust_of(t, cert), .resumed = SSL_session_reused(t->ssl) == 1};
    snprintf(f->version, sizeof(f->version), "%s", SSL_get_version(t->ssl));
    snprintf(f->cipher, sizeof(f->cipher), "%s", SSL_CIPHER_get_name(cipher));
    f->bits = (unsigned)SSL_CIPHER_get_bits(cipher, NULL);
    if (f->trust != TLS_ANONYMOUS)
        common_name(cert, f->peer, sizeof(f->peer));
}

const char *tls_trust_name(enum tls_trust trust)
{
    static const char *const names[] = {
        [TLS_ANONYMOUS] = "not verified",
        [TLS_VERIFIED] = "verified",
        [TLS_BY_RECORD] = "verified by DANE",
    };
    return names[trust];
}
