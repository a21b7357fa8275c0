/* The message header of RFC 5322, as far as a carrier of mail looks into it. Pure. */
#ifndef SPOOLMAIL_HEADER_H
#define SPOOLMAIL_HEADER_H

#include "lib/buf.h"

/* One field, folded lines included. Lines end in LF or CR LF. */
struct field {
    struct span name; /* without the colon */
    struct span body; /* after the colon, blanks and inner line ends as they stand, without the last
                         line end */
};

/* Takes the next field off *text. False at the empty line, at the end of text, or at a line that is
 * no field (the header ends there though no empty line came): *text then stands at that line. */
bool header_next(struct span *text, struct field *f);
/* The octets of the header, up to and without the empty line (or the first line that is no field).
 * *has_separator: an empty line (no blank in it) follows. */
struct span header_part(struct span message, bool *has_separator);
/* The first field of the name (any case); false when there is none. */
bool header_find(struct span message, const char *name, struct field *f);
/* How many fields have that name (any case): Received counts hops (RFC 5321 6.3). */
size_t header_count(struct span message, const char *name);
/* Is this the first line of a header field (name of printable octets but colon, then a colon)? */
bool header_is_field(struct span line);

/* Appends a date-time of RFC 5322 3.3: "Sat, 21 Nov 2026 19:07:45 +0000". Seconds since 1970;
 * offset from UTC in seconds, less than a day: the zone shows its whole minutes, and the time
 * agrees with them. False for years before 0 or after 9999 and when memory is short. */
bool header_date(struct buf *out, int64_t seconds, int offset);
/* Appends the body folded at blanks so that no line passes 78 columns where a blank allows it; the
 * first line already holds `used` columns. Lines end in LF, the last one too. White space at the
 * end goes; old line ends are undone first, and one without a blank becomes a blank. Columns are
 * UTF-8 characters. */
bool header_fold(struct buf *out, struct span body, size_t used);

#endif
