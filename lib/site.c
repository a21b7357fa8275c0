/* See site.h. One table holds every keyword: its statement, form, bounds, default and place in the
 * struct; parsing, defaults, errors and the manual's test all read it. */
#include "lib/site.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/address.h"
#include "lib/charset.h"
#include "lib/dsname.h"
#include "lib/durable.h"
#include "lib/mechanism.h"
#include "lib/network.h"
#include "lib/nexthop.h"
#include "lib/preset.h"
#include "lib/spool.h"
#include "lib/statement.h"
#include "lib/tlsa.h"

enum { MEMBER_MAX = 1 << 20, LIST_MAX = 4 };

enum form {
    FORM_HOST,     /* domain name or literal */
    FORM_DOMAIN,   /* domain name, *.name, or * */
    FORM_DOMAINS,  /* domain names joined by commas */
    FORM_SENDER,   /* mailbox, domain name, *.name, or <> */
    FORM_HOPS,     /* hosts of a ROUTE: lib/nexthop.h */
    FORM_SERVERS,  /* IP addresses joined by commas, or ROOT */
    FORM_PATHNAME, /* absolute path */
    FORM_FILES,    /* absolute paths joined by commas */
    FORM_TLSA,     /* records joined by commas */
    FORM_NETWORKS, /* lib/network.h */
    FORM_USER,     /* 1-255 printable characters without a blank */
    FORM_AUTH,     /* names of SASL mechanisms joined by commas */
    FORM_SECRET,   /* absolute path of a file that holds a secret */
    FORM_COMMAND,  /* a line for the shell that prints a secret */
    FORM_FILENAME, /* of a systemd credential */
    FORM_PREFIX,   /* data set name prefix */
    FORM_DEST,
    FORM_MAILDIR, /* absolute path or %h, with %h %u %i */
    FORM_SERVER,  /* host:port, or the absolute path of a socket */
    FORM_NAME,    /* 1-32 printable characters */
    FORM_CLASS,
    FORM_SIZE,
    FORM_TIME,
    FORM_NUMBER,
    FORM_RECFM,
    FORM_CODEPAGE,
    FORM_CHOICE,
    FORM_RATE, /* messages in a time: 30/M */
    FORM_FLAG  /* no value: a bool */
};

struct rule {
    const char *statement, *keyword;
    enum form form;
    size_t offset;
    uint64_t min, max;
    const char *deflt; /* NULL: none, and the keyword may be missing */
    const char *const *choices;
};

static const char *const no_yes[] = {"NO", "YES", NULL};
static const char *const notices[] = {"DSN", "APPEND", NULL};
static const char *const ways[] = {"MAILDIR", "LMTP", NULL};
static const char *const printouts[] = {"TEXT", "PDF", "BOTH", NULL};
static const char *const tls_modes[] = {"AUTO", "STARTTLS", "IMPLICIT", NULL};
static const char *const service_tls[] = {"AUTO", "STARTTLS", "IMPLICIT", "NONE", NULL};
static const char *const tls_levels[] = {"AUTO", "NONE", "MAY", "MUST", "VERIFY", "DANE", NULL};

#define SITE(member) offsetof(struct site, member)
#define SERVICE(member) offsetof(struct site_service, member)
#define ROUTE(member) offsetof(struct site_route, member)
#define DAYS 86400ULL

static const struct rule rules[] = {
    {"SYSTEM", "HOST", FORM_HOST, SITE(host), 0, 0, NULL, NULL},
    {"SYSTEM", "SPOOL", FORM_PATHNAME, SITE(spool), 0, 0, "/var/spool/spoolmail", NULL},
    {"SYSTEM", "USER", FORM_NAME, SITE(user), 0, 0, NULL, NULL},
    {"SMTP", "PATH", FORM_PREFIX, SITE(path), 0, 0, "OUT", NULL},
    {"SMTP", "REMOTE", FORM_DEST, SITE(remote), 0, 0, "RMT21", NULL},
    {"SMTP", "CLASS", FORM_CLASS, SITE(class), 0, 0, "A", NULL},
    {"SMTP", "POSTOFFICE", FORM_HOST, SITE(postoffice), 0, 0, NULL, NULL},
    {"SMTP", "DOMAINS", FORM_DOMAINS, SITE(domains), 0, 0, NULL, NULL},
    {"SMTP", "DIVERT", FORM_SIZE, SITE(divert), 1024, 1ULL << 40, "1M", NULL},
    {"SMTP", "MAXSIZE", FORM_SIZE, SITE(maxsize), 1024, 1ULL << 31, "50M", NULL},
    {"SMTP", "USERTABLE", FORM_PATHNAME, SITE(usertable), 0, 0, "/etc/spoolmail/USERTBL", NULL},
    {"SMTP", "CERT", FORM_FILES, SITE(cert), 0, 0, NULL, NULL},
    {"SMTP", "KEY", FORM_FILES, SITE(key), 0, 0, NULL, NULL},
    {"SMTP", "CLIENTCA", FORM_PATHNAME, SITE(clientca), 0, 0, NULL, NULL},
    {"SMTP", "CA", FORM_PATHNAME, SITE(ca), 0, 0, NULL, NULL},
    {"SMTP", "PASSWORDS", FORM_PATHNAME, SITE(passwords), 0, 0, "/etc/spoolmail/PASSWORD", NULL},
    {"SMTP", "RELAY", FORM_NETWORKS, SITE(relay), 0, 0, NULL, NULL},
    {"SMTP", "CATALOG", FORM_PATHNAME, SITE(catalog), 0, 0, NULL, NULL},
    {"SMTP", "CODEPAGE", FORM_CODEPAGE, SITE(codepage), 0, 0, "UTF-8", NULL},
    {"SMTP", "RECFM", FORM_RECFM, SITE(recfm), 0, 0, "T", NULL},
    {"SMTP", "RETRYINT", FORM_TIME, SITE(retryint), 1, DAYS, "15M", NULL},
    {"SMTP", "RETRYCEIL", FORM_TIME, SITE(retryceil), 1, 7 * DAYS, "4H", NULL},
    {"SMTP", "RETRYMAX", FORM_TIME, SITE(retrymax), 1, 365 * DAYS, "5D", NULL},
    {"SMTP", "POLL", FORM_TIME, SITE(poll), 1, 3600, "10S", NULL},
    {"SMTP", "QUIET", FORM_TIME, SITE(quiet), 1, 3600, "5S", NULL},
    {"SMTP", "UNIT", FORM_NUMBER, SITE(unit), 1, 10000, "2048", NULL},
    {"SMTP", "CONNECTIONS", FORM_NUMBER, SITE(connections), 1, 10000, "100", NULL},
    {"SMTP", "DESTLIMIT", FORM_NUMBER, SITE(destlimit), 1, 1000, "20", NULL},
    {"SMTP", "CONNMSGS", FORM_NUMBER, SITE(connmsgs), 1, 1000000, "100", NULL},
    {"SMTP", "CLIENTS", FORM_NUMBER, SITE(clients), 1, 1000000, "10000", NULL},
    {"SMTP", "PERCLIENT", FORM_NUMBER, SITE(perclient), 1, 60000, "50", NULL},
    {"SMTP", "WORKERS", FORM_NUMBER, SITE(workers), 1, 64, NULL, NULL},
    {"SMTP", "VRFY", FORM_CHOICE, SITE(vrfy), 0, 0, "NO", no_yes},
    {"SMTP", "NOTICE", FORM_CHOICE, SITE(notice), 0, 0, "DSN", notices},
    {"SMTP", "TIMECONN", FORM_TIME, SITE(timeout.connect), 1, 3600, "60S", NULL},
    {"SMTP", "TIMEGREET", FORM_TIME, SITE(timeout.greeting), 1, 3600, "5M", NULL},
    {"SMTP", "TIMECMD", FORM_TIME, SITE(timeout.command), 1, 3600, "5M", NULL},
    {"SMTP", "TIMEDATA", FORM_TIME, SITE(timeout.data), 1, 3600, "2M", NULL},
    {"SMTP", "TIMEBLOCK", FORM_TIME, SITE(timeout.block), 1, 3600, "3M", NULL},
    {"SMTP", "TIMETERM", FORM_TIME, SITE(timeout.termination), 1, 3600, "10M", NULL},
    {"SMTP", "TIMEALL", FORM_TIME, SITE(timeout.attempt), 1, DAYS, "1H", NULL},
    {"SMTP", "TIMESESS", FORM_TIME, SITE(session), 1, DAYS, "1H", NULL},
    {"DELIVER", "MAILDIR", FORM_MAILDIR, SITE(maildir), 0, 0, "%h/Maildir", NULL},
    {"DELIVER", "LMTP", FORM_SERVER, SITE(lmtp), 0, 0, NULL, NULL},
    {"DELIVER", "DEFAULT", FORM_CHOICE, SITE(deliver), 0, 0, "MAILDIR", ways},
    {"PRINTER", "FORM", FORM_CHOICE, SITE(printout), 0, 0, "TEXT", printouts},
    {"PRINTER", "QUEUE", FORM_NAME, SITE(lp_queue), 0, 0, NULL, NULL},
    {"PRINTER", "LINECT", FORM_NUMBER, SITE(linect), 48, 144, "66", NULL},
    {"SERVICE", "NAME", FORM_NAME, SERVICE(name), 0, 0, NULL, NULL},
    {"SERVICE", "MODULE", FORM_NAME, SERVICE(module), 0, 0, NULL, NULL},
    {"SERVICE", "PORT", FORM_NUMBER, SERVICE(port), 1, 65535, "25", NULL},
    {"SERVICE", "ADDRESS", FORM_NAME, SERVICE(address), 0, 0, NULL, NULL},
    {"SERVICE", "TLS", FORM_CHOICE, SERVICE(tls), 0, 0, "AUTO", service_tls},
    {"SERVICE", "TCP", FORM_FLAG, SERVICE(tcp), 0, 0, NULL, NULL},
    {"SERVICE", "SUBMISSION", FORM_FLAG, SERVICE(submission), 0, 0, NULL, NULL},
    {"ROUTE", "DOMAIN", FORM_DOMAIN, ROUTE(domain), 0, 0, "*", NULL},
    {"ROUTE", "FROM", FORM_SENDER, ROUTE(from), 0, 0, NULL, NULL},
    {"ROUTE", "HOST", FORM_HOPS, ROUTE(host), 0, 0, NULL, NULL},
    {"ROUTE", "MX", FORM_FLAG, ROUTE(mx), 0, 0, NULL, NULL},
    {"ROUTE", "PORT", FORM_NUMBER, ROUTE(port), 1, 65535, "25", NULL},
    {"ROUTE", "TLS", FORM_CHOICE, ROUTE(tls), 0, 0, "AUTO", tls_levels},
    {"ROUTE", "TLSMODE", FORM_CHOICE, ROUTE(mode), 0, 0, "AUTO", tls_modes},
    {"ROUTE", "TLSA", FORM_TLSA, ROUTE(tlsa), 0, 0, NULL, NULL},
    {"ROUTE", "CA", FORM_PATHNAME, ROUTE(ca), 0, 0, NULL, NULL},
    {"ROUTE", "CERT", FORM_FILES, ROUTE(cert), 0, 0, NULL, NULL},
    {"ROUTE", "KEY", FORM_FILES, ROUTE(key), 0, 0, NULL, NULL},
    {"ROUTE", "USER", FORM_USER, ROUTE(user), 0, 0, NULL, NULL},
    {"ROUTE", "AUTH", FORM_AUTH, ROUTE(auth), 0, 0, NULL, NULL},
    {"ROUTE", "SECRETFILE", FORM_SECRET, ROUTE(secret_file), 0, 0, NULL, NULL},
    {"ROUTE", "SECRETCMD", FORM_COMMAND, ROUTE(secret_command), 0, 0, NULL, NULL},
    {"ROUTE", "CREDENTIAL", FORM_FILENAME, ROUTE(credential), 0, 0, NULL, NULL},
    {"ROUTE", "PRESET", FORM_CHOICE, ROUTE(preset), 0, 0, "NONE", preset_names},
    {"ROUTE", "CONNECTIONS", FORM_NUMBER, ROUTE(connections), 1, 1000, NULL, NULL},
    {"ROUTE", "CONNMSGS", FORM_NUMBER, ROUTE(connmsgs), 1, 1000000, NULL, NULL},
    {"ROUTE", "RATE", FORM_RATE, ROUTE(rate), 0, 0, NULL, NULL},
    {"ROUTE", "RETRYINT", FORM_TIME, ROUTE(retryint), 1, DAYS, NULL, NULL},
    {"ROUTE", "RETRYCEIL", FORM_TIME, ROUTE(retryceil), 1, 7 * DAYS, NULL, NULL},
    {"ROUTE", "RETRYMAX", FORM_TIME, ROUTE(retrymax), 1, 365 * DAYS, NULL, NULL},
    {"DNS", "SERVER", FORM_SERVERS, SITE(dns.server), 0, 0, NULL, NULL},
    {"DNS", "PORT", FORM_NUMBER, SITE(dns.port), 1, 65535, "53", NULL},
    {"DNS", "TRUST", FORM_PATHNAME, SITE(dns.trust), 0, 0, NULL, NULL},
    {"DNS", "HOSTS", FORM_PATHNAME, SITE(dns.hosts), 0, 0, "/etc/hosts", NULL},
    {"DNS", "NICKNAMES", FORM_CHOICE, SITE(dns.nicknames), 0, 0, "YES", no_yes},
    {"DNS", "TIMEOUT", FORM_TIME, SITE(dns.timeout), 1, 3600, "60S", NULL},
};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

/* How often a statement may stand, and what must be in it. */
static const struct {
    const char *name;
    bool once;
    const char *required;
} statements[] = {
    {"SYSTEM", true, "HOST"}, {"SMTP", true, NULL},       {"DELIVER", true, NULL},
    {"PRINTER", true, NULL},  {"SERVICE", false, "NAME"}, {"ROUTE", false, NULL},
    {"DNS", true, NULL},
};
enum { STATEMENTS = sizeof(statements) / sizeof(statements[0]) };

/* gcc loses sight of a slot that an offset named, and takes what is kept there for lost. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static bool store_text(char **slot, const char *value)
{
    char *copy = strdup(value);

    if (copy == NULL)
        return false;
    free(*slot);
    *slot = copy;
    return true;
}
#pragma GCC diagnostic pop

static bool name_valid(struct span s)
{
    if (s.n == 0 || s.n > 64)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return true;
}

static bool choice(const char *const *choices, const char *value, uint64_t *index)
{
    for (size_t i = 0; choices[i] != NULL; i++)
        if (span_eq_nocase(span_of(choices[i]), span_of(value))) {
            *index = i;
            return true;
        }
    return false;
}

static bool domain_pattern(struct span s)
{
    if (span_eq(s, SPAN("*")))
        return true;
    return host_valid(s.n > 2 && s.p[0] == '*' && s.p[1] == '.' ? span_from(s, 2) : s);
}

static bool sender_valid(struct span s)
{
    struct address a;

    if (s.n > 0 && s.p[0] != '*' && span_find(s, '@') == s.n && s.p[0] != '<')
        return host_valid(s);
    return (s.n > 2 && s.p[0] == '*' && domain_pattern(s)) ||
           address_parse(s, ADDRESS_BARE_OK | ADDRESS_NULL_OK | ADDRESS_UTF8_OK, &a, NULL) ==
               ADDRESS_GOOD;
}

static bool hops_valid(struct span s)
{
    struct nexthop hop[NEXTHOP_MAX];

    return s.n <= NEXTHOP_TEXT_MAX && nexthop_parse(s, hop) > 0;
}

static bool servers_valid(struct span list)
{
    unsigned char octets[16];
    char one[INET6_ADDRSTRLEN];
    struct span part;

    if (span_eq_nocase(list, SPAN("ROOT")))
        return true;
    while (span_cut(&list, ',', &part))
        if (!span_copy(part, one, sizeof(one)) ||
            (inet_pton(AF_INET, one, octets) != 1 && inet_pton(AF_INET6, one, octets) != 1))
            return false;
    return true;
}

/* %h only at the front, because a home is an absolute path. */
static bool maildir_valid(struct span s)
{
    if (s.n < 2 || s.n >= 1024 || (s.p[0] != '/' && !(s.p[0] == '%' && s.p[1] == 'h')))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%')
            continue;
        if (++i == s.n || s.p[i] == '\0' || strchr("hui%", s.p[i]) == NULL ||
            (s.p[i] == 'h' && i != 1))
            return false;
    }
    return true;
}

static bool server_valid(struct span s)
{
    size_t colon = s.n;
    uint64_t port;

    if (s.n > 0 && s.p[0] == '/')
        return s.n > 1 && s.n < 108; /* sun_path */
    while (colon > 0 && s.p[colon - 1] != ':')
        colon--;
    return colon > 1 && host_valid((struct span){s.p, colon - 1}) &&
           span_number(span_from(s, colon), 65535, &port) && port > 0;
}

static bool domains_valid(struct span list)
{
    struct span one;

    while (span_cut(&list, ',', &one))
        if (!host_valid(one))
            return false;
    return true;
}

static bool pathname_valid(struct span s)
{
    return s.n > 1 && s.n < 1024 && s.p[0] == '/';
}

/* 1 to `most` printable characters. */
static bool printable(struct span s, size_t most, bool blanks)
{
    if (s.n == 0 || s.n > most)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < (blanks ? ' ' : '!') || s.p[i] > '~')
            return false;
    return true;
}

static bool mechanisms_valid(struct span s)
{
    bool unknown;

    return mechanism_set(s, ',', &unknown) != 0 && !unknown;
}

static bool filename_valid(struct span s)
{
    return printable(s, 255, false) && span_find(s, '/') == s.n && s.p[0] != '.';
}

static bool tlsa_valid(struct span s)
{
    struct tlsa r;

    return tlsa_parse(s, &r);
}

/* One to LIST_MAX of them, joined by commas. */
static bool list_valid(struct span list, bool (*valid)(struct span one))
{
    struct span one;
    size_t n = 0;

    while (span_cut(&list, ',', &one))
        if (!valid(one) || ++n > LIST_MAX)
            return false;
    return true;
}

static bool text_valid(enum form form, const char *value)
{
    struct span s = span_of(value);
    struct charset page;

    switch (form) {
    case FORM_HOST:
        return host_valid(s);
    case FORM_DOMAIN:
        return domain_pattern(s);
    case FORM_DOMAINS:
        return domains_valid(s);
    case FORM_SENDER:
        return sender_valid(s);
    case FORM_HOPS:
        return hops_valid(s);
    case FORM_SERVERS:
        return servers_valid(s);
    case FORM_PATHNAME:
        return pathname_valid(s);
    case FORM_FILES:
        return list_valid(s, pathname_valid);
    case FORM_TLSA:
        return list_valid(s, tlsa_valid);
    case FORM_NETWORKS:
        return networks_valid(s);
    case FORM_USER:
        return printable(s, SITE_LOGIN_MAX, false);
    case FORM_AUTH:
        return mechanisms_valid(s);
    case FORM_SECRET:
        return pathname_valid(s);
    case FORM_COMMAND:
        return printable(s, 1023, true);
    case FORM_FILENAME:
        return filename_valid(s);
    case FORM_PREFIX:
        return dsname_valid(s, DSNAME_PREFIX_MAX);
    case FORM_DEST:
        return spool_dest_valid(s);
    case FORM_MAILDIR:
        return maildir_valid(s);
    case FORM_SERVER:
        return server_valid(s);
    case FORM_CODEPAGE:
        return charset_find(s, &page);
    default:
        return name_valid(s);
    }
}

static bool set_number(const struct rule *rule, const char *value, uint64_t *slot)
{
    uint64_t n;
    bool good = rule->form == FORM_SIZE     ? value_size(value, rule->max, &n)
                : rule->form == FORM_TIME   ? value_time(value, rule->max, &n)
                : rule->form == FORM_CHOICE ? choice(rule->choices, value, &n)
                                            : span_number(span_of(value), rule->max, &n);

    if (!good || n < rule->min)
        return false;
    *slot = n;
    return true;
}

static bool set_rate(const char *value, struct site_rate *rate)
{
    static const struct {
        const char *unit;
        unsigned seconds;
    } units[] = {{"S", 1}, {"M", 60}, {"H", 3600}, {"D", 86400}};
    struct span rest = span_of(value), count;
    uint64_t n;

    if (!span_cut(&rest, '/', &count) || !span_number(count, 1000000, &n) || n == 0)
        return false;
    for (size_t i = 0; rest.p != NULL && i < sizeof(units) / sizeof(units[0]); i++)
        if (span_eq_nocase(rest, span_of(units[i].unit))) {
            *rate = (struct site_rate){n, units[i].seconds};
            return true;
        }
    return false;
}

/* Stores one value where its rule says; false when it is not of the rule's form. */
static bool set_value(const struct rule *rule, void *base, const char *value)
{
    char *at = (char *)base + rule->offset;

    switch (rule->form) {
    case FORM_FLAG:
        *(bool *)(void *)at = true;
        return true;
    case FORM_RATE:
        return set_rate(value, (struct site_rate *)(void *)at);
    case FORM_CLASS:
        *at = value[0];
        return value[0] != '\0' && value[1] == '\0' &&
               ((value[0] >= 'A' && value[0] <= 'Z') || (value[0] >= '0' && value[0] <= '9'));
    case FORM_RECFM:
        return recfm_parse(span_of(value), (struct recfm *)(void *)at);
    case FORM_SIZE:
    case FORM_TIME:
    case FORM_NUMBER:
    case FORM_CHOICE:
        return set_number(rule, value, (uint64_t *)(void *)at);
    default:
        return text_valid(rule->form, value) && store_text((char **)(void *)at, value);
    }
}

static const char *form_hint(const struct rule *rule, char *out, size_t size)
{
    static const char *const hints[] = {
        [FORM_HOST] = "a host name such as mail.example.org or a literal such as [192.0.2.1]",
        [FORM_DOMAIN] = "a domain, *.domain, or * for all",
        [FORM_DOMAINS] = "domains joined by commas, such as example.org,example.net",
        [FORM_SENDER] = "a mailbox, a domain, *.domain, or '<>' for notices",
        [FORM_HOPS] = ("hosts such as relay.example.net or [192.0.2.1]:587; a comma before the "
                       "next choice, | between equals, at most 8"),
        [FORM_SERVERS] = "IP addresses joined by commas, such as 127.0.0.1,::1, or ROOT",
        [FORM_PATHNAME] = "a path that begins with /",
        [FORM_FILES] = "one to four paths that begin with /, joined by commas",
        [FORM_TLSA] = "one to four TLSA records in apostrophes such as '3 1 1 HEX', usage 2 or 3",
        [FORM_NETWORKS] =
            ("networks joined by commas, such as 10.0.0.0/8,[2001:db8::]/32: at least "
             "/8 (IPv6 /7), with no bits beyond; never everybody"),
        [FORM_USER] = "1 to 255 printable characters without a blank",
        [FORM_AUTH] = "names joined by commas, such as SCRAM-SHA-256,PLAIN; see appcfg(5)",
        [FORM_SECRET] = "the path (it begins with /) of a file that holds the secret",
        [FORM_COMMAND] = "a command line in apostrophes that prints the secret",
        [FORM_FILENAME] = "the name of a systemd credential",
        [FORM_PREFIX] = "data set qualifiers in capitals, at most 22 characters, such as OUT",
        [FORM_DEST] = "1 to 8 of A-Z 0-9 @ # $, such as RMT21",
        [FORM_MAILDIR] = "a path that begins with / or %h; %h home, %u login, %i user ID, %% for %",
        [FORM_SERVER] = "a host and port such as 127.0.0.1:24, or the path of a socket",
        [FORM_NAME] = "1 to 64 printable characters without a blank",
        [FORM_CLASS] = "one of A-Z or 0-9",
        [FORM_RECFM] = "a record format such as T, V, VA, FB80, VB or VBA",
        [FORM_CODEPAGE] = "a code page that is installed, such as UTF-8, IBM-1047 or IBM-037",
        [FORM_RATE] = "messages in a second, minute, hour or day, such as 30/M",
        [FORM_FLAG] = "no value",
    };
    unsigned long long min = rule->min, max = rule->max;

    switch (rule->form) {
    case FORM_SIZE:
        snprintf(out, size, "octets from %llu to %llu, also as 64K, 1M, 2G", min, max);
        break;
    case FORM_TIME:
        snprintf(out, size, "a time from %llu to %llu seconds, also as 30S, 15M, 4H, 5D", min, max);
        break;
    case FORM_NUMBER:
        snprintf(out, size, "a number from %llu to %llu", min, max);
        break;
    case FORM_CHOICE: {
        size_t n = (size_t)snprintf(out, size, "one of");
        for (size_t i = 0; rule->choices[i] != NULL && n < size; i++)
            n += (size_t)snprintf(out + n, size - n, " %s", rule->choices[i]);
        break;
    }
    default:
        return hints[rule->form];
    }
    return out;
}

static const struct rule *find_rule(struct span statement, struct span keyword)
{
    for (size_t i = 0; i < RULES; i++)
        if (span_eq_nocase(span_of(rules[i].statement), statement) &&
            span_eq_nocase(span_of(rules[i].keyword), keyword))
            return &rules[i];
    return NULL;
}

static bool unknown_keyword(const struct statement *st, const struct keyword *kw, struct diag *d)
{
    const char *words[RULES];
    size_t n = 0;

    for (size_t i = 0; i < RULES; i++)
        if (span_eq_nocase(span_of(rules[i].statement), st->name))
            words[n++] = rules[i].keyword;
    const char *near = nearest_word(kw->name, words, n);
    return diag_set(d, kw->line, kw->column, "%.*s has no keyword %.*s%s%s%s", (int)st->name.n,
                    st->name.p, (int)(kw->name.n > 40 ? 40 : kw->name.n), kw->name.p,
                    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool set_keyword(const struct statement *st, const struct keyword *kw, void *base,
                        struct diag *d)
{
    const struct rule *rule = find_rule(st->name, kw->name);
    char hint[160];

    if (rule == NULL)
        return unknown_keyword(st, kw, d);
    if (rule->form == FORM_FLAG)
        return kw->value == NULL ? set_value(rule, base, "")
                                 : diag_set(d, kw->value_line, kw->value_column,
                                            "%s takes no value: write it alone", rule->keyword);
    if (kw->value == NULL)
        return diag_set(d, kw->line, kw->column, "%s needs a value: write %s(...) with %s",
                        rule->keyword, rule->keyword, form_hint(rule, hint, sizeof(hint)));
    errno = 0;
    if (set_value(rule, base, kw->value))
        return true;
    if (errno == ENOMEM)
        return diag_memory(d);                                    /* no fault of the text */
    if (rule->form >= FORM_SECRET && rule->form <= FORM_FILENAME) /* who knows what was written */
        return diag_set(d, kw->value_line, kw->value_column, "%s must be %s", rule->keyword,
                        form_hint(rule, hint, sizeof(hint)));
    return diag_set(d, kw->value_line, kw->value_column, "%s(%.60s) must be %s", rule->keyword,
                    kw->value, form_hint(rule, hint, sizeof(hint)));
}

static bool set_defaults(const char *statement, void *base)
{
    for (size_t i = 0; i < RULES; i++)
        if (strcmp(rules[i].statement, statement) == 0 && rules[i].deflt != NULL &&
            !set_value(&rules[i], base, rules[i].deflt))
            return false;
    return true;
}

/* The struct a statement fills: the site itself, or a new row of one of its tables. */
static void *statement_base(struct site *site, const char *name)
{
    void *grown;

    if (strcmp(name, "SERVICE") == 0) {
        grown = reallocarray(site->service, site->services + 1, sizeof(*site->service));
        if (grown == NULL)
            return NULL;
        site->service = grown;
        site->service[site->services] = (struct site_service){0};
        return &site->service[site->services++];
    }
    if (strcmp(name, "ROUTE") == 0) {
        grown = reallocarray(site->route, site->routes + 1, sizeof(*site->route));
        if (grown == NULL)
            return NULL;
        site->route = grown;
        site->route[site->routes] = (struct site_route){0};
        return &site->route[site->routes++];
    }
    return site;
}

static const struct keyword *find_keyword(const struct statement *st, const char *name)
{
    for (size_t i = 0; i < st->keywords; i++)
        if (span_eq_nocase(st->keyword[i].name, span_of(name)))
            return &st->keyword[i];
    return NULL;
}

static bool no_repeats(const struct statement *st, struct diag *d)
{
    for (size_t i = 0; i < st->keywords; i++)
        for (size_t j = 0; j < i; j++)
            if (span_eq_nocase(st->keyword[i].name, st->keyword[j].name))
                return diag_set(d, st->keyword[i].line, st->keyword[i].column,
                                "%.*s stands twice in this statement: keep one",
                                (int)st->keyword[i].name.n, st->keyword[i].name.p);
    return true;
}

/* What the ROUTE itself does not say, its PRESET does. */
static bool apply_preset(const struct statement *st, struct site_route *route, struct diag *d)
{
    const char *name = preset_names[route->preset];

    for (size_t i = 0; i < preset_rows; i++)
        if (strcmp(presets[i].name, name) == 0 && find_keyword(st, presets[i].keyword) == NULL &&
            !set_value(find_rule(st->name, span_of(presets[i].keyword)), route, presets[i].value))
            return diag_memory(d);
    return route->host != NULL || route->preset == 0 ||
           diag_set(d, st->line, st->column,
                    "PRESET(%s) needs HOST: the name that the service gave you", name);
}

static bool apply(struct site *site, const struct statement *st, bool seen[STATEMENTS],
                  struct diag *d)
{
    const char *words[STATEMENTS];
    size_t which = 0;

    for (; which < STATEMENTS; which++) {
        words[which] = statements[which].name;
        if (span_eq_nocase(span_of(statements[which].name), st->name))
            break;
    }
    if (which == STATEMENTS) {
        const char *near = nearest_word(st->name, words, STATEMENTS);
        return diag_set(d, st->line, st->column, "no statement is called %.*s%s%s%s",
                        (int)(st->name.n > 40 ? 40 : st->name.n), st->name.p,
                        near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    const char *name = statements[which].name;
    if (statements[which].once && seen[which])
        return diag_set(d, st->line, st->column, "%s stands twice: put its keywords into one",
                        name);
    seen[which] = true;
    if (!no_repeats(st, d))
        return false;
    void *base = statement_base(site, name);
    if (base == NULL || (base != site && !set_defaults(name, base)))
        return diag_memory(d);
    for (size_t i = 0; i < st->keywords; i++)
        if (!set_keyword(st, &st->keyword[i], base, d))
            return false;
    if (strcmp(name, "ROUTE") == 0) {
        ((struct site_route *)base)->line = st->line;
        if (!apply_preset(st, base, d))
            return false;
    }
    const char *required = statements[which].required;
    if (required != NULL && find_keyword(st, required) == NULL)
        return diag_set(d, st->line, st->column, "%s needs the keyword %s", name, required);
    return true;
}

static const char *const own_queues[] = {"POST", "PRT", "HOLD", "DEAD", "SUBMIT"};

static bool route_tls_consistent(const struct site *site, const struct site_route *r,
                                 struct diag *d)
{
    if (r->tls == TLS_NONE && site_implicit(r->mode, r->port))
        return diag_set(d, r->line, 1,
                        "ROUTE DOMAIN(%s): TLS(NONE) and TLS at once contradict: on port 465 add "
                        "TLSMODE(STARTTLS) if clear text is meant",
                        r->domain);
    if (r->tls == TLS_DANE && r->tlsa == NULL && site->dns.trust == NULL)
        return diag_set(d, r->line, 1,
                        "ROUTE DOMAIN(%s): TLS(DANE) needs DNS TRUST(file) to find records, or "
                        "TLSA('3 1 1 HEX')",
                        r->domain);
    if (r->tls != TLS_DANE && r->tlsa != NULL)
        return diag_set(d, r->line, 1, "ROUTE DOMAIN(%s): TLSA is of no use without TLS(DANE)",
                        r->domain);
    if (r->key != NULL && r->cert == NULL)
        return diag_set(d, r->line, 1, "ROUTE DOMAIN(%s): KEY needs CERT(file)", r->domain);
    return true;
}

unsigned site_mechanisms(const struct site_route *r)
{
    if (r->auth != NULL)
        return mechanism_set(span_of(r->auth), ',', NULL);
    return r->user != NULL ? mechanism_with(PROOF_PASSWORD) : 0;
}

/* What is wrong with the login of a route, and how to mend it; NULL: nothing. */
static const char *login_fault(const struct site_route *r)
{
    unsigned set = site_mechanisms(r), secret = set & ~mechanism_with(PROOF_CERTIFICATE);
    unsigned sources =
        (r->secret_file != NULL) + (r->secret_command != NULL) + (r->credential != NULL);

    if (set == 0)
        return sources > 0 ? "SECRETFILE, SECRETCMD and CREDENTIAL need USER(name)" : NULL;
    if (r->host == NULL)
        return "a login needs HOST(name): it is not for whoever a domain's MX is";
    if (sources > 1)
        return "of SECRETFILE, SECRETCMD and CREDENTIAL keep one";
    if (set & mechanism_with(PROOF_TOKEN) && set & mechanism_with(PROOF_PASSWORD))
        return "AUTH mixes mechanisms for a token (XOAUTH2, OAUTHBEARER) and for a password: keep "
               "one kind";
    if (set & mechanism_with(PROOF_CERTIFICATE) && r->cert == NULL)
        return "AUTH(EXTERNAL) needs CERT(file)";
    if (secret == 0 && sources > 0)
        return "AUTH(EXTERNAL) needs no secret: take it out";
    if (secret != 0 && (r->user == NULL || sources == 0))
        return "AUTH needs USER(name), and SECRETFILE, SECRETCMD or CREDENTIAL";
    if ((r->tls == TLS_NONE || r->tls == TLS_MAY) &&
        (set & ~(mechanism_revealing() | mechanism_with(PROOF_CERTIFICATE))) == 0)
        return "its mechanisms need TLS: write TLS(VERIFY), or TLS(MUST) for a host without a "
               "good certificate";
    return NULL;
}

static bool login_consistent(const struct site_route *r, struct diag *d)
{
    const char *fault = login_fault(r);

    return fault == NULL || diag_set(d, r->line, 1, "ROUTE DOMAIN(%.60s): %s", r->domain, fault);
}

static bool tls_consistent(const struct site *site, struct diag *d)
{
    bool good = true;

    if (site->cert == NULL && (site->key != NULL || site->clientca != NULL))
        return diag_set(d, 0, 0, "KEY and CLIENTCA of SMTP are of no use without CERT(file)");
    for (size_t i = 0; good && i < site->routes; i++)
        good =
            route_tls_consistent(site, &site->route[i], d) && login_consistent(&site->route[i], d);
    for (size_t i = 0; good && i < site->services; i++) {
        const struct site_service *s = &site->service[i];
        bool tls = s->tls == TLSMODE_STARTTLS || site_implicit(s->tls, s->port);
        if ((tls || s->submission) && site->cert == NULL)
            good = diag_set(d, 0, 0, "SERVICE NAME(%s): its TLS needs CERT(file) of SMTP", s->name);
        else if (s->submission && s->tls == TLSMODE_OFF)
            good = diag_set(d, 0, 0,
                            "SERVICE NAME(%s): SUBMISSION needs TLS, for no password may come in "
                            "clear: remove TLS(NONE)",
                            s->name);
    }
    return good;
}

static bool consistent(const struct site *site, struct diag *d)
{
    if (site->host == NULL)
        return diag_set(d, 0, 0,
                        "there is no SYSTEM statement: add SYSTEM HOST(name of this host)");
    if (site->retryceil < site->retryint)
        return diag_set(d, 0, 0, "RETRYCEIL is shorter than RETRYINT: make it at least as long");
    for (size_t i = 0; i < site->routes; i++) {
        struct site_schedule schedule = site_schedule(site, &site->route[i]);
        if (schedule.ceiling < schedule.interval)
            return diag_set(d, site->route[i].line, 1,
                            "ROUTE DOMAIN(%s): RETRYCEIL is shorter than RETRYINT: make it at "
                            "least as long",
                            site->route[i].domain);
    }
    if (!tls_consistent(site, d))
        return false;
    if (site->deliver == DELIVER_LMTP && site->lmtp == NULL)
        return diag_set(d, 0, 0,
                        "DELIVER DEFAULT(LMTP) has no server: add LMTP(host:port) or "
                        "LMTP(/path/of/socket)");
    for (size_t i = 0; i < sizeof(own_queues) / sizeof(own_queues[0]); i++)
        if (strcmp(site->remote, own_queues[i]) == 0)
            return diag_set(d, 0, 0,
                            "REMOTE(%s) is a queue of the system itself: choose another name",
                            site->remote);
    return true;
}

struct site *site_parse(struct span text, const char *member, struct diag *d)
{
    struct statement_list list;
    bool seen[STATEMENTS] = {false};
    struct site *site = calloc(1, sizeof(*site));

    *d = (struct diag){0};
    if (site == NULL || !store_text(&site->member, member) || !set_defaults("SYSTEM", site) ||
        !set_defaults("SMTP", site) || !set_defaults("DELIVER", site) ||
        !set_defaults("PRINTER", site) || !set_defaults("DNS", site)) {
        diag_memory(d);
        site_free(site);
        return NULL;
    }
    bool good = statement_parse(text, &list, d);
    if (good) {
        for (size_t i = 0; good && i < list.statements; i++)
            good = apply(site, &list.statement[i], seen, d);
        statement_free(&list);
    }
    if (!good || !consistent(site, d)) {
        site_free(site);
        return NULL;
    }
    return site;
}

/* The whole member; its mode is checked because whoever may write it decides where mail goes. */
static bool read_member(const char *member, struct buf *text, struct diag *d)
{
    struct stat st;
    int fd = open(member, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return diag_set(d, 0, 0, "cannot be opened: %s; name another member with -C",
                        strerror(errno));
    bool good = fstat(fd, &st) == 0;
    if (!good)
        diag_set(d, 0, 0, "cannot be read: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        good = diag_set(d, 0, 0, "is not a plain file");
    else if (st.st_mode & S_IWOTH)
        good = diag_set(d, 0, 0, "may be written by everybody: chmod o-w it");
    else if (st.st_size > MEMBER_MAX)
        good = diag_set(d, 0, 0, "is larger than 1 MiB: no configuration is");
    while (good) {
        ssize_t n;
        if (text->len > MEMBER_MAX)
            good = diag_set(d, 0, 0, "is larger than 1 MiB: no configuration is");
        else if (!buf_reserve(text, 65536))
            good = diag_memory(d);
        else if ((n = read(fd, text->data + text->len, 65536)) < 0 && errno != EINTR)
            good = diag_set(d, 0, 0, "cannot be read: %s", strerror(errno));
        else if (n == 0)
            break;
        else if (n > 0)
            text->len += (size_t)n;
    }
    close(fd);
    return good;
}

struct site *site_load(const char *member, struct diag *d)
{
    struct buf text = {0};
    struct site *site = NULL;

    *d = (struct diag){0};
    if (read_member(member, &text, d))
        site = site_parse(BUF_SPAN(&text), member, d);
    buf_free(&text);
    return site;
}

/* Frees what the rules of that statement stored as text. */
static void free_texts(const char *statement, void *base)
{
    for (size_t i = 0; i < RULES; i++) {
        const struct rule *r = &rules[i];
        if (strcmp(r->statement, statement) == 0 &&
            (r->form <= FORM_NAME || r->form == FORM_CODEPAGE))
            free(*(char **)(void *)((char *)base + r->offset));
    }
}

void site_free(struct site *site)
{
    if (site == NULL)
        return;
    for (size_t i = 0; i < site->services; i++)
        free_texts("SERVICE", &site->service[i]);
    for (size_t i = 0; i < site->routes; i++)
        free_texts("ROUTE", &site->route[i]);
    free_texts("SYSTEM", site);
    free_texts("SMTP", site);
    free_texts("DELIVER", site);
    free_texts("PRINTER", site);
    free_texts("DNS", site);
    free(site->service);
    free(site->route);
    free(site->member);
    free(site);
}

struct site_schedule site_schedule(const struct site *site, const struct site_route *route)
{
    struct site_schedule s = {site->retryint, site->retryceil, site->retrymax};

    if (route == NULL)
        return s;
    if (route->retryint != 0)
        s.interval = route->retryint;
    if (route->retryceil != 0)
        s.ceiling = route->retryceil;
    else if (s.ceiling < route->retryint)
        s.ceiling = route->retryint;
    if (route->retrymax != 0)
        s.most = route->retrymax;
    return s;
}

uint64_t site_longest_ceiling(const struct site *site)
{
    uint64_t longest = site->retryceil;

    for (size_t i = 0; i < site->routes; i++) {
        struct site_schedule s = site_schedule(site, &site->route[i]);
        if (s.ceiling > longest)
            longest = s.ceiling;
    }
    return longest;
}

uint64_t site_shortest_interval(const struct site *site)
{
    uint64_t shortest = site->retryint;

    for (size_t i = 0; i < site->routes; i++) {
        struct site_schedule s = site_schedule(site, &site->route[i]);
        if (s.interval < shortest)
            shortest = s.interval;
    }
    return shortest;
}

bool site_lmtp_host(const struct site *site)
{
    return site->lmtp != NULL && site->lmtp[0] != '/';
}

bool site_owns(const struct site *site, struct span domain)
{
    const char *const alone[] = {site->host, site->postoffice};
    struct span one, list = {site->domains, site->domains == NULL ? 0 : strlen(site->domains)};

    for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
        if (alone[i] != NULL && span_eq_nocase(domain, span_of(alone[i])))
            return true;
    while (span_cut(&list, ',', &one))
        if (span_eq_nocase(domain, one))
            return true;
    return false;
}

const struct site_service *site_service(const struct site *site, const char *program)
{
    for (size_t i = 0; i < site->services; i++) {
        const struct site_service *s = &site->service[i];
        const char *module = s->module != NULL ? s->module : s->name;
        if (span_eq_nocase(span_of(module), span_of(program)))
            return s;
    }
    return NULL;
}

const char *site_tls_level(uint64_t level)
{
    return tls_levels[level];
}

bool site_implicit(uint64_t mode, uint64_t port)
{
    return mode == TLSMODE_IMPLICIT || (mode == TLSMODE_AUTO && port == SMTPS_PORT);
}

void site_keywords(void (*each)(const char *statement, const char *keyword, const char *deflt,
                                void *arg),
                   void *arg)
{
    for (size_t i = 0; i < RULES; i++)
        each(rules[i].statement, rules[i].keyword, rules[i].deflt, arg);
}
