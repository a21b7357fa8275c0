/* What comes from outside on the way to a host: MX records, the hosts file, header fields whose
 * nicknames are replaced, and lists of hosts. Octet 1 chooses.
 *
 * Holds: names that come out are host names and in their bounds, hosts are in order and none stands
 * twice; an official name has a dot and its nickname none; a header does not depend on how it is
 * cut, and comes out with as many lines as it had. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "lib/nexthop.h"
#include "usmtp/mx.h"
#include "usmtp/official.h"

enum { RECORDS = 1100 };

static void check_mx(const struct mx_list *list, enum mx_kind kind)
{
    CHECK(list->hosts <= MX_HOSTS_MAX && (list->hosts > 0) == (kind == MX_HOSTS));
    for (size_t i = 0; i < list->hosts; i++) {
        const struct mx_record *r = &list->host[i];
        CHECK(r->name[0] != '\0' && strlen(r->name) <= MX_NAME_MAX);
        for (const char *p = r->name; *p != '\0'; p++)
            CHECK(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", *p) != NULL);
        CHECK(i == 0 || r[-1].preference <= r->preference);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(list->host[k].name, r->name) != 0);
    }
}

/* Each record: its length in one octet, and its octets. */
static void fuzz_records(struct span in)
{
    static char *data[RECORDS + 1];
    static int length[RECORDS + 1];
    struct mx_list list;
    uint64_t seed = 1;
    size_t n = 0;

    while (in.n > 0 && n < RECORDS) {
        size_t octets = (unsigned char)in.p[0];
        if (octets > in.n - 1)
            octets = in.n - 1;
        data[n] = malloc(octets + 1); /* of exactly that size: a read beyond it is seen */
        CHECK(data[n] != NULL);
        memcpy(data[n], in.p + 1, octets);
        length[n++] = (int)octets;
        in = span_from(in, octets + 1);
    }
    data[n] = NULL;
    check_mx(&list, mx_read(data, length, &seed, &list));
    while (n > 0)
        free(data[--n]);
}

static void fuzz_hosts(struct span in)
{
    struct official_names names;

    CHECK(official_read(&names, in));
    for (size_t i = 0; i < names.rows; i++) {
        struct span nickname = span_of(names.row[i].nickname);
        struct span official = span_of(names.row[i].official);
        CHECK(span_find(nickname, '.') == nickname.n && domain_valid(nickname, false));
        CHECK(span_find(official, '.') < official.n && domain_valid(official, false));
        CHECK(official_find(&names, nickname) != NULL);
    }
    official_free(&names);
}

static void feed(const struct official_names *names, struct span in, bool asa, size_t n,
                 struct buf *out)
{
    struct official_header h = {.asa = asa};
    struct span end = {"", 0};

    while (in.n > 0) {
        struct span chunk = {in.p, in.n < n ? in.n : n};
        in = span_from(in, chunk.n);
        CHECK(official_feed(&h, names, &chunk, out));
        buf_addspan(out, chunk);
    }
    CHECK(official_feed(&h, names, &end, out));
}

static size_t lines(struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

static void fuzz_header(struct span in, bool asa)
{
    struct official_names names;
    struct buf whole = {0}, cut = {0};

    CHECK(official_read(&names, SPAN("10.0.0.1 a.long.official.name.example a b\n")));
    feed(&names, in, asa, in.n + 1, &whole);
    feed(&names, in, asa, in.n % 7 + 1, &cut);
    CHECK(span_eq(BUF_SPAN(&whole), BUF_SPAN(&cut)));
    CHECK(lines(in) == lines(BUF_SPAN(&whole)) && whole.len >= in.n);
    buf_free(&whole);
    buf_free(&cut);
    official_free(&names);
}

static void fuzz_hops(struct span in)
{
    struct nexthop hop[NEXTHOP_MAX];
    size_t n = nexthop_parse(in, hop);

    CHECK(n <= NEXTHOP_MAX);
    for (size_t i = 0; i < n; i++) {
        CHECK(hop[i].host.n > 0 && host_valid(hop[i].host));
        CHECK(i == 0 || hop[i - 1].choice <= hop[i].choice);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct span in = {(const char *)data + 1, size - 1};
    switch (data[0] % 5) {
    case 0:
        fuzz_records(in);
        break;
    case 1:
        fuzz_hosts(in);
        break;
    case 2:
    case 3:
        fuzz_header(in, data[0] % 5 == 3);
        break;
    default:
        fuzz_hops(in);
        break;
    }
    return 0;
}
