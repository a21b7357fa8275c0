/* See effector.h. */
#include "usmtp/effector.h"

#include "lib/record.h"
#include "usmtp/segment.h"

/* By the lines that a control octet moves on. */
static const char *const spacing[] = {"\r", "\n", "\n\n", "\n\n\n"};

static struct span effect_of(struct effector *e, unsigned char control)
{
    struct carriage c = carriage_asa(e->place == EFFECTOR_HEADER ? ' ' : control);
    const char *effect = c.channel == 1 ? "\n\f" : c.channel > 1 ? "\n" : spacing[c.lines];
    bool line_only = e->place == EFFECTOR_FIRST && (c.channel == 1 || effect[0] == '\r');
    struct span s = span_of(line_only ? "\n" : effect);

    if (e->place == EFFECTOR_FIRST)
        e->place = EFFECTOR_BODY;
    if (e->apart || !e->started)
        s = span_from(s, 1); /* there is no line to end */
    e->started = true;
    return s;
}

static void begin_record(struct effector *e, struct effected *next)
{
    unsigned char control = next->text.n > 0 ? (unsigned char)next->text.p[0] : ' ';

    next->text = span_from(next->text, 1);
    next->effect = effect_of(e, control);
    e->in_record = true;
    e->empty = true;
}

bool effector_next(struct effector *e, struct span *in, struct effected *next)
{
    next->effect = (struct span){"", 0};
    do
        if (!segment_next(&e->cr, in, &next->text, &next->ends))
            return false;
    while (next->text.n == 0 && !next->ends);
    if (!e->in_record)
        begin_record(e, next);
    e->empty = e->empty && next->text.n == 0;
    if (next->ends) {
        e->in_record = false;
        if (e->empty && e->place == EFFECTOR_HEADER)
            e->place = EFFECTOR_FIRST;
    }
    return true;
}

struct span effector_end(const struct effector *e)
{
    return e->started ? SPAN("\n") : (struct span){"", 0};
}
