/* See address.h. The grammar of RFC 5321 4.1.2 and 4.1.3, widened by RFC 6531 where the caller
 * allows it. One cursor walks the text once and stops at the first octet at fault; every limit is
 * checked while walking, so text of any length costs no more than the limits. */
#include "lib/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/charset.h"

enum {
    END = -1,             /* what peek() says behind the last octet */
    LABEL_MAX = 63,       /* characters; RFC 1035 2.3.4 */
    LITERAL_MAX = 64,     /* octets with the brackets; more than any lawful one has */
    FIRST_GRAPHIC = 0xA0, /* U+0080 to U+009F are controls */
    BRACKETS = 2
};

struct scan {
    struct span text;
    size_t at;
    unsigned flags;
};

static int peek(const struct scan *s)
{
    return s->at < s->text.n ? (unsigned char)s->text.p[s->at] : END;
}

static bool letter_or_digit(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_atext(int c)
{
    return letter_or_digit(c) || (c > 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_control(int c)
{
    return (c >= 0 && c < ' ') || c == 0x7f;
}

/* The error for an octet that cannot stand here: `otherwise`, unless it could stand nowhere. */
static enum address_error misplaced(const struct scan *s, enum address_error otherwise)
{
    return is_control(peek(s)) ? ADDRESS_BAD_OCTET : otherwise;
}

/* Steps over one character that begins with an octet of X'80' and up. */
static enum address_error take_utf8(struct scan *s)
{
    uint32_t code;
    size_t n;

    if (!(s->flags & ADDRESS_UTF8_OK))
        return ADDRESS_BAD_OCTET;
    n = utf8_char(span_from(s->text, s->at), &code);
    if (n == 0)
        return ADDRESS_BAD_UTF8;
    if (code < FIRST_GRAPHIC)
        return ADDRESS_BAD_OCTET;
    s->at += n;
    return ADDRESS_GOOD;
}

/* Stops at `most` octets from `start`, which are then one too many. */
static enum address_error within(struct scan *s, size_t start, size_t most, enum address_error e)
{
    if (s->at - start <= most)
        return ADDRESS_GOOD;
    s->at = start + most;
    return e;
}

static enum address_error take_atom(struct scan *s, size_t start)
{
    size_t from = s->at;
    enum address_error e;

    for (int c; (c = peek(s)) >= 0x80 || is_atext(c);) {
        if (c < 0x80)
            s->at++;
        else if ((e = take_utf8(s)) != ADDRESS_GOOD)
            return e;
        if ((e = within(s, start, ADDRESS_LOCAL_MAX, ADDRESS_LOCAL_TOO_LONG)) != ADDRESS_GOOD)
            return e;
    }
    return s->at > from ? ADDRESS_GOOD : misplaced(s, ADDRESS_BAD_LOCAL);
}

static enum address_error take_dot_string(struct scan *s)
{
    size_t start = s->at;
    enum address_error e;

    while ((e = take_atom(s, start)) == ADDRESS_GOOD && peek(s) == '.')
        s->at++;
    return e;
}

/* One character of a quoted string, with the backslash of a quoted pair. */
static enum address_error take_qcontent(struct scan *s)
{
    int c = peek(s);

    if (c >= 0x80)
        return take_utf8(s);
    if (c == '\\') {
        s->at++;
        c = peek(s);
        if (c >= 0x80)
            return ADDRESS_BAD_QUOTE;
    }
    if (c < ' ' || c == 0x7f)
        return misplaced(s, ADDRESS_BAD_QUOTE);
    s->at++;
    return ADDRESS_GOOD;
}

static enum address_error take_quoted(struct scan *s)
{
    size_t start = s->at++;
    enum address_error e;

    while (peek(s) != '"') {
        if ((e = take_qcontent(s)) != ADDRESS_GOOD)
            return e;
        if ((e = within(s, start, ADDRESS_LOCAL_MAX, ADDRESS_LOCAL_TOO_LONG)) != ADDRESS_GOOD)
            return e;
    }
    s->at++;
    return within(s, start, ADDRESS_LOCAL_MAX, ADDRESS_LOCAL_TOO_LONG);
}

/* Takes the quotes off a local part. `to` holds written.n octets. */
static size_t unquote(struct span written, char *to)
{
    size_t n = 0;

    if (written.n < 2 || written.p[0] != '"') {
        if (written.n > 0)
            memcpy(to, written.p, written.n);
        return written.n;
    }
    for (size_t i = 1; i + 1 < written.n; i++) {
        if (written.p[i] == '\\')
            i++;
        to[n++] = written.p[i];
    }
    return n;
}

static bool is_dot_string(struct span plain)
{
    struct scan s = {plain, 0, ADDRESS_UTF8_OK};

    return take_dot_string(&s) == ADDRESS_GOOD && s.at == plain.n;
}

/* Puts a local part down in its one written form, which is never longer than the form it came in.
 */
static void put_local(struct address *a, struct span written)
{
    char octets[ADDRESS_LOCAL_MAX];
    struct span plain = {octets, unquote(written, octets)};
    char *to = a->text;

    if (written.p[0] != '"' || is_dot_string(plain)) {
        memcpy(to, plain.p, plain.n);
        to += plain.n;
    } else {
        *to++ = '"';
        for (size_t i = 0; i < plain.n; i++) {
            if (plain.p[i] == '"' || plain.p[i] == '\\')
                *to++ = '\\';
            *to++ = plain.p[i];
        }
        *to++ = '"';
    }
    a->at = (unsigned short)(to - a->text);
}

static enum address_error take_local(struct scan *s, struct address *a)
{
    size_t start = s->at;
    enum address_error e = peek(s) == '"' ? take_quoted(s) : take_dot_string(s);

    if (e == ADDRESS_GOOD)
        put_local(a, (struct span){s->text.p + start, s->at - start});
    return e;
}

static enum address_error take_label(struct scan *s)
{
    size_t characters = 0;
    int last = '-';
    enum address_error e;

    for (int c; (c = peek(s)) >= 0x80 || c == '-' || letter_or_digit(c); last = c) {
        if (characters++ == LABEL_MAX || (c == '-' && characters == 1))
            return ADDRESS_BAD_DOMAIN;
        if (c < 0x80)
            s->at++;
        else if ((e = take_utf8(s)) != ADDRESS_GOOD)
            return e;
    }
    if (characters > 0 && last != '-')
        return ADDRESS_GOOD;
    if (characters > 0)
        s->at--;
    return misplaced(s, ADDRESS_BAD_DOMAIN);
}

static enum address_error take_name(struct scan *s)
{
    size_t start = s->at;
    enum address_error e;

    for (;; s->at++) {
        if ((e = take_label(s)) != ADDRESS_GOOD)
            return e;
        if ((e = within(s, start, ADDRESS_DOMAIN_MAX, ADDRESS_DOMAIN_TOO_LONG)) != ADDRESS_GOOD)
            return e;
        if (peek(s) != '.')
            return ADDRESS_GOOD;
    }
}

static bool read_ipv4(struct span text, unsigned char octets[16])
{
    struct span part;
    uint64_t value;
    size_t n = 0;

    while (span_cut(&text, '.', &part)) {
        if (n == 4 || part.n > 3 || !span_number(part, 255, &value))
            return false;
        octets[n++] = (unsigned char)value;
    }
    return n == 4;
}

/* What stands between the brackets of a literal. */
static enum domain_kind read_literal(struct span inside, unsigned char octets[16])
{
    static const struct span tag = {"IPv6:", 5};
    char text[INET6_ADDRSTRLEN];

    if (span_starts_nocase(inside, tag))
        return span_copy(span_from(inside, tag.n), text, sizeof(text)) &&
                       inet_pton(AF_INET6, text, octets) == 1
                   ? DOMAIN_IPV6
                   : DOMAIN_NONE;
    return read_ipv4(inside, octets) ? DOMAIN_IPV4 : DOMAIN_NONE;
}

/* Writes a literal anew from its binary form, so that equal addresses have equal text. */
static enum address_error take_literal(struct scan *s, struct address *a)
{
    struct span rest = span_from(s->text, s->at);
    unsigned char octets[16];
    char text[INET6_ADDRSTRLEN];
    size_t close;

    if (rest.n > LITERAL_MAX)
        rest.n = LITERAL_MAX;
    close = span_find(rest, ']');
    if (close == rest.n)
        return ADDRESS_BAD_LITERAL;
    a->kind = (unsigned char)read_literal((struct span){rest.p + 1, close - 1}, octets);
    if (a->kind == DOMAIN_NONE ||
        inet_ntop(a->kind == DOMAIN_IPV4 ? AF_INET : AF_INET6, octets, text, sizeof(text)) == NULL)
        return ADDRESS_BAD_LITERAL;
    (void)snprintf(a->text + a->at, sizeof(a->text) - a->at, "@[%s%s]",
                   a->kind == DOMAIN_IPV6 ? "IPv6:" : "", text);
    s->at += close + 1;
    return ADDRESS_GOOD;
}

static enum address_error take_domain(struct scan *s, struct address *a)
{
    size_t start = s->at;
    enum address_error e;
    size_t n;

    if (peek(s) == END || peek(s) == '>' || peek(s) == ' ')
        return ADDRESS_NO_DOMAIN;
    if (peek(s) == '[')
        return take_literal(s, a);
    if ((e = take_name(s)) != ADDRESS_GOOD)
        return e;
    n = s->at - start;
    e = within(s, start, ADDRESS_TEXT_MAX - 1u - a->at, ADDRESS_TOO_LONG);
    if (e != ADDRESS_GOOD)
        return e;
    a->kind = DOMAIN_NAME;
    a->text[a->at] = '@';
    memcpy(a->text + a->at + 1, s->text.p + start, n);
    return ADDRESS_GOOD;
}

/* Source routes (appendix C): read, then forgotten. */
static enum address_error take_route(struct scan *s)
{
    enum address_error e;

    if (peek(s) != '@')
        return ADDRESS_GOOD;
    for (;;) {
        if (peek(s) != '@')
            return misplaced(s, ADDRESS_BAD_ROUTE);
        s->at++;
        if ((e = take_name(s)) != ADDRESS_GOOD)
            return e == ADDRESS_BAD_DOMAIN ? ADDRESS_BAD_ROUTE : e;
        if ((e = within(s, 0, ADDRESS_PATH_MAX, ADDRESS_TOO_LONG)) != ADDRESS_GOOD)
            return e;
        if (peek(s) != ',')
            break;
        s->at++;
    }
    if (peek(s) != ':')
        return misplaced(s, ADDRESS_BAD_ROUTE);
    s->at++;
    return ADDRESS_GOOD;
}

/* Is the mailbox over here? If not, what is wrong with the octet that stands here. */
static enum address_error at_close(const struct scan *s, bool bracket, enum address_error otherwise)
{
    int c = peek(s);

    if (c == (bracket ? '>' : END))
        return ADDRESS_GOOD;
    if (c == END || c == '>')
        return ADDRESS_NO_BRACKET;
    if (!bracket && c == ' ' && (s->flags & ADDRESS_PREFIX_OK))
        return ADDRESS_GOOD;
    return misplaced(s, otherwise);
}

static enum address_error take_mailbox(struct scan *s, struct address *a, bool bracket)
{
    enum address_error e;

    if ((e = take_route(s)) != ADDRESS_GOOD || (e = take_local(s, a)) != ADDRESS_GOOD)
        return e;
    if (peek(s) != '@') {
        e = at_close(s, bracket, ADDRESS_BAD_LOCAL);
        return e != ADDRESS_GOOD || (s->flags & ADDRESS_LOCAL_OK) ? e : ADDRESS_NO_DOMAIN;
    }
    s->at++;
    if ((e = take_domain(s, a)) != ADDRESS_GOOD)
        return e;
    return at_close(s, bracket,
                    !bracket && peek(s) == ' ' ? ADDRESS_TRAILING_TEXT : ADDRESS_BAD_DOMAIN);
}

static enum address_error take_path(struct scan *s, struct address *a)
{
    bool bracket = peek(s) == '<';
    enum address_error e;

    if (s->text.n == 0)
        return ADDRESS_EMPTY;
    if (!bracket && !(s->flags & ADDRESS_BARE_OK))
        return ADDRESS_NO_BRACKET;
    s->at += bracket;
    if (bracket && peek(s) == '>') {
        if (!(s->flags & ADDRESS_NULL_OK))
            return ADDRESS_NULL_PATH;
    } else if ((e = take_mailbox(s, a, bracket)) != ADDRESS_GOOD) {
        return e;
    }
    s->at += bracket;
    e = within(s, 0, bracket ? ADDRESS_PATH_MAX : ADDRESS_PATH_MAX - BRACKETS, ADDRESS_TOO_LONG);
    if (e != ADDRESS_GOOD)
        return e;
    if (peek(s) == END || (peek(s) == ' ' && (s->flags & ADDRESS_PREFIX_OK)))
        return ADDRESS_GOOD;
    return misplaced(s, ADDRESS_TRAILING_TEXT);
}

enum address_error address_parse(struct span text, unsigned flags, struct address *out,
                                 size_t *used)
{
    struct scan s = {text, 0, flags};
    enum address_error e;

    *out = (struct address){0};
    e = take_path(&s, out);
    if (e != ADDRESS_GOOD)
        *out = (struct address){0};
    if (used != NULL)
        *used = s.at;
    return e;
}

const char *address_strerror(enum address_error e)
{
    static const char *const text[ADDRESS_ERRORS] = {
        [ADDRESS_GOOD] = "the address is good",
        [ADDRESS_EMPTY] = "there is no address: write one, such as <user@example.org>",
        [ADDRESS_NO_BRACKET] = "the brackets do not match: an address stands in < and >",
        [ADDRESS_NO_DOMAIN] = "the address has no domain: write user@domain",
        [ADDRESS_NULL_PATH] = "<> is no mailbox: name who is to have the mail",
        [ADDRESS_BAD_LOCAL] = "the name before the @ has a character that must stand in double "
                              "quotes, a dot too many, or is missing",
        [ADDRESS_BAD_QUOTE] = "the quoted name is not ended by a double quote, or a backslash in "
                              "it is not followed by an ASCII character",
        [ADDRESS_BAD_DOMAIN] =
            "the domain is not of the form host.example.org: letters, digits and "
            "inner hyphens, 63 at most between dots",
        [ADDRESS_BAD_LITERAL] = "the address literal is neither [192.0.2.1] nor [IPv6:2001:db8::1]",
        [ADDRESS_BAD_ROUTE] = "the @ has no name before it, and is no source route "
                              "(@host,@host:user@domain) either",
        [ADDRESS_BAD_OCTET] =
            "a control character, or a character beyond ASCII where only ASCII is "
            "allowed: remove it",
        [ADDRESS_BAD_UTF8] = "the text is not valid UTF-8: convert it to UTF-8",
        [ADDRESS_LOCAL_TOO_LONG] = "the name before the @ is longer than 64 octets",
        [ADDRESS_DOMAIN_TOO_LONG] = "the domain is longer than 255 octets",
        [ADDRESS_TOO_LONG] = "the address is longer than 254 octets",
        [ADDRESS_TRAILING_TEXT] = "text follows the address: remove it",
    };

    return e < ADDRESS_ERRORS ? text[e] : "unknown error in an address";
}

struct span address_local(const struct address *a)
{
    return (struct span){a->text, a->at};
}

struct span address_domain(const struct address *a)
{
    if (a->text[a->at] == '\0')
        return (struct span){a->text + a->at, 0};
    return span_of(a->text + a->at + 1);
}

bool address_has_utf8(const struct address *a)
{
    return !utf8_is_ascii(span_of(a->text));
}

bool address_eq(const struct address *a, const struct address *b)
{
    return a->kind == b->kind && span_eq(address_local(a), address_local(b)) &&
           span_eq_nocase(address_domain(a), address_domain(b));
}

bool address_write(struct buf *to, const struct address *a)
{
    return buf_addc(to, '<') && buf_adds(to, a->text) && buf_addc(to, '>');
}

struct span address_local_text(const struct address *a, char plain[ADDRESS_LOCAL_MAX])
{
    return (struct span){plain, unquote(address_local(a), plain)};
}

bool address_local_plain(const struct address *a, struct buf *to)
{
    char plain[ADDRESS_LOCAL_MAX];

    return buf_addspan(to, address_local_text(a, plain));
}

bool address_literal(const struct address *a, unsigned char octets[16])
{
    struct span domain = address_domain(a);

    if (a->kind != DOMAIN_IPV4 && a->kind != DOMAIN_IPV6)
        return false;
    return read_literal((struct span){domain.p + 1, domain.n - 2}, octets) == a->kind;
}

bool domain_valid(struct span name, bool utf8_ok)
{
    struct scan s = {name, 0, utf8_ok ? ADDRESS_UTF8_OK : 0};

    return take_name(&s) == ADDRESS_GOOD && s.at == name.n;
}
