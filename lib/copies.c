/* See copies.h. */
#include "lib/copies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void copies_begin(struct copies *c, struct unit *u, enum unit_part part, size_t head,
                  struct span text)
{
    size_t block = share_block(u->dir);

    *c = (struct copies){.unit = u, .part = part, .text = text, .head = head, .first = -1};
    c->cut = (head + block) / block * block;
    seal_add(&c->rest, span_from(text, c->cut - head));
}

/* Head and text up to the cut, in one call. */
static int write_front(int fd, struct span head, struct span text)
{
    char *front = malloc(head.n + text.n);

    if (front == NULL)
        return -1;
    memcpy(front, head.p, head.n);
    memcpy(front + head.n, text.p, text.n);
    int result = durable_write(fd, front, head.n + text.n);
    int saved = errno;
    free(front);
    errno = saved;
    return result;
}

static int write_rest(struct copies *c, int fd)
{
    struct span rest = span_from(c->text, c->cut - c->head);

    if (c->first >= 0 && !c->unshared) {
        int result = share_rest(c->first, fd, c->cut);
        if (result <= 0)
            return result;
        c->unshared = true;
    }
    return durable_write(fd, rest.p, rest.n);
}

static int seal_copy(const struct copies *c, int fd, struct span head, struct span front)
{
    struct seal seal;

    seal_branch(&seal, &c->rest, c->cut);
    seal_add(&seal, head);
    seal_add(&seal, front);
    return seal_end(&seal, fd);
}

int copies_put(struct copies *c, const char *name, struct span head)
{
    struct span front = {c->text.p, c->cut - c->head};

    if (head.n != c->head) {
        errno = EINVAL;
        return -1;
    }
    int fd = unit_create(c->unit, c->part, name);
    if (fd < 0)
        return -1;
    if (write_front(fd, head, front) < 0 || write_rest(c, fd) < 0 ||
        seal_copy(c, fd, head, front) < 0)
        return durable_drop(fd);
    if (c->first >= 0)
        return syncset_add(&c->unit->sync, fd);
    c->first = fd;
    return 0;
}

int copies_end(struct copies *c)
{
    int saved = errno;

    seal_drop(&c->rest);
    errno = saved;
    return c->first < 0 ? 0 : syncset_add(&c->unit->sync, c->first);
}
