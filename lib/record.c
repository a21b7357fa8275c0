/* Records: RECFM names, reading and writing of text, fixed and variable records, carriage control.
 *
 * Nothing in a file is trusted: each length is checked against what is left of the file before it
 * is used, and a damaged record stops the reading with a place in the file; the reader then stays
 * where it is. Facts: DFSMS Using Data Sets, record formats and control characters. */
#include "lib/record.h"

#include <string.h>

enum { RDW_LEN = 4, LRECL_CARD = 80, LRECL_PRINT = 133, SPACE_MAX = 3 };

/* The letters of a qualifier. Of the rows with one form and control the first is written. */
static const struct recfm_name {
    char name[4];
    unsigned char form, control;
    bool digits;          /* LRECL may follow */
    unsigned short lrecl; /* when none does */
} recfm_names[] = {
    {"T", RECORD_TEXT, CONTROL_NONE, false, 0},
    {"V", RECORD_TEXT, CONTROL_NONE, false, 0},
    {"VA", RECORD_TEXT, CONTROL_ASA, false, 0},
    {"VM", RECORD_TEXT, CONTROL_MACHINE, false, 0},
    {"FB", RECORD_FIXED, CONTROL_NONE, true, LRECL_CARD},
    {"FBA", RECORD_FIXED, CONTROL_ASA, true, LRECL_PRINT},
    {"FBM", RECORD_FIXED, CONTROL_MACHINE, true, LRECL_PRINT},
    {"F", RECORD_FIXED, CONTROL_NONE, true, LRECL_CARD},
    {"FA", RECORD_FIXED, CONTROL_ASA, true, LRECL_PRINT},
    {"FM", RECORD_FIXED, CONTROL_MACHINE, true, LRECL_PRINT},
    {"VB", RECORD_VARIABLE, CONTROL_NONE, true, 0},
    {"VBA", RECORD_VARIABLE, CONTROL_ASA, true, 0},
    {"VBM", RECORD_VARIABLE, CONTROL_MACHINE, true, 0},
};

enum { RECFM_NAMES = sizeof(recfm_names) / sizeof(recfm_names[0]) };

/* The least LRECL that leaves room for one octet of data. */
static unsigned lrecl_least(enum record_form form)
{
    return form == RECORD_VARIABLE ? RDW_LEN + 1 : 1;
}

bool recfm_parse(struct span qualifier, struct recfm *out)
{
    size_t letters = 0;

    while (letters < qualifier.n && (qualifier.p[letters] < '0' || qualifier.p[letters] > '9'))
        letters++;
    struct span name = {qualifier.p, letters};
    struct span digits = span_from(qualifier, letters);
    for (size_t i = 0; i < RECFM_NAMES; i++) {
        const struct recfm_name *row = &recfm_names[i];
        uint64_t lrecl = row->lrecl;
        if (!span_eq_nocase(name, span_of(row->name)))
            continue;
        if (digits.n > 0 && (!row->digits || !span_number(digits, LRECL_MAX, &lrecl) ||
                             lrecl < lrecl_least(row->form)))
            return false;
        *out = (struct recfm){row->form, row->control, (unsigned)lrecl};
        return true;
    }
    return false;
}

bool recfm_write(struct buf *out, const struct recfm *r)
{
    if (r->form == RECORD_TEXT && r->control == CONTROL_NONE)
        return !out->failed;
    for (size_t i = 0; i < RECFM_NAMES; i++) {
        const struct recfm_name *row = &recfm_names[i];
        if (row->form != r->form || row->control != r->control)
            continue;
        if (!row->digits || (r->form == RECORD_VARIABLE && r->lrecl == 0))
            return buf_adds(out, row->name);
        return r->lrecl >= lrecl_least(r->form) && r->lrecl <= LRECL_MAX &&
               buf_printf(out, "%s%u", row->name, r->lrecl);
    }
    return false;
}

/* Says what is wrong with the record that comes next. */
#define DAMAGED(d, r, ...)                                                                         \
    (diag_set((d), (r)->number + 1, (r)->offset + 1, __VA_ARGS__), RECORD_DAMAGED)

/* Takes `taken` octets off the file, of which *record is a part. */
static enum record_result advance(struct record_reader *r, size_t taken)
{
    r->rest = span_from(r->rest, taken);
    r->offset += taken;
    r->number++;
    return RECORD_OK;
}

static enum record_result next_text(struct record_reader *r, struct span *record, struct diag *d)
{
    size_t at = span_find(r->rest, '\n');
    struct span line = {r->rest.p, at};
    bool ended = at < r->rest.n;

    if (ended && line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (r->format.lrecl > 0 && line.n > r->format.lrecl)
        return DAMAGED(d, r, "line of %zu octets where LRECL is %u: make the line shorter", line.n,
                       r->format.lrecl);
    *record = line;
    return advance(r, at + ended);
}

static enum record_result next_fixed(struct record_reader *r, struct span *record, struct diag *d)
{
    unsigned lrecl = r->format.lrecl;

    if (lrecl == 0)
        return DAMAGED(d, r, "fixed records without a record length: name it, as in FB80");
    if (r->rest.n < lrecl)
        return DAMAGED(d, r,
                       "the last record has %zu of %u octets: the file was cut or is not of this "
                       "record format; send it again whole",
                       r->rest.n, lrecl);
    *record = (struct span){r->rest.p, lrecl};
    return advance(r, lrecl);
}

/* LRECL of variable records, the RDW included. */
static unsigned variable_most(const struct recfm *format)
{
    return format->lrecl > 0 && format->lrecl < LRECL_MAX ? format->lrecl : LRECL_MAX;
}

static enum record_result next_variable(struct record_reader *r, struct span *record,
                                        struct diag *d)
{
    const unsigned char *rdw = (const unsigned char *)r->rest.p;
    unsigned most = variable_most(&r->format);

    if (r->rest.n < RDW_LEN)
        return DAMAGED(d, r,
                       "the file ends within an RDW (%zu of 4 octets): it was cut; send it whole",
                       r->rest.n);
    unsigned len = (unsigned)rdw[0] << 8 | rdw[1];
    if (len < RDW_LEN)
        return DAMAGED(d, r, "RDW X'%02X%02X%02X%02X': its length is below 4; is the file VB?",
                       rdw[0], rdw[1], rdw[2], rdw[3]);
    if (rdw[2] != 0 || rdw[3] != 0)
        return DAMAGED(d, r,
                       "RDW X'%02X%02X%02X%02X' has segment flags: write the records unspanned "
                       "(VB, not VBS), without BDWs",
                       rdw[0], rdw[1], rdw[2], rdw[3]);
    if (len > most)
        return DAMAGED(d, r, "RDW says %u octets where %u is the most: is the file VB?", len, most);
    if (len > r->rest.n)
        return DAMAGED(d, r, "RDW says %u octets and %zu are left: the file was cut; send it whole",
                       len, r->rest.n);
    *record = (struct span){r->rest.p + RDW_LEN, len - RDW_LEN};
    return advance(r, len);
}

enum record_result record_next(struct record_reader *r, struct span *record, struct diag *d)
{
    static enum record_result (*const next[])(struct record_reader *, struct span *,
                                              struct diag *) = {
        [RECORD_TEXT] = next_text,
        [RECORD_FIXED] = next_fixed,
        [RECORD_VARIABLE] = next_variable,
    };

    return r->rest.n == 0 ? RECORD_END : next[r->format.form](r, record, d);
}

static bool write_text(struct buf *out, struct span record)
{
    return span_find(record, '\n') == record.n && buf_addspan(out, record) && buf_addc(out, '\n');
}

static bool write_variable(struct buf *out, struct span record)
{
    size_t len = record.n + RDW_LEN;
    const unsigned char rdw[RDW_LEN] = {(unsigned char)(len >> 8), (unsigned char)len, 0, 0};

    return buf_reserve(out, len) && buf_add(out, rdw, RDW_LEN) && buf_addspan(out, record);
}

/* The octets of data that a record may hold. */
static size_t data_most(const struct recfm *format)
{
    unsigned most = variable_most(format);

    if (format->form == RECORD_VARIABLE)
        return most > RDW_LEN ? most - RDW_LEN : 0;
    return format->form == RECORD_TEXT && format->lrecl == 0 ? SIZE_MAX : format->lrecl;
}

bool record_write(struct buf *out, const struct recfm *format, struct span record, char pad)
{
    if (record.n > data_most(format))
        return false;
    if (format->form == RECORD_TEXT)
        return write_text(out, record);
    if (format->form == RECORD_VARIABLE)
        return write_variable(out, record);
    return format->lrecl > 0 && buf_addspan(out, record) &&
           buf_fill(out, pad, format->lrecl - record.n);
}

/* The ASA octets by what they ask: 0-3 lines, and channels 1-12 (index 0 is not used). */
static const char asa_lines[] = "+ 0-";
static const char asa_channels[] = "?123456789ABC";

struct carriage carriage_asa(unsigned char control)
{
    const char *at;

    if (control == '\0' || control == '?')
        return (struct carriage){1, 0, true, false};
    if ((at = strchr(asa_lines, control)) != NULL)
        return (struct carriage){(unsigned char)(at - asa_lines), 0, true, true};
    if ((at = strchr(asa_channels, control)) != NULL)
        return (struct carriage){0, (unsigned char)(at - asa_channels), true, true};
    return (struct carriage){1, 0, true, false};
}

/* Bits of a machine control octet: skip, 4 bits of lines or channel, 001 write or 011 immediate.
 * X'5A' is a page-mode record: it means something, but holds no text. */
struct carriage carriage_machine(unsigned char control)
{
    unsigned char n = (control >> 3) & 0x0F, low = control & 0x07;
    bool skip = (control & 0x80) != 0;

    if (control == 0x5A)
        return (struct carriage){0, 0, false, true};
    if ((low != 1 && low != 3) || (skip ? n < 1 || n > 12 : n > SPACE_MAX))
        return (struct carriage){1, 0, true, false};
    return (struct carriage){skip ? 0 : n, skip ? n : 0, low == 1, true};
}

static char asa_of(const struct carriage *c)
{
    return c->channel ? asa_channels[c->channel] : asa_lines[c->lines];
}

bool carriage_to_asa(unsigned char machine, char *pending, char *asa)
{
    struct carriage motion = carriage_machine(machine);
    struct carriage before = carriage_asa((unsigned char)*pending);

    if (motion.print) {
        *asa = *pending;
        *pending = asa_of(&motion);
        return true;
    }
    if (motion.channel == 0) {
        unsigned lines = (unsigned)before.lines + motion.lines;
        motion.channel = before.channel;
        motion.lines = (unsigned char)(lines > SPACE_MAX ? SPACE_MAX : lines);
    }
    *pending = asa_of(&motion);
    return false;
}
