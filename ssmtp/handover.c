/* See handover.h. */
#include "ssmtp/handover.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

bool handover_open(struct handover *h, unsigned workers)
{
    int ends[2];

    *h = (struct handover){0};
    for (; h->workers < workers; h->workers++) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
            handover_close(h);
            return false;
        }
        h->taking[h->workers] = ends[0];
        h->giving[h->workers] = ends[1];
    }
    return true;
}

static void drop(int *fd)
{
    if (*fd >= 0)
        close(*fd); /* a socket */
    *fd = -1;
}

void handover_keep(struct handover *h, unsigned worker)
{
    for (unsigned w = 0; w < h->workers; w++)
        drop(w == worker ? &h->giving[w] : &h->taking[w]);
}

void handover_close(struct handover *h)
{
    for (unsigned w = 0; w < h->workers; w++) {
        drop(&h->giving[w]);
        drop(&h->taking[w]);
    }
    h->workers = 0;
}

bool handover_give(const struct handover *h, unsigned to, int fd, unsigned listener)
{
    unsigned char number = (unsigned char)listener;
    struct iovec text = {&number, 1};
    union control control = {.room = {0}};
    struct msghdr m = {.msg_iov = &text,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    if (sendmsg(h->giving[to], &m, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
        return false;
    close(fd);
    return true;
}

bool handover_take(const struct handover *h, unsigned worker, int *fd, unsigned *listener)
{
    unsigned char number = 0;
    struct iovec text = {&number, 1};
    union control control;
    struct msghdr m = {.msg_iov = &text,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};

    if (recvmsg(h->taking[worker], &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
        return false;
    *fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(fd, CMSG_DATA(c), sizeof(*fd));
    *listener = number;
    return true;
}
