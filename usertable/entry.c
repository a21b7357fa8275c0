/* See entry.h. A line is checked as a whole first (length, octets), so that what follows sees only
 * printable UTF-8, blanks and tabs. */
#include "usertable/entry.h"

#include <string.h>

#include "lib/charset.h"
#include "usertable/usertable.h"

/* The line and how far it is read. Columns come from where a span points. */
struct cursor {
    struct span line, rest;
    size_t number;
    struct diag *d;
};

static size_t column(const struct cursor *c, const char *p)
{
    return (size_t)(p - c->line.p) + 1;
}

static bool wrong(const struct cursor *c, const char *p, const char *text)
{
    return diag_set(c->d, c->number, column(c, p), "%s", text);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct cursor *c)
{
    while (c->rest.n > 0 && is_blank(c->rest.p[0]))
        c->rest = span_from(c->rest, 1);
}

static struct span take(struct cursor *c, size_t n)
{
    struct span taken = {c->rest.p, n};

    c->rest = span_from(c->rest, n);
    return taken;
}

static bool check_length(const struct cursor *c)
{
    if (c->line.n <= ENTRY_LINE_MAX)
        return true;
    return diag_set(c->d, c->number, ENTRY_LINE_MAX + 1,
                    "the line has %zu octets, %d at most: is a line end missing?", c->line.n,
                    ENTRY_LINE_MAX);
}

static bool check_octets(const struct cursor *c)
{
    for (size_t i = 0, n; i < c->line.n; i += n) {
        uint32_t code = 0;

        n = 1;
        if (c->line.p[i] >= ' ' && c->line.p[i] < 0x7F)
            continue;
        n = utf8_char(span_from(c->line, i), &code);
        if (n == 0)
            return diag_set(c->d, c->number, i + 1,
                            "X'%02X' is not valid UTF-8 here: convert the table to UTF-8",
                            (unsigned char)c->line.p[i]);
        if ((code < ' ' && code != '\t') || (code >= 0x7F && code < 0xA0))
            return diag_set(c->d, c->number, i + 1, "control character U+%04X: remove it",
                            (unsigned)code);
    }
    return true;
}

static bool in_userid(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '@' ||
           c == '#' || c == '$';
}

static bool read_userid(struct cursor *c, struct entry_line *out)
{
    size_t n = 0;

    while (n < c->rest.n && !is_blank(c->rest.p[n])) {
        if (!in_userid(c->rest.p[n]))
            return wrong(c, c->rest.p + n, "a user ID has only A-Z, 0-9, @, # and $");
        if (n == USERID_MAX)
            return wrong(c, c->rest.p + n, "a user ID has 8 characters at most");
        n++;
    }
    out->userid_column = column(c, c->rest.p);
    out->userid = take(c, n);
    return true;
}

/* Octets up to the first of `ends` that stands neither in double quotes nor, with `path`, in < and
 * >. */
static size_t unquoted_length(struct span s, const char *ends, bool path)
{
    bool quoted = false, inside = false;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            quoted = !quoted;
        else if (quoted && s.p[i] == '\\')
            i++;
        else if (path && !quoted && (s.p[i] == '<' || s.p[i] == '>'))
            inside = s.p[i] == '<';
        else if (!quoted && !inside && s.p[i] != '\0' && strchr(ends, s.p[i]) != NULL)
            return i;
    }
    return s.n;
}

static bool read_name(struct cursor *c, struct entry_line *out)
{
    const unsigned flags = ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK;
    struct span name;
    enum address_error e;
    size_t used;

    skip_blanks(c);
    name = take(c, unquoted_length(c->rest, " \t", false));
    if (name.n == 0)
        return wrong(c, name.p, "the mail name is missing: write USERID NAME");
    out->name_column = column(c, name.p);
    e = address_parse(name, flags, &out->name, &used);
    if (e != ADDRESS_GOOD)
        return wrong(c, name.p + used, address_strerror(e));
    if (name.p[0] == '<' || out->name.kind != DOMAIN_NONE)
        return wrong(c, name.p, "a mail name is only what stands before the @, without < and >");
    return !span_eq(name, SPAN("\"\"")) || wrong(c, name.p, "the mail name is empty");
}

/* What useradd could be made to accept, and no more; a leading - would pass for an option. */
static bool in_login(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c > ' ' && strchr(first ? "_@#$" : "_@#$.-+\\", c) != NULL);
}

static bool read_login(struct cursor *c, struct span value, struct entry_line *out)
{
    if (out->login.p != NULL)
        return wrong(c, value.p, "LOGIN stands twice: remove one");
    if (value.n == 0)
        return wrong(c, value.p, "LOGIN needs the name of a Unix user");
    if (value.n > ENTRY_LOGIN_MAX)
        return wrong(c, value.p + ENTRY_LOGIN_MAX, "a Unix user's name has 32 octets at most");
    for (size_t i = 0; i < value.n; i++)
        if (!in_login(value.p[i], i == 0))
            return wrong(c, value.p + i, "no Unix user's name has such a character here");
    out->login = value;
    return true;
}

bool entry_member(struct span *rest, struct span *member)
{
    while (rest->n > 0 && (is_blank(rest->p[0]) || rest->p[0] == ','))
        *rest = span_from(*rest, 1);
    *member = (struct span){rest->p, unquoted_length(*rest, " \t,", true)};
    *rest = span_from(*rest, member->n);
    return member->n > 0;
}

static bool read_member(const struct cursor *c, struct span written, struct buf *members)
{
    const unsigned flags = ADDRESS_BARE_OK | ADDRESS_LOCAL_OK | ADDRESS_UTF8_OK;
    struct address a;
    size_t used;
    enum address_error e = address_parse(written, flags, &a, &used);

    if (e != ADDRESS_GOOD)
        return wrong(c, written.p + used, address_strerror(e));
    return (buf_adds(members, a.text) && buf_addc(members, '\0')) ||
           wrong(c, written.p, "not enough memory for the user table");
}

static bool read_forward(struct cursor *c, struct span value, struct entry_line *out)
{
    struct span member;
    size_t n = 0;

    if (out->forward.p != NULL)
        return wrong(c, value.p, "FORWARD stands twice: put all addresses into one");
    out->forward = value;
    out->forward_column = column(c, value.p);
    for (; entry_member(&value, &member); n++) {
        if (n == ENTRY_MEMBERS_MAX)
            return wrong(c, member.p, "FORWARD has 1,000 addresses at most: make two lists");
        if (!read_member(c, member, &out->members))
            return false;
    }
    return n > 0 || wrong(c, value.p, "FORWARD needs an address or a name of this table");
}

static bool read_deliver(struct cursor *c, struct span value, struct entry_line *out)
{
    static const struct span words[] = {
        [USER_MAILDIR] = {"MAILDIR", 7},
        [USER_LMTP] = {"LMTP", 4},
    };

    if (out->deliver != USER_DEFAULT)
        return wrong(c, value.p, "DELIVER stands twice: remove one");
    for (enum user_delivery d = USER_MAILDIR; d <= USER_LMTP; d++)
        if (span_eq_nocase(value, words[d]))
            out->deliver = d;
    return out->deliver != USER_DEFAULT || wrong(c, value.p, "DELIVER is MAILDIR or LMTP");
}

static const struct {
    const char *open;
    bool (*read)(struct cursor *c, struct span value, struct entry_line *out);
} keywords[] = {
    {"LOGIN(", read_login},
    {"FORWARD(", read_forward},
    {"DELIVER(", read_deliver},
};

static bool read_keyword(struct cursor *c, struct entry_line *out)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        struct span open = span_of(keywords[i].open), value;
        const char *start = c->rest.p;

        if (!span_starts_nocase(c->rest, open))
            continue;
        take(c, open.n);
        value = take(c, unquoted_length(c->rest, ")", false));
        if (c->rest.n == 0)
            return wrong(c, start, "the parenthesis is not closed: add )");
        take(c, 1);
        return keywords[i].read(c, span_trim(value), out);
    }
    return wrong(c, c->rest.p,
                 "only LOGIN(user), FORWARD(address), DELIVER(way) or 'Full Name' can stand here");
}

static bool read_full(struct cursor *c, struct entry_line *out)
{
    const char *open = take(c, 1).p;
    size_t n = 0;

    while (n < c->rest.n &&
           (c->rest.p[n] != '\'' || (n + 1 < c->rest.n && c->rest.p[n + 1] == '\'')))
        n += c->rest.p[n] == '\'' ? 2 : 1;
    if (n >= c->rest.n)
        return wrong(c, open,
                     "the full name is not closed: end it with ', and write '' for one in it");
    if (n == 0)
        return wrong(c, open, "the full name is empty: leave it out");
    if (out->full.p != NULL)
        return wrong(c, open, "the full name stands twice: remove one");
    out->full = take(c, n);
    take(c, 1);
    return true;
}

static bool read_options(struct cursor *c, struct entry_line *out)
{
    for (skip_blanks(c); c->rest.n > 0; skip_blanks(c)) {
        if (!(c->rest.p[0] == '\'' ? read_full(c, out) : read_keyword(c, out)))
            return false;
        if (c->rest.n > 0 && !is_blank(c->rest.p[0]))
            return wrong(c, c->rest.p, "a blank must stand here");
    }
    return true;
}

enum entry_result entry_read(struct span line, size_t number, struct entry_line *out,
                             struct diag *d)
{
    static const struct span byte_order_mark = {"\xEF\xBB\xBF", 3};
    struct cursor c;

    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    c = (struct cursor){line, line, number, d};
    if (!check_length(&c) || !check_octets(&c))
        return ENTRY_BAD;
    if (number == 1 && span_starts_nocase(line, byte_order_mark))
        take(&c, byte_order_mark.n);
    skip_blanks(&c);
    if (c.rest.n == 0 || c.rest.p[0] == '*')
        return ENTRY_NONE;
    struct buf members = out->members;
    buf_clear(&members);
    *out = (struct entry_line){.members = members};
    return read_userid(&c, out) && read_name(&c, out) && read_options(&c, out) ? ENTRY_GOOD
                                                                               : ENTRY_BAD;
}
