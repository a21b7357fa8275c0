/* Mailboxes and paths of RFC 5321 section 4.1.2 and 4.1.3: pure.
 *
 * Trusts nothing: every octet is checked against the grammar and the limits of 4.5.3.1, so that
 * what is in a struct address can be put into a command or an envelope line without further
 * thought. */
#ifndef SPOOLMAIL_ADDRESS_H
#define SPOOLMAIL_ADDRESS_H

#include "lib/buf.h"

enum {
    ADDRESS_LOCAL_MAX = 64,   /* octets, 4.5.3.1.1 */
    ADDRESS_DOMAIN_MAX = 255, /* octets, 4.5.3.1.2 */
    ADDRESS_PATH_MAX = 256,   /* octets with the brackets, 4.5.3.1.3 */
    ADDRESS_TEXT_MAX = 254
};

enum domain_kind { DOMAIN_NONE, DOMAIN_NAME, DOMAIN_IPV4, DOMAIN_IPV6 };

/* A mailbox in its one written form: local@domain without brackets or source route. A quoted local
 * part keeps its quotes only where it needs them. All empty: the null reverse-path. */
struct address {
    char text[ADDRESS_TEXT_MAX + 1];
    unsigned short at;  /* index of the @; length of text when there is no domain */
    unsigned char kind; /* enum domain_kind */
};

enum address_flag {
    ADDRESS_NULL_OK = 1,   /* <> is lawful (reverse-path) */
    ADDRESS_BARE_OK = 2,   /* brackets may be missing (envelope lines, people) */
    ADDRESS_UTF8_OK = 4,   /* RFC 6531: U+0080 and up in local part and domain */
    ADDRESS_LOCAL_OK = 8,  /* a local part alone: <Postmaster> of 4.5.1, names at a terminal */
    ADDRESS_PREFIX_OK = 16 /* text may follow the path after a blank (ESMTP parameters) */
};

/* Each has its sentence in address_strerror(). */
enum address_error {
    ADDRESS_GOOD,
    ADDRESS_EMPTY,
    ADDRESS_NO_BRACKET, /* < without >, or > without <, or none where they must be */
    ADDRESS_NO_DOMAIN,
    ADDRESS_NULL_PATH, /* <> where a mailbox must be */
    ADDRESS_BAD_LOCAL,
    ADDRESS_BAD_QUOTE, /* quoted string not ended, or a bad quoted pair */
    ADDRESS_BAD_DOMAIN,
    ADDRESS_BAD_LITERAL, /* not [1.2.3.4] nor [IPv6:...] */
    ADDRESS_BAD_ROUTE,   /* @a,@b: not well formed */
    ADDRESS_BAD_OCTET,   /* control, NUL, CR, LF, or 8 bit where it may not be */
    ADDRESS_BAD_UTF8,
    ADDRESS_LOCAL_TOO_LONG,
    ADDRESS_DOMAIN_TOO_LONG,
    ADDRESS_TOO_LONG,
    ADDRESS_TRAILING_TEXT,
    ADDRESS_ERRORS
};

/* Reads a path, with or without brackets as the flags say. Source routes are accepted and dropped
 * (appendix C). On success *out is filled and *used (may be NULL) is how many octets were read; on
 * an error *used is the octet at fault and *out is all zero. Blanks around the path are not taken:
 * trim first. Never reads beyond the span; text with NUL inside is an error. */
enum address_error address_parse(struct span text, unsigned flags, struct address *out,
                                 size_t *used);
/* What is wrong, in words that tell the writer how to mend it. */
const char *address_strerror(enum address_error e);

struct span address_local(const struct address *a);
struct span
address_domain(const struct address *a); /* with the brackets of a literal; may be empty */
static inline bool address_is_null(const struct address *a)
{
    return a->text[0] == '\0';
}
bool address_has_utf8(const struct address *a);
/* Same mailbox: local part octet by octet, domain without regard to ASCII case (2.4). */
bool address_eq(const struct address *a, const struct address *b);
/* Writes <text>; `<>` for the null path. */
bool address_write(struct buf *to, const struct address *a);
/* The local part without quotes and quoted pairs: what a user table is asked for. */
bool address_local_plain(const struct address *a, struct buf *to);
/* The same without asking for memory, so that a shortage makes nobody unknown. */
struct span address_local_text(const struct address *a, char plain[ADDRESS_LOCAL_MAX]);
/* The binary address of a literal, network order: 4 or 16 octets by kind. False for a name. */
bool address_literal(const struct address *a, unsigned char octets[16]);
/* A domain name alone (configuration, HELO): letters, digits, hyphens, labels of 1-63. */
bool domain_valid(struct span name, bool utf8_ok);

#endif
