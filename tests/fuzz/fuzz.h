/* What the fuzz targets share. Each target is one file with LLVMFuzzerTestOneInput: it reads the
 * input as its module would, checks what must hold of the result, and stops at the first thing that
 * does not. Built with clang -fsanitize=fuzzer,address,undefined and the library's sources. */
#ifndef SPOOLMAIL_FUZZ_H
#define SPOOLMAIL_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"

#define CHECK(holds)                                                                               \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes one octet off the front of the input; 0 when there is none. */
static inline unsigned char take_octet(struct span *input)
{
    if (input->n == 0)
        return 0;
    unsigned char octet = (unsigned char)input->p[0];
    *input = span_from(*input, 1);
    return octet;
}

/* No control octet but those of `allowed`. */
static inline bool no_controls(struct span text, const char *allowed)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c < 0x20 || c == 0x7F) && span_find(span_of(allowed), (char)c) == span_of(allowed).n)
            return false;
    }
    return true;
}

#endif
