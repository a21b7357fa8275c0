/* See dcb.h. */
#include "lib/dcb.h"

#include <string.h>

enum { RDW = 4 };

enum dcb_result dcb_recfm(struct span text, struct dcb *out)
{
    bool blocked = false, spanned = false;
    struct dcb dcb = {.has_recfm = true, .lrecl = out->lrecl};

    if (text.n == 0 || strchr("FVUT", text.p[0]) == NULL || text.p[0] == '\0')
        return DCB_UNKNOWN;
    dcb.form = text.p[0] == 'F' ? RECORD_FIXED : text.p[0] == 'V' ? RECORD_VARIABLE : RECORD_TEXT;
    for (size_t i = 1; i < text.n; i++) {
        bool control = text.p[i] == 'A' || text.p[i] == 'M';
        if (text.p[i] == 'B' && !blocked)
            blocked = true;
        else if (text.p[i] == 'S' && !spanned)
            spanned = true;
        else if (control && dcb.control == CONTROL_NONE)
            dcb.control = text.p[i] == 'A' ? CONTROL_ASA : CONTROL_MACHINE;
        else
            return DCB_UNKNOWN;
    }
    if (text.p[0] == 'U' || (spanned && dcb.form == RECORD_VARIABLE))
        return DCB_UNSUPPORTED;
    if (dcb.form == RECORD_TEXT && (blocked || spanned))
        return DCB_UNKNOWN;
    *out = dcb;
    return DCB_GOOD;
}

bool dcb_merge(struct dcb *to, const struct dcb *from)
{
    bool merged = false;

    if (!to->has_recfm && from->has_recfm) {
        to->has_recfm = merged = true;
        to->form = from->form;
        to->control = from->control;
    }
    if (to->lrecl == 0 && from->lrecl != 0 && from->form == to->form) {
        to->lrecl = from->lrecl;
        merged = true;
    }
    return merged;
}

struct recfm dcb_format(const struct dcb *dcb)
{
    struct recfm format = {RECORD_TEXT, CONTROL_NONE, dcb->lrecl};

    if (!dcb->has_recfm)
        return format;
    format.form = dcb->form;
    format.control = dcb->control;
    if (format.form == RECORD_FIXED && format.lrecl == 0)
        format.lrecl = LRECL_CARD;
    return format;
}

size_t dcb_most(const struct recfm *format)
{
    unsigned lrecl = format->lrecl > 0 ? format->lrecl : LRECL_MAX;

    if (format->form == RECORD_TEXT)
        return format->lrecl > 0 ? lrecl : SIZE_MAX;
    if (format->form == RECORD_VARIABLE)
        return lrecl > RDW ? lrecl - RDW : 0;
    return lrecl;
}
