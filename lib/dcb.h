/* DCB: the record format a DD statement or a library tells. Pure. */
#ifndef SPOOLMAIL_DCB_H
#define SPOOLMAIL_DCB_H

#include "lib/buf.h"
#include "lib/record.h"

struct dcb {
    bool has_recfm;
    enum record_form form;
    enum record_control control;
    unsigned lrecl; /* 0: not told */
};

enum { LRECL_CARD = 80 };

enum dcb_result { DCB_GOOD, DCB_UNKNOWN, DCB_UNSUPPORTED };
/* RECFM as JCL writes it: F, V, with B, S, A or M behind; T for lines of text, which only a
 * library's .dcb file may name (JCL has no word for it). UNSUPPORTED: undefined length (U) and
 * spanned records (VS, VBS). */
enum dcb_result dcb_recfm(struct span text, struct dcb *out);
/* What is not told in *to is taken from `from`. True when something was. */
bool dcb_merge(struct dcb *to, const struct dcb *from);
/* The format to read or write by; 80 for fixed records whose length nobody told. */
struct recfm dcb_format(const struct dcb *dcb);
/* The longest record of data (without an RDW); SIZE_MAX: no bound. */
size_t dcb_most(const struct recfm *format);

#endif
