/* See envelope.h. A field is a row of a table: its name, and the function that takes its value. */
#include "lib/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "lib/diag.h"

/* A value and the column it begins in. */
struct value {
    struct span text;
    size_t column;
};

static bool read_address(struct value v, unsigned flags, struct address *out, struct diag *d)
{
    size_t used;
    enum address_error e =
        address_parse(v.text, flags | ADDRESS_BARE_OK | ADDRESS_UTF8_OK, out, &used);

    return e == ADDRESS_GOOD || diag_set(d, 0, v.column + used, "%s", address_strerror(e));
}

static bool take_from(struct envelope *e, struct value v, struct diag *d)
{
    if (e->have_from)
        return diag_set(d, 0, 1, "a second X-From line: a message has one sender, remove it");
    e->have_from = read_address(v, ADDRESS_NULL_OK, &e->from, d);
    return e->have_from;
}

static bool take_to(struct envelope *e, struct value v, struct diag *d)
{
    struct address to;

    if (!e->have_from)
        return diag_set(d, 0, 1, "X-To before X-From: put the X-From line first");
    if (!read_address(v, 0, &to, d))
        return false;
    if (e->nto == ENVELOPE_TO_MAX)
        return diag_set(d, 0, 1, "more than %d X-To lines: send to the others in a second file",
                        ENVELOPE_TO_MAX);
    return envelope_add(e, &to) || diag_memory(d);
}

static bool take_recfm(struct envelope *e, struct value v, struct diag *d)
{
    if (e->nto == 0)
        return diag_set(d, 0, 1, "X-Recfm before X-To: put it behind the X-To lines");
    if (e->asa)
        return diag_set(d, 0, 1, "a second X-Recfm line: remove it");
    if (!span_eq_nocase(v.text, SPAN("VBA")))
        return diag_set(d, 0, v.column, "the record format must be VBA, or the line be left out");
    e->asa = true;
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct envelope *e, struct value v, struct diag *d);
} fields[] = {
    {"X-From:", take_from},
    {"X-To:", take_to},
    {"X-Recfm:", take_recfm},
};

enum envelope_line envelope_take(struct envelope *e, struct span line, struct diag *d)
{
    line = span_trim_end(line);
    if (e->data_record)
        return ENVELOPE_END;
    if (e->nto > 0 && span_eq(line, SPAN("DATA"))) {
        e->data_record = true;
        return ENVELOPE_FIELD;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct span name = span_of(fields[i].name);
        struct value v = {span_trim(span_from(line, name.n)), 0};

        if (!span_starts_nocase(line, name))
            continue;
        v.column = line.n - v.text.n + 1;
        return fields[i].take(e, v, d) ? ENVELOPE_FIELD : ENVELOPE_BAD;
    }
    return ENVELOPE_END;
}

bool envelope_whole(const struct envelope *e, struct diag *d)
{
    if (!e->have_from)
        return diag_set(d, 1, 1, "no sender: the first line must be X-From: <address>");
    if (e->nto == 0)
        return diag_set(d, 2, 1,
                        "no recipient: after X-From comes X-To: <address>, one line for each");
    return true;
}

bool envelope_add(struct envelope *e, const struct address *to)
{
    if (e->nto == ENVELOPE_TO_MAX)
        return false;
    if (e->nto == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 4;
        struct address *more = realloc(e->to, cap * sizeof(*more));

        if (more == NULL)
            return false;
        e->to = more;
        e->cap = cap;
    }
    e->to[e->nto++] = *to;
    return true;
}

static void write_address(struct buf *out, const char *name, const struct address *a)
{
    buf_adds(out, name);
    buf_addc(out, ' ');
    address_write(out, a);
}

static void write_field(struct buf *out, const char *name, const struct address *a)
{
    write_address(out, name, a);
    buf_addc(out, '\n');
}

static const char vba[] = "X-Recfm: VBA\n";

bool envelope_write(struct buf *out, const struct address *from, const struct address *to,
                    size_t nto, bool asa)
{
    write_field(out, "X-From:", from);
    for (size_t i = 0; i < nto; i++)
        write_field(out, "X-To:", &to[i]);
    if (asa)
        buf_adds(out, vba);
    return !out->failed;
}

bool envelope_write_padded(struct buf *out, const struct address *from, const struct address *to,
                           bool asa, size_t octets)
{
    size_t before = out->len, behind = 1 + (asa ? strlen(vba) : 0); /* the address line */

    write_field(out, "X-From:", from);
    write_address(out, "X-To:", to);
    while (out->len - before + behind < octets && !out->failed)
        buf_addc(out, ' ');
    buf_addc(out, '\n');
    if (asa)
        buf_adds(out, vba);
    return !out->failed;
}

void envelope_free(struct envelope *e)
{
    free(e->to);
    *e = (struct envelope){0};
}
