/* See charset.h. Decoding and encoding undo what they appended when they fail, so that a caller
 * never holds half a conversion. */
#include "lib/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>
#include <uniwidth.h>

#include "lib/charset_tables.h"

enum { NEL = 0x85 };

static bool fault(struct buf *out, size_t keep, size_t at, size_t *bad)
{
    out->len = keep;
    if (bad != NULL)
        *bad = at;
    return false;
}

static bool alphanumeric(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Capitals, and IBM-500 as IBM500. Refuses what iconv would take for more than a name:
 * "//TRANSLIT", a path, the name of the locale's own code page. */
static bool tidy_name(struct span name, char *out, size_t size)
{
    size_t n = 0;

    if (name.n >= size)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!alphanumeric(c) && (c == '\0' || strchr("-_.:+()", c) == NULL))
            return false;
        if (c == '-' && n == 3 && memcmp(out, "IBM", 3) == 0)
            continue;
        out[n++] = c >= 'a' ? (char)(c - 'a' + 'A') : c; /* of what may stand here z is the last */
    }
    out[n] = '\0';
    return n > 0;
}

static const struct {
    const char *alias;
    struct charset charset;
} builtin[] = {
    {"UTF-8", {CHARSET_UTF8, "UTF-8", NULL, false}},
    {"UTF8", {CHARSET_UTF8, "UTF-8", NULL, false}},
    {"US-ASCII", {CHARSET_TABLE, "US-ASCII", us_ascii, false}},
    {"ASCII", {CHARSET_TABLE, "US-ASCII", us_ascii, false}},
    {"ISO-8859-1", {CHARSET_TABLE, "ISO-8859-1", iso_8859_1, false}},
    {"ISO8859-1", {CHARSET_TABLE, "ISO-8859-1", iso_8859_1, false}},
    {"LATIN1", {CHARSET_TABLE, "ISO-8859-1", iso_8859_1, false}},
    {"IBM1047", {CHARSET_TABLE, "IBM1047", ibm1047, true}},
    {"CP1047", {CHARSET_TABLE, "IBM1047", ibm1047, true}},
    {"IBM037", {CHARSET_TABLE, "IBM037", ibm037, true}},
    {"CP037", {CHARSET_TABLE, "IBM037", ibm037, true}},
};

/* Takes all that is left at *src; false leaves *left at the fault. src NULL: ends the shift state.
 */
static bool iconv_all(iconv_t cd, char **src, size_t *left, struct buf *out)
{
    enum { ROOM = 16 }; /* more than one character or escape sequence needs */

    while (buf_reserve(out, *left + ROOM)) {
        char *to = out->data + out->len;
        size_t room = out->cap - out->len;
        size_t result = iconv(cd, src, left, &to, &room);

        out->len = out->cap - room;
        if (result != (size_t)-1)
            return true;
        if (errno != E2BIG)
            return false;
    }
    return false;
}

/* gcc's analyzer takes (iconv_t)-1 for a handle that is never closed. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static bool convert(const char *to, const char *from, struct span in, struct buf *out, size_t *bad)
{
    size_t keep = out->len, left = in.n, none = 0;
    char *src = (char *)in.p; /* iconv's prototype lacks the const that it keeps */
    iconv_t cd = iconv_open(to, from);
    bool done;

    if (cd == (iconv_t)-1)
        return fault(out, keep, 0, bad);
    done = (in.n == 0 || iconv_all(cd, &src, &left, out)) && iconv_all(cd, NULL, &none, out);
    (void)iconv_close(cd);
    return done || fault(out, keep, in.n - left, bad);
}
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

/* A code page of iconv is there if it takes an "A"; it is EBCDIC if the A is X'C1'. */
static bool find_iconv(const char *name, struct charset *out)
{
    struct buf a = {0}, back = {0};
    bool found = convert(name, "UTF-8", SPAN("A"), &a, NULL) &&
                 convert("UTF-8", name, BUF_SPAN(&a), &back, NULL);

    out->kind = CHARSET_ICONV;
    out->ebcdic = found && span_eq(BUF_SPAN(&a), SPAN("\xC1"));
    buf_free(&a);
    buf_free(&back);
    return found;
}

bool charset_find(struct span name, struct charset *out)
{
    *out = (struct charset){0};
    if (!tidy_name(name, out->name, sizeof(out->name)))
        return false;
    for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++)
        if (strcmp(out->name, builtin[i].alias) == 0) {
            *out = builtin[i].charset;
            return true;
        }
    return find_iconv(out->name, out);
}

static bool decode_table(const struct charset *from, struct span in, bool stream, struct buf *out,
                         size_t *bad)
{
    size_t keep = out->len;
    char *to;

    if (in.n == 0)
        return !out->failed;
    if (in.n > SIZE_MAX / 2 || !buf_reserve(out, in.n * 2))
        return fault(out, keep, 0, bad);
    to = out->data + keep;
    for (size_t i = 0; i < in.n; i++) {
        unsigned code = from->table[(unsigned char)in.p[i]];

        if (code == NOT_MAPPED)
            return fault(out, keep, i, bad);
        if (code == NEL && stream && from->ebcdic)
            code = '\n';
        if (code >= 0x80) {
            *to++ = (char)(0xC0 | code >> 6);
            code = 0x80 | (code & 0x3F);
        }
        *to++ = (char)code;
    }
    out->len = (size_t)(to - out->data);
    return true;
}

/* From `start` on, U+0085 becomes LF. */
static void nel_to_lf(struct buf *text, size_t start)
{
    static const char nel[2] = {'\xC2', '\x85'};
    size_t to = start;

    for (size_t i = start; i < text->len; i++) {
        bool hit = text->len - i >= sizeof(nel) && memcmp(text->data + i, nel, sizeof(nel)) == 0;

        text->data[to++] = hit ? '\n' : text->data[i];
        i += hit;
    }
    text->len = to;
}

static bool decode_iconv(const struct charset *from, struct span in, bool stream, struct buf *out,
                         size_t *bad)
{
    size_t start = out->len;

    if (!convert("UTF-8", from->name, in, out, bad))
        return false;
    if (stream && from->ebcdic)
        nel_to_lf(out, start);
    return true;
}

static bool copy_utf8(struct span in, struct buf *out, size_t *bad)
{
    size_t at = 0;

    if (!utf8_valid(in, &at) || !buf_addspan(out, in))
        return fault(out, out->len, at, bad);
    return true;
}

bool charset_decode(const struct charset *from, struct span in, bool stream, struct buf *out,
                    size_t *bad)
{
    if (from->kind == CHARSET_UTF8)
        return copy_utf8(in, out, bad);
    if (from->kind == CHARSET_TABLE)
        return decode_table(from, in, stream, out, bad);
    return decode_iconv(from, in, stream, out, bad);
}

/* The tables hold only code points below 256, so their inverse fits an array as small as they are.
 */
struct inverse {
    unsigned char octet[256];
    bool known[256];
};

static void invert(const unsigned short *table, struct inverse *inv)
{
    *inv = (struct inverse){0};
    for (unsigned octet = 0; octet < 256; octet++)
        if (table[octet] < 256) {
            inv->octet[table[octet]] = (unsigned char)octet;
            inv->known[table[octet]] = true;
        }
}

static bool encode_table(const struct charset *to, struct span utf8, struct buf *out, size_t *bad)
{
    struct inverse inv;
    size_t keep = out->len, n;
    uint32_t code;

    if (!buf_reserve(out, utf8.n))
        return fault(out, keep, 0, bad);
    invert(to->table, &inv);
    for (size_t i = 0; i < utf8.n; i += n) {
        n = utf8_char(span_from(utf8, i), &code);
        if (n == 0 || code >= 256 || !inv.known[code])
            return fault(out, keep, i, bad);
        out->data[out->len++] = (char)inv.octet[code];
    }
    return true;
}

bool charset_encode(const struct charset *to, struct span utf8, struct buf *out, size_t *bad)
{
    if (to->kind == CHARSET_UTF8)
        return copy_utf8(utf8, out, bad);
    if (to->kind == CHARSET_TABLE)
        return encode_table(to, utf8, out, bad);
    return convert(to->name, "UTF-8", utf8, out, bad);
}

bool utf8_valid(struct span text, size_t *bad)
{
    const uint8_t *start = (const uint8_t *)text.p;
    const uint8_t *hit = text.n > 0 ? u8_check(start, text.n) : NULL;

    if (hit != NULL && bad != NULL)
        *bad = (size_t)(hit - start);
    return hit == NULL;
}

bool utf8_is_ascii(struct span text)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t all = 0, word;
    size_t i = 0;

    for (; text.n - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, text.p + i, sizeof(word));
        all |= word;
    }
    for (; i < text.n; i++)
        all |= (unsigned char)text.p[i];
    return (all & high) == 0;
}

size_t utf8_char(struct span text, uint32_t *code)
{
    ucs4_t character;
    int n;

    if (text.n > 0 && (unsigned char)text.p[0] < 0x80) {
        *code = (unsigned char)text.p[0];
        return 1;
    }
    n = text.n > 0 ? u8_mbtoucr(&character, (const uint8_t *)text.p, text.n) : 0;
    if (n <= 0)
        return 0;
    *code = character;
    return (size_t)n;
}

char utf8_control(struct span *text)
{
    uint32_t code;

    if (text->n == 0 || utf8_char(*text, &code) > 1)
        return ' ';
    char control = text->p[0];
    *text = span_from(*text, 1);
    return control;
}

static bool fold_ascii(struct span name, struct buf *key)
{
    if (!buf_reserve(key, name.n))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        key->data[key->len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return true;
}

/* Letters that are folded one by one: none of them composes with another one, and what they become
 * is composed. Latin and Cyrillic, in which most names are written. */
static bool folds_alone(uint32_t code)
{
    return code < 0x0300 || (code >= 0x0400 && code < 0x0483) || (code > 0x0489 && code < 0x0530);
}

/* Where the case fold of such a letter is not its small letter. */
static struct span fold_of(uint32_t code)
{
    static const struct {
        uint32_t code;
        const char *fold;
    } folds[] = {{0x00B5, "\u03BC"},
                 {0x00DF, "ss"},
                 {0x0130, "i\u0307"},
                 {0x0149, "\u02BCn"},
                 {0x017F, "s"}};

    for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++)
        if (folds[i].code == code)
            return span_of(folds[i].fold);
    return (struct span){NULL, 0};
}

/* False: not all of the name is so simple; nothing was appended. */
static bool fold_alone(struct span name, struct buf *key)
{
    size_t before = key->len;

    for (size_t i = 0, n; i < name.n; i += n) {
        uint8_t small[6];
        uint32_t code = 0;

        n = utf8_char(span_from(name, i), &code);
        struct span fold = fold_of(code);
        if (n > 0 && folds_alone(code) && fold.n == 0)
            fold = (struct span){(const char *)small,
                                 (size_t)u8_uctomb(small, uc_tolower(code), sizeof(small))};
        if (fold.n == 0 || !buf_addspan(key, fold)) {
            key->len = before;
            return false;
        }
    }
    return true;
}

bool utf8_fold(struct span name, struct buf *key)
{
    uint8_t *folded;
    size_t n;
    bool added;

    if (utf8_is_ascii(name))
        return fold_ascii(name, key);
    if (fold_alone(name, key))
        return true;
    if (!utf8_valid(name, NULL))
        return false;
    folded = u8_casefold((const uint8_t *)name.p, name.n, NULL, UNINORM_NFC, NULL, &n);
    if (folded == NULL)
        return false;
    added = buf_add(key, folded, n);
    free(folded);
    return added;
}

/* What a terminal might obey, or what turns the order of text about. */
static bool unsafe(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C},
        {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069},
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

bool utf8_safe(struct span text, struct buf *out)
{
    for (size_t i = 0, n; i < text.n; i += n) {
        uint32_t code = 0;

        n = utf8_char(span_from(text, i), &code);
        if (code == '\t')
            buf_addc(out, ' ');
        else if (n <= 1 && (n == 0 || unsafe(code)))
            buf_printf(out, "\\x%02X", (unsigned char)text.p[i]);
        else if (unsafe(code))
            buf_printf(out, "\\u{%04X}", (unsigned)code);
        else
            buf_add(out, text.p + i, n);
        n += n == 0;
    }
    return !out->failed;
}

size_t utf8_width(struct span text)
{
    size_t columns = 0;

    for (size_t i = 0, n; i < text.n; i += n) {
        uint32_t code = 0;
        int width;

        n = utf8_char(span_from(text, i), &code);
        width = n == 0 ? 1 : uc_width(code, "UTF-8");
        columns += width > 0 ? (size_t)width : 0;
        n += n == 0;
    }
    return columns;
}
