/* From the text of a mail data set to what goes over the wire after DATA: pure and streaming;
 * memory does not grow with the message or with a line.
 *
 *   data set text (LF lines, maybe ASA control in column 1)
 *     -> format effectors   ' ' new line, 0 and - blank lines, 1 form feed, + carriage return
 *     -> encoding           quoted-printable and RFC 2047, where the peer needs it
 *     -> wire               CR LF, dots stuffed, final dot by text_end()
 *
 * Nothing in the text can end DATA early: dots are stuffed after our own line splitting, and a bare
 * CR is never sent (it forces quoted-printable, where it is =0D; in a header it becomes a blank). A
 * CR directly before LF belongs to the line end. Chunks may be cut at any octet. */
#ifndef USMTP_TEXT_H
#define USMTP_TEXT_H

#include "lib/buf.h"
#include "usmtp/effector.h"

enum { TEXT_LINE_MAX = 998 }; /* octets of a line without CR LF, RFC 5322 2.1.1 */

/* What a first look at the whole text finds: text_scan() over all its chunks. The header ends at
 * the first empty line or line that is no field. "Unfit" for every peer: a line over 998 octets, a
 * bare CR, a NUL; in the header also 8 bit text that is no UTF-8. */
struct text_facts {
    uint64_t octets;       /* of the text as it stands */
    uint64_t wire_octets;  /* with CR LF, without dots stuffed and without encoding: for SIZE= */
    uint64_t longest;      /* octets of the longest line, without its end */
    bool eight_bit;        /* an octet above X'7F' in the body */
    bool header_eight_bit; /* the same in the header */
    bool bare_cr;          /* a CR inside a line, or ASA + */
    bool nul;
    bool body_unfit, header_unfit;
    bool not_utf8; /* the 8 bit text of the body is no UTF-8 */
    /* The scanner's own. */
    uint64_t line; /* octets of the line in hand */
    struct effector effector;
    struct {
        unsigned char more, low, high; /* octets to come of a character, bounds of the next one */
    } utf8;
    bool asa, in_body, have_field, in_name, cr;
};
void text_scan_begin(struct text_facts *f, bool asa);
void text_scan(struct text_facts *f, struct span chunk);
void text_scan_end(struct text_facts *f); /* a last line without LF counts */

enum text_need {
    TEXT_AS_IS = 0,
    TEXT_ENCODE_BODY = 1,   /* body unfit, or 8 bit without 8BITMIME */
    TEXT_ENCODE_HEADER = 2, /* header unfit, or 8 bit in it without SMTPUTF8 */
    /* Only beside the others, for the charset of a text that names none: */
    TEXT_EIGHT_BIT = 4,
    TEXT_NOT_UTF8 = 8
};
unsigned text_needs(const struct text_facts *f, bool peer_8bitmime, bool peer_smtputf8);

/* The converter. Opaque to its user but for being a value.
 *
 * TEXT_ENCODE_BODY encodes each leaf of a MIME message by itself: one with identity encoding
 * becomes quoted-printable, one that is encoded is passed on. Multiparts are followed 16 deep; a
 * deeper one counts as a leaf. Parts of type message (delivery-status and the like) must not be
 * encoded: their lines are treated as header fields. What belongs to no part (preamble, epilogue)
 * is only made lawful. */
struct text;
/* NULL: memory is short. */
struct text *text_begin(bool asa, unsigned needs);
/* Converts a chunk; appends to *out. False: memory is short. */
bool text_feed(struct text *t, struct span chunk, struct buf *out);
/* The end of the text: closes the last line, appends the final dot line. */
bool text_end(struct text *t, struct buf *out);
void text_free(struct text *t);

/* Only the first step, for notices that quote the message: ASA text to plain LF lines. *first is
 * the caller's, true at the start; it becomes false when the header is over. Takes whole lines. A
 * record that overprints becomes a line of its own; a form feed of the first line of the body goes
 * only if the header ends in the same call. */
bool text_effectors(struct span lines, struct buf *out, bool *first);

#endif
