/* See explain.h. */
#include "usmtp/explain.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "lib/loop.h"
#include "lib/mechanism.h"
#include "usmtp/hosts.h"
#include "usmtp/resolve.h"
#include "usmtp/route.h"

struct explain {
    const struct program *program;
    struct loop *loop;
    struct route route;
    struct resolver *resolver;
    struct resolve_result *found; /* owned */
    size_t host;                  /* the one whose TLSA records are asked for */
    int status;
};

/* Seconds as the configuration writes them: 15M. */
struct time_text {
    char text[32];
};

static struct time_text time_text(uint64_t seconds)
{
    static const struct {
        unsigned seconds;
        char unit;
    } units[] = {{86400, 'D'}, {3600, 'H'}, {60, 'M'}, {1, 'S'}};
    struct time_text t;
    size_t i = 0;

    while (seconds % units[i].seconds != 0)
        i++;
    snprintf(t.text, sizeof(t.text), "%" PRIu64 "%c", seconds / units[i].seconds, units[i].unit);
    return t;
}

static void print_limits(const struct route *r)
{
    printf("limits       %u connections, %u mails in each", r->connections, r->connmsgs);
    if (r->rate.messages != 0)
        printf(", %" PRIu64 " mails in %s", r->rate.messages, time_text(r->rate.seconds).text);
    printf("\nretries      after %s, at most %s apart, given up after %s\n",
           time_text(r->schedule.interval).text, time_text(r->schedule.ceiling).text,
           time_text(r->schedule.most).text);
}

void explain_login(const struct route *r)
{
    char words[MECHANISM_WORDS_MAX];

    if (r->login.mechanisms != 0)
        printf("login        %s%s%s\n", r->login.user, r->login.user[0] != '\0' ? " by " : "by ",
               mechanism_words(r->login.mechanisms, words));
}

static void print_route(const struct explain *x, const struct address *from,
                        const struct address *to)
{
    const struct route *r = &x->route;

    printf("to           %s\n", to->text);
    if (from != NULL)
        printf("from         <%s>\n", from->text);
    if (r->line != 0)
        printf("statement    ROUTE at line %zu of %s\n", r->line, x->program->member);
    else
        printf("statement    none: towards the MX of the domain\n");
    printf("destination  %s\ntls          %s\n", r->key, site_tls_level(r->tls));
    explain_login(r);
    print_limits(r);
}

static void print_host(const struct resolve_host *h, const union resolve_address *address)
{
    char ip[INET6_ADDRSTRLEN];

    printf("host         %s", h->name);
    if (h->name[0] != '[' && !span_eq(span_of(h->name), span_of(h->official)))
        printf(" (%s)", h->official);
    printf(", preference %u%s\n", h->preference, h->secure ? ", secure" : "");
    for (size_t i = 0; i < h->addresses; i++) {
        const union resolve_address *a = &address[h->first + i];
        bool v6 = a->any.sa_family == AF_INET6;
        inet_ntop(a->any.sa_family,
                  v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr, ip,
                  sizeof(ip));
        printf("address      %s port %u\n", ip, ntohs(v6 ? a->v6.sin6_port : a->v4.sin_port));
    }
}

static void print_tlsa(const struct resolve_tlsa *t)
{
    for (size_t i = 0; i < t->records; i++) {
        const struct resolve_tlsa_record *r = &t->record[i];
        printf("tlsa         %s: %u %u %u ", t->base, r->usage, r->selector, r->matching);
        for (size_t k = 0; k < r->length && k < 32; k++)
            printf("%02x", r->data[k]);
        printf(r->length > 32 ? "...\n" : "\n");
    }
    if (t->kind == RESOLVE_LATER)
        printf("tlsa         not known: %s\n", t->why);
}

static void next_host(struct explain *x);

static void on_tlsa(void *arg, const struct resolve_tlsa *t)
{
    struct explain *x = arg;

    print_tlsa(t);
    x->host++;
    next_host(x);
}

/* The hosts one after the other, each with its records. */
static void next_host(struct explain *x)
{
    const struct resolve_result *r = x->found;

    for (; x->host < r->hosts; x->host++) {
        const struct resolve_host *h = &r->host[x->host];
        const union resolve_address *a = &r->address[h->first];
        print_host(h, r->address);
        unsigned short port =
            ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
        if (h->secure && resolve_tlsa(x->resolver, h, port, on_tlsa, x) != NULL)
            return;
    }
    loop_stop(x->loop);
}

static void on_resolved(void *arg, struct resolve_result *r)
{
    struct explain *x = arg;

    x->found = r;
    if (r->kind == RESOLVE_FOUND) {
        x->status = EX_OK;
    } else if (r->kind == RESOLVE_LATER || x->route.relay) {
        printf("hosts        none now, mail waits: %s\n", r->why);
        x->status = EX_TEMPFAIL;
    } else {
        printf("hosts        none, mail is given up: %s %s\n", r->status, r->why);
        x->status = EX_NOHOST;
    }
    next_host(x);
}

static int find_hosts(struct explain *x)
{
    const char *why = "memory is short";
    x->status = EX_OSERR;
    x->loop = loop_new();
    x->resolver = x->loop == NULL ? NULL : resolver_new(x->loop, x->program, &why);
    if (x->resolver == NULL)
        fprintf(stderr, "%s: %s\n", x->program->name, why);
    else if (resolve_start(x->resolver, x->route.hop, x->route.hops, !x->route.own, on_resolved,
                           x) != NULL)
        loop_run(x->loop);
    resolve_free(x->found);
    resolver_free(x->resolver);
    loop_free(x->loop);
    return x->status;
}

static bool take_address(const struct program *p, const char *word, unsigned flags,
                         struct address *out)
{
    enum address_error e = address_parse(span_of(word), flags, out, NULL);

    if (e == ADDRESS_GOOD)
        return true;
    fprintf(stderr, "%s: %s: %s\n", p->name, word, address_strerror(e));
    return false;
}

int explain_route(const struct program *p, int words, char **word)
{
    struct explain x = {.program = p};
    struct address from = {0}, to;
    struct official_names names;

    if (words < 1 || words > 2) {
        fprintf(stderr, "usage: %s route ADDRESS [FROM]\n", p->name);
        return EX_USAGE;
    }
    if (!program_jail(p))
        return EX_OSERR;
    if (!take_address(p, word[0], ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &to) ||
        (words == 2 &&
         !take_address(p, word[1], ADDRESS_BARE_OK | ADDRESS_NULL_OK | ADDRESS_UTF8_OK, &from)))
        return EX_DATAERR;
    if (hosts_names(&p->site->dns, &names)) {
        official_address(&names, &from);
        official_address(&names, &to);
        official_free(&names);
    }
    if (!route_find(p->site, words == 2 ? &from : NULL, &to, &x.route)) {
        fprintf(stderr, "%s: %s: the address has no domain to send to\n", p->name, to.text);
        return EX_DATAERR;
    }
    print_route(&x, words == 2 ? &from : NULL, &to);
    return find_hosts(&x);
}
