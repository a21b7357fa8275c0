/* See mx.h. */
#include "usmtp/mx.h"

#include <string.h>

/* Letters, digits, hyphen, and the underscore that some hosts have against the rules. */
static char host_octet(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + 32);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
        return (char)c;
    return '\0';
}

bool mx_name(const unsigned char *wire, size_t n, char out[MX_NAME_MAX + 1])
{
    size_t at = 0, length = 0;

    for (; at < n && wire[at] != 0; at += 1U + wire[at]) {
        size_t label = wire[at];
        /* Above 63 it is a pointer, which may not be here. */
        if (label > 63 || label >= n - at || length + label + 1 > MX_NAME_MAX + 1)
            return false;
        if (length > 0)
            out[length++] = '.';
        for (size_t i = 1; i <= label; i++)
            if (length == MX_NAME_MAX || (out[length++] = host_octet(wire[at + i])) == '\0')
                return false;
    }
    out[length] = '\0';
    return at + 1 == n;
}

uint32_t mx_lot(uint64_t *seed)
{
    uint64_t z = *seed += 0x9E3779B97F4A7C15U;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return (uint32_t)(z >> 32);
}

static bool before(const struct mx_record *a, const struct mx_record *b)
{
    return a->preference != b->preference ? a->preference < b->preference : a->lot < b->lot;
}

/* A host that stands twice counts once, by its better record. False: it is there already. */
static bool take_out_worse(struct mx_list *list, const struct mx_record *r)
{
    for (size_t i = 0; i < list->hosts; i++)
        if (strcmp(list->host[i].name, r->name) == 0) {
            if (!before(r, &list->host[i]))
                return false;
            memmove(&list->host[i], &list->host[i + 1],
                    (list->hosts - i - 1) * sizeof(list->host[0]));
            list->hosts--;
            return true;
        }
    return true;
}

static void insert(struct mx_list *list, const struct mx_record *r)
{
    if (!take_out_worse(list, r))
        return;
    size_t at = list->hosts;
    while (at > 0 && before(r, &list->host[at - 1]))
        at--;
    if (at == MX_HOSTS_MAX)
        return;
    size_t behind = list->hosts - at;
    if (list->hosts == MX_HOSTS_MAX)
        behind--; /* the last one falls off */
    else
        list->hosts++;
    memmove(&list->host[at + 1], &list->host[at], behind * sizeof(list->host[0]));
    list->host[at] = *r;
}

enum mx_kind mx_read(char *const *data, const int *length, uint64_t *seed, struct mx_list *out)
{
    size_t records = 0, roots = 0;

    out->hosts = 0;
    for (; records < MX_RECORDS_MAX && data[records] != NULL; records++) {
        const unsigned char *rdata = (const void *)data[records];
        struct mx_record r = {.lot = mx_lot(seed)};
        if (length[records] < 3 || !mx_name(rdata + 2, (size_t)length[records] - 2, r.name))
            continue;
        r.preference = (unsigned short)(rdata[0] << 8 | rdata[1]);
        if (r.name[0] == '\0')
            roots++;
        else
            insert(out, &r);
    }
    if (out->hosts > 0)
        return MX_HOSTS;
    return roots == 1 && records == 1 ? MX_NULL : MX_UNUSABLE;
}
