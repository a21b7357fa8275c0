/* See undelivered.h. */
#include "jobs/postoffice/undelivered.h"

enum { HEADER_MAX = 65536, LINE_MAX_OCTETS = 200 /* of the header that is shown */ };

static void add_words(struct buf *out, const struct undelivered *u)
{
    buf_printf(out,
               "--%s\nContent-Type: text/plain; charset=US-ASCII\n\n"
               "The post office at %s could not deliver your mail to:\n",
               u->boundary, u->notice.site->host);
    for (size_t i = 0; i < u->recipients; i++) {
        const struct recipient *r = &u->recipient[i];
        if (r->state != RECIPIENT_REFUSED)
            continue;
        buf_adds(out, "\n    <");
        buf_addsafe(out, span_of(r->to.text));
        buf_printf(out, ">\n        %s\n", r->text != NULL ? r->text : r->status);
    }
    buf_adds(out, "\nIt will not be tried again. The header of your mail is below.\n\n");
}

static void add_status(struct buf *out, const struct undelivered *u)
{
    buf_printf(out,
               "--%s\nContent-Type: message/delivery-status\n\n"
               "Reporting-MTA: dns; %s\nX-Spool-File: ",
               u->boundary, u->notice.site->host);
    buf_addsafe(out, span_of(u->file));
    buf_addc(out, '\n');
    for (size_t i = 0; i < u->recipients; i++) {
        const struct recipient *r = &u->recipient[i];
        if (r->state != RECIPIENT_REFUSED)
            continue;
        buf_adds(out, "\nFinal-Recipient: rfc822; ");
        buf_addsafe(out, span_of(r->to.text));
        buf_printf(out, "\nAction: failed\nStatus: %s\n", r->status);
        if (r->text != NULL)
            buf_printf(out, "Diagnostic-Code: %s; %s\n",
                       r->way == WAY_LMTP ? "smtp" : "x-postoffice", r->text);
    }
    buf_addc(out, '\n');
}

/* Line by line, so that none gets longer than mail may be; a long one is cut. */
static void add_header(struct buf *out, const struct undelivered *u)
{
    struct span rest = u->header, line;

    if (rest.n > HEADER_MAX)
        rest.n = HEADER_MAX;
    buf_printf(out, "--%s\nContent-Type: text/rfc822-headers\n\n", u->boundary);
    while (span_line(&rest, &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        buf_addsafe(out, line.n > LINE_MAX_OCTETS ? (struct span){line.p, LINE_MAX_OCTETS} : line);
        buf_addc(out, '\n');
    }
    buf_printf(out, "\n--%s--\n", u->boundary);
}

bool undelivered_write(struct buf *out, const struct undelivered *u)
{
    struct notice n = u->notice;

    n.subject = "Mail could not be delivered";
    notice_begin(out, &n);
    buf_printf(out,
               "Content-Type: multipart/report; report-type=delivery-status;\n"
               "\tboundary=\"%s\"\n\n",
               u->boundary);
    add_words(out, u);
    add_status(out, u);
    add_header(out, u);
    return !out->failed;
}
