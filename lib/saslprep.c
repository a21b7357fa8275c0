/* See saslprep.h. */
#include "lib/saslprep.h"

#include <stdlib.h>
#include <string.h>

#include <gsasl.h>

bool saslprep(struct span text, struct buf *out)
{
    char *copy, *prepared = NULL;

    if (span_find(text, '\0') < text.n)
        return false;
    copy = calloc(1, text.n + 1);
    if (copy == NULL) {
        out->failed = true;
        return false;
    }
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    /* libgsasl 2.2 takes GSASL_ALLOW_UNASSIGNED for its contrary. */
    int result = gsasl_saslprep(copy, 0, &prepared, NULL);
    explicit_bzero(copy, text.n);
    free(copy);
    bool good = result == GSASL_OK && buf_adds(out, prepared);
    out->failed = out->failed || result == GSASL_MALLOC_ERROR;
    if (prepared != NULL)
        explicit_bzero(prepared, strlen(prepared));
    gsasl_free(prepared);
    return good;
}
