/* The first look at a text: what text.h calls its facts. It must judge as text.c converts, or a
 * text would go out that the peer cannot take: both cut lines by segment.h and take the same lines
 * for header fields. */
#include "usmtp/field.h"
#include "usmtp/segment.h"
#include "usmtp/text.h"

#define EVERY_OCTET(x) (UINT64_MAX / 255 * (x))

/* Neither 8 bit nor CR nor NUL: nearly all text is, so this is quick, 8 octets at a time. x -
 * 01..01 has a high bit where x, without any high bit itself, has a zero octet. */
static bool is_plain(struct span s)
{
    const uint64_t ones = EVERY_OCTET(0x01), highs = EVERY_OCTET(0x80), crs = EVERY_OCTET('\r');
    uint64_t seen = 0, x;
    size_t i = 0;

    for (; s.n - i >= sizeof(x); i += sizeof(x)) {
        memcpy(&x, s.p + i, sizeof(x));
        seen |= x | (x - ones) | ((x ^ crs) - ones);
    }
    for (; i < s.n; i++) {
        x = (unsigned char)s.p[i];
        seen |= x | (x - 1) | ((x ^ '\r') - 1);
    }
    return (seen & highs) == 0;
}

/* First octets of a character (RFC 3629): how many follow, and the bounds of the second. */
static const struct {
    unsigned char first, last, more, low, high;
} leads[] = {
    {0x00, 0x7F, 0, 0x80, 0xBF}, {0xC2, 0xDF, 1, 0x80, 0xBF}, {0xE0, 0xE0, 2, 0xA0, 0xBF},
    {0xE1, 0xEC, 2, 0x80, 0xBF}, {0xED, 0xED, 2, 0x80, 0x9F}, {0xEE, 0xEF, 2, 0x80, 0xBF},
    {0xF0, 0xF0, 3, 0x90, 0xBF}, {0xF1, 0xF3, 3, 0x80, 0xBF}, {0xF4, 0xF4, 3, 0x80, 0x8F},
};

/* False: the octet cannot stand here. */
static bool utf8_step(struct text_facts *f, unsigned char c)
{
    if (f->utf8.more > 0) {
        bool good = c >= f->utf8.low && c <= f->utf8.high;
        f->utf8.more = (unsigned char)(good ? f->utf8.more - 1 : 0);
        f->utf8.low = 0x80;
        f->utf8.high = 0xBF;
        return good;
    }
    for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
        if (c < leads[i].first || c > leads[i].last)
            continue;
        f->utf8.more = leads[i].more;
        f->utf8.low = leads[i].low;
        f->utf8.high = leads[i].high;
        return true;
    }
    return false;
}

static void note_not_utf8(struct text_facts *f)
{
    if (f->in_body)
        f->not_utf8 = true;
    else
        f->header_unfit = true;
}

static void note_unfit(struct text_facts *f)
{
    if (f->in_body)
        f->body_unfit = true;
    else
        f->header_unfit = true;
}

static void scan_octets(struct text_facts *f, struct span s)
{
    bool *eight_bit = f->in_body ? &f->eight_bit : &f->header_eight_bit;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        *eight_bit |= c >= 0x80;
        f->bare_cr |= c == '\r';
        f->nul |= c == '\0';
        if (c == '\r' || c == '\0')
            note_unfit(f);
        if (!utf8_step(f, c))
            note_not_utf8(f);
    }
}

/* Within the header: is the line in hand still one of it? As field_begins() says of a whole line.
 */
static void scan_place(struct text_facts *f, struct span s, bool ends)
{
    if (f->line == 0 && s.n > 0)
        f->in_name = !(f->have_field && field_continues(s));
    for (size_t i = 0; f->in_name && !f->in_body && i < s.n; i++) {
        uint64_t at = f->line + i;
        if (s.p[i] == ':' && at > 0 && at < FIELD_NAME_MAX) {
            f->have_field = true;
            f->in_name = false;
        } else {
            f->in_body = s.p[i] == ':' || s.p[i] < 33 || s.p[i] > 126;
        }
    }
    if (ends && (f->in_name || (f->line == 0 && s.n == 0)))
        f->in_body = true;
}

static void end_line(struct text_facts *f)
{
    if (f->utf8.more > 0)
        note_not_utf8(f);
    if (f->line > TEXT_LINE_MAX)
        note_unfit(f);
    if (f->line > f->longest)
        f->longest = f->line;
    f->wire_octets += f->line + 2;
    f->utf8.more = 0;
    f->line = 0;
    f->in_name = false;
}

/* `plain`: the text, and a CR held back before it, are known to be. */
static void scan_lines(struct text_facts *f, struct span text, bool plain)
{
    struct span s;
    bool ends;

    while (segment_next(&f->cr, &text, &s, &ends)) {
        if (!f->in_body)
            scan_place(f, s, ends);
        if (f->utf8.more > 0 || !(plain || is_plain(s)))
            scan_octets(f, s);
        f->line += s.n;
        if (ends)
            end_line(f);
    }
}

void text_scan_begin(struct text_facts *f, bool asa)
{
    *f = (struct text_facts){.asa = asa};
}

void text_scan(struct text_facts *f, struct span chunk)
{
    struct effected next;
    bool plain = is_plain(chunk) && !f->cr;

    f->octets += chunk.n;
    if (!f->asa) {
        scan_lines(f, chunk, plain);
        return;
    }
    while (effector_next(&f->effector, &chunk, &next)) {
        scan_lines(f, next.effect, false);
        scan_lines(f, next.text, false);
    }
}

void text_scan_end(struct text_facts *f)
{
    if (f->asa)
        scan_lines(f, effector_end(&f->effector), false);
    if (f->line > 0) {
        if (!f->in_body)
            scan_place(f, (struct span){"", 0}, true);
        end_line(f);
    }
}

unsigned text_needs(const struct text_facts *f, bool peer_8bitmime, bool peer_smtputf8)
{
    unsigned needs = TEXT_AS_IS;

    if (f->body_unfit || (f->eight_bit && !peer_8bitmime))
        needs |= TEXT_ENCODE_BODY;
    if (f->header_unfit || (f->header_eight_bit && !peer_smtputf8))
        needs |= TEXT_ENCODE_HEADER;
    if (needs != TEXT_AS_IS) {
        needs |= f->eight_bit ? TEXT_EIGHT_BIT : 0;
        needs |= f->not_utf8 ? TEXT_NOT_UTF8 : 0;
    }
    return needs;
}
