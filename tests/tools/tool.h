/* What the test tools share: a loopback listener, files that appear whole, printable text.
 *
 * Tools serve tests only: a wrong option or a failing system call ends them with a message and exit
 * status 2, so that it is never mistaken for a finding (1). */
#ifndef SPOOLMAIL_TESTS_TOOL_H
#define SPOOLMAIL_TESTS_TOOL_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"

enum { TOOL_FAILED = 1, TOOL_BROKEN = 2 };

/* "program: message" and, when errnum is not 0, what it means. */
__attribute__((format(printf, 2, 3))) _Noreturn static inline void tool_die(int errnum,
                                                                            const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    if (errnum != 0)
        fprintf(stderr, ": %s", strerror(errnum));
    fputc('\n', stderr);
    exit(TOOL_BROKEN);
}

static inline uint64_t tool_number(const char *option, const char *text, uint64_t max)
{
    uint64_t value;

    if (!span_number(span_of(text), max, &value))
        tool_die(0, "%s: \"%s\" is not a number from 0 to %llu", option, text,
                 (unsigned long long)max);
    return value;
}

static inline struct sockaddr_in tool_loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

/* Listens on 127.0.0.1, or at the IPv4 address that TOOL_ADDRESS names; port 0 takes a free one.
 * *port becomes the port in use. */
static inline int tool_listen(uint16_t *port, int flags)
{
    struct sockaddr_in a = tool_loopback(*port);
    socklen_t size = sizeof(a);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    const char *address = getenv("TOOL_ADDRESS");

    if (address != NULL && inet_pton(AF_INET, address, &a.sin_addr) != 1)
        tool_die(0, "TOOL_ADDRESS: \"%s\" is no IPv4 address", address);
    if (fd < 0)
        tool_die(errno, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        tool_die(errno, "cannot listen on %s:%u", address != NULL ? address : "127.0.0.1", *port);
    *port = ntohs(a.sin_port);
    return fd;
}

/* A reader sees the old text or the new, never a part. */
static inline void tool_write_file(const char *path, const char *text)
{
    struct buf name = {0};

    buf_printf(&name, "%s.new%ld", path, (long)getpid());
    FILE *f = fopen(buf_str(&name), "we");
    if (f == NULL)
        tool_die(errno, "cannot write %s", path);
    fputs(text, f);
    if (fclose(f) != 0 || rename(buf_str(&name), path) != 0)
        tool_die(errno, "cannot write %s", path);
    buf_free(&name);
}

static inline void tool_write_port(const char *path, uint16_t port)
{
    char text[16];

    snprintf(text, sizeof(text), "%u\n", port);
    tool_write_file(path, text);
}

/* Escapes everything but printable ASCII, so that no octet of a peer reaches a screen raw. */
static inline void tool_add_printable(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\\')
            buf_adds(out, "\\\\");
        else if (c == '\r')
            buf_adds(out, "\\r");
        else if (c == '\n')
            buf_adds(out, "\\n");
        else if (c >= 0x20 && c < 0x7f)
            buf_addc(out, (char)c);
        else
            buf_printf(out, "\\x%02X", c);
    }
}

#endif
