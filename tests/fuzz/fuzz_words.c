/* Words of outside: names of files, values of the configuration, records of the name service, RECFM
 * of a deck or a label, names of code pages, names and passwords to be prepared. Octet 1 chooses.
 *
 * Holds: what was read can be written, and is then read as the same; what is prepared or folded
 * stays as it is when that is done again; what is refused leaves nothing behind. */
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/charset.h"
#include "lib/dcb.h"
#include "lib/dsname.h"
#include "lib/mechanism.h"
#include "lib/network.h"
#include "lib/saslprep.h"
#include "lib/spool.h"
#include "lib/tlsa.h"
#include "ssmtp/plain.h"

enum { NAME_SIZE = 320 };

/* "PREFIX NAME": and the first octets of the name as a stamp. */
static void try_dsname(struct span in)
{
    char out[DSNAME_MAX + 1];
    uint64_t stamp = 0, back;
    struct span prefix;

    if (!span_cut(&in, ' ', &prefix) || in.p == NULL)
        return;
    bool lawful = dsname_valid(prefix, DSNAME_PREFIX_MAX);
    if (dsname_parse(prefix, in, &stamp)) {
        CHECK(dsname_format(prefix, stamp, out) == lawful);
        CHECK(!lawful || span_eq(in, span_of(out)));
        CHECK(dsname_wall(dsname_next(stamp)) >= dsname_wall(stamp));
    }
    memcpy(&stamp, in.p, in.n < sizeof(stamp) ? in.n : sizeof(stamp));
    CHECK(dsname_format(prefix, stamp, out) == (out[0] != '\0') && (lawful || out[0] == '\0'));
    CHECK(out[0] == '\0' || !dsname_parse(prefix, span_of(out), &back) ||
          stamp % 10000 == back % 10000);
    if (lawful)
        CHECK(dsname_valid(prefix, DSNAME_MAX) && span_find(prefix, '/') == prefix.n);
}

/* Written anew, a network is the same; it holds its own address. */
static void try_network(struct span in)
{
    char address[INET6_ADDRSTRLEN], text[NAME_SIZE];
    struct network n, again;

    bool valid = networks_valid(in);
    if (!network_parse(in, &n)) {
        CHECK(!valid || span_find(in, ',') < in.n || span_find(in, ' ') < in.n);
        return;
    }
    CHECK(valid && n.bits <= (n.v6 ? 128U : 32U));
    CHECK(inet_ntop(n.v6 ? AF_INET6 : AF_INET, n.octets, address, sizeof(address)) != NULL);
    snprintf(text, sizeof(text), n.v6 ? "[%s]/%u" : "%s/%u", address, n.bits);
    CHECK(network_parse(span_of(text), &again) && memcmp(&n, &again, sizeof(n)) == 0);
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    memcpy(&v6.sin6_addr, n.octets, 16);
    memcpy(&v4.sin_addr, n.octets, 4);
    CHECK(networks_hold(text, (const struct sockaddr *)&v4) == !n.v6);
    CHECK(networks_hold(text, (const struct sockaddr *)&v6) == n.v6 || !n.v6);
}

static void try_tlsa(struct span in)
{
    struct tlsa r, again;
    struct buf text = {0};

    if (tlsa_parse(in, &r)) {
        CHECK(r.length == 32 || r.length == 64);
        buf_printf(&text, "%u %u %u ", r.usage, r.selector, r.matching);
        for (size_t i = 0; i < r.length; i++)
            buf_printf(&text, "%02x", r.data[i]);
        CHECK(tlsa_parse(BUF_SPAN(&text), &again) && memcmp(&r, &again, sizeof(r)) == 0);
        CHECK(tlsa_set(r.usage, r.selector, r.matching,
                       (struct span){(const char *)r.data, r.length}, &again));
        CHECK(memcmp(&r, &again, sizeof(r)) == 0);
        buf_free(&text);
    }
    unsigned usage = take_octet(&in), selector = take_octet(&in), matching = take_octet(&in);
    if (tlsa_set(usage, selector, matching, in, &r))
        CHECK(span_eq(in, (struct span){(const char *)r.data, r.length}) && r.usage == usage);
}

static void try_spool_name(struct span in)
{
    struct spool_name n, again;
    char text[256];
    uint64_t number;

    spool_name_parse(in, &n);
    CHECK(n.job[0] == '\0' || spool_dest_valid(span_of(n.job)));
    if (n.job[0] == '\0' || n.id[0] == '\0' || !n.has_recfm)
        return;
    CHECK(span_number(span_from(span_of(n.id), 3), 99999, &number));
    CHECK(spool_name_format(text, sizeof(text), n.job, (unsigned)number, 2, "DD", &n.recfm));
    spool_name_parse(span_of(text), &again);
    CHECK(strcmp(n.job, again.job) == 0 && strcmp(n.id, again.id) == 0 && again.has_recfm);
    CHECK(n.recfm.form == again.recfm.form && n.recfm.control == again.recfm.control);
    CHECK(n.recfm.lrecl == again.recfm.lrecl || n.recfm.form == RECORD_TEXT);
}

static void try_mechanisms(struct span in)
{
    char words[MECHANISM_WORDS_MAX];
    bool unknown = true;
    unsigned set = mechanism_set(in, ' ', &unknown);

    CHECK(set < 1U << MECHANISMS && (mechanism_best(set) == NULL) == (set == 0));
    CHECK(mechanism_set(span_of(mechanism_words(set, words)), ' ', &unknown) == set);
    CHECK(!unknown || set == 0);
}

/* Two labels, one on each line. */
static void try_dcb(struct span in)
{
    struct dcb first = {.lrecl = 81}, second = {.lrecl = 133};
    struct span line;

    if (!span_line(&in, &line))
        return;
    if (dcb_recfm(line, &first) != DCB_GOOD)
        CHECK(!first.has_recfm && first.form == RECORD_TEXT && first.control == CONTROL_NONE);
    dcb_recfm(in, &second);
    CHECK(first.lrecl == 81 && second.lrecl == 133);
    dcb_merge(&first, &second);
    CHECK(!dcb_merge(&first, &second) && first.has_recfm >= second.has_recfm);
    struct recfm format = dcb_format(&first);
    CHECK(format.lrecl == 81 && dcb_most(&format) <= 81);
}

static void try_plain(struct span in)
{
    char file[NAME_SIZE], back[PLAIN_FILE];
    struct plain p;

    if (!span_copy(in, file, sizeof(file)) || !plain_parse(file, &p))
        return;
    CHECK(p.number > 0 && p.generation > 0 && p.name[0] != '\0' && p.name[0] != '.');
    plain_format(back, &p);
    CHECK(strcmp(file, back) == 0);
}

typedef bool prepare_fn(struct span in, struct buf *out);

/* Done again it changes nothing; refused, nothing is there. */
static void try_prepared(struct span in, prepare_fn *prepare)
{
    struct buf once = {0}, twice = {0};

    if (prepare(in, &once)) {
        CHECK(utf8_valid(BUF_SPAN(&once), NULL));
        CHECK(prepare(BUF_SPAN(&once), &twice) && span_eq(BUF_SPAN(&once), BUF_SPAN(&twice)));
    } else {
        CHECK(once.len == 0 && !once.failed);
    }
    buf_free(&once);
    buf_free(&twice);
}

static void try_password(struct span in)
{
    struct buf out = {0};

    CHECK(!saslprep(in, &out) || utf8_valid(BUF_SPAN(&out), NULL));
    CHECK(!out.failed);
    buf_free(&out);
}

static void try_fold(struct span in)
{
    try_prepared(in, utf8_fold);
}

static void try_safe(struct span in)
{
    try_prepared(in, utf8_safe);
}

/* A page, and a text in it on the lines that follow. */
static void try_charset(struct span in)
{
    struct buf text = {0}, back = {0};
    struct charset page;
    struct span name;
    size_t bad = 0;

    if (!span_line(&in, &name) || name.n > 16 || !charset_find(name, &page))
        return;
    CHECK(page.name[0] != '\0');
    if (charset_decode(&page, in, false, &text, &bad)) {
        CHECK(page.kind == CHARSET_UTF8 || utf8_valid(BUF_SPAN(&text), NULL));
        if (page.kind == CHARSET_TABLE)
            CHECK(charset_encode(&page, BUF_SPAN(&text), &back, NULL) &&
                  span_eq(BUF_SPAN(&back), in));
    } else {
        CHECK(text.len == 0 && !text.failed && bad < in.n);
    }
    buf_clear(&back);
    if (!charset_encode(&page, in, &back, &bad))
        CHECK(back.len == 0 && bad < in.n);
    buf_free(&text);
    buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct span in) = {
        try_dsname, try_network, try_tlsa, try_spool_name, try_mechanisms, try_dcb,
        try_plain,  try_fold,    try_safe, try_charset,    try_password};
    struct span in = {(const char *)data, size};

    if (size > 0 && size <= 4096)
        tries[take_octet(&in) % (sizeof(tries) / sizeof(tries[0]))](in);
    return 0;
}
