/* Records: what a spool file is made of besides lines of text. Pure. DFSMS Using Data Sets: RECFM,
 * LRECL, RDW; ASA and machine carriage control. */
#ifndef SPOOLMAIL_RECORD_H
#define SPOOLMAIL_RECORD_H

#include "lib/buf.h"
#include "lib/diag.h"

enum record_form { RECORD_TEXT, RECORD_FIXED, RECORD_VARIABLE };
enum record_control { CONTROL_NONE, CONTROL_ASA, CONTROL_MACHINE };

enum { LRECL_MAX = 32760 };

/* RECFM and LRECL. TEXT: lines ended by LF (spelled T, or V/VA/VM in a file name's last qualifier,
 * where the records are lines). FIXED: F, FB + LRECL digits. VARIABLE: VB with an RDW before each
 * record (2 octets length with the RDW itself, high order first; 2 octets zero). */
struct recfm {
    enum record_form form;
    enum record_control control;
    unsigned lrecl; /* FIXED: octets a record. VARIABLE: the most, RDW included (0: LRECL_MAX).
                       TEXT: the most in a line (0: no bound) */
};

/* Reads a qualifier such as FB80, FBA133, FBA, VB, VBA137, VBM, V, VA, VM, T, F80 (any case). FBA
 * without digits is 133, FB without is 80. T and V take no digits: a name such as REPORT.V2 is a
 * version. False: it is no record format (an ordinary name); *out is then as it was. */
bool recfm_parse(struct span qualifier, struct recfm *out);
/* The qualifier that recfm_parse() reads back: "FB80", "VBA", "VA"; "" for plain text. The bound of
 * TEXT is no part of it. False when no qualifier says it (FIXED without LRECL) or for want of
 * memory. */
bool recfm_write(struct buf *out, const struct recfm *r);

/* A reader over a whole file in memory. */
struct record_reader {
    struct recfm format;
    struct span rest;
    size_t offset; /* octets already read */
    size_t number; /* records already read */
};

enum record_result { RECORD_OK, RECORD_END, RECORD_DAMAGED };
/* The next record as it stands (FIXED: with its padding; TEXT: without LF, and without the CR of a
 * CR LF). DAMAGED: truncated RDW, length below 4 or above LRECL, segment flags set, a line longer
 * than LRECL, a last fixed record that is short: *d then names the record (line) and the octet of
 * the file where it begins (column), both from 1, and how to mend it; the reader stays there. */
enum record_result record_next(struct record_reader *r, struct span *record, struct diag *d);
/* Appends a record in the format: pads FIXED with `pad` (blank of the code page), puts the RDW
 * before VARIABLE, LF behind TEXT. False when it is longer than LRECL, a TEXT record holds an LF,
 * or memory is short. */
bool record_write(struct buf *out, const struct recfm *format, struct span record, char pad);

/* What a carriage control octet asks of the printer. Lines: spacing before printing (ASA) or after
 * it (machine). channel 0: none; 1: new page. */
struct carriage {
    unsigned char lines;   /* 0-3 */
    unsigned char channel; /* 0, or 1-12 */
    bool print;            /* false: no text (machine "immediate", or X'5A', a page-mode record) */
    bool known;            /* false: an octet that means nothing; treated as one space */
};
struct carriage carriage_asa(unsigned char control);
struct carriage carriage_machine(unsigned char control);
/* A machine-controlled text line's motion comes after printing, ASA's before: this turns one record
 * of machine control into ASA. *pending is the caller's (start with ' '), and holds the control for
 * the next line. Returns false when the record prints nothing (immediate): its motion is added to
 * *pending, as far as one ASA octet can say it: three lines at most; a channel outdoes lines. */
bool carriage_to_asa(unsigned char machine, char *pending, char *asa);

#endif
