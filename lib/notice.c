/* See notice.h. */
#include "lib/notice.h"

#include <stdio.h>

#include "lib/envelope.h"
#include "lib/header.h"

bool notice_user(const struct site *site, const struct user *user, struct address *to)
{
    char text[ADDRESS_TEXT_MAX + 1];
    const char *domain = site->postoffice != NULL ? site->postoffice : site->host;

    int n =
        snprintf(text, sizeof(text), "%s@%s", user != NULL ? user->userid : "POSTMASTER", domain);
    return n > 0 && n < (int)sizeof(text) &&
           address_parse((struct span){text, (size_t)n}, ADDRESS_BARE_OK, to, NULL) == ADDRESS_GOOD;
}

bool notice_find(const struct usertable *table, struct span login, struct span local,
                 struct user *user)
{
    if (table == NULL)
        return false;
    return (login.n > 0 && usertable_find_login(table, login, user)) ||
           (local.n > 0 && usertable_find(table, local, user));
}

bool notice_envelope(struct buf *out, const struct notice *n)
{
    static const struct address nobody;

    envelope_write(out, &nobody, &n->to, 1, false);
    buf_printf(out, "Received: by %s (spoolmail %s) id %s;\n\t", n->site->host, n->program, n->id);
    header_date(out, n->wall, n->offset);
    return buf_addc(out, '\n');
}

bool notice_begin(struct buf *out, const struct notice *n)
{
    const char *host = n->site->host;

    notice_envelope(out, n);
    buf_adds(out, "Date: ");
    header_date(out, n->wall, n->offset);
    buf_printf(out, "\nFrom: Mailer-Daemon <MAILER-DAEMON@%s>\nTo: ", host);
    address_write(out, &n->to);
    buf_printf(out,
               "\nSubject: %s\nMessage-ID: <%s@%s>\nAuto-Submitted: auto-replied\n"
               "MIME-Version: 1.0\n",
               n->subject, n->id, host);
    return !out->failed;
}
