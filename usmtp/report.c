/* See report.h. Text of peers goes through add_printable() and is cut there, so that no line can
 * pass 998 octets; the other parts have bounds of their own. */
#include "usmtp/report.h"

#include <string.h>

#include "lib/charset.h"
#include "lib/header.h"

enum {
    COLUMNS = 72,      /* of the text in plain words */
    FOREIGN_MAX = 800, /* octets of a peer's text that are shown */
    HOST_MAX = 255,
    BOUNDARY_ID_MAX = 60 /* a boundary has at most 70 octets */
};

/* What to do, by the end of the status code; the first row that fits. */
static const struct {
    const char *code, *advice;
} advices[] = {
    {".1.10",
     "The domain behind the @ takes no mail at all. Check it for a slip of the pen, or reach "
     "the recipient in another way."},
    {".1.1",
     "There is no such mailbox. Check the part of the address before the @, ask the recipient "
     "for the right address, and send the mail again."},
    {".1.2",
     "There is no such mail domain. Check the part of the address behind the @, and send the "
     "mail again."},
    {".1.3",
     "The address is not written as an address must be. Correct it, and send the mail again."},
    {".1.6", "The recipient has moved. Ask for the new address, and send the mail again."},
    {".1.7", "Your own address was not accepted. Ask your postmaster."},
    {".1.8", "Your own address was not accepted. Ask your postmaster."},
    {".1.", "Check the address, and send the mail again."},
    {".2.1", "The mailbox takes no mail at present. Reach the recipient in another way."},
    {".2.2",
     "The mailbox is full. Send the mail again later, or reach the recipient in another way."},
    {".2.3", "The mail is too large. Send it in parts, or leave out what is large."},
    {".3.4", "The mail is too large. Send it in parts, or leave out what is large."},
    {".4.",
     "Check the part of the address behind the @. If it is right, the fault lies with the other "
     "host or on the way to it: send the mail again later, or ask your postmaster."},
    {".6.", "The other host does not take mail of this kind. Send it as plain text."},
    {".7.",
     "The other host is not willing to take this mail from here. What it says tells why; if it "
     "does not help you, ask your postmaster."},
    {"", "What is said above tells why. Mend it and send the mail again, or ask your postmaster."},
};

/* A code that ends in a dot stands for all that begin so. */
static bool is_code(const char *end, const char *code)
{
    size_t n = strlen(code);

    return strncmp(end, code, n) == 0 && (n == 0 || code[n - 1] == '.' || end[n] == '\0');
}

static const char *advice_for(const char *status)
{
    size_t i = 0;

    while (!is_code(status + 1, advices[i].code))
        i++;
    return advices[i].advice;
}

/* Class, subject and detail of RFC 3463. */
static const char *checked_status(const char *status)
{
    struct span rest = span_of(status), part;
    unsigned parts = 0;
    uint64_t n;

    for (; span_cut(&rest, '.', &part); parts++)
        if (!span_number(part, 999, &n) || part.n > 3 ||
            (parts == 0 && !span_eq(part, SPAN("4")) && !span_eq(part, SPAN("5"))))
            return "5.0.0";
    return parts == 3 ? status : "5.0.0";
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Foreign text on one line of printable ASCII, cut to what anybody reads. */
static void add_printable(struct buf *out, struct span text)
{
    size_t most = out->len + FOREIGN_MAX;
    char last = ' '; /* no white space in front, and no run of it */

    for (size_t i = 0; i < text.n && !out->failed; i++) {
        char c = is_white(text.p[i]) ? ' ' : text.p[i];
        if (out->len + 4 > most) {
            buf_adds(out, "...");
            return;
        }
        if (c != ' ' || last != ' ')
            buf_addsafe(out, (struct span){&c, 1});
        last = c;
    }
}

/* A name of a host: what else stands in it, or in a lie about it, is shown as ?. */
static void add_host(struct buf *out, const char *host)
{
    for (size_t i = 0; i < HOST_MAX && host[i] != '\0'; i++)
        buf_addc(out,
                 is_alphanumeric(host[i]) || strchr(".-_:[]/", host[i]) != NULL ? host[i] : '?');
}

/* Words in lines; each begins with the indent. */
static void add_lines(struct buf *out, const char *indent, struct span words)
{
    size_t column = 0;
    struct span word;

    while (span_cut(&words, ' ', &word)) {
        if (word.n == 0)
            continue;
        if (column > 0 && column + 1 + word.n > COLUMNS) {
            buf_addc(out, '\n');
            column = 0;
        }
        buf_adds(out, column > 0 ? " " : indent);
        buf_addspan(out, word);
        column += word.n + (column > 0 ? 1 : strlen(indent));
    }
    buf_adds(out, "\n\n");
}

/* The same of words that were put together; leaves them empty. */
static void flush_lines(struct buf *out, const char *indent, struct buf *words)
{
    add_lines(out, indent, BUF_SPAN(words));
    out->failed |= words->failed;
    words->len = 0;
}

static void add_address(struct buf *out, const char *name, const struct address *a)
{
    buf_printf(out, "    %-6s<", name);
    add_printable(out, span_of(a->text));
    buf_adds(out, ">\n");
}

static void add_whose(struct buf *out, const struct report *r, struct buf *words)
{
    buf_printf(words, "This is the Mailer-Daemon at %s.", r->notice.site->host);
    flush_lines(out, "", words);
    buf_adds(words, "Your mail ");
    if (r->arrived != 0) {
        buf_adds(words, "of ");
        header_date(words, r->arrived, r->notice.offset);
    }
    buf_adds(words, " could not be delivered:");
    flush_lines(out, "", words);
    add_address(out, "From", &r->from);
    add_address(out, "To", &r->to);
    buf_adds(out, "    Name  ");
    add_printable(out, span_of(r->data_set));
    buf_adds(out, "\n\n");
}

/* Before what the host, or this one, said. */
static void add_speaker(struct buf *words, const struct report *r)
{
    bool named = r->host[0] != '\0';

    buf_adds(words, r->remote ? "The mail host " : "What went wrong");
    if (!r->remote && named)
        buf_adds(words, " with the mail host ");
    add_host(words, r->host);
    buf_adds(words, r->remote ? " said:" : ":");
}

static void add_reason(struct buf *out, const struct report *r, struct buf *words)
{
    if (r->last_try == 0) {
        buf_adds(words, "It was not tried. ");
    } else {
        buf_adds(words, r->expired ? "It was tried until " : "It was tried on ");
        header_date(words, r->last_try, r->notice.offset);
        buf_adds(words, r->expired ? ", and is given up now. " : ", and will not be tried again. ");
    }
    add_speaker(words, r);
    flush_lines(out, "", words);
    add_printable(words, span_of(r->diagnostic));
    flush_lines(out, "    ", words);
}

/* In plain words: whose mail, when, what was said, what to do. */
static void add_explanation(struct buf *out, const struct report *r, const char *original)
{
    struct buf words = {0};

    add_whose(out, r, &words);
    add_reason(out, r, &words);
    buf_printf(&words, "What to do: %s", advice_for(checked_status(r->status)));
    flush_lines(out, "", &words);
    buf_printf(&words, "%s Nobody reads answers to this notice: for help, write to postmaster@%s.",
               original, r->notice.site->host);
    flush_lines(out, "", &words);
    buf_free(&words);
}

/* One field of the delivery status, folded. */
static void add_field(struct buf *out, const char *name, const char *type, struct span value)
{
    struct buf body = {0};

    buf_printf(&body, " %s", type);
    add_printable(&body, value);
    buf_printf(out, "%s:", name);
    header_fold(out, BUF_SPAN(&body), strlen(name) + 1);
    out->failed |= body.failed;
    buf_free(&body);
}

static void add_date(struct buf *out, const char *name, int64_t when, int offset)
{
    buf_printf(out, "%s: ", name);
    header_date(out, when, offset);
    buf_addc(out, '\n');
}

/* An address with characters beyond ASCII as RFC 6533 writes it: utf-8-addr-xtext. */
static void add_recipient(struct buf *out, const struct address *a)
{
    struct span rest = span_of(a->text);
    struct buf text = {0};
    uint32_t code;

    if (!address_has_utf8(a)) {
        add_field(out, "Final-Recipient", "rfc822; ", rest);
        return;
    }
    for (size_t n; (n = utf8_char(rest, &code)) > 0; rest = span_from(rest, n)) {
        if (code > ' ' && code < 0x7F && strchr("\\+=", (int)code) == NULL)
            buf_addc(&text, (char)code);
        else
            buf_printf(&text, "\\x{%X}", (unsigned)code);
    }
    buf_printf(out, "Final-Recipient: utf-8;\n %s\n", buf_str(&text));
    out->failed |= text.failed;
    buf_free(&text);
}

static void add_status(struct buf *out, const struct report *r)
{
    int offset = r->notice.offset;

    add_field(out, "Reporting-MTA", "dns; ", span_of(r->notice.site->host));
    if (r->arrived != 0)
        add_date(out, "Arrival-Date", r->arrived, offset);
    buf_addc(out, '\n');
    add_recipient(out, &r->to);
    buf_printf(out, "Action: failed\nStatus: %s\n", checked_status(r->status));
    if (r->host[0] != '\0') {
        buf_adds(out, "Remote-MTA: dns; ");
        add_host(out, r->host);
        buf_addc(out, '\n');
    }
    if (r->diagnostic[0] != '\0')
        add_field(out, "Diagnostic-Code", r->remote ? "smtp; " : "x-usmtp; ",
                  span_of(r->diagnostic));
    if (r->last_try != 0)
        add_date(out, "Last-Attempt-Date", r->last_try, offset);
    buf_addc(out, '\n');
}

/* Letters, digits and what else needs no thought in a boundary; the end of the id if it is long. */
static void add_boundary(struct buf *out, const struct report *r)
{
    struct span id = span_of(r->notice.id);

    id = span_from(id, id.n > BOUNDARY_ID_MAX ? id.n - BOUNDARY_ID_MAX : 0);
    buf_adds(out, "=_notice_");
    for (size_t i = 0; i < id.n; i++)
        buf_addc(out, is_alphanumeric(id.p[i]) || id.p[i] == '.' || id.p[i] == '-' ? id.p[i] : '_');
}

/* `fields` end with the empty line. */
static void begin_part(struct buf *out, const struct report *r, const char *fields)
{
    buf_adds(out, "--");
    add_boundary(out, r);
    buf_printf(out, "\n%s\n", fields);
}

/* The original is passed on as it is: 8 bit, if it is. */
static void add_dsn_head(struct buf *out, const struct report *r)
{
    struct notice n = r->notice;

    n.subject = r->expired ? "Your mail could not be delivered in time"
                           : "Your mail could not be delivered";
    notice_begin(out, &n);
    buf_adds(out, "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"");
    add_boundary(out, r);
    buf_adds(out, "\"\nContent-Transfer-Encoding: 8bit\n\n");
    begin_part(out, r, "Content-Type: text/plain; charset=US-ASCII\n");
    add_explanation(out, r, "The original mail is enclosed.");
    begin_part(out, r, "Content-Type: message/delivery-status\n");
    add_status(out, r);
    begin_part(out, r, "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n");
}

static void add_dsn_tail(struct buf *out, const struct report *r)
{
    buf_adds(out, "\n--");
    add_boundary(out, r);
    buf_adds(out, "--\n");
}

static void add_append_head(struct buf *out, const struct report *r)
{
    notice_envelope(out, &r->notice);
}

static void add_append_tail(struct buf *out, const struct report *r)
{
    buf_addc(out, '\n');
    buf_fill(out, '-', COLUMNS);
    buf_adds(out, "\n\n");
    add_explanation(out, r, "The original mail stands above.");
}

static const struct {
    void (*head)(struct buf *out, const struct report *r);
    void (*tail)(struct buf *out, const struct report *r);
} forms[] = {
    [NOTICE_DSN] = {add_dsn_head, add_dsn_tail},
    [NOTICE_APPEND] = {add_append_head, add_append_tail},
};

bool report_head(struct buf *out, const struct report *r)
{
    forms[r->notice.site->notice].head(out, r);
    return !out->failed;
}

bool report_tail(struct buf *out, const struct report *r)
{
    forms[r->notice.site->notice].tail(out, r);
    return !out->failed;
}
