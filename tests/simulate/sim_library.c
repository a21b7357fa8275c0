/* See sim_calls.h: memory, digests, threads, sockets and the rest. Memory of a simulated process
 * comes from its own heap; a digest is a cheap one in it, so that nothing is left of a process that
 * was killed. Threads are tasks; a lock or a condition is a number in the first octets of the
 * library's own object. */
#include "tests/simulate/sim_calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/simulate/sim.h"
#include "tests/simulate/sim_files.h"
#include "tests/simulate/sim_login.h"
#include "tests/simulate/sim_net.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_world.h"

/* Memory. */

static void *take(struct process *p, size_t n)
{
    void *piece = world_fault(p, FAULT_MEMORY) ? NULL : heap_alloc(&p->heap, n);

    if (piece == NULL)
        errno = ENOMEM;
    return piece;
}

void *__wrap_malloc(size_t n)
{
    struct process *p = process_current();

    return p == NULL ? __real_malloc(n) : take(p, n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    struct process *p = process_current();
    size_t octets;

    if (p == NULL)
        return __real_calloc(count, n);
    if (__builtin_mul_overflow(count, n, &octets)) {
        errno = ENOMEM;
        return NULL;
    }
    void *piece = take(p, octets);
    if (piece != NULL)
        memset(piece, 0, octets);
    return piece;
}

void __wrap_free(void *piece)
{
    struct process *p = process_current();

    if (!heap_owns(piece))
        __real_free(piece);
    else if (p == NULL)
        sim_violation("memory of a process is freed from outside");
    else
        heap_free(&p->heap, piece);
}

void *__wrap_realloc(void *piece, size_t n)
{
    struct process *p = process_current();

    if (p == NULL || (piece != NULL && !heap_owns(piece)))
        return __real_realloc(piece, n);
    void *more = take(p, n);
    if (more == NULL || piece == NULL)
        return more;
    size_t had = heap_size(piece);
    heap_copy(more, piece, had < n ? had : n);
    heap_free(&p->heap, piece);
    return more;
}

void *__wrap_reallocarray(void *piece, size_t count, size_t n)
{
    size_t octets;

    if (process_current() == NULL)
        return __real_reallocarray(piece, count, n);
    if (__builtin_mul_overflow(count, n, &octets)) {
        errno = ENOMEM;
        return NULL;
    }
    return __wrap_realloc(piece, octets);
}

char *__wrap_strdup(const char *text)
{
    struct process *p = process_current();

    if (p == NULL)
        return __real_strdup(text);
    size_t n = strlen(text) + 1;
    char *copy = take(p, n);
    if (copy != NULL)
        memcpy(copy, text, n);
    return copy;
}

/* Only anonymous memory is ever mapped. */
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    if (process_current() == NULL)
        return __real_mmap(at, n, protection, flags, fd, offset);
    void *piece = __wrap_calloc(1, n);
    return piece == NULL ? MAP_FAILED : piece;
}

int __wrap_munmap(void *piece, size_t n)
{
    if (process_current() == NULL)
        return __real_munmap(piece, n);
    __wrap_free(piece);
    return 0;
}

/* Digests: cheap ones. */

struct cheap_digest {
    uint64_t sum, word;
    unsigned octets; /* in word */
};
_Static_assert(sizeof(struct cheap_digest) <= sizeof(SHA256_CTX), "it stands in OpenSSL's");

int __wrap_SHA256_Init(SHA256_CTX *c)
{
    if (process_current() == NULL)
        return __real_SHA256_Init(c);
    *(struct cheap_digest *)(void *)c = (struct cheap_digest){0};
    return 1;
}

static void mix(struct cheap_digest *d, uint64_t word)
{
    d->sum = (d->sum ^ word) * 0x9E3779B97F4A7C15U;
    d->sum ^= d->sum >> 29;
}

int __wrap_SHA256_Update(SHA256_CTX *c, const void *octets, size_t n)
{
    struct cheap_digest *d = (struct cheap_digest *)(void *)c;
    const unsigned char *p = octets;
    uint64_t word;

    if (process_current() == NULL)
        return __real_SHA256_Update(c, octets, n);
    while (n > 0) {
        if (d->octets == 0 && n >= sizeof(word)) {
            memcpy(&word, p, sizeof(word));
            mix(d, word);
            p += sizeof(word);
            n -= sizeof(word);
            continue;
        }
        d->word |= (uint64_t)*p++ << 8 * d->octets++;
        n--;
        if (d->octets == sizeof(word)) {
            mix(d, d->word);
            d->word = d->octets = 0;
        }
    }
    return 1;
}

int __wrap_SHA256_Final(unsigned char *out, SHA256_CTX *c)
{
    struct cheap_digest *d = (struct cheap_digest *)(void *)c;

    if (process_current() == NULL)
        return __real_SHA256_Final(out, c);
    mix(d, d->word | (uint64_t)d->octets << 60);
    for (unsigned i = 0; i < SHA256_DIGEST_LENGTH; i += 8) {
        mix(d, i);
        memcpy(out + i, &d->sum, sizeof(d->sum));
    }
    return 1;
}

/* Threads. */

struct thread {
    void *(*fn)(void *);
    void *arg;
};

static void run_thread(void *arg)
{
    struct thread t = *(struct thread *)arg;

    __wrap_free(arg);
    t.fn(t.arg);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *a, void *(*fn)(void *),
                          void *arg)
{
    struct process *p = process_current();

    if (p == NULL)
        return __real_pthread_create(thread, a, fn, arg);
    struct thread *t = take(p, sizeof(*t));
    if (t == NULL)
        return EAGAIN;
    *t = (struct thread){fn, arg};
    *thread = task_start(p, run_thread, t);
    return *thread == 0 ? EAGAIN : 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    if (process_current() == NULL)
        return __real_pthread_join(thread, result);
    while (!task_over(thread))
        task_wait(TASK_NEVER);
    return 0;
}

/* What a lock is, in the library's object. */
struct simple_lock {
    int locked, waiting;
};

int __wrap_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
    if (process_current() == NULL)
        return __real_pthread_mutex_init(m, a);
    memset(m, 0, sizeof(*m));
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *m)
{
    return process_current() == NULL ? __real_pthread_mutex_destroy(m) : 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
    struct simple_lock *l = (struct simple_lock *)(void *)m;

    if (process_current() == NULL)
        return __real_pthread_mutex_lock(m);
    while (l->locked) {
        l->waiting++;
        task_wait_on(m, TASK_NEVER);
        l->waiting--;
    }
    l->locked = 1;
    return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *m)
{
    struct simple_lock *l = (struct simple_lock *)(void *)m;

    if (process_current() == NULL)
        return __real_pthread_mutex_trylock(m);
    if (l->locked)
        return EBUSY;
    l->locked = 1;
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    struct simple_lock *l = (struct simple_lock *)(void *)m;

    if (process_current() == NULL)
        return __real_pthread_mutex_unlock(m);
    l->locked = 0;
    if (l->waiting > 0)
        task_poke(process_current(), m, false);
    return 0;
}

/* Of a condition only the clock is kept, by which its waits end. */
int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a)
{
    clockid_t clock = CLOCK_REALTIME;

    if (process_current() == NULL)
        return __real_pthread_cond_init(c, a);
    if (a != NULL)
        pthread_condattr_getclock(a, &clock);
    memcpy(c, &clock, sizeof(clock));
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *c)
{
    return process_current() == NULL ? __real_pthread_cond_destroy(c) : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    if (process_current() == NULL)
        return __real_pthread_cond_wait(c, m);
    __wrap_pthread_mutex_unlock(m);
    task_wait_on(c, TASK_NEVER);
    return __wrap_pthread_mutex_lock(m);
}

/* The simulation's time that a clock shows as 0. */
static int64_t clock_zero_us(clockid_t clock)
{
    return clock == CLOCK_REALTIME ? -process_current()->host->disk.skew_us
                                   : -(int64_t)STEADY_AHEAD_S * 1000000;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    if (process_current() == NULL)
        return __real_clock_gettime(clock, t);
    int64_t us = sim.now_us - clock_zero_us(clock);
    *t = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                  const struct timespec *until)
{
    clockid_t clock;

    if (process_current() == NULL)
        return __real_pthread_cond_timedwait(c, m, until);
    memcpy(&clock, c, sizeof(clock));
    int64_t us = until->tv_sec * 1000000 + until->tv_nsec / 1000 + clock_zero_us(clock);
    __wrap_pthread_mutex_unlock(m);
    if (us > sim.now_us)
        task_wait_on(c, us);
    __wrap_pthread_mutex_lock(m);
    return us <= sim.now_us ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
    if (process_current() == NULL)
        return __real_pthread_cond_broadcast(c);
    task_poke(process_current(), c, false);
    return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
    if (process_current() == NULL)
        return __real_pthread_cond_signal(c);
    task_poke(process_current(), c, true);
    return 0;
}

int __wrap_eventfd(unsigned count, int flags)
{
    if (process_current() == NULL)
        return __real_eventfd(count, flags);
    struct call c = call_begin("eventfd", 1, NULL, 0);
    struct ofd *o = file_new(c.p, OFD_EVENT, flags);
    o->count = count;
    return (int)call_end(&c, file_install(c.p, o));
}

int __wrap_eventfd_read(int fd, eventfd_t *count)
{
    struct ofd *o;

    if (process_current() == NULL)
        return __real_eventfd_read(fd, count);
    o = file_at(process_current(), fd);
    *count = o->count;
    o->count = 0;
    return *count == 0 ? -1 : 0;
}

int __wrap_eventfd_write(int fd, eventfd_t count)
{
    if (process_current() == NULL)
        return __real_eventfd_write(fd, count);
    file_at(process_current(), fd)->count += count;
    process_poke(process_current());
    return 0;
}

/* Sockets. */

static struct sock *sock_at(int fd)
{
    const struct ofd *o = file_at(process_current(), fd);

    return o == NULL ? NULL : o->sock;
}

static void put_address(struct sockaddr *to, socklen_t *n, uint32_t address)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(25), .sin_addr.s_addr = htonl(address)};

    memcpy(to, &in, *n < sizeof(in) ? *n : sizeof(in));
    *n = sizeof(in);
}

static int install_sock(struct process *p, struct sock *s)
{
    struct ofd *o = file_new(p, OFD_SOCKET, 0);

    o->sock = s;
    return file_install(p, o);
}

int __wrap_socket(int family, int type, int protocol)
{
    if (process_current() == NULL)
        return __real_socket(family, type, protocol);
    struct call c = call_begin("socket", 1, NULL, 0);
    bool none = world_fault(c.p, FAULT_FILES);
    return (int)call_end(&c, none ? -EMFILE : install_sock(c.p, net_socket(c.p)));
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t n)
{
    struct sockaddr_in in;

    if (process_current() == NULL)
        return __real_connect(fd, to, n);
    struct call c = call_begin("connect", 1, NULL, fd);
    memcpy(&in, to, sizeof(in));
    return (int)call_end(&c, net_connect(sock_at(fd), ntohl(in.sin_addr.s_addr)));
}

int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *n, int flags)
{
    uint32_t address;

    if (process_current() == NULL)
        return __real_accept4(fd, from, n, flags);
    struct call c = call_begin("accept4", 1, NULL, fd);
    if (world_fault(c.p, FAULT_FILES))
        return (int)call_end(&c, -EMFILE);
    struct sock *s = net_accept(sock_at(fd), &address);
    if (s == NULL)
        return (int)call_end(&c, -EAGAIN);
    put_address(from, n, address);
    return (int)call_end(&c, install_sock(c.p, s));
}

ssize_t __wrap_send(int fd, const void *octets, size_t n, int flags)
{
    if (process_current() == NULL)
        return __real_send(fd, octets, n, flags);
    struct call c = call_begin("send", 2, NULL, fd);
    struct ofd *o = file_at(c.p, fd);
    size_t seen = o == NULL || o->seen > n ? 0 : o->seen;
    login_sends(c.p, o, (const char *)octets + seen, n - seen);
    ssize_t taken = net_send(sock_at(fd), octets, n);
    if (o != NULL)
        o->seen = n - (taken < 0 ? 0 : (size_t)taken);
    return call_end(&c, taken);
}

ssize_t __wrap_recv(int fd, void *to, size_t n, int flags)
{
    if (process_current() == NULL)
        return __real_recv(fd, to, n, flags);
    struct call c = call_begin("recv", 2, NULL, fd);
    return call_end(&c, net_receive(sock_at(fd), to, n, flags & MSG_PEEK));
}

ssize_t __wrap___recv_chk(int fd, void *to, size_t n, size_t room, int flags)
{
    (void)room;
    return __wrap_recv(fd, to, n, flags);
}

int __wrap_shutdown(int fd, int how)
{
    if (process_current() == NULL)
        return __real_shutdown(fd, how);
    net_shut(sock_at(fd));
    return 0;
}

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *n)
{
    if (process_current() == NULL)
        return __real_getsockopt(fd, level, option, value, n);
    int error = net_error(sock_at(fd));
    memcpy(value, &error, sizeof(error));
    return 0;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t n)
{
    return process_current() == NULL ? __real_setsockopt(fd, level, option, value, n) : 0;
}

int __wrap_getsockname(int fd, struct sockaddr *to, socklen_t *n)
{
    if (process_current() == NULL)
        return __real_getsockname(fd, to, n);
    put_address(to, n, net_address(sock_at(fd), false));
    return 0;
}

int __wrap_getpeername(int fd, struct sockaddr *to, socklen_t *n)
{
    if (process_current() == NULL)
        return __real_getpeername(fd, to, n);
    put_address(to, n, net_address(sock_at(fd), true));
    return 0;
}

/* The rest. */

uid_t __wrap_geteuid(void)
{
    const struct process *p = process_current();

    return p == NULL ? __real_geteuid() : p->uid;
}

struct passwd *__wrap_getpwuid(uid_t uid)
{
    static char name[] = "job";
    static struct passwd user = {.pw_name = name};

    if (process_current() == NULL)
        return __real_getpwuid(uid);
    user.pw_uid = uid;
    return &user;
}

ssize_t __wrap_getrandom(void *to, size_t n, unsigned flags)
{
    uint64_t r;

    if (process_current() == NULL)
        return __real_getrandom(to, n, flags);
    for (size_t at = 0; at < n; at += sizeof(r)) {
        r = sim_random();
        memcpy((char *)to + at, &r, n - at < sizeof(r) ? n - at : sizeof(r));
    }
    return (ssize_t)n;
}

int __wrap_usleep(useconds_t us)
{
    if (process_current() == NULL)
        return __real_usleep(us);
    task_wait(sim.now_us + us);
    return 0;
}

sighandler_t __wrap_signal(int number, sighandler_t handler)
{
    return process_current() == NULL ? __real_signal(number, handler) : SIG_DFL;
}

int __wrap_getrlimit(__rlimit_resource_t what, struct rlimit *limit)
{
    if (process_current() == NULL)
        return __real_getrlimit(what, limit);
    *limit = (struct rlimit){DESCRIPTORS, DESCRIPTORS};
    return 0;
}

int __wrap_setrlimit(__rlimit_resource_t what, const struct rlimit *limit)
{
    return process_current() == NULL ? __real_setrlimit(what, limit) : 0;
}
