/* See base64.h. */
#include "lib/base64.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_encode(struct span octets, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)octets.p;
    char four[4];

    if (octets.n > SIZE_MAX / 4 || !buf_reserve(out, octets.n / 3 * 4 + 8))
        return false;
    for (size_t i = 0; i < octets.n; i += 3) {
        size_t left = octets.n - i;
        uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                        (left > 2 ? p[i + 2] : 0);
        four[0] = letters[bits >> 18];
        four[1] = letters[bits >> 12 & 63];
        four[2] = left > 1 ? letters[bits >> 6 & 63] : '=';
        four[3] = left > 2 ? letters[bits & 63] : '=';
        buf_add(out, four, sizeof(four));
    }
    explicit_bzero(four, sizeof(four));
    return !out->failed;
}

/* The value of a letter; 64: it is none. */
static uint32_t value(char c)
{
    const char *at = c == '\0' ? NULL : strchr(letters, c);

    return at == NULL ? 64 : (uint32_t)(at - letters);
}

/* Four characters, of which `pad` at the end are padding. */
static bool decode_four(const char *p, size_t pad, struct buf *out)
{
    char three[3];
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        uint32_t v = i < 4 - pad ? value(p[i]) : 0;
        if (v == 64)
            return false;
        bits = bits << 6 | v;
    }
    if ((pad == 1 && bits & 0xFF) || (pad == 2 && bits & 0xFFFF))
        return false; /* one value has one form only */
    three[0] = (char)(bits >> 16);
    three[1] = (char)(bits >> 8 & 0xFF);
    three[2] = (char)(bits & 0xFF);
    return buf_add(out, three, 3 - pad);
}

bool base64_decode(struct span text, struct buf *out)
{
    size_t pad = 0;

    if (text.n % 4 != 0)
        return false;
    while (text.n > 0 && pad < 2 && text.p[text.n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < text.n; i += 4)
        if (!decode_four(text.p + i, i + 4 == text.n ? pad : 0, out))
            return false;
    return true;
}
