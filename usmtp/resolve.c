/* See resolve.h. */
#include "usmtp/resolve.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unbound.h>

#include "lib/address.h"
#include "lib/clock.h"

enum { TYPE_A = 1, TYPE_MX = 15, TYPE_AAAA = 28, TYPE_TLSA = 52, CLASS_IN = 1 };
enum { RCODE_GOOD = 0, RCODE_NXDOMAIN = 3 };
enum {
    QUESTIONS_MAX = NEXTHOP_MAX + 2 * RESOLVE_HOSTS,
    GRACE_MS = 10000, /* for further hosts, once there is one that can be tried */
    TTL_MOST = 86400
};

struct resolver {
    struct ub_ctx *unbound;
    struct loop *loop;
    const struct program *program;
    struct loop_event *readable;
    struct resolve_query *first; /* of the questions under way */
    uint64_t seed;
};

/* One question to libunbound. */
struct question {
    struct resolve_query *query;
    int id, type;
    size_t index; /* of its hop (MX) or candidate */
    bool open;
};

/* A host that may be tried. */
struct candidate {
    struct resolve_host host;
    size_t hop;
    uint32_t lot;
    bool failed, no_name, insecure;
    bool own_name; /* of the hop itself, not of an MX record */
    union resolve_address v4[RESOLVE_HOST_ADDRESSES], v6[RESOLVE_HOST_ADDRESSES];
    size_t v4s, v6s;
};

struct hop_state {
    struct route_hop hop;
    char ascii[MX_NAME_MAX + 1];
    enum resolve_kind kind; /* FOUND until something else is known */
    bool insecure;          /* its MX answer was not validated */
};

struct resolve_query {
    struct resolver *resolver;
    struct resolve_query *next, *before;
    struct loop_event *timer; /* the limit; literals answer from it as well */
    int64_t ends_ms;
    resolve_fn *fn;
    resolve_tlsa_fn *tlsa_fn;
    void *arg;
    struct resolve_result *result; /* had beforehand: an answer needs no memory to be given */
    bool skip_self;
    struct hop_state hop[NEXTHOP_MAX];
    size_t hops;
    struct candidate *candidate[RESOLVE_HOSTS]; /* owned */
    size_t candidates;
    struct question question[QUESTIONS_MAX];
    size_t questions, open;
    int64_t ttl;
    char tlsa_base[MX_NAME_MAX + 1]; /* asked for now; hop[0].ascii: asked for next */
    unsigned short tlsa_port;
    enum resolve_kind tlsa_none;  /* where there was nothing to ask, or no answer */
    char failed[MX_NAME_MAX + 1]; /* the first name that failed */
    const char *failure;
};

static const struct {
    const char *status, *text;
} kinds[RESOLVE_KINDS] = {
    [RESOLVE_FOUND] = {"", ""},
    [RESOLVE_LATER] = {"4.4.3", "the name service did not answer"},
    [RESOLVE_NO_NAME] = {"5.1.2", "there is no host or domain of this name"},
    [RESOLVE_NULL_MX] = {"5.1.10", "the domain takes no mail (null MX)"},
    [RESOLVE_NO_ADDRESS] = {"5.4.4", "no host of the domain has an address"},
    [RESOLVE_LOOP] = {"5.4.6", "its mail exchanger is this host, which does not know it"},
};

static void on_readable(void *arg)
{
    struct resolver *r = arg;

    ub_process(r->unbound);
}

/* The servers to ask: those of the configuration, resolv.conf's, or the roots themselves. */
static int set_servers(struct ub_ctx *u, const struct site_dns *dns)
{
    struct span list, one;
    char text[INET6_ADDRSTRLEN + 8];
    int bad = 0;

    if (dns->server == NULL) {
        ub_ctx_resolvconf(u, NULL); /* without the file it asks the roots */
        return 0;
    }
    list = span_of(dns->server);
    if (span_eq_nocase(list, SPAN("ROOT")))
        return 0;
    while (bad == 0 && span_cut(&list, ',', &one)) {
        snprintf(text, sizeof(text), "%.*s@%u", (int)one.n, one.p, (unsigned)dns->port);
        bad = ub_ctx_set_fwd(u, text);
    }
    return bad;
}

/* What libunbound is to do otherwise than by default; an option that a version does not know is no
 * fault. */
static void set_options(struct ub_ctx *u)
{
    static const char *const options[][2] = {
        {"outgoing-range:", "400"}, /* questions at once: a silent server must not stop the rest */
        {"num-queries-per-thread:", "4096"}, {"outgoing-num-tcp:", "50"},
        {"rrset-cache-size:", "8m"},         {"msg-cache-size:", "4m"},
        {"infra-keep-probing:", "yes"}, /* a server that is back is noticed */
        {"infra-host-ttl:", "60"},
    };

    ub_ctx_debugout(u, NULL); /* it would write names of others to our terminal */
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)ub_ctx_set_option(u, options[i][0], options[i][1]);
}

/* Zones that libunbound would answer itself and that a site may well have. */
static int open_zones(struct ub_ctx *u)
{
    static const char *const zones[] = {"test.", "home.arpa."};
    int bad = 0;

    for (size_t i = 0; bad == 0 && i < sizeof(zones) / sizeof(zones[0]); i++)
        bad = ub_ctx_zone_remove(u, zones[i]); /* the first one reads the files named before */
    return bad;
}

static bool set_up(struct resolver *r, const struct site_dns *dns, const char **why)
{
    struct ub_ctx *u = r->unbound = ub_ctx_create();

    *why = "memory is short";
    if (u == NULL || ub_ctx_async(u, 1) != 0)
        return false;
    set_options(u);
    *why = "DNS SERVER cannot be used";
    if (set_servers(u, dns) != 0)
        return false;
    *why = "DNS HOSTS cannot be read";
    if (ub_ctx_hosts(u, dns->hosts) != 0 && strcmp(dns->hosts, "/etc/hosts") != 0)
        return false;
    *why = "DNS TRUST cannot be read";
    if ((dns->trust != NULL && ub_ctx_add_ta_file(u, dns->trust) != 0) || open_zones(u) != 0)
        return false;
    *why = "memory is short";
    r->readable = loop_readable(r->loop, ub_fd(u), on_readable, r);
    return r->readable != NULL;
}

struct resolver *resolver_new(struct loop *l, const struct program *program, const char **why)
{
    struct resolver *r = calloc(1, sizeof(*r));

    *why = "memory is short";
    if (r == NULL)
        return NULL;
    r->loop = l;
    r->program = program;
    if (getrandom(&r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed) ||
        !set_up(r, &program->site->dns, why)) {
        resolver_free(r);
        return NULL;
    }
    return r;
}

static void free_query(struct resolve_query *q)
{
    if (q->before != NULL)
        q->before->next = q->next;
    else if (q->resolver->first == q)
        q->resolver->first = q->next;
    if (q->next != NULL)
        q->next->before = q->before;
    loop_forget(q->timer);
    for (size_t i = 0; i < q->candidates; i++)
        free(q->candidate[i]);
    free(q->result);
    free(q);
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    loop_forget(r->readable);
    if (r->unbound != NULL)
        ub_ctx_delete(r->unbound);
    while (r->first != NULL)
        free_query(r->first); /* nobody will answer it any more */
    free(r);
}

void resolve_free(struct resolve_result *r)
{
    if (r == NULL || (r->holders > 0 && r->holders-- > 0))
        return;
    free(r->host);
    free(r->address);
    free(r);
}

/* Questions that are still open will not be answered: libunbound forgets them. */
static void give_up_questions(struct resolve_query *q)
{
    for (size_t i = 0; i < q->questions && q->open > 0; i++)
        if (q->question[i].open) {
            ub_cancel(q->resolver->unbound, q->question[i].id);
            q->question[i].open = false;
            q->open--;
        }
}

void resolve_cancel(struct resolve_query *q)
{
    give_up_questions(q);
    free_query(q);
}

static void note_failure(struct resolve_query *q, const char *name, const char *text)
{
    if (q->failure != NULL)
        return;
    q->failure = text;
    snprintf(q->failed, sizeof(q->failed), "%.253s", name);
}

/* In the order of trial. */
static int by_rank(const void *a, const void *b)
{
    const struct candidate *x = *(struct candidate *const *)a, *y = *(struct candidate *const *)b;

    if (x->host.choice != y->host.choice)
        return x->host.choice < y->host.choice ? -1 : 1;
    if (x->host.preference != y->host.preference)
        return x->host.preference < y->host.preference ? -1 : 1;
    return x->lot < y->lot ? -1 : x->lot > y->lot;
}

static bool is_self(const struct resolve_query *q, const struct candidate *c)
{
    const struct site *site = q->resolver->program->site;
    const struct route_hop *hop = &q->hop[c->hop].hop;

    if (!hop->mx || !q->skip_self)
        return false;
    if (self_name(site, c->host.name, hop->port) || self_name(site, c->host.official, hop->port))
        return true;
    for (size_t i = 0; i < c->v4s; i++)
        if (self_address(site, &c->v4[i]))
            return true;
    for (size_t i = 0; i < c->v6s; i++)
        if (self_address(site, &c->v6[i]))
            return true;
    return false;
}

/* Ourselves and what is no better than ourselves goes. The candidates are sorted. True: something
 * went. */
static bool cut_self(struct resolve_query *q)
{
    bool cut = false;

    for (size_t i = 0; i < q->candidates; i++) {
        const struct candidate *self = q->candidate[i];
        if (!is_self(q, self))
            continue;
        for (size_t k = 0; k < q->candidates; k++) {
            struct candidate *c = q->candidate[k];
            if (c->hop != self->hop || c->host.preference < self->host.preference)
                continue;
            c->v4s = c->v6s = 0;
            c->failed = false;
        }
        cut = true;
    }
    return cut;
}

/* The families take turns, so that one that leads nowhere costs little. */
static void take_host(struct resolve_result *r, const struct candidate *c,
                      const struct hop_state *hop)
{
    struct resolve_host *h = &r->host[r->hosts];
    size_t v4 = 0, v6 = 0;

    *h = c->host;
    h->secure = !c->insecure && !hop->insecure;
    snprintf(h->reference, sizeof(h->reference), "%s",
             hop->insecure && !c->own_name ? hop->ascii : h->name);
    h->first = r->addresses;
    while ((v4 < c->v4s || v6 < c->v6s) && r->addresses < RESOLVE_ADDRESSES) {
        if (v6 < c->v6s && (v6 <= v4 || v4 == c->v4s))
            r->address[r->addresses++] = c->v6[v6++];
        else
            r->address[r->addresses++] = c->v4[v4++];
    }
    h->addresses = r->addresses - h->first;
    if (h->addresses > 0)
        r->hosts++;
}

/* Why there is nothing to try. */
static enum resolve_kind explain(const struct resolve_query *q, bool cut)
{
    for (size_t i = 0; i < q->hops; i++)
        if (q->hop[i].kind == RESOLVE_LATER)
            return RESOLVE_LATER;
    for (size_t i = 0; i < q->candidates; i++)
        if (q->candidate[i]->failed)
            return RESOLVE_LATER;
    if (cut)
        return RESOLVE_LOOP;
    if (q->hop[0].kind != RESOLVE_FOUND)
        return q->hop[0].kind;
    /* A host that ROUTE names, or a domain without MX: its own name decides. */
    if (q->candidates == 1 && q->candidate[0]->no_name && q->candidate[0]->own_name)
        return RESOLVE_NO_NAME;
    return RESOLVE_NO_ADDRESS;
}

static void fill(struct resolve_query *q, struct resolve_result *r)
{
    qsort(q->candidate, q->candidates, sizeof(struct candidate *), by_rank);
    bool cut = cut_self(q);
    for (size_t i = 0; r->host != NULL && r->address != NULL && i < q->candidates; i++)
        take_host(r, q->candidate[i], &q->hop[q->candidate[i]->hop]);
    r->ttl = q->ttl;
    if (r->hosts > 0)
        return;
    r->kind = r->host == NULL || r->address == NULL ? RESOLVE_LATER : explain(q, cut);
    r->status = kinds[r->kind].status;
    if (r->kind == RESOLVE_LATER && q->failure != NULL)
        snprintf(r->why, sizeof(r->why), "%s: %s", q->failed, q->failure);
    else
        snprintf(r->why, sizeof(r->why), "%s", kinds[r->kind].text);
}

/* Without room for hosts it says so, and they are asked for again. gcc loses sight of what is in
 * it, and takes it for lost. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static struct resolve_result *take_result(struct resolve_query *q)
{
    struct resolve_result *r = q->result;

    q->result = NULL;
    r->host = calloc(q->candidates + 1, sizeof(*r->host));
    r->address = calloc(RESOLVE_ADDRESSES, sizeof(*r->address));
    return r;
}
#pragma GCC diagnostic pop

/* t->base may point into the query. */
static void finish_tlsa(struct resolve_query *q, const struct resolve_tlsa *t)
{
    q->tlsa_fn(q->arg, t);
    free_query(q);
}

static void finish(struct resolve_query *q)
{
    struct resolve_tlsa none = {.kind = q->tlsa_none, .why = q->failure};
    struct resolve_result *r;
    resolve_fn *fn = q->fn;
    void *arg = q->arg;

    give_up_questions(q);
    if (q->tlsa_fn != NULL) {
        finish_tlsa(q, &none);
        return;
    }
    r = take_result(q);
    fill(q, r);
    free_query(q);
    fn(arg, r);
}

/* The time is over, or there was nothing to ask. */
static void on_timer(void *arg)
{
    struct resolve_query *q = arg;

    for (size_t i = 0; i < q->questions; i++) {
        const struct question *k = &q->question[i];
        if (!k->open)
            continue;
        if (k->type == TYPE_MX)
            q->hop[k->index].kind = RESOLVE_LATER;
        else if (k->type != TYPE_TLSA)
            q->candidate[k->index]->failed = true;
        note_failure(q,
                     k->type == TYPE_MX     ? q->hop[k->index].ascii
                     : k->type == TYPE_TLSA ? ""
                                            : q->candidate[k->index]->host.name,
                     "the name service did not answer in time");
    }
    finish(q);
}

/* Something can be tried: the rest gets a little more time only. */
static void shorten(struct resolve_query *q)
{
    int64_t soon = clock_steady_ms() + GRACE_MS;

    if (soon >= q->ends_ms)
        return;
    q->ends_ms = soon;
    loop_timer_set(q->timer, GRACE_MS);
}

static void on_answer(void *arg, int error, struct ub_result *answer);

static bool ask(struct resolve_query *q, const char *name, int type, size_t index)
{
    if (q->questions == QUESTIONS_MAX)
        return false;
    struct question *k = &q->question[q->questions];
    *k = (struct question){.query = q, .type = type, .index = index};
    if (ub_resolve_async(q->resolver->unbound, name, type, CLASS_IN, k, on_answer, &k->id) != 0)
        return false;
    k->open = true;
    q->questions++;
    q->open++;
    return true;
}

static bool ask_tlsa(struct resolve_query *q)
{
    char name[MX_NAME_MAX + 16];

    snprintf(name, sizeof(name), "_%u._tcp.%s", q->tlsa_port, q->tlsa_base);
    return ask(q, name, TYPE_TLSA, 0);
}

static struct candidate *add_candidate(struct resolve_query *q, size_t hop, const char *name,
                                       unsigned short preference)
{
    struct candidate *c;

    if (q->candidates == RESOLVE_HOSTS)
        return NULL;
    c = calloc(1, sizeof(*c));
    if (c == NULL) { /* which says nothing of the host */
        q->hop[hop].kind = RESOLVE_LATER;
        note_failure(q, name, "memory is short");
        return NULL;
    }
    c->hop = hop;
    c->host.preference = preference;
    c->host.choice = q->hop[hop].hop.choice;
    c->lot = mx_lot(&q->resolver->seed);
    snprintf(c->host.name, sizeof(c->host.name), "%s", name);
    snprintf(c->host.official, sizeof(c->host.official), "%.253s", name);
    q->candidate[q->candidates++] = c;
    return c;
}

static void ask_addresses(struct resolve_query *q, size_t hop, const char *name,
                          unsigned short preference)
{
    struct candidate *c = add_candidate(q, hop, name, preference);

    if (c == NULL)
        return; /* the better ones came first */
    c->own_name = name == q->hop[hop].ascii;
    if (!ask(q, name, TYPE_AAAA, q->candidates - 1) || !ask(q, name, TYPE_A, q->candidates - 1)) {
        c->failed = true;
        note_failure(q, name, "it cannot be asked for");
    }
}

/* No answer that could be believed, in words; NULL: it may be. */
static const char *fault(const struct ub_result *a)
{
    if (a->bogus)
        return "the answer of the name service is not authentic (DNSSEC)";
    if (a->rcode != RCODE_GOOD && a->rcode != RCODE_NXDOMAIN)
        return "the name service failed";
    return NULL;
}

static void note_ttl(struct resolve_query *q, const struct ub_result *a)
{
    if (a->ttl < q->ttl)
        q->ttl = a->ttl > 0 ? a->ttl : 0;
}

static void take_mx(struct resolve_query *q, size_t index, const struct ub_result *a)
{
    struct hop_state *hop = &q->hop[index];
    struct mx_list list;

    hop->insecure = !a->secure;
    if (a->rcode == RCODE_NXDOMAIN) {
        hop->kind = RESOLVE_NO_NAME;
        return;
    }
    if (!a->havedata) { /* RFC 5321 5.1: the domain is its own MX */
        ask_addresses(q, index, hop->ascii, 0);
        return;
    }
    switch (mx_read(a->data, a->len, &q->resolver->seed, &list)) {
    case MX_HOSTS:
        for (size_t i = 0; i < list.hosts; i++)
            ask_addresses(q, index, list.host[i].name, list.host[i].preference);
        break;
    case MX_NULL:
        hop->kind = RESOLVE_NULL_MX;
        break;
    case MX_UNUSABLE:
        hop->kind = RESOLVE_LATER;
        note_failure(q, hop->ascii, "its MX records name no host");
        break;
    }
}

static void add_v4(struct candidate *c, const void *octets, unsigned short port)
{
    if (c->v4s == RESOLVE_HOST_ADDRESSES)
        return;
    struct sockaddr_in *a = &c->v4[c->v4s++].v4;
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&a->sin_addr, octets, 4);
}

static void add_v6(struct candidate *c, const void *octets, unsigned short port)
{
    if (c->v6s == RESOLVE_HOST_ADDRESSES || IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)octets))
        return;
    struct sockaddr_in6 *a = &c->v6[c->v6s++].v6;
    *a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&a->sin6_addr, octets, 16);
}

/* The end of its CNAMEs, if that is a host name. */
static void note_official(struct candidate *c, const char *name)
{
    size_t n = name == NULL ? 0 : strlen(name);

    if (n > 0 && name[n - 1] == '.')
        n--;
    if (n > 0 && n <= MX_NAME_MAX && domain_valid((struct span){name, n}, false)) {
        memcpy(c->host.official, name, n);
        c->host.official[n] = '\0';
    }
}

static void take_addresses(struct resolve_query *q, size_t index, const struct ub_result *a)
{
    struct candidate *c = q->candidate[index];
    unsigned short port = q->hop[c->hop].hop.port;

    c->insecure |= !a->secure;
    if (a->rcode == RCODE_NXDOMAIN) {
        c->no_name = true;
        return;
    }
    for (int i = 0; a->havedata && i < MX_RECORDS_MAX && a->data[i] != NULL; i++) {
        if (a->qtype == TYPE_AAAA && a->len[i] == 16)
            add_v6(c, a->data[i], port);
        else if (a->qtype == TYPE_A && a->len[i] == 4)
            add_v4(c, a->data[i], port);
    }
    if (a->havedata)
        note_official(c, a->canonname);
    if (c->v4s + c->v6s > 0)
        shorten(q);
}

static void add_tlsa(struct resolve_tlsa *t, const struct ub_result *a)
{
    size_t octets = 0;

    for (int i = 0; a->data[i] != NULL && t->records < RESOLVE_TLSA; i++) {
        const unsigned char *rdata = (const void *)a->data[i];
        if (a->len[i] < 4 || (octets += (size_t)a->len[i]) > RESOLVE_TLSA_OCTETS)
            continue;
        t->record[t->records++] = (struct resolve_tlsa_record){rdata[0], rdata[1], rdata[2],
                                                               rdata + 3, (size_t)a->len[i] - 3};
    }
}

/* The records at one name, and when there are none, at the other. */
static void take_tlsa(struct resolve_query *q, int error, const struct ub_result *a)
{
    struct resolve_tlsa t = {.kind = RESOLVE_NO_NAME, .why = "there are no TLSA records"};
    const char *why = error != 0 || a == NULL ? "the name service failed" : fault(a);

    if (why != NULL) {
        t.kind = RESOLVE_LATER;
        t.why = why;
    } else if (!a->secure) {
        t.why = "the domain is not signed (DNSSEC)";
    } else if (a->havedata) {
        add_tlsa(&t, a);
    }
    if (t.records > 0) {
        t.kind = RESOLVE_FOUND;
        t.base = q->tlsa_base;
    } else if (t.kind == RESOLVE_NO_NAME && q->hop[0].ascii[0] != '\0') {
        memcpy(q->tlsa_base, q->hop[0].ascii, sizeof(q->tlsa_base));
        q->hop[0].ascii[0] = '\0';
        if (ask_tlsa(q))
            return;
        t.kind = RESOLVE_LATER;
        t.why = "it cannot be asked for";
    }
    finish_tlsa(q, &t);
}

static void on_answer(void *arg, int error, struct ub_result *answer)
{
    struct question *k = arg;
    struct resolve_query *q = k->query;

    k->open = false;
    q->open--;
    if (k->type == TYPE_TLSA) {
        take_tlsa(q, error, answer);
        ub_resolve_free(answer);
        return;
    }
    const char *why = error != 0 || answer == NULL ? "the name service failed" : fault(answer);
    if (why == NULL) {
        note_ttl(q, answer);
        (k->type == TYPE_MX ? take_mx : take_addresses)(q, k->index, answer);
    } else if (k->type == TYPE_MX) {
        q->hop[k->index].kind = RESOLVE_LATER;
        note_failure(q, q->hop[k->index].ascii, why);
    } else {
        q->candidate[k->index]->failed = true;
        note_failure(q, q->candidate[k->index]->host.name, why);
    }
    ub_resolve_free(answer);
    if (q->open == 0)
        finish(q);
}

static bool take_literal(struct resolve_query *q, size_t index)
{
    const struct route_hop *hop = &q->hop[index].hop;
    char mailbox[ADDRESS_DOMAIN_MAX + 8] = "x@";
    unsigned char octets[16];
    struct candidate *c;
    struct address a;

    if (hop->name[0] != '[' || !span_copy(span_of(hop->name), mailbox + 2, sizeof(mailbox) - 2) ||
        address_parse(span_of(mailbox), ADDRESS_BARE_OK, &a, NULL) != ADDRESS_GOOD ||
        !address_literal(&a, octets))
        return false;
    c = add_candidate(q, index, hop->name, 0);
    if (c == NULL)
        return true;
    c->insecure = true;
    if (a.kind == DOMAIN_IPV4)
        add_v4(c, octets, hop->port);
    else
        add_v6(c, octets, hop->port);
    return true;
}

/* Letters beyond ASCII are asked for in their A-label form (RFC 5891). */
static bool take_ascii(struct resolve_query *q, struct hop_state *hop)
{
    char *ascii = NULL;
    int rc = idn2_to_ascii_8z(hop->hop.name, &ascii, IDN2_NONTRANSITIONAL);

    if (rc == IDN2_OK && span_copy(span_of(ascii), hop->ascii, sizeof(hop->ascii))) {
        idn2_free(ascii);
        return true;
    }
    idn2_free(ascii);
    snprintf(hop->ascii, sizeof(hop->ascii), "%.253s", hop->hop.name);
    hop->kind = rc == IDN2_MALLOC ? RESOLVE_LATER : RESOLVE_NO_NAME;
    note_failure(q, "", "memory is short");
    return false;
}

static void start_hop(struct resolve_query *q, size_t index)
{
    struct hop_state *hop = &q->hop[index];

    if (take_literal(q, index) || !take_ascii(q, hop))
        return;
    if (!hop->hop.mx) {
        ask_addresses(q, index, hop->ascii, 0);
    } else if (!ask(q, hop->ascii, TYPE_MX, index)) {
        hop->kind = RESOLVE_LATER;
        note_failure(q, hop->ascii, "it cannot be asked for");
    }
}

static struct resolve_query *new_query(struct resolver *r, void *arg)
{
    struct resolve_query *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->resolver = r;
    q->arg = arg;
    q->ttl = TTL_MOST;
    q->next = r->first;
    if (r->first != NULL)
        r->first->before = q;
    r->first = q;
    q->result = calloc(1, sizeof(*q->result));
    q->timer = loop_timer(r->loop, on_timer, q);
    if (q->result == NULL || q->timer == NULL) {
        free_query(q);
        return NULL;
    }
    return q;
}

static void start_timer(struct resolve_query *q)
{
    int64_t ms = q->open == 0 ? 0 : (int64_t)q->resolver->program->site->dns.timeout * 1000;

    q->ends_ms = clock_steady_ms() + ms;
    loop_timer_set(q->timer, ms);
}

struct resolve_query *resolve_start(struct resolver *r, const struct route_hop *hop, size_t hops,
                                    bool skip_self, resolve_fn *fn, void *arg)
{
    struct resolve_query *q = new_query(r, arg);

    if (q == NULL)
        return NULL;
    q->fn = fn;
    q->skip_self = skip_self;
    q->hops = hops < NEXTHOP_MAX ? hops : NEXTHOP_MAX;
    for (size_t i = 0; i < q->hops; i++)
        q->hop[i].hop = hop[i];
    for (size_t i = 0; i < q->hops; i++)
        start_hop(q, i);
    start_timer(q);
    return q;
}

struct resolve_query *resolve_tlsa(struct resolver *r, const struct resolve_host *host,
                                   unsigned short port, resolve_tlsa_fn *fn, void *arg)
{
    struct resolve_query *q = new_query(r, arg);

    if (q == NULL)
        return NULL;
    q->tlsa_fn = fn;
    q->tlsa_port = port;
    q->tlsa_none = host->secure ? RESOLVE_LATER : RESOLVE_NO_NAME;
    snprintf(q->tlsa_base, sizeof(q->tlsa_base), "%s", host->official);
    if (strcmp(host->name, host->official) != 0)
        snprintf(q->hop[0].ascii, sizeof(q->hop[0].ascii), "%.253s", host->name);
    if (!host->secure || !ask_tlsa(q))
        q->failure = host->secure ? "it cannot be asked for" : "the host is not secure (DNSSEC)";
    start_timer(q);
    return q;
}
