/* See probe.h. It is the sender's own connection that is made here, with an owner that has no mail;
 * so what is told is what a mail would meet. */
#include "usmtp/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "usmtp/connection.h"
#include "usmtp/explain.h"

struct probe {
    struct program program; /* with --trace: the dialogue is what is to be seen */
    struct route route;
    struct security security;
    struct security_use use;
    struct tls_memory memory;
    struct keeper keeper;
    struct loop *loop;
    struct resolver *resolver;
    struct resolve_result *found;
    struct resolve_query *tlsa;
    int status;
};

/* No mail: the connection becomes idle, and says QUIT after its idle time. */
static bool on_next(void *owner, struct connection *c, struct mailfile *m, struct hand *hand)
{
    (void)owner;
    (void)c;
    (void)m;
    (void)hand;
    return false;
}

static void on_verdict(void *owner, struct connection *c, struct hand *hand,
                       const struct verdict *v)
{
    (void)owner;
    (void)c;
    (void)hand;
    (void)v;
}

static void on_untried(void *owner, struct connection *c, const struct hand *hand)
{
    (void)owner;
    (void)c;
    (void)hand;
}

static void on_greeted(void *owner, struct connection *c)
{
    struct probe *x = owner;

    printf("ready        %s\n", c->relay);
    x->status = EX_OK;
}

/* What is wrong is told when it is over. */
static void on_login_failed(void *owner, struct connection *c, const struct verdict *v)
{
    (void)owner;
    (void)c;
    (void)v;
}

static void on_closed(void *owner, struct connection *c, const struct verdict *v)
{
    struct probe *x = owner;

    (void)c;
    if (v != NULL) {
        printf("not ready    mail waits: %s (%s)\n", v->text, v->status);
        x->status = EX_TEMPFAIL;
    }
    loop_stop(x->loop);
}

static void on_records(void *arg, const struct resolve_tlsa *t)
{
    struct connection *c = arg;

    ((struct probe *)c->owner)->tlsa = NULL;
    connection_tlsa(c, t);
}

static bool on_tlsa(void *owner, struct connection *c, bool wanted)
{
    struct probe *x = owner;

    if (wanted)
        x->tlsa = resolve_tlsa(x->resolver, c->host, connection_port(c), on_records, c);
    else
        resolve_cancel(x->tlsa);
    return !wanted || x->tlsa != NULL;
}

static const struct connection_owner events = {on_next,         on_verdict, on_untried, on_greeted,
                                               on_login_failed, on_closed,  on_tlsa};

static void connect_to(struct probe *x)
{
    struct connection_target target = {.found = x->found,
                                       .mails = 1,
                                       .security = x->use,
                                       .login = &x->route.login,
                                       .keeper = &x->keeper,
                                       .idle_ms = 1};

    for (size_t i = 0; i < x->found->hosts; i++)
        printf("host         %s, %zu addresses%s\n", x->found->host[i].name,
               x->found->host[i].addresses, x->found->host[i].secure ? ", secure" : "");
    fflush(stdout);
    if (connection_start(x->loop, &x->program, &target, &events, x) != NULL)
        return;
    printf("not ready    mail waits: %s\n", strerror(errno));
    loop_stop(x->loop);
}

static void on_resolved(void *arg, struct resolve_result *r)
{
    struct probe *x = arg;
    bool later = r->kind == RESOLVE_LATER || x->route.relay;

    x->found = r;
    x->status = EX_TEMPFAIL;
    if (r->kind == RESOLVE_FOUND) {
        connect_to(x);
        return;
    }
    printf("hosts        none, mail %s: %s\n", later ? "waits" : "is given up", r->why);
    if (!later)
        x->status = EX_NOHOST;
    loop_stop(x->loop);
}

static int walk(struct probe *x)
{
    const char *why = "memory is short";

    x->status = EX_OSERR;
    x->loop = loop_new();
    x->resolver = x->loop == NULL ? NULL : resolver_new(x->loop, &x->program, &why);
    if (x->resolver == NULL || !keeper_listen(&x->keeper, x->loop))
        fprintf(stderr, "%s: %s\n", x->program.name, why);
    else if (resolve_start(x->resolver, x->route.hop, x->route.hops, !x->route.own, on_resolved,
                           x) != NULL)
        loop_run(x->loop);
    resolve_free(x->found);
    resolver_free(x->resolver);
    keeper_deafen(&x->keeper);
    loop_free(x->loop);
    return x->status;
}

/* DEST as the address of a mail: a domain has a postmaster. */
static bool find_route(struct probe *x, const char *dest)
{
    const char *local = strchr(dest, '@') == NULL ? "postmaster@" : "";
    char text[ADDRESS_TEXT_MAX + 1];
    struct address to;

    int n = snprintf(text, sizeof(text), "%s%s", local, dest);
    enum address_error e =
        n < 0 || n >= (int)sizeof(text)
            ? ADDRESS_TOO_LONG
            : address_parse(span_of(text), ADDRESS_BARE_OK | ADDRESS_UTF8_OK, &to, NULL);
    if (e != ADDRESS_GOOD)
        fprintf(stderr, "%s: %s: %s\n", x->program.name, dest, address_strerror(e));
    else if (!route_find(x->program.site, NULL, &to, &x->route))
        fprintf(stderr, "%s: %s: no domain to send to\n", x->program.name, dest);
    else
        return true;
    return false;
}

int probe_destination(const struct program *p, int words, char **word)
{
    struct probe x = {.program = *p};
    struct diag d;

    if (words != 1) {
        fprintf(stderr, "usage: %s probe ADDRESS | DOMAIN\n", p->name);
        return EX_USAGE;
    }
    x.program.trace = true;
    if (!find_route(&x, word[0]))
        return EX_DATAERR;
    signal(SIGPIPE, SIG_IGN);
    if (!keeper_start(&x.keeper, p) || !program_jail(p))
        return EX_OSERR;
    if (!security_load(&x.security, p->site, &d))
        fprintf(stderr, "%s: %s\n", p->name, d.text);
    int status = EX_CONFIG;
    if (security_for(&x.security, &x.route, &x.use)) {
        x.use.memory = &x.memory;
        printf("destination  %s\ntls          %s\n", x.route.key, site_tls_level(x.route.tls));
        explain_login(&x.route);
        status = walk(&x);
    }
    tls_memory_free(&x.memory);
    keeper_end(&x.keeper);
    security_free(&x.security);
    return status;
}
