/* Spool files to pages: the first octet chooses the name (record format) and the code page, the
 * rest is the file.
 *
 * Holds: nothing is wider than the page or beyond its end, lines of a page do not descend; the text
 * has one form feed between two pages and no other control, bidi control or octet that is not
 * UTF-8; so has the slip; overprinting loses no line. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "jobs/printer/listing.h"
#include "lib/charset.h"

static const char *const names[] = {
    "SMTP.JOB00012.D0000001.MAIL.T", "J.JOB00001.D1.S.VA",  "J.JOB00001.D1.S.VM",
    "J.JOB00001.D1.S.FBA5",          "J.JOB00001.D1.S.VB",  "J.JOB00001.D1.S.VBA",
    "J.JOB00001.D1.S.VBM",           "J.JOB00001.D1.S.FB3", "odd name",
};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static const char *const members[] = {
    "SYSTEM HOST(h.example)\nSMTP POSTOFFICE(P) DIVERT(1K)\nPRINTER LINECT(48)\n",
    "SYSTEM HOST(h.example)\nSMTP CODEPAGE(IBM-1047)\n",
    "SYSTEM HOST(h.example)\nSMTP CODEPAGE(IBM-500) CLASS(Z)\nPRINTER LINECT(144)\n",
};
enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

static void check_safe(struct span text)
{
    struct buf safe = {0};

    CHECK(utf8_safe(text, &safe));
    CHECK(span_eq(text, BUF_SPAN(&safe)));
    buf_free(&safe);
}

static void check_pages(const struct pages *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct strike *s = p->strike + p->page[i].strike;
        for (size_t k = 0; k < p->page[i].strikes; k++) {
            struct span text = strike_text(p, &s[k]);
            CHECK(s[k].line >= 1 && s[k].line <= p->lines);
            CHECK(k == 0 || s[k].line >= s[k - 1].line);
            CHECK(text.n > 0 && utf8_width(text) <= PAGE_COLUMNS);
            CHECK(text.p[text.n - 1] != ' ');
        }
    }
}

static void check_text(const struct pages *p)
{
    struct buf out = {0};
    size_t page = 0;
    unsigned lines = 0;

    CHECK(pages_text(p, &out));
    for (struct span rest = BUF_SPAN(&out), line; span_line(&rest, &line); lines++) {
        if (line.n > 0 && line.p[0] == '\f') {
            line = span_from(line, 1);
            page++;
            lines = 0;
        }
        CHECK(lines < p->lines);
        CHECK(utf8_width(line) <= PAGE_COLUMNS);
        check_safe(line);
    }
    CHECK(page + 1 == p->count);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct site *site[MEMBERS];
    static struct usertable *users;
    struct span input = {(const char *)data, size};
    unsigned char choice = take_octet(&input);
    struct pages pages;
    struct slip slip;
    struct diag d;

    for (size_t i = 0; i < MEMBERS && site[i] == NULL; i++)
        CHECK((site[i] = site_parse(span_of(members[i]), "X", &d)) != NULL);
    if (users == NULL)
        users = usertable_parse(SPAN("CZQ14CD CDoaks 'C. \xC3\xA9'\n"), &d);
    struct listing_params params = {.site = site[choice / NAMES % MEMBERS],
                                    .users = users,
                                    .name = names[choice % NAMES],
                                    .spooled = 1795288000,
                                    .printed = 1795288065};
    if (listing_make(&params, input, &pages, &slip, &d) == LISTING_GOOD) {
        CHECK(pages.count >= 2 && pages.fault == PAGES_GOOD);
        check_pages(&pages);
        check_text(&pages);
        for (int i = 0; i < SLIP_FIELDS; i++)
            check_safe(span_of(slip.value[i]));
    } else {
        CHECK(d.text[0] != '\0');
    }
    pages_free(&pages);
    return 0;
}
