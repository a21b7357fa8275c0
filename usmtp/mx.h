/* Mail exchangers: what the records of a name server say, and in which order hosts are tried. Pure.
 *
 * Trusts nothing: a name with an octet that no host name has (CR, LF, NUL, blanks, 8 bit), a wrong
 * length, a label or name that is too long is no record at all. Bounded whatever comes. */
#ifndef USMTP_MX_H
#define USMTP_MX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MX_NAME_MAX = 253,     /* characters of a host name, RFC 1035 2.3.4 as text */
    MX_RECORDS_MAX = 1000, /* looked at in one answer */
    MX_HOSTS_MAX = 20      /* kept of one answer: the best */
};

struct mx_record {
    unsigned short preference;
    uint32_t lot; /* decides among equal preferences (RFC 5321 5.1) */
    char name[MX_NAME_MAX + 1];
};

enum mx_kind {
    MX_HOSTS,   /* there are hosts */
    MX_NULL,    /* RFC 7505: the domain takes no mail */
    MX_UNUSABLE /* none of the records names a host */
};

struct mx_list {
    size_t hosts;
    struct mx_record host[MX_HOSTS_MAX]; /* in the order they are tried */
};

/* A name in the form of the wire, uncompressed and no longer than n octets, as text in lower case,
 * without the dot at the end. "" is the root. False: it is no host name. */
bool mx_name(const unsigned char *wire, size_t n, char out[MX_NAME_MAX + 1]);
/* The records of an answer, an array that ends with NULL, each with its length. `seed` is the
 * caller's source of chance and changes. */
enum mx_kind mx_read(char *const *data, const int *length, uint64_t *seed, struct mx_list *out);
/* The next number of chance (splitmix64). */
uint32_t mx_lot(uint64_t *seed);

#endif
