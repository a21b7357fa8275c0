/* TLS between two ends of our own without a socket: which certificates are taken, what is never
 * taken for text, and that both ends bear any cutting of the stream. Certificates are made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/tls.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OCTETS(literal)                                                                            \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

enum { DAY = 86400, ROOM = 16384 };

/* What a certificate is to be like. */
struct wanted {
    const char *common_name, *names; /* names: subjectAltName as in a configuration; NULL: none */
    long from_days, to_days;
    bool self; /* signed by itself, not by the authority */
    bool nul;  /* its one name is host.example, NUL, .evil.example */
};

struct material {
    char folder[32];
    X509 *authority;
    EVP_PKEY *authority_key;
    unsigned char ticket[TLS_TICKET_KEY];
};

static void path_in(const struct material *m, const char *name, char out[64])
{
    snprintf(out, 64, "%s/%s", m->folder, name);
}

static void extend(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void add_nul_name(X509 *cert)
{
    static const char name[] = "host.example\0.evil.example";
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *one = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();

    assert_int_equal(ASN1_STRING_set(text, name, sizeof(name) - 1), 1);
    GENERAL_NAME_set0_value(one, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, one);
    assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0), 1);
    GENERAL_NAMES_free(names);
}

static X509 *make(const struct material *m, const struct wanted *w, EVP_PKEY *key, bool authority)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    bool self = w->self || authority;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), authority ? 1 : 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), w->from_days * DAY);
    X509_gmtime_adj(X509_getm_notAfter(cert), w->to_days * DAY);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)w->common_name, -1,
                               -1, 0);
    X509_set_issuer_name(cert, self ? name : X509_get_subject_name(m->authority));
    if (authority)
        extend(cert, NID_basic_constraints, "critical,CA:TRUE");
    if (w->names != NULL)
        extend(cert, NID_subject_alt_name, w->names);
    if (w->nul)
        add_nul_name(cert);
    assert_true(X509_sign(cert, self ? key : m->authority_key, EVP_sha256()) > 0);
    return cert;
}

static void save(const char *path, X509 *cert, EVP_PKEY *key)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fchmod(fileno(f), 0600);
    if (cert != NULL)
        assert_int_equal(PEM_write_X509(f, cert), 1);
    if (key != NULL)
        assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    static struct material m;
    static const struct wanted authority = {"Authority", NULL, -1, 10, true, false};
    char path[64];

    m = (struct material){.folder = "/tmp/spoolmail-tls-XXXXXX"};
    assert_non_null(mkdtemp(m.folder));
    m.authority_key = EVP_EC_gen("P-256");
    m.authority = make(&m, &authority, m.authority_key, true);
    path_in(&m, "ca.pem", path);
    save(path, m.authority, NULL);
    assert_true(tls_ticket_key(m.ticket));
    *state = &m;
    return 0;
}

static int tear_down(void **state)
{
    struct material *m = *state;
    static const char *const names[] = {"ca.pem", "end.pem", "other.pem", "cut.pem", "key.pem"};
    char path[64];

    X509_free(m->authority);
    EVP_PKEY_free(m->authority_key);
    for (size_t i = 0; i < COUNT(names); i++) {
        path_in(m, names[i], path);
        unlink(path);
    }
    rmdir(m->folder);
    return 0;
}

/* Certificate and key in one file. */
static void save_end(const struct material *m, const struct wanted *w, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make(m, w, key, false);
    char path[64];

    path_in(m, name, path);
    save(path, cert, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static struct tls_context *receiver(const struct material *m, const char *ca)
{
    struct diag d;
    char path[64];

    path_in(m, "end.pem", path);
    struct tls_files f = {.cert = path, .ca = ca};
    struct tls_context *c = tls_receiver(&f, m->ticket, &d);
    if (c == NULL)
        fail_msg("%s", d.text);
    return c;
}

static struct tls_context *sender(const struct material *m, bool certificate)
{
    struct diag d;
    char ca[64], cert[64];

    path_in(m, "ca.pem", ca);
    path_in(m, "other.pem", cert);
    struct tls_files f = {.ca = ca, .cert = certificate ? cert : NULL};
    struct tls_context *c = tls_sender(&f, &d);
    if (c == NULL)
        fail_msg("%s", d.text);
    return c;
}

/* Two ends and what is on its way between them. */
struct pair {
    struct tls *end[2]; /* sender, receiver */
    struct buf to[2];   /* on its way to that end */
    struct buf text[2]; /* that it was given */
    enum tls_event last[2];
    bool secured[2];
};

static void open_pair(struct pair *p, struct tls_context *s, struct tls_context *r,
                      const struct tls_peer *peer)
{
    struct diag d;

    *p = (struct pair){.last = {TLS_WAIT, TLS_WAIT}};
    p->end[0] = tls_connect(s, peer, &d);
    if (p->end[0] == NULL)
        fail_msg("%s", d.text);
    p->end[1] = tls_accept(r, &d);
    assert_non_null(p->end[1]);
}

static void close_pair(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        tls_free(p->end[i]);
        buf_free(&p->to[i]);
        buf_free(&p->text[i]);
    }
}

/* One end takes so many octets of what came. */
static void take(struct pair *p, int i, size_t chunk)
{
    char room[ROOM];
    size_t n, some = chunk < p->to[i].len ? chunk : p->to[i].len;

    tls_feed(p->end[i], (struct span){p->to[i].data, some});
    do {
        p->last[i] = tls_next(p->end[i], room, sizeof(room), &n, &p->to[!i]);
        assert_false(p->last[i] == TLS_SECURED && p->secured[i]);
        p->secured[i] = p->secured[i] || p->last[i] == TLS_SECURED;
        if (p->last[i] == TLS_TEXT)
            buf_add(&p->text[i], room, n);
    } while (p->last[i] == TLS_SECURED || p->last[i] == TLS_TEXT);
    buf_consume(&p->to[i], some);
}

static bool over(const struct pair *p, int i)
{
    return p->last[i] == TLS_FAILED || p->last[i] == TLS_CLOSED;
}

/* Until nothing is on its way any more. */
static void run(struct pair *p, size_t chunk)
{
    take(p, 0, chunk);
    for (bool busy = true; busy;) {
        busy = false;
        for (int i = 0; i < 2; i++)
            if (p->to[i].len > 0 && !over(p, i)) {
                take(p, i, chunk);
                busy = true;
            }
    }
}

static const struct wanted good = {"host.example", "DNS:host.example,IP:192.0.2.1", -1, 5, 0, 0};
static const struct tls_peer anybody = {.host = "host.example"};
static const struct tls_peer by_name = {.host = "host.example", .check = TLS_CHECK_NAME};

static void text_goes_both_ways(void **state)
{
    const struct material *m = *state;
    static const size_t chunks[] = {1, 2, 3, 5, 100, 65536};
    char large[50000];

    memset(large, 'x', sizeof(large));
    save_end(m, &good, "end.pem");
    struct tls_context *r = receiver(m, NULL), *s = sender(m, false);
    for (size_t i = 0; i < COUNT(chunks); i++) {
        struct pair p;
        struct tls_facts f;
        open_pair(&p, s, r, &by_name);
        assert_false(tls_send(p.end[0], SPAN("too early"), &p.to[1]));
        run(&p, chunks[i]);
        assert_true(p.secured[0] && p.secured[1]);
        assert_true(tls_send(p.end[0], SPAN("EHLO a\r\n"), &p.to[1]));
        assert_true(tls_send(p.end[0], SPAN("NOOP\r\n"), &p.to[1]));
        assert_true(tls_send(p.end[1], (struct span){large, sizeof(large)}, &p.to[0]));
        run(&p, chunks[i]);
        assert_true(span_eq(BUF_SPAN(&p.text[1]), SPAN("EHLO a\r\nNOOP\r\n")));
        assert_true(span_eq(BUF_SPAN(&p.text[0]), (struct span){large, sizeof(large)}));
        assert_false(tls_pending(p.end[0]));
        tls_facts(p.end[0], &f);
        assert_string_equal(f.version, "TLSv1.3");
        assert_int_equal(f.trust, TLS_VERIFIED);
        assert_string_equal(f.peer, "host.example");
        assert_true(f.bits >= 128 && strlen(f.cipher) > 0 && !f.resumed);
        tls_facts(p.end[1], &f);
        assert_int_equal(f.trust, TLS_ANONYMOUS);
        assert_string_equal(f.peer, "");
        tls_close(p.end[0], &p.to[1]);
        run(&p, chunks[i]);
        assert_int_equal(p.last[1], TLS_CLOSED);
        close_pair(&p);
    }
    tls_context_free(r);
    tls_context_free(s);
}

static void certificates(void **state)
{
    const struct material *m = *state;
    static const struct {
        struct wanted cert;
        const char *host, *why; /* why it is refused; NULL: it is taken */
    } cases[] = {
        {{"x", "DNS:host.example", -1, 5, 0, 0}, "host.example", NULL},
        {{"x", "DNS:HOST.example", -1, 5, 0, 0}, "host.EXAMPLE", NULL},
        {{"x", "DNS:other.example,DNS:host.example", -1, 5, 0, 0}, "host.example", NULL},
        {{"x", "DNS:*.example.org", -1, 5, 0, 0}, "mx.example.org", NULL},
        {{"x", "IP:192.0.2.1", -1, 5, 0, 0}, "[192.0.2.1]", NULL},
        {{"x", "IP:192.0.2.1", -1, 5, 0, 0}, "192.0.2.1", NULL},
        {{"x", "IP:2001:db8::1", -1, 5, 0, 0}, "[IPv6:2001:db8::1]", NULL},
        {{"x", "IP:192.0.2.1", -1, 5, 0, 0}, "[192.0.2.2]", "mismatch"},
        {{"x", "DNS:192.0.2.1", -1, 5, 0, 0}, "[192.0.2.1]", "mismatch"},
        {{"x", "DNS:wrong.example", -1, 5, 0, 0}, "host.example", "mismatch"},
        {{"host.example", NULL, -1, 5, 0, 0}, "host.example", "mismatch"},
        {{"host.example", "email:a@host.example", -1, 5, 0, 0}, "host.example", "mismatch"},
        {{"x", NULL, -1, 5, 0, true}, "host.example", "mismatch"},
        {{"x", "DNS:*", -1, 5, 0, 0}, "host.example", "mismatch"},
        {{"x", "DNS:*.example", -1, 5, 0, 0}, "host.example", "mismatch"},
        {{"x", "DNS:*.example.org", -1, 5, 0, 0}, "example.org", "mismatch"},
        {{"x", "DNS:*.example.org", -1, 5, 0, 0}, "a.b.example.org", "mismatch"},
        {{"x", "DNS:*.*.example.org", -1, 5, 0, 0}, "a.b.example.org", "mismatch"},
        {{"x", "DNS:a.*.example.org", -1, 5, 0, 0}, "a.b.example.org", "mismatch"},
        {{"x", "DNS:m*.example.org", -1, 5, 0, 0}, "mx.example.org", "mismatch"},
        {{"x", "DNS:*x.example.org", -1, 5, 0, 0}, "mx.example.org", "mismatch"},
        {{"x", "DNS:m*x.example.org", -1, 5, 0, 0}, "max.example.org", "mismatch"},
        {{"x", "DNS:mx.example.*", -1, 5, 0, 0}, "mx.example.org", "mismatch"},
        {{"x", "DNS:.example.org", -1, 5, 0, 0}, "mx.example.org", "mismatch"},
        {{"x", "DNS:host.example", -5, -1, 0, 0}, "host.example", "expired"},
        {{"x", "DNS:host.example", 1, 5, 0, 0}, "host.example", "not yet valid"},
        {{"x", "DNS:host.example", -1, 5, true, 0}, "host.example", "self-signed"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pair p;
        struct tls_peer peer = {.host = cases[i].host, .check = TLS_CHECK_NAME};
        save_end(m, &cases[i].cert, "end.pem");
        struct tls_context *r = receiver(m, NULL), *s = sender(m, false);
        open_pair(&p, s, r, &peer);
        run(&p, ROOM);
        if (p.secured[0] != (cases[i].why == NULL))
            fail_msg("case %zu, %s: %s", i, cases[i].host, tls_why(p.end[0]));
        if (cases[i].why != NULL && strstr(tls_why(p.end[0]), cases[i].why) == NULL)
            fail_msg("case %zu: why: %s, not %s", i, tls_why(p.end[0]), cases[i].why);
        assert_int_equal(p.secured[1], p.secured[0]);
        close_pair(&p);
        /* Without a check every certificate will do, and is not called verified. */
        peer.check = TLS_CHECK_NONE;
        open_pair(&p, s, r, &peer);
        run(&p, ROOM);
        assert_true(p.secured[0] && p.secured[1]);
        struct tls_facts f;
        tls_facts(p.end[0], &f);
        assert_int_equal(f.trust, cases[i].why == NULL ? TLS_VERIFIED : TLS_ANONYMOUS);
        close_pair(&p);
        tls_context_free(r);
        tls_context_free(s);
    }
}

static void hex_of(X509 *cert, bool whole, char out[65])
{
    unsigned char digest[32], *der = NULL;
    int n = whole ? i2d_X509(cert, &der) : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

    assert_true(n > 0);
    assert_int_equal(EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL), 1);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    OPENSSL_free(der);
}

static X509 *load(const struct material *m, const char *name)
{
    char path[64];

    path_in(m, name, path);
    FILE *f = fopen(path, "re");
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    return cert;
}

static void records(void **state)
{
    const struct material *m = *state;
    /* DANE knows no names or authorities: an expired certificate of another name is good by 3. */
    static const struct wanted odd = {"x", "DNS:wrong.example", -5, -1, true, false};
    struct tlsa list[2];
    char text[100], hex[65], none[65];
    struct tls_peer peer = {.host = "host.example", .check = TLS_CHECK_DANE, .record = list};

    memset(none, '0', 64);
    none[64] = '\0';
    save_end(m, &odd, "end.pem");
    struct tls_context *r = receiver(m, NULL), *s = sender(m, false);
    X509 *cert = load(m, "end.pem");
    for (int i = 0; i < 4; i++) {
        bool whole = i & 1, right = i < 2;
        struct pair p;
        struct tls_facts f;
        hex_of(cert, whole, hex);
        snprintf(text, sizeof(text), "3 %d 1 %s", !whole, right ? hex : none);
        assert_true(tlsa_parse(span_of(text), &list[1]));
        snprintf(text, sizeof(text), "3 1 1 %s", none);
        assert_true(tlsa_parse(span_of(text), &list[0]));
        peer.records = 2;
        open_pair(&p, s, r, &peer);
        run(&p, ROOM);
        assert_int_equal(p.secured[0], right);
        tls_facts(p.end[0], &f);
        assert_int_equal(f.trust, right ? TLS_BY_RECORD : TLS_ANONYMOUS);
        if (!right)
            assert_non_null(strstr(tls_why(p.end[0]), "TLSA"));
        close_pair(&p);
    }
    X509_free(cert);
    struct diag d;
    peer.records = 0;
    assert_null(tls_connect(s, &peer, &d));
    assert_non_null(strstr(d.text, "no TLSA record"));
    tls_context_free(r);
    tls_context_free(s);
}

static void record_texts(void **state)
{
    (void)state;
#define H32 "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"3 1 1 " H32, true},
        {"2 0 1 " H32, true},
        {" 3 1 2 " H32 H32, true},
        {"3 1 1 " H32 "0", false},
        {"3 1 1 " H32 H32, false},
        {"3 1 2 " H32, false},
        {"1 1 1 " H32, false},
        {"0 1 1 " H32, false},
        {"4 1 1 " H32, false},
        {"3 2 1 " H32, false},
        {"3 1 0 " H32, false},
        {"3 1 3 " H32, false},
        {"3 1 1", false},
        {"", false},
        {"3", false},
        {"3 1 1 g" H32, false},
        {"-3 1 1 " H32, false},
        {"3 1 1 " H32 H32 H32, false},
        {"3 1 1 0x" H32, false},
        {"3  1 1 " H32, false},
    };
    /* What stands beside the digits and letters, in either half of an octet. */
    static const char odd[] = "/:@G`g\x7F";
    struct tlsa r;

    for (size_t i = 0; i < sizeof(odd) - 1; i++)
        for (int half = 0; half < 2; half++) {
            char text[] = "3 1 1 " H32;
            text[6 + half] = odd[i];
            assert_false(tlsa_parse(span_of(text), &r));
        }

    for (size_t i = 0; i < COUNT(cases); i++)
        if (tlsa_parse(span_of(cases[i].text), &r) != cases[i].good)
            fail_msg("%s", cases[i].text);
    assert_true(tlsa_parse(SPAN("3 1 1 " H32), &r));
    assert_int_equal(r.length, 32);
    assert_int_equal(r.data[1], 0x11);
    assert_int_equal(r.data[10], 0xAA);
    assert_int_equal(r.data[31], 0xFF);
    static const char octets[65] = {1};
    static const unsigned matching[] = {3, 1, 2};
    for (size_t m = 0; m < COUNT(matching); m++)
        for (size_t n = 0; n <= sizeof(octets); n++)
            assert_int_equal(tlsa_set(3, 1, matching[m], (struct span){octets, n}, &r),
                             (matching[m] == 1 && n == 32) || (matching[m] == 2 && n == 64));
    assert_true(tlsa_set(2, 0, 1, (struct span){octets, 32}, &r));
    assert_false(tlsa_set(1, 0, 1, (struct span){octets, 32}, &r));
    assert_false(tlsa_set(259, 0, 1, (struct span){octets, 32}, &r));
    assert_false(tlsa_set(3, 256, 1, (struct span){octets, 32}, &r));
    assert_false(tlsa_set(3, 1, 257, (struct span){octets, 32}, &r));
    assert_false(tlsa_set(3, 2, 1, (struct span){octets, 32}, &r));
}

static void clients_with_certificates(void **state)
{
    const struct material *m = *state;
    static const struct wanted certs[] = {
        {"a (client) \"x\"", "DNS:c.example", -1, 5, 0, 0},
        {"stranger", "DNS:c.example", -1, 5, true, 0},
        {"late", "DNS:c.example", -5, -1, 0, 0},
    };
    static const char *const names[] = {"a ?client? ?x?", "", ""};
    char ca[64];

    path_in(m, "ca.pem", ca);
    save_end(m, &good, "end.pem");
    struct tls_context *r = receiver(m, ca);
    for (size_t i = 0; i <= COUNT(certs); i++) {
        struct pair p;
        struct tls_facts f;
        bool shows = i < COUNT(certs);
        if (shows)
            save_end(m, &certs[i], "other.pem");
        struct tls_context *s = sender(m, shows);
        open_pair(&p, s, r, &anybody);
        run(&p, ROOM);
        assert_true(p.secured[0] && p.secured[1]); /* asked for, never demanded */
        tls_facts(p.end[1], &f);
        assert_int_equal(f.trust, i == 0 ? TLS_VERIFIED : TLS_ANONYMOUS);
        assert_string_equal(f.peer, shows ? names[i] : "");
        close_pair(&p);
        tls_context_free(s);
    }
    tls_context_free(r);
}

static void sessions_are_resumed(void **state)
{
    const struct material *m = *state;
    struct tls_memory memory = {0};
    struct tls_peer peer = by_name;

    peer.memory = &memory;
    save_end(m, &good, "end.pem");
    /* The second receiver is another worker: it shares the ticket key and nothing else. */
    struct tls_context *r[2] = {receiver(m, NULL), receiver(m, NULL)}, *s = sender(m, false);
    for (int i = 0; i < 4; i++) {
        struct pair p;
        struct tls_facts f;
        peer.host = i == 3 ? "[192.0.2.1]" : "host.example";
        open_pair(&p, s, r[i & 1], &peer);
        run(&p, ROOM);
        tls_facts(p.end[0], &f);
        assert_int_equal(f.resumed, i == 1 || i == 2); /* another host: nothing to resume */
        assert_int_equal(f.trust, TLS_VERIFIED);
        assert_non_null(memory.session);
        close_pair(&p);
    }
    tls_memory_free(&memory);
    tls_memory_free(&memory);
    for (int i = 0; i < 2; i++)
        tls_context_free(r[i]);
    tls_context_free(s);
}

static void garbage_fails(void **state)
{
    const struct material *m = *state;
    static const struct span cases[] = {
        OCTETS("250 OK\r\n250 OK\r\n"),
        OCTETS("EHLO client.example\r\n"),
        OCTETS("GET / HTTP/1.0\r\n\r\n"),
        OCTETS("\x16\x03\x01\xff\xff\x01\x02\x03"),
        OCTETS("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
        OCTETS("\x17\x03\x03\x00\x05hello"),
        OCTETS("\x15\x03\x03\x00\x02\x02\x28"), /* an alert: handshake_failure */
        OCTETS("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80"), /* a hello of SSL 2 */
        OCTETS("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    };

    save_end(m, &good, "end.pem");
    struct tls_context *r = receiver(m, NULL), *s = sender(m, false);
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int end = 0; end < 2; end++) {
            struct pair p;
            open_pair(&p, s, r, &anybody);
            take(&p, 0, 0); /* the hello */
            buf_clear(&p.to[1]);
            buf_addspan(&p.to[end], cases[i]);
            take(&p, end, ROOM);
            /* What is short of a record is waited for; more would end it. */
            if (p.last[end] == TLS_WAIT) {
                buf_fill(&p.to[end], '\xee', ROOM * 5);
                take(&p, end, ROOM * 5);
            }
            if (p.last[end] != TLS_FAILED)
                fail_msg("case %zu, end %d: %d", i, end, p.last[end]);
            assert_true(strlen(tls_why(p.end[end])) > 0);
            assert_int_equal(p.text[end].len, 0);
            take(&p, end, ROOM); /* and stays failed */
            assert_int_equal(p.last[end], TLS_FAILED);
            assert_false(tls_send(p.end[end], SPAN("x"), &p.to[!end]));
            close_pair(&p);
        }
    tls_context_free(r);
    tls_context_free(s);
}

static void nothing_is_text_behind_the_end(void **state)
{
    const struct material *m = *state;

    save_end(m, &good, "end.pem");
    struct tls_context *r = receiver(m, NULL), *s = sender(m, false);
    for (int later = 0; later < 2; later++) {
        struct pair p;
        open_pair(&p, s, r, &anybody);
        run(&p, ROOM);
        tls_send(p.end[0], SPAN("NOOP\r\n"), &p.to[1]);
        tls_close(p.end[0], &p.to[1]);
        if (later)
            run(&p, ROOM);
        buf_adds(&p.to[1], "MAIL FROM:<evil@example>\r\n");
        take(&p, 1, ROOM);
        assert_int_equal(p.last[1], TLS_FAILED);
        assert_non_null(strstr(tls_why(p.end[1]), "behind the end"));
        assert_true(span_eq(BUF_SPAN(&p.text[1]), SPAN("NOOP\r\n")));
        close_pair(&p);
    }
    tls_context_free(r);
    tls_context_free(s);
}

/* A flipped octet anywhere in what the receiver says: the sender never takes it for text. */
static void flips(void **state)
{
    const struct material *m = *state;

    save_end(m, &good, "end.pem");
    struct tls_context *r = receiver(m, NULL), *s = sender(m, false);
    size_t total = 1;
    for (size_t at = 0; at < total; at += 7) {
        struct pair p;
        open_pair(&p, s, r, &by_name);
        take(&p, 0, 0);
        take(&p, 1, ROOM);
        total = p.to[0].len;
        p.to[0].data[at] ^= 0x10;
        run(&p, ROOM);
        assert_false(p.secured[0]);
        close_pair(&p);
    }
    tls_context_free(r);
    tls_context_free(s);
}

static void faulty_files(void **state)
{
    const struct material *m = *state;
    char end[64], other[64], cut[64], key[64], ca[64], both[140], missing[64];
    EVP_PKEY *locked = EVP_EC_gen("P-256");

    path_in(m, "end.pem", end);
    path_in(m, "other.pem", other);
    path_in(m, "cut.pem", cut);
    path_in(m, "key.pem", key);
    path_in(m, "ca.pem", ca);
    path_in(m, "missing.pem", missing);
    save_end(m, &good, "end.pem");
    save_end(m, &good, "other.pem");
    FILE *f = fopen(key, "we");
    PEM_write_PrivateKey(f, locked, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL,
                         NULL);
    fclose(f);
    EVP_PKEY_free(locked);
    save(cut, NULL, NULL);
    snprintf(both, sizeof(both), "%s,%s", end, other);
    const struct {
        struct tls_files files;
        const char *why;
    } cases[] = {
        {{missing, NULL, NULL}, "cannot be read: No such file"},
        {{m->folder, NULL, NULL}, "not a plain file"},
        {{cut, NULL, NULL}, "holds no certificate"},
        {{ca, NULL, NULL}, "may be read by everybody"},
        {{end, other, NULL}, "does not belong to CERT"},
        {{end, cut, NULL}, "holds no private key"},
        {{end, key, NULL}, "may be read by everybody"},
        {{both, end, NULL}, "fewer files"},
        {{end, both, NULL}, "more files"},
        {{NULL, end, NULL}, "without CERT"},
        {{end, NULL, cut}, "holds no certificate"},
        {{end, NULL, missing}, "cannot be read"},
    };

    chmod(key, 0604);
    chmod(ca, 0644);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct diag d;
        assert_null(tls_receiver(&cases[i].files, m->ticket, &d));
        if (strstr(d.text, cases[i].why) == NULL)
            fail_msg("case %zu: %s, not %s", i, d.text, cases[i].why);
        assert_null(tls_sender(&cases[i].files, &d));
        if (strstr(d.text, cases[i].why) == NULL)
            fail_msg("sender, case %zu: %s, not %s", i, d.text, cases[i].why);
    }
    chmod(key, 0600); /* with a password, and no terminal is asked for it */
    struct diag d;
    assert_null(tls_receiver(&(struct tls_files){end, key, NULL}, m->ticket, &d));
    assert_non_null(strstr(d.text, "without a password"));
    struct tls_context *c = tls_sender(&(struct tls_files){both, both, m->folder}, &d);
    assert_non_null(c); /* a folder of authorities may be empty */
    tls_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_goes_both_ways),
        cmocka_unit_test(certificates),
        cmocka_unit_test(records),
        cmocka_unit_test(record_texts),
        cmocka_unit_test(clients_with_certificates),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(garbage_fails),
        cmocka_unit_test(nothing_is_text_behind_the_end),
        cmocka_unit_test(flips),
        cmocka_unit_test(faulty_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
