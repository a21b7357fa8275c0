/* The slip of a printout and what is printed of it: the input is the slip's text as it lies in the
 * spool, and the name of a user.
 *
 * Holds: a value is printable and one line; a slip that is written is read back the same; a
 * separator page keeps to the form, has the detail line four times at its end, and no control
 * octet; text fitted into columns has exactly so many of them. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "jobs/printer/banner.h"

static void check_printable(struct span text)
{
    struct buf safe = {0};

    CHECK(utf8_safe(text, &safe) && span_eq(text, BUF_SPAN(&safe)));
    buf_free(&safe);
}

static void check_slip(const struct slip *s)
{
    struct buf text = {0};
    struct slip back;

    for (int i = 0; i < SLIP_FIELDS; i++)
        check_printable(span_of(s->value[i]));
    CHECK(slip_write(s, &text) && text.len <= SLIP_MAX);
    slip_read(&back, BUF_SPAN(&text));
    for (int i = 0; i < SLIP_FIELDS; i++)
        CHECK(strcmp(s->value[i], back.value[i]) == 0);
    buf_free(&text);
}

static void check_banner(const struct banner *b, unsigned lines)
{
    struct buf detail = {0}, text = {0};
    struct pages p;
    size_t details = 0;

    pages_open(&p, lines);
    banner_page(b, lines & 1, &p);
    CHECK(p.fault == PAGES_GOOD && p.count == 1);
    for (size_t i = 0; i < p.strikes; i++) {
        CHECK(p.strike[i].line >= 1 && p.strike[i].line <= lines);
        CHECK(i == 0 || p.strike[i - 1].line <= p.strike[i].line);
        CHECK(utf8_width(strike_text(&p, &p.strike[i])) <= PAGE_COLUMNS);
        check_printable(strike_text(&p, &p.strike[i]));
    }
    CHECK(banner_detail(b, lines & 1, &detail));
    CHECK(utf8_width(BUF_SPAN(&detail)) == PAGE_COLUMNS);
    CHECK(pages_text(&p, &text));
    for (struct span rest = BUF_SPAN(&text), line; span_line(&rest, &line);)
        details += span_eq(line, BUF_SPAN(&detail));
    CHECK(details == 4);
    buf_free(&detail);
    buf_free(&text);
    pages_free(&p);
}

static void check_fit(struct span in, size_t columns)
{
    struct buf clean = {0}, out = {0}, again = {0};
    size_t width = 0;
    struct cell c;

    CHECK(page_clean(in, &clean));
    check_printable(BUF_SPAN(&clean));
    CHECK(page_clean(BUF_SPAN(&clean), &again) && span_eq(BUF_SPAN(&clean), BUF_SPAN(&again)));
    for (struct span rest = BUF_SPAN(&clean); cell_next(&rest, &c); width += c.width)
        CHECK(c.text.n > 0 && c.width <= 2 && c.text.p + c.text.n == rest.p);
    CHECK(page_fit(BUF_SPAN(&clean), columns, &out));
    CHECK(utf8_width(BUF_SPAN(&out)) == columns);
    CHECK(width > columns ||
          span_eq((struct span){out.data, out.len < clean.len ? out.len : clean.len},
                  BUF_SPAN(&clean)));
    buf_free(&clean);
    buf_free(&again);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size};
    unsigned lines = take_octet(&in) % 100 + PAGE_LINES_MIN;
    unsigned columns = take_octet(&in);
    struct buf name = {0};
    struct slip s;
    int64_t wall = 0;

    slip_read(&s, in);
    check_slip(&s);
    if (size >= sizeof(wall))
        memcpy(&wall, data, sizeof(wall));
    CHECK(page_clean((struct span){in.p, in.n < 64 ? in.n : 64}, &name) && buf_addc(&name, '\0'));
    const struct banner b = {.slip = &s,
                             .class = s.value[SLIP_CLASS][0] ? 'B' : 'A',
                             .number = columns << 16 | lines,
                             .name = name.data,
                             .printer = "PRT1",
                             .system = "SYSTEM01",
                             .wall = wall / 2,
                             .offset = (int)columns};
    check_banner(&b, lines);
    check_fit(in, columns);
    buf_free(&name);
    return 0;
}
