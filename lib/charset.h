/* Code pages, UTF-8 and folding: the one home of GNU libunistring and of iconv. Pure.
 *
 * IBM-1047, IBM-037, ISO-8859-1 and US-ASCII are built in (tables); other names go to iconv, which
 * unlike uniconv tells the octet at fault. A name that it does not know, or whose converter is not
 * installed, is said so, never guessed. Trusts nothing: a name may come from a header, text from
 * anywhere. */
#ifndef SPOOLMAIL_CHARSET_H
#define SPOOLMAIL_CHARSET_H

#include "lib/buf.h"

enum charset_kind { CHARSET_UTF8, CHARSET_TABLE, CHARSET_ICONV };

struct charset {
    enum charset_kind kind;
    char name[40];               /* as MIME would call it: IBM1047, not IBM-1047 */
    const unsigned short *table; /* CHARSET_TABLE: 256 code points below U+0100 */
    bool ebcdic;
};

/* By name, without regard to case: UTF-8, US-ASCII, ISO-8859-1, IBM-1047 (IBM1047, CP1047), IBM-037
 * (IBM037, CP037), and whatever iconv offers. False when unknown or not installed. */
bool charset_find(struct span name, struct charset *out);

/* Appends `in`, converted to UTF-8. False when memory is short or an octet has no meaning in the
 * code page; *bad (may be NULL) is then its index. Of EBCDIC, X'15' (NEL) and X'25' (LF) both
 * become LF when `stream` is true (byte streams); in records they become U+0085 and U+000A as they
 * stand. On failure nothing is appended. */
bool charset_decode(const struct charset *from, struct span in, bool stream, struct buf *out,
                    size_t *bad);
/* Appends UTF-8 text in the code page; false when a character has no place in it (*bad its index),
 * and then nothing is appended. */
bool charset_encode(const struct charset *to, struct span utf8, struct buf *out, size_t *bad);

/* Is it well-formed UTF-8 (RFC 3629: no surrogates, no overlongs)? *bad: first octet at fault. */
bool utf8_valid(struct span text, size_t *bad);
bool utf8_is_ascii(struct span text);
/* The first character: its length in octets, and *code. 0 when text is empty or not well formed. */
size_t utf8_char(struct span text, uint32_t *code);
/* Takes the carriage control, the first octet, off a decoded record. A character of several octets
 * is no control: it stays, as behind a blank; so does an empty record. */
char utf8_control(struct span *text);
/* Appends the key by which names are matched: NFC of the full case fold of NFD, which is the
 * canonical caseless match of Unicode (3.13, D145). False: memory or bad UTF-8. */
bool utf8_fold(struct span name, struct buf *key);
/* Appends text made safe for a terminal, a log or a printout: controls C0 (but HT as a blank), DEL,
 * C1, bidi controls (U+061C, 200E/F, 202A-E, 2066-9), line and paragraph separators, and octets
 * that are not UTF-8 become visible: \xNN for octets, \u{NNNN} for characters. */
bool utf8_safe(struct span text, struct buf *out);
/* Columns on a terminal (East Asian width, combining marks and controls 0); an octet that is not
 * UTF-8 counts one. */
size_t utf8_width(struct span text);

#endif
