/* A simulated network of TCP connections: octets arrive late and in pieces, connections are
 * refused, reset, or fall silent, and hosts are cut off from each other. */
#ifndef TESTS_SIMULATE_SIM_NET_H
#define TESTS_SIMULATE_SIM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;
struct process;
struct sock;

struct sock *net_socket(struct process *p);
/* Listens at the address of its process's host, port 25. */
void net_listen(struct sock *s);
/* 0 or -errno; mostly -EINPROGRESS. */
int net_connect(struct sock *s, uint32_t address);
/* The next connection, of the process that asks; NULL: none waits. */
struct sock *net_accept(struct sock *listener, uint32_t *from);
long net_send(struct sock *s, const void *octets, size_t n);
long net_receive(struct sock *s, void *to, size_t n, bool peek);
void net_shut(struct sock *s);
void net_close(struct sock *s);
/* What connect came to: 0 or an errno, once. */
int net_error(struct sock *s);
uint32_t net_address(const struct sock *s, bool peer);

bool net_readable(const struct sock *s);
bool net_writable(const struct sock *s);
int64_t net_ready_us(const struct sock *s);

/* The link between all hosts: while it is down nothing arrives. */
void net_link(bool up);
/* A connection loses its other end: each side learns of it soon, late or never. */
void net_break(struct sock *s);
/* The machine lost its power: its sockets are gone without a word. */
void net_power_cut(const struct host *h);
/* One connection lost in so many sends; 0: none. */
void net_weather(uint32_t loss);
uint64_t net_losses(void);

#endif
