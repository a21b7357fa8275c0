/* Records: octets 1-4 choose the format (form, control, LRECL), the rest is the file; and the whole
 * input is tried as the name of a format.
 *
 * Holds: the reader's place is always inside the file and moves on; damage is reported at that
 * place and is lasting; what was read can be written, and gives the same file and records again. */
#include "tests/fuzz/fuzz.h"

#include "lib/record.h"

static void check_name(struct span name)
{
    struct recfm r, again;
    struct buf out = {0};

    if (recfm_parse(name, &r)) {
        CHECK(r.lrecl <= LRECL_MAX);
        CHECK(r.form != RECORD_FIXED || r.lrecl > 0);
        CHECK(recfm_write(&out, &r));
        if (r.form == RECORD_TEXT && r.control == CONTROL_NONE) {
            CHECK(out.len == 0);
        } else {
            CHECK(recfm_parse(BUF_SPAN(&out), &again));
            CHECK(again.form == r.form && again.control == r.control && again.lrecl == r.lrecl);
        }
    }
    buf_free(&out);
}

static bool same_carriage(char asa)
{
    struct carriage c = carriage_asa((unsigned char)asa);

    return c.known && c.lines <= 3 && c.channel <= 12 && (c.lines == 0 || c.channel == 0);
}

/* Checks one record's control octet as both kinds of control. */
static void check_control(struct span record, char *pending)
{
    char asa = ' ';

    if (record.n == 0)
        return;
    struct carriage c = carriage_machine((unsigned char)record.p[0]);
    CHECK(c.lines <= 3 && c.channel <= 12 && (c.lines == 0 || c.channel == 0));
    bool skip = carriage_asa((unsigned char)*pending).channel != 0;
    bool prints = carriage_to_asa((unsigned char)record.p[0], pending, &asa);
    CHECK(prints == c.print);
    if (!prints && (skip || c.channel != 0))
        CHECK(carriage_asa((unsigned char)*pending).channel != 0);
    CHECK(same_carriage(*pending));
    CHECK(same_carriage(asa));
}

/* Damage stays where it is. */
static void check_damage(struct record_reader *r, const struct diag *d)
{
    struct record_reader before = *r;
    struct span record;
    struct diag again;

    CHECK(d->line == r->number + 1 && d->column == r->offset + 1);
    CHECK(d->text[0] != '\0' && no_controls(span_of(d->text), ""));
    CHECK(record_next(r, &record, &again) == RECORD_DAMAGED);
    CHECK(r->offset == before.offset && r->number == before.number);
}

/* Reads the file and writes it anew; returns how the reading ended. */
static enum record_result read_and_write(const struct recfm *format, struct span file,
                                         struct buf *out, size_t *records)
{
    struct record_reader r = {.format = *format, .rest = file};
    enum record_result result;
    struct span record;
    struct diag d;
    char pending = ' ';

    while ((result = record_next(&r, &record, &d)) == RECORD_OK) {
        CHECK(r.offset > 0 && r.offset + r.rest.n == file.n);
        CHECK(record.n == 0 || (record.p >= file.p && record.p + record.n <= file.p + r.offset));
        CHECK(format->form != RECORD_FIXED || record.n == format->lrecl);
        check_control(record, &pending);
        CHECK(record_write(out, format, record, ' '));
    }
    CHECK(result == RECORD_DAMAGED || r.rest.n == 0);
    if (result == RECORD_DAMAGED)
        check_damage(&r, &d);
    *records = r.number;
    return result;
}

/* What record_write() makes of a line loses nothing unless the line ends in a CR. */
static bool has_cr(struct span s)
{
    return span_find(s, '\r') < s.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span file = {(const char *)data, size};
    struct buf first = {0}, second = {0};
    size_t records, again;

    check_name(file);
    struct recfm format = {.form = take_octet(&file) % 3, .control = take_octet(&file) % 3};
    format.lrecl = take_octet(&file) * 256u;
    format.lrecl += take_octet(&file);
    enum record_result result = read_and_write(&format, file, &first, &records);

    struct span read = {file.p, first.len < file.n ? first.len : file.n};
    if (format.form != RECORD_TEXT)
        CHECK(first.len <= file.n && span_eq(BUF_SPAN(&first), read));
    else if (!has_cr(file) && result == RECORD_END)
        CHECK(first.len - file.n <= 1 && span_eq(read, file));
    CHECK(format.form == RECORD_TEXT || result == RECORD_DAMAGED || first.len == file.n);

    CHECK(read_and_write(&format, BUF_SPAN(&first), &second, &again) == RECORD_END);
    CHECK(again == records);
    if (!has_cr(BUF_SPAN(&first)))
        CHECK(span_eq(BUF_SPAN(&first), BUF_SPAN(&second)));
    buf_free(&first);
    buf_free(&second);
    return 0;
}
