/* See resolve.h. */
#include "usmtp/resolve.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "lib/address.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, CLASS_IN = 1, RCODE_NXDOMAIN = 3 };

struct resolver {
    struct ub_ctx *unbound;
    struct loop *loop;
    struct loop_event *readable;
    struct resolve_query *first; /* of the questions under way */
};

/* One host: two questions at most, then one answer. */
struct resolve_query {
    struct resolver *resolver;
    struct resolve_query *next, *before;
    struct loop_event *soon; /* literals answer from the loop as well */
    resolve_fn *fn;
    void *arg;
    unsigned short port;
    unsigned open; /* questions without an answer */
    bool failed, no_name, cancelled;
    struct resolve_result result;
};

static void free_query(struct resolve_query *q)
{
    if (q->before != NULL)
        q->before->next = q->next;
    else if (q->resolver->first == q)
        q->resolver->first = q->next;
    if (q->next != NULL)
        q->next->before = q->before;
    loop_forget(q->soon);
    free(q);
}

static void on_readable(void *arg)
{
    struct resolver *r = arg;

    ub_process(r->unbound);
}

struct resolver *resolver_new(struct loop *l)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->loop = l;
    r->unbound = ub_ctx_create();
    if (r->unbound != NULL) {
        ub_ctx_async(r->unbound, 1);
        ub_ctx_resolvconf(r->unbound, NULL); /* without the file it asks the root servers */
        ub_ctx_hosts(r->unbound, NULL);
        r->readable = loop_readable(l, ub_fd(r->unbound), on_readable, r);
    }
    if (r->readable == NULL) {
        resolver_free(r);
        return NULL;
    }
    return r;
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    loop_forget(r->readable);
    if (r->unbound != NULL)
        ub_ctx_delete(r->unbound);
    for (struct resolve_query *q = r->first, *next; q != NULL; q = next) {
        next = q->next; /* nobody will answer it any more */
        loop_forget(q->soon);
        free(q);
    }
    free(r);
}

static void finish(struct resolve_query *q)
{
    struct resolve_result *r = &q->result;

    if (r->count > 0) {
        r->kind = RESOLVE_FOUND;
    } else if (q->no_name && !q->failed) {
        r->kind = RESOLVE_NO_NAME;
        r->why = "there is no host or domain of this name";
    } else {
        r->kind = RESOLVE_LATER;
        r->why = q->failed ? "the name service did not answer" : "the name has no address";
    }
    if (!q->cancelled)
        q->fn(q->arg, r);
    free_query(q);
}

static void add_v4(struct resolve_query *q, const void *octets)
{
    struct resolve_result *r = &q->result;

    if (r->count == RESOLVE_MAX)
        return;
    struct sockaddr_in *a = &r->address[r->count++].v4;
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(q->port)};
    memcpy(&a->sin_addr, octets, 4);
}

static void add_v6(struct resolve_query *q, const void *octets)
{
    struct resolve_result *r = &q->result;

    if (r->count == RESOLVE_MAX)
        return;
    struct sockaddr_in6 *a = &r->address[r->count++].v6;
    *a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(q->port)};
    memcpy(&a->sin6_addr, octets, 16);
}

static void take_answer(struct resolve_query *q, const struct ub_result *answer)
{
    bool v6 = answer->qtype == TYPE_AAAA;

    if (answer->rcode == RCODE_NXDOMAIN)
        q->no_name = true;
    else if (answer->rcode != 0 || answer->bogus)
        q->failed = true;
    for (int i = 0; answer->havedata && !answer->bogus && answer->data[i] != NULL; i++) {
        if (v6 && answer->len[i] == 16)
            add_v6(q, answer->data[i]);
        else if (!v6 && answer->len[i] == 4)
            add_v4(q, answer->data[i]);
    }
}

static void on_answer(void *arg, int error, struct ub_result *answer)
{
    struct resolve_query *q = arg;

    if (error != 0 || answer == NULL)
        q->failed = true;
    else
        take_answer(q, answer);
    ub_resolve_free(answer);
    if (--q->open == 0)
        finish(q);
}

static void on_soon(void *arg)
{
    finish(arg);
}

static bool take_literal(struct resolve_query *q, const char *host)
{
    char mailbox[ADDRESS_DOMAIN_MAX + 8] = "x@";
    unsigned char octets[16];
    struct address a;

    if (host[0] != '[' || !span_copy(span_of(host), mailbox + 2, sizeof(mailbox) - 2) ||
        address_parse(span_of(mailbox), ADDRESS_BARE_OK, &a, NULL) != ADDRESS_GOOD ||
        !address_literal(&a, octets))
        return false;
    if (a.kind == DOMAIN_IPV4)
        add_v4(q, octets);
    else
        add_v6(q, octets);
    return true;
}

struct resolve_query *resolve_start(struct resolver *r, const char *host, unsigned short port,
                                    resolve_fn *fn, void *arg)
{
    static const int types[] = {TYPE_AAAA, TYPE_A};
    struct resolve_query *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    *q =
        (struct resolve_query){.resolver = r, .next = r->first, .fn = fn, .arg = arg, .port = port};
    if (r->first != NULL)
        r->first->before = q;
    r->first = q;
    q->soon = loop_timer(r->loop, on_soon, q);
    if (q->soon == NULL) {
        free_query(q);
        return NULL;
    }
    bool literal = take_literal(q, host);
    char *ascii = NULL;
    /* Letters beyond ASCII are asked for in their A-label form (RFC 5891). */
    if (!literal && idn2_to_ascii_8z(host, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK) {
        q->failed = literal = true;
        ascii = NULL;
    }
    for (size_t i = 0; !literal && i < 2; i++) {
        if (ub_resolve_async(r->unbound, ascii, types[i], CLASS_IN, q, on_answer, NULL) == 0)
            q->open++;
        else
            q->failed = true;
    }
    idn2_free(ascii);
    if (q->open == 0)
        loop_timer_set(q->soon, 0);
    return q;
}

void resolve_cancel(struct resolve_query *q)
{
    q->cancelled = true;
}
