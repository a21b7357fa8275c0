/* See tlsa.h. */
#include "lib/tlsa.h"

#include <string.h>

static bool fit(const struct tlsa *r)
{
    static const size_t lengths[] = {0, 32, 64}; /* by matching type */

    return (r->usage == 2 || r->usage == 3) && r->selector <= 1 &&
           (r->matching == 1 || r->matching == 2) && r->length == lengths[r->matching];
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool take_hex(struct span hex, struct tlsa *r)
{
    r->length = 0;
    for (size_t i = 0; i + 1 < hex.n && r->length < sizeof(r->data); i += 2) {
        int high = hex_digit(hex.p[i]), low = hex_digit(hex.p[i + 1]);
        if (high < 0 || low < 0)
            return false;
        r->data[r->length++] = (unsigned char)(high << 4 | low);
    }
    return hex.n == 2 * r->length;
}

bool tlsa_parse(struct span text, struct tlsa *r)
{
    unsigned char *const parts[] = {&r->usage, &r->selector, &r->matching};
    struct span part;

    *r = (struct tlsa){0};
    text = span_trim(text);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        uint64_t n;
        if (!span_cut(&text, ' ', &part) || !span_number(part, UINT8_MAX, &n))
            return false;
        *parts[i] = (unsigned char)n;
    }
    return text.p != NULL && take_hex(text, r) && fit(r);
}

bool tlsa_set(unsigned usage, unsigned selector, unsigned matching, struct span data,
              struct tlsa *r)
{
    *r = (struct tlsa){0};
    if (data.n > sizeof(r->data) || usage > UINT8_MAX || selector > UINT8_MAX ||
        matching > UINT8_MAX)
        return false;
    r->usage = (unsigned char)usage;
    r->selector = (unsigned char)selector;
    r->matching = (unsigned char)matching;
    r->length = data.n;
    memcpy(r->data, data.p, data.n);
    return fit(r);
}
