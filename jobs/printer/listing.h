/* From a spool file to the pages of its printout: separator page, envelope, main header fields,
 * text, separator page. Pure: octets in, pages out; no descriptor, clock or file.
 *
 * A file whose name says a record format other than lines of text is a listing, not mail: its
 * records are printed as they are, in the code page of the site, and its ASA or machine control is
 * obeyed. Nothing in the file is trusted. Mail that is broken is printed as it stands; a file whose
 * records are damaged, or that would take more than PAGES_MAX pages, is not printed at all. */
#ifndef PRINTER_LISTING_H
#define PRINTER_LISTING_H

#include "jobs/printer/page.h"
#include "jobs/printer/slip.h"
#include "lib/diag.h"
#include "lib/site.h"
#include "usertable/usertable.h"

struct listing_params {
    const struct site *site;
    const struct usertable *users; /* or NULL */
    const char *name;              /* of the spool file, with its job number */
    int64_t spooled, printed;      /* seconds since 1970 */
    int offset;                    /* of the local zone at `printed`, seconds */
};

enum listing_result {
    LISTING_GOOD,
    LISTING_BAD,   /* *d says why, and in which record (line) */
    LISTING_MEMORY /* memory is short: perhaps not the next time */
};

/* *pages and *slip are filled; the caller frees the pages, whatever the result. */
enum listing_result listing_make(const struct listing_params *params, struct span file,
                                 struct pages *pages, struct slip *slip, struct diag *d);

#endif
