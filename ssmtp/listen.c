/* See listen.h. */
#include "ssmtp/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_INHERITED = 3, BACKLOG = 4096 };

static bool environment_number(const char *name, uint64_t *n)
{
    const char *text = getenv(name);

    return text != NULL && span_number(span_of(text), INT32_MAX, n);
}

static bool take_inherited(int fd, struct diag *d)
{
    int listening = 0, type = 0;
    socklen_t size = sizeof(listening), type_size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0 || type != SOCK_STREAM)
        return diag_set(d, 0, 0,
                        "descriptor %d of LISTEN_FDS is no listening stream socket; with "
                        "Accept=yes use --inetd",
                        fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return diag_set(d, 0, 0, "descriptor %d of LISTEN_FDS: %s", fd, strerror(errno));
    return true;
}

static bool is_ours(const struct site_service *s)
{
    return span_eq_nocase(span_of(s->module != NULL ? s->module : s->name), SPAN("SSMTP"));
}

static enum tls_mode resolved(uint64_t mode, uint64_t port)
{
    return mode == TLSMODE_OFF         ? TLSMODE_OFF
           : site_implicit(mode, port) ? TLSMODE_IMPLICIT
                                       : TLSMODE_STARTTLS;
}

struct listen_kind listen_kind(const struct site *site, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } own = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof(own);
    uint64_t port = 0;

    if (getsockname(fd, &own.any, &size) == 0 && own.any.sa_family == AF_INET)
        port = ntohs(own.v4.sin_port);
    else if (own.any.sa_family == AF_INET6)
        port = ntohs(own.v6.sin6_port);
    for (size_t i = 0; i < site->services; i++)
        if (is_ours(&site->service[i]) && site->service[i].port == port)
            return (struct listen_kind){resolved(site->service[i].tls, port),
                                        site->service[i].submission};
    return (struct listen_kind){resolved(TLSMODE_AUTO, port), false};
}

bool listen_inherited(const struct site *site, struct listen_set *set, struct diag *d)
{
    uint64_t pid = 0, n = 0;
    bool ours = environment_number("LISTEN_PID", &pid) && pid == (uint64_t)getpid() &&
                environment_number("LISTEN_FDS", &n);

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    set->n = 0;
    if (!ours)
        return true;
    if (n > LISTEN_MAX)
        return diag_set(d, 0, 0, "LISTEN_FDS is more than %d", LISTEN_MAX);
    for (int fd = FIRST_INHERITED; set->n < n; fd++) {
        if (!take_inherited(fd, d))
            return false;
        struct listen_kind kind = listen_kind(site, fd);
        set->tls[set->n] = kind.tls;
        set->submission[set->n] = kind.submission;
        set->fd[set->n++] = fd;
    }
    return true;
}

/* -1 with errno. */
static int open_socket(const struct addrinfo *a, bool own)
{
    int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    /* IPv4 has a socket of its own, so that its addresses are never mapped ones. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (!own || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
        (a->ai_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool is_missing_family(int error)
{
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

/* Without ADDRESS: both families, as far as the machine has them. */
static bool open_service(const struct site_service *s, bool own, struct listen_set *set,
                         struct diag *d)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *where = s->address != NULL ? s->address : "any address";
    size_t before = set->n;
    char port[8];
    int error = 0;

    snprintf(port, sizeof(port), "%u", (unsigned)s->port);
    if (getaddrinfo(s->address, port, &hints, &found) != 0)
        return diag_set(d, 0, 0, "SERVICE ADDRESS(%s): write a numeric address of this machine",
                        where);
    for (const struct addrinfo *a = found; a != NULL && set->n < LISTEN_MAX; a = a->ai_next) {
        int fd = open_socket(a, own);
        if (fd >= 0) {
            set->tls[set->n] = resolved(s->tls, s->port);
            set->submission[set->n] = s->submission;
            set->fd[set->n++] = fd;
        } else {
            error = errno;
        }
        if (error != 0 && !is_missing_family(error))
            break;
    }
    freeaddrinfo(found);
    if (error == 0 || (set->n > before && is_missing_family(error)))
        return true;
    return diag_set(d, 0, 0, "cannot listen at %s, port %s: %s", where, port, strerror(error));
}

bool listen_services(const struct site *site, bool own, struct listen_set *set, struct diag *d)
{
    bool good = true;

    set->n = 0;
    for (size_t i = 0; good && i < site->services; i++)
        if (is_ours(&site->service[i]))
            good = open_service(&site->service[i], own, set, d);
    if (good && set->n == 0)
        good = diag_set(d, 0, 0,
                        "no SERVICE statement is for it: add SERVICE NAME(SMTP) MODULE(SSMTP) "
                        "PORT(25)");
    if (!good)
        listen_close(set);
    return good;
}

void listen_close(struct listen_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        close(set->fd[i]); /* a socket */
    set->n = 0;
}
